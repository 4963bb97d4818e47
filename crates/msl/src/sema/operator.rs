//! Operators: usual conversions, overloads, contraction.
//!
//! Contraction: `a * b + c` and `a * b - c` of floats become one fma where product and sum stand
//! in one expression and no `#pragma clang fp contract(off)` is in force. That is clang's
//! `-ffp-contract=on`, and it holds in every math mode.

use crate::diagnostic::{Diagnostic, Range, Span};
use crate::ir::{self, CompareOp};
use crate::sema::convert::{Arg, arithmetic, promote};
use crate::sema::hir::{Expr, ExprKind};
use crate::sema::lookup::{Candidate, Found};
use crate::sema::scope::ScopeId;
use crate::sema::types::{Kind, Qt, Scalar, Ty};
use crate::sema::{Res, Sema, codes, start};
use crate::syntax::tree::{self, BinaryOp, Operator, SegmentName, UnaryOp};

impl Sema<'_> {
    fn is_overloadable(&self, e: &Expr) -> bool {
        matches!(self.types.kind(e.ty.ty), Kind::Class(_) | Kind::Enum(_))
    }

    /// Calls an overloaded operator, if one fits.
    fn overloaded(
        &mut self,
        scope: ScopeId,
        op: Operator,
        operands: &[Expr],
        at: Range,
    ) -> Res<Option<Expr>> {
        if !operands.iter().any(|e| self.is_overloadable(e)) {
            return Ok(None);
        }
        let name = SegmentName::Operator(op);
        let mut viable = Vec::new();
        let mut reasons: Vec<(Range, String)> = Vec::new();
        let mut seen = Vec::new();
        if let Some(class) = self.types.as_class(operands[0].ty.ty) {
            self.complete(class, at)?;
            let args: Vec<Arg<'_>> = operands[1..].iter().cloned().map(Arg::Expr).collect();
            if let Some(Found::Functions(members)) = self.operator_members(class, &name)? {
                for candidate in members {
                    let Candidate::Source(method) = candidate else { continue };
                    if method.decl.sig.params.len() != args.len() {
                        continue;
                    }
                    let span = method.decl.span;
                    match self.viable(method, &[], &args, Some(&operands[0]), at) {
                        Ok(found) => viable.push((found, true)),
                        Err(why) => reasons.push((span, why)),
                    }
                }
            }
        }
        let mut candidates = self.operators_in(scope, op)?;
        for operand in operands {
            if let Some(class) = self.types.as_class(operand.ty.ty) {
                candidates.extend(self.friends(class, &name));
            }
            if let Some(scope) = self.associated_scope(operand.ty) {
                candidates.extend(self.operators_in(scope, op)?);
            }
        }
        let args: Vec<Arg<'_>> = operands.iter().cloned().map(Arg::Expr).collect();
        for candidate in candidates {
            let Candidate::Source(method) = candidate else { continue };
            let address = Self::address(&method.decl);
            if method.decl.sig.params.len() != args.len() || seen.contains(&address) {
                continue;
            }
            seen.push(address);
            let span = method.decl.span;
            match self.viable(method, &[], &args, None, at) {
                Ok(found) => viable.push((found, false)),
                Err(why) => reasons.push((span, why)),
            }
        }
        if viable.is_empty() {
            return match self.overload_failure(op, operands, reasons, at) {
                Some(diagnostic) => self.report(diagnostic),
                None => Ok(None),
            };
        }
        let mut best = 0;
        for other in 1..viable.len() {
            if self.better(&viable[other].0, &viable[best].0) {
                best = other;
            }
        }
        let (chosen, is_member) = viable.swap_remove(best);
        let crate::sema::overload::Which::Source { method, .. } = chosen.which else {
            return Ok(None);
        };
        // Called again through the ordinary way, which converts the arguments.
        let text = crate::sema::function::operator_name(op);
        let candidate = vec![Candidate::Source(method)];
        let call = if is_member {
            self.overload(&text, candidate, &[], &args[1..], Some(operands[0].clone()), at)?
        } else {
            self.overload(&text, candidate, &[], &args, None, at)?
        };
        Ok(Some(call))
    }

    /// Why no overload fits; nothing if the built-in operator may.
    fn overload_failure(
        &mut self,
        op: Operator,
        operands: &[Expr],
        reasons: Vec<(Range, String)>,
        at: Range,
    ) -> Option<Diagnostic> {
        let built_in = (0..operands.len()).all(|n| match self.types.kind(operands[n].ty.ty) {
            Kind::Class(_) => match op {
                Operator::Assign(None) => true,
                Operator::Assign(_) if n == 0 => false,
                _ => self.as_number(&operands[n]).is_some(),
            },
            _ => true,
        });
        if built_in {
            return None;
        }
        let shown: Vec<String> = operands.iter().map(|e| self.show(e.ty)).collect();
        let text = crate::sema::function::operator_name(op);
        let message = format!("no `{text}` takes operands of types ({})", shown.join(", "));
        let mut diagnostic = Diagnostic::error(codes::NO_OVERLOAD, at, message);
        for (span, why) in reasons.into_iter().take(8) {
            diagnostic = diagnostic.note_at(span, format!("not this one: {why}"));
        }
        Some(diagnostic)
    }

    /// The number that a class converts to.
    fn as_number(&mut self, e: &Expr) -> Option<Expr> {
        let class = self.types.as_class(e.ty.ty)?;
        // A class that says which number it is, is that number.
        for candidate in self.conversions(class).ok()? {
            let Candidate::Source(method) = candidate else { continue };
            if crate::sema::call::own_head(&method.decl).is_some() {
                continue;
            }
            let sig = self.attempt(|s| s.signature(&method.decl, method.scope)).ok()?;
            let Some(to) = sig.ret else { continue };
            let to = self.types.deref(to).unqualified();
            if (self.types.arithmetic(to.ty).is_some() || self.types.as_vector(to.ty).is_some())
                && let Ok(value) = self.attempt(|s| s.convert(e.clone(), to, e.span.into()))
            {
                return Some(value);
            }
        }
        let targets = [
            Scalar::F32,
            Scalar::I32,
            Scalar::U32,
            Scalar::F16,
            Scalar::BF16,
            Scalar::I64,
            Scalar::U64,
            Scalar::Bool,
        ];
        for scalar in targets {
            let to = Qt::plain(Ty::scalar(scalar));
            if let Ok(value) = self.attempt(|s| s.convert(e.clone(), to, e.span.into())) {
                return Some(value);
            }
        }
        None
    }

    /// A unary operator.
    pub(super) fn unary(
        &mut self,
        scope: ScopeId,
        op: UnaryOp,
        operand: &tree::Expr,
        at: Range,
    ) -> Res<Expr> {
        let span = start(at);
        if op == UnaryOp::AddressOf
            && let tree::ExprKind::Path(path) = &operand.kind
            && let Some(Found::Functions(functions)) = self.resolve(scope, path)?
        {
            let args = path.last().args.as_deref();
            return match self.function_argument(scope, functions, args, at)? {
                crate::sema::TArg::Function(id) => self.found_expr(Found::Function(id), path),
                _ => {
                    let message = "this names several functions, and nothing here chooses one";
                    self.err(codes::AMBIGUOUS, at, message)
                }
            };
        }
        let e = self.expr(scope, operand)?;
        if e.is_error() {
            return Err(crate::sema::Reported);
        }
        let as_written = match op {
            UnaryOp::Plus => Operator::Binary(BinaryOp::Add),
            UnaryOp::Neg => Operator::Binary(BinaryOp::Sub),
            UnaryOp::Deref => Operator::Binary(BinaryOp::Mul),
            UnaryOp::AddressOf => Operator::Binary(BinaryOp::And),
            UnaryOp::PostInc => Operator::Unary(UnaryOp::PreInc),
            UnaryOp::PostDec => Operator::Unary(UnaryOp::PreDec),
            op => Operator::Unary(op),
        };
        if op != UnaryOp::AddressOf {
            let mut operands = vec![e.clone()];
            if matches!(op, UnaryOp::PostInc | UnaryOp::PostDec) {
                operands.push(Expr::value(ExprKind::Const(0), Ty::INT, span));
            }
            if let Some(call) = self.overloaded(scope, as_written, &operands, at)? {
                return Ok(call);
            }
        }
        match op {
            UnaryOp::AddressOf => {
                if !e.lvalue {
                    let message = "the address of a value that is no object cannot be taken";
                    return self.err(codes::BAD_OPERAND, at, message);
                }
                if matches!(e.kind, ExprKind::Swizzle(..)) && e.ty.ty != Ty::ERROR {
                    let message = "the address of a vector's component cannot be taken";
                    return self.err(codes::BAD_OPERAND, at, message);
                }
                let mut to = e.ty;
                to.space = self.space_of(&e);
                let pointer = self.types.pointer(to);
                Ok(Expr::value(ExprKind::Address(Box::new(e)), pointer, span))
            }
            UnaryOp::Deref => {
                let e = self.rvalue(e)?;
                match self.types.pointee(e.ty.ty) {
                    Some(to) if matches!(self.types.kind(to.ty), Kind::Function(..)) => Ok(e),
                    Some(to) if to.ty != Ty::VOID => {
                        self.complete_type(to, at)?;
                        Ok(Expr::object(ExprKind::Deref(Box::new(e)), to, span))
                    }
                    _ => {
                        let message = format!("`*` needs a pointer, not a `{}`", self.show(e.ty));
                        self.err(codes::BAD_OPERAND, at, message)
                    }
                }
            }
            UnaryOp::PreInc | UnaryOp::PreDec | UnaryOp::PostInc | UnaryOp::PostDec => {
                let add = matches!(op, UnaryOp::PreInc | UnaryOp::PostInc);
                let postfix = matches!(op, UnaryOp::PostInc | UnaryOp::PostDec);
                self.check_assignable(&e, at)?;
                let old = Expr::old(e.ty, span);
                let one = Expr::value(ExprKind::Const(1), Ty::INT, span);
                let op = if add { BinaryOp::Add } else { BinaryOp::Sub };
                let value = self.binary_exprs(scope, op, old, one, at)?;
                let value = self.scalar_cast(value, e.ty.ty, span);
                Ok(self.update(e, value, postfix, span))
            }
            UnaryOp::Not => {
                let e = self.rvalue(e)?;
                if let Some((_, n)) = self.types.as_vector(e.ty.ty) {
                    let bools = self.types.vector(Scalar::Bool, n);
                    let e = self.scalar_cast(e, bools, span);
                    let kind = ExprKind::Unary(ir::UnaryOp::Not, Box::new(e));
                    return Ok(Expr::value(kind, bools, span));
                }
                let e = self.condition(e)?;
                if let ExprKind::Const(bits) = e.kind {
                    return Ok(Expr::value(ExprKind::Const(u64::from(bits == 0)), Ty::BOOL, span));
                }
                Ok(Expr::value(ExprKind::Unary(ir::UnaryOp::Not, Box::new(e)), Ty::BOOL, span))
            }
            UnaryOp::Plus | UnaryOp::Neg | UnaryOp::BitNot => self.sign(op, e, at),
        }
    }

    fn sign(&mut self, op: UnaryOp, e: Expr, at: Range) -> Res<Expr> {
        let span = start(at);
        let e = match self.as_number(&e) {
            Some(number) => number,
            None => self.rvalue(e)?,
        };
        if let Kind::Matrix(scalar, c, r) = *self.types.kind(e.ty.ty)
            && op == UnaryOp::Neg
        {
            return self.matrix_map(e, scalar, c, r, span, &mut |s, column| {
                s.sign(UnaryOp::Neg, column, at)
            });
        }
        let (scalar, ty) = match (self.types.as_vector(e.ty.ty), self.types.as_scalar(e.ty.ty)) {
            (Some((scalar, n)), _) => (scalar, self.types.vector(scalar, n)),
            (None, Some(scalar)) => (promote(scalar), Ty::scalar(promote(scalar))),
            (None, None) => {
                if op == UnaryOp::Plus && self.types.pointee(e.ty.ty).is_some() {
                    return Ok(e);
                }
                let message = format!("`{}` does not apply to a `{}`", op.text(), self.show(e.ty));
                return self.err(codes::BAD_OPERAND, at, message);
            }
        };
        let e = self.scalar_cast(e, ty, span);
        let ir = match op {
            UnaryOp::Neg => ir::UnaryOp::Neg,
            UnaryOp::BitNot if !scalar.is_float() => ir::UnaryOp::Not,
            UnaryOp::BitNot => {
                let message = format!("`~` does not apply to a `{}`", self.show(e.ty));
                return self.err(codes::BAD_OPERAND, at, message);
            }
            _ => return Ok(e),
        };
        if let ExprKind::Const(bits) = e.kind
            && self.types.as_vector(ty).is_none()
        {
            let bits = crate::sema::consteval::unary(ir, bits, scalar);
            return Ok(Expr::value(ExprKind::Const(bits), ty, span));
        }
        Ok(Expr::value(ExprKind::Unary(ir, Box::new(e)), ty, span))
    }

    fn update(&mut self, object: Expr, value: Expr, postfix: bool, span: Span) -> Expr {
        let ty = object.ty;
        let kind = ExprKind::Update { object: Box::new(object), value: Box::new(value), postfix };
        if postfix { Expr::value(kind, ty.ty, span) } else { Expr::object(kind, ty, span) }
    }

    fn check_assignable(&mut self, e: &Expr, at: Range) -> Res<()> {
        if !e.lvalue {
            return self.err(codes::NOT_ASSIGNABLE, at, "this is no object that could be changed");
        }
        if self.space_of(e) == crate::sema::types::Space::Constant {
            return self.err(codes::NOT_ASSIGNABLE, at, "this object is in `constant` memory");
        }
        if e.ty.is_const {
            let message = format!("this object is const: its type is `{}`", self.show(e.ty));
            return self.err(codes::NOT_ASSIGNABLE, at, message);
        }
        if let ExprKind::Swizzle(_, parts) = &e.kind {
            let repeated = parts.iter().enumerate().any(|(n, part)| parts[..n].contains(part));
            if repeated {
                let message = "a component is named twice on the left of an assignment";
                return self.err(codes::NOT_ASSIGNABLE, at, message);
            }
        }
        Ok(())
    }

    /// An assignment.
    pub(super) fn assign(
        &mut self,
        scope: ScopeId,
        op: Option<BinaryOp>,
        a: &tree::Expr,
        b: &tree::Expr,
        at: Range,
    ) -> Res<Expr> {
        let left = self.expr(scope, a)?;
        if let tree::ExprKind::InitList(list) = &b.kind {
            let right = self.brace_init(scope, left.ty, list, b.span)?;
            return self.assign_exprs(scope, op, left, right, at);
        }
        let right = self.expr(scope, b)?;
        self.assign_exprs(scope, op, left, right, at)
    }

    pub(super) fn assign_exprs(
        &mut self,
        scope: ScopeId,
        op: Option<BinaryOp>,
        left: Expr,
        right: Expr,
        at: Range,
    ) -> Res<Expr> {
        if left.is_error() || right.is_error() {
            return Err(crate::sema::Reported);
        }
        let span = start(at);
        let operator = Operator::Assign(op);
        if self.types.as_class(left.ty.ty).is_some() || op.is_some() && self.is_overloadable(&right)
        {
            let operands = [left.clone(), right.clone()];
            if let Some(call) = self.overloaded(scope, operator, &operands, at)? {
                return Ok(call);
            }
        }
        self.check_assignable(&left, at)?;
        let ty = left.ty;
        let Some(op) = op else {
            if matches!(self.types.kind(ty.ty), Kind::Array(..)) {
                return self.err(codes::NOT_ASSIGNABLE, at, "an array cannot be assigned");
            }
            if matches!(self.types.kind(ty.ty), Kind::Atomic(_)) && right.ty.ty != ty.ty {
                let message = "an atomic is changed with the functions `atomic_...`";
                return self.err(codes::NOT_ASSIGNABLE, at, message);
            }
            let right = self.convert(right, ty.unqualified(), at)?;
            let kind = ExprKind::Assign(Box::new(left), Box::new(right));
            return Ok(Expr::object(kind, ty, span));
        };
        if matches!(self.types.kind(ty.ty), Kind::Matrix(..)) {
            return self.matrix_assign(scope, op, left, right, at);
        }
        let old = Expr::old(ty, span);
        let value = self.binary_exprs(scope, op, old, right, at)?;
        let value = match (self.types.kind(value.ty.ty), self.types.kind(ty.ty)) {
            (a, b) if a == b => value,
            (Kind::Vector(_, n), Kind::Packed(_, m) | Kind::Vector(_, m)) if n == m => {
                self.scalar_cast(value, ty.ty, span)
            }
            (Kind::Scalar(_), Kind::Scalar(_)) => self.scalar_cast(value, ty.ty, span),
            _ => self.convert(value, ty.unqualified(), at)?,
        };
        Ok(self.update(left, value, false, span))
    }

    /// A binary operator.
    pub(super) fn binary(
        &mut self,
        scope: ScopeId,
        op: BinaryOp,
        a: &tree::Expr,
        b: &tree::Expr,
        at: Range,
    ) -> Res<Expr> {
        // Long chains lean to the left: walk down without recursion.
        let mut chain = vec![(op, b, at)];
        let mut first = a;
        while let tree::ExprKind::Binary(op, a, b) = &first.kind {
            chain.push((*op, b, first.span));
            first = a;
        }
        let mut left = self.expr(scope, first);
        for (op, b, at) in chain.into_iter().rev() {
            let right = self.expr(scope, b);
            left = match (left, right) {
                (Ok(left), Ok(right)) => self.binary_exprs(scope, op, left, right, at),
                _ => Err(crate::sema::Reported),
            };
        }
        left
    }

    pub(super) fn binary_exprs(
        &mut self,
        scope: ScopeId,
        op: BinaryOp,
        a: Expr,
        b: Expr,
        at: Range,
    ) -> Res<Expr> {
        if a.is_error() || b.is_error() {
            return Err(crate::sema::Reported);
        }
        let operands = [a, b];
        if let Some(call) = self.overloaded(scope, Operator::Binary(op), &operands, at)? {
            return Ok(call);
        }
        let [a, b] = operands;
        let span = start(at);
        let a = match self.as_number(&a) {
            Some(number) => number,
            None => self.rvalue(a)?,
        };
        let b = match self.as_number(&b) {
            Some(number) => number,
            None => self.rvalue(b)?,
        };
        if matches!(op, BinaryOp::LogAnd | BinaryOp::LogOr) {
            return self.logical(op, a, b, at);
        }
        let pointers = (self.types.pointee(a.ty.ty), self.types.pointee(b.ty.ty));
        let nulls = a.ty.ty == Ty::NULLPTR || b.ty.ty == Ty::NULLPTR;
        if pointers.0.is_some() || pointers.1.is_some() || nulls {
            return self.pointer_binary(op, a, b, at);
        }
        let matrix = |s: &Self, e: &Expr| matches!(s.types.kind(e.ty.ty), Kind::Matrix(..));
        if matrix(self, &a) || matrix(self, &b) {
            return self.matrix_binary(scope, op, a, b, at);
        }
        let shift = matches!(op, BinaryOp::Shl | BinaryOp::Shr);
        let (scalar, n) = match (
            self.types.as_vector(a.ty.ty),
            self.types.as_vector(b.ty.ty),
            self.types.as_scalar(a.ty.ty),
            self.types.as_scalar(b.ty.ty),
        ) {
            (Some((s, n)), Some((t, m)), ..) if n == m && (s == t || shift) => (s, n),
            (Some((s, n)), None, _, Some(_)) => (s, n),
            (None, Some((t, n)), Some(_), _) => (t, n),
            (None, None, Some(s), Some(_)) if shift => (promote(s), 1),
            (None, None, Some(s), Some(t)) => {
                let enums = matches!(self.types.kind(a.ty.ty), Kind::Enum(_)) && a.ty.ty == b.ty.ty;
                if enums && op.is_comparison() {
                    (s, 1)
                } else if self.is_scoped(a.ty.ty) || self.is_scoped(b.ty.ty) {
                    return self.bad_operands(op, &a, &b, at);
                } else {
                    (arithmetic(s, t), 1)
                }
            }
            _ => return self.bad_operands(op, &a, &b, at),
        };
        let integral = matches!(
            op,
            BinaryOp::Shl
                | BinaryOp::Shr
                | BinaryOp::And
                | BinaryOp::Or
                | BinaryOp::Xor
                | BinaryOp::Rem
        );
        if integral && scalar.is_float() {
            return self.bad_operands(op, &a, &b, at);
        }
        let ty = self.types.vector(scalar, n);
        let a = self.scalar_cast(a, ty, span);
        let b = self.scalar_cast(b, ty, span);
        Ok(self.arithmetic_op(op, a, b, ty, scalar, span))
    }

    fn is_scoped(&self, ty: Ty) -> bool {
        matches!(self.types.kind(ty), Kind::Enum(id) if self.types.enums[id.0 as usize].scoped)
    }

    fn bad_operands<T>(&mut self, op: BinaryOp, a: &Expr, b: &Expr, at: Range) -> Res<T> {
        let message = format!(
            "`{}` does not apply to a `{}` and a `{}`",
            op.text(),
            self.show(a.ty),
            self.show(b.ty)
        );
        self.err(codes::BAD_OPERAND, at, message)
    }

    /// An operation on operands that have its type already.
    pub(super) fn arithmetic_op(
        &mut self,
        op: BinaryOp,
        a: Expr,
        b: Expr,
        ty: Ty,
        scalar: Scalar,
        span: Span,
    ) -> Expr {
        if let (ExprKind::Const(x), ExprKind::Const(y)) = (&a.kind, &b.kind)
            && self.types.as_vector(ty).is_none()
        {
            let (bits, ty) = match compare_op(op) {
                Some(op) => {
                    (u64::from(crate::sema::consteval::compare(op, *x, *y, scalar)), Ty::BOOL)
                }
                None => (crate::sema::consteval::binary(binary_op(op), *x, *y, scalar), ty),
            };
            return Expr::value(ExprKind::Const(bits), ty, span);
        }
        if let Some(op) = compare_op(op) {
            let n = self.types.as_vector(ty).map_or(1, |(_, n)| n);
            let bools = self.types.vector(Scalar::Bool, n);
            return Expr::value(ExprKind::Compare(op, Box::new(a), Box::new(b)), bools, span);
        }
        let contracts = self.fx.contract.unwrap_or(self.contract);
        if scalar.is_float() && contracts && matches!(op, BinaryOp::Add | BinaryOp::Sub) {
            let negate = |e: Expr| {
                let (ty, span) = (e.ty.ty, e.span);
                Expr::value(ExprKind::Unary(ir::UnaryOp::Neg, Box::new(e)), ty, span)
            };
            let subtract = op == BinaryOp::Sub;
            if matches!(a.kind, ExprKind::Binary(ir::BinaryOp::Mul, ..))
                && let ExprKind::Binary(_, x, y) = a.kind
            {
                let c = if subtract { negate(b) } else { b };
                return Expr::value(ExprKind::Fma(x, y, Box::new(c)), ty, span);
            }
            if matches!(b.kind, ExprKind::Binary(ir::BinaryOp::Mul, ..))
                && let ExprKind::Binary(_, x, y) = b.kind
            {
                let x = if subtract { Box::new(negate(*x)) } else { x };
                // The addend is the left operand, which is evaluated first.
                return Expr::value(ExprKind::Fma(x, y, Box::new(a)), ty, span);
            }
        }
        Expr::value(ExprKind::Binary(binary_op(op), Box::new(a), Box::new(b)), ty, span)
    }

    fn logical(&mut self, op: BinaryOp, a: Expr, b: Expr, at: Range) -> Res<Expr> {
        let span = start(at);
        let vectors = (self.types.as_vector(a.ty.ty), self.types.as_vector(b.ty.ty));
        if let (Some((_, n)), _) | (_, Some((_, n))) = vectors {
            let bools = self.types.vector(Scalar::Bool, n);
            let a = self.scalar_cast(a, bools, span);
            let b = self.scalar_cast(b, bools, span);
            let op = if op == BinaryOp::LogAnd { ir::BinaryOp::And } else { ir::BinaryOp::Or };
            return Ok(Expr::value(ExprKind::Binary(op, Box::new(a), Box::new(b)), bools, span));
        }
        let a = self.condition(a)?;
        let b = self.condition(b)?;
        if let ExprKind::Const(bits) = a.kind {
            let decided = (bits != 0) == (op == BinaryOp::LogOr);
            return Ok(if decided { a } else { b });
        }
        let kind = match op {
            BinaryOp::LogAnd => ExprKind::And(Box::new(a), Box::new(b)),
            _ => ExprKind::Or(Box::new(a), Box::new(b)),
        };
        Ok(Expr::value(kind, Ty::BOOL, span))
    }

    fn pointer_binary(&mut self, op: BinaryOp, a: Expr, b: Expr, at: Range) -> Res<Expr> {
        let span = start(at);
        let pointees = (self.types.pointee(a.ty.ty), self.types.pointee(b.ty.ty));
        if let Some(op) = compare_op(op) {
            let (a, b) = match pointees {
                (Some(_), None) => {
                    let to = a.ty;
                    (a, self.convert(b, to, at)?)
                }
                (None, Some(_)) => {
                    let to = b.ty;
                    (self.convert(a, to, at)?, b)
                }
                (Some(x), Some(y)) if x.space == y.space => (a, b),
                _ => return self.err(codes::BAD_OPERAND, at, "these pointers cannot be compared"),
            };
            let kind = ExprKind::Compare(op, Box::new(a), Box::new(b));
            return Ok(Expr::value(kind, Ty::BOOL, span));
        }
        let integer = |s: &Self, e: &Expr| {
            s.types.as_scalar(e.ty.ty).is_some_and(|scalar| !scalar.is_float())
        };
        let (pointer, index, negative) = match (op, pointees) {
            (BinaryOp::Sub, (Some(x), Some(y))) if x.ty == y.ty => {
                self.complete_type(x, at)?;
                let kind = ExprKind::Distance(Box::new(a), Box::new(b));
                return Ok(Expr::value(kind, Ty::LONG, span));
            }
            (BinaryOp::Add, (Some(_), None)) if integer(self, &b) => (a, b, false),
            (BinaryOp::Add, (None, Some(_))) if integer(self, &a) => (b, a, false),
            (BinaryOp::Sub, (Some(_), None)) if integer(self, &b) => (a, b, true),
            _ => return self.bad_operands(op, &a, &b, at),
        };
        if let Some(to) = self.types.pointee(pointer.ty.ty) {
            self.complete_type(to, at)?;
            if to.ty == Ty::VOID {
                return self.err(codes::BAD_OPERAND, at, "a `void` pointer has no elements");
            }
        }
        let ty = pointer.ty.ty;
        let index = if negative {
            let wide = self.scalar_cast(index, Ty::LONG, span);
            match wide.kind {
                ExprKind::Const(bits) => {
                    Expr::value(ExprKind::Const(bits.wrapping_neg()), Ty::LONG, span)
                }
                _ => Expr::value(ExprKind::Unary(ir::UnaryOp::Neg, Box::new(wide)), Ty::LONG, span),
            }
        } else {
            let scalar = self.types.as_scalar(index.ty.ty).unwrap_or(Scalar::I32);
            self.scalar_cast(index, Ty::scalar(promote(scalar)), span)
        };
        Ok(Expr::value(ExprKind::Offset(Box::new(pointer), Box::new(index)), ty, span))
    }

    /// `c ? a : b`
    pub(super) fn conditional(
        &mut self,
        scope: ScopeId,
        c: &tree::Expr,
        a: &tree::Expr,
        b: &tree::Expr,
        at: Range,
    ) -> Res<Expr> {
        let span = start(at);
        let c = self.expr(scope, c)?;
        let c = self.rvalue(c)?;
        let a = self.expr(scope, a);
        let b = self.expr(scope, b);
        let (mut a, mut b) = (a?, b?);
        if let Some((_, n)) = self.types.as_vector(c.ty.ty) {
            // Per component, as `select`.
            let bools = self.types.vector(Scalar::Bool, n);
            let c = self.scalar_cast(c, bools, span);
            a = self.rvalue(a)?;
            b = self.rvalue(b)?;
            let ty = if self.types.as_vector(a.ty.ty).is_some() { a.ty } else { b.ty };
            a = self.convert(a, ty, at)?;
            b = self.convert(b, ty, at)?;
            let kind = ExprKind::Cond(Box::new(c), Box::new(a), Box::new(b));
            return Ok(Expr::value(kind, ty.ty, span));
        }
        let c = self.condition(c)?;
        if a.lvalue && b.lvalue && a.ty == b.ty && !matches!(c.kind, ExprKind::Const(_)) {
            // The result is an object: choose between addresses. Plain values choose later.
            let simple = self.types.as_scalar(a.ty.ty).is_some()
                || self.types.as_vector(a.ty.ty).is_some()
                || self.types.pointee(a.ty.ty).is_some();
            if !simple && !matches!(a.kind, ExprKind::Swizzle(..)) {
                let pointer = self.types.pointer(a.ty);
                let ty = a.ty;
                let address = |e: Expr| Expr::value(ExprKind::Address(Box::new(e)), pointer, span);
                let kind = ExprKind::Cond(Box::new(c), Box::new(address(a)), Box::new(address(b)));
                let chosen = Expr::value(kind, pointer, span);
                return Ok(Expr::object(ExprKind::Deref(Box::new(chosen)), ty, span));
            }
        }
        let ty = self.common_type(&a, &b, at)?;
        if ty.ty == Ty::VOID {
            let kind = ExprKind::Cond(Box::new(c), Box::new(a), Box::new(b));
            return Ok(Expr::value(kind, Ty::VOID, span));
        }
        a = self.convert(a, ty, at)?;
        b = self.convert(b, ty, at)?;
        if let ExprKind::Const(bits) = c.kind {
            return Ok(if bits != 0 { a } else { b });
        }
        let kind = ExprKind::Cond(Box::new(c), Box::new(a), Box::new(b));
        Ok(Expr::value(kind, ty.ty, span))
    }

    fn common_type(&mut self, a: &Expr, b: &Expr, at: Range) -> Res<Qt> {
        let (x, y) = (self.decay_type(a), self.decay_type(b));
        if x.ty == y.ty {
            return Ok(x.unqualified());
        }
        let kinds = (self.types.kind(x.ty).clone(), self.types.kind(y.ty).clone());
        match kinds {
            (Kind::Scalar(_) | Kind::Enum(_), Kind::Scalar(_) | Kind::Enum(_)) => {
                let (s, t) = (self.types.as_scalar(x.ty), self.types.as_scalar(y.ty));
                if let (Some(s), Some(t)) = (s, t) {
                    return Ok(Qt::plain(Ty::scalar(arithmetic(s, t))));
                }
            }
            (Kind::Vector(..), Kind::Scalar(_)) => return Ok(x.unqualified()),
            (Kind::Scalar(_), Kind::Vector(..)) => return Ok(y.unqualified()),
            (Kind::Pointer(p), Kind::Pointer(q)) if p.space == q.space => {
                let is_const = p.is_const || q.is_const;
                let is_volatile = p.is_volatile || q.is_volatile;
                let to = if p.ty == Ty::VOID || p.ty == q.ty { p } else { q };
                return Ok(Qt::plain(self.types.pointer(Qt { is_const, is_volatile, ..to })));
            }
            (Kind::Pointer(_), _) if self.implicit_expr(b, x).is_some() => return Ok(x),
            (_, Kind::Pointer(_)) if self.implicit_expr(a, y).is_some() => return Ok(y),
            _ => {}
        }
        let forward = self.implicit_expr(b, x.unqualified());
        let backward = self.implicit_expr(a, y.unqualified());
        match (forward, backward) {
            (Some(f), Some(g)) if f <= g => Ok(x.unqualified()),
            (Some(_), None) => Ok(x.unqualified()),
            (_, Some(_)) => Ok(y.unqualified()),
            (None, None) => {
                let (x, y) = (self.show(x), self.show(y));
                let message = format!("`?:` cannot choose between a `{x}` and a `{y}`");
                self.err(codes::BAD_OPERAND, at, message)
            }
        }
    }

    fn decay_type(&mut self, e: &Expr) -> Qt {
        match *self.types.kind(e.ty.ty) {
            Kind::Array(element, _) => {
                let space = self.space_of(e);
                Qt::plain(self.types.pointer(element.in_space(space)))
            }
            Kind::Packed(scalar, n) => Qt::plain(self.types.vector(scalar, n)),
            _ => e.ty,
        }
    }
}

