//! `random`: draws from MLX's generator.

use std::f64::consts::SQRT_2;

use anymetal::ops::{self, Operand};
use anymetal::random::{self, Normal};
use anymetal::{Array, Dtype};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

use crate::argument::{Argument, Number, Sizes};
use crate::error::CallError;
use crate::evaluation::computed;
use crate::function::{Call, Row, row};

/// Sizes and dtype of what is drawn.
fn drawn(c: &mut Call<'_, '_>, default: Dtype) -> Result<(Vec<usize>, Dtype), CallError> {
    let (shape, dtype): (Sizes, Option<Dtype>) = (c.next()?, c.next()?);
    Ok((shape.of("bits")?, dtype.unwrap_or(default)))
}

/// The given shape, or what arrays broadcast to.
fn shape_or_common(shape: Option<Sizes>, arrays: &[&Array]) -> Result<Vec<usize>, CallError> {
    match shape {
        Some(shape) => shape.of("bits"),
        None => {
            let arrays: Vec<Array> = arrays.iter().map(|&a| a.clone()).collect();
            let together = ops::broadcast_arrays(&arrays)?;
            Ok(together.first().map_or(vec![], |a| a.shape().to_vec()))
        }
    }
}

fn gumbel(shape: &[usize], dtype: Dtype, key: Option<&Array>) -> Result<Array, CallError> {
    let unit = random::uniform(0i64, 1i64, shape, dtype, key)?;
    Ok(ops::negative(&ops::log(&ops::negative(&ops::log(&unit)?)?)?)?)
}

/// The Laplace distribution by its inverse distribution function.
fn laplace(
    shape: &[usize],
    dtype: Dtype,
    (loc, scale): (f64, f64),
    key: Option<&Array>,
) -> Result<Array, CallError> {
    if !dtype.is_float() {
        let text = "[laplace] Only real floating point types are supported.";
        return Err(PyValueError::new_err(text).into());
    }
    // From the next number above -1, so that the logarithm stays finite.
    let below_one = 1.0 - f64::powi(2.0, -24);
    let u = random::uniform(-below_one, 1i64, shape, Dtype::F32, key)?;
    let size = ops::log1p(&ops::negative(&ops::abs(&u)?)?)?;
    let mut x = ops::multiply(&ops::sign(&u)?, &size)?.astype(dtype)?;
    if scale != 1.0 {
        x = ops::multiply(&x, scale)?;
    }
    Ok(if loc == 0.0 { x } else { ops::add(&x, loc)? })
}

