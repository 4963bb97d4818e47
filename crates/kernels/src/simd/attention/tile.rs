//! The two matrix products: scores from queries and keys, output from probabilities and values.

#![expect(
    clippy::needless_range_loop,
    reason = "part of an array is used; the compiler unrolls these loops into registers"
)]

use super::{Job, RUN, Real, Simd};

/// Rows of equal length in units: scalars, or `bf16` pairs where the instruction set works on
/// [`Simd::PAIRS`]. Both are as large as the scalar.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
    /// The memory of the rows.
    pub(crate) bytes: &'a [u8],
    /// Bytes from a row to the next.
    pub(crate) step: usize,
}

impl Panel<'_> {
    /// The rows from `first` on.
    pub(crate) fn from(self, first: usize) -> Self {
        Panel { bytes: &self.bytes[first * self.step..], ..self }
    }

    /// Checks that `rows` rows of `units` units of `size` bytes lie inside.
    fn check(&self, rows: usize, units: usize, size: usize) {
        assert!(rows == 0 || (rows - 1) * self.step + units * size <= self.bytes.len());
    }
}

/// Scores of a group of query rows, `width` = `vectors` * `LANES` of them, against some keys.
pub(crate) struct Scores<'a, T> {
    /// Packed queries: `depth` rows of `width` units.
    pub(crate) queries: &'a [T],
    /// Keys, a row of `depth` units each.
    pub(crate) keys: Panel<'a>,
    /// Number of keys.
    pub(crate) count: usize,
    /// Units in a query and in a key.
    pub(crate) depth: usize,
    /// Vectors per packed row, 1 ..= [`Simd::VECTORS`].
    pub(crate) vectors: usize,
    /// Factor of the products.
    pub(crate) scale: T,
    /// A row of `width` bytes per key, 0 where a score is hidden and becomes [`Real::MIN`]; up to
    /// the next multiple of [`RUN`] rows, the surplus ones all 0.
    pub(crate) seen: Option<&'a [u8]>,
    /// Receives a row of `width` scores per key; rows up to the next multiple of [`RUN`] are
    /// overwritten.
    pub(crate) out: &'a mut [T],
    /// Receives the largest of the scores of each query, at least [`Real::MIN`].
    pub(crate) top: &'a mut [T],
}

/// Computes scores.
pub(crate) fn scores<S: Simd>(s: S, job: Scores<'_, S::T>) {
    let width = job.vectors * S::LANES;
    assert!((1..=S::VECTORS).contains(&job.vectors) && job.count > 0);
    assert!(job.queries.len() >= job.depth * width && job.top.len() >= width);
    assert!(job.out.len() >= job.count.next_multiple_of(RUN) * width);
    job.keys.check(job.count, job.depth, size_of::<S::T>());
    if let Some(seen) = job.seen {
        assert!(seen.len() >= job.count.next_multiple_of(RUN) * width);
    }
    match (job.vectors, job.seen.is_some()) {
        (1, false) => s.enter(ScoresOf::<_, 1, false>(job)),
        (1, true) => s.enter(ScoresOf::<_, 1, true>(job)),
        (2, false) => s.enter(ScoresOf::<_, 2, false>(job)),
        (2, true) => s.enter(ScoresOf::<_, 2, true>(job)),
        (_, false) => s.enter(ScoresOf::<_, 3, false>(job)),
        (_, true) => s.enter(ScoresOf::<_, 3, true>(job)),
    }
}

struct ScoresOf<'a, T, const M: usize, const SEEN: bool>(Scores<'a, T>);

