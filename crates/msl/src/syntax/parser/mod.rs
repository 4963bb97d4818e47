//! Recursive descent from tokens to a tree.
//!
//! Architecture invariant: parsing never fails. It returns a tree and diagnostics; what could not
//! be parsed is an error node. Names decide the grammar, so the parser declares what it reads in
//! an [`Index`] and asks it. Function bodies at namespace and class scope are skipped, and parsed
//! by [`parse_body`] when somebody needs them, against the frozen index.

mod class;
mod cursor;
mod decl;
mod expr;
mod spec;
mod stmt;
mod template;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::syntax::index::{FrameId, Index, NameKind};
use crate::syntax::symbol::{Interner, Symbol};
use crate::syntax::token::{Token, TokenKind};
use crate::syntax::tree::{Body, LazyBody, TemplateHead};

/// How deep constructs may nest.
const MAX_DEPTH: u32 = 200;
/// How many errors one parse reports before it gives up.
const MAX_ERRORS: usize = 60;

pub use decl::operator_symbol;

/// Parses a translation unit into the top frame of `index`.
pub fn parse_unit(
    tokens: &[Token],
    unit: u32,
    index: &mut Index,
    names: &Interner,
) -> Vec<Diagnostic> {
    let root = index.root();
    let mut parser = Parser::new(tokens, unit, Names::Building(index), names, root);
    parser.unit_items();
    parser.diagnostics
}

/// Parses a function body that was skipped. `index` is the one its declaration was parsed into.
pub fn parse_body(tokens: &[Token], lazy: &LazyBody, index: &Index, names: &Interner) -> Body {
    let end = (lazy.end as usize).min(tokens.len());
    let mut slice = tokens[..end].to_vec();
    let span = slice.last().map(|t| t.span).unwrap_or_default();
    slice.push(Token { kind: TokenKind::End, span });
    let mut parser = Parser::new(&slice, lazy.unit, Names::Frozen(index), names, lazy.frame);
    parser.pos = lazy.start as usize;
    let (inits, block) = parser.function_body();
    Body { inits, block, diagnostics: parser.diagnostics }
}

enum Names<'a> {
    Building(&'a mut Index),
    Frozen(&'a Index),
}

impl Names<'_> {
    fn get(&self) -> &Index {
        match self {
            Self::Building(index) => index,
            Self::Frozen(index) => index,
        }
    }
}

/// A name declared inside a body.
#[derive(Clone, Copy)]
struct Local {
    name: Symbol,
    kind: NameKind,
    inner: Option<FrameId>,
}

struct Parser<'a> {
    tokens: &'a [Token],
    unit: u32,
    pos: usize,
    /// The first half of a `>>` has been consumed.
    half: bool,
    index: Names<'a>,
    texts: &'a Interner,
    /// The innermost frame.
    frame: FrameId,
    /// Names of bodies, innermost last.
    locals: Vec<Local>,
    diagnostics: Vec<Diagnostic>,
    /// Errors are being counted, not kept: a guess is being tried.
    guessing: u32,
    failed: bool,
    depth: u32,
    /// Inside a template argument list, where `>` closes.
    no_gt: bool,
    /// The class whose members are being read.
    class_name: Option<Symbol>,
    /// Template heads of the declaration whose specifiers are being read.
    pending_heads: Vec<Arc<TemplateHead>>,
    /// What the last pragma outside functions said about contraction.
    contract: Option<bool>,
}

#[derive(Clone, Copy)]
struct Mark {
    pos: usize,
    half: bool,
    locals: usize,
    failed: bool,
    no_gt: bool,
    frame: FrameId,
}

impl<'a> Parser<'a> {
    fn new(
        tokens: &'a [Token],
        unit: u32,
        index: Names<'a>,
        texts: &'a Interner,
        frame: FrameId,
    ) -> Self {
        Self {
            tokens,
            unit,
            pos: 0,
            half: false,
            index,
            texts,
            frame,
            locals: Vec::new(),
            diagnostics: Vec::new(),
            guessing: 0,
            failed: false,
            depth: 0,
            no_gt: false,
            class_name: None,
            pending_heads: Vec::new(),
            contract: None,
        }
    }

    /// Whether declarations go to the index; otherwise they are local to a body.
    fn building(&self) -> bool {
        matches!(self.index, Names::Building(_)) && self.frame != FrameId::NONE
    }
}
