//! Every level against scalar arithmetic.

use anymetal_kernels::simd;

use crate::data::{bf16, f16};
use crate::lanes::{LANES, LaneElement, LaneKernel, Lanes, sin_cos, with_lanes};
use crate::random::fresh;

/// Applies `f` to a closure's choice of lanes at each level: a kernel made of a function would
/// need one struct per test, so the operations under test are listed in [`Probe`].
struct Probe<'a> {
    x: &'a [f32],
    op: Op,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    RoundF16,
    StoreF16,
    LoadF16,
    RoundBf16,
    StoreBf16,
    Sin,
    Cos,
    Interleave,
    Deinterleave,
}

impl LaneKernel for Probe<'_> {
    type Output = Vec<f32>;
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Vec<f32> {
        let mut out = Vec::new();
        for part in self.x.as_chunks::<LANES>().0 {
            let x = l.load_f32(part);
            let mut lanes = [0.0; LANES];
            let y = match self.op {
                Op::RoundF16 => l.round_f16(x),
                Op::RoundBf16 => l.round_bf16(x),
                Op::StoreF16 => {
                    let mut y = [f16::ZERO; LANES];
                    l.store_f16(x, &mut y);
                    l.load_f32(&y.map(|y| y.to_bits() as f32))
                }
                Op::LoadF16 => l.load_f16(&part.map(|x| f16::from_bits(x as u16))),
                Op::StoreBf16 => {
                    let mut y = [bf16::ZERO; LANES];
                    l.store_bf16(x, &mut y);
                    l.load_f32(&y.map(|y| y.to_bits() as f32))
                }
                Op::Sin => sin_cos(l, x).0,
                Op::Cos => sin_cos(l, x).1,
                Op::Interleave => {
                    let [a, b] = l.interleave(x, l.add(x, l.splat(100.0)));
                    l.store_f32(a, &mut lanes);
                    out.extend(lanes);
                    b
                }
                Op::Deinterleave => {
                    let [a, b] = l.deinterleave(x, l.add(x, l.splat(100.0)));
                    l.store_f32(a, &mut lanes);
                    out.extend(lanes);
                    b
                }
            };
            l.store_f32(y, &mut lanes);
            out.extend(lanes);
        }
        out
    }
}

fn check(op: Op, x: &[f32], want: impl Fn(f32) -> f32, close: impl Fn(f32, f32) -> bool) {
    for level in simd::available() {
        let got = with_lanes(level, Probe { x, op });
        for (&x, &got) in x.iter().zip(&got) {
            let want = want(x);
            assert!(close(got, want), "{op:?} of {x:?} at {level:?}: {got:?}, not {want:?}");
        }
    }
}

fn same_bits(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits()
}

/// Floats with every exponent, many mantissas, and the neighbours of rounding ties.
fn assorted() -> Vec<f32> {
    let mut x = Vec::new();
    for high in 0..=u16::MAX {
        for low in [0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001] {
            x.push(f32::from_bits((high as u32) << 16 | low));
        }
    }
    x
}

#[test]
fn halves_round_to_nearest_even_with_subnormals_infinities_and_nan() {
    let x = assorted();
    let same = |a: f32, b: f32| same_bits(a, b) || a.is_nan() && b.is_nan();
    check(Op::RoundF16, &x, |x| f16::from_f32_const(x).to_f32_const(), same);
    let not_nan: Vec<f32> = x.into_iter().filter(|x| !x.is_nan()).collect();
    check(Op::StoreF16, &not_nan, |x| f16::from_f32_const(x).to_bits() as f32, same_bits);
    check(Op::RoundBf16, &not_nan, |x| bf16::from_f32(x).to_f32(), same_bits);
    check(Op::RoundBf16, &[f32::NAN; 16], |x| x, same);
    check(Op::StoreBf16, &not_nan, |x| bf16::from_f32(x).to_bits() as f32, same_bits);
    let all: Vec<f32> = (0..=u16::MAX).map(|b| b as f32).collect();
    check(Op::LoadF16, &all, |b| f16::from_bits(b as u16).to_f32_const(), same);
}

