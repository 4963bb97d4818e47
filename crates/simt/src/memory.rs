//! Device memory shared between workers, as relaxed atomics of the access width.
//!
//! Invariants: a [`Buffer`] never reads or writes outside the slice it was made from; every
//! access to writable memory is atomic, so racing kernels give some value but never undefined
//! behaviour. This is the only module of the crate with `unsafe`.
#![allow(unsafe_code, reason = "shared device memory: atomics over borrowed bytes")]

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The bytes of one device buffer.
pub struct Buffer<'a> {
    data: Data<'a>,
}

enum Data<'a> {
    Read(&'a [u8]),
    Write(&'a [AtomicU8]),
}

impl<'a> Buffer<'a> {
    /// A buffer that is only read.
    pub fn read(bytes: &'a [u8]) -> Buffer<'a> {
        Buffer { data: Data::Read(bytes) }
    }

    /// A buffer that workers read and write.
    pub fn write(bytes: &'a mut [u8]) -> Buffer<'a> {
        let (start, length) = (bytes.as_mut_ptr().cast::<AtomicU8>(), bytes.len());
        // SAFETY: AtomicU8 has the size and alignment of u8, and the exclusive borrow lasts for
        // 'a, so for that time the bytes are only reached through these atomics.
        let cells = unsafe { std::slice::from_raw_parts(start, length) };
        Buffer { data: Data::Write(cells) }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self.data {
            Data::Read(bytes) => bytes.len(),
            Data::Write(cells) => cells.len(),
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether stores are possible.
    pub fn is_writable(&self) -> bool {
        matches!(self.data, Data::Write(_))
    }

    /// Reads `width` (1, 2, 4 or 8) bytes as a little-endian number; `None` out of range.
    #[inline]
    pub fn load(&self, at: usize, width: usize) -> Option<u64> {
        let end = at.checked_add(width)?;
        match self.data {
            Data::Read(bytes) => {
                let mut word = [0; 8];
                word[..width].copy_from_slice(bytes.get(at..end)?);
                Some(u64::from_le_bytes(word))
            }
            Data::Write(cells) => {
                let cells = cells.get(at..end)?;
                Some(match Cell::of(cells) {
                    Cell::Byte(cell) => cell.load(Relaxed).into(),
                    Cell::Half(cell) => u16::from_le(cell.load(Relaxed)).into(),
                    Cell::Word(cell) => u32::from_le(cell.load(Relaxed)).into(),
                    Cell::Double(cell) => u64::from_le(cell.load(Relaxed)),
                    Cell::Bytes(cells) => {
                        let bytes = cells.iter().rev();
                        bytes.fold(0, |word, cell| word << 8 | u64::from(cell.load(Relaxed)))
                    }
                })
            }
        }
    }

    /// Writes the low `width` bytes of `value`; false out of range or if read-only.
    #[inline]
    pub fn store(&self, at: usize, width: usize, value: u64) -> bool {
        let Data::Write(cells) = self.data else { return false };
        let Some(cells) = at.checked_add(width).and_then(|end| cells.get(at..end)) else {
            return false;
        };
        match Cell::of(cells) {
            Cell::Byte(cell) => cell.store(value as u8, Relaxed),
            Cell::Half(cell) => cell.store((value as u16).to_le(), Relaxed),
            Cell::Word(cell) => cell.store((value as u32).to_le(), Relaxed),
            Cell::Double(cell) => cell.store(value.to_le(), Relaxed),
            Cell::Bytes(cells) => {
                for (i, cell) in cells.iter().enumerate() {
                    cell.store((value >> (8 * i)) as u8, Relaxed);
                }
            }
        }
        true
    }

    /// Replaces an aligned 4- or 8-byte number by `change` of it, atomically, unless `change`
    /// gives `None`. Returns the old number; `None` if it is out of range, read-only or not
    /// aligned.
    pub fn update(
        &self,
        at: usize,
        width: usize,
        mut change: impl FnMut(u64) -> Option<u64>,
    ) -> Option<u64> {
        let Data::Write(cells) = self.data else { return None };
        let cells = cells.get(at..at.checked_add(width)?)?;
        match Cell::of(cells) {
            Cell::Word(cell) => {
                let result = cell.fetch_update(Relaxed, Relaxed, |old| {
                    change(u32::from_le(old).into()).map(|new| (new as u32).to_le())
                });
                Some(u32::from_le(result.unwrap_or_else(|old| old)).into())
            }
            Cell::Double(cell) => {
                let result = cell.fetch_update(Relaxed, Relaxed, |old| {
                    change(u64::from_le(old)).map(u64::to_le)
                });
                Some(u64::from_le(result.unwrap_or_else(|old| old)))
            }
            Cell::Byte(_) | Cell::Half(_) | Cell::Bytes(_) => None,
        }
    }
}

/// Bytes as the atomic of their width, if they are aligned for it.
enum Cell<'a> {
    Byte(&'a AtomicU8),
    Half(&'a AtomicU16),
    Word(&'a AtomicU32),
    Double(&'a AtomicU64),
    Bytes(&'a [AtomicU8]),
}

impl<'a> Cell<'a> {
    #[inline]
    fn of(cells: &'a [AtomicU8]) -> Cell<'a> {
        let start = cells.as_ptr();
        match cells.len() {
            1 => Cell::Byte(&cells[0]),
            2 if start.cast::<AtomicU16>().is_aligned() => {
                // SAFETY: the slice has exactly the atomic's size, its start is aligned for it
                // as just checked, it stays borrowed for 'a, and all access to it is atomic.
                Cell::Half(unsafe { &*start.cast::<AtomicU16>() })
            }
            4 if start.cast::<AtomicU32>().is_aligned() => {
                // SAFETY: as for two bytes.
                Cell::Word(unsafe { &*start.cast::<AtomicU32>() })
            }
            8 if start.cast::<AtomicU64>().is_aligned() => {
                // SAFETY: as for two bytes.
                Cell::Double(unsafe { &*start.cast::<AtomicU64>() })
            }
            _ => Cell::Bytes(cells),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn accesses_stay_inside() {
        let mut bytes = [1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let expected = bytes;
        let buffer = Buffer::write(&mut bytes);
        for width in [1usize, 2, 4, 8] {
            for at in 0..14 {
                let word = expected.get(at..at + width).map(|part| {
                    part.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte))
                });
                assert_eq!(buffer.load(at, width), word, "{at} {width}");
                assert_eq!(buffer.store(at, width, word.unwrap_or(7)), word.is_some());
            }
        }
        assert_eq!(buffer.load(usize::MAX, 8), None);
        assert_eq!(buffer.update(8, 4, |x| Some(x + 1)), None);
        assert!(!Buffer::read(&expected).store(0, 1, 0));
        assert_eq!(bytes, expected);
    }
}
