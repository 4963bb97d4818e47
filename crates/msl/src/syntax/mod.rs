//! From text to tokens: lexing and preprocessing.
//!
//! Architecture invariant: nothing here fails. Every stage returns what it could make of the text,
//! and reports the rest to the [`Session`](crate::Session). Nothing here does I/O: headers are
//! texts that the caller registered.

pub mod index;
pub mod keyword;
pub(crate) mod lex;
mod literal;
pub mod parser;
pub mod preprocess;
pub mod punct;
pub mod symbol;
pub mod token;
pub mod tree;

pub use keyword::Keyword;
pub use preprocess::{Options, preprocess};
pub use punct::Punct;
pub use symbol::Symbol;
pub use token::{FloatSuffix, IntSuffix, Pragma, Token, TokenKind, Unroll};
