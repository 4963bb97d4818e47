//! Changing the dtype: by value or by bits.

use smallvec::SmallVec;

use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, Layout, Shape};

/// The array converted to a dtype; the array itself if it has it already.
///
/// Floats become integers by truncation, saturating (NaN gives 0); anything becomes bool by
/// comparison with zero; complex numbers lose their imaginary part.
///
/// # Errors
/// None at present.
pub fn astype(x: &Array, dtype: Dtype) -> Result<Array> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    Ok(Array::record(AsType(dtype), [x.clone()], Shape::from_slice(x.shape()), dtype))
}

/// The array's bytes read as another dtype; the last axis changes its size accordingly.
///
/// # Errors
/// If the last axis's bytes are not a multiple of the new element size, or a 0-d array changes
/// its size.
pub fn view(x: &Array, dtype: Dtype) -> Result<Array> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    let spec = view_spec(x, dtype)?;
    Ok(Array::record(BitView(dtype), [x.clone()], spec.shape, dtype))
}

impl Array {
    /// See [`astype`].
    ///
    /// # Errors
    /// None at present.
    pub fn astype(&self, dtype: Dtype) -> Result<Array> {
        astype(self, dtype)
    }

    /// See [`view`].
    ///
    /// # Errors
    /// As there.
    pub fn view(&self, dtype: Dtype) -> Result<Array> {
        view(self, dtype)
    }
}

fn view_spec(x: &Array, dtype: Dtype) -> Result<Spec> {
    let (from, to) = (x.dtype().size(), dtype.size());
    let mut shape = Shape::from_slice(x.shape());
    if from != to {
        let Some(last) = shape.last_mut() else {
            let message = "Changing the type of a scalar is only allowed for types with the same \
                           size.";
            return Err(Error::value("view", message));
        };
        if !(*last * from).is_multiple_of(to) {
            return Err(Error::shape(
                "view",
                "When viewing as a larger dtype, the size in bytes of the last axis must be a \
                 multiple of the requested type size.",
                &[x.shape()],
            ));
        }
        *last = *last * from / to;
    }
    Ok(Spec::new(shape, dtype))
}

#[derive(Debug)]
struct AsType(Dtype);

impl Operation for AsType {
    fn name(&self) -> &str {
        "astype"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(Shape::from_slice(inputs[0].shape()), self.0)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Copy)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![Some(cx.cotangent().astype(cx.inputs[0].dtype())?)])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let tangent = cx.tangents[0].as_ref()?;
        Some(tangent.astype(self.0).map(|t| vec![Some(t)]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        Ok(vec![inputs[0].astype(self.0)?])
    }
}

#[derive(Debug)]
struct BitView(Dtype);

impl Operation for BitView {
    fn name(&self) -> &str {
        "view"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![view_spec(&inputs[0], self.0)?])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let (from, to) = (cx.input(0).dtype.size(), self.0.size());
        let mut source = cx.take_inputs().remove(0);
        let unit = |l: &Layout| l.strides.last().is_none_or(|&s| s == 1);
        let fits = |l: &Layout| {
            let lead = &l.strides[..l.strides.len().saturating_sub(1)];
            let whole = |n: isize| (n * from as isize) % to as isize == 0;
            unit(l) && lead.iter().all(|&s| whole(s)) && whole(l.offset as isize)
        };
        if from != to && !fits(&source.layout) {
            let spec = Spec { shape: source.layout.shape.clone(), dtype: source.dtype };
            let inputs = SmallVec::from_iter([source]);
            source = cx.compute(&Primitive::Copy, inputs, &[spec])?.remove(0);
        }
        let layout = &source.layout;
        let mut strides = layout.strides.clone();
        let mut offset = layout.offset;
        if from != to {
            let n = strides.len().saturating_sub(1);
            for stride in &mut strides[..n] {
                *stride = *stride * from as isize / to as isize;
            }
            offset = offset * from / to;
        }
        let layout = Layout { shape: cx.output(0).shape.clone(), strides, offset };
        cx.alias(0, crate::device::View { buffer: source.buffer, dtype: self.0, layout });
        Ok(())
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Err(Error::value("view", "The bits of a number have no derivative."))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        if inputs[0].ndim() == 1 && inputs[0].dtype().size() != self.0.size() {
            return Err(Error::value("view", "A mapped scalar cannot change its size."));
        }
        Ok(vec![inputs[0].view(self.0)?])
    }
}
