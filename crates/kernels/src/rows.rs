//! Strided arrays as rows: where the rows along the last axis begin.

use smallvec::smallvec;

use crate::data::{Layout, Shape, Strides, collapsed};

/// Bytes read and written by one call above which its output is not worth keeping in caches:
/// about the size of a last-level cache, which the input passes through as well.
pub const STREAM_BYTES: usize = 24 << 20;

/// The rows of a layout along its last axis, in row-major order of the others.
pub(crate) struct Rows {
    /// Elements of a row.
    pub(crate) len: usize,
    /// Step between the elements of a row; 1 where there is at most one.
    pub(crate) stride: isize,
    outer: Layout,
}

impl Rows {
    /// # Panics
    /// If the layout has no axis.
    pub(crate) fn new(layout: &Layout) -> Rows {
        let (&len, shape) = layout.shape.split_last().expect("rows need an axis");
        let (&stride, strides) = layout.strides.split_last().expect("a stride for each axis");
        let (shape, strides) = collapsed(shape, strides);
        let outer = Layout { shape, strides, offset: layout.offset };
        Rows { len, stride: if len > 1 { stride } else { 1 }, outer }
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> usize {
        self.outer.len()
    }

    /// The row that begins at `start`.
    pub(crate) fn row(&self, start: usize) -> Layout {
        Layout { shape: smallvec![self.len], strides: smallvec![self.stride], offset: start }
    }

    /// Where rows `first`, `first + 1`, .. begin, without end.
    pub(crate) fn starts(&self, first: usize) -> Starts<'_> {
        let (shape, strides) = (&self.outer.shape, &self.outer.strides);
        let mut index = Shape::new();
        index.resize(shape.len(), 0);
        let mut at = self.outer.offset as isize;
        let mut left = first;
        for axis in (0..shape.len()).rev() {
            index[axis] = left % shape[axis].max(1);
            left /= shape[axis].max(1);
            at += index[axis] as isize * strides[axis];
        }
        Starts { shape, strides, index, at }
    }
}

/// Iterator over the positions at which rows begin.
pub(crate) struct Starts<'a> {
    shape: &'a Shape,
    strides: &'a Strides,
    index: Shape,
    at: isize,
}

impl Iterator for Starts<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let here = self.at;
        for axis in (0..self.index.len()).rev() {
            self.index[axis] += 1;
            self.at += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.index[axis] = 0;
            self.at -= self.shape[axis] as isize * self.strides[axis];
        }
        Some(here as usize)
    }
}

/// The row of `len` elements that begins at `start`: in place if they are neighbours, else
/// gathered into `scratch`.
#[inline(always)]
pub(crate) fn row<'a, T: Copy>(
    data: &'a [T],
    rows: &Rows,
    start: usize,
    scratch: &'a mut Vec<T>,
) -> &'a [T] {
    if rows.stride == 1 {
        return &data[start..start + rows.len];
    }
    scratch.clear();
    scratch.extend(positions(start, rows.stride, rows.len).map(|at| data[at]));
    scratch
}

/// `start`, `start + stride`, .., `len` of them.
pub(crate) fn positions(start: usize, stride: isize, len: usize) -> impl Iterator<Item = usize> {
    (0..len as isize).map(move |i| (start as isize + i * stride) as usize)
}
