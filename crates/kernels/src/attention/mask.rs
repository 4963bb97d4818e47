//! Mask arrays, brought into the order of a tile of scores.

use std::ops::Range;

use super::Mask;
use super::problem::{Problem, index};
use crate::Element;
use crate::data::{Bool, Layout, Slice, View};
use crate::simd::attention::{
    MaskTile, RUN, Real, Rows, Simd, convert_rows, transpose_8_rows, transpose_rows,
};

/// A scalar that masks can be added in.
pub(super) trait Additive: Real {
    /// Converts consecutive elements.
    fn convert<S: Simd<T = Self>>(s: S, mask: Slice<'_>, range: Range<usize>, out: &mut [Self]);
}

impl Additive for f32 {
    fn convert<S: Simd<T = f32>>(s: S, mask: Slice<'_>, range: Range<usize>, out: &mut [f32]) {
        let columns = range.len();
        let (start, step, count) = (range.start, 0, 1);
        match mask {
            Slice::F32(data) => out[..columns].copy_from_slice(&data[range]),
            Slice::F16(data) => {
                convert_rows(s, Rows { data, start, step, count, columns }, out, columns);
            }
            Slice::Bf16(data) => {
                convert_rows(s, Rows { data, start, step, count, columns }, out, columns);
            }
            mask => unreachable!("a mask of {} was refused", mask.dtype()),
        }
    }
}

impl Additive for f64 {
    fn convert<S: Simd<T = f64>>(_: S, mask: Slice<'_>, range: Range<usize>, out: &mut [f64]) {
        match mask {
            Slice::F64(data) => out[..range.len()].copy_from_slice(&data[range]),
            Slice::F32(data) => {
                for (out, &x) in out.iter_mut().zip(&data[range]) {
                    *out = x as f64;
                }
            }
            mask => unreachable!("a mask of {} was refused", mask.dtype()),
        }
    }
}

/// Room for the mask of one tile.
pub(super) struct Buffers<'a, T> {
    pub(super) bytes: &'a mut [u8],
    pub(super) numbers: &'a mut [T],
    /// For [`MaskRows::tile`], a row of `numbers` per lane of a vector.
    pub(super) lanes: &'a mut [T],
}

impl<'a, T: Real> Buffers<'a, T> {
    /// Lengths of the buffers for tiles of `keys` (a multiple of the lanes) by `width` scores.
    pub(super) fn lengths(mask: &Mask<'_>, keys: usize, width: usize, lanes: usize) -> [usize; 3] {
        match mask {
            Mask::None | Mask::Causal => [0; 3],
            Mask::Bool(..) => [keys.next_multiple_of(RUN) * width, 0, 0],
            Mask::Additive(_) => [0, keys * width, keys * lanes],
        }
    }
}

