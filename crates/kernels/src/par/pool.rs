//! Worker threads for work that lasts microseconds.
//!
//! One job at a time. A job lies on its caller's stack and is published as a pointer; workers
//! register before they look at it, and the caller withdraws the pointer and waits for the
//! registered ones before it returns. So a job never needs a worker (none may exist: after a
//! `fork`, or if the system refuses threads), and never waits for one that is asleep.
//!
//! Idle workers spin for [`SPIN`] and then sleep. A job that is not worth waking them for runs
//! without the sleeping ones, unless jobs come so fast that a worker awake would be of use.
//!
//! Why not rayon: on a 2-core virtual machine, the cost of a call with two empty tasks was
//! 0.1 µs here and 20 µs with `rayon::join` back to back, and 10 µs against 64 µs with 0.2 ms of
//! pause between calls (the price of waking a thread); two halves of 22 µs of work took 11.5 µs
//! against 39 µs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::in_task;
use crate::simd::{self, Level};

/// How long a thread without work looks for some before it sleeps.
const SPIN: Duration = Duration::from_micros(50);
/// More workers than this are never started.
const MAX_WORKERS: usize = 255;
/// Jobs that follow each other faster than this keep workers awake.
const DENSE_NS: u64 = SPIN.as_nanos() as u64 / 2;

struct Job<'a> {
    f: &'a (dyn Fn(usize) + Sync),
    /// Tasks not taken yet, a range: the first in the lower half, the end in the upper.
    left: AtomicU64,
    /// Workers that may still join.
    seats: AtomicUsize,
    level: Option<Level>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

struct Pool {
    /// Held by the thread whose job is, or is about to be, `job`.
    busy: AtomicBool,
    job: AtomicPtr<Job<'static>>,
    /// Number of jobs published so far.
    published: AtomicUsize,
    /// When the last job that found workers asleep ended, in nanoseconds since the first one.
    cold_end: AtomicU64,
    /// Workers that may be looking at `*job`.
    registered: AtomicUsize,
    /// Set by a caller that sleeps until `registered` is 0.
    caller: Mutex<Option<Thread>>,
    caller_sleeps: AtomicBool,
    /// Workers started so far; those past it in `workers` are empty.
    started: AtomicUsize,
    workers: [Worker; MAX_WORKERS],
}

struct Worker {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

static POOL: Pool = Pool {
    busy: AtomicBool::new(false),
    job: AtomicPtr::new(std::ptr::null_mut()),
    published: AtomicUsize::new(0),
    cold_end: AtomicU64::new(0),
    registered: AtomicUsize::new(0),
    caller: Mutex::new(None),
    caller_sleeps: AtomicBool::new(false),
    started: AtomicUsize::new(0),
    workers: [const { Worker { asleep: AtomicBool::new(false), thread: OnceLock::new() } };
        MAX_WORKERS],
};

/// Runs tasks `0..tasks` on this thread and at most `helpers` workers.
pub(super) fn run(tasks: usize, helpers: usize, worth_waking: bool, f: &(dyn Fn(usize) + Sync)) {
    // A job counts tasks in 32 bits; beyond that it takes them in groups.
    let group = (tasks >> 31) + 1;
    if group > 1 {
        let groups = tasks.div_ceil(group);
        return run(groups, helpers, worth_waking, &|g| {
            (g * group..tasks.min((g + 1) * group)).for_each(f);
        });
    }
    if POOL.busy.swap(true, Acquire) {
        return in_task(|| (0..tasks).for_each(f));
    }
    POOL.start(helpers.min(MAX_WORKERS));
    let job = Job {
        f,
        left: AtomicU64::new((tasks as u64) << 32),
        seats: AtomicUsize::new(helpers),
        level: simd::forced(),
        panic: Mutex::new(None),
    };
    let asleep = POOL.publish(&job, helpers);
    if asleep && (worth_waking || POOL.cold_time() < POOL.cold_end.load(Relaxed) + DENSE_NS) {
        POOL.wake(helpers);
    }
    in_task(|| job.work(Job::take_first));
    POOL.withdraw();
    if asleep {
        POOL.cold_end.store(POOL.cold_time(), Relaxed);
    }
    POOL.busy.store(false, Release);
    if let Some(payload) = lock(&job.panic).take() {
        resume_unwind(payload);
    }
}

impl Job<'_> {
    /// Runs tasks until none is left. Does not unwind: a panic is kept for the caller, and the
    /// tasks not taken yet are dropped.
    fn work(&self, take: fn(&Self) -> Option<usize>) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            while let Some(i) = take(self) {
                (self.f)(i);
            }
        }));
        if let Err(payload) = result {
            self.left.store(0, Relaxed);
            lock(&self.panic).get_or_insert(payload);
        }
    }

    fn take_first(&self) -> Option<usize> {
        let step = |left| has_tasks(left).then(|| left + 1);
        self.left.fetch_update(Relaxed, Relaxed, step).ok().map(|left| left as u32 as usize)
    }

    fn take_last(&self) -> Option<usize> {
        let step = |left| has_tasks(left).then(|| left - (1 << 32));
        self.left.fetch_update(Relaxed, Relaxed, step).ok().map(|left| (left >> 32) as usize - 1)
    }
}

