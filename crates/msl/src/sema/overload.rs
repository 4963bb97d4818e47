//! Overload resolution: which candidates fit, how well, and which is best.

use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Range};
use crate::sema::call::own_head;
use crate::sema::convert::{ADJUST, Arg, CONVERT, EXACT, Rank};
use crate::sema::deduce::Deduction;
use crate::sema::function::Sig;
use crate::sema::hir::Expr;
use crate::sema::lookup::{Candidate, Method};
use crate::sema::scope::{Binding, ScopeId};
use crate::sema::types::{Kind, Qt, Space};
use crate::sema::{Res, Sema, TArg, codes};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{self, Chunk, FunctionBody, FunctionDecl, FunctionKind, TypeSpec};

/// A candidate that can be called with the arguments.
pub(super) struct Viable {
    pub(super) which: Which,
    pub(super) ranks: Vec<Rank>,
    pub(super) is_template: bool,
}

/// What a viable candidate is.
pub(super) enum Which {
    Source { method: Method, scope: ScopeId, args: Vec<TArg>, sig: Rc<Sig> },
    Builtin(crate::sema::library::Choice),
}

/// Where a candidate is declared, if in source, and why it cannot be called.
pub(super) type Reason = (Option<Range>, String);

/// The symbol that stands for the type of the `n`th parameter declared `auto`.
fn auto_symbol(n: usize) -> Symbol {
    Symbol(u32::MAX - n as u32)
}

/// Whether a symbol is a name of the program, and not one that stands for such a type.
pub(super) fn is_name(symbol: Symbol) -> bool {
    symbol.0 < u32::MAX - (1 << 20)
}

