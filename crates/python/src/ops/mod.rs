//! The functions of the module, one file per family, each row a signature, documentation and a
//! body that calls the library.

mod binary;
mod unary;

use crate::function::Row;

/// Every function of `anymetal.core` itself.
pub(crate) const FUNCTIONS: &[&[Row]] = &[unary::FUNCTIONS, binary::FUNCTIONS];
