//! The fused transformer operations of MLX's `mx.fast`.
//!
//! Each lives beside its *composed definition*: the same function spelled
//! in plain operations, with the same conversions. It is the oracle of the tests and the source of
//! every transformation that has no fused rule, so derivatives of any order exist.

mod attention;
mod hook;
#[cfg(feature = "metal-kernels")]
mod metal_kernel;
mod norm;
mod rope;

pub use attention::{AttentionOptions, EmptyRows, Mask, scaled_dot_product_attention};
pub use hook::Handler;
#[cfg(feature = "metal-kernels")]
pub(crate) use metal_kernel::KernelLaunch;
#[cfg(feature = "metal-kernels")]
pub use metal_kernel::{
    Bounds, KernelBuilder, KernelCall, KernelWarning, MathMode, MetalKernel, TemplateArgument,
    metal_kernel, on_kernel_warning,
};
pub use norm::{HiddenCast, layer_norm, on_hidden_cast, rms_norm};
pub use rope::{RopeOptions, rope};

use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, transforms};

/// The composed definitions, for tests and comparisons: slow, plain, and equal to the fused
/// operations up to rounding.
pub mod composed {
    pub use super::attention::composed::attention as scaled_dot_product_attention;
    pub use super::norm::composed::{layer_norm, rms_norm};
    pub use super::rope::composed_rope as rope;
}

fn check_floating(op: &'static str, dtype: Dtype) -> Result<()> {
    if !dtype.is_float() {
        return Err(Error::dtype(op, format!("Received unsupported type {dtype}."), &[dtype]));
    }
    Ok(())
}

/// An operation with a composed definition.
trait Fused: Operation {
    /// The same function of the same inputs in plain operations.
    fn composed(&self, inputs: &[Array]) -> Result<Vec<Array>>;

    /// Gradients of the wanted inputs through the composed definition.
    fn composed_vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let places: Vec<usize> = (0..cx.inputs.len()).filter(|&i| cx.wanted[i]).collect();
        let wanted: Vec<Array> = places.iter().map(|&i| cx.inputs[i].clone()).collect();
        let whole = |some: &[Array]| {
            let mut inputs = cx.inputs.to_vec();
            for (&i, a) in places.iter().zip(some) {
                inputs[i] = a.clone();
            }
            // Outputs without a cotangent are left out.
            let outputs = self.composed(&inputs)?.into_iter().zip(cx.cotangents);
            Ok(outputs.filter(|(_, c)| c.is_some()).map(|(o, _)| o).collect())
        };
        let cotangents: Vec<Array> = cx.cotangents.iter().flatten().cloned().collect();
        let (_, found) = transforms::vjp(whole, &wanted, &cotangents)?;
        let mut grads = vec![None; cx.inputs.len()];
        for (i, grad) in places.into_iter().zip(found) {
            grads[i] = Some(grad);
        }
        Ok(grads)
    }

    /// Tangents through the composed definition.
    fn composed_jvp(&self, cx: &Jvp<'_>) -> Result<Vec<Option<Array>>> {
        let places: Vec<usize> =
            (0..cx.inputs.len()).filter(|&i| cx.tangents[i].is_some()).collect();
        let primals: Vec<Array> = places.iter().map(|&i| cx.inputs[i].clone()).collect();
        let tangents: Vec<Array> = cx.tangents.iter().flatten().cloned().collect();
        let whole = |some: &[Array]| {
            let mut inputs = cx.inputs.to_vec();
            for (&i, a) in places.iter().zip(some) {
                inputs[i] = a.clone();
            }
            self.composed(&inputs)
        };
        let (_, pushed) = transforms::jvp(whole, &primals, &tangents)?;
        Ok(pushed.into_iter().map(Some).collect())
    }

    /// Mapping through the composed definition.
    fn composed_vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let axes: Vec<Option<isize>> = mapped.iter().map(|&m| m.then_some(0)).collect();
        transforms::vmap(|inputs| self.composed(inputs), inputs, &axes, &[])
    }
}
