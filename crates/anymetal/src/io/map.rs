//! Memory-mapped files: the only unsafe code of this module's siblings.
#![allow(unsafe_code, reason = "mapping a file hands out its bytes as if they were memory")]

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// A part of a mapped file; the mapping lives as long as any part of it.
#[derive(Clone)]
pub(super) struct Mapped {
    map: Arc<memmap2::Mmap>,
    range: Range<usize>,
}

/// Maps a whole file, read-only.
pub(super) fn map(file: &File) -> std::io::Result<Mapped> {
    // SAFETY: the mapping is private to this process for writing purposes (read-only) and outlives
    // every slice of it, since slices are borrowed from `Mapped`, which holds it. What cannot be
    // ruled out here is another process shortening or changing the file; callers ask for that
    // risk by name, and the module's documentation states it (`LoadOptions::memory_map`).
    let map = unsafe { memmap2::Mmap::map(file)? };
    let range = 0..map.len();
    Ok(Mapped { map: Arc::new(map), range })
}

impl Mapped {
    /// A part of the file; `None` if it is not inside.
    pub(super) fn part(&self, start: usize, len: usize) -> Option<Mapped> {
        let end = start.checked_add(len).filter(|&end| end <= self.map.len())?;
        Some(Mapped { map: self.map.clone(), range: start..end })
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}
