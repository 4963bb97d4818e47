//! Functions of one array, element by element.

use anymetal_kernels::elementwise::UnaryOp;

use super::{add, divide, multiply, subtract};
use crate::array::eval::EvalContext;
use crate::device::{Primitive, Spec};
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype};

/// How a function's result type follows from its argument's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any dtype, kept.
    Same,
    /// Integers and booleans become `float32`.
    Float,
    /// Rounding: integers and booleans are returned as they are; complex numbers are rounded to
    /// the nearest only, part by part.
    Rounding,
    /// As `Float`, and complex numbers have no such function.
    RealFloat,
    /// Any dtype to bool.
    Predicate,
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident, $op:ident, $kind:ident, $text:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the function does not exist for the dtype.
            pub fn $name(x: &Array) -> Result<Array> {
                apply(UnaryOp::$op, x)
            }
        )*

        impl Array {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// If the function does not exist for the dtype.
                pub fn $name(&self) -> Result<Array> {
                    apply(UnaryOp::$op, self)
                }
            )*
        }

        fn properties(op: UnaryOp) -> (&'static str, Kind) {
            match op {
                $(UnaryOp::$op => ($text, Kind::$kind),)*
            }
        }
    };
}

functions! {
    /// `-x`; not for bool.
    negative, Neg, Same, "negative";
    /// Magnitude; real for complex numbers.
    abs, Abs, Same, "abs";
    /// -1, 0 or 1; `x / |x|` for complex numbers.
    sign, Sign, Same, "sign";
    /// `x * x`.
    square, Square, Same, "square";
    /// Square root.
    sqrt, Sqrt, Float, "sqrt";
    /// `1 / sqrt(x)`.
    rsqrt, Rsqrt, Float, "rsqrt";
    /// `1 / x`.
    reciprocal, Reciprocal, Float, "reciprocal";
    /// e to the x.
    exp, Exp, Float, "exp";
    /// `exp(x) - 1`, accurate near zero.
    expm1, Expm1, RealFloat, "expm1";
    /// Natural logarithm.
    log, Log, Float, "log";
    /// Logarithm to base 2.
    log2, Log2, Float, "log2";
    /// Logarithm to base 10.
    log10, Log10, Float, "log10";
    /// `log(1 + x)`, accurate near zero.
    log1p, Log1p, Float, "log1p";
    /// Sine of radians.
    sin, Sin, Float, "sin";
    /// Cosine of radians.
    cos, Cos, Float, "cos";
    /// Tangent of radians.
    tan, Tan, Float, "tan";
    /// Hyperbolic sine.
    sinh, Sinh, Float, "sinh";
    /// Hyperbolic cosine.
    cosh, Cosh, Float, "cosh";
    /// Hyperbolic tangent.
    tanh, Tanh, Float, "tanh";
    /// Inverse sine, in radians.
    arcsin, Asin, Float, "arcsin";
    /// Inverse cosine, in radians.
    arccos, Acos, Float, "arccos";
    /// Inverse tangent, in radians.
    arctan, Atan, Float, "arctan";
    /// Inverse hyperbolic sine.
    arcsinh, Asinh, Float, "arcsinh";
    /// Inverse hyperbolic cosine.
    arccosh, Acosh, Float, "arccosh";
    /// Inverse hyperbolic tangent.
    arctanh, Atanh, Float, "arctanh";
    /// Error function.
    erf, Erf, RealFloat, "erf";
    /// Inverse of the error function.
    erfinv, ErfInv, RealFloat, "erfinv";
    /// `1 / (1 + exp(-x))`.
    sigmoid, Sigmoid, RealFloat, "sigmoid";
    /// Largest whole number not above x.
    floor, Floor, Rounding, "floor";
    /// Smallest whole number not below x.
    ceil, Ceil, Rounding, "ceil";
    /// Nearest whole number, halves to even.
    round, Round, Rounding, "round";
    /// Whether x is zero.
    logical_not, LogicalNot, Predicate, "logical_not";
    /// Every bit flipped; integers and bool.
    bitwise_invert, BitwiseInvert, Same, "bitwise_invert";
    /// Whether x is not a number.
    isnan, IsNan, Predicate, "isnan";
    /// Whether x is infinite.
    isinf, IsInf, Predicate, "isinf";
    /// Whether x is neither infinite nor not a number.
    isfinite, IsFinite, Predicate, "isfinite";
    /// Whether x is negative infinity.
    isneginf, IsNegInf, Predicate, "isneginf";
    /// Whether x is positive infinity.
    isposinf, IsPosInf, Predicate, "isposinf";
    /// Complex conjugate.
    conjugate, Conjugate, Same, "conjugate";
    /// Real part.
    real, Real, Same, "real";
    /// Imaginary part.
    imag, Imag, Same, "imag";
}

