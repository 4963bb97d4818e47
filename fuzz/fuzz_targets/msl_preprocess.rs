//! The preprocessor on any text: it returns tokens with places, and diagnostics that can be shown.
#![no_main]

use anymetal_msl::Session;
use anymetal_msl::diagnostic::{Origin, Report, render};
use anymetal_msl::syntax::{Options, TokenKind, preprocess};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut session = Session::new();
    let file = session.add_file("source", Origin::Source, &*text);
    let mut options = Options::default();
    options.headers.insert("h".into(), "#define H(x) x##x #x\n#include \"h\"\n".into());
    options.limits.tokens = 50_000;
    let tokens = preprocess(&mut session, &[file], &options);
    for token in &tokens {
        let _ = session.map.place(token.span);
        let _ = session.map.backtrace(token.span);
        if let TokenKind::Ident(name) | TokenKind::Str(name) = token.kind {
            let _ = session.text(name);
        }
    }
    for diagnostic in session.diagnostics().iter().take(20) {
        let report = Report::new(diagnostic, &session.map, &session.names);
        let _ = render::render(&report, &session.map, render::Style::default());
    }
});
