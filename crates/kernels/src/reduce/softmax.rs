//! Softmax and the logarithm of a sum of exponentials.

use super::fold::{Combine, Fold, Max, Reducible, Sum, row_max, row_sum};
use super::{Plan, ReduceOp};
use crate::data::{Dtype, Element, Layout, Slice, SliceMut, bf16, f16};
use crate::elementwise::Math;
use crate::par;
use crate::simd::{self, Isa, Kernel, Level, dispatch};
use crate::stage::{self, BLOCK, Blocks, Compute, Stage, blocks, typed_mut, with_block};

/// `exp(x) / sum(exp(x))` along the last axis, for real floats; halves are computed in `f32` and
/// rounded once. `out` has the dtype of `x`. A row of -inf gives NaN.
///
/// # Panics
/// If the dtype is not a real float or the output's is another.
pub fn softmax(x: Slice<'_>, layout: &Layout, out: SliceMut<'_>) {
    assert_eq!(x.dtype(), out.dtype(), "softmax keeps the dtype");
    let n = layout.shape.last().copied().unwrap_or(1);
    match out.dtype() {
        Dtype::F32 => rows::<f32>(x, layout, n, typed_mut(out)),
        Dtype::F64 => rows::<f64>(x, layout, n, typed_mut(out)),
        Dtype::F16 => rows::<f16>(x, layout, n, typed_mut(out)),
        Dtype::Bf16 => rows::<bf16>(x, layout, n, typed_mut(out)),
        other => panic!("softmax of {other}"),
    }
}

fn rows<U: Stage<Compute: Reducible + Math>>(x: Slice<'_>, layout: &Layout, n: usize, out: &mut [U])
where
    Max: Combine<U::Compute>,
    Sum: Combine<U::Compute>,
{
    if out.is_empty() {
        return;
    }
    let (x, row) = (blocks::<U::Compute>(x, layout), Row::new());
    // Short rows are read several at a time.
    let group = (BLOCK / n).max(1);
    let one_group = |start: usize, out: &mut [U::Compute]| {
        if n <= BLOCK {
            with_block(&*x, start, out.len(), |x| dispatch(row.level, Rows(x, n, out)));
        } else {
            row.softmax(&*x, start, out);
        }
    };
    par::rows_mut(out, out.len() / n, n, 2.0 * n as f64, |rows, out| {
        let mut scratch = Vec::new();
        for (i, out) in out.chunks_mut(group * n).enumerate() {
            let start = (rows.start + i * group) * n;
            match U::Compute::unwrap_mut(U::wrap_mut(out)) {
                Some(out) => one_group(start, out),
                None => {
                    scratch.resize(out.len(), U::Compute::ZERO);
                    one_group(start, &mut scratch);
                    stage::store(row.level, &scratch, out);
                }
            }
        }
    });
}

/// Softmax of each row of `n` elements.
struct Rows<'a, C>(&'a [C], usize, &'a mut [C]);

impl<C: Math> Kernel for Rows<'_, C>
where
    Max: Combine<C>,
    Sum: Combine<C>,
{
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Rows(x, n, out) = self;
        for (out, x) in out.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            let max = row_max(x);
            for (o, &x) in out.iter_mut().zip(x) {
                *o = (x - max).exp::<I>();
            }
            let factor = C::ONE / row_sum(out);
            for o in out {
                *o = *o * factor;
            }
        }
    }
}

/// `log(sum(exp(x)))` over `axes`.
pub(super) fn log_sum_exp(x: Slice<'_>, layout: &Layout, axes: &[usize], out: SliceMut<'_>) {
    let plan = Plan::rows(layout, axes);
    match out.dtype() {
        Dtype::F32 => log_sum_exp_typed::<f32>(x, &plan, typed_mut(out)),
        Dtype::F64 => log_sum_exp_typed::<f64>(x, &plan, typed_mut(out)),
        Dtype::F16 => log_sum_exp_typed::<f16>(x, &plan, typed_mut(out)),
        Dtype::Bf16 => log_sum_exp_typed::<bf16>(x, &plan, typed_mut(out)),
        other => panic!("LogSumExp of {other}"),
    }
}

