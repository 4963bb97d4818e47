//! What a norm needs to know of a row before it can write it.

use super::{BLOCK, Kind};
use crate::simd::lanes::{LANES, LaneElement, LaneKernel, Lanes};

/// Mean and scale of a row: the normalised value is `(x - mean) * scale - shift`. For an RMS norm
/// `mean` and `shift` are 0, which leaves exactly `x * scale`.
#[derive(Clone, Copy)]
pub(super) struct Stats {
    pub(super) mean: f32,
    pub(super) scale: f32,
    /// What the mean lacks, times `scale`.
    pub(super) shift: f32,
}

/// Finds them: a kernel of its own, shared by those that write.
pub(super) struct Find<'a, X> {
    pub(super) kind: Kind,
    pub(super) x: &'a [X],
    pub(super) eps: f32,
}

impl<X: LaneElement> LaneKernel for Find<'_, X> {
    type Output = Stats;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Stats {
        match self.kind {
            Kind::Rms => Stats::rms(l, self.x, self.eps),
            Kind::Layer => Stats::layer(l, self.x, self.eps),
        }
    }
}

impl Stats {
    #[inline(always)]
    fn rms<L: Lanes, X: LaneElement>(l: L, x: &[X], eps: f32) -> Stats {
        let [squares] = sums(l, x, 0.0, Squares);
        Stats::about(0.0, 0.0, squares / x.len() as f64, eps)
    }

    /// One pass: differences, and their squares, from a value near the mean, that of the first
    /// elements. If they turn out not to be near, measured by the spread, so that squares would
    /// cancel, another pass about the mean now known.
    #[inline(always)]
    fn layer<L: Lanes, X: LaneElement>(l: L, x: &[X], eps: f32) -> Stats {
        let n = x.len() as f64;
        let mut mean = mean_of_first(l, x);
        let (mut rest, mut squares) = (0.0, 0.0);
        for _ in 0..2 {
            [rest, squares] = sums(l, x, mean, SquaresAbout { mean: l.splat(mean) });
            rest /= n;
            if is_near(rest, squares / n) {
                break;
            }
            mean += rest as f32;
        }
        Stats::about(mean, rest, squares / n, eps)
    }

    /// From the means of the differences from `mean`, and of their squares.
    #[inline(always)]
    pub(super) fn about(mean: f32, rest: f64, square: f64, eps: f32) -> Stats {
        // Rounding must not make a variance negative, but NaN stays.
        let variance = if square < rest * rest { 0.0 } else { square - rest * rest };
        let scale = 1.0 / (variance as f32 + eps).sqrt();
        // One NaN for all, as rounding to bf16 wants their lower bits clear.
        let scale = if scale.is_nan() { f32::NAN } else { scale };
        // An infinite scale must not make a shift of what there is nothing of.
        let shift = if rest == 0.0 { 0.0 } else { rest as f32 * scale };
        Stats { mean, scale, shift }
    }
}

/// Whether a value is near enough to the mean, given the means of the differences from it and of
/// their squares: the variance, `square - rest^2`, then loses two bits at most.
#[inline(always)]
pub(super) fn is_near(rest: f64, square: f64) -> bool {
    rest * rest <= 0.75 * square || rest == 0.0
}

impl Stats {
    /// The normalised value.
    #[inline(always)]
    pub(super) fn normal<L: Lanes>(self, l: L, x: L::F) -> L::F {
        l.mul_add(l.sub(x, l.splat(self.mean)), l.splat(self.scale), l.splat(-self.shift))
    }
}

/// The mean of the first sixteen elements; where there are fewer, the first stands for the
/// others. If all are equal it is their value.
#[inline(always)]
pub(super) fn mean_of_first<L: Lanes, X: LaneElement>(l: L, x: &[X]) -> f32 {
    let sum = match x.first_chunk::<LANES>() {
        Some(x) => l.sum(X::load(l, x)),
        None => {
            let mut lanes = [0.0; LANES];
            l.store_f32(X::load_part(l, x), &mut lanes);
            let first = lanes[0];
            lanes[x.len()..].fill(first);
            l.sum(l.load_f32(&lanes))
        }
    };
    sum / LANES as f32
}