fn has_tasks(left: u64) -> bool {
    (left as u32) < (left >> 32) as u32
}

impl Pool {
    /// Sees to it that `n` workers exist, as far as the system allows.
    #[inline]
    fn start(&'static self, n: usize) {
        for id in self.started.load(Relaxed)..n {
            let name = format!("anymetal-{id}");
            let Ok(handle) = thread::Builder::new().name(name).spawn(move || self.serve(id)) else {
                return;
            };
            // Only the holder of `busy` gets here, so the cell is empty.
            _ = self.workers[id].thread.set(handle.thread().clone());
            self.started.store(id + 1, Relaxed);
        }
    }

    /// Shows the job to the workers; whether some are asleep.
    #[inline]
    fn publish(&self, job: &Job<'_>, helpers: usize) -> bool {
        let job: *const Job<'_> = job;
        self.job.store(job.cast_mut().cast(), SeqCst);
        self.published.fetch_add(1, SeqCst);
        self.started(helpers).iter().any(|w| w.asleep.load(SeqCst))
    }

    #[cold]
    fn wake(&self, helpers: usize) {
        for worker in self.started(helpers) {
            if worker.asleep.swap(false, SeqCst)
                && let Some(thread) = worker.thread.get()
            {
                thread.unpark();
            }
        }
    }

    fn started(&self, helpers: usize) -> &[Worker] {
        &self.workers[..helpers.min(self.started.load(Relaxed))]
    }

    #[cold]
    fn cold_time(&self) -> u64 {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        // Later than `DENSE_NS`: the first job does not follow another at time 0.
        FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 2 * DENSE_NS
    }

    /// Takes the job back; on return no worker looks at it, and all they did is visible here.
    #[inline]
    fn withdraw(&self) {
        // A worker either registers before this store, and is waited for, or finds no job: the
        // two stores and two loads are sequentially consistent.
        self.job.store(std::ptr::null_mut(), SeqCst);
        if spin_until(|| self.registered.load(SeqCst) == 0) {
            return;
        }
        *lock(&self.caller) = Some(thread::current());
        self.caller_sleeps.store(true, SeqCst);
        while self.registered.load(SeqCst) != 0 {
            thread::park();
        }
        self.caller_sleeps.store(false, SeqCst);
    }

    /// A worker's life.
    fn serve(&self, id: usize) {
        let me = &self.workers[id];
        // How many jobs had been published at the last look: every job gets one look.
        let mut seen = 0;
        loop {
            let is_new = |seen| self.published.load(SeqCst) != seen;
            if spin_until(|| is_new(seen)) {
                seen = self.published.load(SeqCst);
                self.join();
            } else {
                me.asleep.store(true, SeqCst);
                // Either this load sees a job published meanwhile, or its caller sees `asleep`.
                // Later jobs come without a call unless the caller wakes this worker.
                if !is_new(seen) {
                    while me.asleep.load(SeqCst) {
                        thread::park();
                    }
                }
                me.asleep.store(false, SeqCst);
            }
        }
    }

    /// Helps with the job if there is one with a seat and tasks left.
    fn join(&self) {
        self.registered.fetch_add(1, SeqCst);
        let job = self.job.load(SeqCst);
        // SAFETY: the pointer was published by a caller that has not passed `withdraw`: it would
        // have stored null before it found `registered` to be 0, and this thread, registered
        // since before the load, would have loaded that null. So the job stays where it is until
        // this thread signs off below.
        if let Some(job) = unsafe { job.as_ref() } {
            let take_one = |seats: usize| seats.checked_sub(1);
            if has_tasks(job.left.load(Relaxed))
                && job.seats.fetch_update(Relaxed, Relaxed, take_one).is_ok()
            {
                simd::with_forced(job.level, || in_task(|| job.work(Job::take_last)));
            }
        }
        if self.registered.fetch_sub(1, SeqCst) == 1
            && self.caller_sleeps.load(SeqCst)
            && let Some(caller) = lock(&self.caller).as_ref()
        {
            caller.unpark();
        }
    }
}

/// Looks until `done()`, for at most [`SPIN`]; whether it was.
fn spin_until(mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..64 {
        if done() {
            return true;
        }
        std::hint::spin_loop();
    }
    let start = Instant::now();
    while start.elapsed() < SPIN {
        for _ in 0..16 {
            if done() {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    false
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
