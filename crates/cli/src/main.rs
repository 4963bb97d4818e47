//! The `anymetal` command: checks, runs and shows Metal kernels without a Metal device.
//!
//! Exit status: 0 if all went well, 1 if the program has errors or the launch failed, 2 if the
//! command itself is wrong. Human output goes to the terminal with colours where it has them;
//! `--format json` gives one JSON value on standard output instead.
//!
//! Architecture invariant: only this crate and the Python module do I/O and read the environment.
#![forbid(unsafe_code)]

mod buffers;
mod check;
mod custom;
mod dump;
mod explain;
mod npy;
mod output;
mod program;
mod run;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Format;

#[derive(Parser)]
#[command(name = "anymetal", version, about = "Metal kernels on every machine", long_about = None)]
struct Command {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Human, global = true)]
    format: Format,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Compile a file and list its kernels
    Check(check::Arguments),
    /// Run a kernel on arrays
    Run(run::Arguments),
    /// Show what a stage of the compiler makes of a file
    Dump(dump::Arguments),
    /// Explain a diagnostic
    Explain(explain::Arguments),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let result = match command.action {
        Action::Check(arguments) => check::check(arguments, command.format),
        Action::Run(arguments) => run::run(arguments, command.format),
        Action::Dump(arguments) => dump::dump(arguments, command.format),
        Action::Explain(arguments) => explain::explain(arguments, command.format),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            output::failure(&error, command.format);
            ExitCode::from(2)
        }
    }
}
