//! The fused operations on the CPU.
use super::{BufferMut, Inputs, Primitive, Spec};
use crate::Slice;
use crate::error::{Error, Result};

pub(super) fn run(
    primitive: &Primitive,
    _inputs: &Inputs,
    _x: &[Slice<'_>],
    _specs: &[Spec],
    _outs: &mut [BufferMut],
) -> Result<()> {
    Err(Error::runtime("cpu", format!("{primitive:?} is not there")))
}
