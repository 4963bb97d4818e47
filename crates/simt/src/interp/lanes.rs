//! Operations across the lanes of a simdgroup or quad.

use anymetal_msl::ir::{BinaryOp, ReduceOp, Scalar, ScanOp, ShuffleOp, VoteOp, Width};
use half::{bf16, f16};

use super::code::{Code, Program, Row};
use super::pure::Window;
use super::word::{LANES, Word};
use crate::scalar::{self, Float, Int};

/// Row and first column of the two elements of an 8x8 matrix that a lane holds (Apple's layout).
pub(super) fn matrix_position(lane: usize) -> (usize, usize) {
    let quad = lane / 4;
    let row = (quad & 4) + (lane / 2) % 4;
    let col = (quad & 2) * 2 + (lane % 2) * 2;
    (row, col)
}

fn lanes_of(mask: u32) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 == 1)
}

fn size(width: Width) -> usize {
    match width {
        Width::Simd => LANES,
        Width::Quad => 4,
    }
}

/// Masks of the groups of lanes that take part together, of `mask`'s lanes.
fn groups(width: Width, mask: u32) -> impl Iterator<Item = u32> {
    let size = size(width);
    let full = u32::MAX >> (LANES - size);
    (0..LANES / size).map(move |i| mask & (full << (i * size))).filter(|&group| group != 0)
}

