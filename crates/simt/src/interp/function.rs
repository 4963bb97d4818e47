//! One function of canonical IR to flat code.
//!
//! Values get rows by linear scan over the positions of `live.rs`; many operations need no code
//! at all, because their result has the rows of their operands.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use anymetal_msl::ir::*;
use smallvec::SmallVec;

use super::code::{Addr, CONST, Cell, Code, List, Pc, Place, Row, Site, Table};
use super::flatten::Flattener;
use super::live::Lives;

/// Rows of a value's components; a pointer has its object's and its offset's.
type Rows = SmallVec<[Row; 4]>;

/// Words of a component.
fn words(scalar: Scalar) -> u32 {
    if scalar.size() == 8 { 2 } else { 1 }
}

/// What the components of a value are.
fn shape(module: &Module, ty: Type) -> Option<(Scalar, u8)> {
    match module.types.kind(ty) {
        TypeKind::SimdMatrix(scalar) => Some((scalar, 2)),
        _ => module.types.components(ty),
    }
}

/// Flattens one function.
pub(super) struct FunctionFlattener<'a, 'm> {
    flat: &'a mut Flattener<'m>,
    f: &'m Function,
    lives: Lives,
    rows: Vec<Rows>,
    locals: Vec<Rows>,
    /// Rows of the header's and the continue part's parameters, by loop.
    loops: Vec<(Rows, Rows)>,
    /// Free rows by words needed, less one.
    free: [Vec<Row>; 2],
    expiring: BinaryHeap<Reverse<(u32, Row, u32)>>,
    used: u32,
    /// Open regions and where their results go.
    open: Vec<(RegionId, Rows)>,
    at: u32,
    span: Span,
    results: Rows,
}

impl<'a, 'm> FunctionFlattener<'a, 'm> {
    /// Flattens a function at the end of the program's code; the number of rows it needs. Of a
    /// kernel, the parameters are the objects in the rows of `entry`.
    pub(super) fn run(flat: &'a mut Flattener<'m>, f: &'m Function, entry: &[Row]) -> u32 {
        let lives = Lives::new(flat.module, f);
        let mut one = FunctionFlattener {
            rows: vec![Rows::new(); f.values.len()],
            locals: vec![Rows::new(); f.locals.len()],
            loops: vec![(Rows::new(), Rows::new()); f.loops.len()],
            flat,
            f,
            lives,
            free: [Vec::new(), Vec::new()],
            expiring: BinaryHeap::new(),
            used: 0,
            open: Vec::new(),
            at: 0,
            span: f.span,
            results: Rows::new(),
        };
        one.signature(entry);
        one.open.push((RegionId(0), one.results.clone()));
        one.block(f.body);
        one.emit(Code::Exit { depth: 0 });
        one.used
    }

    /// Gives parameters and results the first rows: parameters, then result. Of a kernel, the
    /// parameters are the constant objects of `entry`.
    fn signature(&mut self, entry: &[Row]) {
        let f = self.f;
        for (i, param) in f.params.iter().enumerate() {
            let ty = f.ty(param.value);
            self.rows[param.value.index()] = match entry.get(i) {
                Some(&object) => [object, self.flat.wide(0)].into_iter().collect(),
                None => self.fixed(ty),
            };
        }
        if let Some(ty) = f.result {
            self.results = self.fixed(ty);
        }
    }

    /// Rows that are never given back, in the order of the components.
    fn fixed(&mut self, ty: Type) -> Rows {
        self.sizes(ty).into_iter().map(|words| self.fresh(words)).collect()
    }

    fn sizes(&self, ty: Type) -> SmallVec<[u32; 4]> {
        match shape(self.flat.module, ty) {
            Some((scalar, n)) => (0..n).map(|_| words(scalar)).collect(),
            None => [1, 2].into_iter().collect(),
        }
    }

    fn fresh(&mut self, words: u32) -> Row {
        if self.used + words >= u32::from(CONST) {
            self.flat.too_large = Some("values of one function");
            return 0;
        }
        self.used += words;
        (self.used - words) as Row
    }

