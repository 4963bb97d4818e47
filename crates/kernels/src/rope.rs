//! Rotary position embedding: pairs of features turn by an angle that grows with the position.
//!
//! The array has axes (batch, any, time, features). With `inv[i] = exp(-i * (ln(base) / half))`
//! or `1 / periods[i]`, `half = dims / 2`, and position `t` of a batch at `p = (t + offset) *
//! scale`, pair `i` turns by `p * inv[i]`, all of it in `f32`, whose roundings are part of the
//! definition: an offset beyond 2^24 loses its last bits. Sine and cosine are within 2 ULP for
//! angles of any size. The turn itself is in `f32` (`f64` for `f64` arrays), rounded once.
//! Features from `dims` on are copied bit by bit.
//!
//! Speed: a task turns some positions of all heads, so its sines and cosines are computed once,
//! into a table that stays in the first-level cache. Output that exceeds the caches bypasses them.

use crate::copy::converted;
use crate::data::{Element, Layout, Slice, SliceMut, View};
use crate::par::{self, Tile};
use crate::rows::{Rows, STREAM_BYTES, positions, row};
use crate::simd;
use crate::simd::lanes::{LANES, LaneElement, LaneKernel, Lanes, sin_cos, with_lanes};

/// How fast the pairs turn.
#[derive(Clone, Copy, Debug)]
pub enum Speeds<'a> {
    /// Pair `i` of `half` by `base^(-i / half)` radians per position. Zero or less gives NaN.
    Base(f32),
    /// Pair `i` by `1 / periods[i]`; one axis of `dims / 2` elements of any real dtype. Infinity
    /// means no turn, 0 gives NaN.
    Periods(View<'a>),
}

/// What to turn, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Rope<'a> {
    /// Features that turn, the first of each row: even, positive, at most the last axis.
    pub dims: usize,
    /// Whether pairs are neighbours (2i, 2i + 1), or half the turning features apart
    /// (i, i + dims / 2).
    pub traditional: bool,
    /// How fast.
    pub speeds: Speeds<'a>,
    /// Factor on the position.
    pub scale: f32,
    /// Position of time 0, for each batch or one for all.
    pub offsets: &'a [i64],
    /// Turn the other way: the gradient, and the inverse.
    pub inverse: bool,
}

/// Elements of a pair of lanes.
const PAIR: usize = 2 * LANES;
/// Bytes of sines and cosines that leave the first-level cache room for rows.
const TABLE_BYTES: usize = 16 << 10;

/// How far ahead rows are prefetched that will not be in a cache.
const AHEAD_BYTES: usize = 4096;

/// Turns `x`, of three axes or more with any strides and of a float dtype, into the row-major
/// `out` of the same shape and dtype. Fast if the last axis has stride 1 and the dtype is not
/// `float64`.
///
/// # Panics
/// If a size, a dtype or the number of offsets is not as said.
pub fn rope(x: View<'_>, rope: &Rope<'_>, out: SliceMut<'_>) {
    let call = Call::new(x.layout, rope);
    match (x.data, out) {
        (Slice::F32(x), SliceMut::F32(out)) => call.lanes(x, out),
        (Slice::F16(x), SliceMut::F16(out)) => call.lanes(x, out),
        (Slice::Bf16(x), SliceMut::Bf16(out)) => call.lanes(x, out),
        (Slice::F64(x), SliceMut::F64(out)) => call.wide(x, out),
        (x, out) => panic!("cannot turn {} into {}", x.dtype(), out.dtype()),
    }
}

struct Call<'a> {
    rope: &'a Rope<'a>,
    /// The last axis.
    features: Rows,
    /// The axis of time, in the order of the outer ones.
    times: Rows,
    /// Outer items of one batch.
    heads: usize,
    /// Speeds, padded with 0 to a multiple of [`LANES`].
    speeds: Vec<f32>,
}

