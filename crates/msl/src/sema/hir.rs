//! The typed program: what semantic analysis makes of a function's tree, and what constant
//! evaluation and lowering read.
//!
//! Invariants: every conversion is explicit, so that the operands of an operator have the types
//! that the operation needs; an expression says whether it is an lvalue; references are pointers
//! that [`ExprKind::Deref`] follows.

use crate::diagnostic::Span;
use crate::ir::{BinaryOp, CompareOp, UnaryOp};
use crate::sema::types::{Qt, Ty};

/// A function instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FnId(pub u32);

/// A program-scope variable, or a static one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GlobalId(pub u32);

/// A local of a function; parameters come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(pub u32);

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Its type, never a reference.
    pub ty: Qt,
    /// Whether it denotes an object.
    pub lvalue: bool,
    /// Where.
    pub span: Span,
}

/// Kinds of expression.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "operands are named after their role")]
pub enum ExprKind {
    /// A scalar constant (bits of its type), or a null pointer.
    Const(u64),
    /// The zero value of any type.
    Zero,
    /// A constant of any type, with its value known.
    Constant(Box<Value>),
    /// A local.
    Local(LocalId),
    /// A global.
    Global(GlobalId),
    /// What a pointer points to.
    Deref(Box<Expr>),
    /// A field of a class.
    Field(Box<Expr>, u32),
    /// The object seen as another class at the same or a later address: an empty base.
    Reinterpret(Box<Expr>),
    /// An element of an array, or a column of a matrix.
    Element(Box<Expr>, Box<Expr>),
    /// Components of a vector; one gives a scalar.
    Swizzle(Box<Expr>, Box<[u8]>),
    /// A component of a vector by a computed index.
    Component(Box<Expr>, Box<Expr>),
    /// The value of an object.
    Load(Box<Expr>),
    /// The address of an object.
    Address(Box<Expr>),
    /// Arithmetic.
    Unary(UnaryOp, Box<Expr>),
    /// Arithmetic on operands of one type.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a * b + c`, rounded once.
    Fma(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Comparison of operands of one type.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// `p + i`, in elements.
    Offset(Box<Expr>, Box<Expr>),
    /// `p - q`, in elements.
    Distance(Box<Expr>, Box<Expr>),
    /// `&&`
    And(Box<Expr>, Box<Expr>),
    /// `||`
    Or(Box<Expr>, Box<Expr>),
    /// `?:`
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a, b`
    Comma(Box<Expr>, Box<Expr>),
    /// Stores; the result is the object.
    Assign(Box<Expr>, Box<Expr>),
    /// Stores `value`, in which [`ExprKind::Old`] is the object's old value. The result is the
    /// object, or for postfix operators the old value.
    Update { object: Box<Expr>, value: Box<Expr>, postfix: bool },
    /// See [`ExprKind::Update`].
    Old,
    /// Conversion of scalars and vectors by value.
    Convert(Box<Expr>),
    /// The same bits.
    Bitcast(Box<Expr>),
    /// Another pointer type.
    PointerCast(Box<Expr>),
    /// A vector of equal components.
    Splat(Box<Expr>),
    /// A vector of scalars and vectors one after the other.
    Vector(Vec<Expr>),
    /// An array, class or matrix from its parts in order; missing ones are zero. A union's has at
    /// most one part, for the field of that number.
    Aggregate(Vec<(u32, Expr)>),
    /// A call. Arguments match the parameters; references are pointers.
    Call(FnId, Vec<Expr>),
    /// A constructor call that makes a new object: the arguments without `this`.
    New(FnId, Vec<Expr>),
    /// A library function.
    Builtin(BuiltinCall),
    /// An operation on a simdgroup matrix.
    Intrinsic(Intrinsic, Vec<Expr>),
    /// A value put into a temporary object.
    Temporary(Box<Expr>),
    /// A function's name.
    Function(FnId),
    /// Does nothing, gives nothing.
    Void(Box<Expr>),
}

/// A call of a library function.
#[derive(Debug, Clone)]
pub struct BuiltinCall {
    /// The family of overloads.
    pub row: &'static crate::builtin::Row,
    /// What its type variable stands for.
    pub t: crate::builtin::Shape,
    /// The arguments, converted; orders, scopes and flags are constants.
    pub args: Vec<Expr>,
}

/// Operations on simdgroup matrices that the prelude is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the operations")]
pub enum Intrinsic {
    MatrixLoad {
        transpose: bool,
    },
    MatrixStore {
        transpose: bool,
    },
    MatrixFill,
    MatrixDiagonal,
    MatrixMad,
    /// A value that the launch gives each thread.
    Launch(crate::ir::Attribute),
}

/// A constant value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The bits of a scalar.
    Bits(u64),
    /// Parts of a vector, array or class.
    Parts(Vec<Value>),
    /// The address of part of an object.
    Pointer(Pointer),
    /// A function.
    Function(FnId),
}

/// A constant address.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointer {
    /// The object; `None` is null.
    pub root: Option<Root>,
    /// Which part of which part.
    pub path: Vec<u32>,
}

/// An object that constants can point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// A global.
    Global(GlobalId),
    /// An object of the constant evaluator.
    Slot(u32),
}

/// A statement.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "parts are named after their role")]
pub enum Stmt {
    /// An expression for its effects.
    Expr(Expr),
    /// A local comes into being.
    Local { id: LocalId, init: Option<Expr>, span: Span },
    /// A block.
    Block(Vec<Stmt>),
    /// `if`
    If { cond: Expr, then: Vec<Stmt>, otherwise: Vec<Stmt>, span: Span },
    /// Every loop: `do` tests after the body.
    Loop { cond: Option<Expr>, body: Vec<Stmt>, step: Option<Expr>, style: LoopForm, span: Span },
    /// `switch`: the cases in order, each falling through to the next.
    Switch { value: Expr, cases: Vec<Case>, span: Span },
    /// `break`
    Break(Span),
    /// `continue`
    Continue(Span),
    /// `return`
    Return(Option<Expr>, Span),
}

/// A run of statements after labels.
#[derive(Debug, Clone)]
pub struct Case {
    /// The values that lead here.
    pub values: Vec<u64>,
    /// `default` leads here.
    pub default: bool,
    /// The statements.
    pub body: Vec<Stmt>,
}

/// How a loop was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the keyword")]
pub enum LoopForm {
    While,
    Do,
    For,
}

/// A local variable or parameter.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its name; empty for what the source does not name.
    pub name: String,
    /// Its type; a reference is stored as a pointer.
    pub ty: Qt,
    /// Known at compile time.
    pub constant: Option<Value>,
    /// The typedef it was declared with.
    pub type_name: Option<String>,
    /// Declared with storage that outlives the call, in threadgroup memory.
    pub global: Option<GlobalId>,
    /// Where it is declared.
    pub span: Span,
}

/// An analysed body.
#[derive(Debug, Default)]
pub struct Body {
    /// Locals, parameters first.
    pub locals: Vec<Local>,
    /// How many of them are parameters, `this` included.
    pub params: usize,
    /// The statements.
    pub block: Vec<Stmt>,
}

impl Expr {
    /// An rvalue.
    pub fn value(kind: ExprKind, ty: Ty, span: Span) -> Expr {
        Expr { kind, ty: Qt::plain(ty), lvalue: false, span }
    }

    /// An lvalue.
    pub fn object(kind: ExprKind, ty: Qt, span: Span) -> Expr {
        Expr { kind, ty, lvalue: true, span }
    }

    /// A boxed copy of the kind of expression that stands for the old value in an update.
    pub fn old(ty: Qt, span: Span) -> Expr {
        Expr::value(ExprKind::Old, ty.ty, span)
    }

    /// What something that was reported already is replaced with.
    pub fn error(span: Span) -> Expr {
        Expr::value(ExprKind::Zero, Ty::ERROR, span)
    }

    /// Whether an error was reported for it.
    pub fn is_error(&self) -> bool {
        self.ty.ty == Ty::ERROR
    }
}
