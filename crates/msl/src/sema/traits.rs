//! Type traits: class templates whose members the compiler computes.
//!
//! Each is known under its own name and, where it has a value or a type, with `_v` or `_t`.

use crate::diagnostic::Range;
use crate::sema::codes;
use crate::sema::hir::Value;
use crate::sema::lookup::Found;
use crate::sema::types::{Kind, Qt, Scalar, Space, Ty};
use crate::sema::{Res, Sema, TArg};

/// Traits that end in `_v` (a value) or `_t` (a type) when used directly. The plain forms, with
/// members `value` and `type`, are class templates of the prelude built on these.
const NAMES: &[&str] = &[
    "is_same_v",
    "is_void_v",
    "is_integral_v",
    "is_floating_point_v",
    "is_arithmetic_v",
    "is_scalar_v",
    "is_signed_v",
    "is_unsigned_v",
    "is_pointer_v",
    "is_reference_v",
    "is_lvalue_reference_v",
    "is_array_v",
    "is_class_v",
    "is_enum_v",
    "is_union_v",
    "is_const_v",
    "is_volatile_v",
    "is_vector_v",
    "is_convertible_v",
    "is_constructible_v",
    "is_base_of_v",
    "is_empty_v",
    "is_function_v",
    "remove_const_t",
    "remove_volatile_t",
    "remove_cv_t",
    "remove_reference_t",
    "remove_pointer_t",
    "remove_addrspace_t",
    "remove_cvref_t",
    "remove_extent_t",
    "add_const_t",
    "add_pointer_t",
    "add_lvalue_reference_t",
    "add_rvalue_reference_t",
    "decay_t",
    "make_signed_t",
    "make_unsigned_t",
    "underlying_type_t",
    "make_scalar_t",
    "is_trivially_copyable_v",
    "is_trivial_v",
    "rank_v",
    "extent_v",
    "__element_count",
];

/// The number of a trait.
pub(super) fn find(name: &str) -> Option<u8> {
    NAMES.iter().position(|own| *own == name).map(|n| n as u8)
}

/// The name of a trait.
pub(super) fn name(which: u8) -> &'static str {
    NAMES[which as usize]
}

/// All traits, for the parser: whether each gives a type.
pub fn names() -> impl Iterator<Item = (&'static str, bool)> {
    NAMES.iter().map(|name| (*name, name.ends_with("_t")))
}

