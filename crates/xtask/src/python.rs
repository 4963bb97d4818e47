//! Python environments: for the tests, which need real MLX, for the tour and for the fixtures;
//! and the package installed into them.

use crate::step;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of an environment with the packages of `requirements`, kept in
/// `target/NAME`. Made at the first use and whenever the list changes; offline otherwise. Those of
/// `alone` are installed without what they depend on.
pub(crate) fn environment(
    root: &Path,
    name: &str,
    requirements: Option<&Path>,
    alone: Option<&Path>,
) -> Result<PathBuf, String> {
    let folder = target(root).join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    let lists = [(requirements, false), (alone, true)];
    let lists = lists.into_iter().filter_map(|(list, alone)| Some((list?, alone)));
    let wanted = lists.clone().map(|(l, _)| read(l)).collect::<Result<String, _>>()?;
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    let mut create = Command::new("python3");
    step::must("a Python environment", create.args(["-m", "venv", "--clear"]).arg(&folder))?;
    for (list, alone) in lists {
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "-r"]).arg(list);
        install.args(alone.then_some("--no-deps"));
        step::must("its packages", &mut install)?;
    }
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python)
}

/// The interpreter of the tests in Python.
pub(crate) fn tests(root: &Path) -> Result<PathBuf, String> {
    let [packages, alone] =
        ["requirements", "requirements-alone"].map(|n| root.join(format!("tests/{n}.txt")));
    environment(root, "test-python", Some(&packages), Some(&alone))
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

/// Rewrites the type stubs of the package from what the module says of itself.
pub(crate) fn stubs(root: &Path) -> Result<(), String> {
    let python = tests(root)?;
    install(root, &python)?;
    let mut write = Command::new(python);
    step::must("type stubs", write.arg("crates/python/stubs.py").current_dir(root))
}

/// What a new user sees: the tour of the library in Rust, then the package, installed as the README
/// says into an environment of its own, with the examples in Python.
pub(crate) fn tour(root: &Path) -> Result<(), String> {
    // With the package selected too, its dependencies are built once for both.
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "-p", "anymetal", "-p", "anymetal-py", "--example", "tour"]);
    step::must("Rust: build the tour", build.current_dir(root))?;
    let mut rust = Command::new(target(root).join("release/examples/tour"));
    step::must("Rust: the fused operations", rust.current_dir(root))?;
    let python = environment(root, "tour-python", None, None)?;
    let mut pip = Command::new(&python);
    pip.current_dir(root).env("CARGO_TARGET_DIR", target(root));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "."]);
    step::must("Python: pip install .", &mut pip)?;
    for example in ["attention", "myexp"] {
        let path = format!("examples/python/{example}.py");
        let mut run = Command::new(&python);
        run.current_dir(root).args(["-m", "anymetal", &path]);
        step::must(&format!("Python: {path}, written for MLX"), &mut run)?;
    }
    Ok(())
}

/// Where cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Regenerates the committed fixtures.
pub(crate) fn fixtures(root: &Path) -> Result<(), String> {
    let folder = root.join("tests/fixtures");
    let python =
        environment(root, "fixtures-python", Some(&folder.join("requirements.txt")), None)?;
    let mut generate = Command::new(python);
    step::must("fixtures", generate.arg(folder.join("generate.py")).current_dir(root))
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
