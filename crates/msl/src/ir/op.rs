//! The instructions. Every operand is the [`ValueId`] of an earlier result; the meaning of an
//! operation follows its operands' types (`div` of `i32` is signed, of `u32` unsigned), and
//! scalar operations apply to vectors component by component.
//!
//! Invariant: [`Op`] is `Copy`; operand lists of variable length live in the function's pool.

use super::{
    BlockId, FuncId, GlobalId, LocalId, LoopId, RegionId, StructId, SwitchId, Type, ValueId,
    ValueList, named_enum,
};

named_enum! {
    /// One operand, same type out.
    pub enum UnaryOp {
        /// Negation; wraps for integers.
        Neg = "neg",
        /// Complement of the bits; logical not for bool.
        Not = "not",
        /// Absolute value; wraps for the smallest integer.
        Abs = "abs",
        /// Square root, correctly rounded. Floats only, like those that follow.
        Sqrt = "sqrt",
        /// Round down.
        Floor = "floor",
        /// Round up.
        Ceil = "ceil",
        /// Round towards zero.
        Trunc = "trunc",
        /// Round to nearest, ties to even.
        Rint = "rint",
        /// Leading zeros; the width for 0. Integers only, like those that follow.
        Clz = "clz",
        /// Trailing zeros; the width for 0.
        Ctz = "ctz",
        /// Set bits.
        Popcount = "popcount",
        /// Bits in reverse order.
        ReverseBits = "reverse_bits",
    }
}

named_enum! {
    /// Two operands of one type, the same type out. Shifts: the count has the value's type.
    pub enum BinaryOp {
        /// Sum; integers wrap.
        Add = "add",
        /// Difference; integers wrap.
        Sub = "sub",
        /// Product; integers wrap.
        Mul = "mul",
        /// Quotient; integers truncate, x/0 is 0, MIN/-1 is MIN. Floats are IEEE.
        Div = "div",
        /// Remainder with the dividend's sign; x%0 is 0, MIN%-1 is 0. Floats: C's exact `fmod`.
        Rem = "rem",
        /// Bitwise (logical for bool) and.
        And = "and",
        /// Bitwise (logical for bool) or.
        Or = "or",
        /// Bitwise (logical for bool) exclusive or.
        Xor = "xor",
        /// Shift left by the count modulo the width.
        Shl = "shl",
        /// Shift right by the count modulo the width; arithmetic for signed types.
        Shr = "shr",
        /// Smaller operand; of floats, the other one if one is NaN; -0 is below +0.
        Min = "min",
        /// Larger operand; of floats, the other one if one is NaN; -0 is below +0.
        Max = "max",
        /// High half of the double-width product. Integers only, like those that follow.
        MulHi = "mulhi",
        /// Sum clamped to the type's range.
        AddSat = "add_sat",
        /// Difference clamped to the type's range.
        SubSat = "sub_sat",
    }
}

named_enum! {
    /// Comparisons; the result is `bool` per component. Floats compare ordered (false with
    /// NaN) except `ne`; pointers compare by object, then by offset; bool only by eq and ne.
    pub enum CompareOp {
        /// Equal.
        Eq = "eq",
        /// Not equal; true with NaN.
        Ne = "ne",
        /// Less.
        Lt = "lt",
        /// Less or equal.
        Le = "le",
        /// Greater.
        Gt = "gt",
        /// Greater or equal.
        Ge = "ge",
    }
}

named_enum! {
    /// Read-modify-write operations on `i32`, `u32`, `f32`, `i64`, `u64`.
    pub enum AtomicOp {
        /// Replace.
        Exchange = "xchg",
        /// Add.
        Add = "add",
        /// Subtract.
        Sub = "sub",
        /// Minimum.
        Min = "min",
        /// Maximum.
        Max = "max",
        /// Bitwise and; integers only, like those that follow.
        And = "and",
        /// Bitwise or.
        Or = "or",
        /// Bitwise exclusive or.
        Xor = "xor",
    }
}

named_enum! {
    /// Atomic order of an access; `plain` means not atomic.
    pub enum Order {
        /// Not atomic.
        Plain = "plain",
        /// Atomic without ordering.
        Relaxed = "relaxed",
        /// Acquire.
        Acquire = "acquire",
        /// Release.
        Release = "release",
        /// Acquire and release.
        AcqRel = "acq_rel",
        /// Sequentially consistent.
        SeqCst = "seq_cst",
    }
}

named_enum! {
    /// Who takes part in a synchronisation.
    pub enum Scope {
        /// One thread.
        Thread = "thread",
        /// The 32 lanes of a simdgroup.
        Simdgroup = "simdgroup",
        /// A threadgroup.
        Threadgroup = "threadgroup",
        /// The whole device.
        Device = "device",
    }
}

