//! Calls of a function by itself as the last thing it does: a loop that begins again with other
//! arguments. Every other recursion is an error.

use crate::sema::Sema;
use crate::sema::hir::{Body, Expr, ExprKind, FnId, Local, LocalId, LoopForm, Stmt};
use crate::sema::types::{Kind, Space};

/// The body with its last calls of itself as jumps to the start, if it has any.
pub(super) fn as_loop(sema: &Sema<'_>, id: FnId, body: &Body) -> Option<Body> {
    let mut tail = Tail { sema, id, body, more: Vec::new(), found: false };
    let mut block = body.block.clone();
    tail.last(&mut block, true);
    if !tail.found {
        return None;
    }
    let span = sema.fns[id.0 as usize].span.first;
    block.push(Stmt::Break(span));
    let looped = Stmt::Loop { cond: None, body: block, step: None, style: LoopForm::For, span };
    let mut locals = body.locals.clone();
    locals.extend(tail.more);
    Some(Body { locals, params: body.params, block: vec![looped] })
}

struct Tail<'a, 'b> {
    sema: &'a Sema<'b>,
    id: FnId,
    body: &'a Body,
    more: Vec<Local>,
    found: bool,
}

impl Tail<'_, '_> {
    /// Replaces calls that end a block. `falls_off`: nothing follows the block, so that its last
    /// statement ends the function even without a `return`.
    fn last(&mut self, block: &mut Vec<Stmt>, falls_off: bool) {
        let count = block.len();
        for at in (0..count).rev() {
            // What precedes a `return` without a value ends the function as well.
            let ends = falls_off && at + 1 == count
                || matches!(block.get(at + 1), Some(Stmt::Return(None, _)));
            let jump = match &mut block[at] {
                Stmt::Block(inner) => {
                    self.last(inner, ends);
                    None
                }
                Stmt::If { then, otherwise, .. } => {
                    self.last(then, ends);
                    self.last(otherwise, ends);
                    None
                }
                Stmt::Return(Some(value), _) => self.jump(value),
                Stmt::Expr(value) if ends => self.jump(value),
                _ => None,
            };
            if let Some(jump) = jump {
                self.found = true;
                block.splice(at..=at, jump);
            }
        }
    }

    /// The statements that begin the function again with the arguments of a call of itself.
    fn jump(&mut self, call: &Expr) -> Option<Vec<Stmt>> {
        let call = match &call.kind {
            ExprKind::Void(inner) => inner,
            _ => call,
        };
        let ExprKind::Call(callee, args) = &call.kind else { return None };
        if *callee != self.id || args.len() != self.body.params {
            return None;
        }
        let changed: Vec<usize> = (0..args.len()).filter(|&n| !passes_on(&args[n], n)).collect();
        if !changed.iter().all(|&n| self.outlives(n)) {
            return None;
        }
        let span = call.span;
        let (mut values, mut stores) = (Vec::new(), Vec::new());
        for n in changed {
            let param = &self.body.locals[n];
            let next = LocalId((self.body.locals.len() + self.more.len()) as u32);
            self.more.push(Local { name: format!("next {}", param.name), ..param.clone() });
            values.push(Stmt::Local { id: next, init: Some(args[n].clone()), span });
            let from = Expr::object(ExprKind::Local(next), param.ty, span);
            let from = Expr::value(ExprKind::Load(Box::new(from)), param.ty.ty, span);
            let to = Expr::object(ExprKind::Local(LocalId(n as u32)), param.ty, span);
            let store = ExprKind::Assign(Box::new(to), Box::new(from));
            stores.push(Stmt::Expr(Expr::object(store, param.ty, span)));
        }
        values.extend(stores);
        values.push(Stmt::Continue(span));
        Some(values)
    }

    /// Whether a parameter's value cannot refer to the variables of the call that ends.
    fn outlives(&self, param: usize) -> bool {
        match self.sema.types.kind(self.body.locals[param].ty.ty) {
            Kind::Scalar(_) | Kind::Vector(..) => true,
            Kind::Pointer(to) => to.space != Space::Thread,
            _ => false,
        }
    }
}

/// Whether an argument is the parameter of that number itself.
fn passes_on(arg: &Expr, n: usize) -> bool {
    match &arg.kind {
        ExprKind::Load(of) => matches!(of.kind, ExprKind::Local(id) if id.0 as usize == n),
        ExprKind::Address(of) => match &of.kind {
            ExprKind::Deref(pointer) => passes_on(pointer, n),
            _ => false,
        },
        _ => false,
    }
}
