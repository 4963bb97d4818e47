//! Element-by-element operations on strided inputs.
//!
//! Outputs are contiguous. Halves and small integers are computed in `f32` and 32-bit integers and
//! rounded or wrapped once at the end; every other dtype in itself.
//!
//! Preconditions, checked by panics where they are cheap to check: the layouts of one call have
//! the output's number of elements, the dtypes are those stated, and the operation is
//! [`defined`](UnaryOp::defined) for the dtype.

mod complex;
mod float;
mod integer;
mod map;
mod math;
mod select;

use crate::data::{Complex64, Dtype, Element, Layout, Slice, SliceMut};
use crate::data::{bf16, f16};
use crate::stage::{
    self, BLOCK, Compute, MOVE_NS, Stage, blocks, emit, spread, typed_mut, with_block,
};
use crate::{Bool, simd};

pub(crate) use math::Math;
pub use select::select;

/// Operations on one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "most names say it all")]
pub enum UnaryOp {
    Neg,
    /// Magnitude; `float32` for complex64. The smallest signed integer is its own.
    Abs,
    /// -1, 0 or 1 (NaN for NaN); `z / |z|` for complex numbers.
    Sign,
    Square,
    Sqrt,
    Rsqrt,
    Reciprocal,
    Exp,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Tanh,
    Asin,
    Acos,
    Atan,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    ErfInv,
    Sigmoid,
    Floor,
    Ceil,
    /// To the nearest integer, halves to the even one.
    Round,
    /// Gives bool.
    LogicalNot,
    /// All bits flipped; for bool the logical not.
    BitwiseInvert,
    /// Gives bool.
    IsNan,
    /// Gives bool.
    IsInf,
    /// Gives bool.
    IsFinite,
    /// Gives bool.
    IsNegInf,
    /// Gives bool.
    IsPosInf,
    Conjugate,
    /// `float32` for complex64, the element itself otherwise.
    Real,
    /// `float32` for complex64, zero otherwise.
    Imag,
}

/// Operations on two elements of one dtype.
///
/// Integers wrap; integer division and remainder by zero give 0; shift counts are taken modulo
/// the width; a negative integer exponent gives the power's integer part (0 unless the base is 1
/// or -1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "most names say it all")]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    /// Not for integers: the caller divides as floats.
    Divide,
    /// Rounds to minus infinity, as Python's `//`.
    FloorDivide,
    /// Has the divisor's sign, as Python's `%`.
    Remainder,
    Power,
    /// NaN if either is NaN.
    Maximum,
    /// NaN if either is NaN.
    Minimum,
    /// `log(exp(a) + exp(b))` without overflow.
    LogAddExp,
    Atan2,
    /// Gives bool, as do the next six.
    Equal,
    NotEqual,
    /// Equal, or both NaN.
    NanEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Gives bool.
    LogicalAnd,
    /// Gives bool.
    LogicalOr,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    LeftShift,
    /// Arithmetic for signed integers.
    RightShift,
}

impl UnaryOp {
    /// Dtype of the result for elements of dtype `x`.
    pub fn output(self, x: Dtype) -> Dtype {
        use UnaryOp::*;
        match self {
            LogicalNot | IsNan | IsInf | IsFinite | IsNegInf | IsPosInf => Dtype::Bool,
            Abs | Real | Imag if x == Dtype::Complex64 => Dtype::F32,
            _ => x,
        }
    }

    /// Whether there is such an operation for dtype `x`. Transcendental functions are not defined
    /// for integers and bool, bit operations not for floats.
    pub fn defined(self, x: Dtype) -> bool {
        let part = x == Dtype::Complex64 && self.output(x) == Dtype::F32;
        part || with_dtype!(x, T => {
            type C = <T as Stage>::Compute;
            C::unary(self).is_some() || C::unary_predicate(self).is_some()
        })
    }
}

impl UnaryOp {
    /// About how long an element takes.
    fn item_ns(self) -> f64 {
        use UnaryOp::*;
        match self {
            Neg | Abs | Sign | Square | Floor | Ceil | Round | LogicalNot | BitwiseInvert
            | IsNan | IsInf | IsFinite | IsNegInf | IsPosInf | Conjugate | Real | Imag => MOVE_NS,
            Sqrt | Rsqrt | Reciprocal | Exp => 2.0 * MOVE_NS,
            _ => 1.0,
        }
    }
}

impl BinaryOp {
    /// About how long an element takes.
    fn item_ns(self) -> f64 {
        use BinaryOp::*;
        match self {
            FloorDivide | Remainder | Power | LogAddExp | Atan2 => 2.0,
            _ => MOVE_NS,
        }
    }

