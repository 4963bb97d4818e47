//! The gradients against those of the oracle, whose formula is itself checked by finite
//! differences.

use super::case::*;
use crate::random::{cases, fresh};
use anymetal_kernels::attention::{EmptyRows, Gradients, attention, attention_grad};
use anymetal_kernels::simd::{Level, available, with_level};
use anymetal_kernels::{Bool, Element, Layout, View, bf16, f16, par};
use fastrand::Rng;

/// Gradients of q, k, v (row-major) and sinks, and how far rounding may move each element, in
/// units of a rounding in `f32` and of one of the output in `E`.
#[derive(Default)]
struct Expected {
    gradients: [Vec<f64>; 4],
    inner: [Vec<f64>; 4],
    outer: [Vec<f64>; 4],
}

/// A cotangent, row-major.
fn cotangent(rng: &mut Rng, shape: Shape) -> Vec<f64> {
    let Shape { batch, query_heads, queries, columns, .. } = shape;
    (0..batch * query_heads * queries * columns).map(|_| number(rng)).collect()
}

fn expected<E: Number>(case: &Case, g: &[f64]) -> Expected {
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = case.shape;
    let [q, k, v] = rounded::<E>(case);
    let lengths = [
        batch * query_heads * queries * depth,
        batch * key_heads * keys * depth,
        batch * key_heads * keys * columns,
        query_heads,
    ];
    let zeros = || lengths.map(|n| vec![0.0; n]);
    let mut all = Expected { gradients: zeros(), inner: zeros(), outer: zeros() };
    for b in 0..batch {
        for h in 0..query_heads {
            let key_head = h / (query_heads / key_heads);
            for i in 0..queries {
                let p = probabilities::<E>(case, [&q, &k], [b, h, i]);
                let n = (b * query_heads + h) * queries + i;
                let g: Vec<f64> =
                    g[n * columns..][..columns].iter().map(|&x| E::from(x).to()).collect();
                let values = |j: usize| row(case, &v, 2, [b, key_head, j]);
                // Per key, the product of its value with `g`, and the sum of its terms' sizes.
                let products: Vec<[f64; 2]> = (0..keys)
                    .map(|j| {
                        let terms = values(j).iter().zip(&g).map(|(v, g)| v * g);
                        terms.fold([0.0; 2], |[sum, size], x| [sum + x, size + x.abs()])
                    })
                    .collect();
                let [mut dot, mut dot_size] = [0.0; 2];
                let mut out = vec![0.0; columns];
                for (j, p) in p.keys.iter().enumerate() {
                    dot += p * products[j][0];
                    dot_size += p * products[j][1];
                    out.iter_mut().zip(values(j)).for_each(|(out, v)| *out += p * v);
                }
                // What rounding the output does to the sum of its products with `g`.
                let dot_outer: f64 = out.iter().zip(&g).map(|(out, g)| (out * g).abs()).sum();
                let mut add = |which: usize, at: usize, [x, inner, outer]: [f64; 3]| {
                    all.gradients[which][at] += x;
                    all.inner[which][at] += inner;
                    all.outer[which][at] += outer;
                };
                add(3, h, [-p.sink * dot, p.sink * dot_size, p.sink * dot_outer]);
                let query = row(case, &q, 0, [b, h, i]);
                for (j, product) in products.iter().enumerate() {
                    let key = row(case, &k, 1, [b, key_head, j]);
                    let live = if p.live[j] { p.keys[j] * case.scale } else { 0.0 };
                    let slope = [
                        if p.live[j] { live * (product[0] - dot) } else { 0.0 },
                        live * (product[1] + dot_size),
                        live * dot_outer,
                    ];
                    let m = (b * key_heads + key_head) * keys + j;
                    for d in 0..depth {
                        // An error has no sign.
                        let by = |x: f64| [slope[0] * x, slope[1] * x.abs(), slope[2] * x.abs()];
                        add(0, n * depth + d, by(key[d]));
                        add(1, m * depth + d, by(query[d]));
                    }
                    for (c, g) in g.iter().enumerate() {
                        add(2, m * columns + c, [p.keys[j] * g, p.keys[j] * g.abs(), 0.0]);
                    }
                }
            }
        }
    }
    all
}

