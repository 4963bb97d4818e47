//! Masks and exponentials on tiles of scores, one row of `width` scores per key.

use super::{Job, Real, Simd};

/// What hides or shifts the scores of a tile.
pub(crate) enum MaskTile<'a, T> {
    /// Row `n` stands for key `first + n * step`; a query sees keys from its `lo` to its `hi`.
    Between {
        /// Per query, the first key seen.
        lo: &'a [T],
        /// Per query, the last key seen.
        hi: &'a [T],
        /// Key of the first row.
        first: T,
        /// Keys from a row to the next.
        step: T,
    },
    /// A byte per score, 0 for hidden.
    Bytes(&'a [u8]),
    /// A number per score, to be added in units of natural logarithms.
    Add(&'a [T]),
}

struct Masked<'a, T> {
    scores: &'a mut [T],
    rows: usize,
    width: usize,
    mask: MaskTile<'a, T>,
    top: &'a mut [T],
}

/// Applies `mask` to `rows` rows of `width` scores (a multiple of `LANES`). Hidden scores become
/// [`Real::MIN`]. Scores are in units of log 2. `top` receives the largest score of each query.
pub(crate) fn mask_scores<S: Simd>(
    s: S,
    scores: &mut [S::T],
    rows: usize,
    width: usize,
    mask: MaskTile<'_, S::T>,
    top: &mut [S::T],
) {
    assert!(width.is_multiple_of(S::LANES) && scores.len() >= rows * width && top.len() >= width);
    match &mask {
        MaskTile::Between { lo, hi, .. } => assert!(lo.len() >= width && hi.len() >= width),
        MaskTile::Bytes(bytes) => assert!(bytes.len() >= rows * width),
        MaskTile::Add(numbers) => assert!(numbers.len() >= rows * width),
    }
    s.enter(Masked { scores, rows, width, mask, top });
}

impl<S: Simd> Job<S> for Masked<'_, S::T> {
    #[inline(always)]
    fn run(self, s: S) {
        let min = s.splat(S::T::MIN);
        let width = self.width;
        for lane in (0..width).step_by(S::LANES) {
            // SAFETY: `mask_scores` checked that the scores are `rows` rows of `width`, and
            // `lane + LANES <= width`.
            let scores = unsafe { self.scores.as_mut_ptr().add(lane) };
            // SAFETY: `mask_scores` checked the length of `top`.
            let top = unsafe { self.top.as_mut_ptr().add(lane) };
            match self.mask {
                MaskTile::Between { lo, hi, first, step } => {
                    // SAFETY: `mask_scores` checked both lengths.
                    let (lo, hi) =
                        unsafe { (s.load(lo.as_ptr().add(lane)), s.load(hi.as_ptr().add(lane))) };
                    let (mut key, step) = (s.splat(first), s.splat(step));
                    // SAFETY: as for `scores` and `top`.
                    unsafe {
                        each_row(s, scores, self.rows, width, top, |_, x| {
                            let x = s.within(lo, key, hi, x, min);
                            key = s.add(key, step);
                            x
                        });
                    }
                }
                MaskTile::Bytes(bytes) => {
                    // SAFETY: as for `scores` and `top`; there are as many bytes as scores.
                    unsafe {
                        each_row(s, scores, self.rows, width, top, |n, x| {
                            s.choose(bytes.as_ptr().add(n * width + lane), x, min)
                        });
                    }
                }
                MaskTile::Add(numbers) => {
                    let log2e = s.splat(S::T::of(std::f64::consts::LOG2_E));
                    let infinity = s.splat(S::T::of(f64::INFINITY));
                    // SAFETY: as for `scores` and `top`; there are as many numbers as scores.
                    unsafe {
                        each_row(s, scores, self.rows, width, top, |n, x| {
                            let a = s.load(numbers.as_ptr().add(n * width + lane));
                            // The change of units must not make a finite number infinite.
                            let b = s.mul(a, log2e);
                            let b = s.within(min, a, infinity, s.max(min, b), b);
                            s.add(x, b)
                        });
                    }
                }
            }
        }
    }
}

/// Replaces the vectors of a column of vectors by `f(row, vector)` and stores their maximum.
///
/// # Safety
/// `scores` must be valid for a vector every `width` scalars, `rows` times; `top` for one.
#[inline(always)]
unsafe fn each_row<S: Simd>(
    s: S,
    scores: *mut S::T,
    rows: usize,
    width: usize,
    top: *mut S::T,
    mut f: impl FnMut(usize, S::V) -> S::V,
) {
    let mut max = s.splat(S::T::MIN);
    for n in 0..rows {
        // SAFETY: row `n` is one of `rows`.
        let p = unsafe { scores.add(n * width) };
        // SAFETY: as above.
        let x = f(n, unsafe { s.load(p) });
        max = s.max(max, x);
        // SAFETY: as above.
        unsafe { s.store(p, x) };
    }
    // SAFETY: the caller promises a vector at `top`.
    unsafe { s.store(top, max) };
}

/// One step of the online softmax for `rows` rows of `width` scores.
pub(crate) struct Exponentials<'a, T> {
    /// Scores in units of log 2; become probabilities relative to `max`, or with
    /// [`Simd::PAIRS`] `rows.div_ceil(2)` rows of pairs of them.
    pub(crate) scores: &'a mut [T],
    /// Rows of scores. With pairs, room for one more row is needed if odd; it is overwritten.
    pub(crate) rows: usize,
    /// Scores per row, a multiple of `LANES`.
    pub(crate) width: usize,
    /// The largest scores of this tile.
    pub(crate) top: &'a [T],
    /// The running maximum.
    pub(crate) max: &'a mut [T],
    /// The running sum of probabilities.
    pub(crate) sum: &'a mut [T],
    /// Receives the factor by which the change of `max` scales what was summed before.
    pub(crate) correction: &'a mut [T],
}

