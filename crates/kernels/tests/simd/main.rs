//! What is written with intrinsics and no kernel shows by itself. These modules are the library's own
//! files, compiled here, so that it need not open them to others.

use anymetal_kernels::{data, simd::Level};

#[path = "../../src/simd/attention/bytes.rs"]
mod bytes;
#[allow(dead_code, reason = "kernels use more of it than the tests of single operations")]
#[path = "../../src/simd/lanes/mod.rs"]
mod lanes;

mod operations;
#[path = "../../../../tests/random.rs"]
mod random;
mod transposed;
