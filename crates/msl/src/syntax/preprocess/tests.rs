//! Tests of the preprocessor: text in, the parser's tokens out, written with blanks between them.

use std::fmt::Write;

use super::{Limits, Options, preprocess};
use crate::Session;
use crate::diagnostic::{Origin, Severity};
use crate::syntax::token::{Token, TokenKind};

/// The tokens as text, and the diagnostics as `line:column: code message` lines.
fn run(text: &str, options: &Options) -> (String, String) {
    let mut session = Session::new();
    let file = session.add_file("source", Origin::Source, text);
    let tokens = preprocess(&mut session, &[file], options);
    let mut problems = String::new();
    for diagnostic in session.diagnostics() {
        let place = session.map.place(diagnostic.primary().first);
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.column));
        let kind = if diagnostic.severity == Severity::Error { "" } else { "warning: " };
        let _ = writeln!(problems, "{line}:{column}: {kind}{}", diagnostic.message);
    }
    (written(&session, &tokens), problems)
}

fn written(session: &Session, tokens: &[Token]) -> String {
    let texts = tokens.iter().map(|token| match token.kind {
        TokenKind::Ident(name) => session.text(name).to_owned(),
        TokenKind::Keyword(keyword) => keyword.text().to_owned(),
        TokenKind::Punct(punct) => punct.text().to_owned(),
        TokenKind::Int { value, .. } => value.to_string(),
        TokenKind::Float { value, .. } => format!("{value:?}"),
        TokenKind::Char(value) => format!("'{value}'"),
        TokenKind::Str(text) => format!("{:?}", session.text(text)),
        TokenKind::Pragma(pragma) => format!("{pragma:?}"),
        TokenKind::End => String::new(),
    });
    let texts: Vec<String> = texts.collect();
    texts.join(" ").trim_end().to_owned()
}

/// `text` becomes `expected`, without a word.
#[track_caller]
fn check(text: &str, expected: &str) {
    check_with(text, &Options::default(), expected, "");
}

/// `text` becomes `expected`, with these diagnostics.
#[track_caller]
fn check_with(text: &str, options: &Options, expected: &str, problems: &str) {
    assert_eq!(run(text, options), (expected.to_owned(), problems.to_owned()), "{text}");
}

#[track_caller]
fn check_problems(text: &str, expected: &str, problems: &str) {
    check_with(text, &Options::default(), expected, problems);
}

#[test]
fn tokens_pass() {
    check("int x = 1u + 2.5f; // ü\r\n/* 中 */ y", "int x = 1 + 2.5 ; y");
    check("\"a\" \"b\\n\" 'c'", "\"ab\\n\" '99'");
    check("a and not b", "a && ! b");
}

#[test]
fn object_macros() {
    check("#define N 4\n#define M (N + N)\nM", "( 4 + 4 )");
    check("#define A B\n#define B A\nA B", "A B");
    check("#define LONG 1 + \\\n  2 + \\\r\n  3\nLONG", "1 + 2 + 3");
    check("#define E\nE x E", "x");
    check("#define N 1\n#undef N\nN", "N");
}

#[test]
fn function_macros() {
    check("#define ADD(a, b) ((a) + (b))\nADD(1, ADD(2, 3))", "( ( 1 ) + ( ( ( 2 ) + ( 3 ) ) ) )");
    check("#define F(x) x\nF F (1) F\n(2)", "F 1 2");
    check("#define F() f\nF() F ( ) F", "f f F");
    check("#define F(x) [x]\nF() F((a, b)) F(a\n#define Q 1\n Q)", "[ ] [ ( a , b ) ] [ a 1 ]");
    check("#define F (x)\nF", "( x )");
}

