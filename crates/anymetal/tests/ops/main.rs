//! Every operation against a float64 oracle: values over shapes, layouts and dtypes, derivatives
//! of first and second order against finite differences of the oracle, mapping against a loop.
//!
//! Adding an operation is adding a row to [`table`]; [`harness`] does the rest, on the CPU and on
//! the fake device. A failure prints the row and a seed; `ANYMETAL_TEST_SEED` repeats it.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "arguments read best as lists of arrays")]

mod errors;
mod harness;
mod kinds;
#[path = "../support/matrix.rs"]
mod matrix;
mod oracle;
mod table;
