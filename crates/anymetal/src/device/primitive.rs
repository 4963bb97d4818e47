//! The launches every back end implements, described as data.
//!
//! Inputs are strided views (zero and negative strides included) unless a variant says otherwise;
//! outputs are fresh and row-major.

#[cfg(feature = "metal-kernels")]
use std::sync::Arc;

use anymetal_kernels::elementwise::{BinaryOp, UnaryOp};
use anymetal_kernels::index::ScatterOp;
use anymetal_kernels::reduce::{ArgOp, ReduceOp};

use crate::Layout;
#[cfg(feature = "metal-kernels")]
use crate::fast::KernelLaunch;

/// A launch.
#[derive(Clone, Debug, PartialEq)]
pub enum Primitive {
    /// `[x]` copied to row-major, converted to the output's dtype.
    Copy,
    /// `[piece0, piece1, ..]`: piece `i` goes to the output's positions `layouts[i]`. With a base,
    /// an input of the output's shape before the pieces, the other positions are the base's;
    /// without, the pieces cover the output.
    Assemble {
        /// Where the pieces go, each with its piece's shape.
        layouts: Vec<Layout>,
        /// Whether the first input is a base.
        base: bool,
    },
    /// `start + i * step` for each element `i`.
    Arange {
        /// First value.
        start: f64,
        /// Distance of neighbours.
        step: f64,
    },
    /// `[x]`, element by element.
    Unary(UnaryOp),
    /// `[a, b]` of one shape and dtype, element by element.
    Binary(BinaryOp),
    /// `[condition, a, b]` of one shape: `a` where the condition holds, else `b`.
    Select,
    /// `[x]` reduced over axes, which keep size 1 or are absent in the output.
    Reduce {
        /// How.
        op: ReduceOp,
        /// Sorted axes.
        axes: Vec<usize>,
    },
    /// `[x]`: position of the extreme value along an axis, as `uint32`.
    ArgReduce {
        /// Which extreme.
        op: ArgOp,
        /// The axis.
        axis: usize,
    },
    /// `[x]`: softmax over the last axis, float32 (float64) inside.
    Softmax,
    /// `[a, b]` of shapes (.., m, k) and (.., k, n) with equal leading axes.
    Matmul,
    /// `[source, indices..]`: slices of `sizes` at every index tuple; see MLX's `gather`.
    Gather {
        /// The axis each index array addresses.
        axes: Vec<usize>,
        /// Extent of a slice along every axis of the source.
        sizes: Vec<usize>,
    },
    /// `[destination, updates, indices..]`: the inverse of gather.
    Scatter {
        /// How an update meets the old value.
        op: ScatterOp,
        /// The axis each index array addresses.
        axes: Vec<usize>,
    },
    /// `[key]`, two words per row: Threefry bits, one stream per key.
    RandomBits,
    /// `[x]`, then the weight and the bias that the description announces, each of one axis and
    /// any floating dtype.
    Norm(NormSpec),
    /// The inputs of [`Primitive::Norm`], then the cotangent, to the wanted gradients.
    NormBackward {
        /// The forward launch.
        forward: NormSpec,
        /// Whether the gradients of x, weight and bias are outputs.
        wanted: [bool; 3],
    },
    /// `[x, offset]`, then freqs (float32) if there is no base: rotary position embedding of
    /// x (B, .., T, D); offset is a vector of one int64 element or B.
    Rope {
        /// Features that rotate.
        dims: usize,
        /// Whether pairs are neighbours instead of halves.
        traditional: bool,
        /// Base of the angular frequencies; `None` if they are given.
        base: Option<f32>,
        /// Multiplies positions.
        scale: f32,
        /// Whether to rotate backwards.
        inverse: bool,
    },
    /// `[q, k, v]` and what the description announces, to the output and, if it is asked for, two
    /// numbers per row (float32): its largest score in units of log 2, and the sum of the powers
    /// of two of the scores' distances from it.
    Attention(AttentionSpec),
    /// The inputs of [`Primitive::Attention`], the cotangent of its first output, then both
    /// outputs, to the wanted gradients. Not for float64.
    AttentionBackward {
        /// The forward launch.
        forward: AttentionSpec,
        /// Whether the gradients of q, k, v and the sinks are outputs.
        wanted: [bool; 4],
    },
    /// A custom kernel over its inputs, which have no negative strides.
    #[cfg(feature = "metal-kernels")]
    Kernel(Arc<KernelLaunch>),
}

/// A norm over the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormSpec {
    /// Which norm.
    pub kind: NormKind,
    /// Added to the mean square or the variance.
    pub eps: f32,
    /// Whether a weight follows x.
    pub weight: bool,
    /// Whether a bias follows; not for RMS norms.
    pub bias: bool,
}

/// Kinds of norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormKind {
    /// Root mean square.
    Rms,
    /// Layer: around the mean.
    Layer,
}

/// A fused attention launch.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionSpec {
    /// Multiplies the scores.
    pub scale: f64,
    /// The mask; an array mask follows v in the inputs, already broadcast to (B, H, Tq, Tk).
    pub mask: MaskKind,
    /// Whether sinks, float32 of shape (H), follow.
    pub sinks: bool,
    /// Whether rows without any visible key give zero instead of the mean of v.
    pub zero_empty_rows: bool,
}

/// Kinds of attention mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskKind {
    /// Every key is visible.
    None,
    /// Key j is visible to query i if j <= i + (Tk - Tq).
    Causal,
    /// A boolean array: true is visible.
    Bool,
    /// An array added to the scores.
    Additive,
}
