//! Operations without effects, in all lanes of a simdgroup or in one.
//!
//! In lockstep they run in all 32 lanes whatever the mask: a row is written only where its
//! value is defined, and no lane that waits elsewhere still needs what the row held (regions
//! execute in the order of the code, see `code.rs`).

use anymetal_msl::ir::{BinaryOp, CompareOp, Scalar, UnaryOp};
use half::{bf16, f16};

use super::code::{Addr, Code, Program, Row};
use super::word::{LANES, RowData, Word, bits, map1, map2, set_bits};
use crate::scalar::{self, Float, Int};

/// Low 48 bits: the offset in a pointer's memory form.
pub(super) const OFFSET_BITS: u64 = (1 << 48) - 1;

/// A pointer's memory form.
pub(super) fn pack(object: u32, offset: i64) -> u64 {
    u64::from(object) << 48 | (offset as u64 & OFFSET_BITS)
}

/// The pointer of a memory form.
pub(super) fn unpack(bits: u64) -> (u32, i64) {
    ((bits >> 48) as u32, (bits << 16) as i64 >> 16)
}

/// The rows of a simdgroup as one function's window sees them.
pub(super) struct Window<'a> {
    pub(super) rows: &'a mut [RowData],
    pub(super) base: usize,
    /// The lane, where only one is concerned.
    pub(super) lane: usize,
}

