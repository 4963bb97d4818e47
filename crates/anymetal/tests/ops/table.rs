//! The table: one row for each operation, with its oracle.

use anymetal::ops::{self, Index, ScatterOp};
use anymetal::{Array, Dtype, Result, iinfo};

use crate::oracle::{T, common, erf, erfinv, indices};
use crate::rng::Rng;

/// An operation and what is checked about it.
pub(crate) struct Row {
    pub(crate) name: String,
    /// Random shapes, parameters and values.
    pub(crate) make: Box<dyn Fn(&mut Rng) -> Case>,
    /// Argument dtypes for which the oracle holds.
    pub(crate) dtypes: &'static [Dtype],
    /// Dtype of the result.
    pub(crate) out: fn(Dtype) -> Dtype,
    /// Whether derivatives are checked.
    pub(crate) smooth: bool,
    /// Whether NaN, infinities and zeros may stand anywhere.
    pub(crate) specials: bool,
    /// Error in units of float32's (float64's) last place: functions, sums.
    pub(crate) slack: f64,
    /// How often a half result may have been rounded.
    pub(crate) rounds: f64,
}

/// One call with its oracle.
pub(crate) struct Case {
    pub(crate) inputs: Vec<Input>,
    pub(crate) run: Box<dyn Fn(&[Array]) -> Result<Array>>,
    pub(crate) oracle: Box<dyn Fn(&[T]) -> T>,
}

impl Case {
    /// Which arguments derivatives are taken of.
    pub(crate) fn reals(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&k| self.inputs[k].kind == Kind::Real).collect()
    }
}

/// An argument's values and how to make others like them.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) t: T,
    pub(crate) kind: Kind,
    pub(crate) domain: (f64, f64),
    pub(crate) salt: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Of the dtype under test.
    Real,
    /// Whole numbers, always of this dtype.
    As(Dtype),
}

impl Input {
    fn new(rng: &mut Rng, kind: Kind, shape: &[usize], domain: (f64, f64), salt: usize) -> Input {
        Input { t: T::full(shape, 0.0), kind, domain, salt }.again(rng)
    }

    /// The same kind of argument with other values.
    ///
    /// Real ones keep a distance of 1e-4 to each other and to multiples of 1/32, so that finite
    /// differences cross no kink and no tie.
    pub(crate) fn again(&self, rng: &mut Rng) -> Input {
        let (low, high) = self.domain;
        let mut place = 0;
        let t = T::from_fn(&self.t.shape, |_| {
            place += 1;
            let x = rng.between(low, high);
            match self.kind {
                Kind::As(_) => x.floor(),
                Kind::Real => {
                    let offset = 1e-3 + 8e-3 * self.salt as f64 + 1e-4 * (place % 60) as f64;
                    (x * 32.0).floor() / 32.0 + offset
                }
            }
        });
        Input { t, ..self.clone() }
    }
}

impl Row {
    fn of(mut self, dtypes: &'static [Dtype]) -> Row {
        self.dtypes = dtypes;
        self
    }

    fn gives(mut self, out: fn(Dtype) -> Dtype) -> Row {
        self.out = out;
        self
    }

    fn rough(mut self) -> Row {
        self.smooth = false;
        self
    }

    fn tame(mut self) -> Row {
        self.specials = false;
        self
    }

    fn slack(mut self, slack: f64) -> Row {
        self.slack = slack;
        self
    }

    fn rounds(mut self, rounds: f64) -> Row {
        self.rounds = rounds;
        self
    }
}

use Dtype::*;
const FLOATS: &[Dtype] = &[F32, F64, F16, Bf16];
const SIGNED: &[Dtype] = &[F32, F64, F16, Bf16, I8, I16, I32, I64];
const REAL: &[Dtype] = &[F32, F64, F16, Bf16, I8, I16, I32, I64, U8, U16, U32, U64, Bool];
const ANY: &[Dtype] = &[F32, F64, F16, Bf16, I8, I16, I32, I64, U8, U16, U32, U64, Bool, Complex64];
const WHOLE: &[Dtype] = &[I8, I16, I32, I64, U8, U16, U32, U64];

fn same(d: Dtype) -> Dtype {
    d
}

fn floating(d: Dtype) -> Dtype {
    if d.is_float() || d == Complex64 { d } else { F32 }
}

fn truth(_: Dtype) -> Dtype {
    Bool
}

fn position(_: Dtype) -> Dtype {
    U32
}

fn summed(d: Dtype) -> Dtype {
    match d {
        Bool | I8 | I16 => I32,
        U8 | U16 => U32,
        other => other,
    }
}

fn row(name: &str, make: impl Fn(&mut Rng) -> Case + 'static) -> Row {
    Row {
        name: name.into(),
        make: Box::new(make),
        dtypes: ANY,
        out: same,
        smooth: true,
        specials: false,
        slack: 0.0,
        rounds: 0.0,
    }
}

fn case(
    inputs: Vec<Input>,
    run: impl Fn(&[Array]) -> Result<Array> + 'static,
    oracle: impl Fn(&[T]) -> T + 'static,
) -> Case {
    Case { inputs, run: Box::new(run), oracle: Box::new(oracle) }
}

