//! Lanes as four 128-bit registers.
//!
//! NEON, with f16 conversions and fused multiply-add, is part of the architecture.

use std::arch::aarch64::*;

use super::{LANES, LaneKernel, Lanes};
use crate::data::{bf16, f16};

/// Lanes of the architecture's own registers.
#[derive(Clone, Copy)]
pub(super) struct Neon;

/// Runs `kernel` with these lanes.
#[inline(never)]
pub(super) fn run<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run(Neon)
}

type F = [float32x4_t; 4];

/// Evaluates an expression of intrinsics.
macro_rules! on_cpu {
    ($e:expr) => {
        // SAFETY: every CPU of the architecture has these instructions; pointers come from
        // references to arrays of exactly the bytes that are accessed.
        unsafe { $e }
    };
}

/// A value whose register `i` is an expression of intrinsics. Written out, because closures given
/// to the functions of arrays may not be inlined.
macro_rules! registers {
    (|$i:ident| $e:expr) => {
        [
            {
                let $i = 0;
                $e
            },
            {
                let $i = 1;
                $e
            },
            {
                let $i = 2;
                $e
            },
            {
                let $i = 3;
                $e
            },
        ]
    };
}

impl Lanes for Neon {
    type F = F;
    const SUMS: usize = 4;

    #[inline(always)]
    fn call<K: LaneKernel>(self, kernel: K) -> K::Output {
        run(kernel)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> F {
        on_cpu!([vdupq_n_f32(x); 4])
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        on_cpu!(registers!(|i| vaddq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        on_cpu!(registers!(|i| vsubq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        on_cpu!(registers!(|i| vmulq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!(registers!(|i| vfmaq_f32(c[i], a[i], b[i])))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!(registers!(|i| vfmsq_f32(c[i], a[i], b[i])))
    }
    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        self.mul_add(a, b, c)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        on_cpu!(registers!(|i| vrndnq_f32(a[i])))
    }
    #[inline(always)]
    fn quarter_turns(self, k: F, s: F, c: F) -> (F, F) {
        let turns = on_cpu!(registers!(|i| quarter_turns(k[i], s[i], c[i])));
        (registers!(|i| turns[i].0), registers!(|i| turns[i].1))
    }
    #[inline(always)]
    fn all_within(self, a: F, limit: f32) -> bool {
        on_cpu!({
            let limit = vdupq_n_f32(limit);
            let within = registers!(|i| vcleq_f32(vabsq_f32(a[i]), limit));
            let all = vandq_u32(vandq_u32(within[0], within[1]), vandq_u32(within[2], within[3]));
            vminvq_u32(all) != 0
        })
    }
    #[inline(always)]
    fn interleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!([interleave(a[0], b[0], a[1], b[1]), interleave(a[2], b[2], a[3], b[3])])
    }
    #[inline(always)]
    fn deinterleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!({
            let all = [[a[0], a[1]], [a[2], a[3]], [b[0], b[1]], [b[2], b[3]]];
            [
                registers!(|i| vuzp1q_f32(all[i][0], all[i][1])),
                registers!(|i| vuzp2q_f32(all[i][0], all[i][1])),
            ]
        })
    }

    #[inline(always)]
    fn load_f32(self, from: &[f32; LANES]) -> F {
        let parts: &[[f32; 4]; 4] = bytemuck::cast_ref(from);
        on_cpu!(registers!(|i| vld1q_f32(parts[i].as_ptr())))
    }
    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> F {
        on_cpu!(widen_f16(load_halves(bytemuck::cast_ref(from))))
    }
    #[inline(always)]
    fn load_bf16(self, from: &[bf16; LANES]) -> F {
        on_cpu!({
            let [a, b] = load_halves(bytemuck::cast_ref(from));
            let (low, high) =
                (vshll_n_u16::<16>(vget_low_u16(a)), vshll_n_u16::<16>(vget_low_u16(b)));
            let wide = [low, vshll_high_n_u16::<16>(a), high, vshll_high_n_u16::<16>(b)];
            registers!(|i| vreinterpretq_f32_u32(wide[i]))
        })
    }
    #[inline(always)]
    fn load_bf16_pairs(self, from: &[bf16; 2 * LANES]) -> [F; 2] {
        on_cpu!({
            let parts: &[[u16; 8]; 4] = bytemuck::cast_ref(from);
            let upper = vdupq_n_u32(0xffff_0000);
            let pairs = registers!(|i| vreinterpretq_u32_u16(vld1q_u16(parts[i].as_ptr())));
            [
                registers!(|i| vreinterpretq_f32_u32(vshlq_n_u32::<16>(pairs[i]))),
                registers!(|i| vreinterpretq_f32_u32(vandq_u32(pairs[i], upper))),
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
            let bits = registers!(|i| round_bf16(a[i]));
            let low = vshrn_high_n_u32::<16>(vshrn_n_u32::<16>(bits[0]), bits[1]);
            let high = vshrn_high_n_u32::<16>(vshrn_n_u32::<16>(bits[2]), bits[3]);
            store_halves(bytemuck::cast_mut(to), [low, high]);
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
            registers!(|i| vreinterpretq_f32_u32(vandq_u32(round_clean(a[i]), upper)))
        })
    }

    // There are no intrinsics for stores past the caches and for prefetching.

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

/// Lanes of `a0` and `b0` in turn, then those of `a1` and `b1`.
#[inline]
#[target_feature(enable = "neon")]
fn interleave(a0: float32x4_t, b0: float32x4_t, a1: float32x4_t, b1: float32x4_t) -> F {
    [vzip1q_f32(a0, b0), vzip2q_f32(a0, b0), vzip1q_f32(a1, b1), vzip2q_f32(a1, b1)]
}

/// Sixteen 16-bit elements.
#[inline]
#[target_feature(enable = "neon")]
fn load_halves(from: &[[u16; 8]; 2]) -> [uint16x8_t; 2] {
    // SAFETY: each part has the eight elements that are read.
    unsafe { [vld1q_u16(from[0].as_ptr()), vld1q_u16(from[1].as_ptr())] }
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
    let (a, b) = (vreinterpretq_f16_u16(halves[0]), vreinterpretq_f16_u16(halves[1]));
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
    let low = vcvt_high_f16_f32(vcvt_f16_f32(a[0]), a[1]);
    let high = vcvt_high_f16_f32(vcvt_f16_f32(a[2]), a[3]);
    [vreinterpretq_u16_f16(low), vreinterpretq_u16_f16(high)]
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
