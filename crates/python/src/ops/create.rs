//! New arrays from numbers.

use anymetal::{Array, Dtype, Scalar, ops, promote};
use pyo3::exceptions::PyValueError;

use crate::argument::{Number, ShapeArgument, check_fits};
use crate::error::CallError;
use crate::function::{Call, Row, row};

/// The same number in every place: `zeros`, `ones` and their kin.
fn filled<'py>(c: &mut Call<'_, 'py>, op: &str, value: i64) -> Result<Array, CallError> {
    let shape = c.next::<ShapeArgument>()?.of(op)?;
    let dtype: Option<Dtype> = c.next()?;
    Ok(ops::full(&shape, value, dtype.unwrap_or(Dtype::F32))?)
}

fn filled_like(c: &mut Call<'_, '_>, value: i64) -> Result<Array, CallError> {
    let (a, dtype): (Array, Option<Dtype>) = (c.next()?, c.next()?);
    Ok(ops::full(a.shape(), value, dtype.unwrap_or(a.dtype()))?)
}

/// A number or array in every place; the dtype is the value's own if none is asked for.
fn full_of(shape: &[usize], value: Number, dtype: Option<Dtype>) -> Result<Array, CallError> {
    if let Some(dtype) = dtype {
        check_fits(&value, dtype)?;
    }
    match value {
        Number::Scalar(value) => Ok(ops::full(shape, value, dtype.unwrap_or(value.dtype()))?),
        Number::Array(value) => {
            let value = value.astype(dtype.unwrap_or(value.dtype()))?;
            Ok(ops::broadcast_to(&value, shape)?)
        }
    }
}

/// Rows, columns and diagonal of a matrix.
fn matrix(c: &mut Call<'_, '_>, op: &str) -> Result<(usize, usize, isize), CallError> {
    let (n, m, k): (i32, Option<i32>, i32) = (c.next()?, c.next()?, c.next()?);
    let negative = || PyValueError::new_err(format!("[{op}] N and M must be positive integers."));
    let size = |n: i32| usize::try_from(n).map_err(|_| negative());
    Ok((size(n)?, size(m.unwrap_or(n))?, k as isize))
}

fn as_f64(scalar: Scalar) -> Result<f64, CallError> {
    match scalar {
        Scalar::Bool(b) => Ok(f64::from(u8::from(b))),
        Scalar::Int(v) => Ok(v as f64),
        Scalar::Float(v) => Ok(v),
        Scalar::Complex(_) => Err(CallError::Misfit),
    }
}

