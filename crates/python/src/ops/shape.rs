//! Other shapes and orders of the same elements.

use anymetal::ops::{self, Axes, Index};
use anymetal::{Array, Dtype};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::argument::{Argument, AxesArgument, Integers, Number, Sizes};
use crate::error::{CallError, CallResult};
use crate::function::{Call, Row, row};
use crate::output::shape_tuple;

/// The rest of the arguments: whole numbers, or one sequence of them.
fn integers(rest: &Bound<'_, PyTuple>) -> Result<Vec<isize>, CallError> {
    if rest.len() == 1 {
        let only = rest.get_item(0)?;
        if let Ok(sequence) = Integers::convert(&only) {
            return Ok(sequence.0);
        }
    }
    Ok(Integers::convert(rest.as_any())?.0)
}

fn arrays(rest: &Bound<'_, PyAny>) -> Result<Vec<Array>, CallError> {
    Vec::convert(rest)
}

/// Arrays with at least so many axes: one array for one argument, else a list.
fn at_least<'py>(
    c: &mut Call<'_, 'py>,
    widen: fn(&Array) -> anymetal::Result<Array>,
) -> CallResult<'py> {
    let rest: Bound<'_, PyAny> = c.next()?;
    let mut wide = arrays(&rest)?.iter().map(widen).collect::<Result<Vec<_>, _>>()?;
    if wide.len() == 1 { c.give(wide.remove(0)) } else { c.give(wide) }
}

/// The elements `a[.., i, .., i + offset, ..]` of two axes, as the last axis.
pub(super) fn diagonal(
    a: &Array,
    offset: isize,
    axis1: isize,
    axis2: isize,
) -> Result<Array, CallError> {
    let ndim = a.ndim();
    if ndim < 2 {
        let text = format!("[diagonal] Array must have at least two dimensions, but got {ndim}.");
        return Err(PyValueError::new_err(text).into());
    }
    let front = |axis: isize| {
        let i = if axis < 0 { axis + ndim as isize } else { axis };
        usize::try_from(i).ok().filter(|&i| i < ndim).ok_or_else(|| {
            let text = format!("[diagonal] Invalid axis {axis} for array with {ndim} dimensions.");
            CallError::from(PyValueError::new_err(text))
        })
    };
    let (first, second) = (front(axis1)?, front(axis2)?);
    if first == second {
        let text = "[diagonal] axis1 and axis2 cannot be the same axis";
        return Err(PyValueError::new_err(text).into());
    }
    let mut order: Vec<isize> = vec![first as isize, second as isize];
    order.extend((0..ndim).filter(|&i| i != first && i != second).map(|i| i as isize));
    let moved = ops::transpose(a, &order)?;
    let (rows, columns) = (a.shape()[first] as isize, a.shape()[second] as isize);
    let (down, right) = ((-offset).max(0), offset.max(0));
    let n = (rows - down).min(columns - right).max(0) as f64;
    let positions = |from: isize| ops::arange(from as f64, from as f64 + n, 1.0, Dtype::I64);
    let line = moved.index(&[Index::Array(positions(down)?), Index::Array(positions(right)?)])?;
    Ok(ops::moveaxis(&line, 0, -1)?)
}

/// The diagonal of a matrix, or the matrix of a diagonal.
fn diag(a: &Array, k: isize) -> Result<Array, CallError> {
    match *a.shape() {
        [_, _] => diagonal(a, k, 0, 1),
        [n] => {
            let size = n + k.unsigned_abs();
            let (down, right) = ((-k).max(0), k.max(0));
            let positions = |from: isize| {
                let from = from as f64;
                ops::arange(from, from + n as f64, 1.0, Dtype::I64).map(Index::Array)
            };
            let zero = ops::zeros(&[size, size], a.dtype())?;
            Ok(zero.index_update(&[positions(down)?, positions(right)?], a)?)
        }
        _ => Err(PyValueError::new_err("[diag] array must be 1-D or 2-D").into()),
    }
}

/// The common shape of several.
fn common_shape(shapes: &[Vec<usize>]) -> Result<Vec<usize>, CallError> {
    // Arrays of one number, broadcast, stand for the shapes.
    let stand_ins = shapes.iter().map(|shape| ops::zeros(shape, Dtype::Bool));
    let stand_ins = stand_ins.collect::<Result<Vec<_>, _>>()?;
    match ops::broadcast_arrays(&stand_ins)?.first() {
        Some(array) => Ok(array.shape().to_vec()),
        None => {
            let text = "[broadcast_shapes] Must provide at least one shape.";
            Err(PyValueError::new_err(text).into())
        }
    }
}

