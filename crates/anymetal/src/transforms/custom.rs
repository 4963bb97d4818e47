//! Functions with derivatives and mappings of the user's own.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::vmap;
use crate::array::eval::EvalContext;
use crate::array::node;
use crate::device::{Spec, Stream};
use crate::error::{Error, Result, ShapeText};
use crate::operation::{Jvp, Operation, Transform, Vjp};
use crate::{Array, ops};

type Function = Arc<dyn Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync>;
type VjpRule = Arc<dyn Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync>;
type JvpRule = Arc<dyn Fn(&[Array], &[Option<Array>]) -> Result<Vec<Array>> + Send + Sync>;
type VmapRule = Arc<dyn Fn(&[Array], &[Option<isize>]) -> Result<Mapped> + Send + Sync>;

/// Outputs of a mapped function, and the axis of each over which it is mapped.
type Mapped = (Vec<Array>, Vec<Option<isize>>);

/// A function whose transformations are given by its user, MLX's `custom_function`.
///
/// Transformations that are not given go through the function itself. Mapping maps given
/// derivatives too, so transformations still compose. The function is pure: arrays it uses but
/// does not get as arguments are constants to given rules.
#[derive(Clone)]
pub struct CustomFunction {
    function: Function,
    rules: Rules,
}

#[derive(Clone, Default)]
struct Rules {
    vjp: Option<VjpRule>,
    jvp: Option<JvpRule>,
    vmap: Option<VmapRule>,
}

impl CustomFunction {
    /// A function with the transformations it has by itself.
    pub fn new(f: impl Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static) -> Self {
        CustomFunction { function: Arc::new(f), rules: Rules::default() }
    }

    /// Sets the reverse derivative: `rule(primals, cotangents, outputs)` returns one gradient per
    /// primal, of its shape.
    pub fn with_vjp(
        mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.vjp = Some(Arc::new(rule));
        self
    }

    /// Sets the forward derivative: `rule(primals, tangents)` returns one tangent per output, of
    /// its shape. `None` is a tangent of zero.
    pub fn with_jvp(
        mut self,
        rule: impl Fn(&[Array], &[Option<Array>]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.jvp = Some(Arc::new(rule));
        self
    }

    /// Sets the mapping: `rule(inputs, axes)` gets the inputs with the axis of each over which the
    /// function is mapped, if any, and returns the outputs with theirs. The derivatives of a
    /// mapped call are those of the rule.
    pub fn with_vmap(
        mut self,
        rule: impl Fn(&[Array], &[Option<isize>]) -> Result<Mapped> + Send + Sync + 'static,
    ) -> Self {
        self.rules.vmap = Some(Arc::new(rule));
        self
    }

    /// Calls the function.
    ///
    /// # Errors
    /// Those of the function.
    pub fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        let outputs = (self.function)(args)?;
        Ok(self.rules.wrap(args, &outputs))
    }
}

impl fmt::Debug for CustomFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.describe(&mut f.debug_struct("CustomFunction"))
    }
}

impl Rules {
    fn wrap(&self, primals: &[Array], outputs: &[Array]) -> Vec<Array> {
        if self.vjp.is_none() && self.jvp.is_none() && self.vmap.is_none() {
            return outputs.to_vec();
        }
        let custom = Custom { rules: self.clone(), primals: primals.len() };
        let inputs = primals.iter().chain(outputs).cloned().collect();
        let specs = outputs.iter().map(|o| o.spec().clone()).collect();
        node::record(custom, inputs, specs, Stream::current()).into_vec()
    }

    fn describe(&self, text: &mut fmt::DebugStruct<'_, '_>) -> fmt::Result {
        text.field("vjp", &self.vjp.is_some())
            .field("jvp", &self.jvp.is_some())
            .field("vmap", &self.vmap.is_some())
            .finish_non_exhaustive()
    }

