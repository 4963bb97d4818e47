//! The instruction-set levels and thread counts that tests force.
//!
//! An ordinary run forces a place of the matrix on a tenth of the checks, drawn by
//! `ANYMETAL_TEST_SEED` (which `cargo xtask test` sets and prints); with `ANYMETAL_TEST_FULL`
//! every check runs in every place.
#![allow(dead_code, reason = "every test crate that includes this uses a part of it")]

#[path = "../../../../tests/random.rs"]
pub(crate) mod random;

use std::hash::{DefaultHasher, Hash, Hasher};

use anymetal::device::with_threads;
use anymetal_kernels::simd::{Level, available, with_level};
use random::fresh_seed;

/// A level and a number of threads.
pub(crate) type Place = (Level, usize);

/// Every level of this machine with 1, 2 and 5 threads.
pub(crate) fn every() -> Vec<Place> {
    available().into_iter().flat_map(|level| [1, 2, 5].map(|threads| (level, threads))).collect()
}

/// Whether the whole matrix is asked for.
pub(crate) fn full() -> bool {
    std::env::var_os("ANYMETAL_TEST_FULL").is_some()
}

/// The places in which to run the check of that name, besides the usual one.
pub(crate) fn places(name: impl Hash) -> Vec<Place> {
    let mut every = every();
    if full() {
        return every;
    }
    let mut hasher = DefaultHasher::new();
    (fresh_seed(), name).hash(&mut hasher);
    let draw = hasher.finish() as usize;
    let chosen = every.swap_remove(draw / 10 % every.len());
    if draw.is_multiple_of(10) { vec![chosen] } else { Vec::new() }
}

/// Runs `f` in a place, which is printed if it panics.
pub(crate) fn at<R>((level, threads): Place, f: impl FnOnce() -> R) -> R {
    struct Name(Place);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed at {:?} with {} threads", self.0.0, self.0.1);
            }
        }
    }
    let _name = Name((level, threads));
    with_level(level, || with_threads(threads, f))
}
