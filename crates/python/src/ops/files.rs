//! Arrays in files: `.npy`, `.safetensors` and, with the package's Python part, `.npz`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anymetal::{Array, io};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::argument::Argument;
use crate::error::{CallError, CallResult};
use crate::function::{Row, row};
use crate::output::Output;

/// A path, or an object that reads or writes bytes.
enum File<'py> {
    Path(PathBuf),
    Object(Bound<'py, PyAny>),
}

impl<'py> File<'py> {
    /// `method` is what an object must have.
    fn new(value: &Bound<'py, PyAny>, method: &str, refusal: &str) -> Result<Self, CallError> {
        if let Ok(path) = value.extract::<PathBuf>() {
            Ok(File::Path(path))
        } else if value.hasattr(method)? {
            Ok(File::Object(value.clone()))
        } else {
            Err(PyValueError::new_err(refusal.to_owned()).into())
        }
    }

    /// A file to write, with an extension if the path has another one or none.
    fn target(value: &Bound<'py, PyAny>, op: &str, extension: &str) -> Result<Self, CallError> {
        let refusal = format!("[{op}] Input must be a file-like object, or string");
        let mut file = File::new(value, "write", &refusal)?;
        if let File::Path(path) = &mut file
            && path.extension().is_none_or(|e| e != extension)
        {
            let name = path.as_mut_os_string();
            name.push(".");
            name.push(extension);
        }
        Ok(file)
    }

    /// The format that the name's ending says.
    fn format(&self) -> Result<String, CallError> {
        let name = match self {
            File::Path(path) => path.to_string_lossy().into_owned(),
            File::Object(object) => object.getattr("name")?.str()?.to_string(),
        };
        let ending = name.rsplit('/').next().and_then(|n| n.rsplit_once('.'));
        ending.map(|(_, ending)| ending.to_owned()).ok_or_else(|| {
            let text = "[load] Could not infer file format from extension";
            PyValueError::new_err(text).into()
        })
    }

    fn read(&self) -> PyResult<Option<Vec<u8>>> {
        match self {
            File::Path(_) => Ok(None),
            File::Object(object) => Ok(Some(object.call_method0("read")?.extract()?)),
        }
    }
}

fn write<'py>(object: &Bound<'py, PyAny>, bytes: &[u8]) -> Result<(), CallError> {
    object.call_method1("write", (PyBytes::new(object.py(), bytes),))?;
    Ok(())
}

/// Arrays by name as a dict, with the file's texts if those are wanted.
fn safetensors<'py>(py: Python<'py>, file: &File<'py>, metadata: bool) -> CallResult<'py> {
    let (bytes, path) = (file.read()?, file_path(file));
    let loaded = py.detach(|| match &bytes {
        Some(bytes) => io::safetensors_from_bytes(bytes),
        None => io::load_safetensors(path),
    })?;
    let arrays = PyDict::new(py);
    for (name, array) in loaded.arrays {
        arrays.set_item(name, array.into_python(py)?)?;
    }
    if !metadata {
        return Ok(arrays.into_any());
    }
    let texts = PyDict::new(py);
    for (name, text) in loaded.metadata {
        texts.set_item(name, text)?;
    }
    Ok((arrays, texts).into_pyobject(py)?.into_any())
}

/// A path to move to another thread's closure; empty for objects.
fn file_path(file: &File<'_>) -> PathBuf {
    match file {
        File::Path(path) => path.clone(),
        File::Object(_) => PathBuf::new(),
    }
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "load(file: file | str | pathlib.Path, /, format: str | None = None, \
         return_metadata: bool = False, *, stream: StreamOrDevice = None) \
         -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]",
        "The array of an npy file, or the arrays by name of a safetensors or npz file.",
        |c| {
            let (value, format): (Bound<'_, PyAny>, Option<String>) = (c.next()?, c.next()?);
            let metadata: bool = c.next()?;
            let refusal =
                "[load] Input must be a file-like object opened in binary mode, or string";
            let file = File::new(&value, "read", refusal)?;
            let format = format.map_or_else(|| file.format(), Ok)?;
            if metadata && matches!(format.as_str(), "npy" | "npz") {
                let text = format!("[load] metadata not supported for format {format}");
                return Err(PyValueError::new_err(text).into());
            }
            match format.as_str() {
                "safetensors" => safetensors(c.py, &file, metadata),
                "npy" => {
                    let (bytes, path) = (file.read()?, file_path(&file));
                    let array = c.py.detach(|| match &bytes {
                        Some(bytes) => io::npy_from_bytes(bytes),
                        None => io::load_npy(path),
                    })?;
                    c.give(array)
                }
                "npz" => {
                    let archive = c.py.import("anymetal.core._npz")?;
                    Ok(archive.call_method1("load", (value,))?)
                }
                _ => {
                    let text = format!("[load] Unknown file format {format}");
                    Err(PyValueError::new_err(text).into())
                }
            }
        },
    ),
    row(
        "save(file: file | str | pathlib.Path, arr: array) -> None",
        "Saves an array as an npy file; .npy is added to a path that does not end so.",
        |c| {
            let (file, array): (Bound<'_, PyAny>, Array) = (c.next()?, c.next()?);
            match File::target(&file, "save", "npy")? {
                File::Path(path) => c.py.detach(|| io::save_npy(path, &array))?,
                File::Object(object) => {
                    let bytes = c.py.detach(|| io::npy_to_bytes(&array))?;
                    write(&object, &bytes)?;
                }
            }
            c.give(())
        },
    ),
    row(
        "save_safetensors(file: file | str | pathlib.Path, arrays: dict[str, array], \
         metadata: dict[str, str] | None = None) -> None",
        "Saves arrays by name, and texts about them, as a safetensors file.",
        |c| {
            let (file, arrays): (Bound<'_, PyAny>, Bound<'_, PyAny>) = (c.next()?, c.next()?);
            let texts: Option<Bound<'_, PyAny>> = c.next()?;
            let arrays = arrays.cast::<PyDict>().map_err(|_| CallError::Misfit)?;
            let mut named: Vec<(String, Array)> = Vec::new();
            for (name, array) in arrays {
                named.push((String::convert(&name)?, Array::convert(&array)?));
            }
            let mut metadata = BTreeMap::new();
            if let Some(texts) = texts {
                let texts = texts.cast::<PyDict>().map_err(|_| CallError::Misfit)?;
                for (name, text) in texts {
                    let (Ok(name), Ok(text)) = (String::convert(&name), String::convert(&text))
                    else {
                        let text = "[save_safetensors] Metadata must be a dictionary with string \
                                    keys and values";
                        return Err(PyValueError::new_err(text).into());
                    };
                    metadata.insert(name, text);
                }
            }
            let pairs = || named.iter().map(|(name, array)| (name, array));
            match File::target(&file, "save_safetensors", "safetensors")? {
                File::Path(path) => {
                    c.py.detach(|| io::save_safetensors(path, pairs(), &metadata))?;
                }
                File::Object(object) => {
                    let bytes = c.py.detach(|| io::safetensors_to_bytes(pairs(), &metadata))?;
                    write(&object, &bytes)?;
                }
            }
            c.give(())
        },
    ),
];
