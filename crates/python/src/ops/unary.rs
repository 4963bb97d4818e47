//! Functions of one array, element by element.

use anymetal::{Array, Dtype, ops};
use pyo3::exceptions::PyValueError;

use crate::argument::Number;
use crate::error::CallError;
use crate::function::{Row, row};

macro_rules! unary {
    ($($name:literal $parameters:literal $function:ident $doc:literal;)*) => {
        &[$(row(
            concat!($name, "(", $parameters, "stream: StreamOrDevice = None) -> array"),
            $doc,
            |c| {
                let a: Number = c.next()?;
                c.give(ops::$function(&a.into_array())?)
            },
        )),*]
    };
}

pub(crate) const SIMPLE: &[Row] = unary! {
    "abs" "a: array, /, *, " abs "Magnitude; real for complex numbers.";
    "negative" "a: array, /, *, " negative "-a; not for bool.";
    "sign" "a: array, /, *, " sign "-1, 0 or 1.";
    "square" "a: array, /, *, " square "a * a.";
    "sqrt" "a: array, /, *, " sqrt "Square root.";
    "rsqrt" "a: array, /, *, " rsqrt "1 / sqrt(a).";
    "reciprocal" "a: array, /, *, " reciprocal "1 / a.";
    "exp" "a: array, /, *, " exp "e to the a.";
    "expm1" "a: array, /, *, " expm1 "exp(a) - 1, accurate near zero.";
    "log" "a: array, /, *, " log "Natural logarithm.";
    "log2" "a: array, /, *, " log2 "Logarithm to base 2.";
    "log10" "a: array, /, *, " log10 "Logarithm to base 10.";
    "log1p" "a: array, /, *, " log1p "log(1 + a), accurate near zero.";
    "sin" "a: array, /, *, " sin "Sine of radians.";
    "cos" "a: array, /, *, " cos "Cosine of radians.";
    "tan" "a: array, /, *, " tan "Tangent of radians.";
    "sinh" "a: array, /, *, " sinh "Hyperbolic sine.";
    "cosh" "a: array, /, *, " cosh "Hyperbolic cosine.";
    "tanh" "a: array, /, *, " tanh "Hyperbolic tangent.";
    "arcsin" "a: array, /, *, " arcsin "Inverse sine, in radians.";
    "arccos" "a: array, /, *, " arccos "Inverse cosine, in radians.";
    "arctan" "a: array, /, *, " arctan "Inverse tangent, in radians.";
    "arcsinh" "a: array, /, *, " arcsinh "Inverse hyperbolic sine.";
    "arccosh" "a: array, /, *, " arccosh "Inverse hyperbolic cosine.";
    "arctanh" "a: array, /, *, " arctanh "Inverse hyperbolic tangent.";
    "erf" "a: array, /, *, " erf "Error function.";
    "erfinv" "a: array, /, *, " erfinv "Inverse of the error function.";
    "sigmoid" "a: array, /, *, " sigmoid "1 / (1 + exp(-a)).";
    "floor" "a: array, /, *, " floor "Largest whole number not above a.";
    "ceil" "a: array, /, *, " ceil "Smallest whole number not below a.";
    "logical_not" "a: array, /, *, " logical_not "Whether a is zero.";
    "bitwise_invert" "a: scalar | array, " bitwise_invert "Every bit flipped; integers and bool.";
    "isnan" "a: array, " isnan "Whether a is not a number.";
    "isinf" "a: array, " isinf "Whether a is infinite.";
    "isfinite" "a: array, " isfinite "Whether a is neither infinite nor not a number.";
    "isneginf" "a: array, " isneginf "Whether a is negative infinity.";
    "isposinf" "a: array, " isposinf "Whether a is positive infinity.";
    "conjugate" "a: array, *, " conjugate "Complex conjugate.";
    "real" "a: array, /, *, " real "Real part.";
    "imag" "a: array, /, *, " imag "Imaginary part.";
};

