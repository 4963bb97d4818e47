//! Matrix products.
//!
//! General products of floats go to the crates `gemm-f32` and `gemm-f64`, cut into row blocks for the
//! threads; halves are converted to `f32`, accumulated there and rounded once; those of complex
//! numbers are one product of real matrices with twice the rows and columns. Products with few rows,
//! which are bound by reading the other matrix, and products of integers have loops of their own.

use crate::data::{Complex64, Element, Layout, Slice, SliceMut, bf16, f16};
use crate::reduce::row_sum;
use crate::simd::gemm::{Matrix, Multiply, gemm};
use crate::simd::{self, Isa, Kernel};
use crate::stage::{
    self, BLOCK, Blocks, Compute, Cursor, Stage, blocks, permuted, typed, typed_mut, with_block,
};
use crate::{Bool, par};

/// With at most this many rows, reading the right matrix is what takes the time.
const FEW: usize = 4;

/// `out[.., i, j] = sum over k of a[.., i, k] * b[.., k, j]`: the last two axes are matrices, the
/// axes before them have one shape (broadcast with zero strides). All have one dtype; integers
/// wrap, bool is computed as or of ands. A vector is a matrix with one row or column.
///
/// Accuracy: sums run in `f32` for halves and `f32`, in the dtype itself otherwise, in blocks of
/// independent partial sums.
///
/// # Panics
/// If the dtypes differ.
pub fn matmul(a: Slice<'_>, la: &Layout, b: Slice<'_>, lb: &Layout, out: SliceMut<'_>) {
    assert!(a.dtype() == b.dtype() && b.dtype() == out.dtype(), "matrices of one dtype");
    let shape = Product::new(la, lb);
    debug_assert_eq!(shape.batch * shape.m * shape.n, out.len());
    if out.is_empty() {
        return;
    }
    match out {
        SliceMut::F32(out) => shape.floats::<f32>(a, b, out),
        SliceMut::F64(out) => shape.floats::<f64>(a, b, out),
        SliceMut::F16(out) => shape.floats::<f16>(a, b, out),
        SliceMut::Bf16(out) => shape.floats::<bf16>(a, b, out),
        SliceMut::Complex64(out) => shape.floats::<Complex64>(a, b, out),
        SliceMut::Bool(_)
        | SliceMut::U8(_)
        | SliceMut::U16(_)
        | SliceMut::U32(_)
        | SliceMut::U64(_)
        | SliceMut::I8(_)
        | SliceMut::I16(_)
        | SliceMut::I32(_)
        | SliceMut::I64(_) => {
            with_dtype!(out.dtype(), T => shape.rows::<T>(a, b, typed_mut::<T>(out)))
        }
    }
}

/// The layouts of a product. Leading batch axes that only repeat `b` count as rows of `a` where
/// their steps allow it.
struct Product {
    a: Layout,
    b: Layout,
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
}

impl Product {
    fn new(a: &Layout, b: &Layout) -> Product {
        let axes = a.ndim();
        let (k, n) = (b.shape[axes - 2], b.shape[axes - 1]);
        let rows = permuted(a, 0..axes - 1).collapsed();
        if b.strides[..axes - 2].iter().all(|&s| s == 0) && rows.ndim() <= 1 && !a.is_empty() {
            let (&m, &step) =
                (rows.shape.first().unwrap_or(&1), rows.strides.first().unwrap_or(&1));
            let a = Layout {
                shape: [m, k][..].into(),
                strides: [step, a.strides[axes - 1]][..].into(),
                offset: a.offset,
            };
            return Product { a, b: permuted(b, axes - 2..axes), batch: 1, m, k, n };
        }
        let batch = a.shape[..axes - 2].iter().product();
        Product { batch, m: a.shape[axes - 2], k, n, a: a.clone(), b: b.clone() }
    }

