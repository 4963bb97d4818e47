//! Expressions with loadable values.

use crate::builtin;
use crate::ir::{self, BinaryOp, Op, Type, ValueId};
use crate::lower::Lower;
use crate::sema::Res;
use crate::sema::hir::{Expr, ExprKind, FnId, Intrinsic, Value};
use crate::sema::types::{Kind, Qt, Ty};

impl Lower<'_, '_, '_, '_> {
    /// The value of an expression.
    pub(super) fn value(&mut self, e: &Expr) -> Res<ValueId> {
        let span = ir::Span(e.span.index());
        self.b.span = span;
        let value = match &e.kind {
            ExprKind::Const(bits) => {
                let ty = self.value_ty(e.ty.ty);
                self.b.constant(*bits, ty)
            }
            ExprKind::Zero => {
                let ty = self.value_ty(e.ty.ty);
                self.zero_value(ty)
            }
            ExprKind::Constant(value) => self.constant(value, e.ty)?,
            ExprKind::Load(place) => match &place.kind {
                ExprKind::Assign(object, value) if self.is_loadable(object.ty.ty) => {
                    let (place, value) = self.assign(object, value)?;
                    match value {
                        Some(value) => value,
                        None => self.read(&place, object.ty)?,
                    }
                }
                ExprKind::Update { object, value, postfix: false } => self.update(object, value)?.1,
                _ => {
                    let found = self.place(place)?;
                    self.b.span = span;
                    self.read(&found, place.ty)?
                }
            },
            ExprKind::Address(place) => {
                let address = self.address(place)?;
                let ty = self.ty(e.ty.ty);
                if self.b.ty(address) == ty {
                    address
                } else {
                    self.b.emit(Op::PtrCast(address), ty)
                }
            }
            ExprKind::Swizzle(base, lanes) => {
                let vector = self.value(base)?;
                self.lanes(vector, lanes)
            }
            ExprKind::Unary(op, a) => {
                let a = self.value(a)?;
                self.b.span = span;
                self.b.unary(*op, a)
            }
            ExprKind::Binary(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.b.span = span;
                self.b.binary(*op, a, b)
            }
            ExprKind::Fma(a, b, c) => {
                let (a, b, c) = (self.value(a)?, self.value(b)?, self.value(c)?);
                self.b.span = span;
                self.b.fma(a, b, c)
            }
            ExprKind::Compare(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.b.span = span;
                self.b.compare(*op, a, b)
            }
            ExprKind::Offset(pointer, index) => {
                let to = self.shared.sema.types.pointee(pointer.ty.ty);
                let (pointer, index) = (self.value(pointer)?, self.value(index)?);
                let ty = match to {
                    Some(to) => self.ty(to.ty),
                    None => Type::U8,
                };
                self.b.span = span;
                self.b.element(pointer, ty, index)
            }
            ExprKind::Distance(a, b) => {
                let to = self.shared.sema.types.pointee(a.ty.ty);
                let (a, b) = (self.value(a)?, self.value(b)?);
                let ty = match to {
                    Some(to) => self.ty(to.ty),
                    None => Type::U8,
                };
                self.b.emit(Op::PtrDiff { a, b, ty }, Type::I64)
            }
            ExprKind::And(a, b) => self.short_circuit(a, b, BinaryOp::And)?,
            ExprKind::Or(a, b) => self.short_circuit(a, b, BinaryOp::Or)?,
            ExprKind::Cond(c, a, b) => {
                let cond = self.value(c)?;
                let per_component = self.shared.sema.types.as_vector(c.ty.ty).is_some();
                if per_component || self.is_harmless(a, 6) && self.is_harmless(b, 6) {
                    let (a, b) = (self.value(a)?, self.value(b)?);
                    self.b.span = span;
                    self.b.select(cond, a, b)
                } else {
                    let ty = self.value_ty(e.ty.ty);
                    let (region, results) = self.b.open_if(cond, &[ty]);
                    let value = self.value(a)?;
                    self.b.exit(region, &[value]);
                    self.b.open_else();
                    let value = self.value(b)?;
                    self.b.exit(region, &[value]);
                    self.b.close();
                    results[0]
                }
            }
            ExprKind::Comma(a, b) => {
                self.effect(a)?;
                self.value(b)?
            }
            ExprKind::Update { object, value, postfix: true } => self.update(object, value)?.2,
            ExprKind::Old => match self.old.last() {
                Some(&value) => value,
                None => return self.error(e.span, "an old value outside an update"),
            },
            ExprKind::Convert(a) => {
                let ty = self.value_ty(e.ty.ty);
                let value = self.value(a)?;
                self.b.span = span;
                self.b.convert(value, ty)
            }
            ExprKind::Bitcast(a) => {
                let ty = self.value_ty(e.ty.ty);
                let value = self.value(a)?;
                self.bitcast(value, ty)
            }
            ExprKind::PointerCast(a) => {
                let ty = self.ty(e.ty.ty);
                let value = self.value(a)?;
                self.b.emit(Op::PtrCast(value), ty)
            }
            ExprKind::Splat(a) => {
                let ty = self.value_ty(e.ty.ty);
                let value = self.value(a)?;
                self.b.emit(Op::Splat(value), ty)
            }
            ExprKind::Vector(parts) => self.vector(parts, e.ty)?,
            ExprKind::Call(id, args) => match self.call(*id, args, None)? {
                Some(value) => value,
                None => return self.error(e.span, "the call has no value"),
            },
            ExprKind::Builtin(_) => match self.library(e)? {
                Some(value) => value,
                None => return self.error(e.span, "the call has no value"),
            },
            ExprKind::Intrinsic(which, args) => match self.intrinsic(*which, args, e.ty)? {
                Some(value) => value,
                None => return self.error(e.span, "the call has no value"),
            },
            ExprKind::Field(..)
            | ExprKind::Temporary(_)
            | ExprKind::Reinterpret(_)
            | ExprKind::Element(..)
            | ExprKind::Component(..)
            | ExprKind::Local(_)
            | ExprKind::Global(_)
            | ExprKind::Deref(_)
            | ExprKind::Assign(..)
            | ExprKind::Update { .. } => {
                let place = self.place(e)?;
                self.read(&place, e.ty)?
            }
            ExprKind::Aggregate(_) | ExprKind::New(..) => {
                return self.error(e.span, "an aggregate where a value is needed");
            }
            ExprKind::Function(_) => {
                return self.error(e.span, "the address of a function cannot be stored");
            }
            ExprKind::Void(a) => {
                self.effect(a)?;
                self.b.i32(0)
            }
        };
        self.b.span = span;
        Ok(value)
    }

