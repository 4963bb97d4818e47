//! Host memory for arrays: a pool of always-initialised blocks in size classes.
//!
//! Fresh memory comes zeroed from the system, large blocks from huge pages (a 64 MB output in
//! fresh 4 KiB pages costs ten times the operation that fills it); freed blocks are kept, up to
//! [`cache_limit`], and handed out again with whatever bytes they hold. This module is one of the
//! few that may use `unsafe`.
#![allow(unsafe_code, reason = "owns raw memory; see the module documentation")]

use std::alloc;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::error::{Error, Result};

/// Alignment of every block in bytes: a cache line, and the widest vector.
const ALIGN: usize = 64;
/// Blocks of at least this size are mapped from the system on their own, in huge pages.
const LARGE: usize = 1 << 20;
const HUGE_PAGE: usize = 2 << 20;

/// A block of initialised memory that nothing else refers to.
pub(crate) struct Block {
    ptr: NonNull<u8>,
    len: usize,
    class: u32,
}

// SAFETY: a block is plain memory owned by this value alone; `&Block` only gives `&[u8]`.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block of `len` bytes with unspecified but initialised content.
    pub(crate) fn new(len: usize) -> Result<Block> {
        let class = class_of(len);
        let size = class_size(class);
        if size == 0 || size > isize::MAX as usize {
            return Err(refused(len, "it is larger than the address space"));
        }
        if let Some(ptr) = take_cached(class, size) {
            return Ok(Block { ptr, len, class });
        }
        let active = ACTIVE.load(Relaxed);
        if active.saturating_add(size) > memory_limit() {
            return Err(refused(len, &format!("{active} bytes of {} are in use", memory_limit())));
        }
        let ptr = match system_allocate(size) {
            Some(ptr) => ptr,
            None => {
                clear_cache();
                system_allocate(size).ok_or_else(|| refused(len, "the system is out of memory"))?
            }
        };
        note_active(size);
        Ok(Block { ptr, len, class })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `ptr` owns at least `len` initialised bytes (`class_size(class) >= len`, zeroed
        // when they came from the system and only written as bytes since) until `self` is dropped,
        // and writing needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let size = class_size(self.class);
        ACTIVE.fetch_sub(size, Relaxed);
        if CACHED.load(Relaxed).saturating_add(size) <= CACHE_LIMIT.load(Relaxed)
            && let Ok(mut free) = FREE.lock()
        {
            let class = self.class as usize;
            if free.0.len() <= class {
                free.0.resize_with(class + 1, Vec::new);
            }
            free.0[class].push(Free(self.ptr));
            free.set_cached(|cached| cached + size);
            return;
        }
        system_free(self.ptr, size);
    }
}

/// Bytes held by live arrays.
pub fn active_memory() -> usize {
    ACTIVE.load(Relaxed)
}

/// The most bytes that live arrays have held at once since the start or [`reset_peak_memory`].
pub fn peak_memory() -> usize {
    PEAK.load(Relaxed)
}

/// Starts [`peak_memory`] anew from the present use.
pub fn reset_peak_memory() {
    PEAK.store(ACTIVE.load(Relaxed), Relaxed);
}

/// Bytes kept for reuse.
pub fn cache_memory() -> usize {
    CACHED.load(Relaxed)
}

/// Bytes that may be kept for reuse: 4 GiB unless set.
pub fn cache_limit() -> usize {
    CACHE_LIMIT.load(Relaxed)
}

/// Sets how many bytes may be kept for reuse, and returns the former value.
pub fn set_cache_limit(bytes: usize) -> usize {
    let old = CACHE_LIMIT.swap(bytes, Relaxed);
    if bytes < CACHED.load(Relaxed) {
        clear_cache();
    }
    old
}

/// Bytes that live arrays may hold together: the machine's physical memory unless set.
pub fn memory_limit() -> usize {
    match LIMIT.load(Relaxed) {
        0 => {
            let physical = physical_memory();
            LIMIT.store(physical, Relaxed);
            physical
        }
        n => n,
    }
}

/// Sets how many bytes live arrays may hold together, and returns the former value. Allocations
/// beyond it are errors.
pub fn set_memory_limit(bytes: usize) -> usize {
    let old = memory_limit();
    LIMIT.store(bytes.max(1), Relaxed);
    old
}

/// Gives all memory kept for reuse back to the system.
pub fn clear_cache() {
    let lists = match FREE.lock() {
        Ok(mut free) => {
            free.set_cached(|_| 0);
            std::mem::take(&mut free.0)
        }
        Err(_) => return,
    };
    for (class, list) in lists.into_iter().enumerate() {
        let size = class_size(class as u32);
        for Free(ptr) in list {
            system_free(ptr, size);
        }
    }
}

struct Free(NonNull<u8>);

// SAFETY: a free block is referred to by its list entry alone.
unsafe impl Send for Free {}

/// The blocks of each class.
struct FreeLists(Vec<Vec<Free>>);

impl FreeLists {
    /// Changes [`CACHED`], which is written under the lock of the lists alone: no atomic addition
    /// is needed, and those are most of what a small allocation costs here.
    fn set_cached(&mut self, to: impl FnOnce(usize) -> usize) {
        CACHED.store(to(CACHED.load(Relaxed)), Relaxed);
    }
}

