//! Functions of two arrays, element by element, with broadcasting and promotion.

use anymetal::{Dtype, Error, ops};
use pyo3::exceptions::PyRuntimeError;

use crate::argument::{Number, pair};
use crate::error::CallError;
use crate::function::{Row, row};

macro_rules! binary {
    ($($name:literal $parameters:literal $function:ident $doc:literal;)*) => {
        &[$(row(
            concat!($name, "(", $parameters, "stream: StreamOrDevice = None) -> array"),
            $doc,
            |c| {
                let (a, b): (Number, Number) = (c.next()?, c.next()?);
                let (a, b) = pair(&a, &b)?;
                c.give(ops::$function(a, b)?)
            },
        )),*]
    };
}

pub(crate) const SIMPLE: &[Row] = binary! {
    "add" "a: scalar | array, b: scalar | array, " add "a + b; \"or\" for bool.";
    "subtract" "a: scalar | array, b: scalar | array, " subtract "a - b.";
    "multiply" "a: scalar | array, b: scalar | array, " multiply "a * b; \"and\" for bool.";
    "divide" "a: scalar | array, b: scalar | array, " divide "a / b, always floating.";
    "floor_divide" "a: scalar | array, b: scalar | array, " floor_divide
        "Quotient rounded down.";
    "remainder" "a: scalar | array, b: scalar | array, " remainder
        "Remainder with the divisor's sign.";
    "power" "a: scalar | array, b: scalar | array, /, *, " power "a to the power b.";
    "maximum" "a: scalar | array, b: scalar | array, /, *, " maximum
        "The larger; not a number if either is.";
    "minimum" "a: scalar | array, b: scalar | array, /, *, " minimum
        "The smaller; not a number if either is.";
    "logaddexp" "a: scalar | array, b: scalar | array, /, *, " logaddexp
        "log(exp(a) + exp(b)) without overflow.";
    "arctan2" "a: scalar | array, b: scalar | array, /, *, " arctan2
        "Angle of the point (b, a), in radians.";
    "equal" "a: scalar | array, b: scalar | array, " equal "Whether a == b.";
    "not_equal" "a: scalar | array, b: scalar | array, " not_equal "Whether a != b.";
    "less" "a: scalar | array, b: scalar | array, " less "Whether a < b.";
    "less_equal" "a: scalar | array, b: scalar | array, " less_equal "Whether a <= b.";
    "greater" "a: scalar | array, b: scalar | array, " greater "Whether a > b.";
    "greater_equal" "a: scalar | array, b: scalar | array, " greater_equal "Whether a >= b.";
    "logical_and" "a: array, b: array, /, *, " logical_and "Both as bool.";
    "logical_or" "a: array, b: array, /, *, " logical_or "Either as bool.";
};

macro_rules! bits {
    ($($name:literal $function:ident $doc:literal;)*) => {
        &[$(row(
            concat!(
                $name,
                "(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array"
            ),
            $doc,
            |c| {
                let (a, b): (Number, Number) = (c.next()?, c.next()?);
                let (a, b) = pair(&a, &b)?;
                c.give(ops::$function(a, b).map_err(|error| match error {
                    // As MLX, which raises another class here than elsewhere.
                    Error::Dtype { .. } => PyRuntimeError::new_err(error.to_string()).into(),
                    other => CallError::from(other),
                })?)
            },
        )),*]
    };
}

pub(crate) const BITS: &[Row] = bits! {
    "bitwise_and" bitwise_and "Bits set in both.";
    "bitwise_or" bitwise_or "Bits set in either.";
    "bitwise_xor" bitwise_xor "Bits set in one.";
    "left_shift" left_shift "Bits moved up.";
    "right_shift" right_shift "Bits moved down.";
};

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "logical_xor(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) \
         -> array",
        "One of the two as bool, not both.",
        |c| {
            let (a, b): (Number, Number) = (c.next()?, c.next()?);
            let a = a.into_array().astype(Dtype::Bool)?;
            c.give(ops::not_equal(&a, &b.into_array().astype(Dtype::Bool)?)?)
        },
    ),
    row(
        "divmod(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) \
         -> list[array]",
        "Quotient rounded down, and remainder.",
        |c| {
            let (a, b): (Number, Number) = (c.next()?, c.next()?);
            let (a, b) = pair(&a, &b)?;
            c.give(vec![ops::floor_divide(a, b)?, ops::remainder(a, b)?])
        },
    ),
];
