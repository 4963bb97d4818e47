//! Reductions over axes, and softmax.

use std::borrow::Cow;
use std::slice::from_ref;

use anymetal_kernels::reduce::{ArgOp, ReduceOp};

use super::shape::reshaped;
use super::{
    broadcast_to, concatenate, divide, equal, exp, moveaxis, multiply, ones, resolve_axis, slice,
    subtract,
};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result};
use crate::operation::{Operation, Vjp};
use crate::{Array, Dtype, Shape, transforms};

/// The axes of a reduction: `()` for all, a number, or a slice of numbers, negative ones counted
/// from the end.
#[derive(Clone, Debug)]
pub enum Axes<'a> {
    /// Every axis.
    All,
    /// These axes.
    Given(Cow<'a, [isize]>),
}

impl Axes<'_> {
    /// Every axis.
    pub const ALL: Axes<'static> = Axes::All;

    /// Sorted axes from the front.
    fn resolve(&self, op: &'static str, ndim: usize) -> Result<Vec<usize>> {
        match self {
            Axes::All => Ok((0..ndim).collect()),
            Axes::Given(axes) => {
                let mut out: Vec<usize> =
                    axes.iter().map(|&a| resolve_axis(op, a, ndim)).collect::<Result<_>>()?;
                out.sort_unstable();
                if out.windows(2).any(|w| w[0] == w[1]) {
                    return Err(Error::value(op, "Duplicate axes detected in reduction."));
                }
                Ok(out)
            }
        }
    }
}

impl From<()> for Axes<'_> {
    fn from((): ()) -> Self {
        Axes::All
    }
}

impl From<isize> for Axes<'_> {
    fn from(axis: isize) -> Self {
        Axes::Given(Cow::Owned(vec![axis]))
    }
}

impl<'a> From<&'a [isize]> for Axes<'a> {
    fn from(axes: &'a [isize]) -> Self {
        Axes::Given(Cow::Borrowed(axes))
    }
}

impl<'a, const N: usize> From<&'a [isize; N]> for Axes<'a> {
    fn from(axes: &'a [isize; N]) -> Self {
        Axes::Given(Cow::Borrowed(axes))
    }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl Array { $(
            $(#[$doc])*
            ///
            /// # Errors
            /// As the function of the same name.
            pub fn $name<'a>(&self, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
                $name(self, axes, keepdims)
            }
        )* }
    };
}

reductions! {
    /// See [`fn@sum`].
    sum;
    /// See [`prod`].
    prod;
    /// See [`mean`].
    mean;
    /// See [`max`].
    max;
    /// See [`min`].
    min;
    /// See [`any`].
    any;
    /// See [`all`].
    all;
    /// See [`logsumexp`].
    logsumexp;
}

/// Sum over axes. Booleans and narrow integers are summed in 32 bits; halves in float32, rounded
/// at the end.
///
/// # Errors
/// An axis out of range or given twice.
pub fn sum<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::Sum, "sum", x, axes.into(), keepdims)
}

/// Product over axes, in the dtypes of [`fn@sum`].
///
/// # Errors
/// As [`fn@sum`].
pub fn prod<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::Prod, "prod", x, axes.into(), keepdims)
}

/// Largest element over axes; NaN if there is one.
///
/// # Errors
/// As [`fn@sum`], and an axis of size 0.
pub fn max<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::Max, "max", x, axes.into(), keepdims)
}

/// Smallest element over axes; NaN if there is one.
///
/// # Errors
/// As [`max`].
pub fn min<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::Min, "min", x, axes.into(), keepdims)
}

/// Whether any element over axes is nonzero.
///
/// # Errors
/// As [`fn@sum`].
pub fn any<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::Any, "any", x, axes.into(), keepdims)
}

/// Whether all elements over axes are nonzero.
///
/// # Errors
/// As [`fn@sum`].
pub fn all<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    reduce(ReduceOp::All, "all", x, axes.into(), keepdims)
}

/// `log(sum(exp(x)))` over axes without overflow, floating.
///
/// # Errors
/// As [`fn@sum`], and an empty array.
pub fn logsumexp<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    if x.size() == 0 {
        return Err(Error::shape("logsumexp", "Received empty array.", &[x.shape()]));
    }
    let axes = axes.into();
    check_no_axes("logsumexp", x, &axes)?;
    reduce(ReduceOp::LogSumExp, "logsumexp", &floating(x)?, axes, keepdims)
}

