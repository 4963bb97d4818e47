//! The library: one table of the Metal standard library's compute part.
//!
//! A [`Row`] is a family of overloads: a name, the namespaces it lives in, what its type variable
//! `T` ranges over, its parameters and result in terms of `T`, and what a call becomes: operations
//! of the IR, or a call of a function that the prelude defines in MSL, in namespace
//! `metal::__detail`. Each maths function has one body, there, so all executors agree bit for bit.
//! Functions whose types need no family (packing, matrices) are written in the prelude alone.
//!
//! Invariants: rows of one name are neighbours; every [`Lowering::Scalar`] and
//! [`Lowering::Whole`] names a function of the prelude; parameters mention `T` unless the row's
//! types are a single one.

pub(crate) mod absent;
mod atomic;
mod emit;
mod geometric;
mod integer;
mod math;
mod relational;
mod simd;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

pub use self::emit::{Arg, Callee, emit};
use crate::ir::{
    AtomicOp, Attribute, BinaryOp, CompareOp, ReduceOp, Scalar, ScanOp, ShuffleOp, UnaryOp, VoteOp,
    Width,
};

/// A scalar (width 1) or vector type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The type of the components.
    pub scalar: Scalar,
    /// How many: 1 to 4.
    pub width: u8,
}

impl Shape {
    /// A scalar type.
    pub const fn scalar(scalar: Scalar) -> Shape {
        Shape { scalar, width: 1 }
    }
}

/// A set of scalar types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types(u16);

impl Types {
    /// `float`, `half`, `bfloat`.
    pub const FLOATS: Types =
        Types::of(Scalar::F32).and(Types::of(Scalar::F16)).and(Types::of(Scalar::BF16));
    /// Signed integers.
    pub const SIGNED: Types = Types::of(Scalar::I8)
        .and(Types::of(Scalar::I16))
        .and(Types::of(Scalar::I32))
        .and(Types::of(Scalar::I64));
    /// Unsigned integers.
    pub const UNSIGNED: Types = Types::of(Scalar::U8)
        .and(Types::of(Scalar::U16))
        .and(Types::of(Scalar::U32))
        .and(Types::of(Scalar::U64));
    /// Integers.
    pub const INTEGERS: Types = Types::SIGNED.and(Types::UNSIGNED);
    /// Integers and floats.
    pub const NUMBERS: Types = Types::INTEGERS.and(Types::FLOATS);
    /// `bool`.
    pub const BOOL: Types = Types::of(Scalar::Bool);
    /// Every scalar type.
    pub const ALL: Types = Types::NUMBERS.and(Types::BOOL);

    /// One type.
    pub const fn of(scalar: Scalar) -> Types {
        Types(1 << scalar as u16)
    }

    /// The union.
    pub const fn and(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Whether the set holds `scalar`.
    pub const fn contains(self, scalar: Scalar) -> bool {
        self.0 >> scalar as u16 & 1 == 1
    }
}

/// Numbers of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widths {
    /// Scalars.
    One,
    /// Scalars and vectors.
    OneToFour,
    /// Vectors.
    TwoToFour,
    /// Vectors of three.
    Three,
}

impl Widths {
    /// The numbers, ascending.
    pub const fn range(self) -> std::ops::RangeInclusive<u8> {
        match self {
            Widths::One => 1..=1,
            Widths::OneToFour => 1..=4,
            Widths::TwoToFour => 2..=4,
            Widths::Three => 3..=3,
        }
    }
}

/// A parameter's or result's type, in terms of the row's `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// No value; results only.
    Void,
    /// `T` itself.
    T,
    /// The scalar type of `T`.
    Element,
    /// `bool`, as many as `T` has components.
    Bool,
    /// `int`, as many.
    Int,
    /// The unsigned integer as large as `T`'s scalar, as many.
    Unsigned,
    /// This type.
    Is(Scalar),
    /// `thread T&`.
    Ref,
    /// `thread int&`, as many.
    IntRef,
    /// A pointer to `T`, in thread space.
    Pointer,
    /// A pointer to `atomic<T>` in device or threadgroup space, possibly volatile.
    Atomic,
    /// The same, to a constant.
    AtomicConst,
    /// An enumerator of `memory_order`, a constant.
    Order,
    /// An enumerator of `thread_scope`, a constant.
    Scope,
    /// A value of `mem_flags`, a constant.
    Flags,
}

