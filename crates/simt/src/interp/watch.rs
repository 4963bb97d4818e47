//! Limits that running strands look at now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What can stop a launch, shared by its workers.
pub(super) struct Watch<'a> {
    pub(super) steps: u64,
    pub(super) deadline: Option<Instant>,
    pub(super) stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Another worker has failed, or the launching thread was told to stop.
    pub(super) failed: AtomicBool,
    /// Findings are not wanted.
    pub(super) unchecked: bool,
}

/// What a running strand must stop for.
pub(super) enum Stop {
    Steps,
    Time,
    Cancelled,
}

impl Watch<'_> {
    /// The number of steps after which to look again: looking costs more than a short loop's
    /// round.
    pub(super) fn next_look(&self, steps: u64) -> u64 {
        (steps + 1024).min(self.steps)
    }

    /// Whether to go on. `poll` is given on the launching thread.
    pub(super) fn check(&self, steps: u64, poll: Option<&dyn Fn() -> bool>) -> Result<(), Stop> {
        if steps >= self.steps {
            return Err(Stop::Steps);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Stop::Time);
        }
        let cancelled = self.stop.is_some_and(|stop| stop()) || poll.is_some_and(|poll| !poll());
        if cancelled || self.failed.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        Ok(())
    }
}

/// Counts workers that have not ended, for a launching thread that polls while it waits.
pub(super) struct Running {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Running {
    pub(super) fn new(workers: usize) -> Running {
        Running { count: Mutex::new(workers), changed: Condvar::new() }
    }

    /// Counts a worker out when the guard is dropped, also by a panic.
    pub(super) fn guard(&self) -> impl Drop {
        struct Guard<'a>(&'a Running);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
                self.0.changed.notify_all();
            }
        }
        Guard(self)
    }

    /// Waits for all workers; whenever `poll` says not to go on, sets `failed`.
    pub(super) fn wait(&self, poll: &dyn Fn() -> bool, failed: &AtomicBool) {
        const PERIOD: Duration = Duration::from_millis(10);
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            let waited = self.changed.wait_timeout(count, PERIOD);
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *count > 0 {
                // What is called may take its time, and may launch kernels of its own.
                drop(count);
                if !poll() {
                    failed.store(true, Ordering::Relaxed);
                }
                count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}
