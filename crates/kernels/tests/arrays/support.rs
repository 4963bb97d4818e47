//! Random strided arrays, and runs over instruction sets and thread counts.

use crate::random::cases;
use anymetal_kernels::{Element, Layout, par, simd};
use fastrand::Rng;

/// Elements with a layout.
#[derive(Clone, Debug)]
pub(crate) struct Strided<T> {
    pub(crate) data: Vec<T>,
    pub(crate) layout: Layout,
}

impl<T: Element> Strided<T> {
    /// An array of `shape` with permuted axes, negative and non-unit steps, gaps and broadcast
    /// axes, each now and then.
    pub(crate) fn random(rng: &mut Rng, shape: &[usize], f: impl FnMut(&mut Rng) -> T) -> Self {
        let broadcasts = rng.usize(..3) == 0;
        Self::with(rng, shape, broadcasts, f)
    }

    /// The same without broadcast axes: every element has a place of its own.
    pub(crate) fn distinct(rng: &mut Rng, shape: &[usize], f: impl FnMut(&mut Rng) -> T) -> Self {
        Self::with(rng, shape, false, f)
    }

    fn with(
        rng: &mut Rng,
        shape: &[usize],
        broadcasts: bool,
        mut f: impl FnMut(&mut Rng) -> T,
    ) -> Self {
        let mut layout = Layout::contiguous(shape);
        let plain = rng.usize(..4) == 0;
        let mut order: Vec<usize> = (0..shape.len()).rev().collect();
        if !plain && rng.bool() {
            rng.shuffle(&mut order);
        }
        let (mut step, mut offset) = (1, rng.usize(..3));
        for &axis in &order {
            let n = shape[axis];
            if !plain && broadcasts && rng.bool() {
                layout.strides[axis] = 0;
                continue;
            }
            if !plain && rng.usize(..4) == 0 {
                step += rng.usize(..3);
            }
            layout.strides[axis] = step as isize;
            if !plain && rng.usize(..4) == 0 && n > 0 {
                layout.strides[axis] = -(step as isize);
                offset += step * (n - 1);
            }
            step *= n.max(1);
        }
        layout.offset = offset;
        let len = offset + step + 3;
        Strided { data: (0..len).map(|_| f(rng)).collect(), layout }
    }

    /// The elements in row-major order.
    pub(crate) fn values(&self) -> Vec<T> {
        positions(&self.layout).into_iter().map(|p| self.data[p]).collect()
    }
}

/// Where the elements are, in row-major order.
pub(crate) fn positions(layout: &Layout) -> Vec<usize> {
    (0..layout.len())
        .map(|mut rest| {
            let mut at = layout.offset as isize;
            for (&n, &step) in layout.shape.iter().zip(&layout.strides).rev() {
                at += (rest % n) as isize * step;
                rest /= n;
            }
            at as usize
        })
        .collect()
}

/// Every index of a shape, in row-major order.
pub(crate) fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let len = shape.iter().product();
    (0..len)
        .map(|mut rest| {
            let mut index = vec![0; shape.len()];
            for (i, &n) in index.iter_mut().zip(shape).rev() {
                (*i, rest) = (rest % n, rest / n);
            }
            index
        })
        .collect()
}

/// Runs a check in `n` random cases, each on a random available level and thread count (with
/// `ANYMETAL_TEST_FULL` on all of them), which are named if it panics.
pub(crate) fn check(n: u64, f: impl Fn(&mut Rng)) {
    struct Name(simd::Level, usize);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed on {:?} with {} threads", self.0, self.1);
            }
        }
    }
    let levels = simd::available();
    let full = std::env::var_os("ANYMETAL_TEST_FULL").is_some();
    cases(n, |rng| {
        let drawn = (*rng.choice(&levels).unwrap(), rng.choice([1, 2, 5]).unwrap());
        let every = levels.iter().flat_map(|&level| [1, 2, 5].map(|threads| (level, threads)));
        for (level, threads) in every.filter(|&place| full || place == drawn) {
            let _name = Name(level, threads);
            let mut rng = rng.clone();
            simd::with_level(level, || par::with_threads(threads, || f(&mut rng)));
        }
    });
}

/// A shape of up to four axes, sometimes with an empty one, sometimes large.
pub(crate) fn random_shape(rng: &mut Rng, axes: usize) -> Vec<usize> {
    let large = rng.usize(..30) == 0;
    let mut shape: Vec<usize> = (0..axes)
        .map(|_| match rng.usize(..12) {
            0 => 1,
            1 if rng.usize(..8) == 0 => 0,
            _ => 1 + rng.usize(..9),
        })
        .collect();
    if large && axes > 0 {
        let axis = rng.usize(..axes);
        let rest: usize = shape.iter().map(|&n| n.max(1)).product::<usize>() / shape[axis].max(1);
        shape[axis] = 200_000 / rest.max(1) + rng.usize(..17);
    } else if axes > 0 && rng.usize(..3) == 0 {
        let axis = rng.usize(..axes);
        shape[axis] = 10 + rng.usize(..120);
    }
    shape
}
