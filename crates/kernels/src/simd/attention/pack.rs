//! Moving rows: conversion, interleaving, transposition.

use super::{Job, Real, Simd, Source};
use crate::data::bf16;

/// Rows of contiguous elements, a step apart, in a slice.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, E> {
    /// The slice.
    pub(crate) data: &'a [E],
    /// Where the first row starts.
    pub(crate) start: usize,
    /// Elements from a row to the next; may be zero or negative.
    pub(crate) step: isize,
    /// Number of rows.
    pub(crate) count: usize,
    /// Elements per row.
    pub(crate) columns: usize,
}

impl<'a, E> Rows<'a, E> {
    /// One row.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'a [E] {
        if self.columns == 0 {
            // Without elements, positions mean nothing.
            return &[];
        }
        let at = self.start.wrapping_add_signed(i as isize * self.step);
        &self.data[at..at + self.columns]
    }

    /// The rows from `first` on, at most `count` of them.
    pub(crate) fn part(&self, first: usize, count: usize) -> Self {
        let start = self.start.wrapping_add_signed(first as isize * self.step);
        Rows { start, count: count.min(self.count - first), ..*self }
    }
}

/// Writes rows in `T`, `width` scalars apart, padded with zeros.
pub(crate) fn convert_rows<S: Simd, E: Source<S::T>>(
    s: S,
    rows: Rows<'_, E>,
    out: &mut [S::T],
    width: usize,
) {
    assert!(rows.columns <= width && out.len() >= rows.count * width);
    s.enter(Convert { rows, out, width });
}

struct Convert<'a, E, T> {
    rows: Rows<'a, E>,
    out: &'a mut [T],
    width: usize,
}

impl<S: Simd, E: Source<S::T>> Job<S> for Convert<'_, E, S::T> {
    #[inline(always)]
    fn run(self, s: S) {
        if self.width == 0 {
            return;
        }
        let whole = self.rows.columns / S::LANES * S::LANES;
        for (i, out) in self.out.chunks_exact_mut(self.width).enumerate().take(self.rows.count) {
            let row = self.rows.row(i);
            for c in (0..whole).step_by(S::LANES) {
                // SAFETY: `row` has `columns` elements and `out` at least as many scalars; both
                // are at least `whole`.
                unsafe { s.store(out.as_mut_ptr().add(c), E::load(s, row.as_ptr().add(c))) };
            }
            for c in whole..self.rows.columns {
                out[c] = row[c].get();
            }
            out[self.rows.columns..].fill(S::T::ZERO);
        }
    }
}

/// Writes a row multiplied by `factor`, rounded once more to the elements of `out`.
pub(crate) fn scale_row<S: Simd, E: Source<S::T>>(s: S, row: &[S::T], factor: S::T, out: &mut [E]) {
    assert!(row.len() >= out.len());
    s.enter(Scale { row, factor, out });
}

struct Scale<'a, T, E> {
    row: &'a [T],
    factor: T,
    out: &'a mut [E],
}

impl<S: Simd, E: Source<S::T>> Job<S> for Scale<'_, S::T, E> {
    #[inline(always)]
    fn run(self, s: S) {
        let whole = self.out.len() / S::LANES * S::LANES;
        let factor = s.splat(self.factor);
        for c in (0..whole).step_by(S::LANES) {
            // SAFETY: both slices have at least `whole` elements, as `scale_row` checked.
            unsafe {
                let x = s.mul(s.load(self.row.as_ptr().add(c)), factor);
                E::store(s, self.out.as_mut_ptr().add(c), x);
            }
        }
        for c in whole..self.out.len() {
            self.out[c] = E::put(self.row[c].times(self.factor));
        }
    }
}

/// Writes pairs of rows interleaved, `width` pairs apart, padded with zeros; the last row of an
/// odd number is paired with zeros. A pair is one scalar of `out`. Only with [`Simd::PAIRS`].
pub(crate) fn interleave_rows<S: Simd>(s: S, rows: Rows<'_, bf16>, out: &mut [S::T], width: usize) {
    assert!(rows.columns <= width && out.len() >= rows.count.div_ceil(2) * width);
    s.enter(Interleave { rows, out, width });
}

struct Interleave<'a, T> {
    rows: Rows<'a, bf16>,
    out: &'a mut [T],
    width: usize,
}

impl<S: Simd> Job<S> for Interleave<'_, S::T> {
    #[inline(always)]
    fn run(self, s: S) {
        if self.width == 0 {
            return;
        }
        let columns = self.rows.columns;
        for (i, out) in
            self.out.chunks_exact_mut(self.width).enumerate().take(self.rows.count.div_ceil(2))
        {
            let a = self.rows.row(2 * i);
            let b = (2 * i + 1 < self.rows.count).then(|| self.rows.row(2 * i + 1));
            let whole = if b.is_some() { columns / (2 * S::LANES) * (2 * S::LANES) } else { 0 };
            if let Some(b) = b {
                for c in (0..whole).step_by(2 * S::LANES) {
                    // SAFETY: both rows have `columns` elements and `out` at least as many
                    // scalars; `c + 2 * LANES` is at most that.
                    unsafe {
                        let [first, second] = s.zip(a.as_ptr().add(c), b.as_ptr().add(c));
                        s.store(out.as_mut_ptr().add(c), first);
                        s.store(out.as_mut_ptr().add(c + S::LANES), second);
                    }
                }
            }
            let pairs: &mut [[bf16; 2]] = bytemuck::cast_slice_mut(out);
            for c in whole..columns {
                pairs[c] = [a[c], b.map_or(bf16::ZERO, |b| b[c])];
            }
            pairs[columns..].fill([bf16::ZERO; 2]);
        }
    }
}

/// Transposes `rows` x `columns` scalars, both multiples of `LANES`: row `i` of `src`, `src_step`
/// apart, becomes column `i` of `dst`, whose rows are `dst_step` apart.
pub(crate) fn transpose_rows<S: Simd>(
    s: S,
    src: &[S::T],
    src_step: usize,
    rows: usize,
    columns: usize,
    dst: &mut [S::T],
    dst_step: usize,
) {
    assert!(rows.is_multiple_of(S::LANES) && columns.is_multiple_of(S::LANES));
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * src_step + columns <= src.len());
    assert!((columns - 1) * dst_step + rows <= dst.len());
    s.enter(Transpose { src, src_step, rows, columns, dst, dst_step });
}

struct Transpose<'a, T> {
    src: &'a [T],
    src_step: usize,
    rows: usize,
    columns: usize,
    dst: &'a mut [T],
    dst_step: usize,
}

impl<S: Simd> Job<S> for Transpose<'_, S::T> {
    #[inline(always)]
    fn run(self, s: S) {
        for i in (0..self.rows).step_by(S::LANES) {
            for j in (0..self.columns).step_by(S::LANES) {
                // SAFETY: `transpose_rows` checked that all `rows` of `columns` lie in `src` and
                // all `columns` of `rows` in `dst`; the block is inside.
                unsafe {
                    s.transpose(
                        self.src.as_ptr().add(i * self.src_step + j),
                        self.src_step,
                        self.dst.as_mut_ptr().add(j * self.dst_step + i),
                        self.dst_step,
                    );
                }
            }
        }
    }
}
