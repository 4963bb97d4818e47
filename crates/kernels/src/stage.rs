//! Staging: arithmetic happens in seven *compute types* (`f32`, `f64`, the 32- and 64-bit
//! integers, `Complex64`); every other dtype is converted in blocks of [`BLOCK`] elements on the
//! stack, in and out. Strided views are read block by block in row-major order, so operations see
//! contiguous slices of compute types only.

use bytemuck::Pod;

use crate::data::{Complex64, Dtype, Element, Layout, Shape, Slice, SliceMut, Strides, bf16, f16};
use crate::simd::{self, Isa, Kernel, Level};
use crate::{Bool, par};

/// Runs `$body` with `$B` bound to a type of the dtype's size: moving elements needs no more.
macro_rules! with_bits {
    ($dtype:expr, $B:ident => $body:expr) => {
        match ($dtype, $dtype.size()) {
            (crate::Dtype::Complex64, _) => {
                type $B = crate::Complex64;
                $body
            }
            (_, 1) => {
                type $B = u8;
                $body
            }
            (_, 2) => {
                type $B = u16;
                $body
            }
            (_, 4) => {
                type $B = u32;
                $body
            }
            _ => {
                type $B = u64;
                $body
            }
        }
    };
}

pub(crate) use with_bits;

/// Elements staged at a time.
pub(crate) const BLOCK: usize = 1024;

/// About the time that an element takes which is only moved or added, in nanoseconds.
pub(crate) const MOVE_NS: f64 = 0.15;

/// A dtype and the type its arithmetic happens in.
pub(crate) trait Stage: Element {
    /// The compute type.
    type Compute: Compute;
    /// Exact conversion to the compute type.
    fn up(self) -> Self::Compute;
    /// Conversion back: floats round to nearest even, integers wrap, bool is `!= 0`.
    fn down(c: Self::Compute) -> Self;
}

/// One of the seven types that arithmetic is written for.
pub(crate) trait Compute: Stage<Compute = Self> + PartialEq {
    /// Zero (and false).
    const ZERO: Self;
    /// One (and true).
    const ONE: Self;
    /// Whether loops over it are worth compiling for 512-bit registers, see [`Kernel::WIDE`].
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "only x86-64 has such registers")
    )]
    const WIDE: bool = matches!(Self::DTYPE, Dtype::F32 | Dtype::F64);

    /// Converts a slice of a compute type. Floats become integers by truncation, saturating, NaN
    /// as 0; integers wrap; complex numbers lose their imaginary part.
    fn cast(from: Slice<'_>, out: &mut [Self]);

    /// Whether it, or one of its parts, is NaN.
    #[inline(always)]
    #[allow(clippy::eq_op, reason = "only NaN differs from itself")]
    fn is_nan(self) -> bool {
        self != self
    }

    /// Whether it counts as true.
    #[inline(always)]
    fn truthy(self) -> bool {
        self != Self::ZERO
    }
}

macro_rules! small {
    ($($ty:ty => $compute:ty, $x:ident: $up:expr, $down:expr;)*) => {$(
        impl Stage for $ty {
            type Compute = $compute;
            #[inline(always)]
            fn up(self) -> $compute { let $x = self; $up }
            #[inline(always)]
            fn down($x: $compute) -> $ty { $down }
        }
    )*};
}

small! {
    Bool => u32, x: x.get() as u32, Bool::from(x != 0);
    u8 => u32, x: x as u32, x as u8;
    u16 => u32, x: x as u32, x as u16;
    u32 => u32, x: x, x;
    u64 => u64, x: x, x;
    i8 => i32, x: x as i32, x as i8;
    i16 => i32, x: x as i32, x as i16;
    i32 => i32, x: x, x;
    i64 => i64, x: x, x;
    f16 => f32, x: f16_to_f32(x), f32_to_f16(x);
    bf16 => f32, x: f32::from_bits((x.to_bits() as u32) << 16), f32_to_bf16(x);
    f32 => f32, x: x, x;
    f64 => f64, x: x, x;
    Complex64 => Complex64, x: x, x;
}

