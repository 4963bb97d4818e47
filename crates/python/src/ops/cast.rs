//! Other dtypes, and rules of dtypes.

use anymetal::{Array, Dtype, ops, promote};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::argument::{Argument, Number};
use crate::dtype::PyDtype;
use crate::error::CallError;
use crate::function::{Row, row};

/// The dtype of a dtype or array.
fn dtype_of(value: &Bound<'_, PyAny>) -> Result<Dtype, CallError> {
    match Array::convert(value) {
        Ok(array) => Ok(array.dtype()),
        Err(_) => Dtype::convert(value),
    }
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "astype(a: array, dtype: Dtype, /, *, stream: StreamOrDevice = None) -> array",
        "The values in another dtype.",
        |c| {
            let (a, dtype): (Array, Dtype) = (c.next()?, c.next()?);
            c.give(a.astype(dtype)?)
        },
    ),
    row(
        "view(a: scalar | array, dtype: Dtype, stream: StreamOrDevice = None) -> array",
        "The same bytes as another dtype.",
        |c| {
            let (a, dtype): (Number, Dtype) = (c.next()?, c.next()?);
            c.give(a.into_array().view(dtype)?)
        },
    ),
    row(
        "contiguous(a: array, /, allow_col_major: bool = False, *, \
         stream: StreamOrDevice = None) -> array",
        "The same values; where they lie is this library's business.",
        |c| {
            let a: Array = c.next()?;
            c.give(a)
        },
    ),
    row(
        "stop_gradient(a: array, /, *, stream: StreamOrDevice = None) -> array",
        "The same values, through which no gradient flows.",
        |c| {
            let a: Array = c.next()?;
            c.give(ops::stop_gradient(&a))
        },
    ),
    row(
        "result_type(*arrays_and_dtypes: array | Dtype) -> Dtype",
        "The dtype of an operation on arrays of these dtypes.",
        |c| {
            let items: Vec<Bound<'_, PyAny>> = c.next()?;
            let dtypes: Result<Vec<Dtype>, _> = items.iter().map(dtype_of).collect();
            let dtypes = dtypes.map_err(|_| {
                PyValueError::new_err("[result_type] Inputs must be arrays or dtypes.")
            })?;
            let Some(dtype) = dtypes.into_iter().reduce(promote) else {
                let text = "[result_type] At least one array or dtype is required.";
                return Err(PyValueError::new_err(text).into());
            };
            Ok(Bound::new(c.py, PyDtype(dtype))?.into_any())
        },
    ),
    row(
        "can_cast(from_: array | Dtype, to: Dtype) -> bool",
        "Whether a dtype, or an array's, converts to another by promotion.",
        |c| {
            let (from, to): (Bound<'_, PyAny>, Dtype) = (c.next()?, c.next()?);
            c.give(promote(dtype_of(&from)?, to) == to)
        },
    ),
];

/// Methods whose parameters differ from the functions'.
pub(crate) const METHODS: &[Row] = &[
    row(
        "astype(self, dtype: Dtype, stream: StreamOrDevice = None) -> array",
        "The values in another dtype.",
        |c| {
            let (a, dtype): (Array, Dtype) = (c.next()?, c.next()?);
            c.give(a.astype(dtype)?)
        },
    ),
    row(
        "view(self, dtype: Dtype, *, stream: StreamOrDevice = None) -> array",
        "The same bytes as another dtype.",
        |c| {
            let (a, dtype): (Array, Dtype) = (c.next()?, c.next()?);
            c.give(a.view(dtype)?)
        },
    ),
];
