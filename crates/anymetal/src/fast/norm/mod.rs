//! The norms: root-mean-square (Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019)
//! and layer normalisation (Ba, Kiros and Hinton, "Layer Normalization", 2016).

pub(super) mod composed;
mod operation;

use std::fmt;

use super::check_floating;
use super::hook::{Handler, Hook};
use crate::array::dtype::promote;
use crate::device::{NormKind, NormSpec};
use crate::error::{Error, Result};
use crate::{Array, Dtype};
use operation::Norm;

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
    check_vector(OP, "(*weight)", x, weight)?;
    norm(OP, NormKind::Rms, x, [weight, None], eps)
}

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
    check_vector(OP, "weight", x, weight)?;
    check_vector(OP, "bias", x, bias)?;
    norm(OP, NormKind::Layer, x, [weight, bias], eps)
}

/// A norm whose arguments have the right shapes.
fn norm(
    op: &'static str,
    kind: NormKind,
    x: &Array,
    [weight, bias]: [Option<&Array>; 2],
    eps: f32,
) -> Result<Array> {
    let dtype = result_dtype(x, weight, bias);
    check_floating(op, dtype)?;
    if let Some(weight) = weight {
        report_hidden_cast(op, x.dtype(), weight.dtype(), dtype);
    }
    let spec = NormSpec { kind, eps, weight: weight.is_some(), bias: bias.is_some() };
    // Integers become `float32`, in which the norms compute.
    let wide = if x.dtype().is_float() { x.clone() } else { x.astype(Dtype::F32)? };
    Ok(Norm { spec, dtype }.record(&wide, weight, bias))
}

/// x's dtype, promoted with those of weight and bias; without a weight it is x's.
fn result_dtype(x: &Array, weight: Option<&Array>, bias: Option<&Array>) -> Dtype {
    let Some(weight) = weight else { return x.dtype() };
    let dtype = promote(x.dtype(), weight.dtype());
    bias.map_or(dtype, |bias| promote(dtype, bias.dtype()))
}

fn check_input_rank(op: &'static str, x: &Array) -> Result<()> {
    if x.ndim() == 0 {
        let message = "Input must have at least 1 dimension but got input with 0 dimensions.";
        return Err(Error::shape(op, message, &[x.shape()]));
    }
    Ok(())
}

/// A weight or bias must be a vector of the last axis's size; `literal` is its name in messages.
fn check_vector(op: &'static str, literal: &str, x: &Array, v: Option<&Array>) -> Result<()> {
    let Some(v) = v else { return Ok(()) };
    let n = x.shape()[x.ndim() - 1];
    let shapes = [x.shape(), v.shape()];
    if v.ndim() != 1 {
        let message = format!("{literal} must have 1 dimension but has {} dimensions.", v.ndim());
        return Err(Error::shape(op, message, &shapes));
    }
    if v.size() != n {
        let message = format!(
            "{literal} must have the same size as the last dimension of x but has {} elements.",
            v.size()
        );
        return Err(Error::shape(op, message, &shapes));
    }
    Ok(())
}

/// A silent promotion inside a norm: its input and its weight have different dtypes, so the result
/// is wider than the input. In models that is rarely meant, and it slows down everything after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HiddenCast {
    /// The operation, `rms_norm` or `layer_norm`.
    pub op: &'static str,
    /// The input's dtype.
    pub input: Dtype,
    /// The dtype of the weight.
    pub weight: Dtype,
    /// The dtype of the result.
    pub result: Dtype,
}

impl fmt::Display for HiddenCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HiddenCast { op, input, weight, result } = self;
        write!(
            f,
            "[{op}] x is {input} but its weight is {weight}: the result is {result}. Convert one \
             of them to the other's dtype."
        )
    }
}

static HOOK: Hook<HiddenCast> = Hook::new();

/// Calls `handler` whenever a norm promotes silently, in every thread; `None` (the default) stops
/// it. A typical handler prints: `|cast| eprintln!("warning: {cast}")`.
pub fn on_hidden_cast(handler: Option<Handler<HiddenCast>>) {
    HOOK.set(handler);
}

fn report_hidden_cast(op: &'static str, input: Dtype, weight: Dtype, result: Dtype) {
    if input == weight {
        return;
    }
    if let Some(handler) = HOOK.get() {
        handler(&HiddenCast { op, input, weight, result });
    }
}
