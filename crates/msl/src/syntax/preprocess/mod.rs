//! The preprocessor: texts to the parser's tokens.
//!
//! Macros follow clang's reading of the standard: a macro is disabled while its own expansion is
//! being read, and a name met while its macro is disabled is painted, so that it never expands
//! again. Every token of an expansion gets a span that leads to its spelling and to the macro's
//! use.
//!
//! Architecture invariant: all work is paid from one budget of tokens, nesting of macro arguments,
//! conditions and headers is bounded, and every loop ends at the end of the text. So no input
//! hangs, exhausts the memory or the stack.

mod condition;
mod define;
mod directive;
mod expand;
mod include;
mod macros;
mod pragma;
mod raw;
mod reader;
mod substitute;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use macros::Macros;

use self::directive::Conditional;
use self::raw::{Raw, RawKind};
use self::reader::{Context, Cursor};
use super::keyword::Keyword;
use super::literal;
use super::punct::Punct;
use super::symbol::Symbol;
use super::token::{Pragma, Token, TokenKind};
use crate::Session;
use crate::diagnostic::{Code, Diagnostic, FileId, Origin, Range, Span, codes};

/// What the preprocessor is told from outside.
#[derive(Debug, Clone)]
pub struct Options {
    /// Macros to define first, as with `-D`: a name, optionally with parameters, and its body. No
    /// body means 1.
    pub defines: Vec<(String, Option<String>)>,
    /// Texts that `#include` finds, by the name between the quotes or angle brackets.
    pub headers: BTreeMap<String, Arc<str>>,
    /// The language version as `__METAL_VERSION__` gives it: 320 for Metal 3.2.
    ///
    /// This and `fast_math` are properties of a stack of sessions: they are read when the lowest
    /// one (the prelude's) is preprocessed.
    pub metal_version: u32,
    /// Whether `__FAST_MATH__` is defined.
    pub fast_math: bool,
    /// Where to stop.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            defines: Vec::new(),
            headers: BTreeMap::new(),
            metal_version: 320,
            fast_math: false,
            limits: Limits::default(),
        }
    }
}

/// Where preprocessing stops with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens read and produced by macros, in all. A 100 KB header has about 30,000.
    pub tokens: u32,
    /// Headers that include each other.
    pub include_depth: u32,
    /// Macro calls in arguments of macro calls, and parentheses in conditions.
    pub nesting: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tokens: 2_000_000, include_depth: 64, nesting: 200 }
    }
}

/// Preprocesses texts as one translation unit, in order, as if they were one text.
///
/// Each text begins on a line of its own. Macros that the session already has are in force, and
/// those the texts define are left in it. The last token is [`TokenKind::End`]. Problems are
/// reported to the session; the tokens are then what could be made of the text.
pub fn preprocess(session: &mut Session, texts: &[FileId], options: &Options) -> Vec<Token> {
    let mut pieces = Vec::with_capacity(texts.len() + 1);
    pieces.extend(definitions(session, options));
    pieces.extend_from_slice(texts);
    pieces.reverse();
    let mut preprocessor = Preprocessor::new(session, pieces, options);
    preprocessor.run();
    preprocessor.out
}

/// The text that defines the macros of `options`, if there are any.
fn definitions(session: &mut Session, options: &Options) -> Option<FileId> {
    let mut text = String::new();
    let mut define = |name: &str, body: &str| {
        // A line end in a definition would end it, and the rest would become program text.
        let line = format!("{name} {body}").replace(['\n', '\r'], " ");
        text.push_str("#define ");
        text.push_str(&line);
        text.push('\n');
    };
    if !session.macros.is_layered() {
        for (name, body) in [
            ("__METAL__", "1"),
            ("__METAL_MACOS__", "1"),
            ("__METAL_VERSION__", &options.metal_version.to_string()),
            ("__HAVE_BFLOAT__", "1"),
            ("__cplusplus", "201402L"),
            ("__clang__", "1"),
        ] {
            define(name, body);
        }
        if options.fast_math {
            define("__FAST_MATH__", "1");
        }
    }
    for (name, body) in &options.defines {
        define(name, body.as_deref().unwrap_or("1"));
    }
    (!text.is_empty()).then(|| session.add_file("<command line>", Origin::Generated, text))
}