fn run<E: Number>(case: &Case, g: &[f64], wanted: [bool; 4]) -> [Vec<f64>; 4] {
    let Shape { batch, query_heads, key_heads, queries, keys, depth, columns } = case.shape;
    let arrays = Arrays::<E>::new(case);
    let ([q, k, v], options) = (arrays.views(), arrays.options());
    let rows = batch * query_heads * queries;
    let out_layout = &case.layouts[3];
    let mut out = vec![E::from(0.0); rows * (columns + 3) + 3];
    let mut stats = vec![0.0; 2 * rows];
    attention(q, k, v, &options, E::wrap_mut(&mut out), out_layout, Some(&mut stats));
    // The cotangent has gaps between its rows.
    let step = columns + 5;
    let mut spread = vec![E::from(99.0); rows * step];
    for (row, g) in spread.chunks_mut(step).zip(g.chunks(columns.max(1))) {
        row.iter_mut().zip(g).for_each(|(x, &g)| *x = E::from(g));
    }
    let mut g_layout = Layout::contiguous(&[batch, query_heads, queries, step]);
    g_layout.shape[3] = columns;
    let canary = E::from(777.0);
    let mut gradients = [
        rows * depth * usize::from(wanted[0]),
        batch * key_heads * keys * depth * usize::from(wanted[1]),
        batch * key_heads * keys * columns * usize::from(wanted[2]),
    ]
    .map(|n| vec![canary; n]);
    let mut sinks = vec![777.0f32; query_heads];
    let [dq, dk, dv] = &mut gradients;
    attention_grad(
        [q, k, v],
        &options,
        (View { data: E::wrap(&out), layout: out_layout }, &stats),
        View { data: E::wrap(&spread), layout: &g_layout },
        Gradients {
            q: wanted[0].then(|| E::wrap_mut(dq)),
            k: wanted[1].then(|| E::wrap_mut(dk)),
            v: wanted[2].then(|| E::wrap_mut(dv)),
            sinks: wanted[3].then_some(&mut sinks),
        },
    );
    let [q, k, v] = gradients.map(|x| x.into_iter().map(E::to).collect());
    let sinks = if wanted[3] { sinks.into_iter().map(|x| x as f64).collect() } else { vec![] };
    [q, k, v, sinks]
}

fn check<E: Number>(
    case: &Case,
    g: &[f64],
    wanted: [bool; 4],
    expected: &Expected,
    (level, threads): (Level, usize),
) {
    let found = with_level(level, || par::with_threads(threads, || run::<E>(case, g, wanted)));
    // As for the output: scores have an absolute error of up to 200 roundings, which is the
    // relative error of a probability. With pairs of `bf16` the output, and with it the mean of
    // the products, has the error of probabilities rounded to `bf16`.
    let inner = 200.0 * f32::ROUNDING;
    let pairs = E::DTYPE == bf16::DTYPE && level == Level::Avx512Bf16;
    let outer = E::ROUNDING;
    for which in (0..4).filter(|&w| wanted[w]) {
        let rounding = if which == 3 { f32::ROUNDING } else { E::ROUNDING };
        for (n, (&x, &y)) in found[which].iter().zip(&expected.gradients[which]).enumerate() {
            let mut bound = rounding * y.abs()
                + inner * expected.inner[which][n]
                + outer * expected.outer[which][n];
            if pairs {
                bound += expected.inner[which][n] / 256.0;
            }
            if E::DTYPE == f16::DTYPE {
                // Half a step of subnormal results.
                bound += 2f64.powi(-25);
            }
            let same = x == y || x.is_nan() && y.is_nan();
            assert!(
                same || (x - y).abs() <= bound,
                "gradient of {}, element {n}: {x} for {y}, bound {bound}, {}",
                ["q", "k", "v", "sinks"][which],
                about::<E>(case, level, threads)
            );
        }
    }
}

fn check_levels<E: Number>(case: &Case, g: &[f64], wanted: [bool; 4], threads: &[usize]) {
    let expected = expected::<E>(case, g);
    for level in available() {
        for &threads in threads {
            check::<E>(case, g, wanted, &expected, (level, threads));
        }
    }
}

fn check_everywhere(rng: &mut Rng, case: &Case, threads: &[usize]) {
    let g = cotangent(rng, case.shape);
    let mut wanted = [0; 4].map(|_| rng.usize(..5) > 0);
    wanted[3] &= case.sinks.is_some();
    check_levels::<f32>(case, &g, wanted, threads);
    check_levels::<f16>(case, &g, wanted, threads);
    check_levels::<bf16>(case, &g, wanted, threads);
}

