//! Printing for people and for tools.

use std::io::{IsTerminal, Write};

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

/// Prints a line on standard output. A reader that has seen enough ends the command quietly.
pub(crate) fn line(text: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a JSON value.
pub(crate) fn json_value(value: &Value) {
    line(format_args!("{value:#}"));
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
    let style = render::Style { color: colours(&std::io::stderr()) };
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

/// Text for standard error in a colour, if that is a terminal.
pub(crate) fn paint(text: &str, colour: Colour) -> String {
    painted(text, colour, colours(&std::io::stderr()))
}

/// Text for standard output in a colour, if that is a terminal.
pub(crate) fn paint_output(text: &str, colour: Colour) -> String {
    painted(text, colour, colours(&std::io::stdout()))
}

/// Whether a stream shows colours: a terminal, unless `NO_COLOR` is set.
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn painted(text: &str, colour: Colour, colours: bool) -> String {
    if !colours {
        return text.to_string();
    }
    let code = match colour {
        Colour::Red => 31,
        Colour::Yellow => 33,
        Colour::Cyan => 36,
    };
    format!("\x1b[1;{code}m{text}\x1b[0m")
}
