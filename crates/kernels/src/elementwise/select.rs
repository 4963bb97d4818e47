//! `where`: a choice between two arrays.

use crate::data::{Layout, Slice, SliceMut};
use crate::stage::{BLOCK, MOVE_NS, Stage, blocks, emit, with_block};
use crate::{Bool, Complex64, bf16, f16, stage};

/// `out[i] = if cond[i] { a[i] } else { b[i] }`. `cond` is bool; `a`, `b` and `out` have one dtype.
///
/// # Panics
/// If a dtype is another one.
pub fn select(
    cond: Slice<'_>,
    lc: &Layout,
    a: Slice<'_>,
    la: &Layout,
    b: Slice<'_>,
    lb: &Layout,
    out: SliceMut<'_>,
) {
    debug_assert!([lc.len(), la.len(), lb.len()] == [out.len(); 3]);
    assert!(a.dtype() == out.dtype() && b.dtype() == out.dtype(), "branches of the output's dtype");
    let _ = stage::typed::<Bool>(cond);
    with_dtype!(out.dtype(), T => select_typed::<T>(cond, lc, a, la, b, lb, stage::typed_mut(out)))
}

fn select_typed<T: Stage>(
    cond: Slice<'_>,
    lc: &Layout,
    a: Slice<'_>,
    la: &Layout,
    b: Slice<'_>,
    lb: &Layout,
    out: &mut [T],
) {
    let cond = blocks::<u32>(cond, lc);
    let (a, b) = (blocks::<T::Compute>(a, la), blocks::<T::Compute>(b, lb));
    emit(out, 2.0 * MOVE_NS, &|start, out| {
        let mut chosen = [0; BLOCK];
        let chosen = &mut chosen[..out.len()];
        cond.read(start, chosen);
        with_block(&*a, start, out.len(), |a| {
            with_block(&*b, start, out.len(), |b| {
                for (((o, &c), &a), &b) in out.iter_mut().zip(&*chosen).zip(a).zip(b) {
                    *o = if c != 0 { a } else { b };
                }
            });
        });
    });
}
