//! Arrays from Rust values and back.

use std::fmt;

use anymetal_kernels::{Bool, Complex64, Element, Slice};
use half::{bf16, f16};

use super::Array;
use super::eval::host_view;
use crate::Dtype;
use crate::device::{BufferMut, View};
use crate::error::{Error, Result, ShapeText};

/// A Rust type that arrays are made from and read as.
pub trait ArrayElement: Copy + Send + Sync + 'static {
    /// How it is stored.
    type Stored: Element;
    /// To the stored form.
    fn store(self) -> Self::Stored;
    /// From the stored form.
    fn load(stored: Self::Stored) -> Self;
}

macro_rules! plain {
    ($($t:ty),*) => { $(
        impl ArrayElement for $t {
            type Stored = $t;
            fn store(self) -> $t { self }
            fn load(stored: $t) -> $t { stored }
        }
    )* };
}
plain!(u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64, Complex64);

impl ArrayElement for bool {
    type Stored = Bool;

    fn store(self) -> Bool {
        self.into()
    }

    fn load(stored: Bool) -> bool {
        stored.get()
    }
}

impl Array {
    /// An array with a copy of `data` in row-major order.
    ///
    /// # Errors
    /// If the shape's size is not the number of elements; out of memory.
    pub fn from_slice<T: ArrayElement>(data: &[T], shape: &[usize]) -> Result<Array> {
        let bytes = crate::device::Spec::new(shape, T::Stored::DTYPE).bytes();
        if bytes != Some(size_of_val(data)) {
            return Err(Error::shape(
                "array",
                format!("{} elements do not fill shape {}.", data.len(), ShapeText(shape)),
                &[shape],
            ));
        }
        let dtype = T::Stored::DTYPE;
        let mut buffer = BufferMut::new(data.len() * dtype.size())?;
        for (to, from) in bytemuck::cast_slice_mut(buffer.bytes_mut()).iter_mut().zip(data) {
            *to = from.store();
        }
        Ok(Array::from_view(View::contiguous(buffer.freeze(), dtype, shape)))
    }

    /// An array over host bytes in row-major order; they are shared, not copied.
    ///
    /// # Errors
    /// If the shape and dtype need another number of bytes, or the bytes are not aligned for the
    /// dtype.
    pub fn from_buffer(
        buffer: crate::device::Buffer,
        dtype: Dtype,
        shape: &[usize],
    ) -> Result<Array> {
        let needed = crate::device::Spec::new(shape, dtype).bytes();
        if needed != Some(buffer.len()) {
            return Err(Error::shape(
                "array",
                format!(
                    "{} bytes do not fill shape {} of {dtype}.",
                    buffer.len(),
                    ShapeText(shape)
                ),
                &[shape],
            ));
        }
        let view = View::contiguous(buffer, dtype, shape);
        view.slice()?;
        Ok(Array::from_view(view))
    }

    /// An array over elements of host memory where they lie; they are shared, not copied.
    ///
    /// # Errors
    /// If the layout reaches outside the buffer, or the bytes are not aligned for the dtype.
    pub fn from_host_view(view: View) -> Result<Array> {
        if !view.is_inside() {
            return Err(Error::shape(
                "array",
                format!(
                    "Shape {} with strides {:?} from element {} reaches outside {} bytes of {}.",
                    ShapeText(&view.layout.shape),
                    view.layout.strides,
                    view.layout.offset,
                    view.buffer.len(),
                    view.dtype
                ),
                &[&view.layout.shape],
            ));
        }
        view.slice()?;
        Ok(Array::from_view(view))
    }

    pub(crate) fn from_element<T: ArrayElement>(value: T) -> Array {
        match Array::from_slice(&[value], &[]) {
            Ok(array) => array,
            // Without memory for one number nothing can go on: report it where it is used.
            Err(error) => {
                Array::failed(crate::device::Spec::new([].as_slice(), T::Stored::DTYPE), error)
            }
        }
    }

