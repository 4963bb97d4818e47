//! Metal Shading Language source to verified IR, as a library without I/O.
#![forbid(unsafe_code)]

pub mod ir;
