//! Reductions, positions of extremes, softmax.

use anymetal_kernels::reduce::{ArgOp, ReduceOp, arg_reduce, reduce, softmax};
use anymetal_kernels::{Bool, Element, Layout, bf16, f16};

use crate::random::signed;
use crate::support::{Strided, check, indices, random_shape};
use fastrand::Rng;

/// For each result, the elements that reduce to it.
fn groups<T: Element>(x: &Strided<T>, axes: &[usize]) -> Vec<Vec<T>> {
    let shape = &x.layout.shape;
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    let kept_shape: Vec<usize> = kept.iter().map(|&a| shape[a]).collect();
    let mut groups = vec![vec![]; kept_shape.iter().product()];
    for (index, v) in indices(shape).iter().zip(x.values()) {
        let place = kept.iter().fold(0, |p, &a| p * shape[a] + index[a]);
        groups[place].push(v);
    }
    groups
}

fn random_axes(rng: &mut Rng, n: usize) -> Vec<usize> {
    (0..n).filter(|_| rng.bool()).collect()
}

#[test]
fn float_sums_are_close_and_extremes_exact() {
    check(300, |rng| {
        let rank = rng.usize(..5);
        let shape = random_shape(rng, rank);
        let x = Strided::random(rng, &shape, |r| signed(r) as f32);
        let axes = random_axes(rng, rank);
        let groups = groups(&x, &axes);
        let mut out = vec![0f32; groups.len()];
        reduce(ReduceOp::Sum, f32::wrap(&x.data), &x.layout, &axes, f32::wrap_mut(&mut out));
        for (&o, g) in out.iter().zip(&groups) {
            let exact: f64 = g.iter().map(|&v| v as f64).sum();
            let scale: f64 = g.iter().map(|&v| v.abs() as f64).sum();
            // At most 256 + 64 additions in a chain, see the module's words.
            assert!((o as f64 - exact).abs() <= 320.0 * 6e-8 * scale, "{o} {exact} {:?}", x.layout);
        }
        for (op, f) in [
            (ReduceOp::Max, f32::max as fn(f32, f32) -> f32),
            (ReduceOp::Min, f32::min as fn(f32, f32) -> f32),
        ] {
            let start = if op == ReduceOp::Max { f32::NEG_INFINITY } else { f32::INFINITY };
            reduce(op, f32::wrap(&x.data), &x.layout, &axes, f32::wrap_mut(&mut out));
            for (&o, g) in out.iter().zip(&groups) {
                assert_eq!(o, g.iter().fold(start, |a, &b| f(a, b)));
            }
        }
        let mut out = vec![0f64; groups.len()];
        let (data, layout) = (f32::wrap(&x.data), &x.layout);
        reduce(ReduceOp::LogSumExp, data, layout, &axes, f64::wrap_mut(&mut out));
        for (&o, g) in out.iter().zip(&groups) {
            let exact = g.iter().map(|&v| (v as f64).exp()).sum::<f64>().ln();
            assert!(o == exact || (o - exact).abs() < 1e-12 * (1.0 + exact.abs()), "{o} {exact}");
        }
    });
}

#[test]
fn integers_wrap_and_widen() {
    check(200, |rng| {
        let rank = rng.usize(..5);
        let shape = random_shape(rng, rank);
        let axes = random_axes(rng, rank);
        let x = Strided::random(rng, &shape, |r| r.i8(..));
        let expected = groups(&x, &axes);
        let mut out = vec![0i32; expected.len()];
        reduce(ReduceOp::Sum, i8::wrap(&x.data), &x.layout, &axes, i32::wrap_mut(&mut out));
        for (&o, g) in out.iter().zip(&expected) {
            assert_eq!(o, g.iter().map(|&v| v as i32).sum());
        }
        let mut narrow = vec![0i8; expected.len()];
        reduce(ReduceOp::Prod, i8::wrap(&x.data), &x.layout, &axes, i8::wrap_mut(&mut narrow));
        for (&o, g) in narrow.iter().zip(&expected) {
            assert_eq!(o, g.iter().fold(1i8, |a, &b| a.wrapping_mul(b)));
        }
        let mut truth = vec![Bool(9); expected.len()];
        reduce(ReduceOp::All, i8::wrap(&x.data), &x.layout, &axes, Bool::wrap_mut(&mut truth));
        for (o, g) in truth.iter().zip(&expected) {
            assert_eq!(o.get(), g.iter().all(|&v| v != 0));
        }
        let x = Strided::random(rng, &shape, |r| Bool((r.usize(..9) == 0) as u8));
        let expected = groups(&x, &axes);
        reduce(ReduceOp::Any, Bool::wrap(&x.data), &x.layout, &axes, Bool::wrap_mut(&mut truth));
        for (o, g) in truth.iter().zip(&expected) {
            assert_eq!(o.get(), g.iter().any(|v| v.get()));
        }
        reduce(ReduceOp::Sum, Bool::wrap(&x.data), &x.layout, &axes, i32::wrap_mut(&mut out));
        for (o, g) in out.iter().zip(&expected) {
            assert_eq!(*o, g.iter().filter(|v| v.get()).count() as i32);
        }
    });
}

