//! Operations that change nothing but the graph.

use crate::Array;
use crate::array::eval::EvalContext;
use crate::device::Spec;
use crate::error::Result;
use crate::operation::{Jvp, Operation, Vjp};

/// A new name for an array; transformations trace from such names.
#[derive(Debug)]
pub(crate) struct Identity;

/// The array, through which no derivative flows.
pub fn stop_gradient(x: &Array) -> Array {
    Array::record(StopGradient, [x.clone()], x.shape(), x.dtype())
}

#[derive(Debug)]
struct StopGradient;

impl Operation for Identity {
    fn name(&self) -> &str {
        "Identity"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        pass(cx)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![Some(cx.cotangent().clone())])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(cx.tangents.to_vec()))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        Ok(inputs.to_vec())
    }
}

impl Operation for StopGradient {
    fn name(&self) -> &str {
        "StopGradient"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        pass(cx)
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![None])
    }

    fn jvp(&self, _: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(vec![None]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        Ok(vec![stop_gradient(&inputs[0])])
    }
}

fn pass(cx: &mut EvalContext<'_>) -> Result<()> {
    let view = cx.take_inputs().remove(0);
    cx.alias(0, view);
    Ok(())
}
