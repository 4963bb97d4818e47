//! Mathematical and common functions on floats, in `metal`, `fast` and `precise` alike.
//!
//! The bounds are measured against multiple precision and lie within those that the Metal
//! specification gives for precise functions.

use super::Accuracy::{Composed, Exact, Ulp};
use super::Form::{Int, IntRef, Ref, T};
use super::Lowering::{Binary, Fma, Scalar, Unary, Whole};
use super::{Accuracy, Form, Lowering, Row, Spaces, Types, Widths};
use crate::ir::{BinaryOp, UnaryOp};

const fn row(
    name: &'static str,
    params: &'static [Form],
    lowering: Lowering,
    accuracy: Accuracy,
) -> Row {
    let widths = Widths::OneToFour;
    Row {
        name,
        spaces: Spaces::ALL,
        types: Types::FLOATS,
        widths,
        params,
        result: T,
        lowering,
        accuracy,
    }
}

/// On numbers of all kinds.
const fn on_numbers(name: &'static str, params: &'static [Form], lowering: Lowering) -> Row {
    Row { types: Types::NUMBERS, ..row(name, params, lowering, Exact) }
}

const ONE: &[Form] = &[T];
const TWO: &[Form] = &[T, T];
const THREE: &[Form] = &[T, T, T];

pub(super) const ROWS: &[Row] = &[
    row("acos", ONE, Scalar("acos"), Ulp(1.5)),
    row("acosh", ONE, Scalar("acosh"), Ulp(2.5)),
    row("asin", ONE, Scalar("asin"), Ulp(1.5)),
    row("asinh", ONE, Scalar("asinh"), Ulp(2.5)),
    row("atan", ONE, Scalar("atan"), Ulp(1.5)),
    row("atan2", TWO, Scalar("atan2"), Ulp(2.0)),
    row("atanh", ONE, Scalar("atanh"), Ulp(2.5)),
    row("ceil", ONE, Unary(UnaryOp::Ceil), Exact),
    row("copysign", TWO, Scalar("copysign"), Exact),
    row("cos", ONE, Scalar("cos"), Ulp(2.0)),
    row("cosh", ONE, Scalar("cosh"), Ulp(1.5)),
    row("cospi", ONE, Scalar("cospi"), Ulp(1.5)),
    row("divide", TWO, Binary(BinaryOp::Div), Exact),
    row("exp", ONE, Scalar("exp"), Ulp(1.0)),
    row("exp10", ONE, Scalar("exp10"), Ulp(1.0)),
    row("exp2", ONE, Scalar("exp2"), Ulp(1.0)),
    row("fabs", ONE, Unary(UnaryOp::Abs), Exact),
    row("fdim", TWO, Scalar("fdim"), Exact),
    row("floor", ONE, Unary(UnaryOp::Floor), Exact),
    row("fma", THREE, Fma, Exact),
    row("fmax", TWO, Binary(BinaryOp::Max), Exact),
    row("fmax3", THREE, Whole("max3"), Exact),
    row("fmedian3", THREE, Whole("median3"), Exact),
    row("fmin", TWO, Binary(BinaryOp::Min), Exact),
    row("fmin3", THREE, Whole("min3"), Exact),
    row("fmod", TWO, Binary(BinaryOp::Rem), Exact),
    row("fract", ONE, Scalar("fract"), Exact),
    row("frexp", &[T, IntRef], Whole("frexp"), Exact),
    Row { result: Int, ..row("ilogb", ONE, Scalar("ilogb"), Exact) },
    row("ldexp", &[T, Int], Scalar("ldexp"), Exact),
    row("log", ONE, Scalar("log"), Ulp(1.0)),
    row("log10", ONE, Scalar("log10"), Ulp(1.0)),
    row("log2", ONE, Scalar("log2"), Ulp(1.5)),
    row("modf", &[T, Ref], Whole("modf"), Exact),
    row("nextafter", TWO, Whole("nextafter"), Exact),
    row("pow", TWO, Scalar("pow"), Ulp(1.5)),
    row("powr", TWO, Scalar("powr"), Ulp(1.5)),
    row("rint", ONE, Unary(UnaryOp::Rint), Exact),
    row("round", ONE, Scalar("round"), Exact),
    row("rsqrt", ONE, Scalar("rsqrt"), Ulp(1.5)),
    row("sin", ONE, Scalar("sin"), Ulp(2.0)),
    row("sincos", &[T, Ref], Whole("sincos"), Ulp(2.0)),
    row("sinh", ONE, Scalar("sinh"), Ulp(2.5)),
    row("sinpi", ONE, Scalar("sinpi"), Ulp(1.5)),
    row("sqrt", ONE, Unary(UnaryOp::Sqrt), Exact),
    row("tan", ONE, Scalar("tan"), Ulp(4.0)),
    row("tanh", ONE, Scalar("tanh"), Ulp(3.0)),
    row("tanpi", ONE, Scalar("tanpi"), Ulp(2.5)),
    row("trunc", ONE, Unary(UnaryOp::Trunc), Exact),
    row("mix", THREE, Whole("mix"), Composed),
    row("saturate", ONE, Whole("saturate"), Exact),
    row("sign", ONE, Whole("sign"), Exact),
    row("smoothstep", THREE, Whole("smoothstep"), Composed),
    row("step", TWO, Whole("step"), Exact),
    on_numbers("abs", ONE, Unary(UnaryOp::Abs)),
    on_numbers("clamp", THREE, Whole("clamp")),
    on_numbers("max", TWO, Binary(BinaryOp::Max)),
    on_numbers("max3", THREE, Whole("max3")),
    on_numbers("median3", THREE, Whole("median3")),
    on_numbers("min", TWO, Binary(BinaryOp::Min)),
    on_numbers("min3", THREE, Whole("min3")),
];
