//! Products of matrices and vectors.

use anymetal::ops::{broadcast_to, matmul, multiply, reshape, sum, transpose};
use anymetal::{Array, Dtype, Error, promote};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::argument::{Argument, Integers};
use crate::error::CallError;
use crate::function::{Row, row};

/// The axes of a tensor product: how many, or which of either array.
struct Contraction(Vec<isize>, Vec<isize>);

impl Contraction {
    fn convert(value: &Bound<'_, PyAny>, ndim: usize) -> Result<Self, CallError> {
        if let Ok(n) = i32::convert(value) {
            let Ok(n) = isize::try_from(n).and_then(|n| usize::try_from(n).map(|_| n)) else {
                let text = "[tensordot] axes must be non-negative.";
                return Err(PyValueError::new_err(text).into());
            };
            let ndim = ndim as isize;
            return Ok(Contraction((ndim - n..ndim).collect(), (0..n).collect()));
        }
        let pair: Vec<Bound<'_, PyAny>> = Vec::convert(value)?;
        let [a, b] = &pair[..] else {
            let text = "[tensordot] axes must be a list of two lists.";
            return Err(PyValueError::new_err(text).into());
        };
        Ok(Contraction(Integers::convert(a)?.0, Integers::convert(b)?.0))
    }
}

fn front(axes: &[isize], ndim: usize) -> Result<Vec<usize>, CallError> {
    let place = |&axis: &isize| {
        let i = if axis < 0 { axis + ndim as isize } else { axis };
        usize::try_from(i).ok().filter(|&i| i < ndim).ok_or_else(|| {
            let text = format!("[tensordot] Axis {axis} is out of bounds for {ndim} dimensions.");
            PyValueError::new_err(text).into()
        })
    };
    axes.iter().map(place).collect()
}

/// The sum of products over pairs of axes; the other axes of `a`, then those of `b`, are left.
fn tensordot(a: &Array, b: &Array, axes: &Contraction) -> Result<Array, CallError> {
    let (over_a, over_b) = (front(&axes.0, a.ndim())?, front(&axes.1, b.ndim())?);
    let sizes =
        |x: &Array, axes: &[usize]| -> Vec<usize> { axes.iter().map(|&i| x.shape()[i]).collect() };
    if sizes(a, &over_a) != sizes(b, &over_b) {
        return Err(PyValueError::new_err(
            "[tensordot] a and b must have the same shape on the \
                                          contracted axes.",
        )
        .into());
    }
    let kept = |x: &Array, over: &[usize]| -> Vec<usize> {
        (0..x.ndim()).filter(|i| !over.contains(i)).collect()
    };
    let (kept_a, kept_b) = (kept(a, &over_a), kept(b, &over_b));
    let inner: usize = sizes(a, &over_a).iter().product();
    let arrange = |x: &Array, first: &[usize], second: &[usize], shape: [usize; 2]| {
        let order: Vec<isize> = first.iter().chain(second).map(|&i| i as isize).collect();
        let x = if order.is_empty() { x.clone() } else { transpose(x, &order)? };
        reshape(&x, &shape.map(|n| n as isize))
    };
    let (rows, columns) = (sizes(a, &kept_a), sizes(b, &kept_b));
    let left = arrange(a, &kept_a, &over_a, [rows.iter().product(), inner])?;
    let right = arrange(b, &over_b, &kept_b, [inner, columns.iter().product()])?;
    let shape: Vec<isize> = rows.iter().chain(&columns).map(|&n| n as isize).collect();
    Ok(reshape(&matmul(&left, &right)?, &shape)?)
}

/// The outer product of two arrays seen as vectors.
fn outer(a: &Array, b: &Array) -> Result<Array, Error> {
    multiply(&reshape(a, &[-1, 1])?, &reshape(b, &[1, -1])?)
}

