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
mod evaluation;
mod exchange;
mod fast;
mod function;
mod ops;
mod output;
mod transforms;
mod warning;

use pyo3::prelude::*;

use function::{Function, Row};

/// The module's content; `anymetal.core` re-exports it.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Function>()?;
    module.add_class::<array::PyArray>()?;
    dtype::register(module)?;
    device::register(module)?;
    add_functions(module, device::FUNCTIONS)?;
    add_functions(module, exchange::FUNCTIONS)?;
    add_functions(module, evaluation::FUNCTIONS)?;
    add_functions(module, transforms::FUNCTIONS)?;
    for family in ops::FUNCTIONS {
        add_functions(module, family)?;
    }
    transforms::register(module)?;
    warning::register(module)?;
    add_submodule(module, "fast", fast::FUNCTIONS)?;
    array::register(module)?;
    for &(name, function) in ops::ALIASES {
        module.add(name, module.getattr(function)?)?;
    }
    for &(name, families) in ops::SUBMODULES {
        add_submodule(module, name, families)?;
    }
    constants(module)
}

/// The module's numbers.
fn constants(module: &Bound<'_, PyModule>) -> PyResult<()> {
    use std::f64::consts::{E, PI};
    module.add("pi", PI)?;
    module.add("e", E)?;
    module.add("inf", f64::INFINITY)?;
    module.add("nan", f64::NAN)?;
    module.add("euler_gamma", 0.577_215_664_901_532_9)?;
    module.add("newaxis", module.py().None())
}

/// Adds a module of functions that can be imported by its full name. It is not among the names
/// that `from _core import *` takes: the package has a Python module for each.
fn add_submodule(module: &Bound<'_, PyModule>, name: &str, families: &[&[Row]]) -> PyResult<()> {
    let py = module.py();
    let full_name = format!("{}.{name}", module.name()?);
    let submodule = PyModule::new(py, &full_name)?;
    let names = module.dict();
    for family in families {
        for &row in *family {
            submodule.add(row.name(), Function::new(py, row, &names)?)?;
        }
    }
    module.setattr(name, &submodule)?;
    py.import("sys")?.getattr("modules")?.set_item(full_name, submodule)
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
