//! Scaled dot-product attention (Vaswani et al., "Attention Is All You Need", 2017), evaluated by
//! online softmax (Dao et al., "FlashAttention", 2022), so that no score matrix exists.

mod backward;
pub(super) mod composed;

use super::{Fused, check_floating};
use crate::array::dtype::promote;
use crate::array::eval::EvalContext;
use crate::array::node;
use crate::device::{AttentionSpec, Inputs, MaskKind, Primitive, Spec, Stream};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::ops::Operand;
use crate::{Array, Dtype, Shape, ops};
use backward::AttentionBackward;

const OP: &str = "scaled_dot_product_attention";

/// Which keys a query sees.
#[derive(Clone, Copy, Default)]
pub enum Mask<'a> {
    /// All.
    #[default]
    None,
    /// Those up to its own position, counted from the end: query i sees key j if
    /// j <= i + (Tk - Tq).
    Causal,
    /// An array that broadcasts to (B, Hq, Tq, Tk). Boolean: true where a key is visible. Any
    /// other dtype: added to the scaled scores.
    Array(&'a Array),
}

/// What becomes of a row that sees no key (all hidden, or all scores minus infinity).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyRows {
    /// As MLX on the CPU: the mean of the values under a boolean or causal mask (0 with sinks),
    /// NaN under an additive mask of minus infinity.
    #[default]
    Mean,
    /// Zero.
    Zero,
}

/// The optional arguments of [`scaled_dot_product_attention`].
#[derive(Clone, Copy, Default)]
pub struct AttentionOptions<'a> {
    /// Which keys a query sees.
    pub mask: Mask<'a>,
    /// One extra logit per query head that takes part in the normalisation only.
    pub sinks: Option<&'a Array>,
    /// Whether to insist on a fused kernel. This library's always is, so it is accepted.
    pub force_fused: bool,
    /// Whether `force_fused` is an error on the CPU, as in MLX.
    pub strict: bool,
    /// Rows that see no key.
    pub empty_rows: EmptyRows,
}

/// `softmax(scale * q k^T + mask) v` per head.
///
/// q (B, Hq, Tq, D), k (B, Hkv, Tk, D), v (B, Hkv, Tk, Dv) give (B, Hq, Tq, Dv) in the promoted
/// dtype of the three; query head h uses key and value head `h / (Hq / Hkv)`. All three may also
/// have rank 3, (B, T, D): one head. Scores, softmax and sums are `float32` (`float64` for that
/// dtype), with one rounding at the end; for `bfloat16` the weights are rounded to `bfloat16`
/// before they meet v.
///
/// `scale` is a number, or a 0-d array, which is then evaluated at the call and is a constant to
/// derivatives.
///
/// Neither the result nor its gradients ever hold the scores: memory beyond them grows with the
/// sequences, not with their product. Gradients are computed in `float32` and rounded once.
/// (Those of an additive mask, and of `float64`, come from the composed definition, a block of
/// rows at a time.)
///
/// # Errors
/// Shapes, dtypes, mask or sinks that do not fit, in the order and with the texts of MLX; keys
/// and values of different length.
pub fn scaled_dot_product_attention<'s>(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: impl Into<Operand<'s>>,
    options: &AttentionOptions<'_>,
) -> Result<Array> {
    let scale = match scale.into() {
        Operand::Array(scale) => scale.item::<f32>()? as f64,
        Operand::Scalar(s) => ops::scalar(s).item::<f32>()? as f64,
    };
    if q.ndim() == 3 && k.ndim() == 3 && v.ndim() == 3 {
        return one_head(q, k, v, scale, options);
    }
    let prepared = prepare(q, k, v, scale, options)?;
    Ok(prepared.op.record(&prepared.inputs).swap_remove(0))
}

/// Rank 3: a head axis of size 1 is put in and taken out again.
fn one_head(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f64,
    options: &AttentionOptions<'_>,
) -> Result<Array> {
    let head = |x: &Array| x.expand_dims(&[1]);
    let wide;
    let mut options = *options;
    if let Mask::Array(mask) = options.mask
        && mask.ndim() == 3
    {
        wide = head(mask)?;
        options.mask = Mask::Array(&wide);
    }
    scaled_dot_product_attention(&head(q)?, &head(k)?, &head(v)?, scale, &options)?.squeeze(1)
}

struct Prepared {
    op: Attention,
    inputs: Vec<Array>,
}

