//! Reading and writing regular parts of arrays, and indexing in the style of Python.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

use smallvec::SmallVec;

use super::index::{gather_axes, scatter_axes};
use super::shape::reshaped;
use super::{
    ScatterOp, add, broadcast_to, expand_dims, maximum, minimum, moveaxis, multiply, zeros_like,
};
use crate::array::eval::EvalContext;
use crate::device::{Inputs, Primitive, Spec};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Layout, Shape};

/// Every `strides[i]`-th element from `start[i]` to before `stop[i]` along axis `i`, with Python's
/// rules: negative positions count from the end, out-of-range ones are clamped, negative strides
/// walk backwards (a `stop` of `-size - 1` or less then includes the first element). Axes without
/// an entry are taken whole. The result shares memory.
///
/// # Errors
/// A stride of 0; more entries than axes.
pub fn slice(x: &Array, start: &[isize], stop: &[isize], strides: &[isize]) -> Result<Array> {
    let window = Window::resolve("slice", x.shape(), start, stop, strides)?;
    Ok(sliced(x, window))
}

/// The array with the part that [`slice`] names replaced by `update`, which is broadcast to it
/// and converted to the array's dtype.
///
/// # Errors
/// As [`slice`]; an update that does not broadcast.
pub fn slice_update(
    x: &Array,
    update: &Array,
    start: &[isize],
    stop: &[isize],
    strides: &[isize],
) -> Result<Array> {
    let window = Window::resolve("slice_update", x.shape(), start, stop, strides)?;
    updated(x, update, window)
}

/// One entry of an index expression.
#[derive(Clone)]
pub enum Index {
    /// One position; the axis goes away.
    At(isize),
    /// A range with a step, with Python's rules.
    Range {
        /// First position.
        start: Option<isize>,
        /// Position to stop before.
        stop: Option<isize>,
        /// Distance, not 0.
        step: isize,
    },
    /// A new axis of size 1.
    NewAxis,
    /// As many whole axes as are left.
    Ellipsis,
    /// Positions given by an integer array; several are broadcast together, as in NumPy.
    Array(Array),
}

impl Array {
    /// The part of the array that an index expression names, with NumPy's rules.
    ///
    /// # Errors
    /// More entries than axes; a position out of range; index arrays that are not integers or do
    /// not broadcast.
    pub fn index(&self, index: &[Index]) -> Result<Array> {
        let plan = Plan::new(self, index)?;
        let part = reshaped(&sliced(self, plan.window.clone()), &plan.kept);
        let part = if plan.arrays.is_empty() {
            part
        } else {
            let picked = gather_axes(&part, &plan.arrays, &plan.array_axes)?;
            plan.place(&picked)?
        };
        expand_dims(&part, &plan.new_axes)
    }

    /// The array with the part that an index expression names replaced by `value`, which is
    /// broadcast to it and converted to the array's dtype. Where index arrays repeat a position
    /// the last value in order is kept.
    ///
    /// # Errors
    /// As [`Array::index`]; a value that does not broadcast.
    pub fn index_update(&self, index: &[Index], value: &Array) -> Result<Array> {
        self.index_scatter(ScatterOp::Update, index, value)
    }

    /// [`Array::index_update`] with the value added to what is there, multiplied with it, ..;
    /// where index arrays repeat a position every value counts.
    ///
    /// # Errors
    /// As [`Array::index_update`].
    pub fn index_scatter(&self, op: ScatterOp, index: &[Index], value: &Array) -> Result<Array> {
        let plan = Plan::new(self, index)?;
        let value = value.astype(self.dtype())?;
        let target = self.index(index)?;
        let value = broadcast_to(&value, target.shape())?;
        let axes: SmallVec<[usize; 4]> = plan.new_axes.iter().map(|&a| a as usize).collect();
        let without: Shape =
            (0..value.ndim()).filter(|i| !axes.contains(i)).map(|i| value.shape()[i]).collect();
        let value = reshaped(&value, &without);
        let window_shape: Shape = plan.window.size.clone();
        if plan.arrays.is_empty() {
            let value = reshaped(&value, &window_shape);
            let part = || sliced(self, plan.window.clone());
            let value = match op {
                ScatterOp::Update => value,
                ScatterOp::Add => add(&part(), &value)?,
                ScatterOp::Prod => multiply(&part(), &value)?,
                ScatterOp::Max => maximum(&part(), &value)?,
                ScatterOp::Min => minimum(&part(), &value)?,
            };
            return updated(self, &value, plan.window);
        }
        let part = reshaped(&sliced(self, plan.window.clone()), &plan.kept);
        let value = plan.unplace(&value)?;
        let part = scatter_axes(op, &part, &plan.arrays, &value, &plan.array_axes)?;
        updated(self, &reshaped(&part, &window_shape), plan.window)
    }
}

