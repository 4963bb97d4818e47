//! Copying and pickling arrays.

use anymetal::device::BufferMut;
use anymetal::{Array, Dtype, ops};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::PyArray;
use super::read::row_major_bytes;
use crate::dtype::attribute;
use crate::error::OrRaise;
use crate::output::shape_tuple;

#[pymethods]
impl PyArray {
    /// Another handle to the same values; arrays never change.
    fn __copy__(&self) -> PyArray {
        self.array().into()
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyDict>) -> PyArray {
        self.array().into()
    }

    /// The class, called with any number, and the state that replaces it.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let state = slf.get().__getstate__(slf.py())?;
        (slf.get_type(), (0,), state).into_pyobject(slf.py())
    }

    /// Dtype, shape and bytes.
    fn __getstate__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let array = self.evaluated(py)?;
        let bytes = PyBytes::new(py, &row_major_bytes(&array)?);
        let dtype = attribute(array.dtype());
        (dtype, shape_tuple(py, array.shape())?, bytes).into_pyobject(py)
    }

    fn __setstate__(&self, state: (String, Vec<usize>, Vec<u8>)) -> PyResult<()> {
        let (name, shape, bytes) = state;
        let Some(&dtype) = Dtype::ALL.iter().find(|&&dtype| attribute(dtype) == name) else {
            return Err(PyValueError::new_err(format!("{name} is not the name of a dtype.")));
        };
        self.set(restored(dtype, &shape, &bytes).or_raise()?);
        Ok(())
    }

    /// The module with the functions of arrays, for code that asks arrays for it.
    #[pyo3(signature = (api_version = None))]
    fn __array_namespace__<'py>(
        &self,
        py: Python<'py>,
        api_version: Option<String>,
    ) -> PyResult<Bound<'py, PyModule>> {
        match api_version {
            None => py.import("anymetal.core"),
            Some(_) => {
                let text = "Explicitly specifying api_version is not yet implemented.";
                Err(PyValueError::new_err(text))
            }
        }
    }
}

/// The array that was taken apart.
fn restored(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> anymetal::Result<Array> {
    let stored = if dtype == Dtype::Bool { Dtype::U8 } else { dtype };
    let mut buffer = BufferMut::new(bytes.len())?;
    buffer.bytes_mut().copy_from_slice(bytes);
    let array = Array::from_buffer(buffer.freeze(), stored, shape)?;
    if dtype == Dtype::Bool { ops::not_equal(&array, 0i64) } else { Ok(array) }
}
