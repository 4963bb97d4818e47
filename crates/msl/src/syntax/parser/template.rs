//! Paths, template arguments and template heads.

use std::sync::Arc;

use super::Parser;
use crate::diagnostic::codes::parse as codes;
use crate::syntax::index::{FrameId, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::*;

/// What a path was found to stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) kind: Option<NameKind>,
    pub(super) inner: Option<FrameId>,
    /// Some part depends on a template parameter or is unknown for another reason.
    pub(super) unknown: bool,
}

impl Parser<'_> {
    pub(super) fn at_path(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::Ident(_)
                | TokenKind::Punct(Punct::ColonColon)
                | TokenKind::Keyword(Keyword::Operator)
        )
    }

    /// Parses a path. With `typename` the result is a type whatever is known.
    pub(super) fn path(&mut self, typename: bool) -> (Path, Found) {
        let first = self.span();
        let global = self.eat(Punct::ColonColon);
        let mut segments = Vec::new();
        let mut found;
        let mut scope = global.then(|| self.global_frame());
        loop {
            let start = self.span();
            let template = self.eat_kw(Keyword::Template);
            let name = match self.kind() {
                TokenKind::Ident(name) => {
                    self.bump();
                    SegmentName::Ident(name)
                }
                TokenKind::Keyword(Keyword::Operator) => self.operator_name(),
                TokenKind::Keyword(Keyword::Decltype) if segments.is_empty() => {
                    match self.decltype() {
                        TypeSpec::Decltype(Some(e)) => SegmentName::Decltype(e),
                        _ => SegmentName::Destructor,
                    }
                }
                TokenKind::Punct(Punct::Tilde) => {
                    self.bump();
                    if self.ident().is_some() {
                        self.bump();
                    }
                    SegmentName::Destructor
                }
                // `x.template foo` aside, a builtin type name after `~` or as a member.
                _ => {
                    self.expected("a name");
                    SegmentName::Destructor
                }
            };
            let known = match (&name, scope) {
                (SegmentName::Ident(name), Some(frame)) => {
                    if frame == FrameId::NONE {
                        None
                    } else {
                        self.index.get().member_kind(frame, *name)
                    }
                }
                (SegmentName::Ident(name), None) if segments.is_empty() => self.name_kind(*name),
                _ => None,
            };
            let inside_unknown = !segments.is_empty() && scope.is_none();
            found = Found {
                kind: known.map(|k| k.0),
                inner: known.and_then(|k| k.1),
                unknown: known.is_none(),
            };
            let args = self.segment_args(template, &name, found, inside_unknown, typename);
            if args.is_some() && found.kind == Some(NameKind::TypeTemplate) {
                found.kind = Some(NameKind::Type);
            }
            let range = self.range_from(start);
            segments.push(Segment { name, args, span: range });
            let more = self.at(Punct::ColonColon)
                && (matches!(
                    self.kind_at(1),
                    TokenKind::Ident(_) | TokenKind::Keyword(Keyword::Template | Keyword::Operator)
                ) || self.at_ahead(1, Punct::Tilde));
            if !more {
                break;
            }
            self.bump();
            scope = match found.kind {
                Some(NameKind::Namespace | NameKind::Type | NameKind::TypeTemplate) => found.inner,
                _ => None,
            };
        }
        if typename {
            found.kind = Some(NameKind::Type);
        }
        let span = self.range_from(first);
        (Path { global, segments, span }, found)
    }

    /// Whether `decltype(...)::` begins here.
    pub(super) fn at_decltype_path(&mut self) -> bool {
        if !self.at_kw(Keyword::Decltype) {
            return false;
        }
        let mark = self.mark();
        self.bump();
        self.skip_group();
        let found = self.at(Punct::ColonColon);
        self.reset(mark);
        found
    }

    fn global_frame(&self) -> FrameId {
        let index = self.index.get();
        let mut at = self.frame;
        if at == FrameId::NONE {
            return index.root();
        }
        while let Some(parent) = index.frame(at).parent {
            at = parent;
        }
        at
    }

    fn segment_args(
        &mut self,
        template: bool,
        name: &SegmentName,
        found: Found,
        inside_unknown: bool,
        typename: bool,
    ) -> Option<Vec<TemplateArg>> {
        if !self.at(Punct::Lt) {
            return None;
        }
        match found.kind {
            Some(NameKind::TypeTemplate | NameKind::Template) => return Some(self.template_args()),
            Some(_) if !template => return None,
            _ => {}
        }
        if template || typename {
            return Some(self.template_args());
        }
        if !matches!(name, SegmentName::Ident(_)) {
            return None;
        }
        // A name nobody declared: read `<` as a bracket where that makes sense of what follows.
        self.guess(|p| {
            let args = p.template_args();
            let fits = match p.kind() {
                TokenKind::Punct(Punct::LParen | Punct::ColonColon) => true,
                TokenKind::Punct(Punct::LBrace) | TokenKind::Ident(_) => !inside_unknown,
                _ => false,
            };
            fits.then_some(args)
        })
    }

    /// Parses `<...>`.
    pub(super) fn template_args(&mut self) -> Vec<TemplateArg> {
        self.deeper(Vec::new(), |p| {
            let mut args = Vec::new();
            p.expect(Punct::Lt);
            let outer = std::mem::replace(&mut p.no_gt, true);
            while !p.at_gt() && !p.at_end() {
                args.push(p.template_arg());
                if !p.eat(Punct::Comma) {
                    break;
                }
            }
            p.no_gt = outer;
            if !p.eat_gt() {
                p.expected("`>`");
            }
            args
        })
    }

    fn template_arg(&mut self) -> TemplateArg {
        let start = self.pos;
        let as_type = if self.at_type() {
            self.guess(|p| {
                let ty = p.type_name();
                let ends = p.at(Punct::Comma) || p.at_gt() || p.at(Punct::Ellipsis);
                ends.then_some(ty)
            })
        } else {
            None
        };
        let arg = match as_type {
            Some(ty) => TemplateArg::Type(ty),
            None => TemplateArg::Value(self.conditional()),
        };
        if self.eat(Punct::Ellipsis) {
            let idents = self.idents_since(start);
            return TemplateArg::Expansion(Box::new(arg), idents);
        }
        arg
    }

    /// Parses `template <...>`, declaring the parameters in the current frame.
    pub(super) fn template_head(&mut self) -> Arc<TemplateHead> {
        let first = self.span();
        self.bump();
        let mut params = Vec::new();
        if !self.expect(Punct::Lt) {
            let span = self.range_from(first);
            return Arc::new(TemplateHead { params, span });
        }
        let outer = std::mem::replace(&mut self.no_gt, true);
        while !self.at_gt() && !self.at_end() {
            params.push(self.template_param());
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        self.no_gt = outer;
        if !self.eat_gt() {
            self.expected("`>`");
        }
        // A head never shares a `>>` with anything.
        let span = self.range_from(first);
        Arc::new(TemplateHead { params, span })
    }

    fn template_param(&mut self) -> TemplateParam {
        let first = self.span();
        if self.at_kw(Keyword::Template) {
            self.bump();
            // The parameters of a template parameter name nothing outside it.
            let locals = self.locals.len();
            self.guessing += 1;
            if self.expect(Punct::Lt) {
                while !self.at_gt() && !self.at_end() {
                    self.template_param();
                    if !self.eat(Punct::Comma) {
                        break;
                    }
                }
                self.eat_gt();
            }
            self.guessing -= 1;
            self.locals.truncate(locals);
            let _ = self.eat_kw(Keyword::Class) || self.eat_kw(Keyword::Typename);
            let pack = self.eat(Punct::Ellipsis);
            let name = self.eat_ident();
            if let Some(name) = name {
                self.declare(name, NameKind::TypeTemplate, None);
            }
            let default = self.eat(Punct::Eq).then(|| self.type_name());
            let span = self.range_from(first);
            return TemplateParam { name, kind: TemplateParamKind::Template(default), pack, span };
        }
        let is_type = (self.at_kw(Keyword::Typename) || self.at_kw(Keyword::Class))
            && match self.kind_at(1) {
                TokenKind::Punct(
                    Punct::Comma | Punct::Gt | Punct::Shr | Punct::Eq | Punct::Ellipsis,
                ) => true,
                TokenKind::Ident(_) => matches!(
                    self.kind_at(2),
                    TokenKind::Punct(Punct::Comma | Punct::Gt | Punct::Shr | Punct::Eq)
                ),
                _ => false,
            };
        if is_type {
            self.bump();
            let pack = self.eat(Punct::Ellipsis);
            let name = self.eat_ident();
            if let Some(name) = name {
                self.declare(name, NameKind::Type, None);
            }
            let default = self.eat(Punct::Eq).then(|| self.type_name());
            let span = self.range_from(first);
            return TemplateParam { name, kind: TemplateParamKind::Type(default), pack, span };
        }
        if !self.at_type() {
            let found = self.found();
            let span = self.span();
            self.error(
                codes::SYNTAX,
                span,
                format!("expected a template parameter, found {found}"),
            );
            if !self.at_gt() && !self.at(Punct::Comma) {
                self.bump();
            }
        }
        let (spec, _) = self.decl_spec();
        let declarator = self.declarator();
        let name = declarator.ident();
        if let Some(name) = name {
            self.declare(name, NameKind::Value, None);
        }
        let default = self.eat(Punct::Eq).then(|| self.conditional());
        let span = self.range_from(first);
        let pack = declarator.pack.is_some();
        let ty = TypeName { spec, chunks: declarator.chunks, span };
        TemplateParam { name, kind: TemplateParamKind::Value { ty, default }, pack, span }
    }

    pub(super) fn eat_ident(&mut self) -> Option<crate::syntax::symbol::Symbol> {
        let name = self.ident();
        if name.is_some() {
            self.bump();
        }
        name
    }

    /// Parses `operator` and what it names.
    pub(super) fn operator_name(&mut self) -> SegmentName {
        self.bump();
        let operator = match self.kind() {
            TokenKind::Punct(punct) => match punct {
                Punct::LParen if self.at_ahead(1, Punct::RParen) => {
                    self.bump();
                    Operator::Call
                }
                Punct::LBracket if self.at_ahead(1, Punct::RBracket) => {
                    self.bump();
                    Operator::Index
                }
                Punct::Arrow => Operator::Arrow,
                Punct::Comma => Operator::Comma,
                Punct::Tilde => Operator::Unary(UnaryOp::BitNot),
                Punct::Bang => Operator::Unary(UnaryOp::Not),
                Punct::PlusPlus => Operator::Unary(UnaryOp::PreInc),
                Punct::MinusMinus => Operator::Unary(UnaryOp::PreDec),
                _ => match (assignment(punct), binary(punct)) {
                    (Some(op), _) => Operator::Assign(op),
                    (None, Some((op, _))) => Operator::Binary(op),
                    (None, None) => {
                        self.expected("an operator");
                        return SegmentName::Destructor;
                    }
                },
            },
            _ if self.at_type() => {
                return SegmentName::Conversion(Box::new(self.conversion_type()));
            }
            _ => {
                self.expected("an operator");
                return SegmentName::Destructor;
            }
        };
        self.bump();
        SegmentName::Operator(operator)
    }

    fn conversion_type(&mut self) -> TypeName {
        let first = self.span();
        let (spec, _) = self.decl_spec();
        let mut chunks = Vec::new();
        self.pointer_chunks(&mut chunks);
        let span = self.range_from(first);
        TypeName { spec, chunks, span }
    }
}