    /// The product of the transposed matrices in turn, for results of one column.
    fn turned(&self) -> Product {
        let turn = |l: &Layout| permuted(l, (0..l.ndim() - 2).chain([l.ndim() - 1, l.ndim() - 2]));
        Product {
            a: turn(&self.b),
            b: turn(&self.a),
            batch: self.batch,
            m: self.n,
            k: self.k,
            n: self.m,
        }
    }

    /// Nanoseconds for one row of the result at some 50 multiplications a nanosecond.
    fn row_ns(&self) -> f64 {
        (self.k * self.n) as f64 / 50.0 + 20.0
    }

    fn floats<T: Stage<Compute: General>>(&self, a: Slice<'_>, b: Slice<'_>, out: &mut [T]) {
        if self.m <= FEW {
            return self.rows::<T>(a, b, out);
        }
        if self.n == 1 {
            return self.turned().rows::<T>(b, a, out);
        }
        let (a, b) = (typed::<T>(a), typed::<T>(b));
        match (
            RealOf::<T>::unwrap(T::wrap(a)),
            RealOf::<T>::unwrap(T::wrap(b)),
            RealOf::<T>::unwrap_mut(T::wrap_mut(&mut *out)),
        ) {
            (Some(a), Some(b), Some(out)) => self.direct(a, b, out),
            _ => self.converted(a, b, out),
        }
    }

    /// Row blocks of the result, each with its matrices: `f(a, b, rows, out)` where `a` and `b`
    /// are positions of a row of `a` and of a matrix of `b`.
    fn row_blocks<U: Send>(&self, out: &mut [U], f: impl Fn(usize, usize, usize, &mut [U]) + Sync) {
        let outer = self.a.ndim() - 2;
        let step = self.a.strides[outer];
        par::rows_mut(out, self.batch * self.m, self.n, self.row_ns(), |rows, out| {
            let mut row = rows.start;
            let mut rest = out;
            while row < rows.end {
                let (matrix, i) = (row / self.m, row % self.m);
                let count = (self.m - i).min(rows.end - row);
                let (now, later) = rest.split_at_mut(count * self.n);
                let first = Cursor::new(&self.a, outer, matrix).position() as isize;
                let b = Cursor::new(&self.b, outer, matrix).position();
                f((first + i as isize * step) as usize, b, count, now);
                (row, rest) = (row + count, later);
            }
        });
    }

    fn direct<C: Multiply + Sync + Send>(&self, a: &[C], b: &[C], out: &mut [C]) {
        let outer = self.a.ndim() - 2;
        let matrix = |data, l: &Layout, at| Matrix {
            data,
            at,
            rows: l.strides[outer],
            columns: l.strides[outer + 1],
        };
        self.row_blocks(out, |at_a, at_b, m, out| {
            let (a, b) = (matrix(a, &self.a, at_a), matrix(b, &self.b, at_b));
            gemm((m, self.k, self.n), a, b, out);
        });
    }

    /// Each matrix is converted as a whole, in row-major order.
    fn converted<T: Stage<Compute: General>>(&self, a: &[T], b: &[T], out: &mut [T]) {
        let outer = self.a.ndim() - 2;
        let (k, n, level, parts) = (self.k, self.n, simd::level(), T::Compute::PARTS);
        let a = blocks::<T::Compute>(T::wrap(a), &self.a);
        // Repeated matrices are converted once.
        let mut distinct = self.b.clone();
        for (n, &step) in distinct.shape[..outer].iter_mut().zip(&self.b.strides) {
            *n = if step == 0 { 1 } else { *n };
        }
        let source = blocks::<T::Compute>(T::wrap(b), &distinct);
        let right = T::Compute::right(&*source, distinct.len(), n);
        let mut places = Layout::contiguous(&distinct.shape);
        for (place, &step) in places.strides.iter_mut().zip(&self.b.strides[..outer]) {
            *place = if step == 0 { 0 } else { *place };
        }
        places.shape = self.b.shape.clone();
        par::rows_mut(out, self.batch * self.m, n, self.row_ns(), |rows, out| {
            let mut left = vec![T::Compute::ZERO; PANEL.min(rows.len()) * k];
            let mut product = vec![T::Compute::ZERO; PANEL.min(rows.len()) * n];
            let (mut row, mut rest) = (rows.start, out);
            while row < rows.end {
                let (matrix, i) = (row / self.m, row % self.m);
                let count = (self.m - i).min(rows.end - row).min(PANEL);
                let (now, later) = rest.split_at_mut(count * n);
                let (left, product) = (&mut left[..count * k], &mut product[..count * n]);
                for (i, block) in left.chunks_mut(BLOCK).enumerate() {
                    a.read(row * k + i * BLOCK, block);
                }
                let (k, n) = (parts * k, parts * n);
                let left = bytemuck::cast_slice(left);
                let a = Matrix { data: left, at: 0, rows: k as isize, columns: 1 };
                let at = Cursor::new(&places, outer, matrix).position() * parts * parts;
                let b = Matrix { data: &right, at, rows: n as isize, columns: 1 };
                gemm((count, k, n), a, b, bytemuck::cast_slice_mut(product));
                stage::store(level, product, now);
                (row, rest) = (row + count, later);
            }
        });
    }

