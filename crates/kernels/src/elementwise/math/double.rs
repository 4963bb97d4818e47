//! Functions of `f64`: the standard library's, and erf and its inverse.

use super::Math;
use crate::simd::Isa;

macro_rules! standard {
    ($($name:ident = $function:ident;)*) => {$(
        #[inline(always)]
        fn $name<I: Isa>(self) -> Self {
            f64::$function(self)
        }
    )*};
}

impl Math for f64 {
    const INFINITY: Self = f64::INFINITY;
    const VECTORISED: bool = false;

    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        f64::floor(self)
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        f64::ceil(self)
    }
    #[inline(always)]
    fn round_even(self) -> Self {
        self.round_ties_even()
    }

    standard! {
        exp = exp;
        expm1 = exp_m1;
        ln = ln;
        log2 = log2;
        log10 = log10;
        log1p = ln_1p;
        sin = sin;
        cos = cos;
        tan = tan;
        sinh = sinh;
        cosh = cosh;
        tanh = tanh;
        asin = asin;
        acos = acos;
        atan = atan;
        asinh = asinh;
        acosh = acosh;
        atanh = atanh;
    }

    #[inline(always)]
    fn erf<I: Isa>(self) -> Self {
        erf(self)
    }
    #[inline(always)]
    fn erfinv<I: Isa>(self) -> Self {
        erfinv(self)
    }
    #[inline(always)]
    fn sigmoid<I: Isa>(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }
    #[inline(always)]
    fn power<I: Isa>(self, b: Self) -> Self {
        self.powf(b)
    }
    #[inline(always)]
    fn atan2<I: Isa>(self, b: Self) -> Self {
        f64::atan2(self, b)
    }
}

/// erf by its Taylor series and, further out, the continued fraction of erfc; about 1e-15.
fn erf(x: f64) -> f64 {
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
fn erfinv(y: f64) -> f64 {
    let a = y.abs();
    if a == 1.0 {
        return y * f64::INFINITY;
    }
    if a > 1.0 || a.is_nan() {
        return f64::NAN;
    }
    let l = -(-a * a).ln_1p();
    let c = 2.0 / (std::f64::consts::PI * 0.147) - 0.5 * l;
    let mut x = ((c * c + l / 0.147).sqrt() - c).sqrt();
    let slope = std::f64::consts::FRAC_2_SQRT_PI;
    for _ in 0..4 {
        if a < 0.9 {
            x -= (erf(x) - a) / (slope * (-x * x).exp());
        } else {
            let tail = if x < 2.5 { 1.0 - erf(x) } else { erfc_tail(x) };
            x += (tail.ln() - (1.0 - a).ln()) * tail / (slope * (-x * x).exp());
        }
    }
    if y == 0.0 { y } else { x.copysign(y) }
}
