//! Expressions.

use std::sync::{Arc, OnceLock};

use super::Parser;
use super::template::{assignment, binary};
use crate::diagnostic::Span;
use crate::diagnostic::codes::parse as codes;
use crate::syntax::index::{FrameId, FrameKind, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::token::{FloatSuffix, IntSuffix, TokenKind};
use crate::syntax::tree::*;

impl Parser<'_> {
    fn make(&self, first: Span, kind: ExprKind) -> Expr {
        Expr { kind, span: self.range_from(first) }
    }

    fn error_expr(&self) -> Expr {
        Expr { kind: ExprKind::Error, span: self.span().into() }
    }

    /// An expression, commas included.
    pub(super) fn expression(&mut self) -> Expr {
        let first = self.span();
        let mut left = self.assignment();
        while self.at(Punct::Comma) {
            self.bump();
            let right = self.assignment();
            left = self.make(first, ExprKind::Comma(Box::new(left), Box::new(right)));
        }
        left
    }

    /// An assignment expression, or a braced list.
    pub(super) fn initializer_clause(&mut self) -> Expr {
        if self.at(Punct::LBrace) {
            return self.init_list();
        }
        self.assignment()
    }

    pub(super) fn assignment(&mut self) -> Expr {
        let fallback = self.error_expr();
        self.deeper(fallback, |p| {
            let first = p.span();
            if p.at_kw(Keyword::Throw) {
                p.unsupported("exceptions are");
                p.bump();
            }
            let left = p.conditional_inner();
            let TokenKind::Punct(punct) = p.kind() else { return left };
            let Some(op) = assignment(punct) else { return left };
            p.bump();
            let right = p.initializer_clause();
            p.make(first, ExprKind::Assign(op, Box::new(left), Box::new(right)))
        })
    }

    /// An expression without assignment at its top.
    pub(super) fn conditional(&mut self) -> Expr {
        let fallback = self.error_expr();
        self.deeper(fallback, Self::conditional_inner)
    }

    fn conditional_inner(&mut self) -> Expr {
        let first = self.span();
        let cond = self.binary(0);
        if !self.eat(Punct::Question) {
            return cond;
        }
        if self.at(Punct::Colon) {
            self.unsupported("`?:` without a middle operand is");
            self.bump();
            return self.assignment();
        }
        let outer = std::mem::replace(&mut self.no_gt, false);
        let then = self.expression();
        self.no_gt = outer;
        self.expect(Punct::Colon);
        let otherwise = self.assignment();
        self.make(first, ExprKind::Cond(Box::new(cond), Box::new(then), Box::new(otherwise)))
    }

    fn binary_here(&self) -> Option<(BinaryOp, u8)> {
        let TokenKind::Punct(punct) = self.kind() else { return None };
        if self.no_gt && matches!(punct, Punct::Gt | Punct::Shr) {
            return None;
        }
        binary(punct)
    }

    fn binary(&mut self, least: u8) -> Expr {
        let first = self.span();
        let mut left = self.unary();
        while let Some((op, tightness)) = self.binary_here() {
            if tightness <= least || self.at_ahead(1, Punct::Ellipsis) {
                break;
            }
            self.bump();
            let fallback = self.error_expr();
            let right = self.deeper(fallback, |p| p.binary(tightness));
            left = self.make(first, ExprKind::Binary(op, Box::new(left), Box::new(right)));
        }
        left
    }

    fn unary(&mut self) -> Expr {
        let fallback = self.error_expr();
        self.deeper(fallback, Self::unary_inner)
    }

    fn unary_inner(&mut self) -> Expr {
        let first = self.span();
        let op = match self.kind() {
            TokenKind::Punct(Punct::Plus) => UnaryOp::Plus,
            TokenKind::Punct(Punct::Minus) => UnaryOp::Neg,
            TokenKind::Punct(Punct::Bang) => UnaryOp::Not,
            TokenKind::Punct(Punct::Tilde) => UnaryOp::BitNot,
            TokenKind::Punct(Punct::Star) => UnaryOp::Deref,
            TokenKind::Punct(Punct::Amp) => UnaryOp::AddressOf,
            TokenKind::Punct(Punct::PlusPlus) => UnaryOp::PreInc,
            TokenKind::Punct(Punct::MinusMinus) => UnaryOp::PreDec,
            TokenKind::Keyword(Keyword::Sizeof) => return self.sizeof(),
            TokenKind::Keyword(Keyword::Alignof) => {
                self.bump();
                self.expect(Punct::LParen);
                let ty = self.nested(|p| p.type_name());
                self.expect(Punct::RParen);
                return self.make(first, ExprKind::Alignof(Box::new(ty)));
            }
            TokenKind::Keyword(Keyword::Noexcept) => {
                self.bump();
                self.expect(Punct::LParen);
                let e = self.nested(|p| p.expression());
                self.expect(Punct::RParen);
                return self.make(first, ExprKind::Noexcept(Box::new(e)));
            }
            TokenKind::Keyword(Keyword::New | Keyword::Delete) => {
                self.unsupported("dynamic allocation is");
                self.bump();
                return self.unary();
            }
            TokenKind::Punct(Punct::LParen) => {
                if let Some(cast) = self.c_cast() {
                    return cast;
                }
                return self.postfix();
            }
            _ => return self.postfix(),
        };
        self.bump();
        let operand = self.unary();
        self.make(first, ExprKind::Unary(op, Box::new(operand)))
    }

    /// Runs `read` inside brackets, where `>` is an operator again.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.no_gt, false);
        let result = read(self);
        self.no_gt = outer;
        result
    }

    fn sizeof(&mut self) -> Expr {
        let first = self.span();
        self.bump();
        if self.eat(Punct::Ellipsis) {
            self.expect(Punct::LParen);
            let name = self.eat_ident();
            self.expect(Punct::RParen);
            return match name {
                Some(name) => self.make(first, ExprKind::SizeofPack(name)),
                None => self.error_expr(),
            };
        }
        if self.at(Punct::LParen) {
            let ty = self.guess(|p| {
                p.bump();
                if !p.at_type() {
                    return None;
                }
                let ty = p.nested(|p| p.type_name());
                p.eat(Punct::RParen).then_some(ty)
            });
            if let Some(ty) = ty {
                return self.make(first, ExprKind::SizeofType(Box::new(ty)));
            }
        }
        let operand = self.unary();
        self.make(first, ExprKind::SizeofExpr(Box::new(operand)))
    }

    fn c_cast(&mut self) -> Option<Expr> {
        let first = self.span();
        let mark = self.mark();
        self.bump();
        let is_type = self.at_type();
        self.reset(mark);
        if !is_type {
            return None;
        }
        let ty = self.guess(|p| {
            p.bump();
            let ty = p.nested(|p| p.type_name());
            (p.eat(Punct::RParen) && p.starts_operand()).then_some(ty)
        })?;
        let operand = if self.at(Punct::LBrace) {
            // A compound literal: `(T){...}`.
            let args = self.braced();
            return Some(self.make(first, ExprKind::BraceConstruct(Box::new(ty), args)));
        } else {
            self.unary()
        };
        Some(self.make(first, ExprKind::Cast(CastKind::CStyle, Box::new(ty), Box::new(operand))))
    }

    /// Whether an operand of a cast can begin here.
    fn starts_operand(&self) -> bool {
        match self.kind() {
            TokenKind::Ident(_)
            | TokenKind::Int { .. }
            | TokenKind::Float { .. }
            | TokenKind::Char(_)
            | TokenKind::Str(_) => true,
            TokenKind::Punct(punct) => matches!(
                punct,
                Punct::LParen
                    | Punct::LBrace
                    | Punct::Minus
                    | Punct::Plus
                    | Punct::Bang
                    | Punct::Tilde
                    | Punct::Star
                    | Punct::Amp
                    | Punct::PlusPlus
                    | Punct::MinusMinus
                    | Punct::ColonColon
                    | Punct::LBracket
            ),
            TokenKind::Keyword(_) => true,
            TokenKind::Pragma(_) | TokenKind::End => false,
        }
    }

    fn postfix(&mut self) -> Expr {
        let first = self.span();
        let mut e = self.primary();
        loop {
            match self.kind() {
                TokenKind::Punct(Punct::LParen) => {
                    let args = self.call_args();
                    e = self.make(first, ExprKind::Call(Box::new(e), args));
                }
                TokenKind::Punct(Punct::LBracket) if !self.at_ahead(1, Punct::LBracket) => {
                    self.bump();
                    let index = self.nested(|p| p.expression());
                    self.expect(Punct::RBracket);
                    e = self.make(first, ExprKind::Index(Box::new(e), Box::new(index)));
                }
                TokenKind::Punct(punct @ (Punct::Dot | Punct::Arrow)) => {
                    self.bump();
                    let path = self.member_path();
                    let arrow = punct == Punct::Arrow;
                    let kind = ExprKind::Member { base: Box::new(e), arrow, path: Box::new(path) };
                    e = self.make(first, kind);
                }
                TokenKind::Punct(Punct::PlusPlus) => {
                    self.bump();
                    e = self.make(first, ExprKind::Unary(UnaryOp::PostInc, Box::new(e)));
                }
                TokenKind::Punct(Punct::MinusMinus) => {
                    self.bump();
                    e = self.make(first, ExprKind::Unary(UnaryOp::PostDec, Box::new(e)));
                }
                _ => return e,
            }
        }
    }

    /// The name after `.` or `->`. Its `<` opens template arguments after `template`, or where
    /// nothing else makes sense of what follows.
    fn member_path(&mut self) -> Path {
        let first = self.span();
        let template = self.eat_kw(Keyword::Template);
        let name = match self.kind() {
            TokenKind::Ident(name) => {
                self.bump();
                SegmentName::Ident(name)
            }
            TokenKind::Keyword(Keyword::Operator) => self.operator_name(),
            TokenKind::Punct(Punct::Tilde) => {
                self.bump();
                self.eat_ident();
                SegmentName::Destructor
            }
            _ => {
                self.expected("a member's name");
                SegmentName::Destructor
            }
        };
        let args = if !self.at(Punct::Lt) {
            None
        } else if template {
            Some(self.template_args())
        } else {
            self.guess(|p| {
                let args = p.template_args();
                p.at(Punct::LParen).then_some(args)
            })
        };
        let span = self.range_from(first);
        Path { global: false, segments: vec![Segment { name, args, span }], span }
    }

    /// Parses `(a, b)`.
    pub(super) fn call_args(&mut self) -> Vec<Expr> {
        self.expect(Punct::LParen);
        let args = self.nested(|p| p.list(Punct::RParen));
        self.expect(Punct::RParen);
        args
    }

    /// Parses `{a, b}` and returns what is inside.
    pub(super) fn braced(&mut self) -> Vec<Expr> {
        self.deeper(Vec::new(), |p| {
            p.expect(Punct::LBrace);
            let args = p.nested(|p| p.list(Punct::RBrace));
            p.expect(Punct::RBrace);
            args
        })
    }

    pub(super) fn init_list(&mut self) -> Expr {
        let first = self.span();
        let args = self.braced();
        self.make(first, ExprKind::InitList(args))
    }

    fn list(&mut self, close: Punct) -> Vec<Expr> {
        let mut items = Vec::new();
        while !self.at(close) && !self.at_end() {
            let before = self.pos;
            let first = self.span();
            let mut item = if self.at(Punct::Dot) && self.ident_ahead(1).is_some() {
                self.bump();
                let name = self.eat_ident();
                if !self.at(Punct::LBrace) {
                    self.expect(Punct::Eq);
                }
                let value = self.initializer_clause();
                match name {
                    Some(name) => self.make(first, ExprKind::Designated(name, Box::new(value))),
                    None => value,
                }
            } else {
                self.initializer_clause()
            };
            if self.eat(Punct::Ellipsis) {
                let idents = self.idents_since(before);
                item = self.make(first, ExprKind::Expansion(Box::new(item), idents));
            }
            items.push(item);
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        items
    }

    fn primary(&mut self) -> Expr {
        let first = self.span();
        let kind = match self.kind() {
            TokenKind::Int { value, suffix, decimal } => {
                self.bump();
                ExprKind::Int(value, int_type(value, suffix, decimal))
            }
            TokenKind::Float { value, suffix } => {
                self.bump();
                let ty = match suffix {
                    FloatSuffix::None | FloatSuffix::F => Builtin::Float,
                    FloatSuffix::H => Builtin::Half,
                    FloatSuffix::Bf => Builtin::Bfloat,
                };
                ExprKind::Float(value, ty)
            }
            TokenKind::Char(c) => {
                self.bump();
                ExprKind::Char(c)
            }
            TokenKind::Str(symbol) => {
                self.bump();
                ExprKind::Str(self.text(symbol).into())
            }
            TokenKind::Keyword(Keyword::True | Keyword::False) => {
                let value = self.at_kw(Keyword::True);
                self.bump();
                ExprKind::Bool(value)
            }
            TokenKind::Keyword(Keyword::Nullptr) => {
                self.bump();
                ExprKind::Nullptr
            }
            TokenKind::Keyword(Keyword::This) => {
                self.bump();
                ExprKind::This
            }
            TokenKind::Keyword(
                keyword @ (Keyword::StaticCast
                | Keyword::ReinterpretCast
                | Keyword::ConstCast
                | Keyword::DynamicCast),
            ) => {
                self.bump();
                let cast = match keyword {
                    Keyword::ReinterpretCast => CastKind::Reinterpret,
                    Keyword::ConstCast => CastKind::Const,
                    _ => CastKind::Static,
                };
                let ty = self.angled_type();
                let e = self.parenthesized();
                ExprKind::Cast(cast, Box::new(ty), Box::new(e))
            }
            TokenKind::Punct(Punct::LParen) => return self.paren_or_fold(),
            TokenKind::Punct(Punct::LBracket) => return self.lambda(),
            TokenKind::Punct(Punct::LBrace) => return self.init_list(),
            TokenKind::Keyword(Keyword::Decltype) if self.at_decltype_path() => {
                let (path, _) = self.path(false);
                ExprKind::Path(Box::new(path))
            }
            TokenKind::Keyword(_) if self.at_type() => return self.construct(),
            TokenKind::Ident(name) if self.is_as_type(name) => {
                while !self.at(Punct::Lt) {
                    self.bump();
                }
                let ty = self.angled_type();
                let e = self.parenthesized();
                ExprKind::AsType(Box::new(ty), Box::new(e))
            }
            TokenKind::Ident(_)
            | TokenKind::Punct(Punct::ColonColon)
            | TokenKind::Keyword(Keyword::Operator) => {
                let mark = self.mark();
                let (path, found) = self.path(false);
                let is_type = matches!(found.kind, Some(NameKind::Type | NameKind::TypeTemplate));
                let constructs = self.at(Punct::LBrace) || self.at(Punct::LParen);
                // Only a type can stand before `{`, even where nobody said `typename`.
                let is_type = is_type
                    || self.at(Punct::LBrace)
                        && found.kind.is_none()
                        && (path.segments.len() > 1 || path.last().args.is_some());
                if is_type && constructs {
                    self.reset(mark);
                    return self.construct();
                }
                ExprKind::Path(Box::new(path))
            }
            _ => {
                self.expected("an expression");
                // Leave what may close an outer construct.
                if !matches!(
                    self.kind(),
                    TokenKind::End
                        | TokenKind::Punct(
                            Punct::RParen
                                | Punct::RBrace
                                | Punct::RBracket
                                | Punct::Semi
                                | Punct::Comma
                                | Punct::LBrace
                        )
                        | TokenKind::Keyword(_)
                ) {
                    self.bump();
                }
                return self.error_expr();
            }
        };
        self.make(first, kind)
    }

    fn is_as_type(&self, name: crate::syntax::symbol::Symbol) -> bool {
        match self.text(name) {
            "as_type" => self.at_ahead(1, Punct::Lt),
            "metal" => {
                self.at_ahead(1, Punct::ColonColon)
                    && self.at_ahead(3, Punct::Lt)
                    && self.ident_ahead(2).is_some_and(|name| self.text(name) == "as_type")
            }
            _ => false,
        }
    }

    fn angled_type(&mut self) -> TypeName {
        self.expect(Punct::Lt);
        let outer = std::mem::replace(&mut self.no_gt, true);
        let ty = self.type_name();
        self.no_gt = outer;
        if !self.eat_gt() {
            self.expected("`>`");
        }
        ty
    }

    fn parenthesized(&mut self) -> Expr {
        self.expect(Punct::LParen);
        let e = self.nested(|p| p.expression());
        self.expect(Punct::RParen);
        e
    }

    /// `T(args)` or `T{args}`.
    fn construct(&mut self) -> Expr {
        let first = self.span();
        let (spec, _) = self.decl_spec();
        let span = self.range_from(first);
        let ty = Box::new(TypeName { spec, chunks: Vec::new(), span });
        let kind = if self.at(Punct::LBrace) {
            ExprKind::BraceConstruct(ty, self.braced())
        } else if self.at(Punct::LParen) {
            ExprKind::Construct(ty, self.call_args())
        } else {
            self.expected("`(` or `{` after a type");
            ExprKind::Error
        };
        self.make(first, kind)
    }

    fn fold_op(&self, ahead: usize) -> Option<FoldOp> {
        let TokenKind::Punct(punct) = self.kind_at(ahead) else { return None };
        if punct == Punct::Comma {
            return Some(FoldOp::Comma);
        }
        if let Some(op) = assignment(punct) {
            return Some(FoldOp::Assign(op));
        }
        binary(punct).map(|(op, _)| FoldOp::Binary(op))
    }

    fn paren_or_fold(&mut self) -> Expr {
        let first = self.span();
        let start = self.pos;
        self.bump();
        let outer = std::mem::replace(&mut self.no_gt, false);
        let kind = if self.at(Punct::Ellipsis) {
            self.bump();
            let op = self.fold_op(0).unwrap_or(FoldOp::Comma);
            self.bump();
            let right = self.unary();
            let idents = self.idents_since(start);
            ExprKind::Fold { op, left: None, right: Some(Box::new(right)), idents }
        } else {
            let e = self.fold_left();
            match self.fold_op(0) {
                Some(op) if self.at_ahead(1, Punct::Ellipsis) => {
                    self.bump();
                    self.bump();
                    let mut right = None;
                    if self.fold_op(0).is_some() {
                        self.bump();
                        right = Some(Box::new(self.unary()));
                    }
                    let idents = self.idents_since(start);
                    ExprKind::Fold { op, left: Some(Box::new(e)), right, idents }
                }
                _ => ExprKind::Paren(Box::new(e)),
            }
        };
        self.expect(Punct::RParen);
        self.no_gt = outer;
        self.make(first, kind)
    }

    /// An expression that stops before `op ...`.
    fn fold_left(&mut self) -> Expr {
        let first = self.span();
        let mut left = self.assignment();
        while self.at(Punct::Comma) && !self.at_ahead(1, Punct::Ellipsis) {
            self.bump();
            let right = self.assignment();
            left = self.make(first, ExprKind::Comma(Box::new(left), Box::new(right)));
        }
        left
    }

    fn lambda(&mut self) -> Expr {
        let first = self.span();
        self.bump();
        let mut default_by_ref = None;
        let mut captures = Vec::new();
        while !self.at(Punct::RBracket) && !self.at_end() {
            let span = self.span();
            let bare = matches!(self.kind_at(1), TokenKind::Punct(Punct::Comma | Punct::RBracket));
            if bare && (self.at(Punct::Amp) || self.at(Punct::Eq)) {
                default_by_ref = Some(self.at(Punct::Amp));
                self.bump();
            } else if self.at_kw(Keyword::This)
                || self.at(Punct::Star) && self.kind_at(1) == TokenKind::Keyword(Keyword::This)
            {
                let by_ref = !self.eat(Punct::Star);
                self.bump();
                captures.push(Capture { name: None, by_ref, init: None, span: span.into() });
            } else {
                let by_ref = self.eat(Punct::Amp);
                let Some(name) = self.eat_ident() else {
                    self.expected("a capture");
                    break;
                };
                self.eat(Punct::Ellipsis);
                let init = self.eat(Punct::Eq).then(|| self.initializer_clause());
                let span = self.range_from(span);
                captures.push(Capture { name: Some(name), by_ref, init, span });
            }
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        self.expect(Punct::RBracket);
        let start = self.pos;
        let frame = self.frame;
        let locals = self.locals.len();
        for capture in &captures {
            if let Some(name) = capture.name {
                self.locals.push(super::Local { name, kind: NameKind::Value, inner: None });
            }
        }
        let call = self.nested(|p| p.lambda_call(first));
        self.locals.truncate(locals);
        self.frame = frame;
        let idents = self.idents_since(start);
        let lambda = Lambda { default_by_ref, captures, call: Arc::new(call), idents };
        self.make(first, ExprKind::Lambda(Arc::new(lambda)))
    }

    fn lambda_call(&mut self, first: Span) -> FunctionDecl {
        self.in_frame(FrameKind::Function, None, |p, _| {
            let heads = Vec::new();
            let span = p.span().into();
            let sig = if p.at(Punct::LParen) { p.signature() } else { Signature::default() };
            let start = p.pos as u32;
            let mut block = Vec::new();
            if p.at(Punct::LBrace) {
                block = p.block();
            } else {
                p.expected("a lambda's body");
            }
            let cell = OnceLock::new();
            let _ = cell.set(Body { inits: Vec::new(), block, diagnostics: Vec::new() });
            let end = p.pos as u32;
            let body = FunctionBody::Lazy(LazyBody {
                start,
                end,
                unit: p.unit,
                contract: None,
                frame: FrameId::NONE,
                cell,
            });
            let name = SegmentName::Operator(Operator::Call);
            let path =
                Path { global: false, segments: vec![Segment { name, args: None, span }], span };
            let spec = DeclSpec {
                ty: TypeSpec::Auto,
                quals: Quals::default(),
                flags: SpecFlags::default(),
                attrs: Vec::new(),
                span,
            };
            FunctionDecl {
                heads,
                spec,
                name: path,
                ret_chunks: Vec::new(),
                sig,
                body,
                kind: FunctionKind::Plain,
                attrs: Vec::new(),
                frame: FrameId::NONE,
                span: p.range_from(first),
            }
        })
    }

    pub(super) fn unsupported(&mut self, what: &str) {
        let span = self.span();
        self.error(codes::UNSUPPORTED, span, format!("{what} not supported"));
    }
}

fn int_type(value: u64, suffix: IntSuffix, decimal: bool) -> Builtin {
    let fits_int = value <= i32::MAX as u64;
    let fits_uint = value <= u32::MAX as u64;
    let fits_long = value <= i64::MAX as u64;
    match suffix {
        IntSuffix::None if fits_int => Builtin::Int,
        IntSuffix::None if fits_uint && !decimal => Builtin::UInt,
        IntSuffix::None | IntSuffix::L | IntSuffix::Ll if fits_long || decimal => Builtin::Long,
        IntSuffix::None | IntSuffix::L | IntSuffix::Ll => Builtin::ULong,
        IntSuffix::U if fits_uint => Builtin::UInt,
        IntSuffix::U | IntSuffix::Ul | IntSuffix::Ull => Builtin::ULong,
    }
}