/// Turns scores into probabilities.
pub(crate) fn exponentials<S: Simd>(s: S, job: Exponentials<'_, S::T>) {
    let rows = if S::PAIRS { job.rows.next_multiple_of(2) } else { job.rows };
    let width = job.width;
    assert!(width.is_multiple_of(S::LANES) && job.scores.len() >= rows * width);
    assert!(job.top.len() >= width && job.max.len() >= width);
    assert!(job.sum.len() >= width && job.correction.len() >= width);
    if rows > job.rows {
        // The partner of the last key has probability 0.
        job.scores[job.rows * width..rows * width].fill(S::T::of(f64::NEG_INFINITY));
    }
    s.enter(Exponentials { rows, ..job });
}

impl<S: Simd> Job<S> for Exponentials<'_, S::T> {
    #[inline(always)]
    fn run(self, s: S) {
        for lane in (0..self.width).step_by(S::LANES) {
            // SAFETY: `exponentials` checked that these have `width` scalars, and
            // `lane + LANES <= width`.
            let (top, max, sum) = unsafe {
                (
                    s.load(self.top.as_ptr().add(lane)),
                    s.load(self.max.as_ptr().add(lane)),
                    s.load(self.sum.as_ptr().add(lane)),
                )
            };
            let new = s.max(max, top);
            let correction = s.exp2(s.sub(max, new));
            let mut sum = s.mul(sum, correction);
            // SAFETY: `exponentials` checked that there are `rows` rows of `width` scores.
            let scores = unsafe { self.scores.as_mut_ptr().add(lane) };
            if S::PAIRS {
                // Two `bf16` 1.0: what is summed is what the products will use.
                let ones = s.splat(S::T::pair_of_ones());
                for n in 0..self.rows / 2 {
                    // SAFETY: rows 2n, 2n + 1 and n are among the `rows`; row n was read before.
                    unsafe {
                        let low = s.exp2(s.sub(s.load(scores.add(2 * n * self.width)), new));
                        let high = s.exp2(s.sub(s.load(scores.add((2 * n + 1) * self.width)), new));
                        let pair = s.pair(low, high);
                        sum = s.dot(sum, pair, ones);
                        s.store(scores.add(n * self.width), pair);
                    }
                }
            } else {
                for n in 0..self.rows {
                    // SAFETY: row n is one of the `rows`.
                    unsafe {
                        let p = scores.add(n * self.width);
                        let x = s.exp2(s.sub(s.load(p), new));
                        sum = s.add(sum, x);
                        s.store(p, x);
                    }
                }
            }
            // SAFETY: as for the loads.
            unsafe {
                s.store(self.max.as_mut_ptr().add(lane), new);
                s.store(self.sum.as_mut_ptr().add(lane), sum);
                s.store(self.correction.as_mut_ptr().add(lane), correction);
            }
        }
    }
}

/// The softmax backwards for `rows` rows of `width` scores.
pub(crate) struct Derivatives<'a, T> {
    /// Scores in units of log 2; become probabilities.
    pub(crate) scores: &'a mut [T],
    /// Products of the cotangent with values; become derivatives of the scores.
    pub(crate) products: &'a mut [T],
    /// Rows of both.
    pub(crate) rows: usize,
    /// Scores per row, a multiple of `LANES`.
    pub(crate) width: usize,
    /// Per query, the largest score.
    pub(crate) max: &'a [T],
    /// Per query, the mean of the products by the probabilities.
    pub(crate) dot: &'a [T],
    /// Per query, the factor from exponentials to probabilities.
    pub(crate) weight: &'a [T],
    /// Per query, the factor from exponentials to what multiplies a product's distance from `dot`.
    pub(crate) factor: &'a [T],
}

/// Turns scores into probabilities and products into derivatives.
pub(crate) fn derivatives<S: Simd>(s: S, job: Derivatives<'_, S::T>) {
    let (rows, width) = (job.rows, job.width);
    assert!(width.is_multiple_of(S::LANES));
    assert!(job.scores.len() >= rows * width && job.products.len() >= rows * width);
    for per_query in [job.max, job.dot, job.weight, job.factor] {
        assert!(per_query.len() >= width);
    }
    s.enter(job);
}

impl<S: Simd> Job<S> for Derivatives<'_, S::T> {
    #[inline(always)]
    fn run(self, s: S) {
        for lane in (0..self.width).step_by(S::LANES) {
            // SAFETY: `derivatives` checked that these have `width` scalars, and
            // `lane + LANES <= width`.
            let [max, dot, weight, factor] = unsafe {
                [self.max, self.dot, self.weight, self.factor]
                    .map(|per_query| s.load(per_query.as_ptr().add(lane)))
            };
            for n in 0..self.rows {
                let at = n * self.width + lane;
                // SAFETY: `derivatives` checked that both have `rows` rows of `width` scalars,
                // so a vector at `at`.
                unsafe {
                    let score = self.scores.as_mut_ptr().add(at);
                    let product = self.products.as_mut_ptr().add(at);
                    let e = s.exp2(s.sub(s.load(score), max));
                    let slope = s.mul(s.mul(e, factor), s.sub(s.load(product), dot));
                    s.store(score, s.mul(e, weight));
                    s.store(product, slope);
                }
            }
        }
    }
}
