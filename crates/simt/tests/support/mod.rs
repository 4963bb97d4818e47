//! What tests that start from MSL text share: compile, launch, and random numbers.

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{Options, Piece, Source, compile};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::Data;

/// Xorshift, so that a seed is all there is to reproduce a failure.
pub(crate) struct Random(u64);

impl Random {
    /// A generator.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

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