    /// Rows needed until position `end`.
    fn alloc(&mut self, words: u32, end: u32) -> Row {
        while let Some(&Reverse((expired, row, words))) = self.expiring.peek() {
            if expired >= self.at {
                break;
            }
            self.expiring.pop();
            self.free[words as usize - 1].push(row);
        }
        let row = match self.free[words as usize - 1].pop() {
            Some(row) => row,
            None => self.fresh(words),
        };
        self.expiring.push(Reverse((end, row, words)));
        row
    }

    fn alloc_value(&mut self, ty: Type, end: u32) -> Rows {
        self.sizes(ty).into_iter().map(|words| self.alloc(words, end)).collect()
    }

    fn temp(&mut self, words: u32) -> Row {
        self.alloc(words, self.at)
    }

    fn list(&mut self, rows: &[Row]) -> List {
        self.flat.program.lists.extend_from_slice(rows);
        (self.flat.program.lists.len() - rows.len()) as List
    }

    fn emit(&mut self, code: Code) -> Pc {
        self.flat.program.code.push(code);
        // The function's index is filled in at its end.
        self.flat.program.sites.push(Site { function: 0, span: self.span });
        self.flat.program.code.len() as Pc - 1
    }

    fn here(&self) -> Pc {
        self.flat.program.code.len() as Pc
    }

    fn ty(&self, value: ValueId) -> Type {
        self.f.ty(value)
    }

    fn shape(&self, ty: Type) -> (Scalar, u8) {
        // Pointers are no numbers; where they may occur they are handled before.
        shape(self.flat.module, ty).unwrap_or((Scalar::U64, 1))
    }

    fn v(&self, value: ValueId) -> Rows {
        self.rows[value.index()].clone()
    }

    fn row(&self, value: ValueId) -> Row {
        self.rows[value.index()][0]
    }

    fn addr(&self, value: ValueId) -> Addr {
        let rows = &self.rows[value.index()];
        Addr { object: rows[0], offset: rows[1] }
    }

    fn is_pointer(&self, ty: Type) -> bool {
        matches!(self.flat.module.types.kind(ty), TypeKind::Pointer(..))
    }

    /// Moves whole values in active lanes, as if all at once.
    fn move_all(&mut self, from: &[(Row, u32)], to: &[Row], copy: impl Fn(Row, Row) -> Code) {
        let mut flat: Vec<(Row, Row)> = Vec::new();
        for (&(s, words), &d) in from.iter().zip(to) {
            flat.extend((0..words as Row).map(|word| (s + word, d + word)));
        }
        flat.retain(|&(s, d)| s != d);
        let overlap = |flat: &[(Row, Row)]| {
            (1..flat.len()).any(|i| flat[..i].iter().any(|&(_, d)| d == flat[i].0))
        };
        if overlap(&flat) {
            let temps: Vec<Row> = flat.iter().map(|_| self.temp(1)).collect();
            for (&(s, _), &temp) in flat.iter().zip(&temps) {
                self.emit(Code::Move { d: temp, s });
            }
            for (&(_, d), &temp) in flat.iter().zip(&temps) {
                self.emit(copy(d, temp));
            }
        } else {
            for &(s, d) in &flat {
                self.emit(copy(d, s));
            }
        }
    }

    fn with_words(&self, value: ValueId) -> Vec<(Row, u32)> {
        let sizes = self.sizes(self.ty(value));
        self.rows[value.index()].iter().copied().zip(sizes).collect()
    }

    fn move_values(&mut self, values: &[ValueId], to: &[Row]) {
        let from: Vec<(Row, u32)> =
            values.iter().flat_map(|&value| self.with_words(value)).collect();
        self.move_all(&from, to, |d, s| Code::Move { d, s });
    }

    fn block(&mut self, block: BlockId) {
        let f = self.f;
        for &id in &f.block(block).insts {
            let inst = f.inst(id);
            self.at = self.lives.at[id.index()];
            self.span = inst.span;
            self.inst(id, inst);
        }
    }

    /// Rows for the only result, one per component.
    fn result(&mut self, inst: &Inst) -> Rows {
        let value = inst.first_result;
        let rows = self.alloc_value(self.ty(value), self.lives.end[value.index()]);
        self.rows[value.index()] = rows.clone();
        rows
    }

