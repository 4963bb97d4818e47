//! Slices, index expressions, gather and scatter.

use anymetal::ops::{self, Index, ScatterOp};

use super::*;
use crate::oracle::{common, indices};

pub(super) fn indexing() -> Vec<Row> {
    vec![
        row("slice", |rng| {
            let s = shape(rng);
            let (start, stop, step, at) = random_window(rng, &s);
            case(
                vec![real(rng, &s)],
                move |a| ops::slice(&a[0], &start, &stop, &step),
                move |t| at.iter().enumerate().fold(t[0].clone(), |t, (i, at)| t.select(i, at)),
            )
        }),
        row("slice_update", |rng| {
            let s = shape(rng);
            let (start, stop, step, at) = random_window(rng, &s);
            let part: Vec<usize> = at.iter().map(Vec::len).collect();
            let update = narrower(rng, &part);
            let inputs = vec![real(rng, &s), real(rng, &update)];
            case(
                inputs,
                move |a| ops::slice_update(&a[0], &a[1], &start, &stop, &step),
                move |t| {
                    let (mut out, update) = (t[0].clone(), t[1].broadcast(&part));
                    for i in indices(&part) {
                        let to: Vec<usize> = i.iter().zip(&at).map(|(&k, at)| at[k]).collect();
                        out.set(&to, update.at(&i));
                    }
                    out
                },
            )
        }),
        row("index", |rng| {
            let s = shape(rng);
            let entries = expression(rng, &s, false);
            let index: Vec<Index> = entries.iter().map(to_index).collect();
            case(
                vec![real(rng, &s)],
                move |a| a[0].index(&index),
                move |t| {
                    let (shape, sources) = meaning(&entries, &t[0].shape);
                    T { shape, data: sources.iter().map(|i| t[0].at(i)).collect() }
                },
            )
        }),
        row("index_update", |rng| {
            let (s, entries, value) = loop {
                let s = shape(rng);
                let entries = expression(rng, &s, true);
                let (value, sources) = meaning(&entries, &s);
                // Where positions repeat, which value stays is the next test's.
                let mut unique = sources.clone();
                unique.sort();
                unique.dedup();
                if unique.len() == sources.len() {
                    break (s, entries, value);
                }
            };
            let index: Vec<Index> = entries.iter().map(to_index).collect();
            let update = narrower(rng, &value);
            let inputs = vec![real(rng, &s), real(rng, &update)];
            case(
                inputs,
                move |a| a[0].index_update(&index, &a[1]),
                move |t| {
                    let (shape, sources) = meaning(&entries, &t[0].shape);
                    let (mut out, value) = (t[0].clone(), t[1].broadcast(&shape));
                    sources.iter().zip(&value.data).for_each(|(i, &v)| out.set(i, v));
                    out
                },
            )
        }),
        row("take", |rng| {
            let (s, axis, signed) = shape_and_axis(rng);
            let s: Vec<usize> = s.iter().map(|&n| n.max(1)).collect();
            let flat = rng.usize(..4) == 0;
            let n = if flat { s.iter().product() } else { s[axis] } as f64;
            let which = shape_with(rng, |s| s.len() < 3);
            let kind = Kind::As(*rng.choice(&[I32, I64, I16, I8]).unwrap());
            let inputs = vec![real(rng, &s), Input::new(rng, kind, &which, (-n, n), 0)];
            let run = move |a: &[Array]| ops::take(&a[0], &a[1], (!flat).then_some(signed));
            case(inputs, run, move |t| {
                let (x, axis) = match flat {
                    true => (t[0].reshape(&[t[0].data.len()]), 0),
                    false => (t[0].clone(), axis),
                };
                let n = x.shape[axis];
                let at: Vec<usize> = t[1].data.iter().map(|&i| wrapped(i, n)).collect();
                let shape = [&x.shape[..axis], &t[1].shape, &x.shape[axis + 1..]].concat();
                x.select(axis, &at).reshape(&shape)
            })
        }),
        row("take_along_axis", |rng| {
            let (s, index, axis, signed) = lines(rng);
            let n = s[axis] as f64;
            let kind = Kind::As(*rng.choice(&[I32, I64, I8]).unwrap());
            let inputs = vec![real(rng, &s), Input::new(rng, kind, &index, (-n, n), 0)];
            let run = move |a: &[Array]| ops::take_along_axis(&a[0], &a[1], Some(signed));
            case(inputs, run, move |t| {
                let mut shape = s.clone();
                shape[axis] = index[axis];
                let positions = t[1].broadcast(&shape);
                T::from_fn(&shape, |i| {
                    let mut from = i.clone();
                    from[axis] = wrapped(positions.at(&i), s[axis]);
                    t[0].at(&from)
                })
            })
        }),
        row("put_along_axis", |rng| {
            // One position a line: of several writes to one place any may stay.
            let (s, mut index, axis, signed) = lines(rng);
            index[axis] = 1;
            let n = s[axis] as f64;
            let values = narrower(rng, &index);
            let positions = Input::new(rng, Kind::As(I32), &index, (-n, n), 0);
            let inputs = vec![real(rng, &s), real(rng, &values), positions];
            let run = move |a: &[Array]| ops::put_along_axis(&a[0], &a[2], &a[1], Some(signed));
            case(inputs, run, move |t| {
                let mut shape = s.clone();
                shape[axis] = 1;
                let (positions, values) = (t[2].broadcast(&shape), t[1].broadcast(&shape));
                let mut out = t[0].clone();
                for i in indices(&shape) {
                    let mut to = i.clone();
                    to[axis] = wrapped(positions.at(&i), s[axis]);
                    out.set(&to, values.at(&i));
                }
                out
            })
        }),
        index_scatter("index_scatter add", ScatterOp::Add, |old, new| old + new),
        index_scatter("index_scatter max", ScatterOp::Max, f64::max).rough(),
        index_scatter("index_scatter min", ScatterOp::Min, f64::min).rough(),
        index_scatter("index_scatter prod", ScatterOp::Prod, |old, new| old * new)
            .of(&[F64, F32])
            .rough(),
        row("gather", |rng| {
            let (s, axes, sizes, index) = addressed(rng);
            let mut inputs = vec![real(rng, &s)];
            inputs.extend(axes.iter().map(|&a| position_input(rng, &index, s[a], sizes[a])));
            let signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
            let lengths = sizes.clone();
            case(
                inputs,
                move |a| ops::gather(&a[0], &a[1..], &signed, &lengths),
                move |t| {
                    let shape = [&index[..], &sizes].concat();
                    T::from_fn(&shape, |i| {
                        t[0].at(&target(&i, index.len(), &axes, &t[1..], &t[0].shape, &sizes))
                    })
                },
            )
        }),
        scatter("scatter_add", ScatterOp::Add, |old, new| old + new),
        scatter("scatter max", ScatterOp::Max, f64::max).rough(),
        scatter("scatter min", ScatterOp::Min, f64::min).rough(),
        scatter("scatter prod", ScatterOp::Prod, |old, new| old * new).of(&[F64, F32]).rough(),
    ]
}

