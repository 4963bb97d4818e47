//! Reading values of `array` in Python: numbers, lists, text.

use std::sync::atomic::{AtomicUsize, Ordering};

use anymetal::{Array, ArrayElement, Complex64, Dtype, bf16, f16, ops};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyList};

use super::PyArray;
use crate::error::OrRaise;

#[pymethods]
impl PyArray {
    /// The only element as a Python number.
    pub(super) fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
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

    /// For a name the class does not have: says whether MLX has it.
    fn __getattr__(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
        let names = py.import("anymetal.core._mlx_names")?.getattr("NAMES")?;
        let text = if names.get_item("core.array")?.contains(name)? {
            format!(
                "MLX's arrays have {name}, and anymetal's do not have it yet (docs/compat.md lists \
                 what is there)"
            )
        } else {
            format!("'array' object has no attribute '{name}'")
        };
        Err(pyo3::exceptions::PyAttributeError::new_err(text))
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
        let array = self.array();
        if !array.dtype().is_integer() || array.ndim() > 0 {
            let text = "Only 0-dimensional integer arrays can be converted to an index.";
            return Err(PyTypeError::new_err(text));
        }
        self.item(py)
    }

    /// Over the first axis.
    fn __iter__(&self) -> PyResult<ArrayIterator> {
        let array = self.array();
        match array.shape().first() {
            Some(_) => Ok(ArrayIterator { array, next: AtomicUsize::new(0) }),
            None => Err(PyTypeError::new_err("iter() 0-dimensional array.")),
        }
    }

    /// The elements' bytes in row-major order.
    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &row_major_bytes(&self.evaluated(py)?)?))
    }
}

/// The slices along the first axis of an array.
#[pyclass(frozen, module = "anymetal.core", name = "ArrayIterator")]
pub(crate) struct ArrayIterator {
    array: Array,
    next: AtomicUsize,
}

#[pymethods]
impl ArrayIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> PyResult<Option<PyArray>> {
        let i = self.next.fetch_add(1, Ordering::Relaxed);
        match self.array.shape().first() {
            Some(&n) if i < n => {
                Ok(Some(self.array.index(&[(i as isize).into()]).or_raise()?.into()))
            }
            _ => Ok(None),
        }
    }
}

/// The bytes of the elements in row-major order.
pub(super) fn row_major_bytes(array: &Array) -> PyResult<Vec<u8>> {
    if array.size() == 0 {
        return Ok(Vec::new());
    }
    // Without axes of bytes there is no view of bytes: one is added.
    let flat = ops::reshape(array, &[-1]).or_raise()?;
    if array.dtype() == Dtype::Bool {
        return flat.astype(Dtype::U8).or_raise()?.to_vec().or_raise();
    }
    flat.view(Dtype::U8).or_raise()?.to_vec().or_raise()
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
