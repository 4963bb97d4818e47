//! Function transformations: reverse and forward derivatives, mapping, custom functions.
//!
//! A transformation calls the function on traced names of its arguments, walks the recorded graph
//! from the outputs back to those names, and builds a new graph by the operations' rules; so
//! transformations compose in any order. All of them take flat slices of arrays. Walks are loops,
//! never recursion: graphs may be as deep as memory allows.

mod custom;
mod jvp;
mod vjp;
mod vmap;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Array;
use crate::array::node::{Node, NodeId, Output};
use crate::error::{Error, Result, ShapeText};
use crate::operation::Transform;

pub use custom::CustomFunction;
pub use jvp::jvp;
pub(crate) use vjp::pullback;
pub use vjp::{grad, value_and_grad, vjp};
pub use vmap::{vmap, vmap_with_axes};

/// The identity of an array in the graph.
pub(crate) type Key = *const Output;

pub(crate) fn key(array: &Array) -> Key {
    Arc::as_ptr(&array.0)
}

/// Values attached to arrays of a graph during a walk.
pub(crate) type Values = FxHashMap<Key, Array>;

/// The nodes between `leaves` and `outputs` for a transformation, inputs before users. Only nodes
/// that depend on a leaf are among them.
pub(crate) fn nodes_between(
    leaves: &[Array],
    outputs: &[Array],
    transform: Transform,
) -> Vec<Arc<Node>> {
    let leaf_keys: FxHashSet<Key> = leaves.iter().map(key).collect();
    let walkable = |array: &Array| {
        if !array.0.traced || leaf_keys.contains(&key(array)) {
            return None;
        }
        array.0.node()
    };
    let mut order: Vec<Arc<Node>> = Vec::new();
    let mut dependent: FxHashSet<NodeId> = FxHashSet::default();
    let mut seen: FxHashSet<NodeId> = FxHashSet::default();
    let mut stack: Vec<(Arc<Node>, usize)> = Vec::new();
    for output in outputs {
        if let Some(node) = walkable(output)
            && seen.insert(node.id())
        {
            stack.push((node, 0));
        }
        while let Some((node, next)) = stack.last_mut() {
            if let Some(input) = node.inputs.get(*next) {
                let looked_at = node.operation.looks_at(transform, *next);
                *next += 1;
                if looked_at
                    && let Some(node) = walkable(input)
                    && seen.insert(node.id())
                {
                    stack.push((node, 0));
                }
                continue;
            }
            let depends = node.inputs.iter().enumerate().any(|(i, input)| {
                let depends = leaf_keys.contains(&key(input))
                    || walkable(input).is_some_and(|n| dependent.contains(&n.id()));
                depends && node.operation.looks_at(transform, i)
            });
            if let Some((node, _)) = stack.pop()
                && depends
            {
                dependent.insert(node.id());
                order.push(node);
            }
        }
    }
    order
}

/// Checks that `given` values, tangents or cotangents, have the shapes of the arrays they belong
/// to.
pub(crate) fn check_shapes(
    op: &'static str,
    what: &str,
    of: &[Array],
    given: &[Array],
) -> Result<()> {
    if of.len() != given.len() {
        return Err(Error::value(
            op,
            format!("Number of {what} ({}) does not match ({}).", given.len(), of.len()),
        ));
    }
    for (i, (a, g)) in of.iter().zip(given).enumerate() {
        if a.shape() != g.shape() {
            let message = format!(
                "The shape {} of {what} {i} does not match {}.",
                ShapeText(g.shape()),
                ShapeText(a.shape())
            );
            return Err(Error::shape(op, message, &[g.shape(), a.shape()]));
        }
    }
    Ok(())
}
