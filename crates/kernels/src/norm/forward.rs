//! The norms themselves.

use std::ops::Range;

use super::affine::{self, Float};
use super::sums::Stats;
use super::{Kind, View, row_ns};
use crate::data::{Layout, Slice, SliceMut, bf16, f16};
use crate::par;
use crate::rows::{Number, Rows, STREAM_BYTES, positions, row};
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
        (Slice::F32(x), SliceMut::F32(out)) => call.lanes(x, out, InPlace),
        (Slice::Bf16(x), SliceMut::Bf16(out)) => call.lanes(x, out, InPlace),
        (Slice::F16(x), SliceMut::F16(out)) => call.lanes(x, out, InPlace),
        (Slice::F16(x), SliceMut::F32(out)) => call.lanes(x, out, Widened),
        (Slice::Bf16(x), SliceMut::F32(out)) => call.lanes(x, out, Widened),
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
    fn lanes<X, O, P>(&self, x: &[X], out: &mut [O], passes: P)
    where
        X: LaneElement,
        O: LaneElement + Float,
        P: Passes<X> + Sync,
    {
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
                passes,
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
            passes: InPlace,
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

/// How a row is gone over several times.
trait Passes<X: LaneElement>: Copy {
    /// What passes after the first one read.
    type Wide: LaneElement;
    /// The row as they read it; `scratch` is as long as the row if `NEEDS_SCRATCH`.
    fn row<'a, L: Lanes>(self, l: L, x: &'a [X], scratch: &'a mut [f32]) -> &'a [Self::Wide];
    const NEEDS_SCRATCH: bool;
}

/// Reading the row itself each time.
#[derive(Clone, Copy)]
struct InPlace;

impl<X: LaneElement> Passes<X> for InPlace {
    type Wide = X;
    const NEEDS_SCRATCH: bool = false;
    #[inline(always)]
    fn row<'a, L: Lanes>(self, _: L, x: &'a [X], _: &'a mut [f32]) -> &'a [X] {
        x
    }
}

/// Reading a copy of the row in `f32`, for `f32` outputs of halves. (For outputs in halves it is
/// slower than converting anew in each pass.)
#[derive(Clone, Copy)]
struct Widened;

impl<X: LaneElement> Passes<X> for Widened {
    type Wide = f32;
    const NEEDS_SCRATCH: bool = true;
    #[inline(always)]
    fn row<'a, L: Lanes>(self, l: L, x: &'a [X], scratch: &'a mut [f32]) -> &'a [f32] {
        let (xs, x_end) = x.as_chunks::<LANES>();
        let (outs, out_end) = scratch.as_chunks_mut::<LANES>();
        for (x, out) in xs.iter().zip(outs) {
            l.store_f32(X::load(l, x), out);
        }
        if !x_end.is_empty() {
            f32::store_part(l, X::load_part(l, x_end), out_end);
        }
        scratch
    }
}

/// The rows `range` of one call.
struct Forward<'a, X, O, P> {
    kind: Kind,
    passes: P,
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

impl<X: LaneElement, O: LaneElement, P: Passes<X>> LaneKernel for Forward<'_, X, O, P> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        match self.kind {
            Kind::Rms => self.with::<L, false>(l),
            Kind::Layer => self.with::<L, true>(l),
        }
    }
}

impl<X: LaneElement, O: LaneElement, P: Passes<X>> Forward<'_, X, O, P> {
    #[inline(always)]
    fn with<L: Lanes, const LAYER: bool>(self, l: L) {
        match (self.weight, self.bias) {
            (None, _) => self.rows::<L, LAYER, PLAIN>(l, &[], &[]),
            (Some(w), None) => self.rows::<L, LAYER, WEIGHT>(l, w, &[]),
            (Some(w), Some(b)) => self.rows::<L, LAYER, WEIGHT_BIAS>(l, w, b),
        }
    }

    #[inline(always)]
    fn rows<L: Lanes, const LAYER: bool, const AFTER: u8>(self, l: L, weight: &[O], bias: &[O]) {
        let len = self.rows.len;
        let mut gathered = Vec::new();
        let mut wide = vec![0.0; if P::NEEDS_SCRATCH { len } else { 0 }];
        // Weight and bias are converted for each row, or once if that is slow and pays.
        let mut wide_affine = Vec::new();
        if O::SLOW_LOAD && AFTER != PLAIN && self.range.len() > 3 && len <= WIDE_AFFINE {
            wide_affine.resize(len / PAIR, [[0.0; PAIR]; 2]);
            for (i, wide) in wide_affine.iter_mut().enumerate() {
                let at = i * PAIR..(i + 1) * PAIR;
                for (vector, wide) in [weight, bias].into_iter().zip(wide) {
                    if let Some(vector) = vector.get(at.clone()).and_then(|v| v.first_chunk()) {
                        f32::store_pair(l, O::load_pair(l, vector), wide);
                    }
                }
            }
        }
        let wide_affine = wide_affine.as_slice();
        let mut starts = self.rows.starts(self.range.start);
        let mut start = starts.next().unwrap_or(0);
        for out in self.out.chunks_exact_mut(len) {
            let x = row(self.x, self.rows, start, &mut gathered);
            let x = self.passes.row(l, x, &mut wide);
            let stats =
                if LAYER { Stats::layer(l, x, self.eps) } else { Stats::rms(l, x, self.eps) };
            start = starts.next().unwrap_or(0);
            let next = self.x.get(start..).unwrap_or(&[]);
            let write = Write { stats, x, next, weight, bias, wide_affine, stream: self.stream };
            write.run::<L, LAYER, AFTER>(l, out);
        }
        if self.stream {
            l.fence();
        }
    }
}

