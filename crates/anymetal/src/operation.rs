//! The open interface of operations.

use std::fmt::Debug;

use crate::Array;
use crate::array::eval::EvalContext;
use crate::device::Spec;
use crate::error::{Error, Result};

/// An operation of the graph: its shape rule, its evaluation and its transformations.
///
/// Operations are open: implement this for your own and enter it with [`Array::apply`].
/// Transformations build new graphs out of existing operations, so every order of derivative
/// exists where the rules themselves are differentiable. The defaults make an operation that
/// evaluates but has no derivative and no mapping; an operation whose [`vjp`](Operation::vjp)
/// exists has a forward derivative by default.
pub trait Operation: Debug + Send + Sync + 'static {
    /// The operation's name in messages, in MLX's spelling where MLX has it.
    fn name(&self) -> &str;

    /// Shapes and dtypes of the outputs.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>>;

    /// Computes the outputs: every output that is held must be launched or aliased.
    ///
    /// # Errors
    /// Out of memory, or a fault that depends on values.
    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()>;

    /// Gradients of the inputs from those of the outputs. Only inputs with `wanted` set need one;
    /// `None` is zero.
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let _ = cx;
        Err(self.no_transform("vjp"))
    }

    /// Tangents of the outputs from those of the inputs, where `None` is zero. The default,
    /// `None` altogether, derives them from [`vjp`](Operation::vjp), which is linear in the
    /// cotangents.
    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let _ = cx;
        None
    }

    /// The operation on inputs of which some have an extra axis 0 over which it is mapped
    /// (`mapped`); every output gets that axis as its axis 0.
    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let _ = (inputs, mapped);
        Err(self.no_transform("vmap"))
    }

    /// Whether this operation's rule for `transform` takes notice of input `index`. What leads
    /// only to inputs that it does not take notice of is not transformed.
    fn looks_at(&self, transform: Transform, index: usize) -> bool {
        let _ = (transform, index);
        true
    }

    /// The error of a missing rule.
    fn no_transform(&self, transform: &'static str) -> Error {
        Error::NoTransform { op: self.name().to_string(), transform }
    }
}

/// The transformations an operation has rules for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// Reverse derivatives.
    Vjp,
    /// Forward derivatives.
    Jvp,
    /// Mapping.
    Vmap,
}

/// What a reverse rule sees.
pub struct Vjp<'a> {
    /// The inputs.
    pub inputs: &'a [Array],
    /// The outputs; one that nobody held when its node ran is gone.
    pub outputs: &'a [Option<Array>],
    /// Gradients of the outputs; `None` is zero. At least one is present.
    pub cotangents: &'a [Option<Array>],
    /// Which inputs need a gradient.
    pub wanted: &'a [bool],
}

impl Vjp<'_> {
    /// The first output's gradient, where it is the only one that has one.
    pub fn cotangent(&self) -> &Array {
        match &self.cotangents[0] {
            Some(cotangent) => cotangent,
            None => unreachable!("a rule is called with a cotangent of some output"),
        }
    }

    /// The only output.
    pub fn output(&self) -> &Array {
        match &self.outputs[0] {
            Some(output) => output,
            None => unreachable!("an output with a cotangent has a user that holds it"),
        }
    }
}

/// What a forward rule sees.
pub struct Jvp<'a> {
    /// The inputs.
    pub inputs: &'a [Array],
    /// The outputs; those that nothing uses may be gone.
    pub outputs: &'a [Option<Array>],
    /// Tangents of the inputs; `None` is zero. At least one is present.
    pub tangents: &'a [Option<Array>],
}
