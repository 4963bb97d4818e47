//! Dtypes and their categories.

use anymetal::Dtype;
use pyo3::prelude::*;

/// The type of an array's elements.
#[pyclass(frozen, eq, hash, module = "anymetal.core", name = "Dtype")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyDtype(pub(crate) Dtype);

#[pymethods]
impl PyDtype {
    /// Bytes of an element.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    fn __repr__(&self) -> String {
        format!("mlx.core.{}", name(self.0))
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>, &'static str))> {
        let core = py.import("anymetal.core")?.into_any();
        Ok((py.import("builtins")?.getattr("getattr")?, (core, attribute(self.0))))
    }
}

/// The dtype's name.
pub(crate) fn name(dtype: Dtype) -> String {
    dtype.to_string()
}

/// The module's attribute that holds the dtype.
pub(crate) fn attribute(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "bool_",
        Dtype::U8 => "uint8",
        Dtype::U16 => "uint16",
        Dtype::U32 => "uint32",
        Dtype::U64 => "uint64",
        Dtype::I8 => "int8",
        Dtype::I16 => "int16",
        Dtype::I32 => "int32",
        Dtype::I64 => "int64",
        Dtype::F16 => "float16",
        Dtype::Bf16 => "bfloat16",
        Dtype::F32 => "float32",
        Dtype::F64 => "float64",
        Dtype::Complex64 => "complex64",
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDtype>()?;
    for &dtype in Dtype::ALL {
        module.add(attribute(dtype), PyDtype(dtype))?;
    }
    Ok(())
}
