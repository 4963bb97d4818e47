//! The thread pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anymetal_kernels::par::*;
use anymetal_kernels::simd;

#[test]
fn every_task_runs_once() {
    for threads in [1, 2, 5] {
        for tasks in [0, 1, 2, 3, 7, 100, 1000] {
            let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            with_threads(threads, || run(tasks, |i| _ = counts[i].fetch_add(1, Relaxed)));
            assert!(counts.iter().all(|c| c.load(Relaxed) == 1), "{threads} {tasks}");
        }
    }
}

#[test]
fn many_short_calls_from_several_threads() {
    std::thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                for n in 0..2000 {
                    let mut out = vec![0usize; n % 50];
                    with_threads(1 + n % 5, || chunks_mut(&mut out, 3, |i, c| c.fill(i + 1)));
                    assert!(out.iter().enumerate().all(|(i, &v)| v == i / 3 + 1));
                }
            });
        }
    });
}

#[test]
fn slow_tasks_are_waited_for() {
    let mut out = [0u8; 4];
    with_threads(4, || {
        chunks_mut(&mut out, 1, |i, c| {
            std::thread::sleep(std::time::Duration::from_millis(5 * i as u64));
            c[0] = 1;
        });
    });
    assert_eq!(out, [1; 4]);
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_the_pool_usable() {
    for bad in [0, 57, 99] {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            with_threads(3, || run(100, |i| assert!(i != bad, "task {i}")));
        }));
        let text = *caught.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(text, format!("task {bad}"));
        let sum = AtomicUsize::new(0);
        with_threads(3, || run(100, |i| _ = sum.fetch_add(i, Relaxed)));
        assert_eq!(sum.load(Relaxed), 4950);
    }
    // What a task sees is over with it.
    assert_eq!(with_threads(3, threads), 3);
}

#[test]
fn tasks_are_single_threaded_and_see_the_callers_level() {
    for level in simd::available() {
        simd::with_level(level, || {
            with_threads(4, || {
                run(16, |_| {
                    assert_eq!(threads(), 1);
                    assert_eq!(simd::level(), level);
                    let inner = AtomicUsize::new(0);
                    run(10, |i| _ = inner.fetch_add(i, Relaxed));
                    assert_eq!(inner.load(Relaxed), 45);
                });
                assert_eq!(threads(), 4);
            });
        });
    }
}

#[test]
fn two_outputs_are_cut_alike() {
    let (mut a, mut b) = (vec![0; 10], vec![0; 3]);
    with_threads(2, || {
        chunks_mut2(&mut a, 4, &mut b, 1, |i, a, b| {
            a.fill(i + 1);
            b.fill(a.len());
        });
    });
    assert_eq!(a, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    assert_eq!(b, [4, 4, 2]);
}

#[test]
fn tiles_cover_everything_once() {
    for threads in [1, 2, 5] {
        for (outer, rows, row, tile) in
            [(1, 1, 1, 1), (3, 10, 2, 4), (7, 1, 3, 8), (2, 100, 1, 0), (0, 3, 3, 1)]
        {
            let mut out = vec![0u32; outer * rows * row];
            with_threads(threads, || {
                tiles_mut(&mut out, (outer, rows, row), tile, 1e4, |t| {
                    for o in t.outer() {
                        let first = (o * rows + t.rows().start) * row;
                        let part = t.part(o);
                        part.iter_mut().zip(first as u32..).for_each(|(p, i)| *p += i + 1);
                    }
                });
            });
            assert!(out.iter().zip(1..).all(|(&v, i)| v == i), "{outer} {rows} {row} {tile}");
        }
    }
}

#[test]
fn ranges_cover_everything() {
    for threads in [1, 2, 5] {
        for (n, ns) in [(0, 1e9), (1, 1e9), (7, 1e3), (7, 1e4), (100, 1e2), (1001, 1e6)] {
            with_threads(threads, || {
                let pieces = pieces(n, ns);
                let mut next = 0;
                for r in (0..pieces).map(|i| piece(n, pieces, i)) {
                    assert_eq!(r.start, next);
                    assert!(pieces == 1 || r.len() as f64 * ns >= TASK_NS / 2.0);
                    next = r.end;
                }
                assert_eq!(next, n);
                let mut out = vec![0; n * 2];
                rows_mut(&mut out, n, 2, ns, |r, part| {
                    assert_eq!(part.len(), r.len() * 2);
                    part.fill(1);
                });
                assert!(out.iter().all(|&v| v == 1));
            });
        }
    }
}
