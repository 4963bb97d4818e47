//! Gradients of attention, without ever holding the scores.
//!
//! With `P` the probabilities, recomputed with the statistics of the forward pass, `g` the
//! cotangent of the output and, per row, `d = sum(g * out)`:
//!
//! - `dV = P^T g`, `dP = g V^T`, `dS = scale * P * (dP - d)`;
//! - `dQ = dS K`, `dK = dS^T Q`, and for a sink `-sum(P_sink * d)` over the rows of its head.
//!
//! (Dao, "FlashAttention-2", 2023.) The five products are those of the forward kernels: lanes are
//! query rows for `S`, `dP` and `dQ`, and after a transposition keys for `dV` and `dK`.
//!
//! Takes 2.4 to 2.7 times as long as the forward pass with AVX2 (example `attention_speed`): five
//! products against two, the exponentials again, and two transpositions of each tile.
//!
//! A task takes some of a group's rows against all their keys and owns its sums for `dK` and
//! `dV`; those of a group's tasks are added up at the end, in order. Everything is in `f32`, also
//! at [`Level::Avx512Bf16`](crate::simd::Level).

use super::many::{Group, copy_units, groups, masked_scores, value_panel};
use super::mask::{Buffers, MaskRows};
use super::problem::{Problem, check_inside, index};
use super::scratch::{self, Scratch};
use super::{Mask, Options};
use crate::data::{Layout, Slice, SliceMut, View};
use crate::par;
use crate::simd;
use crate::simd::attention::{
    ClaimedRows, Derivatives, Panel, RUN, RowBlocks, RowWriter, Scores, Simd, Source, Values,
    Visitor, apply_values, derivatives, dispatch, scale_row, scores, transpose_rows,
};
use crate::stage::typed_mut;

/// Keys per block, about: whole groups of vectors, whose tiles stay in the caches.
const KEYS: usize = 96;
/// Bytes of packed rows and sums per block of query rows: half of a common L2 cache.
const BLOCK_BYTES: usize = 256 << 10;
/// Tasks per thread that even out a thread that comes late.
const TASKS_PER_THREAD: usize = 2;
/// Bytes of sums beyond one per key head that more tasks may take.
const MAX_SPLIT_BYTES: usize = 256 << 20;

/// Where the gradients go; what is `None` is not computed. All are row-major.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// Shape (B, Hq, Tq, D), of the dtype of q.
    pub q: Option<SliceMut<'a>>,
    /// Shape (B, Hkv, Tk, D), of that dtype.
    pub k: Option<SliceMut<'a>>,
    /// Shape (B, Hkv, Tk, Dv), of that dtype.
    pub v: Option<SliceMut<'a>>,
    /// One per query head.
    pub sinks: Option<&'a mut [f32]>,
}

