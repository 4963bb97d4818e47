//! Functions: arenas of values, instructions, blocks and regions.
//!
//! Invariants: ids are indices into the arenas of the same function; an instruction stands in
//! at most one block (in none if it was dead when built); results of one instruction have
//! consecutive ids.

use super::{Op, Span, Type};

/// Declares a cheap index type.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in its arena.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A value: a parameter of the function or a block, or the result of an instruction.
    ValueId,
    /// An instruction.
    InstId,
    /// A sequence of instructions.
    BlockId,
    /// Something an exit can name.
    RegionId,
    /// A source local.
    LocalId,
    /// A loop's parts.
    LoopId,
    /// A switch's parts.
    SwitchId,
    /// A link of an inlined-at chain.
    InlineId,
    /// A function of the module.
    FuncId,
    /// A program-scope constant or threadgroup variable of the module.
    GlobalId,
}

/// A slice of [`Function::pool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ValueList {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl ValueList {
    /// No values.
    pub const EMPTY: ValueList = ValueList { start: 0, len: 0 };

    /// Number of values.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A named source local.
#[derive(Clone, PartialEq, Debug)]
pub struct Local {
    /// Source name; empty for temporaries.
    pub name: String,
    /// Memory type.
    pub ty: Type,
    /// The type's spelling in the source if it is an alias.
    pub type_name: Option<String>,
}

/// How a parameter is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passing {
    /// A loadable value.
    Value,
    /// A pointer to the callee's own copy of an aggregate, made by the caller.
    ByValue,
    /// A pointer to where the callee writes the aggregate it returns; always the first.
    Result,
}

/// A parameter of a function.
#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    /// Source name.
    pub name: String,
    /// The value in the body, of the value's (or pointer's) type.
    pub value: ValueId,
    /// How it is passed.
    pub passing: Passing,
}

/// A link of an inlined-at chain: the instruction came from `callee`, called at `at`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InlineSite {
    /// Source name of the inlined function.
    pub callee: String,
    /// The call's position.
    pub at: Span,
    /// The site the call itself was inlined at.
    pub parent: Option<InlineId>,
}

/// A sequence of instructions.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Block {
    /// Values that the entry to the block defines (optimised form).
    pub params: Vec<ValueId>,
    /// In order.
    pub insts: Vec<InstId>,
}

/// An instruction.
#[derive(Clone, PartialEq, Debug)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// First result.
    pub first_result: ValueId,
    /// Number of results.
    pub results: u32,
    /// Where the source says so.
    pub span: Span,
    /// Where it was inlined, if it was.
    pub inlined: Option<InlineId>,
}

impl Inst {
    /// The results' ids.
    pub fn result_ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (self.first_result.0..self.first_result.0 + self.results).map(ValueId)
    }

    /// The only result, if there is exactly one.
    pub fn result(&self) -> Option<ValueId> {
        (self.results == 1).then_some(self.first_result)
    }
}

/// What a region belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegionKind {
    /// The function; exits return.
    Function,
    /// A block; exits leave it.
    Block,
    /// An if; exits leave it.
    If,
    /// A loop; exits break.
    Loop,
    /// A loop's body; exits continue.
    Body,
    /// A switch; exits break.
    Switch,
}

/// How a loop was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoopStyle {
    /// `for`: header computes the condition, the continue part is the step.
    For,
    /// `while`: header computes the condition.
    While,
    /// `do ... while`: the header is empty, the continue part tests and exits.
    DoWhile,
}

/// Unrolling asked for by the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unroll {
    /// Nothing said.
    Auto,
    /// Completely.
    Full,
    /// By a factor.
    Count(u32),
    /// Not at all.
    Disable,
}

/// A loop. The header runs first and before each further round, and may end with `test`; then
/// the body, whose end (and every exit to `body_region`) leads to the continue part, whose end
/// leads back to the header.
#[derive(Clone, PartialEq, Debug)]
pub struct Loop {
    /// Exits to it break.
    pub region: RegionId,
    /// Exits to it continue; their values are the parameters of `next`.
    pub body_region: RegionId,
    /// Values of the header's parameters in the first round.
    pub inits: ValueList,
    /// Header.
    pub header: BlockId,
    /// Body.
    pub body: BlockId,
    /// Continue part.
    pub next: BlockId,
    /// How it was written.
    pub style: LoopStyle,
    /// Unrolling asked for.
    pub unroll: Unroll,
}

/// A case of a switch; it falls through to the following one.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// Values that lead here, as the bits of the selector's type.
    pub values: Vec<u64>,
    /// Whether all other values lead here.
    pub default: bool,
    /// The instructions.
    pub block: BlockId,
}

/// A switch with ordered cases.
#[derive(Clone, PartialEq, Debug)]
pub struct Switch {
    /// Exits to it break.
    pub region: RegionId,
    /// An integer.
    pub selector: ValueId,
    /// In source order.
    pub cases: Vec<Case>,
}

/// A function.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Source name with template arguments, e.g. `helper<float>`.
    pub name: String,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// Type of the value returned; aggregates go through a [`Passing::Result`] parameter.
    pub result: Option<Type>,
    /// Where it is declared.
    pub span: Span,
    /// The body; its region is `RegionId(0)`.
    pub body: BlockId,
    /// Types of all values.
    pub values: Vec<Type>,
    /// Instructions.
    pub insts: Vec<Inst>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// Regions.
    pub regions: Vec<RegionKind>,
    /// Source locals.
    pub locals: Vec<Local>,
    /// Loops.
    pub loops: Vec<Loop>,
    /// Switches.
    pub switches: Vec<Switch>,
    /// Links of inlined-at chains.
    pub inline_sites: Vec<InlineSite>,
    /// Operand lists.
    pub pool: Vec<ValueId>,
}

