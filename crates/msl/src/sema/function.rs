//! Functions and program-scope variables: signatures, instances, analysis of bodies.

use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostic::{Range, Span};
use crate::sema::codes;
use crate::sema::hir::{Body, Expr, ExprKind, FnId, GlobalId, Local, LocalId, Stmt, Value};
use crate::sema::lookup::{Found, Method};
use crate::sema::scope::{Binding, ScopeId};
use crate::sema::types::{ClassId, Kind, Qt, Space, Ty};
use crate::sema::{Res, Sema, TArg, start};
use crate::syntax::parser::parse_body;
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{
    self, FunctionBody, FunctionDecl, FunctionKind, Init, SegmentName, VarDecl,
};

/// A signature with its types.
#[derive(Debug)]
pub struct Sig {
    /// The parameters, packs expanded.
    pub params: Vec<SigParam>,
    /// The result; `None` where the body decides.
    pub ret: Option<Qt>,
    /// What is written for a result that the body decides: `auto`, or a reference to it.
    pub pattern: Option<Qt>,
}

/// A parameter of a signature.
#[derive(Debug, Clone)]
pub struct SigParam {
    /// Its name.
    pub name: Option<Symbol>,
    /// Its declared type, which may be a reference.
    pub ty: Qt,
    /// Part of a pack.
    pub pack: bool,
    /// Which of the written parameters.
    pub written: usize,
}

/// A function instance.
#[derive(Debug)]
pub struct FnInst {
    /// The declaration.
    pub decl: Arc<FunctionDecl>,
    /// The scope with its template arguments.
    pub(super) scope: ScopeId,
    /// The class of which it is a member.
    pub class: Option<ClassId>,
    /// Its template arguments.
    pub args: Vec<TArg>,
    /// The type of `*this`.
    pub this: Option<Qt>,
    /// Its signature.
    pub sig: Rc<Sig>,
    /// The result, once known.
    pub ret: Option<Qt>,
    /// The analysed body.
    pub body: Option<Rc<Body>>,
    /// Its name with template arguments.
    pub name: String,
    /// Where it is declared.
    pub span: Range,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Busy,
    Done,
    Failed,
}

/// A program-scope or static variable.
#[derive(Debug)]
pub struct Global {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Qt,
    /// What sort.
    pub kind: GlobalKind,
    /// Where it is declared.
    pub span: Span,
    init: Option<Expr>,
    pub(super) value: Option<Value>,
    state: State,
}

/// Sorts of program-scope variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobalKind {
    /// Known when the program is compiled.
    Constant,
    /// `[[function_constant(n)]]`
    FunctionConstant(u64),
    /// Memory of a threadgroup.
    Threadgroup,
}

/// What is known while a body is analysed.
#[derive(Debug, Default)]
pub(super) struct FnCtx {
    pub(super) locals: Vec<Local>,
    pub(super) params: usize,
    pub(super) ret: Option<Qt>,
    pub(super) pattern: Option<Qt>,
    pub(super) deduced_ret: Option<Qt>,
    pub(super) this: Option<(LocalId, Qt)>,
    pub(super) in_loop: u32,
    pub(super) in_switch: u32,
    pub(super) contract: Option<bool>,
    pub(super) unevaluated: u32,
    pub(super) depth: u32,
}