/// MLX's words where there is no axis to name.
fn check_no_axes(op: &'static str, x: &Array, axes: &Axes<'_>) -> Result<()> {
    match axes {
        Axes::Given(axes) if x.ndim() == 0 && !axes.is_empty() => {
            let message = "Received non-empty axes for array with 0 dimensions.";
            Err(Error::value(op, message))
        }
        _ => Ok(()),
    }
}

/// Mean over axes, floating; NaN over nothing.
///
/// # Errors
/// As [`fn@sum`].
pub fn mean<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool) -> Result<Array> {
    let x = floating(x)?;
    let axes = axes.into().resolve("mean", x.ndim())?;
    let count: usize = axes.iter().map(|&a| x.shape()[a]).product();
    let total = reduced(ReduceOp::Sum, &x, &axes, keepdims)?;
    // A count that float32 cannot hold is still right in the total's own dtype.
    multiply(&total, 1.0 / count as f64)
}

/// Variance over axes with `ddof` subtracted from the count, floating; two passes, so a common
/// offset costs no accuracy. That of complex numbers is real: the mean squared distance from their
/// mean.
///
/// # Errors
/// As [`fn@sum`].
pub fn var<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool, ddof: usize) -> Result<Array> {
    let x = floating(x)?;
    let axes = axes.into().resolve("var", x.ndim())?;
    let signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
    let centred = subtract(&x, &mean(&x, signed.as_slice(), true)?)?;
    let count: usize = axes.iter().map(|&a| x.shape()[a]).product();
    let distance = if x.dtype() == Dtype::Complex64 { centred.abs()? } else { centred };
    let total = reduced(ReduceOp::Sum, &distance.square()?, &axes, keepdims)?;
    multiply(&total, 1.0 / count.saturating_sub(ddof) as f64)
}

/// Square root of [`var`].
///
/// # Errors
/// As there.
pub fn std<'a>(x: &Array, axes: impl Into<Axes<'a>>, keepdims: bool, ddof: usize) -> Result<Array> {
    var(x, axes, keepdims, ddof)?.sqrt()
}

/// Position of the largest element along an axis (of the flattened array for `None`), as
/// `uint32`; the first of equals.
///
/// # Errors
/// An empty array, or an axis out of range.
pub fn argmax(x: &Array, axis: Option<isize>, keepdims: bool) -> Result<Array> {
    arg_reduce(ArgOp::ArgMax, "argmax", x, axis, keepdims)
}

/// Position of the smallest element; see [`argmax`].
///
/// # Errors
/// As there.
pub fn argmin(x: &Array, axis: Option<isize>, keepdims: bool) -> Result<Array> {
    arg_reduce(ArgOp::ArgMin, "argmin", x, axis, keepdims)
}

/// `exp(x) / sum(exp(x))` over axes, floating, without overflow.
///
/// The arithmetic is float32 (float64 for that dtype) whatever the input, with one rounding at the
/// end, which is what MLX's `precise=True` asks for; `precise` is therefore accepted and changes
/// nothing.
///
/// # Errors
/// An axis out of range.
pub fn softmax<'a>(x: &Array, axes: impl Into<Axes<'a>>, precise: bool) -> Result<Array> {
    let _ = precise;
    let x = floating(x)?;
    if x.dtype() == Dtype::Complex64 {
        return Err(Error::dtype("softmax", "Not defined for complex64.", &[x.dtype()]));
    }
    let axes = axes.into();
    check_no_axes("softmax", &x, &axes)?;
    let axes = axes.resolve("softmax", x.ndim())?;
    if axes.is_empty() {
        return ones(x.shape(), x.dtype());
    }
    if axes == [x.ndim() - 1] {
        return Ok(last_axis_softmax(&x));
    }
    // Other axes: brought to the end, merged, and back.
    let order: Vec<isize> = (0..x.ndim())
        .filter(|a| !axes.contains(a))
        .chain(axes.iter().copied())
        .map(|a| a as isize)
        .collect();
    let last = super::transpose(&x, &order)?;
    let merged: usize = axes.iter().map(|&a| x.shape()[a]).product();
    let mut shape = Shape::from_slice(&last.shape()[..x.ndim() - axes.len()]);
    shape.push(merged);
    let soft = reshaped(&last_axis_softmax(&reshaped(&last, &shape)), last.shape());
    let mut inverse = vec![0isize; order.len()];
    for (i, &a) in order.iter().enumerate() {
        inverse[a as usize] = i as isize;
    }
    super::transpose(&soft, &inverse)
}

