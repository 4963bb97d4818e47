//! Attention of many query rows: bound by arithmetic.
//!
//! A task's rows are cut into groups of `VECTORS` vectors, one row per lane. Blocks of keys
//! are the outer loop, so that a block that had to be converted serves all groups.
//!
//! About 94 % of the multiply-add peak is left in the two products, and the softmax takes 6 % of
//! the time at head size 64 (AVX-512). Blocks of 96 and 128 keys are no faster, nor on AVX2 those of 32
//! and 48. A boolean mask costs 5 to 9 %, twice that if it lies in small pages: its rows are far apart.

use std::ops::Range;

use super::finish::{Emit, Softmax};
use super::mask::{Additive, Buffers, MaskRows};
use super::problem::Problem;
use super::run::Task;
use super::scratch::{self, Scratch};
use crate::data::{Element, bf16};
use crate::par;
use crate::simd::attention::{
    Exponentials, MaskTile, Panel, RUN, Real, Rows, Scores, Simd, Source, Values, apply_values,
    convert_rows, exponentials, interleave_rows, mask_scores, scores, transpose_rows,
};

/// Keys per block: a group's scores should stay in the first-level cache.
const KEYS: usize = 64;

/// Rows that go through the kernels together.
pub(super) struct Group {
    /// The task's rows in it.
    pub(super) rows: Range<usize>,
    /// Lanes, a multiple of `LANES`; those beyond the rows repeat the last.
    pub(super) width: usize,
    /// Position of its first lane among all lanes of the task.
    pub(super) lane: usize,
    /// Keys that some row needs.
    pub(super) needed: Range<usize>,
    /// Keys that causality and the window show to every row.
    pub(super) seen_by_all: Range<isize>,
}

/// Units (scalars or pairs) of a head of `n` elements.
fn units<S: Simd>(n: usize) -> usize {
    if S::PAIRS { n.div_ceil(2) } else { n }
}

