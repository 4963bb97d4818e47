//! Findings of the library as Python warnings.
//!
//! The library reports from whatever thread met the finding, so reports are queued and raised
//! where the interpreter lock is held and a line of the user's is to blame: hidden casts at the
//! call that casts, findings of kernels when an evaluation returns.

use std::cell::RefCell;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anymetal::fast;
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeWarning, PyUserWarning};
use pyo3::prelude::*;

create_exception!(
    anymetal,
    KernelWarning,
    PyRuntimeWarning,
    "A custom kernel did something that is not an error but is hardly meant, such as reading out \
     of range."
);
create_exception!(
    anymetal,
    HiddenCastWarning,
    PyUserWarning,
    "A norm's input and weight have different dtypes, so its result is wider than its input."
);

static KERNEL: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Whether there is something in `KERNEL`.
static ANY: AtomicBool = AtomicBool::new(false);

/// More findings than this between two evaluations are dropped.
const QUEUED: usize = 100;

thread_local! {
    static CASTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Whether hidden casts are reported.
static HIDDEN_CASTS: AtomicBool = AtomicBool::new(false);

/// Raises what kernels have reported.
pub(crate) fn kernel_findings(py: Python<'_>) -> PyResult<()> {
    if !ANY.swap(false, Ordering::Acquire) {
        return Ok(());
    }
    let texts = std::mem::take(&mut *KERNEL.lock().unwrap_or_else(PoisonError::into_inner));
    let category = py.get_type::<KernelWarning>();
    texts.into_iter().try_for_each(|text| PyErr::warn(py, &category, &CString::new(text)?, 1))
}

/// Raises the hidden casts of this thread's calls.
pub(crate) fn hidden_casts(py: Python<'_>) -> PyResult<()> {
    let texts = CASTS.take();
    if texts.is_empty() {
        return Ok(());
    }
    let category = py.get_type::<HiddenCastWarning>();
    texts.into_iter().try_for_each(|text| PyErr::warn(py, &category, &CString::new(text)?, 1))
}

/// Turns reports of hidden casts on or off, for the process. Returns what was set before.
#[pyfunction]
fn _report_hidden_casts(yes: bool) -> bool {
    let before = HIDDEN_CASTS.swap(yes, Ordering::Relaxed);
    let report = |cast: &fast::HiddenCast| CASTS.with_borrow_mut(|c| c.push(cast.to_string()));
    fast::on_hidden_cast(if yes { Some(Box::new(report)) } else { None });
    before
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    fast::on_kernel_warning(Some(Box::new(|warning| {
        let mut queue = KERNEL.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < QUEUED {
            queue.push(warning.to_string().replace('\0', "\\0"));
        }
        ANY.store(true, Ordering::Release);
    })));
    // Not among the names that `from _core import *` takes: MLX has none of these.
    module.setattr("KernelWarning", py.get_type::<KernelWarning>())?;
    module.setattr("HiddenCastWarning", py.get_type::<HiddenCastWarning>())?;
    module.setattr("_report_hidden_casts", wrap_pyfunction!(_report_hidden_casts, module)?)
}
