//! Random numbers: MLX's generator, word for word.
//!
//! A key is a `uint32` array of two words. A stream of bits is a function of its key and its
//! length alone, so drawing is deterministic and lazy; [`split`] makes independent keys out of
//! one. Draws without a key take one from the current thread's state, which [`seed`] sets: each
//! such draw splits the state in two, keeps the first half and draws from the second.
//!
//! Bits, [`uniform`] and [`randint`] equal MLX's bit for bit. [`normal`] uses the same bits and
//! differs by the error of the inverse error function, a few units in the last place.

mod bits;

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

pub use bits::bits;

use crate::error::{Error, Result, ShapeText};
use crate::ops::{self, Operand};
use crate::{Array, Dtype, Shape};

thread_local! {
    /// The thread's key. Threads that never call [`seed`] start from different, unpredictable
    /// ones.
    static STATE: Cell<[u32; 2]> = Cell::new(words(RandomState::new().hash_one(0)));
}

fn words(seed: u64) -> [u32; 2] {
    [(seed >> 32) as u32, seed as u32]
}

/// The key of a seed.
///
/// # Errors
/// Out of memory.
pub fn key(seed: u64) -> Result<Array> {
    Array::from_slice(&words(seed), &[2])
}

/// Sets the current thread's random state, from which draws without a key take theirs.
pub fn seed(seed: u64) {
    STATE.set(words(seed));
}

/// `n` independent keys made from one, the rows of an array of shape (n, 2).
///
/// # Errors
/// As [`bits`].
pub fn split(key: &Array, n: usize) -> Result<Array> {
    bits(&[n, 2], 4, Some(key))
}

/// A fresh key out of the thread's state.
fn next_key() -> Result<Array> {
    let mut halves = [0; 4];
    anymetal_kernels::random::bits(STATE.get(), &mut halves);
    let [s0, s1, k0, k1] = halves;
    STATE.set([s0, s1]);
    Array::from_slice(&[k0, k1], &[2])
}

/// Numbers evenly distributed over `low <= x < high`, in `float32`, `float16` or `bfloat16`. The
/// limits are numbers or arrays that broadcast to `shape`.
///
/// Rounding may give `high` itself where the type is coarse, as in MLX.
///
/// ```
/// # use anymetal::{Dtype, random};
/// # fn main() -> anymetal::Result<()> {
/// let key = random::key(0)?;
/// let x = random::uniform(-1.0, 1.0, &[2, 3], Dtype::F32, Some(&key))?;
/// assert_eq!(x.shape(), [2, 3]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Another dtype; limits that do not broadcast to the shape; as [`bits`].
pub fn uniform<'a>(
    low: impl Into<Operand<'a>>,
    high: impl Into<Operand<'a>>,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    let below_one = match dtype {
        Dtype::F32 => 1.0 - f64::powi(2.0, -24),
        Dtype::F16 => 1.0 - f64::powi(2.0, -11),
        Dtype::Bf16 => 1.0 - f64::powi(2.0, -8),
        Dtype::F64 => return Err(Error::runtime("uniform", "Unsupported type.")),
        _ => {
            let message = "Can only generate uniform numbers with real floating point type.";
            return Err(Error::dtype("uniform", message, &[dtype]));
        }
    };
    let low = array(low.into()).astype(dtype)?;
    let high = array(high.into()).astype(dtype)?;
    let range = ops::subtract(&high, &low)?;
    check_limits("uniform", &range, shape)?;
    let unit = ops::divide(&bits(shape, 4, key)?, f64::from(u32::MAX))?;
    let unit = ops::minimum(&unit, below_one)?.astype(dtype)?;
    ops::add(&ops::multiply(&range, &unit)?, &low)
}

