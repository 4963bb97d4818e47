//! Operations across lanes against a plain oracle: full and partial simdgroups, whole and
//! divergent, under every schedule.

#[path = "../../../tests/random.rs"]
mod random;

use anymetal_msl::ir::{parse, verify_canonical};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Data, Schedule};

use crate::random::fresh;

const SCHEDULES: [Schedule; 4] =
    [Schedule::Lockstep, Schedule::LaneByLane, Schedule::Reverse, Schedule::Random];

/// Threads of the threadgroup: one full simdgroup, and 13 lanes of another.
const THREADS: usize = 45;

/// Runs `body`, which computes `%9` of the type from `%5` (the thread's input), `%6` (its second
/// input) and `%2` (its lane), in the lanes that `active` names.
fn run(
    ty: &str,
    body: &str,
    x: &[u64],
    y: &[u64],
    active: &[bool],
    schedule: Schedule,
) -> Vec<u64> {
    let width = match ty {
        "i64" | "u64" => 8,
        "f16" => 2,
        _ => 4,
    };
    let text = format!(
        "fn 0 \"k\" (%90: ptr<device, {ty}> \"x\", %91: ptr<device, {ty}> \"y\", %92: ptr<device, u32> \"on\", %93: ptr<device, {ty}> \"out\") {{
  %1: u32 = attribute thread_index_in_threadgroup
  %2: u32 = attribute thread_index_in_simdgroup
  %3: ptr<device, {ty}> = element %90, {ty}, %1
  %5: {ty} = load %3
  %4: ptr<device, {ty}> = element %91, {ty}, %1
  %6: {ty} = load %4
  %7: ptr<device, u32> = element %92, u32, %1
  %8: u32 = load %7
  %80: bool = convert %8
  if ^1 %80 {{
{body}
    %81: ptr<device, {ty}> = element %93, {ty}, %1
    store %81, %9
  }}
}}
kernel \"k\" fn 0 (buffer 0 \"x\" {ty}, buffer 1 \"y\" {ty}, buffer 2 \"on\" u32, buffer 3 \"out\" {ty} writable)"
    );
    let module = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    verify_canonical(&module).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let program = Program::new(&module, "k").expect("flattens");
    let bytes = |words: &[u64]| -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()[..width].to_vec()).collect()
    };
    let on: Vec<u8> = active.iter().flat_map(|&on| u32::from(on).to_le_bytes()).collect();
    let (x, y, mut out) = (bytes(x), bytes(y), vec![0u8; width * THREADS]);
    let buffers = vec![Data::Read(&x), Data::Read(&y), Data::Read(&on), Data::Write(&mut out)];
    let size = [THREADS as u32, 1, 1];
    let mut launch = Launch::new(&program, buffers, size, size);
    (launch.schedule, launch.seed) = (schedule, 99);
    launch.run().expect("runs");
    out.chunks(width)
        .map(|part| part.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
        .collect()
}

/// Checks `body` against `oracle(lane, lanes)`, where `lanes` has for every lane of the width's
/// group the inputs of an active lane, and `lane` is the own index there.
fn check<T: Copy + PartialEq + std::fmt::Debug>(
    ty: &str,
    size: usize,
    body: &str,
    make: impl Fn(u64) -> u64,
    back: impl Fn(u64) -> T,
    oracle: impl Fn(usize, &[Option<(T, T)>]) -> T,
) {
    let mut rng = fresh();
    let [x, y] = [(); 2].map(|()| (0..THREADS).map(|_| make(rng.u64(..))).collect::<Vec<u64>>());
    let mut masks: [Box<dyn FnMut(usize) -> bool>; 4] = [
        Box::new(|_| true),
        Box::new(|t| t % 3 != 1),
        Box::new(|_| rng.bool()),
        Box::new(|t| t == 7 || t == 40),
    ];
    for (which, mask) in masks.iter_mut().enumerate() {
        let active: Vec<bool> = (0..THREADS).map(mask).collect();
        let expected: Vec<Option<T>> = (0..THREADS)
            .map(|t| {
                let first = t / 32 * 32 + t % 32 / size * size;
                let lanes: Vec<Option<(T, T)>> = (first..first + size)
                    .map(|l| (l < THREADS && active[l]).then(|| (back(x[l]), back(y[l]))))
                    .collect();
                active[t].then(|| oracle(t - first, &lanes))
            })
            .collect();
        for schedule in SCHEDULES {
            let got = run(ty, body, &x, &y, &active, schedule);
            for t in 0..THREADS {
                if let Some(want) = expected[t] {
                    assert_eq!(back(got[t]), want, "{body}, mask {which}, {schedule:?}, {t}");
                }
            }
        }
    }
}

fn word(bits: u64) -> u64 {
    bits & 0xffff_ffff
}

