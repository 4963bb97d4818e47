//! Loops over blocks, and the notation for tables of operations.

use std::marker::PhantomData;

use crate::simd::{Isa, Kernel, Level, Plain, dispatch};
use crate::stage::Compute;

/// An operation on one element; `call` is `#[inline(always)]`.
pub(super) trait Map1<C, V> {
    fn call<I: Isa>(x: C) -> V;
}

/// An operation on two elements; `call` is `#[inline(always)]`.
pub(super) trait Map2<C, V> {
    fn call<I: Isa>(a: C, b: C) -> V;
}

struct Loop1<'a, K, C, V>(&'a [C], &'a mut [V], PhantomData<K>);

impl<K: Map1<C, V>, C: Compute, V> Kernel for Loop1<'_, K, C, V> {
    type Output = ();
    const WIDE: bool = C::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (o, &x) in self.1.iter_mut().zip(self.0) {
            *o = K::call::<I>(x);
        }
    }
}

/// `out[i] = K(x[i])`.
pub(super) fn map1<K: Map1<C, V>, C: Compute, V>(level: Level, x: &[C], out: &mut [V]) {
    dispatch(level, Loop1::<K, C, V>(x, out, PhantomData));
}

/// The same, compiled once: for what gains nothing from wider registers.
pub(super) fn portable1<K: Map1<C, V>, C: Compute, V>(_level: Level, x: &[C], out: &mut [V]) {
    Loop1::<K, C, V>(x, out, PhantomData).run::<Plain>();
}

struct Loop2<'a, K, C, V>(&'a [C], &'a [C], &'a mut [V], PhantomData<K>);

impl<K: Map2<C, V>, C: Compute, V> Kernel for Loop2<'_, K, C, V> {
    type Output = ();
    const WIDE: bool = C::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        for ((o, &a), &b) in self.2.iter_mut().zip(self.0).zip(self.1) {
            *o = K::call::<I>(a, b);
        }
    }
}

/// `out[i] = K(a[i], b[i])`.
pub(super) fn map2<K: Map2<C, V>, C: Compute, V>(level: Level, a: &[C], b: &[C], out: &mut [V]) {
    dispatch(level, Loop2::<K, C, V>(a, b, out, PhantomData));
}

/// The same, compiled once.
pub(super) fn portable2<K: Map2<C, V>, C: Compute, V>(_: Level, a: &[C], b: &[C], out: &mut [V]) {
    Loop2::<K, C, V>(a, b, out, PhantomData).run::<Plain>();
}

/// A table from operations to loops: each row gives the element's formula, in which `$I` is the
/// instruction set; operations without a row give `None`. `$map` makes the loops.
macro_rules! table1 {
    ($op:expr, $map:ident, <$T:ident: $bound:path> -> $V:ty, |$I:ident, $x:ident| { $($name:ident => $body:expr,)* }) => {
        match $op {
            $(UnaryOp::$name => {
                struct Row;
                impl<$T: $bound> Map1<$T, $V> for Row {
                    #[inline(always)]
                    #[allow(unused_variables, reason = "constant rows")]
                    fn call<$I: Isa>($x: $T) -> $V { $body }
                }
                Some($map::<Row, _, _>)
            })*
            _ => None,
        }
    };
}

/// The same for operations on two elements.
macro_rules! table2 {
    ($op:expr, $map:ident, <$T:ident: $bound:path> -> $V:ty, |$I:ident, $a:ident, $b:ident| { $($name:ident => $body:expr,)* }) => {
        match $op {
            $(BinaryOp::$name => {
                struct Row;
                impl<$T: $bound> Map2<$T, $V> for Row {
                    #[inline(always)]
                    #[allow(unused_variables, reason = "constant rows")]
                    fn call<$I: Isa>($a: $T, $b: $T) -> $V { $body }
                }
                Some($map::<Row, _, _>)
            })*
            _ => None,
        }
    };
}

pub(super) use {table1, table2};
