//! Norms and their gradients.

use anymetal_kernels::norm::{
    Gradients, STREAM_BYTES, layer_norm, layer_norm_grad, rms_norm, rms_norm_grad,
};
use anymetal_kernels::{Dtype, Layout, Slice, SliceMut, View, f16};

use crate::oracle::{Array, everywhere, layouts, round};
use crate::random::{fresh, signed};

const SIZES: [usize; 8] = [1, 3, 15, 17, 64, 129, 1000, 4097];

/// How a norm treats the mean.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rms,
    Layer,
}

struct Case<'a> {
    kind: Kind,
    x: &'a Array,
    layout: &'a Layout,
    weight: Option<&'a Array>,
    bias: Option<&'a Array>,
    eps: f32,
    dtype: Dtype,
}

impl Case<'_> {
    fn run(&self) -> Vec<f64> {
        let len = self.layout.shape.last().copied().unwrap_or(0);
        let vector = Layout::contiguous(&[len]);
        let weight = self.weight.map(|w| View::new(w.slice(), &vector));
        let bias = self.bias.map(|b| View::new(b.slice(), &vector));
        let mut out = Array::zeros(self.dtype, self.layout.len());
        let x = View::new(self.x.slice(), self.layout);
        match self.kind {
            Kind::Rms => rms_norm(x, weight, self.eps, out.slice_mut()),
            Kind::Layer => layer_norm(x, weight, bias, self.eps, out.slice_mut()),
        }
        out.values()
    }

    /// Every output is what the stages give for some normalised value within `f32` accuracy of
    /// the exact one; for halves that leaves, nearly always, one value.
    fn check(&self, place: &str) {
        let got = self.run();
        let len = self.layout.shape.last().copied().unwrap_or(0);
        for (row, (x, got)) in self.x.read(self.layout).chunks(len).zip(got.chunks(len)).enumerate()
        {
            let x: Vec<f64> = x.iter().map(|&x| x as f32 as f64).collect();
            let (normal, _) = normalise(self.kind, &x, self.eps);
            for (i, (&got, &y)) in got.iter().zip(&normal).enumerate() {
                // Rounding the mean square and the scale: a few units of f32, relative. A layer
                // norm's small values are differences of two numbers of the size that the mean of
                // a row's first sixteen elements has away from the row's, up to about 1 here:
                // without fused multiply-add four roundings, each of half a unit of 1, 6e-8.
                let slack = 1e-6 * y.abs() + 2.5e-7;
                let staged = |y: f64| {
                    let y = round(self.dtype, y as f32 as f64);
                    let y = match self.weight {
                        Some(w) => round(self.dtype, y * round(self.dtype, w.get(i))),
                        None => y,
                    };
                    self.bias.map_or(y, |b| round(self.dtype, y + round(self.dtype, b.get(i))))
                };
                let (a, b) = (staged(y - slack), staged(y + slack));
                assert!(
                    a.min(b) <= got && got <= a.max(b),
                    "row {row}, feature {i} of {len}, {} to {} at {place}: {got}, not {a} to {b}",
                    self.x.dtype,
                    self.dtype,
                );
            }
        }
    }
}

/// The normalised values and their scale.
fn normalise(kind: Kind, x: &[f64], eps: f32) -> (Vec<f64>, f64) {
    let n = x.len() as f64;
    let mean = if kind == Kind::Rms { 0.0 } else { x.iter().sum::<f64>() / n };
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let scale = 1.0 / (variance + eps as f64).sqrt();
    (x.iter().map(|x| (x - mean) * scale).collect(), scale)
}

#[test]
fn all_dtypes_and_sizes_follow_the_stages() {
    use Dtype::*;
    let mut rng = fresh();
    // Input, weight and bias, output.
    let dtypes = [
        (F32, F32, F32),
        (F16, F16, F16),
        (Bf16, Bf16, Bf16),
        (F64, F64, F64),
        (F16, F32, F32),
        (Bf16, F16, F32),
        (F32, Bf16, F32),
        (F16, F32, F16),
        (I32, F16, F16),
        (I32, Bf16, Bf16),
        (I32, F32, F32),
        (F32, F64, F64),
    ];
    for len in SIZES {
        let layout = Layout::contiguous(&[3, len]);
        for (x, w, dtype) in dtypes {
            let x = Array::random(&mut rng, x, 3 * len);
            let weight = Array::random(&mut rng, w, len);
            let bias = Array::random(&mut rng, w, len);
            let (x, layout) = (&x, &layout);
            everywhere(|place| {
                for (kind, weight, bias) in [
                    (Kind::Rms, None, None),
                    (Kind::Rms, Some(&weight), None),
                    (Kind::Layer, None, None),
                    (Kind::Layer, Some(&weight), None),
                    (Kind::Layer, None, Some(&bias)),
                    (Kind::Layer, Some(&weight), Some(&bias)),
                ] {
                    Case { kind, x, layout, weight, bias, eps: 1e-5, dtype }.check(place);
                }
            });
        }
    }
}