#[test]
fn integer_reductions() {
    type Fold = fn(u32, u32) -> u32;
    let folds: [(&str, Fold); 7] = [
        ("sum", u32::wrapping_add),
        ("product", u32::wrapping_mul),
        ("min", u32::min),
        ("max", u32::max),
        ("and", |a, b| a & b),
        ("or", |a, b| a | b),
        ("xor", |a, b| a ^ b),
    ];
    for (name, fold) in folds {
        for (width, size) in [("simd", 32), ("quad", 4)] {
            let body = format!("%9: u32 = reduce.{name}.{width} %5");
            check(
                "u32",
                size,
                &body,
                word,
                |x| x as u32,
                |_, lanes| lanes.iter().flatten().map(|pair| pair.0).reduce(fold).unwrap_or(0),
            );
        }
    }
    // The sign matters for these.
    check(
        "i32",
        32,
        "%9: i32 = reduce.min.simd %5",
        word,
        |x| x as i32,
        |_, lanes| lanes.iter().flatten().map(|pair| pair.0).min().unwrap_or(0),
    );
    check(
        "i64",
        32,
        "%9: i64 = reduce.sum.simd %5",
        |x| x,
        |x| x as i64,
        |_, lanes| lanes.iter().flatten().fold(0, |sum: i64, pair| sum.wrapping_add(pair.0)),
    );
}

#[test]
fn float_reductions_add_in_lane_order() {
    let make = |x: u64| u64::from((x as u16 as f32 / 7.0 - 3000.0).to_bits());
    let back = |x: u64| f32::from_bits(x as u32);
    check("f32", 32, "%9: f32 = reduce.sum.simd %5", make, back, |_, lanes| {
        lanes.iter().flatten().map(|pair| pair.0).reduce(|a, b| a + b).unwrap_or(0.0)
    });
    // Half rounds after every step.
    let make = |x: u64| u64::from(half::f16::from_f32(x as u8 as f32 / 3.0).to_bits());
    let back = |x: u64| half::f16::from_bits(x as u16);
    check("f16", 4, "%9: f16 = reduce.sum.quad %5", make, back, |_, lanes| {
        let parts = lanes.iter().flatten().map(|pair| pair.0);
        parts.reduce(|a, b| half::f16::from_f32(a.to_f32() + b.to_f32())).unwrap_or(half::f16::ZERO)
    });
}

#[test]
fn prefixes() {
    for (name, product, inclusive) in [
        ("inclusive_sum", false, true),
        ("exclusive_sum", false, false),
        ("inclusive_product", true, true),
        ("exclusive_product", true, false),
    ] {
        for (width, size) in [("simd", 32), ("quad", 4)] {
            let body = format!("%9: u32 = scan.{name}.{width} %5");
            check(
                "u32",
                size,
                &body,
                word,
                |x| x as u32,
                |own, lanes| {
                    let end = own + usize::from(inclusive);
                    lanes[..end].iter().flatten().fold(u32::from(product), |total, pair| {
                        if product {
                            total.wrapping_mul(pair.0)
                        } else {
                            total.wrapping_add(pair.0)
                        }
                    })
                },
            );
        }
    }
}

#[test]
fn shuffles() {
    // A shuffle from lane `f(own)` of the group; past the end is `None` or the own value.
    type Source = fn(i64, i64, i64) -> i64;
    let sources: [(&str, Source); 6] = [
        ("index", |_, by, _| by),
        ("xor", |own, by, _| own ^ by),
        ("up", |own, by, _| if own - by < 0 { own } else { own - by }),
        ("down", |own, by, n| if own + by >= n { own } else { own + by }),
        ("rotate_up", |own, by, n| (own - by).rem_euclid(n)),
        ("rotate_down", |own, by, n| (own + by) % n),
    ];
    for (name, source) in sources {
        for (width, size) in [("simd", 32i64), ("quad", 4)] {
            for by in [0i64, 1, 2, 3, 7, 16, 31, 33] {
                let body =
                    format!("%10: u16 = const {by}\n%9: i64 = shuffle.{name}.{width} %5, %10");
                check(
                    "i64",
                    size as usize,
                    &body,
                    |x| x,
                    |x| x as i64,
                    |own, lanes| {
                        let from = source(own as i64, by, size);
                        let known = lanes.get(from as usize).copied().flatten();
                        known.map_or(0, |pair| pair.0)
                    },
                );
            }
        }
    }
    check(
        "f32",
        32,
        "%9: f32 = broadcast_first.simd %5",
        word,
        |x| x as u32,
        |_, lanes| lanes.iter().flatten().next().map_or(0, |pair| pair.0),
    );
}