/// The oracle's formula, in `f64` throughout.
#[test]
fn the_formula_is_the_difference_quotient() {
    cases(40, |rng| {
        let key_heads = rng.choice([1, 2]).unwrap();
        let shape = Shape {
            batch: rng.choice([1, 2]).unwrap(),
            query_heads: key_heads * rng.choice([1, 2]).unwrap(),
            key_heads,
            queries: rng.choice([1, 3, 6]).unwrap(),
            keys: rng.choice([1, 4, 7]).unwrap(),
            depth: rng.choice([1, 3]).unwrap(),
            columns: rng.choice([1, 2]).unwrap(),
        };
        let mut case = case(rng, shape);
        case.layouts = contiguous(shape);
        let offset = case.layouts.each_ref().map(Layout::len);
        for (x, n) in [&mut case.q, &mut case.k, &mut case.v].into_iter().zip(offset) {
            x.truncate(n);
        }
        let g = cotangent(rng, shape);
        let found = expected::<f64>(&case, &g);
        let value = |case: &Case| -> f64 {
            oracle::<f64>(case).out.iter().zip(&g).map(|(x, g)| x * g).sum()
        };
        if value(&case).is_nan() {
            return;
        }
        let step = 1e-5;
        for which in 0..3 {
            for n in 0..offset[which] {
                let moved = |by: f64| {
                    let mut case = case.clone();
                    [&mut case.q, &mut case.k, &mut case.v][which][n] += by;
                    value(&case)
                };
                let quotient = (moved(step) - moved(-step)) / (2.0 * step);
                let x = found.gradients[which][n];
                // The third derivative times the step's square, and the rounding over the step.
                assert!((x - quotient).abs() < 1e-7, "{x} for {quotient}");
            }
        }
        for h in 0..case.sinks.as_ref().map_or(0, Vec::len) {
            // Sinks are `f32`: a power of two moves them exactly, or nearly.
            let moved = |by: f32| {
                let mut case = case.clone();
                case.sinks.iter_mut().for_each(|sinks| sinks[h] += by);
                (value(&case), case.sinks.map_or(0.0, |sinks| sinks[h] as f64))
            };
            let ((a, x), (b, y)) = (moved(1.0 / 1024.0), moved(-1.0 / 1024.0));
            let (quotient, x) = ((a - b) / (x - y), found.gradients[3][h]);
            assert!((x - quotient).abs() < 1e-5, "sink {x} for {quotient}");
        }
    });
}

#[test]
fn random_cases() {
    random_attentions(150, check_everywhere);
}

#[test]
fn large_heads() {
    let mut rng = fresh();
    for (depth, columns) in [(256, 96), (100, 300)] {
        let shape = Shape {
            batch: 1,
            query_heads: 4,
            key_heads: 2,
            queries: 53,
            keys: 150,
            depth,
            columns,
        };
        let case = case(&mut rng, shape);
        check_everywhere(&mut rng, &case, &[1, 2]);
    }
}

#[test]
fn empty_arrays() {
    cases(10, |rng| {
        for shape in EMPTY {
            let case = case(rng, shape);
            check_everywhere(rng, &case, &[1, 2]);
        }
    });
}

#[test]
fn hidden_rows() {
    let mut rng = fresh();
    for empty_rows in [EmptyRows::Mean, EmptyRows::Zero] {
        let mut case = plain(&mut rng, SMALL);
        case.empty_rows = empty_rows;
        let layout = Layout { strides: [0; 4].into(), ..mask_of(&case) };
        case.mask = Masking::Bool(vec![Bool(0)], layout.clone());
        check_everywhere(&mut rng, &case, &[1, 2]);
        case.sinks = Some(vec![0.5; case.shape.query_heads]);
        check_everywhere(&mut rng, &case, &[1, 2]);
        case.sinks = None;
        case.mask = Masking::Additive(vec![f64::NEG_INFINITY], layout, false);
        check_everywhere(&mut rng, &case, &[1, 2]);
        // More queries than keys: the first see nothing.
        let mut case = plain(&mut rng, Shape { queries: 130, keys: 12, ..SMALL });
        case.mask = Masking::Causal;
        check_everywhere(&mut rng, &case, &[1, 2]);
    }
}

/// Padding hidden by a large number leaves its rows the mean: all scores are equal then.
#[test]
fn large_additive_masks() {
    let mut rng = fresh();
    for number in [-1e9, -1e30] {
        let mut case = plain(&mut rng, SMALL);
        let layout = Layout { strides: [0; 4].into(), ..mask_of(&case) };
        case.mask = Masking::Additive(vec![number], layout, false);
        let g = cotangent(&mut rng, case.shape);
        for level in available() {
            let [_, _, dv, _] =
                with_level(level, || run::<f32>(&case, &g, [true, true, true, false]));
            let n = case.shape.columns;
            let Shape { query_heads, key_heads, queries, keys, .. } = case.shape;
            let rows = query_heads / key_heads * queries;
            let mean: f64 = g[..rows * n].iter().step_by(n).sum::<f64>() / keys as f64;
            assert!((dv[0] - mean).abs() < 1e-5, "{} for {mean}", dv[0]);
        }
    }
}

#[test]
fn results_do_not_depend_on_timing() {
    let mut rng = fresh();
    let shape = Shape { queries: 150, keys: 300, ..SMALL };
    let case = case(&mut rng, shape);
    let g = cotangent(&mut rng, shape);
    for level in available() {
        let once = || {
            let run = || run::<f32>(&case, &g, [true, true, true, false]);
            with_level(level, || par::with_threads(3, run))
        };
        let first = once();
        for _ in 0..3 {
            for (first, again) in first.iter().zip(once()) {
                assert!(first.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
    }
}
