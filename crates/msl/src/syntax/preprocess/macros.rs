//! The table of macro definitions. Tables stack like source maps.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::raw::Raw;
use crate::diagnostic::Span;
use crate::syntax::symbol::Symbol;

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: Symbol,
    /// Where its name is defined.
    pub(super) definition: Span,
    pub(super) shape: Shape,
    pub(super) body: Box<[Raw]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    /// With parameters; if variadic, the last one takes the remaining arguments.
    Function {
        parameters: u32,
        variadic: bool,
    },
    BuiltIn(BuiltIn),
}

/// A macro that the preprocessor computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuiltIn {
    Line,
    File,
    Counter,
}

/// Number of a macro in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MacroId(pub(super) u32);

/// The macros in force.
#[derive(Debug, Default)]
pub struct Macros {
    below: Option<Arc<Macros>>,
    first: u32,
    macros: Vec<Macro>,
    /// What each name means in this layer; nothing if it is undefined here. Looked up, never
    /// iterated.
    names: FxHashMap<Symbol, Option<MacroId>>,
}

impl Macros {
    /// A table that continues `below`.
    pub fn on(below: Arc<Macros>) -> Self {
        let first = below.count();
        Self { below: Some(below), first, macros: Vec::new(), names: FxHashMap::default() }
    }

    /// Whether a macro of that name is defined.
    pub fn is_defined(&self, name: Symbol) -> bool {
        self.find(name).is_some()
    }

    /// Whether this table continues another.
    pub(super) fn is_layered(&self) -> bool {
        self.below.is_some()
    }

    /// How many definitions there were, undefined ones included.
    pub(super) fn count(&self) -> u32 {
        self.first + self.macros.len() as u32
    }

    pub(super) fn find(&self, name: Symbol) -> Option<MacroId> {
        match self.names.get(&name) {
            Some(meaning) => *meaning,
            None => self.below.as_ref()?.find(name),
        }
    }

    pub(super) fn get(&self, id: MacroId) -> &Macro {
        match &self.below {
            Some(below) if id.0 < self.first => below.get(id),
            _ => &self.macros[(id.0 - self.first) as usize],
        }
    }

    pub(super) fn define(&mut self, definition: Macro) -> MacroId {
        let id = MacroId(self.count());
        self.names.insert(definition.name, Some(id));
        self.macros.push(definition);
        id
    }

    pub(super) fn undefine(&mut self, name: Symbol) {
        self.names.insert(name, None);
    }
}
