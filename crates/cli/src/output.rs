//! Printing for people and for tools.

use std::io::IsTerminal;

use anymetal_msl::diagnostic::{Report, ReportPlace, Severity, SourceMap, render};
use serde_json::{Value, json};

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON value.
    Json,
}

/// Prints a JSON value.
pub(crate) fn json_value(value: &Value) {
    println!("{value:#}");
}

/// Prints an error of the command itself.
pub(crate) fn failure(error: &anyhow::Error, format: Format) {
    match format {
        Format::Human => eprintln!("{} {error:#}", paint("error:", Colour::Red)),
        Format::Json => json_value(&json!({ "error": format!("{error:#}") })),
    }
}

/// Prints diagnostics for people, on standard error.
pub(crate) fn diagnostics(reports: &[Report], map: &SourceMap) {
    let style = render::Style { color: std::io::stderr().is_terminal() };
    for report in reports {
        eprintln!("{}\n", render::render(report, map, style));
    }
}

/// Diagnostics as JSON.
pub(crate) fn diagnostics_json(reports: &[Report]) -> Value {
    let place = |place: &ReportPlace| {
        json!({
            "file": &*place.start.file,
            "line": place.start.line,
            "column": place.start.column,
            "end_line": place.end.line,
            "end_column": place.end.column,
            "text": place.text,
        })
    };
    let report = |report: &Report| {
        let notes = report.notes.iter().map(
            |note| json!({ "message": note.message, "place": note.place.as_ref().map(place) }),
        );
        json!({
            "code": report.code,
            "name": report.name,
            "severity": match report.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": report.message,
            "places": report.places.iter().map(place).collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
            "help": report.help,
        })
    };
    reports.iter().map(report).collect()
}

/// Colours for the terminal.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    /// Errors.
    Red,
    /// Warnings.
    Yellow,
    /// Names.
    Cyan,
}

/// Text in a colour, if standard error is a terminal.
pub(crate) fn paint(text: &str, colour: Colour) -> String {
    if !std::io::stderr().is_terminal() {
        return text.to_string();
    }
    let code = match colour {
        Colour::Red => 31,
        Colour::Yellow => 33,
        Colour::Cyan => 36,
    };
    format!("\x1b[1;{code}m{text}\x1b[0m")
}
