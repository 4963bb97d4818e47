//! The thread pool: the only place that knows how work is spread over threads.
//!
//! Work is cut into *tasks*, numbered from 0, that may run on any thread and in any order. How it
//! is cut depends on sizes and [`threads`] alone, never on timing, so a kernel whose tasks write
//! disjoint output is deterministic for a given thread count.
//!
//! - The caller takes part, and needs nobody: tasks no worker has come for are run by the caller.
//!   A call from inside a task, and a call while another thread has the pool, run on the calling
//!   thread alone.
//! - Tasks see the caller's instruction-set level ([`crate::simd::with_level`]); inside a task
//!   [`threads`] is 1.
//! - A panic in a task is re-raised in the caller, once no task runs any more.
//! - The pool is our own because kernels last microseconds: see [`pool`] for the measurements.

mod pool;

use std::cell::Cell;
use std::ops::Range;
use std::sync::OnceLock;

thread_local! {
    static FORCED: Cell<usize> = const { Cell::new(0) };
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}

/// Number of threads a kernel called from this thread may use: 1 inside a task, else
/// [`with_threads`]' value, else the number of CPUs available to the process.
pub fn threads() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    if IN_TASK.get() {
        return 1;
    }
    match FORCED.get() {
        0 => *DEFAULT.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get())),
        n => n,
    }
}

/// Runs `f` with kernels called from this thread limited to `n` threads (at least 1).
pub fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(n.max(1)));
    f()
}

/// Calls `f(0)` .. `f(tasks - 1)`, each once, on up to [`threads`] threads; returns when all are
/// done. The caller's tasks come from the front and the workers' from the back, so that repeated
/// calls over the same data find it in the same cores' caches.
///
/// This is for tasks that take tens of microseconds: sleeping workers are woken for them, which
/// costs about 10. [`ranges`] and [`rows_mut`] are for work that may be small. One task runs
/// right here, and may itself use the pool.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    run_with(tasks, true, f);
}

fn run_with(tasks: usize, worth_waking: bool, f: impl Fn(usize) + Sync) {
    let threads = threads().min(tasks);
    if threads <= 1 {
        (0..tasks).for_each(f);
    } else {
        pool::run(tasks, threads - 1, worth_waking, &f);
    }
}

/// The least work worth a task of its own, in nanoseconds: handing one to a spinning worker
/// costs about 200.
pub const TASK_NS: f64 = 1_500.0;
/// The least work worth waking a worker for.
const WAKE_NS: f64 = 50_000.0;

/// Cuts `0..n` into consecutive ranges and calls `f` with each. `item_ns` is about how long one
/// item takes on one thread, in nanoseconds; within a factor of two will do.
///
/// There are at most four ranges per thread, which evens out a thread that the system takes away.
/// Work of a few microseconds is one range, run here without the pool; work of less than about
/// 50 is shared with workers that are awake, which they are in a dense sequence of calls.
pub fn ranges(n: usize, item_ns: f64, f: impl Fn(Range<usize>) + Sync) {
    let pieces = pieces(n, item_ns);
    if n > 0 {
        run_with(pieces, n as f64 * item_ns >= WAKE_NS, |i| f(piece(n, pieces, i)));
    }
}

/// The number of ranges into which [`ranges`] and [`rows_mut`] cut `n` items: at least 1.
///
/// For kernels that keep something per range, say a partial sum.
pub fn pieces(n: usize, item_ns: f64) -> usize {
    let threads = threads();
    let most = n.min((n as f64 * item_ns / TASK_NS) as usize);
    if threads == 1 || most < 2 {
        1
    } else if most < threads {
        most
    } else {
        (most / threads).min(4) * threads
    }
}

/// Range number `i` of `0..n` cut into `pieces` ranges whose lengths differ by at most 1.
pub fn piece(n: usize, pieces: usize, i: usize) -> Range<usize> {
    let (len, longer) = (n / pieces, n % pieces);
    let start = i * len + i.min(longer);
    start..start + len + usize::from(i < longer)
}

/// Splits `out` into chunks of `chunk` elements (the last may be shorter) and calls
/// `f(index, chunk)` for each, on up to [`threads`] threads.
pub fn chunks_mut<T: Send>(out: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    chunks_mut2(out, chunk, &mut [(); 0], 0, |i, c, _| f(i, c));
}

/// Splits two outputs, `a` into chunks of `a_chunk` elements and `b` into as many of `b_chunk`,
/// and calls `f(index, a's chunk, b's chunk)` for each, on up to [`threads`] threads. A chunk
/// that starts at or beyond the end of `b` is empty.
pub fn chunks_mut2<A: Send, B: Send>(
    a: &mut [A],
    a_chunk: usize,
    b: &mut [B],
    b_chunk: usize,
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let a_chunk = a_chunk.max(1);
    let tasks = a.len().div_ceil(a_chunk);
    let (a, b) = (Parts::new(a), Parts::new(b));
    run(tasks, |i| {
        // SAFETY: chunks with different indices do not overlap, and each index comes once.
        let (a, b) = unsafe {
            (a.get(i * a_chunk..(i + 1) * a_chunk), b.get(i * b_chunk..(i + 1) * b_chunk))
        };
        f(i, a, b);
    });
}

