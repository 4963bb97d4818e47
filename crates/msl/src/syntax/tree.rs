//! The syntax tree: what the source says, before any name is resolved.
//!
//! A tree is immutable once parsed and may be shared between compilations (the prelude's is), so
//! it holds no types and no declarations of a particular compilation. Function bodies, member
//! functions' bodies included, are [`LazyBody`]s: a range of tokens that is parsed on first use.

use std::sync::{Arc, OnceLock};

use crate::diagnostic::{Diagnostic, Range};
use crate::syntax::index::FrameId;
use crate::syntax::symbol::Symbol;

/// A possibly qualified name, such as `metal::vec<T, 4>::x`.
#[derive(Debug, Clone)]
pub struct Path {
    /// The path begins with `::`.
    pub global: bool,
    /// At least one segment.
    pub segments: Vec<Segment>,
    /// The whole path.
    pub span: Range,
}

impl Path {
    /// The name of a path of a single plain identifier without template arguments.
    pub fn as_ident(&self) -> Option<Symbol> {
        match &self.segments[..] {
            [Segment { name: SegmentName::Ident(name), args: None, .. }] if !self.global => {
                Some(*name)
            }
            _ => None,
        }
    }

    /// The last segment.
    pub fn last(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }
}

/// One part of a path.
#[derive(Debug, Clone)]
pub struct Segment {
    /// What is named.
    pub name: SegmentName,
    /// Explicit template arguments.
    pub args: Option<Vec<TemplateArg>>,
    /// The segment alone.
    pub span: Range,
}

/// What a path segment names.
#[derive(Debug, Clone)]
pub enum SegmentName {
    /// An identifier.
    Ident(Symbol),
    /// `operator+` and the like.
    Operator(Operator),
    /// `operator T`.
    Conversion(Box<TypeName>),
    /// `~T`.
    Destructor,
    /// `decltype(e)`, only as the first segment.
    Decltype(Box<Expr>),
}

/// An operator that can be overloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// A prefix operator or, for `++`/`--` with a dummy parameter, a postfix one.
    Unary(UnaryOp),
    /// A binary operator; `+ - * &` also stand for their unary forms.
    Binary(BinaryOp),
    /// `=` or a compound assignment.
    Assign(Option<BinaryOp>),
    /// `()`.
    Call,
    /// `[]`.
    Index,
    /// `->`.
    Arrow,
    /// `,`.
    Comma,
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum UnaryOp {
    Plus,
    Neg,
    Not,
    BitNot,
    Deref,
    AddressOf,
    PreInc,
    PreDec,
    PostInc,
    PostDec,
}

/// Binary operators, without assignment and comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Shl,
    Shr,
    And,
    Or,
    Xor,
    LogAnd,
    LogOr,
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
}

impl BinaryOp {
    /// How the operator is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::Shl => "<<",
            Self::Shr => ">>",
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::LogAnd => "&&",
            Self::LogOr => "||",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Gt => ">",
            Self::Le => "<=",
            Self::Ge => ">=",
        }
    }

    /// Whether the result is a truth value.
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Gt | Self::Le | Self::Ge)
    }
}

impl UnaryOp {
    /// How the operator is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Neg => "-",
            Self::Not => "!",
            Self::BitNot => "~",
            Self::Deref => "*",
            Self::AddressOf => "&",
            Self::PreInc | Self::PostInc => "++",
            Self::PreDec | Self::PostDec => "--",
        }
    }
}

/// An explicit template argument.
#[derive(Debug, Clone)]
pub enum TemplateArg {
    /// A type, or the name of a template.
    Type(TypeName),
    /// A value.
    Value(Expr),
    /// `arg...`
    Expansion(Box<TemplateArg>, Idents),
}

/// The identifiers that occur in a stretch of source: enough to find the packs that an expansion
/// expands and the variables that a lambda captures.
pub type Idents = Box<[Symbol]>;

/// Address spaces that can be written in source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Space {
    /// Private to a thread; what everything without another space is in.
    #[default]
    Thread,
    /// Device memory.
    Device,
    /// Read-only memory.
    Constant,
    /// Memory shared by a threadgroup.
    Threadgroup,
}

