//! The combining operations of reductions, as loops over blocks.

use std::marker::PhantomData;

use super::ReduceOp;
use crate::data::Complex64;
use crate::simd::{Isa, Kernel, Level, dispatch};
use crate::stage::Compute;

/// A reduction's loops for one compute type.
pub(super) struct Fold<C> {
    /// What nothing reduces to.
    pub(super) identity: C,
    /// Reduces each row of `n` elements of the block to an element of `out`.
    pub(super) rows: fn(Level, &[C], usize, &mut [C]),
    /// `sum[i] = sum[i] op x[i]`.
    pub(super) merge: fn(Level, &[C], &mut [C]),
}

/// A compute type with its reductions.
pub(super) trait Reducible: Compute {
    fn fold(op: ReduceOp) -> Option<Fold<Self>>;
}

/// The largest of a row, NaN if there is one; for use in other kernels.
#[inline(always)]
pub(super) fn row_max<C: Compute>(row: &[C]) -> C
where
    Max: Combine<C>,
{
    if row.len() < 128 { lanes::<C, Max, 8>(row) } else { lanes::<C, Max, 32>(row) }
}

/// The sum of a row; for use in other kernels.
#[inline(always)]
pub(crate) fn row_sum<C: Compute>(row: &[C]) -> C
where
    Sum: Combine<C>,
{
    if row.len() < 128 { lanes::<C, Sum, 8>(row) } else { lanes::<C, Sum, 32>(row) }
}

/// A commutative operation; `call` is `#[inline(always)]`.
pub(crate) trait Combine<C> {
    const IDENTITY: C;
    fn call(a: C, b: C) -> C;
}

pub(crate) struct Sum;
struct Prod;
struct Min;
pub(super) struct Max;
struct Any;
struct All;

impl<C: Compute> Combine<C> for Any {
    const IDENTITY: C = C::ZERO;
    #[inline(always)]
    fn call(a: C, b: C) -> C {
        if a.truthy() || b.truthy() { C::ONE } else { C::ZERO }
    }
}

impl<C: Compute> Combine<C> for All {
    const IDENTITY: C = C::ONE;
    #[inline(always)]
    fn call(a: C, b: C) -> C {
        if a.truthy() && b.truthy() { C::ONE } else { C::ZERO }
    }
}

macro_rules! combine {
    ($($op:ident for $($ty:ty),*: $identity:expr, |$a:ident, $b:ident| $body:expr;)*) => {$($(
        impl Combine<$ty> for $op {
            const IDENTITY: $ty = $identity;
            #[inline(always)]
            fn call($a: $ty, $b: $ty) -> $ty { $body }
        }
    )*)*};
}

combine! {
    Sum for f32, f64: 0.0, |a, b| a + b;
    Sum for i32, i64, u32, u64: 0, |a, b| a.wrapping_add(b);
    Sum for Complex64: Complex64::ZERO, |a, b| a + b;
    Prod for f32, f64: 1.0, |a, b| a * b;
    Prod for i32, i64, u32, u64: 1, |a, b| a.wrapping_mul(b);
    Prod for Complex64: Complex64::ONE, |a, b| a * b;
    Min for f32: f32::INFINITY, |a, b| if a < b || a.is_nan() { a } else { b };
    Max for f32: f32::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b };
    Min for f64: f64::INFINITY, |a, b| if a < b || a.is_nan() { a } else { b };
    Max for f64: f64::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b };
    Min for i32: i32::MAX, |a, b| a.min(b);
    Max for i32: i32::MIN, |a, b| a.max(b);
    Min for i64: i64::MAX, |a, b| a.min(b);
    Max for i64: i64::MIN, |a, b| a.max(b);
    Min for u32: u32::MAX, |a, b| a.min(b);
    Max for u32: u32::MIN, |a, b| a.max(b);
    Min for u64: u64::MAX, |a, b| a.min(b);
    Max for u64: u64::MIN, |a, b| a.max(b);
}

macro_rules! reducible {
    ($($ty:ty)*) => {$(
        impl Reducible for $ty {
            fn fold(op: ReduceOp) -> Option<Fold<Self>> {
                match op {
                    ReduceOp::Sum => Some(loops::<Self, Sum>()),
                    ReduceOp::Prod => Some(loops::<Self, Prod>()),
                    ReduceOp::Min => Some(loops::<Self, Min>()),
                    ReduceOp::Max => Some(loops::<Self, Max>()),
                    ReduceOp::Any => Some(loops::<Self, Any>()),
                    ReduceOp::All => Some(loops::<Self, All>()),
                    ReduceOp::LogSumExp => None,
                }
            }
        }
    )*};
}

reducible! { f32 f64 i32 i64 u32 u64 }

impl Reducible for Complex64 {
    fn fold(op: ReduceOp) -> Option<Fold<Self>> {
        match op {
            ReduceOp::Sum => Some(loops::<Self, Sum>()),
            ReduceOp::Prod => Some(loops::<Self, Prod>()),
            ReduceOp::Any => Some(loops::<Self, Any>()),
            ReduceOp::All => Some(loops::<Self, All>()),
            ReduceOp::Min | ReduceOp::Max | ReduceOp::LogSumExp => None,
        }
    }
}

fn loops<C: Compute, K: Combine<C>>() -> Fold<C> {
    Fold {
        identity: K::IDENTITY,
        rows: |level, x, n, out| dispatch(level, Rows::<C, K>(x, n, out, PhantomData)),
        merge: |level, x, sum| dispatch(level, Merge::<C, K>(x, sum, PhantomData)),
    }
}

struct Rows<'a, C, K>(&'a [C], usize, &'a mut [C], PhantomData<K>);

impl<C: Compute, K: Combine<C>> Kernel for Rows<'_, C, K> {
    type Output = ();
    const WIDE: bool = C::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Rows(x, n, out, _) = self;
        // Short rows have few independent partial results, whose combination would take longer
        // than the row; 32 are enough to fill the adders of any CPU.
        for (o, row) in out.iter_mut().zip(x.chunks_exact(n)) {
            *o = match n {
                0..8 => row.iter().fold(K::IDENTITY, |a, &b| K::call(a, b)),
                8..128 => lanes::<C, K, 8>(row),
                _ => lanes::<C, K, 32>(row),
            };
        }
    }
}

/// Reduces a row in `N` independent lanes, and these in a tree.
#[inline(always)]
fn lanes<C: Compute, K: Combine<C>, const N: usize>(row: &[C]) -> C {
    let (chunks, rest) = row.as_chunks::<N>();
    let mut lanes = [K::IDENTITY; N];
    for chunk in chunks {
        for l in 0..N {
            lanes[l] = K::call(lanes[l], chunk[l]);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane = K::call(*lane, v);
    }
    let mut width = N / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = K::call(lanes[l], lanes[l + width]);
        }
        width /= 2;
    }
    lanes[0]
}

struct Merge<'a, C, K>(&'a [C], &'a mut [C], PhantomData<K>);

impl<C: Compute, K: Combine<C>> Kernel for Merge<'_, C, K> {
    type Output = ();
    const WIDE: bool = C::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (s, &x) in self.1.iter_mut().zip(self.0) {
            *s = K::call(*s, x);
        }
    }
}
