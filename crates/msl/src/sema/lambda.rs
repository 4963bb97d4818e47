//! Lambdas: classes whose fields are the captured variables.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::sema::class::Field;
use crate::sema::codes;
use crate::sema::hir::{Expr, ExprKind};
use crate::sema::lookup::Method;
use crate::sema::scope::{Binding, ScopeId, ScopeKind};
use crate::sema::types::{ClassId, Kind, Qt};
use crate::sema::{Res, Sema, start};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{self, Lambda};

/// What a lambda captures under a name.
enum Source<'t> {
    /// The variable of that name.
    Variable(Binding),
    /// The value of an initialiser.
    Init(&'t tree::Expr),
}

impl Sema<'_> {
    pub(super) fn lambda(&mut self, scope: ScopeId, lambda: &Arc<Lambda>, at: Range) -> Res<Expr> {
        let span = start(at);
        let mut wanted: Vec<(Symbol, bool, Source<'_>)> = Vec::new();
        // A default captures `*this` by reference, where there is one.
        let mut this_by_ref = lambda.default_by_ref.map(|_| true);
        for capture in &lambda.captures {
            let Some(name) = capture.name else {
                this_by_ref = Some(capture.by_ref);
                if self.enclosing_object(at).is_none() {
                    return self.err(codes::UNDECLARED, capture.span, "there is no `this` here");
                }
                continue;
            };
            if let Some(init) = &capture.init {
                wanted.push((name, capture.by_ref, Source::Init(init)));
                continue;
            }
            match self.visible_local(scope, name) {
                Some(binding) => wanted.push((name, capture.by_ref, Source::Variable(binding))),
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
                    wanted.push((name, by_ref, Source::Variable(binding)));
                }
            }
        }
        let class = self.new_class("<lambda>".into(), None, scope, None);
        let class_scope = self.class(class).scope;
        let mut parts = Vec::new();
        if let Some(by_ref) = this_by_ref
            && let Some(object) = self.enclosing_object(at)
        {
            let part = self.capture(class, None, object, by_ref);
            self.classes[class.0 as usize].captured_this = Some((part.0, by_ref));
            parts.push(part);
        }
        for (name, by_ref, source) in wanted {
            let binding = match source {
                Source::Variable(binding) => binding,
                Source::Init(init) => {
                    let object = self.expr(scope, init)?;
                    let object = if by_ref { object } else { self.rvalue(object)? };
                    if by_ref && !object.lvalue {
                        let message = "a reference needs an object to refer to";
                        return self.err(codes::CONVERSION, object.span, message);
                    }
                    let part = self.capture(class, Some(name), object, by_ref);
                    self.bind(class_scope, name, Binding::Capture(class, part.0, by_ref));
                    parts.push(part);
                    continue;
                }
            };
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
            let path = tree::Path {
                global: false,
                segments: vec![tree::Segment {
                    name: tree::SegmentName::Ident(name),
                    args: None,
                    span: at,
                }],
                span: at,
            };
            let found = self.found_binding(binding)?;
            let object = self.found_expr(found, &path)?;
            let part = self.capture(class, Some(name), object, by_ref);
            self.bind(class_scope, name, Binding::Capture(class, part.0, by_ref));
            parts.push(part);
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

    /// Adds a field for a captured object; returns its number and value.
    fn capture(
        &mut self,
        class: ClassId,
        symbol: Option<Symbol>,
        object: Expr,
        by_ref: bool,
    ) -> (u32, Expr) {
        let (ty, value) = if by_ref {
            let target = object.ty.in_space(self.space_of(&object));
            let ty = Qt::plain(self.types.intern(Kind::Ref(target, false)));
            let pointer = self.types.pointer(target);
            let span = object.span;
            (ty, Expr::value(ExprKind::Address(Box::new(object)), pointer, span))
        } else if object.lvalue {
            (object.ty.unqualified(), self.load(object))
        } else {
            (object.ty.unqualified(), object)
        };
        let number = self.class(class).fields.len() as u32;
        let name = symbol.map_or("this", |symbol| self.text(symbol)).to_string();
        self.classes[class.0 as usize].fields.push(Field {
            name,
            symbol,
            ty,
            offset: 0,
            init: None,
            anonymous: false,
        });
        (number, value)
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
