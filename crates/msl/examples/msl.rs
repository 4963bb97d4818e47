//! Compiles a `.metal` file and prints its IR or what is wrong with it.

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{Options, Piece, Source, compile, ir};

fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let piece = Piece { name: path, origin: Origin::Source, text: text.into() };
        let compilation = compile(&Source { pieces: vec![piece] }, &Options::default());
        println!("{}", compilation.report());
        if let Some(module) = &compilation.module {
            println!("{}", ir::print(module));
        }
    }
}
