//! One threadgroup at a time: its memory, its simdgroups, and the steps of its strands.

use anymetal_msl::ir::{Attribute, Scalar};
use rustc_hash::FxHashMap;

use super::access::{Entry, WIDTH, Who};
use super::code::{CONST, Code, Program};
use super::observe::{Moment, Observer};
use super::pure::Window;
use super::strand::{Kind, State, Strand};
use super::watch::{Stop, Watch};
use super::word::{LANES, RowData, bits};
use crate::launch::{FindingKind, LaunchError};
use crate::memory::Buffer;

/// 32 threads: their rows and their own memory.
pub(super) struct Simdgroup {
    pub(super) rows: Vec<RowData>,
    pub(super) thread: Vec<u8>,
    /// Lanes that exist.
    pub(super) lanes: u32,
}

/// Where a threadgroup is and how large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) grid: [u32; 3],
    /// Size asked for.
    pub(super) nominal: [u32; 3],
    pub(super) position: [u32; 3],
    /// Own size, smaller at the grid's edge.
    pub(super) size: [u32; 3],
}

impl Shape {
    pub(super) fn threads(&self) -> u32 {
        self.size.iter().product()
    }

    /// Position in the threadgroup of a linear index, x fastest.
    fn local(&self, thread: u32) -> [u32; 3] {
        let [x, y, _] = self.size;
        [thread % x, thread / x % y, thread / x / y]
    }

    /// Position in the grid of a linear index.
    pub(super) fn global(&self, thread: u32) -> [u32; 3] {
        let local = self.local(thread);
        std::array::from_fn(|i| self.position[i] * self.nominal[i] + local[i])
    }
}

/// Bad accesses of one instruction to one object, so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) count: u64,
    pub(super) thread: [u32; 3],
    pub(super) offset: i64,
    pub(super) size: u64,
}

impl Found {
    /// Joins two: the lower thread's access is the one shown.
    pub(super) fn join(&mut self, other: Found) {
        let order = |found: &Found| {
            let [x, y, z] = found.thread;
            [z, y, x]
        };
        let count = self.count + other.count;
        if order(&other) < order(self) {
            *self = other;
        }
        self.count = count;
    }
}

/// Bad accesses by position in the code, kind and object.
pub(super) type FoundMap = FxHashMap<(u32, FindingKind, u32), Found>;

/// The threadgroup a worker runs now; the worker's memory is used again for the next one.
pub(super) struct Group<'a, O> {
    pub(super) program: &'a Program,
    pub(super) buffers: &'a [Buffer<'a>],
    pub(super) entries: &'a [Entry],
    pub(super) watch: &'a Watch<'a>,
    /// Whether to go on, on the launching thread.
    pub(super) poll: Option<&'a dyn Fn() -> bool>,
    pub(super) observer: &'a mut O,
    pub(super) shape: Shape,
    pub(super) simdgroups: Vec<Simdgroup>,
    /// Threadgroup memory.
    pub(super) shared: Vec<u8>,
    pub(super) found: FoundMap,
    pub(super) lane_steps: u64,
}

