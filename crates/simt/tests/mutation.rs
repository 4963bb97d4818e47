//! Verified IR never makes the interpreter panic: kernels are mutated as text; whatever still
//! verifies is run under a small limit of steps.

#[path = "../../../tests/random.rs"]
mod random;

use anymetal_msl::ir::{parse, verify_canonical};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Data, Schedule};
use fastrand::Rng;

use crate::random::{cases, fresh};

/// Kernels with most kinds of operations, to be mutated.
const KERNELS: [&str; 3] = [
    "struct $0 \"S\" size 32 align 16 { \"a\": i32x3 @0, \"b\": ptr<device, i32> @16, \"c\": u8 @24 }
global 0 \"tile\" threadgroup [40 x i32]
global 1 \"table\" constant [3 x i32] = x010000000200000003000000
fn 0 \"k\" (%0: ptr<device, i32> \"x\", %1: ptr<device, i32> \"out\") {
  %2: u32x3 = attribute thread_position_in_grid
  %3: u32 = extract %2, 0
  %4: ptr<device, i32> = element %0, i32, %3
  %5: i32 = load %4
  %6: ptr<thread, $0> = var \"s\"
  %7: ptr<thread, i32x3> = field %6, $0, 0
  %8: i32x3 = splat %5
  store %7, %8
  %9: ptr<thread, ptr<device, i32>> = field %6, $0, 1
  store %9, %1
  %10: ptr<threadgroup, [40 x i32]> = global 0
  %11: ptr<threadgroup, i32> = element %10, i32, %3
  store %11, %5
  barrier threadgroup {threadgroup} threadgroup
  %12: ptr<thread, i32> = var \"i\"
  %13: ptr<thread, i32> = var \"sum\"
  %14: i32 = const 0
  %15: i32 = const 7
  loop ^1 ^2 for {
    %16: i32 = load %12
    %17: bool = cmp.lt %16, %15
    test %17
  } body {
    %18: i32 = load %12
    %19: i32 = and %18, %5
    %20: bool = cmp.ne %19, %14
    if ^3 %20 {
      exit ^2
    } else {
      %21: i32 = reduce.sum.simd %18
      %22: i32 = load %13
      %23: i32 = add %22, %21
      store %13, %23
    }
    switch ^4 %18 {
    case 1, 2 {
      exit ^1
    }
    case default {
      %24: i32 = call 1 (%18, %6)
      store %13, %24
    }
    case 5 {
      exit ^4
    }
    }
  } next {
    %25: i32 = load %12
    %26: i32 = const 1
    %27: i32 = add %25, %26
    store %12, %27
  }
  %28: i32 = load %13
  %29: i32 = atomic.add %1, %28 relaxed.device
  %30: ptr<device, i32> = load %9
  %31: ptr<device, i32> = element %30, i32, %3
  store %31, %28
}
fn 1 \"f\" (%0: i32 \"x\", %1: byval ptr<thread, $0> \"s\") -> i32 {
  %2: ptr<thread, i32x3> = field %1, $0, 0
  %3: i32x3 = load %2
  %4: i32 = extract_at %3, %0
  %5: ptr<constant, [3 x i32]> = global 1
  %6: ptr<constant, i32> = element %5, i32, %4
  %7: i32 = load %6
  %8: bool = cmp.gt %7, %0
  %9: i32 = if ^1 %8 {
    exit ^1, %7
  } else {
    exit ^0, %4
  }
  %10: i32 = div %9, %0
  exit ^0, %10
}
kernel \"k\" fn 0 (buffer 0 \"x\" i32, buffer 1 \"out\" i32 writable)",
    "fn 0 \"k\" (%0: ptr<device, f32> \"x\", %1: ptr<device, f32> \"out\") {
  %2: u32 = attribute thread_index_in_simdgroup
  %3: ptr<device, f32> = element %0, f32, %2
  %4: f32 = load %3
  %5: f16 = convert %4
  %6: bf16 = convert %4
  %7: f16 = fma %5, %5, %5
  %8: bf16 = mul %6, %6
  %9: f32 = convert %7
  %10: f32 = convert %8
  %11: f32x4 = vector %4, %9, %10, %4
  %12: f32x2 = swizzle %11, %4, [4, 1]
  %13: u64 = bitcast %12
  %14: u64 = shr %13, %13
  %15: i64 = convert %14
  %16: i64 = rem %15, %15
  %17: u8 = convert %16
  %18: bool = convert %17
  %19: u64 = vote.ballot.simd %18
  %20: f32x4 = scan.inclusive_sum.quad %11
  %21: f32x4 = shuffle.rotate_down.simd %20, %17
  %22: f32x4 = shuffle_fill.up.simd %20, %21, %2, %19
  %23: simdmat<f32> = matrix_load %0, %16
  %24: simdmat<f16> = matrix_diagonal %5
  %25: simdmat<f32> = matrix_mul_add %23, %24, %23
  matrix_store %1, %25, %2 transpose
  %26: f32 = extract %22, 3
  %27: bool = cmp.le %26, %4
  if ^1 %27 {
    barrier threadgroup {} threadgroup
    %28: f32 = broadcast_first.quad %26
    store %1, %28
  } else {
    barrier simdgroup {device} simdgroup
    zero %1, f32
  }
  copy %1, %0, f32x3
  %29: u64 = convert %0
  %30: ptr<device, f32> = convert %14
  %31: i64 = ptr_diff %30, %1, f32x3
  %32: u32 = clz %2
  %33: u32 = mulhi %32, %2
  store %30, %4
  %34: u64 = add %29, %19
  %35: ptr<device, u64> = ptr_cast %1
  store %35, %34
}
kernel \"k\" fn 0 (buffer 0 \"x\" f32, buffer 1 \"out\" f32 writable)",
    "fn 0 \"k\" (%0: ptr<device, u32> \"out\", %1: ptr<threadgroup, u32> \"t\") {
  %2: u32 = attribute thread_index_in_threadgroup
  %3: ptr<thread, u32> = var \"a\"
  %4: ptr<thread, u32> = var \"b\"
  %5: u32 = const 3
  store %3, %2
  block ^1 {
    loop ^2 ^3 while {
    } body {
      %6: u32 = load %3
      %7: u32 = load %4
      %8: u32 = sub_sat %6, %5
      store %4, %6
      store %3, %8
      %9: bool = cmp.lt %8, %5
      if ^4 %9 {
        exit ^1
      }
      %10: u32 = add %7, %8
      %11: u32 = reduce.max.simd %10
      store %4, %11
    } next {
    }
  }
  %12: ptr<threadgroup, u32> = element %1, u32, %2
  %13: u32 = load %4
  %14: u32, %15: bool = atomic.cmpxchg %12, %13, %2 relaxed.threadgroup
  %16: u32 = select %15, %14, %13
  %17: ptr<device, u32> = element %0, u32, %2
  store %17, %16
}
kernel \"k\" fn 0 (buffer 0 \"out\" u32 writable, threadgroup 0 \"t\" u32 writable)",
];

