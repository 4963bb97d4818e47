//! Classes: members, bases and layout.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::sema::codes;
use crate::sema::lookup::{Candidate, Found, Method, VarTemplate};
use crate::sema::scope::{ScopeId, ScopeKind};
use crate::sema::types::{ClassId, Kind, Layout, Qt, Space};
use crate::sema::{Res, Sema, TArg, TemplateRef};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{
    ClassDecl, FunctionBody, FunctionKind, Item, ItemKind, SegmentName, TypeSpec, VarDecl,
};

/// A class of a compilation.
#[derive(Debug)]
pub struct Class {
    /// Its tree; a lambda's class has none.
    pub decl: Option<Arc<ClassDecl>>,
    /// Its name.
    pub symbol: Option<Symbol>,
    /// The type.
    pub ty: Qt,
    /// The scope of its members.
    pub(super) scope: ScopeId,
    /// The scope around it.
    pub(super) outer: ScopeId,
    /// The template it is an instance of.
    pub template: Option<u32>,
    /// The arguments of that instance.
    pub args: Vec<TArg>,
    /// Base classes, with the field that holds each unless it is empty.
    pub bases: Vec<(ClassId, Option<u32>)>,
    /// Fields, those that hold bases first.
    pub fields: Vec<Field>,
    /// `union`
    pub is_union: bool,
    /// `__attribute__((packed))`: no padding anywhere.
    pub is_packed: bool,
    /// A lambda's call operator.
    pub(super) lambda: Option<Method>,
    /// The field in which a lambda keeps the `*this` around it, and whether by reference.
    pub(super) captured_this: Option<(u32, bool)>,
    bases_state: State,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Busy,
    Done,
}

/// A field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name; empty for bases and anonymous members.
    pub name: String,
    /// Its name as a symbol.
    pub symbol: Option<Symbol>,
    /// Its type; a reference is stored as a pointer.
    pub ty: Qt,
    /// Bytes from the start.
    pub offset: u64,
    /// The declaration, for its initialiser.
    pub init: Option<(Arc<VarDecl>, usize)>,
    /// An anonymous struct or union, whose members are reached directly.
    pub anonymous: bool,
}

