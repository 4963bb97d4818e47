//! Conditions of `#if` and `#elif`.

use super::Preprocessor;
use super::raw::{Raw, RawKind};
use crate::diagnostic::{Span, codes};
use crate::syntax::keyword::Keyword;
use crate::syntax::literal;
use crate::syntax::punct::Punct;
use crate::syntax::symbol::Symbol;
use crate::syntax::token::{IntSuffix, TokenKind};

/// A value in a condition: 64 bits, signed or not.
#[derive(Debug, Clone, Copy)]
struct Value {
    bits: u64,
    unsigned: bool,
}

/// What is wrong with a condition, and where.
type Problem = (String, Span);

impl Preprocessor<'_> {
    /// Whether the condition on the rest of a directive's line holds.
    pub(super) fn condition(&mut self, place: Span, line: Vec<Raw>) -> bool {
        let tokens = self.expand_condition(line);
        let mut evaluator =
            Evaluator { preprocessor: self, tokens: &tokens, at: 0, depth: 0, place };
        let value = evaluator.ternary(true).and_then(|value| match evaluator.peek() {
            None => Ok(value),
            Some(token) => Err(("expected an operator".to_owned(), token.span)),
        });
        match value {
            Ok(value) => value.bits != 0,
            Err((message, place)) => {
                if !self.stopped {
                    self.error(codes::syntax::INVALID_CONDITION, place, message);
                }
                false
            }
        }
    }

    /// `line` with macros expanded, and `defined` and `__has_include` replaced by 0 or 1.
    fn expand_condition(&mut self, line: Vec<Raw>) -> Vec<Raw> {
        let mut expanded = self.list();
        self.enter_context(line, None, true);
        loop {
            let token = self.next_raw();
            let is_word = token.kind == RawKind::Identifier;
            if token.kind == RawKind::End {
                break;
            } else if is_word && token.symbol == self.words.defined {
                let answer = self.operand_of_defined(token);
                expanded.push(answer);
            } else if is_word && token.symbol == self.words.has_include {
                let answer = self.operand_of_has_include(token);
                expanded.push(answer);
            } else if is_word && self.is_question(token.symbol) && self.next_is_call() {
                self.skip_call();
                let answer = self.answer(token, false);
                expanded.push(answer);
            } else if let Some(token) = self.expand(token) {
                expanded.push(token);
            }
        }
        self.leave_context();
        expanded
    }

    fn operand_of_defined(&mut self, word: Raw) -> Raw {
        let mut name = self.next_raw();
        let parenthesised = name.is(Punct::LParen);
        if parenthesised {
            name = self.next_raw();
        }
        let is_name = name.kind == RawKind::Identifier;
        if !is_name || parenthesised && !self.next_raw().is(Punct::RParen) {
            let message = "`defined` needs a name, in parentheses or not";
            self.error(codes::syntax::INVALID_CONDITION, word.span, message);
        }
        let defined = self.session.macros.is_defined(name.symbol) || self.is_question(name.symbol);
        self.answer(word, is_name && defined)
    }

    /// Whether the name is one of clang's questions about itself. The answer is always no, but for
    /// `__has_include`.
    pub(super) fn is_question(&self, name: Symbol) -> bool {
        let text = self.session.text(name);
        name == self.words.has_include
            || matches!(text, "__has_feature" | "__has_extension" | "__has_attribute")
            || matches!(text, "__has_builtin" | "__has_cpp_attribute" | "__has_declspec_attribute")
    }

    /// Skips to the parenthesis that closes the one just read.
    fn skip_call(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            let token = self.next_raw();
            match token.kind {
                RawKind::Punct(Punct::LParen) => depth += 1,
                RawKind::Punct(Punct::RParen) => depth -= 1,
                RawKind::End => return,
                _ => {}
            }
        }
    }

    fn operand_of_has_include(&mut self, word: Raw) -> Raw {
        let mut name = String::new();
        if self.next_is_call() {
            loop {
                let token = self.next_raw();
                match token.kind {
                    RawKind::Punct(Punct::RParen) | RawKind::End => break,
                    RawKind::Punct(punct) => name.push_str(punct.text()),
                    _ => name.push_str(self.session.text(token.symbol)),
                }
            }
        }
        let name = name.trim_matches(['<', '>', '"']).to_owned();
        let found = self.knows_header(&name);
        self.answer(word, found)
    }

    fn answer(&self, word: Raw, holds: bool) -> Raw {
        let symbol = if holds { self.words.one } else { self.words.zero };
        Raw { kind: RawKind::Number, symbol, ..word }
    }
}

