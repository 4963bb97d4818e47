//! The output and its softmax statistics against the oracle.

use super::case::*;
use crate::random::{cases, fresh};
use anymetal_kernels::attention::{EmptyRows, attention};
use anymetal_kernels::simd::{Level, available, with_level};
use anymetal_kernels::{Bool, Element, Layout, bf16, f16, par};

fn run<E: Number>(case: &Case) -> (Vec<f64>, Vec<f32>) {
    let Shape { batch, query_heads, queries, columns, .. } = case.shape;
    let arrays = Arrays::<E>::new(case);
    let out_layout = &case.layouts[3];
    let canary = E::from(777.0);
    let rows = batch * query_heads * queries;
    let mut out = vec![canary; rows * (columns + 3) + 3];
    // Statistics are there up to `f32`.
    let mut stats = vec![0.0; if E::DTYPE == f64::DTYPE { 0 } else { 2 * rows }];
    let wanted = (E::DTYPE != f64::DTYPE).then_some(&mut *stats);
    let [q, k, v] = arrays.views();
    let options = arrays.options();
    attention(q, k, v, &options, E::wrap_mut(&mut out), out_layout, wanted);
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
    (result, stats)
}

fn check<E: Number>(case: &Case, expected: &Expected, level: Level, threads: usize) {
    let (out, stats) = with_level(level, || par::with_threads(threads, || run::<E>(case)));
    let about = || about::<E>(case, level, threads);
    // Scores are sums of D products of size about 1, rounded in the scalar's precision, and their
    // absolute error is the relative error of a probability: 100 roundings of scores below 10
    // leave room. Pairs of `bf16` have probabilities of `bf16`, half an ULP of which is 2^-9; the
    // rounded sum they are divided by doubles that.
    let scalar = if E::DTYPE == f64::DTYPE { f64::ROUNDING } else { f32::ROUNDING };
    let pairs = E::DTYPE == bf16::DTYPE && level == Level::Avx512Bf16;
    let inner = 200.0 * scalar + if pairs { 1.0 / 256.0 } else { 0.0 };
    // Half a step of subnormal results.
    let tiny = if E::DTYPE == f16::DTYPE { 2f64.powi(-25) } else { 0.0 };
    for (n, (&x, &y)) in out.iter().zip(&expected.out).enumerate() {
        let bound = E::ROUNDING * y.abs() + inner * expected.magnitude[n] + tiny;
        let same = x == y || x.is_nan() && y.is_nan();
        assert!(same || (x - y).abs() <= bound, "element {n}: {x} for {y}, {}", about());
    }
    for (n, (&[max, sum], &y)) in stats.as_chunks().0.iter().zip(&expected.lse).enumerate() {
        let x = (max as f64 + (sum as f64).log2()) * std::f64::consts::LN_2;
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

#[test]
fn random_cases() {
    random_attentions(250, |_, case, threads| check_everywhere(case, threads));
}

#[test]
fn decoding() {
    cases(80, |rng| {
        let key_heads = rng.choice([1, 2]).unwrap();
        let shape = Shape {
            batch: 1,
            query_heads: key_heads * rng.choice([1, 2, 3, 4, 5, 8]).unwrap(),
            key_heads,
            queries: 1,
            keys: rng.choice([1, 3, 127, 300, 1025]).unwrap(),
            depth: rng.choice([32, 64, 128, 80]).unwrap(),
            columns: rng.choice([64, 128, 96]).unwrap(),
        };
        let case = case(rng, shape);
        check_everywhere(&case, &[rng.choice([1, 2, 5]).unwrap()]);
    });
}

#[test]
fn large_heads() {
    let mut rng = fresh();
    for (depth, columns) in [(512, 512), (256, 96), (192, 128), (100, 300), (576, 512)] {
        for queries in [1, 53] {
            let shape = Shape {
                batch: 1,
                query_heads: 4,
                key_heads: 2,
                queries,
                keys: 150,
                depth,
                columns,
            };
            check_everywhere(&case(&mut rng, shape), &[1, 2]);
        }
    }
}

#[test]
fn empty_arrays() {
    cases(10, |rng| {
        for shape in EMPTY {
            check_everywhere(&case(rng, shape), &[1, 2]);
        }
    });
}

/// The same with few rows, for the kernels of decoding.
fn both(change: impl Fn(&mut Case)) {
    let mut rng = fresh();
    for shape in [SMALL, Shape { queries: 1, ..SMALL }] {
        let mut case = plain(&mut rng, shape);
        change(&mut case);
        check_everywhere(&case, &[1, 2]);
    }
}

#[test]
fn hidden_rows_are_means_and_with_sinks_zero() {
    let mut rng = fresh();
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
        let mut case = plain(&mut rng, Shape { queries: 130, keys, ..SMALL });
        case.mask = Masking::Causal;
        check_everywhere(&case, &[1, 2]);
    }
}

#[test]
fn additive_infinities() {
    let mut rng = fresh();
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
            let mut case = plain(&mut rng, SMALL);
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
    let mut rng = fresh();
    let shape = Shape { queries: 150, keys: 700, ..SMALL };
    let case = case(&mut rng, shape);
    for level in available() {
        let once = || with_level(level, || par::with_threads(3, || run::<f32>(&case)));
        let first = once();
        for _ in 0..3 {
            let again = once();
            assert!(first.0.iter().zip(&again.0).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
