//! Random tests take a fresh seed in every run and print it if they fail.
#![allow(dead_code, reason = "every test crate that includes this uses a part of it")]

use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;

/// A seed that differs in every run unless `ANYMETAL_TEST_SEED` sets it.
pub(crate) fn fresh_seed() -> u64 {
    let given = std::env::var("ANYMETAL_TEST_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| RandomState::new().hash_one(0))
}

/// A generator with a fresh seed, which is printed: the test harness shows what a failed test
/// printed.
pub(crate) fn fresh() -> Rng {
    let seed = fresh_seed();
    println!("ANYMETAL_TEST_SEED={seed}");
    Rng::with_seed(seed)
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

/// Uniform in -1..1.
pub(crate) fn signed(rng: &mut Rng) -> f64 {
    2.0 * rng.f64() - 1.0
}
