//! The gradient of `layer_norm`, fused.
//!
//! With n = 1 / sqrt(variance + eps), c = x - mean(x), g the cotangent and u = g * weight:
//! dx = (u - mean(u)) * n - c * mean(u * c) * n^3; dweight sums g * c * n and dbias sums g over
//! all leading axes.

use super::{Fused, LayerNorm};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::Result;
use crate::operation::{Operation, Vjp};
use crate::{Array, transforms};

/// Inputs: those of the forward operation, then the cotangent; outputs: a gradient per forward
/// input.
#[derive(Debug)]
pub(super) struct LayerNormBackward {
    pub(super) forward: LayerNorm,
}

impl Fused for LayerNormBackward {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (primals, cotangent) = inputs.split_at(inputs.len() - 1);
        Ok(transforms::vjp(|a| self.forward.composed(a), primals, cotangent)?.1)
    }
}

impl Operation for LayerNormBackward {
    fn name(&self) -> &str {
        "LayerNormVJP"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(inputs[..inputs.len() - 1].iter().map(|a| a.spec().clone()).collect())
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let LayerNorm { eps, weight, bias, .. } = self.forward;
        cx.launch(&Primitive::LayerNormBackward { eps, weight, bias })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        self.composed_vjp(cx)
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        self.composed_vmap(inputs, mapped)
    }
}
