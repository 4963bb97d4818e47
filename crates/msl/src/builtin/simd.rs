//! Functions across the lanes of a simdgroup or a quad, and barriers.

use super::Form::{Bool, Flags, Is, Order, Scope as InScope, T, Void};
use super::Lowering::{Barrier, BroadcastFirst, Fence, Reduce, Scan, Shuffle, ShuffleFill, Vote};
use super::{Accuracy, Form, Lowering, Row, Scope, Spaces, Types, Widths};
use crate::ir::{Attribute, ReduceOp, Scalar, ScanOp, ShuffleOp, VoteOp, Width};

/// On values of all kinds.
const fn moves(name: &'static str, params: &'static [Form], lowering: Lowering) -> Row {
    let (types, widths) = (Types::ALL, Widths::OneToFour);
    Row {
        name,
        spaces: Spaces::METAL,
        types,
        widths,
        params,
        result: T,
        lowering,
        accuracy: Accuracy::Exact,
    }
}

const fn numeric(name: &'static str, lowering: Lowering) -> Row {
    Row { types: Types::NUMBERS, accuracy: Accuracy::Composed, ..moves(name, &[T], lowering) }
}

const fn bitwise(name: &'static str, lowering: Lowering) -> Row {
    Row { types: Types::INTEGERS, ..moves(name, &[T], lowering) }
}

/// On one `bool`, or on nothing.
const fn vote(name: &'static str, params: &'static [Form], result: Form, op: Lowering) -> Row {
    Row { types: Types::BOOL, widths: Widths::One, result, ..moves(name, params, op) }
}

const fn barrier(name: &'static str, params: &'static [Form], lowering: Lowering) -> Row {
    vote(name, params, Void, lowering)
}

/// What attributes are to the library's own code: functions of a value that says nothing.
const fn attribute(name: &'static str, attribute: Attribute) -> Row {
    vote(name, &[LANE], LANE, Lowering::Attribute(attribute))
}

const LANE: Form = Is(Scalar::U16);
const MASK: Form = Is(Scalar::U64);

