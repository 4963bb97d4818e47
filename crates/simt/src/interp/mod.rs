//! The interpreter: the definition of what a kernel means, and the ground of the checker.
//!
//! Canonical IR is flattened ([`Program`]) into operations on rows of 32 lanes (`code`). Under
//! the lockstep schedule a simdgroup executes one operation over all its lanes under a mask;
//! lanes that leave a region wait at its end, of a divergent `if` the then arm runs first. Under
//! the other schedules each lane is a machine of its own, with its position, open regions and
//! calls, and lanes only meet at operations across lanes and at barriers. Race-free kernels give
//! the same results under all of them.
//!
//! Architecture invariant: the interpreter shares the IR and the scalar semantics with faster
//! executors and nothing else. It has no unsafe code and never panics on verified IR.

mod access;
mod code;
mod flatten;
mod function;
mod group;
mod lanes;
mod live;
mod observe;
mod pure;
mod schedule;
mod strand;
mod watch;
mod word;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anymetal_msl::ir::Module;

pub use code::Program;
pub use observe::{AccessEvent, Moment, Observer, Unobserved};

use self::access::Entry;
use self::code::Place;
use self::group::{FoundMap, Group, Shape};
use self::watch::{Running, Stop, Watch};
use crate::launch::{
    Bounds, Data, Finding, FindingKind, Interrupt, LaunchError, Limits, Report, Schedule,
};
use crate::memory::Buffer;

impl Program {
    /// Flattens a kernel of a verified module in canonical form.
    pub fn new(module: &Module, kernel: &str) -> Result<Program, LaunchError> {
        flatten::flatten(module, kernel)
    }

    /// Source name of an object of the launch table; number 0 is `null`.
    pub fn object_name(&self, object: u32) -> Option<&str> {
        self.objects.get(object as usize).map(|object| object.name.as_str())
    }

    /// Operations of the flat code, one per line, for people.
    pub fn listing(&self) -> String {
        let lines = self.code.iter().enumerate();
        lines.map(|(pc, code)| format!("{pc:5} {code:?}\n")).collect()
    }
}

/// A launch of a kernel.
pub struct Launch<'a> {
    /// The kernel.
    pub program: &'a Program,
    /// One per buffer parameter, in their order.
    pub buffers: Vec<Data<'a>>,
    /// Threads along each axis; 0 along any runs nothing.
    pub grid: [u32; 3],
    /// Threads of a threadgroup along each axis; an axis longer than the grid is cut to it.
    pub threadgroup: [u32; 3],
    /// Bytes for each threadgroup parameter, in their order.
    pub threadgroup_memory: Vec<u64>,
    /// In which order threads take their steps.
    pub schedule: Schedule,
    /// What happens on accesses out of range.
    pub bounds: Bounds,
    /// When to give up.
    pub limits: Limits,
    /// For the random schedule.
    pub seed: u64,
    /// Threads to use; 0 for as many as the machine has.
    pub workers: usize,
    /// Asks to stop.
    pub interrupt: Interrupt<'a>,
}

