//! Vectors as arrays, for every machine and for `f64`. Conversions are called, not inlined: there are
//! no features to be lost.

use std::marker::PhantomData;

use super::{Job, Real, Simd};
use crate::data::{bf16, f16};

/// Four scalars in an array, which the compiler maps to what the target has.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T>(PhantomData<T>);

impl<T> Portable<T> {
    pub(crate) fn new() -> Self {
        Portable(PhantomData)
    }
}

const N: usize = 4;

#[inline(always)]
fn zip<T: Copy>(a: [T; N], b: [T; N], f: impl Fn(T, T) -> T) -> [T; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl<T: Real> Simd for Portable<T> {
    type T = T;
    type V = [T; N];
    const LANES: usize = N;
    const VECTORS: usize = 2;
    const BROADCASTS: usize = 4;
    const PAIRS: bool = false;

    fn enter<J: Job<Self>>(self, job: J) {
        job.run(self);
    }

    #[inline(always)]
    fn splat(self, x: T) -> [T; N] {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const T) -> [T; N] {
        // SAFETY: the caller promises `N` readable scalars, at any alignment of an array.
        unsafe { p.cast::<[T; N]>().read_unaligned() }
    }
    #[inline(never)]
    unsafe fn load_f16(self, p: *const f16) -> [T; N] {
        // SAFETY: the caller promises `N` readable elements.
        unsafe { p.cast::<[f16; N]>().read_unaligned() }.map(|x| T::of(x.to_f32() as f64))
    }
    #[inline(never)]
    unsafe fn load_bf16(self, p: *const bf16) -> [T; N] {
        // SAFETY: the caller promises `N` readable elements.
        unsafe { p.cast::<[bf16; N]>().read_unaligned() }
            .map(|x| T::of(f32::from_bits((x.to_bits() as u32) << 16) as f64))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T, v: [T; N]) {
        // SAFETY: the caller promises `N` writable scalars.
        unsafe { p.cast::<[T; N]>().write_unaligned(v) }
    }
    #[inline(never)]
    unsafe fn store_f16(self, p: *mut f16, v: [T; N]) {
        let v = v.map(|x| f16::from_f32(x.wide() as f32));
        // SAFETY: the caller promises `N` writable elements.
        unsafe { p.cast::<[f16; N]>().write_unaligned(v) }
    }
    #[inline(never)]
    unsafe fn store_bf16(self, p: *mut bf16, v: [T; N]) {
        let v = v.map(|x| bf16::from_f32(x.wide() as f32));
        // SAFETY: the caller promises `N` writable elements.
        unsafe { p.cast::<[bf16; N]>().write_unaligned(v) }
    }
    #[inline(always)]
    fn add(self, a: [T; N], b: [T; N]) -> [T; N] {
        zip(a, b, T::plus)
    }
    #[inline(always)]
    fn sub(self, a: [T; N], b: [T; N]) -> [T; N] {
        zip(a, b, T::minus)
    }
    #[inline(always)]
    fn mul(self, a: [T; N], b: [T; N]) -> [T; N] {
        zip(a, b, T::times)
    }
    #[inline(always)]
    fn max(self, a: [T; N], b: [T; N]) -> [T; N] {
        zip(a, b, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    fn fma(self, a: [T; N], b: [T; N], c: [T; N]) -> [T; N] {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn exp2(self, x: [T; N]) -> [T; N] {
        x.map(T::exp2_lane)
    }
    #[inline(always)]
    fn within(self, lo: [T; N], x: [T; N], hi: [T; N], v: [T; N], otherwise: [T; N]) -> [T; N] {
        std::array::from_fn(|i| if lo[i] <= x[i] && x[i] <= hi[i] { v[i] } else { otherwise[i] })
    }
    #[inline(always)]
    unsafe fn choose(self, bytes: *const u8, v: [T; N], otherwise: [T; N]) -> [T; N] {
        // SAFETY: the caller promises `N` readable bytes.
        let bytes = unsafe { bytes.cast::<[u8; N]>().read_unaligned() };
        std::array::from_fn(|i| if bytes[i] != 0 { v[i] } else { otherwise[i] })
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const T, src_step: usize, dst: *mut T, dst_step: usize) {
        for i in 0..N {
            // SAFETY: the caller promises that row `i` of the source is readable.
            let row = unsafe { self.load(src.add(i * src_step)) };
            for (j, x) in row.into_iter().enumerate() {
                // SAFETY: the caller promises that `dst + j * dst_step + i` is writable.
                unsafe { dst.add(j * dst_step + i).write_unaligned(x) };
            }
        }
    }
    #[inline(always)]
    fn sums(self, v: &[[T; N]; 16]) -> [T; N] {
        std::array::from_fn(|i| v[i][0].plus(v[i][1]).plus(v[i][2].plus(v[i][3])))
    }
    #[inline(always)]
    fn dot(self, _: [T; N], _: [T; N], _: [T; N]) -> [T; N] {
        unreachable!("there are no pairs here")
    }
    #[inline(always)]
    fn pair(self, _: [T; N], _: [T; N]) -> [T; N] {
        unreachable!("there are no pairs here")
    }
    #[inline(always)]
    unsafe fn zip(self, _: *const bf16, _: *const bf16) -> [[T; N]; 2] {
        unreachable!("there are no pairs here")
    }
}

/// What the portable vectors need beyond [`Real`].
pub(crate) trait Scalar: Sized {
    fn minus(self, other: Self) -> Self;
    fn exp2_lane(self) -> Self;
}

impl Scalar for f32 {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }
    #[inline(always)]
    fn exp2_lane(self) -> Self {
        // Adding and taking away 1.5 * 2^23 rounds to an integer.
        let n = (self + 12_582_912.0) - 12_582_912.0;
        let f = self - n;
        let p = super::EXP2.iter().rev().fold(0.0, |p, &c| p * f + c);
        let scale = f32::from_bits(((n.max(-126.0) as i32 + 127) as u32) << 23);
        // A NaN is not below the bound and reaches the product.
        if self < -126.0 { 0.0 } else { p * scale }
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }
    #[inline(always)]
    fn exp2_lane(self) -> Self {
        f64::exp2(self)
    }
}
