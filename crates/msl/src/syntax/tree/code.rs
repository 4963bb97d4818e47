//! Statements and expressions.

use std::sync::Arc;

use super::{
    BinaryOp, Builtin, DeclSpec, Declarator, FunctionDecl, Idents, Item, Path, TypeName, UnaryOp,
    VarDecl,
};
use crate::diagnostic::Range;
use crate::syntax::symbol::Symbol;

/// A statement.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// Which.
    pub kind: StmtKind,
    /// Where.
    pub span: Range,
}

/// Kinds of statement.
#[derive(Debug, Clone)]
pub enum StmtKind {
    /// `;`
    Empty,
    /// `e;`
    Expr(Box<Expr>),
    /// Variables.
    Var(Arc<VarDecl>),
    /// Local types, aliases, `using` declarations and assertions.
    Item(Item),
    /// `using namespace n;`
    UsingNamespace(Path),
    /// `{ ... }`
    Block(Vec<Stmt>),
    /// `if`
    If {
        /// `if constexpr`
        is_constexpr: bool,
        /// `init;`
        init: Option<Box<Stmt>>,
        /// The condition.
        cond: Cond,
        /// The first arm.
        then: Box<Stmt>,
        /// `else`
        otherwise: Option<Box<Stmt>>,
    },
    /// `while`
    While {
        /// The condition.
        cond: Cond,
        /// The body.
        body: Box<Stmt>,
    },
    /// `do ... while`
    DoWhile {
        /// The body.
        body: Box<Stmt>,
        /// The condition.
        cond: Box<Expr>,
    },
    /// `for (;;)`
    For {
        /// The first part.
        init: Option<Box<Stmt>>,
        /// The second.
        cond: Option<Cond>,
        /// The third.
        step: Option<Box<Expr>>,
        /// The body.
        body: Box<Stmt>,
    },
    /// `for (x : e)`
    RangeFor {
        /// The variable's specifiers.
        spec: Box<DeclSpec>,
        /// The variable.
        declarator: Box<Declarator>,
        /// What is walked over.
        range: Box<Expr>,
        /// The body.
        body: Box<Stmt>,
    },
    /// `switch`
    Switch {
        /// The value.
        cond: Cond,
        /// The body.
        body: Box<Stmt>,
    },
    /// `case e:`; the labelled statement follows as the next statement.
    Case(Box<Expr>),
    /// `default:`
    Default,
    /// `break;`
    Break,
    /// `continue;`
    Continue,
    /// `return e;`
    Return(Option<Box<Expr>>),
    /// `#pragma clang fp contract(...)` and its relatives, in force to the end of the block.
    Contract(bool),
}

/// A condition: an expression or a declaration.
#[derive(Debug, Clone)]
pub enum Cond {
    /// `e`
    Expr(Box<Expr>),
    /// `T x = e`
    Var(Arc<VarDecl>),
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Where.
    pub span: Range,
}

/// Named casts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CastKind {
    CStyle,
    Static,
    Reinterpret,
    Const,
}

/// Kinds of expression.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "fields follow the syntax in each variant's own comment")]
pub enum ExprKind {
    /// An integer literal with its type.
    Int(u64, Builtin),
    /// A floating literal with its type.
    Float(f64, Builtin),
    /// `true`, `false`
    Bool(bool),
    /// `'c'`
    Char(u32),
    /// `"..."`
    Str(Box<str>),
    /// `nullptr`
    Nullptr,
    /// A name.
    Path(Box<Path>),
    /// `this`
    This,
    /// `(e)`
    Paren(Box<Expr>),
    /// A prefix or postfix operator.
    Unary(UnaryOp, Box<Expr>),
    /// A binary operator.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a = b`, `a += b`
    Assign(Option<BinaryOp>, Box<Expr>, Box<Expr>),
    /// `c ? a : b`
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a, b`
    Comma(Box<Expr>, Box<Expr>),
    /// `f(args)`
    Call(Box<Expr>, Vec<Expr>),
    /// `a[i]`
    Index(Box<Expr>, Box<Expr>),
    /// `a.m`, `a->m`
    Member { base: Box<Expr>, arrow: bool, path: Box<Path> },
    /// `(T)e` and the named casts.
    Cast(CastKind, Box<TypeName>, Box<Expr>),
    /// `as_type<T>(e)`
    AsType(Box<TypeName>, Box<Expr>),
    /// `T(args)`
    Construct(Box<TypeName>, Vec<Expr>),
    /// `T{args}`
    BraceConstruct(Box<TypeName>, Vec<Expr>),
    /// `{a, b}` as an initialiser or argument.
    InitList(Vec<Expr>),
    /// `.name = e` in an initialiser list.
    Designated(Symbol, Box<Expr>),
    /// `sizeof(T)`
    SizeofType(Box<TypeName>),
    /// `sizeof e`
    SizeofExpr(Box<Expr>),
    /// `sizeof...(p)`
    SizeofPack(Symbol),
    /// `alignof(T)`
    Alignof(Box<TypeName>),
    /// `[...](...) { ... }`
    Lambda(Arc<Lambda>),
    /// `(... op p)`, `(p op ...)`, `(a op ... op b)`; the pack side is told by its contents.
    Fold { op: FoldOp, left: Option<Box<Expr>>, right: Option<Box<Expr>>, idents: Idents },
    /// `e...`
    Expansion(Box<Expr>, Idents),
    /// `noexcept(e)`: whether true.
    Noexcept(Box<Expr>),
    /// Something that could not be parsed; a diagnostic exists.
    Error,
}

/// Operators of fold expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FoldOp {
    Binary(BinaryOp),
    Assign(Option<BinaryOp>),
    Comma,
}

/// A lambda expression.
#[derive(Debug)]
pub struct Lambda {
    /// `&` or `=` first: by reference if true.
    pub default_by_ref: Option<bool>,
    /// Explicit captures.
    pub captures: Vec<Capture>,
    /// The call operator; a template where parameters are `auto`.
    pub call: Arc<FunctionDecl>,
    /// Every identifier in the body.
    pub idents: Idents,
}

/// An explicit capture.
#[derive(Debug)]
pub struct Capture {
    /// The name; `None` is `this`.
    pub name: Option<Symbol>,
    /// `&x`
    pub by_ref: bool,
    /// `x = e`
    pub init: Option<Expr>,
    /// Where.
    pub span: Range,
}
