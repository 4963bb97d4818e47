//! `#pragma` and `_Pragma`: the few that mean something to the parser.

use super::Preprocessor;
use super::raw::{Raw, RawKind};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::literal;
use crate::syntax::punct::Punct;
use crate::syntax::token::{MathMode, Pragma, TokenKind, Unroll};

/// What a pragma's words mean.
enum Meaning {
    Known(Pragma),
    /// Nothing to us; not worth a word.
    Ignored,
    /// One of ours, misspelt.
    Wrong(&'static str),
}

impl Preprocessor<'_> {
    /// The rest of a `#pragma` line.
    pub(super) fn pragma_directive(&mut self, place: Span, line: Vec<Raw>) {
        if let Some(pragma) = self.pragma(place, line) {
            self.pragmas.push((pragma, place));
        }
    }

    /// What follows the word `_Pragma`.
    pub(super) fn pragma_operator(&mut self, word: Raw) -> Option<Pragma> {
        let text = if self.next_is_call() { Some(self.next_expanded()) } else { None };
        let closed =
            text.is_some_and(|text| !text.is(Punct::RParen) && self.next_raw().is(Punct::RParen));
        match text {
            Some(text) if text.kind == RawKind::Str && closed => {
                let (text, _) = literal::unquoted(self.session.text(text.symbol));
                let tokens = self.tokens_of(&text, word.span);
                self.pragma(word.span, tokens)
            }
            _ => {
                let message = "`_Pragma` needs a string in parentheses";
                self.error(codes::syntax::INVALID_PRAGMA, word.span, message);
                None
            }
        }
    }

    fn pragma(&mut self, place: Span, line: Vec<Raw>) -> Option<Pragma> {
        let first = line.first().filter(|first| first.kind == RawKind::Identifier)?;
        if self.session.text(first.symbol) == "once" {
            self.mark_once();
            return None;
        }
        let line = self.expand_list(line);
        let words: Vec<&str> = line.iter().map(|&token| self.word(token)).collect();
        match meaning(&words) {
            Meaning::Known(pragma) => Some(pragma),
            Meaning::Ignored => None,
            Meaning::Wrong(expected) => {
                let message = format!("this pragma was ignored: expected {expected}");
                let code = codes::syntax::INVALID_PRAGMA;
                self.session.report(Diagnostic::warning(code, place, message));
                None
            }
        }
    }

    fn word(&self, token: Raw) -> &str {
        match token.kind {
            RawKind::Punct(punct) => punct.text(),
            _ => self.session.text(token.symbol),
        }
    }
}

fn meaning(words: &[&str]) -> Meaning {
    match words {
        ["unroll"] => Meaning::Known(Pragma::Unroll(Unroll::Enable)),
        ["nounroll"] => Meaning::Known(Pragma::Unroll(Unroll::Disable)),
        // The count may be a constant that only the parser knows: a hint can do without.
        ["unroll", "(", count, ..] | ["unroll", count, ..] => unroll_count(count),
        ["clang", "loop", rest @ ..] => loop_hint(rest),
        ["clang" | "METAL", "fp", "contract", "(", mode, ")"] => match *mode {
            "off" => Meaning::Known(Pragma::FpContract(false)),
            "on" | "fast" => Meaning::Known(Pragma::FpContract(true)),
            _ => Meaning::Wrong("`on`, `off` or `fast`"),
        },
        ["METAL", "fp", "math_mode", "(", mode, ")"] => match *mode {
            "safe" => Meaning::Known(Pragma::MathMode(MathMode::Safe)),
            "relaxed" => Meaning::Known(Pragma::MathMode(MathMode::Relaxed)),
            "fast" => Meaning::Known(Pragma::MathMode(MathMode::Fast)),
            _ => Meaning::Wrong("`safe`, `relaxed` or `fast`"),
        },
        ["METAL", "internals", ":", "enable"] => Meaning::Known(Pragma::Internals(true)),
        ["METAL", "internals", ":", "disable"] => Meaning::Known(Pragma::Internals(false)),
        ["METAL", "internals", ..] => Meaning::Wrong("`internals : enable` or `: disable`"),
        ["STDC", "FP_CONTRACT", "OFF"] => Meaning::Known(Pragma::FpContract(false)),
        ["STDC", "FP_CONTRACT", "ON" | "DEFAULT"] => Meaning::Known(Pragma::FpContract(true)),
        _ => Meaning::Ignored,
    }
}

/// `clang loop` may list several hints: the first about unrolling counts.
fn loop_hint(words: &[&str]) -> Meaning {
    let hints = words.windows(3).filter(|hint| hint[1] == "(");
    for hint in hints {
        match hint[0] {
            "unroll" => match hint[2] {
                "enable" => return Meaning::Known(Pragma::Unroll(Unroll::Enable)),
                "disable" => return Meaning::Known(Pragma::Unroll(Unroll::Disable)),
                "full" => return Meaning::Known(Pragma::Unroll(Unroll::Full)),
                _ => return Meaning::Wrong("`enable`, `disable` or `full`"),
            },
            "unroll_count" => return unroll_count(hint[2]),
            _ => {}
        }
    }
    Meaning::Ignored
}

fn unroll_count(word: &str) -> Meaning {
    let hint = match literal::number(word) {
        (TokenKind::Int { value, .. }, None) => match u32::try_from(value) {
            Ok(0 | 1) => Unroll::Disable,
            Ok(count) => Unroll::Count(count),
            Err(_) => Unroll::Full,
        },
        _ => Unroll::Enable,
    };
    Meaning::Known(Pragma::Unroll(hint))
}
