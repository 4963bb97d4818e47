//! Operations that rearrange axes. All of them share memory with their input where strides allow.

use smallvec::SmallVec;

use super::{Axes, bounded_axis, check_size, resolve_axis, sum};
use crate::array::eval::EvalContext;
use crate::device::{Spec, broadcast_layout};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Layout, Shape, Strides};

/// The array with another shape of the same size. One size may be -1 and is then computed.
///
/// # Errors
/// If the sizes differ.
pub fn reshape(x: &Array, shape: &[isize]) -> Result<Array> {
    let refuse = || {
        let shape = format!("{shape:?}").replace(['[', ' '], "").replace(']', "");
        Error::shape(
            "reshape",
            format!("Cannot reshape array of size {} into shape ({shape}).", x.size()),
            &[x.shape()],
        )
    };
    let mut known = 1usize;
    let mut inferred = None;
    let mut sizes = Shape::new();
    for (i, &n) in shape.iter().enumerate() {
        match usize::try_from(n) {
            Ok(n) => {
                known = known.checked_mul(n).ok_or_else(refuse)?;
                sizes.push(n);
            }
            Err(_) if n == -1 && inferred.is_none() => {
                inferred = Some(i);
                sizes.push(1);
            }
            Err(_) if n == -1 => {
                return Err(Error::value("reshape", "Reshape can only infer one dimension."));
            }
            Err(_) => return Err(refuse()),
        }
    }
    if let Some(i) = inferred {
        if known == 0 {
            return Err(Error::value("reshape", "Cannot infer the shape of an empty array."));
        }
        if !x.size().is_multiple_of(known) {
            return Err(refuse());
        }
        sizes[i] = x.size() / known;
    } else if known != x.size() || check_size("reshape", &sizes).is_err() {
        return Err(refuse());
    }
    Ok(reshaped(x, &sizes))
}

/// [`reshape`] to a shape that is known to have the same size.
pub(crate) fn reshaped(x: &Array, shape: &[usize]) -> Array {
    debug_assert_eq!(x.size(), shape.iter().product::<usize>());
    if x.shape() == shape {
        return x.clone();
    }
    Array::record(Reshape(shape.into()), [x.clone()], shape, x.dtype())
}

/// The array with axes in another order; all reversed if `axes` is empty.
///
/// # Errors
/// If `axes` is not a permutation.
pub fn transpose(x: &Array, axes: &[isize]) -> Result<Array> {
    let n = x.ndim();
    let mut order: SmallVec<[usize; 6]> = SmallVec::new();
    if axes.is_empty() {
        order.extend((0..n).rev());
    } else {
        if axes.len() != n {
            let message = format!("Received {} axes for array with {n} dimensions.", axes.len());
            return Err(Error::value("transpose", message));
        }
        for &axis in axes {
            let axis = resolve_axis("transpose", axis, n)?;
            if order.contains(&axis) {
                return Err(Error::value("transpose", "Repeat axes not allowed."));
            }
            order.push(axis);
        }
    }
    Ok(transposed(x, &order))
}

fn transposed(x: &Array, order: &[usize]) -> Array {
    if order.iter().enumerate().all(|(i, &a)| i == a) {
        return x.clone();
    }
    let shape: Shape = order.iter().map(|&a| x.shape()[a]).collect();
    Array::record(Transpose(order.into()), [x.clone()], shape, x.dtype())
}

/// Two axes exchanged.
///
/// # Errors
/// An axis out of range.
pub fn swapaxes(x: &Array, a: isize, b: isize) -> Result<Array> {
    let (a, b) = (resolve_axis("swapaxes", a, x.ndim())?, resolve_axis("swapaxes", b, x.ndim())?);
    let mut order: SmallVec<[usize; 6]> = (0..x.ndim()).collect();
    order.swap(a, b);
    Ok(transposed(x, &order))
}

/// One axis moved to another place, the others in order.
///
/// # Errors
/// An axis out of range.
pub fn moveaxis(x: &Array, from: isize, to: isize) -> Result<Array> {
    let from = resolve_axis("moveaxis", from, x.ndim())?;
    let to = resolve_axis("moveaxis", to, x.ndim())?;
    let mut order: SmallVec<[usize; 6]> = (0..x.ndim()).filter(|&a| a != from).collect();
    order.insert(to, from);
    Ok(transposed(x, &order))
}