impl<'a> Call<'a> {
    fn new(layout: &Layout, rope: &'a Rope<'a>) -> Self {
        let axes = layout.ndim();
        assert!(axes >= 3, "rope needs axes of batch, time and features");
        let (batches, len) = (layout.shape[0], layout.shape[axes - 1]);
        let dims = rope.dims;
        assert!(dims > 0 && dims.is_multiple_of(2) && dims <= len, "{dims} of {len} features");
        let offsets = rope.offsets.len();
        assert!(offsets == 1 || offsets == batches, "{offsets} offsets for {batches} batches");
        let outer = Layout {
            shape: layout.shape[..axes - 1].into(),
            strides: layout.strides[..axes - 1].into(),
            offset: layout.offset,
        };
        let mut speeds = speeds(rope.speeds, dims / 2);
        speeds.resize(speeds.len().next_multiple_of(LANES), 0.0);
        Call {
            rope,
            features: Rows::new(layout),
            times: Rows::new(&outer),
            heads: layout.shape[1..axes - 2].iter().product(),
            speeds,
        }
    }

    fn lanes<E: LaneElement>(mut self, x: &[E], out: &mut [E]) {
        if E::EVENS_FIRST && !self.rope.traditional {
            // Turn pairs of lanes in the order in which they are loaded.
            for pair in self.speeds[..self.rope.dims / 2].as_chunks_mut::<PAIR>().0 {
                let lying = *pair;
                *pair = std::array::from_fn(|i| lying[i % LANES * 2 + i / LANES]);
            }
        }
        let level = simd::level();
        let stream = 2 * size_of_val(out) > STREAM_BYTES;
        self.each_tile(out, |tile| with_lanes(level, Turn { call: &self, x, tile, stream }));
    }

    fn each_tile<E: Element>(&self, out: &mut [E], f: impl Fn(&mut Tile<'_, E>) + Sync) {
        let len = self.features.len;
        let table_row = 2 * self.speeds.len() * size_of::<f32>();
        let row_ns = 5.0 + (2 * len * size_of::<E>()) as f64 / 50.0;
        let size = (self.times.count(), self.times.len, len);
        par::tiles_mut(out, size, TABLE_BYTES / table_row, row_ns, f);
    }

    fn offset(&self, outer: usize) -> i64 {
        match self.rope.offsets {
            &[offset] => offset,
            offsets => offsets[outer / self.heads],
        }
    }

    /// As `lanes`, one by one.
    fn wide(self, x: &[f64], out: &mut [f64]) {
        let level = simd::level();
        let half = self.rope.dims / 2;
        self.each_tile(out, |tile| {
            let (outer, rows) = (tile.outer(), tile.rows());
            let starts = self.times.starts(outer.start);
            for (item, start) in outer.zip(starts) {
                let table = with_lanes(level, Table { call: &self, item, rows: rows.clone() });
                let out = tile.part(item).chunks_exact_mut(self.features.len);
                let time = rows.clone().map(|t| start as isize + t as isize * self.times.stride);
                let table = table.chunks_exact(2 * self.speeds.len());
                for ((out, time), table) in out.zip(time).zip(table) {
                    let at = positions(time as usize, self.features.stride, self.features.len);
                    out.iter_mut().zip(at).for_each(|(out, at)| *out = x[at]);
                    let (cos, sin) = table.split_at(self.speeds.len());
                    for i in 0..half {
                        let (i1, i2) =
                            if self.rope.traditional { (2 * i, 2 * i + 1) } else { (i, i + half) };
                        let (x1, x2, c, s) = (out[i1], out[i2], cos[i] as f64, sin[i] as f64);
                        out[i1] = x1 * c - x2 * s;
                        out[i2] = x1 * s + x2 * c;
                    }
                }
            }
        });
    }
}

fn speeds(speeds: Speeds<'_>, half: usize) -> Vec<f32> {
    match speeds {
        Speeds::Base(base) => {
            let step = base.ln() / half as f32;
            (0..half).map(|i| (-(i as f32) * step).exp()).collect()
        }
        Speeds::Periods(View { data, layout }) => {
            assert_eq!(layout.shape.as_slice(), [half], "one period for each pair");
            converted::<f32>(data, layout).into_iter().map(f32::recip).collect()
        }
    }
}

/// Cosines, then sines, of each of some rows.
struct Table<'a> {
    call: &'a Call<'a>,
    /// The outer item they are for.
    item: usize,
    rows: std::ops::Range<usize>,
}