/// Computes one task; `emit` gets each row's softmax and weighted sum of values.
pub(super) fn task<S: Simd<T: Additive>, E: Source<S::T>>(
    s: S,
    problem: &Problem<'_, E>,
    task: Task,
    emit: &mut Emit<'_, S::T>,
) {
    let most = S::VECTORS * S::LANES;
    let depth = units::<S>(problem.depth);
    let depth_padded = depth.next_multiple_of(S::LANES);
    let columns = problem.columns.next_multiple_of(S::LANES.max(RUN));
    let groups = groups::<S, E>(problem, &task.rows);
    let lanes = groups.last().map_or(0, |g| g.lane + g.width);
    let [bytes, numbers, mask_lanes] =
        Buffers::<S::T>::lengths(&problem.options.mask, KEYS.max(S::LANES), most, S::LANES);
    let staging = S::LANES * depth_padded.max(columns);
    let elements = lanes * (depth_padded + columns + 4)
        + (KEYS + RUN) * most
        + 2 * most
        + staging
        + KEYS * (depth + columns)
        + bytes
        + numbers
        + mask_lanes;
    scratch::with::<S::T, _>(elements, 16, |scratch: &mut Scratch<'_>| {
        let queries = scratch.take::<S::T>(lanes * depth_padded);
        let sums = scratch.take::<S::T>(lanes * columns);
        let tile = scratch.take::<S::T>((KEYS + RUN) * most);
        let [max, sum, lo, hi] = [(); 4].map(|()| scratch.take::<S::T>(lanes));
        let [top, correction] = [(); 2].map(|()| scratch.take::<S::T>(most));
        let staging = scratch.take::<S::T>(staging);
        let key_block = scratch.take::<S::T>(KEYS * depth);
        let value_block = scratch.take::<S::T>(KEYS * columns);
        let mut buffers = Buffers {
            bytes: scratch.take(bytes),
            numbers: scratch.take(numbers),
            lanes: scratch.take(mask_lanes),
        };
        let mut starts = vec![0; lanes];

        sums.fill(S::T::ZERO);
        max.fill(S::T::MIN);
        sum.fill(S::T::ZERO);
        for group in &groups {
            let packed = &mut queries[group.lane * depth_padded..][..group.width * depth_padded];
            for first in (0..group.width).step_by(S::LANES) {
                for (n, out) in staging.chunks_exact_mut(depth_padded.max(1)).enumerate() {
                    if n == S::LANES || depth == 0 {
                        break;
                    }
                    let row = group.rows.start + (first + n).min(group.rows.len() - 1);
                    copy_units(s, problem.query(task.group, row), out);
                }
                let out = packed.get_mut(first..).unwrap_or_default();
                transpose_rows(s, staging, depth_padded, S::LANES, depth_padded, out, group.width);
            }
            for n in 0..group.width {
                let row = group.rows.start + n.min(group.rows.len() - 1);
                let (first, last) = problem.visible(row / problem.heads());
                lo[group.lane + n] = S::T::of(first as f64);
                hi[group.lane + n] = S::T::of(last as f64);
                starts[group.lane + n] = MaskRows::start(problem, task.group, row);
            }
        }

        let mask = MaskRows::new(problem);
        let scale = S::T::of(problem.options.scale * std::f64::consts::LOG2_E);
        let (all_keys, all_values) = (problem.keys_of(task.group), problem.values_of(task.group));
        let first = groups.iter().map(|g| g.needed.start).min().unwrap_or(0);
        let end = groups.iter().map(|g| g.needed.end).max().unwrap_or(0);
        let part = par::piece(end.max(first) - first, task.split.1, task.split.0);
        for from in (first + part.start..first + part.end).step_by(KEYS) {
            let to = (from + KEYS).min(first + part.end);
            let keys = key_panel(s, all_keys.part(from, to - from), depth, key_block);
            let values = value_panel(s, all_values.part(from, to - from), columns, value_block);
            for group in &groups {
                // The values of pairs of keys were interleaved from the start of the block on.
                let mut from_here = group.needed.start.max(from);
                if S::PAIRS {
                    from_here -= (from_here - from) % 2;
                }
                let to_here = group.needed.end.min(to);
                if from_here >= to_here {
                    continue;
                }
                let (count, width, at) = (to_here - from_here, group.width, group.lane);
                let vectors = width / S::LANES;
                let lanes = at..at + width;
                let mask = mask.as_ref().and_then(|m| {
                    m.tile(s, &starts[lanes.clone()], from_here..to_here, &mut buffers)
                });
                let between =
                    group.between(from_here..to_here, &lo[lanes.clone()], &hi[lanes.clone()]);
                let job = Scores {
                    queries: &queries[at * depth_padded..],
                    keys: keys.from(from_here - from),
                    count,
                    depth,
                    vectors,
                    scale,
                    seen: None,
                    out: tile,
                    top,
                };
                masked_scores(s, job, [mask, between]);
                exponentials(
                    s,
                    Exponentials {
                        scores: tile,
                        rows: count,
                        width,
                        top,
                        max: &mut max[lanes.clone()],
                        sum: &mut sum[lanes],
                        correction,
                    },
                );
                apply_values(
                    s,
                    Values {
                        weights: tile,
                        values: values.from(units::<S>(from_here - from)),
                        count: units::<S>(count),
                        columns: problem.columns.next_multiple_of(RUN),
                        vectors,
                        correction,
                        out: &mut sums[at * columns..][..width * columns],
                    },
                );
            }
        }

        for group in &groups {
            let sums = &sums[group.lane * columns..][..group.width * columns];
            for first in (0..group.rows.len()).step_by(S::LANES) {
                let src = sums.get(first..).unwrap_or_default();
                transpose_rows(s, src, group.width, columns, S::LANES, staging, columns);
                for n in 0..S::LANES.min(group.rows.len() - first) {
                    let lane = group.lane + first + n;
                    let softmax = Softmax { max: max[lane], sum: sum[lane] };
                    let row = &staging[n * columns..][..problem.columns];
                    emit(group.rows.start + first + n, softmax, row);
                }
            }
        }
    });
}

impl Group {
    /// What causality and the window hide of `keys` from lanes that see keys `lo` to `hi`, if it
    /// is anything.
    pub(super) fn between<'a, T: Real>(
        &self,
        keys: Range<usize>,
        lo: &'a [T],
        hi: &'a [T],
    ) -> Option<MaskTile<'a, T>> {
        let seen = &self.seen_by_all;
        let some = (keys.start as isize) < seen.start || keys.end as isize > seen.end;
        some.then(|| MaskTile::Between { lo, hi, first: T::of(keys.start as f64), step: T::ONE })
    }
}