/// New axes of size 1 at the given places of the result.
///
/// # Errors
/// A place out of range or given twice.
pub fn expand_dims(x: &Array, axes: &[isize]) -> Result<Array> {
    let n = x.ndim() + axes.len();
    let mut new: SmallVec<[usize; 6]> = SmallVec::new();
    for &axis in axes {
        let axis = bounded_axis("expand_dims", axis, n)?;
        if new.contains(&axis) {
            return Err(Error::value("expand_dims", "Received duplicate axes."));
        }
        new.push(axis);
    }
    let mut old = x.shape().iter();
    let shape: Shape = (0..n)
        .map(|i| if new.contains(&i) { 1 } else { old.next().copied().unwrap_or(1) })
        .collect();
    Ok(reshaped(x, &shape))
}

/// Axes of size 1 removed: those given, or all of them.
///
/// # Errors
/// An axis out of range or of another size.
pub fn squeeze<'a>(x: &Array, axes: impl Into<Axes<'a>>) -> Result<Array> {
    let gone = match axes.into() {
        Axes::Given(axes) => {
            let mut gone: SmallVec<[usize; 6]> = SmallVec::new();
            for &axis in axes.iter() {
                let axis = bounded_axis("squeeze", axis, x.ndim())?;
                if x.shape()[axis] != 1 {
                    return Err(Error::shape(
                        "squeeze",
                        format!(
                            "Cannot squeeze axis {axis} with size {} which is not equal to 1.",
                            x.shape()[axis]
                        ),
                        &[x.shape()],
                    ));
                }
                if gone.contains(&axis) {
                    return Err(Error::value("squeeze", "Received duplicate axes."));
                }
                gone.push(axis);
            }
            gone
        }
        Axes::All => (0..x.ndim()).filter(|&a| x.shape()[a] == 1).collect(),
    };
    let kept = x.shape().iter().enumerate().filter(|(i, _)| !gone.contains(i));
    let shape: Shape = kept.map(|(_, &n)| n).collect();
    Ok(reshaped(x, &shape))
}

/// Axes `start` to `end` (both included) merged into one; a 0-d array becomes 1-d.
///
/// # Errors
/// An axis out of range, or `start` after `end`.
pub fn flatten(x: &Array, start: isize, end: isize) -> Result<Array> {
    if x.ndim() == 0 {
        return Ok(reshaped(x, &[1]));
    }
    let start = resolve_axis("flatten", start, x.ndim())?;
    let end = resolve_axis("flatten", end, x.ndim())?;
    if start > end {
        return Err(Error::value("flatten", "start_axis must be less than or equal to end_axis."));
    }
    let mut shape = Shape::from_slice(&x.shape()[..start]);
    shape.push(x.shape()[start..=end].iter().product());
    shape.extend_from_slice(&x.shape()[end + 1..]);
    Ok(reshaped(x, &shape))
}

/// One axis split into several, of which one size may be -1.
///
/// # Errors
/// Sizes whose product is not the axis's.
pub fn unflatten(x: &Array, axis: isize, shape: &[isize]) -> Result<Array> {
    let axis = resolve_axis("unflatten", axis, x.ndim())?;
    let n = x.shape()[axis];
    let sizes = shape.iter().filter(|&&s| s != -1);
    // Too large a product fits nothing, like a negative one.
    let known = sizes.fold(1isize, |n, &s| n.checked_mul(s).unwrap_or(-1));
    let fits = match shape.iter().filter(|&&s| s == -1).count() {
        0 => known == n as isize,
        1 => known > 0 && (n as isize) % known == 0,
        _ => false,
    };
    if shape.is_empty() {
        return Err(Error::value("unflatten", "Shape to unflatten to cannot be empty."));
    }
    if !fits || shape.iter().any(|&s| s < -1) {
        let text = format!("{shape:?}").replace(['[', ' '], "").replace(']', "");
        return Err(Error::shape(
            "unflatten",
            format!("Cannot unflatten axis {axis} with size {n} into shape ({text})."),
            &[x.shape()],
        ));
    }
    let sizes = shape.iter().map(|&s| if s == -1 { n / known as usize } else { s as usize });
    let mut full = Shape::from_slice(&x.shape()[..axis]);
    full.extend(sizes);
    full.extend_from_slice(&x.shape()[axis + 1..]);
    Ok(reshaped(x, &full))
}

