//! Reductions and softmax.

use anymetal::{Array, Result, ops};

use super::*;

pub(super) fn reductions() -> Vec<Row> {
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
            let axes: Vec<usize> = (0..s.len()).filter(|_| rng.bool()).collect();
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
                let axis = if s.is_empty() || rng.usize(..4) == 0 {
                    None
                } else {
                    Some(rng.usize(..s.len()))
                };
                let keep = rng.bool();
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
        let axes: Vec<usize> = (0..s.len()).filter(|_| rng.bool()).collect();
        let mut signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
        if rng.bool() {
            signed.iter_mut().for_each(|a| *a -= s.len() as isize);
            signed.reverse();
        }
        let keep = rng.bool();
        let x = Input::new(rng, Kind::Real, &s, domain, 0);
        case(vec![x], move |a| run(&a[0], &signed, keep), move |t| t[0].reduce(&axes, keep, oracle))
    };
    // Up to 60 terms of size 3.
    row(name, make).of(REAL).slack(60.0).rounds(1.0)
}

pub(super) fn softmax(t: &T, axes: &[usize]) -> T {
    let most = t.reduce(axes, true, |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let e = t.zip(&most, |x, m| (x - m).exp());
    e.zip(&e.reduce(axes, true, |v| v.iter().sum()), |x, s| x / s)
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