    /// Dtype of the result for elements of dtype `x`.
    pub fn output(self, x: Dtype) -> Dtype {
        use BinaryOp::*;
        match self {
            Equal | NotEqual | NanEqual | Less | LessEqual | Greater | GreaterEqual
            | LogicalAnd | LogicalOr => Dtype::Bool,
            _ => x,
        }
    }

    /// Whether there is such an operation for dtype `x`. Integers have no `Divide`, `LogAddExp`
    /// and `Atan2`; floats no bit operations; complex numbers no `FloorDivide`, `Remainder`,
    /// `Atan2`. Complex numbers are ordered by real, then imaginary part.
    pub fn defined(self, x: Dtype) -> bool {
        with_dtype!(x, T => {
            type C = <T as Stage>::Compute;
            C::binary(self).is_some() || C::binary_predicate(self).is_some()
        })
    }
}

/// A loop over a block, compiled for each instruction set.
pub(crate) type Loop1<C, V> = fn(simd::Level, &[C], &mut [V]);
/// A loop over two blocks.
pub(crate) type Loop2<C, V> = fn(simd::Level, &[C], &[C], &mut [V]);

/// The tables of operations of a compute type.
pub(crate) trait Arithmetic: Compute {
    fn unary(op: UnaryOp) -> Option<Loop1<Self, Self>>;
    fn unary_predicate(op: UnaryOp) -> Option<Loop1<Self, Bool>>;
    fn binary(op: BinaryOp) -> Option<Loop2<Self, Self>>;
    fn binary_predicate(op: BinaryOp) -> Option<Loop2<Self, Bool>>;
    /// A shift with the count modulo `bits`, which is fewer than the type has.
    fn narrow_shift(_op: BinaryOp, _bits: usize) -> Option<Loop2<Self, Self>> {
        None
    }
}

/// `out[i] = op(x[i])`. `out` has dtype [`UnaryOp::output`].
///
/// # Panics
/// If the operation is not defined for the dtype, or `out` has another dtype.
pub fn unary(op: UnaryOp, x: Slice<'_>, layout: &Layout, out: SliceMut<'_>) {
    debug_assert_eq!(layout.len(), out.len());
    let dtype = x.dtype();
    if dtype == Dtype::Complex64 && op.output(dtype) == Dtype::F32 {
        let (x, f) = (blocks::<Complex64>(x, layout), complex::part(op));
        let level = simd::level();
        return emit(typed_mut::<f32>(out), op.item_ns(), &|start, out| {
            with_block(&*x, start, out.len(), |x| f(level, x, out));
        });
    }
    with_dtype!(dtype, T => unary_typed::<T>(op, x, layout, out))
}

fn unary_typed<T: Stage<Compute: Arithmetic>>(
    op: UnaryOp,
    x: Slice<'_>,
    layout: &Layout,
    out: SliceMut<'_>,
) {
    let level = simd::level();
    let x = blocks::<T::Compute>(x, layout);
    if let Some(f) = T::Compute::unary_predicate(op) {
        return spread(typed_mut::<Bool>(out), op.item_ns(), &|start, out| {
            with_block(&*x, start, out.len(), |x| f(level, x, out));
        });
    }
    let f = unary_loop::<T>(op);
    emit(typed_mut::<T>(out), op.item_ns(), &|start, out| {
        with_block(&*x, start, out.len(), |x| f(level, x, out));
    });
}

/// `x[i] = op(x[i])`, for operations that keep the dtype.
///
/// # Panics
/// If the operation is not defined for the dtype or gives another dtype.
pub fn unary_inplace(op: UnaryOp, x: SliceMut<'_>) {
    assert_eq!(op.output(x.dtype()), x.dtype(), "{op:?} changes the dtype");
    with_dtype!(x.dtype(), T => unary_inplace_typed::<T>(op, typed_mut(x)))
}

fn unary_inplace_typed<T: Stage<Compute: Arithmetic>>(op: UnaryOp, x: &mut [T]) {
    let level = simd::level();
    if let Some(f) = T::Compute::unary_predicate(op) {
        return spread(x, op.item_ns(), &|_, x| {
            let mut old = [T::Compute::ZERO; BLOCK];
            stage::load(level, x, &mut old[..x.len()]);
            f(level, &old[..x.len()], typed_mut(T::wrap_mut(x)));
        });
    }
    let f = unary_loop::<T>(op);
    spread(x, op.item_ns(), &|_, x| staged(level, x, |old, x| f(level, old, x)));
}

/// Calls `f` with a copy of the block in its compute type and a place for the new one.
fn staged<T: Stage>(
    level: simd::Level,
    x: &mut [T],
    f: impl FnOnce(&[T::Compute], &mut [T::Compute]),
) {
    let mut old = [T::Compute::ZERO; BLOCK];
    let old = &mut old[..x.len()];
    stage::load(level, x, old);
    if let Some(x) = T::Compute::unwrap_mut(T::wrap_mut(x)) {
        return f(old, x);
    }
    let mut new = [T::Compute::ZERO; BLOCK];
    let new = &mut new[..x.len()];
    f(old, new);
    stage::store(level, new, x);
}

