//! AVX2 with FMA and F16C.
//!
//! In every `unsafe` block here that says *proof*, what makes the call unsafe is only that the
//! CPU must have the instructions; the token `self` is made by [`Avx2::new`] alone, which checks
//! that.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{EXP2, Job, Simd};
use crate::data::{bf16, f16};
use crate::simd::{Level, supported};

/// Proof of AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, if the CPU has the instructions.
    pub(super) fn new() -> Option<Self> {
        supported(Level::Avx2).then_some(Avx2(()))
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn enter<J: Job<Avx2>>(s: Avx2, job: J) {
    job.run(s);
}

impl Simd for Avx2 {
    type T = f32;
    type V = __m256;
    const LANES: usize = 8;
    // Twelve sums, three vectors and a broadcast fill the 16 registers, see `add_products`.
    const VECTORS: usize = 3;
    const BROADCASTS: usize = 4;
    const PAIRS: bool = false;

    fn enter<J: Job<Self>>(self, job: J) {
        // SAFETY: proof.
        unsafe { enter(self, job) }
    }

    #[inline(always)]
    fn prefetch(self, p: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn add_products(
        self,
        acc: [[__m256; 3]; 4],
        a: *const f32,
        b: [*const f32; 4],
        step: usize,
        count: usize,
    ) -> Option<[[__m256; 3]; 4]> {
        // SAFETY: proof; the caller's promises.
        Some(unsafe { twelve_sums(acc, a, b, step, count) })
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: proof.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: proof; the caller promises 8 readable scalars.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> __m256 {
        // SAFETY: proof; the caller promises 8 readable elements, 16 bytes.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> __m256 {
        // SAFETY: proof; the caller promises 8 readable elements, 16 bytes.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: proof; the caller promises 8 writable scalars.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: __m256) {
        // SAFETY: proof; the caller promises 8 writable elements, 16 bytes.
        unsafe { _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v)) }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: __m256) {
        // SAFETY: proof; the caller promises 8 writable elements, 16 bytes.
        unsafe {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            let rounded = _mm256_add_epi32(bits, half);
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let top = _mm256_srli_epi32::<16>(_mm256_blendv_epi8(rounded, quiet, nan));
            let (low, high) = (_mm256_castsi256_si128(top), _mm256_extracti128_si256::<1>(top));
            _mm_storeu_si128(p.cast(), _mm_packus_epi32(low, high));
        }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn exp2(self, x: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe {
            let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            let f = _mm256_sub_ps(x, n);
            let mut p = _mm256_set1_ps(EXP2[EXP2.len() - 1]);
            for &c in EXP2[..EXP2.len() - 1].iter().rev() {
                p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(c));
            }
            // A NaN converts to 0x8000_0000, which the shift makes 0: `p`, a NaN, stays.
            let exponent = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(n));
            let y = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_set1_ps(-126.0));
            _mm256_andnot_ps(below, y)
        }
    }
    #[inline(always)]
    fn within(self, lo: __m256, x: __m256, hi: __m256, v: __m256, otherwise: __m256) -> __m256 {
        // SAFETY: proof.
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_LE_OQ>(lo, x);
            let below = _mm256_cmp_ps::<_CMP_LE_OQ>(x, hi);
            _mm256_blendv_ps(otherwise, v, _mm256_and_ps(above, below))
        }
    }
    #[inline(always)]
    unsafe fn choose(self, bytes: *const u8, v: __m256, otherwise: __m256) -> __m256 {
        // SAFETY: proof; the caller promises 8 readable bytes.
        unsafe {
            let bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.cast()));
            let zero = _mm256_cmpeq_epi32(bytes, _mm256_setzero_si256());
            _mm256_blendv_ps(v, otherwise, _mm256_castsi256_ps(zero))
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_step: usize, dst: *mut f32, dst_step: usize) {
        // SAFETY: proof; the caller promises 8 readable rows and 8 writable ones.
        unsafe {
            let r: [__m256; 8] = std::array::from_fn(|i| _mm256_loadu_ps(src.add(i * src_step)));
            let twos: [__m256d; 8] = std::array::from_fn(|i| {
                let (a, b) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
                _mm256_castps_pd(if i % 2 == 0 {
                    _mm256_unpacklo_ps(a, b)
                } else {
                    _mm256_unpackhi_ps(a, b)
                })
            });
            // fours[4h + c]: columns c and c + 4 of rows 4h .. 4h + 4.
            let fours: [__m256; 8] = std::array::from_fn(|i| {
                let at = i / 4 * 4 + i % 4 / 2;
                let (a, b) = (twos[at], twos[at + 2]);
                _mm256_castpd_ps(if i % 2 == 0 {
                    _mm256_unpacklo_pd(a, b)
                } else {
                    _mm256_unpackhi_pd(a, b)
                })
            });
            for c in 0..4 {
                let (a, b) = (fours[c], fours[c + 4]);
                _mm256_storeu_ps(dst.add(c * dst_step), _mm256_permute2f128_ps::<0x20>(a, b));
                _mm256_storeu_ps(dst.add((c + 4) * dst_step), _mm256_permute2f128_ps::<0x31>(a, b));
            }
        }
    }
    #[inline(always)]
    fn sums(self, v: &[__m256; 16]) -> __m256 {
        // SAFETY: proof.
        unsafe {
            let quad = |i: usize| {
                _mm256_hadd_ps(_mm256_hadd_ps(v[i], v[i + 1]), _mm256_hadd_ps(v[i + 2], v[i + 3]))
            };
            let (a, b) = (quad(0), quad(4));
            _mm256_add_ps(
                _mm256_permute2f128_ps::<0x20>(a, b),
                _mm256_permute2f128_ps::<0x31>(a, b),
            )
        }
    }
    #[inline(always)]
    fn dot(self, _: __m256, _: __m256, _: __m256) -> __m256 {
        unreachable!("there are no pairs here")
    }
    #[inline(always)]
    fn pair(self, _: __m256, _: __m256) -> __m256 {
        unreachable!("there are no pairs here")
    }
    #[inline(always)]
    unsafe fn zip(self, _: *const bf16, _: *const bf16) -> [__m256; 2] {
        unreachable!("there are no pairs here")
    }
}

