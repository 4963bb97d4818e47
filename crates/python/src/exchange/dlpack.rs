//! DLPack: tensors of other libraries taken over, ours handed out (versions 1.x and before).
#![allow(unsafe_code, reason = "DLPack is a C interface")]

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};

use anymetal::device::View;
use anymetal::{Array, Dtype};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use super::foreign::{self, Owner};
use super::format::{Element, Stored};
use super::memory::{Extent, Memory};

/// The only device of ours: the host.
const CPU: i32 = 1;
/// Memory of devices that the host reads like its own: pinned for CUDA, pinned for ROCm, and
/// managed by CUDA.
const READABLE: [i32; 4] = [CPU, 3, 11, 13];

const READ_ONLY: u64 = 1;
const COPIED: u64 = 2;

const INT: u8 = 0;
const UINT: u8 = 1;
const FLOAT: u8 = 2;
const BFLOAT: u8 = 4;
const COMPLEX: u8 = 5;
const BOOL: u8 = 6;

#[repr(C)]
#[derive(Clone, Copy)]
struct Device {
    kind: i32,
    id: i32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: DataType,
    shape: *mut i64,
    /// Null: row-major without gaps.
    strides: *mut i64,
    byte_offset: u64,
}

/// Before version 1.
#[repr(C)]
pub(super) struct Unversioned {
    tensor: Tensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Unversioned)>,
}

#[repr(C)]
pub(super) struct Versioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: Tensor,
}

const NAME: &CStr = c"dltensor";
const USED: &CStr = c"used_dltensor";
const NAME_VERSIONED: &CStr = c"dltensor_versioned";
const USED_VERSIONED: &CStr = c"used_dltensor_versioned";

/// A tensor that was taken over; deleting it gives the memory back.
pub(super) enum Managed {
    Unversioned(NonNull<Unversioned>),
    Versioned(NonNull<Versioned>),
}

impl Managed {
    /// Calls the tensor's deleter; with the interpreter lock held, which it may need.
    pub(super) fn delete(self) {
        match self {
            // SAFETY: the tensor is whole until its deleter is called, and that is done once
            // because `self` is consumed.
            Managed::Unversioned(tensor) => unsafe {
                if let Some(deleter) = tensor.as_ref().deleter {
                    deleter(tensor.as_ptr());
                }
            },
            // SAFETY: as above.
            Managed::Versioned(tensor) => unsafe {
                if let Some(deleter) = tensor.as_ref().deleter {
                    deleter(tensor.as_ptr());
                }
            },
        }
    }
}

/// The tensor of a capsule, which is marked as used; or of an object, which is asked for one.
pub(super) fn import(value: &Bound<'_, PyAny>) -> PyResult<Memory> {
    if let Ok(capsule) = value.cast::<PyCapsule>() {
        return consume(capsule);
    }
    let device: (i32, i64) = value.call_method0("__dlpack_device__")?.extract()?;
    check_device(device.0, device.1)?;
    let py = value.py();
    let kwargs = PyDict::new(py);
    kwargs.set_item("max_version", (1, 1))?;
    let answer = match value.call_method("__dlpack__", (), Some(&kwargs)) {
        // Producers from before version 1 do not know the argument.
        Err(error) if error.is_instance_of::<PyTypeError>(py) => value.call_method0("__dlpack__"),
        answer => answer,
    }?;
    match answer.cast::<PyCapsule>() {
        Ok(capsule) => consume(capsule),
        Err(_) => {
            let name = answer.get_type().name()?;
            Err(PyTypeError::new_err(format!("__dlpack__ must return a capsule, not a {name}.")))
        }
    }
}

fn check_device(kind: i32, id: i64) -> PyResult<()> {
    if READABLE.contains(&kind) {
        return Ok(());
    }
    let name = match kind {
        2 => "a CUDA device",
        4 => "an OpenCL device",
        7 => "a Vulkan device",
        8 => "a Metal device",
        10 => "a ROCm device",
        14 => "a oneAPI device",
        _ => "a device",
    };
    Err(PyValueError::new_err(format!(
        "[from_dlpack] The data is on {name} (DLPack device ({kind}, {id})); only memory of the \
         CPU can be imported. Copy it to the CPU first."
    )))
}

