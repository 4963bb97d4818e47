//! Operations on `Complex64`. Transcendental functions are computed in double precision and
//! rounded once.

use super::map::{Map1, Map2, portable1, portable2, table1, table2};
use super::{Arithmetic, BinaryOp, Loop1, Loop2, UnaryOp};
use crate::Bool;
use crate::data::Complex64;
use crate::simd::Isa;
use crate::stage::Compute;

type Wide = num_complex::Complex<f64>;

impl Arithmetic for Complex64 {
    fn unary(op: UnaryOp) -> Option<Loop1<Self, Self>> {
        table1!(op, portable1, <T: Number> -> T, |I, x| {
            Neg => T::from(-x.number()),
            Sign => x.wide(|z| if z == Wide::ZERO { z } else { z / z.norm() }),
            Square => T::from(x.number() * x.number()),
            Sqrt => x.wide(Wide::sqrt),
            Rsqrt => x.wide(|z| z.sqrt().inv()),
            Reciprocal => x.wide(|z| z.inv()),
            Exp => x.wide(exp),
            Expm1 => x.wide(expm1),
            Log => x.wide(Wide::ln),
            Log2 => x.wide(|z| z.ln() * std::f64::consts::LOG2_E),
            Log10 => x.wide(|z| z.ln() * std::f64::consts::LOG10_E),
            Log1p => x.wide(log1p),
            Sin => x.wide(Wide::sin),
            Cos => x.wide(Wide::cos),
            Tan => x.wide(Wide::tan),
            Sinh => x.wide(Wide::sinh),
            Cosh => x.wide(Wide::cosh),
            Tanh => x.wide(Wide::tanh),
            Asin => x.wide(Wide::asin),
            Acos => x.wide(Wide::acos),
            Atan => x.wide(Wide::atan),
            Asinh => x.wide(Wide::asinh),
            Acosh => x.wide(Wide::acosh),
            Atanh => x.wide(Wide::atanh),
            Sigmoid => x.wide(|z| (exp(-z) + 1.0).inv()),
            Round => T::from(Complex64::new(
                x.number().re.round_ties_even(),
                x.number().im.round_ties_even(),
            )),
            Conjugate => T::from(x.number().conj()),
        })
    }

    fn unary_predicate(op: UnaryOp) -> Option<Loop1<Self, Bool>> {
        table1!(op, portable1, <T: Number> -> Bool, |I, x| {
            LogicalNot => Bool::from(x == T::ZERO),
            IsNan => Bool::from(x.number().is_nan()),
            IsInf => Bool::from(x.number().re.is_infinite() || x.number().im.is_infinite()),
            IsFinite => Bool::from(x.number().is_finite()),
            IsNegInf => Bool::from(x.number().re == f32::NEG_INFINITY),
            IsPosInf => Bool::from(x.number().re == f32::INFINITY),
        })
    }

    fn binary(op: BinaryOp) -> Option<Loop2<Self, Self>> {
        table2!(op, portable2, <T: Number> -> T, |I, a, b| {
            Add => T::from(a.number() + b.number()),
            Subtract => T::from(a.number() - b.number()),
            Multiply => T::from(a.number() * b.number()),
            Divide => a.wide(|z| z / b.as_wide()),
            Power => a.wide(|z| power(z, b.as_wide())),
            Maximum => if less(b, a) || a.is_nan() { a } else { b },
            Minimum => if less(a, b) || a.is_nan() { a } else { b },
            LogAddExp => a.wide(|z| log_add_exp(z, b.as_wide())),
        })
    }

    fn binary_predicate(op: BinaryOp) -> Option<Loop2<Self, Bool>> {
        table2!(op, portable2, <T: Number> -> Bool, |I, a, b| {
            Equal => Bool::from(a == b),
            NotEqual => Bool::from(a != b),
            NanEqual => Bool::from(a == b || (a.number().is_nan() && b.number().is_nan())),
            Less => Bool::from(less(a, b)),
            LessEqual => Bool::from(less(a, b) || a == b),
            Greater => Bool::from(less(b, a)),
            GreaterEqual => Bool::from(less(b, a) || a == b),
            LogicalAnd => Bool::from(a != T::ZERO && b != T::ZERO),
            LogicalOr => Bool::from(a != T::ZERO || b != T::ZERO),
        })
    }
}

/// The real-valued operations: magnitude and parts.
pub(super) fn part(op: UnaryOp) -> Loop1<Complex64, f32> {
    let row: Option<Loop1<Complex64, f32>> = table1!(op, portable1, <T: Number> -> f32, |I, x| {
        Abs => x.as_wide().norm() as f32,
        Real => x.number().re,
        Imag => x.number().im,
    });
    row.unwrap_or(portable1::<NotAPart, _, _>)
}

struct NotAPart;

impl Map1<Complex64, f32> for NotAPart {
    #[inline(always)]
    fn call<I: Isa>(x: Complex64) -> f32 {
        x.re
    }
}

/// `Complex64` under the shape that the tables ask for.
trait Number: Compute + From<Complex64> {
    fn number(self) -> Complex64;

    #[inline(always)]
    fn as_wide(self) -> Wide {
        Wide::new(self.number().re as f64, self.number().im as f64)
    }

    #[inline(always)]
    fn wide(self, f: impl Fn(Wide) -> Wide) -> Self {
        let z = f(self.as_wide());
        Complex64::new(z.re as f32, z.im as f32).into()
    }
}

impl Number for Complex64 {
    #[inline(always)]
    fn number(self) -> Complex64 {
        self
    }
}

/// Lexicographic order.
#[inline(always)]
fn less<T: Number>(a: T, b: T) -> bool {
    let (a, b) = (a.number(), b.number());
    a.re < b.re || (a.re == b.re && a.im < b.im)
}

fn exp(z: Wide) -> Wide {
    // A real argument must not pick up NaN from inf * sin(0).
    if z.im == 0.0 { Wide::new(z.re.exp(), z.im) } else { z.exp() }
}

/// exp(x + iy) - 1 without cancellation near 0.
fn expm1(z: Wide) -> Wide {
    let half = (0.5 * z.im).sin();
    let re = z.re.exp_m1() * z.im.cos() - 2.0 * half * half;
    Wide::new(re, z.re.exp() * z.im.sin())
}

/// log(1 + z) without cancellation near 0.
fn log1p(z: Wide) -> Wide {
    let (x, y) = (z.re, z.im);
    let re = if x.abs() < 0.5 && y.abs() < 0.5 {
        0.5 * (x * (2.0 + x) + y * y).ln_1p()
    } else {
        (1.0 + x).hypot(y).ln()
    };
    Wide::new(re, y.atan2(1.0 + x))
}

fn power(a: Wide, b: Wide) -> Wide {
    if b == Wide::ZERO {
        Wide::ONE
    } else if a == Wide::ZERO {
        if b.re > 0.0 { Wide::ZERO } else { Wide::new(f64::NAN, f64::NAN) }
    } else {
        a.powc(b)
    }
}

fn log_add_exp(a: Wide, b: Wide) -> Wide {
    let (high, low) = if a.re >= b.re { (a, b) } else { (b, a) };
    if high.re == f64::NEG_INFINITY { high } else { high + log1p(exp(low - high)) }
}
