//! Functions of the module as rows of a table: MLX's signature as text, documentation, a body.
//!
//! The signature is the single source: arguments are bound by it, a call that does not fit raises
//! MLX's `TypeError` with it, and the type stubs are written from it. A body takes its arguments
//! in order with [`Call::next`], each converted to the type the body needs; a value of another
//! type is a misfit like any other.

use std::ffi::CString;

use anymetal::Stream;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::argument::{Argument, StreamArgument};
use crate::error::{CallError, CallResult, exception};
use crate::output::Output;

/// A function's body.
pub(crate) type Body = for<'a, 'py> fn(&mut Call<'a, 'py>) -> CallResult<'py>;

/// One function.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// `name(parameters) -> result`, in Python's syntax for stubs.
    pub(crate) signature: &'static str,
    /// What it does.
    pub(crate) doc: &'static str,
    pub(crate) body: Body,
}

impl Row {
    pub(crate) fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or(self.signature)
    }
}

/// A row of the table.
pub(crate) const fn row(signature: &'static str, doc: &'static str, body: Body) -> Row {
    Row { signature, doc, body }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Positional,
    Either,
    Keyword,
    /// `*args`: what is left of the positional arguments, as a tuple.
    Rest,
}

struct Parameter {
    name: &'static str,
    way: Way,
    default: Option<Py<PyAny>>,
}

// A function of the module, or a method when set on a class. (No documentation comment: it would
// hide the instances' own `__doc__`.)
#[pyclass(frozen, module = "anymetal.core", name = "function")]
pub(crate) struct Function {
    row: Row,
    parameters: Vec<Parameter>,
    /// Where `stream` is.
    stream: Option<usize>,
}

impl Function {
    /// Reads the row's signature; defaults are evaluated with `names` in scope.
    pub(crate) fn new(py: Python<'_>, row: Row, names: &Bound<'_, PyDict>) -> PyResult<Function> {
        let mut parameters = Vec::new();
        let mut way = Way::Either;
        for text in split_parameters(row.signature) {
            match text {
                "/" => parameters.iter_mut().for_each(|p: &mut Parameter| p.way = Way::Positional),
                "*" => way = Way::Keyword,
                _ => {
                    let (rest, default) = match text.split_once(" = ") {
                        Some((rest, default)) => {
                            let code = CString::new(default)?;
                            (rest, Some(py.eval(&code, Some(names), None)?.unbind()))
                        }
                        None => (text, None),
                    };
                    let name = rest.split(':').next().unwrap_or(rest).trim();
                    let (name, way) = match name.strip_prefix('*') {
                        Some(name) => (name, Way::Rest),
                        None => (name, way),
                    };
                    parameters.push(Parameter { name, way, default });
                }
            }
            if text.starts_with('*') {
                way = Way::Keyword;
            }
        }
        let stream = parameters.iter().position(|p| p.name == "stream");
        Ok(Function { row, parameters, stream })
    }

    fn bind<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> Option<Vec<Bound<'py, PyAny>>> {
        let mut values: Vec<Option<Bound<'py, PyAny>>> = vec![None; self.parameters.len()];
        let mut given = args.iter();
        for (value, parameter) in values.iter_mut().zip(&self.parameters) {
            match parameter.way {
                Way::Positional | Way::Either => *value = given.next(),
                Way::Rest => {
                    *value = Some(PyTuple::new(py, given.by_ref()).ok()?.into_any());
                }
                Way::Keyword => {}
            }
        }
        if given.next().is_some() {
            return None;
        }
        for (key, value) in kwargs.into_iter().flatten() {
            let key = key.extract::<String>().ok()?;
            let fits = |p: &Parameter| p.name == key && matches!(p.way, Way::Either | Way::Keyword);
            let i = self.parameters.iter().position(fits)?;
            if values[i].replace(value).is_some() {
                return None;
            }
        }
        let values = values.into_iter().zip(&self.parameters);
        values.map(|(v, p)| v.or_else(|| Some(p.default.as_ref()?.bind(py).clone()))).collect()
    }

    /// MLX's text for a call that does not fit.
    fn misfit(&self, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyErr {
        let type_of = |v: &Bound<'_, PyAny>| {
            let qualified = v.get_type().fully_qualified_name();
            qualified.map_or_else(|_| "?".into(), |n| n.to_string())
        };
        let mut types: Vec<String> = args.iter().map(|v| type_of(&v)).collect();
        if let Some(kwargs) = kwargs.filter(|k| !k.is_empty()) {
            let pairs: Vec<String> =
                kwargs.iter().map(|(k, v)| format!("{k}: {}", type_of(&v))).collect();
            types.push(format!("kwargs = {{ {} }}", pairs.join(", ")));
        }
        PyTypeError::new_err(format!(
            "{}(): incompatible function arguments. The following argument types are \
             supported:\n    1. {}\n\nInvoked with types: {}",
            self.row.name(),
            self.row.signature,
            types.join(", ")
        ))
    }
}

#[pymethods]
impl Function {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(values) = self.bind(py, args, kwargs) else {
            return Err(self.misfit(args, kwargs));
        };
        let run = || {
            let mut call = Call { py, values: &values, at: 0 };
            match self.stream {
                None => (self.row.body)(&mut call),
                Some(i) => match StreamArgument::convert(&values[i])?.0 {
                    Some(stream) => Stream::scope(stream, || (self.row.body)(&mut call)),
                    None => (self.row.body)(&mut call),
                },
            }
        };
        run().map_err(|error| match error {
            CallError::Misfit => self.misfit(args, kwargs),
            CallError::Core(error) => exception(error),
            CallError::Python(error) => error,
        })
    }

    /// As a method of a class: bound to the instance.
    fn __get__<'py>(
        slf: Bound<'py, Self>,
        instance: Bound<'py, PyAny>,
        _owner: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static METHOD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if instance.is_none() {
            return Ok(slf.into_any());
        }
        let py = slf.py();
        let method = METHOD.get_or_try_init(py, || {
            Ok::<_, PyErr>(py.import("types")?.getattr("MethodType")?.unbind())
        })?;
        method.bind(py).call1((slf, instance))
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        self.row.name()
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        self.row.name()
    }

    #[getter]
    fn __doc__(&self) -> String {
        format!("{}\n\n{}", self.row.signature, self.row.doc)
    }

    /// The signature, as a stub has it.
    #[getter]
    fn signature(&self) -> &'static str {
        self.row.signature
    }

    fn __repr__(&self) -> String {
        format!("<function {}>", self.row.name())
    }
}

/// The texts between the outer parentheses and commas of a signature.
fn split_parameters(signature: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    let open = signature.find('(').map_or(signature.len(), |i| i + 1);
    let mut parts = Vec::new();
    let mut start = open;
    for (i, c) in signature.char_indices().skip(open) {
        match c {
            '(' | '[' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&signature[start..i]);
                break;
            }
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&signature[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.into_iter().map(str::trim).filter(|p| !p.is_empty())
}

/// The arguments of a call, taken in the order of the signature.
pub(crate) struct Call<'a, 'py> {
    pub(crate) py: Python<'py>,
    values: &'a [Bound<'py, PyAny>],
    at: usize,
}

impl<'py> Call<'_, 'py> {
    /// The next argument.
    pub(crate) fn next<T: Argument<'py>>(&mut self) -> Result<T, CallError> {
        let value = self.values.get(self.at).ok_or(CallError::Misfit)?;
        self.at += 1;
        T::convert(value)
    }

    /// A result for Python.
    pub(crate) fn give(&self, result: impl Output) -> CallResult<'py> {
        Ok(result.into_python(self.py)?)
    }
}
