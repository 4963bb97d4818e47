//! Mapping a function over an axis of its arguments.

use std::sync::Arc;

use super::{Values, key, nodes_between};
use crate::array::eval::TraceGuard;
use crate::array::node::Output;
use crate::device::Spec;
use crate::error::{Error, Result};
use crate::operation::Transform;
use crate::{Array, Shape, ops};

/// `f` mapped over axes of its arguments: as if it were called on every slice and the results
/// stacked, but by one graph.
///
/// `in_axes` names the axis of every argument, `None` for arguments that all calls share;
/// `out_axes` says where every output gets the new axis (`None`: outputs that do not depend on
/// the mapped arguments). An empty `in_axes` or `out_axes` means axis 0 throughout.
///
/// # Errors
/// Those of `f`; axes that do not exist or differ in size; an operation that cannot be mapped;
/// reading a value inside `f`.
pub fn vmap(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    args: &[Array],
    in_axes: &[Option<isize>],
    out_axes: &[Option<isize>],
) -> Result<Vec<Array>> {
    let with_axes = |args: &[Array]| {
        let outputs = f(args)?;
        let axes = axes_for("out_axes", out_axes, outputs.len())?;
        Ok((outputs, axes))
    };
    vmap_with_axes(with_axes, args, in_axes)
}

/// [`vmap`] of a function that says itself where its outputs get the new axis: it returns them
/// with their `out_axes`.
///
/// # Errors
/// As [`vmap`].
pub fn vmap_with_axes(
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, Vec<Option<isize>>)>,
    args: &[Array],
    in_axes: &[Option<isize>],
) -> Result<Vec<Array>> {
    let in_axes = axes_for("in_axes", in_axes, args.len())?;
    let mut count = None;
    let mut inputs = Vec::with_capacity(args.len());
    let mut leaves = Vec::new();
    let mut mapped = Values::default();
    for (i, (arg, axis)) in args.iter().zip(&in_axes).enumerate() {
        let Some(axis) = *axis else {
            inputs.push(arg.clone());
            continue;
        };
        let axis = ops::resolve_axis("vmap", axis, arg.ndim())?;
        let n = arg.shape()[axis];
        if *count.get_or_insert(n) != n {
            return Err(Error::shape(
                "vmap",
                format!(
                    "Inconsistent axis sizes: argument {i} has {n} along its mapped axis, \
                     earlier ones {}.",
                    count.unwrap_or(0)
                ),
                &[arg.shape()],
            ));
        }
        let mut shape = Shape::from_slice(arg.shape());
        shape.remove(axis);
        let leaf = Array(Arc::new(Output::placeholder(Spec::new(shape, arg.dtype()))));
        mapped.insert(key(&leaf), ops::moveaxis(arg, axis as isize, 0)?);
        leaves.push(leaf.clone());
        inputs.push(leaf);
    }
    let Some(count) = count else {
        return Err(Error::value("vmap", "At least one of in_axes must be an axis, all are None."));
    };
    let _tracing = TraceGuard::new();
    let (outputs, out_axes) = f(&inputs)?;
    if out_axes.len() != outputs.len() {
        axes_for("out_axes", &out_axes, outputs.len())?;
    }
    for node in nodes_between(&leaves, &outputs, Transform::Vmap) {
        let mut flags = Vec::with_capacity(node.inputs.len());
        let mut values = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            let value = mapped.get(&key(input));
            flags.push(value.is_some());
            values.push(value.unwrap_or(input).clone());
        }
        let results = node.stream.scope(|| node.operation.vmap(&values, &flags))?;
        for (i, result) in results.into_iter().enumerate() {
            if let Some(output) = node.output(i) {
                mapped.insert(key(&output), result);
            }
        }
    }
    outputs
        .iter()
        .zip(out_axes)
        .map(|(output, axis)| match (mapped.get(&key(output)), axis) {
            (Some(value), Some(axis)) => ops::moveaxis(value, 0, axis),
            (Some(_), None) => Err(Error::value(
                "vmap",
                "An output depends on a mapped argument but its out_axes is None.",
            )),
            (None, None) => Ok(output.clone()),
            (None, Some(axis)) => {
                let mut shape = Shape::from_slice(output.shape());
                shape.insert(0, count);
                ops::moveaxis(&ops::broadcast_to(output, &shape)?, 0, axis)
            }
        })
        .collect()
}

fn axes_for(what: &str, axes: &[Option<isize>], n: usize) -> Result<Vec<Option<isize>>> {
    match axes.len() {
        0 => Ok(vec![Some(0); n]),
        m if m == n => Ok(axes.to_vec()),
        m => Err(Error::value("vmap", format!("{what} has {m} entries for {n} arrays."))),
    }
}