impl LaneKernel for Table<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Vec<f32> {
        let mut table = vec![0.0; self.rows.len() * 2 * self.call.speeds.len()];
        let offset = self.call.offset(self.item) as f32;
        fill(l, self.call, offset, self.rows.start, &mut table);
        table
    }
}

#[inline(always)]
fn fill<L: Lanes>(l: L, call: &Call<'_>, offset: f32, first: usize, table: &mut [f32]) {
    let speeds = call.speeds.as_chunks::<LANES>().0;
    for (i, row) in table.chunks_exact_mut(2 * call.speeds.len()).enumerate() {
        let position = l.splat(((first + i) as f32 + offset) * call.rope.scale);
        let (cos, sin) = row.as_chunks_mut::<LANES>().0.split_at_mut(speeds.len());
        for ((speed, cos), sin) in speeds.iter().zip(cos).zip(sin) {
            let (s, c) = sin_cos(l, l.mul(position, l.load_f32(speed)));
            l.store_f32(c, cos);
            l.store_f32(if call.rope.inverse { l.sub(l.splat(0.0), s) } else { s }, sin);
        }
    }
}

/// One tile.
struct Turn<'a, 'b, E> {
    call: &'a Call<'a>,
    x: &'a [E],
    tile: &'a mut Tile<'b, E>,
    stream: bool,
}

impl<E: LaneElement> LaneKernel for Turn<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        if self.call.rope.traditional {
            self.with::<L, true>(l);
        } else {
            self.with::<L, false>(l);
        }
    }
}

impl<E: LaneElement> Turn<'_, '_, E> {
    #[inline(always)]
    fn with<L: Lanes, const TRADITIONAL: bool>(self, l: L) {
        let call = self.call;
        let (dims, padded) = (call.rope.dims, call.speeds.len());
        let (outer, rows) = (self.tile.outer(), self.tile.rows());
        let mut table = vec![0.0; rows.len() * 2 * padded];
        let mut table_offset = None;
        let mut gathered = Vec::new();
        let len = call.features.len;
        let step = call.times.stride;
        let ahead = (AHEAD_BYTES / (len * size_of::<E>())).max(1);
        let mut starts =
            call.times.starts(outer.start).map(|s| s as isize + rows.start as isize * step);
        let mut start = starts.next().unwrap_or(0);
        for item in outer {
            let offset = call.offset(item);
            if table_offset != Some(offset) {
                fill(l, call, offset as f32, rows.start, &mut table);
                table_offset = Some(offset);
            }
            let next = starts.next().unwrap_or(0);
            let out = self.tile.part(item).chunks_exact_mut(len);
            for (t, (out, table)) in out.zip(table.chunks_exact(2 * padded)).enumerate() {
                let at = start + t as isize * step;
                if self.stream {
                    let later = t + ahead;
                    let later = if later < rows.len() {
                        start + later as isize * step
                    } else {
                        next + (later - rows.len()) as isize * step
                    };
                    for line in (0..len).step_by(64 / size_of::<E>()) {
                        l.prefetch(self.x, later as usize + line);
                    }
                }
                let x = row(self.x, &call.features, at as usize, &mut gathered);
                let (cos, sin) = table.split_at(padded);
                let (x, x_rest) = x.split_at(dims);
                let (y, y_rest) = out.split_at_mut(dims);
                if dims < len {
                    y_rest.copy_from_slice(x_rest);
                }
                if TRADITIONAL {
                    turn_neighbours(l, x, cos, sin, y, self.stream);
                } else {
                    turn_halves(l, x, cos, sin, y, self.stream);
                }
            }
            start = next;
        }
        if self.stream {
            l.fence();
        }
    }
}