/// The normal distribution between two limits, by its inverse distribution function.
fn truncated_normal(
    low: &Array,
    high: &Array,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array, CallError> {
    let (low, high) = (low.astype(dtype)?, high.astype(dtype)?);
    let root = ops::full(&[], SQRT_2, dtype)?;
    let (from, to) =
        (ops::erf(&ops::divide(&low, &root)?)?, ops::erf(&ops::divide(&high, &root)?)?);
    let u = random::uniform(&from, &to, shape, dtype, key)?;
    let x = ops::multiply(&root, &ops::erfinv(&u)?)?;
    Ok(ops::clip(&x, Some(Operand::Array(&low)), Some(Operand::Array(&high)))?)
}

/// Samples of categories along `axis`, by the largest of noisy logits.
fn categorical(
    logits: &Array,
    axis: usize,
    shape: &[usize],
    key: Option<&Array>,
) -> Result<Array, CallError> {
    let at = axis + shape.len() + 1 - logits.ndim();
    let mut noisy = shape.to_vec();
    noisy.insert(at, logits.shape()[axis]);
    let noise = gumbel(&noisy, Dtype::F32, key)?;
    Ok(ops::argmax(&ops::add(&noise, logits)?, Some(at as isize), false)?)
}

/// The numbers before `n` in random order. The order is found at once.
fn permutation(n: usize, key: Option<&Array>) -> Result<Array, CallError> {
    let bits = random::bits(&[n], 4, key)?;
    computed(&bits)?;
    let bits = bits.to_vec::<u32>()?;
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_by_key(|&i| bits[i as usize]);
    Ok(Array::from_slice(&order, &[n])?)
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row("seed(seed: int) -> None", "Sets this thread's state of draws without a key.", |c| {
        random::seed(c.next()?);
        c.give(())
    }),
    row("key(seed: int) -> array", "The key of a seed.", |c| {
        let seed: u64 = c.next()?;
        c.give(random::key(seed)?)
    }),
    row(
        "split(key: array, num: int = 2, stream: StreamOrDevice = None) -> array",
        "Independent keys made from one.",
        |c| {
            let (key, num): (Array, usize) = (c.next()?, c.next()?);
            c.give(random::split(&key, num)?)
        },
    ),
    row(
        "uniform(low: scalar | array = 0, high: scalar | array = 1, shape: Sequence[int] = [], \
         dtype: Dtype | None = float32, key: array | None = None, \
         stream: StreamOrDevice = None) -> array",
        "Numbers evenly distributed over low <= x < high.",
        |c| {
            let (low, high): (Number, Number) = (c.next()?, c.next()?);
            let (shape, dtype) = drawn(c, Dtype::F32)?;
            let key: Option<Array> = c.next()?;
            let (low, high) = (low.operand(), high.operand());
            c.give(random::uniform(low, high, &shape, dtype, key.as_ref())?)
        },
    ),
    row(
        "normal(shape: Sequence[int] = [], dtype: Dtype | None = float32, \
         loc: scalar | array | None = None, scale: scalar | array | None = None, \
         key: array | None = None, stream: StreamOrDevice = None) -> array",
        "Normally distributed numbers of mean loc and standard deviation scale.",
        |c| {
            let (shape, dtype) = drawn(c, Dtype::F32)?;
            let (loc, scale): (Option<Number>, Option<Number>) = (c.next()?, c.next()?);
            let key: Option<Array> = c.next()?;
            let options = Normal {
                loc: loc.as_ref().map(Number::operand),
                scale: scale.as_ref().map(Number::operand),
                key: key.as_ref(),
            };
            c.give(random::normal_with(&shape, dtype, options)?)
        },
    ),
    row(
        "randint(low: scalar | array, high: scalar | array, shape: Sequence[int] = [], \
         dtype: Dtype | None = int32, key: array | None = None, \
         stream: StreamOrDevice = None) -> array",
        "Whole numbers evenly distributed over low <= x < high.",
        |c| {
            let (low, high): (Number, Number) = (c.next()?, c.next()?);
            let (shape, dtype) = drawn(c, Dtype::I32)?;
            let key: Option<Array> = c.next()?;
            let (low, high) = (low.operand(), high.operand());
            c.give(random::randint(low, high, &shape, dtype, key.as_ref())?)
        },
    ),
    row(
        "bernoulli(p: scalar | array = 0.5, shape: Sequence[int] | None = None, \
         key: array | None = None, stream: StreamOrDevice = None) -> array",
        "True with probability p.",
        |c| {
            let (p, shape): (Number, Option<Sizes>) = (c.next()?, c.next()?);
            let key: Option<Array> = c.next()?;
            let p = p.into_array();
            if !p.dtype().is_float() {
                let text = "[bernoulli] bernoulli probability `p` must be a float type.";
                return Err(PyValueError::new_err(text).into());
            }
            let shape = shape_or_common(shape, &[&p])?;
            let p = ops::broadcast_to(&p, &shape)?;
            let draws = random::uniform(0i64, 1i64, &shape, Dtype::F32, key.as_ref())?;
            c.give(ops::less(&draws, &p)?)
        },
    ),
    row(
        "gumbel(shape: Sequence[int] = [], dtype: Dtype | None = float32, \
         key: array | None = None, stream: StreamOrDevice = None) -> array",
        "Draws from the standard Gumbel distribution.",
        |c| {
            let (shape, dtype) = drawn(c, Dtype::F32)?;
            let key: Option<Array> = c.next()?;
            c.give(gumbel(&shape, dtype, key.as_ref())?)
        },
    ),
    row(
        "laplace(shape: Sequence[int] = [], dtype: Dtype | None = float32, loc: float = 0.0, \
         scale: float = 1.0, key: array | None = None, stream: StreamOrDevice = None) -> array",
        "Draws from the Laplace distribution.",
        |c| {
            let (shape, dtype) = drawn(c, Dtype::F32)?;
            let at = (c.next()?, c.next()?);
            let key: Option<Array> = c.next()?;
            c.give(laplace(&shape, dtype, at, key.as_ref())?)
        },
    ),
    row(
        "truncated_normal(lower: scalar | array, upper: scalar | array, \
         shape: Sequence[int] | None = None, dtype: Dtype | None = float32, \
         key: array | None = None, stream: StreamOrDevice = None) -> array",
        "Normally distributed numbers between two limits.",
        |c| {
            let (low, high): (Number, Number) = (c.next()?, c.next()?);
            let (shape, dtype): (Option<Sizes>, Option<Dtype>) = (c.next()?, c.next()?);
            let key: Option<Array> = c.next()?;
            let (low, high) = (low.into_array(), high.into_array());
            let shape = shape_or_common(shape, &[&low, &high])?;
            let dtype = dtype.unwrap_or(Dtype::F32);
            c.give(truncated_normal(&low, &high, &shape, dtype, key.as_ref())?)
        },
    ),
    row(
        "categorical(logits: array, axis: int = -1, shape: Sequence[int] | None = None, \
         num_samples: int | None = None, key: array | None = None, \
         stream: StreamOrDevice = None) -> array",
        "Categories along an axis, drawn with probabilities softmax(logits), as uint32.",
        |c| {
            let (logits, axis): (Array, isize) = (c.next()?, c.next()?);
            let (shape, samples): (Option<Sizes>, Option<usize>) = (c.next()?, c.next()?);
            let key: Option<Array> = c.next()?;
            let ndim = logits.ndim();
            let front = if axis < 0 { axis + ndim as isize } else { axis };
            let Some(front) = usize::try_from(front).ok().filter(|&i| i < ndim) else {
                let text =
                    format!("[categorical] Invalid axis {axis} for logits with {ndim} dimensions.");
                return Err(PyIndexError::new_err(text).into());
            };
            let mut rest = logits.shape().to_vec();
            rest.remove(front);
            if shape.is_some() && samples.is_some() {
                let text = "[categorical] At most one of shape or num_samples can be specified.";
                return Err(PyValueError::new_err(text).into());
            }
            if let Some(n) = samples {
                rest.push(n);
                let wide = ops::expand_dims(&logits, &[-1])?;
                return c.give(categorical(&wide, front, &rest, key.as_ref())?);
            }
            let shape = match shape {
                Some(shape) => {
                    let shape = shape.of("bits")?;
                    let one = ops::zeros(&rest, Dtype::Bool)?;
                    ops::broadcast_to(&one, &shape)?;
                    shape
                }
                None => rest,
            };
            c.give(categorical(&logits, front, &shape, key.as_ref())?)
        },
    ),
    row(
        "permutation(x: int | array, axis: int = 0, key: array | None = None, \
         stream: StreamOrDevice = None) -> array",
        "The numbers before x, or the slices of x along an axis, in random order.",
        |c| {
            let x: Bound<'_, PyAny> = c.next()?;
            let (axis, key): (isize, Option<Array>) = (c.next()?, c.next()?);
            match Array::convert(&x) {
                Ok(x) => {
                    let Some(n) = x.dim(axis) else {
                        let text = format!(
                            "[permutation] Got invalid axis {axis} for array with {} dimensions.",
                            x.ndim()
                        );
                        return Err(PyIndexError::new_err(text).into());
                    };
                    c.give(ops::take(&x, &permutation(n, key.as_ref())?, Some(axis))?)
                }
                Err(_) => {
                    let n = usize::convert(&x)?;
                    c.give(permutation(n, key.as_ref())?)
                }
            }
        },
    ),
];
