//! Stable names of diagnostics.

use std::fmt;

/// The identity of a kind of diagnostic: `M` and four digits, a short name, and a page of text for
/// `anymetal explain`.
///
/// Codes are listed in [`super::codes`]. A code's number and name never change once released.
#[derive(Clone, Copy)]
pub struct Code {
    /// The number after the `M`.
    pub id: u16,
    /// The name, in kebab case.
    pub name: &'static str,
    /// The explanation, as Markdown.
    pub page: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "M{:04}", self.id)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {}", self.name)
    }
}