impl From<isize> for Index {
    fn from(i: isize) -> Self {
        Index::At(i)
    }
}

impl From<&Array> for Index {
    fn from(a: &Array) -> Self {
        Index::Array(a.clone())
    }
}

macro_rules! ranges {
    ($($t:ty, $r:ident => $start:expr, $stop:expr;)*) => { $(
        impl From<$t> for Index {
            fn from($r: $t) -> Self {
                Index::Range { start: $start, stop: $stop, step: 1 }
            }
        }
    )* };
}
ranges! {
    Range<isize>, r => Some(r.start), Some(r.end);
    RangeFrom<isize>, r => Some(r.start), None;
    RangeTo<isize>, r => None, Some(r.end);
    RangeFull, _r => None, None;
}

impl From<RangeInclusive<isize>> for Index {
    fn from(r: RangeInclusive<isize>) -> Self {
        let stop = if *r.end() == -1 { None } else { Some(r.end() + 1) };
        Index::Range { start: Some(*r.start()), stop, step: 1 }
    }
}

/// What an index expression comes to: a window, the shape of the window without the axes that
/// single positions take away, index arrays on axes of that, and where new axes go at the end.
struct Plan {
    window: Window,
    kept: Shape,
    arrays: Vec<Array>,
    array_axes: Vec<usize>,
    /// Axis of the result where the index arrays' axes go.
    place: usize,
    /// Number of the index arrays' axes.
    array_ndim: usize,
    new_axes: Vec<isize>,
}

impl Plan {
    fn new(x: &Array, index: &[Index]) -> Result<Plan> {
        let consumed =
            index.iter().filter(|i| !matches!(i, Index::NewAxis | Index::Ellipsis)).count();
        if consumed > x.ndim() {
            let message = format!("Too many indices for array with {} dimensions.", x.ndim());
            return Err(Error::shape("index", message, &[x.shape()]));
        }
        if index.iter().filter(|i| matches!(i, Index::Ellipsis)).count() > 1 {
            return Err(Error::value("index", "An index can only have a single ellipsis (...)."));
        }
        let has_arrays = index.iter().any(|i| matches!(i, Index::Array(_)));
        let mut window = Window::whole(x.shape());
        let (mut kept, mut arrays, mut array_axes) = (Shape::new(), Vec::new(), Vec::new());
        // Positions in the expression, to see whether index arrays are neighbours.
        let mut array_positions = Vec::new();
        let mut place = 0;
        // Per new axis: the axes of the result before it, without index arrays and other new ones,
        // and whether it comes after the first index array.
        let mut new = Vec::new();
        let mut axis = 0;
        let mut position = 0;
        for entry in index {
            // An ellipsis that stands for no axis separates nothing, as in MLX (not as in NumPy).
            let empty = matches!(entry, Index::Ellipsis) && consumed == x.ndim();
            position += usize::from(!empty);
            match entry {
                Index::NewAxis => {
                    new.push((kept.len() - array_axes.len(), !arrays.is_empty()));
                }
                Index::Ellipsis => {
                    for _ in 0..x.ndim() - consumed {
                        kept.push(x.shape()[axis]);
                        axis += 1;
                    }
                }
                Index::Range { start, stop, step } => {
                    window.restrict(axis, x.shape()[axis], *start, *stop, *step)?;
                    kept.push(window.size[axis]);
                    axis += 1;
                }
                Index::At(i) if has_arrays => {
                    let i = resolve_position(*i, x.shape()[axis])?;
                    if arrays.is_empty() {
                        place = kept.len();
                    }
                    arrays.push(super::scalar(i as i64));
                    array_axes.push(kept.len());
                    array_positions.push(position);
                    kept.push(x.shape()[axis]);
                    axis += 1;
                }
                Index::At(i) => {
                    window.start[axis] = resolve_position(*i, x.shape()[axis])? as isize;
                    window.size[axis] = 1;
                    axis += 1;
                }
                Index::Array(a) => {
                    if arrays.is_empty() {
                        place = kept.len();
                    }
                    arrays.push(a.clone());
                    array_axes.push(kept.len());
                    array_positions.push(position);
                    kept.push(x.shape()[axis]);
                    axis += 1;
                }
            }
        }
        kept.extend_from_slice(&x.shape()[axis..]);
        let mut array_shape = Shape::new();
        for a in &arrays {
            array_shape = super::broadcast_shapes(&array_shape, a.shape())?;
        }
        let neighbours = array_positions.windows(2).all(|w| w[1] == w[0] + 1);
        let place = if neighbours { place } else { 0 };
        let mut new_axes = Vec::new();
        for (i, (before, after_array)) in new.into_iter().enumerate() {
            // Index arrays that are not neighbours put their axes first.
            let past_arrays = after_array || (!arrays.is_empty() && !neighbours);
            let shift = if past_arrays { array_shape.len() } else { 0 };
            new_axes.push((before + shift + i) as isize);
        }
        Ok(Plan {
            window,
            kept,
            arrays,
            array_axes,
            place,
            array_ndim: array_shape.len(),
            new_axes,
        })
    }