struct Evaluator<'a, 'p, 's> {
    preprocessor: &'a mut Preprocessor<'p>,
    tokens: &'s [Raw],
    at: usize,
    depth: u32,
    /// Where a missing operand is reported if the condition is empty.
    place: Span,
}

impl Evaluator<'_, '_, '_> {
    fn peek(&self) -> Option<Raw> {
        self.tokens.get(self.at).copied()
    }

    fn eat(&mut self, punct: Punct) -> bool {
        let found = self.peek().is_some_and(|token| token.is(punct));
        self.at += usize::from(found);
        found
    }

    /// `condition ? value : value`. Where `live` is false, the value is not used, and faults in it
    /// do not matter.
    fn ternary(&mut self, live: bool) -> Result<Value, Problem> {
        self.deepen()?;
        let condition = self.binary(0, live)?;
        let value = if self.eat(Punct::Question) {
            let holds = condition.bits != 0;
            let first = self.ternary(live && holds)?;
            if !self.eat(Punct::Colon) {
                return Err(("expected `:`".to_owned(), self.here()));
            }
            let second = self.ternary(live && !holds)?;
            let bits = if holds { first.bits } else { second.bits };
            Value { bits, unsigned: first.unsigned || second.unsigned }
        } else {
            condition
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8, live: bool) -> Result<Value, Problem> {
        let mut left = self.unary(live)?;
        while let Some(operator) = self.peek()
            && let RawKind::Punct(punct) = operator.kind
            && let Some(strength) = strength(punct)
            && strength >= least
        {
            self.at += 1;
            let right_live = match punct {
                Punct::AmpAmp => live && left.bits != 0,
                Punct::PipePipe => live && left.bits == 0,
                _ => live,
            };
            self.deepen()?;
            let right = self.binary(strength + 1, right_live)?;
            self.depth -= 1;
            left = match apply(punct, left, right) {
                Some(value) => value,
                None if live => return Err(("division by zero".to_owned(), operator.span)),
                None => left,
            };
        }
        Ok(left)
    }

    fn unary(&mut self, live: bool) -> Result<Value, Problem> {
        let Some(token) = self.peek() else {
            return Err(("expected a value".to_owned(), self.here()));
        };
        self.at += 1;
        match token.kind {
            RawKind::Number => {
                let text = self.preprocessor.session.text(token.symbol);
                match literal::number(text) {
                    (TokenKind::Int { value, suffix, .. }, None) => {
                        let written =
                            matches!(suffix, IntSuffix::U | IntSuffix::Ul | IntSuffix::Ull);
                        Ok(Value { bits: value, unsigned: written || value > i64::MAX as u64 })
                    }
                    (_, Some(problem)) => Err((problem, token.span)),
                    _ => Err(("conditions are integer expressions".to_owned(), token.span)),
                }
            }
            RawKind::Identifier => {
                let is_true = token.symbol == Keyword::True.symbol();
                Ok(signed(i64::from(is_true)))
            }
            RawKind::Char => {
                let text = self.preprocessor.session.text(token.symbol);
                let value = literal::unquoted(text).0.chars().next();
                Ok(signed(value.map_or(0, |c| i64::from(u32::from(c)))))
            }
            RawKind::Punct(Punct::LParen) => {
                let value = self.ternary(live)?;
                if !self.eat(Punct::RParen) {
                    return Err(("expected `)`".to_owned(), self.here()));
                }
                Ok(value)
            }
            RawKind::Punct(punct @ (Punct::Bang | Punct::Tilde | Punct::Minus | Punct::Plus)) => {
                self.deepen()?;
                let operand = self.unary(live)?;
                self.depth -= 1;
                Ok(match punct {
                    Punct::Bang => signed(i64::from(operand.bits == 0)),
                    Punct::Tilde => Value { bits: !operand.bits, ..operand },
                    Punct::Minus => Value { bits: operand.bits.wrapping_neg(), ..operand },
                    _ => operand,
                })
            }
            _ => Err(("expected a value".to_owned(), token.span)),
        }
    }

    /// Where the next token is, or the last one if there is none.
    fn here(&self) -> Span {
        let token = self.peek().or_else(|| self.tokens.last().copied());
        token.map_or(self.place, |token| token.span)
    }

    /// Enters one more level of nesting. Levels left by an error are not counted down: it ends the
    /// evaluation.
    fn deepen(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        let limit = self.preprocessor.options.limits.nesting;
        if self.depth > limit {
            return Err((format!("the condition is nested more than {limit} deep"), self.here()));
        }
        Ok(())
    }
}

