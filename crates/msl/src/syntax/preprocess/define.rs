//! `#define` and `#undef`.

use super::Preprocessor;
use super::macros::{BuiltIn, Macro, Shape};
use super::raw::{Raw, RawKind};
use crate::Session;
use crate::diagnostic::{Diagnostic, Origin, Span, codes};
use crate::syntax::punct::Punct;
use crate::syntax::symbol::Symbol;

/// Defines the macros that the preprocessor computes.
pub(super) fn define_built_ins(session: &mut Session) {
    for (name, built_in) in [
        ("__LINE__", BuiltIn::Line),
        ("__FILE__", BuiltIn::File),
        ("__COUNTER__", BuiltIn::Counter),
    ] {
        let name = session.intern(name);
        let shape = Shape::BuiltIn(built_in);
        session.macros.define(Macro { name, definition: Span::NONE, shape, body: Box::default() });
    }
}

impl Preprocessor<'_> {
    /// The rest of a `#define` line.
    pub(super) fn define(&mut self, directive: Span) {
        let line = self.rest_of_line();
        let Some((&name, rest)) = line.split_first() else {
            let message = "`#define` needs a name";
            return self.error(codes::syntax::INVALID_DIRECTIVE, directive, message);
        };
        if !self.is_macro_name(name, "define") {
            return;
        }
        let definition = match rest.first() {
            // Only a parenthesis right after the name begins parameters.
            Some(open) if open.is(Punct::LParen) && !open.space => {
                let Some((names, variadic, body)) = self.parameters(name, &rest[1..]) else {
                    return;
                };
                let body = self.body_with(body, &names, variadic);
                let parameters = names.len() as u32;
                let shape = Shape::Function { parameters, variadic };
                Macro { name: name.symbol, definition: name.span, shape, body }
            }
            _ => {
                let (definition, body) = (name.span, rest.into());
                Macro { name: name.symbol, definition, shape: Shape::Object, body }
            }
        };
        if let Some(problem) = malformed(&definition) {
            return self.error(codes::syntax::INVALID_MACRO, problem.1, problem.0);
        }
        self.warn_if_redefined(&definition);
        self.session.macros.define(definition);
        self.active.push(false);
    }

    /// The rest of an `#undef` line.
    pub(super) fn undefine(&mut self, directive: Span) {
        let line = self.rest_of_line();
        let Some(&name) = line.first() else {
            let message = "`#undef` needs a name";
            return self.error(codes::syntax::INVALID_DIRECTIVE, directive, message);
        };
        if self.is_macro_name(name, "undef") {
            self.session.macros.undefine(name.symbol);
            self.expect_end_of(&line[1..], "undef");
        }
    }

    fn is_macro_name(&mut self, name: Raw, directive: &str) -> bool {
        let problem = if name.kind != RawKind::Identifier {
            format!("`#{directive}` needs a name")
        } else if name.symbol == self.words.defined || name.symbol == self.words.va_args {
            format!("`{}` cannot be a macro", self.session.text(name.symbol))
        } else {
            return true;
        };
        self.error(codes::syntax::INVALID_MACRO, name.span, problem);
        false
    }

    /// The parameters' names, whether the last one is variadic, and the tokens after them.
    fn parameters<'t>(
        &mut self,
        name: Raw,
        tokens: &'t [Raw],
    ) -> Option<(Vec<Symbol>, bool, &'t [Raw])> {
        let mut names: Vec<Symbol> = Vec::new();
        let mut at = 0;
        let mut last = name.span;
        if tokens.first().is_some_and(|token| token.is(Punct::RParen)) {
            return Some((names, false, &tokens[1..]));
        }
        let problem = loop {
            let Some(&token) = tokens.get(at) else { break "the parameters have no `)`" };
            last = token.span;
            let mut variadic = token.is(Punct::Ellipsis);
            if variadic {
                names.push(self.words.va_args);
            } else if token.kind == RawKind::Identifier {
                if names.contains(&token.symbol) {
                    break "two parameters have the same name";
                }
                names.push(token.symbol);
                // `name...` names the variable part.
                variadic = tokens.get(at + 1).is_some_and(|next| next.is(Punct::Ellipsis));
                at += usize::from(variadic);
            } else {
                break "a macro parameter is a name or `...`";
            }
            match tokens.get(at + 1) {
                Some(next) if next.is(Punct::RParen) => {
                    return Some((names, variadic, &tokens[at + 2..]));
                }
                Some(next) if next.is(Punct::Comma) && !variadic => at += 2,
                Some(next) => {
                    last = next.span;
                    break "expected `,` or `)` after a macro parameter";
                }
                None => break "the parameters have no `)`",
            }
        };
        self.error(codes::syntax::INVALID_MACRO, last, problem);
        None
    }

    fn body_with(&self, tokens: &[Raw], names: &[Symbol], variadic: bool) -> Box<[Raw]> {
        let resolve = |&token: &Raw| {
            if token.kind != RawKind::Identifier {
                return token;
            }
            match names.iter().position(|&name| name == token.symbol) {
                Some(index) => {
                    Raw { kind: RawKind::Parameter, symbol: Symbol(index as u32), ..token }
                }
                None if variadic && token.symbol == self.words.va_opt => {
                    Raw { kind: RawKind::VaOpt, ..token }
                }
                None => token,
            }
        };
        tokens.iter().map(resolve).collect()
    }

    fn warn_if_redefined(&mut self, definition: &Macro) {
        let Some(id) = self.session.macros.find(definition.name) else { return };
        let before = self.session.macros.get(id);
        let same_token = |(a, b): (&Raw, &Raw)| (a.kind, a.symbol) == (b.kind, b.symbol);
        let same = before.shape == definition.shape
            && before.body.len() == definition.body.len()
            && before.body.iter().zip(&definition.body).all(same_token);
        if same {
            return;
        }
        let name = self.session.text(definition.name);
        let message = format!("macro `{name}` is defined again with another body");
        let place = before.definition;
        let mut diagnostic =
            Diagnostic::warning(codes::syntax::MACRO_REDEFINED, definition.definition, message);
        let origin = self.session.map.place(place).map(|place| place.origin);
        if matches!(origin, Some(Origin::Source | Origin::Header)) {
            diagnostic = diagnostic.note_at(place, "its other definition is here");
        }
        self.session.report(diagnostic);
    }
}

