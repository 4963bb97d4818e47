//! Reductions over axes.
//!
//! Sums of floats are added in 32 independent lanes, the lanes in a tree, and longer ranges in
//! trees of fixed segments: over n elements the error is about (32 + log2 n) roundings of the sum
//! of magnitudes when a row is contiguous, 256 + n / 65536 when whole rows are added up. Halves
//! accumulate in `f32`. The order depends on the shape alone, not on the number of threads.

mod arg;
mod fold;
mod softmax;

use smallvec::SmallVec;

use crate::data::{Complex64, Element, Layout, Slice, SliceMut, bf16, f16};
use crate::stage::{
    self, BLOCK, Blocks, Compute, MOVE_NS, Stage, blocks, permuted, typed_mut, with_block,
};
use crate::{Bool, par, simd};

pub use arg::{ArgOp, arg_reduce};
pub(crate) use fold::row_sum;
use fold::{Fold, Reducible};
pub use softmax::softmax;

/// What to do with the elements along the reduced axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    /// The sum; 0 of nothing. Integers wrap.
    Sum,
    /// The product; 1 of nothing. Integers wrap.
    Prod,
    /// The smallest, NaN if any is; the largest value of the dtype of nothing.
    Min,
    /// The largest, NaN if any is; the smallest value of the dtype of nothing.
    Max,
    /// Whether any element is not zero, as bool.
    Any,
    /// Whether no element is zero, as bool.
    All,
    /// `log(sum(exp(x)))` without overflow, for real floats; -inf of nothing.
    LogSumExp,
}

/// Elements in a segment of a long row, which is one task and one partial result.
const SEGMENT: usize = 64 * BLOCK;

/// Rows added up one by one before their sum joins the others.
const ROWS: usize = 256;

/// Reduces `x` over `axes` (distinct, in any order; none leaves all elements). `out` has the
/// remaining axes, row-major. Elements are converted to the output's dtype, as
/// [`copy`](crate::copy::copy) does, before they are combined; `Any` and `All` give bool.
///
/// # Panics
/// For `Min` and `Max` of complex numbers, `LogSumExp` of other dtypes than real floats, and an
/// output of `Any` or `All` that is not bool.
pub fn reduce(op: ReduceOp, x: Slice<'_>, layout: &Layout, axes: &[usize], out: SliceMut<'_>) {
    let plan = Plan::new(layout, axes);
    debug_assert_eq!(plan.outer * plan.inner, out.len());
    match op {
        ReduceOp::Any | ReduceOp::All => {
            let out = typed_mut::<Bool>(out);
            with_dtype!(x.dtype(), T => {
                let mut results = vec![<T as Stage>::Compute::ZERO; out.len()];
                plan.run::<<T as Stage>::Compute>(op, x, &mut results);
                for (o, r) in out.iter_mut().zip(results) {
                    *o = Bool::from(r.truthy());
                }
            })
        }
        ReduceOp::LogSumExp => softmax::log_sum_exp(x, layout, axes, out),
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max => {
            with_dtype!(out.dtype(), U => reduce_typed::<U>(op, &plan, x, typed_mut(out)))
        }
    }
}

fn reduce_typed<U: Stage<Compute: Reducible>>(
    op: ReduceOp,
    plan: &Plan,
    x: Slice<'_>,
    out: &mut [U],
) {
    if let Some(out) = U::Compute::unwrap_mut(U::wrap_mut(out)) {
        return plan.run(op, x, out);
    }
    let mut results = vec![U::Compute::ZERO; out.len()];
    plan.run(op, x, &mut results);
    stage::store(simd::level(), &results, out);
}

/// The axes in the order in which elements are read: kept ones, reduced ones, and, where that
/// makes reads contiguous, the trailing kept ones.
struct Plan {
    layout: Layout,
    outer: usize,
    reduced: usize,
    inner: usize,
}

impl Plan {
    fn new(layout: &Layout, axes: &[usize]) -> Plan {
        Plan::with(layout, axes, true)
    }

    /// Without trailing kept axes: each result's elements are read as one row.
    fn rows(layout: &Layout, axes: &[usize]) -> Plan {
        Plan::with(layout, axes, false)
    }

    fn with(layout: &Layout, axes: &[usize], columns: bool) -> Plan {
        let is_reduced = |a: &usize| axes.contains(a);
        let mut reduced: SmallVec<[usize; 4]> =
            (0..layout.ndim()).filter(|a| is_reduced(a)).collect();
        reduced.sort_by_key(|&a| std::cmp::Reverse(layout.strides[a].unsigned_abs()));
        // Trailing kept axes come last if stepping along them is the shorter way.
        let mut first = layout.ndim();
        let long = |a: usize| layout.shape[a] > 1;
        while first > 0 && !(is_reduced(&(first - 1)) && long(first - 1)) {
            first -= 1;
        }
        let last = (first..layout.ndim()).rev().find(|&a| long(a) && !is_reduced(&a));
        let step = |a: usize| layout.strides[a].unsigned_abs();
        let columns = columns
            && last.is_some_and(|last| {
                reduced.iter().filter(|&&a| long(a)).all(|&a| step(a) > step(last))
            });
        if !columns {
            first = layout.ndim();
        }
        let kept = |range: std::ops::Range<usize>| range.filter(move |a| !axes.contains(a));
        let order = kept(0..first).chain(reduced.iter().copied()).chain(kept(first..layout.ndim()));
        let size = |axes: &mut dyn Iterator<Item = usize>| axes.map(|a| layout.shape[a]).product();
        Plan {
            layout: permuted(layout, order),
            outer: size(&mut kept(0..first)),
            reduced: size(&mut reduced.iter().copied()),
            inner: size(&mut kept(first..layout.ndim())),
        }
    }