    fn alias(&mut self, inst: &Inst, rows: Rows) {
        self.rows[inst.first_result.index()] = rows;
    }

    fn exit_depth(&self, region: RegionId) -> (u32, Rows) {
        let found = self.open.iter().rposition(|(open, _)| *open == region).unwrap_or(0);
        ((self.open.len() - 1 - found) as u32, self.open[found].1.clone())
    }

    fn inst(&mut self, id: InstId, inst: &'m Inst) {
        let f = self.f;
        match inst.op {
            Op::Const(bits) => {
                let ty = self.ty(inst.first_result);
                let rows = if self.is_pointer(ty) {
                    [self.flat.constant(0), self.flat.wide(0)].into_iter().collect()
                } else {
                    let (scalar, n) = self.shape(ty);
                    let row = match scalar {
                        Scalar::I64 | Scalar::U64 => self.flat.wide(bits),
                        Scalar::I8 => self.flat.constant(bits as i8 as i32 as u32),
                        Scalar::I16 => self.flat.constant(bits as i16 as i32 as u32),
                        _ => self.flat.constant(bits as u32),
                    };
                    (0..n).map(|_| row).collect()
                };
                self.alias(inst, rows);
            }
            Op::Attribute(attribute) => {
                let row = self.flat.attribute(attribute);
                let n = if attribute.is_vector() { 3 } else { 1 };
                self.alias(inst, (0..n).map(|i| row + i).collect());
            }
            Op::Var(local) => self.var(inst, local),
            Op::Global(id) => {
                let rows = [self.flat.global(id), self.flat.wide(0)].into_iter().collect();
                self.alias(inst, rows);
            }
            Op::Element { ptr, ty, index } => {
                let size = self.flat.module.types.size(ty);
                let addr = self.addr(ptr);
                let end = self.lives.end[inst.first_result.index()];
                let (scalar, _) = self.shape(self.ty(index));
                let (d, index) = (self.alloc(2, end), self.row(index));
                let offset = addr.offset;
                if let Ok(size) = u32::try_from(size) {
                    self.emit(Code::Step { d, offset, index, ty: scalar, size });
                } else {
                    // Elements of 4 GiB and more: the product is computed on its own.
                    let size = self.flat.wide(size);
                    let (zero, wide) = (self.flat.wide(0), self.temp(2));
                    self.emit(Code::Step { d: wide, offset: zero, index, ty: scalar, size: 1 });
                    let (ty, mul, add) = (Scalar::I64, BinaryOp::Mul, BinaryOp::Add);
                    self.emit(Code::Binary { op: mul, ty, d: wide, a: wide, b: size });
                    self.emit(Code::Binary { op: add, ty, d, a: wide, b: offset });
                }
                self.alias(inst, [addr.object, d].into_iter().collect());
            }
            Op::Field { ptr, structure, field } => {
                let layout = self.flat.module.types.structure(structure);
                let step = layout.fields[field as usize].offset;
                let addr = self.addr(ptr);
                let mut d = addr.offset;
                if step != 0 {
                    d = self.alloc(2, self.lives.end[inst.first_result.index()]);
                    let (a, b) = (addr.offset, self.flat.wide(step));
                    self.emit(Code::Binary { op: BinaryOp::Add, ty: Scalar::I64, d, a, b });
                }
                self.alias(inst, [addr.object, d].into_iter().collect());
            }
            Op::PtrCast(a) => self.alias(inst, self.v(a)),
            Op::PtrDiff { a, b, ty } => {
                let size = self.flat.module.types.size(ty).clamp(1, u32::MAX.into()) as u32;
                let (a, b) = (self.addr(a), self.addr(b));
                let d = self.result(inst)[0];
                self.emit(Code::Distance { d, a, b, size });
            }
            Op::Load { ptr, .. } => {
                if let Some(local) = self.lives.promoted[ptr.index()] {
                    let rows = self.locals[local.index()].clone();
                    if self.lives.load_is_alias(local, id, inst.first_result) {
                        return self.alias(inst, rows);
                    }
                    let sizes = self.sizes(self.ty(inst.first_result));
                    let from: Vec<(Row, u32)> = rows.into_iter().zip(sizes).collect();
                    let to = self.result(inst);
                    return self.move_all(&from, &to, |d, s| Code::Move { d, s });
                }
                let addr = self.addr(ptr);
                let d = self.result(inst);
                let (cell, n) = self.cell(self.ty(inst.first_result));
                let d = self.list(&d);
                self.emit(Code::Load { cell, n, addr, d });
            }
            Op::Store { ptr, value, .. } => {
                if let Some(local) = self.lives.promoted[ptr.index()] {
                    let to = self.locals[local.index()].clone();
                    return self.move_values(&[value], &to);
                }
                let (cell, n) = self.cell(self.ty(value));
                let s = self.v(value);
                let s = self.list(&s);
                let addr = self.addr(ptr);
                self.emit(Code::Store { cell, n, addr, s });
            }
            Op::Copy { dst, src, ty } => {
                let size = self.size(ty);
                let (d, s) = (self.addr(dst), self.addr(src));
                self.emit(Code::Copy { d, s, size });
            }
            Op::Zero { ptr, ty } => {
                let (addr, size) = (self.addr(ptr), self.size(ty));
                self.emit(Code::Zero { addr, size });
            }
            Op::AtomicRmw { op, ptr, value, .. } => {
                let (ty, _) = self.shape(self.ty(value));
                let (addr, value) = (self.addr(ptr), self.row(value));
                let d = self.result(inst)[0];
                self.emit(Code::Atomic { op, ty, d, addr, value });
            }
            Op::AtomicCmpXchg { ptr, expected, desired, .. } => {
                let (ty, _) = self.shape(self.ty(desired));
                let (addr, expected, desired) =
                    (self.addr(ptr), self.row(expected), self.row(desired));
                let done = ValueId(inst.first_result.0 + 1);
                let old = self.result(inst)[0];
                let exchanged = self.alloc(1, self.lives.end[done.index()]);
                self.rows[done.index()] = [exchanged].into_iter().collect();
                let list = self.list(&[old, exchanged, expected, desired]);
                self.emit(Code::Exchange { ty, addr, list });
            }
            Op::Fence { .. } => {
                self.emit(Code::Fence);
            }
            Op::Barrier { exec, .. } => {
                let simd = exec == Scope::Simdgroup;
                self.emit(if simd { Code::SimdBarrier } else { Code::Barrier });
            }
            Op::Unary(op, a) => {
                let (a, (ty, _)) = (self.v(a), self.shape(self.ty(a)));
                let d = self.result(inst);
                for (&d, &a) in d.iter().zip(&a) {
                    self.emit(Code::Unary { op, ty, d, a });
                }
            }
            Op::Binary(op, a, b) => {
                let (ty, _) = self.shape(self.ty(a));
                let (a, b) = (self.v(a), self.v(b));
                let d = self.result(inst);
                for (i, &d) in d.iter().enumerate() {
                    self.emit(Code::Binary { op, ty, d, a: a[i], b: b[i] });
                }
            }
            Op::Compare(op, a, b) => {
                if self.is_pointer(self.ty(a)) {
                    let (a, b) = (self.addr(a), self.addr(b));
                    let d = self.result(inst)[0];
                    self.emit(Code::ComparePointers { op, d, a, b });
                    return;
                }
                let (ty, _) = self.shape(self.ty(a));
                let (a, b) = (self.v(a), self.v(b));
                let d = self.result(inst);
                for (i, &d) in d.iter().enumerate() {
                    self.emit(Code::Compare { op, ty, d, a: a[i], b: b[i] });
                }
            }
            Op::Fma(a, b, c) => {
                let (ty, _) = self.shape(self.ty(a));
                let (a, b, c) = (self.v(a), self.v(b), self.v(c));
                let d = self.result(inst);
                for (i, &d) in d.iter().enumerate() {
                    self.emit(Code::Fma { ty, d, a: a[i], b: b[i], c: c[i] });
                }
            }
            Op::Select { cond, a, b } => {
                let (cond, a, b) = (self.v(cond), self.with_words(a), self.v(b));
                let d = self.result(inst);
                for (i, &d) in d.iter().enumerate() {
                    let c = cond[i.min(cond.len() - 1)];
                    for word in 0..a[i].1 as Row {
                        let (d, a, b) = (d + word, a[i].0 + word, b[i] + word);
                        self.emit(Code::Select { d, c, a, b });
                    }
                }
            }
            Op::Convert(a) => self.convert(inst, a),
            Op::Bitcast(a) => self.bitcast(inst, a),
            Op::Vector(list) => {
                let rows = f.list(list).iter().map(|&part| self.row(part)).collect();
                self.alias(inst, rows);
            }
            Op::Splat(a) => {
                let (_, n) = self.shape(self.ty(inst.first_result));
                let row = self.row(a);
                self.alias(inst, (0..n).map(|_| row).collect());
            }
            Op::Extract { vector, index } => {
                let row = self.v(vector)[usize::from(index)];
                self.alias(inst, [row].into_iter().collect());
            }
            Op::ExtractAt { vector, index } => {
                let (scalar, n) = self.shape(self.ty(vector));
                let s = self.v(vector);
                let (s, index) = (self.list(&s), self.index_row(index));
                let d = self.result(inst)[0];
                let words = words(scalar) as u8;
                self.emit(Code::ExtractAt { s, n, words, index, d });
            }
            Op::Insert { vector, index, value } => {
                let mut rows = self.v(vector);
                rows[usize::from(index)] = self.row(value);
                self.alias(inst, rows);
            }
            Op::InsertAt { vector, index, value } => {
                let (scalar, n) = self.shape(self.ty(vector));
                let from = self.with_words(vector);
                let (s, index) = (self.row(value), self.index_row(index));
                let d = self.result(inst);
                self.move_all(&from, &d, |d, s| Code::Move { d, s });
                let d = self.list(&d);
                let words = words(scalar) as u8;
                self.emit(Code::InsertAt { d, n, words, index, s });
            }
            Op::Swizzle { a, b, lanes } => {
                let mut parts = self.v(a);
                parts.extend(self.v(b));
                let (_, n) = self.shape(self.ty(inst.first_result));
                let rows = lanes[..n.into()].iter().map(|&lane| parts[usize::from(lane)]).collect();
                self.alias(inst, rows);
            }
            Op::Reduce { op, width, value } => {
                let (ty, _) = self.shape(self.ty(value));
                let a = self.v(value);
                let d = self.result(inst);
                for (&d, &a) in d.iter().zip(&a) {
                    self.emit(Code::Reduce { op, ty, width, d, a });
                }
            }
            Op::Scan { op, width, value } => {
                let (ty, _) = self.shape(self.ty(value));
                let a = self.v(value);
                let d = self.result(inst);
                for (&d, &a) in d.iter().zip(&a) {
                    self.emit(Code::Scan { op, ty, width, d, a });
                }
            }
            Op::Shuffle { op, width, value, lane } => {
                let (a, lane) = (self.with_words(value), self.index_row(lane));
                let d = self.result(inst);
                for (&d, &(a, words)) in d.iter().zip(&a) {
                    for word in 0..words as Row {
                        let (d, a) = (d + word, a + word);
                        self.emit(Code::Shuffle { op, width, d, a, lane });
                    }
                }
            }
            Op::ShuffleFill { op, width, value, fill, lane, modulo } => {
                let (a, fill) = (self.with_words(value), self.v(fill));
                let (lane, modulo) = (self.index_row(lane), self.index_row(modulo));
                let d = self.result(inst);
                let up = op == ShuffleOp::Up;
                for (i, &d) in d.iter().enumerate() {
                    for word in 0..a[i].1 as Row {
                        let list = self.list(&[a[i].0 + word, fill[i] + word, lane, modulo]);
                        self.emit(Code::ShuffleFill { up, width, d: d + word, list });
                    }
                }
            }
            Op::BroadcastFirst { width, value } => {
                let a = self.with_words(value);
                let d = self.result(inst);
                for (&d, &(a, words)) in d.iter().zip(&a) {
                    for word in 0..words as Row {
                        self.emit(Code::BroadcastFirst { width, d: d + word, a: a + word });
                    }
                }
            }
            Op::Vote { op, width, value } => {
                let a = self.row(value);
                let d = self.result(inst)[0];
                self.emit(Code::Vote { op, width, d, a });
            }
            Op::MatrixLoad { ptr, stride, transpose } => {
                let (ty, _) = self.shape(self.ty(inst.first_result));
                let (addr, stride) = (self.addr(ptr), self.wide_index(stride));
                let d = self.result(inst);
                let d = self.list(&d);
                self.emit(Code::MatrixLoad { ty, transpose, addr, stride, d });
            }
            Op::MatrixStore { ptr, value, stride, transpose } => {
                let (ty, _) = self.shape(self.ty(value));
                let (addr, stride, s) = (self.addr(ptr), self.wide_index(stride), self.v(value));
                let s = self.list(&s);
                self.emit(Code::MatrixStore { ty, transpose, addr, stride, s });
            }
            Op::MatrixDiagonal(a) => {
                let a = self.row(a);
                let d = self.result(inst);
                let d = self.list(&d);
                self.emit(Code::MatrixDiagonal { d, a });
            }
            Op::MatrixMulAdd { a, b, c } => {
                let scalar = |value| self.shape(self.ty(value)).0;
                let types = [scalar(a), scalar(b), scalar(c)];
                let mut rows = Rows::new();
                for value in [a, b, c] {
                    rows.extend(self.v(value));
                }
                let mut list = self.result(inst);
                list.extend(rows);
                let list = self.list(&list);
                let [a, b, c] = types;
                self.emit(Code::MatrixMulAdd { a, b, c, list });
            }
            Op::Call { function, args } => self.call(inst, function, args),
            Op::Block { region, body, .. } => {
                let results = self.results_of(inst);
                let open = self.emit(Code::Open { end: 0 });
                self.open.push((region, results));
                self.block(body);
                self.open.pop();
                let close = self.emit(Code::Close);
                self.flat.program.code[open as usize] = Code::Open { end: close + 1 };
            }
            Op::If { region, cond, then, otherwise } => {
                let results = self.results_of(inst);
                let c = self.row(cond);
                let start = self.emit(Code::If { c, otherwise: 0, end: 0 });
                self.open.push((region, results));
                self.block(then);
                self.emit(Code::Else);
                let otherwise_pc = self.here();
                self.block(otherwise);
                self.open.pop();
                let end = self.emit(Code::Close) + 1;
                let code = Code::If { c, otherwise: otherwise_pc, end };
                self.flat.program.code[start as usize] = code;
            }
            Op::Loop(id) => self.loop_region(inst, id),
            Op::Switch(parts) => self.switch_region(inst, parts, self.lives.after[id.index()]),
            Op::Exit { region, values } => {
                let (depth, to) = self.exit_depth(region);
                self.move_values(f.list(values), &to);
                self.emit(Code::Exit { depth });
            }
            Op::Test { cond, values } => {
                let to = self.open[self.open.len() - 1].1.clone();
                let c = self.row(cond);
                if !to.is_empty() {
                    // Lanes that stay must not see the values: only leaving lanes move them.
                    let not = self.temp(1);
                    let (op, ty) = (UnaryOp::Not, Scalar::Bool);
                    self.emit(Code::Unary { op, ty, d: not, a: c });
                    let open = self.emit(Code::If { c: not, otherwise: 0, end: 0 });
                    self.move_values(f.list(values), &to);
                    self.emit(Code::Else);
                    let otherwise = self.here();
                    let end = self.emit(Code::Close) + 1;
                    let code = Code::If { c: not, otherwise, end };
                    self.flat.program.code[open as usize] = code;
                }
                self.emit(Code::Test { c });
            }
            Op::Next(values) => {
                let to = self.loop_params();
                self.move_values(f.list(values), &to);
            }
        }
    }

