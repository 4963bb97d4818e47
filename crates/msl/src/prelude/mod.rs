//! The texts that come before every program: the library's own, and MLX's.
//!
//! They are read once per math mode and language version, frozen, and shared. `math.metal` holds
//! the maths functions' bodies; it is also compiled as C++ where their errors are measured, so it
//! uses only what both languages have.

/// The Metal standard library: names and texts, in order.
pub const STDLIB: &[(&str, &str)] = &[
    ("metal_type_traits", include_str!("traits.metal")),
    ("metal_math", include_str!("math.metal")),
    ("metal_stdlib", include_str!("stdlib.metal")),
];

/// What MLX adds for custom kernels, after [`STDLIB`].
pub const MLX: &[(&str, &str)] = &[("mlx", include_str!("mlx.metal"))];

#[cfg(test)]
mod tests {
    use super::{MLX, STDLIB};
    use crate::Session;
    use crate::builtin::{self, Lowering};
    use crate::diagnostic::{Origin, Report, render};
    use crate::syntax::parser::parse_unit;
    use crate::syntax::{Options, preprocess};

    #[test]
    fn texts_are_read_without_a_word() {
        let mut session = Session::new();
        let files: Vec<_> = STDLIB
            .iter()
            .chain(MLX)
            .map(|(name, text)| session.add_file(name, Origin::Prelude, *text))
            .collect();
        let tokens = preprocess(&mut session, &files, &Options::default());
        assert!(session.diagnostics().is_empty(), "{:?}", session.diagnostics());
        assert!(tokens.len() > 5000);
    }

    #[test]
    fn texts_are_parsed_without_a_word() {
        let mut session = Session::new();
        let files: Vec<_> = STDLIB
            .iter()
            .chain(MLX)
            .map(|(name, text)| session.add_file(name, Origin::Prelude, *text))
            .collect();
        let tokens = preprocess(&mut session, &files, &Options::default());
        let mut index = crate::compile::library_index(&mut session);
        let diagnostics = parse_unit(&tokens, 0, &mut index, &session.names);
        let shown = diagnostics.iter().map(|diagnostic| {
            let report = Report::new(diagnostic, &session.map, &session.names);
            render::render(&report, &session.map, render::Style::default())
        });
        assert!(diagnostics.is_empty(), "{}", shown.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn every_body_that_the_table_names_is_there() {
        for row in builtin::rows() {
            let (Lowering::Scalar(name) | Lowering::Whole(name)) = row.lowering else { continue };
            let plain = format!(" {name}(");
            let found = STDLIB.iter().any(|(_, text)| text.contains(&plain));
            let by_macro = STDLIB.iter().any(|(_, text)| text.contains(&format!("({name})")));
            assert!(found || by_macro, "no body for {name}");
        }
    }
}
