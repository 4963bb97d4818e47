//! Copies, casts and fills.

use bytemuck::Pod;

use crate::data::{Dtype, Element, Layout, Slice, SliceMut, bf16, f16};
use crate::stage::{
    self, Compute, Cursor, MOVE_NS, Stage, bits, bits_mut, blocks, emit, spread, with_bits,
    with_block,
};
use crate::{Bool, Complex64, par};

/// One value of any dtype, wide enough for each kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A real number.
    Float(f64),
    /// A complex number.
    Complex(Complex64),
}

/// Copies `x` to the contiguous `out`, converting if the dtypes differ: floats become integers by
/// truncation, saturating, NaN as 0; integers wrap; floats round to nearest even; bool is
/// `!= 0`; complex numbers lose their imaginary part.
///
/// `layout` has as many elements as `out`.
pub fn copy(x: Slice<'_>, layout: &Layout, out: SliceMut<'_>) {
    debug_assert_eq!(layout.len(), out.len());
    if x.dtype() == out.dtype() {
        return with_bits!(x.dtype(), B => {
            copy_bits(bits::<B>(x), &layout.collapsed(), bits_mut::<B>(out))
        });
    }
    if let SliceMut::Bool(out) = out {
        return with_dtype!(x.dtype(), T => truth::<T>(x, layout, out));
    }
    let clamped = x.dtype().is_float() || x.dtype() == Dtype::Complex64;
    with_dtype!(out.dtype(), U => cast::<U>(x, layout, stage::typed_mut::<U>(out), clamped))
}

/// The elements of `x`, converted as [`copy`] does.
pub(crate) fn converted<T: Element>(x: Slice<'_>, layout: &Layout) -> Vec<T> {
    let mut out = vec![T::zeroed(); layout.len()];
    copy(x, layout, T::wrap_mut(&mut out));
    out
}

fn truth<T: Stage>(x: Slice<'_>, layout: &Layout, out: &mut [Bool]) {
    let x = blocks::<T::Compute>(x, layout);
    spread(out, MOVE_NS, &|start, out| {
        with_block(&*x, start, out.len(), |x| {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = Bool::from(x.truthy());
            }
        });
    });
}

fn cast<U: Stage>(x: Slice<'_>, layout: &Layout, out: &mut [U], clamped: bool) {
    let x = blocks::<U::Compute>(x, layout);
    emit(out, 2.0 * MOVE_NS, &|start, out| {
        x.read(start, out);
        if clamped {
            saturate::<U>(out);
        }
    });
}

/// Clamps integers that were floats to the range of a smaller integer dtype.
fn saturate<U: Stage>(block: &mut [U::Compute]) {
    match (U::DTYPE, U::Compute::wrap_mut(block)) {
        (Dtype::I8, SliceMut::I32(b)) => clamp(b, i8::MIN as i32, i8::MAX as i32),
        (Dtype::I16, SliceMut::I32(b)) => clamp(b, i16::MIN as i32, i16::MAX as i32),
        (Dtype::U8, SliceMut::U32(b)) => clamp(b, 0, u8::MAX as u32),
        (Dtype::U16, SliceMut::U32(b)) => clamp(b, 0, u16::MAX as u32),
        _ => {}
    }
}

fn clamp<T: Copy + Ord>(block: &mut [T], low: T, high: T) {
    for x in block {
        *x = (*x).clamp(low, high);
    }
}

/// Copies `x` at `lx` to the places `lout` of `out`. Both have one dtype, both layouts one shape,
/// and no two elements of `lout` share a place (if they do, one of them stays).
///
/// # Panics
/// If the dtypes differ.
pub fn copy_into(x: Slice<'_>, lx: &Layout, out: SliceMut<'_>, lout: &Layout) {
    debug_assert_eq!(lx.shape, lout.shape);
    assert_eq!(x.dtype(), out.dtype(), "copy_into keeps the dtype");
    if lx.is_empty() {
        return;
    }
    with_bits!(x.dtype(), B => {
        let (x, out) = (bits::<B>(x), bits_mut::<B>(out));
        if lout.is_contiguous() {
            copy_bits(x, &lx.collapsed(), &mut out[lout.offset..lout.offset + lx.len()]);
        } else {
            place(x, out, &collapsed_together(lx, lout));
        }
    })
}