    /// The derivatives, mapped over axis 0 of the primals that are, and of everything else.
    fn mapped(&self, mapped: &[bool]) -> Rules {
        let in_axes: Vec<Option<isize>> = mapped.iter().map(|&m| m.then_some(0)).collect();
        let vjp = self.vjp.clone().map(|rule| {
            let in_axes = in_axes.clone();
            let mapped: VjpRule = Arc::new(move |primals, cotangents, outputs| {
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
            mapped
        });
        let jvp = self.jvp.clone().map(|rule| {
            let mapped: JvpRule = Arc::new(move |primals, tangents| {
                let p = primals.len();
                let given: Vec<usize> = (0..p).filter(|&i| tangents[i].is_some()).collect();
                let args: Vec<Array> =
                    primals.iter().chain(tangents.iter().flatten()).cloned().collect();
                let mut axes = in_axes.clone();
                axes.extend(given.iter().map(|&i| in_axes[i]));
                let whole = |a: &[Array]| {
                    let mut tangents = vec![None; p];
                    for (&i, tangent) in given.iter().zip(&a[p..]) {
                        tangents[i] = Some(tangent.clone());
                    }
                    rule(&a[..p], &tangents)
                };
                vmap(whole, &args, &axes, &[])
            });
            mapped
        });
        Rules { vjp, jvp, vmap: None }
    }
}

/// Passes the function's outputs through. Inputs are the primals, then the function's outputs:
/// given rules lead to the primals, everything else to the outputs.
struct Custom {
    rules: Rules,
    primals: usize,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.describe(f.debug_struct("Custom").field("primals", &self.primals))
    }
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

    fn looks_at(&self, transform: Transform, index: usize) -> bool {
        let given = match transform {
            Transform::Vjp => self.rules.vjp.is_some(),
            Transform::Jvp => self.rules.jvp.is_some(),
            Transform::Vmap => self.rules.vmap.is_some(),
        };
        given == (index < self.primals) || transform == Transform::Vmap && !given
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Vec<Option<Array>>> {
        let (primals, outputs) = cx.inputs.split_at(self.primals);
        let Some(rule) = &self.rules.vjp else {
            return Ok(primals.iter().map(|_| None).chain(cx.cotangents.iter().cloned()).collect());
        };
        let cotangents: Vec<Array> = cx
            .cotangents
            .iter()
            .zip(outputs)
            .map(|(c, o)| c.clone().unwrap_or_else(|| ops::zeros_like(o)))
            .collect();
        let grads = rule(primals, &cotangents, outputs)?;
        check("vjp", "gradient", "inputs", &grads, primals)?;
        Ok(grads.into_iter().map(Some).chain(outputs.iter().map(|_| None)).collect())
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Option<Result<Vec<Option<Array>>>> {
        let (primals, outputs) = cx.inputs.split_at(self.primals);
        let (of_primals, of_outputs) = cx.tangents.split_at(self.primals);
        Some(match &self.rules.jvp {
            None => Ok(of_outputs.to_vec()),
            Some(rule) => rule(primals, of_primals).and_then(|tangents| {
                check("jvp", "tangent", "outputs", &tangents, outputs)?;
                Ok(tangents.into_iter().map(Some).collect())
            }),
        })
    }

    fn vmap(&self, inputs: &[Array], mapped: &[bool]) -> Result<Vec<Array>> {
        let count = inputs
            .iter()
            .zip(mapped)
            .find_map(|(a, &m)| m.then(|| a.shape()[0]))
            .ok_or_else(|| self.no_transform("vmap"))?;
        let n = self.primals;
        if let Some(rule) = &self.rules.vmap {
            let axes: Vec<Option<isize>> = mapped[..n].iter().map(|&m| m.then_some(0)).collect();
            let (outputs, axes) = rule(&inputs[..n], &axes)?;
            if outputs.len() != inputs.len() - n || axes.len() != outputs.len() {
                return Err(Error::value(
                    OP,
                    format!(
                        "The vmap returned {} outputs and {} axes for {} outputs of the function.",
                        outputs.len(),
                        axes.len(),
                        inputs.len() - n
                    ),
                ));
            }
            let outputs: Vec<Array> = outputs
                .iter()
                .zip(&axes)
                .map(|(o, axis)| axis.map_or(Ok(o.clone()), |axis| ops::moveaxis(o, axis, 0)))
                .collect::<Result<_>>()?;
            let has_axis: Vec<bool> = axes.iter().map(Option::is_some).collect();
            return ops::with_leading(&outputs, &has_axis, count);
        }
        // Outputs that do not depend on the mapped inputs are repeated, so that all are mapped.
        let outputs = ops::with_leading(&inputs[n..], &mapped[n..], count)?;
        Ok(self.rules.mapped(&mapped[..n]).wrap(&inputs[..n], &outputs))
    }
}

const OP: &str = "custom_function";

/// Checks that a rule returned one array per array it belongs to, of its shape.
fn check(rule: &str, what: &str, of: &str, given: &[Array], arrays: &[Array]) -> Result<()> {
    if given.len() != arrays.len() {
        return Err(Error::value(
            OP,
            format!("The {rule} returned {} {what}s for {} {of}.", given.len(), arrays.len()),
        ));
    }
    for (i, (g, a)) in given.iter().zip(arrays).enumerate() {
        if g.shape() != a.shape() {
            return Err(Error::shape(
                OP,
                format!(
                    "The {rule}'s {what} {i} has shape {}, not {} as in the {of}.",
                    ShapeText(g.shape()),
                    ShapeText(a.shape())
                ),
                &[g.shape(), a.shape()],
            ));
        }
    }
    Ok(())
}