impl Sema<'_> {
    /// A class's type.
    pub(super) fn class_type(&self, id: ClassId) -> Qt {
        self.classes[id.0 as usize].ty
    }

    pub(super) fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// The class of a declaration in a scope.
    pub(super) fn class_of(
        &mut self,
        decl: &Arc<ClassDecl>,
        outer: ScopeId,
        args: &[TArg],
        template: Option<u32>,
    ) -> Res<ClassId> {
        let key = (Self::address(decl), outer, args.to_vec());
        if let Some(&id) = self.class_index.get(&key) {
            return Ok(id);
        }
        let symbol = decl.name.as_ref().and_then(|path| match path.last().name {
            SegmentName::Ident(name) => Some(name),
            _ => None,
        });
        let mut name = symbol.map_or("<unnamed>".into(), |name| self.text(name).to_string());
        if template.is_some() {
            name = format!("{name}<{}>", self.show_args(args));
        }
        let is_packed =
            decl.attrs.iter().any(|attr| matches!(self.text(attr.name), "packed" | "__packed__"));
        let id = self.new_class(name, symbol, outer, Some(decl.clone()));
        let class = &mut self.classes[id.0 as usize];
        class.template = template;
        class.args = args.to_vec();
        class.is_union = decl.is_union;
        class.is_packed = is_packed;
        self.class_index.insert(key, id);
        Ok(id)
    }

    pub(super) fn new_class(
        &mut self,
        name: String,
        symbol: Option<Symbol>,
        outer: ScopeId,
        decl: Option<Arc<ClassDecl>>,
    ) -> ClassId {
        let id = ClassId(self.classes.len() as u32);
        let ty = Qt::plain(self.types.intern(Kind::Class(id)));
        self.types.layouts.push(None);
        self.types.class_names.push(name);
        let scope = self.add_scope(Some(outer), ScopeKind::Class(id));
        self.classes.push(Class {
            decl,
            symbol,
            ty,
            scope,
            outer,
            template: None,
            args: Vec::new(),
            bases: Vec::new(),
            fields: Vec::new(),
            is_union: false,
            is_packed: false,
            lambda: None,
            captured_this: None,
            bases_state: State::New,
            state: State::New,
        });
        id
    }

    /// How template arguments are written.
    pub(super) fn show_args(&self, args: &[TArg]) -> String {
        let texts: Vec<String> = args.iter().map(|arg| self.show_arg(arg)).collect();
        texts.join(", ")
    }

    pub(super) fn show_arg(&self, arg: &TArg) -> String {
        match arg {
            TArg::Type(qt) => self.show(*qt),
            TArg::Value(bits, ty) => match self.types.as_scalar(*ty) {
                Some(crate::ir::Scalar::Bool) => (*bits != 0).to_string(),
                Some(scalar) if scalar.is_int() => crate::sema::consteval::show_int(*bits, scalar),
                _ => format!("{bits:#x}"),
            },
            TArg::Overloads(_) => "<functions>".into(),
            TArg::Function(id) => self.fns[id.0 as usize].name.clone(),
            TArg::Template(TemplateRef::Source(id)) => {
                self.text(self.templates[*id as usize].name).to_string()
            }
            TArg::Template(TemplateRef::Builtin(_)) => "<template>".into(),
            TArg::Pack(args) => self.show_args(args),
        }
    }

    /// Finds a class's bases.
    pub(super) fn resolve_bases(&mut self, id: ClassId) -> Res<()> {
        if self.class(id).bases_state != State::New {
            return Ok(());
        }
        self.classes[id.0 as usize].bases_state = State::Busy;
        if let Some(decl) = self.class(id).decl.clone() {
            let outer = self.class(id).outer;
            for base in &decl.bases {
                let scopes = match &base.pack {
                    Some(idents) => self.expansion_scopes(outer, idents, base.path.span)?,
                    None => vec![outer],
                };
                for scope in scopes {
                    let found = self.resolve(scope, &base.path)?;
                    let class = match found {
                        Some(Found::Type(qt)) => self.types.as_class(qt.ty),
                        Some(_) => None,
                        None => {
                            return self.undeclared(
                                scope,
                                &base.path,
                                base.path.segments.len() - 1,
                            );
                        }
                    };
                    let Some(class) = class else {
                        let span = base.path.span;
                        return self.err(codes::BAD_TYPE, span, "this is not a class");
                    };
                    self.classes[id.0 as usize].bases.push((class, None));
                }
            }
        }
        self.classes[id.0 as usize].bases_state = State::Done;
        Ok(())
    }

    /// Makes a class complete: fields, bases and layout.
    pub(super) fn complete(&mut self, id: ClassId, at: Range) -> Res<()> {
        match self.class(id).state {
            State::Done => return Ok(()),
            State::Busy => {
                let name = self.types.class_names[id.0 as usize].clone();
                return self.err(codes::INCOMPLETE, at, format!("`{name}` is not complete here"));
            }
            State::New => {}
        }
        let Some(decl) = self.class(id).decl.clone() else {
            self.lay_out(id);
            return Ok(());
        };
        if decl.members.is_none() {
            let name = self.types.class_names[id.0 as usize].clone();
            let message = format!("`{name}` is declared but not defined");
            return self.err(codes::INCOMPLETE, at, message);
        }
        self.classes[id.0 as usize].state = State::Busy;
        let name = self.types.class_names[id.0 as usize].clone();
        let is_template = self.class(id).template.is_some();
        let result = if is_template {
            self.instantiating(|_| format!("`{name}`"), at, |s| s.complete_inner(id, &decl))
        } else {
            self.complete_inner(id, &decl)
        };
        if result.is_err() {
            self.classes[id.0 as usize].state = State::New;
            if self.silent == 0 {
                // Reported once; what can be laid out is.
                self.lay_out(id);
                return Ok(());
            }
            self.classes[id.0 as usize].fields.clear();
        }
        result
    }

    fn complete_inner(&mut self, id: ClassId, decl: &Arc<ClassDecl>) -> Res<()> {
        self.resolve_bases(id)?;
        let scope = self.class(id).scope;
        for at in 0..self.class(id).bases.len() {
            let base = self.class(id).bases[at].0;
            self.complete(base, decl.span)?;
            if self.class(base).fields.is_empty() {
                continue;
            }
            let ty = self.class_type(base);
            let class = &mut self.classes[id.0 as usize];
            class.bases[at].1 = Some(class.fields.len() as u32);
            class.fields.push(Field {
                name: String::new(),
                symbol: None,
                ty,
                offset: 0,
                init: None,
                anonymous: false,
            });
        }
        let mut failed = Ok(());
        for item in decl.members.iter().flatten() {
            let ItemKind::Var(vars) = &item.kind else {
                if let ItemKind::StaticAssert(assert) = &item.kind {
                    self.static_assert(scope, assert)?;
                }
                continue;
            };
            if vars.spec.flags.is_static || !vars.heads.is_empty() {
                continue;
            }
            let Ok(specified) = self.spec_type(scope, &vars.spec) else {
                failed = Err(crate::sema::Reported);
                continue;
            };
            if vars.vars.is_empty() {
                if let Some(inner) = self.types.as_class(specified.ty) {
                    self.complete(inner, item.span)?;
                }
                self.classes[id.0 as usize].fields.push(Field {
                    name: String::new(),
                    symbol: None,
                    ty: specified,
                    offset: 0,
                    init: None,
                    anonymous: true,
                });
            }
            for (at, var) in vars.vars.iter().enumerate() {
                let span = var.declarator.span;
                let Ok(ty) = self.apply_chunks(scope, specified, &var.declarator.chunks, span)
                else {
                    failed = Err(crate::sema::Reported);
                    continue;
                };
                if let Some(inner) = self.types.as_class(self.element_type(ty).ty) {
                    self.complete(inner, span)?;
                }
                if self.types.layout(ty.ty).is_none() {
                    let message = format!("a member cannot have type `{}`", self.show(ty));
                    failed = self.err(codes::BAD_TYPE, span, message);
                    continue;
                }
                let symbol = var.declarator.ident();
                let name = symbol.map_or(String::new(), |name| self.text(name).to_string());
                let init = Some((vars.clone(), at));
                self.classes[id.0 as usize].fields.push(Field {
                    name,
                    symbol,
                    ty,
                    offset: 0,
                    init,
                    anonymous: false,
                });
            }
        }
        failed?;
        self.lay_out(id);
        if let Some(align) = self.align_attribute(scope, decl)?
            && let Some(layout) = &mut self.types.layouts[id.0 as usize]
        {
            layout.align = layout.align.max(align);
            layout.size = layout.size.next_multiple_of(layout.align);
        }
        Ok(())
    }

    fn align_attribute(&mut self, scope: ScopeId, decl: &ClassDecl) -> Res<Option<u64>> {
        let alignas = crate::syntax::keyword::Keyword::Alignas.symbol();
        let mut align = None;
        for attr in &decl.attrs {
            if attr.name == alignas
                && let Some(arg) = attr.args.first()
            {
                let (bits, _) = self.constant_scalar(scope, arg)?;
                if bits.is_power_of_two() && bits <= 256 {
                    align = align.max(Some(bits));
                } else {
                    return self.err(codes::BAD_TYPE, attr.span, "this is no valid alignment");
                }
            }
        }
        Ok(align)
    }

    /// The innermost element type of arrays.
    pub(super) fn element_type(&self, mut qt: Qt) -> Qt {
        while let Kind::Array(element, _) = self.types.kind(qt.ty) {
            qt = *element;
        }
        qt
    }

    /// Gives fields their offsets. A lambda's class is laid out when its captures are known.
    pub(super) fn lay_out(&mut self, id: ClassId) {
        let (mut size, mut align) = (0u64, 1u64);
        let class = &mut self.classes[id.0 as usize];
        for field in &mut class.fields {
            let Some(mut own) = self.types.layout(field.ty.ty) else { continue };
            if class.is_packed {
                own.align = 1;
            }
            align = align.max(own.align);
            if class.is_union {
                size = size.max(own.size);
            } else {
                field.offset = size.next_multiple_of(own.align);
                size = field.offset.saturating_add(own.size).min(1 << 40);
            }
        }
        let size = size.max(1).next_multiple_of(align);
        self.types.layouts[id.0 as usize] = Some(Layout { size, align });
        class.state = State::Done;
        class.bases_state = State::Done;
    }

    /// Looks a member up in a class and its bases.
    pub(super) fn lookup_member(&mut self, id: ClassId, name: Symbol) -> Res<Option<Found>> {
        if let Some(found) = self.own_member(id, name)? {
            return Ok(Some(found));
        }
        self.resolve_bases(id)?;
        for at in 0..self.class(id).bases.len() {
            let (base, _) = self.class(id).bases[at];
            if let Some(found) = self.lookup_member(base, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn own_member(&mut self, id: ClassId, name: Symbol) -> Res<Option<Found>> {
        let scope = self.class(id).scope;
        let Some(decl) = self.class(id).decl.clone() else {
            let fields = &self.class(id).fields;
            let at = fields.iter().position(|field| field.symbol == Some(name));
            return Ok(at.map(|at| Found::Field(id, vec![at as u32])));
        };
        let mut functions = Vec::new();
        for item in decl.members.iter().flatten() {
            match &item.kind {
                ItemKind::Function(function) if function.spec.flags.is_friend => {}
                ItemKind::Function(function) => {
                    let own = &function.name.segments[0].name;
                    if function.kind == FunctionKind::Plain
                        && matches!(own, SegmentName::Ident(own) if *own == name)
                    {
                        functions.push(Candidate::Source(Method {
                            decl: function.clone(),
                            scope,
                            class: Some(id),
                        }));
                    }
                }
                ItemKind::Var(vars) => {
                    if let Some(found) = self.member_variable(id, scope, vars, name, item)? {
                        return Ok(Some(found));
                    }
                }
                ItemKind::Alias(alias) if alias.name == name => {
                    if alias.heads.is_empty() {
                        return self.alias_type(alias, scope).map(|qt| Some(Found::Type(qt)));
                    }
                    let template = self.member_template(id, scope, name);
                    return Ok(Some(Found::Template(template)));
                }
                ItemKind::Class(class) => {
                    let own = class.name.as_ref().map(|path| &path.last().name);
                    if !matches!(own, Some(SegmentName::Ident(own)) if *own == name) {
                        continue;
                    }
                    if !class.heads.is_empty() {
                        let template = self.member_template(id, scope, name);
                        return Ok(Some(Found::Template(template)));
                    }
                    if class.members.is_some() {
                        let inner = self.class_of(class, scope, &[], None)?;
                        return Ok(Some(Found::Type(self.class_type(inner))));
                    }
                }
                ItemKind::Enum(decl) => {
                    let is_value = !decl.scoped
                        && decl.values.iter().flatten().any(|value| value.name == name);
                    if decl.name != Some(name) && !is_value {
                        continue;
                    }
                    let inner = self.enum_of(decl, scope)?;
                    let ty = Qt::plain(self.types.intern(Kind::Enum(inner)));
                    return Ok(Some(match self.enum_value(inner, name) {
                        Some(bits) if decl.name != Some(name) => {
                            Found::Constant(crate::sema::hir::Value::Bits(bits), ty)
                        }
                        _ => Found::Type(ty),
                    }));
                }
                ItemKind::Using(path) => {
                    if matches!(path.last().name, SegmentName::Ident(own) if own == name) {
                        let outer = self.class(id).outer;
                        match self.resolve(outer, path)? {
                            Some(Found::Functions(more)) => functions.extend(more),
                            found => return Ok(found),
                        }
                    }
                }
                ItemKind::Alias(_) | ItemKind::StaticAssert(_) | ItemKind::Instantiation(_) => {}
            }
        }
        Ok((!functions.is_empty()).then_some(Found::Functions(functions)))
    }

    fn member_variable(
        &mut self,
        id: ClassId,
        scope: ScopeId,
        vars: &Arc<VarDecl>,
        name: Symbol,
        item: &Item,
    ) -> Res<Option<Found>> {
        if vars.vars.is_empty()
            && let TypeSpec::Class(inner) = &vars.spec.ty
        {
            let inner = self.class_of(inner, scope, &[], None)?;
            if let Some(Found::Field(_, path)) = self.own_member(inner, name)? {
                self.complete(id, item.span)?;
                let ty = self.class_type(inner).ty;
                let fields = &self.class(id).fields;
                let at = fields.iter().position(|field| field.anonymous && field.ty.ty == ty);
                if let Some(at) = at {
                    let mut full = vec![at as u32];
                    full.extend(path);
                    return Ok(Some(Found::Field(id, full)));
                }
            }
            return Ok(None);
        }
        let Some(at) = vars.vars.iter().position(|var| var.declarator.ident() == Some(name)) else {
            return Ok(None);
        };
        if !vars.heads.is_empty() {
            let template = VarTemplate { decl: vars.clone(), var: at, scope };
            return Ok(Some(Found::VarTemplate(vec![template])));
        }
        if vars.spec.flags.is_static {
            return self.global_of(vars, at, scope).map(Some);
        }
        self.complete(id, item.span)?;
        let fields = &self.class(id).fields;
        let at = fields.iter().position(|field| field.symbol == Some(name));
        Ok(at.map(|at| Found::Field(id, vec![at as u32])))
    }

    fn member_template(&mut self, class: ClassId, scope: ScopeId, name: Symbol) -> TemplateRef {
        if let Some(&id) = self.template_index.get(&(scope, name)) {
            return TemplateRef::Source(id);
        }
        let mut template = crate::sema::template::ClassTemplate::new(name, scope);
        if let Some(decl) = self.class(class).decl.clone() {
            for item in decl.members.iter().flatten() {
                template.add(item, name);
            }
        }
        TemplateRef::Source(self.add_template(template))
    }

    /// Member functions of a kind, from the class and its bases.
    pub(super) fn methods_where(
        &mut self,
        id: ClassId,
        inherit: bool,
        wanted: &mut dyn FnMut(&mut Self, &crate::syntax::tree::FunctionDecl) -> bool,
    ) -> Res<Vec<Candidate>> {
        let mut methods = Vec::new();
        let scope = self.class(id).scope;
        if let Some(decl) = self.class(id).decl.clone() {
            for item in decl.members.iter().flatten() {
                if let ItemKind::Function(function) = &item.kind
                    && !function.spec.flags.is_friend
                    && wanted(self, function)
                {
                    methods.push(Candidate::Source(Method {
                        decl: function.clone(),
                        scope,
                        class: Some(id),
                    }));
                }
            }
        }
        if let Some(method) = self.class(id).lambda.clone()
            && wanted(self, &method.decl)
        {
            methods.push(Candidate::Source(method));
        }
        if methods.is_empty() && inherit {
            self.resolve_bases(id)?;
            for at in 0..self.class(id).bases.len() {
                let (base, _) = self.class(id).bases[at];
                methods.extend(self.methods_where(base, true, wanted)?);
            }
        }
        Ok(methods)
    }

    /// Functions that a class defines as friends: found through arguments of the class only.
    pub(super) fn friends(&self, id: ClassId, name: &SegmentName) -> Vec<Candidate> {
        let class = self.class(id);
        let Some(decl) = &class.decl else { return Vec::new() };
        let mut friends = Vec::new();
        for item in decl.members.iter().flatten() {
            if let ItemKind::Function(function) = &item.kind
                && function.spec.flags.is_friend
                && matches!(function.body, FunctionBody::Lazy(_))
                && match (&function.name.last().name, name) {
                    (SegmentName::Ident(own), SegmentName::Ident(name)) => own == name,
                    (SegmentName::Operator(own), SegmentName::Operator(name)) => own == name,
                    _ => false,
                }
            {
                let decl = function.clone();
                friends.push(Candidate::Source(Method { decl, scope: class.scope, class: None }));
            }
        }
        friends
    }

    /// Constructors. A value is made in thread memory and then copied, so those for other address
    /// spaces count only where a class has no others.
    pub(super) fn constructors(&mut self, id: ClassId) -> Res<Vec<Candidate>> {
        let all = self.methods_where(id, false, &mut |_, f| f.kind == FunctionKind::Constructor)?;
        let here = |candidate: &Candidate| match candidate {
            Candidate::Source(method) => {
                matches!(method.decl.sig.quals.space, None | Some(Space::Thread))
            }
            Candidate::Builtin(_) => true,
        };
        if !all.iter().any(here) {
            return Ok(all);
        }
        Ok(all.into_iter().filter(here).collect())
    }

    /// Conversion functions.
    pub(super) fn conversions(&mut self, id: ClassId) -> Res<Vec<Candidate>> {
        self.methods_where(id, true, &mut |_, f| f.kind == FunctionKind::Conversion)
    }

    /// Member functions that overload an operator.
    pub(super) fn operator_members(
        &mut self,
        id: ClassId,
        name: &SegmentName,
    ) -> Res<Option<Found>> {
        let SegmentName::Operator(op) = *name else { return Ok(None) };
        let methods = self.methods_where(
            id,
            true,
            &mut |_, f| matches!(f.name.last().name, SegmentName::Operator(own) if own == op),
        )?;
        Ok((!methods.is_empty()).then_some(Found::Functions(methods)))
    }

    /// Steps from a class to one of its bases: fields, or `None` where a base is empty.
    pub(super) fn base_path(&mut self, from: ClassId, to: ClassId) -> Option<Vec<Option<u32>>> {
        if from == to {
            return Some(Vec::new());
        }
        self.resolve_bases(from).ok()?;
        for at in 0..self.class(from).bases.len() {
            let (base, field) = self.class(from).bases[at];
            if let Some(rest) = self.base_path(base, to) {
                let mut path = vec![field];
                path.extend(rest);
                return Some(path);
            }
        }
        None
    }
}
