//! The front door: pieces, template arguments of a launch, diagnostics, hostile input.

#[path = "../../../tests/random.rs"]
mod random;

use anymetal_msl::diagnostic::{Origin, Severity};
use anymetal_msl::{
    Compilation, FunctionConstant, Options, ParamRole, Piece, Source, TemplateValue, compile, ir,
};

use crate::random::cases;

fn pieces(texts: &[(&str, Origin, &str)]) -> Source {
    let pieces = texts
        .iter()
        .map(|(name, origin, text)| Piece {
            name: name.to_string(),
            origin: *origin,
            text: (*text).into(),
        })
        .collect();
    Source { pieces }
}

fn file(text: &str) -> Source {
    pieces(&[("test.metal", Origin::Source, text)])
}

fn check(text: &str) -> Compilation {
    let compilation = compile(&file(text), &Options::default());
    assert!(!compilation.has_errors(), "{}", compilation.report());
    compilation
}

/// A launch in MLX's style: header, generated signature, body.
fn launch(header: &str, body: &str, last_resort: &[(&str, TemplateValue)]) -> Compilation {
    let source = pieces(&[
        ("header", Origin::Header, header),
        (
            "signature",
            Origin::Generated,
            "template <typename T>\n[[kernel]] void generated(const device T* a [[buffer(0)]], \
             device T* out [[buffer(1)]], uint3 thread_position_in_grid \
             [[thread_position_in_grid]]) {\n",
        ),
        ("source", Origin::Source, body),
        (
            "end",
            Origin::Generated,
            "}\ntemplate [[host_name(\"generated_float\")]] [[kernel]] \
             decltype(generated<float>) generated<float>;\n",
        ),
    ]);
    let last_resort =
        last_resort.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    compile(&source, &Options { last_resort, ..Options::default() })
}

const BODY: &str =
    "uint elem = thread_position_in_grid.x;\nT tmp = a[elem];\nout[elem] = helper(tmp);\n";

fn float() -> TemplateValue {
    TemplateValue::Type("float".into())
}

#[test]
fn a_header_may_use_the_launch_s_template_arguments() {
    let header = "inline T helper(T v) { return metal::exp(v); }\n";
    let compilation = launch(header, BODY, &[("T", float())]);
    assert!(compilation.module.is_some(), "{}", compilation.report());
    assert_eq!(compilation.kernels[0].name, "generated_float");
    let without = launch(header, BODY, &[]);
    assert!(without.has_errors());
}

#[test]
fn every_declaration_wins_over_the_launch_s_template_arguments() {
    let headers = [
        "typedef half T;\ninline float helper(float v) { static_assert(sizeof(T) == 2, \"\"); return v; }",
        "using T = half;\ninline float helper(float v) { static_assert(sizeof(T) == 2, \"\"); return v; }",
        "#define T half\ninline float helper(float v) { static_assert(sizeof(T) == 2, \"\"); return v; }\n#undef T",
        "template <typename T> T helper(T v) { return v + T(1); }",
        "struct T { float v; };\ninline float helper(float v) { T t = {v}; return t.v; }",
        "constant float T = 2;\ninline float helper(float v) { return v * T; }",
        "inline float T(float v) { return v; }\ninline float helper(float v) { return T(v); }",
    ];
    for header in headers {
        let compilation = launch(header, BODY, &[("T", float())]);
        assert!(compilation.module.is_some(), "{header}\n{}", compilation.report());
    }
}

#[test]
fn integers_and_truth_values_are_last_resorts_too() {
    let header = "inline float helper(float v) { float a[N]; a[0] = v; return FLAG ? a[0] : 0; }";
    let given = [("N", TemplateValue::Int(4)), ("FLAG", TemplateValue::Bool(true))];
    let compilation = launch(header, BODY, &given);
    assert!(compilation.module.is_some(), "{}", compilation.report());
}

#[test]
fn errors_are_placed_in_the_user_s_own_text() {
    let compilation = launch(
        "inline float helper(float v) {\n  return v +;\n}\n",
        "uint elem = 0;\nout[elem] = helper(missing);\n",
        &[],
    );
    let places: Vec<_> = compilation
        .diagnostics
        .iter()
        .filter_map(|d| compilation.session.map.place(d.primary().first))
        .map(|place| (place.file.to_string(), place.line))
        .collect();
    assert!(places.contains(&("source".into(), 2)), "{}", compilation.report());
    assert!(places.contains(&("header".into(), 2)), "{}", compilation.report());
}

#[test]
fn kernels_are_described() {
    let compilation = check(
        "kernel void k(device const float* x [[buffer(2)]], constant int& n [[buffer(5)]], \
         threadgroup half* s [[threadgroup(0)]], device int* y, \
         ushort2 p [[thread_position_in_grid]]) { y[p.x] = n; }",
    );
    let roles: Vec<_> = compilation.kernels[0].params.iter().map(|param| param.role).collect();
    let expected = [
        ParamRole::Buffer(2),
        ParamRole::Buffer(5),
        ParamRole::Threadgroup(0),
        ParamRole::Buffer(6),
        ParamRole::Attribute(ir::Attribute::ThreadPositionInGrid),
    ];
    assert_eq!(roles, expected);
    assert_eq!(compilation.kernels[0].params[0].ty, "const device float*");
}

