//! What the table leaves out: complex numbers, bool, bits, and arrays made from numbers.

use anymetal::{Array, Complex64, Dtype, Result, grad, jvp, ops, vjp};
use fastrand::Rng;

use crate::matrix::random::fresh;
use crate::table::between;

fn complex(rng: &mut Rng, n: usize) -> Vec<Complex64> {
    let part = |rng: &mut Rng| between(rng, 0.25, 2.0) as f32 * if rng.bool() { 1.0 } else { -1.0 };
    (0..n).map(|_| Complex64::new(part(rng), part(rng))).collect()
}

type Wide = num_complex::Complex<f64>;

fn wide(z: Complex64) -> Wide {
    Wide::new(z.re.into(), z.im.into())
}

fn assert_near(got: &Array, expected: &[Wide], what: &str) {
    let got: Vec<Complex64> = got.astype(Dtype::Complex64).unwrap().to_vec().unwrap();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.into_iter().zip(expected) {
        // Products and quotients of a few terms, each a few units of float32's last place.
        let near = (wide(g) - e).norm() <= 2e-6 * e.norm().max(1.0);
        assert!(near, "{what}: {g} instead of {e}");
    }
}

#[test]
fn complex_arithmetic_is_right() {
    let mut rng = fresh();
    let (a, b) = (complex(&mut rng, 12), complex(&mut rng, 12));
    let (x, y) = (Array::from_slice(&a, &[3, 4]).unwrap(), Array::from_slice(&b, &[3, 4]).unwrap());
    let y = y.t().reshape(&[4, 3]).unwrap().t();
    let flat: Vec<Complex64> = y.to_vec().unwrap();
    type F2 = (&'static str, fn(&Array, &Array) -> Result<Array>, fn(Wide, Wide) -> Wide);
    let binary: [F2; 5] = [
        ("add", |x, y| ops::add(x, y), |a, b| a + b),
        ("subtract", |x, y| ops::subtract(x, y), |a, b| a - b),
        ("multiply", |x, y| ops::multiply(x, y), |a, b| a * b),
        ("divide", |x, y| ops::divide(x, y), |a, b| a / b),
        ("power", |x, y| ops::power(x, y), |a, b| a.powc(b)),
    ];
    for (name, run, oracle) in binary {
        let expected: Vec<Wide> =
            a.iter().zip(&flat).map(|(&a, &b)| oracle(wide(a), wide(b))).collect();
        // A power's error grows with the size of its logarithm.
        if name == "power" {
            let got: Vec<Complex64> = run(&x, &y).unwrap().to_vec().unwrap();
            for (g, e) in got.iter().zip(&expected) {
                assert!((wide(*g) - e).norm() <= 1e-5 * e.norm().max(1e-3), "{g} instead of {e}");
            }
            continue;
        }
        assert_near(&run(&x, &y).unwrap(), &expected, name);
    }
    type F1 = (&'static str, fn(&Array) -> Result<Array>, fn(Wide) -> Wide);
    let unary: [F1; 27] = [
        ("negative", ops::negative, |a| -a),
        ("square", ops::square, |a| a * a),
        ("sqrt", ops::sqrt, |a| a.sqrt()),
        ("rsqrt", ops::rsqrt, |a| a.sqrt().inv()),
        ("reciprocal", ops::reciprocal, |a| a.inv()),
        ("exp", ops::exp, |a| a.exp()),
        ("log", ops::log, |a| a.ln()),
        ("sin", ops::sin, |a| a.sin()),
        ("cos", ops::cos, |a| a.cos()),
        ("log2", ops::log2, |a| a.ln() / std::f64::consts::LN_2),
        ("log10", ops::log10, |a| a.ln() / std::f64::consts::LN_10),
        ("log1p", ops::log1p, |a| (a + 1.0).ln()),
        ("tan", ops::tan, |a| a.tan()),
        ("sinh", ops::sinh, |a| a.sinh()),
        ("cosh", ops::cosh, |a| a.cosh()),
        ("tanh", ops::tanh, |a| a.tanh()),
        ("arcsin", ops::arcsin, |a| a.asin()),
        ("arccos", ops::arccos, |a| a.acos()),
        ("arctan", ops::arctan, |a| a.atan()),
        ("arcsinh", ops::arcsinh, |a| a.asinh()),
        ("arccosh", ops::arccosh, |a| a.acosh()),
        ("arctanh", ops::arctanh, |a| a.atanh()),
        ("round", ops::round, |a| Wide::new(a.re.round_ties_even(), a.im.round_ties_even())),
        ("abs", ops::abs, |a| a.norm().into()),
        ("sign", ops::sign, |a| a / a.norm()),
        ("conjugate", ops::conjugate, |a| a.conj()),
        ("imag", ops::imag, |a| a.im.into()),
    ];
    for (name, run, oracle) in unary {
        let expected: Vec<Wide> = a.iter().map(|&a| oracle(wide(a))).collect();
        assert_near(&run(&x.t().t()).unwrap(), &expected, name);
    }
    let total: Wide = a.iter().map(|&a| wide(a)).sum();
    assert_near(&ops::sum(&x, (), false).unwrap(), &[total], "sum");
    let product: Wide = a[..4].iter().map(|&a| wide(a)).product();
    let row = x.index(&[0.into()]).unwrap();
    assert_near(&ops::prod(&row, (), false).unwrap(), &[product], "prod");
    let mean = total / 12.0;
    assert_near(&ops::mean(&x, (), false).unwrap(), &[mean], "mean");
    assert!(ops::all(&x, (), false).unwrap().item::<bool>().unwrap());
    let spread = ops::var(&x, (), false, 0).unwrap();
    assert_eq!(spread.dtype(), Dtype::F32);
    let squares: f64 = a.iter().map(|&a| (wide(a) - mean).norm_sqr()).sum();
    assert_near(&spread, &[(squares / 12.0).into()], "var");
    let dot: Wide = a[..4].iter().zip(&flat[..4]).map(|(&a, &b)| wide(a) * wide(b)).sum();
    let product = ops::matmul(&x, &y.t()).unwrap().index(&[0.into(), 0.into()]).unwrap();
    assert_near(&product, &[dot], "matmul");
}

/// `tests/parity/cases_complex.py` compares every function with MLX; here are the convention, and
/// that the forward derivative is the transposed reverse one: `Re(conj(g) J t) = Re(conj(J* g) t)`.
#[test]
fn complex_gradients_point_uphill() {
    let z = Array::scalar(Complex64::new(0.5, -1.0));
    let w = Array::scalar(Complex64::new(2.0, 3.0));
    let g = Array::scalar(Complex64::new(1.0, 0.5));
    let product = |a: &[Array]| Ok(vec![ops::multiply(&a[0], &a[1])?]);
    let (_, grads) = vjp(product, &[z.clone(), w], &[g]).unwrap();
    assert_eq!(grads[0].item::<Complex64>().unwrap(), Complex64::new(3.5, -2.0));
    assert_eq!(grads[1].item::<Complex64>().unwrap(), Complex64::new(0.0, 1.25));
    let uphill = grad(|a| a[0].abs()?.square(), &[0])(&[z]).unwrap();
    assert_near(&uphill[0], &[Wide::new(1.0, -2.0)], "gradient of |z|^2");
}

#[test]
fn complex_forward_derivatives_are_transposed_reverse_ones() {
    let mut rng = fresh();
    let mut array = |n: usize| Array::from_slice(&complex(&mut rng, n), &[n]).unwrap();
    type F = fn(&Array) -> Result<Array>;
    let functions: [(&str, F); 12] = [
        ("abs", Array::abs),
        ("real", Array::real),
        ("imag", Array::imag),
        ("conjugate", Array::conjugate),
        ("sqrt", Array::sqrt),
        ("tanh", Array::tanh),
        ("arccosh", Array::arccosh),
        ("power", |z| ops::power(z, z)),
        ("divide", |z| ops::divide(&z.sin()?, z)),
        ("prod", |z| ops::prod(z, (), false)),
        ("var", |z| ops::var(z, (), false, 0)),
        ("matmul", |z| {
            let m = ops::reshape(z, &[2, 2])?;
            ops::matmul(&m, &ops::multiply(&m, &m)?)
        }),
    ];
    for (name, f) in functions {
        let (z, t) = (array(4), array(4));
        let y = f(&z).unwrap();
        let g = array(y.size().max(1));
        let g = ops::reshape(&g, &y.shape().iter().map(|&n| n as isize).collect::<Vec<_>>());
        let g = g.unwrap().astype(y.dtype()).unwrap();
        let run = |a: &[Array]| Ok(vec![f(&a[0])?]);
        let forward = jvp(run, &[z.clone()], &[t.clone()]).unwrap().1.remove(0);
        let reverse = vjp(run, &[z], &[g.clone()]).unwrap().1.remove(0);
        assert_eq!((forward.dtype(), reverse.dtype()), (y.dtype(), Dtype::Complex64), "{name}");
        let dot = |a: &Array, b: &Array| {
            let all = ops::multiply(&a.conjugate()?, b)?.astype(Dtype::Complex64)?.real()?;
            ops::sum(&all, (), false)?.item::<f32>()
        };
        let (a, b) = (dot(&g, &forward).unwrap(), dot(&reverse, &t).unwrap());
        // Sums of four products, each of a few float32 roundings.
        assert!((a - b).abs() <= 1e-4 * (1.0 + a.abs()), "{name}: {a} and {b}");
    }
}

#[test]
fn bool_tables_are_those_of_mlx() {
    let a = Array::from_slice(&[false, false, true, true], &[4]).unwrap();
    let b = Array::from_slice(&[false, true, false, true], &[4]).unwrap();
    type F = fn(&Array, &Array) -> Result<Array>;
    let tables: [(&str, F, [u8; 4]); 10] = [
        ("add", |a, b| ops::add(a, b), [0, 1, 1, 1]),
        ("subtract", |a, b| ops::subtract(a, b), [0, 1, 1, 0]),
        ("multiply", |a, b| ops::multiply(a, b), [0, 0, 0, 1]),
        ("floor_divide", |a, b| ops::floor_divide(a, b), [0, 0, 0, 1]),
        ("power", |a, b| ops::power(a, b), [1, 0, 1, 1]),
        ("maximum", |a, b| ops::maximum(a, b), [0, 1, 1, 1]),
        ("minimum", |a, b| ops::minimum(a, b), [0, 0, 0, 1]),
        ("bitwise_and", |a, b| ops::bitwise_and(a, b), [0, 0, 0, 1]),
        ("bitwise_or", |a, b| ops::bitwise_or(a, b), [0, 1, 1, 1]),
        ("bitwise_xor", |a, b| ops::bitwise_xor(a, b), [0, 1, 1, 0]),
    ];
    let mut wrong = Vec::new();
    for (name, run, table) in tables {
        match run(&a, &b) {
            Ok(c) if c.dtype() == Dtype::Bool => {
                let got: Vec<u8> = c.to_vec::<bool>().unwrap().into_iter().map(u8::from).collect();
                if got != table {
                    wrong.push(format!("{name}: {got:?} instead of {table:?}"));
                }
            }
            Ok(c) => wrong.push(format!("{name} gives {}", c.dtype())),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shifted = ops::left_shift(&b, &b).unwrap();
    assert_eq!(shifted.dtype(), Dtype::U8);
    let inverted: Vec<bool> = ops::bitwise_invert(&b).unwrap().to_vec().unwrap();
    assert_eq!(inverted, [true, false, true, false]);
}

#[test]
fn bits_are_read_as_other_dtypes() {
    let numbers = [1.5f32, -2.0, f32::NAN, 0.0, 3.25, -0.0];
    let x = Array::from_slice(&numbers, &[2, 3]).unwrap();
    let bits: Vec<u32> = numbers.iter().map(|x| x.to_bits()).collect();
    assert_eq!(x.view(Dtype::U32).unwrap().to_vec::<u32>().unwrap(), bits);
    let halves: Vec<u16> = bits.iter().flat_map(|b| [*b as u16, (b >> 16) as u16]).collect();
    let y = x.view(Dtype::U16).unwrap();
    assert_eq!((y.shape(), y.to_vec::<u16>().unwrap()), (&[2, 6][..], halves));
    // A transposed view has no neighbours in memory: its elements are copied first.
    let turned = [0, 3, 1, 4, 2, 5].map(|i| bits[i]);
    let t = x.t();
    assert_eq!(t.view(Dtype::U32).unwrap().to_vec::<u32>().unwrap(), turned);
    let bytes: Vec<u8> = turned.iter().flat_map(|b| b.to_le_bytes()).collect();
    assert_eq!(t.view(Dtype::U8).unwrap().to_vec::<u8>().unwrap(), bytes);
    let wide = t.view(Dtype::U64).unwrap();
    assert_eq!(wide.shape(), [3, 1]);
    assert_eq!(wide.view(Dtype::U32).unwrap().to_vec::<u32>().unwrap(), turned);
    let part = ops::slice(&x, &[0, 1], &[2, 3], &[1, 1]).unwrap();
    let part = part.view(Dtype::U16).unwrap().view(Dtype::U32).unwrap();
    assert_eq!(part.to_vec::<u32>().unwrap(), [1, 2, 4, 5].map(|i| bits[i]));
}

#[test]
fn arrays_are_made_from_numbers() {
    let mut rng = fresh();
    for &dtype in Dtype::ALL {
        let read = |x: &Array| crate::harness::read(x);
        if dtype != Dtype::Bool {
            let x = ops::arange(1.0, 9.5, 2.0, dtype).unwrap();
            assert_eq!((x.dtype(), read(&x).data), (dtype, vec![1.0, 3.0, 5.0, 7.0, 9.0]));
            assert!(ops::arange(3.0, 1.0, 2.0, dtype).unwrap().size() == 0);
            let x = ops::linspace(0.0, 8.0, 5, dtype).unwrap();
            assert_eq!((x.dtype(), read(&x).data), (dtype, vec![0.0, 2.0, 4.0, 6.0, 8.0]));
        }
        let (rows, columns, k) = (rng.usize(..5), rng.usize(..5), rng.usize(..7) as isize - 3);
        let one = |row: usize, column: usize| column as isize - row as isize;
        for (name, x, holds) in [
            ("eye", ops::eye(rows, columns, k, dtype), (|d, k| d == k) as fn(isize, isize) -> bool),
            ("tri", ops::tri(rows, columns, k, dtype), |d, k| d <= k),
        ] {
            let x = x.unwrap();
            assert_eq!((x.shape(), x.dtype()), (&[rows, columns][..], dtype), "{name}");
            let expected = crate::oracle::T::from_fn(&[rows, columns], |i| {
                f64::from(holds(one(i[0], i[1]), k))
            });
            assert_eq!(read(&x), expected, "{name} {rows} {columns} {k} {dtype}");
        }
        let x = ops::full(&[2, 2], 3i64, dtype).unwrap();
        let three = if dtype == Dtype::Bool { 1.0 } else { 3.0 };
        assert_eq!((x.dtype(), read(&x).data), (dtype, vec![three; 4]));
    }
    let x = ops::linspace(0.0, 1.0, 11, Dtype::F64).unwrap().to_vec::<f64>().unwrap();
    assert!(x.iter().enumerate().all(|(i, x)| (x - i as f64 / 10.0).abs() < 1e-15), "{x:?}");
    assert_eq!(ops::arange(0.0, 1.0, 0.25, Dtype::F64).unwrap().size(), 4);
    assert_eq!(
        ops::arange(5.0, 0.0, -2.0, Dtype::I32).unwrap().to_vec::<i32>().unwrap(),
        [5, 3, 1]
    );
}

#[test]
fn whole_numbers_wrap() {
    let x = Array::from_slice(&[i32::MAX, i32::MIN, 7], &[3]).unwrap();
    let y = Array::from_slice(&[1i32, -1, 0], &[3]).unwrap();
    assert_eq!(ops::add(&x, &y).unwrap().to_vec::<i32>().unwrap(), [i32::MIN, i32::MAX, 7]);
    let quotient = ops::floor_divide(&x, &y).unwrap().to_vec::<i32>().unwrap();
    assert_eq!(quotient, [i32::MAX, i32::MIN, 0], "division by zero gives 0");
    let bytes = Array::from_slice(&[200u8, 100], &[2]).unwrap();
    assert_eq!(ops::add(&bytes, &bytes).unwrap().to_vec::<u8>().unwrap(), [144, 200]);
    let negative = Array::from_slice(&[-7i32, 7, -7], &[3]).unwrap();
    let by = Array::from_slice(&[2i32, -2, -2], &[3]).unwrap();
    assert_eq!(ops::floor_divide(&negative, &by).unwrap().to_vec::<i32>().unwrap(), [-4, -4, 3]);
    assert_eq!(ops::remainder(&negative, &by).unwrap().to_vec::<i32>().unwrap(), [1, -1, -1]);
}
