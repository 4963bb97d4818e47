//! What several test files use: random arrays, devices, comparison.
#![allow(dead_code, reason = "every test crate that includes this uses a part of it")]

pub(crate) mod matrix;

use std::panic::Location;

use anymetal::device::fake;
use anymetal::{Array, Device, Dtype, Result};
use fastrand::Rng;

/// A float32 array of standard normal numbers (by Box-Muller), independent of the library's own
/// generator.
pub(crate) fn normal(rng: &mut Rng, shape: &[usize]) -> Array {
    let n: usize = shape.iter().product();
    let mut number = || {
        let (u, v) = (1.0 - rng.f64(), rng.f64());
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    };
    let data: Vec<f32> = (0..n).map(|_| number()).collect();
    Array::from_slice(&data, shape).unwrap()
}

/// Runs a check on the CPU and on the fake device, and on the CPU in the places of [`matrix`]
/// that are drawn for the caller.
#[track_caller]
pub(crate) fn everywhere(check: impl Fn() -> Result<()>) {
    for device in [Device::cpu(), fake::device()] {
        device.stream().scope(&check).unwrap_or_else(|e| panic!("on {device:?}: {e}"));
    }
    let caller = Location::caller();
    for place in matrix::places((caller.file(), caller.line())) {
        matrix::at(place, &check).unwrap_or_else(|e| panic!("at {place:?}: {e}"));
    }
}

/// Checks equal shapes and `|a - b| <= tolerance * (1 + |b|)` everywhere, NaN where b is.
pub(crate) fn close(a: &Array, b: &Array, tolerance: f64) -> Result<()> {
    assert_eq!(a.shape(), b.shape());
    let (x, y) = (a.astype(Dtype::F64)?.to_vec::<f64>()?, b.astype(Dtype::F64)?.to_vec::<f64>()?);
    for (i, (x, y)) in x.iter().zip(&y).enumerate() {
        let fine =
            (x - y).abs() <= tolerance * (1.0 + y.abs()) || x == y || (x.is_nan() && y.is_nan());
        assert!(fine, "element {i} of {:?} ({}): {x} is not {y}", a.shape(), a.dtype());
    }
    Ok(())
}
