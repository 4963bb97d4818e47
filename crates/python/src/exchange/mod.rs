//! Arrays shared with other libraries: the buffer protocol and DLPack, in both directions.
//!
//! `array(x)` copies; `from_dlpack(x)` and `asarray(x, copy=False)` share memory. Shared memory is
//! never written to by this library and never given to an operation for reuse, because a core
//! buffer that is foreign, or of which an export holds a handle, has no sole owner. The exporter's
//! memory is given back as `foreign` says. Consumers of ours may write to it, as to MLX's; memory
//! that is not ours is lent read-only.
//!
//! Architecture invariant: `unsafe` only in this directory.

mod buffer;
mod dlpack;
mod foreign;
mod format;
mod memory;

use anymetal::{Array, Dtype};
use pyo3::exceptions::{PyBufferError, PyImportError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::array::{PyArray, build};
use crate::error::{CallError, OrRaise};
use crate::function::{Row, row};
use crate::output::Output;
use memory::Memory;

pub(crate) use foreign::{release, release_in_destructor};

/// A copy of another library's array, if the value is one, converted to `dtype`; without one
/// `float64` becomes `float32`, as in MLX.
pub(crate) fn copy_of(
    value: &Bound<'_, PyAny>,
    dtype: Option<Dtype>,
) -> Result<Option<Array>, CallError> {
    let py = value.py();
    release(py);
    let copy = memory_of(value)?.map(|memory| memory.copied(py, dtype)).transpose()?;
    release(py);
    Ok(copy)
}

/// The memory of an array, buffer or tensor of another library.
fn memory_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Memory>> {
    if let Some(bits) = bfloat16_bits(value)? {
        return Ok(Some(buffer::import(&bits)?.reinterpreted(Dtype::Bf16)));
    }
    if value.cast::<PyCapsule>().is_ok() {
        return dlpack::import(value).map(Some);
    }
    let tensor = value.hasattr(intern!(value.py(), "__dlpack__"))?;
    if buffer::has_buffer(value) {
        return match buffer::import(value) {
            // MLX's own arrays: their buffers of bfloat16 are not always understood.
            Err(error) if tensor => dlpack::import(value).map(Some).map_err(|_| error),
            memory => memory.map(Some),
        };
    }
    if tensor { dlpack::import(value).map(Some) } else { Ok(None) }
}

/// The bits of a NumPy array or scalar of ml_dtypes' `bfloat16`, which the buffer protocol refuses.
fn bfloat16_bits<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    let Ok(dtype) = value.getattr(intern!(py, "dtype")) else { return Ok(None) };
    let named = dtype.getattr(intern!(py, "name"));
    let is = named.is_ok_and(|n| n.extract::<&str>().is_ok_and(|n| n == "bfloat16"));
    if !is {
        return Ok(None);
    }
    let array = py.import("numpy")?.call_method1("asarray", (value,))?;
    array.call_method1("view", ("uint16",)).map(Some)
}

/// `from_dlpack` and `asarray(copy=False)`.
fn share(value: &Bound<'_, PyAny>, copy: Option<bool>, op: &str) -> Result<Array, CallError> {
    let py = value.py();
    release(py);
    let Some(memory) = memory_of(value)? else { return Err(CallError::Misfit) };
    if copy != Some(true)
        && let Some(array) = memory.shared()?
    {
        return Ok(array);
    }
    if copy == Some(false) {
        let text = format!("[{op}] Cannot import without a copy: {}.", memory.why_not());
        return Err(PyValueError::new_err(text).into());
    }
    let array = memory.copied(py, None)?;
    drop(memory);
    release(py);
    Ok(array)
}

