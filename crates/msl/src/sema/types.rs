//! Types of the language, interned, with Metal's sizes and alignments.
//!
//! Qualifiers, address spaces among them, are not part of a [`Ty`]: a [`Qt`] pairs the two.
//! Arrays carry the qualifiers of their elements and have none of their own.

use rustc_hash::FxHashMap;

pub use crate::ir::Scalar;
pub use crate::syntax::tree::Space;

/// An interned unqualified type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ty(pub u32);

/// A class of a compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// An enumeration of a compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumId(pub u32);

/// A type with its qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Qt {
    /// The type.
    pub ty: Ty,
    /// `const`
    pub is_const: bool,
    /// `volatile`
    pub is_volatile: bool,
    /// `coherent`
    pub is_coherent: bool,
    /// Where the object lives.
    pub space: Space,
}

impl Qt {
    /// Without qualifiers, in thread space.
    pub const fn plain(ty: Ty) -> Qt {
        let space = Space::Thread;
        Qt { ty, is_const: false, is_volatile: false, is_coherent: false, space }
    }

    /// The same qualifiers on another type.
    pub fn with(self, ty: Ty) -> Qt {
        Qt { ty, ..self }
    }

    /// With `const` added.
    pub fn constant(self) -> Qt {
        Qt { is_const: true, ..self }
    }

    /// In another address space.
    pub fn in_space(self, space: Space) -> Qt {
        Qt { space, ..self }
    }

    /// Without qualifiers.
    pub fn unqualified(self) -> Qt {
        Qt::plain(self.ty)
    }
}

/// What a type is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something that was reported already.
    Error,
    /// `void`
    Void,
    /// The type of `nullptr`.
    Nullptr,
    /// The type of a name of several functions, of a braced list, or of a string.
    Untyped,
    /// `auto`
    Auto,
    /// Scalars.
    Scalar(Scalar),
    /// `float4` and its like.
    Vector(Scalar, u8),
    /// `packed_float4` and its like.
    Packed(Scalar, u8),
    /// `float4x4`: element, columns, rows.
    Matrix(Scalar, u8, u8),
    /// An array; the length may still be open.
    Array(Qt, Option<u64>),
    /// A pointer.
    Pointer(Qt),
    /// A reference; an rvalue reference if set.
    Ref(Qt, bool),
    /// A class.
    Class(ClassId),
    /// An enumeration.
    Enum(EnumId),
    /// A function type.
    Function(Qt, Box<[Qt]>),
    /// `atomic<T>`
    Atomic(Scalar),
    /// `simdgroup_matrix<T, 8, 8>`
    SimdMatrix(Scalar),
    /// A type that equals only itself: stands for a template parameter in partial ordering.
    Opaque(u32),
}

/// Facts about an enumeration.
#[derive(Debug)]
pub struct Enum {
    /// Its name.
    pub name: String,
    /// `enum class`
    pub scoped: bool,
    /// The type of its values.
    pub underlying: Scalar,
}

/// A size and an alignment in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `sizeof`
    pub size: u64,
    /// `alignof`
    pub align: u64,
}

/// The types of a compilation.
#[derive(Debug)]
pub struct Types {
    kinds: Vec<Kind>,
    index: FxHashMap<Kind, Ty>,
    /// Enumerations by number.
    pub enums: Vec<Enum>,
    /// Layouts of complete classes by number.
    pub layouts: Vec<Option<Layout>>,
    /// Names of classes by number.
    pub class_names: Vec<String>,
}

impl Ty {
    /// See [`Kind::Error`].
    pub const ERROR: Ty = Ty(0);
    /// `void`
    pub const VOID: Ty = Ty(1);
    /// `nullptr_t`
    pub const NULLPTR: Ty = Ty(2);
    /// See [`Kind::Untyped`].
    pub const UNTYPED: Ty = Ty(3);
    /// `auto`
    pub const AUTO: Ty = Ty(4);
    /// `bool`
    pub const BOOL: Ty = Ty::scalar(Scalar::Bool);
    /// `int`
    pub const INT: Ty = Ty::scalar(Scalar::I32);
    /// `uint`
    pub const UINT: Ty = Ty::scalar(Scalar::U32);
    /// `long`
    pub const LONG: Ty = Ty::scalar(Scalar::I64);
    /// `size_t`
    pub const ULONG: Ty = Ty::scalar(Scalar::U64);
    /// `float`
    pub const FLOAT: Ty = Ty::scalar(Scalar::F32);