impl Window<'_> {
    /// Executes an operation across lanes for the lanes of `mask`; those on memory are not
    /// given to it.
    pub(super) fn across(&mut self, program: &Program, code: Code, mask: u32) {
        match code {
            Code::Reduce { op, ty, width, d, a } => {
                let fold = match op {
                    ReduceOp::Sum => BinaryOp::Add,
                    ReduceOp::Product => BinaryOp::Mul,
                    ReduceOp::Min => BinaryOp::Min,
                    ReduceOp::Max => BinaryOp::Max,
                    ReduceOp::And => BinaryOp::And,
                    ReduceOp::Or => BinaryOp::Or,
                    ReduceOp::Xor => BinaryOp::Xor,
                };
                self.folded(ty, width, mask, d, a, Fold { op: fold, kind: Kind::Reduce });
            }
            Code::Scan { op, ty, width, d, a } => {
                let (fold, kind) = match op {
                    ScanOp::InclusiveSum => (BinaryOp::Add, Kind::Inclusive),
                    ScanOp::ExclusiveSum => (BinaryOp::Add, Kind::Exclusive),
                    ScanOp::InclusiveProduct => (BinaryOp::Mul, Kind::Inclusive),
                    ScanOp::ExclusiveProduct => (BinaryOp::Mul, Kind::Exclusive),
                };
                self.folded(ty, width, mask, d, a, Fold { op: fold, kind });
            }
            Code::Shuffle { op, width, d, a, lane } => {
                self.gather(width, mask, d, |window, own| {
                    let distance = window.rows[window.at(lane)][own % LANES];
                    let source = shuffle_source(op, size(width), own % size(width), distance);
                    (window.at(a), source)
                });
            }
            Code::ShuffleFill { up, width, d, list } => {
                let list = list as usize;
                let [a, fill, lane, modulo] =
                    [0, 1, 2, 3].map(|i| self.at(program.lists[list + i]));
                self.gather(width, mask, d, |window, own| {
                    let modulo = window.rows[modulo][own] as usize;
                    let legal = modulo.is_power_of_two() && (2..=size(width)).contains(&modulo);
                    let modulo = if legal { modulo } else { size(width) };
                    let distance = window.rows[lane][own] as usize % modulo;
                    let local = own % size(width);
                    let (group, at) = (local / modulo * modulo, local % modulo);
                    let (wrapped, source) = if up {
                        (at < distance, (at + modulo - distance) % modulo)
                    } else {
                        (at + distance >= modulo, (at + distance) % modulo)
                    };
                    (if wrapped { fill } else { a }, Some(group + source))
                });
            }
            Code::BroadcastFirst { width, d, a } => {
                let (d, a) = (self.at(d), self.at(a));
                for group in groups(width, mask) {
                    let value = self.rows[a][group.trailing_zeros() as usize];
                    lanes_of(group).for_each(|lane| self.rows[d][lane] = value);
                }
            }
            Code::Vote { op, width, d, a } => {
                let (d, a) = (self.at(d), self.at(a));
                for group in groups(width, mask) {
                    let holds = lanes_of(group)
                        .filter(|&lane| self.rows[a][lane] != 0)
                        .fold(0u32, |bits, lane| bits | 1 << lane);
                    for lane in lanes_of(group) {
                        match op {
                            VoteOp::All => self.rows[d][lane] = u32::from(holds == group),
                            VoteOp::Any => self.rows[d][lane] = u32::from(holds != 0),
                            VoteOp::Ballot => {
                                let first = lane / size(width) * size(width);
                                u64::write1(self.rows, d, lane, u64::from(holds >> first));
                            }
                            VoteOp::IsFirst => {
                                let first = group.trailing_zeros() as usize;
                                self.rows[d][lane] = u32::from(lane == first);
                            }
                        }
                    }
                }
            }
            Code::MatrixMulAdd { a, b, c, list } => {
                let row = |i: usize| program.lists[list as usize + i];
                let rows = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
                match c {
                    Scalar::F16 => self.multiply::<f16>([a, b], rows, mask),
                    Scalar::BF16 => self.multiply::<bf16>([a, b], rows, mask),
                    _ => self.multiply::<f32>([a, b], rows, mask),
                }
            }
            _ => {}
        }
    }

    /// Every lane takes a word of another lane's row; inactive and missing lanes give 0.
    fn gather(
        &mut self,
        width: Width,
        mask: u32,
        d: Row,
        source: impl Fn(&Self, usize) -> (usize, Option<usize>),
    ) {
        let mut out = [0u32; LANES];
        for lane in lanes_of(mask) {
            let first = lane / size(width) * size(width);
            let (row, from) = source(self, lane);
            let from = from.map(|from| first + from).filter(|from| mask >> from & 1 == 1);
            out[lane] = from.map_or(0, |from| self.rows[row][from]);
        }
        let d = self.at(d);
        for lane in lanes_of(mask) {
            self.rows[d][lane] = out[lane];
        }
    }

    fn folded(&mut self, ty: Scalar, width: Width, mask: u32, d: Row, a: Row, fold: Fold) {
        let (d, a) = (self.at(d), self.at(a));
        match ty {
            Scalar::I8 => self.fold_int::<i8>(width, mask, d, a, fold),
            Scalar::I16 => self.fold_int::<i16>(width, mask, d, a, fold),
            Scalar::I32 => self.fold_int::<i32>(width, mask, d, a, fold),
            Scalar::I64 => self.fold_int::<i64>(width, mask, d, a, fold),
            Scalar::Bool | Scalar::U8 => self.fold_int::<u8>(width, mask, d, a, fold),
            Scalar::U16 => self.fold_int::<u16>(width, mask, d, a, fold),
            Scalar::U32 => self.fold_int::<u32>(width, mask, d, a, fold),
            Scalar::U64 => self.fold_int::<u64>(width, mask, d, a, fold),
            Scalar::F16 => self.fold_float::<f16>(width, mask, d, a, fold),
            Scalar::BF16 => self.fold_float::<bf16>(width, mask, d, a, fold),
            Scalar::F32 => self.fold_float::<f32>(width, mask, d, a, fold),
        }
    }

    fn fold_int<T: Int + Word + From<bool>>(
        &mut self,
        width: Width,
        mask: u32,
        d: usize,
        a: usize,
        fold: Fold,
    ) {
        let identity = T::from(fold.op == BinaryOp::Mul);
        self.fold(width, mask, d, a, fold, identity, |x, y| T::binary(fold.op, x, y));
    }

    fn fold_float<T: Float + Word>(
        &mut self,
        width: Width,
        mask: u32,
        d: usize,
        a: usize,
        fold: Fold,
    ) {
        let identity = T::from_f32(if fold.op == BinaryOp::Mul { 1.0 } else { 0.0 });
        self.fold(width, mask, d, a, fold, identity, |x, y| scalar::float_binary(fold.op, x, y));
    }

    #[allow(clippy::too_many_arguments, reason = "one place that all folds go through")]
    fn fold<T: Word>(
        &mut self,
        width: Width,
        mask: u32,
        d: usize,
        a: usize,
        fold: Fold,
        identity: T,
        f: impl Fn(T, T) -> T,
    ) {
        for group in groups(width, mask) {
            let mut sum: Option<T> = None;
            for lane in lanes_of(group) {
                let own = T::read1(self.rows, a, lane);
                let before = sum;
                let now = before.map_or(own, |before| f(before, own));
                sum = Some(now);
                match fold.kind {
                    Kind::Reduce => {}
                    Kind::Inclusive => T::write1(self.rows, d, lane, now),
                    Kind::Exclusive => {
                        T::write1(self.rows, d, lane, before.unwrap_or(identity));
                    }
                }
            }
            if let (Kind::Reduce, Some(total)) = (fold.kind, sum) {
                lanes_of(group).for_each(|lane| T::write1(self.rows, d, lane, total));
            }
        }
    }

    /// `d = a * b + c` of 8x8 matrices, k ascending, fused in `T`. Elements of lanes that do
    /// not take part count as 0.
    fn multiply<T: Float + Word>(&mut self, from: [Scalar; 2], rows: [Row; 8], mask: u32) {
        let rows = rows.map(|row| self.at(row));
        let element = |scalar: Scalar, row: usize, lane: usize| -> T {
            match scalar {
                Scalar::F16 => T::from_f32(f16::read1(self.rows, row, lane).to_f32()),
                Scalar::BF16 => T::from_f32(bf16::read1(self.rows, row, lane).to_f32()),
                _ => T::from_f32(f32::read1(self.rows, row, lane)),
            }
        };
        let zero = T::from_f32(0.0);
        let (mut a, mut b) = ([[zero; 8]; 8], [[zero; 8]; 8]);
        for lane in lanes_of(mask) {
            let (row, col) = matrix_position(lane);
            for i in 0..2 {
                a[row][col + i] = element(from[0], rows[2 + i], lane);
                b[row][col + i] = element(from[1], rows[4 + i], lane);
            }
        }
        for lane in lanes_of(mask) {
            let (row, col) = matrix_position(lane);
            for i in 0..2 {
                let c = T::read1(self.rows, rows[6 + i], lane);
                let sum = (0..8).fold(c, |sum, k| T::fma(a[row][k], b[k][col + i], sum));
                T::write1(self.rows, rows[i], lane, sum);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Fold {
    op: BinaryOp,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Reduce,
    Inclusive,
    Exclusive,
}

/// The lane of the group that a shuffle reads, if it exists.
fn shuffle_source(op: ShuffleOp, size: usize, own: usize, operand: u32) -> Option<usize> {
    let operand = operand as usize;
    let source = match op {
        ShuffleOp::Index => operand,
        ShuffleOp::Xor => own ^ operand,
        ShuffleOp::Up => own.checked_sub(operand).unwrap_or(own),
        ShuffleOp::Down if own + operand < size => own + operand,
        ShuffleOp::Down => own,
        ShuffleOp::RotateUp => (own + size - operand % size) % size,
        ShuffleOp::RotateDown => (own + operand) % size,
    };
    (source < size).then_some(source)
}
