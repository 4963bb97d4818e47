//! Multi-versioning: one body, compiled once for each instruction set.
//!
//! A [`Kernel`]'s body is plain safe Rust marked `#[inline(always)]`; it is inlined into a function
//! that has the level's target features enabled, and the compiler vectorises it there. Levels
//! reach kernels from [`super::level`] alone, which never names one that the CPU lacks.

use super::Level;

/// What a kernel's body may know of the instruction set it is compiled for.
pub(crate) trait Isa: Copy {
    /// Whether a fused multiply-add is one instruction (else it is a slow library call).
    const FMA: bool;

    /// `a * b + c`, fused where that is fast.
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        if Self::FMA { a.mul_add(b, c) } else { a * b + c }
    }

    /// `a * b + c` in double precision, fused where that is fast.
    #[inline(always)]
    fn fma64(a: f64, b: f64, c: f64) -> f64 {
        if Self::FMA { a.mul_add(b, c) } else { a * b + c }
    }
}

/// No fused multiply-add.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

/// With fused multiply-add.
#[derive(Clone, Copy)]
pub(crate) struct Fused;

impl Isa for Plain {
    const FMA: bool = false;
}

impl Isa for Fused {
    const FMA: bool = true;
}

/// A loop to be compiled for each level. `run` must be `#[inline(always)]`, and so must what it
/// calls, or the compiler does not see the level's features there.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Whether 512-bit registers gain anything; if not, the loop is not compiled for them.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only x86-64 has such registers")
    )]
    const WIDE: bool = true;
    /// The body.
    fn run<I: Isa>(self) -> Self::Output;
}

/// Runs a kernel's body as compiled for `level`.
#[inline]
pub(crate) fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        // SAFETY: `level` is one this CPU supports, see the module's first words; that is all
        // the two functions ask for.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Bf16 => {
            if K::WIDE {
                // SAFETY: as above.
                unsafe { avx512(kernel) }
            } else {
                // SAFETY: as above; these levels contain AVX2.
                unsafe { avx2(kernel) }
            }
        }
        // Fused multiply-add is part of the Armv8 baseline.
        Level::Neon => kernel.run::<Fused>(),
        _ => kernel.run::<Plain>(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Fused>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Fused>()
}