#[test]
fn a_first_element_far_from_the_others_costs_no_accuracy() {
    let mut rng = fresh();
    for len in [40, 300, 20_000] {
        for far in [1e3, 1e6] {
            // The first sixteen are far from the mean: a thousand times the others' spread.
            let values: Vec<f64> =
                (0..len).map(|i| signed(&mut rng) + if i < 16 { 0.0 } else { far }).collect();
            let x = &Array::of(Dtype::F32, values);
            let layout = &Layout::contiguous(&[1, len]);
            let (kind, dtype) = (Kind::Layer, Dtype::F32);
            everywhere(|place| {
                let case = Case { kind, x, layout, weight: None, bias: None, eps: 1e-5, dtype };
                case.check(place);
            });
        }
    }
}

#[test]
fn any_layout_will_do() {
    let mut rng = fresh();
    for shape in [&[5, 40][..], &[2, 3, 33], &[3, 1, 2, 16]] {
        for (layout, size) in layouts(shape) {
            for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64] {
                let x = Array::random(&mut rng, dtype, size);
                let weight = Array::random(&mut rng, dtype, shape[shape.len() - 1]);
                let (x, layout, weight) = (&x, &layout, Some(&weight));
                everywhere(|place| {
                    let place = format!("{place}, {layout:?}");
                    for kind in [Kind::Rms, Kind::Layer] {
                        Case { kind, x, layout, weight, bias: None, eps: 1e-6, dtype }
                            .check(&place);
                    }
                });
            }
        }
    }
}

#[test]
fn strided_weights_are_followed() {
    let mut rng = fresh();
    let x = Array::random(&mut rng, Dtype::F32, 2 * 20);
    let weight = Array::random(&mut rng, Dtype::F32, 40);
    let backwards =
        Layout { shape: [20].as_slice().into(), strides: [-2].as_slice().into(), offset: 39 };
    let dense = Layout::contiguous(&[2, 20]);
    let mut got = Array::zeros(Dtype::F32, 40);
    rms_norm(
        View::new(x.slice(), &dense),
        Some(View::new(weight.slice(), &backwards)),
        0.0,
        got.slice_mut(),
    );
    let weight = Array::of(Dtype::F32, weight.read(&backwards));
    let kind = Kind::Rms;
    let want = Case {
        kind,
        x: &x,
        layout: &dense,
        weight: Some(&weight),
        bias: None,
        eps: 0.0,
        dtype: Dtype::F32,
    };
    assert_eq!(got.values(), want.run());
}

#[test]
fn large_outputs_that_bypass_the_caches_are_the_same() {
    let mut rng = fresh();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        // Odd rows are not aligned, so both kinds of stores take part.
        for len in [2048, 1001] {
            let rows = STREAM_BYTES / (2 * len * dtype.size()) + 2;
            let x = Array::random(&mut rng, dtype, rows * len);
            let weight = Array::random(&mut rng, dtype, len);
            for kind in [Kind::Rms, Kind::Layer] {
                let run = |rows: usize| {
                    let layout = &Layout::contiguous(&[rows, len]);
                    let (x, weight, eps) = (&x, Some(&weight), 1e-5);
                    Case { kind, x, layout, weight, bias: None, eps, dtype }.run()
                };
                let (all, few) = (run(rows), run(rows / 2));
                assert!(all[..few.len()] == few, "{dtype}, {len}");
            }
        }
    }
}

