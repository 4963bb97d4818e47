//! Elements of another library, described alike however they came, and what becomes of them.

use anymetal::device::{Buffer, BufferMut, View};
use anymetal::{Array, Dtype, Layout};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::format::{Element, Stored};
use crate::error::OrRaise;

/// Where elements lie: sizes, steps in bytes, and the bytes from the first to the last.
pub(super) struct Extent {
    pub(super) shape: Vec<usize>,
    pub(super) steps: Vec<isize>,
    /// The lowest byte, relative to the element with all indices zero.
    pub(super) first: isize,
    /// One past the highest byte.
    end: isize,
}

impl Extent {
    /// From sizes and steps in bytes; no steps: row-major without gaps.
    pub(super) fn new(shape: &[i64], steps: Option<Vec<i64>>, size: usize) -> PyResult<Extent> {
        let too_large = || PyValueError::new_err("The array exceeds the address space.");
        let sizes: Result<Vec<usize>, _> = shape.iter().map(|&n| usize::try_from(n)).collect();
        let shape = sizes.map_err(|_| PyValueError::new_err("The array has a negative size."))?;
        let empty = shape.contains(&0);
        let steps = match steps {
            Some(steps) => steps.into_iter().map(|s| s as isize).collect(),
            None => {
                let mut step = size as isize;
                let mut steps = vec![step; shape.len()];
                for (s, &n) in steps.iter_mut().zip(&shape).rev() {
                    *s = step;
                    step = step.checked_mul(n.max(1) as isize).ok_or_else(too_large)?;
                }
                steps
            }
        };
        let (mut first, mut end) = (0isize, if empty { 0 } else { size as isize });
        if !empty {
            for (&n, &step) in shape.iter().zip(&steps) {
                let reach = step.checked_mul(n as isize - 1).ok_or_else(too_large)?;
                let bound = if reach < 0 { &mut first } else { &mut end };
                *bound = bound.checked_add(reach).ok_or_else(too_large)?;
            }
        }
        end.checked_sub(first).ok_or_else(too_large)?;
        Ok(Extent { shape, steps, first, end })
    }

    /// Bytes from the lowest to the highest.
    pub(super) fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    /// The positions of the elements' bytes in row-major order.
    fn positions(&self, mut each: impl FnMut(usize)) {
        if self.shape.contains(&0) {
            return;
        }
        let mut index = vec![0usize; self.shape.len()];
        let mut at = -self.first;
        loop {
            each(at as usize);
            let mut axis = self.shape.len();
            loop {
                let Some(next) = axis.checked_sub(1) else { return };
                axis = next;
                index[axis] += 1;
                at += self.steps[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.steps[axis] * self.shape[axis] as isize;
                index[axis] = 0;
            }
        }
    }
}

/// Elements of another library.
pub(super) struct Memory {
    buffer: Buffer,
    stored: Stored,
    extent: Extent,
}

impl Memory {
    pub(super) fn new(buffer: Buffer, stored: Stored, extent: Extent) -> PyResult<Memory> {
        if buffer.len() < extent.len() {
            return Err(PyValueError::new_err("The array has elements but no memory."));
        }
        Ok(Memory { buffer, stored, extent })
    }

    /// The elements as bits of another type of the same size.
    pub(super) fn reinterpreted(mut self, dtype: Dtype) -> Memory {
        self.stored.element = Element::Dtype(dtype);
        self
    }

    /// Their dtype, if there is one.
    pub(super) fn dtype(&self) -> Option<Dtype> {
        match self.stored.element {
            Element::Dtype(dtype) => Some(dtype),
            Element::Complex128 => None,
        }
    }

    /// The elements where they lie, if the library can read them there.
    fn view(&self) -> Option<View> {
        let dtype = self.dtype()?;
        let size = dtype.size() as isize;
        let Extent { shape, steps, first, .. } = &self.extent;
        if self.stored.swapped || steps.iter().any(|s| s % size != 0) {
            return None;
        }
        let layout = Layout {
            shape: shape.as_slice().into(),
            strides: steps.iter().map(|s| s / size).collect(),
            offset: (-first / size) as usize,
        };
        let view = View { buffer: self.buffer.clone(), dtype, layout };
        // Misaligned memory cannot be read in place.
        view.slice().is_ok().then_some(view)
    }

    /// An array that shares the memory, if that is possible.
    pub(super) fn shared(&self) -> PyResult<Option<Array>> {
        self.view().map(|view| Array::from_host_view(view).or_raise()).transpose()
    }

    /// Why there is no [`Memory::shared`].
    pub(super) fn why_not(&self) -> &'static str {
        if self.dtype().is_none() {
            "complex128 becomes complex64"
        } else if self.stored.swapped {
            "its bytes are in another order"
        } else {
            "its elements are not aligned"
        }
    }

    /// A copy, of dtype `dtype` or as MLX converts: `float64` to `float32`, `complex128` to
    /// `complex64`.
    pub(super) fn copied(&self, py: Python<'_>, dtype: Option<Dtype>) -> PyResult<Array> {
        let natural = match self.stored.element {
            Element::Dtype(Dtype::F64) => Dtype::F32,
            Element::Dtype(natural) => natural,
            Element::Complex128 => Dtype::Complex64,
        };
        let dtype = dtype.unwrap_or(natural);
        py.detach(|| match self.view() {
            Some(view) => Array::from_host_view(view.copied(dtype)?),
            None => self.gathered()?.astype(dtype),
        })
        .or_raise()
    }

    /// A copy made element by element, of the stored dtype.
    fn gathered(&self) -> anymetal::Result<Array> {
        let bytes = self.buffer.host_bytes()?;
        let Stored { element, swapped } = self.stored;
        let (size, number) = (element.size(), element.number());
        let count: usize = self.extent.shape.iter().product();
        let read = |at: usize, out: &mut [u8]| {
            out.copy_from_slice(&bytes[at..at + size]);
            if swapped {
                out.chunks_exact_mut(number).for_each(<[u8]>::reverse);
            }
        };
        match element {
            Element::Dtype(dtype) => {
                let mut copy = BufferMut::new(count * size)?;
                let mut out = copy.bytes_mut().chunks_exact_mut(size);
                self.extent.positions(|at| {
                    if let Some(out) = out.next() {
                        read(at, out);
                    }
                });
                Array::from_buffer(copy.freeze(), dtype, &self.extent.shape)
            }
            Element::Complex128 => {
                let mut numbers = Vec::with_capacity(count);
                let mut both = [0; 16];
                self.extent.positions(|at| {
                    read(at, &mut both);
                    let part = |i: usize| {
                        let mut bytes = [0; 8];
                        bytes.copy_from_slice(&both[i..i + 8]);
                        f64::from_ne_bytes(bytes) as f32
                    };
                    numbers.push(anymetal::Complex64::new(part(0), part(8)));
                });
                Array::from_slice(&numbers, &self.extent.shape)
            }
        }
    }
}

/// The address of a view's first element; null if it has none.
pub(super) fn first_element(view: &View) -> PyResult<*const u8> {
    let bytes = view.buffer.host_bytes().or_raise()?;
    if view.layout.is_empty() {
        return Ok(std::ptr::null());
    }
    Ok(bytes[view.layout.offset * view.dtype.size()..].as_ptr())
}
