//! The norms themselves.

use std::ops::Range;

use super::affine::{self, Float};
use super::sums::Stats;
use super::{Kind, STREAM_BYTES, View, row_ns};
use crate::data::{Layout, Slice, SliceMut, bf16, f16};
use crate::par;
use crate::rows::{Number, Rows, positions, row};
use crate::simd::lanes::{LANES, LaneElement, LaneKernel, Lanes, with_lanes};
use crate::simd::{self, Level};

/// `out = x / sqrt(mean(x^2) + eps) * weight` along the last axis.
///
/// `x` has any real dtype and any strides; `weight` has one axis, as long as the last of `x`;
/// `out` is `float16`, `bfloat16`, `float32` or `float64`, row-major, and has as many elements as
/// `x`. Accurate to `f32`, with the roundings described in the [module](super). Fast if the last
/// axis has stride 1, `x` is a half or `float32`, and `out` has the dtype of `x` or is `float32`.
///
/// # Panics
/// If a length or the dtype of `out` is not as said.
pub fn rms_norm(
    x: Slice<'_>,
    x_layout: &Layout,
    weight: Option<View<'_>>,
    eps: f32,
    out: SliceMut<'_>,
) {
    norm(Kind::Rms, (x, x_layout), weight, None, eps, out);
}

/// `out = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias` along the last axis, with the
/// biased variance. Arguments and accuracy are as for [`rms_norm`].
pub fn layer_norm(
    x: Slice<'_>,
    x_layout: &Layout,
    weight: Option<View<'_>>,
    bias: Option<View<'_>>,
    eps: f32,
    out: SliceMut<'_>,
) {
    norm(Kind::Layer, (x, x_layout), weight, bias, eps, out);
}

fn norm(
    kind: Kind,
    x: View<'_>,
    weight: Option<View<'_>>,
    bias: Option<View<'_>>,
    eps: f32,
    out: SliceMut<'_>,
) {
    let call = Call { kind, layout: x.1, weight, bias, eps };
    match (x.0, out) {
        (Slice::F32(x), SliceMut::F32(out)) => call.lanes(x, out),
        (Slice::F16(x), SliceMut::F16(out)) => call.lanes(x, out),
        (Slice::Bf16(x), SliceMut::Bf16(out)) => call.lanes(x, out),
        (Slice::F16(x), SliceMut::F32(out)) => call.lanes(x, out),
        (Slice::Bf16(x), SliceMut::F32(out)) => call.lanes(x, out),
        (x, SliceMut::F16(out)) => call.staged::<f16>(x, out),
        (x, SliceMut::Bf16(out)) => call.staged::<bf16>(x, out),
        (x, SliceMut::F32(out)) => call.staged::<f32>(x, out),
        (x, SliceMut::F64(out)) => call.staged::<f64>(x, out),
        (_, out) => panic!("a norm gives floats, not {}", out.dtype()),
    }
}

struct Call<'a> {
    kind: Kind,
    layout: &'a Layout,
    weight: Option<View<'a>>,
    bias: Option<View<'a>>,
    eps: f32,
}

impl Call<'_> {
    fn lanes<X: LaneElement, O: LaneElement + Float>(&self, x: &[X], out: &mut [O]) {
        let rows = Rows::new(self.layout);
        let weight = self.weight.map(|w| affine::read::<O>(w, rows.len));
        let bias = self.bias.map(|b| affine::read::<O>(b, rows.len));
        // Multiplying by 1 changes nothing, so a lone bias is no case of its own.
        let ones = (bias.is_some() && weight.is_none())
            .then(|| vec![O::cast(Number::Unsigned(1)); rows.len]);
        let weight = weight.as_deref().or(ones.as_deref());
        if out.is_empty() {
            return;
        }
        let bytes = rows.len * (size_of::<X>() + size_of::<O>());
        let level = simd::level();
        par::rows_mut(out, rows.count(), rows.len, row_ns(bytes), |range, out| {
            let forward = Forward {
                kind: self.kind,
                x,
                rows: &rows,
                range,
                weight,
                bias: bias.as_deref(),
                eps: self.eps,
                stream: bytes * rows.count() > STREAM_BYTES,
                out,
            };
            with_lanes(level, forward);
        });
    }

    /// For dtypes without a kernel of their own: normalised values as `f32`, one row at a time,
    /// then the rest one by one.
    fn staged<O: Float>(&self, x: Slice<'_>, out: &mut [O]) {
        let rows = Rows::new(self.layout);
        let weight = self.weight.map(|w| affine::cast::<O>(w, rows.len));
        let bias = self.bias.map(|b| affine::cast::<O>(b, rows.len));
        if out.is_empty() {
            return;
        }
        let level = simd::level();
        par::rows_mut(out, rows.count(), rows.len, 5.0 * rows.len as f64, |range, out| {
            let mut normal = vec![0.0; rows.len];
            for (start, out) in rows.starts(range.start).zip(out.chunks_exact_mut(rows.len)) {
                let at = positions(start, rows.stride, rows.len);
                let wide: Vec<f32> = at.map(|at| Number::read(x, at).to_f32()).collect();
                self.normalise(level, &wide, &mut normal);
                for (out, &y) in out.iter_mut().zip(&normal) {
                    *out = O::cast(Number::Float(y as f64));
                }
                if let Some(weight) = &weight {
                    out.iter_mut().zip(weight).for_each(|(y, &w)| *y = y.times(w));
                }
                if let Some(bias) = &bias {
                    out.iter_mut().zip(bias).for_each(|(y, &b)| *y = y.plus(b));
                }
            }
        });
    }

    fn normalise(&self, level: Level, x: &[f32], out: &mut [f32]) {
        let forward = Forward {
            kind: self.kind,
            x,
            rows: &Rows::new(&Layout::contiguous(&[x.len()])),
            range: 0..1,
            weight: None,
            bias: None,
            eps: self.eps,
            stream: false,
            out,
        };
        with_lanes(level, forward);
    }
}

