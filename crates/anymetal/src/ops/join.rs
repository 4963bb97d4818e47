//! Putting arrays together and taking them apart.

use super::shape::reshaped;
use super::{
    bounded_axis, broadcast_to, check_size, full, resolve_axis, slice, slice_update, with_leading,
};
use crate::array::dtype::{Scalar, promote};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Layout, Shape};

/// Arrays one after the other along an axis, promoted to a common dtype.
///
/// # Errors
/// No arrays; an axis out of range; shapes that differ elsewhere.
pub fn concatenate(arrays: &[Array], axis: isize) -> Result<Array> {
    let op = "concatenate";
    let Some(first) = arrays.first() else {
        return Err(Error::value(op, "No arrays provided for concatenation"));
    };
    let axis = resolve_axis(op, axis, first.ndim())?;
    let mut dtype = first.dtype();
    for a in &arrays[1..] {
        if a.ndim() != first.ndim() {
            return Err(Error::shape(
                op,
                format!(
                    "All the input arrays must have the same number of dimensions. However, got \
                     arrays with dimensions {} and {}.",
                    first.ndim(),
                    a.ndim()
                ),
                &[first.shape(), a.shape()],
            ));
        }
        let differs = |i: usize| i != axis && a.shape()[i] != first.shape()[i];
        if (0..a.ndim()).any(differs) {
            return Err(Error::shape(
                op,
                format!(
                    "All the input array dimensions must match exactly except for the \
                     concatenation axis. However, the provided shapes are {}, {}, and the \
                     concatenation axis is {axis}.",
                    ShapeText(first.shape()),
                    ShapeText(a.shape())
                ),
                &[first.shape(), a.shape()],
            ));
        }
        dtype = promote(dtype, a.dtype());
    }
    let mut shape = Shape::from_slice(first.shape());
    let total = arrays.iter().try_fold(0usize, |n, a| n.checked_add(a.shape()[axis]));
    shape[axis] = total.ok_or_else(|| too_large(op, first))?;
    check_size(op, &shape)?;
    let pieces: Vec<Array> = arrays.iter().map(|a| a.astype(dtype)).collect::<Result<_>>()?;
    Ok(joined(pieces, axis))
}

fn joined(pieces: Vec<Array>, axis: usize) -> Array {
    if pieces.len() == 1 {
        return pieces[0].clone();
    }
    let dtype = pieces[0].dtype();
    let mut shape = Shape::from_slice(pieces[0].shape());
    shape[axis] = pieces.iter().map(|p| p.shape()[axis]).sum();
    Array::record(Concatenate(axis), pieces, shape, dtype)
}

/// Arrays of one shape along a new axis.
///
/// # Errors
/// No arrays; shapes that differ; a place out of range.
pub fn stack(arrays: &[Array], axis: isize) -> Result<Array> {
    let Some(first) = arrays.first() else {
        return Err(Error::value("stack", "No arrays provided for stacking"));
    };
    if let Some(other) = arrays.iter().find(|a| a.shape() != first.shape()) {
        let shapes = [first.shape(), other.shape()];
        return Err(Error::shape("stack", "All arrays must have the same shape", &shapes));
    }
    let axis = bounded_axis("stack", axis, first.ndim() + 1)? as isize;
    let expanded: Vec<Array> =
        arrays.iter().map(|a| super::expand_dims(a, &[axis])).collect::<Result<_>>()?;
    concatenate(&expanded, axis)
}

/// An axis cut into `parts` equal pieces.
///
/// # Errors
/// A size that `parts` does not divide.
pub fn split(x: &Array, parts: usize, axis: isize) -> Result<Vec<Array>> {
    let axis = bounded_axis("split", axis, x.ndim())?;
    let n = x.shape()[axis];
    if parts == 0 {
        let message = "num_splits must be positive and non-zero but got 0.";
        return Err(Error::value("split", message));
    }
    if !n.is_multiple_of(parts) {
        return Err(Error::shape(
            "split",
            format!(
                "Array split does not result in sub arrays with equal size: attempting {parts} \
                 splits along axis {axis} for shape {}.",
                ShapeText(x.shape())
            ),
            &[x.shape()],
        ));
    }
    let size = n / parts;
    (0..parts)
        .map(|i| {
            let mut start = vec![0isize; axis + 1];
            let mut stop: Vec<isize> = x.shape()[..=axis].iter().map(|&n| n as isize).collect();
            start[axis] = (i * size) as isize;
            stop[axis] = ((i + 1) * size) as isize;
            slice(x, &start, &stop, &vec![1; axis + 1])
        })
        .collect()
}

