//! Index expressions: reading `a[..]`, writing `a[..] = v`, and `a.at[..]`.

use anymetal::ops::{self, Index, ScatterOp};
use anymetal::{Array, Dtype};
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};

use super::{PyArray, build};
use crate::argument::{Argument, Number, check_fits};
use crate::error::{CallError, OrRaise};
use crate::evaluation::computed;

#[pymethods]
impl PyArray {
    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        let array = self.array();
        let index = expression(&array, index).map_err(raised)?;
        refuse_masks(&index, "boolean indices are not yet supported")?;
        Ok(array.index(&index).or_raise()?.into())
    }

    /// Names, from now on, an array with the part replaced.
    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = Number::convert(value).map_err(|error| match error {
            CallError::Misfit => misfit("__setitem__", value),
            other => raised(other),
        })?;
        let array = self.array();
        let value = value_for(&array, value).map_err(raised)?;
        self.set(assigned(&array, index, &value).map_err(raised)?);
        Ok(())
    }

    /// Updates at indices where repeated positions all count: `a.at[indices].add(value)`.
    #[getter]
    fn at(slf: Bound<'_, Self>) -> ArrayAt {
        ArrayAt { array: slf.unbind(), index: None }
    }
}

fn misfit(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type().name().map_or_else(|_| "?".into(), |n| n.to_string());
    PyTypeError::new_err(format!(
        "{name}(): incompatible function arguments. The value must be a number or array, not \
         {kind}."
    ))
}

fn raised(error: CallError) -> PyErr {
    error.or_type_error("a number or array")
}

/// The value in the array's dtype; numbers, which are weak, directly.
fn value_for(array: &Array, value: Number) -> Result<Array, CallError> {
    check_fits(&value, array.dtype())?;
    Ok(match value {
        Number::Scalar(value) => ops::full(&[], value, array.dtype())?,
        Number::Array(value) => value.astype(array.dtype())?,
    })
}

/// The library's form of an index expression.
fn expression(array: &Array, index: &Bound<'_, PyAny>) -> Result<Vec<Index>, CallError> {
    let entries = if let Ok(tuple) = index.cast::<PyTuple>() {
        let entries = tuple.iter().map(|entry| {
            element(&entry)?.ok_or_else(|| {
                let text = "Cannot index mlx array using the given type yet";
                PyValueError::new_err(text).into()
            })
        });
        entries.collect::<Result<Vec<_>, CallError>>()?
    } else {
        let only = element(index)?
            .ok_or_else(|| PyValueError::new_err("Cannot index mlx array using the given type."))?;
        if array.ndim() == 0 && !matches!(only, Index::NewAxis | Index::Ellipsis) {
            let text = "too many indices for array: array is 0-dimensional";
            return Err(PyValueError::new_err(text).into());
        }
        vec![only]
    };
    Ok(entries)
}

/// One entry; `None` for a type that is no index.
fn element(value: &Bound<'_, PyAny>) -> Result<Option<Index>, CallError> {
    if value.is_none() {
        return Ok(Some(Index::NewAxis));
    }
    if value.is_instance_of::<PyEllipsis>() {
        return Ok(Some(Index::Ellipsis));
    }
    if let Ok(array) = value.cast::<PyArray>() {
        return Ok(Some(Index::Array(array.get().array())));
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(None);
    }
    if let Ok(slice) = value.cast::<PySlice>() {
        let end = |name: &str| position(&slice.getattr(name)?);
        let step = end("step")?.unwrap_or(1);
        return Ok(Some(Index::Range { start: end("start")?, stop: end("stop")?, step }));
    }
    if value.is_instance_of::<PyInt>() {
        return match value.extract() {
            Ok(i) => Ok(Some(Index::At(i))),
            Err(_) => Err(PyIndexError::new_err("The index does not fit 64 bits.").into()),
        };
    }
    if value.is_instance_of::<PyList>() {
        return Ok(Some(Index::Array(build::array(value, None)?)));
    }
    // Other libraries' whole numbers, but not their arrays.
    Ok(value.extract::<isize>().ok().map(Index::At))
}