/// A shape without empty axes, a shape of positions along one of them, and that axis.
fn lines(rng: &mut Rng) -> (Vec<usize>, Vec<usize>, usize, isize) {
    let s = shape_with(rng, |s| !s.is_empty() && !s.contains(&0));
    let axis = rng.usize(..s.len());
    let mut index: Vec<usize> =
        s.iter().map(|&n| if rng.usize(..4) == 0 { 1 } else { n }).collect();
    index[axis] = 1 + rng.usize(..4);
    let signed = if rng.bool() { axis as isize } else { axis as isize - s.len() as isize };
    (s, index, axis, signed)
}

/// Index expressions whose repeated positions all count.
fn index_scatter(name: &str, op: ScatterOp, meet: fn(f64, f64) -> f64) -> Row {
    let make = move |rng: &mut Rng| {
        let s = shape(rng);
        let entries = expression(rng, &s, false);
        let index: Vec<Index> = entries.iter().map(to_index).collect();
        let update = narrower(rng, &meaning(&entries, &s).0);
        let inputs = vec![real(rng, &s), Input::new(rng, Kind::Real, &update, (-2.0, 2.0), 1)];
        case(
            inputs,
            move |a| a[0].index_scatter(op, &index, &a[1]),
            move |t| {
                let (shape, sources) = meaning(&entries, &t[0].shape);
                let (mut out, value) = (t[0].clone(), t[1].broadcast(&shape));
                for (at, &new) in sources.iter().zip(&value.data) {
                    let met = meet(out.at(at), new);
                    out.set(at, met);
                }
                out
            },
        )
    };
    row(name, make).of(&[F64, F32, I32, I64]).slack(60.0)
}

fn scatter(name: &str, op: ScatterOp, meet: fn(f64, f64) -> f64) -> Row {
    let make = move |rng: &mut Rng| {
        let (s, axes, sizes, index) = addressed(rng);
        let updates = [&index[..], &sizes].concat();
        let mut inputs = vec![real(rng, &s), Input::new(rng, Kind::Real, &updates, (-2.0, 2.0), 1)];
        inputs.extend(axes.iter().map(|&a| position_input(rng, &index, s[a], sizes[a])));
        let signed: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
        case(
            inputs,
            move |a| ops::scatter(op, &a[0], &a[2..], &a[1], &signed),
            move |t| {
                let mut out = t[0].clone();
                for i in indices(&t[1].shape) {
                    let to = target(&i, index.len(), &axes, &t[2..], &t[0].shape, &sizes);
                    let met = meet(out.at(&to), t[1].at(&i));
                    out.set(&to, met);
                }
                out
            },
        )
    };
    row(name, make).of(&[F64, F32, I32, I64]).slack(60.0)
}

