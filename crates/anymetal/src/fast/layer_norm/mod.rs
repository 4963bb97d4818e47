//! Layer normalisation (Ba, Kiros and Hinton, "Layer Normalization", 2016).

mod backward;

use super::{Fused, check_floating, check_input_rank, check_vector, floating, norm_dtype};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::Result;
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, copy_axes, ops};
use backward::LayerNormBackward;

/// `(x - mean(x)) / sqrt(variance(x) + eps) * weight + bias` over the last axis, with the biased
/// variance.
///
/// `x` has any shape with at least one axis; `weight` and `bias` are vectors of the last axis's
/// size or `None`. The result has `x`'s shape. Its dtype is the promoted one of `x`, `weight` and
/// `bias`; without a weight it is `x`'s, whatever the bias, as in MLX. Mean and variance are taken
/// in `float32`, the variance around the mean, so a common offset costs no accuracy; the
/// normalised value, the product and the sum are each rounded to the result's dtype.
///
/// # Errors
/// `x` without axes; a weight or bias that is not a vector of the right size; a result dtype that
/// is not floating.
pub fn layer_norm(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f32,
) -> Result<Array> {
    const OP: &str = "layer_norm";
    check_input_rank(OP, x)?;
    if let Some(weight) = weight {
        check_vector(OP, "weight", x, weight)?;
    }
    if let Some(bias) = bias {
        check_vector(OP, "bias", x, bias)?;
    }
    let dtype = result_dtype(x, weight, bias);
    check_floating(OP, dtype)?;
    if let Some(weight) = weight {
        super::report_hidden_cast(OP, x.dtype(), weight.dtype(), dtype);
    }
    let op = LayerNorm { eps, dtype, weight: weight.is_some(), bias: bias.is_some() };
    Ok(record(&floating(x)?, weight, bias, op))
}

/// The composed definition of [`layer_norm`].
///
/// # Errors
/// Those of the operations it consists of.
pub fn composed(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f32,
) -> Result<Array> {
    let dtype = result_dtype(x, weight, bias);
    let wide = x.astype(Dtype::F32)?;
    let centred = ops::subtract(&wide, &ops::mean(&wide, -1, true)?)?;
    let variance = ops::mean(&centred.square()?, -1, true)?;
    let scale = ops::add(&variance, eps)?.rsqrt()?;
    let mut y = ops::multiply(&centred, &scale)?.astype(dtype)?;
    if let Some(weight) = weight {
        y = ops::multiply(&y, &weight.astype(dtype)?)?;
    }
    if let Some(bias) = bias {
        y = ops::add(&y, &bias.astype(dtype)?)?;
    }
    Ok(y)
}

fn result_dtype(x: &Array, weight: Option<&Array>, bias: Option<&Array>) -> Dtype {
    match weight {
        Some(_) => norm_dtype(x, &[weight, bias]),
        None => x.dtype(),
    }
}

fn record(x: &Array, weight: Option<&Array>, bias: Option<&Array>, op: LayerNorm) -> Array {
    let (shape, dtype) = (copy_axes(x.shape()), op.dtype);
    let inputs = [Some(x), weight, bias].into_iter().flatten().cloned();
    Array::record(op, inputs, shape, dtype)
}

/// Inputs: x, which is floating, then the weight and the bias if there are.
#[derive(Clone, Copy, Debug)]
struct LayerNorm {
    eps: f32,
    dtype: Dtype,
    weight: bool,
    bias: bool,
}

impl LayerNorm {
    fn parts<'a>(&self, inputs: &'a [Array]) -> (&'a Array, Option<&'a Array>, Option<&'a Array>) {
        let weight = if self.weight { inputs.get(1) } else { None };
        let bias = if self.bias { inputs.get(1 + self.weight as usize) } else { None };
        (&inputs[0], weight, bias)
    }
}

impl Fused for LayerNorm {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (x, weight, bias) = self.parts(inputs);
        Ok(vec![composed(x, weight, bias, self.eps)?.astype(self.dtype)?])
    }
}

impl Operation for LayerNorm {
    fn name(&self) -> &str {
        "LayerNorm"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(copy_axes(inputs[0].shape()), self.dtype)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let LayerNorm { eps, weight, bias, .. } = *self;
        cx.launch(&Primitive::LayerNorm { eps, weight, bias })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let grads = Array::apply(
            LayerNormBackward { forward: *self },
            &[cx.inputs, std::slice::from_ref(cx.cotangent())].concat(),
        )?;
        Ok(grads.into_iter().map(Some).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(self.composed_jvp(cx))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        if mapped[1..].contains(&true) {
            return self.composed_vmap(inputs, mapped);
        }
        let (x, weight, bias) = self.parts(inputs);
        Ok(vec![record(x, weight, bias, *self)])
    }
}
