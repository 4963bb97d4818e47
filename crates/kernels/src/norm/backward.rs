//! Gradients of the norms.
//!
//! With `g` the cotangent, `r` as in the [module](super), `u = g * weight` and `z` the
//! normalised value (`x * r`, or `(x - mean(x)) * r`), all in `f32`:
//!
//! - RMS: `dx = (u - z * mean(u * z)) * r`;
//! - layer: `dx = (u - mean(u) - z * mean(u * z)) * r`;
//! - `dweight = sum(g * z)` and `dbias = sum(g)` over all rows.
//!
//! The sums over rows run in `f32` for [`FLUSH_ROWS`] rows at a time and in `f64` beyond, per
//! piece of consecutive rows; the pieces are added in order.

use std::ops::Range;

use super::affine::{self, Float};
use super::sums::Stats;
use super::{BLOCK, Kind, View, row_ns};
use crate::data::{Layout, Slice, SliceMut};
use crate::par;
use crate::rows::{Number, Rows, STREAM_BYTES, positions, row};
use crate::simd;
use crate::simd::lanes::{LANES, LaneElement, LaneKernel, Lanes, with_lanes};

/// Rows whose sum is kept in `f32`.
const FLUSH_ROWS: usize = 256;

/// Where the gradients go; what is `None` is not computed. All are row-major floats of any
/// precision.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// As many elements as `x`.
    pub x: Option<SliceMut<'a>>,
    /// As many elements as the last axis of `x`, whether or not there is a weight.
    pub weight: Option<SliceMut<'a>>,
    /// As many elements as the last axis of `x`. Only for [`layer_norm_grad`].
    pub bias: Option<SliceMut<'a>>,
}

/// Gradients of [`rms_norm`](super::rms_norm) for the cotangent `g`, which has the shape of `x`
/// and any strides and dtype.
///
/// Accurate to `f32`, rounded once to the dtypes of `out`; the weight is not rounded to the
/// norm's output dtype first. Fast if `x`, `g` and `out.x` have one dtype other than `float64`
/// and stride 1 along the last axis.
///
/// # Panics
/// If a length does not fit, or an output is not of a float dtype.
pub fn rms_norm_grad(
    x: View<'_>,
    weight: Option<View<'_>>,
    g: View<'_>,
    eps: f32,
    out: Gradients<'_>,
) {
    assert!(out.bias.is_none(), "an RMS norm has no bias");
    grad(Kind::Rms, x, weight, g, eps, out);
}

/// Gradients of [`layer_norm`](super::layer_norm); see [`rms_norm_grad`].
///
/// # Panics
/// As [`rms_norm_grad`].
pub fn layer_norm_grad(
    x: View<'_>,
    weight: Option<View<'_>>,
    g: View<'_>,
    eps: f32,
    out: Gradients<'_>,
) {
    grad(Kind::Layer, x, weight, g, eps, out);
}

