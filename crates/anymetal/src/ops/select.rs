//! Choosing between arrays by a condition.

use super::binary::arrays;
use super::{Operand, broadcast_shapes, broadcast_to, maximum, minimum, with_leading, zeros_like};
use crate::array::dtype::promote;
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, Shape};

/// `a` where the condition is nonzero, else `b`, with broadcasting and promotion: MLX's `where`.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn select<'a>(
    condition: &Array,
    a: impl Into<Operand<'a>>,
    b: impl Into<Operand<'a>>,
) -> Result<Array> {
    let (a, b) = arrays(a.into(), b.into())?;
    let dtype = promote(a.dtype(), b.dtype());
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    let shape = broadcast_shapes(condition.shape(), &shape)?;
    let condition = broadcast_to(&condition.astype(Dtype::Bool)?, &shape)?;
    let (a, b) = (a.astype(dtype)?, b.astype(dtype)?);
    Ok(record(condition, broadcast_to(&a, &shape)?, broadcast_to(&b, &shape)?))
}

/// The array limited to a range, of which one end may be open. The result has the array's dtype
/// promoted with the limits'.
///
/// # Errors
/// If both ends are open, or shapes do not broadcast.
pub fn clip<'a>(x: &Array, min: Option<Operand<'a>>, max: Option<Operand<'a>>) -> Result<Array> {
    if min.is_none() && max.is_none() {
        return Err(Error::value("clip", "At most one of a_min and a_max may be None."));
    }
    let mut y = x.clone();
    if let Some(min) = min {
        y = maximum(&y, min)?;
    }
    if let Some(max) = max {
        y = minimum(&y, max)?;
    }
    Ok(y)
}

fn record(condition: Array, a: Array, b: Array) -> Array {
    let (shape, dtype) = (Shape::from_slice(a.shape()), a.dtype());
    Array::record(Select, [condition, a, b], shape, dtype)
}

#[derive(Debug)]
struct Select;

impl Operation for Select {
    fn name(&self) -> &str {
        "where"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[1].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Select)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (condition, g) = (&cx.inputs[0], cx.cotangent());
        let zero = zeros_like(g);
        let a = if cx.wanted[1] { Some(select(condition, g, &zero)?) } else { None };
        let b = if cx.wanted[2] { Some(select(condition, &zero, g)?) } else { None };
        Ok(vec![None, a, b])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let zero = zeros_like(&cx.inputs[1]);
        if cx.tangents[1].is_none() && cx.tangents[2].is_none() {
            return Some(Ok(vec![None]));
        }
        let a = cx.tangents[1].as_ref().unwrap_or(&zero);
        let b = cx.tangents[2].as_ref().unwrap_or(&zero);
        Some(select(&cx.inputs[0], a, b).map(|t| vec![Some(t)]))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let n = inputs.iter().zip(mapped).find(|(_, m)| **m).map_or(0, |(a, _)| a.shape()[0]);
        let inputs = with_leading(inputs, mapped, n)?;
        Ok(vec![record(inputs[0].clone(), inputs[1].clone(), inputs[2].clone())])
    }
}
