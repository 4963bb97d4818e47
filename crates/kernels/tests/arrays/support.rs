//! Random strided arrays, and runs over instruction sets and thread counts.

use anymetal_kernels::{Element, Layout, par, simd};

/// A small generator (xorshift*), so that a seed says everything.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 32) as usize * n) >> 32
    }

    /// In 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In -1..1.
    pub(crate) fn signed(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }
}

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
        let broadcasts = rng.below(3) == 0;
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
        let plain = rng.below(4) == 0;
        let mut order: Vec<usize> = (0..shape.len()).rev().collect();
        if !plain && rng.below(2) == 0 {
            for i in (1..order.len()).rev() {
                order.swap(i, rng.below(i + 1));
            }
        }
        let (mut step, mut offset) = (1, rng.below(3));
        for &axis in &order {
            let n = shape[axis];
            if !plain && broadcasts && rng.below(2) == 0 {
                layout.strides[axis] = 0;
                continue;
            }
            if !plain && rng.below(4) == 0 {
                step += rng.below(3);
            }
            layout.strides[axis] = step as isize;
            if !plain && rng.below(4) == 0 && n > 0 {
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

/// Runs a seeded check `n` times, each on a random available level and thread count (with
/// `ANYMETAL_TEST_FULL` on all of them), and names the seed if it panics.
pub(crate) fn check(n: u64, f: impl Fn(&mut Rng)) {
    struct Name(u64, simd::Level, usize);
    impl Drop for Name {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with seed {} on {:?} with {} threads", self.0, self.1, self.2);
            }
        }
    }
    let levels = simd::available();
    let full = std::env::var_os("ANYMETAL_TEST_FULL").is_some();
    for seed in 0..n {
        let mut rng = Rng::new(seed + 1);
        let drawn = (levels[rng.below(levels.len())], [1, 2, 5][rng.below(3)]);
        let every = levels.iter().flat_map(|&level| [1, 2, 5].map(|threads| (level, threads)));
        for (level, threads) in every.filter(|&place| full || place == drawn) {
            let _name = Name(seed, level, threads);
            let mut rng = rng.clone();
            simd::with_level(level, || par::with_threads(threads, || f(&mut rng)));
        }
    }
}

/// A shape of up to four axes, sometimes with an empty one, sometimes large.
pub(crate) fn random_shape(rng: &mut Rng, axes: usize) -> Vec<usize> {
    let large = rng.below(30) == 0;
    let mut shape: Vec<usize> = (0..axes)
        .map(|_| match rng.below(12) {
            0 => 1,
            1 if rng.below(8) == 0 => 0,
            _ => 1 + rng.below(9),
        })
        .collect();
    if large && axes > 0 {
        let axis = rng.below(axes);
        let rest: usize = shape.iter().map(|&n| n.max(1)).product::<usize>() / shape[axis].max(1);
        shape[axis] = 200_000 / rest.max(1) + rng.below(17);
    } else if axes > 0 && rng.below(3) == 0 {
        let axis = rng.below(axes);
        shape[axis] = 10 + rng.below(120);
    }
    shape
}
