//! A macro's body with its arguments put in.

use super::macros::Macro;
use super::raw::{Raw, RawKind};
use crate::diagnostic::{SourceMap, Span};
use crate::syntax::lex::{self, Lexeme};
use crate::syntax::punct::Punct;
use crate::syntax::symbol::{Interner, Symbol};

/// The arguments of a macro use, unexpanded.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    tokens: Vec<Raw>,
    /// Where each argument's tokens end.
    ends: Vec<usize>,
}

impl Arguments {
    /// Adds a token to the argument being read.
    pub(super) fn push(&mut self, token: Raw) {
        self.tokens.push(token);
    }

    /// Ends the argument being read.
    pub(super) fn end_one(&mut self) {
        self.ends.push(self.tokens.len());
    }

    /// Whether the argument being read has tokens.
    pub(super) fn is_open(&self) -> bool {
        self.ends.last().copied().unwrap_or(0) < self.tokens.len()
    }

    /// How many arguments ended.
    pub(super) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// The tokens of an argument.
    pub(super) fn get(&self, index: usize) -> &[Raw] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.tokens[start..self.ends[index]]
    }
}

/// Which arguments the body uses expanded: those that are not only operands of `#` and `##`.
pub(super) fn needs_expansion(definition: &Macro, arguments: &Arguments) -> Vec<bool> {
    let mut needed = vec![false; arguments.len() as usize];
    let body = &definition.body;
    for (at, token) in body.iter().enumerate() {
        let is_operand = at > 0
            && (body[at - 1].is(Punct::HashHash) || body[at - 1].is(Punct::Hash))
            || body.get(at + 1).is_some_and(|next| next.is(Punct::HashHash));
        match token.kind {
            RawKind::Parameter if !is_operand => {
                needed[token.symbol.0 as usize] = true;
            }
            // Whether the variable part is empty is decided after its expansion.
            RawKind::VaOpt => {
                if let Some(last) = needed.last_mut() {
                    *last = true;
                }
            }
            _ => {}
        }
    }
    needed
}

/// One expansion in the making.
pub(super) struct Substitution<'a> {
    pub(super) arguments: &'a Arguments,
    /// By argument, if needed.
    pub(super) expanded: &'a [Option<Vec<Raw>>],
    pub(super) variadic: bool,
    pub(super) is_function: bool,
    pub(super) map: &'a mut SourceMap,
    pub(super) names: &'a mut Interner,
    pub(super) expansion: u32,
    /// How many tokens may be made. One more is enough to be noticed.
    pub(super) room: usize,
    /// What `##` made where it did not make a token.
    pub(super) bad_pastes: Vec<(String, Span)>,
    pub(super) out: Vec<Raw>,
}

