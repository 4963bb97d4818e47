//! NEON with f16 conversions and fused multiply-add.
//!
//! In every `unsafe` block here that says *baseline*, what makes the call unsafe is only that the
//! CPU must have the instructions; they are part of the architecture.

use std::arch::aarch64::*;

use super::{EXP2, Job, Simd};
use crate::data::{bf16, f16};

/// Vectors of two registers.
#[derive(Clone, Copy)]
pub(super) struct Neon;

type V = [float32x4_t; 2];

impl Simd for Neon {
    type T = f32;
    type V = V;
    // Two registers each, so that up to eight queries share what is loaded in decoding. Twelve
    // sums, three vectors and a broadcast take 31 of the 32 registers.
    const LANES: usize = 8;
    const VECTORS: usize = 3;
    const BROADCASTS: usize = 4;
    const PAIRS: bool = false;

    fn enter<J: Job<Self>>(self, job: J) {
        job.run(self);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        // SAFETY: baseline.
        unsafe { [vdupq_n_f32(x); 2] }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        // SAFETY: baseline; the caller promises 8 readable scalars.
        unsafe { [vld1q_f32(p), vld1q_f32(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> V {
        // SAFETY: baseline; the caller promises 8 readable elements, of 16 bits each.
        unsafe {
            let halves = vreinterpretq_f16_u16(vld1q_u16(p.cast()));
            [vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)]
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> V {
        // SAFETY: baseline; the caller promises 8 readable elements, of 16 bits each.
        unsafe {
            let halves = vld1q_u16(p.cast());
            let (low, high) =
                (vshll_n_u16::<16>(vget_low_u16(halves)), vshll_high_n_u16::<16>(halves));
            [vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high)]
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: baseline; the caller promises 8 writable scalars.
        unsafe {
            vst1q_f32(p, v[0]);
            vst1q_f32(p.add(4), v[1]);
        }
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: V) {
        // SAFETY: baseline; the caller promises 8 writable elements, of 16 bits each.
        unsafe {
            let halves = vcvt_high_f16_f32(vcvt_f16_f32(v[0]), v[1]);
            vst1q_u16(p.cast(), vreinterpretq_u16_f16(halves))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: V) {
        // SAFETY: baseline; the caller promises 8 writable elements, of 16 bits each.
        unsafe {
            let [low, high] = v.map(|v| {
                let bits = vreinterpretq_u32_f32(v);
                let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
                let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
                let quiet = vorrq_u32(bits, vdupq_n_u32(0x40_0000));
                vbslq_u32(vceqq_f32(v, v), rounded, quiet)
            });
            let upper = vshrn_high_n_u32::<16>(vshrn_n_u32::<16>(low), high);
            vst1q_u16(p.cast(), upper)
        }
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        // SAFETY: baseline.
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        // SAFETY: baseline.
        unsafe { [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        // SAFETY: baseline.
        unsafe { [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        // SAFETY: baseline.
        unsafe {
            // The instruction for this would return NaN wherever it sees one.
            let larger = |a, b| vbslq_f32(vcgtq_f32(a, b), a, b);
            [larger(a[0], b[0]), larger(a[1], b[1])]
        }
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        // SAFETY: baseline.
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }
    #[inline(always)]
    fn exp2(self, x: V) -> V {
        // SAFETY: baseline.
        unsafe {
            x.map(|x| {
                let n = vrndnq_f32(x);
                let f = vsubq_f32(x, n);
                let mut p = vdupq_n_f32(EXP2[EXP2.len() - 1]);
                for &c in EXP2[..EXP2.len() - 1].iter().rev() {
                    p = vfmaq_f32(vdupq_n_f32(c), p, f);
                }
                // A product with the scale, whatever that is, lets a NaN in `p` through.
                let one = vdupq_n_s32(0x3f80_0000);
                let scale = vaddq_s32(vshlq_n_s32::<23>(vcvtq_s32_f32(n)), one);
                let y = vreinterpretq_u32_f32(vmulq_f32(p, vreinterpretq_f32_s32(scale)));
                vreinterpretq_f32_u32(vbicq_u32(y, vcltq_f32(x, vdupq_n_f32(-126.0))))
            })
        }
    }
    #[inline(always)]
    fn within(self, lo: V, x: V, hi: V, v: V, otherwise: V) -> V {
        // SAFETY: baseline.
        unsafe {
            std::array::from_fn(|i| {
                let inside = vandq_u32(vcleq_f32(lo[i], x[i]), vcleq_f32(x[i], hi[i]));
                vbslq_f32(inside, v[i], otherwise[i])
            })
        }
    }
    #[inline(always)]
    unsafe fn choose(self, bytes: *const u8, v: V, otherwise: V) -> V {
        // SAFETY: baseline; the caller promises 8 readable bytes.
        unsafe {
            let bytes = vld1_u8(bytes);
            // All ones where a byte is not 0; more of them as the lanes grow.
            let chosen = vmovl_s8(vreinterpret_s8_u8(vtst_u8(bytes, bytes)));
            let (low, high) = (vmovl_s16(vget_low_s16(chosen)), vmovl_high_s16(chosen));
            [
                vbslq_f32(vreinterpretq_u32_s32(low), v[0], otherwise[0]),
                vbslq_f32(vreinterpretq_u32_s32(high), v[1], otherwise[1]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_step: usize, dst: *mut f32, dst_step: usize) {
        // SAFETY: baseline; the caller promises 8 readable rows of 8 scalars, and as many writable
        // ones. A block is the scalars from `j` on of the four rows from `i` on.
        unsafe {
            for (i, j) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
                let (src, dst) = (src.add(i * src_step + j), dst.add(j * dst_step + i));
                let rows = std::array::from_fn(|i| vld1q_f32(src.add(i * src_step)));
                for (j, column) in transpose_4(rows).into_iter().enumerate() {
                    vst1q_f32(dst.add(j * dst_step), column);
                }
            }
        }
    }
    #[inline(always)]
    fn sums(self, v: &[V; 16]) -> V {
        // SAFETY: baseline.
        unsafe {
            let fold = |i: usize| vaddq_f32(v[i][0], v[i][1]);
            let two = |i: usize| vpaddq_f32(fold(i), fold(i + 1));
            [vpaddq_f32(two(0), two(2)), vpaddq_f32(two(4), two(6))]
        }
    }
    #[inline(always)]
    fn dot(self, _: V, _: V, _: V) -> V {
        unreachable!("there are no pairs here")
    }
    #[inline(always)]
    fn pair(self, _: V, _: V) -> V {
        unreachable!("there are no pairs here")
    }
    #[inline(always)]
    unsafe fn zip(self, _: *const bf16, _: *const bf16) -> [V; 2] {
        unreachable!("there are no pairs here")
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn transpose_4([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
    // Scalars change places inside blocks of 2, then those blocks.
    let even = |x, y| vreinterpretq_f64_f32(vtrn1q_f32(x, y));
    let odd = |x, y| vreinterpretq_f64_f32(vtrn2q_f32(x, y));
    let (ab, cd) = ([even(a, b), odd(a, b)], [even(c, d), odd(c, d)]);
    [
        vtrn1q_f64(ab[0], cd[0]),
        vtrn1q_f64(ab[1], cd[1]),
        vtrn2q_f64(ab[0], cd[0]),
        vtrn2q_f64(ab[1], cd[1]),
    ]
    .map(|column| vreinterpretq_f32_f64(column))
}
