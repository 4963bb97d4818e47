//! Rope.

use anymetal_kernels::norm::STREAM_BYTES;
use anymetal_kernels::rope::{Rope, Speeds, rope};
use anymetal_kernels::{Dtype, Layout, Slice, SliceMut, View};

use crate::oracle::{Array, everywhere, layouts, round};
use crate::random::{fresh, signed};

struct Case<'a> {
    x: &'a Array,
    layout: &'a Layout,
    rope: Rope<'a>,
    /// What the speeds come to, and their relative error.
    speeds: (Vec<f32>, f64),
}

impl Case<'_> {
    fn run(&self) -> Vec<f64> {
        let mut out = Array::zeros(self.x.dtype, self.layout.len());
        rope(View::new(self.x.slice(), self.layout), &self.rope, out.slice_mut());
        out.values()
    }

    fn check(&self, place: &str) {
        let shape = &self.layout.shape;
        let (batches, len) = (shape[0], shape[shape.len() - 1]);
        let times = shape[shape.len() - 2];
        let half = self.rope.dims / 2;
        let (x, got) = (self.x.read(self.layout), self.run());
        let heads = x.len() / (batches * times * len);
        for (row, (x, got)) in x.chunks(len).zip(got.chunks(len)).enumerate() {
            assert_eq!(x[self.rope.dims..], got[self.rope.dims..], "{place}");
            let offset =
                self.rope.offsets[(row / (times * heads)).min(self.rope.offsets.len() - 1)];
            let position = ((row % times) as f32 + offset as f32) * self.rope.scale;
            for i in 0..half {
                let theta = position * self.speeds.0[i];
                let (s, c) = (theta as f64).sin_cos();
                let s = if self.rope.inverse { -s } else { s };
                let (a, b) = if self.rope.traditional { (2 * i, 2 * i + 1) } else { (i, i + half) };
                // Sine and cosine are good to 2 ULP, each product and the sum to half a one.
                let relative = 4e-7 + theta.abs() as f64 * self.speeds.1;
                let slack = (x[a].abs() + x[b].abs()) * relative;
                for (got, want) in [(got[a], x[a] * c - x[b] * s), (got[b], x[a] * s + x[b] * c)] {
                    let (low, high) =
                        (round(self.x.dtype, want - slack), round(self.x.dtype, want + slack));
                    assert!(
                        low <= got && got <= high,
                        "row {row}, pair {i}, {:?} of {} at {place}: {got}, not {want}",
                        self.rope,
                        self.x.dtype,
                    );
                }
            }
        }
    }
}

/// By the definition, through `f64` where it says `exp`.
fn speeds_of(base: f32, half: usize) -> Vec<f32> {
    let step = base.ln() / half as f32;
    (0..half).map(|i| (-(i as f32) * step) as f64).map(|x| x.exp() as f32).collect()
}

#[test]
fn every_shape_turns_by_the_definition() {
    let mut rng = fresh();
    for (len, dims) in [(128, 128), (64, 32), (8, 2), (40, 36), (70, 66), (100, 96), (2, 2)] {
        for shape in [&[2, 5, len][..], &[2, 3, 40, len], &[1, 2, 2, 3, len]] {
            let options = layouts(shape);
            let (layout, size) = &options[rng.usize(..options.len())];
            for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64] {
                let x = &Array::random(&mut rng, dtype, *size);
                for traditional in [false, true] {
                    let vector = [7, -100];
                    let inverse = rng.bool();
                    let offsets = &vector[..1 + rng.usize(..shape[0])];
                    let speeds = Speeds::Base(10_000.0);
                    let rope = Rope { dims, traditional, speeds, scale: 0.5, offsets, inverse };
                    // One unit of the last place of a float.
                    let speeds = (speeds_of(10_000.0, dims / 2), 1.2e-7);
                    let case = Case { x, layout, rope, speeds };
                    everywhere(|place| case.check(&format!("{place}, {layout:?}")));
                }
            }
        }
    }
}