/// `(x1 * c - x2 * s, x1 * s + x2 * c)`
#[inline(always)]
fn turn<L: Lanes>(l: L, x1: L::F, x2: L::F, c: L::F, s: L::F) -> (L::F, L::F) {
    (l.neg_mul_add(x2, s, l.mul(x1, c)), l.mul_add(x1, s, l.mul(x2, c)))
}

#[inline(always)]
fn store_pair<L: Lanes, E: LaneElement>(l: L, y: [L::F; 2], to: &mut [E; PAIR], stream: bool) {
    if stream {
        E::stream_pair(l, y, to);
    } else {
        E::store_pair(l, y, to);
    }
}

/// Pairs are half a row apart.
#[inline(always)]
fn turn_halves<L: Lanes, E: LaneElement>(
    l: L,
    x: &[E],
    cos: &[f32],
    sin: &[f32],
    y: &mut [E],
    stream: bool,
) {
    let half = x.len() / 2;
    let (x1, x2) = x.split_at(half);
    let (y1, y2) = y.split_at_mut(half);
    let (x1, x1_end) = x1.as_chunks::<PAIR>();
    let (x2, x2_end) = x2.as_chunks::<PAIR>();
    let (y1, y1_end) = y1.as_chunks_mut::<PAIR>();
    let (y2, y2_end) = y2.as_chunks_mut::<PAIR>();
    let (cs, ss) = (cos.as_chunks::<PAIR>().0, sin.as_chunks::<PAIR>().0);
    for (((((x1, x2), c), s), y1), y2) in x1.iter().zip(x2).zip(cs).zip(ss).zip(y1).zip(y2) {
        let (x1, x2) = (E::load_pair(l, x1), E::load_pair(l, x2));
        let (c, s) = (f32::load_pair(l, c), f32::load_pair(l, s));
        let (a1, a2) = turn(l, x1[0], x2[0], c[0], s[0]);
        let (b1, b2) = turn(l, x1[1], x2[1], c[1], s[1]);
        store_pair(l, [a1, b1], y1, stream);
        store_pair(l, [a2, b2], y2, stream);
    }
    if x1_end.is_empty() {
        return;
    }
    let done = half - x1_end.len();
    let angles = cos[done..].chunks(LANES).zip(sin[done..].chunks(LANES));
    let xs = x1_end.chunks(LANES).zip(x2_end.chunks(LANES));
    let ys = y1_end.chunks_mut(LANES).zip(y2_end.chunks_mut(LANES));
    for (((x1, x2), (y1, y2)), (c, s)) in xs.zip(ys).zip(angles) {
        let (x1, x2) = (E::load_part(l, x1), E::load_part(l, x2));
        let (a, b) = turn(l, x1, x2, f32::load_part(l, c), f32::load_part(l, s));
        E::store_part(l, a, y1);
        E::store_part(l, b, y2);
    }
}

/// Pairs are neighbours.
#[inline(always)]
fn turn_neighbours<L: Lanes, E: LaneElement>(
    l: L,
    x: &[E],
    cos: &[f32],
    sin: &[f32],
    y: &mut [E],
    stream: bool,
) {
    let (xs, x_end) = x.as_chunks::<PAIR>();
    let (ys, y_end) = y.as_chunks_mut::<PAIR>();
    let (cos, sin) = (cos.as_chunks::<LANES>().0, sin.as_chunks::<LANES>().0);
    for (((x, y), c), s) in xs.iter().zip(ys).zip(cos).zip(sin) {
        let [x1, x2] = E::load_alternate(l, x);
        let (a, b) = turn(l, x1, x2, l.load_f32(c), l.load_f32(s));
        store_pair(l, E::alternate(l, [a, b]), y, stream);
    }
    if let (false, Some(c), Some(s)) = (x_end.is_empty(), cos.last(), sin.last()) {
        let mut all = [E::default(); PAIR];
        all[..x_end.len()].copy_from_slice(x_end);
        let [x1, x2] = E::load_alternate(l, &all);
        let (a, b) = turn(l, x1, x2, l.load_f32(c), l.load_f32(s));
        E::store_pair(l, E::alternate(l, [a, b]), &mut all);
        y_end.copy_from_slice(&all[..y_end.len()]);
    }
}
