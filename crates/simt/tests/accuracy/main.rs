//! The accuracy that the library's table promises, against multiple precision.
//!
//! Inputs are the hard cases of `table.txt` (written by `generate.py` with mpmath) and fresh random
//! ones (`ANYMETAL_TEST_SEED` repeats a run). The plain functions, `fast::` and `precise::` have to
//! agree bit for bit; half and bfloat have to be the float result, rounded. `docs/accuracy.md`
//! lists the bounds and what the table's inputs show; `ANYMETAL_BLESS=1` rewrites its table.

mod exact;
#[path = "../support/mod.rs"]
mod support;

use std::fmt::Write;

use anymetal_msl::builtin::{self, Accuracy};
use fastrand::Rng;
use half::{bf16, f16};

use crate::exact::{Exact, Oracle};
use crate::support::random::fresh;
use crate::support::run;

const TABLE: &str = include_str!("table.txt");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/accuracy.md");

/// MLX's own function, which is no row of the library's table.
const LOG1P: f64 = 2.0;

/// A type's significant bits, the exponent of its least positive number, its greatest number.
#[derive(Clone, Copy)]
struct Format {
    name: &'static str,
    bits: i32,
    least: i32,
    greatest: f64,
}

const FLOAT: Format = Format { name: "float", bits: 24, least: -149, greatest: f32::MAX as f64 };
const HALF: Format = Format { name: "half", bits: 11, least: -24, greatest: 65504.0 };
const BFLOAT: Format =
    Format { name: "bfloat", bits: 8, least: -133, greatest: 3.389_531_389_251_535_5e38 };

/// How far `got` is from `want`, in units of the last place of `want`.
fn error(got: f64, want: Exact, format: Format) -> f64 {
    if got.is_nan() {
        return f64::INFINITY;
    }
    let step = |x: f64| {
        let exponent = ((x.abs().to_bits() >> 52) as i32 - 1023).max(-1022);
        2f64.powi((exponent + 1 - format.bits).max(format.least))
    };
    // Past the greatest number comes one more, and then nothing.
    let beyond = format.greatest + step(format.greatest);
    if want.high.abs() >= beyond || got.abs() >= beyond {
        let clamp = |x: f64| if x.abs() > beyond { beyond.copysign(x) } else { x };
        return (clamp(got) - clamp(want.high)).abs() / step(format.greatest);
    }
    ((got - want.high) - want.low).abs() / step(want.high)
}

fn bound(name: &str) -> f64 {
    match builtin::functions(name).first().map(|row| row.accuracy) {
        Some(Accuracy::Exact) => 0.5,
        Some(Accuracy::Ulp(ulp)) => ulp.into(),
        Some(Accuracy::Composed) => panic!("{name} has no bound"),
        None if name == "log1p" => LOG1P,
        None => panic!("{name} is not in the library"),
    }
}

/// The functions of the table, with the number of their arguments.
fn functions() -> Vec<(&'static str, usize)> {
    let mut functions: Vec<(&str, usize)> = Vec::new();
    for line in TABLE.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if functions.last().is_none_or(|(name, _)| *name != words[0]) {
            functions.push((words[0], words.len() - 3));
        }
    }
    functions
}

/// A line of the table: arguments and the value.
fn lines(name: &str) -> Vec<(Vec<f32>, Exact)> {
    let parse = |word: &str| u64::from_str_radix(word, 16).expect("hexadecimal digits");
    let mut found = Vec::new();
    for line in TABLE.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [own, args @ .., high, low] = &words[..] else { continue };
        if *own == name {
            let args = args.iter().map(|word| f32::from_bits(parse(word) as u32)).collect();
            let (high, low) = (f64::from_bits(parse(high)), f64::from_bits(parse(low)));
            found.push((args, Exact { high, low }));
        }
    }
    found
}

