//! Objects: where they are, reading and writing them.

use crate::ir::{self, Access, Op, Type, ValueId};
use crate::lower::Lower;
use crate::sema::Res;
use crate::sema::hir::{Expr, ExprKind};
use crate::sema::types::{Kind, Qt, Scalar, Space};

/// An object.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// An address.
    Memory(ValueId),
    /// Components of the vector at an address.
    Lanes(ValueId, Box<[u8]>, Qt),
    /// A component of the vector at an address, by index.
    At(ValueId, ValueId, Qt),
}

impl Lower<'_, '_, '_, '_> {
    /// How an object of a type is accessed.
    pub(super) fn access(&self, qt: Qt) -> Access {
        let align = match *self.shared.sema.types.kind(qt.ty) {
            Kind::Packed(scalar, _) => scalar.size() as u8,
            _ => 0,
        };
        Access { align, volatile: qt.is_volatile, coherent: qt.is_coherent, ..Access::PLAIN }
    }

    pub(super) fn load_mem(&mut self, ptr: ValueId, qt: Qt) -> ValueId {
        let ty = self.value_ty(qt.ty);
        let access = self.access(qt);
        self.b.load(ptr, ty, access)
    }

    pub(super) fn store_mem(&mut self, ptr: ValueId, value: ValueId, qt: Qt) {
        let access = self.access(qt);
        self.b.store(ptr, value, access);
    }

    /// Finds an object, evaluating what leads to it.
    pub(super) fn place(&mut self, e: &Expr) -> Res<Place> {
        self.b.span = ir::Span(e.span.index());
        Ok(match &e.kind {
            ExprKind::Local(id) => match self.locals.get(id.0 as usize).copied().flatten() {
                Some(ptr) => Place::Memory(ptr),
                None => Place::Memory(self.declare(*id)),
            },
            ExprKind::Global(id) => {
                let global = self.shared.global(self.b.module, *id)?;
                Place::Memory(self.b.global(global))
            }
            ExprKind::Deref(pointer) => Place::Memory(self.value(pointer)?),
            ExprKind::Field(base, field) => {
                let ptr = self.address(base)?;
                let ty = self.ty(base.ty.ty);
                let ir::TypeKind::Struct(structure) = self.b.module.types.kind(ty) else {
                    return self.error(e.span, "a member of something that is no class");
                };
                Place::Memory(self.b.field(ptr, structure, *field))
            }
            ExprKind::Reinterpret(base) => {
                let ptr = self.address(base)?;
                let ty = self.shared.pointer_to(self.b.module, e.ty);
                Place::Memory(self.b.emit(Op::PtrCast(ptr), ty))
            }
            ExprKind::Element(base, index) => {
                let ptr = self.address(base)?;
                let index = self.value(index)?;
                let ty = self.ty(e.ty.ty);
                Place::Memory(self.b.element(ptr, ty, index))
            }
            ExprKind::Swizzle(base, lanes) => match self.place(base)? {
                Place::Memory(ptr) => Place::Lanes(ptr, lanes.clone(), base.ty),
                Place::Lanes(ptr, outer, qt) => {
                    let lanes = lanes.iter().map(|&lane| outer[lane as usize]).collect();
                    Place::Lanes(ptr, lanes, qt)
                }
                Place::At(..) => return self.error(e.span, "a component of a component"),
            },
            ExprKind::Component(base, index) => {
                let place = self.place(base)?;
                let index = self.value(index)?;
                match place {
                    Place::Memory(ptr) => Place::At(ptr, index, base.ty),
                    Place::Lanes(..) | Place::At(..) => {
                        // A swizzle indexed at run time: of a copy.
                        let value = self.read(&place, base.ty)?;
                        let ptr = self.temp(base.ty);
                        self.store_mem(ptr, value, base.ty.unqualified());
                        Place::At(ptr, index, base.ty.unqualified())
                    }
                }
            }
            ExprKind::Temporary(inner) => {
                let ptr = self.temp(inner.ty.unqualified());
                self.init(inner, ptr, true)?;
                Place::Memory(ptr)
            }
            ExprKind::Comma(a, b) => {
                self.effect(a)?;
                self.place(b)?
            }
            ExprKind::Assign(object, value) => self.assign(object, value)?.0,
            ExprKind::Update { object, value, postfix: false } => self.update(object, value)?.0,
            _ if !e.lvalue => {
                let ptr = self.temp(e.ty.unqualified());
                self.init(e, ptr, true)?;
                Place::Memory(ptr)
            }
            _ => return self.error(e.span, "this object has no address"),
        })
    }

    /// The address of an object.
    pub(super) fn address(&mut self, e: &Expr) -> Res<ValueId> {
        match self.place(e)? {
            Place::Memory(ptr) => Ok(ptr),
            Place::Lanes(ptr, lanes, qt) => {
                let index = self.b.u32(lanes.first().copied().unwrap_or(0).into());
                Ok(self.component(ptr, index, qt))
            }
            Place::At(ptr, index, qt) => Ok(self.component(ptr, index, qt)),
        }
    }

    fn component(&mut self, ptr: ValueId, index: ValueId, qt: Qt) -> ValueId {
        let scalar = self.scalar(qt);
        self.b.element(ptr, Type::scalar(scalar), index)
    }

