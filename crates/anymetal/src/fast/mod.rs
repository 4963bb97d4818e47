//! The fused transformer operations of MLX's `mx.fast`.
//!
//! Each lives in a directory of its own with its *composed definition*: the same function spelled
//! in plain operations, with the same conversions. It is the oracle of the tests and the source of
//! every transformation that has no fused rule, so derivatives of any order exist.

mod attention;
mod layer_norm;
#[cfg(feature = "metal-kernels")]
mod metal_kernel;
mod rms_norm;
mod rope;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

pub use attention::{AttentionOptions, EmptyRows, Mask, scaled_dot_product_attention};
pub use layer_norm::layer_norm;
#[cfg(feature = "metal-kernels")]
pub(crate) use metal_kernel::KernelLaunch;
#[cfg(feature = "metal-kernels")]
pub use metal_kernel::{
    Bounds, KernelBuilder, KernelCall, KernelWarning, MathMode, MetalKernel, TemplateArgument,
    metal_kernel, on_kernel_warning,
};
pub use rms_norm::rms_norm;
pub use rope::{RopeOptions, rope};

use crate::array::dtype::promote;
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, Dtype, transforms};

/// The composed definitions, for tests and comparisons: slow, plain, and equal to the fused
/// operations up to rounding.
pub mod composed {
    pub use super::attention::composed::attention as scaled_dot_product_attention;
    pub use super::layer_norm::composed as layer_norm;
    pub use super::rms_norm::composed as rms_norm;
    pub use super::rope::composed_rope as rope;
}

/// A silent promotion inside a norm: its input and its weight have different dtypes, so the result
/// is wider than the input. In models that is rarely meant, and it slows down everything after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HiddenCast {
    /// The operation, `rms_norm` or `layer_norm`.
    pub op: &'static str,
    /// The input's dtype.
    pub input: Dtype,
    /// The dtype of the weight.
    pub weight: Dtype,
    /// The dtype of the result.
    pub result: Dtype,
}

impl fmt::Display for HiddenCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HiddenCast { op, input, weight, result } = self;
        write!(
            f,
            "[{op}] x is {input} but its weight is {weight}: the result is {result}. Convert one \
             of them to the other's dtype."
        )
    }
}

type Handler = Arc<dyn Fn(&HiddenCast) + Send + Sync>;

static HANDLER: RwLock<Option<Handler>> = RwLock::new(None);

/// Calls `handler` whenever a norm promotes silently, in every thread; `None` (the default) stops
/// it. A typical handler prints: `|cast| eprintln!("warning: {cast}")`.
pub fn on_hidden_cast(handler: Option<Box<dyn Fn(&HiddenCast) + Send + Sync>>) {
    *HANDLER.write().unwrap_or_else(PoisonError::into_inner) = handler.map(Arc::from);
}

fn report_hidden_cast(op: &'static str, input: Dtype, weight: Dtype, result: Dtype) {
    if input == weight {
        return;
    }
    let handler = HANDLER.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(handler) = handler {
        handler(&HiddenCast { op, input, weight, result });
    }
}

/// A weight or bias must be a vector of the last axis's size; `literal` is its name in messages.
fn check_vector(op: &'static str, literal: &str, x: &Array, v: &Array) -> Result<()> {
    let n = x.shape()[x.ndim() - 1];
    let shapes = [x.shape(), v.shape()];
    if v.ndim() != 1 {
        let message = format!("{literal} must have 1 dimension but has {} dimensions.", v.ndim());
        return Err(Error::shape(op, message, &shapes));
    }
    if v.size() != n {
        let message = format!(
            "{literal} must have the same size as the last dimension of x but has {} elements.",
            v.size()
        );
        return Err(Error::shape(op, message, &shapes));
    }
    Ok(())
}

fn check_input_rank(op: &'static str, x: &Array) -> Result<()> {
    if x.ndim() == 0 {
        let message = "Input must have at least 1 dimension but got input with 0 dimensions.";
        return Err(Error::shape(op, message, &[x.shape()]));
    }
    Ok(())
}

fn check_floating(op: &'static str, dtype: Dtype) -> Result<()> {
    if !dtype.is_float() {
        return Err(Error::dtype(op, format!("Received unsupported type {dtype}."), &[dtype]));
    }
    Ok(())
}

/// Integers become `float32`, in which the norms compute; floats stay.
fn floating(x: &Array) -> Result<Array> {
    if x.dtype().is_float() { Ok(x.clone()) } else { x.astype(Dtype::F32) }
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

/// The dtype of a norm: x's promoted with those that take part.
fn norm_dtype(x: &Array, with: &[Option<&Array>]) -> Dtype {
    with.iter().flatten().fold(x.dtype(), |d, a| promote(d, a.dtype()))
}
