//! Root-mean-square normalisation (Zhang and Sennrich, "Root Mean Square Layer Normalization",
//! 2019).

mod backward;

use super::{Fused, check_floating, check_input_rank, check_vector, floating, norm_dtype};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::Result;
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, copy_axes, ops};
use backward::RmsNormBackward;

/// `x / sqrt(mean(x^2) + eps) * weight` over the last axis.
///
/// `x` has any shape with at least one axis; `weight` is a vector of the last axis's size or
/// `None`. The result has `x`'s shape and the promoted dtype of `x` and `weight`. The mean is
/// taken in `float32`; the normalised value is rounded to the result's dtype before it is
/// multiplied by the weight in that dtype, as in MLX. The relative error of a `float32` result is
/// a few units in the last place.
///
/// # Errors
/// `x` without axes; a weight that is not a vector of the right size; a result dtype that is not
/// floating.
///
/// ```
/// # use anymetal::{Array, fast};
/// let x = Array::from_slice(&[3.0f32, 4.0], &[1, 2])?;
/// let y = fast::rms_norm(&x, None, 0.0)?.to_vec::<f32>()?;
/// assert!((y[0] - 3.0 / 12.5f32.sqrt()).abs() < 1e-6);
/// # Ok::<(), anymetal::Error>(())
/// ```
pub fn rms_norm(x: &Array, weight: Option<&Array>, eps: f32) -> Result<Array> {
    const OP: &str = "rms_norm";
    check_input_rank(OP, x)?;
    if let Some(weight) = weight {
        check_vector(OP, "(*weight)", x, weight)?;
    }
    let dtype = norm_dtype(x, &[weight]);
    check_floating(OP, dtype)?;
    if let Some(weight) = weight {
        super::report_hidden_cast(OP, x.dtype(), weight.dtype(), dtype);
    }
    Ok(record(&floating(x)?, weight, RmsNorm { eps, dtype }))
}

/// The composed definition of [`rms_norm`].
///
/// # Errors
/// Those of the operations it consists of.
pub fn composed(x: &Array, weight: Option<&Array>, eps: f32) -> Result<Array> {
    let dtype = norm_dtype(x, &[weight]);
    let wide = x.astype(Dtype::F32)?;
    let mean = ops::mean(&wide.square()?, -1, true)?;
    let y = ops::multiply(&wide, &ops::add(&mean, eps)?.rsqrt()?)?.astype(dtype)?;
    match weight {
        Some(weight) => ops::multiply(&y, &weight.astype(dtype)?),
        None => Ok(y),
    }
}

fn record(x: &Array, weight: Option<&Array>, op: RmsNorm) -> Array {
    let (shape, dtype) = (copy_axes(x.shape()), op.dtype);
    let inputs = [Some(x), weight].into_iter().flatten().cloned();
    Array::record(op, inputs, shape, dtype)
}

/// Inputs: x, which is floating, and the weight if there is one.
#[derive(Clone, Copy, Debug)]
struct RmsNorm {
    eps: f32,
    dtype: Dtype,
}

impl Fused for RmsNorm {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let y = composed(&inputs[0], inputs.get(1), self.eps)?;
        Ok(vec![y.astype(self.dtype)?])
    }
}

impl Operation for RmsNorm {
    fn name(&self) -> &str {
        "RMSNorm"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(copy_axes(inputs[0].shape()), self.dtype)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::RmsNorm { eps: self.eps })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let grads = Array::apply(
            RmsNormBackward { forward: *self },
            &[cx.inputs, std::slice::from_ref(cx.cotangent())].concat(),
        )?;
        Ok(grads.into_iter().map(Some).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(self.composed_jvp(cx))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let weight = inputs.get(1);
        if mapped[1..] == [true] || !mapped[0] {
            return self.composed_vmap(inputs, mapped);
        }
        Ok(vec![record(&inputs[0], weight, *self)])
    }
}
