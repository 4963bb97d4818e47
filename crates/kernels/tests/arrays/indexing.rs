//! Gather and scatter.

use anymetal_kernels::index::{
    OutOfRange, ScatterOp, gather, gather_axis, scatter, scatter_axis, take,
};
use anymetal_kernels::{Element, Layout, View, f16};

use crate::random::signed;
use crate::support::{Strided, check, indices, random_shape};
use fastrand::Rng;

fn flat(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |p, (&n, &i)| p * n + i)
}

fn wrapped(i: i32, n: usize) -> usize {
    if i < 0 { (i + n as i32) as usize } else { i as usize }
}

#[test]
fn general_gather_and_scatter() {
    check(300, |rng| {
        let rank = 1 + rng.usize(..3);
        let shape: Vec<usize> = random_shape(rng, rank).iter().map(|&n| n.clamp(1, 40)).collect();
        let axes: Vec<usize> = (0..rank).filter(|_| rng.bool()).collect();
        let sizes: Vec<usize> = (0..rank)
            .map(|a| if axes.contains(&a) { 1 + rng.usize(..shape[a].min(2)) } else { shape[a] })
            .collect();
        let index_rank = rng.usize(..3);
        let index_shape = if axes.is_empty() { vec![] } else { random_shape(rng, index_rank) };
        let ids: Vec<Strided<i32>> = axes
            .iter()
            .map(|&a| {
                let places = shape[a] + 1 - sizes[a];
                let n = shape[a];
                Strided::random(rng, &index_shape, |r| {
                    let at = r.usize(..places) as i32;
                    if r.usize(..3) == 0 { at - n as i32 } else { at }
                })
            })
            .collect();
        let views: Vec<View<'_>> =
            ids.iter().map(|i| View { data: i32::wrap(&i.data), layout: &i.layout }).collect();
        let starts: Vec<Vec<i32>> = ids.iter().map(|i| i.values()).collect();
        let src = Strided::random(rng, &shape, |r| r.u16(..));
        let values = src.values();
        let out_shape = [&index_shape[..], &sizes[..]].concat();
        let count: usize = index_shape.iter().product();
        let mut places = vec![];
        for i in 0..count {
            for s in indices(&sizes) {
                let mut at = s;
                for (&a, starts) in axes.iter().zip(&starts) {
                    at[a] += wrapped(starts[i], shape[a]);
                }
                places.push(flat(&shape, &at));
            }
        }
        let mut out = vec![0u16; places.len()];
        let data = u16::wrap(&src.data);
        gather(data, &src.layout, &views, &axes, &sizes, u16::wrap_mut(&mut out)).unwrap();
        assert!(out.iter().zip(&places).all(|(&o, &p)| o == values[p]));

        let updates = Strided::random(rng, &out_shape, |r| r.u16(..));
        for op in [ScatterOp::Add, ScatterOp::Update, ScatterOp::Max] {
            let mut dst = values.clone();
            let mut expected = values.clone();
            for (&p, u) in places.iter().zip(updates.values()) {
                expected[p] = match op {
                    ScatterOp::Add => expected[p].wrapping_add(u),
                    ScatterOp::Max => expected[p].max(u),
                    _ => u,
                };
            }
            let (dst, from) = (&mut dst, u16::wrap(&updates.data));
            let into = u16::wrap_mut(dst);
            scatter(op, into, &shape, &views, &axes, from, &updates.layout).unwrap();
            assert!(*dst == expected);
        }
    });
}