/// Up to four axes and 60 elements, seldom none.
fn shape(rng: &mut Rng) -> Vec<usize> {
    loop {
        let n = rng.below(5);
        let size = |rng: &mut Rng| if rng.one_in(20) { 0 } else { 1 + rng.below(5) };
        let shape: Vec<usize> = (0..n).map(|_| size(rng)).collect();
        if shape.iter().product::<usize>() <= 60 {
            return shape;
        }
    }
}

fn shape_with(rng: &mut Rng, fits: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    loop {
        let s = shape(rng);
        if fits(&s) {
            return s;
        }
    }
}

/// A shape with at least one axis, and one of its axes, from either end.
fn shape_and_axis(rng: &mut Rng) -> (Vec<usize>, usize, isize) {
    let s = shape_with(rng, |s| !s.is_empty());
    let axis = rng.below(s.len());
    let signed = if rng.one_in(2) { axis as isize } else { axis as isize - s.len() as isize };
    (s, axis, signed)
}

/// A shape that broadcasts to `full`.
fn narrower(rng: &mut Rng, full: &[usize]) -> Vec<usize> {
    let cut = rng.below(full.len() + 1);
    full[cut..].iter().map(|&n| if rng.one_in(3) { 1 } else { n }).collect()
}

/// Two shapes that broadcast together.
fn pair(rng: &mut Rng) -> (Vec<usize>, Vec<usize>) {
    let full = shape(rng);
    let other = narrower(rng, &full);
    match rng.below(4) {
        0 => (full.clone(), full),
        1 => (full, other),
        2 => (other, full),
        _ => (narrower(rng, &full), other),
    }
}

