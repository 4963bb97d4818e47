//! From running sums to results.

use super::EmptyRows;
use crate::simd::attention::{Real, Simd, Source, scale_row};

/// One row's softmax so far: maximum in units of log 2, and sum relative to it.
#[derive(Clone, Copy)]
pub(super) struct Softmax<T> {
    pub(super) max: T,
    pub(super) sum: T,
}

impl<T: Real> Softmax<T> {
    /// Of no scores.
    pub(super) const EMPTY: Self = Softmax { max: T::MIN, sum: T::ZERO };

    /// Of a sink alone.
    pub(super) fn of_sink(sink: f32) -> Self {
        Softmax { max: T::of(sink as f64 * std::f64::consts::LOG2_E), sum: T::ONE }
    }

    /// Adds `sum` relative to `max`; returns by what to multiply what was summed before, and what
    /// is added.
    pub(super) fn join(&mut self, other: Self) -> (T, T) {
        let max = if other.max > self.max { other.max } else { self.max };
        let minus = T::of(-1.0).times(max);
        let (ours, theirs) = (self.max.plus(minus).exp2(), other.max.plus(minus).exp2());
        self.sum = self.sum.times(ours).plus(other.sum.times(theirs));
        self.max = max;
        (ours, theirs)
    }
}

/// Takes a row's number, softmax and weighted sum of values.
pub(super) type Emit<'a, T> = dyn FnMut(usize, Softmax<T>, &[T]) + 'a;

/// Writes a result: `row` divided by the sum. Returns the softmax with the sink, whose sum is
/// infinite if the result is zero for want of keys.
pub(super) fn finish_row<S: Simd, E: Source<S::T>>(
    s: S,
    mut softmax: Softmax<S::T>,
    row: &[S::T],
    sink: Option<f32>,
    empty_rows: EmptyRows,
    out: &mut [E],
) -> Softmax<S::T> {
    // No score above the minimum: everything was hidden, or minus infinity.
    let empty = softmax.max == S::T::MIN;
    let mut factor = S::T::ONE;
    if let Some(sink) = sink {
        factor = softmax.join(Softmax::of_sink(sink)).0;
    }
    if empty && empty_rows == EmptyRows::Zero {
        out.fill(E::put(S::T::ZERO));
        softmax.sum = S::T::of(f64::INFINITY);
    } else {
        scale_row(s, row, S::T::of(factor.wide() / softmax.sum.wide()), out);
    }
    softmax
}
