//! Forward-mode derivatives.

use super::{Values, check_shapes, key, nodes_between, pullback};
use crate::array::eval::TraceGuard;
use crate::array::node;
use crate::error::{Error, Result};
use crate::operation::{Jvp, Transform, Vjp};
use crate::{Array, Operation, ops};

/// Outputs of `f` at `primals`, and the products of the Jacobian with `tangents` (one per primal,
/// of its shape): the directional derivative of every output.
///
/// # Errors
/// Those of `f`; tangents that do not fit; an operation without derivative.
pub fn jvp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    tangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    check_shapes("jvp", "tangents", primals, tangents)?;
    let _tracing = TraceGuard::new();
    let leaves: Vec<Array> = primals.iter().map(node::trace).collect();
    let outputs = f(&leaves)?;
    let mut known = Values::default();
    for (leaf, tangent) in leaves.iter().zip(tangents) {
        known.insert(key(leaf), tangent.clone());
    }
    for node in nodes_between(&leaves, &outputs, Transform::Jvp) {
        let tangents: Vec<Option<Array>> =
            node.inputs.iter().map(|i| known.get(&key(i)).cloned()).collect();
        if tangents.iter().all(Option::is_none) {
            continue;
        }
        let outs: Vec<Option<Array>> = (0..node.output_count()).map(|i| node.output(i)).collect();
        let cx = Jvp { inputs: &node.inputs, outputs: &outs, tangents: &tangents };
        let operation = &node.operation;
        let out_tangents = node.stream.scope(|| match operation.jvp(&cx) {
            Some(tangents) => tangents,
            None => from_vjp(operation, &cx),
        })?;
        for (output, tangent) in outs.iter().zip(out_tangents) {
            if let (Some(output), Some(tangent)) = (output, tangent) {
                known.insert(key(output), tangent);
            }
        }
    }
    let tangents = outputs
        .iter()
        .map(|o| known.get(&key(o)).cloned().unwrap_or_else(|| ops::zeros_like(o)))
        .collect();
    Ok((outputs, tangents))
}

/// The forward rule of an operation that only has a reverse one.
///
/// The reverse rule is a linear map of the cotangents, `u -> u J`; its own reverse derivative in
/// the direction of the tangents is `J t`. (Two reverse derivatives for a forward one: J. Townsend,
/// "A new trick for calculating Jacobian vector products", 2017.)
fn from_vjp(operation: &dyn Operation, cx: &Jvp<'_>) -> Result<Vec<Option<Array>>> {
    let missing = |error| match error {
        Error::NoTransform { .. } => operation.no_transform("jvp"),
        other => other,
    };
    let probes: Vec<Option<Array>> =
        cx.outputs.iter().map(|o| o.as_ref().map(|o| node::trace(&ops::zeros_like(o)))).collect();
    let wanted: Vec<bool> = cx.tangents.iter().map(Option::is_some).collect();
    let rule = Vjp { inputs: cx.inputs, outputs: cx.outputs, cotangents: &probes, wanted: &wanted };
    let pulled = operation.vjp(&rule).map_err(missing)?;
    let mut ends = Vec::new();
    let mut seeds = Vec::new();
    for (end, tangent) in pulled.into_iter().zip(cx.tangents) {
        if let (Some(end), Some(tangent)) = (end, tangent) {
            ends.push(end);
            seeds.push(Some(tangent.clone()));
        }
    }
    let leaves: Vec<Array> = probes.iter().flatten().cloned().collect();
    let mut pushed = pullback(&ends, &seeds, &leaves).map_err(missing)?.into_iter();
    Ok(probes.iter().map(|p| p.as_ref().and_then(|_| pushed.next().flatten())).collect())
}
