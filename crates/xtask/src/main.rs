//! Development tasks: `cargo xtask TASK`.
//!
//! Depends on nothing but the standard library, so that it builds in a second on a fresh machine.
#![forbid(unsafe_code)]

mod budget;
mod python;
mod rust_tests;
mod source;
mod step;
mod testing;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK
  tidy               check the rules of the house: imports, docs, names, unsafe code, the code map
  test [--full]      every test: Rust, documentation, parity with MLX, Python; --full adds the whole matrix
                     of instruction sets and thread counts
  budget [--lines]   lines per crate; clean and incremental build times
  fixtures           regenerate the committed PyTorch fixtures (downloads PyTorch)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["tidy"] => tidy::report(&root()),
        ["test"] => testing::run(&root(), false),
        ["test", "--full"] => testing::run(&root(), true),
        ["budget"] => budget::run(&root(), true),
        ["budget", "--lines"] => budget::run(&root(), false),
        ["fixtures"] => python::fixtures(&root()),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
