//! The interpreter on IR text: control flow, schedules, memory, limits.

use std::cell::Cell;

use anymetal_msl::ir::{parse, verify_canonical};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::*;

const SCHEDULES: [Schedule; 4] =
    [Schedule::Lockstep, Schedule::LaneByLane, Schedule::Reverse, Schedule::Random];

fn program(text: &str) -> Program {
    let module = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    verify_canonical(&module).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Program::new(&module, &module.kernels[0].name).expect("flattens")
}

/// A kernel with one u32 output whose body has `%0` = output, `%1` = thread index in the grid.
fn simple(body: &str) -> String {
    format!(
        "fn 0 \"k\" (%0: ptr<device, u32> \"out\") {{
  %100: u32x3 = attribute thread_position_in_grid
  %1: u32 = extract %100, 0
{body}
}}
kernel \"k\" fn 0 (buffer 0 \"out\" u32 writable)"
    )
}

fn run_with(
    text: &str,
    grid: u32,
    group: u32,
    schedule: Schedule,
) -> (Vec<u32>, Result<Report, LaunchError>) {
    let program = program(text);
    let mut out = vec![0u8; grid as usize * 4];
    let mut launch =
        Launch::new(&program, vec![Data::Write(&mut out)], [grid, 1, 1], [group, 1, 1]);
    launch.schedule = schedule;
    launch.seed = 7;
    launch.limits.steps = 100_000;
    let result = launch.run();
    let words = out.chunks(4).map(|part| u32::from_le_bytes(part.try_into().expect("4")));
    (words.collect(), result)
}

/// Checks the output of every thread under all schedules.
fn check(text: &str, grid: u32, group: u32, expected: impl Fn(u32) -> u32) {
    let expected: Vec<u32> = (0..grid).map(expected).collect();
    for schedule in SCHEDULES {
        let (out, result) = run_with(text, grid, group, schedule);
        assert_eq!(result.map(|report| report.findings), Ok(vec![]), "{schedule:?}");
        assert_eq!(out, expected, "{schedule:?}");
    }
}

#[test]
fn divergent_loop_with_break_and_continue() {
    // Sums odd i below thread index, stops at 20.
    let text = simple(
        "  %2: ptr<thread, u32> = var \"sum\"
  %3: ptr<thread, u32> = var \"i\"
  %4: u32 = const 0
  %5: u32 = const 1
  %6: u32 = const 20
  store %2, %4
  store %3, %4
  loop ^1 ^2 for {
    %7: u32 = load %3
    %8: bool = cmp.lt %7, %1
    test %8
  } body {
    %9: u32 = load %3
    %10: bool = cmp.eq %9, %6
    if ^3 %10 {
      exit ^1
    }
    %11: u32 = and %9, %5
    %12: bool = cmp.eq %11, %4
    if ^4 %12 {
      exit ^2
    }
    %13: u32 = load %2
    %14: u32 = add %13, %9
    store %2, %14
  } next {
    %15: u32 = load %3
    %16: u32 = add %15, %5
    store %3, %16
  }
  %17: ptr<device, u32> = element %0, u32, %1
  %18: u32 = load %2
  store %17, %18",
    );
    check(&text, 77, 40, |t| (0..t.min(20)).filter(|i| i % 2 == 1).sum());
}

#[test]
fn switch_falls_through() {
    let text = simple(
        "  %2: ptr<thread, u32> = var \"r\"
  %3: u32 = const 1
  %4: u32 = const 10
  %5: u32 = const 100
  %6: u32 = const 5
  %7: u32 = rem %1, %6
  switch ^1 %7 {
  case 0 {
    %8: u32 = load %2
    %9: u32 = add %8, %3
    store %2, %9
  }
  case 1, 3 {
    %10: u32 = load %2
    %11: u32 = add %10, %4
    store %2, %11
    exit ^1
  }
  case default {
    %12: u32 = load %2
    %13: u32 = add %12, %5
    store %2, %13
  }
  }
  %14: ptr<device, u32> = element %0, u32, %1
  %15: u32 = load %2
  store %14, %15",
    );
    check(&text, 70, 64, |t| [11, 10, 100, 10, 100][t as usize % 5]);
}

