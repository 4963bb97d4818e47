//! Guarded memory accesses.
//!
//! Every access goes through the launch table: the object's place, readable length and writable
//! length. An access is all or nothing. The lengths of the table are at most those of the
//! memory behind it, and reads and writes below check again, so a wrong table could not hurt.

use anymetal_msl::ir::{AtomicOp, BinaryOp, Scalar};

use super::code::{Addr, CONST, Cell, Code, Place};
use super::group::Group;
use super::lanes::matrix_position;
use super::observe::{AccessEvent, Observer};
use super::pure::{Window, pack, unpack};
use super::word::{LANES, Word, bits, set_bits};
use crate::launch::FindingKind;
use crate::memory::Buffer;
use crate::scalar::{self, Int};

/// An object of a running launch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    /// Offset of its bytes in the memory its place names.
    pub(super) base: usize,
    pub(super) readable: u64,
    pub(super) writable: u64,
}

/// Who makes an access.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) simdgroup: usize,
    pub(super) lane: usize,
    pub(super) pc: u32,
    pub(super) base: usize,
}

/// An access that was found to be in range.
#[derive(Clone, Copy)]
struct Place1 {
    entry: Entry,
    at: usize,
}

fn read_slice(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut word = [0; 8];
    if let Some(part) = bytes.get(at..at + width) {
        word[..width].copy_from_slice(part);
    }
    u64::from_le_bytes(word)
}

