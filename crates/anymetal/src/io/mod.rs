//! Array files: safetensors and npy, read and written.
//!
//! Loading copies by default. With [`LoadOptions::memory_map`] the arrays are the file's own
//! pages: nothing is read before it is used, and memory is shared between processes. The price is
//! a hazard no library can remove: if another process **shortens the file** while an array of it
//! lives, touching the lost part kills the process, and if it **changes** the file, the array's
//! values change. Map files that nobody edits in place. Files saved by this module are replaced
//! as a whole, never changed, so an array mapped before keeps the old content.
//!
//! Files are not trusted: every size, offset and name is checked before it is used, and what does
//! not fit is an [`Error::Io`] that names the file and the fault. Memory is bounded by a small
//! multiple of the file's size.

mod map;
mod npy;
mod safetensors;
mod sink;
mod source;

pub use npy::{load_npy, load_npy_with, npy_from_bytes, npy_to_bytes, save_npy};
pub use safetensors::{
    SafeTensors, load_safetensors, load_safetensors_with, safetensors_from_bytes,
    safetensors_to_bytes, save_safetensors,
};

#[cfg(doc)]
use crate::Error;
use crate::device::Spec;
use crate::{Dtype, Shape};

/// How to load a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Whether arrays use the file's pages instead of a copy of them; see the [module](self) for
    /// the hazard. Elements that are misaligned in the file or in another byte order are copied
    /// all the same.
    pub memory_map: bool,
}

/// More axes than any array has in practice; a file with more is broken.
const MAX_AXES: usize = 64;

/// The shape a file claims, if arrays of it can exist: its axes are not absurdly many, and not
/// even without its empty axes would it exceed the address space.
fn plausible(shape: Shape, dtype: Dtype) -> Result<Spec, String> {
    if shape.len() > MAX_AXES {
        return Err(format!("{} axes are more than the {MAX_AXES} supported", shape.len()));
    }
    let spec = Spec::new(shape, dtype);
    match spec.bytes() {
        Some(_) => Ok(spec),
        None => Err(format!(
            "shape {} of {dtype} is larger than the address space",
            crate::error::ShapeText(&spec.shape)
        )),
    }
}
