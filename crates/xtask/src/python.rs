//! Python environments: for the tests, which need real MLX, for the tour and for the fixtures;
//! and the package installed into them.

use crate::step;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of an environment with the packages of `requirements`, kept in
/// `target/NAME`. Made at the first use and whenever the list changes; offline otherwise.
pub(crate) fn environment(root: &Path, name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let folder = target(root).join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    let wanted = read(requirements)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    let mut create = Command::new("python3");
    step::must("a Python environment", create.args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "-r"]).arg(requirements);
    step::must("its packages", &mut install)?;
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python)
}

/// The interpreter of the tests in Python.
pub(crate) fn tests(root: &Path) -> Result<PathBuf, String> {
    environment(root, "test-python", &root.join("tests/requirements.txt"))
}

/// Builds the package as the tests are built and installs it: `pip install .`, but in the
/// profile and the folder of the tests, with the environment's own maturin.
pub(crate) fn install(root: &Path, interpreter: &Path) -> Result<(), String> {
    let mut pip = Command::new(interpreter);
    pip.current_dir(root).env("MATURIN_PEP517_ARGS", "--profile dev");
    pip.env("CARGO_TARGET_DIR", target(root));
    let bin = interpreter.parent().unwrap_or(interpreter).as_os_str().to_owned();
    let path = [bin, std::env::var_os("PATH").unwrap_or_default()].join(OsStr::new(":"));
    pip.env("PATH", path);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-build-isolation"]);
    pip.args(["--no-deps", "--force-reinstall", "."]);
    step::must("the Python package, installed", &mut pip)
}

/// Where cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Regenerates the committed fixtures.
pub(crate) fn fixtures(root: &Path) -> Result<(), String> {
    let folder = root.join("tests/fixtures");
    let python = environment(root, "fixtures-python", &folder.join("requirements.txt"))?;
    let mut generate = Command::new(python);
    step::must("fixtures", generate.arg(folder.join("generate.py")).current_dir(root))
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
