//! Elements at positions given by arrays.

use anymetal::ops::{self, ScatterOp};
use anymetal::{Array, Error};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

use crate::argument::{Argument, Integers};
use crate::error::CallError;
use crate::function::{Row, row};

/// Where a part with computed position starts: one 0-d array per axis.
fn starts(
    op: &str,
    a: &Array,
    start: &Array,
    axes: &[isize],
) -> Result<(Vec<Array>, Vec<usize>), CallError> {
    if !start.dtype().is_integer() {
        let text = format!("[{op}] Start indices must be integers, got type {}.", start.dtype());
        return Err(PyValueError::new_err(text).into());
    }
    if start.ndim() > 1 || start.size() != axes.len() {
        let text = format!(
            "[{op}] Number of starting indices {} does not match number of axes {}.",
            start.size(),
            axes.len()
        );
        return Err(PyValueError::new_err(text).into());
    }
    let ndim = a.ndim();
    let mut front = Vec::new();
    for &axis in axes {
        let i = if axis < 0 { axis + ndim as isize } else { axis };
        let i = usize::try_from(i).ok().filter(|&i| i < ndim).ok_or_else(|| {
            let text = format!("[{op}] Invalid axis {axis} for array with dimension {ndim}.");
            PyIndexError::new_err(text)
        })?;
        if front.contains(&i) {
            let text = format!("[{op}] Repeat axes not allowed.");
            return Err(PyValueError::new_err(text).into());
        }
        front.push(i);
    }
    let flat = ops::reshape(start, &[axes.len() as isize])?;
    let each = (0..axes.len() as isize).map(|i| flat.index(&[i.into()]));
    Ok((each.collect::<Result<_, Error>>()?, front))
}

fn shape_text(shape: &[isize]) -> String {
    let sizes: Vec<String> = shape.iter().map(isize::to_string).collect();
    format!("({})", sizes.join(","))
}

fn sizes(shape: &[usize]) -> Vec<isize> {
    shape.iter().map(|&n| n as isize).collect()
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "take(a: array, /, indices: int | array, axis: int | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "The elements along an axis, of the flattened array for None, at the given positions.",
        |c| {
            let (a, indices): (Array, Bound<'_, PyAny>) = (c.next()?, c.next()?);
            let axis: Option<isize> = c.next()?;
            let indices = match Array::convert(&indices) {
                Ok(indices) => indices,
                Err(_) => Array::scalar(i64::convert(&indices)?),
            };
            c.give(ops::take(&a, &indices, axis)?)
        },
    ),
    row(
        "take_along_axis(a: array, /, indices: array, axis: int | None = -1, *, \
         stream: StreamOrDevice = None) -> array",
        "The elements along an axis at positions of their own for every line.",
        |c| {
            let (a, indices): (Array, Array) = (c.next()?, c.next()?);
            let axis = c.next()?;
            c.give(ops::take_along_axis(&a, &indices, axis)?)
        },
    ),
    row(
        "put_along_axis(a: array, /, indices: array, values: array, axis: int | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "The array with values written where take_along_axis would read.",
        |c| {
            let (a, indices, values): (Array, Array, Array) = (c.next()?, c.next()?, c.next()?);
            let axis = c.next()?;
            c.give(ops::put_along_axis(&a, &indices, &values, axis)?)
        },
    ),
    row(
        "slice(a: array, start_indices: array, axes: Sequence[int], slice_size: Sequence[int], \
         *, stream: StreamOrDevice = None) -> array",
        "A part of the given size that starts at computed positions.",
        |c| {
            let (a, start): (Array, Array) = (c.next()?, c.next()?);
            let (axes, size): (Integers, Integers) = (c.next()?, c.next()?);
            let (starts, _) = starts("slice", &a, &start, &axes.0)?;
            if size.0.len() != a.ndim() {
                let text =
                    format!("[slice] Invalid slice size for array with {} dimensions.", a.ndim());
                return Err(PyValueError::new_err(text).into());
            }
            let fits = |(&s, &n): (&isize, &usize)| s >= 0 && s as usize <= n;
            if !size.0.iter().zip(a.shape()).all(fits) {
                let text = format!(
                    "[slice] Invalid slice size {} for array with shape {}.",
                    shape_text(&size.0),
                    shape_text(&sizes(a.shape()))
                );
                return Err(PyValueError::new_err(text).into());
            }
            let size: Vec<usize> = size.0.iter().map(|&n| n as usize).collect();
            c.give(ops::gather(&a, &starts, &axes.0, &size)?)
        },
    ),
    row(
        "slice_update(a: array, update: array, start_indices: array, axes: Sequence[int], *, \
         stream: StreamOrDevice = None) -> array",
        "The array with a part that starts at computed positions replaced.",
        |c| {
            let (a, update, start): (Array, Array, Array) = (c.next()?, c.next()?, c.next()?);
            let axes: Integers = c.next()?;
            let (starts, front) = starts("slice_update", &a, &start, &axes.0)?;
            let lead = a.ndim().saturating_sub(update.ndim());
            let mut shape = a.shape().to_vec();
            let given = &update.shape()[update.ndim().saturating_sub(a.ndim())..];
            for (to, &n) in shape[lead..].iter_mut().zip(given) {
                *to = n.min(*to);
            }
            // An update without an axis that has a start replaces one element of it.
            front.iter().filter(|&&i| i < lead).for_each(|&i| shape[i] = 1);
            let update = ops::broadcast_to(&update.astype(a.dtype())?, &shape)?;
            c.give(ops::scatter(ScatterOp::Update, &a, &starts, &update, &axes.0)?)
        },
    ),
];
