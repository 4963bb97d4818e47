//! Comparing whole arrays.

use super::{
    Axes, add, all, binary::nan_equal, equal, less_equal, logical_and, logical_or, multiply,
    scalar, subtract,
};
use crate::Array;
use crate::array::dtype::promote;
use crate::error::Result;

/// Whether `|a - b| <= atol + rtol * |b|`, element by element; infinities are close to
/// themselves, NaN to NaN if `equal_nan`.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn isclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    let distance = subtract(a, b)?.abs()?;
    let bound = add(&multiply(&b.abs()?, rtol)?, atol)?;
    let finite = logical_and(&a.isfinite()?, &b.isfinite()?)?;
    let close = logical_and(&less_equal(&distance, &bound)?, &finite)?;
    let same = if equal_nan { nan_equal_promoted(a, b)? } else { equal(a, b)? };
    logical_or(&close, &same)
}

/// Whether all elements are close, as a 0-d bool array; see [`isclose`]. MLX's defaults are
/// `rtol` 1e-5 and `atol` 1e-8.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn allclose(a: &Array, b: &Array, rtol: f64, atol: f64, equal_nan: bool) -> Result<Array> {
    all(&isclose(a, b, rtol, atol, equal_nan)?, Axes::ALL, false)
}

/// Whether two arrays have the same shape and equal elements, as a 0-d bool array. NaN equals
/// itself only if `equal_nan`.
///
/// # Errors
/// None at present.
pub fn array_equal(a: &Array, b: &Array, equal_nan: bool) -> Result<Array> {
    if a.shape() != b.shape() {
        return Ok(scalar(false));
    }
    let same = if equal_nan { nan_equal_promoted(a, b)? } else { equal(a, b)? };
    all(&same, Axes::ALL, false)
}

fn nan_equal_promoted(a: &Array, b: &Array) -> Result<Array> {
    if promote(a.dtype(), b.dtype()).is_float() { nan_equal(a, b) } else { equal(a, b) }
}
