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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_with_a_page() {
        let mut ids: Vec<u16> = all().map(|code| code.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "two codes share a number");
        for code in all() {
            assert!(code.page.ends_with('.') && code.page.contains(' '), "{code} has no page");
            assert!(code.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code:?}");
            assert_eq!(find(code.name), Some(code));
            assert_eq!(find(&code.to_string()), Some(code));
        }
        assert_eq!(find("M9999"), None);
    }
}