impl Sema<'_> {
    pub(super) fn trait_of(&mut self, which: u8, args: &[TArg], at: Range) -> Res<Found> {
        let trait_name = name(which);
        let Some(TArg::Type(a)) = args.first() else {
            return self.err(codes::TEMPLATE_ARGS, at, format!("`{trait_name}` needs a type"));
        };
        let a = *a;
        let b = match args.get(1) {
            Some(TArg::Type(b)) => Some(*b),
            _ => None,
        };
        let need_b = || b.ok_or(crate::sema::Reported);
        let kind = self.types.kind(a.ty).clone();
        let scalar = self.types.arithmetic(a.ty);
        let value = match trait_name {
            "is_same_v" => a == need_b()?,
            "is_void_v" => kind == Kind::Void,
            "is_integral_v" => scalar.is_some_and(|s| !s.is_float()),
            "is_floating_point_v" => scalar.is_some_and(Scalar::is_float),
            "is_arithmetic_v" => scalar.is_some(),
            "is_scalar_v" => {
                scalar.is_some() || matches!(kind, Kind::Pointer(_) | Kind::Enum(_) | Kind::Nullptr)
            }
            "is_signed_v" => scalar.is_some_and(|s| s.is_float() || s.is_signed()),
            "is_unsigned_v" => scalar.is_some_and(|s| !s.is_float() && !s.is_signed()),
            "is_pointer_v" => matches!(kind, Kind::Pointer(_)),
            "is_reference_v" => matches!(kind, Kind::Ref(..)),
            "is_lvalue_reference_v" => matches!(kind, Kind::Ref(_, false)),
            "is_array_v" => matches!(kind, Kind::Array(..)),
            "is_class_v" => self.types.as_class(a.ty).is_some_and(|c| !self.class(c).is_union),
            "is_union_v" => self.types.as_class(a.ty).is_some_and(|c| self.class(c).is_union),
            "is_enum_v" => matches!(kind, Kind::Enum(_)),
            "is_const_v" => a.is_const,
            "is_volatile_v" => a.is_volatile,
            "is_vector_v" => matches!(kind, Kind::Vector(..) | Kind::Packed(..)),
            "is_function_v" => matches!(kind, Kind::Function(..)),
            "is_trivially_copyable_v" | "is_trivial_v" => true,
            "is_convertible_v" => {
                let b = need_b()?;
                let object = self.declval(a);
                self.implicit_expr(&object, b).is_some() || a.ty == Ty::VOID && b.ty == Ty::VOID
            }
            "is_constructible_v" => {
                let mut values = Vec::new();
                for arg in &args[1..] {
                    if let TArg::Type(ty) = arg {
                        values.push(crate::sema::convert::Arg::Expr(self.declval(*ty)));
                    }
                }
                self.attempt(|s| {
                    s.complete_type(a, at)?;
                    s.construct_args(a, values, at)
                })
                .is_ok()
            }
            "is_base_of_v" => {
                let b = need_b()?;
                match (self.types.as_class(a.ty), self.types.as_class(b.ty)) {
                    (Some(base), Some(derived)) => self.base_path(derived, base).is_some(),
                    _ => false,
                }
            }
            "is_empty_v" => match self.types.as_class(a.ty) {
                Some(class) => {
                    self.complete(class, at)?;
                    self.class(class).fields.is_empty()
                }
                None => false,
            },
            "rank_v" | "extent_v" | "__element_count" => {
                let n = match (trait_name, kind) {
                    ("extent_v", Kind::Array(_, length)) => length.unwrap_or(0),
                    ("__element_count", Kind::Vector(_, n) | Kind::Packed(_, n)) => n.into(),
                    ("__element_count", _) => 1,
                    ("rank_v", mut kind) => {
                        let mut rank = 0;
                        while let Kind::Array(element, _) = kind {
                            rank += 1;
                            kind = self.types.kind(element.ty).clone();
                        }
                        rank
                    }
                    _ => 0,
                };
                return Ok(Found::Constant(Value::Bits(n), Qt::plain(Ty::ULONG)));
            }
            _ => return self.type_trait(trait_name, a, at).map(Found::Type),
        };
        Ok(Found::Constant(Value::Bits(value.into()), Qt::plain(Ty::BOOL)))
    }

    fn type_trait(&mut self, name: &str, a: Qt, at: Range) -> Res<Qt> {
        let bare = self.types.deref(a);
        Ok(match name {
            "remove_const_t" => Qt { is_const: false, ..a },
            "remove_volatile_t" => Qt { is_volatile: false, ..a },
            "remove_cv_t" => Qt { is_const: false, is_volatile: false, ..a },
            "remove_reference_t" => bare,
            "remove_cvref_t" => Qt { is_const: false, is_volatile: false, ..bare },
            "remove_addrspace_t" => match *self.types.kind(a.ty) {
                Kind::Ref(to, rvalue) => {
                    let to = to.in_space(Space::Thread);
                    Qt::plain(self.types.intern(Kind::Ref(to, rvalue)))
                }
                _ => a.in_space(Space::Thread),
            },
            "remove_pointer_t" => self.types.pointee(a.ty).unwrap_or(a),
            "remove_extent_t" => match *self.types.kind(a.ty) {
                Kind::Array(element, _) => element,
                _ => a,
            },
            "add_const_t" => a.constant(),
            "add_pointer_t" => Qt::plain(self.types.pointer(bare)),
            "add_lvalue_reference_t" => Qt::plain(self.types.intern(Kind::Ref(bare, false))),
            "add_rvalue_reference_t" => match self.types.kind(a.ty) {
                Kind::Ref(..) => a,
                _ => Qt::plain(self.types.intern(Kind::Ref(a, true))),
            },
            "decay_t" => {
                let decayed = self.decay(bare);
                decayed.unqualified()
            }
            "make_signed_t" | "make_unsigned_t" => {
                let signed = name == "make_signed_t";
                let change = |s: Scalar| match (s, signed) {
                    (Scalar::U8, true) => Scalar::I8,
                    (Scalar::U16, true) => Scalar::I16,
                    (Scalar::U32, true) => Scalar::I32,
                    (Scalar::U64, true) => Scalar::I64,
                    (Scalar::I8, false) => Scalar::U8,
                    (Scalar::I16, false) => Scalar::U16,
                    (Scalar::I32, false) => Scalar::U32,
                    (Scalar::I64, false) => Scalar::U64,
                    (s, _) => s,
                };
                match (self.types.arithmetic(a.ty), self.types.as_vector(a.ty)) {
                    (Some(s), _) => a.with(Ty::scalar(change(s))),
                    (_, Some((s, n))) => a.with(self.types.vector(change(s), n)),
                    _ => return self.err(codes::TEMPLATE_ARGS, at, "this is no integer type"),
                }
            }
            "underlying_type_t" => match self.types.as_scalar(a.ty) {
                Some(s) => Qt::plain(Ty::scalar(s)),
                None => return self.err(codes::TEMPLATE_ARGS, at, "this is no enumeration"),
            },
            "make_scalar_t" => match self.types.as_vector(a.ty) {
                Some((s, _)) => Qt::plain(Ty::scalar(s)),
                None => a.unqualified(),
            },
            _ => return self.err(codes::UNSUPPORTED, at, format!("`{name}` is not supported")),
        })
    }

    /// An expression of a type, for questions about conversions.
    fn declval(&mut self, ty: Qt) -> crate::sema::hir::Expr {
        use crate::sema::hir::{Expr, ExprKind};
        let span = crate::diagnostic::Span::NONE;
        match *self.types.kind(ty.ty) {
            Kind::Ref(to, false) => Expr::object(ExprKind::Zero, to, span),
            Kind::Ref(to, true) => Expr::value(ExprKind::Zero, to.ty, span),
            _ => Expr { kind: ExprKind::Zero, ty, lvalue: false, span },
        }
    }
}