/// Integers evenly distributed over `low <= x < high`, limited to the resolution of `float32` as
/// in MLX; `low` where the range is empty. The limits are numbers or arrays that broadcast to
/// `shape`.
///
/// # Errors
/// A floating or complex dtype; limits that do not broadcast to the shape; as [`bits`].
pub fn randint<'a>(
    low: impl Into<Operand<'a>>,
    high: impl Into<Operand<'a>>,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    if !dtype.is_integer() && dtype != Dtype::Bool {
        let message = "randint only accepts integer dtypes and bool.";
        return Err(Error::dtype("randint", message, &[dtype]));
    }
    let (low, high) = (array(low.into()), array(high.into()));
    // By way of int64, so that what a narrow dtype cannot hold wraps as in MLX.
    let wide = if dtype == Dtype::U64 { dtype } else { Dtype::I64 };
    let whole = uniform(&low, &high, shape, Dtype::F32, key)?.floor()?.astype(wide)?;
    let whole = whole.astype(dtype)?;
    let last = ops::subtract(&high, 1i64)?.astype(dtype)?;
    ops::maximum(&ops::minimum(&whole, &last)?, &low.astype(dtype)?)
}

/// What [`normal_with`] may be told besides shape and dtype.
#[derive(Clone, Copy, Default)]
pub struct Normal<'a> {
    /// The mean; 0 if absent.
    pub loc: Option<Operand<'a>>,
    /// The standard deviation; 1 if absent.
    pub scale: Option<Operand<'a>>,
    /// The key; one of the thread's state if absent.
    pub key: Option<&'a Array>,
}

/// Normally distributed numbers of mean 0 and variance 1, in any floating dtype or `complex64`,
/// whose parts have variance 1/2 each.
///
/// The samples are `float32` inside, whatever the dtype: 24 bits each.
///
/// # Errors
/// Another dtype; as [`bits`].
pub fn normal(shape: &[usize], dtype: Dtype, key: Option<&Array>) -> Result<Array> {
    normal_with(shape, dtype, Normal { key, ..Normal::default() })
}

/// [`normal`] with a mean and a standard deviation, numbers or arrays that broadcast with the
/// shape.
///
/// # Errors
/// As [`normal`]; a mean or deviation that does not broadcast.
pub fn normal_with(shape: &[usize], dtype: Dtype, options: Normal<'_>) -> Result<Array> {
    let complex = dtype == Dtype::Complex64;
    if !dtype.is_float() && !complex {
        let message = "Only floating point and complex64 types are supported.";
        return Err(Error::dtype("normal", message, &[dtype]));
    }
    let above_minus_one = f64::powi(2.0, -24) - 1.0;
    let mut drawn = Shape::from_slice(shape);
    drawn.extend(complex.then_some(2));
    let samples = uniform(above_minus_one, 1.0, &drawn, Dtype::F32, options.key)?.erfinv()?;
    let convert = |limit: Operand<'_>| array(limit).astype(dtype);
    let samples = if complex {
        let pairs = ops::squeeze(&samples.view(dtype)?, -1)?;
        match options.scale {
            Some(scale) => ops::multiply(&convert(scale)?, &pairs)?,
            None => pairs,
        }
    } else {
        let root = ops::full(&[], std::f64::consts::SQRT_2, dtype)?;
        let factor = match options.scale {
            Some(scale) => ops::multiply(&root, &convert(scale)?)?,
            None => root,
        };
        ops::multiply(&factor, &samples.astype(dtype)?)?
    };
    match options.loc {
        Some(loc) => ops::add(&convert(loc)?, &samples),
        None => Ok(samples),
    }
}

fn array(operand: Operand<'_>) -> Array {
    match operand {
        Operand::Array(a) => a.clone(),
        Operand::Scalar(s) => ops::scalar(s),
    }
}

fn check_limits(op: &'static str, limits: &Array, shape: &[usize]) -> Result<()> {
    let together = ops::broadcast_shapes(limits.shape(), shape)?;
    if together.as_slice() == shape {
        return Ok(());
    }
    Err(Error::shape(
        op,
        format!(
            "Cannot generate random values of shape {} from broadcasted shape {}.",
            ShapeText(shape),
            ShapeText(&together)
        ),
        &[shape, &together],
    ))
}
