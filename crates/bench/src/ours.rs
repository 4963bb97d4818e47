//! anymetal itself, called as a user of the library calls it: a node, its evaluation and the
//! allocation of its output in every call.

use crate::protocol::{Variant, Workload};

/// Runs `f` with `threads` threads for anymetal.
pub(crate) fn with_threads<R>(_threads: usize, f: impl FnOnce() -> R) -> R {
    f()
}

/// The ways to compute one workload: the one call a user would write.
pub(crate) fn prepare(_workload: &Workload) -> Vec<Variant> {
    Vec::new()
}
