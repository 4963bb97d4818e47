//! Lanes as four 128-bit registers.
//!
//! NEON, with f16 conversions and fused multiply-add, is part of the architecture.

use std::arch::aarch64::*;

use super::{LANES, Lanes};
use crate::data::{bf16, f16};

/// Lanes of the architecture's own registers.
#[derive(Clone, Copy)]
pub(super) struct Neon;

type F = [float32x4_t; 4];

/// Evaluates an expression of intrinsics.
macro_rules! on_cpu {
    ($e:expr) => {
        // SAFETY: every CPU of the architecture has these instructions; pointers come from
        // references to arrays of exactly the bytes that are accessed.
        unsafe { $e }
    };
}

/// Applies `f` to the registers of two values.
#[inline(always)]
fn both(a: F, b: F, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> F {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Lanes for Neon {
    type F = F;
    const SUMS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        on_cpu!([vdupq_n_f32(x); 4])
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        on_cpu!(both(a, b, |a, b| vaddq_f32(a, b)))
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        on_cpu!(both(a, b, |a, b| vsubq_f32(a, b)))
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        on_cpu!(both(a, b, |a, b| vmulq_f32(a, b)))
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!(std::array::from_fn(|i| vfmaq_f32(c[i], a[i], b[i])))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!(std::array::from_fn(|i| vfmsq_f32(c[i], a[i], b[i])))
    }
    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        self.mul_add(a, b, c)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        on_cpu!(a.map(|a| vrndnq_f32(a)))
    }
    #[inline(always)]
    fn quarter_turns(self, k: F, s: F, c: F) -> (F, F) {
        on_cpu!({
            let turns: [_; 4] = std::array::from_fn(|i| quarter_turns(k[i], s[i], c[i]));
            (turns.map(|t| t.0), turns.map(|t| t.1))
        })
    }
    #[inline(always)]
    fn all_within(self, a: F, limit: f32) -> bool {
        on_cpu!({
            let limit = vdupq_n_f32(limit);
            let within = a.map(|a| vcleq_f32(vabsq_f32(a), limit));
            let all = vandq_u32(vandq_u32(within[0], within[1]), vandq_u32(within[2], within[3]));
            vminvq_u32(all) != 0
        })
    }
    #[inline(always)]
    fn interleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!({
            let quarters = |i: usize| {
                let (a0, b0, a1, b1) = (a[i], b[i], a[i + 1], b[i + 1]);
                [vzip1q_f32(a0, b0), vzip2q_f32(a0, b0), vzip1q_f32(a1, b1), vzip2q_f32(a1, b1)]
            };
            [quarters(0), quarters(2)]
        })
    }
    #[inline(always)]
    fn deinterleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!({
            let all = [[a[0], a[1]], [a[2], a[3]], [b[0], b[1]], [b[2], b[3]]];
            [all.map(|[x, y]| vuzp1q_f32(x, y)), all.map(|[x, y]| vuzp2q_f32(x, y))]
        })
    }

    #[inline(always)]
    fn load_f32(self, from: &[f32; LANES]) -> F {
        on_cpu!({
            let parts: &[[f32; 4]; 4] = bytemuck::cast_ref(from);
            std::array::from_fn(|i| vld1q_f32(parts[i].as_ptr()))
        })
    }
    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> F {
        on_cpu!(widen_f16(load_halves(bytemuck::cast_ref(from))))
    }
    #[inline(always)]
    fn load_bf16(self, from: &[bf16; LANES]) -> F {
        on_cpu!({
            let [a, b] = load_halves(bytemuck::cast_ref(from));
            let low = |x| vreinterpretq_f32_u32(vshll_n_u16::<16>(vget_low_u16(x)));
            let high = |x| vreinterpretq_f32_u32(vshll_high_n_u16::<16>(x));
            [low(a), high(a), low(b), high(b)]
        })
    }
    #[inline(always)]
    fn load_bf16_pairs(self, from: &[bf16; 2 * LANES]) -> [F; 2] {
        on_cpu!({
            let parts: &[[u16; 8]; 4] = bytemuck::cast_ref(from);
            let upper = vdupq_n_u32(0xffff_0000);
            let pairs = parts.each_ref().map(|p| vreinterpretq_u32_u16(vld1q_u16(p.as_ptr())));
            [
                pairs.map(|p| vreinterpretq_f32_u32(vshlq_n_u32::<16>(p))),
                pairs.map(|p| vreinterpretq_f32_u32(vandq_u32(p, upper))),
            ]
        })
    }
    #[inline(always)]
    fn store_f32(self, a: F, to: &mut [f32; LANES]) {
        on_cpu!({
            let parts: &mut [[f32; 4]; 4] = bytemuck::cast_mut(to);
            for (part, a) in parts.iter_mut().zip(a) {
                vst1q_f32(part.as_mut_ptr(), a);
            }
        });
    }
    #[inline(always)]
    fn store_f16(self, a: F, to: &mut [f16; LANES]) {
        on_cpu!(store_halves(bytemuck::cast_mut(to), narrow_f16(a)));
    }
    #[inline(always)]
    fn store_bf16(self, a: F, to: &mut [bf16; LANES]) {
        on_cpu!({
            let a = a.map(|a| round_bf16(a));
            let upper = |low, high| vshrn_high_n_u32::<16>(vshrn_n_u32::<16>(low), high);
            store_halves(bytemuck::cast_mut(to), [upper(a[0], a[1]), upper(a[2], a[3])]);
        });
    }
    #[inline(always)]
    fn store_bf16_pairs(self, [even, odd]: [F; 2], to: &mut [bf16; 2 * LANES]) {
        on_cpu!({
            let parts: &mut [[u16; 8]; 4] = bytemuck::cast_mut(to);
            for (i, part) in parts.iter_mut().enumerate() {
                // The upper halves of the even lanes become the lower ones.
                let pairs = vsriq_n_u32::<16>(round_clean(odd[i]), round_clean(even[i]));
                vst1q_u16(part.as_mut_ptr(), vreinterpretq_u16_u32(pairs));
            }
        });
    }
    #[inline(always)]
    fn round_f16(self, a: F) -> F {
        on_cpu!(widen_f16(narrow_f16(a)))
    }
    #[inline(always)]
    fn round_bf16(self, a: F) -> F {
        on_cpu!({
            let upper = vdupq_n_u32(0xffff_0000);
            a.map(|a| vreinterpretq_f32_u32(vandq_u32(round_clean(a), upper)))
        })
    }

    // There are no intrinsics for stores past the caches and for prefetching.
    #[inline(always)]
    fn stream_f32(self, a: F, to: &mut [f32; LANES]) {
        self.store_f32(a, to);
    }
    #[inline(always)]
    fn stream_f16(self, a: F, to: &mut [f16; LANES]) {
        self.store_f16(a, to);
    }
    #[inline(always)]
    fn stream_bf16_pairs(self, a: [F; 2], to: &mut [bf16; 2 * LANES]) {
        self.store_bf16_pairs(a, to);
    }
    #[inline(always)]
    fn fence(self) {}
    #[inline(always)]
    fn prefetch<T>(self, _: &[T], _: usize) {}

    #[inline(always)]
    fn sum(self, a: F) -> f32 {
        on_cpu!({
            let a = vaddq_f32(vaddq_f32(a[0], a[2]), vaddq_f32(a[1], a[3]));
            vpadds_f32(vadd_f32(vget_low_f32(a), vget_high_f32(a)))
        })
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn quarter_turns(k: float32x4_t, s: float32x4_t, c: float32x4_t) -> (float32x4_t, float32x4_t) {
    let k = vreinterpretq_u32_s32(vcvtnq_s32_f32(k));
    let (one, two) = (vdupq_n_u32(1), vdupq_n_u32(2));
    let odd = vtstq_u32(k, one);
    let flip = |x, k| {
        let sign = vshlq_n_u32::<30>(vandq_u32(k, two));
        vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(x), sign))
    };
    (flip(vbslq_f32(odd, c, s), k), flip(vbslq_f32(odd, s, c), vaddq_u32(k, one)))
}