    fn run<C: Reducible>(&self, op: ReduceOp, x: Slice<'_>, out: &mut [C]) {
        let fold = C::fold(op).unwrap_or_else(|| panic!("{op:?} is not defined for {}", C::DTYPE));
        if self.reduced == 0 || out.is_empty() {
            return out.fill(fold.identity);
        }
        let x = blocks::<C>(x, &self.layout);
        if self.inner > 1 {
            self.columns(&fold, &*x, out);
        } else if self.reduced <= BLOCK {
            self.short_rows(&fold, &*x, out);
        } else {
            self.long_rows(&fold, &*x, out);
        }
    }

    /// Several rows are read at a time.
    fn short_rows<C: Reducible>(&self, fold: &Fold<C>, x: &dyn Blocks<C>, out: &mut [C]) {
        let (n, level) = (self.reduced, simd::level());
        let group = BLOCK / n;
        let task = |first: usize, out: &mut [C]| {
            for (i, out) in out.chunks_mut(group).enumerate() {
                let start = (first + i * group) * n;
                with_block(x, start, out.len() * n, |x| (fold.rows)(level, x, n, out));
            }
        };
        let row_ns = 5.0 + n as f64 * MOVE_NS;
        par::rows_mut(out, out.len(), 1, row_ns, |range, out| task(range.start, out));
    }

    /// Each row is cut into segments of a fixed length.
    fn long_rows<C: Reducible>(&self, fold: &Fold<C>, x: &dyn Blocks<C>, out: &mut [C]) {
        let (n, level) = (self.reduced, simd::level());
        let segments = n.div_ceil(SEGMENT);
        let segment = |task: usize, out: &mut [C]| {
            let (row, from) = (task / segments, task % segments * SEGMENT);
            let len = SEGMENT.min(n - from);
            let mut partial = [fold.identity; SEGMENT / BLOCK];
            let parts = len.div_ceil(BLOCK);
            for (i, p) in partial[..parts].iter_mut().enumerate() {
                let at = from + i * BLOCK;
                with_block(x, row * n + at, BLOCK.min(n - at), |x| {
                    (fold.rows)(level, x, x.len(), std::slice::from_mut(p));
                });
            }
            (fold.rows)(level, &partial[..parts], parts, out);
        };
        let run = |out: &mut [C]| {
            let ns = n.min(SEGMENT) as f64 * MOVE_NS;
            par::rows_mut(out, out.len(), 1, ns, |range, out| {
                out.chunks_mut(1).zip(range).for_each(|(out, i)| segment(i, out));
            });
        };
        if segments == 1 {
            return run(out);
        }
        let mut partial = vec![fold.identity; out.len() * segments];
        run(&mut partial);
        (fold.rows)(level, &partial, segments, out);
    }

    /// Whole rows of kept elements are combined.
    fn columns<C: Reducible>(&self, fold: &Fold<C>, x: &dyn Blocks<C>, out: &mut [C]) {
        let (n, m, level) = (self.reduced, self.inner, simd::level());
        let width = out.len();
        // Few long columns are cut into segments, so that there is work for every thread.
        let rows = if width >= 8 * BLOCK { n } else { ROWS.max(SEGMENT / width) };
        let segments = n.div_ceil(rows);
        let task = |first: usize, out: &mut [C]| {
            let mut done = 0;
            while done < out.len() {
                let (segment, at) = ((first + done) / width, (first + done) % width);
                let (o, column) = (at / m, at % m);
                let len = (m - column).min(BLOCK).min(out.len() - done);
                let range = segment * rows..n.min((segment + 1) * rows);
                let place = (o * n, m, column);
                column_block(level, fold, x, place, range, &mut out[done..done + len]);
                done += len;
            }
        };
        let run = |out: &mut [C]| {
            let row = if m <= BLOCK { m } else { 1 };
            let row_ns = (row * rows.min(n)) as f64 * MOVE_NS;
            par::rows_mut(out, out.len() / row, row, row_ns, |range, out| {
                task(range.start * row, out);
            });
        };
        if segments == 1 {
            return run(out);
        }
        let mut partial = vec![fold.identity; width * segments];
        run(&mut partial);
        out.fill(fold.identity);
        for part in partial.chunks(width) {
            (fold.merge)(level, part, out);
        }
    }
}

/// Combines rows `range` of a matrix with `m` columns, from a column on. `place` is its first row
/// among all rows, `m`, and the column.
fn column_block<C: Reducible>(
    level: simd::Level,
    fold: &Fold<C>,
    x: &dyn Blocks<C>,
    place: (usize, usize, usize),
    range: std::ops::Range<usize>,
    out: &mut [C],
) {
    let (first, m, column) = place;
    let len = out.len();
    // Whole narrow rows are read several at a time.
    let group = if len == m { BLOCK / m } else { 1 };
    let mut sum = [fold.identity; BLOCK];
    let sum = &mut sum[..len];
    out.fill(fold.identity);
    for from in range.clone().step_by(ROWS) {
        sum.fill(fold.identity);
        let to = range.end.min(from + ROWS);
        for row in (from..to).step_by(group) {
            let rows = group.min(to - row);
            with_block(x, (first + row) * m + column, (rows - 1) * m + len, |x| {
                for x in x.chunks(len) {
                    (fold.merge)(level, x, sum);
                }
            });
        }
        (fold.merge)(level, sum, out);
    }
}
