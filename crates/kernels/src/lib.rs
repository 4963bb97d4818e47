//! Native CPU kernels on plain slices.
//!
//! A kernel takes slices, layouts and sizes; it knows nothing of arrays, graphs or devices.
//! Every kernel is chosen at run time for the CPU's instruction set ([`simd::Level`]) and may
//! spread its work over the thread pool ([`par`]). Results are the same for a given level and
//! thread count.
//!
//! `unsafe` code is confined to the modules `simd` and `par`.

#[macro_use]
pub mod data;

pub mod attention;
pub mod copy;
pub mod elementwise;
pub mod index;
pub mod matmul;
pub mod norm;
pub mod par;
pub mod random;
pub mod reduce;
pub mod rope;
mod rows;
pub mod simd;
mod stage;

pub use data::{Bool, Complex64, Dtype, Element, Layout, Slice, SliceMut, View, bf16, f16};
