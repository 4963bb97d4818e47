//! Functions and kernels: parameters, and the body around the statements.

use std::rc::Rc;

use crate::diagnostic::codes::sema as codes;
use crate::ir::{self, Builder, Module, Op, Passing, Type};
use crate::lower::{Lower, Shared, tail};
use crate::sema::hir::{FnId, LocalId};
use crate::sema::types::{Kind, Ty};
use crate::sema::{Res, Role};

impl Shared<'_, '_> {
    /// Lowers a function that something calls.
    pub(super) fn function(&mut self, module: &mut Module, id: FnId) -> Res<()> {
        let at = self.sema.fns[id.0 as usize].span;
        self.sema.analyse(id, at)?;
        let func = &self.sema.fns[id.0 as usize];
        let (name, ret) = (func.name.clone(), func.ret);
        let Some(body) = func.body.clone() else {
            let message = format!("`{name}` has no body");
            return self.error(codes::NO_DEFINITION, at, message);
        };
        let body = match tail::as_loop(self.sema, id, &body) {
            Some(looped) => Rc::new(looped),
            None => body,
        };
        let ir_id = self.callee(module, id);
        let ret_ty = ret.map_or(Ty::VOID, |ret| ret.ty);
        let by_memory = self.sema.types.is_aggregate(ret_ty);
        let result = match self.sema.types.kind(ret_ty).clone() {
            Kind::Void | Kind::Class(_) | Kind::Array(..) | Kind::Matrix(..) => None,
            Kind::Packed(scalar, n) => Some(module.types.vector(scalar, n)),
            _ => Some(self.ty(module, ret_ty)),
        };
        let result_ty = by_memory.then(|| {
            let ty = self.ty(module, ret_ty);
            module.types.pointer(ir::Space::Thread, ty)
        });
        let mut params = Vec::new();
        for local in &body.locals[..body.params] {
            let ty = self.ty(module, local.ty.ty);
            let aggregate = self.sema.types.is_aggregate(local.ty.ty);
            let value_ty = match self.sema.types.kind(local.ty.ty).clone() {
                Kind::Packed(scalar, n) => module.types.vector(scalar, n),
                _ if aggregate => module.types.pointer(ir::Space::Thread, ty),
                _ => ty,
            };
            params.push((value_ty, aggregate));
        }
        let mut b = Builder::new(module, &name, result);
        let result = result_ty.map(|ty| b.param("result", ty, Passing::Result));
        let count = body.locals.len();
        let mut lower = Lower {
            shared: self,
            b,
            id,
            body: body.clone(),
            locals: vec![None; count],
            hoisted: Vec::new(),
            old: Vec::new(),
            breaks: Vec::new(),
            continues: Vec::new(),
            result,
        };
        let mut values = Vec::new();
        for (n, (ty, aggregate)) in params.iter().enumerate() {
            let passing = if *aggregate { Passing::ByValue } else { Passing::Value };
            values.push(lower.b.param(&body.locals[n].name, *ty, passing));
        }
        for (n, (_, aggregate)) in params.iter().enumerate() {
            if *aggregate {
                lower.locals[n] = Some(values[n]);
            } else {
                let ptr = lower.declare(LocalId(n as u32));
                let ty = body.locals[n].ty;
                lower.store_mem(ptr, values[n], ty);
            }
        }
        // A function that could not be lowered is left as it was declared.
        lower.statements(&body.block)?;
        let ends_open = !lower.b.is_dead();
        if ends_open && lower.b.function.result.is_some() {
            // Falling off the end: the language leaves the value open.
            let ty = lower.b.function.result.unwrap_or(Type::I32);
            let zero = lower.zero_value(ty);
            lower.b.ret(Some(zero));
        }
        lower.b.finish_as(ir_id);
        Ok(())
    }

