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

use std::borrow::Cow;
use std::ops::Range;

use super::affine::{self, Float};
use super::sums::{Stats, is_near, mean_of_first};
use super::{BLOCK, Kind, row_ns};
use crate::copy::{converted, copy};
use crate::data::{Element, Layout, Slice, SliceMut, View};
use crate::par;
use crate::rows::{Rows, STREAM_BYTES, row};
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
    let (rows, g_rows) = (Rows::new(x.layout), Rows::new(g.layout));
    assert_eq!(x.layout.shape, g.layout.shape, "the cotangent has the shape of the input");
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
    let sums = match (x.data, g.data, out.x) {
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
    let vector = Layout::contiguous(&[len]);
    for (sums, gradient) in sums.chunks_exact(len.max(1)).zip([out.weight, out.bias]) {
        let Some(gradient) = gradient else { continue };
        let dtype = gradient.dtype();
        assert!(dtype.is_float(), "a gradient is of a float dtype, not {dtype}");
        assert_eq!(gradient.len(), len, "a weight's gradient is as long as the last axis");
        copy(f64::wrap(sums), &vector, gradient);
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
        let weight = &*pair_order::<E>(&self.weight);
        self.pieces(dx, 3 * size_of::<E>(), |range, dx, sums| {
            let (rows, g_rows) = (&self.rows, &self.g_rows);
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
        let vector = Layout::contiguous(&[self.rows.len]);
        let one_row = Rows::new(&vector);
        self.pieces(dx, 200, |range, dx, sums| {
            let mut dx = dx.chunks_exact_mut(self.rows.len);
            let mut wide = vec![0.0; if dx.len() > 0 { self.rows.len } else { 0 }];
            let starts = self.rows.starts(range.start).zip(self.g_rows.starts(range.start));
            for (x_start, g_start) in starts.take(range.len()) {
                let row = Backward {
                    kind: self.kind,
                    x: &converted(x, &self.rows.row(x_start)),
                    rows: &one_row,
                    g: &converted(g, &self.g_rows.row(g_start)),
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
                    copy(f32::wrap(&wide), &vector, D::wrap_mut(dx));
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

/// A vector in the order in which pairs of lanes of `E` are loaded; what is left beyond the last
/// pair stays as it is.
fn pair_order<E: LaneElement>(vector: &[f32]) -> Cow<'_, [f32]> {
    if !E::EVENS_FIRST {
        return Cow::Borrowed(vector);
    }
    let mut ordered = vector.to_vec();
    for (to, from) in ordered.as_chunks_mut::<PAIR>().0.iter_mut().zip(vector.as_chunks::<PAIR>().0)
    {
        for (k, to) in to.iter_mut().enumerate() {
            *to = from[place::<E>(k)];
        }
    }
    Cow::Owned(ordered)
}

/// Where in a pair the lane is that comes at place `k`.
#[inline(always)]
fn place<E: LaneElement>(k: usize) -> usize {
    if E::EVENS_FIRST { 2 * (k % LANES) + k / LANES } else { k }
}

/// Adds what was summed, in the order of pairs, to `sums`, and begins anew.
fn flush<E: LaneElement>(sums: &mut [f64], recent: &mut [f32]) {
    let (sums, sum_end) = sums.as_chunks_mut::<PAIR>();
    let (recent, end) = recent.as_chunks_mut::<PAIR>();
    for (sums, recent) in sums.iter_mut().zip(recent) {
        for (k, recent) in recent.iter_mut().enumerate() {
            sums[place::<E>(k)] += std::mem::take(recent) as f64;
        }
    }
    for (sum, recent) in sum_end.iter_mut().zip(end) {
        *sum += std::mem::take(recent) as f64;
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
    /// In the order of pairs, as what is kept of the sums.
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
            let stream = self.stream.then(|| [after(self.x, x_next), after(self.g, g_next)]);
            let row = Row { x, g, weight: self.weight, stream };
            let known = l.call(Find { kind: self.kind, row, eps: self.eps });
            let params = recent.len();
            let (weight, bias) = recent.split_at_mut(len.min(params));
            match (dx.next(), bias.is_empty()) {
                (None, _) => l.call(AddSums { row, stats: known.stats, dw: weight, db: bias }),
                (Some(dx), true) if weight.is_empty() => {
                    row.finish::<L, 0>(l, known, dx, weight, bias);
                }
                (Some(dx), true) => row.finish::<L, 1>(l, known, dx, weight, bias),
                (Some(dx), false) => row.finish::<L, 2>(l, known, dx, weight, bias),
            }
            if n % FLUSH_ROWS == 0 || n == self.range.len() {
                for (sums, recent) in self.sums.chunks_mut(len).zip(recent.chunks_mut(len)) {
                    flush::<E>(sums, recent);
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

/// A row of each input.
#[derive(Clone, Copy)]
struct Row<'a, E> {
    x: &'a [E],
    g: &'a [E],
    weight: &'a [f32],
    /// What begins with the next row of `x` and of `g`, to be prefetched, if `dx` is to bypass
    /// the caches.
    stream: Option<[&'a [E]; 2]>,
}

/// What the first pass over a row finds; `mean_u` is 0 for an RMS norm, which subtracts none.
#[derive(Clone, Copy)]
struct Known {
    stats: Stats,
    mean_u: f32,
    mean_uz: f32,
}

/// The first pass over a row.
struct Find<'a, E> {
    kind: Kind,
    row: Row<'a, E>,
    eps: f32,
}

impl<E: LaneElement> LaneKernel for Find<'_, E> {
    type Output = Known;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Known {
        match self.kind {
            Kind::Rms => self.row.known::<L, false>(l, self.eps),
            Kind::Layer => self.row.known::<L, true>(l, self.eps),
        }
    }
}

/// Adds a row to the weight's and the bias's sums, those that there are.
struct AddSums<'a, E> {
    row: Row<'a, E>,
    stats: Stats,
    dw: &'a mut [f32],
    db: &'a mut [f32],
}

impl<E: LaneElement> Row<'_, E> {
    /// The first pass; as for [`Stats::layer`], a second one if the first guesses badly.
    #[inline(always)]
    fn known<L: Lanes, const LAYER: bool>(self, l: L, eps: f32) -> Known {
        let n = self.x.len() as f64;
        let mut mean = if LAYER { mean_of_first(l, self.x) } else { 0.0 };
        let mut sums = [0.0; 4];
        for _ in 0..2 {
            sums = self.sums::<L, LAYER>(l, mean).map(|sum| sum / n);
            if !LAYER || is_near(sums[2], sums[0]) {
                break;
            }
            mean += sums[2] as f32;
        }
        let [square, ud, rest, u] = sums;
        let stats = Stats::about(mean, rest, square, eps);
        let mean_uz = (ud - rest * u) * stats.scale as f64;
        Known { stats, mean_u: u as f32, mean_uz: mean_uz as f32 }
    }

    /// With `d = x - mean`, the sums of `d^2`, `u * d`, and for layer norms `d` and `u`.
    #[inline(always)]
    fn sums<L: Lanes, const LAYER: bool>(self, l: L, mean: f32) -> [f64; 4] {
        let mut total = [0.0; 4];
        let blocks = self.x.chunks(BLOCK).zip(self.g.chunks(BLOCK)).zip(self.weight.chunks(BLOCK));
        for ((x, g), w) in blocks {
            let about = l.splat(mean);
            let (x, x_end) = x.as_chunks::<STEP>();
            let (g, g_end) = g.as_chunks::<STEP>();
            let (w, w_end) = w.as_chunks::<STEP>();
            // Sums that do not fit the registers take another sweep, see `Stats`.
            let mut sets = if L::SUMS >= if LAYER { 8 } else { 4 } {
                sweep::<L, E, LAYER, 2>(l, x, g, w, 0, about)
            } else {
                let [a] = sweep::<L, E, LAYER, 1>(l, x, g, w, 0, about);
                let [b] = sweep::<L, E, LAYER, 1>(l, x, g, w, 1, about);
                [a, b]
            };
            let (x, x_end) = x_end.as_chunks::<PAIR>();
            let (g, g_end) = g_end.as_chunks::<PAIR>();
            let (w, w_end) = w_end.as_chunks::<PAIR>();
            for ((x, g), w) in x.iter().zip(g).zip(w) {
                sets[0] = add_pair::<L, E, LAYER>(l, sets[0], about, x, g, w);
            }
            let ends = x_end.chunks(LANES).zip(g_end.chunks(LANES)).zip(w_end.chunks(LANES));
            for ((x, g), w) in ends {
                // Missing elements have no difference from the mean, and `u` of 0.
                let (x, g) = (E::load_padded(l, x, mean), E::load_part(l, g));
                let w = f32::load_part(l, w);
                sets[1] = add_sums::<L, LAYER>(l, sets[1], about, x, g, w);
            }
            for (k, total) in total.iter_mut().enumerate() {
                *total += l.sum(l.add(sets[0][k], sets[1][k])) as f64;
            }
        }
        total
    }

    /// The second pass: writes `dx`, and adds to the weight's sums if there is 1 parameter, and
    /// to the bias's if there are 2.
    #[inline(always)]
    fn finish<L: Lanes, const PARAMS: u8>(
        self,
        l: L,
        known: Known,
        dx: &mut [E],
        dw: &mut [f32],
        db: &mut [f32],
    ) {
        let (xs, x_end) = self.x.as_chunks::<PAIR>();
        let (gs, g_end) = self.g.as_chunks::<PAIR>();
        let (ws, w_end) = self.weight.as_chunks::<PAIR>();
        let (dxs, dx_end) = dx.as_chunks_mut::<PAIR>();
        let (dws, dw_end) = dw.as_chunks_mut::<PAIR>();
        let (dbs, db_end) = db.as_chunks_mut::<PAIR>();
        // Lengths that the compiler can see spare the checks in the loop.
        let count = xs.len();
        let dws = if PARAMS > 0 { &mut dws[..count] } else { dws };
        let dbs = if PARAMS > 1 { &mut dbs[..count] } else { dbs };
        for (i, (((x, g), w), dx)) in xs.iter().zip(gs).zip(ws).zip(dxs).enumerate() {
            let (x, g, w) = (E::load_pair(l, x), E::load_pair(l, g), f32::load_pair(l, w));
            let mut pair = [l.splat(0.0); 2];
            for (k, dx) in pair.iter_mut().enumerate() {
                let z = known.stats.normal(l, x[k]);
                *dx = gradient(l, known, z, g[k], w[k]);
                if PARAMS > 0 {
                    let dw = &mut dws[i].as_chunks_mut().0[k];
                    l.store_f32(l.mul_add(g[k], z, l.load_f32(dw)), dw);
                }
                if PARAMS > 1 {
                    let db = &mut dbs[i].as_chunks_mut().0[k];
                    l.store_f32(l.add(g[k], l.load_f32(db)), db);
                }
            }
            if let Some(next) = self.stream {
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
            let z = known.stats.normal(l, E::load_part(l, x));
            let (g, w) = (E::load_part(l, g), f32::load_part(l, w));
            E::store_part(l, gradient(l, known, z, g, w), dx);
        }
        if PARAMS > 0 && !x_end.is_empty() {
            let row = Row { x: x_end, g: g_end, weight: w_end, stream: None };
            l.call(AddSums { row, stats: known.stats, dw: dw_end, db: db_end });
        }
    }
}

impl<E: LaneElement> LaneKernel for AddSums<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let AddSums { row, stats, dw, db } = self;
        let (xs, x_end) = row.x.as_chunks::<PAIR>();
        let (gs, g_end) = row.g.as_chunks::<PAIR>();
        let (dws, dw_end) = dw.as_chunks_mut::<PAIR>();
        let (dbs, db_end) = db.as_chunks_mut::<PAIR>();
        for ((x, g), dw) in xs.iter().zip(gs).zip(dws) {
            let (x, g, sums) = (E::load_pair(l, x), E::load_pair(l, g), f32::load_pair(l, dw));
            let z = [stats.normal(l, x[0]), stats.normal(l, x[1])];
            let sums = [l.mul_add(g[0], z[0], sums[0]), l.mul_add(g[1], z[1], sums[1])];
            f32::store_pair(l, sums, dw);
        }
        for (g, db) in gs.iter().zip(dbs) {
            let (g, sums) = (E::load_pair(l, g), f32::load_pair(l, db));
            f32::store_pair(l, [l.add(g[0], sums[0]), l.add(g[1], sums[1])], db);
        }
        let ends = x_end.chunks(LANES).zip(g_end.chunks(LANES));
        for ((x, g), dw) in ends.zip(dw_end.chunks_mut(LANES)) {
            let z = stats.normal(l, E::load_part(l, x));
            let sum = l.mul_add(E::load_part(l, g), z, f32::load_part(l, dw));
            f32::store_part(l, sum, dw);
        }
        for (g, db) in g_end.chunks(LANES).zip(db_end.chunks_mut(LANES)) {
            let sum = l.add(E::load_part(l, g), f32::load_part(l, db));
            f32::store_part(l, sum, db);
        }
    }
}

/// Elements per step of a sweep, a pair for each of two sets of sums.
const STEP: usize = 2 * PAIR;

/// Sets `first .. first + W` of the sums over all steps.
#[inline(always)]
fn sweep<L: Lanes, E: LaneElement, const LAYER: bool, const W: usize>(
    l: L,
    x: &[[E; STEP]],
    g: &[[E; STEP]],
    w: &[[f32; STEP]],
    first: usize,
    about: L::F,
) -> [[L::F; 4]; W] {
    let mut sets = [[l.splat(0.0); 4]; W];
    for ((x, g), w) in x.iter().zip(g).zip(w) {
        let (x, g, w) = (x.as_chunks().0, g.as_chunks().0, w.as_chunks().0);
        for (i, set) in sets.iter_mut().enumerate() {
            let i = first + i;
            *set = add_pair::<L, E, LAYER>(l, *set, about, &x[i], &g[i], &w[i]);
        }
    }
    sets
}

/// Adds a pair to [`Row::sums`].
#[inline(always)]
fn add_pair<L: Lanes, E: LaneElement, const LAYER: bool>(
    l: L,
    set: [L::F; 4],
    about: L::F,
    x: &[E; PAIR],
    g: &[E; PAIR],
    w: &[f32; PAIR],
) -> [L::F; 4] {
    let (x, g, w) = (E::load_pair(l, x), E::load_pair(l, g), f32::load_pair(l, w));
    let set = add_sums::<L, LAYER>(l, set, about, x[0], g[0], w[0]);
    add_sums::<L, LAYER>(l, set, about, x[1], g[1], w[1])
}

/// Adds sixteen elements to [`Row::sums`].
#[inline(always)]
fn add_sums<L: Lanes, const LAYER: bool>(
    l: L,
    [square, ud, d_sum, u_sum]: [L::F; 4],
    about: L::F,
    x: L::F,
    g: L::F,
    w: L::F,
) -> [L::F; 4] {
    let u = l.mul(g, w);
    let d = if LAYER { l.sub(x, about) } else { x };
    let (d_sum, u_sum) = if LAYER { (l.add(d_sum, d), l.add(u_sum, u)) } else { (d_sum, u_sum) };
    [l.mul_add(d, d, square), l.mul_add(u, d, ud), d_sum, u_sum]
}

/// `dx` of sixteen elements with normalised values `z`.
#[inline(always)]
fn gradient<L: Lanes>(l: L, known: Known, z: L::F, g: L::F, w: L::F) -> L::F {
    let u = l.mul(g, w);
    let u = l.sub(u, l.splat(known.mean_u));
    l.mul(l.neg_mul_add(z, l.splat(known.mean_uz), u), l.splat(known.stats.scale))
}
