//! How arrays print: MLX's text, character for character.

use std::fmt::Write;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use anymetal::{Array, Slice};
use pyo3::prelude::*;

use super::PyArray;
use crate::error::OrRaise;
use crate::function::{Row, row};

/// Digits after the point, fixed; negative (-1) for six significant digits.
static PRECISION: AtomicI32 = AtomicI32::new(DEFAULT);
const DEFAULT: i32 = -1;

/// Longer axes show only this many elements at either end.
const SHOWN: usize = 3;

#[pymethods]
impl PyArray {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        text(&self.evaluated(py)?)
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        self.__repr__(py)
    }

    /// An array of one element without axes formats as its number.
    fn __format__<'py>(&self, py: Python<'py>, spec: &str) -> PyResult<Bound<'py, PyAny>> {
        if self.array().ndim() == 0 {
            return self.item(py)?.call_method1("__format__", (spec,));
        }
        if !spec.is_empty() {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "unsupported format string passed to mx.array.__format__",
            ));
        }
        Ok(self.__repr__(py)?.into_pyobject(py)?.into_any())
    }
}

fn text(array: &Array) -> PyResult<String> {
    let view = array.host_view().or_raise()?;
    let printer = Printer {
        slice: view.slice().or_raise()?,
        shape: &view.layout.shape,
        strides: &view.layout.strides,
        precision: PRECISION.load(Relaxed),
    };
    let mut out = String::from("array(");
    printer.axis(&mut out, 0, view.layout.offset as isize);
    let _ = write!(out, ", dtype={})", array.dtype());
    Ok(out)
}

struct Printer<'a> {
    slice: Slice<'a>,
    shape: &'a [usize],
    strides: &'a [isize],
    precision: i32,
}

impl Printer<'_> {
    fn axis(&self, out: &mut String, axis: usize, at: isize) {
        let Some(&n) = self.shape.get(axis) else { return self.element(out, at as usize) };
        // Rows of an inner axis follow each other; anything higher starts a line.
        let separator = match axis + 1 == self.shape.len() {
            true => ", ".to_string(),
            false => format!(",\n{}", " ".repeat("array(".len() + axis + 1)),
        };
        out.push('[');
        let shortened = n > 2 * SHOWN;
        let (head, tail) = if shortened { (SHOWN, n - SHOWN) } else { (n, n) };
        for i in (0..head).chain(tail..n) {
            if i > 0 {
                out.push_str(&separator);
            }
            if shortened && i == tail {
                out.push_str("...");
                out.push_str(&separator);
            }
            self.axis(out, axis + 1, at + i as isize * self.strides[axis]);
        }
        out.push(']');
    }

    fn element(&self, out: &mut String, at: usize) {
        let _ = match self.slice {
            Slice::Bool(s) => write!(out, "{}", if s[at].get() { "True" } else { "False" }),
            Slice::U8(s) => write!(out, "{}", s[at]),
            Slice::U16(s) => write!(out, "{}", s[at]),
            Slice::U32(s) => write!(out, "{}", s[at]),
            Slice::U64(s) => write!(out, "{}", s[at]),
            Slice::I8(s) => write!(out, "{}", s[at]),
            Slice::I16(s) => write!(out, "{}", s[at]),
            Slice::I32(s) => write!(out, "{}", s[at]),
            Slice::I64(s) => write!(out, "{}", s[at]),
            Slice::F16(s) => write!(out, "{}", self.number(s[at].to_f64())),
            Slice::Bf16(s) => write!(out, "{}", self.number(s[at].to_f64())),
            Slice::F32(s) => write!(out, "{}", self.number(s[at].into())),
            Slice::F64(s) => write!(out, "{}", self.number(s[at])),
            Slice::Complex64(s) => {
                let (re, im) = (self.number(s[at].re.into()), self.number(s[at].im.into()));
                let sign = if s[at].im >= 0.0 || s[at].im.is_nan() { "+" } else { "" };
                write!(out, "{re}{sign}{im}j")
            }
        };
    }

    fn number(&self, x: f64) -> String {
        if self.precision == DEFAULT || !x.is_finite() {
            significant(x)
        } else {
            // Another negative precision is C's default.
            let digits = usize::try_from(self.precision).unwrap_or(6);
            format!("{x:.digits$}")
        }
    }
}

/// Six significant digits without trailing zeros, as C's `%g`.
pub(crate) fn significant(x: f64) -> String {
    const DIGITS: i32 = 6;
    if !x.is_finite() {
        let sign = if x.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if x.is_nan() { "nan" } else { "inf" });
    }
    let scientific = format!("{x:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => digits.to_string(),
    };
    if (-4..DIGITS).contains(&exponent) {
        trim(&format!("{x:.*}", (DIGITS - 1 - exponent) as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
    }
}

/// How arrays print.
#[pyclass(frozen, module = "anymetal.core", name = "PrintOptions")]
pub(crate) struct PrintOptions {
    /// Digits after the point; -1 for six significant digits.
    #[pyo3(get)]
    precision: i32,
}

#[pymethods]
impl PrintOptions {
    #[new]
    #[pyo3(signature = (precision = DEFAULT))]
    fn new(precision: i32) -> Self {
        PrintOptions { precision }
    }
}

/// `with printoptions(..):` prints so inside.
#[pyclass(module = "anymetal.core", name = "_PrintOptionsContext")]
pub(crate) struct PrintOptionsContext {
    inside: i32,
    before: Vec<i32>,
}

#[pymethods]
impl PrintOptionsContext {
    fn __enter__(mut slf: PyRefMut<'_, Self>) -> PyRefMut<'_, Self> {
        let before = PRECISION.swap(slf.inside, Relaxed);
        slf.before.push(before);
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&mut self, _args: &Bound<'_, pyo3::types::PyTuple>) {
        if let Some(before) = self.before.pop() {
            PRECISION.store(before, Relaxed);
        }
    }
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row("get_printoptions() -> PrintOptions", "How arrays print.", |c| {
        let precision = PRECISION.load(Relaxed);
        Ok(Bound::new(c.py, PrintOptions { precision })?.into_any())
    }),
    row(
        "set_printoptions(precision: int = -1) -> None",
        "Sets the digits after the point with which arrays print; -1 for six significant ones.",
        |c| {
            PRECISION.store(c.next()?, Relaxed);
            c.give(())
        },
    ),
    row(
        "printoptions(precision: int = -1) -> _PrintOptionsContext",
        "A context manager inside which arrays print so.",
        |c| {
            let context = PrintOptionsContext { inside: c.next()?, before: Vec::new() };
            Ok(Bound::new(c.py, context)?.into_any())
        },
    ),
];