/// A shape without empty axes, some of its axes, sizes of slices, and the index arrays' shape.
fn addressed(rng: &mut Rng) -> (Vec<usize>, Vec<usize>, Vec<usize>, Vec<usize>) {
    let s = shape_with(rng, |s| !s.is_empty() && !s.contains(&0));
    let count = 1 + rng.usize(..s.len().min(2));
    let axes = permutation(rng, s.len())[..count].to_vec();
    let sizes = s.iter().map(|&n| 1 + rng.usize(..n)).collect();
    let index = (0..rng.usize(..3)).map(|_| 1 + rng.usize(..3)).collect();
    (s, axes, sizes, index)
}

/// Positions at which a slice of `size` fits into `n`.
fn position_input(rng: &mut Rng, shape: &[usize], n: usize, size: usize) -> Input {
    let kind = Kind::As(*rng.choice(&[I32, U8, I64]).unwrap());
    Input::new(rng, kind, shape, (0.0, (n - size + 1) as f64), 0)
}

/// The element that position `i` of a gather addresses.
fn target(
    i: &[usize],
    lead: usize,
    axes: &[usize],
    index: &[T],
    s: &[usize],
    sizes: &[usize],
) -> Vec<usize> {
    let mut at = i[lead..].to_vec();
    for (&axis, positions) in axes.iter().zip(index) {
        let first = wrapped(positions.at(&i[..lead]), s[axis]);
        assert!(first + sizes[axis] <= s[axis]);
        at[axis] += first;
    }
    at
}

fn wrapped(i: f64, n: usize) -> usize {
    (if i < 0.0 { i + n as f64 } else { i }) as usize
}

/// Python's positions of a range.
fn positions(n: usize, start: Option<isize>, stop: Option<isize>, step: isize) -> Vec<usize> {
    let n = n as isize;
    let wrap = |p: isize| if p < 0 { p + n } else { p };
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let mut at = start.map_or(if step > 0 { 0 } else { n - 1 }, |p| wrap(p).clamp(low, high));
    let end = stop.map_or(if step > 0 { n } else { -1 }, |p| wrap(p).clamp(low, high));
    let mut out = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.push(at as usize);
        at += step;
    }
    out
}

fn random_range(rng: &mut Rng, n: usize) -> (isize, isize, isize) {
    let any = |rng: &mut Rng| rng.usize(..2 * n + 4) as isize - n as isize - 2;
    let step = *rng.choice(&[1, 1, 2, 3, -1, -2]).unwrap();
    (any(rng), any(rng), step)
}

/// Starts, stops and steps of some leading axes, and the positions along every axis.
#[allow(clippy::type_complexity, reason = "used in two places, next to each other")]
fn random_window(
    rng: &mut Rng,
    s: &[usize],
) -> (Vec<isize>, Vec<isize>, Vec<isize>, Vec<Vec<usize>>) {
    let count = rng.usize(..s.len() + 1);
    let (mut start, mut stop, mut step, mut at) = (vec![], vec![], vec![], vec![]);
    for (i, &n) in s.iter().enumerate() {
        if i < count {
            let (a, b, c) = random_range(rng, n);
            start.push(a);
            stop.push(b);
            step.push(c);
            at.push(positions(n, Some(a), Some(b), c));
        } else {
            at.push((0..n).collect());
        }
    }
    (start, stop, step, at)
}

/// One entry of a random index expression, as the oracle sees it.
#[derive(Clone)]
enum Entry {
    At(isize),
    Range(Option<isize>, Option<isize>, isize),
    New,
    Rest,
    Array(T),
}

