//! Limits that running strands look at now and then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::launch::CancelToken;

/// What can stop a launch, shared by its workers.
pub(super) struct Watch<'a> {
    pub(super) steps: u64,
    pub(super) deadline: Option<Instant>,
    pub(super) cancel: Option<&'a CancelToken>,
    /// Another worker has failed.
    pub(super) failed: AtomicBool,
    /// Findings are not wanted.
    pub(super) unchecked: bool,
}

impl Watch<'_> {
    /// The number of steps after which to look again: looking costs more than a short loop's
    /// round.
    pub(super) fn next_look(&self, steps: u64) -> u64 {
        (steps + 1024).min(self.steps)
    }

    /// Whether to go on. The error is the limit reached, or `None` for a cancelled launch.
    pub(super) fn check(&self, steps: u64) -> Result<(), Option<&'static str>> {
        if steps >= self.steps {
            return Err(Some("step"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Some("time"));
        }
        let cancelled = self.cancel.is_some_and(CancelToken::is_cancelled);
        if cancelled || self.failed.load(Ordering::Relaxed) {
            return Err(None);
        }
        Ok(())
    }
}
