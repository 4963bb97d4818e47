//! AVX-512, with and without `bf16` dot products.
//!
//! In every `unsafe` block here that says *proof*, what makes the call unsafe is only that the
//! CPU must have the instructions; the token `self` is made by [`Avx512::new`] alone, which checks
//! that.

use std::arch::x86_64::*;

use super::{EXP2, EXP2_SHORT, Job, Simd};
use crate::data::{bf16, f16};
use crate::simd::{Level, supported};

/// Proof of AVX-512 F, BW, DQ and VL with AVX2, FMA and F16C; of BF16 too where `BF16`.
#[derive(Clone, Copy)]
pub(super) struct Avx512<const BF16: bool>(());

impl<const BF16: bool> Avx512<BF16> {
    /// The proof, if the CPU has the instructions.
    pub(super) fn new() -> Option<Self> {
        let level = if BF16 { Level::Avx512Bf16 } else { Level::Avx512 };
        supported(level).then_some(Avx512(()))
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn enter<S: Simd, J: Job<S>>(s: S, job: J) {
    job.run(s);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
fn enter_bf16<S: Simd, J: Job<S>>(s: S, job: J) {
    job.run(s);
}

impl<const BF16: bool> Simd for Avx512<BF16> {
    type T = f32;
    type V = __m512;
    const LANES: usize = 16;
    const VECTORS: usize = 3;
    const BROADCASTS: usize = 8;
    const PAIRS: bool = BF16;

    fn enter<J: Job<Self>>(self, job: J) {
        if BF16 {
            // SAFETY: proof, of BF16 too.
            unsafe { enter_bf16(self, job) }
        } else {
            // SAFETY: proof.
            unsafe { enter(self, job) }
        }
    }

    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: proof.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: proof; the caller promises 16 readable scalars.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> __m512 {
        // SAFETY: proof; the caller promises 16 readable elements, 32 bytes.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> __m512 {
        // SAFETY: proof; the caller promises 16 readable elements, 32 bytes.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: proof; the caller promises 16 writable scalars.
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: __m512) {
        // SAFETY: proof; the caller promises 16 writable elements, 32 bytes.
        unsafe {
            _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v));
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: __m512) {
        // The conversion instruction would flush subnormal numbers.
        // SAFETY: proof; the caller promises 16 writable elements, 32 bytes.
        unsafe {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let rounded = _mm512_add_epi32(bits, half);
            let quiet = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x40_0000));
            let top = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(quiet));
            _mm256_storeu_si256(p.cast(), top);
        }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: proof.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: proof.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: proof.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: proof.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: proof.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn exp2(self, x: __m512) -> __m512 {
        // Adding and taking away 1.5 * 2^23 rounds to an integer.
        let magic = self.splat(12_582_912.0);
        let n = self.sub(self.add(x, magic), magic);
        let f = self.sub(x, n);
        let terms: &[f32] = if BF16 { &EXP2_SHORT } else { &EXP2 };
        let mut p = self.splat(terms[terms.len() - 1]);
        for &c in terms[..terms.len() - 1].iter().rev() {
            p = self.fma(p, f, self.splat(c));
        }
        // SAFETY: proof.
        unsafe {
            // A NaN is not below the bound, and reaches the result.
            let keep = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, _mm512_set1_ps(-126.0));
            _mm512_maskz_scalef_ps(keep, p, n)
        }
    }
    #[inline(always)]
    fn within(self, lo: __m512, x: __m512, hi: __m512, v: __m512, otherwise: __m512) -> __m512 {
        // SAFETY: proof.
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(lo, x);
            let inside = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(above, x, hi);
            _mm512_mask_blend_ps(inside, otherwise, v)
        }
    }
    #[inline(always)]
    unsafe fn choose(self, bytes: *const u8, v: __m512, otherwise: __m512) -> __m512 {
        // SAFETY: proof; the caller promises 16 readable bytes.
        unsafe {
            let bytes = _mm_loadu_si128(bytes.cast());
            _mm512_mask_blend_ps(_mm_test_epi8_mask(bytes, bytes), otherwise, v)
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_step: usize, dst: *mut f32, dst_step: usize) {
        // SAFETY: proof; the caller promises 16 readable rows and 16 writable ones.
        unsafe {
            let row = |i: usize| _mm512_castps_pd(_mm512_loadu_ps(src.add(i * src_step)));
            let mut r: [__m512d; 16] = std::array::from_fn(row);
            // The 4 x 4 blocks change places, then blocks of 2 inside them, then scalars.
            for i in 0..4 {
                let [a, b, c, d] = [r[i], r[i + 4], r[i + 8], r[i + 12]];
                let ab01 = _mm512_shuffle_f64x2::<0b01_00_01_00>(a, b);
                let ab23 = _mm512_shuffle_f64x2::<0b11_10_11_10>(a, b);
                let cd01 = _mm512_shuffle_f64x2::<0b01_00_01_00>(c, d);
                let cd23 = _mm512_shuffle_f64x2::<0b11_10_11_10>(c, d);
                r[i] = _mm512_shuffle_f64x2::<0b10_00_10_00>(ab01, cd01);
                r[i + 4] = _mm512_shuffle_f64x2::<0b11_01_11_01>(ab01, cd01);
                r[i + 8] = _mm512_shuffle_f64x2::<0b10_00_10_00>(ab23, cd23);
                r[i + 12] = _mm512_shuffle_f64x2::<0b11_01_11_01>(ab23, cd23);
            }
            for i in [0, 1, 4, 5, 8, 9, 12, 13] {
                let (a, b) = (r[i], r[i + 2]);
                r[i] = _mm512_unpacklo_pd(a, b);
                r[i + 2] = _mm512_unpackhi_pd(a, b);
            }
            for i in [0, 2, 4, 6, 8, 10, 12, 14] {
                let (a, b) = (_mm512_castpd_ps(r[i]), _mm512_castpd_ps(r[i + 1]));
                let even = _mm512_shuffle_ps::<0b10_00_10_00>(a, b);
                let odd = _mm512_shuffle_ps::<0b11_01_11_01>(a, b);
                r[i] = _mm512_castps_pd(_mm512_permute_ps::<0b11_01_10_00>(even));
                r[i + 1] = _mm512_castps_pd(_mm512_permute_ps::<0b11_01_10_00>(odd));
            }
            for (j, v) in r.into_iter().enumerate() {
                _mm512_storeu_ps(dst.add(j * dst_step), _mm512_castpd_ps(v));
            }
        }
    }
    #[inline(always)]
    fn sums(self, v: &[__m512; 16]) -> __m512 {
        // SAFETY: proof.
        unsafe {
            let pairs: [__m512d; 8] = std::array::from_fn(|i| {
                let (a, b) = (v[2 * i], v[2 * i + 1]);
                _mm512_castps_pd(_mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)))
            });
            // Each 128-bit part of a quad has one part of four sums.
            let quads: [__m512; 4] = std::array::from_fn(|i| {
                let (a, b) = (pairs[2 * i], pairs[2 * i + 1]);
                _mm512_add_ps(
                    _mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)),
                )
            });
            let fold = |a, b| {
                _mm512_add_ps(
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                )
            };
            fold(fold(quads[0], quads[1]), fold(quads[2], quads[3]))
        }
    }
    #[inline(always)]
    fn dot(self, acc: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: proof, of BF16 too: only with `PAIRS`; the types have the same 512 bits.
        unsafe { _mm512_dpbf16_ps(acc, halves(a), halves(b)) }
    }
    #[inline(always)]
    fn pair(self, low: __m512, high: __m512) -> __m512 {
        // SAFETY: proof, of BF16 too: only with `PAIRS`; the types have the same 512 bits.
        unsafe {
            let halves = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            // `low` is in lanes 0 .. 16, `high` in the others.
            let order = lanes(|i| i / 2 + i % 2 * 16);
            _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, halves))
        }
    }
    #[inline(always)]
    unsafe fn zip(self, a: *const bf16, b: *const bf16) -> [__m512; 2] {
        // SAFETY: proof; the caller promises 32 readable elements, 64 bytes, at both.
        unsafe {
            let (a, b) = (_mm512_loadu_si512(a.cast()), _mm512_loadu_si512(b.cast()));
            // Lane 2i comes from a, which has indices 0 .. 32; 2i + 1 from b, which has the next.
            let first = lanes(|i| i / 2 + i % 2 * 32);
            let second = lanes(|i| 16 + i / 2 + i % 2 * 32);
            [
                _mm512_castsi512_ps(_mm512_permutex2var_epi16(a, first, b)),
                _mm512_castsi512_ps(_mm512_permutex2var_epi16(a, second, b)),
            ]
        }
    }
}

/// A vector of 16-bit lanes.
#[inline(always)]
fn lanes(f: impl Fn(usize) -> usize) -> __m512i {
    let lanes: [u16; 32] = std::array::from_fn(|i| f(i) as u16);
    // SAFETY: both are 64 bytes, and any bytes are a vector.
    unsafe { std::mem::transmute::<[u16; 32], __m512i>(lanes) }
}

/// The same bits as `bf16` pairs.
#[inline(always)]
fn halves(v: __m512) -> __m512bh {
    // SAFETY: both are 64 bytes, and any bytes are a vector.
    unsafe { std::mem::transmute::<__m512, __m512bh>(v) }
}
