//! Attention in plain operations.

use super::{AttentionOptions, Parts, prepare};
use crate::device::{AttentionSpec, MaskKind};
use crate::error::Result;
use crate::{Array, Dtype, finfo, ops};

/// The composed definition of
/// [`scaled_dot_product_attention`](super::scaled_dot_product_attention), for rank 4 and a
/// number as scale, with the same checks. Takes memory for the whole score matrix.
///
/// # Errors
/// As there.
pub fn attention(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f64,
    options: &AttentionOptions<'_>,
) -> Result<Array> {
    let prepared = prepare(q, k, v, scale, options)?;
    rows(&prepared.op.0, &prepared.op.parts(&prepared.inputs), 0)
}

/// Attention of consecutive query rows, of which `after` rows of the whole q come later (which
/// only a causal mask needs to know, as it is aligned with the last row).
pub(super) fn rows(spec: &AttentionSpec, parts: &Parts<'_>, after: isize) -> Result<Array> {
    let Parts { q, k, v, .. } = *parts;
    let dtype = q.dtype();
    let wide = if dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let [batch, heads, tq, d] = sizes(q);
    let [_, kv_heads, tk, _] = sizes(k);
    let dv = v.shape()[3] as isize;
    if tk == 0 {
        return ops::zeros(&[batch, heads, tq, dv].map(|n| n as usize), dtype);
    }
    let group = heads / kv_heads;
    let grouped = |x: &Array, last: isize| ops::reshape(x, &[batch, kv_heads, group, tq, last]);
    let q = grouped(&q.astype(wide)?, d)?;
    let k = k.astype(wide)?.expand_dims(&[2])?;
    let v = v.astype(wide)?.expand_dims(&[2])?;
    let scores = ops::matmul(&q, &k.swapaxes(-1, -2)?)?;
    let scale = ops::full(&[], spec.scale, wide)?;
    let scores = ops::multiply(&scores, &scale)?;
    let lowest = finfo(wide).map_or(f64::MIN, |info| info.min);
    let lowest = ops::full(&[], lowest, wide)?;
    let visible = match (spec.mask, parts.mask) {
        (MaskKind::Causal, _) => Some(causal(tq, tk, -after)?),
        (MaskKind::Bool, Some(mask)) => Some(grouped(mask, tk)?),
        _ => None,
    };
    let scores = match (&visible, spec.mask, parts.mask) {
        (Some(visible), ..) => ops::select(visible, &scores, &lowest)?,
        (None, MaskKind::Additive, Some(mask)) => {
            ops::add(&scores, &grouped(&mask.astype(wide)?, tk)?)?
        }
        _ => scores,
    };
    let weights = match parts.sinks {
        None => ops::softmax(&scores, -1, true)?,
        Some(sinks) => {
            let sinks = ops::reshape(&sinks.astype(wide)?, &[1, kv_heads, group, 1, 1])?;
            let shape = [batch, kv_heads, group, tq, 1].map(|n| n as usize);
            let all = ops::concatenate(&[scores.clone(), sinks.broadcast_to(&shape)?], -1)?;
            let weights = ops::softmax(&all, -1, true)?;
            ops::slice(&weights, &[0; 5], &[batch, kv_heads, group, tq, tk], &[1; 5])?
        }
    };
    let mut out = ops::matmul(&weights, &v)?;
    if spec.zero_empty_rows {
        let any = match &visible {
            Some(visible) => ops::any(visible, -1, true)?,
            None => ops::greater(&ops::max(&scores, -1, true)?, f64::NEG_INFINITY)?,
        };
        out = ops::select(&any, &out, &ops::zeros_like(&out))?;
    }
    ops::reshape(&out, &[batch, heads, tq, dv])?.astype(dtype)
}

/// Row i of the block is row i + `shift` of one that ends with the last key's own.
fn causal(tq: isize, tk: isize, shift: isize) -> Result<Array> {
    ops::tri(tq as usize, tk as usize, tk - tq + shift, Dtype::Bool)
}

fn sizes(x: &Array) -> [isize; 4] {
    std::array::from_fn(|i| x.shape()[i] as isize)
}
