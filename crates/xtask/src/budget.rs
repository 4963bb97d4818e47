//! `cargo xtask budget`: how much code there is, and how long it takes to build.

use crate::python::{read, target};
use crate::source::{crates, rust_files};
use crate::step;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Prints the lines of every crate; with `timed`, also what a clean build and rebuilds after a
/// touch take, in a target folder of its own.
pub(crate) fn run(root: &Path, timed: bool) -> Result<(), String> {
    println!(
        "{:28} {:>6} {:>7} {:>7} {:>7} {:>7}",
        "", "files", "code", "words", "tests", "median"
    );
    let mut sum = [0; 4];
    for (folder, _) in crates(root)? {
        let mut row = [0; 4];
        let mut sizes = Vec::new();
        for file in rust_files(&root.join(&folder)) {
            let text = read(&file)?;
            let lines = count(&text, in_tests(&file));
            sizes.push(text.lines().count());
            row[0] += 1;
            for (total, lines) in row[1..].iter_mut().zip(lines) {
                *total += lines;
            }
        }
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        let [files, code, words, tests] = row;
        println!("{folder:28} {files:6} {code:7} {words:7} {tests:7} {median:7}");
        sum.iter_mut().zip(row).for_each(|(s, r)| *s += r);
    }
    let [files, code, words, tests] = sum;
    println!("{:28} {files:6} {code:7} {words:7} {tests:7}", "all");
    if timed { times(root) } else { Ok(()) }
}

fn in_tests(file: &Path) -> bool {
    file.components().any(|c| c.as_os_str() == "tests")
        || file.file_name().is_some_and(|n| n == "tests.rs")
}

/// Lines of code, of comments, and of tests (from `#[cfg(test)]` on); blank ones count nowhere.
fn count(text: &str, tests: bool) -> [usize; 3] {
    let (mut counts, mut testing) = ([0; 3], tests);
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        // Test modules close a file; `#[cfg(test)] mod tests;` names another one.
        testing |= line == "#[cfg(test)]" && text.contains("mod tests {");
        counts[if testing { 2 } else { usize::from(line.starts_with("//")) }] += 1;
    }
    counts
}

fn times(root: &Path) -> Result<(), String> {
    let folder = target(root).join("budget");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    }
    let build = |title: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root).env("CARGO_TARGET_DIR", &folder).args(["build", "--workspace"]);
        let start = Instant::now();
        step::must(title, &mut cargo)?;
        Ok::<_, String>(format!("{:7.1} s  {title}", start.elapsed().as_secs_f64()))
    };
    let mut results = vec![build("clean build")?];
    for name in ["msl", "kernels", "anymetal"] {
        let entry = root.join(format!("crates/{name}/src/lib.rs"));
        let touched = std::fs::File::options().append(true).open(&entry);
        touched
            .and_then(|f| f.set_modified(std::time::SystemTime::now()))
            .map_err(|e| format!("{}: {e}", entry.display()))?;
        results.push(build(&format!("after a touch of {name}"))?);
    }
    println!("{}", results.join("\n"));
    Ok(())
}