/// Gradients of [`attention`](super::attention) for the cotangent `g` of its output `out`, whose
/// softmax has the statistics `stats`; both are what it gave for the same inputs and options.
///
/// `g` and `out` have the shape of the output and any strides but that of the last axis, which is
/// contiguous. All arrays have one dtype: `f32`, `f16` or `bf16`. Computed in `f32` and rounded
/// once; `d` comes from `out`, so for halves its error is that of their rounding. A row that is
/// the mean of all values because everything is hidden passes its gradient to the values alone.
///
/// # Panics
/// If shapes or dtypes do not fit, or a layout leaves its slice.
pub fn attention_grad(
    [q, k, v]: [View<'_>; 3],
    options: &Options<'_>,
    (out, stats): (View<'_>, &[f32]),
    g: View<'_>,
    gradients: Gradients<'_>,
) {
    macro_rules! of_dtype {
        ($($variant:ident)*) => {
            match (q.data, k.data, v.data, out.data, g.data) {
                $((
                    Slice::$variant(q_data),
                    Slice::$variant(k_data),
                    Slice::$variant(v_data),
                    Slice::$variant(out_data),
                    Slice::$variant(g_data),
                ) => {
                    let data = [q_data, k_data, v_data];
                    let layouts = [q.layout, k.layout, v.layout];
                    let problem = Problem::new(data, layouts, options, g.layout);
                    let call = Call::new(problem, (out_data, out.layout), (g_data, g.layout), stats);
                    let Gradients { q, k, v, sinks } = gradients;
                    let [q, k, v] = [q, k, v].map(|gradient| gradient.map(typed_mut));
                    let run = Run { call, q, k, v, sinks };
                    dispatch(simd::level(), false, run);
                })*
                _ => panic!("the gradient of attention takes arrays of one dtype up to f32"),
            }
        };
    }
    of_dtype!(F32 F16 Bf16)
}

/// Rows of an array of the output's shape.
type Rows4<'a, E> = (&'a [E], &'a Layout);

struct Call<'a, E> {
    problem: Problem<'a, E>,
    out: Rows4<'a, E>,
    g: Rows4<'a, E>,
    /// Pairs of largest score and sum.
    stats: &'a [[f32; 2]],
}

impl<'a, E: crate::Element> Call<'a, E> {
    fn new(problem: Problem<'a, E>, out: Rows4<'a, E>, g: Rows4<'a, E>, stats: &'a [f32]) -> Self {
        assert_eq!(out.1.shape, g.1.shape, "the cotangent has the shape of the output");
        for (data, layout) in [out, g] {
            check_inside(data.len(), layout);
            assert!(
                layout.shape[3] <= 1 || layout.strides[3] == 1,
                "the last axis must be contiguous"
            );
        }
        let rows = problem.batches * problem.query_heads * problem.queries;
        assert_eq!(stats.len(), 2 * rows, "two statistics per query");
        Call { problem, out, g, stats: stats.as_chunks().0 }
    }

    /// A row of an array of the output's shape.
    fn row(&self, (data, layout): Rows4<'a, E>, place: [usize; 3]) -> &'a [E] {
        if self.problem.columns == 0 {
            return &[];
        }
        let at = index(layout, place);
        &data[at..at + self.problem.columns]
    }
}

struct Run<'a, E> {
    call: Call<'a, E>,
    q: Option<&'a mut [E]>,
    k: Option<&'a mut [E]>,
    v: Option<&'a mut [E]>,
    sinks: Option<&'a mut [f32]>,
}

/// Sizes that depend on the instruction set.
#[derive(Clone, Copy)]
struct Sizes {
    /// Rows, or keys, that go through the kernels together.
    most: usize,
    /// Keys per block, a multiple of `most`.
    keys: usize,
    /// D, padded, and at least 1.
    depth: usize,
    /// Dv, padded, and at least 1.
    columns: usize,
}

impl Sizes {
    fn new<S: Simd, E>(problem: &Problem<'_, E>) -> Sizes {
        let (most, pad) = (S::VECTORS * S::LANES, S::LANES.max(RUN));
        let padded = |n: usize| n.max(1).next_multiple_of(pad);
        let keys = (KEYS / most).max(1) * most;
        Sizes { most, keys, depth: padded(problem.depth), columns: padded(problem.columns) }
    }
}

/// The sums that a task owns: for each group of keys, `depth` (`columns`) rows of a lane per key.
struct Sums<'a> {
    k: &'a mut [f32],
    v: &'a mut [f32],
    /// Per query head of the group.
    sinks: &'a mut [f32],
}

