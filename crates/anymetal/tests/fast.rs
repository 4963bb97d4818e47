//! The fused operations against their composed definitions: values, derivatives, mapping, strided
//! inputs, edge cases; on the CPU and on the fake device.
//!
//! The composed definitions themselves are compared with MLX and PyTorch elsewhere.

mod support;

use std::slice::from_ref;

use anymetal::fast::{self, AttentionOptions, EmptyRows, Mask, RopeOptions};
use anymetal::{Array, Dtype, Result, grad, jvp, ops, vjp, vmap};
use fastrand::Rng;
use support::matrix::random::fresh;
use support::{close, everywhere, normal};

/// Tolerance of one rounding to a dtype, with room for the different order of float32 sums.
fn rounding(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => 1.5e-3,
        Dtype::Bf16 => 1.2e-2,
        _ => 2e-5,
    }
}

const FLOATS: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64];

#[test]
fn rms_norm_is_its_definition() {
    everywhere(|| {
        let mut r = fresh();
        for shape in [&[5, 7][..], &[1, 4096], &[3, 2, 33], &[0, 4], &[4, 0], &[1], &[2, 1000]] {
            for dtype in FLOATS {
                let n = shape[shape.len() - 1];
                let x = normal(&mut r, shape).astype(dtype)?;
                let w = normal(&mut r, &[n]).astype(dtype)?;
                for w in [None, Some(&w)] {
                    let y = fast::rms_norm(&x, w, 1e-5)?;
                    let z = fast::composed::rms_norm(&x, w, 1e-5)?;
                    assert_eq!((y.shape(), y.dtype()), (z.shape(), z.dtype()));
                    close(&y, &z, rounding(dtype))?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn layer_norm_is_its_definition() {
    everywhere(|| {
        let mut r = fresh();
        for shape in [&[5, 7][..], &[1, 4096], &[3, 2, 33], &[0, 4], &[4, 0]] {
            for dtype in FLOATS {
                let n = shape[shape.len() - 1];
                let x = normal(&mut r, shape).astype(dtype)?;
                let (w, b) =
                    (normal(&mut r, &[n]).astype(dtype)?, normal(&mut r, &[n]).astype(dtype)?);
                for (w, b) in
                    [(None, None), (Some(&w), None), (None, Some(&b)), (Some(&w), Some(&b))]
                {
                    let y = fast::layer_norm(&x, w, b, 1e-5)?;
                    let z = fast::composed::layer_norm(&x, w, b, 1e-5)?;
                    assert_eq!((y.shape(), y.dtype()), (z.shape(), z.dtype()));
                    close(&y, &z, rounding(dtype))?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn norms_take_strided_inputs_and_mixed_dtypes() {
    everywhere(|| {
        let mut r = fresh();
        let x = normal(&mut r, &[6, 5, 8]);
        let w = normal(&mut r, &[5]);
        let transposed = x.swapaxes(1, 2)?;
        let odd = x.index(&[
            (..).into(),
            ops::Index::Range { start: None, stop: None, step: -1 },
            (1..6).into(),
        ])?;
        for (x, w) in [(&transposed, &w), (&odd, &w)] {
            for w in [w.clone(), w.astype(Dtype::F16)?, w.astype(Dtype::F64)?] {
                for x in [x.clone(), x.astype(Dtype::Bf16)?] {
                    let y = fast::rms_norm(&x, Some(&w), 1e-6)?;
                    close(&y, &fast::composed::rms_norm(&x, Some(&w), 1e-6)?, rounding(y.dtype()))?;
                    let y = fast::layer_norm(&x, Some(&w), Some(&w), 1e-6)?;
                    let z = fast::composed::layer_norm(&x, Some(&w), Some(&w), 1e-6)?;
                    close(&y, &z, rounding(y.dtype()))?;
                }
            }
        }
        let ints = Array::from_slice(&[1i32, -2, 3, 4], &[2, 2])?;
        let w = Array::from_slice(&[1.0f32, 2.0], &[2])?;
        let y = fast::rms_norm(&ints, Some(&w), 0.0)?;
        assert_eq!(y.dtype(), Dtype::F32);
        close(&y, &fast::composed::rms_norm(&ints, Some(&w), 0.0)?, 1e-6)
    });
}

/// Every derivative of a fused function equals that of its definition.
fn derivatives_agree(
    fused: impl Fn(&[Array]) -> Result<Array>,
    composed: impl Fn(&[Array]) -> Result<Array>,
    inputs: &[Array],
    tolerance: f64,
    r: &mut Rng,
) -> Result<()> {
    let seed = normal(r, fused(inputs)?.shape());
    let (_, a) = vjp(|x| Ok(vec![fused(x)?]), inputs, from_ref(&seed))?;
    let (_, b) = vjp(|x| Ok(vec![composed(x)?]), inputs, from_ref(&seed))?;
    for (a, b) in a.iter().zip(&b) {
        close(a, b, tolerance)?;
    }
    let tangents: Vec<Array> = inputs.iter().map(|x| normal(r, x.shape())).collect();
    let (_, a) = jvp(|x| Ok(vec![fused(x)?]), inputs, &tangents)?;
    let (_, b) = jvp(|x| Ok(vec![composed(x)?]), inputs, &tangents)?;
    close(&a[0], &b[0], tolerance)?;
    // Second order: the gradient of a scalar made of first gradients.
    let numbers: Vec<isize> = (0..inputs.len() as isize).collect();
    let energy = |f: &dyn Fn(&[Array]) -> Result<Array>, x: &[Array]| -> Result<Array> {
        let loss = |x: &[Array]| ops::sum(&ops::multiply(&f(x)?, &seed)?.sin()?, (), false);
        let grads = grad(loss, &numbers)(x)?;
        grads.iter().try_fold(Array::scalar(0.0), |total, g| {
            ops::add(&total, &ops::sum(&g.square()?, (), false)?)
        })
    };
    let a = grad(|x| energy(&fused, x), &numbers)(inputs)?;
    let b = grad(|x| energy(&composed, x), &numbers)(inputs)?;
    for (a, b) in a.iter().zip(&b) {
        close(a, b, tolerance * 20.0)?;
    }
    // Mapped over a new axis of every input, and of the first alone.
    let stacked: Vec<Array> = inputs
        .iter()
        .map(|x| ops::stack(&[x.clone(), normal(r, x.shape())], 0))
        .collect::<Result<_>>()?;
    let loop_over = |inputs: [&[Array]; 2]| ops::stack(&[fused(inputs[0])?, fused(inputs[1])?], 0);
    let row = |i: isize, all: bool| -> Result<Vec<Array>> {
        stacked
            .iter()
            .enumerate()
            .map(|(k, s)| if all || k == 0 { s.index(&[i.into()]) } else { Ok(inputs[k].clone()) })
            .collect()
    };
    let mapped = vmap(|x| Ok(vec![fused(x)?]), &stacked, &[], &[])?;
    close(&mapped[0], &loop_over([&row(0, true)?, &row(1, true)?])?, tolerance)?;
    let mut first = inputs.to_vec();
    first[0] = stacked[0].clone();
    let axes: Vec<Option<isize>> = (0..inputs.len()).map(|k| (k == 0).then_some(0)).collect();
    let mapped = vmap(|x| Ok(vec![fused(x)?]), &first, &axes, &[])?;
    close(&mapped[0], &loop_over([&row(0, false)?, &row(1, false)?])?, tolerance)
}

#[test]
fn norm_derivatives() {
    everywhere(|| {
        let mut r = fresh();
        let (x, w, b) = (normal(&mut r, &[3, 4, 9]), normal(&mut r, &[9]), normal(&mut r, &[9]));
        let both = [x.clone(), w.clone()];
        derivatives_agree(
            |a| fast::rms_norm(&a[0], a.get(1), 1e-5),
            |a| fast::composed::rms_norm(&a[0], a.get(1), 1e-5),
            &both,
            1e-4,
            &mut r,
        )?;
        derivatives_agree(
            |a| fast::layer_norm(&a[0], a.get(1), a.get(2), 1e-5),
            |a| fast::composed::layer_norm(&a[0], a.get(1), a.get(2), 1e-5),
            &[x.clone(), w.clone(), b.clone()],
            1e-4,
            &mut r,
        )?;
        // Bias without weight, weight without bias: the placeholders must not be mixed up.
        derivatives_agree(
            |a| fast::layer_norm(&a[0], None, a.get(1), 1e-5),
            |a| fast::composed::layer_norm(&a[0], None, a.get(1), 1e-5),
            &[x.clone(), b],
            1e-4,
            &mut r,
        )?;
        derivatives_agree(
            |a| fast::layer_norm(&a[0], a.get(1), None, 1e-5),
            |a| fast::composed::layer_norm(&a[0], a.get(1), None, 1e-5),
            &both,
            1e-4,
            &mut r,
        )
    });
}

#[test]
fn gradients_keep_the_dtypes_of_their_arguments() -> Result<()> {
    let mut r = fresh();
    let (x, w) = (normal(&mut r, &[4, 8]).astype(Dtype::F16)?, normal(&mut r, &[8]));
    let loss = |a: &[Array]| ops::sum(&fast::rms_norm(&a[0], Some(&a[1]), 1e-5)?, (), false);
    let grads = grad(loss, &[0, 1])(&[x, w])?;
    assert_eq!([grads[0].dtype(), grads[1].dtype()], [Dtype::F16, Dtype::F32]);
    Ok(())
}

#[test]
fn rope_is_its_definition() {
    everywhere(|| {
        let mut r = fresh();
        let offsets = Array::from_slice(&[3i32, -7], &[2])?;
        let freqs = ops::add(&normal(&mut r, &[4]).square()?, 0.1)?;
        for traditional in [false, true] {
            for shape in
                [&[2, 5, 8][..], &[2, 3, 5, 12], &[2, 1, 2, 1, 9], &[2, 0, 8], &[2, 3, 0, 8]]
            {
                for dtype in FLOATS {
                    let x = normal(&mut r, shape).astype(dtype)?;
                    let base = RopeOptions { traditional, scale: 0.7, ..Default::default() };
                    let cases = [
                        base,
                        RopeOptions { offset: (&offsets).into(), ..base },
                        RopeOptions { offset: 100_000i64.into(), ..base },
                        RopeOptions { base: None, freqs: Some(&freqs), ..base },
                    ];
                    for options in cases {
                        let y = fast::rope(&x, 8, &options)?;
                        let z = fast::composed::rope(&x, 8, &options)?;
                        assert_eq!((y.shape(), y.dtype()), (z.shape(), z.dtype()));
                        // The angle's own float32 rounding at position 1e5 is 4e-3 radians' ulp
                        // times the difference of the two frequency formulas.
                        let tolerance = rounding(dtype).max(
                            2e-2 * (matches!(
                                options.offset,
                                ops::Operand::Scalar(anymetal::Scalar::Int(100_000))
                            ) as u8 as f64),
                        );
                        close(&y, &z, tolerance)?;
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn rope_derivatives() {
    everywhere(|| {
        let mut r = fresh();
        for traditional in [false, true] {
            let x = normal(&mut r, &[2, 3, 4, 10]);
            let options = RopeOptions { traditional, ..Default::default() };
            derivatives_agree(
                |a| fast::rope(&a[0], 8, &options),
                |a| fast::composed::rope(&a[0], 8, &options),
                from_ref(&x),
                1e-4,
                &mut r,
            )?;
            let freqs = ops::add(&normal(&mut r, &[4]).square()?, 0.5)?;
            let with = |f: &Array, x: &Array, fused: bool| {
                let o = RopeOptions { base: None, freqs: Some(f), ..options };
                if fused { fast::rope(x, 8, &o) } else { fast::composed::rope(x, 8, &o) }
            };
            let run = |fused: bool| {
                let loss = |a: &[Array]| ops::sum(&with(&a[1], &a[0], fused)?.sin()?, (), false);
                grad(loss, &[0, 1])(&[x.clone(), freqs.clone()])
            };
            for (a, b) in run(true)?.iter().zip(&run(false)?) {
                close(a, b, 1e-4)?;
            }
        }
        Ok(())
    });
}

#[test]
fn rope_leaves_other_features_alone() -> Result<()> {
    let nan = f32::from_bits(0x7fc1_2345);
    let x = Array::from_slice(&[1.0, 2.0, nan, -0.0], &[1, 1, 4])?;
    let o = RopeOptions { offset: 5i64.into(), ..Default::default() };
    let y = fast::rope(&x, 2, &o)?.to_vec::<f32>()?;
    assert_eq!([y[2].to_bits(), y[3].to_bits()], [nan.to_bits(), (-0.0f32).to_bits()]);
    Ok(())
}

/// Shapes (B, Hq, Hkv, Tq, Tk, D, Dv).
const ATTENTION: [[usize; 7]; 8] = [
    [1, 2, 2, 5, 7, 8, 8],
    [2, 6, 2, 3, 9, 16, 24],
    [1, 4, 1, 1, 70, 33, 5],
    [1, 2, 1, 40, 33, 64, 64],
    [2, 2, 2, 0, 3, 4, 4],
    [2, 2, 2, 3, 0, 4, 4],
    [1, 2, 2, 3, 4, 0, 4],
    [1, 2, 2, 3, 4, 4, 0],
];

#[test]
fn attention_is_its_definition() {
    everywhere(|| {
        let mut r = fresh();
        for [b, hq, hkv, tq, tk, d, dv] in ATTENTION {
            for dtype in FLOATS {
                let q = normal(&mut r, &[b, hq, tq, d]).astype(dtype)?;
                let k = normal(&mut r, &[b, hkv, tk, d]).astype(dtype)?;
                let v = normal(&mut r, &[b, hkv, tk, dv]).astype(dtype)?;
                let sinks = normal(&mut r, &[hq]).astype(dtype)?;
                let bools = ops::greater(&normal(&mut r, &[b, 1, tq, tk]), -0.3)?;
                let added = normal(&mut r, &[tq, tk]).astype(dtype)?;
                for mask in [Mask::None, Mask::Causal, Mask::Array(&bools), Mask::Array(&added)] {
                    for sinks in [None, Some(&sinks)] {
                        let o = AttentionOptions { mask, sinks, ..Default::default() };
                        let y = fast::scaled_dot_product_attention(&q, &k, &v, 0.3, &o)?;
                        let z = fast::composed::scaled_dot_product_attention(
                            &q,
                            &k,
                            &v,
                            0.3f32 as f64,
                            &o,
                        )?;
                        assert_eq!((y.shape(), y.dtype()), (z.shape(), z.dtype()));
                        close(&y, &z, rounding(dtype))?;
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn attention_takes_token_major_views() {
    everywhere(|| {
        let mut r = fresh();
        let x = |r: &mut Rng, h| normal(r, &[2, 11, h, 16]).swapaxes(1, 2);
        let (q, k, v) = (x(&mut r, 4)?, x(&mut r, 2)?, x(&mut r, 2)?);
        let o = AttentionOptions { mask: Mask::Causal, ..Default::default() };
        let y = fast::scaled_dot_product_attention(&q, &k, &v, 0.25, &o)?;
        close(&y, &fast::composed::scaled_dot_product_attention(&q, &k, &v, 0.25, &o)?, 2e-5)?;
        let t = |x: &Array| x.swapaxes(2, 3);
        let y = fast::scaled_dot_product_attention(
            &t(&q)?,
            &t(&k)?,
            &t(&v)?,
            0.25,
            &Default::default(),
        );
        assert!(y.is_ok_and(|y| y.eval().is_ok()));
        Ok(())
    });
}

#[test]
fn attention_derivatives() {
    everywhere(|| {
        let mut r = fresh();
        let inputs = [
            normal(&mut r, &[1, 4, 3, 6]),
            normal(&mut r, &[1, 2, 5, 6]),
            normal(&mut r, &[1, 2, 5, 4]),
        ];
        let bools = ops::greater(&normal(&mut r, &[3, 5]), -0.5)?;
        for mask in [Mask::None, Mask::Causal, Mask::Array(&bools)] {
            let o = AttentionOptions { mask, ..Default::default() };
            derivatives_agree(
                |a| fast::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.5, &o),
                |a| fast::composed::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.5, &o),
                &inputs,
                1e-4,
                &mut r,
            )?;
        }
        let [q, k, v] = inputs;
        let extra = [q, k, v, normal(&mut r, &[3, 5]), normal(&mut r, &[4])];
        let run = |a: &[Array], fused: bool| {
            let o = AttentionOptions {
                mask: Mask::Array(&a[3]),
                sinks: Some(&a[4]),
                ..Default::default()
            };
            if fused {
                fast::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.5, &o)
            } else {
                fast::composed::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.5, &o)
            }
        };
        derivatives_agree(|a| run(a, true), |a| run(a, false), &extra, 1e-4, &mut r)
    });
}

/// A gradient does not depend on which others are asked for beside it.
#[test]
fn gradients_of_one_argument_alone() {
    everywhere(|| {
        let mut r = fresh();
        type Function = fn(&[Array]) -> Result<Vec<Array>>;
        let rms: Function = |a| Ok(vec![fast::rms_norm(&a[0], Some(&a[1]), 1e-5)?]);
        let layer: Function =
            |a| Ok(vec![fast::layer_norm(&a[0], Some(&a[1]), Some(&a[2]), 1e-5)?]);
        let attention: Function = |a| {
            let o = AttentionOptions { sinks: Some(&a[3]), ..Default::default() };
            Ok(vec![fast::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.5, &o)?])
        };
        let cases: [(Function, &[&[usize]], &[usize]); 3] = [
            (rms, &[&[3, 5, 33], &[33]], &[3, 5, 33]),
            (layer, &[&[3, 5, 33], &[33], &[33]], &[3, 5, 33]),
            (attention, &[&[1, 4, 3, 6], &[1, 2, 5, 6], &[1, 2, 5, 4], &[4]], &[1, 4, 3, 4]),
        ];
        for (function, shapes, out) in cases {
            let inputs: Vec<Array> = shapes.iter().map(|shape| normal(&mut r, shape)).collect();
            let seed = normal(&mut r, out);
            let (_, all) = vjp(function, &inputs, from_ref(&seed))?;
            for (i, expected) in all.iter().enumerate() {
                let one = |x: &[Array]| {
                    let mut inputs = inputs.clone();
                    inputs[i] = x[0].clone();
                    function(&inputs)
                };
                let (_, grads) = vjp(one, &inputs[i..=i], from_ref(&seed))?;
                assert_eq!(grads[0].to_vec::<f32>()?, expected.to_vec::<f32>()?);
            }
        }
        Ok(())
    });
}

/// What the composed definition's gradients are, for long sequences: several blocks of query rows
/// with a causal mask across them, and for a mask that is itself derived.
#[test]
fn attention_gradients_in_blocks() -> Result<()> {
    let mut r = fresh();
    let mut inputs: Vec<Array> = (0..3).map(|_| normal(&mut r, &[1, 2, 3000, 8])).collect();
    inputs.push(normal(&mut r, &[1, 1, 3000]));
    let seed = normal(&mut r, &[1, 2, 3000, 8]);
    for causal in [true, false] {
        let run = |a: &[Array], fused: bool| {
            let mask = if causal { Mask::Causal } else { Mask::Array(&a[3]) };
            let o = AttentionOptions { mask, ..Default::default() };
            let y = if fused {
                fast::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.35, &o)?
            } else {
                fast::composed::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.35, &o)?
            };
            Ok(vec![y])
        };
        let (_, a) = vjp(|a| run(a, true), &inputs, from_ref(&seed))?;
        let (_, b) = vjp(|a| run(a, false), &inputs, from_ref(&seed))?;
        for (a, b) in a.iter().zip(&b) {
            // Gradients of keys sum thousands of rows in different orders.
            close(a, b, 2e-4)?;
        }
    }
    Ok(())
}

/// The gradient of a result that was read before, whose node has run without keeping what the
/// gradient needs.
#[test]
fn attention_derived_after_it_was_read() {
    everywhere(|| {
        let mut r = fresh();
        let inputs = [
            normal(&mut r, &[1, 4, 9, 8]),
            normal(&mut r, &[1, 2, 11, 8]),
            normal(&mut r, &[1, 2, 11, 4]),
        ];
        let seed = normal(&mut r, &[1, 4, 9, 4]);
        let run = |a: &[Array], read: bool| {
            let o = AttentionOptions { mask: Mask::Causal, ..Default::default() };
            let y = fast::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.35, &o)?;
            if read {
                y.eval()?;
            }
            Ok(vec![y])
        };
        let (_, a) = vjp(|a| run(a, true), &inputs, from_ref(&seed))?;
        let (_, b) = vjp(|a| run(a, false), &inputs, &[seed])?;
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
        }
        Ok(())
    });
}

/// Gradients of halves are those of the same numbers in `float32`, but for their own rounding and
/// that of the output, from which the kernel takes a sum.
#[test]
fn attention_gradients_of_halves() {
    everywhere(|| {
        let mut r = fresh();
        let shapes = [[2, 4, 9, 16], [2, 2, 13, 16], [2, 2, 13, 8]];
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let narrow: Vec<Array> =
                shapes.iter().map(|s| normal(&mut r, s).astype(dtype)).collect::<Result<_>>()?;
            let wide: Vec<Array> =
                narrow.iter().map(|a| a.astype(Dtype::F32)).collect::<Result<_>>()?;
            let seed = normal(&mut r, &[2, 4, 9, 8]).astype(dtype)?;
            let run = |a: &[Array]| {
                let o = AttentionOptions { mask: Mask::Causal, ..Default::default() };
                let y = fast::scaled_dot_product_attention(&a[0], &a[1], &a[2], 0.25, &o)?;
                Ok(vec![y])
            };
            let (_, a) = vjp(run, &narrow, from_ref(&seed))?;
            let (_, b) = vjp(run, &wide, &[seed.astype(Dtype::F32)?])?;
            for (a, b) in a.iter().zip(&b) {
                assert_eq!(a.dtype(), dtype);
                // A few roundings of numbers of about 1 to 4.
                close(a, b, 8.0 * rounding(dtype))?;
            }
        }
        Ok(())
    });
}

#[test]
fn rows_without_visible_keys() {
    everywhere(|| {
        let mut r = fresh();
        let q = normal(&mut r, &[1, 1, 2, 4]);
        let (k, v) = (normal(&mut r, &[1, 1, 3, 4]), normal(&mut r, &[1, 1, 3, 4]));
        let none = ops::zeros(&[2, 3], Dtype::Bool)?;
        let minus = ops::full(&[2, 3], f64::NEG_INFINITY, Dtype::F32)?;
        let sinks = Array::from_slice(&[0.5f32], &[1])?;
        let run = |mask, sinks, empty_rows| {
            let o = AttentionOptions {
                mask: Mask::Array(mask),
                sinks,
                empty_rows,
                ..Default::default()
            };
            fast::scaled_dot_product_attention(&q, &k, &v, 1.0, &o)?.to_vec::<f32>()
        };
        let mean = ops::broadcast_to(&ops::mean(&v, 2, true)?, &[1, 1, 2, 4])?;
        let y = Array::from_slice(&run(&none, None, EmptyRows::Mean)?, &[1, 1, 2, 4])?;
        close(&y, &mean, 1e-6)?;
        assert!(run(&minus, None, EmptyRows::Mean)?.iter().all(|y| y.is_nan()));
        for (mask, sinks) in
            [(&none, None), (&minus, None), (&none, Some(&sinks)), (&minus, Some(&sinks))]
        {
            assert_eq!(run(mask, sinks, EmptyRows::Zero)?, [0.0; 8]);
        }
        assert_eq!(run(&none, Some(&sinks), EmptyRows::Mean)?, [0.0; 8]);
        Ok(())
    });
}

#[test]
fn the_published_attention_example() -> Result<()> {
    let q = anymetal::random::normal(&[2, 8, 16], Dtype::F32, None)?;
    let k = anymetal::random::normal(&[2, 8, 16], Dtype::F32, None)?;
    let v = anymetal::random::normal(&[2, 8, 32], Dtype::F32, None)?;
    let scale = ops::divide(1.0, &Array::scalar(16.0).sqrt()?)?;
    let mask = Array::from_slice(&[true; 16], &[2, 8])?.reshape(&[2, 1, 8])?;
    let plain = fast::scaled_dot_product_attention(&q, &k, &v, &scale, &Default::default())?;
    let o = AttentionOptions { mask: Mask::Array(&mask), ..Default::default() };
    let masked = fast::scaled_dot_product_attention(&q, &k, &v, &scale, &o)?;
    assert_eq!((plain.shape(), masked.shape()), (&[2, 8, 32][..], &[2, 8, 32][..]));
    close(&plain, &masked, 1e-6)
}
