//! String literals, which only logging takes.

use crate::diagnostic::Span;
use crate::sema::Sema;
use crate::sema::function::GlobalKind;
use crate::sema::hir::{Expr, ExprKind, Value};
use crate::sema::types::{Kind, Qt, Scalar, Space, Ty};

impl Sema<'_> {
    /// Characters in constant memory, ended by a zero.
    pub(super) fn string(&mut self, text: &str, span: Span) -> Expr {
        let mut parts: Vec<Value> = text.bytes().map(|c| Value::Bits(c.into())).collect();
        parts.push(Value::Bits(0));
        let element = Qt::plain(Ty::scalar(Scalar::I8)).in_space(Space::Constant).constant();
        let array = self.types.intern(Kind::Array(element, Some(parts.len() as u64)));
        let ty = Qt::plain(array).in_space(Space::Constant).constant();
        let id = self.local_global("string".into(), ty, GlobalKind::Constant, None, span);
        self.globals[id.0 as usize].value = Some(Value::Parts(parts));
        Expr::object(ExprKind::Global(id), ty, span)
    }
}