/// One step of [`twelve_sums`], `$at` bytes behind the vectors it has come to.
macro_rules! step {
    ($at:literal) => {
        concat!(
            "vmovups {a0}, [{a} + ",
            $at,
            "]\n",
            "vmovups {a1}, [{a} + 32 + ",
            $at,
            "]\n",
            "vmovups {a2}, [{a} + 64 + ",
            $at,
            "]\n",
            "vbroadcastss {b}, dword ptr [{b0} + {at}]\n",
            "vfmadd231ps {x0}, {a0}, {b}\n",
            "vfmadd231ps {x1}, {a1}, {b}\n",
            "vfmadd231ps {x2}, {a2}, {b}\n",
            "vbroadcastss {b}, dword ptr [{b1} + {at}]\n",
            "vfmadd231ps {x3}, {a0}, {b}\n",
            "vfmadd231ps {x4}, {a1}, {b}\n",
            "vfmadd231ps {x5}, {a2}, {b}\n",
            "vbroadcastss {b}, dword ptr [{b2} + {at}]\n",
            "vfmadd231ps {x6}, {a0}, {b}\n",
            "vfmadd231ps {x7}, {a1}, {b}\n",
            "vfmadd231ps {x8}, {a2}, {b}\n",
            "vbroadcastss {b}, dword ptr [{b3} + {at}]\n",
            "vfmadd231ps {x9}, {a0}, {b}\n",
            "vfmadd231ps {x10}, {a1}, {b}\n",
            "vfmadd231ps {x11}, {a2}, {b}\n",
            "add {at}, {step}",
        )
    };
}

/// [`Simd::add_products`]. In assembly because the compiler keeps one of sixteen registers' worth in
/// memory, which halves the speed; with two vectors, eight sums, each addition would have to wait
/// for the last. Four steps at a time because a busy neighbour on the core leaves half of its slots.
///
/// # Safety
/// As there.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn twelve_sums(
    sums: [[__m256; 3]; 4],
    a: *const f32,
    [b0, b1, b2, b3]: [*const f32; 4],
    step: usize,
    count: usize,
) -> [[__m256; 3]; 4] {
    let [[mut x0, mut x1, mut x2], [mut x3, mut x4, mut x5], sums @ ..] = sums;
    let [[mut x6, mut x7, mut x8], [mut x9, mut x10, mut x11]] = sums;
    // SAFETY: the caller promises `count` times three vectors from `a` on and `count` scalars,
    // `step` bytes apart, from each of `b`, and nothing else is read. All registers that are
    // written are named.
    unsafe {
        asm!(
            "test {fours}, {fours}",
            "je 3f",
            "2:",
            step!(0),
            step!(96),
            step!(192),
            step!(288),
            "add {a}, 384",
            "dec {fours}",
            "jne 2b",
            "3:",
            "test {rest}, {rest}",
            "je 5f",
            "4:",
            step!(0),
            "add {a}, 96",
            "dec {rest}",
            "jne 4b",
            "5:",
            x0 = inout(ymm_reg) x0, x1 = inout(ymm_reg) x1, x2 = inout(ymm_reg) x2,
            x3 = inout(ymm_reg) x3, x4 = inout(ymm_reg) x4, x5 = inout(ymm_reg) x5,
            x6 = inout(ymm_reg) x6, x7 = inout(ymm_reg) x7, x8 = inout(ymm_reg) x8,
            x9 = inout(ymm_reg) x9, x10 = inout(ymm_reg) x10, x11 = inout(ymm_reg) x11,
            a0 = out(ymm_reg) _, a1 = out(ymm_reg) _, a2 = out(ymm_reg) _, b = out(ymm_reg) _,
            a = inout(reg) a => _,
            b0 = in(reg) b0,
            b1 = in(reg) b1,
            b2 = in(reg) b2,
            b3 = in(reg) b3,
            step = in(reg) step,
            at = inout(reg) 0usize => _,
            fours = inout(reg) count / 4 => _,
            rest = inout(reg) count % 4 => _,
            options(nostack, readonly),
        );
    }
    [[x0, x1, x2], [x3, x4, x5], [x6, x7, x8], [x9, x10, x11]]
}