#[test]
fn examples_of_the_standard() {
    // C++14 16.3.5 [cpp.rescan] examples 3, 4, 5 and 7.
    let text = "#define x 3\n#define f(a) f(x * (a))\n#undef x\n#define x 2\n#define g f\n\
        #define z z[0]\n#define h g(~\n#define m(a) a(w)\n#define w 0,1\n#define t(a) a\n\
        #define p() int\n#define q(x) x\n#define r(x,y) x ## y\n#define str(x) # x\n";
    check(
        &format!("{text}f(y+1) + f(f(z)) % t(t(g)(0) + t)(1);"),
        "f ( 2 * ( y + 1 ) ) + f ( 2 * ( f ( 2 * ( z [ 0 ] ) ) ) ) % \
         f ( 2 * ( 0 ) ) + t ( 1 ) ;",
    );
    check(
        &format!("{text}g(x+(3,4)-w) | h 5) & m\n(f)^m(m);"),
        "f ( 2 * ( 2 + ( 3 , 4 ) - 0 , 1 ) ) | f ( 2 * ( ~ 5 ) ) & f ( 2 * ( 0 , 1 ) ) ^ m ( 0 , 1 ) ;",
    );
    check(
        &format!("{text}p() i[q()] = {{ q(1), r(2,3), r(4,), r(,5), r(,) }};"),
        "int i [ ] = { 1 , 23 , 4 , 5 , } ;",
    );
    check(
        &format!("{text}str(strncmp(\"abc\\0d\", \"abc\", '\\4') == 0) str(: @\\n)"),
        "\"strncmp(\\\"abc\\\\0d\\\", \\\"abc\\\", '\\\\4') == 0: @\\n\"",
    );
    let hash = "#define hash_hash # ## #\n#define mkstr(a) # a\n#define in_between(a) mkstr(a)\n\
        #define join(c, d) in_between(c hash_hash d)\njoin(x, y)";
    check(hash, "\"x ## y\"");
    let t = "#define t(x,y,z) x ## y ## z\nint j[] = { t(1,2,3), t(,4,5), t(6,,7), t(8,9,),\n\
        t(10,,), t(,11,), t(,,12), t(,,) };";
    check(t, "int j [ ] = { 123 , 45 , 67 , 89 , 10 , 11 , 12 , } ;");
}

#[test]
fn variadic_macros() {
    check(
        "#define F(...) f(__VA_ARGS__)\nF() F(1) F(1, (2, 3))",
        "f ( ) f ( 1 ) f ( 1 , ( 2 , 3 ) )",
    );
    check(
        "#define F(a, ...) f(a, ## __VA_ARGS__)\nF(1) F(1,) F(1, 2, 3)",
        "f ( 1 ) f ( 1 ) f ( 1 , 2 , 3 )",
    );
    check("#define F(a, r...) f(a r)\nF(1, 2, 3)", "f ( 1 2 , 3 )");
    check(
        "#define F(a, ...) f(a __VA_OPT__(, x ## a,) __VA_ARGS__)\nF(1) F(1, 2)",
        "f ( 1 ) f ( 1 , x1 , 2 )",
    );
    check("#define S(...) #__VA_ARGS__\nS(a,  b)", "\"a, b\"");
}

#[test]
fn pasting() {
    check("#define J(a, b) a##b\nJ(x, 1) J(<, <=) J(1, .5f) J(., 5)", "x1 <<= 1.5 0.5");
    check("#define J(a, b) a##b\n#define AB 7\nJ(A, B)", "7");
    check_problems(
        "#define J(a, b) a##b\nJ(+, x)",
        "+ x",
        "2:1: `##` makes `+x`, which is not one token\n",
    );
}

#[test]
fn conditionals() {
    check("#if 1\na\n#else\nb\n#endif", "a");
    check("#if 0\na\n#elif 1\nb\n#elif 1\nc\n#else\nd\n#endif\ne", "b e");
    check("#ifdef X\na\n#if 1\nq\n#endif\n#else\nb\n#endif\n#ifndef X\nc\n#endif", "b c");
    check("#if 0\nit's \"fine /* here\n*/ #endif\n#endif\nx", "x");
    check("#if defined(__has_feature) && !__has_feature(x(y)) || 0\ny\n#endif", "y");
    check("#define X 2\n#if defined(X) && X > 1 && !defined Y\ny\n#endif", "y");
    check("#if __METAL_VERSION__ >= 310 && defined(__METAL__)\ny\n#endif", "y");
    check("#define HAS defined(__METAL__)\n#if HAS\ny\n#endif", "y");
    check("#if __has_include(<metal_stdlib>) && !__has_include(\"no.h\")\ny\n#endif", "y");
}