impl Window<'_> {
    /// Index of a row.
    #[inline(always)]
    pub(super) fn at(&self, row: Row) -> usize {
        if row & super::code::CONST != 0 {
            usize::from(row & !super::code::CONST)
        } else {
            self.base + usize::from(row)
        }
    }

    /// Executes an operation without effects; others are not given to it.
    #[inline(always)]
    pub(super) fn pure<const ALL: bool>(&mut self, program: &Program, code: Code) {
        match code {
            Code::Binary { op, ty, d, a, b } => {
                let rows = [self.at(d), self.at(a), self.at(b)];
                match ty {
                    Scalar::Bool => self.bool_binary::<ALL>(op, rows),
                    Scalar::I8 => self.int_binary::<i8, ALL>(op, rows),
                    Scalar::I16 => self.int_binary::<i16, ALL>(op, rows),
                    Scalar::I32 => self.int_binary::<i32, ALL>(op, rows),
                    Scalar::I64 => self.int_binary::<i64, ALL>(op, rows),
                    Scalar::U8 => self.int_binary::<u8, ALL>(op, rows),
                    Scalar::U16 => self.int_binary::<u16, ALL>(op, rows),
                    Scalar::U32 => self.int_binary::<u32, ALL>(op, rows),
                    Scalar::U64 => self.int_binary::<u64, ALL>(op, rows),
                    Scalar::F16 => self.float_binary::<f16, ALL>(op, rows),
                    Scalar::BF16 => self.float_binary::<bf16, ALL>(op, rows),
                    Scalar::F32 => self.float_binary::<f32, ALL>(op, rows),
                }
            }
            Code::Unary { op, ty, d, a } => {
                let (d, a) = (self.at(d), self.at(a));
                match ty {
                    Scalar::Bool => self.map1::<bool, bool, ALL>(d, a, |x| !x),
                    Scalar::I8 => self.int_unary::<i8, ALL>(op, d, a),
                    Scalar::I16 => self.int_unary::<i16, ALL>(op, d, a),
                    Scalar::I32 => self.int_unary::<i32, ALL>(op, d, a),
                    Scalar::I64 => self.int_unary::<i64, ALL>(op, d, a),
                    Scalar::U8 => self.int_unary::<u8, ALL>(op, d, a),
                    Scalar::U16 => self.int_unary::<u16, ALL>(op, d, a),
                    Scalar::U32 => self.int_unary::<u32, ALL>(op, d, a),
                    Scalar::U64 => self.int_unary::<u64, ALL>(op, d, a),
                    Scalar::F16 => self.float_unary::<f16, ALL>(op, d, a),
                    Scalar::BF16 => self.float_unary::<bf16, ALL>(op, d, a),
                    Scalar::F32 => self.float_unary::<f32, ALL>(op, d, a),
                }
            }
            Code::Compare { op, ty, d, a, b } => {
                let rows = [self.at(d), self.at(a), self.at(b)];
                match ty {
                    // Narrow integers are extended by their sign, so words compare like them.
                    Scalar::I8 | Scalar::I16 | Scalar::I32 => self.compare::<i32, ALL>(op, rows),
                    Scalar::Bool | Scalar::U8 | Scalar::U16 | Scalar::U32 => {
                        self.compare::<u32, ALL>(op, rows)
                    }
                    Scalar::I64 => self.compare::<i64, ALL>(op, rows),
                    Scalar::U64 => self.compare::<u64, ALL>(op, rows),
                    Scalar::F16 => self.compare::<f16, ALL>(op, rows),
                    Scalar::BF16 => self.compare::<bf16, ALL>(op, rows),
                    Scalar::F32 => self.compare::<f32, ALL>(op, rows),
                }
            }
            Code::Fma { ty, d, a, b, c } => match ty {
                Scalar::F16 => self.fma::<f16, ALL>(d, a, b, c),
                Scalar::BF16 => self.fma::<bf16, ALL>(d, a, b, c),
                _ => self.fma::<f32, ALL>(d, a, b, c),
            },
            Code::Select { d, c, a, b } => {
                let (d, c, a, b) = (self.at(d), self.at(c), self.at(a), self.at(b));
                if ALL {
                    let (c, a, b) = (&self.rows[c], &self.rows[a], &self.rows[b]);
                    let out = std::array::from_fn(|i| if c[i] != 0 { a[i] } else { b[i] });
                    self.rows[d] = out;
                } else {
                    let from = if self.rows[c][self.lane] != 0 { a } else { b };
                    self.rows[d][self.lane] = self.rows[from][self.lane];
                }
            }
            Code::Convert { from, to, d, a } => self.convert::<ALL>(from, to, d, a),
            Code::Step { d, offset, index, ty, size } => {
                let rows = [self.at(d), self.at(offset), self.at(index)];
                let size = i64::from(size);
                let lane = self.lane;
                match ty {
                    Scalar::I64 | Scalar::U64 => {
                        map2::<i64, i64, i64, ALL>(self.rows, lane, rows, |offset, index| {
                            offset.wrapping_add(index.wrapping_mul(size))
                        })
                    }
                    Scalar::I8 | Scalar::I16 | Scalar::I32 => {
                        map2::<i64, i32, i64, ALL>(self.rows, lane, rows, |offset, index| {
                            offset.wrapping_add(i64::from(index).wrapping_mul(size))
                        })
                    }
                    _ => map2::<i64, u32, i64, ALL>(self.rows, lane, rows, |offset, index| {
                        offset.wrapping_add(i64::from(index).wrapping_mul(size))
                    }),
                }
            }
            Code::Arg { d, s, shift } => {
                let (d, s) = (self.base + usize::from(shift) + usize::from(d), self.at(s));
                self.map1::<u32, u32, ALL>(d, s, |x| x);
            }
            Code::Returned { d, s, shift } => {
                let (d, s) = (self.at(d), self.base + usize::from(shift) + usize::from(s));
                self.map1::<u32, u32, ALL>(d, s, |x| x);
            }
            _ => self.each_lane::<ALL>(|window, lane| window.rare(program, code, lane)),
        }
    }

    fn each_lane<const ALL: bool>(&mut self, mut f: impl FnMut(&mut Self, usize)) {
        if ALL {
            for lane in 0..LANES {
                f(self, lane);
            }
        } else {
            f(self, self.lane);
        }
    }

    #[inline(always)]
    fn map1<A: Word, D: Word, const ALL: bool>(&mut self, d: usize, a: usize, f: impl Fn(A) -> D) {
        map1::<A, D, ALL>(self.rows, self.lane, d, a, f);
    }

    /// Rare operations, lane by lane.
    fn rare(&mut self, program: &Program, code: Code, lane: usize) {
        let at = |row| self.at(row);
        match code {
            Code::ComparePointers { op, d, a, b } => {
                let (a, b) = (self.pointer(a, lane), self.pointer(b, lane));
                self.rows[self.at(d)][lane] = scalar::compare(op, a, b).into();
            }
            Code::Distance { d, a, b, size } => {
                let (a, b) = (self.pointer(a, lane), self.pointer(b, lane));
                let bytes = if a.0 == b.0 {
                    a.1.wrapping_sub(b.1)
                } else {
                    (pack(a.0, a.1) as i64).wrapping_sub(pack(b.0, b.1) as i64)
                };
                i64::write1(self.rows, self.at(d), lane, bytes.wrapping_div(i64::from(size)));
            }
            Code::ToBits { d, a } => {
                let (object, offset) = self.pointer(a, lane);
                u64::write1(self.rows, self.at(d), lane, pack(object, offset));
            }
            Code::FromBits { d, a } => {
                let (object, offset) = unpack(u64::read1(self.rows, at(a), lane));
                self.rows[self.at(d.object)][lane] = object;
                i64::write1(self.rows, self.at(d.offset), lane, offset);
            }
            Code::Bits { from, n, to, m, s, d } => {
                let mut bytes = [0u8; 32];
                let size = from.size() as usize;
                for i in 0..usize::from(n) {
                    let part = bits(from, self.rows, at(program.lists[s as usize + i]), lane);
                    bytes[i * size..][..size].copy_from_slice(&part.to_le_bytes()[..size]);
                }
                let size = to.size() as usize;
                for i in 0..usize::from(m) {
                    let mut part = [0; 8];
                    part[..size].copy_from_slice(&bytes[i * size..][..size]);
                    let row = self.at(program.lists[d as usize + i]);
                    set_bits(to, self.rows, row, lane, u64::from_le_bytes(part));
                }
            }
            Code::ExtractAt { s, n, words, index, d } => {
                let chosen = self.rows[at(index)][lane] % u32::from(n);
                let row = at(program.lists[(s + chosen) as usize]);
                for word in 0..usize::from(words) {
                    let d = self.at(d) + word;
                    self.rows[d][lane] = self.rows[row + word][lane];
                }
            }
            Code::InsertAt { d, n, words, index, s } => {
                let chosen = self.rows[at(index)][lane] % u32::from(n);
                let row = at(program.lists[(d + chosen) as usize]);
                for word in 0..usize::from(words) {
                    self.rows[row + word][lane] = self.rows[self.at(s) + word][lane];
                }
            }
            Code::MatrixDiagonal { d, a } => {
                let (row, col) = super::lanes::matrix_position(lane);
                let value = self.rows[at(a)][lane];
                for element in 0..2 {
                    let d = self.at(program.lists[d as usize + element]);
                    self.rows[d][lane] = if row == col + element { value } else { 0 };
                }
            }
            _ => {}
        }
    }

    /// A pointer of a lane.
    #[inline(always)]
    pub(super) fn pointer(&self, addr: Addr, lane: usize) -> (u32, i64) {
        let object = self.rows[self.at(addr.object)][lane];
        (object, i64::read1(self.rows, self.at(addr.offset), lane))
    }

    fn bool_binary<const ALL: bool>(&mut self, op: BinaryOp, rows: [usize; 3]) {
        let lane = self.lane;
        map2::<u32, u32, u32, ALL>(self.rows, lane, rows, |a, b| match op {
            BinaryOp::And => a & b,
            BinaryOp::Or => a | b,
            _ => a ^ b,
        });
    }

    fn int_binary<T: Int + Word, const ALL: bool>(&mut self, op: BinaryOp, rows: [usize; 3]) {
        let (data, lane) = (&mut *self.rows, self.lane);
        // Spelled out so that each loop is compiled for one operation.
        macro_rules! each {
            ($($op:ident)*) => { match op { $(BinaryOp::$op => map2::<T, T, T, ALL>(
                data, lane, rows, |a, b| T::binary(BinaryOp::$op, a, b)),)* } };
        }
        each!(Add Sub Mul Div Rem And Or Xor Shl Shr Min Max MulHi AddSat SubSat);
    }

    fn float_binary<T: Float + Word, const ALL: bool>(&mut self, op: BinaryOp, rows: [usize; 3]) {
        let (data, lane) = (&mut *self.rows, self.lane);
        macro_rules! each {
            ($($op:ident)*) => { match op { $(BinaryOp::$op => map2::<T, T, T, ALL>(
                data, lane, rows, |a, b| scalar::float_binary(BinaryOp::$op, a, b)),)*
                _ => {} } };
        }
        each!(Add Sub Mul Div Rem Min Max);
    }

    fn int_unary<T: Int + Word, const ALL: bool>(&mut self, op: UnaryOp, d: usize, a: usize) {
        self.map1::<T, T, ALL>(d, a, |x| T::unary(op, x));
    }

    fn float_unary<T: Float + Word, const ALL: bool>(&mut self, op: UnaryOp, d: usize, a: usize) {
        self.map1::<T, T, ALL>(d, a, |x| scalar::float_unary(op, x));
    }

    fn compare<T: PartialOrd + Word, const ALL: bool>(&mut self, op: CompareOp, rows: [usize; 3]) {
        let (data, lane) = (&mut *self.rows, self.lane);
        macro_rules! each {
            ($($op:ident)*) => { match op { $(CompareOp::$op => map2::<T, T, bool, ALL>(
                data, lane, rows, |a, b| scalar::compare(CompareOp::$op, a, b)),)* } };
        }
        each!(Eq Ne Lt Le Gt Ge);
    }

    fn fma<T: Float + Word, const ALL: bool>(&mut self, d: Row, a: Row, b: Row, c: Row) {
        let (d, a, b, c) = (self.at(d), self.at(a), self.at(b), self.at(c));
        if ALL {
            let (a, b) = (T::read(self.rows, a), T::read(self.rows, b));
            let c = T::read(self.rows, c);
            T::write(self.rows, d, &std::array::from_fn(|i| T::fma(a[i], b[i], c[i])));
        } else {
            let read = |row| T::read1(self.rows, row, self.lane);
            let value = T::fma(read(a), read(b), read(c));
            T::write1(self.rows, d, self.lane, value);
        }
    }

    fn convert<const ALL: bool>(&mut self, from: Scalar, to: Scalar, d: Row, a: Row) {
        let (d, a) = (self.at(d), self.at(a));
        match (from, to) {
            // The common ones get their own loop.
            (Scalar::I8 | Scalar::I16 | Scalar::I32, Scalar::F32) => {
                self.map1::<i32, f32, ALL>(d, a, |x| x as f32)
            }
            (Scalar::U8 | Scalar::U16 | Scalar::U32, Scalar::F32) => {
                self.map1::<u32, f32, ALL>(d, a, |x| x as f32)
            }
            (Scalar::F32, Scalar::I32) => self.map1::<f32, i32, ALL>(d, a, |x| x as i32),
            (Scalar::F32, Scalar::U32) => self.map1::<f32, u32, ALL>(d, a, |x| x as u32),
            (Scalar::F16, Scalar::F32) => self.map1::<f16, f32, ALL>(d, a, f16::to_f32),
            (Scalar::F32, Scalar::F16) => self.map1::<f32, f16, ALL>(d, a, f16::from_f32),
            (Scalar::BF16, Scalar::F32) => self.map1::<bf16, f32, ALL>(d, a, bf16::to_f32),
            (Scalar::F32, Scalar::BF16) => self.map1::<f32, bf16, ALL>(d, a, bf16::from_f32),
            (Scalar::I8 | Scalar::I16 | Scalar::I32, Scalar::I64 | Scalar::U64) => {
                self.map1::<i32, i64, ALL>(d, a, i64::from)
            }
            (Scalar::U8 | Scalar::U16 | Scalar::U32, Scalar::I64 | Scalar::U64) => {
                self.map1::<u32, u64, ALL>(d, a, u64::from)
            }
            (Scalar::I64 | Scalar::U64, Scalar::I32 | Scalar::U32) => {
                self.map1::<u64, u32, ALL>(d, a, |x| x as u32)
            }
            _ => self.each_lane::<ALL>(|window, lane| {
                let value = scalar::convert(from, to, bits(from, window.rows, a, lane));
                set_bits(to, window.rows, d, lane, value);
            }),
        }
    }
}
