//! Functions of two arrays, element by element, with broadcasting and promotion.
//!
//! The public functions promote and broadcast by nodes of their own, so the operation itself only
//! meets equal shapes and dtypes, and its derivatives need no reduction.

use anymetal_kernels::elementwise::BinaryOp;

use super::create::scalar_as;
use super::unary::conjugated;
use super::{broadcast_shapes, broadcast_to, scalar, select, with_leading, zeros_like};
use crate::array::dtype::{Scalar, promote};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, Shape};

/// An argument of a binary function: an array, or a number that takes the array's dtype where it
/// can (see [`Scalar`]).
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    /// An array.
    Array(&'a Array),
    /// A number.
    Scalar(Scalar),
}

impl<'a> From<&'a Array> for Operand<'a> {
    fn from(a: &'a Array) -> Self {
        Operand::Array(a)
    }
}

impl<S: Into<Scalar>> From<S> for Operand<'_> {
    fn from(s: S) -> Self {
        Operand::Scalar(s.into())
    }
}

/// Which dtypes a function takes and gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any promoted dtype.
    Same,
    /// Integers and booleans become `float32`.
    Float,
    /// Compares in the promoted dtype, gives bool.
    Compare,
    /// Both as bool.
    Logical,
    /// Integers and booleans only.
    Bits,
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident, $op:ident, $kind:ident;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// Shapes that do not broadcast; a dtype the function does not exist for.
            pub fn $name<'a>(
                a: impl Into<Operand<'a>>,
                b: impl Into<Operand<'a>>,
            ) -> Result<Array> {
                apply(BinaryOp::$op, a.into(), b.into())
            }
        )*

        fn properties(op: BinaryOp) -> (&'static str, Kind) {
            match op {
                $(BinaryOp::$op => (stringify!($name), Kind::$kind),)*
                BinaryOp::NanEqual => ("equal", Kind::Compare),
            }
        }
    };
}

functions! {
    /// `a + b`; "or" for bool.
    add, Add, Same;
    /// `a - b`; "exclusive or" for bool.
    subtract, Subtract, Same;
    /// `a * b`; "and" for bool.
    multiply, Multiply, Same;
    /// `a / b`, always floating.
    divide, Divide, Float;
    /// Quotient rounded down.
    floor_divide, FloorDivide, Same;
    /// Remainder with the divisor's sign.
    remainder, Remainder, Same;
    /// `a` to the power `b`. The gradient of a complex base is conjugated as every gradient of an
    /// analytic function is; MLX forgets to.
    power, Power, Same;
    /// The larger; not a number if either is.
    maximum, Maximum, Same;
    /// The smaller; not a number if either is.
    minimum, Minimum, Same;
    /// `log(exp(a) + exp(b))` without overflow.
    logaddexp, LogAddExp, Float;
    /// Angle of the point (b, a), in radians.
    arctan2, Atan2, Float;
    /// Whether `a == b`.
    equal, Equal, Compare;
    /// Whether `a != b`.
    not_equal, NotEqual, Compare;
    /// Whether `a < b`.
    less, Less, Compare;
    /// Whether `a <= b`.
    less_equal, LessEqual, Compare;
    /// Whether `a > b`.
    greater, Greater, Compare;
    /// Whether `a >= b`.
    greater_equal, GreaterEqual, Compare;
    /// Whether both are nonzero.
    logical_and, LogicalAnd, Logical;
    /// Whether either is nonzero.
    logical_or, LogicalOr, Logical;
    /// Bitwise and.
    bitwise_and, BitwiseAnd, Bits;
    /// Bitwise or.
    bitwise_or, BitwiseOr, Bits;
    /// Bitwise exclusive or.
    bitwise_xor, BitwiseXor, Bits;
    /// `a` shifted left by `b` bits, modulo the width.
    left_shift, LeftShift, Bits;
    /// `a` shifted right by `b` bits, modulo the width.
    right_shift, RightShift, Bits;
}

/// `a == b`, with NaN equal to NaN.
pub(super) fn nan_equal(a: &Array, b: &Array) -> Result<Array> {
    apply(BinaryOp::NanEqual, a.into(), b.into())
}

