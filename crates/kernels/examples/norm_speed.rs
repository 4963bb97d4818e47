//! Norms and rope against a plain copy of the same bytes, in turns, on one and two threads.
//!
//! `cargo run --release -p anymetal-kernels --example norm_speed`

use std::time::Instant;

use anymetal_kernels::norm::{Gradients, layer_norm, rms_norm, rms_norm_grad};
use anymetal_kernels::rope::{Rope, Speeds, rope};
use anymetal_kernels::{Element, Layout, View, bf16, f16, par};

fn main() {
    for (rows, len) in [(4096, 4096), (512, 1024), (1, 4096)] {
        norms("float32", rows, len, |x| x);
        norms("bfloat16", rows, len, bf16::from_f32);
        norms("float16", rows, len, f16::from_f32);
    }
    for shape in [[1, 32, 2048, 128], [8, 32, 1, 128]] {
        ropes("float32", shape, |x| x);
        ropes("bfloat16", shape, bf16::from_f32);
        ropes("float16", shape, f16::from_f32);
    }
}

fn norms<T: Element>(name: &str, rows: usize, len: usize, of: impl Fn(f32) -> T) {
    let (x, weight) = (random(rows * len, &of), random(len, &of));
    let (mut out, mut dw) = (x.clone(), weight.clone());
    let (layout, vector) = (Layout::contiguous(&[rows, len]), Layout::contiguous(&[len]));
    let x_view = View::new(T::wrap(&x), &layout);
    let w = Some(View::new(T::wrap(&weight), &vector));
    for threads in [1, 2] {
        let times = par::with_threads(threads, || {
            medians(size_of_val(&*x), |which| match which {
                0 => copy(&x, &mut out),
                1 => rms_norm(x_view, w, 1e-5, T::wrap_mut(&mut out)),
                2 => layer_norm(x_view, w, w, 1e-5, T::wrap_mut(&mut out)),
                _ => {
                    let (x, weight) = (Some(T::wrap_mut(&mut out)), Some(T::wrap_mut(&mut dw)));
                    rms_norm_grad(x_view, w, x_view, 1e-5, Gradients { x, weight, bias: None });
                }
            })
        });
        report(
            &format!("{name} {rows}x{len}, {threads} threads"),
            size_of_val(&*x),
            &[
                ("copy", times[0]),
                ("rms_norm", times[1]),
                ("layer_norm", times[2]),
                ("rms_norm_grad", times[3]),
            ],
        );
    }
}

fn ropes<T: Element>(name: &str, shape: [usize; 4], of: impl Fn(f32) -> T) {
    let x = random(shape.iter().product(), &of);
    let mut out = x.clone();
    let layout = Layout::contiguous(&shape);
    let half_split = Rope {
        dims: shape[3],
        traditional: false,
        speeds: Speeds::Base(10_000.0),
        scale: 1.0,
        offsets: &[5],
        inverse: false,
    };
    for threads in [1, 2] {
        let times = par::with_threads(threads, || {
            medians(size_of_val(&*x), |which| match which {
                0 => copy(&x, &mut out),
                _ => {
                    let options = Rope { traditional: which == 2, ..half_split };
                    rope(View::new(T::wrap(&x), &layout), &options, T::wrap_mut(&mut out));
                }
            })
        });
        report(
            &format!("{name} {shape:?}, {threads} threads"),
            size_of_val(&*x),
            &[("copy", times[0]), ("rope", times[1]), ("traditional rope", times[2])],
        );
    }
}

fn copy<T: Element>(x: &[T], out: &mut [T]) {
    let chunk = x.len().div_ceil(par::threads());
    par::chunks_mut(out, chunk, |i, out| out.copy_from_slice(&x[i * chunk..][..out.len()]));
}

fn random<T: Element>(n: usize, of: impl Fn(f32) -> T) -> Vec<T> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..n).map(|_| of(2.0 * rng.f32() - 1.0)).collect()
}

/// Median seconds of `f(0)` .. `f(3)`, run in turns, each often enough to be measured.
fn medians(bytes: usize, mut f: impl FnMut(usize)) -> [f64; 4] {
    let inner = (4_000_000 / bytes).clamp(1, 1000);
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..15 {
        for (which, times) in times.iter_mut().enumerate() {
            f(which);
            let start = Instant::now();
            (0..inner).for_each(|_| f(which));
            times.push(start.elapsed().as_secs_f64() / inner as f64);
        }
    }
    times.map(|mut t| {
        t.sort_by(f64::total_cmp);
        t[t.len() / 2]
    })
}

fn report(what: &str, bytes: usize, rows: &[(&str, f64)]) {
    println!("{what}");
    for (name, seconds) in rows {
        let rate = 2.0 * bytes as f64 / seconds / 1e9;
        println!("  {name:17} {:10.2} us {rate:7.1} GB/s", seconds * 1e6);
    }
}
