//! Time from source to verified IR of three named programs, the front end's share of a first call.
//!
//! `cargo run --release -p anymetal-msl --example compile_time` prints the median and the best of
//! many compilations of each; `--once` compiles each once, to see that it does.

use std::time::{Duration, Instant};

use anymetal_msl::diagnostic::Origin;
use anymetal_msl::{FunctionConstant, Options, Piece, Source, compile};

const TILES: &str = include_str!("../benches/sources/tiles.metal");

/// The programs by name, and what each may take in release.
fn programs() -> [(&'static str, String, Duration); 3] {
    [
        ("small", include_str!("../benches/sources/small.metal").into(), Duration::from_millis(2)),
        (
            "medium",
            include_str!("../benches/sources/medium.metal").into(),
            Duration::from_millis(10),
        ),
        ("header", header(), Duration::from_millis(60)),
    ]
}

/// A header of 100 KB, of which two kernels in two of its namespaces are used.
fn header() -> String {
    let mut text = String::from("#include <metal_stdlib>\n#include <metal_simdgroup_matrix>\n");
    text.push_str("using namespace metal;\n");
    let mut count = 0;
    while text.len() < 100_000 {
        text.push_str(&format!("namespace part_{count} {{\n{TILES}}}\n"));
        count += 1;
    }
    for (namespace, types) in [
        (0, "half, 32, 32, 16, 2, 2, false, true"),
        (count - 1, "float, 64, 32, 16, 2, 2, false, false"),
    ] {
        let kernel = format!("part_{namespace}::product<{types}>");
        text.push_str(&format!("template [[host_name(\"product_{namespace}\")]] [[kernel]] decltype({kernel}) {kernel};\n"));
    }
    let kernel = "part_1::reduce_row<float, part_1::largest_of>";
    text.push_str(&format!(
        "template [[host_name(\"reduce\")]] [[kernel]] decltype({kernel}) {kernel};\n"
    ));
    text
}

fn main() {
    let once = std::env::args().any(|argument| argument == "--once");
    let options = Options {
        mlx: false,
        function_constants: vec![(0, FunctionConstant::Bool(true))],
        ..Options::default()
    };
    for (name, text, limit) in programs() {
        let size = text.len();
        let piece = Piece { name: name.into(), origin: Origin::Source, text: text.into() };
        let source = Source { pieces: vec![piece] };
        // The first compilation also reads the library, which every later one shares.
        let first = compile(&source, &options);
        assert!(!first.has_errors(), "{name}\n{}", first.report());
        let kernels = first.kernels.len();
        let mut times: Vec<Duration> = Vec::new();
        let start = Instant::now();
        while times.is_empty() || !once && (start.elapsed().as_secs() < 4 && times.len() < 200) {
            let start = Instant::now();
            let compilation = compile(&source, &options);
            times.push(start.elapsed());
            drop(compilation);
        }
        times.sort();
        let (best, median) = (times[0], times[times.len() / 2]);
        println!(
            "{name:7} {size:7} bytes {kernels:2} kernels  median {:6.2} ms  best {:6.2} ms  target {} ms",
            median.as_secs_f64() * 1e3,
            best.as_secs_f64() * 1e3,
            limit.as_millis(),
        );
    }
}