fn grad(
    kind: Kind,
    x: View<'_>,
    weight: Option<View<'_>>,
    g: View<'_>,
    eps: f32,
    out: Gradients<'_>,
) {
    let (rows, g_rows) = (Rows::new(x.1), Rows::new(g.1));
    assert_eq!(x.1.shape, g.1.shape, "the cotangent has the shape of the input");
    let mut weight =
        weight.map_or_else(|| vec![1.0; rows.len], |w| affine::cast::<f32>(w, rows.len));
    // One NaN for all, as rounding to bf16 wants their lower bits clear.
    weight.iter_mut().filter(|w| w.is_nan()).for_each(|w| *w = f32::NAN);
    let params = if out.bias.is_some() {
        2
    } else if out.weight.is_some() {
        1
    } else {
        0
    };
    let call = Call { kind, rows, g_rows, weight, eps, params };
    let sums = match (x.0, g.0, out.x) {
        (Slice::F32(x), Slice::F32(g), Some(SliceMut::F32(dx))) => call.lanes(x, g, dx),
        (Slice::F16(x), Slice::F16(g), Some(SliceMut::F16(dx))) => call.lanes(x, g, dx),
        (Slice::Bf16(x), Slice::Bf16(g), Some(SliceMut::Bf16(dx))) => call.lanes(x, g, dx),
        (Slice::F32(x), Slice::F32(g), None) => call.lanes(x, g, &mut []),
        (Slice::F16(x), Slice::F16(g), None) => call.lanes(x, g, &mut []),
        (Slice::Bf16(x), Slice::Bf16(g), None) => call.lanes(x, g, &mut []),
        (x, g, None) => call.staged::<f32>(x, g, &mut []),
        (x, g, Some(SliceMut::F16(dx))) => call.staged(x, g, dx),
        (x, g, Some(SliceMut::Bf16(dx))) => call.staged(x, g, dx),
        (x, g, Some(SliceMut::F32(dx))) => call.staged(x, g, dx),
        (x, g, Some(SliceMut::F64(dx))) => call.staged(x, g, dx),
        (_, _, Some(dx)) => panic!("a gradient is of a float dtype, not {}", dx.dtype()),
    };
    let len = call.rows.len;
    if let Some(dw) = out.weight {
        narrow(&sums[..len], dw);
    }
    if let Some(db) = out.bias {
        narrow(&sums[len..], db);
    }
}

fn narrow(sums: &[f64], out: SliceMut<'_>) {
    fn to<T: Float>(sums: &[f64], out: &mut [T]) {
        assert_eq!(sums.len(), out.len(), "a weight's gradient is as long as the last axis");
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out = T::cast(Number::Float(sum));
        }
    }
    match out {
        SliceMut::F16(out) => to(sums, out),
        SliceMut::Bf16(out) => to(sums, out),
        SliceMut::F32(out) => to(sums, out),
        SliceMut::F64(out) => to(sums, out),
        out => panic!("a gradient is of a float dtype, not {}", out.dtype()),
    }
}

struct Call {
    kind: Kind,
    rows: Rows,
    g_rows: Rows,
    weight: Vec<f32>,
    eps: f32,
    /// Whether the weight's gradient is wanted (1), and the bias's too (2).
    params: usize,
}

impl Call {
    /// Writes `dx` unless it is empty; gives the sums over the rows, the weight's then the bias's.
    fn lanes<E: LaneElement>(&self, x: &[E], g: &[E], dx: &mut [E]) -> Vec<f64> {
        let level = simd::level();
        let stream = 3 * size_of_val(dx) > STREAM_BYTES;
        self.pieces(dx, 3 * size_of::<E>(), |range, dx, sums| {
            let (rows, g_rows) = (&self.rows, &self.g_rows);
            let weight = &self.weight;
            let piece = Backward {
                kind: self.kind,
                x,
                rows,
                g,
                g_rows,
                range,
                weight,
                eps: self.eps,
                dx,
                stream,
                sums,
            };
            with_lanes(level, piece);
        })
    }

    /// As `lanes`, row by row through `f32`.
    fn staged<D: Float>(&self, x: Slice<'_>, g: Slice<'_>, dx: &mut [D]) -> Vec<f64> {
        let level = simd::level();
        let one_row = Rows::new(&Layout::contiguous(&[self.rows.len]));
        let read = |data, rows: &Rows, start| -> Vec<f32> {
            let at = positions(start, rows.stride, rows.len);
            at.map(|at| Number::read(data, at).to_f32()).collect()
        };
        self.pieces(dx, 200, |range, dx, sums| {
            let mut dx = dx.chunks_exact_mut(self.rows.len);
            let mut wide = vec![0.0; if dx.len() > 0 { self.rows.len } else { 0 }];
            let starts = self.rows.starts(range.start).zip(self.g_rows.starts(range.start));
            for (x_start, g_start) in starts.take(range.len()) {
                let row = Backward {
                    kind: self.kind,
                    x: &read(x, &self.rows, x_start),
                    rows: &one_row,
                    g: &read(g, &self.g_rows, g_start),
                    g_rows: &one_row,
                    range: 0..1,
                    weight: &self.weight,
                    eps: self.eps,
                    dx: &mut wide,
                    stream: false,
                    sums,
                };
                with_lanes(level, row);
                if let Some(dx) = dx.next() {
                    for (dx, &wide) in dx.iter_mut().zip(&wide) {
                        *dx = D::cast(Number::Float(wide as f64));
                    }
                }
            }
        })
    }

