//! The functions of one real argument (and power and atan2).
//!
//! For `f32` they are branch-free formulas that the compiler vectorises ([`single`]); for `f64`
//! those of the standard library, and erf and its inverse ([`double`]).

mod double;
mod single;

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use crate::simd::Isa;
use crate::stage::Compute;

pub(super) use single::LARGE_ANGLE;

/// A floating-point compute type with its functions.
pub(crate) trait Math:
    Compute
    + PartialOrd
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
{
    const INFINITY: Self;
    /// Whether the functions below are formulas that a compiler can vectorise.
    const VECTORISED: bool;
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round_even(self) -> Self;
    fn exp<I: Isa>(self) -> Self;
    fn expm1<I: Isa>(self) -> Self;
    fn ln<I: Isa>(self) -> Self;
    fn log2<I: Isa>(self) -> Self;
    fn log10<I: Isa>(self) -> Self;
    fn log1p<I: Isa>(self) -> Self;
    fn sin<I: Isa>(self) -> Self;
    fn cos<I: Isa>(self) -> Self;
    fn tan<I: Isa>(self) -> Self;
    fn sinh<I: Isa>(self) -> Self;
    fn cosh<I: Isa>(self) -> Self;
    fn tanh<I: Isa>(self) -> Self;
    fn asin<I: Isa>(self) -> Self;
    fn acos<I: Isa>(self) -> Self;
    fn atan<I: Isa>(self) -> Self;
    fn asinh<I: Isa>(self) -> Self;
    fn acosh<I: Isa>(self) -> Self;
    fn atanh<I: Isa>(self) -> Self;
    fn erf<I: Isa>(self) -> Self;
    fn erfinv<I: Isa>(self) -> Self;
    fn sigmoid<I: Isa>(self) -> Self;
    fn power<I: Isa>(self, b: Self) -> Self;
    fn atan2<I: Isa>(self, b: Self) -> Self;
}