    /// Rows of the header parameters of the innermost loop.
    fn loop_params(&self) -> Rows {
        let region = self.open[self.open.len() - 1].0;
        let index = self.f.loops.iter().position(|parts| parts.region == region);
        index.map_or(Rows::new(), |index| self.loops[index].0.clone())
    }

    fn results_of(&mut self, inst: &Inst) -> Rows {
        let mut all = Rows::new();
        for value in inst.result_ids() {
            let rows = self.alloc_value(self.ty(value), self.lives.end[value.index()]);
            all.extend(rows.iter().copied());
            self.rows[value.index()] = rows;
        }
        all
    }

    fn size(&mut self, ty: Type) -> u32 {
        u32::try_from(self.flat.module.types.size(ty)).unwrap_or_else(|_| {
            self.flat.too_large = Some("bytes of one copy");
            0
        })
    }

    fn cell(&self, ty: Type) -> (Cell, u8) {
        match shape(self.flat.module, ty) {
            Some((scalar, n)) => (Cell::Scalar(scalar), n),
            None => (Cell::Pointer, 1),
        }
    }

    /// The low word of an integer, enough where only its value modulo the width matters.
    fn index_row(&self, value: ValueId) -> Row {
        self.row(value)
    }

    /// An integer as 64 bits.
    fn wide_index(&mut self, value: ValueId) -> Row {
        let (scalar, _) = self.shape(self.ty(value));
        let row = self.row(value);
        if words(scalar) == 2 {
            return row;
        }
        let (d, offset) = (self.temp(2), self.flat.wide(0));
        self.emit(Code::Step { d, offset, index: row, ty: scalar, size: 1 });
        d
    }