fn apply(op: UnaryOp, x: &Array) -> Result<Array> {
    let (name, kind) = properties(op);
    let dtype = x.dtype();
    let complex = dtype == Dtype::Complex64;
    let refuse = || {
        let message = match op {
            UnaryOp::Neg => "Not supported for bool, use logical_not instead.".into(),
            UnaryOp::BitwiseInvert => "Bitwise inverse only allowed on integer types.".into(),
            _ => format!("Not supported for {dtype}."),
        };
        Err(Error::dtype(name, message, &[dtype]))
    };
    let real = |x: &Array, out| {
        let x = if dtype.is_float() || complex { x.clone() } else { x.astype(Dtype::F32)? };
        Ok(record(op, x, out))
    };
    match (op, kind) {
        (UnaryOp::Neg, _) if dtype == Dtype::Bool => refuse(),
        (UnaryOp::BitwiseInvert, _) if !dtype.is_integer() && dtype != Dtype::Bool => refuse(),
        (UnaryOp::BitwiseInvert, _) if dtype == Dtype::Bool => apply(UnaryOp::LogicalNot, x),
        (UnaryOp::Abs | UnaryOp::Real | UnaryOp::Imag, _) if complex => {
            Ok(record(op, x.clone(), Dtype::F32))
        }
        (UnaryOp::Real | UnaryOp::Conjugate, _) => {
            Ok(if complex { record(op, x.clone(), dtype) } else { x.clone() })
        }
        (UnaryOp::Imag, _) => Ok(super::zeros_like(x)),
        (UnaryOp::Abs | UnaryOp::Sign, _) if dtype == Dtype::Bool => Ok(x.clone()),
        (UnaryOp::Abs, _) if dtype.is_unsigned_integer() => Ok(x.clone()),
        (UnaryOp::Square, _) if dtype == Dtype::Bool => Ok(x.clone()),
        (_, Kind::Same) => Ok(record(op, x.clone(), dtype)),
        (UnaryOp::Round, _) if complex => Ok(record(op, x.clone(), dtype)),
        (_, Kind::RealFloat | Kind::Rounding) if complex => refuse(),
        (_, Kind::Rounding) if !dtype.is_float() => Ok(x.clone()),
        (_, Kind::Rounding) => Ok(record(op, x.clone(), dtype)),
        (_, Kind::Float | Kind::RealFloat) => {
            real(x, if dtype.is_float() || complex { dtype } else { Dtype::F32 })
        }
        (_, Kind::Predicate) => Ok(record(op, x.clone(), Dtype::Bool)),
    }
}

fn record(op: UnaryOp, x: Array, dtype: Dtype) -> Array {
    let shape = crate::Shape::from_slice(x.shape());
    Array::record(Unary(op), [x], shape, dtype)
}

#[derive(Debug)]
struct Unary(UnaryOp);

impl Operation for Unary {
    fn name(&self) -> &str {
        properties(self.0).0
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![apply(self.0, &inputs[0])?.spec().clone()])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        cx.launch(&Primitive::Unary(self.0))
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (x, g) = (&cx.inputs[0], cx.cotangent());
        Ok(vec![conjugated(g, |g| times_derivative(self.0, g, x, cx.output()))?])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let (Some(tangent), Some(output)) = (&cx.tangents[0], &cx.outputs[0]) else {
            return Some(Ok(vec![None]));
        };
        let x = &cx.inputs[0];
        let derivative = match self.0 {
            // Real functions of complex numbers: the rule is that of their reverse, transposed.
            UnaryOp::Abs if x.dtype() == Dtype::Complex64 => {
                x.sign().and_then(|s| multiply(tangent, &s.conjugate()?)?.real()).map(Some)
            }
            UnaryOp::Real | UnaryOp::Imag => apply(self.0, tangent).map(Some),
            _ => times_derivative(self.0, tangent, x, output),
        };
        Some(derivative.map(|t| vec![t]))
    }

    fn vmap(&self, inputs: &[Array], _: &[bool]) -> Result<Vec<Array>> {
        Ok(vec![apply(self.0, &inputs[0])?])
    }
}

