//! `linalg`: what of it comes down to other operations.

use anymetal::ops::{self, Axes};
use anymetal::{Array, Dtype};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::argument::{Argument, AxesArgument};
use crate::error::CallError;
use crate::function::{Row, row};

/// What kind of norm.
enum Order {
    Default,
    Number(f64),
    Name(String),
}

impl<'py> Argument<'py> for Order {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() {
            return Ok(Order::Default);
        }
        match String::convert(value) {
            Ok(name) => Ok(Order::Name(name)),
            Err(_) => f64::convert(value).map(Order::Number),
        }
    }
}

/// The root of the sum of squared magnitudes.
fn euclidean(a: &Array, axes: &[isize], keepdims: bool) -> Result<Array, CallError> {
    let squares = ops::square(&ops::abs(a)?)?;
    Ok(ops::sqrt(&ops::sum(&squares, axes, keepdims)?)?)
}

fn vector_norm(a: &Array, axis: isize, order: f64, keepdims: bool) -> Result<Array, CallError> {
    if order == 2.0 {
        return euclidean(a, &[axis], keepdims);
    }
    let dtype = magnitude(a.dtype());
    let size = ops::abs(a)?.astype(dtype)?;
    let norm = if order == 0.0 {
        ops::sum(&ops::not_equal(a, 0i64)?.astype(dtype)?, axis, keepdims)?
    } else if order == 1.0 {
        ops::sum(&size, axis, keepdims)?
    } else if order == f64::INFINITY {
        ops::max(&size, axis, keepdims)?
    } else if order == f64::NEG_INFINITY {
        ops::min(&size, axis, keepdims)?
    } else {
        let total = ops::sum(&ops::power(&size, order)?, axis, keepdims)?;
        ops::power(&total, 1.0 / order)?
    };
    Ok(norm.astype(of_norm(a.dtype()))?)
}

/// The dtype in which elements are measured.
fn magnitude(dtype: Dtype) -> Dtype {
    if dtype.is_float() { dtype } else { Dtype::F32 }
}

/// The dtype of norms other than the Euclidean: MLX keeps complex ones.
fn of_norm(dtype: Dtype) -> Dtype {
    if dtype == Dtype::Complex64 { dtype } else { magnitude(dtype) }
}

/// Norms of matrices that are sums; those by singular values are not here.
fn matrix_norm(
    a: &Array,
    axes: (isize, isize),
    order: f64,
    keepdims: bool,
) -> Result<Array, CallError> {
    let dtype = magnitude(a.dtype());
    let (rows, columns) = axes;
    let (over, then) = if order.abs() == 1.0 { (rows, columns) } else { (columns, rows) };
    if order.abs() == 2.0 {
        let text = "[linalg::norm] Norms by singular values are not in anymetal yet.";
        return Err(PyValueError::new_err(text).into());
    }
    if order.abs() != 1.0 && !order.is_infinite() {
        let text = format!("[linalg::norm] Invalid ord {order} for matrix norm.");
        return Err(PyValueError::new_err(text).into());
    }
    let sums = ops::sum(&ops::abs(a)?.astype(dtype)?, over, true)?;
    let norm = match order > 0.0 {
        true => ops::max(&sums, then, true)?,
        false => ops::min(&sums, then, true)?,
    };
    let norm = norm.astype(of_norm(a.dtype()))?;
    Ok(if keepdims { norm } else { ops::squeeze(&norm, Axes::from(&[rows, columns]))? })
}

fn norm(a: &Array, order: &Order, axes: &AxesArgument, keepdims: bool) -> Result<Array, CallError> {
    let all: Vec<isize> = (0..a.ndim() as isize).collect();
    let given = axes.given();
    let axes = given.unwrap_or(&all);
    let order = match order {
        // As a vector, whatever the shape.
        Order::Default if given.is_none() => return euclidean(a, &all, keepdims),
        Order::Default if axes.len() <= 2 => return euclidean(a, axes, keepdims),
        Order::Default => {
            let text = "[linalg::norm] Received too many axes for norm.";
            return Err(PyValueError::new_err(text).into());
        }
        Order::Name(name) => {
            let text = match (axes.len(), name.as_str()) {
                (2, "f" | "fro") => return euclidean(a, axes, keepdims),
                (2, "nuc") => {
                    "[linalg::norm] Norms by singular values are not in anymetal yet.".to_string()
                }
                (2, _) => {
                    format!("[linalg::norm] Invalid ord value '{name}' for matrix norm.")
                }
                (n, _) => format!(
                    "[linalg::norm] Norm '{name}' only supported for matrices, but received {n} \
                     axis/axes."
                ),
            };
            return Err(PyValueError::new_err(text).into());
        }
        Order::Number(order) => *order,
    };
    match *axes {
        [axis] => vector_norm(a, axis, order, keepdims),
        [rows, columns] => matrix_norm(a, (rows, columns), order, keepdims),
        _ => {
            let text = "[linalg::norm] Received too many axes for norm.";
            Err(PyValueError::new_err(text).into())
        }
    }
}

/// The cross product of vectors of three elements along an axis, or two with a third of 0.
fn cross(a: &Array, b: &Array, axis: isize) -> Result<Array, CallError> {
    let sizes = (a.dim(axis), b.dim(axis));
    let (Some(2 | 3), Some(2 | 3)) = sizes else {
        let text = "[linalg::cross] The specified axis must have size 2 or 3.";
        return Err(PyValueError::new_err(text).into());
    };
    let parts = |x: &Array| -> Result<Vec<Array>, CallError> {
        let n = x.dim(axis).unwrap_or(0);
        let mut parts = ops::split(x, n, axis)?;
        if n == 2 {
            parts.push(ops::zeros_like(&parts[0]));
        }
        Ok(parts)
    };
    let (a, b) = (parts(a)?, parts(b)?);
    let component = |i: usize, j: usize| -> Result<Array, CallError> {
        Ok(ops::subtract(&ops::multiply(&a[i], &b[j])?, &ops::multiply(&a[j], &b[i])?)?)
    };
    Ok(ops::concatenate(&[component(1, 2)?, component(2, 0)?, component(0, 1)?], axis)?)
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "norm(a: array, /, ord: None | int | float | str = None, \
         axis: None | int | list[int] = None, keepdims: bool = False, *, \
         stream: StreamOrDevice = None) -> array",
        "Norms of vectors and matrices, except those by singular values.",
        |c| {
            let (a, order): (Array, Order) = (c.next()?, c.next()?);
            let (axes, keepdims): (AxesArgument, bool) = (c.next()?, c.next()?);
            c.give(norm(&a, &order, &axes, keepdims)?)
        },
    ),
    row(
        "cross(a: array, b: array, axis: int = -1, *, stream: StreamOrDevice = None) -> array",
        "The cross product of vectors along an axis.",
        |c| {
            let (a, b, axis): (Array, Array, isize) = (c.next()?, c.next()?, c.next()?);
            c.give(cross(&a, &b, axis)?)
        },
    ),
];