impl<E: Source<f32>> Visitor for Run<'_, E> {
    fn visit<S: Simd<T = f32>>(mut self, s: S) {
        let problem = &self.call.problem;
        let sizes = Sizes::new::<S, E>(problem);
        let (heads, length) = (problem.heads(), problem.queries);
        let key_groups = problem.batches * problem.key_heads;
        if key_groups * heads * length * problem.keys == 0 {
            for gradient in [self.q, self.k, self.v].into_iter().flatten() {
                gradient.fill(E::put(0.0));
            }
            return self.sinks.into_iter().for_each(|sinks| sinks.fill(0.0));
        }
        let keys = problem.keys.next_multiple_of(sizes.most);
        let k_len = if self.k.is_some() { keys * sizes.depth } else { 0 };
        let v_len = if self.v.is_some() { keys * sizes.columns } else { 0 };
        let part_len = k_len + v_len + heads;

        let threads = par::threads();
        let tasks = if threads == 1 { 1 } else { TASKS_PER_THREAD * threads };
        let room = MAX_SPLIT_BYTES / (key_groups * part_len * size_of::<f32>());
        let splits = tasks.div_ceil(key_groups).min(1 + room);
        let row_bytes = (3 * sizes.depth + 2 * sizes.columns) * size_of::<f32>();
        let fitting = (BLOCK_BYTES / row_bytes).clamp(sizes.most, 16 * sizes.most);
        let rows = heads * length;
        let block = rows.div_ceil(splits.max(rows.div_ceil(fitting))).next_multiple_of(sizes.most);
        let blocks = RowBlocks { groups: key_groups, heads, length, block };
        let splits = splits.min(blocks.per_group());

        let q_layout =
            Layout::contiguous(&[problem.batches, problem.query_heads, length, problem.depth]);
        let writer = self.q.as_deref_mut().map(|q| RowWriter::new(q, &q_layout, blocks));
        let mut parts = vec![0.0; key_groups * splits * part_len];
        par::chunks_mut(&mut parts, part_len, |task, part| {
            let (k, rest) = part.split_at_mut(k_len);
            let (v, sinks) = rest.split_at_mut(v_len);
            let mut sums = Sums { k, v, sinks };
            // Every so many-th block: with a causal mask late rows take longer.
            let (group, split) = (task / splits, task % splits);
            for n in (split..blocks.per_group()).step_by(splits) {
                let block = group * blocks.per_group() + n;
                let dq = writer.as_ref().map(|w| w.claim(block));
                let (group, rows) = blocks.get(block);
                rows_of(s, &self.call, sizes, group, rows, &mut sums, dq);
            }
        });
        let parts = Parts { parts: &parts, part_len, splits, most: sizes.most };
        if let Some(k) = self.k {
            parts.rows(s, 0, sizes.depth, problem.keys, problem.depth, k);
        }
        if let Some(v) = self.v {
            parts.rows(s, k_len, sizes.columns, problem.keys, problem.columns, v);
        }
        if let Some(sinks) = self.sinks {
            assert_eq!(sinks.len(), problem.query_heads, "one sink per query head");
            sinks.fill(0.0);
            for (task, part) in parts.parts.chunks_exact(part_len).enumerate() {
                let first = task / splits % problem.key_heads * heads;
                for (sink, &sum) in sinks[first..].iter_mut().zip(&part[k_len + v_len..]) {
                    *sink += sum;
                }
            }
        }
    }
}

/// The sums of all tasks: `splits` parts per group.
struct Parts<'a> {
    parts: &'a [f32],
    part_len: usize,
    splits: usize,
    most: usize,
}

impl Parts<'_> {
    /// Adds up the sums that start at `at` in each part, and writes them key by key.
    fn rows<S: Simd<T = f32>, E: Source<f32>>(
        &self,
        s: S,
        at: usize,
        padded: usize,
        keys: usize,
        columns: usize,
        out: &mut [E],
    ) {
        assert_eq!(
            out.len() * self.part_len * self.splits,
            self.parts.len() * keys * columns,
            "a gradient has the shape of its array"
        );
        if out.is_empty() {
            return;
        }
        let (chunk, all) = (padded * self.most, self.part_len * self.splits);
        par::chunks_mut(out, keys * columns, |group, out| {
            let (mut sum, mut turned) = (vec![0.0; chunk], vec![0.0; chunk]);
            for (n, out) in out.chunks_mut(self.most * columns).enumerate() {
                sum.fill(0.0);
                for part in self.parts[group * all..][..all].chunks_exact(self.part_len) {
                    let part = &part[at + n * chunk..][..chunk];
                    sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
                }
                transpose_rows(s, &sum, self.most, padded, self.most, &mut turned, padded);
                for (row, out) in turned.chunks_exact(padded).zip(out.chunks_exact_mut(columns)) {
                    scale_row(s, &row[..columns], 1.0, out);
                }
            }
        });
    }
}

/// What the rows of a task look like to the kernels, a lane per row.
struct Lanes<'a> {
    /// Largest score in units of log 2.
    max: &'a mut [f32],
    /// `d` of the row.
    dot: &'a mut [f32],
    /// Factor of exponentials that gives probabilities.
    weight: &'a mut [f32],
    /// Factor that gives derivatives of unscaled scores.
    factor: &'a mut [f32],
    /// First and last key.
    lo: &'a mut [f32],
    hi: &'a mut [f32],
}