fn permuted<'py>(c: &mut Call<'_, 'py>) -> CallResult<'py> {
    let (a, axes): (Array, Option<Integers>) = (c.next()?, c.next()?);
    match axes {
        // For no axes the library reverses them, which is right only for None.
        Some(axes) if axes.0.is_empty() && a.ndim() > 0 => {
            let text =
                format!("[transpose] Received 0 axes for array with {} dimensions.", a.ndim());
            Err(PyValueError::new_err(text).into())
        }
        Some(axes) => c.give(ops::transpose(&a, &axes.0)?),
        None => c.give(ops::transpose(&a, &[])?),
    }
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "reshape(a: array, /, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array",
        "The elements in another shape of the same size; one size may be -1.",
        |c| {
            let (a, shape): (Array, Integers) = (c.next()?, c.next()?);
            c.give(ops::reshape(&a, &shape.0)?)
        },
    ),
    row(
        "flatten(a: array, /, start_axis: int = 0, end_axis: int = -1, *, \
         stream: StreamOrDevice = None) -> array",
        "Axes start_axis to end_axis merged into one.",
        |c| {
            let (a, start, end): (Array, isize, isize) = (c.next()?, c.next()?, c.next()?);
            // Axes past an end mean that end.
            let n = a.ndim() as isize;
            let inside = |axis: isize| axis.clamp(-n, (n - 1).max(0));
            c.give(ops::flatten(&a, inside(start), inside(end))?)
        },
    ),
    row(
        "unflatten(a: array, /, axis: int, shape: Sequence[int], *, \
         stream: StreamOrDevice = None) -> array",
        "One axis split into several; one size may be -1.",
        |c| {
            let (a, axis, shape): (Array, isize, Integers) = (c.next()?, c.next()?, c.next()?);
            c.give(ops::unflatten(&a, axis, &shape.0)?)
        },
    ),
    row(
        "squeeze(a: array, /, axis: None | int | Sequence[int] = None, *, \
         stream: StreamOrDevice = None) -> array",
        "Axes of size 1 removed, all by default.",
        |c| {
            let (a, axes): (Array, AxesArgument) = (c.next()?, c.next()?);
            c.give(ops::squeeze(&a, axes.axes())?)
        },
    ),
    row(
        "expand_dims(a: array, /, axis: int | Sequence[int], *, stream: StreamOrDevice = None) \
         -> array",
        "New axes of size 1 at the given places.",
        |c| {
            let (a, axes): (Array, AxesArgument) = (c.next()?, c.next()?);
            c.give(ops::expand_dims(&a, axes.given().ok_or(CallError::Misfit)?)?)
        },
    ),
    row(
        "transpose(a: array, /, axes: Sequence[int] | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "The axes in another order, reversed by default.",
        permuted,
    ),
    row(
        "permute_dims(a: array, /, axes: Sequence[int] | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "The axes in another order, reversed by default.",
        permuted,
    ),
    row(
        "matrix_transpose(a: array, /, *, stream: StreamOrDevice = None) -> array",
        "The last two axes exchanged.",
        |c| {
            let a: Array = c.next()?;
            c.give(matrix_transpose(&a)?)
        },
    ),
    row(
        "swapaxes(a: array, /, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array",
        "Two axes exchanged.",
        |c| {
            let (a, axis1, axis2): (Array, _, _) = (c.next()?, c.next()?, c.next()?);
            c.give(ops::swapaxes(&a, axis1, axis2)?)
        },
    ),
    row(
        "moveaxis(a: array, /, source: int, destination: int, *, stream: StreamOrDevice = None) \
         -> array",
        "One axis moved to another place.",
        |c| {
            let (a, source, destination): (Array, _, _) = (c.next()?, c.next()?, c.next()?);
            c.give(ops::moveaxis(&a, source, destination)?)
        },
    ),
    row(
        "broadcast_to(a: scalar | array, /, shape: Sequence[int], *, \
         stream: StreamOrDevice = None) -> array",
        "The array repeated along new axes and axes of size 1, without copying.",
        |c| {
            let (a, shape): (Number, Sizes) = (c.next()?, c.next()?);
            c.give(ops::broadcast_to(&a.into_array(), &shape.of("broadcast_to")?)?)
        },
    ),
    row(
        "broadcast_arrays(*arrays: array, stream: StreamOrDevice = None) -> list[array]",
        "The arrays broadcast to their common shape.",
        |c| {
            let rest: Bound<'_, PyAny> = c.next()?;
            c.give(ops::broadcast_arrays(&arrays(&rest)?)?)
        },
    ),
    row(
        "broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]",
        "The shape that several broadcast to.",
        |c| {
            let shapes: Vec<Sizes> = c.next()?;
            let shapes: Result<Vec<_>, _> =
                shapes.into_iter().map(|s| s.of("broadcast_shapes")).collect();
            Ok(shape_tuple(c.py, &common_shape(&shapes?)?)?.into_any())
        },
    ),
    row(
        "atleast_1d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]",
        "Arrays without axes get one.",
        |c| at_least(c, |a| if a.ndim() == 0 { ops::reshape(a, &[1]) } else { Ok(a.clone()) }),
    ),
    row(
        "atleast_2d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]",
        "Arrays get axes in front up to two.",
        |c| {
            at_least(c, |a| match a.ndim() {
                0 => ops::reshape(a, &[1, 1]),
                1 => ops::expand_dims(a, &[0]),
                _ => Ok(a.clone()),
            })
        },
    ),
    row(
        "atleast_3d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]",
        "Arrays get axes around theirs up to three.",
        |c| {
            at_least(c, |a| match a.ndim() {
                0 => ops::reshape(a, &[1, 1, 1]),
                1 => ops::expand_dims(a, &[0, 2]),
                2 => ops::expand_dims(a, &[2]),
                _ => Ok(a.clone()),
            })
        },
    ),
    row(
        "flip(a: array, /, axis: None | int | Sequence[int] = None, *, \
         stream: StreamOrDevice = None) -> array",
        "The elements along axes, all by default, in reverse.",
        |c| {
            let (a, axes): (Array, AxesArgument) = (c.next()?, c.next()?);
            c.give(flip(&a, axes.axes())?)
        },
    ),
    row(
        "diagonal(a: array, offset: int = 0, axis1: int = 0, axis2: int = 1, \
         stream: StreamOrDevice = None) -> array",
        "A diagonal of two axes, as the last axis.",
        |c| {
            let a: Array = c.next()?;
            let (offset, axis1, axis2) = (c.next()?, c.next()?, c.next()?);
            c.give(diagonal(&a, offset, axis1, axis2)?)
        },
    ),
    row(
        "diag(a: array, /, k: int = 0, *, stream: StreamOrDevice = None) -> array",
        "The k-th diagonal of a matrix, or the matrix with that k-th diagonal.",
        |c| {
            let (a, k): (Array, isize) = (c.next()?, c.next()?);
            c.give(diag(&a, k)?)
        },
    ),
];