/// Scores, then what masks do to them; bytes are applied on the way, as [`Scores::seen`].
pub(super) fn masked_scores<S: Simd>(
    s: S,
    job: Scores<'_, S::T>,
    masks: [Option<MaskTile<'_, S::T>>; 2],
) {
    let Scores { queries, keys, count, depth, vectors, scale, mut seen, out, top } = job;
    for mask in &masks {
        if let Some(MaskTile::Bytes(bytes)) = mask {
            seen = Some(bytes);
        }
    }
    let job = Scores {
        queries,
        keys,
        count,
        depth,
        vectors,
        scale,
        seen,
        out: &mut *out,
        top: &mut *top,
    };
    scores(s, job);
    for mask in masks.into_iter().flatten() {
        if !matches!(mask, MaskTile::Bytes(_)) {
            mask_scores(s, out, count, vectors * S::LANES, mask, top);
        }
    }
}

/// The rows of a task in groups.
pub(super) fn groups<S: Simd, E: Source<S::T>>(
    problem: &Problem<'_, E>,
    rows: &Range<usize>,
) -> Vec<Group> {
    let most = S::VECTORS * S::LANES;
    (rows.clone().step_by(most).enumerate())
        .map(|(n, start)| {
            let rows = start..(start + most).min(rows.end);
            let positions = rows.start / problem.heads()..(rows.end - 1) / problem.heads() + 1;
            let visible = positions.map(|position| problem.visible(position));
            let all = visible
                .clone()
                .fold(0..isize::MAX, |a, (first, last)| a.start.max(first)..a.end.min(last + 1));
            Group {
                width: rows.len().next_multiple_of(S::LANES),
                rows,
                lane: n * most,
                needed: problem.needed(visible),
                seen_by_all: all,
            }
        })
        .collect()
}

/// Copies a row as units, as scalars or as raw pairs, padded with zeros.
pub(super) fn copy_units<S: Simd, E: Source<S::T>>(s: S, row: &[E], out: &mut [S::T]) {
    if S::PAIRS {
        let out: &mut [E] = bytemuck::cast_slice_mut(out);
        out[..row.len()].copy_from_slice(row);
        out[row.len()..].fill(E::zeroed());
    } else {
        let columns = row.len();
        let width = out.len();
        convert_rows(s, Rows { data: row, start: 0, step: 0, count: 1, columns }, out, width);
    }
}

/// The keys as rows of units: as they lie if they can be, else copied to `block`.
fn key_panel<'a, S: Simd, E: Source<S::T>>(
    s: S,
    rows: Rows<'a, E>,
    depth: usize,
    block: &'a mut [S::T],
) -> Panel<'a> {
    let whole_units =
        if S::PAIRS { rows.columns.is_multiple_of(2) } else { E::DTYPE == S::T::DTYPE };
    if whole_units && let Some(panel) = in_place(rows) {
        return panel;
    }
    if S::PAIRS {
        for i in 0..rows.count {
            copy_units(s, rows.row(i), &mut block[i * depth..][..depth]);
        }
    } else {
        convert_rows(s, rows, block, depth);
    }
    Panel { bytes: bytemuck::cast_slice(block), step: depth * size_of::<S::T>() }
}

/// The values as rows of units, `columns` or a little fewer of them.
pub(super) fn value_panel<'a, S: Simd, E: Source<S::T>>(
    s: S,
    rows: Rows<'a, E>,
    columns: usize,
    block: &'a mut [S::T],
) -> Panel<'a> {
    if S::PAIRS {
        let data: &[bf16] = bytemuck::cast_slice(rows.data);
        let Rows { start, step, count, columns: used, .. } = rows;
        interleave_rows(s, Rows { data, start, step, count, columns: used }, block, columns);
    } else if E::DTYPE == S::T::DTYPE
        && rows.columns.is_multiple_of(RUN)
        && let Some(panel) = in_place(rows)
    {
        return panel;
    } else {
        convert_rows(s, rows, block, columns);
    }
    Panel { bytes: bytemuck::cast_slice(block), step: columns * size_of::<S::T>() }
}

/// Rows without gaps can be read where they lie. Others are copied: rows of several heads side by
/// side are often a large power of two apart, and would fall into the same few cache sets.
fn in_place<E: Element>(rows: Rows<'_, E>) -> Option<Panel<'_>> {
    if rows.step != rows.columns as isize || rows.columns == 0 {
        return None;
    }
    let bytes = &rows.data[rows.start..][..rows.count * rows.columns];
    Some(Panel { bytes: bytemuck::cast_slice(bytes), step: rows.columns * size_of::<E>() })
}