#[test]
fn shuffles_that_fill() {
    for modulo in [32usize, 8, 4, 2, 5] {
        for by in [0usize, 1, 3, 8] {
            for up in [true, false] {
                let name = if up { "up" } else { "down" };
                let body = format!(
                    "%10: u16 = const {by}\n%11: u16 = const {modulo}
%9: u32 = shuffle_fill.{name}.simd %5, %6, %10, %11"
                );
                // 5 is no power of two and means the whole simdgroup.
                let m = if modulo == 5 { 32 } else { modulo };
                check(
                    "u32",
                    32,
                    &body,
                    word,
                    |x| x as u32,
                    |own, lanes| {
                        let (group, at, by) = (own / m * m, own % m, by % m);
                        let wraps = if up { at < by } else { at + by >= m };
                        let from = if up { (at + m - by) % m } else { (at + by) % m };
                        let known = lanes[group + from];
                        known.map_or(0, |pair| if wraps { pair.1 } else { pair.0 })
                    },
                );
            }
        }
    }
}

#[test]
fn votes() {
    let vote = |what: &str, width: &str| {
        format!(
            "%10: u64 = const 4\n%11: u64 = and %5, %10\n%12: bool = cmp.eq %11, %10
%13: {} = vote.{what}.{width} %12\n%9: u64 = convert %13",
            if what == "ballot" { "u64" } else { "bool" }
        )
    };
    let holds = |pair: &Option<(u64, u64)>| pair.is_some_and(|pair| pair.0 & 4 != 0);
    for (width, size) in [("simd", 32), ("quad", 4)] {
        check(
            "u64",
            size,
            &vote("all", width),
            |x| x,
            |x| x,
            |_, lanes| lanes.iter().all(|pair| pair.is_none() || holds(pair)).into(),
        );
        check(
            "u64",
            size,
            &vote("any", width),
            |x| x,
            |x| x,
            |_, lanes| lanes.iter().any(holds).into(),
        );
        let ballot = vote("ballot", width);
        // converting u64 to u64 is no operation of its own
        let ballot =
            ballot.replace("%13: u64 =", "%9: u64 =").replace("\n%9: u64 = convert %13", "");
        check(
            "u64",
            size,
            &ballot,
            |x| x,
            |x| x,
            |_, lanes| {
                lanes.iter().enumerate().filter(|(_, p)| holds(p)).map(|(i, _)| 1 << i).sum()
            },
        );
        check(
            "u64",
            size,
            &vote("is_first", width),
            |x| x,
            |x| x,
            |own, lanes| u64::from(lanes.iter().position(Option::is_some) == Some(own)),
        );
    }
}

#[test]
fn matrices_multiply() {
    // out = transpose(a) * b + a, of 8x8 floats in row order with a stride of 9.
    let text = "fn 0 \"k\" (%0: ptr<device, f32> \"a\", %1: ptr<device, f16> \"b\", %2: ptr<device, f32> \"out\") {
  %3: i32 = const 9
  %4: simdmat<f32> = matrix_load %0, %3 transpose
  %5: simdmat<f16> = matrix_load %1, %3
  %6: simdmat<f32> = matrix_load %0, %3
  %7: simdmat<f32> = matrix_mul_add %4, %5, %6
  %8: f32 = const 1.0
  %9: simdmat<f32> = matrix_diagonal %8
  %10: simdmat<f32> = splat %8
  %11: simdmat<f32> = matrix_mul_add %7, %9, %10
  matrix_store %2, %11, %3
}
kernel \"k\" fn 0 (buffer 0 \"a\" f32, buffer 1 \"b\" f16, buffer 2 \"out\" f32 writable)";
    let module = parse(text).expect("parses");
    verify_canonical(&module).expect("verifies");
    let program = Program::new(&module, "k").expect("flattens");
    let mut rng = fresh();
    let a: Vec<f32> = (0..72).map(|_| rng.usize(..1000) as f32 / 64.0 - 7.0).collect();
    let b: Vec<f32> = (0..72).map(|_| rng.usize(..64) as f32 / 8.0).collect();
    let a_bytes: Vec<u8> = a.iter().flat_map(|x| x.to_le_bytes()).collect();
    let b_bytes: Vec<u8> = b.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect();
    for schedule in SCHEDULES {
        let mut out = vec![0u8; 72 * 4];
        let buffers = vec![Data::Read(&a_bytes), Data::Read(&b_bytes), Data::Write(&mut out)];
        let mut launch = Launch::new(&program, buffers, [32, 1, 1], [32, 1, 1]);
        launch.schedule = schedule;
        launch.run().expect("runs");
        for row in 0..8 {
            for col in 0..8 {
                let sum = (0..8).fold(a[row * 9 + col], |sum, k| {
                    f32::mul_add(a[k * 9 + row], b[k * 9 + col], sum)
                });
                let at = (row * 9 + col) * 4;
                let got = f32::from_le_bytes(out[at..at + 4].try_into().expect("4 bytes"));
                assert_eq!(got, sum + 1.0, "{row} {col} {schedule:?}");
            }
        }
    }
}
