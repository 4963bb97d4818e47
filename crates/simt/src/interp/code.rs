//! Flat code: what the interpreter executes.
//!
//! Canonical IR is a tree of regions over values of many shapes; flat code is a list of
//! operations on *rows*. A row holds one 32-bit word for each lane of a simdgroup. A scalar of
//! up to 32 bits takes one row (integers extended by their sign, half and bfloat as their bits),
//! a 64-bit one takes two (low, high), a pointer one for the object and two for the offset;
//! vectors are their components. So building, splitting and reordering vectors costs nothing.
//!
//! Invariants: rows below [`CONST`] are relative to the window of the running function; others
//! are absolute, filled before the kernel starts and never written. Windows are stacked by
//! calls (there is no recursion). Program counters grow in the order in which lockstep executes
//! regions: then, else, what follows; header, body, continue part.

use anymetal_msl::ir::{
    AtomicOp, Attribute, BinaryOp, CompareOp, ReduceOp, Scalar, ScanOp, ShuffleOp, Span, UnaryOp,
    VoteOp, Width,
};

/// Index of a row.
pub(super) type Row = u16;
/// Position in the code.
pub(super) type Pc = u32;

/// Marks absolute rows.
pub(super) const CONST: Row = 0x8000;

/// Start of a run of rows in [`Program::lists`].
pub(super) type List = u32;

/// An address: row of the object, first row of the offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addr {
    pub(super) object: Row,
    pub(super) offset: Row,
}

/// What a memory access moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// A scalar.
    Scalar(Scalar),
    /// A pointer in its 8-byte form; its list has the object's and the offset's row.
    Pointer,
}

/// One operation. `d` is always the destination.
#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    /// Copies a row, in the active lanes only.
    Move {
        d: Row,
        s: Row,
    },
    /// Copies a row into the window of the function about to be called.
    Arg {
        d: Row,
        s: Row,
        shift: u16,
    },
    /// Copies a row from the window of the function just left.
    Returned {
        d: Row,
        s: Row,
        shift: u16,
    },
    Unary {
        op: UnaryOp,
        ty: Scalar,
        d: Row,
        a: Row,
    },
    Binary {
        op: BinaryOp,
        ty: Scalar,
        d: Row,
        a: Row,
        b: Row,
    },
    Compare {
        op: CompareOp,
        ty: Scalar,
        d: Row,
        a: Row,
        b: Row,
    },
    ComparePointers {
        op: CompareOp,
        d: Row,
        a: Addr,
        b: Addr,
    },
    Fma {
        ty: Scalar,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Select {
        d: Row,
        c: Row,
        a: Row,
        b: Row,
    },
    Convert {
        from: Scalar,
        to: Scalar,
        d: Row,
        a: Row,
    },
    /// Bits of one list of components as another.
    Bits {
        from: Scalar,
        n: u8,
        to: Scalar,
        m: u8,
        s: List,
        d: List,
    },
    /// Component by index, of `n` with `words` rows each.
    ExtractAt {
        s: List,
        n: u8,
        words: u8,
        index: Row,
        d: Row,
    },
    /// Replaces a component by index; `d` has the vector's other components already.
    InsertAt {
        d: List,
        n: u8,
        words: u8,
        index: Row,
        s: Row,
    },
    /// `d = offset + index * size`.
    Step {
        d: Row,
        offset: Row,
        index: Row,
        ty: Scalar,
        size: u32,
    },
    /// Distance in elements of `size` bytes.
    Distance {
        d: Row,
        a: Addr,
        b: Addr,
        size: u32,
    },
    ToBits {
        d: Row,
        a: Addr,
    },
    FromBits {
        d: Addr,
        a: Row,
    },

    Load {
        cell: Cell,
        n: u8,
        addr: Addr,
        d: List,
    },
    Store {
        cell: Cell,
        n: u8,
        addr: Addr,
        s: List,
    },
    Copy {
        d: Addr,
        s: Addr,
        size: u32,
    },
    Zero {
        addr: Addr,
        size: u32,
    },
    Atomic {
        op: AtomicOp,
        ty: Scalar,
        d: Row,
        addr: Addr,
        value: Row,
    },
    /// The list has rows of: old, exchanged, expected, desired.
    Exchange {
        ty: Scalar,
        addr: Addr,
        list: List,
    },
    Fence,
    SimdBarrier,
    Barrier,

    Reduce {
        op: ReduceOp,
        ty: Scalar,
        width: Width,
        d: Row,
        a: Row,
    },
    Scan {
        op: ScanOp,
        ty: Scalar,
        width: Width,
        d: Row,
        a: Row,
    },
    Shuffle {
        op: ShuffleOp,
        width: Width,
        d: Row,
        a: Row,
        lane: Row,
    },
    /// The list has rows of: value, fill, lane, modulo.
    ShuffleFill {
        up: bool,
        width: Width,
        d: Row,
        list: List,
    },
    BroadcastFirst {
        width: Width,
        d: Row,
        a: Row,
    },
    Vote {
        op: VoteOp,
        width: Width,
        d: Row,
        a: Row,
    },
    MatrixLoad {
        ty: Scalar,
        transpose: bool,
        addr: Addr,
        stride: Row,
        d: List,
    },
    MatrixStore {
        ty: Scalar,
        transpose: bool,
        addr: Addr,
        stride: Row,
        s: List,
    },
    /// Element rows (2 each) of the result; the diagonal gets `a`, the rest 0.
    MatrixDiagonal {
        d: List,
        a: Row,
    },
    /// The list has rows of d, a, b, c, two each.
    MatrixMulAdd {
        a: Scalar,
        b: Scalar,
        c: Scalar,
        list: List,
    },

    /// Opens a region that exits can leave.
    Open {
        end: Pc,
    },
    /// Opens an if.
    If {
        c: Row,
        otherwise: Pc,
        end: Pc,
    },
    /// Ends the then arm.
    Else,
    /// Ends a region, all its lanes together again.
    Close,
    /// Opens a loop.
    Loop {
        end: Pc,
    },
    /// Opens a loop's body.
    Body {
        next: Pc,
    },
    /// Lanes where `c` is false leave the loop.
    Test {
        c: Row,
    },
    /// Back to the header.
    Back {
        head: Pc,
    },
    /// Opens a switch: every lane's case index goes to `d`.
    Switch {
        s: Row,
        ty: Scalar,
        d: Row,
        table: u32,
        end: Pc,
    },
    /// Lanes whose case this is join.
    Case {
        d: Row,
        index: u32,
        next: Pc,
    },
    /// Leaves `depth` regions further out than the innermost.
    Exit {
        depth: u32,
    },
    /// Calls a function whose window starts `shift` rows after this one's.
    Call {
        function: u32,
        shift: u16,
    },
}

