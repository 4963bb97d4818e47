//! Lambdas: classes whose fields are the captured variables.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::sema::class::Field;
use crate::sema::codes;
use crate::sema::hir::{Expr, ExprKind};
use crate::sema::lookup::Method;
use crate::sema::scope::{Binding, ScopeId, ScopeKind};
use crate::sema::types::{Kind, Qt};
use crate::sema::{Res, Sema, start};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::Lambda;

impl Sema<'_> {
    pub(super) fn lambda(&mut self, scope: ScopeId, lambda: &Arc<Lambda>, at: Range) -> Res<Expr> {
        let span = start(at);
        let mut wanted: Vec<(Symbol, bool, Binding)> = Vec::new();
        for capture in &lambda.captures {
            let Some(name) = capture.name else {
                return self.err(
                    codes::UNSUPPORTED,
                    capture.span,
                    "capturing `this` is not supported",
                );
            };
            if capture.init.is_some() {
                return self.err(
                    codes::UNSUPPORTED,
                    capture.span,
                    "captures with initialisers are not supported",
                );
            }
            match self.visible_local(scope, name) {
                Some(binding) => wanted.push((name, capture.by_ref, binding)),
                None => {
                    let text = self.text(name).to_string();
                    let message = format!("there is no local `{text}` to capture");
                    return self.err(codes::UNDECLARED, capture.span, message);
                }
            }
        }
        if let Some(by_ref) = lambda.default_by_ref {
            for &name in &lambda.idents {
                if wanted.iter().any(|(own, ..)| *own == name) {
                    continue;
                }
                if let Some(binding) = self.visible_local(scope, name) {
                    wanted.push((name, by_ref, binding));
                }
            }
        }
        let class = self.new_class("<lambda>".into(), None, scope, None);
        let class_scope = self.class(class).scope;
        let mut parts = Vec::new();
        for (name, by_ref, binding) in wanted {
            // What is known when the program is compiled need not be captured.
            if let Binding::Local(id) = &binding {
                let local = &self.fx.locals[id.0 as usize];
                if let Some(value) = local.constant.clone()
                    && self.types.as_scalar(local.ty.ty).is_some()
                {
                    let ty = local.ty;
                    self.bind(class_scope, name, Binding::Constant(value, ty));
                    continue;
                }
                if local.global.is_some() {
                    continue;
                }
            }
            let path = crate::syntax::tree::Path {
                global: false,
                segments: vec![crate::syntax::tree::Segment {
                    name: crate::syntax::tree::SegmentName::Ident(name),
                    args: None,
                    span: at,
                }],
                span: at,
            };
            let found = self.found_binding(binding)?;
            let object = self.found_expr(found, &path)?;
            let (ty, value) = if by_ref {
                let target = object.ty.in_space(self.space_of(&object));
                let ty = Qt::plain(self.types.intern(Kind::Ref(target, false)));
                let pointer = self.types.pointer(target);
                (ty, Expr::value(ExprKind::Address(Box::new(object)), pointer, span))
            } else {
                let ty = object.ty.unqualified();
                (ty, self.load(object))
            };
            let number = self.class(class).fields.len() as u32;
            let text = self.text(name).to_string();
            self.classes[class.0 as usize].fields.push(Field {
                name: text,
                symbol: Some(name),
                ty,
                offset: 0,
                init: None,
                anonymous: false,
            });
            parts.push((number, value));
            self.bind(class_scope, name, Binding::Capture(class, number, by_ref));
        }
        self.lay_out(class);
        // Captures are names of the class's scope; its members are not looked up by name.
        self.scopes[class_scope.0 as usize].kind = ScopeKind::Block;
        let decl = lambda.call.clone();
        let call_scope = self.block_scope(class_scope);
        self.classes[class.0 as usize].lambda =
            Some(Method { decl, scope: call_scope, class: Some(class) });
        let ty = self.class_type(class);
        Ok(Expr::value(ExprKind::Aggregate(parts), ty.ty, span))
    }

    /// The local variable, or capture of one, that a name stands for.
    fn visible_local(&self, scope: ScopeId, name: Symbol) -> Option<Binding> {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            if let Some((_, binding)) = scope.names.iter().rev().find(|(own, _)| *own == name) {
                return match binding {
                    Binding::Local(_) | Binding::Capture(..) => Some(binding.clone()),
                    Binding::Arg(_)
                    | Binding::Constant(..)
                    | Binding::Pack(_)
                    | Binding::Using(..) => None,
                };
            }
            if !matches!(scope.kind, ScopeKind::Block) {
                return None;
            }
            at = scope.parent;
        }
        None
    }
}
