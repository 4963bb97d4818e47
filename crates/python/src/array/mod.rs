//! The class `array`.

pub(crate) mod build;
mod operators;
mod read;

use std::sync::{Mutex, PoisonError};

use anymetal::{Array, Dtype};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::argument::Argument;
use crate::dtype::PyDtype;
use crate::error::OrRaise;
use crate::output::shape_tuple;

/// An N-dimensional array object.
///
/// The handle can be made to name another array: writing by index and the in-place operators do.
#[pyclass(frozen, weakref, module = "anymetal.core", name = "array")]
pub(crate) struct PyArray(Mutex<Array>);

impl From<Array> for PyArray {
    fn from(array: Array) -> Self {
        PyArray(Mutex::new(array))
    }
}

impl PyArray {
    /// The array this names now.
    pub(crate) fn array(&self) -> Array {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names another array from now on.
    pub(crate) fn set(&self, array: Array) {
        let before =
            std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), array);
        drop(before);
    }

    /// Computes the values with the interpreter lock released.
    pub(crate) fn evaluated(&self, py: Python<'_>) -> PyResult<Array> {
        let array = self.array();
        if !array.is_available() {
            py.detach(|| array.eval()).or_raise()?;
        }
        Ok(array)
    }
}

#[pymethods]
impl PyArray {
    #[new]
    #[pyo3(signature = (val, dtype = None))]
    fn new(val: &Bound<'_, PyAny>, dtype: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let dtype = match dtype {
            Some(dtype) => Option::<Dtype>::convert(dtype)
                .map_err(|e| e.or_type_error("a Dtype such as float32 as dtype"))?,
            None => None,
        };
        let array = build::array(val, dtype).map_err(|e| e.or_type_error("an array-like value"))?;
        Ok(PyArray::from(array))
    }

    /// The sizes of the axes.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        shape_tuple(py, self.array().shape())
    }

    /// The number of axes.
    #[getter]
    fn ndim(&self) -> usize {
        self.array().ndim()
    }

    /// The number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.array().size()
    }

    /// Bytes of an element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.array().dtype().size()
    }

    /// Bytes of the elements.
    #[getter]
    fn nbytes(&self) -> usize {
        self.array().nbytes()
    }

    /// The type of the elements.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.array().dtype())
    }
}
