//! Dtypes and their ranges.

use anymetal::{Dtype, FloatInfo};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::print::significant;

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

    /// Pickled by name.
    fn __reduce__(&self) -> &'static str {
        attribute(self.0)
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

/// The range and precision of a floating dtype, or of the parts of `complex64`.
#[pyclass(frozen, module = "anymetal.core", name = "finfo")]
pub(crate) struct PyFinfo {
    dtype: Dtype,
    info: FloatInfo,
}

#[pymethods]
impl PyFinfo {
    #[new]
    fn new(dtype: PyRef<'_, PyDtype>) -> PyResult<Self> {
        let dtype = dtype.0;
        match anymetal::finfo(dtype) {
            Some(info) => {
                let dtype = if dtype == Dtype::Complex64 { Dtype::F32 } else { dtype };
                Ok(PyFinfo { dtype, info })
            }
            None => Err(PyValueError::new_err(format!("[finfo] dtype {dtype} is not inexact."))),
        }
    }

    /// The smallest finite value.
    #[getter]
    fn min(&self) -> f64 {
        self.info.min
    }

    /// The largest finite value.
    #[getter]
    fn max(&self) -> f64 {
        self.info.max
    }

    /// The distance from 1 to the next larger value.
    #[getter]
    fn eps(&self) -> f64 {
        self.info.eps
    }

    /// The smallest positive normal value.
    #[getter]
    fn smallest_normal(&self) -> f64 {
        self.info.smallest_normal
    }

    /// Bits of the dtype.
    #[getter]
    fn bits(&self) -> u32 {
        self.info.bits
    }

    /// The dtype.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.dtype)
    }

    fn __repr__(&self) -> String {
        let (min, max) = (significant(self.info.min), significant(self.info.max));
        format!("finfo(min={min}, max={max}, dtype={})", self.dtype)
    }
}

/// The range of an integer dtype.
#[pyclass(frozen, module = "anymetal.core", name = "iinfo")]
pub(crate) struct PyIinfo {
    dtype: Dtype,
    range: (i128, i128),
}

#[pymethods]
impl PyIinfo {
    #[new]
    fn new(dtype: PyRef<'_, PyDtype>) -> PyResult<Self> {
        let dtype = dtype.0;
        match anymetal::iinfo(dtype) {
            Some(range) => Ok(PyIinfo { dtype, range }),
            None => {
                let text = format!("[iinfo] Only integer types supported but {dtype} was provided");
                Err(PyValueError::new_err(text))
            }
        }
    }

    /// The smallest value.
    #[getter]
    fn min(&self) -> i64 {
        self.range.0 as i64
    }

    /// The largest value.
    #[getter]
    fn max(&self) -> u64 {
        self.range.1 as u64
    }

    /// The dtype.
    #[getter]
    fn dtype(&self) -> PyDtype {
        PyDtype(self.dtype)
    }

    fn __repr__(&self) -> String {
        format!("iinfo(min={}, max={}, dtype={})", self.range.0, self.range.1, self.dtype)
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDtype>()?;
    module.add_class::<PyFinfo>()?;
    module.add_class::<PyIinfo>()?;
    for &dtype in Dtype::ALL {
        module.add(attribute(dtype), PyDtype(dtype))?;
    }
    Ok(())
}
