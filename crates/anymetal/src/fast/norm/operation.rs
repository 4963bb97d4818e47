//! A norm in the graph, and its gradient.
//!
//! With r = 1 / sqrt(mean square or variance + eps), z the normalised value, g the cotangent and
//! u = g * weight: dx = (u - z * mean(u * z)) * r for the RMS norm, (u - mean(u) - z * mean(u * z))
//! * r for the layer norm; dweight sums g * z, and dbias g, over all leading axes.

use super::super::Fused;
use super::composed;
use crate::array::eval::EvalContext;
use crate::device::{NormKind, NormSpec, Primitive, Spec};
use crate::error::Result;
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, copy_axes, transforms};

/// Inputs: x, which is floating, then the weight and the bias if there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    pub(super) spec: NormSpec,
    pub(super) dtype: Dtype,
}

impl Norm {
    pub(super) fn record(self, x: &Array, weight: Option<&Array>, bias: Option<&Array>) -> Array {
        let (shape, dtype) = (copy_axes(x.shape()), self.dtype);
        let inputs = [Some(x), weight, bias].into_iter().flatten().cloned();
        Array::record(self, inputs, shape, dtype)
    }

    fn parts<'a>(&self, inputs: &'a [Array]) -> (&'a Array, Option<&'a Array>, Option<&'a Array>) {
        let weight = if self.spec.weight { inputs.get(1) } else { None };
        let bias = if self.spec.bias { inputs.get(1 + weight.is_some() as usize) } else { None };
        (&inputs[0], weight, bias)
    }
}

impl Fused for Norm {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (x, weight, bias) = self.parts(inputs);
        let y = match self.spec.kind {
            NormKind::Rms => composed::rms_norm(x, weight, self.spec.eps)?,
            NormKind::Layer => composed::layer_norm(x, weight, bias, self.spec.eps)?,
        };
        Ok(vec![y.astype(self.dtype)?])
    }
}

impl Operation for Norm {
    fn name(&self) -> &str {
        match self.spec.kind {
            NormKind::Rms => "RMSNorm",
            NormKind::Layer => "LayerNorm",
        }
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(copy_axes(inputs[0].shape()), self.dtype)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Norm(self.spec))
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let op = NormBackward { forward: *self, wanted: cx.wanted.to_vec() };
        let inputs = [cx.inputs, std::slice::from_ref(cx.cotangent())].concat();
        let mut grads = Array::apply(op, &inputs)?.into_iter();
        Ok(cx.wanted.iter().map(|&wanted| if wanted { grads.next() } else { None }).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(self.composed_jvp(cx))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        if mapped[1..].contains(&true) {
            return self.composed_vmap(inputs, mapped);
        }
        let (x, weight, bias) = self.parts(inputs);
        Ok(vec![self.record(x, weight, bias)])
    }
}

/// Inputs: those of the forward operation, then the cotangent; outputs: gradients of the forward
/// inputs that `wanted` names, in order.
#[derive(Debug)]
struct NormBackward {
    forward: Norm,
    wanted: Vec<bool>,
}

impl NormBackward {
    fn chosen<T: Clone>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().zip(&self.wanted).filter(|(_, w)| **w).map(|(a, _)| a).collect()
    }
}

impl Fused for NormBackward {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (primals, cotangent) = inputs.split_at(inputs.len() - 1);
        let (_, grads) = transforms::vjp(|a| self.forward.composed(a), primals, cotangent)?;
        Ok(self.chosen(grads))
    }
}

impl Operation for NormBackward {
    fn name(&self) -> &str {
        match self.forward.spec.kind {
            NormKind::Rms => "RMSNormVJP",
            NormKind::Layer => "LayerNormVJP",
        }
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(self.chosen(inputs.iter().map(|a| a.spec().clone())))
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let NormSpec { weight, bias, .. } = self.forward.spec;
        let mut wanted = self.wanted.iter().copied();
        // x is always there.
        let wanted = [true, weight, bias].map(|there| there && wanted.next() == Some(true));
        cx.launch(&Primitive::NormBackward { forward: self.forward.spec, wanted })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        self.composed_vjp(cx)
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        self.composed_vmap(inputs, mapped)
    }
}