impl Space {
    /// The keyword.
    pub fn text(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Device => "device",
            Self::Constant => "constant",
            Self::Threadgroup => "threadgroup",
        }
    }
}

/// Type qualifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quals {
    /// `const`
    pub is_const: bool,
    /// `volatile`, or `coherent`, which has the same effect on single accesses.
    pub is_volatile: bool,
    /// An address space, where one is written.
    pub space: Option<Space>,
}

/// The specifiers at the head of a declaration.
#[derive(Debug, Clone)]
pub struct DeclSpec {
    /// The type named.
    pub ty: TypeSpec,
    /// Its qualifiers.
    pub quals: Quals,
    /// Everything that is not the type.
    pub flags: SpecFlags,
    /// `[[...]]` before or among the specifiers.
    pub attrs: Vec<Attribute>,
    /// The specifiers.
    pub span: Range,
}

/// Specifiers other than types.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "each is the keyword of its name")]
pub struct SpecFlags {
    pub is_static: bool,
    pub is_constexpr: bool,
    pub is_inline: bool,
    pub is_typedef: bool,
    pub is_extern: bool,
    pub is_friend: bool,
    pub is_explicit: bool,
    pub is_virtual: bool,
    pub is_kernel: bool,
}

/// A type as named in source.
#[derive(Debug, Clone)]
pub enum TypeSpec {
    /// Fundamental type keywords.
    Builtin(Builtin),
    /// A name.
    Path(Path),
    /// `auto`
    Auto,
    /// `decltype(e)`; `None` is `decltype(auto)`.
    Decltype(Option<Box<Expr>>),
    /// A class defined here.
    Class(Arc<ClassDecl>),
    /// An enumeration defined here.
    Enum(Arc<EnumDecl>),
    /// No type: constructors, destructors and conversion functions.
    None,
    /// Something that could not be parsed; a diagnostic exists.
    Error,
}

/// Types that are keywords in C++.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Builtin {
    Void,
    Bool,
    Char,
    UChar,
    Short,
    UShort,
    Int,
    UInt,
    Long,
    ULong,
    Half,
    Bfloat,
    Float,
    Double,
}

/// A type-id: specifiers and an abstract declarator.
#[derive(Debug, Clone)]
pub struct TypeName {
    /// The specifiers.
    pub spec: DeclSpec,
    /// What is applied to them, innermost first.
    pub chunks: Vec<Chunk>,
    /// `...` after the type: only in template arguments and lists.
    pub span: Range,
}

/// One step of a declarator, in the order in which it is applied to the type.
#[derive(Debug, Clone)]
pub enum Chunk {
    /// `*`
    Pointer(Quals),
    /// `&` or, if set, `&&`
    Reference {
        /// An rvalue (or forwarding) reference.
        rvalue: bool,
        /// An address space written after the `&`.
        quals: Quals,
    },
    /// `[n]`
    Array(Option<Box<Expr>>),
    /// `(params)`
    Function(Box<Signature>),
}

/// Parameters and what follows them.
#[derive(Debug, Clone, Default)]
pub struct Signature {
    /// The parameters.
    pub params: Vec<Param>,
    /// `const`, `device` and so on after the parameters.
    pub quals: Quals,
    /// `mutable`, of a lambda.
    pub mutable: bool,
    /// `-> T`
    pub trailing: Option<Box<TypeName>>,
    /// `...` at the end, in the C sense.
    pub variadic: bool,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its specifiers.
    pub spec: DeclSpec,
    /// Its declarator.
    pub declarator: Declarator,
    /// Its default argument.
    pub default: Option<Expr>,
    /// `[[...]]`
    pub attrs: Vec<Attribute>,
    /// The whole parameter.
    pub span: Range,
}

/// A declarator: a name and what is applied around it.
#[derive(Debug, Clone)]
pub struct Declarator {
    /// What is declared; absent in abstract declarators.
    pub name: Option<Path>,
    /// In order of application.
    pub chunks: Vec<Chunk>,
    /// The declared name is a pack; holds the identifiers of the pattern.
    pub pack: Option<Idents>,
    /// The name, or the place where it would be.
    pub span: Range,
}

