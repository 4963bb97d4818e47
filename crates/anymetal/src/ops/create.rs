//! Arrays from numbers.

use super::{broadcast_to, check_size, equal, expand_dims, greater_equal, multiply, select};
use crate::array::dtype::Scalar;
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype};

/// A 0-d array of the number's own dtype (see [`Scalar::dtype`]).
pub fn scalar(value: impl Into<Scalar>) -> Array {
    let value = value.into();
    match value {
        Scalar::Bool(v) => Array::from_element(v),
        Scalar::Int(v) => match i32::try_from(v) {
            Ok(v) => Array::from_element(v),
            Err(_) => Array::from_element(v),
        },
        Scalar::Float(v) => Array::from_element(v as f32),
        Scalar::Complex(v) => Array::from_element(v),
    }
}

/// A 0-d array of a number converted to a dtype.
pub(crate) fn scalar_as(value: Scalar, dtype: Dtype) -> Result<Array> {
    match (value, dtype) {
        // Not through float32, which would lose digits.
        (Scalar::Float(v), Dtype::F64) => Ok(Array::from_element(v)),
        _ => scalar(value).astype(dtype),
    }
}

/// An array with every element the same number, converted to `dtype`. Takes no memory beyond one
/// element until it is written or exported.
///
/// # Errors
/// A shape whose size overflows.
pub fn full(shape: &[usize], value: impl Into<Scalar>, dtype: Dtype) -> Result<Array> {
    let one = scalar_as(value.into(), dtype)?;
    check_size("full", shape)?;
    broadcast_to(&one, shape)
}

/// An array of zeros.
///
/// # Errors
/// A shape whose size overflows.
pub fn zeros(shape: &[usize], dtype: Dtype) -> Result<Array> {
    full(shape, 0i64, dtype)
}

/// An array of ones.
///
/// # Errors
/// A shape whose size overflows.
pub fn ones(shape: &[usize], dtype: Dtype) -> Result<Array> {
    full(shape, 1i64, dtype)
}

/// Zeros of an array's shape and dtype.
pub fn zeros_like(x: &Array) -> Array {
    like(x, 0)
}

/// Ones of an array's shape and dtype.
pub fn ones_like(x: &Array) -> Array {
    like(x, 1)
}

/// The numbers `start`, `start + step`, .. before `stop`.
///
/// # Errors
/// A step of zero, limits that are not finite, or too many elements.
pub fn arange(start: f64, stop: f64, step: f64, dtype: Dtype) -> Result<Array> {
    if step == 0.0 {
        return Err(Error::value("arange", "step must be nonzero."));
    }
    if !((stop - start) / step).is_finite() {
        return Err(Error::value("arange", "Cannot compute length."));
    }
    let n = ((stop - start) / step).ceil().max(0.0);
    if n >= i32::MAX as f64 {
        return Err(Error::value("arange", "Maximum size exceeded."));
    }
    if dtype == Dtype::Bool {
        let message = "bool not supported for arange.";
        return Err(Error::dtype("arange", message, &[dtype]));
    }
    Ok(Array::record(Arange { start, step }, [], [n as usize].as_slice(), dtype))
}

/// `count` numbers from `start` to `stop`, both included, at equal distances.
///
/// # Errors
/// As [`arange`].
pub fn linspace(start: f64, stop: f64, count: usize, dtype: Dtype) -> Result<Array> {
    if count == 1 {
        return full(&[1], start, dtype);
    }
    let steps = arange(0.0, count as f64, 1.0, Dtype::F64)?;
    let t = multiply(&steps, 1.0 / (count.max(2) - 1) as f64)?;
    let (from, to) = (full(&[], start, Dtype::F64)?, full(&[], stop, Dtype::F64)?);
    let one = full(&[], 1.0, Dtype::F64)?;
    let rest = super::subtract(&one, &t)?;
    super::add(&multiply(&rest, &from)?, &multiply(&t, &to)?)?.astype(dtype)
}

/// A matrix with ones on its `k`-th diagonal.
///
/// # Errors
/// As [`arange`].
pub fn eye(rows: usize, columns: usize, k: isize, dtype: Dtype) -> Result<Array> {
    let (i, j) = indices(rows, columns, k)?;
    equal(&i, &j)?.astype(dtype)
}

/// A matrix with ones on and below its `k`-th diagonal.
///
/// # Errors
/// As [`arange`].
pub fn tri(rows: usize, columns: usize, k: isize, dtype: Dtype) -> Result<Array> {
    let (i, j) = indices(rows, columns, k)?;
    greater_equal(&i, &j)?.astype(dtype)
}

/// The lower triangle of the last two axes, zero above the `k`-th diagonal.
///
/// # Errors
/// Fewer than two axes.
pub fn tril(x: &Array, k: isize) -> Result<Array> {
    triangle("tril", x, k, true)
}

/// The upper triangle of the last two axes, zero below the `k`-th diagonal.
///
/// # Errors
/// Fewer than two axes.
pub fn triu(x: &Array, k: isize) -> Result<Array> {
    triangle("triu", x, k - 1, false)
}

fn triangle(op: &'static str, x: &Array, k: isize, lower: bool) -> Result<Array> {
    let [.., rows, columns] = *x.shape() else {
        return Err(Error::shape(op, "array must be at least 2-D.", &[x.shape()]));
    };
    let mask = tri(rows, columns, k, Dtype::Bool)?;
    let zeros = zeros_like(x);
    if lower { select(&mask, x, &zeros) } else { select(&mask, &zeros, x) }
}

/// Row numbers plus `k` as a column and column numbers as a row.
fn indices(rows: usize, columns: usize, k: isize) -> Result<(Array, Array)> {
    let k = k as f64;
    let i = arange(k, rows as f64 + k, 1.0, Dtype::I64)?;
    let j = arange(0.0, columns as f64, 1.0, Dtype::I64)?;
    Ok((expand_dims(&i, &[1])?, expand_dims(&j, &[0])?))
}

fn like(x: &Array, value: i64) -> Array {
    match full(x.shape(), value, x.dtype()) {
        Ok(array) => array,
        Err(_) => unreachable!("a shape that exists does not overflow"),
    }
}

#[derive(Debug)]
struct Arange {
    start: f64,
    step: f64,
}

impl Operation for Arange {
    fn name(&self) -> &str {
        "arange"
    }

    fn infer(&self, _: &[Array]) -> Result<Vec<Spec>> {
        Err(Error::runtime("arange", "has no inputs to infer from"))
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Arange { start: self.start, step: self.step })
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(Vec::new())
    }

    fn jvp(&self, _: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(vec![None]))
    }
}

impl Array {
    /// [`zeros`] in `float32`.
    ///
    /// # Errors
    /// As there.
    pub fn zeros(shape: &[usize]) -> Result<Array> {
        zeros(shape, Dtype::F32)
    }

    /// [`ones`] in `float32`.
    ///
    /// # Errors
    /// As there.
    pub fn ones(shape: &[usize]) -> Result<Array> {
        ones(shape, Dtype::F32)
    }

    /// A 0-d array.
    pub fn scalar(value: impl Into<Scalar>) -> Array {
        scalar(value)
    }
}