/// Writing a row, after its statistics are known.
struct Write<'a, W, X, O> {
    stats: Stats,
    x: &'a [W],
    /// Begins with the next row, which is prefetched.
    next: &'a [X],
    weight: &'a [O],
    bias: &'a [O],
    /// Weight and bias pair by pair in `f32`, if that is worth it; else nothing.
    wide_affine: &'a [[[f32; PAIR]; 2]],
    stream: bool,
}

/// Longest row whose weight and bias in `f32` leave room for it in the first-level cache.
const WIDE_AFFINE: usize = 2048;

/// Elements of a pair of lanes.
const PAIR: usize = 2 * LANES;

impl<W: LaneElement, X, O: LaneElement> Write<'_, W, X, O> {
    #[inline(always)]
    fn run<L: Lanes, const LAYER: bool, const AFTER: u8>(self, l: L, out: &mut [O]) {
        const { assert!(W::EVENS_FIRST == O::EVENS_FIRST, "one order for input and output") };
        let s = self.stats;
        let zero = l.splat(0.0);
        let (xs, x_end) = self.x.as_chunks::<PAIR>();
        let (ws, w_end) = self.weight.as_chunks::<PAIR>();
        let (bs, b_end) = self.bias.as_chunks::<PAIR>();
        let (outs, out_end) = out.as_chunks_mut::<PAIR>();
        // Lengths that the compiler can see spare the checks in the loop.
        let count = xs.len();
        let ws = if AFTER == PLAIN { ws } else { &ws[..count] };
        let bs = if AFTER == WEIGHT_BIAS { &bs[..count] } else { bs };
        // Tried without gain: going backwards, to what the first pass has left in the first-level
        // cache (one row 4 % less, rows of 4 KB 25 % more: prefetchers like it forward).
        for (i, (x, out)) in xs.iter().zip(outs).enumerate() {
            let x = W::load_pair(l, x);
            let (mut w, mut b) = ([zero; 2], [zero; 2]);
            if let Some(wide) = self.wide_affine.get(i) {
                w = f32::load_pair(l, &wide[0]);
                if AFTER == WEIGHT_BIAS {
                    b = f32::load_pair(l, &wide[1]);
                }
            } else {
                if AFTER != PLAIN {
                    w = O::load_pair(l, &ws[i]);
                }
                if AFTER == WEIGHT_BIAS {
                    b = O::load_pair(l, &bs[i]);
                }
            }
            let y = [
                output::<L, O, LAYER, AFTER>(l, s, x[0], w[0], b[0]),
                output::<L, O, LAYER, AFTER>(l, s, x[1], w[1], b[1]),
            ];
            if self.stream {
                for line in (0..PAIR * size_of::<X>()).step_by(64) {
                    l.prefetch(self.next, i * PAIR + line / size_of::<X>());
                }
                O::stream_pair(l, y, out);
            } else {
                O::store_pair(l, y, out);
            }
        }
        for (i, (x, out)) in x_end.chunks(LANES).zip(out_end.chunks_mut(LANES)).enumerate() {
            let (w, b) = (part(w_end, i), part(b_end, i));
            let (w, b) = (O::load_part(l, w), O::load_part(l, b));
            let y = output::<L, O, LAYER, AFTER>(l, s, W::load_part(l, x), w, b);
            O::store_part(l, y, out);
        }
    }
}

/// Run `i` of up to [`LANES`] elements; none beyond the end.
#[inline(always)]
fn part<T>(of: &[T], i: usize) -> &[T] {
    let from = of.get(i * LANES..).unwrap_or(&[]);
    &from[..from.len().min(LANES)]
}

/// The output for sixteen elements, to be rounded once more.
#[inline(always)]
fn output<L: Lanes, O: LaneElement, const LAYER: bool, const AFTER: u8>(
    l: L,
    stats: Stats,
    x: L::F,
    w: L::F,
    b: L::F,
) -> L::F {
    let y = stats.normal::<L, LAYER>(l, x);
    let y = if AFTER == PLAIN { y } else { l.mul(O::round(l, y), w) };
    if AFTER == WEIGHT_BIAS { l.add(O::round(l, y), b) } else { y }
}