/// The array times a number, floating.
fn scaled(a: Number, factor: f64) -> Result<Array, CallError> {
    let a = a.into_array();
    let floating = a.dtype().is_float() || a.dtype() == Dtype::Complex64;
    let a = if floating { a } else { a.astype(Dtype::F32)? };
    Ok(ops::multiply(&a, factor)?)
}

/// To `decimals` places, halves to even.
fn round(a: &Array, decimals: i32) -> anymetal::Result<Array> {
    if decimals == 0 {
        return ops::round(a);
    }
    let dtype = a.dtype();
    let floating = dtype.is_float() || dtype == Dtype::Complex64;
    let x = if floating { a.clone() } else { a.astype(Dtype::F32)? };
    let scale = f64::from(10f32.powi(decimals));
    let up = ops::round(&ops::multiply(&x, scale)?)?;
    ops::multiply(&up, f64::from(1.0 / scale as f32))?.astype(dtype)
}

/// Not-a-number and infinities replaced.
fn nan_to_num(
    a: &Array,
    nan: f64,
    posinf: Option<f64>,
    neginf: Option<f64>,
) -> anymetal::Result<Array> {
    let Some(info) = anymetal::finfo(a.dtype()).filter(|_| a.dtype().is_float()) else {
        return Ok(a.clone());
    };
    let a_number = ops::select(&ops::isnan(a)?, nan, a)?;
    let below = ops::select(&ops::isposinf(a)?, posinf.unwrap_or(info.max), &a_number)?;
    ops::select(&ops::isneginf(a)?, neginf.unwrap_or(info.min), &below)
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "round(a: array, /, decimals: int = 0, stream: StreamOrDevice = None) -> array",
        "To a number of decimal places, halves to even.",
        |c| {
            let (a, decimals): (Number, i32) = (c.next()?, c.next()?);
            c.give(round(&a.into_array(), decimals)?)
        },
    ),
    row("trunc(a: array, /, *, stream: StreamOrDevice = None) -> array", "The whole part.", |c| {
        let a = c.next::<Number>()?.into_array();
        if a.dtype() == Dtype::Complex64 {
            let text = "[trunc] Not supported for complex64.";
            return Err(PyValueError::new_err(text).into());
        }
        if !a.dtype().is_float() {
            return c.give(a);
        }
        let negative = ops::less(&a, 0.0)?;
        c.give(ops::select(&negative, &ops::ceil(&a)?, &ops::floor(&a)?)?)
    }),
    row(
        "positive(a: array, /, *, stream: StreamOrDevice = None) -> array",
        "The array itself.",
        |c| {
            let a: Number = c.next()?;
            c.give(a.into_array())
        },
    ),
    row(
        "degrees(a: scalar | array, /, *, stream: StreamOrDevice = None) -> array",
        "Radians to degrees.",
        |c| {
            let a = c.next()?;
            c.give(scaled(a, 180.0 / std::f64::consts::PI)?)
        },
    ),
    row(
        "radians(a: scalar | array, /, *, stream: StreamOrDevice = None) -> array",
        "Degrees to radians.",
        |c| {
            let a = c.next()?;
            c.give(scaled(a, std::f64::consts::PI / 180.0)?)
        },
    ),
    row(
        "nan_to_num(a: scalar | array, nan: float = 0, posinf: float | None = None, \
         neginf: float | None = None, *, stream: StreamOrDevice = None) -> array",
        "Not-a-number replaced by 0, infinities by the largest numbers, or by what is given.",
        |c| {
            let (a, nan): (Number, f64) = (c.next()?, c.next()?);
            let a = a.into_array();
            let (posinf, neginf) = (c.next()?, c.next()?);
            if a.dtype() == Dtype::Complex64 {
                let text = "[nan_to_num] Does not yet support given type: complex64.";
                return Err(PyValueError::new_err(text).into());
            }
            c.give(nan_to_num(&a, nan, posinf, neginf)?)
        },
    ),
];