/// A random index expression for a shape, without repeated positions if `distinct`.
fn expression(rng: &mut Rng, s: &[usize], distinct: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    let count = rng.usize(..s.len() + 1);
    let rest = (rng.bool() || count < s.len()).then(|| rng.usize(..count + 1));
    let array_shape = [1 + rng.usize(..2), 1 + rng.usize(..2)];
    let mut arrays = 0;
    for k in 0..=count {
        if rng.usize(..6) == 0 {
            entries.push(Entry::New);
        }
        if rest == Some(k) {
            entries.push(Entry::Rest);
        }
        if k == count {
            break;
        }
        // The axis this entry meets, counted from the other end behind the ellipsis.
        let behind = rest.is_some_and(|r| k >= r);
        let n = s[if behind { s.len() - count + k } else { k }];
        entries.push(match rng.usize(..4) {
            0 if n > 0 => Entry::At(rng.usize(..2 * n) as isize - n as isize),
            1 if n > 1 && (!distinct || arrays == 0) => {
                arrays += 1;
                let shape = &array_shape[rng.usize(..3)..];
                let turn = rng.usize(..n);
                let mut next = 0;
                Entry::Array(T::from_fn(shape, |_| {
                    // Up to four positions; the first n of them differ.
                    next += 1;
                    let at = (turn + next) % n;
                    let at = if distinct || rng.bool() { at } else { rng.usize(..n) };
                    if rng.usize(..3) == 0 { at as f64 - n as f64 } else { at as f64 }
                }))
            }
            _ => {
                let (a, b, c) = random_range(rng, n);
                let open = |rng: &mut Rng, p| if rng.bool() { None } else { Some(p) };
                Entry::Range(open(rng, a), open(rng, b), c)
            }
        });
    }
    entries
}

fn to_index(entry: &Entry) -> Index {
    match entry {
        Entry::At(i) => Index::At(*i),
        Entry::Range(start, stop, step) => Index::Range { start: *start, stop: *stop, step: *step },
        Entry::New => Index::NewAxis,
        Entry::Rest => Index::Ellipsis,
        Entry::Array(t) => Index::Array(crate::harness::array(t).astype(I32).unwrap()),
    }
}

/// NumPy's meaning of an index expression: the result's shape, and for every element of the
/// result the index of the source element, in order.
fn meaning(entries: &[Entry], s: &[usize]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let used = entries.iter().filter(|e| !matches!(e, Entry::New | Entry::Rest)).count();
    let mut flat: Vec<Entry> = Vec::new();
    for e in entries {
        match e {
            Entry::Rest => {
                flat.extend((used..s.len()).map(|_| Entry::Range(None, None, 1)));
            }
            e => flat.push(e.clone()),
        }
    }
    if !entries.iter().any(|e| matches!(e, Entry::Rest)) {
        flat.extend((used..s.len()).map(|_| Entry::Range(None, None, 1)));
    }
    let any_array = flat.iter().any(|e| matches!(e, Entry::Array(_)));
    let advanced =
        |e: &Entry| matches!(e, Entry::Array(_)) || (any_array && matches!(e, Entry::At(_)));
    let shared = flat.iter().fold(vec![], |c, e| match e {
        Entry::Array(t) => common(&c, &t.shape),
        _ => c,
    });
    let places: Vec<usize> = (0..flat.len()).filter(|&i| advanced(&flat[i])).collect();
    let together = places.windows(2).all(|w| w[1] == w[0] + 1);
    // The result's axes: for each its size and the entry it belongs to (none for the arrays').
    let mut axes: Vec<(usize, Option<usize>)> = Vec::new();
    let arrays: Vec<(usize, Option<usize>)> = shared.iter().map(|&n| (n, None)).collect();
    if any_array && !together {
        axes.extend(&arrays);
    }
    let mut source = 0;
    let mut axis_of = vec![usize::MAX; flat.len()];
    for (i, e) in flat.iter().enumerate() {
        if together && places.first() == Some(&i) {
            axes.extend(&arrays);
        }
        match e {
            Entry::New => axes.push((1, Some(i))),
            Entry::Range(a, b, c) => {
                axes.push((positions(s[source], *a, *b, *c).len(), Some(i)));
            }
            _ => {}
        }
        if !matches!(e, Entry::New) {
            axis_of[i] = source;
            source += 1;
        }
    }
    let shape: Vec<usize> = axes.iter().map(|a| a.0).collect();
    let sources = indices(&shape)
        .into_iter()
        .map(|index| {
            let inner: Vec<usize> =
                axes.iter().zip(&index).filter(|(a, _)| a.1.is_none()).map(|(_, &k)| k).collect();
            let along = |i: usize| {
                axes.iter().zip(&index).find(|(a, _)| a.1 == Some(i)).map(|(_, &k)| k).unwrap()
            };
            let mut from = vec![0; s.len()];
            for (i, e) in flat.iter().enumerate() {
                let n = |i: usize| s[axis_of[i]] as isize;
                let wrap = |p: isize, n: isize| (if p < 0 { p + n } else { p }) as usize;
                match e {
                    Entry::At(p) => from[axis_of[i]] = wrap(*p, n(i)),
                    Entry::Range(a, b, c) => {
                        from[axis_of[i]] = positions(s[axis_of[i]], *a, *b, *c)[along(i)];
                    }
                    Entry::Array(t) => {
                        let p = t.broadcast(&shared).at(&inner);
                        from[axis_of[i]] = wrap(p as isize, n(i));
                    }
                    Entry::New | Entry::Rest => {}
                }
            }
            from
        })
        .collect();
    (shape, sources)
}
