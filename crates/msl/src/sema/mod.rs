//! From trees to typed functions: names, types, templates, overloads, constants.
//!
//! Everything is lazy: a name is resolved to a declaration when somebody uses it, a class is
//! instantiated when it must be complete, a body is parsed and analysed when something calls the
//! function. What a compilation makes of shared trees is its own; the trees never change.
//!
//! Errors: operations return [`Res`]; `Err(Reported)` means that a diagnostic exists, or, while
//! substitution is only being tried ([`Sema::silent`]), that it failed.

mod call;
mod class;
mod consteval;
mod convert;
mod deduce;
mod expr;
mod function;
pub mod hir;
mod init;
mod kernel;
mod lambda;
mod library;
mod lookup;
mod operator;
mod overload;
mod scope;
mod special;
mod stmt;
mod string;
mod template;
pub mod traits;
mod typename;
pub mod types;

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use self::class::{Class, Field};
use self::function::FnCtx;
pub use self::function::{FnInst, Global, GlobalKind};
use self::hir::{FnId, GlobalId};
pub use self::kernel::{KernelInst, Parameter, Role};
use self::scope::{Scope, ScopeId};
use self::types::{ClassId, EnumId, Qt, Ty, Types};
use crate::Session;
use crate::diagnostic::{Code, Diagnostic, Range, Span, codes::sema as codes};
use crate::syntax::index::{FrameId, Index};
use crate::syntax::symbol::Symbol;
use crate::syntax::token::Token;
use crate::syntax::tree;

/// A diagnostic exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported;

/// A result whose error was reported.
pub type Res<T> = Result<T, Reported>;

/// How deep instantiations may nest.
const MAX_INSTANTIATION_DEPTH: usize = 200;
/// How many functions and classes a compilation may instantiate.
const MAX_INSTANCES: usize = 20_000;

/// A template argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TArg {
    /// A type.
    Type(Qt),
    /// The bits of a scalar, and its type.
    Value(u64, Ty),
    /// A function.
    Function(FnId),
    /// A name of several functions or a template: the parameter's type will choose.
    Overloads(u32),
    /// A template.
    Template(TemplateRef),
    /// A pack.
    Pack(Vec<TArg>),
}

/// A class or alias template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemplateRef {
    /// Declared in source.
    Source(u32),
    /// Known to the compiler.
    Builtin(BuiltinTemplate),
}

/// Class templates that the compiler knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BuiltinTemplate {
    Vec,
    PackedVec,
    Matrix,
    Atomic,
    SimdMatrix,
    /// A type trait, by its place in the table of traits.
    Trait(u8),
}

/// Everything a compilation knows.
pub struct Sema<'a> {
    /// Sources, names and diagnostics.
    pub session: &'a mut Session,
    index: Arc<Index>,
    /// Token buffers by unit number.
    units: Vec<Arc<[Token]>>,
    /// The topmost frame of each namespace that was reopened.
    tops: FxHashMap<FrameId, FrameId>,
    /// The types.
    pub types: Types,
    scopes: Vec<Scope>,
    frame_scopes: FxHashMap<FrameId, ScopeId>,
    /// Classes by number.
    pub classes: Vec<Class>,
    class_index: FxHashMap<(usize, ScopeId, Vec<TArg>), ClassId>,
    enum_index: FxHashMap<(usize, ScopeId), EnumId>,
    enum_values: Vec<Vec<(Symbol, u64)>>,
    enum_scopes: Vec<ScopeId>,
    templates: Vec<template::ClassTemplate>,
    template_index: FxHashMap<(ScopeId, Symbol), u32>,
    /// Members of class templates that are defined for certain arguments, by the class's name.
    special_members: Option<special::Members>,
    instance_index: FxHashMap<(u32, Vec<TArg>), Qt>,
    /// Function instances by number.
    pub fns: Vec<FnInst>,
    fn_index: FxHashMap<(usize, ScopeId, Vec<TArg>, Option<Qt>), FnId>,
    sig_index: FxHashMap<(usize, ScopeId), Rc<function::Sig>>,
    /// Program-scope variables by number.
    pub globals: Vec<Global>,
    global_index: FxHashMap<(usize, ScopeId, Vec<TArg>), GlobalId>,
    fx: FnCtx,
    /// Kernels found.
    pub kernels: Vec<KernelInst>,
    /// Above zero, errors are not reported but make substitution fail.
    silent: u32,
    silent_message: Option<String>,
    /// What is being instantiated.
    path: Vec<(String, Range)>,
    last_resort: FxHashMap<Symbol, TArg>,
    words: Words,
    steps: u64,
    /// Functions called, in order.
    used: Vec<FnId>,
    /// Aliases being resolved.
    aliasing: Vec<usize>,
    /// Number of the last opaque type.
    opaque: u32,
    /// A conversion through a class is being tried: it may not contain another.
    in_user_conversion: bool,
    /// Explicit constructors and conversions may be used.
    explicit_allowed: bool,
    /// Stores into shared temporaries that the expression being built still has to make.
    pending: Vec<(hir::LocalId, hir::Expr)>,
    /// Functions that the type of a template parameter has still to choose from.
    overloads: Vec<(Vec<lookup::Candidate>, Vec<TArg>)>,
    /// Function constants by index.
    pub function_constants: FxHashMap<u64, FunctionConstant>,
    /// Whether multiply and add may be contracted where no pragma says otherwise.
    pub contract: bool,
}

