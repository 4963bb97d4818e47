//! The command from outside: what it prints and its exit status.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder for one test's files, emptied first.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn anymetal(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anymetal"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .expect("the command starts")
}

/// Checks exit status and standard output.
fn check(folder: &Path, arguments: &str, status: i32, expected: &str) {
    let output = anymetal(folder, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments}\n{out}{err}");
    assert_eq!(out, expected, "{arguments}\n{err}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SCALE: &str = "#include \"factor.h\"
template <typename T, int N>
[[kernel]] void scale(const device T* x, constant float& k, device T* out,
                      uint i [[thread_position_in_grid]]) {
    out[i] = T(x[i + OFFSET] * k) + T(N) + T(FACTOR);
}
kernel void plain(const device int* x, device int* out, uint i [[thread_position_in_grid]]) {
    out[i] = x[i] * FACTOR;
}
";

fn scale(test: &str) -> PathBuf {
    let folder = folder(test);
    std::fs::create_dir_all(folder.join("include")).expect("a folder");
    std::fs::write(folder.join("include/factor.h"), "#define FACTOR 2\n").expect("a file");
    std::fs::write(folder.join("scale.metal"), SCALE).expect("a file");
    folder
}

#[test]
fn checks_list_kernels() {
    let folder = scale("checks");
    let expected = "kernel plain
  buffer(0) int* x [read]
  buffer(1) int* out [read, write]
";
    check(&folder, "check scale.metal -I include -D OFFSET=0", 0, expected);
}

#[test]
fn errors_point_into_the_file() {
    let folder = folder("errors");
    std::fs::write(
        folder.join("bad.metal"),
        "kernel void k(device int* out) {\n  out[0] = nope;\n}\n",
    )
    .expect("a file");
    let output = anymetal(&folder, "check bad.metal");
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("bad.metal:2:12") && message.contains("nope"), "{message}");
    let output = anymetal(&folder, "--format json check bad.metal");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["diagnostics"][0]["places"][0]["line"], 2, "{json}");
    assert_eq!(anymetal(&folder, "check missing.metal").status.code(), Some(2));
}

#[test]
fn runs_templates_of_a_file() {
    let folder = scale("templates");
    let arguments = "run scale.metal -I include -D OFFSET --kernel scale --template T=half \
         --template N=10 --constant x=1,2,3,4:f16 --constant k=0.5:f32 --output out:half:3 --grid 3";
    check(&folder, arguments, 0, "out: f16[3] = [13, 13.5, 14]\n");
}

#[test]
fn runs_bodies_with_npy_files() {
    let folder = folder("bodies");
    let body = "uint i = thread_position_in_grid.x;
uint at = elem_to_loc(i, x_shape, x_strides, x_ndim);
out[i] = T(x[at]) + s;";
    std::fs::write(folder.join("body.metal"), body).expect("a file");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 5), }\n";
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    (0..10).for_each(|i| file.extend((i as f32).to_le_bytes()));
    std::fs::write(folder.join("x.npy"), file).expect("a file");
    let arguments = "run body.metal --input x=x.npy --constant s=100:i32 --template T=int \
         --output out:i32:2,5 -o out.npy --grid 10 --threadgroup 4 --schedule reverse";
    check(&folder, arguments, 0, "");
    let written = std::fs::read(folder.join("out.npy")).expect("the output");
    let expected: Vec<u8> = (100..110i32).flat_map(i32::to_le_bytes).collect();
    assert!(written.ends_with(&expected) && text(&written).contains("(2,5,)"));
}

#[test]
fn findings_name_file_and_line() {
    let folder = folder("findings");
    std::fs::write(
        folder.join("k.metal"),
        "kernel void k(const device float* x, device float* out,\n              uint i [[thread_position_in_grid]]) {\n  out[i] = x[i + 1];\n}\n",
    )
    .expect("a file");
    let arguments = "run k.metal --constant x=1,2,3:f32 --output out:f32:3 --grid 3";
    let output = anymetal(&folder, arguments);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(0), "out: f32[3] = [2, 3, 0]\n".into())
    );
    let message = text(&output.stderr);
    assert!(
        message.contains("warning: k.metal:3:") && message.contains("x[3] of 3 float"),
        "{message}"
    );
    let output = anymetal(&folder, &format!("--format json {arguments} --bounds error"));
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&json["findings"][0]["index"], &json["findings"][0]["count"]),
        (&3.into(), &1.into())
    );
}

