//! Functions of `f32`, all branch-free.
//!
//! But for [`exp`](Math::exp) they are computed in `f64` with polynomials good to 1e-9 or better
//! and rounded once: every result is within 0.6 ULP, subnormals included, and nothing overflows or
//! cancels on the way. `exp`, the one that softmax is made of, stays in `f32` and is within 1.5
//! ULP. Special values are those of C.

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E, LOG10_E, PI};

use super::Math;
use crate::simd::Isa;

/// Angles from here on leave too few bits to the reduction by pi / 2; sine, cosine and tangent of
/// these are up to the caller.
pub(in crate::elementwise) const LARGE_ANGLE: f32 = 1e6;

impl Math for f32 {
    const INFINITY: Self = f32::INFINITY;
    const VECTORISED: bool = true;

    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        f32::floor(self)
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        f32::ceil(self)
    }
    #[inline(always)]
    fn round_even(self) -> Self {
        self.round_ties_even()
    }

    #[inline(always)]
    fn exp<I: Isa>(self) -> Self {
        // Beyond these the result is 0 or infinity; NaN passes.
        let x = if self < -104.0 { -104.0 } else { self };
        let x = if x > 89.0 { 89.0 } else { x };
        let shifted = I::fma(x, std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = I::fma(n, -LN_2_HIGH, x);
        let r = I::fma(n, -LN_2_LOW, r);
        let q = I::fma(I::fma(I::fma(I::fma(EXP[4], r, EXP[3]), r, EXP[2]), r, EXP[1]), r, EXP[0]);
        let p = I::fma(q, r * r, r) + 1.0;
        // 2^n in two factors, so that results may be subnormal.
        let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
        let half = n >> 1;
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
        p * power(half) * power(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn expm1<I: Isa>(self) -> Self {
        let result = expm1::<I>(clamp(self as f64, -110.0, 110.0)) as f32;
        // Subnormal arguments are their own result, with their sign at zero.
        if self.abs() < 1e-30 { self } else { result }
    }
    #[inline(always)]
    fn ln<I: Isa>(self) -> Self {
        log::<I>(self as f64) as f32
    }
    #[inline(always)]
    fn log2<I: Isa>(self) -> Self {
        let (f, e) = split(self as f64);
        log_special(self as f64, I::fma64(log_near_1::<I>(f), LOG2_E, e)) as f32
    }
    #[inline(always)]
    fn log10<I: Isa>(self) -> Self {
        (log::<I>(self as f64) * LOG10_E) as f32
    }
    #[inline(always)]
    fn log1p<I: Isa>(self) -> Self {
        log1p::<I>(self as f64) as f32
    }
    #[inline(always)]
    fn sin<I: Isa>(self) -> Self {
        let (sin, cos, quadrant) = sin_cos::<I>(self as f64);
        let value = if quadrant & 1 == 0 { sin } else { cos };
        let result = if quadrant & 2 == 0 { value } else { -value };
        if self.abs() < 1e-30 { self } else { result as f32 }
    }
    #[inline(always)]
    fn cos<I: Isa>(self) -> Self {
        let (sin, cos, quadrant) = sin_cos::<I>(self as f64);
        let value = if quadrant & 1 == 0 { cos } else { sin };
        let result = if quadrant.wrapping_add(1) & 2 == 0 { value } else { -value };
        result as f32
    }
    #[inline(always)]
    fn tan<I: Isa>(self) -> Self {
        let (sin, cos, quadrant) = sin_cos::<I>(self as f64);
        let (top, bottom) = if quadrant & 1 == 0 { (sin, cos) } else { (-cos, sin) };
        if self.abs() < 1e-30 { self } else { (top / bottom) as f32 }
    }
    #[inline(always)]
    fn sinh<I: Isa>(self) -> Self {
        let e = expm1::<I>(clamp(self.abs() as f64, 0.0, 110.0));
        let result = ((0.5 * (e + e / (e + 1.0))) as f32).copysign(self);
        if self.abs() < 1e-30 { self } else { result }
    }
    #[inline(always)]
    fn cosh<I: Isa>(self) -> Self {
        let e = exp::<I>(clamp(self as f64, -110.0, 110.0));
        (0.5 * (e + 1.0 / e)) as f32
    }
    #[inline(always)]
    fn tanh<I: Isa>(self) -> Self {
        let e = expm1::<I>(clamp(2.0 * self as f64, -50.0, 50.0));
        if self.abs() < 1e-30 { self } else { (e / (e + 2.0)) as f32 }
    }
    #[inline(always)]
    fn asin<I: Isa>(self) -> Self {
        let x = self as f64;
        let result = atan2::<I>(x, ((1.0 - x) * (1.0 + x)).sqrt()) as f32;
        if self.abs() < 1e-30 { self } else { result }
    }
    #[inline(always)]
    fn acos<I: Isa>(self) -> Self {
        let x = self as f64;
        atan2::<I>(((1.0 - x) * (1.0 + x)).sqrt(), x) as f32
    }
    #[inline(always)]
    fn atan<I: Isa>(self) -> Self {
        let result = atan2::<I>(self as f64, 1.0) as f32;
        if self.abs() < 1e-30 { self } else { result }
    }
    #[inline(always)]
    fn asinh<I: Isa>(self) -> Self {
        let x = self.abs() as f64;
        let square = x * x;
        let result = log1p::<I>(x + square / (1.0 + (1.0 + square).sqrt())) as f32;
        if self.abs() == f32::INFINITY { self } else { result.copysign(self) }
    }
    #[inline(always)]
    fn acosh<I: Isa>(self) -> Self {
        let t = self as f64 - 1.0;
        let result = log1p::<I>(t + (t * (t + 2.0)).sqrt()) as f32;
        if self < 1.0 { f32::NAN } else { result }
    }
    #[inline(always)]
    fn atanh<I: Isa>(self) -> Self {
        let x = self.abs() as f64;
        ((0.5 * log1p::<I>(2.0 * x / (1.0 - x))) as f32).copysign(self)
    }
    #[inline(always)]
    fn erf<I: Isa>(self) -> Self {
        let x = self as f64;
        let a = clamp(x.abs(), 0.0, 4.0);
        let square = a * a;
        let near = a * polynomial::<I, _>(square, &ERF_NEAR);
        let tail = polynomial::<I, _>((a - 2.5) * (1.0 / 1.5), &ERFCX);
        let far = 1.0 - exp::<I>(-square) * tail;
        let result = if a < 1.0 { near } else { far };
        let result = (result as f32).copysign(self);
        // The product by 2 / sqrt(pi), where the square vanishes.
        if self.abs() < 1e-15 { (x * ERF_NEAR[0]) as f32 } else { result }
    }
    #[inline(always)]
    fn erfinv<I: Isa>(self) -> Self {
        let x = self as f64;
        let w = -log::<I>((1.0 - x) * (1.0 + x));
        let near = polynomial::<I, _>(w * (1.0 / 2.5) - 1.0, &ERFINV_NEAR);
        let tail = polynomial::<I, _>((w.sqrt() - 3.16) * (1.0 / 0.93), &ERFINV_TAIL);
        let result = (x * if w < 5.0 { near } else { tail }) as f32;
        // w is NaN beyond 1.
        if self.abs() == 1.0 { self * f32::INFINITY } else { result }
    }
    #[inline(always)]
    fn sigmoid<I: Isa>(self) -> Self {
        (1.0 / (1.0 + exp::<I>(clamp(-(self as f64), -110.0, 110.0)))) as f32
    }
    #[inline(always)]
    fn power<I: Isa>(self, b: Self) -> Self {
        power::<I>(self, b)
    }
    #[inline(always)]
    fn atan2<I: Isa>(self, b: Self) -> Self {
        atan2::<I>(self as f64, b as f64) as f32
    }
}

/// Adding and subtracting this rounds to an integer, which is then in the low bits.
const ROUND: f32 = 12_582_912.0;
/// The same in double precision.
const ROUND_64: f64 = 6_755_399_441_055_744.0;

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// The leading 33 bits of pi / 2: their product with an integer below 2^20 is exact.
const PI_2_HIGH: f64 = f64::from_bits(FRAC_PI_2.to_bits() & !0xf_ffff);
/// The rest of pi / 2, which reaches beyond the double nearest to it.
const PI_2_LOW: f64 = (FRAC_PI_2 - PI_2_HIGH) + 6.123_233_995_736_766e-17;

/// (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2, to 1.4e-7.
const EXP: [f32; 5] = [0.5, 0.166_665_77, 0.041_666_554, 0.008_363_233, 0.001_392_625_1];

/// (exp(r) - 1) / r on |r| <= ln 2 / 2, to 5.2e-12.
const EXPM1: [f64; 8] = [
    0.999999999995473,
    0.4999999999995475,
    0.16666666787028753,
    0.04166666678698556,
    0.008333283339034426,
    0.0013888838910996056,
    0.00019907702175735054,
    2.4868002978056962e-05,
];

/// log((1 + s) / (1 - s)) / s in s^2, for s from a mantissa in sqrt(1/2)..sqrt(2), to 2.7e-14.
const LOG: [f64; 6] = [
    1.999999999999947,
    0.6666666667964496,
    0.3999999487097937,
    0.2857216841420338,
    0.22174150798053732,
    0.19609592365158407,
];

/// (sin(r) / r - 1) / r^2 in r^2 on |r| <= pi / 4, to 1.7e-10.
const SIN: [f64; 4] =
    [-0.16666666663844049, 0.008333331870341349, -0.00019840084376422702, 2.724962008007533e-06];

/// (cos(r) - 1) / r^2 in r^2 on |r| <= pi / 4, to 3.5e-12.
const COS: [f64; 5] = [
    -0.4999999999996371,
    0.04166666663727906,
    -0.001388888508002599,
    2.4799858750748857e-05,
    -2.7236822001886194e-07,
];

/// atan(t) / t in t^2 on |t| <= 1, to 1.8e-12.
const ATAN: [f64; 14] = [
    0.9999999999981967,
    -0.333333332624797,
    0.19999995340385063,
    -0.14285592394282529,
    0.11109428364330506,
    -0.09076798876650477,
    0.07614250199003121,
    -0.06366092236096826,
    0.050455577528416146,
    -0.03526772086942244,
    0.01993744283625617,
    -0.008241899893996813,
    0.002162794422156479,
    -0.00026660196719267425,
];

/// erf(x) / x in x^2 on |x| <= 1, to 9.1e-13.
const ERF_NEAR: [f64; 9] = [
    1.1283791670946768,
    -0.3761263888963531,
    0.11283791308604582,
    -0.026866133235095593,
    0.005223783477189248,
    -0.0008542637997087229,
    0.0001195656256820733,
    -1.3909340021874599e-05,
    1.058938064107502e-06,
];

/// erfc(x) exp(x^2) in (x - 2.5) / 1.5 on 1..4, to 5.5e-11.
const ERFCX: [f64; 15] = [
    0.2108063640611436,
    -0.11152102073476088,
    0.05611049362976063,
    -0.027005276189744354,
    0.01248936700079338,
    -0.005570925693607461,
    0.002403721451080501,
    -0.0010047997001988746,
    0.00040873798595246475,
    -0.00016447866403796163,
    6.340933229062602e-05,
    -2.050470840301931e-05,
    7.66530081754953e-06,
    -5.053533408902687e-06,
    1.7581148051902643e-06,
];

/// erfinv(x) / x in w / 2.5 - 1 for w = -log(1 - x^2) below 5, to 6e-10.
const ERFINV_NEAR: [f64; 12] = [
    1.5014093517481764,
    0.6166006918714606,
    -0.026108281752861017,
    -0.01957356183368391,
    0.008525942391231351,
    -0.00048789063575624566,
    -0.0008364907738609052,
    0.0002921690115087194,
    2.5182562318746536e-05,
    -4.143433102262246e-05,
    4.139544299940102e-06,
    2.943653372407573e-06,
];

/// The same in (sqrt(w) - 3.16) / 0.93 for w from 5 to 16.7, where the last `f32` below 1 is, to
/// 1.3e-9.
const ERFINV_TAIL: [f64; 12] = [
    2.9934587143474887,
    0.9338996718695998,
    0.0056376649695825485,
    -0.0038606454514168204,
    0.0025237830260060826,
    -0.0015742283256653603,
    0.0007691756528379921,
    -0.00021229963511033416,
    -4.1941038275976515e-05,
    6.60296618234739e-05,
    -1.5465353973828356e-05,
    -2.6792244854508882e-06,
];

#[inline(always)]
fn polynomial<I: Isa, const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    let mut value = coefficients[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        value = I::fma64(value, x, coefficients[i]);
    }
    value
}

/// NaN passes.
#[inline(always)]
fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// For |x| up to 110: (exp(r) - 1, 2^n) with x = r + n ln 2.
#[inline(always)]
fn exp_parts<I: Isa>(x: f64) -> (f64, f64) {
    let shifted = x * LOG2_E + ROUND_64;
    let r = I::fma64(shifted - ROUND_64, -LN_2, x);
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    (r * polynomial::<I, _>(r, &EXPM1), power)
}

#[inline(always)]
fn exp<I: Isa>(x: f64) -> f64 {
    let (p, power) = exp_parts::<I>(x);
    I::fma64(p, power, power)
}

#[inline(always)]
fn expm1<I: Isa>(x: f64) -> f64 {
    let (p, power) = exp_parts::<I>(x);
    I::fma64(p, power, power - 1.0)
}

/// (m - 1, e) with x = m 2^e and m in sqrt(1/2)..sqrt(2), for normal positive x.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const BIAS: u64 = 1024;
    let bits = x.to_bits();
    let e = bits.wrapping_sub(SQRT_HALF).wrapping_add(BIAS << 52) >> 52;
    let m = f64::from_bits(bits.wrapping_sub(e.wrapping_sub(BIAS) << 52));
    // 2^52 + e, as bits and as a number.
    let e = f64::from_bits(0x4330_0000_0000_0000 | e) - (4_503_599_627_370_496.0 + BIAS as f64);
    (m - 1.0, e)
}

