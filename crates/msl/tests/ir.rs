//! The IR's text form, builder and verifier.

use anymetal_msl::ir::*;

/// Every kind of instruction once, in text.
const EVERYTHING: &str = include_str!("everything.ir");

fn round_trip(text: &str) -> Module {
    let module = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let printed = print(&module);
    let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(print(&again), printed);
    module
}

/// Checks that the body of a function without parameters is refused with `message`.
fn refused(body: &str, message: &str) {
    let module = parse(&format!("fn 0 \"f\" () {{\n{body}\n}}")).expect("parses");
    let error = verify(&module).expect_err(body);
    assert!(error.message.contains(message), "{body}: {error}");
}

#[test]
fn everything_round_trips_and_verifies() {
    let module = round_trip(EVERYTHING);
    verify(&module).unwrap_or_else(|error| panic!("{error}"));
    // The file itself is in the printed form.
    assert_eq!(print(&module), EVERYTHING);
}

#[test]
fn builder_makes_canonical_form() {
    let mut module = Module::default();
    let pointer = module.types.pointer(Space::Device, Type::F32);
    let mut b = Builder::new(&mut module, "k", None);
    let out = b.param("out", pointer, Passing::Value);
    let i = b.var("i", Type::I32, None);
    let zero = b.i32(0);
    b.store(i, zero, Access::PLAIN);
    let (outer, body) = b.open_loop(LoopStyle::For, Unroll::Full);
    let now = b.load(i, Type::I32, Access::PLAIN);
    let limit = b.i32(10);
    let more = b.compare(CompareOp::Lt, now, limit);
    b.open_body(Some(more));
    let at = b.element(out, Type::F32, now);
    let one = b.f32(1.5);
    b.store(at, one, Access::PLAIN);
    let stop = b.bool(false);
    b.open_if(stop, &[]);
    b.exit(outer, &[]);
    // Dead code is dropped, whatever it opens.
    b.open_switch(now);
    b.open_case(&[1], false);
    b.exit(body, &[]);
    b.open_case(&[], true);
    b.close();
    b.open_else();
    b.exit(body, &[]);
    b.close();
    b.open_continue();
    let now = b.load(i, Type::I32, Access::PLAIN);
    let step = b.i32(1);
    let next = b.binary(BinaryOp::Add, now, step);
    b.store(i, next, Access::PLAIN);
    b.close();
    b.ret(None);
    let function = b.finish();
    let element = Type::F32;
    let name = "out".to_string();
    let binding = Binding::Buffer(0);
    let param = KernelParam { name, binding, element, writable: true, reference: false };
    let name = "k".to_string();
    module.kernels.push(Kernel { name, function, params: vec![param], max_threads: None });
    verify_canonical(&module).unwrap_or_else(|error| panic!("{error}"));
    let text = print(&module);
    assert!(!text.contains("switch"), "{text}");
    round_trip(&text);
}

#[test]
fn constants_keep_their_bits() {
    for bits in [0u32, 1, 0x8000_0000, 0x3f80_0001, 0x7f80_0000, 0x7fc0_0001, 0xffff_ffff] {
        for scalar in [Scalar::F32, Scalar::F16, Scalar::BF16, Scalar::I32, Scalar::U16] {
            let bits = u64::from(bits) & (u64::MAX >> (64 - scalar.bits()));
            let (text, ty) = (constant_text(Some(scalar), bits), scalar.name());
            let module = round_trip(&format!("fn 0 \"f\" () {{ %0: {ty} = const {text} }}"));
            assert_eq!(module.functions[0].insts[0].op, Op::Const(bits), "{ty} {text}");
        }
    }
}

#[test]
fn layout_is_metals() {
    let mut types = Types::default();
    let float3 = types.vector(Scalar::F32, 3);
    let half3 = types.vector(Scalar::F16, 3);
    let packed3 = types.packed(Scalar::F32, 3);
    let bool3 = types.vector(Scalar::Bool, 3);
    let matrix = types.matrix(Scalar::F16, 4, 3);
    let sizes = [float3, half3, packed3, bool3, matrix].map(|ty| (types.size(ty), types.align(ty)));
    assert_eq!(sizes, [(16, 16), (8, 8), (12, 4), (4, 4), (32, 8)]);
    let fields = [("a", Type::U8), ("b", float3), ("c", packed3), ("d", Type::F16)];
    let layout = Struct::new("S", &fields, &types);
    let offsets: Vec<u64> = layout.fields.iter().map(|field| field.offset).collect();
    assert_eq!((offsets, layout.size, layout.align), (vec![0, 16, 32, 44], 48, 16));
}

#[test]
fn verifier_refuses() {
    refused("%0: i32 = const 1\n%1: f32 = add %0, %0", "types differ");
    refused("%0: f32 = const 1.0\n%1: f32 = and %0, %0", "does not exist for this type");
    refused("exit ^0\nexit ^0", "follows a terminator");
    refused("%0: bool = const true\ntest %0", "outside a loop's header");
    refused("%0: bool = const true\n%1: i32 = if ^1 %0 {\n}", "without the values");
    refused("block ^1 {\n}\nexit ^1", "does not enclose");
    refused("block ^1 {\n%0: i32 = const 1\n}\n%1: i32 = neg %0", "not visible");
    refused("call 0 ()", "calls itself");
    refused("%0: ptr<constant, i32> = const 0\nzero %0, i32", "writable memory");
    refused("%0: i32x2 = const 1\n%1: i32 = extract %0, 2", "no such component");
    refused("%0: u16 = attribute thread_index_in_simdgroup", "attributes are u32");
    refused(
        "loop ^1 ^2 while {\n} body {\n%0: i32 = const 1\n} next {\n%1: i32 = neg %0\n}",
        "not visible",
    );
    let cyclic = parse("struct $0 \"S\" size 8 align 8 { \"s\": [2 x $0] @0 }").expect("parses");
    assert!(verify(&cyclic).is_err());
}

#[test]
fn parser_reports_lines() {
    let error = parse("fn 0 \"f\" () {\n  %0: i32 = const 1\n  %1: i32 = neg %7\n}").unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (3, "%7 is not defined yet"));
    for text in ["fn", "fn 0", "struct $99999999 ", "%", "fn 0 \"x", "global 0 \"a\" thread [", ""]
    {
        let _ = parse(text);
    }
}
