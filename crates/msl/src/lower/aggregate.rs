//! Values that live in memory: built where they go.

use crate::ir::{self, Op, ValueId};
use crate::lower::Lower;
use crate::sema::Res;
use crate::sema::hir::{Expr, ExprKind, Value};
use crate::sema::types::{Kind, Qt};

impl Lower<'_, '_, '_, '_> {
    /// Writes the value of an expression of any type to an address. `fresh` memory is zero.
    pub(super) fn init(&mut self, e: &Expr, ptr: ValueId, fresh: bool) -> Res<()> {
        if self.is_loadable(e.ty.ty) {
            let value = self.value(e)?;
            self.b.span = ir::Span(e.span.index());
            self.store_mem(ptr, value, e.ty.unqualified());
            return Ok(());
        }
        self.b.span = ir::Span(e.span.index());
        match &e.kind {
            ExprKind::Zero => {
                if !fresh {
                    let ty = self.ty(e.ty.ty);
                    self.b.push(Op::Zero { ptr, ty }, &[]);
                }
            }
            ExprKind::Aggregate(parts) => {
                if !fresh && !self.is_full(e.ty, parts.len()) {
                    let ty = self.ty(e.ty.ty);
                    self.b.push(Op::Zero { ptr, ty }, &[]);
                }
                for (n, part) in parts {
                    let place = self.part(ptr, e.ty, *n)?;
                    self.init(part, place, fresh)?;
                }
            }
            ExprKind::Constant(value) => self.constant_parts(value, e.ty, ptr)?,
            ExprKind::Call(id, args) => {
                self.call(*id, args, Some(ptr))?;
            }
            ExprKind::New(id, args) => {
                if !fresh {
                    let ty = self.ty(e.ty.ty);
                    self.b.push(Op::Zero { ptr, ty }, &[]);
                }
                self.call(*id, args, Some(ptr))?;
            }
            ExprKind::Cond(c, a, b) => {
                let cond = self.value(c)?;
                self.b.open_if(cond, &[]);
                self.init(a, ptr, fresh)?;
                self.b.open_else();
                self.init(b, ptr, fresh)?;
                self.b.close();
            }
            ExprKind::Comma(a, b) => {
                self.effect(a)?;
                self.init(b, ptr, fresh)?;
            }
            ExprKind::Load(place) => self.copy(place, ptr)?,
            _ => self.copy(e, ptr)?,
        }
        Ok(())
    }

    fn copy(&mut self, place: &Expr, dst: ValueId) -> Res<()> {
        if !place.lvalue && !matches!(place.kind, ExprKind::Field(..) | ExprKind::Reinterpret(_)) {
            return self.error(place.span, "this aggregate");
        }
        let src = self.address(place)?;
        let ty = self.ty(place.ty.ty);
        self.b.push(Op::Copy { dst, src, ty }, &[]);
        Ok(())
    }

    fn is_full(&self, qt: Qt, parts: usize) -> bool {
        match *self.shared.sema.types.kind(qt.ty) {
            Kind::Array(_, length) => length == Some(parts as u64),
            Kind::Class(class) => {
                let class = &self.shared.sema.classes[class.0 as usize];
                !class.is_union && class.fields.len() == parts
            }
            Kind::Matrix(_, columns, _) => usize::from(columns) == parts,
            _ => false,
        }
    }

    /// The address of part of an aggregate.
    fn part(&mut self, ptr: ValueId, qt: Qt, n: u32) -> Res<ValueId> {
        let ty = self.ty(qt.ty);
        Ok(match (self.b.module.types.kind(ty), self.shared.sema.types.kind(qt.ty).clone()) {
            (ir::TypeKind::Struct(id), _) => self.b.field(ptr, id, n),
            (_, Kind::Array(element, _)) => {
                let element = self.ty(element.ty);
                let index = self.b.u32(n);
                self.b.element(ptr, element, index)
            }
            (ir::TypeKind::Array(element, _), _) => {
                let index = self.b.u32(n);
                self.b.element(ptr, element, index)
            }
            _ => ptr,
        })
    }

    fn constant_parts(&mut self, value: &Value, qt: Qt, ptr: ValueId) -> Res<()> {
        if self.is_loadable(qt.ty) {
            let value = self.constant(value, qt)?;
            self.store_mem(ptr, value, qt.unqualified());
            return Ok(());
        }
        let Value::Parts(parts) = value else { return Ok(()) };
        for (n, part) in parts.iter().enumerate() {
            let part_ty = match self.shared.sema.types.kind(qt.ty).clone() {
                Kind::Array(element, _) => element,
                Kind::Matrix(scalar, _, rows) => {
                    Qt::plain(self.shared.sema.types.vector(scalar, rows))
                }
                Kind::Class(class) => self.shared.sema.classes[class.0 as usize].fields[n].ty,
                _ => return Ok(()),
            };
            let place = self.part(ptr, qt, n as u32)?;
            self.constant_parts(part, part_ty, place)?;
        }
        Ok(())
    }
}
