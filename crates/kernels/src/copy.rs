//! Copies, casts and fills.

use num_complex::ComplexFloat;

use crate::data::{Dtype, Element, Layout, Slice, SliceMut, bf16, f16};
use crate::stage::{self, BLOCK, Compute, Cursor, GRAIN, Stage, blocks, emit, spread, with_block};
use crate::{Bool, Complex64, par};

/// One value of any dtype, wide enough for each kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A real number.
    Float(f64),
    /// A complex number.
    Complex(Complex64),
}

/// Copies `x` to the contiguous `out`, converting if the dtypes differ: floats become integers by
/// truncation, saturating, NaN as 0; integers wrap; floats round to nearest even; bool is
/// `!= 0`; complex numbers lose their imaginary part.
///
/// `layout` has as many elements as `out`.
pub fn copy(x: Slice<'_>, layout: &Layout, out: SliceMut<'_>) {
    debug_assert_eq!(layout.len(), out.len());
    if x.dtype() == out.dtype() {
        return with_bits!(x, out, |x, out| copy_bits(x, &layout.collapsed(), out));
    }
    if let SliceMut::Bool(out) = out {
        return with_dtype!(x.dtype(), T => truth::<T>(x, layout, out));
    }
    let clamped = x.dtype().is_float() || x.dtype() == Dtype::Complex64;
    with_dtype!(out.dtype(), U => cast::<U>(x, layout, stage::typed_mut::<U>(out), clamped))
}

fn truth<T: Stage>(x: Slice<'_>, layout: &Layout, out: &mut [Bool]) {
    let x = blocks::<T::Compute>(x, layout);
    spread(out, &|start, out| {
        with_block(&*x, start, out.len(), |x| {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = Bool::from(x.truthy());
            }
        });
    });
}

fn cast<U: Stage>(x: Slice<'_>, layout: &Layout, out: &mut [U], clamped: bool) {
    let x = blocks::<U::Compute>(x, layout);
    emit(out, &|start, out| {
        x.read(start, out);
        if clamped {
            saturate::<U>(out);
        }
    });
}

/// Clamps integers that were floats to the range of a smaller integer dtype.
fn saturate<U: Stage>(block: &mut [U::Compute]) {
    match (U::DTYPE, U::Compute::wrap_mut(block)) {
        (Dtype::I8, SliceMut::I32(b)) => clamp(b, i8::MIN as i32, i8::MAX as i32),
        (Dtype::I16, SliceMut::I32(b)) => clamp(b, i16::MIN as i32, i16::MAX as i32),
        (Dtype::U8, SliceMut::U32(b)) => clamp(b, 0, u8::MAX as u32),
        (Dtype::U16, SliceMut::U32(b)) => clamp(b, 0, u16::MAX as u32),
        _ => {}
    }
}

fn clamp<T: Copy + Ord>(block: &mut [T], low: T, high: T) {
    for x in block {
        *x = (*x).clamp(low, high);
    }
}

/// Copies `x` at `lx` to the places `lout` of `out`, converting as [`copy`]. Both layouts have one
/// shape, and no two elements of `lout` share a place (if they do, one of them stays).
pub fn copy_into(x: Slice<'_>, lx: &Layout, out: SliceMut<'_>, lout: &Layout) {
    debug_assert_eq!(lx.shape, lout.shape);
    if lx.is_empty() {
        return;
    }
    let n = lx.len();
    if lout.is_contiguous() {
        let places = lout.offset..lout.offset + n;
        return with_dtype!(out.dtype(), U => {
            copy(x, lx, U::wrap_mut(&mut stage::typed_mut::<U>(out)[places]))
        });
    }
    if x.dtype() == out.dtype() {
        let (lx, lout) = collapsed_together(lx, lout);
        return with_bits!(x, out, |x, out| place(x, &lx, out, &lout));
    }
    with_dtype!(out.dtype(), U => {
        let out = stage::typed_mut::<U>(out);
        let mut block = [U::zeroed(); BLOCK];
        // Elements are converted by ranges of the first axis that spans more than a block.
        for start in (0..n).step_by(BLOCK) {
            let block = &mut block[..BLOCK.min(n - start)];
            copy_range(x, lx, start, U::wrap_mut(block));
            scatter_block(block, lout, start, out);
        }
    })
}

/// Converts elements `start..start + out.len()` of a layout.
fn copy_range(x: Slice<'_>, lx: &Layout, start: usize, out: SliceMut<'_>) {
    with_dtype!(out.dtype(), U => {
        let out = stage::typed_mut::<U>(out);
        if U::DTYPE == Dtype::Bool {
            with_dtype!(x.dtype(), T => {
                let x = blocks::<<T as Stage>::Compute>(x, lx);
                with_block(&*x, start, out.len(), |x| {
                    for (o, x) in out.iter_mut().zip(x) {
                        *o = U::down(<U as Stage>::Compute::from_truth(x.truthy()));
                    }
                });
            })
        } else {
            let mut buffer = [<U as Stage>::Compute::ZERO; BLOCK];
            let buffer = &mut buffer[..out.len()];
            blocks::<<U as Stage>::Compute>(x, lx).read(start, buffer);
            if x.dtype().is_float() || x.dtype() == Dtype::Complex64 {
                saturate::<U>(buffer);
            }
            for (o, &x) in out.iter_mut().zip(&*buffer) {
                *o = U::down(x);
            }
        }
    })
}