fn last_axis_softmax(x: &Array) -> Array {
    Array::record(Softmax, [x.clone()], Shape::from_slice(x.shape()), x.dtype())
}

fn floating(x: &Array) -> Result<Array> {
    if x.dtype().is_float() || x.dtype() == Dtype::Complex64 {
        Ok(x.clone())
    } else {
        x.astype(Dtype::F32)
    }
}

fn reduce(
    op: ReduceOp,
    name: &'static str,
    x: &Array,
    axes: Axes<'_>,
    keepdims: bool,
) -> Result<Array> {
    let axes = axes.resolve(name, x.ndim())?;
    if matches!(op, ReduceOp::Max | ReduceOp::Min)
        && let Some(&axis) = axes.iter().find(|&&a| x.shape()[a] == 0)
    {
        let message = format!("Cannot {name} reduce over axis {axis} with size 0.");
        return Err(Error::shape(name, message, &[x.shape()]));
    }
    if x.dtype() == Dtype::Complex64 && matches!(op, ReduceOp::Any | ReduceOp::All) {
        return reduced(op, &x.astype(Dtype::Bool)?, &axes, keepdims);
    }
    if x.dtype() == Dtype::Complex64 && !matches!(op, ReduceOp::Sum | ReduceOp::Prod) {
        return Err(Error::dtype(name, "Not defined for complex64.", &[x.dtype()]));
    }
    reduced(op, x, &axes, keepdims)
}

/// The reduction over sorted axes.
fn reduced(op: ReduceOp, x: &Array, axes: &[usize], keepdims: bool) -> Result<Array> {
    let dtype = result_dtype(op, x.dtype());
    if axes.is_empty() && !matches!(op, ReduceOp::LogSumExp) {
        return x.astype(dtype);
    }
    let shape: Shape = kept_shape(x.shape(), axes);
    let out = Array::record(Reduce { op, axes: axes.to_vec() }, [x.clone()], shape.clone(), dtype);
    if keepdims {
        return Ok(out);
    }
    let squeezed: Shape =
        shape.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &n)| n).collect();
    Ok(reshaped(&out, &squeezed))
}

fn kept_shape(shape: &[usize], axes: &[usize]) -> Shape {
    shape.iter().enumerate().map(|(i, &n)| if axes.contains(&i) { 1 } else { n }).collect()
}

fn result_dtype(op: ReduceOp, dtype: Dtype) -> Dtype {
    match op {
        ReduceOp::Any | ReduceOp::All => Dtype::Bool,
        ReduceOp::Sum | ReduceOp::Prod => match dtype {
            Dtype::Bool | Dtype::I8 | Dtype::I16 => Dtype::I32,
            Dtype::U8 | Dtype::U16 => Dtype::U32,
            other => other,
        },
        ReduceOp::Max | ReduceOp::Min | ReduceOp::LogSumExp => dtype,
    }
}

/// A reduction that keeps the reduced axes with size 1.
#[derive(Debug)]
struct Reduce {
    op: ReduceOp,
    axes: Vec<usize>,
}

