//! The norms themselves.

use std::ops::Range;

use super::affine::{self, Float};
use super::sums::{Find, Stats};
use super::{Kind, row_ns};
use crate::copy::{converted, copy};
use crate::data::{Element, Layout, Slice, SliceMut, View, bf16, f16};
use crate::par;
use crate::rows::{Rows, STREAM_BYTES, row};
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
pub fn rms_norm(x: View<'_>, weight: Option<View<'_>>, eps: f32, out: SliceMut<'_>) {
    norm(Kind::Rms, x, weight, None, eps, out);
}

/// `out = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias` along the last axis, with the
/// biased variance. Arguments and accuracy are as for [`rms_norm`].
pub fn layer_norm(
    x: View<'_>,
    weight: Option<View<'_>>,
    bias: Option<View<'_>>,
    eps: f32,
    out: SliceMut<'_>,
) {
    norm(Kind::Layer, x, weight, bias, eps, out);
}

fn norm(
    kind: Kind,
    x: View<'_>,
    weight: Option<View<'_>>,
    bias: Option<View<'_>>,
    eps: f32,
    out: SliceMut<'_>,
) {
    let call = Call { kind, layout: x.layout, weight, bias, eps };
    match (x.data, out) {
        (Slice::F32(x), SliceMut::F32(out)) => call.lanes(x, out),
        (Slice::Bf16(x), SliceMut::Bf16(out)) => call.lanes(x, out),
        (Slice::F16(x), SliceMut::F16(out)) => call.lanes(x, out),
        (Slice::F16(x), SliceMut::F32(out)) => call.widened(x, out),
        (Slice::Bf16(x), SliceMut::F32(out)) => call.widened(x, out),
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
    /// For inputs and outputs of one dtype.
    fn lanes<E: LaneElement + Float>(&self, x: &[E], out: &mut [E]) {
        self.pieces::<E>(out, size_of::<E>(), |forward, out| {
            with_lanes(forward.level, Forward { x, out, ..forward });
        });
    }

    /// For `f32` outputs of halves, from copies of some rows in `f32`. (For outputs in halves it is
    /// slower than converting anew in each pass.)
    fn widened<X: LaneElement>(&self, x: &[X], out: &mut [f32]) {
        let rows = Rows::new(self.layout);
        let (len, each) = (rows.len, (WIDENED / rows.len.max(1)).max(1));
        let block = Rows::new(&Layout::contiguous(&[each, len]));
        self.pieces::<f32>(out, size_of::<X>(), |forward, out| {
            let (mut gathered, mut wide) =
                (Vec::new(), vec![0.0; each.min(forward.range.len()) * len]);
            let mut starts = rows.starts(forward.range.start);
            for out in out.chunks_mut(each * len) {
                let wide = &mut wide[..out.len()];
                // The starts last: a pair that lacks its other half would take one for nothing.
                for (wide, start) in wide.chunks_exact_mut(len).zip(starts.by_ref()) {
                    let x = row(x, &rows, start, &mut gathered);
                    with_lanes(forward.level, Widen { x, out: wide });
                }
                let range = 0..out.len() / len;
                with_lanes(forward.level, Forward { x: wide, rows: &block, range, out, ..forward });
            }
        });
    }

    /// Reads weight and bias, and calls `f` with pieces of consecutive rows: all of the kernel but
    /// input and output, and the output.
    fn pieces<O: LaneElement + Float>(
        &self,
        out: &mut [O],
        x_bytes: usize,
        f: impl Fn(Forward<'_, O>, &mut [O]) + Sync,
    ) {
        let rows = Rows::new(self.layout);
        let weight = self.weight.map(|w| affine::read::<O>(w, rows.len));
        let bias = self.bias.map(|b| affine::read::<O>(b, rows.len));
        // Multiplying by 1 changes nothing, so a lone bias is no case of its own.
        let ones = (bias.is_some() && weight.is_none()).then(|| {
            converted::<O>(f32::wrap(&vec![1.0; rows.len]), &Layout::contiguous(&[rows.len]))
        });
        let weight = weight.as_deref().or(ones.as_deref());
        if out.is_empty() {
            return;
        }
        let bytes = rows.len * (x_bytes + size_of::<O>());
        let level = simd::level();
        par::rows_mut(out, rows.count(), rows.len, row_ns(bytes), |range, out| {
            let forward = Forward {
                level,
                kind: self.kind,
                x: &[],
                rows: &rows,
                range,
                weight,
                bias: bias.as_deref(),
                eps: self.eps,
                stream: bytes * rows.count() > STREAM_BYTES,
                out: &mut [],
            };
            f(forward, out);
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
            let (mut normal, vector) = (vec![0.0; rows.len], Layout::contiguous(&[rows.len]));
            for (start, out) in rows.starts(range.start).zip(out.chunks_exact_mut(rows.len)) {
                self.normalise(level, &converted(x, &rows.row(start)), &mut normal);
                copy(f32::wrap(&normal), &vector, O::wrap_mut(out));
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
            level,
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

/// Elements of whole rows that are widened at a time: half a first-level cache.
const WIDENED: usize = 4096;

/// A row converted to `f32`.
struct Widen<'a, X> {
    x: &'a [X],
    out: &'a mut [f32],
}

impl<X: LaneElement> LaneKernel for Widen<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let (xs, x_end) = self.x.as_chunks::<LANES>();
        let (outs, out_end) = self.out.as_chunks_mut::<LANES>();
        for (x, out) in xs.iter().zip(outs) {
            l.store_f32(X::load(l, x), out);
        }
        if !x_end.is_empty() {
            f32::store_part(l, X::load_part(l, x_end), out_end);
        }
    }
}

/// The rows `range` of one call.
struct Forward<'a, E> {
    level: Level,
    kind: Kind,
    x: &'a [E],
    rows: &'a Rows,
    range: Range<usize>,
    weight: Option<&'a [E]>,
    /// Only with a weight.
    bias: Option<&'a [E]>,
    eps: f32,
    stream: bool,
    out: &'a mut [E],
}

/// What follows the normalised value, for code of its own.
const PLAIN: u8 = 0;
const WEIGHT: u8 = 1;
const WEIGHT_BIAS: u8 = 2;
/// As `WEIGHT`, for RMS norms of halves: their time is that of arithmetic, and a subtraction of 0
/// for each element is a tenth of it. (For `f32` it is nothing that can be measured.)
const RMS_WEIGHT: u8 = 3;

impl<E: LaneElement> LaneKernel for Forward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let len = self.rows.len;
        let (weight, bias) = (self.weight.unwrap_or(&[]), self.bias.unwrap_or(&[]));
        let mut gathered = Vec::new();
        // Weight and bias are converted for each row, or once if that is slow and pays.
        let mut wide_affine = Vec::new();
        if E::SLOW_LOAD && !weight.is_empty() && self.range.len() > 3 && len <= WIDE_AFFINE {
            wide_affine.resize(len / PAIR, [[0.0; PAIR]; 2]);
            for (i, wide) in wide_affine.iter_mut().enumerate() {
                let at = i * PAIR..(i + 1) * PAIR;
                for (vector, wide) in [weight, bias].into_iter().zip(wide) {
                    if let Some(vector) = vector.get(at.clone()).and_then(|v| v.first_chunk()) {
                        f32::store_pair(l, E::load_pair(l, vector), wide);
                    }
                }
            }
        }
        let wide_affine = wide_affine.as_slice();
        let mut starts = self.rows.starts(self.range.start);
        let mut start = starts.next().unwrap_or(0);
        for out in self.out.chunks_exact_mut(len) {
            let x = row(self.x, self.rows, start, &mut gathered);
            let stats = l.call(Find { kind: self.kind, x, eps: self.eps });
            start = starts.next().unwrap_or(0);
            let next = self.x.get(start..).unwrap_or(&[]);
            let write = Write { stats, x, next, weight, bias, wide_affine, stream: self.stream };
            match (self.weight, self.bias) {
                (None, _) => write.run::<L, PLAIN>(l, out),
                (Some(_), None) if self.kind == Kind::Rms && size_of::<E>() < 4 => {
                    write.run::<L, RMS_WEIGHT>(l, out);
                }
                (Some(_), None) => write.run::<L, WEIGHT>(l, out),
                (Some(_), Some(_)) => write.run::<L, WEIGHT_BIAS>(l, out),
            }
        }
        if self.stream {
            l.fence();
        }
    }
}

/// Writing a row, after its statistics are known.
struct Write<'a, E> {
    stats: Stats,
    x: &'a [E],
    /// Begins with the next row, which is prefetched.
    next: &'a [E],
    weight: &'a [E],
    bias: &'a [E],
    /// Weight and bias pair by pair in `f32`, if that is worth it; else nothing.
    wide_affine: &'a [[[f32; PAIR]; 2]],
    stream: bool,
}