/// An end or the step of a slice. Numbers that fit nothing mean the end of everything.
fn position(value: &Bound<'_, PyAny>) -> Result<Option<isize>, CallError> {
    if value.is_none() {
        return Ok(None);
    }
    if value.is_instance_of::<PyArray>() || !value.hasattr("__index__")? {
        return Err(PyValueError::new_err("Slice indices must be integers or None.").into());
    }
    match value.extract::<isize>() {
        Ok(i) => Ok(Some(i)),
        Err(_) => Ok(Some(if value.gt(0)? { isize::MAX } else { isize::MIN + 1 })),
    }
}

fn refuse_masks(index: &[Index], text: &'static str) -> PyResult<()> {
    let mask = |entry: &Index| matches!(entry, Index::Array(a) if a.dtype() == Dtype::Bool);
    if index.iter().any(mask) { Err(PyValueError::new_err(text)) } else { Ok(()) }
}

/// The mask that an index expression is, if it is one alone.
fn mask(index: &Bound<'_, PyAny>) -> Result<Option<Array>, CallError> {
    let array = if let Ok(flag) = index.cast::<PyBool>() {
        Array::scalar(flag.is_true())
    } else if let Ok(array) = index.cast::<PyArray>() {
        array.get().array()
    } else if index.is_instance_of::<PyList>() {
        build::array(index, None)?
    } else if index.is_instance_of::<PyTuple>() || index.is_instance_of::<PyInt>() {
        return Ok(None);
    } else if index.hasattr("__array_interface__")? || index.hasattr("__dlpack__")? {
        match build::from_foreign(index)? {
            Some(array) => array,
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    Ok((array.dtype() == Dtype::Bool).then_some(array))
}

/// The array with the part that the expression names replaced.
fn assigned(array: &Array, index: &Bound<'_, PyAny>, value: &Array) -> Result<Array, CallError> {
    if let Some(mask) = mask(index)? {
        return masked(array, &mask, value);
    }
    let index = expression(array, index)?;
    refuse_masks(&index, "A mask is supported only as the whole index, not among others.")?;
    Ok(array.index_update(&index, &without_leading_ones(value)?)?)
}

/// The value without leading axes of size 1, which a part may have no place for.
fn without_leading_ones(value: &Array) -> Result<Array, CallError> {
    let ones = value.shape().iter().take_while(|&&n| n == 1).count();
    let shape: Vec<isize> = value.shape()[ones..].iter().map(|&n| n as isize).collect();
    Ok(ops::reshape(value, &shape)?)
}

/// The array with the value where the mask, which covers the first axes, is true. A value with
/// one axis more than the part a true element selects holds a part for each of them in order.
fn masked(array: &Array, mask: &Array, value: &Array) -> Result<Array, CallError> {
    let text = |shape: &[usize]| {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        format!("({})", sizes.join(","))
    };
    if mask.ndim() > array.ndim() {
        let text = "[masked_scatter] The mask cannot have more dimensions than the target.";
        return Err(PyValueError::new_err(text).into());
    }
    if *mask.shape() != array.shape()[..mask.ndim()] {
        let text = format!(
            "[masked_scatter] The boolean mask should have the same shape as the beginning of the \
             indexed array but the mask has shape {} and the array has shape {}",
            text(mask.shape()),
            text(array.shape())
        );
        return Err(PyValueError::new_err(text).into());
    }
    let rest = &array.shape()[mask.ndim()..];
    let unbroadcastable = || {
        PyValueError::new_err(format!(
            "[masked_scatter] Value array shape must be broadcastable with the last {} dimensions \
             of the input.",
            rest.len()
        ))
    };
    if value.ndim() <= rest.len() {
        let value = ops::broadcast_to(value, rest).map_err(|_| unbroadcastable())?;
        let mut shape: Vec<isize> = mask.shape().iter().map(|&n| n as isize).collect();
        shape.resize(array.ndim(), 1);
        return Ok(ops::select(&ops::reshape(mask, &shape)?, &value, array)?);
    }
    if value.ndim() > rest.len() + 1 {
        return Err(unbroadcastable().into());
    }
    let whole = [&value.shape()[..1], rest].concat();
    let value = ops::broadcast_to(value, &whole).map_err(|_| unbroadcastable())?;
    // Which part goes where follows from the mask's values.
    computed(mask)?;
    let chosen: Vec<i64> = mask
        .to_vec::<bool>()?
        .iter()
        .enumerate()
        .filter(|(_, b)| **b)
        .map(|(i, _)| i as i64)
        .collect();
    if chosen.len() > whole[0] {
        let text = "[MaskedScatter::eval_cpu] Source does not have enough elements for mask.";
        return Err(PyRuntimeError::new_err(text).into());
    }
    let value = ops::slice(&value, &[0], &[chosen.len() as isize], &[1])?;
    let mut shape: Vec<isize> = vec![mask.size() as isize];
    shape.extend(rest.iter().map(|&n| n as isize));
    let flat = ops::reshape(array, &shape)?;
    let chosen = Index::Array(Array::from_slice(&chosen, &[chosen.len()])?);
    let flat = flat.index_update(&[chosen], &value)?;
    let shape: Vec<isize> = array.shape().iter().map(|&n| n as isize).collect();
    Ok(ops::reshape(&flat, &shape)?)
}

/// Updates at given indices.
#[pyclass(frozen, module = "anymetal.core", name = "ArrayAt")]
pub(crate) struct ArrayAt {
    array: Py<PyArray>,
    index: Option<Py<PyAny>>,
}

impl ArrayAt {
    fn scatter(
        &self,
        py: Python<'_>,
        op: ScatterOp,
        value: &Bound<'_, PyAny>,
        change: fn(&Array) -> anymetal::Result<Array>,
    ) -> PyResult<PyArray> {
        let Some(index) = &self.index else {
            return Err(PyValueError::new_err("Must give indices to array.at first."));
        };
        let array = self.array.get().array();
        let run = || -> Result<Array, CallError> {
            let value = Number::convert(value)?;
            check_fits(&value, array.dtype())?;
            let value = value.into_array();
            let value = change(&value)?.astype(array.dtype())?;
            let index = expression(&array, index.bind(py))?;
            refuse_masks(&index, "boolean indices are not yet supported")?;
            let value = without_leading_ones(&value)?;
            Ok(array.index_scatter(op, &index, &value)?)
        };
        Ok(run().map_err(raised)?.into())
    }
}

#[pymethods]
impl ArrayAt {
    fn __getitem__(&self, py: Python<'_>, indices: Py<PyAny>) -> ArrayAt {
        ArrayAt { array: self.array.clone_ref(py), index: Some(indices) }
    }

    /// The array with the value added.
    fn add(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.scatter(py, ScatterOp::Add, value, |v| Ok(v.clone()))
    }

    /// The array with the value subtracted.
    fn subtract(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.scatter(py, ScatterOp::Add, value, ops::negative)
    }

    /// The array multiplied with the value.
    fn multiply(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.scatter(py, ScatterOp::Prod, value, |v| Ok(v.clone()))
    }

    /// The array multiplied with the value's reciprocal in the array's dtype, as in MLX.
    fn divide(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.scatter(py, ScatterOp::Prod, value, ops::reciprocal)
    }

    /// The larger of the array and the value.
    fn maximum(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.scatter(py, ScatterOp::Max, value, |v| Ok(v.clone()))
    }

    /// The smaller of the array and the value.
    fn minimum(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<PyArray> {
        self.scatter(py, ScatterOp::Min, value, |v| Ok(v.clone()))
    }
}