/// A reverse rule from one of multiplying with the derivative. The gradient of a complex argument
/// is MLX's: its real part is the derivative by the argument's real part, its imaginary part that
/// by the imaginary part, so the derivative of an analytic function enters conjugated.
pub(super) fn conjugated(
    g: &Array,
    times_derivative: impl FnOnce(&Array) -> Result<Option<Array>>,
) -> Result<Option<Array>> {
    if g.dtype() != Dtype::Complex64 {
        return times_derivative(g);
    }
    times_derivative(&g.conjugate()?)?.map(|product| product.conjugate()).transpose()
}

/// `t` times the derivative of `y = op(x)`; `None` where that is zero everywhere.
fn times_derivative(op: UnaryOp, t: &Array, x: &Array, y: &Array) -> Result<Option<Array>> {
    const TWO_OVER_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;
    let one_minus_square = |v: &Array| subtract(1.0, &v.square()?);
    Ok(Some(match op {
        UnaryOp::Neg => t.negative()?,
        UnaryOp::Abs => multiply(t, &x.sign()?)?,
        UnaryOp::Square => multiply(t, &multiply(x, 2.0)?)?,
        UnaryOp::Sqrt => divide(t, &multiply(y, 2.0)?)?,
        UnaryOp::Rsqrt => multiply(t, &multiply(&divide(y, x)?, -0.5)?)?,
        UnaryOp::Reciprocal => multiply(t, &y.square()?.negative()?)?,
        UnaryOp::Exp => multiply(t, y)?,
        UnaryOp::Expm1 => multiply(t, &add(y, 1.0)?)?,
        UnaryOp::Log => divide(t, x)?,
        UnaryOp::Log2 => divide(t, &multiply(x, std::f64::consts::LN_2)?)?,
        UnaryOp::Log10 => divide(t, &multiply(x, std::f64::consts::LN_10)?)?,
        UnaryOp::Log1p => divide(t, &add(x, 1.0)?)?,
        UnaryOp::Sin => multiply(t, &x.cos()?)?,
        UnaryOp::Cos => multiply(t, &x.sin()?.negative()?)?,
        UnaryOp::Tan => multiply(t, &add(&y.square()?, 1.0)?)?,
        UnaryOp::Sinh => multiply(t, &x.cosh()?)?,
        UnaryOp::Cosh => multiply(t, &x.sinh()?)?,
        UnaryOp::Tanh => multiply(t, &one_minus_square(y)?)?,
        UnaryOp::Asin => multiply(t, &one_minus_square(x)?.rsqrt()?)?,
        UnaryOp::Acos => multiply(t, &one_minus_square(x)?.rsqrt()?.negative()?)?,
        UnaryOp::Atan => divide(t, &add(&x.square()?, 1.0)?)?,
        UnaryOp::Asinh => multiply(t, &add(&x.square()?, 1.0)?.rsqrt()?)?,
        UnaryOp::Acosh if x.dtype() == Dtype::Complex64 => {
            // The root of the product is the other branch in the left half of the plane.
            let slope = multiply(&add(x, 1.0)?.rsqrt()?, &subtract(x, 1.0)?.rsqrt()?)?;
            multiply(t, &slope)?
        }
        UnaryOp::Acosh => multiply(t, &subtract(&x.square()?, 1.0)?.rsqrt()?)?,
        UnaryOp::Atanh => divide(t, &one_minus_square(x)?)?,
        UnaryOp::Erf => {
            let slope = multiply(&x.square()?.negative()?.exp()?, TWO_OVER_SQRT_PI)?;
            multiply(t, &slope)?
        }
        UnaryOp::ErfInv => {
            let slope = multiply(&y.square()?.exp()?, 1.0 / TWO_OVER_SQRT_PI)?;
            multiply(t, &slope)?
        }
        UnaryOp::Sigmoid => multiply(t, &multiply(y, &subtract(1.0, y)?)?)?,
        UnaryOp::Conjugate => t.conjugate()?,
        UnaryOp::Real => t.astype(x.dtype())?,
        UnaryOp::Imag => {
            let i = super::scalar(anymetal_kernels::Complex64::new(0.0, 1.0));
            multiply(&t.astype(x.dtype())?, &i)?
        }
        UnaryOp::Sign
        | UnaryOp::Floor
        | UnaryOp::Ceil
        | UnaryOp::Round
        | UnaryOp::LogicalNot
        | UnaryOp::BitwiseInvert
        | UnaryOp::IsNan
        | UnaryOp::IsInf
        | UnaryOp::IsFinite
        | UnaryOp::IsNegInf
        | UnaryOp::IsPosInf => return Ok(None),
    }))
}