#[test]
fn take_and_axis_forms() {
    check(300, |rng| {
        let rank = 1 + rng.usize(..3);
        let shape: Vec<usize> = random_shape(rng, rank).iter().map(|&n| n.max(1)).collect();
        let axis = rng.usize(..rank);
        let n = shape[axis];
        let src = Strided::random(rng, &shape, |r| r.u32(..));
        let values = src.values();
        let count = rng.usize(..6);
        let ids = Strided::random(rng, &[count], |r| r.usize(..2 * n) as i64 - n as i64);
        let view = View { data: i64::wrap(&ids.data), layout: &ids.layout };
        let mut out_shape = shape.clone();
        out_shape[axis] = count;
        let mut out = vec![0u32; out_shape.iter().product()];
        take(u32::wrap(&src.data), &src.layout, view, axis, u32::wrap_mut(&mut out)).unwrap();
        let rows = ids.values();
        for (o, mut index) in out.iter().zip(indices(&out_shape)) {
            index[axis] = wrapped(rows[index[axis]] as i32, n);
            assert_eq!(*o, values[flat(&shape, &index)]);
        }

        let ids = Strided::random(rng, &out_shape, |r| r.usize(..n) as u8);
        if n > 255 {
            return;
        }
        let view = View { data: u8::wrap(&ids.data), layout: &ids.layout };
        let data = u32::wrap(&src.data);
        gather_axis(data, &src.layout, view, axis, u32::wrap_mut(&mut out)).unwrap();
        let mut expected = values.clone();
        let updates = Strided::random(rng, &out_shape, |r| r.u32(..));
        let news = updates.values();
        for (i, (mut index, id)) in indices(&out_shape).into_iter().zip(ids.values()).enumerate() {
            index[axis] = id as usize;
            assert_eq!(out[i], values[flat(&shape, &index)]);
            expected[flat(&shape, &index)] = news[i];
        }
        let mut dst = values;
        let (into, from) = (u32::wrap_mut(&mut dst), u32::wrap(&updates.data));
        scatter_axis(ScatterOp::Update, into, &shape, view, axis, from, &updates.layout).unwrap();
        assert!(dst == expected);
    });
}

#[test]
fn indices_out_of_range_are_errors() {
    let src = [1f32, 2.0, 3.0];
    let layout = Layout::contiguous(&[3]);
    for (index, fine) in [(2i32, true), (3, false), (-3, true), (-4, false), (i32::MIN, false)] {
        let ids = Layout::contiguous(&[]);
        let view = View { data: i32::wrap(std::slice::from_ref(&index)), layout: &ids };
        let mut out = [0f32];
        let out = f32::wrap_mut(&mut out);
        let result = gather(f32::wrap(&src), &layout, &[view], &[0], &[1], out);
        let error = OutOfRange { index: index as i64, axis: 0, places: 3 };
        assert_eq!(result, if fine { Ok(()) } else { Err(error) });
    }
}

#[test]
fn repeated_halves_round_after_each_update() {
    check(40, |rng| {
        let (rows, n, count) = (1 + rng.usize(..5), 1 + rng.usize(..40), rng.usize(..60));
        let ids = Strided::random(rng, &[count], |r| r.usize(..rows) as u8);
        let half = |r: &mut Rng| f16::from_f64(signed(r));
        let updates = Strided::random(rng, &[count, 1, n], half);
        let mut dst: Vec<f16> = (0..rows * n).map(|_| half(rng)).collect();
        for op in [ScatterOp::Add, ScatterOp::Prod, ScatterOp::Min] {
            let (mut expected, news) = (dst.clone(), updates.values());
            for (i, id) in ids.values().into_iter().enumerate() {
                for j in 0..n {
                    let place = &mut expected[id as usize * n + j];
                    let (a, b) = (place.to_f32(), news[i * n + j].to_f32());
                    *place = f16::from_f32(match op {
                        ScatterOp::Add => a + b,
                        ScatterOp::Prod => a * b,
                        _ => a.min(b),
                    });
                }
            }
            let view = View { data: u8::wrap(&ids.data), layout: &ids.layout };
            let (into, from) = (f16::wrap_mut(&mut dst), f16::wrap(&updates.data));
            scatter(op, into, &[rows, n], &[view], &[0], from, &updates.layout).unwrap();
            assert!(dst == expected, "{op:?}");
        }
    });
}
