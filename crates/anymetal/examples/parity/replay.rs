//! What anymetal computes for a case, by operation.

use crate::manifest::{Case, dtype};
use anymetal::fast::{
    self, AttentionOptions, Mask, RopeOptions, layer_norm, rms_norm, scaled_dot_product_attention,
};
use anymetal::ops::Operand;
use anymetal::{Array, Dtype, Error, Result, Scalar, io, ops, random, vjp};
use std::collections::HashMap;
use std::path::PathBuf;

/// The tensors of a group's file.
pub(crate) fn load(path: PathBuf) -> Result<HashMap<String, Array>> {
    io::load_safetensors(path)
}

/// Computes a case and returns its results in the manifest's order.
pub(crate) fn run(case: &Case) -> Result<Vec<Array>> {
    let op = case.text("op");
    let results = match op {
        "rms_norm" | "layer_norm" => vec![norm(case)?],
        "rms_norm_vjp" | "layer_norm_vjp" => norm_vjp(case)?,
        "rope" => vec![rope(case, &case.array("x")?)?],
        "rope_vjp" => {
            let call = |x: &[Array]| Ok(vec![rope(case, &x[0])?]);
            vjp(call, &[case.array("x")?], &[case.array("g")?])?.1
        }
        "attention" => vec![attention(case, &[case.array("q")?, case.array("k")?, case.array("v")?])?],
        "attention_vjp" => {
            let call = |qkv: &[Array]| Ok(vec![attention(case, qkv)?]);
            let qkv = [case.array("q")?, case.array("k")?, case.array("v")?];
            vjp(call, &qkv, &[case.array("g")?])?.1
        }
        _ => match (op.strip_prefix("promote_"), op.strip_prefix("random_")) {
            (Some(op), _) => vec![promoted(case, op)?],
            (_, Some(op)) => drawn(case, op)?,
            _ => panic!("no operation {op}"),
        },
    };
    // Errors may come with the evaluation only.
    anymetal::eval(&results)?;
    Ok(results)
}

fn norm(case: &Case) -> Result<Array> {
    let (x, w) = (case.array("x")?, case.optional("w")?);
    let eps = case.number("eps") as f32;
    match case.text("op") {
        "rms_norm" => rms_norm(&x, w.as_ref(), eps),
        _ => layer_norm(&x, w.as_ref(), case.optional("b")?.as_ref(), eps),
    }
}

fn norm_vjp(case: &Case) -> Result<Vec<Array>> {
    let eps = case.number("eps") as f32;
    let (x, w, g) = (case.array("x")?, case.array("w")?, case.array("g")?);
    let Some(b) = case.optional("b")? else {
        let call = |a: &[Array]| Ok(vec![rms_norm(&a[0], Some(&a[1]), eps)?]);
        return Ok(vjp(call, &[x, w], &[g])?.1);
    };
    let call = |a: &[Array]| Ok(vec![layer_norm(&a[0], Some(&a[1]), Some(&a[2]), eps)?]);
    Ok(vjp(call, &[x, w, b], &[g])?.1)
}

fn rope(case: &Case, x: &Array) -> Result<Array> {
    let freqs = case.optional("freqs")?;
    let offsets = case.optional("offsets")?;
    let options = RopeOptions {
        traditional: case.flag("traditional"),
        base: case.has("base").then(|| case.number("base") as f32),
        scale: case.number("scale") as f32,
        offset: match offsets {
            Some(offsets) => offsets,
            None => ops::scalar(case.integer("offset") as i32),
        },
        freqs,
    };
    fast::rope(x, case.integer("dims") as i32, &options)
}

fn attention(case: &Case, qkv: &[Array]) -> Result<Array> {
    let mask = match case.optional("mask")? {
        Some(mask) => Mask::Array(mask),
        None if case.flag("causal") => Mask::Causal,
        None => Mask::None,
    };
    let options = AttentionOptions { mask, sinks: case.optional("sinks")?, ..Default::default() };
    let scale = case.number("scale") as f32;
    scaled_dot_product_attention(&qkv[0], &qkv[1], &qkv[2], scale, &options)
}

/// The result of an operation on ones.
fn promoted(case: &Case, op: &str) -> Result<Array> {
    let ones = |key: &str| ops::ones(&[2], dtype(case.text(key)));
    let a = ones("a")?;
    if case.has("b") {
        return binary(op, &a, (&ones("b")?).into());
    }
    if case.has("scalar") {
        let scalar = match case.text("scalar") {
            "int" => Scalar::Int(2),
            "float" => Scalar::Float(2.5),
            _ => Scalar::Bool(true),
        };
        return binary(op, &a, scalar.into());
    }
    match op {
        "exp" => a.exp(),
        "sqrt" => a.sqrt(),
        "abs" => a.abs(),
        "negative" => ops::negative(&a),
        "square" => a.square(),
        "sum" => ops::sum(&a, (), false),
        "mean" => ops::mean(&a, (), false),
        "prod" => ops::prod(&a, (), false),
        "max" => ops::max(&a, (), false),
        "argmax" => ops::argmax(&a, None, false),
        "logsumexp" => ops::logsumexp(&a, (), false),
        "softmax" => ops::softmax(&a, -1, false),
        "isnan" => a.isnan(),
        "logical_not" => ops::logical_not(&a),
        other => panic!("no operation {other}"),
    }
}

fn binary(op: &str, a: &Array, b: Operand) -> Result<Array> {
    match op {
        "add" => ops::add(a, b),
        "divide" => ops::divide(a, b),
        "maximum" => ops::maximum(a, b),
        "less" => ops::less(a, b),
        "where" => ops::select(&ops::scalar(true), a, b),
        "power" => ops::power(a, b),
        other => panic!("no operation {other}"),
    }
}
