//! Types as written in source to types.

use std::sync::Arc;

use crate::diagnostic::Range;
use crate::sema::codes;
use crate::sema::lookup::Found;
use crate::sema::scope::{ScopeId, ScopeKind};
use crate::sema::types::{EnumId, Kind, Qt, Scalar, Ty};
use crate::sema::{Res, Sema};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{
    AliasDecl, Builtin, Chunk, DeclSpec, EnumDecl, Path, Quals, Signature, TypeName, TypeSpec,
};

impl Sema<'_> {
    /// The type of a type-id.
    pub(super) fn type_name(&mut self, scope: ScopeId, name: &TypeName) -> Res<Qt> {
        let specified = self.spec_type(scope, &name.spec)?;
        self.apply_chunks(scope, specified, &name.chunks, name.span)
    }

    /// The type that specifiers name, with their qualifiers.
    pub(super) fn spec_type(&mut self, scope: ScopeId, spec: &DeclSpec) -> Res<Qt> {
        let qt = match &spec.ty {
            TypeSpec::Builtin(builtin) => Qt::plain(self.builtin(*builtin, spec.span)?),
            TypeSpec::Auto => Qt::plain(Ty::AUTO),
            TypeSpec::Path(path) => self.path_type(scope, path)?,
            TypeSpec::Decltype(None) => Qt::plain(Ty::AUTO),
            TypeSpec::Decltype(Some(e)) => self.decltype(scope, e)?,
            TypeSpec::Class(class) => {
                let id = self.class_of(class, scope, &[], None)?;
                self.class_type(id)
            }
            TypeSpec::Enum(decl) => {
                let id = self.enum_of(decl, scope)?;
                Qt::plain(self.types.intern(Kind::Enum(id)))
            }
            TypeSpec::None => Qt::plain(Ty::INT),
            TypeSpec::Error => return Err(crate::sema::Reported),
        };
        Ok(self.qualify(qt, spec.quals))
    }

    /// Adds qualifiers. Those of an array go to its elements, those of a reference nowhere.
    pub(super) fn qualify(&mut self, qt: Qt, quals: Quals) -> Qt {
        match *self.types.kind(qt.ty) {
            Kind::Array(element, length) => {
                let element = self.qualify(element, quals);
                let ty = self.types.intern(Kind::Array(element, length));
                Qt { ty, space: quals.space.unwrap_or(qt.space), ..qt }
            }
            Kind::Ref(..) => qt,
            _ => Qt {
                is_const: qt.is_const || quals.is_const,
                is_volatile: qt.is_volatile || quals.is_volatile,
                is_coherent: qt.is_coherent || quals.is_coherent,
                space: quals.space.unwrap_or(qt.space),
                ..qt
            },
        }
    }

    pub(super) fn builtin(&mut self, builtin: Builtin, at: Range) -> Res<Ty> {
        Ok(match builtin {
            Builtin::Void => Ty::VOID,
            Builtin::Bool => Ty::BOOL,
            Builtin::Char => Ty::scalar(Scalar::I8),
            Builtin::UChar => Ty::scalar(Scalar::U8),
            Builtin::Short => Ty::scalar(Scalar::I16),
            Builtin::UShort => Ty::scalar(Scalar::U16),
            Builtin::Int => Ty::INT,
            Builtin::UInt => Ty::UINT,
            Builtin::Long => Ty::LONG,
            Builtin::ULong => Ty::ULONG,
            Builtin::Half => Ty::scalar(Scalar::F16),
            Builtin::Bfloat => Ty::scalar(Scalar::BF16),
            Builtin::Float => Ty::FLOAT,
            Builtin::Double => {
                return self.err(codes::NO_DOUBLE, at, "Metal has no type `double`");
            }
        })
    }

    fn path_type(&mut self, scope: ScopeId, path: &Path) -> Res<Qt> {
        match self.resolve(scope, path)? {
            Some(Found::Type(qt)) => Ok(qt),
            Some(Found::Template(_)) => {
                let name = self.path_text(path);
                self.err(
                    codes::TEMPLATE_ARGS,
                    path.span,
                    format!("`{name}` needs template arguments"),
                )
            }
            Some(_) => {
                let name = self.path_text(path);
                self.err(codes::NOT_A_TYPE, path.span, format!("`{name}` is not a type"))
            }
            None => self.undeclared(scope, path, path.segments.len() - 1),
        }
    }

    /// A path as written, without its template arguments.
    pub(super) fn path_text(&self, path: &Path) -> String {
        let mut text = String::new();
        for (at, segment) in path.segments.iter().enumerate() {
            if at > 0 || path.global {
                text.push_str("::");
            }
            match &segment.name {
                crate::syntax::tree::SegmentName::Ident(name) => text.push_str(self.text(*name)),
                crate::syntax::tree::SegmentName::Operator(_) => text.push_str("operator"),
                crate::syntax::tree::SegmentName::Conversion(_) => text.push_str("operator"),
                crate::syntax::tree::SegmentName::Destructor => text.push('~'),
                crate::syntax::tree::SegmentName::Decltype(_) => text.push_str("decltype(...)"),
            }
        }
        text
    }

    /// Applies pointers, references, arrays and functions to a type.
    pub(super) fn apply_chunks(
        &mut self,
        scope: ScopeId,
        mut qt: Qt,
        chunks: &[Chunk],
        at: Range,
    ) -> Res<Qt> {
        for chunk in chunks {
            qt = match chunk {
                Chunk::Pointer(quals) => {
                    if self.types.is_ref(qt) {
                        return self.err(
                            codes::BAD_TYPE,
                            at,
                            "there are no pointers to references",
                        );
                    }
                    let pointer = Qt::plain(self.types.pointer(qt));
                    self.qualify(pointer, *quals)
                }
                Chunk::Reference { rvalue, quals } => match *self.types.kind(qt.ty) {
                    // A reference to a reference collapses; an rvalue reference only to another.
                    Kind::Ref(to, inner) => {
                        Qt::plain(self.types.intern(Kind::Ref(to, inner && *rvalue)))
                    }
                    Kind::Void => {
                        return self.err(codes::BAD_TYPE, at, "there are no references to void");
                    }
                    _ => {
                        let to = match quals.space {
                            Some(space) => qt.in_space(space),
                            None => qt,
                        };
                        Qt::plain(self.types.intern(Kind::Ref(to, *rvalue)))
                    }
                },
                Chunk::Array(size) => {
                    let length = match size {
                        None => None,
                        Some(size) => Some(self.array_length(scope, size)?),
                    };
                    if self.types.is_ref(qt) || qt.ty == Ty::VOID {
                        return self.err(codes::BAD_TYPE, at, "there are no arrays of this type");
                    }
                    Qt { ty: self.types.intern(Kind::Array(qt, length)), ..Qt::plain(qt.ty) }
                        .in_space(qt.space)
                }
                Chunk::Function(signature) => self.function_type(scope, qt, signature)?,
            };
            if let Some(layout) = self.types.layout(qt.ty)
                && layout.size > 1 << 40
            {
                return self.err(codes::BAD_TYPE, at, "this type is too large");
            }
        }
        Ok(qt)
    }

    fn function_type(&mut self, scope: ScopeId, ret: Qt, signature: &Signature) -> Res<Qt> {
        let mut params = Vec::new();
        for param in &signature.params {
            let ty = self.spec_type(scope, &param.spec)?;
            let ty = self.apply_chunks(scope, ty, &param.declarator.chunks, param.span)?;
            params.push(self.decay(ty));
        }
        let ret = match &signature.trailing {
            Some(trailing) => self.type_name(scope, trailing)?,
            None => ret,
        };
        Ok(Qt::plain(self.types.intern(Kind::Function(ret, params.into()))))
    }

    /// The type of a parameter declared with an array type: a pointer.
    pub(super) fn decay(&mut self, qt: Qt) -> Qt {
        match *self.types.kind(qt.ty) {
            Kind::Array(element, _) => Qt::plain(self.types.pointer(element)),
            _ => qt,
        }
    }

    fn array_length(&mut self, scope: ScopeId, size: &crate::syntax::tree::Expr) -> Res<u64> {
        let (bits, ty) = self.constant_scalar(scope, size)?;
        let length = match self.types.as_scalar(ty) {
            Some(scalar) if scalar.is_int() || scalar == Scalar::Bool => {
                crate::sema::bits::as_i64(bits, scalar)
            }
            _ => return self.err(codes::BAD_TYPE, size.span, "an array's length is an integer"),
        };
        if length < 0 {
            let message = format!("an array cannot have {length} elements");
            return self.err(codes::BAD_TYPE, size.span, message);
        }
        Ok(length as u64)
    }

    /// What an alias stands for.
    pub(super) fn alias_type(&mut self, alias: &Arc<AliasDecl>, scope: ScopeId) -> Res<Qt> {
        let key = (
            u32::MAX - 1,
            vec![crate::sema::TArg::Value(Self::address(alias) as u64, Ty(scope.0))],
        );
        if let Some(&known) = self.instance_index.get(&key) {
            return Ok(known);
        }
        if self.aliasing.contains(&Self::address(alias)) {
            return self.err(codes::BAD_TYPE, alias.span, "this alias is defined by itself");
        }
        self.aliasing.push(Self::address(alias));
        let result = self.type_name(scope, &alias.ty);
        self.aliasing.pop();
        let qt = result?;
        self.instance_index.insert(key, qt);
        Ok(qt)
    }

    /// The enumeration of a declaration.
    pub(super) fn enum_of(&mut self, decl: &Arc<EnumDecl>, scope: ScopeId) -> Res<EnumId> {
        let key = (Self::address(decl), scope);
        if let Some(&id) = self.enum_index.get(&key) {
            return Ok(id);
        }
        let underlying = match &decl.underlying {
            None => None,
            Some(ty) => {
                let qt = self.type_name(scope, ty)?;
                self.types.arithmetic(qt.ty)
            }
        };
        let id = EnumId(self.types.enums.len() as u32);
        self.types.enums.push(crate::sema::types::Enum {
            name: decl.name.map_or("<enum>".into(), |name| self.text(name).to_string()),
            scoped: decl.scoped,
            underlying: underlying.unwrap_or(Scalar::I32),
        });
        self.enum_values.push(Vec::new());
        self.enum_scopes.push(scope);
        self.enum_index.insert(key, id);
        // Later enumerators may use earlier ones.
        let values_scope = self.block_scope(scope);
        let mut next = 0i64;
        let mut largest = 0i64;
        for value in decl.values.iter().flatten() {
            if let Some(e) = &value.value
                && let Ok((bits, ty)) = self.constant_scalar(values_scope, e)
            {
                let scalar = self.types.as_scalar(ty).unwrap_or(Scalar::I64);
                next = crate::sema::bits::as_i64(bits, scalar);
            }
            largest = largest.max(next);
            self.enum_values[id.0 as usize].push((value.name, next as u64));
            let value_ty = Qt::plain(Ty::scalar(underlying.unwrap_or(Scalar::I32)));
            let bits = crate::sema::bits::wrap(next as u64, underlying.unwrap_or(Scalar::I32));
            self.bind(
                values_scope,
                value.name,
                crate::sema::scope::Binding::Constant(
                    crate::sema::hir::Value::Bits(bits),
                    value_ty,
                ),
            );
            next = next.wrapping_add(1);
        }
        if underlying.is_none() && !decl.scoped {
            let chosen = match largest {
                _ if largest > u32::MAX.into() => Scalar::I64,
                _ if largest > i32::MAX.into() => Scalar::U32,
                _ => Scalar::I32,
            };
            self.types.enums[id.0 as usize].underlying = chosen;
        }
        let scalar = self.types.enums[id.0 as usize].underlying;
        for (_, bits) in &mut self.enum_values[id.0 as usize] {
            *bits = crate::sema::bits::wrap(*bits, scalar);
        }
        Ok(id)
    }

    /// The bits of an enumerator.
    pub(super) fn enum_value(&self, id: EnumId, name: Symbol) -> Option<u64> {
        let values = &self.enum_values[id.0 as usize];
        values.iter().find(|(own, _)| *own == name).map(|(_, bits)| *bits)
    }

    /// Declares the values of an enumeration inside a function.
    pub(super) fn bind_enum(&mut self, scope: ScopeId, decl: &Arc<EnumDecl>) -> Res<()> {
        let id = self.enum_of(decl, scope)?;
        let ty = Qt::plain(self.types.intern(Kind::Enum(id)));
        if let Some(name) = decl.name {
            let arg = crate::sema::TArg::Type(ty);
            self.bind(scope, name, crate::sema::scope::Binding::Arg(arg));
        }
        if !decl.scoped {
            for (name, bits) in self.enum_values[id.0 as usize].clone() {
                let value = crate::sema::hir::Value::Bits(bits);
                self.bind(scope, name, crate::sema::scope::Binding::Constant(value, ty));
            }
        }
        Ok(())
    }

    /// The class in whose scope a scope is.
    pub(super) fn enclosing_class(&self, scope: ScopeId) -> Option<crate::sema::types::ClassId> {
        let mut at = Some(scope);
        while let Some(id) = at {
            if let ScopeKind::Class(class) = self.scope(id).kind {
                return Some(class);
            }
            at = self.scope(id).parent;
        }
        None
    }
}
