//! Tokens inside the preprocessor: spelled, not yet evaluated.

use crate::diagnostic::Span;
use crate::syntax::punct::Punct;
use crate::syntax::symbol::Symbol;

/// A token before literals are evaluated. 16 bytes, copied freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) kind: RawKind,
    /// Whether blanks stand before it.
    pub(super) space: bool,
    /// A macro's name met while that macro was being expanded: never expanded again.
    pub(super) painted: bool,
    /// The spelling of names, literals and stray characters; the index of a parameter.
    pub(super) symbol: Symbol,
    pub(super) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawKind {
    Identifier,
    Number,
    Str,
    Char,
    Punct(Punct),
    Stray,
    /// In a macro's body: a parameter.
    Parameter,
    /// In a variadic macro's body: `__VA_OPT__`.
    VaOpt,
    /// An empty argument next to `##`.
    Placemarker,
    Newline,
    /// The end of the text, or of the list being expanded.
    End,
}

impl Raw {
    pub(super) fn is(self, punct: Punct) -> bool {
        self.kind == RawKind::Punct(punct)
    }

    /// Whether a directive's line ends here.
    pub(super) fn ends_line(self) -> bool {
        matches!(self.kind, RawKind::Newline | RawKind::End)
    }
}
