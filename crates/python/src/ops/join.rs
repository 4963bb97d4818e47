//! Putting arrays together, taking them apart, repeating and padding them.

use anymetal::ops::{self, Index};
use anymetal::{Array, Dtype};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::argument::{Argument, AxesArgument, Integers, Number, ShapeArgument, check_fits};
use crate::error::{CallError, CallResult};
use crate::function::{Call, Row, row};
use crate::output::Output;

fn concatenate<'py>(c: &mut Call<'_, 'py>) -> CallResult<'py> {
    let (arrays, axis): (Vec<Array>, Option<isize>) = (c.next()?, c.next()?);
    if let Some(axis) = axis {
        return c.give(ops::concatenate(&arrays, axis)?);
    }
    let flat = arrays.iter().map(|a| ops::reshape(a, &[a.size() as isize]));
    c.give(ops::concatenate(&flat.collect::<Result<Vec<_>, _>>()?, 0)?)
}

fn tuple(py: Python<'_>, arrays: Vec<Array>) -> CallResult<'_> {
    let arrays: PyResult<Vec<_>> = arrays.into_iter().map(|a| a.into_python(py)).collect();
    Ok(PyTuple::new(py, arrays?)?.into_any())
}

/// `axis` from the front.
fn front(op: &str, axis: isize, ndim: usize) -> Result<usize, CallError> {
    let i = if axis < 0 { axis + ndim as isize } else { axis };
    usize::try_from(i).ok().filter(|&i| i < ndim).ok_or_else(|| {
        let text = format!("[{op}] Axis {axis} is out of bounds for array with {ndim} dimensions.");
        PyIndexError::new_err(text).into()
    })
}

/// The part from `start` to before `stop` of an axis, with Python's rules.
fn part(a: &Array, axis: usize, start: isize, stop: Option<isize>) -> anymetal::Result<Array> {
    let whole = Index::Range { start: None, stop: None, step: 1 };
    let mut index = vec![whole; axis];
    index.push(Index::Range { start: Some(start), stop, step: 1 });
    a.index(&index)
}

/// Elements that move over an axis and come in again at its other end.
fn roll(a: &Array, shift: isize, axis: usize) -> Result<Array, CallError> {
    let n = a.shape()[axis] as isize;
    if n == 0 {
        return Ok(a.clone());
    }
    let cut = n - shift.rem_euclid(n);
    let pieces = [part(a, axis, cut, None)?, part(a, axis, 0, Some(cut))?];
    Ok(ops::concatenate(&pieces, axis as isize)?)
}

/// How many elements go before and after each axis.
fn widths(value: &Bound<'_, PyAny>, ndim: usize) -> Result<Vec<(isize, isize)>, CallError> {
    if let Ok(n) = i32::convert(value) {
        return Ok(vec![(n as isize, n as isize); ndim]);
    }
    let pair = |integers: &[isize]| match *integers {
        [n] => Ok((n, n)),
        [before, after] => Ok((before, after)),
        _ => Err(CallError::Misfit),
    };
    if let Ok(Integers(flat)) = Integers::convert(value) {
        return Ok(vec![pair(&flat)?; ndim]);
    }
    let pairs: Vec<Integers> = Vec::convert(value)?;
    let pairs = pairs.iter().map(|p| pair(&p.0)).collect::<Result<Vec<_>, _>>()?;
    match pairs.len() {
        1 => Ok(vec![pairs[0]; ndim]),
        n if n == ndim => Ok(pairs),
        _ => {
            let text =
                format!("Invalid number of padding sizes passed to pad with axes of size {ndim}");
            Err(PyValueError::new_err(text).into())
        }
    }
}

fn pad(
    a: &Array,
    widths: &[(isize, isize)],
    mode: &str,
    value: &Number,
) -> Result<Array, CallError> {
    let negative = |side: &str, n: isize, axis: usize| {
        let text = format!(
            "Invalid {side} padding size ({n}) passed to pad for axis {axis}. Padding sizes must \
             be non-negative"
        );
        CallError::from(PyValueError::new_err(text))
    };
    for (axis, &(before, after)) in widths.iter().enumerate() {
        if before < 0 {
            return Err(negative("low", before, axis));
        }
        if after < 0 {
            return Err(negative("high", after, axis));
        }
    }
    if mode == "constant" {
        check_fits(value, a.dtype())?;
        let value = match value {
            Number::Array(value) => value.clone(),
            Number::Scalar(value) => ops::full(&[], *value, a.dtype())?,
        };
        let sizes = a.shape().iter().zip(widths);
        let shape: Vec<usize> = sizes.map(|(&n, w)| n + (w.0 + w.1) as usize).collect();
        let base = ops::broadcast_to(&value.astype(a.dtype())?, &shape)?;
        let start: Vec<isize> = widths.iter().map(|w| w.0).collect();
        let ends = start.iter().zip(a.shape());
        let stop: Vec<isize> = ends.map(|(s, &n)| s + n as isize).collect();
        return Ok(ops::slice_update(&base, a, &start, &stop, &vec![1; a.ndim()])?);
    }
    let place: fn(isize, isize) -> isize = match mode {
        "edge" => |i, n| i.clamp(0, n - 1),
        "reflect" => |i, n| {
            let period = (2 * n - 2).max(1);
            let i = i.rem_euclid(period);
            i.min(period - i)
        },
        "symmetric" => |i, n| {
            let i = i.rem_euclid(2 * n);
            i.min(2 * n - 1 - i)
        },
        _ => {
            let text = format!("Invalid padding mode ({mode}) passed to pad");
            return Err(PyValueError::new_err(text).into());
        }
    };
    let mut out = a.clone();
    for (axis, &(before, after)) in widths.iter().enumerate() {
        let n = a.shape()[axis] as isize;
        if before + after == 0 {
            continue;
        }
        if n == 0 {
            let text = format!("[pad] Cannot pad axis {axis} of size 0 in mode '{mode}'.");
            return Err(PyValueError::new_err(text).into());
        }
        let positions: Vec<i64> = (-before..n + after).map(|i| place(i, n) as i64).collect();
        let positions = Array::from_slice(&positions, &[positions.len()])?;
        out = ops::take(&out, &positions, Some(axis as isize))?;
    }
    Ok(out)
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "concatenate(arrays: list[array], axis: int | None = 0, *, \
         stream: StreamOrDevice = None) -> array",
        "Arrays one after the other along an axis; flattened for None.",
        concatenate,
    ),
    row(
        "stack(arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None) \
         -> array",
        "Arrays of one shape along a new axis.",
        |c| {
            let (arrays, axis): (Vec<Array>, Option<isize>) = (c.next()?, c.next()?);
            c.give(ops::stack(&arrays, axis.unwrap_or(0))?)
        },
    ),
    row(
        "unstack(x: array, /, *, axis: int = 0, stream: StreamOrDevice = None) \
         -> tuple[array, ...]",
        "The slices along an axis.",
        |c| {
            let (x, axis): (Array, isize) = (c.next()?, c.next()?);
            let axis = front("unstack", axis, x.ndim())?;
            let moved = ops::moveaxis(&x, axis as isize, 0)?;
            let slices = (0..x.shape()[axis] as isize).map(|i| moved.index(&[i.into()]));
            tuple(c.py, slices.collect::<Result<Vec<_>, _>>()?)
        },
    ),
    row(
        "split(a: array, /, indices_or_sections: int | Sequence[int], axis: int = 0, *, \
         stream: StreamOrDevice = None) -> list[array]",
        "An axis cut into equal parts, or before the given positions.",
        |c| {
            let (a, at): (Array, Bound<'_, PyAny>) = (c.next()?, c.next()?);
            let axis: isize = c.next()?;
            if let Ok(parts) = i32::convert(&at) {
                let Ok(parts) = usize::try_from(parts) else {
                    let text = format!(
                        "[split] num_splits must be positive and non-zero but got {parts}."
                    );
                    return Err(PyValueError::new_err(text).into());
                };
                return c.give(ops::split(&a, parts, axis)?);
            }
            let cuts = Integers::convert(&at)?.0;
            let axis = front("split", axis, a.ndim())?;
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let stops = cuts.iter().map(|&cut| Some(cut)).chain([None]);
            let parts = starts.zip(stops).map(|(start, stop)| part(&a, axis, start, stop));
            c.give(parts.collect::<Result<Vec<_>, _>>()?)
        },
    ),
    row(
        "tile(a: array, reps: int | Sequence[int], /, *, stream: StreamOrDevice = None) -> array",
        "The array repeated side by side.",
        |c| {
            let (a, reps): (Array, ShapeArgument) = (c.next()?, c.next()?);
            c.give(ops::tile(&a, &reps.of("broadcast_to")?)?)
        },
    ),
    row(
        "repeat(array: array, repeats: int, axis: int | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "Every element, or slice along an axis, repeated.",
        |c| {
            let (array, repeats): (Array, i32) = (c.next()?, c.next()?);
            let axis: Option<isize> = c.next()?;
            if let Some(axis) = axis {
                front("repeat", axis, array.ndim())?;
            }
            let Ok(repeats) = usize::try_from(repeats) else {
                let text = "[repeat] Number of repeats cannot be negative";
                return Err(PyValueError::new_err(text).into());
            };
            c.give(ops::repeat(&array, repeats, axis)?)
        },
    ),
    row(
        "roll(a: array, shift: int | tuple[int], axis: None | int | tuple[int] = None, /, *, \
         stream: StreamOrDevice = None) -> array",
        "Elements moved along axes, those that leave coming in at the other end.",
        |c| {
            let a: Array = c.next()?;
            let (shift, axes): (Bound<'_, PyAny>, AxesArgument) = (c.next()?, c.next()?);
            let one = i32::convert(&shift).map(|n| n as isize);
            let Some(axes) = axes.given() else {
                let total = match one {
                    Ok(n) => n,
                    Err(_) => Integers::convert(&shift)?.0.iter().sum(),
                };
                let flat = ops::reshape(&a, &[a.size() as isize])?;
                let shape: Vec<isize> = a.shape().iter().map(|&n| n as isize).collect();
                return c.give(ops::reshape(&roll(&flat, total, 0)?, &shape)?);
            };
            let shifts = match one {
                Ok(n) => vec![n; axes.len()],
                Err(_) => Integers::convert(&shift)?.0,
            };
            if shifts.len() < axes.len() {
                let text = format!(
                    "[roll] At least one shift value per axis is required, {} axes were given \
                     and {} shifts.",
                    axes.len(),
                    shifts.len()
                );
                return Err(PyValueError::new_err(text).into());
            }
            let mut out = a;
            for (&axis, &shift) in axes.iter().zip(&shifts) {
                let axis = front("roll", axis, out.ndim())?;
                out = roll(&out, shift, axis)?;
            }
            c.give(out)
        },
    ),
    row(
        "pad(a: array, pad_width: int | tuple[int] | tuple[int, int] | list[tuple[int, int]], \
         mode: Literal['constant', 'edge', 'reflect', 'symmetric'] = 'constant', \
         constant_values: scalar | array = 0, *, stream: StreamOrDevice = None) -> array",
        "Elements added before and after axes: a constant, or what lies at the edge.",
        |c| {
            let (a, width): (Array, Bound<'_, PyAny>) = (c.next()?, c.next()?);
            let (mode, value): (String, Number) = (c.next()?, c.next()?);
            c.give(pad(&a, &widths(&width, a.ndim())?, &mode, &value)?)
        },
    ),
    row(
        "meshgrid(*arrays: array, sparse: bool | None = False, indexing: str | None = 'xy', \
         stream: StreamOrDevice = None) -> tuple[array, ...]",
        "Coordinates of a grid from those along its axes.",
        |c| {
            let arrays: Vec<Array> = c.next()?;
            let (sparse, indexing): (bool, String) = (c.next()?, c.next()?);
            if indexing != "xy" && indexing != "ij" {
                let text = "[meshgrid] Invalid indexing value. Valid values are 'xy' and 'ij'.";
                return Err(PyValueError::new_err(text).into());
            }
            let n = arrays.len();
            let line = |(i, a): (usize, &Array)| {
                let mut shape = vec![1isize; n];
                shape[i] = -1;
                if indexing == "xy" && n > 1 {
                    shape.swap(0, 1);
                }
                ops::reshape(a, &shape)
            };
            let lines = arrays.iter().enumerate().map(line).collect::<Result<Vec<_>, _>>()?;
            let grid = if sparse { lines } else { ops::broadcast_arrays(&lines)? };
            tuple(c.py, grid)
        },
    ),
    row(
        "diff(a: array, /, n: int = 1, axis: int = -1, *, stream: StreamOrDevice = None) -> array",
        "Differences of neighbours along an axis, taken n times.",
        |c| {
            let (a, n, axis): (Array, i32, isize) = (c.next()?, c.next()?, c.next()?);
            let Ok(n) = usize::try_from(n) else {
                let text = format!("[diff] order must be non-negative but got {n}.");
                return Err(PyValueError::new_err(text).into());
            };
            let axis = front("diff", axis, a.ndim())?;
            let mut out = a;
            for _ in 0..n {
                let (later, earlier) = (part(&out, axis, 1, None)?, part(&out, axis, 0, Some(-1))?);
                out = if out.dtype() == Dtype::Bool {
                    ops::not_equal(&later, &earlier)?
                } else {
                    ops::subtract(&later, &earlier)?
                };
            }
            c.give(out)
        },
    ),
];
