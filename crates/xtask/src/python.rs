//! Python environments for the tests that need real MLX, and for the fixtures.

use crate::step;
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
