//! Class, alias and variable templates: arguments, specialisations, instances.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::sema::codes;
use crate::sema::deduce::Deduction;
use crate::sema::hir::{ExprKind, Value};
use crate::sema::lookup::{Found, VarTemplate};
use crate::sema::scope::{Binding, ScopeId};
use crate::sema::types::{Kind, Qt, Ty};
use crate::sema::{BuiltinTemplate, Res, Sema, TArg, TemplateRef, traits};
use crate::syntax::index::{Entry, FrameId};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{
    self, AliasDecl, ClassDecl, ExprKind as Tree, Idents, Item, ItemKind, SegmentName, TemplateArg,
    TemplateHead, TemplateParam, TemplateParamKind, TypeSpec,
};

/// A class or alias template with everything declared under its name.
#[derive(Debug)]
pub(super) struct ClassTemplate {
    /// Its name.
    pub name: Symbol,
    /// The scope in which it stands.
    pub scope: ScopeId,
    /// The primary declaration, the definition if there is one.
    pub primary: Option<Arc<ClassDecl>>,
    /// The head with the default arguments.
    pub head: Option<Arc<TemplateHead>>,
    /// Explicit and partial specialisations.
    pub specialisations: Vec<Arc<ClassDecl>>,
    /// The alias.
    pub alias: Option<Arc<AliasDecl>>,
}

impl ClassTemplate {
    pub(super) fn new(name: Symbol, scope: ScopeId) -> Self {
        let specialisations = Vec::new();
        Self { name, scope, primary: None, head: None, specialisations, alias: None }
    }

    /// Adds a declaration if it is one of this template.
    pub(super) fn add(&mut self, item: &Item, name: Symbol) {
        match &item.kind {
            ItemKind::Class(class) => {
                let Some(path) = &class.name else { return };
                if !matches!(path.last().name, SegmentName::Ident(own) if own == name) {
                    return;
                }
                if path.last().args.is_some() {
                    self.specialisations.push(class.clone());
                    return;
                }
                let Some(head) = class.heads.last() else { return };
                let has_defaults = head.params.iter().any(|param| param.default().is_some());
                if self.head.is_none() || has_defaults {
                    self.head = Some(head.clone());
                }
                if self.primary.is_none() || class.members.is_some() {
                    self.primary = Some(class.clone());
                }
            }
            ItemKind::Alias(alias) if alias.name == name => {
                self.head = alias.heads.last().cloned();
                self.alias = Some(alias.clone());
            }
            _ => {}
        }
    }
}

/// A default argument.
pub(super) enum Default<'a> {
    Type(&'a tree::TypeName),
    Value(&'a tree::Expr),
}

impl TemplateParam {
    pub(super) fn default(&self) -> Option<Default<'_>> {
        match &self.kind {
            TemplateParamKind::Type(Some(ty)) | TemplateParamKind::Template(Some(ty)) => {
                Some(Default::Type(ty))
            }
            TemplateParamKind::Value { default: Some(e), .. } => Some(Default::Value(e)),
            TemplateParamKind::Type(None)
            | TemplateParamKind::Template(None)
            | TemplateParamKind::Value { default: None, .. } => None,
        }
    }
}