#[test]
fn calls_return_early_from_inside_regions() {
    let text = "fn 0 \"k\" (%0: ptr<device, u32> \"out\") {
  %100: u32x3 = attribute thread_position_in_grid
  %1: u32 = extract %100, 0
  %2: u32 = call 1 (%1)
  %3: u32 = call 1 (%2)
  %4: u32 = add %2, %3
  %5: ptr<device, u32> = element %0, u32, %1
  store %5, %4
}
fn 1 \"f\" (%0: u32 \"x\") -> u32 {
  %1: u32 = const 3
  %2: u32 = rem %0, %1
  %3: u32 = const 1
  %4: bool = cmp.eq %2, %3
  if ^1 %4 {
    exit ^0, %1
  }
  %5: u32 = call 2 (%0)
  exit ^0, %5
}
fn 2 \"g\" (%0: u32 \"x\") -> u32 {
  %1: u32 = const 2
  %2: u32 = mul %0, %1
  exit ^0, %2
}
kernel \"k\" fn 0 (buffer 0 \"out\" u32 writable)";
    let f = |x: u32| if x % 3 == 1 { 3 } else { x * 2 };
    check(text, 100, 50, |t| f(t) + f(f(t)));
}

/// Each thread writes its value to threadgroup memory, the sum of all is read back.
const TREE: &str = "global 0 \"tile\" threadgroup [64 x u32]
fn 0 \"k\" (%0: ptr<device, u32> \"out\") {
  %100: u32x3 = attribute thread_position_in_grid
  %1: u32 = extract %100, 0
  %2: u32 = attribute thread_index_in_threadgroup
  %3: ptr<threadgroup, [64 x u32]> = global 0
  %4: ptr<threadgroup, u32> = element %3, u32, %2
  store %4, %1
  barrier threadgroup {threadgroup} threadgroup
  %5: u32 = const 1
  %6: u32 = const 32
  %7: ptr<thread, u32> = var \"s\"
  store %7, %6
  %8: u32 = const 0
  loop ^1 ^2 for {
    %9: u32 = load %7
    %10: bool = cmp.gt %9, %8
    test %10
  } body {
    %11: u32 = load %7
    %12: bool = cmp.lt %2, %11
    if ^3 %12 {
      %13: u32 = add %2, %11
      %14: ptr<threadgroup, u32> = element %3, u32, %13
      %15: u32 = load %14
      %16: u32 = load %4
      %17: u32 = add %15, %16
      store %4, %17
    }
    barrier threadgroup {threadgroup} threadgroup
  } next {
    %18: u32 = load %7
    %19: u32 = shr %18, %5
    store %7, %19
  }
  %20: u32 = load %3
  %21: ptr<device, u32> = element %0, u32, %1
  store %21, %20
}
kernel \"k\" fn 0 (buffer 0 \"out\" u32 writable)";

#[test]
fn barriers_in_a_loop() {
    // The last threadgroup has 27 threads; the rest of its tile stays zero.
    check(TREE, 64 * 3 + 27, 64, |t| {
        let first = t / 64 * 64;
        (first..(first + 64).min(64 * 3 + 27)).sum()
    });
}

#[test]
fn barrier_in_divergent_arms_counts_arrivals() {
    // Even lanes meet odd lanes at another barrier; then a simdgroup sum over the arm's lanes.
    let text = simple(
        "  %2: ptr<thread, u32> = var \"r\"
  %3: u32 = const 1
  %4: u32 = and %1, %3
  %5: u32 = const 0
  %6: bool = cmp.eq %4, %5
  %7: u32 = const 30
  %8: bool = cmp.gt %1, %7
  if ^9 %8 {
    exit ^0
  }
  if ^1 %6 {
    barrier threadgroup {} threadgroup
    %9: u32 = reduce.sum.simd %3
    store %2, %9
  } else {
    %10: u32 = reduce.sum.simd %1
    store %2, %10
    barrier threadgroup {} threadgroup
  }
  %11: u32 = reduce.max.simd %1
  %12: u32 = load %2
  %13: u32 = add %11, %12
  %14: ptr<device, u32> = element %0, u32, %1
  store %14, %13",
    );
    check(&text, 32, 32, |t| match t {
        31.. => 0,
        t if t % 2 == 0 => 16 + 30,
        _ => (0..30).filter(|i| i % 2 == 1).sum::<u32>() + 30,
    });
}

