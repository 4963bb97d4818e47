//! The Python module `anymetal._core`: arrays, devices and functions with MLX's names.
//!
//! Functions are rows of tables (`ops`, `device`, ..): MLX's signature as text, documentation, a
//! body ([`function`]). The package's Python sources (`python/anymetal`) add what is easier said
//! in Python: trees of arrays, function transformations, modules and tools.
#![deny(unsafe_code)]

mod argument;
mod array;
mod device;
mod dtype;
mod error;
mod exchange;
mod function;
mod ops;
mod output;

use pyo3::prelude::*;

use function::{Function, Row};

/// The module's content; `anymetal.core` re-exports it.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<array::PyArray>()?;
    module.add_class::<Function>()?;
    dtype::register(module)?;
    device::register(module)?;
    add_functions(module, device::FUNCTIONS)?;
    for family in ops::FUNCTIONS {
        add_functions(module, family)?;
    }
    Ok(())
}

/// Adds a table's functions to a module.
fn add_functions(module: &Bound<'_, PyModule>, rows: &[Row]) -> PyResult<()> {
    let py = module.py();
    let names = module.dict();
    for &row in rows {
        module.add(row.name(), Function::new(py, row, &names)?)?;
    }
    Ok(())
}