/// The value of a function constant: the bits of its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FunctionConstant {
    /// Truth value.
    Bool(bool),
    /// Any integer.
    Int(i64),
    /// Any float.
    Float(f64),
}

/// Names that mean something to the compiler.
struct Words {
    metal: Symbol,
}

impl<'a> Sema<'a> {
    /// An analysis of the declarations in `index`.
    pub fn new(
        session: &'a mut Session,
        index: Arc<Index>,
        units: Vec<Arc<[Token]>>,
        last_resort: FxHashMap<Symbol, TArg>,
    ) -> Self {
        let words = Words { metal: session.intern("metal") };
        let mut tops = FxHashMap::default();
        for frame in index.own_frames() {
            if let Some(below) = index.frame(frame).extends {
                tops.insert(below, frame);
            }
        }
        Self {
            session,
            index,
            units,
            tops,
            types: Types::default(),
            scopes: Vec::new(),
            frame_scopes: FxHashMap::default(),
            classes: Vec::new(),
            class_index: FxHashMap::default(),
            enum_index: FxHashMap::default(),
            enum_values: Vec::new(),
            enum_scopes: Vec::new(),
            templates: Vec::new(),
            template_index: FxHashMap::default(),
            special_members: None,
            instance_index: FxHashMap::default(),
            fns: Vec::new(),
            fn_index: FxHashMap::default(),
            sig_index: FxHashMap::default(),
            globals: Vec::new(),
            global_index: FxHashMap::default(),
            fx: FnCtx::default(),
            kernels: Vec::new(),
            silent: 0,
            silent_message: None,
            path: Vec::new(),
            last_resort,
            words,
            steps: 0,
            used: Vec::new(),
            aliasing: Vec::new(),
            opaque: 0,
            in_user_conversion: false,
            explicit_allowed: false,
            pending: Vec::new(),
            overloads: Vec::new(),
            function_constants: FxHashMap::default(),
            contract: true,
        }
    }

    /// The text of a name.
    pub fn text(&self, name: Symbol) -> &str {
        self.session.text(name)
    }

    /// Reports an error and returns what stands for it.
    fn err<T>(&mut self, code: Code, at: impl Into<Range>, message: impl Into<String>) -> Res<T> {
        let message = message.into();
        if self.silent > 0 {
            self.silent_message.get_or_insert(message);
            return Err(Reported);
        }
        self.report(Diagnostic::error(code, at, message))
    }

    /// Reports a diagnostic, with the instantiations that led here.
    fn report<T>(&mut self, mut diagnostic: Diagnostic) -> Res<T> {
        if self.silent > 0 {
            self.silent_message.get_or_insert(diagnostic.message);
            return Err(Reported);
        }
        const SHOWN: usize = 8;
        for (what, at) in self.path.iter().rev().take(SHOWN) {
            diagnostic = diagnostic.note_at(*at, format!("in the instantiation of {what}"));
        }
        if self.path.len() > SHOWN {
            let more = self.path.len() - SHOWN;
            diagnostic = diagnostic.note(format!("and {more} instantiations around these"));
        }
        self.session.report(diagnostic);
        Err(Reported)
    }

    /// Tries something that may fail without being an error. On failure, says why.
    fn attempt<T>(&mut self, run: impl FnOnce(&mut Self) -> Res<T>) -> Result<T, String> {
        let outer = self.silent_message.take();
        self.silent += 1;
        let result = run(self);
        self.silent -= 1;
        let message = std::mem::replace(&mut self.silent_message, outer);
        result.map_err(|Reported| message.unwrap_or_else(|| "it is not valid".into()))
    }

    /// Runs something as part of an instantiation, which diagnostics will mention.
    fn instantiating<T>(
        &mut self,
        what: impl FnOnce(&Self) -> String,
        at: Range,
        run: impl FnOnce(&mut Self) -> Res<T>,
    ) -> Res<T> {
        let instances = self.fns.len() + self.classes.len();
        if self.path.len() >= MAX_INSTANTIATION_DEPTH || instances > MAX_INSTANCES {
            let silent = std::mem::replace(&mut self.silent, 0);
            let what = what(self);
            let message = if instances > MAX_INSTANCES {
                format!("more than {MAX_INSTANCES} instantiations: gave up at {what}")
            } else {
                format!("instantiations nest more than {MAX_INSTANTIATION_DEPTH} deep at {what}")
            };
            let result = self.err(codes::INSTANTIATION_DEPTH, at, message);
            self.silent = silent;
            return result;
        }
        let what = what(self);
        self.path.push((what, at));
        let result = run(self);
        self.path.pop();
        result
    }

    /// What one frame's items are, for the walk over a unit.
    fn frame_items(&self, frame: FrameId) -> Vec<tree::Item> {
        self.index.frame(frame).items.clone()
    }

    /// How a type is written in messages.
    pub fn show(&self, qt: Qt) -> String {
        self.types.show(qt)
    }

    /// The scope of a namespace frame.
    fn frame_scope(&mut self, frame: FrameId) -> ScopeId {
        if let Some(&scope) = self.frame_scopes.get(&frame) {
            return scope;
        }
        let parent = self.index.frame(frame).parent.map(|parent| self.frame_scope(parent));
        let scope = self.add_scope(parent, scope::ScopeKind::Namespace(frame));
        self.frame_scopes.insert(frame, scope);
        scope
    }
}

/// First token of a range, which instructions carry.
fn start(range: Range) -> Span {
    range.first
}