/// Whether a value is an array, buffer or tensor of another library.
fn is_foreign(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(buffer::has_buffer(value)
        || value.cast::<PyCapsule>().is_ok()
        || value.hasattr(intern!(value.py(), "__dlpack__"))?
        || bfloat16_bits(value)?.is_some())
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "from_dlpack(x: DLPackCompatible, /, *, copy: bool | None = None) -> array",
        "An array over the memory of another library's tensor, through DLPack.\n\nThe memory is \
         shared unless `copy` is True or it cannot be read in place (`copy=False` is an error \
         then). Whoever else holds it must not write to it while arrays made from it are \
         computed. Only memory of the CPU can be imported.",
        |c| {
            let x: Bound<'_, PyAny> = c.next()?;
            let copy: Option<bool> = c.next()?;
            if let Ok(own) = x.cast::<PyArray>() {
                let array = own.get().array();
                return match copy {
                    Some(true) => c.give(copied(own)?),
                    _ => c.give(array),
                };
            }
            if x.cast::<PyCapsule>().is_err() && !x.hasattr("__dlpack__")? {
                return Err(CallError::Misfit);
            }
            let array = share(&x, copy, "from_dlpack")?;
            c.give(array)
        },
    ),
    row(
        "asarray(a: scalar | array | Sequence | DLPackCompatible, dtype: Dtype | None = None, *, \
         copy: bool | None = None) -> array",
        "Converts a value to an array.\n\nArrays of this module are passed on unless `copy` is \
         True. Other libraries' arrays are copied; with `copy=False` their memory is shared, \
         which is an error where it cannot be.",
        |c| {
            let a: Bound<'_, PyAny> = c.next()?;
            let dtype: Option<Dtype> = c.next()?;
            let copy: Option<bool> = c.next()?;
            let other_dtype = |array: &Array| dtype.is_some_and(|d| d != array.dtype());
            let refused = || {
                PyValueError::new_err(
                    "[convert] Cannot convert array to the requested dtype without a copy.",
                )
            };
            if let Ok(own) = a.cast::<PyArray>() {
                let array = if copy == Some(true) { copied(own)? } else { own.get().array() };
                return match dtype {
                    Some(_) if copy == Some(false) && other_dtype(&array) => Err(refused().into()),
                    Some(dtype) => c.give(array.astype(dtype)?),
                    None => c.give(array),
                };
            }
            if copy == Some(false) {
                if !is_foreign(&a)? {
                    let text = "[convert] Only arrays can be converted without a copy.";
                    return Err(PyValueError::new_err(text).into());
                }
                let array = share(&a, copy, "convert")?;
                return if other_dtype(&array) { Err(refused().into()) } else { c.give(array) };
            }
            c.give(build::array(&a, dtype)?)
        },
    ),
];

/// A copy of an array of ours in memory of its own.
fn copied(array: &Bound<'_, PyArray>) -> PyResult<Array> {
    let array = array.get().evaluated(array.py())?;
    let view = array.host_view().or_raise()?;
    Array::from_host_view(view.copied(view.dtype).or_raise()?).or_raise()
}

#[pymethods]
impl PyArray {
    /// A DLPack capsule over the elements, which are shared unless `copy` is True.
    #[pyo3(signature = (*, stream = None, max_version = None, dl_device = None, copy = None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<&Bound<'py, PyAny>>,
        dl_device: Option<(i32, i64)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Elements are computed before they are handed out: there is no stream to wait for.
        let _ = stream;
        if let Some(device) = dl_device
            && device != (1, 0)
        {
            return Err(PyBufferError::new_err(format!(
                "Arrays are exported to the CPU, DLPack device (1, 0), not to {device:?}."
            )));
        }
        let major = match max_version {
            Some(version) => version.get_item(0)?.extract::<u32>()?,
            None => 0,
        };
        let array = self.evaluated(py)?;
        dlpack::export_array(py, &array, major >= 1, copy)
    }

    /// The device of the elements for DLPack: the CPU.
    fn __dlpack_device__(&self) -> (i32, i32) {
        (1, 0)
    }

    /// As a NumPy array, which shares the elements unless they must be converted or `copy` is
    /// True. `bfloat16` needs ml_dtypes.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.evaluated(py)?;
        let numpy = py.import("numpy")?;
        let mut result = if array.dtype() == Dtype::Bf16 {
            let bfloat16 = py.import("ml_dtypes").map_err(|_| {
                PyImportError::new_err(
                    "NumPy has no bfloat16 of its own: install ml_dtypes, or convert with astype.",
                )
            })?;
            let mut view = array.host_view().or_raise()?;
            view.dtype = Dtype::U16;
            let bits = Array::from_host_view(view).or_raise()?.into_python(py)?;
            let bits = numpy.call_method1("asarray", (bits,))?;
            bits.call_method1("view", (bfloat16.getattr("bfloat16")?,))?
        } else {
            let array = array.into_python(py)?;
            let view = py.import("builtins")?.getattr("memoryview")?.call1((array,))?;
            numpy.call_method1("asarray", (view,))?
        };
        let kwargs = PyDict::new(py);
        if let Some(dtype) = dtype
            && !result.getattr("dtype")?.eq(&dtype)?
        {
            if copy == Some(false) {
                let text = "Cannot convert to the requested dtype without a copy.";
                return Err(PyValueError::new_err(text));
            }
            kwargs.set_item("copy", true)?;
            result = result.call_method("astype", (dtype,), Some(&kwargs))?;
        } else if copy == Some(true) {
            result = result.call_method0("copy")?;
        }
        Ok(result)
    }
}