/// Cuts `out`, rows of `row` elements, into pieces of consecutive rows as [`ranges`] does and
/// calls `f(rows, their elements)` for each. `rows` is given because rows may have no elements.
pub fn rows_mut<T: Send>(
    out: &mut [T],
    rows: usize,
    row: usize,
    row_ns: f64,
    f: impl Fn(Range<usize>, &mut [T]) + Sync,
) {
    assert_eq!(out.len(), rows * row, "the output must consist of whole rows");
    let out = Parts::new(out);
    ranges(rows, row_ns, |r| {
        // SAFETY: `ranges` hands out every row once.
        let part = unsafe { out.get(r.start * row..r.end * row) };
        f(r, part);
    });
}

/// A part of a three-axis output that one task of [`tiles_mut`] writes: some of the outer items,
/// and in each the same rows.
pub struct Tile<'a, T> {
    out: &'a Parts<'a, T>,
    outer: Range<usize>,
    rows: Range<usize>,
    /// Elements of an outer item, and of a row.
    sizes: (usize, usize),
}

impl<T> Tile<'_, T> {
    /// The outer items of this tile.
    pub fn outer(&self) -> Range<usize> {
        self.outer.clone()
    }

    /// The rows of this tile, in each outer item.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// This tile's rows of item `outer`, one after the other.
    ///
    /// # Panics
    /// If the tile does not have that item.
    pub fn part(&mut self, outer: usize) -> &mut [T] {
        assert!(self.outer.contains(&outer), "an item of another tile");
        let start = outer * self.sizes.0;
        // SAFETY: tiles do not overlap, as `tiles_mut` makes one for each pair of an outer range
        // and a row range; and `&mut self` keeps other parts of this tile from being alive.
        unsafe {
            self.out
                .get(start + self.rows.start * self.sizes.1..start + self.rows.end * self.sizes.1)
        }
    }
}

/// Cuts `out`, of `outer` items of `rows` rows of `row` elements, into tiles of `tile_rows` rows
/// of all outer items (or of some, if that gives too few tasks) and calls `f` for each, on up to
/// [`threads`] threads. `row_ns` is as for [`rows_mut`].
///
/// # Panics
/// If `out` is not that long.
pub fn tiles_mut<T: Send>(
    out: &mut [T],
    (outer, rows, row): (usize, usize, usize),
    tile_rows: usize,
    row_ns: f64,
    f: impl Fn(&mut Tile<'_, T>) + Sync,
) {
    assert_eq!(out.len(), outer * rows * row, "the output must consist of whole items");
    if out.is_empty() {
        return;
    }
    let out = Parts::new(out);
    let total_ns = (outer * rows) as f64 * row_ns;
    let wanted = pieces(outer * rows, row_ns);
    let down = rows.div_ceil(tile_rows.max(1));
    let across = wanted.div_ceil(down).min(outer);
    let task = |i: usize| {
        let first = i / across * tile_rows.max(1);
        f(&mut Tile {
            out: &out,
            outer: piece(outer, across, i % across),
            rows: first..rows.min(first + tile_rows.max(1)),
            sizes: (rows * row, row),
        });
    };
    if wanted == 1 {
        (0..down).for_each(task);
    } else {
        run_with(down * across, total_ns >= WAKE_NS, task);
    }
}

/// Runs `f` as a task: what it calls stays on this thread.
fn in_task<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IN_TASK.set(self.0);
        }
    }
    let _restore = Restore(IN_TASK.replace(true));
    f()
}

/// An output that tasks take disjoint parts of.
struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    borrow: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: a `Parts` only gives out disjoint exclusive borrows (the contract of `get`), which may
// go to other threads as `T` is `Send`.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn new(slice: &'a mut [T]) -> Self {
        Parts { start: slice.as_mut_ptr(), len: slice.len(), borrow: std::marker::PhantomData }
    }

    /// The elements of `range`, cut off at the end.
    ///
    /// # Safety
    /// Ranges whose results are alive at the same time must not overlap.
    #[expect(clippy::mut_from_ref, reason = "the contract makes the borrows disjoint")]
    unsafe fn get(&self, range: Range<usize>) -> &mut [T] {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        // SAFETY: `start <= end <= len`, so the part lies in the slice that is borrowed for 'a;
        // nobody else has it, as ranges do not overlap.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), end - start) }
    }
}
