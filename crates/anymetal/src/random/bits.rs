//! The one random operation: bits.

use crate::array::eval::EvalContext;
use crate::device::{Inputs, Primitive, Spec};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, Layout, Shape};

/// Random unsigned integers of `width` bytes (1, 2 or 4), every value equally likely.
///
/// # Errors
/// A key that is not `uint32` of shape (2); another width; a size that overflows.
pub fn bits(shape: &[usize], width: usize, key: Option<&Array>) -> Result<Array> {
    let key = match key {
        Some(key) => key.clone(),
        None => super::next_key()?,
    };
    if key.dtype() != Dtype::U32 {
        let message = format!("Expected key type uint32 but received {}.", key.dtype());
        return Err(Error::dtype("bits", message, &[key.dtype()]));
    }
    if key.shape() != [2] {
        let message = format!("Expected key shape (2) but received {}.", ShapeText(key.shape()));
        return Err(Error::shape("bits", message, &[key.shape()]));
    }
    let dtype = match width {
        1 => Dtype::U8,
        2 => Dtype::U16,
        4 => Dtype::U32,
        _ => {
            let message = format!("Bit width must be in {{1, 2, 4}} but got {width}.");
            return Err(Error::value("bits", message));
        }
    };
    crate::ops::check_size("bits", shape)?;
    Ok(record(key, RandomBits { shape: shape.into(), dtype }))
}

/// The operation on keys (.., 2), one stream for each.
fn record(keys: Array, operation: RandomBits) -> Array {
    let shape = operation.output_shape(keys.shape());
    let dtype = operation.dtype;
    Array::record(operation, [keys], shape, dtype)
}

#[derive(Clone, Debug)]
struct RandomBits {
    /// What one key gives.
    shape: Shape,
    dtype: Dtype,
}

impl RandomBits {
    fn output_shape(&self, keys: &[usize]) -> Shape {
        keys[..keys.len() - 1].iter().chain(&self.shape).copied().collect()
    }
}

impl Operation for RandomBits {
    fn name(&self) -> &str {
        "RandomBits"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(self.output_shape(inputs[0].shape()), self.dtype)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        if self.dtype == Dtype::U32 {
            return cx.launch(&Primitive::RandomBits);
        }
        // Every key makes whole words, whose bytes are read as the narrow type; what is left of
        // the last word is skipped.
        let width = self.dtype.size();
        let size: usize = self.shape.iter().product();
        let words = (size * width).div_ceil(4);
        let keys = cx.input(0).layout.shape.clone();
        let lead = &keys[..keys.len() - 1];
        let streams: Shape = lead.iter().copied().chain([words]).collect();
        let inputs: Inputs = cx.take_inputs();
        let spec = Spec::new(streams, Dtype::U32);
        let mut view = cx.compute(&Primitive::RandomBits, inputs, &[spec])?.remove(0);
        view.dtype = self.dtype;
        let pitch = (words * 4 / width) as isize;
        let mut layout = Layout::contiguous(&self.output_shape(&keys));
        let outer = Layout::contiguous(lead);
        for (stride, step) in layout.strides.iter_mut().zip(&outer.strides) {
            *stride = step * pitch;
        }
        cx.alias(0, view.with_layout(layout));
        Ok(())
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![None])
    }

    fn jvp(&self, _: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(vec![None]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        Ok(vec![record(inputs[0].clone(), self.clone())])
    }
}
