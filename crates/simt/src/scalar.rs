//! The scalar semantics that every executor shares.
//!
//! Total functions: integers wrap, division by zero gives 0, shift counts are taken modulo the
//! width, float to integer saturates with NaN as 0. half and bfloat round once per operation:
//! sums, products, quotients and roots go through f32, whose 24 bits are enough that the second
//! rounding cannot be seen (24 >= 2p + 2); fused operations and conversions of integers go
//! through a value rounded to odd, which is safe for the same reason.

use anymetal_msl::ir::{BinaryOp, CompareOp, Scalar, UnaryOp};
use half::{bf16, f16};

/// `a * b + c` rounded once.
pub fn fma32(a: f32, b: f32, c: f32) -> f32 {
    fma_odd(a, b, c) as f32
}

/// `a * b + c` in f64 rounded to odd, so that rounding it to a narrower type rounds once. The
/// product of two f32 is exact in f64.
fn fma_odd(a: f32, b: f32, c: f32) -> f64 {
    let (p, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = p + c;
    let other = sum - p;
    let error = (p - (sum - other)) + (c - other);
    let bits = sum.to_bits();
    // Not finite, exact, or already odd: nothing to correct.
    let inexact = error != 0.0 && sum.is_finite() && bits & 1 == 0;
    let away = (error > 0.0) == (sum > 0.0);
    let step = if inexact { if away { 1 } else { u64::MAX } } else { 0 };
    f64::from_bits(bits.wrapping_add(step))
}

/// Rounds to f32 towards odd.
fn odd_f32(x: f64) -> f32 {
    let near = x as f32;
    let exact = f64::from(near) == x || !near.is_finite() || x.is_nan();
    if exact || near.to_bits() & 1 == 1 {
        return near;
    }
    // `near` is even and inexact: the odd neighbour on x's side of it is the answer.
    let outward = f64::from(near).abs() < x.abs();
    let bits = near.to_bits();
    f32::from_bits(if outward { bits + 1 } else { bits - 1 })
}

/// A float type of the IR.
pub trait Float: Copy {
    /// The exact value.
    fn to_f32(self) -> f32;
    /// Rounded to nearest even.
    fn from_f32(x: f32) -> Self;
    /// `a * b + c` rounded once.
    fn fma(a: Self, b: Self, c: Self) -> Self;
    /// Rounded once from an f64.
    fn from_f64(x: f64) -> Self;
    /// Negation, exact also for NaN.
    fn neg(self) -> Self;
    /// Magnitude, exact also for NaN.
    fn abs(self) -> Self;
}

impl Float for f32 {
    fn to_f32(self) -> f32 {
        self
    }
    fn from_f32(x: f32) -> f32 {
        x
    }
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        fma32(a, b, c)
    }
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn neg(self) -> f32 {
        -self
    }
    fn abs(self) -> f32 {
        f32::abs(self)
    }
}

impl Float for f16 {
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
    fn from_f32(x: f32) -> f16 {
        f16::from_f32(x)
    }
    fn fma(a: f16, b: f16, c: f16) -> f16 {
        <Self as Float>::from_f64(fma_odd(a.to_f32(), b.to_f32(), c.to_f32()))
    }
    fn from_f64(x: f64) -> f16 {
        f16::from_f32(odd_f32(x))
    }
    fn neg(self) -> f16 {
        f16::from_bits(self.to_bits() ^ 0x8000)
    }
    fn abs(self) -> f16 {
        f16::from_bits(self.to_bits() & 0x7fff)
    }
}

impl Float for bf16 {
    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }
    fn from_f32(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
    fn fma(a: bf16, b: bf16, c: bf16) -> bf16 {
        <Self as Float>::from_f64(fma_odd(a.to_f32(), b.to_f32(), c.to_f32()))
    }
    fn from_f64(x: f64) -> bf16 {
        bf16::from_f32(odd_f32(x))
    }
    fn neg(self) -> bf16 {
        bf16::from_bits(self.to_bits() ^ 0x8000)
    }
    fn abs(self) -> bf16 {
        bf16::from_bits(self.to_bits() & 0x7fff)
    }
}

