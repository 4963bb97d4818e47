//! The general matrix product of the `gemm` crate, behind checked slices.

use crate::data::Complex64;
use crate::stage::Compute;

/// A strided matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    /// Position of the first element.
    pub(crate) at: usize,
    /// Step from a row to the next.
    pub(crate) rows: isize,
    /// Step from a column to the next.
    pub(crate) columns: isize,
}

impl<T> Matrix<'_, T> {
    /// Whether all elements of an `m` by `n` matrix (neither zero) are in the slice.
    fn holds(&self, m: usize, n: usize) -> bool {
        let reach = |n: usize, step: isize| (n as isize - 1).checked_mul(step);
        let (Some(down), Some(right)) = (reach(m, self.rows), reach(n, self.columns)) else {
            return false;
        };
        let first = self.at as isize;
        let low = first.checked_add(down.min(0)).and_then(|p| p.checked_add(right.min(0)));
        let high = first.checked_add(down.max(0)).and_then(|p| p.checked_add(right.max(0)));
        low.is_some_and(|p| p >= 0) && high.is_some_and(|p| (p as usize) < self.data.len())
    }
}

/// A type that the crate multiplies matrices of.
pub(crate) trait Multiply: Compute {}

impl Multiply for f32 {}
impl Multiply for f64 {}
impl Multiply for Complex64 {}

/// `out = a b` for `a` of m x k, `b` of k x n and a row-major `out`, on this thread.
///
/// # Panics
/// If `out` is not m x n or a matrix reaches out of its slice.
pub(crate) fn gemm<T: Multiply>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
) {
    assert_eq!(out.len(), m * n);
    if m == 0 || n == 0 || k == 0 {
        return out.fill(T::ZERO);
    }
    assert!(a.holds(m, k) && b.holds(k, n), "a matrix reaches out of its slice");
    // SAFETY: `out` is exclusively borrowed and has m * n elements; the assertion above says that
    // all of a's and b's elements, k * m and k * n of them at the given steps, lie inside their
    // slices. `T` is one of the types the crate knows (the trait is implemented for no other).
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.data.as_ptr().add(a.at),
            a.columns,
            a.rows,
            b.data.as_ptr().add(b.at),
            b.columns,
            b.rows,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            ::gemm::Parallelism::None,
        );
    }
}
