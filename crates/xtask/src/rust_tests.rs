//! Runs libtest binaries and learns what each test took.
//!
//! Stable libtest reports no times. With one test thread it finishes a line per test, so the time
//! between two lines is one test's own; to keep every core busy the tests of a binary are dealt
//! out to as many processes as there are cores.

use crate::python::read;
use crate::step;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A built test binary.
pub(crate) struct Binary {
    pub(crate) executable: PathBuf,
    /// The folder of its package, where cargo would run it.
    folder: PathBuf,
    /// The name of the binary without cargo's hash.
    label: String,
}

/// What a set of tests came to.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) times: Vec<(Duration, String)>,
}

/// What `cargo test --no-run` built.
#[derive(Default)]
pub(crate) struct Built {
    pub(crate) binaries: Vec<Binary>,
    /// The example `parity`.
    pub(crate) parity: Option<PathBuf>,
    /// The `anymetal` command.
    pub(crate) command: Option<PathBuf>,
}

/// Builds the test binaries and what tests in other languages drive.
pub(crate) fn build(root: &Path) -> Result<Built, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args([
        "test",
        "--workspace",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    let outcome = step::run("build the tests", &mut cargo, false)?;
    if !outcome.success {
        return Err("the tests do not build".into());
    }
    let mut built = Built::default();
    for line in outcome.output.lines().filter(|l| l.contains("\"compiler-artifact\"")) {
        let Some(executable) = field(line, "executable") else { continue };
        let executable = PathBuf::from(executable);
        let stem = executable.file_stem().map(|s| s.to_string_lossy().into_owned());
        let stem = stem.unwrap_or_default();
        // Targets that have tests say so too; whether this is their test binary, the profile says.
        let profile = line.split_once("\"profile\":").map_or("", |(_, rest)| rest);
        if profile.contains("\"test\":true}") {
            let manifest = PathBuf::from(field(line, "manifest_path").unwrap_or_default());
            let folder = manifest.parent().unwrap_or(root).to_path_buf();
            let label = stem.rsplit_once('-').map_or(stem.as_str(), |(name, _)| name).to_string();
            built.binaries.push(Binary { executable, folder, label });
        } else if line.contains("\"kind\":[\"example\"]") && stem == "parity" {
            built.parity = Some(executable);
        } else if line.contains("\"kind\":[\"bin\"]") && stem == "anymetal" {
            built.command = Some(executable);
        }
    }
    Ok(built)
}

/// The text value of `key` in a line of cargo's JSON.
fn field(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("\"{key}\":\""))?;
    Some(rest.split_once('"')?.0.replace("\\\\", "\\"))
}

/// A share of a binary's tests.
struct Shard<'a> {
    binary: &'a Binary,
    tests: Vec<String>,
    /// Whether these are all of the binary's.
    whole: bool,
}

/// Runs every test of every binary, printing failures whole.
pub(crate) fn run(binaries: &[Binary], full: bool) -> Result<Totals, String> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut shards = VecDeque::new();
    for binary in binaries {
        let tests = list(binary)?;
        if tests.iter().any(|name| name.contains(' ')) {
            // Cases of a harness of its own, which takes no list of names.
            shards.push_back(Shard { binary, tests, whole: true });
            continue;
        }
        let size = tests.len().div_ceil(cores).max(1);
        // Dealt like cards: neighbours tend to take alike.
        let dealt = (0..tests.len().div_ceil(size)).map(|hand| {
            let tests = tests.iter().skip(hand).step_by(tests.len().div_ceil(size));
            Shard { binary, tests: tests.cloned().collect(), whole: false }
        });
        shards.extend(dealt);
    }
    let count: usize = shards.iter().map(|s| s.tests.len()).sum();
    let seed = seed();
    println!("== {count} Rust tests, {cores} at a time, ANYMETAL_TEST_SEED={seed}");
    let (shards, totals) = (Mutex::new(shards), Mutex::new(Totals::default()));
    let (last, over, start) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    let next = || shards.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        let pulse = scope.spawn(|| step::heartbeat(start, &last, &over));
        let work = || {
            while let Some(shard) = next() {
                let result = run_shard(&shard, full, seed);
                last.store(start.elapsed().as_millis() as u64, Relaxed);
                if let Ok(mut totals) = totals.lock() {
                    totals.add(result);
                }
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let fine = workers.into_iter().all(|w| w.join().is_ok());
        over.store(true, Relaxed);
        pulse.thread().unpark();
        if fine { Ok(()) } else { Err("a worker panicked".to_string()) }
    })?;
    totals.into_inner().map_err(|e| e.to_string())
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.times.extend(other.times);
    }

    /// The slowest tests, longest first.
    pub(crate) fn slowest(&mut self, count: usize) -> &[(Duration, String)] {
        self.times.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        &self.times[..count.min(self.times.len())]
    }
}