#[test]
fn lanes_change_places() {
    let x: Vec<f32> = (0..16).map(|i| i as f32).collect();
    for level in simd::available() {
        let got = with_lanes(level, Probe { x: &x, op: Op::Interleave });
        let want: Vec<f32> = (0..32).map(|i| (i / 2 + i % 2 * 100) as f32).collect();
        assert_eq!(got, want, "{level:?}");
        let got = with_lanes(level, Probe { x: &x, op: Op::Deinterleave });
        let at = |i: u32| (i % 16 + i / 16 * 100) as f32;
        let want: Vec<f32> =
            (0..16).map(|i| at(2 * i)).chain((0..16).map(|i| at(2 * i + 1))).collect();
        assert_eq!(got, want, "{level:?}");
    }
}

#[test]
fn pairs_of_bf16_round_like_one() {
    struct Pairs<'a>(&'a [f32]);
    impl LaneKernel for Pairs<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<L: Lanes>(self, l: L) -> Vec<f32> {
            let mut out = Vec::new();
            for x in self.0.as_chunks::<32>().0 {
                let (a, b) = (f32::load_pair(l, x)[0], f32::load_pair(l, x)[1]);
                let mut y = [bf16::ZERO; 32];
                bf16::store_pair(l, l.deinterleave(a, b), &mut y);
                let mut again = [bf16::ZERO; 32];
                bf16::stream_pair(l, bf16::load_pair(l, &y), &mut again);
                out.extend(again.map(|y| y.to_f32()));
            }
            l.fence();
            out
        }
    }
    let mut x = assorted();
    x.retain(|x| !x.is_nan());
    x.extend([f32::NAN, -f32::NAN]);
    x.resize(x.len().next_multiple_of(32), 1.0);
    for level in simd::available() {
        let got = with_lanes(level, Pairs(&x));
        for (&x, got) in x.iter().zip(got) {
            let want = bf16::from_f32(x).to_f32();
            assert!(
                same_bits(got, want) || x.is_nan() && got.is_nan(),
                "{x:?} at {level:?}: {got:?}"
            );
        }
    }
}

/// Distance in units of the last place of the exact value.
fn ulps(got: f32, exact: f64) -> f64 {
    let near = (exact as f32).abs().max(f32::MIN_POSITIVE);
    let ulp = near.next_up() as f64 - near as f64;
    (got as f64 - exact).abs() / ulp
}

#[test]
fn sines_and_cosines_are_within_2_ulp() {
    let mut x: Vec<f32> = vec![0.0, -0.0, 1e-30, f32::MIN_POSITIVE, 1e-42];
    // Near multiples of a quarter turn the result is small and cancellation worst.
    for k in (0..700_000).step_by(7) {
        let near = (k as f64 * std::f64::consts::FRAC_PI_2) as f32;
        x.extend([near, near.next_up(), -near]);
    }
    let mut rng = fresh();
    for _ in 0..200_000 {
        let unit = rng.f32();
        x.extend([unit, unit * 10.0, unit * -3000.0, unit * 1_048_576.0]);
    }
    for exponent in 17..127 {
        x.push(1.234_567 * 2f32.powi(exponent));
    }
    x.resize(x.len().next_multiple_of(LANES), 1.0);
    // The f64 functions are good to 1e-16 relative, 1e-9 ULP of f32.
    for level in simd::available() {
        let sin = with_lanes(level, Probe { x: &x, op: Op::Sin });
        let cos = with_lanes(level, Probe { x: &x, op: Op::Cos });
        let mut worst = 0.0f64;
        for ((&x, s), c) in x.iter().zip(sin).zip(cos) {
            let error = ulps(s, (x as f64).sin()).max(ulps(c, (x as f64).cos()));
            assert!(error <= 2.0, "{x:?} at {level:?}: {s:?}, {c:?}, {error} ULP");
            worst = worst.max(error);
        }
        println!("{level:?}: at most {worst:.3} ULP");
    }
}

#[test]
fn no_angle_for_what_is_not_finite() {
    let x = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0].repeat(4);
    check(
        Op::Sin,
        &x,
        |x| if x == 0.0 { 0.0 } else { f32::NAN },
        |a, b| a == b || a.is_nan() && b.is_nan(),
    );
}
