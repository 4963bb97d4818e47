//! Buffers: who owns an array's bytes, and strided views of them.
//!
//! A buffer is written by the launch that makes it, through [`BufferMut`], and read-only from then
//! on. It becomes writable again only for a sole owner ([`Buffer::try_into_mut`]), which is how a
//! back end updates in place; memory that is mapped or belongs to others never does.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::device::Space;
use crate::device::pool::Block;
use crate::error::{Error, Result};
use crate::{Dtype, Layout, Slice, SliceMut};

/// Shared, read-only bytes of an array in some memory space.
#[derive(Clone)]
pub struct Buffer(Arc<Owner>);

enum Owner {
    Pool(Block),
    /// A part of a memory-mapped file, or memory of another library.
    Foreign {
        bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    },
    Device {
        space: Space,
        len: usize,
        handle: Box<dyn Any + Send + Sync>,
    },
}

/// Bytes that only this value can reach.
pub struct BufferMut(Block);

impl BufferMut {
    /// Host memory of `len` bytes with unspecified content.
    pub fn new(len: usize) -> Result<Self> {
        Block::new(len).map(BufferMut)
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }

    /// The bytes as elements of `dtype`.
    pub fn slice_mut(&mut self, dtype: Dtype) -> SliceMut<'_> {
        let bytes = self.0.bytes_mut();
        let whole = bytes.len() / dtype.size() * dtype.size();
        match SliceMut::from_bytes(dtype, &mut bytes[..whole]) {
            Some(slice) => slice,
            None => unreachable!("blocks are aligned to 64 bytes and the length is a multiple"),
        }
    }

    /// Ends writing.
    pub fn freeze(self) -> Buffer {
        Buffer(Arc::new(Owner::Pool(self.0)))
    }
}

impl Buffer {
    /// Bytes owned by something else: a memory-mapped file, another library's array.
    pub fn foreign(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Buffer(Arc::new(Owner::Foreign { bytes: Box::new(bytes) }))
    }

    /// Memory of a back end whose space the host cannot read; `handle` is the back end's own.
    pub fn device(space: Space, len: usize, handle: impl Any + Send + Sync) -> Self {
        Buffer(Arc::new(Owner::Device { space, len, handle: Box::new(handle) }))
    }

