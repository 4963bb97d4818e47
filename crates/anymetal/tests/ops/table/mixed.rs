//! Products, choices, comparisons, and a graph of several operations.

use anymetal::{Array, ops};

use super::reductions::softmax;
use super::*;
use crate::oracle::common;

pub(super) fn others() -> Vec<Row> {
    vec![
        row("matmul", |rng| {
            let (m, k, n) = (1 + rng.usize(..4), rng.usize(..5), 1 + rng.usize(..4));
            let batch: Vec<usize> = (0..rng.usize(..3)).map(|_| 1 + rng.usize(..3)).collect();
            let (a, b) = (narrower(rng, &batch), narrower(rng, &batch));
            let left = if rng.usize(..5) == 0 { vec![k] } else { [&a[..], &[m, k]].concat() };
            let right = if rng.usize(..5) == 0 { vec![k] } else { [&b[..], &[k, n]].concat() };
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
            let (m, k) = (1 + rng.usize(..3), 1 + rng.usize(..3));
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
    let k = rng.usize(..5) as isize - 2;
    let run = move |a: &[Array]| if lower { ops::tril(&a[0], k) } else { ops::triu(&a[0], k) };
    case(vec![real(rng, &s)], run, move |t| {
        T::from_fn(&t[0].shape, |i| {
            let (row, column) = (i[i.len() - 2] as isize, i[i.len() - 1] as isize);
            let keep = if lower { column <= row + k } else { column >= row + k };
            if keep { t[0].at(&i) } else { 0.0 }
        })
    })
}