    fn var(&mut self, inst: &Inst, local: LocalId) {
        let (f, value) = (self.f, inst.first_result);
        let ty = f.locals[local.index()].ty;
        if self.lives.promoted[value.index()].is_some() {
            let rows = self.alloc_value(ty, self.lives.end[value.index()]);
            if !self.lives.set_first[local.index()] {
                let zero = self.flat.constant(0);
                for (&row, words) in rows.iter().zip(self.sizes(ty)) {
                    for word in 0..words as Row {
                        self.emit(Code::Move { d: row + word, s: zero });
                    }
                }
            }
            self.locals[local.index()] = rows;
            return;
        }
        let size = self.flat.module.types.size(ty);
        let at = self.flat.program.thread_bytes.next_multiple_of(16);
        self.flat.program.thread_bytes = at.saturating_add(size);
        let name = &f.locals[local.index()].name;
        let place = Place::Thread(u32::try_from(at).unwrap_or(u32::MAX));
        let object = self.flat.object(name, ty, place, size, true);
        let zero = self.flat.wide(0);
        self.alias(inst, [object, zero].into_iter().collect());
        let (addr, size) = (self.addr(value), self.size(ty));
        self.emit(Code::Zero { addr, size });
    }

    fn convert(&mut self, inst: &Inst, a: ValueId) {
        let (from_ty, to_ty) = (self.ty(a), self.ty(inst.first_result));
        if self.is_pointer(from_ty) {
            let a = self.addr(a);
            let d = self.result(inst)[0];
            self.emit(Code::ToBits { d, a });
            return;
        }
        if self.is_pointer(to_ty) {
            let a = self.row(a);
            let d = self.result(inst);
            self.emit(Code::FromBits { d: Addr { object: d[0], offset: d[1] }, a });
            return;
        }
        let ((from, _), (to, _)) = (self.shape(from_ty), self.shape(to_ty));
        if same_row(from, to) {
            return self.alias(inst, self.v(a));
        }
        let a = self.v(a);
        let d = self.result(inst);
        for (&d, &a) in d.iter().zip(&a) {
            self.emit(Code::Convert { from, to, d, a });
        }
    }

