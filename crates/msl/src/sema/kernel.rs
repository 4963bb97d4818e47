//! Kernels: which there are and what their parameters are bound to.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::ir::Attribute;
use crate::sema::hir::FnId;
use crate::sema::lookup::{Candidate, Found, Method};
use crate::sema::scope::ScopeId;
use crate::sema::types::{Kind, Qt, Scalar, Space};
use crate::sema::{Res, Sema, TArg, codes};
use crate::syntax::index::FrameId;
use crate::syntax::tree::{self, FunctionDecl, Instantiation, ItemKind};

/// A kernel of the program.
#[derive(Debug)]
pub struct KernelInst {
    /// `host_name`, or the function's own.
    pub name: String,
    /// The function.
    pub function: FnId,
    /// What each parameter is.
    pub params: Vec<Parameter>,
    /// `max_total_threads_per_threadgroup`
    pub max_threads: Option<u32>,
}

/// A parameter of a kernel.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Qt,
    /// What it is bound to.
    pub role: Role,
}

/// What a kernel's parameter is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A buffer: the index, its element type, and whether it is a reference.
    Buffer(u32, Qt, bool),
    /// Threadgroup memory of a length that the launch gives.
    Threadgroup(u32, Qt, bool),
    /// A value of the thread.
    Attribute(Attribute),
    /// Nothing, because its function constant is false: a null pointer.
    Absent,
}