/// The smaller number; the other operand if one is NaN; -0 is below +0.
pub fn min32(a: f32, b: f32) -> f32 {
    if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else if a == b {
        if a.is_sign_negative() { a } else { b }
    } else if a < b {
        a
    } else {
        b
    }
}

/// The larger number; the other operand if one is NaN; +0 is above -0.
pub fn max32(a: f32, b: f32) -> f32 {
    if a.is_nan() {
        b
    } else if b.is_nan() {
        a
    } else if a == b {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// A binary operation of floats; those of integers only give 0.
#[inline(always)]
pub fn float_binary<T: Float>(op: BinaryOp, a: T, b: T) -> T {
    let (x, y) = (a.to_f32(), b.to_f32());
    T::from_f32(match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        BinaryOp::Rem => x % y,
        BinaryOp::Min => min32(x, y),
        BinaryOp::Max => max32(x, y),
        BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Xor
        | BinaryOp::Shl
        | BinaryOp::Shr
        | BinaryOp::MulHi
        | BinaryOp::AddSat
        | BinaryOp::SubSat => 0.0,
    })
}

/// A unary operation of floats; those of integers only give 0.
#[inline(always)]
pub fn float_unary<T: Float>(op: UnaryOp, a: T) -> T {
    let x = a.to_f32();
    T::from_f32(match op {
        UnaryOp::Neg => return a.neg(),
        UnaryOp::Abs => return a.abs(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Floor => x.floor(),
        UnaryOp::Ceil => x.ceil(),
        UnaryOp::Trunc => x.trunc(),
        UnaryOp::Rint => x.round_ties_even(),
        UnaryOp::Not | UnaryOp::Clz | UnaryOp::Ctz | UnaryOp::Popcount | UnaryOp::ReverseBits => {
            0.0
        }
    })
}

/// A comparison.
#[inline(always)]
pub fn compare<T: PartialOrd>(op: CompareOp, a: T, b: T) -> bool {
    match op {
        CompareOp::Eq => a == b,
        CompareOp::Ne => a != b,
        CompareOp::Lt => a < b,
        CompareOp::Le => a <= b,
        CompareOp::Gt => a > b,
        CompareOp::Ge => a >= b,
    }
}

/// An integer type of the IR.
pub trait Int: Copy + PartialOrd {
    /// A binary operation; those of floats only do not occur.
    fn binary(op: BinaryOp, a: Self, b: Self) -> Self;
    /// A unary operation; those of floats only give the operand.
    fn unary(op: UnaryOp, a: Self) -> Self;
}

macro_rules! int {
    ($($t:ty, $wide:ty, $abs:expr;)*) => {$(
        impl Int for $t {
            #[inline(always)]
            fn binary(op: BinaryOp, a: $t, b: $t) -> $t {
                let shift = b as u32 & (<$t>::BITS - 1);
                match op {
                    BinaryOp::Add => a.wrapping_add(b),
                    BinaryOp::Sub => a.wrapping_sub(b),
                    BinaryOp::Mul => a.wrapping_mul(b),
                    BinaryOp::Div => if b == 0 { 0 } else { a.wrapping_div(b) },
                    BinaryOp::Rem => if b == 0 { 0 } else { a.wrapping_rem(b) },
                    BinaryOp::And => a & b,
                    BinaryOp::Or => a | b,
                    BinaryOp::Xor => a ^ b,
                    BinaryOp::Shl => a.wrapping_shl(shift),
                    BinaryOp::Shr => a.wrapping_shr(shift),
                    BinaryOp::Min => a.min(b),
                    BinaryOp::Max => a.max(b),
                    BinaryOp::MulHi => (((a as $wide) * (b as $wide)) >> <$t>::BITS) as $t,
                    BinaryOp::AddSat => a.saturating_add(b),
                    BinaryOp::SubSat => a.saturating_sub(b),
                }
            }

            #[inline(always)]
            fn unary(op: UnaryOp, a: $t) -> $t {
                match op {
                    UnaryOp::Neg => a.wrapping_neg(),
                    UnaryOp::Not => !a,
                    UnaryOp::Abs => $abs(a),
                    UnaryOp::Clz => a.leading_zeros() as $t,
                    UnaryOp::Ctz => a.trailing_zeros() as $t,
                    UnaryOp::Popcount => a.count_ones() as $t,
                    UnaryOp::ReverseBits => a.reverse_bits(),
                    UnaryOp::Sqrt
                    | UnaryOp::Floor
                    | UnaryOp::Ceil
                    | UnaryOp::Trunc
                    | UnaryOp::Rint => a,
                }
            }
        }
    )*};
}

int! {
    i8, i16, i8::wrapping_abs;
    i16, i32, i16::wrapping_abs;
    i32, i64, i32::wrapping_abs;
    i64, i128, i64::wrapping_abs;
    u8, u16, std::convert::identity;
    u16, u32, std::convert::identity;
    u32, u64, std::convert::identity;
    u64, u128, std::convert::identity;
}

/// An integer of any type, as an `i128`, rounded to half or bfloat once.
pub fn int_to_narrow<T: Float>(x: i128) -> T {
    let magnitude = x.unsigned_abs();
    let drop = (128 - magnitude.leading_zeros()).saturating_sub(50);
    // Keep 50 bits and whether anything was dropped: exact in f64, and odd if inexact.
    let sticky = u128::from(magnitude & ((1 << drop) - 1) != 0);
    let kept = (((magnitude >> drop) << 1) | sticky) as f64 * (drop as f64 - 1.0).exp2();
    T::from_f64(if x < 0 { -kept } else { kept })
}

/// Converts one scalar, given and returned as the bits of its type (integers extended to 64
/// bits by their sign).
pub fn convert(from: Scalar, to: Scalar, bits: u64) -> u64 {
    let value = match from {
        Scalar::F32 => Number::Float(f32::from_bits(bits as u32)),
        Scalar::F16 => Number::Float(f16::from_bits(bits as u16).to_f32()),
        Scalar::BF16 => Number::Float(bf16::from_bits(bits as u16).to_f32()),
        Scalar::U64 => Number::Int(i128::from(bits)),
        _ => Number::Int(i128::from(bits as i64)),
    };
    match (value, to) {
        (Number::Float(x), Scalar::Bool) => u64::from(x != 0.0),
        (Number::Float(x), Scalar::I8) => x as i8 as i64 as u64,
        (Number::Float(x), Scalar::I16) => x as i16 as i64 as u64,
        (Number::Float(x), Scalar::I32) => x as i32 as i64 as u64,
        (Number::Float(x), Scalar::I64) => x as i64 as u64,
        (Number::Float(x), Scalar::U8) => (x as u8).into(),
        (Number::Float(x), Scalar::U16) => (x as u16).into(),
        (Number::Float(x), Scalar::U32) => (x as u32).into(),
        (Number::Float(x), Scalar::U64) => x as u64,
        (Number::Float(x), Scalar::F32) => x.to_bits().into(),
        (Number::Float(x), Scalar::F16) => f16::from_f32(x).to_bits().into(),
        (Number::Float(x), Scalar::BF16) => bf16::from_f32(x).to_bits().into(),
        (Number::Int(x), Scalar::Bool) => u64::from(x != 0),
        (Number::Int(x), Scalar::I8) => x as i8 as i64 as u64,
        (Number::Int(x), Scalar::I16) => x as i16 as i64 as u64,
        (Number::Int(x), Scalar::I32) => x as i32 as i64 as u64,
        (Number::Int(x), Scalar::I64 | Scalar::U64) => x as u64,
        (Number::Int(x), Scalar::U8) => (x as u8).into(),
        (Number::Int(x), Scalar::U16) => (x as u16).into(),
        (Number::Int(x), Scalar::U32) => (x as u32).into(),
        (Number::Int(x), Scalar::F32) => (x as f32).to_bits().into(),
        (Number::Int(x), Scalar::F16) => int_to_narrow::<f16>(x).to_bits().into(),
        (Number::Int(x), Scalar::BF16) => int_to_narrow::<bf16>(x).to_bits().into(),
    }
}

enum Number {
    Float(f32),
    Int(i128),
}