fn real(rng: &mut Rng, shape: &[usize]) -> Input {
    Input::new(rng, Kind::Real, shape, (-3.0, 3.0), 0)
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

/// A reduction over random axes; `empty`: whether it has a value over nothing.
fn reduction(
    name: &str,
    run: fn(&Array, &[isize], bool) -> Result<Array>,
    oracle: fn(&[f64]) -> f64,
    domain: (f64, f64),
    empty: bool,
) -> Row {
    let make = move |rng: &mut Rng| {
        let s = shape_with(rng, |s| empty || !s.contains(&0));
        let axes: Vec<usize> = (0..s.len()).filter(|_| rng.one_in(2)).collect();
        let mut signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
        if rng.one_in(2) {
            signed.iter_mut().for_each(|a| *a -= s.len() as isize);
            signed.reverse();
        }
        let keep = rng.one_in(2);
        let x = Input::new(rng, Kind::Real, &s, domain, 0);
        case(vec![x], move |a| run(&a[0], &signed, keep), move |t| t[0].reduce(&axes, keep, oracle))
    };
    // Up to 60 terms of size 3.
    row(name, make).of(REAL).slack(60.0).rounds(1.0)
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = elementwise();
    rows.extend(pairwise());
    rows.extend(reductions());
    rows.extend(casts());
    rows.extend(rearranging());
    rows.extend(joining());
    rows.extend(indexing());
    rows.extend(others());
    rows
}

fn elementwise() -> Vec<Row> {
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

fn floor_mod(a: f64, b: f64) -> f64 {
    a - b * (a / b).floor()
}

fn pairwise() -> Vec<Row> {
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

fn max_of(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn min_of(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

fn var(v: &[f64]) -> f64 {
    v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / v.len() as f64
}

fn logsumexp(v: &[f64]) -> f64 {
    let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + v.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

fn reductions() -> Vec<Row> {
    let all = (-3.0, 3.0);
    let truthy =
        |name: &str, run: fn(&Array, &[isize], bool) -> Result<Array>, f: fn(&[f64]) -> f64| {
            reduction(name, run, f, (-0.6, 1.6), true).of(REAL).gives(truth).rough()
        };
    let mut rows = vec![
        reduction("sum", |x, a, k| ops::sum(x, a, k), |v| v.iter().sum(), all, true).gives(summed),
        reduction("prod", |x, a, k| ops::prod(x, a, k), |v| v.iter().product(), (0.6, 1.4), true)
            .of(FLOATS)
            .slack(100.0),
        reduction(
            "max",
            |x, a, k| ops::max(x, a, k),
            |v| v.iter().copied().fold(v[0], max_of),
            all,
            false,
        ),
        reduction(
            "min",
            |x, a, k| ops::min(x, a, k),
            |v| v.iter().copied().fold(v[0], min_of),
            all,
            false,
        ),
        reduction("mean", |x, a, k| ops::mean(x, a, k), mean, all, false)
            .gives(floating)
            .rounds(2.0),
        reduction("var", |x, a, k| ops::var(x, a, k, 0), var, all, false)
            .gives(floating)
            .rounds(10.0),
        reduction("logsumexp", |x, a, k| ops::logsumexp(x, a, k), logsumexp, all, false)
            .gives(floating),
        truthy("any", |x, a, k| ops::any(x, a, k), |v| f64::from(v.iter().any(|&x| x != 0.0))),
        truthy("all", |x, a, k| ops::all(x, a, k), |v| f64::from(v.iter().all(|&x| x != 0.0))),
        row("std", |rng| {
            // Over more than one element, or the root has no derivative.
            let s = shape_with(rng, |s| s.last().is_some_and(|&n| n > 1) && !s.contains(&0));
            let last = s.len() - 1;
            case(
                vec![real(rng, &s)],
                |a| ops::std(&a[0], -1, false, 1),
                move |t| {
                    t[0].reduce(&[last], false, |v| {
                        (var(v) * v.len() as f64 / (v.len() - 1) as f64).sqrt()
                    })
                },
            )
        })
        .of(FLOATS)
        .slack(60.0)
        .rounds(10.0),
        row("softmax", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            case(
                vec![real(rng, &s)],
                move |a| ops::softmax(&a[0], signed, true),
                move |t| softmax(&t[0], &[axis]),
            )
        })
        .of(REAL)
        .gives(floating)
        .slack(30.0)
        .rounds(1.0),
        row("softmax over axes", |rng| {
            let s = shape(rng);
            let axes: Vec<usize> = (0..s.len()).filter(|_| rng.one_in(2)).collect();
            let signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
            case(
                vec![real(rng, &s)],
                move |a| ops::softmax(&a[0], signed.as_slice(), false),
                move |t| softmax(&t[0], &axes),
            )
        })
        .of(FLOATS)
        .slack(30.0)
        .rounds(1.0),
    ];
    for (name, largest) in [("argmax", true), ("argmin", false)] {
        rows.push(
            row(name, move |rng| {
                let s = shape_with(rng, |s| !s.contains(&0));
                let axis =
                    if s.is_empty() || rng.one_in(4) { None } else { Some(rng.below(s.len())) };
                let keep = rng.one_in(2);
                let run = move |a: &[Array]| {
                    let axis = axis.map(|a| a as isize);
                    if largest {
                        ops::argmax(&a[0], axis, keep)
                    } else {
                        ops::argmin(&a[0], axis, keep)
                    }
                };
                let first = move |v: &[f64]| {
                    let better = |a: f64, b: f64| if largest { a > b } else { a < b };
                    (0..v.len()).fold(0, |best, i| if better(v[i], v[best]) { i } else { best })
                        as f64
                };
                case(vec![real(rng, &s)], run, move |t| {
                    let axes = axis.map_or((0..t[0].shape.len()).collect(), |a| vec![a]);
                    t[0].reduce(&axes, keep, first)
                })
            })
            .of(REAL)
            .gives(position)
            .rough(),
        );
    }
    rows
}

fn softmax(t: &T, axes: &[usize]) -> T {
    let most = t.reduce(axes, true, |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let e = t.zip(&most, |x, m| (x - m).exp());
    e.zip(&e.reduce(axes, true, |v| v.iter().sum()), |x, s| x / s)
}

fn casts() -> Vec<Row> {
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

fn permutation(rng: &mut Rng, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    (1..n).rev().for_each(|i| order.swap(i, rng.below(i + 1)));
    order
}

/// A random shape of `n` elements, and the same with one size perhaps left open.
fn refactored(rng: &mut Rng, n: usize) -> (Vec<usize>, Vec<isize>) {
    let mut sizes = Vec::new();
    let mut left = n;
    for _ in 0..rng.below(4) {
        let divisors: Vec<usize> = (1..=left).filter(|d| left % d == 0).collect();
        let d = if left == 0 { rng.below(3) } else { *rng.pick(&divisors) };
        sizes.push(d);
        left = if d == 0 { 1 } else { left / d };
    }
    sizes.push(left);
    let mut asked: Vec<isize> = sizes.iter().map(|&n| n as isize).collect();
    if !sizes.contains(&0) && rng.one_in(3) {
        let open = rng.below(asked.len());
        asked[open] = -1;
    }
    (sizes, asked)
}

fn rearranging() -> Vec<Row> {
    vec![
        row("reshape", |rng| {
            let s = shape(rng);
            let (to, asked) = refactored(rng, s.iter().product());
            case(
                vec![real(rng, &s)],
                move |a| ops::reshape(&a[0], &asked),
                move |t| t[0].reshape(&to),
            )
        }),
        row("unflatten", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let (inner, asked) = refactored(rng, s[axis]);
            let to = [&s[..axis], &inner, &s[axis + 1..]].concat();
            case(
                vec![real(rng, &s)],
                move |a| ops::unflatten(&a[0], signed, &asked),
                move |t| t[0].reshape(&to),
            )
        }),
        row("flatten", |rng| {
            let (s, start, signed) = shape_and_axis(rng);
            let end = start + rng.below(s.len() - start);
            let merged: usize = s[start..=end].iter().product();
            let to = [&s[..start], &[merged], &s[end + 1..]].concat();
            case(
                vec![real(rng, &s)],
                move |a| ops::flatten(&a[0], signed, end as isize),
                move |t| t[0].reshape(&to),
            )
        }),
        row("transpose", |rng| {
            let s = shape(rng);
            let order = permutation(rng, s.len());
            let signed: Vec<isize> = order.iter().map(|&a| a as isize).collect();
            case(
                vec![real(rng, &s)],
                move |a| ops::transpose(&a[0], &signed),
                move |t| t[0].permute(&order),
            )
        }),
        row("t", |rng| {
            let s = shape(rng);
            let order: Vec<usize> = (0..s.len()).rev().collect();
            case(vec![real(rng, &s)], |a| Ok(a[0].t()), move |t| t[0].permute(&order))
        }),
        row("swapaxes", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let other = rng.below(s.len());
            let mut order: Vec<usize> = (0..s.len()).collect();
            order.swap(axis, other);
            case(
                vec![real(rng, &s)],
                move |a| ops::swapaxes(&a[0], signed, other as isize),
                move |t| t[0].permute(&order),
            )
        }),
        row("moveaxis", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let to = rng.below(s.len());
            let mut order: Vec<usize> = (0..s.len()).filter(|&a| a != axis).collect();
            order.insert(to, axis);
            case(
                vec![real(rng, &s)],
                move |a| ops::moveaxis(&a[0], signed, to as isize),
                move |t| t[0].permute(&order),
            )
        }),
        row("expand_dims", |rng| {
            let s = shape(rng);
            let count = 1 + rng.below(2);
            let n = s.len() + count;
            let axes: Vec<usize> = permutation(rng, n)[..count].to_vec();
            let signed: Vec<isize> = axes
                .iter()
                .map(|&a| if rng.one_in(2) { a as isize } else { a as isize - n as isize })
                .collect();
            let mut old = s.iter();
            let to: Vec<usize> =
                (0..n).map(|i| if axes.contains(&i) { 1 } else { *old.next().unwrap() }).collect();
            case(
                vec![real(rng, &s)],
                move |a| ops::expand_dims(&a[0], &signed),
                move |t| t[0].reshape(&to),
            )
        }),
        row("squeeze", |rng| {
            let mut s = shape_with(rng, |s| s.len() < 4);
            let axis = rng.below(s.len() + 1);
            s.insert(axis, 1);
            let all = rng.one_in(3);
            let mut to = s.clone();
            to.remove(axis);
            if all {
                to.retain(|&n| n != 1);
            }
            let run = move |a: &[Array]| match all {
                true => ops::squeeze(&a[0], ()),
                false => ops::squeeze(&a[0], axis as isize),
            };
            case(vec![real(rng, &s)], run, move |t| t[0].reshape(&to))
        }),
        row("broadcast_to", |rng| {
            let full = shape(rng);
            let s = narrower(rng, &full);
            let to = full.clone();
            case(
                vec![real(rng, &s)],
                move |a| ops::broadcast_to(&a[0], &full),
                move |t| t[0].broadcast(&to),
            )
        }),
        row("broadcast_arrays", |rng| {
            let (s, t) = pair(rng);
            let inputs = vec![real(rng, &s), real(rng, &t)];
            let which = rng.below(2);
            case(
                inputs,
                move |a| Ok(ops::broadcast_arrays(a)?.swap_remove(which)),
                move |t| t[which].broadcast(&common(&t[0].shape, &t[1].shape)),
            )
        }),
    ]
}

fn joining() -> Vec<Row> {
    vec![
        row("concatenate", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let inputs: Vec<Input> = (0..1 + rng.below(3))
                .map(|_| {
                    let mut s = s.clone();
                    s[axis] = rng.below(4);
                    real(rng, &s)
                })
                .collect();
            case(inputs, move |a| ops::concatenate(a, signed), move |t| T::concat(t, axis))
        }),
        row("stack", |rng| {
            let s = shape(rng);
            let axis = rng.below(s.len() + 1);
            let signed = axis as isize - if rng.one_in(2) { s.len() as isize + 1 } else { 0 };
            let inputs = (0..1 + rng.below(3)).map(|_| real(rng, &s)).collect();
            case(inputs, move |a| ops::stack(a, signed), move |t| T::stack(t, axis))
        }),
        row("split", |rng| {
            let (mut s, axis, signed) = shape_and_axis(rng);
            let parts = 1 + rng.below(3);
            let size = rng.below(3);
            s[axis] = parts * size;
            let which = rng.below(parts);
            let at: Vec<usize> = (which * size..(which + 1) * size).collect();
            case(
                vec![real(rng, &s)],
                move |a| Ok(ops::split(&a[0], parts, signed)?.swap_remove(which)),
                move |t| t[0].select(axis, &at),
            )
        }),
        row("tile", |rng| {
            let s = shape_with(rng, |s| s.len() < 4);
            let reps: Vec<usize> = (0..rng.below(4)).map(|_| rng.below(3)).collect();
            let oracle_reps = reps.clone();
            case(
                vec![real(rng, &s)],
                move |a| ops::tile(&a[0], &reps),
                move |t| {
                    let n = t[0].shape.len().max(oracle_reps.len());
                    let pad = |v: &[usize]| [&vec![1; n - v.len()][..], v].concat();
                    let (mut out, reps) = (t[0].reshape(&pad(&t[0].shape)), pad(&oracle_reps));
                    for (axis, &r) in reps.iter().enumerate() {
                        let size = out.shape[axis];
                        let at: Vec<usize> = (0..r * size).map(|i| i % size).collect();
                        out = out.select(axis, &at);
                    }
                    out
                },
            )
        }),
        row("repeat", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let (times, flat) = (rng.below(4), rng.one_in(4));
            let run = move |a: &[Array]| ops::repeat(&a[0], times, (!flat).then_some(signed));
            case(vec![real(rng, &s)], run, move |t| {
                let (x, axis) = match flat {
                    true => (t[0].reshape(&[t[0].data.len()]), 0),
                    false => (t[0].clone(), axis),
                };
                let at: Vec<usize> = (0..x.shape[axis] * times).map(|i| i / times).collect();
                x.select(axis, &at)
            })
        }),
        row("pad", |rng| {
            let s = shape(rng);
            let mut widths: Vec<(usize, usize)> =
                s.iter().map(|_| (rng.below(3), rng.below(3))).collect();
            if rng.one_in(3) && !s.is_empty() {
                widths.truncate(1);
            }
            let each = widths.clone();
            case(
                vec![real(rng, &s)],
                move |a| ops::pad(&a[0], &widths, 1i64),
                move |t| {
                    let width = |i: usize| each[if each.len() == 1 { 0 } else { i }];
                    let shape: Vec<usize> = (0..t[0].shape.len())
                        .map(|i| width(i).0 + t[0].shape[i] + width(i).1)
                        .collect();
                    T::from_fn(&shape, |index| {
                        let inside: Option<Vec<usize>> = index
                            .iter()
                            .enumerate()
                            .map(|(i, &k)| k.checked_sub(width(i).0).filter(|&k| k < t[0].shape[i]))
                            .collect();
                        inside.map_or(1.0, |i| t[0].at(&i))
                    })
                },
            )
        }),
    ]
}

/// Python's positions of a range.
fn positions(n: usize, start: Option<isize>, stop: Option<isize>, step: isize) -> Vec<usize> {
    let n = n as isize;
    let wrap = |p: isize| if p < 0 { p + n } else { p };
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let mut at = start.map_or(if step > 0 { 0 } else { n - 1 }, |p| wrap(p).clamp(low, high));
    let end = stop.map_or(if step > 0 { n } else { -1 }, |p| wrap(p).clamp(low, high));
    let mut out = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.push(at as usize);
        at += step;
    }
    out
}

fn random_range(rng: &mut Rng, n: usize) -> (isize, isize, isize) {
    let any = |rng: &mut Rng| rng.below(2 * n + 4) as isize - n as isize - 2;
    let step = *rng.pick(&[1, 1, 2, 3, -1, -2]);
    (any(rng), any(rng), step)
}

/// Starts, stops and steps of some leading axes, and the positions along every axis.
#[allow(clippy::type_complexity, reason = "used in two places, next to each other")]
fn random_window(
    rng: &mut Rng,
    s: &[usize],
) -> (Vec<isize>, Vec<isize>, Vec<isize>, Vec<Vec<usize>>) {
    let count = rng.below(s.len() + 1);
    let (mut start, mut stop, mut step, mut at) = (vec![], vec![], vec![], vec![]);
    for (i, &n) in s.iter().enumerate() {
        if i < count {
            let (a, b, c) = random_range(rng, n);
            start.push(a);
            stop.push(b);
            step.push(c);
            at.push(positions(n, Some(a), Some(b), c));
        } else {
            at.push((0..n).collect());
        }
    }
    (start, stop, step, at)
}

/// One entry of a random index expression, as the oracle sees it.
#[derive(Clone)]
enum Entry {
    At(isize),
    Range(Option<isize>, Option<isize>, isize),
    New,
    Rest,
    Array(T),
}

/// A random index expression for a shape, without repeated positions if `distinct`.
fn expression(rng: &mut Rng, s: &[usize], distinct: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    let count = rng.below(s.len() + 1);
    let rest = (rng.one_in(2) || count < s.len()).then(|| rng.below(count + 1));
    let array_shape = [1 + rng.below(2), 1 + rng.below(2)];
    let mut arrays = 0;
    for k in 0..=count {
        if rng.one_in(6) {
            entries.push(Entry::New);
        }
        if rest == Some(k) {
            entries.push(Entry::Rest);
        }
        if k == count {
            break;
        }
        // The axis this entry meets, counted from the other end behind the ellipsis.
        let behind = rest.is_some_and(|r| k >= r);
        let n = s[if behind { s.len() - count + k } else { k }];
        entries.push(match rng.below(4) {
            0 if n > 0 => Entry::At(rng.below(2 * n) as isize - n as isize),
            1 if n > 1 && (!distinct || arrays == 0) => {
                arrays += 1;
                let shape = &array_shape[rng.below(3)..];
                let turn = rng.below(n);
                let mut next = 0;
                Entry::Array(T::from_fn(shape, |_| {
                    // Up to four positions; the first n of them differ.
                    next += 1;
                    let at = (turn + next) % n;
                    let at = if distinct || rng.one_in(2) { at } else { rng.below(n) };
                    if rng.one_in(3) { at as f64 - n as f64 } else { at as f64 }
                }))
            }
            _ => {
                let (a, b, c) = random_range(rng, n);
                let open = |rng: &mut Rng, p| if rng.one_in(2) { None } else { Some(p) };
                Entry::Range(open(rng, a), open(rng, b), c)
            }
        });
    }
    entries
}

fn to_index(entry: &Entry) -> Index {
    match entry {
        Entry::At(i) => Index::At(*i),
        Entry::Range(start, stop, step) => Index::Range { start: *start, stop: *stop, step: *step },
        Entry::New => Index::NewAxis,
        Entry::Rest => Index::Ellipsis,
        Entry::Array(t) => Index::Array(crate::harness::array(t).astype(I32).unwrap()),
    }
}

/// NumPy's meaning of an index expression: the result's shape, and for every element of the
/// result the index of the source element, in order.
fn meaning(entries: &[Entry], s: &[usize]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let used = entries.iter().filter(|e| !matches!(e, Entry::New | Entry::Rest)).count();
    let mut flat: Vec<Entry> = Vec::new();
    for e in entries {
        match e {
            Entry::Rest => {
                flat.extend((used..s.len()).map(|_| Entry::Range(None, None, 1)));
            }
            e => flat.push(e.clone()),
        }
    }
    if !entries.iter().any(|e| matches!(e, Entry::Rest)) {
        flat.extend((used..s.len()).map(|_| Entry::Range(None, None, 1)));
    }
    let any_array = flat.iter().any(|e| matches!(e, Entry::Array(_)));
    let advanced =
        |e: &Entry| matches!(e, Entry::Array(_)) || (any_array && matches!(e, Entry::At(_)));
    let shared = flat.iter().fold(vec![], |c, e| match e {
        Entry::Array(t) => common(&c, &t.shape),
        _ => c,
    });
    let places: Vec<usize> = (0..flat.len()).filter(|&i| advanced(&flat[i])).collect();
    let together = places.windows(2).all(|w| w[1] == w[0] + 1);
    // The result's axes: for each its size and the entry it belongs to (none for the arrays').
    let mut axes: Vec<(usize, Option<usize>)> = Vec::new();
    let arrays: Vec<(usize, Option<usize>)> = shared.iter().map(|&n| (n, None)).collect();
    if any_array && !together {
        axes.extend(&arrays);
    }
    let mut source = 0;
    let mut axis_of = vec![usize::MAX; flat.len()];
    for (i, e) in flat.iter().enumerate() {
        if together && places.first() == Some(&i) {
            axes.extend(&arrays);
        }
        match e {
            Entry::New => axes.push((1, Some(i))),
            Entry::Range(a, b, c) => {
                axes.push((positions(s[source], *a, *b, *c).len(), Some(i)));
            }
            _ => {}
        }
        if !matches!(e, Entry::New) {
            axis_of[i] = source;
            source += 1;
        }
    }
    let shape: Vec<usize> = axes.iter().map(|a| a.0).collect();
    let sources = indices(&shape)
        .into_iter()
        .map(|index| {
            let inner: Vec<usize> =
                axes.iter().zip(&index).filter(|(a, _)| a.1.is_none()).map(|(_, &k)| k).collect();
            let along = |i: usize| {
                axes.iter().zip(&index).find(|(a, _)| a.1 == Some(i)).map(|(_, &k)| k).unwrap()
            };
            let mut from = vec![0; s.len()];
            for (i, e) in flat.iter().enumerate() {
                let n = |i: usize| s[axis_of[i]] as isize;
                let wrap = |p: isize, n: isize| (if p < 0 { p + n } else { p }) as usize;
                match e {
                    Entry::At(p) => from[axis_of[i]] = wrap(*p, n(i)),
                    Entry::Range(a, b, c) => {
                        from[axis_of[i]] = positions(s[axis_of[i]], *a, *b, *c)[along(i)];
                    }
                    Entry::Array(t) => {
                        let p = t.broadcast(&shared).at(&inner);
                        from[axis_of[i]] = wrap(p as isize, n(i));
                    }
                    Entry::New | Entry::Rest => {}
                }
            }
            from
        })
        .collect();
    (shape, sources)
}

fn indexing() -> Vec<Row> {
    vec![
        row("slice", |rng| {
            let s = shape(rng);
            let (start, stop, step, at) = random_window(rng, &s);
            case(
                vec![real(rng, &s)],
                move |a| ops::slice(&a[0], &start, &stop, &step),
                move |t| at.iter().enumerate().fold(t[0].clone(), |t, (i, at)| t.select(i, at)),
            )
        }),
        row("slice_update", |rng| {
            let s = shape(rng);
            let (start, stop, step, at) = random_window(rng, &s);
            let part: Vec<usize> = at.iter().map(Vec::len).collect();
            let update = narrower(rng, &part);
            let inputs = vec![real(rng, &s), real(rng, &update)];
            case(
                inputs,
                move |a| ops::slice_update(&a[0], &a[1], &start, &stop, &step),
                move |t| {
                    let (mut out, update) = (t[0].clone(), t[1].broadcast(&part));
                    for i in indices(&part) {
                        let to: Vec<usize> = i.iter().zip(&at).map(|(&k, at)| at[k]).collect();
                        out.set(&to, update.at(&i));
                    }
                    out
                },
            )
        }),
        row("index", |rng| {
            let s = shape(rng);
            let entries = expression(rng, &s, false);
            let index: Vec<Index> = entries.iter().map(to_index).collect();
            case(
                vec![real(rng, &s)],
                move |a| a[0].index(&index),
                move |t| {
                    let (shape, sources) = meaning(&entries, &t[0].shape);
                    T { shape, data: sources.iter().map(|i| t[0].at(i)).collect() }
                },
            )
        }),
        row("index_update", |rng| {
            let (s, entries, value) = loop {
                let s = shape(rng);
                let entries = expression(rng, &s, true);
                let (value, sources) = meaning(&entries, &s);
                // Where positions repeat, which value stays is the next test's.
                let mut unique = sources.clone();
                unique.sort();
                unique.dedup();
                if unique.len() == sources.len() {
                    break (s, entries, value);
                }
            };
            let index: Vec<Index> = entries.iter().map(to_index).collect();
            let update = narrower(rng, &value);
            let inputs = vec![real(rng, &s), real(rng, &update)];
            case(
                inputs,
                move |a| a[0].index_update(&index, &a[1]),
                move |t| {
                    let (shape, sources) = meaning(&entries, &t[0].shape);
                    let (mut out, value) = (t[0].clone(), t[1].broadcast(&shape));
                    sources.iter().zip(&value.data).for_each(|(i, &v)| out.set(i, v));
                    out
                },
            )
        }),
        row("take", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let s: Vec<usize> = s.iter().map(|&n| n.max(1)).collect();
            let flat = rng.one_in(4);
            let n = if flat { s.iter().product() } else { s[axis] } as f64;
            let which = shape_with(rng, |s| s.len() < 3);
            let kind = Kind::As(*rng.pick(&[I32, I64, I16, I8]));
            let inputs = vec![real(rng, &s), Input::new(rng, kind, &which, (-n, n), 0)];
            let run = move |a: &[Array]| ops::take(&a[0], &a[1], (!flat).then_some(signed));
            case(inputs, run, move |t| {
                let (x, axis) = match flat {
                    true => (t[0].reshape(&[t[0].data.len()]), 0),
                    false => (t[0].clone(), axis),
                };
                let n = x.shape[axis];
                let at: Vec<usize> = t[1].data.iter().map(|&i| wrapped(i, n)).collect();
                let shape = [&x.shape[..axis], &t[1].shape, &x.shape[axis + 1..]].concat();
                x.select(axis, &at).reshape(&shape)
            })
        }),
        row("gather", |rng| {
            let (s, axes, sizes, index) = addressed(rng);
            let mut inputs = vec![real(rng, &s)];
            inputs.extend(axes.iter().map(|&a| position_input(rng, &index, s[a], sizes[a])));
            let signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
            let lengths = sizes.clone();
            case(
                inputs,
                move |a| ops::gather(&a[0], &a[1..], &signed, &lengths),
                move |t| {
                    let shape = [&index[..], &sizes].concat();
                    T::from_fn(&shape, |i| {
                        t[0].at(&target(&i, index.len(), &axes, &t[1..], &t[0].shape, &sizes))
                    })
                },
            )
        }),
        scatter("scatter_add", ScatterOp::Add, |old, new| old + new),
        scatter("scatter max", ScatterOp::Max, f64::max).rough(),
        scatter("scatter min", ScatterOp::Min, f64::min).rough(),
        scatter("scatter prod", ScatterOp::Prod, |old, new| old * new).of(&[F64, F32]).rough(),
    ]
}

