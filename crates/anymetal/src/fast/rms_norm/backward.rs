//! The gradient of `rms_norm`, fused.
//!
//! With n = 1 / sqrt(mean(x^2) + eps), g the cotangent and u = g * weight:
//! dx = u * n - x * mean(u * x) * n^3, and dweight is the sum of g * x * n over all leading axes.

use super::{Fused, RmsNorm};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::Result;
use crate::operation::{Operation, Vjp};
use crate::{Array, transforms};

/// Inputs: those of the forward operation, then the cotangent; outputs: a gradient per forward
/// input.
#[derive(Debug)]
pub(super) struct RmsNormBackward {
    pub(super) forward: RmsNorm,
}

impl Fused for RmsNormBackward {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (primals, cotangent) = inputs.split_at(inputs.len() - 1);
        Ok(transforms::vjp(|a| self.forward.composed(a), primals, cotangent)?.1)
    }
}

impl Operation for RmsNormBackward {
    fn name(&self) -> &str {
        "RMSNormVJP"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(inputs[..inputs.len() - 1].iter().map(|a| a.spec().clone()).collect())
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::RmsNormBackward { eps: self.forward.eps })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        self.composed_vjp(cx)
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        self.composed_vmap(inputs, mapped)
    }
}