impl Sema<'_> {
    /// Finds all kernels of the units above the prelude.
    pub fn find_kernels(&mut self) {
        for frame in self.index.own_frames() {
            if self.index.frame(frame).kind == crate::syntax::index::FrameKind::Namespace {
                self.kernels_in(frame);
            }
        }
        // All errors at once: what kernels call, what that calls, and, where something is wrong
        // already, every other function of the program that a C++ compiler would look at.
        if self.session.error_count() > 0 {
            for frame in self.index.own_frames() {
                self.note_functions(frame);
            }
        }
        let mut next = 0;
        while let Some(&id) = self.used.get(next) {
            let at = self.func(id).span;
            let _ = self.analyse(id, at);
            next += 1;
        }
    }

    fn note_functions(&mut self, frame: FrameId) {
        if self.index.frame(frame).kind != crate::syntax::index::FrameKind::Namespace {
            return;
        }
        let scope = self.frame_scope(frame);
        for item in self.frame_items(frame) {
            let ItemKind::Function(decl) = &item.kind else { continue };
            let plain = decl.heads.is_empty()
                && decl.name.segments.len() == 1
                && matches!(decl.body, tree::FunctionBody::Lazy(_))
                && decl.sig.params.iter().all(|p| !matches!(p.spec.ty, tree::TypeSpec::Auto));
            if plain {
                let method = Method { decl: decl.clone(), scope, class: None };
                if let Ok(id) = self.fn_instance(&method, scope, &[], None)
                    && !self.used.contains(&id)
                {
                    self.used.push(id);
                }
            }
        }
    }

    fn kernels_in(&mut self, frame: FrameId) {
        let scope = self.frame_scope(frame);
        for item in self.frame_items(frame) {
            match &item.kind {
                ItemKind::Function(decl) if decl.heads.is_empty() && self.is_kernel(decl) => {
                    let method = Method { decl: decl.clone(), scope, class: None };
                    let _ = self.add_kernel(&method, scope, &[], &[], decl.span);
                }
                ItemKind::Instantiation(instantiation) => {
                    let _ = self.instantiate_kernel(scope, instantiation);
                }
                ItemKind::StaticAssert(assert) => {
                    let _ = self.static_assert(scope, assert);
                }
                _ => {}
            }
        }
    }

    fn is_kernel(&self, decl: &FunctionDecl) -> bool {
        let has_body = !matches!(decl.body, tree::FunctionBody::None);
        has_body
            && (decl.spec.flags.is_kernel
                || decl
                    .attrs
                    .iter()
                    .chain(&decl.spec.attrs)
                    .any(|attr| self.text(attr.name) == "kernel"))
    }

    fn instantiate_kernel(&mut self, scope: ScopeId, item: &Arc<Instantiation>) -> Res<()> {
        let found = self.resolve(scope, &item.name)?;
        let Some(Found::Functions(candidates)) = found else {
            if found.is_some() {
                return Ok(());
            }
            return self.undeclared(scope, &item.name, item.name.segments.len() - 1);
        };
        let explicit = match &item.name.last().args {
            Some(args) => self.template_args(scope, args)?,
            None => Vec::new(),
        };
        let mut wanted = Vec::new();
        if let Some(sig) = &item.sig {
            for param in &sig.params {
                let ty = self.spec_type(scope, &param.spec)?;
                let ty = self.apply_chunks(scope, ty, &param.declarator.chunks, param.span)?;
                wanted.push(self.decay(ty));
            }
        }
        let mut failure = None;
        for candidate in candidates {
            let Candidate::Source(method) = candidate else { continue };
            let Some(head) = crate::sema::call::own_head(&method.decl) else { continue };
            if matches!(method.decl.body, tree::FunctionBody::None) {
                continue;
            }
            let tried = self.attempt(|s| {
                let (bound, args) = s.bind_params(&head, &explicit, method.scope, item.span)?;
                let sig = s.signature(&method.decl, bound)?;
                if item.sig.is_some() {
                    let own: Vec<Qt> = sig.params.iter().map(|param| param.ty).collect();
                    if own.len() != wanted.len() {
                        let message = format!(
                            "it has {} parameters, and the instantiation {}",
                            own.len(),
                            wanted.len()
                        );
                        return s.err(codes::NO_OVERLOAD, item.span, message);
                    }
                    for (n, (a, b)) in own.iter().zip(&wanted).enumerate() {
                        if a.unqualified() != b.unqualified() {
                            let (a, b) = (s.show(*a), s.show(*b));
                            let message =
                                format!("parameter {} is a `{a}`, and here a `{b}`", n + 1);
                            return s.err(codes::NO_OVERLOAD, item.span, message);
                        }
                    }
                }
                Ok((bound, args))
            });
            match tried {
                Ok((bound, args)) => {
                    if self.is_kernel(&method.decl)
                        || item.attrs.iter().any(|attr| self.text(attr.name) == "kernel")
                    {
                        return self.add_kernel(&method, bound, &args, &item.attrs, item.span);
                    }
                    return Ok(());
                }
                Err(why) => failure = Some((method.decl.span, why)),
            }
        }
        let name = self.path_text(&item.name);
        let message = format!("there is no template `{name}` that fits this instantiation");
        let mut diagnostic =
            crate::diagnostic::Diagnostic::error(codes::NO_OVERLOAD, item.span, message);
        if let Some((span, why)) = failure {
            diagnostic = diagnostic.note_at(span, format!("not this one: {why}"));
        }
        self.report(diagnostic)
    }

    fn add_kernel(
        &mut self,
        method: &Method,
        scope: ScopeId,
        args: &[TArg],
        attrs: &[tree::Attribute],
        at: Range,
    ) -> Res<()> {
        let id = self.fn_instance(method, scope, args, None)?;
        let mut name = self.func(id).name.clone();
        let mut max_threads = None;
        for attr in attrs.iter().chain(&method.decl.attrs).chain(&method.decl.spec.attrs) {
            match self.text(attr.name) {
                "host_name" => {
                    if let Some(tree::Expr { kind: tree::ExprKind::Str(text), .. }) =
                        attr.args.first()
                    {
                        name = text.to_string();
                    }
                }
                "max_total_threads_per_threadgroup" => {
                    if let Some(arg) = attr.args.first() {
                        let (bits, _) = self.constant_scalar(scope, arg)?;
                        max_threads = Some(bits as u32);
                    }
                }
                _ => {}
            }
        }
        if let Some(known) = self.kernels.iter().find(|kernel| kernel.name == name) {
            if known.function == id {
                return Ok(());
            }
            return self.err(codes::KERNEL, at, format!("there is a kernel `{name}` already"));
        }
        let ret = self.func(id).ret;
        if ret.is_some_and(|ret| ret.ty != crate::sema::types::Ty::VOID) {
            return self.err(codes::KERNEL, method.decl.span, "a kernel returns `void`");
        }
        let params = self.kernel_params(id, scope);
        let analysed = self.analyse(id, at);
        let params = params?;
        analysed?;
        self.kernels.push(KernelInst { name, function: id, params, max_threads });
        Ok(())
    }

    fn kernel_params(&mut self, id: FnId, scope: ScopeId) -> Res<Vec<Parameter>> {
        let decl = self.func(id).decl.clone();
        let sig = self.func(id).sig.clone();
        let mut params = Vec::new();
        let mut next_buffer = 0;
        let mut next_threadgroup = 0;
        let mut failed = false;
        for param in &sig.params {
            let written = &decl.sig.params[param.written];
            let name = param.name.map_or(String::new(), |name| self.text(name).to_string());
            let role = self.kernel_param(
                written,
                param.ty,
                &name,
                scope,
                &mut next_buffer,
                &mut next_threadgroup,
            );
            match role {
                Ok(role) => params.push(Parameter { name, ty: param.ty, role }),
                Err(_) => failed = true,
            }
        }
        if failed { Err(crate::sema::Reported) } else { Ok(params) }
    }

    fn kernel_param(
        &mut self,
        written: &tree::Param,
        ty: Qt,
        name: &str,
        scope: ScopeId,
        next_buffer: &mut u32,
        next_threadgroup: &mut u32,
    ) -> Res<Role> {
        let at = written.span;
        let mut index = None;
        let mut present = true;
        for attr in written.attrs.iter().chain(&written.spec.attrs) {
            let text = self.text(attr.name).to_string();
            match text.as_str() {
                "buffer" | "threadgroup" => {
                    if let Some(arg) = attr.args.first() {
                        let (bits, _) = self.constant_scalar(scope, arg)?;
                        index = Some(bits as u32);
                    }
                }
                "function_constant" => {
                    if let Some(arg) = attr.args.first() {
                        present = self.constant_scalar(scope, arg)?.0 != 0;
                    }
                }
                "texture" | "sampler" | "stage_in" | "payload" => {
                    let message = format!("parameters with `[[{text}]]` are not supported");
                    return self.err(codes::UNSUPPORTED, attr.span, message);
                }
                _ => {
                    if let Some(attribute) = Attribute::from_name(&text) {
                        return self.attribute_param(attribute, ty, at);
                    }
                }
            }
        }
        let target = match *self.types.kind(ty.ty) {
            Kind::Pointer(to) => Some((to, false)),
            Kind::Ref(to, _) => Some((to, true)),
            _ => None,
        };
        match target {
            Some((to, is_ref)) if matches!(to.space, Space::Device | Space::Constant) => {
                self.complete_type(to, at)?;
                let index = index.unwrap_or(*next_buffer);
                *next_buffer = index + 1;
                Ok(if present { Role::Buffer(index, to, is_ref) } else { Role::Absent })
            }
            Some((to, is_ref)) if to.space == Space::Threadgroup => {
                self.complete_type(to, at)?;
                let index = index.unwrap_or(*next_threadgroup);
                *next_threadgroup = index + 1;
                Ok(if present { Role::Threadgroup(index, to, is_ref) } else { Role::Absent })
            }
            Some((to, _)) => {
                let message = format!(
                    "parameter `{name}` points into `{}` memory; a kernel's parameters are in \
                     `device`, `constant` or `threadgroup` memory",
                    to.space.text()
                );
                self.err(codes::KERNEL, at, message)
            }
            None => {
                let message = format!(
                    "parameter `{name}` of type `{}` needs an attribute such as \
                     `[[thread_position_in_grid]]`, or to be a pointer or reference",
                    self.show(ty)
                );
                self.err(codes::KERNEL, at, message)
            }
        }
    }

    fn attribute_param(&mut self, attribute: Attribute, ty: Qt, at: Range) -> Res<Role> {
        let allowed = |s: Scalar| matches!(s, Scalar::U16 | Scalar::U32);
        let ok = match (self.types.arithmetic(ty.ty), self.types.as_vector(ty.ty)) {
            (Some(scalar), _) => allowed(scalar),
            (None, Some((scalar, n))) => allowed(scalar) && attribute.is_vector() && n <= 3,
            (None, None) => false,
        };
        if !ok {
            let wide =
                if attribute.is_vector() { ", or a vector of two or three of these" } else { "" };
            let message = format!(
                "`[[{}]]` is a `uint` or `ushort`{wide}, not a `{}`",
                attribute.name(),
                self.show(ty)
            );
            return self.err(codes::KERNEL, at, message);
        }
        Ok(Role::Attribute(attribute))
    }
}
