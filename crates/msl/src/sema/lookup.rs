//! What names stand for.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Range};
use crate::sema::codes;
use crate::sema::hir::{GlobalId, LocalId, Value};
use crate::sema::scope::{Binding, ScopeId, ScopeKind};
use crate::sema::types::{ClassId, Qt, builtin_name};
use crate::sema::{BuiltinTemplate, Res, Sema, TArg, TemplateRef, traits};
use crate::syntax::index::{Entry, FrameId, NameKind};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{self, Path, Segment, SegmentName};

/// What a name was found to stand for.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A type.
    Type(Qt),
    /// A class or alias template.
    Template(TemplateRef),
    /// A namespace.
    Namespace(FrameId),
    /// Functions, to be chosen from.
    Functions(Vec<Candidate>),
    /// A local variable.
    Local(LocalId),
    /// A program-scope or static variable.
    Global(GlobalId),
    /// A variable template.
    VarTemplate(Vec<VarTemplate>),
    /// A constant.
    Constant(Value, Qt),
    /// A function given as a template argument.
    Function(crate::sema::hir::FnId),
    /// A member of a class, by field numbers from the outside in.
    Field(ClassId, Vec<u32>),
    /// A captured variable.
    Capture(ClassId, u32, bool),
    /// A pack.
    Pack(Vec<Binding>),
}

/// A function that a name may stand for.
#[derive(Debug, Clone)]
pub(super) enum Candidate {
    /// Declared in source.
    Source(Method),
    /// A library function of that name.
    Builtin(&'static str),
}

/// A function declared in source.
#[derive(Debug, Clone)]
pub(super) struct Method {
    /// The declaration.
    pub decl: Arc<tree::FunctionDecl>,
    /// The scope in which it stands.
    pub scope: ScopeId,
    /// The class of which it is a member.
    pub class: Option<ClassId>,
}

/// One declaration of a variable template.
#[derive(Debug, Clone)]
pub(super) struct VarTemplate {
    /// The declaration.
    pub decl: Arc<tree::VarDecl>,
    /// Which of its variables.
    pub var: usize,
    /// The scope in which it stands.
    pub scope: ScopeId,
}

impl Sema<'_> {
    /// Looks a name up in a scope and around it.
    pub(super) fn lookup(&mut self, scope: ScopeId, name: Symbol) -> Res<Option<Found>> {
        let mut at = Some(scope);
        while let Some(id) = at {
            if let Some(found) = self.lookup_in(id, name)? {
                return Ok(Some(found));
            }
            at = self.scope(id).parent;
        }
        let text = self.text(name).to_string();
        if let Some(found) = self.builtin_type(&text) {
            return Ok(Some(found));
        }
        if crate::builtin::exists(&text) {
            return Ok(
                crate::builtin::name(&text).map(|n| Found::Functions(vec![Candidate::Builtin(n)]))
            );
        }
        if let Some(arg) = self.last_resort.get(&name).cloned() {
            return Ok(Some(self.found_arg(arg)));
        }
        Ok(None)
    }

    fn builtin_type(&mut self, text: &str) -> Option<Found> {
        if let Some(ty) = builtin_name(&mut self.types, text) {
            return Some(Found::Type(Qt::plain(ty)));
        }
        let template = match text {
            "vec" => BuiltinTemplate::Vec,
            "packed_vec" => BuiltinTemplate::PackedVec,
            "matrix" => BuiltinTemplate::Matrix,
            "atomic" | "_atomic" => BuiltinTemplate::Atomic,
            "simdgroup_matrix" => BuiltinTemplate::SimdMatrix,
            _ => BuiltinTemplate::Trait(traits::find(text)?),
        };
        Some(Found::Template(TemplateRef::Builtin(template)))
    }