impl Substitution<'_> {
    /// Appends `body` with arguments put in. Empty arguments next to `##` stay as placemarkers.
    pub(super) fn append(&mut self, body: &[Raw]) {
        let mut at = 0;
        let mut paste = None;
        while let Some(&token) = body.get(at) {
            if self.out.len() > self.room {
                return;
            }
            let next = body.get(at + 1).copied();
            if token.is(Punct::HashHash) && at > 0 && next.is_some() {
                paste = Some(token);
                at += 1;
                continue;
            }
            let mut start = self.out.len();
            at += 1;
            match token.kind {
                RawKind::Punct(Punct::Hash) if self.is_function => match next {
                    Some(operand) if operand.kind == RawKind::Parameter => {
                        let string = self.stringized(token, operand.symbol.0 as usize);
                        self.push(string, false);
                        at += 1;
                    }
                    _ => self.push(token, false),
                },
                RawKind::Parameter => {
                    let index = token.symbol.0 as usize;
                    let is_variable = self.variadic && index + 1 == self.arguments.len() as usize;
                    let after_comma = at >= 3 && body[at - 3].is(Punct::Comma);
                    if paste.is_some() && is_variable && after_comma {
                        // A widespread extension: the comma goes if nothing follows it.
                        paste = None;
                        if self.arguments.get(index).is_empty() {
                            self.out.pop();
                            start -= 1;
                        }
                    }
                    let before_paste = next.is_some_and(|next| next.is(Punct::HashHash));
                    self.argument(index, paste.is_some() || before_paste);
                }
                RawKind::VaOpt => {
                    let end = at + closing(&body[at..]);
                    let variable = self.expanded.last().and_then(Option::as_ref);
                    if variable.is_some_and(|tokens| !tokens.is_empty()) {
                        self.append(body.get(at + 1..end).unwrap_or_default());
                    }
                    at = (end + 1).min(body.len());
                }
                _ => self.push(token, false),
            }
            if self.out.len() == start {
                let kind = RawKind::Placemarker;
                self.out.push(Raw { kind, ..token });
            }
            self.out[start].space = token.space;
            if let Some(operator) = paste.take() {
                self.join(start, operator);
            }
        }
    }

    fn argument(&mut self, index: usize, unexpanded: bool) {
        let arguments = self.arguments;
        let expanded = self.expanded;
        let tokens = match &expanded[index] {
            Some(tokens) if !unexpanded => tokens.as_slice(),
            _ => arguments.get(index),
        };
        for &token in tokens.iter().take(self.room.saturating_sub(self.out.len()) + 1) {
            self.push(token, true);
        }
    }

    fn push(&mut self, token: Raw, is_argument: bool) {
        let span = self.map.add_expanded(token.span, self.expansion, is_argument);
        self.out.push(Raw { span, ..token });
    }

    /// Joins the token at `start` with the one before it.
    fn join(&mut self, start: usize, operator: Raw) {
        let Some(before) = start.checked_sub(1) else { return };
        let (left, right) = (self.out[before], self.out[start]);
        if right.kind == RawKind::Placemarker {
            self.out.remove(start);
            return;
        }
        if left.kind == RawKind::Placemarker {
            self.out[start].space = left.space;
            self.out.remove(before);
            return;
        }
        let mut text = self.spelling(left).to_owned();
        text.push_str(self.spelling(right));
        let scan = lex::scan(&text, 0);
        let kind = match scan.lexeme {
            _ if scan.start != 0 || scan.end as usize != text.len() => None,
            Lexeme::Identifier => Some(RawKind::Identifier),
            Lexeme::Number => Some(RawKind::Number),
            Lexeme::Str => Some(RawKind::Str),
            Lexeme::Char => Some(RawKind::Char),
            Lexeme::Punct(punct) => Some(RawKind::Punct(punct)),
            Lexeme::Newline | Lexeme::Stray | Lexeme::End => None,
        };
        let span = self.map.add_expanded(operator.span, self.expansion, false);
        match kind {
            Some(kind) if scan.problem.is_none() => {
                let symbol = self.names.intern(&text);
                self.out[before] = Raw { kind, space: left.space, painted: false, symbol, span };
                self.out.remove(start);
            }
            _ => self.bad_pastes.push((text, span)),
        }
    }

    /// `#` of an argument: its spelling as a string literal.
    fn stringized(&mut self, operator: Raw, index: usize) -> Raw {
        let mut text = String::from("\"");
        let arguments = self.arguments;
        for (at, &token) in arguments.get(index).iter().enumerate() {
            if token.space && at > 0 {
                text.push(' ');
            }
            let spelling = self.spelling(token);
            if matches!(token.kind, RawKind::Str | RawKind::Char) {
                text.push_str(&spelling.replace('\\', "\\\\").replace('"', "\\\""));
            } else {
                text.push_str(spelling);
            }
        }
        text.push('"');
        let symbol: Symbol = self.names.intern(&text);
        Raw { kind: RawKind::Str, symbol, ..operator }
    }

    fn spelling(&self, token: Raw) -> &str {
        match token.kind {
            RawKind::Punct(punct) => punct.text(),
            RawKind::Placemarker | RawKind::Newline | RawKind::End => "",
            RawKind::VaOpt => "__VA_OPT__",
            _ => self.names.text(token.symbol),
        }
    }
}

/// The index of the parenthesis that closes the one that `tokens` begins with; their number if
/// there is none.
fn closing(tokens: &[Raw]) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        if token.is(Punct::LParen) {
            depth += 1;
        } else if token.is(Punct::RParen) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len()
}