/// Words of the IR that a mutation may put somewhere.
const WORDS: [&str; 24] = [
    "add",
    "sub",
    "mul",
    "div",
    "rem",
    "shl",
    "max",
    "mulhi",
    "neg",
    "abs",
    "ctz",
    "i8",
    "u16",
    "i64",
    "f16",
    "f32",
    "bool",
    "true",
    "-1",
    "0",
    "4294967295",
    "simd",
    "quad",
    "transpose",
];

fn mutate(text: &str, rng: &mut Rng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for _ in 0..rng.usize(1..3) {
        let at = rng.usize(..lines.len());
        match rng.usize(..5) {
            0 => {
                lines.remove(at);
                if lines.is_empty() {
                    lines.push(String::new());
                }
            }
            1 => {
                let from = rng.choice(&lines).unwrap().clone();
                lines.insert(at, from);
            }
            2 => {
                let other = rng.usize(..lines.len());
                lines.swap(at, other);
            }
            _ => {
                let mut words: Vec<String> = lines[at].split(' ').map(str::to_string).collect();
                let word = rng.usize(..words.len());
                words[word] = match rng.usize(..3) {
                    0 => rng.choice(WORDS).unwrap().to_string(),
                    1 => format!("%{}", rng.usize(..36)),
                    // Keeps the comma: operands stay operands.
                    _ => format!("%{},", rng.usize(..36)),
                };
                lines[at] = words.join(" ");
            }
        }
    }
    lines.join("\n")
}

/// Runs kernel `which`, mutated to `text`, and returns whether it verified.
fn run(which: usize, text: &str, rng: &mut Rng) -> bool {
    let Ok(module) = parse(text) else { return false };
    if verify_canonical(&module).is_err() {
        return false;
    }
    let Some(kernel) = module.kernels.first() else { return false };
    let Ok(program) = Program::new(&module, &kernel.name) else { return false };
    for schedule in [Schedule::Lockstep, Schedule::Random] {
        let (input, mut output) = (vec![rng.u8(..); 200], vec![0u8; 200]);
        let mut buffers = vec![Data::Read(&input), Data::Write(&mut output)];
        if which == 2 {
            buffers.remove(0);
        }
        let mut launch = Launch::new(&program, buffers, [45, 1, 1], [45, 1, 1]);
        launch.threadgroup_memory = if which == 2 { vec![128] } else { Vec::new() };
        (launch.schedule, launch.seed) = (schedule, rng.u64(..));
        launch.limits.steps = 2000;
        // Any result will do, as long as there is one.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| launch.run()));
        assert!(result.is_ok(), "panics under {schedule:?}:\n{text}");
    }
    true
}

#[test]
fn verified_mutants_never_panic() {
    for (which, text) in KERNELS.iter().enumerate() {
        assert!(run(which, text, &mut fresh()), "kernel {which} does not verify");
    }
    let mut ran = 0;
    cases(24_000, |rng| {
        let which = rng.usize(..KERNELS.len());
        let text = mutate(KERNELS[which], rng);
        ran += usize::from(run(which, &text, rng));
    });
    assert!(ran > 1000, "only {ran} mutants verified");
}