fn write_slice(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    if let Some(part) = bytes.get_mut(at..at + width) {
        part.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

impl<O: Observer> Group<'_, O> {
    /// Executes a memory operation for the lanes of `mask`, in lane order.
    pub(super) fn memory(&mut self, code: Code, who: Who, mask: u32) {
        match code {
            Code::Load { cell, n, addr, d } => self.load(who, mask, cell, n, addr, d),
            Code::Store { cell, n, addr, s } => self.store(who, mask, cell, n, addr, s),
            _ => {
                let mut rest = mask;
                while rest != 0 {
                    let lane = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    self.rare_memory(code, Who { lane, ..who });
                }
            }
        }
    }

    /// Reads one word per lane from a buffer that all lanes agree on; the lanes that could not,
    /// because they are out of range, remain.
    fn load_words(&mut self, who: Who, mask: u32, addr: Addr, d: u32) -> u32 {
        let (program, buffers, entries) = (self.program, self.buffers, self.entries);
        let window = self.window(who);
        let object = window.rows[window.at(addr.object)][0];
        let Some(&entry) = entries.get(object as usize) else { return mask };
        let Place::Buffer(buffer) = entry.place else { return mask };
        let (buffer, offset) = (&buffers[buffer as usize], window.at(addr.offset));
        let (low, high) = (window.rows[offset], window.rows[offset + 1]);
        let d = window.at(program.lists[d as usize]);
        let row = &mut window.rows[d];
        let (mut rest, mut left) = (mask, 0);
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            // An offset below 0 is a huge one here.
            let at = u64::from(low[lane]) | u64::from(high[lane]) << 32;
            let word = if at < entry.readable { buffer.load(at as usize, 4) } else { None };
            match word {
                Some(word) => row[lane] = word as u32,
                None => left |= 1 << lane,
            }
        }
        left
    }

    fn load(&mut self, who: Who, mut mask: u32, cell: Cell, n: u8, addr: Addr, d: u32) {
        let word = matches!(cell, Cell::Scalar(Scalar::F32 | Scalar::I32 | Scalar::U32));
        if !O::ACTIVE && word && n == 1 && addr.object & CONST != 0 {
            mask = self.load_words(who, mask, addr, d);
        }
        let width = match cell {
            Cell::Scalar(scalar) => scalar.size() as usize,
            Cell::Pointer => 8,
        };
        let size = width * usize::from(n);
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let who = Who { lane, ..who };
            let place = self.guard(who, addr, size, FindingKind::Read, false);
            for i in 0..usize::from(n) {
                let word = match place {
                    Some(place) => self.read(who, place, i * width, width),
                    None => 0,
                };
                let row = self.program.lists[d as usize + i];
                match cell {
                    Cell::Scalar(scalar) => {
                        let window = self.window(who);
                        set_bits(scalar, window.rows, window.at(row), lane, word);
                    }
                    Cell::Pointer => {
                        let offset_row = self.program.lists[d as usize + 1];
                        let (object, offset) = unpack(word);
                        let window = self.window(who);
                        let (object_at, offset_at) = (window.at(row), window.at(offset_row));
                        window.rows[object_at][lane] = object;
                        i64::write1(window.rows, offset_at, lane, offset);
                    }
                }
            }
        }
    }

    fn store(&mut self, who: Who, mask: u32, cell: Cell, n: u8, addr: Addr, s: u32) {
        let width = match cell {
            Cell::Scalar(scalar) => scalar.size() as usize,
            Cell::Pointer => 8,
        };
        let size = width * usize::from(n);
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let who = Who { lane, ..who };
            let Some(place) = self.guard(who, addr, size, FindingKind::Write, false) else {
                continue;
            };
            for i in 0..usize::from(n) {
                let row = self.program.lists[s as usize + i];
                let program = self.program;
                let window = self.window(who);
                let word = match cell {
                    Cell::Scalar(scalar) => bits(scalar, window.rows, window.at(row), lane),
                    Cell::Pointer => {
                        let offset = program.lists[s as usize + 1];
                        let (object, offset) = window.pointer(Addr { object: row, offset }, lane);
                        pack(object, offset)
                    }
                };
                self.write(who, place, i * width, width, word);
            }
        }
    }

    fn rare_memory(&mut self, code: Code, who: Who) {
        let program = self.program;
        let lane = who.lane;
        match code {
            Code::Copy { d, s, size } => {
                let size = size as usize;
                let from = self.guard(who, s, size, FindingKind::Read, false);
                let Some(to) = self.guard(who, d, size, FindingKind::Write, false) else { return };
                // Through a buffer, because the ranges may overlap.
                let mut bytes = vec![0u8; size];
                if let Some(from) = from {
                    for (i, byte) in bytes.iter_mut().enumerate() {
                        *byte = self.read(who, from, i, 1) as u8;
                    }
                }
                for (i, &byte) in bytes.iter().enumerate() {
                    self.write(who, to, i, 1, byte.into());
                }
            }
            Code::Zero { addr, size } => {
                let size = size as usize;
                let place = self.guard(who, addr, size, FindingKind::Write, false);
                let Some(place) = place else { return };
                if let (Place::Thread(_), Some(at)) = (place.entry.place, Some(place.at)) {
                    let bytes = self.thread_bytes(who);
                    if let Some(part) = bytes.get_mut(at..at + size) {
                        part.fill(0);
                    }
                    return;
                }
                (0..size).for_each(|i| self.write(who, place, i, 1, 0));
            }
            Code::Atomic { op, ty, d, addr, value } => {
                let window = self.window(who);
                let operand = bits(ty, window.rows, window.at(value), lane);
                let old = self.update(who, addr, ty, |old| Some(atomic(op, ty, old, operand)));
                let window = self.window(who);
                set_bits(ty, window.rows, window.at(d), lane, old.unwrap_or(0));
            }
            Code::Exchange { ty, addr, list } => {
                let row = |i: usize| program.lists[list as usize + i];
                let window = self.window(who);
                let mask = u64::MAX >> (64 - ty.size() * 8);
                let expected = bits(ty, window.rows, window.at(row(2)), lane) & mask;
                let desired = bits(ty, window.rows, window.at(row(3)), lane);
                let old =
                    self.update(who, addr, ty, |old| (old & mask == expected).then_some(desired));
                let window = self.window(who);
                let done = old.is_some_and(|old| old & mask == expected);
                set_bits(ty, window.rows, window.at(row(0)), lane, old.unwrap_or(0));
                window.rows[window.at(row(1))][lane] = done.into();
            }
            Code::MatrixLoad { ty, transpose, addr, stride, d } => {
                for element in 0..2 {
                    let addr = self.matrix_address(who, addr, stride, ty, transpose, element);
                    let size = ty.size() as usize;
                    let place = self.guard_at(who, addr, size, FindingKind::Read, false);
                    let word = place.map_or(0, |place| self.read(who, place, 0, size));
                    let row = program.lists[d as usize + element];
                    let window = self.window(who);
                    set_bits(ty, window.rows, window.at(row), lane, word);
                }
            }
            Code::MatrixStore { ty, transpose, addr, stride, s } => {
                for element in 0..2 {
                    let row = program.lists[s as usize + element];
                    let window = self.window(who);
                    let word = bits(ty, window.rows, window.at(row), lane);
                    let addr = self.matrix_address(who, addr, stride, ty, transpose, element);
                    let size = ty.size() as usize;
                    if let Some(place) = self.guard_at(who, addr, size, FindingKind::Write, false) {
                        self.write(who, place, 0, size, word);
                    }
                }
            }
            _ => {}
        }
    }

    /// Address of one of the two elements that a lane holds of a matrix in memory.
    fn matrix_address(
        &mut self,
        who: Who,
        addr: Addr,
        stride: u16,
        ty: Scalar,
        transpose: bool,
        element: usize,
    ) -> (u32, i64) {
        let window = self.window(who);
        let (object, offset) = window.pointer(addr, who.lane);
        let stride = i64::read1(window.rows, window.at(stride), who.lane);
        let (row, col) = matrix_position(who.lane);
        let (major, minor) = if transpose { (col + element, row) } else { (row, col + element) };
        let index = stride.wrapping_mul(major as i64).wrapping_add(minor as i64);
        (object, offset.wrapping_add(index.wrapping_mul(ty.size() as i64)))
    }

    pub(super) fn window(&mut self, who: Who) -> Window<'_> {
        let rows = &mut self.simdgroups[who.simdgroup].rows;
        Window { rows, base: who.base, lane: who.lane }
    }

    #[inline]
    fn guard(
        &mut self,
        who: Who,
        addr: Addr,
        size: usize,
        kind: FindingKind,
        atomic: bool,
    ) -> Option<Place1> {
        let pointer = self.window(who).pointer(addr, who.lane);
        self.guard_at(who, pointer, size, kind, atomic)
    }

    #[inline]
    fn guard_at(
        &mut self,
        who: Who,
        (object, offset): (u32, i64),
        size: usize,
        kind: FindingKind,
        atomic: bool,
    ) -> Option<Place1> {
        // A forged object number is like null.
        let entry = *self.entries.get(object as usize).unwrap_or(&self.entries[0]);
        let length = if kind == FindingKind::Read { entry.readable } else { entry.writable };
        let fits = offset >= 0
            && (offset as u64).checked_add(size as u64).is_some_and(|end| end <= length);
        if O::ACTIVE {
            let write = kind != FindingKind::Read;
            let size = size as u32;
            let event = AccessEvent { object, offset, size, write, atomic, in_range: fits };
            let moment = self.moment(who);
            self.observer.access(moment, event);
        }
        // Nothing is touched, so nothing can be out of range.
        if !fits && size > 0 {
            self.find(who, kind, object, offset, size);
        }
        fits.then(|| Place1 { entry, at: entry.base + offset as usize })
    }

    fn thread_bytes(&mut self, who: Who) -> &mut [u8] {
        let size = self.program.thread_bytes as usize;
        let bytes = &mut self.simdgroups[who.simdgroup].thread;
        &mut bytes[who.lane * size..(who.lane + 1) * size]
    }

    #[inline]
    fn read(&mut self, who: Who, place: Place1, step: usize, width: usize) -> u64 {
        let at = place.at + step;
        match place.entry.place {
            Place::Null => 0,
            Place::Buffer(i) => self.buffer(i).load(at, width).unwrap_or(0),
            Place::Constant(_) => read_slice(&self.program.constant_bytes, at, width),
            Place::Threadgroup(_) | Place::ThreadgroupParam(_) => {
                read_slice(&self.shared, at, width)
            }
            Place::Thread(_) => read_slice(self.thread_bytes(who), at, width),
        }
    }

    #[inline]
    fn write(&mut self, who: Who, place: Place1, step: usize, width: usize, value: u64) {
        let at = place.at + step;
        match place.entry.place {
            Place::Null | Place::Constant(_) => {}
            Place::Buffer(i) => {
                self.buffer(i).store(at, width, value);
            }
            Place::Threadgroup(_) | Place::ThreadgroupParam(_) => {
                write_slice(&mut self.shared, at, width, value);
            }
            Place::Thread(_) => write_slice(self.thread_bytes(who), at, width, value),
        }
    }

    fn buffer(&self, index: u32) -> &Buffer<'_> {
        &self.buffers[index as usize]
    }

    /// An atomic operation; the old bits, or `None` if it was dropped.
    fn update(
        &mut self,
        who: Who,
        addr: Addr,
        ty: Scalar,
        mut change: impl FnMut(u64) -> Option<u64>,
    ) -> Option<u64> {
        let width = ty.size() as usize;
        let place = self.guard(who, addr, width, FindingKind::Write, true)?;
        let pointer = self.window(who).pointer(addr, who.lane);
        if pointer.1 % width as i64 != 0 {
            self.find(who, FindingKind::Misaligned, pointer.0, pointer.1, width);
            return None;
        }
        let old = match place.entry.place {
            Place::Buffer(i) => {
                if let Some(old) = self.buffer(i).update(place.at, width, &mut change) {
                    return Some(old);
                }
                // The caller's bytes are not aligned themselves: exact only for one worker.
                self.read(who, place, 0, width)
            }
            _ => self.read(who, place, 0, width),
        };
        if let Some(new) = change(old) {
            self.write(who, place, 0, width, new);
        }
        Some(old)
    }
}

/// The new bits of an atomic operation.
fn atomic(op: AtomicOp, ty: Scalar, old: u64, operand: u64) -> u64 {
    let binary = match op {
        AtomicOp::Exchange => return operand,
        AtomicOp::Add => BinaryOp::Add,
        AtomicOp::Sub => BinaryOp::Sub,
        AtomicOp::Min => BinaryOp::Min,
        AtomicOp::Max => BinaryOp::Max,
        AtomicOp::And => BinaryOp::And,
        AtomicOp::Or => BinaryOp::Or,
        AtomicOp::Xor => BinaryOp::Xor,
    };
    match ty {
        Scalar::I32 => i32::binary(binary, old as i32, operand as i32) as u32 as u64,
        Scalar::I64 => i64::binary(binary, old as i64, operand as i64) as u64,
        Scalar::U64 => u64::binary(binary, old, operand),
        Scalar::F32 => {
            let (a, b) = (f32::from_bits(old as u32), f32::from_bits(operand as u32));
            scalar::float_binary(binary, a, b).to_bits().into()
        }
        _ => u32::binary(binary, old as u32, operand as u32).into(),
    }
}

/// Lanes there are in a row, for those who count threads.
pub(super) const WIDTH: u32 = LANES as u32;
