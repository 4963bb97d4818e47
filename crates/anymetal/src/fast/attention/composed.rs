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

/// Scores in groups, (B, Hkv, Hq / Hkv, Tq, Tk), and what else decides the weights.
struct Logits {
    scores: Array,
    /// The scores and, in a last column, the sinks.
    all: Array,
    /// Whether a row sees a key, if that matters.
    any: Option<Array>,
}

fn logits(spec: &AttentionSpec, parts: &Parts<'_>, after: isize) -> Result<Logits> {
    let Parts { q, k, .. } = *parts;
    let wide = wide(q);
    let [batch, heads, tq, d] = sizes(q);
    let [_, kv_heads, tk, _] = sizes(k);
    let group = heads / kv_heads;
    let grouped = |x: &Array, last: isize| ops::reshape(x, &[batch, kv_heads, group, tq, last]);
    let q = grouped(&q.astype(wide)?, d)?;
    let k = k.astype(wide)?.expand_dims(&[2])?;
    let scores = ops::matmul(&q, &k.swapaxes(-1, -2)?)?;
    let scale = ops::full(&[], spec.scale, wide)?;
    let scores = ops::multiply(&scores, &scale)?;
    let visible = match (spec.mask, parts.mask) {
        (MaskKind::Causal, _) => Some(causal(tq, tk, -after)?),
        (MaskKind::Bool, Some(mask)) => Some(grouped(mask, tk)?),
        _ => None,
    };
    let scores = match (&visible, spec.mask, parts.mask) {
        (Some(visible), ..) => ops::select(visible, &scores, &lowest(wide)?)?,
        (None, MaskKind::Additive, Some(mask)) => {
            ops::add(&scores, &grouped(&mask.astype(wide)?, tk)?)?
        }
        _ => scores,
    };
    let all = match parts.sinks {
        None => scores.clone(),
        Some(sinks) => {
            let sinks = ops::reshape(&sinks.astype(wide)?, &[1, kv_heads, group, 1, 1])?;
            let shape = [batch, kv_heads, group, tq, 1].map(|n| n as usize);
            ops::concatenate(&[scores.clone(), sinks.broadcast_to(&shape)?], -1)?
        }
    };
    let any = match &visible {
        _ if !spec.zero_empty_rows => None,
        Some(visible) => Some(ops::any(visible, -1, true)?),
        None => Some(ops::greater(&ops::max(&scores, -1, true)?, f64::NEG_INFINITY)?),
    };
    Ok(Logits { scores, all, any })
}

/// Attention of consecutive query rows, of which `after` rows of the whole q come later (which
/// only a causal mask needs to know, as it is aligned with the last row).
pub(super) fn rows(spec: &AttentionSpec, parts: &Parts<'_>, after: isize) -> Result<Array> {
    let (q, v) = (parts.q, parts.v);
    let [batch, heads, tq, _] = sizes(q);
    let [_, _, tk, dv] = sizes(v);
    if tk == 0 {
        return ops::zeros(&[batch, heads, tq, dv].map(|n| n as usize), q.dtype());
    }
    let Logits { scores, all, any } = logits(spec, parts, after)?;
    let stop: Vec<isize> = scores.shape().iter().map(|&n| n as isize).collect();
    let weights = ops::slice(&ops::softmax(&all, -1, true)?, &[0; 5], &stop, &[1; 5])?;
    let mut out = ops::matmul(&weights, &v.astype(wide(q))?.expand_dims(&[2])?)?;
    if let Some(any) = any {
        out = ops::select(&any, &out, &ops::zeros_like(&out))?;
    }
    ops::reshape(&out, &[batch, heads, tq, dv])?.astype(q.dtype())
}

/// The statistics of each row's softmax (see
/// [`Primitive::Attention`](crate::device::Primitive::Attention)), (B, Hq, Tq, 2).
pub(super) fn statistics(spec: &AttentionSpec, parts: &Parts<'_>) -> Result<Array> {
    let [batch, heads, tq, _] = sizes(parts.q);
    let shape = [batch, heads, tq, 2];
    if sizes(parts.k)[2] == 0 {
        return ops::zeros(&shape.map(|n| n as usize), Dtype::F32);
    }
    let Logits { all, any, .. } = logits(spec, parts, 0)?;
    let top = ops::max(&all, -1, true)?;
    let mut sum = ops::sum(&ops::subtract(&all, &top)?.exp()?, -1, true)?;
    if let Some(any) = any {
        sum = ops::select(&any, &sum, &ops::full(&[], f64::INFINITY, sum.dtype())?)?;
    }
    let top =
        ops::maximum(&ops::multiply(&top, std::f64::consts::LOG2_E)?, &lowest(wide(parts.q))?)?;
    ops::reshape(&ops::concatenate(&[top, sum], -1)?, &shape)
}

/// The dtype of scores.
fn wide(q: &Array) -> Dtype {
    if q.dtype() == Dtype::F64 { Dtype::F64 } else { Dtype::F32 }
}

/// What a hidden score is.
fn lowest(wide: Dtype) -> Result<Array> {
    ops::full(&[], finfo(wide).map_or(f64::MIN, |info| info.min), wide)
}

/// Row i of the block is row i + `shift` of one that ends with the last key's own.
fn causal(tq: isize, tk: isize, shift: isize) -> Result<Array> {
    ops::tri(tq as usize, tk as usize, tk - tq + shift, Dtype::Bool)
}

fn sizes(x: &Array) -> [isize; 4] {
    std::array::from_fn(|i| x.shape()[i] as isize)
}