impl<O: Observer> Group<'_, O> {
    /// Prepares memory and attributes for the threadgroup of `self.shape`.
    pub(super) fn prepare(&mut self) {
        self.shared.fill(0);
        let threads = self.shape.threads();
        let count = threads.div_ceil(WIDTH) as usize;
        let rows = self.program.constants.len() + self.program.window_rows as usize;
        let thread_bytes = self.program.thread_bytes as usize * LANES;
        while self.simdgroups.len() < count {
            let mut data = vec![[0; LANES]; rows];
            for (row, &word) in data.iter_mut().zip(&self.program.constants) {
                row.fill(word);
            }
            let thread = vec![0; thread_bytes];
            self.simdgroups.push(Simdgroup { rows: data, thread, lanes: 0 });
        }
        for index in 0..count {
            let first = index as u32 * WIDTH;
            self.simdgroups[index].lanes = u32::MAX >> (WIDTH - (threads - first).min(WIDTH));
            for &(attribute, row) in &self.program.attributes {
                self.fill(attribute, usize::from(row & !CONST), index as u32);
            }
        }
    }

    fn fill(&mut self, attribute: Attribute, row: usize, simdgroup: u32) {
        let shape = self.shape;
        let nominal: u32 = shape.nominal.iter().product();
        let threads = shape.threads();
        let rows = &mut self.simdgroups[simdgroup as usize].rows;
        for lane in 0..WIDTH {
            // Lanes past the end get the last thread's values; they never run.
            let thread = (simdgroup * WIDTH + lane).min(threads - 1);
            let scalar = |value: u32| [value, 0, 0];
            let value = match attribute {
                Attribute::DispatchQuadgroupsPerThreadgroup => scalar(nominal.div_ceil(4)),
                Attribute::DispatchSimdgroupsPerThreadgroup => scalar(nominal.div_ceil(WIDTH)),
                Attribute::DispatchThreadsPerThreadgroup => shape.nominal,
                Attribute::GridOrigin => [0; 3],
                Attribute::GridSize | Attribute::ThreadsPerGrid => shape.grid,
                Attribute::QuadgroupIndexInThreadgroup => scalar(thread / 4),
                Attribute::QuadgroupsPerThreadgroup => scalar(threads.div_ceil(4)),
                Attribute::SimdgroupIndexInThreadgroup => scalar(simdgroup),
                Attribute::SimdgroupsPerThreadgroup => scalar(threads.div_ceil(WIDTH)),
                Attribute::ThreadExecutionWidth | Attribute::ThreadsPerSimdgroup => scalar(WIDTH),
                Attribute::ThreadIndexInQuadgroup => scalar(lane % 4),
                Attribute::ThreadIndexInSimdgroup => scalar(lane),
                Attribute::ThreadIndexInThreadgroup => scalar(thread),
                Attribute::ThreadPositionInGrid => shape.global(thread),
                Attribute::ThreadPositionInThreadgroup => shape.local(thread),
                Attribute::ThreadgroupPositionInGrid => shape.position,
                Attribute::ThreadgroupsPerGrid => {
                    std::array::from_fn(|i| shape.grid[i].div_ceil(shape.nominal[i]))
                }
                Attribute::ThreadsPerThreadgroup => shape.size,
            };
            let n = if attribute.is_vector() { 3 } else { 1 };
            for (i, &value) in value[..n].iter().enumerate() {
                rows[row + i][lane as usize] = value;
            }
        }
    }

    pub(super) fn moment(&self, who: Who) -> Moment {
        let span = self.program.sites[who.pc as usize].span;
        let thread = who.simdgroup as u32 * WIDTH + who.lane as u32;
        Moment { span, site: who.pc, thread, threadgroup: self.shape.position }
    }

    #[cold]
    pub(super) fn find(
        &mut self,
        who: Who,
        kind: FindingKind,
        object: u32,
        offset: i64,
        size: usize,
    ) {
        if self.watch.unchecked {
            return;
        }
        let known = self.entries.len() as u32;
        let object = if object < known { object } else { 0 };
        let thread = self.shape.global(who.simdgroup as u32 * WIDTH + who.lane as u32);
        let found = Found { count: 1, thread, offset, size: size as u64 };
        let entry = self.found.entry((who.pc, kind, object));
        entry.and_modify(|known| known.join(found)).or_insert(found);
    }

    /// Lets a strand take steps until it stands still, or has taken `quantum` of them.
    ///
    /// `ALL` says that the strand is a whole simdgroup in lockstep; otherwise it is one lane.
    pub(super) fn run<const ALL: bool>(
        &mut self,
        strand: &mut Strand,
        quantum: u64,
    ) -> Result<(), LaunchError> {
        let program = self.program;
        let mut active = u64::from(strand.mask.count_ones());
        let last = strand.steps.saturating_add(quantum);
        while strand.state == State::Ready && (ALL || strand.steps < last) {
            let code = program.code[strand.pc as usize];
            strand.steps += 1;
            self.lane_steps += active;
            if O::ACTIVE {
                self.observer.operation(strand.pc, strand.simdgroup as u32, strand.mask);
            }
            let simdgroup = strand.simdgroup;
            match code {
                Code::Move { d, s } => {
                    let rows = &mut self.simdgroups[simdgroup].rows;
                    let window = Window { rows, base: strand.base as usize, lane: strand.lane };
                    let (d, s) = (window.at(d), window.at(s));
                    if !ALL {
                        window.rows[d][strand.lane] = window.rows[s][strand.lane];
                    } else if strand.mask == u32::MAX {
                        window.rows[d] = window.rows[s];
                    } else {
                        let (source, mask) = (window.rows[s], strand.mask);
                        for (lane, word) in window.rows[d].iter_mut().enumerate() {
                            *word = if mask >> lane & 1 == 1 { source[lane] } else { *word };
                        }
                    }
                    strand.pc += 1;
                }
                Code::Load { .. }
                | Code::Store { .. }
                | Code::Copy { .. }
                | Code::Zero { .. }
                | Code::Atomic { .. }
                | Code::Exchange { .. } => {
                    let (pc, base) = (strand.pc, strand.base as usize);
                    let who = Who { simdgroup, lane: strand.lane, pc, base };
                    self.memory(code, who, strand.mask);
                    strand.pc += 1;
                }
                Code::Reduce { .. }
                | Code::Scan { .. }
                | Code::Shuffle { .. }
                | Code::ShuffleFill { .. }
                | Code::BroadcastFirst { .. }
                | Code::Vote { .. }
                | Code::MatrixLoad { .. }
                | Code::MatrixStore { .. }
                | Code::MatrixMulAdd { .. }
                | Code::SimdBarrier => {
                    if ALL {
                        self.meet(simdgroup, strand.pc, strand.base, strand.mask);
                        strand.pc += 1;
                    } else {
                        // The step is counted when it is taken.
                        strand.state = State::Meeting;
                        strand.steps -= 1;
                        self.lane_steps -= active;
                    }
                }
                Code::Barrier => {
                    strand.pc += 1;
                    strand.state = State::Barrier;
                }
                Code::Fence => strand.pc += 1,
                Code::Open { .. }
                | Code::If { .. }
                | Code::Else
                | Code::Close
                | Code::Loop { .. }
                | Code::Body { .. }
                | Code::Test { .. }
                | Code::Back { .. }
                | Code::Switch { .. }
                | Code::Case { .. }
                | Code::Exit { .. }
                | Code::Call { .. } => {
                    let before = strand.mask;
                    self.control::<ALL>(strand, code)?;
                    if strand.mask != before {
                        active = u64::from(strand.mask.count_ones());
                    }
                }
                _ => {
                    let rows = &mut self.simdgroups[simdgroup].rows;
                    let (base, lane) = (strand.base as usize, strand.lane);
                    Window { rows, base, lane }.pure::<ALL>(program, code);
                    strand.pc += 1;
                }
            }
        }
        if O::ACTIVE && strand.state == State::Done {
            let first = strand.simdgroup as u32 * WIDTH;
            let lanes = self.simdgroups[strand.simdgroup].lanes;
            for lane in 0..WIDTH {
                if lanes >> lane & 1 == 1 && (ALL || lane as usize == strand.lane) {
                    self.observer.exit(self.shape.position, first + lane);
                }
            }
        }
        Ok(())
    }

    /// Executes an operation across lanes for those of `mask`, which are at it together.
    pub(super) fn meet(&mut self, simdgroup: usize, pc: u32, base: u32, mask: u32) {
        let (code, base) = (self.program.code[pc as usize], base as usize);
        match code {
            Code::MatrixLoad { .. } | Code::MatrixStore { .. } => {
                self.memory(code, Who { simdgroup, lane: 0, pc, base }, mask);
            }
            Code::SimdBarrier => {
                if O::ACTIVE {
                    self.observer.barrier(self.shape.position, Some(simdgroup as u32));
                }
            }
            _ => {
                let rows = &mut self.simdgroups[simdgroup].rows;
                Window { rows, base, lane: 0 }.across(self.program, code, mask);
            }
        }
    }

    #[inline(always)]
    fn control<const ALL: bool>(
        &mut self,
        strand: &mut Strand,
        code: Code,
    ) -> Result<(), LaunchError> {
        let program = self.program;
        let rows = &mut self.simdgroups[strand.simdgroup].rows;
        let window = Window { rows, base: strand.base as usize, lane: strand.lane };
        match code {
            Code::Open { end } => {
                strand.open(Kind::Region, end);
                strand.pc += 1;
            }
            Code::If { c, otherwise, end } => {
                let c = truth::<ALL>(&window, c, strand);
                let (then, rest) = (strand.mask & c, strand.mask & !c);
                let entry = strand.open(Kind::If, end);
                if then == 0 {
                    strand.pc = otherwise;
                } else {
                    (entry.pending, entry.resume) = (rest, otherwise);
                    strand.mask = then;
                    strand.pc += 1;
                }
            }
            Code::Else => {
                let mask = strand.mask;
                let top = strand.top();
                top.wait |= mask;
                if top.pending == 0 {
                    let end = top.end;
                    strand.mask = 0;
                    strand.close();
                    strand.pc = end;
                } else {
                    strand.mask = std::mem::take(&mut top.pending);
                    strand.pc += 1;
                }
            }
            Code::Close => {
                strand.close();
                strand.pc += 1;
            }
            Code::Loop { end } => {
                strand.open(Kind::Loop, end);
                strand.pc += 1;
            }
            Code::Body { next } => {
                strand.open(Kind::Body, next);
                strand.pc += 1;
            }
            Code::Test { c } => {
                let c = truth::<ALL>(&window, c, strand);
                let (stay, leave) = (strand.mask & c, strand.mask & !c);
                strand.top().wait |= leave;
                if stay == 0 {
                    strand.unwind();
                } else {
                    strand.mask = stay;
                    strand.pc += 1;
                }
            }
            Code::Back { head } => {
                strand.top().round += 1;
                if strand.steps >= strand.next_look {
                    if let Err(stop) = self.watch.check(strand.steps, self.poll) {
                        return Err(self.stopped(strand, stop));
                    }
                    strand.next_look = self.watch.next_look(strand.steps);
                }
                strand.pc = head;
            }
            Code::Switch { s, ty, d, table, end } => {
                let table = &program.tables[table as usize];
                let (s, d) = (window.at(s), window.at(d));
                let (mut pending, mut rest) = (0, strand.mask);
                while rest != 0 {
                    let lane = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    let mut value = bits(ty, window.rows, s, lane);
                    if !matches!(ty, Scalar::I64 | Scalar::U64) {
                        value = value as u32 as u64;
                    }
                    let found = table.cases.binary_search_by_key(&value, |case| case.0);
                    if let Some(case) = found.ok().map(|i| table.cases[i].1).or(table.default) {
                        window.rows[d][lane] = case;
                        pending |= 1 << lane;
                    }
                }
                let wait = strand.mask & !pending;
                let resume = strand.pc + 1;
                let entry = strand.open(Kind::Switch, end);
                (entry.wait, entry.pending, entry.resume) = (wait, pending, resume);
                strand.unwind();
            }
            Code::Case { d, index, next } => {
                let d = window.at(d);
                let pending = strand.top().pending;
                let mut join = 0;
                for lane in 0..LANES {
                    if pending >> lane & 1 == 1 && window.rows[d][lane] == index {
                        join |= 1 << lane;
                    }
                }
                let top = strand.top();
                top.pending &= !join;
                top.resume = next;
                strand.mask |= join;
                if strand.mask == 0 {
                    strand.unwind();
                } else {
                    strand.pc += 1;
                }
            }
            Code::Exit { depth } => strand.exit(depth),
            Code::Call { function, shift } => {
                let end = strand.pc + 1;
                strand.open(Kind::Call, end);
                strand.base += u32::from(shift);
                strand.pc = program.functions[function as usize].start;
            }
            _ => strand.pc += 1,
        }
        Ok(())
    }

    fn stopped(&self, strand: &Strand, stop: Stop) -> LaunchError {
        let limit = match stop {
            Stop::Steps => "step",
            Stop::Time => "time",
            Stop::Cancelled => return LaunchError::Cancelled,
        };
        let site = self.program.sites[strand.pc as usize];
        let lane = strand.mask.trailing_zeros().min(WIDTH - 1);
        LaunchError::EndlessLoop {
            function: self.program.functions[site.function as usize].name.clone(),
            span: site.span,
            thread: self.shape.global(strand.simdgroup as u32 * WIDTH + lane),
            limit,
        }
    }
}

/// Lanes where a bool row holds.
#[inline(always)]
fn truth<const ALL: bool>(window: &Window<'_>, row: u16, strand: &Strand) -> u32 {
    let row = &window.rows[window.at(row)];
    if ALL {
        row.iter().enumerate().fold(0, |bits, (lane, &word)| bits | u32::from(word != 0) << lane)
    } else {
        u32::from(row[strand.lane] != 0) << strand.lane
    }
}
