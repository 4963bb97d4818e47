//! What a norm needs to know of a row before it can write it.

use super::BLOCK;
use crate::simd::lanes::{LANES, LaneElement, Lanes};

/// Mean and scale of a row: the normalised value is `(x - mean) * scale - shift`.
#[derive(Clone, Copy)]
pub(super) struct Stats {
    pub(super) mean: f32,
    pub(super) scale: f32,
    /// What is missing from `mean`, times `scale`.
    pub(super) shift: f32,
}

impl Stats {
    /// With a mean of 0: the RMS norm.
    #[inline(always)]
    pub(super) fn rms<L: Lanes, X: LaneElement>(l: L, x: &[X], eps: f32) -> Stats {
        let [squares] = sums(l, x, 0.0, |[sum], x| [l.mul_add(x, x, sum)]);
        Stats { mean: 0.0, scale: inverse_root(squares, x.len(), 0.0, eps), shift: 0.0 }
    }

    /// Two passes: the mean; then the squares about it, and by how much it is off.
    #[inline(always)]
    pub(super) fn layer<L: Lanes, X: LaneElement>(l: L, x: &[X], eps: f32) -> Stats {
        let mean = mean(l, x);
        let about = l.splat(mean);
        let [rest, squares] = sums(l, x, mean, |[rest, squares], x| {
            let x = l.sub(x, about);
            [l.add(rest, x), l.mul_add(x, x, squares)]
        });
        let rest = rest / x.len() as f64;
        let scale = inverse_root(squares, x.len(), rest, eps);
        Stats { mean, scale, shift: rest as f32 * scale }
    }
}

/// The mean, rounded to `f32`.
#[inline(always)]
fn mean<L: Lanes, X: LaneElement>(l: L, x: &[X]) -> f32 {
    let [sum] = sums(l, x, 0.0, |[sum], x| [l.add(sum, x)]);
    (sum / x.len() as f64) as f32
}

/// `1 / sqrt(variance + eps)` from the sum of `n` squares about a mean that is off by `rest`.
#[inline(always)]
fn inverse_root(squares: f64, n: usize, rest: f64, eps: f32) -> f32 {
    let mean = squares / n as f64;
    // Rounding must not make a variance negative, but NaN stays.
    let variance = if mean < rest * rest { 0.0 } else { mean - rest * rest };
    1.0 / (variance as f32 + eps).sqrt()
}

/// `N` sums over the elements of a row. `step` adds sixteen elements to them; the elements missing
/// at the row's end are `pad`.
#[inline(always)]
fn sums<L: Lanes, X: LaneElement, const N: usize>(
    l: L,
    x: &[X],
    pad: f32,
    step: impl Fn([L::F; N], L::F) -> [L::F; N],
) -> [f64; N] {
    let mut total = [0.0; N];
    for block in x.chunks(BLOCK) {
        let sums = block_sums(l, block, pad, &step);
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += l.sum(sum) as f64;
        }
    }
    total
}

#[inline(always)]
fn block_sums<L: Lanes, X: LaneElement, const N: usize>(
    l: L,
    x: &[X],
    pad: f32,
    step: &impl Fn([L::F; N], L::F) -> [L::F; N],
) -> [L::F; N] {
    /// Sets of sums, so that additions need not wait for each other.
    const SETS: usize = 8;
    let mut sets = [[l.splat(0.0); N]; SETS];
    let (steps, rest) = x.as_chunks::<{ SETS * LANES }>();
    for x in steps {
        for (set, x) in sets.iter_mut().zip(x.as_chunks().0) {
            *set = step(*set, X::load(l, x));
        }
    }
    let (chunks, end) = rest.as_chunks::<LANES>();
    for (set, x) in sets.iter_mut().zip(chunks) {
        *set = step(*set, X::load(l, x));
    }
    if !end.is_empty() {
        sets[SETS - 1] = step(sets[SETS - 1], X::load_padded(l, end, pad));
    }
    for half in [4, 2, 1] {
        for i in 0..half {
            for k in 0..N {
                sets[i][k] = l.add(sets[i][k], sets[i + half][k]);
            }
        }
    }
    sets[0]
}
