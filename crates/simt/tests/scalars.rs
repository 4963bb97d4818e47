//! The scalar semantics against wider arithmetic: special values and random ones.

#[path = "../../../tests/random.rs"]
mod random;

use anymetal_msl::ir::{BinaryOp, Scalar};
use anymetal_simt::scalar::{self, Float, Int, fma32};
use fastrand::Rng;
use half::{bf16, f16};

use crate::random::fresh;

#[test]
fn integers_are_total() {
    for op in BinaryOp::ALL.iter().copied() {
        for a in i8::MIN..=i8::MAX {
            for b in i8::MIN..=i8::MAX {
                let (x, y) = (i32::from(a), i32::from(b));
                let shift = y & 7;
                let expected = match op {
                    BinaryOp::Add => x + y,
                    BinaryOp::Sub => x - y,
                    BinaryOp::Mul => x * y,
                    BinaryOp::Div => {
                        if y == 0 {
                            0
                        } else {
                            x / y
                        }
                    }
                    BinaryOp::Rem => {
                        if y == 0 {
                            0
                        } else {
                            x % y
                        }
                    }
                    BinaryOp::And => x & y,
                    BinaryOp::Or => x | y,
                    BinaryOp::Xor => x ^ y,
                    BinaryOp::Shl => x << shift,
                    BinaryOp::Shr => x >> shift,
                    BinaryOp::Min => x.min(y),
                    BinaryOp::Max => x.max(y),
                    BinaryOp::MulHi => (x * y) >> 8,
                    BinaryOp::AddSat => (x + y).clamp(-128, 127),
                    BinaryOp::SubSat => (x - y).clamp(-128, 127),
                };
                assert_eq!(i8::binary(op, a, b), expected as i8, "{op:?} {a} {b}");
            }
        }
    }
    assert_eq!(i64::binary(BinaryOp::Div, i64::MIN, -1), i64::MIN);
    assert_eq!(u64::binary(BinaryOp::MulHi, u64::MAX, u64::MAX), u64::MAX - 1);
}

#[test]
fn fused_multiply_add_rounds_once() {
    // The standard library's fused operation is the oracle.
    let special = [0.0, -0.0, 1.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, f32::INFINITY, f32::NAN];
    let random = |rng: &mut Rng| f32::from_bits(rng.u32(..));
    let near = |rng: &mut Rng| f32::from_bits(0x3f80_0000 ^ (rng.u32(..) & 0x83ff_ffff));
    let check = |a: f32, b: f32, c: f32| {
        let (got, want) = (fma32(a, b, c), a.mul_add(b, c));
        let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
        assert!(same, "{a:e} * {b:e} + {c:e} is {want:e}, not {got:e}");
    };
    for a in special {
        for b in special {
            special.iter().for_each(|&c| check(a, b, -c));
        }
    }
    let rng = &mut fresh();
    for _ in 0..300_000 {
        check(random(rng), random(rng), random(rng));
        let (a, b) = (near(rng), near(rng));
        // A sum that nearly cancels, and one with a far smaller addend.
        check(a, b, -(a * b));
        check(a, b, near(rng) * 1e-9);
    }
}

/// Rounds an exactly known f64 to a format of `digits` bits by hand.
fn round_by_hand(x: f64, digits: i32, lowest: i32, largest: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = (x.abs().log2().floor() as i32 - digits).max(lowest);
    let unit = f64::from(exponent).exp2();
    let rounded = (x / unit).round_ties_even() * unit;
    if rounded.abs() > largest { f64::INFINITY.copysign(x) } else { rounded }
}

#[test]
fn narrow_floats_round_once() {
    let mut rng = fresh();
    for _ in 0..200_000 {
        let [a, b, c] = [(); 3].map(|()| f16::from_bits(rng.u16(..)));
        if a.is_finite() && b.is_finite() && c.is_finite() {
            let exact = a.to_f64() * b.to_f64();
            let product = scalar::float_binary(BinaryOp::Mul, a, b).to_f64();
            assert_eq!(product, round_by_hand(exact, 10, -24, 65504.0), "{a} * {b}");
            // Exact in f64 only if the exponents are close; others are skipped.
            let sum = exact + c.to_f64();
            if sum - exact == c.to_f64() && sum - c.to_f64() == exact {
                let fused = f16::fma(a, b, c).to_f64();
                assert_eq!(fused, round_by_hand(sum, 10, -24, 65504.0), "{a} * {b} + {c}");
            }
        }
        let [a, b] = [(); 2].map(|()| bf16::from_bits(0x3f80 ^ (rng.u16(..) & 0x83ff)));
        if a.is_finite() && b.is_finite() {
            let sum = a.to_f64() + b.to_f64();
            let got = scalar::float_binary(BinaryOp::Add, a, b).to_f64();
            assert_eq!(got, round_by_hand(sum, 7, -133, 3.4e38), "{a} + {b}");
        }
    }
}

#[test]
fn conversions_saturate_and_round() {
    let f32_to = |to, x: f32| scalar::convert(Scalar::F32, to, x.to_bits().into());
    assert_eq!(f32_to(Scalar::I32, f32::NAN), 0);
    assert_eq!(f32_to(Scalar::I32, 1e20) as i64, i64::from(i32::MAX));
    assert_eq!(f32_to(Scalar::U8, -3.0), 0);
    assert_eq!(f32_to(Scalar::U8, 300.7), 255);
    assert_eq!(f32_to(Scalar::I64, -1.9) as i64, -1);
    assert_eq!(f32_to(Scalar::Bool, f32::NAN), 1);
    assert_eq!(f32_to(Scalar::Bool, -0.0), 0);
    assert_eq!(scalar::convert(Scalar::I32, Scalar::U16, -1i64 as u64), 0xffff);
    assert_eq!(scalar::convert(Scalar::I32, Scalar::U64, -1i64 as u64), u64::MAX);
    let mut rng = fresh();
    for _ in 0..100_000 {
        let x = rng.i64(..) >> rng.u32(..64);
        let narrow = scalar::convert(Scalar::I64, Scalar::BF16, x as u64) as u16;
        // An i64 of up to 53 bits is exact in f64.
        if x.unsigned_abs() < 1 << 53 {
            let want = round_by_hand(x as f64, 7, -133, 3.4e38);
            assert_eq!(bf16::from_bits(narrow).to_f64(), want, "{x}");
        }
        let small = x as i32;
        let narrow = scalar::convert(Scalar::I32, Scalar::F16, i64::from(small) as u64) as u16;
        let want = round_by_hand(f64::from(small), 10, -24, 65504.0);
        assert_eq!(f16::from_bits(narrow).to_f64(), want, "{small}");
    }
    // 2^24 + 1 plus a half unit of bfloat: rounding twice would go the wrong way.
    let x = (1i64 << 40) + (1 << 32) + 1;
    let narrow = scalar::convert(Scalar::I64, Scalar::BF16, x as u64) as u16;
    assert_eq!(bf16::from_bits(narrow).to_f64(), f64::from(40).exp2() + f64::from(33).exp2());
}
