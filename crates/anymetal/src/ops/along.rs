//! Reading and writing along one axis, at positions of their own for every line.

use super::shape::reshaped;
use super::{Index, arange, bounded_axis, broadcast_shapes, broadcast_to};
use crate::error::{Error, Result};
use crate::{Array, Dtype, Shape};

/// The elements at `indices` along `axis`: `y[.., i, ..] = x[.., indices[.., i, ..], ..]`. The
/// other axes of the two are broadcast together. For `None`, positions in the flattened array.
///
/// # Errors
/// Different numbers of axes; indices that are not integers; shapes that do not broadcast; when
/// evaluated, positions out of range.
pub fn take_along_axis(x: &Array, indices: &Array, axis: Option<isize>) -> Result<Array> {
    let op = "take_along_axis";
    let (x, axis) = check(op, x, indices, axis)?;
    let mut others = Shape::from_slice(x.shape());
    others[axis] = 1;
    let mut lines = Shape::from_slice(indices.shape());
    lines[axis] = 1;
    let mut shape = broadcast_shapes(&others, &lines)?;
    shape[axis] = x.shape()[axis];
    let x = broadcast_to(&x, &shape)?;
    shape[axis] = indices.shape()[axis];
    x.index(&positions(&broadcast_to(indices, &shape)?, axis)?)
}

/// The array with `values`, broadcast to the shape of `indices`, written where
/// [`take_along_axis`] reads.
///
/// # Errors
/// As there; values that do not broadcast.
pub fn put_along_axis(
    x: &Array,
    indices: &Array,
    values: &Array,
    axis: Option<isize>,
) -> Result<Array> {
    let op = "put_along_axis";
    let (flat, axis) = check(op, x, indices, axis)?;
    let mut shape = Shape::from_slice(flat.shape());
    shape[axis] = indices.shape()[axis];
    let indices = broadcast_to(indices, &shape)?;
    let values = broadcast_to(values, &shape)?;
    let out = flat.index_update(&positions(&indices, axis)?, &values)?;
    Ok(reshaped(&out, x.shape()))
}

/// The array, flattened for `None`, and the axis from the front.
fn check(
    op: &'static str,
    x: &Array,
    indices: &Array,
    axis: Option<isize>,
) -> Result<(Array, usize)> {
    let (x, axis) = match axis {
        Some(axis) => (x.clone(), axis),
        None => (reshaped(x, &[x.size()]), 0),
    };
    let axis = bounded_axis(op, axis, x.ndim())?;
    if indices.ndim() != x.ndim() {
        let message = format!(
            "Indices of dimension {} does not match array of dimension {}.",
            indices.ndim(),
            x.ndim()
        );
        return Err(Error::shape(op, message, &[indices.shape(), x.shape()]));
    }
    if !indices.dtype().is_integer() {
        let message = format!("Indices must be integers, not {}.", indices.dtype());
        return Err(Error::dtype(op, message, &[indices.dtype()]));
    }
    Ok((x, axis))
}

/// An index expression that names, at every point of `indices`, the point itself with another
/// position along `axis`.
fn positions(indices: &Array, axis: usize) -> Result<Vec<Index>> {
    let position = |i: usize| {
        if i == axis {
            return Ok(Index::from(indices));
        }
        let n = indices.shape()[i];
        let mut shape = Shape::from_elem(1, indices.ndim());
        shape[i] = n;
        let line = arange(0.0, n as f64, 1.0, Dtype::I64)?;
        Ok(Index::Array(reshaped(&line, &shape)))
    };
    (0..indices.ndim()).map(position).collect()
}