    /// Lowers a kernel.
    pub(super) fn kernel(&mut self, module: &mut Module, number: usize) -> Res<()> {
        let kernel = &self.sema.kernels[number];
        let (name, id, max_threads) = (kernel.name.clone(), kernel.function, kernel.max_threads);
        let params = kernel.params.clone();
        let at = self.sema.fns[id.0 as usize].span;
        let Some(body) = self.sema.fns[id.0 as usize].body.clone() else {
            return self.error(codes::NO_DEFINITION, at, format!("`{name}` has no body"));
        };
        let mut described = Vec::new();
        let mut types = Vec::new();
        for param in &params {
            let (binding, element, is_ref) = match param.role {
                Role::Buffer(n, to, is_ref) => (ir::Binding::Buffer(n), to, is_ref),
                Role::Threadgroup(n, to, is_ref) => (ir::Binding::Threadgroup(n), to, is_ref),
                Role::Attribute(_) | Role::Absent => continue,
            };
            let ty = self.ty(module, element.ty);
            types.push(self.pointer_to(module, element));
            described.push(ir::KernelParam {
                name: param.name.clone(),
                binding,
                element: ty,
                writable: !element.is_const && element.space != crate::sema::types::Space::Constant,
                reference: is_ref,
            });
        }
        let b = Builder::new(module, &name, None);
        let count = body.locals.len();
        let mut lower = Lower {
            shared: self,
            b,
            id,
            body: body.clone(),
            locals: vec![None; count],
            hoisted: Vec::new(),
            old: Vec::new(),
            breaks: Vec::new(),
            continues: Vec::new(),
            result: None,
        };
        let mut pointers = Vec::new();
        for (param, ty) in described.iter().zip(&types) {
            pointers.push(lower.b.param(&param.name, *ty, Passing::Value));
        }
        let mut pointers = pointers.into_iter();
        for (n, param) in params.iter().enumerate() {
            let ptr = lower.declare(LocalId(n as u32));
            let local_ty = body.locals[n].ty;
            let value = match param.role {
                Role::Attribute(attribute) => lower.attribute(attribute, local_ty.ty),
                Role::Absent => {
                    let ty = lower.ty(local_ty.ty);
                    lower.zero_value(ty)
                }
                Role::Buffer(..) | Role::Threadgroup(..) => match pointers.next() {
                    Some(value) => value,
                    None => continue,
                },
            };
            lower.store_mem(ptr, value, local_ty);
        }
        lower.statements(&body.block)?;
        let function = lower.b.finish();
        module.kernels.push(ir::Kernel { name, function, params: described, max_threads });
        Ok(())
    }
}

impl Lower<'_, '_, '_, '_> {
    /// A launch value in the width that the source asks for.
    fn attribute(&mut self, attribute: ir::Attribute, ty: Ty) -> ir::ValueId {
        let target = self.ty(ty);
        let width = self.b.module.types.components(target).map_or(1, |(_, n)| n);
        let own = if attribute.is_vector() {
            self.b.module.types.vector(ir::Scalar::U32, 3)
        } else {
            Type::U32
        };
        let mut value = self.b.emit(Op::Attribute(attribute), own);
        if attribute.is_vector() {
            value = match width {
                1 => self.b.extract(value, 0),
                2 => {
                    let ty = self.b.module.types.vector(ir::Scalar::U32, 2);
                    self.b.emit(Op::Swizzle { a: value, b: value, lanes: [0, 1, 0, 0] }, ty)
                }
                _ => value,
            };
        }
        self.b.convert(value, target)
    }

    /// Declares a local and gives its address.
    pub(super) fn declare(&mut self, id: LocalId) -> ir::ValueId {
        let body = self.body.clone();
        let local = &body.locals[id.0 as usize];
        let ty = self.ty(local.ty.ty);
        let ptr = self.b.var(&local.name, ty, local.type_name.as_deref());
        self.locals[id.0 as usize] = Some(ptr);
        ptr
    }

    pub(super) fn ty(&mut self, ty: Ty) -> Type {
        self.shared.ty(self.b.module, ty)
    }

    /// The type of a value of a type: packed vectors are vectors as values.
    pub(super) fn value_ty(&mut self, ty: Ty) -> Type {
        match *self.shared.sema.types.kind(ty) {
            Kind::Packed(scalar, n) => self.b.module.types.vector(scalar, n),
            _ => self.ty(ty),
        }
    }

    pub(super) fn zero_value(&mut self, ty: Type) -> ir::ValueId {
        self.b.constant(0, ty)
    }

    pub(super) fn error<T>(&mut self, at: crate::diagnostic::Span, message: &str) -> Res<T> {
        self.shared.error(codes::UNSUPPORTED, at, message)
    }
}