    /// A scalar type.
    pub const fn scalar(scalar: Scalar) -> Ty {
        Ty(5 + scalar as u32)
    }
}

impl Default for Types {
    fn default() -> Self {
        let mut types = Self {
            kinds: Vec::new(),
            index: FxHashMap::default(),
            enums: Vec::new(),
            layouts: Vec::new(),
            class_names: Vec::new(),
        };
        for kind in [Kind::Error, Kind::Void, Kind::Nullptr, Kind::Untyped, Kind::Auto] {
            types.intern(kind);
        }
        for &scalar in Scalar::ALL {
            types.intern(Kind::Scalar(scalar));
        }
        types
    }
}

impl Types {
    /// The type of that kind.
    pub fn intern(&mut self, kind: Kind) -> Ty {
        if let Some(&ty) = self.index.get(&kind) {
            return ty;
        }
        let ty = Ty(self.kinds.len() as u32);
        self.kinds.push(kind.clone());
        self.index.insert(kind, ty);
        ty
    }

    /// What a type is.
    pub fn kind(&self, ty: Ty) -> &Kind {
        &self.kinds[ty.0 as usize]
    }

    /// A pointer type.
    pub fn pointer(&mut self, to: Qt) -> Ty {
        self.intern(Kind::Pointer(to))
    }

    /// A vector type; one component is the scalar itself.
    pub fn vector(&mut self, scalar: Scalar, n: u8) -> Ty {
        if n == 1 { Ty::scalar(scalar) } else { self.intern(Kind::Vector(scalar, n)) }
    }

    /// An array of known length.
    pub fn array(&mut self, element: Qt, length: u64) -> Ty {
        self.intern(Kind::Array(element, Some(length)))
    }

    /// The type that a reference refers to, or the type itself.
    pub fn deref(&self, qt: Qt) -> Qt {
        match self.kind(qt.ty) {
            Kind::Ref(to, _) => *to,
            _ => qt,
        }
    }

    /// Whether it is a reference.
    pub fn is_ref(&self, qt: Qt) -> bool {
        matches!(self.kind(qt.ty), Kind::Ref(..))
    }

    /// The scalar type, where it is one; an enumeration's underlying type counts.
    pub fn as_scalar(&self, ty: Ty) -> Option<Scalar> {
        match self.kind(ty) {
            Kind::Scalar(scalar) => Some(*scalar),
            Kind::Enum(id) => Some(self.enums[id.0 as usize].underlying),
            _ => None,
        }
    }

    /// The scalar type, where it is one by itself.
    pub fn arithmetic(&self, ty: Ty) -> Option<Scalar> {
        match self.kind(ty) {
            Kind::Scalar(scalar) => Some(*scalar),
            _ => None,
        }
    }

    /// Component type and count of a vector, packed or not.
    pub fn as_vector(&self, ty: Ty) -> Option<(Scalar, u8)> {
        match self.kind(ty) {
            Kind::Vector(scalar, n) | Kind::Packed(scalar, n) => Some((*scalar, *n)),
            _ => None,
        }
    }

    /// What a pointer points to.
    pub fn pointee(&self, ty: Ty) -> Option<Qt> {
        match self.kind(ty) {
            Kind::Pointer(to) => Some(*to),
            _ => None,
        }
    }

    /// The class.
    pub fn as_class(&self, ty: Ty) -> Option<ClassId> {
        match self.kind(ty) {
            Kind::Class(id) => Some(*id),
            _ => None,
        }
    }

    /// Whether values of the type are kept in memory, not in registers.
    pub fn is_aggregate(&self, ty: Ty) -> bool {
        matches!(self.kind(ty), Kind::Class(_) | Kind::Array(..) | Kind::Matrix(..))
    }