fn apply(op: BinaryOp, a: Operand<'_>, b: Operand<'_>) -> Result<Array> {
    let (name, kind) = properties(op);
    let (a, b) = arrays(a, b)?;
    let promoted = promote(a.dtype(), b.dtype());
    let refuse = || {
        let message = format!("Not supported for types {} and {}.", a.dtype(), b.dtype());
        Err(Error::dtype(name, message, &[a.dtype(), b.dtype()]))
    };
    let dtype = match kind {
        Kind::Logical => Dtype::Bool,
        Kind::Float if !promoted.is_float() && promoted != Dtype::Complex64 => Dtype::F32,
        Kind::Bits if !promoted.is_integer() && promoted != Dtype::Bool => {
            return Err(Error::dtype(
                name,
                format!(
                    "Only allowed on integer or boolean types but got types {} and {}.",
                    a.dtype(),
                    b.dtype()
                ),
                &[a.dtype(), b.dtype()],
            ));
        }
        // One bit has no room for shifts.
        Kind::Bits
            if promoted == Dtype::Bool
                && matches!(op, BinaryOp::LeftShift | BinaryOp::RightShift) =>
        {
            Dtype::U8
        }
        Kind::Same | Kind::Float | Kind::Compare | Kind::Bits => promoted,
    };
    if !op.defined(dtype) {
        return refuse();
    }
    let (a, b) = (a.astype(dtype)?, b.astype(dtype)?);
    let (a, b) = if a.shape() == b.shape() {
        (a, b)
    } else {
        let shape = broadcast_shapes(a.shape(), b.shape())?;
        (broadcast_to(&a, &shape)?, broadcast_to(&b, &shape)?)
    };
    Ok(record(op, a, b))
}

/// Both operands as arrays: a number takes the dtype it has beside the other.
pub(super) fn arrays(a: Operand<'_>, b: Operand<'_>) -> Result<(Array, Array)> {
    Ok(match (a, b) {
        (Operand::Array(a), Operand::Array(b)) => (a.clone(), b.clone()),
        (Operand::Array(a), Operand::Scalar(s)) => (a.clone(), beside(s, a)?),
        (Operand::Scalar(s), Operand::Array(b)) => (beside(s, b)?, b.clone()),
        (Operand::Scalar(a), Operand::Scalar(b)) => (scalar(a), scalar(b)),
    })
}

fn beside(s: Scalar, array: &Array) -> Result<Array> {
    scalar_as(s, s.dtype_beside(array.dtype()))
}

/// The operation on arrays of one shape and dtype.
fn record(op: BinaryOp, a: Array, b: Array) -> Array {
    let shape = Shape::from_slice(a.shape());
    let dtype = op.output(a.dtype());
    Array::record(Binary(op), [a, b], shape, dtype)
}

#[derive(Debug)]
struct Binary(BinaryOp);

impl Operation for Binary {
    fn name(&self) -> &str {
        properties(self.0).0
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        let spec = inputs[0].spec();
        Ok(vec![Spec::new(spec.shape.clone(), self.0.output(spec.dtype))])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Binary(self.0))
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let [a, b] = cx.inputs else { unreachable!("two inputs") };
        (0..2)
            .map(|i| match cx.wanted[i] {
                true => conjugated(cx.cotangent(), |g| {
                    times_derivative(self.0, i, g, a, b, cx.output())
                }),
                false => Ok(None),
            })
            .collect()
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let [a, b] = cx.inputs else { unreachable!("two inputs") };
        let output = cx.outputs[0].as_ref()?;
        let mut sum: Option<Array> = None;
        for (i, tangent) in cx.tangents.iter().enumerate() {
            let Some(tangent) = tangent else { continue };
            let part = times_derivative(self.0, i, tangent, a, b, output);
            let added = part.and_then(|part| match (sum.take(), part) {
                (Some(x), Some(y)) => add(&x, &y).map(Some),
                (x, y) => Ok(x.or(y)),
            });
            match added {
                Ok(added) => sum = added,
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(vec![sum]))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let n = inputs[if mapped[0] { 0 } else { 1 }].shape()[0];
        let inputs = with_leading(inputs, mapped, n)?;
        Ok(vec![record(self.0, inputs[0].clone(), inputs[1].clone())])
    }
}