fn consume(capsule: &Bound<'_, PyCapsule>) -> PyResult<Memory> {
    let used = || {
        PyBufferError::new_err(
            "[from_dlpack] The capsule holds no tensor, or it was consumed already.",
        )
    };
    let raw = capsule.as_ptr();
    // SAFETY: `raw` is a capsule; the name is compared before the pointer is given out.
    let (versioned, pointer) = unsafe {
        if ffi::PyCapsule_IsValid(raw, NAME_VERSIONED.as_ptr()) != 0 {
            (true, ffi::PyCapsule_GetPointer(raw, NAME_VERSIONED.as_ptr()))
        } else if ffi::PyCapsule_IsValid(raw, NAME.as_ptr()) != 0 {
            (false, ffi::PyCapsule_GetPointer(raw, NAME.as_ptr()))
        } else {
            return Err(used());
        }
    };
    let name = if versioned { USED_VERSIONED } else { USED };
    // SAFETY: a capsule that was valid a moment ago, and the lock is held since. From here on the
    // tensor is ours: its capsule's destructor leaves used tensors alone.
    if unsafe { ffi::PyCapsule_SetName(raw, name.as_ptr()) } != 0 {
        return Err(PyErr::fetch(capsule.py()));
    }
    let (managed, tensor) = if versioned {
        let tensor = NonNull::new(pointer.cast::<Versioned>()).ok_or_else(used)?;
        // SAFETY: what a capsule of this name points to. The version and the deleter are where
        // they are in every version, so they may be read before the version is known.
        let (major, minor) = unsafe { ((*tensor.as_ptr()).major, (*tensor.as_ptr()).minor) };
        if major != 1 {
            Managed::Versioned(tensor).delete();
            return Err(PyBufferError::new_err(format!(
                "[from_dlpack] The tensor is of DLPack {major}.{minor}; versions 1.x and those \
                 before 1.0 are known."
            )));
        }
        // SAFETY: whole until it is deleted, and laid out like this in version 1.
        let whole = unsafe { tensor.as_ref() };
        (Managed::Versioned(tensor), &whole.tensor)
    } else {
        let tensor = NonNull::new(pointer.cast::<Unversioned>()).ok_or_else(used)?;
        // SAFETY: whole until it is deleted.
        (Managed::Unversioned(tensor), unsafe { &tensor.as_ref().tensor })
    };
    match describe(tensor) {
        Err(error) => {
            managed.delete();
            Err(error)
        }
        Ok((stored, extent)) => {
            let start = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
            let start = start.wrapping_offset(extent.first);
            // SAFETY: the producer vouches for the elements of the tensor, which are these bytes,
            // until the deleter is called; a null pointer makes an empty buffer.
            let buffer = unsafe { foreign::buffer(start, extent.len(), Owner::Managed(managed)) };
            Memory::new(buffer, stored, extent)
        }
    }
}

/// Reads the description of a tensor.
fn describe(tensor: &Tensor) -> PyResult<(Stored, Extent)> {
    check_device(tensor.device.kind, tensor.device.id.into())?;
    let DataType { code, bits, lanes } = tensor.dtype;
    let element = match (code, bits, lanes) {
        (BOOL, 8, 1) => Element::Dtype(Dtype::Bool),
        (INT, 8, 1) => Element::Dtype(Dtype::I8),
        (INT, 16, 1) => Element::Dtype(Dtype::I16),
        (INT, 32, 1) => Element::Dtype(Dtype::I32),
        (INT, 64, 1) => Element::Dtype(Dtype::I64),
        (UINT, 8, 1) => Element::Dtype(Dtype::U8),
        (UINT, 16, 1) => Element::Dtype(Dtype::U16),
        (UINT, 32, 1) => Element::Dtype(Dtype::U32),
        (UINT, 64, 1) => Element::Dtype(Dtype::U64),
        (FLOAT, 16, 1) => Element::Dtype(Dtype::F16),
        (FLOAT, 32, 1) => Element::Dtype(Dtype::F32),
        (FLOAT, 64, 1) => Element::Dtype(Dtype::F64),
        (BFLOAT, 16, 1) => Element::Dtype(Dtype::Bf16),
        (COMPLEX, 64, 1) => Element::Dtype(Dtype::Complex64),
        (COMPLEX, 128, 1) => Element::Complex128,
        _ => {
            return Err(PyValueError::new_err(format!(
                "[from_dlpack] Elements of DLPack type (code {code}, {bits} bits, {lanes} lanes) \
                 have no counterpart here; convert them first."
            )));
        }
    };
    let ndim = usize::try_from(tensor.ndim).unwrap_or(0);
    let read = |numbers: *mut i64| -> Vec<i64> {
        if numbers.is_null() || ndim == 0 {
            return Vec::new();
        }
        // SAFETY: shape, and strides if they are given, have `ndim` numbers.
        unsafe { std::slice::from_raw_parts(numbers, ndim) }.to_vec()
    };
    let shape = read(tensor.shape);
    let strides = read(tensor.strides);
    let size = element.size() as i64;
    let steps = (strides.len() == shape.len() && !tensor.strides.is_null())
        .then(|| strides.iter().map(|s| s.saturating_mul(size)).collect());
    Ok((Stored { element, swapped: false }, Extent::new(&shape, steps, element.size())?))
}

/// What an exported tensor is kept in: first the C structure, then what it points to.
struct Export<T> {
    managed: T,
    shape: Vec<i64>,
    strides: Vec<i64>,
    /// Keeps the elements alive, and from being given to an operation that would reuse them.
    _view: View,
}