/// Sixteen 16-bit elements.
#[inline]
#[target_feature(enable = "neon")]
fn load_halves(from: &[[u16; 8]; 2]) -> [uint16x8_t; 2] {
    // SAFETY: each part has the eight elements that are read.
    from.each_ref().map(|part| unsafe { vld1q_u16(part.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
fn store_halves(to: &mut [[u16; 8]; 2], a: [uint16x8_t; 2]) {
    for (part, a) in to.iter_mut().zip(a) {
        // SAFETY: a part has room for the eight elements that are written.
        unsafe { vst1q_u16(part.as_mut_ptr(), a) };
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn widen_f16(halves: [uint16x8_t; 2]) -> F {
    let [a, b] = halves.map(|h| vreinterpretq_f16_u16(h));
    [
        vcvt_f32_f16(vget_low_f16(a)),
        vcvt_high_f32_f16(a),
        vcvt_f32_f16(vget_low_f16(b)),
        vcvt_high_f32_f16(b),
    ]
}

#[inline]
#[target_feature(enable = "neon")]
fn narrow_f16(a: F) -> [uint16x8_t; 2] {
    let narrow = |low, high| vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(low), high));
    [narrow(a[0], a[1]), narrow(a[2], a[3])]
}

/// The upper halves of the lanes are the rounded bf16, unless a NaN's lower half is not 0.
#[inline]
#[target_feature(enable = "neon")]
fn round_clean(a: float32x4_t) -> uint32x4_t {
    let bits = vreinterpretq_u32_f32(a);
    let even = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
    vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), even)
}

/// The upper halves of the lanes are the rounded bf16.
#[inline]
#[target_feature(enable = "neon")]
fn round_bf16(a: float32x4_t) -> uint32x4_t {
    let quiet = vorrq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x0040_0000));
    vbslq_u32(vceqq_f32(a, a), round_clean(a), quiet)
}
