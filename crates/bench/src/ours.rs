//! anymetal itself, called as a user of the library calls it: a node, its evaluation and the
//! allocation of its output in every call.

use crate::protocol::{Noise, Variant, Workload, visible};
use anymetal::fast::{
    AttentionOptions, Mask, RopeOptions, layer_norm, rms_norm, rope, scaled_dot_product_attention,
};
use anymetal::ops::Operand;
use anymetal::{Array, Dtype, Result, Scalar};

/// Answers the driver with `threads` threads for anymetal.
pub(crate) fn serve(threads: usize) {
    anymetal::device::with_threads(threads, || {
        crate::protocol::serve(|workload| {
            prepare(workload).unwrap_or_else(|error| {
                let reason = error.to_string();
                vec![Variant::new("inputs", move || Err(reason.clone()))]
            })
        });
    });
}

/// The one call a user would write for a workload.
fn prepare(w: &Workload) -> Result<Vec<Variant>> {
    let dtype = match w.dtype.as_str() {
        "f32" => Dtype::F32,
        "bf16" => Dtype::Bf16,
        _ => Dtype::F16,
    };
    let mut noise = Noise(0x5eed);
    let mut rand = |shape: &[usize]| {
        let array = Array::from_slice(&noise.fill(shape.iter().product()), shape)?;
        let array = array.astype(dtype)?;
        array.eval()?;
        Ok(array)
    };
    let size = |key| w.size(key);
    Ok(match w.op.as_str() {
        "rms_norm" => {
            let (x, weight) = (rand(&[size("rows"), size("d")])?, rand(&[size("d")])?);
            vec![variant(move || rms_norm(&x, Some(&weight), 1e-5))]
        }
        "layer_norm" => {
            let x = rand(&[size("rows"), size("d")])?;
            let (weight, bias) = (rand(&[size("d")])?, rand(&[size("d")])?);
            vec![variant(move || layer_norm(&x, Some(&weight), Some(&bias), 1e-5))]
        }
        "rope" => {
            let x = rand(&[size("b"), size("h"), size("t"), size("d")])?;
            let (dims, traditional) = (size("d") as i32, w.text("traditional") == "1");
            let offset = Operand::Scalar(Scalar::Int(size("offset") as i64));
            vec![variant(move || {
                rope(&x, dims, &RopeOptions { traditional, offset, ..Default::default() })
            })]
        }
        "sdpa" => attention(w, rand)?,
        "gemm" => {
            let (a, b) = (rand(&[size("n"), size("n")])?, rand(&[size("n"), size("n")])?);
            vec![variant(move || a.matmul(&b))]
        }
        _ => Vec::new(),
    })
}

fn attention(
    w: &Workload,
    mut rand: impl FnMut(&[usize]) -> Result<Array>,
) -> Result<Vec<Variant>> {
    let [hq, hkv, lq, lk, d] = ["hq", "hkv", "lq", "lk", "d"].map(|key| w.size(key));
    let (q, k, v) = (rand(&[1, hq, lq, d])?, rand(&[1, hkv, lk, d])?, rand(&[1, hkv, lk, d])?);
    let causal = w.text("mask") == "causal";
    let mask = match w.text("mask") {
        "bool" => {
            let seen: Vec<bool> = (0..lq * lk).map(|i| visible(i / lk, i % lk)).collect();
            Some(Array::from_slice(&seen, &[1, 1, lq, lk])?)
        }
        _ => None,
    };
    let scale = 1.0 / (d as f32).sqrt();
    Ok(vec![variant(move || {
        let mask = match &mask {
            Some(mask) => Mask::Array(mask),
            None if causal => Mask::Causal,
            None => Mask::None,
        };
        let options = AttentionOptions { mask, ..Default::default() };
        scaled_dot_product_attention(&q, &k, &v, scale, &options)
    })])
}

/// A call that makes a node and evaluates it; its output is dropped, so that the next call finds
/// the memory in the pool.
fn variant(mut call: impl FnMut() -> Result<Array> + 'static) -> Variant {
    Variant::new("fused", move || call().and_then(|array| array.eval()).map_err(|e| e.to_string()))
}