#[test]
fn explains_codes() {
    let folder = folder("explains");
    let output = anymetal(&folder, "explain M0101");
    assert!(text(&output.stdout).starts_with("M0101 unterminated-comment\n"));
    let output = anymetal(&folder, "explain unterminated-coment");
    assert!(text(&output.stderr).contains("did you mean `unterminated-comment`"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn dumps_every_stage() {
    let folder = folder("dumps");
    std::fs::write(folder.join("k.metal"), "kernel void k(device int* out) { out[0] = 1 + 2; }\n")
        .expect("a file");
    for (stage, part) in [
        ("tokens", "1:34  Ident out"),
        ("tree", "Function"),
        ("ir", "kernel \"k\" fn 0"),
        ("signature", "\"name\": \"out\""),
    ] {
        let output = anymetal(&folder, &format!("dump {stage} k.metal"));
        assert!(text(&output.stdout).contains(part), "{stage}: {}", text(&output.stdout));
    }
    let ir = anymetal(&folder, "dump ir k.metal").stdout;
    std::fs::write(folder.join("k.ir"), ir).expect("a file");
    check(&folder, "run k.ir --output out:i32:1 --grid 1", 0, "out: i32[1] = [3]\n");
}

/// Checks exit status and that standard error holds a text.
fn fails(folder: &Path, arguments: &str, status: i32, expected: &str) {
    let output = anymetal(folder, arguments);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments}\n{err}");
    assert!(err.contains(expected), "{arguments}\n{err}");
}

#[test]
fn bodies_are_checked_and_dumped() {
    let folder = folder("body_stages");
    std::fs::write(
        folder.join("body.metal"),
        "uint i = thread_position_in_grid.x;\nout[i] = f(x[i]) + T(N);\n",
    )
    .expect("a file");
    std::fs::write(folder.join("head.h"), "inline float f(float v) {\n  return v * v;\n}\n")
        .expect("a file");
    let arrays =
        "--header head.h --input x:f32:4 --output out:f16:4 --template T=half --template N=2";
    let expected = "kernel custom_kernel_body__half_2_floatc_float16_t
  buffer(0) float* x [read]
  buffer(1) half* out [read, write]
";
    check(&folder, &format!("check body.metal {arrays}"), 0, expected);
    for stage in ["tokens", "tree", "ir", "signature"] {
        let output = anymetal(&folder, &format!("dump {stage} body.metal {arrays}"));
        assert_eq!(output.status.code(), Some(0), "{stage}: {}", text(&output.stderr));
    }
    // Errors are in the user's files.
    fails(&folder, "check body.metal --output out:f16:4", 1, "body.metal:2:");
    std::fs::write(folder.join("head.h"), "inline float f(float v) {\n  return w;\n}\n")
        .expect("a file");
    fails(&folder, &format!("check body.metal {arrays}"), 1, "head.h:2:10");
    fails(&folder, "check body.metal", 1, "name its arrays with --input");
    fails(&folder, "run body.metal --grid 4", 1, "its arrays come from --input");
}

#[test]
fn function_constants_and_the_metal_library_alone() {
    let folder = folder("constants");
    std::fs::write(
        folder.join("k.metal"),
        "#include <metal_stdlib>
#include \"more/shift.h\"
using namespace metal;
constant bool wide [[function_constant(0)]];
constant int count [[function_constant(1)]];
constant float factor [[function_constant(2)]];
// MLX's names are the file's own here.
template <typename T> struct Limits { static constexpr constant int max = 5; };
kernel void k(device float* out, const device float* more [[function_constant(wide)]],
              uint i [[thread_position_in_grid]]) {
  out[i] = wide ? more[i] : count * factor + SHIFT + Limits<int>::max;
}
",
    )
    .expect("a file");
    std::fs::create_dir_all(folder.join("more")).expect("a folder");
    std::fs::write(folder.join("more/shift.h"), "#include \"value.h\"\n#define SHIFT VALUE\n")
        .expect("a file");
    std::fs::write(folder.join("more/value.h"), "#define VALUE 0.25\n").expect("a file");
    let constants = "--function-constant 1=3 --function-constant 2=0.5:f32";
    check(
        &folder,
        &format!("run k.metal --function-constant 0=false {constants} --output out:f32:1 --grid 1"),
        0,
        "out: f32[1] = [6.75]\n",
    );
    let more = "--function-constant 0=true --constant more=9:f32 --output out:f32:1 --grid 1";
    check(&folder, &format!("run k.metal {constants} {more}"), 0, "out: f32[1] = [9]\n");
    fails(&folder, "check k.metal", 1, "function constant 0, `wide`, has no value");
    fails(&folder, "check k.metal --function-constant x=1", 2, "INDEX=VALUE");
    fails(&folder, "check k.metal --function-constant 0=1.5:bool", 2, "1.5");
}

#[test]
fn threadgroup_memory_and_every_schedule() {
    let folder = folder("schedules");
    std::fs::write(
        folder.join("k.metal"),
        "kernel void turn(device int* x, threadgroup int* shared [[threadgroup(0)]],
                 uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  shared[i] = x[i];
  threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  x[i] = shared[n - 1 - i];
}
",
    )
    .expect("a file");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    let header = "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n";
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    [5i32, 6, 7].iter().for_each(|n| file.extend(n.to_le_bytes()));
    std::fs::write(folder.join("x.npy"), file).expect("a file");
    for schedule in ["lockstep", "lanes", "reverse", "random"] {
        // An output that starts with the file's contents.
        let arguments = format!(
            "run k.metal --output x=x.npy --threadgroup-memory 12 --grid 3 --threadgroup 3 \
             --schedule {schedule} --seed 5"
        );
        check(&folder, &arguments, 0, "x: i32[3] = [7, 6, 5]\n");
    }
}

#[test]
fn wrong_commands_say_what_is_expected() {
    let folder = folder("wrong");
    std::fs::write(folder.join("k.metal"), "kernel void k(device uchar* out) { out[0] = 1; }\n")
        .expect("a file");
    for (arguments, status, expected) in [
        ("--constant out=300:u8 --grid 1", 2, "u8 does not hold 300"),
        ("--constant out=1:u8 --output out:u8:1 --grid 1", 2, "`out` is given twice"),
        ("--output out:f33:1 --grid 1", 2, "there are: bool, i8,"),
        ("--output out:u8:a --grid 1", 2, "NAME:TYPE:SHAPE"),
        ("--output out:u8:1 --grid 1 -o a -o b", 2, "-o is given 2 times"),
        ("--input out=none.npy --grid 1", 2, "reading none.npy"),
        ("--grid 1", 2, "no --input, --constant or --output is given for: out"),
        ("--output out:u8:1 --kernel q --output r:u8:1 --grid 1,1,1,1", 2, "three axes"),
        ("--output out:u8:1 --grid 4096 --threadgroup 2048", 1, "at most 1024"),
    ] {
        fails(&folder, &format!("run k.metal {arguments}"), status, expected);
    }
    // What was refused shows no outputs.
    check(&folder, "run k.metal --output out:u8:1 --grid 4096 --threadgroup 2048", 1, "");
}

#[test]
fn complex_and_boolean_arrays() {
    let folder = folder("elements");
    std::fs::write(folder.join("body.metal"), "out[0] = b ? z[0] * z[1] : complex64_t(0);")
        .expect("a file");
    let arguments = "run body.metal --constant z=1+2j,-1e-3-2e+1j:c64 --constant b=1:bool \
         --output out:c64:1 --grid 1";
    check(&folder, arguments, 0, "out: c64[1] = [39.999-20.002j]\n");
}
