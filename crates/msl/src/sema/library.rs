//! Calls of the library's functions: choosing a row of the table and its type.

use crate::builtin::{self, Callee, Concrete, Form, Row, Shape};
use crate::diagnostic::Range;
use crate::sema::convert::{Arg, EXACT, Rank, arithmetic, promote};
use crate::sema::hir::{BuiltinCall, Expr, ExprKind, FnId};
use crate::sema::lookup::{Candidate, Found};
use crate::sema::types::{Kind, Qt, Scalar, Space, Ty};
use crate::sema::{Res, Sema, TArg, codes, start};

/// A row with its type.
pub(super) struct Choice {
    row: &'static Row,
    t: Shape,
    pub(super) ranks: Vec<Rank>,
}

impl Sema<'_> {
    /// The best way to call a library function, or why there is none.
    pub(super) fn library_viable(
        &mut self,
        name: &str,
        explicit: &[TArg],
        args: &[Arg<'_>],
    ) -> Result<Choice, String> {
        let mut best: Option<Choice> = None;
        let mut why = format!("it takes another number of arguments than {}", args.len());
        for row in builtin::functions(name) {
            if row.params.len() != args.len() {
                continue;
            }
            let Some(t) = self.library_type(row, explicit, args) else {
                let shown: Vec<String> = args
                    .iter()
                    .map(|arg| match arg {
                        Arg::Expr(e) => self.show(e.ty),
                        Arg::List(..) => "{...}".into(),
                    })
                    .collect();
                why = format!("there is none for ({})", shown.join(", "));
                continue;
            };
            let mut ranks = Vec::with_capacity(args.len());
            for (n, (arg, form)) in args.iter().zip(row.params).enumerate() {
                match self.library_rank(arg, form.with(t)) {
                    Some(rank) => ranks.push(rank),
                    None => {
                        why = format!("argument {} does not fit", n + 1);
                        break;
                    }
                }
            }
            if ranks.len() == args.len() && best.as_ref().is_none_or(|old| ranks < old.ranks) {
                best = Some(Choice { row, t, ranks });
            }
        }
        best.ok_or(why)
    }

    /// What the type variable of a row is for these arguments.
    fn library_type(
        &mut self,
        row: &'static Row,
        explicit: &[TArg],
        args: &[Arg<'_>],
    ) -> Option<Shape> {
        if let Some(TArg::Type(qt)) = explicit.first() {
            return self.shape(qt.ty).filter(|t| row.admits(*t));
        }
        let mut scalars: Vec<Scalar> = Vec::new();
        let mut width = 1;
        let mut fixed = None;
        for (arg, form) in args.iter().zip(row.params) {
            let Arg::Expr(e) = arg else { continue };
            let ty = e.ty.ty;
            match form {
                Form::T | Form::Element => {
                    let shape = self.shape(ty).or_else(|| self.class_shape(e))?;
                    if *form == Form::T {
                        width = width.max(shape.width);
                    }
                    scalars.push(shape.scalar);
                }
                Form::Bool | Form::Int | Form::Unsigned => {
                    if let Some(shape) = self.shape(ty) {
                        width = width.max(shape.width);
                    }
                }
                Form::Ref | Form::IntRef => {
                    let shape = self.shape(ty)?;
                    width = width.max(shape.width);
                    if *form == Form::Ref {
                        fixed = Some(shape.scalar);
                    }
                }
                Form::Atomic | Form::AtomicConst => {
                    let to = self.types.pointee(ty)?;
                    match *self.types.kind(to.ty) {
                        Kind::Atomic(scalar) => fixed = Some(scalar),
                        _ => return None,
                    }
                }
                Form::Pointer
                | Form::Void
                | Form::Is(_)
                | Form::Order
                | Form::Scope
                | Form::Flags => {}
            }
        }
        let shape = |scalar| Shape { scalar, width };
        if let Some(scalar) = fixed {
            return Some(shape(scalar)).filter(|t| row.admits(*t));
        }
        let Some(&first) = scalars.first() else {
            return row.instances().find(|t| t.width == width);
        };
        let mut wanted = vec![];
        if scalars.iter().all(|&s| s == first) {
            wanted.push(first);
        }
        // The type of a vector decides over that of scalars that are spread over it.
        let of_vector = args.iter().zip(row.params).find_map(|(arg, form)| match (arg, form) {
            (Arg::Expr(e), Form::T) if width > 1 => {
                self.types.as_vector(e.ty.ty).map(|(scalar, _)| scalar)
            }
            _ => None,
        });
        wanted.extend(of_vector);
        let common = scalars.iter().skip(1).fold(first, |a, &b| arithmetic(a, b));
        wanted.extend([common, promote(common), Scalar::F32]);
        wanted.into_iter().map(shape).find(|t| row.admits(*t))
    }

    /// A scalar or vector type as the library sees it.
    fn shape(&self, ty: Ty) -> Option<Shape> {
        match *self.types.kind(ty) {
            Kind::Vector(scalar, width) | Kind::Packed(scalar, width) => {
                Some(Shape { scalar, width })
            }
            _ => self.types.as_scalar(ty).map(Shape::scalar),
        }
    }

    /// The number that a class converts to, if it does.
    fn class_shape(&mut self, e: &Expr) -> Option<Shape> {
        self.types.as_class(e.ty.ty)?;
        let float = Qt::plain(Ty::FLOAT);
        self.implicit_expr(e, float).map(|_| Shape::scalar(Scalar::F32))
    }

    fn shape_type(&mut self, shape: Shape) -> Qt {
        Qt::plain(self.types.vector(shape.scalar, shape.width))
    }

    /// The parameter type that a concrete parameter is.
    fn concrete_type(&mut self, concrete: Concrete) -> Option<Qt> {
        Some(match concrete {
            Concrete::Value(shape) => self.shape_type(shape),
            Concrete::Ref(shape) => {
                let to = self.shape_type(shape);
                Qt::plain(self.types.intern(Kind::Ref(to, false)))
            }
            Concrete::Pointer(shape) => {
                let to = self.shape_type(shape);
                Qt::plain(self.types.pointer(to))
            }
            Concrete::Void
            | Concrete::Atomic { .. }
            | Concrete::Order
            | Concrete::Scope
            | Concrete::Flags => return None,
        })
    }

    fn library_rank(&mut self, arg: &Arg<'_>, concrete: Concrete) -> Option<Rank> {
        if let Some(to) = self.concrete_type(concrete) {
            return self.implicit(arg, to);
        }
        let Arg::Expr(e) = arg else { return None };
        match concrete {
            Concrete::Atomic { scalar, readable } => {
                let to = self.types.pointee(e.ty.ty)?;
                let fits = *self.types.kind(to.ty) == Kind::Atomic(scalar)
                    && matches!(to.space, Space::Device | Space::Threadgroup | Space::Thread)
                    && (readable || !to.is_const);
                fits.then_some((EXACT, 0))
            }
            Concrete::Order | Concrete::Scope | Concrete::Flags => {
                let fits = matches!(self.types.kind(e.ty.ty), Kind::Enum(_) | Kind::Scalar(_));
                fits.then_some((EXACT, 0))
            }
            _ => None,
        }
    }

    /// Makes the call.
    pub(super) fn call_library(
        &mut self,
        choice: Choice,
        args: &[Arg<'_>],
        at: Range,
    ) -> Res<Expr> {
        let Choice { row, t, .. } = choice;
        let mut values = Vec::with_capacity(args.len());
        for (arg, form) in args.iter().zip(row.params) {
            let concrete = form.with(t);
            values.push(match self.concrete_type(concrete) {
                Some(to) => self.convert_arg(arg, to)?,
                None => {
                    let Arg::Expr(e) = arg else { return Err(crate::sema::Reported) };
                    let e = self.rvalue(e.clone())?;
                    match concrete {
                        Concrete::Atomic { .. } => e,
                        _ => {
                            let value = self.evaluate(&e)?;
                            let crate::sema::hir::Value::Bits(bits) = value else {
                                let message = "this must be a constant";
                                return self.err(codes::NOT_CONSTANT, e.span, message);
                            };
                            Expr::value(ExprKind::Const(bits), e.ty.ty, e.span)
                        }
                    }
                }
            });
        }
        let ty = match row.result.with(t) {
            Concrete::Value(shape) => self.shape_type(shape).ty,
            _ => Ty::VOID,
        };
        if let builtin::Lowering::Scalar(name) | builtin::Lowering::Whole(name) = row.lowering {
            // Compiled now, so that what is wrong with it is said here.
            let params = match row.lowering {
                builtin::Lowering::Scalar(_) => None,
                _ => Some(row.params.iter().map(|form| form.with(t)).collect()),
            };
            if let Some(params) = params
                && self.library_function(&Callee { name, params }).is_none()
            {
                let message = format!("`{}` is not supported for this type", row.name);
                return self.err(codes::UNSUPPORTED, at, message);
            }
        }
        let call = BuiltinCall { row, t, args: values };
        Ok(Expr::value(ExprKind::Builtin(call), ty, start(at)))
    }

    /// A function of the prelude's namespace `metal::__detail`.
    pub fn library_function(&mut self, callee: &Callee) -> Option<FnId> {
        let mut frame = self.index.root();
        for part in ["metal", "__detail"] {
            let name = self.session.names.lookup(part)?;
            frame =
                self.index.members(frame, name).into_iter().find_map(|(_, entry)| entry.inner)?;
        }
        let name = self.session.names.lookup(callee.name)?;
        let found = self.lookup_frame(frame, name).ok()??;
        let Found::Functions(candidates) = found else { return None };
        let candidates: Vec<Candidate> = candidates
            .into_iter()
            .filter(|candidate| matches!(candidate, Candidate::Source(_)))
            .collect();
        let mut args = Vec::new();
        for param in &callee.params {
            let span = crate::diagnostic::Span::NONE;
            let e = match *param {
                Concrete::Ref(shape) => Expr::object(ExprKind::Zero, self.shape_type(shape), span),
                other => {
                    let ty = self.concrete_type(other)?;
                    Expr::value(ExprKind::Zero, ty.ty, span)
                }
            };
            args.push(Arg::Expr(e));
        }
        let at = Range::default();
        let chosen = self.choose(callee.name, candidates, &[], &args, None, at).ok()?;
        match chosen.which {
            crate::sema::overload::Which::Source { method, scope, args, .. } => {
                let id = self.fn_instance(&method, scope, &args, None).ok()?;
                self.analyse(id, at).ok()?;
                Some(id)
            }
            crate::sema::overload::Which::Builtin(_) => None,
        }
    }
}