/// How memory is touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Alignment in bytes the source promises; 0 stands for the type's own.
    pub align: u8,
    /// May neither be dropped nor merged.
    pub volatile: bool,
    /// `coherent`: seen by the whole device without fences.
    pub coherent: bool,
    /// Atomic order.
    pub order: Order,
    /// Scope of the order.
    pub scope: Scope,
}

impl Access {
    /// An ordinary access with the type's own alignment.
    pub const PLAIN: Access = Access {
        align: 0,
        volatile: false,
        coherent: false,
        order: Order::Plain,
        scope: Scope::Device,
    };

    /// An ordinary access with a smaller alignment (packed vectors).
    pub fn aligned(align: u8) -> Access {
        Access { align, ..Access::PLAIN }
    }

    /// An atomic access.
    pub fn atomic(order: Order, scope: Scope) -> Access {
        Access { order, scope, ..Access::PLAIN }
    }
}

/// Memory that a barrier or fence orders: a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemFlags(pub u8);

impl MemFlags {
    /// No memory, execution only.
    pub const NONE: MemFlags = MemFlags(0);
    /// Device memory.
    pub const DEVICE: MemFlags = MemFlags(1);
    /// Threadgroup memory.
    pub const THREADGROUP: MemFlags = MemFlags(2);
    /// Textures.
    pub const TEXTURE: MemFlags = MemFlags(4);
    /// Names of the bits, lowest first.
    pub const NAMES: [&'static str; 3] = ["device", "threadgroup", "texture"];
}

named_enum! {
    /// Values a launch gives to a thread. Type `u32`, or a 3-vector of `u32` where the name
    /// says position, size, origin or a count per axis.
    pub enum Attribute {
        /// Threadgroup size asked for, in quads.
        DispatchQuadgroupsPerThreadgroup = "dispatch_quadgroups_per_threadgroup",
        /// Threadgroup size asked for, in simdgroups.
        DispatchSimdgroupsPerThreadgroup = "dispatch_simdgroups_per_threadgroup",
        /// Threadgroup size asked for.
        DispatchThreadsPerThreadgroup = "dispatch_threads_per_threadgroup",
        /// Always 0.
        GridOrigin = "grid_origin",
        /// The grid in threads.
        GridSize = "grid_size",
        /// Index of the thread's quad.
        QuadgroupIndexInThreadgroup = "quadgroup_index_in_threadgroup",
        /// Quads of this threadgroup.
        QuadgroupsPerThreadgroup = "quadgroups_per_threadgroup",
        /// Index of the thread's simdgroup.
        SimdgroupIndexInThreadgroup = "simdgroup_index_in_threadgroup",
        /// Simdgroups of this threadgroup.
        SimdgroupsPerThreadgroup = "simdgroups_per_threadgroup",
        /// 32.
        ThreadExecutionWidth = "thread_execution_width",
        /// Lane within the quad.
        ThreadIndexInQuadgroup = "thread_index_in_quadgroup",
        /// Lane within the simdgroup.
        ThreadIndexInSimdgroup = "thread_index_in_simdgroup",
        /// Linear index within this threadgroup, x fastest.
        ThreadIndexInThreadgroup = "thread_index_in_threadgroup",
        /// Position in the grid.
        ThreadPositionInGrid = "thread_position_in_grid",
        /// Position in this threadgroup.
        ThreadPositionInThreadgroup = "thread_position_in_threadgroup",
        /// Position of this threadgroup.
        ThreadgroupPositionInGrid = "threadgroup_position_in_grid",
        /// Threadgroups along each axis.
        ThreadgroupsPerGrid = "threadgroups_per_grid",
        /// The grid in threads.
        ThreadsPerGrid = "threads_per_grid",
        /// 32.
        ThreadsPerSimdgroup = "threads_per_simdgroup",
        /// Size of this threadgroup (smaller at the grid's edge).
        ThreadsPerThreadgroup = "threads_per_threadgroup",
    }
}

impl Attribute {
    /// Whether the value is a 3-vector.
    pub fn is_vector(self) -> bool {
        matches!(
            self,
            Attribute::DispatchThreadsPerThreadgroup
                | Attribute::GridOrigin
                | Attribute::GridSize
                | Attribute::ThreadPositionInGrid
                | Attribute::ThreadPositionInThreadgroup
                | Attribute::ThreadgroupPositionInGrid
                | Attribute::ThreadgroupsPerGrid
                | Attribute::ThreadsPerGrid
                | Attribute::ThreadsPerThreadgroup
        )
    }
}

named_enum! {
    /// The lanes that take part in an operation across lanes.
    pub enum Width {
        /// All 32 lanes of the simdgroup.
        Simd = "simd",
        /// The 4 lanes of the quad.
        Quad = "quad",
    }
}

named_enum! {
    /// Reductions, over active lanes in lane order.
    pub enum ReduceOp {
        /// Sum.
        Sum = "sum",
        /// Product.
        Product = "product",
        /// Minimum.
        Min = "min",
        /// Maximum.
        Max = "max",
        /// Bitwise and; integers only, like those that follow.
        And = "and",
        /// Bitwise or.
        Or = "or",
        /// Bitwise exclusive or.
        Xor = "xor",
    }
}

named_enum! {
    /// Prefix operations, over active lanes in lane order; the first exclusive value is the
    /// operation's identity.
    pub enum ScanOp {
        /// Sum of this and all earlier lanes.
        InclusiveSum = "inclusive_sum",
        /// Sum of all earlier lanes.
        ExclusiveSum = "exclusive_sum",
        /// Product of this and all earlier lanes.
        InclusiveProduct = "inclusive_product",
        /// Product of all earlier lanes.
        ExclusiveProduct = "exclusive_product",
    }
}

named_enum! {
    /// Where a lane takes its value from. An inactive or missing source lane gives 0.
    pub enum ShuffleOp {
        /// The lane named by the operand (also `broadcast`).
        Index = "index",
        /// Own lane xor the operand.
        Xor = "xor",
        /// Own lane minus the operand; below 0, the own value.
        Up = "up",
        /// Own lane plus the operand; past the end, the own value.
        Down = "down",
        /// Own lane minus the operand, modulo the width.
        RotateUp = "rotate_up",
        /// Own lane plus the operand, modulo the width.
        RotateDown = "rotate_down",
    }
}

named_enum! {
    /// Votes and masks.
    pub enum VoteOp {
        /// True if the predicate holds in all active lanes.
        All = "all",
        /// True if it holds in any active lane.
        Any = "any",
        /// A `u64` with a bit per lane where it holds.
        Ballot = "ballot",
        /// True in the active lane of the lowest index (operand unused, any bool).
        IsFirst = "is_first",
    }
}

/// How a source region was written, for text back ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockStyle {
    /// `{ ... }` or anything that needs a target to exit to.
    Plain,
    /// The scope of a `for`: the last instruction is its loop, those before are its init part.
    For,
    /// The body of an inlined function.
    Inlined,
}

