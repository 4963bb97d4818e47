//! The one error type: typed fields, a category, and texts that follow MLX's.

use std::fmt::{self, Display};
use std::sync::Arc;

use crate::{Dtype, Shape};

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`Error::category`] says which class of error it is.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit an operation or each other.
    #[error("{}{message}", prefix(op))]
    Shape {
        /// The operation that refused them.
        op: &'static str,
        /// What was expected and found.
        message: String,
        /// The shapes in question.
        shapes: Vec<Shape>,
    },
    /// A dtype that an operation does not accept.
    #[error("[{op}] {message}")]
    Dtype {
        /// The operation that refused it.
        op: &'static str,
        /// What was expected and found.
        message: String,
        /// The dtypes in question.
        dtypes: Vec<Dtype>,
    },
    /// An argument outside its domain.
    #[error("[{op}] {message}")]
    Value {
        /// The operation that refused it.
        op: &'static str,
        /// What was expected and found.
        message: String,
    },
    /// An index or axis outside an array.
    #[error("[{op}] {message}")]
    Index {
        /// The operation that refused it.
        op: &'static str,
        /// What was expected and found.
        message: String,
        /// The index as given.
        index: i64,
        /// The size of the axis, or the number of axes.
        size: usize,
    },
    /// A derivative or mapping that an operation does not have.
    #[error("[Primitive::{transform}] Not implemented for {op}.")]
    NoTransform {
        /// The operation's name.
        op: String,
        /// `vjp`, `jvp` or `vmap`.
        transform: &'static str,
    },
    /// A value was asked for that does not exist while a transformation traces its function.
    #[error(
        "[eval] Attempting to eval an array during function transformations like compile or vmap \
         is not allowed."
    )]
    Abstract,
    /// Memory that could not be had.
    #[error("[malloc] Unable to allocate {requested} bytes: {reason}.")]
    Memory {
        /// Bytes asked for.
        requested: usize,
        /// Why they were refused.
        reason: String,
    },
    /// A file that could not be read or written.
    #[error("[{op}] {path}: {message}")]
    Io {
        /// The operation, `load` or `save`.
        op: &'static str,
        /// The file as named by the caller.
        path: String,
        /// The system's message, or what is wrong with the file's content.
        message: String,
    },
    /// A custom kernel that does not compile, or whose launch failed.
    #[error("[metal_kernel] `{kernel}`: {message}")]
    Kernel {
        /// The kernel's name.
        kernel: String,
        /// The compiler's report or the launch's findings, with the user's own lines.
        message: String,
    },
    /// The evaluation was cancelled. Evaluating again goes on.
    #[error("[eval] Interrupted.")]
    Interrupted,
    /// The evaluation did not end before its deadline. Evaluating again goes on.
    #[error("[eval] The deadline passed {during}.")]
    Timeout {
        /// What was going on: after which operation, in which kernel and loop.
        during: String,
    },
    /// A fault in this library or in an operation defined outside it.
    #[error("[{op}] {message}")]
    Runtime {
        /// Where.
        op: &'static str,
        /// What happened.
        message: String,
    },
    /// An input of this array could not be computed. Displays as the first failure.
    #[error(transparent)]
    Failed(Arc<Error>),
}

/// Classes of errors; bindings choose their exception type by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Category {
    /// An argument's value, shape or dtype is wrong.
    Value,
    /// An argument's type is wrong.
    Type,
    /// An index or axis is out of range.
    Index,
    /// Something failed while running.
    Runtime,
    /// Out of memory.
    Memory,
    /// A file could not be read, written or understood.
    Io,
    /// Cancelled by the user.
    Interrupted,
    /// Out of time.
    Timeout,
    /// A custom kernel is wrong.
    Kernel,
}

impl Error {
    /// The class of this error.
    pub fn category(&self) -> Category {
        match self {
            Error::Shape { .. }
            | Error::Dtype { .. }
            | Error::Value { .. }
            | Error::Abstract
            | Error::NoTransform { .. } => Category::Value,
            Error::Index { .. } => Category::Index,
            Error::Memory { .. } => Category::Memory,
            Error::Io { .. } => Category::Io,
            Error::Kernel { .. } => Category::Kernel,
            Error::Interrupted => Category::Interrupted,
            Error::Timeout { .. } => Category::Timeout,
            Error::Runtime { .. } => Category::Runtime,
            Error::Failed(inner) => inner.category(),
        }
    }

    pub(crate) fn shape(op: &'static str, message: impl Into<String>, shapes: &[&[usize]]) -> Self {
        let shapes = shapes.iter().map(|&s| s.into()).collect();
        Error::Shape { op, message: message.into(), shapes }
    }

    pub(crate) fn dtype(op: &'static str, message: impl Into<String>, dtypes: &[Dtype]) -> Self {
        Error::Dtype { op, message: message.into(), dtypes: dtypes.to_vec() }
    }

    pub(crate) fn value(op: &'static str, message: impl Into<String>) -> Self {
        Error::Value { op, message: message.into() }
    }

    pub(crate) fn runtime(op: &'static str, message: impl Into<String>) -> Self {
        Error::Runtime { op, message: message.into() }
    }
}

/// The operation's name before a message; MLX leaves it out of this one.
fn prefix(op: &str) -> String {
    if op == "broadcast_to" { String::new() } else { format!("[{op}] ") }
}

/// A shape as MLX prints it: `()`, `(3)`, `(2,3)`.
pub(crate) struct ShapeText<'a>(pub(crate) &'a [usize]);

impl Display for ShapeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, n) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{n}")?;
        }
        f.write_str(")")
    }
}