/// Exact, for subnormals, infinities and NaN too.
#[inline(always)]
fn f16_to_f32(x: f16) -> f32 {
    let bits = x.to_bits() as u32;
    let magnitude = (bits & 0x7fff) << 13;
    // The multiplication by 2^112 moves the exponent's bias and normalises subnormals.
    let finite = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = magnitude | 0x7f80_0000;
    let value = if magnitude >= 0x0f80_0000 { special } else { finite };
    f32::from_bits(value | (bits & 0x8000) << 16)
}

/// Round to nearest even; overflow becomes infinity.
#[inline(always)]
fn f32_to_f16(x: f32) -> f16 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    // Subnormal results: adding 0.5 lines the mantissa up so that the adder does the rounding.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let odd = magnitude >> 13 & 1;
    let normal = magnitude.wrapping_sub(0x3800_0000).wrapping_add(0xfff + odd) >> 13;
    let overflow = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let value = if magnitude < 0x3880_0000 { subnormal } else { normal };
    let value = if magnitude >= 0x4780_0000 { overflow } else { value };
    f16::from_bits((value | bits >> 16 & 0x8000) as u16)
}

/// Round to nearest even; NaN stays a quiet NaN.
#[inline(always)]
fn f32_to_bf16(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let nan = bits >> 16 | 0x40;
    bf16::from_bits(if x.is_nan() { nan } else { rounded } as u16)
}

macro_rules! compute {
    ($($ty:ty: $zero:expr, $one:expr, |$x:ident| $cast:expr, |$z:ident| $complex:expr;)*) => {$(
        impl Compute for $ty {
            const ZERO: Self = $zero;
            const ONE: Self = $one;

            fn cast(from: Slice<'_>, out: &mut [Self]) {
                match from {
                    Slice::F32(s) => convert(s, out, |$x| $cast),
                    Slice::F64(s) => convert(s, out, |$x| $cast),
                    Slice::I32(s) => convert(s, out, |$x| $cast),
                    Slice::I64(s) => convert(s, out, |$x| $cast),
                    Slice::U32(s) => convert(s, out, |$x| $cast),
                    Slice::U64(s) => convert(s, out, |$x| $cast),
                    Slice::Complex64(s) => convert(s, out, |$z| $complex),
                    Slice::Bool(_) | Slice::U8(_) | Slice::U16(_) | Slice::I8(_)
                    | Slice::I16(_) | Slice::F16(_) | Slice::Bf16(_) => {
                        unreachable!("not a compute type")
                    }
                }
            }
        }
    )*};
}

compute! {
    f32: 0.0, 1.0, |x| x as f32, |z| z.re;
    f64: 0.0, 1.0, |x| x as f64, |z| z.re as f64;
    i32: 0, 1, |x| x as i32, |z| z.re as i32;
    i64: 0, 1, |x| x as i64, |z| z.re as i64;
    u32: 0, 1, |x| x as u32, |z| z.re as u32;
    u64: 0, 1, |x| x as u64, |z| z.re as u64;
    Complex64: Complex64::new(0.0, 0.0), Complex64::new(1.0, 0.0),
        |x| Complex64::new(x as f32, 0.0), |z| z;
}

fn convert<A: Copy, B>(from: &[A], out: &mut [B], f: impl Fn(A) -> B) {
    for (o, &x) in out.iter_mut().zip(from) {
        *o = f(x);
    }
}

struct Load<'a, T: Stage>(&'a [T], &'a mut [T::Compute]);

impl<T: Stage> Kernel for Load<'_, T> {
    type Output = ();
    const WIDE: bool = T::Compute::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, &x) in self.1.iter_mut().zip(self.0) {
            *o = x.up();
        }
    }
}

struct Store<'a, T: Stage>(&'a [T::Compute], &'a mut [T]);

impl<T: Stage> Kernel for Store<'_, T> {
    type Output = ();
    const WIDE: bool = T::Compute::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, &x) in self.1.iter_mut().zip(self.0) {
            *o = T::down(x);
        }
    }
}

/// Converts elements to their compute type; the slices have one length.
pub(crate) fn load<T: Stage>(level: Level, x: &[T], out: &mut [T::Compute]) {
    match T::Compute::unwrap(T::wrap(x)) {
        Some(x) => out.copy_from_slice(x),
        None => simd::dispatch(level, Load(x, out)),
    }
}

/// Converts elements from their compute type; the slices have one length.
pub(crate) fn store<T: Stage>(level: Level, x: &[T::Compute], out: &mut [T]) {
    match T::unwrap(T::Compute::wrap(x)) {
        Some(x) => out.copy_from_slice(x),
        None => simd::dispatch(level, Store(x, out)),
    }
}

