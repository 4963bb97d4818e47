//! Sine and cosine of sixteen `f32` angles.

use super::{LANES, Lanes};

/// Up to here the reduction below is good; beyond, angles go through `f64`.
const LIMIT: f32 = 1_048_576.0;

/// A quarter turn as a sum of three floats, 24 bits each.
const QUARTER: [f32; 3] =
    [f32::from_bits(0x3fc9_0fdb), f32::from_bits(0xb33b_bd2e), f32::from_bits(0xa6f7_2ced)];

/// Sine and cosine, both within 2 ULP of the exact values for every finite angle; NaN for
/// infinities and NaN.
///
/// With `k` the nearest number of quarter turns, `x - k * QUARTER[0]` is exact (a multiple of
/// 2^-23 below 1, as `k` has at most 20 bits), and each of the two corrections that follow adds
/// one rounding error relative to the result. The series stop where the next term, at 0.86, is
/// below a twentieth of an ULP.
#[inline(always)]
pub(crate) fn sin_cos<L: Lanes>(l: L, x: L::F) -> (L::F, L::F) {
    if !l.all_within(x, LIMIT) {
        return each(l, x);
    }
    let k = l.round(l.mul(x, l.splat(std::f32::consts::FRAC_2_PI)));
    let minus_k = l.sub(l.splat(0.0), k);
    let mut r = x;
    for quarter in QUARTER {
        r = l.fused(minus_k, l.splat(quarter), r);
    }
    let z = l.mul(r, r);
    const SIN: [f32; 4] = [-1.0 / 6.0, 1.0 / 120.0, -1.0 / 5040.0, 1.0 / 362_880.0];
    const COS: [f32; 6] = [1.0, -0.5, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40_320.0, -1.0 / 3_628_800.0];
    let sin = l.fused(l.mul(r, z), series(l, z, SIN), r);
    l.quarter_turns(k, sin, series(l, z, COS))
}

/// `terms[0] + terms[1] * z + terms[2] * z^2 + ..`
#[inline(always)]
fn series<L: Lanes, const N: usize>(l: L, z: L::F, terms: [f32; N]) -> L::F {
    let mut sum = l.splat(terms[N - 1]);
    for &term in terms[..N - 1].iter().rev() {
        sum = l.fused(sum, z, l.splat(term));
    }
    sum
}

/// One by one, in `f64`, whose library functions reduce any angle. All NaN are the same one.
#[inline(always)]
fn each<L: Lanes>(l: L, x: L::F) -> (L::F, L::F) {
    let mut x32 = [0.0; LANES];
    l.store_f32(x, &mut x32);
    let narrow = |y: f64| if y.is_nan() { f32::NAN } else { y as f32 };
    let both = x32.map(|x| (x as f64).sin_cos());
    (l.load_f32(&both.map(|b| narrow(b.0))), l.load_f32(&both.map(|b| narrow(b.1))))
}