    /// Size and alignment, or `None` for incomplete types.
    pub fn layout(&self, ty: Ty) -> Option<Layout> {
        let same = |n: u64| Layout { size: n, align: n };
        Some(match self.kind(ty) {
            Kind::Scalar(scalar) | Kind::Atomic(scalar) => same(scalar.size()),
            Kind::Vector(scalar, n) => same(scalar.size() * u64::from(n.next_power_of_two())),
            Kind::Packed(scalar, n) => {
                Layout { size: scalar.size() * u64::from(*n), align: scalar.size() }
            }
            Kind::Matrix(scalar, columns, rows) => {
                let column = scalar.size() * u64::from(rows.next_power_of_two());
                Layout { size: column * u64::from(*columns), align: column }
            }
            Kind::SimdMatrix(scalar) => same(scalar.size() * 2),
            Kind::Pointer(_) | Kind::Ref(..) | Kind::Nullptr => same(8),
            Kind::Enum(id) => same(self.enums[id.0 as usize].underlying.size()),
            Kind::Array(element, Some(length)) => {
                let element = self.layout(element.ty)?;
                Layout { size: element.size.checked_mul(*length)?, align: element.align }
            }
            Kind::Class(id) => return self.layouts[id.0 as usize],
            Kind::Opaque(_) => same(1),
            Kind::Error
            | Kind::Void
            | Kind::Untyped
            | Kind::Auto
            | Kind::Function(..)
            | Kind::Array(_, None) => return None,
        })
    }

    /// How the type is written.
    pub fn name(&self, ty: Ty) -> String {
        match self.kind(ty) {
            Kind::Error => "<error>".into(),
            Kind::Void => "void".into(),
            Kind::Nullptr => "nullptr_t".into(),
            Kind::Untyped => "<untyped>".into(),
            Kind::Auto => "auto".into(),
            Kind::Scalar(scalar) => scalar.source_name().into(),
            Kind::Vector(scalar, n) => format!("{}{n}", scalar.source_name()),
            Kind::Packed(scalar, n) => format!("packed_{}{n}", scalar.source_name()),
            Kind::Matrix(scalar, c, r) => format!("{}{c}x{r}", scalar.source_name()),
            Kind::Array(element, length) => {
                let mut dims = String::new();
                let (mut element, mut length) = (*element, *length);
                loop {
                    match length {
                        Some(n) => dims.push_str(&format!("[{n}]")),
                        None => dims.push_str("[]"),
                    }
                    match self.kind(element.ty) {
                        Kind::Array(e, l) => (element, length) = (*e, *l),
                        _ => break,
                    }
                }
                format!("{}{dims}", self.show(element))
            }
            Kind::Pointer(to) => format!("{}*", self.show_pointee(*to)),
            Kind::Ref(to, rvalue) => {
                format!("{}{}", self.show_pointee(*to), if *rvalue { "&&" } else { "&" })
            }
            Kind::Class(id) => self.class_names[id.0 as usize].clone(),
            Kind::Enum(id) => self.enums[id.0 as usize].name.clone(),
            Kind::Function(ret, params) => {
                let params: Vec<_> = params.iter().map(|p| self.show(*p)).collect();
                format!("{}({})", self.show(*ret), params.join(", "))
            }
            Kind::Atomic(scalar) => format!("atomic<{}>", scalar.source_name()),
            Kind::SimdMatrix(scalar) => format!("simdgroup_matrix<{}, 8, 8>", scalar.source_name()),
            Kind::Opaque(n) => format!("<parameter {n}>"),
        }
    }

    /// How the type is written, with its qualifiers.
    pub fn show(&self, qt: Qt) -> String {
        let mut text = String::new();
        if qt.is_const {
            text.push_str("const ");
        }
        if qt.is_coherent {
            text.push_str("coherent ");
        }
        if qt.is_volatile {
            text.push_str("volatile ");
        }
        if qt.space != Space::Thread {
            text.push_str(qt.space.text());
            text.push(' ');
        }
        text + &self.name(qt.ty)
    }