/// Adds what some rows of a group give to `sums`, and writes their own gradients.
fn rows_of<S: Simd<T = f32>, E: Source<f32>>(
    s: S,
    call: &Call<'_, E>,
    sizes: Sizes,
    group_number: usize,
    rows: std::ops::Range<usize>,
    sums: &mut Sums<'_>,
    mut dq: Option<ClaimedRows<'_, E>>,
) {
    let problem = &call.problem;
    let Sizes { most, keys: block, depth, columns } = sizes;
    let groups = groups::<S, E>(problem, &rows);
    let lanes = groups.last().map_or(0, |g| g.lane + g.width);
    let [bytes, numbers, mask_lanes] =
        Buffers::<f32>::lengths(&problem.options.mask, block.max(S::LANES), most, S::LANES);
    let tile = (block + RUN) * most;
    let elements = lanes * (3 * depth + 2 * columns + 6)
        + 2 * tile
        + (most + 1) * most.max(depth).max(columns)
        + 2 * most
        + block * (depth + columns)
        + bytes
        + numbers
        + mask_lanes;
    scratch::with::<f32, _>(elements, 24, |scratch: &mut Scratch<'_>| {
        // Rows as they are, and per group transposed.
        let [q_rows, q_turned, dq_turned] = [(); 3].map(|()| scratch.take::<f32>(lanes * depth));
        let [g_rows, g_turned] = [(); 2].map(|()| scratch.take::<f32>(lanes * columns));
        let [max, dot, weight, factor, lo, hi] = [(); 6].map(|()| scratch.take::<f32>(lanes));
        let mut lane = Lanes { max, dot, weight, factor, lo, hi };
        let [probabilities, slopes] = [(); 2].map(|()| scratch.take::<f32>(tile));
        let staging = scratch.take::<f32>(most * most.max(depth).max(columns));
        let [top, ones] = [(); 2].map(|()| scratch.take::<f32>(most));
        let key_block = scratch.take::<f32>(block * depth);
        let value_block = scratch.take::<f32>(block * columns);
        let out_row = scratch.take::<f32>(columns);
        let mut buffers = Buffers {
            bytes: scratch.take(bytes),
            numbers: scratch.take(numbers),
            lanes: scratch.take(mask_lanes),
        };
        let mut starts = vec![0; lanes];
        let mut sinks = vec![0.0f64; problem.heads()];

        let additive = matches!(problem.options.mask, Mask::Additive(_));
        ones.fill(1.0);
        dq_turned.fill(0.0);
        for group in &groups {
            let (from, width) = (group.lane, group.width);
            for n in 0..width {
                let at = from + n;
                let row = group.rows.start + n.min(group.rows.len() - 1);
                starts[at] = MaskRows::start(problem, group_number, row);
                let q_row = &mut q_rows[at * depth..][..depth];
                let g_row = &mut g_rows[at * columns..][..columns];
                if n >= group.rows.len() {
                    // A lane without a row.
                    q_row.fill(0.0);
                    g_row.fill(0.0);
                    lane.set(at, [0.0; 4], (0, -1));
                    continue;
                }
                let place = problem.place(group_number, row);
                copy_units(s, problem.query(group_number, row), q_row);
                copy_units(s, call.row(call.g, place), g_row);
                copy_units(s, call.row(call.out, place), out_row);
                let dot = inner_product(g_row, out_row);
                let [batch, head, position] = place;
                let [max, sum] =
                    call.stats[(batch * problem.query_heads + head) * problem.queries + position];
                if let Some(all) = problem.options.sinks {
                    let above = all[head] as f64 * std::f64::consts::LOG2_E - max as f64;
                    sinks[row % problem.heads()] -= above.exp2() / sum as f64 * dot as f64;
                }
                let weight = 1.0 / sum;
                let factor = weight * problem.options.scale as f32;
                // A hidden score is the minimum whatever the product is.
                let hidden = max == f32::MIN && sum > 0.0 && !additive;
                let factor = if hidden { 0.0 } else { factor };
                lane.set(at, [max, dot, weight, factor], problem.visible(position));
            }
            for (rows, turned, size) in
                [(&*q_rows, &mut *q_turned, depth), (&*g_rows, &mut *g_turned, columns)]
            {
                let place = from * size..(from + width) * size;
                transpose_rows(
                    s,
                    &rows[place.clone()],
                    size,
                    width,
                    size,
                    &mut turned[place],
                    width,
                );
            }
        }
        for (sum, &sink) in sums.sinks.iter_mut().zip(&sinks) {
            *sum += sink as f32;
        }

        let mask = MaskRows::new(problem);
        let scale = (problem.options.scale * std::f64::consts::LOG2_E) as f32;
        let all_keys = problem.keys_of(group_number);
        let all_values = problem.values_of(group_number);
        let first = groups.iter().map(|g| g.needed.start).min().unwrap_or(0) / block * block;
        let end = groups.iter().map(|g| g.needed.end).max().unwrap_or(0);
        for from in (first..end).step_by(block) {
            let to = (from + block).min(end);
            let keys = value_panel(s, all_keys.part(from, to - from), depth, key_block);
            let values = value_panel(s, all_values.part(from, to - from), columns, value_block);
            for group in &groups {
                let Group { rows, width, lane: at, needed, .. } = group;
                let from_here = from + (needed.start.max(from) - from) / most * most;
                let to_here = needed.end.min(to);
                if from_here >= to_here {
                    continue;
                }
                let (count, width, at) = (to_here - from_here, *width, *at);
                let vectors = width / S::LANES;
                let lanes = at..at + width;
                let (keys, values) = (keys.from(from_here - from), values.from(from_here - from));
                let mask = mask.as_ref().and_then(|m| {
                    m.tile(s, &starts[lanes.clone()], from_here..to_here, &mut buffers)
                });
                let (lo, hi) = (&lane.lo[lanes.clone()], &lane.hi[lanes.clone()]);
                let between = group.between(from_here..to_here, lo, hi);
                let job = Scores {
                    queries: &q_turned[at * depth..],
                    keys,
                    count,
                    depth: problem.depth,
                    vectors,
                    scale,
                    seen: None,
                    out: probabilities,
                    top,
                };
                masked_scores(s, job, [mask, between]);
                let job = Scores {
                    queries: &g_turned[at * columns..],
                    keys: values,
                    count,
                    depth: problem.columns,
                    vectors,
                    scale: 1.0,
                    seen: None,
                    out: slopes,
                    top,
                };
                scores(s, job);
                let job = Derivatives {
                    scores: probabilities,
                    products: slopes,
                    rows: count,
                    width,
                    max: &lane.max[lanes.clone()],
                    dot: &lane.dot[lanes.clone()],
                    weight: &lane.weight[lanes.clone()],
                    factor: &lane.factor[lanes],
                };
                derivatives(s, job);
                if dq.is_some() {
                    let job = Values {
                        weights: slopes,
                        values: keys,
                        count,
                        columns: problem.depth.next_multiple_of(RUN),
                        vectors,
                        correction: ones,
                        out: &mut dq_turned[at * depth..][..width * depth],
                    };
                    apply_values(s, job);
                }
                // Keys beyond the last get nothing.
                let padded = count.next_multiple_of(most);
                for (tile, sums, rows_of_lanes, size, used) in [
                    (&mut *probabilities, &mut *sums.v, &*g_rows, columns, problem.columns),
                    (&mut *slopes, &mut *sums.k, &*q_rows, depth, problem.depth),
                ] {
                    if sums.is_empty() {
                        continue;
                    }
                    tile[count * width..padded * width].fill(0.0);
                    for n in (0..padded).step_by(most) {
                        let tile = &tile[n * width..];
                        transpose_rows(s, tile, width, most, width, staging, most);
                        let rows_of_lanes = &rows_of_lanes[at * size..][..width * size];
                        let job = Values {
                            weights: staging,
                            values: Panel {
                                bytes: bytemuck::cast_slice(rows_of_lanes),
                                step: size * size_of::<f32>(),
                            },
                            count: rows.len(),
                            columns: used.next_multiple_of(RUN),
                            vectors: S::VECTORS,
                            correction: ones,
                            out: &mut sums[(from_here + n) * size..][..most * size],
                        };
                        apply_values(s, job);
                    }
                }
            }
        }

        let Some(dq) = &mut dq else { return };
        for group in &groups {
            let turned = &dq_turned[group.lane * depth..][..group.width * depth];
            transpose_rows(s, turned, group.width, depth, group.width, staging, depth);
            for (row, gradient) in group.rows.clone().zip(staging.chunks_exact(depth)) {
                scale_row(s, &gradient[..problem.depth], 1.0, dq.row(row));
            }
        }
    });
}

impl Lanes<'_> {
    fn set(&mut self, at: usize, row: [f32; 4], (first, last): (isize, isize)) {
        [self.max[at], self.dot[at], self.weight[at], self.factor[at]] = row;
        (self.lo[at], self.hi[at]) = (first as f32, last as f32);
    }
}

/// The sum of products, in several partial sums.
fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += a[i] * b[i];
        }
    }
    sums.iter().sum()
}
