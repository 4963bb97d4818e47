//! Scalar functions.
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use crate::simd::Isa;
use crate::stage::Compute;

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
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn floor<I: Isa>(self) -> Self;
    fn round_even<I: Isa>(self) -> Self;
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
macro_rules! std_math { ($($t:ident)*) => {$(
impl Math for $t {
    const INFINITY: Self = $t::INFINITY;
    #[inline(always)] fn abs(self) -> Self { $t::abs(self) }
    #[inline(always)] fn sqrt(self) -> Self { $t::sqrt(self) }
    #[inline(always)] fn floor<I: Isa>(self) -> Self { $t::floor(self) }
    #[inline(always)] fn round_even<I: Isa>(self) -> Self { self.round_ties_even() }
    #[inline(always)] fn exp<I: Isa>(self) -> Self { $t::exp(self) }
    #[inline(always)] fn expm1<I: Isa>(self) -> Self { self.exp_m1() }
    #[inline(always)] fn ln<I: Isa>(self) -> Self { $t::ln(self) }
    #[inline(always)] fn log2<I: Isa>(self) -> Self { $t::log2(self) }
    #[inline(always)] fn log10<I: Isa>(self) -> Self { $t::log10(self) }
    #[inline(always)] fn log1p<I: Isa>(self) -> Self { self.ln_1p() }
    #[inline(always)] fn sin<I: Isa>(self) -> Self { $t::sin(self) }
    #[inline(always)] fn cos<I: Isa>(self) -> Self { $t::cos(self) }
    #[inline(always)] fn tan<I: Isa>(self) -> Self { $t::tan(self) }
    #[inline(always)] fn sinh<I: Isa>(self) -> Self { $t::sinh(self) }
    #[inline(always)] fn cosh<I: Isa>(self) -> Self { $t::cosh(self) }
    #[inline(always)] fn tanh<I: Isa>(self) -> Self { $t::tanh(self) }
    #[inline(always)] fn asin<I: Isa>(self) -> Self { $t::asin(self) }
    #[inline(always)] fn acos<I: Isa>(self) -> Self { $t::acos(self) }
    #[inline(always)] fn atan<I: Isa>(self) -> Self { $t::atan(self) }
    #[inline(always)] fn asinh<I: Isa>(self) -> Self { $t::asinh(self) }
    #[inline(always)] fn acosh<I: Isa>(self) -> Self { $t::acosh(self) }
    #[inline(always)] fn atanh<I: Isa>(self) -> Self { $t::atanh(self) }
    #[inline(always)] fn erf<I: Isa>(self) -> Self { erf64(self as f64) as $t }
    #[inline(always)] fn erfinv<I: Isa>(self) -> Self { erfinv64(self as f64) as $t }
    #[inline(always)] fn sigmoid<I: Isa>(self) -> Self { 1.0 / (1.0 + $t::exp(-self)) }
    #[inline(always)] fn power<I: Isa>(self, b: Self) -> Self { self.powf(b) }
    #[inline(always)] fn atan2<I: Isa>(self, b: Self) -> Self { $t::atan2(self, b) }
}
)*} }
std_math! { f32 f64 }

/// erf by its Taylor series and, further out, the continued fraction of erfc; about 1e-15.
pub(super) fn erf64(x: f64) -> f64 {
    let a = x.abs();
    if a < 2.5 {
        let mut term = x;
        let mut sum = x;
        let mut n = 0.0;
        while term.abs() > 1e-18 * sum.abs() {
            n += 1.0;
            // The series with positive terms: erf = 2/sqrt(pi) exp(-x^2) sum x (2x^2)^n / (2n+1)!!
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()
    } else if a >= 2.5 {
        x.signum() * (1.0 - erfc_tail(a))
    } else {
        x
    }
}

/// erfc for x of at least 2 or so, by its continued fraction.
fn erfc_tail(x: f64) -> f64 {
    let mut f = 0.0;
    for k in (1..60).rev() {
        f = 0.5 * k as f64 / (x + f);
    }
    (-x * x).exp() / (x + f) * 0.5 * std::f64::consts::FRAC_2_SQRT_PI
}

/// The inverse of erf: a rough start and Newton steps on erf or, in the tails, on log erfc.
pub(super) fn erfinv64(y: f64) -> f64 {
    let a = y.abs();
    if !(a < 1.0) {
        return if a == 1.0 { y * f64::INFINITY } else { f64::NAN };
    }
    let l = -(-a * a).ln_1p();
    let c = 2.0 / (std::f64::consts::PI * 0.147) - 0.5 * l;
    let mut x = ((c * c + l / 0.147).sqrt() - c).sqrt();
    let slope = std::f64::consts::FRAC_2_SQRT_PI;
    for _ in 0..4 {
        if a < 0.9 {
            x -= (erf64(x) - a) / (slope * (-x * x).exp());
        } else {
            let tail = if x < 2.5 { 1.0 - erf64(x) } else { erfc_tail(x) };
            x += (tail.ln() - (1.0 - a).ln()) * tail / (slope * (-x * x).exp());
        }
    }
    if y == 0.0 { y } else { x.copysign(y) }
}
