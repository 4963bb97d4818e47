//! Parser and analysis on texts made of the language's words: every text gives a module or an
//! error, and every diagnostic can be shown.
#![no_main]

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{Options, Piece, Source, compile};
use libfuzzer_sys::fuzz_target;

/// What texts are made of, one word a byte.
const WORDS: &str = include_str!("../kernels/words.txt");

fuzz_target!(|data: &[u8]| {
    let Some((&mode, data)) = data.split_first() else { return };
    let words: Vec<&str> = WORDS.lines().collect();
    let body: String = match mode % 4 {
        // Any text, then words.
        0 => String::from_utf8_lossy(data).into_owned(),
        _ => data.iter().flat_map(|&b| [words[usize::from(b) % words.len()], " "]).collect(),
    };
    let text = match mode % 3 {
        0 => body,
        1 => format!(
            "kernel void k(device float* out, uint i [[thread_position_in_grid]]) {{ {body} }}"
        ),
        _ => format!(
            "template <typename T, int N> struct S {{ T v; {body} }};\n\
             kernel void k(device float* out) {{ S<float, 3> s; out[0] = s.v; s.f(1); }}"
        ),
    };
    let piece = Piece { name: "source".into(), origin: Origin::Source, text: text.into() };
    let compilation = compile(&Source { pieces: vec![piece] }, &Options::default());
    assert!(compilation.module.is_some() != compilation.has_errors());
    let _ = compilation.report();
});
