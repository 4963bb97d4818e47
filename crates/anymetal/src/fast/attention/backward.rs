//! The gradient of attention: fused, or where there is no kernel for it (for `float64`, and for an
//! additive mask) through the composed definition, a block of query rows at a time. Either way
//! memory beyond the gradients does not grow with the square of the length.

use super::{Attention, Fused, Parts, composed, in_batch, inputs_of_kernel};
use crate::array::eval::EvalContext;
use crate::device::{MaskKind, Primitive, Spec};
use crate::error::Result;
use crate::operation::{Operation, Vjp};
use crate::{Array, Dtype, eval, ops, transforms};

/// Scores that one block may have, over all heads and batch rows: 16 MiB of float32.
const BLOCK_SCORES: usize = 4 << 20;

/// Inputs: those of the forward operation, the cotangent of its first output, and but for
/// `float64` its outputs; outputs: gradients of the forward inputs that `wanted` names, in order.
///
/// As a function of the forward inputs and the cotangent it is what it is: the forward outputs
/// only save work, so derivatives take no notice of them.
#[derive(Debug)]
pub(super) struct AttentionBackward {
    pub(super) forward: Attention,
    pub(super) wanted: Vec<bool>,
}

impl AttentionBackward {
    /// The forward inputs and the cotangent.
    fn split<'a>(&self, inputs: &'a [Array]) -> (&'a [Array], &'a Array) {
        (&inputs[..self.wanted.len()], &inputs[self.wanted.len()])
    }

    /// The launch, if there is a kernel for the wanted gradients.
    fn primitive(&self, dtype: Dtype) -> Option<Primitive> {
        let mask = self.forward.has_mask_array();
        if dtype == Dtype::F64 || mask && self.wanted[3] {
            return None;
        }
        let sinks = self.forward.sinks_at().is_some_and(|i| self.wanted[i]);
        let [q, k, v] = [0, 1, 2].map(|i| self.wanted[i]);
        let forward = self.forward.0.clone();
        Some(Primitive::AttentionBackward { forward, wanted: [q, k, v, sinks] })
    }

    fn chosen<T: Clone>(&self, all: &[T]) -> Vec<T> {
        all.iter().zip(&self.wanted).filter(|(_, w)| **w).map(|(a, _)| a.clone()).collect()
    }

    /// Gradients from query rows `from..to` alone.
    fn block(&self, inputs: &[Array], g: &Array, from: usize, to: usize) -> Result<Vec<Array>> {
        let total = inputs[0].shape()[2];
        let rows = |x: &Array| {
            let mut start = [0; 4];
            let mut stop: [isize; 4] = std::array::from_fn(|i| x.shape()[i] as isize);
            (start[2], stop[2]) = (from as isize, to as isize);
            ops::slice(x, &start, &stop, &[1; 4])
        };
        let mut all = inputs.to_vec();
        all[0] = rows(&inputs[0])?;
        if self.forward.has_mask_array() {
            all[3] = rows(&inputs[3])?;
        }
        let places: Vec<usize> = (0..all.len()).filter(|&i| self.wanted[i]).collect();
        let function = |some: &[Array]| {
            let mut all = all.clone();
            for (&i, a) in places.iter().zip(some) {
                all[i] = a.clone();
            }
            let parts: Parts<'_> = self.forward.parts(&all);
            Ok(vec![composed::rows(&self.forward.0, &parts, (total - to) as isize)?])
        };
        Ok(transforms::vjp(function, &self.chosen(&all), &[rows(g)?])?.1)
    }

    /// Whether a forward input's gradient is a row block of its own, or a sum over all rows.
    fn per_row(&self, input: usize) -> bool {
        input == 0
            || (input == 3 && matches!(self.forward.0.mask, MaskKind::Additive | MaskKind::Bool))
    }
}

impl Fused for AttentionBackward {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (primals, cotangent) = self.split(inputs);
        self.block(primals, cotangent, 0, primals[0].shape()[2])
    }
}

impl Operation for AttentionBackward {
    fn name(&self) -> &str {
        "ScaledDotProductAttentionVJP"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        let specs: Vec<Spec> = self.split(inputs).0.iter().map(|a| a.spec().clone()).collect();
        Ok(self.chosen(&specs))
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        if let Some(primitive) = self.primitive(cx.input(0).dtype) {
            // q, k, v, the cotangent and the output, but neither mask nor statistics.
            let g = self.wanted.len();
            let inputs = inputs_of_kernel(cx, |i| i < 3 || i == g || i == g + 1)?;
            return cx.launch_on(&primitive, inputs);
        }
        let stream = cx.stream();
        let inputs: Vec<Array> = cx.take_inputs().into_iter().map(Array::from_view).collect();
        let (inputs, g) = self.split(&inputs);
        let grads = stream.scope(|| -> Result<Vec<Array>> {
            let [batch, heads, rows, _] = *inputs[0].shape() else { return Ok(Vec::new()) };
            let keys = inputs[1].shape()[2];
            let step = (BLOCK_SCORES / (batch * heads * keys).max(1)).clamp(1, rows.max(1));
            let mut sums: Vec<Option<Array>> = vec![None; self.wanted.len()];
            let mut pieces: Vec<Vec<Array>> = vec![Vec::new(); self.wanted.len()];
            for from in (0..rows.max(1)).step_by(step) {
                let block = self.block(inputs, g, from, (from + step).min(rows))?;
                let mut block = block.into_iter();
                for i in (0..self.wanted.len()).filter(|&i| self.wanted[i]) {
                    let Some(part) = block.next() else { continue };
                    if self.per_row(i) {
                        pieces[i].push(part);
                    } else {
                        sums[i] = Some(match sums[i].take() {
                            // The sum of many blocks is kept wide.
                            Some(sum) => ops::add(&sum, &part.astype(sum.dtype())?)?,
                            None => part.astype(if part.dtype() == Dtype::F64 {
                                Dtype::F64
                            } else {
                                Dtype::F32
                            })?,
                        });
                    }
                }
                // Everything of this block is computed before the next, so its scores go away.
                eval(sums.iter().flatten().chain(pieces.iter().filter_map(|p| p.last())))?;
            }
            let mut grads = Vec::new();
            for i in (0..self.wanted.len()).filter(|&i| self.wanted[i]) {
                let grad = match sums[i].take() {
                    Some(sum) => sum.astype(inputs[i].dtype())?,
                    None => ops::concatenate(&pieces[i], 2)?,
                };
                grads.push(grad);
            }
            eval(&grads)?;
            Ok(grads)
        })?;
        for (i, grad) in grads.iter().enumerate() {
            cx.alias(i, grad.view_on(stream)?);
        }
        Ok(())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let mut wanted = cx.wanted.to_vec();
        wanted[self.wanted.len() + 1..].fill(false);
        self.composed_vjp(&Vjp { wanted: &wanted, ..*cx })
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let sinks = self.forward.sinks_at();
        // The gradient of sinks is a sum over the batch.
        if sinks.is_some_and(|i| mapped[i] || self.wanted[i]) {
            return self.composed_vmap(inputs, mapped);
        }
        let op = AttentionBackward { forward: self.forward.clone(), wanted: self.wanted.clone() };
        in_batch(inputs, mapped, sinks, |merged| Array::apply(op, merged))
    }
}
