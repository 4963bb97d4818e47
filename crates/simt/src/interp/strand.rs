//! Strands: lanes of a simdgroup that step together, and how they part and meet.
//!
//! A strand has a position, a mask and a stack of open regions. Lanes that leave a region wait
//! in its entry until the strand gets to its end; the entry of an `if` also keeps the lanes
//! whose arm comes later. In lockstep one strand holds all lanes of a simdgroup; under other
//! schedules every lane is a strand of its own, and lanes are *together* when their keys, the
//! positions in all open loops and calls, are equal.

use super::code::Pc;

/// What an entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Region,
    If,
    Switch,
    Loop,
    Body,
    Call,
}

/// An open region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Lanes that left it.
    pub(super) wait: u32,
    /// Lanes whose turn comes at `resume`.
    pub(super) pending: u32,
    pub(super) resume: Pc,
    /// Where those that left go on.
    pub(super) end: Pc,
    /// Where it was opened.
    pub(super) start: Pc,
    /// Rounds of a loop so far.
    pub(super) round: u32,
    /// Of a call: the caller's window.
    pub(super) base: u32,
}

/// Whether and why a strand stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Ready,
    /// At an operation that the lanes together must execute together.
    Meeting,
    Barrier,
    Done,
}

/// Lanes that step together.
#[derive(Clone, Debug)]
pub(super) struct Strand {
    pub(super) simdgroup: usize,
    /// The lane, if there is only one.
    pub(super) lane: usize,
    pub(super) mask: u32,
    pub(super) pc: Pc,
    pub(super) base: u32,
    pub(super) stack: Vec<Entry>,
    pub(super) steps: u64,
    /// Steps after which limits are looked at again.
    pub(super) next_look: u64,
    pub(super) state: State,
}

impl Strand {
    /// A strand at the start of the kernel.
    pub(super) fn new(simdgroup: usize, mask: u32, pc: Pc, base: u32) -> Strand {
        let mut strand = Strand {
            simdgroup,
            lane: mask.trailing_zeros() as usize,
            mask,
            pc,
            base,
            stack: Vec::new(),
            steps: 0,
            next_look: 0,
            state: State::Ready,
        };
        strand.open(Kind::Call, Pc::MAX);
        strand
    }

    /// Opens a region at the current position.
    #[inline]
    pub(super) fn open(&mut self, kind: Kind, end: Pc) -> &mut Entry {
        let (start, base) = (self.pc, self.base);
        let (wait, pending, resume, round) = (0, 0, 0, 0);
        self.stack.push(Entry { kind, wait, pending, resume, end, start, round, base });
        let last = self.stack.len() - 1;
        &mut self.stack[last]
    }

    /// The innermost open region. There always is the kernel's own.
    #[inline]
    pub(super) fn top(&mut self) -> &mut Entry {
        let last = self.stack.len() - 1;
        &mut self.stack[last]
    }

    /// Ends the innermost region: its lanes are together again.
    #[inline]
    pub(super) fn close(&mut self) {
        if let Some(entry) = self.stack.pop() {
            self.mask |= entry.wait;
        }
    }

    /// All current lanes leave the region `depth` further out than the innermost.
    pub(super) fn exit(&mut self, depth: u32) {
        let at = self.stack.len() - 1 - depth as usize;
        self.stack[at].wait |= self.mask;
        self.unwind();
    }

    /// Goes on where lanes are, after the current ones have all left.
    pub(super) fn unwind(&mut self) {
        self.mask = 0;
        while let Some(top) = self.stack.last_mut() {
            if top.pending != 0 {
                self.pc = top.resume;
                if top.kind == Kind::If {
                    self.mask = std::mem::take(&mut top.pending);
                }
                return;
            }
            let entry = *top;
            if entry.kind == Kind::Call {
                self.base = entry.base;
                if self.stack.len() == 1 {
                    self.state = State::Done;
                    return;
                }
            }
            self.stack.pop();
            if entry.wait != 0 {
                (self.mask, self.pc) = (entry.wait, entry.end);
                return;
            }
        }
    }

    /// Lanes that have not ended, of `all`.
    pub(super) fn live(&self, all: u32) -> u32 {
        self.stack.first().map_or(0, |entry| all & !entry.wait)
    }

    /// Position in the order in which lockstep executes: the open loops with their rounds, the
    /// open calls, and the program counter.
    pub(super) fn key(&self) -> Vec<u32> {
        let mut key = Vec::with_capacity(self.stack.len() + 1);
        for entry in &self.stack {
            match entry.kind {
                Kind::Loop => key.extend([entry.start, entry.round]),
                Kind::Call => key.push(entry.start),
                Kind::Region | Kind::If | Kind::Switch | Kind::Body => {}
            }
        }
        key.push(self.pc);
        key
    }

    /// One strand per lane that has not ended, each where this strand has it.
    pub(super) fn split(&self) -> Vec<Strand> {
        let mut lanes = Vec::new();
        for lane in 0..32 {
            let bit = 1u32 << lane;
            let only = |stack: &[Entry]| -> Vec<Entry> {
                stack.iter().map(|entry| Entry { wait: 0, pending: 0, ..*entry }).collect()
            };
            let mut own = Strand { lane, mask: bit, steps: self.steps, ..self.clone() };
            if self.mask & bit != 0 {
                own.stack = only(&self.stack);
                lanes.push(own);
                continue;
            }
            for (i, entry) in self.stack.iter().enumerate() {
                // The window at this depth is what the next call inside saved.
                let inner = self.stack[i + 1..].iter().find(|entry| entry.kind == Kind::Call);
                let base = inner.map_or(self.base, |call| call.base);
                if entry.pending & bit != 0 {
                    own.stack = only(&self.stack[..=i]);
                    (own.pc, own.base, own.state) = (entry.resume, base, State::Ready);
                    if entry.kind == Kind::Switch {
                        own.mask = 0;
                        own.stack[i].pending = bit;
                    }
                    lanes.push(own);
                    break;
                }
                if i > 0 && entry.wait & bit != 0 {
                    own.stack = only(&self.stack[..i]);
                    let base = if entry.kind == Kind::Call { entry.base } else { base };
                    (own.pc, own.base, own.state) = (entry.end, base, State::Ready);
                    lanes.push(own);
                    break;
                }
            }
        }
        lanes
    }
}
