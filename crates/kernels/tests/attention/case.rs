//! Random attentions, and what they give in `f64`.

use crate::random::{cases, signed};
use anymetal_kernels::attention::{EmptyRows, Mask, Options};
use anymetal_kernels::simd::Level;
use anymetal_kernels::{Bool, Element, Layout, View, bf16, f16};
use fastrand::Rng;
use smallvec::smallvec;

/// Uniform with a variance of 1.
pub(crate) fn number(rng: &mut Rng) -> f64 {
    3f64.sqrt() * signed(rng)
}

pub(crate) trait Number: Element {
    fn to(self) -> f64;
    fn from(x: f64) -> Self;
    /// Half a unit in the last place of 1: the error of one rounding.
    const ROUNDING: f64;
}
impl Number for f32 {
    fn to(self) -> f64 {
        self as f64
    }
    fn from(x: f64) -> Self {
        x as f32
    }
    const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;
}
impl Number for f64 {
    fn to(self) -> f64 {
        self
    }
    fn from(x: f64) -> Self {
        x
    }
    const ROUNDING: f64 = f64::EPSILON / 2.0;
}
impl Number for f16 {
    fn to(self) -> f64 {
        self.to_f64()
    }
    fn from(x: f64) -> Self {
        f16::from_f64(x)
    }
    const ROUNDING: f64 = 1.0 / 2048.0;
}
impl Number for bf16 {
    fn to(self) -> f64 {
        self.to_f64()
    }
    fn from(x: f64) -> Self {
        bf16::from_f64(x)
    }
    const ROUNDING: f64 = 1.0 / 256.0;
}

#[derive(Clone, Debug)]
pub(crate) enum Masking {
    None,
    Causal,
    Bool(Vec<Bool>, Layout),
    /// In `f32`, or in the arrays' dtype.
    Additive(Vec<f64>, Layout, bool),
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) layouts: [Layout; 4],
    pub(crate) q: Vec<f64>,
    pub(crate) k: Vec<f64>,
    pub(crate) v: Vec<f64>,
    pub(crate) scale: f64,
    pub(crate) mask: Masking,
    pub(crate) window: Option<usize>,
    pub(crate) sinks: Option<Vec<f32>>,
    pub(crate) empty_rows: EmptyRows,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) query_heads: usize,
    pub(crate) key_heads: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
}

pub(crate) fn at(layout: &Layout, index: [usize; 4]) -> usize {
    let steps = index.iter().zip(&layout.strides).map(|(&i, &s)| i as isize * s).sum();
    layout.offset.checked_add_signed(steps).unwrap()
}

/// Head-major, token-major or with gaps between rows.
pub(crate) fn layout(rng: &mut Rng, [b, h, t, d]: [usize; 4]) -> (Layout, usize) {
    let (hi, ti, di) = (h as isize, t as isize, d as isize);
    let offset = rng.usize(..3);
    let (strides, len) = match rng.usize(..3) {
        0 => ([hi * ti * di, ti * di, di, 1], b * h * t * d),
        1 => ([ti * hi * di, di, hi * di, 1], b * h * t * d),
        _ => ([hi * ti * (di + 3), ti * (di + 3), di + 3, 1], b * h * t * (d + 3)),
    };
    (Layout { shape: smallvec![b, h, t, d], strides: strides.into(), offset }, len + offset)
}

/// A mask array of the full shape, each axis broadcast or not.
pub(crate) fn mask_layout(rng: &mut Rng, shape: &Shape) -> (Layout, usize) {
    let full = [shape.batch, shape.query_heads, shape.queries, shape.keys];
    let kind = rng.usize(..6);
    let kept = match kind {
        0 => [true; 4],
        1 => [false, false, true, true],
        2 => [true, false, false, true],
        3 => [false, true, true, false],
        4 => [false, true, false, true],
        _ => [true, false, true, true],
    };
    let mut strides = [0isize; 4];
    let mut step = 1;
    // Keys are not always neighbours.
    let order = if rng.usize(..4) == 0 { [2, 3, 1, 0] } else { [3, 2, 1, 0] };
    for axis in order {
        if kept[axis] {
            strides[axis] = step;
            step *= full[axis].max(1) as isize;
        }
    }
    (Layout { shape: full.into(), strides: strides.into(), offset: 0 }, step as usize)
}

