//! Where the preprocessor's tokens come from: texts, and above them token lists.

use std::sync::Arc;

use super::macros::MacroId;
use super::raw::{Raw, RawKind};
use super::{Limits, Preprocessor};
use crate::diagnostic::{FileId, Location, Span, codes};
use crate::syntax::lex::{self, Lexeme, Problem, Scan};
use crate::syntax::punct::Punct;
use crate::syntax::symbol::Symbol;

/// A text being read.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) file: FileId,
    pub(super) text: Arc<str>,
    /// The span of its first byte.
    start: Span,
    pub(super) at: u32,
    /// Whether only blanks were read on this line.
    line_start: bool,
    /// How many conditionals were open when the text began.
    conditionals: usize,
}

/// A token list being read.
#[derive(Debug)]
pub(super) struct Context {
    tokens: Vec<Raw>,
    at: usize,
    /// The macro whose expansion this is; disabled until the list ends.
    expands: Option<MacroId>,
    /// Whether nothing is read beyond its end.
    barrier: bool,
}

impl Preprocessor<'_> {
    /// The next token, macros expanded.
    pub(super) fn next_expanded(&mut self) -> Raw {
        loop {
            let token = self.next_raw();
            if let Some(token) = self.expand(token) {
                return token;
            }
        }
    }

    /// The next token, unexpanded. Directives of the text are carried out on the way.
    pub(super) fn next_raw(&mut self) -> Raw {
        while let Some(context) = self.contexts.last_mut() {
            if let Some(&token) = context.tokens.get(context.at) {
                context.at += 1;
                return token;
            }
            if context.barrier {
                return self.end_of_input();
            }
            self.leave_context();
        }
        self.next_of_text()
    }

    /// Consumes the next token if it is an opening parenthesis, wherever it is on the way to the
    /// next directive.
    pub(super) fn next_is_call(&mut self) -> bool {
        while let Some(context) = self.contexts.last_mut() {
            if let Some(token) = context.tokens.get(context.at) {
                let found = token.is(Punct::LParen);
                context.at += usize::from(found);
                return found;
            }
            if context.barrier {
                return false;
            }
            self.leave_context();
        }
        let Some(cursor) = self.files.last() else { return false };
        let mut at = cursor.at;
        loop {
            let scan = lex::scan(&cursor.text, at);
            match scan.lexeme {
                Lexeme::Newline => at = scan.end,
                Lexeme::Punct(Punct::LParen) => break,
                _ => return false,
            }
        }
        // Read again for real, so that the cursor's state follows.
        while !self.scan_raw().is(Punct::LParen) {}
        true
    }

    /// Reads `tokens` before everything else. If they expand a macro, it is disabled meanwhile.
    pub(super) fn enter_context(
        &mut self,
        tokens: Vec<Raw>,
        expands: Option<MacroId>,
        barrier: bool,
    ) {
        if let Some(id) = expands {
            self.active[id.0 as usize] = true;
        }
        self.contexts.push(Context { tokens, at: 0, expands, barrier });
    }

    /// Ends the innermost token list.
    pub(super) fn leave_context(&mut self) {
        let Some(context) = self.contexts.pop() else { return };
        if let Some(id) = context.expands {
            self.active[id.0 as usize] = false;
        }
        let mut tokens = context.tokens;
        tokens.clear();
        // A few lists are enough: nesting is shallow.
        if self.spare.len() < 16 {
            self.spare.push(tokens);
        }
    }

    /// An empty list, with memory if possible.
    pub(super) fn list(&mut self) -> Vec<Raw> {
        self.spare.pop().unwrap_or_default()
    }

    /// Starts reading a text, before the rest of the one being read.
    pub(super) fn enter_file(&mut self, file: FileId) {
        let start = self.session.map.span(Location { file, offset: 0 });
        self.files.push(Cursor {
            file,
            text: self.session.map.file(file).text.clone(),
            start,
            at: 0,
            line_start: true,
            conditionals: self.conditionals.len(),
        });
    }

    /// The next token of the texts.
    fn next_of_text(&mut self) -> Raw {
        let mut space = false;
        loop {
            if self.files.is_empty() {
                match self.pieces.pop() {
                    Some(piece) => self.enter_file(piece),
                    None => return self.end_of_input(),
                }
            }
            let line_start = self.files.last().is_some_and(|cursor| cursor.line_start);
            let mut token = self.scan_raw();
            match token.kind {
                RawKind::Newline => space = true,
                RawKind::End => {
                    self.leave_file(token.span);
                    space = true;
                }
                RawKind::Punct(Punct::Hash) if line_start => {
                    self.directive(token);
                    space = true;
                }
                _ => {
                    if !self.charge(1, token.span) {
                        return self.end_of_input();
                    }
                    token.space |= space;
                    return token;
                }
            }
        }
    }

    fn leave_file(&mut self, end: Span) {
        let Some(cursor) = self.files.pop() else { return };
        self.end = end;
        // Texts side by side share their conditionals; a header has its own.
        if !self.files.is_empty() {
            self.report_open_conditionals(cursor.conditionals);
        }
    }

    pub(super) fn end_of_input(&self) -> Raw {
        Raw { kind: RawKind::End, space: false, painted: false, symbol: Symbol(0), span: self.end }
    }

    /// The next lexeme of the text being read, line ends and the text's end included, without
    /// names.
    pub(super) fn scan(&mut self) -> Option<Scan> {
        let cursor = self.files.last_mut()?;
        let scan = lex::scan(&cursor.text, cursor.at);
        cursor.at = scan.end;
        cursor.line_start = scan.lexeme == Lexeme::Newline;
        if let Some(Problem::UnterminatedComment) = scan.problem {
            let span = span_at(cursor.start, scan.start);
            self.error(codes::syntax::UNTERMINATED_COMMENT, span, "unterminated comment");
        }
        Some(scan)
    }

    /// The next token of the text being read, line ends and the text's end included.
    pub(super) fn scan_raw(&mut self) -> Raw {
        let Some(scan) = self.scan() else { return self.end_of_input() };
        let Some(cursor) = self.files.last() else { return self.end_of_input() };
        let span = span_at(cursor.start, scan.start);
        let spelling = &cursor.text[scan.start as usize..scan.end as usize];
        let symbol = match scan.lexeme {
            Lexeme::Punct(_) | Lexeme::Newline | Lexeme::End => Symbol(0),
            _ if scan.spliced => self.session.names.intern(&lex::unspliced(spelling)),
            _ => self.session.names.intern(spelling),
        };
        if let Some(Problem::UnterminatedQuote) = scan.problem {
            let message = match scan.lexeme {
                Lexeme::Char => "unterminated character literal",
                _ => "unterminated string literal",
            };
            self.error(codes::syntax::UNTERMINATED_LITERAL, span, message);
        }
        let kind = raw_kind(scan.lexeme);
        Raw { kind, space: scan.space, painted: false, symbol, span }
    }

    /// The tokens up to the end of the line, which is consumed too.
    pub(super) fn rest_of_line(&mut self) -> Vec<Raw> {
        let mut tokens = self.list();
        loop {
            let token = self.scan_raw();
            if token.ends_line() || !self.charge(1, token.span) {
                return tokens;
            }
            tokens.push(token);
        }
    }

    /// Skips to the next line.
    pub(super) fn skip_line(&mut self) {
        while let Some(scan) = self.scan()
            && !matches!(scan.lexeme, Lexeme::Newline | Lexeme::End)
        {}
    }

    /// The tokens of a text of our own making, all at `span`.
    pub(super) fn tokens_of(&mut self, text: &str, span: Span) -> Vec<Raw> {
        let mut tokens = self.list();
        let mut at = 0;
        loop {
            let scan = lex::scan(text, at);
            at = scan.end;
            match scan.lexeme {
                Lexeme::End => return tokens,
                Lexeme::Newline => {}
                lexeme => {
                    let spelling = &text[scan.start as usize..scan.end as usize];
                    let symbol = self.session.names.intern(spelling);
                    let kind = raw_kind(lexeme);
                    tokens.push(Raw { kind, space: scan.space, painted: false, symbol, span });
                }
            }
        }
    }

    /// Whether another level of nesting is allowed; reports it if not.
    pub(super) fn may_nest(&mut self, place: Span) -> bool {
        let Limits { nesting, .. } = self.options.limits;
        if self.nesting < nesting {
            return true;
        }
        if !self.stopped {
            let message = format!("macro arguments are nested more than {nesting} deep");
            self.error(codes::syntax::PREPROCESSOR_LIMIT, place, message);
        }
        self.stop();
        false
    }
}

fn span_at(start: Span, offset: u32) -> Span {
    Span::from_index(start.index() + offset)
}

fn raw_kind(lexeme: Lexeme) -> RawKind {
    match lexeme {
        Lexeme::Identifier => RawKind::Identifier,
        Lexeme::Number => RawKind::Number,
        Lexeme::Str => RawKind::Str,
        Lexeme::Char => RawKind::Char,
        Lexeme::Punct(punct) => RawKind::Punct(punct),
        Lexeme::Newline => RawKind::Newline,
        Lexeme::Stray => RawKind::Stray,
        Lexeme::End => RawKind::End,
    }
}
