//! Metal Shading Language source to verified IR, as a library without I/O.
//!
//! ```
//! use anymetal_msl::{Options, Piece, Source, compile, diagnostic::Origin, ir};
//!
//! let text = "kernel void twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }";
//! let piece = Piece { name: "twice.metal".into(), origin: Origin::Source, text: text.into() };
//! let compilation = compile(&Source { pieces: vec![piece] }, &Options::default());
//! assert!(!compilation.has_errors(), "{}", compilation.report());
//! println!("{}", ir::print(compilation.module.as_ref().unwrap()));
//! ```
//!
//! The stages, each its own module: [`syntax`] turns text into tokens and a tree, [`sema`] the tree
//! into typed functions, [`lower`] those into [`ir`]; [`builtin`] and [`prelude`] are the library;
//! [`diagnostic`] holds what every stage has to say, with the user's own line and column.
//!
//! A compilation owns one [`Session`]: the map of sources, the interned names, the macros and the
//! diagnostics so far. A session can be frozen and others started on top of it, which is how the
//! prelude is read once and shared.
//!
//! # Decisions
//! - Contraction of `a * b + c` to one fma happens within an expression, in every math mode, unless
//!   `#pragma clang fp contract(off)` or `STDC FP_CONTRACT OFF` is in force.
//! - Arguments and operands are evaluated left to right; of an assignment the right side first.
//! - Only functions that a kernel reaches are looked at. Where one of them has an error, every
//!   other function that is no template is looked at too, so that all errors come at once.
//! - More lenient than Metal: float and half convert to bfloat implicitly (worst of all
//!   conversions); member functions without an address space may be called on objects in any;
//!   library functions take the common type of mixed arguments.
//! - A class's copy constructor, copy assignment and destructor are the implicit ones, whatever it
//!   declares.
//!
//! # Not supported
//! `docs/metal-support.md` lists it: textures, stages other than kernels, Metal 4 tensors, and some of
//! C++. Each is an error that names the construct; names of Metal's library that are known and
//! absent are a table, `builtin/absent.rs`.
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
