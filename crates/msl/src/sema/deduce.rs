//! Template argument deduction: patterns as written against types.
//!
//! Patterns are trees. A part that is a parameter binds it, a part that is built from parameters
//! is taken apart, anything else is left to the substitution that follows.

use crate::sema::lookup::Found;
use crate::sema::scope::ScopeId;
use crate::sema::types::{Kind, Qt, Space, Ty};
use crate::sema::{BuiltinTemplate, Sema, TArg, TemplateRef};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{
    Chunk, DeclSpec, Expr, ExprKind, Path, Quals, SegmentName, Signature, TemplateArg,
    TemplateHead, TemplateParamKind, TypeName, TypeSpec,
};

/// What deduction has found so far.
#[derive(Debug, Clone)]
pub(super) struct Deduction {
    params: Vec<Slot>,
    scope: ScopeId,
}

#[derive(Debug, Clone)]
struct Slot {
    name: Symbol,
    is_type: bool,
    is_template: bool,
    pack: bool,
    arg: Option<TArg>,
    /// The elements found for a pack, and those of the element being deduced.
    parts: Vec<TArg>,
    element: Option<TArg>,
}

impl Deduction {
    pub(super) fn new(head: Option<&TemplateHead>, scope: ScopeId) -> Self {
        let params = head
            .iter()
            .flat_map(|head| &head.params)
            .filter_map(|param| {
                Some(Slot {
                    name: param.name?,
                    is_type: matches!(param.kind, TemplateParamKind::Type(_)),
                    is_template: matches!(param.kind, TemplateParamKind::Template(_)),
                    pack: param.pack,
                    arg: None,
                    parts: Vec::new(),
                    element: None,
                })
            })
            .collect();
        Self { params, scope }
    }

    fn slot(&mut self, name: Symbol) -> Option<&mut Slot> {
        self.params.iter_mut().find(|slot| slot.name == name)
    }

    /// Fixes a parameter in advance.
    pub(super) fn fix(&mut self, name: Symbol, arg: TArg) {
        if let Some(slot) = self.slot(name) {
            match arg {
                TArg::Pack(parts) => slot.parts = parts,
                arg => slot.arg = Some(arg),
            }
        }
    }

    fn bind(&mut self, name: Symbol, arg: TArg) -> bool {
        let Some(slot) = self.slot(name) else { return true };
        let place = if slot.pack { &mut slot.element } else { &mut slot.arg };
        match (&*place, &arg) {
            (None, _) => {
                *place = Some(arg);
                true
            }
            (Some(TArg::Value(a, _)), TArg::Value(b, _)) => a == b,
            (Some(old), new) => old == new,
        }
    }

    /// Ends an element of a pack.
    pub(super) fn next_element(&mut self) {
        for slot in &mut self.params {
            if let Some(element) = slot.element.take() {
                slot.parts.push(element);
            }
        }
    }

    /// The arguments found, as far as defaults do not have to take over. `None` if one is missing
    /// in front of another that is known, or, if `strict`, at all.
    pub(super) fn args(&self, head: &TemplateHead, strict: bool) -> Option<Vec<TArg>> {
        let mut args = Vec::new();
        for (at, param) in head.params.iter().enumerate() {
            let slot = param.name.and_then(|name| self.params.iter().find(|s| s.name == name));
            match slot {
                Some(slot) if slot.pack => args.push(TArg::Pack(slot.parts.clone())),
                Some(Slot { arg: Some(arg), .. }) => args.push(arg.clone()),
                _ => {
                    let later = head.params[at + 1..].iter().any(|param| {
                        param.name.is_some_and(|name| {
                            self.params
                                .iter()
                                .any(|s| s.name == name && (s.arg.is_some() || !s.parts.is_empty()))
                        })
                    });
                    if strict && param.default().is_none() || later && param.default().is_none() {
                        return None;
                    }
                    if later {
                        // Substitution of the default happens in order: stop here only if what
                        // follows can be derived again, which it cannot.
                        return None;
                    }
                    return Some(args);
                }
            }
        }
        Some(args)
    }

    /// The first parameter nothing is known of and that has no default.
    pub(super) fn missing(&self, head: &TemplateHead) -> Option<Symbol> {
        head.params.iter().find_map(|param| {
            let name = param.name?;
            let slot = self.params.iter().find(|slot| slot.name == name)?;
            (slot.arg.is_none() && !slot.pack && param.default().is_none()).then_some(name)
        })
    }

    /// The argument of a parameter, if known.
    pub(super) fn known(&self, name: Symbol) -> Option<TArg> {
        let slot = self.params.iter().find(|slot| slot.name == name)?;
        if slot.pack { Some(TArg::Pack(slot.parts.clone())) } else { slot.arg.clone() }
    }
}

