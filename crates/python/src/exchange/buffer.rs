//! Python's buffer protocol: views of other objects' memory, and of ours.
#![allow(unsafe_code, reason = "the buffer protocol is a C interface")]

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use anymetal::device::View;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;

use super::foreign::{self, Owner};
use super::format;
use super::memory::{Extent, Memory, first_element};
use crate::array::PyArray;
use crate::error::OrRaise;

/// Whether an object has a buffer.
pub(super) fn has_buffer(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: any object may be asked.
    unsafe { ffi::PyObject_CheckBuffer(value.as_ptr()) != 0 }
}

/// The elements of an object's buffer.
pub(super) fn import(value: &Bound<'_, PyAny>) -> PyResult<Memory> {
    let mut view: Box<MaybeUninit<ffi::Py_buffer>> = Box::new(MaybeUninit::zeroed());
    // SAFETY: fills the view, or fails with an exception and leaves nothing to release.
    let view = unsafe {
        if ffi::PyObject_GetBuffer(value.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_FULL_RO) != 0 {
            return Err(PyErr::fetch(value.py()));
        }
        Box::from_raw(Box::into_raw(view).cast::<ffi::Py_buffer>())
    };
    match describe(&view) {
        Err(error) => {
            foreign::give_up(Owner::View(view));
            foreign::release(value.py());
            Err(error)
        }
        Ok((stored, extent)) => {
            let start = view.buf.cast::<u8>().wrapping_offset(extent.first);
            // SAFETY: the exporter vouches for the elements that shape and strides describe, which
            // are these bytes, until the view is released.
            let buffer = unsafe { foreign::buffer(start, extent.len(), Owner::View(view)) };
            Memory::new(buffer, stored, extent)
        }
    }
}

fn describe(view: &ffi::Py_buffer) -> PyResult<(format::Stored, Extent)> {
    let format = if view.format.is_null() {
        "B".into()
    } else {
        // SAFETY: a format is a string that lives as long as the view.
        unsafe { CStr::from_ptr(view.format) }.to_string_lossy()
    };
    let size = view.itemsize as usize;
    let Some(stored) = format::parse(&format, size) else {
        return Err(PyValueError::new_err(format!(
            "Elements of format '{format}' ({size} bytes) have no counterpart here; convert them \
             to a numeric dtype first."
        )));
    };
    let ndim = view.ndim as usize;
    let read = |numbers: *mut ffi::Py_ssize_t| -> Option<Vec<i64>> {
        if numbers.is_null() {
            return None;
        }
        // SAFETY: shape, and strides if they are given, have `ndim` numbers.
        let numbers = unsafe { std::slice::from_raw_parts(numbers, ndim) };
        Some(numbers.iter().map(|&n| n as i64).collect())
    };
    if !view.suboffsets.is_null() {
        return Err(PyValueError::new_err("Buffers with suboffsets cannot be imported."));
    }
    let shape = match read(view.shape) {
        Some(shape) => shape,
        None if ndim == 0 => Vec::new(),
        None => vec![view.len as i64 / size.max(1) as i64],
    };
    let extent = Extent::new(&shape, read(view.strides), size)?;
    Ok((stored, extent))
}

/// What a view of ours is kept in until it is released.
struct Export {
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
    /// Keeps the elements alive, and from being given to an operation that would reuse them.
    view: View,
}

#[pymethods]
impl PyArray {
    /// # Safety
    /// Called by Python with a buffer to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if buffer.is_null() {
            return Err(PyBufferError::new_err("There is no buffer to fill."));
        }
        // SAFETY: not null, so it is a structure of Python's to fill.
        unsafe { (*buffer).obj = ptr::null_mut() };
        let array = slf.get().evaluated(slf.py())?;
        let Some(format) = format::format(array.dtype()) else {
            return Err(PyBufferError::new_err(
                "bfloat16 has no format in the buffer protocol; use DLPack, numpy.asarray with \
                 ml_dtypes installed, or convert with astype.",
            ));
        };
        let view = array.host_view().or_raise()?;
        let layout = &view.layout;
        let asks = |flag: c_int| flags & flag == flag;
        // Memory of ours is lent for writing, as by MLX: a NumPy view of an array can change it.
        // Elements that several indices name, or that belong to others, are not.
        let repeated = layout.shape.iter().zip(&layout.strides).any(|(&n, &s)| n > 1 && s == 0);
        let read_only = !view.buffer.is_own() || repeated;
        if asks(ffi::PyBUF_WRITABLE) && read_only {
            return Err(PyBufferError::new_err("The array's memory is read-only."));
        }
        if !asks(ffi::PyBUF_STRIDES) && !layout.is_contiguous() {
            return Err(PyBufferError::new_err("The array is not contiguous."));
        }
        let columns = {
            let mut reversed = layout.clone();
            reversed.shape.reverse();
            reversed.strides.reverse();
            reversed.is_contiguous()
        };
        if asks(ffi::PyBUF_C_CONTIGUOUS) && !layout.is_contiguous()
            || asks(ffi::PyBUF_F_CONTIGUOUS) && !columns
            || asks(ffi::PyBUF_ANY_CONTIGUOUS) && !layout.is_contiguous() && !columns
        {
            return Err(PyBufferError::new_err("The array is not contiguous in that order."));
        }
        let size = view.dtype.size() as ffi::Py_ssize_t;
        let start = first_element(&view)?;
        let mut export = Box::new(Export {
            shape: layout.shape.iter().map(|&n| n as ffi::Py_ssize_t).collect(),
            strides: layout.strides.iter().map(|&s| s as ffi::Py_ssize_t * size).collect(),
            view,
        });
        let (shape, strides) = (export.shape.as_mut_ptr(), export.strides.as_mut_ptr());
        let ndim = export.shape.len() as c_int;
        // An empty array has no elements, but some consumers take a null pointer for an error.
        let start = if start.is_null() { export.shape.as_ptr().cast() } else { start };
        // SAFETY: the structure to fill. The pointers lead into `export`, which lives until
        // `__releasebuffer__` takes it back out of `internal`.
        unsafe {
            (*buffer).buf = start.cast_mut().cast::<c_void>();
            (*buffer).len = array.nbytes() as ffi::Py_ssize_t;
            (*buffer).itemsize = size;
            (*buffer).readonly = c_int::from(read_only);
            (*buffer).ndim = ndim;
            (*buffer).format =
                if asks(ffi::PyBUF_FORMAT) { format.as_ptr().cast_mut() } else { ptr::null_mut() };
            (*buffer).shape = if asks(ffi::PyBUF_ND) { shape } else { ptr::null_mut() };
            (*buffer).strides = if asks(ffi::PyBUF_STRIDES) { strides } else { ptr::null_mut() };
            (*buffer).suboffsets = ptr::null_mut();
            (*buffer).internal = Box::into_raw(export).cast();
            (*buffer).obj = slf.into_ptr();
        }
        Ok(())
    }

    /// # Safety
    /// Called by Python, once, with a buffer that `__getbuffer__` filled.
    unsafe fn __releasebuffer__(&self, buffer: *mut ffi::Py_buffer) {
        // SAFETY: `internal` is the box that `__getbuffer__` put there.
        let export = unsafe { Box::from_raw((*buffer).internal.cast::<Export>()) };
        drop(export.view);
    }
}