impl Operation for Reduce {
    fn name(&self) -> &str {
        match self.op {
            ReduceOp::Sum => "sum",
            ReduceOp::Prod => "prod",
            ReduceOp::Max => "max",
            ReduceOp::Min => "min",
            ReduceOp::Any => "any",
            ReduceOp::All => "all",
            ReduceOp::LogSumExp => "logsumexp",
        }
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        let x = &inputs[0];
        let dtype = result_dtype(self.op, x.dtype());
        Ok(vec![Spec::new(kept_shape(x.shape(), &self.axes), dtype)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Reduce { op: self.op, axes: self.axes.clone() })
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (x, y, g) = (&cx.inputs[0], cx.output(), cx.cotangent());
        Ok(vec![match self.op {
            ReduceOp::Sum => Some(broadcast_to(g, x.shape())?),
            ReduceOp::Prod => {
                let composed = |a: &[Array]| Ok(vec![pairwise_product(&a[0], &self.axes)?]);
                transforms::vjp(composed, from_ref(x), from_ref(g))?.1.pop()
            }
            ReduceOp::Max | ReduceOp::Min => {
                // Equal extremes share the gradient.
                let hit = equal(x, y)?.astype(g.dtype())?;
                let count = reduced(ReduceOp::Sum, &hit, &self.axes, true)?;
                Some(multiply(&hit, &divide(g, &count)?)?)
            }
            ReduceOp::LogSumExp => Some(multiply(g, &exp(&subtract(x, y)?)?)?),
            ReduceOp::Any | ReduceOp::All => None,
        }])
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        let axes: Vec<usize> = self.axes.iter().map(|a| a + 1).collect();
        let x = &inputs[0];
        let shape = kept_shape(x.shape(), &axes);
        let dtype = result_dtype(self.op, x.dtype());
        Ok(vec![Array::record(Reduce { op: self.op, axes }, [x.clone()], shape, dtype)])
    }
}

/// A product as a tree of multiplications of halves: the definition its derivatives come from,
/// exact where elements are zero and for every order.
fn pairwise_product(x: &Array, axes: &[usize]) -> Result<Array> {
    let mut y = x.astype(result_dtype(ReduceOp::Prod, x.dtype()))?;
    for &axis in axes {
        y = moveaxis(&y, axis as isize, 0)?;
        if y.shape()[0] == 0 {
            y = ones(&kept_shape(y.shape(), &[0]), y.dtype())?;
        }
        while y.shape()[0] > 1 {
            let n = y.shape()[0];
            let part = |from: usize, to: usize| slice(&y, &[from as isize], &[to as isize], &[1]);
            let halves = multiply(&part(0, n / 2)?, &part(n / 2, n / 2 * 2)?)?;
            y = if n % 2 == 0 { halves } else { concatenate(&[halves, part(n - 1, n)?], 0)? };
        }
        y = moveaxis(&y, 0, axis as isize)?;
    }
    Ok(y)
}

fn arg_reduce(
    op: ArgOp,
    name: &'static str,
    x: &Array,
    axis: Option<isize>,
    keepdims: bool,
) -> Result<Array> {
    if x.size() == 0 {
        let message = format!("Cannot {name} reduce zero size array.");
        return Err(Error::shape(name, message, &[x.shape()]));
    }
    if x.dtype() == Dtype::Complex64 {
        return Err(Error::dtype(name, "Not defined for complex64.", &[x.dtype()]));
    }
    let (source, axis) = match axis {
        Some(axis) => (x.clone(), resolve_axis(name, axis, x.ndim())?),
        None => (reshaped(x, &[x.size()]), 0),
    };
    let shape = match (keepdims, source.ndim()) {
        (_, 0) => Shape::new(),
        _ => kept_shape(source.shape(), &[axis]),
    };
    let source = if source.ndim() == 0 { reshaped(&source, &[1]) } else { source };
    let kept = kept_shape(source.shape(), &[axis]);
    let out = Array::record(ArgReduce { op, axis }, [source], kept, Dtype::U32);
    if keepdims {
        let all_ones = Shape::from_elem(1, x.ndim());
        let flat = out.size() == 1 && out.ndim() != x.ndim();
        return Ok(if flat { reshaped(&out, &all_ones) } else { out });
    }
    let squeezed: Shape =
        shape.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, &n)| n).collect();
    Ok(reshaped(&out, &squeezed))
}

#[derive(Debug)]
struct ArgReduce {
    op: ArgOp,
    axis: usize,
}

impl Operation for ArgReduce {
    fn name(&self) -> &str {
        match self.op {
            ArgOp::ArgMax => "argmax",
            ArgOp::ArgMin => "argmin",
        }
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(kept_shape(inputs[0].shape(), &[self.axis]), Dtype::U32)])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::ArgReduce { op: self.op, axis: self.axis })
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        Ok(vec![None])
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        let axis = self.axis + 1;
        let x = &inputs[0];
        let shape = kept_shape(x.shape(), &[axis]);
        Ok(vec![Array::record(ArgReduce { op: self.op, axis }, [x.clone()], shape, Dtype::U32)])
    }
}

/// Over the last axis.
#[derive(Debug)]
struct Softmax;

impl Operation for Softmax {
    fn name(&self) -> &str {
        "softmax"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![inputs[0].spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Softmax)
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let weighted = multiply(cx.cotangent(), cx.output())?;
        let total = multiply(cx.output(), &sum(&weighted, -1, true)?)?;
        Ok(vec![Some(subtract(&weighted, &total)?)])
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        Ok(vec![last_axis_softmax(&inputs[0])])
    }
}