    pub(super) fn is_loadable(&self, ty: Ty) -> bool {
        !self.shared.sema.types.is_aggregate(ty) && ty != Ty::VOID
    }

    /// Evaluates for effects only.
    pub(super) fn effect(&mut self, e: &Expr) -> Res<()> {
        self.b.span = ir::Span(e.span.index());
        match &e.kind {
            ExprKind::Assign(object, value) => {
                self.assign(object, value)?;
            }
            ExprKind::Update { object, value, .. } => {
                self.update(object, value)?;
            }
            ExprKind::Comma(a, b) => {
                self.effect(a)?;
                self.effect(b)?;
            }
            ExprKind::Void(a) => self.effect(a)?,
            ExprKind::Builtin(_) => {
                self.library(e)?;
            }
            ExprKind::Intrinsic(which, args) => {
                self.intrinsic(*which, args, e.ty)?;
            }
            ExprKind::Call(id, args) => {
                let result = self.shared.sema.types.is_aggregate(e.ty.ty);
                let result = result.then(|| self.temp(e.ty));
                self.call(*id, args, result)?;
            }
            ExprKind::Cond(c, a, b) if e.ty.ty == Ty::VOID => {
                let cond = self.value(c)?;
                self.b.open_if(cond, &[]);
                self.effect(a)?;
                self.b.open_else();
                self.effect(b)?;
                self.b.close();
            }
            ExprKind::Zero if e.ty.ty == Ty::VOID => {}
            ExprKind::Deref(inner) if matches!(inner.kind, ExprKind::Call(..)) => {
                self.value(inner)?;
            }
            _ if e.lvalue && !e.ty.is_volatile && !e.ty.is_coherent => {
                self.place(e)?;
            }
            _ if self.is_loadable(e.ty.ty) => {
                self.value(e)?;
            }
            _ => {
                let temp = self.temp(e.ty.unqualified());
                self.init(e, temp, true)?;
            }
        }
        Ok(())
    }