/// Where an operation comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) function: u32,
    pub(super) span: Span,
}

/// Where an object's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Object 0.
    Null,
    /// The launch's buffer of this index.
    Buffer(u32),
    /// Constant bytes of the program from this offset.
    Constant(u32),
    /// Threadgroup memory from this offset.
    Threadgroup(u32),
    /// The launch's threadgroup memory of this index.
    ThreadgroupParam(u32),
    /// The thread's own memory from this offset.
    Thread(u32),
}

/// What a pointer can point into.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) element: String,
    pub(super) element_size: u64,
    pub(super) place: Place,
    /// Bytes, where the program knows them.
    pub(super) length: u64,
    /// Whether the kernel declares it writable.
    pub(super) writable: bool,
}

/// A flattened function.
#[derive(Clone, Debug, Default)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) start: Pc,
    /// Rows of its window.
    pub(super) rows: u32,
    /// Functions it calls.
    pub(super) callees: Vec<u32>,
}

/// Case values of a switch, sorted, with the case each leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) cases: Vec<(u64, u32)>,
    pub(super) default: Option<u32>,
}

/// A kernel in flat code, ready to be launched any number of times.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub(super) kernel: String,
    pub(super) code: Vec<Code>,
    pub(super) sites: Vec<Site>,
    pub(super) lists: Vec<Row>,
    pub(super) tables: Vec<Table>,
    pub(super) functions: Vec<Function>,
    /// Values of the absolute rows; the first `attributes` of them are filled by launches.
    pub(super) constants: Vec<u32>,
    pub(super) attributes: Vec<(Attribute, Row)>,
    pub(super) objects: Vec<Object>,
    pub(super) constant_bytes: Vec<u8>,
    pub(super) buffers: usize,
    pub(super) threadgroup_params: usize,
    /// Bytes of threadgroup memory the kernel declares.
    pub(super) threadgroup_bytes: u64,
    /// Bytes of thread memory per thread.
    pub(super) thread_bytes: u64,
    /// Rows of the deepest stack of windows.
    pub(super) window_rows: u64,
    pub(super) max_threads: Option<u32>,
}