#[test]
fn lanes_meet_in_different_rounds_only_if_the_round_is_the_same() {
    // Lane t sums over t % 4 + 1 rounds; each round adds the number of lanes in it.
    let text = simple(
        "  %2: ptr<thread, u32> = var \"i\"
  %3: ptr<thread, u32> = var \"r\"
  %4: u32 = const 3
  %5: u32 = and %1, %4
  %6: u32 = const 1
  loop ^1 ^2 while {
    %7: u32 = load %2
    %8: bool = cmp.le %7, %5
    test %8
  } body {
    %9: u32 = reduce.sum.simd %6
    %10: u32 = load %3
    %11: u32 = add %10, %9
    store %3, %11
  } next {
    %12: u32 = load %2
    %13: u32 = add %12, %6
    store %2, %13
  }
  %14: ptr<device, u32> = element %0, u32, %1
  %15: u32 = load %3
  store %14, %15",
    );
    check(&text, 44, 44, |t| {
        let lanes = if t < 32 { 0..32 } else { 32..44 };
        (0..=t % 4).map(|round| lanes.clone().filter(|l| l % 4 >= round).count() as u32).sum()
    });
}

#[test]
fn out_of_range_is_reported_once_per_site() {
    let text = simple(
        "  %2: u32 = const 10
  %3: u32 = add %1, %2
  %4: ptr<device, u32> = element %0, u32, %3
  %5: u32 = load %4 !5
  %6: ptr<device, u32> = element %0, u32, %1
  %7: u32 = const 9
  %8: u32 = add %5, %7
  store %6, %8",
    );
    let (out, result) = run_with(&text, 40, 16, Schedule::Lockstep);
    assert_eq!(out, vec![9; 40]);
    let findings = result.expect("reads are warnings").findings;
    assert_eq!(findings.len(), 1);
    let found = &findings[0];
    assert_eq!((found.kind, found.count, found.thread), (FindingKind::Read, 10, [30, 0, 0]));
    assert_eq!((found.index(), found.length, found.span.0), (40, 160, 5));
    assert_eq!(
        found.to_string(),
        "read out of range: out[40] of 40 uint in k, thread (30, 0, 0), 10 times"
    );
    let text = text.replace("%5: u32 = load %4 !5", "%5: u32 = const 1\n  store %4, %5");
    for schedule in SCHEDULES {
        let (out, result) = run_with(&text, 40, 16, schedule);
        assert!(matches!(result, Err(LaunchError::Findings(found)) if found[0].count == 10));
        assert_eq!(out[0], 10);
    }
}