    /// A few rows at a time share each read of `b`: sums of scaled rows of it, or inner products
    /// where its columns are the contiguous ones.
    fn rows<T: Stage>(&self, a: Slice<'_>, b: Slice<'_>, out: &mut [T])
    where
        T::Compute: Accumulate,
    {
        let (m, k, n) = (self.m, self.k, self.n);
        let axes = self.b.ndim();
        let a = blocks::<T::Compute>(a, &self.a);
        let steps = [axes - 2, axes - 1].map(|axis| self.b.strides[axis].unsigned_abs());
        let inner = steps[0] < steps[1] || n == 1;
        let order = if inner { [axes - 1, axes - 2] } else { [axes - 2, axes - 1] };
        let b = blocks::<T::Compute>(b, &permuted(&self.b, (0..axes - 2).chain(order)));
        // A few rows are one task, which may itself be spread over columns.
        let unit = if m <= FEW { m } else { 1 };
        let unit_ns = (unit * k * n) as f64 / 8.0;
        par::rows_mut(out, self.batch * m / unit, unit * n, unit_ns, |units, out| {
            let (mut left, mut result) = (Vec::new(), Vec::new());
            let (mut row, mut rest) = (units.start * unit, out);
            while !rest.is_empty() {
                let count = FEW.min(m - row % m).min(rest.len() / n);
                let (now, later) = rest.split_at_mut(count * n);
                left.resize(count * k, T::Compute::ZERO);
                for (i, block) in left.chunks_mut(BLOCK).enumerate() {
                    a.read(row * k + i * BLOCK, block);
                }
                result.resize(count * n, T::Compute::ZERO);
                let few = Few { left: &left, rows: count, k, n, first: row / m * k * n };
                if inner {
                    few.inner_products(&*b, &mut result);
                } else {
                    few.combinations(&*b, &mut result);
                }
                let (across, down) = if inner { (1, count) } else { (n, 1) };
                for (i, line) in now.chunks_mut(n).enumerate() {
                    for (j, o) in line.iter_mut().enumerate() {
                        *o = T::down(result[i * across + j * down]);
                    }
                }
                (row, rest) = (row + count, later);
            }
        });
    }
}

/// A few rows to be multiplied with a matrix whose elements begin at `first`.
struct Few<'a, C> {
    left: &'a [C],
    rows: usize,
    k: usize,
    n: usize,
    first: usize,
}