    fn short_circuit(&mut self, a: &Expr, b: &Expr, op: BinaryOp) -> Res<ValueId> {
        let left = self.value(a)?;
        if self.is_harmless(b, 6) {
            let right = self.value(b)?;
            return Ok(self.b.binary(op, left, right));
        }
        let (region, results) = self.b.open_if(left, &[Type::BOOL]);
        let is_and = op == BinaryOp::And;
        let decided = |lower: &mut Self| {
            let value = lower.b.bool(!is_and);
            lower.b.exit(region, &[value]);
        };
        if is_and {
            let right = self.value(b)?;
            self.b.exit(region, &[right]);
        } else {
            decided(self);
        }
        self.b.open_else();
        if is_and {
            decided(self);
        } else {
            let right = self.value(b)?;
            self.b.exit(region, &[right]);
        }
        self.b.close();
        Ok(results[0])
    }

    /// Whether an expression can be evaluated although the source may not: it is small, cannot
    /// fault and has no effects.
    fn is_harmless(&self, e: &Expr, depth: u32) -> bool {
        if depth == 0 {
            return false;
        }
        let depth = depth - 1;
        match &e.kind {
            ExprKind::Const(_) | ExprKind::Zero | ExprKind::Old => true,
            ExprKind::Constant(_) => true,
            ExprKind::Load(place) => {
                !place.ty.is_volatile
                    && !place.ty.is_coherent
                    && match &place.kind {
                        ExprKind::Local(_) => true,
                        ExprKind::Swizzle(base, _) => matches!(base.kind, ExprKind::Local(_)),
                        _ => false,
                    }
            }
            ExprKind::Swizzle(a, _)
            | ExprKind::Unary(_, a)
            | ExprKind::Convert(a)
            | ExprKind::Bitcast(a)
            | ExprKind::Splat(a) => !a.lvalue && self.is_harmless(a, depth),
            ExprKind::Offset(a, b)
            | ExprKind::Binary(_, a, b)
            | ExprKind::Compare(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b) => self.is_harmless(a, depth) && self.is_harmless(b, depth),
            ExprKind::Fma(a, b, c) => {
                [a, b, c].into_iter().all(|operand| self.is_harmless(operand, depth))
            }
            ExprKind::Vector(parts) => parts.iter().all(|part| self.is_harmless(part, depth)),
            ExprKind::PointerCast(a) => self.is_harmless(a, depth),
            ExprKind::Address(place) => matches!(place.kind, ExprKind::Local(_)),
            _ => false,
        }
    }