fn wrapped(i: f64, n: usize) -> usize {
    (if i < 0.0 { i + n as f64 } else { i }) as usize
}

/// A shape without empty axes, some of its axes, sizes of slices, and the index arrays' shape.
fn addressed(rng: &mut Rng) -> (Vec<usize>, Vec<usize>, Vec<usize>, Vec<usize>) {
    let s = shape_with(rng, |s| !s.is_empty() && !s.contains(&0));
    let count = 1 + rng.below(s.len().min(2));
    let axes = permutation(rng, s.len())[..count].to_vec();
    let sizes = s.iter().map(|&n| 1 + rng.below(n)).collect();
    let index = (0..rng.below(3)).map(|_| 1 + rng.below(3)).collect();
    (s, axes, sizes, index)
}

/// Positions at which a slice of `size` fits into `n`.
fn position_input(rng: &mut Rng, shape: &[usize], n: usize, size: usize) -> Input {
    let kind = Kind::As(*rng.pick(&[I32, U8, I64]));
    Input::new(rng, kind, shape, (0.0, (n - size + 1) as f64), 0)
}

/// The element that position `i` of a gather addresses.
fn target(
    i: &[usize],
    lead: usize,
    axes: &[usize],
    index: &[T],
    s: &[usize],
    sizes: &[usize],
) -> Vec<usize> {
    let mut at = i[lead..].to_vec();
    for (&axis, positions) in axes.iter().zip(index) {
        let first = wrapped(positions.at(&i[..lead]), s[axis]);
        assert!(first + sizes[axis] <= s[axis]);
        at[axis] += first;
    }
    at
}

