//! The fused primitives on the CPU.

use anymetal_kernels::attention::{self, EmptyRows, Mask};
use anymetal_kernels::rope::{self, Speeds};
use anymetal_kernels::{Dtype, Layout, Slice, SliceMut, copy, norm};

use super::{AttentionSpec, BufferMut, Inputs, MaskKind, NormKind, Primitive, Spec, View};
use crate::error::{Error, Result};

/// Runs a fused primitive; `x` are the inputs' elements.
pub(super) fn run(
    primitive: &Primitive,
    inputs: &Inputs,
    x: &[Slice<'_>],
    specs: &[Spec],
    outs: &mut [BufferMut],
) -> Result<()> {
    let view = |i: usize| anymetal_kernels::View::new(x[i], &inputs[i].layout);
    match primitive {
        Primitive::Norm(spec) => {
            let weight = spec.weight.then(|| view(1));
            let bias = spec.bias.then(|| view(1 + spec.weight as usize));
            let out = outs[0].slice_mut(specs[0].dtype);
            match spec.kind {
                NormKind::Rms => norm::rms_norm(view(0), weight, spec.eps, out),
                NormKind::Layer => {
                    norm::layer_norm(view(0), weight, bias, spec.eps, out);
                }
            }
        }
        Primitive::NormBackward { forward, wanted } => {
            let mut outs = outs.iter_mut().zip(specs).map(|(out, spec)| out.slice_mut(spec.dtype));
            let [x_grad, weight, bias] =
                wanted.map(|wanted| if wanted { outs.next() } else { None });
            let gradients = norm::Gradients { x: x_grad, weight, bias };
            let weight = forward.weight.then(|| view(1));
            let grad = match forward.kind {
                NormKind::Rms => norm::rms_norm_grad,
                NormKind::Layer => norm::layer_norm_grad,
            };
            grad(view(0), weight, view(x.len() - 1), forward.eps, gradients);
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
        Primitive::Attention(spec) => {
            let arrays = AttentionArrays::new(spec, inputs, x);
            let layout = Layout::contiguous(&specs[0].shape);
            let (first, rest) = outs.split_at_mut(1);
            let out = first[0].slice_mut(specs[0].dtype);
            let stats = match rest.first_mut().map(|stats| stats.slice_mut(Dtype::F32)) {
                Some(SliceMut::F32(stats)) => Some(stats),
                _ => None,
            };
            let [q, k, v] = arrays.views();
            attention::attention(q, k, v, &arrays.options(), out, &layout, stats);
        }
        Primitive::AttentionBackward { forward, wanted } => {
            let arrays = AttentionArrays::new(forward, inputs, x);
            let end = x.len();
            let mut stats = vec![0.0; inputs[end - 1].layout.len()];
            copy::copy(x[end - 1], &inputs[end - 1].layout, SliceMut::F32(&mut stats));
            let mut outs = outs.iter_mut().zip(specs).map(|(out, spec)| out.slice_mut(spec.dtype));
            let [q, k, v, sinks] = wanted.map(|wanted| if wanted { outs.next() } else { None });
            let sinks = match sinks {
                Some(SliceMut::F32(sinks)) => Some(sinks),
                _ => None,
            };
            attention::attention_grad(
                arrays.views(),
                &arrays.options(),
                (view(end - 2), &stats),
                view(end - 3),
                attention::Gradients { q, k, v, sinks },
            );
        }
        other => return Err(Error::runtime("cpu", format!("{other:?} has no CPU kernel"))),
    }
    Ok(())
}

/// The inputs of an attention.
struct AttentionArrays<'a> {
    spec: &'a AttentionSpec,
    views: &'a [View],
    x: &'a [Slice<'a>],
    sinks: Option<Vec<f32>>,
}

impl<'a> AttentionArrays<'a> {
    fn new(spec: &'a AttentionSpec, views: &'a [View], x: &'a [Slice<'a>]) -> Self {
        let at = 3 + matches!(spec.mask, MaskKind::Bool | MaskKind::Additive) as usize;
        let sinks = spec.sinks.then(|| {
            let mut gathered = vec![0.0; views[at].layout.len()];
            copy::copy(x[at], &views[at].layout, SliceMut::F32(&mut gathered));
            gathered
        });
        AttentionArrays { spec, views, x, sinks }
    }

    fn view(&self, i: usize) -> anymetal_kernels::View<'a> {
        anymetal_kernels::View::new(self.x[i], &self.views[i].layout)
    }

    /// q, k and v.
    fn views(&self) -> [anymetal_kernels::View<'a>; 3] {
        [0, 1, 2].map(|i| self.view(i))
    }

    fn options(&self) -> attention::Options<'_> {
        let mask = match (self.spec.mask, self.x.get(3)) {
            (MaskKind::Causal, _) => Mask::Causal,
            (MaskKind::Bool, Some(Slice::Bool(mask))) => Mask::Bool(mask, &self.views[3].layout),
            (MaskKind::Additive, Some(_)) => Mask::Additive(self.view(3)),
            _ => Mask::None,
        };
        let zero = self.spec.zero_empty_rows;
        attention::Options {
            scale: self.spec.scale,
            mask,
            sinks: self.sinks.as_deref(),
            empty_rows: if zero { EmptyRows::Zero } else { EmptyRows::Mean },
            ..Default::default()
        }
    }
}
