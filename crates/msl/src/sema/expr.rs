//! Expressions: what each means and of what type it is.

use crate::diagnostic::{Range, Span};
use crate::sema::codes;
use crate::sema::convert::Arg;
use crate::sema::hir::{Expr, ExprKind, GlobalId, Value};
use crate::sema::lookup::Found;
use crate::sema::scope::ScopeId;
use crate::sema::types::{ClassId, Kind, Qt, Scalar, Ty};
use crate::sema::{Res, Sema, start};
use crate::syntax::tree::{self, CastKind, ExprKind as Tree, Path, SegmentName};

impl Sema<'_> {
    /// An expression's meaning.
    pub(super) fn expr(&mut self, scope: ScopeId, e: &tree::Expr) -> Res<Expr> {
        let at = e.span;
        let span = start(at);
        let constant = |bits, ty| Ok(Expr::value(ExprKind::Const(bits), ty, span));
        match &e.kind {
            Tree::Int(value, builtin) => {
                let ty = self.builtin(*builtin, at)?;
                let scalar = self.types.arithmetic(ty).unwrap_or(Scalar::I32);
                constant(crate::sema::consteval::wrap(*value, scalar), ty)
            }
            Tree::Float(value, builtin) => {
                let ty = self.builtin(*builtin, at)?;
                let scalar = self.types.arithmetic(ty).unwrap_or(Scalar::F32);
                constant(crate::sema::consteval::from_f64(*value, scalar), ty)
            }
            Tree::Bool(value) => constant(u64::from(*value), Ty::BOOL),
            Tree::Char(c) => constant(u64::from(*c as u8), Ty::scalar(Scalar::I8)),
            Tree::Str(text) => Ok(self.string(text, span)),
            Tree::Nullptr => constant(0, Ty::NULLPTR),
            Tree::Path(path) => self.path_expr(scope, path),
            Tree::This => match self.enclosing_object(at) {
                Some(object) => {
                    let pointer = self.types.pointer(object.ty.in_space(self.space_of(&object)));
                    Ok(Expr::value(ExprKind::Address(Box::new(object)), pointer, span))
                }
                None => self.err(codes::UNDECLARED, at, "there is no `this` here"),
            },
            Tree::Paren(inner) => self.expr(scope, inner),
            Tree::Unary(op, operand) => self.unary(scope, *op, operand, at),
            Tree::Binary(op, a, b) => self.binary(scope, *op, a, b, at),
            Tree::Assign(op, a, b) => self.assign(scope, *op, a, b, at),
            Tree::Cond(c, a, b) => self.conditional(scope, c, a, b, at),
            Tree::Comma(a, b) => {
                let a = self.expr(scope, a)?;
                let b = self.expr(scope, b)?;
                let (ty, lvalue) = (b.ty, b.lvalue);
                Ok(Expr { kind: ExprKind::Comma(Box::new(a), Box::new(b)), ty, lvalue, span })
            }
            Tree::Call(callee, args) => self.call(scope, callee, args, at),
            Tree::Index(base, index) => self.index_expr(scope, base, index, at),
            Tree::Member { base, arrow, path } => {
                let object = self.member_base(scope, base, *arrow)?;
                self.member(object, path, at)
            }
            Tree::Cast(kind, ty, operand) => {
                let ty = self.type_name(scope, ty)?;
                if let Tree::InitList(list) = &operand.kind {
                    return self.brace_init(scope, ty, list, at);
                }
                let operand = self.expr(scope, operand)?;
                self.cast(*kind, ty, operand, at)
            }
            Tree::AsType(ty, operand) => {
                let ty = self.type_name(scope, ty)?;
                let operand = self.expr(scope, operand)?;
                self.as_type(ty, operand, at)
            }
            Tree::Construct(ty, args) => {
                let ty = self.type_name(scope, ty)?;
                self.construct(scope, ty, args, false, at)
            }
            Tree::BraceConstruct(ty, args) => {
                let ty = self.type_name(scope, ty)?;
                if self.types.is_ref(ty) {
                    return self.construct(scope, ty, args, true, at);
                }
                let init = tree::Init::Brace(args.clone(), at);
                let (ty, value) = self.initialise(scope, ty, &init, at)?;
                Ok(value.unwrap_or(Expr::value(ExprKind::Zero, ty.ty, span)))
            }
            Tree::InitList(_) => {
                self.err(codes::NOT_AN_EXPRESSION, at, "a braced list has no value of its own here")
            }
            Tree::Designated(..) => {
                self.err(codes::NOT_AN_EXPRESSION, at, "a designator belongs in a braced list")
            }
            Tree::SizeofType(ty) => {
                let ty = self.type_name(scope, ty)?;
                self.size_of(ty, at)
            }
            Tree::SizeofExpr(operand) => {
                let operand = self.unevaluated(|s| s.expr(scope, operand))?;
                self.size_of(operand.ty, at)
            }
            Tree::SizeofPack(name) => match self.lookup(scope, *name)? {
                Some(Found::Pack(parts)) => constant(parts.len() as u64, Ty::ULONG),
                _ => self.err(codes::PACK, at, "this is no parameter pack"),
            },
            Tree::Alignof(ty) => {
                let ty = self.type_name(scope, ty)?;
                let ty = self.types.deref(ty);
                self.complete_type(ty, at)?;
                match self.types.layout(ty.ty) {
                    Some(layout) => constant(layout.align, Ty::ULONG),
                    None => self.err(codes::INCOMPLETE, at, "this type has no alignment"),
                }
            }
            Tree::Lambda(lambda) => self.lambda(scope, lambda, at),
            Tree::Fold { op, left, right, idents } => {
                self.fold(scope, *op, left.as_deref(), right.as_deref(), idents, at)
            }
            Tree::Expansion(..) => self.err(codes::PACK, at, "a pack cannot be expanded here"),
            Tree::Noexcept(_) => constant(1, Ty::BOOL),
            Tree::Error => Err(crate::sema::Reported),
        }
    }

    /// Runs something whose result is only looked at, never executed.
    pub(super) fn unevaluated<T>(&mut self, run: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.fx.unevaluated += 1;
        let result = run(self);
        self.fx.unevaluated -= 1;
        result
    }

    fn size_of(&mut self, ty: Qt, at: Range) -> Res<Expr> {
        let ty = self.types.deref(ty);
        self.complete_type(ty, at)?;
        match self.types.layout(ty.ty) {
            Some(layout) => Ok(Expr::value(ExprKind::Const(layout.size), Ty::ULONG, start(at))),
            None => {
                let message = format!("`{}` has no size", self.show(ty));
                self.err(codes::INCOMPLETE, at, message)
            }
        }
    }

    /// Completes the class that a type is or holds.
    pub(super) fn complete_type(&mut self, ty: Qt, at: Range) -> Res<()> {
        match self.types.as_class(self.element_type(ty).ty) {
            Some(class) => self.complete(class, at),
            None => Ok(()),
        }
    }

    /// `decltype(e)`
    pub(super) fn decltype(&mut self, scope: ScopeId, e: &tree::Expr) -> Res<Qt> {
        self.unevaluated(|s| {
            if let Tree::Path(path) = &e.kind {
                match s.resolve(scope, path)? {
                    Some(Found::Local(id)) => return Ok(s.fx.locals[id.0 as usize].ty),
                    Some(Found::Global(id)) => return Ok(s.globals[id.0 as usize].ty),
                    Some(Found::Constant(_, ty)) => return Ok(ty),
                    _ => {}
                }
            }
            if let Tree::Member { base, arrow, path } = &e.kind
                && let Ok(object) = s.member_base(scope, base, *arrow)
                && let Some(class) = s.types.as_class(object.ty.ty)
                && let SegmentName::Ident(name) = path.last().name
                && let Ok(Some(Found::Field(owner, fields))) = s.lookup_member(class, name)
            {
                let mut ty = s.class_type(owner);
                for field in fields {
                    if let Some(class) = s.types.as_class(ty.ty) {
                        ty = s.class(class).fields[field as usize].ty;
                    }
                }
                return Ok(ty);
            }
            let e = s.expr(scope, e)?;
            if e.lvalue {
                let ty = s.types.intern(Kind::Ref(e.ty, false));
                return Ok(Qt::plain(ty));
            }
            Ok(e.ty)
        })
    }

    fn path_expr(&mut self, scope: ScopeId, path: &Path) -> Res<Expr> {
        match self.resolve(scope, path)? {
            Some(found) => self.found_expr(found, path),
            None => self.undeclared(scope, path, path.segments.len() - 1),
        }
    }

    /// What was found as an expression.
    pub(super) fn found_expr(&mut self, found: Found, path: &Path) -> Res<Expr> {
        let at = path.span;
        let span = start(at);
        match found {
            Found::Local(id) => self.local_expr(id, span),
            Found::Global(id) => Ok(self.global_expr(id, span)),
            Found::Constant(Value::Bits(bits), ty) => {
                Ok(Expr::value(ExprKind::Const(bits), ty.ty, span))
            }
            Found::Constant(value, ty) => {
                Ok(Expr::value(ExprKind::Constant(Box::new(value)), ty.ty, span))
            }
            Found::Function(id) => {
                let sig = self.func(id).sig.clone();
                let params = sig.params.iter().map(|param| param.ty).collect();
                let ret = self.func(id).ret.unwrap_or(Qt::plain(Ty::VOID));
                let ty = self.types.intern(Kind::Function(ret, params));
                let ty = self.types.pointer(Qt::plain(ty));
                Ok(Expr::value(ExprKind::Function(id), ty, span))
            }
            Found::Field(owner, fields) => match self.enclosing_object(at) {
                Some(this) => self.field_path(this, owner, &fields, span),
                None if self.fx.unevaluated > 0 => {
                    let ty = self.class_type(owner);
                    let object = Expr::object(ExprKind::Zero, ty, span);
                    self.field_path(object, owner, &fields, span)
                }
                None => {
                    let name = self.path_text(path);
                    self.err(codes::UNDECLARED, at, format!("`{name}` needs an object"))
                }
            },
            Found::Capture(class, field, by_ref) => {
                let Some(this) = self.own_object(at) else {
                    return self.err(codes::UNDECLARED, at, "this capture needs its lambda");
                };
                let place = self.field(this, class, field, span);
                if by_ref { self.follow_reference(place) } else { Ok(place) }
            }
            Found::Functions(candidates) => {
                if let Some(args) = &path.last().args {
                    let _ = args;
                }
                let _ = candidates;
                let name = self.path_text(path);
                let message = format!("`{name}` is a function: it can only be called here");
                self.err(codes::NOT_AN_EXPRESSION, at, message)
            }
            Found::Pack(_) => {
                let name = self.path_text(path);
                let message = format!("the pack `{name}` is not expanded with `...`");
                self.err(codes::PACK, at, message)
            }
            Found::Type(_) | Found::Template(_) | Found::Namespace(_) => {
                let name = self.path_text(path);
                self.err(codes::NOT_AN_EXPRESSION, at, format!("`{name}` is not a value"))
            }
            Found::VarTemplate(_) => {
                let name = self.path_text(path);
                self.err(codes::TEMPLATE_ARGS, at, format!("`{name}` needs template arguments"))
            }
        }
    }

    /// A local as an expression.
    pub(super) fn local_expr(&mut self, id: crate::sema::hir::LocalId, span: Span) -> Res<Expr> {
        let Some(local) = self.fx.locals.get(id.0 as usize) else {
            return self.err(codes::UNDECLARED, span, "this local belongs to another function");
        };
        if let Some(global) = local.global {
            return Ok(self.global_expr(global, span));
        }
        let ty = local.ty;
        if ty.ty == Ty::ERROR {
            return Err(crate::sema::Reported);
        }
        if let Kind::Ref(target, _) = *self.types.kind(ty.ty) {
            if let Some(value) = local.constant.clone() {
                let pointer = self.types.pointer(target);
                let kind = ExprKind::Constant(Box::new(value));
                let address = Expr::value(kind, pointer, span);
                return Ok(Expr::object(ExprKind::Deref(Box::new(address)), target, span));
            }
            let pointer = self.types.pointer(target);
            let place = Expr::object(ExprKind::Local(id), Qt::plain(pointer), span);
            let load = Expr::value(ExprKind::Load(Box::new(place)), pointer, span);
            return Ok(Expr::object(ExprKind::Deref(Box::new(load)), target, span));
        }
        Ok(Expr::object(ExprKind::Local(id), ty, span))
    }

    pub(super) fn global_expr(&mut self, id: GlobalId, span: Span) -> Expr {
        let ty = self.globals[id.0 as usize].ty;
        if let Kind::Ref(target, _) = *self.types.kind(ty.ty) {
            let pointer = self.types.pointer(target);
            let place = Expr::object(ExprKind::Global(id), ty.with(pointer), span);
            let load = Expr::value(ExprKind::Load(Box::new(place)), pointer, span);
            return Expr::object(ExprKind::Deref(Box::new(load)), target, span);
        }
        Expr::object(ExprKind::Global(id), ty, span)
    }

    /// The object on the left of `.` or `->`.
    pub(super) fn member_base(
        &mut self,
        scope: ScopeId,
        base: &tree::Expr,
        arrow: bool,
    ) -> Res<Expr> {
        let e = self.expr(scope, base)?;
        if let Some(class) = self.types.as_class(e.ty.ty) {
            self.complete(class, base.span)?;
        }
        if !arrow {
            return Ok(e);
        }
        let e = self.rvalue(e)?;
        let span = e.span;
        match self.types.pointee(e.ty.ty) {
            Some(to) => {
                self.complete_type(to, base.span)?;
                Ok(Expr::object(ExprKind::Deref(Box::new(e)), to, span))
            }
            None => {
                if let Some(class) = self.types.as_class(e.ty.ty) {
                    let name = SegmentName::Operator(tree::Operator::Arrow);
                    if let Some(Found::Functions(candidates)) =
                        self.operator_members(class, &name)?
                    {
                        let at = base.span;
                        let inner =
                            self.overload("operator->", candidates, &[], &[], Some(e.clone()), at)?;
                        if let Some(to) = self.types.pointee(inner.ty.ty) {
                            return Ok(Expr::object(ExprKind::Deref(Box::new(inner)), to, span));
                        }
                    }
                }
                let message = format!("`->` needs a pointer, and this is a `{}`", self.show(e.ty));
                self.err(codes::BAD_OPERAND, base.span, message)
            }
        }
    }

    /// A member that is not called.
    fn member(&mut self, object: Expr, path: &Path, at: Range) -> Res<Expr> {
        let span = start(at);
        let SegmentName::Ident(name) = path.last().name else {
            return self.err(codes::NOT_AN_EXPRESSION, at, "this member can only be called");
        };
        if let Some((scalar, n)) = self.types.as_vector(object.ty.ty) {
            return self.swizzle(object, scalar, n, name, at);
        }
        if let Some(class) = self.types.as_class(object.ty.ty) {
            self.complete(class, at)?;
            return match self.lookup_member(class, name)? {
                Some(Found::Field(owner, fields)) => self.field_path(object, owner, &fields, span),
                Some(Found::Global(id)) => Ok(self.global_expr(id, span)),
                Some(found @ Found::Constant(..)) => self.found_expr(found, path),
                Some(Found::Functions(_)) => {
                    let name = self.path_text(path);
                    let message = format!("`{name}` is a function: it can only be called");
                    self.err(codes::NOT_AN_EXPRESSION, path.span, message)
                }
                Some(_) => {
                    self.err(codes::NOT_AN_EXPRESSION, path.span, "this member is not a value")
                }
                None => {
                    let (class, member) = (self.show(object.ty), self.path_text(path));
                    let message = format!("`{class}` has no member `{member}`");
                    self.err(codes::UNDECLARED, path.span, message)
                }
            };
        }
        if object.is_error() {
            return Err(crate::sema::Reported);
        }
        let mut message = format!("a `{}` has no members", self.show(object.ty));
        if self.types.pointee(object.ty.ty).is_some() {
            message.push_str("; use `->` to reach what it points to");
        }
        self.err(codes::BAD_OPERAND, at, message)
    }

    fn swizzle(
        &mut self,
        object: Expr,
        scalar: Scalar,
        n: u8,
        name: crate::syntax::symbol::Symbol,
        at: Range,
    ) -> Res<Expr> {
        let text = self.text(name).to_string();
        let position =
            |c: char| "xyzw".find(c).or_else(|| "rgba".find(c)).map(|p| p as u8).filter(|&p| p < n);
        let parts: Option<Vec<u8>> = text.chars().map(position).collect();
        let mixed =
            text.chars().any(|c| "xyzw".contains(c)) && text.chars().any(|c| "rgba".contains(c));
        match parts {
            Some(parts) if (1..=4).contains(&parts.len()) && !mixed => {
                let ty = object.ty.with(self.types.vector(scalar, parts.len() as u8));
                let lvalue = object.lvalue;
                let kind = ExprKind::Swizzle(Box::new(object), parts.into());
                Ok(Expr { kind, ty, lvalue, span: start(at) })
            }
            _ => {
                let message = format!("a `{}` has no component `{text}`", self.show(object.ty));
                self.err(codes::UNDECLARED, at, message)
            }
        }
    }

    /// A field of an object of that very class.
    pub(super) fn field(&mut self, object: Expr, class: ClassId, field: u32, span: Span) -> Expr {
        let info = &self.class(class).fields[field as usize];
        let declared = info.ty;
        let mut ty = match *self.types.kind(declared.ty) {
            Kind::Ref(target, _) => Qt::plain(self.types.pointer(target)),
            _ => declared,
        };
        ty.is_const |= object.ty.is_const;
        ty.is_volatile |= object.ty.is_volatile;
        ty.space = self.space_of(&object);
        if let Kind::Array(element, length) = *self.types.kind(ty.ty) {
            let element = Qt {
                is_const: element.is_const || ty.is_const,
                is_volatile: element.is_volatile || ty.is_volatile,
                ..element
            }
            .in_space(ty.space);
            ty.ty = self.types.intern(Kind::Array(element, length));
        }
        let lvalue = object.lvalue;
        Expr { kind: ExprKind::Field(Box::new(object), field), ty, lvalue, span }
    }

    /// A field reached through bases and anonymous members.
    pub(super) fn field_path(
        &mut self,
        object: Expr,
        owner: ClassId,
        fields: &[u32],
        span: Span,
    ) -> Res<Expr> {
        let mut e = self.as_base(object, self.class_type(owner), span.into())?;
        let mut class = owner;
        for (step, &field) in fields.iter().enumerate() {
            let declared = self.class(class).fields[field as usize].ty;
            e = self.field(e, class, field, span);
            if step + 1 < fields.len()
                && let Some(inner) = self.types.as_class(declared.ty)
            {
                class = inner;
            } else if self.types.is_ref(declared) {
                e = self.follow_reference(e)?;
            }
        }
        Ok(e)
    }

    /// The object that a stored reference refers to.
    pub(super) fn follow_reference(&mut self, place: Expr) -> Res<Expr> {
        let span = place.span;
        let pointer = self.load(place);
        match self.types.pointee(pointer.ty.ty) {
            Some(to) => Ok(Expr::object(ExprKind::Deref(Box::new(pointer)), to, span)),
            None => Ok(pointer),
        }
    }

    fn index_expr(
        &mut self,
        scope: ScopeId,
        base: &tree::Expr,
        index: &tree::Expr,
        at: Range,
    ) -> Res<Expr> {
        let mut object = self.expr(scope, base)?;
        let span = start(at);
        if let Some(class) = self.types.as_class(object.ty.ty) {
            let name = SegmentName::Operator(tree::Operator::Index);
            if let Some(Found::Functions(candidates)) = self.operator_members(class, &name)? {
                let arg = match &index.kind {
                    Tree::InitList(list) => Arg::List(list, index.span, scope),
                    _ => Arg::Expr(self.expr(scope, index)?),
                };
                return self.overload("operator[]", candidates, &[], &[arg], Some(object), at);
            }
        }
        let mut index = self.expr(scope, index)?;
        // `i[p]` is `p[i]`.
        if self.types.as_scalar(object.ty.ty).is_some()
            && (self.types.pointee(index.ty.ty).is_some()
                || matches!(self.types.kind(index.ty.ty), Kind::Array(..)))
        {
            std::mem::swap(&mut object, &mut index);
        }
        let mut index = self.rvalue(index)?;
        if self.types.as_class(index.ty.ty).is_some() {
            index = self.convert(index, Qt::plain(Ty::INT), at)?;
        }
        match self.types.as_scalar(index.ty.ty) {
            Some(scalar) if !scalar.is_float() => {
                if !scalar.is_int() || matches!(self.types.kind(index.ty.ty), Kind::Enum(_)) {
                    let wide = Ty::scalar(crate::sema::convert::promote(scalar));
                    index = self.scalar_cast(index, wide, span);
                }
            }
            _ => {
                let message = format!("an index is an integer, not a `{}`", self.show(index.ty));
                return self.err(codes::BAD_OPERAND, at, message);
            }
        }
        let index = Box::new(index);
        match *self.types.kind(object.ty.ty) {
            Kind::Array(element, _) => {
                let space = self.space_of(&object);
                let ty = element.in_space(space);
                let object = if object.lvalue { object } else { self.temporary(object) };
                Ok(Expr::object(ExprKind::Element(Box::new(object), index), ty, span))
            }
            Kind::Matrix(scalar, _, rows) => {
                let ty = object.ty.with(self.types.vector(scalar, rows));
                let object = if object.lvalue { object } else { self.temporary(object) };
                Ok(Expr::object(ExprKind::Element(Box::new(object), index), ty, span))
            }
            Kind::Vector(scalar, n) | Kind::Packed(scalar, n) => {
                let ty = object.ty.with(Ty::scalar(scalar));
                if let ExprKind::Const(bits) = index.kind
                    && bits < n.into()
                {
                    let lvalue = object.lvalue;
                    let kind = ExprKind::Swizzle(Box::new(object), [bits as u8].into());
                    return Ok(Expr { kind, ty, lvalue, span });
                }
                let object = if object.lvalue { object } else { self.temporary(object) };
                Ok(Expr::object(ExprKind::Component(Box::new(object), index), ty, span))
            }
            Kind::Pointer(to) => {
                self.complete_type(to, at)?;
                if to.ty == Ty::VOID || self.types.layout(to.ty).is_none() {
                    let message = format!("a `{}` cannot be indexed", self.show(object.ty));
                    return self.err(codes::BAD_OPERAND, at, message);
                }
                let pointer_ty = object.ty.ty;
                let base = self.rvalue(object)?;
                let offset = ExprKind::Offset(Box::new(base), index);
                let offset = Expr::value(offset, pointer_ty, span);
                Ok(Expr::object(ExprKind::Deref(Box::new(offset)), to, span))
            }
            _ => {
                let message = format!("a `{}` cannot be indexed", self.show(object.ty));
                self.err(codes::BAD_OPERAND, at, message)
            }
        }
    }

    /// A cast.
    pub(super) fn cast(&mut self, kind: CastKind, to: Qt, e: Expr, at: Range) -> Res<Expr> {
        if e.is_error() {
            return Err(crate::sema::Reported);
        }
        let span = start(at);
        if to.ty == Ty::VOID {
            return Ok(Expr::value(ExprKind::Void(Box::new(e)), Ty::VOID, span));
        }
        if let Kind::Ref(target, rvalue) = *self.types.kind(to.ty) {
            if !e.lvalue {
                let value = self.cast(kind, target.unqualified(), e, at)?;
                return Ok(if target.is_const || rvalue { self.temporary(value) } else { value });
            }
            let space = self.space_of(&e);
            if space != target.space && kind != CastKind::CStyle {
                let message =
                    format!("a cast to `{}` cannot change the address space", self.show(to));
                return self.err(codes::CONVERSION, at, message);
            }
            if e.ty.ty == target.ty {
                return Ok(Expr { ty: target.in_space(space), ..e });
            }
            if kind != CastKind::Reinterpret
                && let (Some(a), Some(b)) =
                    (self.types.as_class(e.ty.ty), self.types.as_class(target.ty))
                && self.base_path(a, b).is_some()
            {
                return self.as_base(e, target, at);
            }
            let pointer = self.types.pointer(e.ty);
            let wanted = self.types.pointer(target);
            let address = Expr::value(ExprKind::Address(Box::new(e)), pointer, span);
            let cast = Expr::value(ExprKind::PointerCast(Box::new(address)), wanted, span);
            return Ok(Expr::object(ExprKind::Deref(Box::new(cast)), target, span));
        }
        self.complete_type(to, at)?;
        if self.types.as_class(to.ty).is_some() || self.types.as_class(e.ty.ty).is_some() {
            let outer = std::mem::replace(&mut self.explicit_allowed, true);
            let result = self.class_cast(to, e, at);
            self.explicit_allowed = outer;
            return result;
        }
        let e = self.rvalue(e)?;
        let from = e.ty;
        match (self.types.kind(from.ty).clone(), self.types.kind(to.ty).clone()) {
            _ if from.ty == to.ty => Ok(e),
            (Kind::Pointer(a), Kind::Pointer(b)) => {
                if a.space != b.space {
                    let message = format!(
                        "a cast from `{}` to `{}` would change the address space",
                        self.show(from),
                        self.show(to)
                    );
                    return self.err(codes::CONVERSION, at, message);
                }
                if kind == CastKind::Reinterpret {
                    return Ok(Expr::value(ExprKind::PointerCast(Box::new(e)), to.ty, span));
                }
                Ok(self.scalar_cast(e, to.ty, span))
            }
            (Kind::Pointer(_), Kind::Scalar(scalar)) if scalar != Scalar::Bool => {
                let whole = Expr::value(ExprKind::Convert(Box::new(e)), Ty::ULONG, span);
                Ok(self.scalar_cast(whole, to.ty, span))
            }
            (Kind::Scalar(scalar), Kind::Pointer(_)) if scalar.is_int() => {
                let whole = self.scalar_cast(e, Ty::ULONG, span);
                Ok(Expr::value(ExprKind::Convert(Box::new(whole)), to.ty, span))
            }
            (Kind::Nullptr, Kind::Pointer(_)) | (Kind::Pointer(_), Kind::Scalar(_)) => {
                Ok(self.scalar_cast(e, to.ty, span))
            }
            (Kind::Scalar(_) | Kind::Enum(_), Kind::Scalar(_) | Kind::Enum(_)) => {
                Ok(self.scalar_cast(e, to.ty, span))
            }
            (Kind::Scalar(_) | Kind::Enum(_), Kind::Vector(..) | Kind::Packed(..)) => {
                Ok(self.scalar_cast(e, to.ty, span))
            }
            (Kind::Vector(_, n) | Kind::Packed(_, n), Kind::Vector(_, m) | Kind::Packed(_, m))
                if n == m =>
            {
                Ok(Expr::value(ExprKind::Convert(Box::new(e)), to.ty, span))
            }
            (Kind::Scalar(_), Kind::Matrix(..)) => self.matrix_from(to, vec![e], at),
            (Kind::Matrix(_, c, r), Kind::Matrix(_, c2, r2)) if c == c2 && r == r2 => {
                self.matrix_convert(to, e, at)
            }
            _ => {
                let (from, to) = (self.show(from), self.show(to));
                self.err(codes::CONVERSION, at, format!("a `{from}` cannot be cast to `{to}`"))
            }
        }
    }

    fn class_cast(&mut self, to: Qt, e: Expr, at: Range) -> Res<Expr> {
        if e.ty.ty == to.ty {
            return Ok(self.load(e));
        }
        if let Some(class) = self.types.as_class(to.ty) {
            if let Some(from) = self.types.as_class(e.ty.ty)
                && self.base_path(from, class).is_some()
            {
                return self.convert(e, to, at);
            }
            let constructors = self.constructors(class)?;
            if !constructors.is_empty() {
                let arg = [Arg::Expr(e.clone())];
                let built =
                    self.attempt(|s| s.call_constructor(class, constructors.clone(), &arg, at));
                if let Ok(built) = built {
                    return Ok(built);
                }
                if self.types.as_class(e.ty.ty).is_none() {
                    return self.call_constructor(class, constructors, &arg, at);
                }
            }
        }
        // A class to a number goes through its own conversion, then an ordinary one.
        match self.attempt(|s| s.convert(e.clone(), to, at)) {
            Ok(value) => Ok(value),
            Err(_) => {
                for middle in [Ty::FLOAT, Ty::INT, Ty::UINT] {
                    let step = self.attempt(|s| s.convert(e.clone(), Qt::plain(middle), at));
                    if let (Ok(step), Some(_)) = (step, self.types.as_scalar(to.ty)) {
                        return Ok(self.scalar_cast(step, to.ty, start(at)));
                    }
                }
                self.convert(e, to, at)
            }
        }
    }

    fn as_type(&mut self, to: Qt, e: Expr, at: Range) -> Res<Expr> {
        let e = self.rvalue(e)?;
        let span = start(at);
        if e.ty.ty == to.ty {
            return Ok(e);
        }
        let bits = |s: &Self, ty: Ty| match s.types.kind(ty) {
            Kind::Scalar(scalar) => Some(scalar.size()),
            // `as_type` may use the padding of a vector of three.
            Kind::Vector(scalar, n) => Some(scalar.size() * u64::from(n.next_power_of_two())),
            Kind::Packed(scalar, n) => Some(scalar.size() * u64::from(*n)),
            Kind::Enum(_) | Kind::Pointer(_) => s.types.layout(ty).map(|layout| layout.size),
            _ => None,
        };
        match (bits(self, e.ty.ty), bits(self, to.ty)) {
            (Some(a), Some(b)) if a == b => {
                Ok(Expr::value(ExprKind::Bitcast(Box::new(e)), to.ty, span))
            }
            _ => {
                let message = format!(
                    "`as_type` needs types of one size, not `{}` and `{}`",
                    self.show(e.ty),
                    self.show(to)
                );
                self.err(codes::CONVERSION, at, message)
            }
        }
    }

    fn fold(
        &mut self,
        scope: ScopeId,
        op: tree::FoldOp,
        left: Option<&tree::Expr>,
        right: Option<&tree::Expr>,
        idents: &tree::Idents,
        at: Range,
    ) -> Res<Expr> {
        let _ = idents;
        // The pack is on the side that names one.
        let has_pack = |s: &mut Self, e: Option<&tree::Expr>| {
            e.is_some_and(|e| {
                let names: tree::Idents = names_of(e).into();
                s.attempt(|s| s.expansion_scopes(scope, &names, at)).is_ok()
            })
        };
        let (pattern, init, pack_left) = match (left, right) {
            (Some(a), None) => (a, None, true),
            (None, Some(b)) => (b, None, false),
            (Some(a), Some(b)) => {
                if has_pack(self, Some(a)) {
                    (a, Some(b), true)
                } else {
                    (b, Some(a), false)
                }
            }
            (None, None) => return Err(crate::sema::Reported),
        };
        let names: tree::Idents = names_of(pattern).into();
        let mut operands = Vec::new();
        for scope in self.expansion_scopes(scope, &names, at)? {
            operands.push(self.expr(scope, pattern)?);
        }
        let init = match init {
            Some(init) => Some(self.expr(scope, init)?),
            None => None,
        };
        // `(p op ...)` nests to the right, `(... op p)` to the left.
        let result = if pack_left {
            let mut operands = operands.into_iter().rev();
            let mut result = init.or_else(|| operands.next());
            for operand in operands {
                result = match result {
                    Some(result) => Some(self.fold_step(scope, op, operand, result, at)?),
                    None => Some(operand),
                };
            }
            result
        } else {
            let mut operands = operands.into_iter();
            let mut result = init.or_else(|| operands.next());
            for operand in operands {
                result = match result {
                    Some(result) => Some(self.fold_step(scope, op, result, operand, at)?),
                    None => Some(operand),
                };
            }
            result
        };
        if let Some(result) = result {
            return Ok(result);
        }
        let span = start(at);
        match op {
            tree::FoldOp::Binary(tree::BinaryOp::LogAnd) => {
                Ok(Expr::value(ExprKind::Const(1), Ty::BOOL, span))
            }
            tree::FoldOp::Binary(tree::BinaryOp::LogOr) => {
                Ok(Expr::value(ExprKind::Const(0), Ty::BOOL, span))
            }
            tree::FoldOp::Comma => Ok(Expr::value(ExprKind::Zero, Ty::VOID, span)),
            _ => self.err(codes::PACK, at, "a fold over an empty pack has no value here"),
        }
    }

    fn fold_step(
        &mut self,
        scope: ScopeId,
        op: tree::FoldOp,
        a: Expr,
        b: Expr,
        at: Range,
    ) -> Res<Expr> {
        match op {
            tree::FoldOp::Binary(op) => self.binary_exprs(scope, op, a, b, at),
            tree::FoldOp::Assign(op) => self.assign_exprs(scope, op, a, b, at),
            tree::FoldOp::Comma => {
                let (ty, lvalue) = (b.ty, b.lvalue);
                let kind = ExprKind::Comma(Box::new(a), Box::new(b));
                Ok(Expr { kind, ty, lvalue, span: start(at) })
            }
        }
    }
}

