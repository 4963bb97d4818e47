//! Choosing between values, limits, and comparing whole arrays.

use anymetal::{Array, ops};
use pyo3::exceptions::PyValueError;

use crate::argument::{Number, check_fits, pair};
use crate::error::CallError;
use crate::function::{Call, Row, row};

/// Two arrays, two tolerances, whether not-a-number is close to itself.
fn tolerant(c: &mut Call<'_, '_>) -> Result<(Array, Array, f64, f64, bool), CallError> {
    Ok((c.next()?, c.next()?, c.next()?, c.next()?, c.next()?))
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "where(condition: scalar | array, x: scalar | array, y: scalar | array, /, *, \
         stream: StreamOrDevice = None) -> array",
        "x where the condition holds, else y.",
        |c| {
            let condition = c.next::<Number>()?.into_array();
            let (x, y): (Number, Number) = (c.next()?, c.next()?);
            let (x, y) = pair(&x, &y)?;
            c.give(ops::select(&condition, x, y)?)
        },
    ),
    row(
        "clip(a: array, /, a_min: scalar | array | None, a_max: scalar | array | None, *, \
         stream: StreamOrDevice = None) -> array",
        "The array limited to a range, of which one end may be None.",
        |c| {
            let (a, low): (Array, Option<Number>) = (c.next()?, c.next()?);
            let high: Option<Number> = c.next()?;
            if low.is_none() && high.is_none() {
                let text = "At most one of a_min and a_max may be None";
                return Err(PyValueError::new_err(text).into());
            }
            for limit in [&low, &high].into_iter().flatten() {
                check_fits(limit, a.dtype())?;
            }
            let low = low.as_ref().map(Number::operand);
            c.give(ops::clip(&a, low, high.as_ref().map(Number::operand))?)
        },
    ),
    row(
        "isclose(a: array, b: array, /, rtol: float = 1e-05, atol: float = 1e-08, *, \
         equal_nan: bool = False, stream: StreamOrDevice = None) -> array",
        "Whether |a - b| <= atol + rtol * |b|, element by element.",
        |c| {
            let (a, b, rtol, atol, equal_nan) = tolerant(c)?;
            c.give(ops::isclose(&a, &b, rtol, atol, equal_nan)?)
        },
    ),
    row(
        "allclose(a: array, b: array, /, rtol: float = 1e-05, atol: float = 1e-08, *, \
         equal_nan: bool = False, stream: StreamOrDevice = None) -> array",
        "Whether |a - b| <= atol + rtol * |b| everywhere.",
        |c| {
            let (a, b, rtol, atol, equal_nan) = tolerant(c)?;
            c.give(ops::allclose(&a, &b, rtol, atol, equal_nan)?)
        },
    ),
    row(
        "array_equal(a: scalar | array, b: scalar | array, equal_nan: bool = False, \
         stream: StreamOrDevice = None) -> array",
        "Whether two arrays have the same shape and values.",
        |c| {
            let (a, b): (Number, Number) = (c.next()?, c.next()?);
            let equal_nan = c.next()?;
            c.give(ops::array_equal(&a.into_array(), &b.into_array(), equal_nan)?)
        },
    ),
];
