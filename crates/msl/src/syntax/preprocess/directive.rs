//! Directives, and the groups of lines that conditions choose.

use super::Preprocessor;
use super::raw::{Raw, RawKind};
use crate::diagnostic::{Diagnostic, Span, closest, codes};
use crate::syntax::lex::Lexeme;
use crate::syntax::punct::Punct;

/// An `#if` whose `#endif` was not met yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditional {
    start: Span,
    /// Whether one of its groups was chosen.
    taken: bool,
    after_else: bool,
}

/// The directives, for suggestions.
const NAMES: [&str; 18] = [
    "define",
    "undef",
    "include",
    "import",
    "if",
    "ifdef",
    "ifndef",
    "elif",
    "elifdef",
    "elifndef",
    "else",
    "endif",
    "error",
    "warning",
    "pragma",
    "line",
    "ident",
    "include_next",
];

impl Preprocessor<'_> {
    /// Carries out the directive that `hash` begins, and consumes its line.
    pub(super) fn directive(&mut self, hash: Raw) {
        let name = self.scan_raw();
        if name.ends_line() {
            return;
        }
        // `# 12 "file"` is what compilers write about line numbers.
        if name.kind == RawKind::Number {
            return self.skip_line();
        }
        let text = match name.kind {
            RawKind::Identifier => self.session.text(name.symbol).to_owned(),
            _ => String::new(),
        };
        let place = name.span;
        match text.as_str() {
            "define" => self.define(place),
            "undef" => self.undefine(place),
            "include" | "import" | "include_next" => self.include(place, text == "import"),
            "if" => {
                let line = self.rest_of_line();
                let chosen = self.condition(place, line);
                self.open_conditional(hash.span, chosen);
            }
            "ifdef" | "ifndef" => {
                let chosen = self.definedness(place, &text) == (text == "ifdef");
                self.open_conditional(hash.span, chosen);
            }
            // A group was chosen and ends here: the others are skipped.
            "elif" | "elifdef" | "elifndef" | "else" => {
                self.skip_line();
                match self.conditionals.last_mut() {
                    Some(conditional) => {
                        let misplaced = conditional.after_else;
                        conditional.after_else |= text == "else";
                        if misplaced {
                            self.after_else(place, &text);
                        }
                        self.skip_groups();
                    }
                    None => self.unbalanced(place, &text),
                }
            }
            "endif" => {
                let line = self.rest_of_line();
                self.expect_end_of(&line, "endif");
                if self.conditionals.pop().is_none() {
                    self.unbalanced(place, &text);
                }
            }
            "error" | "warning" => {
                let start = self.files.last().map_or(0, |cursor| cursor.at as usize);
                self.skip_line();
                let cursor = self.files.last();
                let rest = cursor.and_then(|cursor| cursor.text.get(start..cursor.at as usize));
                let message = rest.unwrap_or_default().trim().to_owned();
                self.session.report(if text == "error" {
                    Diagnostic::error(codes::syntax::USER_ERROR, place, message)
                } else {
                    Diagnostic::warning(codes::syntax::USER_WARNING, place, message)
                });
            }
            "pragma" => {
                let line = self.rest_of_line();
                self.pragma_directive(place, line);
            }
            "line" | "ident" => self.skip_line(),
            _ => {
                self.skip_line();
                let message = match text.as_str() {
                    "" => "a directive's name is missing".to_owned(),
                    name => format!("unknown directive `#{name}`"),
                };
                let code = codes::syntax::UNKNOWN_DIRECTIVE;
                let mut diagnostic = Diagnostic::error(code, place, message);
                if let Some(name) = closest(&text, NAMES) {
                    diagnostic = diagnostic.help(format!("did you mean `#{name}`?"));
                }
                self.session.report(diagnostic);
            }
        }
    }

    /// Reports the conditionals above the first `known` ones, and forgets them.
    pub(super) fn report_open_conditionals(&mut self, known: usize) {
        while self.conditionals.len() > known {
            let Some(conditional) = self.conditionals.pop() else { return };
            let message = "this conditional has no `#endif`";
            self.error(codes::syntax::UNBALANCED_CONDITIONAL, conditional.start, message);
        }
    }

    /// Warns about what follows a complete directive.
    pub(super) fn expect_end_of(&mut self, rest: &[Raw], directive: &str) {
        if let Some(extra) = rest.first() {
            let message = format!("extra tokens after `#{directive}`");
            let code = codes::syntax::EXTRA_TOKENS;
            self.session.report(Diagnostic::warning(code, extra.span, message));
        }
    }

    fn open_conditional(&mut self, start: Span, chosen: bool) {
        if self.stopped {
            return;
        }
        self.conditionals.push(Conditional { start, taken: chosen, after_else: false });
        if !chosen {
            self.skip_groups();
        }
    }

    /// Whether the name on the rest of the line is a macro.
    fn definedness(&mut self, place: Span, directive: &str) -> bool {
        let line = self.rest_of_line();
        match line.first() {
            Some(name) if name.kind == RawKind::Identifier => {
                self.expect_end_of(&line[1..], directive);
                self.session.macros.is_defined(name.symbol) || self.is_question(name.symbol)
            }
            _ => {
                let message = format!("`#{directive}` needs a name");
                self.error(codes::syntax::INVALID_DIRECTIVE, place, message);
                false
            }
        }
    }

    /// Skips lines up to the group that is chosen, or past the innermost conditional's end.
    fn skip_groups(&mut self) {
        let mut depth = 0u32;
        loop {
            let Some(scan) = self.scan() else { return };
            match scan.lexeme {
                Lexeme::Newline => continue,
                // The missing `#endif` is reported where the text ends.
                Lexeme::End => return,
                Lexeme::Punct(Punct::Hash) => {}
                _ => {
                    self.skip_line();
                    continue;
                }
            }
            let name = self.scan_raw();
            if name.ends_line() {
                continue;
            }
            let text = match name.kind {
                RawKind::Identifier => self.session.text(name.symbol).to_owned(),
                _ => String::new(),
            };
            match text.as_str() {
                "if" | "ifdef" | "ifndef" => depth += 1,
                "endif" if depth > 0 => depth -= 1,
                "endif" => {
                    self.conditionals.pop();
                    return self.skip_line();
                }
                "else" | "elif" | "elifdef" | "elifndef" if depth == 0 => {
                    if self.chooses(name.span, &text) {
                        return;
                    }
                    continue;
                }
                _ => {}
            }
            self.skip_line();
        }
    }

    /// Whether a group that begins inside a conditional is the one. Consumes the line.
    fn chooses(&mut self, place: Span, directive: &str) -> bool {
        let Some(&Conditional { taken, after_else, .. }) = self.conditionals.last() else {
            self.skip_line();
            return false;
        };
        if after_else {
            self.after_else(place, directive);
        }
        let chosen = match directive {
            _ if taken || after_else => {
                self.skip_line();
                false
            }
            "else" => {
                let line = self.rest_of_line();
                self.expect_end_of(&line, "else");
                true
            }
            "elif" => {
                let line = self.rest_of_line();
                self.condition(place, line)
            }
            _ => self.definedness(place, directive) == (directive == "elifdef"),
        };
        if let Some(conditional) = self.conditionals.last_mut() {
            conditional.taken |= chosen;
            conditional.after_else |= directive == "else";
        }
        chosen
    }

    fn after_else(&mut self, place: Span, directive: &str) {
        let message = format!("`#{directive}` after `#else`");
        self.error(codes::syntax::UNBALANCED_CONDITIONAL, place, message);
    }

    fn unbalanced(&mut self, place: Span, directive: &str) {
        let message = format!("`#{directive}` without `#if`");
        self.error(codes::syntax::UNBALANCED_CONDITIONAL, place, message);
    }
}
