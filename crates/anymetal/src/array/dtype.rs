//! Promotion of dtypes, the ranges of dtypes, and weak scalars.

use anymetal_kernels::Complex64;

use crate::Dtype;

/// The dtype of an operation on arrays of dtypes `a` and `b`, MLX's `result_type`.
///
/// Booleans are lowest; a signed and an unsigned integer give the next wider signed one, and
/// `uint64` with any signed integer gives `float32`; an integer with a float gives that float;
/// `float16` with `bfloat16` gives `float32`; `complex64` absorbs everything.
pub fn promote(a: Dtype, b: Dtype) -> Dtype {
    use Dtype::*;
    if a == b {
        return a;
    }
    if a == Complex64 || b == Complex64 {
        return Complex64;
    }
    match (a.is_float(), b.is_float()) {
        (true, true) if a == F64 || b == F64 => return F64,
        (true, true) => return F32,
        (true, false) => return a,
        (false, true) => return b,
        (false, false) => {}
    }
    match (a, b) {
        (Bool, other) | (other, Bool) => return other,
        _ => {}
    }
    if a.is_signed_integer() == b.is_signed_integer() {
        return if a.size() >= b.size() { a } else { b };
    }
    let (signed, unsigned) = if a.is_signed_integer() { (a, b) } else { (b, a) };
    if signed.size() > unsigned.size() {
        return signed;
    }
    match unsigned {
        U8 => I16,
        U16 => I32,
        U32 => I64,
        _ => F32,
    }
}

/// A number without a dtype of its own: in an operation with an array it takes the array's dtype
/// where that can hold its kind, as a Python number does in MLX.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value; keeps any array's dtype.
    Bool(bool),
    /// An integer; keeps any array's dtype but turns `bool` into `int32`.
    Int(i64),
    /// A real number; keeps floating dtypes and turns the others into `float32`.
    Float(f64),
    /// A complex number; gives `complex64`.
    Complex(Complex64),
}

impl Scalar {
    /// The dtype of this scalar alone: `bool`, `int32` (`int64` if it does not fit), `float32` or
    /// `complex64`.
    pub fn dtype(self) -> Dtype {
        match self {
            Scalar::Bool(_) => Dtype::Bool,
            Scalar::Int(v) if i32::try_from(v).is_ok() => Dtype::I32,
            Scalar::Int(_) => Dtype::I64,
            Scalar::Float(_) => Dtype::F32,
            Scalar::Complex(_) => Dtype::Complex64,
        }
    }

    /// The dtype this scalar takes beside an array of dtype `array`.
    pub fn dtype_beside(self, array: Dtype) -> Dtype {
        match self {
            Scalar::Bool(_) => array,
            Scalar::Int(_) if array == Dtype::Bool => Dtype::I32,
            Scalar::Int(_) => array,
            Scalar::Float(_) if array.is_float() || array == Dtype::Complex64 => array,
            Scalar::Float(_) => Dtype::F32,
            Scalar::Complex(_) => Dtype::Complex64,
        }
    }
}

macro_rules! scalar_from {
    ($($t:ty => $variant:ident as $as:ty),* $(,)?) => {
        $(impl From<$t> for Scalar {
            fn from(v: $t) -> Self { Scalar::$variant(v as $as) }
        })*
    };
}
scalar_from!(bool => Bool as bool, i32 => Int as i64, i64 => Int as i64, u32 => Int as i64,
             usize => Int as i64, f32 => Float as f64, f64 => Float as f64);

impl From<Complex64> for Scalar {
    fn from(v: Complex64) -> Self {
        Scalar::Complex(v)
    }
}

/// The range and precision of a floating dtype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatInfo {
    /// Smallest finite value.
    pub min: f64,
    /// Largest finite value.
    pub max: f64,
    /// Distance from 1 to the next larger value.
    pub eps: f64,
    /// Smallest positive normal value.
    pub smallest_normal: f64,
    /// Bits of the type.
    pub bits: u32,
}

/// Range and precision of a floating dtype, or of the parts of `complex64`; `None` for others.
pub fn finfo(dtype: Dtype) -> Option<FloatInfo> {
    let (max, eps, smallest_normal) = match dtype {
        Dtype::F16 => (65504.0, f64::powi(2.0, -10), f64::powi(2.0, -14)),
        Dtype::Bf16 => (
            (2.0 - f64::powi(2.0, -7)) * f64::powi(2.0, 127),
            f64::powi(2.0, -7),
            f64::powi(2.0, -126),
        ),
        Dtype::F32 | Dtype::Complex64 => {
            (f32::MAX as f64, f32::EPSILON as f64, f32::MIN_POSITIVE as f64)
        }
        Dtype::F64 => (f64::MAX, f64::EPSILON, f64::MIN_POSITIVE),
        _ => return None,
    };
    let bits = if dtype == Dtype::Complex64 { 32 } else { dtype.size() as u32 * 8 };
    Some(FloatInfo { min: -max, max, eps, smallest_normal, bits })
}

/// Smallest and largest value of an integer dtype; `None` for others.
pub fn iinfo(dtype: Dtype) -> Option<(i128, i128)> {
    let bits = dtype.size() as u32 * 8;
    if dtype.is_signed_integer() {
        Some((-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1))
    } else if dtype.is_unsigned_integer() {
        Some((0, (1i128 << bits) - 1))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dtype::*;

    #[test]
    fn promotion_follows_the_published_rules() {
        assert_eq!(promote(U32, I32), I64);
        assert_eq!(promote(U64, I8), F32);
        assert_eq!(promote(I64, F16), F16);
        assert_eq!(promote(F16, Bf16), F32);
        assert_eq!(promote(F64, Complex64), Complex64);
        for &a in Dtype::ALL {
            for &b in Dtype::ALL {
                assert_eq!(promote(a, b), promote(b, a), "{a} {b}");
            }
        }
    }
}