#[test]
fn endless_loop_is_named() {
    let text = simple("  loop ^1 ^2 while !77 {\n  } body {\n  } next {\n  }");
    for schedule in SCHEDULES {
        let (_, result) = run_with(&text, 3, 3, schedule);
        match result {
            Err(LaunchError::EndlessLoop { function, span, limit, .. }) => {
                assert_eq!((function.as_str(), span.0, limit), ("k", 77, "step"));
            }
            other => panic!("{other:?}"),
        }
    }
    let program = program(&text);
    let mut out = [0; 4];
    for (grid, workers) in [(1, 1), (4, 2)] {
        let launch = |out| {
            let mut launch = Launch::new(&program, vec![Data::Write(out)], [grid, 1, 1], [1, 1, 1]);
            launch.workers = workers;
            launch
        };
        let mut stopped = launch(&mut out);
        stopped.interrupt.stop = Some(&|| true);
        assert_eq!(stopped.run(), Err(LaunchError::Cancelled));
        // The hook is called on this thread only, again and again until it says to stop.
        let (caller, polls) = (std::thread::current().id(), Cell::new(0));
        let poll = || {
            assert_eq!(std::thread::current().id(), caller);
            polls.set(polls.get() + 1);
            polls.get() < 3
        };
        let mut polled = Launch::new(&program, vec![Data::Write(&mut out)], [grid, 1, 1], [1; 3]);
        polled.workers = workers;
        polled.interrupt.poll = Some(&poll);
        assert_eq!(polled.run(), Err(LaunchError::Cancelled));
        assert!(polls.get() >= 3);
    }
    let mut launch = Launch::new(&program, vec![Data::Write(&mut out)], [1; 3], [1; 3]);
    launch.limits.time = Some(std::time::Duration::from_millis(5));
    assert!(matches!(launch.run(), Err(LaunchError::EndlessLoop { limit: "time", .. })));
}

#[test]
fn time_ends_kernels_without_loops() {
    let program = program(&simple(""));
    let mut launch = Launch::new(&program, vec![Data::Write(&mut [])], [1 << 30; 3], [1; 3]);
    launch.limits.time = Some(std::time::Duration::from_millis(5));
    let expected = LaunchError::TimeLimit { kernel: "k".into() };
    assert_eq!(launch.run(), Err(expected));
}

#[test]
fn pointers_survive_memory_and_selection() {
    // A struct in thread memory holds two pointers; the lane's parity selects one.
    let text =
        "struct $0 \"S\" size 16 align 8 { \"a\": ptr<device, u32> @0, \"b\": ptr<device, u32> @8 }
fn 0 \"k\" (%0: ptr<device, u32> \"out\") {
  %100: u32x3 = attribute thread_position_in_grid
  %1: u32 = extract %100, 0
  %2: ptr<thread, $0> = var \"s\"
  %3: ptr<thread, ptr<device, u32>> = field %2, $0, 0
  %4: ptr<thread, ptr<device, u32>> = field %2, $0, 1
  %5: i32 = const -1
  %6: ptr<device, u32> = element %0, u32, %5
  store %3, %0
  store %4, %6
  %7: u32 = const 1
  %8: u32 = and %1, %7
  %9: bool = cmp.eq %8, %7
  %10: ptr<device, u32> = load %4
  %11: ptr<device, u32> = load %3
  %12: ptr<device, u32> = select %9, %10, %11
  %13: u64 = convert %12
  %14: ptr<device, u32> = convert %13
  %15: u32 = add %1, %8
  %16: ptr<device, u32> = element %14, u32, %15
  %17: i64 = ptr_diff %16, %0, u32
  %18: u32 = convert %17
  store %16, %18
}
kernel \"k\" fn 0 (buffer 0 \"out\" u32 writable)";
    check(text, 50, 50, |t| t);
}

#[test]
fn launches_are_checked() {
    let program = program(TREE);
    let launch = Launch::new(&program, vec![], [1; 3], [1; 3]);
    assert!(matches!(launch.run(), Err(LaunchError::Arguments { expected: 1, given: 0, .. })));
    let mut out = [0; 4];
    let launch = Launch::new(&program, vec![Data::Write(&mut out)], [1; 3], [2048, 1, 1]);
    assert!(matches!(launch.run(), Err(LaunchError::ThreadgroupSize { threads: 2048, .. })));
    let launch = Launch::new(&program, vec![Data::Write(&mut out)], [0, 1, 1], [32, 1, 1]);
    assert_eq!(launch.run(), Ok(Report::default()));
}

#[test]
fn parallel_runs_agree() {
    let program = program(TREE);
    let run = |workers| {
        let mut out = vec![0u8; 64 * 400];
        let mut launch =
            Launch::new(&program, vec![Data::Write(&mut out)], [6400, 1, 1], [64, 1, 1]);
        launch.workers = workers;
        let report = launch.run().expect("runs");
        (out, report)
    };
    assert_eq!(run(1), run(4));
}