/// All checks, then the operation and its converted and broadcast inputs.
fn prepare(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f64,
    options: &AttentionOptions<'_>,
) -> Result<Prepared> {
    for x in [q, k, v] {
        if x.ndim() != 4 {
            let message =
                format!("input with shape {} expected to be rank 4", ShapeText(x.shape()));
            return Err(Error::shape(OP, message, &[x.shape()]));
        }
    }
    if let Mask::Array(mask) = options.mask
        && mask.ndim() > 4
    {
        let message = format!(
            "the mask with shape {} expected to have at most rank 4.",
            ShapeText(mask.shape())
        );
        return Err(Error::shape(OP, message, &[mask.shape()]));
    }
    check_shapes(q, k, v)?;
    let dtype = promote(promote(q.dtype(), k.dtype()), v.dtype());
    check_floating(OP, dtype)?;
    let [batch, heads, rows, _] = *q.shape() else { unreachable!("rank 4 was checked") };
    let keys = k.shape()[2];
    let mut inputs = vec![q.astype(dtype)?, k.astype(dtype)?, v.astype(dtype)?];
    let mask = match options.mask {
        Mask::None => MaskKind::None,
        Mask::Causal => MaskKind::Causal,
        Mask::Array(mask) => {
            if promote(mask.dtype(), dtype) != dtype {
                let message = format!("Mask type must promote to output type {dtype}.");
                return Err(Error::dtype(OP, message, &[mask.dtype(), dtype]));
            }
            let boolean = mask.dtype() == Dtype::Bool;
            let mask = if boolean { mask.clone() } else { mask.astype(dtype)? };
            inputs.push(ops::broadcast_to(&mask, &[batch, heads, rows, keys])?);
            if boolean { MaskKind::Bool } else { MaskKind::Additive }
        }
    };
    if let Some(sinks) = options.sinks {
        if promote(sinks.dtype(), dtype) != dtype {
            let message = format!("Type of sinks must promote to output type {dtype}.");
            return Err(Error::dtype(OP, message, &[sinks.dtype(), dtype]));
        }
        if sinks.shape() != [heads] {
            let message = format!("Received invalid shape for sinks {}.", ShapeText(sinks.shape()));
            return Err(Error::shape(OP, message, &[sinks.shape()]));
        }
        inputs.push(sinks.astype(dtype)?.astype(Dtype::F32)?);
    }
    if options.force_fused && options.strict {
        let message = "force_fused=True but no fused kernel is available in CPU backend.";
        return Err(Error::value(OP, message));
    }
    let scale = if dtype == Dtype::F64 { scale } else { scale as f32 as f64 };
    let op = Attention(AttentionSpec {
        scale,
        mask,
        sinks: options.sinks.is_some(),
        zero_empty_rows: options.empty_rows == EmptyRows::Zero,
    });
    Ok(Prepared { op, inputs })
}

fn check_shapes(q: &Array, k: &Array, v: &Array) -> Result<()> {
    let shapes = [q.shape(), k.shape(), v.shape()];
    for x in [k, v] {
        if x.shape()[0] != q.shape()[0] {
            let message = format!(
                "mismatching batch dimension for input with shape {}.",
                ShapeText(x.shape())
            );
            return Err(Error::shape(OP, message, &shapes));
        }
    }
    if q.shape()[3] != k.shape()[3] {
        let message = format!(
            "query, keys expected to have matching last dimension; found query shape {} for keys \
             shape {}.",
            ShapeText(q.shape()),
            ShapeText(k.shape())
        );
        return Err(Error::shape(OP, message, &shapes));
    }
    let (heads, kv_heads) = (q.shape()[1], k.shape()[1]);
    if kv_heads != v.shape()[1] {
        let message = format!(
            "keys, values expected to have matching n_kv_heads; found keys with n_heads \
             {kv_heads} for values with n_heads {}.",
            v.shape()[1]
        );
        return Err(Error::shape(OP, message, &shapes));
    }
    if kv_heads == 0 || heads % kv_heads != 0 {
        let message = format!(
            "n_heads must be a multiple of n_kv_heads, found n_heads {heads} for n_kv_heads \
             {kv_heads}."
        );
        return Err(Error::shape(OP, message, &shapes));
    }
    if k.shape()[2] != v.shape()[2] {
        let message = format!(
            "keys, values expected to have matching length; found keys shape {} for values shape \
             {}.",
            ShapeText(k.shape()),
            ShapeText(v.shape())
        );
        return Err(Error::shape(OP, message, &shapes));
    }
    Ok(())
}

/// Inputs: q, k, v of one dtype, then the mask broadcast to (B, Hq, Tq, Tk) and the sinks in
/// `float32`, as far as there are any. Outputs: the result and, but for `float64`, the statistics
/// of each row's softmax that its gradient needs (see [`Primitive::Attention`]), computed only if
/// somebody holds them.
#[derive(Clone, Debug)]
struct Attention(AttentionSpec);

/// The inputs by name.
struct Parts<'a> {
    q: &'a Array,
    k: &'a Array,
    v: &'a Array,
    mask: Option<&'a Array>,
    sinks: Option<&'a Array>,
}

impl Attention {
    fn has_mask_array(&self) -> bool {
        matches!(self.0.mask, MaskKind::Bool | MaskKind::Additive)
    }