struct Preprocessor<'s> {
    session: &'s mut Session,
    options: &'s Options,
    /// Texts still to read, the next one last.
    pieces: Vec<FileId>,
    /// The text being read and those that include it.
    files: Vec<Cursor>,
    /// Token lists being read, the innermost last; they come before the text.
    contexts: Vec<Context>,
    /// Emptied lists, to be filled again.
    spare: Vec<Vec<Raw>>,
    /// By macro: whether its expansion is being read.
    active: Vec<bool>,
    conditionals: Vec<Conditional>,
    /// Names of headers that said `#pragma once`.
    once: Vec<String>,
    /// Pragmas of directives met on the way to the next token.
    pragmas: Vec<(Pragma, Span)>,
    counter: u64,
    nesting: u32,
    /// Tokens that may still be read or made.
    budget: u32,
    /// Whether a limit ended the reading.
    stopped: bool,
    /// The end of the last text that was read to its end.
    end: Span,
    words: Words,
    out: Vec<Token>,
}

/// Names with a meaning to the preprocessor.
#[derive(Debug, Clone, Copy)]
struct Words {
    defined: Symbol,
    has_include: Symbol,
    pragma: Symbol,
    va_args: Symbol,
    va_opt: Symbol,
    zero: Symbol,
    one: Symbol,
    /// Of [`ALTERNATIVES`].
    alternatives: [Symbol; ALTERNATIVES.len()],
}

/// Operators spelled as words.
const ALTERNATIVES: [(&str, Punct); 11] = [
    ("and", Punct::AmpAmp),
    ("and_eq", Punct::AmpEq),
    ("bitand", Punct::Amp),
    ("bitor", Punct::Pipe),
    ("compl", Punct::Tilde),
    ("not", Punct::Bang),
    ("not_eq", Punct::BangEq),
    ("or", Punct::PipePipe),
    ("or_eq", Punct::PipeEq),
    ("xor", Punct::Caret),
    ("xor_eq", Punct::CaretEq),
];

impl<'s> Preprocessor<'s> {
    fn new(session: &'s mut Session, pieces: Vec<FileId>, options: &'s Options) -> Self {
        let words = Words {
            defined: session.intern("defined"),
            has_include: session.intern("__has_include"),
            pragma: session.intern("_Pragma"),
            va_args: session.intern("__VA_ARGS__"),
            va_opt: session.intern("__VA_OPT__"),
            zero: session.intern("0"),
            one: session.intern("1"),
            alternatives: ALTERNATIVES.map(|(word, _)| session.intern(word)),
        };
        if !session.macros.is_layered() {
            define::define_built_ins(session);
        }
        // Metal code has one token per three to four bytes.
        let bytes: usize = pieces.iter().map(|&piece| session.map.file(piece).text.len()).sum();
        Self {
            active: vec![false; session.macros.count() as usize],
            session,
            options,
            pieces,
            files: Vec::new(),
            contexts: Vec::new(),
            spare: Vec::new(),
            conditionals: Vec::new(),
            once: Vec::new(),
            pragmas: Vec::new(),
            counter: 0,
            nesting: 0,
            budget: options.limits.tokens,
            stopped: false,
            end: Span::NONE,
            words,
            out: Vec::with_capacity(bytes / 3 + 16),
        }
    }

    fn run(&mut self) {
        loop {
            let token = self.next_expanded();
            for at in 0..self.pragmas.len() {
                let (pragma, span) = self.pragmas[at];
                self.out.push(Token { kind: TokenKind::Pragma(pragma), span });
            }
            self.pragmas.clear();
            if token.kind == RawKind::End {
                self.report_open_conditionals(0);
                self.out.push(Token { kind: TokenKind::End, span: token.span });
                return;
            }
            if let Some(kind) = self.evaluate(token) {
                self.out.push(Token { kind, span: token.span });
            }
        }
    }

