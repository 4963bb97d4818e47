//! Types of the IR, interned, with Metal's exact memory layout.
//!
//! Invariants: equal [`Type`] handles of one module mean equal types; the first handles are
//! the scalars, in the order of [`Scalar`], so they exist as constants (`Type::F32`). A type
//! is *loadable* (scalar, vector, pointer, simdgroup matrix) or it lives in memory only
//! (packed vector, array, struct): values are loadable, aggregates are reached by address.

use rustc_hash::FxHashMap;

use super::named_enum;

named_enum! {
    /// The scalar types. `bool` is one byte in memory, any non-zero byte reads as true.
    pub enum Scalar {
        /// Truth value.
        Bool = "bool",
        /// Signed 8 bits.
        I8 = "i8",
        /// Signed 16 bits.
        I16 = "i16",
        /// Signed 32 bits.
        I32 = "i32",
        /// Signed 64 bits.
        I64 = "i64",
        /// Unsigned 8 bits.
        U8 = "u8",
        /// Unsigned 16 bits.
        U16 = "u16",
        /// Unsigned 32 bits.
        U32 = "u32",
        /// Unsigned 64 bits.
        U64 = "u64",
        /// IEEE half, rounded after every operation.
        F16 = "f16",
        /// bfloat16, rounded after every operation.
        BF16 = "bf16",
        /// IEEE single.
        F32 = "f32",
    }
}

impl Scalar {
    /// The name in Metal Shading Language.
    pub const fn source_name(self) -> &'static str {
        match self {
            Scalar::Bool => "bool",
            Scalar::I8 => "char",
            Scalar::I16 => "short",
            Scalar::I32 => "int",
            Scalar::I64 => "long",
            Scalar::U8 => "uchar",
            Scalar::U16 => "ushort",
            Scalar::U32 => "uint",
            Scalar::U64 => "ulong",
            Scalar::F16 => "half",
            Scalar::BF16 => "bfloat",
            Scalar::F32 => "float",
        }
    }

    /// Bytes in memory.
    pub fn size(self) -> u64 {
        match self {
            Scalar::Bool | Scalar::I8 | Scalar::U8 => 1,
            Scalar::I16 | Scalar::U16 | Scalar::F16 | Scalar::BF16 => 2,
            Scalar::I32 | Scalar::U32 | Scalar::F32 => 4,
            Scalar::I64 | Scalar::U64 => 8,
        }
    }

    /// Width in bits; 1 for `bool`.
    pub fn bits(self) -> u32 {
        if self == Scalar::Bool { 1 } else { self.size() as u32 * 8 }
    }

    /// half, bfloat or float.
    pub fn is_float(self) -> bool {
        matches!(self, Scalar::F16 | Scalar::BF16 | Scalar::F32)
    }

    /// An integer of either sign (not `bool`).
    pub fn is_int(self) -> bool {
        !self.is_float() && self != Scalar::Bool
    }

    /// A signed integer.
    pub fn is_signed(self) -> bool {
        matches!(self, Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64)
    }
}

named_enum! {
    /// Address spaces.
    pub enum Space {
        /// Buffers that every thread of the grid sees.
        Device = "device",
        /// Read-only buffers and program-scope constants.
        Constant = "constant",
        /// Memory of one threadgroup.
        Threadgroup = "threadgroup",
        /// Locals of one thread.
        Thread = "thread",
    }
}

/// A handle of an interned type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Type(pub(crate) u32);

impl Type {
    /// `bool`.
    pub const BOOL: Type = Type(0);
    /// `char`.
    pub const I8: Type = Type(1);
    /// `short`.
    pub const I16: Type = Type(2);
    /// `int`.
    pub const I32: Type = Type(3);
    /// `long`.
    pub const I64: Type = Type(4);
    /// `uchar`.
    pub const U8: Type = Type(5);
    /// `ushort`.
    pub const U16: Type = Type(6);
    /// `uint`.
    pub const U32: Type = Type(7);
    /// `ulong`.
    pub const U64: Type = Type(8);
    /// `half`.
    pub const F16: Type = Type(9);
    /// `bfloat`.
    pub const BF16: Type = Type(10);
    /// `float`.
    pub const F32: Type = Type(11);
    /// No value; only as the pointee of a `void` pointer.
    pub const VOID: Type = Type(12);

