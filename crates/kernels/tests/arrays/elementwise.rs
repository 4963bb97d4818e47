//! Element-by-element operations.

use anymetal_kernels::elementwise::{
    BinaryOp, UnaryOp, binary, binary_inplace, select, unary, unary_inplace,
};
use anymetal_kernels::{Bool, Complex64, Element, Layout, bf16, f16};

use crate::random::signed;
use crate::support::{Strided, check, random_shape};
use fastrand::Rng;

type Function = fn(f64) -> f64;
type Comparison = fn(f32, f32) -> bool;

fn map<T: Element, U: Element>(op: UnaryOp, x: &[T]) -> Vec<U> {
    let mut out = vec![U::zeroed(); x.len()];
    unary(op, T::wrap(x), &Layout::contiguous(&[x.len()]), U::wrap_mut(&mut out));
    out
}

fn zip<T: Element, U: Element>(op: BinaryOp, a: &[T], b: &[T]) -> Vec<U> {
    let mut out = vec![U::zeroed(); a.len()];
    let layout = Layout::contiguous(&[a.len()]);
    binary(op, T::wrap(a), &layout, T::wrap(b), &layout, U::wrap_mut(&mut out));
    out
}

/// Distance from the exact value in units of the last place of an `f32`.
fn ulps(got: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if got == nearest || (got.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    if !got.is_finite() || !nearest.is_finite() {
        // One past the largest number may be infinity, and the reverse.
        let near = exact.abs() > 3.402_823e38 && got.abs() > 3.402_823e38;
        return if near && got.signum() == nearest.signum() { 0.5 } else { f64::INFINITY };
    }
    let exponent = (exact.abs().log2().floor() as i32).max(-126);
    (got as f64 - exact).abs() / 2f64.powi(exponent - 23)
}

/// Every binade, and what is next to the special values.
fn arguments(rng: &mut Rng) -> Vec<f32> {
    let mut x: Vec<f32> = (0..20_000).map(|_| f32::from_bits(rng.u32(..))).collect();
    x.extend((0..20_000).map(|_| (signed(rng) * 2f64.powi(rng.usize(..24) as i32 - 14)) as f32));
    x.extend((0..4_000).map(|_| (1.0 + signed(rng) * 2f64.powi(-(rng.usize(..24) as i32))) as f32));
    for special in [0.0, 1.0, 0.5, 2.0, 88.7, 104.0, 1e-45, 1e-38, 3.4e38, f32::INFINITY, f32::NAN]
    {
        x.extend([special, -special, special.next_up(), -special.next_up(), special.next_down()]);
    }
    x
}

#[test]
fn functions_are_within_an_ulp() {
    use UnaryOp::*;
    let functions: [(UnaryOp, Function); 21] = [
        (Exp, f64::exp),
        (Expm1, f64::exp_m1),
        (Log, f64::ln),
        (Log2, f64::log2),
        (Log10, f64::log10),
        (Log1p, f64::ln_1p),
        (Sin, f64::sin),
        (Cos, f64::cos),
        (Tan, f64::tan),
        (Sinh, f64::sinh),
        (Cosh, f64::cosh),
        (Tanh, f64::tanh),
        (Asin, f64::asin),
        (Acos, f64::acos),
        (Atan, f64::atan),
        (Asinh, f64::asinh),
        (Acosh, f64::acosh),
        (Atanh, f64::atanh),
        (Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        (Rsqrt, |x| 1.0 / x.sqrt()),
        (Sqrt, f64::sqrt),
    ];
    check(6, |rng| {
        let x = arguments(rng);
        for (op, exact) in functions {
            // exp stays in single precision: its polynomial and its two scalings round. rsqrt is
            // a root and a division, each rounded. The others round once (0.5) after 1e-9.
            let bound = if matches!(op, Exp | Rsqrt) { 1.5 } else { 0.6 };
            for (&x, got) in x.iter().zip(map::<f32, f32>(op, &x)) {
                let exact = exact(x as f64);
                let off = ulps(got, exact);
                assert!(off <= bound, "{op:?}({x:e}) is {got:e}, not {exact:e}: {off} ulp");
                let signs = got.is_sign_negative() == exact.is_sign_negative();
                assert!(got.is_nan() || signs, "{op:?}({x:e}) is {got:e}, not {exact:e}");
            }
        }
    });
}

/// erf by Simpson's rule on its own, slow and plain.
fn erf(x: f64) -> f64 {
    let n = 2000;
    let h = x / n as f64;
    let f = |t: f64| (-t * t).exp();
    let sum: f64 = (1..n).map(|i| (2 + 2 * (i % 2)) as f64 * f(i as f64 * h)).sum();
    (f(0.0) + sum + f(x)) * h / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn erf_and_its_inverse() {
    check(3, |rng| {
        let x: Vec<f32> = (0..400).map(|_| (4.5 * signed(rng)) as f32).collect();
        for (&x, got) in x.iter().zip(map::<f32, f32>(UnaryOp::Erf, &x)) {
            assert!(ulps(got, erf(x as f64)) <= 0.6, "erf({x})");
        }
        let wide: Vec<f64> = x.iter().map(|&x| x as f64).collect();
        for (&x, got) in wide.iter().zip(map::<f64, f64>(UnaryOp::Erf, &wide)) {
            assert!((got - erf(x)).abs() < 1e-13, "erf({x}) = {got}");
        }
        // The inverse is checked by going back: erf(y + 0.6 ulp) must be beyond x. In the tails
        // 1 - erf loses digits in f64, so it is checked where they remain.
        let x: Vec<f32> = (0..400).map(|_| signed(rng) as f32).collect();
        for (&x, got) in x.iter().zip(map::<f32, f32>(UnaryOp::ErfInv, &x)) {
            let y = got.abs() as f64;
            let ulp = 2f64.powi(y.log2().floor() as i32 - 23);
            let (low, high) = (erf(y - 0.6 * ulp), erf(y + 0.6 * ulp));
            assert!(low <= x.abs() as f64 && high >= x.abs() as f64, "erfinv({x}) = {got}");
        }
        let same: Vec<f64> = x.iter().map(|&x| 3.0 * x as f64).collect();
        let back = map::<f64, f64>(UnaryOp::ErfInv, &map::<f64, f64>(UnaryOp::Erf, &same));
        for (x, y) in same.iter().zip(back) {
            // erf at 3 is within 2e-5 of 1, which costs the inverse as many digits.
            assert!((x - y).abs() < 1e-10, "{x} {y}");
        }
    });
    // At 1 - 2^-24 and 1 - 2^-23, with digits from an arbitrary-precision root finder.
    let known = [
        (0.999_999_94f32, 3.832_506_856_900_711),
        (0.999_999_9, 3.743_921_162_776_8),
        (1e-20, 8.862_269_254_527_58e-21),
    ];
    for (x, exact) in known {
        assert!(ulps(map::<f32, f32>(UnaryOp::ErfInv, &[x])[0], exact) <= 1.0, "erfinv({x})");
    }
    let edges = map::<f32, f32>(UnaryOp::ErfInv, &[1.0, -1.0, 1.5, 0.0, f32::NAN]);
    assert!(edges[0] == f32::INFINITY && edges[1] == f32::NEG_INFINITY && edges[3] == 0.0);
    assert!(edges[2].is_nan() && edges[4].is_nan());
}

#[test]
fn powers_and_angles() {
    check(4, |rng| {
        let mut a = arguments(rng);
        let mut b = arguments(rng);
        b.iter_mut().skip(1).step_by(3).for_each(|b| *b = (*b % 40.0).round());
        for special in [0.0f32, 1.0, 2.0, 3.0, 0.5, 1e9, f32::INFINITY, f32::NAN] {
            for other in [0.0f32, 1.0, 0.3, 7.0, f32::INFINITY, f32::NAN] {
                for (s, t) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                    a.extend([s * special, s * other]);
                    b.extend([t * other, t * special]);
                }
            }
        }
        for (op, exact) in
            [(BinaryOp::Power, f64::powf as fn(f64, f64) -> f64), (BinaryOp::Atan2, f64::atan2)]
        {
            for ((&a, &b), got) in a.iter().zip(&b).zip(zip::<f32, f32>(op, &a, &b)) {
                let exact = exact(a as f64, b as f64);
                assert!(ulps(got, exact) <= 0.6, "{op:?}({a:e}, {b:e}) = {got:e}, not {exact:e}");
            }
        }
    });
}

#[test]
fn float_arithmetic() {
    use BinaryOp::*;
    let python_floor = |a: f64, b: f64| (a / b).floor();
    let python_mod = |a: f64, b: f64| {
        let r = a % b;
        if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
    };
    let propagating = |a: f64, b: f64, pick: fn(f64, f64) -> f64| {
        if a.is_nan() || b.is_nan() { f64::NAN } else { pick(a, b) }
    };
    let exact = |op: BinaryOp, a: f64, b: f64| match op {
        Add => a + b,
        Subtract => a - b,
        Multiply => a * b,
        Divide => a / b,
        FloorDivide => python_floor(a, b),
        Remainder => python_mod(a, b),
        Maximum => propagating(a, b, f64::max),
        Minimum => propagating(a, b, f64::min),
        _ => (a - b).abs().mul_add(-1.0, 0.0).exp().ln_1p() + a.max(b),
    };
    check(60, |rng| {
        let rank = rng.usize(..4);
        let shape = random_shape(rng, rank);
        let value = |r: &mut Rng| match r.usize(..30) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            _ => 8.0 * signed(r),
        };
        for op in [Add, Subtract, Multiply, Divide, FloorDivide, Remainder, Maximum, Minimum] {
            let a = Strided::random(rng, &shape, value);
            let b = Strided::random(rng, &shape, value);
            let mut out = vec![0f64; a.layout.len()];
            let data = f64::wrap_mut(&mut out);
            binary(op, f64::wrap(&a.data), &a.layout, f64::wrap(&b.data), &b.layout, data);
            for ((o, a), b) in out.iter().zip(a.values()).zip(b.values()) {
                let e = exact(op, a, b);
                assert!(*o == e || (o.is_nan() && e.is_nan()), "{op:?} {a} {b}: {o}");
            }
            let value = |r: &mut Rng| bf16::from_f64(8.0 * signed(r));
            let a = Strided::random(rng, &shape, value);
            let b = Strided::random(rng, &shape, value);
            let mut out = vec![bf16::ZERO; a.layout.len()];
            let data = bf16::wrap_mut(&mut out);
            binary(op, bf16::wrap(&a.data), &a.layout, bf16::wrap(&b.data), &b.layout, data);
            for ((o, a), b) in out.iter().zip(a.values()).zip(b.values()) {
                // In f32 and rounded once.
                let e = bf16::from_f32(exact(op, a.to_f64(), b.to_f64()) as f32);
                // A quotient just below an integer may round up to it before floor.
                let floor = op == FloorDivide && (o.to_f32() - e.to_f32()).abs() <= 1.0;
                assert!(*o == e || floor || (o.is_nan() && e.is_nan()), "{op:?} {a} {b}: {o} {e}");
            }
        }
        let value = |r: &mut Rng| (50.0 * signed(r)) as f32;
        let (a, b) = (Strided::random(rng, &[100], value), Strided::random(rng, &[100], value));
        for ((&a, &b), o) in a.values().iter().zip(&b.values()).zip(zip::<f32, f32>(
            LogAddExp,
            &a.values(),
            &b.values(),
        )) {
            let e = exact(LogAddExp, a as f64, b as f64);
            // The difference, log1p and the sum round, each relative to the largest of them.
            assert!((o as f64 - e).abs() <= 2e-7 * a.abs().max(b.abs()).max(1.0) as f64);
        }
    });
    let (inf, ninf) = (f32::INFINITY, f32::NEG_INFINITY);
    let sums: Vec<f32> = zip(LogAddExp, &[inf, ninf, inf, ninf], &[inf, ninf, ninf, 3.0]);
    assert_eq!(sums, [inf, ninf, inf, 3.0]);
}

#[test]
fn integer_arithmetic() {
    use BinaryOp::*;
    fn python(op: BinaryOp, a: i128, b: i128, bits: u32, signed: bool) -> i128 {
        let floor =
            if b == 0 { 0 } else { a.div_euclid(b) - ((b < 0 && a.rem_euclid(b) != 0) as i128) };
        let count = b.rem_euclid(bits as i128) as u32;
        let _ = signed;
        match op {
            Add => a + b,
            Subtract => a - b,
            Multiply => a.wrapping_mul(b),
            FloorDivide => floor,
            Remainder => {
                if b == 0 {
                    0
                } else {
                    a - floor * b
                }
            }
            Maximum => a.max(b),
            Minimum => a.min(b),
            BitwiseAnd => a & b,
            BitwiseOr => a | b,
            BitwiseXor => a ^ b,
            LeftShift => a << count,
            RightShift => a >> count,
            Power if b < 0 => match a {
                1 => 1,
                -1 => {
                    if b % 2 == 0 {
                        1
                    } else {
                        -1
                    }
                }
                _ => 0,
            },
            Power => (0..b.min(200)).fold(1i128, |p, _| p.wrapping_mul(a)),
            _ => unreachable!("not an integer operation"),
        }
    }
    macro_rules! run {
        ($rng:ident, $($ty:ident)*) => {$(
            let rank = $rng.usize(..3);
            let shape = random_shape($rng, rank);
            for op in [
                Add, Subtract, Multiply, FloorDivide, Remainder, Maximum, Minimum, BitwiseAnd,
                BitwiseOr, BitwiseXor, LeftShift, RightShift, Power,
            ] {
                let value = |r: &mut Rng| match r.usize(..8) {
                    0 => 0,
                    1 => $ty::MIN,
                    2 => $ty::MAX,
                    3 => (0 as $ty).wrapping_sub(1),
                    4 => (r.usize(..20) as $ty).wrapping_sub(8),
                    _ => r.$ty(..),
                };
                let a = Strided::random($rng, &shape, value);
                let b = Strided::random($rng, &shape, |r| if op == Power { r.usize(..60) as $ty } else { value(r) });
                let mut out = vec![0 as $ty; a.layout.len()];
                let data = $ty::wrap_mut(&mut out);
                binary(op, $ty::wrap(&a.data), &a.layout, $ty::wrap(&b.data), &b.layout, data);
                for ((o, a), b) in out.iter().zip(a.values()).zip(b.values()) {
                    let e = python(op, a as i128, b as i128, $ty::BITS, $ty::MIN != 0) as $ty;
                    assert_eq!(*o, e, "{op:?} {a} {b} of {}", stringify!($ty));
                }
            }
        )*};
    }
    check(40, |rng| {
        run!(rng, u8 i8 u16 i16 u32 i32 u64 i64);
    });
    assert_eq!(zip::<i32, i32>(Power, &[-1, -1, 1, 2, 0], &[-3, -2, -5, -1, -1]), [-1, 1, 1, 0, 0]);
}

#[test]
fn comparisons_and_predicates() {
    use BinaryOp::*;
    check(40, |rng| {
        let rank = rng.usize(..4);
        let shape = random_shape(rng, rank);
        let value = |r: &mut Rng| if r.usize(..5) == 0 { f32::NAN } else { r.usize(..4) as f32 };
        let (a, b) = (Strided::random(rng, &shape, value), Strided::random(rng, &shape, value));
        let table: [(BinaryOp, Comparison); 9] = [
            (Equal, |a, b| a == b),
            (NotEqual, |a, b| a != b),
            (NanEqual, |a, b| a == b || a.is_nan() && b.is_nan()),
            (Less, |a, b| a < b),
            (LessEqual, |a, b| a <= b),
            (Greater, |a, b| a > b),
            (GreaterEqual, |a, b| a >= b),
            (LogicalAnd, |a, b| a != 0.0 && b != 0.0),
            (LogicalOr, |a, b| a != 0.0 || b != 0.0),
        ];
        for (op, f) in table {
            let mut out = vec![Bool(7); a.layout.len()];
            let data = Bool::wrap_mut(&mut out);
            binary(op, f32::wrap(&a.data), &a.layout, f32::wrap(&b.data), &b.layout, data);
            for ((o, a), b) in out.iter().zip(a.values()).zip(b.values()) {
                assert!(o.0 == f(a, b) as u8, "{op:?} {a} {b}");
            }
        }
    });
    let x = [f16::NAN, f16::INFINITY, f16::NEG_INFINITY, f16::ZERO, f16::ONE];
    let truth = |op| map::<f16, Bool>(op, &x).iter().map(|b| b.0).collect::<Vec<u8>>();
    assert_eq!(truth(UnaryOp::IsNan), [1, 0, 0, 0, 0]);
    assert_eq!(truth(UnaryOp::IsInf), [0, 1, 1, 0, 0]);
    assert_eq!(truth(UnaryOp::IsFinite), [0, 0, 0, 1, 1]);
    assert_eq!(truth(UnaryOp::IsPosInf), [0, 1, 0, 0, 0]);
    assert_eq!(truth(UnaryOp::IsNegInf), [0, 0, 1, 0, 0]);
    assert_eq!(truth(UnaryOp::LogicalNot), [0, 0, 0, 1, 0]);
    let flipped = map::<Bool, Bool>(UnaryOp::BitwiseInvert, &[Bool(0), Bool(1), Bool(5)]);
    assert_eq!(flipped.iter().map(|b| b.0).collect::<Vec<u8>>(), [1, 0, 0]);
    assert_eq!(map::<u8, u8>(UnaryOp::BitwiseInvert, &[0, 5]), [255, 250]);
    assert_eq!(map::<i8, i8>(UnaryOp::Abs, &[-128, -3, 3]), [-128, 3, 3]);
    assert_eq!(map::<u16, u16>(UnaryOp::Neg, &[1]), [65535]);
    let x = [0.5f32, 1.5, -0.5, -2.5, 1e10];
    assert_eq!(map::<f32, f32>(UnaryOp::Round, &x), [0.0, 2.0, -0.0, -2.0, 1e10]);
    assert_eq!(map::<f32, f32>(UnaryOp::Floor, &x), [0.0, 1.0, -1.0, -3.0, 1e10]);
    assert_eq!(map::<f32, f32>(UnaryOp::Ceil, &x), [1.0, 2.0, -0.0, -2.0, 1e10]);
    let signs = map::<f32, f32>(UnaryOp::Sign, &[-2.0, 0.0, 3.0, f32::NAN]);
    assert!(signs[..3] == [-1.0, 0.0, 1.0] && signs[3].is_nan());
}

#[test]
fn in_place_is_the_same() {
    check(80, |rng| {
        let n = if rng.usize(..4) == 0 { 150_000 } else { rng.usize(..3000) };
        let x: Vec<f16> = (0..n).map(|_| f16::from_f64(signed(rng))).collect();
        let mut y = x.clone();
        unary_inplace(UnaryOp::Exp, f16::wrap_mut(&mut y));
        assert!(y == map::<f16, f16>(UnaryOp::Exp, &x));
        let x: Vec<f32> = (0..n).map(|_| signed(rng) as f32).collect();
        let z = Strided::random(rng, &[n], |r| signed(r) as f32);
        for reversed in [false, true] {
            let mut y = x.clone();
            let other = f32::wrap(&z.data);
            binary_inplace(BinaryOp::Subtract, f32::wrap_mut(&mut y), other, &z.layout, reversed);
            let sign = if reversed { -1.0 } else { 1.0 };
            assert!(y.iter().zip(&x).zip(z.values()).all(|((y, x), z)| *y == sign * (x - z)));
        }
        let x: Vec<Bool> = (0..n).map(|_| Bool::from(rng.bool())).collect();
        let mut y = x.clone();
        unary_inplace(UnaryOp::LogicalNot, Bool::wrap_mut(&mut y));
        assert!(y.iter().zip(&x).all(|(y, x)| y.0 == 1 - x.0));
        let layout = Layout::contiguous(&[n]);
        binary_inplace(BinaryOp::LogicalOr, Bool::wrap_mut(&mut y), Bool::wrap(&x), &layout, false);
        assert!(y.iter().all(|y| y.0 == 1));
    });
}

#[test]
fn selections() {
    check(100, |rng| {
        let rank = rng.usize(..4);
        let shape = random_shape(rng, rank);
        let c = Strided::random(rng, &shape, |r| Bool(3 * r.bool() as u8));
        let a = Strided::random(rng, &shape, |r| r.i64(..));
        let b = Strided::random(rng, &shape, |r| r.i64(..));
        let mut out = vec![0i64; a.layout.len()];
        let (x, y) = (i64::wrap(&a.data), i64::wrap(&b.data));
        let data = i64::wrap_mut(&mut out);
        select(Bool::wrap(&c.data), &c.layout, x, &a.layout, y, &b.layout, data);
        for (((o, c), a), b) in out.iter().zip(c.values()).zip(a.values()).zip(b.values()) {
            assert_eq!(*o, if c.get() { a } else { b });
        }
    });
}

#[test]
fn complex_numbers() {
    let z = [Complex64::new(3.0, -4.0), Complex64::new(0.0, 1.0), Complex64::new(-1e-5, 2e-5)];
    assert_eq!(map::<_, f32>(UnaryOp::Abs, &z)[..2], [5.0, 1.0]);
    assert_eq!(map::<_, f32>(UnaryOp::Real, &z), z.map(|z| z.re));
    assert_eq!(map::<_, f32>(UnaryOp::Imag, &z), z.map(|z| z.im));
    assert_eq!(map::<_, Complex64>(UnaryOp::Conjugate, &z), z.map(|z| z.conj()));
    let close = |a: Complex64, b: Complex64| (a - b).norm() <= 2e-7 * b.norm();
    // Inverse pairs and powers, each rounded twice.
    for (f, g) in [(UnaryOp::Exp, UnaryOp::Log), (UnaryOp::Expm1, UnaryOp::Log1p)] {
        let there: Vec<Complex64> = map(f, &z[1..]);
        let back: Vec<Complex64> = map(g, &there);
        assert!(back.iter().zip(&z[1..]).all(|(&a, &b)| (a - b).norm() < 3e-7 * b.norm().max(0.1)));
    }
    let squares: Vec<Complex64> = zip(BinaryOp::Power, &z, &[Complex64::new(2.0, 0.0); 3]);
    assert!(squares.iter().zip(map(UnaryOp::Square, &z)).all(|(&a, b)| close(a, b)));
    let ones: Vec<Complex64> = zip(BinaryOp::Divide, &z, &z);
    assert!(ones.iter().all(|&a| close(a, Complex64::new(1.0, 0.0))));
}
