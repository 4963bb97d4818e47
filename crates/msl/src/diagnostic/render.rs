//! Diagnostics as text for people. The only file that knows `annotate-snippets`.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet, renderer::DecorStyle,
};

use super::{FileId, Report, ReportPlace, Severity, SourceMap};

/// How to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Colours, as ANSI escapes.
    pub color: bool,
}

/// The report as rustc would show it, without a line end at its end.
pub fn render(report: &Report, map: &SourceMap, style: Style) -> String {
    let level = match report.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(report.message.as_str()).id(report.code.as_str());
    let mut main = Group::with_title(title).elements(snippets(&report.places, map));
    let mut groups = Vec::new();
    for note in &report.notes {
        match &note.place {
            Some(place) => {
                let title = Level::NOTE.secondary_title(note.message.as_str());
                let place = std::slice::from_ref(place);
                groups.push(Group::with_title(title).elements(snippets(place, map)));
            }
            None => main = main.element(Level::NOTE.message(note.message.as_str())),
        }
    }
    for help in &report.help {
        main = main.element(Level::HELP.message(help.as_str()));
    }
    groups.insert(0, main);
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&groups)
}

/// One snippet per file, the first place's file first.
fn snippets<'a>(places: &'a [ReportPlace], map: &'a SourceMap) -> Vec<Element<'a>> {
    let mut files: Vec<FileId> = Vec::new();
    for place in places {
        if !files.contains(&place.stretch.file) {
            files.push(place.stretch.file);
        }
    }
    files.into_iter().map(|file| snippet(file, places, map).into()).collect()
}

fn snippet<'a>(
    id: FileId,
    places: &'a [ReportPlace],
    map: &'a SourceMap,
) -> Snippet<'a, Annotation<'a>> {
    let file = map.file(id);
    let here = || places.iter().filter(|place| place.stretch.file == id);
    // Only the lines between the first and the last place are handed over: texts can be long.
    let first = here().map(|place| place.stretch.start).min().unwrap_or(0);
    let last = here().map(|place| place.stretch.end).max().unwrap_or(0) as usize;
    let (line, column) = file.line_column(first);
    let start = (first - column) as usize;
    let end = file.text[last..].find('\n').map_or(file.text.len(), |length| last + length);
    let annotations = here().map(|place| {
        let is_primary = std::ptr::eq(place, &places[0]);
        let kind = if is_primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let span = place.stretch.start as usize - start..place.stretch.end as usize - start;
        let annotation = kind.span(span);
        if place.text.is_empty() { annotation } else { annotation.label(place.text.as_str()) }
    });
    Snippet::source(&file.text[start..end])
        .line_start(line as usize + 1)
        .path(&*file.name)
        .annotations(annotations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Session;
    use crate::diagnostic::{Diagnostic, Origin, codes};
    use crate::syntax::{Options, preprocess};

    /// What is rendered for `texts`, after an error was put at each identifier `bad`.
    fn rendered(texts: &[(&str, Origin, &str)]) -> String {
        let mut session = Session::new();
        let files: Vec<_> = texts
            .iter()
            .map(|(name, origin, text)| session.add_file(name, *origin, *text))
            .collect();
        let tokens = preprocess(&mut session, &files, &Options::default());
        let bad = session.intern("bad");
        for token in tokens {
            if token.kind == crate::syntax::TokenKind::Ident(bad) {
                let code = codes::syntax::STRAY_CHARACTER;
                session.report(
                    Diagnostic::error(code, token.span, "this is bad")
                        .at_label("here")
                        .note("it always was")
                        .help("make it good"),
                );
            }
        }
        let reports = session.diagnostics().iter();
        let texts = reports.map(|diagnostic| {
            let report = Report::new(diagnostic, &session.map, &session.names);
            render(&report, &session.map, Style::default())
        });
        texts.collect::<Vec<_>>().join("\n\n")
    }

    #[track_caller]
    fn check(texts: &[(&str, Origin, &str)], expected: &str) {
        let rendered = rendered(texts);
        assert_eq!(rendered.trim(), expected.trim(), "\n{rendered}\n");
    }

    #[test]
    fn the_users_own_lines_are_shown() {
        check(
            &[
                ("header", Origin::Header, "int f() {\n  /* ü */ bad\n}"),
                ("<generated>", Origin::Generated, "kernel void k() {"),
                ("source", Origin::Source, "\tint ü = 3; \u{201c}x\u{201d}"),
            ],
            "\
error[M0103]: unexpected character `“` (U+201C)
 --> source:1:13
  |
1 |     int ü = 3; “x”
  |                ^

error[M0103]: unexpected character `”` (U+201D)
 --> source:1:15
  |
1 |     int ü = 3; “x”
  |                  ^

error[M0103]: this is bad
 --> header:2:11
  |
2 |   /* ü */ bad
  |           ^^^ here
  |
  = note: it always was
  = help: make it good
",
        );
    }

    #[test]
    fn macros_are_noted() {
        check(
            &[(
                "source",
                Origin::Source,
                "#define INNER(x) (x + bad)\n#define OUTER(y) INNER(y) * 2\n\nint a = OUTER(3);\n",
            )],
            "\
error[M0103]: this is bad
 --> source:4:9
  |
4 | int a = OUTER(3);
  |         ^^^^^^^^ here
  |
  = note: it always was
  = help: make it good
note: the text is in macro `INNER`
 --> source:1:23
  |
1 | #define INNER(x) (x + bad)
  |                       ^^^
note: which is used in macro `OUTER`
 --> source:2:18
  |
2 | #define OUTER(y) INNER(y) * 2
  |                  ^^^^^
",
        );
    }

    #[test]
    fn arguments_are_shown_where_they_are_written() {
        check(
            &[("source", Origin::Source, "#define F(x) (x) + 1\nint a = F(1 + bad);\n")],
            "\
error[M0103]: this is bad
 --> source:2:15
  |
2 | int a = F(1 + bad);
  |               ^^^ here
  |
  = note: it always was
  = help: make it good
",
        );
    }
}
