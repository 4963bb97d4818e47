//! General matrix products of the crates `gemm-f32` and `gemm-f64`, behind checked slices.

use gemm_common::Parallelism;

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

/// A product as the crates want it: `m`, `n`, `k`; the result, its column and row steps, whether it
/// is added to; left and right, each with its column and row steps; factors of the result so far
/// and of the product; which of the three to conjugate; threads.
type Gemm<T> = unsafe fn(
    usize,
    usize,
    usize,
    *mut T,
    isize,
    isize,
    bool,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    T,
    bool,
    bool,
    bool,
    Parallelism,
);

/// A type that the crates multiply matrices of.
pub(crate) trait Multiply: Compute {
    /// The product for this CPU.
    fn product() -> Gemm<Self>;
}

impl Multiply for f32 {
    fn product() -> Gemm<f32> {
        gemm_f32::gemm::f32::get_gemm_fn()
    }
}

impl Multiply for f64 {
    fn product() -> Gemm<f64> {
        gemm_f64::gemm::f64::get_gemm_fn()
    }
}

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
    // The crates want results whose columns are contiguous, so the transposed product is asked for,
    // and the step along the sum of what is then the left matrix not to be negative.
    let (mut left, mut right) =
        (b.data.as_ptr().wrapping_add(b.at), a.data.as_ptr().wrapping_add(a.at));
    let (mut left_step, mut right_step) = (b.rows, a.columns);
    if left_step < 0 {
        left = left.wrapping_offset((k - 1) as isize * left_step);
        right = right.wrapping_offset((k - 1) as isize * right_step);
        (left_step, right_step) = (-left_step, -right_step);
    }
    // SAFETY: `out` is exclusively borrowed and has m * n elements; the assertion above says that
    // all of a's and b's elements, k * m and k * n of them at the given steps, lie inside their
    // slices, in whichever direction the sum goes over them.
    unsafe {
        T::product()(
            n,
            m,
            k,
            out.as_mut_ptr(),
            n as isize,
            1,
            false,
            left,
            left_step,
            b.columns,
            right,
            a.rows,
            right_step,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
