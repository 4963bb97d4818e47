//! Executors for the kernel IR of `anymetal-msl`.
//!
//! [`interp`] is the definition of what a kernel means; faster executors are compared with it.
//! They share the IR, the [`scalar`] semantics and the [`launch`] description, nothing else.
//!
//! Architecture invariant: verified IR never makes an executor panic, and no kernel can read or
//! write outside the buffers of its launch. `unsafe` only in [`memory`].
#![deny(unsafe_code)]

pub mod interp;
pub mod launch;
pub mod memory;
pub mod scalar;