pub(crate) fn case(rng: &mut Rng, shape: Shape) -> Case {
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = shape;
    let (q_layout, q_len) = layout(rng, [batch, query_heads, queries, depth]);
    let (k_layout, k_len) = layout(rng, [batch, key_heads, keys, depth]);
    let (v_layout, v_len) = layout(rng, [batch, key_heads, keys, columns]);
    let (out_layout, _) = layout(rng, [batch, query_heads, queries, columns]);
    let mut array = |n: usize| -> Vec<f64> { (0..n).map(|_| number(rng)).collect() };
    let (q, k, v) = (array(q_len), array(k_len), array(v_len));
    let mask = match rng.usize(..6) {
        0 | 1 => Masking::None,
        2 | 3 => Masking::Causal,
        4 => {
            let (layout, len) = mask_layout(rng, &shape);
            let rare = rng.choice([2, 4, 50, 1_000_000]).unwrap();
            // Any byte but 0 is true.
            let mask = (0..len)
                .map(|_| {
                    Bool(if rng.usize(..rare) == 0 { 0 } else { rng.choice([1, 1, 255]).unwrap() })
                })
                .collect();
            Masking::Bool(mask, layout)
        }
        _ => {
            let (layout, len) = mask_layout(rng, &shape);
            let numbers = (0..len)
                .map(|_| match rng.usize(..8) {
                    0 => f64::NEG_INFINITY,
                    1 => -60.0,
                    _ => number(rng),
                })
                .collect();
            Masking::Additive(numbers, layout, rng.bool())
        }
    };
    // Keys outside the window are skipped, and do not even take part in the mean of a row whose
    // other keys are hidden by an array.
    let window = matches!(mask, Masking::None | Masking::Causal) && rng.usize(..4) == 0;
    Case {
        shape,
        layouts: [q_layout, k_layout, v_layout, out_layout],
        q,
        k,
        v,
        scale: 1.0 / (depth.max(1) as f64).sqrt(),
        mask,
        window: window.then(|| 1 + rng.usize(..keys.max(1))),
        sinks: (rng.usize(..4) == 0)
            .then(|| (0..query_heads).map(|_| number(rng) as f32).collect()),
        empty_rows: rng.choice([EmptyRows::Mean, EmptyRows::Mean, EmptyRows::Zero]).unwrap(),
    }
}

/// A row of probabilities.
pub(crate) struct Row {
    /// Of the keys.
    pub(crate) keys: Vec<f64>,
    /// Of the sink.
    pub(crate) sink: f64,
    /// Whether each key's score depends on its product with the query.
    pub(crate) live: Vec<bool>,
    /// Logarithm of the sum of exponentials; infinity if the result is zero for want of keys.
    pub(crate) lse: f64,
}

/// q, k and v as `E` holds them.
pub(crate) fn rounded<E: Number>(case: &Case) -> [Vec<f64>; 3] {
    [&case.q, &case.k, &case.v].map(|x| x.iter().map(|&x| E::from(x).to()).collect())
}

/// Row `index` of array `n` of q, k, v and the output.
pub(crate) fn row<'a>(case: &Case, data: &'a [f64], n: usize, index: [usize; 3]) -> &'a [f64] {
    let layout = &case.layouts[n];
    let first = at(layout, [index[0], index[1], index[2], 0]);
    &data[first..first + layout.shape[3]]
}