/// A strided array whose elements are read in row-major order, as blocks of compute type `C`.
pub(crate) trait Blocks<C>: Sync {
    /// Elements `start..start + len`, if they already lie in memory like that.
    fn direct(&self, start: usize, len: usize) -> Option<&[C]>;
    /// Converts elements `start..start + out.len()`.
    fn read(&self, start: usize, out: &mut [C]);
}

/// The elements of `x` at `layout`, converted to `C`.
pub(crate) fn blocks<'a, C: Compute>(x: Slice<'a>, layout: &Layout) -> Box<dyn Blocks<C> + 'a> {
    with_dtype!(x.dtype(), T => {
        let view = View::<T>::new(typed(x), layout);
        if view.layout.strides.as_slice() == [0] && !view.layout.is_empty() {
            let mut block = vec![C::ZERO; view.layout.len().min(BLOCK)];
            view.read(0, &mut block);
            return Box::new(Uniform(block));
        }
        Box::new(view)
    })
}

/// A block of an array whose elements are all the same.
struct Uniform<C>(Vec<C>);

impl<C: Compute> Blocks<C> for Uniform<C> {
    fn direct(&self, _start: usize, len: usize) -> Option<&[C]> {
        self.0.get(..len)
    }

    fn read(&self, _start: usize, out: &mut [C]) {
        out.fill(self.0[0]);
    }
}

/// Calls `f` with elements `start..start + len` of `x`, staged if they have to be. `len` is at
/// most [`BLOCK`].
#[inline]
pub(crate) fn with_block<C: Compute, R>(
    x: &dyn Blocks<C>,
    start: usize,
    len: usize,
    f: impl FnOnce(&[C]) -> R,
) -> R {
    match x.direct(start, len) {
        Some(block) => f(block),
        None => {
            let mut buffer = [C::ZERO; BLOCK];
            x.read(start, &mut buffer[..len]);
            f(&buffer[..len])
        }
    }
}

/// The slice as `T`s, which it must hold.
#[track_caller]
pub(crate) fn typed<T: Element>(x: Slice<'_>) -> &[T] {
    let dtype = x.dtype();
    T::unwrap(x).unwrap_or_else(|| panic!("expected {} elements, got {dtype}", T::DTYPE))
}

/// The slice as writable `T`s, which it must hold.
#[track_caller]
pub(crate) fn typed_mut<T: Element>(x: SliceMut<'_>) -> &mut [T] {
    let dtype = x.dtype();
    T::unwrap_mut(x).unwrap_or_else(|| panic!("expected {} elements, got {dtype}", T::DTYPE))
}

/// The elements as unsigned integers of their size (complex numbers as they are).
pub(crate) fn bits<B: Pod>(x: Slice<'_>) -> &[B] {
    bytemuck::cast_slice(x.bytes())
}

/// The same, writable.
pub(crate) fn bits_mut<B: Pod>(x: SliceMut<'_>) -> &mut [B] {
    bytemuck::cast_slice_mut(x.into_bytes())
}

struct View<'a, T> {
    data: &'a [T],
    layout: Layout,
    level: Level,
}

impl<'a, T: Stage> View<'a, T> {
    fn new(data: &'a [T], layout: &Layout) -> Self {
        View { data, layout: layout.collapsed(), level: simd::level() }
    }

    /// Length and stride of the innermost axis.
    #[inline]
    fn inner(&self) -> (usize, isize) {
        match (self.layout.shape.last(), self.layout.strides.last()) {
            (Some(&n), Some(&stride)) => (n, stride),
            _ => (1, 1),
        }
    }

    fn stage(&self, start: usize, out: &mut [T::Compute]) {
        let (n, stride) = self.inner();
        let outer = self.layout.ndim().saturating_sub(1);
        let mut rows = Cursor::new(&self.layout, outer, start / n);
        let mut column = start % n;
        let mut rest = out;
        while !rest.is_empty() {
            let len = (n - column).min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            self.run(rows.position() as isize + column as isize * stride, stride, now);
            (rest, column) = (later, 0);
            rows.advance();
        }
    }