/// Row-major copy from a collapsed layout.
fn copy_bits<B: Pod + Send + Sync>(x: &[B], l: &Layout, out: &mut [B]) {
    if out.is_empty() {
        return;
    }
    let axes = l.ndim();
    if axes >= 2 && l.strides[axes - 2] == 1 && l.shape[axes - 2] > 8 && l.shape[axes - 1] > 8 {
        return transpose(x, l, out);
    }
    let (n, stride) = if axes == 0 { (1, 1) } else { (l.shape[axes - 1], l.strides[axes - 1]) };
    spread(out, MOVE_NS, &|start, out| {
        let mut rows = Cursor::new(l, axes.saturating_sub(1), start / n);
        let mut column = start % n;
        let mut rest = out;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut((n - column).min(rest.len()));
            copy_run(x, rows.position() as isize + column as isize * stride, stride, now);
            (rest, column) = (later, 0);
            rows.advance();
        }
    });
}

/// `out[i] = x[first + i * stride]`.
#[inline]
fn copy_run<B: Copy>(x: &[B], first: isize, stride: isize, out: &mut [B]) {
    let at = first as usize;
    match stride {
        1 => out.copy_from_slice(&x[at..at + out.len()]),
        0 => out.fill(x[at]),
        _ => {
            for (i, o) in out.iter_mut().enumerate() {
                *o = x[(first + i as isize * stride) as usize];
            }
        }
    }
}

/// Rows of a tile: few enough for the ways of a cache, as they may be a power of two apart.
const TALL: usize = 16;
/// Columns of a tile.
const WIDE: usize = 64;

/// Row-major copy where the last axis but one is the contiguous one, in tiles.
fn transpose<B: Copy + Send + Sync>(x: &[B], l: &Layout, out: &mut [B]) {
    let axes = l.ndim();
    let (rows, columns, stride) = (l.shape[axes - 2], l.shape[axes - 1], l.strides[axes - 1]);
    let batch = out.len() / (rows * columns);
    par::rows_mut(out, batch * rows, columns, columns as f64 * 2.0 * MOVE_NS, |range, out| {
        // Through a small buffer, so that whole cache lines are read and written at a time.
        let mut tile = [[out[0]; WIDE]; TALL];
        let (mut row, mut rest) = (range.start, out);
        while row < range.end {
            let height = TALL.min(rows - row % rows).min(range.end - row);
            let (strip, later) = rest.split_at_mut(height * columns);
            let first = Cursor::new(l, axes - 2, row / rows).position() + row % rows;
            for left in (0..columns).step_by(WIDE) {
                let width = WIDE.min(columns - left);
                for (i, column) in (left..left + width).enumerate() {
                    let at = (first as isize + column as isize * stride) as usize;
                    for (line, &v) in tile.iter_mut().zip(&x[at..at + height]) {
                        line[i] = v;
                    }
                }
                for (line, out) in tile.iter().zip(strip.chunks_mut(columns)) {
                    out[left..left + width].copy_from_slice(&line[..width]);
                }
            }
            (row, rest) = (row + height, later);
        }
    });
}

/// Copies between strided places, given by one layout each of the same collapsed shape.
fn place<B: Copy + Send + Sync>(x: &[B], out: &mut [B], layouts: &[Layout; 2]) {
    let [lx, lout] = layouts;
    let outer = lx.ndim() - 1;
    let (n, sx, so) = (lx.shape[outer], lx.strides[outer], lout.strides[outer]);
    let (mut from, mut to) = (Cursor::new(lx, outer, 0), Cursor::new(lout, outer, 0));
    for _ in 0..lx.shape[..outer].iter().product() {
        if so == 1 {
            let at = to.position();
            copy_run(x, from.position() as isize, sx, &mut out[at..at + n]);
        } else {
            let (first, target) = (from.position() as isize, to.position() as isize);
            for i in 0..n as isize {
                out[(target + i * so) as usize] = x[(first + i * sx) as usize];
            }
        }
        from.advance();
        to.advance();
    }
}

