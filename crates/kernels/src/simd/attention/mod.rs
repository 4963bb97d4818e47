//! Vectors and micro-kernels of attention.
//!
//! The blocking in [`crate::attention`] is generic over [`Simd`], a token whose existence proves
//! that the CPU has an instruction set. One lane holds one query row, in every phase but decoding:
//! queries are packed transposed, keys and values are read as they lie, one broadcast element at a
//! time, and all of the softmax is vertical. Nothing of K or V is ever rearranged for `f32`.
//!
//! Each function here checks that its slices cover what it touches, then enters a function
//! compiled for the instruction set ([`Simd::enter`]).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod few;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
mod portable;
mod rows;
mod softmax;
mod tile;

pub(crate) use bytes::transpose_8_rows;
pub(crate) use few::{FewScores, FewValues, few_columns, few_scores, few_values};
pub(crate) use pack::{Rows, convert_rows, interleave_rows, scale_row, transpose_rows};
pub(crate) use portable::Portable;
pub(crate) use rows::{ClaimedRows, RowBlocks, RowWriter};
pub(crate) use softmax::{
    Derivatives, Exponentials, MaskTile, derivatives, exponentials, mask_scores,
};
pub(crate) use tile::{Panel, Scores, Values, apply_values, scores};

use crate::data::{bf16, f16};
use crate::simd::Level;

/// Keys, and columns of values, are handled in runs of this many; buffers are padded to it.
pub(crate) const RUN: usize = 8;

/// Coefficients of a polynomial for 2^f, |f| <= 1/2, lowest first; relative error 1.6e-7 with
/// its coefficients rounded to `f32`.
const EXP2: [f32; 6] =
    [1.000_000_1, 0.693_146_97, 0.240_221_2, 0.055_507_13, 0.009_675_541, 0.001_327_647_2];
/// The same with relative error 7.5e-5, for results that are rounded to `bf16`.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "only levels with BF16 instructions ask")
)]
const EXP2_SHORT: [f32; 4] = [0.999_928_1, 0.693_260_97, 0.242_611_12, 0.055_171_67];

/// The scalar that scores and sums are computed in: `f32`, or `f64` for `f64` inputs.
pub(crate) trait Real: crate::Element + PartialOrd + portable::Scalar {
    /// The finite minimum, which stands for a masked score.
    const MIN: Self;
    /// 1.
    const ONE: Self;
    /// 0.
    const ZERO: Self;
    /// Rounded from `f64`.
    fn of(x: f64) -> Self;
    /// Widened to `f64`.
    fn wide(self) -> f64;
    /// Two to the power of `self`.
    fn exp2(self) -> Self;
    /// `self * by`.
    fn times(self, by: Self) -> Self;
    /// `self + other`.
    fn plus(self, other: Self) -> Self;
    /// Two `bf16` 1.0, in the bits of a scalar.
    fn pair_of_ones() -> Self;
}

