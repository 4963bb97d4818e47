//! Where the values of a function live: the order of its instructions, how far each value is
//! needed, which locals can be rows instead of memory, and which loads need no copy.
//!
//! Positions number the instructions in the order flat code has them. A value is needed from
//! its definition to its `end`: its last use, or the end of the outermost loop around that use
//! that does not contain the definition. An alias (a vector of components, a field's address)
//! prolongs what it is made of.

use anymetal_msl::ir::{BlockId, Function, InstId, LocalId, Module, Op, Order, TypeKind, ValueId};

/// The result; indices are positions unless said otherwise.
pub(super) struct Lives {
    /// Position of each instruction, by instruction.
    pub(super) at: Vec<u32>,
    /// Last position inside an instruction, by instruction.
    pub(super) after: Vec<u32>,
    /// Last position a value is needed at, by value.
    pub(super) end: Vec<u32>,
    /// The local that a value is the address of if it lives in rows, by value.
    pub(super) promoted: Vec<Option<LocalId>>,
    /// Stores to a local in rows, ascending, by local.
    stores: Vec<Vec<u32>>,
    /// First access after the declaration is a store in the same block, by local.
    pub(super) set_first: Vec<bool>,
}

struct LoopRange {
    start: u32,
    end: u32,
    parent: Option<usize>,
}

struct Walk<'a> {
    f: &'a Function,
    order: Vec<(InstId, Option<usize>, BlockId)>,
    at: Vec<u32>,
    /// Position just before what follows an instruction and all it contains, by instruction.
    after: Vec<u32>,
    next: u32,
    loops: Vec<LoopRange>,
}

impl Lives {
    /// Analyses a function.
    pub(super) fn new(module: &Module, f: &Function) -> Lives {
        let at = vec![0; f.insts.len()];
        let (order, after) = (Vec::new(), at.clone());
        let mut walk = Walk { f, order, at, after, next: 1, loops: Vec::new() };
        walk.block(f.body, None);
        let Walk { order, at, after, loops, .. } = walk;
        let promoted = promotable(module, f, &order);
        let (mut def, mut end) = (vec![0u32; f.values.len()], vec![0u32; f.values.len()]);
        for &(id, _, _) in &order {
            let inst = f.inst(id);
            for value in inst.result_ids() {
                def[value.index()] = at[id.index()];
                // Results of a region are written inside it.
                end[value.index()] = after[id.index()];
            }
            if let Op::Loop(parts) = inst.op {
                let parts = f.loop_parts(parts);
                let range = loops.iter().find(|range| range.start == at[id.index()]);
                let last = range.map_or(0, |range| range.end);
                for block in [parts.header, parts.next] {
                    for value in &f.block(block).params {
                        def[value.index()] = at[id.index()];
                        end[value.index()] = last;
                    }
                }
            }
        }
        for &(id, mut around, _) in order.iter().rev() {
            let inst = f.inst(id);
            let own = at[id.index()];
            let aliased = inst.result_ids().map(|value| end[value.index()]).max();
            let base = own.max(aliased.filter(|_| is_alias(&inst.op)).unwrap_or(0));
            let mut last = base;
            let mut used = Vec::new();
            f.each_operand(&inst.op, |value| used.push(value));
            // From the innermost loop outwards: each one that the definition is outside of
            // prolongs the value to its end.
            let mut reach: Vec<(u32, u32)> = Vec::new();
            while let Some(range) = around {
                last = last.max(loops[range].end);
                reach.push((loops[range].start, last));
                around = loops[range].parent;
            }
            for value in used {
                let outer = reach.iter().rev().find(|&&(start, _)| def[value.index()] < start);
                let needed = outer.map_or(base, |&(_, last)| last);
                end[value.index()] = end[value.index()].max(needed);
            }
        }
        let mut stores = vec![Vec::new(); f.locals.len()];
        let mut touched: Vec<Option<(bool, BlockId)>> = vec![None; f.locals.len()];
        let mut declared = vec![BlockId(0); f.locals.len()];
        for &(id, _, block) in &order {
            match f.inst(id).op {
                Op::Var(local) => declared[local.index()] = block,
                Op::Load { ptr, .. } | Op::Store { ptr, .. } => {
                    let Some(local) = promoted[ptr.index()] else { continue };
                    let is_store = matches!(f.inst(id).op, Op::Store { .. });
                    touched[local.index()].get_or_insert((is_store, block));
                    if is_store {
                        stores[local.index()].push(at[id.index()]);
                    }
                }
                _ => {}
            }
        }
        let first = |local: usize| touched[local] == Some((true, declared[local]));
        let set_first = (0..f.locals.len()).map(first).collect();
        Lives { at, after, end, promoted, stores, set_first }
    }

