//! What anymetal computes for a case, by operation.

use crate::manifest::{Case, dtype};
use anymetal::fast::{
    AttentionOptions, Mask, RopeOptions, layer_norm, metal_kernel, rms_norm, rope,
    scaled_dot_product_attention,
};
use anymetal::ops::Operand;
use anymetal::{Array, Dtype, Result, Scalar, io, jvp, ops, random, vjp};
use std::collections::HashMap;
use std::path::PathBuf;

/// The tensors of a group's file.
pub(crate) fn load(path: PathBuf) -> Result<HashMap<String, Array>> {
    Ok(io::load_safetensors(path)?.arrays.into_iter().collect())
}

/// Computes a case and returns its results in the manifest's order.
pub(crate) fn run(case: &Case) -> Result<Vec<Array>> {
    let op = case.text("op");
    let results = match op {
        "rms_norm" | "layer_norm" => vec![norm(case)?],
        "rms_norm_vjp" | "layer_norm_vjp" => norm_vjp(case)?,
        "rope" => vec![rotated(case, &case.array("x")?)?],
        "rope_vjp" => {
            let call = |x: &[Array]| Ok(vec![rotated(case, &x[0])?]);
            vjp(call, &[case.array("x")?], &[case.array("g")?])?.1
        }
        "attention" => {
            vec![attention(case, &[case.array("q")?, case.array("k")?, case.array("v")?])?]
        }
        "attention_vjp" => {
            let call = |qkv: &[Array]| Ok(vec![attention(case, qkv)?]);
            let qkv = [case.array("q")?, case.array("k")?, case.array("v")?];
            vjp(call, &qkv, &[case.array("g")?])?.1
        }
        "kernel_source" => vec![kernel_source(case)?],
        _ => match op.split_once('_') {
            Some(("promote", op)) => vec![promoted(case, op)?],
            Some(("random", op)) => drawn(case, op)?,
            Some(("complex", op)) => complex(case, op)?,
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

fn rotated(case: &Case, x: &Array) -> Result<Array> {
    let freqs = case.optional("freqs")?;
    let offsets = case.optional("offsets")?;
    let options = RopeOptions {
        traditional: case.flag("traditional"),
        base: case.has("base").then(|| case.number("base") as f32),
        scale: case.number("scale") as f32,
        offset: match &offsets {
            Some(offsets) => Operand::Array(offsets),
            None => Operand::Scalar(Scalar::Int(case.integer("offset"))),
        },
        freqs: freqs.as_ref(),
    };
    rope(x, case.integer("dims") as i32, &options)
}

fn attention(case: &Case, qkv: &[Array]) -> Result<Array> {
    let (mask, sinks) = (case.optional("mask")?, case.optional("sinks")?);
    let mask = match &mask {
        Some(mask) => Mask::Array(mask),
        None if case.flag("causal") => Mask::Causal,
        None => Mask::None,
    };
    let options = AttentionOptions { mask, sinks: sinks.as_ref(), ..Default::default() };
    let [q, k, v] = qkv else { panic!("three arguments") };
    scaled_dot_product_attention(q, k, v, case.number("scale"), &options)
}

/// The draws of a seed.
fn drawn(case: &Case, op: &str) -> Result<Vec<Array>> {
    let seed = case.text("seed").parse().expect("a seed");
    let key = random::key(seed)?;
    let result = match op {
        "key" => key,
        "split" => random::split(&key, case.integer("count") as usize)?,
        "bits" => random::bits(&case.shape("shape"), 4, Some(&key))?,
        "uniform" => {
            let (low, high) = (case.number("low"), case.number("high"));
            random::uniform(low, high, &case.shape("shape"), case.dtype("dtype"), Some(&key))?
        }
        "normal" => random::normal(&case.shape("shape"), case.dtype("dtype"), Some(&key))?,
        "randint" => {
            let (low, high) = (case.integer("low"), case.integer("high"));
            random::randint(low, high, &case.shape("shape"), case.dtype("dtype"), Some(&key))?
        }
        "state" => {
            random::seed(seed);
            return Ok(vec![
                random::uniform(0.0, 1.0, &[3], Dtype::F32, None)?,
                random::normal(&[2, 2], Dtype::F32, None)?,
                random::randint(0, 1000, &[5], Dtype::I32, None)?,
            ]);
        }
        other => panic!("no draw {other}"),
    };
    Ok(vec![result])
}

/// A function of complex numbers, its gradients and its tangent.
fn complex(case: &Case, op: &str) -> Result<Vec<Array>> {
    let call = |x: &[Array]| {
        let [a, b] = [&x[0], x.last().unwrap_or(&x[0])];
        Ok(vec![match op {
            "add" | "divide" | "maximum" | "power" => binary(op, a, b.into())?,
            "subtract" => ops::subtract(a, b)?,
            "multiply" => ops::multiply(a, b)?,
            "minimum" => ops::minimum(a, b)?,
            "matmul" => ops::matmul(a, b)?,
            "mixed" => ops::multiply(&a.real()?, b)?,
            "where" => ops::select(&ops::greater(&a.real()?, 0.0)?, a, b)?,
            "real_to_complex" => a.real()?.astype(Dtype::Complex64)?,
            "complex_to_real" => a.astype(Dtype::F32)?,
            "var" => ops::var(a, (), false, 1)?,
            _ => unary(op, a)?,
        }])
    };
    let arrays = |keys: [&str; 2]| -> Result<Vec<Array>> {
        keys.iter().filter_map(|key| case.optional(key).transpose()).collect()
    };
    let arguments = arrays(["a", "b"])?;
    let mut results = call(&arguments)?;
    let Some(g) = case.optional("g")? else { return Ok(results) };
    results.extend(vjp(call, &arguments, &[g])?.1);
    results.extend(jvp(call, &arguments, &arrays(["t", "u"])?)?.1);
    Ok(results)
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
    unary(op, &a)
}

fn unary(op: &str, a: &Array) -> Result<Array> {
    match op {
        "negative" => ops::negative(a),
        "abs" => a.abs(),
        "sign" => a.sign(),
        "square" => a.square(),
        "sqrt" => a.sqrt(),
        "rsqrt" => a.rsqrt(),
        "reciprocal" => a.reciprocal(),
        "exp" => a.exp(),
        "expm1" => a.expm1(),
        "log" => a.log(),
        "log2" => a.log2(),
        "log10" => a.log10(),
        "log1p" => a.log1p(),
        "sin" => a.sin(),
        "cos" => a.cos(),
        "tan" => a.tan(),
        "sinh" => a.sinh(),
        "cosh" => a.cosh(),
        "tanh" => a.tanh(),
        "arcsin" => a.arcsin(),
        "arccos" => a.arccos(),
        "arctan" => a.arctan(),
        "arcsinh" => a.arcsinh(),
        "arccosh" => a.arccosh(),
        "arctanh" => a.arctanh(),
        "erf" => a.erf(),
        "erfinv" => a.erfinv(),
        "sigmoid" => a.sigmoid(),
        "floor" => a.floor(),
        "ceil" => a.ceil(),
        "round" => a.round(),
        "conjugate" => a.conjugate(),
        "real" => a.real(),
        "imag" => a.imag(),
        "sum" => ops::sum(a, (), false),
        "mean" => ops::mean(a, (), false),
        "prod" => ops::prod(a, (), false),
        "max" => ops::max(a, (), false),
        "argmax" => ops::argmax(a, None, false),
        "logsumexp" => ops::logsumexp(a, (), false),
        "softmax" => ops::softmax(a, -1, false),
        "isnan" => a.isnan(),
        "logical_not" => ops::logical_not(a),
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

/// The generated program of a custom kernel's call, as bytes.
fn kernel_source(case: &Case) -> Result<Array> {
    let text = |key: &str| -> Result<String> {
        let bytes = case.optional(key)?.map(|array| array.to_vec::<u8>()).transpose()?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    };
    let list = |key| case.text(key).split(';').filter(|item| !item.is_empty());
    let mut inputs = Vec::new();
    for item in list("inputs") {
        let mut parts = item.split(':');
        let (name, ty, shape) = (parts.next(), parts.next(), parts.next());
        let axes = shape.unwrap_or_default().split(',').filter(|axis| !axis.is_empty());
        let shape: Vec<usize> = axes.filter_map(|axis| axis.parse().ok()).collect();
        let array = ops::zeros(&shape, dtype(ty.unwrap_or_default()))?;
        inputs.push((name.unwrap_or_default(), array));
    }
    let outputs: Vec<(&str, &str)> = list("outputs").filter_map(|o| o.split_once(':')).collect();
    let names: Vec<&str> = inputs.iter().map(|input| input.0).collect();
    let output_names: Vec<&str> = outputs.iter().map(|output| output.0).collect();
    let kernel = metal_kernel("kernel_1", &names, &output_names, &text("source")?)
        .header(&text("header")?)
        .atomic_outputs(case.flag("atomic"))
        .build()?;
    let operands: Vec<Operand<'_>> = inputs.iter().map(|input| (&input.1).into()).collect();
    let mut call = kernel.call(&operands);
    for (_, ty) in outputs {
        call = call.output(&[2], dtype(ty));
    }
    for (name, value) in list("template").filter_map(|item| item.split_once(':')) {
        call = match (value, value.parse::<i32>()) {
            ("true" | "false", _) => call.template(name, value == "true"),
            (_, Ok(number)) => call.template(name, number),
            _ => call.template(name, dtype(value)),
        };
    }
    let bytes = call.source()?.into_bytes();
    Array::from_slice(&bytes, &[bytes.len()])
}
