//! Functions with derivatives of the user's own.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::vmap;
use crate::array::eval::EvalContext;
use crate::array::node;
use crate::device::{Spec, Stream};
use crate::error::{Error, Result};
use crate::operation::{Jvp, Operation, Vjp};
use crate::{Array, ops};

type Function = Arc<dyn Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync>;
type VjpRule = Arc<dyn Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync>;

/// A function whose reverse derivative is given by its user, MLX's `custom_function`.
///
/// Forward derivatives and mapping go through the function itself, and mapping maps the given
/// rule too, so transformations still compose.
#[derive(Clone)]
pub struct CustomFunction {
    function: Function,
    vjp: Option<VjpRule>,
}

impl CustomFunction {
    /// A function with the derivatives it has by itself.
    pub fn new(f: impl Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static) -> Self {
        CustomFunction { function: Arc::new(f), vjp: None }
    }

    /// Sets the reverse derivative: `rule(primals, cotangents, outputs)` returns one gradient per
    /// primal, of its shape.
    pub fn with_vjp(
        mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> Self {
        self.vjp = Some(Arc::new(rule));
        self
    }

    /// Calls the function.
    ///
    /// # Errors
    /// Those of the function.
    pub fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        let outputs = (self.function)(args)?;
        let Some(vjp) = &self.vjp else { return Ok(outputs) };
        Ok(wrap(Custom { vjp: vjp.clone(), primals: args.len() }, args, &outputs))
    }
}

impl fmt::Debug for CustomFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomFunction").field("vjp", &self.vjp.is_some()).finish_non_exhaustive()
    }
}

/// Passes the function's outputs through. Inputs are the primals, then the function's outputs:
/// reverse rules lead to the primals, everything else to the outputs.
struct Custom {
    vjp: VjpRule,
    primals: usize,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("primals", &self.primals).finish_non_exhaustive()
    }
}

fn wrap(custom: Custom, primals: &[Array], outputs: &[Array]) -> Vec<Array> {
    let inputs = primals.iter().chain(outputs).cloned().collect();
    let specs = outputs.iter().map(|o| o.spec().clone()).collect();
    node::record(custom, inputs, specs, Stream::current()).into_vec()
}

impl Operation for Custom {
    fn name(&self) -> &str {
        "CustomTransforms"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(inputs[self.primals..].iter().map(|o| o.spec().clone()).collect())
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        let inputs: SmallVec<[_; 4]> = cx.take_inputs();
        for (i, view) in inputs.into_iter().skip(self.primals).enumerate() {
            cx.alias(i, view);
        }
        Ok(())
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (primals, outputs) = cx.inputs.split_at(self.primals);
        let cotangents: Vec<Array> = cx
            .cotangents
            .iter()
            .zip(outputs)
            .map(|(c, o)| c.clone().unwrap_or_else(|| ops::zeros_like(o)))
            .collect();
        let grads = (self.vjp)(primals, &cotangents, outputs)?;
        if grads.len() != primals.len() {
            return Err(Error::value(
                "custom_function",
                format!("The vjp returned {} gradients for {} inputs.", grads.len(), primals.len()),
            ));
        }
        for (i, (grad, primal)) in grads.iter().zip(primals).enumerate() {
            if grad.shape() != primal.shape() {
                return Err(Error::shape(
                    "custom_function",
                    format!(
                        "The vjp's gradient {i} has shape {}, its input {}.",
                        crate::error::ShapeText(grad.shape()),
                        crate::error::ShapeText(primal.shape())
                    ),
                    &[grad.shape(), primal.shape()],
                ));
            }
        }
        Ok(grads.into_iter().map(Some).chain(outputs.iter().map(|_| None)).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        Some(Ok(cx.tangents[self.primals..].to_vec()))
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let count = inputs
            .iter()
            .zip(mapped)
            .find_map(|(a, &m)| m.then(|| a.shape()[0]))
            .ok_or_else(|| self.no_transform("vmap"))?;
        let n = self.primals;
        // Outputs that do not depend on the mapped inputs are repeated, so that all are mapped.
        let outputs = ops::with_leading(&inputs[n..], &mapped[n..], count)?;
        let in_axes: Vec<Option<isize>> = mapped[..n].iter().map(|&m| m.then_some(0)).collect();
        let rule = self.vjp.clone();
        let mapped_rule: VjpRule = Arc::new(move |primals, cotangents, outputs| {
            let (p, c) = (primals.len(), cotangents.len());
            let args: Vec<Array> =
                primals.iter().chain(cotangents).chain(outputs).cloned().collect();
            let mut axes = in_axes.clone();
            axes.resize(p + c + outputs.len(), Some(0));
            let grads = vmap(|a| rule(&a[..p], &a[p..p + c], &a[p + c..]), &args, &axes, &[])?;
            // A primal that all calls share gets the sum of their gradients.
            let grads = grads.into_iter().zip(&in_axes);
            grads
                .map(|(g, axis)| if axis.is_some() { Ok(g) } else { ops::sum(&g, &[0], false) })
                .collect()
        });
        Ok(wrap(Custom { vjp: mapped_rule, primals: n }, &inputs[..n], &outputs))
    }
}
