//! Statements and function bodies.

use super::Parser;
use crate::diagnostic::codes::parse as codes;
use crate::syntax::index::{FrameKind, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::token::{MathMode, Pragma, TokenKind};
use crate::syntax::tree::*;

impl Parser<'_> {
    /// Constructor initialisers, if any, and a block.
    pub(super) fn function_body(&mut self) -> (Vec<MemberInit>, Vec<Stmt>) {
        let mut inits = Vec::new();
        if self.eat(Punct::Colon) {
            while !self.at_end() {
                let first = self.span();
                let (name, _) = self.path(true);
                let braces = self.at(Punct::LBrace);
                let args = if braces { self.braced() } else { self.call_args() };
                let start = self.pos;
                if self.eat(Punct::Ellipsis) {
                    let _ = start;
                }
                inits.push(MemberInit { name, args, braces, span: self.range_from(first) });
                if !self.eat(Punct::Comma) {
                    break;
                }
            }
        }
        (inits, self.block())
    }

    /// Parses `{ ... }` in a scope of its own.
    pub(super) fn block(&mut self) -> Vec<Stmt> {
        self.deeper(Vec::new(), |p| {
            if !p.expect(Punct::LBrace) {
                return Vec::new();
            }
            let locals = p.locals.len();
            let mut statements = Vec::new();
            while !p.at(Punct::RBrace) && !p.at_end() {
                let before = p.pos;
                p.statement_into(&mut statements);
                if p.pos == before {
                    p.bump();
                }
            }
            p.expect(Punct::RBrace);
            p.locals.truncate(locals);
            statements
        })
    }

    fn statement(&mut self) -> Stmt {
        let first = self.span();
        let mut statements = Vec::new();
        self.statement_into(&mut statements);
        match statements.len() {
            1 => statements.swap_remove(0),
            _ => Stmt { kind: StmtKind::Block(statements), span: self.range_from(first) },
        }
    }

    /// Parses a statement in a scope of its own.
    fn sub_statement(&mut self) -> Box<Stmt> {
        let locals = self.locals.len();
        // Pragmas may precede the controlled statement.
        let mut statement = self.statement();
        while matches!(statement.kind, StmtKind::Contract(_)) && !self.at_end() {
            statement = self.statement();
        }
        self.locals.truncate(locals);
        Box::new(statement)
    }

    /// Parses a statement. Labels are statements of their own, so this can add several.
    fn statement_into(&mut self, out: &mut Vec<Stmt>) {
        let first = self.span();
        let fallback = None;
        let kind = self.deeper(fallback, Self::statement_kind);
        if let Some(kind) = kind {
            out.push(Stmt { kind, span: self.range_from(first) });
        }
    }

    fn statement_kind(&mut self) -> Option<StmtKind> {
        let kind = match self.kind() {
            TokenKind::Punct(Punct::Semi) => {
                self.bump();
                StmtKind::Empty
            }
            TokenKind::Punct(Punct::LBrace) => StmtKind::Block(self.block()),
            TokenKind::Punct(Punct::LBracket) if self.skip_statement_attributes() => {
                return self.deeper(None, Self::statement_kind);
            }
            TokenKind::Ident(_) if self.at_ahead(1, Punct::Colon) => {
                self.unsupported("labels are");
                self.bump();
                self.bump();
                return None;
            }
            TokenKind::Pragma(pragma) => {
                self.bump();
                match pragma {
                    Pragma::FpContract(on) => StmtKind::Contract(on),
                    Pragma::MathMode(MathMode::Safe) => StmtKind::Contract(false),
                    // Unrolling is the optimiser's own choice, and other modes change nothing.
                    Pragma::MathMode(_) | Pragma::Unroll(_) | Pragma::Internals(_) => return None,
                }
            }
            TokenKind::Keyword(keyword) => match keyword {
                Keyword::If => self.if_statement(),
                Keyword::While => {
                    self.bump();
                    let locals = self.locals.len();
                    let cond = self.condition();
                    let body = self.sub_statement();
                    self.locals.truncate(locals);
                    StmtKind::While { cond, body }
                }
                Keyword::Do => {
                    self.bump();
                    let body = self.sub_statement();
                    if !self.eat_kw(Keyword::While) {
                        self.expected("`while`");
                    }
                    self.expect(Punct::LParen);
                    let cond = Box::new(self.expression());
                    self.expect(Punct::RParen);
                    self.semicolon();
                    StmtKind::DoWhile { body, cond }
                }
                Keyword::For => self.for_statement(),
                Keyword::Switch => {
                    self.bump();
                    let locals = self.locals.len();
                    let cond = self.condition();
                    let body = self.sub_statement();
                    self.locals.truncate(locals);
                    StmtKind::Switch { cond, body }
                }
                Keyword::Case => {
                    self.bump();
                    let value = Box::new(self.conditional());
                    if self.at(Punct::Ellipsis) {
                        self.unsupported("ranges in `case` are");
                    }
                    self.expect(Punct::Colon);
                    StmtKind::Case(value)
                }
                Keyword::Default => {
                    self.bump();
                    self.expect(Punct::Colon);
                    StmtKind::Default
                }
                Keyword::Break => {
                    self.bump();
                    self.semicolon();
                    StmtKind::Break
                }
                Keyword::Continue => {
                    self.bump();
                    self.semicolon();
                    StmtKind::Continue
                }
                Keyword::Return => {
                    self.bump();
                    let value =
                        (!self.at(Punct::Semi)).then(|| Box::new(self.initializer_clause_comma()));
                    self.semicolon();
                    StmtKind::Return(value)
                }
                Keyword::Using => return self.using_statement(),
                Keyword::StaticAssert => {
                    let first = self.span();
                    let assert = self.static_assert();
                    let span = self.range_from(first);
                    StmtKind::Item(Item { kind: ItemKind::StaticAssert(assert), span })
                }
                Keyword::Goto | Keyword::Asm | Keyword::Try => {
                    let what = match keyword {
                        Keyword::Goto => "`goto` is",
                        Keyword::Asm => "inline assembly is",
                        _ => "exceptions are",
                    };
                    self.unsupported(what);
                    self.recover();
                    return None;
                }
                Keyword::Else => {
                    let span = self.span();
                    self.error(codes::SYNTAX, span, "`else` without `if`");
                    self.bump();
                    return None;
                }
                Keyword::Template => {
                    self.unsupported("templates inside functions are");
                    self.recover();
                    return None;
                }
                _ => return self.declaration_or_expression(),
            },
            _ => return self.declaration_or_expression(),
        };
        Some(kind)
    }

    /// Skips `[[fallthrough]]`, `[[likely]]` and the like in front of a statement that is no
    /// declaration, whose attributes are read with it.
    fn skip_statement_attributes(&mut self) -> bool {
        if !self.at_ahead(1, Punct::LBracket) {
            return false;
        }
        let mark = self.mark();
        self.attributes(&mut Vec::new());
        let is_statement = match self.kind() {
            TokenKind::Punct(Punct::Semi | Punct::LBrace) | TokenKind::Pragma(_) => true,
            TokenKind::Keyword(keyword) => matches!(
                keyword,
                Keyword::If
                    | Keyword::While
                    | Keyword::Do
                    | Keyword::For
                    | Keyword::Switch
                    | Keyword::Case
                    | Keyword::Default
                    | Keyword::Break
                    | Keyword::Continue
                    | Keyword::Return
            ),
            _ => false,
        };
        if !is_statement {
            self.reset(mark);
        }
        is_statement
    }

    fn initializer_clause_comma(&mut self) -> Expr {
        if self.at(Punct::LBrace) { self.init_list() } else { self.expression() }
    }

    /// Expects `;`, and skips to one where it is missing and the rest of the line makes no sense.
    fn semicolon(&mut self) {
        if self.eat(Punct::Semi) {
            return;
        }
        self.expected("`;`");
        if !matches!(
            self.kind(),
            TokenKind::Keyword(_) | TokenKind::Ident(_) | TokenKind::Punct(Punct::RBrace)
        ) {
            self.recover();
        }
    }

    fn if_statement(&mut self) -> StmtKind {
        self.bump();
        let is_constexpr = self.eat_kw(Keyword::Constexpr);
        let locals = self.locals.len();
        let mut init = None;
        if self.at(Punct::LParen) {
            init = self.guess(|p| {
                p.bump();
                let first = p.span();
                let kind = p.declaration_or_expression()?;
                let before = p.tokens.get(p.pos.wrapping_sub(1)).map(|t| t.kind);
                (before == Some(TokenKind::Punct(Punct::Semi)) && !p.at(Punct::RParen))
                    .then(|| Box::new(Stmt { kind, span: p.range_from(first) }))
            });
        }
        let cond = match init {
            None => self.condition(),
            Some(_) => {
                let cond = self.condition_inner();
                self.expect(Punct::RParen);
                cond
            }
        };
        let then = self.sub_statement();
        let otherwise = self.eat_kw(Keyword::Else).then(|| self.sub_statement());
        self.locals.truncate(locals);
        StmtKind::If { is_constexpr, init, cond, then, otherwise }
    }

    fn condition(&mut self) -> Cond {
        self.expect(Punct::LParen);
        let cond = self.condition_inner();
        self.expect(Punct::RParen);
        cond
    }

    fn condition_inner(&mut self) -> Cond {
        if self.starts_declaration()
            && let Some(var) = self.guess(|p| {
                let var = p.condition_variable()?;
                (p.at(Punct::RParen) || p.at(Punct::Semi)).then_some(var)
            })
        {
            for var in &var.vars {
                if let Some(name) = var.declarator.ident() {
                    self.declare(name, NameKind::Value, None);
                }
            }
            return Cond::Var(std::sync::Arc::new(var));
        }
        Cond::Expr(Box::new(self.expression()))
    }

    fn condition_variable(&mut self) -> Option<VarDecl> {
        let (spec, _) = self.decl_spec();
        let declarator = self.declarator();
        declarator.ident()?;
        let init = if self.eat(Punct::Eq) {
            Init::Copy(self.initializer_clause())
        } else if self.at(Punct::LBrace) {
            let first = self.span();
            let args = self.braced();
            Init::Brace(args, self.range_from(first))
        } else {
            return None;
        };
        let vars = vec![VarInit { declarator, init, attrs: Vec::new() }];
        Some(VarDecl { heads: Vec::new(), spec, vars, frame: self.frame })
    }

    fn for_statement(&mut self) -> StmtKind {
        self.bump();
        let locals = self.locals.len();
        self.expect(Punct::LParen);
        if self.starts_declaration() {
            let range = self.guess(|p| {
                let (spec, _) = p.decl_spec();
                let declarator = p.declarator();
                declarator.ident()?;
                p.eat(Punct::Colon).then(|| (Box::new(spec), Box::new(declarator)))
            });
            if let Some((spec, declarator)) = range {
                let range = Box::new(self.initializer_clause());
                self.expect(Punct::RParen);
                if let Some(name) = declarator.ident() {
                    self.declare(name, NameKind::Value, None);
                }
                let body = self.sub_statement();
                self.locals.truncate(locals);
                return StmtKind::RangeFor { spec, declarator, range, body };
            }
        }
        let first = self.span();
        let init = if self.eat(Punct::Semi) {
            None
        } else {
            let kind = self.declaration_or_expression();
            kind.map(|kind| Box::new(Stmt { kind, span: self.range_from(first) }))
        };
        let cond = (!self.at(Punct::Semi)).then(|| self.condition_inner());
        self.expect(Punct::Semi);
        let step = (!self.at(Punct::RParen)).then(|| Box::new(self.expression()));
        self.expect(Punct::RParen);
        let body = self.sub_statement();
        self.locals.truncate(locals);
        StmtKind::For { init, cond, step, body }
    }

    fn using_statement(&mut self) -> Option<StmtKind> {
        let first = self.span();
        if self.kind_at(1) == TokenKind::Keyword(Keyword::Namespace) {
            self.bump();
            self.bump();
            let (path, found) = self.path(false);
            self.semicolon();
            // Names of the namespace may be types: let the frame's names in as locals would be.
            if let Some(inner) = found.inner {
                self.import(inner);
            }
            return Some(StmtKind::UsingNamespace(path));
        }
        if self.ident_ahead(1).is_some() && self.at_ahead(2, Punct::Eq) {
            let alias = self.alias(Vec::new())?;
            let span = self.range_from(first);
            return Some(StmtKind::Item(Item { kind: ItemKind::Alias(alias), span }));
        }
        let item = self.using_declaration();
        let span = self.range_from(first);
        item.map(|kind| StmtKind::Item(Item { kind, span }))
    }

    /// Makes the names of a namespace visible until the end of the block.
    fn import(&mut self, frame: crate::syntax::index::FrameId) {
        let index = self.index.get();
        let mut names = Vec::new();
        let mut at = Some(frame);
        while let Some(id) = at {
            let frame = index.frame(id);
            let mut symbols: Vec<_> = frame.names.keys().copied().collect();
            symbols.sort_unstable();
            for name in symbols {
                if let Some((kind, inner)) = index.member_kind(id, name) {
                    names.push(super::Local { name, kind, inner });
                }
            }
            at = frame.extends;
        }
        self.locals.extend(names);
    }

    /// Whether a declaration rather than an expression begins here.
    pub(super) fn starts_declaration(&mut self) -> bool {
        if self.at(Punct::LBracket) && self.at_ahead(1, Punct::LBracket) {
            return true;
        }
        // `unknown name` can only be meant as a declaration.
        if let Some(name) = self.ident()
            && self.ident_ahead(1).is_some()
            && self.name_kind(name).is_none()
        {
            return true;
        }
        if !self.at_type() {
            return false;
        }
        // `T(...)`, `T{...}` and `T::f()` are expressions, `T (*p)` is not.
        let mark = self.mark();
        self.guessing += 1;
        let (spec, _) = self.decl_spec();
        let plain = matches!(spec.ty, TypeSpec::None);
        let is_declaration = match self.kind() {
            TokenKind::Punct(Punct::LParen) => {
                plain
                    || matches!(self.kind_at(1), TokenKind::Punct(Punct::Star | Punct::Amp))
                        && self.ident_ahead(2).is_some()
                        && self.at_ahead(3, Punct::RParen)
                        && (self.at_ahead(4, Punct::LBracket) || self.at_ahead(4, Punct::LParen))
            }
            TokenKind::Punct(Punct::LBrace | Punct::ColonColon) => false,
            _ => true,
        };
        self.guessing -= 1;
        self.reset(mark);
        is_declaration
    }

    pub(super) fn declaration_or_expression(&mut self) -> Option<StmtKind> {
        if self.starts_declaration() {
            return self.local_declaration();
        }
        let e = self.expression();
        if !self.at(Punct::Semi)
            && matches!(e.kind, ExprKind::Error)
            && !matches!(self.kind(), TokenKind::Punct(Punct::RParen))
        {
            self.recover();
            return None;
        }
        self.semicolon();
        Some(StmtKind::Expr(Box::new(e)))
    }

    fn local_declaration(&mut self) -> Option<StmtKind> {
        let first = self.span();
        let (mut spec, found) = self.decl_spec();
        if self.at(Punct::Semi)
            && let TypeSpec::Class(_) | TypeSpec::Enum(_) = &spec.ty
        {
            self.bump();
            let kind = match spec.ty {
                TypeSpec::Class(class) => ItemKind::Class(class),
                TypeSpec::Enum(decl) => ItemKind::Enum(decl),
                _ => return None,
            };
            return Some(StmtKind::Item(Item { kind, span: self.range_from(first) }));
        }
        if spec.flags.is_typedef {
            return self.local_typedef(spec);
        }
        if matches!(spec.ty, TypeSpec::None) {
            let span = self.span();
            self.error(codes::SYNTAX, span, "a declaration needs a type");
            spec.ty = TypeSpec::Error;
        }
        let _ = found;
        let mut vars = Vec::new();
        loop {
            let mark = self.mark();
            let declarator = self.declarator();
            let mut attrs = Vec::new();
            self.attributes(&mut attrs);
            if declarator.name.is_none() {
                self.expected("a name");
                self.recover();
                break;
            }
            if self.at(Punct::LParen) && self.at_parameters() {
                let name = self.range_from(self.tokens[mark.pos].span);
                let is_definition = self
                    .guess(|p| {
                        p.in_frame(FrameKind::Function, None, |p, _| p.signature());
                        Some(p.at(Punct::LBrace))
                    })
                    .unwrap_or(false);
                if is_definition {
                    let message = "a function cannot be defined inside another function";
                    let diagnostic =
                        crate::diagnostic::Diagnostic::error(codes::NESTED_FUNCTION, name, message)
                            .help(
                                "move it out of the body: into the `header` of a kernel, or in \
                                   front of the function in a file",
                            );
                    self.report(diagnostic);
                    if self.at(Punct::LBrace) {
                        self.skip_group();
                    }
                    if let Some(name) = declarator.ident() {
                        self.declare(name, NameKind::Value, None);
                    }
                    // Declared as something nobody asks about any more.
                    let (heads, init, attrs) = (Vec::new(), Init::None, Vec::new());
                    let vars = vec![VarInit { declarator, init, attrs }];
                    spec.ty = TypeSpec::Error;
                    let frame = crate::syntax::index::FrameId::NONE;
                    let decl = VarDecl { heads, spec, vars, frame };
                    return Some(StmtKind::Var(std::sync::Arc::new(decl)));
                }
                // A function declared inside a function is declared around it as well.
                self.semicolon();
                return None;
            }
            if let Some(name) = declarator.ident() {
                self.declare(name, NameKind::Value, None);
            }
            let init = self.initializer();
            vars.push(VarInit { declarator, init, attrs });
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        if !vars.is_empty() {
            self.semicolon();
        }
        let heads = Vec::new();
        let decl = VarDecl { heads, spec, vars, frame: crate::syntax::index::FrameId::NONE };
        Some(StmtKind::Var(std::sync::Arc::new(decl)))
    }

    fn local_typedef(&mut self, spec: DeclSpec) -> Option<StmtKind> {
        let first = self.span();
        let aliases = self.typedef_names(spec);
        self.semicolon();
        let span = self.range_from(first);
        let mut items: Vec<_> = aliases
            .into_iter()
            .map(|alias| StmtKind::Item(Item { kind: ItemKind::Alias(alias), span }))
            .collect();
        match items.len() {
            0 => None,
            1 => Some(items.swap_remove(0)),
            _ => {
                self.unsupported("several names in one local typedef are");
                Some(items.swap_remove(0))
            }
        }
    }

    /// Parses what may follow a variable's declarator.
    pub(super) fn initializer(&mut self) -> Init {
        let first = self.span();
        if self.eat(Punct::Eq) {
            return Init::Copy(self.initializer_clause());
        }
        if self.at(Punct::LParen) {
            let args = self.call_args();
            return Init::Paren(args, self.range_from(first));
        }
        if self.at(Punct::LBrace) {
            let args = self.braced();
            return Init::Brace(args, self.range_from(first));
        }
        Init::None
    }
}
