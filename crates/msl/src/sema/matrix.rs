//! Matrices: how they are made, converted and computed with, column by column.

use crate::diagnostic::{Range, Span};
use crate::sema::hir::{Expr, ExprKind};
use crate::sema::scope::ScopeId;
use crate::sema::types::{Kind, Qt, Scalar, Ty};
use crate::sema::{Res, Sema, codes, start};
use crate::syntax::tree::{self, BinaryOp};

impl Sema<'_> {
    /// A matrix from columns, from all its elements, or from its diagonal.
    pub(super) fn matrix_from(&mut self, ty: Qt, values: Vec<Expr>, at: Range) -> Res<Expr> {
        let span = start(at);
        let Kind::Matrix(scalar, columns, rows) = *self.types.kind(ty.ty) else {
            return Err(crate::sema::Reported);
        };
        let column_ty = Qt::plain(self.types.vector(scalar, rows));
        let element_ty = Qt::plain(Ty::scalar(scalar));
        if let [value] = &values[..] {
            if value.ty.ty == ty.ty {
                return Ok(self.load(value.clone()));
            }
            if let Kind::Matrix(_, c, r) = *self.types.kind(value.ty.ty)
                && (c, r) == (columns, rows)
            {
                return self.matrix_convert(ty, value.clone(), at);
            }
            let diagonal = self.convert(value.clone(), element_ty, at)?;
            let zero = Expr::value(ExprKind::Zero, element_ty.ty, span);
            let parts = (0..columns)
                .map(|c| {
                    let part = |r| if r == c { diagonal.clone() } else { zero.clone() };
                    let parts = (0..rows).map(part).collect();
                    (c.into(), Expr::value(ExprKind::Vector(parts), column_ty.ty, span))
                })
                .collect();
            return Ok(Expr::value(ExprKind::Aggregate(parts), ty.ty, span));
        }
        if values.len() == usize::from(columns) {
            let mut parts = Vec::new();
            for (n, value) in values.into_iter().enumerate() {
                let column = if self.types.as_vector(value.ty.ty).is_some() {
                    self.cast(tree::CastKind::CStyle, column_ty, value, at)?
                } else {
                    self.convert(value, column_ty, at)?
                };
                parts.push((n as u32, column));
            }
            return Ok(Expr::value(ExprKind::Aggregate(parts), ty.ty, span));
        }
        if values.len() == usize::from(columns) * usize::from(rows) {
            let mut parts = Vec::new();
            for (n, chunk) in values.chunks(rows.into()).enumerate() {
                let mut column = Vec::new();
                for value in chunk {
                    column.push(self.convert(value.clone(), element_ty, at)?);
                }
                parts.push((n as u32, Expr::value(ExprKind::Vector(column), column_ty.ty, span)));
            }
            return Ok(Expr::value(ExprKind::Aggregate(parts), ty.ty, span));
        }
        let message = format!("a `{}` cannot be made from {} values", self.show(ty), values.len());
        self.err(codes::BAD_INIT, at, message)
    }

    /// A column of a matrix.
    fn column(&mut self, matrix: &Expr, column: u8, span: Span) -> Res<Expr> {
        let Kind::Matrix(scalar, _, rows) = *self.types.kind(matrix.ty.ty) else {
            return Err(crate::sema::Reported);
        };
        let ty = matrix.ty.with(self.types.vector(scalar, rows));
        let index = Expr::value(ExprKind::Const(column.into()), Ty::INT, span);
        let kind = ExprKind::Element(Box::new(matrix.clone()), Box::new(index));
        let place = Expr::object(kind, ty, span);
        Ok(self.load(place))
    }

    /// A matrix computed column by column. The operand is put into a temporary once.
    pub(super) fn matrix_map(
        &mut self,
        matrix: Expr,
        scalar: Scalar,
        columns: u8,
        rows: u8,
        span: Span,
        each: &mut dyn FnMut(&mut Self, Expr) -> Res<Expr>,
    ) -> Res<Expr> {
        let _ = rows;
        let place = self.matrix_place(matrix);
        let mut parts = Vec::new();
        let mut rows_out = rows;
        for c in 0..columns {
            let column = self.column(&place, c, span)?;
            let value = each(self, column)?;
            if let Some((_, n)) = self.types.as_vector(value.ty.ty) {
                rows_out = n;
            }
            parts.push((c.into(), value));
        }
        let ty = self.types.intern(Kind::Matrix(scalar, columns, rows_out));
        Ok(Expr::value(ExprKind::Aggregate(parts), ty, span))
    }

    /// An object holding a matrix, so that its columns can be named several times.
    fn matrix_place(&mut self, matrix: Expr) -> Expr {
        match matrix.kind {
            ExprKind::Load(inner) => *inner,
            kind => {
                let matrix = Expr { kind, ..matrix };
                if matrix.lvalue { matrix } else { self.shared_temporary(matrix) }
            }
        }
    }

    /// A temporary that may be mentioned several times: a local of its own.
    fn shared_temporary(&mut self, value: Expr) -> Expr {
        let (ty, span) = (value.ty, value.span);
        let id = self.add_local(String::new(), ty, span);
        let place = Expr::object(ExprKind::Local(id), ty, span);
        // The first mention stores; evaluation is in order, so it comes first.
        let store = self.assign_init(place.clone(), value);
        self.pending.push((id, store));
        place
    }

    fn with_pending(&mut self, mark: usize, mut e: Expr) -> Expr {
        while self.pending.len() > mark {
            if let Some((_, store)) = self.pending.pop() {
                let (ty, span, lvalue) = (e.ty, e.span, e.lvalue);
                let kind = ExprKind::Comma(Box::new(store), Box::new(e));
                e = Expr { kind, ty, lvalue, span };
            }
        }
        e
    }

    pub(super) fn matrix_convert(&mut self, to: Qt, e: Expr, at: Range) -> Res<Expr> {
        let Kind::Matrix(scalar, columns, rows) = *self.types.kind(to.ty) else {
            return Err(crate::sema::Reported);
        };
        let mark = self.pending.len();
        let column = self.types.vector(scalar, rows);
        let span = start(at);
        let result = self.matrix_map(e, scalar, columns, rows, span, &mut |s, value| {
            Ok(s.scalar_cast(value, column, span))
        })?;
        Ok(self.with_pending(mark, result))
    }

    /// `m *= e` and the like: the object's address is taken once.
    pub(super) fn matrix_assign(
        &mut self,
        scope: ScopeId,
        op: BinaryOp,
        left: Expr,
        right: Expr,
        at: Range,
    ) -> Res<Expr> {
        let (span, ty) = (start(at), left.ty);
        let mark = self.pending.len();
        let target = ty.in_space(self.space_of(&left));
        let pointer = self.types.pointer(target);
        let address = Expr::value(ExprKind::Address(Box::new(left)), pointer, span);
        let place = self.shared_temporary(address);
        let load = self.load(place);
        let object = Expr::object(ExprKind::Deref(Box::new(load)), ty, span);
        let old = self.load(object.clone());
        let value = self.binary_exprs(scope, op, old, right, at)?;
        let value = self.convert(value, ty.unqualified(), at)?;
        let kind = ExprKind::Assign(Box::new(object), Box::new(value));
        Ok(self.with_pending(mark, Expr::object(kind, ty, span)))
    }

    /// `+ - * ==` with matrices.
    pub(super) fn matrix_binary(
        &mut self,
        scope: ScopeId,
        op: BinaryOp,
        a: Expr,
        b: Expr,
        at: Range,
    ) -> Res<Expr> {
        let span = start(at);
        let mark = self.pending.len();
        let kinds = (self.types.kind(a.ty.ty).clone(), self.types.kind(b.ty.ty).clone());
        let result = match (op, kinds) {
            (BinaryOp::Add | BinaryOp::Sub, (Kind::Matrix(s, c, r), Kind::Matrix(s2, c2, r2)))
                if (s, c, r) == (s2, c2, r2) =>
            {
                let other = self.matrix_place(b);
                let mut next = 0;
                self.matrix_map(a, s, c, r, span, &mut |sema, column| {
                    let right = sema.column(&other, next, span)?;
                    next += 1;
                    sema.binary_exprs(scope, op, column, right, at)
                })?
            }
            (BinaryOp::Mul, (Kind::Matrix(s, c, r), Kind::Matrix(s2, c2, r2)))
                if s == s2 && c == r2 =>
            {
                let left = self.matrix_place(a);
                let _ = r;
                self.matrix_map(b, s, c2, r, span, &mut |sema, column| {
                    sema.matrix_vector(&left, column, s, c, span)
                })?
            }
            (BinaryOp::Mul, (Kind::Matrix(s, c, _), Kind::Vector(t, n))) if s == t && c == n => {
                let left = self.matrix_place(a);
                let vector = self.shared_temporary(b);
                let vector = self.load(vector);
                self.matrix_vector(&left, vector, s, c, span)?
            }
            (BinaryOp::Mul, (Kind::Vector(t, n), Kind::Matrix(s, c, r))) if s == t && r == n => {
                let vector = self.shared_temporary(a);
                let matrix = self.matrix_place(b);
                let mut parts = Vec::new();
                for column in 0..c {
                    let column = self.column(&matrix, column, span)?;
                    let left = self.load(vector.clone());
                    parts.push(self.dot(left, column, s, r, span));
                }
                let ty = self.types.vector(s, c);
                Expr::value(ExprKind::Vector(parts), ty, span)
            }
            (BinaryOp::Mul | BinaryOp::Div, (Kind::Matrix(s, c, r), Kind::Scalar(_)))
            | (BinaryOp::Mul, (Kind::Scalar(_), Kind::Matrix(s, c, r))) => {
                let (matrix, factor) = if matches!(self.types.kind(a.ty.ty), Kind::Matrix(..)) {
                    (a, b)
                } else {
                    (b, a)
                };
                let factor = self.scalar_cast(factor, Ty::scalar(s), span);
                let factor = self.shared_temporary(factor);
                self.matrix_map(matrix, s, c, r, span, &mut |sema, column| {
                    let factor = sema.load(factor.clone());
                    sema.binary_exprs(scope, op, column, factor, at)
                })?
            }
            _ => {
                let message = format!(
                    "`{}` does not apply to a `{}` and a `{}`",
                    op.text(),
                    self.show(a.ty),
                    self.show(b.ty)
                );
                return self.err(codes::BAD_OPERAND, at, message);
            }
        };
        Ok(self.with_pending(mark, result))
    }

    /// The sum of a matrix's columns, each scaled by a component.
    fn matrix_vector(
        &mut self,
        matrix: &Expr,
        vector: Expr,
        scalar: Scalar,
        columns: u8,
        span: Span,
    ) -> Res<Expr> {
        let mut sum: Option<Expr> = None;
        for c in 0..columns {
            let column = self.column(matrix, c, span)?;
            let ty = column.ty.ty;
            let kind = ExprKind::Swizzle(Box::new(vector.clone()), [c].into());
            let part = Expr::value(kind, Ty::scalar(scalar), span);
            let spread = Expr::value(ExprKind::Splat(Box::new(part)), ty, span);
            sum = Some(match sum {
                None => self.arithmetic_op(BinaryOp::Mul, column, spread, ty, scalar, span),
                Some(sum) => {
                    let kind = ExprKind::Fma(Box::new(column), Box::new(spread), Box::new(sum));
                    Expr::value(kind, ty, span)
                }
            });
        }
        sum.ok_or(crate::sema::Reported)
    }

    fn dot(&mut self, a: Expr, b: Expr, scalar: Scalar, n: u8, span: Span) -> Expr {
        let ty = Ty::scalar(scalar);
        let part = |e: &Expr, c: u8| {
            Expr::value(ExprKind::Swizzle(Box::new(e.clone()), [c].into()), ty, span)
        };
        let product = Box::new((part(&a, 0), part(&b, 0)));
        let kind = ExprKind::Binary(
            crate::ir::BinaryOp::Mul,
            Box::new(product.0.clone()),
            Box::new(product.1.clone()),
        );
        let mut sum = Expr::value(kind, ty, span);
        for c in 1..n {
            let kind = ExprKind::Fma(Box::new(part(&a, c)), Box::new(part(&b, c)), Box::new(sum));
            sum = Expr::value(kind, ty, span);
        }
        sum
    }
}