    /// The handle of a scalar type.
    pub fn scalar(scalar: Scalar) -> Type {
        Type(scalar as u32)
    }
}

/// A handle of a struct in [`Types`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct StructId(pub u32);

/// What a type is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TypeKind {
    /// A scalar.
    Scalar(Scalar),
    /// No value.
    Void,
    /// 2 to 4 components, aligned to the size of 2, 4, 4 components.
    Vector(Scalar, u8),
    /// A packed vector: memory only, aligned to its component. It is loaded and stored as the
    /// [`TypeKind::Vector`] of the same components, with the component's alignment.
    Packed(Scalar, u8),
    /// Memory only. A matrix is an array of its column vectors.
    Array(Type, u64),
    /// Memory only.
    Struct(StructId),
    /// An address; see the crate's `ir` page for its value and memory form. The pointee serves
    /// front end and text back ends, the verifier never checks it.
    Pointer(Space, Type),
    /// An 8x8 `simdgroup_matrix`; each lane holds two elements, in memory like a 2-vector.
    SimdMatrix(Scalar),
}

/// A field of a struct.
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    /// Source name.
    pub name: String,
    /// Memory type.
    pub ty: Type,
    /// Bytes from the start of the struct.
    pub offset: u64,
}

/// A struct or union with its explicit layout.
#[derive(Clone, PartialEq, Debug)]
pub struct Struct {
    /// Source name.
    pub name: String,
    /// Fields in source order; those of a union overlap.
    pub fields: Vec<Field>,
    /// `sizeof`: a multiple of `align`.
    pub size: u64,
    /// `alignof`: a power of two.
    pub align: u64,
    /// Declared as a union (for text back ends).
    pub is_union: bool,
}

impl Struct {
    /// Lays fields out one after the other by Metal's rules: each at the next multiple of its
    /// alignment, the size a multiple of the largest alignment and at least 1.
    pub fn new(name: &str, fields: &[(&str, Type)], types: &Types) -> Struct {
        let (mut offset, mut align) = (0u64, 1u64);
        let mut laid = Vec::with_capacity(fields.len());
        for &(field, ty) in fields {
            let own = types.align(ty);
            offset = offset.next_multiple_of(own);
            align = align.max(own);
            laid.push(Field { name: field.to_string(), ty, offset });
            offset += types.size(ty);
        }
        let size = offset.max(1).next_multiple_of(align);
        Struct { name: name.to_string(), fields: laid, size, align, is_union: false }
    }
}

/// The interned types of a module.
#[derive(Clone, Debug)]
pub struct Types {
    kinds: Vec<TypeKind>,
    index: FxHashMap<TypeKind, Type>,
    structs: Vec<Struct>,
}

impl Default for Types {
    fn default() -> Self {
        let mut types =
            Types { kinds: Vec::new(), index: FxHashMap::default(), structs: Vec::new() };
        for &scalar in Scalar::ALL {
            types.intern(TypeKind::Scalar(scalar));
        }
        types.intern(TypeKind::Void);
        types
    }
}

impl Types {
    /// The handle of `kind`.
    pub fn intern(&mut self, kind: TypeKind) -> Type {
        if let Some(&known) = self.index.get(&kind) {
            return known;
        }
        let ty = Type(self.kinds.len() as u32);
        self.kinds.push(kind);
        self.index.insert(kind, ty);
        ty
    }

    /// A vector type; one component gives the scalar itself.
    pub fn vector(&mut self, scalar: Scalar, components: u8) -> Type {
        if components == 1 {
            Type::scalar(scalar)
        } else {
            self.intern(TypeKind::Vector(scalar, components))
        }
    }

    /// A packed vector type.
    pub fn packed(&mut self, scalar: Scalar, components: u8) -> Type {
        self.intern(TypeKind::Packed(scalar, components))
    }

    /// An array type.
    pub fn array(&mut self, element: Type, length: u64) -> Type {
        self.intern(TypeKind::Array(element, length))
    }