/// The probabilities of query `i` of head `h` of batch `b`.
pub(crate) fn probabilities<E: Number>(
    case: &Case,
    [q, k]: [&[f64]; 2],
    [b, h, i]: [usize; 3],
) -> Row {
    let Shape { query_heads, key_heads, queries, keys, .. } = case.shape;
    let minimum = if E::DTYPE == f64::DTYPE { f64::MIN } else { f32::MIN as f64 };
    let key_head = h / (query_heads / key_heads);
    let own = i as isize + keys as isize - queries as isize;
    let (mut any, mut live) = (false, vec![]);
    let mut scores: Vec<f64> = (0..keys)
        .map(|j| {
            let mut seen = true;
            if let Some(window) = case.window {
                seen &= j as isize > own - window as isize;
            }
            let query = row(case, q, 0, [b, h, i]);
            let pairs = query.iter().zip(row(case, k, 1, [b, key_head, j]));
            let mut score: f64 = pairs.map(|(q, k)| q * k).sum();
            score *= case.scale;
            match &case.mask {
                Masking::None => {}
                Masking::Causal => seen &= j as isize <= own,
                Masking::Bool(mask, layout) => seen &= mask[at(layout, [b, h, i, j])].get(),
                Masking::Additive(mask, layout, narrow) => {
                    let x = mask[at(layout, [b, h, i, j])];
                    score += if *narrow { E::from(x).to() } else { x as f32 as f64 };
                    if score.is_finite() {
                        score = score.max(minimum);
                    }
                }
            }
            live.push(seen);
            any |= seen && score != f64::NEG_INFINITY;
            if seen { score } else { minimum }
        })
        .collect();
    let hidden = !any && scores.contains(&minimum);
    if let Some(sinks) = &case.sinks {
        scores.push(sinks[h] as f64);
    }
    let larger = |a: f64, &b: &f64| if b.is_nan() || b > a { b } else { a };
    let top = scores.iter().fold(f64::NEG_INFINITY, larger);
    let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let sink = case.sinks.as_ref().map_or(f32::NEG_INFINITY, |sinks| sinks[h]);
    let lse = match case.empty_rows {
        _ if keys == 0 => sink as f64,
        EmptyRows::Zero if !any => f64::INFINITY,
        // The minimum counts in units of log 2.
        EmptyRows::Mean if hidden && sink == f32::NEG_INFINITY => minimum * std::f64::consts::LN_2,
        _ if top == f64::NEG_INFINITY => top,
        _ => top + sum.ln(),
    };
    let zero = keys == 0 || lse == f64::INFINITY && !any;
    let share = |weight: &f64| if zero { 0.0 } else { weight / sum };
    let sink = if case.sinks.is_some() { weights.last().map_or(0.0, share) } else { 0.0 };
    Row { keys: weights[..keys].iter().map(share).collect(), sink, live, lse }
}

/// The result, for each element the weighted mean of |v|, and the log-sum-exp.
pub(crate) struct Expected {
    pub(crate) out: Vec<f64>,
    pub(crate) magnitude: Vec<f64>,
    pub(crate) lse: Vec<f64>,
}

pub(crate) fn oracle<E: Number>(case: &Case) -> Expected {
    let Shape { batch, query_heads, key_heads, queries, columns, .. } = case.shape;
    let [q, k, v] = rounded::<E>(case);
    let mut expected = Expected { out: vec![], magnitude: vec![], lse: vec![] };
    for b in 0..batch {
        for h in 0..query_heads {
            for i in 0..queries {
                let Row { keys, lse, .. } = probabilities::<E>(case, [&q, &k], [b, h, i]);
                let (mut out, mut magnitude) = (vec![0.0; columns], vec![0.0; columns]);
                let zero = lse == f64::INFINITY && keys.iter().all(|&p| p == 0.0);
                for (j, p) in keys.iter().enumerate().filter(|_| !zero) {
                    let values = row(case, &v, 2, [b, h / (query_heads / key_heads), j]);
                    for (c, value) in values.iter().enumerate() {
                        out[c] += p * value;
                        magnitude[c] += p * value.abs();
                    }
                }
                expected.out.extend(out);
                expected.magnitude.extend(magnitude);
                expected.lse.push(lse);
            }
        }
    }
    expected
}

/// A case's arrays of `E`.
pub(crate) struct Arrays<'a, E> {
    case: &'a Case,
    data: [Vec<E>; 3],
    /// An additive mask in `f32` and in `E`.
    additive: (Vec<f32>, Vec<E>),
}

impl<'a, E: Number> Arrays<'a, E> {
    pub(crate) fn new(case: &'a Case) -> Self {
        let cast = |x: &[f64]| -> Vec<E> { x.iter().map(|&x| E::from(x)).collect() };
        let additive = match &case.mask {
            Masking::Additive(mask, ..) => (mask.iter().map(|&x| x as f32).collect(), cast(mask)),
            _ => (vec![], vec![]),
        };
        Arrays { case, data: [cast(&case.q), cast(&case.k), cast(&case.v)], additive }
    }

    /// q, k and v.
    pub(crate) fn views(&self) -> [View<'_>; 3] {
        [0, 1, 2].map(|n| View { data: E::wrap(&self.data[n]), layout: &self.case.layouts[n] })
    }

