//! Rotary position embedding (Su et al., "RoFormer: Enhanced Transformer with Rotary Position
//! Embedding", 2021).

use super::Fused;
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::ops::Operand;
use crate::{Array, Dtype, Scalar, Shape, copy_axes, ops};

/// How [`rope`] rotates.
#[derive(Clone, Copy)]
pub struct RopeOptions<'a> {
    /// Whether pairs are neighbouring features (2i, 2i+1) instead of the halves (i, i + dims/2).
    pub traditional: bool,
    /// Base of the angular frequencies `base^(-2i/dims)`; `None` if `freqs` is given.
    pub base: Option<f32>,
    /// Multiplies positions.
    pub scale: f32,
    /// Added to positions: an integer, or an integer array with one element or one per batch row.
    pub offset: Operand<'a>,
    /// Reciprocals of the angular frequencies, a vector of `dims / 2` elements; instead of `base`.
    pub freqs: Option<&'a Array>,
}

impl Default for RopeOptions<'_> {
    /// Halves, base 10000, scale 1, offset 0.
    fn default() -> Self {
        RopeOptions {
            traditional: false,
            base: Some(10_000.0),
            scale: 1.0,
            offset: Operand::Scalar(Scalar::Int(0)),
            freqs: None,
        }
    }
}

/// Rotates pairs among the first `dims` features of `x` (B, .., T, D) by angles proportional to
/// the position along axis -2; the other features are copied.
///
/// The result has `x`'s shape and dtype. Position t of batch row b is
/// `(t + offset[b]) * scale`, the angle of pair i `position * base^(-2i/dims)` or
/// `position / freqs[i]`, all in `float32`; sine, cosine and rotation are `float32` (the rotation
/// `float64` for that dtype) with one rounding at the end.
///
/// # Errors
/// Both or neither of `base` and `freqs`; fewer than three axes; a dtype that is not floating; an
/// offset that is not integer or does not fit the batch; `dims` that is not positive, even and at
/// most D; `freqs` that is not a vector of `dims / 2`.
pub fn rope(x: &Array, dims: i32, options: &RopeOptions<'_>) -> Result<Array> {
    const OP: &str = "rope";
    let value = |message: String| Err(Error::value(OP, message));
    match (options.base, options.freqs) {
        (Some(_), Some(_)) => {
            return value("Only one of base or freqs can have a value.".into());
        }
        (None, None) => return value("Neither base nor freqs has a value.".into()),
        _ => {}
    }
    if x.ndim() < 3 {
        let message = format!(
            "Input must have at least 3 dimensions but got input with {} dimensions.",
            x.ndim()
        );
        return Err(Error::shape(OP, message, &[x.shape()]));
    }
    if !x.dtype().is_float() {
        let message = format!("Input must be a floating type but got {}.", x.dtype());
        return Err(Error::dtype(OP, message, &[x.dtype()]));
    }
    let offset = match options.offset {
        Operand::Array(offset) => offset.clone(),
        Operand::Scalar(s) => ops::scalar(s),
    };
    if offset.ndim() > 1 {
        let message = format!(
            "offset must have at most one dimension but has shape {}.",
            ShapeText(offset.shape())
        );
        return Err(Error::shape(OP, message, &[offset.shape()]));
    }
    if offset.size() != 1 && offset.size() != x.shape()[0] {
        let message = format!(
            "offset must be a scalar or vector with {} elements but has shape {}.",
            x.shape()[0],
            ShapeText(offset.shape())
        );
        return Err(Error::shape(OP, message, &[offset.shape(), x.shape()]));
    }
    if !offset.dtype().is_integer() {
        let message = format!("offset must be an integer but got type {}.", offset.dtype());
        return Err(Error::dtype(OP, message, &[offset.dtype()]));
    }
    let last = x.shape()[x.ndim() - 1];
    let dims = match usize::try_from(dims) {
        Ok(n) if n > 0 => n,
        _ => return value(format!("dims must be positive but got {dims}.")),
    };
    if dims % 2 != 0 {
        return value(format!("dims must be even but got {dims}."));
    }
    if dims > last {
        return value(format!(
            "dims must not exceed the input's last dimension ({last}) but got {dims}."
        ));
    }
    if let Some(freqs) = options.freqs
        && freqs.shape() != [dims / 2]
    {
        let message = format!(
            "freqs must be one dimensional with size {} but got shape {}.",
            dims / 2,
            ShapeText(freqs.shape())
        );
        return Err(Error::shape(OP, message, &[freqs.shape()]));
    }
    let offset = if offset.dtype().size() == 4 { offset } else { offset.astype(Dtype::I32)? };
    let offset = ops::reshape(&offset.astype(Dtype::I64)?, &[-1])?;
    let freqs = options.freqs.map(|f| f.astype(Dtype::F32)).transpose()?;
    let op = Rope {
        dims,
        traditional: options.traditional,
        base: options.base,
        scale: options.scale,
        inverse: false,
    };
    Ok(op.record(x, &offset, freqs.as_ref()))
}

/// The composed definition of [`rope`], with the same checks.
///
/// # Errors
/// As [`rope`].
pub fn composed_rope(x: &Array, dims: i32, options: &RopeOptions<'_>) -> Result<Array> {
    // The checked operation is recorded and taken apart again, so the two cannot disagree.
    let fused = rope(x, dims, options)?;
    let Some(node) = fused.0.node() else { return Ok(fused) };
    let op = Rope {
        dims: dims as usize,
        traditional: options.traditional,
        base: options.base,
        scale: options.scale,
        inverse: false,
    };
    Ok(op.composed(&node.inputs)?.remove(0))
}