/// `out[i] = op(a[i], b[i])`, with `a` and `b` of one dtype. `out` has dtype [`BinaryOp::output`].
///
/// # Panics
/// If the operation is not defined for the dtype, or a dtype differs.
pub fn binary(
    op: BinaryOp,
    a: Slice<'_>,
    la: &Layout,
    b: Slice<'_>,
    lb: &Layout,
    out: SliceMut<'_>,
) {
    debug_assert_eq!(la.len(), out.len());
    debug_assert_eq!(lb.len(), out.len());
    assert_eq!(a.dtype(), b.dtype(), "operands of one dtype");
    with_dtype!(a.dtype(), T => binary_typed::<T>(op, a, la, b, lb, out))
}

fn binary_typed<T: Stage<Compute: Arithmetic>>(
    op: BinaryOp,
    a: Slice<'_>,
    la: &Layout,
    b: Slice<'_>,
    lb: &Layout,
    out: SliceMut<'_>,
) {
    let level = simd::level();
    let (a, b) = (blocks::<T::Compute>(a, la), blocks::<T::Compute>(b, lb));
    if let Some(f) = T::Compute::binary_predicate(op) {
        return spread(typed_mut::<Bool>(out), op.item_ns(), &|start, out| {
            with_block(&*a, start, out.len(), |a| {
                with_block(&*b, start, out.len(), |b| f(level, a, b, out));
            });
        });
    }
    let f = binary_loop::<T>(op);
    emit(typed_mut::<T>(out), op.item_ns(), &|start, out| {
        with_block(&*a, start, out.len(), |a| {
            with_block(&*b, start, out.len(), |b| f(level, a, b, out));
        });
    });
}

/// `x[i] = op(x[i], other[i])`, or `op(other[i], x[i])` if `reversed`, for operations that keep the
/// dtype.
///
/// # Panics
/// If the operation is not defined for the dtype or gives another one, or a dtype differs.
pub fn binary_inplace(
    op: BinaryOp,
    x: SliceMut<'_>,
    other: Slice<'_>,
    layout: &Layout,
    reversed: bool,
) {
    debug_assert_eq!(layout.len(), x.len());
    assert_eq!(x.dtype(), other.dtype(), "operands of one dtype");
    with_dtype!(x.dtype(), T => binary_inplace_typed::<T>(op, typed_mut(x), other, layout, reversed))
}

fn binary_inplace_typed<T: Stage<Compute: Arithmetic>>(
    op: BinaryOp,
    x: &mut [T],
    other: Slice<'_>,
    layout: &Layout,
    reversed: bool,
) {
    let level = simd::level();
    let other = blocks::<T::Compute>(other, layout);
    if let Some(f) = T::Compute::binary_predicate(op) {
        return spread(x, op.item_ns(), &|start, x| {
            let mut old = [T::Compute::ZERO; BLOCK];
            let old = &mut old[..x.len()];
            stage::load(level, x, old);
            with_block(&*other, start, x.len(), |b| {
                let (a, b) = if reversed { (b, &*old) } else { (&*old, b) };
                f(level, a, b, typed_mut(T::wrap_mut(x)));
            });
        });
    }
    let f = binary_loop::<T>(op);
    spread(x, op.item_ns(), &|start, x| {
        with_block(&*other, start, x.len(), |b| {
            staged(level, x, |a, x| if reversed { f(level, b, a, x) } else { f(level, a, b, x) });
        });
    });
}

fn unary_loop<T: Stage<Compute: Arithmetic>>(op: UnaryOp) -> Loop1<T::Compute, T::Compute> {
    if T::DTYPE == Dtype::Bool && op == UnaryOp::BitwiseInvert {
        return map::map1::<integer::FlipLowest, _, _>;
    }
    T::Compute::unary(op).unwrap_or_else(|| panic!("{op:?} is not defined for {}", T::DTYPE))
}

/// The loop of an operation that keeps the dtype.
pub(crate) fn binary_loop<T: Stage<Compute: Arithmetic>>(
    op: BinaryOp,
) -> Loop2<T::Compute, T::Compute> {
    let narrow = T::Compute::narrow_shift(op, 8 * T::DTYPE.size());
    if let Some(f) = narrow.filter(|_| T::DTYPE.size() < 4) {
        return f;
    }
    T::Compute::binary(op).unwrap_or_else(|| panic!("{op:?} is not defined for {}", T::DTYPE))
}