/// The identifiers in an expression.
pub(super) fn names_of(e: &tree::Expr) -> Vec<crate::syntax::symbol::Symbol> {
    let mut names = Vec::new();
    collect(e, &mut names);
    names
}

fn collect(e: &tree::Expr, names: &mut Vec<crate::syntax::symbol::Symbol>) {
    let path = |path: &Path, names: &mut Vec<_>| {
        for segment in &path.segments {
            if let SegmentName::Ident(name) = segment.name {
                names.push(name);
            }
            for arg in segment.args.iter().flatten() {
                collect_arg(arg, names);
            }
        }
    };
    match &e.kind {
        Tree::Path(p) => path(p, names),
        Tree::Paren(e)
        | Tree::Unary(_, e)
        | Tree::SizeofExpr(e)
        | Tree::Noexcept(e)
        | Tree::Designated(_, e) => collect(e, names),
        Tree::Binary(_, a, b) | Tree::Assign(_, a, b) | Tree::Comma(a, b) | Tree::Index(a, b) => {
            collect(a, names);
            collect(b, names);
        }
        Tree::Cond(a, b, c) => {
            collect(a, names);
            collect(b, names);
            collect(c, names);
        }
        Tree::Call(f, args) => {
            collect(f, names);
            args.iter().for_each(|arg| collect(arg, names));
        }
        Tree::Member { base, path: p, .. } => {
            collect(base, names);
            for arg in p.last().args.iter().flatten() {
                collect_arg(arg, names);
            }
        }
        Tree::Cast(_, ty, e) | Tree::AsType(ty, e) => {
            collect_type(ty, names);
            collect(e, names);
        }
        Tree::Construct(ty, args) | Tree::BraceConstruct(ty, args) => {
            collect_type(ty, names);
            args.iter().for_each(|arg| collect(arg, names));
        }
        Tree::InitList(args) => args.iter().for_each(|arg| collect(arg, names)),
        Tree::SizeofType(ty) | Tree::Alignof(ty) => collect_type(ty, names),
        Tree::Lambda(lambda) => names.extend(lambda.idents.iter().copied()),
        Tree::Expansion(_, idents) | Tree::Fold { idents, .. } => {
            names.extend(idents.iter().copied());
        }
        Tree::Int(..)
        | Tree::Float(..)
        | Tree::Bool(_)
        | Tree::Char(_)
        | Tree::Str(_)
        | Tree::Nullptr
        | Tree::This
        | Tree::SizeofPack(_)
        | Tree::Error => {}
    }
}

fn collect_arg(arg: &tree::TemplateArg, names: &mut Vec<crate::syntax::symbol::Symbol>) {
    match arg {
        tree::TemplateArg::Type(ty) => collect_type(ty, names),
        tree::TemplateArg::Value(e) => collect(e, names),
        tree::TemplateArg::Expansion(_, idents) => names.extend(idents.iter().copied()),
    }
}

fn collect_type(ty: &tree::TypeName, names: &mut Vec<crate::syntax::symbol::Symbol>) {
    match &ty.spec.ty {
        tree::TypeSpec::Path(path) => {
            for segment in &path.segments {
                if let SegmentName::Ident(name) = segment.name {
                    names.push(name);
                }
                for arg in segment.args.iter().flatten() {
                    collect_arg(arg, names);
                }
            }
        }
        tree::TypeSpec::Decltype(Some(e)) => collect(e, names),
        _ => {}
    }
    for chunk in &ty.chunks {
        if let tree::Chunk::Array(Some(size)) = chunk {
            collect(size, names);
        }
    }
}