    /// What the parser sees of a token; nothing if it sees none.
    fn evaluate(&mut self, token: Raw) -> Option<TokenKind> {
        match token.kind {
            RawKind::Identifier if token.symbol == self.words.pragma => {
                self.pragma_operator(token).map(TokenKind::Pragma)
            }
            RawKind::Identifier => Some(match Keyword::of(token.symbol) {
                Some(keyword) => TokenKind::Keyword(keyword),
                None => match self.alternative(token.symbol) {
                    Some(punct) => TokenKind::Punct(punct),
                    None => TokenKind::Ident(token.symbol),
                },
            }),
            RawKind::Punct(punct) => Some(TokenKind::Punct(punct)),
            RawKind::Number => {
                let (kind, problem) = literal::number(self.session.text(token.symbol));
                if let Some(problem) = problem {
                    self.error(codes::syntax::INVALID_NUMBER, token.span, problem);
                }
                Some(kind)
            }
            RawKind::Str => {
                let text = self.unquoted(token);
                // Neighbouring literals are one.
                if let Some(Token { kind: TokenKind::Str(before), .. }) = self.out.last_mut() {
                    let joined = format!("{}{text}", self.session.names.text(*before));
                    *before = self.session.names.intern(&joined);
                    return None;
                }
                Some(TokenKind::Str(self.session.intern(&text)))
            }
            RawKind::Char => {
                let text = self.unquoted(token);
                let mut characters = text.chars();
                let value = characters.next();
                let spelling = self.session.text(token.symbol);
                // One without its closing quote was reported when it was read.
                let closed = spelling.len() > 1 && spelling.ends_with('\'');
                if closed && (value.is_none() || characters.next().is_some()) {
                    let message = "a character literal holds one character";
                    self.error(codes::syntax::UNTERMINATED_LITERAL, token.span, message);
                }
                Some(TokenKind::Char(value.map_or(0, u32::from)))
            }
            RawKind::Stray => {
                let text = self.session.text(token.symbol);
                let code = text.chars().next().map_or(0, u32::from);
                let message = format!("unexpected character `{text}` (U+{code:04X})");
                self.error(codes::syntax::STRAY_CHARACTER, token.span, message);
                None
            }
            RawKind::Parameter
            | RawKind::VaOpt
            | RawKind::Placemarker
            | RawKind::Newline
            | RawKind::End => None,
        }
    }

    fn unquoted(&mut self, token: Raw) -> String {
        let (text, unknown) = literal::unquoted(self.session.text(token.symbol));
        if let Some(unknown) = unknown {
            let message = format!("unknown escape `\\{unknown}`");
            self.session.report(Diagnostic::warning(
                codes::syntax::INVALID_ESCAPE,
                token.span,
                message,
            ));
        }
        text
    }

    /// The operator that C++ lets people spell as a word.
    fn alternative(&self, name: Symbol) -> Option<Punct> {
        let at = self.words.alternatives.iter().position(|&word| word == name)?;
        Some(ALTERNATIVES[at].1)
    }

    fn error(&mut self, code: Code, place: impl Into<Range>, message: impl Into<String>) {
        self.session.report(Diagnostic::error(code, place, message));
    }

    /// Takes `tokens` from the budget. Without budget, everything ends.
    fn charge(&mut self, tokens: usize, place: Span) -> bool {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        match self.budget.checked_sub(tokens) {
            Some(rest) => {
                self.budget = rest;
                true
            }
            None => {
                if !self.stopped {
                    let limit = self.options.limits.tokens;
                    let message = format!("macros and texts make more than {limit} tokens");
                    self.error(codes::syntax::PREPROCESSOR_LIMIT, place, message);
                }
                self.stop();
                false
            }
        }
    }

    /// Ends all reading.
    fn stop(&mut self) {
        self.stopped = true;
        self.budget = 0;
        self.pieces.clear();
        self.files.clear();
        self.contexts.clear();
        self.conditionals.clear();
    }
}