/// The operator of an assignment token.
pub(super) fn assignment(punct: Punct) -> Option<Option<BinaryOp>> {
    Some(match punct {
        Punct::Eq => None,
        Punct::PlusEq => Some(BinaryOp::Add),
        Punct::MinusEq => Some(BinaryOp::Sub),
        Punct::StarEq => Some(BinaryOp::Mul),
        Punct::SlashEq => Some(BinaryOp::Div),
        Punct::PercentEq => Some(BinaryOp::Rem),
        Punct::AmpEq => Some(BinaryOp::And),
        Punct::PipeEq => Some(BinaryOp::Or),
        Punct::CaretEq => Some(BinaryOp::Xor),
        Punct::ShlEq => Some(BinaryOp::Shl),
        Punct::ShrEq => Some(BinaryOp::Shr),
        _ => return None,
    })
}

/// The binary operator of a token and how tightly it binds.
pub(super) fn binary(punct: Punct) -> Option<(BinaryOp, u8)> {
    Some(match punct {
        Punct::PipePipe => (BinaryOp::LogOr, 1),
        Punct::AmpAmp => (BinaryOp::LogAnd, 2),
        Punct::Pipe => (BinaryOp::Or, 3),
        Punct::Caret => (BinaryOp::Xor, 4),
        Punct::Amp => (BinaryOp::And, 5),
        Punct::EqEq => (BinaryOp::Eq, 6),
        Punct::BangEq => (BinaryOp::Ne, 6),
        Punct::Lt => (BinaryOp::Lt, 7),
        Punct::Gt => (BinaryOp::Gt, 7),
        Punct::LtEq => (BinaryOp::Le, 7),
        Punct::GtEq => (BinaryOp::Ge, 7),
        Punct::Shl => (BinaryOp::Shl, 8),
        Punct::Shr => (BinaryOp::Shr, 8),
        Punct::Plus => (BinaryOp::Add, 9),
        Punct::Minus => (BinaryOp::Sub, 9),
        Punct::Star => (BinaryOp::Mul, 10),
        Punct::Slash => (BinaryOp::Div, 10),
        Punct::Percent => (BinaryOp::Rem, 10),
        _ => return None,
    })
}