    /// Moves the index arrays' axes from the front to their place.
    fn place(&self, picked: &Array) -> Result<Array> {
        let mut out = picked.clone();
        if self.place > 0 {
            for _ in 0..self.array_ndim {
                out = moveaxis(&out, 0, (self.place + self.array_ndim - 1) as isize)?;
            }
        }
        Ok(out)
    }

    /// The inverse of [`Plan::place`].
    fn unplace(&self, value: &Array) -> Result<Array> {
        let mut out = value.clone();
        if self.place > 0 {
            for _ in 0..self.array_ndim {
                out = moveaxis(&out, (self.place + self.array_ndim - 1) as isize, 0)?;
            }
        }
        Ok(out)
    }
}

fn resolve_position(i: isize, n: usize) -> Result<usize> {
    let at = if i < 0 { i + n as isize } else { i };
    match usize::try_from(at) {
        Ok(at) if at < n => Ok(at),
        _ => Err(Error::Index {
            op: "index",
            message: format!("Index {i} is out of bounds for axis of size {n}."),
            index: i as i64,
            size: n,
        }),
    }
}

/// A regular part of an array, with all positions resolved.
#[derive(Clone, Debug)]
struct Window {
    start: SmallVec<[isize; 4]>,
    size: Shape,
    step: SmallVec<[isize; 4]>,
}

impl Window {
    fn whole(shape: &[usize]) -> Window {
        let n = shape.len();
        let (start, step) = (SmallVec::from_elem(0, n), SmallVec::from_elem(1, n));
        Window { start, size: shape.into(), step }
    }

    fn resolve(
        op: &'static str,
        shape: &[usize],
        start: &[isize],
        stop: &[isize],
        strides: &[isize],
    ) -> Result<Window> {
        if start.len() > shape.len() || stop.len() != start.len() || strides.len() != start.len() {
            return Err(Error::shape(
                op,
                format!(
                    "Invalid number of indices or strides ({}, {}, {}) for array with shape {}.",
                    start.len(),
                    stop.len(),
                    strides.len(),
                    ShapeText(shape)
                ),
                &[shape],
            ));
        }
        let mut window = Window::whole(shape);
        for axis in 0..start.len() {
            let (from, to) = (Some(start[axis]), Some(stop[axis]));
            window.restrict(axis, shape[axis], from, to, strides[axis])?;
        }
        Ok(window)
    }

