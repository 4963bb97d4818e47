//! The two products for few query rows, as in decoding: lanes run along the head, keys and values
//! are read once, straight from where they lie.
//!
//! Scores come in tiles of `LANES` / R keys times R rows: lane `k * R + r` of score vector `t`
//! belongs to key `t * LANES / R + k` and row `r`, so softmax and masks are those of
//! [`super::softmax`] with `LANES` as the width.

use std::ops::Range;

use super::{Job, Real, Rows, Simd, Source};
use crate::data::{Element, bf16};

/// Head elements per vector operation: heads must have a multiple of these.
pub(crate) fn few_columns<S: Simd>() -> usize {
    if S::PAIRS { 2 * S::LANES } else { S::LANES }
}

/// Scores of `rows` query rows.
pub(crate) struct FewScores<'a, T, E> {
    /// `rows` queries of `keys.columns` elements: scalars, or with [`Simd::PAIRS`] pairs.
    pub(crate) queries: &'a [T],
    /// 1, 2, 4 or 8, at most `LANES`.
    pub(crate) rows: usize,
    /// Keys; a multiple of [`few_columns`] columns. With pairs, of `bf16`.
    pub(crate) keys: Rows<'a, E>,
    /// Rows that will be read next, brought nearer meanwhile.
    pub(crate) next: Rows<'a, E>,
    /// Factor of the products.
    pub(crate) scale: T,
    /// Receives the score vectors; the surplus lanes of the last are negative infinity.
    pub(crate) out: &'a mut [T],
    /// Receives the largest score of each lane, at least [`Real::MIN`].
    pub(crate) top: &'a mut [T],
}

/// Computes scores.
pub(crate) fn few_scores<S: Simd, E: Source<S::T>>(s: S, job: FewScores<'_, S::T, E>) {
    let per_vector = S::LANES / job.rows;
    let (count, columns) = (job.keys.count, job.keys.columns);
    assert!(count > 0 && columns.is_multiple_of(few_columns::<S>()));
    assert!(!S::PAIRS || E::DTYPE == bf16::DTYPE);
    assert!(job.queries.len() * if S::PAIRS { 2 } else { 1 } >= job.rows * columns);
    assert!(job.out.len() >= count.div_ceil(per_vector) * S::LANES && job.top.len() >= S::LANES);
    match job.rows {
        1 => s.enter(ScoresOf::<_, _, 1>(job)),
        2 => s.enter(ScoresOf::<_, _, 2>(job)),
        4 => s.enter(ScoresOf::<_, _, 4>(job)),
        8 if S::LANES >= 8 => s.enter(ScoresOf::<_, _, 8>(job)),
        rows => panic!("{rows} rows are not few"),
    }
}

struct ScoresOf<'a, T, E, const R: usize>(FewScores<'a, T, E>);

impl<S: Simd, E: Source<S::T>, const R: usize> Job<S> for ScoresOf<'_, S::T, E, R> {
    #[inline(always)]
    fn run(self, s: S) {
        let job = self.0;
        let per_vector = S::LANES / R;
        let (keys, step) = (job.keys, few_columns::<S>());
        let (scale, zero) = (s.splat(job.scale), s.splat(S::T::ZERO));
        let mut top = s.splat(S::T::MIN);
        for (t, first) in (0..keys.count).step_by(per_vector).enumerate() {
            let mut rows = [keys.row(first).as_ptr(); 16];
            for (k, row) in rows.iter_mut().enumerate().take(per_vector) {
                // Past the end the last key stands in.
                *row = keys.row((first + k).min(keys.count - 1)).as_ptr();
            }
            for i in first..(first + per_vector).min(job.next.count) {
                prefetch(s, job.next.row(i));
            }
            let mut acc = [zero; 16];
            for c in (0..keys.columns).step_by(step) {
                let mut query = [zero; R];
                for (r, query) in query.iter_mut().enumerate() {
                    let at = (r * keys.columns + c) / (step / S::LANES);
                    // SAFETY: `few_scores` checked that there are `rows * columns` elements.
                    *query = unsafe { s.load(job.queries.as_ptr().add(at)) };
                }
                for k in 0..per_vector {
                    // SAFETY: `c + step` is at most `columns`, the length of the row; with pairs
                    // a vector is `step` elements of `bf16`.
                    let key = unsafe {
                        let p = rows[k].add(c);
                        if S::PAIRS { s.load(p.cast()) } else { E::load(s, p) }
                    };
                    for r in 0..R {
                        acc[k * R + r] = s.mac(acc[k * R + r], query[r], key);
                    }
                }
            }
            let x = s.mul(s.sums(&acc), scale);
            top = s.max(top, x);
            // SAFETY: `few_scores` checked that there is a vector per `per_vector` keys.
            unsafe { s.store(job.out.as_mut_ptr().add(t * S::LANES), x) };
        }
        let surplus = keys.count.next_multiple_of(per_vector) - keys.count;
        let end = keys.count.div_ceil(per_vector) * S::LANES;
        job.out[end - surplus * R..end].fill(S::T::of(f64::NEG_INFINITY));
        // SAFETY: `few_scores` checked the length of `top`.
        unsafe { s.store(job.top.as_mut_ptr(), top) };
    }
}