impl<'a> Launch<'a> {
    /// A launch with default options.
    pub fn new(
        program: &'a Program,
        buffers: Vec<Data<'a>>,
        grid: [u32; 3],
        threadgroup: [u32; 3],
    ) -> Launch<'a> {
        Launch {
            program,
            buffers,
            grid,
            threadgroup,
            threadgroup_memory: Vec::new(),
            schedule: Schedule::default(),
            bounds: Bounds::default(),
            limits: Limits::default(),
            seed: 0,
            workers: 0,
            interrupt: Interrupt::default(),
        }
    }

    /// Runs to the end. Outputs are written even if the result is an error about accesses.
    pub fn run(self) -> Result<Report, LaunchError> {
        self.execute::<Unobserved>(None)
    }

    /// Runs on one worker while `observer` watches.
    pub fn run_observed<O: Observer + Send>(
        mut self,
        observer: &mut O,
    ) -> Result<Report, LaunchError> {
        self.workers = 1;
        self.execute(Some(observer))
    }

    fn execute<O: Observer + Send>(self, observer: Option<&mut O>) -> Result<Report, LaunchError> {
        self.check()?;
        let program = self.program;
        let buffers: Vec<Buffer<'_>> = self
            .buffers
            .into_iter()
            .map(|data| match data {
                Data::Read(bytes) => Buffer::read(bytes),
                Data::Write(bytes) => Buffer::write(bytes),
            })
            .collect();
        let (entries, shared) = table(program, &buffers, &self.threadgroup_memory);
        let threads: u64 = self.threadgroup.iter().map(|&n| u64::from(n)).product();
        let limit = self.limits.threads_per_threadgroup;
        let limit = limit.min(program.max_threads.map_or(u64::MAX, u64::from));
        if threads == 0 || threads > limit {
            return Err(LaunchError::ThreadgroupSize { threads, limit });
        }
        if shared as u64 > self.limits.threadgroup_memory {
            return Err(LaunchError::TooLarge {
                kernel: program.kernel.clone(),
                what: "bytes of threadgroup memory",
                needed: shared as u64,
                limit: self.limits.threadgroup_memory,
            });
        }
        let nominal = std::array::from_fn(|i| self.threadgroup[i].min(self.grid[i]));
        if self.grid.contains(&0) {
            return Ok(Report::default());
        }
        let groups: [u64; 3] = std::array::from_fn(|i| self.grid[i].div_ceil(nominal[i]).into());
        let count = groups.iter().fold(1u64, |product, &n| product.saturating_mul(n));
        let watch = Watch {
            steps: self.limits.steps,
            deadline: self.limits.time.map(|time| Instant::now() + time),
            stop: self.interrupt.stop,
            failed: AtomicBool::new(false),
            unchecked: self.bounds == Bounds::Unchecked,
        };
        let next = AtomicU64::new(0);
        let job = Job {
            program,
            buffers: &buffers,
            entries: &entries,
            watch: &watch,
            next: &next,
            groups,
            count,
            grid: self.grid,
            nominal,
            shared,
            schedule: self.schedule,
            seed: self.seed,
        };
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if self.workers == 0 { available } else { self.workers };
        let workers = (workers as u64).min(count) as usize;
        let (poll, running) = (self.interrupt.poll, Running::new(workers));
        let outcomes: Vec<Outcome> = match observer {
            Some(observer) => vec![job.work(observer, poll)],
            None if workers <= 1 => vec![job.work(&mut Unobserved, poll)],
            None => std::thread::scope(|scope| {
                let (job, running) = (&job, &running);
                let work = move || {
                    let _counted = running.guard();
                    job.work(&mut Unobserved, None)
                };
                let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
                if let Some(poll) = poll {
                    running.wait(poll, &watch.failed);
                }
                // A worker panics only by a bug here; it then panics for the caller too.
                handles
                    .into_iter()
                    .map(|handle| {
                        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    })
                    .collect()
            }),
        };
        summary(program, &entries, outcomes, self.bounds)
    }

    fn check(&self) -> Result<(), LaunchError> {
        let counts = [
            ("buffers", self.program.buffers, self.buffers.len()),
            (
                "threadgroup memory sizes",
                self.program.threadgroup_params,
                self.threadgroup_memory.len(),
            ),
        ];
        for (what, expected, given) in counts {
            if expected != given {
                let kernel = self.program.kernel.clone();
                return Err(LaunchError::Arguments { kernel, what, expected, given });
            }
        }
        Ok(())
    }
}

/// The launch table, and the bytes of threadgroup memory it needs.
fn table(program: &Program, buffers: &[Buffer<'_>], sizes: &[u64]) -> (Vec<Entry>, usize) {
    let mut shared = program.threadgroup_bytes;
    let entries = program
        .objects
        .iter()
        .map(|object| {
            let (base, length) = match object.place {
                Place::Null => (0, 0),
                Place::Buffer(i) => (0, buffers[i as usize].len() as u64),
                Place::ThreadgroupParam(i) => {
                    let base = shared.next_multiple_of(16);
                    let length = sizes[i as usize];
                    shared = base.saturating_add(length);
                    (base as usize, length)
                }
                Place::Constant(at) | Place::Threadgroup(at) | Place::Thread(at) => {
                    (at as usize, object.length)
                }
            };
            let writable = match object.place {
                Place::Buffer(i) => object.writable && buffers[i as usize].is_writable(),
                _ => object.writable,
            };
            let writable = if writable { length } else { 0 };
            Entry { place: object.place, base, readable: length, writable }
        })
        .collect();
    (entries, usize::try_from(shared).unwrap_or(usize::MAX))
}

/// What all workers of a launch share.
struct Job<'a> {
    program: &'a Program,
    buffers: &'a [Buffer<'a>],
    entries: &'a [Entry],
    watch: &'a Watch<'a>,
    next: &'a AtomicU64,
    groups: [u64; 3],
    count: u64,
    grid: [u32; 3],
    nominal: [u32; 3],
    shared: usize,
    schedule: Schedule,
    seed: u64,
}