pub(super) const ROWS: &[Row] = &[
    bitwise("simd_and", Reduce(ReduceOp::And, Width::Simd)),
    bitwise("simd_or", Reduce(ReduceOp::Or, Width::Simd)),
    bitwise("simd_xor", Reduce(ReduceOp::Xor, Width::Simd)),
    numeric("simd_max", Reduce(ReduceOp::Max, Width::Simd)),
    numeric("simd_min", Reduce(ReduceOp::Min, Width::Simd)),
    numeric("simd_product", Reduce(ReduceOp::Product, Width::Simd)),
    numeric("simd_sum", Reduce(ReduceOp::Sum, Width::Simd)),
    numeric("simd_prefix_exclusive_product", Scan(ScanOp::ExclusiveProduct, Width::Simd)),
    numeric("simd_prefix_exclusive_sum", Scan(ScanOp::ExclusiveSum, Width::Simd)),
    numeric("simd_prefix_inclusive_product", Scan(ScanOp::InclusiveProduct, Width::Simd)),
    numeric("simd_prefix_inclusive_sum", Scan(ScanOp::InclusiveSum, Width::Simd)),
    moves("simd_broadcast", &[T, LANE], Shuffle(ShuffleOp::Index, Width::Simd)),
    moves("simd_broadcast_first", &[T], BroadcastFirst(Width::Simd)),
    moves("simd_shuffle", &[T, LANE], Shuffle(ShuffleOp::Index, Width::Simd)),
    moves("simd_shuffle_down", &[T, LANE], Shuffle(ShuffleOp::Down, Width::Simd)),
    moves("simd_shuffle_up", &[T, LANE], Shuffle(ShuffleOp::Up, Width::Simd)),
    moves("simd_shuffle_xor", &[T, LANE], Shuffle(ShuffleOp::Xor, Width::Simd)),
    moves("simd_shuffle_rotate_down", &[T, LANE], Shuffle(ShuffleOp::RotateDown, Width::Simd)),
    moves("simd_shuffle_rotate_up", &[T, LANE], Shuffle(ShuffleOp::RotateUp, Width::Simd)),
    moves("simd_shuffle_and_fill_down", &[T, T, LANE], ShuffleFill(ShuffleOp::Down, Width::Simd)),
    moves(
        "simd_shuffle_and_fill_down",
        &[T, T, LANE, LANE],
        ShuffleFill(ShuffleOp::Down, Width::Simd),
    ),
    moves("simd_shuffle_and_fill_up", &[T, T, LANE], ShuffleFill(ShuffleOp::Up, Width::Simd)),
    moves("simd_shuffle_and_fill_up", &[T, T, LANE, LANE], ShuffleFill(ShuffleOp::Up, Width::Simd)),
    vote("simd_all", &[Bool], Bool, Vote(VoteOp::All, Width::Simd)),
    vote("simd_any", &[Bool], Bool, Vote(VoteOp::Any, Width::Simd)),
    vote("simd_is_first", &[], Bool, Vote(VoteOp::IsFirst, Width::Simd)),
    vote("__metal_simd_ballot", &[Bool], MASK, Vote(VoteOp::Ballot, Width::Simd)),
    bitwise("quad_and", Reduce(ReduceOp::And, Width::Quad)),
    bitwise("quad_or", Reduce(ReduceOp::Or, Width::Quad)),
    bitwise("quad_xor", Reduce(ReduceOp::Xor, Width::Quad)),
    numeric("quad_max", Reduce(ReduceOp::Max, Width::Quad)),
    numeric("quad_min", Reduce(ReduceOp::Min, Width::Quad)),
    numeric("quad_product", Reduce(ReduceOp::Product, Width::Quad)),
    numeric("quad_sum", Reduce(ReduceOp::Sum, Width::Quad)),
    numeric("quad_prefix_exclusive_product", Scan(ScanOp::ExclusiveProduct, Width::Quad)),
    numeric("quad_prefix_exclusive_sum", Scan(ScanOp::ExclusiveSum, Width::Quad)),
    numeric("quad_prefix_inclusive_product", Scan(ScanOp::InclusiveProduct, Width::Quad)),
    numeric("quad_prefix_inclusive_sum", Scan(ScanOp::InclusiveSum, Width::Quad)),
    moves("quad_broadcast", &[T, LANE], Shuffle(ShuffleOp::Index, Width::Quad)),
    moves("quad_broadcast_first", &[T], BroadcastFirst(Width::Quad)),
    moves("quad_shuffle", &[T, LANE], Shuffle(ShuffleOp::Index, Width::Quad)),
    moves("quad_shuffle_down", &[T, LANE], Shuffle(ShuffleOp::Down, Width::Quad)),
    moves("quad_shuffle_up", &[T, LANE], Shuffle(ShuffleOp::Up, Width::Quad)),
    moves("quad_shuffle_xor", &[T, LANE], Shuffle(ShuffleOp::Xor, Width::Quad)),
    moves("quad_shuffle_rotate_down", &[T, LANE], Shuffle(ShuffleOp::RotateDown, Width::Quad)),
    moves("quad_shuffle_rotate_up", &[T, LANE], Shuffle(ShuffleOp::RotateUp, Width::Quad)),
    moves("quad_shuffle_and_fill_down", &[T, T, LANE], ShuffleFill(ShuffleOp::Down, Width::Quad)),
    moves(
        "quad_shuffle_and_fill_down",
        &[T, T, LANE, LANE],
        ShuffleFill(ShuffleOp::Down, Width::Quad),
    ),
    moves("quad_shuffle_and_fill_up", &[T, T, LANE], ShuffleFill(ShuffleOp::Up, Width::Quad)),
    moves("quad_shuffle_and_fill_up", &[T, T, LANE, LANE], ShuffleFill(ShuffleOp::Up, Width::Quad)),
    vote("quad_all", &[Bool], Bool, Vote(VoteOp::All, Width::Quad)),
    vote("quad_any", &[Bool], Bool, Vote(VoteOp::Any, Width::Quad)),
    vote("quad_is_first", &[], Bool, Vote(VoteOp::IsFirst, Width::Quad)),
    vote("__metal_quad_ballot", &[Bool], MASK, Vote(VoteOp::Ballot, Width::Quad)),
    attribute("__metal_get_thread_index_in_simdgroup", Attribute::ThreadIndexInSimdgroup),
    attribute("__metal_get_threads_per_simdgroup", Attribute::ThreadsPerSimdgroup),
    attribute("__metal_get_simdgroup_index_in_threadgroup", Attribute::SimdgroupIndexInThreadgroup),
    attribute("__metal_get_simdgroups_per_threadgroup", Attribute::SimdgroupsPerThreadgroup),
    attribute("__metal_get_thread_index_in_quadgroup", Attribute::ThreadIndexInQuadgroup),
    attribute("__metal_get_thread_index_in_threadgroup", Attribute::ThreadIndexInThreadgroup),
    barrier("threadgroup_barrier", &[Flags], Barrier(Scope::Threadgroup)),
    barrier("threadgroup_barrier", &[Flags, InScope], Barrier(Scope::Threadgroup)),
    barrier("simdgroup_barrier", &[Flags], Barrier(Scope::Simdgroup)),
    barrier("simdgroup_barrier", &[Flags, InScope], Barrier(Scope::Simdgroup)),
    barrier("atomic_thread_fence", &[Flags, Order], Fence),
    barrier("atomic_thread_fence", &[Flags, Order, InScope], Fence),
];