    /// Looks a name up in one scope only.
    pub(super) fn lookup_in(&mut self, scope: ScopeId, name: Symbol) -> Res<Option<Found>> {
        match self.scope(scope).kind {
            ScopeKind::Block => {
                let binding = self.scope(scope).names.iter().rev().find(|(n, _)| *n == name);
                if let Some((_, binding)) = binding {
                    let binding = binding.clone();
                    return self.found_binding(binding).map(Some);
                }
                for used in self.scope(scope).usings.clone() {
                    if let Some(found) = self.lookup_frame(used, name)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            ScopeKind::Class(class) => self.lookup_member(class, name),
            ScopeKind::Namespace(frame) => self.lookup_frame(frame, name),
        }
    }

    pub(super) fn found_binding(&mut self, binding: Binding) -> Res<Found> {
        Ok(match binding {
            Binding::Arg(arg) => self.found_arg(arg),
            Binding::Local(id) => Found::Local(id),
            Binding::Constant(value, ty) => Found::Constant(value, ty),
            Binding::Capture(class, field, by_ref) => Found::Capture(class, field, by_ref),
            Binding::Pack(parts) => Found::Pack(parts),
            Binding::Using(scope, name) => match self.lookup_in(scope, name)? {
                Some(found) => found,
                None => Found::Pack(Vec::new()),
            },
        })
    }

    pub(super) fn found_arg(&mut self, arg: TArg) -> Found {
        match arg {
            TArg::Type(qt) => Found::Type(qt),
            TArg::Value(bits, ty) => Found::Constant(Value::Bits(bits), Qt::plain(ty)),
            TArg::Function(id) => Found::Function(id),
            TArg::Overloads(set) => Found::Functions(self.overloads[set as usize].0.clone()),
            TArg::Template(template) => Found::Template(template),
            TArg::Pack(args) => Found::Pack(args.into_iter().map(Binding::Arg).collect()),
        }
    }

    /// Looks a name up in a namespace.
    pub(super) fn lookup_frame(&mut self, frame: FrameId, name: Symbol) -> Res<Option<Found>> {
        let index = self.index.clone();
        let entries = index.members(frame, name);
        if !entries.is_empty()
            && let Some(found) = self.found_entries(frame, &entries, name)?
        {
            return Ok(Some(found));
        }
        // What the compiler knows is declared without an item.
        if self.is_metal(frame) || entries.iter().any(|(_, e)| e.item.is_none()) {
            let text = self.text(name).to_string();
            if let Some(found) = self.builtin_type(&text) {
                return Ok(Some(found));
            }
            if let Some(name) = crate::builtin::name(&text) {
                return Ok(Some(Found::Functions(vec![Candidate::Builtin(name)])));
            }
        }
        Ok(None)
    }

    /// Whether a namespace is `metal` or one inside it, where the library's names are.
    fn is_metal(&self, frame: FrameId) -> bool {
        let mut at = Some(frame);
        while let Some(id) = at {
            let frame = self.index.frame(id);
            if frame.name == Some(self.words.metal) {
                return true;
            }
            at = frame.parent;
        }
        false
    }

    fn found_entries(
        &mut self,
        looked_in: FrameId,
        entries: &[(FrameId, Entry)],
        name: Symbol,
    ) -> Res<Option<Found>> {
        let mut functions = Vec::new();
        let mut variables = Vec::new();
        let index = self.index.clone();
        // A type and a function may share a name; the function hides the type.
        let mut types = None;
        for (n, &(frame, entry)) in entries.iter().enumerate() {
            if entry.kind == NameKind::Namespace {
                // Hidden by anything of that name that is declared nearer.
                if n > 0 {
                    continue;
                }
                let inner = entry.inner.unwrap_or(frame);
                return Ok(Some(Found::Namespace(inner)));
            }
            let Some(item) = entry.item else { continue };
            let scope = self.frame_scope(frame);
            let item = &index.frame(frame).items[item as usize];
            match &item.kind {
                // A type of the namespace itself hides functions it merely uses.
                tree::ItemKind::Function(_) if types.is_some() && functions.is_empty() => {}
                tree::ItemKind::Function(decl) => {
                    let method = Method { decl: decl.clone(), scope, class: None };
                    functions.push(Candidate::Source(method));
                }
                tree::ItemKind::Var(decl) => {
                    for (at, var) in decl.vars.iter().enumerate() {
                        let SegmentName::Ident(own) = var
                            .declarator
                            .name
                            .as_ref()
                            .map_or(SegmentName::Destructor, |p| p.last().name.clone())
                        else {
                            continue;
                        };
                        if own == name {
                            variables.push((decl.clone(), at, scope));
                        }
                    }
                }
                tree::ItemKind::Class(_) | tree::ItemKind::Alias(_) | tree::ItemKind::Enum(_)
                    if types.is_some() => {}
                tree::ItemKind::Class(class) => {
                    types = Some(self.found_class(class, frame, scope, name)?);
                }
                tree::ItemKind::Enum(decl) => {
                    types = Some(self.found_enum(decl, scope, name)?);
                }
                tree::ItemKind::Alias(alias) => {
                    types = Some(if alias.heads.is_empty() {
                        Found::Type(self.alias_type(alias, scope)?)
                    } else {
                        let id = self.template_of(frame, scope, name);
                        Found::Template(TemplateRef::Source(id))
                    });
                }
                tree::ItemKind::Using(path) => match self.resolve(scope, path)? {
                    Some(Found::Functions(more)) => functions.extend(more),
                    Some(found) => return Ok(Some(found)),
                    None => {}
                },
                tree::ItemKind::StaticAssert(_) | tree::ItemKind::Instantiation(_) => {}
            }
        }
        if !functions.is_empty() {
            // Library functions of the same name in the same namespace stay candidates.
            let text = self.text(name);
            if let Some(builtin) = crate::builtin::name(text)
                && index.reaches(looked_in, &|frame| self.is_metal(frame))
            {
                functions.push(Candidate::Builtin(builtin));
            }
            return Ok(Some(Found::Functions(functions)));
        }
        if let Some((decl, var, scope)) = variables.last().cloned() {
            if decl.heads.is_empty() {
                // Of several declarations the one with an initialiser counts.
                let (decl, var, scope) = variables
                    .iter()
                    .find(|(decl, at, _)| !matches!(decl.vars[*at].init, tree::Init::None))
                    .cloned()
                    .unwrap_or((decl, var, scope));
                return self.global_of(&decl, var, scope).map(Some);
            }
            let templates = variables
                .into_iter()
                .map(|(decl, var, scope)| VarTemplate { decl, var, scope })
                .collect();
            return Ok(Some(Found::VarTemplate(templates)));
        }
        Ok(types)
    }

    fn found_class(
        &mut self,
        class: &Arc<tree::ClassDecl>,
        frame: FrameId,
        scope: ScopeId,
        name: Symbol,
    ) -> Res<Found> {
        if !class.heads.is_empty() {
            let id = self.template_of(frame, scope, name);
            return Ok(Found::Template(TemplateRef::Source(id)));
        }
        // A declaration stands for the definition that follows it.
        let index = self.index.clone();
        let definition = index.members(frame, name).into_iter().find_map(|(frame, entry)| {
            match &index.frame(frame).items[entry.item? as usize].kind {
                tree::ItemKind::Class(class) if class.members.is_some() => Some(class.clone()),
                _ => None,
            }
        });
        let class = definition.unwrap_or_else(|| class.clone());
        let id = self.class_of(&class, scope, &[], None)?;
        Ok(Found::Type(self.class_type(id)))
    }

    fn found_enum(
        &mut self,
        decl: &Arc<tree::EnumDecl>,
        scope: ScopeId,
        name: Symbol,
    ) -> Res<Found> {
        let id = self.enum_of(decl, scope)?;
        let ty = Qt::plain(self.types.intern(crate::sema::types::Kind::Enum(id)));
        if decl.name == Some(name) {
            return Ok(Found::Type(ty));
        }
        Ok(match self.enum_value(id, name) {
            Some(bits) => Found::Constant(Value::Bits(bits), ty),
            None => Found::Type(ty),
        })
    }

    /// Resolves a path. `None` if its last name was not found.
    pub(super) fn resolve(&mut self, scope: ScopeId, path: &Path) -> Res<Option<Found>> {
        let mut at = 0;
        let mut current: Option<Found> = None;
        let mut qualified = path.global;
        if path.global {
            let mut root = scope;
            while let Some(parent) = self.scope(root).parent {
                root = parent;
            }
            let name = match &path.segments[0].name {
                SegmentName::Ident(name) => *name,
                _ => return Ok(None),
            };
            current = self.lookup_in(root, name)?;
            if current.is_none() {
                let text = self.text(name).to_string();
                current = self.builtin_type(&text);
            }
            current = self.apply_args(scope, current, &path.segments[0])?;
            at = 1;
        }
        while at < path.segments.len() {
            let segment = &path.segments[at];
            let found = match (&segment.name, qualified || at > 0) {
                (SegmentName::Ident(name), false) => {
                    let injected = self.injected_name(scope, *name, segment);
                    match injected {
                        Some(found) => Some(found),
                        None => self.lookup(scope, *name)?,
                    }
                }
                (SegmentName::Ident(name), true) => {
                    self.lookup_qualified(current.take(), *name, segment)?
                }
                (SegmentName::Operator(_) | SegmentName::Conversion(_), _) => {
                    match current.take() {
                        Some(Found::Type(qt)) => match self.types.as_class(qt.ty) {
                            Some(class) => self.operator_members(class, &segment.name)?,
                            None => None,
                        },
                        _ => {
                            let mut found = None;
                            if let Some(class) = self.enclosing_class(scope) {
                                found = self.operator_members(class, &segment.name)?;
                            }
                            match found {
                                Some(found) => Some(found),
                                None => self.operator_functions(scope, &segment.name)?,
                            }
                        }
                    }
                }
                (SegmentName::Destructor, _) => None,
                (SegmentName::Decltype(e), _) => {
                    let qt = self.decltype(scope, e)?;
                    let qt = self.types.deref(qt);
                    self.complete_type(qt, path.span)?;
                    Some(Found::Type(qt))
                }
            };
            current = self.apply_args(scope, found, segment)?;
            if current.is_none() {
                if at + 1 < path.segments.len() {
                    return self.undeclared(scope, path, at);
                }
                return Ok(None);
            }
            qualified = true;
            at += 1;
        }
        Ok(current)
    }

    /// Inside a class template's instance, its name without arguments is the instance.
    fn injected_name(&self, scope: ScopeId, name: Symbol, segment: &Segment) -> Option<Found> {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            match scope.kind {
                ScopeKind::Class(class) => {
                    let info = &self.classes[class.0 as usize];
                    if info.symbol == Some(name) {
                        return match (&segment.args, info.template) {
                            (None, _) => Some(Found::Type(info.ty)),
                            (Some(_), Some(template)) => {
                                Some(Found::Template(TemplateRef::Source(template)))
                            }
                            (Some(_), None) => None,
                        };
                    }
                }
                ScopeKind::Block => {
                    if scope.names.iter().any(|(n, _)| *n == name) {
                        return None;
                    }
                }
                ScopeKind::Namespace(_) => return None,
            }
            at = scope.parent;
        }
        None
    }

    fn lookup_qualified(
        &mut self,
        base: Option<Found>,
        name: Symbol,
        segment: &Segment,
    ) -> Res<Option<Found>> {
        match base {
            Some(Found::Namespace(frame)) => self.lookup_frame(frame, name),
            Some(Found::Type(qt)) => {
                if let Some(class) = self.types.as_class(qt.ty) {
                    if self.classes[class.0 as usize].symbol == Some(name) && segment.args.is_none()
                    {
                        return Ok(Some(Found::Type(qt)));
                    }
                    return self.lookup_member(class, name);
                }
                if let crate::sema::types::Kind::Enum(id) = *self.types.kind(qt.ty) {
                    return Ok(self
                        .enum_value(id, name)
                        .map(|bits| Found::Constant(Value::Bits(bits), qt.unqualified())));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Applies a segment's template arguments to templates of types and variables; functions keep
    /// theirs for the call.
    fn apply_args(
        &mut self,
        scope: ScopeId,
        found: Option<Found>,
        segment: &Segment,
    ) -> Res<Option<Found>> {
        let Some(args) = &segment.args else { return Ok(found) };
        Ok(match found {
            Some(Found::Template(template)) => {
                let args = self.template_args(scope, args)?;
                self.instantiate_template(template, &args, segment.span)?.into()
            }
            Some(Found::VarTemplate(templates)) => {
                let args = self.template_args(scope, args)?;
                Some(self.instantiate_variable(&templates, args, segment.span)?)
            }
            found => found,
        })
    }

    /// Reports that part of a path names nothing.
    pub(super) fn undeclared<T>(&mut self, scope: ScopeId, path: &Path, at: usize) -> Res<T> {
        let segment = &path.segments[at];
        let name = match &segment.name {
            SegmentName::Ident(name) => self.text(*name).to_string(),
            SegmentName::Operator(_) => "operator".into(),
            SegmentName::Conversion(_) | SegmentName::Destructor | SegmentName::Decltype(_) => {
                "this member".into()
            }
        };
        let span: Range = segment.span;
        if let Some(what) = crate::builtin::absent::find(&name) {
            let message = format!("`{name}` is not supported: there are no {what} yet");
            return self.err(codes::UNSUPPORTED, span, message);
        }
        let mut message = format!("`{name}` is not declared");
        if at > 0
            && let SegmentName::Ident(outer) = &path.segments[at - 1].name
        {
            message = format!("`{}` has no member `{name}`", self.text(*outer));
        }
        let mut diagnostic = Diagnostic::error(codes::UNDECLARED, span, message);
        if self.silent == 0
            && let Some(similar) = self.similar_in(scope, path, at, &name)
        {
            diagnostic = diagnostic.help(format!("a similar name is declared: `{similar}`"));
        }
        self.report(diagnostic)
    }

    /// A name that part of a path may have been meant to be.
    fn similar_in(&mut self, scope: ScopeId, path: &Path, at: usize, name: &str) -> Option<String> {
        if at == 0 {
            return self.similar(scope, name);
        }
        let mut outer = path.clone();
        outer.segments.truncate(at);
        let found = self.attempt(|s| s.resolve(scope, &outer)).ok()??;
        let mut nearest = Nearest::new(name);
        match found {
            Found::Namespace(frame) => {
                for symbol in self.index.visible(frame) {
                    nearest.consider(self.session.text(symbol));
                }
                if self.is_metal(frame) {
                    crate::builtin::names().for_each(|name| nearest.consider(name));
                }
            }
            Found::Type(qt) => self.consider_members(qt, &mut nearest),
            _ => {}
        }
        nearest.name()
    }

    fn consider_members(&self, qt: Qt, nearest: &mut Nearest<'_>) {
        if let crate::sema::types::Kind::Enum(id) = *self.types.kind(qt.ty) {
            for (symbol, _) in &self.enum_values[id.0 as usize] {
                nearest.consider(self.session.text(*symbol));
            }
        }
        let Some(class) = self.types.as_class(qt.ty) else { return };
        let Some(decl) = &self.classes[class.0 as usize].decl else { return };
        for item in decl.members.iter().flatten() {
            match &item.kind {
                tree::ItemKind::Function(function) => {
                    if let SegmentName::Ident(symbol) = function.name.last().name {
                        nearest.consider(self.session.text(symbol));
                    }
                }
                tree::ItemKind::Var(vars) => {
                    for symbol in vars.vars.iter().filter_map(|var| var.declarator.ident()) {
                        nearest.consider(self.session.text(symbol));
                    }
                }
                tree::ItemKind::Alias(alias) => nearest.consider(self.session.text(alias.name)),
                _ => {}
            }
        }
    }

    /// A member that a misspelt one may have been meant to be.
    pub(super) fn similar_member(&self, qt: Qt, name: &str) -> Option<String> {
        let mut nearest = Nearest::new(name);
        self.consider_members(qt, &mut nearest);
        nearest.name()
    }

    /// A declared name that a misspelt one may have been meant to be.
    fn similar(&self, scope: ScopeId, name: &str) -> Option<String> {
        let mut nearest = Nearest::new(name);
        let mut consider = |candidate: &str| nearest.consider(candidate);
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            for (symbol, _) in &scope.names {
                if crate::sema::overload::is_name(*symbol) {
                    consider(self.session.text(*symbol));
                }
            }
            match scope.kind {
                ScopeKind::Namespace(frame) => {
                    for symbol in self.index.visible(frame) {
                        consider(self.session.text(symbol));
                    }
                }
                ScopeKind::Class(class) => {
                    for field in &self.classes[class.0 as usize].fields {
                        consider(&field.name);
                    }
                }
                ScopeKind::Block => {}
            }
            at = scope.parent;
        }
        for name in crate::builtin::names() {
            consider(name);
        }
        nearest.name()
    }

    /// Functions for an operator found by ordinary lookup.
    fn operator_functions(&mut self, scope: ScopeId, name: &SegmentName) -> Res<Option<Found>> {
        let SegmentName::Operator(op) = name else { return Ok(None) };
        let functions = self.operators_in(scope, *op)?;
        Ok((!functions.is_empty()).then_some(Found::Functions(functions)))
    }

    /// The non-member functions that overload an operator, visible from `scope`.
    pub(super) fn operators_in(
        &mut self,
        scope: ScopeId,
        op: tree::Operator,
    ) -> Res<Vec<Candidate>> {
        let symbol = crate::syntax::parser::operator_symbol();
        let mut functions = Vec::new();
        let index = self.index.clone();
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            if let ScopeKind::Namespace(frame) = scope.kind {
                for (frame, entry) in index.members(frame, symbol) {
                    let Some(item) = entry.item else { continue };
                    let tree::ItemKind::Function(decl) =
                        &index.frame(frame).items[item as usize].kind
                    else {
                        continue;
                    };
                    if matches!(decl.name.last().name, SegmentName::Operator(own) if own == op) {
                        let scope = self.frame_scope(frame);
                        functions.push(Candidate::Source(Method {
                            decl: decl.clone(),
                            scope,
                            class: None,
                        }));
                    }
                }
            }
            at = self.scope(id).parent;
        }
        Ok(functions)
    }

    /// The scope of a class's surroundings, for lookup that depends on arguments.
    pub(super) fn associated_scope(&self, qt: Qt) -> Option<ScopeId> {
        if let crate::sema::types::Kind::Enum(id) = self.types.kind(self.types.deref(qt).ty) {
            return Some(self.enum_scopes[id.0 as usize]);
        }
        let class = self.types.as_class(self.types.deref(qt).ty)?;
        Some(self.classes[class.0 as usize].outer)
    }

    /// The signature cache's key helper: the address of a shared declaration.
    pub(super) fn address<T>(shared: &Arc<T>) -> usize {
        Arc::as_ptr(shared) as usize
    }
}

/// The nearest of some names to one that is not declared.
struct Nearest<'n> {
    wanted: &'n str,
    limit: usize,
    best: Option<(usize, String)>,
}

impl<'n> Nearest<'n> {
    fn new(wanted: &'n str) -> Nearest<'n> {
        // Any letter is near any other.
        let limit = if wanted.len() < 2 { 0 } else { (wanted.len() / 3).clamp(1, 3) };
        Nearest { wanted, limit, best: None }
    }

    fn consider(&mut self, candidate: &str) {
        let too_long = candidate.len().abs_diff(self.wanted.len()) > self.limit;
        if too_long || candidate.starts_with("__") {
            return;
        }
        let distance = edit_distance(self.wanted, candidate, self.limit);
        let better = match &self.best {
            None => true,
            Some((old, text)) => distance < *old || distance == *old && candidate < text.as_str(),
        };
        if distance <= self.limit && distance > 0 && better {
            self.best = Some((distance, candidate.to_string()));
        }
    }

    fn name(self) -> Option<String> {
        self.best.map(|(_, text)| text)
    }
}

/// How many letters have to be inserted, dropped, changed or swapped with a neighbour; more than
/// `limit` if that many do not do.
fn edit_distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = |i: usize, j: usize| a[i].eq_ignore_ascii_case(&b[j]);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1];
        for j in 0..b.len() {
            let mut cost = (row[j] + usize::from(!same(i, j))).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j) {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        if next.iter().min().is_some_and(|&least| least > limit) {
            return limit + 1;
        }
        before = std::mem::replace(&mut row, next);
    }
    // Names that differ in case only are one step apart.
    row[b.len()].max(usize::from(a != b))
}
