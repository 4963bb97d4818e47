//! Function transformations over flat lists of arrays.
//!
//! The functions users call are rows whose bodies are in Python (`anymetal.core._transforms`):
//! they take trees of arrays apart and call what is below. Functions of the user's are called on
//! the calling thread with the interpreter lock held. What they raise passes through the library
//! as it is.

use anymetal::{Array, CustomFunction};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::argument::{Argument, Callable, Sequence};
use crate::error::{CallError, OrRaise, external};
use crate::function::{Row, row};
use crate::output::Output;

/// The arrays of a list that a Python function returned.
fn arrays(list: &Bound<'_, PyAny>) -> PyResult<Vec<Array>> {
    Vec::<Array>::convert(list).map_err(|error| error.or_type_error("a list of arrays"))
}

fn list_of<'py>(py: Python<'py>, arrays: &[Array]) -> PyResult<Bound<'py, PyAny>> {
    arrays.to_vec().into_python(py)
}

fn optional_list<'py>(py: Python<'py>, arrays: &[Option<Array>]) -> PyResult<Bound<'py, PyAny>> {
    let items: PyResult<Vec<_>> = arrays
        .iter()
        .map(|a| match a {
            Some(array) => array.clone().into_python(py),
            None => Ok(py.None().into_bound(py)),
        })
        .collect();
    Ok(PyList::new(py, items?)?.into_any())
}

/// Calls a Python function of a list of arrays that returns one.
fn call(f: &Bound<'_, PyAny>, args: &[Array]) -> anymetal::Result<Vec<Array>> {
    let run = || arrays(&f.call1((list_of(f.py(), args)?,))?);
    run().map_err(external)
}

fn value_error(text: String) -> anymetal::Error {
    external(PyValueError::new_err(text))
}

/// A shape as MLX prints it.
fn shape_text(array: &Array) -> String {
    let sizes: Vec<String> = array.shape().iter().map(usize::to_string).collect();
    format!("({})", sizes.join(","))
}

/// A cotangent that does not fit, in MLX's words, which has advice for a single element only.
fn mismatch(outputs: &[Array], i: usize, cotangent: &str) -> anymetal::Error {
    let advice = match outputs {
        [only] if only.size() == 1 => " If you are using grad your function must return a scalar.",
        _ => "",
    };
    value_error(format!(
        "[vjp] Output shape {} does not match cotangent shape {cotangent}.{advice}",
        shape_text(&outputs[i])
    ))
}

/// Gradients of all arguments of a function that returns one array, a scalar.
#[pyfunction]
fn gradients<'py>(f: &Bound<'py, PyAny>, args: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = f.py();
    let args = arrays(args)?;
    let loss = |args: &[Array]| {
        let outputs = call(f, args)?;
        match outputs.iter().position(|o| o.ndim() != 0) {
            Some(i) => Err(mismatch(&outputs, i, "()")),
            None => Ok(outputs),
        }
    };
    if args.is_empty() {
        loss(&[]).or_raise()?;
        return Ok(PyList::empty(py).into_any());
    }
    let all: Vec<isize> = (0..args.len() as isize).collect();
    let (_, grads) = anymetal::value_and_grad(loss, &all)(&args).or_raise()?;
    grads.into_python(py)
}

fn vjp<'py>(
    f: &Bound<'py, PyAny>,
    primals: &[Array],
    cotangents: &[Array],
) -> PyResult<Bound<'py, PyTuple>> {
    let mut count = 0;
    // More cotangents than outputs are ignored: they are their own outputs here.
    let padded = |args: &[Array]| {
        let mut outputs = call(f, args)?;
        count = outputs.len();
        if count > cotangents.len() {
            return Err(value_error(format!(
                "[vjp] Number of outputs to compute gradients for ({count}) does not match number \
                 of cotangents ({}).",
                cotangents.len()
            )));
        }
        for (i, (output, cotangent)) in outputs.iter().zip(cotangents).enumerate() {
            if output.shape() != cotangent.shape() {
                return Err(mismatch(&outputs, i, &shape_text(cotangent)));
            }
        }
        outputs.extend_from_slice(&cotangents[count..]);
        Ok(outputs)
    };
    let (mut outputs, grads) = anymetal::vjp(padded, primals, cotangents).or_raise()?;
    outputs.truncate(count);
    let py = f.py();
    PyTuple::new(py, [outputs.into_python(py)?, grads.into_python(py)?])
}

