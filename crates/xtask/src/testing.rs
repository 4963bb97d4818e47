//! `cargo xtask test`: everything that must pass, in one command on a fresh machine.

use crate::rust_tests::{self, Totals};
use crate::{python, step};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds and runs all tests; an error if any failed.
pub(crate) fn run(root: &Path, full: bool) -> Result<(), String> {
    let interpreter = python::tests(root)?;
    let built = rust_tests::build(root)?;
    let mut totals = rust_tests::run(&built.binaries, full)?;
    totals.add(documentation(root)?);
    python::install(root, &interpreter)?;
    let suites = [
        ("parity with MLX", "parity", Some(("ANYMETAL_PARITY", built.parity))),
        ("whole kernels", "kernels", Some(("ANYMETAL_COMMAND", built.command.clone()))),
        ("kernels of MLX's headers", "mlx_kernels", Some(("ANYMETAL_COMMAND", built.command))),
        ("the Python package", "python", None),
    ];
    for (title, folder, program) in suites {
        let program = match program {
            Some((variable, Some(path))) => Some((variable, path)),
            Some((_, None)) => return Err(format!("what {title} needs was not built")),
            None => None,
        };
        totals.add(python_tests(root, &interpreter, (title, folder), program, full)?);
    }
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

/// Runs the pytest suite of a folder of `tests/`; some find a program in a variable.
fn python_tests(
    root: &Path,
    interpreter: &Path,
    (title, folder): (&str, &str),
    program: Option<(&str, PathBuf)>,
    full: bool,
) -> Result<Totals, String> {
    let report = python::target(root).join(format!("{folder}-report.xml"));
    let mut pytest = Command::new(interpreter);
    pytest.current_dir(root).env("PYTHONDONTWRITEBYTECODE", "1");
    pytest.envs(program);
    pytest.env("ANYMETAL_PARITY_FOLDER", python::target(root).join("parity"));
    if full {
        pytest.env("ANYMETAL_TEST_FULL", "1");
    }
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5"]);
    pytest.arg(format!("--junitxml={}", report.display())).arg(format!("tests/{folder}"));
    let outcome = step::run(title, &mut pytest, true)?;
    let mut totals = rust_tests::pytest_counts(&report)?;
    totals.failed += usize::from(!outcome.success && totals.failed == 0);
    Ok(totals)
}