    /// The memory space the bytes are in.
    pub fn space(&self) -> Space {
        match &*self.0 {
            Owner::Pool(_) | Owner::Foreign { .. } => Space::HOST,
            Owner::Device { space, .. } => *space,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        match &*self.0 {
            Owner::Pool(block) => block.bytes().len(),
            Owner::Foreign { bytes, .. } => (**bytes).as_ref().len(),
            Owner::Device { len, .. } => *len,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of host memory.
    ///
    /// # Errors
    /// If the buffer is in another space.
    pub fn host_bytes(&self) -> Result<&[u8]> {
        match &*self.0 {
            Owner::Pool(block) => Ok(block.bytes()),
            Owner::Foreign { bytes, .. } => Ok((**bytes).as_ref()),
            Owner::Device { space, .. } => Err(Error::runtime(
                "buffer",
                format!("memory of space {} cannot be read by the host", space.0),
            )),
        }
    }

    /// A back end's own handle of device memory.
    pub fn handle<T: 'static>(&self) -> Option<&T> {
        match &*self.0 {
            Owner::Device { handle, .. } => handle.downcast_ref(),
            Owner::Pool(_) | Owner::Foreign { .. } => None,
        }
    }

    /// Whether the bytes are this library's own memory: not mapped, not another library's and not
    /// a device's.
    pub fn is_own(&self) -> bool {
        matches!(&*self.0, Owner::Pool(_))
    }

    /// Whether `self` and `other` are the same memory.
    pub fn same(&self, other: &Buffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The buffer for writing, if it is pool memory and this is its only owner.
    pub fn try_into_mut(self) -> Result<BufferMut, Buffer> {
        if !matches!(&*self.0, Owner::Pool(_)) {
            return Err(self);
        }
        match Arc::try_unwrap(self.0) {
            Ok(Owner::Pool(block)) => Ok(BufferMut(block)),
            Ok(owner) => Err(Buffer(Arc::new(owner))),
            Err(shared) => Err(Buffer(shared)),
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes, space {})", self.len(), self.space().0)
    }
}

/// Elements of a buffer, strided.
#[derive(Clone, Debug)]
pub struct View {
    /// The bytes.
    pub buffer: Buffer,
    /// How to read them.
    pub dtype: Dtype,
    /// Where the elements are, in units of `dtype`.
    pub layout: Layout,
}

impl View {
    /// A whole buffer, row-major.
    pub fn contiguous(buffer: Buffer, dtype: Dtype, shape: &[usize]) -> Self {
        View { buffer, dtype, layout: Layout::contiguous(shape) }
    }

    /// All elements of the buffer, to be read through the layout.
    ///
    /// # Errors
    /// If the buffer is not host memory, or foreign memory that is not aligned for the dtype.
    pub fn slice(&self) -> Result<Slice<'_>> {
        let bytes = self.buffer.host_bytes()?;
        let whole = bytes.len() / self.dtype.size() * self.dtype.size();
        Slice::from_bytes(self.dtype, &bytes[..whole]).ok_or_else(|| {
            Error::runtime("buffer", format!("memory not aligned for {}", self.dtype))
        })
    }

    /// The elements in fresh host memory, row-major and converted to `dtype` as
    /// [`Array::astype`](crate::Array::astype) does.
    ///
    /// # Errors
    /// As [`View::slice`]; out of memory.
    pub fn copied(&self, dtype: Dtype) -> Result<View> {
        let source = self.slice()?;
        let mut copy = BufferMut::new(self.layout.len() * dtype.size())?;
        anymetal_kernels::copy::copy(source, &self.layout, copy.slice_mut(dtype));
        Ok(View::contiguous(copy.freeze(), dtype, &self.layout.shape))
    }

    /// Whether every element of the layout is one of the buffer's.
    pub fn is_inside(&self) -> bool {
        let layout = &self.layout;
        if layout.shape.len() != layout.strides.len() {
            return false;
        }
        if layout.is_empty() {
            return true;
        }
        // In twice the width, so that nothing overflows.
        let (mut first, mut last) = (layout.offset as i128, layout.offset as i128);
        for (&n, &stride) in layout.shape.iter().zip(&layout.strides) {
            let step = (n as i128 - 1).saturating_mul(stride as i128);
            if step < 0 {
                first = first.saturating_add(step);
            } else {
                last = last.saturating_add(step);
            }
        }
        first >= 0 && last < (self.buffer.len() / self.dtype.size()) as i128
    }

    /// The same elements with `layout` in place of the present one. The caller promises that it
    /// reaches no element outside the buffer.
    pub fn with_layout(&self, layout: Layout) -> View {
        View { buffer: self.buffer.clone(), dtype: self.dtype, layout }
    }

    /// The elements repeated along new or unit axes, by zero strides. `shape` must be one the
    /// view's shape broadcasts to.
    pub fn broadcast_to(&self, shape: &[usize]) -> View {
        self.with_layout(broadcast_layout(&self.layout, shape))
    }
}

/// `layout` read as if it had shape `shape`, to which its own shape must broadcast.
pub(crate) fn broadcast_layout(layout: &Layout, shape: &[usize]) -> Layout {
    let lead = shape.len() - layout.ndim();
    let strides = (0..shape.len())
        .map(|i| match i.checked_sub(lead) {
            Some(j) if layout.shape[j] == shape[i] => layout.strides[j],
            _ => 0,
        })
        .collect();
    Layout { shape: shape.into(), strides, offset: layout.offset }
}
