//! Reading and writing at positions given by integer arrays.

use anymetal_kernels::index::ScatterOp;
use smallvec::SmallVec;

use super::shape::reshaped;
use super::{arange, broadcast_shapes, broadcast_to, resolve_axis, with_leading, zeros_like};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, Shape};

/// Slices of an array at positions given by index arrays.
///
/// The index arrays are broadcast to a common shape I; the j-th holds positions along
/// `axes[j]`, negative ones counted from the end. At every point of I a slice of extent
/// `slice_sizes` (one per axis) is read; the result has shape I followed by `slice_sizes`.
///
/// # Errors
/// Index arrays that are not integers or do not broadcast; axes or slice sizes that do not fit;
/// when evaluated, positions out of range.
pub fn gather(
    x: &Array,
    indices: &[Array],
    axes: &[isize],
    slice_sizes: &[usize],
) -> Result<Array> {
    let (indices, axes) = check("gather", x, indices, axes)?;
    let fits =
        slice_sizes.len() == x.ndim() && slice_sizes.iter().zip(x.shape()).all(|(s, n)| s <= n);
    if !fits {
        return Err(Error::shape(
            "gather",
            format!(
                "Slice sizes {} do not fit the array's shape {}.",
                ShapeText(slice_sizes),
                ShapeText(x.shape())
            ),
            &[slice_sizes, x.shape()],
        ));
    }
    let lead = indices.first().map_or(&[][..], Array::shape);
    super::check_size("gather", &[lead, slice_sizes].concat())?;
    Ok(gathered(x, indices, axes, slice_sizes.into()))
}

/// The array with updates written (or added, multiplied, ..) at positions given by index arrays:
/// `updates` has shape I followed by the extent of the slices; see [`gather`].
///
/// # Errors
/// As [`gather`].
pub fn scatter(
    op: ScatterOp,
    x: &Array,
    indices: &[Array],
    updates: &Array,
    axes: &[isize],
) -> Result<Array> {
    let (indices, axes) = check("scatter", x, indices, axes)?;
    let lead = indices.first().map_or(0, Array::ndim);
    let fits = updates.ndim() == lead + x.ndim()
        && indices.iter().all(|i| i.shape() == &updates.shape()[..lead])
        && updates.shape()[lead..].iter().zip(x.shape()).all(|(s, n)| s <= n);
    if !fits {
        return Err(Error::shape(
            "scatter",
            format!(
                "Updates of shape {} do not fit {} index dimensions and the array's shape {}.",
                ShapeText(updates.shape()),
                lead,
                ShapeText(x.shape())
            ),
            &[updates.shape(), x.shape()],
        ));
    }
    Ok(scattered(op, x, indices, &updates.astype(x.dtype())?, axes))
}

/// [`scatter`] that adds; positions may repeat.
///
/// # Errors
/// As [`scatter`].
pub fn scatter_add(x: &Array, indices: &[Array], updates: &Array, axes: &[isize]) -> Result<Array> {
    scatter(ScatterOp::Add, x, indices, updates, axes)
}

/// Elements along an axis (of the flattened array for `None`) at the given positions; the index
/// array's shape takes the axis's place.
///
/// # Errors
/// As [`gather`].
pub fn take(x: &Array, indices: &Array, axis: Option<isize>) -> Result<Array> {
    let (x, axis) = match axis {
        Some(axis) => (x.clone(), resolve_axis("take", axis, x.ndim())?),
        None => (reshaped(x, &[x.size()]), 0),
    };
    if x.size() == 0 && indices.size() > 0 {
        let message = "Cannot do a non-empty take from an empty axis.";
        return Err(Error::shape("take", message, &[x.shape()]));
    }
    let picked = gather_axes(&x, std::slice::from_ref(indices), &[axis])?;
    // The index axes come first; the axes before `axis` belong before them.
    let n = indices.ndim();
    let order: Vec<isize> =
        (n..n + axis).chain(0..n).chain(n + axis..picked.ndim()).map(|a| a as isize).collect();
    if order.is_empty() { Ok(picked) } else { super::transpose(&picked, &order) }
}