/// Adds values times probabilities to the output of `rows` query rows.
pub(crate) struct FewValues<'a, T, E> {
    /// Probability vectors, laid out as scores are; with [`Simd::PAIRS`] vector `t` has the pairs
    /// of score vectors `2 * t` and `2 * t + 1`.
    pub(crate) weights: &'a [T],
    /// 1, 2, 4 or 8, at most `LANES`.
    pub(crate) rows: usize,
    /// Values; a multiple of [`few_columns`] columns. With pairs, of `bf16`.
    pub(crate) values: Rows<'a, E>,
    /// Rows that will be read next, brought nearer meanwhile.
    pub(crate) next: Rows<'a, E>,
    /// What the output so far is multiplied by; lane `r` is for row `r`.
    pub(crate) correction: &'a [T],
    /// Output, `rows` rows of `values.columns` scalars.
    pub(crate) out: &'a mut [T],
}

/// Accumulates values.
pub(crate) fn few_values<S: Simd, E: Source<S::T>>(s: S, job: FewValues<'_, S::T, E>) {
    let per_vector = S::LANES / job.rows * if S::PAIRS { 2 } else { 1 };
    let (count, columns) = (job.values.count, job.values.columns);
    assert!(count > 0 && columns.is_multiple_of(few_columns::<S>()));
    assert!(!S::PAIRS || E::DTYPE == bf16::DTYPE);
    assert!(job.weights.len() >= count.div_ceil(per_vector) * S::LANES);
    assert!(job.correction.len() >= job.rows && job.out.len() >= job.rows * columns);
    match job.rows {
        1 => s.enter(ValuesOf::<_, _, 1>(job)),
        2 => s.enter(ValuesOf::<_, _, 2>(job)),
        4 => s.enter(ValuesOf::<_, _, 4>(job)),
        8 if S::LANES >= 8 => s.enter(ValuesOf::<_, _, 8>(job)),
        rows => panic!("{rows} rows are not few"),
    }
}

struct ValuesOf<'a, T, E, const R: usize>(FewValues<'a, T, E>);

impl<S: Simd, E: Source<S::T>, const R: usize> Job<S> for ValuesOf<'_, S::T, E, R> {
    #[inline(always)]
    fn run(self, s: S) {
        let mut job = self.0;
        let vectors = job.values.columns / S::LANES;
        let count = job.values.count;
        // Where that is less than a cache line or two, going down all the keys for each few
        // columns fetches every line several times, in steps that no prefetcher foresees: a run
        // of keys is finished before the next one begins, at the price of loading and storing
        // the sums once more (decoding f16 with AVX2: a fifth less time in all).
        let run = if S::LANES < 16 && !S::PAIRS { 16 } else { count };
        for from in (0..count).step_by(run.max(1)) {
            let keys = from..count.min(from + run);
            let mut at = 0;
            while at < vectors {
                let left = vectors - at;
                // What is never reached is not compiled.
                at += if const { most::<S>(R) >= 8 } && left >= 8 {
                    columns_of::<S, E, R, 8>(s, &mut job, keys.clone(), at)
                } else if const { most::<S>(R) >= 4 } && left >= 4 {
                    columns_of::<S, E, R, 4>(s, &mut job, keys.clone(), at)
                } else if const { S::PAIRS } || const { most::<S>(R) >= 2 } && left >= 2 {
                    columns_of::<S, E, R, 2>(s, &mut job, keys.clone(), at)
                } else {
                    columns_of::<S, E, R, 1>(s, &mut job, keys.clone(), at)
                };
            }
        }
    }
}

