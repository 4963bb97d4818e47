//! Functions of one and two arrays, element by element, and casts.

use anymetal::{Array, Dtype, Result, iinfo, ops};

use super::*;
use crate::oracle::{erf, erfinv};

pub(super) fn elementwise() -> Vec<Row> {
    let all = (-3.0, 3.0);
    let positive = (0.25, 4.0);
    let unit = (-0.9, 0.9);
    vec![
        unary("negative", ops::negative, |x| -x, all).of(SIGNED).gives(same),
        unary("abs", ops::abs, f64::abs, all).gives(same),
        unary(
            "sign",
            ops::sign,
            |x| if x == 0.0 || x.is_nan() { x.abs() } else { x.signum() },
            all,
        )
        .gives(same),
        unary("square", ops::square, |x| x * x, all).gives(same),
        unary("sqrt", ops::sqrt, f64::sqrt, positive),
        unary("rsqrt", ops::rsqrt, |x| 1.0 / x.sqrt(), positive),
        unary("reciprocal", ops::reciprocal, |x| 1.0 / x, positive),
        unary("exp", ops::exp, f64::exp, all),
        unary("expm1", ops::expm1, f64::exp_m1, all),
        unary("log", ops::log, f64::ln, positive),
        unary("log2", ops::log2, f64::log2, positive),
        unary("log10", ops::log10, f64::log10, positive),
        unary("log1p", ops::log1p, f64::ln_1p, (-0.5, 3.0)),
        unary("sin", ops::sin, f64::sin, all),
        unary("cos", ops::cos, f64::cos, all),
        unary("tan", ops::tan, f64::tan, (-1.2, 1.2)),
        unary("sinh", ops::sinh, f64::sinh, all),
        unary("cosh", ops::cosh, f64::cosh, all),
        unary("tanh", ops::tanh, f64::tanh, all),
        unary("arcsin", ops::arcsin, f64::asin, unit),
        unary("arccos", ops::arccos, f64::acos, unit),
        unary("arctan", ops::arctan, f64::atan, all),
        unary("arcsinh", ops::arcsinh, f64::asinh, all),
        unary("arccosh", ops::arccosh, f64::acosh, (1.25, 4.0)),
        unary("arctanh", ops::arctanh, f64::atanh, unit),
        unary("erf", ops::erf, erf, all),
        unary("erfinv", ops::erfinv, erfinv, unit),
        unary("sigmoid", ops::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), all),
        unary("floor", ops::floor, f64::floor, all).gives(same),
        unary("ceil", ops::ceil, f64::ceil, all).gives(same),
        unary("round", ops::round, f64::round_ties_even, all).gives(same),
        unary("logical_not", ops::logical_not, |x| f64::from(x == 0.0), all).gives(truth).rough(),
        unary("bitwise_invert", ops::bitwise_invert, |x| -1.0 - x, all)
            .of(&[I8, I16, I32, I64])
            .gives(same)
            .rough(),
        unary("isnan", ops::isnan, |x| f64::from(x.is_nan()), all).gives(truth).rough(),
        unary("isinf", ops::isinf, |x| f64::from(x.is_infinite()), all).gives(truth).rough(),
        unary("isfinite", ops::isfinite, |x| f64::from(x.is_finite()), all).gives(truth).rough(),
        unary("isneginf", ops::isneginf, |x| f64::from(x == f64::NEG_INFINITY), all)
            .gives(truth)
            .rough(),
        unary("isposinf", ops::isposinf, |x| f64::from(x == f64::INFINITY), all)
            .gives(truth)
            .rough(),
        unary("conjugate", ops::conjugate, |x| x, all).gives(same),
        unary("real", ops::real, |x| x, all).gives(same),
        unary("imag", ops::imag, |_| 0.0, all).gives(same),
        unary("stop_gradient", |x| Ok(ops::stop_gradient(x)), |x| x, all).gives(same).rough(),
        unary("zeros_like", |x| Ok(ops::zeros_like(x)), |_| 0.0, all).gives(same),
        unary("ones_like", |x| Ok(ops::ones_like(x)), |_| 1.0, all).gives(same),
    ]
}

