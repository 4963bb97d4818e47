//! Operations on integers (and on bool, which is computed as 0 and 1 in `u32`).

use super::map::{Map1, Map2, map1, map2, portable1, portable2, table1, table2};
use super::{Arithmetic, BinaryOp, Loop1, Loop2, UnaryOp};
use crate::Bool;
use crate::simd::Isa;
use crate::stage::Compute;

/// What the tables need of a 32- or 64-bit integer.
trait Integer: Compute + Ord {
    const BITS: u32;
    fn wrapping_add(self, b: Self) -> Self;
    fn wrapping_sub(self, b: Self) -> Self;
    fn wrapping_mul(self, b: Self) -> Self;
    fn wrapping_abs(self) -> Self;
    fn signum(self) -> Self;
    fn floor_div(self, b: Self) -> Self;
    fn floor_mod(self, b: Self) -> Self;
    fn power(self, b: Self) -> Self;
    fn and(self, b: Self) -> Self;
    fn or(self, b: Self) -> Self;
    fn xor(self, b: Self) -> Self;
    /// With the count modulo `bits`.
    fn shl(self, count: Self, bits: u32) -> Self;
    /// With the count modulo `bits`.
    fn shr(self, count: Self, bits: u32) -> Self;
}

macro_rules! integer {
    ($($ty:ident: |$x:ident| $abs:expr, $signum:expr, |$q:ident, $a:ident, $b:ident| $floor:expr;)*) => {$(
        impl Integer for $ty {
            const BITS: u32 = <$ty>::BITS;
            #[inline(always)]
            fn wrapping_add(self, b: Self) -> Self { self.wrapping_add(b) }
            #[inline(always)]
            fn wrapping_sub(self, b: Self) -> Self { self.wrapping_sub(b) }
            #[inline(always)]
            fn wrapping_mul(self, b: Self) -> Self { self.wrapping_mul(b) }
            #[inline(always)]
            fn wrapping_abs(self) -> Self { let $x = self; $abs }
            #[inline(always)]
            fn signum(self) -> Self { let $x = self; $signum }
            #[inline(always)]
            fn floor_div(self, $b: Self) -> Self {
                if $b == 0 {
                    return 0;
                }
                let ($a, $q) = (self, self.wrapping_div($b));
                $q.wrapping_sub($floor)
            }
            #[inline(always)]
            fn floor_mod(self, b: Self) -> Self {
                if b == 0 { 0 } else { self.wrapping_sub(self.floor_div(b).wrapping_mul(b)) }
            }
            #[inline(always)]
            fn power(self, b: Self) -> Self {
                let (mut base, mut rest, mut result): (Self, Self, Self) = (self, b, 1);
                #[allow(unused_comparisons, reason = "unsigned exponents are never negative")]
                if b < 0 {
                    return if self == 1 || (self.wrapping_add(1) == 0 && b & 1 == 0) {
                        1
                    } else if self.wrapping_add(1) == 0 {
                        self
                    } else {
                        0
                    };
                }
                while rest != 0 {
                    if rest & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    rest >>= 1;
                }
                result
            }
            #[inline(always)]
            fn and(self, b: Self) -> Self { self & b }
            #[inline(always)]
            fn or(self, b: Self) -> Self { self | b }
            #[inline(always)]
            fn xor(self, b: Self) -> Self { self ^ b }
            #[inline(always)]
            fn shl(self, count: Self, bits: u32) -> Self {
                self.wrapping_shl(count as u32 & (bits - 1))
            }
            #[inline(always)]
            fn shr(self, count: Self, bits: u32) -> Self {
                self.wrapping_shr(count as u32 & (bits - 1))
            }
        }

        impl Arithmetic for $ty {
            fn unary(op: UnaryOp) -> Option<Loop1<Self, Self>> { unary(op) }
            fn unary_predicate(op: UnaryOp) -> Option<Loop1<Self, Bool>> { unary_predicate(op) }
            fn binary(op: BinaryOp) -> Option<Loop2<Self, Self>> { binary(op) }
            fn binary_predicate(op: BinaryOp) -> Option<Loop2<Self, Bool>> { binary_predicate(op) }
            fn narrow_shift(op: BinaryOp, bits: usize) -> Option<Loop2<Self, Self>> {
                if bits == 8 { narrow_shift::<Self, 8>(op) } else { narrow_shift::<Self, 16>(op) }
            }
        }
    )*};
}