/// Whole slices at index arrays: [`gather`] with slices of size 1 along the indexed axes, which
/// are then dropped.
pub(super) fn gather_axes(x: &Array, indices: &[Array], axes: &[usize]) -> Result<Array> {
    let sizes: Shape =
        x.shape().iter().enumerate().map(|(i, &n)| if axes.contains(&i) { 1 } else { n }).collect();
    let signed: SmallVec<[isize; 4]> = axes.iter().map(|&a| a as isize).collect();
    let (indices, axes) = check("gather", x, indices, &signed)?;
    if indices.first().is_some_and(|i| i.size() > 0)
        && let Some(&axis) = axes.iter().find(|&&a| x.shape()[a] == 0)
    {
        return Err(Error::Index {
            op: "gather",
            message: format!("Cannot index axis {axis}, which has size 0."),
            index: 0,
            size: 0,
        });
    }
    let index_shape = indices.first().map_or(&[][..], Array::shape);
    super::check_size("gather", &[index_shape, &sizes].concat())?;
    let lead = index_shape.len();
    let picked = gathered(x, indices, axes.clone(), sizes);
    let kept: Shape = picked
        .shape()
        .iter()
        .enumerate()
        .filter(|(i, _)| *i < lead || !axes.contains(&(i - lead)))
        .map(|(_, &n)| n)
        .collect();
    Ok(reshaped(&picked, &kept))
}

/// The inverse of [`gather_axes`]: `updates` has the shape that would return.
pub(super) fn scatter_axes(
    op: ScatterOp,
    x: &Array,
    indices: &[Array],
    updates: &Array,
    axes: &[usize],
) -> Result<Array> {
    let signed: SmallVec<[isize; 4]> = axes.iter().map(|&a| a as isize).collect();
    let (indices, axes) = check("scatter", x, indices, &signed)?;
    let mut shape = Shape::new();
    shape.extend_from_slice(indices.first().map_or(&[], Array::shape));
    for (i, &n) in x.shape().iter().enumerate() {
        shape.push(if axes.contains(&i) { 1 } else { n });
    }
    let updates = reshaped(&updates.astype(x.dtype())?, &shape);
    Ok(scattered(op, x, indices, &updates, axes))
}

type AxisList = SmallVec<[usize; 4]>;

/// Broadcast index arrays and axes from the front.
fn check(
    op: &'static str,
    x: &Array,
    indices: &[Array],
    axes: &[isize],
) -> Result<(Vec<Array>, AxisList)> {
    if indices.len() != axes.len() || indices.len() > x.ndim() {
        let message = format!(
            "Got {} index arrays and {} axes for an array with {} dimensions.",
            indices.len(),
            axes.len(),
            x.ndim()
        );
        return Err(Error::value(op, message));
    }
    let mut resolved = AxisList::new();
    for &axis in axes {
        let axis = resolve_axis(op, axis, x.ndim())?;
        if resolved.contains(&axis) {
            return Err(Error::value(op, format!("Axis {axis} is indexed twice.")));
        }
        resolved.push(axis);
    }
    let mut shape = Shape::new();
    for index in indices {
        if !index.dtype().is_integer() {
            return Err(Error::dtype(
                op,
                format!(
                    "Got indices with invalid dtype {}. Indices must be integral.",
                    index.dtype()
                ),
                &[index.dtype()],
            ));
        }
        shape = broadcast_shapes(&shape, index.shape())?;
    }
    let indices = indices.iter().map(|i| broadcast_to(i, &shape)).collect::<Result<_>>()?;
    Ok((indices, resolved))
}

fn gathered(x: &Array, indices: Vec<Array>, axes: AxisList, sizes: Shape) -> Array {
    let mut shape: Shape = indices.first().map_or_else(Shape::new, |i| i.shape().into());
    shape.extend_from_slice(&sizes);
    let inputs: Vec<Array> = std::iter::once(x.clone()).chain(indices).collect();
    Array::record(Gather { axes, sizes }, inputs, shape, x.dtype())
}

fn scattered(
    op: ScatterOp,
    x: &Array,
    indices: Vec<Array>,
    updates: &Array,
    axes: AxisList,
) -> Array {
    let shape = Shape::from_slice(x.shape());
    let inputs: Vec<Array> = [x.clone(), updates.clone()].into_iter().chain(indices).collect();
    Array::record(Scatter { op, axes }, inputs, shape, x.dtype())
}

#[derive(Debug)]
struct Gather {
    axes: AxisList,
    sizes: Shape,
}