/// The rows `range` of one call.
struct Forward<'a, X, O> {
    kind: Kind,
    x: &'a [X],
    rows: &'a Rows,
    range: Range<usize>,
    weight: Option<&'a [O]>,
    /// Only with a weight.
    bias: Option<&'a [O]>,
    eps: f32,
    stream: bool,
    out: &'a mut [O],
}

/// What follows the normalised value, for code of its own.
const PLAIN: u8 = 0;
const WEIGHT: u8 = 1;
const WEIGHT_BIAS: u8 = 2;

impl<X: LaneElement, O: LaneElement> LaneKernel for Forward<'_, X, O> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        match (self.kind, self.stream) {
            (Kind::Rms, false) => self.with::<L, false, false>(l),
            (Kind::Rms, true) => self.with::<L, false, true>(l),
            (Kind::Layer, false) => self.with::<L, true, false>(l),
            (Kind::Layer, true) => self.with::<L, true, true>(l),
        }
    }
}

impl<X: LaneElement, O: LaneElement> Forward<'_, X, O> {
    #[inline(always)]
    fn with<L: Lanes, const LAYER: bool, const STREAM: bool>(self, l: L) {
        match (self.weight, self.bias) {
            (None, _) => self.rows::<L, LAYER, STREAM, PLAIN>(l, &[], &[]),
            (Some(w), None) => self.rows::<L, LAYER, STREAM, WEIGHT>(l, w, &[]),
            (Some(w), Some(b)) => self.rows::<L, LAYER, STREAM, WEIGHT_BIAS>(l, w, b),
        }
    }

    #[inline(always)]
    fn rows<L: Lanes, const LAYER: bool, const STREAM: bool, const AFTER: u8>(
        self,
        l: L,
        weight: &[O],
        bias: &[O],
    ) {
        let mut scratch = Vec::new();
        let mut starts = self.rows.starts(self.range.start).peekable();
        for out in self.out.chunks_exact_mut(self.rows.len) {
            let start = starts.next().unwrap_or(0);
            let x = row(self.x, self.rows, start, &mut scratch);
            let stats =
                if LAYER { Stats::layer(l, x, self.eps) } else { Stats::rms(l, x, self.eps) };
            let next =
                if STREAM { starts.peek().map_or(&[][..], |&at| after(self.x, at)) } else { &[] };
            write::<L, X, O, LAYER, STREAM, AFTER>(l, stats, x, next, weight, bias, out);
        }
        if STREAM {
            l.fence();
        }
    }
}

/// What begins at `at`, if anything does.
#[inline(always)]
fn after<T>(data: &[T], at: usize) -> &[T] {
    data.get(at..).unwrap_or(&[])
}

/// Writes a row, and prefetches the `next` one.
#[inline(always)]
fn write<
    L: Lanes,
    X: LaneElement,
    O: LaneElement,
    const LAYER: bool,
    const STREAM: bool,
    const AFTER: u8,
>(
    l: L,
    stats: Stats,
    x: &[X],
    next: &[X],
    weight: &[O],
    bias: &[O],
    out: &mut [O],
) {
    let (mean, scale, shift) = (l.splat(stats.mean), l.splat(stats.scale), l.splat(-stats.shift));
    let normal = |x: L::F| {
        if LAYER { l.mul_add(l.sub(x, mean), scale, shift) } else { l.mul(x, scale) }
    };
    let (xs, x_end) = x.as_chunks::<LANES>();
    let (ws, w_end) = weight.as_chunks::<LANES>();
    let (bs, b_end) = bias.as_chunks::<LANES>();
    let (outs, out_end) = out.as_chunks_mut::<LANES>();
    let count = xs.len();
    let (outs, ws, bs) = (
        &mut outs[..count],
        if AFTER == PLAIN { ws } else { &ws[..count] },
        if AFTER == WEIGHT_BIAS { &bs[..count] } else { bs },
    );
    for i in 0..count {
        let mut y = normal(X::load(l, &xs[i]));
        if AFTER != PLAIN {
            y = l.mul(O::round(l, y), O::load(l, &ws[i]));
        }
        if AFTER == WEIGHT_BIAS {
            y = l.add(O::round(l, y), O::load(l, &bs[i]));
        }
        if STREAM {
            l.prefetch(next, i * LANES);
            O::stream(l, y, &mut outs[i]);
        } else {
            O::store(l, y, &mut outs[i]);
        }
    }
    if !x_end.is_empty() {
        let mut y = normal(X::load_part(l, x_end));
        if AFTER != PLAIN {
            y = l.mul(O::round(l, y), O::load_part(l, w_end));
        }
        if AFTER == WEIGHT_BIAS {
            y = l.add(O::round(l, y), O::load_part(l, b_end));
        }
        O::store_part(l, y, out_end);
    }
}
