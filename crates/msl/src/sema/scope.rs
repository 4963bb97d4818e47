//! Scopes: where names are declared, as a tree that functions, classes and instances share.

use crate::sema::hir::{LocalId, Value};
use crate::sema::types::{ClassId, Qt};
use crate::sema::{Sema, TArg};
use crate::syntax::index::FrameId;
use crate::syntax::symbol::Symbol;

/// Number of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ScopeId(pub u32);

/// A scope.
#[derive(Debug)]
pub(super) struct Scope {
    /// The scope around it.
    pub parent: Option<ScopeId>,
    /// What declares names here.
    pub kind: ScopeKind,
    /// Names declared one by one.
    pub names: Vec<(Symbol, Binding)>,
    /// Namespaces that a `using namespace` made visible here.
    pub usings: Vec<FrameId>,
}

/// Kinds of scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScopeKind {
    /// A namespace: names come from the index.
    Namespace(FrameId),
    /// A class: names come from its members.
    Class(ClassId),
    /// Template parameters, function parameters, blocks.
    Block,
}

/// What a name in a block stands for.
#[derive(Debug, Clone)]
pub(super) enum Binding {
    /// A template argument, a type alias or a last resort.
    Arg(TArg),
    /// A local variable.
    Local(LocalId),
    /// A constant without storage.
    Constant(Value, Qt),
    /// A captured variable: a field of the lambda's class; a reference if set.
    Capture(ClassId, u32, bool),
    /// A function parameter pack, or a pack of anything else.
    Pack(Vec<Binding>),
    /// Declarations elsewhere.
    Using(ScopeId, Symbol),
}

impl Sema<'_> {
    pub(super) fn add_scope(&mut self, parent: Option<ScopeId>, kind: ScopeKind) -> ScopeId {
        self.scopes.push(Scope { parent, kind, names: Vec::new(), usings: Vec::new() });
        ScopeId(self.scopes.len() as u32 - 1)
    }

    pub(super) fn block_scope(&mut self, parent: ScopeId) -> ScopeId {
        self.add_scope(Some(parent), ScopeKind::Block)
    }

    pub(super) fn scope(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.0 as usize]
    }

    pub(super) fn bind(&mut self, scope: ScopeId, name: Symbol, binding: Binding) {
        self.scopes[scope.0 as usize].names.push((name, binding));
    }
}
