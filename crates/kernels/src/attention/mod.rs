//! Fused scaled-dot-product attention.
//!
//! `out = softmax(scale * q k^T + mask) v`, per head, without ever holding the scores: keys are
//! taken in blocks and the softmax is carried along as a running maximum and sum, so memory beyond
//! inputs and output does not grow with the sequences (each thread keeps one scratch buffer).
//!
//! # Numbers
//! - `f16`, `bf16` and `f32` are computed in `f32`, `f64` in `f64`, and rounded once, at the end.
//!   One exception: at [`Level::Avx512Bf16`](crate::simd::Level) `bf16` products use the dot
//!   product instructions, for which probabilities are rounded to `bf16` (and subnormal inputs
//!   count as zero). The sum of probabilities is that of the rounded ones, so the weights of a
//!   row still sum to 1. The error this adds is at most 2^-8 times the weighted mean of |v|, and
//!   typically less than that of rounding the result.
//! - Exponentials are good to 2 ULP; those below 2^-126 are 0.
//!
//! # Masks
//! - A score hidden by a boolean mask, causality or the window is the finite minimum of its type,
//!   not minus infinity: a row with everything hidden is the mean of all values.
//! - A row of scores that are all minus infinity, from the data or an additive mask, is NaN.
//!   [`EmptyRows::Zero`] gives zeros for both kinds.
//! - Keys that causality or the window hide from a whole group of rows are skipped. They are not
//!   there for a row whose other scores are all minus infinity or hidden by a mask array.
//! - NaN in a hidden key is hidden. NaN in the value of a hidden key reaches the result (as
//!   0 * NaN does), unless the key is in a block that causality or the window skips.
//! - A sink is one more logit in the normalisation, neither scaled nor masked. A fully masked row
//!   with a finite sink is 0.

mod backward;
mod few;
mod finish;
mod many;
mod mask;
mod problem;
mod run;
mod scratch;

pub use backward::{Gradients, attention_grad};

use crate::data::{Bool, Layout, Slice, SliceMut, View};
use crate::simd;
use crate::simd::attention::{Portable, Simd, Source, Visitor, dispatch};
use problem::Problem;

/// Which keys a query sees, or what is added to its scores.
#[derive(Clone, Copy, Debug, Default)]
pub enum Mask<'a> {
    /// Every key.
    #[default]
    None,
    /// Query `i` sees keys up to `i + Tk - Tq`: the last query sees all.
    Causal,
    /// True where a query sees a key. Shape (B, Hq, Tq, Tk); broadcast axes have stride 0.
    Bool(&'a [Bool], &'a Layout),
    /// Added to the scaled scores. Shape (B, Hq, Tq, Tk); broadcast axes have stride 0. `f32`,
    /// or the dtype of the output.
    Additive(View<'a>),
}

/// What a row without any visible key becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyRows {
    /// The mean of all values if they are hidden, NaN if all scores are minus infinity.
    #[default]
    Mean,
    /// Zeros.
    Zero,
}

/// Everything but the arrays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Factor of the scores; narrowed to `f32` unless the arrays are `f64`.
    pub scale: f64,
    /// The mask.
    pub mask: Mask<'a>,
    /// Query `i` sees only this many keys, the last being key `i + Tk - Tq`, and all later ones
    /// that the mask lets it see. At least 1.
    pub window: Option<usize>,
    /// One extra logit per query head.
    pub sinks: Option<&'a [f32]>,
    /// Rows without any visible key.
    pub empty_rows: EmptyRows,
}

/// Attention of `q` (B, Hq, Tq, D) over `k` (B, Hkv, Tk, D) and `v` (B, Hkv, Tk, Dv).
///
/// Query head `h` uses key head `h / (Hq / Hkv)`. All arrays have one dtype: `f32`, `f16`, `bf16`
/// or `f64`. `out` has shape (B, Hq, Tq, Dv); its rows may lie in any order. Along the last axis
/// all are contiguous. Without keys (Tk = 0) the result is zeros; with D = 0 all scores are 0.
///
/// `stats`, of B * Hq * Tq pairs, receives the statistics of each row's softmax, sink included: its
/// largest score in units of log 2, and the sum of the powers of two of the scores' distances from
/// it. (The logarithm of the second plus the first, times ln 2, is the log-sum-exp, but that alone
/// would not be exact enough where a mask adds large numbers.) The largest score is `f32::MIN`
/// for a row without keys, or whose scores are all hidden or minus infinity; the sum is then the
/// number of hidden keys, and infinite for a row that [`EmptyRows::Zero`] makes zero. They are only
/// there for arrays up to `f32`.
///
/// # Panics
/// If shapes or dtypes do not fit, a layout leaves its slice, rows of the output overlap, there are
/// more than 2^24 keys with a causal mask or a window, or statistics are asked for in `f64`.
pub fn attention(
    q: View<'_>,
    k: View<'_>,
    v: View<'_>,
    options: &Options<'_>,
    out: SliceMut<'_>,
    out_layout: &Layout,
    stats: Option<&mut [f32]>,
) {
    match (q.data, k.data, v.data, out) {
        (Slice::F32(q_data), Slice::F32(k_data), Slice::F32(v_data), SliceMut::F32(out)) => {
            let data = [q_data, k_data, v_data];
            let problem = Problem::new(data, [q.layout, k.layout, v.layout], options, out_layout);
            dispatch(simd::level(), false, Run { problem, out, out_layout, stats });
        }
        (Slice::F16(q_data), Slice::F16(k_data), Slice::F16(v_data), SliceMut::F16(out)) => {
            let data = [q_data, k_data, v_data];
            let problem = Problem::new(data, [q.layout, k.layout, v.layout], options, out_layout);
            dispatch(simd::level(), false, Run { problem, out, out_layout, stats });
        }
        (Slice::Bf16(q_data), Slice::Bf16(k_data), Slice::Bf16(v_data), SliceMut::Bf16(out)) => {
            let data = [q_data, k_data, v_data];
            let problem = Problem::new(data, [q.layout, k.layout, v.layout], options, out_layout);
            dispatch(simd::level(), true, Run { problem, out, out_layout, stats });
        }
        (Slice::F64(q_data), Slice::F64(k_data), Slice::F64(v_data), SliceMut::F64(out)) => {
            let data = [q_data, k_data, v_data];
            let problem = Problem::new(data, [q.layout, k.layout, v.layout], options, out_layout);
            assert!(stats.is_none(), "softmax statistics are `f32`");
            run::run(Portable::<f64>::new(), &problem, out, out_layout, None);
        }
        (q, k, v, out) => panic!(
            "attention takes arrays of one float dtype, not {}, {}, {} and {}",
            q.dtype(),
            k.dtype(),
            v.dtype(),
            out.dtype()
        ),
    }
}

struct Run<'a, E> {
    problem: Problem<'a, E>,
    out: &'a mut [E],
    out_layout: &'a Layout,
    stats: Option<&'a mut [f32]>,
}

impl<E: Source<f32>> Visitor for Run<'_, E> {
    fn visit<S: Simd<T = f32>>(self, s: S) {
        run::run(s, &self.problem, self.out, self.out_layout, self.stats);
    }
}