fn jvp<'py>(
    f: &Bound<'py, PyAny>,
    primals: &[Array],
    tangents: &[Array],
) -> PyResult<Bound<'py, PyTuple>> {
    if primals.len() != tangents.len() {
        let text = "[jvp] Number of inputs does not match number of tangents.";
        return Err(PyValueError::new_err(text));
    }
    if primals.iter().zip(tangents).any(|(p, t)| p.shape() != t.shape()) {
        return Err(PyValueError::new_err("[jvp] Input shape does not match shape of tangent."));
    }
    let (outputs, tangents) = anymetal::jvp(|args| call(f, args), primals, tangents).or_raise()?;
    let py = f.py();
    PyTuple::new(py, [outputs.into_python(py)?, tangents.into_python(py)?])
}

type Axes = Vec<Option<isize>>;

fn axes(list: &Bound<'_, PyAny>) -> PyResult<Axes> {
    Axes::convert(list).map_err(|error| error.or_type_error("a list of axes"))
}

/// Maps a function over axes of a list of arrays. It returns a list of outputs and their axes.
#[pyfunction]
fn map<'py>(
    f: &Bound<'py, PyAny>,
    args: &Bound<'py, PyAny>,
    in_axes: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = f.py();
    let (args, in_axes) = (arrays(args)?, axes(in_axes)?);
    let with_axes = |args: &[Array]| {
        let run = || {
            let (outputs, out_axes) = f
                .call1((list_of(py, args)?,))?
                .extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
            let (outputs, out_axes) = (arrays(&outputs)?, axes(&out_axes)?);
            for (output, axis) in outputs.iter().zip(&out_axes) {
                let n = output.ndim() as isize + 1;
                if let Some(axis) = axis
                    && !(-n..n).contains(axis)
                {
                    return Err(PyIndexError::new_err(format!(
                        "[vmap] Invalid output vectorization axis {axis} for array with shape {}",
                        shape_text(output)
                    )));
                }
            }
            Ok((outputs, out_axes))
        };
        run().map_err(external)
    };
    anymetal::vmap_with_axes(with_axes, &args, &in_axes).or_raise()?.into_python(py)
}

/// Calls a function of a list of arrays, with transformations of its own where they are given.
#[pyfunction]
fn custom<'py>(
    f: &Bound<'py, PyAny>,
    vjp: Option<Py<PyAny>>,
    jvp: Option<Py<PyAny>>,
    vmap: Option<Py<PyAny>>,
    args: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let function = f.clone().unbind();
    let mut custom =
        CustomFunction::new(move |args| Python::attach(|py| call(function.bind(py), args)));
    if let Some(rule) = vjp {
        custom = custom.with_vjp(move |primals, cotangents, outputs| {
            Python::attach(|py| {
                let lists =
                    (list_of(py, primals)?, list_of(py, cotangents)?, list_of(py, outputs)?);
                arrays(&rule.bind(py).call1(lists)?)
            })
            .map_err(external)
        });
    }
    if let Some(rule) = jvp {
        custom = custom.with_jvp(move |primals, tangents| {
            Python::attach(|py| {
                let lists = (list_of(py, primals)?, optional_list(py, tangents)?);
                arrays(&rule.bind(py).call1(lists)?)
            })
            .map_err(external)
        });
    }
    if let Some(rule) = vmap {
        custom = custom.with_vmap(move |inputs, in_axes| {
            Python::attach(|py| {
                let lists = (list_of(py, inputs)?, PyList::new(py, in_axes)?);
                let (outputs, out_axes) = rule
                    .bind(py)
                    .call1(lists)?
                    .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
                Ok((arrays(&outputs)?, axes(&out_axes)?))
            })
            .map_err(external)
        });
    }
    custom.call(&arrays(args)?).or_raise()?.into_python(f.py())
}

/// The Python function of a row.
fn in_python<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("anymetal.core._transforms")?.getattr(name)
}

/// `int | Sequence[int] | None`, as a list or `None`.
struct ArgumentNumbers(Option<Vec<i32>>);

impl<'py> Argument<'py> for ArgumentNumbers {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() {
            return Ok(ArgumentNumbers(None));
        }
        if let Ok(number) = i32::convert(value) {
            return Ok(ArgumentNumbers(Some(vec![number])));
        }
        Sequence::convert(value).map(|Sequence(numbers)| ArgumentNumbers(Some(numbers)))
    }
}

/// `str | Sequence[str]`, as a list.
struct ArgumentNames(Vec<String>);

impl<'py> Argument<'py> for ArgumentNames {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if let Ok(name) = String::convert(value) {
            return Ok(ArgumentNames(vec![name]));
        }
        Sequence::convert(value).map(|Sequence(names)| ArgumentNames(names))
    }
}

/// Not `None`.
struct Given<'py>(Bound<'py, PyAny>);