/// One instruction.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(
    missing_docs,
    reason = "operands are named after their role, which the variant's text explains"
)]
pub enum Op {
    /// A constant of the result's type: the bits of a scalar, the same for each component of a
    /// vector or simdgroup matrix; a pointer must be 0 (null).
    Const(u64),
    /// Declares a local at this point and gives its address; its memory is zeroed each time.
    Var(LocalId),
    /// Address of a program-scope constant or threadgroup variable.
    Global(GlobalId),
    /// `ptr + index * sizeof(ty)`; the index is an integer of any type.
    Element { ptr: ValueId, ty: Type, index: ValueId },
    /// Address of a field.
    Field { ptr: ValueId, structure: StructId, field: u32 },
    /// The same address under another pointer type.
    PtrCast(ValueId),
    /// `(a - b) / sizeof(ty)` as `i64`, truncating; of different objects, from the packed forms.
    PtrDiff { a: ValueId, b: ValueId, ty: Type },
    /// Reads a value of the result's type.
    Load { ptr: ValueId, access: Access },
    /// Writes a value.
    Store { ptr: ValueId, value: ValueId, access: Access },
    /// Copies `sizeof(ty)` bytes; the ranges may overlap. One access each, all or nothing.
    Copy { dst: ValueId, src: ValueId, ty: Type },
    /// Zeroes `sizeof(ty)` bytes.
    Zero { ptr: ValueId, ty: Type },
    /// Read-modify-write; the result is the old value.
    AtomicRmw { op: AtomicOp, ptr: ValueId, value: ValueId, access: Access },
    /// Compare and exchange; results are the old value and whether it was exchanged. Never
    /// fails spuriously.
    AtomicCmpXchg { ptr: ValueId, expected: ValueId, desired: ValueId, access: Access },
    /// `atomic_thread_fence`.
    Fence { flags: MemFlags, order: Order, scope: Scope },
    /// A barrier of a simdgroup or threadgroup (`exec`), ordering `flags` memory at `scope`.
    Barrier { exec: Scope, flags: MemFlags, scope: Scope },