    fn restrict(
        &mut self,
        axis: usize,
        n: usize,
        start: Option<isize>,
        stop: Option<isize>,
        step: isize,
    ) -> Result<()> {
        if step == 0 {
            return Err(Error::value("slice", "The step of a slice cannot be zero."));
        }
        let n = n as isize;
        // Walking backwards, positions from -1 (before the first) to n - 1 are meaningful.
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let absolute = |p: isize| (if p < 0 { p.saturating_add(n) } else { p }).clamp(low, high);
        let (first, last) = if step > 0 { (0, n) } else { (n - 1, -1) };
        let start = start.map_or(first, absolute);
        let stop = stop.map_or(last, absolute);
        let distance = if step > 0 { stop - start } else { start - stop };
        let size = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
        self.start[axis] = if size == 0 { 0 } else { start };
        self.size[axis] = size;
        self.step[axis] = if size <= 1 { 1 } else { step };
        Ok(())
    }

    /// The same part of every element of a new leading axis.
    fn with_leading(&self, n: usize) -> Window {
        let mut w = self.clone();
        w.start.insert(0, 0);
        w.size.insert(0, n);
        w.step.insert(0, 1);
        w
    }

    /// The part as a layout over an array's elements.
    fn layout(&self, of: &Layout) -> Layout {
        let mut offset = of.offset as isize;
        let mut strides = of.strides.clone();
        let empty = self.size.contains(&0);
        for (i, stride) in strides.iter_mut().enumerate() {
            if !empty {
                offset += self.start[i] * *stride;
            }
            *stride *= self.step[i];
        }
        Layout { shape: self.size.clone(), strides, offset: offset as usize }
    }
}

fn sliced(x: &Array, window: Window) -> Array {
    let whole = window.size.as_slice() == x.shape() && window.step.iter().all(|&s| s == 1);
    if whole {
        return x.clone();
    }
    let shape = window.size.clone();
    Array::record(Slice(window), [x.clone()], shape, x.dtype())
}

fn updated(x: &Array, update: &Array, window: Window) -> Result<Array> {
    let update = broadcast_to(&update.astype(x.dtype())?, &window.size)?;
    let shape = Shape::from_slice(x.shape());
    Ok(Array::record(SliceUpdate(window), [x.clone(), update], shape, x.dtype()))
}

#[derive(Debug)]
struct Slice(Window);

impl Operation for Slice {
    fn name(&self) -> &str {
        "slice"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(self.0.size.clone(), inputs[0].dtype())])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let layout = self.0.layout(&cx.input(0).layout);
        cx.alias_layout(0, layout);
        Ok(())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let zero = zeros_like(&cx.inputs[0]);
        Ok(vec![Some(updated(&zero, cx.cotangent(), self.0.clone())?)])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(vec![cx.tangents[0].as_ref().map(|t| sliced(t, self.0.clone()))]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        let x = &inputs[0];
        Ok(vec![sliced(x, self.0.with_leading(x.shape()[0]))])
    }
}

#[derive(Debug)]
struct SliceUpdate(Window);

impl Operation for SliceUpdate {
    fn name(&self) -> &str {
        "slice_update"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let layouts = vec![self.0.layout(&Layout::contiguous(&cx.output(0).shape))];
        let inputs: Inputs = cx.take_inputs();
        cx.launch_on(&Primitive::Assemble { layouts, base: true }, inputs)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let g = cx.cotangent();
        let window = || self.0.clone();
        let base = match cx.wanted[0] {
            true => Some(updated(g, &zeros_like(&cx.inputs[1]), window())?),
            false => None,
        };
        Ok(vec![base, cx.wanted[1].then(|| sliced(g, window()))])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let (zero, none) = (zeros_like(&cx.inputs[0]), zeros_like(&cx.inputs[1]));
        let base = cx.tangents[0].as_ref().unwrap_or(&zero);
        let part = cx.tangents[1].as_ref().unwrap_or(&none);
        Some(updated(base, part, self.0.clone()).map(|t| vec![Some(t)]))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let n = inputs[if mapped[0] { 0 } else { 1 }].shape()[0];
        let inputs = super::with_leading(inputs, mapped, n)?;
        Ok(vec![updated(&inputs[0], &inputs[1], self.0.with_leading(n))?])
    }
}