/// The array repeated along new leading axes and axes of size 1, without copying.
///
/// # Errors
/// A shape the array's shape does not broadcast to.
pub fn broadcast_to(x: &Array, shape: &[usize]) -> Result<Array> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    if broadcast_shapes(x.shape(), shape)?.as_slice() != shape {
        let (from, to) = (ShapeText(x.shape()), ShapeText(shape));
        let message = format!("Cannot broadcast array of shape {from} into shape {to}.");
        let shapes = vec![x.shape().into(), shape.into()];
        return Err(Error::Shape { op: "broadcast_to", message, shapes });
    }
    Ok(Array::record(Broadcast(shape.into()), [x.clone()], shape, x.dtype()))
}

/// Arrays broadcast to their common shape.
///
/// # Errors
/// Shapes that have none.
pub fn broadcast_arrays(arrays: &[Array]) -> Result<Vec<Array>> {
    let mut shape = Shape::new();
    for a in arrays {
        shape = broadcast_shapes(&shape, a.shape())?;
    }
    arrays.iter().map(|a| broadcast_to(a, &shape)).collect()
}

/// The shape two shapes broadcast to.
pub(crate) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Shape> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut shape = Shape::from_slice(long);
    let lead = long.len() - short.len();
    for (n, &m) in shape[lead..].iter_mut().zip(short) {
        match (*n, m) {
            (x, y) if x == y => {}
            (1, y) => *n = y,
            (_, 1) => {}
            _ => return Err(incompatible(a, b)),
        }
    }
    check_size("broadcast_shapes", &shape)?;
    Ok(shape)
}

fn incompatible(a: &[usize], b: &[usize]) -> Error {
    let message = format!("Shapes {} and {} cannot be broadcast.", ShapeText(a), ShapeText(b));
    Error::shape("broadcast_shapes", message, &[a, b])
}

/// For mapping rules: every array with a leading axis of size `n`, repeated along it if it is not
/// mapped.
pub(crate) fn with_leading(arrays: &[Array], mapped: &[bool], n: usize) -> Result<Vec<Array>> {
    arrays
        .iter()
        .zip(mapped)
        .map(|(a, &mapped)| {
            if mapped {
                return Ok(a.clone());
            }
            let mut shape = Shape::from_slice(a.shape());
            shape.insert(0, n);
            broadcast_to(a, &shape)
        })
        .collect()
}

#[derive(Debug)]
struct Reshape(Shape);

impl Operation for Reshape {
    fn name(&self) -> &str {
        "reshape"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(self.0.clone(), inputs[0].dtype())])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        if let Some(layout) = reshaped_layout(&cx.input(0).layout, &self.0) {
            cx.alias_layout(0, layout);
            return Ok(());
        }
        let source = cx.take_inputs().remove(0);
        let copy = cx.contiguous(source)?;
        let layout = Layout { offset: copy.layout.offset, ..Layout::contiguous(&self.0) };
        cx.alias(0, copy.with_layout(layout));
        Ok(())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![Some(reshaped(cx.cotangent(), cx.inputs[0].shape()))])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(vec![cx.tangents[0].as_ref().map(|t| reshaped(t, &self.0))]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        let mut shape = self.0.clone();
        shape.insert(0, inputs[0].shape()[0]);
        Ok(vec![reshaped(&inputs[0], &shape)])
    }
}

/// The layout of a reshaped array over the same memory, if there is one: runs of axes that
/// continue each other are regrouped, others must stay as they are.
fn reshaped_layout(layout: &Layout, shape: &[usize]) -> Option<Layout> {
    if layout.is_empty() || layout.is_contiguous() {
        return Some(Layout { offset: layout.offset, ..Layout::contiguous(shape) });
    }
    let old = layout.collapsed();
    let mut strides = Strides::from_elem(0, shape.len());
    // The run of memory being filled, from the last axis: its size still to cover and its stride.
    let mut runs = old.shape.iter().copied().zip(old.strides.iter().copied()).rev();
    let (mut left, mut stride) = (1usize, 0isize);
    for (i, &n) in shape.iter().enumerate().rev() {
        if n == 1 {
            continue;
        }
        if left == 1 {
            (left, stride) = runs.next()?;
        }
        if !left.is_multiple_of(n) {
            return None;
        }
        strides[i] = stride;
        stride *= n as isize;
        left /= n;
    }
    Some(Layout { shape: shape.into(), strides, offset: layout.offset })
}