    fn bitcast(&mut self, inst: &Inst, a: ValueId) {
        let (from, n) = self.shape(self.ty(a));
        let (to, m) = self.shape(self.ty(inst.first_result));
        // Words and doubles have the same rows under every type of their size.
        if n == m && from.size() == to.size() && (from == to || from.size() >= 4) {
            return self.alias(inst, self.v(a));
        }
        let s = self.v(a);
        let s = self.list(&s);
        let d = self.result(inst);
        let d = self.list(&d);
        self.emit(Code::Bits { from, n, to, m, s, d });
    }

    fn call(&mut self, inst: &Inst, function: FuncId, args: ValueList) {
        let f = self.f;
        let index = self.flat.function_index(function);
        // The callee's window starts with its parameters' rows, then its result's.
        let mut to = 0;
        for &arg in f.list(args) {
            for (row, words) in self.with_words(arg) {
                for word in 0..words as Row {
                    self.emit(Code::Arg { d: to, s: row + word, shift: 0 });
                    to += 1;
                }
            }
        }
        self.emit(Code::Call { function: index, shift: 0 });
        if inst.results == 1 {
            let sizes = self.sizes(self.ty(inst.first_result));
            let d = self.result(inst);
            for (&d, words) in d.iter().zip(sizes) {
                for word in 0..words as Row {
                    self.emit(Code::Returned { d: d + word, s: to, shift: 0 });
                    to += 1;
                }
            }
        }
    }

