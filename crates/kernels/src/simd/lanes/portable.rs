//! Lanes as an array, in plain Rust that compilers vectorise for any target.
//!
//! There are no features here to be lost in a call, so what is long (conversions, exchanges) is
//! compiled once and called, not inlined into every kernel.

use super::{LANES, LaneKernel, Lanes};
use crate::data::{bf16, f16};

/// Lanes without intrinsics.
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// Runs `kernel` with these lanes.
#[inline(never)]
pub(super) fn run<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

/// Whether every CPU of the target has fused multiply-add.
const FMA: bool = cfg!(target_arch = "aarch64");

type F = [f32; LANES];

impl Lanes for Portable {
    type F = F;
    const SUMS: usize = 2;

    #[inline(always)]
    fn call<K: LaneKernel>(self, kernel: K) -> K::Output {
        run(kernel)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        std::array::from_fn(|i| if FMA { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
    }
    #[inline(always)]
    fn neg_mul_add(self, a: F, b: F, c: F) -> F {
        let one = |i: usize| if FMA { (-a[i]).mul_add(b[i], c[i]) } else { c[i] - a[i] * b[i] };
        std::array::from_fn(one)
    }
    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        // The product is exact in `f64`; the sum is rounded there, then once more.
        let wide = |i: usize| (a[i] as f64 * b[i] as f64 + c[i] as f64) as f32;
        std::array::from_fn(|i| if FMA { a[i].mul_add(b[i], c[i]) } else { wide(i) })
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        // Adding 1.5 * 2^23 leaves no room for a fraction.
        std::array::from_fn(|i| (a[i] + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(never)]
    fn quarter_turns(self, k: F, s: F, c: F) -> (F, F) {
        let turn = |i: usize| {
            let k = k[i] as i32;
            let (s, c) = if k & 1 == 0 { (s[i], c[i]) } else { (c[i], s[i]) };
            let flip = |x: f32, k: i32| f32::from_bits(x.to_bits() ^ ((k as u32 & 2) << 30));
            (flip(s, k), flip(c, k + 1))
        };
        (std::array::from_fn(|i| turn(i).0), std::array::from_fn(|i| turn(i).1))
    }
    #[inline(always)]
    fn all_within(self, a: F, limit: f32) -> bool {
        a.iter().all(|x| x.abs() <= limit)
    }
    #[inline(never)]
    fn interleave(self, a: F, b: F) -> [F; 2] {
        let pick = |i: usize| if i.is_multiple_of(2) { a[i / 2] } else { b[i / 2] };
        [std::array::from_fn(pick), std::array::from_fn(|i| pick(i + LANES))]
    }
    #[inline(never)]
    fn deinterleave(self, a: F, b: F) -> [F; 2] {
        let pick = |i: usize| if i < LANES { a[i] } else { b[i - LANES] };
        [std::array::from_fn(|i| pick(2 * i)), std::array::from_fn(|i| pick(2 * i + 1))]
    }

    #[inline(always)]
    fn load_f32(self, from: &[f32; LANES]) -> F {
        *from
    }
    #[inline(never)]
    fn load_f16(self, from: &[f16; LANES]) -> F {
        from.map(widen_f16)
    }
    #[inline(never)]
    fn load_bf16(self, from: &[bf16; LANES]) -> F {
        from.map(|x| f32::from_bits((x.to_bits() as u32) << 16))
    }
    #[inline(never)]
    fn load_bf16_pairs(self, from: &[bf16; 2 * LANES]) -> [F; 2] {
        let widen = |x: bf16| f32::from_bits((x.to_bits() as u32) << 16);
        [0, 1].map(|odd| std::array::from_fn(|i| widen(from[2 * i + odd])))
    }
    #[inline(always)]
    fn store_f32(self, a: F, to: &mut [f32; LANES]) {
        *to = a;
    }
    #[inline(never)]
    fn store_f16(self, a: F, to: &mut [f16; LANES]) {
        *to = a.map(narrow_f16);
    }
    #[inline(never)]
    fn store_bf16(self, a: F, to: &mut [bf16; LANES]) {
        *to = a.map(|x| bf16::from_bits((bf16_bits(x) >> 16) as u16));
    }
    #[inline(never)]
    fn store_bf16_pairs(self, a: [F; 2], to: &mut [bf16; 2 * LANES]) {
        let narrow = |x: f32| bf16::from_bits((bf16_bits(x) >> 16) as u16);
        *to = std::array::from_fn(|i| narrow(a[i % 2][i / 2]));
    }
    #[inline(never)]
    fn round_f16(self, a: F) -> F {
        a.map(|x| widen_f16(narrow_f16(x)))
    }
    #[inline(never)]
    fn round_bf16(self, a: F) -> F {
        a.map(|x| f32::from_bits(bf16_bits(x)))
    }

    #[inline(always)]
    fn sum(self, mut a: F) -> f32 {
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                a[i] += a[i + half];
            }
        }
        a[0]
    }
}

/// The bits of `x` rounded to a bf16 and widened again.
#[inline(always)]
fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    // Half a unit of the last place kept, less one bit if that place is even: ties go to even,
    // and a carry moves on to the exponent, up to infinity.
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let quiet = bits | 0x0040_0000;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { rounded }) & 0xffff_0000
}

#[inline(always)]
fn widen_f16(x: f16) -> f32 {
    let (sign, magnitude) = (x.to_bits() as u32 & 0x8000, x.to_bits() as u32 & 0x7fff);
    // With the fields in place the exponent is 112 too small; a multiplication mends that, for
    // subnormals too. Infinity and NaN keep the largest exponent.
    let finite = (f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)).to_bits();
    let value = if magnitude < 0x7c00 { finite } else { 0x7f80_0000 | magnitude << 13 };
    f32::from_bits(sign << 16 | value)
}

#[inline(always)]
fn narrow_f16(x: f32) -> f16 {
    let (sign, magnitude) = (x.to_bits() & 0x8000_0000, x.to_bits() & 0x7fff_ffff);
    // Subnormal results, below 2^-14, have a last place of 2^-24: that of floats from 0.5 up.
    let small = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    // Others are rounded to even on the 13 bits that go, and their exponent is moved by 112.
    let rounded = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1));
    let normal = rounded.wrapping_sub(112 << 23) >> 13;
    let value = if magnitude > 0x7f80_0000 {
        0x7e00 | ((magnitude >> 13) & 0x1ff)
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        small
    } else {
        normal
    };
    f16::from_bits((sign >> 16 | value) as u16)
}
