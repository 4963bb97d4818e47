//! One attention: its arrays row by row, and which keys each query can see.

use std::ops::Range;

use super::{EmptyRows, Mask, Options};
use crate::Element;
use crate::data::{Dtype, Layout};
use crate::simd::attention::Rows;

/// Shapes that have been checked against each other, and the arrays.
pub(super) struct Problem<'a, E> {
    pub(super) batches: usize,
    pub(super) query_heads: usize,
    pub(super) key_heads: usize,
    /// Tq.
    pub(super) queries: usize,
    /// Tk.
    pub(super) keys: usize,
    /// D.
    pub(super) depth: usize,
    /// Dv.
    pub(super) columns: usize,
    pub(super) options: &'a Options<'a>,
    data: [&'a [E]; 3],
    layouts: [&'a Layout; 3],
}

impl<'a, E: Element> Problem<'a, E> {
    pub(super) fn new(
        data: [&'a [E]; 3],
        layouts: [&'a Layout; 3],
        options: &'a Options<'a>,
        out: &Layout,
    ) -> Self {
        let shape = |l: &Layout| -> [usize; 4] { l.shape[..].try_into().expect("rank 4") };
        let [batches, query_heads, queries, depth] = shape(layouts[0]);
        let [_, key_heads, keys, columns] = shape(layouts[2]);
        assert_eq!(shape(layouts[1]), [batches, key_heads, keys, depth], "shape of the keys");
        assert_eq!(layouts[2].shape[0], batches, "batches of the values");
        assert_eq!(shape(out), [batches, query_heads, queries, columns], "shape of the output");
        assert!(
            if key_heads == 0 { query_heads == 0 } else { query_heads.is_multiple_of(key_heads) },
            "{query_heads} query heads cannot share {key_heads} key heads"
        );
        for (data, layout) in data.iter().zip(layouts) {
            check_inside(data.len(), layout);
            assert!(
                layout.shape[3] <= 1 || layout.strides[3] == 1,
                "the last axis must be contiguous"
            );
        }
        let scores = [batches, query_heads, queries, keys];
        match &options.mask {
            Mask::None | Mask::Causal => {}
            Mask::Bool(data, layout) => {
                assert_eq!(shape(layout), scores, "shape of the mask");
                check_inside(data.len(), layout);
            }
            Mask::Additive(view) => {
                assert_eq!(shape(view.layout), scores, "shape of the mask");
                check_inside(view.data.len(), view.layout);
                let dtype = view.data.dtype();
                assert!(dtype == Dtype::F32 || dtype == E::DTYPE, "a mask of dtype {dtype}");
            }
        }
        if let Some(sinks) = options.sinks {
            assert_eq!(sinks.len(), query_heads, "one sink per query head");
        }
        let ranged = options.window.is_some() || matches!(options.mask, Mask::Causal);
        assert!(!ranged || keys <= 1 << 24, "key numbers are compared as `f32`");
        assert!(options.window != Some(0), "a window must have at least one key");
        Problem {
            batches,
            query_heads,
            key_heads,
            queries,
            keys,
            depth,
            columns,
            options,
            data,
            layouts,
        }
    }

    /// Query heads per key head.
    pub(super) fn heads(&self) -> usize {
        self.query_heads / self.key_heads.max(1)
    }

    /// Batch, query head and position of row `row` of a group (see
    /// [`RowBlocks`](crate::simd::attention::RowBlocks)).
    pub(super) fn place(&self, group: usize, row: usize) -> [usize; 3] {
        let heads = self.heads();
        let head = group % self.key_heads * heads + row % heads;
        [group / self.key_heads, head, row / heads]
    }

    /// A query.
    pub(super) fn query(&self, group: usize, row: usize) -> &'a [E] {
        let [batch, head, position] = self.place(group, row);
        let at = index(self.layouts[0], [batch, head, position]);
        &self.data[0][at..at + self.depth]
    }

    /// The keys of a group.
    pub(super) fn keys_of(&self, group: usize) -> Rows<'a, E> {
        self.rows_of(1, group, self.depth)
    }

    /// The values of a group.
    pub(super) fn values_of(&self, group: usize) -> Rows<'a, E> {
        self.rows_of(2, group, self.columns)
    }

    fn rows_of(&self, which: usize, group: usize, columns: usize) -> Rows<'a, E> {
        let layout = self.layouts[which];
        let at = [group / self.key_heads, group % self.key_heads, 0];
        Rows {
            data: self.data[which],
            start: index(layout, at),
            step: layout.strides[2],
            count: self.keys,
            columns,
        }
    }

    /// First and last key that causality and the window show to the query at `position`; the last
    /// is less than the first if there is none.
    pub(super) fn visible(&self, position: usize) -> (isize, isize) {
        let own = position as isize + self.keys as isize - self.queries as isize;
        let last = match self.options.mask {
            Mask::Causal => own,
            Mask::None | Mask::Bool(..) | Mask::Additive(_) => self.keys as isize - 1,
        };
        let first = match self.options.window {
            Some(window) => own.saturating_sub_unsigned(window) + 1,
            None => 0,
        };
        (first.max(0), last)
    }

    /// The keys that rows with these visible ranges need: all, if one of them sees none, since
    /// that one is the mean of all values.
    pub(super) fn needed(&self, visible: impl Iterator<Item = (isize, isize)>) -> Range<usize> {
        let all = self.options.empty_rows == EmptyRows::Mean;
        let mut needed = (isize::MAX, -1);
        for (first, last) in visible {
            if first > last && all {
                return 0..self.keys;
            }
            needed = (needed.0.min(first), needed.1.max(last));
        }
        if needed.0 > needed.1 {
            return 0..0;
        }
        needed.0 as usize..needed.1 as usize + 1
    }
}

/// Position of the element with these first indices and 0 for the others.
pub(super) fn index<const N: usize>(layout: &Layout, at: [usize; N]) -> usize {
    let steps = at.iter().zip(&layout.strides).map(|(&i, &step)| i as isize * step);
    layout.offset.wrapping_add_signed(steps.sum())
}

/// Panics if a layout leaves a slice of that length.
pub(super) fn check_inside(len: usize, layout: &Layout) {
    if layout.is_empty() {
        return;
    }
    let (mut low, mut high) = (layout.offset as isize, layout.offset as isize);
    for (&n, &step) in layout.shape.iter().zip(&layout.strides) {
        let span = (n as isize - 1) * step;
        low += span.min(0);
        high += span.max(0);
    }
    assert!(low >= 0 && high < len as isize, "a layout leaves its slice");
}
