//! Instruction sets: detection, forcing, and everything written with intrinsics.

pub(crate) mod attention;
mod dispatch;
pub(crate) mod gemm;
pub(crate) mod lanes;

use std::cell::Cell;
use std::sync::OnceLock;

pub(crate) use dispatch::{Isa, Kernel, Plain, dispatch};

/// An instruction set that kernels are written for, each containing those before it on its
/// architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Whatever the compiler's target guarantees.
    Portable,
    /// Armv8 NEON with f16 conversions.
    Neon,
    /// AVX2, FMA, F16C.
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
    /// AVX-512 with BF16 dot products.
    Avx512Bf16,
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The level kernels called from this thread use: the best the CPU has, or what [`with_level`]
/// forces.
#[inline]
pub fn level() -> Level {
    FORCED.get().unwrap_or_else(detected)
}

/// Every level this CPU can run, worst first.
pub fn available() -> Vec<Level> {
    [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512, Level::Avx512Bf16]
        .into_iter()
        .filter(|&l| supported(l))
        .collect()
}

/// Runs `f` with kernels called from this thread limited to `level`.
///
/// # Panics
/// If the CPU does not support `level`.
pub fn with_level<R>(level: Level, f: impl FnOnce() -> R) -> R {
    assert!(supported(level), "this CPU does not support {level:?}");
    with_forced(Some(level), f)
}

/// What [`with_level`] forces on this thread.
pub(crate) fn forced() -> Option<Level> {
    FORCED.get()
}

/// Runs `f` with what [`forced`] said on another thread.
pub(crate) fn with_forced<R>(level: Option<Level>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Level>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(level));
    f()
}

fn detected() -> Level {
    static DETECTED: OnceLock<Level> = OnceLock::new();
    *DETECTED.get_or_init(|| available().pop().unwrap_or(Level::Portable))
}

#[cfg(target_arch = "x86_64")]
fn supported(level: Level) -> bool {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match level {
        Level::Portable => true,
        Level::Neon => false,
        Level::Avx2 => avx2,
        Level::Avx512 => avx512,
        Level::Avx512Bf16 => avx512 && is_x86_feature_detected!("avx512bf16"),
    }
}

#[cfg(target_arch = "aarch64")]
fn supported(level: Level) -> bool {
    matches!(level, Level::Portable | Level::Neon)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn supported(level: Level) -> bool {
    level == Level::Portable
}
