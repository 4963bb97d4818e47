//! What the compiler has to say about a program: data here, text in [`render`].
//!
//! A [`Diagnostic`] has a stable [`Code`], a terse message, labelled places, notes and help. A
//! place is a [`Span`], one 32-bit index into the [`SourceMap`], which knows files and macro
//! expansions; where a token came from a macro, rendering shows the user's own line first and the
//! macro's definition as a note.

mod code;
pub mod codes;
pub mod render;
mod report;
mod source;
mod suggest;

pub use code::Code;
pub use report::{Report, ReportNote, ReportPlace};
pub use source::{
    Expansion, File, FileId, Location, Origin, Place, Range, SourceMap, Span, Stretch,
};
pub use suggest::closest;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The program compiles, and probably does not mean what its author thinks.
    Warning,
    /// The program is not compiled.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// Whether it stops the compilation.
    pub severity: Severity,
    /// One terse sentence without a full stop, starting in lower case.
    pub message: String,
    /// Labelled places; the first is the primary one.
    pub labels: Vec<Label>,
    /// Further facts, with a place or without.
    pub notes: Vec<Note>,
    /// What the user could do.
    pub help: Vec<String>,
}

/// A place with a few words under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The underlined tokens.
    pub range: Range,
    /// The words; may be empty.
    pub text: String,
}

/// A further fact of a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The fact.
    pub message: String,
    /// Where it can be seen.
    pub range: Option<Range>,
}

impl Diagnostic {
    /// An error at `range`.
    pub fn error(code: Code, range: impl Into<Range>, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, range, message)
    }

    /// A warning at `range`.
    pub fn warning(code: Code, range: impl Into<Range>, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, range, message)
    }

    fn new(
        code: Code,
        severity: Severity,
        range: impl Into<Range>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            labels: vec![Label { range: range.into(), text: String::new() }],
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Sets the words under the primary place.
    #[must_use]
    pub fn at_label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = self.labels.first_mut() {
            primary.text = text.into();
        }
        self
    }

    /// Adds a labelled place.
    #[must_use]
    pub fn label(mut self, range: impl Into<Range>, text: impl Into<String>) -> Self {
        self.labels.push(Label { range: range.into(), text: text.into() });
        self
    }

    /// Adds a fact without a place.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>) -> Self {
        self.notes.push(Note { message: message.into(), range: None });
        self
    }

    /// Adds a fact that can be seen at `range`.
    #[must_use]
    pub fn note_at(mut self, range: impl Into<Range>, message: impl Into<String>) -> Self {
        self.notes.push(Note { message: message.into(), range: Some(range.into()) });
        self
    }

    /// Adds what the user could do.
    #[must_use]
    pub fn help(mut self, message: impl Into<String>) -> Self {
        self.help.push(message.into());
        self
    }

    /// Where the diagnostic points first.
    pub fn primary(&self) -> Range {
        self.labels.first().map_or(Range::from(Span::NONE), |label| label.range)
    }
}
