//! Conversions: which exist, how good they are, and what they become.

use crate::diagnostic::{Range, Span};
use crate::sema::codes;
use crate::sema::hir::{Expr, ExprKind, Value};
use crate::sema::scope::ScopeId;
use crate::sema::types::{Kind, Qt, Scalar, Space, Ty};
use crate::sema::{Res, Sema};
use crate::syntax::tree;

/// How good a conversion is; less is better.
pub(super) type Rank = (u8, u8);

pub(super) const EXACT: u8 = 0;
pub(super) const ADJUST: u8 = 1;
pub(super) const PROMOTE: u8 = 2;
pub(super) const CONVERT: u8 = 3;
pub(super) const SPLAT: u8 = 4;
/// Metal has no implicit conversion between bfloat and the other floats; allowed, but last.
pub(super) const LENIENT: u8 = 5;
pub(super) const USER: u8 = 6;

/// An argument of a call or initialiser.
#[derive(Debug, Clone)]
pub(super) enum Arg<'t> {
    /// An expression.
    Expr(Expr),
    /// A braced list.
    List(&'t [tree::Expr], Range, ScopeId),
}

impl Sema<'_> {
    /// The value of an expression, arrays becoming pointers.
    pub(super) fn rvalue(&mut self, e: Expr) -> Res<Expr> {
        if let Kind::Array(element, _) = *self.types.kind(e.ty.ty) {
            let span = e.span;
            let element = element.in_space(if e.lvalue {
                self.object_space(&e, element)
            } else {
                element.space
            });
            let pointer = self.types.pointer(element);
            let object = if e.lvalue { e } else { self.temporary(e) };
            let address = Expr::value(ExprKind::Address(Box::new(object)), pointer, span);
            return Ok(address);
        }
        Ok(self.load(e))
    }

    fn object_space(&self, e: &Expr, element: Qt) -> Space {
        if element.space == Space::Thread { e.ty.space } else { element.space }
    }

    /// Reads an object.
    pub(super) fn load(&mut self, e: Expr) -> Expr {
        if !e.lvalue {
            return e;
        }
        let (span, ty) = (e.span, e.ty.ty);
        if let Some(bits) = self.known_scalar(&e) {
            return Expr::value(ExprKind::Const(bits), ty, span);
        }
        Expr::value(ExprKind::Load(Box::new(e)), ty, span)
    }

    /// The bits of a constant object, where they are known already.
    fn known_scalar(&mut self, e: &Expr) -> Option<u64> {
        self.types.as_scalar(e.ty.ty)?;
        match &e.kind {
            ExprKind::Local(id) => match &self.fx.locals[id.0 as usize].constant {
                Some(Value::Bits(bits)) => Some(*bits),
                _ => None,
            },
            ExprKind::Global(id) => {
                if self.globals[id.0 as usize].kind == crate::sema::GlobalKind::Threadgroup {
                    return None;
                }
                match self.attempt(|s| s.global_value(*id)) {
                    Ok(Value::Bits(bits)) => Some(bits),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Gives a value a place in thread memory.
    pub(super) fn temporary(&mut self, e: Expr) -> Expr {
        let (ty, span) = (e.ty.unqualified(), e.span);
        Expr::object(ExprKind::Temporary(Box::new(e)), ty, span)
    }

    /// Whether an argument converts implicitly to a parameter type, and how well.
    pub(super) fn implicit(&mut self, arg: &Arg<'_>, to: Qt) -> Option<Rank> {
        match arg {
            Arg::Expr(e) => self.implicit_expr(e, to),
            Arg::List(list, at, scope) => {
                let (scope, at) = (*scope, *at);
                let to = self.types.deref(to);
                let result = self.attempt(|s| s.brace_init(scope, to, list, at));
                result.ok().map(|_| (USER, 0))
            }
        }
    }

    pub(super) fn implicit_expr(&mut self, e: &Expr, to: Qt) -> Option<Rank> {
        if e.is_error() {
            return Some((EXACT, 0));
        }
        let Kind::Ref(target, rvalue) = *self.types.kind(to.ty) else {
            return self.implicit_value(e, to).map(|rank| (rank, 0));
        };
        let target = self.with_element_quals(target);
        let from = self.with_element_quals(e.ty);
        let added = u8::from(target.is_const && !e.ty.is_const)
            + u8::from(target.is_volatile && !e.ty.is_volatile);
        let related = self.related(e.ty, target);
        if e.lvalue
            && let Some(rank) = related
            && keeps_const(from, target)
            && (target.is_volatile || !from.is_volatile)
            && self.space_of(e) == target.space
        {
            return if rvalue { None } else { Some((rank, added)) };
        }
        if !e.lvalue && related.is_some() && target.space == Space::Thread {
            return match (rvalue, target.is_const) {
                (true, _) => Some((EXACT, 0)),
                (false, true) => Some((EXACT, 1 + added)),
                (false, false) => None,
            };
        }
        // A value of another type, or in another address space, is copied.
        if (target.is_const || rvalue) && target.space == Space::Thread {
            if e.lvalue && related.is_some() {
                return Some((CONVERT, 2));
            }
            return self.implicit_value(e, target).map(|rank| (rank.max(ADJUST), 1));
        }
        None
    }

    /// An array type with its elements' qualifiers, which are the array's too.
    fn with_element_quals(&self, mut ty: Qt) -> Qt {
        let element = self.element_type(ty);
        ty.is_const |= element.is_const;
        ty.is_volatile |= element.is_volatile;
        if ty.space == Space::Thread {
            ty.space = element.space;
        }
        ty
    }

    /// The space in which an object is.
    pub(super) fn space_of(&self, e: &Expr) -> Space {
        match *self.types.kind(e.ty.ty) {
            Kind::Array(element, _) if e.ty.space == Space::Thread => element.space,
            _ => e.ty.space,
        }
    }

    /// Whether a reference to `to` can refer to a `from`: the same type or a base.
    fn related(&mut self, from: Qt, to: Qt) -> Option<u8> {
        if from.ty == to.ty {
            return Some(EXACT);
        }
        match (self.types.kind(from.ty).clone(), self.types.kind(to.ty).clone()) {
            (Kind::Class(from), Kind::Class(to)) => self.base_path(from, to).map(|_| CONVERT),
            (Kind::Array(a, n), Kind::Array(b, m)) => {
                (a.ty == b.ty && (n == m || m.is_none())).then_some(EXACT)
            }
            _ => None,
        }
    }

    fn implicit_value(&mut self, e: &Expr, to: Qt) -> Option<u8> {
        let from = e.ty.ty;
        if from == to.ty {
            return Some(EXACT);
        }
        match (self.types.kind(from).clone(), self.types.kind(to.ty).clone()) {
            (_, Kind::Error) => Some(EXACT),
            (Kind::Scalar(a), Kind::Scalar(b)) => Some(scalar_rank(a, b)),
            (Kind::Enum(id), Kind::Scalar(b)) => {
                let info = &self.types.enums[id.0 as usize];
                if info.scoped {
                    return None;
                }
                let promoted = promote(info.underlying);
                Some(if b == promoted { PROMOTE } else { CONVERT })
            }
            (Kind::Scalar(_), Kind::Vector(..) | Kind::Packed(..)) => Some(SPLAT),
            (Kind::Vector(a, n), Kind::Packed(b, m)) | (Kind::Packed(a, n), Kind::Vector(b, m)) => {
                (a == b && n == m).then_some(CONVERT)
            }
            (Kind::Nullptr, Kind::Pointer(_)) => Some(CONVERT),
            (Kind::Pointer(_) | Kind::Nullptr, Kind::Scalar(Scalar::Bool)) => Some(CONVERT),
            (Kind::Scalar(s), Kind::Pointer(_)) if s.is_int() => {
                matches!(e.kind, ExprKind::Const(0)).then_some(CONVERT)
            }
            (Kind::Array(element, _), Kind::Pointer(target)) => {
                let space = self.object_space(e, element);
                let element = element.in_space(if e.lvalue { space } else { element.space });
                self.pointer_rank(element, target).map(|rank| rank.max(ADJUST))
            }
            (Kind::Pointer(a), Kind::Pointer(b)) => self.pointer_rank(a, b),
            (Kind::Class(_), Kind::Class(_)) if self.related(e.ty, to).is_some() => Some(CONVERT),
            (Kind::Class(_), _) | (_, Kind::Class(_)) => self.user_conversion(e, to),
            _ => None,
        }
    }

    fn pointer_rank(&mut self, from: Qt, to: Qt) -> Option<u8> {
        if from.space != to.space || !keeps_const(from, to) || from.is_volatile && !to.is_volatile {
            return None;
        }
        if to.ty == Ty::VOID && from.ty != Ty::VOID {
            return Some(CONVERT);
        }
        match self.related(from, to) {
            Some(EXACT) if from == to => Some(EXACT),
            Some(EXACT) => Some(ADJUST),
            other => other,
        }
    }

    fn user_conversion(&mut self, e: &Expr, to: Qt) -> Option<u8> {
        if self.in_user_conversion {
            return None;
        }
        self.in_user_conversion = true;
        let found = self.attempt(|s| s.convert_by_user(e.clone(), to, e.span.into()));
        self.in_user_conversion = false;
        found.ok().map(|_| USER)
    }

    /// Converts through a constructor or conversion function.
    fn convert_by_user(&mut self, e: Expr, to: Qt, at: Range) -> Res<Expr> {
        if let Some(class) = self.types.as_class(to.ty) {
            let candidates = self.constructors(class)?;
            let implicit: Vec<_> = candidates
                .into_iter()
                .filter(|candidate| match candidate {
                    crate::sema::lookup::Candidate::Source(method) => {
                        !method.decl.spec.flags.is_explicit
                    }
                    crate::sema::lookup::Candidate::Builtin(_) => false,
                })
                .collect();
            let outer = std::mem::replace(&mut self.in_user_conversion, true);
            let args = [Arg::Expr(e.clone())];
            let built = self.attempt(|s| s.call_constructor(class, implicit, &args, at));
            self.in_user_conversion = outer;
            if let Ok(built) = built {
                return Ok(built);
            }
        }
        let Some(class) = self.types.as_class(e.ty.ty) else {
            return self.no_conversion(&e, to, at);
        };
        // The conversion function whose result converts best.
        let candidates = self.conversions(class)?;
        let mut best: Option<(Rank, Expr)> = None;
        for candidate in candidates {
            let outer = std::mem::replace(&mut self.in_user_conversion, true);
            let tried = self.attempt(|s| {
                let value = s.call_conversion(&candidate, e.clone(), to, at)?;
                let rank = s.implicit_expr(&value, to).ok_or(crate::sema::Reported)?;
                Ok((rank, value))
            });
            self.in_user_conversion = outer;
            if let Ok((rank, value)) = tried
                && best.as_ref().is_none_or(|(old, _)| rank < *old)
            {
                best = Some((rank, value));
            }
        }
        match best {
            Some((_, value)) => {
                let outer = std::mem::replace(&mut self.in_user_conversion, true);
                let result = self.convert(value, to, at);
                self.in_user_conversion = outer;
                result
            }
            None => self.no_conversion(&e, to, at),
        }
    }

    fn no_conversion<T>(&mut self, e: &Expr, to: Qt, at: Range) -> Res<T> {
        if e.is_error() {
            return Err(crate::sema::Reported);
        }
        let (from, to) = (self.show(e.ty), self.show(to));
        self.err(codes::CONVERSION, at, format!("a `{from}` does not convert to `{to}`"))
    }

    /// Converts an argument to a parameter's type; references become pointers.
    pub(super) fn convert_arg(&mut self, arg: &Arg<'_>, to: Qt) -> Res<Expr> {
        match arg {
            Arg::Expr(e) => self.convert_to(e.clone(), to, e.span.into()),
            Arg::List(list, at, scope) => {
                let target = self.types.deref(to);
                let value = self.brace_init(*scope, target, list, *at)?;
                self.convert_to(value, to, *at)
            }
        }
    }

    /// Converts to a type that may be a reference, which becomes a pointer.
    pub(super) fn convert_to(&mut self, e: Expr, to: Qt, at: Range) -> Res<Expr> {
        let Kind::Ref(target, _) = *self.types.kind(to.ty) else {
            return self.convert(e, to, at);
        };
        let span = e.span;
        let Some(_) = self.implicit_expr(&e, to) else {
            let (from, shown) = (self.show(e.ty), self.show(to));
            let why = match e.lvalue {
                true if self.space_of(&e) != target.space => "it is in another address space",
                true if e.ty.is_const && !target.is_const => "it is const",
                true => "the types differ",
                false => "a value that is no object cannot be changed",
            };
            let message = format!("a `{shown}` cannot refer to this `{from}`: {why}");
            return self.err(codes::CONVERSION, at, message);
        };
        let space = self.with_element_quals(target).space;
        let direct = e.lvalue && self.related(e.ty, target).is_some() && self.space_of(&e) == space;
        let object = if direct {
            self.as_base(e, target, at)?
        } else {
            let value = self.convert(e, target.unqualified(), at)?;
            self.temporary(value)
        };
        let pointer = self.types.pointer(target);
        Ok(Expr::value(ExprKind::Address(Box::new(object)), pointer, span))
    }

    /// An object as one of its bases.
    pub(super) fn as_base(&mut self, e: Expr, target: Qt, _at: Range) -> Res<Expr> {
        let (Some(from), Some(to)) = (self.types.as_class(e.ty.ty), self.types.as_class(target.ty))
        else {
            return Ok(e);
        };
        let Some(path) = self.base_path(from, to) else { return Ok(e) };
        Ok(self.follow(e, from, &path))
    }

    fn follow(
        &mut self,
        mut e: Expr,
        from: crate::sema::types::ClassId,
        path: &[Option<u32>],
    ) -> Expr {
        let mut class = from;
        for (step, field) in path.iter().enumerate() {
            let span = e.span;
            let base = match field {
                Some(field) => self.class(class).fields[*field as usize].ty,
                None => {
                    // An empty base: any of that class would do, find it by what follows.
                    let _ = step;
                    let bases = self.class(class).bases.clone();
                    match bases.iter().find(|(_, own)| own.is_none()) {
                        Some((base, _)) => self.class_type(*base),
                        None => return e,
                    }
                }
            };
            let ty = e.ty.with(base.ty);
            let lvalue = e.lvalue;
            let kind = match field {
                Some(field) => ExprKind::Field(Box::new(e), *field),
                None => ExprKind::Reinterpret(Box::new(e)),
            };
            e = Expr { kind, ty, lvalue, span };
            match self.types.as_class(base.ty) {
                Some(next) => class = next,
                None => return e,
            }
        }
        e
    }

    /// Converts implicitly to a type that is no reference.
    pub(super) fn convert(&mut self, e: Expr, to: Qt, at: Range) -> Res<Expr> {
        if e.is_error() || to.ty == Ty::ERROR {
            return Err(crate::sema::Reported);
        }
        if e.ty.ty == to.ty {
            return Ok(self.load(e));
        }
        let span = e.span;
        match (self.types.kind(e.ty.ty).clone(), self.types.kind(to.ty).clone()) {
            (Kind::Class(from), Kind::Class(target)) => {
                if let Some(path) = self.base_path(from, target) {
                    let base = self.follow(e, from, &path);
                    return Ok(self.load(base));
                }
                if self.in_user_conversion {
                    return self.no_conversion(&e, to, at);
                }
                self.convert_by_user(e, to, at)
            }
            (Kind::Class(_), _) | (_, Kind::Class(_)) => {
                if self.in_user_conversion {
                    return self.no_conversion(&e, to, at);
                }
                self.convert_by_user(e, to, at)
            }
            _ => {
                if self.implicit_value(&e, to).is_none() {
                    return self.no_conversion(&e, to, at);
                }
                let e = self.rvalue(e)?;
                Ok(self.scalar_cast(e, to.ty, span))
            }
        }
    }

    /// Converts between scalars, vectors and pointers without asking whether one may.
    pub(super) fn scalar_cast(&mut self, e: Expr, to: Ty, span: Span) -> Expr {
        if e.ty.ty == to {
            return e;
        }
        let from = self.types.kind(e.ty.ty).clone();
        match (from, self.types.kind(to).clone()) {
            (
                Kind::Scalar(_) | Kind::Enum(_),
                Kind::Vector(scalar, _) | Kind::Packed(scalar, _),
            ) => {
                let element = self.scalar_cast(e, Ty::scalar(scalar), span);
                Expr::value(ExprKind::Splat(Box::new(element)), to, span)
            }
            (Kind::Scalar(_), Kind::Matrix(..)) => e,
            (Kind::Nullptr, Kind::Pointer(_)) => Expr::value(ExprKind::Const(0), to, span),
            (Kind::Nullptr, Kind::Scalar(_)) => Expr::value(ExprKind::Const(0), to, span),
            (Kind::Pointer(_), Kind::Pointer(_)) => self.pointer_to_base(e, to, span),
            (Kind::Scalar(_), Kind::Pointer(_)) if matches!(e.kind, ExprKind::Const(0)) => {
                Expr::value(ExprKind::Const(0), to, span)
            }
            (Kind::Pointer(_), Kind::Scalar(Scalar::Bool)) => {
                let null = Expr::value(ExprKind::Const(0), e.ty.ty, span);
                let kind = ExprKind::Compare(crate::ir::CompareOp::Ne, Box::new(e), Box::new(null));
                Expr::value(kind, Ty::BOOL, span)
            }
            (from, target) => {
                if let ExprKind::Const(bits) = e.kind
                    && let (Some(a), Some(b)) =
                        (self.types.as_scalar(e.ty.ty), self.types.as_scalar(to))
                {
                    let bits = crate::sema::consteval::convert(bits, a, b);
                    return Expr::value(ExprKind::Const(bits), to, span);
                }
                let _ = (from, target);
                Expr::value(ExprKind::Convert(Box::new(e)), to, span)
            }
        }
    }

    fn pointer_to_base(&mut self, e: Expr, to: Ty, span: Span) -> Expr {
        let (Some(a), Some(b)) = (self.types.pointee(e.ty.ty), self.types.pointee(to)) else {
            return e;
        };
        if let (Some(from), Some(target)) = (self.types.as_class(a.ty), self.types.as_class(b.ty))
            && from != target
            && let Some(path) = self.base_path(from, target)
        {
            let object = Expr::object(ExprKind::Deref(Box::new(e)), a, span);
            let base = self.follow(object, from, &path);
            return Expr::value(ExprKind::Address(Box::new(base)), to, span);
        }
        Expr::value(ExprKind::PointerCast(Box::new(e)), to, span)
    }

    /// A truth value.
    pub(super) fn condition(&mut self, e: Expr) -> Res<Expr> {
        let at = e.span;
        self.convert(e, Qt::plain(Ty::BOOL), at.into())
    }
}

/// The type that integral promotion gives.
pub(super) fn promote(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Bool | Scalar::I8 | Scalar::U8 | Scalar::I16 | Scalar::U16 => Scalar::I32,
        other => other,
    }
}

/// The common type of two arithmetic operands.
pub(super) fn arithmetic(a: Scalar, b: Scalar) -> Scalar {
    if a.is_float() || b.is_float() {
        return match (a, b) {
            (Scalar::F32, _) | (_, Scalar::F32) => Scalar::F32,
            (Scalar::F16, Scalar::BF16) | (Scalar::BF16, Scalar::F16) => Scalar::F32,
            (Scalar::F16, _) | (_, Scalar::F16) => Scalar::F16,
            _ => Scalar::BF16,
        };
    }
    let (a, b) = (promote(a), promote(b));
    match (a.size().cmp(&b.size()), a.is_signed()) {
        (std::cmp::Ordering::Greater, _) => a,
        (std::cmp::Ordering::Less, _) => b,
        (std::cmp::Ordering::Equal, true) => b,
        (std::cmp::Ordering::Equal, false) => a,
    }
}

fn scalar_rank(from: Scalar, to: Scalar) -> u8 {
    if from == to {
        EXACT
    } else if promote(from) == to && promote(from) != from {
        PROMOTE
    } else if (from == Scalar::BF16) != (to == Scalar::BF16) && from.is_float() && to.is_float() {
        if to == Scalar::F32 { CONVERT } else { LENIENT }
    } else {
        CONVERT
    }
}

/// Whether a reference or pointer to `to` promises not to change a `from` that is const. Nothing
/// in the constant address space can change, with `const` or without.
fn keeps_const(from: Qt, to: Qt) -> bool {
    to.is_const || !from.is_const || to.space == Space::Constant
}
