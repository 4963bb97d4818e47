//! The norms in plain operations.

use super::result_dtype;
use crate::error::Result;
use crate::{Array, Dtype, ops};

/// The composed definition of [`rms_norm`](super::rms_norm).
///
/// # Errors
/// Those of the operations it consists of.
pub fn rms_norm(x: &Array, weight: Option<&Array>, eps: f32) -> Result<Array> {
    let wide = x.astype(Dtype::F32)?;
    let mean = ops::mean(&wide.square()?, -1, true)?;
    let y = ops::multiply(&wide, &ops::add(&mean, eps)?.rsqrt()?)?;
    affine(&y, weight, None, result_dtype(x, weight, None))
}

/// The composed definition of [`layer_norm`](super::layer_norm).
///
/// # Errors
/// Those of the operations it consists of.
pub fn layer_norm(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f32,
) -> Result<Array> {
    let wide = x.astype(Dtype::F32)?;
    let centred = ops::subtract(&wide, &ops::mean(&wide, -1, true)?)?;
    let variance = ops::mean(&centred.square()?, -1, true)?;
    let y = ops::multiply(&centred, &ops::add(&variance, eps)?.rsqrt()?)?;
    affine(&y, weight, bias, result_dtype(x, weight, bias))
}

/// Each step is rounded to `dtype`.
fn affine(y: &Array, weight: Option<&Array>, bias: Option<&Array>, dtype: Dtype) -> Result<Array> {
    let mut y = y.astype(dtype)?;
    if let Some(weight) = weight {
        y = ops::multiply(&y, &weight.astype(dtype)?)?;
    }
    if let Some(bias) = bias {
        y = ops::add(&y, &bias.astype(dtype)?)?;
    }
    Ok(y)
}
