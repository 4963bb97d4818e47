//! What kernels work on: element types, typed slices and strided layouts.

use bytemuck::{Pod, Zeroable};
use smallvec::SmallVec;

pub use half::{bf16, f16};

/// A complex number of two `f32`, MLX's `complex64`.
pub type Complex64 = num_complex::Complex<f32>;

/// A boolean stored as one byte, 0 or 1. Any other byte reads as true.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool(pub u8);

impl Bool {
    /// The byte as a Rust boolean.
    #[inline(always)]
    pub fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    #[inline(always)]
    fn from(value: bool) -> Self {
        Bool(value as u8)
    }
}

impl PartialEq for Bool {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

macro_rules! dtypes {
    ($($variant:ident $ty:ty, $name:literal;)*) => {
        /// The type of an array's elements.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the variants are the types' own names")]
        pub enum Dtype { $($variant),* }

        impl Dtype {
            /// Every dtype, in promotion order within its kind.
            pub const ALL: &[Dtype] = &[$(Dtype::$variant),*];

            /// Size of an element in bytes.
            #[inline]
            pub const fn size(self) -> usize {
                match self { $(Dtype::$variant => size_of::<$ty>()),* }
            }

            /// MLX's name, for example `float32`.
            pub const fn name(self) -> &'static str {
                match self { $(Dtype::$variant => $name),* }
            }
        }

        $(impl Element for $ty {
            const DTYPE: Dtype = Dtype::$variant;
            fn wrap(s: &[Self]) -> Slice<'_> { Slice::$variant(s) }
            fn wrap_mut(s: &mut [Self]) -> SliceMut<'_> { SliceMut::$variant(s) }
            fn unwrap(s: Slice<'_>) -> Option<&[Self]> {
                match s { Slice::$variant(s) => Some(s), _ => None }
            }
            fn unwrap_mut(s: SliceMut<'_>) -> Option<&mut [Self]> {
                match s { SliceMut::$variant(s) => Some(s), _ => None }
            }
        })*

        /// A read-only slice of any dtype.
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs, reason = "the variants are the types' own names")]
        pub enum Slice<'a> { $($variant(&'a [$ty])),* }

        /// A writable slice of any dtype.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the variants are the types' own names")]
        pub enum SliceMut<'a> { $($variant(&'a mut [$ty])),* }

        impl<'a> Slice<'a> {
            /// The elements' dtype.
            pub fn dtype(&self) -> Dtype {
                match self { $(Slice::$variant(_) => Dtype::$variant),* }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(Slice::$variant(s) => s.len()),* }
            }

            /// The elements' bytes.
            pub fn bytes(&self) -> &'a [u8] {
                match *self { $(Slice::$variant(s) => bytemuck::cast_slice(s)),* }
            }

            /// Bytes as elements of `dtype`; `None` if they are misaligned or of another length.
            pub fn from_bytes(dtype: Dtype, bytes: &'a [u8]) -> Option<Self> {
                Some(match dtype {
                    $(Dtype::$variant => Slice::$variant(bytemuck::try_cast_slice(bytes).ok()?)),*
                })
            }
        }

        impl<'a> SliceMut<'a> {
            /// The elements' dtype.
            pub fn dtype(&self) -> Dtype {
                match self { $(SliceMut::$variant(_) => Dtype::$variant),* }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(SliceMut::$variant(s) => s.len()),* }
            }

            /// The elements' bytes.
            pub fn into_bytes(self) -> &'a mut [u8] {
                match self { $(SliceMut::$variant(s) => bytemuck::cast_slice_mut(s)),* }
            }

            /// The same elements, read-only.
            pub fn as_slice(&self) -> Slice<'_> {
                match self { $(SliceMut::$variant(s) => Slice::$variant(s)),* }
            }

            /// A shorter borrow of the same elements.
            pub fn reborrow(&mut self) -> SliceMut<'_> {
                match self { $(SliceMut::$variant(s) => SliceMut::$variant(s)),* }
            }

            /// Bytes as elements of `dtype`; `None` if they are misaligned or of another length.
            pub fn from_bytes(dtype: Dtype, bytes: &'a mut [u8]) -> Option<Self> {
                Some(match dtype {
                    $(Dtype::$variant => {
                        SliceMut::$variant(bytemuck::try_cast_slice_mut(bytes).ok()?)
                    }),*
                })
            }
        }

        /// Runs `$body` with `$T` bound to the Rust type of a [`Dtype`].
        #[macro_export]
        macro_rules! with_dtype {
            ($d:expr, $T:ident => $body:expr) => {
                match $d {
                    $($crate::Dtype::$variant => { type $T = $ty; $body })*
                }
            };
        }
    };
}

