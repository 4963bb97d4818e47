//! Kernels that go row by row, against their definitions in `f64`, at every level and several thread
//! counts.

mod norm;
mod oracle;
#[path = "../../../../tests/random.rs"]
mod random;
mod rope;