    fn run(&self, first: isize, stride: isize, out: &mut [T::Compute]) {
        let at = first as usize;
        match stride {
            1 if out.len() >= 16 => load(self.level, &self.data[at..at + out.len()], out),
            0 => out.fill(self.data[at].up()),
            _ => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = self.data[(first + i as isize * stride) as usize].up();
                }
            }
        }
    }
}

impl<T: Stage, C: Compute> Blocks<C> for View<'_, T> {
    fn direct(&self, start: usize, len: usize) -> Option<&[C]> {
        let data = C::unwrap(T::wrap(self.data))?;
        let (n, stride) = self.inner();
        if stride != 1 {
            return None;
        }
        let at = if self.layout.ndim() <= 1 {
            self.layout.offset + start
        } else {
            let column = start % n;
            if column + len > n {
                return None;
            }
            Cursor::new(&self.layout, self.layout.ndim() - 1, start / n).position() + column
        };
        Some(&data[at..at + len])
    }

    fn read(&self, start: usize, out: &mut [C]) {
        if let Some(out) = T::Compute::unwrap_mut(C::wrap_mut(out)) {
            return self.stage(start, out);
        }
        let mut buffer = [T::Compute::ZERO; BLOCK];
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            let buffer = &mut buffer[..out.len()];
            self.stage(start + i * BLOCK, buffer);
            C::cast(T::Compute::wrap(buffer), out);
        }
    }
}

/// Walks the first axes of a layout in row-major order.
pub(crate) struct Cursor<'a> {
    shape: &'a [usize],
    strides: &'a [isize],
    index: Shape,
    position: isize,
}

impl<'a> Cursor<'a> {
    /// Over the first `axes` axes, standing at their `start`-th element.
    pub(crate) fn new(layout: &'a Layout, axes: usize, start: usize) -> Self {
        let (shape, strides) = (&layout.shape[..axes], &layout.strides[..axes]);
        let mut index: Shape = smallvec::SmallVec::from_elem(0, axes);
        let mut position = layout.offset as isize;
        let mut rest = start;
        for axis in (0..axes).rev() {
            if rest == 0 {
                break;
            }
            index[axis] = rest % shape[axis];
            rest /= shape[axis];
            position += index[axis] as isize * strides[axis];
        }
        Cursor { shape, strides, index, position }
    }

    /// Where the element is.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.position as usize
    }

    /// To the next element; from the last to the first.
    #[inline]
    pub(crate) fn advance(&mut self) {
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            self.position += self.strides[axis];
            if self.index[axis] < self.shape[axis] {
                return;
            }
            self.position -= self.index[axis] as isize * self.strides[axis];
            self.index[axis] = 0;
        }
    }
}

/// Axes of a layout in another order.
pub(crate) fn permuted(layout: &Layout, axes: impl Iterator<Item = usize> + Clone) -> Layout {
    let shape: Shape = axes.clone().map(|a| layout.shape[a]).collect();
    let strides: Strides = axes.map(|a| layout.strides[a]).collect();
    Layout { shape, strides, offset: layout.offset }
}

/// Writes an output block by block: `body(start, block)` computes elements from `start` on, for
/// blocks of at most [`BLOCK`] elements. An element takes about `item_ns` nanoseconds, which
/// decides on how many threads the work is spread.
pub(crate) fn emit<U: Stage>(
    out: &mut [U],
    item_ns: f64,
    body: &(dyn Fn(usize, &mut [U::Compute]) + Sync),
) {
    let level = simd::level();
    spread(out, item_ns, &|start, out| match U::Compute::unwrap_mut(U::wrap_mut(out)) {
        Some(out) => body(start, out),
        None => {
            let mut buffer = [U::Compute::ZERO; BLOCK];
            let buffer = &mut buffer[..out.len()];
            body(start, buffer);
            store(level, buffer, out);
        }
    });
}

/// Calls `body(start, block)` for blocks of at most [`BLOCK`] elements of `out`, as [`emit`].
pub(crate) fn spread<U: Send>(
    out: &mut [U],
    item_ns: f64,
    body: &(dyn Fn(usize, &mut [U]) + Sync),
) {
    par::rows_mut(out, out.len(), 1, item_ns, |range, out| {
        for (i, block) in out.chunks_mut(BLOCK).enumerate() {
            body(range.start + i * BLOCK, block);
        }
    });
}
