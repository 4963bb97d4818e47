//! Weight and bias: read once per call, as elements of the dtype they are applied in.

use std::borrow::Cow;

use crate::data::{Element, View, bf16, f16};
use crate::rows::{Number, Rows, positions};
use crate::simd::lanes::LaneElement;

/// A dtype of outputs, with arithmetic that rounds to it.
pub(super) trait Float: Element {
    /// The nearest value.
    fn cast(number: Number) -> Self;
    fn times(self, other: Self) -> Self;
    fn plus(self, other: Self) -> Self;
}

// The product or sum of two halves, rounded to `f32` and then to the half, is correctly rounded:
// `f32` has more than twice the bits and two.
macro_rules! halves {
    ($($ty:ty)*) => {$(
        impl Float for $ty {
            fn cast(number: Number) -> Self {
                <$ty>::from_f32(number.to_f32())
            }
            fn times(self, other: Self) -> Self {
                <$ty>::from_f32(self.to_f32() * other.to_f32())
            }
            fn plus(self, other: Self) -> Self {
                <$ty>::from_f32(self.to_f32() + other.to_f32())
            }
        }
    )*};
}
halves!(f16 bf16);

impl Float for f32 {
    fn cast(number: Number) -> Self {
        number.to_f32()
    }
    fn times(self, other: Self) -> Self {
        self * other
    }
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl Float for f64 {
    fn cast(number: Number) -> Self {
        number.to_f64()
    }
    fn times(self, other: Self) -> Self {
        self * other
    }
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

/// The elements of a vector of length `len`, cast to `T`.
///
/// # Panics
/// If it has another length.
pub(super) fn cast<T: Float>(View { data, layout }: View<'_>, len: usize) -> Vec<T> {
    let rows = Rows::new(layout);
    assert_eq!(layout.shape.as_slice(), [len], "a weight or bias is as long as the last axis");
    positions(layout.offset, rows.stride, len).map(|at| T::cast(Number::read(data, at))).collect()
}

/// As [`cast`], but in place if nothing has to change.
pub(super) fn read<'a, T: Float + LaneElement>(vector: View<'a>, len: usize) -> Cow<'a, [T]> {
    let View { data, layout } = vector;
    match T::of(data) {
        Some(data) if layout.is_contiguous() && layout.shape.as_slice() == [len] => {
            Cow::Borrowed(&data[layout.offset..layout.offset + len])
        }
        _ => Cow::Owned(cast(vector, len)),
    }
}
