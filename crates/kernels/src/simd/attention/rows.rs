//! The output, written by several tasks at once.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::data::Layout;

/// How the query rows are cut into blocks.
///
/// The rows that share a key head, `heads * length` of them, are numbered position by position:
/// row `r` is head `r % heads` of the group at position `r / heads`. Blocks are runs of `block`
/// rows, the last of a group shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowBlocks {
    /// Batches times key heads.
    pub(crate) groups: usize,
    /// Query heads per key head.
    pub(crate) heads: usize,
    /// Query positions.
    pub(crate) length: usize,
    /// Rows per block.
    pub(crate) block: usize,
}

impl RowBlocks {
    /// Rows of one group.
    pub(crate) fn rows(&self) -> usize {
        self.heads * self.length
    }
    /// Blocks of one group.
    pub(crate) fn per_group(&self) -> usize {
        self.rows().div_ceil(self.block)
    }
    /// Number of blocks.
    pub(crate) fn count(&self) -> usize {
        self.groups * self.per_group()
    }
    /// Group and rows of a block.
    pub(crate) fn get(&self, block: usize) -> (usize, Range<usize>) {
        let first = block % self.per_group() * self.block;
        (block / self.per_group(), first..(first + self.block).min(self.rows()))
    }
}

/// Gives each block of query rows to one task, to write its output rows.
pub(crate) struct RowWriter<'a, T> {
    start: *mut T,
    /// Steps of batch, head and position.
    steps: [usize; 3],
    offset: usize,
    columns: usize,
    key_heads: usize,
    blocks: RowBlocks,
    claimed: Vec<AtomicBool>,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: rows are reached through claims alone; each block is claimed once, blocks share no row
// and rows share no element (checked in `new`), so threads never meet at an element.
unsafe impl<T: Send> Sync for RowWriter<'_, T> {}

impl<'a, T> RowWriter<'a, T> {
    /// For an output of layout (batch, head, position, column).
    ///
    /// # Panics
    /// If `layout` does not fit `blocks` or `out`, its last axis is not contiguous, or rows
    /// overlap or have negative steps.
    pub(crate) fn new(out: &'a mut [T], layout: &Layout, blocks: RowBlocks) -> Self {
        let [batches, heads, length, columns] = layout.shape[..] else { panic!("rank") };
        assert_eq!((batches * heads, length), (blocks.groups * blocks.heads, blocks.length));
        assert!(
            columns <= 1 || layout.strides[3] == 1,
            "the output's last axis must be contiguous"
        );
        let mut axes = [0, 1, 2].map(|i| (layout.shape[i], layout.strides[i]));
        let steps = axes
            .map(|(n, step)| if n > 1 { usize::try_from(step) } else { Ok(0) })
            .map(|step| step.unwrap_or_else(|_| panic!("the output must have positive steps")));
        // Each step must clear all that the smaller ones span.
        axes.sort_by_key(|&(_, step)| step);
        let mut span = columns;
        for (n, step) in axes.into_iter().filter(|&(n, _)| n > 1) {
            assert!(step as usize >= span, "output rows overlap");
            span += (n - 1) * step as usize;
        }
        assert!(layout.is_empty() || layout.offset + span <= out.len(), "the output is too short");
        RowWriter {
            start: out.as_mut_ptr(),
            steps,
            offset: layout.offset,
            columns,
            key_heads: heads / blocks.heads,
            blocks,
            claimed: (0..blocks.count()).map(|_| AtomicBool::new(false)).collect(),
            borrow: PhantomData,
        }
    }

    /// Takes a block; each can be taken once.
    pub(crate) fn claim(&self, block: usize) -> ClaimedRows<'_, T> {
        assert!(!self.claimed[block].swap(true, Relaxed), "block {block} has been claimed");
        let (group, rows) = self.blocks.get(block);
        ClaimedRows { writer: self, group, rows }
    }
}

/// The right to write the rows of one block.
pub(crate) struct ClaimedRows<'a, T> {
    writer: &'a RowWriter<'a, T>,
    group: usize,
    rows: Range<usize>,
}

impl<T> ClaimedRows<'_, T> {
    /// The output of row `row` of the group.
    pub(crate) fn row(&mut self, row: usize) -> &mut [T] {
        assert!(self.rows.contains(&row));
        let w = self.writer;
        let (batch, key_head) = (self.group / w.key_heads, self.group % w.key_heads);
        let head = key_head * w.blocks.heads + row % w.blocks.heads;
        let at =
            w.offset + batch * w.steps[0] + head * w.steps[1] + row / w.blocks.heads * w.steps[2];
        // SAFETY: batch, head and position are in range, so `new` checked that the row lies in
        // the slice borrowed for 'a and overlaps no other; only this claim reaches it, and the
        // result borrows the claim.
        unsafe { std::slice::from_raw_parts_mut(w.start.add(at), w.columns) }
    }
}
