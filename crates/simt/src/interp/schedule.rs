//! Which strand steps next.
//!
//! A threadgroup barrier counts arrivals: when every strand stands at one or has ended, all go
//! on. In lockstep a simdgroup that reaches a barrier with only some of its live lanes falls
//! apart into lanes, and from then on those with the lowest key step one instruction at a time,
//! which is what lockstep means. Under every schedule, lanes meet at operations across lanes
//! when no lane of the simdgroup can go on alone; then those with the lowest key are together.

use super::group::Group;
use super::observe::Observer;
use super::strand::{State, Strand};
use crate::launch::{LaunchError, Schedule};

/// How single lanes take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turns {
    /// Lowest key first, one instruction at a time.
    Lockstep,
    /// In order of the strands, as far as possible.
    InOrder,
    /// At random, for a random time.
    Random,
}

impl<O: Observer> Group<'_, O> {
    /// Runs the prepared threadgroup to its end.
    pub(super) fn execute(&mut self, schedule: Schedule, seed: u64) -> Result<(), LaunchError> {
        let base = self.program.constants.len() as u32;
        let start = self.program.functions[0].start;
        let count = self.shape.threads().div_ceil(32) as usize;
        let strands = (0..count)
            .map(|i| Strand::new(i, self.simdgroups[i].lanes, start, base))
            .collect::<Vec<_>>();
        let lanes = || strands.iter().flat_map(Strand::split);
        match schedule {
            Schedule::Lockstep => self.lockstep(strands),
            Schedule::LaneByLane => self.lanes(lanes().collect(), Turns::InOrder, seed),
            Schedule::Reverse => {
                let mut lanes: Vec<Strand> = lanes().collect();
                lanes.reverse();
                self.lanes(lanes, Turns::InOrder, seed)
            }
            Schedule::Random => self.lanes(lanes().collect(), Turns::Random, seed),
        }
    }

    fn lockstep(&mut self, mut strands: Vec<Strand>) -> Result<(), LaunchError> {
        loop {
            for strand in &mut strands {
                self.run::<true>(strand, u64::MAX)?;
            }
            let parted = strands.iter().any(|strand| {
                let all = self.simdgroups[strand.simdgroup].lanes;
                strand.state == State::Barrier && strand.mask != strand.live(all)
            });
            if parted {
                let lanes = strands.iter().filter(|strand| strand.state != State::Done);
                let lanes = lanes.flat_map(Strand::split).collect();
                return self.lanes(lanes, Turns::Lockstep, 0);
            }
            if !self.release(&mut strands) {
                return Ok(());
            }
        }
    }

    /// Lets the strands at the barrier go on; false if there is none.
    fn release(&mut self, strands: &mut [Strand]) -> bool {
        let mut any = false;
        for strand in strands {
            if strand.state == State::Barrier {
                strand.state = State::Ready;
                any = true;
            }
        }
        if O::ACTIVE && any {
            self.observer.barrier(self.shape.position, None);
        }
        any
    }

    fn lanes(
        &mut self,
        mut strands: Vec<Strand>,
        turns: Turns,
        seed: u64,
    ) -> Result<(), LaunchError> {
        let mut random = Random::new(seed);
        loop {
            match turns {
                Turns::InOrder => {
                    for strand in &mut strands {
                        self.run::<false>(strand, u64::MAX)?;
                    }
                }
                Turns::Random => self.random_turns(&mut strands, &mut random)?,
                Turns::Lockstep => self.lockstep_turns(&mut strands)?,
            }
            // Nobody can go on alone now.
            if !self.meetings(&mut strands) && !self.release(&mut strands) {
                return Ok(());
            }
            strands.retain(|strand| strand.state != State::Done);
        }
    }

    fn random_turns(
        &mut self,
        strands: &mut [Strand],
        random: &mut Random,
    ) -> Result<(), LaunchError> {
        let ready = |strands: &[Strand]| -> Vec<usize> {
            (0..strands.len()).filter(|&i| strands[i].state == State::Ready).collect()
        };
        let mut able = ready(strands);
        while !able.is_empty() {
            let pick = random.below(able.len() as u64) as usize;
            let strand = &mut strands[able[pick]];
            self.run::<false>(strand, 1 + random.below(40))?;
            if strand.state != State::Ready {
                able.swap_remove(pick);
            }
        }
        Ok(())
    }

    fn lockstep_turns(&mut self, strands: &mut [Strand]) -> Result<(), LaunchError> {
        let count = self.simdgroups.len();
        for simdgroup in 0..count {
            loop {
                let able =
                    |strand: &Strand| strand.simdgroup == simdgroup && strand.state == State::Ready;
                let Some(key) = strands.iter().filter(|s| able(s)).map(Strand::key).min() else {
                    break;
                };
                // Lanes that wait to meet earlier in the code do so before others pass them.
                let waiting = strands
                    .iter()
                    .filter(|s| s.simdgroup == simdgroup && s.state == State::Meeting)
                    .map(Strand::key)
                    .min();
                if waiting.is_some_and(|waiting| waiting < key) {
                    self.meet_in(strands, simdgroup);
                    continue;
                }
                for strand in strands.iter_mut().filter(|s| able(s)) {
                    if strand.key() == key {
                        self.run::<false>(strand, 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Lets lanes meet in every simdgroup that has waiting ones; false if none has.
    fn meetings(&mut self, strands: &mut [Strand]) -> bool {
        let count = self.simdgroups.len();
        let mut any = false;
        for simdgroup in 0..count {
            any |= self.meet_in(strands, simdgroup);
        }
        any
    }

    fn meet_in(&mut self, strands: &mut [Strand], simdgroup: usize) -> bool {
        let waits =
            |strand: &Strand| strand.simdgroup == simdgroup && strand.state == State::Meeting;
        let Some(key) = strands.iter().filter(|s| waits(s)).map(Strand::key).min() else {
            return false;
        };
        let mut mask = 0u32;
        let mut place = (0, 0);
        for strand in strands.iter_mut().filter(|s| waits(s)) {
            if strand.key() == key {
                mask |= strand.mask;
                place = (strand.pc, strand.base);
                strand.state = State::Ready;
                strand.pc += 1;
                strand.steps += 1;
            }
        }
        self.lane_steps += u64::from(mask.count_ones());
        self.meet(simdgroup, place.0, place.1, mask);
        true
    }
}

/// A small generator (SplitMix64), the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % n
    }
}
