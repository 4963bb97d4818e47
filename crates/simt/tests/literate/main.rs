//! Runs the literate kernel tests of `tests/kernels` (their format: its README.md), one test
//! per heading and schedule.

mod bytes;
mod case;
mod formula;
mod frontend;
mod run;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kernels");
    let mut trials = Vec::new();
    let mut files: Vec<_> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.filter_map(|entry| entry.ok()).map(|entry| entry.path()).collect(),
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    };
    files.retain(|path| path.extension().is_some_and(|ext| ext == "md"));
    files.retain(|path| path.file_stem().is_some_and(|stem| stem != "README"));
    files.sort();
    for path in files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let parsed = std::fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| case::parse_file(&text));
        match parsed {
            Ok(cases) => cases.into_iter().for_each(|case| add(&mut trials, &stem, case)),
            Err(error) => {
                trials.push(Trial::test(stem, move || Err(Failed::from(error))));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn add(trials: &mut Vec<Trial>, stem: &str, case: case::Case) {
    let wanted = case.launch.as_ref().and_then(|launch| launch.schedules.clone());
    let schedules: Vec<_> = run::SCHEDULES
        .iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|w| w == name)))
        // Without a launch, only the diagnostics are checked.
        .take(if case.launch.is_none() { 1 } else { 4 })
        .collect();
    for &&(name, schedule) in &schedules {
        let title = format!("{stem} :: {} :: {name}", case.heading);
        let case = case.clone();
        trials.push(Trial::test(title, move || run::run(&case, schedule).map_err(Failed::from)));
    }
}
