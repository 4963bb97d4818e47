//! Functions of two arrays, element by element, with broadcasting and promotion.

use anymetal::ops;

use crate::argument::Number;
use crate::function::{Row, row};

macro_rules! binary {
    ($($name:literal $function:ident $doc:literal;)*) => {
        &[$(row(
            concat!(
                $name,
                "(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array"
            ),
            $doc,
            |c| {
                let (a, b): (Number, Number) = (c.next()?, c.next()?);
                c.give(ops::$function(a.operand(), b.operand())?)
            },
        )),*]
    };
}

pub(crate) const FUNCTIONS: &[Row] = binary! {
    "add" add "a + b; \"or\" for bool.";
    "subtract" subtract "a - b.";
    "multiply" multiply "a * b; \"and\" for bool.";
    "divide" divide "a / b, always floating.";
    "floor_divide" floor_divide "Quotient rounded down.";
    "remainder" remainder "Remainder with the divisor's sign.";
    "power" power "a to the power b.";
    "maximum" maximum "The larger; not a number if either is.";
    "minimum" minimum "The smaller; not a number if either is.";
    "logaddexp" logaddexp "log(exp(a) + exp(b)) without overflow.";
    "arctan2" arctan2 "Angle of the point (b, a), in radians.";
    "equal" equal "Whether a == b.";
    "not_equal" not_equal "Whether a != b.";
    "less" less "Whether a < b.";
    "less_equal" less_equal "Whether a <= b.";
    "greater" greater "Whether a > b.";
    "greater_equal" greater_equal "Whether a >= b.";
    "logical_and" logical_and "Both as bool.";
    "logical_or" logical_or "Either as bool.";
    "bitwise_and" bitwise_and "Bits set in both.";
    "bitwise_or" bitwise_or "Bits set in either.";
    "bitwise_xor" bitwise_xor "Bits set in one.";
    "left_shift" left_shift "Bits moved up.";
    "right_shift" right_shift "Bits moved down.";
};