impl Sema<'_> {
    /// The signature of a declaration, whose template parameters are bound in `scope`.
    pub(super) fn signature(&mut self, decl: &Arc<FunctionDecl>, scope: ScopeId) -> Res<Rc<Sig>> {
        let key = (Self::address(decl), scope);
        if let Some(sig) = self.sig_index.get(&key) {
            return Ok(sig.clone());
        }
        let mut params = Vec::new();
        for (written, param) in decl.sig.params.iter().enumerate() {
            let name = param.declarator.ident();
            let pack = param.declarator.pack.is_some();
            let scopes = match &param.declarator.pack {
                Some(idents) => self.expansion_scopes(scope, idents, param.span)?,
                None => vec![scope],
            };
            for scope in scopes {
                let mut ty = self.spec_type(scope, &param.spec)?;
                if ty.ty == Ty::AUTO
                    && let Some(deduced) = self.auto_param(scope, written)
                {
                    ty = self.qualify(deduced, param.spec.quals);
                }
                let ty = self.apply_chunks(scope, ty, &param.declarator.chunks, param.span)?;
                let ty = self.decay(ty);
                let ty = match self.types.kind(ty.ty) {
                    Kind::Function(..) => Qt::plain(self.types.pointer(ty)),
                    Kind::Void => {
                        let message = "a parameter cannot have type `void`";
                        return self.err(codes::BAD_TYPE, param.span, message);
                    }
                    _ => ty,
                };
                params.push(SigParam { name, ty, pack, written });
            }
        }
        let ret = match (&decl.kind, &decl.sig.trailing) {
            (FunctionKind::Constructor | FunctionKind::Destructor, _) => Some(Qt::plain(Ty::VOID)),
            (FunctionKind::Conversion, _) => match &decl.name.last().name {
                SegmentName::Conversion(ty) => Some(self.type_name(scope, ty)?),
                _ => None,
            },
            (FunctionKind::Plain, Some(trailing)) => {
                let ret = self.with_params(scope, &params, |s, scope| s.type_name(scope, trailing));
                Some(ret?)
            }
            (FunctionKind::Plain, None) => {
                let ty = match decl.spec.ty {
                    tree::TypeSpec::Decltype(Some(_)) => {
                        self.with_params(scope, &params, |s, scope| s.spec_type(scope, &decl.spec))?
                    }
                    _ => self.spec_type(scope, &decl.spec)?,
                };
                Some(self.apply_chunks(scope, ty, &decl.ret_chunks, decl.span)?)
            }
        };
        let pattern = ret.filter(|ret| self.mentions_auto(*ret));
        let ret = ret.filter(|ret| !self.mentions_auto(*ret));
        let sig = Rc::new(Sig { params, ret, pattern });
        self.sig_index.insert(key, sig.clone());
        Ok(sig)
    }

    fn mentions_auto(&self, qt: Qt) -> bool {
        match *self.types.kind(qt.ty) {
            Kind::Auto => true,
            Kind::Ref(to, _) | Kind::Pointer(to) => self.mentions_auto(to),
            _ => false,
        }
    }

    /// Runs something in a scope where parameters can be named.
    fn with_params<T>(
        &mut self,
        scope: ScopeId,
        params: &[SigParam],
        run: impl FnOnce(&mut Self, ScopeId) -> Res<T>,
    ) -> Res<T> {
        let inner = self.block_scope(scope);
        let outer = std::mem::take(&mut self.fx);
        self.fx.unevaluated = 1;
        self.bind_parameters(inner, params);
        let result = run(self, inner);
        self.fx = outer;
        result
    }

    /// Declares parameters as locals of the function being analysed.
    fn bind_parameters(&mut self, scope: ScopeId, params: &[SigParam]) {
        let mut packs: Vec<(Symbol, Vec<Binding>)> = Vec::new();
        for param in params {
            let name = param.name.map_or(String::new(), |name| self.text(name).to_string());
            let id = self.add_local(name, param.ty, Span::NONE);
            let Some(name) = param.name else { continue };
            if param.pack {
                match packs.iter_mut().find(|(own, _)| *own == name) {
                    Some((_, parts)) => parts.push(Binding::Local(id)),
                    None => packs.push((name, vec![Binding::Local(id)])),
                }
            } else {
                self.bind(scope, name, Binding::Local(id));
            }
        }
        for (name, parts) in packs {
            self.bind(scope, name, Binding::Pack(parts));
        }
    }

    /// Declares parameter packs, so that those without elements are known too.
    fn bind_empty_packs(&mut self, scope: ScopeId, decl: &FunctionDecl) {
        for param in &decl.sig.params {
            if let (Some(name), Some(_)) = (param.declarator.ident(), &param.declarator.pack) {
                self.bind(scope, name, Binding::Pack(Vec::new()));
            }
        }
    }

    pub(super) fn add_local(&mut self, name: String, ty: Qt, span: Span) -> LocalId {
        let id = LocalId(self.fx.locals.len() as u32);
        self.fx.locals.push(Local {
            name,
            ty,
            constant: None,
            type_name: None,
            global: None,
            span,
        });
        id
    }

    /// The instance of a function whose template parameters are bound in `scope`.
    pub(super) fn fn_instance(
        &mut self,
        method: &Method,
        scope: ScopeId,
        args: &[TArg],
        this: Option<Qt>,
    ) -> Res<FnId> {
        // Template arguments identify an instance; its scope is new at every call.
        let place = if args.is_empty() { scope } else { method.scope };
        let key = (Self::address(&method.decl), place, args.to_vec(), this);
        if let Some(&id) = self.fn_index.get(&key) {
            return Ok(id);
        }
        let sig = self.signature(&method.decl, scope)?;
        let mut name = match &method.decl.name.last().name {
            SegmentName::Ident(name) => self.text(*name).to_string(),
            SegmentName::Operator(op) => operator_name(*op),
            SegmentName::Conversion(_) => "operator conversion".into(),
            SegmentName::Destructor | SegmentName::Decltype(_) => "destructor".into(),
        };
        if let Some(class) = method.class {
            name = format!("{}::{name}", self.types.class_names[class.0 as usize]);
        }
        if !args.is_empty() {
            name = format!("{name}<{}>", self.show_args(args));
        }
        let id = FnId(self.fns.len() as u32);
        let ret = sig.ret;
        let span = method.decl.span;
        self.fns.push(FnInst {
            decl: method.decl.clone(),
            scope,
            class: method.class,
            args: args.to_vec(),
            this,
            sig,
            ret,
            body: None,
            name,
            span,
            state: State::New,
        });
        self.fn_index.insert(key, id);
        Ok(id)
    }

    pub(super) fn func(&self, id: FnId) -> &FnInst {
        &self.fns[id.0 as usize]
    }

    /// The result type of a function; analyses the body where that decides it.
    pub(super) fn ret_type(&mut self, id: FnId, at: Range) -> Res<Qt> {
        if let Some(ret) = self.func(id).ret {
            return Ok(ret);
        }
        self.analyse(id, at)?;
        match self.func(id).ret {
            Some(ret) => Ok(ret),
            None => {
                let name = self.func(id).name.clone();
                let message = format!("the result type of `{name}` depends on itself");
                self.err(codes::BAD_TYPE, at, message)
            }
        }
    }

    /// Analyses a function's body, once.
    pub fn analyse(&mut self, id: FnId, at: Range) -> Res<()> {
        match self.func(id).state {
            State::Done | State::Busy => return Ok(()),
            State::Failed => return Err(crate::sema::Reported),
            State::New => {}
        }
        let silent = std::mem::replace(&mut self.silent, 0);
        let message = self.silent_message.take();
        self.fns[id.0 as usize].state = State::Busy;
        let name = self.func(id).name.clone();
        let decl = self.func(id).decl.clone();
        let is_instance = name.contains('<');
        let outer = std::mem::take(&mut self.fx);
        self.fx.depth = outer.depth + 1;
        let result = if outer.depth > 120 {
            self.err(
                codes::INSTANTIATION_DEPTH,
                at,
                format!("`{name}` is used at too great a depth"),
            )
        } else if is_instance {
            self.instantiating(|_| format!("`{name}`"), at, |s| s.analyse_inner(id, &decl, at))
        } else {
            self.analyse_inner(id, &decl, at)
        };
        let inner = std::mem::replace(&mut self.fx, outer);
        self.silent = silent;
        self.silent_message = message;
        let func = &mut self.fns[id.0 as usize];
        match result {
            Ok(block) => {
                func.state = State::Done;
                let FnCtx { locals, params, deduced_ret, .. } = inner;
                func.body = Some(Rc::new(Body { locals, params, block }));
                if func.ret.is_none() {
                    func.ret = Some(deduced_ret.unwrap_or(Qt::plain(Ty::VOID)));
                }
                Ok(())
            }
            Err(error) => {
                func.state = State::Failed;
                if func.ret.is_none() {
                    func.ret = inner.deduced_ret;
                }
                Err(error)
            }
        }
    }

    /// The definition of a function that is only declared where it was found.
    fn definition(&mut self, id: FnId) -> Option<Arc<FunctionDecl>> {
        let func = self.func(id);
        let decl = func.decl.clone();
        if !func.args.is_empty()
            && let Some(special) = self.specialisation(id)
        {
            return Some(special);
        }
        if let Some(class) = self.func(id).class
            && let Some(special) = self.special_member(id, class)
        {
            return Some(special);
        }
        let func = self.func(id);
        if !matches!(decl.body, FunctionBody::None) {
            return Some(decl);
        }
        let name = decl.name.last().name.clone();
        let class_frame = match func.class {
            Some(class) => self.class(class).decl.as_ref().map(|class| class.inner),
            None => None,
        };
        let frame = class_frame.unwrap_or(decl.frame);
        if frame == crate::syntax::index::FrameId::NONE {
            return None;
        }
        let index = self.index.clone();
        let mut at = Some(self.tops.get(&frame).copied().unwrap_or(frame));
        while let Some(frame) = at {
            for item in &index.frame(frame).items {
                let tree::ItemKind::Function(other) = &item.kind else { continue };
                if matches!(other.body, FunctionBody::Lazy(_))
                    && same_name(&name, &other.name.last().name)
                    && other.sig.params.len() == decl.sig.params.len()
                    && other.kind == decl.kind
                    && other.sig.quals == decl.sig.quals
                    && self.same_params(id, other)
                {
                    return Some(other.clone());
                }
            }
            at = index.frame(frame).extends;
        }
        None
    }

    /// The explicit specialisation for a template instance's arguments.
    fn specialisation(&mut self, id: FnId) -> Option<Arc<FunctionDecl>> {
        let func = self.func(id);
        let (decl, args, class) = (func.decl.clone(), func.args.clone(), func.class);
        let name = &decl.name.last().name;
        let mut others: Vec<Arc<FunctionDecl>> = Vec::new();
        let mut add = |item: &tree::Item| {
            if let tree::ItemKind::Function(other) = &item.kind
                && other.heads.last().is_some_and(|head| head.params.is_empty())
                && same_name(name, &other.name.last().name)
                && matches!(other.body, FunctionBody::Lazy(_))
                && other.sig.params.len() == decl.sig.params.len()
            {
                others.push(other.clone());
            }
        };
        if let Some(class) = class {
            if let Some(class) = &self.class(class).decl {
                class.members.iter().flatten().for_each(&mut add);
            }
        } else if decl.frame != crate::syntax::index::FrameId::NONE
            && let SegmentName::Ident(name) = *name
        {
            let frame = self.tops.get(&decl.frame).copied().unwrap_or(decl.frame);
            let index = self.index.clone();
            for (frame, entry) in index.members(frame, name) {
                if let Some(item) = entry.item {
                    add(&index.frame(frame).items[item as usize]);
                }
            }
        }
        let own: Vec<Qt> = self.func(id).sig.params.iter().map(|param| param.ty).collect();
        let scope = match class {
            Some(class) => self.class(class).scope,
            None => {
                let mut scope = self.func(id).scope;
                while let Some(parent) = self.scope(scope).parent {
                    if matches!(self.scope(scope).kind, crate::sema::scope::ScopeKind::Namespace(_))
                    {
                        break;
                    }
                    scope = parent;
                }
                scope
            }
        };
        others.into_iter().find(|other| {
            if let Some(pattern) = &other.name.last().args {
                let Ok(given) = self.attempt(|s| s.template_args(scope, pattern)) else {
                    return false;
                };
                if !given.iter().zip(&args).all(|(a, b)| crate::sema::template::same_arg(a, b)) {
                    return false;
                }
            }
            match self.attempt(|s| s.signature(other, scope)) {
                Ok(sig) => sig.params.iter().map(|param| param.ty).eq(own.iter().copied()),
                Err(_) => false,
            }
        })
    }

    fn same_params(&mut self, id: FnId, other: &Arc<FunctionDecl>) -> bool {
        let func = self.func(id);
        let scope = func.scope;
        if !other.heads.is_empty() {
            // Parameters may be named otherwise; counting them has to do.
            return true;
        }
        let own: Vec<Qt> = func.sig.params.iter().map(|p| p.ty).collect();
        match self.attempt(|s| s.signature(other, scope)) {
            Ok(sig) => sig.params.iter().map(|p| p.ty).eq(own),
            Err(_) => false,
        }
    }

    fn analyse_inner(&mut self, id: FnId, decl: &Arc<FunctionDecl>, at: Range) -> Res<Vec<Stmt>> {
        let (scope, this, sig, ret) = {
            let func = self.func(id);
            (func.scope, func.this, func.sig.clone(), func.ret)
        };
        if let FunctionBody::Delete = decl.body {
            let name = self.func(id).name.clone();
            return self.err(codes::NO_DEFINITION, at, format!("`{name}` is deleted"));
        }
        let scope = self.block_scope(scope);
        if let Some(this) = this {
            let pointer = Qt::plain(self.types.pointer(this));
            let local = self.add_local("this".into(), pointer, Span::NONE);
            self.fx.this = Some((local, this));
        }
        self.fx.ret = ret;
        self.fx.pattern = sig.pattern;
        let Some(definition) = self.definition(id) else {
            let name = self.func(id).name.clone();
            let message = format!("`{name}` is declared but not defined");
            return self.err(codes::NO_DEFINITION, at, message);
        };
        self.bind_empty_packs(scope, &definition);
        if Arc::ptr_eq(&definition, decl) {
            self.bind_parameters(scope, &sig.params);
        } else {
            // The definition's names count.
            let mut params = sig.params.clone();
            for param in &mut params {
                param.name =
                    definition.sig.params.get(param.written).and_then(|p| p.declarator.ident());
            }
            self.bind_parameters(scope, &params);
            self.rebind_template(scope, id, &definition);
        }
        self.fx.params = self.fx.locals.len();
        for param in 0..self.fx.params {
            if let Some(class) = self.types.as_class(self.fx.locals[param].ty.ty) {
                self.complete(class, definition.span)?;
            }
        }
        let lazy = match &definition.body {
            FunctionBody::Lazy(lazy) => lazy,
            FunctionBody::Default | FunctionBody::None | FunctionBody::Delete => {
                return self.constructor_inits(scope, id, &[]);
            }
        };
        let body = match lazy.cell.get() {
            Some(body) => body,
            None => {
                let tokens = self.units[lazy.unit as usize].clone();
                let index = self.index.owner(lazy.frame);
                let body = parse_body(&tokens, lazy, &index, &self.session.names);
                lazy.cell.get_or_init(|| body)
            }
        };
        let mut failed = false;
        for diagnostic in body.diagnostics.clone() {
            failed = true;
            self.session.report(diagnostic);
        }
        if lazy.contract.is_some() {
            self.fx.contract = lazy.contract;
        }
        let mut block = self.constructor_inits(scope, id, &body.inits)?;
        let errors = self.session.error_count();
        self.statements(scope, &body.block, &mut block);
        if failed || self.session.error_count() > errors {
            return Err(crate::sema::Reported);
        }
        Ok(block)
    }

    /// Binds the template parameters of a definition that names them otherwise.
    fn rebind_template(&mut self, scope: ScopeId, id: FnId, definition: &Arc<FunctionDecl>) {
        let func = self.func(id);
        let own = func.decl.clone();
        let class = func.class;
        let pairs = own.heads.last().zip(definition.heads.last());
        if let Some((a, b)) = pairs {
            for (a, b) in a.params.iter().zip(&b.params) {
                if let (Some(a), Some(b)) = (a.name, b.name)
                    && a != b
                    && let Ok(Some(found)) = self.lookup(scope, a)
                    && let Some(binding) = rebinding(found)
                {
                    self.bind(scope, b, binding);
                }
            }
        }
        if let Some(class) = class
            && let (Some(head), false) =
                (definition.heads.first(), own.heads.len() == definition.heads.len())
        {
            let args = self.class(class).args.clone();
            for (param, arg) in head.params.iter().zip(args) {
                if let Some(name) = param.name {
                    self.bind(scope, name, Binding::Arg(arg));
                }
            }
        }
    }

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
        Ok(Value::Bits(crate::sema::consteval::convert(bits, from, scalar)))
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

    /// Member initialisers of a constructor, in the order of the members.
    fn constructor_inits(
        &mut self,
        scope: ScopeId,
        id: FnId,
        inits: &[tree::MemberInit],
    ) -> Res<Vec<Stmt>> {
        let mut block = Vec::new();
        let func = self.func(id);
        if func.decl.kind != FunctionKind::Constructor {
            return Ok(block);
        }
        let (Some(class), span) = (func.class, func.span) else { return Ok(block) };
        self.complete(class, span)?;
        let at = start(span);
        let Some((this, this_ty)) = self.fx.this else { return Ok(block) };
        let pointer = self.types.pointer(this_ty);
        let object = |s: &mut Self| {
            let local = Expr::object(ExprKind::Local(this), Qt::plain(pointer), at);
            let load = Expr::value(ExprKind::Load(Box::new(local)), pointer, at);
            let _ = s;
            Expr::object(ExprKind::Deref(Box::new(load)), this_ty, at)
        };
        // A delegating constructor does everything itself.
        if let [init] = inits
            && let Ok(Some(Found::Type(qt))) = self.resolve(scope, &init.name)
            && self.types.as_class(qt.ty) == Some(class)
        {
            let value = self.construct(scope, qt, &init.args, init.braces, init.span)?;
            let object = object(self);
            block.push(Stmt::Expr(self.assign_init(object, value)));
            return Ok(block);
        }
        let mut used = vec![false; inits.len()];
        for at_field in 0..self.class(class).fields.len() {
            let field = self.class(class).fields[at_field].clone();
            let base = self
                .class(class)
                .bases
                .iter()
                .find(|(_, own)| *own == Some(at_field as u32))
                .map(|(base, _)| *base);
            let mut given = None;
            for (number, init) in inits.iter().enumerate() {
                let matches = match base {
                    None => init.name.as_ident().is_some() && init.name.as_ident() == field.symbol,
                    Some(base) => match self.resolve(scope, &init.name) {
                        Ok(Some(Found::Type(qt))) => self.types.as_class(qt.ty) == Some(base),
                        _ => false,
                    },
                };
                if matches {
                    used[number] = true;
                    given = Some(init);
                }
            }
            let value = match (given, &field.init) {
                (Some(init), _) if self.types.is_ref(field.ty) => {
                    let init_form = Init::Paren(init.args.clone(), init.span);
                    self.initialise(scope, field.ty, &init_form, init.span)?.1
                }
                (Some(init), _) => {
                    Some(self.construct(scope, field.ty, &init.args, init.braces, init.span)?)
                }
                (None, Some((decl, var))) => {
                    let class_scope = self.class(class).scope;
                    let init = &decl.vars[*var].init;
                    self.initialise(class_scope, field.ty, init, span)?.1
                }
                (None, None) => self.initialise(scope, field.ty, &Init::None, span)?.1,
            };
            if let Some(value) = value {
                let object = object(self);
                let place = self.field(object, class, at_field as u32, at);
                block.push(Stmt::Expr(self.assign_init(place, value)));
            }
        }
        for (number, init) in inits.iter().enumerate() {
            if !used[number] {
                // An initialiser of an empty base changes nothing; other names are mistakes.
                if let Ok(Some(Found::Type(_))) = self.resolve(scope, &init.name) {
                    continue;
                }
                let name = self.path_text(&init.name);
                let message = format!("`{name}` is no member of this class");
                return self.err(codes::UNDECLARED, init.span, message);
            }
        }
        Ok(block)
    }

    /// Stores an initial value; constness does not matter.
    pub(super) fn assign_init(&mut self, place: Expr, value: Expr) -> Expr {
        let (ty, span) = (place.ty, value.span);
        Expr::object(ExprKind::Assign(Box::new(place), Box::new(value)), ty, span)
    }
}

