//! The library's functions end to end: MSL text, compiled, run by the interpreter, compared with
//! an independent oracle in double precision or wide integers, on special values and random ones.
//!
//! The bounds of float functions are those of the library's table. Oracles are the host's double
//! functions, whose own error (about 1e-16) does not show at these bounds.

mod support;

use anymetal_msl::builtin::{self, Accuracy};
use half::{bf16, f16};

use fastrand::Rng;
use support::random::fresh;
use support::run;

/// Units in the last place of a format with `bits` significant bits and `lowest` as the exponent
/// of its smallest positive number.
#[derive(Clone, Copy)]
struct Format {
    bits: i32,
    lowest: i32,
    largest: f64,
}

const FLOAT: Format = Format { bits: 24, lowest: -149, largest: f32::MAX as f64 };
const HALF: Format = Format { bits: 11, lowest: -24, largest: 65504.0 };
const BFLOAT: Format = Format { bits: 8, lowest: -133, largest: 3.389_531_389_251_535_5e38 };

/// How far `got` is from `want` in units of the last place; infinite where they differ in kind.
fn error(got: f64, want: f64, format: Format) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let step = |x: f64| {
        let exponent = ((x.abs().to_bits() >> 52) as i32 - 1023).max(-1022);
        2f64.powi((exponent + 1 - format.bits).max(format.lowest))
    };
    // Values past the largest number count as the next one after it.
    let beyond = format.largest + step(format.largest);
    let clamp = |x: f64| if x.abs() > beyond { beyond.copysign(x) } else { x };
    if want == 0.0 && got == 0.0 {
        let same = want.is_sign_negative() == got.is_sign_negative();
        return if same { 0.0 } else { f64::INFINITY };
    }
    (clamp(got) - clamp(want)).abs() / step(clamp(want))
}

fn special_floats() -> Vec<f32> {
    let positive = [
        0.0,
        f32::from_bits(1),
        f32::MIN_POSITIVE / 4.0,
        f32::MIN_POSITIVE,
        1e-10,
        0.25,
        0.5,
        std::f32::consts::FRAC_1_SQRT_2,
        0.99999994,
        1.0,
        1.0000001,
        1.5,
        2.0,
        2.5,
        3.0,
        9.0,
        88.5,
        88.8,
        103.9,
        150.0,
        99999.99,
        100000.0,
        8388607.5,
        16777215.0,
        16777216.0,
        1e19,
        f32::MAX,
        f32::INFINITY,
    ];
    positive.iter().flat_map(|&x| [x, -x]).chain([f32::NAN]).collect()
}

/// Special values and random ones: any bits, and moderate sizes.
fn floats(rng: &mut Rng, count: usize) -> Vec<f32> {
    let mut values = special_floats();
    while values.len() < count {
        values.push(f32::from_bits(rng.u32(..)));
        values.push((rng.f32() - 0.5) * 16.0);
        values.push((rng.f32() - 0.5) * 200.0);
    }
    values.truncate(count);
    values
}

fn bound(name: &str) -> f64 {
    match builtin::functions(name)[0].accuracy {
        Accuracy::Exact => 0.5,
        Accuracy::Ulp(ulp) => ulp.into(),
        Accuracy::Composed => panic!("{name} has no bound"),
    }
}

/// Turns, so that the oracle is exact where the result is.
fn quarter_turns(x: f64) -> (f64, i64) {
    let n = (2.0 * x).round_ties_even();
    ((x - n / 2.0) * std::f64::consts::PI, n.rem_euclid(4.0) as i64)
}

fn sinpi(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (r, quadrant) = quarter_turns(x);
    match quadrant {
        0 | 2 if r == 0.0 => 0f64.copysign(x),
        0 => r.sin(),
        1 => r.cos(),
        2 => -r.sin(),
        _ => -r.cos(),
    }
}