    fn show_pointee(&self, qt: Qt) -> String {
        match qt.space {
            Space::Thread => format!("thread {}", self.show(qt)),
            _ => self.show(qt),
        }
    }
}

/// The type of a plain name that the language defines without any declaration.
pub fn builtin_name(types: &mut Types, name: &str) -> Option<Ty> {
    let plain = match name {
        "uchar" | "uint8_t" => Some(Scalar::U8),
        "ushort" | "uint16_t" => Some(Scalar::U16),
        "uint" | "uint32_t" => Some(Scalar::U32),
        "ulong" | "uint64_t" | "size_t" | "uintptr_t" => Some(Scalar::U64),
        "int8_t" => Some(Scalar::I8),
        "int16_t" => Some(Scalar::I16),
        "int32_t" => Some(Scalar::I32),
        "int64_t" | "ptrdiff_t" | "intptr_t" => Some(Scalar::I64),
        _ => None,
    };
    if let Some(scalar) = plain {
        return Some(Ty::scalar(scalar));
    }
    if name == "nullptr_t" {
        return Some(Ty::NULLPTR);
    }
    if let Some(rest) = name.strip_prefix("atomic_") {
        let scalar = match rest {
            "int" => Scalar::I32,
            "uint" => Scalar::U32,
            "bool" => Scalar::Bool,
            "float" => Scalar::F32,
            "ulong" => Scalar::U64,
            "long" => Scalar::I64,
            _ => return None,
        };
        return Some(types.intern(Kind::Atomic(scalar)));
    }
    let simdgroup = match name {
        "simdgroup_float8x8" => Some(Scalar::F32),
        "simdgroup_half8x8" => Some(Scalar::F16),
        "simdgroup_bfloat8x8" => Some(Scalar::BF16),
        _ => None,
    };
    if let Some(scalar) = simdgroup {
        return Some(types.intern(Kind::SimdMatrix(scalar)));
    }
    let (packed, rest) = match name.strip_prefix("packed_") {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let (word, dims) = rest.split_at(rest.find(|c: char| c.is_ascii_digit())?);
    let scalar = match word {
        "bool" => Scalar::Bool,
        "char" => Scalar::I8,
        "short" => Scalar::I16,
        "int" => Scalar::I32,
        "long" => Scalar::I64,
        "uchar" => Scalar::U8,
        "ushort" => Scalar::U16,
        "uint" => Scalar::U32,
        "ulong" => Scalar::U64,
        "half" => Scalar::F16,
        "bfloat" => Scalar::BF16,
        "float" => Scalar::F32,
        _ => return None,
    };
    let dim = |c: u8| (b'2'..=b'4').contains(&c).then(|| c - b'0');
    match *dims.as_bytes() {
        [n] if packed => Some(types.intern(Kind::Packed(scalar, dim(n)?))),
        [n] => Some(types.intern(Kind::Vector(scalar, dim(n)?))),
        [c, b'x', r] if !packed && scalar.is_float() => {
            Some(types.intern(Kind::Matrix(scalar, dim(c)?, dim(r)?)))
        }
        _ => None,
    }
}

/// Every name that [`builtin_name`] knows.
pub fn builtin_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "uchar",
        "uint8_t",
        "ushort",
        "uint16_t",
        "uint",
        "uint32_t",
        "ulong",
        "uint64_t",
        "size_t",
        "uintptr_t",
        "int8_t",
        "int16_t",
        "int32_t",
        "int64_t",
        "ptrdiff_t",
        "intptr_t",
        "nullptr_t",
        "atomic_int",
        "atomic_uint",
        "atomic_bool",
        "atomic_float",
        "atomic_ulong",
        "atomic_long",
        "simdgroup_float8x8",
        "simdgroup_half8x8",
        "simdgroup_bfloat8x8",
    ]
    .map(String::from)
    .into();
    for &scalar in Scalar::ALL {
        let word = scalar.source_name();
        for n in 2..=4 {
            names.push(format!("{word}{n}"));
            names.push(format!("packed_{word}{n}"));
            if scalar.is_float() {
                names.extend((2..=4).map(|rows| format!("{word}{n}x{rows}")));
            }
        }
    }
    names
}
