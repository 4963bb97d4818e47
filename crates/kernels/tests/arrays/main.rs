//! Array kernels against plain references, over random strided layouts.

mod copying;
mod elementwise;
mod indexing;
mod layouts;
mod products;
#[path = "../../../../tests/random.rs"]
mod random;
mod random_bits;
mod reductions;
mod support;