#[test]
fn function_constants_are_values_of_the_compilation() {
    let text = "constant bool fast [[function_constant(0)]];\n\
                constant int n [[function_constant(1)]];\n\
                kernel void k(device int* out) { int a[n]; a[0] = 1; if (fast) out[0] = n + a[0]; }";
    let missing = compile(&file(text), &Options::default());
    assert!(missing.diagnostics.iter().any(|d| d.code.name == "function-constant"));
    let function_constants = vec![(0, FunctionConstant::Bool(true)), (1, FunctionConstant::Int(7))];
    let given = compile(&file(text), &Options { function_constants, ..Options::default() });
    assert!(given.module.is_some(), "{}", given.report());
}

#[test]
fn ir_keeps_names_loops_and_calls() {
    let compilation = check(
        "inline float half_of(float v) { return v * 0.5f; }\n\
         kernel void k(device float* out, constant int& n) {\n\
           for (int i = 0; i < n; ++i) out[i] = half_of(out[i]);\n}",
    );
    let text = compilation.module.as_ref().map(ir::print).unwrap_or_default();
    for part in ["\"half_of\"", "var \"i\"", "loop", "call", "element"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

/// The lines of the IR in which a kernel loads or stores.
fn accesses(text: &str) -> Vec<String> {
    let compilation = check(text);
    let module = ir::print(compilation.module.as_ref().expect("a module"));
    let is_access = |line: &&str| line.contains("load ") || line.trim().starts_with("store ");
    module.lines().filter(is_access).map(str::to_string).collect()
}

#[test]
fn qualifiers_of_memory_reach_every_access() {
    let accesses = accesses(
        "struct S { float4 v; uint a[2]; };\n\
         uint pick(coherent device uint* p, uint i) { return p[i]; }\n\
         kernel void k(coherent(device) device S* s [[buffer(0)]], volatile device uint* v \
         [[buffer(1)]], device uint* plain [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n\
           coherent device S& one = s[i];\n\
           one.a[1] = v[i];\n\
           s->v.y = 2;\n\
           plain[i] = pick(one.a, 0);\n\
         }\n",
    );
    let count = |word: &str| accesses.iter().filter(|line| line.contains(word)).count();
    assert_eq!(count(" volatile"), 1, "{accesses:#?}");
    assert_eq!(count(" coherent"), 3, "{accesses:#?}");
}

#[test]
fn the_language_and_the_library_compile() {
    check(include_str!("features.metal"));
    check(include_str!("library.metal"));
}

#[test]
fn unused_code_costs_and_says_nothing() {
    check(
        "template <typename T> void never(T x) { x.does_not_exist(); undeclared_type y; }\n\
         float unused(float x) { return also_undeclared(x); }\n\
         struct Odd { void method() { nothing_here(); } };\n\
         kernel void k(device float* out) { out[0] = 1; }",
    );
}

#[test]
fn limits_are_errors_with_a_code() {
    let deep = format!(
        "kernel void k(device int* o) {{ o[0] = {}1{}; }}",
        "(".repeat(5000),
        ")".repeat(5000)
    );
    let cases = [
        (deep.as_str(), "nested-too-deep"),
        (
            "template <int N> int f() { return f<N + 1>(); }\n\
             kernel void k(device int* o) { o[0] = f<0>(); }",
            "instantiation-depth",
        ),
        (
            "template <int N> struct S { static constexpr constant int v = S<N + 1>::v; };\n\
             kernel void k(device int* o) { o[0] = S<0>::v; }",
            "instantiation-depth",
        ),
        (
            "constexpr int spin() { int i = 0; while (true) { i++; } return i; }\n\
             constant int x = spin();\nkernel void k(device int* o) { o[0] = x; }",
            "constant-limit",
        ),
        ("kernel void k(device int* o) { threadgroup float a[100000]; o[0] = a[1]; }", "too-large"),
        ("using A = A;\nkernel void k(device int* o) { A a; o[0] = a; }", "bad-type"),
        ("struct S { S s; };\nkernel void k(device int* o) { S s; o[0] = 1; }", "incomplete"),
    ];
    for (text, code) in cases {
        let compilation = compile(&file(text), &Options::default());
        let codes: Vec<_> = compilation.diagnostics.iter().map(|d| d.code.name).collect();
        assert!(codes.contains(&code), "{text:.60}: {codes:?}");
        assert!(compilation.module.is_none());
    }
}

/// A broken program gets diagnostics, never a panic.
#[test]
fn no_text_panics() {
    const TEXT: &str = include_str!("features.metal");
    let words: Vec<&str> =
        TEXT.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_').collect();
    cases(40, |rng| {
        let mut mutated: Vec<&str> = words.clone();
        for _ in 0..rng.usize(1..5) {
            let (a, b) = (rng.usize(..mutated.len()), rng.usize(..mutated.len()));
            match rng.usize(..4) {
                0 => {
                    mutated.remove(a);
                }
                1 => mutated.insert(a, words[b % words.len()]),
                2 => mutated.swap(a, b),
                _ => mutated.truncate(a.max(1)),
            }
        }
        let text = mutated.concat();
        let result = std::panic::catch_unwind(|| compile(&file(&text), &Options::default()));
        let compilation = result.unwrap_or_else(|_| panic!("panics:\n{text}"));
        if compilation.module.is_none() {
            let errors =
                compilation.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
            assert!(errors > 0, "no module and no error\n{text}");
            let internal = compilation.diagnostics.iter().any(|d| d.code.name == "internal");
            assert!(!internal, "{text}\n{}", compilation.report());
        }
    });
}
