//! Rearranging, joining and repeating.

use anymetal::ops;

use super::*;
use crate::oracle::common;

pub(super) fn rearranging() -> Vec<Row> {
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
            let end = start + rng.usize(..s.len() - start);
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
            let other = rng.usize(..s.len());
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
            let to = rng.usize(..s.len());
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
            let count = 1 + rng.usize(..2);
            let n = s.len() + count;
            let axes: Vec<usize> = permutation(rng, n)[..count].to_vec();
            let signed: Vec<isize> = axes
                .iter()
                .map(|&a| if rng.bool() { a as isize } else { a as isize - n as isize })
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
            let axis = rng.usize(..s.len() + 1);
            s.insert(axis, 1);
            let all = rng.usize(..3) == 0;
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
            let which = rng.usize(..2);
            case(
                inputs,
                move |a| Ok(ops::broadcast_arrays(a)?.swap_remove(which)),
                move |t| t[which].broadcast(&common(&t[0].shape, &t[1].shape)),
            )
        }),
    ]
}

pub(super) fn joining() -> Vec<Row> {
    vec![
        row("concatenate", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let inputs: Vec<Input> = (0..1 + rng.usize(..3))
                .map(|_| {
                    let mut s = s.clone();
                    s[axis] = rng.usize(..4);
                    real(rng, &s)
                })
                .collect();
            case(inputs, move |a| ops::concatenate(a, signed), move |t| T::concat(t, axis))
        }),
        row("stack", |rng| {
            let s = shape(rng);
            let axis = rng.usize(..s.len() + 1);
            let signed = axis as isize - if rng.bool() { s.len() as isize + 1 } else { 0 };
            let inputs = (0..1 + rng.usize(..3)).map(|_| real(rng, &s)).collect();
            case(inputs, move |a| ops::stack(a, signed), move |t| T::stack(t, axis))
        }),
        row("split", |rng| {
            let (mut s, axis, signed) = shape_and_axis(rng);
            let parts = 1 + rng.usize(..3);
            let size = rng.usize(..3);
            s[axis] = parts * size;
            let which = rng.usize(..parts);
            let at: Vec<usize> = (which * size..(which + 1) * size).collect();
            case(
                vec![real(rng, &s)],
                move |a| Ok(ops::split(&a[0], parts, signed)?.swap_remove(which)),
                move |t| t[0].select(axis, &at),
            )
        }),
        row("tile", |rng| {
            let s = shape_with(rng, |s| s.len() < 4);
            let reps: Vec<usize> = (0..rng.usize(..4)).map(|_| rng.usize(..3)).collect();
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
            let (times, flat) = (rng.usize(..4), rng.usize(..4) == 0);
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
                s.iter().map(|_| (rng.usize(..3), rng.usize(..3))).collect();
            if rng.usize(..3) == 0 && !s.is_empty() {
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

/// A random shape of `n` elements, and the same with one size perhaps left open.
fn refactored(rng: &mut Rng, n: usize) -> (Vec<usize>, Vec<isize>) {
    let mut sizes = Vec::new();
    let mut left = n;
    for _ in 0..rng.usize(..4) {
        let divisors: Vec<usize> = (1..=left).filter(|&d| left.is_multiple_of(d)).collect();
        let d = if left == 0 { rng.usize(..3) } else { *rng.choice(&divisors).unwrap() };
        sizes.push(d);
        left = left.checked_div(d).unwrap_or(1);
    }
    sizes.push(left);
    let mut asked: Vec<isize> = sizes.iter().map(|&n| n as isize).collect();
    if !sizes.contains(&0) && rng.usize(..3) == 0 {
        let open = rng.usize(..asked.len());
        asked[open] = -1;
    }
    (sizes, asked)
}