/// A Rust type that can be an array's element.
pub trait Element: Pod + Send + Sync + 'static {
    /// Its dtype.
    const DTYPE: Dtype;
    /// A typed slice as a [`Slice`].
    fn wrap(s: &[Self]) -> Slice<'_>;
    /// A typed slice as a [`SliceMut`].
    fn wrap_mut(s: &mut [Self]) -> SliceMut<'_>;
    /// The typed slice in a [`Slice`] of this dtype.
    fn unwrap(s: Slice<'_>) -> Option<&[Self]>;
    /// The typed slice in a [`SliceMut`] of this dtype.
    fn unwrap_mut(s: SliceMut<'_>) -> Option<&mut [Self]>;
}

dtypes! {
    Bool Bool, "bool";
    U8 u8, "uint8";
    U16 u16, "uint16";
    U32 u32, "uint32";
    U64 u64, "uint64";
    I8 i8, "int8";
    I16 i16, "int16";
    I32 i32, "int32";
    I64 i64, "int64";
    F16 f16, "float16";
    Bf16 bf16, "bfloat16";
    F32 f32, "float32";
    F64 f64, "float64";
    Complex64 Complex64, "complex64";
}

impl Dtype {
    /// Whether this is a real floating-point dtype.
    pub const fn is_float(self) -> bool {
        matches!(self, Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
    }

    /// Whether this is a signed or unsigned integer; bool is not.
    pub const fn is_integer(self) -> bool {
        self.is_signed_integer() || self.is_unsigned_integer()
    }

    /// Whether this is a signed integer.
    pub const fn is_signed_integer(self) -> bool {
        matches!(self, Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64)
    }

    /// Whether this is an unsigned integer; bool is not.
    pub const fn is_unsigned_integer(self) -> bool {
        matches!(self, Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64)
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Slice<'_> {
    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl SliceMut<'_> {
    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Sizes of an array's axes.
pub type Shape = SmallVec<[usize; 4]>;
/// Steps between neighbours along each axis, in elements; zero and negative are legal.
pub type Strides = SmallVec<[isize; 4]>;

/// A copy of a shape or of strides. (`SmallVec`'s own conversions and its `clone` go element by
/// element with checks of the capacity; together they took a sixth of a small operation's time.)
#[inline]
pub fn copy_axes<T: Copy + Default>(axes: &[T]) -> SmallVec<[T; 4]> {
    let none = T::default();
    match *axes {
        [] => SmallVec::new(),
        [a] => SmallVec::from_buf_and_len([a, none, none, none], 1),
        [a, b] => SmallVec::from_buf_and_len([a, b, none, none], 2),
        [a, b, c] => SmallVec::from_buf_and_len([a, b, c, none], 3),
        [a, b, c, d] => SmallVec::from_buf_and_len([a, b, c, d], 4),
        _ => SmallVec::from_slice(axes),
    }
}

/// An array to read: its elements and where they lie.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The elements.
    pub data: Slice<'a>,
    /// Where they lie.
    pub layout: &'a Layout,
}

impl<'a> View<'a> {
    /// Of these elements.
    pub fn new(data: Slice<'a>, layout: &'a Layout) -> Self {
        View { data, layout }
    }
}

/// Where the elements of a strided array lie in a slice.
///
/// Element `(i0, i1, ..)` is at `offset + i0 * strides[0] + i1 * strides[1] + ..`. Whoever makes a
/// layout promises that every such position is inside the slice it is used with.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Sizes of the axes.
    pub shape: Shape,
    /// Steps along the axes, in elements.
    pub strides: Strides,
    /// Position of the element with all indices zero.
    pub offset: usize,
}

impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Self {
        let (shape, strides) = (copy_axes(&self.shape), copy_axes(&self.strides));
        Layout { shape, strides, offset: self.offset }
    }
}

impl Layout {
    /// Row-major without gaps, starting at 0.
    pub fn contiguous(shape: &[usize]) -> Self {
        let size = |&n: &usize| n.max(1) as isize;
        let strides: Strides = match shape {
            [] => SmallVec::new(),
            [_] => copy_axes(&[1]),
            [_, b] => copy_axes(&[size(b), 1]),
            _ => {
                let mut strides: Strides = SmallVec::from_elem(1, shape.len());
                let mut step = 1isize;
                for (stride, n) in strides.iter_mut().zip(shape).rev() {
                    *stride = step;
                    step *= size(n);
                }
                strides
            }
        };
        Layout { shape: copy_axes(shape), strides, offset: 0 }
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether the elements lie row-major without gaps (from any offset).
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for (&stride, &n) in self.strides.iter().zip(&self.shape).rev() {
            if n == 0 {
                return true;
            }
            if n != 1 && stride != step {
                return false;
            }
            step *= n as isize;
        }
        true
    }

    /// The same elements in the same order with as few axes as possible: axes of size 1 are
    /// dropped and neighbours that continue each other are merged.
    pub fn collapsed(&self) -> Layout {
        let (shape, strides) = collapsed(&self.shape, &self.strides);
        Layout { shape, strides, offset: self.offset }
    }
}

/// The axes of [`Layout::collapsed`].
pub(crate) fn collapsed(sizes: &[usize], steps: &[isize]) -> (Shape, Strides) {
    let mut shape = Shape::new();
    let mut strides = Strides::new();
    for (&n, &stride) in sizes.iter().zip(steps) {
        if n == 1 {
            continue;
        }
        match (shape.last_mut(), strides.last_mut()) {
            (Some(n0), Some(s0)) if *s0 == stride * n as isize => {
                *n0 *= n;
                *s0 = stride;
            }
            _ => {
                shape.push(n);
                strides.push(stride);
            }
        }
    }
    (shape, strides)
}