#[test]
fn large_angles_are_exact() {
    let mut rng = fresh();
    let periods: Vec<f32> =
        (0..24).map(|_| 10f32.powf(3.0 * signed(&mut rng) as f32)).chain([f32::INFINITY]).collect();
    let dims = 2 * periods.len();
    let vector = Layout::contiguous(&[periods.len()]);
    let layout = &Layout::contiguous(&[3, 2, 9, dims]);
    let x = &Array::random(&mut rng, Dtype::F32, layout.len());
    for offsets in [&[1_000_000, 1 << 31, -(1 << 24) - 1], &[4_294_967_295, 0, 3]] {
        for traditional in [false, true] {
            let rope = Rope {
                dims,
                traditional,
                speeds: Speeds::Periods(View::new(Slice::F32(&periods), &vector)),
                scale: 1.0,
                offsets,
                inverse: false,
            };
            let speeds = (periods.iter().map(|p| 1.0 / p).collect(), 0.0);
            let case = Case { x, layout, rope, speeds };
            everywhere(|place| case.check(place));
        }
    }
}

#[test]
fn the_inverse_undoes_it_also_past_the_caches() {
    let mut rng = fresh();
    for (dtype, unit) in [(Dtype::F32, 1e-6), (Dtype::F16, 2e-3), (Dtype::Bf16, 2e-2)] {
        let times = STREAM_BYTES / (2 * 4 * 128 * dtype.size()) + 5;
        let layout = &Layout::contiguous(&[1, 4, times, 128]);
        let x = Array::random(&mut rng, dtype, layout.len());
        for traditional in [false, true] {
            let speeds = Speeds::Base(1e4);
            let rope =
                Rope { dims: 128, traditional, speeds, scale: 1.0, offsets: &[3], inverse: false };
            let case = |x, rope| Case { x, layout, rope, speeds: (Vec::new(), 0.0) }.run();
            let turned = Array::of(dtype, case(&x, rope));
            let back = case(&turned, Rope { inverse: true, ..rope });
            for (x, back) in x.values().iter().zip(back) {
                assert!((x - back).abs() <= unit * 4.0, "{dtype}: {x} became {back}");
            }
        }
    }
}

#[test]
fn special_values() {
    let bits = [0x7fc1_2345u32, 0xffff_ffff, 0x7f80_0001, 1, 0x8000_0000, 0x7f80_0000];
    let tail = bits.map(f32::from_bits);
    let mut x = vec![1.0f32; 10 * (2 + tail.len())];
    x.chunks_mut(2 + tail.len()).for_each(|row| row[2..].copy_from_slice(&tail));
    let layout = &Layout::contiguous(&[1, 10, 2 + tail.len()]);
    let one = &Layout::contiguous(&[1]);
    everywhere(|place| {
        let turn = |speeds| {
            let mut out = vec![0f32; x.len()];
            for traditional in [false, true] {
                let rope_ = Rope {
                    dims: 2,
                    traditional,
                    speeds,
                    scale: 1.0,
                    offsets: &[0],
                    inverse: false,
                };
                rope(View::new(Slice::F32(&x), layout), &rope_, SliceMut::F32(&mut out));
                for row in out.chunks(2 + tail.len()) {
                    assert_eq!(row[2..].iter().map(|x| x.to_bits()).collect::<Vec<_>>(), bits);
                }
            }
            out.chunks(2 + tail.len()).map(|row| [row[0], row[1]]).collect::<Vec<_>>()
        };
        assert!(
            turn(Speeds::Periods(View::new(Slice::F32(&[0.0]), one)))
                .as_flattened()
                .iter()
                .all(|y| y.is_nan()),
            "{place}"
        );
        assert_eq!(
            turn(Speeds::Periods(View::new(Slice::F32(&[f32::INFINITY]), one))),
            [[1.0; 2]; 10],
            "{place}"
        );
        for base in [0.0, -1.0] {
            assert!(turn(Speeds::Base(base)).as_flattened().iter().all(|y| y.is_nan()), "{place}");
        }
    });
}

#[test]
fn nothing_in_nothing_out() {
    for shape in [[0, 3, 4], [2, 0, 4]] {
        let layout = Layout::contiguous(&shape);
        let speeds = Speeds::Base(100.0);
        let options =
            Rope { dims: 4, traditional: true, speeds, scale: 1.0, offsets: &[0], inverse: false };
        rope(View::new(Slice::F32(&[]), &layout), &options, SliceMut::F32(&mut []));
    }
}