/// The array repeated `reps[i]` times along axis `i`, counted from the last one; missing axes or
/// repetitions count as 1.
///
/// # Errors
/// A size that overflows.
pub fn tile(x: &Array, reps: &[usize]) -> Result<Array> {
    let ndim = x.ndim().max(reps.len());
    let at = |s: &[usize], i: usize| match (i + s.len()).checked_sub(ndim) {
        Some(j) => s[j],
        None => 1,
    };
    let (mut split, mut wide, mut merged) = (Shape::new(), Shape::new(), Shape::new());
    for i in 0..ndim {
        let (n, r) = (at(x.shape(), i), at(reps, i));
        split.extend([1, n]);
        wide.extend([r, n]);
        merged.push(n.checked_mul(r).ok_or_else(|| too_large("tile", x))?);
    }
    Ok(reshaped(&broadcast_to(&reshaped(x, &split), &wide)?, &merged))
}

/// Every element (or slice along `axis`) repeated `repeats` times; the flattened array for `None`.
///
/// # Errors
/// An axis out of range; a size that overflows.
pub fn repeat(x: &Array, repeats: usize, axis: Option<isize>) -> Result<Array> {
    let (x, axis) = match axis {
        Some(axis) => (x.clone(), bounded_axis("repeat", axis, x.ndim())?),
        None => (reshaped(x, &[x.size()]), 0),
    };
    let mut shape = Shape::from_slice(x.shape());
    shape.insert(axis + 1, 1);
    let narrow = reshaped(&x, &shape);
    shape[axis + 1] = repeats;
    let wide = broadcast_to(&narrow, &shape)?;
    shape.remove(axis + 1);
    shape[axis] = shape[axis].checked_mul(repeats).ok_or_else(|| too_large("repeat", &x))?;
    Ok(reshaped(&wide, &shape))
}

/// The array with `widths[i] = (before, after)` elements of `value` around axis `i`; one pair
/// serves all axes.
///
/// # Errors
/// A number of pairs that is neither 1 nor the number of axes.
pub fn pad(x: &Array, widths: &[(usize, usize)], value: impl Into<Scalar>) -> Result<Array> {
    if widths.len() != 1 && widths.len() != x.ndim() {
        let message = format!(
            "Invalid number of padding sizes passed to pad with axes of size {}: got {}.",
            x.ndim(),
            widths.len()
        );
        return Err(Error::value("pad", message));
    }
    let (mut shape, mut start, mut stop) = (Shape::new(), Vec::new(), Vec::new());
    for (i, &n) in x.shape().iter().enumerate() {
        let (before, after) = widths[if widths.len() == 1 { 0 } else { i }];
        let size = n.checked_add(before).and_then(|s| s.checked_add(after));
        shape.push(size.ok_or_else(|| too_large("pad", x))?);
        start.push(before as isize);
        stop.push((before + n) as isize);
    }
    let base = full(&shape, value, x.dtype())?;
    slice_update(&base, x, &start, &stop, &vec![1; x.ndim()])
}

fn too_large(op: &'static str, x: &Array) -> Error {
    Error::shape(op, "The array would be larger than the address space.", &[x.shape()])
}

#[derive(Debug)]
struct Concatenate(usize);

impl Concatenate {
    /// Start of every piece and the end of the last.
    fn bounds(&self, inputs: &[Array]) -> Vec<usize> {
        let mut bounds = vec![0];
        for input in inputs {
            bounds.push(bounds[bounds.len() - 1] + input.shape()[self.0]);
        }
        bounds
    }
}

impl Operation for Concatenate {
    fn name(&self) -> &str {
        "concatenate"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![concatenate(inputs, self.0 as isize)?.spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let whole = Layout::contiguous(&cx.output(0).shape);
        let mut at = 0;
        let layouts = (0..cx.input_count())
            .map(|i| {
                let shape = cx.input(i).layout.shape.clone();
                let n = shape[self.0];
                let offset = if n == 0 { 0 } else { at * whole.strides[self.0] as usize };
                at += n;
                Layout { shape, strides: whole.strides.clone(), offset }
            })
            .collect();
        cx.launch(&Primitive::Assemble { layouts, base: false })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let bounds = self.bounds(cx.inputs);
        let g = cx.cotangent();
        (0..cx.inputs.len())
            .map(|i| {
                if !cx.wanted[i] {
                    return Ok(None);
                }
                let mut start = vec![0isize; self.0 + 1];
                let mut stop: Vec<isize> =
                    g.shape()[..=self.0].iter().map(|&n| n as isize).collect();
                start[self.0] = bounds[i] as isize;
                stop[self.0] = bounds[i + 1] as isize;
                slice(g, &start, &stop, &vec![1; self.0 + 1]).map(Some)
            })
            .collect()
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let pieces = cx.inputs.iter().zip(cx.tangents);
        let pieces = pieces.map(|(x, t)| t.clone().unwrap_or_else(|| super::zeros_like(x)));
        Some(Ok(vec![Some(joined(pieces.collect(), self.0))]))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let n = inputs.iter().zip(mapped).find(|(_, m)| **m).map_or(0, |(a, _)| a.shape()[0]);
        Ok(vec![joined(with_leading(inputs, mapped, n)?, self.0 + 1)])
    }
}
