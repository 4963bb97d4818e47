//! Weight and bias: read once per call, as elements of the dtype they are applied in.

use std::borrow::Cow;

use crate::copy::converted;
use crate::data::{Element, View, bf16, f16};
use crate::simd::lanes::LaneElement;

/// A dtype of outputs, with arithmetic that rounds to it.
pub(super) trait Float: Element {
    fn times(self, other: Self) -> Self;
    fn plus(self, other: Self) -> Self;
}

// The product or sum of two halves, rounded to `f32` and then to the half, is correctly rounded:
// `f32` has more than twice the bits and two.
macro_rules! halves {
    ($($ty:ty)*) => {$(
        impl Float for $ty {
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

macro_rules! floats {
    ($($ty:ty)*) => {$(
        impl Float for $ty {
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
        }
    )*};
}
floats!(f32 f64);

/// The elements of a vector of length `len`, cast to `T`.
///
/// # Panics
/// If it has another length.
pub(super) fn cast<T: Element>(View { data, layout }: View<'_>, len: usize) -> Vec<T> {
    assert_eq!(layout.shape.as_slice(), [len], "a weight or bias is as long as the last axis");
    converted(data, layout)
}

/// As [`cast`], but in place if nothing has to change.
pub(super) fn read<'a, T: LaneElement>(vector: View<'a>, len: usize) -> Cow<'a, [T]> {
    let View { data, layout } = vector;
    match T::of(data) {
        Some(data) if layout.is_contiguous() && layout.shape.as_slice() == [len] => {
            Cow::Borrowed(&data[layout.offset..layout.offset + len])
        }
        _ => Cow::Owned(cast(vector, len)),
    }
}
