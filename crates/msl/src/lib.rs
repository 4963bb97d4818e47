//! Metal Shading Language source to verified IR, as a library without I/O.
//!
//! The stages, each its own module: [`syntax`] turns text into tokens (and a tree), [`diagnostic`]
//! holds what every stage has to say about the program, with the user's own line and column.
//!
//! A compilation owns one [`Session`]: the map of sources, the interned names, the macros and the
//! diagnostics so far. A session can be frozen and others started on top of it, which is how the
//! prelude is read once and shared.
#![forbid(unsafe_code)]

pub mod builtin;
mod compile;
pub mod diagnostic;
pub mod ir;
pub mod lower;
pub mod prelude;
pub mod sema;
pub mod session;
pub mod signature;
pub mod syntax;

pub use compile::{
    Compilation, KernelInfo, Options, ParamInfo, ParamRole, Piece, Source, TemplateValue, compile,
};
pub use sema::FunctionConstant;
pub use session::{Frozen, Session};
