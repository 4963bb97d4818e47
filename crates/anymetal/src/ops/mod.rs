//! Operations on arrays, one file per family; in each, an operation's shape rule, evaluation,
//! derivatives and mapping stand side by side.

mod along;
mod binary;
mod cast;
mod compare;
mod create;
mod identity;
mod index;
mod join;
mod matmul;
mod reduce;
mod select;
mod shape;
mod slice;
mod unary;

pub use along::{put_along_axis, take_along_axis};
pub use anymetal_kernels::index::ScatterOp;
pub use binary::{
    Operand, add, arctan2, bitwise_and, bitwise_or, bitwise_xor, divide, equal, floor_divide,
    greater, greater_equal, left_shift, less, less_equal, logaddexp, logical_and, logical_or,
    maximum, minimum, multiply, not_equal, power, remainder, right_shift, subtract,
};
pub use cast::{astype, view};
pub use compare::{allclose, array_equal, isclose};
pub use create::{
    arange, eye, full, linspace, ones, ones_like, scalar, tri, tril, triu, zeros, zeros_like,
};
pub(crate) use identity::Identity;
pub use identity::stop_gradient;
pub use index::{gather, scatter, scatter_add, take};
pub use join::{concatenate, pad, repeat, split, stack, tile};
pub use matmul::matmul;
pub use reduce::{
    Axes, all, any, argmax, argmin, logsumexp, max, mean, min, prod, softmax, std, sum, var,
};
pub use select::{clip, select};
pub use shape::{
    broadcast_arrays, broadcast_to, expand_dims, flatten, moveaxis, reshape, squeeze, swapaxes,
    transpose, unflatten,
};
pub use slice::{Index, slice, slice_update};
pub use unary::*;

pub(crate) use shape::{broadcast_shapes, with_leading};

use crate::error::{Error, Result};

/// Refuses shapes that are too large for any array.
pub(crate) fn check_size(op: &'static str, shape: &[usize]) -> Result<()> {
    match crate::device::count(shape) {
        Some(_) => Ok(()),
        None => {
            let message = "The array would be larger than the address space.";
            Err(Error::shape(op, message, &[shape]))
        }
    }
}

/// An axis counted from the front, from one that may be negative.
pub(crate) fn resolve_axis(op: &'static str, axis: isize, ndim: usize) -> Result<usize> {
    place_axis(axis, ndim).ok_or_else(|| {
        let message = format!("Invalid axis {axis} for array with {ndim} dimensions.");
        Error::Index { op, message, index: axis as i64, size: ndim }
    })
}

/// [`resolve_axis`] with the words of the operations that change the number of axes.
pub(crate) fn bounded_axis(op: &'static str, axis: isize, ndim: usize) -> Result<usize> {
    place_axis(axis, ndim).ok_or_else(|| {
        let message = format!("Axis {axis} is out of bounds for array with {ndim} dimensions.");
        Error::Index { op, message, index: axis as i64, size: ndim }
    })
}

fn place_axis(axis: isize, ndim: usize) -> Option<usize> {
    let i = if axis < 0 { axis.checked_add_unsigned(ndim)? } else { axis };
    usize::try_from(i).ok().filter(|&i| i < ndim)
}