impl<C: Accumulate> Few<'_, C> {
    /// With a matrix that is read column by column; results come column by column.
    fn inner_products(&self, b: &dyn Blocks<C>, result: &mut [C]) {
        let (k, level) = (self.k, simd::level());
        result.fill(C::ZERO);
        if k == 0 {
            return;
        }
        let column_ns = 5.0 + (self.rows * k) as f64 / 16.0;
        par::rows_mut(result, self.n, self.rows, column_ns, |columns, result| {
            // Short columns are read several at a time.
            let group = (BLOCK / k).max(1);
            for (i, sums) in result.chunks_mut(group * self.rows).enumerate() {
                let start = self.first + (columns.start + i * group) * k;
                let count = sums.len() / self.rows;
                for at in (0..k).step_by(BLOCK) {
                    let len = BLOCK.min(k - at);
                    with_block(b, start + at, count * len, |b| {
                        let left = &self.left[at..];
                        simd::dispatch(level, Dots { left, step: k, columns: b, len, sums });
                    });
                }
            }
        });
    }

    /// With a matrix that is read row by row; results come row by row. Threads take ranges of the
    /// matrix' rows, which they read from end to end, and add up their sums in order.
    fn combinations(&self, b: &dyn Blocks<C>, result: &mut [C]) {
        let (size, level) = (result.len(), simd::level());
        let pieces = par::pieces(self.k, size as f64 / 8.0);
        if pieces == 1 {
            return self.combination(level, b, 0..self.k, result);
        }
        let mut partial = vec![C::ZERO; pieces * size];
        par::chunks_mut(&mut partial, size, |i, sums| {
            self.combination(level, b, par::piece(self.k, pieces, i), sums);
        });
        result.fill(C::ZERO);
        for sums in partial.chunks(size) {
            simd::dispatch(level, Axpy(C::ONE, sums, result));
        }
    }

    fn combination(
        &self,
        level: simd::Level,
        b: &dyn Blocks<C>,
        range: std::ops::Range<usize>,
        sums: &mut [C],
    ) {
        sums.fill(C::ZERO);
        for column in (0..self.n).step_by(WIDTH) {
            let end = self.n.min(column + WIDTH);
            for k in range.clone() {
                for at in (column..end).step_by(BLOCK) {
                    let len = BLOCK.min(end - at);
                    with_block(b, self.first + k * self.n + at, len, |b| {
                        for (row, sums) in sums.chunks_mut(self.n).enumerate() {
                            let factor = self.left[row * self.k + k];
                            simd::dispatch(level, Axpy(factor, b, &mut sums[at..at + len]));
                        }
                    });
                }
            }
        }
    }
}

/// Columns of sums held at a time: long enough to read memory in long runs, short enough for the
/// first-level cache.
const WIDTH: usize = 4 * BLOCK;

/// Rows of the left matrix converted at a time.
const PANEL: usize = 256;

/// A compute type with a wrapping multiply-add.
trait Accumulate: Compute {
    fn sum(self, b: Self) -> Self;
    fn row_sum(row: &[Self]) -> Self;
    fn multiply_add<I: Isa>(self, a: Self, b: Self) -> Self;
}

macro_rules! accumulate {
    ($($ty:ty: |$s:ident, $a:ident, $b:ident| $sum:expr, $fma:expr;)*) => {$(
        impl Accumulate for $ty {
            #[inline(always)]
            fn sum(self, $b: Self) -> Self { let $s = self; $sum }
            #[inline(always)]
            fn row_sum(row: &[Self]) -> Self { row_sum(row) }
            #[inline(always)]
            fn multiply_add<I: Isa>(self, $a: Self, $b: Self) -> Self { let $s = self; $fma }
        }
    )*};
}

accumulate! {
    f32: |s, a, b| s + b, I::fma(a, b, s);
    f64: |s, a, b| s + b, I::fma64(a, b, s);
    i32: |s, a, b| s.wrapping_add(b), s.wrapping_add(a.wrapping_mul(b));
    i64: |s, a, b| s.wrapping_add(b), s.wrapping_add(a.wrapping_mul(b));
    u32: |s, a, b| s.wrapping_add(b), s.wrapping_add(a.wrapping_mul(b));
    u64: |s, a, b| s.wrapping_add(b), s.wrapping_add(a.wrapping_mul(b));
    Complex64: |s, a, b| s + b, s + a * b;
}

