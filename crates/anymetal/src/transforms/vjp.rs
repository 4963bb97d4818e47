//! Reverse-mode derivatives.

use super::{Values, check_shapes, key, nodes_between};
use crate::array::eval::TraceGuard;
use crate::array::node;
use crate::error::{Error, Result};
use crate::operation::{Transform, Vjp};
use crate::{Array, ops};

/// Outputs of `f` at `primals`, and the products of `cotangents` (one per output, of its shape)
/// with the Jacobian: the gradient of every primal.
///
/// # Errors
/// Those of `f`; cotangents that do not fit; an operation without reverse rule.
pub fn vjp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    cotangents: &[Array],
) -> Result<(Vec<Array>, Vec<Array>)> {
    let _tracing = TraceGuard::new();
    let leaves: Vec<Array> = primals.iter().map(node::trace).collect();
    let outputs = f(&leaves)?;
    check_shapes("vjp", "cotangents", &outputs, cotangents)?;
    let seeds: Vec<Option<Array>> = cotangents.iter().cloned().map(Some).collect();
    let grads = pullback(&outputs, &seeds, &leaves)?;
    let grads = grads.into_iter().zip(primals);
    Ok((outputs, grads.map(|(g, p)| g.unwrap_or_else(|| ops::zeros_like(p))).collect()))
}

/// A function that gives the value of `f` and its gradient with respect to the arguments named by
/// `argnums` (negative ones count from the end). `f`'s first output must be a scalar; the others
/// are passed through.
///
/// # Errors
/// Of the returned function: those of `f`; an argument number out of range; a first output that
/// is not a real floating scalar; an operation without reverse rule.
pub fn value_and_grad(
    f: impl Fn(&[Array]) -> Result<Vec<Array>>,
    argnums: &[isize],
) -> impl Fn(&[Array]) -> Result<(Vec<Array>, Vec<Array>)> {
    let argnums = argnums.to_vec();
    move |args| {
        let wanted = resolve_argnums(&argnums, args.len())?;
        let _tracing = TraceGuard::new();
        let mut inputs = args.to_vec();
        for &i in &wanted {
            inputs[i] = node::trace(&args[i]);
        }
        let leaves: Vec<Array> = wanted.iter().map(|&i| inputs[i].clone()).collect();
        let outputs = f(&inputs)?;
        let Some(loss) = outputs.first() else {
            return Err(Error::value("grad", "The function must return at least one array."));
        };
        if loss.ndim() != 0 {
            return Err(Error::shape(
                "grad",
                format!(
                    "The first output of the function must be a scalar to have a gradient, but \
                     its shape is {}.",
                    crate::error::ShapeText(loss.shape())
                ),
                &[loss.shape()],
            ));
        }
        let mut seeds = vec![None; outputs.len()];
        seeds[0] = Some(ops::ones_like(loss));
        let grads = pullback(&outputs, &seeds, &leaves)?;
        let grads = grads.into_iter().zip(&wanted);
        let grads = grads.map(|(g, &i)| g.unwrap_or_else(|| ops::zeros_like(&args[i]))).collect();
        Ok((outputs, grads))
    }
}

/// The gradient part of [`value_and_grad`] for a function with one output.
///
/// # Errors
/// As there.
pub fn grad(
    f: impl Fn(&[Array]) -> Result<Array>,
    argnums: &[isize],
) -> impl Fn(&[Array]) -> Result<Vec<Array>> {
    let both = value_and_grad(move |args| Ok(vec![f(args)?]), argnums);
    move |args| Ok(both(args)?.1)
}

/// Gradients of `leaves` from those of `outputs`; `None` is zero on both sides.
pub(crate) fn pullback(
    outputs: &[Array],
    cotangents: &[Option<Array>],
    leaves: &[Array],
) -> Result<Vec<Option<Array>>> {
    let nodes = nodes_between(leaves, outputs, Transform::Vjp);
    let mut grads = Values::default();
    // What a gradient is asked of: leaves, and everything that leads to them.
    let mut live: rustc_hash::FxHashSet<super::Key> = leaves.iter().map(key).collect();
    for node in &nodes {
        live.extend((0..node.output_count()).filter_map(|i| node.output(i)).map(|a| key(&a)));
    }
    for (output, cotangent) in outputs.iter().zip(cotangents) {
        if let Some(cotangent) = cotangent {
            accumulate(&mut grads, output, cotangent)?;
        }
    }
    for node in nodes.into_iter().rev() {
        let outs: Vec<Option<Array>> = (0..node.output_count()).map(|i| node.ask(i)).collect();
        let cotangents: Vec<Option<Array>> =
            outs.iter().map(|o| o.as_ref().and_then(|o| grads.remove(&key(o)))).collect();
        if cotangents.iter().all(Option::is_none) {
            continue;
        }
        let wanted: Vec<bool> = node.inputs.iter().map(|i| live.contains(&key(i))).collect();
        let cx =
            Vjp { inputs: &node.inputs, outputs: &outs, cotangents: &cotangents, wanted: &wanted };
        let input_grads = node.stream.scope(|| node.operation.vjp(&cx))?;
        for ((input, grad), wanted) in node.inputs.iter().zip(input_grads).zip(&wanted) {
            if let (Some(grad), true) = (grad, wanted) {
                accumulate(&mut grads, input, &grad)?;
            }
        }
    }
    Ok(leaves.iter().map(|leaf| grads.get(&key(leaf)).cloned()).collect())
}

fn accumulate(grads: &mut Values, of: &Array, grad: &Array) -> Result<()> {
    let grad = if grad.dtype() == of.dtype() { grad.clone() } else { grad.astype(of.dtype())? };
    let sum = match grads.get(&key(of)) {
        Some(before) => ops::add(before, &grad)?,
        None => grad,
    };
    grads.insert(key(of), sum);
    Ok(())
}

fn resolve_argnums(argnums: &[isize], args: usize) -> Result<Vec<usize>> {
    let mut wanted = Vec::with_capacity(argnums.len());
    for &n in argnums {
        let i = if n < 0 { n + args as isize } else { n };
        match usize::try_from(i) {
            Ok(i) if i < args => wanted.push(i),
            _ => {
                return Err(Error::Index {
                    op: "grad",
                    message: format!("Invalid argument number {n} for {args} arguments."),
                    index: n as i64,
                    size: args,
                });
            }
        }
    }
    let mut sorted = wanted.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if wanted.is_empty() || sorted.len() != wanted.len() {
        let message = format!("Argument numbers must be given and differ, but are {argnums:?}.");
        return Err(Error::value("grad", message));
    }
    Ok(wanted)
}
