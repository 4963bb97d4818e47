//! Devices and streams under MLX's names.
//!
//! `gpu` is the accelerator that is present; where none is, asking for it is MLX's error. A
//! stream belongs to a device; evaluation of one device's streams runs in order, so streams of a
//! device differ in identity only.

use std::sync::atomic::{AtomicUsize, Ordering};

use anymetal::Stream;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::argument::{Argument, StreamArgument};
use crate::error::CallError;
use crate::function::{Row, row};

/// A kind of device.
#[pyclass(frozen, eq, hash, from_py_object, module = "anymetal.core", name = "DeviceType")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(non_camel_case_types, reason = "the members are MLX's")]
pub(crate) enum DeviceType {
    cpu,
    gpu,
}

impl DeviceType {
    fn name(self) -> &'static str {
        match self {
            DeviceType::cpu => "cpu",
            DeviceType::gpu => "gpu",
        }
    }

    /// The default stream of this kind of device.
    fn stream(self) -> PyResult<PyStream> {
        match self {
            DeviceType::cpu => Ok(PyStream { device: PyDevice { kind: self, index: 0 }, index: 0 }),
            DeviceType::gpu => Err(PyValueError::new_err(
                "[default_stream] Cannot get gpu stream without gpu backend.",
            )),
        }
    }
}

/// A device: its kind and number.
#[pyclass(frozen, module = "anymetal.core", name = "Device")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyDevice {
    kind: DeviceType,
    index: i32,
}

#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (r#type, index = 0))]
    fn new(r#type: DeviceType, index: i32) -> Self {
        PyDevice { kind: r#type, index }
    }

    #[getter]
    fn r#type(&self) -> DeviceType {
        self.kind
    }

    /// Equal to a device of the same kind and number, and to its kind.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        match other.extract::<PyRef<'_, PyDevice>>() {
            Ok(device) => *self == *device,
            Err(_) => other.extract::<DeviceType>().is_ok_and(|kind| kind == self.kind),
        }
    }

    fn __hash__(&self) -> isize {
        self.kind as isize
    }

    fn __repr__(&self) -> String {
        format!("Device({}, {})", self.kind.name(), self.index)
    }
}

/// An ordered queue of work on a device.
#[pyclass(frozen, eq, hash, module = "anymetal.core", name = "Stream")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyStream {
    device: PyDevice,
    index: usize,
}

impl PyStream {
    fn core(self) -> Stream {
        anymetal::Device::cpu().stream()
    }
}

#[pymethods]
impl PyStream {
    #[getter]
    fn device(&self) -> PyDevice {
        self.device
    }

    fn __repr__(&self) -> String {
        format!("Stream({}, {})", self.device.__repr__(), self.index)
    }
}

impl<'py> Argument<'py> for StreamArgument {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() {
            return Ok(StreamArgument(None));
        }
        Ok(StreamArgument(Some(resolve(value)?.core())))
    }
}

/// The stream that a stream, device or kind of device means.
fn resolve(value: &Bound<'_, PyAny>) -> Result<PyStream, CallError> {
    if let Ok(stream) = value.cast::<PyStream>() {
        return Ok(*stream.get());
    }
    if let Ok(device) = value.cast::<PyDevice>() {
        return Ok(device.get().kind.stream()?);
    }
    match value.extract::<DeviceType>() {
        Ok(kind) => Ok(kind.stream()?),
        Err(_) => Err(CallError::Misfit),
    }
}

/// `with stream(s):` makes `s` the default inside.
#[pyclass(frozen, module = "anymetal.core")]
struct StreamContext {
    stream: PyStream,
    before: std::sync::Mutex<Vec<Stream>>,
}

#[pymethods]
impl StreamContext {
    #[new]
    fn new(s: &Bound<'_, PyAny>) -> PyResult<Self> {
        let stream = resolve(s).map_err(|error| error.or_type_error("a Stream or Device"))?;
        Ok(StreamContext { stream, before: Default::default() })
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        let this = slf.get();
        this.before.lock().unwrap_or_else(|e| e.into_inner()).push(Stream::current());
        this.stream.core().set_current();
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, _args: &Bound<'_, pyo3::types::PyTuple>) {
        if let Some(stream) = self.before.lock().unwrap_or_else(|e| e.into_inner()).pop() {
            stream.set_current();
        }
    }
}

fn default_stream() -> PyStream {
    PyStream { device: PyDevice { kind: DeviceType::cpu, index: 0 }, index: 0 }
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row("default_device() -> Device", "The default device of this thread.", |c| {
        Ok(Bound::new(c.py, default_stream().device)?.into_any())
    }),
    row(
        "set_default_device(device: Device | DeviceType) -> None",
        "Makes a device the default.",
        |c| {
            let value: Bound<'_, PyAny> = c.next()?;
            let kind = match value.cast::<PyDevice>() {
                Ok(device) => device.get().kind,
                Err(_) => value.extract::<DeviceType>().map_err(|_| CallError::Misfit)?,
            };
            if kind == DeviceType::gpu {
                let text = "[set_default_device] Cannot set gpu device without gpu backend.";
                return Err(PyValueError::new_err(text).into());
            }
            c.give(())
        },
    ),
    row(
        "default_stream(device: Device | DeviceType) -> Stream",
        "The default stream of a device.",
        |c| {
            let device: Bound<'_, PyAny> = c.next()?;
            Ok(Bound::new(c.py, resolve(&device)?)?.into_any())
        },
    ),
    row(
        "set_default_stream(stream: Stream) -> None",
        "Makes a stream the default of its device.",
        |c| {
            let stream: Bound<'_, PyAny> = c.next()?;
            stream.cast::<PyStream>().map_err(|_| CallError::Misfit)?;
            c.give(())
        },
    ),
    row("new_stream(device: Device | DeviceType) -> Stream", "A new stream of a device.", |c| {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let device: Bound<'_, PyAny> = c.next()?;
        let mut stream = resolve(&device)?;
        stream.index = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Bound::new(c.py, stream)?.into_any())
    }),
    row(
        "stream(s: Stream | Device | DeviceType) -> StreamContext",
        "A context manager that makes a stream the default inside.",
        |c| {
            let s: Bound<'_, PyAny> = c.next()?;
            let stream = resolve(&s)?;
            Ok(Bound::new(c.py, StreamContext { stream, before: Default::default() })?.into_any())
        },
    ),
    row("is_available(device: Device | DeviceType) -> bool", "Whether a device is present.", |c| {
        let device: Bound<'_, PyAny> = c.next()?;
        let kind = match device.cast::<PyDevice>() {
            Ok(device) => device.get().kind,
            Err(_) => device.extract::<DeviceType>().map_err(|_| CallError::Misfit)?,
        };
        c.give(kind == DeviceType::cpu)
    }),
    row(
        "device_count(device_type: DeviceType) -> int",
        "How many devices of a kind there are.",
        |c| {
            let kind: Bound<'_, PyAny> = c.next()?;
            let kind = kind.extract::<DeviceType>().map_err(|_| CallError::Misfit)?;
            c.give(usize::from(kind == DeviceType::cpu))
        },
    ),
    row(
        "synchronize(stream: Stream | None = None) -> None",
        "Waits for everything launched on a stream.",
        |c| c.give(()),
    ),
    row("clear_streams() -> None", "Forgets this thread's streams.", |c| c.give(())),
];

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DeviceType>()?;
    module.add_class::<PyDevice>()?;
    module.add_class::<PyStream>()?;
    module.add_class::<StreamContext>()?;
    module.add("cpu", DeviceType::cpu)?;
    module.add("gpu", DeviceType::gpu)
}