impl Function {
    /// An empty function without parameters.
    pub fn new(name: &str, result: Option<Type>) -> Function {
        Function {
            name: name.to_string(),
            params: Vec::new(),
            result,
            span: Span::NONE,
            body: BlockId(0),
            values: Vec::new(),
            insts: Vec::new(),
            blocks: vec![Block::default()],
            regions: vec![RegionKind::Function],
            locals: Vec::new(),
            loops: Vec::new(),
            switches: Vec::new(),
            inline_sites: Vec::new(),
            pool: Vec::new(),
        }
    }

    /// The type of a value.
    pub fn ty(&self, value: ValueId) -> Type {
        self.values[value.index()]
    }

    /// The values of a list.
    pub fn list(&self, list: ValueList) -> &[ValueId] {
        &self.pool[list.start as usize..(list.start + list.len) as usize]
    }

    /// Stores an operand list.
    pub fn add_list(&mut self, values: &[ValueId]) -> ValueList {
        if values.is_empty() {
            return ValueList::EMPTY;
        }
        let start = self.pool.len() as u32;
        self.pool.extend_from_slice(values);
        ValueList { start, len: values.len() as u32 }
    }

    /// An instruction.
    pub fn inst(&self, inst: InstId) -> &Inst {
        &self.insts[inst.index()]
    }

    /// A block.
    pub fn block(&self, block: BlockId) -> &Block {
        &self.blocks[block.index()]
    }

    /// A loop.
    pub fn loop_parts(&self, id: LoopId) -> &Loop {
        &self.loops[id.index()]
    }

    /// A switch.
    pub fn switch(&self, id: SwitchId) -> &Switch {
        &self.switches[id.index()]
    }

    /// Calls `visit` with every operand of an instruction, in order.
    pub fn each_operand(&self, op: &Op, mut visit: impl FnMut(ValueId)) {
        match *op {
            Op::Const(_) | Op::Var(_) | Op::Global(_) | Op::Attribute(_) => {}
            Op::Fence { .. } | Op::Barrier { .. } | Op::Block { .. } => {}
            Op::Element { ptr, index, .. } => [ptr, index].into_iter().for_each(visit),
            Op::Field { ptr, .. } | Op::Load { ptr, .. } | Op::Zero { ptr, .. } => visit(ptr),
            Op::PtrCast(a) | Op::Unary(_, a) | Op::Convert(a) | Op::Bitcast(a) => visit(a),
            Op::Splat(a) | Op::Extract { vector: a, .. } | Op::MatrixDiagonal(a) => visit(a),
            Op::PtrDiff { a, b, .. } | Op::Binary(_, a, b) | Op::Compare(_, a, b) => {
                [a, b].into_iter().for_each(visit)
            }
            Op::Store { ptr, value, .. } | Op::AtomicRmw { ptr, value, .. } => {
                [ptr, value].into_iter().for_each(visit)
            }
            Op::Copy { dst, src, .. } => [dst, src].into_iter().for_each(visit),
            Op::AtomicCmpXchg { ptr, expected, desired, .. } => {
                [ptr, expected, desired].into_iter().for_each(visit)
            }
            Op::Fma(a, b, c) | Op::MatrixMulAdd { a, b, c } => {
                [a, b, c].into_iter().for_each(visit)
            }
            Op::Select { cond, a, b } => [cond, a, b].into_iter().for_each(visit),
            Op::ExtractAt { vector, index } => [vector, index].into_iter().for_each(visit),
            Op::Insert { vector, value, .. } => [vector, value].into_iter().for_each(visit),
            Op::InsertAt { vector, index, value } => {
                [vector, index, value].into_iter().for_each(visit)
            }
            Op::Swizzle { a, b, .. } => [a, b].into_iter().for_each(visit),
            Op::Reduce { value, .. } | Op::Scan { value, .. } => visit(value),
            Op::BroadcastFirst { value, .. } | Op::Vote { value, .. } => visit(value),
            Op::Shuffle { value, lane, .. } => [value, lane].into_iter().for_each(visit),
            Op::ShuffleFill { value, fill, lane, modulo, .. } => {
                [value, fill, lane, modulo].into_iter().for_each(visit)
            }
            Op::MatrixLoad { ptr, stride, .. } => [ptr, stride].into_iter().for_each(visit),
            Op::MatrixStore { ptr, value, stride, .. } => {
                [ptr, value, stride].into_iter().for_each(visit)
            }
            Op::Vector(list) | Op::Next(list) | Op::Call { args: list, .. } => {
                self.list(list).iter().copied().for_each(visit)
            }
            Op::If { cond, .. } => visit(cond),
            Op::Loop(id) => self.list(self.loop_parts(id).inits).iter().copied().for_each(visit),
            Op::Switch(id) => visit(self.switch(id).selector),
            Op::Exit { values, .. } => self.list(values).iter().copied().for_each(visit),
            Op::Test { cond, values } => {
                visit(cond);
                self.list(values).iter().copied().for_each(visit)
            }
        }
    }

    /// The blocks an instruction contains, in order.
    pub fn child_blocks(&self, op: &Op) -> Vec<BlockId> {
        match *op {
            Op::Block { body, .. } => vec![body],
            Op::If { then, otherwise, .. } => vec![then, otherwise],
            Op::Loop(id) => {
                let parts = self.loop_parts(id);
                vec![parts.header, parts.body, parts.next]
            }
            Op::Switch(id) => self.switch(id).cases.iter().map(|case| case.block).collect(),
            _ => Vec::new(),
        }
    }
}
