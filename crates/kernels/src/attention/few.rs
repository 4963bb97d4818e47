//! Attention of few query rows, as in decoding: bound by reading keys and values.

use super::finish::{Emit, Softmax};
use super::mask::{Additive, Buffers, MaskRows};
use super::problem::Problem;
use super::run::Task;
use super::scratch;
use crate::par;
use crate::simd::attention::{
    Exponentials, FewScores, FewValues, MaskTile, Real, Simd, Source, exponentials, few_scores,
    few_values, mask_scores,
};

/// Keys per block: their scores stay in the first-level cache.
const KEYS: usize = 128;

/// Computes one task; `emit` gets each row's softmax and weighted sum of values.
pub(super) fn task<S: Simd<T: Additive>, E: Source<S::T>>(
    s: S,
    problem: &Problem<'_, E>,
    task: Task,
    emit: &mut Emit<'_, S::T>,
) {
    let rows = task.rows.len().next_power_of_two();
    let (depth, columns) = (problem.depth, problem.columns);
    let tile = KEYS * rows + 2 * S::LANES;
    let lanes = S::LANES;
    let [bytes, numbers, staging] =
        Buffers::<S::T>::lengths(&problem.options.mask, KEYS + lanes, rows, rows.max(1));
    let elements = rows * (depth + columns) + tile + 6 * lanes + bytes + numbers + staging;
    scratch::with::<S::T, _>(elements, 12, |scratch| {
        let queries = scratch.take::<S::T>(rows * depth);
        let sums = scratch.take::<S::T>(rows * columns);
        let scores = scratch.take::<S::T>(tile);
        let [top, max, sum, correction, lo, hi] = [(); 6].map(|()| scratch.take::<S::T>(lanes));
        let mut buffers = Buffers {
            bytes: scratch.take(bytes),
            numbers: scratch.take(numbers),
            lanes: scratch.take(staging),
        };
        sums.fill(S::T::ZERO);
        max.fill(S::T::MIN);
        sum.fill(S::T::ZERO);

        // Rows beyond the last repeat it; they are computed and dropped.
        let row = |r: usize| task.rows.start + r.min(task.rows.len() - 1);
        let mut starts = [0; 8];
        for r in 0..rows {
            let query = problem.query(task.group, row(r));
            starts[r] = MaskRows::start(problem, task.group, row(r));
            if S::PAIRS {
                let halves: &mut [E] = bytemuck::cast_slice_mut(&mut *queries);
                halves[r * depth..][..depth].copy_from_slice(query);
            } else {
                for (out, &x) in queries[r * depth..].iter_mut().zip(query) {
                    *out = x.get();
                }
            }
        }
        let visible = |r: usize| problem.visible(row(r) / problem.heads());
        let needed = problem.needed((0..rows).map(visible));
        let keys = par::piece(needed.len(), task.split.1, task.split.0);
        let keys = needed.start + keys.start..needed.start + keys.end;
        let per_vector = lanes / rows;
        for lane in 0..lanes {
            let (first, last) = visible(lane % rows);
            // The tile counts keys by its vectors' first; this lane's are further on.
            let ahead = (lane / rows) as isize;
            lo[lane] = S::T::of((first - ahead) as f64);
            hi[lane] = S::T::of((last - ahead) as f64);
        }
        let narrow = (0..rows)
            .map(visible)
            .fold((0, isize::MAX), |a, (first, last)| (a.0.max(first), a.1.min(last)));

        let mask = MaskRows::new(problem);
        let scale = S::T::of(problem.options.scale * std::f64::consts::LOG2_E);
        let (all_keys, all_values) = (problem.keys_of(task.group), problem.values_of(task.group));
        for from in keys.clone().step_by(KEYS) {
            let to = (from + KEYS).min(keys.end);
            let vectors = (to - from).div_ceil(per_vector);
            few_scores(
                s,
                FewScores {
                    queries,
                    rows,
                    keys: all_keys.part(from, to - from),
                    next: all_values.part(from, to - from),
                    scale,
                    out: scores,
                    top,
                },
            );
            let mut apply = |tile: MaskTile<'_, S::T>| {
                mask_scores(s, scores, vectors, lanes, tile, top);
                // What is beyond the last key has no score at all.
                let surplus = vectors * per_vector - (to - from);
                let end = vectors * lanes;
                scores[end - surplus * rows..end].fill(S::T::of(f64::NEG_INFINITY));
            };
            if let Some(tile) =
                mask.as_ref().and_then(|m| m.few_tile(s, &starts[..rows], from..to, &mut buffers))
            {
                apply(tile);
            }
            if (from as isize) < narrow.0 || to as isize - 1 > narrow.1 {
                let (first, step) = (S::T::of(from as f64), S::T::of(per_vector as f64));
                apply(MaskTile::Between { lo, hi, first, step });
            }
            for r in 0..rows {
                let of_row = || top.iter().skip(r).step_by(rows);
                let most = of_row().fold(S::T::MIN, |a, &b| if b > a { b } else { a });
                for lane in (r..lanes).step_by(rows) {
                    top[lane] = most;
                }
            }
            exponentials(
                s,
                Exponentials { scores, rows: vectors, width: lanes, top, max, sum, correction },
            );
            few_values(
                s,
                FewValues {
                    weights: scores,
                    rows,
                    values: all_values.part(from, to - from),
                    next: all_keys.part(to, keys.end - to),
                    correction,
                    out: sums,
                },
            );
        }
        for (r, row) in task.rows.clone().enumerate() {
            let total = (r..lanes).step_by(rows).fold(S::T::ZERO, |a, lane| a.plus(sum[lane]));
            emit(row, Softmax { max: max[r], sum: total }, &sums[r * columns..][..columns]);
        }
    });
}