    pub(super) fn scalar(&self, qt: Qt) -> Scalar {
        let types = &self.shared.sema.types;
        match types.as_vector(qt.ty) {
            Some((scalar, _)) => scalar,
            None => types.as_scalar(qt.ty).unwrap_or(Scalar::U64),
        }
    }

    /// An unnamed local.
    pub(super) fn temp(&mut self, qt: Qt) -> ValueId {
        let ty = self.ty(qt.ty);
        self.b.var("", ty, None)
    }

    /// Reads an object of a loadable type.
    pub(super) fn read(&mut self, place: &Place, qt: Qt) -> Res<ValueId> {
        Ok(match place {
            Place::Memory(ptr) => self.load_mem(*ptr, qt),
            Place::Lanes(ptr, lanes, whole) => {
                let vector = self.load_mem(*ptr, *whole);
                self.lanes(vector, lanes)
            }
            Place::At(ptr, index, whole) => {
                let vector = self.load_mem(*ptr, *whole);
                let ty = Type::scalar(self.scalar(*whole));
                self.b.emit(Op::ExtractAt { vector, index: *index }, ty)
            }
        })
    }

    /// Components of a vector value.
    pub(super) fn lanes(&mut self, vector: ValueId, lanes: &[u8]) -> ValueId {
        if let [lane] = lanes {
            return self.b.extract(vector, *lane);
        }
        let Some((scalar, _)) = self.b.module.types.components(self.b.ty(vector)) else {
            return vector;
        };
        let ty = self.b.module.types.vector(scalar, lanes.len() as u8);
        let mut all = [0; 4];
        all[..lanes.len()].copy_from_slice(lanes);
        self.b.emit(Op::Swizzle { a: vector, b: vector, lanes: all }, ty)
    }

    /// Writes an object of a loadable type.
    pub(super) fn write(&mut self, place: &Place, value: ValueId, qt: Qt) -> Res<()> {
        match place {
            Place::Memory(ptr) => self.store_mem(*ptr, value, qt),
            Place::Lanes(ptr, lanes, whole) if whole.space == Space::Thread => {
                let mut vector = self.load_mem(*ptr, *whole);
                let ty = self.b.ty(vector);
                for (n, &index) in lanes.iter().enumerate() {
                    let part =
                        if lanes.len() == 1 { value } else { self.b.extract(value, n as u8) };
                    vector = self.b.emit(Op::Insert { vector, index, value: part }, ty);
                }
                self.store_mem(*ptr, vector, *whole);
            }
            // In shared memory only the components named may be touched.
            Place::Lanes(ptr, lanes, whole) => {
                for (n, &lane) in lanes.iter().enumerate() {
                    let part =
                        if lanes.len() == 1 { value } else { self.b.extract(value, n as u8) };
                    let index = self.b.u32(lane.into());
                    let at = self.component(*ptr, index, *whole);
                    let access = Access { align: 0, ..self.access(*whole) };
                    self.b.store(at, part, access);
                }
            }
            Place::At(ptr, index, whole) if whole.space == Space::Thread => {
                let vector = self.load_mem(*ptr, *whole);
                let ty = self.b.ty(vector);
                let op = Op::InsertAt { vector, index: *index, value };
                let vector = self.b.emit(op, ty);
                self.store_mem(*ptr, vector, *whole);
            }
            Place::At(ptr, index, whole) => {
                let at = self.component(*ptr, *index, *whole);
                let access = Access { align: 0, ..self.access(*whole) };
                self.b.store(at, value, access);
            }
        }
        Ok(())
    }

    /// Assigns and gives the object, and its new value if it is loadable.
    pub(super) fn assign(&mut self, object: &Expr, value: &Expr) -> Res<(Place, Option<ValueId>)> {
        if self.shared.sema.types.is_aggregate(object.ty.ty) {
            let simple = matches!(value.kind, ExprKind::Load(_));
            if simple {
                let ptr = self.address(object)?;
                self.init(value, ptr, false)?;
                return Ok((Place::Memory(ptr), None));
            }
            // The value may be computed from the object: build it elsewhere first.
            let temp = self.temp(object.ty.unqualified());
            self.init(value, temp, true)?;
            let ptr = self.address(object)?;
            let ty = self.ty(object.ty.ty);
            self.b.push(Op::Copy { dst: ptr, src: temp, ty }, &[]);
            return Ok((Place::Memory(ptr), None));
        }
        // The right side first, as C++17 has it.
        let value = self.value(value)?;
        let place = self.place(object)?;
        self.b.span = ir::Span(object.span.index());
        self.write(&place, value, object.ty)?;
        Ok((place, Some(value)))
    }

    /// Updates and gives the object, the new value and the old one.
    pub(super) fn update(&mut self, object: &Expr, value: &Expr) -> Res<(Place, ValueId, ValueId)> {
        let place = self.place(object)?;
        let old = self.read(&place, object.ty)?;
        self.old.push(old);
        let new = self.value(value);
        self.old.pop();
        let new = new?;
        self.b.span = ir::Span(object.span.index());
        self.write(&place, new, object.ty)?;
        Ok((place, new, old))
    }
}
