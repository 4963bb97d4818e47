//! Arguments on their way from Python, with the conversions MLX's binding makes.

use anymetal::ops::{Axes, Operand};
use anymetal::{Array, Complex64, Dtype, Scalar, Stream};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::array::{PyArray, build};
use crate::dtype::PyDtype;
use crate::error::CallError;

/// A type that arguments are converted to. A value of a type it does not take is a misfit.
pub(crate) trait Argument<'py>: Sized {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError>;
}

impl<'py> Argument<'py> for Bound<'py, PyAny> {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        Ok(value.clone())
    }
}

impl<'py, T: Argument<'py>> Argument<'py> for Option<T> {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() { Ok(None) } else { T::convert(value).map(Some) }
    }
}

/// Lists and tuples.
impl<'py, T: Argument<'py>> Argument<'py> for Vec<T> {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if let Ok(list) = value.cast::<PyList>() {
            list.iter().map(|v| T::convert(&v)).collect()
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            tuple.iter().map(|v| T::convert(&v)).collect()
        } else {
            Err(CallError::Misfit)
        }
    }
}

/// Only arrays of this module.
impl<'py> Argument<'py> for Array {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        match value.cast::<PyArray>() {
            Ok(array) => Ok(array.get().array()),
            Err(_) => Err(CallError::Misfit),
        }
    }
}

/// Strictly `True` or `False`.
impl<'py> Argument<'py> for bool {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        value.cast::<PyBool>().map(|b| b.is_true()).map_err(|_| CallError::Misfit)
    }
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        /// Anything with `__index__` in range.
        impl<'py> Argument<'py> for $t {
            fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
                value.extract().map_err(|_| CallError::Misfit)
            }
        }
    )* };
}
integers!(i32, i64, u32, u64, usize, isize);

/// Anything with `__float__`, but not strings.
impl<'py> Argument<'py> for f64 {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        value.extract().map_err(|_| CallError::Misfit)
    }
}

/// As `f64`, narrowed.
impl<'py> Argument<'py> for f32 {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        f64::convert(value).map(|v| v as f32)
    }
}

impl<'py> Argument<'py> for String {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        let text = value.cast::<PyString>().map_err(|_| CallError::Misfit)?;
        Ok(text.to_str()?.to_owned())
    }
}

impl<'py> Argument<'py> for Dtype {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        value.cast::<PyDtype>().map(|d| d.get().0).map_err(|_| CallError::Misfit)
    }
}

/// A number or array: what MLX calls `scalar | array`. Numbers are weak.
pub(crate) enum Number {
    Array(Array),
    Scalar(Scalar),
}

impl Number {
    pub(crate) fn operand(&self) -> Operand<'_> {
        match self {
            Number::Array(array) => array.into(),
            Number::Scalar(scalar) => Operand::Scalar(*scalar),
        }
    }

    /// As an array: numbers get the dtype they have alone.
    pub(crate) fn into_array(self) -> Array {
        match self {
            Number::Array(array) => array,
            Number::Scalar(scalar) => anymetal::ops::scalar(scalar),
        }
    }
}

impl<'py> Argument<'py> for Number {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if let Ok(array) = value.cast::<PyArray>() {
            return Ok(Number::Array(array.get().array()));
        }
        if let Some(scalar) = scalar(value)? {
            return Ok(Number::Scalar(scalar));
        }
        if value.is_none() {
            return Err(CallError::Misfit);
        }
        if let Some(array) = build::from_foreign(value)? {
            return Ok(Number::Array(array));
        }
        let name = value.get_type().name()?;
        Err(PyValueError::new_err(format!("Invalid type {name} received in array initialization."))
            .into())
    }
}

/// A Python number.
pub(crate) fn scalar(value: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if let Ok(b) = value.cast::<PyBool>() {
        Ok(Some(Scalar::Bool(b.is_true())))
    } else if value.is_instance_of::<PyInt>() {
        Ok(Some(Scalar::Int(value.extract()?)))
    } else if value.is_instance_of::<PyFloat>() {
        Ok(Some(Scalar::Float(value.extract()?)))
    } else if let Ok(c) = value.cast::<PyComplex>() {
        let (re, im) = (c.getattr("real")?.extract::<f64>()?, c.getattr("imag")?.extract::<f64>()?);
        Ok(Some(Scalar::Complex(Complex64::new(re as f32, im as f32))))
    } else {
        Ok(None)
    }
}

/// `None`, a number or a sequence of numbers.
pub(crate) struct AxesArgument(Option<Vec<isize>>);

impl AxesArgument {
    pub(crate) fn axes(&self) -> Axes<'_> {
        self.0.as_deref().map_or(Axes::ALL, Axes::from)
    }

    /// The numbers, if any were given.
    pub(crate) fn given(&self) -> Option<&[isize]> {
        self.0.as_deref()
    }
}

impl<'py> Argument<'py> for AxesArgument {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() {
            return Ok(AxesArgument(None));
        }
        if let Ok(axis) = isize::convert(value) {
            return Ok(AxesArgument(Some(vec![axis])));
        }
        Vec::convert(value).map(|axes| AxesArgument(Some(axes)))
    }
}

/// A shape: a number or a sequence of numbers, none negative.
pub(crate) struct ShapeArgument(pub(crate) Vec<usize>);

impl<'py> Argument<'py> for ShapeArgument {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        let sizes = match i64::convert(value) {
            Ok(size) => vec![size],
            Err(_) => Vec::<i64>::convert(value)?,
        };
        let sizes: Result<Vec<usize>, _> = sizes.iter().map(|&n| usize::try_from(n)).collect();
        let negative = "Negative dimensions not allowed.";
        Ok(ShapeArgument(sizes.map_err(|_| PyValueError::new_err(negative))?))
    }
}

/// A stream, device, kind of device, or `None`.
pub(crate) struct StreamArgument(pub(crate) Option<Stream>);