    /// Calls `f` with pieces of consecutive rows, their part of `dx`, and zeros to add their sums
    /// to; gives the sum of those.
    fn pieces<D: Send>(
        &self,
        dx: &mut [D],
        item_bytes: usize,
        f: impl Fn(Range<usize>, &mut [D], &mut [f64]) + Sync,
    ) -> Vec<f64> {
        let (count, len) = (self.rows.count(), self.rows.len);
        assert!(dx.is_empty() || dx.len() == count * len, "dx has as many elements as x");
        let size = self.params * len;
        let mut total = vec![0.0; size];
        if count * len == 0 {
            return total;
        }
        let pieces = par::pieces(count, row_ns(len * item_bytes));
        let each = count.div_ceil(pieces);
        let pieces = count.div_ceil(each);
        // A piece without sums still needs an element, or there would be no pieces.
        let mut sums = vec![0.0; pieces * size.max(1)];
        par::chunks_mut2(&mut sums, size.max(1), dx, each * len, |i, sums, dx| {
            f(i * each..count.min((i + 1) * each), dx, &mut sums[..size]);
        });
        if size > 0 {
            for piece in sums.chunks_exact(size) {
                total.iter_mut().zip(piece).for_each(|(total, &sum)| *total += sum);
            }
        }
        total
    }
}

/// The rows `range` of one call.
struct Backward<'a, E> {
    kind: Kind,
    x: &'a [E],
    rows: &'a Rows,
    g: &'a [E],
    g_rows: &'a Rows,
    range: Range<usize>,
    weight: &'a [f32],
    eps: f32,
    dx: &'a mut [E],
    stream: bool,
    /// Sums over the rows: nothing, the weight's, or the weight's and the bias's.
    sums: &'a mut [f64],
}

impl<E: LaneElement> LaneKernel for Backward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        match self.kind {
            Kind::Rms => self.each_row::<L, false>(l),
            Kind::Layer => self.each_row::<L, true>(l),
        }
    }
}

impl<E: LaneElement> Backward<'_, E> {
    #[inline(always)]
    fn each_row<L: Lanes, const LAYER: bool>(self, l: L) {
        let len = self.rows.len;
        let (mut x_scratch, mut g_scratch) = (Vec::new(), Vec::new());
        let mut x_starts = self.rows.starts(self.range.start);
        let mut g_starts = self.g_rows.starts(self.range.start);
        let mut dx = self.dx.chunks_exact_mut(len);
        let mut recent = vec![0.0f32; self.sums.len()];
        let (mut x_next, mut g_next) = (x_starts.next(), g_starts.next());
        for n in 1..=self.range.len() {
            let (x_start, g_start) = (x_next.unwrap_or(0), g_next.unwrap_or(0));
            (x_next, g_next) = (x_starts.next(), g_starts.next());
            let x = row(self.x, self.rows, x_start, &mut x_scratch);
            let g = row(self.g, self.g_rows, g_start, &mut g_scratch);
            let stats =
                if LAYER { Stats::layer(l, x, self.eps) } else { Stats::rms(l, x, self.eps) };
            if let Some(dx) = dx.next() {
                let stream = self.stream.then(|| [after(self.x, x_next), after(self.g, g_next)]);
                let row = Row { stats, x, g, weight: self.weight, stream };
                row.write_dx::<L, LAYER>(l, dx);
            }
            if !recent.is_empty() {
                let (weight, bias) = recent.split_at_mut(len);
                add_row::<L, E, LAYER>(l, stats, x, g, weight, bias);
                if n % FLUSH_ROWS == 0 || n == self.range.len() {
                    for (sum, recent) in self.sums.iter_mut().zip(&mut recent) {
                        *sum += std::mem::take(recent) as f64;
                    }
                }
            }
        }
        if self.stream {
            l.fence();
        }
    }
}