fn list(binary: &Binary) -> Result<Vec<String>, String> {
    let mut command = Command::new(&binary.executable);
    let output = command.args(["--list", "--format", "terse"]).current_dir(&binary.folder).output();
    let output = output.map_err(|e| format!("{}: {e}", binary.label))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|l| l.strip_suffix(": test")).map(str::to_string).collect())
}

/// The seed of this run's random tests: given, or another one each time.
fn seed() -> u64 {
    let given = std::env::var("ANYMETAL_TEST_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32)
}

fn run_shard(shard: &Shard, full: bool, seed: u64) -> Totals {
    let mut totals = Totals::default();
    let mut command = Command::new(&shard.binary.executable);
    command.current_dir(&shard.binary.folder).arg("--test-threads=1");
    if !shard.whole {
        command.arg("--exact").args(&shard.tests);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("ANYMETAL_TEST_SEED", seed.to_string());
    if full {
        command.env("ANYMETAL_TEST_FULL", "1");
    }
    let label = &shard.binary.label;
    let mut everything = String::new();
    let mut last = Instant::now();
    let status = command.spawn().and_then(|mut child| {
        let errors = child.stderr.take();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.map(|mut e| e.read_to_string(&mut text));
            text
        });
        for line in child.stdout.take().into_iter().flat_map(|o| BufReader::new(o).lines()) {
            let line = line?;
            if let Some((name, result)) = result_of(&line) {
                totals.times.push((last.elapsed(), format!("{label} {name}")));
                last = Instant::now();
                *(if result { &mut totals.passed } else { &mut totals.failed }) += 1;
            }
            everything += &line;
            everything.push('\n');
        }
        everything += &errors.join().unwrap_or_default();
        child.wait()
    });
    let unheard = shard.tests.len() - (totals.passed + totals.failed).min(shard.tests.len());
    let broken = !status.as_ref().is_ok_and(|s| s.success());
    if unheard > 0 || broken {
        // A crash takes the rest of the shard with it; none of those passed.
        totals.failed += unheard;
        println!("{label}: {status:?}, {unheard} tests without a result\n{everything}");
    }
    totals
}

/// The name and success of a line such as `test module::name ... ok`.
fn result_of(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match result {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

/// The counts of every `test result:` line of a whole `cargo test`.
pub(crate) fn counts(output: &str) -> Totals {
    let number = |line: &str, word: &str| -> usize {
        let words: Vec<&str> = line.split([' ', ';']).collect();
        let at = words.iter().position(|w| *w == word);
        at.and_then(|i| words.get(i.wrapping_sub(1))?.parse().ok()).unwrap_or(0)
    };
    let mut totals = Totals::default();
    for line in output.lines().filter(|l| l.starts_with("test result:")) {
        totals.passed += number(line, "passed");
        totals.failed += number(line, "failed");
    }
    totals
}

/// The counts of pytest's last line, such as `== 2 failed, 40 passed in 1.2s ==`.
pub(crate) fn pytest_counts(report: &Path) -> Result<Totals, String> {
    // The report is JUnit's XML, where the suite's attributes hold the counts.
    let text = read(report)?;
    let attribute = |name: &str| -> usize {
        let value = text.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest.split('"').next());
        value.flatten().and_then(|v| v.parse().ok()).unwrap_or(0)
    };
    let failed = attribute("failures") + attribute("errors");
    Ok(Totals { passed: attribute("tests") - failed, failed, times: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_read() {
        assert_eq!(result_of("test a::b ... ok"), Some(("a::b", true)));
        assert_eq!(
            result_of("test a::b - should panic ... ok"),
            Some(("a::b - should panic", true))
        );
        assert_eq!(result_of("test a ... FAILED"), Some(("a", false)));
        assert_eq!(result_of("running 3 tests"), None);
        let totals = counts("x\ntest result: ok. 12 passed; 3 failed; 0 ignored; finished\n");
        assert_eq!((totals.passed, totals.failed), (12, 3));
    }

    #[test]
    fn artifact_fields_are_read() {
        let line = r#"{"reason":"compiler-artifact","executable":"/t/a-1","fresh":true}"#;
        assert_eq!(field(line, "executable").as_deref(), Some("/t/a-1"));
        assert_eq!(field(line, "manifest_path"), None);
    }
}
