//! candle as a benchmark peer: its fused operations and its compositions of plain ones.

#[path = "../../../src/protocol.rs"]
mod protocol;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};
use candle_nn::{ops, rotary_emb};
use protocol::{Noise, Variant, Workload, serve, visible};

fn main() {
    serve(|workload| prepare(workload).unwrap_or_else(|e| vec![broken(e.to_string())]));
}

fn broken(reason: String) -> Variant {
    Variant::new("inputs", move || Err(reason.clone()))
}

/// A variant from a call that makes a new tensor.
fn variant(name: &'static str, mut call: impl FnMut() -> Result<Tensor> + 'static) -> Variant {
    Variant::new(name, move || match call() {
        Ok(tensor) => {
            std::hint::black_box(tensor);
            Ok(())
        }
        Err(e) => Err(e.to_string()),
    })
}

fn prepare(w: &Workload) -> Result<Vec<Variant>> {
    let dtype = match w.dtype.as_str() {
        "f32" => DType::F32,
        "bf16" => DType::BF16,
        _ => DType::F16,
    };
    let mut noise = Noise(0x5eed);
    let mut rand = |shape: &[usize]| {
        let values = noise.fill(shape.iter().product());
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)
    };
    match w.op.as_str() {
        "rms_norm" | "layer_norm" => {
            let (rows, d) = (w.size("rows"), w.size("d"));
            let (x, weight, bias) = (rand(&[rows, d])?, rand(&[d])?, rand(&[d])?);
            let (x2, weight2, bias2) = (x.clone(), weight.clone(), bias.clone());
            Ok(if w.op == "rms_norm" {
                vec![
                    variant("fused", move || ops::rms_norm(&x, &weight, 1e-5)),
                    variant("plain", move || ops::rms_norm_slow(&x2, &weight2, 1e-5)),
                ]
            } else {
                vec![
                    variant("fused", move || ops::layer_norm(&x, &weight, &bias, 1e-5)),
                    variant("plain", move || ops::layer_norm_slow(&x2, &weight2, &bias2, 1e-5)),
                ]
            })
        }
        "rope" => {
            let (t, d) = (w.size("t"), w.size("d"));
            let x = rand(&[w.size("b"), w.size("h"), t, d])?;
            let (cos, sin) = (rand(&[t, d / 2])?, rand(&[t, d / 2])?);
            let (x2, cos2, sin2) = (x.clone(), cos.clone(), sin.clone());
            Ok(if w.text("traditional") == "1" {
                vec![
                    variant("fused", move || rotary_emb::rope_i(&x, &cos, &sin)),
                    variant("plain", move || rotary_emb::rope_i_slow(&x2, &cos2, &sin2)),
                ]
            } else {
                vec![
                    variant("fused", move || rotary_emb::rope(&x, &cos, &sin)),
                    variant("plain", move || rotary_emb::rope_slow(&x2, &cos2, &sin2)),
                ]
            })
        }
        "sdpa" => attention(w, dtype, rand),
        "gemm" => {
            let n = w.size("n");
            let (a, b) = (rand(&[n, n])?, rand(&[n, n])?);
            Ok(vec![variant("matmul", move || a.matmul(&b))])
        }
        _ => Ok(Vec::new()),
    }
}

fn attention(
    w: &Workload,
    dtype: DType,
    mut rand: impl FnMut(&[usize]) -> Result<Tensor>,
) -> Result<Vec<Variant>> {
    let [hq, hkv, lq, lk, d] = ["hq", "hkv", "lq", "lk", "d"].map(|key| w.size(key));
    let scale = 1.0 / (d as f32).sqrt();
    // Its flash attention takes (batch, length, heads, size) and additive masks.
    let (q, k, v) = (rand(&[1, lq, hq, d])?, rand(&[1, lk, hkv, d])?, rand(&[1, lk, hkv, d])?);
    let causal = w.text("mask") == "causal";
    let masked = w.text("mask") != "none";
    let seen = |i: usize| {
        let (row, column) = (i / lk, i % lk);
        if causal { column + lq <= row + lk } else { visible(row, column) }
    };
    let mask = (0..lq * lk).map(|i| if seen(i) { 0.0 } else { f32::NEG_INFINITY }).collect();
    let mask: Tensor = Tensor::from_vec::<_, f32>(mask, (1, 1, lq, lk), &Device::Cpu)?;
    let mask = mask.to_dtype(dtype)?;
    let heads_first = |t: &Tensor| t.transpose(1, 2)?.contiguous();
    let (qh, kh, vh) = (heads_first(&q)?, heads_first(&k)?, heads_first(&v)?);
    let added = mask.clone();
    let flash = variant("flash", move || {
        let mask = match (causal, masked) {
            (true, _) => AttnMask::causal(),
            (_, true) => AttnMask::Mask(mask.clone()),
            _ => AttnMask::None,
        };
        match dtype {
            DType::F32 => flash_attn::<f32>(&q, &k, &v, scale, mask, None, None),
            DType::BF16 => flash_attn::<half::bf16>(&q, &k, &v, scale, mask, None, None),
            _ => flash_attn::<half::f16>(&q, &k, &v, scale, mask, None, None),
        }
    });
    let plain = variant("plain", move || {
        let (k, v) = (repeat(&kh, hq / hkv)?, repeat(&vh, hq / hkv)?);
        let scores = (qh.matmul(&k.transpose(D::Minus2, D::Minus1)?)? * f64::from(scale))?;
        let scores = if masked { scores.broadcast_add(&added)? } else { scores };
        ops::softmax_last_dim(&scores)?.matmul(&v)
    });
    Ok(vec![flash, plain])
}

/// Every head of `x` `count` times.
fn repeat(x: &Tensor, count: usize) -> Result<Tensor> {
    if count == 1 {
        return Ok(x.clone());
    }
    let (b, h, l, d) = x.dims4()?;
    x.unsqueeze(2)?.expand((b, h, count, l, d))?.reshape((b, h * count, l, d))
}
