//! Calls: candidates, overload resolution, and the call that results.

use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Range};
use crate::sema::convert::{ADJUST, Arg, CONVERT, EXACT, Rank};
use crate::sema::deduce::Deduction;
use crate::sema::function::Sig;
use crate::sema::hir::{Expr, ExprKind, FnId};
use crate::sema::lookup::{Candidate, Found, Method};
use crate::sema::scope::{Binding, ScopeId};
use crate::sema::types::{ClassId, Kind, Qt, Space, Ty};
use crate::sema::{Res, Sema, TArg, codes, start};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{
    self, Chunk, FunctionBody, FunctionDecl, FunctionKind, Path, SegmentName, TypeSpec,
};

/// A candidate that can be called with the arguments.
pub(super) struct Viable {
    pub(super) which: Which,
    pub(super) ranks: Vec<Rank>,
    pub(super) is_template: bool,
}

/// What a viable candidate is.
pub(super) enum Which {
    Source { method: Method, scope: ScopeId, args: Vec<TArg>, sig: Rc<Sig> },
    Builtin(crate::sema::library::Choice),
}

/// The symbol that stands for the type of the `n`th parameter declared `auto`.
fn auto_symbol(n: usize) -> Symbol {
    Symbol(u32::MAX - n as u32)
}

impl Sema<'_> {
    /// Evaluates arguments as written, packs expanded.
    pub(super) fn args<'t>(&mut self, scope: ScopeId, args: &'t [tree::Expr]) -> Res<Vec<Arg<'t>>> {
        let mut result = Vec::with_capacity(args.len());
        let mut failed = false;
        for arg in args {
            match &arg.kind {
                tree::ExprKind::Expansion(pattern, idents) => {
                    for scope in self.expansion_scopes(scope, idents, arg.span)? {
                        match self.arg(scope, pattern) {
                            Ok(arg) => result.push(arg),
                            Err(_) => failed = true,
                        }
                    }
                }
                _ => match self.arg(scope, arg) {
                    Ok(arg) => result.push(arg),
                    Err(_) => failed = true,
                },
            }
        }
        if failed { Err(crate::sema::Reported) } else { Ok(result) }
    }

    fn arg<'t>(&mut self, scope: ScopeId, arg: &'t tree::Expr) -> Res<Arg<'t>> {
        match &arg.kind {
            tree::ExprKind::InitList(list) => Ok(Arg::List(list, arg.span, scope)),
            _ => {
                let e = self.expr(scope, arg)?;
                if e.is_error() {
                    return Err(crate::sema::Reported);
                }
                Ok(Arg::Expr(e))
            }
        }
    }

    /// A call expression.
    pub(super) fn call(
        &mut self,
        scope: ScopeId,
        callee: &tree::Expr,
        args: &[tree::Expr],
        at: Range,
    ) -> Res<Expr> {
        match &callee.kind {
            tree::ExprKind::Paren(inner) => self.call(scope, inner, args, at),
            tree::ExprKind::Path(path) => self.call_path(scope, path, args, at),
            tree::ExprKind::Member { base, arrow, path } => {
                let object = self.member_base(scope, base, *arrow)?;
                self.call_member(scope, object, path, args, at)
            }
            tree::ExprKind::Unary(tree::UnaryOp::Deref, inner) => self.call(scope, inner, args, at),
            _ => {
                let object = self.expr(scope, callee)?;
                let args = self.args(scope, args)?;
                self.call_object(object, &args, at)
            }
        }
    }

    fn call_path(
        &mut self,
        scope: ScopeId,
        path: &Path,
        args: &[tree::Expr],
        at: Range,
    ) -> Res<Expr> {
        let found = self.resolve(scope, path)?;
        match found {
            Some(Found::Type(qt)) => return self.construct(scope, qt, args, false, at),
            Some(Found::Functions(_) | Found::Function(_)) | None => {}
            Some(Found::Template(_)) => {
                let name = self.path_text(path);
                let message = format!("`{name}` needs template arguments");
                return self.err(codes::TEMPLATE_ARGS, path.span, message);
            }
            Some(found) => {
                let object = self.found_expr(found, path)?;
                let args = self.args(scope, args)?;
                return self.call_object(object, &args, at);
            }
        }
        let typed = self.args(scope, args)?;
        let mut candidates = match found {
            Some(Found::Function(id)) => return self.call_instance(id, &typed, None, at),
            Some(Found::Functions(candidates)) => candidates,
            _ => Vec::new(),
        };
        let is_method = candidates
            .iter()
            .any(|candidate| matches!(candidate, Candidate::Source(m) if m.class.is_some()));
        if path.segments.len() == 1 && !path.global && !is_method {
            self.add_associated(&mut candidates, &path.last().name, &typed)?;
        }
        if candidates.is_empty()
            && let Some(call) = self.intrinsic(scope, path, &typed, at)?
        {
            return Ok(call);
        }
        if candidates.is_empty() {
            return self.undeclared(scope, path, path.segments.len() - 1);
        }
        let explicit = match &path.last().args {
            Some(args) => self.template_args(scope, args)?,
            None => Vec::new(),
        };
        let object = if is_method { self.this_object(at) } else { None };
        let name = self.path_text(path);
        self.overload(&name, candidates, &explicit, &typed, object, at)
    }

    /// A call of one of the operations that only the prelude names.
    fn intrinsic(
        &mut self,
        scope: ScopeId,
        path: &Path,
        args: &[Arg<'_>],
        at: Range,
    ) -> Res<Option<Expr>> {
        use crate::sema::hir::Intrinsic;
        let SegmentName::Ident(name) = path.last().name else { return Ok(None) };
        if self.text(name) == "is_function_constant_defined"
            && let [Arg::Expr(Expr { kind: ExprKind::Global(id), .. })] = args
        {
            let given = self.is_function_constant_given(*id);
            let kind = ExprKind::Const(given.into());
            return Ok(Some(Expr::value(kind, Ty::BOOL, start(at))));
        }
        let Some(text) = self.text(name).strip_prefix("__metal_").map(str::to_string) else {
            return Ok(None);
        };
        if let Some(value) = text.strip_prefix("get_") {
            return Ok(self.launch_value(value, args, at));
        }
        if let Some(library) = crate::builtin::name(&text) {
            // Some take the floating-point mode as a last argument.
            for count in [args.len(), args.len().saturating_sub(1)] {
                if let Ok(choice) = self.library_viable(library, &[], &args[..count]) {
                    return self.call_library(choice, &args[..count], at).map(Some);
                }
            }
            return Ok(None);
        }
        let Some(which) = text.strip_prefix("matrix_") else { return Ok(None) };
        let which = match which {
            "load" => Intrinsic::MatrixLoad { transpose: false },
            "load_transposed" => Intrinsic::MatrixLoad { transpose: true },
            "store" => Intrinsic::MatrixStore { transpose: false },
            "store_transposed" => Intrinsic::MatrixStore { transpose: true },
            "fill" => Intrinsic::MatrixFill,
            "diagonal" => Intrinsic::MatrixDiagonal,
            "mad" => Intrinsic::MatrixMad,
            _ => return Ok(None),
        };
        let mut values = Vec::new();
        for arg in args {
            let Arg::Expr(e) = arg else { return Ok(None) };
            values.push(self.rvalue(e.clone())?);
        }
        let explicit = match &path.last().args {
            Some(args) => self.template_args(scope, args)?,
            None => Vec::new(),
        };
        let matrix_of = |s: &mut Self, ty: Ty| {
            s.types.arithmetic(ty).map(|scalar| s.types.intern(Kind::SimdMatrix(scalar)))
        };
        let ty = match (which, &values[..], explicit.first()) {
            (Intrinsic::MatrixLoad { .. }, [pointer, _], _) => {
                match self.types.pointee(pointer.ty.ty) {
                    Some(to) => matrix_of(self, to.ty),
                    None => None,
                }
            }
            (Intrinsic::MatrixStore { .. }, [_, _, _], _) => Some(Ty::VOID),
            (
                Intrinsic::MatrixFill | Intrinsic::MatrixDiagonal,
                [value],
                Some(TArg::Type(scalar)),
            ) => {
                let converted = self.convert(value.clone(), *scalar, at)?;
                values = vec![converted];
                matrix_of(self, scalar.ty)
            }
            (Intrinsic::MatrixMad, [_, _, c], _) => Some(c.ty.ty),
            _ => None,
        };
        let Some(ty) = ty else { return Ok(None) };
        Ok(Some(Expr::value(ExprKind::Intrinsic(which, values), ty, start(at))))
    }

    /// `__metal_get_thread_index_in_simdgroup(ushort())` and its like.
    fn launch_value(&mut self, name: &str, args: &[Arg<'_>], at: Range) -> Option<Expr> {
        let [Arg::Expr(like)] = args else { return None };
        let ty = like.ty.ty;
        self.types.arithmetic(ty)?;
        let attribute = match name {
            "simdgroup_size" => crate::ir::Attribute::ThreadsPerSimdgroup,
            name => crate::ir::Attribute::from_name(name).filter(|a| !a.is_vector())?,
        };
        let kind = ExprKind::Intrinsic(crate::sema::hir::Intrinsic::Launch(attribute), Vec::new());
        Some(Expr::value(kind, ty, start(at)))
    }

    /// `*this`, where there is one.
    pub(super) fn this_object(&mut self, at: Range) -> Option<Expr> {
        let (local, ty) = self.fx.this?;
        let span = start(at);
        let pointer = self.types.pointer(ty);
        let local = Expr::object(ExprKind::Local(local), Qt::plain(pointer), span);
        let load = Expr::value(ExprKind::Load(Box::new(local)), pointer, span);
        Some(Expr::object(ExprKind::Deref(Box::new(load)), ty, span))
    }

    /// Adds the functions of that name in the namespaces of the arguments' classes.
    fn add_associated(
        &mut self,
        candidates: &mut Vec<Candidate>,
        name: &SegmentName,
        args: &[Arg<'_>],
    ) -> Res<()> {
        let SegmentName::Ident(name) = *name else { return Ok(()) };
        for arg in args {
            let Arg::Expr(e) = arg else { continue };
            let Some(mut scope) = self.associated_scope(e.ty) else { continue };
            loop {
                if let crate::sema::scope::ScopeKind::Namespace(frame) = self.scope(scope).kind {
                    let frame = self.tops.get(&frame).copied().unwrap_or(frame);
                    if let Some(Found::Functions(more)) = self.lookup_frame(frame, name)? {
                        for candidate in more {
                            let known = candidates.iter().any(|old| same(old, &candidate));
                            if !known {
                                candidates.push(candidate);
                            }
                        }
                    }
                    break;
                }
                match self.scope(scope).parent {
                    Some(parent) => scope = parent,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn call_member(
        &mut self,
        scope: ScopeId,
        object: Expr,
        path: &Path,
        args: &[tree::Expr],
        at: Range,
    ) -> Res<Expr> {
        let segment = path.last();
        if let Kind::SimdMatrix(scalar) = *self.types.kind(object.ty.ty)
            && let SegmentName::Ident(name) = segment.name
            && self.text(name) == "thread_elements"
            && object.lvalue
        {
            let vector = self.types.vector(scalar, 2);
            let ty = object.ty.with(vector);
            let kind = ExprKind::Reinterpret(Box::new(object));
            return Ok(Expr::object(kind, ty, start(at)));
        }
        let Some(class) = self.types.as_class(object.ty.ty) else {
            if matches!(segment.name, SegmentName::Destructor) {
                return Ok(Expr::value(ExprKind::Void(Box::new(object)), Ty::VOID, start(at)));
            }
            let message = format!("a `{}` has no member functions", self.show(object.ty));
            return self.err(codes::UNDECLARED, at, message);
        };
        self.complete(class, at)?;
        let found = match &segment.name {
            SegmentName::Ident(name) => self.lookup_member(class, *name)?,
            SegmentName::Operator(_) => self.operator_members(class, &segment.name)?,
            SegmentName::Conversion(_) => {
                let conversions = self.conversions(class)?;
                Some(Found::Functions(conversions))
            }
            SegmentName::Destructor | SegmentName::Decltype(_) => {
                return Ok(Expr::value(ExprKind::Void(Box::new(object)), Ty::VOID, start(at)));
            }
        };
        let name = self.path_text(path);
        match found {
            Some(Found::Functions(candidates)) => {
                let explicit = match &segment.args {
                    Some(args) => self.template_args(scope, args)?,
                    None => Vec::new(),
                };
                let args = self.args(scope, args)?;
                self.overload(&name, candidates, &explicit, &args, Some(object), at)
            }
            Some(Found::Field(owner, fields)) => {
                let object = self.field_path(object, owner, &fields, start(at))?;
                let args = self.args(scope, args)?;
                self.call_object(object, &args, at)
            }
            Some(Found::Global(id)) => {
                let object = self.global_expr(id, start(at));
                let args = self.args(scope, args)?;
                self.call_object(object, &args, at)
            }
            _ => {
                let class = self.show(object.ty);
                let message = format!("`{class}` has no member function `{name}`");
                self.err(codes::UNDECLARED, path.span, message)
            }
        }
    }

    /// Calls an object: a lambda, a function object or a constant function.
    pub(super) fn call_object(&mut self, object: Expr, args: &[Arg<'_>], at: Range) -> Res<Expr> {
        if let ExprKind::Function(id) = object.kind {
            return self.call_instance(id, args, None, at);
        }
        if let Some(class) = self.types.as_class(object.ty.ty) {
            let name = SegmentName::Operator(tree::Operator::Call);
            if let Some(Found::Functions(candidates)) = self.operator_members(class, &name)? {
                return self.overload("operator()", candidates, &[], args, Some(object), at);
            }
        }
        if let Some(to) = self.types.pointee(object.ty.ty)
            && matches!(self.types.kind(to.ty), Kind::Function(..))
        {
            if let Ok(crate::sema::hir::Value::Function(id)) =
                self.attempt(|s| s.evaluate(&object)).map_err(|_| ())
            {
                return self.call_instance(id, args, None, at);
            }
            return self.err(
                codes::UNSUPPORTED,
                at,
                "calls through pointers to functions that are \
                not known when the program is compiled are not supported",
            );
        }
        let message = format!("a `{}` cannot be called", self.show(object.ty));
        self.err(codes::NOT_CALLABLE, at, message)
    }

    /// Calls a given instance.
    pub(super) fn call_instance(
        &mut self,
        id: FnId,
        args: &[Arg<'_>],
        object: Option<Expr>,
        at: Range,
    ) -> Res<Expr> {
        let sig = self.func(id).sig.clone();
        let decl = self.func(id).decl.clone();
        let scope = self.func(id).scope;
        if args.len() > sig.params.len() {
            let name = self.func(id).name.clone();
            let message =
                format!("`{name}` takes {} arguments, not {}", sig.params.len(), args.len());
            return self.err(codes::NO_OVERLOAD, at, message);
        }
        let mut values = Vec::new();
        if self.func(id).this.is_some() {
            let Some(object) = object else {
                let name = self.func(id).name.clone();
                return self.err(codes::NOT_CALLABLE, at, format!("`{name}` needs an object"));
            };
            let object = if object.lvalue { object } else { self.temporary(object) };
            let (ty, span) = (object.ty, object.span);
            let pointer = self.types.pointer(ty);
            values.push(Expr::value(ExprKind::Address(Box::new(object)), pointer, span));
        }
        for (n, param) in sig.params.iter().enumerate() {
            let value = match args.get(n) {
                Some(arg) => self.convert_arg(arg, param.ty)?,
                None => {
                    let Some(default) = &decl.sig.params[param.written].default else {
                        let name = self.func(id).name.clone();
                        let message = format!("`{name}` needs more arguments");
                        return self.err(codes::NO_OVERLOAD, at, message);
                    };
                    let arg = match &default.kind {
                        tree::ExprKind::InitList(list) => Arg::List(list, default.span, scope),
                        _ => Arg::Expr(self.expr(scope, default)?),
                    };
                    self.convert_arg(&arg, param.ty)?
                }
            };
            values.push(value);
        }
        let ret = self.ret_type(id, at)?;
        self.note_use(id);
        let span = start(at);
        let target = self.types.deref(ret);
        if let Some(class) = self.types.as_class(target.ty) {
            self.complete(class, at)?;
        }
        let call = ExprKind::Call(id, values);
        if self.types.is_ref(ret) {
            let pointer = self.types.pointer(target);
            let call = Expr::value(call, pointer, span);
            return Ok(Expr::object(ExprKind::Deref(Box::new(call)), target, span));
        }
        Ok(Expr::value(call, ret.ty, span))
    }

    /// Remembers that a function is called, so that its body is analysed although lowering may
    /// never get there.
    fn note_use(&mut self, id: FnId) {
        if self.silent == 0 && self.fx.unevaluated == 0 && !self.used.contains(&id) {
            self.used.push(id);
        }
    }

    /// Chooses among candidates and calls the best.
    pub(super) fn overload(
        &mut self,
        name: &str,
        candidates: Vec<Candidate>,
        explicit: &[TArg],
        args: &[Arg<'_>],
        object: Option<Expr>,
        at: Range,
    ) -> Res<Expr> {
        let chosen = self.choose(name, candidates, explicit, args, object.as_ref(), at)?;
        match chosen.which {
            Which::Source { method, scope, args: targs, .. } => {
                let this = self.this_type(&method, object.as_ref());
                let id = self.fn_instance(&method, scope, &targs, this)?;
                self.call_instance(id, args, object, at)
            }
            Which::Builtin(choice) => self.call_library(choice, args, at),
        }
    }

    /// The type of `*this` in a member function called on an object.
    fn this_type(&self, method: &Method, object: Option<&Expr>) -> Option<Qt> {
        let class = method.class?;
        if method.decl.spec.flags.is_static {
            return None;
        }
        let space = match object {
            Some(object) if object.lvalue => self.space_of(object),
            _ => Space::Thread,
        };
        let is_const = method.decl.sig.quals.is_const || self.class(class).lambda.is_some();
        let is_volatile = method.decl.sig.quals.is_volatile;
        Some(Qt { is_const, is_volatile, space, ..self.class_type(class) })
    }

    /// Overload resolution.
    pub(super) fn choose(
        &mut self,
        name: &str,
        candidates: Vec<Candidate>,
        explicit: &[TArg],
        args: &[Arg<'_>],
        object: Option<&Expr>,
        at: Range,
    ) -> Res<Viable> {
        let mut viable: Vec<Viable> = Vec::new();
        let mut reasons: Vec<(Option<Range>, String)> = Vec::new();
        for candidate in candidates {
            match candidate {
                Candidate::Source(method) => {
                    let span = method.decl.span;
                    match self.viable(method, explicit, args, object, at) {
                        Ok(candidate) => viable.push(candidate),
                        Err(why) => reasons.push((Some(span), why)),
                    }
                }
                Candidate::Builtin(name) => match self.library_viable(name, explicit, args) {
                    Ok(choice) => {
                        let ranks = choice.ranks.clone();
                        let which = Which::Builtin(choice);
                        viable.push(Viable { which, ranks, is_template: false });
                    }
                    Err(why) => reasons.push((None, why)),
                },
            }
        }
        if viable.is_empty() {
            let shown: Vec<String> = args.iter().map(|arg| self.show_arg_type(arg)).collect();
            let message = if reasons.len() == 1 {
                format!("`{name}` cannot be called like this: {}", reasons[0].1)
            } else {
                format!("no `{name}` takes arguments of types ({})", shown.join(", "))
            };
            let mut diagnostic = Diagnostic::error(codes::NO_OVERLOAD, at, message);
            for (span, why) in reasons.into_iter().take(12) {
                diagnostic = match span {
                    Some(span) => diagnostic.note_at(span, format!("not this one: {why}")),
                    None => diagnostic.note(format!("not the library's: {why}")),
                };
            }
            return self.report(diagnostic);
        }
        let mut best = 0;
        for other in 1..viable.len() {
            if self.better(&viable[other], &viable[best]) {
                best = other;
            }
        }
        let clash = (0..viable.len())
            .find(|&other| other != best && !self.better(&viable[best], &viable[other]));
        if let Some(other) = clash {
            let span = |v: &Viable| match &v.which {
                Which::Source { method, .. } => Some(method.decl.span),
                Which::Builtin(_) => None,
            };
            let mut diagnostic = Diagnostic::error(
                codes::AMBIGUOUS,
                at,
                format!("the call of `{name}` is ambiguous"),
            );
            for candidate in [&viable[best], &viable[other]] {
                diagnostic = match span(candidate) {
                    Some(span) => diagnostic.note_at(span, "it could be this one"),
                    None => diagnostic.note("it could be the library's"),
                };
            }
            return self.report(diagnostic);
        }
        Ok(viable.swap_remove(best))
    }

    pub(super) fn show_arg_type(&self, arg: &Arg<'_>) -> String {
        match arg {
            Arg::Expr(e) => self.show(e.ty),
            Arg::List(..) => "{...}".into(),
        }
    }

    pub(super) fn better(&mut self, a: &Viable, b: &Viable) -> bool {
        let n = a.ranks.len().min(b.ranks.len());
        let mut some_better = false;
        for i in 0..n {
            if a.ranks[i] > b.ranks[i] {
                return false;
            }
            some_better |= a.ranks[i] < b.ranks[i];
        }
        if some_better {
            return true;
        }
        match (a.is_template, b.is_template) {
            (false, true) => return true,
            (true, false) => return false,
            _ => {}
        }
        match (&a.which, &b.which) {
            (Which::Source { method: ma, .. }, Which::Source { method: mb, .. }) => {
                if a.is_template && b.is_template {
                    let (ma, mb) = (ma.clone(), mb.clone());
                    let ab = self.at_least_as_special(&ma, &mb);
                    let ba = self.at_least_as_special(&mb, &ma);
                    if ab != ba {
                        return ab;
                    }
                }
                let (Which::Source { sig: sa, .. }, Which::Source { sig: sb, .. }) =
                    (&a.which, &b.which)
                else {
                    return false;
                };
                // Of declarations of one function the one with a body counts.
                let equal = sa.params.len() == sb.params.len()
                    && sa.params.iter().zip(&sb.params).all(|(a, b)| a.ty == b.ty);
                let has_body = |m: &Method| !matches!(m.decl.body, FunctionBody::None);
                // What the user declares comes before what the prelude does.
                let own = |m: &Method| {
                    m.decl.frame == crate::syntax::index::FrameId::NONE
                        || self.index.owns(m.decl.frame)
                };
                if own(ma) != own(mb) {
                    return own(ma);
                }
                if equal {
                    // A member hides one inherited, a later declaration repeats an earlier one.
                    return has_body(ma) && !has_body(mb)
                        || has_body(ma) == has_body(mb)
                            && Arc::as_ptr(&ma.decl) > Arc::as_ptr(&mb.decl)
                            && !has_body(ma);
                }
                false
            }
            // What the source declares hides the library's own of the same quality.
            (Which::Source { .. }, Which::Builtin(_)) => true,
            (Which::Builtin(_), _) => false,
        }
    }

    /// Whether every call that fits template `a` fits `b`.
    fn at_least_as_special(&mut self, a: &Method, b: &Method) -> bool {
        let (Some(a_head), Some(b_head)) = (own_head(&a.decl), own_head(&b.decl)) else {
            return false;
        };
        let at = a.decl.span;
        // Types that equal only themselves, or where a vector cannot hold such, a scalar.
        let sig = [false, true].into_iter().find_map(|scalars| {
            let unique = self.unique_args(&a_head, scalars);
            let bound = self.attempt(|s| s.bind_params(&a_head, &unique, a.scope, at)).ok()?;
            self.attempt(|s| s.signature(&a.decl, bound.0)).ok()
        });
        let Some(sig) = sig else { return false };
        let mut deduction = Deduction::new(Some(&b_head), b.scope);
        let mut n = 0;
        for param in &b.decl.sig.params {
            let pack = param.declarator.pack.is_some();
            while let Some(actual) = sig.params.get(n) {
                if actual.pack && !pack {
                    return false;
                }
                let (chunks, is_ref) = strip_reference(&param.declarator.chunks);
                let mut ty = actual.ty;
                if is_ref {
                    ty = self.types.deref(ty);
                } else {
                    ty = self.types.deref(ty).unqualified();
                }
                if !self.deduce(&mut deduction, &param.spec, chunks, ty) {
                    return false;
                }
                n += 1;
                if !pack {
                    break;
                }
                deduction.next_element();
            }
        }
        n == sig.params.len()
    }

    /// Whether a function can be called with the arguments, and how well; or why not.
    pub(super) fn viable(
        &mut self,
        method: Method,
        explicit: &[TArg],
        args: &[Arg<'_>],
        object: Option<&Expr>,
        at: Range,
    ) -> Result<Viable, String> {
        if method.decl.heads.last().is_some_and(|head| head.params.is_empty()) {
            return Err("it is a specialisation, found through its template".into());
        }
        let written = &method.decl.sig.params;
        let has_pack = written.iter().any(|param| param.declarator.pack.is_some());
        if !has_pack && args.len() > written.len() {
            return Err(format!("it takes {} arguments, not {}", written.len(), args.len()));
        }
        let required = written
            .iter()
            .filter(|param| param.default.is_none() && param.declarator.pack.is_none())
            .count();
        if args.len() < required {
            return Err(format!("it takes {required} arguments, not {}", args.len()));
        }
        let mut ranks = Vec::with_capacity(args.len() + 1);
        if method.class.is_some()
            && !method.decl.spec.flags.is_static
            && method.decl.kind != FunctionKind::Constructor
        {
            let Some(object) = object else { return Err("it needs an object".into()) };
            ranks.push(self.object_rank(&method, object)?);
        }
        let head = own_head(&method.decl);
        let autos = has_auto(&method.decl);
        let is_template = head.is_some() || autos;
        let (scope, targs) = if is_template {
            self.deduce_call(&method, head.as_deref(), explicit, args, at)?
        } else {
            if !explicit.is_empty() {
                return Err("it is no template".into());
            }
            (method.scope, Vec::new())
        };
        let sig = self.attempt(|s| s.signature(&method.decl, scope))?;
        if args.len() > sig.params.len() {
            return Err(format!("it takes {} arguments, not {}", sig.params.len(), args.len()));
        }
        for (n, arg) in args.iter().enumerate() {
            let to = sig.params[n].ty;
            match self.implicit(arg, to) {
                Some(rank) => ranks.push(rank),
                None => {
                    let from = self.show_arg_type(arg);
                    let to = self.show(to);
                    return Err(format!(
                        "argument {} of type `{from}` does not convert to `{to}`",
                        n + 1
                    ));
                }
            }
        }
        Ok(Viable { which: Which::Source { method, scope, args: targs, sig }, ranks, is_template })
    }

    fn object_rank(&mut self, method: &Method, object: &Expr) -> Result<Rank, String> {
        let quals = method.decl.sig.quals;
        let space = if object.lvalue { self.space_of(object) } else { Space::Thread };
        let is_lambda = method.class.is_some_and(|class| self.class(class).lambda.is_some());
        if object.ty.is_const && !quals.is_const && !is_lambda {
            return Err("the object is const and the function is not".into());
        }
        let mut rank = match quals.space {
            Some(own) if own != space => {
                return Err(format!("the object is in `{}` memory", space.text()));
            }
            Some(_) => (EXACT, 0),
            None if space == Space::Thread => (EXACT, 0),
            None => (ADJUST, 0),
        };
        rank.1 += u8::from(quals.is_const && !object.ty.is_const);
        if let (Some(own), Some(class)) = (self.types.as_class(object.ty.ty), method.class)
            && own != class
        {
            rank.0 = rank.0.max(CONVERT);
        }
        Ok(rank)
    }

    fn deduce_call(
        &mut self,
        method: &Method,
        head: Option<&tree::TemplateHead>,
        explicit: &[TArg],
        args: &[Arg<'_>],
        at: Range,
    ) -> Result<(ScopeId, Vec<TArg>), String> {
        let mut scope = method.scope;
        let mut deduction = Deduction::new(head, scope);
        if let Some(head) = head {
            let mut rest = explicit.iter();
            for param in &head.params {
                let Some(name) = param.name else {
                    rest.next();
                    continue;
                };
                if param.pack {
                    let parts: Vec<TArg> = rest.by_ref().cloned().collect();
                    if !parts.is_empty() {
                        deduction.fix(name, TArg::Pack(parts));
                    }
                } else if let Some(arg) = rest.next() {
                    // Values take the parameter's type before they are compared.
                    deduction.fix(name, arg.clone());
                }
            }
        }
        let mut autos = Vec::new();
        let mut n = 0;
        for (written, param) in method.decl.sig.params.iter().enumerate() {
            let pack = param.declarator.pack.is_some();
            // A pack given explicitly is not deduced again.
            while let Some(arg) = args.get(n) {
                let Arg::Expr(e) = arg else {
                    n += 1;
                    if pack { continue } else { break }
                };
                let (chunks, is_ref) = strip_reference(&param.declarator.chunks);
                let mut actual = e.ty;
                if is_ref {
                    let forwarding = chunks.is_empty()
                        && matches!(
                            param.declarator.chunks.last(),
                            Some(Chunk::Reference { rvalue: true, .. })
                        )
                        && !param.spec.quals.is_const;
                    if forwarding && e.lvalue {
                        let target = actual.in_space(self.space_of(e));
                        actual = Qt::plain(self.types.intern(Kind::Ref(target, false)));
                    } else {
                        actual.space = self.space_of(e);
                        if param.spec.quals.space.is_none() && param.spec.quals.is_const {
                            actual.space = Space::Thread;
                            if !matches!(chunks.last(), Some(Chunk::Pointer(_))) {
                                actual.is_const = false;
                            }
                        }
                        if !e.lvalue {
                            actual = actual.unqualified();
                        }
                    }
                } else {
                    if let Kind::Array(element, _) = *self.types.kind(actual.ty) {
                        let space = self.space_of(e);
                        actual = Qt::plain(self.types.pointer(element.in_space(space)));
                    }
                    actual = actual.unqualified();
                }
                if matches!(param.spec.ty, TypeSpec::Auto) {
                    autos.push((written, actual));
                } else if !self.deduce(&mut deduction, &param.spec, chunks, actual)
                    && self.depends(&deduction, &param.spec, head)
                {
                    let from = self.show(e.ty);
                    return Err(format!("argument {} of type `{from}` does not fit", n + 1));
                }
                n += 1;
                if !pack {
                    break;
                }
                deduction.next_element();
            }
        }
        let mut targs = Vec::new();
        if let Some(head) = head {
            let Some(found) = deduction.args(head, false) else {
                let missing = deduction
                    .missing(head)
                    .map_or(String::new(), |name| format!(" `{}`", self.text(name)));
                return Err(format!("template parameter{missing} cannot be deduced"));
            };
            let (bound, all) = self.attempt(|s| s.bind_params(head, &found, method.scope, at))?;
            scope = bound;
            targs = all;
        }
        if !autos.is_empty() {
            if head.is_none() {
                scope = self.block_scope(scope);
            }
            for (written, ty) in autos {
                let arg = TArg::Type(ty);
                self.bind(scope, auto_symbol(written), Binding::Arg(arg.clone()));
                targs.push(arg);
            }
        }
        Ok((scope, targs))
    }

    /// Whether specifiers name a template parameter directly, so that a mismatch counts.
    fn depends(
        &self,
        deduction: &Deduction,
        spec: &tree::DeclSpec,
        head: Option<&tree::TemplateHead>,
    ) -> bool {
        let TypeSpec::Path(path) = &spec.ty else { return false };
        let names = head.map(|head| &head.params[..]).unwrap_or_default();
        if let Some(name) = path.as_ident() {
            // A parameter fixed explicitly converts instead.
            return names.iter().any(|param| param.name == Some(name))
                && deduction.known(name).is_none();
        }
        path.last().args.is_some()
    }

    /// The type bound to a parameter declared `auto`.
    pub(super) fn auto_param(&mut self, scope: ScopeId, written: usize) -> Option<Qt> {
        match self.lookup_block(scope, auto_symbol(written))? {
            Binding::Arg(TArg::Type(qt)) => Some(qt),
            _ => None,
        }
    }

    fn lookup_block(&self, scope: ScopeId, name: Symbol) -> Option<Binding> {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            if let Some((_, binding)) = scope.names.iter().rev().find(|(own, _)| *own == name) {
                return Some(binding.clone());
            }
            at = scope.parent;
        }
        None
    }

    /// Calls the best of some constructors.
    pub(super) fn call_constructor(
        &mut self,
        class: ClassId,
        candidates: Vec<Candidate>,
        args: &[Arg<'_>],
        at: Range,
    ) -> Res<Expr> {
        let name = self.types.class_names[class.0 as usize].clone();
        let chosen = self.choose(&name, candidates, &[], args, None, at)?;
        let Which::Source { method, scope, args: targs, .. } = chosen.which else {
            return Err(crate::sema::Reported);
        };
        self.complete(class, at)?;
        let ty = self.class_type(class);
        if matches!(method.decl.body, FunctionBody::Default) && args.is_empty() {
            return self.aggregate_default(class, at);
        }
        if matches!(method.decl.body, FunctionBody::Default)
            && let [Arg::Expr(e)] = args
            && e.ty.ty == ty.ty
        {
            return Ok(self.load(e.clone()));
        }
        let id = self.fn_instance(&method, scope, &targs, Some(ty))?;
        let sig = self.func(id).sig.clone();
        self.note_use(id);
        let mut values = Vec::new();
        for (n, param) in sig.params.iter().enumerate() {
            let arg = match args.get(n) {
                Some(arg) => self.convert_arg(arg, param.ty)?,
                None => {
                    let default = method.decl.sig.params[param.written].default.clone();
                    let Some(default) = default else { return Err(crate::sema::Reported) };
                    let e = self.expr(scope, &default)?;
                    self.convert_arg(&Arg::Expr(e), param.ty)?
                }
            };
            values.push(arg);
        }
        Ok(Expr::value(ExprKind::New(id, values), ty.ty, start(at)))
    }

    /// Calls a conversion function.
    pub(super) fn call_conversion(
        &mut self,
        candidate: &Candidate,
        object: Expr,
        to: Qt,
        at: Range,
    ) -> Res<Expr> {
        let Candidate::Source(method) = candidate else { return Err(crate::sema::Reported) };
        if let Err(why) = self.object_rank(method, &object) {
            return self.err(codes::CONVERSION, at, why);
        }
        let mut scope = method.scope;
        let mut targs = Vec::new();
        if let Some(head) = own_head(&method.decl)
            && let SegmentName::Conversion(ty) = &method.decl.name.last().name
        {
            let mut deduction = Deduction::new(Some(&head), scope);
            if !self.deduce_type(&mut deduction, ty, to.unqualified()) {
                return Err(crate::sema::Reported);
            }
            let Some(found) = deduction.args(&head, false) else {
                return Err(crate::sema::Reported);
            };
            (scope, targs) = self.bind_params(&head, &found, method.scope, at)?;
        }
        if method.decl.spec.flags.is_explicit && !self.explicit_allowed {
            return self.err(codes::CONVERSION, at, "the conversion is explicit");
        }
        let this = self.this_type(method, Some(&object));
        let id = self.fn_instance(method, scope, &targs, this)?;
        self.call_instance(id, &[], Some(object), at)
    }

    /// The instance that a function's name with explicit arguments stands for, as a template
    /// argument.
    pub(super) fn function_argument(
        &mut self,
        scope: ScopeId,
        functions: Vec<Candidate>,
        args: Option<&[tree::TemplateArg]>,
        at: Range,
    ) -> Res<TArg> {
        let explicit = match args {
            Some(args) => self.template_args(scope, args)?,
            None => Vec::new(),
        };
        let mut found = None;
        for candidate in functions {
            let Candidate::Source(method) = candidate else { continue };
            let (scope, targs) = match own_head(&method.decl) {
                None if explicit.is_empty() => (method.scope, Vec::new()),
                None => continue,
                Some(head) => {
                    match self.attempt(|s| s.bind_params(&head, &explicit, method.scope, at)) {
                        Ok(bound) => bound,
                        Err(_) => continue,
                    }
                }
            };
            if self.attempt(|s| s.signature(&method.decl, scope)).is_err() {
                continue;
            }
            let id = self.fn_instance(&method, scope, &targs, None)?;
            if found.is_none() || !matches!(method.decl.body, FunctionBody::None) {
                found = Some(id);
            }
        }
        match found {
            Some(id) => Ok(TArg::Function(id)),
            None => self.err(codes::NO_OVERLOAD, at, "no function fits as a template argument"),
        }
    }
}

fn same(a: &Candidate, b: &Candidate) -> bool {
    match (a, b) {
        (Candidate::Source(a), Candidate::Source(b)) => Arc::ptr_eq(&a.decl, &b.decl),
        (Candidate::Builtin(a), Candidate::Builtin(b)) => a == b,
        _ => false,
    }
}

/// The template head of a function itself, not of its class.
pub(super) fn own_head(decl: &FunctionDecl) -> Option<Arc<tree::TemplateHead>> {
    decl.heads.last().filter(|head| !head.params.is_empty()).cloned()
}

fn has_auto(decl: &FunctionDecl) -> bool {
    decl.sig.params.iter().any(|param| matches!(param.spec.ty, TypeSpec::Auto))
}

/// The chunks inside a top-level reference.
fn strip_reference(chunks: &[Chunk]) -> (&[Chunk], bool) {
    match chunks.split_last() {
        Some((Chunk::Reference { .. }, rest)) => (rest, true),
        _ => (chunks, false),
    }
}
