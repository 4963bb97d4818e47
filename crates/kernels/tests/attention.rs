//! Attention against a plain `f64` oracle, at every instruction-set level and several thread
//! counts.

use anymetal_kernels::attention::{EmptyRows, Mask, Options, View, attention};
use anymetal_kernels::simd::{Level, available, with_level};
use anymetal_kernels::{Bool, Element, Layout, bf16, f16, par};
use smallvec::smallvec;

/// Splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    /// One of `choices`.
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
    /// Uniform in -1.7 .. 1.7: variance 1.
    fn number(&mut self) -> f64 {
        ((self.next() >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 3.46
    }
}

trait Number: Element {
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
enum Masking {
    None,
    Causal,
    Bool(Vec<Bool>, Layout),
    /// In `f32`, or in the arrays' dtype.
    Additive(Vec<f64>, Layout, bool),
}

#[derive(Clone, Debug)]
struct Case {
    shape: Shape,
    layouts: [Layout; 4],
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    scale: f64,
    mask: Masking,
    window: Option<usize>,
    sinks: Option<Vec<f32>>,
    empty_rows: EmptyRows,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    query_heads: usize,
    key_heads: usize,
    queries: usize,
    keys: usize,
    depth: usize,
    columns: usize,
}

fn at(layout: &Layout, index: [usize; 4]) -> usize {
    let steps = index.iter().zip(&layout.strides).map(|(&i, &s)| i as isize * s).sum();
    layout.offset.checked_add_signed(steps).unwrap()
}

/// Head-major, token-major or with gaps between rows.
fn layout(random: &mut Random, [b, h, t, d]: [usize; 4]) -> (Layout, usize) {
    let (hi, ti, di) = (h as isize, t as isize, d as isize);
    let offset = random.below(3);
    let (strides, len) = match random.below(3) {
        0 => ([hi * ti * di, ti * di, di, 1], b * h * t * d),
        1 => ([ti * hi * di, di, hi * di, 1], b * h * t * d),
        _ => ([hi * ti * (di + 3), ti * (di + 3), di + 3, 1], b * h * t * (d + 3)),
    };
    (Layout { shape: smallvec![b, h, t, d], strides: strides.into(), offset }, len + offset)
}

/// A mask array of the full shape, each axis broadcast or not.
fn mask_layout(random: &mut Random, shape: &Shape) -> (Layout, usize) {
    let full = [shape.batch, shape.query_heads, shape.queries, shape.keys];
    let kind = random.below(6);
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
    let order = if random.below(4) == 0 { [2, 3, 1, 0] } else { [3, 2, 1, 0] };
    for axis in order {
        if kept[axis] {
            strides[axis] = step;
            step *= full[axis].max(1) as isize;
        }
    }
    (Layout { shape: full.into(), strides: strides.into(), offset: 0 }, step as usize)
}

fn case(random: &mut Random, shape: Shape) -> Case {
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = shape;
    let (q_layout, q_len) = layout(random, [batch, query_heads, queries, depth]);
    let (k_layout, k_len) = layout(random, [batch, key_heads, keys, depth]);
    let (v_layout, v_len) = layout(random, [batch, key_heads, keys, columns]);
    let (out_layout, _) = layout(random, [batch, query_heads, queries, columns]);
    let mut array = |n: usize| -> Vec<f64> { (0..n).map(|_| random.number()).collect() };
    let (q, k, v) = (array(q_len), array(k_len), array(v_len));
    let mask = match random.below(6) {
        0 | 1 => Masking::None,
        2 | 3 => Masking::Causal,
        4 => {
            let (layout, len) = mask_layout(random, &shape);
            let rare = random.of(&[2, 4, 50, 1_000_000]);
            // Any byte but 0 is true.
            let mask = (0..len)
                .map(|_| Bool(if random.below(rare) == 0 { 0 } else { random.of(&[1, 1, 255]) }))
                .collect();
            Masking::Bool(mask, layout)
        }
        _ => {
            let (layout, len) = mask_layout(random, &shape);
            let numbers = (0..len)
                .map(|_| match random.below(8) {
                    0 => f64::NEG_INFINITY,
                    1 => -60.0,
                    _ => random.number(),
                })
                .collect();
            Masking::Additive(numbers, layout, random.below(2) == 0)
        }
    };
    // Keys outside the window are skipped, and do not even take part in the mean of a row whose
    // other keys are hidden by an array.
    let window = matches!(mask, Masking::None | Masking::Causal) && random.below(4) == 0;
    Case {
        shape,
        layouts: [q_layout, k_layout, v_layout, out_layout],
        q,
        k,
        v,
        scale: 1.0 / (depth.max(1) as f64).sqrt(),
        mask,
        window: window.then(|| 1 + random.below(keys.max(1))),
        sinks: (random.below(4) == 0)
            .then(|| (0..query_heads).map(|_| random.number() as f32).collect()),
        empty_rows: random.of(&[EmptyRows::Mean, EmptyRows::Mean, EmptyRows::Zero]),
    }
}

/// The result, for each element the weighted mean of |v| and whether its row is empty, and the
/// log-sum-exp.
struct Expected {
    out: Vec<f64>,
    magnitude: Vec<f64>,
    lse: Vec<f64>,
}

fn oracle<E: Number>(case: &Case) -> Expected {
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = case.shape;
    let minimum = if E::DTYPE == f64::DTYPE { f64::MIN } else { f32::MIN as f64 };
    let round = |x: f64| E::from(x).to();
    let [q, k, v] =
        [&case.q, &case.k, &case.v].map(|x| -> Vec<f64> { x.iter().map(|&x| round(x)).collect() });
    let row = |n: usize, index: [usize; 3], len: usize| {
        let first = at(&case.layouts[n], [index[0], index[1], index[2], 0]);
        &[&q, &k, &v][n][first..first + len]
    };
    let mut expected = Expected { out: vec![], magnitude: vec![], lse: vec![] };
    for b in 0..batch {
        for h in 0..query_heads {
            let kh = h / (query_heads / key_heads);
            for i in 0..queries {
                let own = i as isize + keys as isize - queries as isize;
                let mut any = false;
                let mut scores: Vec<f64> = (0..keys)
                    .map(|j| {
                        let mut seen = true;
                        if let Some(window) = case.window {
                            seen &= j as isize > own - window as isize;
                        }
                        let pairs = row(0, [b, h, i], depth).iter().zip(row(1, [b, kh, j], depth));
                        let mut score: f64 = pairs.map(|(q, k)| q * k).sum();
                        score *= case.scale;
                        match &case.mask {
                            Masking::None => {}
                            Masking::Causal => seen &= j as isize <= own,
                            Masking::Bool(mask, layout) => {
                                seen &= mask[at(layout, [b, h, i, j])].get();
                            }
                            Masking::Additive(mask, layout, narrow) => {
                                let x = mask[at(layout, [b, h, i, j])];
                                score += if *narrow { round(x) } else { x as f32 as f64 };
                                if score.is_finite() {
                                    score = score.max(minimum);
                                }
                            }
                        }
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
                expected.lse.push(match case.empty_rows {
                    _ if keys == 0 => sink as f64,
                    EmptyRows::Mean if hidden && sink == f32::NEG_INFINITY => f32::MIN as f64,
                    EmptyRows::Zero if hidden => sink as f64,
                    _ if top == f64::NEG_INFINITY => top,
                    _ => top + sum.ln(),
                });
                let zero = keys == 0 || !any && case.empty_rows == EmptyRows::Zero;
                let (mut out, mut magnitude) = (vec![0.0; columns], vec![0.0; columns]);
                for j in (0..keys).filter(|_| !zero) {
                    for (c, value) in row(2, [b, kh, j], columns).iter().enumerate() {
                        out[c] += weights[j] / sum * value;
                        magnitude[c] += weights[j] / sum * value.abs();
                    }
                }
                expected.out.extend(out);
                expected.magnitude.extend(magnitude);
            }
        }
    }
    expected
}

fn run<E: Number>(case: &Case) -> (Vec<f64>, Vec<f32>) {
    let Shape { batch, query_heads, queries, columns, .. } = case.shape;
    let cast = |x: &[f64]| -> Vec<E> { x.iter().map(|&x| E::from(x)).collect() };
    let (q, k, v) = (cast(&case.q), cast(&case.k), cast(&case.v));
    let out_layout = &case.layouts[3];
    let canary = E::from(777.0);
    let rows = batch * query_heads * queries;
    let mut out = vec![canary; rows * (columns + 3) + 3];
    let mut lse = vec![0.0; rows];
    let (additive32, additive): (Vec<f32>, Vec<E>) = match &case.mask {
        Masking::Additive(mask, ..) => (mask.iter().map(|&x| x as f32).collect(), cast(mask)),
        _ => (vec![], vec![]),
    };
    let mask = match &case.mask {
        Masking::None => Mask::None,
        Masking::Causal => Mask::Causal,
        Masking::Bool(mask, layout) => Mask::Bool(mask, layout),
        Masking::Additive(_, layout, narrow) => {
            let data = if *narrow { E::wrap(&additive) } else { f32::wrap(&additive32) };
            Mask::Additive(View { data, layout })
        }
    };
    let options = Options {
        scale: case.scale,
        mask,
        window: case.window,
        sinks: case.sinks.as_deref(),
        empty_rows: case.empty_rows,
    };
    let [q, k, v] = [(&q, 0), (&k, 1), (&v, 2)]
        .map(|(data, n)| View { data: E::wrap(data), layout: &case.layouts[n] });
    attention(q, k, v, &options, E::wrap_mut(&mut out), out_layout, Some(&mut lse));
    let mut result = vec![];
    for b in 0..batch {
        for h in 0..query_heads {
            for i in 0..queries {
                for c in 0..columns {
                    let x = &mut out[at(out_layout, [b, h, i, c])];
                    result.push(x.to());
                    *x = canary;
                }
            }
        }
    }
    assert!(out.iter().all(|x| x.to() == canary.to()), "wrote between the rows");
    (result, lse)
}

fn check<E: Number>(case: &Case, expected: &Expected, level: Level, threads: usize) {
    let (out, lse) = with_level(level, || par::with_threads(threads, || run::<E>(case)));
    let about = || {
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
    };
    // Scores are sums of D products of size about 1, rounded in the scalar's precision, and their
    // absolute error is the relative error of a probability: 100 roundings of scores below 10
    // leave room. Pairs of `bf16` have probabilities of `bf16`, half an ULP of which is 2^-9; the
    // rounded sum they are divided by doubles that.
    let scalar = if E::DTYPE == f64::DTYPE { f64::ROUNDING } else { f32::ROUNDING };
    let pairs = E::DTYPE == bf16::DTYPE && level == Level::Avx512Bf16;
    let inner = 200.0 * scalar + if pairs { 1.0 / 256.0 } else { 0.0 };
    // Results of the halves may be subnormal.
    let tiny = 1e-7;
    for (n, (&x, &y)) in out.iter().zip(&expected.out).enumerate() {
        let bound = E::ROUNDING * y.abs() + inner * expected.magnitude[n] + tiny * E::ROUNDING;
        let same = x == y || x.is_nan() && y.is_nan();
        assert!(same || (x - y).abs() <= bound, "element {n}: {x} for {y}, {}", about());
    }
    for (n, (&x, &y)) in lse.iter().zip(&expected.lse).enumerate() {
        let x = x as f64;
        let bound = inner + 4.0 * f32::ROUNDING * y.abs();
        assert!(
            x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= bound,
            "log-sum-exp {n}: {x} for {y}, {}",
            about()
        );
    }
}

fn check_levels<E: Number>(case: &Case, levels: &[Level], threads: &[usize]) {
    let expected = oracle::<E>(case);
    for &level in levels {
        for &threads in threads {
            check::<E>(case, &expected, level, threads);
        }
    }
}

fn check_everywhere(case: &Case, threads: &[usize]) {
    let levels = available();
    check_levels::<f32>(case, &levels, threads);
    check_levels::<f16>(case, &levels, threads);
    check_levels::<bf16>(case, &levels, threads);
    check_levels::<f64>(case, &[Level::Portable], &threads[..1]);
}

fn random_shape(random: &mut Random) -> Shape {
    let key_heads = random.of(&[1, 1, 2, 3]);
    let depth = random.of(&[64, 32, 128, 1, 7, 33, 16, 40]);
    Shape {
        batch: random.of(&[1, 1, 2]),
        query_heads: key_heads * random.of(&[1, 1, 2, 3, 4]),
        key_heads,
        queries: random.of(&[1, 2, 5, 16, 17, 40, 70]),
        keys: random.of(&[1, 2, 9, 31, 64, 65, 130, 300]),
        depth,
        columns: if random.below(3) == 0 { random.of(&[64, 5, 24, 1]) } else { depth },
    }
}

#[test]
fn random_cases() {
    for seed in 0..250 {
        let mut random = Random(seed);
        let shape = random_shape(&mut random);
        let case = case(&mut random, shape);
        let drawn = [random.of(&[1, 2, 5])];
        let full = std::env::var_os("ANYMETAL_TEST_FULL").is_some();
        let threads: &[usize] = if full { &[1, 2, 5] } else { &drawn };
        let result = std::panic::catch_unwind(|| check_everywhere(&case, threads));
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn decoding() {
    for seed in 1000..1080 {
        let mut random = Random(seed);
        let key_heads = random.of(&[1, 2]);
        let shape = Shape {
            batch: 1,
            query_heads: key_heads * random.of(&[1, 2, 3, 4, 5, 8]),
            key_heads,
            queries: 1,
            keys: random.of(&[1, 3, 127, 300, 1025]),
            depth: random.of(&[32, 64, 128, 80]),
            columns: random.of(&[64, 128, 96]),
        };
        let case = case(&mut random, shape);
        let threads = [random.of(&[1, 2, 5])];
        let result = std::panic::catch_unwind(|| check_everywhere(&case, &threads));
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn large_heads() {
    for (seed, (depth, columns)) in
        [(512, 512), (256, 96), (192, 128), (100, 300), (576, 512)].into_iter().enumerate()
    {
        for queries in [1, 53] {
            let mut random = Random(2000 + seed as u64);
            let shape = Shape {
                batch: 1,
                query_heads: 4,
                key_heads: 2,
                queries,
                keys: 150,
                depth,
                columns,
            };
            check_everywhere(&case(&mut random, shape), &[1, 2]);
        }
    }
}

#[test]
fn empty_arrays() {
    let full =
        Shape { batch: 2, query_heads: 4, key_heads: 2, queries: 3, keys: 5, depth: 8, columns: 8 };
    let shapes = [
        Shape { batch: 0, ..full },
        Shape { query_heads: 0, ..full },
        Shape { queries: 0, ..full },
        Shape { keys: 0, ..full },
        Shape { depth: 0, ..full },
        Shape { columns: 0, ..full },
    ];
    for (seed, shape) in shapes.iter().cycle().take(60).enumerate() {
        check_everywhere(&case(&mut Random(seed as u64), *shape), &[1, 2]);
    }
}

const SMALL: Shape =
    Shape { batch: 1, query_heads: 4, key_heads: 2, queries: 20, keys: 70, depth: 32, columns: 32 };

/// A case with plain layouts and no mask.
fn plain(shape: Shape) -> Case {
    let mut random = Random(7);
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = shape;
    let mut array = |n: usize| -> Vec<f64> { (0..n).map(|_| random.number()).collect() };
    let shapes = [
        [batch, query_heads, queries, depth],
        [batch, key_heads, keys, depth],
        [batch, key_heads, keys, columns],
        [batch, query_heads, queries, columns],
    ];
    Case {
        shape,
        q: array(shapes[0].iter().product()),
        k: array(shapes[1].iter().product()),
        v: array(shapes[2].iter().product()),
        layouts: shapes.map(|shape| Layout::contiguous(&shape)),
        scale: 0.2,
        mask: Masking::None,
        window: None,
        sinks: None,
        empty_rows: EmptyRows::Mean,
    }
}

/// The same with few rows, for the kernels of decoding.
fn both(change: impl Fn(&mut Case)) {
    for shape in [SMALL, Shape { queries: 1, ..SMALL }] {
        let mut case = plain(shape);
        change(&mut case);
        check_everywhere(&case, &[1, 2]);
    }
}

#[test]
fn hidden_rows_are_means_and_with_sinks_zero() {
    let hide = |case: &mut Case| {
        let layout = Layout { strides: [0; 4].into(), ..mask_of(case) };
        case.mask = Masking::Bool(vec![Bool(0)], layout);
    };
    both(hide);
    both(|case| {
        hide(case);
        case.sinks = Some(vec![0.5; case.shape.query_heads]);
    });
    both(|case| {
        hide(case);
        case.sinks = Some(vec![f32::NEG_INFINITY; case.shape.query_heads]);
    });
    both(|case| {
        hide(case);
        case.empty_rows = EmptyRows::Zero;
    });
    // More queries than keys: the first see nothing.
    for keys in [3, 12] {
        let mut case = plain(Shape { queries: 130, keys, ..SMALL });
        case.mask = Masking::Causal;
        check_everywhere(&case, &[1, 2]);
    }
}

fn mask_of(case: &Case) -> Layout {
    let Shape { batch, query_heads, queries, keys, .. } = case.shape;
    Layout::contiguous(&[batch, query_heads, queries, keys])
}

#[test]
fn additive_infinities() {
    for empty_rows in [EmptyRows::Mean, EmptyRows::Zero] {
        both(|case| {
            let layout = Layout { strides: [0; 4].into(), ..mask_of(case) };
            case.mask = Masking::Additive(vec![f64::NEG_INFINITY], layout, false);
            case.empty_rows = empty_rows;
        });
    }
    // The finite minimum and other large numbers leave the mean.
    for number in [f32::MIN as f64, -1e30] {
        for level in available() {
            let mut case = plain(SMALL);
            let layout = Layout { strides: [0; 4].into(), ..mask_of(&case) };
            case.mask = Masking::Additive(vec![number], layout, false);
            let (out, _) = with_level(level, || run::<f32>(&case));
            let mean: f64 = (0..70).map(|j| case.v[j * 32] as f32 as f64).sum::<f64>() / 70.0;
            assert!((out[0] - mean).abs() < 1e-6, "{} for {mean}", out[0]);
        }
    }
}

#[test]
fn infinite_scores_from_the_data() {
    // Key 3 has score minus infinity for positive queries, infinity for negative ones.
    for sign in [1.0, -1.0] {
        both(|case| {
            case.q.iter_mut().for_each(|x| *x = x.abs() + 0.1);
            case.k[3 * 32 + 5] = -sign * f64::INFINITY;
        });
    }
    // All keys.
    both(|case| {
        case.q.iter_mut().for_each(|x| *x = x.abs() + 0.1);
        case.k.iter_mut().step_by(32).for_each(|x| *x = f64::NEG_INFINITY);
    });
}

#[test]
fn nan_reaches_the_rows_that_see_it() {
    both(|case| case.q[5] = f64::NAN);
    both(|case| case.k[40 * 32 + 1] = f64::NAN);
    both(|case| case.v[69 * 32 + 1] = f64::NAN);
    // Another payload than the usual one.
    both(|case| case.q[5] = f64::from_bits(0x7ff8_0000_2000_0000));
    // A hidden key's NaN is hidden.
    both(|case| {
        case.k[40 * 32 + 1] = f64::NAN;
        let layout = mask_of(case);
        let keys = case.shape.keys;
        let mask = (0..layout.len()).map(|n| Bool::from(n % keys != 40)).collect();
        case.mask = Masking::Bool(mask, layout);
    });
    // A sink of infinity makes NaN.
    both(|case| case.sinks = Some(vec![f32::INFINITY; 4]));
}

#[test]
fn results_do_not_depend_on_timing() {
    let mut random = Random(3);
    let shape = Shape { queries: 150, keys: 700, ..SMALL };
    let case = case(&mut random, shape);
    for level in available() {
        let once = || with_level(level, || par::with_threads(3, || run::<f32>(&case)));
        let first = once();
        for _ in 0..3 {
            let again = once();
            assert!(first.0.iter().zip(&again.0).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
