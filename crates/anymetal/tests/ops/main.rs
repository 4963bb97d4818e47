//! Every operation against a float64 oracle: values over shapes, layouts and dtypes, derivatives
//! of first and second order against finite differences of the oracle, mapping against a loop.
//!
//! Adding an operation is adding a row to [`table`]; [`harness`] does the rest, on the CPU and on
//! the fake device. A failure prints the row and a seed; `ANYMETAL_TEST_SEED` repeats it.

mod errors;
mod harness;
mod kinds;
mod oracle;
mod rng;
mod table;
