//! What tests of row kernels compare with: random arrays of any dtype, read as `f64`, and the
//! rounding of `f64` to a dtype.

use crate::random::signed;
use anymetal_kernels::simd::Level;
use anymetal_kernels::{Dtype, Layout, Slice, SliceMut, bf16, f16, par, simd};
use fastrand::Rng;

/// An owned array of any dtype.
pub(crate) struct Array {
    pub(crate) dtype: Dtype,
    len: usize,
    words: Vec<u64>,
}

impl Array {
    pub(crate) fn zeros(dtype: Dtype, len: usize) -> Array {
        Array { dtype, len, words: vec![0; (len * dtype.size()).div_ceil(8)] }
    }

    /// The values, rounded to `dtype`.
    pub(crate) fn of(dtype: Dtype, values: impl IntoIterator<Item = f64>) -> Array {
        let values: Vec<f64> = values.into_iter().collect();
        let mut array = Array::zeros(dtype, values.len());
        match array.slice_mut() {
            SliceMut::F16(s) => s.iter_mut().zip(values).for_each(|(s, v)| *s = f16::from_f64(v)),
            SliceMut::Bf16(s) => s.iter_mut().zip(values).for_each(|(s, v)| *s = bf16::from_f64(v)),
            SliceMut::F32(s) => s.iter_mut().zip(values).for_each(|(s, v)| *s = v as f32),
            SliceMut::F64(s) => s.iter_mut().zip(values).for_each(|(s, v)| *s = v),
            SliceMut::I32(s) => s.iter_mut().zip(values).for_each(|(s, v)| *s = v as i32),
            s => panic!("no random {}", s.dtype()),
        }
        array
    }

    pub(crate) fn random(rng: &mut Rng, dtype: Dtype, len: usize) -> Array {
        let size = if dtype.is_float() { 2.0 } else { 50.0 };
        Array::of(dtype, (0..len).map(|_| signed(rng) * size))
    }

    pub(crate) fn slice(&self) -> Slice<'_> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        Slice::from_bytes(self.dtype, &bytes[..self.len * self.dtype.size()]).expect("aligned")
    }

    pub(crate) fn slice_mut(&mut self) -> SliceMut<'_> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words);
        SliceMut::from_bytes(self.dtype, &mut bytes[..self.len * self.dtype.size()])
            .expect("aligned")
    }

    pub(crate) fn get(&self, at: usize) -> f64 {
        match self.slice() {
            Slice::F16(s) => s[at].to_f64(),
            Slice::Bf16(s) => s[at].to_f64(),
            Slice::F32(s) => s[at] as f64,
            Slice::F64(s) => s[at],
            Slice::I32(s) => s[at] as f64,
            s => panic!("no random {}", s.dtype()),
        }
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        (0..self.len).map(|i| self.get(i)).collect()
    }

    /// The elements of a layout, in row-major order.
    pub(crate) fn read(&self, layout: &Layout) -> Vec<f64> {
        let mut out = Vec::new();
        for i in 0..layout.len() {
            let (mut left, mut at) = (i, layout.offset as isize);
            for (&n, &stride) in layout.shape.iter().zip(&layout.strides).rev() {
                at += (left % n) as isize * stride;
                left /= n;
            }
            out.push(self.get(at as usize));
        }
        out
    }
}

/// The value of `dtype` nearest to `x`.
pub(crate) fn round(dtype: Dtype, x: f64) -> f64 {
    match dtype {
        Dtype::F16 => nearest(x, 10, -14, 16),
        Dtype::Bf16 => nearest(x, 7, -126, 128),
        Dtype::F32 => x as f32 as f64,
        Dtype::F64 => x,
        other => panic!("no rounding to {other}"),
    }
}

/// `x` rounded to a binary format, ties to even: bits of the fraction, least exponent, and the
/// power of two that is infinity. (The half crate's conversions from `f64` drop low bits and so
/// take values just past a tie for the tie.)
fn nearest(x: f64, fraction: i32, least: i32, infinity: i32) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = 2f64.powi(exponent.max(least) - fraction);
    let rounded = (x / unit).round_ties_even() * unit;
    if rounded.abs() >= 2f64.powi(infinity) { rounded.signum() * f64::INFINITY } else { rounded }
}

/// Layouts of `shape` (two axes or more) of all kinds, with the number of elements they need:
/// row-major, with gaps and an offset, the last two axes exchanged, rows backwards, one row for
/// all, every second feature.
pub(crate) fn layouts(shape: &[usize]) -> Vec<(Layout, usize)> {
    let dense = Layout::contiguous(shape);
    let len = dense.len();
    let axes = shape.len();
    let with = |f: &dyn Fn(&mut Layout)| {
        let mut layout = dense.clone();
        f(&mut layout);
        layout
    };
    let gaps = with(&|l| {
        l.offset = 3;
        for (axis, stride) in l.strides[..axes - 1].iter_mut().enumerate() {
            *stride += if axis == axes - 2 {
                5
            } else {
                5 * shape[axis + 1..axes - 1].iter().product::<usize>() as isize
            };
        }
    });
    let exchanged = with(&|l| {
        l.strides[axes - 1] = shape[axes - 2] as isize;
        l.strides[axes - 2] = 1;
    });
    let backwards = with(&|l| {
        l.offset = l.strides[axes - 2] as usize * (shape[axes - 2].max(1) - 1);
        l.strides[axes - 2] *= -1;
    });
    let same = with(&|l| l.strides[0] = 0);
    let second = with(&|l| l.strides.iter_mut().for_each(|s| *s *= 2));
    let outer = len / shape[axes - 1].max(1);
    vec![
        (dense.clone(), len),
        (gaps, len + 5 * outer + 3),
        (exchanged, len),
        (backwards, len),
        (same, len),
        (second, 2 * len),
    ]
}

/// Runs `f` at every level with 1, 2 and 5 threads.
pub(crate) fn everywhere(f: impl Fn(&str)) {
    // Row kernels have no use for the BF16 instructions.
    for level in simd::available().into_iter().filter(|&l| l != Level::Avx512Bf16) {
        for threads in [1, 2, 5] {
            let place = format!("{level:?}, {threads} threads");
            simd::with_level(level, || par::with_threads(threads, || f(&place)));
        }
    }
}
