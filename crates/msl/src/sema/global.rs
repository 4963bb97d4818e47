//! Program-scope variables: constants, function constants and threadgroup memory.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::sema::function::{Global, GlobalKind, State};
use crate::sema::hir::{Expr, GlobalId, Value};
use crate::sema::lookup::Found;
use crate::sema::scope::ScopeId;
use crate::sema::types::{Kind, Qt, Space, Ty};
use crate::sema::{Res, Sema, TArg, codes, start};
use crate::syntax::tree::{Init, SegmentName, VarDecl};

impl Sema<'_> {
    /// The variable of a declaration without template parameters of its own.
    pub(super) fn global_of(
        &mut self,
        decl: &Arc<VarDecl>,
        var: usize,
        scope: ScopeId,
    ) -> Res<Found> {
        self.global_instance(decl, var, scope, Vec::new())
    }

    pub(super) fn global_instance(
        &mut self,
        decl: &Arc<VarDecl>,
        var: usize,
        scope: ScopeId,
        args: Vec<TArg>,
    ) -> Res<Found> {
        let place = if args.is_empty() { scope } else { ScopeId(u32::MAX) };
        let key = (Self::address(decl) + var, place, args);
        if let Some(&id) = self.global_index.get(&key) {
            return match self.globals[id.0 as usize].state {
                State::Failed => Err(crate::sema::Reported),
                State::Busy => {
                    let span = decl.vars[var].declarator.span;
                    self.err(codes::NOT_CONSTANT, span, "this variable is defined by itself")
                }
                State::New | State::Done => Ok(Found::Global(id)),
            };
        }
        let item = &decl.vars[var];
        let span = item.declarator.span;
        let name = match item.declarator.name.as_ref().map(|path| &path.last().name) {
            Some(SegmentName::Ident(name)) => self.text(*name).to_string(),
            _ => String::new(),
        };
        let id = GlobalId(self.globals.len() as u32);
        self.globals.push(Global {
            name: name.clone(),
            ty: Qt::plain(Ty::ERROR),
            kind: GlobalKind::Constant,
            span: start(span),
            init: None,
            value: None,
            state: State::Busy,
        });
        self.global_index.insert(key, id);
        let silent = std::mem::replace(&mut self.silent, 0);
        let outer = std::mem::take(&mut self.fx);
        self.fx.depth = outer.depth + 1;
        let result = if outer.depth > 120 {
            self.err(
                codes::INSTANTIATION_DEPTH,
                span,
                format!("`{name}` is used at too great a depth"),
            )
        } else {
            self.global_init(decl, var, scope)
        };
        self.fx = outer;
        self.silent = silent;
        match result {
            Ok((ty, kind, init)) => {
                let global = &mut self.globals[id.0 as usize];
                global.ty = ty;
                global.kind = kind;
                global.init = init;
                global.state = State::New;
                Ok(Found::Global(id))
            }
            Err(error) => {
                self.globals[id.0 as usize].state = State::Failed;
                Err(error)
            }
        }
    }

    fn global_init(
        &mut self,
        decl: &Arc<VarDecl>,
        var: usize,
        scope: ScopeId,
    ) -> Res<(Qt, GlobalKind, Option<Expr>)> {
        let item = &decl.vars[var];
        let span = item.declarator.span;
        let specified = self.spec_type(scope, &decl.spec)?;
        let ty = self.apply_chunks(scope, specified, &item.declarator.chunks, span)?;
        if self.element_type(ty).space == Space::Threadgroup
            || specified.space == Space::Threadgroup
        {
            return Ok((ty.in_space(Space::Threadgroup), GlobalKind::Threadgroup, None));
        }
        let flags = decl.spec.flags;
        let is_constant = flags.is_constexpr
            || specified.is_const
            || specified.space == Space::Constant
            || self.element_type(ty).is_const;
        if !is_constant {
            let message = "a program-scope variable must be in the `constant` address space";
            return self.err(codes::BAD_TYPE, span, message);
        }
        for attr in item.attrs.iter().chain(&decl.spec.attrs) {
            if self.text(attr.name) == "function_constant"
                && let Some(arg) = attr.args.first()
            {
                let (bits, _) = self.constant_scalar(scope, arg)?;
                let ty = ty.in_space(Space::Constant).constant();
                return Ok((ty, GlobalKind::FunctionConstant(bits), None));
            }
        }
        if matches!(item.init, Init::None) && !flags.is_constexpr && !flags.is_extern {
            let (ty, init) = self.initialise(scope, ty, &item.init, span)?;
            return Ok((ty.in_space(Space::Constant).constant(), GlobalKind::Constant, init));
        }
        let (ty, init) = self.initialise(scope, ty, &item.init, span)?;
        let ty = ty.in_space(Space::Constant).constant();
        let ty = match *self.types.kind(ty.ty) {
            Kind::Array(element, length) => {
                let element = element.in_space(Space::Constant).constant();
                Qt { ty: self.types.intern(Kind::Array(element, length)), ..ty }
            }
            _ => ty,
        };
        Ok((ty, GlobalKind::Constant, init))
    }

    /// The value of a program-scope constant.
    pub fn global_value(&mut self, id: GlobalId) -> Res<Value> {
        let global = &self.globals[id.0 as usize];
        if let Some(value) = &global.value {
            return Ok(value.clone());
        }
        let (ty, span) = (global.ty, global.span);
        match global.state {
            State::Failed => return Err(crate::sema::Reported),
            State::Busy => {
                return self.err(codes::NOT_CONSTANT, span, "this variable is defined by itself");
            }
            State::New | State::Done => {}
        }
        let value = match (global.kind, global.init.clone()) {
            (GlobalKind::FunctionConstant(index), _) => {
                let name = global.name.clone();
                self.function_constant(index, ty, &name, span)?
            }
            (GlobalKind::Threadgroup, _) => {
                return self.err(codes::NOT_CONSTANT, span, "this variable is not a constant");
            }
            (GlobalKind::Constant, None) => self.zero(ty),
            (GlobalKind::Constant, Some(init)) => {
                self.globals[id.0 as usize].state = State::Busy;
                let outer = std::mem::take(&mut self.fx);
                let result = self.evaluate(&init);
                self.fx = outer;
                let state =
                    if result.is_ok() || self.silent > 0 { State::Done } else { State::Failed };
                self.globals[id.0 as usize].state = state;
                result?
            }
        };
        let global = &mut self.globals[id.0 as usize];
        global.value = Some(value.clone());
        Ok(value)
    }

    fn function_constant(&mut self, index: u64, ty: Qt, name: &str, at: Span) -> Res<Value> {
        use crate::sema::FunctionConstant;
        let Some(given) = self.function_constants.get(&index).copied() else {
            let message = format!("function constant {index}, `{name}`, has no value");
            return self.err(codes::FUNCTION_CONSTANT, at, message);
        };
        let Some(scalar) = self.types.as_scalar(ty.ty) else {
            let message =
                format!("a function constant of type `{}` is not supported", self.show(ty));
            return self.err(codes::FUNCTION_CONSTANT, at, message);
        };
        use crate::ir::Scalar;
        let (bits, from) = match given {
            FunctionConstant::Bool(value) => (value.into(), Scalar::Bool),
            FunctionConstant::Int(value) => (value as u64, Scalar::I64),
            FunctionConstant::Float(value) => (u64::from((value as f32).to_bits()), Scalar::F32),
        };
        Ok(Value::Bits(crate::sema::bits::convert(bits, from, scalar)))
    }

    /// `is_function_constant_defined`
    pub(super) fn is_function_constant_given(&self, id: GlobalId) -> bool {
        match self.globals[id.0 as usize].kind {
            GlobalKind::FunctionConstant(index) => self.function_constants.contains_key(&index),
            GlobalKind::Constant | GlobalKind::Threadgroup => false,
        }
    }

    /// A threadgroup or static constant variable declared inside a function.
    pub(super) fn local_global(
        &mut self,
        name: String,
        ty: Qt,
        kind: GlobalKind,
        init: Option<Expr>,
        span: Span,
    ) -> GlobalId {
        let id = GlobalId(self.globals.len() as u32);
        let state = State::New;
        self.globals.push(Global { name, ty, kind, span, init, value: None, state });
        id
    }
}