/// A capsule over an array's elements; `view` is in host memory.
pub(super) fn export<'py>(
    py: Python<'py>,
    view: View,
    versioned: bool,
    copied: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let read_only = !view.buffer.is_own();
    let shape = view.layout.shape.iter().map(|&n| n as i64).collect();
    let strides = view.layout.strides.iter().map(|&s| s as i64).collect();
    let data = super::memory::first_element(&view)?;
    let tensor = Tensor {
        data: data.cast_mut().cast(),
        device: Device { kind: CPU, id: 0 },
        ndim: view.layout.ndim() as i32,
        dtype: data_type(view.dtype),
        shape: ptr::null_mut(),
        strides: ptr::null_mut(),
        byte_offset: 0,
    };
    if versioned {
        let flags = if read_only { READ_ONLY } else { 0 } | if copied { COPIED } else { 0 };
        let (context, deleter) = (ptr::null_mut(), Some(delete as _));
        let managed = Versioned { major: 1, minor: 0, context, deleter, flags, tensor };
        boxed(py, Export { managed, shape, strides, _view: view })
    } else {
        let (context, deleter) = (ptr::null_mut(), Some(delete as _));
        let managed = Unversioned { tensor, context, deleter };
        boxed(py, Export { managed, shape, strides, _view: view })
    }
}

/// One of the two C structures around a tensor.
trait Structure {
    const NAME: &'static CStr;
    fn tensor(&mut self) -> &mut Tensor;
    fn context(&mut self) -> &mut *mut c_void;
}

impl Structure for Unversioned {
    const NAME: &'static CStr = NAME;
    fn tensor(&mut self) -> &mut Tensor {
        &mut self.tensor
    }
    fn context(&mut self) -> &mut *mut c_void {
        &mut self.context
    }
}

impl Structure for Versioned {
    const NAME: &'static CStr = NAME_VERSIONED;
    fn tensor(&mut self) -> &mut Tensor {
        &mut self.tensor
    }
    fn context(&mut self) -> &mut *mut c_void {
        &mut self.context
    }
}

/// A capsule over an export, which is its tensor's context from now on.
fn boxed<T: Structure>(py: Python<'_>, export: Export<T>) -> PyResult<Bound<'_, PyAny>> {
    let export = Box::leak(Box::new(export));
    let tensor = export.managed.tensor();
    tensor.shape = export.shape.as_mut_ptr();
    tensor.strides = export.strides.as_mut_ptr();
    let whole = ptr::from_mut(export);
    *export.managed.context() = whole.cast();
    // SAFETY: the export was just leaked and lives until it is deleted: by a consumer, or by the
    // capsule's destructor if there was none.
    unsafe { capsule(py, (&raw mut (*whole).managed).cast(), T::NAME, destroy::<T>) }
}

/// Makes a capsule.
///
/// # Safety
/// `destructor` must fit `pointer`.
unsafe fn capsule<'py>(
    py: Python<'py>,
    pointer: *mut c_void,
    name: &'static CStr,
    destructor: ffi::PyCapsule_Destructor,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the pointer is not null and the name lives for ever; a null result is an error that
    // has been set.
    unsafe {
        let raw = ffi::PyCapsule_New(pointer, name.as_ptr(), Some(destructor));
        Bound::from_owned_ptr_or_err(py, raw)
    }
}

unsafe extern "C" fn delete<T: Structure>(tensor: *mut T) {
    // SAFETY: called once, by the consumer or the capsule's destructor, with a tensor of ours,
    // whose context is the box it is in. Dropping a view needs no interpreter lock.
    unsafe { drop(Box::from_raw((*(*tensor).context()).cast::<Export<T>>())) }
}

unsafe extern "C" fn destroy<T: Structure>(capsule: *mut ffi::PyObject) {
    // SAFETY: called by Python with a capsule of ours. A consumed one has another name.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, T::NAME.as_ptr()) != 0 {
            delete::<T>(ffi::PyCapsule_GetPointer(capsule, T::NAME.as_ptr()).cast());
        }
    }
}

fn data_type(dtype: Dtype) -> DataType {
    let code = match dtype {
        Dtype::Bool => BOOL,
        Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => UINT,
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => INT,
        Dtype::F16 | Dtype::F32 | Dtype::F64 => FLOAT,
        Dtype::Bf16 => BFLOAT,
        Dtype::Complex64 => COMPLEX,
    };
    DataType { code, bits: (dtype.size() * 8) as u8, lanes: 1 }
}

/// `__dlpack__` of an array that has been computed.
pub(super) fn export_array<'py>(
    py: Python<'py>,
    array: &Array,
    versioned: bool,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    use crate::error::OrRaise;
    let view = array.host_view().or_raise()?;
    // Consumers from before version 1 take every tensor for writable.
    let must = !versioned && !view.buffer.is_own();
    if must && copy == Some(false) {
        return Err(PyBufferError::new_err(
            "The array's memory is read-only, which DLPack before 1.0 cannot say; ask for \
             max_version=(1, 0) or allow a copy.",
        ));
    }
    if must || copy == Some(true) {
        let view = view.copied(view.dtype).or_raise()?;
        return export(py, view, versioned, true);
    }
    export(py, view, versioned, false)
}
