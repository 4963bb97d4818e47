//! Matrix products.

use super::shape::reshaped;
use super::{broadcast_shapes, broadcast_to, swapaxes, with_leading};
use crate::array::dtype::promote;
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Operation, Vjp};
use crate::{Array, Dtype, Shape};

/// Matrix product over the last two axes, with broadcasting of the others; a 1-d argument is a
/// row on the left and a column on the right, and its axis is dropped again.
///
/// Halves are multiplied and summed in float32 and rounded once.
///
/// # Errors
/// A 0-d argument; inner sizes that differ; leading axes that do not broadcast; a dtype that is
/// not floating.
pub fn matmul(a: &Array, b: &Array) -> Result<Array> {
    if a.ndim() == 0 || b.ndim() == 0 {
        let message = "Got 0 dimension input. Inputs must have at least one dimension.";
        return Err(Error::shape("matmul", message, &[a.shape(), b.shape()]));
    }
    let left = if a.ndim() == 1 { reshaped(a, &[1, a.size()]) } else { a.clone() };
    let right = if b.ndim() == 1 { reshaped(b, &[b.size(), 1]) } else { b.clone() };
    let (m, k) = last_two(&left);
    let (k2, n) = last_two(&right);
    if k != k2 {
        return Err(Error::shape(
            "matmul",
            format!(
                "Last dimension of first input with shape {} must match second to last dimension \
                 of second input with shape {}.",
                ShapeText(left.shape()),
                ShapeText(right.shape())
            ),
            &[a.shape(), b.shape()],
        ));
    }
    let dtype = promote(a.dtype(), b.dtype());
    if !dtype.is_float() && dtype != Dtype::Complex64 {
        return Err(Error::dtype(
            "matmul",
            format!(
                "Only inexact types are supported but {} and {} were provided which results in \
                 {dtype}, which is not a floating point type.",
                a.dtype(),
                b.dtype()
            ),
            &[a.dtype(), b.dtype()],
        ));
    }
    let (batch_a, batch_b) = (&left.shape()[..left.ndim() - 2], &right.shape()[..right.ndim() - 2]);
    let batch = broadcast_shapes(batch_a, batch_b)?;
    super::check_size("matmul", &[&batch[..], &[m, n]].concat())?;
    let with = |x: Array, rows: usize, columns: usize| {
        let mut shape = batch.clone();
        shape.extend([rows, columns]);
        broadcast_to(&x.astype(dtype)?, &shape)
    };
    let out = product(with(left, m, k)?, with(right, k, n)?);
    let mut shape = batch.clone();
    shape.extend((a.ndim() > 1).then_some(m));
    shape.extend((b.ndim() > 1).then_some(n));
    Ok(reshaped(&out, &shape))
}

impl Array {
    /// See [`matmul`].
    ///
    /// # Errors
    /// As there.
    pub fn matmul(&self, other: &Array) -> Result<Array> {
        matmul(self, other)
    }
}

fn last_two(x: &Array) -> (usize, usize) {
    let n = x.ndim();
    (x.shape()[n - 2], x.shape()[n - 1])
}

/// The product of arrays with equal leading axes and dtypes.
fn product(a: Array, b: Array) -> Array {
    let mut shape = Shape::from_slice(a.shape());
    let n = shape.len();
    shape[n - 1] = b.shape()[n - 1];
    let dtype = a.dtype();
    Array::record(Matmul, [a, b], shape, dtype)
}

#[derive(Debug)]
struct Matmul;

impl Operation for Matmul {
    fn name(&self) -> &str {
        "matmul"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![product(inputs[0].clone(), inputs[1].clone()).spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Matmul)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (a, b, g) = (&cx.inputs[0], &cx.inputs[1], cx.cotangent());
        // Conjugate transposes: those of real matrices are the matrices themselves, transposed.
        let adjoint = |x: &Array| swapaxes(&x.conjugate()?, -1, -2);
        let da = match cx.wanted[0] {
            true => Some(product(g.clone(), adjoint(b)?)),
            false => None,
        };
        let db = match cx.wanted[1] {
            true => Some(product(adjoint(a)?, g.clone())),
            false => None,
        };
        Ok(vec![da, db])
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let n = inputs[if mapped[0] { 0 } else { 1 }].shape()[0];
        let mut both = with_leading(inputs, mapped, n)?.into_iter();
        match (both.next(), both.next()) {
            (Some(a), Some(b)) => Ok(vec![product(a, b)]),
            _ => Err(self.no_transform("vmap")),
        }
    }
}
