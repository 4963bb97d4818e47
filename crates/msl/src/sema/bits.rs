//! Arithmetic of scalars on their bits, as constants are computed: the same results as at run time.

use crate::ir::{BinaryOp, CompareOp, UnaryOp};
use crate::sema::types::Scalar;

/// Cuts bits to the width of a type.
pub(super) fn wrap(bits: u64, scalar: Scalar) -> u64 {
    match scalar {
        Scalar::Bool => u64::from(bits != 0),
        _ => match scalar.size() {
            1 => bits & 0xff,
            2 => bits & 0xffff,
            4 => bits & 0xffff_ffff,
            _ => bits,
        },
    }
}

/// An integer's value.
pub(super) fn as_i64(bits: u64, scalar: Scalar) -> i64 {
    match scalar {
        Scalar::I8 => i64::from(bits as i8),
        Scalar::I16 => i64::from(bits as i16),
        Scalar::I32 => i64::from(bits as i32),
        _ => wrap(bits, scalar) as i64,
    }
}

/// How an integer is written.
pub(super) fn show_int(bits: u64, scalar: Scalar) -> String {
    if scalar.is_signed() {
        as_i64(bits, scalar).to_string()
    } else {
        wrap(bits, scalar).to_string()
    }
}

/// A float's value.
pub(super) fn to_f64(bits: u64, scalar: Scalar) -> f64 {
    match scalar {
        Scalar::F32 => f32::from_bits(bits as u32).into(),
        Scalar::BF16 => f32::from_bits((bits as u32) << 16).into(),
        Scalar::F16 => {
            let bits = bits as u16;
            let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            match exponent {
                0 => sign * fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => sign * f64::INFINITY,
                31 => f64::NAN,
                _ => sign * (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            }
        }
        _ => as_i64(bits, scalar) as f64,
    }
}

/// The bits of a float, rounded to nearest, ties to even.
pub(super) fn from_f64(value: f64, scalar: Scalar) -> u64 {
    let (digits, least) = match scalar {
        Scalar::F16 => (10, -14),
        Scalar::BF16 => (7, -126),
        _ => return u64::from((value as f32).to_bits()),
    };
    let sign = u64::from(value.is_sign_negative()) << 15;
    let infinity = if scalar == Scalar::F16 { 0x7c00 } else { 0x7f80 };
    if value.is_nan() {
        return infinity | 1 << (digits - 1);
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || magnitude.is_infinite() {
        return sign | if magnitude == 0.0 { 0 } else { infinity };
    }
    let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(least);
    // A whole number of units in the last place; exact, as only the exponent changes.
    let units = magnitude * 2f64.powi(digits - exponent);
    let rounded = units.round_ties_even() as u64;
    let biased = (exponent - least) as u64;
    let bits = (biased << digits) + rounded;
    sign | bits.min(infinity)
}

/// Conversion by value.
pub(super) fn convert(bits: u64, from: Scalar, to: Scalar) -> u64 {
    if from == to {
        return bits;
    }
    match (from.is_float(), to.is_float()) {
        (_, _) if to == Scalar::Bool && from.is_float() => u64::from(to_f64(bits, from) != 0.0),
        (true, true) => from_f64(to_f64(bits, from), to),
        (true, false) => {
            let value = to_f64(bits, from);
            let signed = match to {
                Scalar::I8 => i64::from(value as i8),
                Scalar::I16 => i64::from(value as i16),
                Scalar::I32 => i64::from(value as i32),
                Scalar::I64 => value as i64,
                Scalar::U8 => i64::from(value as u8),
                Scalar::U16 => i64::from(value as u16),
                Scalar::U32 => i64::from(value as u32),
                _ => value as u64 as i64,
            };
            wrap(signed as u64, to)
        }
        (false, true) => {
            if to == Scalar::F32 {
                let value = match from {
                    Scalar::U64 => bits as f32,
                    _ => as_i64(bits, from) as f32,
                };
                return value.to_bits().into();
            }
            let value = match from {
                Scalar::U64 => bits as f64,
                _ => as_i64(bits, from) as f64,
            };
            from_f64(value, to)
        }
        (false, false) => wrap(as_i64(bits, from) as u64, to),
    }
}

pub(super) fn unary(op: UnaryOp, bits: u64, scalar: Scalar) -> u64 {
    if scalar.is_float() {
        let sign = 1u64 << (scalar.bits() - 1);
        let value = to_f64(bits, scalar);
        return match op {
            UnaryOp::Neg => bits ^ sign,
            UnaryOp::Abs => bits & !sign,
            UnaryOp::Sqrt => from_f64(value.sqrt(), scalar),
            UnaryOp::Floor => from_f64(value.floor(), scalar),
            UnaryOp::Ceil => from_f64(value.ceil(), scalar),
            UnaryOp::Trunc => from_f64(value.trunc(), scalar),
            UnaryOp::Rint => from_f64(value.round_ties_even(), scalar),
            UnaryOp::Not
            | UnaryOp::Clz
            | UnaryOp::Ctz
            | UnaryOp::Popcount
            | UnaryOp::ReverseBits => bits,
        };
    }
    let width = scalar.bits();
    let result = match op {
        UnaryOp::Neg => bits.wrapping_neg(),
        UnaryOp::Not if scalar == Scalar::Bool => u64::from(bits == 0),
        UnaryOp::Not => !bits,
        UnaryOp::Abs if scalar.is_signed() => as_i64(bits, scalar).unsigned_abs(),
        UnaryOp::Clz => u64::from(bits.leading_zeros() - (64 - width)),
        UnaryOp::Ctz => u64::from(bits.trailing_zeros().min(width)),
        UnaryOp::Popcount => bits.count_ones().into(),
        UnaryOp::ReverseBits => bits.reverse_bits() >> (64 - width),
        UnaryOp::Abs
        | UnaryOp::Sqrt
        | UnaryOp::Floor
        | UnaryOp::Ceil
        | UnaryOp::Trunc
        | UnaryOp::Rint => bits,
    };
    wrap(result, scalar)
}

pub(super) fn binary(op: BinaryOp, a: u64, b: u64, scalar: Scalar) -> u64 {
    if scalar.is_float() {
        let (x, y) = (to_f64(a, scalar), to_f64(b, scalar));
        // Twice the digits and more: rounding the f64 result once more is rounding once.
        let result = match op {
            BinaryOp::Add => x + y,
            BinaryOp::Sub => x - y,
            BinaryOp::Mul => x * y,
            BinaryOp::Div => x / y,
            BinaryOp::Rem => x % y,
            BinaryOp::Min => x.min(y),
            BinaryOp::Max => x.max(y),
            _ => x,
        };
        return from_f64(result, scalar);
    }
    let (x, y) = (as_i64(a, scalar), as_i64(b, scalar));
    let signed = scalar.is_signed();
    let shift = (b % u64::from(scalar.bits())) as u32;
    let result = match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div if b == 0 => 0,
        BinaryOp::Rem if b == 0 => 0,
        BinaryOp::Div if signed => x.wrapping_div(y) as u64,
        BinaryOp::Rem if signed => x.wrapping_rem(y) as u64,
        BinaryOp::Div => a / b,
        BinaryOp::Rem => a % b,
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl => a << shift,
        BinaryOp::Shr if signed => (x >> shift) as u64,
        BinaryOp::Shr => a >> shift,
        BinaryOp::Min if signed => x.min(y) as u64,
        BinaryOp::Max if signed => x.max(y) as u64,
        BinaryOp::Min => a.min(b),
        BinaryOp::Max => a.max(b),
        BinaryOp::MulHi if signed => ((i128::from(x) * i128::from(y)) >> scalar.bits()) as u64,
        BinaryOp::MulHi => ((u128::from(a) * u128::from(b)) >> scalar.bits()) as u64,
        BinaryOp::AddSat | BinaryOp::SubSat => {
            let (x, y) = match signed {
                true => (i128::from(x), i128::from(y)),
                false => (i128::from(a), i128::from(b)),
            };
            let sum = if op == BinaryOp::AddSat { x + y } else { x - y };
            let bits = scalar.bits();
            let (least, most) = match signed {
                true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
                false => (0, (1i128 << bits) - 1),
            };
            sum.clamp(least, most) as u64
        }
    };
    wrap(result, scalar)
}

pub(super) fn fma(a: u64, b: u64, c: u64, scalar: Scalar) -> u64 {
    if scalar == Scalar::F32 {
        let f = |bits: u64| f32::from_bits(bits as u32);
        return f(a).mul_add(f(b), f(c)).to_bits().into();
    }
    let (a, b, c) = (to_f64(a, scalar), to_f64(b, scalar), to_f64(c, scalar));
    // The product of two halves is exact in f64, and so is all but the most lopsided sum.
    from_f64(a * b + c, scalar)
}

pub(super) fn compare(op: CompareOp, a: u64, b: u64, scalar: Scalar) -> bool {
    use std::cmp::Ordering;
    let order = if scalar.is_float() {
        to_f64(a, scalar).partial_cmp(&to_f64(b, scalar))
    } else if scalar.is_signed() {
        Some(as_i64(a, scalar).cmp(&as_i64(b, scalar)))
    } else {
        Some(a.cmp(&b))
    };
    match op {
        CompareOp::Eq => order == Some(Ordering::Equal),
        CompareOp::Ne => order != Some(Ordering::Equal),
        CompareOp::Lt => order == Some(Ordering::Less),
        CompareOp::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        CompareOp::Gt => order == Some(Ordering::Greater),
        CompareOp::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}
