//! The functions of the module, one file per family, each row a signature, documentation and a
//! body that calls the library.

mod binary;
mod cast;
mod create;
mod files;
mod index;
mod join;
mod linalg;
mod memory;
mod product;
mod random;
mod reduce;
mod select;
pub(crate) mod shape;
mod unary;

use crate::function::Row;

/// Every function of `anymetal.core` itself.
pub(crate) const FUNCTIONS: &[&[Row]] = &[
    unary::SIMPLE,
    unary::FUNCTIONS,
    binary::SIMPLE,
    binary::BITS,
    binary::FUNCTIONS,
    create::FUNCTIONS,
    cast::FUNCTIONS,
    select::FUNCTIONS,
    reduce::OVER_AXES,
    reduce::FUNCTIONS,
    product::FUNCTIONS,
    shape::FUNCTIONS,
    join::FUNCTIONS,
    index::FUNCTIONS,
    files::FUNCTIONS,
    memory::SHARED,
    memory::FUNCTIONS,
];

/// Functions with a second name: the other name, and the function's.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("acos", "arccos"),
    ("acosh", "arccosh"),
    ("asin", "arcsin"),
    ("asinh", "arcsinh"),
    ("atan", "arctan"),
    ("atan2", "arctan2"),
    ("atanh", "arctanh"),
    ("bitwise_left_shift", "left_shift"),
    ("bitwise_right_shift", "right_shift"),
    ("concat", "concatenate"),
    ("conj", "conjugate"),
    ("pow", "power"),
];

/// Functions of submodules: the submodule's name and its functions.
pub(crate) const SUBMODULES: &[(&str, &[&[Row]])] = &[
    ("random", &[random::FUNCTIONS]),
    ("linalg", &[linalg::FUNCTIONS]),
    ("metal", &[memory::SHARED, memory::METAL]),
    ("cuda", &[memory::CUDA]),
];

/// Functions that are methods of `array` too, with `self` for their first argument.
pub(crate) const METHODS: &[&str] = &[
    "abs",
    "all",
    "any",
    "argmax",
    "argmin",
    "conj",
    "cos",
    "diag",
    "diagonal",
    "exp",
    "flatten",
    "log",
    "log10",
    "log1p",
    "log2",
    "logsumexp",
    "max",
    "mean",
    "min",
    "moveaxis",
    "prod",
    "reciprocal",
    "round",
    "rsqrt",
    "sin",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "var",
];

/// Methods whose parameters differ from the functions'.
pub(crate) const OWN_METHODS: &[&[Row]] = &[shape::METHODS, cast::METHODS];
