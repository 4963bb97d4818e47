//! Declarations at namespace scope.

use std::sync::{Arc, OnceLock};

use super::template::Found;
use super::{Names, Parser};
use crate::diagnostic::codes::parse as codes;
use crate::syntax::index::{Entry, FrameId, FrameKind, NameKind};
use crate::syntax::keyword::Keyword;
use crate::syntax::punct::Punct;
use crate::syntax::token::{MathMode, Pragma, TokenKind};
use crate::syntax::tree::*;

impl Parser<'_> {
    /// The whole unit.
    pub(super) fn unit_items(&mut self) {
        while !self.at_end() {
            let before = self.pos;
            self.item();
            if self.at(Punct::RBrace) {
                let span = self.span();
                self.error(codes::SYNTAX, span, "`}` closes nothing");
                self.bump();
            }
            if self.pos == before {
                self.bump();
            }
        }
    }

    fn item(&mut self) {
        self.deeper((), Self::item_inner);
    }

    fn item_inner(&mut self) {
        let first = self.span();
        match self.kind() {
            TokenKind::Punct(Punct::Semi) => self.bump(),
            TokenKind::Pragma(pragma) => {
                self.bump();
                match pragma {
                    Pragma::FpContract(on) => self.contract = Some(on),
                    Pragma::MathMode(MathMode::Safe) => self.contract = Some(false),
                    Pragma::MathMode(_) | Pragma::Unroll(_) | Pragma::Internals(_) => {}
                }
            }
            TokenKind::Keyword(Keyword::Namespace) => self.namespace(),
            TokenKind::Keyword(Keyword::Inline)
                if self.kind_at(1) == TokenKind::Keyword(Keyword::Namespace) =>
            {
                self.bump();
                self.inline_namespace();
            }
            TokenKind::Keyword(Keyword::Extern)
                if matches!(self.kind_at(1), TokenKind::Str(_))
                    && self.at_ahead(2, Punct::LBrace) =>
            {
                self.bump();
                self.bump();
                self.bump();
                while !self.at(Punct::RBrace) && !self.at_end() {
                    let before = self.pos;
                    self.item();
                    if self.pos == before {
                        self.bump();
                    }
                }
                self.expect(Punct::RBrace);
            }
            TokenKind::Keyword(Keyword::Using) => self.using_item(),
            TokenKind::Keyword(Keyword::StaticAssert) => {
                let assert = self.static_assert();
                let span = self.range_from(first);
                self.add_item(Item { kind: ItemKind::StaticAssert(assert), span });
            }
            TokenKind::Keyword(Keyword::Template) if !self.at_ahead(1, Punct::Lt) => {
                self.instantiation();
            }
            TokenKind::Keyword(Keyword::Template) => {
                self.templated(Vec::new());
            }
            TokenKind::Keyword(Keyword::Asm) => {
                self.unsupported("inline assembly is");
                self.recover();
            }
            _ => self.declaration(Vec::new()),
        }
    }

    /// A namespace whose names are those of the one around it too.
    fn inline_namespace(&mut self) {
        let outer = self.frame;
        let name = self.ident_ahead(1);
        self.namespace();
        if let (Some(name), Names::Building(index)) = (name, &mut self.index)
            && let Some((_, Some(inner))) = index.member_kind(outer, name)
            && !index.frame(outer).usings.contains(&inner)
        {
            index.frame_mut(outer).usings.push(inner);
        }
    }

    fn namespace(&mut self) {
        self.bump();
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        let Some(name) = self.eat_ident() else {
            // Names of an unnamed namespace are names of the one around it.
            self.namespace_body();
            return;
        };
        if self.eat(Punct::Eq) {
            let (_, found) = self.path(false);
            if found.inner.is_none() {
                self.expected("a namespace");
            }
            let entry = Entry { kind: NameKind::Namespace, item: None, inner: found.inner };
            self.declare_item(name, entry);
            self.expect(Punct::Semi);
            return;
        }
        let outer = self.frame;
        let mut frame = outer;
        let mut open = |parser: &mut Self, name| {
            if let Names::Building(index) = &mut parser.index {
                frame = index.open_namespace(frame, name);
                parser.frame = frame;
            }
        };
        open(self, name);
        while self.eat(Punct::ColonColon) {
            match self.eat_ident() {
                Some(name) => open(self, name),
                None => self.expected("a name"),
            }
        }
        self.namespace_body();
        self.frame = outer;
    }

    fn namespace_body(&mut self) {
        if !self.expect(Punct::LBrace) {
            self.recover();
            return;
        }
        while !self.at(Punct::RBrace) && !self.at_end() {
            let before = self.pos;
            self.item();
            if self.pos == before {
                self.bump();
            }
        }
        self.expect(Punct::RBrace);
    }

    fn using_item(&mut self) {
        let first = self.span();
        if self.kind_at(1) == TokenKind::Keyword(Keyword::Namespace) {
            self.bump();
            self.bump();
            let (path, found) = self.path(false);
            match found.inner {
                Some(inner) => {
                    let frame = self.frame;
                    if let Names::Building(index) = &mut self.index {
                        index.frame_mut(frame).usings.push(inner);
                    }
                }
                None => {
                    self.error(codes::SYNTAX, path.span, "this names no namespace");
                }
            }
            self.expect(Punct::Semi);
            return;
        }
        if self.ident_ahead(1).is_some()
            && (self.at_ahead(2, Punct::Eq) || self.at_ahead(2, Punct::LBracket))
        {
            self.alias_item(Vec::new());
            return;
        }
        if let Some(kind) = self.using_declaration() {
            let span = self.range_from(first);
            self.add_item(Item { kind, span });
        }
    }

    /// Parses `using a::b;`. At namespace scope the entries are copied; elsewhere the item is kept.
    pub(super) fn using_declaration(&mut self) -> Option<ItemKind> {
        self.bump();
        let typename = self.eat_kw(Keyword::Typename);
        let (path, found) = self.path(typename);
        if !self.expect(Punct::Semi) {
            self.recover();
        }
        let SegmentName::Ident(name) = path.last().name else {
            return Some(ItemKind::Using(Arc::new(path)));
        };
        let kind = found.kind.unwrap_or(NameKind::Value);
        let path = Arc::new(path);
        let item = self.add_item(Item { kind: ItemKind::Using(path.clone()), span: path.span });
        self.declare_item(name, Entry { kind, item: Some(item), inner: found.inner });
        if self.building() { None } else { Some(ItemKind::Using(path)) }
    }

    pub(super) fn static_assert(&mut self) -> Arc<StaticAssert> {
        let first = self.span();
        self.bump();
        self.expect(Punct::LParen);
        let cond = self.conditional();
        let mut message = None;
        if self.eat(Punct::Comma) {
            if let TokenKind::Str(text) = self.kind() {
                message = Some(self.text(text).to_string());
                self.bump();
            } else {
                self.expected("a string");
            }
        }
        self.expect(Punct::RParen);
        self.expect(Punct::Semi);
        Arc::new(StaticAssert { cond, message, span: self.range_from(first) })
    }

    /// Parses `using X = T;` and declares `X`.
    pub(super) fn alias(&mut self, heads: Vec<Arc<TemplateHead>>) -> Option<Arc<AliasDecl>> {
        self.bump();
        let span = self.span();
        let name = self.eat_ident()?;
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        self.expect(Punct::Eq);
        let (ty, found) = self.type_name_found();
        if !self.expect(Punct::Semi) {
            self.recover();
        }
        let kind = if heads.is_empty() { NameKind::Type } else { NameKind::TypeTemplate };
        let inner = found.and_then(|found| found.inner);
        if !self.building() {
            self.declare(name, kind, inner);
        }
        let frame = self.frame;
        Some(Arc::new(AliasDecl { heads, name, ty, frame, span: span.into() }))
    }

    fn type_name_found(&mut self) -> (TypeName, Option<Found>) {
        let mark = self.mark();
        self.guessing += 1;
        let (_, found) = self.decl_spec();
        self.guessing -= 1;
        self.reset(mark);
        (self.type_name(), found)
    }

    fn alias_item(&mut self, heads: Vec<Arc<TemplateHead>>) {
        let first = self.span();
        // The alias stands in the frame around its template parameters.
        if let Some(alias) = self.alias(heads) {
            self.add_alias(alias, first);
        } else {
            self.recover();
        }
    }

    fn add_alias(&mut self, alias: Arc<AliasDecl>, first: crate::diagnostic::Span) {
        let kind = if alias.heads.is_empty() { NameKind::Type } else { NameKind::TypeTemplate };
        let inner = match &alias.ty.spec.ty {
            TypeSpec::Path(path) if alias.ty.chunks.is_empty() => self.frame_of(path),
            TypeSpec::Class(class) => Some(class.inner),
            _ => None,
        };
        let name = alias.name;
        let span = self.range_from(first);
        let outer = self.frame;
        if !alias.heads.is_empty() && outer != FrameId::NONE {
            self.frame = self.index.get().frame(outer).parent.unwrap_or(outer);
        }
        let item = self.add_item(Item { kind: ItemKind::Alias(alias), span });
        self.declare_item(name, Entry { kind, item: Some(item), inner });
        self.frame = outer;
    }

    fn frame_of(&mut self, path: &Path) -> Option<FrameId> {
        let mut inner = None;
        for (at, segment) in path.segments.iter().enumerate() {
            let SegmentName::Ident(name) = segment.name else { return None };
            let found = match (at, inner) {
                (0, _) => self.name_kind(name),
                (_, Some(frame)) if frame != FrameId::NONE => {
                    self.index.get().member_kind(frame, name)
                }
                _ => None,
            };
            inner = found?.1;
        }
        inner
    }

    /// Parses the rest of `typedef`.
    pub(super) fn typedef_names(&mut self, spec: DeclSpec) -> Vec<Arc<AliasDecl>> {
        let mut aliases = Vec::new();
        loop {
            let mut declarator = self.declarator();
            if self.at(Punct::LParen) && self.at_parameters() {
                let signature = self.in_frame(FrameKind::Function, None, |p, _| p.signature());
                declarator.chunks.push(Chunk::Function(Box::new(signature)));
            }
            let mut attrs = Vec::new();
            self.attributes(&mut attrs);
            let Some(name) = declarator.ident() else {
                self.expected("a name");
                break;
            };
            let span = declarator.span;
            let ty = TypeName { spec: spec.clone(), chunks: declarator.chunks, span };
            let heads = Vec::new();
            if !self.building() {
                self.declare(name, NameKind::Type, None);
            }
            aliases.push(Arc::new(AliasDecl { heads, name, ty, frame: self.frame, span }));
            if !self.eat(Punct::Comma) {
                break;
            }
        }
        aliases
    }

    /// `template [[host_name("x")]] [[kernel]] void f<...>(...);` and the like.
    fn instantiation(&mut self) {
        let first = self.span();
        self.bump();
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        if matches!(
            self.kind(),
            TokenKind::Keyword(Keyword::Struct | Keyword::Class | Keyword::Union)
        ) {
            // Classes are instantiated when somebody needs them.
            self.recover();
            return;
        }
        let (mut spec, _) = self.decl_spec();
        attrs.append(&mut spec.attrs);
        let declarator = self.declarator();
        let Some(name) = declarator.name else {
            self.expected("the name of a template");
            self.recover();
            return;
        };
        let sig = self
            .at(Punct::LParen)
            .then(|| self.in_frame(FrameKind::Function, None, |p, _| p.signature()));
        self.attributes(&mut attrs);
        if !self.expect(Punct::Semi) {
            self.recover();
        }
        let span = self.range_from(first);
        let frame = self.frame;
        let instantiation = Arc::new(Instantiation { name, sig, attrs, frame, span });
        self.add_item(Item { kind: ItemKind::Instantiation(instantiation), span });
    }

    /// Parses `template <...>` and what it is the head of.
    pub(super) fn templated(&mut self, mut heads: Vec<Arc<TemplateHead>>) {
        self.in_frame(FrameKind::Template, None, |p, _| {
            heads.push(p.template_head());
            match p.kind() {
                TokenKind::Keyword(Keyword::Template) => p.templated(heads),
                TokenKind::Keyword(Keyword::Using) => p.alias_item(heads),
                _ => p.declaration(heads),
            }
        });
    }

    /// The namespace or class frame around template parameters.
    pub(super) fn declaring_frame(&self) -> FrameId {
        if self.frame == FrameId::NONE {
            return self.frame;
        }
        let index = self.index.get();
        let mut at = self.frame;
        while index.frame(at).kind == FrameKind::Template {
            match index.frame(at).parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Declares in the frame around template parameters.
    pub(super) fn declare_outside(&mut self, name: crate::syntax::symbol::Symbol, entry: Entry) {
        let outside = self.declaring_frame();
        let frame = std::mem::replace(&mut self.frame, outside);
        self.declare_item(name, entry);
        self.frame = frame;
    }

    pub(super) fn add_outside(&mut self, item: Item) -> u32 {
        let outside = self.declaring_frame();
        let frame = std::mem::replace(&mut self.frame, outside);
        let number = self.add_item(item);
        self.frame = frame;
        number
    }

    /// A function, variables or a class at namespace scope.
    pub(super) fn declaration(&mut self, heads: Vec<Arc<TemplateHead>>) {
        let first = self.span();
        let before = self.pos;
        let mut attrs = Vec::new();
        self.attributes(&mut attrs);
        if self.at_kw(Keyword::Template) {
            // `[[host_name("x")]] template ...`
            self.instantiation();
            return;
        }
        self.pending_heads = heads.clone();
        let (mut spec, _) = self.decl_spec();
        self.pending_heads.clear();
        attrs.append(&mut spec.attrs);
        if self.at(Punct::Semi)
            && let TypeSpec::Class(_) | TypeSpec::Enum(_) | TypeSpec::Path(_) = &spec.ty
        {
            self.bump();
            let span = self.range_from(first);
            match spec.ty {
                TypeSpec::Class(class) => self.add_class(class, span),
                TypeSpec::Enum(decl) => self.add_enum(decl, span),
                _ => {}
            }
            return;
        }
        let span = self.range_from(first);
        match &spec.ty {
            TypeSpec::Class(class) => self.add_class(class.clone(), span),
            TypeSpec::Enum(decl) => self.add_enum(decl.clone(), span),
            _ => {}
        }
        if spec.flags.is_typedef {
            for alias in self.typedef_names(spec) {
                self.add_alias(alias, first);
            }
            if !self.expect(Punct::Semi) {
                self.recover();
            }
            return;
        }
        let mut vars = Vec::new();
        loop {
            let mut declarator = self.declarator();
            let mut own = Vec::new();
            self.attributes(&mut own);
            let Some(name) = declarator.name.clone() else {
                if self.pos == before {
                    let found = self.found();
                    let span = self.span();
                    self.error(
                        codes::SYNTAX,
                        span,
                        format!("expected a declaration, found {found}"),
                    );
                    self.bump();
                } else {
                    self.expected("a name");
                }
                self.recover();
                return;
            };
            if self.at(Punct::LParen)
                && (matches!(spec.ty, TypeSpec::None)
                    || self.at_parameters()
                    || self.at_broken_parameters())
            {
                attrs.append(&mut own);
                let chunks = std::mem::take(&mut declarator.chunks);
                self.function(heads, spec, attrs, name, chunks, first);
                return;
            }
            if matches!(spec.ty, TypeSpec::None) {
                let span = declarator.span;
                self.error(codes::SYNTAX, span, "a declaration needs a type");
                self.recover();
                return;
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
        self.add_vars(heads, spec, vars, span);
    }

    /// Whether what follows looks like a function although its parameters do not parse: the
    /// parenthesis is followed by a body.
    fn at_broken_parameters(&mut self) -> bool {
        let mark = self.mark();
        self.skip_group();
        let is_function = self.at(Punct::LBrace);
        self.reset(mark);
        is_function
    }

    fn add_vars(
        &mut self,
        heads: Vec<Arc<TemplateHead>>,
        spec: DeclSpec,
        vars: Vec<VarInit>,
        span: crate::diagnostic::Range,
    ) {
        let kind = if heads.is_empty() { NameKind::Value } else { NameKind::Template };
        let idents: Vec<_> = vars.iter().filter_map(|var| var.declarator.ident()).collect();
        let specialised: Vec<_> = vars
            .iter()
            .filter_map(|var| match &var.declarator.name {
                Some(Path { segments, .. }) => match &segments[..] {
                    [Segment { name: SegmentName::Ident(name), args: Some(_), .. }] => Some(*name),
                    _ => None,
                },
                None => None,
            })
            .collect();
        let frame = self.declaring_frame();
        let decl = Arc::new(VarDecl { heads, spec, vars, frame });
        let item = self.add_outside(Item { kind: ItemKind::Var(decl), span });
        for name in idents.into_iter().chain(specialised) {
            self.declare_outside(name, Entry { kind, item: Some(item), inner: None });
        }
    }

    pub(super) fn add_class(&mut self, class: Arc<ClassDecl>, span: crate::diagnostic::Range) {
        let Some(path) = &class.name else { return };
        let SegmentName::Ident(name) = path.last().name else { return };
        let kind = if class.heads.is_empty() { NameKind::Type } else { NameKind::TypeTemplate };
        // Members of a template are looked up in its primary declaration.
        let specialised = path.last().args.is_some();
        let inner = (!specialised && class.members.is_some()).then_some(class.inner);
        let item = self.add_outside(Item { kind: ItemKind::Class(class), span });
        self.declare_outside(name, Entry { kind, item: Some(item), inner });
    }

    pub(super) fn add_enum(&mut self, decl: Arc<EnumDecl>, span: crate::diagnostic::Range) {
        let item = self.add_outside(Item { kind: ItemKind::Enum(decl.clone()), span });
        let item = Some(item);
        if let Some(name) = decl.name {
            self.declare_outside(name, Entry { kind: NameKind::Type, item, inner: None });
        }
        if !decl.scoped {
            for value in decl.values.iter().flatten() {
                let entry = Entry { kind: NameKind::Value, item, inner: None };
                self.declare_outside(value.name, entry);
            }
        }
    }

    /// The rest of a function after its declarator's name.
    fn function(
        &mut self,
        heads: Vec<Arc<TemplateHead>>,
        spec: DeclSpec,
        attrs: Vec<Attribute>,
        name: Path,
        ret_chunks: Vec<Chunk>,
        first: crate::diagnostic::Span,
    ) {
        let simple = match &name.segments[..] {
            [Segment { name: SegmentName::Ident(name), .. }] => Some(*name),
            _ => None,
        };
        let kind = if heads.is_empty() { NameKind::Value } else { NameKind::Template };
        // Declared first, so that the body's skipped text is classified with its own name known.
        let entry_frame = self.declaring_frame();
        let outside = (name.segments.len() > 1).then(|| self.class_frame_of(&name)).flatten();
        let mut decl =
            self.in_function(outside, |p| p.function_rest(heads, spec, attrs, name, ret_chunks));
        decl.frame = entry_frame;
        let span = self.range_from(first);
        let decl = Arc::new(decl);
        let operator = match decl.name.last().name {
            SegmentName::Operator(_) | SegmentName::Conversion(_) | SegmentName::Destructor => {
                Some(operator_symbol())
            }
            SegmentName::Ident(_) | SegmentName::Decltype(_) => None,
        };
        let is_member = decl.name.segments.len() > 1;
        let item = Item { kind: ItemKind::Function(decl), span };
        match outside {
            Some(frame) if is_member => {
                if let Names::Building(index) = &mut self.index
                    && index.owns(frame)
                {
                    index.frame_mut(frame).items.push(item);
                }
            }
            _ => {
                let item = Some(self.add_outside(item));
                if let Some(name) = simple.or(operator) {
                    self.declare_outside(name, Entry { kind, item, inner: None });
                }
            }
        }
    }

    /// The frame that the qualifier of a name stands for.
    fn class_frame_of(&mut self, name: &Path) -> Option<FrameId> {
        let mut qualifier = name.clone();
        qualifier.segments.pop();
        self.frame_of(&qualifier)
    }

    /// A frame for parameters. For a member defined outside its class, the class's members come
    /// first and what is declared around this definition next.
    fn in_function<T>(&mut self, class: Option<FrameId>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.in_frame(FrameKind::Function, None, |p, frame| {
            if let (Some(class), Names::Building(index)) = (class, &mut p.index)
                && frame != FrameId::NONE
            {
                index.frame_mut(frame).usings.push(class);
            }
            read(p)
        })
    }

    /// Parameters, qualifiers and body, in the frame of the parameters.
    pub(super) fn function_rest(
        &mut self,
        heads: Vec<Arc<TemplateHead>>,
        spec: DeclSpec,
        mut attrs: Vec<Attribute>,
        name: Path,
        ret_chunks: Vec<Chunk>,
    ) -> FunctionDecl {
        let span = name.span;
        let sig = self.signature();
        self.attributes(&mut attrs);
        while let Some(word) = self.ident()
            && matches!(self.text(word), "override" | "final")
        {
            self.bump();
        }
        let mut end_needed = true;
        let body = if self.eat(Punct::Eq) {
            if self.eat_kw(Keyword::Default) {
                FunctionBody::Default
            } else if self.eat_kw(Keyword::Delete) {
                FunctionBody::Delete
            } else {
                self.unsupported("virtual functions are");
                self.bump();
                FunctionBody::None
            }
        } else if self.at(Punct::LBrace) || self.at(Punct::Colon) {
            end_needed = false;
            FunctionBody::Lazy(self.lazy_body())
        } else {
            FunctionBody::None
        };
        if end_needed && !self.expect(Punct::Semi) {
            self.recover();
        }
        let kind = match &name.last().name {
            SegmentName::Conversion(_) => FunctionKind::Conversion,
            SegmentName::Destructor => FunctionKind::Destructor,
            SegmentName::Ident(_) if matches!(spec.ty, TypeSpec::None) => FunctionKind::Constructor,
            SegmentName::Ident(_) | SegmentName::Operator(_) | SegmentName::Decltype(_) => {
                FunctionKind::Plain
            }
        };
        if matches!(spec.ty, TypeSpec::None)
            && kind == FunctionKind::Constructor
            && self.class_name.is_none()
            && name.segments.len() == 1
        {
            self.error(codes::SYNTAX, span, "a function needs a return type");
        }
        FunctionDecl {
            heads,
            spec,
            name,
            ret_chunks,
            sig,
            body,
            kind,
            attrs,
            frame: self.frame,
            span,
        }
    }

    /// Skips a body, initialisers included.
    fn lazy_body(&mut self) -> LazyBody {
        let start = self.pos as u32;
        let open = self.span();
        if self.eat(Punct::Colon) {
            // `name(args)` or `name{args}`, commas between; the body's brace follows a `)` or `}`.
            loop {
                while !matches!(
                    self.kind(),
                    TokenKind::Punct(Punct::LParen | Punct::LBrace) | TokenKind::End
                ) {
                    self.bump();
                }
                self.skip_group();
                self.eat(Punct::Ellipsis);
                if !self.eat(Punct::Comma) {
                    break;
                }
            }
        }
        if self.at(Punct::LBrace) {
            self.skip_group();
            if self.at_end()
                && self
                    .tokens
                    .get(self.pos.wrapping_sub(1))
                    .is_none_or(|t| t.kind != TokenKind::Punct(Punct::RBrace))
            {
                self.error(codes::SYNTAX, open, "this body is never closed with `}`");
            }
        } else {
            self.expected("a function body");
        }
        let end = self.pos as u32;
        let (unit, contract, frame) = (self.unit, self.contract, self.frame);
        LazyBody { start, end, unit, contract, frame, cell: OnceLock::new() }
    }
}

/// Under what name operators are declared in namespaces: an identifier nobody can write.
pub fn operator_symbol() -> crate::syntax::symbol::Symbol {
    Keyword::Operator.symbol()
}
