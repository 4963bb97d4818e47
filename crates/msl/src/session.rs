//! What one compilation accumulates: sources, names, macros, diagnostics.
//!
//! Invariant: a session started on a [`Frozen`] one only adds. Spans, symbols and macros of the
//! frozen layer keep their values and meaning in it, so frozen trees need no translation.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, FileId, Origin, Severity, SourceMap};
use crate::syntax::preprocess::Macros;
use crate::syntax::symbol::{Interner, Symbol};

/// More diagnostics than this are counted and dropped: nobody reads them, and a hostile input
/// could otherwise fill the memory with them.
const MAX_DIAGNOSTICS: usize = 200;

/// The mutable state of one compilation.
#[derive(Debug, Default)]
pub struct Session {
    /// Every source text and macro expansion.
    pub map: SourceMap,
    /// Interned identifiers and literal spellings.
    pub names: Interner,
    /// Macro definitions in force.
    pub macros: Macros,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
}

/// A session that ended, to be shared by those started on top of it.
#[derive(Debug)]
pub struct Frozen {
    map: Arc<SourceMap>,
    names: Arc<Interner>,
    macros: Arc<Macros>,
}

impl Session {
    /// An empty session.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session that sees everything in `frozen` and adds on top of it, at a constant cost.
    pub fn on(frozen: &Frozen) -> Self {
        Self {
            map: SourceMap::on(frozen.map.clone()),
            names: Interner::on(frozen.names.clone()),
            macros: Macros::on(frozen.macros.clone()),
            diagnostics: Vec::new(),
            errors: 0,
        }
    }

    /// Ends the session, so that others can start from its sources, names and macros. Its
    /// diagnostics are dropped: look at them first.
    pub fn freeze(self) -> Frozen {
        Frozen {
            map: Arc::new(self.map),
            names: Arc::new(self.names),
            macros: Arc::new(self.macros),
        }
    }

    /// Adds a source text; see [`SourceMap::add_file`].
    pub fn add_file(&mut self, name: &str, origin: Origin, text: impl Into<Arc<str>>) -> FileId {
        self.map.add_file(name, origin, text)
    }

    /// The symbol of `text`.
    pub fn intern(&mut self, text: &str) -> Symbol {
        self.names.intern(text)
    }

    /// The spelling of `symbol`.
    pub fn text(&self, symbol: Symbol) -> &str {
        self.names.text(symbol)
    }

    /// Records a diagnostic. An exact repetition (same code, place and message) is dropped, as
    /// template instantiations and macro expansions produce many.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        let repeated = |other: &Diagnostic| {
            other.code.id == diagnostic.code.id
                && other.message == diagnostic.message
                && other.labels == diagnostic.labels
        };
        if self.diagnostics.len() < MAX_DIAGNOSTICS && !self.diagnostics.iter().any(repeated) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// What was reported so far, in order.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Takes the diagnostics out. [`Session::error_count`] keeps its value.
    pub fn take_diagnostics(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.diagnostics)
    }

    /// How many errors were reported, dropped repetitions included.
    pub fn error_count(&self) -> usize {
        self.errors
    }
}