impl Operation for Gather {
    fn name(&self) -> &str {
        "gather"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize).collect();
        Ok(vec![gather(&inputs[0], &inputs[1..], &axes, &self.sizes)?.spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Gather { axes: self.axes.to_vec(), sizes: self.sizes.to_vec() })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (x, indices) = (&cx.inputs[0], &cx.inputs[1..]);
        let mut grads = vec![None; cx.inputs.len()];
        let zero = zeros_like(x);
        let axes = self.axes.clone();
        grads[0] = Some(scattered(ScatterOp::Add, &zero, indices.to_vec(), cx.cotangent(), axes));
        Ok(grads)
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let indices = cx.inputs[1..].to_vec();
        let (axes, sizes) = (self.axes.clone(), self.sizes.clone());
        Some(Ok(vec![cx.tangents[0].as_ref().map(|t| gathered(t, indices, axes, sizes))]))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        if !mapped[0] {
            let n = leading(inputs, mapped);
            let indices = with_leading(&inputs[1..], &mapped[1..], n)?;
            return Ok(vec![gathered(&inputs[0], indices, self.axes.clone(), self.sizes.clone())]);
        }
        let n = inputs[0].shape()[0];
        let (indices, axes) = batch_indices(&inputs[1..], &mapped[1..], &self.axes, n)?;
        let mut sizes = self.sizes.clone();
        sizes.insert(0, 1);
        let lead = indices[0].ndim();
        let out = gathered(&inputs[0], indices, axes, sizes);
        let mut shape = Shape::from_slice(out.shape());
        shape.remove(lead);
        Ok(vec![reshaped(&out, &shape)])
    }
}

#[derive(Debug)]
struct Scatter {
    op: ScatterOp,
    axes: AxisList,
}

impl Operation for Scatter {
    fn name(&self) -> &str {
        "scatter"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Scatter { op: self.op, axes: self.axes.to_vec() })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (updates, indices) = (&cx.inputs[1], cx.inputs[2..].to_vec());
        let g = cx.cotangent();
        let lead = indices.first().map_or(0, Array::ndim);
        let sizes: Shape = updates.shape()[lead..].into();
        let mut grads = vec![None; cx.inputs.len()];
        match self.op {
            ScatterOp::Add => grads[0] = Some(g.clone()),
            ScatterOp::Update => {
                // What was overwritten has no influence.
                let (zero, axes) = (zeros_like(updates), self.axes.clone());
                grads[0] = Some(scattered(ScatterOp::Update, g, indices.clone(), &zero, axes));
            }
            ScatterOp::Prod | ScatterOp::Max | ScatterOp::Min => {
                return Err(self.no_transform("vjp"));
            }
        }
        if cx.wanted[1] {
            grads[1] = Some(gathered(g, indices, self.axes.clone(), sizes));
        }
        Ok(grads)
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let n = leading(inputs, mapped);
        let both = with_leading(&inputs[..2], &mapped[..2], n)?;
        let (indices, axes) = batch_indices(&inputs[2..], &mapped[2..], &self.axes, n)?;
        let lead = indices[0].ndim();
        let mut shape = Shape::from_slice(both[1].shape());
        shape.insert(lead, 1);
        let updates = reshaped(&both[1], &shape);
        Ok(vec![scattered(self.op, &both[0], indices, &updates, axes)])
    }
}

fn leading(inputs: &[Array], mapped: &[bool]) -> usize {
    inputs.iter().zip(mapped).find(|(_, m)| **m).map_or(0, |(a, _)| a.shape()[0])
}

/// Index arrays for a batched source: the batch number becomes an index of the new axis 0.
fn batch_indices(
    indices: &[Array],
    mapped: &[bool],
    axes: &[usize],
    n: usize,
) -> Result<(Vec<Array>, AxisList)> {
    let inner = with_leading(indices, mapped, n)?;
    let ndim = inner.first().map_or(1, Array::ndim);
    let mut shape = Shape::from_elem(1, ndim);
    shape[0] = n;
    let batch = reshaped(&arange(0.0, n as f64, 1.0, Dtype::I64)?, &shape);
    let whole: Shape = inner.first().map_or(shape, |i| i.shape().into());
    let mut all = vec![broadcast_to(&batch, &whole)?];
    all.extend(inner);
    let axes = std::iter::once(0).chain(axes.iter().map(|a| a + 1)).collect();
    Ok((all, axes))
}
