//! Operations on `f32` and `f64`.

use super::map::{Map1, Map2, map1, map2, portable1, portable2, table1, table2};
use super::math::{LARGE_ANGLE, Math};
use super::{Arithmetic, BinaryOp, Loop1, Loop2, UnaryOp};
use crate::Bool;
use crate::simd::{Isa, Level};

impl Arithmetic for f32 {
    fn unary(op: UnaryOp) -> Option<Loop1<Self, Self>> {
        match op {
            UnaryOp::Sin => Some(|level, x, out| angles(UnaryOp::Sin, level, x, out, f64::sin)),
            UnaryOp::Cos => Some(|level, x, out| angles(UnaryOp::Cos, level, x, out, f64::cos)),
            UnaryOp::Tan => Some(|level, x, out| angles(UnaryOp::Tan, level, x, out, f64::tan)),
            _ => unary(op),
        }
    }
    fn unary_predicate(op: UnaryOp) -> Option<Loop1<Self, Bool>> {
        unary_predicate(op)
    }
    fn binary(op: BinaryOp) -> Option<Loop2<Self, Self>> {
        binary(op)
    }
    fn binary_predicate(op: BinaryOp) -> Option<Loop2<Self, Bool>> {
        binary_predicate(op)
    }
}

impl Arithmetic for f64 {
    fn unary(op: UnaryOp) -> Option<Loop1<Self, Self>> {
        unary(op)
    }
    fn unary_predicate(op: UnaryOp) -> Option<Loop1<Self, Bool>> {
        unary_predicate(op)
    }
    fn binary(op: BinaryOp) -> Option<Loop2<Self, Self>> {
        binary(op)
    }
    fn binary_predicate(op: BinaryOp) -> Option<Loop2<Self, Bool>> {
        binary_predicate(op)
    }
}

fn unary<F: Math>(op: UnaryOp) -> Option<Loop1<F, F>> {
    let arithmetic: Option<Loop1<F, F>> = table1!(op, map1, <T: Math> -> T, |I, x| {
        Neg => -x,
        Abs => x.abs(),
        Sign => if x > T::ZERO { T::ONE } else if x < T::ZERO { -T::ONE } else { x + T::ZERO },
        Square => x * x,
        Sqrt => x.sqrt(),
        Rsqrt => T::ONE / x.sqrt(),
        Reciprocal => T::ONE / x,
        Floor => x.floor(),
        Ceil => x.ceil(),
        Round => x.round_even(),
        Conjugate => x,
        Real => x,
        Imag => T::ZERO,
    });
    arithmetic.or(table1!(op, function1, <T: Math> -> T, |I, x| {
        Exp => x.exp::<I>(),
        Expm1 => x.expm1::<I>(),
        Log => x.ln::<I>(),
        Log2 => x.log2::<I>(),
        Log10 => x.log10::<I>(),
        Log1p => x.log1p::<I>(),
        Sin => x.sin::<I>(),
        Cos => x.cos::<I>(),
        Tan => x.tan::<I>(),
        Sinh => x.sinh::<I>(),
        Cosh => x.cosh::<I>(),
        Tanh => x.tanh::<I>(),
        Asin => x.asin::<I>(),
        Acos => x.acos::<I>(),
        Atan => x.atan::<I>(),
        Asinh => x.asinh::<I>(),
        Acosh => x.acosh::<I>(),
        Atanh => x.atanh::<I>(),
        Erf => x.erf::<I>(),
        ErfInv => x.erfinv::<I>(),
        Sigmoid => x.sigmoid::<I>(),
    }))
}

/// A loop of a function, compiled once if it is a call of the standard library's.
fn function1<K: Map1<C, V>, C: Math, V>(level: Level, x: &[C], out: &mut [V]) {
    if C::VECTORISED { map1::<K, C, V>(level, x, out) } else { portable1::<K, C, V>(level, x, out) }
}

