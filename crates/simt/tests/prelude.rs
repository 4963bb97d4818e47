//! The prelude's own names end to end: limits, constants, matrices, lanes, atomics, and what MLX
//! adds for custom kernels.

mod support;

use support::random::fresh;
use support::run;

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(4).map(|part| u32::from_le_bytes(part.try_into().expect("four bytes"))).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    words(bytes).into_iter().map(f32::from_bits).collect()
}

fn float_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn word_bytes(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Each expression, of type `ty`, gives the bits expected.
#[track_caller]
fn check_values(ty: &str, header: &str, cases: &[(&str, u64)]) {
    let mut body = String::new();
    for (at, (expression, _)) in cases.iter().enumerate() {
        body += &format!("  {{ {ty} r = {expression}; out[{at}] = as_type<U>(r); }}\n");
    }
    let size = match ty {
        "bool" | "char" | "uchar" => 1,
        "half" | "bfloat" | "short" | "ushort" => 2,
        "long" | "ulong" => 8,
        _ => 4,
    };
    let unsigned = ["", "uchar", "ushort", "", "uint", "", "", "", "ulong"][size];
    let text = format!(
        "#include <metal_stdlib>\nusing namespace metal;\n{header}\ntypedef {unsigned} U;\n\
         kernel void k(device U* out [[buffer(0)]]) {{\n{body}}}\n"
    );
    let bytes = run(&text, &[], cases.len() * size, 1);
    for (at, (expression, want)) in cases.iter().enumerate() {
        let mut all = [0u8; 8];
        all[..size].copy_from_slice(&bytes[at * size..(at + 1) * size]);
        assert_eq!(u64::from_le_bytes(all), *want, "{expression}");
    }
}

#[test]
fn limits_and_constants() {
    let bits = |value: f32| u64::from(value.to_bits());
    check_values(
        "float",
        "constant float table[2] = {-INFINITY, M_PI_F};",
        &[
            ("INFINITY", bits(f32::INFINITY)),
            ("table[0]", bits(f32::NEG_INFINITY)),
            ("table[1]", bits(std::f32::consts::PI)),
            ("NAN", 0x7fc0_0000),
            ("MAXFLOAT", bits(f32::MAX)),
            ("FLT_EPSILON", bits(f32::EPSILON)),
            ("numeric_limits<float>::max()", bits(f32::MAX)),
            ("numeric_limits<float>::lowest()", bits(f32::MIN)),
            ("numeric_limits<float>::min()", bits(f32::MIN_POSITIVE)),
            ("metal::numeric_limits<float>::infinity()", bits(f32::INFINITY)),
            ("numeric_limits<float>::denorm_min()", 1),
            ("numeric_limits<float>::quiet_NaN()", 0x7fc0_0000),
            ("Limits<float>::min", bits(f32::NEG_INFINITY)),
            ("Limits<float>::finite_min", bits(f32::MIN)),
            ("fast::exp(0.0f) + precise::exp(0.0f)", bits(2.0)),
            ("log1p(1e-20f)", bits(1e-20)),
            ("ceildiv(7, 2u)", bits(4.0)),
            ("hypot(3.0f, 4.0f)", bits(5.0)),
        ],
    );
    check_values(
        "half",
        "",
        &[
            ("numeric_limits<half>::max()", 0x7bff),
            ("numeric_limits<half>::infinity()", 0x7c00),
            ("Limits<half>::min", 0xfc00),
            ("Limits<float16_t>::finite_min", 0xfbff),
            ("MAXHALF", 0x7bff),
        ],
    );
    check_values(
        "bfloat",
        "",
        &[
            ("numeric_limits<bfloat>::max()", 0x7f7f),
            ("Limits<bfloat16_t>::max", 0x7f80),
            ("uint16_to_bfloat16(0x3f80)", 0x3f80),
        ],
    );
    check_values(
        "int",
        "",
        &[
            ("numeric_limits<int>::min()", 0x8000_0000),
            ("numeric_limits<uchar>::max()", 255),
            ("Limits<int>::max", 0x7fff_ffff),
            ("INT_MIN", 0x8000_0000),
            ("WorkPerThread<half>::n", 4),
            ("REDUCE_N_READS", 4),
            ("numeric_limits<float>::digits", 24),
            ("int(cast_to<bool>(NAN)) * 2 + int(cast_to<bool>(-0.0f))", 2),
            ("int(is_same<ConditionalType<true, int, float>::type, int>::value)", 1),
            ("int(is_same_v<conditional_t<false, int, float>, float>)", 1),
            ("int(integral_constant<int, 5>::value + true_type::value)", 6),
        ],
    );
    check_values(
        "ulong",
        "",
        &[
            ("numeric_limits<ulong>::max()", u64::MAX),
            ("ulong(numeric_limits<long>::min())", 1 << 63),
        ],
    );
}

#[test]
fn matrices() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(const device float* x [[buffer(0)]], device float* out [[buffer(1)]],\n\
        uint i [[thread_position_in_grid]]) {\n\
        float2x2 a; float3x3 b; float4x4 c; float2x3 d;\n\
        for (int r = 0; r < 2; ++r) for (int s = 0; s < 2; ++s) a[r][s] = x[4 * r + s];\n\
        for (int r = 0; r < 3; ++r) for (int s = 0; s < 3; ++s) b[r][s] = x[4 * r + s];\n\
        for (int r = 0; r < 4; ++r) for (int s = 0; s < 4; ++s) c[r][s] = x[4 * r + s];\n\
        for (int r = 0; r < 2; ++r) for (int s = 0; s < 3; ++s) d[r][s] = x[4 * r + s];\n\
        out[0] = determinant(a); out[1] = determinant(b); out[2] = determinant(c);\n\
        float3x2 t = transpose(d);\n\
        out[3] = t[2][1]; out[4] = t[0][1]; out[5] = t[1][0];\n}\n";
    let mut rng = fresh();
    let x: Vec<f32> = (0..16).map(|_| rng.usize(..19) as f32 - 9.0).collect();
    let out = floats(&run(text, &[float_bytes(&x)], 24, 1));
    // Small integers: every step is exact.
    fn determinant(m: &[Vec<f64>]) -> f64 {
        if m.len() == 1 {
            return m[0][0];
        }
        (0..m.len())
            .map(|column| {
                let minor: Vec<Vec<f64>> = m[1..]
                    .iter()
                    .map(|row| {
                        let others = row.iter().enumerate().filter(|(at, _)| *at != column);
                        others.map(|(_, value)| *value).collect()
                    })
                    .collect();
                let sign = if column % 2 == 0 { 1.0 } else { -1.0 };
                sign * m[0][column] * determinant(&minor)
            })
            .sum()
    }
    for n in 2..=4 {
        let m: Vec<Vec<f64>> =
            (0..n).map(|r| (0..n).map(|s| f64::from(x[4 * r + s])).collect()).collect();
        assert_eq!(f64::from(out[n - 2]), determinant(&m), "{n}");
    }
    assert_eq!(out[3..], [x[4 + 2], x[4], x[1]]);
}