    pub(crate) fn options(&self) -> Options<'_> {
        let mask = match &self.case.mask {
            Masking::None => Mask::None,
            Masking::Causal => Mask::Causal,
            Masking::Bool(mask, layout) => Mask::Bool(mask, layout),
            Masking::Additive(_, layout, narrow) => {
                let (wide, own) = &self.additive;
                let data = if *narrow { E::wrap(own) } else { f32::wrap(wide) };
                Mask::Additive(View { data, layout })
            }
        };
        Options {
            scale: self.case.scale,
            mask,
            window: self.case.window,
            sinks: self.case.sinks.as_deref(),
            empty_rows: self.case.empty_rows,
        }
    }
}

/// A case in words.
pub(crate) fn about<E: Number>(case: &Case, level: Level, threads: usize) -> String {
    let Case { shape, mask, window, sinks, empty_rows, .. } = case;
    let kind = match mask {
        Masking::None => "none",
        Masking::Causal => "causal",
        Masking::Bool(..) => "bool",
        Masking::Additive(..) => "additive",
    };
    format!(
        "{} {level:?} {threads} threads {shape:?} {kind} {window:?} {sinks:?} {empty_rows:?}",
        E::DTYPE
    )
}

fn random_shape(rng: &mut Rng) -> Shape {
    let key_heads = rng.choice([1, 1, 2, 3]).unwrap();
    let depth = rng.choice([64, 32, 128, 1, 7, 33, 16, 40]).unwrap();
    Shape {
        batch: rng.choice([1, 1, 2]).unwrap(),
        query_heads: key_heads * rng.choice([1, 1, 2, 3, 4]).unwrap(),
        key_heads,
        queries: rng.choice([1, 2, 5, 16, 17, 40, 70]).unwrap(),
        keys: rng.choice([1, 2, 9, 31, 64, 65, 130, 300]).unwrap(),
        depth,
        columns: if rng.usize(..3) == 0 { rng.choice([64, 5, 24, 1]).unwrap() } else { depth },
    }
}

/// Runs a check with `n` random cases, each on a random number of threads (with
/// `ANYMETAL_TEST_FULL` on several).
pub(crate) fn random_attentions(n: u64, check: impl Fn(&mut Rng, &Case, &[usize])) {
    let full = std::env::var_os("ANYMETAL_TEST_FULL").is_some();
    cases(n, |rng| {
        let shape = random_shape(rng);
        let case = case(rng, shape);
        let drawn = [rng.choice([1, 2, 5]).unwrap()];
        check(rng, &case, if full { &[1, 2, 5] } else { &drawn });
    });
}

pub(crate) const SMALL: Shape =
    Shape { batch: 1, query_heads: 4, key_heads: 2, queries: 20, keys: 70, depth: 32, columns: 32 };

/// Row-major layouts of q, k, v and the output.
pub(crate) fn contiguous(shape: Shape) -> [Layout; 4] {
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = shape;
    [
        [batch, query_heads, queries, depth],
        [batch, key_heads, keys, depth],
        [batch, key_heads, keys, columns],
        [batch, query_heads, queries, columns],
    ]
    .map(|shape| Layout::contiguous(&shape))
}

/// A case with plain layouts and no mask.
pub(crate) fn plain(rng: &mut Rng, shape: Shape) -> Case {
    let layouts = contiguous(shape);
    let mut array = |n: usize| -> Vec<f64> { (0..layouts[n].len()).map(|_| number(rng)).collect() };
    Case {
        shape,
        q: array(0),
        k: array(1),
        v: array(2),
        layouts,
        scale: 0.2,
        mask: Masking::None,
        window: None,
        sinks: None,
        empty_rows: EmptyRows::Mean,
    }
}

pub(crate) fn mask_of(case: &Case) -> Layout {
    let Shape { batch, query_heads, queries, keys, .. } = case.shape;
    Layout::contiguous(&[batch, query_heads, queries, keys])
}

/// Shapes with one size 0.
pub(crate) const EMPTY: [Shape; 6] = {
    let full =
        Shape { batch: 2, query_heads: 4, key_heads: 2, queries: 3, keys: 5, depth: 8, columns: 8 };
    [
        Shape { batch: 0, ..full },
        Shape { query_heads: 0, ..full },
        Shape { queries: 0, ..full },
        Shape { keys: 0, ..full },
        Shape { depth: 0, ..full },
        Shape { columns: 0, ..full },
    ]
};
