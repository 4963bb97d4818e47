//! Expansion of one macro use.

use super::Preprocessor;
use super::macros::{BuiltIn, MacroId, Shape};
use super::raw::{Raw, RawKind};
use super::substitute::{Arguments, Substitution, needs_expansion};
use crate::diagnostic::{Diagnostic, Expansion, Range, Span, codes};
use crate::syntax::punct::Punct;

impl Preprocessor<'_> {
    /// The token itself if it uses no macro; nothing if it did, and the expansion is what is read
    /// next.
    pub(super) fn expand(&mut self, mut token: Raw) -> Option<Raw> {
        if token.kind != RawKind::Identifier || token.painted {
            return Some(token);
        }
        let Some(id) = self.session.macros.find(token.symbol) else { return Some(token) };
        if self.active[id.0 as usize] {
            token.painted = true;
            return Some(token);
        }
        match self.session.macros.get(id).shape {
            Shape::BuiltIn(built_in) => Some(self.built_in(built_in, token)),
            Shape::Object => {
                self.enter_expansion(id, token, token.span.into(), Arguments::default());
                None
            }
            Shape::Function { parameters, variadic } => {
                if !self.next_is_call() {
                    return Some(token);
                }
                let Some((arguments, close)) = self.arguments(id, token, parameters, variadic)
                else {
                    return Some(token);
                };
                self.enter_expansion(id, token, token.span.to(close), arguments);
                None
            }
        }
    }

    /// `tokens` with macros expanded, as if nothing followed them.
    pub(super) fn expand_list(&mut self, tokens: Vec<Raw>) -> Vec<Raw> {
        let mut expanded = self.list();
        let Some(place) = tokens.first().map(|token| token.span) else { return expanded };
        if !self.may_nest(place) {
            return expanded;
        }
        self.nesting += 1;
        self.enter_context(tokens, None, true);
        loop {
            let token = self.next_expanded();
            if token.kind == RawKind::End {
                break;
            }
            expanded.push(token);
        }
        self.leave_context();
        self.nesting -= 1;
        expanded
    }

    fn built_in(&mut self, built_in: BuiltIn, token: Raw) -> Raw {
        let place = self.session.map.place(token.span);
        let (kind, text) = match built_in {
            BuiltIn::Line => (RawKind::Number, place.map_or(0, |place| place.line).to_string()),
            BuiltIn::File => {
                let name = place.map(|place| place.file.to_string()).unwrap_or_default();
                (RawKind::Str, format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")))
            }
            BuiltIn::Counter => {
                self.counter += 1;
                (RawKind::Number, (self.counter - 1).to_string())
            }
        };
        Raw { kind, symbol: self.session.intern(&text), ..token }
    }

    fn enter_expansion(&mut self, id: MacroId, name: Raw, call: Range, arguments: Arguments) {
        let definition = self.session.macros.get(id);
        let needed = needs_expansion(definition, &arguments);
        let expanded: Vec<Option<Vec<Raw>>> = needed
            .into_iter()
            .enumerate()
            .map(|(index, needed)| needed.then(|| self.expand_list(arguments.get(index).to_vec())))
            .collect();
        let tokens = self.list();
        let definition = self.session.macros.get(id);
        let expansion = self.session.map.add_expansion(Expansion {
            name: name.symbol,
            call,
            definition: definition.definition,
        });
        let mut substitution = Substitution {
            arguments: &arguments,
            expanded: &expanded,
            variadic: matches!(definition.shape, Shape::Function { variadic: true, .. }),
            is_function: matches!(definition.shape, Shape::Function { .. }),
            map: &mut self.session.map,
            names: &mut self.session.names,
            expansion,
            room: self.budget as usize,
            bad_pastes: Vec::new(),
            out: tokens,
        };
        substitution.append(&definition.body);
        let bad_pastes = std::mem::take(&mut substitution.bad_pastes);
        let mut tokens = substitution.out;
        for (text, span) in bad_pastes {
            let message = format!("`##` makes `{text}`, which is not one token");
            self.error(codes::syntax::INVALID_PASTE, span, message);
        }
        tokens.retain(|token| token.kind != RawKind::Placemarker);
        if let Some(first) = tokens.first_mut() {
            first.space = name.space;
        }
        // An expansion costs something even if it is empty.
        if self.charge(tokens.len() + 1, name.span) {
            self.enter_context(tokens, Some(id), false);
        }
    }

    /// The arguments after the opening parenthesis, and the closing one's place. Nothing if they
    /// do not fit the macro, which is reported.
    fn arguments(
        &mut self,
        id: MacroId,
        name: Raw,
        parameters: u32,
        variadic: bool,
    ) -> Option<(Arguments, Span)> {
        let mut arguments = Arguments::default();
        let mut depth = 0u32;
        let close = loop {
            let mut token = self.next_raw();
            match token.kind {
                RawKind::End => {
                    if !self.stopped {
                        let text = self.session.text(name.symbol);
                        let message = format!("the arguments of macro `{text}` have no end");
                        self.macro_error(
                            id,
                            codes::syntax::UNTERMINATED_MACRO_CALL,
                            name.span.into(),
                            message,
                        );
                    }
                    return None;
                }
                RawKind::Punct(Punct::LParen) => depth += 1,
                RawKind::Punct(Punct::RParen) if depth == 0 => break token.span,
                RawKind::Punct(Punct::RParen) => depth -= 1,
                RawKind::Punct(Punct::Comma)
                    if depth == 0 && !(variadic && arguments.len() + 1 == parameters) =>
                {
                    arguments.end_one();
                    continue;
                }
                // Reading arguments can end the expansion of a macro and so enable it again; its
                // name, met before, must stay what it is.
                RawKind::Identifier => {
                    let meaning = self.session.macros.find(token.symbol);
                    token.painted |= meaning.is_some_and(|id| self.active[id.0 as usize]);
                }
                _ => {}
            }
            arguments.push(token);
        };
        // `f()` has no argument if `f` takes none, and an empty one otherwise.
        if parameters > 0 || arguments.len() > 0 || arguments.is_open() {
            arguments.end_one();
        }
        // The variable part may be left out altogether.
        if variadic && arguments.len() + 1 == parameters {
            arguments.end_one();
        }
        if arguments.len() != parameters {
            let text = self.session.text(name.symbol);
            let (least, word) = match variadic {
                true => (parameters - 1, "at least "),
                false => (parameters, ""),
            };
            let message = format!(
                "macro `{text}` takes {word}{least} argument{}, {} given",
                if least == 1 { "" } else { "s" },
                arguments.len()
            );
            let range = name.span.to(close);
            self.macro_error(id, codes::syntax::MACRO_ARGUMENTS, range, message);
            return None;
        }
        Some((arguments, close))
    }

    fn macro_error(
        &mut self,
        id: MacroId,
        code: crate::diagnostic::Code,
        range: Range,
        message: String,
    ) {
        let definition = self.session.macros.get(id).definition;
        let diagnostic = Diagnostic::error(code, range, message)
            .note_at(definition, "the macro is defined here");
        self.session.report(diagnostic);
    }
}