#[test]
fn conditions() {
    let holds = |condition: &str| check(&format!("#if {condition}\ny\n#else\nn\n#endif"), "y");
    for condition in [
        "1 + 2 * 3 == 7",
        "(1 ? 2 : 1 / 0) == 2",
        "0 && 1 / 0 || 1",
        "-1 < 0",
        "-1 > 0u",
        "~0 == -1",
        "1 << 4 == 0x10",
        "-8 >> 1 == -4",
        "7 % 4 == 3 && 7 / -2 == -3",
        "'a' == 97",
        "true && !false && !unknown",
        "(2 | 1) == 3 && (6 & 3) == 2 && (6 ^ 3) == 5",
        "0x7fffffffffffffff + 1 < 0",
        "1 ? 0 ? 0 : 1 : 0",
    ] {
        holds(condition);
    }
    check_problems("#if\n#endif", "", "1:2: expected a value\n");
    check_problems("#if 1 +\n#endif", "", "1:7: expected a value\n");
    check_problems("#if (1\n#endif", "", "1:6: expected `)`\n");
    check_problems("#if 1 2\n#endif", "", "1:7: expected an operator\n");
    check_problems("#if 1 / 0\n#endif", "", "1:7: division by zero\n");
    check_problems("#if 1.0\n#endif", "", "1:5: conditions are integer expressions\n");
    check_problems(
        "#if defined(\n#endif",
        "",
        "1:5: `defined` needs a name, in parentheses or not\n",
    );
}

#[test]
fn directives() {
    check("#\n# 3 \"x\"\n#line 7\n#pragma mark - x\nx", "x");
    check_problems(
        "#error it's wrong\nx\n#warning careful",
        "x",
        "1:2: it's wrong\n3:2: warning: careful\n",
    );
    check_problems("#inculde <a>\n", "", "1:2: unknown directive `#inculde`\n");
    check_problems(
        "#endif\n#if 1\n",
        "",
        "1:2: `#endif` without `#if`\n2:1: this conditional has no `#endif`\n",
    );
    check_problems("#if 0\n#else\n#else\n#endif", "", "3:2: `#else` after `#else`\n");
    check_problems(
        "#define\n#define 1\n",
        "",
        "1:2: `#define` needs a name\n2:9: `#define` needs a name\n",
    );
    check_problems(
        "#define A 1\n#define A 1\n#define A 2\nA",
        "2",
        "3:9: warning: macro `A` is defined again with another body\n",
    );
    check_problems("#define F(a\n", "", "1:11: the parameters have no `)`\n");
    check_problems("#define F(a, a) a\n", "", "1:14: two parameters have the same name\n");
    check_problems("#define F(a) #b\n", "", "1:14: `#` needs a parameter after it\n");
    check_problems("#define F a ##\n", "", "1:13: `##` needs a token on both sides\n");
}

#[test]
fn wrong_uses() {
    check_problems("#define F(a) a\nF(1, 2)", "F", "2:1: macro `F` takes 1 argument, 2 given\n");
    check_problems("#define F(a, b) a\nF(1", "F", "2:1: the arguments of macro `F` have no end\n");
    check_problems("x = 'é\"; \u{201c}", "x = '233'", "1:5: unterminated character literal\n");
    check_problems("a \u{201c} b", "a b", "1:3: unexpected character `\u{201c}` (U+201C)\n");
    check_problems("1x", "1", "1:1: invalid suffix `x` on an integer\n");
    check_problems("a /* b", "a", "1:3: unterminated comment\n");
}

#[test]
fn built_in_macros() {
    check("__LINE__\n__LINE__ __FILE__ __COUNTER__ __COUNTER__", "1 2 \"source\" 0 1");
    check("#define L __LINE__\n\nL", "3");
}