    /// One operand.
    Unary(UnaryOp, ValueId),
    /// Two operands.
    Binary(BinaryOp, ValueId, ValueId),
    /// Comparison.
    Compare(CompareOp, ValueId, ValueId),
    /// `a * b + c`, rounded once.
    Fma(ValueId, ValueId, ValueId),
    /// `cond ? a : b`, both evaluated; `cond` is a bool, or a bool vector per component.
    Select { cond: ValueId, a: ValueId, b: ValueId },
    /// Value conversion to the result's type: wrap, extend, round to nearest even, saturate
    /// (float to integer, NaN is 0), to bool by `!= 0`; pointer to or from `i64`/`u64` by the
    /// pointer's memory form.
    Convert(ValueId),
    /// The same bits under another type of as many bits (scalars, vectors, simdgroup matrix as
    /// the 2-vector of its lane's elements, Apple's layout).
    Bitcast(ValueId),

    /// A vector from scalars, one per component.
    Vector(ValueList),
    /// A vector of equal components.
    Splat(ValueId),
    /// A component.
    Extract { vector: ValueId, index: u8 },
    /// A component by run-time index, taken modulo the length.
    ExtractAt { vector: ValueId, index: ValueId },
    /// The vector with one component replaced.
    Insert { vector: ValueId, index: u8, value: ValueId },
    /// The same by run-time index, modulo the length.
    InsertAt { vector: ValueId, index: ValueId, value: ValueId },
    /// Components `lanes[i]` of `a` followed by `b`, as many as the result has; `a` and `b`
    /// are scalars or vectors of one component type.
    Swizzle { a: ValueId, b: ValueId, lanes: [u8; 4] },

    /// A launch value.
    Attribute(Attribute),
    /// Reduction over lanes.
    Reduce { op: ReduceOp, width: Width, value: ValueId },
    /// Prefix over lanes.
    Scan { op: ScanOp, width: Width, value: ValueId },
    /// Value of another lane; `lane` is an integer.
    Shuffle { op: ShuffleOp, width: Width, value: ValueId, lane: ValueId },
    /// `shuffle_and_fill_up`/`_down`: within groups of `modulo` lanes (a power of two from 2
    /// to the width; others give the width), what falls off is taken from `fill` of the lane
    /// at the other end. `op` is `Up` or `Down`.
    ShuffleFill {
        op: ShuffleOp,
        width: Width,
        value: ValueId,
        fill: ValueId,
        lane: ValueId,
        modulo: ValueId,
    },
    /// Value of the lowest active lane.
    BroadcastFirst { width: Width, value: ValueId },
    /// Vote over lanes.
    Vote { op: VoteOp, width: Width, value: ValueId },

    /// Loads an 8x8 matrix: element (row, col) at `ptr[row * stride + col]`, or transposed at
    /// `ptr[col * stride + row]`; `stride` is an integer in elements.
    MatrixLoad { ptr: ValueId, stride: ValueId, transpose: bool },
    /// Stores an 8x8 matrix in the same way.
    MatrixStore { ptr: ValueId, value: ValueId, stride: ValueId, transpose: bool },
    /// A matrix whose diagonal is the scalar and the rest 0.
    MatrixDiagonal(ValueId),
    /// `a * b + c`, k ascending with fma in `c`'s type, which is the result's.
    MatrixMulAdd { a: ValueId, b: ValueId, c: ValueId },

    /// Calls a function; arguments were evaluated left to right.
    Call { function: FuncId, args: ValueList },

    /// A region to exit from.
    Block { region: RegionId, body: BlockId, style: BlockStyle },
    /// Two arms; a missing else is an empty block.
    If { region: RegionId, cond: ValueId, then: BlockId, otherwise: BlockId },
    /// A loop; see [`super::Loop`].
    Loop(LoopId),
    /// Ordered cases; see [`super::Switch`].
    Switch(SwitchId),
    /// Leaves every region up to and including `region`, with its result values. Of a loop's
    /// body region this is `continue`, of the function's own region `return`.
    Exit { region: RegionId, values: ValueList },
    /// Ends a loop's header: leaves the loop with `values` if `cond` is false.
    Test { cond: ValueId, values: ValueList },
    /// Ends a loop's continue part with the next values of the header's parameters. May be
    /// left out where there are none.
    Next(ValueList),
}

impl Op {
    /// Whether nothing may follow in the same block.
    pub fn is_terminator(&self) -> bool {
        matches!(self, Op::Exit { .. } | Op::Test { .. } | Op::Next(_))
    }

    /// Whether all lanes of a simdgroup that are together must execute it together.
    pub fn is_convergent(&self) -> bool {
        matches!(
            self,
            Op::Reduce { .. }
                | Op::Scan { .. }
                | Op::Shuffle { .. }
                | Op::ShuffleFill { .. }
                | Op::BroadcastFirst { .. }
                | Op::Vote { .. }
                | Op::MatrixLoad { .. }
                | Op::MatrixStore { .. }
                | Op::MatrixMulAdd { .. }
                | Op::Barrier { .. }
        )
    }
}