impl<S: Simd, const M: usize, const SEEN: bool> Job<S> for ScoresOf<'_, S::T, M, SEEN> {
    #[inline(always)]
    fn run(self, s: S) {
        let job = self.0;
        let scale = s.splat(job.scale);
        let min = s.splat(S::T::MIN);
        let mut top = [min; M];
        let seen = job.seen.unwrap_or_default().as_ptr();
        let queries = job.queries.as_ptr();
        for first in (0..job.count).step_by(S::BROADCASTS) {
            let mut rows = [job.keys.bytes.as_ptr().cast::<S::T>(); RUN];
            for (n, row) in rows.iter_mut().enumerate() {
                // Past the end the last key stands in: its score changes no maximum.
                let at = (first + n).min(job.count - 1) * job.keys.step;
                // SAFETY: `scores` checked that the row of every key lies in the panel.
                *row = unsafe { row.byte_add(at) };
            }
            // SAFETY: the rows have `depth` units as just said, and `scores` checked that the
            // packed queries are `depth` times `M` vectors.
            let tile = unsafe { score_tile::<S, M>(s, queries, &rows, job.depth) };
            for (n, row) in tile.iter().enumerate().take(S::BROADCASTS) {
                for m in 0..M {
                    let at = ((first + n) * M + m) * S::LANES;
                    let mut x = s.mul(row[m], scale);
                    // SAFETY: `scores` checked that `out`, and `seen` if there is one, have rows
                    // up to the multiple of `RUN` after `count`, which `BROADCASTS` divides.
                    unsafe {
                        if SEEN {
                            x = s.choose(seen.add(at), x, min);
                        }
                        s.store(job.out.as_mut_ptr().add(at), x);
                    }
                    top[m] = s.max(top[m], x);
                }
            }
        }
        for (m, &top) in top.iter().enumerate() {
            // SAFETY: `scores` checked that `top` has `M` vectors.
            unsafe { s.store(job.top.as_mut_ptr().add(m * S::LANES), top) };
        }
    }
}

/// Products of `M` query vectors with `BROADCASTS` keys.
///
/// # Safety
/// `queries` must be readable for `depth * M` vectors, each row for `depth` units.
#[inline(always)]
unsafe fn score_tile<S: Simd, const M: usize>(
    s: S,
    queries: *const S::T,
    rows: &[*const S::T; RUN],
    depth: usize,
) -> [[S::V; M]; RUN] {
    let zero = s.splat(S::T::ZERO);
    let mut acc = [[zero; M]; RUN];
    let (b, step) = ([rows[0], rows[1], rows[2], rows[3]], size_of::<S::T>());
    // SAFETY: the caller's promises are `add_products`'.
    if let Some(sums) = unsafe { twelve_sums(s, acc, queries, b, step, depth) } {
        return sums;
    }
    for d in 0..depth {
        let mut a = [zero; M];
        for (m, a) in a.iter_mut().enumerate() {
            // SAFETY: vector `d * M + m` is one of `depth * M`.
            *a = unsafe { s.load(queries.add((d * M + m) * S::LANES)) };
        }
        for n in 0..S::BROADCASTS {
            // SAFETY: `d` is less than `depth`; rows of pairs may be misaligned for `T`.
            let b = s.splat(unsafe { rows[n].add(d).read_unaligned() });
            for m in 0..M {
                acc[n][m] = s.mac(acc[n][m], a[m], b);
            }
        }
    }
    acc
}

/// [`Simd::add_products`] for tiles of three vectors by four broadcasts, if it does anything.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn twelve_sums<S: Simd, const M: usize>(
    s: S,
    acc: [[S::V; M]; RUN],
    a: *const S::T,
    b: [*const S::T; 4],
    step: usize,
    count: usize,
) -> Option<[[S::V; M]; RUN]> {
    if M != 3 || S::BROADCASTS != 4 {
        return None;
    }
    let tile = std::array::from_fn(|n| std::array::from_fn(|m| acc[n][m]));
    // SAFETY: the caller's promises.
    let tile: [[S::V; 3]; 4] = unsafe { s.add_products(tile, a, b, step, count) }?;
    Some(std::array::from_fn(|n| std::array::from_fn(|m| tile[n.min(3)][m])))
}

