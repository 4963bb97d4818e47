//! Arrays from Python values: numbers, nested sequences of numbers and arrays, other libraries'
//! arrays.

use anymetal::{Array, ArrayElement, Complex64, Dtype, Scalar, ops, promote};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::PyArray;
use crate::argument;
use crate::error::CallError;

/// What `array(value, dtype)` makes. Without a dtype numbers get MLX's: `bool_`, `int32` (`int64`
/// where one does not fit), `float32` or `complex64`, whichever holds all of them.
pub(crate) fn array(value: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> Result<Array, CallError> {
    let array = if let Ok(array) = value.cast::<PyArray>() {
        array.get().array()
    } else if let Some(scalar) = argument::scalar(value)? {
        return Ok(match dtype {
            Some(dtype) => full(scalar, dtype)?,
            None => ops::scalar(scalar),
        });
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return nested(value, dtype);
    } else if let Some(array) = from_foreign(value)? {
        array
    } else {
        let name = value.get_type().name()?;
        let text = format!("Invalid type {name} received in array initialization.");
        return Err(PyValueError::new_err(text).into());
    };
    Ok(match dtype {
        Some(dtype) => array.astype(dtype)?,
        None => array,
    })
}

fn full(scalar: Scalar, dtype: Dtype) -> anymetal::Result<Array> {
    ops::full(&[], scalar, dtype)
}

/// A copy of another library's array, a buffer, or what `__mlx_array__` gives.
pub(crate) fn from_foreign(value: &Bound<'_, PyAny>) -> Result<Option<Array>, CallError> {
    if let Ok(method) = value.getattr("__mlx_array__") {
        let inner = method.call0()?;
        return match inner.cast::<PyArray>() {
            Ok(array) => Ok(Some(array.get().array())),
            Err(_) => Err(CallError::Misfit),
        };
    }
    crate::exchange::copy_of(value)
}

/// A nested sequence: numbers in row-major order with the shape they have.
fn nested(value: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> Result<Array, CallError> {
    let mut leaves = Leaves::default();
    leaves.visit(value, 0)?;
    if leaves.arrays {
        return stacked(value, dtype);
    }
    let natural = leaves.numbers.iter().fold(Dtype::Bool, |d, s| promote(d, s.dtype()));
    let natural = if leaves.numbers.is_empty() { Dtype::F32 } else { natural };
    let shape = &leaves.shape;
    let array = match natural {
        Dtype::Bool => collect(&leaves.numbers, shape, |s| as_f64(s) != 0.0)?,
        Dtype::I32 | Dtype::I64 => {
            let wide = collect(&leaves.numbers, shape, as_i64)?;
            wide.astype(natural)?
        }
        // In double precision, so that a wider dtype asked for gets every digit.
        Dtype::F32 => {
            let wide = collect(&leaves.numbers, shape, as_f64)?;
            wide.astype(dtype.unwrap_or(natural))?
        }
        _ => collect(&leaves.numbers, shape, |s| match s {
            Scalar::Complex(c) => c,
            other => Complex64::new(as_f64(other) as f32, 0.0),
        })?,
    };
    Ok(match dtype {
        Some(dtype) => array.astype(dtype)?,
        None => array,
    })
}

fn collect<T: ArrayElement>(
    numbers: &[Scalar],
    shape: &[usize],
    convert: impl Fn(Scalar) -> T,
) -> anymetal::Result<Array> {
    let data: Vec<T> = numbers.iter().map(|&s| convert(s)).collect();
    Array::from_slice(&data, shape)
}

fn as_i64(scalar: Scalar) -> i64 {
    match scalar {
        Scalar::Bool(b) => i64::from(b),
        Scalar::Int(v) => v,
        Scalar::Float(v) => v as i64,
        Scalar::Complex(c) => c.re as i64,
    }
}

fn as_f64(scalar: Scalar) -> f64 {
    match scalar {
        Scalar::Bool(b) => f64::from(u8::from(b)),
        Scalar::Int(v) => v as f64,
        Scalar::Float(v) => v,
        Scalar::Complex(c) => f64::from(c.re),
    }
}

/// The numbers of a nested sequence.
#[derive(Default)]
struct Leaves {
    shape: Vec<usize>,
    numbers: Vec<Scalar>,
    /// Whether there are arrays among them.
    arrays: bool,
    /// The depth of the numbers, once one has been seen.
    depth: Option<usize>,
}

/// Deeper nesting is refused, as in MLX's own limit on dimensions of lists.
const MAX_DEPTH: usize = 64;

impl Leaves {
    fn visit(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Result<(), CallError> {
        let ragged = || PyValueError::new_err("Initialization encountered non-uniform length.");
        if depth > MAX_DEPTH {
            return Err(PyValueError::new_err("Lists are nested too deep for an array.").into());
        }
        let items: Vec<Bound<'_, PyAny>> = if let Ok(list) = value.cast::<PyList>() {
            list.iter().collect()
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            tuple.iter().collect()
        } else if let Some(scalar) = argument::scalar(value)? {
            if *self.depth.get_or_insert(depth) != depth || self.shape.len() != depth {
                return Err(ragged().into());
            }
            self.numbers.push(scalar);
            return Ok(());
        } else if value.is_instance_of::<PyArray>() || from_foreign(value)?.is_some() {
            self.arrays = true;
            return Ok(());
        } else {
            let name = value.get_type().name()?;
            let text = format!("Invalid type {name} received in array initialization.");
            return Err(PyValueError::new_err(text).into());
        };
        match self.shape.get(depth) {
            None if self.depth.is_none() && self.shape.len() == depth => {
                self.shape.push(items.len());
            }
            Some(&n) if n == items.len() => {}
            _ => return Err(ragged().into()),
        }
        items.iter().try_for_each(|item| self.visit(item, depth + 1))
    }
}

/// A nested sequence with arrays in it: stacked, level by level.
fn stacked(value: &Bound<'_, PyAny>, dtype: Option<Dtype>) -> Result<Array, CallError> {
    if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
        return array(value, dtype);
    }
    let mut parts = Vec::new();
    for item in value.try_iter()? {
        parts.push(stacked(&item?, dtype)?);
    }
    Ok(ops::stack(&parts, 0)?)
}