#[test]
fn lanes() {
    // 40 threads: a full simdgroup and a partial one of 8 lanes.
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(const device float* x [[buffer(0)]], device float* out [[buffer(1)]],\n\
        uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {\n\
        device float* o = out + 16 * i;\n\
        o[0] = simd_sum(x[i]); o[1] = simd_max(half(x[i])); o[2] = simd_prefix_exclusive_sum(x[i]);\n\
        o[3] = simd_shuffle_down(x[i], 2); o[4] = simd_shuffle_xor(x[i], ushort(1));\n\
        o[5] = simd_broadcast(x[i], 3); o[6] = simd_broadcast_first(x[i]);\n\
        o[7] = float(ulong((simd_vote::vote_t)simd_ballot(x[i] > 0.0f)) & 0xffff);\n\
        o[8] = quad_sum(x[i]); o[9] = simd_any(x[i] > 30.0f) ? 1.0f : 0.0f;\n\
        bfloat2 p = simd_sum(bfloat2(bfloat(x[i]), bfloat(1.0f))); o[10] = float(p.y);\n\
        o[11] = float(simd_shuffle(ulong(i) << 40, ushort(1)) >> 40);\n\
        complex64_t c = simd_shuffle_up(complex64_t(x[i], -x[i]), 1); o[12] = c.imag;\n\
        o[13] = simd_shuffle_and_fill_up(x[i], 99.0f, ushort(1));\n\
        o[14] = float(simd_active_threads_mask().any());\n\
        o[15] = float(__metal_get_thread_index_in_simdgroup(ushort()));\n}\n";
    let x: Vec<f32> = (0..40).map(|i| (i * 7 % 33) as f32 - 3.0).collect();
    let out = floats(&run(text, &[float_bytes(&x)], 40 * 64, 40));
    for i in 0..40usize {
        let (first, last) = if i < 32 { (0, 32) } else { (32, 40) };
        let group = &x[first..last];
        let lane = i - first;
        let o = &out[16 * i..16 * i + 16];
        let at = |lane: usize| group.get(lane).copied();
        let want = [
            group.iter().sum(),
            group.iter().copied().fold(f32::MIN, f32::max),
            group[..lane].iter().sum(),
            if lane + 2 < 32 { at(lane + 2).unwrap_or(0.0) } else { x[i] },
            at(lane ^ 1).unwrap_or(0.0),
            at(3).unwrap_or(0.0),
            group[0],
            {
                let bits = group.iter().enumerate().filter(|(_, value)| **value > 0.0);
                (bits.map(|(lane, _)| 1u64 << lane).sum::<u64>() & 0xffff) as f32
            },
            group[lane / 4 * 4..lane / 4 * 4 + 4].iter().sum(),
            if group.iter().any(|&value| value > 30.0) { 1.0 } else { 0.0 },
            group.len() as f32,
            (first + 1) as f32,
            if lane == 0 { -x[i] } else { -at(lane - 1).unwrap_or(0.0) },
            // What is shifted in comes from the filling of the last lane, which must be there.
            match (lane, first) {
                (0, 0) => 99.0,
                (0, _) => 0.0,
                _ => at(lane - 1).unwrap_or(0.0),
            },
            1.0,
            lane as f32,
        ];
        assert_eq!(o, want, "thread {i}");
    }
}

#[test]
fn atomics() {
    let text = "#include <metal_stdlib>\nusing namespace metal;\n\
        kernel void k(const device uint* x [[buffer(0)]], device atomic_uint* out [[buffer(1)]],\n\
        uint i [[thread_position_in_grid]], uint l [[thread_index_in_threadgroup]]) {\n\
        threadgroup atomic_int shared[1];\n\
        if (l == 0) atomic_store_explicit(&shared[0], 0, memory_order_relaxed);\n\
        threadgroup_barrier(mem_flags::mem_threadgroup);\n\
        atomic_fetch_add_explicit(&shared[0], 2, memory_order_relaxed);\n\
        threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);\n\
        if (l == 0) atomic_fetch_add_explicit(&out[0], uint(atomic_load_explicit(&shared[0], memory_order_relaxed)), memory_order_relaxed);\n\
        atomic_fetch_max_explicit(out + 1, x[i], memory_order_relaxed);\n\
        atomic_fetch_xor_explicit(out + 2, x[i], memory_order_relaxed);\n\
        device atomic_float* f = (device atomic_float*)(out + 3);\n\
        atomic_fetch_add_explicit(f, 0.5f, memory_order_relaxed);\n\
        uint old = atomic_load_explicit(out + 4, memory_order_relaxed);\n\
        while (!atomic_compare_exchange_weak_explicit(out + 4, &old, old + 3, memory_order_relaxed, memory_order_relaxed)) {}\n\
        simdgroup_barrier(mem_flags::mem_none);\n\
        }\n";
    let mut rng = fresh();
    let x: Vec<u32> = (0..100).map(|_| rng.u32(..)).collect();
    let out = words(&run(text, &[word_bytes(&x)], 20, 100));
    assert_eq!(out[0], 200);
    assert_eq!(out[1], x.iter().copied().max().expect("some"));
    assert_eq!(out[2], x.iter().fold(0, |a, b| a ^ b));
    assert_eq!(f32::from_bits(out[3]), 50.0);
    assert_eq!(out[4], 300);
}

#[test]
fn simdgroup_matrices() {
    let text = "#include <metal_stdlib>\n#include <metal_simdgroup_matrix>\nusing namespace metal;\n\
        kernel void k(const device float* a [[buffer(0)]], const device half* b [[buffer(1)]],\n\
        device float* out [[buffer(2)]], uint lane [[thread_index_in_simdgroup]]) {\n\
        simdgroup_matrix<float, 8, 8> x, d;\n\
        simdgroup_half8x8 y;\n\
        simdgroup_float8x8 c = make_filled_simdgroup_matrix<float, 8, 8>(0.25f);\n\
        simdgroup_load(x, a, 16, ulong2(8, 1));\n\
        simdgroup_load(y, b, 8, 0, true);\n\
        simdgroup_multiply_accumulate(d, x, y, c);\n\
        simdgroup_store(d, out, 8);\n\
        simdgroup_multiply(d, x, y);\n\
        simdgroup_store(d, out + 64, 8, ulong2(0, 0), true);\n}\n";
    let mut rng = fresh();
    let a: Vec<f32> = (0..9 * 16).map(|_| rng.usize(..17) as f32 - 8.0).collect();
    let b: Vec<f32> = (0..64).map(|_| rng.usize(..17) as f32 - 8.0).collect();
    let halves: Vec<u8> =
        b.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect();
    let out = floats(&run(text, &[float_bytes(&a), halves], 512, 32));
    for row in 0..8 {
        for column in 0..8 {
            let product: f32 = (0..8).map(|k| a[(row + 1) * 16 + 8 + k] * b[column * 8 + k]).sum();
            assert_eq!(out[row * 8 + column], product + 0.25, "({row}, {column})");
            assert_eq!(out[64 + column * 8 + row], product, "transposed ({row}, {column})");
        }
    }
}

#[test]
fn complex_numbers() {
    let text = "kernel void k(const device complex64_t* x [[buffer(0)]],\n\
        const device complex64_t* y [[buffer(1)]], device float* out [[buffer(2)]],\n\
        uint i [[thread_position_in_grid]]) {\n\
        device float* o = out + 16 * i;\n\
        complex64_t a = x[i]; complex64_t b = y[i];\n\
        complex64_t s = a + b; complex64_t p = a * b; complex64_t q = a / b;\n\
        complex64_t m = 1.0f - a; complex64_t l = log1p(a);\n\
        complex64_t z = -a; z += b;\n\
        o[0] = s.real; o[1] = s.imag; o[2] = p.real; o[3] = p.imag; o[4] = q.real; o[5] = q.imag;\n\
        o[6] = m.real; o[7] = m.imag; o[8] = l.real; o[9] = l.imag; o[10] = z.real; o[11] = z.imag;\n\
        o[12] = a < b ? 1.0f : 0.0f; o[13] = static_cast<float>(a); o[14] = a == x[i] ? 1.0f : 0.0f;\n\
        float2 v = x[i]; o[15] = v.y;\n}\n";
    let mut rng = fresh();
    let mut vector = || -> Vec<f32> { (0..128).map(|_| (rng.f32() - 0.5) * 6.0).collect() };
    let (x, y) = (vector(), vector());
    let out = floats(&run(text, &[float_bytes(&x), float_bytes(&y)], 64 * 64, 64));
    for i in 0..64 {
        let [a, b] = [&x, &y].map(|from| (f64::from(from[2 * i]), f64::from(from[2 * i + 1])));
        let norm = b.0 * b.0 + b.1 * b.1;
        let want = [
            a.0 + b.0,
            a.1 + b.1,
            a.0 * b.0 - a.1 * b.1,
            a.0 * b.1 + a.1 * b.0,
            (a.0 * b.0 + a.1 * b.1) / norm,
            (a.1 * b.0 - a.0 * b.1) / norm,
            1.0 - a.0,
            -a.1,
            ((1.0 + a.0).powi(2) + a.1 * a.1).sqrt().ln(),
            a.1.atan2(1.0 + a.0),
            b.0 - a.0,
            b.1 - a.1,
            f64::from(a.0 < b.0),
            a.0,
            1.0,
            a.1,
        ];
        for (at, want) in want.into_iter().enumerate() {
            let got = f64::from(out[16 * i + at]);
            // Products of numbers up to 3 cancel: units of 18 * 2^-24, and the quotient's of that
            // over its divisor.
            let tolerance = 2e-5 * (1.0 + want.abs());
            assert!((got - want).abs() < tolerance, "{i} {at}: got {got}, want {want}");
        }
    }
}

#[test]
fn index_arithmetic() {
    let text = "#include <metal_stdlib>\n\
        kernel void k(constant const int* shape [[buffer(0)]], constant const int64_t* strides [[buffer(1)]],\n\
        constant const int& ndim [[buffer(2)]], device int* out [[buffer(3)]],\n\
        uint i [[thread_position_in_grid]]) {\n\
        device int* o = out + 6 * i;\n\
        o[0] = int(elem_to_loc(i, shape, strides, ndim));\n\
        o[1] = int(elem_to_loc(int64_t(i), shape, strides, ndim));\n\
        uint3 e = uint3(i % 5, (i / 5) % 4, i / 20);\n\
        o[2] = int(elem_to_loc(e, shape, strides, ndim));\n\
        LoopedElemToLoc<2> looper(ndim);\n\
        for (uint j = 0; j < i; ++j) looper.next(shape, strides);\n\
        o[3] = int(looper.location());\n\
        LoopedElemToLoc<1, int> jumper(ndim);\n\
        jumper.next(int(i), shape, strides);\n\
        o[4] = jumper.location();\n\
        LoopedElemToLoc<3, int64_t, false> leaper(ndim);\n\
        leaper.next(int(i), shape, strides);\n\
        o[5] = int(leaper.location());\n}\n";
    let shape = [3i32, 4, 5];
    let strides = [100i64, -7, 2];
    let bytes = [
        shape.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>(),
        strides.iter().flat_map(|value| value.to_le_bytes()).collect(),
        3i32.to_le_bytes().to_vec(),
    ];
    let out = run(text, &bytes, 60 * 24, 60);
    let out: Vec<i32> = words(&out).into_iter().map(|word| word as i32).collect();
    for i in 0..60usize {
        let (z, y, x) = (i / 20, i / 5 % 4, i % 5);
        let want = (z as i64 * 100 - y as i64 * 7 + x as i64 * 2) as i32;
        assert_eq!(out[6 * i..6 * i + 6], [want; 6], "element {i}");
    }
}