/// What begins at `at`, if anything does.
#[inline(always)]
fn after<T>(data: &[T], at: Option<usize>) -> &[T] {
    at.and_then(|at| data.get(at..)).unwrap_or(&[])
}

/// Elements of a pair of lanes.
const PAIR: usize = 2 * LANES;

/// A row's part in its gradient.
struct Row<'a, E> {
    stats: Stats,
    x: &'a [E],
    g: &'a [E],
    weight: &'a [f32],
    /// What begins with the next row of `x` and of `g`, to be prefetched, if `dx` is to bypass
    /// the caches.
    stream: Option<[&'a [E]; 2]>,
}

impl<E: LaneElement> Row<'_, E> {
    #[inline(always)]
    fn write_dx<L: Lanes, const LAYER: bool>(self, l: L, dx: &mut [E]) {
        let Row { stats, x, g, weight, stream } = self;
        let (mean_u, mean_uz) = means::<L, E, LAYER>(l, stats, x, g, weight);
        let means = (l.splat(mean_u), l.splat(-mean_uz));
        let (xs, x_end) = x.as_chunks::<PAIR>();
        let (gs, g_end) = g.as_chunks::<PAIR>();
        let (ws, w_end) = weight.as_chunks::<PAIR>();
        let (dxs, dx_end) = dx.as_chunks_mut::<PAIR>();
        for (i, (((x, g), w), dx)) in xs.iter().zip(gs).zip(ws).zip(dxs).enumerate() {
            let (x, g, w) = (x.as_chunks().0, g.as_chunks().0, w.as_chunks().0);
            let (xa, ga, wa) = (E::load(l, &x[0]), E::load(l, &g[0]), l.load_f32(&w[0]));
            let (xb, gb, wb) = (E::load(l, &x[1]), E::load(l, &g[1]), l.load_f32(&w[1]));
            let a = gradient::<L, LAYER>(l, stats, means, xa, ga, wa);
            let b = gradient::<L, LAYER>(l, stats, means, xb, gb, wb);
            let pair = if E::EVENS_FIRST { l.deinterleave(a, b) } else { [a, b] };
            if let Some(next) = stream {
                for line in (0..PAIR).step_by(64 / size_of::<E>()) {
                    l.prefetch(next[0], i * PAIR + line);
                    l.prefetch(next[1], i * PAIR + line);
                }
                E::stream_pair(l, pair, dx);
            } else {
                E::store_pair(l, pair, dx);
            }
        }
        let ends = x_end.chunks(LANES).zip(g_end.chunks(LANES)).zip(w_end.chunks(LANES));
        for (((x, g), w), dx) in ends.zip(dx_end.chunks_mut(LANES)) {
            let (x, g) = (E::load_part(l, x), E::load_part(l, g));
            let w = f32::load_part(l, w);
            E::store_part(l, gradient::<L, LAYER>(l, stats, means, x, g, w), dx);
        }
    }
}

/// `dx` of sixteen elements, for the mean of `u` and minus that of `u * z`.
#[inline(always)]
fn gradient<L: Lanes, const LAYER: bool>(
    l: L,
    stats: Stats,
    (mean_u, minus_uz): (L::F, L::F),
    x: L::F,
    g: L::F,
    w: L::F,
) -> L::F {
    let u = l.mul(g, w);
    let u = if LAYER { l.sub(u, mean_u) } else { u };
    l.mul(l.mul_add(stats.normal::<L, LAYER>(l, x), minus_uz, u), l.splat(stats.scale))
}