    fn loop_region(&mut self, inst: &Inst, id: LoopId) {
        let f = self.f;
        let parts = f.loop_parts(id);
        let results = self.results_of(inst);
        let mut params = [Rows::new(), Rows::new()];
        for (rows, block) in params.iter_mut().zip([parts.header, parts.next]) {
            for &value in &f.block(block).params {
                let own = self.alloc_value(self.ty(value), self.lives.end[value.index()]);
                rows.extend(own.iter().copied());
                self.rows[value.index()] = own;
            }
        }
        let [header_params, next_params] = params;
        self.move_values(f.list(parts.inits), &header_params);
        self.loops[id.index()] = (header_params, next_params.clone());
        let start = self.emit(Code::Loop { end: 0 });
        self.open.push((parts.region, results));
        let head = self.here();
        self.block(parts.header);
        let body = self.emit(Code::Body { next: 0 });
        self.open.push((parts.body_region, next_params));
        self.block(parts.body);
        self.open.pop();
        let next = self.emit(Code::Close) + 1;
        self.flat.program.code[body as usize] = Code::Body { next };
        self.block(parts.next);
        self.span = inst.span;
        let back = self.emit(Code::Back { head });
        self.open.pop();
        self.flat.program.code[start as usize] = Code::Loop { end: back + 1 };
    }

