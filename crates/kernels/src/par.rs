//! The thread pool: the only place that knows how work is spread over threads.

use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    static FORCED: Cell<usize> = const { Cell::new(0) };
}

/// Number of threads a kernel called from this thread may use: [`with_threads`]' value, else the
/// number of CPUs available to the process.
pub fn threads() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
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
/// done. A panic in `f` is re-raised here.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    (0..tasks).for_each(f);
}

/// Splits `out` into chunks of `chunk` elements (the last may be shorter) and calls
/// `f(index, chunk)` for each, on up to [`threads`] threads.
pub fn chunks_mut<T: Send>(out: &mut [T], chunk: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    out.chunks_mut(chunk.max(1)).enumerate().for_each(|(i, c)| f(i, c));
}
