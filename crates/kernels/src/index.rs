//! Gathering and scattering by integer arrays.
//!
//! An index counts from the end if it is negative. One that is out of range even so is an error,
//! found before anything is written.

use crate::data::{Layout, Shape, Slice, SliceMut, View, bf16, f16};
use crate::elementwise::{BinaryOp, Loop2, binary_loop};
use crate::stage::{
    BLOCK, Blocks, Compute, Cursor, MOVE_NS, Stage, bits, bits_mut, blocks, permuted, typed_mut,
    with_bits, with_block,
};
use crate::{Bool, Complex64, par, simd};

/// An index outside its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutOfRange {
    /// The index as given.
    pub index: i64,
    /// The axis it indexes.
    pub axis: usize,
    /// The axis' number of places: its size, less what a slice from there needs beyond one.
    pub places: usize,
}

impl std::fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OutOfRange { index, axis, places } = self;
        write!(f, "index {index} is out of range for axis {axis} with {places} places")
    }
}

impl std::error::Error for OutOfRange {}

/// What scattering does with the element that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScatterOp {
    /// Replaces it; of several updates of one element the last stays.
    Update,
    /// Adds to it; bool takes the logical or.
    Add,
    /// Multiplies it.
    Prod,
    /// Takes the smaller, NaN if either is.
    Min,
    /// Takes the larger, NaN if either is.
    Max,
}

