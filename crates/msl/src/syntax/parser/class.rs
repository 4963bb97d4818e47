//! Classes and enumerations.

use std::sync::Arc;

use super::Parser;
use super::template::Found;
use crate::diagnostic::codes::parse as codes;
use crate::syntax::index::{Entry, FrameId, FrameKind, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::symbol::Symbol;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::*;

impl Parser<'_> {
    /// Parses `struct ...`: a definition, a declaration or an elaborated name.
    pub(super) fn class_specifier(&mut self) -> (TypeSpec, Option<Found>) {
        let heads = std::mem::take(&mut self.pending_heads);
        let is_union = self.at_kw(Keyword::Union);
        self.bump();
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        let span = self.span();
        let mut name = None;
        let mut found = None;
        if self.at_path() {
            let (path, path_found) = self.path(true);
            name = Some(path);
            found = Some(path_found);
        }
        if self.ident().is_some_and(|word| self.text(word) == "final") {
            self.bump();
        }
        let defines = self.at(Punct::LBrace) || self.at(Punct::Colon);
        let declares = self.at(Punct::Semi) && name.is_some();
        if !defines && !declares {
            return match name {
                Some(path) => (TypeSpec::Path(path), found),
                None => {
                    self.expected("a class");
                    (TypeSpec::Error, None)
                }
            };
        }
        let simple = name.as_ref().and_then(|path: &Path| match path.last().name {
            SegmentName::Ident(name) => Some(name),
            _ => None,
        });
        let frame = self.declaring_frame();
        if !defines {
            let inner = FrameId::NONE;
            let range = self.range_from(span);
            let members = None;
            let bases = Vec::new();
            let class = ClassDecl {
                heads,
                name,
                is_union,
                bases,
                members,
                attrs,
                inner,
                frame,
                span: range,
            };
            if let (Some(simple), false) = (simple, self.building()) {
                self.declare(simple, NameKind::Type, None);
            }
            return (TypeSpec::Class(Arc::new(class)), None);
        }
        let range = self.range_from(span);
        // The name is visible in the class itself.
        if let Some(simple) = simple {
            let kind = if heads.is_empty() { NameKind::Type } else { NameKind::TypeTemplate };
            if self.building() {
                if name.as_ref().is_some_and(|path| path.last().args.is_none())
                    && self.index.get().member_kind(frame, simple).is_none()
                {
                    self.declare_outside(simple, Entry { kind, item: None, inner: None });
                }
            } else {
                self.declare(simple, NameKind::Type, None);
            }
        }
        let outer_class = std::mem::replace(&mut self.class_name, simple);
        let (bases, members, inner) = self.in_frame(FrameKind::Class, simple, |p, inner| {
            let bases = p.bases(inner);
            let members = p.deeper(Vec::new(), Self::members);
            (bases, members, inner)
        });
        self.class_name = outer_class;
        if self.at_kw(Keyword::Attribute) {
            self.attributes(&mut attrs);
        }
        let members = Some(members);
        let class =
            ClassDecl { heads, name, is_union, bases, members, attrs, inner, frame, span: range };
        (TypeSpec::Class(Arc::new(class)), None)
    }

    fn bases(&mut self, inner: FrameId) -> Vec<Base> {
        let mut bases = Vec::new();
        if !self.eat(Punct::Colon) {
            return bases;
        }
        loop {
            while matches!(
                self.kind(),
                TokenKind::Keyword(
                    Keyword::Public
                        | Keyword::Private
                        | Keyword::Protected
                        | Keyword::Virtual
                        | Keyword::Typename
                )
            ) {
                if self.at_kw(Keyword::Virtual) {
                    self.unsupported("virtual base classes are");
                }
                self.bump();
            }
            let start = self.pos;
            let (path, found) = self.path(true);
            let pack = self.eat(Punct::Ellipsis).then(|| self.idents_since(start));
            if let Some(frame) = found.inner.filter(|&frame| frame != FrameId::NONE)
                && inner != FrameId::NONE
                && let super::Names::Building(index) = &mut self.index
            {
                index.frame_mut(inner).usings.push(frame);
            }
            bases.push(Base { path, pack });
            if !self.eat(Punct::Comma) {
                return bases;
            }
        }
    }

    fn members(&mut self) -> Vec<Item> {
        let mut members = Vec::new();
        let mut bodies = Vec::new();
        self.expect(Punct::LBrace);
        let outer = std::mem::replace(&mut self.no_gt, false);
        while !self.at(Punct::RBrace) && !self.at_end() {
            let before = self.pos;
            self.member(&mut members, &mut bodies);
            if self.pos == before {
                self.bump();
            }
        }
        self.no_gt = outer;
        self.expect(Punct::RBrace);
        if !self.building() {
            self.local_bodies(&bodies);
        }
        members
    }

    fn member(&mut self, members: &mut Vec<Item>, bodies: &mut Vec<Arc<FunctionDecl>>) {
        match self.kind() {
            TokenKind::Keyword(Keyword::Public | Keyword::Private | Keyword::Protected) => {
                self.bump();
                self.expect(Punct::Colon);
            }
            TokenKind::Punct(Punct::Semi) | TokenKind::Pragma(_) => self.bump(),
            TokenKind::Keyword(Keyword::StaticAssert) => {
                let first = self.span();
                let assert = self.static_assert();
                let span = self.range_from(first);
                members.push(Item { kind: ItemKind::StaticAssert(assert), span });
            }
            TokenKind::Keyword(Keyword::Using) => self.member_using(Vec::new(), members),
            TokenKind::Keyword(Keyword::Template) => {
                self.in_frame(FrameKind::Template, None, |p, _| {
                    let mut heads = vec![p.template_head()];
                    while p.at_kw(Keyword::Template) {
                        heads.push(p.template_head());
                    }
                    match p.kind() {
                        TokenKind::Keyword(Keyword::Using) => p.member_using(heads, members),
                        _ => p.member_declaration(heads, members, bodies),
                    }
                });
                self.redeclare_template(members);
            }
            _ => self.member_declaration(Vec::new(), members, bodies),
        }
    }

    /// Inside bodies the template frame is a stretch of locals that just ended, and took the
    /// member's own name with it.
    fn redeclare_template(&mut self, members: &[Item]) {
        if self.building() {
            return;
        }
        let Some(last) = members.last() else { return };
        match &last.kind {
            ItemKind::Function(decl) => {
                if let Some(name) = decl.name.as_ident() {
                    self.declare(name, NameKind::Template, None);
                }
            }
            ItemKind::Alias(alias) => self.declare(alias.name, NameKind::TypeTemplate, None),
            _ => {}
        }
    }

    fn member_using(&mut self, heads: Vec<Arc<TemplateHead>>, members: &mut Vec<Item>) {
        let first = self.span();
        let is_alias = self.ident_ahead(1).is_some()
            && (self.at_ahead(2, Punct::Eq) || self.at_ahead(2, Punct::LBracket));
        if !is_alias {
            self.bump();
            let typename = self.eat_kw(Keyword::Typename);
            let (path, found) = self.path(typename);
            self.expect(Punct::Semi);
            if let SegmentName::Ident(name) = path.last().name {
                let kind = found.kind.unwrap_or(NameKind::Value);
                self.declare(name, kind, found.inner);
            }
            let span = self.range_from(first);
            members.push(Item { kind: ItemKind::Using(Arc::new(path)), span });
            return;
        }
        let Some(alias) = self.alias(heads) else {
            self.recover();
            return;
        };
        let span = self.range_from(first);
        self.declare_alias(&alias);
        members.push(Item { kind: ItemKind::Alias(alias), span });
    }

    fn declare_alias(&mut self, alias: &AliasDecl) {
        if !self.building() {
            return;
        }
        let kind = if alias.heads.is_empty() { NameKind::Type } else { NameKind::TypeTemplate };
        let entry = Entry { kind, item: None, inner: None };
        self.declare_outside(alias.name, entry);
    }

    fn member_declaration(
        &mut self,
        heads: Vec<Arc<TemplateHead>>,
        members: &mut Vec<Item>,
        bodies: &mut Vec<Arc<FunctionDecl>>,
    ) {
        let first = self.span();
        let before = self.pos;
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        self.pending_heads = heads.clone();
        let (mut spec, _) = self.decl_spec();
        self.pending_heads.clear();
        attrs.append(&mut spec.attrs);
        let nested = match &spec.ty {
            TypeSpec::Class(class) => Some(ItemKind::Class(class.clone())),
            TypeSpec::Enum(decl) => Some(ItemKind::Enum(decl.clone())),
            _ => None,
        };
        if let Some(kind) = nested {
            self.declare_nested(&kind);
            let span = self.range_from(first);
            let anonymous = matches!(&kind, ItemKind::Class(class) if class.name.is_none());
            if !(anonymous && self.at(Punct::Semi)) {
                members.push(Item { kind, span });
            }
        }
        if self.at(Punct::Semi) {
            self.bump();
            // An anonymous struct or union: its members are reached directly.
            if let TypeSpec::Class(class) = &spec.ty
                && class.name.is_none()
            {
                let span = self.range_from(first);
                for name in class_names(class) {
                    self.declare(name, NameKind::Value, None);
                }
                let frame = FrameId::NONE;
                let decl = Arc::new(VarDecl { heads, spec, vars: Vec::new(), frame });
                members.push(Item { kind: ItemKind::Var(decl), span });
            }
            return;
        }
        if spec.flags.is_typedef {
            for alias in self.typedef_names(spec) {
                self.declare_alias(&alias);
                let span = self.range_from(first);
                members.push(Item { kind: ItemKind::Alias(alias), span });
            }
            if !self.expect(Punct::Semi) {
                self.recover();
            }
            return;
        }
        if self.at(Punct::Tilde) {
            self.bump();
            self.eat_ident();
            let span = self.range_from(first);
            let segment = Segment { name: SegmentName::Destructor, args: None, span };
            let path = Path { global: false, segments: vec![segment], span };
            self.member_function(heads, spec, attrs, path, Vec::new(), first, members, bodies);
            return;
        }
        let mut vars = Vec::new();
        loop {
            let mut declarator = self.declarator();
            let mut own = Vec::new();
            self.attributes(&mut own);
            let Some(name) = declarator.name.clone() else {
                if self.pos == before {
                    self.expected("a member");
                    self.bump();
                } else {
                    self.expected("a name");
                }
                self.recover();
                return;
            };
            if self.at(Punct::LParen) {
                attrs.append(&mut own);
                let chunks = std::mem::take(&mut declarator.chunks);
                self.member_function(heads, spec, attrs, name, chunks, first, members, bodies);
                return;
            }
            if matches!(spec.ty, TypeSpec::None) {
                let span = declarator.span;
                self.error(codes::SYNTAX, span, "a member needs a type");
                self.recover();
                return;
            }
            if let Some(name) = declarator.ident() {
                let kind = if heads.is_empty() { NameKind::Value } else { NameKind::Template };
                self.declare_outside(name, Entry { kind, item: None, inner: None });
            }
            if self.at(Punct::Colon) {
                self.unsupported("bit-fields are");
                self.bump();
                self.conditional();
            }
            let init = self.initializer();
            own.extend(attrs.iter().cloned());
            vars.push(VarInit { declarator, init, attrs: own });
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        if !self.expect(Punct::Semi) {
            self.recover();
        }
        let span = self.range_from(first);
        let decl = Arc::new(VarDecl { heads, spec, vars, frame: self.frame });
        members.push(Item { kind: ItemKind::Var(decl), span });
    }

    fn declare_nested(&mut self, kind: &ItemKind) {
        if !self.building() {
            return;
        }
        match kind {
            ItemKind::Class(class) => {
                let Some(SegmentName::Ident(name)) = class.name.as_ref().map(|p| &p.last().name)
                else {
                    return;
                };
                let kind =
                    if class.heads.is_empty() { NameKind::Type } else { NameKind::TypeTemplate };
                let inner = class.members.is_some().then_some(class.inner);
                self.declare_outside(*name, Entry { kind, item: None, inner });
            }
            ItemKind::Enum(decl) => {
                let entry = |kind| Entry { kind, item: None, inner: None };
                if let Some(name) = decl.name {
                    self.declare_outside(name, entry(NameKind::Type));
                }
                if !decl.scoped {
                    for value in decl.values.iter().flatten() {
                        self.declare_outside(value.name, entry(NameKind::Value));
                    }
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one declaration")]
    fn member_function(
        &mut self,
        heads: Vec<Arc<TemplateHead>>,
        spec: DeclSpec,
        attrs: Vec<Attribute>,
        name: Path,
        ret_chunks: Vec<Chunk>,
        first: crate::diagnostic::Span,
        members: &mut Vec<Item>,
        bodies: &mut Vec<Arc<FunctionDecl>>,
    ) {
        let kind = if heads.is_empty() { NameKind::Value } else { NameKind::Template };
        if let Some(name) = name.as_ident()
            && !matches!(spec.ty, TypeSpec::None)
        {
            self.declare_outside(name, Entry { kind, item: None, inner: None });
        }
        let decl = self.in_frame(FrameKind::Function, None, |p, _| {
            p.function_rest(heads, spec, attrs, name, ret_chunks)
        });
        let decl = Arc::new(decl);
        let span = self.range_from(first);
        if matches!(decl.body, FunctionBody::Lazy(_)) {
            bodies.push(decl.clone());
        }
        members.push(Item { kind: ItemKind::Function(decl), span });
    }

    /// Parses the bodies of a local class's functions, now that all members are known.
    fn local_bodies(&mut self, bodies: &[Arc<FunctionDecl>]) {
        let here = self.mark();
        for decl in bodies {
            let FunctionBody::Lazy(lazy) = &decl.body else { continue };
            let locals = self.locals.len();
            for head in &decl.heads {
                for param in &head.params {
                    if let Some(name) = param.name {
                        let kind = match param.kind {
                            TemplateParamKind::Type(_) => NameKind::Type,
                            TemplateParamKind::Value { .. } => NameKind::Value,
                            TemplateParamKind::Template(_) => NameKind::TypeTemplate,
                        };
                        self.declare(name, kind, None);
                    }
                }
            }
            for param in &decl.sig.params {
                if let Some(name) = param.declarator.ident() {
                    self.declare(name, NameKind::Value, None);
                }
            }
            self.pos = lazy.start as usize;
            self.half = false;
            let (inits, block) = self.function_body();
            let _ = lazy.cell.set(Body { inits, block, diagnostics: Vec::new() });
            self.locals.truncate(locals);
        }
        self.pos = here.pos;
        self.half = here.half;
    }

    /// Parses `enum ...`.
    pub(super) fn enum_specifier(&mut self) -> TypeSpec {
        self.bump();
        let scoped = self.eat_kw(Keyword::Class) || self.eat_kw(Keyword::Struct);
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        let first = self.span();
        let name = self.ident();
        if name.is_some() {
            if !matches!(
                self.kind_at(1),
                TokenKind::Punct(Punct::LBrace | Punct::Colon | Punct::Semi)
            ) {
                let (path, _) = self.path(true);
                return TypeSpec::Path(path);
            }
            self.bump();
        }
        let span = self.range_from(first);
        let underlying = self.eat(Punct::Colon).then(|| self.type_name());
        let mut values = None;
        if self.eat(Punct::LBrace) {
            let mut list = Vec::new();
            while !self.at(Punct::RBrace) && !self.at_end() {
                let span = self.span();
                let Some(name) = self.eat_ident() else {
                    self.expected("an enumerator");
                    self.recover();
                    break;
                };
                let mut attrs = Vec::new();
                self.attributes(&mut attrs);
                let value = self.eat(Punct::Eq).then(|| self.conditional());
                list.push(Enumerator { name, value, span: span.into() });
                if !self.eat(Punct::Comma) {
                    break;
                }
            }
            self.expect(Punct::RBrace);
            values = Some(list);
        }
        if !self.building() {
            if let Some(name) = name {
                self.declare(name, NameKind::Type, None);
            }
            if !scoped {
                let names: Vec<Symbol> = values.iter().flatten().map(|v| v.name).collect();
                for name in names {
                    self.declare(name, NameKind::Value, None);
                }
            }
        }
        let frame = self.declaring_frame();
        TypeSpec::Enum(Arc::new(EnumDecl { name, scoped, underlying, values, frame, span }))
    }
}

fn class_names(class: &ClassDecl) -> Vec<Symbol> {
    let mut names = Vec::new();
    for item in class.members.iter().flatten() {
        if let ItemKind::Var(decl) = &item.kind {
            names.extend(decl.vars.iter().filter_map(|var| var.declarator.ident()));
        }
    }
    names
}