    /// Where the sinks are among the inputs.
    fn sinks_at(&self) -> Option<usize> {
        self.0.sinks.then(|| 3 + self.has_mask_array() as usize)
    }

    fn parts<'a>(&self, inputs: &'a [Array]) -> Parts<'a> {
        let mask = if self.has_mask_array() { inputs.get(3) } else { None };
        let sinks = self.sinks_at().and_then(|i| inputs.get(i));
        Parts { q: &inputs[0], k: &inputs[1], v: &inputs[2], mask, sinks }
    }

    fn record(self, inputs: &[Array]) -> Vec<Array> {
        let outputs = self.outputs(inputs);
        node::record(self, inputs.into(), outputs, Stream::current()).into_vec()
    }

    fn outputs(&self, inputs: &[Array]) -> Vec<Spec> {
        let out = Spec::new(self.output_shape(inputs), inputs[0].dtype());
        if out.dtype == Dtype::F64 {
            return vec![out];
        }
        let mut stats = out.shape.clone();
        stats[3] = 2;
        vec![out, Spec::new(stats, Dtype::F32)]
    }

    fn output_shape(&self, inputs: &[Array]) -> Shape {
        let mut shape = Shape::from_slice(inputs[0].shape());
        shape[3] = inputs[2].shape()[3];
        shape
    }
}

impl Fused for Attention {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let parts = self.parts(inputs);
        let mut outputs = vec![composed::rows(&self.0, &parts, 0)?];
        if inputs[0].dtype() != Dtype::F64 {
            outputs.push(composed::statistics(&self.0, &parts)?);
        }
        Ok(outputs)
    }
}

impl Operation for Attention {
    fn name(&self) -> &str {
        "ScaledDotProductAttention"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(self.outputs(inputs))
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let inputs = inputs_of_kernel(cx, |i| i < 3)?;
        let with_stats = inputs[0].dtype != Dtype::F64 && cx.is_held(1);
        let primitive = Primitive::Attention(self.0.clone());
        cx.launch_first(1 + with_stats as usize, &primitive, inputs)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        if cx.cotangents.len() > 1 && cx.cotangents[1].is_some() {
            return self.composed_vjp(cx);
        }
        let mut inputs = [cx.inputs, std::slice::from_ref(cx.cotangent())].concat();
        if inputs[0].dtype() != Dtype::F64 {
            match &cx.outputs[1] {
                Some(stats) => inputs.extend([cx.output().clone(), stats.clone()]),
                // The node has run without them.
                None => inputs.extend(self.clone().record(cx.inputs)),
            }
        }
        let wanted = cx.wanted.to_vec();
        let grads = Array::apply(AttentionBackward { forward: self.clone(), wanted }, &inputs)?;
        let mut grads = grads.into_iter();
        Ok(cx.wanted.iter().map(|&w| if w { grads.next() } else { None }).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(self.composed_jvp(cx))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let sinks = self.sinks_at();
        if sinks.is_some_and(|i| mapped[i]) {
            return self.composed_vmap(inputs, mapped);
        }
        in_batch(inputs, mapped, sinks, |merged| Ok(self.clone().record(merged)))
    }
}

/// An operation on inputs and outputs (B, ..), one input apart, mapped: the mapped axis joins the
/// batch.
fn in_batch(
    inputs: &[Array],
    mapped: &[bool],
    apart: Option<usize>,
    run: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
) -> Result<Vec<Array>> {
    let joined: Vec<usize> = (0..inputs.len()).filter(|&i| Some(i) != apart).collect();
    let n = joined.iter().find(|&&i| mapped[i]).map_or(0, |&i| inputs[i].shape()[0]);
    let arrays: Vec<Array> = joined.iter().map(|&i| inputs[i].clone()).collect();
    let flags: Vec<bool> = joined.iter().map(|&i| mapped[i]).collect();
    let wide = ops::with_leading(&arrays, &flags, n)?;
    let batch = wide[0].shape()[1] as isize;
    let mut merged: Vec<Array> =
        wide.iter().map(|a| ops::flatten(a, 0, 1)).collect::<Result<_>>()?;
    if let Some(apart) = apart {
        merged.insert(apart, inputs[apart].clone());
    }
    run(&merged)?.iter().map(|o| ops::unflatten(o, 0, &[n as isize, batch])).collect()
}

/// The inputs of a node, of which `rows` must have features side by side; masks may have any
/// strides.
fn inputs_of_kernel(cx: &mut EvalContext<'_>, rows: impl Fn(usize) -> bool) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for (i, view) in cx.take_inputs().into_iter().enumerate() {
        let layout = &view.layout;
        let spread = layout.ndim() == 4 && layout.shape[3] > 1 && layout.strides[3] != 1;
        inputs.push(if rows(i) && spread { cx.contiguous(view)? } else { view });
    }
    Ok(inputs)
}
