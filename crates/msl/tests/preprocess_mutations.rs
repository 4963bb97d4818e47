//! Mutated and random texts through the preprocessor: it must return, with tokens that end in
//! [`TokenKind::End`], spans that lead to places, and diagnostics that can be rendered.

#[path = "../../../tests/random.rs"]
mod random;

use anymetal_msl::Session;
use anymetal_msl::diagnostic::{Origin, Report, render};
use anymetal_msl::prelude::{MLX, STDLIB};
use anymetal_msl::syntax::{Options, TokenKind, preprocess};
use fastrand::Rng;

use crate::random::cases;

/// Pieces that random texts are made of.
const PIECES: &[&str] = &[
    "#define ",
    "#define F(x, ...) ",
    "#undef ",
    "#if ",
    "#ifdef ",
    "#ifndef ",
    "#elif ",
    "#else",
    "#endif",
    "#include \"h\"",
    "#include <h>",
    "#error ",
    "#pragma once",
    "#pragma unroll ",
    "\n",
    "\n",
    "\n",
    "\n",
    "\\\n",
    "\r\n",
    " ",
    " ",
    "A",
    "B",
    "F",
    "G",
    "x",
    "F(",
    "G(",
    ")",
    "(",
    ",",
    "#",
    "##",
    "__VA_ARGS__",
    "__VA_OPT__(",
    "__LINE__",
    "__FILE__",
    "__COUNTER__",
    "_Pragma(",
    "\"unroll\"",
    "defined",
    "__has_include(",
    "1",
    "0",
    "'",
    "\"",
    "/*",
    "*/",
    "//",
    "\\",
    "é",
    "€",
    "1e+",
    "0x",
    "?",
    ":",
    "&&",
    "-",
    "/",
    "%",
    "\u{feff}",
    "\0",
    "<",
    ">",
    "...",
    ".",
];

fn check(text: &str, header: &str) {
    let mut options = Options::default();
    options.headers.insert("h".to_owned(), header.into());
    options.limits.tokens = 20_000;
    options.limits.include_depth = 8;
    let mut session = Session::new();
    let file = session.add_file("source", Origin::Source, text);
    let tokens = preprocess(&mut session, &[file], &options);
    let (last, others) = tokens.split_last().expect("tokens end with the end");
    assert_eq!(last.kind, TokenKind::End);
    for token in others {
        assert_ne!(token.kind, TokenKind::End);
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
}

#[test]
fn random_texts() {
    cases(3000, |rng| {
        let mut texts = [String::new(), String::new()];
        for text in &mut texts {
            for _ in 0..rng.usize(..120) {
                text.push_str(rng.choice(PIECES).unwrap());
            }
        }
        check(&texts[0], &texts[1]);
    });
}

#[test]
fn mutated_library() {
    let sources: Vec<&str> = STDLIB.iter().chain(MLX).map(|(_, text)| *text).collect();
    cases(400, |rng| {
        let source = rng.choice(&sources).unwrap();
        let mut characters: Vec<char> = source.chars().skip(rng.usize(..8000)).take(3000).collect();
        for _ in 0..rng.usize(1..=40) {
            let place = |rng: &mut Rng| rng.usize(..=characters.len());
            let (at, from) = (place(rng), place(rng));
            match rng.usize(..4) {
                0 => characters.truncate(at.max(100)),
                1 => drop(characters.drain(at..(at + rng.usize(..20)).min(characters.len()))),
                2 => {
                    let piece = rng.choice(PIECES).unwrap();
                    characters.splice(at..at, piece.chars());
                }
                _ => {
                    let to = (from + rng.usize(..200)).min(characters.len());
                    let copy: Vec<char> = characters[from..to].to_vec();
                    characters.splice(at..at, copy);
                }
            }
        }
        let text: String = characters.into_iter().collect();
        check(&text, "#include \"h\"\n#define A F(A)\n");
    });
}
