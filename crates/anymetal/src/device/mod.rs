//! Devices, streams and the narrow interface of a back end.
//!
//! A back end runs [`Primitive`]s: a closed set of launches described as data. It owns a memory
//! space; the evaluator moves buffers between spaces, so arrays have no device of their own. A
//! launch may be asynchronous: it returns the buffers at once and an [`Event`] that completes
//! later. Launches of one stream run in order.

mod buffer;
pub(crate) mod cpu;
mod cpu_fast;
pub mod fake;
pub(crate) mod pool;
mod primitive;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use smallvec::SmallVec;

pub(crate) use buffer::broadcast_layout;
pub use buffer::{Buffer, BufferMut, View};
pub use pool::{
    active_memory, cache_limit, cache_memory, clear_cache, memory_limit, peak_memory,
    reset_peak_memory, set_cache_limit, set_memory_limit,
};
pub use primitive::{AttentionSpec, MaskKind, NormKind, NormSpec, Primitive};

pub use anymetal_kernels::par::{threads, with_threads};

use crate::error::{Error, Result};
use crate::{Dtype, Shape, copy_axes};

/// A memory space; back ends that share one can read each other's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Space(pub u32);

impl Space {
    /// Memory the host reads and writes directly.
    pub const HOST: Space = Space(0);

    /// A space no other back end has.
    pub fn unique() -> Space {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Space(NEXT.fetch_add(1, Relaxed))
    }
}

/// Shape and dtype of an array.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// Sizes of the axes.
    pub shape: Shape,
    /// Type of the elements.
    pub dtype: Dtype,
}

impl Clone for Spec {
    fn clone(&self) -> Self {
        Spec { shape: copy_axes(&self.shape), dtype: self.dtype }
    }
}

impl Spec {
    /// A shape with a dtype.
    pub fn new(shape: impl Into<Shape>, dtype: Dtype) -> Self {
        Spec { shape: shape.into(), dtype }
    }

    /// Bytes of a contiguous array, or `None` if such an array cannot exist because sizes or
    /// strides would overflow.
    pub fn bytes(&self) -> Option<usize> {
        count(&self.shape).map(|n| n * self.dtype.size())
    }
}

/// Number of elements of a shape, or `None` if no array can have it: if with elements of the
/// largest size, and empty axes left out, it exceeds the address space.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    const LARGEST: usize = 8;
    let most = shape.iter().try_fold(LARGEST, |n, &d| n.checked_mul(d.max(1)))?;
    isize::try_from(most).ok()?;
    Some(if shape.contains(&0) { 0 } else { most / LARGEST })
}

/// Something a launch completes in the future.
pub trait Completion: Send + Sync {
    /// Returns when the launch has finished, with its error if it failed.
    fn wait(&self) -> Result<()>;

    /// As [`wait`](Completion::wait), but returns `None` after about `limit`: waiting can then be
    /// interrupted. The default waits to the end.
    fn wait_for(&self, limit: Duration) -> Option<Result<()>> {
        let _ = limit;
        Some(self.wait())
    }
}

/// A shared [`Completion`].
pub type Event = Arc<dyn Completion>;

/// Inputs of a launch. They are owned: a back end may write to a buffer it can take with
/// [`Buffer::try_into_mut`].
pub type Inputs = SmallVec<[View; 4]>;

/// What a launch returns.
pub struct Launched {
    /// One row-major buffer per output.
    pub buffers: SmallVec<[Buffer; 1]>,
    /// When they are written; `None` if they already are.
    pub event: Option<Event>,
}

/// An executor of primitives with a memory space.
pub trait Backend: Send + Sync + 'static {
    /// A short name, such as `cpu`.
    fn name(&self) -> &str;

    /// Where this back end's buffers are. Inputs of a launch are always in this space.
    fn space(&self) -> Space;

    /// Runs a primitive. `inputs` fit the primitive as its documentation says; the outputs are
    /// fresh row-major arrays as `outputs` describes.
    ///
    /// # Errors
    /// Out of memory, or a fault that depends on values, such as an index out of range.
    fn launch(&self, primitive: &Primitive, inputs: Inputs, outputs: &[Spec]) -> Result<Launched>;

    /// Copies host memory into this space.
    fn upload(&self, host: &Buffer) -> Result<(Buffer, Option<Event>)>;

    /// Copies a buffer of this space to host memory, after everything launched before.
    fn download(&self, buffer: &Buffer) -> Result<Buffer>;
}

/// A device: a back end that arrays can be evaluated on. Back ends live as long as the process.
#[derive(Clone, Copy)]
pub struct Device(&'static dyn Backend);

impl Device {
    /// The CPU.
    pub fn cpu() -> Device {
        Device(&cpu::Cpu)
    }

    /// A device for a back end of one's own.
    pub fn new(backend: impl Backend) -> Device {
        let backend: &'static dyn Backend = Box::leak(Box::new(backend));
        BACKENDS.write().unwrap_or_else(PoisonError::into_inner).push(backend);
        Device(backend)
    }

    /// The device of the current thread's default stream.
    pub fn current() -> Device {
        Stream::current().device
    }

    /// The back end.
    pub fn backend(&self) -> &'static dyn Backend {
        self.0
    }

    /// The device's default stream.
    pub fn stream(self) -> Stream {
        Stream { device: self }
    }
}

/// Every back end but the CPU's.
static BACKENDS: RwLock<Vec<&'static dyn Backend>> = RwLock::new(Vec::new());

/// The back end that owns a space.
pub(crate) fn backend_of(space: Space) -> Result<&'static dyn Backend> {
    let backends = BACKENDS.read().unwrap_or_else(PoisonError::into_inner);
    backends.iter().copied().find(|b| b.space() == space).ok_or_else(|| {
        Error::runtime("device", format!("no back end owns memory space {}", space.0))
    })
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name() && self.0.space() == other.0.space()
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.0.name())
    }
}

/// An ordered queue of launches on a device. Every operation belongs to the stream that was
/// current on the thread that built it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The device.
    pub device: Device,
}

thread_local! {
    static CURRENT: Cell<Option<Stream>> = const { Cell::new(None) };
}

impl Stream {
    /// The current thread's default stream; the CPU's unless [`Stream::set_current`] or
    /// [`Stream::scope`] changed it.
    pub fn current() -> Stream {
        CURRENT.get().unwrap_or_else(|| Device::cpu().stream())
    }

    /// Makes this the current thread's default stream.
    pub fn set_current(self) {
        CURRENT.set(Some(self));
    }

    /// Runs `f` with this as the current thread's default stream.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Stream>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        f()
    }
}
