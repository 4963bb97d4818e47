//! `anymetal.core.fast`: the fused transformer operations and custom kernels.

mod kernel;

use anymetal::fast::{self, AttentionOptions, Mask, RopeOptions};
use anymetal::{Array, Scalar};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::argument::{Argument, Number};
use crate::error::CallError;
use crate::function::{Row, row};
use crate::warning;

/// The functions of the submodule, by family.
pub(crate) const FUNCTIONS: &[&[Row]] = &[FUSED, kernel::FUNCTIONS];

const FUSED: &[Row] = &[
    row(
        "rms_norm(x: array, weight: array | None, eps: float, *, stream: StreamOrDevice = None) \
         -> array",
        "Root mean square normalization over the last axis, x / sqrt(mean(x^2) + eps), in float32; \
         then times `weight`, if there is one.",
        |c| {
            let x: Array = c.next()?;
            let weight: Option<Array> = c.next()?;
            let eps: f32 = c.next()?;
            let y = fast::rms_norm(&x, weight.as_ref(), eps)?;
            warning::hidden_casts(c.py)?;
            c.give(y)
        },
    ),
    row(
        "layer_norm(x: array, weight: array | None, bias: array | None, eps: float, *, stream: \
         StreamOrDevice = None) -> array",
        "Layer normalization over the last axis, (x - mean) / sqrt(variance + eps), in float32; \
         then times `weight` plus `bias`, where given.",
        |c| {
            let x: Array = c.next()?;
            let weight: Option<Array> = c.next()?;
            let bias: Option<Array> = c.next()?;
            let eps: f32 = c.next()?;
            let y = fast::layer_norm(&x, weight.as_ref(), bias.as_ref(), eps)?;
            warning::hidden_casts(c.py)?;
            c.give(y)
        },
    ),
    row(
        "rope(a: array, dims: int, *, traditional: bool, base: float | None, scale: float, \
         offset: int | array, freqs: array | None = None, stream: StreamOrDevice = None) -> array",
        "Rotary position embedding of the first `dims` features of a (B, .., T, D). Pairs are \
         neighbours (`traditional`) or halves; angles are position / freqs, or position * \
         base^(-2i/dims), with position (t + offset) * scale.",
        |c| {
            let a: Array = c.next()?;
            let dims: i32 = c.next()?;
            let traditional: bool = c.next()?;
            let base: Option<f32> = c.next()?;
            let scale: f32 = c.next()?;
            let offset: Number = c.next()?;
            let freqs: Option<Array> = c.next()?;
            let offset = offset.operand();
            let options = RopeOptions { traditional, base, scale, offset, freqs: freqs.as_ref() };
            c.give(fast::rope(&a, dims, &options)?)
        },
    ),
    row(
        "scaled_dot_product_attention(q: array, k: array, v: array, *, scale: float, mask: None | \
         str | array = None, sinks: array | None = None, force_fused: bool = False, stream: \
         StreamOrDevice = None) -> array",
        "softmax(scale * q k^T + mask) v per head, for q (B, Hq, Tq, D), k (B, Hkv, Tk, D) and v \
         (B, Hkv, Tk, Dv); all three may also have rank 3, one head. `mask` is 'causal', a \
         boolean array (True: visible) or one that is added to the scores; `sinks` has one extra \
         logit per query head; `scale` is a number or a 0-d array.",
        |c| {
            let q: Array = c.next()?;
            let k: Array = c.next()?;
            let v: Array = c.next()?;
            let scale: Scale = c.next()?;
            let mask: MaskArgument = c.next()?;
            let sinks: Option<Array> = c.next()?;
            let force_fused: bool = c.next()?;
            let options = AttentionOptions {
                mask: mask.mask()?,
                sinks: sinks.as_ref(),
                force_fused,
                ..AttentionOptions::default()
            };
            let scale = scale.0;
            c.give(fast::scaled_dot_product_attention(&q, &k, &v, scale, &options)?)
        },
    ),
];

/// A number, or an array of one element, which is evaluated.
struct Scale(Scalar);

impl<'py> Argument<'py> for Scale {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        f32::convert(value).map(|scale| Scale(Scalar::Float(scale.into())))
    }
}

/// `None`, a string or an array.
enum MaskArgument {
    None,
    Text(String),
    Array(Array),
}

impl<'py> Argument<'py> for MaskArgument {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() {
            Ok(MaskArgument::None)
        } else if let Ok(text) = value.cast::<PyString>() {
            Ok(MaskArgument::Text(text.to_str()?.to_owned()))
        } else {
            Array::convert(value).map(MaskArgument::Array)
        }
    }
}

impl MaskArgument {
    fn mask(&self) -> PyResult<Mask<'_>> {
        match self {
            MaskArgument::None => Ok(Mask::None),
            MaskArgument::Text(text) if text == "causal" => Ok(Mask::Causal),
            MaskArgument::Text(text) => Err(pyo3::exceptions::PyValueError::new_err(format!(
                "[scaled_dot_product_attention] invalid mask option '{text}'. Must be 'causal', \
                 or an array."
            ))),
            MaskArgument::Array(mask) => Ok(Mask::Array(mask)),
        }
    }
}