    fn bitcast(&mut self, value: ValueId, ty: Type) -> ValueId {
        let types = &self.b.module.types;
        let bits = |ty: Type| types.components(ty).map(|(s, n)| s.size() * u64::from(n));
        let (from, to) = (bits(self.b.ty(value)), bits(ty));
        match (from, to, types.components(self.b.ty(value)), types.components(ty)) {
            // A vector of three is as large as one of four: the fourth is open, here 0.
            (Some(a), Some(b), Some((scalar, 3)), _) if a < b => {
                let wide = self.b.module.types.vector(scalar, 4);
                let zero = self.b.constant(0, Type::scalar(scalar));
                let op = Op::Swizzle { a: value, b: zero, lanes: [0, 1, 2, 3] };
                let value = self.b.emit(op, wide);
                self.b.bitcast(value, ty)
            }
            (Some(a), Some(b), _, Some((scalar, 3))) if a > b => {
                let wide = self.b.module.types.vector(scalar, 4);
                let value = self.b.bitcast(value, wide);
                self.b.emit(Op::Swizzle { a: value, b: value, lanes: [0, 1, 2, 0] }, ty)
            }
            _ => self.b.bitcast(value, ty),
        }
    }

    fn vector(&mut self, parts: &[Expr], qt: Qt) -> Res<ValueId> {
        let ty = self.value_ty(qt.ty);
        let mut scalars = Vec::new();
        for part in parts {
            let value = self.value(part)?;
            match self.b.module.types.components(self.b.ty(value)) {
                Some((_, n)) if n > 1 => {
                    for lane in 0..n {
                        scalars.push(self.b.extract(value, lane));
                    }
                }
                _ => scalars.push(value),
            }
        }
        let list = self.b.function.add_list(&scalars);
        Ok(self.b.emit(Op::Vector(list), ty))
    }

    /// A constant of a loadable type.
    pub(super) fn constant(&mut self, value: &Value, qt: Qt) -> Res<ValueId> {
        let ty = self.value_ty(qt.ty);
        match value {
            Value::Bits(bits) => Ok(self.b.constant(*bits, ty)),
            Value::Parts(parts) => {
                let scalar = Type::scalar(self.scalar(qt));
                let mut values = Vec::new();
                for part in parts {
                    let Value::Bits(bits) = part else {
                        return self.error(crate::diagnostic::Span::NONE, "this constant");
                    };
                    values.push(self.b.constant(*bits, scalar));
                }
                let list = self.b.function.add_list(&values);
                Ok(self.b.emit(Op::Vector(list), ty))
            }
            Value::Pointer(pointer) => self.constant_address(pointer, qt),
            Value::Function(_) => {
                self.error(crate::diagnostic::Span::NONE, "the address of a function")
            }
        }
    }

    fn constant_address(&mut self, pointer: &crate::sema::hir::Pointer, qt: Qt) -> Res<ValueId> {
        let ty = self.value_ty(qt.ty);
        let Some(root) = pointer.root else { return Ok(self.zero_value(ty)) };
        let crate::sema::hir::Root::Global(id) = root else {
            let at = crate::diagnostic::Span::NONE;
            return self.error(at, "the address of a local that is gone");
        };
        let global = self.shared.global(self.b.module, id)?;
        let mut ptr = self.b.global(global);
        let mut current = self.shared.sema.globals[id.0 as usize].ty;
        for &step in &pointer.path {
            match self.shared.sema.types.kind(current.ty).clone() {
                Kind::Array(element, _) => {
                    let element_ty = self.ty(element.ty);
                    let index = self.b.u32(step);
                    ptr = self.b.element(ptr, element_ty, index);
                    current = element;
                }
                Kind::Class(class) => {
                    let struct_ty = self.ty(current.ty);
                    if let ir::TypeKind::Struct(id) = self.b.module.types.kind(struct_ty) {
                        ptr = self.b.field(ptr, id, step);
                    }
                    current = self.shared.sema.classes[class.0 as usize].fields[step as usize].ty;
                }
                _ => {
                    let element = Type::scalar(self.scalar(current));
                    let index = self.b.u32(step);
                    ptr = self.b.element(ptr, element, index);
                }
            }
        }
        Ok(if self.b.ty(ptr) == ty { ptr } else { self.b.emit(Op::PtrCast(ptr), ty) })
    }