impl Sema<'_> {
    pub(super) fn add_template(&mut self, template: ClassTemplate) -> u32 {
        let id = self.templates.len() as u32;
        self.template_index.insert((template.scope, template.name), id);
        self.templates.push(template);
        id
    }

    /// The template of a name in a namespace.
    pub(super) fn template_of(&mut self, frame: FrameId, scope: ScopeId, name: Symbol) -> u32 {
        if let Some(&id) = self.template_index.get(&(scope, name)) {
            return id;
        }
        let mut template = ClassTemplate::new(name, scope);
        let index = self.index.clone();
        // Specialisations may be added where the namespace is reopened.
        let top = self.tops.get(&frame).copied().unwrap_or(frame);
        let mut entries = index.members(top, name);
        if entries.is_empty() {
            entries = index.members(frame, name);
        }
        entries.sort_by_key(|(frame, entry)| (*frame, entry.item));
        // A template that the user defines is the user's, whatever MLX's prelude has of that name.
        let is_definition = |(frame, entry): &(FrameId, Entry)| {
            let Some(item) = entry.item else { return false };
            let ItemKind::Class(class) = &index.frame(*frame).items[item as usize].kind else {
                return false;
            };
            index.owns(*frame)
                && class.members.is_some()
                && class.name.as_ref().is_some_and(|path| path.last().args.is_none())
        };
        if entries.iter().any(is_definition) {
            entries.retain(|(frame, _)| index.owns(*frame));
        }
        for (frame, entry) in entries {
            if let Some(item) = entry.item {
                template.add(&index.frame(frame).items[item as usize], name);
            }
        }
        self.add_template(template)
    }

    /// Evaluates template arguments as written.
    pub(super) fn template_args(&mut self, scope: ScopeId, args: &[TemplateArg]) -> Res<Vec<TArg>> {
        let mut result = Vec::new();
        for arg in args {
            match arg {
                TemplateArg::Expansion(pattern, idents) => {
                    let span = arg_span(pattern);
                    for scope in self.expansion_scopes(scope, idents, span)? {
                        let arg = self.template_arg(scope, pattern)?;
                        result.push(arg);
                    }
                }
                arg => {
                    let arg = self.template_arg(scope, arg)?;
                    result.push(arg);
                }
            }
        }
        Ok(result)
    }

    fn template_arg(&mut self, scope: ScopeId, arg: &TemplateArg) -> Res<TArg> {
        match arg {
            TemplateArg::Type(ty) => {
                if let (TypeSpec::Path(path), true) = (&ty.spec.ty, ty.chunks.is_empty()) {
                    match self.resolve(scope, path)? {
                        Some(Found::Template(template)) => return Ok(TArg::Template(template)),
                        Some(Found::Constant(Value::Bits(bits), ty)) => {
                            return Ok(TArg::Value(bits, ty.ty));
                        }
                        _ => {}
                    }
                }
                Ok(TArg::Type(self.type_name(scope, ty)?))
            }
            TemplateArg::Value(e) => {
                if let Tree::Path(path) = &e.kind {
                    match self.resolve(scope, path)? {
                        Some(Found::Type(qt)) => return Ok(TArg::Type(qt)),
                        Some(Found::Template(template)) => return Ok(TArg::Template(template)),
                        Some(Found::Function(id)) => return Ok(TArg::Function(id)),
                        Some(Found::Functions(functions)) => {
                            let args = path.last().args.as_deref();
                            return self.function_argument(scope, functions, args, e.span);
                        }
                        _ => {}
                    }
                }
                if let Tree::Unary(tree::UnaryOp::AddressOf, inner) = &e.kind
                    && let Tree::Path(path) = &inner.kind
                    && let Some(Found::Functions(functions)) = self.resolve(scope, path)?
                {
                    let args = path.last().args.as_deref();
                    return self.function_argument(scope, functions, args, e.span);
                }
                let (bits, ty) = self.constant_scalar(scope, e)?;
                Ok(TArg::Value(bits, ty))
            }
            TemplateArg::Expansion(inner, _) => self.template_arg(scope, inner),
        }
    }

    /// One scope for each element of the packs that a pattern names.
    pub(super) fn expansion_scopes(
        &mut self,
        scope: ScopeId,
        idents: &Idents,
        at: Range,
    ) -> Res<Vec<ScopeId>> {
        let mut packs: Vec<(Symbol, Vec<Binding>)> = Vec::new();
        for &name in idents {
            if let Ok(Ok(Some(Found::Pack(parts)))) =
                self.attempt(|s| Ok(s.lookup_pack(scope, name)))
            {
                packs.push((name, parts));
            }
        }
        let Some(count) = packs.first().map(|(_, parts)| parts.len()) else {
            return self.err(codes::PACK, at, "this expansion names no parameter pack");
        };
        if packs.iter().any(|(_, parts)| parts.len() != count) {
            return self.err(codes::PACK, at, "this expansion names packs of different lengths");
        }
        let mut scopes = Vec::with_capacity(count);
        for element in 0..count {
            let inner = self.block_scope(scope);
            for (name, parts) in &packs {
                self.bind(inner, *name, parts[element].clone());
            }
            scopes.push(inner);
        }
        Ok(scopes)
    }

    fn lookup_pack(&mut self, scope: ScopeId, name: Symbol) -> Res<Option<Found>> {
        // Only blocks hold packs; namespaces and classes need not be searched.
        let mut at = Some(scope);
        while let Some(id) = at {
            let found = self.scope(id).names.iter().rev().find(|(own, _)| *own == name);
            if let Some((_, binding)) = found {
                let binding = binding.clone();
                return self.found_binding(binding).map(Some);
            }
            at = self.scope(id).parent;
        }
        Ok(None)
    }

    /// Matches arguments with parameters: fills defaults in, converts values, gathers packs, and
    /// returns the scope in which the parameters are bound.
    pub(super) fn bind_params(
        &mut self,
        head: &TemplateHead,
        args: &[TArg],
        parent: ScopeId,
        at: Range,
    ) -> Res<(ScopeId, Vec<TArg>)> {
        let scope = self.block_scope(parent);
        let mut bound = Vec::with_capacity(head.params.len());
        let mut next = 0;
        for param in &head.params {
            let arg = if param.pack {
                let rest = match args.get(next) {
                    Some(TArg::Pack(parts)) => {
                        next += 1;
                        parts.clone()
                    }
                    _ => {
                        let rest = args[next.min(args.len())..].to_vec();
                        next = args.len();
                        rest
                    }
                };
                let mut parts = Vec::with_capacity(rest.len());
                for part in rest {
                    parts.push(self.match_param(scope, param, part, at)?);
                }
                TArg::Pack(parts)
            } else {
                let arg = match args.get(next) {
                    Some(arg) => arg.clone(),
                    None => match param.default() {
                        Some(Default::Type(ty)) => {
                            let arg = TemplateArg::Type(ty.clone());
                            self.template_arg(scope, &arg)?
                        }
                        Some(Default::Value(e)) => {
                            let arg = TemplateArg::Value(e.clone());
                            self.template_arg(scope, &arg)?
                        }
                        None => {
                            let name = match param.name {
                                Some(name) => format!("`{}`", self.text(name)),
                                None => format!("number {}", bound.len() + 1),
                            };
                            let message = format!("template argument {name} is missing");
                            return self.err(codes::TEMPLATE_ARGS, at, message);
                        }
                    },
                };
                next += 1;
                self.match_param(scope, param, arg, at)?
            };
            if let Some(name) = param.name {
                self.bind(scope, name, Binding::Arg(arg.clone()));
            }
            bound.push(arg);
        }
        if next < args.len() {
            let message = format!(
                "{} template arguments where {} are expected",
                args.len(),
                head.params.len()
            );
            return self.err(codes::TEMPLATE_ARGS, at, message);
        }
        Ok((scope, bound))
    }

    fn match_param(
        &mut self,
        scope: ScopeId,
        param: &TemplateParam,
        arg: TArg,
        at: Range,
    ) -> Res<TArg> {
        match (&param.kind, arg) {
            (TemplateParamKind::Type(_), TArg::Type(qt)) => Ok(TArg::Type(qt)),
            (TemplateParamKind::Template(_), TArg::Template(template)) => {
                Ok(TArg::Template(template))
            }
            (TemplateParamKind::Value { ty, .. }, TArg::Value(bits, from)) => {
                let wanted = self.type_name(scope, ty)?;
                if wanted.ty == Ty::AUTO {
                    return Ok(TArg::Value(bits, from));
                }
                match (self.types.as_scalar(from), self.types.as_scalar(wanted.ty)) {
                    (Some(a), Some(b)) => {
                        let bits = crate::sema::consteval::convert(bits, a, b);
                        Ok(TArg::Value(bits, wanted.ty))
                    }
                    _ if from == wanted.ty => Ok(TArg::Value(bits, from)),
                    _ => {
                        let message =
                            format!("this template argument cannot be a `{}`", self.show(wanted));
                        self.err(codes::TEMPLATE_ARGS, at, message)
                    }
                }
            }
            (TemplateParamKind::Value { ty, .. }, TArg::Overloads(set)) => {
                let wanted = self.type_name(scope, ty)?;
                self.choose_overload(set, wanted, at)
            }
            (TemplateParamKind::Value { .. }, TArg::Function(id)) => Ok(TArg::Function(id)),
            (kind, arg) => {
                let wanted = match kind {
                    TemplateParamKind::Type(_) => "a type",
                    TemplateParamKind::Template(_) => "a template",
                    TemplateParamKind::Value { .. } => "a value",
                };
                let name = match param.name {
                    Some(name) => format!(" `{}`", self.text(name)),
                    None => String::new(),
                };
                let shown = self.show_arg(&arg);
                let message = format!("template parameter{name} is {wanted}, and `{shown}` is not");
                self.err(codes::TEMPLATE_ARGS, at, message)
            }
        }
    }

    /// The type that a template with arguments stands for; for type traits also a value.
    pub(super) fn instantiate_template(
        &mut self,
        template: TemplateRef,
        args: &[TArg],
        at: Range,
    ) -> Res<Found> {
        match template {
            TemplateRef::Builtin(BuiltinTemplate::Trait(which)) => self.trait_of(which, args, at),
            TemplateRef::Builtin(builtin) => {
                self.builtin_template(builtin, args, at).map(Found::Type)
            }
            TemplateRef::Source(id) => self.instantiate(id, args, at).map(Found::Type),
        }
    }

    fn builtin_template(&mut self, which: BuiltinTemplate, args: &[TArg], at: Range) -> Res<Qt> {
        let element = match args.first() {
            Some(TArg::Type(qt)) => self.types.arithmetic(qt.ty),
            _ => None,
        };
        let size = |n: usize| match args.get(n) {
            Some(TArg::Value(bits, _)) => Some(*bits),
            _ => None,
        };
        let dim = |n: usize| size(n).filter(|n| (1..=4).contains(n)).map(|n| n as u8);
        let kind = match (which, element) {
            (BuiltinTemplate::Vec, Some(scalar)) => dim(1).map(|n| match n {
                1 => Kind::Scalar(scalar),
                n => Kind::Vector(scalar, n),
            }),
            (BuiltinTemplate::PackedVec, Some(scalar)) => {
                dim(1).filter(|&n| n > 1).map(|n| Kind::Packed(scalar, n))
            }
            (BuiltinTemplate::Matrix, Some(scalar)) if scalar.is_float() => {
                match (dim(1), dim(2)) {
                    (Some(c), Some(r)) if c > 1 && r > 1 => Some(Kind::Matrix(scalar, c, r)),
                    _ => None,
                }
            }
            (BuiltinTemplate::Atomic, Some(scalar)) => Some(Kind::Atomic(scalar)),
            (BuiltinTemplate::SimdMatrix, Some(scalar)) if scalar.is_float() => {
                let eight = |n| size(n).is_none_or(|size| size == 8);
                (eight(1) && eight(2)).then_some(Kind::SimdMatrix(scalar))
            }
            _ => None,
        };
        match kind {
            Some(kind) => Ok(Qt::plain(self.types.intern(kind))),
            None => {
                let name = match which {
                    BuiltinTemplate::Vec => "vec",
                    BuiltinTemplate::PackedVec => "packed_vec",
                    BuiltinTemplate::Matrix => "matrix",
                    BuiltinTemplate::Atomic => "atomic",
                    BuiltinTemplate::SimdMatrix => "simdgroup_matrix",
                    BuiltinTemplate::Trait(which) => traits::name(which),
                };
                let args = self.show_args(args);
                self.err(codes::TEMPLATE_ARGS, at, format!("there is no `{name}<{args}>`"))
            }
        }
    }

    fn instantiate(&mut self, id: u32, args: &[TArg], at: Range) -> Res<Qt> {
        let template = &self.templates[id as usize];
        let (scope, name) = (template.scope, template.name);
        let Some(head) = template.head.clone() else {
            let text = self.text(name).to_string();
            // Specialised without a primary template: the arguments stand as they are.
            return self.instantiate_specialised(id, args.to_vec(), None, at).and_then(|found| {
                match found {
                    Some(qt) => Ok(qt),
                    None => self.err(codes::TEMPLATE_ARGS, at, format!("`{text}` is not defined")),
                }
            });
        };
        let (bound_scope, args) = self.bind_params(&head, args, scope, at)?;
        let key = (id, args.clone());
        if let Some(&known) = self.instance_index.get(&key) {
            return Ok(known);
        }
        if let Some(alias) = self.templates[id as usize].alias.clone() {
            let what = format!("`{}<{}>`", self.text(name), self.show_args(&args));
            let qt = self.instantiating(|_| what, at, |s| s.type_name(bound_scope, &alias.ty))?;
            self.instance_index.insert(key, qt);
            return Ok(qt);
        }
        if let Some(qt) = self.instantiate_specialised(id, args.clone(), Some(&head), at)? {
            self.instance_index.insert(key, qt);
            return Ok(qt);
        }
        let Some(primary) = self.templates[id as usize].primary.clone() else {
            let text = self.text(name).to_string();
            return self.err(codes::TEMPLATE_ARGS, at, format!("`{text}` is not defined"));
        };
        // The definition may name the parameters otherwise than the declaration with the defaults.
        let own = primary.heads.last().cloned().unwrap_or(head);
        let (scope, _) = self.bind_params(&own, &args, scope, at)?;
        let class = self.class_of(&primary, scope, &args, Some(id))?;
        let qt = self.class_type(class);
        self.instance_index.insert(key, qt);
        Ok(qt)
    }

    fn instantiate_specialised(
        &mut self,
        id: u32,
        args: Vec<TArg>,
        _head: Option<&TemplateHead>,
        at: Range,
    ) -> Res<Option<Qt>> {
        let scope = self.templates[id as usize].scope;
        let specialisations = self.templates[id as usize].specialisations.clone();
        let mut matches: Vec<(Arc<ClassDecl>, ScopeId)> = Vec::new();
        for class in specialisations {
            let Some(pattern) = class.name.as_ref().and_then(|path| path.last().args.as_ref())
            else {
                continue;
            };
            let head = class.heads.last().cloned();
            if let Some(bound) = self.match_args(head.as_deref(), pattern, &args, scope, at) {
                matches.push((class.clone(), bound));
            }
        }
        let chosen = match matches.len() {
            0 => return Ok(None),
            1 => 0,
            _ => {
                let classes: Vec<_> = matches.iter().map(|(class, _)| class.clone()).collect();
                let best = (0..classes.len()).find(|&a| {
                    (0..classes.len()).all(|b| {
                        a == b || self.class_more_special(&classes[a], &classes[b], scope, at)
                    })
                });
                match best {
                    Some(best) => best,
                    None => {
                        let name = self.text(self.templates[id as usize].name).to_string();
                        let shown = self.show_args(&args);
                        let message =
                            format!("several specialisations fit `{name}<{shown}>` equally well");
                        return self.err(codes::AMBIGUOUS, at, message);
                    }
                }
            }
        };
        let (class, bound) = matches.swap_remove(chosen);
        let class = self.class_of_instance(&class, bound, &args, id)?;
        Ok(Some(self.class_type(class)))
    }

    fn class_of_instance(
        &mut self,
        decl: &Arc<ClassDecl>,
        scope: ScopeId,
        args: &[TArg],
        template: u32,
    ) -> Res<crate::sema::types::ClassId> {
        // The scope is new each time; the arguments and the declaration identify the instance.
        let key = (Self::address(decl), ScopeId(u32::MAX), args.to_vec());
        if let Some(&id) = self.class_index.get(&key) {
            return Ok(id);
        }
        let id = self.class_of(decl, scope, args, Some(template))?;
        self.class_index.insert(key, id);
        Ok(id)
    }

    /// Matches the arguments of a specialisation with actual ones.
    pub(super) fn match_args(
        &mut self,
        head: Option<&TemplateHead>,
        pattern: &[TemplateArg],
        args: &[TArg],
        scope: ScopeId,
        at: Range,
    ) -> Option<ScopeId> {
        let mut deduction = Deduction::new(head, scope);
        let flat: Vec<TArg> = args
            .iter()
            .flat_map(|arg| match arg {
                TArg::Pack(parts) => parts.clone(),
                arg => vec![arg.clone()],
            })
            .collect();
        if !self.deduce_args(&mut deduction, pattern, &flat) {
            return None;
        }
        let bound = match head {
            Some(head) if !head.params.is_empty() => {
                let args = deduction.args(head, true)?;
                self.attempt(|s| s.bind_params(head, &args, scope, at)).ok()?.0
            }
            _ => self.block_scope(scope),
        };
        // What was not deduced is checked by substitution: `enable_if_t<...>`, decltype and sizes.
        let substituted = self.attempt(|s| s.template_args(bound, pattern)).ok()?;
        let same = substituted.len() == flat.len()
            && substituted.iter().zip(&flat).all(|(a, b)| same_arg(a, b));
        same.then_some(bound)
    }

    /// Whether everything that fits one specialisation fits another too.
    fn class_more_special(
        &mut self,
        a: &Arc<ClassDecl>,
        b: &Arc<ClassDecl>,
        scope: ScopeId,
        at: Range,
    ) -> bool {
        let fits = |s: &mut Self, a: &Arc<ClassDecl>, b: &Arc<ClassDecl>| {
            let (Some(a_head), Some(b_head)) = (a.heads.last(), b.heads.last()) else {
                return false;
            };
            let pattern = |class: &Arc<ClassDecl>| {
                class.name.as_ref().and_then(|path| path.last().args.clone()).unwrap_or_default()
            };
            let args = [false, true].into_iter().find_map(|scalars| {
                let unique = s.unique_args(a_head, scalars);
                let bound = s.attempt(|s| s.bind_params(a_head, &unique, scope, at)).ok()?;
                s.attempt(|s| s.template_args(bound.0, &pattern(a))).ok()
            });
            let Some(args) = args else { return false };
            let target = pattern(b);
            let open = target.iter().any(|arg| matches!(arg, TemplateArg::Expansion(..)));
            // What an expansion stands for may be any number of arguments.
            let variable = pattern(a).iter().any(|arg| matches!(arg, TemplateArg::Expansion(..)));
            if !open && (variable || args.len() != target.len()) {
                return false;
            }
            let mut deduction = Deduction::new(Some(b_head), scope);
            s.deduce_args(&mut deduction, &target, &args)
        };
        fits(self, a, b) && !fits(self, b, a)
    }

    /// Arguments that equal nothing but themselves.
    pub(super) fn unique_args(&mut self, head: &TemplateHead, scalars: bool) -> Vec<TArg> {
        let mut args = Vec::new();
        for param in &head.params {
            self.opaque += 1;
            let arg = match &param.kind {
                TemplateParamKind::Type(_) => {
                    let ty = match scalars {
                        false => self.types.intern(Kind::Opaque(self.opaque)),
                        true => Ty::scalar(crate::ir::Scalar::BF16),
                    };
                    TArg::Type(Qt::plain(ty))
                }
                // Small, so that vector sizes and shifts stay valid.
                TemplateParamKind::Value { .. } => {
                    TArg::Value(2 + u64::from(self.opaque % 2), Ty::INT)
                }
                TemplateParamKind::Template(_) => {
                    TArg::Template(TemplateRef::Builtin(BuiltinTemplate::Vec))
                }
            };
            args.push(if param.pack { TArg::Pack(vec![arg]) } else { arg });
        }
        args
    }

    /// An instance of a variable template.
    pub(super) fn instantiate_variable(
        &mut self,
        templates: &[VarTemplate],
        args: Vec<TArg>,
        at: Range,
    ) -> Res<Found> {
        let mut primary = None;
        let mut best: Option<(VarTemplate, ScopeId, bool)> = None;
        for template in templates {
            let path = template.decl.vars[template.var].declarator.name.as_ref();
            let Some(segment) = path.map(|path| path.last()) else { continue };
            let head = template.decl.heads.last().cloned();
            match &segment.args {
                None => primary = Some(template.clone()),
                Some(pattern) => {
                    let full = head.as_ref().is_none_or(|head| head.params.is_empty());
                    let bound =
                        self.match_args(head.as_deref(), pattern, &args, template.scope, at);
                    if let Some(bound) = bound
                        && (best.is_none() || full)
                    {
                        best = Some((template.clone(), bound, full));
                    }
                }
            }
        }
        let (template, scope) = match (best, primary) {
            (Some((template, scope, _)), _) => (template, scope),
            (None, Some(template)) => {
                let head = template.decl.heads.last().cloned();
                let Some(head) = head else {
                    return self.err(codes::TEMPLATE_ARGS, at, "this is not a template");
                };
                let (scope, _) = self.bind_params(&head, &args, template.scope, at)?;
                (template, scope)
            }
            (None, None) => {
                return self.err(codes::TEMPLATE_ARGS, at, "this template has no definition");
            }
        };
        self.global_instance(&template.decl, template.var, scope, args)
    }

    /// The value of a scalar constant expression.
    pub(super) fn constant_scalar(&mut self, scope: ScopeId, e: &tree::Expr) -> Res<(u64, Ty)> {
        let e = self.unevaluated(|s| {
            let e = s.expr(scope, e)?;
            s.rvalue(e)
        })?;
        if e.is_error() {
            return Err(crate::sema::Reported);
        }
        let ty = e.ty.ty;
        if let ExprKind::Const(bits) = e.kind {
            return Ok((bits, ty));
        }
        match self.evaluate(&e)? {
            Value::Bits(bits) => Ok((bits, ty)),
            Value::Parts(_) | Value::Pointer(_) | Value::Function(_) => {
                let message = format!("a number is expected here, not a `{}`", self.show(e.ty));
                self.err(codes::NOT_CONSTANT, e.span, message)
            }
        }
    }
}

/// Whether two arguments are the same, whatever integer type their values have.
pub(super) fn same_arg(a: &TArg, b: &TArg) -> bool {
    match (a, b) {
        (TArg::Value(a, _), TArg::Value(b, _)) => a == b || *a as u32 == *b as u32,
        (TArg::Pack(a), TArg::Pack(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_arg(a, b))
        }
        (a, b) => a == b,
    }
}

fn arg_span(arg: &TemplateArg) -> Range {
    match arg {
        TemplateArg::Type(ty) => ty.span,
        TemplateArg::Value(e) => e.span,
        TemplateArg::Expansion(inner, _) => arg_span(inner),
    }
}
