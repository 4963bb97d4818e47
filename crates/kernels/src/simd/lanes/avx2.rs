//! Lanes as two 256-bit registers.

use std::arch::x86_64::*;

use super::{LANES, LaneKernel, Lanes};
use crate::data::{bf16, f16};

/// Proof that the CPU has AVX2, FMA and F16C: only [`run`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Runs `kernel` with the instruction set enabled.
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn run<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// Evaluates an expression of intrinsics.
macro_rules! on_cpu {
    ($e:expr) => {
        // SAFETY: methods have an `Avx2`, so the CPU has these instructions; pointers come from
        // references to arrays of exactly the bytes that are accessed, and streaming stores from
        // `aligned` ones.
        unsafe { $e }
    };
}

type F = [__m256; 2];

/// The half of a lane that a bf16 takes.
const UPPER: i32 = 0xffff_0000u32 as i32;

/// Where half `i` of an array begins.
#[inline(always)]
fn half<T, const N: usize>(from: &[T; N], i: usize) -> *const T {
    from[N / 2 * i..].as_ptr()
}

#[inline(always)]
fn half_mut<T, const N: usize>(to: &mut [T; N], i: usize) -> *mut T {
    to[N / 2 * i..].as_mut_ptr()
}

impl Lanes for Avx2 {
    type F = F;
    const SUMS: usize = 4;