fn log_sum_exp_typed<U: Stage<Compute: Reducible + Math>>(
    x: Slice<'_>,
    plan: &Plan,
    out: &mut [U],
) {
    let (x, row, n) = (blocks::<U::Compute>(x, &plan.layout), Row::new(), plan.reduced);
    let task = |first: usize, out: &mut [U]| {
        for (i, o) in out.iter_mut().enumerate() {
            *o = U::down(row.log_sum_exp(&*x, (first + i) * n, n));
        }
    };
    par::rows_mut(out, out.len(), 1, n as f64, |rows, out| task(rows.start, out));
}

/// The loops over one row.
struct Row<C> {
    level: Level,
    max: Fold<C>,
    sum: Fold<C>,
}

impl<C: Reducible + Math> Row<C> {
    fn new() -> Self {
        let fold = |op| C::fold(op).unwrap_or_else(|| panic!("{op:?} of {}", C::DTYPE));
        Row { level: simd::level(), max: fold(ReduceOp::Max), sum: fold(ReduceOp::Sum) }
    }

    /// Reduces the row's blocks, after `f` has put each into the block it is given.
    fn over(&self, fold: &Fold<C>, n: usize, mut f: impl FnMut(usize, usize) -> C) -> C {
        let mut total = [fold.identity];
        for at in (0..n).step_by(BLOCK) {
            let part = f(at, BLOCK.min(n - at));
            (fold.merge)(self.level, &[part], &mut total);
        }
        total[0]
    }

    fn maximum(&self, x: &dyn Blocks<C>, start: usize, n: usize) -> C {
        self.over(&self.max, n, |at, len| {
            let mut part = [C::ZERO];
            with_block(x, start + at, len, |x| (self.max.rows)(self.level, x, len, &mut part));
            part[0]
        })
    }

    fn softmax(&self, x: &dyn Blocks<C>, start: usize, out: &mut [C]) {
        let max = self.maximum(x, start, out.len());
        let sum = self.over(&self.sum, out.len(), |at, len| {
            let (out, mut part) = (&mut out[at..at + len], [C::ZERO]);
            with_block(x, start + at, len, |x| dispatch(self.level, Exp(x, max, out)));
            (self.sum.rows)(self.level, out, len, &mut part);
            part[0]
        });
        dispatch(self.level, Scale(C::ONE / sum, out));
    }

    fn log_sum_exp(&self, x: &dyn Blocks<C>, start: usize, n: usize) -> C {
        let max = self.maximum(x, start, n);
        if max.abs() == C::INFINITY {
            return max;
        }
        let sum = self.over(&self.sum, n, |at, len| {
            let (mut terms, mut part) = ([C::ZERO; BLOCK], [C::ZERO]);
            let terms = &mut terms[..len];
            with_block(x, start + at, len, |x| dispatch(self.level, Exp(x, max, terms)));
            (self.sum.rows)(self.level, terms, len, &mut part);
            part[0]
        });
        max + dispatch(self.level, Ln(sum))
    }
}

/// `out[i] = exp(x[i] - max)`.
struct Exp<'a, C>(&'a [C], C, &'a mut [C]);

impl<C: Math> Kernel for Exp<'_, C> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, &x) in self.2.iter_mut().zip(self.0) {
            *o = (x - self.1).exp::<I>();
        }
    }
}

/// `x[i] *= factor`.
struct Scale<'a, C>(C, &'a mut [C]);

impl<C: Math> Kernel for Scale<'_, C> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for x in self.1 {
            *x = *x * self.0;
        }
    }
}

struct Ln<C>(C);

impl<C: Math> Kernel for Ln<C> {
    type Output = C;
    #[inline(always)]
    fn run<I: Isa>(self) -> C {
        self.0.ln::<I>()
    }
}