#[test]
fn special_values() {
    let norm = |kind, dtype, x: &[f64], eps| {
        let x = Array::of(dtype, x.iter().copied());
        let layout = &Layout::contiguous(&[x.values().len()]);
        Case { kind, x: &x, layout, weight: None, bias: None, eps, dtype }.run()
    };
    everywhere(|place| {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64] {
            for len in [1, 16, 40] {
                let mut x = vec![0.0; len];
                // A zero row has no direction.
                assert!(norm(Kind::Rms, dtype, &x, 0.0).iter().all(|y| y.is_nan()), "{place}");
                assert!(norm(Kind::Layer, dtype, &x, 0.0).iter().all(|y| y.is_nan()), "{place}");
                assert!(norm(Kind::Rms, dtype, &x, 1e-5).iter().all(|&y| y == 0.0), "{place}");
                x.fill(1.0);
                assert!(norm(Kind::Rms, dtype, &x, -2.0).iter().all(|y| y.is_nan()), "{place}");
                x.fill(3.7);
                let constant = norm(Kind::Layer, dtype, &x, 1e-5);
                assert!(constant.iter().all(|y| y.abs() < 1e-9), "{place}: {constant:?}");
                x[len - 1] = f64::INFINITY;
                let y = norm(Kind::Rms, dtype, &x, 1e-5);
                assert!(y[len - 1].is_nan() && y[..len - 1].iter().all(|&y| y == 0.0), "{place}");
                x[0] = f64::NAN;
                for kind in [Kind::Rms, Kind::Layer] {
                    assert!(norm(kind, dtype, &x, 1e-5).iter().all(|y| y.is_nan()), "{place}");
                }
            }
        }
        // The sum of the squares overflows.
        assert_eq!(norm(Kind::Rms, Dtype::F32, &[1e30; 20], 1e-5), [0.0; 20], "{place}");
        // In halves it must not.
        assert_eq!(norm(Kind::Rms, Dtype::F16, &[65504.0; 20], 1e-5), [1.0; 20], "{place}");
        // A large offset costs nothing: these are -1, 1, -1, ..
        let x: Vec<f64> = (0..100).map(|i| 1e6 + (i % 2 * 2) as f64).collect();
        let y = norm(Kind::Layer, Dtype::F32, &x, 0.0);
        for (i, y) in y.iter().enumerate() {
            assert!((y.abs() - 1.0).abs() < 1e-6 && (*y > 0.0) == (i % 2 == 1), "{place}: {y}");
        }
    });
}

#[test]
fn nothing_in_nothing_out() {
    for (shape, len) in [([0, 4], 4), ([3, 0], 0), ([0, 0], 0)] {
        let layout = Layout::contiguous(&shape);
        let vector = Layout::contiguous(&[len]);
        let one: Vec<f16> = vec![f16::ONE; len];
        let weight = Some(View::new(Slice::F16(&one), &vector));
        rms_norm(View::new(Slice::F16(&[]), &layout), weight, 1e-5, SliceMut::F16(&mut []));
        layer_norm(
            View::new(Slice::F16(&[]), &layout),
            weight,
            weight,
            1e-5,
            SliceMut::F16(&mut []),
        );
        let mut dw = vec![1.0f32; len];
        let out = Gradients { weight: Some(SliceMut::F32(&mut dw)), ..Default::default() };
        let x = View::new(Slice::F16(&[]), &layout);
        rms_norm_grad(x, weight, x, 1e-5, out);
        assert!(dw.iter().all(|&w| w == 0.0));
    }
}

#[test]
fn gradients_follow_the_formulas() {
    use Dtype::*;
    let mut rng = fresh();
    for (x_dtype, w_dtype, g_dtype) in [
        (F32, F32, F32),
        (F16, F16, F16),
        (Bf16, Bf16, Bf16),
        (F64, F64, F64),
        (F16, F32, F32),
        (Bf16, F16, F32),
    ] {
        for (rows, len) in [(1, 1), (3, 17), (5, 64), (700, 33), (20, 1000)] {
            let options = layouts(&[rows, len]);
            let (layout, size) = options[rng.usize(..options.len())].clone();
            let x = Array::random(&mut rng, x_dtype, size);
            let (g_layout, size) = options[rng.usize(..options.len())].clone();
            let g = Array::random(&mut rng, g_dtype, size);
            let weight = Array::random(&mut rng, w_dtype, len);
            let vector = Layout::contiguous(&[len]);
            for kind in [Kind::Rms, Kind::Layer] {
                for weighted in [true, false] {
                    let w = |i| if weighted { weight.get(i) } else { 1.0 };
                    let want = gradients(kind, &x.read(&layout), &g.read(&g_layout), w, len);
                    everywhere(|place| {
                        let mut dx = Array::zeros(x_dtype, rows * len);
                        let mut dw = Array::zeros(w_dtype, len);
                        let mut db = Array::zeros(w_dtype, len);
                        let x = View::new(x.slice(), &layout);
                        let g = View::new(g.slice(), &g_layout);
                        let weight = weighted.then_some(View::new(weight.slice(), &vector));
                        let mut out = Gradients {
                            x: Some(dx.slice_mut()),
                            weight: Some(dw.slice_mut()),
                            bias: None,
                        };
                        match kind {
                            Kind::Rms => rms_norm_grad(x, weight, g, 1e-3, out),
                            Kind::Layer => {
                                out.bias = Some(db.slice_mut());
                                layer_norm_grad(x, weight, g, 1e-3, out);
                                near(&db, &want.2, rows, place);
                            }
                        }
                        near(&dx, &want.0, 1, place);
                        near(&dw, &want.1, rows, place);
                    });
                }
            }
        }
    }
}

