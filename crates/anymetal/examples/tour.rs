//! A tour: the published attention example, then each fused operation on random data against its
//! composed definition, with the largest error and the speed-up.
//!
//! `cargo run --release -p anymetal --example tour`

use std::time::{Duration, Instant};

use anymetal::fast::{self, AttentionOptions, Mask, RopeOptions, composed};
use anymetal::{Array, Dtype, Result, ops, random};

fn main() -> Result<()> {
    random::seed(0);
    attention_example()?;
    println!("\nEach fused operation against the same function in plain operations, float32:\n");
    println!("{:30} {:>10} {:>10} {:>9} {:>11}", "", "fused", "composed", "speed-up", "max error");

    let x = normal(&[2048, 4096])?;
    let (w, b) = (normal(&[4096])?, normal(&[4096])?);
    compare(
        "rms_norm 2048x4096",
        || fast::rms_norm(&x, Some(&w), 1e-5),
        || composed::rms_norm(&x, Some(&w), 1e-5),
    )?;
    compare(
        "layer_norm 2048x4096",
        || fast::layer_norm(&x, Some(&w), Some(&b), 1e-5),
        || composed::layer_norm(&x, Some(&w), Some(&b), 1e-5),
    )?;

    let x = normal(&[1, 32, 1024, 128])?;
    let options = RopeOptions::default();
    compare(
        "rope 1x32x1024x128",
        || fast::rope(&x, 128, &options),
        || composed::rope(&x, 128, &options),
    )?;

    let q = normal(&[1, 32, 512, 64])?;
    let (k, v) = (normal(&[1, 8, 512, 64])?, normal(&[1, 8, 512, 64])?);
    for (name, mask) in
        [("attention 32/8 heads, 512, 64", Mask::None), ("the same, causal", Mask::Causal)]
    {
        let options = AttentionOptions { mask, ..Default::default() };
        compare(
            name,
            || fast::scaled_dot_product_attention(&q, &k, &v, 0.125, &options),
            || composed::scaled_dot_product_attention(&q, &k, &v, 0.125, &options),
        )?;
    }
    Ok(())
}

/// MLX's published example of attention, here with one head of rank 3.
fn attention_example() -> Result<()> {
    let q = normal(&[2, 8, 16])?; // (batch, queries, d)
    let k = normal(&[2, 8, 16])?; // (batch, keys, d)
    let v = normal(&[2, 8, 32])?; // (batch, keys, dv)
    let scale = ops::divide(1.0, &Array::scalar(16.0).sqrt()?)?;
    // True keeps a key; (batch, 1, keys) serves every query.
    let mask = Array::from_slice(&[true; 16], &[2, 8])?.reshape(&[2, 1, 8])?;
    let plain = fast::scaled_dot_product_attention(&q, &k, &v, &scale, &Default::default())?;
    let options = AttentionOptions { mask: Mask::Array(&mask), ..Default::default() };
    let masked = fast::scaled_dot_product_attention(&q, &k, &v, &scale, &options)?;
    println!("Attention of (2, 8, 16) queries and keys over (2, 8, 32) values:");
    println!("  without a mask {:?}", plain.shape());
    println!("  with a mask that keeps all {:?}, equal: {}", masked.shape(), {
        ops::allclose(&plain, &masked, 1e-5, 1e-6, false)?.item::<bool>()?
    });
    println!("  first values {}", plain.index(&[0.into(), 0.into(), (0..4).into()])?);
    Ok(())
}

fn normal(shape: &[usize]) -> Result<Array> {
    let x = random::normal(shape, Dtype::F32, None)?;
    x.eval()?;
    Ok(x)
}

fn compare(
    name: &str,
    fused: impl Fn() -> Result<Array>,
    composed: impl Fn() -> Result<Array>,
) -> Result<()> {
    let error = ops::max(&ops::subtract(&fused()?, &composed()?)?.abs()?, (), false)?;
    let error = error.item::<f32>()?;
    let (fast, slow) = (median(&fused)?, median(&composed)?);
    println!(
        "{name:30} {:>7.3} ms {:>7.3} ms {:>8.1}x {error:>11.1e}",
        fast.as_secs_f64() * 1e3,
        slow.as_secs_f64() * 1e3,
        slow.as_secs_f64() / fast.as_secs_f64(),
    );
    Ok(())
}

/// The median time of a call, evaluation included, over at least five calls and half a second.
fn median(f: impl Fn() -> Result<Array>) -> Result<Duration> {
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 5 || start.elapsed() < Duration::from_millis(500) {
        let before = Instant::now();
        f()?.eval()?;
        times.push(before.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