static FREE: Mutex<FreeLists> = Mutex::new(FreeLists(Vec::new()));
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CACHED: AtomicUsize = AtomicUsize::new(0);
static CACHE_LIMIT: AtomicUsize = AtomicUsize::new(4 << 30);
static LIMIT: AtomicUsize = AtomicUsize::new(0);

fn take_cached(class: u32, size: usize) -> Option<NonNull<u8>> {
    let mut free = FREE.lock().ok()?;
    let Free(ptr) = free.0.get_mut(class as usize)?.pop()?;
    free.set_cached(|cached| cached - size);
    drop(free);
    note_active(size);
    Some(ptr)
}

fn note_active(size: usize) {
    let now = ACTIVE.fetch_add(size, Relaxed) + size;
    if now > PEAK.load(Relaxed) {
        PEAK.fetch_max(now, Relaxed);
    }
}

fn refused(requested: usize, reason: &str) -> Error {
    Error::Memory { requested, reason: reason.into() }
}

/// Classes are four to a power of two, so at most a fifth of a block is unused; class `4 k + j`
/// has `(4 + j) << k` cache lines' worth of sixteenths: see [`class_size`].
fn class_of(len: usize) -> u32 {
    let units = len.div_ceil(ALIGN).max(4);
    let k = units.ilog2() - 2;
    let j = units.div_ceil(1 << k) as u32 - 4;
    4 * k + j
}

/// Bytes of a block of a class; 0 if that overflows.
fn class_size(class: u32) -> usize {
    let units = (4 + (class % 4) as usize).checked_shl(class / 4).unwrap_or(0);
    let size = units.checked_mul(ALIGN).unwrap_or(0);
    if size >= LARGE { size.checked_next_multiple_of(HUGE_PAGE).unwrap_or(0) } else { size }
}

#[cfg(unix)]
fn physical_memory() -> usize {
    // SAFETY: `sysconf` only reads system constants.
    let (pages, size) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    match (usize::try_from(pages), usize::try_from(size)) {
        (Ok(pages), Ok(size)) if pages > 0 && size > 0 => pages.saturating_mul(size),
        _ => usize::MAX,
    }
}

#[cfg(not(unix))]
fn physical_memory() -> usize {
    usize::MAX
}

/// `size` zeroed bytes, aligned to [`ALIGN`]; `size` is a class size and not zero.
fn system_allocate(size: usize) -> Option<NonNull<u8>> {
    #[cfg(unix)]
    if size >= LARGE {
        return map_huge(size);
    }
    let layout = alloc::Layout::from_size_align(size, ALIGN).ok()?;
    // SAFETY: the layout's size is not zero.
    NonNull::new(unsafe { alloc::alloc_zeroed(layout) })
}

fn system_free(ptr: NonNull<u8>, size: usize) {
    #[cfg(unix)]
    if size >= LARGE {
        // SAFETY: `ptr` is the start of a mapping of exactly `size` bytes made by `map_huge`, and
        // the caller gives up the only reference to it.
        unsafe { libc::munmap(ptr.as_ptr().cast(), size) };
        return;
    }
    if let Ok(layout) = alloc::Layout::from_size_align(size, ALIGN) {
        // SAFETY: `ptr` came from `alloc_zeroed` with this very layout in `system_allocate`.
        unsafe { alloc::dealloc(ptr.as_ptr(), layout) };
    }
}

/// Maps `size` bytes (a multiple of the huge page) at a multiple of the huge page.
#[cfg(unix)]
fn map_huge(size: usize) -> Option<NonNull<u8>> {
    let padded = size.checked_add(HUGE_PAGE)?;
    // SAFETY: an anonymous private mapping at an address of the system's choice touches no
    // existing memory.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            padded,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return None;
    }
    let base = base.cast::<u8>();
    let skip = base.align_offset(HUGE_PAGE);
    // SAFETY: `skip < HUGE_PAGE`, so `base + skip .. base + skip + size` lies inside the mapping;
    // the two parts outside it are unmapped, and nothing refers to them. `madvise` is a hint.
    unsafe {
        let start = base.add(skip);
        if skip > 0 {
            libc::munmap(base.cast(), skip);
        }
        if skip < HUGE_PAGE {
            libc::munmap(start.add(size).cast(), HUGE_PAGE - skip);
        }
        #[cfg(target_os = "linux")]
        libc::madvise(start.cast(), size, libc::MADV_HUGEPAGE);
        NonNull::new(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_promise() {
        for len in (0..5000).chain([1 << 20, (1 << 20) + 1, 67_108_864, 1 << 40]) {
            let size = class_size(class_of(len));
            assert!(size >= len, "{len} in {size}");
            assert!(size <= (len + len / 4 + 256).max(len + HUGE_PAGE), "{len} in {size}");
        }
    }

    #[test]
    fn blocks_are_aligned_and_reused() {
        for len in [1usize, 100, 5000, 3 << 20] {
            let mut block = Block::new(len).unwrap();
            assert_eq!(block.bytes().as_ptr().align_offset(ALIGN), 0);
            block.bytes_mut().fill(7);
            assert_eq!(block.bytes().len(), len);
        }
    }

    #[test]
    fn absurd_sizes_are_errors() {
        for len in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert!(matches!(Block::new(len), Err(Error::Memory { .. })));
        }
    }
}
