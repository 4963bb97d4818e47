//! Sixteen `f32` lanes as one value, on every instruction set.
//!
//! Row kernels (norms, rope) are written once, in safe code generic over [`Lanes`], a token whose
//! existence proves that the CPU has an instruction set. The width is the same everywhere, so
//! sums have the same order at every level; levels differ only where a level has no fused
//! multiply-add.
//!
//! A kernel implements [`LaneKernel`]; [`with_lanes`] runs it inside a function that has the
//! instruction set enabled, into which everything here is inlined but for [`Lanes::call`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod sincos;

pub(crate) use sincos::sin_cos;

use super::Level;
use crate::data::{Element, Slice, bf16, f16};

/// Number of lanes.
pub(crate) const LANES: usize = 16;

/// Operations on [`LANES`] lanes. All arithmetic is IEEE `f32`, rounding to nearest even.
pub(crate) trait Lanes: Copy {
    /// The lanes.
    type F: Copy;
    /// How many of them fit in registers as running sums, beside what is being added.
    const SUMS: usize;

    /// Runs a kernel in a function of its own, compiled for the instruction set: for what several
    /// kernels share and is long beside a call.
    fn call<K: LaneKernel>(self, kernel: K) -> K::Output;

    fn splat(self, x: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once or twice, whichever is faster.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `c - a * b`, rounded once or twice.
    fn neg_mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a * b + c`, as if rounded once (through `f64` where the CPU cannot).
    fn fused(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The nearest integers, to even on a tie; lanes must be below 2^22 in magnitude.
    fn round(self, a: Self::F) -> Self::F;
    /// Sine and cosine of an angle `k` quarter turns on from one with sine `s` and cosine `c`,
    /// for integers `k` below 2^22 in magnitude.
    fn quarter_turns(self, k: Self::F, s: Self::F, c: Self::F) -> (Self::F, Self::F);
    /// Whether all lanes are at most `limit` in magnitude, which NaN is not.
    fn all_within(self, a: Self::F, limit: f32) -> bool;
    /// `a0, b0, a1, b1, ..`: the first half of that, and the second.
    fn interleave(self, a: Self::F, b: Self::F) -> [Self::F; 2];
    /// The lanes of `a` and then `b` at even places, and those at odd places.
    fn deinterleave(self, a: Self::F, b: Self::F) -> [Self::F; 2];

    fn load_f32(self, from: &[f32; LANES]) -> Self::F;
    fn load_f16(self, from: &[f16; LANES]) -> Self::F;
    fn load_bf16(self, from: &[bf16; LANES]) -> Self::F;
    /// Thirty-two elements, those at even places first.
    fn load_bf16_pairs(self, from: &[bf16; 2 * LANES]) -> [Self::F; 2];
    fn store_f32(self, a: Self::F, to: &mut [f32; LANES]);
    /// Rounds to nearest even, subnormals included.
    fn store_f16(self, a: Self::F, to: &mut [f16; LANES]);
    /// Rounds to nearest even, subnormals included; NaN stays NaN.
    fn store_bf16(self, a: Self::F, to: &mut [bf16; LANES]);
    /// Rounds as [`Lanes::store_bf16`], for the order of [`Lanes::load_bf16_pairs`]. NaN lanes
    /// must be such that their lower 16 bits are 0, as those loaded from bf16 are.
    fn store_bf16_pairs(self, a: [Self::F; 2], to: &mut [bf16; 2 * LANES]);
    /// `load_f16` of what `store_f16` stores.
    fn round_f16(self, a: Self::F) -> Self::F;
    /// `load_bf16` of what `store_bf16` stores, for NaN as in [`Lanes::store_bf16_pairs`].
    fn round_bf16(self, a: Self::F) -> Self::F;

    /// [`Lanes::store_f32`] past the caches where the CPU has such stores, if `to` is aligned to its
    /// own size; [`Lanes::fence`] must follow before another thread may look.
    #[inline(always)]
    fn stream_f32(self, a: Self::F, to: &mut [f32; LANES]) {
        self.store_f32(a, to);
    }
    /// As [`Lanes::stream_f32`].
    #[inline(always)]
    fn stream_f16(self, a: Self::F, to: &mut [f16; LANES]) {
        self.store_f16(a, to);
    }
    /// As [`Lanes::stream_f32`].
    #[inline(always)]
    fn stream_bf16_pairs(self, a: [Self::F; 2], to: &mut [bf16; 2 * LANES]) {
        self.store_bf16_pairs(a, to);
    }
    /// Orders streamed stores before whatever follows.
    #[inline(always)]
    fn fence(self) {}
    /// Hints that the cache line `at` elements into `data` is read soon. Any `at` is fine.
    #[inline(always)]
    fn prefetch<T>(self, data: &[T], at: usize) {
        let _ = (data, at);
    }

    /// The sum of all lanes, added pairwise: lane `i` and `i + 8`, then `+ 4`, `+ 2`, `+ 1`.
    fn sum(self, a: Self::F) -> f32;
}

/// A dtype that lanes are loaded from and stored to.
pub(crate) trait LaneElement: Element + Default {
    fn load<L: Lanes>(l: L, from: &[Self; LANES]) -> L::F;
    fn store<L: Lanes>(l: L, a: L::F, to: &mut [Self; LANES]);
    /// Loads twice as many, in an order that only [`LaneElement::store_pair`] and
    /// [`LaneElement::stream_pair`] of a dtype with the same [`LaneElement::EVENS_FIRST`] know.
    fn load_pair<L: Lanes>(l: L, from: &[Self; 2 * LANES]) -> [L::F; 2];
    /// Stores what was loaded by pairs. The lower 16 bits of NaN must be 0.
    fn store_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]);
    /// As [`LaneElement::store_pair`], past the caches, see [`Lanes::stream_f32`].
    fn stream_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]);
    /// Loads those at even places, then those at odd places.
    #[inline(always)]
    fn load_alternate<L: Lanes>(l: L, from: &[Self; 2 * LANES]) -> [L::F; 2] {
        let pair = Self::load_pair(l, from);
        if Self::EVENS_FIRST { pair } else { l.deinterleave(pair[0], pair[1]) }
    }
    /// What is to be stored by pairs, from even places and odd places.
    #[inline(always)]
    fn alternate<L: Lanes>(l: L, a: [L::F; 2]) -> [L::F; 2] {
        if Self::EVENS_FIRST { a } else { l.interleave(a[0], a[1]) }
    }
    /// Whether a load takes longer than one of `f32` from the second-level cache.
    const SLOW_LOAD: bool = false;
    /// The order of pairs: even places and odd places, or as they lie.
    const EVENS_FIRST: bool = false;
    /// Rounds lanes to values of this dtype. The lower 16 bits of NaN must be 0.
    fn round<L: Lanes>(l: L, a: L::F) -> L::F;
    /// The elements of a slice, if they are of this dtype.
    fn of(slice: Slice<'_>) -> Option<&[Self]>;

    /// Loads up to [`LANES`] elements; the other lanes are 0.
    #[inline(always)]
    fn load_part<L: Lanes>(l: L, from: &[Self]) -> L::F {
        let mut all = [Self::default(); LANES];
        all[..from.len()].copy_from_slice(from);
        Self::load(l, &all)
    }

    /// Loads up to [`LANES`] elements; the other lanes are `pad`.
    #[inline(always)]
    fn load_padded<L: Lanes>(l: L, from: &[Self], pad: f32) -> L::F {
        let mut all = [0.0; LANES];
        l.store_f32(Self::load_part(l, from), &mut all);
        all[from.len()..].fill(pad);
        l.load_f32(&all)
    }

    /// Stores the first lanes, as many as `to` has elements.
    #[inline(always)]
    fn store_part<L: Lanes>(l: L, a: L::F, to: &mut [Self]) {
        let mut all = [Self::default(); LANES];
        Self::store(l, a, &mut all);
        to.copy_from_slice(&all[..to.len()]);
    }
}

impl LaneElement for f32 {
    #[inline(always)]
    fn load<L: Lanes>(l: L, from: &[Self; LANES]) -> L::F {
        l.load_f32(from)
    }
    #[inline(always)]
    fn store<L: Lanes>(l: L, a: L::F, to: &mut [Self; LANES]) {
        l.store_f32(a, to);
    }
    #[inline(always)]
    fn load_pair<L: Lanes>(l: L, from: &[Self; 2 * LANES]) -> [L::F; 2] {
        let halves = from.as_chunks().0;
        [l.load_f32(&halves[0]), l.load_f32(&halves[1])]
    }
    #[inline(always)]
    fn store_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]) {
        let halves = to.as_chunks_mut().0;
        l.store_f32(a[0], &mut halves[0]);
        l.store_f32(a[1], &mut halves[1]);
    }
    #[inline(always)]
    fn stream_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]) {
        let halves = to.as_chunks_mut().0;
        l.stream_f32(a[0], &mut halves[0]);
        l.stream_f32(a[1], &mut halves[1]);
    }
    #[inline(always)]
    fn round<L: Lanes>(_: L, a: L::F) -> L::F {
        a
    }
    fn of(slice: Slice<'_>) -> Option<&[Self]> {
        match slice {
            Slice::F32(s) => Some(s),
            _ => None,
        }
    }
}

impl LaneElement for f16 {
    const SLOW_LOAD: bool = true;

    #[inline(always)]
    fn load<L: Lanes>(l: L, from: &[Self; LANES]) -> L::F {
        l.load_f16(from)
    }
    #[inline(always)]
    fn store<L: Lanes>(l: L, a: L::F, to: &mut [Self; LANES]) {
        l.store_f16(a, to);
    }
    #[inline(always)]
    fn load_pair<L: Lanes>(l: L, from: &[Self; 2 * LANES]) -> [L::F; 2] {
        let halves = from.as_chunks().0;
        [l.load_f16(&halves[0]), l.load_f16(&halves[1])]
    }
    #[inline(always)]
    fn store_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]) {
        let halves = to.as_chunks_mut().0;
        l.store_f16(a[0], &mut halves[0]);
        l.store_f16(a[1], &mut halves[1]);
    }
    #[inline(always)]
    fn stream_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]) {
        let halves = to.as_chunks_mut().0;
        l.stream_f16(a[0], &mut halves[0]);
        l.stream_f16(a[1], &mut halves[1]);
    }
    #[inline(always)]
    fn round<L: Lanes>(l: L, a: L::F) -> L::F {
        l.round_f16(a)
    }
    fn of(slice: Slice<'_>) -> Option<&[Self]> {
        match slice {
            Slice::F16(s) => Some(s),
            _ => None,
        }
    }
}

impl LaneElement for bf16 {
    const EVENS_FIRST: bool = true;

    #[inline(always)]
    fn load<L: Lanes>(l: L, from: &[Self; LANES]) -> L::F {
        l.load_bf16(from)
    }
    #[inline(always)]
    fn store<L: Lanes>(l: L, a: L::F, to: &mut [Self; LANES]) {
        l.store_bf16(a, to);
    }
    #[inline(always)]
    fn load_pair<L: Lanes>(l: L, from: &[Self; 2 * LANES]) -> [L::F; 2] {
        l.load_bf16_pairs(from)
    }
    #[inline(always)]
    fn store_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]) {
        l.store_bf16_pairs(a, to);
    }
    #[inline(always)]
    fn stream_pair<L: Lanes>(l: L, a: [L::F; 2], to: &mut [Self; 2 * LANES]) {
        l.stream_bf16_pairs(a, to);
    }
    #[inline(always)]
    fn round<L: Lanes>(l: L, a: L::F) -> L::F {
        l.round_bf16(a)
    }
    fn of(slice: Slice<'_>) -> Option<&[Self]> {
        match slice {
            Slice::Bf16(s) => Some(s),
            _ => None,
        }
    }
}

/// A body to be compiled for each level. `run` and all it calls must be `#[inline(always)]`, or
/// the compiler does not see the level's instructions there.
pub(crate) trait LaneKernel {
    /// What it returns.
    type Output;
    /// The body.
    fn run<L: Lanes>(self, l: L) -> Self::Output;
}

/// Runs a kernel's body as compiled for `level`, which comes from [`super::level`].
#[inline]
pub(crate) fn with_lanes<K: LaneKernel>(level: Level, kernel: K) -> K::Output {
    match level {
        // SAFETY: nobody names a level that the CPU lacks: `super::level` answers what was
        // detected, or what `with_level` was asked for after checking.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2::run(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Bf16 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => neon::run(kernel),
        _ => portable::run(kernel),
    }
}
