//! Matrix products.

use anymetal_kernels::matmul::matmul;
use anymetal_kernels::{Complex64, Dtype, Element, bf16, f16};

use crate::random::signed;
use crate::support::{Strided, check};
use fastrand::Rng;

/// Batch shape, m, k, n: mostly small, now and then something that is cut up.
fn sizes(rng: &mut Rng) -> (Vec<usize>, usize, usize, usize) {
    let batch: Vec<usize> = (0..rng.usize(..3)).map(|_| 1 + rng.usize(..3)).collect();
    let mut size = || match rng.usize(..8) {
        0 => 1,
        1 => 60 + rng.usize(..80),
        2 if rng.usize(..6) == 0 => 0,
        _ => 1 + rng.usize(..20),
    };
    let (m, k, n) = (size(), size(), size());
    if rng.usize(..10) == 0 { (batch, m, 1500, n) } else { (batch, m, k, n) }
}

/// Runs one random product and calls `f(result, row of a, column of b)` for every element.
fn product<T: Element>(rng: &mut Rng, value: fn(&mut Rng) -> T, mut f: impl FnMut(T, &[T], &[T])) {
    let (batch, m, k, n) = sizes(rng);
    let a = Strided::random(rng, &[&batch[..], &[m, k]].concat(), value);
    let b = Strided::random(rng, &[&batch[..], &[k, n]].concat(), value);
    let count: usize = batch.iter().product();
    let mut out = vec![value(rng); count * m * n];
    matmul(T::wrap(&a.data), &a.layout, T::wrap(&b.data), &b.layout, T::wrap_mut(&mut out));
    let (a, b) = (a.values(), b.values());
    for (at, &o) in out.iter().enumerate() {
        let (matrix, i, j) = (at / n / m, at / n % m, at % n);
        let row = &a[(matrix * m + i) * k..][..k];
        let column: Vec<T> = (0..k).map(|c| b[(matrix * k + c) * n + j]).collect();
        f(o, row, &column);
    }
}

fn close<T: Element>(rng: &mut Rng, value: fn(&mut Rng) -> T, real: fn(T) -> f64, rounding: f64) {
    product(rng, value, |o, row, column| {
        let terms = row.iter().zip(column).map(|(&a, &b)| real(a) * real(b));
        let (exact, scale) = terms.fold((0.0, 0.0), |(e, s), t| (e + t, s + t.abs()));
        // One rounding of the result, and at most k (but usually far fewer) of f32 sums.
        let sums = if rounding < 1e-10 { 2e-16 } else { 6e-8 };
        // Below the least normal number, which only f16's results come near, roundings stay as large
        // as they are there.
        let least = if T::DTYPE == Dtype::F16 { 2f64.powi(-14) } else { 0.0 };
        let bound = rounding * exact.abs().max(least) + sums * (row.len() as f64 + 2.0) * scale;
        assert!((real(o) - exact).abs() <= bound, "{} {exact}", real(o));
    });
}

#[test]
fn float_products_are_close() {
    check(250, |rng| {
        close(rng, |r| signed(r) as f32, |x| x as f64, 6e-8);
        close(rng, signed, |x| x, 2e-16);
        close(rng, |r| f16::from_f64(signed(r)), f16::to_f64, 4.9e-4);
        close(rng, |r| bf16::from_f64(signed(r)), bf16::to_f64, 3.92e-3);
    });
}

#[test]
fn integer_products_wrap() {
    check(150, |rng| {
        product(
            rng,
            |r| r.i8(..),
            |o, row, column| {
                let sum = row.iter().zip(column).map(|(&a, &b)| a as i64 * b as i64).sum::<i64>();
                assert_eq!(o, sum as i8);
            },
        );
        product(
            rng,
            |r| r.u64(..),
            |o, row, column| {
                let terms = row.iter().zip(column).map(|(&a, &b)| a.wrapping_mul(b));
                assert_eq!(o, terms.fold(0, u64::wrapping_add));
            },
        );
    });
}

#[test]
fn complex_products_are_close() {
    check(100, |rng| {
        product(
            rng,
            |r| Complex64::new(signed(r) as f32, signed(r) as f32),
            |o, row, column| {
                let (mut re, mut im, mut scale) = (0.0, 0.0, 0.0);
                for (a, b) in row.iter().zip(column) {
                    let [ar, ai, br, bi] = [a.re, a.im, b.re, b.im].map(|x| x as f64);
                    re += ar * br - ai * bi;
                    im += ar * bi + ai * br;
                    scale += (ar.abs() + ai.abs()) * (br.abs() + bi.abs());
                }
                // Two additions a term.
                let bound = 6e-8 * (2.0 * row.len() as f64 + 2.0) * scale;
                assert!((o.re as f64 - re).abs() <= bound, "{o} {re}");
                assert!((o.im as f64 - im).abs() <= bound, "{o} {im}");
            },
        );
    });
}
