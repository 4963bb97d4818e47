//! Everything from text to result on generated programs: what compiles verifies and runs under a
//! limit of steps, and gives the same result when it is run again.
#![no_main]

#[path = "../kernels/generator.rs"]
mod generator;

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{Options, Piece, Source, compile};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Data, Schedule};
use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Unstructured::new(data);
    let Ok(text) = generator::Program::generate(&mut bytes) else { return };
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{text}");
    }
    let piece = Piece { name: "source".into(), origin: Origin::Source, text: text.into() };
    let compilation = compile(&Source { pieces: vec![piece] }, &Options::default());
    assert!(compilation.module.is_some() != compilation.has_errors());
    let report = compilation.report();
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{report}");
    }
    let Some(module) = compilation.module else { return };
    let program = Program::new(&module, "k").expect("the kernel is there");
    let run = |schedule| {
        let (mut fo, mut io, mut at) = (vec![0u8; 32], vec![0u8; 32], vec![0u8; 4]);
        let (fi, n) = (vec![0x3fu8; 64], 5i32.to_le_bytes());
        let data = vec![
            Data::Write(&mut fo),
            Data::Write(&mut io),
            Data::Read(&fi),
            Data::Write(&mut at),
            Data::Read(&n),
        ];
        let mut launch = Launch::new(&program, data, [37, 1, 1], [37, 1, 1]);
        launch.schedule = schedule;
        launch.limits.steps = 200_000;
        let outcome = launch.run().map(|report| report.findings.len()).map_err(|e| e.to_string());
        (outcome, fo, io, at)
    };
    for schedule in [Schedule::Lockstep, Schedule::Reverse] {
        assert_eq!(run(schedule), run(schedule));
    }
});
