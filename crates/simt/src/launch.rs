//! What a launch asks for and what it reports, shared by all executors.

use std::time::Duration;

use anymetal_msl::ir::Span;

/// The bytes bound to one buffer parameter.
pub enum Data<'a> {
    /// An input or constant: stores to it are out of range.
    Read(&'a [u8]),
    /// An output.
    Write(&'a mut [u8]),
}

/// In which order threads take their steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Schedule {
    /// The definition: the lanes of a simdgroup together, simdgroups in order.
    #[default]
    Lockstep,
    /// Each lane alone as far as it can go, in order.
    LaneByLane,
    /// Each lane alone, last lane first.
    Reverse,
    /// Each lane alone, switching after a random number of steps.
    Random,
}

/// What happens on an access out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bounds {
    /// Reads give 0 and are warnings, writes are dropped and make the launch an error.
    #[default]
    Warn,
    /// Both make the launch an error.
    Error,
    /// Nothing is reported. The interpreter still stays inside the buffers.
    Unchecked,
}

/// Limits of a launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Steps a simdgroup (or a lane, under schedules other than lockstep) may take.
    pub steps: u64,
    /// Wall-clock time.
    pub time: Option<Duration>,
    /// Bytes of threadgroup memory, declared and given by the launch.
    pub threadgroup_memory: u64,
    /// Threads of a threadgroup.
    pub threads_per_threadgroup: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            steps: 1 << 36,
            time: None,
            threadgroup_memory: 32 * 1024,
            threads_per_threadgroup: 1024,
        }
    }
}

/// How a running launch is asked to stop. It then ends soon with [`LaunchError::Cancelled`].
///
/// Both questions are asked again and again, some ten thousand times a second, so they must be
/// cheap.
#[derive(Clone, Copy, Default)]
pub struct Interrupt<'a> {
    /// Whether to stop; every worker asks.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Whether to go on; asked on no thread but the one that runs the launch, also while that one
    /// waits for others.
    pub poll: Option<&'a dyn Fn() -> bool>,
}

/// What kind of access a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum FindingKind {
    /// A read out of range: it gave 0.
    Read,
    /// A write out of range: it was dropped.
    Write,
    /// An atomic operation at an address that is not a multiple of its size: it was dropped.
    Misaligned,
}

/// All bad accesses of one instruction to one buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What went wrong.
    pub kind: FindingKind,
    /// Source name of the function the access is in.
    pub function: String,
    /// The access.
    pub span: Span,
    /// Source name of the buffer or variable; `null` for a null pointer.
    pub buffer: String,
    /// Its declared element type.
    pub element: String,
    /// Bytes of an element.
    pub element_size: u64,
    /// Bytes that may be accessed this way.
    pub length: u64,
    /// How many accesses.
    pub count: u64,
    /// Position in the grid of the lowest thread.
    pub thread: [u32; 3],
    /// Byte offset of that thread's access.
    pub offset: i64,
    /// Bytes it touches.
    pub size: u64,
}

impl Finding {
    /// Index of the access in declared elements, rounded down.
    pub fn index(&self) -> i64 {
        self.offset.div_euclid(self.element_size.max(1) as i64)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [x, y, z] = self.thread;
        let Finding { buffer, element, count, function, size, offset, .. } = self;
        let (what, length) = match self.kind {
            FindingKind::Read => ("read out of range", self.length),
            FindingKind::Write => ("write out of range", self.length),
            FindingKind::Misaligned => ("misaligned atomic operation", self.length),
        };
        let length = length / self.element_size.max(1);
        write!(f, "{what}: {buffer}[{}] of {length} {element}", self.index())?;
        if *size != self.element_size {
            write!(f, " ({size} bytes at byte {offset} of {})", self.length)?;
        }
        write!(f, " in {function}, thread ({x}, {y}, {z})")?;
        if *count > 1 { write!(f, ", {count} times") } else { Ok(()) }
    }
}

/// What a launch that ran to its end has to say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Warnings, by site in source order.
    pub findings: Vec<Finding>,
    /// IR instructions executed, counted once per lane.
    pub lane_steps: u64,
}

/// Why a launch failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// There is no kernel of that name.
    #[error("no kernel is named `{name}`")]
    UnknownKernel {
        /// The name asked for.
        name: String,
    },
    /// The buffers or threadgroup memory do not fit the kernel's parameters.
    #[error("kernel `{kernel}` takes {expected} {what}, {given} given")]
    Arguments {
        /// The kernel.
        kernel: String,
        /// What is counted.
        what: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// A threadgroup is empty or larger than allowed.
    #[error("threadgroup of {threads} threads, at most {limit} and at least 1 are allowed")]
    ThreadgroupSize {
        /// Threads asked for.
        threads: u64,
        /// Most allowed.
        limit: u64,
    },
    /// Too much memory or too many values for an executor.
    #[error("kernel `{kernel}` needs {needed} {what}, at most {limit} are allowed")]
    TooLarge {
        /// The kernel.
        kernel: String,
        /// What is counted.
        what: &'static str,
        /// How many it needs.
        needed: u64,
        /// Most allowed.
        limit: u64,
    },
    /// Accesses out of range (all findings, warnings too).
    #[error("{}", list(.0))]
    Findings(Vec<Finding>),
    /// A loop did not end within the limit.
    #[error("a loop in {function} did not end within the {limit} limit, thread {thread:?}")]
    EndlessLoop {
        /// Source name of the function.
        function: String,
        /// The loop.
        span: Span,
        /// Lowest thread in the loop.
        thread: [u32; 3],
        /// `step` or `time`.
        limit: &'static str,
    },
    /// The time limit passed outside of any loop.
    #[error("kernel `{kernel}` did not end within the time limit")]
    TimeLimit {
        /// The kernel.
        kernel: String,
    },
    /// The launch was asked to stop.
    #[error("the launch was cancelled")]
    Cancelled,
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n")
}