impl Declarator {
    /// The declared plain identifier.
    pub fn ident(&self) -> Option<Symbol> {
        self.name.as_ref().and_then(Path::as_ident)
    }
}

/// `[[name(args)]]`, or `[[scope::name(args)]]`
#[derive(Debug, Clone)]
pub struct Attribute {
    /// The name, without its scope.
    pub name: Symbol,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// The attribute.
    pub span: Range,
}

/// `template <...>`
#[derive(Debug)]
pub struct TemplateHead {
    /// Empty for an explicit specialisation.
    pub params: Vec<TemplateParam>,
    /// The head.
    pub span: Range,
}

/// A template parameter.
#[derive(Debug)]
pub struct TemplateParam {
    /// Absent where unused.
    pub name: Option<Symbol>,
    /// What it stands for.
    pub kind: TemplateParamKind,
    /// `...`
    pub pack: bool,
    /// The parameter.
    pub span: Range,
}

/// Kinds of template parameter.
#[derive(Debug)]
pub enum TemplateParamKind {
    /// `typename T = default`
    Type(Option<TypeName>),
    /// `int N = default`
    Value {
        /// The type, as specifiers and declarator.
        ty: TypeName,
        /// The default.
        default: Option<Expr>,
    },
    /// `template <...> class T = default`
    Template(Option<TypeName>),
}

/// A declaration outside functions, or a class member.
#[derive(Debug, Clone)]
pub struct Item {
    /// What is declared.
    pub kind: ItemKind,
    /// The whole declaration.
    pub span: Range,
}

/// Kinds of declaration.
#[derive(Debug, Clone)]
pub enum ItemKind {
    /// A function, member function or template of one.
    Function(Arc<FunctionDecl>),
    /// Variables.
    Var(Arc<VarDecl>),
    /// A class or class template, defined or only declared.
    Class(Arc<ClassDecl>),
    /// An enumeration.
    Enum(Arc<EnumDecl>),
    /// `using X = T;`, `typedef T X;`, and templates of the former.
    Alias(Arc<AliasDecl>),
    /// `using A::b;`
    Using(Arc<Path>),
    /// `static_assert(c, "m")`
    StaticAssert(Arc<StaticAssert>),
    /// `template ... f<...>(...)`, or of a class.
    Instantiation(Arc<Instantiation>),
}

/// A function.
#[derive(Debug)]
pub struct FunctionDecl {
    /// Template heads, outermost first.
    pub heads: Vec<Arc<TemplateHead>>,
    /// Specifiers, with the return type.
    pub spec: DeclSpec,
    /// The name; qualified for out-of-class definitions.
    pub name: Path,
    /// What is applied to the return type before the function itself (such as `*`).
    pub ret_chunks: Vec<Chunk>,
    /// Parameters.
    pub sig: Signature,
    /// The body.
    pub body: FunctionBody,
    /// What sort of function.
    pub kind: FunctionKind,
    /// Attributes of the declaration.
    pub attrs: Vec<Attribute>,
    /// The frame in which the declaration stands.
    pub frame: FrameId,
    /// The declarator's name.
    pub span: Range,
}

/// Sorts of function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FunctionKind {
    Plain,
    Constructor,
    Destructor,
    Conversion,
}

/// What stands where a body may.
#[derive(Debug)]
pub enum FunctionBody {
    /// Only declared.
    None,
    /// A body.
    Lazy(LazyBody),
    /// `= default`
    Default,
    /// `= delete`
    Delete,
}

/// A body that is parsed at most once, on first use.
#[derive(Debug)]
pub struct LazyBody {
    /// First token: `{`, `:` of an initialiser list, or `try`-less body.
    pub start: u32,
    /// One past the last token.
    pub end: u32,
    /// Which buffer of tokens the numbers index.
    pub unit: u32,
    /// What a pragma outside functions says about contraction.
    pub contract: Option<bool>,
    /// The frame against which names are classified: the function's parameters.
    pub frame: FrameId,
    /// The result.
    pub cell: OnceLock<Body>,
}