    /// A matrix: `columns` column vectors of `rows` components.
    pub fn matrix(&mut self, scalar: Scalar, columns: u8, rows: u8) -> Type {
        let column = self.vector(scalar, rows);
        self.array(column, columns.into())
    }

    /// A pointer type.
    pub fn pointer(&mut self, space: Space, pointee: Type) -> Type {
        self.intern(TypeKind::Pointer(space, pointee))
    }

    /// A `simdgroup_matrix` type of 8x8 elements.
    pub fn simd_matrix(&mut self, scalar: Scalar) -> Type {
        self.intern(TypeKind::SimdMatrix(scalar))
    }

    /// Adds a struct. A struct that holds pointers to itself is added without fields first,
    /// then completed through [`Types::define_struct`].
    pub fn add_struct(&mut self, layout: Struct) -> Type {
        let id = StructId(self.structs.len() as u32);
        self.structs.push(layout);
        self.intern(TypeKind::Struct(id))
    }

    /// Replaces the layout of a struct that was added before.
    pub fn define_struct(&mut self, id: StructId, layout: Struct) {
        self.structs[id.0 as usize] = layout;
    }

    /// What `ty` is.
    pub fn kind(&self, ty: Type) -> TypeKind {
        self.kinds[ty.0 as usize]
    }

    /// The layout of a struct.
    pub fn structure(&self, id: StructId) -> &Struct {
        &self.structs[id.0 as usize]
    }

    /// All structs in the order they were added.
    pub fn structs(&self) -> &[Struct] {
        &self.structs
    }

    /// Number of interned types; handles are below it.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Never true: the scalars are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether a value of the type can be an operand, a load or a store.
    pub fn is_loadable(&self, ty: Type) -> bool {
        matches!(
            self.kind(ty),
            TypeKind::Scalar(_)
                | TypeKind::Vector(..)
                | TypeKind::Pointer(..)
                | TypeKind::SimdMatrix(_)
        )
    }

    /// The component type and count of a scalar (count 1) or vector.
    pub fn components(&self, ty: Type) -> Option<(Scalar, u8)> {
        match self.kind(ty) {
            TypeKind::Scalar(scalar) => Some((scalar, 1)),
            TypeKind::Vector(scalar, n) => Some((scalar, n)),
            TypeKind::Void
            | TypeKind::Packed(..)
            | TypeKind::Array(..)
            | TypeKind::Struct(_)
            | TypeKind::Pointer(..)
            | TypeKind::SimdMatrix(_) => None,
        }
    }

    /// `sizeof`, which is also the step of [`super::Op::Element`]; saturates at `u64::MAX`.
    pub fn size(&self, ty: Type) -> u64 {
        match self.kind(ty) {
            TypeKind::Void => 1,
            TypeKind::Scalar(scalar) => scalar.size(),
            TypeKind::Vector(scalar, n) => scalar.size() * if n == 3 { 4 } else { n.into() },
            TypeKind::Packed(scalar, n) => scalar.size() * u64::from(n),
            TypeKind::Array(element, length) => self.size(element).saturating_mul(length),
            TypeKind::Struct(id) => self.structure(id).size,
            TypeKind::Pointer(..) => 8,
            TypeKind::SimdMatrix(scalar) => scalar.size() * 2,
        }
    }

    /// Bytes that a load or store touches: `sizeof` without the padding of 3-vectors.
    pub fn touched(&self, ty: Type) -> u64 {
        match self.kind(ty) {
            TypeKind::Vector(scalar, n) => scalar.size() * u64::from(n),
            _ => self.size(ty),
        }
    }

    /// `alignof`.
    pub fn align(&self, ty: Type) -> u64 {
        match self.kind(ty) {
            TypeKind::Void => 1,
            TypeKind::Scalar(scalar) | TypeKind::Packed(scalar, _) => scalar.size(),
            TypeKind::Vector(..) | TypeKind::SimdMatrix(_) | TypeKind::Pointer(..) => self.size(ty),
            TypeKind::Array(element, _) => self.align(element),
            TypeKind::Struct(id) => self.structure(id).align,
        }
    }
}
