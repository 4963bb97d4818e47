//! Results on their way to Python.

use anymetal::Array;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::array::PyArray;

/// A result of a body.
pub(crate) trait Output {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;
}

impl Output for Array {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(Bound::new(py, PyArray::from(self))?.into_any())
    }
}

/// A list, as MLX returns several arrays.
impl Output for Vec<Array> {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let arrays: PyResult<Vec<_>> = self.into_iter().map(|a| a.into_python(py)).collect();
        Ok(PyList::new(py, arrays?)?.into_any())
    }
}

impl Output for () {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(py.None().into_bound(py))
    }
}

macro_rules! plain {
    ($($t:ty),*) => { $(
        impl Output for $t {
            fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                self.into_pyobject_any(py)
            }
        }
    )* };
}
plain!(bool, f64, usize, i64, String, &str);

trait IntoAny<'py> {
    fn into_pyobject_any(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

impl<'py, T: IntoPyObject<'py>> IntoAny<'py> for T {
    fn into_pyobject_any(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        use pyo3::IntoPyObjectExt;
        self.into_bound_py_any(py)
    }
}

/// A shape: a tuple of integers.
pub(crate) fn shape_tuple<'py>(py: Python<'py>, shape: &[usize]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, shape)
}