/// What is summed: `N` sums at a time. Not a closure, because those may not be inlined, and then
/// the compiler does not see the level's instructions in them.
trait Step<L: Lanes, const N: usize>: Copy {
    /// Adds sixteen elements.
    fn add(self, l: L, sums: [L::F; N], x: L::F) -> [L::F; N];
}

#[derive(Clone, Copy)]
struct Squares;

impl<L: Lanes> Step<L, 1> for Squares {
    #[inline(always)]
    fn add(self, l: L, [sum]: [L::F; 1], x: L::F) -> [L::F; 1] {
        [l.mul_add(x, x, sum)]
    }
}

/// Differences from a value, and their squares.
#[derive(Clone, Copy)]
struct SquaresAbout<F> {
    mean: F,
}

impl<L: Lanes> Step<L, 2> for SquaresAbout<L::F> {
    #[inline(always)]
    fn add(self, l: L, [rest, squares]: [L::F; 2], x: L::F) -> [L::F; 2] {
        let x = l.sub(x, self.mean);
        [l.add(rest, x), l.mul_add(x, x, squares)]
    }
}

/// `N` sums over the elements of a row. The elements missing at the row's end are `pad`.
#[inline(always)]
fn sums<L: Lanes, X: LaneElement, const N: usize>(
    l: L,
    x: &[X],
    pad: f32,
    step: impl Step<L, N>,
) -> [f64; N] {
    let mut total = [0.0; N];
    for block in x.chunks(BLOCK) {
        let sums = block_sums(l, block, pad, step);
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += l.sum(sum) as f64;
        }
    }
    total
}

/// Sets of sums, so that additions need not wait for each other.
const SETS: usize = 8;

/// Sets `first .. first + W`, over all steps. All of them at once would be one sweep, but sums
/// that do not fit the registers are kept in memory, at half the speed.
#[inline(always)]
fn sweep<L: Lanes, X: LaneElement, const N: usize, const W: usize>(
    l: L,
    steps: &[[X; SETS * LANES]],
    first: usize,
    step: impl Step<L, N>,
) -> [[L::F; N]; W] {
    let mut sets = [[l.splat(0.0); N]; W];
    for x in steps {
        let x = &x[first * LANES..][..W * LANES];
        for (set, x) in sets.as_chunks_mut::<2>().0.iter_mut().zip(x.as_chunks().0) {
            let x = X::load_pair(l, x);
            *set = [step.add(l, set[0], x[0]), step.add(l, set[1], x[1])];
        }
    }
    sets
}

#[inline(always)]
fn block_sums<L: Lanes, X: LaneElement, const N: usize>(
    l: L,
    x: &[X],
    pad: f32,
    step: impl Step<L, N>,
) -> [L::F; N] {
    let mut sets = [[l.splat(0.0); N]; SETS];
    let (steps, rest) = x.as_chunks::<{ SETS * LANES }>();
    match L::SUMS / N {
        SETS.. => sets = sweep::<L, X, N, SETS>(l, steps, 0, step),
        4..SETS => {
            for (i, sets) in sets.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *sets = sweep(l, steps, 4 * i, step);
            }
        }
        _ => {
            for (i, sets) in sets.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                *sets = sweep(l, steps, 2 * i, step);
            }
        }
    }
    let (chunks, end) = rest.as_chunks::<LANES>();
    for (set, x) in sets.iter_mut().zip(chunks) {
        *set = step.add(l, *set, X::load(l, x));
    }
    if !end.is_empty() {
        sets[SETS - 1] = step.add(l, sets[SETS - 1], X::load_padded(l, end, pad));
    }
    for half in [4, 2, 1] {
        let (low, high) = sets.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            for (sum, other) in low.iter_mut().zip(high) {
                *sum = l.add(*sum, *other);
            }
        }
    }
    sets[0]
}