    #[inline(always)]
    fn call<K: LaneKernel>(self, kernel: K) -> K::Output {
        on_cpu!(run(kernel))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> F {
        on_cpu!([_mm256_set1_ps(x); 2])
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        on_cpu!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        on_cpu!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        on_cpu!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
    }
    #[inline(always)]
    fn neg_mul_add(self, a: F, b: F, c: F) -> F {
        on_cpu!([_mm256_fnmadd_ps(a[0], b[0], c[0]), _mm256_fnmadd_ps(a[1], b[1], c[1])])
    }
    #[inline(always)]
    fn fused(self, a: F, b: F, c: F) -> F {
        self.mul_add(a, b, c)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        on_cpu!([_mm256_round_ps::<NEAREST>(a[0]), _mm256_round_ps::<NEAREST>(a[1])])
    }
    #[inline(always)]
    fn quarter_turns(self, k: F, s: F, c: F) -> (F, F) {
        let a = on_cpu!(quarter_turns(k[0], s[0], c[0]));
        let b = on_cpu!(quarter_turns(k[1], s[1], c[1]));
        ([a.0, b.0], [a.1, b.1])
    }
    #[inline(always)]
    fn all_within(self, a: F, limit: f32) -> bool {
        on_cpu!({
            let (sign, limit) = (_mm256_set1_ps(-0.0), _mm256_set1_ps(limit));
            let within = [
                _mm256_cmp_ps::<_CMP_LE_OQ>(_mm256_andnot_ps(sign, a[0]), limit),
                _mm256_cmp_ps::<_CMP_LE_OQ>(_mm256_andnot_ps(sign, a[1]), limit),
            ];
            _mm256_movemask_ps(_mm256_and_ps(within[0], within[1])) == 0xff
        })
    }
    #[inline(always)]
    fn interleave(self, a: F, b: F) -> [F; 2] {
        on_cpu!([interleave(a[0], b[0]), interleave(a[1], b[1])])
    }
    #[inline(always)]
    fn deinterleave(self, a: F, b: F) -> [F; 2] {
        let (a, b) = on_cpu!((deinterleave(a), deinterleave(b)));
        [[a[0], b[0]], [a[1], b[1]]]
    }

    #[inline(always)]
    fn load_f32(self, from: &[f32; LANES]) -> F {
        on_cpu!([_mm256_loadu_ps(half(from, 0)), _mm256_loadu_ps(half(from, 1))])
    }
    #[inline(always)]
    fn load_f16(self, from: &[f16; LANES]) -> F {
        on_cpu!([
            _mm256_cvtph_ps(_mm_loadu_si128(half(from, 0).cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(half(from, 1).cast())),
        ])
    }
    #[inline(always)]
    fn load_bf16(self, from: &[bf16; LANES]) -> F {
        on_cpu!([
            widen(_mm_loadu_si128(half(from, 0).cast())),
            widen(_mm_loadu_si128(half(from, 1).cast())),
        ])
    }
    #[inline(always)]
    fn load_bf16_pairs(self, from: &[bf16; 2 * LANES]) -> [F; 2] {
        on_cpu!({
            let upper = _mm256_set1_epi32(UPPER);
            let low = _mm256_loadu_si256(half(from, 0).cast());
            let high = _mm256_loadu_si256(half(from, 1).cast());
            [
                [
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
                ],
                [
                    _mm256_castsi256_ps(_mm256_and_si256(low, upper)),
                    _mm256_castsi256_ps(_mm256_and_si256(high, upper)),
                ],
            ]
        })
    }
    #[inline(always)]
    fn store_f32(self, a: F, to: &mut [f32; LANES]) {
        on_cpu!(_mm256_storeu_ps(half_mut(to, 0), a[0]));
        on_cpu!(_mm256_storeu_ps(half_mut(to, 1), a[1]));
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
    fn store_bf16_pairs(self, [even, odd]: [F; 2], to: &mut [bf16; 2 * LANES]) {
        for i in 0..2 {
            let pairs = on_cpu!(narrow_bf16_pairs(even[i], odd[i]));
            on_cpu!(_mm256_storeu_si256(half_mut(to, i).cast(), pairs));
        }
    }
    #[inline(always)]
    fn round_f16(self, a: F) -> F {
        on_cpu!({
            let halves = narrow_f16(a);
            [
                _mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
                _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(halves)),
            ]
        })
    }
    #[inline(always)]
    fn round_bf16(self, a: F) -> F {
        on_cpu!({
            let upper = _mm256_set1_epi32(UPPER);
            [
                _mm256_castsi256_ps(_mm256_and_si256(round_clean(a[0]), upper)),
                _mm256_castsi256_ps(_mm256_and_si256(round_clean(a[1]), upper)),
            ]
        })
    }

    #[inline(always)]
    fn stream_f32(self, a: F, to: &mut [f32; LANES]) {
        if aligned(to) {
            on_cpu!(_mm256_stream_ps(half_mut(to, 0), a[0]));
            on_cpu!(_mm256_stream_ps(half_mut(to, 1), a[1]));
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
    fn stream_bf16_pairs(self, [even, odd]: [F; 2], to: &mut [bf16; 2 * LANES]) {
        if !aligned(to) {
            return self.store_bf16_pairs([even, odd], to);
        }
        for i in 0..2 {
            let pairs = on_cpu!(narrow_bf16_pairs(even[i], odd[i]));
            on_cpu!(_mm256_stream_si256(half_mut(to, i).cast(), pairs));
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
            let a = _mm256_add_ps(a[0], a[1]);
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
#[target_feature(enable = "avx2")]
fn quarter_turns(k: __m256, s: __m256, c: __m256) -> (__m256, __m256) {
    let k = _mm256_cvtps_epi32(k);
    let (one, two) = (_mm256_set1_epi32(1), _mm256_set1_epi32(2));
    let odd = _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(k, one), one));
    let sin_sign = _mm256_slli_epi32::<30>(_mm256_and_si256(k, two));
    let cos_sign = _mm256_slli_epi32::<30>(_mm256_and_si256(_mm256_add_epi32(k, one), two));
    (
        _mm256_xor_ps(_mm256_blendv_ps(s, c, odd), _mm256_castsi256_ps(sin_sign)),
        _mm256_xor_ps(_mm256_blendv_ps(c, s, odd), _mm256_castsi256_ps(cos_sign)),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn interleave(a: __m256, b: __m256) -> F {
    let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
}

/// Even places, odd places.
#[inline]
#[target_feature(enable = "avx2")]
fn deinterleave(a: F) -> [__m256; 2] {
    // Each 128-bit lane takes two from either half, so the middle quarters are exchanged.
    let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a[0], a[1]));
    let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a[0], a[1]));
    [
        _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
        _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn widen(a: __m128i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(a)))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn narrow_f16(a: F) -> __m256i {
    const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
    _mm256_set_m128i(_mm256_cvtps_ph::<NEAREST>(a[1]), _mm256_cvtps_ph::<NEAREST>(a[0]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn narrow_bf16(a: F) -> __m256i {
    let low = _mm256_srli_epi32::<16>(round_bf16(a[0]));
    let high = _mm256_srli_epi32::<16>(round_bf16(a[1]));
    // Packing works within 128-bit lanes, so its middle quarters are exchanged.
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high))
}

#[inline]
#[target_feature(enable = "avx2")]
fn narrow_bf16_pairs(even: __m256, odd: __m256) -> __m256i {
    let even = _mm256_srli_epi32::<16>(round_clean(even));
    _mm256_blend_epi16::<0b1010_1010>(even, round_clean(odd))
}

/// The upper halves of the lanes are the rounded bf16, unless a NaN's lower half is not 0.
#[inline]
#[target_feature(enable = "avx2")]
fn round_clean(a: __m256) -> __m256i {
    let bits = _mm256_castps_si256(a);
    let even = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even)
}

/// The upper halves of the lanes are the rounded bf16.
#[inline]
#[target_feature(enable = "avx2")]
fn round_bf16(a: __m256) -> __m256i {
    let bits = _mm256_castps_si256(a);
    let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
    let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(a, a));
    _mm256_blendv_epi8(round_clean(a), quiet, nan)
}
