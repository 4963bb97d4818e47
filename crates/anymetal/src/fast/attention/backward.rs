//! The gradient of attention: through the composed definition, a block of query rows at a time,
//! so that memory beyond the gradients does not grow with the square of the length.

use super::{Attention, Fused, Parts, composed};
use crate::array::eval::EvalContext;
use crate::device::{MaskKind, Spec};
use crate::error::Result;
use crate::operation::{Operation, Vjp};
use crate::{Array, Dtype, eval, ops, transforms};

/// Scores that one block may have, over all heads and batch rows: 16 MiB of float32.
const BLOCK_SCORES: usize = 4 << 20;

/// Inputs: those of the forward operation, then the cotangent; outputs: gradients of the forward
/// inputs that `wanted` names, in order.
#[derive(Debug)]
pub(super) struct AttentionBackward {
    pub(super) forward: Attention,
    pub(super) wanted: Vec<bool>,
}

impl AttentionBackward {
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
        let (primals, cotangent) = inputs.split_at(inputs.len() - 1);
        let rows = primals[0].shape()[2];
        self.block(primals, &cotangent[0], 0, rows)
    }
}

impl Operation for AttentionBackward {
    fn name(&self) -> &str {
        "ScaledDotProductAttentionVJP"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        let specs: Vec<Spec> =
            inputs[..inputs.len() - 1].iter().map(|a| a.spec().clone()).collect();
        Ok(self.chosen(&specs))
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let stream = cx.stream();
        let mut inputs: Vec<Array> = cx.take_inputs().into_iter().map(Array::from_view).collect();
        let grads = stream.scope(|| -> Result<Vec<Array>> {
            let Some(g) = inputs.pop() else { return Ok(Vec::new()) };
            let [batch, heads, rows, _] = *inputs[0].shape() else { return Ok(Vec::new()) };
            let keys = inputs[1].shape()[2];
            let step = (BLOCK_SCORES / (batch * heads * keys).max(1)).clamp(1, rows.max(1));
            let mut sums: Vec<Option<Array>> = vec![None; self.wanted.len()];
            let mut pieces: Vec<Vec<Array>> = vec![Vec::new(); self.wanted.len()];
            for from in (0..rows.max(1)).step_by(step) {
                let block = self.block(&inputs, &g, from, (from + step).min(rows))?;
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
        self.composed_vjp(cx)
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        self.composed_vmap(inputs, mapped)
    }
}
