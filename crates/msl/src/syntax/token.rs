//! Tokens as the parser sees them: after preprocessing, with literals evaluated.

use super::{Keyword, Punct, Symbol};
use crate::diagnostic::Span;

/// A token and its place. 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenKind {
    /// A name that is no keyword.
    Ident(Symbol),
    /// A keyword.
    Keyword(Keyword),
    /// An operator or other punctuation. `>>` is one token: the parser splits it where it closes
    /// two template argument lists.
    Punct(Punct),
    /// An integer literal.
    Int {
        /// Its value, modulo 2^64.
        value: u64,
        /// The type suffix.
        suffix: IntSuffix,
        /// Whether it is written in decimal; others may take an unsigned type without a suffix.
        decimal: bool,
    },
    /// A floating-point literal.
    Float {
        /// Its value, rounded once to the type that `suffix` says.
        value: f64,
        /// The type suffix.
        suffix: FloatSuffix,
    },
    /// A character literal.
    Char(u32),
    /// A string literal, escapes resolved and neighbours joined.
    Str(Symbol),
    /// A `#pragma` or `_Pragma` that means something to the parser.
    Pragma(Pragma),
    /// The end of the translation unit; always the last token, and only there.
    End,
}

/// Suffix of an integer literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntSuffix {
    /// None.
    None,
    /// `u`
    U,
    /// `l`
    L,
    /// `ul`
    Ul,
    /// `ll`
    Ll,
    /// `ull`
    Ull,
}

/// Suffix of a floating-point literal, hence its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatSuffix {
    /// None: `double` in C++, `float` in a language without double.
    None,
    /// `f`: float.
    F,
    /// `h`: half.
    H,
    /// `bf`: bfloat.
    Bf,
}

/// A pragma that the parser acts upon. Others are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pragma {
    /// `unroll`, `nounroll`, `clang loop unroll(...)`, `clang loop unroll_count(N)`: for the loop
    /// that follows.
    Unroll(Unroll),
    /// `clang fp contract(...)` and `STDC FP_CONTRACT ...`: whether multiply and add may become
    /// one fma in the rest of the enclosing block.
    FpContract(bool),
    /// `METAL fp math_mode(...)`, or `clang fp reassociate(...)` and the like, for the rest of the
    /// enclosing block.
    MathMode(MathMode),
    /// `METAL internals : enable` or `: disable`: whether names that begin with `__metal_` may be
    /// used.
    Internals(bool),
}

/// What an unroll hint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unroll {
    /// Unroll, the compiler chooses how far.
    Enable,
    /// Keep the loop.
    Disable,
    /// Unroll completely.
    Full,
    /// Unroll that many times.
    Count(u32),
}

/// A floating-point mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MathMode {
    /// IEEE behaviour.
    Safe,
    /// Reassociation is allowed, infinities and NaN are honoured.
    Relaxed,
    /// No infinities and NaN are assumed.
    Fast,
}
