//! Random tests take a fresh seed in every run and print it if they fail.

use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;

/// A seed that differs in every run unless `ANYMETAL_TEST_SEED` sets it.
fn fresh_seed() -> u64 {
    let given = std::env::var("ANYMETAL_TEST_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| RandomState::new().hash_one(0))
}

/// Runs a check `n` times, seeded by a fresh number and its successors. The seed of a failure is
/// printed; given as `ANYMETAL_TEST_SEED` it is the first to run.
pub(crate) fn cases(n: u64, mut check: impl FnMut(&mut Rng)) {
    struct Name(u64);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with ANYMETAL_TEST_SEED={}", self.0);
            }
        }
    }
    let first = fresh_seed();
    for seed in (0..n).map(|i| first.wrapping_add(i)) {
        let _name = Name(seed);
        // What generators with neighbouring seeds draw is related; what their forks draw is not.
        check(&mut Rng::with_seed(seed).fork());
    }
}