/// The function's values, computed by the interpreter; `call` may name a namespace.
fn compute(call: &str, format: Format, args: &[Vec<f32>]) -> Vec<f64> {
    let ty = format.name;
    let pack = |x: f32| match ty {
        "half" => f16::from_f32(x).to_le_bytes().to_vec(),
        "bfloat" => bf16::from_f32(x).to_le_bytes().to_vec(),
        _ => x.to_le_bytes().to_vec(),
    };
    let size = if ty == "float" { 4 } else { 2 };
    let count = args.len();
    let arity = args[0].len();
    let inputs: Vec<Vec<u8>> =
        (0..arity).map(|n| args.iter().flat_map(|args| pack(args[n])).collect()).collect();
    let names: Vec<String> = (0..arity).map(|n| format!("x{n}")).collect();
    let params: String = names.iter().map(|name| format!("const device {ty}* {name}, ")).collect();
    let values: Vec<String> = names.iter().map(|name| format!("{name}[i]")).collect();
    let text = format!(
        "#include <metal_stdlib>\nusing namespace metal;\nkernel void k({params}device {ty}* out, \
         uint i [[thread_position_in_grid]]) {{ out[i] = {call}({}); }}\n",
        values.join(", ")
    );
    let bytes = run(&text, &inputs, count * size, count as u32);
    bytes
        .chunks(size)
        .map(|part| match ty {
            "half" => f16::from_le_bytes([part[0], part[1]]).to_f64(),
            "bfloat" => bf16::from_le_bytes([part[0], part[1]]).to_f64(),
            _ => f32::from_le_bytes([part[0], part[1], part[2], part[3]]).into(),
        })
        .collect()
}

fn want(oracle: &mut Oracle, name: &str, args: &[f32]) -> Option<Exact> {
    match *args {
        [x] => oracle.one(name, x),
        [x, y] => oracle.two(name, x, y),
        _ => None,
    }
}

/// Random arguments: any bits, moderate numbers, and numbers from 0 to 1.
fn random_args(rng: &mut Rng, arity: usize, count: usize) -> Vec<Vec<f32>> {
    let mut next = |n: usize| match n % 3 {
        0 => f32::from_bits(rng.u32(..)),
        1 => (rng.f32() - 0.5) * 200.0,
        _ => rng.f32(),
    };
    (0..count).map(|n| (0..arity).map(|k| next(n + k)).collect()).collect()
}

/// The largest error over some inputs and where it is.
fn worst(name: &str, format: Format, args: &[Vec<f32>], oracle: &mut Oracle) -> (f64, Vec<f32>) {
    let got = compute(name, format, args);
    let mut worst = (0.0, Vec::new());
    for (args, got) in args.iter().zip(got) {
        let Some(want) = want(oracle, name, args) else { continue };
        let error = error(got, want, format);
        if error > worst.0 {
            worst = (error, args.clone());
        }
    }
    worst
}

#[test]
fn the_oracle_agrees_with_the_table() {
    let mut oracle = Oracle::new();
    for (name, _) in functions() {
        for (args, value) in lines(name) {
            let Some(own) = want(&mut oracle, name, &args) else { continue };
            // The doubles are cut here and rounded there: their sums have to agree.
            let difference = (own.high - value.high) + (own.low - value.low);
            let scale = value.high.abs().max(f64::MIN_POSITIVE);
            assert!(difference.abs() <= 1e-28 * scale, "{name}{args:?}: {own:?} or {value:?}");
        }
    }
}

#[test]
fn hard_inputs_keep_the_bounds() {
    for (name, _) in functions() {
        let lines = lines(name);
        let args: Vec<Vec<f32>> = lines.iter().map(|(args, _)| args.clone()).collect();
        let got = compute(name, FLOAT, &args);
        for ((args, want), got) in lines.iter().zip(got) {
            let error = error(got, *want, FLOAT);
            assert!(error <= bound(name), "{name}{args:?} is {got:e}: {error} ulp");
        }
    }
}