/// log(1 + f) for f from [`split`].
#[inline(always)]
fn log_near_1<I: Isa>(f: f64) -> f64 {
    let s = f / (2.0 + f);
    s * polynomial::<I, _>(s * s, &LOG)
}

/// The logarithm of x where it is not a formula's.
#[inline(always)]
fn log_special(x: f64, log: f64) -> f64 {
    let log = if x > 0.0 { log } else { f64::NAN };
    let log = if x == 0.0 { f64::NEG_INFINITY } else { log };
    if x == f64::INFINITY { x } else { log }
}

#[inline(always)]
fn log<I: Isa>(x: f64) -> f64 {
    let (f, e) = split(x);
    log_special(x, I::fma64(e, LN_2, log_near_1::<I>(f)))
}

/// log(1 + x), with x itself where 1 + x needs no scaling.
#[inline(always)]
fn log1p<I: Isa>(x: f64) -> f64 {
    let y = 1.0 + x;
    let (f, e) = split(y);
    let f = if e == 0.0 { x } else { f };
    let result = log_special(y, I::fma64(e, LN_2, log_near_1::<I>(f)));
    if x == 0.0 { x } else { result }
}

/// (sin(r), cos(r), n) with x = r + n pi / 2.
#[inline(always)]
fn sin_cos<I: Isa>(x: f64) -> (f64, f64, u64) {
    let shifted = x * (1.0 / FRAC_PI_2) + ROUND_64;
    let n = shifted - ROUND_64;
    let r = (x - n * PI_2_HIGH) - n * PI_2_LOW;
    let z = r * r;
    let sin = I::fma64(r * z, polynomial::<I, _>(z, &SIN), r);
    let cos = I::fma64(z, polynomial::<I, _>(z, &COS), 1.0);
    (sin, cos, shifted.to_bits())
}

