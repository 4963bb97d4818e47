//! Diagnostics as plain data, with places resolved: what renderers and tools read.

use super::{Diagnostic, Location, Place, Range, Severity, SourceMap, Stretch};
use crate::syntax::symbol::Interner;

/// Macro uses shown for one diagnostic; deeper ones only repeat the picture.
const MAX_MACRO_NOTES: usize = 6;

/// A diagnostic whose spans have become files, lines and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `M` and four digits.
    pub code: String,
    /// The code's name.
    pub name: &'static str,
    /// Whether it stops the compilation.
    pub severity: Severity,
    /// The finding in one sentence.
    pub message: String,
    /// Labelled places; the first is the primary one. May be empty.
    pub places: Vec<ReportPlace>,
    /// Further facts, the macros involved included.
    pub notes: Vec<ReportNote>,
    /// What the user could do.
    pub help: Vec<String>,
}

/// A stretch of a text with a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPlace {
    /// Where it begins.
    pub start: Place,
    /// Where it ends; the column is one past the last character.
    pub end: Place,
    /// The bytes.
    pub stretch: Stretch,
    /// The words; may be empty.
    pub text: String,
}

/// A further fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportNote {
    /// The fact.
    pub message: String,
    /// Where it can be seen.
    pub place: Option<ReportPlace>,
}

impl Report {
    /// Resolves the places of a diagnostic.
    pub fn new(diagnostic: &Diagnostic, map: &SourceMap, names: &Interner) -> Report {
        let labels = diagnostic.labels.iter();
        let mut notes: Vec<ReportNote> = Vec::new();
        let uses = map.backtrace(diagnostic.primary().first);
        for (at, (expansion, body)) in uses.into_iter().take(MAX_MACRO_NOTES).enumerate() {
            let name = names.text(expansion.name);
            let message = match at {
                0 => format!("the text is in macro `{name}`"),
                _ => format!("which is used in macro `{name}`"),
            };
            notes.push(ReportNote { message, place: place(map, body.into(), "") });
        }
        notes.extend(diagnostic.notes.iter().map(|note| ReportNote {
            message: note.message.clone(),
            place: note.range.and_then(|range| place(map, range, "")),
        }));
        Report {
            code: diagnostic.code.to_string(),
            name: diagnostic.code.name,
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            places: labels.filter_map(|label| place(map, label.range, &label.text)).collect(),
            notes,
            help: diagnostic.help.clone(),
        }
    }
}

fn place(map: &SourceMap, range: Range, text: &str) -> Option<ReportPlace> {
    let stretch = map.stretch(range)?;
    let at = |offset| map.place_of(Location { file: stretch.file, offset });
    Some(ReportPlace {
        start: at(stretch.start),
        end: at(stretch.end),
        stretch,
        text: text.to_owned(),
    })
}