/// `t` times the derivative of `y = op(a, b)` by argument `i`; `None` where it is zero everywhere.
fn times_derivative(
    op: BinaryOp,
    i: usize,
    t: &Array,
    a: &Array,
    b: &Array,
    y: &Array,
) -> Result<Option<Array>> {
    let zero = || zeros_like(t);
    Ok(Some(match (op, i) {
        (BinaryOp::Add, _) | (BinaryOp::Subtract, 0) => t.clone(),
        (BinaryOp::Subtract, _) => t.negative()?,
        (BinaryOp::Multiply, 0) => multiply(t, b)?,
        (BinaryOp::Multiply, _) => multiply(t, a)?,
        (BinaryOp::Divide, 0) => divide(t, b)?,
        (BinaryOp::Divide, _) => multiply(t, &divide(y, b)?.negative()?)?,
        (BinaryOp::Remainder, 0) => t.clone(),
        (BinaryOp::Remainder, _) => multiply(t, &floor_divide(a, b)?.negative()?)?,
        (BinaryOp::Power, 0) => {
            // b a^(b-1); where b is 0 the derivative is 0 even at a = 0.
            let slope = multiply(b, &power(a, &subtract(b, 1.0)?)?)?;
            multiply(t, &select(&equal(b, 0.0)?, &zeros_like(b), &slope)?)?
        }
        (BinaryOp::Power, _) => {
            // a^b log(a); 0 at a = 0, where the logarithm would make it NaN.
            let at_zero = equal(a, 0.0)?;
            let safe = select(&at_zero, &super::ones_like(a), a)?;
            multiply(t, &multiply(y, &safe.log()?)?)?
        }
        (BinaryOp::Maximum, 0) => select(&greater(a, b)?, t, &zero())?,
        (BinaryOp::Maximum, _) => select(&greater(a, b)?, &zero(), t)?,
        (BinaryOp::Minimum, 0) => select(&less(a, b)?, t, &zero())?,
        (BinaryOp::Minimum, _) => select(&less(a, b)?, &zero(), t)?,
        (BinaryOp::LogAddExp, 0) => multiply(t, &subtract(a, b)?.sigmoid()?)?,
        (BinaryOp::LogAddExp, _) => multiply(t, &subtract(b, a)?.sigmoid()?)?,
        (BinaryOp::Atan2, _) => {
            let norm = add(&a.square()?, &b.square()?)?;
            let part = if i == 0 { b.clone() } else { a.negative()? };
            multiply(t, &divide(&part, &norm)?)?
        }
        (
            BinaryOp::FloorDivide
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::NanEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::LogicalAnd
            | BinaryOp::LogicalOr
            | BinaryOp::BitwiseAnd
            | BinaryOp::BitwiseOr
            | BinaryOp::BitwiseXor
            | BinaryOp::LeftShift
            | BinaryOp::RightShift,
            _,
        ) => return Ok(None),
    }))
}

macro_rules! operators {
    ($($trait:ident $method:ident $function:ident;)*) => { $(
        impl std::ops::$trait<&Array> for &Array {
            type Output = Result<Array>;
            fn $method(self, other: &Array) -> Result<Array> { $function(self, other) }
        }
        impl<S: Into<Scalar>> std::ops::$trait<S> for &Array {
            type Output = Result<Array>;
            fn $method(self, other: S) -> Result<Array> { $function(self, other) }
        }
        impl std::ops::$trait<&Array> for f64 {
            type Output = Result<Array>;
            fn $method(self, other: &Array) -> Result<Array> { $function(self, other) }
        }
        impl std::ops::$trait<&Array> for i64 {
            type Output = Result<Array>;
            fn $method(self, other: &Array) -> Result<Array> { $function(self, other) }
        }
    )* };
}

operators! {
    Add add add;
    Sub sub subtract;
    Mul mul multiply;
    Div div divide;
    Rem rem remainder;
    BitAnd bitand bitwise_and;
    BitOr bitor bitwise_or;
    BitXor bitxor bitwise_xor;
}

impl std::ops::Neg for &Array {
    type Output = Result<Array>;

    fn neg(self) -> Result<Array> {
        self.negative()
    }
}