#[test]
fn pragmas() {
    check("#pragma unroll\nfor", "Unroll(Enable) for");
    check(
        "#define K 4\n#pragma unroll K\n#pragma unroll(8)\nfor",
        "Unroll(Count(4)) Unroll(Count(8)) for",
    );
    check("#define U _Pragma(\"clang loop unroll(full)\")\nU for", "Unroll(Full) for");
    check("{ _Pragma(\"METAL internals : enable\") }", "{ Internals(true) }");
    check(
        "#pragma clang fp contract(off)\n#pragma METAL fp math_mode(relaxed)\n#pragma GCC x\n",
        "FpContract(false) MathMode(Relaxed)",
    );
    check_problems("_Pragma(1) x", "x", "1:1: `_Pragma` needs a string in parentheses\n");
}

#[test]
fn headers() {
    let mut options = Options::default();
    for (name, text) in [
        ("a.h", "#pragma once\n#include \"sub/b.h\"\na"),
        ("sub/b.h", "#ifndef B\n#define B\n#include \"c.h\"\nb\n#endif"),
        ("sub/c.h", "#include \"../a.h\"\nc"),
        ("self.h", "#include \"self.h\""),
        ("open.h", "#if 1\no"),
    ] {
        options.headers.insert(name.to_owned(), text.into());
    }
    check_with(
        "#include <metal_stdlib>\n#include \"a.h\"\n#include <a.h> // x\n#include \"sub/b.h\"\nx",
        &options,
        "c b a x",
        "",
    );
    check_with(
        "#define H \"a.h\"\n#include H\n#define G <sub/c.h>\n#include G",
        &options,
        "c b a c",
        "",
    );
    check_with(
        "#include \"self.h\"\n",
        &options,
        "",
        "1:10: headers include each other more than 64 deep\n",
    );
    check_with(
        "#include \"open.h\"\nx",
        &options,
        "o x",
        "1:1: this conditional has no `#endif`\n",
    );
    check_with(
        "#include \"d.h\"\n#include\nx",
        &options,
        "x",
        "1:10: header `d.h` is not known\n2:2: `#include` needs a header's name in quotes or angle brackets\n",
    );
}

#[test]
fn definitions_from_outside() {
    let defines = vec![("N".to_owned(), None), ("F(x)".to_owned(), Some("x\ny".to_owned()))];
    let options = Options { defines, ..Options::default() };
    check_with("N F(2)", &options, "1 2 y", "");
}

#[test]
fn limits() {
    let limits = Limits { tokens: 10_000, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let mut bomb = String::from("#define A0 x x\n");
    for i in 1..64 {
        let _ = writeln!(bomb, "#define A{i} A{} A{}", i - 1, i - 1);
    }
    bomb.push_str("A63");
    let (_, problems) = run(&bomb, &options);
    assert_eq!(problems, "65:1: macros and texts make more than 10000 tokens\n");
    let deep = format!("#define F(x) x\n{}1{}", "F(".repeat(5000), ")".repeat(5000));
    let (_, problems) = run(&deep, &Options::default());
    assert!(problems.contains("nested more than 200 deep"), "{problems}");
    let condition = format!("#if {}1{}\n#endif", "(".repeat(5000), ")".repeat(5000));
    let (_, problems) = run(&condition, &Options::default());
    assert!(problems.contains("nested more than 200 deep"), "{problems}");
    let minus = format!("#if -{}1\n#endif", "!".repeat(5000));
    let (_, problems) = run(&minus, &Options::default());
    assert!(problems.contains("nested more than 200 deep"), "{problems}");
}

#[test]
fn layers_see_macros_below() {
    let mut prelude = Session::new();
    let file = prelude.add_file("prelude", Origin::Prelude, "#define P(x) x + 1\n#define Q 3\n");
    preprocess(&mut prelude, &[file], &Options::default());
    let frozen = prelude.freeze();
    let mut session = Session::on(&frozen);
    let file = session.add_file("source", Origin::Source, "P(Q) __METAL_VERSION__\n#undef Q\nQ");
    let tokens = preprocess(&mut session, &[file], &Options::default());
    assert_eq!(written(&session, &tokens), "3 + 1 320 Q");
    let place = session.map.place(tokens[0].span).expect("a token has a place");
    assert_eq!((&*place.file, place.line, place.column), ("source", 1, 3));
    assert!(session.diagnostics().is_empty());
}
