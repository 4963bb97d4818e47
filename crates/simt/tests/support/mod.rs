//! What tests that start from MSL text share: compile, launch, and random numbers.

#[path = "../../../../tests/random.rs"]
pub(crate) mod random;

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{Options, Piece, Source, compile};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::Data;

/// Compiles `text`, runs its kernel on `threads` threads with the inputs in its first buffers and
/// the output, of `out_bytes` bytes, in the next one, and returns the output.
#[track_caller]
pub(crate) fn run(text: &str, inputs: &[Vec<u8>], out_bytes: usize, threads: u32) -> Vec<u8> {
    let piece = Piece { name: "source".into(), origin: Origin::Source, text: text.into() };
    let compilation = compile(&Source { pieces: vec![piece] }, &Options::default());
    let Some(module) = &compilation.module else {
        panic!("{}\n{text}", compilation.report());
    };
    let program = Program::new(module, &module.kernels[0].name).expect("the kernel is there");
    let mut out = vec![0u8; out_bytes];
    let mut data: Vec<Data<'_>> = inputs.iter().map(|input| Data::Read(input)).collect();
    data.push(Data::Write(&mut out));
    let launch = Launch::new(&program, data, [threads, 1, 1], [threads.min(64), 1, 1]);
    let report = launch.run().unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(report.findings.is_empty(), "{:?}\n{text}", report.findings);
    out
}