impl Real for f32 {
    const MIN: Self = f32::MIN;
    const ONE: Self = 1.0;
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn exp2(self) -> Self {
        f32::exp2(self)
    }
    #[inline(always)]
    fn times(self, by: Self) -> Self {
        self * by
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn pair_of_ones() -> Self {
        f32::from_bits(0x3f80_3f80)
    }
}

impl Real for f64 {
    const MIN: Self = f64::MIN;
    const ONE: Self = 1.0;
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exp2(self) -> Self {
        f64::exp2(self)
    }
    #[inline(always)]
    fn times(self, by: Self) -> Self {
        self * by
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn pair_of_ones() -> Self {
        unreachable!("pairs are products of `f32`")
    }
}

/// An element of q, k, v, a mask or the output that is computed in `T`.
pub(crate) trait Source<T: Real>: crate::Element {
    /// The value in `T`.
    fn get(self) -> T;
    /// Rounded to nearest even from `T`.
    fn put(x: T) -> Self;
    /// One vector of consecutive elements.
    ///
    /// # Safety
    /// `p` must be valid for reads of `S::LANES` elements.
    unsafe fn load<S: Simd<T = T>>(s: S, p: *const Self) -> S::V;
    /// Rounds and stores a vector of consecutive elements.
    ///
    /// # Safety
    /// `p` must be valid for writes of `S::LANES` elements.
    unsafe fn store<S: Simd<T = T>>(s: S, p: *mut Self, v: S::V);
}

impl<T: Real> Source<T> for T {
    #[inline(always)]
    fn get(self) -> T {
        self
    }
    #[inline(always)]
    fn put(x: T) -> Self {
        x
    }
    #[inline(always)]
    unsafe fn load<S: Simd<T = T>>(s: S, p: *const Self) -> S::V {
        // SAFETY: the caller's promise is `load`'s.
        unsafe { s.load(p) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd<T = T>>(s: S, p: *mut Self, v: S::V) {
        // SAFETY: the caller's promise is `store`'s.
        unsafe { s.store(p, v) }
    }
}

impl Source<f32> for f16 {
    #[inline(always)]
    fn get(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn put(x: f32) -> Self {
        f16::from_f32(x)
    }
    #[inline(always)]
    unsafe fn load<S: Simd<T = f32>>(s: S, p: *const Self) -> S::V {
        // SAFETY: the caller's promise is `load_f16`'s.
        unsafe { s.load_f16(p) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd<T = f32>>(s: S, p: *mut Self, v: S::V) {
        // SAFETY: the caller's promise is `store_f16`'s.
        unsafe { s.store_f16(p, v) }
    }
}

impl Source<f32> for bf16 {
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_bits((self.to_bits() as u32) << 16)
    }
    #[inline(always)]
    fn put(x: f32) -> Self {
        bf16::from_f32(x)
    }
    #[inline(always)]
    unsafe fn load<S: Simd<T = f32>>(s: S, p: *const Self) -> S::V {
        // SAFETY: the caller's promise is `load_bf16`'s.
        unsafe { s.load_bf16(p) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd<T = f32>>(s: S, p: *mut Self, v: S::V) {
        // SAFETY: the caller's promise is `store_bf16`'s.
        unsafe { s.store_bf16(p, v) }
    }
}

/// Work that is compiled once per instruction set.
pub(crate) trait Job<S: Simd> {
    /// Does it. Implementations are `#[inline(always)]`, and so is what they call, or the
    /// instruction set is lost.
    fn run(self, s: S);
}

/// A proof that the CPU has an instruction set, and its vector operations.
///
/// All operations propagate NaN of their data operands, but for `max`, which returns its second
/// operand if either is NaN.
pub(crate) trait Simd: Copy + Send + Sync {
    /// The scalar.
    type T: Real;
    /// A vector of `LANES` scalars.
    type V: Copy;
    /// Scalars in a vector; at most 16.
    const LANES: usize;
    /// The most query vectors a micro-kernel holds, at most 3.
    const VECTORS: usize;
    /// Broadcast elements it holds against them; divides [`RUN`].
    const BROADCASTS: usize;
    /// Whether products take pairs of `bf16` ([`Simd::dot`]) instead of scalars.
    const PAIRS: bool;

    /// Runs `job` in a function compiled for the instruction set.
    fn enter<J: Job<Self>>(self, job: J);

    /// Asks for the cache line at `p`, which need not be valid, to be brought to the second-level
    /// cache.
    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        let _ = p;
    }
    /// All lanes `x`.
    fn splat(self, x: Self::T) -> Self::V;
    /// # Safety
    /// `p` must be valid for reads of `LANES` scalars.
    unsafe fn load(self, p: *const Self::T) -> Self::V;
    /// # Safety
    /// `p` must be valid for reads of `LANES` elements.
    unsafe fn load_f16(self, p: *const f16) -> Self::V;
    /// # Safety
    /// `p` must be valid for reads of `LANES` elements.
    unsafe fn load_bf16(self, p: *const bf16) -> Self::V;
    /// # Safety
    /// `p` must be valid for writes of `LANES` scalars.
    unsafe fn store(self, p: *mut Self::T, v: Self::V);
    /// # Safety
    /// `p` must be valid for writes of `LANES` elements.
    unsafe fn store_f16(self, p: *mut f16, v: Self::V);
    /// # Safety
    /// `p` must be valid for writes of `LANES` elements.
    unsafe fn store_bf16(self, p: *mut bf16, v: Self::V);
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` if either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the instruction set can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Two to the power of each lane, to about 2 ULP (2^-11 relative with `PAIRS`, where the
    /// result is rounded to `bf16` anyway); below the least normal exponent it is 0.
    fn exp2(self, x: Self::V) -> Self::V;
    /// `v` where `lo <= x <= hi`, else `otherwise`.
    fn within(
        self,
        lo: Self::V,
        x: Self::V,
        hi: Self::V,
        v: Self::V,
        otherwise: Self::V,
    ) -> Self::V;
    /// `v` where the byte is not 0, else `otherwise`.
    ///
    /// # Safety
    /// `bytes` must be valid for reads of `LANES` bytes.
    unsafe fn choose(self, bytes: *const u8, v: Self::V, otherwise: Self::V) -> Self::V;
    /// Writes the `LANES` x `LANES` block at `src` to `dst`, transposed. Steps count scalars.
    ///
    /// # Safety
    /// Every `src + i * src_step + j` must be valid for reads and every `dst + j * dst_step + i`
    /// for writes, `i, j < LANES`.
    unsafe fn transpose(
        self,
        src: *const Self::T,
        src_step: usize,
        dst: *mut Self::T,
        dst_step: usize,
    );
    /// Lane `i` is the sum of the lanes of `v[i]`, `i < LANES`.
    fn sums(self, v: &[Self::V; 16]) -> Self::V;

    /// Adds to each lane of `acc` the dot product of the `bf16` pairs in that lane of `a` and `b`.
    /// Only with `PAIRS`.
    fn dot(self, acc: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// Each lane the pair of `low` and `high` rounded to `bf16`. Only with `PAIRS`.
    fn pair(self, low: Self::V, high: Self::V) -> Self::V;
    /// The 2 * `LANES` `bf16` at `a` and at `b` as pairs (a, b): first half, second half. Only
    /// with `PAIRS`.
    ///
    /// # Safety
    /// `a` and `b` must be valid for reads of `2 * LANES` elements.
    unsafe fn zip(self, a: *const bf16, b: *const bf16) -> [Self::V; 2];

    /// Returns four rows of three vectors, `acc[n][m]`, to each of which is added the sum over
    /// `count` steps of vector `m` of `a`, of which each step has three, times the scalar at
    /// `b[n]`, `step` bytes further with each step. `None` where compilers do this well.
    ///
    /// # Safety
    /// All those vectors and scalars must be valid for reads.
    #[inline(always)]
    unsafe fn add_products(
        self,
        acc: [[Self::V; 3]; 4],
        a: *const Self::T,
        b: [*const Self::T; 4],
        step: usize,
        count: usize,
    ) -> Option<[[Self::V; 3]; 4]> {
        let _ = (acc, a, b, step, count);
        None
    }

    /// Adds a product of scalars, or of pairs with `PAIRS`.
    #[inline(always)]
    fn mac(self, acc: Self::V, a: Self::V, b: Self::V) -> Self::V {
        if Self::PAIRS { self.dot(acc, a, b) } else { self.fma(a, b, acc) }
    }
}

/// Work that is written for any instruction set and picks the one to use when it starts.
pub(crate) trait Visitor {
    /// Goes on with the instruction set `s`.
    fn visit<S: Simd<T = f32>>(self, s: S);
}

/// Calls `visitor` with the instruction set of `level`; with `pairs`, with `bf16` products where
/// the level has them.
pub(crate) fn dispatch(level: Level, pairs: bool, visitor: impl Visitor) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Bf16 if pairs => match avx512::Avx512::<true>::new() {
            Some(s) => visitor.visit(s),
            None => visitor.visit(Portable::new()),
        },
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Bf16 => match avx512::Avx512::<false>::new() {
            Some(s) => visitor.visit(s),
            None => visitor.visit(Portable::new()),
        },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => match avx2::Avx2::new() {
            Some(s) => visitor.visit(s),
            None => visitor.visit(Portable::new()),
        },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => visitor.visit(neon::Neon),
        _ => {
            let _ = pairs;
            visitor.visit(Portable::new());
        }
    }
}
