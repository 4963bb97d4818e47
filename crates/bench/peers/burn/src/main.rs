//! burn's CPU back end (burn-flex) as a benchmark peer.

#[path = "../../../src/protocol.rs"]
mod protocol;

use burn_backend::TensorData;
use burn_flex::{FlexTensor, ops};
use burn_std::ops::AttentionModuleOptions;
use protocol::{Noise, Variant, Workload, serve, visible};

fn main() {
    serve(prepare);
}

/// A variant from a call that makes a new tensor.
fn variant(name: &'static str, mut call: impl FnMut() -> FlexTensor + 'static) -> Variant {
    Variant::new(name, move || {
        std::hint::black_box(call());
        Ok(())
    })
}

fn prepare(w: &Workload) -> Vec<Variant> {
    let mut noise = Noise(0x5eed);
    let mut rand = |shape: &[usize]| {
        let values = noise.fill(shape.iter().product());
        let shape = shape.to_vec();
        FlexTensor::from_data(match w.dtype.as_str() {
            "f32" => TensorData::new(values, shape),
            "bf16" => {
                let values: Vec<_> = values.into_iter().map(half::bf16::from_f32).collect();
                TensorData::new(values, shape)
            }
            _ => {
                let values: Vec<_> = values.into_iter().map(half::f16::from_f32).collect();
                TensorData::new(values, shape)
            }
        })
    };
    match w.op.as_str() {
        "layer_norm" => {
            let (rows, d) = (w.size("rows"), w.size("d"));
            let (x, weight, bias) = (rand(&[rows, d]), rand(&[d]), rand(&[d]));
            let norm = ops::activation::layer_norm;
            vec![variant("fused", move || {
                norm(x.clone(), weight.clone(), Some(bias.clone()), 1e-5)
            })]
        }
        "sdpa" => attention(w, rand),
        "gemm" => {
            let n = w.size("n");
            let (a, b) = (rand(&[n, n]), rand(&[n, n]));
            vec![variant("matmul", move || ops::matmul::matmul(a.clone(), b.clone()))]
        }
        _ => Vec::new(),
    }
}

fn attention(w: &Workload, mut rand: impl FnMut(&[usize]) -> FlexTensor) -> Vec<Variant> {
    let [hq, hkv, lq, lk, d] = ["hq", "hkv", "lq", "lk", "d"].map(|key| w.size(key));
    let (q, k, v) = (rand(&[1, hq, lq, d]), rand(&[1, hkv, lk, d]), rand(&[1, hkv, lk, d]));
    let mask = (w.text("mask") == "bool").then(|| {
        // Its masks say what to leave out.
        let hidden: Vec<bool> = (0..lq * lk).map(|i| !visible(i / lk, i % lk)).collect();
        FlexTensor::from_data(TensorData::new(hidden, vec![1usize, 1, lq, lk]))
    });
    let causal = w.text("mask") == "causal";
    let options =
        move || AttentionModuleOptions { is_causal: causal, ..AttentionModuleOptions::default() };
    type Attend = fn(
        FlexTensor,
        FlexTensor,
        FlexTensor,
        Option<FlexTensor>,
        Option<FlexTensor>,
        AttentionModuleOptions,
    ) -> FlexTensor;
    let ways: [(&'static str, Attend); 3] = [
        ("attention", ops::attention::attention),
        ("flash", ops::attention::attention_flash),
        ("naive", ops::attention::attention_naive),
    ];
    let make = |(name, attend): (&'static str, Attend)| {
        let (q, k, v, mask) = (q.clone(), k.clone(), v.clone(), mask.clone());
        variant(name, move || {
            attend(q.clone(), k.clone(), v.clone(), mask.clone(), None, options())
        })
    };
    ways.into_iter().map(make).collect()
}