/// A concrete parameter or result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concrete {
    /// No value.
    Void,
    /// A value.
    Value(Shape),
    /// A reference to an object in thread space.
    Ref(Shape),
    /// A pointer to an object in thread space.
    Pointer(Shape),
    /// A pointer to an atomic in device or threadgroup space.
    Atomic {
        /// What it holds.
        scalar: Scalar,
        /// Whether a pointer to const will do.
        readable: bool,
    },
    /// `memory_order`
    Order,
    /// `thread_scope`
    Scope,
    /// `mem_flags`
    Flags,
}

impl Form {
    /// The concrete type where `T` is `t`.
    pub fn with(self, t: Shape) -> Concrete {
        let as_many = |scalar| Shape { scalar, width: t.width };
        match self {
            Form::Void => Concrete::Void,
            Form::T => Concrete::Value(t),
            Form::Element => Concrete::Value(Shape::scalar(t.scalar)),
            Form::Bool => Concrete::Value(as_many(Scalar::Bool)),
            Form::Int => Concrete::Value(as_many(Scalar::I32)),
            Form::Unsigned => Concrete::Value(as_many(unsigned(t.scalar))),
            Form::Is(scalar) => Concrete::Value(Shape::scalar(scalar)),
            Form::Ref => Concrete::Ref(t),
            Form::IntRef => Concrete::Ref(as_many(Scalar::I32)),
            Form::Pointer => Concrete::Pointer(t),
            Form::Atomic => Concrete::Atomic { scalar: t.scalar, readable: false },
            Form::AtomicConst => Concrete::Atomic { scalar: t.scalar, readable: true },
            Form::Order => Concrete::Order,
            Form::Scope => Concrete::Scope,
            Form::Flags => Concrete::Flags,
        }
    }
}

fn unsigned(scalar: Scalar) -> Scalar {
    match scalar.size() {
        1 => Scalar::U8,
        2 => Scalar::U16,
        4 => Scalar::U32,
        _ => Scalar::U64,
    }
}

/// What a call becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowering {
    /// One operation.
    Unary(UnaryOp),
    /// One operation.
    Binary(BinaryOp),
    /// A comparison of the two arguments; of the only argument with itself.
    Compare(CompareOp),
    /// A multiplication and an addition, rounded once.
    Fma,
    /// `select(a, b, c)`: `c ? b : a`.
    Select,
    /// A prelude function on float scalars: called per component, half and bfloat converted to
    /// float and back.
    Scalar(&'static str),
    /// A prelude function, usually a template, called with the arguments as they are.
    Whole(&'static str),
    /// Reduction over lanes; half and bfloat in float, rounded once.
    Reduce(ReduceOp, Width),
    /// Prefix over lanes; half and bfloat in float, rounded once.
    Scan(ScanOp, Width),
    /// `(data, lane)`
    Shuffle(ShuffleOp, Width),
    /// `(data, filling, lane)` or `(data, filling, lane, modulo)`
    ShuffleFill(ShuffleOp, Width),
    /// The lowest active lane's value.
    BroadcastFirst(Width),
    /// A launch value as `ushort`; the argument says nothing.
    Attribute(Attribute),
    /// A vote on a predicate; without an argument, on `true`.
    Vote(VoteOp, Width),
    /// `(object, order)`
    AtomicLoad,
    /// `(object, value, order)`
    AtomicStore,
    /// `(object, operand, order)`
    AtomicRmw(AtomicOp),
    /// The same without a result.
    AtomicUpdate(AtomicOp),
    /// `(object, expected, desired, order, order)`
    AtomicCompareExchange,
    /// `(flags, order)` or `(flags, order, scope)`
    Fence,
    /// `(flags)` or `(flags, scope)`, of a whole threadgroup or simdgroup.
    Barrier(Scope),
}

/// Whose barrier it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All threads of the threadgroup.
    Threadgroup,
    /// All lanes of the simdgroup.
    Simdgroup,
}

