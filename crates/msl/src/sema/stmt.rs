//! Statements.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::sema::codes;
use crate::sema::function::GlobalKind;
use crate::sema::hir::{Case, Expr, ExprKind, LocalId, LoopForm, Stmt, Value};
use crate::sema::lookup::Found;
use crate::sema::scope::{Binding, ScopeId};
use crate::sema::types::{Kind, Qt, Scalar, Space, Ty};
use crate::sema::{Reported, Res, Sema, TArg, start};
use crate::syntax::tree::{self, Cond, ExprKind as Tree, Init, ItemKind, SegmentName, StmtKind};

impl Sema<'_> {
    /// Statements one after the other; an error in one does not keep the others from being read.
    pub(super) fn statements(
        &mut self,
        scope: ScopeId,
        statements: &[tree::Stmt],
        out: &mut Vec<Stmt>,
    ) {
        let contract = self.fx.contract;
        for statement in statements {
            let _ = self.statement(scope, statement, out);
        }
        self.fx.contract = contract;
    }

    fn block(&mut self, scope: ScopeId, statement: &tree::Stmt) -> Vec<Stmt> {
        let inner = self.block_scope(scope);
        let mut out = Vec::new();
        match &statement.kind {
            StmtKind::Block(statements) => self.statements(inner, statements, &mut out),
            _ => {
                let _ = self.statement(inner, statement, &mut out);
            }
        }
        out
    }

    fn statement(
        &mut self,
        scope: ScopeId,
        statement: &tree::Stmt,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let at = statement.span;
        let span = start(at);
        match &statement.kind {
            StmtKind::Empty => {}
            StmtKind::Expr(e) => {
                let e = self.expr(scope, e)?;
                if !matches!(e.kind, ExprKind::Const(_)) {
                    out.push(Stmt::Expr(e));
                }
            }
            StmtKind::Var(decl) => self.variables(scope, decl, out)?,
            StmtKind::Item(item) => self.local_item(scope, item)?,
            StmtKind::UsingNamespace(path) => match self.resolve(scope, path)? {
                Some(Found::Namespace(frame)) => {
                    self.scopes[scope.0 as usize].usings.push(frame);
                }
                _ => return self.err(codes::UNDECLARED, path.span, "this names no namespace"),
            },
            StmtKind::Block(_) => {
                let block = self.block(scope, statement);
                out.push(Stmt::Block(block));
            }
            StmtKind::If { is_constexpr, init, cond, then, otherwise } => {
                return self.if_statement(
                    scope,
                    *is_constexpr,
                    init.as_deref(),
                    cond,
                    then,
                    otherwise.as_deref(),
                    at,
                    out,
                );
            }
            StmtKind::While { cond, body } => {
                let inner = self.block_scope(scope);
                let mut before = Vec::new();
                let cond = self.cond(inner, cond, &mut before);
                let body = self.loop_body(inner, body);
                let cond = cond?;
                if before.is_empty() {
                    let style = LoopForm::While;
                    out.push(Stmt::Loop { cond: Some(cond), body, step: None, style, span });
                } else {
                    // The declared variable is made anew each time round.
                    let not = self.negate(cond);
                    before.push(Stmt::If {
                        cond: not,
                        then: vec![Stmt::Break(span)],
                        otherwise: Vec::new(),
                        span,
                    });
                    before.extend(body);
                    let style = LoopForm::While;
                    out.push(Stmt::Loop { cond: None, body: before, step: None, style, span });
                }
            }
            StmtKind::DoWhile { body, cond } => {
                let inner = self.block_scope(scope);
                let body = self.loop_body(inner, body);
                let cond = self.expr(scope, cond)?;
                let cond = self.condition(cond)?;
                out.push(Stmt::Loop {
                    cond: Some(cond),
                    body,
                    step: None,
                    style: LoopForm::Do,
                    span,
                });
            }
            StmtKind::For { init, cond, step, body } => {
                let inner = self.block_scope(scope);
                let mut block = Vec::new();
                if let Some(init) = init {
                    self.statement(inner, init, &mut block)?;
                }
                let cond = match cond {
                    None => None,
                    Some(cond) => Some(self.cond(inner, cond, &mut block)?),
                };
                let step = match step {
                    None => Ok(None),
                    Some(step) => self.expr(inner, step).map(Some),
                };
                let body = self.loop_body(inner, body);
                let style = LoopForm::For;
                block.push(Stmt::Loop { cond, body, step: step?, style, span });
                out.push(Stmt::Block(block));
            }
            StmtKind::RangeFor { spec, declarator, range, body } => {
                return self.range_for(scope, spec, declarator, range, body, at, out);
            }
            StmtKind::Switch { cond, body } => return self.switch(scope, cond, body, at, out),
            StmtKind::Case(_) | StmtKind::Default => {
                return self.err(codes::MISPLACED, at, "this label is in no `switch`");
            }
            StmtKind::Break => {
                if self.fx.in_loop == 0 && self.fx.in_switch == 0 {
                    return self.err(codes::MISPLACED, at, "there is nothing to `break` out of");
                }
                out.push(Stmt::Break(span));
            }
            StmtKind::Continue => {
                if self.fx.in_loop == 0 {
                    return self.err(codes::MISPLACED, at, "there is no loop to `continue`");
                }
                out.push(Stmt::Continue(span));
            }
            StmtKind::Return(value) => {
                return self.return_statement(scope, value.as_deref(), at, out);
            }
            StmtKind::Contract(on) => self.fx.contract = Some(*on),
        }
        Ok(())
    }

    fn negate(&mut self, e: Expr) -> Expr {
        let span = e.span;
        Expr::value(ExprKind::Unary(crate::ir::UnaryOp::Not, Box::new(e)), Ty::BOOL, span)
    }

    fn loop_body(&mut self, scope: ScopeId, body: &tree::Stmt) -> Vec<Stmt> {
        self.fx.in_loop += 1;
        let body = self.block(scope, body);
        self.fx.in_loop -= 1;
        body
    }

    fn cond(&mut self, scope: ScopeId, cond: &Cond, before: &mut Vec<Stmt>) -> Res<Expr> {
        match cond {
            Cond::Expr(e) => {
                let e = self.expr(scope, e)?;
                self.condition(e)
            }
            Cond::Var(decl) => {
                self.variables(scope, decl, before)?;
                let Some(name) = decl.vars.first().and_then(|var| var.declarator.ident()) else {
                    return Err(Reported);
                };
                match self.lookup(scope, name)? {
                    Some(Found::Local(id)) => {
                        let e = self.local_expr(id, start(decl.spec.span))?;
                        self.condition(e)
                    }
                    _ => Err(Reported),
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one statement")]
    fn if_statement(
        &mut self,
        scope: ScopeId,
        is_constexpr: bool,
        init: Option<&tree::Stmt>,
        cond: &Cond,
        then: &tree::Stmt,
        otherwise: Option<&tree::Stmt>,
        at: Range,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let span = start(at);
        let inner = self.block_scope(scope);
        let mut before = Vec::new();
        if let Some(init) = init {
            self.statement(inner, init, &mut before)?;
        }
        let cond = self.cond(inner, cond, &mut before);
        if is_constexpr {
            let cond = cond?;
            let value = self.evaluate(&cond)?;
            let chosen = if value == Value::Bits(0) { otherwise } else { Some(then) };
            if let Some(chosen) = chosen {
                let block = self.block(inner, chosen);
                before.push(Stmt::Block(block));
            }
            if !before.is_empty() {
                out.push(Stmt::Block(before));
            }
            return Ok(());
        }
        let then = self.block(inner, then);
        let otherwise = match otherwise {
            Some(otherwise) => self.block(inner, otherwise),
            None => Vec::new(),
        };
        let cond = cond?;
        let statement = Stmt::If { cond, then, otherwise, span };
        if before.is_empty() {
            out.push(statement);
        } else {
            before.push(statement);
            out.push(Stmt::Block(before));
        }
        Ok(())
    }

    fn return_statement(
        &mut self,
        scope: ScopeId,
        value: Option<&tree::Expr>,
        at: Range,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let span = start(at);
        let Some(value) = value else {
            match self.fx.ret {
                Some(ret) if ret.ty != Ty::VOID => {
                    let message = format!("a value of type `{}` is expected", self.show(ret));
                    return self.err(codes::BAD_RETURN, at, message);
                }
                _ => {}
            }
            self.fx.deduced_ret.get_or_insert(Qt::plain(Ty::VOID));
            out.push(Stmt::Return(None, span));
            return Ok(());
        };
        let Some(ret) = self.fx.ret else {
            let e = self.expr(scope, value)?;
            let written = self.fx.pattern.map(|pattern| self.types.kind(pattern.ty).clone());
            let (e, ty) = match written {
                Some(Kind::Ref(to, _)) => {
                    let mut target = e.ty.in_space(self.space_of(&e));
                    target.is_const |= to.is_const;
                    let ty = Qt::plain(self.types.intern(Kind::Ref(target, false)));
                    (self.convert_to(e, ty, value.span)?, ty)
                }
                _ => {
                    let e = self.rvalue(e)?;
                    let ty = e.ty.unqualified();
                    (e, ty)
                }
            };
            match self.fx.deduced_ret {
                Some(known) if known.ty != ty.ty => {
                    let (a, b) = (self.show(known), self.show(ty));
                    let message = format!("this returns a `{b}`, and another `return` a `{a}`");
                    return self.err(codes::BAD_RETURN, at, message);
                }
                _ => self.fx.deduced_ret = Some(ty),
            }
            out.push(Stmt::Return(Some(e), span));
            return Ok(());
        };
        if let Tree::InitList(list) = &value.kind {
            let target = self.types.deref(ret);
            let e = self.brace_init(scope, target, list, value.span)?;
            let e = self.convert_to(e, ret, value.span)?;
            out.push(Stmt::Return(Some(e), span));
            return Ok(());
        }
        let e = self.expr(scope, value)?;
        if ret.ty == Ty::VOID {
            if e.ty.ty != Ty::VOID {
                return self.err(codes::BAD_RETURN, value.span, "this function returns nothing");
            }
            out.push(Stmt::Expr(e));
            out.push(Stmt::Return(None, span));
            return Ok(());
        }
        if e.ty.ty == Ty::VOID {
            let message = format!("a value of type `{}` is expected", self.show(ret));
            return self.err(codes::BAD_RETURN, value.span, message);
        }
        let target = if self.types.is_ref(ret) { ret } else { ret.unqualified() };
        let e = self.convert_to(e, target, value.span)?;
        out.push(Stmt::Return(Some(e), span));
        Ok(())
    }

    fn variables(
        &mut self,
        scope: ScopeId,
        decl: &Arc<tree::VarDecl>,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let specified = self.spec_type(scope, &decl.spec);
        // A type defined with its variables.
        match &decl.spec.ty {
            tree::TypeSpec::Enum(inner) => self.bind_enum(scope, inner)?,
            tree::TypeSpec::Class(inner) => {
                if let (Some(path), Ok(ty)) = (&inner.name, specified)
                    && let SegmentName::Ident(name) = path.last().name
                {
                    self.bind(scope, name, Binding::Arg(TArg::Type(ty.unqualified())));
                }
            }
            _ => {}
        }
        let mut result = Ok(());
        for var in &decl.vars {
            let declared = match specified {
                Ok(ty) => self.variable(scope, &decl.spec, var, ty, out),
                Err(Reported) => Err(Reported),
            };
            if declared.is_err() {
                result = Err(Reported);
                // Declared all the same, so that its uses are not reported as well.
                if let Some(name) = var.declarator.ident() {
                    let text = self.text(name).to_string();
                    let id = self.add_local(text, Qt::plain(Ty::ERROR), start(var.declarator.span));
                    self.bind(scope, name, Binding::Local(id));
                }
            }
        }
        result
    }

    fn variable(
        &mut self,
        scope: ScopeId,
        spec: &tree::DeclSpec,
        var: &tree::VarInit,
        specified: Qt,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let at = var.declarator.span;
        let span = start(at);
        let Some(name) = var.declarator.ident() else {
            return self.err(codes::BAD_TYPE, at, "a local variable has a plain name");
        };
        let text = self.text(name).to_string();
        let ty = self.apply_chunks(scope, specified, &var.declarator.chunks, at)?;
        let space = self.element_type(ty).space;
        let is_ref = self.types.is_ref(ty);
        if space == Space::Threadgroup && !is_ref {
            let (ty, init) = self.initialise(scope, ty, &Init::None, at)?;
            let _ = init;
            if !matches!(var.init, Init::None) {
                return self.err(
                    codes::BAD_INIT,
                    at,
                    "a variable in threadgroup memory cannot have an initialiser",
                );
            }
            if self.types.layout(ty.ty).is_none() {
                let message = format!("a variable cannot have type `{}`", self.show(ty));
                return self.err(codes::BAD_TYPE, at, message);
            }
            let ty = ty.in_space(Space::Threadgroup);
            let global = self.local_global(text.clone(), ty, GlobalKind::Threadgroup, None, span);
            let id = self.add_local(text, ty, span);
            self.fx.locals[id.0 as usize].global = Some(global);
            self.bind(scope, name, Binding::Local(id));
            return Ok(());
        }
        if space == Space::Device && !is_ref && !self.is_pointer_like(ty) {
            return self.err(
                codes::BAD_TYPE,
                at,
                "a variable inside a function cannot be in the `device` address space",
            );
        }
        let (ty, init) = self.initialise(scope, ty, &var.init, at)?;
        if !is_ref
            && (ty.ty == Ty::VOID || self.types.layout(ty.ty).is_none())
            && ty.ty != Ty::ERROR
        {
            let message = format!("a variable cannot have type `{}`", self.show(ty));
            return self.err(codes::BAD_TYPE, at, message);
        }
        let flags = spec.flags;
        if (space == Space::Constant || flags.is_static) && !is_ref {
            // Constant data of the program.
            let ty = ty.in_space(Space::Constant).constant();
            let global = self.local_global(text.clone(), ty, GlobalKind::Constant, init, span);
            self.global_value(global)?;
            let id = self.add_local(text, ty, span);
            self.fx.locals[id.0 as usize].global = Some(global);
            self.bind(scope, name, Binding::Local(id));
            return Ok(());
        }
        let mut own = ty;
        own.is_const |= flags.is_constexpr;
        if self.is_pointer_like(own) {
            own.space = Space::Thread;
        }
        let mut constant = None;
        if let Some(value) = &init
            && own.is_const
            && !own.is_volatile
            && !own.is_coherent
        {
            if flags.is_constexpr {
                constant = Some(self.evaluate(value)?);
            } else if self.types.as_scalar(own.ty).is_some() {
                constant = self.attempt(|s| s.evaluate_quietly(value)).ok();
            }
        }
        let id = self.add_local(text, own, span);
        let local = &mut self.fx.locals[id.0 as usize];
        local.constant = constant;
        if let tree::TypeSpec::Path(path) = &spec.ty
            && var.declarator.chunks.is_empty()
        {
            let text = self.path_text(path);
            self.fx.locals[id.0 as usize].type_name = Some(text);
        }
        self.bind(scope, name, Binding::Local(id));
        out.push(Stmt::Local { id, init, span });
        Ok(())
    }

    fn is_pointer_like(&self, ty: Qt) -> bool {
        matches!(self.types.kind(ty.ty), Kind::Pointer(_) | Kind::Ref(..))
    }

    fn local_item(&mut self, scope: ScopeId, item: &tree::Item) -> Res<()> {
        match &item.kind {
            ItemKind::Alias(alias) => {
                let ty = self.type_name(scope, &alias.ty)?;
                self.bind(scope, alias.name, Binding::Arg(TArg::Type(ty)));
            }
            ItemKind::Class(class) => {
                let id = self.class_of(class, scope, &[], None)?;
                let ty = self.class_type(id);
                if let Some(path) = &class.name
                    && let SegmentName::Ident(name) = path.last().name
                {
                    self.bind(scope, name, Binding::Arg(TArg::Type(ty)));
                }
                if class.members.is_some() {
                    self.complete(id, class.span)?;
                }
            }
            ItemKind::Enum(decl) => self.bind_enum(scope, decl)?,
            ItemKind::Using(path) => {
                if let SegmentName::Ident(name) = path.last().name {
                    match self.resolve(scope, path)? {
                        Some(Found::Type(ty)) => {
                            self.bind(scope, name, Binding::Arg(TArg::Type(ty)));
                        }
                        Some(Found::Template(template)) => {
                            self.bind(scope, name, Binding::Arg(TArg::Template(template)));
                        }
                        Some(Found::Constant(value, ty)) => {
                            self.bind(scope, name, Binding::Constant(value, ty));
                        }
                        Some(Found::Functions(_) | Found::Global(_)) => {
                            // Found again through the scope that declares it.
                            let mut outer = (**path).clone();
                            outer.segments.pop();
                            if let Some(Found::Namespace(frame)) = self.resolve(scope, &outer)? {
                                let target = self.frame_scope(frame);
                                self.bind(scope, name, Binding::Using(target, name));
                            }
                        }
                        _ => return self.undeclared(scope, path, path.segments.len() - 1),
                    }
                }
            }
            ItemKind::StaticAssert(assert) => self.static_assert(scope, assert)?,
            ItemKind::Function(_) | ItemKind::Var(_) | ItemKind::Instantiation(_) => {}
        }
        Ok(())
    }

    /// `static_assert`
    pub(super) fn static_assert(&mut self, scope: ScopeId, assert: &tree::StaticAssert) -> Res<()> {
        let e = self.expr(scope, &assert.cond)?;
        let e = self.condition(e)?;
        if self.evaluate(&e)? == Value::Bits(0) {
            let message = match &assert.message {
                Some(message) if !message.is_empty() => format!("assertion failed: {message}"),
                _ => "assertion failed".into(),
            };
            return self.err(codes::STATIC_ASSERT, assert.span, message);
        }
        Ok(())
    }

    fn switch(
        &mut self,
        scope: ScopeId,
        cond: &Cond,
        body: &tree::Stmt,
        at: Range,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let span = start(at);
        let inner = self.block_scope(scope);
        let mut before = Vec::new();
        let value = match cond {
            Cond::Expr(e) => self.expr(inner, e)?,
            Cond::Var(decl) => {
                self.variables(inner, decl, &mut before)?;
                let name = decl.vars.first().and_then(|var| var.declarator.ident());
                match name.map(|name| self.lookup(inner, name)).transpose()?.flatten() {
                    Some(Found::Local(id)) => self.local_expr(id, span)?,
                    _ => return Err(Reported),
                }
            }
        };
        let value = self.rvalue(value)?;
        let (value, scalar) = match self.types.as_scalar(value.ty.ty) {
            Some(scalar) if !scalar.is_float() => {
                let wide = crate::sema::convert::promote(scalar);
                (self.scalar_cast(value, Ty::scalar(wide), span), wide)
            }
            _ => {
                let message = format!("`switch` needs an integer, not a `{}`", self.show(value.ty));
                return self.err(codes::BAD_OPERAND, at, message);
            }
        };
        let statements: Vec<tree::Stmt> = match &body.kind {
            StmtKind::Block(statements) => statements.clone(),
            _ => vec![body.clone()],
        };
        let mut cases: Vec<Case> = Vec::new();
        let mut seen: Vec<u64> = Vec::new();
        let block = self.block_scope(inner);
        let mut fresh = false;
        self.fx.in_switch += 1;
        let contract = self.fx.contract;
        for statement in &statements {
            match &statement.kind {
                StmtKind::Case(e) => {
                    let Ok((bits, ty)) = self.constant_scalar(block, e) else { continue };
                    let from = self.types.as_scalar(ty).unwrap_or(Scalar::I32);
                    let bits = crate::sema::bits::convert(bits, from, scalar);
                    if seen.contains(&bits) {
                        let _ = self.err::<()>(
                            codes::MISPLACED,
                            e.span,
                            "this value has a case already",
                        );
                        continue;
                    }
                    seen.push(bits);
                    if !fresh {
                        cases.push(Case { values: Vec::new(), default: false, body: Vec::new() });
                        fresh = true;
                    }
                    if let Some(case) = cases.last_mut() {
                        case.values.push(bits);
                    }
                }
                StmtKind::Default => {
                    if !fresh {
                        cases.push(Case { values: Vec::new(), default: false, body: Vec::new() });
                        fresh = true;
                    }
                    if let Some(case) = cases.last_mut() {
                        case.default = true;
                    }
                }
                _ => {
                    fresh = false;
                    let mut body = Vec::new();
                    let _ = self.statement(block, statement, &mut body);
                    match cases.last_mut() {
                        Some(case) => case.body.extend(body),
                        // Never reached, but variables declared here are visible below.
                        None => before.extend(body.into_iter().filter_map(|stmt| match stmt {
                            Stmt::Local { id, span, .. } => {
                                Some(Stmt::Local { id, init: None, span })
                            }
                            _ => None,
                        })),
                    }
                }
            }
        }
        self.fx.contract = contract;
        self.fx.in_switch -= 1;
        before.push(Stmt::Switch { value, cases, span });
        out.push(Stmt::Block(before));
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one statement")]
    fn range_for(
        &mut self,
        scope: ScopeId,
        spec: &tree::DeclSpec,
        declarator: &tree::Declarator,
        range: &tree::Expr,
        body: &tree::Stmt,
        at: Range,
        out: &mut Vec<Stmt>,
    ) -> Res<()> {
        let span = start(at);
        let object = self.expr(scope, range)?;
        let Kind::Array(element, Some(length)) = *self.types.kind(object.ty.ty) else {
            let message = "only arrays can be walked over with `for (x : array)`";
            return self.err(codes::UNSUPPORTED, at, message);
        };
        let space = self.space_of(&object);
        let element = element.in_space(space);
        let mut block = Vec::new();
        let pointer_ty = self.types.pointer(element);
        let first = self.rvalue(object)?;
        let base = self.add_local(String::new(), Qt::plain(pointer_ty), span);
        block.push(Stmt::Local { id: base, init: Some(first), span });
        let index = self.add_local(String::new(), Qt::plain(Ty::UINT), span);
        let zero = Expr::value(ExprKind::Const(0), Ty::UINT, span);
        block.push(Stmt::Local { id: index, init: Some(zero), span });
        let place = |id: LocalId, ty: Ty| Expr::object(ExprKind::Local(id), Qt::plain(ty), span);
        let load = |e: Expr| {
            let ty = e.ty.ty;
            Expr::value(ExprKind::Load(Box::new(e)), ty, span)
        };
        let offset = ExprKind::Offset(
            Box::new(load(place(base, pointer_ty))),
            Box::new(load(place(index, Ty::UINT))),
        );
        let address = Expr::value(offset, pointer_ty, span);
        let item = Expr::object(ExprKind::Deref(Box::new(address)), element, span);
        let limit = Expr::value(ExprKind::Const(length), Ty::UINT, span);
        let cond = ExprKind::Compare(
            crate::ir::CompareOp::Lt,
            Box::new(load(place(index, Ty::UINT))),
            Box::new(limit),
        );
        let cond = Expr::value(cond, Ty::BOOL, span);
        let one = Expr::value(ExprKind::Const(1), Ty::UINT, span);
        let old = Expr::old(Qt::plain(Ty::UINT), span);
        let next = ExprKind::Binary(crate::ir::BinaryOp::Add, Box::new(old), Box::new(one));
        let step = Expr::object(
            ExprKind::Update {
                object: Box::new(place(index, Ty::UINT)),
                value: Box::new(Expr::value(next, Ty::UINT, span)),
                postfix: false,
            },
            Qt::plain(Ty::UINT),
            span,
        );
        let inner = self.block_scope(scope);
        let declared = self.spec_type(inner, spec)?;
        let declared = self.apply_chunks(inner, declared, &declarator.chunks, at)?;
        let mut statements = Vec::new();
        let (ty, value) = match *self.types.kind(declared.ty) {
            Kind::Auto => {
                let value = self.rvalue(item)?;
                (Qt { is_const: declared.is_const, ..value.ty.unqualified() }, value)
            }
            Kind::Ref(to, _) => {
                let target = if to.ty == Ty::AUTO {
                    Qt { is_const: to.is_const || element.is_const, ..element }
                } else {
                    to
                };
                let ty = Qt::plain(self.types.intern(Kind::Ref(target, false)));
                let value = self.convert_to(item, ty, at)?;
                (ty, value)
            }
            _ => {
                let value = self.convert(item, declared.unqualified(), at)?;
                (declared, value)
            }
        };
        if let Some(name) = declarator.ident() {
            let text = self.text(name).to_string();
            let id = self.add_local(text, ty, span);
            self.bind(inner, name, Binding::Local(id));
            statements.push(Stmt::Local { id, init: Some(value), span });
        }
        statements.extend(self.loop_body(inner, body));
        block.push(Stmt::Loop {
            cond: Some(cond),
            body: statements,
            step: Some(step),
            style: LoopForm::For,
            span,
        });
        out.push(Stmt::Block(block));
        Ok(())
    }
}
