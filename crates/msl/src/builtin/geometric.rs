//! Geometric functions on float vectors (and scalars, as vectors of one component).

use super::Accuracy::Composed;
use super::Form::{Element, T};
use super::Lowering::Whole;
use super::{Form, Row, Spaces, Types, Widths};

const fn row(name: &'static str, params: &'static [Form], result: Form) -> Row {
    let (types, widths) = (Types::FLOATS, Widths::OneToFour);
    Row {
        name,
        spaces: Spaces::ALL,
        types,
        widths,
        params,
        result,
        lowering: Whole(name),
        accuracy: Composed,
    }
}

pub(super) const ROWS: &[Row] = &[
    Row { widths: Widths::Three, ..row("cross", &[T, T], T) },
    row("distance", &[T, T], Element),
    row("distance_squared", &[T, T], Element),
    row("dot", &[T, T], Element),
    row("faceforward", &[T, T, T], T),
    row("length", &[T], Element),
    row("length_squared", &[T], Element),
    row("normalize", &[T], T),
    row("reflect", &[T, T], T),
    row("refract", &[T, T, Element], T),
];