impl Sema<'_> {
    /// Deduces from a type-id.
    pub(super) fn deduce_type(&mut self, d: &mut Deduction, ty: &TypeName, actual: Qt) -> bool {
        self.deduce(d, &ty.spec, &ty.chunks, actual)
    }

    /// Deduces from specifiers and a declarator. Top-level references are the caller's business.
    pub(super) fn deduce(
        &mut self,
        d: &mut Deduction,
        spec: &DeclSpec,
        chunks: &[Chunk],
        actual: Qt,
    ) -> bool {
        let Some((last, rest)) = chunks.split_last() else {
            return self.deduce_spec(d, spec, actual);
        };
        match (last, self.types.kind(actual.ty).clone()) {
            (Chunk::Pointer(_), Kind::Pointer(to)) => self.deduce(d, spec, rest, to),
            (Chunk::Reference { .. }, Kind::Ref(to, _)) => self.deduce(d, spec, rest, to),
            (Chunk::Reference { .. }, _) => self.deduce(d, spec, rest, actual),
            // A parameter declared as an array is a pointer.
            (Chunk::Array(_), Kind::Pointer(to)) => self.deduce(d, spec, rest, to),
            (Chunk::Array(size), Kind::Array(element, length)) => {
                if let (Some(size), Some(length)) = (size, length)
                    && let Some(name) = plain_name(size)
                    && !d.bind(name, TArg::Value(length, Ty::ULONG))
                {
                    return false;
                }
                self.deduce(d, spec, rest, element.in_space(actual.space))
            }
            (Chunk::Function(signature), Kind::Function(ret, params)) => {
                self.deduce_function(d, spec, rest, signature, ret, &params)
            }
            _ => false,
        }
    }

    fn deduce_function(
        &mut self,
        d: &mut Deduction,
        spec: &DeclSpec,
        rest: &[Chunk],
        signature: &Signature,
        ret: Qt,
        params: &[Qt],
    ) -> bool {
        if signature.params.len() != params.len() || !self.deduce(d, spec, rest, ret) {
            return false;
        }
        signature
            .params
            .iter()
            .zip(params)
            .all(|(param, &actual)| self.deduce(d, &param.spec, &param.declarator.chunks, actual))
    }

    fn deduce_spec(&mut self, d: &mut Deduction, spec: &DeclSpec, actual: Qt) -> bool {
        // In partial ordering, a type that equals only itself is no named type.
        let may_be_named = !matches!(self.types.kind(actual.ty), Kind::Opaque(_));
        let TypeSpec::Path(path) = &spec.ty else { return may_be_named };
        if let Some(name) = path.as_ident() {
            if !d.slot(name).is_some_and(|slot| slot.is_type) {
                return may_be_named;
            }
            let Some(bare) = strip(spec.quals, actual) else { return false };
            return d.bind(name, TArg::Type(bare));
        }
        let Some(args) = &path.last().args else { return true };
        self.deduce_template(d, path, args, spec.quals, actual)
    }

    fn deduce_template(
        &mut self,
        d: &mut Deduction,
        path: &Path,
        pattern: &[TemplateArg],
        quals: Quals,
        actual: Qt,
    ) -> bool {
        if let Some(space) = quals.space
            && space != actual.space
        {
            return false;
        }
        let SegmentName::Ident(name) = path.last().name else { return true };
        let parameter = path.segments.len() == 1 && d.slot(name).is_some_and(|s| s.is_template);
        let template = if parameter {
            None
        } else {
            let mut bare = path.clone();
            if let Some(last) = bare.segments.last_mut() {
                last.args = None;
            }
            let scope = d.scope;
            match self.attempt(|s| s.resolve(scope, &bare)) {
                Ok(Some(Found::Template(template))) => Some(template),
                // Inside its own class template the name is the class.
                Ok(Some(Found::Type(qt))) => {
                    let class = self.types.as_class(qt.ty);
                    let template = class.and_then(|class| self.class(class).template);
                    match template {
                        Some(template) => Some(TemplateRef::Source(template)),
                        None => return true,
                    }
                }
                _ => return true,
            }
        };
        if let Some(TemplateRef::Source(id)) = template
            && self.templates[id as usize].alias.is_some()
        {
            return self.deduce_alias(d, id, pattern, actual);
        }
        let scalar = |s: crate::ir::Scalar| TArg::Type(Qt::plain(Ty::scalar(s)));
        let number = |n: u8| TArg::Value(n.into(), Ty::INT);
        let (own, args) = match *self.types.kind(actual.ty) {
            Kind::Vector(s, n) => {
                (TemplateRef::Builtin(BuiltinTemplate::Vec), vec![scalar(s), number(n)])
            }
            Kind::Packed(s, n) => {
                (TemplateRef::Builtin(BuiltinTemplate::PackedVec), vec![scalar(s), number(n)])
            }
            Kind::Matrix(s, c, r) => (
                TemplateRef::Builtin(BuiltinTemplate::Matrix),
                vec![scalar(s), number(c), number(r)],
            ),
            Kind::Atomic(s) => (TemplateRef::Builtin(BuiltinTemplate::Atomic), vec![scalar(s)]),
            Kind::SimdMatrix(s) => (
                TemplateRef::Builtin(BuiltinTemplate::SimdMatrix),
                vec![scalar(s), number(8), number(8)],
            ),
            Kind::Class(class) => match self.class(class).template {
                Some(id) if template.is_none_or(|t| t == TemplateRef::Source(id)) => {
                    (TemplateRef::Source(id), self.class(class).args.clone())
                }
                _ => return self.deduce_bases(d, class, path, pattern, quals, actual),
            },
            _ => return false,
        };
        match template {
            None => {
                if !d.bind(name, TArg::Template(own)) {
                    return false;
                }
            }
            Some(template) if template != own => return false,
            Some(_) => {}
        }
        let flat: Vec<TArg> = args
            .into_iter()
            .flat_map(|arg| match arg {
                TArg::Pack(parts) => parts,
                arg => vec![arg],
            })
            .collect();
        self.deduce_args(d, pattern, &flat)
    }

    /// Deduces through an alias template: what it stands for gives its arguments. Where it does
    /// not, substitution has to tell.
    fn deduce_alias(
        &mut self,
        d: &mut Deduction,
        id: u32,
        pattern: &[TemplateArg],
        actual: Qt,
    ) -> bool {
        let template = &self.templates[id as usize];
        let scope = template.scope;
        let (Some(alias), Some(head)) = (template.alias.clone(), template.head.clone()) else {
            return true;
        };
        let mut inner = Deduction::new(Some(&head), scope);
        if !self.deduce_type(&mut inner, &alias.ty, actual.unqualified()) {
            return false;
        }
        for (param, pattern) in head.params.iter().zip(pattern) {
            let known = param.name.filter(|_| !param.pack).and_then(|name| inner.known(name));
            if let Some(arg) = known
                && !self.deduce_arg(d, pattern, &arg)
            {
                return false;
            }
        }
        true
    }

    fn deduce_bases(
        &mut self,
        d: &mut Deduction,
        class: crate::sema::types::ClassId,
        path: &Path,
        pattern: &[TemplateArg],
        quals: Quals,
        actual: Qt,
    ) -> bool {
        if self.resolve_bases(class).is_err() {
            return false;
        }
        for at in 0..self.class(class).bases.len() {
            let base = self.class(class).bases[at].0;
            let mut trial = d.clone();
            let ty = actual.with(self.class_type(base).ty);
            if self.deduce_template(&mut trial, path, pattern, quals, ty) {
                *d = trial;
                return true;
            }
        }
        false
    }

    /// Deduces from a list of template arguments.
    pub(super) fn deduce_args(
        &mut self,
        d: &mut Deduction,
        pattern: &[TemplateArg],
        actual: &[TArg],
    ) -> bool {
        let mut at = 0;
        for arg in pattern {
            if let TemplateArg::Expansion(inner, _) = arg {
                while at < actual.len() {
                    if !self.deduce_arg(d, inner, &actual[at]) {
                        return false;
                    }
                    d.next_element();
                    at += 1;
                }
                return true;
            }
            let Some(actual) = actual.get(at) else { return false };
            if !self.deduce_arg(d, arg, actual) {
                return false;
            }
            at += 1;
        }
        // Default arguments of the primary template may follow.
        at == actual.len() || at > 0
    }

    fn deduce_arg(&mut self, d: &mut Deduction, pattern: &TemplateArg, actual: &TArg) -> bool {
        match (pattern, actual) {
            (TemplateArg::Type(ty), TArg::Type(qt)) => {
                if ty.chunks.is_empty()
                    && !matches!(ty.spec.ty, TypeSpec::Path(_))
                    && (ty.spec.quals.is_const && !qt.is_const)
                {
                    return false;
                }
                self.deduce_type(d, ty, *qt)
            }
            (TemplateArg::Type(ty), actual) => match &ty.spec.ty {
                // A parameter that the parser could not know the kind of.
                TypeSpec::Path(path) if ty.chunks.is_empty() => match path.as_ident() {
                    Some(name) if d.slot(name).is_some() => d.bind(name, actual.clone()),
                    _ => !matches!(actual, TArg::Value(..)),
                },
                _ => false,
            },
            (TemplateArg::Value(e), TArg::Value(..) | TArg::Function(_) | TArg::Overloads(_)) => {
                match plain_name(e) {
                    Some(name) => d.bind(name, actual.clone()),
                    None => true,
                }
            }
            (TemplateArg::Value(e), actual) => match plain_name(e) {
                Some(name) if d.slot(name).is_some() => d.bind(name, actual.clone()),
                _ => false,
            },
            (TemplateArg::Expansion(inner, _), actual) => self.deduce_arg(d, inner, actual),
        }
    }
}

/// The name that an expression consists of.
fn plain_name(e: &Expr) -> Option<Symbol> {
    match &e.kind {
        ExprKind::Path(path) => path.as_ident(),
        ExprKind::Paren(inner) => plain_name(inner),
        _ => None,
    }
}

/// What is left of a type for a parameter that is written with qualifiers.
fn strip(quals: Quals, mut actual: Qt) -> Option<Qt> {
    if let Some(space) = quals.space {
        if space != actual.space {
            return None;
        }
        actual.space = Space::Thread;
    }
    if quals.is_const {
        actual.is_const = false;
    }
    if quals.is_volatile {
        actual.is_volatile = false;
    }
    Some(actual)
}
