//! The class `array`.

pub(crate) mod build;
pub(crate) mod index;
mod operators;
mod pickle;
pub(crate) mod print;
pub(crate) mod read;

use std::sync::{Mutex, PoisonError};

use anymetal::{Array, Dtype};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::argument::Argument;
use crate::dtype::PyDtype;
use crate::error::{CallError, OrRaise};
use crate::evaluation::evaluate;
use crate::function::Function;
use crate::ops;
use crate::output::shape_tuple;

/// An N-dimensional array object.
///
/// The handle can be made to name another array: writing by index and the in-place operators do.
#[pyclass(frozen, weakref, module = "anymetal.core", name = "array")]
pub(crate) struct PyArray(Mutex<Array>, GiveBack);

/// Dropped after the array: memory of other libraries is given back at once.
struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        crate::exchange::release_in_destructor();
    }
}

impl From<Array> for PyArray {
    fn from(array: Array) -> Self {
        PyArray(Mutex::new(array), GiveBack)
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
            evaluate(py, || array.eval())?;
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
            Some(dtype) => {
                Option::<Dtype>::convert(dtype).map_err(|e| misfit(e, val, Some(dtype)))?
            }
            None => None,
        };
        let array = build::array(val, dtype).map_err(|e| misfit(e, val, None))?;
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

    /// The axes reversed.
    #[getter]
    #[allow(non_snake_case, reason = "MLX's name")]
    fn T(&self) -> PyArray {
        self.array().t().into()
    }

    /// The last two axes exchanged.
    #[getter]
    #[allow(non_snake_case, reason = "MLX's name")]
    fn mT(&self) -> PyResult<PyArray> {
        let exchanged = ops::shape::matrix_transpose(&self.array());
        Ok(exchanged.map_err(|e| e.or_type_error("an array"))?.into())
    }

    /// The real part.
    #[getter]
    fn real(&self) -> PyResult<PyArray> {
        Ok(self.array().real().or_raise()?.into())
    }

    /// The imaginary part.
    #[getter]
    fn imag(&self) -> PyResult<PyArray> {
        Ok(self.array().imag().or_raise()?.into())
    }

    /// The type of the elements.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.array().dtype())
    }
}

/// MLX's text for a constructor call that does not fit.
fn misfit(error: CallError, val: &Bound<'_, PyAny>, dtype: Option<&Bound<'_, PyAny>>) -> PyErr {
    let name = |value: &Bound<'_, PyAny>| {
        value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string())
    };
    match error {
        CallError::Misfit => PyTypeError::new_err(format!(
            "__init__(): incompatible function arguments. The following argument types are \
             supported:\n    1. __init__(self: array, val: scalar | list | tuple | \
             DLPackCompatible | array, dtype: Dtype | None = None)\n\nInvoked with types: \
             anymetal.core.array, {}{}",
            name(val),
            dtype.map(|d| format!(", {}", name(d))).unwrap_or_default()
        )),
        other => other.or_type_error("an array-like value"),
    }
}

/// The classes around `array`, and its methods that are functions of the module too.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<index::ArrayAt>()?;
    module.add_class::<read::ArrayIterator>()?;
    module.add_class::<print::PrintOptions>()?;
    module.add("_PrintOptionsContext", py.get_type::<print::PrintOptionsContext>())?;
    crate::add_functions(module, print::FUNCTIONS)?;
    let class = py.get_type::<PyArray>();
    let names = module.dict();
    let rows = || ops::FUNCTIONS.iter().flat_map(|family| family.iter().copied());
    for &name in ops::METHODS {
        let alias = ops::ALIASES.iter().find(|(other, _)| *other == name);
        let function = alias.map_or(name, |(_, function)| function);
        if let Some(row) = rows().find(|row| row.name() == function) {
            let row = if function == name { row } else { row.renamed(name) };
            class.setattr(name, Function::new(py, row.method(), &names)?)?;
        }
    }
    for &row in ops::OWN_METHODS.iter().copied().flatten() {
        class.setattr(row.name(), Function::new(py, row, &names)?)?;
    }
    Ok(())
}
