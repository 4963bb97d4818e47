//! Where tokens come from: files and macro expansions, addressed by one 32-bit number.
//!
//! Invariants: a file's positions are consecutive and no other file shares them; an expanded
//! token's spelling and call site are spans made before it, so walking from a span towards the
//! user's text always ends. Maps stack: one started on a frozen map numbers on from its end.

use std::sync::{Arc, OnceLock};

use crate::syntax::lex::{self, Lexeme};
use crate::syntax::symbol::Symbol;

/// The place of one token: a position in a file, or a token of a macro expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u32);

/// Set in spans of tokens that a macro expansion produced; the other bits index them.
const EXPANDED: u32 = 1 << 31;

impl Span {
    /// No place: what has no source, such as a launch parameter that the compiler made up.
    pub const NONE: Span = Span(0);

    /// Whether there is a place.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Whether a macro expansion produced the token.
    pub fn is_expanded(self) -> bool {
        self.0 & EXPANDED != 0
    }

    /// From this token up to and including `last`.
    pub fn to(self, last: Span) -> Range {
        Range { first: self, last }
    }

    /// The number itself, for side tables.
    pub fn index(self) -> u32 {
        self.0
    }

    /// The span with that number.
    pub fn from_index(index: u32) -> Span {
        Span(index)
    }
}

/// From one token up to and including another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Range {
    /// The first token.
    pub first: Span,
    /// The last token, included.
    pub last: Span,
}

impl From<Span> for Range {
    fn from(span: Span) -> Self {
        Range { first: span, last: span }
    }
}

/// Number of a file in its map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The body of a kernel, or a whole `.metal` file: the user's.
    Source,
    /// A header: the user's.
    Header,
    /// The library that comes with the compiler.
    Prelude,
    /// Text made for this compilation, such as a kernel's signature or a `-D` definition.
    Generated,
}

/// A text and its name.
#[derive(Debug)]
pub struct File {
    /// Shown in diagnostics.
    pub name: Arc<str>,
    /// Who wrote it.
    pub origin: Origin,
    /// The text itself.
    pub text: Arc<str>,
    start: u32,
    line_starts: OnceLock<Vec<u32>>,
}

impl File {
    /// Zero-based line and byte column of a byte offset.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let starts = self.line_starts();
        let line = starts.partition_point(|&start| start <= offset).saturating_sub(1);
        (line as u32, offset - starts[line])
    }

    /// Byte offset of every line's first byte. The first entry is 0.
    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect()
        })
    }
}

/// A byte position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file.
    pub file: FileId,
    /// The byte offset in its text.
    pub offset: u32,
}

/// A place as people write it: file name, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: Arc<str>,
    /// Who wrote the file.
    pub origin: Origin,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Consecutive bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One use of a macro.
#[derive(Debug, Clone, Copy)]
pub struct Expansion {
    /// The macro's name.
    pub name: Symbol,
    /// Where it was used: its name, up to the closing parenthesis.
    pub call: Range,
    /// The name in its definition, or [`Span::NONE`] for a built-in macro.
    pub definition: Span,
}

/// A token of an expansion.
#[derive(Debug, Clone, Copy)]
struct Expanded {
    /// Where the token is written: in the macro's body, or in an argument.
    spelling: Span,
    /// Its expansion's number times two, plus one if an argument of the use provided the token.
    expansion: u32,
}

impl Expanded {
    fn is_argument(self) -> bool {
        self.expansion & 1 == 1
    }
}

/// All sources and expansions of a compilation.
#[derive(Debug, Default)]
pub struct SourceMap {
    below: Option<Arc<SourceMap>>,
    /// Counts that `below` holds; what this map holds follows them.
    first_file: u32,
    first_position: u32,
    first_expanded: u32,
    first_expansion: u32,
    files: Vec<File>,
    expanded: Vec<Expanded>,
    expansions: Vec<Expansion>,
}

impl SourceMap {
    /// A map that continues `below`.
    pub fn on(below: Arc<SourceMap>) -> Self {
        Self {
            first_file: below.first_file + below.files.len() as u32,
            first_position: below.end_position(),
            first_expanded: below.first_expanded + below.expanded.len() as u32,
            first_expansion: below.first_expansion + below.expansions.len() as u32,
            below: Some(below),
            ..Self::default()
        }
    }

    /// Adds a text. Texts that would take the map past 1 GiB are cut off at the last character
    /// that fits; the preprocessor's limits are far below.
    pub fn add_file(&mut self, name: &str, origin: Origin, text: impl Into<Arc<str>>) -> FileId {
        const MAX_POSITION: u32 = 1 << 30;
        let mut text: Arc<str> = text.into();
        let start = self.end_position();
        let room = MAX_POSITION.saturating_sub(start) as usize;
        if text.len() > room {
            let cut = (0..=room).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text = text[..cut].into();
        }
        self.files.push(File {
            name: name.into(),
            origin,
            text,
            start,
            line_starts: OnceLock::new(),
        });
        FileId(self.first_file + self.files.len() as u32 - 1)
    }

    /// The file with that number. Numbers come from [`SourceMap::add_file`] of this map or one
    /// below it.
    pub fn file(&self, id: FileId) -> &File {
        match &self.below {
            Some(below) if id.0 < self.first_file => below.file(id),
            _ => &self.files[(id.0 - self.first_file) as usize],
        }
    }

    /// The span of a byte of a file (its length is allowed: the end of the text).
    pub fn span(&self, location: Location) -> Span {
        Span(self.file(location.file).start + location.offset)
    }

