//! Reading values of `array` in Python: numbers, lists, text.

use anymetal::{Array, ArrayElement, Complex64, Dtype, bf16, f16};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyList};

use super::PyArray;
use crate::error::OrRaise;
use crate::output::Output;

#[pymethods]
impl PyArray {
    /// The only element as a Python number.
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let array = self.evaluated(py)?;
        if array.size() != 1 {
            let text = "[convert] Only length-1 arrays can be converted to Python scalars.";
            return Err(PyValueError::new_err(text));
        }
        let values = python_values(py, &array)?;
        values.into_iter().next().ok_or_else(|| PyValueError::new_err("The array is empty."))
    }

    /// The elements as nested lists; a number for an array without axes.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let array = self.evaluated(py)?;
        let values = python_values(py, &array)?;
        if array.ndim() == 0 {
            return self.item(py);
        }
        nest(py, &values, array.shape())
    }

    fn __len__(&self) -> PyResult<usize> {
        let array = self.array();
        array
            .shape()
            .first()
            .copied()
            .ok_or_else(|| PyTypeError::new_err("len() 0-dimensional array."))
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.item(py)?.is_truthy()
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("builtins")?.getattr("int")?.call1((self.item(py)?,))
    }

    fn __float__<'py>(&self, py: Python<'py>) -> PyResult<f64> {
        self.item(py)?.extract()
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("builtins")?.getattr("complex")?.call1((self.item(py)?,))
    }

    fn __index__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if !self.array().dtype().is_integer() {
            return Err(PyTypeError::new_err(
                "Only integer arrays of size 1 can be used as an index.",
            ));
        }
        self.item(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let array = self.evaluated(py)?;
        Ok(format!("array({array}, dtype={})", array.dtype()))
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        self.__repr__(py)
    }

    /// Over the first axis.
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let array = self.array();
        let Some(&n) = array.shape().first() else {
            return Err(PyTypeError::new_err("iterating over a 0-D array."));
        };
        let rows: PyResult<Vec<_>> =
            (0..n as isize).map(|i| array.index(&[i.into()]).or_raise()?.into_python(py)).collect();
        Ok(PyList::new(py, rows?)?.try_iter()?.into_any())
    }
}

/// The elements in row-major order as Python numbers.
fn python_values<'py>(py: Python<'py>, array: &Array) -> PyResult<Vec<Bound<'py, PyAny>>> {
    fn plain<'py, T: ArrayElement + IntoPyObject<'py>>(
        py: Python<'py>,
        array: &Array,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        array.to_vec::<T>().or_raise()?.into_iter().map(|v| v.into_bound_py_any(py)).collect()
    }
    match array.dtype() {
        Dtype::Bool => plain::<bool>(py, array),
        Dtype::U8 => {
            let values = array.to_vec::<u8>().or_raise()?;
            values.into_iter().map(|v| v.into_bound_py_any(py)).collect()
        }
        Dtype::U16 => plain::<u16>(py, array),
        Dtype::U32 => plain::<u32>(py, array),
        Dtype::U64 => plain::<u64>(py, array),
        Dtype::I8 => plain::<i8>(py, array),
        Dtype::I16 => plain::<i16>(py, array),
        Dtype::I32 => plain::<i32>(py, array),
        Dtype::I64 => plain::<i64>(py, array),
        Dtype::F32 => plain::<f32>(py, array),
        Dtype::F64 => plain::<f64>(py, array),
        Dtype::F16 => {
            let values = array.to_vec::<f16>().or_raise()?;
            values.into_iter().map(|v| v.to_f64().into_bound_py_any(py)).collect()
        }
        Dtype::Bf16 => {
            let values = array.to_vec::<bf16>().or_raise()?;
            values.into_iter().map(|v| v.to_f64().into_bound_py_any(py)).collect()
        }
        Dtype::Complex64 => {
            let values = array.to_vec::<Complex64>().or_raise()?;
            let complex =
                |v: Complex64| PyComplex::from_doubles(py, v.re.into(), v.im.into()).into_any();
            Ok(values.into_iter().map(complex).collect())
        }
    }
}

fn nest<'py>(
    py: Python<'py>,
    values: &[Bound<'py, PyAny>],
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    let Some((&n, inner)) = shape.split_first() else { return Ok(values[0].clone()) };
    if inner.is_empty() {
        return Ok(PyList::new(py, values)?.into_any());
    }
    let size: usize = inner.iter().product();
    let rows: PyResult<Vec<_>> =
        (0..n).map(|i| nest(py, &values[i * size..(i + 1) * size], inner)).collect();
    Ok(PyList::new(py, rows?)?.into_any())
}