/// What a worker did; the error with the threadgroup it happened in.
struct Outcome {
    found: FoundMap,
    lane_steps: u64,
    error: Option<(u64, LaunchError)>,
}

impl Job<'_> {
    /// Runs threadgroups until there are no more.
    fn work<O: Observer>(&self, observer: &mut O, poll: Option<&dyn Fn() -> bool>) -> Outcome {
        let (grid, nominal) = (self.grid, self.nominal);
        let mut group = Group {
            program: self.program,
            buffers: self.buffers,
            entries: self.entries,
            watch: self.watch,
            poll,
            observer,
            shape: Shape { grid, nominal, position: [0; 3], size: nominal },
            simdgroups: Vec::new(),
            shared: vec![0; self.shared],
            found: FoundMap::default(),
            lane_steps: 0,
        };
        let mut error = None;
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.count {
                break;
            }
            let result = match self.watch.check(0, poll) {
                Ok(()) => {
                    let [x, y, _] = self.groups;
                    let position = [index % x, index / x % y, index / x / y].map(|n| n as u32);
                    let size =
                        std::array::from_fn(|i| nominal[i].min(grid[i] - position[i] * nominal[i]));
                    group.shape = Shape { grid, nominal, position, size };
                    group.prepare();
                    group.execute(self.schedule, self.seed.wrapping_add(index))
                }
                Err(Stop::Cancelled) => Err(LaunchError::Cancelled),
                Err(Stop::Time | Stop::Steps) => {
                    Err(LaunchError::TimeLimit { kernel: self.program.kernel.clone() })
                }
            };
            if let Err(failed) = result {
                self.watch.failed.store(true, Ordering::Relaxed);
                error = Some((index, failed));
                break;
            }
        }
        Outcome { found: group.found, lane_steps: group.lane_steps, error }
    }
}

fn summary(
    program: &Program,
    entries: &[Entry],
    outcomes: Vec<Outcome>,
    bounds: Bounds,
) -> Result<Report, LaunchError> {
    let mut found = FoundMap::default();
    let mut report = Report::default();
    let mut error: Option<(u64, LaunchError)> = None;
    for outcome in outcomes {
        report.lane_steps += outcome.lane_steps;
        #[allow(clippy::iter_over_hash_type, reason = "joining does not depend on the order")]
        for (key, one) in outcome.found {
            found.entry(key).and_modify(|known| known.join(one)).or_insert(one);
        }
        // A worker that stopped because another one failed has nothing to say itself, one that
        // names a loop more than one that was between two threadgroups.
        if let Some(failed) = outcome.error {
            let rank = |(group, error): &(u64, LaunchError)| match error {
                LaunchError::Cancelled => (2, *group),
                LaunchError::TimeLimit { .. } => (1, *group),
                _ => (0, *group),
            };
            if error.as_ref().is_none_or(|known| rank(&failed) < rank(known)) {
                error = Some(failed);
            }
        }
    }
    if let Some((_, error)) = error {
        return Err(error);
    }
    let mut sorted: Vec<_> = found.into_iter().collect();
    sorted.sort_unstable_by_key(|&(key, _)| key);
    for ((pc, kind, object), one) in sorted {
        let site = program.sites[pc as usize];
        let known = &program.objects[object as usize];
        let entry = entries[object as usize];
        report.findings.push(Finding {
            kind,
            function: program.functions[site.function as usize].name.clone(),
            span: site.span,
            buffer: known.name.clone(),
            element: known.element.clone(),
            element_size: known.element_size,
            length: if kind == FindingKind::Read { entry.readable } else { entry.writable },
            count: one.count,
            thread: one.thread,
            offset: one.offset,
            size: one.size,
        });
    }
    let fatal = |finding: &Finding| bounds == Bounds::Error || finding.kind != FindingKind::Read;
    if report.findings.iter().any(fatal) {
        return Err(LaunchError::Findings(report.findings));
    }
    Ok(report)
}