    /// Adds an expansion; its tokens follow with [`SourceMap::add_expanded`].
    pub(crate) fn add_expansion(&mut self, expansion: Expansion) -> u32 {
        self.expansions.push(expansion);
        self.first_expansion + self.expansions.len() as u32 - 1
    }

    /// The span of a further token of an expansion, spelled at `spelling`, which is in an argument
    /// of the use or else in the macro's body.
    pub(crate) fn add_expanded(
        &mut self,
        spelling: Span,
        expansion: u32,
        is_argument: bool,
    ) -> Span {
        let expansion = expansion << 1 | u32::from(is_argument);
        self.expanded.push(Expanded { spelling, expansion });
        Span((self.first_expanded + self.expanded.len() as u32 - 1) | EXPANDED)
    }

    /// The expansion that produced a token, if any.
    pub fn expansion(&self, span: Span) -> Option<&Expansion> {
        self.expanded(span).map(|token| self.expansion_entry(token.expansion >> 1))
    }

    /// Where the token's text stands: in the user's text, or in a macro's body.
    pub fn spelling(&self, mut span: Span) -> Span {
        while let Some(token) = self.expanded(span) {
            span = token.spelling;
        }
        span
    }

    /// The place in a file to show the user: the token itself, or the outermost macro use that
    /// produced it. A token passed as a macro's argument is shown where it was written.
    pub fn shown(&self, mut span: Span) -> Span {
        while let Some(token) = self.expanded(span) {
            span = match token.is_argument() {
                true => token.spelling,
                false => self.expansion_entry(token.expansion >> 1).call.first,
            };
        }
        span
    }

    /// The macro uses that produced a token, innermost first, each with the place in the macro's
    /// body that is meant. Uses that merely passed it through as an argument are left out.
    pub fn backtrace(&self, mut span: Span) -> Vec<(Expansion, Span)> {
        let mut uses = Vec::new();
        while let Some(token) = self.expanded(span) {
            span = match token.is_argument() {
                true => token.spelling,
                false => {
                    let expansion = self.expansion_entry(token.expansion >> 1);
                    uses.push((*expansion, self.spelling(token.spelling)));
                    expansion.call.first
                }
            };
        }
        uses
    }

    /// The stretch of one file to show for a range: its bytes, whole tokens. Nothing if the range
    /// has no place in a text.
    pub fn stretch(&self, range: Range) -> Option<Stretch> {
        let start = self.locate(self.shown(range.first))?;
        let mut last = range.last;
        while let Some(token) = self.expanded(last) {
            last = match token.is_argument() {
                true => token.spelling,
                false => self.expansion_entry(token.expansion >> 1).call.last,
            };
        }
        let last = self.locate(last).filter(|last| last.file == start.file);
        let end = last.map_or(0, |last| self.token_end(last));
        let end = if end > start.offset { end } else { self.token_end(start) };
        Some(Stretch { file: start.file, start: start.offset, end })
    }

    /// Past the token that begins at a location.
    fn token_end(&self, location: Location) -> u32 {
        let text = &self.file(location.file).text;
        let scan = lex::scan(text, location.offset);
        match scan.lexeme {
            Lexeme::Newline | Lexeme::End => location.offset,
            _ if scan.start > location.offset => location.offset,
            _ => scan.end,
        }
    }

    /// The file position of a span that [`SourceMap::shown`] or [`SourceMap::spelling`] returned.
    /// Nothing for [`Span::NONE`] and for spans of expansions.
    pub fn locate(&self, span: Span) -> Option<Location> {
        if !span.is_some() || span.is_expanded() {
            return None;
        }
        if span.0 < self.first_position {
            return self.below.as_ref()?.locate(span);
        }
        let index = self.files.partition_point(|file| file.start <= span.0).checked_sub(1)?;
        let file = &self.files[index];
        let offset = span.0 - file.start;
        let id = FileId(self.first_file + index as u32);
        (offset as usize <= file.text.len()).then_some(Location { file: id, offset })
    }

    /// File, line and column to show for a span.
    pub fn place(&self, span: Span) -> Option<Place> {
        self.locate(self.shown(span)).map(|location| self.place_of(location))
    }

    /// File, line and column of a location.
    pub fn place_of(&self, location: Location) -> Place {
        let file = self.file(location.file);
        let (line, column) = file.line_column(location.offset);
        let start = (location.offset - column) as usize;
        let before = file.text.get(start..location.offset as usize).unwrap_or_default();
        Place {
            file: file.name.clone(),
            origin: file.origin,
            line: line + 1,
            column: before.chars().count() as u32 + 1,
        }
    }

    /// One past the last position of the last file. Position 0 is [`Span::NONE`].
    fn end_position(&self) -> u32 {
        self.files
            .last()
            .map_or(self.first_position.max(1), |file| file.start + file.text.len() as u32 + 1)
    }

    fn expanded(&self, span: Span) -> Option<Expanded> {
        if !span.is_expanded() {
            return None;
        }
        let index = span.0 & !EXPANDED;
        match &self.below {
            Some(below) if index < self.first_expanded => below.expanded(span),
            _ => self.expanded.get((index - self.first_expanded) as usize).copied(),
        }
    }

    fn expansion_entry(&self, index: u32) -> &Expansion {
        match &self.below {
            Some(below) if index < self.first_expansion => below.expansion_entry(index),
            _ => &self.expansions[(index - self.first_expansion) as usize],
        }
    }
}
