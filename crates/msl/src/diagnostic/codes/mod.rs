//! The table of diagnostic codes, one file per stage.
//!
//! Numbers: 01xx text and preprocessor, 02xx syntax, 03xx names and types, 04xx templates, 05xx
//! kernels and their arguments, 06xx limits, 07xx not supported.

use super::Code;

pub mod parse;
pub mod sema;
pub mod syntax;

/// Declares the codes of one stage, and their list, from `NUMBER NAME "name" "page";` rows.
macro_rules! codes {
    ($($(#[$doc:meta])* $id:literal $constant:ident $name:literal $page:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: $crate::diagnostic::Code =
                $crate::diagnostic::Code { id: $id, name: $name, page: $page };
        )*
        /// Every code of this stage.
        pub const ALL: &[$crate::diagnostic::Code] = &[$($constant),*];
    };
}
pub(crate) use codes;

/// Every code of every stage, in order of number.
pub fn all() -> impl Iterator<Item = Code> {
    [syntax::ALL, parse::ALL, sema::ALL].into_iter().flatten().copied()
}

/// The code written `M0101`, `0101` or by its name.
pub fn find(text: &str) -> Option<Code> {
    let digits = text.strip_prefix(['M', 'm']).unwrap_or(text);
    all().find(|code| code.name == text || digits.parse() == Ok(code.id))
}
