//! Declaration specifiers, declarators, type names and attributes.

use super::Parser;
use super::template::Found;
use crate::diagnostic::codes::parse as codes;
use crate::syntax::index::{FrameKind, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::*;

impl Parser<'_> {
    /// Whether a type, or specifiers of a declaration, begin here.
    pub(super) fn at_type(&mut self) -> bool {
        match self.kind() {
            TokenKind::Keyword(Keyword::Decltype) if self.at_decltype_path() => self.path_is_type(),
            TokenKind::Keyword(keyword) => is_specifier(keyword),
            TokenKind::Ident(_) | TokenKind::Punct(Punct::ColonColon) => {
                if let Some(name) = self.ident()
                    && !self.at_ahead(1, Punct::ColonColon)
                {
                    let kind = self.name_kind(name).map(|found| found.0);
                    return match kind {
                        Some(NameKind::Type) => true,
                        Some(NameKind::TypeTemplate) if self.at_ahead(1, Punct::Lt) => {
                            self.path_is_type()
                        }
                        Some(NameKind::TypeTemplate) => true,
                        // `vec<T, 4>` and the like when nobody declared them.
                        _ => false,
                    };
                }
                self.path_is_type()
            }
            TokenKind::Punct(Punct::LBracket) => self.at_ahead(1, Punct::LBracket),
            _ => false,
        }
    }

    fn path_is_type(&mut self) -> bool {
        let mark = self.mark();
        self.guessing += 1;
        let (_, found) = self.path(false);
        let is_type = match found.kind {
            Some(kind) => matches!(kind, NameKind::Type | NameKind::TypeTemplate),
            // `A::B name` where nothing is known of `A` can only be a declaration.
            None => found.unknown && self.ident().is_some(),
        };
        self.guessing -= 1;
        self.reset(mark);
        is_type
    }

    /// Parses specifiers. Also returns what the type's path was found to be.
    pub(super) fn decl_spec(&mut self) -> (DeclSpec, Option<Found>) {
        let first = self.span();
        let mut ty = None;
        let mut quals = Quals::default();
        let mut flags = SpecFlags::default();
        let mut attrs = Vec::new();
        let mut words = Words::default();
        let mut path_found = None;
        loop {
            if self.at(Punct::LBracket) && self.at_ahead(1, Punct::LBracket) {
                self.attributes(&mut attrs);
                continue;
            }
            let keyword = match self.kind() {
                TokenKind::Keyword(keyword) => keyword,
                TokenKind::Ident(_) | TokenKind::Punct(Punct::ColonColon)
                    if ty.is_none() && !words.any() =>
                {
                    if self.at_constructor() {
                        break;
                    }
                    let (path, found) = self.path(false);
                    path_found = Some(found);
                    ty = Some(TypeSpec::Path(path));
                    continue;
                }
                _ => break,
            };
            if self.qualifier(&mut quals) {
                continue;
            }
            match keyword {
                Keyword::Static => flags.is_static = true,
                Keyword::Constexpr => flags.is_constexpr = true,
                Keyword::Inline => flags.is_inline = true,
                Keyword::Typedef => flags.is_typedef = true,
                Keyword::Extern => {
                    flags.is_extern = true;
                    if matches!(self.kind_at(1), TokenKind::Str(_)) {
                        self.bump();
                    }
                }
                Keyword::Friend => flags.is_friend = true,
                Keyword::Explicit => flags.is_explicit = true,
                Keyword::Virtual => flags.is_virtual = true,
                Keyword::Kernel => flags.is_kernel = true,
                Keyword::Vertex | Keyword::Fragment => {
                    let span = self.span();
                    let message = format!("`{}` functions are not supported", keyword.text());
                    self.error(codes::UNSUPPORTED, span, message);
                }
                Keyword::Mutable | Keyword::Register | Keyword::ThreadLocal => {}
                Keyword::Attribute | Keyword::Alignas => {
                    self.attributes(&mut attrs);
                    continue;
                }
                Keyword::Typename => {
                    self.bump();
                    let (path, mut found) = self.path(true);
                    found.kind = Some(NameKind::Type);
                    path_found = Some(found);
                    ty = Some(TypeSpec::Path(path));
                    continue;
                }
                Keyword::Decltype if self.at_decltype_path() => {
                    let (path, found) = self.path(false);
                    path_found = Some(found);
                    ty = Some(TypeSpec::Path(path));
                    continue;
                }
                Keyword::Decltype => {
                    ty = Some(self.decltype());
                    continue;
                }
                Keyword::Struct | Keyword::Class | Keyword::Union => {
                    let (spec, found) = self.class_specifier();
                    ty = Some(spec);
                    path_found = found;
                    continue;
                }
                Keyword::Enum => {
                    ty = Some(self.enum_specifier());
                    continue;
                }
                Keyword::Auto => ty = Some(TypeSpec::Auto),
                _ if ty.is_none() && words.add(keyword) => {}
                _ => break,
            }
            self.bump();
        }
        let span = self.range_from(first);
        let ty = match (ty, words.any()) {
            (Some(ty), _) => ty,
            (None, false) => TypeSpec::None,
            (None, true) => match words.builtin() {
                Some(builtin) => TypeSpec::Builtin(builtin),
                None => {
                    self.error(codes::SYNTAX, span, "these words do not make a type");
                    TypeSpec::Error
                }
            },
        };
        (DeclSpec { ty, quals, flags, attrs, span }, path_found)
    }

    pub(super) fn decltype(&mut self) -> TypeSpec {
        self.bump();
        self.expect(Punct::LParen);
        if self.eat_kw(Keyword::Auto) {
            self.expect(Punct::RParen);
            return TypeSpec::Decltype(None);
        }
        let outer = std::mem::replace(&mut self.no_gt, false);
        let e = self.expression();
        self.no_gt = outer;
        self.expect(Punct::RParen);
        TypeSpec::Decltype(Some(Box::new(e)))
    }

    /// Whether a constructor's name and parameters begin here: no type comes first.
    fn at_constructor(&self) -> bool {
        let Some(name) = self.ident() else { return false };
        if self.class_name == Some(name) && self.at_ahead(1, Punct::LParen) {
            return true;
        }
        // `A::A(` or `A<T>::A(` outside the class.
        let mut ahead = 1;
        if self.at_ahead(1, Punct::Lt) {
            let mut open = 0usize;
            loop {
                match self.kind_at(ahead) {
                    TokenKind::Punct(Punct::Lt) => open += 1,
                    TokenKind::Punct(Punct::Gt) => open = open.saturating_sub(1),
                    TokenKind::Punct(Punct::Shr) => open = open.saturating_sub(2),
                    TokenKind::Ident(_)
                    | TokenKind::Punct(Punct::Comma | Punct::ColonColon)
                    | TokenKind::Keyword(_)
                    | TokenKind::Int { .. } => {}
                    _ => return false,
                }
                ahead += 1;
                if open == 0 {
                    break;
                }
            }
        }
        self.at_ahead(ahead, Punct::ColonColon)
            && self.ident_ahead(ahead + 1) == Some(name)
            && self.at_ahead(ahead + 2, Punct::LParen)
    }

    /// Consumes a qualifier or address space, if one is here.
    fn qualifier(&mut self, quals: &mut Quals) -> bool {
        let TokenKind::Keyword(keyword) = self.kind() else { return false };
        match keyword {
            Keyword::Const => quals.is_const = true,
            Keyword::Volatile => quals.is_volatile = true,
            Keyword::Coherent => {
                quals.is_volatile = true;
                if self.at_ahead(1, Punct::LParen) {
                    self.bump();
                    self.skip_group();
                    return true;
                }
            }
            Keyword::Restrict => {}
            Keyword::Device => quals.space = Some(Space::Device),
            Keyword::Constant => quals.space = Some(Space::Constant),
            Keyword::Threadgroup => quals.space = Some(Space::Threadgroup),
            Keyword::Thread => quals.space = Some(Space::Thread),
            Keyword::ThreadgroupImageblock | Keyword::RayData | Keyword::ObjectData => {
                let span = self.span();
                let message = format!("address space `{}` is not supported", keyword.text());
                self.error(codes::UNSUPPORTED, span, message);
            }
            _ => return false,
        }
        self.bump();
        true
    }

    pub(super) fn qualifiers(&mut self) -> Quals {
        let mut quals = Quals::default();
        while self.qualifier(&mut quals) {}
        quals
    }

    /// Parses any number of attributes of any form.
    pub(super) fn attributes(&mut self, attrs: &mut Vec<Attribute>) {
        loop {
            let first = self.span();
            if self.at(Punct::LBracket) && self.at_ahead(1, Punct::LBracket) {
                self.bump();
                self.bump();
                while !self.at(Punct::RBracket) && !self.at_end() {
                    let Some(mut name) = self.attribute_name() else {
                        self.expected("an attribute");
                        break;
                    };
                    if self.eat(Punct::ColonColon) {
                        match self.attribute_name() {
                            Some(inner) => name = inner,
                            None => self.expected("an attribute"),
                        }
                    }
                    let args = self.attribute_args();
                    let span = self.range_from(first);
                    attrs.push(Attribute { name, args, span });
                    if !self.eat(Punct::Comma) {
                        break;
                    }
                }
                self.expect(Punct::RBracket);
                self.expect(Punct::RBracket);
            } else if self.at_kw(Keyword::Attribute) {
                self.bump();
                self.gnu_attributes(attrs);
            } else if self.at_kw(Keyword::Alignas) {
                self.bump();
                self.expect(Punct::LParen);
                let arg = if self.at_type() {
                    let ty = self.type_name();
                    let span = ty.span;
                    Expr { kind: ExprKind::Alignof(Box::new(ty)), span }
                } else {
                    self.assignment()
                };
                self.expect(Punct::RParen);
                let span = self.range_from(first);
                attrs.push(Attribute { name: Keyword::Alignas.symbol(), args: vec![arg], span });
            } else {
                return;
            }
        }
    }

    /// The rest of `__attribute__((...))`. Hints to an optimiser may hold anything and are skipped.
    fn gnu_attributes(&mut self, attrs: &mut Vec<Attribute>) {
        let read = self.guess(|p| {
            let mut read = Vec::new();
            if !(p.eat(Punct::LParen) && p.eat(Punct::LParen)) {
                return None;
            }
            while !p.at(Punct::RParen) {
                let first = p.span();
                let mut name = p.attribute_name()?;
                let args = p.attribute_args();
                let text = p.text(name).trim_matches('_');
                if text == "aligned" {
                    name = Keyword::Alignas.symbol();
                }
                read.push(Attribute { name, args, span: p.range_from(first) });
                if !p.eat(Punct::Comma) {
                    break;
                }
            }
            (p.eat(Punct::RParen) && p.eat(Punct::RParen)).then_some(read)
        });
        match read {
            Some(read) => attrs.extend(read),
            None if self.at(Punct::LParen) => self.skip_group(),
            None => {}
        }
    }

    fn attribute_name(&mut self) -> Option<crate::syntax::symbol::Symbol> {
        let name = match self.kind() {
            TokenKind::Ident(name) => name,
            TokenKind::Keyword(keyword) => keyword.symbol(),
            _ => return None,
        };
        self.bump();
        Some(name)
    }

    fn attribute_args(&mut self) -> Vec<Expr> {
        let mut args = Vec::new();
        if !self.eat(Punct::LParen) {
            return args;
        }
        let outer = std::mem::replace(&mut self.no_gt, false);
        while !self.at(Punct::RParen) && !self.at_end() {
            args.push(self.assignment());
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        self.no_gt = outer;
        self.expect(Punct::RParen);
        args
    }

    /// Parses a type-id.
    pub(super) fn type_name(&mut self) -> TypeName {
        let first = self.span();
        let (spec, _) = self.decl_spec();
        if matches!(spec.ty, TypeSpec::None) {
            self.expected("a type");
        }
        let declarator = self.declarator_with(true);
        let span = self.range_from(first);
        TypeName { spec, chunks: declarator.chunks, span }
    }

    /// Parses a declarator with or without a name.
    pub(super) fn declarator(&mut self) -> Declarator {
        self.declarator_with(false)
    }

    pub(super) fn pointer_chunks(&mut self, chunks: &mut Vec<Chunk>) {
        loop {
            if self.eat(Punct::Star) {
                let quals = self.qualifiers();
                chunks.push(Chunk::Pointer(quals));
            } else if self.at(Punct::Amp) || self.at(Punct::AmpAmp) {
                let rvalue = self.at(Punct::AmpAmp);
                self.bump();
                let quals = self.qualifiers();
                chunks.push(Chunk::Reference { rvalue, quals });
            } else {
                return;
            }
        }
    }

    fn declarator_with(&mut self, is_abstract: bool) -> Declarator {
        let start = self.pos;
        let span = self.span();
        let empty = Declarator { name: None, chunks: Vec::new(), pack: None, span: span.into() };
        self.deeper(empty, |p| {
            let mut chunks = Vec::new();
            p.pointer_chunks(&mut chunks);
            let mut declarator =
                Declarator { name: None, chunks: Vec::new(), pack: None, span: p.span().into() };
            let mut inner = None;
            let mut pack = false;
            if !is_abstract && p.at(Punct::Ellipsis) {
                p.bump();
                pack = true;
            }
            // `void (name)(int)`: parentheses around nothing but the name.
            let around_name = !is_abstract
                && p.ident_ahead(1).is_some()
                && p.at_ahead(2, Punct::RParen)
                && (p.at_ahead(3, Punct::LParen)
                    || p.at_ahead(3, Punct::LBracket) && !p.at_ahead(4, Punct::LBracket));
            let nested = p.at(Punct::LParen)
                && (around_name
                    || matches!(
                        p.kind_at(1),
                        TokenKind::Punct(Punct::Star | Punct::Amp | Punct::AmpAmp)
                    )
                    || matches!(
                        p.kind_at(1),
                        TokenKind::Keyword(
                            Keyword::Thread
                                | Keyword::Device
                                | Keyword::Constant
                                | Keyword::Threadgroup
                        )
                    ) && matches!(
                        p.kind_at(2),
                        TokenKind::Punct(Punct::Star | Punct::Amp | Punct::AmpAmp)
                    ));
            if nested {
                p.bump();
                p.qualifiers();
                inner = Some(p.declarator_with(is_abstract));
                p.expect(Punct::RParen);
            } else if !is_abstract && p.at_path() {
                let first = p.span();
                let (path, _) = p.path(false);
                declarator.span = p.range_from(first);
                declarator.name = Some(path);
            }
            let mut suffixes = Vec::new();
            loop {
                if p.at(Punct::LBracket) && !p.at_ahead(1, Punct::LBracket) {
                    p.bump();
                    let outer = std::mem::replace(&mut p.no_gt, false);
                    let size = (!p.at(Punct::RBracket)).then(|| Box::new(p.expression()));
                    p.no_gt = outer;
                    p.expect(Punct::RBracket);
                    suffixes.push(Chunk::Array(size));
                } else if p.at(Punct::LParen)
                    && (is_abstract || inner.is_some())
                    && p.at_parameters()
                {
                    let signature = p.in_frame(FrameKind::Function, None, |p, _| p.signature());
                    suffixes.push(Chunk::Function(Box::new(signature)));
                } else {
                    break;
                }
            }
            // Suffixes bind tighter than what stands left of the name: of `a[2][3]` the outer
            // array has two elements, so the last bracket is applied first.
            suffixes.reverse();
            chunks.extend(suffixes);
            if let Some(inner) = inner {
                chunks.extend(inner.chunks);
                declarator.name = inner.name;
                declarator.span = inner.span;
                pack |= inner.pack.is_some();
            }
            declarator.chunks = chunks;
            if pack {
                declarator.pack = Some(p.idents_since(start));
            }
            declarator
        })
    }

    /// Whether the parenthesis here opens a list of parameters.
    pub(super) fn at_parameters(&mut self) -> bool {
        if self.at_ahead(1, Punct::RParen) || self.at_ahead(1, Punct::Ellipsis) {
            return true;
        }
        let mark = self.mark();
        self.guessing += 1;
        self.failed = false;
        self.bump();
        let mut is_parameters = self.at_type();
        if is_parameters {
            let (spec, _) = self.decl_spec();
            let _ = self.declarator();
            is_parameters = !matches!(spec.ty, TypeSpec::None)
                && !self.failed
                && (matches!(
                    self.kind(),
                    TokenKind::Punct(
                        Punct::Comma
                            | Punct::RParen
                            | Punct::Eq
                            | Punct::Ellipsis
                            | Punct::LBracket
                    )
                ) || self.at_kw(Keyword::Attribute));
        }
        self.guessing -= 1;
        self.reset(mark);
        is_parameters
    }

    /// Parses `(params)` and what may follow, declaring the parameters in the current frame.
    pub(super) fn signature(&mut self) -> Signature {
        self.expect(Punct::LParen);
        let outer = std::mem::replace(&mut self.no_gt, false);
        let mut params = Vec::new();
        let mut variadic = false;
        if self.at_kw(Keyword::Void) && self.at_ahead(1, Punct::RParen) {
            self.bump();
        }
        while !self.at(Punct::RParen) && !self.at_end() {
            if self.eat(Punct::Ellipsis) {
                variadic = true;
                break;
            }
            let before = self.pos;
            params.push(self.param());
            if !self.eat(Punct::Comma) {
                if self.at(Punct::RParen) {
                    break;
                }
                self.expected("`,` or `)`");
                // Go on with the next parameter, so that one bad one does not hide the others.
                while !matches!(
                    self.kind(),
                    TokenKind::End
                        | TokenKind::Punct(
                            Punct::Comma
                                | Punct::RParen
                                | Punct::LBrace
                                | Punct::RBrace
                                | Punct::Semi
                        )
                ) {
                    match self.kind() {
                        TokenKind::Punct(Punct::LParen | Punct::LBracket) => self.skip_group(),
                        _ => self.bump(),
                    }
                }
                if !self.eat(Punct::Comma) || self.pos == before {
                    break;
                }
            }
        }
        self.expect(Punct::RParen);
        self.no_gt = outer;
        let quals = self.qualifiers();
        let mutable = self.eat_kw(Keyword::Mutable);
        let _ = self.eat(Punct::AmpAmp) || self.eat(Punct::Amp);
        if self.eat_kw(Keyword::Noexcept) && self.at(Punct::LParen) {
            self.skip_group();
        }
        let mut dropped = Vec::new();
        if self.at_kw(Keyword::Attribute) {
            self.attributes(&mut dropped);
        }
        let trailing = self.eat(Punct::Arrow).then(|| Box::new(self.type_name()));
        Signature { params, quals, mutable, trailing, variadic }
    }

    fn param(&mut self) -> Param {
        let first = self.span();
        let start = self.pos;
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        let (spec, _) = self.decl_spec();
        if matches!(spec.ty, TypeSpec::None) {
            self.expected("a parameter");
        }
        let mut declarator = self.declarator();
        if declarator.pack.is_some() {
            // The pack may be named by the specifiers.
            declarator.pack = Some(self.idents_since(start));
        }
        // `f(void (name)(int))` and parameters of function type are not worth their trouble here,
        // but `T (&x)[N]` is handled by the declarator.
        self.attributes(&mut attrs);
        if self.at(Punct::LParen) && declarator.name.is_some() && self.at_parameters() {
            let signature = self.in_frame(FrameKind::Function, None, |p, _| p.signature());
            declarator.chunks.push(Chunk::Function(Box::new(signature)));
        }
        if let Some(name) = declarator.ident() {
            self.declare(name, NameKind::Value, None);
        }
        let default = self.eat(Punct::Eq).then(|| self.initializer_clause());
        self.attributes(&mut attrs);
        let span = self.range_from(first);
        Param { spec, declarator, default, attrs, span }
    }
}

fn is_specifier(keyword: Keyword) -> bool {
    use Keyword::*;
    matches!(
        keyword,
        Alignas
            | Auto
            | Bfloat
            | Bool
            | Char
            | Char16T
            | Char32T
            | Class
            | Coherent
            | Const
            | Constant
            | Constexpr
            | Decltype
            | Device
            | Double
            | Enum
            | Explicit
            | Extern
            | Float
            | Friend
            | Half
            | Inline
            | Int
            | Kernel
            | Vertex
            | Fragment
            | Long
            | Mutable
            | ObjectData
            | RayData
            | Register
            | Short
            | Signed
            | Static
            | Struct
            | Thread
            | ThreadLocal
            | Threadgroup
            | ThreadgroupImageblock
            | Typedef
            | Typename
            | Union
            | Unsigned
            | Virtual
            | Void
            | Volatile
            | WcharT
            | Attribute
    )
}

/// Words of a fundamental type, in any order.
#[derive(Default)]
struct Words {
    signed: bool,
    unsigned: bool,
    short: bool,
    long: u8,
    int: bool,
    char: bool,
    other: Option<Builtin>,
}

impl Words {
    fn any(&self) -> bool {
        self.signed
            || self.unsigned
            || self.short
            || self.long > 0
            || self.int
            || self.char
            || self.other.is_some()
    }

    fn add(&mut self, keyword: Keyword) -> bool {
        match keyword {
            Keyword::Signed => self.signed = true,
            Keyword::Unsigned => self.unsigned = true,
            Keyword::Short => self.short = true,
            Keyword::Long => self.long += 1,
            Keyword::Int => self.int = true,
            Keyword::Char => self.char = true,
            Keyword::Void => self.other = Some(Builtin::Void),
            Keyword::Bool => self.other = Some(Builtin::Bool),
            Keyword::Half => self.other = Some(Builtin::Half),
            Keyword::Bfloat => self.other = Some(Builtin::Bfloat),
            Keyword::Float => self.other = Some(Builtin::Float),
            Keyword::Double => self.other = Some(Builtin::Double),
            Keyword::Char16T => self.other = Some(Builtin::UShort),
            Keyword::Char32T | Keyword::WcharT => self.other = Some(Builtin::UInt),
            _ => return false,
        }
        true
    }

    fn builtin(&self) -> Option<Builtin> {
        let number = self.signed || self.unsigned || self.short || self.int || self.char;
        if let Some(other) = self.other {
            return (!number && self.long == 0).then_some(other);
        }
        if self.signed && self.unsigned || self.long > 2 || self.short && self.long > 0 {
            return None;
        }
        let signed = !self.unsigned;
        Some(match (self.char, self.short, self.long > 0, signed) {
            (true, false, false, true) => Builtin::Char,
            (true, false, false, false) => Builtin::UChar,
            (true, ..) => return None,
            (_, true, _, true) => Builtin::Short,
            (_, true, _, false) => Builtin::UShort,
            (_, _, true, true) => Builtin::Long,
            (_, _, true, false) => Builtin::ULong,
            (_, _, _, true) => Builtin::Int,
            (_, _, _, false) => Builtin::UInt,
        })
    }
}