    fn switch_region(&mut self, inst: &Inst, id: SwitchId, last: u32) {
        let f = self.f;
        let switch = f.switch(id);
        let (ty, _) = self.shape(self.ty(switch.selector));
        let s = self.row(switch.selector);
        let results = self.results_of(inst);
        let mut table = Table::default();
        for (i, case) in switch.cases.iter().enumerate() {
            // Selectors are compared as rows hold them: extended by their sign.
            let extend = |bits: u64| match ty {
                Scalar::I8 => bits as i8 as i32 as u32 as u64,
                Scalar::I16 => bits as i16 as i32 as u32 as u64,
                _ => bits,
            };
            table.cases.extend(case.values.iter().map(|&bits| (extend(bits), i as u32)));
            if case.default {
                table.default = Some(i as u32);
            }
        }
        table.cases.sort_unstable();
        self.flat.program.tables.push(table);
        let table = self.flat.program.tables.len() as u32 - 1;
        let d = self.alloc(1, last);
        let start = self.emit(Code::Switch { s, ty, d, table, end: 0 });
        self.open.push((switch.region, results));
        let mut cases = Vec::new();
        for (i, case) in switch.cases.iter().enumerate() {
            cases.push(self.emit(Code::Case { d, index: i as u32, next: 0 }));
            self.block(case.block);
        }
        self.open.pop();
        let close = self.emit(Code::Close);
        cases.push(close);
        for (i, pair) in cases.windows(2).enumerate() {
            let code = Code::Case { d, index: i as u32, next: pair[1] };
            self.flat.program.code[pair[0] as usize] = code;
        }
        let code = Code::Switch { s, ty, d, table, end: close + 1 };
        self.flat.program.code[start as usize] = code;
    }
}

/// Whether a conversion leaves the row as it is.
fn same_row(from: Scalar, to: Scalar) -> bool {
    use Scalar::*;
    match (from, to) {
        _ if from == to => true,
        (I64 | U64, I64 | U64) | (I32 | U32, I32 | U32) => true,
        (Bool, I8 | I16 | I32 | U8 | U16 | U32) => true,
        (U8, I16 | I32 | U16 | U32) | (U16, I32 | U32) => true,
        (I8, I16 | I32 | U32) | (I16, I32 | U32) => true,
        _ => false,
    }
}
