//! RMS and layer normalisation along the last axis, and their gradients.
//!
//! With `n = len` of the last axis, in `f32` whatever the dtypes (also for `f64`):
//!
//! - RMS: `y = x * r`, `r = 1 / sqrt(mean(x^2) + eps)`;
//! - layer: `y = (x - mean(x)) * r`, `r = 1 / sqrt(mean((x - mean(x))^2) + eps)`.
//!
//! `y` is rounded to the output dtype, then multiplied by the weight (cast to that dtype) and
//! rounded, then the bias is added and the sum rounded. Which dtype that is, the caller decides.
//!
//! Sums over a row have the same order at every level and thread count: sixteen lanes and several
//! accumulators of `f32` per block of [`BLOCK`] elements, blocks added in `f64`. The mean is a
//! sum of two floats and squares are of differences from about the mean, so an offset of a million
//! times the spread costs no accuracy.
//!
//! Speed: a row is read once from memory and stays in the first-level cache for the other passes.
//! Where input and output together exceed the caches, stores bypass them and the next row is
//! prefetched while this one is written, so that reading and writing overlap. Closures and
//! functions that are not `#[inline(always)]` must be kept out of the loops over lanes: one that
//! is not inlined is compiled without the level's instructions, at a twentieth of the speed.

mod affine;
mod backward;
mod forward;
mod sums;

pub use backward::{Gradients, layer_norm_grad, rms_norm_grad};
pub use forward::{layer_norm, rms_norm};

pub use crate::rows::STREAM_BYTES;

/// Elements whose sum is kept in `f32`.
const BLOCK: usize = 8192;

/// How a norm treats the mean.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rms,
    Layer,
}

/// About how long a row of `bytes`, in and out, takes: from the second-level cache, which is
/// where the number matters.
fn row_ns(bytes: usize) -> f64 {
    10.0 + bytes as f64 / 50.0
}