integer! {
    i32: |x| x.wrapping_abs(), x.signum(), |q, a, b| ((a ^ b) < 0 && q.wrapping_mul(b) != a) as i32;
    i64: |x| x.wrapping_abs(), x.signum(), |q, a, b| ((a ^ b) < 0 && q.wrapping_mul(b) != a) as i64;
    u32: |x| x, (x != 0) as u32, |_q, _a, b| 0;
    u64: |x| x, (x != 0) as u64, |_q, _a, b| 0;
}

fn unary<N: Integer>(op: UnaryOp) -> Option<Loop1<N, N>> {
    table1!(op, map1, <T: Integer> -> T, |I, x| {
        Neg => T::ZERO.wrapping_sub(x),
        Abs => x.wrapping_abs(),
        Sign => x.signum(),
        Square => x.wrapping_mul(x),
        Floor => x,
        Ceil => x,
        Round => x,
        BitwiseInvert => x.xor(T::ZERO.wrapping_sub(T::ONE)),
        Conjugate => x,
        Real => x,
        Imag => T::ZERO,
    })
}

fn unary_predicate<N: Integer>(op: UnaryOp) -> Option<Loop1<N, Bool>> {
    table1!(op, portable1, <T: Integer> -> Bool, |I, x| {
        LogicalNot => Bool::from(x == T::ZERO),
        IsNan => Bool(0),
        IsInf => Bool(0),
        IsFinite => Bool(1),
        IsNegInf => Bool(0),
        IsPosInf => Bool(0),
    })
}

fn binary<N: Integer>(op: BinaryOp) -> Option<Loop2<N, N>> {
    let slow: Option<Loop2<N, N>> = table2!(op, portable2, <T: Integer> -> T, |I, a, b| {
        FloorDivide => a.floor_div(b),
        Remainder => a.floor_mod(b),
        Power => a.power(b),
    });
    slow.or(table2!(op, map2, <T: Integer> -> T, |I, a, b| {
        Add => a.wrapping_add(b),
        Subtract => a.wrapping_sub(b),
        Multiply => a.wrapping_mul(b),
        Maximum => a.max(b),
        Minimum => a.min(b),
        BitwiseAnd => a.and(b),
        BitwiseOr => a.or(b),
        BitwiseXor => a.xor(b),
        LeftShift => a.shl(b, T::BITS),
        RightShift => a.shr(b, T::BITS),
    }))
}

fn binary_predicate<N: Integer>(op: BinaryOp) -> Option<Loop2<N, Bool>> {
    table2!(op, map2, <T: Integer> -> Bool, |I, a, b| {
        Equal => Bool::from(a == b),
        NotEqual => Bool::from(a != b),
        NanEqual => Bool::from(a == b),
        Less => Bool::from(a < b),
        LessEqual => Bool::from(a <= b),
        Greater => Bool::from(a > b),
        GreaterEqual => Bool::from(a >= b),
        LogicalAnd => Bool::from(a != T::ZERO && b != T::ZERO),
        LogicalOr => Bool::from(a != T::ZERO || b != T::ZERO),
    })
}

struct NarrowShift<const BITS: u32, const LEFT: bool>;

impl<T: Integer, const BITS: u32, const LEFT: bool> Map2<T, T> for NarrowShift<BITS, LEFT> {
    #[inline(always)]
    fn call<I: Isa>(a: T, b: T) -> T {
        if LEFT { a.shl(b, BITS) } else { a.shr(b, BITS) }
    }
}

fn narrow_shift<N: Integer, const BITS: u32>(op: BinaryOp) -> Option<Loop2<N, N>> {
    match op {
        BinaryOp::LeftShift => Some(map2::<NarrowShift<BITS, true>, N, N>),
        BinaryOp::RightShift => Some(map2::<NarrowShift<BITS, false>, N, N>),
        _ => None,
    }
}

/// The logical not of bools computed as 0 and 1.
pub(super) struct FlipLowest;

impl<T: Compute> Map1<T, T> for FlipLowest {
    #[inline(always)]
    fn call<I: Isa>(x: T) -> T {
        if x == T::ZERO { T::ONE } else { T::ZERO }
    }
}