impl Sema<'_> {
    /// Overload resolution.
    pub(super) fn choose(
        &mut self,
        name: &str,
        candidates: Vec<Candidate>,
        explicit: &[TArg],
        args: &[Arg<'_>],
        object: Option<&Expr>,
        at: Range,
    ) -> Res<Viable> {
        let (mut viable, mut reasons) = (Vec::new(), Vec::new());
        self.gather(candidates, explicit, args, object, at, (&mut viable, &mut reasons));
        if viable.is_empty() {
            let shown: Vec<String> = args.iter().map(|arg| self.show_arg_type(arg)).collect();
            let message = if reasons.len() == 1 {
                format!("`{name}` cannot be called like this: {}", reasons[0].1)
            } else {
                format!("no `{name}` takes arguments of types ({})", shown.join(", "))
            };
            let mut diagnostic = Diagnostic::error(codes::NO_OVERLOAD, at, message);
            for (span, why) in reasons.into_iter().take(12) {
                diagnostic = match span {
                    Some(span) => diagnostic.note_at(span, format!("not this one: {why}")),
                    None => diagnostic.note(format!("not the library's: {why}")),
                };
            }
            return self.report(diagnostic);
        }
        self.best(name, viable, at)
    }

    /// Sorts candidates into those that can be called and those that cannot, with the reasons.
    pub(super) fn gather(
        &mut self,
        candidates: Vec<Candidate>,
        explicit: &[TArg],
        args: &[Arg<'_>],
        object: Option<&Expr>,
        at: Range,
        (viable, reasons): (&mut Vec<Viable>, &mut Vec<Reason>),
    ) {
        for candidate in candidates {
            match candidate {
                Candidate::Source(method) => {
                    let span = method.decl.span;
                    match self.viable(method, explicit, args, object, at) {
                        Ok(candidate) => viable.push(candidate),
                        Err(why) => reasons.push((Some(span), why)),
                    }
                }
                Candidate::Builtin(name) => match self.library_viable(name, explicit, args) {
                    Ok(choice) => {
                        let ranks = choice.ranks.clone();
                        let which = Which::Builtin(choice);
                        viable.push(Viable { which, ranks, is_template: false });
                    }
                    Err(why) => reasons.push((None, why)),
                },
            }
        }
    }

    /// The best of candidates that can all be called, of which there is at least one.
    pub(super) fn best(&mut self, name: &str, mut viable: Vec<Viable>, at: Range) -> Res<Viable> {
        let mut best = 0;
        for other in 1..viable.len() {
            if self.better(&viable[other], &viable[best]) {
                best = other;
            }
        }
        let clash = (0..viable.len())
            .find(|&other| other != best && !self.better(&viable[best], &viable[other]));
        if let Some(other) = clash {
            let span = |v: &Viable| match &v.which {
                Which::Source { method, .. } => Some(method.decl.span),
                Which::Builtin(_) => None,
            };
            let mut diagnostic = Diagnostic::error(
                codes::AMBIGUOUS,
                at,
                format!("the call of `{name}` is ambiguous"),
            );
            for candidate in [&viable[best], &viable[other]] {
                diagnostic = match span(candidate) {
                    Some(span) => diagnostic.note_at(span, "it could be this one"),
                    None => diagnostic.note("it could be the library's"),
                };
            }
            return self.report(diagnostic);
        }
        Ok(viable.swap_remove(best))
    }

    pub(super) fn show_arg_type(&self, arg: &Arg<'_>) -> String {
        match arg {
            Arg::Expr(e) => self.show(e.ty),
            Arg::List(..) => "{...}".into(),
        }
    }

    pub(super) fn better(&mut self, a: &Viable, b: &Viable) -> bool {
        let n = a.ranks.len().min(b.ranks.len());
        let mut some_better = false;
        for i in 0..n {
            if a.ranks[i] > b.ranks[i] {
                return false;
            }
            some_better |= a.ranks[i] < b.ranks[i];
        }
        if some_better {
            return true;
        }
        match (a.is_template, b.is_template) {
            (false, true) => return true,
            (true, false) => return false,
            _ => {}
        }
        match (&a.which, &b.which) {
            (Which::Source { method: ma, .. }, Which::Source { method: mb, .. }) => {
                if a.is_template && b.is_template {
                    let (ma, mb) = (ma.clone(), mb.clone());
                    let ab = self.at_least_as_special(&ma, &mb);
                    let ba = self.at_least_as_special(&mb, &ma);
                    if ab != ba {
                        return ab;
                    }
                }
                let (Which::Source { sig: sa, .. }, Which::Source { sig: sb, .. }) =
                    (&a.which, &b.which)
                else {
                    return false;
                };
                // Of declarations of one function the one with a body counts.
                let equal = sa.params.len() == sb.params.len()
                    && sa.params.iter().zip(&sb.params).all(|(a, b)| a.ty == b.ty);
                let has_body = |m: &Method| !matches!(m.decl.body, FunctionBody::None);
                // What the user declares comes before what the prelude does.
                let own = |m: &Method| {
                    m.decl.frame == crate::syntax::index::FrameId::NONE
                        || self.index.owns(m.decl.frame)
                };
                if own(ma) != own(mb) {
                    return own(ma);
                }
                if equal {
                    // A member hides one inherited, a later declaration repeats an earlier one.
                    return has_body(ma) && !has_body(mb)
                        || has_body(ma) == has_body(mb)
                            && Arc::as_ptr(&ma.decl) > Arc::as_ptr(&mb.decl)
                            && !has_body(ma);
                }
                false
            }
            // What the source declares hides the library's own of the same quality.
            (Which::Source { .. }, Which::Builtin(_)) => true,
            (Which::Builtin(_), _) => false,
        }
    }

    /// Whether every call that fits template `a` fits `b`.
    fn at_least_as_special(&mut self, a: &Method, b: &Method) -> bool {
        let (Some(a_head), Some(b_head)) = (own_head(&a.decl), own_head(&b.decl)) else {
            return false;
        };
        let at = a.decl.span;
        // Types that equal only themselves, or where a vector cannot hold such, a scalar.
        let sig = [false, true].into_iter().find_map(|scalars| {
            let unique = self.unique_args(&a_head, scalars);
            let bound = self.attempt(|s| s.bind_params(&a_head, &unique, a.scope, at)).ok()?;
            self.attempt(|s| s.signature(&a.decl, bound.0)).ok()
        });
        let Some(sig) = sig else { return false };
        let mut deduction = Deduction::new(Some(&b_head), b.scope);
        let mut n = 0;
        for param in &b.decl.sig.params {
            let pack = param.declarator.pack.is_some();
            while let Some(actual) = sig.params.get(n) {
                if actual.pack && !pack {
                    return false;
                }
                let (chunks, is_ref) = strip_reference(&param.declarator.chunks);
                let mut ty = actual.ty;
                if is_ref {
                    ty = self.types.deref(ty);
                } else {
                    ty = self.types.deref(ty).unqualified();
                }
                if !self.deduce(&mut deduction, &param.spec, chunks, ty) {
                    return false;
                }
                n += 1;
                if !pack {
                    break;
                }
                deduction.next_element();
            }
        }
        n == sig.params.len()
    }

    /// Whether a function can be called with the arguments, and how well; or why not.
    pub(super) fn viable(
        &mut self,
        method: Method,
        explicit: &[TArg],
        args: &[Arg<'_>],
        object: Option<&Expr>,
        at: Range,
    ) -> Result<Viable, String> {
        if method.decl.heads.last().is_some_and(|head| head.params.is_empty()) {
            return Err("it is a specialisation, found through its template".into());
        }
        let written = &method.decl.sig.params;
        let has_pack = written.iter().any(|param| param.declarator.pack.is_some());
        if !has_pack && args.len() > written.len() {
            return Err(format!("it takes {} arguments, not {}", written.len(), args.len()));
        }
        let required = written
            .iter()
            .filter(|param| param.default.is_none() && param.declarator.pack.is_none())
            .count();
        if args.len() < required {
            return Err(format!("it takes {required} arguments, not {}", args.len()));
        }
        let mut ranks = Vec::with_capacity(args.len() + 1);
        if method.class.is_some()
            && !method.decl.spec.flags.is_static
            && method.decl.kind != FunctionKind::Constructor
        {
            let Some(object) = object else { return Err("it needs an object".into()) };
            ranks.push(self.object_rank(&method, object)?);
        }
        let head = own_head(&method.decl);
        let autos = has_auto(&method.decl);
        let is_template = head.is_some() || autos;
        let (scope, targs) = if is_template {
            self.deduce_call(&method, head.as_deref(), explicit, args, at)?
        } else {
            if !explicit.is_empty() {
                return Err("it is no template".into());
            }
            (method.scope, Vec::new())
        };
        let sig = self.attempt(|s| s.signature(&method.decl, scope))?;
        if args.len() > sig.params.len() {
            return Err(format!("it takes {} arguments, not {}", sig.params.len(), args.len()));
        }
        for (n, arg) in args.iter().enumerate() {
            let to = sig.params[n].ty;
            match self.implicit(arg, to) {
                Some(rank) => ranks.push(rank),
                None => {
                    let from = self.show_arg_type(arg);
                    let to = self.show(to);
                    return Err(format!(
                        "argument {} of type `{from}` does not convert to `{to}`",
                        n + 1
                    ));
                }
            }
        }
        Ok(Viable { which: Which::Source { method, scope, args: targs, sig }, ranks, is_template })
    }

    pub(super) fn object_rank(&mut self, method: &Method, object: &Expr) -> Result<Rank, String> {
        let quals = method.decl.sig.quals;
        let space = if object.lvalue { self.space_of(object) } else { Space::Thread };
        let is_lambda = method.class.is_some_and(|class| self.class(class).lambda.is_some());
        if object.ty.is_const && !quals.is_const && !is_lambda {
            return Err("the object is const and the function is not".into());
        }
        let mut rank = match quals.space {
            Some(own) if own != space => {
                return Err(format!("the object is in `{}` memory", space.text()));
            }
            Some(_) => (EXACT, 0),
            None if space == Space::Thread => (EXACT, 0),
            None => (ADJUST, 0),
        };
        rank.1 += u8::from(quals.is_const && !object.ty.is_const);
        if let (Some(own), Some(class)) = (self.types.as_class(object.ty.ty), method.class)
            && own != class
        {
            rank.0 = rank.0.max(CONVERT);
        }
        Ok(rank)
    }

    fn deduce_call(
        &mut self,
        method: &Method,
        head: Option<&tree::TemplateHead>,
        explicit: &[TArg],
        args: &[Arg<'_>],
        at: Range,
    ) -> Result<(ScopeId, Vec<TArg>), String> {
        let mut scope = method.scope;
        let mut deduction = Deduction::new(head, scope);
        if let Some(head) = head {
            let mut rest = explicit.iter();
            for param in &head.params {
                let Some(name) = param.name else {
                    rest.next();
                    continue;
                };
                if param.pack {
                    let parts: Vec<TArg> = rest.by_ref().cloned().collect();
                    if !parts.is_empty() {
                        deduction.fix(name, TArg::Pack(parts));
                    }
                } else if let Some(arg) = rest.next() {
                    // Values take the parameter's type before they are compared.
                    deduction.fix(name, arg.clone());
                }
            }
        }
        let mut autos = Vec::new();
        let mut n = 0;
        for (written, param) in method.decl.sig.params.iter().enumerate() {
            let pack = param.declarator.pack.is_some();
            // A pack given explicitly is not deduced again.
            while let Some(arg) = args.get(n) {
                let Arg::Expr(e) = arg else {
                    n += 1;
                    if pack { continue } else { break }
                };
                let (chunks, is_ref) = strip_reference(&param.declarator.chunks);
                let mut actual = e.ty;
                if is_ref {
                    let forwarding = chunks.is_empty()
                        && matches!(
                            param.declarator.chunks.last(),
                            Some(Chunk::Reference { rvalue: true, .. })
                        )
                        && !param.spec.quals.is_const;
                    if forwarding && e.lvalue {
                        let target = actual.in_space(self.space_of(e));
                        actual = Qt::plain(self.types.intern(Kind::Ref(target, false)));
                    } else {
                        actual.space = self.space_of(e);
                        if param.spec.quals.space.is_none() && param.spec.quals.is_const {
                            actual.space = Space::Thread;
                            if !matches!(chunks.last(), Some(Chunk::Pointer(_))) {
                                actual.is_const = false;
                            }
                        }
                        if !e.lvalue {
                            actual = actual.unqualified();
                        }
                    }
                } else {
                    if let Kind::Array(element, _) = *self.types.kind(actual.ty) {
                        let space = self.space_of(e);
                        actual = Qt::plain(self.types.pointer(element.in_space(space)));
                    }
                    actual = actual.unqualified();
                }
                if matches!(param.spec.ty, TypeSpec::Auto) {
                    autos.push((written, actual));
                } else if !self.deduce(&mut deduction, &param.spec, chunks, actual)
                    && self.depends(&deduction, &param.spec, head)
                {
                    let from = self.show(e.ty);
                    return Err(format!("argument {} of type `{from}` does not fit", n + 1));
                }
                n += 1;
                if !pack {
                    break;
                }
                deduction.next_element();
            }
        }
        let mut targs = Vec::new();
        if let Some(head) = head {
            let Some(found) = deduction.args(head, false) else {
                let missing = deduction
                    .missing(head)
                    .map_or(String::new(), |name| format!(" `{}`", self.text(name)));
                return Err(format!("template parameter{missing} cannot be deduced"));
            };
            let (bound, all) = self.attempt(|s| s.bind_params(head, &found, method.scope, at))?;
            scope = bound;
            targs = all;
        }
        if has_auto(&method.decl) {
            if head.is_none() {
                scope = self.block_scope(scope);
            }
            for (written, param) in method.decl.sig.params.iter().enumerate() {
                if !matches!(param.spec.ty, TypeSpec::Auto) {
                    continue;
                }
                let own = autos.iter().filter(|(n, _)| *n == written);
                let mut types = own.map(|(_, ty)| TArg::Type(*ty));
                let arg = match param.declarator.pack {
                    Some(_) => TArg::Pack(types.collect()),
                    None => match types.next() {
                        Some(arg) => arg,
                        None => continue,
                    },
                };
                self.bind(scope, auto_symbol(written), Binding::Arg(arg.clone()));
                targs.push(arg);
            }
        }
        Ok((scope, targs))
    }

    /// Whether specifiers name a template parameter directly, so that a mismatch counts.
    fn depends(
        &self,
        deduction: &Deduction,
        spec: &tree::DeclSpec,
        head: Option<&tree::TemplateHead>,
    ) -> bool {
        let TypeSpec::Path(path) = &spec.ty else { return false };
        let names = head.map(|head| &head.params[..]).unwrap_or_default();
        if let Some(name) = path.as_ident() {
            // A parameter fixed explicitly converts instead.
            return names.iter().any(|param| param.name == Some(name))
                && deduction.known(name).is_none();
        }
        path.last().args.is_some()
    }

    /// One scope for each type bound to a parameter pack declared `auto`.
    pub(super) fn auto_pack(&mut self, scope: ScopeId, written: usize) -> Option<Vec<ScopeId>> {
        let Binding::Arg(TArg::Pack(parts)) = self.lookup_block(scope, auto_symbol(written))?
        else {
            return None;
        };
        let mut scopes = Vec::with_capacity(parts.len());
        for part in parts {
            let inner = self.block_scope(scope);
            self.bind(inner, auto_symbol(written), Binding::Arg(part));
            scopes.push(inner);
        }
        Some(scopes)
    }

    /// The type bound to a parameter declared `auto`.
    pub(super) fn auto_param(&mut self, scope: ScopeId, written: usize) -> Option<Qt> {
        match self.lookup_block(scope, auto_symbol(written))? {
            Binding::Arg(TArg::Type(qt)) => Some(qt),
            _ => None,
        }
    }

    fn lookup_block(&self, scope: ScopeId, name: Symbol) -> Option<Binding> {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = self.scope(id);
            if let Some((_, binding)) = scope.names.iter().rev().find(|(own, _)| *own == name) {
                return Some(binding.clone());
            }
            at = scope.parent;
        }
        None
    }
}

fn has_auto(decl: &FunctionDecl) -> bool {
    decl.sig.params.iter().any(|param| matches!(param.spec.ty, TypeSpec::Auto))
}

/// The chunks inside a top-level reference.
fn strip_reference(chunks: &[Chunk]) -> (&[Chunk], bool) {
    match chunks.split_last() {
        Some((Chunk::Reference { .. }, rest)) => (rest, true),
        _ => (chunks, false),
    }
}
