//! `cargo xtask test`: everything that must pass, in one command on a fresh machine.

use crate::rust_tests::{self, Totals};
use crate::{python, step};
use std::path::Path;
use std::process::Command;

/// Builds and runs all tests; an error if any failed.
pub(crate) fn run(root: &Path, full: bool) -> Result<(), String> {
    let interpreter = python::tests(root)?;
    let (binaries, replay) = rust_tests::build(root)?;
    let mut totals = rust_tests::run(&binaries, full)?;
    totals.add(documentation(root)?);
    let replay = replay.ok_or("the example `parity` was not built")?;
    totals.add(pytest("parity with MLX", root, &interpreter, "tests/parity", |pytest| {
        pytest.env("ANYMETAL_PARITY", &replay);
        pytest.env("ANYMETAL_PARITY_FOLDER", python::target(root).join("parity"));
        if full {
            pytest.env("ANYMETAL_TEST_FULL", "1");
        }
    })?);
    python::install(root, &interpreter)?;
    totals.add(pytest("the Python package", root, &interpreter, "tests/python", |_| {})?);
    println!("== the slowest tests");
    for (time, name) in totals.slowest(20) {
        println!("{:8.2} s  {name}", time.as_secs_f64());
    }
    println!("{} passed, {} failed", totals.passed, totals.failed);
    if totals.failed == 0 { Ok(()) } else { Err("some tests failed".into()) }
}

fn documentation(root: &Path) -> Result<Totals, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["test", "--workspace", "--doc"]);
    let outcome = step::run("examples in the documentation", &mut cargo, true)?;
    let mut totals = rust_tests::counts(&outcome.output);
    // Something that did not even compile has no result line.
    totals.failed += usize::from(!outcome.success && totals.failed == 0);
    Ok(totals)
}

/// Runs the tests of a folder with pytest.
fn pytest(
    title: &str,
    root: &Path,
    interpreter: &Path,
    folder: &str,
    set_up: impl FnOnce(&mut Command),
) -> Result<Totals, String> {
    let report = python::target(root).join(format!("{}.xml", folder.replace('/', "-")));
    let mut pytest = Command::new(interpreter);
    pytest.current_dir(root).env("PYTHONDONTWRITEBYTECODE", "1");
    set_up(&mut pytest);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5"]);
    pytest.arg(format!("--junitxml={}", report.display())).arg(folder);
    let outcome = step::run(title, &mut pytest, true)?;
    let mut totals = rust_tests::pytest_counts(&report)?;
    totals.failed += usize::from(!outcome.success && totals.failed == 0);
    Ok(totals)
}
