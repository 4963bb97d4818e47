//! The fused primitives on the CPU.

use anymetal_kernels::attention::{self, EmptyRows, Mask};
use anymetal_kernels::rope::{self, Speeds};
use anymetal_kernels::{Dtype, Layout, Slice, SliceMut, copy, norm};

use super::{AttentionSpec, BufferMut, Inputs, MaskKind, Primitive, Spec};
use crate::error::{Error, Result};

/// Runs a fused primitive; `x` are the inputs' elements.
pub(super) fn run(
    primitive: &Primitive,
    inputs: &Inputs,
    x: &[Slice<'_>],
    specs: &[Spec],
    outs: &mut [BufferMut],
) -> Result<()> {
    let view = |i: usize| (x[i], &inputs[i].layout);
    match primitive {
        Primitive::RmsNorm { eps } => {
            let weight = (x.len() > 1).then(|| view(1));
            norm::rms_norm(
                x[0],
                &inputs[0].layout,
                weight,
                *eps,
                outs[0].slice_mut(specs[0].dtype),
            );
        }
        Primitive::LayerNorm { eps, weight, bias } => {
            let w = weight.then(|| view(1));
            let b = bias.then(|| view(1 + *weight as usize));
            let out = outs[0].slice_mut(specs[0].dtype);
            norm::layer_norm(x[0], &inputs[0].layout, w, b, *eps, out);
        }
        Primitive::RmsNormBackward { eps } => {
            let weight = x.len() > 2;
            let gradients = gradients(specs, outs, weight, false);
            norm::rms_norm_grad(
                view(0),
                weight.then(|| view(1)),
                view(x.len() - 1),
                *eps,
                gradients,
            );
        }
        Primitive::LayerNormBackward { eps, weight, bias } => {
            let gradients = gradients(specs, outs, *weight, *bias);
            norm::layer_norm_grad(
                view(0),
                weight.then(|| view(1)),
                view(x.len() - 1),
                *eps,
                gradients,
            );
        }
        Primitive::Rope { dims, traditional, base, scale, inverse } => {
            let mut offsets = vec![0i64; inputs[1].layout.len()];
            copy::copy(x[1], &inputs[1].layout, SliceMut::I64(&mut offsets));
            let speeds = match base {
                Some(base) => Speeds::Base(*base),
                None => Speeds::Periods(view(2)),
            };
            let rope = rope::Rope {
                dims: *dims,
                traditional: *traditional,
                speeds,
                scale: *scale,
                offsets: &offsets,
                inverse: *inverse,
            };
            rope::rope(view(0), &rope, outs[0].slice_mut(specs[0].dtype));
        }
        Primitive::Attention(spec) => run_attention(spec, inputs, x, specs, outs)?,
        other => return Err(Error::runtime("cpu", format!("{other:?} has no CPU kernel"))),
    }
    Ok(())
}

fn gradients<'a>(
    specs: &[Spec],
    outs: &'a mut [BufferMut],
    weight: bool,
    bias: bool,
) -> norm::Gradients<'a> {
    let mut outs = outs.iter_mut().zip(specs).map(|(o, s)| o.slice_mut(s.dtype));
    let x = outs.next();
    let weight = if weight { outs.next() } else { None };
    norm::Gradients { x, weight, bias: if bias { outs.next() } else { None } }
}

fn run_attention(
    spec: &AttentionSpec,
    inputs: &Inputs,
    x: &[Slice<'_>],
    specs: &[Spec],
    outs: &mut [BufferMut],
) -> Result<()> {
    let view = |i: usize| attention::View { data: x[i], layout: &inputs[i].layout };
    let array_mask = matches!(spec.mask, MaskKind::Bool | MaskKind::Additive);
    let mask = match (spec.mask, x.get(3)) {
        (MaskKind::Causal, _) => Mask::Causal,
        (MaskKind::Bool, Some(Slice::Bool(mask))) => Mask::Bool(mask, &inputs[3].layout),
        (MaskKind::Additive, Some(_)) => Mask::Additive(view(3)),
        _ => Mask::None,
    };
    let sinks_at = 3 + array_mask as usize;
    let mut gathered = Vec::new();
    let sinks = match x.get(sinks_at) {
        Some(&sinks) if spec.sinks => {
            gathered.resize(inputs[sinks_at].layout.len(), 0.0);
            let out = SliceMut::F32(&mut gathered);
            copy::copy(sinks, &inputs[sinks_at].layout, out);
            Some(gathered.as_slice())
        }
        _ => None,
    };
    let empty_rows = if spec.zero_empty_rows { EmptyRows::Zero } else { EmptyRows::Mean };
    let options =
        attention::Options { scale: spec.scale, mask, sinks, empty_rows, ..Default::default() };
    let layout = Layout::contiguous(&specs[0].shape);
    let dtype: Dtype = specs[0].dtype;
    let out = outs[0].slice_mut(dtype);
    attention::attention(view(0), view(1), view(2), &options, out, &layout, None);
    Ok(())
}
