//! The oracle: dense float64 arrays with obvious code. Nothing here knows the library.

/// A row-major array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct T {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// Every index tuple of a shape, in row-major order.
pub(crate) fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &n in shape {
        all = all.iter().flat_map(|i| (0..n).map(move |k| [&i[..], &[k]].concat())).collect();
    }
    all
}

impl T {
    pub(crate) fn from_fn(shape: &[usize], f: impl FnMut(Vec<usize>) -> f64) -> T {
        T { shape: shape.to_vec(), data: indices(shape).into_iter().map(f).collect() }
    }

    pub(crate) fn full(shape: &[usize], value: f64) -> T {
        T::from_fn(shape, |_| value)
    }

    pub(crate) fn at(&self, index: &[usize]) -> f64 {
        self.data[self.place(index)]
    }

    pub(crate) fn set(&mut self, index: &[usize], value: f64) {
        let place = self.place(index);
        self.data[place] = value;
    }

    fn place(&self, index: &[usize]) -> usize {
        assert_eq!(index.len(), self.shape.len());
        index.iter().zip(&self.shape).fold(0, |at, (&i, &n)| {
            assert!(i < n);
            at * n + i
        })
    }

    pub(crate) fn map(&self, f: impl Fn(f64) -> f64) -> T {
        T { shape: self.shape.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// The same elements in order in another shape.
    pub(crate) fn reshape(&self, shape: &[usize]) -> T {
        assert_eq!(self.data.len(), shape.iter().product::<usize>());
        T { shape: shape.to_vec(), data: self.data.clone() }
    }

    /// Axis `i` of the result is axis `axes[i]`.
    pub(crate) fn permute(&self, axes: &[usize]) -> T {
        let shape: Vec<usize> = axes.iter().map(|&a| self.shape[a]).collect();
        T::from_fn(&shape, |to| {
            let mut from = vec![0; to.len()];
            axes.iter().zip(to).for_each(|(&a, i)| from[a] = i);
            self.at(&from)
        })
    }

    pub(crate) fn broadcast(&self, shape: &[usize]) -> T {
        let lead = shape.len() - self.shape.len();
        T::from_fn(shape, |to| {
            let from: Vec<usize> = to[lead..]
                .iter()
                .zip(&self.shape)
                .map(|(&i, &n)| if n == 1 { 0 } else { i })
                .collect();
            self.at(&from)
        })
    }

    pub(crate) fn zip(&self, other: &T, f: impl Fn(f64, f64) -> f64) -> T {
        let shape = common(&self.shape, &other.shape);
        let (a, b) = (self.broadcast(&shape), other.broadcast(&shape));
        let data = a.data.iter().zip(&b.data).map(|(&x, &y)| f(x, y)).collect();
        T { shape, data }
    }

    /// `f` of the elements along `axes`, in row-major order.
    pub(crate) fn reduce(&self, axes: &[usize], keep: bool, f: impl Fn(&[f64]) -> f64) -> T {
        let kept: Vec<usize> = (0..self.shape.len())
            .map(|i| if axes.contains(&i) { 1 } else { self.shape[i] })
            .collect();
        let inner: Vec<usize> = (0..self.shape.len())
            .map(|i| if axes.contains(&i) { self.shape[i] } else { 1 })
            .collect();
        let out = T::from_fn(&kept, |outer| {
            let values: Vec<f64> = indices(&inner)
                .into_iter()
                .map(|i| self.at(&i.iter().zip(&outer).map(|(a, b)| a + b).collect::<Vec<_>>()))
                .collect();
            f(&values)
        });
        if keep {
            return out;
        }
        let shape: Vec<usize> =
            (0..kept.len()).filter(|i| !axes.contains(i)).map(|i| kept[i]).collect();
        out.reshape(&shape)
    }

    /// Positions `at` along an axis.
    pub(crate) fn select(&self, axis: usize, at: &[usize]) -> T {
        let mut shape = self.shape.clone();
        shape[axis] = at.len();
        T::from_fn(&shape, |mut i| {
            i[axis] = at[i[axis]];
            self.at(&i)
        })
    }

    pub(crate) fn concat(parts: &[T], axis: usize) -> T {
        let mut shape = parts[0].shape.clone();
        shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
        T::from_fn(&shape, |mut i| {
            for part in parts {
                if i[axis] < part.shape[axis] {
                    return part.at(&i);
                }
                i[axis] -= part.shape[axis];
            }
            unreachable!("the parts cover the axis")
        })
    }

    pub(crate) fn expand(&self, axis: usize) -> T {
        let mut shape = self.shape.clone();
        shape.insert(axis, 1);
        self.reshape(&shape)
    }

    pub(crate) fn stack(parts: &[T], axis: usize) -> T {
        T::concat(&parts.iter().map(|p| p.expand(axis)).collect::<Vec<_>>(), axis)
    }

    pub(crate) fn matmul(&self, other: &T) -> T {
        let row = self.shape.len() == 1;
        let column = other.shape.len() == 1;
        let a = if row { self.expand(0) } else { self.clone() };
        let b = if column { other.expand(1) } else { other.clone() };
        let (m, k) = (a.shape[a.shape.len() - 2], a.shape[a.shape.len() - 1]);
        let n = b.shape[b.shape.len() - 1];
        let batch = common(&a.shape[..a.shape.len() - 2], &b.shape[..b.shape.len() - 2]);
        let a = a.broadcast(&[&batch[..], &[m, k]].concat());
        let b = b.broadcast(&[&batch[..], &[k, n]].concat());
        let out = T::from_fn(&[&batch[..], &[m, n]].concat(), |i| {
            let (lead, ij) = i.split_at(batch.len());
            (0..k)
                .map(|l| a.at(&[lead, &[ij[0], l]].concat()) * b.at(&[lead, &[l, ij[1]]].concat()))
                .sum()
        });
        let mut shape = batch;
        shape.extend((!row).then_some(m));
        shape.extend((!column).then_some(n));
        out.reshape(&shape)
    }

    pub(crate) fn dot(&self, other: &T) -> f64 {
        assert_eq!(self.shape, other.shape);
        self.data.iter().zip(&other.data).map(|(a, b)| a * b).sum()
    }

    /// `self + h * direction`.
    pub(crate) fn moved(&self, h: f64, direction: &T) -> T {
        self.zip(direction, |x, d| x + h * d)
    }
}

/// The shape two shapes broadcast to.
pub(crate) fn common(a: &[usize], b: &[usize]) -> Vec<usize> {
    let n = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i + s.len() < n { 1 } else { s[i + s.len() - n] };
    (0..n).map(|i| if at(a, i) == 1 { at(b, i) } else { at(a, i) }).collect()
}

/// Error function: a series of positive terms near zero, a continued fraction far from it.
pub(crate) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..120 {
            term *= 2.0 * x * x / (2 * n + 1) as f64;
            sum += term;
        }
        return sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI;
    }
    if a > 6.0 || x.is_nan() {
        return if x.is_nan() { x } else { x.signum() };
    }
    let tail = (1..=200).rev().fold(0.0, |f, k| k as f64 / 2.0 / (a + f));
    let erfc = (-a * a).exp() / ((a + tail) * std::f64::consts::PI.sqrt());
    x.signum() * (1.0 - erfc)
}

/// Inverse of [`erf`] by bisection.
pub(crate) fn erfinv(y: f64) -> f64 {
    if y.is_nan() || y.abs() >= 1.0 {
        return if y.abs() == 1.0 { y * f64::INFINITY } else { f64::NAN };
    }
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if erf(middle) < y { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