/// Inputs: x, the offset as a vector of int64, and freqs if there is no base.
#[derive(Clone, Copy, Debug)]
struct Rope {
    dims: usize,
    traditional: bool,
    base: Option<f32>,
    scale: f32,
    inverse: bool,
}

impl Rope {
    fn record(self, x: &Array, offset: &Array, freqs: Option<&Array>) -> Array {
        let inputs = [x, offset].into_iter().chain(freqs).cloned();
        Array::record(self, inputs, copy_axes(x.shape()), x.dtype())
    }

    /// Angles, of shape (B or 1, 1, .., T, dims / 2).
    fn angles(&self, x: &Array, offset: &Array, freqs: Option<&Array>) -> Result<Array> {
        let (ndim, half) = (x.ndim(), self.dims / 2);
        let steps = ops::arange(0.0, x.shape()[ndim - 2] as f64, 1.0, Dtype::F32)?;
        let offset = offset.astype(Dtype::F32)?.expand_dims(&[1])?;
        let positions = ops::multiply(&ops::add(&steps, &offset)?, self.scale)?;
        let inverse = match (freqs, self.base) {
            (Some(freqs), _) => freqs.reciprocal()?,
            (None, base) => {
                let rate = -(base.unwrap_or(f32::NAN).ln() / half as f32);
                let i = ops::arange(0.0, half as f64, 1.0, Dtype::F32)?;
                ops::multiply(&i, rate)?.exp()?
            }
        };
        let angles = ops::multiply(&positions.expand_dims(&[2])?, &inverse)?;
        let mut shape = Shape::from_elem(1, ndim);
        shape[0] = angles.shape()[0];
        shape[ndim - 2] = angles.shape()[1];
        shape[ndim - 1] = half;
        let shape: Vec<isize> = shape.iter().map(|&n| n as isize).collect();
        let angles = ops::reshape(&angles, &shape)?;
        if self.inverse { angles.negative() } else { Ok(angles) }
    }
}

impl Fused for Rope {
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let x = &inputs[0];
        let wide = if x.dtype() == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
        let angles = self.angles(x, &inputs[1], inputs.get(2))?;
        let (c, s) = (angles.cos()?.astype(wide)?, angles.sin()?.astype(wide)?);
        let (d, half) = (self.dims as isize, self.dims as isize / 2);
        let last = x.ndim() - 1;
        let features = |from: isize, to: isize, step: isize| {
            let mut start = vec![0; last + 1];
            let mut stop: Vec<isize> = x.shape().iter().map(|&n| n as isize).collect();
            let mut steps = vec![1; last + 1];
            (start[last], stop[last], steps[last]) = (from, to, step);
            ops::slice(x, &start, &stop, &steps)
        };
        let (a, b) = if self.traditional {
            (features(0, d, 2)?, features(1, d, 2)?)
        } else {
            (features(0, half, 1)?, features(half, d, 1)?)
        };
        let (a, b) = (a.astype(wide)?, b.astype(wide)?);
        let first = ops::subtract(&ops::multiply(&a, &c)?, &ops::multiply(&b, &s)?)?;
        let second = ops::add(&ops::multiply(&a, &s)?, &ops::multiply(&b, &c)?)?;
        let rotated = if self.traditional {
            let pairs = ops::stack(&[first, second], -1)?;
            ops::flatten(&pairs, -2, -1)?
        } else {
            ops::concatenate(&[first, second], -1)?
        };
        let rotated = rotated.astype(x.dtype())?;
        let rest = x.shape()[last] as isize;
        let out = if rest == d {
            rotated
        } else {
            ops::concatenate(&[rotated, features(d, rest, 1)?], -1)?
        };
        Ok(vec![out])
    }
}

impl Operation for Rope {
    fn name(&self) -> &str {
        "RoPE"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let Rope { dims, traditional, base, scale, inverse } = *self;
        cx.launch(&Primitive::Rope { dims, traditional, base, scale, inverse })
    }

    /// The gradient of x is the cotangent rotated backwards; that of freqs goes through the
    /// composed definition; offsets are integers and have none.
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let freqs = cx.inputs.get(2);
        let mut grads = vec![None; cx.inputs.len()];
        if cx.wanted[0] {
            let back = Rope { inverse: !self.inverse, ..*self };
            grads[0] = Some(back.record(cx.cotangent(), &cx.inputs[1], freqs));
        }
        if freqs.is_some() && cx.wanted[2] {
            let wanted = [false, false, true];
            let only = Vjp {
                inputs: cx.inputs,
                outputs: cx.outputs,
                cotangents: cx.cotangents,
                wanted: &wanted,
            };
            grads[2] = self.composed_vjp(&only)?.pop().flatten();
        }
        Ok(grads)
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        if cx.tangents.get(2).is_some_and(Option::is_some) {
            return Some(self.composed_jvp(cx));
        }
        // Linear in x.
        let tangent = cx.tangents[0].as_ref();
        Some(Ok(vec![tangent.map(|t| self.record(t, &cx.inputs[1], cx.inputs.get(2)))]))
    }

    /// The mapped axis joins the batch, with one offset per row of both.
    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        if mapped.get(2) == Some(&true) {
            return self.composed_vmap(inputs, mapped);
        }
        let n = inputs[if mapped[0] { 0 } else { 1 }].shape()[0];
        let both = ops::with_leading(&inputs[..2], &mapped[..2], n)?;
        let batch = both[0].shape()[1];
        let offset = ops::broadcast_to(&both[1], &[n, batch])?;
        let offset = ops::flatten(&offset, 0, 1)?;
        let x = ops::flatten(&both[0], 0, 1)?;
        let y = self.record(&x, &offset, inputs.get(2));
        Ok(vec![ops::unflatten(&y, 0, &[n as isize, batch as isize])?])
    }
}