pub(super) fn pairwise() -> Vec<Row> {
    let all = (-3.0, 3.0);
    let positive = (0.5, 3.0);
    let divisor = (1.0, 4.0);
    let max = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) };
    let min = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) };
    let lae = |a: f64, b: f64| {
        if a == b { a + 2f64.ln() } else { max_of(a, b) + (-(a - b).abs()).exp().ln_1p() }
    };
    let compare = |name: &str, run: fn(&Array, &Array) -> Result<Array>, f: fn(f64, f64) -> f64| {
        binary(name, run, f, all, all).of(REAL).gives(truth).rough()
    };
    let bits = |name: &str, run: fn(&Array, &Array) -> Result<Array>, f: fn(f64, f64) -> f64| {
        binary(name, run, f, (0.0, 9.0), (0.0, 3.0)).of(WHOLE).rough()
    };
    vec![
        binary("add", |a, b| ops::add(a, b), |a, b| a + b, all, all),
        binary("subtract", |a, b| ops::subtract(a, b), |a, b| a - b, all, all),
        binary("multiply", |a, b| ops::multiply(a, b), |a, b| a * b, all, all),
        binary("divide", |a, b| ops::divide(a, b), |a, b| a / b, all, divisor).gives(floating),
        binary(
            "floor_divide",
            |a, b| ops::floor_divide(a, b),
            |a, b| (a / b).floor(),
            all,
            divisor,
        )
        .tame(),
        binary("remainder", |a, b| ops::remainder(a, b), floor_mod, all, divisor).tame(),
        binary("power", |a, b| ops::power(a, b), f64::powf, positive, all).of(FLOATS).slack(32.0),
        binary("maximum", |a, b| ops::maximum(a, b), max, all, all).of(REAL),
        binary("minimum", |a, b| ops::minimum(a, b), min, all, all).of(REAL),
        binary("logaddexp", |a, b| ops::logaddexp(a, b), lae, all, all).gives(floating),
        binary("arctan2", |a, b| ops::arctan2(a, b), f64::atan2, all, positive).gives(floating),
        compare("equal", |a, b| ops::equal(a, b), |a, b| f64::from(a == b)),
        compare("not_equal", |a, b| ops::not_equal(a, b), |a, b| f64::from(a != b)),
        compare("less", |a, b| ops::less(a, b), |a, b| f64::from(a < b)),
        compare("less_equal", |a, b| ops::less_equal(a, b), |a, b| f64::from(a <= b)),
        compare("greater", |a, b| ops::greater(a, b), |a, b| f64::from(a > b)),
        compare("greater_equal", |a, b| ops::greater_equal(a, b), |a, b| f64::from(a >= b)),
        compare(
            "logical_and",
            |a, b| ops::logical_and(a, b),
            |a, b| f64::from(a != 0.0 && b != 0.0),
        ),
        compare("logical_or", |a, b| ops::logical_or(a, b), |a, b| f64::from(a != 0.0 || b != 0.0)),
        compare(
            "isclose",
            |a, b| ops::isclose(a, b, 0.2, 0.3, true),
            |a, b| {
                let near = (a - b).abs() <= 0.3 + 0.2 * b.abs() && a.is_finite() && b.is_finite();
                f64::from(near || a == b || (a.is_nan() && b.is_nan()))
            },
        )
        .of(&[F64, F32]),
        bits("bitwise_and", |a, b| ops::bitwise_and(a, b), |a, b| (a as i64 & b as i64) as f64),
        bits("bitwise_or", |a, b| ops::bitwise_or(a, b), |a, b| (a as i64 | b as i64) as f64),
        bits("bitwise_xor", |a, b| ops::bitwise_xor(a, b), |a, b| (a as i64 ^ b as i64) as f64),
        bits("left_shift", |a, b| ops::left_shift(a, b), |a, b| ((a as i64) << b as i64) as f64),
        bits("right_shift", |a, b| ops::right_shift(a, b), |a, b| (a as i64 >> b as i64) as f64),
    ]
}

pub(super) fn casts() -> Vec<Row> {
    let cast = |target: Dtype, out: fn(Dtype) -> Dtype| {
        let make = move |rng: &mut Rng| {
            let s = shape(rng);
            let x = Input::new(rng, Kind::Real, &s, (0.0, 5.0), 0);
            let oracle = move |x: f64| match iinfo(target) {
                // Towards zero and saturating, which a cast to i128 does; NaN gives 0.
                Some((low, high)) => (x as i128).clamp(low, high) as f64,
                None if target == Bool => f64::from(x != 0.0),
                None => x,
            };
            case(vec![x], move |a| a[0].astype(target), move |t| t[0].map(oracle))
        };
        let row = row(&format!("astype {target}"), make).of(REAL).gives(out).slack(1.0).rounds(1.0);
        let smooth = target == F64;
        Row { smooth, specials: true, ..row }
    };
    vec![
        cast(Bool, |_| Bool),
        cast(U8, |_| U8),
        cast(U16, |_| U16),
        cast(U32, |_| U32),
        cast(U64, |_| U64),
        cast(I8, |_| I8),
        cast(I16, |_| I16),
        cast(I32, |_| I32),
        cast(I64, |_| I64),
        cast(F16, |_| F16),
        cast(Bf16, |_| Bf16),
        cast(F32, |_| F32),
        cast(F64, |_| F64),
    ]
}

fn unary(
    name: &str,
    run: fn(&Array) -> Result<Array>,
    oracle: fn(f64) -> f64,
    domain: (f64, f64),
) -> Row {
    let make = move |rng: &mut Rng| {
        let s = shape(rng);
        let x = Input::new(rng, Kind::Real, &s, domain, 0);
        case(vec![x], move |a| run(&a[0]), move |t| t[0].map(oracle))
    };
    let row = row(name, make).of(REAL).gives(floating).slack(8.0).rounds(1.0);
    Row { specials: true, ..row }
}

fn binary(
    name: &str,
    run: fn(&Array, &Array) -> Result<Array>,
    oracle: fn(f64, f64) -> f64,
    left: (f64, f64),
    right: (f64, f64),
) -> Row {
    let make = move |rng: &mut Rng| {
        let (s, t) = pair(rng);
        let inputs = vec![
            Input::new(rng, Kind::Real, &s, left, 0),
            Input::new(rng, Kind::Real, &t, right, 1),
        ];
        case(inputs, move |a| run(&a[0], &a[1]), move |t| t[0].zip(&t[1], oracle))
    };
    let row = row(name, make).of(SIGNED).slack(8.0).rounds(1.0);
    Row { specials: true, ..row }
}

fn floor_mod(a: f64, b: f64) -> f64 {
    a - b * (a / b).floor()
}
