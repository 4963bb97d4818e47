//! MLX's fast operations on every machine: lazy arrays with derivatives and mapping, and the
//! fused transformer operations `rms_norm`, `layer_norm`, `rope` and
//! `scaled_dot_product_attention`.
//!
//! Building an expression checks shapes and dtypes at once and computes nothing;
//! [`Array::eval`], [`eval`] or reading a value computes it. Every operation returns a
//! [`Result`]; errors carry what was expected and found.
//!
//! ```
//! use anymetal::{Array, grad, ops};
//! # fn main() -> anymetal::Result<()> {
//! let x = Array::from_slice(&[1.0f32, 2.0, 3.0], &[3])?;
//! let y = (&x * 2.0)?.exp()?;
//! assert_eq!(y.shape(), [3]);
//!
//! let square_sum = |a: &[Array]| ops::sum(&a[0].square()?, (), false);
//! let dx = grad(square_sum, &[0])(&[x])?.remove(0);
//! assert_eq!(dx.to_vec::<f32>()?, [2.0, 4.0, 6.0]);
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod array;
pub mod device;
mod error;
pub mod fast;
mod interrupt;
pub mod io;
mod operation;
pub mod ops;
pub mod random;
mod transforms;

pub use anymetal_kernels::{Complex64, Dtype, Layout, Slice, SliceMut, bf16, f16};
pub use array::dtype::{FloatInfo, Scalar, finfo, iinfo, promote};
pub use array::eval::{EvalContext, async_eval, eval};
pub use array::{Array, ArrayElement};
pub use device::{Device, Stream};
pub use error::{Category, Error, Result};
pub use interrupt::{CancelToken, EvalOptions};
pub use operation::{Jvp, Operation, Transform, Vjp};
pub use transforms::{CustomFunction, grad, jvp, value_and_grad, vjp, vmap, vmap_with_axes};

pub(crate) use anymetal_kernels::data::{Shape, Strides, copy_axes};

/// The README's Rust examples, compiled and run with the documentation's.
#[cfg(all(doctest, feature = "metal-kernels"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The same of the introduction.
#[cfg(all(doctest, feature = "metal-kernels"))]
#[doc = include_str!("../../../docs/getting-started.md")]
struct GettingStarted;