impl<'py> Argument<'py> for Given<'py> {
    fn convert(value: &Bound<'py, PyAny>) -> Result<Self, CallError> {
        if value.is_none() { Err(CallError::Misfit) } else { Ok(Given(value.clone())) }
    }
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "grad(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: str | \
         Sequence[str] = []) -> Callable[P, Any]",
        "A function that computes the gradient of `fun`, which must return a scalar array, with \
         respect to the positional arguments `argnums` (the first, if nothing is said) and the \
         keyword arguments `argnames`. Arguments may be trees of arrays; gradients have their \
         structure.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            let argnums: ArgumentNumbers = c.next()?;
            let argnames: ArgumentNames = c.next()?;
            Ok(in_python(c.py, "grad")?.call1((fun.0, argnums.0, argnames.0))?)
        },
    ),
    row(
        "value_and_grad(fun: Callable[P, R], argnums: int | Sequence[int] | None = None, argnames: \
         str | Sequence[str] = []) -> Callable[P, tuple[R, Any]]",
        "A function that computes the value of `fun` and its gradient, as `grad`. `fun` may also \
         return a tuple whose first item is the scalar array; the others are passed on.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            let argnums: ArgumentNumbers = c.next()?;
            let argnames: ArgumentNames = c.next()?;
            Ok(in_python(c.py, "value_and_grad")?.call1((fun.0, argnums.0, argnames.0))?)
        },
    ),
    row(
        "vjp(fun: Callable, primals: list[array], cotangents: list[array]) -> tuple[list[array], \
         list[array]]",
        "The outputs of `fun` at `primals`, and the products of `cotangents` with its Jacobian.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            let Sequence(primals) = c.next::<Sequence<Array>>()?;
            let Sequence(cotangents) = c.next::<Sequence<Array>>()?;
            let flat = in_python(c.py, "flat")?.call1((fun.0,))?;
            Ok(vjp(&flat, &primals, &cotangents)?.into_any())
        },
    ),
    row(
        "jvp(fun: Callable, primals: list[array], tangents: list[array]) -> tuple[list[array], \
         list[array]]",
        "The outputs of `fun` at `primals`, and the products of its Jacobian with `tangents`.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            let Sequence(primals) = c.next::<Sequence<Array>>()?;
            let Sequence(tangents) = c.next::<Sequence<Array>>()?;
            let flat = in_python(c.py, "flat")?.call1((fun.0,))?;
            Ok(jvp(&flat, &primals, &tangents)?.into_any())
        },
    ),
    row(
        "vmap(fun: Callable[P, R], in_axes: object = 0, out_axes: object = 0) -> Callable[P, R]",
        "A function that maps `fun` over an axis of its arguments. `in_axes` and `out_axes` are \
         axes, or trees of axes that begin like those of the arguments and outputs; `None` in \
         `in_axes` is an argument that all calls share.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            let in_axes: Given<'_> = c.next()?;
            let out_axes: Given<'_> = c.next()?;
            Ok(in_python(c.py, "vmap")?.call1((fun.0, in_axes.0, out_axes.0))?)
        },
    ),
    row(
        "compile(fun: Callable[P, R], inputs: object | None = None, outputs: object | None = \
         None, shapeless: bool = False) -> Callable[P, R]",
        "A function that does what `fun` does. Nothing is compiled: operations are fused already.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            let _: Bound<'_, PyAny> = c.next()?;
            let _: Bound<'_, PyAny> = c.next()?;
            let _: bool = c.next()?;
            Ok(in_python(c.py, "compile")?.call1((fun.0,))?)
        },
    ),
    row(
        "checkpoint(fun: Callable[P, R]) -> Callable[P, R]",
        "A function that does what `fun` does; its gradient is computed with `fun` run again \
         instead of from kept intermediate values.",
        |c| {
            let fun: Callable<'_> = c.next()?;
            Ok(in_python(c.py, "checkpoint")?.call1((fun.0,))?)
        },
    ),
    row("disable_compile() -> None", "Turns compilation off; there is none to turn off.", |c| {
        c.give(())
    }),
    row("enable_compile() -> None", "Turns compilation on; there is none to turn on.", |c| {
        c.give(())
    }),
];

/// The private submodule of the flat functions.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let flat = PyModule::new(module.py(), "_transforms")?;
    flat.add_function(wrap_pyfunction!(gradients, &flat)?)?;
    flat.add_function(wrap_pyfunction!(map, &flat)?)?;
    flat.add_function(wrap_pyfunction!(custom, &flat)?)?;
    module.setattr("_transforms", flat)
}