/// A parsed function body.
#[derive(Debug)]
pub struct Body {
    /// Constructor initialisers.
    pub inits: Vec<MemberInit>,
    /// The statements.
    pub block: Vec<Stmt>,
    /// What parsing reported; handed out once per compilation that uses the body.
    pub diagnostics: Vec<Diagnostic>,
}

/// `member(args)` or `Base{args}` in a constructor.
#[derive(Debug)]
pub struct MemberInit {
    /// The member or base.
    pub name: Path,
    /// The arguments.
    pub args: Vec<Expr>,
    /// Written with braces.
    pub braces: bool,
    /// The initialiser.
    pub span: Range,
}

/// Variables declared together.
#[derive(Debug)]
pub struct VarDecl {
    /// Template heads of variable templates.
    pub heads: Vec<Arc<TemplateHead>>,
    /// The shared specifiers.
    pub spec: DeclSpec,
    /// Each variable.
    pub vars: Vec<VarInit>,
    /// The frame in which the declaration stands.
    pub frame: FrameId,
}

/// One variable with its initialiser.
#[derive(Debug)]
pub struct VarInit {
    /// The declarator.
    pub declarator: Declarator,
    /// The initialiser.
    pub init: Init,
    /// `[[function_constant(n)]]` and the like.
    pub attrs: Vec<Attribute>,
}

/// Forms of initialiser.
#[derive(Debug, Clone)]
pub enum Init {
    /// None.
    None,
    /// `= e`
    Copy(Expr),
    /// `(a, b)`
    Paren(Vec<Expr>, Range),
    /// `{a, b}`
    Brace(Vec<Expr>, Range),
}

/// A class, struct or union.
#[derive(Debug)]
pub struct ClassDecl {
    /// Template heads.
    pub heads: Vec<Arc<TemplateHead>>,
    /// The name with its specialisation arguments; absent for anonymous ones.
    pub name: Option<Path>,
    /// `union`
    pub is_union: bool,
    /// Base classes.
    pub bases: Vec<Base>,
    /// The members, or nothing if only declared.
    pub members: Option<Vec<Item>>,
    /// `alignas(n)`
    pub attrs: Vec<Attribute>,
    /// The frame of its members.
    pub inner: FrameId,
    /// The frame in which it stands.
    pub frame: FrameId,
    /// The name.
    pub span: Range,
}

/// A base class.
#[derive(Debug)]
pub struct Base {
    /// The class.
    pub path: Path,
    /// `...` follows: the identifiers of the pattern.
    pub pack: Option<Idents>,
}

/// An enumeration.
#[derive(Debug)]
pub struct EnumDecl {
    /// The name.
    pub name: Option<Symbol>,
    /// `enum class`
    pub scoped: bool,
    /// The underlying type.
    pub underlying: Option<TypeName>,
    /// The enumerators, or nothing if only declared.
    pub values: Option<Vec<Enumerator>>,
    /// The frame in which it stands.
    pub frame: FrameId,
    /// The name.
    pub span: Range,
}

/// An enumerator.
#[derive(Debug)]
pub struct Enumerator {
    /// Its name.
    pub name: Symbol,
    /// Its value.
    pub value: Option<Expr>,
    /// The name.
    pub span: Range,
}

/// An alias or alias template.
#[derive(Debug)]
pub struct AliasDecl {
    /// Template heads.
    pub heads: Vec<Arc<TemplateHead>>,
    /// The new name.
    pub name: Symbol,
    /// What it stands for.
    pub ty: TypeName,
    /// The frame in which it stands.
    pub frame: FrameId,
    /// The name.
    pub span: Range,
}

/// `static_assert`
#[derive(Debug)]
pub struct StaticAssert {
    /// The condition.
    pub cond: Expr,
    /// The message.
    pub message: Option<String>,
    /// The declaration.
    pub span: Range,
}

/// An explicit instantiation.
#[derive(Debug)]
pub struct Instantiation {
    /// The kernel or function.
    pub name: Path,
    /// Its parameters, where it is a function.
    pub sig: Option<Signature>,
    /// `[[host_name("...")]]` and others.
    pub attrs: Vec<Attribute>,
    /// The frame in which it stands.
    pub frame: FrameId,
    /// The declaration.
    pub span: Range,
}

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