/// The means of `u` and of `u * z`.
#[inline(always)]
fn means<L: Lanes, E: LaneElement, const LAYER: bool>(
    l: L,
    stats: Stats,
    x: &[E],
    g: &[E],
    weight: &[f32],
) -> (f32, f32) {
    /// Elements per step, for four sets of sums that need not wait for each other.
    const STEP: usize = 4 * LANES;
    let (mut u_total, mut uz_total) = (0.0, 0.0);
    for ((x, g), w) in x.chunks(BLOCK).zip(g.chunks(BLOCK)).zip(weight.chunks(BLOCK)) {
        let mut sets = [[l.splat(0.0); 2]; 4];
        let (xs, x_end) = x.as_chunks::<STEP>();
        let (gs, g_end) = g.as_chunks::<STEP>();
        let (ws, w_end) = w.as_chunks::<STEP>();
        for ((x, g), w) in xs.iter().zip(gs).zip(ws) {
            let (x, g, w) = (x.as_chunks().0, g.as_chunks().0, w.as_chunks().0);
            for (i, set) in sets.iter_mut().enumerate() {
                let (x, g, w) = (E::load(l, &x[i]), E::load(l, &g[i]), l.load_f32(&w[i]));
                *set = add_means::<L, LAYER>(l, stats, *set, x, g, w);
            }
        }
        for ((x, g), w) in x_end.chunks(LANES).zip(g_end.chunks(LANES)).zip(w_end.chunks(LANES)) {
            // The lanes missing from `g` are 0, and so is `u` there.
            let (x, g) = (E::load_part(l, x), E::load_part(l, g));
            let w = f32::load_part(l, w);
            sets[0] = add_means::<L, LAYER>(l, stats, sets[0], x, g, w);
        }
        let mut sums = [0.0; 2];
        for (k, sum) in sums.iter_mut().enumerate() {
            let (low, high) = (l.add(sets[0][k], sets[1][k]), l.add(sets[2][k], sets[3][k]));
            *sum = l.sum(l.add(low, high)) as f64;
        }
        u_total += sums[0];
        uz_total += sums[1];
    }
    let n = x.len() as f64;
    ((u_total / n) as f32, (uz_total / n) as f32)
}

/// Adds sixteen elements to the sums of `u` and of `u * z`.
#[inline(always)]
fn add_means<L: Lanes, const LAYER: bool>(
    l: L,
    stats: Stats,
    [u_sum, uz_sum]: [L::F; 2],
    x: L::F,
    g: L::F,
    w: L::F,
) -> [L::F; 2] {
    let u = l.mul(g, w);
    [l.add(u_sum, u), l.mul_add(u, stats.normal::<L, LAYER>(l, x), uz_sum)]
}

/// Adds a row to the weight's sums, and to the bias's if there are any.
#[inline(always)]
fn add_row<L: Lanes, E: LaneElement, const LAYER: bool>(
    l: L,
    stats: Stats,
    x: &[E],
    g: &[E],
    weight: &mut [f32],
    bias: &mut [f32],
) {
    let (xs, x_end) = x.as_chunks::<LANES>();
    let (gs, g_end) = g.as_chunks::<LANES>();
    let (ws, w_end) = weight.as_chunks_mut::<LANES>();
    for ((x, g), w) in xs.iter().zip(gs).zip(ws) {
        let z = stats.normal::<L, LAYER>(l, E::load(l, x));
        l.store_f32(l.mul_add(E::load(l, g), z, l.load_f32(w)), w);
    }
    if !x_end.is_empty() {
        let (x, g) = (E::load_part(l, x_end), E::load_part(l, g_end));
        let z = stats.normal::<L, LAYER>(l, x);
        f32::store_part(l, l.mul_add(g, z, f32::load_part(l, w_end)), w_end);
    }
    if !bias.is_empty() {
        let (bs, b_end) = bias.as_chunks_mut::<LANES>();
        for (g, b) in gs.iter().zip(bs) {
            l.store_f32(l.add(E::load(l, g), l.load_f32(b)), b);
        }
        if !g_end.is_empty() {
            let sum = l.add(E::load_part(l, g_end), f32::load_part(l, b_end));
            f32::store_part(l, sum, b_end);
        }
    }
}