#[test]
fn random_inputs_keep_the_bounds() {
    let mut oracle = Oracle::new();
    let mut rng = fresh();
    for (name, arity) in functions() {
        let args = random_args(&mut rng, arity, 150);
        let (error, at) = worst(name, FLOAT, &args, &mut oracle);
        assert!(error <= bound(name), "{name}{at:?}: {error} ulp");
    }
}

#[test]
fn half_and_bfloat_are_the_float_result_rounded() {
    let mut oracle = Oracle::new();
    let mut rng = fresh();
    for (name, arity) in functions() {
        for format in [HALF, BFLOAT] {
            let narrow = |x: f32| match format.name {
                "half" => f16::from_f32(x).to_f32(),
                _ => bf16::from_f32(x).to_f32(),
            };
            let mut args = random_args(&mut rng, arity, 60);
            args.iter_mut().flatten().for_each(|x| *x = narrow(*x));
            // Half a unit for the rounding, and the float's error in units that much larger.
            let limit = 0.5 + bound(name) * 2f64.powi(format.bits - FLOAT.bits);
            let (error, at) = worst(name, format, &args, &mut oracle);
            assert!(error <= limit, "{name}{at:?} of {}: {error} ulp", format.name);
        }
    }
}

#[test]
fn namespaces_share_one_definition() {
    let mut rng = fresh();
    for (name, arity) in functions() {
        if name == "log1p" {
            continue;
        }
        let args = random_args(&mut rng, arity, 60);
        let bits = |call: &str| -> Vec<u64> {
            compute(call, FLOAT, &args).into_iter().map(f64::to_bits).collect()
        };
        let plain = bits(name);
        for space in ["metal::", "metal::fast::", "metal::precise::"] {
            assert_eq!(plain, bits(&format!("{space}{name}")), "{space}{name}");
        }
    }
}

#[test]
fn the_document_says_so() {
    let mut table = String::from("| function | bound | largest error in the table of inputs |\n");
    table.push_str("|---|---|---|\n");
    let seen = |name: &str| {
        let lines = lines(name);
        if lines.is_empty() {
            return "-".to_string();
        }
        let args: Vec<Vec<f32>> = lines.iter().map(|(args, _)| args.clone()).collect();
        let got = compute(name, FLOAT, &args);
        let errors = lines.iter().zip(got).map(|((_, want), got)| error(got, *want, FLOAT));
        format!("{:.3}", errors.fold(0.0, f64::max))
    };
    let mut names: Vec<(&str, String)> = Vec::new();
    for row in builtin::rows() {
        if !row.types.contains(anymetal_msl::ir::Scalar::F32) || row.name.starts_with("__") {
            continue;
        }
        let text = match row.accuracy {
            Accuracy::Exact => "correctly rounded".to_string(),
            Accuracy::Ulp(ulp) => format!("{ulp} ulp"),
            Accuracy::Composed => "as its definition".to_string(),
        };
        let is_maths = row.spaces.has_variants() || row.accuracy == Accuracy::Composed;
        if is_maths && names.iter().all(|(name, _)| *name != row.name) {
            names.push((row.name, text));
        }
    }
    names.push(("log1p", format!("{LOG1P} ulp")));
    names.sort();
    for (name, text) in names {
        let _ = writeln!(table, "| `{name}` | {text} | {} |", seen(name));
    }
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/accuracy.md is there");
    let (open, close) = ("<!-- table -->\n", "<!-- end -->");
    let start = document.find(open).expect("the table begins") + open.len();
    let end = document.find(close).expect("the table ends");
    if document[start..end] == table {
        return;
    }
    if std::env::var_os("ANYMETAL_BLESS").is_some() {
        let text = format!("{}{table}{}", &document[..start], &document[end..]);
        std::fs::write(DOCUMENT, text).expect("the document can be written");
        return;
    }
    panic!("docs/accuracy.md differs; ANYMETAL_BLESS=1 rewrites it. It should say:\n{table}");
}
