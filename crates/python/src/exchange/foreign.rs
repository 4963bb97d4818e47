//! Memory of other libraries: who owns it, and how it is given back.
//!
//! A core buffer may be dropped by any thread, with or without the interpreter lock; giving memory
//! back runs Python code. So dropping only puts the owner on a queue, which is emptied by
//! [`release`] where the lock is held: when an object of ours goes away, after an evaluation, and
//! before memory is taken. No worker ever waits for the lock. What is still queued when the
//! process ends is left to the system.
#![allow(unsafe_code, reason = "memory that other libraries own")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anymetal::device::Buffer;
use pyo3::ffi;
use pyo3::prelude::*;

use super::dlpack::Managed;

/// What keeps memory alive.
pub(super) enum Owner {
    /// A view of the buffer protocol. Boxed, because exporters may keep its address.
    View(Box<ffi::Py_buffer>),
    /// A tensor of DLPack.
    Managed(Managed),
}

// SAFETY: the owner is only touched by `release`, with the interpreter lock held, from whatever
// thread; the buffer protocol and DLPack allow that. The raw pointers inside are not dereferenced
// anywhere else after construction.
unsafe impl Send for Owner {}
// SAFETY: nothing can be done through a shared reference.
unsafe impl Sync for Owner {}

impl Owner {
    /// Gives the memory back.
    fn release(self, _py: Python<'_>) {
        match self {
            // SAFETY: the view was filled by `PyObject_GetBuffer`, is released once because `self`
            // is consumed, and the lock is held.
            Owner::View(mut view) => unsafe { ffi::PyBuffer_Release(&raw mut *view) },
            Owner::Managed(tensor) => tensor.delete(),
        }
    }
}

static QUEUE: Mutex<Vec<Owner>> = Mutex::new(Vec::new());
/// Length of the queue, so that an empty one costs a load.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// Puts an owner on the queue.
pub(super) fn give_up(owner: Owner) {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    queue.push(owner);
    QUEUED.store(queue.len(), Ordering::Release);
}

/// Gives back what was dropped since the last time.
pub(crate) fn release(py: Python<'_>) {
    if QUEUED.load(Ordering::Acquire) == 0 {
        return;
    }
    // Taken out first: releasing runs other code, which may drop arrays.
    let owners = {
        let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
        QUEUED.store(0, Ordering::Release);
        std::mem::take(&mut *queue)
    };
    for owner in owners {
        owner.release(py);
    }
}

/// [`release`] for destructors of Python objects, which run with the lock held but have no token.
pub(crate) fn release_in_destructor() {
    if QUEUED.load(Ordering::Acquire) > 0 {
        let _ = Python::try_attach(release);
    }
}

/// Bytes of another library.
struct Foreign {
    start: NonNull<u8>,
    len: usize,
    owner: Option<Owner>,
}

// SAFETY: `start..start + len` stays readable until the owner is released, which happens after
// this value is dropped. The bytes are plain numbers without interior pointers; reading them from
// any thread is what sharing memory without a copy means. As for a memory-mapped file, whoever
// else can write to them must not do so while they are read; the documentation of `from_dlpack`
// and `asarray` says so, and nothing here depends on two reads giving the same value.
unsafe impl Send for Foreign {}
// SAFETY: as above.
unsafe impl Sync for Foreign {}

impl AsRef<[u8]> for Foreign {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `buffer`'s caller vouches for `len` readable bytes at `start` as long as the
        // owner lives, and it lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            give_up(owner);
        }
    }
}

/// A core buffer over memory that `owner` keeps alive.
///
/// # Safety
/// `len` bytes at `start` must be readable until `owner` is released.
pub(super) unsafe fn buffer(start: *const u8, len: usize, owner: Owner) -> Buffer {
    // A null pointer can only belong to an empty array.
    let (start, len) = match NonNull::new(start.cast_mut()) {
        Some(start) => (start, len),
        None => (NonNull::<u64>::dangling().cast(), 0),
    };
    Buffer::foreign(Foreign { start, len, owner: Some(owner) })
}