fn scatter(name: &str, op: ScatterOp, meet: fn(f64, f64) -> f64) -> Row {
    let make = move |rng: &mut Rng| {
        let (s, axes, sizes, index) = addressed(rng);
        let updates = [&index[..], &sizes].concat();
        let mut inputs = vec![real(rng, &s), Input::new(rng, Kind::Real, &updates, (-2.0, 2.0), 1)];
        inputs.extend(axes.iter().map(|&a| position_input(rng, &index, s[a], sizes[a])));
        let signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
        case(
            inputs,
            move |a| ops::scatter(op, &a[0], &a[2..], &a[1], &signed),
            move |t| {
                let mut out = t[0].clone();
                for i in indices(&t[1].shape) {
                    let to = target(&i, index.len(), &axes, &t[2..], &t[0].shape, &sizes);
                    let met = meet(out.at(&to), t[1].at(&i));
                    out.set(&to, met);
                }
                out
            },
        )
    };
    row(name, make).of(&[F64, F32, I32, I64]).slack(60.0)
}

fn others() -> Vec<Row> {
    vec![
        row("matmul", |rng| {
            let (m, k, n) = (1 + rng.below(4), rng.below(5), 1 + rng.below(4));
            let batch: Vec<usize> = (0..rng.below(3)).map(|_| 1 + rng.below(3)).collect();
            let (a, b) = (narrower(rng, &batch), narrower(rng, &batch));
            let left = if rng.one_in(5) { vec![k] } else { [&a[..], &[m, k]].concat() };
            let right = if rng.one_in(5) { vec![k] } else { [&b[..], &[k, n]].concat() };
            let inputs = vec![real(rng, &left), real(rng, &right)];
            case(inputs, |a| ops::matmul(&a[0], &a[1]), |t| t[0].matmul(&t[1]))
        })
        .of(FLOATS)
        .slack(60.0)
        .rounds(1.0),
        row("where", |rng| {
            let (s, t) = pair(rng);
            let full = common(&s, &t);
            let condition = narrower(rng, &full);
            let inputs = vec![
                Input::new(rng, Kind::As(Bool), &condition, (0.0, 2.0), 0),
                real(rng, &s),
                real(rng, &t),
            ];
            case(
                inputs,
                |a| ops::select(&a[0], &a[1], &a[2]),
                |t| {
                    let full = common(&common(&t[0].shape, &t[1].shape), &t[2].shape);
                    let [c, a, b] = [0, 1, 2].map(|i| t[i].broadcast(&full));
                    T::from_fn(&full, |i| if c.at(&i) != 0.0 { a.at(&i) } else { b.at(&i) })
                },
            )
        }),
        row("clip", |rng| {
            let s = shape(rng);
            let low = narrower(rng, &s);
            let inputs = vec![real(rng, &s), Input::new(rng, Kind::Real, &low, (-2.0, 0.0), 1)];
            case(
                inputs,
                |a| ops::clip(&a[0], Some((&a[1]).into()), Some(1i64.into())),
                |t| t[0].zip(&t[1], |x, low| x.max(low).min(1.0)),
            )
        })
        .of(SIGNED),
        row("tril", |rng| triangle(rng, true)),
        row("triu", |rng| triangle(rng, false)),
        row("allclose", |rng| {
            let s = shape(rng);
            let inputs = vec![real(rng, &s), real(rng, &s)];
            case(
                inputs,
                |a| ops::allclose(&a[0], &a[1], 0.0, 4.01234, false),
                |t| {
                    let near = t[0].zip(&t[1], |a, b| f64::from((a - b).abs() <= 4.01234));
                    T::full(&[], f64::from(near.data.iter().all(|&x| x != 0.0)))
                },
            )
        })
        .of(&[F64, F32])
        .gives(truth)
        .rough(),
        row("array_equal", |rng| {
            let s = shape_with(rng, |s| s.len() < 2);
            let kind = Kind::As(Bool);
            let input = |rng: &mut Rng| Input::new(rng, kind, &s, (0.0, 2.0), 0);
            let inputs = vec![input(rng), input(rng)];
            case(
                inputs,
                |a| ops::array_equal(&a[0], &a[1], false),
                |t| T::full(&[], f64::from(t[0] == t[1])),
            )
        })
        .gives(truth)
        .rough(),
        row("a layer", |rng| {
            // Several operations in one graph, sharing an argument.
            let (m, k) = (1 + rng.below(3), 1 + rng.below(3));
            let inputs = vec![real(rng, &[m, k]), real(rng, &[k, k]), real(rng, &[k])];
            case(
                inputs,
                |a| {
                    let hidden = ops::add(&ops::matmul(&a[0], &a[1])?, &a[2])?.tanh()?;
                    let gate = ops::softmax(&a[0], -1, true)?;
                    ops::sum(&ops::multiply(&hidden, &gate)?, 0, false)
                },
                |t| {
                    let hidden = t[0].matmul(&t[1]).zip(&t[2], |x, b| (x + b).tanh());
                    let gate = softmax(&t[0], &[1]);
                    hidden.zip(&gate, |a, b| a * b).reduce(&[0], false, |v| v.iter().sum())
                },
            )
        })
        .of(&[F64, F32])
        .slack(60.0),
    ]
}

fn triangle(rng: &mut Rng, lower: bool) -> Case {
    let s = shape_with(rng, |s| s.len() >= 2);
    let k = rng.below(5) as isize - 2;
    let run = move |a: &[Array]| if lower { ops::tril(&a[0], k) } else { ops::triu(&a[0], k) };
    case(vec![real(rng, &s)], run, move |t| {
        T::from_fn(&t[0].shape, |i| {
            let (row, column) = (i[i.len() - 2] as isize, i[i.len() - 1] as isize);
            let keep = if lower { column <= row + k } else { column >= row + k };
            if keep { t[0].at(&i) } else { 0.0 }
        })
    })
}