fn rebinding(found: Found) -> Option<Binding> {
    Some(match found {
        Found::Type(qt) => Binding::Arg(TArg::Type(qt)),
        Found::Template(template) => Binding::Arg(TArg::Template(template)),
        Found::Function(id) => Binding::Arg(TArg::Function(id)),
        Found::Constant(value, ty) => Binding::Constant(value, ty),
        Found::Pack(parts) => Binding::Pack(parts),
        Found::Namespace(_)
        | Found::Functions(_)
        | Found::Local(_)
        | Found::Global(_)
        | Found::VarTemplate(_)
        | Found::Field(..)
        | Found::Capture(..) => return None,
    })
}

/// How an operator function is named.
pub(super) fn operator_name(op: tree::Operator) -> String {
    match op {
        tree::Operator::Unary(op) => format!("operator{}", op.text()),
        tree::Operator::Binary(op) => format!("operator{}", op.text()),
        tree::Operator::Assign(Some(op)) => format!("operator{}=", op.text()),
        tree::Operator::Assign(None) => "operator=".into(),
        tree::Operator::Call => "operator()".into(),
        tree::Operator::Index => "operator[]".into(),
        tree::Operator::Arrow => "operator->".into(),
        tree::Operator::Comma => "operator,".into(),
    }
}

/// Whether two functions may be declarations of one by their names.
pub(super) fn same_name(a: &SegmentName, b: &SegmentName) -> bool {
    match (a, b) {
        (SegmentName::Ident(a), SegmentName::Ident(b)) => a == b,
        (SegmentName::Operator(a), SegmentName::Operator(b)) => a == b,
        (SegmentName::Conversion(_), SegmentName::Conversion(_)) => true,
        _ => false,
    }
}
