//! Relational functions: questions with an answer per component.

use super::Form::{Bool, Is, T};
use super::Lowering::{Compare, Select, Unary, Whole};
use super::{Accuracy, Form, Lowering, Row, Spaces, Types, Widths};
use crate::ir::{CompareOp, Scalar, UnaryOp};

const fn row(name: &'static str, params: &'static [Form], lowering: Lowering) -> Row {
    let (types, widths) = (Types::FLOATS, Widths::OneToFour);
    Row {
        name,
        spaces: Spaces::METAL,
        types,
        widths,
        params,
        result: Bool,
        lowering,
        accuracy: Accuracy::Exact,
    }
}

/// On truth values.
const fn on_bools(name: &'static str, result: Form, lowering: Lowering) -> Row {
    Row { types: Types::BOOL, result, ..row(name, &[T], lowering) }
}

pub(super) const ROWS: &[Row] = &[
    on_bools("all", Is(Scalar::Bool), Whole("all")),
    on_bools("any", Is(Scalar::Bool), Whole("any")),
    row("isfinite", &[T], Whole("isfinite")),
    row("isinf", &[T], Whole("isinf")),
    row("isnan", &[T], Compare(CompareOp::Ne)),
    row("isnormal", &[T], Whole("isnormal")),
    row("isordered", &[T, T], Whole("isordered")),
    row("isunordered", &[T, T], Whole("isunordered")),
    Row { types: Types::ALL, ..row("not_equal", &[T, T], Compare(CompareOp::Ne)) },
    on_bools("not", T, Unary(UnaryOp::Not)),
    Row { types: Types::ALL, result: T, ..row("select", &[T, T, Bool], Select) },
    row("signbit", &[T], Whole("signbit")),
];
