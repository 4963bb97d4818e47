//! Lanes as one 512-bit register.

use std::arch::x86_64::*;

use super::{LANES, LaneKernel, Lanes};
use crate::data::{bf16, f16};

/// Proof that the CPU has AVX-512 F, BW, DQ, VL (and FMA, F16C): only [`run`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// Runs `kernel` with the instruction set enabled.
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn run<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

/// Evaluates an expression of intrinsics.
macro_rules! on_cpu {
    ($e:expr) => {
        // SAFETY: methods have an `Avx512`, so the CPU has these instructions; pointers come
        // from references to arrays of exactly the bytes that are accessed, and streaming stores
        // from `aligned` ones.
        unsafe { $e }
    };
}

type F = __m512;

/// The half of a lane that a bf16 takes.
const UPPER: i32 = 0xffff_0000u32 as i32;

impl Lanes for Avx512 {
    type F = F;
    const SUMS: usize = 16;

    #[inline(always)]
    fn call<K: LaneKernel>(self, kernel: K) -> K::Output {
        on_cpu!(run(kernel))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> F {
        on_cpu!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        on_cpu!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        on_cpu!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        on_cpu!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!(_mm512_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        on_cpu!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        on_cpu!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn quarter_turns(self, k: F, s: F, c: F) -> (F, F) {
        on_cpu!({
            let k = _mm512_cvtps_epi32(k);
            let (one, two) = (_mm512_set1_epi32(1), _mm512_set1_epi32(2));
            let odd = _mm512_test_epi32_mask(k, one);
            let sin_sign = _mm512_slli_epi32::<30>(_mm512_and_si512(k, two));
            let cos_sign = _mm512_slli_epi32::<30>(_mm512_and_si512(_mm512_add_epi32(k, one), two));
            (
                _mm512_xor_ps(_mm512_mask_blend_ps(odd, s, c), _mm512_castsi512_ps(sin_sign)),
                _mm512_xor_ps(_mm512_mask_blend_ps(odd, c, s), _mm512_castsi512_ps(cos_sign)),
            )
        })
    }
    #[inline(always)]
    fn all_within(self, a: F, limit: f32) -> bool {
        on_cpu!(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(_mm512_abs_ps(a), _mm512_set1_ps(limit)) == 0xffff)
    }
    #[inline(always)]
    fn interleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!({
            let low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b)]
        })
    }
    #[inline(always)]
    fn deinterleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!({
            let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            [_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b)]
        })
    }

    #[inline(always)]
    fn load_f32(self, from: &[f32; LANES]) -> F {
        on_cpu!(_mm512_loadu_ps(from.as_ptr()))
    }
    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> F {
        on_cpu!(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())))
    }
    #[inline(always)]
    fn load_bf16(self, from: &[bf16; LANES]) -> F {
        on_cpu!(widen(_mm256_loadu_si256(from.as_ptr().cast())))
    }
    #[inline(always)]
    fn load_bf16_pairs(self, from: &[bf16; 2 * LANES]) -> [F; 2] {
        on_cpu!({
            let pairs = _mm512_loadu_si512(from.as_ptr().cast());
            [
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)),
                _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(UPPER))),
            ]
        })
    }
    #[inline(always)]
    fn store_f32(self, a: F, to: &mut [f32; LANES]) {
        on_cpu!(_mm512_storeu_ps(to.as_mut_ptr(), a));
    }
    #[inline(always)]
    fn store_f16(self, a: F, to: &mut [f16; LANES]) {
        on_cpu!(_mm256_storeu_si256(to.as_mut_ptr().cast(), narrow_f16(a)));
    }
    #[inline(always)]
    fn store_bf16(self, a: F, to: &mut [bf16; LANES]) {
        on_cpu!(_mm256_storeu_si256(to.as_mut_ptr().cast(), narrow_bf16(a)));
    }
    #[inline(always)]
    fn store_bf16_pairs(self, a: [F; 2], to: &mut [bf16; 2 * LANES]) {
        on_cpu!(_mm512_storeu_si512(to.as_mut_ptr().cast(), narrow_bf16_pairs(a)));
    }
    #[inline(always)]
    fn round_f16(self, a: F) -> F {
        on_cpu!(_mm512_cvtph_ps(narrow_f16(a)))
    }
    #[inline(always)]
    fn round_bf16(self, a: F) -> F {
        on_cpu!(_mm512_castsi512_ps(_mm512_and_si512(round_clean(a), _mm512_set1_epi32(UPPER))))
    }

    #[inline(always)]
    fn stream_f32(self, a: F, to: &mut [f32; LANES]) {
        if aligned(to) {
            on_cpu!(_mm512_stream_ps(to.as_mut_ptr(), a));
        } else {
            self.store_f32(a, to);
        }
    }
    #[inline(always)]
    fn stream_f16(self, a: F, to: &mut [f16; LANES]) {
        if aligned(to) {
            on_cpu!(_mm256_stream_si256(to.as_mut_ptr().cast(), narrow_f16(a)));
        } else {
            self.store_f16(a, to);
        }
    }
    #[inline(always)]
    fn stream_bf16_pairs(self, a: [F; 2], to: &mut [bf16; 2 * LANES]) {
        if aligned(to) {
            on_cpu!(_mm512_stream_si512(to.as_mut_ptr().cast(), narrow_bf16_pairs(a)));
        } else {
            self.store_bf16_pairs(a, to);
        }
    }
    #[inline(always)]
    fn fence(self) {
        on_cpu!(_mm_sfence());
    }
    #[inline(always)]
    fn prefetch<T>(self, data: &[T], at: usize) {
        on_cpu!(_mm_prefetch::<_MM_HINT_T0>(data.as_ptr().wrapping_add(at).cast()));
    }

    #[inline(always)]
    fn sum(self, a: F) -> f32 {
        on_cpu!({
            let a = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let a = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
            _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)))
        })
    }
}

#[inline(always)]
fn aligned<T, const N: usize>(to: &[T; N]) -> bool {
    to.as_ptr().addr().is_multiple_of(size_of_val(to))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn widen(a: __m256i) -> F {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(a)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn narrow_f16(a: F) -> __m256i {
    _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn narrow_bf16(a: F) -> __m256i {
    _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(round_bf16(a)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn narrow_bf16_pairs([even, odd]: [F; 2]) -> __m512i {
    let even = _mm512_srli_epi32::<16>(round_clean(even));
    // (odd & UPPER) | even
    _mm512_ternarylogic_epi32::<0xf8>(even, round_clean(odd), _mm512_set1_epi32(UPPER))
}

/// The upper halves of the lanes are the rounded bf16, unless a NaN's lower half is not 0.
#[inline]
#[target_feature(enable = "avx512f")]
fn round_clean(a: F) -> __m512i {
    let bits = _mm512_castps_si512(a);
    // Adding 0x7fff and the last bit kept is subtracting !(0x7ffe | bit).
    let (bit, most) = (_mm512_set1_epi32(1), _mm512_set1_epi32(0x7ffe));
    let upper = _mm512_srli_epi32::<16>(bits);
    // !((upper & bit) | most)
    _mm512_sub_epi32(bits, _mm512_ternarylogic_epi32::<0x15>(upper, bit, most))
}

/// The upper halves of the lanes are the rounded bf16. The AVX-512 BF16 conversion is no use
/// here: it flushes subnormals.
#[inline]
#[target_feature(enable = "avx512f")]
fn round_bf16(a: F) -> __m512i {
    let bits = _mm512_castps_si512(a);
    let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a);
    _mm512_mask_or_epi32(round_clean(a), nan, bits, _mm512_set1_epi32(0x0040_0000))
}
