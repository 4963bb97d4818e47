//! Looking at tokens, consuming them, guessing, and knowing what names stand for.

use super::{Local, MAX_DEPTH, MAX_ERRORS, Mark, Names, Parser};
use crate::diagnostic::codes::parse as codes;
use crate::diagnostic::{Code, Diagnostic, Range, Span};
use crate::syntax::index::{Entry, FrameId, FrameKind, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::symbol::Symbol;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::{Idents, Item};

impl Parser<'_> {
    pub(super) fn kind_at(&self, ahead: usize) -> TokenKind {
        let kind = self.tokens.get(self.pos + ahead).map_or(TokenKind::End, |token| token.kind);
        match (kind, ahead, self.half) {
            (TokenKind::Punct(Punct::Shr), 0, true) => TokenKind::Punct(Punct::Gt),
            _ => kind,
        }
    }

    pub(super) fn kind(&self) -> TokenKind {
        self.kind_at(0)
    }

    pub(super) fn span(&self) -> Span {
        match self.tokens.get(self.pos).or(self.tokens.last()) {
            Some(token) => token.span,
            None => Span::NONE,
        }
    }

    /// The token before the current one.
    pub(super) fn last_span(&self) -> Span {
        match self.pos.checked_sub(1).and_then(|at| self.tokens.get(at)) {
            Some(token) => token.span,
            None => self.span(),
        }
    }

    pub(super) fn range_from(&self, first: Span) -> Range {
        first.to(self.last_span())
    }

    pub(super) fn bump(&mut self) {
        self.half = false;
        if self.pos < self.tokens.len() {
            self.pos += 1;
        }
    }

    pub(super) fn at_end(&self) -> bool {
        matches!(self.kind(), TokenKind::End)
    }

    pub(super) fn at(&self, punct: Punct) -> bool {
        self.kind() == TokenKind::Punct(punct)
    }

    pub(super) fn at_ahead(&self, ahead: usize, punct: Punct) -> bool {
        self.kind_at(ahead) == TokenKind::Punct(punct)
    }

    pub(super) fn at_kw(&self, keyword: Keyword) -> bool {
        self.kind() == TokenKind::Keyword(keyword)
    }

    pub(super) fn eat(&mut self, punct: Punct) -> bool {
        let found = self.at(punct);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn eat_kw(&mut self, keyword: Keyword) -> bool {
        let found = self.at_kw(keyword);
        if found {
            self.bump();
        }
        found
    }

    /// Consumes `>` or the first half of `>>`.
    pub(super) fn eat_gt(&mut self) -> bool {
        match self.kind() {
            TokenKind::Punct(Punct::Gt) => {
                self.bump();
                true
            }
            TokenKind::Punct(Punct::Shr) => {
                self.half = true;
                true
            }
            _ => false,
        }
    }

    pub(super) fn at_gt(&self) -> bool {
        matches!(self.kind(), TokenKind::Punct(Punct::Gt | Punct::Shr))
    }

    pub(super) fn expect(&mut self, punct: Punct) -> bool {
        if self.eat(punct) {
            return true;
        }
        self.expected(&format!("`{}`", punct.text()));
        false
    }

    pub(super) fn ident(&self) -> Option<Symbol> {
        match self.kind() {
            TokenKind::Ident(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn ident_ahead(&self, ahead: usize) -> Option<Symbol> {
        match self.kind_at(ahead) {
            TokenKind::Ident(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: Symbol) -> &str {
        self.texts.text(name)
    }

    /// How the current token is named in messages.
    pub(super) fn found(&self) -> String {
        match self.kind() {
            TokenKind::Ident(name) => format!("`{}`", self.text(name)),
            TokenKind::Keyword(keyword) => format!("`{}`", keyword.text()),
            TokenKind::Punct(punct) => format!("`{}`", punct.text()),
            TokenKind::Int { .. } | TokenKind::Float { .. } => "a number".into(),
            TokenKind::Char(_) => "a character".into(),
            TokenKind::Str(_) => "a string".into(),
            TokenKind::Pragma(_) => "a pragma".into(),
            TokenKind::End => "the end".into(),
        }
    }

    pub(super) fn expected(&mut self, what: &str) {
        let message = format!("expected {what}, found {}", self.found());
        // After a missing token the place to look at is the end of the line before.
        let range = Range::from(self.span());
        self.error(codes::SYNTAX, range, message);
    }

    pub(super) fn error(
        &mut self,
        code: Code,
        range: impl Into<Range>,
        message: impl Into<String>,
    ) {
        self.report(Diagnostic::error(code, range, message));
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        // Where nesting is too deep the rest was skipped: nothing more can be said about it.
        if self.diagnostics.last().is_some_and(|last| last.code == codes::TOO_DEEP) {
            return;
        }
        if self.guessing == 0 && self.diagnostics.len() < MAX_ERRORS {
            self.diagnostics.push(diagnostic);
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            pos: self.pos,
            half: self.half,
            locals: self.locals.len(),
            failed: self.failed,
            no_gt: self.no_gt,
            frame: self.frame,
        }
    }

    pub(super) fn reset(&mut self, mark: Mark) {
        self.pos = mark.pos;
        self.half = mark.half;
        self.locals.truncate(mark.locals);
        self.failed = mark.failed;
        self.no_gt = mark.no_gt;
        self.frame = mark.frame;
    }

    /// Tries a reading of what follows. If it errs or says no, nothing happened.
    pub(super) fn guess<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mark = self.mark();
        self.guessing += 1;
        self.failed = false;
        let result = read(self);
        let failed = self.failed;
        self.guessing -= 1;
        self.failed = mark.failed;
        match result {
            Some(value) if !failed => Some(value),
            _ => {
                self.reset(mark);
                None
            }
        }
    }

    /// Runs `read` one level deeper, or reports that the nesting is too deep and skips the rest.
    pub(super) fn deeper<T>(&mut self, fallback: T, read: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MAX_DEPTH {
            let span = self.span();
            if !self.at_end() {
                let message = format!("nested more than {MAX_DEPTH} levels deep");
                self.error(codes::TOO_DEEP, span, message);
                self.pos = self.tokens.len().saturating_sub(1);
                self.half = false;
            }
            return fallback;
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Skips a balanced group that begins at the current bracket. Returns one past its end.
    pub(super) fn skip_group(&mut self) {
        let mut open = 0usize;
        loop {
            match self.kind() {
                TokenKind::Punct(Punct::LParen | Punct::LBrace | Punct::LBracket) => open += 1,
                TokenKind::Punct(Punct::RParen | Punct::RBrace | Punct::RBracket) => {
                    open = open.saturating_sub(1);
                }
                TokenKind::End => return,
                _ => {}
            }
            self.bump();
            if open == 0 {
                return;
            }
        }
    }

    /// Skips to just after a `;` or to a `}` of the current nesting level.
    pub(super) fn recover(&mut self) {
        self.half = false;
        loop {
            match self.kind() {
                TokenKind::End | TokenKind::Punct(Punct::RBrace) => return,
                TokenKind::Punct(Punct::Semi) => {
                    self.bump();
                    return;
                }
                TokenKind::Punct(Punct::LBrace) => {
                    self.skip_group();
                    return;
                }
                TokenKind::Punct(Punct::LParen | Punct::LBracket) => self.skip_group(),
                _ => self.bump(),
            }
        }
    }

    /// The identifiers among the tokens from `start` up to here.
    pub(super) fn idents_since(&self, start: usize) -> Idents {
        let mut idents: Vec<Symbol> = Vec::new();
        for token in &self.tokens[start.min(self.pos)..self.pos] {
            if let TokenKind::Ident(name) = token.kind
                && !idents.contains(&name)
            {
                idents.push(name);
            }
        }
        idents.into()
    }

    /// What a name stands for here.
    pub(super) fn name_kind(&self, name: Symbol) -> Option<(NameKind, Option<FrameId>)> {
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == name) {
            return Some((local.kind, local.inner));
        }
        let index = self.index.get();
        let found = if self.frame == FrameId::NONE { None } else { index.kind(self.frame, name) };
        found.or_else(|| index.last_resort.get(&name).map(|&kind| (kind, None)))
    }

    /// Declares a name in the innermost scope.
    pub(super) fn declare(&mut self, name: Symbol, kind: NameKind, inner: Option<FrameId>) {
        let item = None;
        self.declare_item(name, Entry { kind, item, inner });
    }

    pub(super) fn declare_item(&mut self, name: Symbol, entry: Entry) {
        if self.guessing > 0 {
            self.locals.push(Local { name, kind: entry.kind, inner: entry.inner });
            return;
        }
        let frame = self.frame;
        match &mut self.index {
            Names::Building(index) if frame != FrameId::NONE && index.owns(frame) => {
                index.declare(frame, name, entry);
            }
            _ => self.locals.push(Local { name, kind: entry.kind, inner: entry.inner }),
        }
    }

    /// Adds a declaration to the namespace that is being read.
    pub(super) fn add_item(&mut self, item: Item) -> u32 {
        let frame = self.frame;
        match &mut self.index {
            Names::Building(index) if frame != FrameId::NONE && index.owns(frame) => {
                let items = &mut index.frame_mut(frame).items;
                items.push(item);
                items.len() as u32 - 1
            }
            _ => 0,
        }
    }

    /// Runs `read` in a new frame inside the current one, or in a local scope within bodies.
    pub(super) fn in_frame<T>(
        &mut self,
        kind: FrameKind,
        name: Option<Symbol>,
        read: impl FnOnce(&mut Self, FrameId) -> T,
    ) -> T {
        let outer = self.frame;
        let locals = self.locals.len();
        let mut inner = FrameId::NONE;
        if self.guessing == 0
            && let Names::Building(index) = &mut self.index
            && outer != FrameId::NONE
        {
            inner = index.add(kind, name, Some(outer));
            self.frame = inner;
        }
        let result = read(self, inner);
        self.frame = outer;
        self.locals.truncate(locals);
        result
    }
}
