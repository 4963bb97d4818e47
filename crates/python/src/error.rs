//! Errors at the border: the library's become Python's by category, with the same text.

use anymetal::{Category, Error};
use pyo3::exceptions::{
    PyIndexError, PyKeyboardInterrupt, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;

/// Why a call did not succeed.
pub(crate) enum CallError {
    /// An argument of a type the function does not take.
    Misfit,
    /// An error of the library.
    Core(Error),
    /// An exception of Python's.
    Python(PyErr),
}

/// What a body returns.
pub(crate) type CallResult<'py> = Result<Bound<'py, PyAny>, CallError>;

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        CallError::Core(error)
    }
}

impl From<PyErr> for CallError {
    fn from(error: PyErr) -> Self {
        CallError::Python(error)
    }
}

/// The exception of an error.
pub(crate) fn exception(error: Error) -> PyErr {
    let text = error.to_string();
    match error.category() {
        Category::Value => PyValueError::new_err(text),
        Category::Type => PyTypeError::new_err(text),
        Category::Index => PyIndexError::new_err(text),
        Category::Memory => PyMemoryError::new_err(text),
        Category::Interrupted => PyKeyboardInterrupt::new_err(text),
        // As MLX: files and kernels that fail are runtime errors.
        _ => PyRuntimeError::new_err(text),
    }
}

/// A result for a method written against PyO3.
pub(crate) trait OrRaise<T> {
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for anymetal::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(exception)
    }
}

impl CallError {
    /// The exception for a constructor or method without a signature of MLX's to show.
    pub(crate) fn or_type_error(self, expected: &str) -> PyErr {
        match self {
            CallError::Misfit => PyTypeError::new_err(format!("expected {expected}")),
            CallError::Core(error) => exception(error),
            CallError::Python(error) => error,
        }
    }
}