/// A compute type whose general products are products of real matrices.
trait General: Accumulate {
    /// Of what.
    type Real: Multiply;
    /// How many of those make one of these, and lie in its memory.
    const PARTS: usize;
    /// The right matrices, `len` elements in rows of `n`, with `PARTS` rows and columns for each
    /// row and column, such that the product of the parts of the left matrix with them gives the
    /// parts of the product.
    fn right(matrices: &dyn Blocks<Self>, len: usize, n: usize) -> Vec<Self::Real>;
}

type RealOf<T> = <<T as Stage>::Compute as General>::Real;

macro_rules! real {
    ($($ty:ty)*) => {$(
        impl General for $ty {
            type Real = $ty;
            const PARTS: usize = 1;
            fn right(matrices: &dyn Blocks<Self>, len: usize, _: usize) -> Vec<Self> {
                let mut out = vec![0.0; len];
                let read = |start, out: &mut [Self]| matrices.read(start, out);
                stage::spread(&mut out, 2.0 * stage::MOVE_NS, &read);
                out
            }
        }
    )*};
}
real!(f32 f64);

impl General for Complex64 {
    type Real = f32;
    const PARTS: usize = 2;

    /// `(x + iy) (u + iv)` has the parts `x u + y (-v)` and `x v + y u`: an element becomes the two
    /// rows `u, v` and `-v, u`.
    fn right(matrices: &dyn Blocks<Self>, len: usize, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; 4 * len];
        par::rows_mut(&mut out, len / n, 4 * n, 8.0 * stage::MOVE_NS * n as f64, |rows, out| {
            let mut block = [Complex64::ZERO; BLOCK];
            for (row, out) in rows.zip(out.chunks_exact_mut(4 * n)) {
                let (upper, lower) = out.split_at_mut(2 * n);
                let pairs = upper.chunks_mut(2 * BLOCK).zip(lower.chunks_mut(2 * BLOCK));
                for (i, (upper, lower)) in pairs.enumerate() {
                    let block = &mut block[..upper.len() / 2];
                    matrices.read(row * n + i * BLOCK, block);
                    let places = upper.as_chunks_mut().0.iter_mut().zip(lower.as_chunks_mut().0);
                    for (z, (upper, lower)) in block.iter().zip(places) {
                        (*upper, *lower) = ([z.re, z.im], [-z.im, z.re]);
                    }
                }
            }
        });
        out
    }
}

/// Adds the inner products of every row, `step` apart, with every column, `len` long.
struct Dots<'a, C> {
    left: &'a [C],
    step: usize,
    columns: &'a [C],
    len: usize,
    sums: &'a mut [C],
}

impl<C: Accumulate> Kernel for Dots<'_, C> {
    type Output = ();
    const WIDE: bool = C::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Dots { left, step, columns, len, sums } = self;
        let rows = sums.len() / (columns.len() / len);
        // Products first and their sum after is two simple loops, which compilers vectorise; in
        // one loop with fused operations they see only scalars.
        let mut products = [C::ZERO; BLOCK];
        let products = &mut products[..len];
        for (column, sums) in columns.chunks_exact(len).zip(sums.chunks_exact_mut(rows)) {
            for (row, sum) in left.chunks(step).zip(sums) {
                for ((p, &a), &b) in products.iter_mut().zip(&row[..len]).zip(column) {
                    *p = C::ZERO.multiply_add::<I>(a, b);
                }
                *sum = sum.sum(C::row_sum(products));
            }
        }
    }
}

/// `sum += factor * x`.
struct Axpy<'a, C>(C, &'a [C], &'a mut [C]);

impl<C: Accumulate> Kernel for Axpy<'_, C> {
    type Output = ();
    const WIDE: bool = C::WIDE;
    #[inline(always)]
    fn run<I: Isa>(self) {
        for (s, &x) in self.2.iter_mut().zip(self.1) {
            *s = s.multiply_add::<I>(self.0, x);
        }
    }
}