/// Blocks of `b`, one for every element of `a`.
fn kron(a: &Array, b: &Array) -> Result<Array, Error> {
    let n = a.ndim().max(b.ndim());
    let long = |x: &Array| [vec![1; n - x.ndim()], x.shape().to_vec()].concat();
    let (shape_a, shape_b) = (long(a), long(b));
    let pairs = |first: &[usize], second: &[usize]| -> Vec<isize> {
        first.iter().zip(second).flat_map(|(&p, &q)| [p as isize, q as isize]).collect()
    };
    let ones = vec![1; n];
    let product =
        multiply(&reshape(a, &pairs(&shape_a, &ones))?, &reshape(b, &pairs(&ones, &shape_b))?)?;
    let shape: Vec<isize> = shape_a.iter().zip(&shape_b).map(|(p, q)| (p * q) as isize).collect();
    reshape(&product, &shape)
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "matmul(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array",
        "The matrix product of the last two axes; the others are broadcast.",
        |c| {
            let (a, b): (Array, Array) = (c.next()?, c.next()?);
            c.give(matmul(&a, &b)?)
        },
    ),
    row(
        "addmm(c: array, a: array, b: array, /, alpha: float = 1.0, beta: float = 1.0, *, \
         stream: StreamOrDevice = None) -> array",
        "beta * c + alpha * (a @ b).",
        |k| {
            let (c, a, b): (Array, Array, Array) = (k.next()?, k.next()?, k.next()?);
            let (alpha, beta): (f32, f32) = (k.next()?, k.next()?);
            let dtype = promote(promote(a.dtype(), b.dtype()), c.dtype());
            let product = matmul(&a.astype(dtype)?, &b.astype(dtype)?)?;
            let c = broadcast_to(&c.astype(dtype)?, product.shape())?;
            let scaled = |x: Array, by: f32| if by == 1.0 { Ok(x) } else { multiply(&x, by) };
            k.give(anymetal::ops::add(&scaled(product, alpha)?, &scaled(c, beta)?)?)
        },
    ),
    row(
        "inner(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array",
        "Sums of products over the last axes.",
        |c| {
            let (a, b): (Array, Array) = (c.next()?, c.next()?);
            if a.ndim() == 0 || b.ndim() == 0 {
                return c.give(multiply(&a, &b)?);
            }
            if a.dim(-1) != b.dim(-1) {
                let text = "[inner] a and b must have the same last dimension.";
                return Err(PyValueError::new_err(text).into());
            }
            c.give(tensordot(&a, &b, &Contraction(vec![-1], vec![-1]))?)
        },
    ),
    row(
        "outer(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array",
        "Products of every pair of elements.",
        |c| {
            let (a, b): (Array, Array) = (c.next()?, c.next()?);
            c.give(outer(&a, &b)?)
        },
    ),
    row(
        "tensordot(a: array, b: array, /, axes: int | list[Sequence[int]] = 2, *, \
         stream: StreamOrDevice = None) -> array",
        "Sums of products over pairs of axes.",
        |c| {
            let (a, b): (Array, Array) = (c.next()?, c.next()?);
            let axes: Bound<'_, PyAny> = c.next()?;
            let axes = Contraction::convert(&axes, a.ndim())?;
            c.give(tensordot(&a, &b, &axes)?)
        },
    ),
    row(
        "kron(a: array, b: array, *, stream: StreamOrDevice = None) -> array",
        "The Kronecker product.",
        |c| {
            let (a, b): (Array, Array) = (c.next()?, c.next()?);
            if a.size() == 0 || b.size() == 0 {
                let text = "[kron] Input arrays cannot be empty.";
                return Err(PyValueError::new_err(text).into());
            }
            c.give(kron(&a, &b)?)
        },
    ),
    row(
        "trace(a: array, /, offset: int = 0, axis1: int = 0, axis2: int = 1, \
         dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array",
        "The sum of a diagonal.",
        |c| {
            let a: Array = c.next()?;
            let (offset, axis1, axis2) = (c.next()?, c.next()?, c.next()?);
            let dtype: Option<Dtype> = c.next()?;
            let line = super::shape::diagonal(&a, offset, axis1, axis2)?;
            let line = line.astype(dtype.unwrap_or(a.dtype()))?;
            let total = sum(&line, -1, false)?;
            c.give(total.astype(dtype.unwrap_or(total.dtype()))?)
        },
    ),
];
