//! Calls: candidates, overload resolution, and the call that results.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Range};
use crate::sema::convert::Arg;
use crate::sema::deduce::Deduction;
use crate::sema::hir::{Expr, ExprKind, FnId};
use crate::sema::lookup::{Candidate, Found, Method};
use crate::sema::overload::Which;
use crate::sema::scope::ScopeId;
use crate::sema::types::{ClassId, Kind, Qt, Space, Ty};
use crate::sema::{Res, Sema, TArg, codes, start};
use crate::syntax::tree::{self, FunctionBody, FunctionDecl, Path, SegmentName};

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
        let object = if is_method { self.enclosing_object(at) } else { None };
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

    /// What `*this` means here: in a lambda, that of the function around it.
    pub(super) fn enclosing_object(&mut self, at: Range) -> Option<Expr> {
        let own = self.own_object(at)?;
        let Some(class) = self.types.as_class(own.ty.ty) else { return Some(own) };
        if self.class(class).lambda.is_none() {
            return Some(own);
        }
        let (field, by_ref) = self.class(class).captured_this?;
        let place = self.field(own, class, field, start(at));
        if by_ref { self.follow_reference(place).ok() } else { Some(place) }
    }

    /// The object that a member function was called on; of a lambda's body, the lambda.
    pub(super) fn own_object(&mut self, at: Range) -> Option<Expr> {
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
        let written = name;
        let SegmentName::Ident(name) = *name else { return Ok(()) };
        for arg in args {
            let Arg::Expr(e) = arg else { continue };
            if let Some(class) = self.types.as_class(self.types.deref(e.ty).ty) {
                candidates.extend(self.friends(class, written));
            }
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
            SegmentName::Conversion(ty) => {
                let to = self.type_name(scope, ty)?;
                return self.named_conversion(class, object, to, at);
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
        let known = decl.spec.flags.is_constexpr
            && self.fx.unevaluated == 0
            && !values.is_empty()
            && self.types.as_scalar(ret.ty).is_some()
            && values.iter().all(|value| matches!(value.kind, ExprKind::Const(_)));
        let call = ExprKind::Call(id, values);
        if known {
            // Computed now, so that a constant function may call itself.
            let call = Expr::value(call.clone(), ret.ty, span);
            if let Ok(crate::sema::hir::Value::Bits(bits)) = self.attempt(|s| s.evaluate(&call)) {
                return Ok(Expr::value(ExprKind::Const(bits), ret.ty, span));
            }
        }
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
        let sig = &method.decl.sig;
        let is_const = sig.quals.is_const || self.class(class).lambda.is_some() && !sig.mutable;
        let is_volatile = method.decl.sig.quals.is_volatile;
        Some(Qt { is_const, is_volatile, space, ..self.class_type(class) })
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

    /// `object.operator T()`
    fn named_conversion(&mut self, class: ClassId, object: Expr, to: Qt, at: Range) -> Res<Expr> {
        let outer = std::mem::replace(&mut self.explicit_allowed, true);
        let conversions = self.conversions(class);
        let found = conversions.map(|conversions| {
            conversions.iter().find_map(|candidate| {
                let object = object.clone();
                let called = self.attempt(|s| s.call_conversion(candidate, object, to, at));
                called.ok().filter(|call| call.ty.ty == to.ty)
            })
        });
        self.explicit_allowed = outer;
        match found? {
            Some(call) => Ok(call),
            None => {
                let (class, to) = (self.show(object.ty), self.show(to));
                let message = format!("`{class}` has no conversion to `{to}`");
                self.err(codes::UNDECLARED, at, message)
            }
        }
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
        let mut found: Vec<FnId> = Vec::new();
        for candidate in &functions {
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
            let id = self.fn_instance(method, scope, &targs, None)?;
            self.add_instance(&mut found, id);
        }
        match found[..] {
            [id] => Ok(TArg::Function(id)),
            _ => {
                self.overloads.push((functions, explicit));
                Ok(TArg::Overloads(self.overloads.len() as u32 - 1))
            }
        }
    }

    /// Adds an instance to a list in which several declarations of one function count once.
    fn add_instance(&mut self, found: &mut Vec<FnId>, id: FnId) {
        let params = |s: &Self, id: FnId| -> Vec<Qt> {
            s.func(id).sig.params.iter().map(|param| param.ty).collect()
        };
        let own = params(self, id);
        let has_body = |s: &Self, id: FnId| !matches!(s.func(id).decl.body, FunctionBody::None);
        match found.iter_mut().find(|old| params(self, **old) == own) {
            Some(old) if has_body(self, id) || !has_body(self, *old) => *old = id,
            Some(_) => {}
            None => found.push(id),
        }
    }

    /// Of the functions of a name, the one whose type is `wanted`: a pointer to a function.
    pub(super) fn choose_overload(&mut self, set: u32, wanted: Qt, at: Range) -> Res<TArg> {
        let (functions, explicit) = self.overloads[set as usize].clone();
        let target = self.types.pointee(wanted.ty).unwrap_or(wanted);
        let Kind::Function(ret, params) = self.types.kind(target.ty).clone() else {
            let message = "this names several functions, and nothing here chooses one";
            return self.err(codes::AMBIGUOUS, at, message);
        };
        let args: Vec<Option<Qt>> = params.iter().copied().map(Some).collect();
        let mut found: Vec<FnId> = Vec::new();
        let mut reasons: Vec<(Range, String)> = Vec::new();
        for candidate in functions {
            let Candidate::Source(method) = candidate else { continue };
            match self.function_of_type(&method, &explicit, &args, ret, at) {
                Ok(id) => self.add_instance(&mut found, id),
                Err(why) => reasons.push((method.decl.span, why)),
            }
        }
        match found[..] {
            [id] => Ok(TArg::Function(id)),
            [] => {
                let message = format!("no function of this name is a `{}`", self.show(wanted));
                let mut diagnostic = Diagnostic::error(codes::NO_OVERLOAD, at, message);
                for (span, why) in reasons {
                    diagnostic = diagnostic.note_at(span, format!("not this one: {why}"));
                }
                self.report(diagnostic)
            }
            _ => {
                let message =
                    format!("several functions of this name are a `{}`", self.show(wanted));
                self.err(codes::AMBIGUOUS, at, message)
            }
        }
    }

    /// The instance of a function that has exactly these parameters and this result.
    fn function_of_type(
        &mut self,
        method: &Method,
        explicit: &[TArg],
        params: &[Option<Qt>],
        ret: Qt,
        at: Range,
    ) -> Result<FnId, String> {
        let (mut scope, mut targs) = (method.scope, Vec::new());
        let written = &method.decl.sig.params;
        if written.len() != params.len() {
            return Err(format!("it takes {} arguments, not {}", written.len(), params.len()));
        }
        if let Some(head) = own_head(&method.decl) {
            let mut deduction = Deduction::new(Some(&head), method.scope);
            for (param, arg) in head.params.iter().zip(explicit) {
                if let Some(name) = param.name {
                    deduction.fix(name, arg.clone());
                }
            }
            for (param, actual) in written.iter().zip(params) {
                if let Some(actual) = *actual
                    && !self.deduce(&mut deduction, &param.spec, &param.declarator.chunks, actual)
                {
                    return Err(format!("a parameter is not a `{}`", self.show(actual)));
                }
            }
            let Some(found) = deduction.args(&head, false) else {
                return Err("its template parameters cannot be deduced".into());
            };
            (scope, targs) = self.attempt(|s| s.bind_params(&head, &found, method.scope, at))?;
        } else if !explicit.is_empty() {
            return Err("it is no template".into());
        }
        let sig = self.attempt(|s| s.signature(&method.decl, scope))?;
        let same = sig.params.iter().zip(params).all(|(own, wanted)| {
            wanted.is_none_or(|wanted| own.ty.unqualified() == wanted.unqualified())
        });
        if !same {
            return Err("its parameters differ".into());
        }
        if sig.ret.is_some_and(|own| own != ret) {
            return Err("its result differs".into());
        }
        self.attempt(|s| s.fn_instance(method, scope, &targs, None))
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
