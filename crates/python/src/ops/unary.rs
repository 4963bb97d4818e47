//! Functions of one array, element by element.

use anymetal::ops;

use crate::argument::Number;
use crate::function::{Row, row};

macro_rules! unary {
    ($($name:literal $function:ident $doc:literal;)*) => {
        &[$(row(
            concat!($name, "(a: array, /, *, stream: StreamOrDevice = None) -> array"),
            $doc,
            |c| {
                let a: Number = c.next()?;
                c.give(ops::$function(&a.into_array())?)
            },
        )),*]
    };
}

pub(crate) const FUNCTIONS: &[Row] = unary! {
    "abs" abs "Magnitude; real for complex numbers.";
    "negative" negative "-a; not for bool.";
    "sign" sign "-1, 0 or 1.";
    "square" square "a * a.";
    "sqrt" sqrt "Square root.";
    "rsqrt" rsqrt "1 / sqrt(a).";
    "reciprocal" reciprocal "1 / a.";
    "exp" exp "e to the a.";
    "expm1" expm1 "exp(a) - 1, accurate near zero.";
    "log" log "Natural logarithm.";
    "log2" log2 "Logarithm to base 2.";
    "log10" log10 "Logarithm to base 10.";
    "log1p" log1p "log(1 + a), accurate near zero.";
    "sin" sin "Sine of radians.";
    "cos" cos "Cosine of radians.";
    "tan" tan "Tangent of radians.";
    "sinh" sinh "Hyperbolic sine.";
    "cosh" cosh "Hyperbolic cosine.";
    "tanh" tanh "Hyperbolic tangent.";
    "arcsin" arcsin "Inverse sine, in radians.";
    "arccos" arccos "Inverse cosine, in radians.";
    "arctan" arctan "Inverse tangent, in radians.";
    "arcsinh" arcsinh "Inverse hyperbolic sine.";
    "arccosh" arccosh "Inverse hyperbolic cosine.";
    "arctanh" arctanh "Inverse hyperbolic tangent.";
    "erf" erf "Error function.";
    "erfinv" erfinv "Inverse of the error function.";
    "sigmoid" sigmoid "1 / (1 + exp(-a)).";
    "floor" floor "Largest whole number not above a.";
    "ceil" ceil "Smallest whole number not below a.";
    "logical_not" logical_not "Whether a is zero.";
    "bitwise_invert" bitwise_invert "Every bit flipped; integers and bool.";
    "isnan" isnan "Whether a is not a number.";
    "isinf" isinf "Whether a is infinite.";
    "isfinite" isfinite "Whether a is neither infinite nor not a number.";
    "isneginf" isneginf "Whether a is negative infinity.";
    "isposinf" isposinf "Whether a is positive infinity.";
    "conjugate" conjugate "Complex conjugate.";
    "real" real "Real part.";
    "imag" imag "Imaginary part.";
};