/// Gradients of x, weight and bias by the formulas, in `f64`.
fn gradients(
    kind: Kind,
    x: &[f64],
    g: &[f64],
    w: impl Fn(usize) -> f64,
    len: usize,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut dx, mut dw, mut db) = (Vec::new(), vec![0.0; len], vec![0.0; len]);
    for (x, g) in x.chunks(len).zip(g.chunks(len)) {
        let (z, scale) = normalise(kind, x, 1e-3);
        let u: Vec<f64> = g.iter().enumerate().map(|(i, g)| g * w(i)).collect();
        let mean = |f: &dyn Fn(usize) -> f64| (0..len).map(f).sum::<f64>() / len as f64;
        let mean_u = if kind == Kind::Layer { mean(&|i| u[i]) } else { 0.0 };
        let mean_uz = mean(&|i| u[i] * z[i]);
        for i in 0..len {
            dx.push((u[i] - mean_u - z[i] * mean_uz) * scale);
            dw[i] += g[i] * z[i];
            db[i] += g[i];
        }
    }
    (dx, dw, db)
}

/// `f32` sums of `terms` products of size 1 or so, rounded to the dtype.
fn near(got: &Array, want: &[f64], terms: usize, place: &str) {
    let unit = match got.dtype {
        Dtype::F16 => 1.0 / 1024.0,
        Dtype::Bf16 => 1.0 / 128.0,
        _ => 0.0,
    };
    // One 1-element axis divides by nearly nothing: the scale of errors is that of the largest.
    let scale = want.iter().fold(1.0f64, |a, b| a.max(b.abs()));
    for (i, (got_i, want)) in got.values().into_iter().zip(want).enumerate() {
        let slack = unit * want.abs() + 4e-6 * scale * (terms as f64).sqrt();
        let dtype = got.dtype;
        assert!((got_i - want).abs() <= slack, "{dtype} {i} at {place}: {got_i}, not {want}");
    }
}

#[test]
fn gradients_can_be_asked_for_one_by_one() {
    let mut rng = fresh();
    let layout = Layout::contiguous(&[300, 50]);
    let x = Array::random(&mut rng, Dtype::F32, 300 * 50);
    let g = Array::random(&mut rng, Dtype::F32, 300 * 50);
    let (x, g) = (View::new(x.slice(), &layout), View::new(g.slice(), &layout));
    everywhere(|place| {
        let (mut dx, mut dw, mut db) = (vec![0f32; 15000], [0f32; 50], [0f32; 50]);
        let all = Gradients {
            x: Some(SliceMut::F32(&mut dx)),
            weight: Some(SliceMut::F32(&mut dw)),
            bias: Some(SliceMut::F32(&mut db)),
        };
        layer_norm_grad(x, None, g, 1e-5, all);
        let (mut dx1, mut dw1, mut db1) = (vec![0f32; 15000], [0f32; 50], [0f32; 50]);
        let none = Gradients::default;
        layer_norm_grad(x, None, g, 1e-5, Gradients { x: Some(SliceMut::F32(&mut dx1)), ..none() });
        layer_norm_grad(
            x,
            None,
            g,
            1e-5,
            Gradients { weight: Some(SliceMut::F32(&mut dw1)), ..none() },
        );
        layer_norm_grad(
            x,
            None,
            g,
            1e-5,
            Gradients { bias: Some(SliceMut::F32(&mut db1)), ..none() },
        );
        layer_norm_grad(x, None, g, 1e-5, none());
        assert!(dx == dx1 && dw == dw1 && db == db1, "{place}");
    });
}