/// Adds values times probabilities to the output of a group of query rows.
pub(crate) struct Values<'a, T> {
    /// Probabilities: `count` rows of `width` units.
    pub(crate) weights: &'a [T],
    /// Values, a row of `columns` units each.
    pub(crate) values: Panel<'a>,
    /// Units (keys, or pairs of keys) to sum over.
    pub(crate) count: usize,
    /// Columns of values, a multiple of [`RUN`].
    pub(crate) columns: usize,
    /// Vectors per row, 1 ..= [`Simd::VECTORS`].
    pub(crate) vectors: usize,
    /// What the output so far is multiplied by: one row.
    pub(crate) correction: &'a [T],
    /// Transposed output: `columns` rows of `width` scalars.
    pub(crate) out: &'a mut [T],
}

/// Accumulates values.
pub(crate) fn apply_values<S: Simd>(s: S, job: Values<'_, S::T>) {
    let width = job.vectors * S::LANES;
    assert!((1..=S::VECTORS).contains(&job.vectors) && job.columns.is_multiple_of(RUN));
    assert!(job.weights.len() >= job.count * width && job.correction.len() >= width);
    assert!(job.out.len() >= job.columns * width);
    job.values.check(job.count, job.columns, size_of::<S::T>());
    match job.vectors {
        1 => s.enter(ValuesOf::<_, 1>(job)),
        2 => s.enter(ValuesOf::<_, 2>(job)),
        _ => s.enter(ValuesOf::<_, 3>(job)),
    }
}

struct ValuesOf<'a, T, const M: usize>(Values<'a, T>);

impl<S: Simd, const M: usize> Job<S> for ValuesOf<'_, S::T, M> {
    #[inline(always)]
    fn run(self, s: S) {
        let job = self.0;
        let mut correction = [s.splat(S::T::ONE); M];
        for (m, c) in correction.iter_mut().enumerate() {
            // SAFETY: `apply_values` checked that `correction` has `M` vectors.
            *c = unsafe { s.load(job.correction.as_ptr().add(m * S::LANES)) };
        }
        let zero = s.splat(S::T::ZERO);
        for first in (0..job.columns).step_by(S::BROADCASTS) {
            // SAFETY: `apply_values` checked that `out` has `columns` rows of `M` vectors, and
            // `BROADCASTS` divides `columns`.
            let out = unsafe { job.out.as_mut_ptr().add(first * M * S::LANES) };
            let mut acc = [[zero; M]; RUN];
            for n in 0..S::BROADCASTS {
                for m in 0..M {
                    // SAFETY: as above.
                    acc[n][m] =
                        s.mul(unsafe { s.load(out.add((n * M + m) * S::LANES)) }, correction[m]);
                }
            }
            let mut row = job.values.bytes.as_ptr().cast::<S::T>().wrapping_add(first);
            let b = [0, 1, 2, 3].map(|n| row.wrapping_add(n));
            let (weights, step) = (job.weights.as_ptr(), job.values.step);
            // SAFETY: `apply_values` checked that there are `count * M` vectors of weights, and by
            // the panel's check each row has `columns` units.
            let sums = unsafe { twelve_sums(s, acc, weights, b, step, job.count) };
            for k in 0..if sums.is_some() { 0 } else { job.count } {
                let mut a = [zero; M];
                for (m, a) in a.iter_mut().enumerate() {
                    // SAFETY: `apply_values` checked that there are `count * M` vectors.
                    *a = unsafe { s.load(job.weights.as_ptr().add((k * M + m) * S::LANES)) };
                }
                for n in 0..S::BROADCASTS {
                    // SAFETY: row `k` has `columns` units by the panel's check.
                    let b = s.splat(unsafe { row.add(n).read_unaligned() });
                    for m in 0..M {
                        acc[n][m] = s.mac(acc[n][m], a[m], b);
                    }
                }
                row = row.wrapping_byte_add(job.values.step);
            }
            acc = sums.unwrap_or(acc);
            for n in 0..S::BROADCASTS {
                for m in 0..M {
                    // SAFETY: as for the load.
                    unsafe { s.store(out.add((n * M + m) * S::LANES), acc[n][m]) };
                }
            }
        }
    }
}
