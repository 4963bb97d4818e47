//! Benchmarks of anymetal against its peers.
fn main() {}