/// Both layouts without axes of size 1, axes merged where both allow it; at least one axis.
fn collapsed_together(a: &Layout, b: &Layout) -> [Layout; 2] {
    let mut out = [a, b].map(|l| Layout { offset: l.offset, ..Layout::contiguous(&[]) });
    for axis in 0..a.ndim() {
        let n = a.shape[axis];
        if n == 1 {
            continue;
        }
        let steps = [a.strides[axis], b.strides[axis]];
        let merges = out
            .iter()
            .zip(steps)
            .all(|(l, step)| l.strides.last().is_some_and(|&last| last == step * n as isize));
        for (l, step) in out.iter_mut().zip(steps) {
            match (l.shape.last_mut(), l.strides.last_mut()) {
                (Some(size), Some(stride)) if merges => (*size, *stride) = (*size * n, step),
                _ => {
                    l.shape.push(n);
                    l.strides.push(step);
                }
            }
        }
    }
    for l in &mut out {
        if l.shape.is_empty() {
            l.shape.push(1);
            l.strides.push(1);
        }
    }
    out
}

/// Sets every element to `value`, converted as [`copy`] does.
pub fn fill(value: Scalar, out: SliceMut<'_>) {
    with_dtype!(out.dtype(), T => {
        let value = value.convert::<T>();
        spread(stage::typed_mut::<T>(out), MOVE_NS, &|_, out| out.fill(value));
    })
}

/// `out[i] = start + i * step`: integers wrap, floats are computed in `f64` and rounded once.
/// The scalars are of one kind.
pub fn arange(start: Scalar, step: Scalar, out: SliceMut<'_>) {
    with_dtype!(out.dtype(), T => {
        let out = stage::typed_mut::<T>(out);
        match (start, step) {
            (Scalar::Int(start), Scalar::Int(step)) => spread(out, MOVE_NS, &|from, out| {
                for (i, o) in out.iter_mut().enumerate() {
                    let at = step.wrapping_mul((from + i) as i64);
                    *o = Scalar::Int(start.wrapping_add(at)).convert();
                }
            }),
            _ => {
                let (start, step) = (start.as_f64(), step.as_f64());
                spread(out, MOVE_NS, &|from, out| {
                    for (i, o) in out.iter_mut().enumerate() {
                        *o = Scalar::Float(start + (from + i) as f64 * step).convert();
                    }
                });
            }
        }
    })
}

impl Scalar {
    /// The value as an element of type `T`, converted as [`copy`] does.
    pub fn to<T: Element>(self) -> T {
        with_dtype!(T::DTYPE, U => bytemuck::cast(self.convert::<U>()))
    }

    fn convert<T: Stage>(self) -> T {
        if T::DTYPE == Dtype::Bool {
            return T::down(if self.truthy() { T::Compute::ONE } else { T::Compute::ZERO });
        }
        let mut out = [T::Compute::ZERO];
        match self {
            Scalar::Bool(b) => T::Compute::cast(Slice::U32(&[b as u32]), &mut out),
            Scalar::Int(i) => T::Compute::cast(Slice::I64(&[i]), &mut out),
            Scalar::Uint(u) => T::Compute::cast(Slice::U64(&[u]), &mut out),
            Scalar::Float(x) => T::Compute::cast(Slice::F64(&[x]), &mut out),
            Scalar::Complex(z) => T::Compute::cast(Slice::Complex64(&[z]), &mut out),
        }
        if matches!(self, Scalar::Float(_) | Scalar::Complex(_)) {
            saturate::<T>(&mut out);
        }
        T::down(out[0])
    }

    fn truthy(self) -> bool {
        match self {
            Scalar::Bool(b) => b,
            Scalar::Int(i) => i != 0,
            Scalar::Uint(u) => u != 0,
            Scalar::Float(x) => x != 0.0,
            Scalar::Complex(z) => z.truthy(),
        }
    }

    /// The value as a real number.
    pub fn as_f64(self) -> f64 {
        match self {
            Scalar::Bool(b) => b as u8 as f64,
            Scalar::Int(i) => i as f64,
            Scalar::Uint(u) => u as f64,
            Scalar::Float(x) => x,
            Scalar::Complex(z) => z.re as f64,
        }
    }
}