fn signed(value: i64) -> Value {
    Value { bits: value as u64, unsigned: false }
}

/// How tightly an operator binds; nothing if it is no binary operator of conditions.
fn strength(punct: Punct) -> Option<u8> {
    Some(match punct {
        Punct::PipePipe => 1,
        Punct::AmpAmp => 2,
        Punct::Pipe => 3,
        Punct::Caret => 4,
        Punct::Amp => 5,
        Punct::EqEq | Punct::BangEq => 6,
        Punct::Lt | Punct::LtEq | Punct::Gt | Punct::GtEq => 7,
        Punct::Shl | Punct::Shr => 8,
        Punct::Plus | Punct::Minus => 9,
        Punct::Star | Punct::Slash | Punct::Percent => 10,
        _ => return None,
    })
}

/// The operation's value; nothing for a division by zero.
fn apply(punct: Punct, left: Value, right: Value) -> Option<Value> {
    let unsigned = left.unsigned || right.unsigned;
    let (a, b) = (left.bits, right.bits);
    let (x, y) = (a as i64, b as i64);
    let less = if unsigned { a < b } else { x < y };
    let truth = |holds: bool| Some(signed(i64::from(holds)));
    let bits = match punct {
        Punct::PipePipe => return truth(a != 0 || b != 0),
        Punct::AmpAmp => return truth(a != 0 && b != 0),
        Punct::EqEq => return truth(a == b),
        Punct::BangEq => return truth(a != b),
        Punct::Lt => return truth(less),
        Punct::GtEq => return truth(!less),
        Punct::Gt => return truth(a != b && !less),
        Punct::LtEq => return truth(a == b || less),
        Punct::Pipe => a | b,
        Punct::Caret => a ^ b,
        Punct::Amp => a & b,
        // The type of a shift is its left operand's.
        Punct::Shl => return Some(Value { bits: a.wrapping_shl(b as u32), ..left }),
        Punct::Shr if left.unsigned => {
            return Some(Value { bits: a.wrapping_shr(b as u32), ..left });
        }
        Punct::Shr => return Some(signed(x.wrapping_shr(b as u32))),
        Punct::Plus => a.wrapping_add(b),
        Punct::Minus => a.wrapping_sub(b),
        Punct::Star => a.wrapping_mul(b),
        Punct::Slash if unsigned => a.checked_div(b)?,
        Punct::Percent if unsigned => a.checked_rem(b)?,
        Punct::Slash if b != 0 => x.wrapping_div(y) as u64,
        Punct::Percent if b != 0 => x.wrapping_rem(y) as u64,
        _ => return None,
    };
    Some(Value { bits, unsigned })
}