/// The same for two arguments.
fn function2<K: Map2<C, V>, C: Math, V>(level: Level, a: &[C], b: &[C], out: &mut [V]) {
    if C::VECTORISED {
        map2::<K, C, V>(level, a, b, out);
    } else {
        portable2::<K, C, V>(level, a, b, out);
    }
}

fn unary_predicate<F: Math>(op: UnaryOp) -> Option<Loop1<F, Bool>> {
    table1!(op, map1, <T: Math> -> Bool, |I, x| {
        LogicalNot => Bool::from(x == T::ZERO),
        IsNan => Bool::from(x.is_nan()),
        IsInf => Bool::from(x.abs() == T::INFINITY),
        IsFinite => Bool::from(x.abs() < T::INFINITY),
        IsNegInf => Bool::from(x == -T::INFINITY),
        IsPosInf => Bool::from(x == T::INFINITY),
    })
}

fn binary<F: Math>(op: BinaryOp) -> Option<Loop2<F, F>> {
    let arithmetic: Option<Loop2<F, F>> = table2!(op, map2, <T: Math> -> T, |I, a, b| {
        Add => a + b,
        Subtract => a - b,
        Multiply => a * b,
        Divide => a / b,
        FloorDivide => (a / b).floor(),
        Maximum => if a > b || a.is_nan() { a } else { b },
        Minimum => if a < b || a.is_nan() { a } else { b },
    });
    let functions: Option<Loop2<F, F>> = table2!(op, function2, <T: Math> -> T, |I, a, b| {
        Power => a.power::<I>(b),
        LogAddExp => log_add_exp::<I, T>(a, b),
        Atan2 => a.atan2::<I>(b),
    });
    arithmetic.or(functions).or(table2!(op, portable2, <T: Math> -> T, |I, a, b| {
        Remainder => remainder(a, b),
    }))
}

fn binary_predicate<F: Math>(op: BinaryOp) -> Option<Loop2<F, Bool>> {
    table2!(op, map2, <T: Math> -> Bool, |I, a, b| {
        Equal => Bool::from(a == b),
        NotEqual => Bool::from(a != b),
        NanEqual => Bool::from(a == b || (a.is_nan() && b.is_nan())),
        Less => Bool::from(a < b),
        LessEqual => Bool::from(a <= b),
        Greater => Bool::from(a > b),
        GreaterEqual => Bool::from(a >= b),
        LogicalAnd => Bool::from(a != T::ZERO && b != T::ZERO),
        LogicalOr => Bool::from(a != T::ZERO || b != T::ZERO),
    })
}

/// The vectorised function, and `slow` for the angles that it does not cover.
fn angles(op: UnaryOp, level: Level, x: &[f32], out: &mut [f32], slow: fn(f64) -> f64) {
    if let Some(vectorised) = unary(op) {
        vectorised(level, x, out);
    }
    if x.iter().any(|x| x.abs() >= LARGE_ANGLE) {
        for (o, &x) in out.iter_mut().zip(x) {
            if x.abs() >= LARGE_ANGLE {
                *o = slow(x as f64) as f32;
            }
        }
    }
}

/// The exact C remainder, moved to the divisor's sign.
#[inline(always)]
fn remainder<T: Math>(a: T, b: T) -> T {
    let r = a % b;
    if r != T::ZERO && (r < T::ZERO) != (b < T::ZERO) { r + b } else { r }
}

#[inline(always)]
fn log_add_exp<I: Isa, T: Math>(a: T, b: T) -> T {
    let high = if a > b || a.is_nan() { a } else { b };
    let low = if a < b || a.is_nan() { a } else { b };
    // Equal infinities must not be subtracted, and an infinite maximum is the result.
    let gap = if low == high { T::ZERO } else { low - high };
    let sum = high + gap.exp::<I>().log1p::<I>();
    if high.abs() == T::INFINITY { high } else { sum }
}