/// The last two axes exchanged.
pub(crate) fn matrix_transpose(a: &Array) -> Result<Array, CallError> {
    if a.ndim() < 2 {
        let text = "[matrix_transpose] Input array must have at least 2 dimensions.";
        return Err(PyValueError::new_err(text).into());
    }
    Ok(ops::swapaxes(a, -1, -2)?)
}

fn flip(a: &Array, axes: Axes<'_>) -> Result<Array, CallError> {
    let ndim = a.ndim();
    let whole = |_| Index::Range { start: None, stop: None, step: 1 };
    let mut index: Vec<Index> = (0..ndim).map(whole).collect();
    let axes: Vec<isize> = match axes {
        Axes::All => (0..ndim as isize).collect(),
        Axes::Given(axes) => axes.into_owned(),
    };
    for axis in axes {
        let front = if axis < 0 { axis + ndim as isize } else { axis };
        let Some(entry) = usize::try_from(front).ok().and_then(|i| index.get_mut(i)) else {
            let text =
                format!("[flip] Axis {axis} is out of bounds for array with {ndim} dimensions.");
            return Err(pyo3::exceptions::PyIndexError::new_err(text).into());
        };
        *entry = Index::Range { start: None, stop: None, step: -1 };
    }
    Ok(a.index(&index)?)
}

/// Methods that take their numbers one by one.
pub(crate) const METHODS: &[Row] = &[
    row(
        "reshape(self, *shape, stream: StreamOrDevice = None) -> array",
        "The elements in another shape of the same size; one size may be -1.",
        |c| {
            let (a, rest): (Array, Bound<'_, PyAny>) = (c.next()?, c.next()?);
            let shape = integers(rest.cast().map_err(|_| CallError::Misfit)?)?;
            c.give(ops::reshape(&a, &shape)?)
        },
    ),
    row(
        "transpose(self, *axes, stream: StreamOrDevice = None) -> array",
        "The axes in another order, reversed by default.",
        |c| {
            let (a, rest): (Array, Bound<'_, PyAny>) = (c.next()?, c.next()?);
            let axes = integers(rest.cast().map_err(|_| CallError::Misfit)?)?;
            c.give(ops::transpose(&a, &axes)?)
        },
    ),
];
