//! The intermediate representation: one IR in two forms, with one printer, one parser and one
//! verifier.
//!
//! # Shape
//! A [`Module`] holds interned [`Types`], globals, functions and kernels. A [`Function`] is a
//! tree of regions over flat arenas: an instruction ([`Op`]) may contain blocks ([`Op::Block`],
//! [`Op::If`], [`Op::Loop`], [`Op::Switch`]), and [`Op::Exit`] leaves any enclosing region by
//! name, with values if the region has results. A block that ends without a terminator exits
//! its own region (a case falls through to the next one instead). So break, continue, return
//! and returns of inlined calls are one instruction. A value is visible after its definition in
//! its block and everything nested there; a loop's header's values are also visible in its body
//! and continue part, the body's values are not visible in the continue part.
//!
//! *Canonical form* is what lowering emits: functions and calls kept, every source local an
//! [`Op::Var`] with loads and stores, no block parameters. *Optimised form* is what passes
//! make: block parameters, inlined calls. Both are the same data structure; the verifier
//! accepts either; [`verify_canonical`] insists on the first.
//!
//! # Values and memory
//! Values are scalars, vectors of 2 to 4, pointers, and simdgroup matrices. Structs, arrays
//! (matrices are arrays of columns) and packed vectors live in memory: they are declared by
//! `Var`, reached by [`Op::Element`] and [`Op::Field`], moved by [`Op::Copy`]. A function that
//! takes a struct by value gets a pointer to its own copy ([`Passing::ByValue`]); one that
//! returns a struct gets a pointer to write it to ([`Passing::Result`]).
//!
//! A pointer is the pair of an object and a signed 64-bit byte offset; forming an address out
//! of range is legal, an access there is not. In memory it takes 8 bytes: the object's 16-bit
//! index in the top bits, the low 48 bits of the offset below. Object 0 is null.
//!
//! # Meaning
//! Integers wrap; x/0 and x%0 are 0; MIN/-1 is MIN; shift counts are taken modulo the width;
//! float to integer saturates and NaN gives 0. half and bfloat round after every operation.
//! No operation contracts or reassociates; [`Op::Fma`] is explicit. Locals and threadgroup
//! memory read 0 before the first write. An access is all or nothing: out of range it reads 0
//! or is dropped, and is reported. The 32 lanes of a simdgroup execute each instruction
//! together; of a divergent `if` the then arm runs first; lanes that leave a region wait at its
//! end. Maths functions are not operations: they are functions of the module.
//!
//! Architecture invariant: verified IR never makes an executor panic.

mod builder;
mod function;
mod lex;
mod module;
mod op;
mod parse;
mod print;
mod types;
mod verify;

pub use builder::Builder;
pub use function::*;
pub use module::*;
pub use op::*;
pub use parse::{ParseError, parse};
pub use print::{constant_text, print, source_text, type_text};
pub use types::*;
pub use verify::{VerifyError, verify, verify_canonical};

/// Declares an enum whose variants have names in the text form.
macro_rules! named_enum {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$vdoc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All variants in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name in the text form.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The variant of a name.
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use named_enum;
