//! Times array kernels on one thread and on all: nanoseconds an element, and gigabytes a second
//! read and written.

use std::hint::black_box;
use std::time::Instant;

use anymetal_kernels::copy::copy;
use anymetal_kernels::elementwise::{BinaryOp, UnaryOp, binary, unary};
use anymetal_kernels::matmul::matmul;
use anymetal_kernels::reduce::{ReduceOp, reduce, softmax};
use anymetal_kernels::{Element, Layout, bf16, f16, par, random};

/// Best time of some repetitions, in seconds.
fn time(mut f: impl FnMut()) -> f64 {
    let (mut best, start) = (f64::INFINITY, Instant::now());
    while start.elapsed().as_secs_f64() < 0.04 {
        let now = Instant::now();
        f();
        best = best.min(now.elapsed().as_secs_f64());
    }
    best
}

fn report(name: &str, n: usize, bytes: usize, mut f: impl FnMut()) {
    let mut line = format!("{name:<34}");
    for threads in [1, 2] {
        let t = par::with_threads(threads, || time(&mut f));
        let (ns, rate) = (t * 1e9 / n as f64, bytes as f64 / t / 1e9);
        line += &format!("  {threads}: {:>9.2} us {ns:>7.3} ns/el {rate:>6.1} GB/s", t * 1e6);
    }
    println!("{line}");
}

fn maps<T: Element>(n: usize, value: impl Fn(f64) -> T) {
    let x: Vec<T> = (0..n).map(|i| value((i % 997) as f64 / 1000.0)).collect();
    let mut out = vec![value(0.0); n];
    let (layout, size) = (Layout::contiguous(&[n]), size_of::<T>());
    let name = T::DTYPE.name();
    let scalar = Layout { strides: [0][..].into(), ..layout.clone() };
    use UnaryOp::*;
    for op in [Neg, Exp, Log, Tanh, Sigmoid, Erf, Sin, Rsqrt, ErfInv, Asin] {
        report(&format!("{op:?} {name} {n}"), n, 2 * n * size, || {
            unary(op, T::wrap(black_box(&x)), &layout, T::wrap_mut(&mut out));
        });
    }
    for (what, other) in [("", &layout), (" scalar", &scalar)] {
        for op in [BinaryOp::Add, BinaryOp::Power] {
            let bytes = if what.is_empty() { 3 } else { 2 } * n * size;
            report(&format!("{op:?}{what} {name} {n}"), n, bytes, || {
                let (a, b) = (T::wrap(black_box(&x)), T::wrap(&x));
                binary(op, a, &layout, b, other, T::wrap_mut(&mut out));
            });
        }
    }
    let rows = Layout::contiguous(&[n / 64, 64]);
    let mut few = vec![value(0.0); 64.max(n / 64)];
    let mut one = [value(0.0)];
    let data = T::wrap(&x);
    report(&format!("Sum all {name} {n}"), n, n * size, || {
        reduce(ReduceOp::Sum, black_box(data), &layout, &[0], T::wrap_mut(&mut one));
    });
    report(&format!("Max rows of 64 {name} {n}"), n, n * size, || {
        reduce(ReduceOp::Max, black_box(data), &rows, &[1], T::wrap_mut(&mut few[..n / 64]));
    });
    report(&format!("Sum columns of 64 {name} {n}"), n, n * size, || {
        reduce(ReduceOp::Sum, black_box(data), &rows, &[0], T::wrap_mut(&mut few[..64]));
    });
    report(&format!("softmax of 64 {name} {n}"), n, 2 * n * size, || {
        softmax(black_box(data), &rows, T::wrap_mut(&mut out));
    });
    let transposed =
        Layout { shape: [64, n / 64][..].into(), strides: [1, 64][..].into(), offset: 0 };
    report(&format!("transpose {name} {n}"), n, 2 * n * size, || {
        copy(black_box(data), &transposed, T::wrap_mut(&mut out));
    });
}

fn products<T: Element>(value: impl Fn(f64) -> T) {
    for (m, k, n) in [(1, 4096, 4096), (4, 64, 64), (64, 64, 64), (512, 512, 512)] {
        let a: Vec<T> = (0..m * k).map(|i| value((i % 7) as f64)).collect();
        let b: Vec<T> = (0..k * n).map(|i| value((i % 5) as f64)).collect();
        let mut out = vec![value(0.0); m * n];
        let la = Layout::contiguous(&[m, k]);
        let straight = Layout::contiguous(&[k, n]);
        let turned = Layout { strides: [1, k as isize][..].into(), ..straight.clone() };
        for (what, lb) in [("", &straight), (" b^T", &turned)] {
            let (work, bytes) = (m * k * n, size_of::<T>() * (k * n + m * k + m * n));
            report(&format!("{m}x{k}x{n}{what} {}", T::DTYPE), work, bytes, || {
                matmul(T::wrap(black_box(&a)), &la, T::wrap(&b), lb, T::wrap_mut(&mut out));
            });
        }
    }
}

fn main() {
    let only = std::env::args().nth(1);
    let wants = |part: &str| only.as_deref().is_none_or(|o| o == part);
    if wants("maps") {
        for n in [64, 1 << 14, 1 << 24] {
            maps::<f32>(n, |x| x as f32);
        }
        maps::<bf16>(1 << 14, bf16::from_f64);
        maps::<f16>(1 << 14, f16::from_f64);
        let mut words = vec![0u32; 1 << 20];
        report("random bits", 1 << 20, 4 << 20, || random::bits([1, 2], black_box(&mut words)));
    }
    if wants("products") {
        products::<f32>(|x| x as f32);
        products::<bf16>(bf16::from_f64);
    }
}