/// Where the mask of each lane of a tile starts.
pub(super) enum MaskRows<'a> {
    Bool(&'a [Bool], isize),
    Additive(View<'a>, isize),
}

impl<'a> MaskRows<'a> {
    /// The mask array, if there is one.
    pub(super) fn new<E: Element>(problem: &Problem<'a, E>) -> Option<Self> {
        match problem.options.mask {
            Mask::None | Mask::Causal => None,
            Mask::Bool(data, layout) => Some(MaskRows::Bool(data, layout.strides[3])),
            Mask::Additive(view) => Some(MaskRows::Additive(view, view.layout.strides[3])),
        }
    }

    /// Position of key 0 in the mask of a row of a group.
    pub(super) fn start<E: Element>(problem: &Problem<'_, E>, group: usize, row: usize) -> usize {
        let layout: &Layout = match problem.options.mask {
            Mask::None | Mask::Causal => return 0,
            Mask::Bool(_, layout) => layout,
            Mask::Additive(view) => view.layout,
        };
        index(layout, problem.place(group, row))
    }

    /// The mask of `keys` for the rows that start at `starts`, a row of `starts.len()` (a multiple
    /// of `LANES`) per key; `None` if it hides nothing. Bytes are padded to a multiple of [`RUN`]
    /// rows with zeros.
    pub(super) fn tile<'b, S: Simd<T: Additive>>(
        &self,
        s: S,
        starts: &[usize],
        keys: Range<usize>,
        buffers: &'b mut Buffers<'_, S::T>,
    ) -> Option<MaskTile<'b, S::T>> {
        let (width, count) = (starts.len(), keys.len());
        match *self {
            MaskRows::Bool(data, step) => {
                if step == 1 {
                    // The rows of a mask are far apart: ask for those of the next block now. Its
                    // last byte is in its only line, or in the line that is not here yet.
                    for &start in starts {
                        let last = start + keys.end + count - 1;
                        s.prefetch(data.as_ptr().wrapping_add(last).cast());
                    }
                }
                let (out, surplus) = buffers.bytes.split_at_mut(count * width);
                if transpose_bytes(data, step, starts, keys, out) {
                    return None;
                }
                surplus[..(count.next_multiple_of(RUN) - count) * width].fill(0);
                Some(MaskTile::Bytes(buffers.bytes))
            }
            MaskRows::Additive(view, step) => {
                if step == 1 {
                    let padded = count.next_multiple_of(S::LANES);
                    for (at, starts) in starts.chunks(S::LANES).enumerate() {
                        for (&start, lane) in starts.iter().zip(buffers.lanes.chunks_mut(padded)) {
                            let range = start + keys.start..start + keys.end;
                            Additive::convert(s, view.data, range, lane);
                        }
                        let out = &mut buffers.numbers[at * S::LANES..];
                        transpose_rows(s, buffers.lanes, padded, S::LANES, padded, out, width);
                    }
                } else {
                    for (key, out) in keys.zip(buffers.numbers.chunks_mut(width)) {
                        for (&start, out) in starts.iter().zip(out) {
                            let at = start.wrapping_add_signed(key as isize * step);
                            let out = std::slice::from_mut(out);
                            Additive::convert(s, view.data, at..at + 1, out);
                        }
                    }
                }
                Some(MaskTile::Add(&buffers.numbers[..count * width]))
            }
        }
    }

    /// The mask of `keys` in tiles of few rows: lane `k * R + r` of vector `t` is for key
    /// `t * LANES / R + k` of row `r`, which starts at `starts[r]`. `None` if it hides nothing.
    pub(super) fn few_tile<'b, S: Simd<T: Additive>>(
        &self,
        s: S,
        starts: &[usize],
        keys: Range<usize>,
        buffers: &'b mut Buffers<'_, S::T>,
    ) -> Option<MaskTile<'b, S::T>> {
        let rows = starts.len();
        let padded = (keys.len() * rows).next_multiple_of(S::LANES);
        match *self {
            MaskRows::Bool(data, step) => {
                let out = &mut buffers.bytes[..padded];
                out.fill(1);
                let mut all = true;
                for (r, &start) in starts.iter().enumerate() {
                    let lanes = out.iter_mut().skip(r).step_by(rows);
                    if step == 1 {
                        let row = &data[start + keys.start..start + keys.end];
                        for (out, seen) in lanes.zip(row) {
                            *out = seen.0;
                            all &= seen.get();
                        }
                    } else {
                        for (out, key) in lanes.zip(keys.clone()) {
                            *out = data[start.wrapping_add_signed(key as isize * step)].0;
                            all &= *out != 0;
                        }
                    }
                }
                (!all).then_some(MaskTile::Bytes(out))
            }
            MaskRows::Additive(view, step) => {
                let out = &mut buffers.numbers[..padded];
                out.fill(S::T::ZERO);
                for (r, &start) in starts.iter().enumerate() {
                    let row = &mut buffers.lanes[..keys.len()];
                    if step == 1 {
                        let range = start + keys.start..start + keys.end;
                        Additive::convert(s, view.data, range, row);
                    } else {
                        for (out, key) in row.iter_mut().zip(keys.clone()) {
                            let at = start.wrapping_add_signed(key as isize * step);
                            let out = std::slice::from_mut(out);
                            Additive::convert(s, view.data, at..at + 1, out);
                        }
                    }
                    for (out, &x) in out.iter_mut().skip(r).step_by(rows).zip(&*row) {
                        *out = x;
                    }
                }
                Some(MaskTile::Add(out))
            }
        }
    }
}

/// Writes the bytes of each lane's mask as rows per key; returns whether none of them is 0.
fn transpose_bytes(
    data: &[Bool],
    step: isize,
    starts: &[usize],
    keys: Range<usize>,
    out: &mut [u8],
) -> bool {
    let width = starts.len();
    if starts.iter().all(|&start| start == starts[0]) {
        let mut all = true;
        for (key, out) in keys.zip(out.chunks_exact_mut(width)) {
            let seen = data[starts[0].wrapping_add_signed(key as isize * step)];
            all &= seen.get();
            out.fill(seen.0);
        }
        return all;
    }
    // Eight lanes by sixteen keys at a time, where keys are neighbours and lanes enough.
    let whole = if step == 1 && width.is_multiple_of(8) { keys.len() / 16 * 16 } else { 0 };
    let bytes: &[u8] = bytemuck::cast_slice(data);
    let mut all = true;
    for (at, starts) in starts.chunks_exact(8).enumerate().filter(|_| whole > 0) {
        let rows: [&[u8]; 8] = std::array::from_fn(|i| &bytes[starts[i] + keys.start..][..whole]);
        all &= transpose_8_rows(&rows, &mut out[at * 8..], width);
    }
    for n in whole..keys.len() {
        for (out, &start) in out[n * width..].iter_mut().zip(starts) {
            let seen = data[start.wrapping_add_signed((keys.start + n) as isize * step)];
            all &= seen.get();
            *out = seen.0;
        }
    }
    all
}
