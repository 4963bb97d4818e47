//! How an attention is cut into tasks.

use super::finish::{Emit, Softmax, finish_row};
use super::mask::Additive;
use super::problem::Problem;
use super::{few, many};
use crate::data::Layout;
use crate::par;
use crate::simd::attention::{Real, RowBlocks, RowWriter, Simd, Source, few_columns};

/// Tasks per thread that even out a thread that comes late or meets cheaper tasks.
const TASKS_PER_THREAD: usize = 4;
/// Keys that make a split of the keys worth merging.
const MIN_KEYS_PER_SPLIT: usize = 256;
/// Work below which sleeping threads are not woken, in nanoseconds.
const WORTH_WAKING_NS: f64 = 50_000.0;
/// Bytes of packed queries and sums per block of query rows: half of a common L2 cache.
const BLOCK_BYTES: usize = 256 << 10;

/// One task: some rows of a group against some of the keys they need, `split.0` of `split.1`.
pub(super) struct Task {
    pub(super) group: usize,
    pub(super) rows: std::ops::Range<usize>,
    pub(super) split: (usize, usize),
}

/// Computes `problem`.
pub(super) fn run<S: Simd<T: Additive>, E: Source<S::T>>(
    s: S,
    problem: &Problem<'_, E>,
    out: &mut [E],
    out_layout: &Layout,
    mut stats: Option<&mut [f32]>,
) {
    let (heads, length) = (problem.heads(), problem.queries);
    let groups = problem.batches * problem.key_heads;
    if let Some(stats) = &stats {
        let rows = problem.batches * problem.query_heads * length;
        assert_eq!(stats.len(), 2 * rows, "two statistics per query");
    }
    if groups * heads * length == 0 {
        return;
    }
    let few = is_few::<S, E>(problem);
    let threads = par::threads();
    let block = if few { heads * length } else { block_rows::<S, E>(problem, threads) };
    let blocks = RowBlocks { groups, heads, length, block };
    // Reading a key and its value, or multiplying with them at a quarter of a core's peak.
    let key_ns = (0.03 * (block * (problem.depth + problem.columns)) as f64).max(10.0);
    let block_ns = 1_000.0 + key_ns * problem.keys as f64;
    let small = block_ns * (blocks.count() as f64) < WORTH_WAKING_NS;
    let splits = if small || threads == 1 || blocks.count() >= TASKS_PER_THREAD * threads {
        1
    } else {
        (TASKS_PER_THREAD * threads)
            .div_ceil(blocks.count())
            .min(problem.keys / MIN_KEYS_PER_SPLIT)
            .max(1)
    };

    let stats_layout = Layout::contiguous(&[problem.batches, problem.query_heads, length, 2]);
    let stats = stats.as_mut().map(|stats| RowWriter::new(stats, &stats_layout, blocks));
    let out = RowWriter::new(out, out_layout, blocks);
    let compute = |task: Task, emit: &mut Emit<'_, S::T>| {
        if few { few::task(s, problem, task, emit) } else { many::task(s, problem, task, emit) }
    };
    let finish = |block: usize, rows: &mut dyn FnMut(&mut Emit<'_, S::T>)| {
        let (group, _) = blocks.get(block);
        let mut out = out.claim(block);
        let mut stats = stats.as_ref().map(|stats| stats.claim(block));
        rows(&mut |row, softmax, sums| {
            let sink = problem.options.sinks.map(|sinks| sinks[problem.place(group, row)[1]]);
            let softmax = if problem.keys == 0 {
                out.row(row).fill(E::put(S::T::ZERO));
                sink.map_or(Softmax::EMPTY, Softmax::of_sink)
            } else {
                finish_row(s, softmax, sums, sink, problem.options.empty_rows, out.row(row))
            };
            if let Some(stats) = &mut stats {
                let both = [softmax.max, softmax.sum].map(|x| x.wide() as f32);
                stats.row(row).copy_from_slice(&both);
            }
        });
    };

    if splits == 1 {
        let one = |t: usize| {
            // Causal blocks of late rows see more keys: they go first.
            let block = blocks.count() - 1 - t;
            let (group, rows) = blocks.get(block);
            finish(block, &mut |emit| {
                compute(Task { group, rows: rows.clone(), split: (0, 1) }, emit);
            });
        };
        if small {
            par::ranges(blocks.count(), block_ns, |range| range.for_each(&one));
        } else {
            par::run(blocks.count(), one);
        }
        return;
    }
    // Each task leaves its sums, and the sums of a block are joined afterwards.
    let row_len = problem.columns + 2;
    let part_len = block * row_len;
    let mut parts = vec![S::T::ZERO; blocks.count() * splits * part_len];
    par::chunks_mut(&mut parts, part_len, |t, part| {
        let (group, rows) = blocks.get(t / splits);
        let first = rows.start;
        compute(Task { group, rows, split: (t % splits, splits) }, &mut |row, softmax, sums| {
            let part = &mut part[(row - first) * row_len..][..row_len];
            part[0] = softmax.max;
            part[1] = softmax.sum;
            part[2..].copy_from_slice(&sums[..problem.columns]);
        });
    });
    par::run(blocks.count(), |block| {
        let (_, rows) = blocks.get(block);
        let parts = &parts[block * splits * part_len..][..splits * part_len];
        let mut sums = vec![S::T::ZERO; problem.columns];
        finish(block, &mut |emit| {
            for row in rows.clone() {
                let mut softmax = Softmax::EMPTY;
                sums.fill(S::T::ZERO);
                for part in parts.chunks_exact(part_len) {
                    let part = &part[(row - rows.start) * row_len..][..row_len];
                    let (ours, theirs) = softmax.join(Softmax { max: part[0], sum: part[1] });
                    for (sum, &x) in sums.iter_mut().zip(&part[2..]) {
                        *sum = sum.times(ours).plus(x.times(theirs));
                    }
                }
                emit(row, softmax, &sums);
            }
        });
    });
}

/// Whether the kernels for few rows apply.
fn is_few<S: Simd, E>(problem: &Problem<'_, E>) -> bool
where
    E: Source<S::T>,
{
    let step = few_columns::<S>();
    problem.heads() * problem.queries <= S::LANES.min(8)
        && problem.depth > 0
        && problem.depth.is_multiple_of(step)
        && problem.columns.is_multiple_of(step)
}

/// Rows per block: whole groups of vectors, as many as fit the cache, fewer if that leaves
/// threads without work.
fn block_rows<S: Simd, E: Source<S::T>>(problem: &Problem<'_, E>, threads: usize) -> usize {
    let group = S::VECTORS * S::LANES;
    let row_bytes = (problem.depth + problem.columns).max(1) * size_of::<S::T>();
    let fitting = (BLOCK_BYTES / row_bytes).clamp(group, 16 * group);
    let rows = problem.heads() * problem.queries;
    let wanted = if threads == 1 { 1 } else { TASKS_PER_THREAD * threads };
    let blocks = wanted.div_ceil(problem.batches * problem.key_heads).max(rows.div_ceil(fitting));
    rows.div_ceil(blocks).next_multiple_of(group)
}
