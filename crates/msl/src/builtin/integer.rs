//! Integer functions.

use super::Form::{Is, T, Unsigned};
use super::Lowering::{Binary, Unary, Whole};
use super::{Accuracy, Form, Lowering, Row, Spaces, Types, Widths};
use crate::ir::{BinaryOp, Scalar, UnaryOp};

const fn row(name: &'static str, params: &'static [Form], lowering: Lowering) -> Row {
    let (types, widths) = (Types::INTEGERS, Widths::OneToFour);
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

/// On 32-bit integers.
const fn wide(name: &'static str, params: &'static [Form], lowering: Lowering) -> Row {
    let types = Types::of(Scalar::I32).and(Types::of(Scalar::U32));
    Row { types, ..row(name, params, lowering) }
}

const BITS: Form = Is(Scalar::U32);

pub(super) const ROWS: &[Row] = &[
    Row { result: Unsigned, ..row("absdiff", &[T, T], Whole("absdiff")) },
    row("addsat", &[T, T], Binary(BinaryOp::AddSat)),
    row("clz", &[T], Unary(UnaryOp::Clz)),
    row("ctz", &[T], Unary(UnaryOp::Ctz)),
    row("extract_bits", &[T, BITS, BITS], Whole("extract_bits")),
    row("hadd", &[T, T], Whole("hadd")),
    row("insert_bits", &[T, T, BITS, BITS], Whole("insert_bits")),
    wide("mad24", &[T, T, T], Whole("mad24")),
    row("madhi", &[T, T, T], Whole("madhi")),
    row("madsat", &[T, T, T], Whole("madsat")),
    wide("mul24", &[T, T], Whole("mul24")),
    row("mulhi", &[T, T], Binary(BinaryOp::MulHi)),
    row("popcount", &[T], Unary(UnaryOp::Popcount)),
    row("reverse_bits", &[T], Unary(UnaryOp::ReverseBits)),
    row("rhadd", &[T, T], Whole("rhadd")),
    row("rotate", &[T, T], Whole("rotate")),
    row("subsat", &[T, T], Binary(BinaryOp::SubSat)),
];