/// MLX's general gather: `out[i.., s..] = src[s + (the indices at i on their axes)]`.
///
/// `indices` have one shape I, one array per entry of `axes` (distinct); `slice_sizes` has an entry
/// per axis of `src`. `out` has shape I + `slice_sizes` and the dtype of `src`.
///
/// # Errors
/// An index whose slice does not lie inside its axis.
///
/// # Panics
/// If the dtype of `out` differs from that of `src`, or an index array is not of integers.
pub fn gather(
    src: Slice<'_>,
    layout: &Layout,
    indices: &[View<'_>],
    axes: &[usize],
    slice_sizes: &[usize],
    out: SliceMut<'_>,
) -> Result<(), OutOfRange> {
    assert_eq!(src.dtype(), out.dtype(), "gather keeps the dtype");
    if out.is_empty() {
        return Ok(());
    }
    let starts = starts(layout, indices, axes, slice_sizes)?;
    let slice = Layout { shape: slice_sizes.into(), ..layout.clone() }.collapsed();
    with_bits!(src.dtype(), B => {
        gather_bits(bits::<B>(src), &slice, &starts, bits_mut::<B>(out));
        Ok(())
    })
}

fn gather_bits<B: Copy + Send + Sync>(src: &[B], slice: &Layout, starts: &[isize], out: &mut [B]) {
    let n = slice.len();
    let (offset, contiguous) = (slice.offset as isize, slice.is_contiguous());
    let task = |starts: &[isize], out: &mut [B]| {
        for (&start, out) in starts.iter().zip(out.chunks_exact_mut(n)) {
            if contiguous {
                let at = (offset + start) as usize;
                match out {
                    [one] => *one = src[at],
                    _ => out.copy_from_slice(&src[at..at + n]),
                }
            } else {
                let mut places = Cursor::new(slice, slice.ndim(), 0);
                for o in out {
                    *o = src[(places.position() as isize + start) as usize];
                    places.advance();
                }
            }
        }
    };
    let slice_ns = 1.0 + n as f64 * if contiguous { MOVE_NS } else { 1.0 };
    par::rows_mut(out, starts.len(), n, slice_ns, |range, out| task(&starts[range], out));
}

/// Rows of `src` along one axis: `out[a.., i.., b..] = src[a.., indices[i..], b..]` where `a` are
/// the axes before `axis` and `b` those after it.
///
/// # Errors
/// An index outside the axis.
///
/// # Panics
/// As [`gather`].
pub fn take(
    src: Slice<'_>,
    layout: &Layout,
    indices: View<'_>,
    axis: usize,
    out: SliceMut<'_>,
) -> Result<(), OutOfRange> {
    assert_eq!(src.dtype(), out.dtype(), "take keeps the dtype");
    if out.is_empty() {
        return Ok(());
    }
    let rows = starts(layout, &[indices], &[axis], &Shape::from_elem(1, layout.ndim()))?;
    let before = permuted(layout, 0..axis);
    let mut after = permuted(layout, axis + 1..layout.ndim());
    after.offset = 0;
    let mut places = Cursor::new(&before, axis, 0);
    let mut starts = Vec::with_capacity(before.len() * rows.len());
    for _ in 0..before.len() {
        starts.extend(rows.iter().map(|&row| places.position() as isize + row));
        places.advance();
    }
    with_bits!(src.dtype(), B => {
        gather_bits(bits::<B>(src), &after.collapsed(), &starts, bits_mut::<B>(out));
        Ok(())
    })
}

/// Along one axis: `out[.., j, ..] = src[.., indices[.., j, ..], ..]`. The index array has the
/// shape of `out`, and `src` has that too but for `axis` (broadcast either with zero strides).
///
/// # Errors
/// An index outside the axis.
///
/// # Panics
/// As [`gather`].
pub fn gather_axis(
    src: Slice<'_>,
    layout: &Layout,
    indices: View<'_>,
    axis: usize,
    out: SliceMut<'_>,
) -> Result<(), OutOfRange> {
    assert_eq!(src.dtype(), out.dtype(), "gather_axis keeps the dtype");
    let starts = axis_starts(layout, indices, axis)?;
    let one = Layout { offset: 0, ..Layout::contiguous(&[]) };
    with_bits!(src.dtype(), B => {
        gather_bits(bits::<B>(src), &one, &starts, bits_mut::<B>(out));
        Ok(())
    })
}

/// MLX's general scatter into `dst`, a contiguous array of `shape`: for every `i` of the index
/// arrays' shape I, the elements `updates[i.., s..]` go to `dst[s + (the indices at i)]`.
///
/// `updates` has the dtype of `dst` and shape I + one size per axis of `dst`. They are applied in
/// row-major order; halves are rounded after each.
///
/// # Errors
/// An index whose slice does not lie inside its axis; `dst` is then as before.
///
/// # Panics
/// If a dtype is wrong.
pub fn scatter(
    op: ScatterOp,
    dst: SliceMut<'_>,
    shape: &[usize],
    indices: &[View<'_>],
    axes: &[usize],
    updates: Slice<'_>,
    layout: &Layout,
) -> Result<(), OutOfRange> {
    if layout.is_empty() {
        return Ok(());
    }
    let target = Layout::contiguous(shape);
    let slice_sizes = &layout.shape[layout.ndim() - shape.len()..];
    let starts = starts(&target, indices, axes, slice_sizes)?;
    let slice = Layout { shape: slice_sizes.into(), ..target };
    scatter_starts(op, dst, &slice, &starts, updates, layout);
    Ok(())
}

/// Along one axis: `updates[.., j, ..]` goes to `dst[.., indices[.., j, ..], ..]`. `dst` is a
/// contiguous array of `shape`; the index array and `updates` have that shape too but for `axis`.
///
/// # Errors
/// An index outside the axis; `dst` is then as before.
///
/// # Panics
/// As [`scatter`].
pub fn scatter_axis(
    op: ScatterOp,
    dst: SliceMut<'_>,
    shape: &[usize],
    indices: View<'_>,
    axis: usize,
    updates: Slice<'_>,
    layout: &Layout,
) -> Result<(), OutOfRange> {
    if layout.is_empty() {
        return Ok(());
    }
    let starts = axis_starts(&Layout::contiguous(shape), indices, axis)?;
    scatter_starts(op, dst, &Layout::contiguous(&[]), &starts, updates, layout);
    Ok(())
}

fn scatter_starts(
    op: ScatterOp,
    dst: SliceMut<'_>,
    slice: &Layout,
    starts: &[isize],
    updates: Slice<'_>,
    layout: &Layout,
) {
    assert_eq!(updates.dtype(), dst.dtype(), "updates of the target's dtype");
    let layout = layout.collapsed();
    if op == ScatterOp::Update {
        return with_bits!(dst.dtype(), B => {
            update(bits_mut::<B>(dst), &slice.collapsed(), starts, bits::<B>(updates), &layout)
        });
    }
    let op = match op {
        ScatterOp::Update | ScatterOp::Add => BinaryOp::Add,
        ScatterOp::Prod => BinaryOp::Multiply,
        ScatterOp::Min => BinaryOp::Minimum,
        ScatterOp::Max => BinaryOp::Maximum,
    };
    with_dtype!(dst.dtype(), T => {
        let updates = blocks::<<T as Stage>::Compute>(updates, &layout);
        combine(binary_loop::<T>(op), typed_mut::<T>(dst), &slice.collapsed(), starts, &*updates);
    })
}

/// `dst = f(dst, updates)` at the slice's places from each start, run by run.
fn combine<T: Stage>(
    f: Loop2<T::Compute, T::Compute>,
    dst: &mut [T],
    slice: &Layout,
    starts: &[isize],
    updates: &dyn Blocks<T::Compute>,
) {
    let (n, level) = (slice.len(), simd::level());
    let (inner, stride) = match (slice.shape.last(), slice.strides.last()) {
        (Some(&inner), Some(&stride)) => (inner, stride),
        _ => (1, 1),
    };
    let (mut old, mut new) = ([T::Compute::ZERO; BLOCK], [T::Compute::ZERO; BLOCK]);
    let total = starts.len() * n;
    for from in (0..total).step_by(BLOCK) {
        with_block(updates, from, BLOCK.min(total - from), |updates| {
            let mut rest = updates;
            while !rest.is_empty() {
                let at = updates.len() - rest.len();
                let (i, j) = ((from + at) / n, (from + at) % n);
                let (row, column) = (j / inner, j % inner);
                let (now, later) = rest.split_at((inner - column).min(rest.len()));
                let first = Cursor::new(slice, slice.ndim().saturating_sub(1), row).position();
                let first = first as isize + starts[i] + column as isize * stride;
                let place = |k: usize| (first + k as isize * stride) as usize;
                let (old, new) = (&mut old[..now.len()], &mut new[..now.len()]);
                for (k, o) in old.iter_mut().enumerate() {
                    *o = dst[place(k)].up();
                }
                f(level, old, now, new);
                for (k, &v) in new.iter().enumerate() {
                    dst[place(k)] = T::down(v);
                }
                rest = later;
            }
        });
    }
}

/// `dst = updates` at the slice's places from each start.
fn update<B: Copy>(
    dst: &mut [B],
    slice: &Layout,
    starts: &[isize],
    updates: &[B],
    layout: &Layout,
) {
    let n = slice.len();
    if slice.is_contiguous() && layout.is_contiguous() {
        for (&start, updates) in starts.iter().zip(updates[layout.offset..].chunks(n)) {
            dst[start as usize..start as usize + n].copy_from_slice(&updates[..n]);
        }
        return;
    }
    let mut from = Cursor::new(layout, layout.ndim(), 0);
    for &start in starts {
        let mut to = Cursor::new(slice, slice.ndim(), 0);
        for _ in 0..n {
            dst[(to.position() as isize + start) as usize] = updates[from.position()];
            to.advance();
            from.advance();
        }
    }
}

/// For each position of the index arrays, how far its slice lies from the start of an array.
fn starts(
    layout: &Layout,
    indices: &[View<'_>],
    axes: &[usize],
    slice_sizes: &[usize],
) -> Result<Vec<isize>, OutOfRange> {
    let count = indices.first().map_or(1, |i| i.layout.len());
    let mut starts = vec![0; count];
    for (indices, &axis) in indices.iter().zip(axes) {
        let (n, stride) = (layout.shape[axis], layout.strides[axis]);
        let places = (n + 1).saturating_sub(slice_sizes[axis]);
        for_each_index(*indices, |i, index| {
            let at = wrap(index, n, axis, places)?;
            starts[i] += at as isize * stride;
            Ok(())
        })?;
    }
    Ok(starts)
}

/// For each position of the index array, where its element is in a strided array.
fn axis_starts(layout: &Layout, indices: View<'_>, axis: usize) -> Result<Vec<isize>, OutOfRange> {
    let (n, stride) = (layout.shape[axis], layout.strides[axis]);
    let mut rest = layout.clone();
    rest.shape = indices.layout.shape.clone();
    rest.strides[axis] = 0;
    let mut places = Cursor::new(&rest, rest.ndim(), 0);
    let mut starts = vec![0; indices.layout.len()];
    for_each_index(indices, |i, index| {
        starts[i] = places.position() as isize + wrap(index, n, axis, n)? as isize * stride;
        places.advance();
        Ok(())
    })?;
    Ok(starts)
}

/// The index counted from the start, if there is a place.
#[inline(always)]
fn wrap(index: i64, n: usize, axis: usize, places: usize) -> Result<usize, OutOfRange> {
    let at = if index < 0 { index.wrapping_add(n as i64) } else { index };
    if (at as u64) < places as u64 {
        Ok(at as usize)
    } else {
        Err(OutOfRange { index, axis, places })
    }
}

fn for_each_index(
    indices: View<'_>,
    mut f: impl FnMut(usize, i64) -> Result<(), OutOfRange>,
) -> Result<(), OutOfRange> {
    macro_rules! each {
        ($data:expr, |$v:ident| $value:expr) => {{
            let layout = indices.layout.collapsed();
            let mut at = Cursor::new(&layout, layout.ndim(), 0);
            for i in 0..layout.len() {
                let $v = $data[at.position()];
                f(i, $value)?;
                at.advance();
            }
            Ok(())
        }};
    }
    match indices.data {
        Slice::Bool(s) => each!(s, |v| v.get() as i64),
        Slice::U8(s) => each!(s, |v| v as i64),
        Slice::U16(s) => each!(s, |v| v as i64),
        Slice::U32(s) => each!(s, |v| v as i64),
        // Beyond i64 no array reaches.
        Slice::U64(s) => each!(s, |v| v.min(i64::MAX as u64) as i64),
        Slice::I8(s) => each!(s, |v| v as i64),
        Slice::I16(s) => each!(s, |v| v as i64),
        Slice::I32(s) => each!(s, |v| v as i64),
        Slice::I64(s) => each!(s, |v| v),
        Slice::F16(_) | Slice::Bf16(_) | Slice::F32(_) | Slice::F64(_) | Slice::Complex64(_) => {
            panic!("indices of dtype {}", indices.data.dtype())
        }
    }
}