#[derive(Debug)]
struct Transpose(SmallVec<[usize; 6]>);

impl Transpose {
    fn inverse(&self) -> SmallVec<[usize; 6]> {
        let mut inverse = SmallVec::from_elem(0, self.0.len());
        for (i, &a) in self.0.iter().enumerate() {
            inverse[a] = i;
        }
        inverse
    }
}

impl Operation for Transpose {
    fn name(&self) -> &str {
        "transpose"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![transposed(&inputs[0], &self.0).spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let old = &cx.input(0).layout;
        let layout = Layout {
            shape: self.0.iter().map(|&a| old.shape[a]).collect(),
            strides: self.0.iter().map(|&a| old.strides[a]).collect(),
            offset: old.offset,
        };
        cx.alias_layout(0, layout);
        Ok(())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![Some(transposed(cx.cotangent(), &self.inverse()))])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(vec![cx.tangents[0].as_ref().map(|t| transposed(t, &self.0))]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        let order: SmallVec<[usize; 6]> =
            std::iter::once(0).chain(self.0.iter().map(|a| a + 1)).collect();
        Ok(vec![transposed(&inputs[0], &order)])
    }
}

#[derive(Debug)]
struct Broadcast(Shape);

impl Operation for Broadcast {
    fn name(&self) -> &str {
        "broadcast_to"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![broadcast_to(&inputs[0], &self.0)?.spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let layout = broadcast_layout(&cx.input(0).layout, &self.0);
        cx.alias_layout(0, layout);
        Ok(())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let shape = cx.inputs[0].shape();
        let lead = self.0.len() - shape.len();
        let axes: Vec<isize> = (0..self.0.len())
            .filter(|&i| i < lead || shape[i - lead] != self.0[i])
            .map(|i| i as isize)
            .collect();
        let total = sum(cx.cotangent(), axes.as_slice(), true)?;
        Ok(vec![Some(reshaped(&total, shape))])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let tangent = cx.tangents[0].as_ref()?;
        Some(broadcast_to(tangent, &self.0).map(|t| vec![Some(t)]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        let x = &inputs[0];
        let mut shape = self.0.clone();
        shape.insert(0, x.shape()[0]);
        let mut aligned = Shape::from_elem(1, shape.len());
        aligned[0] = x.shape()[0];
        let rest = &x.shape()[1..];
        let start = aligned.len() - rest.len();
        aligned[start..].copy_from_slice(rest);
        Ok(vec![broadcast_to(&reshaped(x, &aligned), &shape)?])
    }
}

impl Array {
    /// See [`reshape`].
    ///
    /// # Errors
    /// As there.
    pub fn reshape(&self, shape: &[isize]) -> Result<Array> {
        reshape(self, shape)
    }

    /// See [`transpose`].
    ///
    /// # Errors
    /// As there.
    pub fn transpose(&self, axes: &[isize]) -> Result<Array> {
        transpose(self, axes)
    }

    /// All axes in reverse order.
    pub fn t(&self) -> Array {
        let order: SmallVec<[usize; 6]> = (0..self.ndim()).rev().collect();
        transposed(self, &order)
    }

    /// See [`swapaxes`].
    ///
    /// # Errors
    /// As there.
    pub fn swapaxes(&self, a: isize, b: isize) -> Result<Array> {
        swapaxes(self, a, b)
    }

    /// See [`expand_dims`].
    ///
    /// # Errors
    /// As there.
    pub fn expand_dims(&self, axes: &[isize]) -> Result<Array> {
        expand_dims(self, axes)
    }

    /// See [`squeeze`].
    ///
    /// # Errors
    /// As there.
    pub fn squeeze<'a>(&self, axes: impl Into<Axes<'a>>) -> Result<Array> {
        squeeze(self, axes)
    }

    /// See [`broadcast_to`].
    ///
    /// # Errors
    /// As there.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Array> {
        broadcast_to(self, shape)
    }
}