/// How far a float result may be from the exact value. half and bfloat results are the float
/// result rounded, so within half a unit of their own last place plus a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Accuracy {
    /// Exact, or correctly rounded.
    Exact,
    /// Within this many units in the last place.
    Ulp(f32),
    /// A composition of rounded operations, described by its definition.
    Composed,
}

/// Namespaces: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spaces(u8);

impl Spaces {
    /// `metal` only.
    pub const METAL: Spaces = Spaces(1);
    /// `metal`, `metal::fast` and `metal::precise`.
    pub const ALL: Spaces = Spaces(7);

    /// Whether `metal::fast` and `metal::precise` have the function too.
    pub fn has_variants(self) -> bool {
        self == Spaces::ALL
    }
}

/// A family of overloads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The function's name.
    pub name: &'static str,
    /// Where it is declared.
    pub spaces: Spaces,
    /// What the scalar type of `T` ranges over.
    pub types: Types,
    /// What the width of `T` ranges over.
    pub widths: Widths,
    /// Parameters.
    pub params: &'static [Form],
    /// Result.
    pub result: Form,
    /// What a call becomes.
    pub lowering: Lowering,
    /// Bound of the error.
    pub accuracy: Accuracy,
}

impl Row {
    /// The types `T` ranges over, in a fixed order.
    pub fn instances(&self) -> impl Iterator<Item = Shape> + use<> {
        let (types, widths) = (self.types, self.widths);
        widths.range().flat_map(move |width| {
            let scalars = Scalar::ALL.iter().filter(move |&&scalar| types.contains(scalar));
            scalars.map(move |&scalar| Shape { scalar, width })
        })
    }

    /// Whether `T` can be `t`.
    pub fn admits(&self, t: Shape) -> bool {
        self.types.contains(t.scalar) && self.widths.range().contains(&t.width)
    }
}

/// Every row, by theme.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [math::ROWS, integer::ROWS, relational::ROWS, geometric::ROWS, simd::ROWS, atomic::ROWS]
        .into_iter()
        .flatten()
}

/// The rows of a function; none if the library has no such function.
pub fn functions(name: &str) -> &'static [&'static Row] {
    index().get(name).map_or(&[], |rows| rows.as_slice())
}

/// Whether the library has a function of that name.
pub fn exists(name: &str) -> bool {
    index().contains_key(name)
}

/// The name as the table holds it.
pub fn name(name: &str) -> Option<&'static str> {
    functions(name).first().map(|row| row.name)
}

/// Every name, in the table's order.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    rows().map(|row| row.name).filter(move |&name| std::mem::replace(&mut last, name) != name)
}

fn index() -> &'static FxHashMap<&'static str, Vec<&'static Row>> {
    static INDEX: OnceLock<FxHashMap<&'static str, Vec<&'static Row>>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut index: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for row in rows() {
            index.entry(row.name).or_default().push(row);
        }
        index
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed() {
        for row in rows() {
            assert!(row.instances().next().is_some(), "{} has no instance", row.name);
            let distinct = row.instances().collect::<Vec<_>>();
            let mentions_t = |form: &Form| {
                !matches!(form.with(distinct[0]), other if distinct
                .iter()
                .all(|&t| form.with(t) == other))
            };
            let alone = distinct.len() == 1;
            assert!(alone || row.params.iter().any(mentions_t), "{}: which T?", row.name);
        }
    }

    #[test]
    fn names_are_found() {
        assert!(exists("exp") && exists("simd_sum") && !exists("erf"));
        assert_eq!(functions("max").len(), 1);
        assert_eq!(names().filter(|&name| name == "abs").count(), 1);
    }
}