/// How many vectors of columns of `rows` rows registers allow at a time, up to 8.
const fn most<S: Simd>(rows: usize) -> usize {
    if S::LANES == 16 && rows > 1 { 16 / rows } else { 8 / rows }
}

/// Asks for the cache lines of a row.
#[inline(always)]
fn prefetch<S: Simd, E>(s: S, row: &[E]) {
    for c in (0..size_of_val(row)).step_by(64) {
        s.prefetch(row.as_ptr().wrapping_byte_add(c).cast());
    }
}

/// Handles `C` vectors of columns from vector `at` on for some keys, with pairs for all; returns
/// `C`, with pairs an even number.
#[inline(always)]
fn columns_of<S: Simd, E: Source<S::T>, const R: usize, const C: usize>(
    s: S,
    job: &mut FewValues<'_, S::T, E>,
    keys: Range<usize>,
    at: usize,
) -> usize {
    let values = job.values;
    debug_assert!(!S::PAIRS || keys == (0..values.count));
    let per_vector = S::LANES / R;
    let mut acc = [[s.splat(S::T::ZERO); C]; R];
    for (r, acc) in acc.iter_mut().enumerate() {
        // The first keys correct what was summed before.
        let correction = if keys.start == 0 { job.correction[r] } else { S::T::ONE };
        let correction = s.splat(correction);
        for (c, acc) in acc.iter_mut().enumerate() {
            let p = job.out[r * values.columns + (at + c) * S::LANES..][..S::LANES].as_ptr();
            // SAFETY: the slice has `LANES` scalars.
            *acc = s.mul(unsafe { s.load(p) }, correction);
        }
    }
    let first = at * S::LANES;
    if S::PAIRS {
        for t in 0..values.count.div_ceil(2 * per_vector) {
            for k in 0..per_vector {
                let low = 2 * t * per_vector + k;
                if low >= values.count {
                    break;
                }
                let (a, high) = (values.row(low), low + per_vector);
                if at == 0 {
                    for i in [low, high] {
                        if i < job.next.count {
                            prefetch(s, job.next.row(i));
                        }
                    }
                }
                let weights = &job.weights[t * S::LANES + k * R..][..R];
                for c in (0..C).step_by(2) {
                    let a = a[first + c * S::LANES..][..2 * S::LANES].as_ptr().cast::<bf16>();
                    let zeros = [bf16::ZERO; 32];
                    let b = if high < values.count {
                        values.row(high)[first + c * S::LANES..][..2 * S::LANES].as_ptr().cast()
                    } else {
                        zeros.as_ptr()
                    };
                    // SAFETY: both have `2 * LANES` elements, at most 32; they are `bf16`.
                    let pairs = unsafe { s.zip(a, b) };
                    for r in 0..R {
                        let weight = s.splat(weights[r]);
                        acc[r][c] = s.mac(acc[r][c], weight, pairs[0]);
                        acc[r][c + 1] = s.mac(acc[r][c + 1], weight, pairs[1]);
                    }
                }
            }
        }
    } else {
        if at == 0 {
            for i in keys.start..keys.end.min(job.next.count) {
                prefetch(s, job.next.row(i));
            }
        }
        let weights = &job.weights.as_chunks::<R>().0[keys.clone()];
        // Rows are a step apart: those between the first and the last are where these are.
        let mut row = values.row(keys.start)[first..][..C * S::LANES].as_ptr();
        let _ = &values.row(keys.end - 1)[first..][..C * S::LANES];
        for weights in weights {
            let mut value = [s.splat(S::T::ZERO); C];
            for (c, value) in value.iter_mut().enumerate() {
                // SAFETY: the first and the last of these rows have `C * LANES` elements from
                // `first` on, and so has each between them.
                *value = unsafe { E::load(s, row.add(c * S::LANES)) };
            }
            row = row.wrapping_offset(values.step);
            for r in 0..R {
                let weight = s.splat(weights[r]);
                for c in 0..C {
                    acc[r][c] = s.mac(acc[r][c], weight, value[c]);
                }
            }
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        for (c, acc) in acc.iter().enumerate() {
            let p = job.out[r * values.columns + (at + c) * S::LANES..][..S::LANES].as_mut_ptr();
            // SAFETY: the slice has `LANES` scalars.
            unsafe { s.store(p, *acc) };
        }
    }
    C
}
