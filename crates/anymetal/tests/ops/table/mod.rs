//! The table: one row for each operation, with its oracle.

mod elementwise;
mod indexing;
mod mixed;
mod reductions;
mod shapes;

use anymetal::{Array, Dtype, Result};
use fastrand::Rng;

use crate::oracle::T;

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

/// The operation with its parameters.
pub(crate) type Function = dyn Fn(&[Array]) -> Result<Array>;

/// What it should give.
pub(crate) type Oracle = dyn Fn(&[T]) -> T;

/// One call with its oracle.
pub(crate) struct Case {
    pub(crate) inputs: Vec<Input>,
    pub(crate) run: Box<Function>,
    pub(crate) oracle: Box<Oracle>,
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
            let x = between(rng, low, high);
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
        let n = rng.usize(..5);
        let size = |rng: &mut Rng| if rng.usize(..20) == 0 { 0 } else { 1 + rng.usize(..5) };
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
    let axis = rng.usize(..s.len());
    let signed = if rng.bool() { axis as isize } else { axis as isize - s.len() as isize };
    (s, axis, signed)
}

/// A shape that broadcasts to `full`.
fn narrower(rng: &mut Rng, full: &[usize]) -> Vec<usize> {
    let cut = rng.usize(..full.len() + 1);
    full[cut..].iter().map(|&n| if rng.usize(..3) == 0 { 1 } else { n }).collect()
}

/// Two shapes that broadcast together.
fn pair(rng: &mut Rng) -> (Vec<usize>, Vec<usize>) {
    let full = shape(rng);
    let other = narrower(rng, &full);
    match rng.usize(..4) {
        0 => (full.clone(), full),
        1 => (full, other),
        2 => (other, full),
        _ => (narrower(rng, &full), other),
    }
}

fn real(rng: &mut Rng, shape: &[usize]) -> Input {
    Input::new(rng, Kind::Real, shape, (-3.0, 3.0), 0)
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = elementwise::elementwise();
    rows.extend(elementwise::pairwise());
    rows.extend(reductions::reductions());
    rows.extend(elementwise::casts());
    rows.extend(shapes::rearranging());
    rows.extend(shapes::joining());
    rows.extend(indexing::indexing());
    rows.extend(mixed::others());
    rows
}

fn max_of(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn min_of(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// Uniform in `low..high`.
pub(crate) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.f64()
}

fn permutation(rng: &mut Rng, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    rng.shuffle(&mut order);
    order
}
