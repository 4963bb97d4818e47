//! `cargo xtask budget`: how much code there is, and how long it takes to build.

use crate::python::{read, target};
use crate::source::{crates, rust_files};
use crate::step;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Prints the lines of every crate; with `timed`, also what a clean build, rebuilds and test cycles
/// after a touch take, in a target folder of its own.
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

/// The aims, in seconds of two idle cores: a clean build, and one crate's tests after an edit.
const CLEAN: f64 = 180.0;
const CYCLE: f64 = 120.0;

fn times(root: &Path) -> Result<(), String> {
    let folder = target(root).join("budget");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    }
    let mut rows = vec![format!("{:>9} {:>9} {:>9}", "wall s", "CPU s", "aim s")];
    let mut measure = |title: &str, arguments: &[&str], aim: Option<f64>| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root).env("CARGO_TARGET_DIR", &folder).args(arguments);
        let (start, before) = (Instant::now(), children_seconds());
        step::must(title, &mut cargo)?;
        let cpu = children_seconds().zip(before).map(|(after, before)| after - before);
        let optional = |n: Option<f64>| n.map_or(String::from("-"), |n| format!("{n:.1}"));
        let wall = start.elapsed().as_secs_f64();
        // At once as well as in the table, so that what was measured survives a run cut short.
        rows.push(format!("{wall:9.1} {:>9} {:>9}  {title}", optional(cpu), optional(aim)));
        println!("{}\n{}", rows[0], rows[rows.len() - 1]);
        Ok::<_, String>(())
    };
    measure("clean build", &["build", "--workspace"], Some(CLEAN))?;
    for name in ["msl", "kernels", "anymetal"] {
        touch(root, name)?;
        measure(&format!("build after a touch of {name}"), &["build", "--workspace"], None)?;
    }
    for (name, package) in [
        ("msl", "anymetal-msl"),
        ("simt", "anymetal-simt"),
        ("kernels", "anymetal-kernels"),
        ("anymetal", "anymetal"),
    ] {
        // What a first test run of the crate builds is not part of a cycle.
        measure(&format!("build the tests of {name}"), &["test", "--no-run", "-p", package], None)?;
        touch(root, name)?;
        let arguments = ["test", "-q", "-p", package, "--tests"];
        measure(&format!("tests of {name} after a touch"), &arguments, Some(CYCLE))?;
    }
    println!("{}", rows.join("\n"));
    Ok(())
}

fn touch(root: &Path, name: &str) -> Result<(), String> {
    let entry = root.join(format!("crates/{name}/src/lib.rs"));
    let touched = std::fs::File::options().append(true).open(&entry);
    touched
        .and_then(|f| f.set_modified(std::time::SystemTime::now()))
        .map_err(|e| format!("{}: {e}", entry.display()))
}

/// CPU seconds of this process's children that have ended, and theirs: what a build costs whatever
/// else the machine is doing. `None` where the system does not say.
fn children_seconds() -> Option<f64> {
    /// Linux counts in these whatever its own clock is.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The fields after the name, which is in parentheses and may hold anything: the state is the
    // third of all, the children's user and system times are the 16th and 17th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i - 3)?.parse::<f64>().ok();
    Some((ticks(16)? + ticks(17)?) / TICKS)
}
