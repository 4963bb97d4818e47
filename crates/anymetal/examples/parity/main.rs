//! Replays what real MLX computed and compares: `parity FOLDER`.
//!
//! The folder is what `tests/parity/recorder.py` writes and describes. Prints
//! `pass GROUP COUNT` for every group and `FAIL GROUP ID: what` for every mismatch, tab-separated;
//! exits with 1 if there was any.
#![forbid(unsafe_code)]

mod manifest;
mod replay;

use anymetal::{Array, Category};
use manifest::{Case, fields};
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: parity FOLDER");
        return ExitCode::from(2);
    };
    let manifest = match std::fs::read_to_string(folder.join("manifest.tsv")) {
        Ok(manifest) => manifest,
        Err(e) => {
            eprintln!("{}: {e}", folder.display());
            return ExitCode::from(2);
        }
    };
    let mut groups: HashMap<&str, HashMap<String, Array>> = HashMap::new();
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed = false;
    // A panic is one case's failure.
    std::panic::set_hook(Box::new(|_| ()));
    for line in manifest.lines() {
        let group = fields(line).get("group").copied().unwrap_or_default();
        let tensors = groups.entry(group).or_insert_with(|| {
            let path = folder.join(format!("{group}.safetensors"));
            let load = |path| replay::load(path).unwrap_or_else(|e| panic!("{group}: {e}"));
            if path.exists() { load(path) } else { HashMap::new() }
        });
        let case = Case::new(line, tensors);
        let problem = catch_unwind(AssertUnwindSafe(|| check(&case))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Some(format!("panicked: {}", text.unwrap_or("no text")))
        });
        let count = passed.entry(group).or_default();
        match problem {
            None => *count += 1,
            Some(problem) => {
                failed = true;
                println!("FAIL\t{group}\t{}: {problem} ({line})", case.text("id"));
            }
        }
    }
    for (group, count) in passed {
        println!("pass\t{group}\t{count}");
    }
    ExitCode::from(u8::from(failed))
}

/// What is wrong with the outcome of a case, if anything.
fn check(case: &Case) -> Option<String> {
    match (replay::run(case), case.has("error")) {
        (Err(error), true) => {
            let (class, text) = (class_of(error.category()), error.to_string());
            // Where MLX's wording is its own affair the manifest has no text.
            let worded = !case.has("text") || case.text("text") == text;
            (class != case.text("error") || !worded).then(|| format!("{class}: {text}"))
        }
        (Err(error), false) => Some(format!("fails: {error}")),
        (Ok(_), true) => Some("accepted".into()),
        (Ok(results), false) if case.has("dtype_out") => {
            let dtype = results[0].dtype();
            (dtype != case.dtype("dtype_out")).then(|| format!("gives {dtype}"))
        }
        (Ok(results), false) => match case.compare(&results) {
            Ok(difference) => difference,
            Err(error) => Some(format!("fails: {error}")),
        },
    }
}

/// The Python class of a category of errors.
fn class_of(category: Category) -> &'static str {
    match category {
        Category::Value => "ValueError",
        Category::Type => "TypeError",
        Category::Index => "IndexError",
        Category::Memory => "MemoryError",
        Category::Io => "OSError",
        _ => "RuntimeError",
    }
}