    /// A call. Aggregates go to `result`.
    pub(super) fn call(
        &mut self,
        id: FnId,
        args: &[Expr],
        result: Option<ValueId>,
    ) -> Res<Option<ValueId>> {
        let span = self.b.span;
        let at = self.shared.sema.fns[id.0 as usize].span;
        let at_call = crate::diagnostic::Span::from_index(span.0);
        self.shared.calls.push((self.id, id, at_call));
        self.shared.sema.analyse(id, at)?;
        let ret = self.shared.sema.fns[id.0 as usize].ret.map_or(Ty::VOID, |ret| ret.ty);
        let mut values: Vec<ValueId> = result.into_iter().collect();
        for arg in args {
            values.push(self.argument(arg)?);
        }
        self.b.span = span;
        let callee = self.shared.callee(self.b.module, id);
        let result = (self.is_loadable(ret)).then(|| self.value_ty(ret));
        Ok(self.b.call(callee, &values, result))
    }

    /// An argument: aggregates are copied for the callee.
    pub(super) fn argument(&mut self, arg: &Expr) -> Res<ValueId> {
        if self.shared.sema.types.is_aggregate(arg.ty.ty) {
            let copy = self.temp(arg.ty.unqualified());
            self.init(arg, copy, true)?;
            return Ok(copy);
        }
        self.value(arg)
    }

    /// A call of a library function.
    fn library(&mut self, e: &Expr) -> Res<Option<ValueId>> {
        let ExprKind::Builtin(call) = &e.kind else { return Ok(None) };
        let mut args = Vec::new();
        for (arg, form) in call.args.iter().zip(call.row.params) {
            let constant =
                matches!(form, builtin::Form::Order | builtin::Form::Scope | builtin::Form::Flags);
            args.push(match (&arg.kind, constant) {
                (ExprKind::Const(bits), true) => builtin::Arg::Constant(*bits),
                _ => builtin::Arg::Value(self.value(arg)?),
            });
        }
        self.b.span = ir::Span(e.span.index());
        let at = self.b.span;
        let Lower { shared, b, id, .. } = self;
        let caller = *id;
        let mut missing = None;
        let mut function = |b: &mut ir::Builder<'_>, callee: builtin::Callee| {
            let found = shared.sema.library_function(&callee);
            match found {
                Some(found) => {
                    let at = crate::diagnostic::Span::from_index(at.0);
                    shared.calls.push((caller, found, at));
                    Some(shared.callee(b.module, found))
                }
                None => {
                    missing = Some(callee.name);
                    None
                }
            }
        };
        let value = builtin::emit(b, call.row, call.t, &args, &mut function);
        if let Some(name) = missing {
            let message = format!("`{}` is not supported for this type ({name})", call.row.name);
            return self.error(e.span, &message);
        }
        Ok(value)
    }

    fn intrinsic(&mut self, which: Intrinsic, args: &[Expr], ty: Qt) -> Res<Option<ValueId>> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.value(arg)?);
        }
        let ty = self.value_ty(ty.ty);
        Ok(match (which, &values[..]) {
            (Intrinsic::MatrixLoad { transpose }, &[ptr, stride]) => {
                Some(self.b.emit(Op::MatrixLoad { ptr, stride, transpose }, ty))
            }
            (Intrinsic::MatrixStore { transpose }, &[value, ptr, stride]) => {
                self.b.push(Op::MatrixStore { ptr, value, stride, transpose }, &[]);
                None
            }
            (Intrinsic::MatrixFill, &[value]) => Some(self.b.emit(Op::Splat(value), ty)),
            (Intrinsic::MatrixDiagonal, &[value]) => {
                Some(self.b.emit(Op::MatrixDiagonal(value), ty))
            }
            (Intrinsic::MatrixMad, &[a, b, c]) => {
                Some(self.b.emit(Op::MatrixMulAdd { a, b, c }, ty))
            }
            (Intrinsic::Launch(attribute), _) => {
                let value = self.b.emit(Op::Attribute(attribute), Type::U32);
                Some(self.b.convert(value, ty))
            }
            _ => None,
        })
    }
}