    /// The elements in row-major order, computed if necessary.
    ///
    /// # Errors
    /// If `T` is not the array's dtype; whatever computing it met.
    pub fn to_vec<T: ArrayElement>(&self) -> Result<Vec<T>> {
        if T::Stored::DTYPE != self.dtype() {
            return Err(Error::dtype(
                "array",
                format!(
                    "The elements are {}, not {}; convert with astype first.",
                    self.dtype(),
                    T::Stored::DTYPE
                ),
                &[self.dtype(), T::Stored::DTYPE],
            ));
        }
        let view = host_view(self)?;
        let mut out: Vec<T::Stored> = vec![bytemuck::Zeroable::zeroed(); self.size()];
        anymetal_kernels::copy::copy(view.slice()?, &view.layout, Element::wrap_mut(&mut out));
        Ok(out.into_iter().map(T::load).collect())
    }

    /// The only element of an array of size 1, converted to `T` from any dtype it fits.
    ///
    /// # Errors
    /// If there is more or less than one element; as [`Array::to_vec`].
    pub fn item<T: ArrayElement>(&self) -> Result<T> {
        if self.size() != 1 {
            return Err(Error::shape(
                "item",
                "Only length-1 arrays can be converted to scalars.",
                &[self.shape()],
            ));
        }
        Ok(self.astype(T::Stored::DTYPE)?.to_vec()?[0])
    }

    /// The elements where they lie: the bytes of host memory, and the layout that says which of
    /// them belong to this array.
    ///
    /// # Errors
    /// Whatever computing the array met.
    pub fn host_view(&self) -> Result<View> {
        host_view(self)
    }
}

impl fmt::Debug for Array {
    /// Shape and dtype, and the elements if they are known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array({}, {}", ShapeText(self.shape()), self.dtype())?;
        if !self.is_available() {
            return f.write_str(", lazy)");
        }
        f.write_str(", ")?;
        self.write_elements(f)?;
        f.write_str(")")
    }
}

impl fmt::Display for Array {
    /// The elements, computed if necessary, as nested lists; long axes are shortened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_elements(f)
    }
}

impl Array {
    fn write_elements(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = match host_view(self) {
            Ok(view) => view,
            Err(error) => return write!(f, "<{error}>"),
        };
        let Ok(slice) = view.slice() else { return f.write_str("<misaligned>") };
        write_axis(f, slice, &view, 0, view.layout.offset as isize)
    }
}

/// Longer axes show only this many elements at either end.
const SHOWN: usize = 3;

fn write_axis(
    f: &mut fmt::Formatter<'_>,
    slice: Slice<'_>,
    view: &View,
    axis: usize,
    at: isize,
) -> fmt::Result {
    let Some(&n) = view.layout.shape.get(axis) else { return write_element(f, slice, at) };
    f.write_str("[")?;
    let shortened = n > 2 * SHOWN + 1;
    let (head, tail) = if shortened { (SHOWN, n - SHOWN) } else { (n, n) };
    for i in (0..head).chain(tail..n) {
        if i == tail {
            f.write_str(", ...")?;
        }
        if i > 0 {
            f.write_str(", ")?;
        }
        write_axis(f, slice, view, axis + 1, at + i as isize * view.layout.strides[axis])?;
    }
    f.write_str("]")
}

fn write_element(f: &mut fmt::Formatter<'_>, slice: Slice<'_>, at: isize) -> fmt::Result {
    let at = at as usize;
    match slice {
        Slice::Bool(s) => write!(f, "{}", s[at].get()),
        Slice::U8(s) => write!(f, "{}", s[at]),
        Slice::U16(s) => write!(f, "{}", s[at]),
        Slice::U32(s) => write!(f, "{}", s[at]),
        Slice::U64(s) => write!(f, "{}", s[at]),
        Slice::I8(s) => write!(f, "{}", s[at]),
        Slice::I16(s) => write!(f, "{}", s[at]),
        Slice::I32(s) => write!(f, "{}", s[at]),
        Slice::I64(s) => write!(f, "{}", s[at]),
        Slice::F16(s) => write!(f, "{}", s[at]),
        Slice::Bf16(s) => write!(f, "{}", s[at]),
        Slice::F32(s) => write!(f, "{}", s[at]),
        Slice::F64(s) => write!(f, "{}", s[at]),
        Slice::Complex64(s) => write!(f, "{}", s[at]),
    }
}