/// What is wrong with a macro's body, and where.
fn malformed(definition: &Macro) -> Option<(&'static str, Span)> {
    let body = &definition.body;
    for end in [body.first(), body.last()].into_iter().flatten() {
        if end.is(Punct::HashHash) {
            return Some(("`##` needs a token on both sides", end.span));
        }
    }
    let mut optional_until = 0;
    for (at, token) in body.iter().enumerate() {
        let next = body.get(at + 1);
        match token.kind {
            RawKind::Punct(Punct::Hash)
                if definition.shape != Shape::Object
                    && next.is_none_or(|next| next.kind != RawKind::Parameter) =>
            {
                return Some(("`#` needs a parameter after it", token.span));
            }
            RawKind::VaOpt => {
                if at < optional_until {
                    return Some(("`__VA_OPT__` cannot be nested", token.span));
                }
                if !next.is_some_and(|next| next.is(Punct::LParen)) {
                    return Some(("`__VA_OPT__` needs parentheses after it", token.span));
                }
                let mut depth = 0;
                let end = body[at + 1..].iter().position(|token| {
                    depth += i64::from(token.is(Punct::LParen));
                    depth -= i64::from(token.is(Punct::RParen));
                    depth == 0
                });
                match end {
                    Some(length) => optional_until = at + 1 + length,
                    None => return Some(("`__VA_OPT__(` has no `)`", token.span)),
                }
            }
            _ => {}
        }
    }
    None
}
