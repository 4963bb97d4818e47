//! Evaluation for Python: with the interpreter lock released, and what follows from it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anymetal::{Array, EvalOptions, async_eval, eval};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::array::PyArray;
use crate::error::OrRaise;
use crate::function::{Row, row};
use crate::{exchange, warning};

/// Runs an evaluation without the interpreter lock. On the main thread signals are looked at
/// meanwhile: an exception of a handler, such as that of Control-C, stops the evaluation and is
/// raised. Afterwards memory of other libraries that was let go is given back, and warnings of
/// kernels are raised.
///
/// Nothing may evaluate with the lock held: the main thread, which may be running what is waited
/// for, takes it now and then.
pub(crate) fn evaluate(
    py: Python<'_>,
    run: impl FnOnce() -> anymetal::Result<()> + Send,
) -> PyResult<()> {
    // While Python shuts down modules cannot be imported, and nobody interrupts.
    let signals = is_main_thread(py).unwrap_or(false);
    let (result, raised) = py.detach(|| {
        if !signals {
            return (run(), None);
        }
        let raised = Rc::new(RefCell::new(None));
        let slot = raised.clone();
        // Called on this thread. While Python shuts down there is nobody to ask.
        let look = move || match Python::try_attach(|py| py.check_signals()) {
            Some(Err(error)) => {
                slot.replace(Some(error));
                false
            }
            _ => true,
        };
        let options = EvalOptions { poll: Some(Rc::new(look)), ..EvalOptions::default() };
        let result = options.scope(run);
        (result, raised.take())
    });
    exchange::release(py);
    if let Some(error) = raised {
        return Err(error);
    }
    result.or_raise()?;
    warning::kernel_findings(py)
}

/// Evaluates an array whose values an operation needs at once.
pub(crate) fn computed(array: &Array) -> PyResult<()> {
    Python::attach(|py| evaluate(py, || array.eval()))
}

/// Whether this is the thread on which Python runs the handlers of signals.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    thread_local! {
        static MAIN: Cell<Option<bool>> = const { Cell::new(None) };
    }
    if let Some(known) = MAIN.get() {
        return Ok(known);
    }
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    let is_main = main.eq(threading.call_method0("get_ident")?)?;
    MAIN.set(Some(is_main));
    Ok(is_main)
}

/// The arrays in a tree of lists, tuples and dictionaries; other leaves are passed over.
fn arrays_in(tree: &Bound<'_, PyAny>) -> Vec<Array> {
    let mut arrays = Vec::new();
    let mut rest = vec![tree.clone()];
    while let Some(value) = rest.pop() {
        if let Ok(array) = value.cast::<PyArray>() {
            arrays.push(array.get().array());
        } else if let Ok(list) = value.cast::<PyList>() {
            rest.extend(list.iter().rev());
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            rest.extend(tuple.iter().rev());
        } else if let Ok(dict) = value.cast::<PyDict>() {
            let mut values: Vec<_> = dict.values().iter().collect();
            values.reverse();
            rest.extend(values);
        }
    }
    arrays
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row("eval(*args) -> None", "Computes arrays, or all arrays of trees of them.", |c| {
        let args: Bound<'_, PyAny> = c.next()?;
        let arrays = arrays_in(&args);
        evaluate(c.py, || eval(&arrays))?;
        c.give(())
    }),
    row(
        "async_eval(*args)",
        "Starts computing arrays, or all arrays of trees of them, and returns at once. Reading \
         them waits; errors appear there.",
        |c| {
            let args: Bound<'_, PyAny> = c.next()?;
            async_eval(&arrays_in(&args));
            c.give(())
        },
    ),
];