fn cospi(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (r, quadrant) = quarter_turns(x);
    let y = match quadrant {
        0 => r.cos(),
        1 => -r.sin(),
        2 => -r.cos(),
        _ => r.sin(),
    };
    y + 0.0
}

fn fract(x: f64) -> f64 {
    (x - x.floor()).min(0.999_999_940_395_355_2) + if x.is_finite() { 0.0 } else { f64::NAN }
}

type Unary = (&'static str, fn(f64) -> f64);
type Binary = (&'static str, fn(f64, f64) -> f64);

const UNARY: &[Unary] = &[
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("ceil", f64::ceil),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("cospi", cospi),
    ("exp", f64::exp),
    ("exp10", |x| 10f64.powf(x)),
    ("exp2", f64::exp2),
    ("fabs", f64::abs),
    ("floor", f64::floor),
    ("fract", fract),
    ("log", f64::ln),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("rint", f64::round_ties_even),
    ("round", f64::round),
    ("rsqrt", |x| 1.0 / x.sqrt()),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sinpi", sinpi),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
    ("tanpi", |x| sinpi(x) / cospi(x)),
    ("trunc", f64::trunc),
];

const BINARY: &[Binary] = &[
    ("atan2", f64::atan2),
    ("copysign", f64::copysign),
    ("divide", |x, y| x / y),
    ("fdim", |x, y| if x.is_nan() || y.is_nan() { f64::NAN } else { (x - y).max(0.0) }),
    ("fmax", f64::max),
    ("fmin", f64::min),
    ("fmod", |x, y| x % y),
    ("pow", f64::powf),
];

/// For each width: the index of the inputs and the bytes of the result.
type Values = Vec<(u32, Vec<(usize, Vec<u8>)>)>;

/// Runs `expression` of `a` (and `b`, `c`) on scalars and on vectors of two and three, and returns
/// its values for each index and each width.
fn values(
    input: &str,
    output: &str,
    expression: &str,
    arguments: &[Vec<u8>],
    count: usize,
    out_size: usize,
) -> Values {
    let mut results = Vec::new();
    for width in [1u32, 2, 3] {
        let vector = |ty: &str| match width {
            1 => ty.to_owned(),
            _ => format!("vec<{ty}, {width}>"),
        };
        let mut body = String::new();
        for (name, pointer) in ["a", "b", "c"].iter().zip(["x", "y", "z"]).take(arguments.len()) {
            let parts: Vec<String> =
                (0..width).map(|part| format!("{pointer}[(i + {}) % {count}]", part * 7)).collect();
            let ty = vector(input);
            body += &format!("  {ty} {name} = {ty}({});\n", parts.join(", "));
        }
        body += &format!("  {} r = {};\n", vector(output), expression.replace('V', &vector(input)));
        for part in 0..width {
            let component = if width == 1 { "r".to_owned() } else { format!("r[{part}]") };
            body += &format!("  out[{width} * i + {part}] = {component};\n");
        }
        let names = ["x", "y", "z"];
        let parameters: String = (0..arguments.len())
            .map(|at| format!("const device {input}* {} [[buffer({at})]], ", names[at]))
            .collect();
        let text = format!(
            "#include <metal_stdlib>\nusing namespace metal;\n\
             kernel void k({parameters}device {output}* out [[buffer({})]], \
             uint i [[thread_position_in_grid]]) {{\n{body}}}\n",
            arguments.len()
        );
        let bytes = run(&text, arguments, count * width as usize * out_size, count as u32);
        let mut found = Vec::new();
        for i in 0..count {
            for part in 0..width as usize {
                let at = (i * width as usize + part) * out_size;
                found.push(((i + part * 7) % count, bytes[at..at + out_size].to_vec()));
            }
        }
        results.push((width, found));
    }
    results
}

fn float_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn float_of(bytes: &[u8]) -> f64 {
    f32::from_le_bytes(bytes.try_into().expect("four bytes")).into()
}

#[test]
fn float_functions_of_one_argument() {
    let mut rng = fresh();
    let x = floats(&mut rng, 3000);
    for (name, oracle) in UNARY {
        for (width, found) in
            values("float", "float", &format!("{name}(a)"), &[float_bytes(&x)], x.len(), 4)
        {
            for (index, bytes) in found {
                let want = oracle(x[index].into());
                let error = error(float_of(&bytes), want, FLOAT);
                let got = float_of(&bytes);
                assert!(
                    error <= bound(name),
                    "{name}({:e}) width {width}: got {got:e}, want {want:e}, {error} ulp",
                    x[index]
                );
            }
        }
    }
}

#[test]
fn float_functions_of_two_arguments() {
    let mut rng = fresh();
    let special = special_floats();
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for &a in &special {
        for &b in &special {
            x.push(a);
            y.push(b);
        }
    }
    x.extend(floats(&mut rng, 2000).into_iter().skip(special.len()));
    y.extend(floats(&mut rng, 2000).into_iter().rev());
    y.truncate(x.len());
    for (name, oracle) in BINARY {
        let arguments = [float_bytes(&x), float_bytes(&y)];
        for (width, found) in
            values("float", "float", &format!("{name}(a, b)"), &arguments, x.len(), 4)
        {
            for (index, bytes) in found {
                let (a, b) = (x[index], y[index]);
                // The table leaves open which zero the smaller and the larger of two zeros is.
                let want = oracle(a.into(), b.into());
                let got = float_of(&bytes);
                let zeros = want == 0.0 && got == 0.0 && ["fmax", "fmin"].contains(name);
                let error = if zeros { 0.0 } else { error(got, want, FLOAT) };
                assert!(
                    error <= bound(name),
                    "{name}({a:e}, {b:e}) width {width}: got {got:e}, want {want:e}, {error} ulp"
                );
            }
        }
    }
}

/// Functions of half and bfloat are computed in float and rounded: within half a unit of their own
/// last place plus what the float result is off, which is less than 1/1000 of such a unit for half
/// and bfloat alike (4 units of 2^-24 against 2^-11).
#[test]
fn small_floats() {
    const SLACK: f64 = 0.502;
    let all: Vec<u16> = (0..=u16::MAX).step_by(7).collect();
    let bytes: Vec<u8> = all.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    for (name, oracle) in UNARY {
        for (ty, format) in [("half", HALF), ("bfloat", BFLOAT)] {
            let value = |bits: u16| match ty {
                "half" => f16::from_bits(bits).to_f64(),
                _ => bf16::from_bits(bits).to_f64(),
            };
            let expression = format!("{name}(a)");
            let found = values(ty, ty, &expression, std::slice::from_ref(&bytes), all.len(), 2);
            for (index, bytes) in found.into_iter().flat_map(|(_, found)| found) {
                let x = value(all[index]);
                let want = oracle(x);
                let got = value(u16::from_le_bytes([bytes[0], bytes[1]]));
                let error = error(got, want, format);
                assert!(error <= SLACK, "{name}({ty} {x:e}): got {got:e}, want {want:e}");
            }
        }
    }
}

#[test]
fn relations_and_bits_of_floats() {
    let x = special_floats();
    let bytes = float_bytes(&x);
    type Question = fn(f32) -> bool;
    let cases: &[(&str, Question)] = &[
        ("isfinite", f32::is_finite),
        ("isinf", f32::is_infinite),
        ("isnan", f32::is_nan),
        ("isnormal", f32::is_normal),
        ("signbit", f32::is_sign_negative),
    ];
    for (name, oracle) in cases {
        let found = values(
            "float",
            "bool",
            &format!("{name}(a)"),
            std::slice::from_ref(&bytes),
            x.len(),
            1,
        );
        for (index, bytes) in found.into_iter().flat_map(|(_, found)| found) {
            assert_eq!(bytes[0] != 0, oracle(x[index]), "{name}({:e})", x[index]);
        }
    }
    let exponents =
        |x: f32| if x == 0.0 { i32::MIN } else { f64::from(x).abs().log2().floor() as i32 };
    let found = values("float", "int", "ilogb(a)", std::slice::from_ref(&bytes), x.len(), 4);
    for (index, bytes) in found.into_iter().flat_map(|(_, found)| found) {
        let x = x[index];
        let want = if x.is_finite() { exponents(x) } else { i32::MAX };
        assert_eq!(i32::from_le_bytes(bytes.try_into().expect("four bytes")), want, "ilogb({x:e})");
    }
}

/// An integer type.
#[derive(Clone, Copy)]
struct Integer {
    name: &'static str,
    unsigned: &'static str,
    bits: u32,
    signed: bool,
}

impl Integer {
    const ALL: [Integer; 8] = [
        Integer { name: "char", unsigned: "uchar", bits: 8, signed: true },
        Integer { name: "uchar", unsigned: "uchar", bits: 8, signed: false },
        Integer { name: "short", unsigned: "ushort", bits: 16, signed: true },
        Integer { name: "ushort", unsigned: "ushort", bits: 16, signed: false },
        Integer { name: "int", unsigned: "uint", bits: 32, signed: true },
        Integer { name: "uint", unsigned: "uint", bits: 32, signed: false },
        Integer { name: "long", unsigned: "ulong", bits: 64, signed: true },
        Integer { name: "ulong", unsigned: "ulong", bits: 64, signed: false },
    ];

    /// The value of the low bits.
    fn wrap(self, value: i128) -> i128 {
        let low = value & ((1i128 << self.bits) - 1);
        if self.signed && low >> (self.bits - 1) == 1 { low - (1i128 << self.bits) } else { low }
    }

    fn least(self) -> i128 {
        if self.signed { -(1i128 << (self.bits - 1)) } else { 0 }
    }

    fn greatest(self) -> i128 {
        (1i128 << (self.bits - u32::from(self.signed))) - 1
    }

    fn saturate(self, value: i128) -> i128 {
        value.clamp(self.least(), self.greatest())
    }

    /// The bits, without a sign.
    fn raw(self, value: i128) -> u128 {
        (value & ((1i128 << self.bits) - 1)) as u128
    }
}

type IntegerOracle = fn(Integer, &[i128]) -> i128;

/// Bits to take and where, from two arbitrary numbers.
fn field(ty: Integer, b: i128, c: i128) -> (u32, u32) {
    let offset = (ty.raw(b) % u128::from(ty.bits)) as u32;
    (offset, (ty.raw(c) % u128::from(ty.bits - offset + 1)) as u32)
}

const INTEGERS: &[(&str, IntegerOracle)] = &[
    ("addsat(a, b)", |ty, v| ty.saturate(v[0] + v[1])),
    ("subsat(a, b)", |ty, v| ty.saturate(v[0] - v[1])),
    ("abs(a)", |ty, v| ty.wrap(v[0].abs())),
    ("clz(a)", |ty, v| (ty.raw(v[0]).leading_zeros() - (128 - ty.bits)).into()),
    ("ctz(a)", |ty, v| ty.raw(v[0]).trailing_zeros().min(ty.bits).into()),
    ("popcount(a)", |ty, v| ty.raw(v[0]).count_ones().into()),
    ("reverse_bits(a)", |ty, v| ty.wrap((ty.raw(v[0]).reverse_bits() >> (128 - ty.bits)) as i128)),
    ("hadd(a, b)", |_, v| (v[0] + v[1]) >> 1),
    ("rhadd(a, b)", |_, v| (v[0] + v[1] + 1) >> 1),
    ("mulhi(a, b)", |ty, v| high(ty, v[0], v[1])),
    ("madhi(a, b, c)", |ty, v| ty.wrap(high(ty, v[0], v[1]) + v[2])),
    ("rotate(a, b)", |ty, v| {
        let count = (ty.raw(v[1]) % u128::from(ty.bits)) as u32;
        let raw = ty.raw(v[0]);
        ty.wrap((raw << count | raw >> (ty.bits - count)) as i128)
    }),
    ("max(a, b)", |_, v| v[0].max(v[1])),
    ("min(a, b)", |_, v| v[0].min(v[1])),
    ("max3(a, b, c)", |_, v| v[0].max(v[1]).max(v[2])),
    ("min3(a, b, c)", |_, v| v[0].min(v[1]).min(v[2])),
    ("median3(a, b, c)", |_, v| {
        let mut sorted = v.to_vec();
        sorted.sort();
        sorted[1]
    }),
    ("clamp(a, min(b, c), max(b, c))", |_, v| v[0].clamp(v[1].min(v[2]), v[1].max(v[2]))),
];

/// The high half of the product. 64-bit products just fit, unsigned ones as their bits.
fn high(ty: Integer, a: i128, b: i128) -> i128 {
    if ty.signed || ty.bits < 64 {
        (a * b) >> ty.bits
    } else {
        ((a as u128 * b as u128) >> 64) as i128
    }
}

fn integers(ty: Integer, rng: &mut Rng, count: usize) -> Vec<i128> {
    let edges = [0, 1, -1, 2, 7, ty.least(), ty.greatest(), ty.least() + 1, ty.greatest() - 1];
    let mut values: Vec<i128> = edges.iter().map(|&edge| ty.wrap(edge)).collect();
    while values.len() < count {
        let bits = i128::from(rng.u64(..));
        values.push(ty.wrap(bits));
        values.push(ty.wrap(bits >> rng.u32(..64)));
    }
    values.truncate(count);
    // Every edge should meet every edge.
    rng.shuffle(&mut values);
    values
}

fn integer_bytes(ty: Integer, values: &[i128]) -> Vec<u8> {
    let size = ty.bits as usize / 8;
    values.iter().flat_map(|value| value.to_le_bytes()[..size].to_vec()).collect()
}

fn integer_of(ty: Integer, bytes: &[u8]) -> i128 {
    let mut all = [0; 16];
    all[..bytes.len()].copy_from_slice(bytes);
    ty.wrap(i128::from_le_bytes(all))
}

fn check_integers(
    ty: Integer,
    output: Integer,
    expression: &str,
    oracle: IntegerOracle,
    rng: &mut Rng,
) {
    let columns: Vec<Vec<i128>> = (0..3).map(|_| integers(ty, rng, 200)).collect();
    let arguments: Vec<Vec<u8>> = columns.iter().map(|column| integer_bytes(ty, column)).collect();
    let size = output.bits as usize / 8;
    for (width, found) in values(ty.name, output.name, expression, &arguments, 200, size) {
        for (index, bytes) in found {
            let inputs: Vec<i128> = columns.iter().map(|column| column[index]).collect();
            let got = integer_of(output, &bytes);
            let want = oracle(ty, &inputs);
            assert_eq!(got, want, "{expression} on {} {inputs:?}, width {width}", ty.name);
        }
    }
}

#[test]
fn integer_functions() {
    let mut rng = fresh();
    for (expression, oracle) in INTEGERS {
        for ty in Integer::ALL {
            check_integers(ty, ty, expression, *oracle, &mut rng);
        }
    }
}

#[test]
fn integer_functions_with_other_types() {
    let mut rng = fresh();
    for ty in Integer::ALL {
        let unsigned = Integer { name: ty.unsigned, signed: false, ..ty };
        check_integers(ty, unsigned, "absdiff(a, b)", |_, v| (v[0] - v[1]).abs(), &mut rng);
        check_integers(
            ty,
            ty,
            "madsat(a, b, c)",
            |ty, v| match v[0].checked_mul(v[1]) {
                Some(product) => ty.saturate(product + v[2]),
                None => ty.greatest(),
            },
            &mut rng,
        );
    }
    for ty in [Integer::ALL[4], Integer::ALL[5]] {
        check_integers(
            ty,
            ty,
            "mul24(a, b)",
            |ty, v| {
                let narrow = Integer { bits: 24, ..ty };
                ty.wrap(narrow.wrap(v[0]) * narrow.wrap(v[1]))
            },
            &mut rng,
        );
        check_integers(
            ty,
            ty,
            "mad24(a, b, c)",
            |ty, v| {
                let narrow = Integer { bits: 24, ..ty };
                ty.wrap(narrow.wrap(v[0]) * narrow.wrap(v[1]) + v[2])
            },
            &mut rng,
        );
    }
}

#[test]
fn bit_fields() {
    let mut rng = fresh();
    for ty in Integer::ALL {
        let x = integers(ty, &mut rng, 150);
        let y = integers(ty, &mut rng, 150);
        let fields: Vec<(u32, u32)> =
            x.iter().map(|_| field(ty, i128::from(rng.u64(..)), i128::from(rng.u64(..)))).collect();
        let words = |pick: fn(&(u32, u32)) -> u32| -> Vec<u8> {
            fields.iter().flat_map(|field| pick(field).to_le_bytes()).collect()
        };
        let text = format!(
            "#include <metal_stdlib>\nusing namespace metal;\n\
             kernel void k(const device {ty}* x [[buffer(0)]], const device {ty}* y [[buffer(1)]],\n\
             const device uint* offset [[buffer(2)]], const device uint* bits [[buffer(3)]],\n\
             device {ty}* out [[buffer(4)]], uint i [[thread_position_in_grid]]) {{\n\
             out[2 * i] = extract_bits(x[i], offset[i], bits[i]);\n\
             out[2 * i + 1] = insert_bits(x[i], y[i], offset[i], bits[i]);\n}}\n",
            ty = ty.name
        );
        let size = ty.bits as usize / 8;
        let arguments = [
            integer_bytes(ty, &x),
            integer_bytes(ty, &y),
            words(|field| field.0),
            words(|field| field.1),
        ];
        let bytes = run(&text, &arguments, 150 * 2 * size, 150);
        for (i, &(offset, bits)) in fields.iter().enumerate() {
            let got = |at: usize| integer_of(ty, &bytes[at * size..(at + 1) * size]);
            let part = Integer { bits: bits.max(1), ..ty };
            let extracted = if bits == 0 { 0 } else { part.wrap(x[i] >> offset) };
            assert_eq!(got(2 * i), extracted, "extract_bits({}, {offset}, {bits})", x[i]);
            let mask = ((1i128 << bits) - 1) << offset;
            let inserted = ty.wrap(x[i] & !mask | (y[i] << offset) & mask);
            assert_eq!(
                got(2 * i + 1),
                inserted,
                "insert_bits({}, {}, {offset}, {bits})",
                x[i],
                y[i]
            );
        }
    }
}

#[test]
fn neighbours_and_parts_of_floats() {
    let x = special_floats();
    let mut rng = fresh();
    let y: Vec<f32> = x.iter().map(|_| f32::from_bits(rng.u32(..))).collect();
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(const device float* x [[buffer(0)]], const device float* y [[buffer(1)]],\n\
        device float* out [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n\
        int e; float w;\n\
        out[6 * i] = nextafter(x[i], y[i]);\n\
        out[6 * i + 1] = frexp(x[i], e);\n\
        out[6 * i + 2] = float(e);\n\
        out[6 * i + 3] = modf(x[i], w);\n\
        out[6 * i + 4] = w;\n\
        out[6 * i + 5] = ldexp(x[i], int(i % 400) - 200);\n}\n";
    let bytes = run(text, &[float_bytes(&x), float_bytes(&y)], x.len() * 24, x.len() as u32);
    let got = |at: usize| f32::from_le_bytes(bytes[at * 4..at * 4 + 4].try_into().expect("four"));
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    for (i, (&x, &y)) in x.iter().zip(&y).enumerate() {
        let next = match (x.is_nan() || y.is_nan(), x < y) {
            (true, _) => f32::NAN,
            _ if x == y => y,
            (_, true) => x.next_up(),
            (_, false) => x.next_down(),
        };
        assert!(same(got(6 * i), next), "nextafter({x:e}, {y:e}) is {:e}", got(6 * i));
        let (mantissa, exponent) = (got(6 * i + 1), got(6 * i + 2));
        if x.is_finite() && x != 0.0 {
            assert!((0.5..1.0).contains(&mantissa.abs()), "frexp({x:e}) is {mantissa}");
            let whole = f64::from(mantissa) * 2f64.powi(exponent as i32);
            assert_eq!(whole, f64::from(x), "frexp({x:e})");
        } else {
            assert!(same(mantissa, x) && exponent == 0.0, "frexp({x:e}) is {mantissa}");
        }
        let fraction = if x.is_infinite() { 0.0 } else { x - x.trunc() };
        assert!(same(got(6 * i + 3), fraction.copysign(x)), "modf({x:e}) is {}", got(6 * i + 3));
        assert!(same(got(6 * i + 4), x.trunc()), "modf({x:e})");
        // Exact in double, so rounded once.
        let scaled = (f64::from(x) * 2f64.powi((i % 400) as i32 - 200)) as f32;
        assert!(same(got(6 * i + 5), scaled), "ldexp({x:e}, {})", (i % 400) as i32 - 200);
    }
}

#[test]
fn geometry() {
    let mut rng = fresh();
    let mut vector = || -> Vec<f32> { (0..3 * 64).map(|_| (rng.f32() - 0.5) * 8.0).collect() };
    let (x, y) = (vector(), vector());
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(const device packed_float3* x [[buffer(0)]],\n\
        const device packed_float3* y [[buffer(1)]],\n\
        device float* out [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n\
        float3 a = x[i]; float3 b = y[i];\n\
        device float* o = out + 16 * i;\n\
        o[0] = dot(a, b); o[1] = length(a); o[2] = distance(a, b); o[3] = length_squared(a);\n\
        float3 n = normalize(a); float3 c = cross(a, b); float3 r = reflect(a, normalize(b));\n\
        float3 f = refract(normalize(a), normalize(b), 0.7f);\n\
        for (int j = 0; j < 3; ++j) { o[4 + j] = n[j]; o[7 + j] = c[j]; o[10 + j] = r[j]; o[13 + j] = f[j]; }\n}\n";
    let bytes = run(text, &[float_bytes(&x), float_bytes(&y)], 64 * 64, 64);
    for i in 0..64 {
        let v = |from: &[f32]| [0, 1, 2].map(|j| f64::from(from[3 * i + j]));
        let (a, b) = (v(&x), v(&y));
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let scale = |a: [f64; 3], s: f64| a.map(|part| part * s);
        let sub = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
        let unit = |a: [f64; 3]| scale(a, 1.0 / dot(a, a).sqrt());
        let cross =
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let (ua, ub) = (unit(a), unit(b));
        let reflected = sub(a, scale(ub, 2.0 * dot(ub, a)));
        let d = dot(ub, ua);
        let k = 1.0 - 0.49 * (1.0 - d * d);
        let refracted = sub(scale(ua, 0.7), scale(ub, 0.7 * d + k.max(0.0).sqrt()));
        let refracted = if k < 0.0 { [0.0; 3] } else { refracted };
        let mut want =
            vec![dot(a, b), dot(a, a).sqrt(), dot(sub(a, b), sub(a, b)).sqrt(), dot(a, a)];
        want.extend(ua.into_iter().chain(cross).chain(reflected).chain(refracted));
        for (at, want) in want.into_iter().enumerate() {
            let got = float_of(&bytes[64 * i + 4 * at..64 * i + 4 * at + 4]);
            // Sums of three products of at most 16 cancel: a few units of 48 * 2^-24.
            assert!((got - want).abs() < 1e-5, "{i} {at}: got {got}, want {want}");
        }
    }
}

#[test]
fn common_functions() {
    let mut rng = fresh();
    let x = floats(&mut rng, 300);
    let y: Vec<f32> = x.iter().rev().copied().collect();
    let arguments = [float_bytes(&x), float_bytes(&y)];
    type Oracle = fn(f32, f32) -> f32;
    let cases: &[(&str, Oracle)] = &[
        ("saturate(a)", |a, _| if a.is_nan() { 0.0 } else { a.clamp(0.0, 1.0) }),
        ("step(a, b)", |a, b| if b < a { 0.0 } else { 1.0 }),
        ("sign(a)", |a, _| {
            if a > 0.0 {
                1.0
            } else if a < 0.0 {
                -1.0
            } else if a.is_nan() {
                0.0
            } else {
                a
            }
        }),
        ("mix(a, b, V(0.25f))", |a, b| a + (b - a) * 0.25),
        ("select(a, b, a > b)", |a, b| if a > b { b } else { a }),
        ("fma(a, b, a)", |a, b| a.mul_add(b, a)),
        ("clamp(a, V(-1), V(2))", |a, _| if a.is_nan() { -1.0 } else { a.clamp(-1.0, 2.0) }),
        ("median3(a, b, V(1))", |a, b| {
            let (low, high) = (a.min(b), a.max(b));
            low.max(high.min(1.0))
        }),
    ];
    for (expression, oracle) in cases {
        for (width, found) in values("float", "float", expression, &arguments, x.len(), 4) {
            for (index, bytes) in found {
                let (a, b) = (x[index], y[index]);
                let (got, want) = (float_of(&bytes), f64::from(oracle(a, b)));
                // Zeros of either sign are equally small and large.
                let same = got == want || got.is_nan() && want.is_nan();
                assert!(same, "{expression} of {a:e}, {b:e} width {width}: {got:e}, want {want:e}");
            }
        }
    }
}

#[test]
fn packing() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(const device uint* x [[buffer(0)]], device uint* out [[buffer(1)]],\n\
        uint i [[thread_position_in_grid]]) {\n\
        device uint* o = out + 6 * i; uint v = x[i];\n\
        o[0] = pack_float_to_unorm4x8(unpack_unorm4x8_to_float(v));\n\
        o[1] = pack_float_to_snorm4x8(unpack_snorm4x8_to_float(v));\n\
        o[2] = pack_float_to_unorm2x16(unpack_unorm2x16_to_float(v));\n\
        o[3] = pack_float_to_snorm2x16(unpack_snorm2x16_to_float(v));\n\
        o[4] = pack_float_to_unorm10a2(unpack_unorm10a2_to_float(v));\n\
        o[5] = pack_float_to_srgb_unorm4x8(unpack_unorm4x8_srgb_to_float(v));\n}\n";
    let mut rng = fresh();
    let x: Vec<u32> = (0..200).map(|_| rng.u32(..)).collect();
    let bytes: Vec<u8> = x.iter().flat_map(|value| value.to_le_bytes()).collect();
    let out = run(text, &[bytes], 200 * 24, 200);
    for (i, &value) in x.iter().enumerate() {
        // The lowest signed number means -1, as the next one does.
        let signed = |bits: u32| -> u32 {
            let mask = (1u64 << bits) - 1;
            (0..32 / bits)
                .map(|part| {
                    let field = u64::from(value) >> (part * bits) & mask;
                    let lowest = 1 << (bits - 1);
                    ((if field == lowest { field + 1 } else { field }) << (part * bits)) as u32
                })
                .sum()
        };
        let want = [value, signed(8), value, signed(16), value, value];
        for (at, want) in want.into_iter().enumerate() {
            let from = (6 * i + at) * 4;
            let got = u32::from_le_bytes(out[from..from + 4].try_into().expect("four bytes"));
            assert_eq!(got, want, "{value:#010x}, format {at}");
        }
    }
}
