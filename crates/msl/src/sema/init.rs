//! Initialisation: variables, fields, `T(...)`, `T{...}`, braced lists, matrices.

use crate::diagnostic::{Range, Span};
use crate::sema::codes;
use crate::sema::convert::Arg;
use crate::sema::hir::{Expr, ExprKind};
use crate::sema::scope::ScopeId;
use crate::sema::types::{ClassId, Kind, Qt, Scalar, Ty};
use crate::sema::{Res, Sema, start};
use crate::syntax::tree::{self, BinaryOp, ExprKind as Tree, Init};

impl Sema<'_> {
    /// The value that an initialiser gives an object, and the object's type where that was open.
    /// No value means that the object stays as it comes.
    pub(super) fn initialise(
        &mut self,
        scope: ScopeId,
        ty: Qt,
        init: &Init,
        at: Range,
    ) -> Res<(Qt, Option<Expr>)> {
        if self.is_auto(ty) {
            return self.initialise_auto(scope, ty, init, at);
        }
        if self.types.is_ref(ty) {
            let value = match init {
                Init::Copy(e) => match &e.kind {
                    Tree::InitList(list) => Arg::List(list, e.span, scope),
                    _ => Arg::Expr(self.expr(scope, e)?),
                },
                Init::Paren(args, _) | Init::Brace(args, _) if args.len() == 1 => {
                    Arg::Expr(self.expr(scope, &args[0])?)
                }
                _ => {
                    return self.err(
                        codes::BAD_INIT,
                        at,
                        "a reference needs something to refer to",
                    );
                }
            };
            return Ok((ty, Some(self.convert_arg(&value, ty)?)));
        }
        self.complete_type(ty, at)?;
        match init {
            Init::None => self.default_init(ty, at).map(|value| (ty, value)),
            Init::Copy(e) => match &e.kind {
                Tree::InitList(list) => self.list_init(scope, ty, list, e.span),
                Tree::Str(text) if matches!(self.types.kind(ty.ty), Kind::Array(..)) => {
                    self.string_init(ty, text, at)
                }
                _ => {
                    let e = self.expr(scope, e)?;
                    if matches!(self.types.kind(ty.ty), Kind::Array(..)) {
                        if e.ty.ty == ty.ty && !e.lvalue {
                            return Ok((ty, Some(e)));
                        }
                        let message = "an array is initialised with a braced list";
                        return self.err(codes::BAD_INIT, at, message);
                    }
                    let value = self.convert(e, ty.unqualified(), at)?;
                    Ok((ty, Some(value)))
                }
            },
            Init::Paren(args, span) => {
                let value = self.construct(scope, ty, args, false, *span)?;
                Ok((ty, Some(value)))
            }
            Init::Brace(args, span) => self.list_init(scope, ty, args, *span),
        }
    }

    fn string_init(&mut self, ty: Qt, text: &str, at: Range) -> Res<(Qt, Option<Expr>)> {
        let Kind::Array(element, length) = *self.types.kind(ty.ty) else {
            return Err(crate::sema::Reported);
        };
        let span = start(at);
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        let length = length.unwrap_or(bytes.len() as u64);
        let parts = bytes
            .iter()
            .take(length as usize)
            .enumerate()
            .map(|(n, byte)| {
                (n as u32, Expr::value(ExprKind::Const((*byte).into()), element.ty, span))
            })
            .collect();
        let ty = ty.with(self.types.array(element, length));
        Ok((ty, Some(Expr::value(ExprKind::Aggregate(parts), ty.ty, span))))
    }

    fn is_auto(&self, ty: Qt) -> bool {
        match *self.types.kind(ty.ty) {
            Kind::Auto => true,
            Kind::Ref(to, _) | Kind::Pointer(to) => self.is_auto(to),
            _ => false,
        }
    }

    fn initialise_auto(
        &mut self,
        scope: ScopeId,
        ty: Qt,
        init: &Init,
        at: Range,
    ) -> Res<(Qt, Option<Expr>)> {
        let e = match init {
            Init::Copy(e) => self.expr(scope, e)?,
            Init::Paren(args, _) | Init::Brace(args, _) if args.len() == 1 => {
                self.expr(scope, &args[0])?
            }
            _ => {
                return self.err(codes::BAD_INIT, at, "`auto` needs a value to take its type from");
            }
        };
        if e.is_error() {
            return Err(crate::sema::Reported);
        }
        match *self.types.kind(ty.ty) {
            Kind::Ref(to, rvalue) => {
                let mut target = e.ty.in_space(self.space_of(&e));
                target.is_const |= to.is_const;
                if to.space != crate::sema::types::Space::Thread {
                    target.space = to.space;
                }
                if !e.lvalue {
                    target = Qt { is_const: to.is_const, ..target.unqualified() };
                }
                let rvalue = rvalue && !e.lvalue;
                let ty = Qt::plain(self.types.intern(Kind::Ref(target, rvalue)));
                let value = self.convert_to(e, ty, at)?;
                Ok((ty, Some(value)))
            }
            _ => {
                let value = self.rvalue(e)?;
                if value.ty.ty == Ty::VOID {
                    return self.err(codes::BAD_INIT, at, "this has no value");
                }
                let own = Qt {
                    is_const: ty.is_const,
                    is_volatile: ty.is_volatile,
                    ..value.ty.unqualified()
                };
                let own = if matches!(self.types.kind(ty.ty), Kind::Pointer(_)) {
                    if self.types.pointee(own.ty).is_none() {
                        return self.err(codes::BAD_INIT, at, "this is no pointer");
                    }
                    own
                } else {
                    own
                };
                Ok((own, Some(value)))
            }
        }
    }

    /// What an object without initialiser starts as.
    pub(super) fn default_init(&mut self, ty: Qt, at: Range) -> Res<Option<Expr>> {
        let element = self.element_type(ty);
        let Some(class) = self.types.as_class(element.ty) else { return Ok(None) };
        let constructors = self.constructors(class)?;
        let value = if !constructors.is_empty() {
            if self.class(class).is_union {
                return Ok(None);
            }
            self.call_constructor(class, constructors, &[], at)?
        } else if self.has_initialisers(class) {
            self.aggregate_default(class, at)?
        } else {
            return Ok(None);
        };
        if element.ty == ty.ty {
            return Ok(Some(value));
        }
        // Every element of an array.
        Ok(Some(self.repeat(ty, &value)))
    }

    fn repeat(&mut self, ty: Qt, value: &Expr) -> Expr {
        let Kind::Array(element, Some(length)) = *self.types.kind(ty.ty) else {
            return value.clone();
        };
        let part = self.repeat(element, value);
        let parts = (0..length.min(4096)).map(|n| (n as u32, part.clone())).collect();
        Expr::value(ExprKind::Aggregate(parts), ty.ty, value.span)
    }

    fn has_initialisers(&mut self, class: ClassId) -> bool {
        for at in 0..self.class(class).fields.len() {
            let field = self.class(class).fields[at].clone();
            if let Some((decl, var)) = &field.init
                && !matches!(decl.vars[*var].init, Init::None)
            {
                return true;
            }
            let element = self.element_type(field.ty);
            if let Some(inner) = self.types.as_class(element.ty) {
                let constructed = self.constructors(inner).is_ok_and(|list| !list.is_empty());
                if constructed || self.has_initialisers(inner) {
                    return true;
                }
            }
        }
        false
    }

    /// A class without constructors from its members' own initialisers.
    pub(super) fn aggregate_default(&mut self, class: ClassId, at: Range) -> Res<Expr> {
        self.complete(class, at)?;
        let scope = self.class(class).scope;
        let mut parts = Vec::new();
        for n in 0..self.class(class).fields.len() {
            if let Some(value) = self.field_default(scope, class, n, at)? {
                parts.push((n as u32, value));
            }
        }
        let ty = self.class_type(class);
        Ok(Expr::value(ExprKind::Aggregate(parts), ty.ty, start(at)))
    }

    fn field_default(
        &mut self,
        scope: ScopeId,
        class: ClassId,
        n: usize,
        at: Range,
    ) -> Res<Option<Expr>> {
        let field = self.class(class).fields[n].clone();
        let init = match &field.init {
            Some((decl, var)) => decl.vars[*var].init.clone(),
            None => Init::None,
        };
        if matches!(init, Init::None) && self.types.is_ref(field.ty) {
            return Ok(None);
        }
        Ok(self.initialise(scope, field.ty, &init, at)?.1)
    }

    fn list_init(
        &mut self,
        scope: ScopeId,
        ty: Qt,
        list: &[tree::Expr],
        at: Range,
    ) -> Res<(Qt, Option<Expr>)> {
        if let Kind::Array(element, None) = *self.types.kind(ty.ty) {
            let list = self.expand_list(scope, list)?;
            let refs: Vec<(&tree::Expr, ScopeId)> = list.iter().map(|(e, s)| (*e, *s)).collect();
            let mut next = 0;
            let mut parts = Vec::new();
            while next < refs.len() {
                let part = self.element_init(element, &refs, &mut next, at)?;
                parts.push((parts.len() as u32, part));
            }
            let ty = ty.with(self.types.array(element, parts.len() as u64));
            let value = Expr::value(ExprKind::Aggregate(parts), ty.ty, start(at));
            return Ok((ty, Some(value)));
        }
        let value = self.brace_init(scope, ty, list, at)?;
        Ok((ty, Some(value)))
    }

    /// Expands packs in a list.
    fn expand_list<'t>(
        &mut self,
        scope: ScopeId,
        list: &'t [tree::Expr],
    ) -> Res<Vec<(&'t tree::Expr, ScopeId)>> {
        let mut result = Vec::with_capacity(list.len());
        for e in list {
            match &e.kind {
                Tree::Expansion(pattern, idents) => {
                    for scope in self.expansion_scopes(scope, idents, e.span)? {
                        result.push((&**pattern, scope));
                    }
                }
                _ => result.push((e, scope)),
            }
        }
        Ok(result)
    }

    /// `T{...}` for a type that is complete.
    pub(super) fn brace_init(
        &mut self,
        scope: ScopeId,
        ty: Qt,
        list: &[tree::Expr],
        at: Range,
    ) -> Res<Expr> {
        let span = start(at);
        self.complete_type(ty, at)?;
        let list = self.expand_list(scope, list)?;
        match self.types.kind(ty.ty).clone() {
            Kind::Class(class) => {
                let constructors = self.constructors(class)?;
                if !constructors.is_empty() {
                    let mut args = Vec::new();
                    for (e, scope) in &list {
                        args.push(match &e.kind {
                            Tree::InitList(inner) => Arg::List(inner, e.span, *scope),
                            _ => Arg::Expr(self.expr(*scope, e)?),
                        });
                    }
                    if let [Arg::Expr(e)] = &args[..]
                        && e.ty.ty == ty.ty
                    {
                        return Ok(self.load(e.clone()));
                    }
                    let outer = std::mem::replace(&mut self.explicit_allowed, true);
                    let result = self.call_constructor(class, constructors, &args, at);
                    self.explicit_allowed = outer;
                    return result;
                }
                if let [(e, scope)] = list[..]
                    && !matches!(e.kind, Tree::InitList(_) | Tree::Designated(..))
                    && let Ok(value) = self.attempt(|s| s.expr(scope, e))
                    && (value.ty.ty == ty.ty || self.types.as_class(value.ty.ty).is_some())
                    && self.implicit_expr(&value, ty.unqualified()).is_some()
                {
                    return self.convert(value, ty.unqualified(), at);
                }
                let mut next = 0;
                let value = self.aggregate(ty, &list, &mut next, at)?;
                self.no_more(&list, next, at)?;
                Ok(value)
            }
            Kind::Array(..) => {
                let mut next = 0;
                let value = self.aggregate(ty, &list, &mut next, at)?;
                self.no_more(&list, next, at)?;
                Ok(value)
            }
            Kind::Vector(..) | Kind::Packed(..) | Kind::Matrix(..) => {
                if list.is_empty() {
                    return Ok(Expr::value(ExprKind::Zero, ty.ty, span));
                }
                let mut values = Vec::new();
                for (e, scope) in list {
                    if let (Tree::InitList(inner), Kind::Matrix(scalar, _, rows)) =
                        (&e.kind, self.types.kind(ty.ty).clone())
                    {
                        let column = Qt::plain(self.types.vector(scalar, rows));
                        values.push(self.brace_init(scope, column, inner, e.span)?);
                        continue;
                    }
                    values.push(self.expr(scope, e)?);
                }
                self.construct_from(ty, values, at)
            }
            _ => match &list[..] {
                [] => Ok(Expr::value(ExprKind::Zero, ty.ty, span)),
                [(e, scope)] => match &e.kind {
                    Tree::InitList(inner) => self.brace_init(*scope, ty, inner, at),
                    _ => {
                        let e = self.expr(*scope, e)?;
                        self.convert(e, ty.unqualified(), at)
                    }
                },
                _ => {
                    let message = format!("a `{}` takes one value", self.show(ty));
                    self.err(codes::BAD_INIT, at, message)
                }
            },
        }
    }

    fn no_more(&mut self, list: &[(&tree::Expr, ScopeId)], next: usize, at: Range) -> Res<()> {
        if next < list.len() {
            let span = list[next].0.span;
            let _ = at;
            return self.err(codes::BAD_INIT, span, "there are more values than members");
        }
        Ok(())
    }

    /// Takes as many values as an aggregate needs; inner braces may be left out.
    fn aggregate(
        &mut self,
        ty: Qt,
        list: &[(&tree::Expr, ScopeId)],
        next: &mut usize,
        at: Range,
    ) -> Res<Expr> {
        let span = start(at);
        let mut parts = Vec::new();
        match self.types.kind(ty.ty).clone() {
            Kind::Array(element, Some(length)) => {
                while *next < list.len() && (parts.len() as u64) < length {
                    let part = self.element_init(element, list, next, at)?;
                    parts.push((parts.len() as u32, part));
                }
                if self.types.as_class(self.element_type(element).ty).is_some() {
                    while (parts.len() as u64) < length.min(4096) {
                        match self.default_init(element, at)? {
                            Some(value) => parts.push((parts.len() as u32, value)),
                            None => break,
                        }
                    }
                }
            }
            Kind::Class(class) => {
                self.complete(class, at)?;
                let scope = self.class(class).scope;
                let count = self.class(class).fields.len();
                let is_union = self.class(class).is_union;
                let mut field = 0;
                let mut given = vec![false; count];
                while *next < list.len() {
                    if let Tree::Designated(name, value) = &list[*next].0.kind {
                        let found =
                            self.class(class).fields.iter().position(|f| f.symbol == Some(*name));
                        let Some(found) = found else {
                            let text = self.text(*name).to_string();
                            let span = list[*next].0.span;
                            return self.err(
                                codes::BAD_INIT,
                                span,
                                format!("there is no member `{text}`"),
                            );
                        };
                        let field_ty = self.class(class).fields[found].ty;
                        let one = [(&**value, list[*next].1)];
                        let mut inner = 0;
                        let value = self.element_init(field_ty, &one, &mut inner, at)?;
                        parts.push((found as u32, value));
                        given[found] = true;
                        field = found + 1;
                        *next += 1;
                        continue;
                    }
                    if field >= count || is_union && field > 0 {
                        break;
                    }
                    let field_ty = self.class(class).fields[field].ty;
                    let value = self.element_init(field_ty, list, next, at)?;
                    parts.push((field as u32, value));
                    given[field] = true;
                    field += 1;
                }
                if !is_union {
                    for (n, given) in given.into_iter().enumerate() {
                        if !given && let Some(value) = self.field_default(scope, class, n, at)? {
                            parts.push((n as u32, value));
                        }
                    }
                }
            }
            _ => {
                return self.err(codes::BAD_INIT, at, "this cannot be initialised with a list");
            }
        }
        Ok(Expr::value(ExprKind::Aggregate(parts), ty.ty, span))
    }

    fn element_init(
        &mut self,
        ty: Qt,
        list: &[(&tree::Expr, ScopeId)],
        next: &mut usize,
        at: Range,
    ) -> Res<Expr> {
        let (e, scope) = list[*next];
        if let Tree::InitList(inner) = &e.kind
            && !self.types.is_ref(ty)
        {
            *next += 1;
            return self.brace_init(scope, ty, inner, e.span);
        }
        if let (Tree::Str(text), Kind::Array(..)) = (&e.kind, self.types.kind(ty.ty)) {
            *next += 1;
            let (_, value) = self.string_init(ty, text, e.span)?;
            return value.ok_or(crate::sema::Reported);
        }
        let value = self.expr(scope, e)?;
        let nests = match self.types.kind(ty.ty).clone() {
            Kind::Array(..) => value.ty.ty != ty.ty,
            Kind::Class(class) => {
                self.complete(class, at)?;
                self.constructors(class)?.is_empty()
                    && self.implicit_expr(&value, ty.unqualified()).is_none()
            }
            _ => false,
        };
        if nests {
            return self.aggregate(ty, list, next, at);
        }
        *next += 1;
        if matches!(self.types.kind(ty.ty), Kind::Array(..)) {
            return Ok(self.load(value));
        }
        let target = if self.types.is_ref(ty) { ty } else { ty.unqualified() };
        self.convert_to(value, target, e.span)
    }

    /// `T(args)`.
    pub(super) fn construct(
        &mut self,
        scope: ScopeId,
        ty: Qt,
        args: &[tree::Expr],
        braces: bool,
        at: Range,
    ) -> Res<Expr> {
        if self.types.is_ref(ty) {
            let [arg] = args else {
                return self.err(codes::BAD_INIT, at, "a reference needs one thing to refer to");
            };
            let e = self.expr(scope, arg)?;
            return self.cast(tree::CastKind::CStyle, ty, e, at);
        }
        self.complete_type(ty, at)?;
        if braces {
            return self.brace_init(scope, ty, args, at);
        }
        if ty.ty == Ty::AUTO {
            return self.err(codes::BAD_INIT, at, "`auto` cannot be constructed");
        }
        let args = self.args(scope, args)?;
        self.construct_args(ty, args, at)
    }

    pub(super) fn construct_args(&mut self, ty: Qt, args: Vec<Arg<'_>>, at: Range) -> Res<Expr> {
        let span = start(at);
        if let Some(class) = self.types.as_class(ty.ty) {
            if let [Arg::Expr(e)] = &args[..]
                && e.ty.ty == ty.ty
            {
                return Ok(self.load(e.clone()));
            }
            let constructors = self.constructors(class)?;
            if !constructors.is_empty() {
                let outer = std::mem::replace(&mut self.explicit_allowed, true);
                let result = match &args[..] {
                    [Arg::Expr(e)] if self.types.as_class(e.ty.ty).is_some() => {
                        self.cast(tree::CastKind::CStyle, ty, e.clone(), at)
                    }
                    _ => self.call_constructor(class, constructors, &args, at),
                };
                self.explicit_allowed = outer;
                return result;
            }
            return match &args[..] {
                [] => self.aggregate_default(class, at),
                [Arg::Expr(e)] => self.cast(tree::CastKind::CStyle, ty, e.clone(), at),
                [Arg::List(list, at, scope)] => self.brace_init(*scope, ty, list, *at),
                _ => {
                    let message = format!("`{}` has no constructors", self.show(ty));
                    self.err(codes::BAD_INIT, at, message)
                }
            };
        }
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                Arg::Expr(e) => values.push(e),
                Arg::List(list, at, scope) => values.push(self.brace_init(scope, ty, list, at)?),
            }
        }
        if values.is_empty() {
            return Ok(Expr::value(ExprKind::Zero, ty.ty, span));
        }
        self.construct_from(ty, values, at)
    }

    /// A scalar, vector, matrix or pointer from values.
    fn construct_from(&mut self, ty: Qt, mut values: Vec<Expr>, at: Range) -> Res<Expr> {
        let span = start(at);
        match *self.types.kind(ty.ty) {
            Kind::Matrix(..) => return self.matrix_from(ty, values, at),
            Kind::Vector(scalar, n) | Kind::Packed(scalar, n) => {
                if values.len() == 1 {
                    return self.cast(tree::CastKind::CStyle, ty, values.swap_remove(0), at);
                }
                let mut parts = Vec::new();
                let mut count = 0;
                for value in values {
                    let value = self.rvalue(value)?;
                    let width = match self.types.as_vector(value.ty.ty) {
                        Some((_, width)) => width,
                        None => 1,
                    };
                    count += u32::from(width);
                    let part = self.types.vector(scalar, width);
                    let value = if self.types.as_class(value.ty.ty).is_some() {
                        self.convert(value, Qt::plain(part), at)?
                    } else if self.types.as_scalar(value.ty.ty).is_some() || width > 1 {
                        self.scalar_cast(value, part, span)
                    } else {
                        let message =
                            format!("a `{}` cannot be part of a vector", self.show(value.ty));
                        return self.err(codes::BAD_INIT, at, message);
                    };
                    parts.push(value);
                }
                if count != u32::from(n) {
                    let message =
                        format!("a `{}` takes {n} components, not {count}", self.show(ty));
                    return self.err(codes::BAD_INIT, at, message);
                }
                let vector = self.types.vector(scalar, n);
                let value = Expr::value(ExprKind::Vector(parts), vector, span);
                return Ok(self.scalar_cast(value, ty.ty, span));
            }
            Kind::SimdMatrix(scalar) if values.len() == 1 => {
                let value = self.rvalue(values.swap_remove(0))?;
                if value.ty.ty == ty.ty {
                    return Ok(value);
                }
                if let Kind::SimdMatrix(_) = self.types.kind(value.ty.ty) {
                    return Ok(Expr::value(ExprKind::Convert(Box::new(value)), ty.ty, span));
                }
                let value = self.convert(value, Qt::plain(Ty::scalar(scalar)), at)?;
                return Ok(Expr::value(ExprKind::Splat(Box::new(value)), ty.ty, span));
            }
            _ => {}
        }
        if values.len() != 1 {
            let message = format!("a `{}` takes one value, not {}", self.show(ty), values.len());
            return self.err(codes::BAD_INIT, at, message);
        }
        self.cast(tree::CastKind::CStyle, ty, values.swap_remove(0), at)
    }

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
