//! The scratch buffer that each thread keeps.

use std::cell::Cell;

use bytemuck::{Pod, Zeroable};

/// A cache line; buffers start on one.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

thread_local! {
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// What is left of a scratch buffer.
pub(super) struct Scratch<'a>(&'a mut [Line]);

impl<'a> Scratch<'a> {
    /// Takes `len` elements of unspecified value.
    pub(super) fn take<T: Pod>(&mut self, len: usize) -> &'a mut [T] {
        let (taken, left) = std::mem::take(&mut self.0).split_at_mut(lines::<T>(len));
        self.0 = left;
        &mut bytemuck::cast_slice_mut(taken)[..len]
    }
}

/// Lines that `len` elements need.
fn lines<T>(len: usize) -> usize {
    (len * size_of::<T>()).div_ceil(size_of::<Line>())
}

/// Calls `f` with this thread's scratch buffer, of at least `elements` elements in up to `parts`
/// parts.
pub(super) fn with<T: Pod, R>(
    elements: usize,
    parts: usize,
    f: impl FnOnce(&mut Scratch<'_>) -> R,
) -> R {
    let mut buffer = KEPT.take();
    let needed = lines::<T>(elements) + parts;
    if buffer.len() < needed {
        buffer.clear();
        buffer.resize(needed, Line::zeroed());
    }
    let result = f(&mut Scratch(&mut buffer));
    KEPT.set(buffer);
    result
}