/// `arange` with the limits that were given; without a dtype the numbers decide.
fn range(
    start: Option<Scalar>,
    stop: Scalar,
    step: Option<Scalar>,
    dtype: Option<Dtype>,
) -> Result<Array, CallError> {
    let given = [start, Some(stop), step].into_iter().flatten();
    let natural = given.map(Scalar::dtype).reduce(promote).unwrap_or(Dtype::I32);
    let dtype = dtype.unwrap_or(natural);
    if dtype == Dtype::Bool {
        return Err(PyValueError::new_err("bool not supported for arange.").into());
    }
    let start = start.map_or(Ok(0.0), as_f64)?;
    let step = step.map_or(Ok(1.0), as_f64)?;
    Ok(ops::arange(start, as_f64(stop)?, step, dtype)?)
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "zeros(shape: int | Sequence[int], dtype: Dtype | None = float32, *, \
         stream: StreamOrDevice = None) -> array",
        "An array of zeros.",
        |c| {
            let array = filled(c, "full", 0)?;
            c.give(array)
        },
    ),
    row(
        "ones(shape: int | Sequence[int], dtype: Dtype | None = float32, *, \
         stream: StreamOrDevice = None) -> array",
        "An array of ones.",
        |c| {
            let array = filled(c, "full", 1)?;
            c.give(array)
        },
    ),
    row(
        "empty(shape: int | Sequence[int], dtype: Dtype | None = float32, *, \
         stream: StreamOrDevice = None) -> array",
        "An array whose values do not matter: zeros.",
        |c| {
            let array = filled(c, "full", 0)?;
            c.give(array)
        },
    ),
    row(
        "zeros_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) \
         -> array",
        "Zeros of the array's shape and dtype.",
        |c| {
            let array = filled_like(c, 0)?;
            c.give(array)
        },
    ),
    row(
        "ones_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) \
         -> array",
        "Ones of the array's shape and dtype.",
        |c| {
            let array = filled_like(c, 1)?;
            c.give(array)
        },
    ),
    row(
        "empty_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) \
         -> array",
        "An array of the same shape and dtype whose values do not matter: zeros.",
        |c| {
            let array = filled_like(c, 0)?;
            c.give(array)
        },
    ),
    row(
        "full(shape: int | Sequence[int], vals: scalar | array, dtype: Dtype | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "A value, broadcast to the shape; its own dtype unless another is given.",
        |c| {
            let shape = c.next::<ShapeArgument>()?.of("full")?;
            let (value, dtype) = (c.next()?, c.next()?);
            c.give(full_of(&shape, value, dtype)?)
        },
    ),
    row(
        "full_like(a: array, vals: scalar | array, dtype: Dtype | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "A value in an array of the same shape and dtype.",
        |c| {
            let (a, value): (Array, Number) = (c.next()?, c.next()?);
            let dtype: Option<Dtype> = c.next()?;
            c.give(full_of(a.shape(), value, Some(dtype.unwrap_or(a.dtype())))?)
        },
    ),
    row(
        "arange(start: int | float, stop: None | int | float, step: None | int | float = None, \
         dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array\n\
         arange(stop: int | float, step: None | int | float = None, dtype: Dtype | None = None, \
         *, stream: StreamOrDevice = None) -> array",
        "start, start + step, .. before stop; int32 or int64 for whole numbers, else float32.",
        |c| {
            let first: Scalar = c.next()?;
            let stop: Option<Scalar> = if c.form == 0 { c.next()? } else { None };
            let (step, dtype) = (c.next()?, c.next()?);
            c.give(match stop {
                Some(stop) => range(Some(first), stop, step, dtype)?,
                None => range(None, first, step, dtype)?,
            })
        },
    ),
    row(
        "linspace(start: scalar, stop: scalar, num: int | None = 50, endpoint: bool = True, \
         dtype: Dtype | None = float32, stream: StreamOrDevice = None) -> array",
        "num numbers at equal distances from start to stop, which is included or not.",
        |c| {
            let (start, stop): (f64, f64) = (c.next()?, c.next()?);
            let (num, endpoint): (i32, bool) = (c.next()?, c.next()?);
            let dtype: Option<Dtype> = c.next()?;
            let dtype = dtype.unwrap_or(Dtype::F32);
            let Ok(n) = usize::try_from(num) else {
                return Err(PyValueError::new_err(format!(
                    "[linspace] number of samples, {num}, must be non-negative."
                ))
                .into());
            };
            if endpoint || n == 0 {
                return c.give(ops::linspace(start, stop, n, dtype)?);
            }
            let longer = ops::linspace(start, stop, n + 1, dtype)?;
            c.give(ops::slice(&longer, &[0], &[n as isize], &[1])?)
        },
    ),
    row(
        "eye(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = float32, *, \
         stream: StreamOrDevice = None) -> array",
        "A matrix with ones on its k-th diagonal.",
        |c| {
            let (n, m, k) = matrix(c, "eye")?;
            let dtype: Option<Dtype> = c.next()?;
            c.give(ops::eye(n, m, k, dtype.unwrap_or(Dtype::F32))?)
        },
    ),
    row(
        "identity(n: int, dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) \
         -> array",
        "The identity matrix.",
        |c| {
            let (n, dtype): (i32, Option<Dtype>) = (c.next()?, c.next()?);
            let Ok(n) = usize::try_from(n) else {
                let text = "[eye] N and M must be positive integers.";
                return Err(PyValueError::new_err(text).into());
            };
            c.give(ops::eye(n, n, 0, dtype.unwrap_or(Dtype::F32))?)
        },
    ),
    row(
        "tri(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = None, *, \
         stream: StreamOrDevice = None) -> array",
        "A matrix with ones on and below its k-th diagonal.",
        |c| {
            let (n, m, k) = matrix(c, "tri")?;
            let dtype: Option<Dtype> = c.next()?;
            c.give(ops::tri(n, m, k, dtype.unwrap_or(Dtype::F32))?)
        },
    ),
    row(
        "tril(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array",
        "The lower triangle, zero above the k-th diagonal.",
        |c| {
            let (x, k): (Array, i32) = (c.next()?, c.next()?);
            c.give(ops::tril(&x, k as isize)?)
        },
    ),
    row(
        "triu(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array",
        "The upper triangle, zero below the k-th diagonal.",
        |c| {
            let (x, k): (Array, i32) = (c.next()?, c.next()?);
            c.give(ops::triu(&x, k as isize)?)
        },
    ),
];
