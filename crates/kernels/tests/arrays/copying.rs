//! Copies, casts, fills.

use anymetal_kernels::copy::{Scalar, arange, copy, copy_into, fill};
use anymetal_kernels::{Bool, Complex64, Element, Layout, bf16, f16};

use crate::random::signed;
use crate::support::{Strided, check, positions, random_shape};
use fastrand::Rng;

#[test]
fn strided_copies_are_row_major() {
    fn run<T: Element + PartialEq + std::fmt::Debug>(rng: &mut Rng, f: fn(&mut Rng) -> T) {
        let axes = rng.usize(..5);
        let shape = random_shape(rng, axes);
        let x = Strided::random(rng, &shape, f);
        let expected = x.values();
        let mut out = vec![T::zeroed(); expected.len()];
        copy(T::wrap(&x.data), &x.layout, T::wrap_mut(&mut out));
        assert!(out == expected, "{:?}", x.layout);
    }
    check(400, |rng| {
        run(rng, |r| r.u8(..));
        run(rng, |r| r.u16(..));
        run(rng, |r| r.u32(..));
        run(rng, |r| r.i64(..));
        run(rng, |r| Complex64::new(r.f64() as f32, 1.0));
    });
}

#[test]
fn large_transposes() {
    check(12, |rng| {
        let (b, m, n) = (1 + rng.usize(..3), 150 + rng.usize(..300), 100 + rng.usize(..400));
        let m = if rng.bool() { m / 32 * 32 } else { m };
        let data: Vec<u32> = (0..b * m * n).map(|i| i as u32).collect();
        let layout = Layout {
            shape: [b, m, n][..].into(),
            strides: [(m * n) as isize, 1, m as isize][..].into(),
            offset: 0,
        };
        let mut out = vec![0u32; data.len()];
        copy(u32::wrap(&data), &layout, u32::wrap_mut(&mut out));
        let expected: Vec<u32> = positions(&layout).iter().map(|&p| p as u32).collect();
        assert!(out == expected, "{b} {m} {n}");
    });
}

#[test]
fn strided_destinations() {
    check(300, |rng| {
        let axes = rng.usize(..4);
        let shape = random_shape(rng, axes);
        let x = Strided::random(rng, &shape, |r| r.i16(..));
        let mut out = Strided::distinct(rng, &shape, |_| 0i16);
        copy_into(i16::wrap(&x.data), &x.layout, i16::wrap_mut(&mut out.data), &out.layout);
        assert!(out.values() == x.values(), "{:?} -> {:?}", x.layout, out.layout);
        let places: std::collections::BTreeSet<usize> =
            positions(&out.layout).into_iter().collect();
        for (i, &v) in out.data.iter().enumerate() {
            assert!(v == 0 || places.contains(&i), "place {i} was overwritten");
        }
    });
}

fn cast<A: Element, B: Element>(x: &[A]) -> Vec<B> {
    let mut out = vec![B::zeroed(); x.len()];
    copy(A::wrap(x), &Layout::contiguous(&[x.len()]), B::wrap_mut(&mut out));
    out
}

#[test]
fn casts_follow_the_rules() {
    let x = [0.5f32, -1.5, f32::NAN, f32::INFINITY, -3e9, 300.0, 7e4, 0.0];
    assert_eq!(cast::<_, i8>(&x), [0, -1, 0, 127, -128, 127, 127, 0]);
    assert_eq!(cast::<_, u8>(&x), [0, 0, 0, 255, 0, 255, 255, 0]);
    assert_eq!(cast::<_, u16>(&x), [0, 0, 0, 65535, 0, 300, 65535, 0]);
    assert_eq!(cast::<_, i32>(&x), [0, -1, 0, i32::MAX, i32::MIN, 300, 70000, 0]);
    assert_eq!(cast::<_, u64>(&x), [0, 0, 0, u64::MAX, 0, 300, 70000, 0]);
    let truth: Vec<bool> = cast::<_, Bool>(&x).iter().map(|b| b.get()).collect();
    assert_eq!(truth, [true, true, true, true, true, true, true, false]);
    assert_eq!(cast::<_, u8>(&[300i32, -1, 5]), [44, 255, 5]);
    assert_eq!(cast::<_, i64>(&[u32::MAX, 1]), [u32::MAX as i64, 1]);
    assert_eq!(cast::<_, f32>(&[Bool(7), Bool(0)]), [1.0, 0.0]);
    assert_eq!(cast::<_, f64>(&[i64::MAX]), [i64::MAX as f64]);
    assert_eq!(cast::<_, f32>(&[Complex64::new(2.0, 3.0)]), [2.0]);
    assert_eq!(cast::<_, Complex64>(&[f16::from_f32(0.5)]), [Complex64::new(0.5, 0.0)]);
    assert!(cast::<_, Bool>(&[Complex64::new(0.0, 1.0)])[0].get());
}

#[test]
fn halves_convert_exactly_and_round_to_even() {
    check(4, |rng| {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let halves: Vec<f16> = all.iter().map(|&b| f16::from_bits(b)).collect();
        for (x, h) in cast::<f16, f32>(&halves).iter().zip(&halves) {
            let expected = h.to_f32();
            assert!(x.to_bits() == expected.to_bits() || (x.is_nan() && h.is_nan()), "{h:?}");
        }
        let floats: Vec<f32> = (0..200_000)
            .map(|i| match i % 3 {
                0 => f32::from_bits(rng.u32(..)),
                1 => (signed(rng) * 2f64.powi(rng.usize(..60) as i32 - 40)) as f32,
                // Exactly between two halves, or next to that.
                _ => {
                    let h = f16::from_bits(rng.u16(..)).to_f32();
                    let ulp = f32::from_bits(h.to_bits().wrapping_add(1 << 12));
                    f32::from_bits(
                        ulp.to_bits().wrapping_add(rng.usize(..3) as u32).wrapping_sub(1),
                    )
                }
            })
            .collect();
        for (&x, h) in floats.iter().zip(cast::<f32, f16>(&floats)) {
            let same = h.to_bits() == f16::from_f32(x).to_bits();
            assert!(same || (x.is_nan() && h.is_nan()), "{x:e} {h:?}");
        }
        for (&x, h) in floats.iter().zip(cast::<f32, bf16>(&floats)) {
            let same = h.to_bits() == bf16::from_f32(x).to_bits();
            assert!(same || (x.is_nan() && h.is_nan()), "{x:e} {h:?}");
        }
    });
}

#[test]
fn fills_and_ranges() {
    let mut out = vec![f16::ZERO; 5];
    fill(Scalar::Float(1.5), f16::wrap_mut(&mut out));
    assert_eq!(out, [f16::from_f32(1.5); 5]);
    let mut out = vec![0u8; 3];
    fill(Scalar::Int(-1), u8::wrap_mut(&mut out));
    assert_eq!(out, [255; 3]);
    let mut out = vec![0i32; 4];
    arange(Scalar::Int(3), Scalar::Int(-2), i32::wrap_mut(&mut out));
    assert_eq!(out, [3, 1, -1, -3]);
    let mut out = vec![0f32; 4];
    arange(Scalar::Float(0.1), Scalar::Float(0.1), f32::wrap_mut(&mut out));
    assert_eq!(out, [0.1, 0.2, 0.1 + 2.0 * 0.1, 0.4].map(|x: f64| x as f32));
    assert_eq!(Scalar::Float(-2.0).to::<u8>(), 0);
    assert_eq!(Scalar::Int(7).to::<Complex64>(), Complex64::new(7.0, 0.0));
}