/// The operation of an arithmetic operator.
pub(super) fn binary_op(op: BinaryOp) -> ir::BinaryOp {
    match op {
        BinaryOp::Add => ir::BinaryOp::Add,
        BinaryOp::Sub => ir::BinaryOp::Sub,
        BinaryOp::Mul => ir::BinaryOp::Mul,
        BinaryOp::Div => ir::BinaryOp::Div,
        BinaryOp::Rem => ir::BinaryOp::Rem,
        BinaryOp::Shl => ir::BinaryOp::Shl,
        BinaryOp::Shr => ir::BinaryOp::Shr,
        BinaryOp::And | BinaryOp::LogAnd => ir::BinaryOp::And,
        BinaryOp::Or | BinaryOp::LogOr => ir::BinaryOp::Or,
        BinaryOp::Xor => ir::BinaryOp::Xor,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Gt | BinaryOp::Le | BinaryOp::Ge => {
            ir::BinaryOp::Sub
        }
    }
}

/// The operation of a comparison.
pub(super) fn compare_op(op: BinaryOp) -> Option<CompareOp> {
    Some(match op {
        BinaryOp::Eq => CompareOp::Eq,
        BinaryOp::Ne => CompareOp::Ne,
        BinaryOp::Lt => CompareOp::Lt,
        BinaryOp::Le => CompareOp::Le,
        BinaryOp::Gt => CompareOp::Gt,
        BinaryOp::Ge => CompareOp::Ge,
        _ => return None,
    })
}