#[test]
fn halves_accumulate_in_single_precision() {
    let x = vec![bf16::from_f32(0.01); 100_000];
    let mut out = [bf16::ZERO];
    let layout = Layout::contiguous(&[100_000]);
    reduce(ReduceOp::Sum, bf16::wrap(&x), &layout, &[0], bf16::wrap_mut(&mut out));
    assert_eq!(out[0], bf16::from_f32(x[0].to_f32() * 1e5));
}

#[test]
fn nan_wins_extremes() {
    check(60, |rng| {
        let n = 1 + rng.usize(..3000);
        let mut x: Vec<f32> = (0..n).map(|_| signed(rng) as f32).collect();
        x[rng.usize(..n)] = f32::NAN;
        let first = x.iter().position(|v| v.is_nan()).unwrap();
        x[n - 1] = if rng.bool() { f32::NAN } else { f32::INFINITY };
        let first = if x[first].is_nan() { first } else { n };
        let layout = Layout::contiguous(&[n]);
        let mut out = [0f32];
        reduce(ReduceOp::Max, f32::wrap(&x), &layout, &[0], f32::wrap_mut(&mut out));
        assert_eq!(out[0].is_nan(), first < n);
        let mut at = [0u32];
        arg_reduce(ArgOp::ArgMin, f32::wrap(&x), &layout, 0, &mut at);
        if first < n {
            assert_eq!(at[0] as usize, first);
        }
    });
}

#[test]
fn extremes_are_found_at_their_first_place() {
    check(200, |rng| {
        let rank = 1 + rng.usize(..4);
        let mut shape = random_shape(rng, rank);
        let axis = rng.usize(..rank);
        shape[axis] = shape[axis].max(1);
        let x = Strided::random(rng, &shape, |r| f16::from_f32(r.usize(..50) as f32));
        let groups = groups(&x, &[axis]);
        let mut out = vec![0u32; groups.len()];
        arg_reduce(ArgOp::ArgMax, f16::wrap(&x.data), &x.layout, axis, &mut out);
        for (&o, g) in out.iter().zip(&groups) {
            let best = g.iter().copied().fold(f16::NEG_INFINITY, f16::max);
            assert_eq!(Some(o as usize), g.iter().position(|&v| v == best));
        }
    });
}

#[test]
fn softmax_rows_sum_to_one() {
    check(200, |rng| {
        let rank = 1 + rng.usize(..3);
        let shape = random_shape(rng, rank);
        let x = Strided::random(rng, &shape, |r| (20.0 * signed(r)) as f32);
        let groups = groups(&x, &[rank - 1]);
        let mut out = vec![0f32; x.layout.len()];
        softmax(f32::wrap(&x.data), &x.layout, f32::wrap_mut(&mut out));
        for (o, g) in out.chunks(shape[rank - 1].max(1)).zip(&groups) {
            let max = g.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b as f64));
            let sum: f64 = g.iter().map(|&v| (v as f64 - max).exp()).sum();
            for (&o, &v) in o.iter().zip(g) {
                let exact = (v as f64 - max).exp() / sum;
                // The difference rounds (up to 40 * 6e-8 in the exponent), exp, sum, product.
                assert!((o as f64 - exact).abs() <= 4e-6 * exact, "{o} {exact}");
            }
        }
    });
}