    /// Whether a load's result can be the local's own rows: no store before its last use.
    pub(super) fn load_is_alias(&self, local: LocalId, load: InstId, value: ValueId) -> bool {
        let (from, to) = (self.at[load.index()], self.end[value.index()]);
        let stores = &self.stores[local.index()];
        // A store at the last use itself reads before it writes.
        let next = stores.partition_point(|&at| at <= from);
        stores.get(next).is_none_or(|&at| at >= to)
    }
}

impl Walk<'_> {
    fn block(&mut self, block: BlockId, around: Option<usize>) {
        let f = self.f;
        for &id in &f.block(block).insts {
            self.at[id.index()] = self.next;
            self.order.push((id, around, block));
            self.next += 1;
            let op = &f.inst(id).op;
            if let Op::Loop(_) = op {
                let start = self.next - 1;
                let index = self.loops.len();
                self.loops.push(LoopRange { start, end: start, parent: around });
                for child in f.child_blocks(op) {
                    self.block(child, Some(index));
                }
                self.loops[index].end = self.next;
                self.next += 1;
            } else {
                for child in f.child_blocks(op) {
                    self.block(child, around);
                }
            }
            self.after[id.index()] = self.next - 1;
        }
    }
}

/// Whether results may share rows with operands.
fn is_alias(op: &Op) -> bool {
    matches!(
        op,
        Op::Vector(_)
            | Op::Splat(_)
            | Op::Extract { .. }
            | Op::Insert { .. }
            | Op::InsertAt { .. }
            | Op::Swizzle { .. }
            | Op::PtrCast(_)
            | Op::Bitcast(_)
            | Op::Convert(_)
            | Op::Field { .. }
            | Op::Element { .. }
            | Op::Load { .. }
    )
}

/// Locals that are only loaded and stored whole, by the value of their address.
fn promotable(
    module: &Module,
    f: &Function,
    order: &[(InstId, Option<usize>, BlockId)],
) -> Vec<Option<LocalId>> {
    let mut promoted = vec![None; f.values.len()];
    for &(id, _, _) in order {
        let inst = f.inst(id);
        if let Op::Var(local) = inst.op
            && module.types.is_loadable(f.locals[local.index()].ty)
        {
            promoted[inst.first_result.index()] = Some(local);
        }
    }
    // Pointers that differ in nothing but the pointee have the same rows.
    let same = |a, b| {
        let both = (module.types.kind(a), module.types.kind(b));
        a == b || matches!(both, (TypeKind::Pointer(..), TypeKind::Pointer(..)))
    };
    for &(id, _, _) in order {
        let inst = f.inst(id);
        let whole = match inst.op {
            Op::Load { ptr, access } if access.order == Order::Plain => {
                Some((ptr, f.ty(inst.first_result)))
            }
            Op::Store { ptr, value, access } if access.order == Order::Plain => {
                Some((ptr, f.ty(value)))
            }
            _ => None,
        };
        let stored = match inst.op {
            Op::Store { value, .. } => Some(value),
            _ => None,
        };
        f.each_operand(&inst.op, |operand| {
            let Some(local) = promoted[operand.index()] else { return };
            let fits = whole.is_some_and(|(ptr, ty)| {
                ptr == operand && same(ty, f.locals[local.index()].ty) && stored != Some(operand)
            });
            if !fits {
                promoted[operand.index()] = None;
            }
        });
    }
    promoted
}
