//! Positions of extremes.

use super::{ReduceOp, fold::Reducible};
use crate::data::{Complex64, Layout, Slice, bf16, f16};
use crate::stage::{BLOCK, MOVE_NS, Stage, blocks, permuted, with_block};
use crate::{Bool, par, simd};

/// Which extreme to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgOp {
    /// Position of the smallest element.
    ArgMin,
    /// Position of the largest element.
    ArgMax,
}

/// Position along `axis` of the first smallest or largest element; the first NaN if there is one.
/// `out` has the other axes, row-major.
///
/// # Panics
/// If the axis is empty and `out` is not, or the dtype is complex64.
pub fn arg_reduce(op: ArgOp, x: Slice<'_>, layout: &Layout, axis: usize, out: &mut [u32]) {
    let n = layout.shape[axis];
    debug_assert_eq!(n * out.len(), layout.len());
    assert!(n > 0 || out.is_empty(), "an empty axis has no extreme");
    let order = (0..layout.ndim()).filter(|&a| a != axis).chain([axis]);
    let rows = permuted(layout, order);
    with_dtype!(x.dtype(), T => arg_typed::<<T as Stage>::Compute>(op, x, &rows, n, out))
}

fn arg_typed<C: Reducible>(op: ArgOp, x: Slice<'_>, rows: &Layout, n: usize, out: &mut [u32]) {
    let extreme = if op == ArgOp::ArgMin { ReduceOp::Min } else { ReduceOp::Max };
    let fold = C::fold(extreme).unwrap_or_else(|| panic!("{op:?} of {}", C::DTYPE));
    let (x, level) = (blocks::<C>(x, rows), simd::level());
    // A block is searched only if its extreme beats those before it.
    let row = |row: usize| {
        let (mut best, mut position) = (None, 0);
        for at in (0..n).step_by(BLOCK) {
            with_block(&*x, row * n + at, BLOCK.min(n - at), |x| {
                let mut both = [fold.identity; 2];
                (fold.rows)(level, x, x.len(), &mut both[..1]);
                let here = both[0];
                let wins = match best {
                    None => true,
                    Some(best) => {
                        both[1] = best;
                        let mut winner = [fold.identity];
                        (fold.rows)(level, &both, 2, &mut winner);
                        !best.is_nan() && winner[0] != best
                    }
                };
                if wins {
                    let same = |&v: &C| v == here || (v.is_nan() && here.is_nan());
                    position = at + x.iter().position(same).unwrap_or(0);
                    best = Some(here);
                }
            });
        }
        position as u32
    };
    par::rows_mut(out, out.len(), 1, 20.0 + n as f64 * MOVE_NS, |range, out| {
        out.iter_mut().zip(range).for_each(|(o, i)| *o = row(i));
    });
}