/// The angle of the point (x, y).
#[inline(always)]
fn atan2<I: Isa>(y: f64, x: f64) -> f64 {
    let (a, b) = (x.abs(), y.abs());
    let (high, low) = if b > a { (b, a) } else { (a, b) };
    // 0/0 is 0 here, and inf/inf is 1.
    let t = low / high;
    let t = if high == 0.0 { 0.0 } else { t };
    let t = if low == f64::INFINITY { 1.0 } else { t };
    let angle = t * polynomial::<I, _>(t * t, &ATAN);
    let angle = if b > a { FRAC_PI_2 - angle } else { angle };
    let angle = if x.is_sign_negative() { PI - angle } else { angle };
    let angle = angle.copysign(y);
    if x.is_nan() || y.is_nan() { f64::NAN } else { angle }
}

#[inline(always)]
fn power<I: Isa>(a: f32, b: f32) -> f32 {
    let (base, exponent) = (a.abs() as f64, b as f64);
    let result = exp::<I>(clamp(exponent * log::<I>(base), -110.0, 110.0)) as f32;
    // Exponents from 2^24 on are even.
    let shifted = exponent + ROUND_64;
    let is_integer = b.abs() >= 16_777_216.0 || shifted - ROUND_64 == exponent;
    let is_odd = b.abs() < 16_777_216.0 && is_integer && shifted.to_bits() & 1 == 1;
    let result = if a.is_sign_negative() && is_odd { -result } else { result };
    let defined = a >= 0.0 || is_integer || a == f32::NEG_INFINITY || a.is_nan();
    let result = if defined { result } else { f32::NAN };
    let one = a == 1.0 || b == 0.0 || (a == -1.0 && b.abs() == f32::INFINITY);
    if one { 1.0 } else { result }
}