/// Longest row whose weight and bias in `f32` leave room for it in the first-level cache.
const WIDE_AFFINE: usize = 2048;

/// Elements of a pair of lanes.
const PAIR: usize = 2 * LANES;

impl<E: LaneElement> Write<'_, E> {
    #[inline(always)]
    fn run<L: Lanes, const AFTER: u8>(self, l: L, out: &mut [E]) {
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
            let x = E::load_pair(l, x);
            let (mut w, mut b) = ([zero; 2], [zero; 2]);
            if E::SLOW_LOAD
                && let Some(wide) = self.wide_affine.get(i)
            {
                w = f32::load_pair(l, &wide[0]);
                if AFTER == WEIGHT_BIAS {
                    b = f32::load_pair(l, &wide[1]);
                }
            } else {
                if AFTER != PLAIN {
                    w = E::load_pair(l, &ws[i]);
                }
                if AFTER == WEIGHT_BIAS {
                    b = E::load_pair(l, &bs[i]);
                }
            }
            let y = [
                output::<L, E, AFTER>(l, s, x[0], w[0], b[0]),
                output::<L, E, AFTER>(l, s, x[1], w[1], b[1]),
            ];
            if self.stream {
                for line in (0..PAIR * size_of::<E>()).step_by(64) {
                    l.prefetch(self.next, i * PAIR + line / size_of::<E>());
                }
                E::stream_pair(l, y, out);
            } else {
                E::store_pair(l, y, out);
            }
        }
        for (i, (x, out)) in x_end.chunks(LANES).zip(out_end.chunks_mut(LANES)).enumerate() {
            let (w, b) = (part(w_end, i), part(b_end, i));
            let (w, b) = (E::load_part(l, w), E::load_part(l, b));
            let y = output::<L, E, AFTER>(l, s, E::load_part(l, x), w, b);
            E::store_part(l, y, out);
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
fn output<L: Lanes, E: LaneElement, const AFTER: u8>(
    l: L,
    stats: Stats,
    x: L::F,
    w: L::F,
    b: L::F,
) -> L::F {
    let y = if AFTER == RMS_WEIGHT { l.mul(x, l.splat(stats.scale)) } else { stats.normal(l, x) };
    let y = if AFTER == PLAIN { y } else { l.mul(E::round(l, y), w) };
    if AFTER == WEIGHT_BIAS { l.add(E::round(l, y), b) } else { y }
}
