//! Sine and cosine of sixteen `f32` angles.

use super::{LANES, LaneElement, Lanes};

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
    let r = QUARTER.iter().fold(x, |r, &q| l.fused(minus_k, l.splat(q), r));
    let z = l.mul(r, r);
    let series = |terms: &[f32]| {
        let (last, rest) = terms.split_last().expect("a series has terms");
        rest.iter().rev().fold(l.splat(*last), |sum, &c| l.fused(sum, z, l.splat(c)))
    };
    const SIN: [f32; 4] = [-1.0 / 6.0, 1.0 / 120.0, -1.0 / 5040.0, 1.0 / 362_880.0];
    const COS: [f32; 6] = [1.0, -0.5, 1.0 / 24.0, -1.0 / 720.0, 1.0 / 40_320.0, -1.0 / 3_628_800.0];
    let sin = l.fused(l.mul(r, z), series(&SIN), r);
    l.quarter_turns(k, sin, series(&COS))
}

/// One by one, in `f64`, whose library functions reduce any angle.
#[inline(never)]
fn each<L: Lanes>(l: L, x: L::F) -> (L::F, L::F) {
    let mut x32 = [0.0; LANES];
    f32::store(l, x, &mut x32);
    let both = x32.map(|x| (x as f64).sin_cos());
    (f32::load(l, &both.map(|b| b.0 as f32)), f32::load(l, &both.map(|b| b.1 as f32)))
}
