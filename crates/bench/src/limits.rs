//! What the machine itself can do, measured like a peer: for every workload the time an ideal
//! kernel would need, in the same run as everyone else.
//!
//! - norms: a two-pass AVX-512 kernel (sum of squares, then scaled write) over the same number of
//!   bytes, with ordinary and with non-temporal stores; the work of an f32 `rms_norm` whatever the
//!   element type;
//! - rope: a copy of the same bytes, both kinds of stores;
//! - attention of one query: a read of keys and values;
//! - attention of many queries and matrix products: fused multiply-adds on registers (bf16 dot
//!   products for bf16) for the same count of operations.
//!
//! Needs AVX-512; elsewhere the variants say so and the table has no share of the limit. The
//! buffers come from an allocator told to use huge pages (see `peer`). This is the crate's only
//! module with `unsafe` code.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code, reason = "intrinsics: the one module of this crate that needs them")]

use crate::protocol::{Measure, Noise, Sample, Variant, Workload, median};
use crate::workload::dtype_bytes;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

/// A cache line, and one AVX-512 register.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; 16]);

/// The variants for one workload.
pub(crate) fn prepare(workload: &Workload, threads: usize) -> Vec<Variant> {
    let size = |key| workload.size(key);
    let lines = |elements: usize| elements * dtype_bytes(&workload.dtype) as usize / 64;
    let bf16 = workload.dtype == "bf16";
    match workload.op.as_str() {
        "rms_norm" | "layer_norm" => {
            let (rows, row) = (size("rows"), lines(size("d")));
            // One row is not worth a second thread.
            let threads = if rows == 1 { 1 } else { threads };
            vec![
                Variant {
                    name: "two-pass",
                    measure: stream(rows, row, threads, two_pass::<false>),
                },
                Variant {
                    name: "two-pass-nt",
                    measure: stream(rows, row, threads, two_pass::<true>),
                },
            ]
        }
        "rope" => {
            let (rows, row) = (size("b") * size("h") * size("t"), lines(size("d")));
            let threads = if rows < 1024 { 1 } else { threads };
            vec![
                Variant { name: "copy", measure: stream(rows, row, threads, copy::<false>) },
                Variant { name: "copy-nt", measure: stream(rows, row, threads, copy::<true>) },
            ]
        }
        "sdpa" if size("lq") == 1 => {
            let rows = 2 * size("hkv") * size("lk");
            vec![Variant { name: "read", measure: stream(rows, lines(size("d")), threads, read) }]
        }
        "sdpa" => {
            let halved = if workload.text("mask") == "causal" { 0.5 } else { 1.0 };
            let flops = 4.0 * (size("hq") * size("lq") * size("lk") * size("d")) as f64 * halved;
            vec![arithmetic(flops, bf16, threads)]
        }
        "gemm" => vec![arithmetic(2.0 * (size("n") as f64).powi(3), bf16, threads)],
        _ => Vec::new(),
    }
}

/// A kernel over rows of `row` lines: input, output, row length.
type Kernel = fn(&[Line], &mut [Line], usize);

/// Runs `kernel` over `rows` rows split evenly between the threads.
fn stream(rows: usize, row: usize, threads: usize, kernel: Kernel) -> Measure {
    let noise = Noise(0x9e37_79b9).fill(rows * row * 16);
    let input: Vec<Line> = noise.as_chunks().0.iter().map(|&c| Line(c)).collect();
    let mut output = vec![Line([0.0; 16]); input.len()];
    let chunk = rows.div_ceil(threads) * row;
    Box::new(move |seconds| {
        need_avx512()?;
        let parts: Vec<_> = input.chunks(chunk).zip(output.chunks_mut(chunk)).collect();
        Ok(together(seconds, parts, |(input, output)| kernel(input, output, row)))
    })
}

/// Time for `flops` operations at the rate of independent fused multiply-adds.
fn arithmetic(flops: f64, bf16: bool, threads: usize) -> Variant {
    const STEPS: usize = 20_000;
    let name = if bf16 { "dpbf16" } else { "fma" };
    let per_call = STEPS as f64 * if bf16 { 16.0 * 64.0 } else { 16.0 * 32.0 } * threads as f64;
    let measure = move |seconds| {
        need_avx512()?;
        if bf16 && !is_x86_feature_detected!("avx512bf16") {
            return Err("needs AVX-512 BF16".into());
        }
        let mut sample = together(seconds, vec![(); threads], |()| {
            // SAFETY: the features were detected just above.
            black_box(unsafe { if bf16 { dpbf16(STEPS) } else { fma(STEPS) } });
        });
        sample.median *= flops / per_call;
        Ok(sample)
    };
    Variant { name, measure: Box::new(measure) }
}

fn need_avx512() -> Result<(), String> {
    match is_x86_feature_detected!("avx512f") {
        true => Ok(()),
        false => Err("needs AVX-512".into()),
    }
}

/// Times `work` on all `parts` at once, one thread each, from a spinning start to the last one's
/// end. The threads live for this slice only: between slices nothing spins.
fn together<P: Send>(seconds: f64, parts: Vec<P>, work: impl Fn(&mut P) + Sync) -> Sample {
    let count = parts.len();
    let (arrived, stop) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let group = AtomicUsize::new(1);
    // Every thread passes the barrier twice a round.
    let barrier = |pass: usize| {
        arrived.fetch_add(1, SeqCst);
        while arrived.load(SeqCst) < pass * count {
            spin_loop();
        }
    };
    // `lead` runs before each round, in one of the threads only.
    let rounds = |mut part: P, lead: &dyn Fn(usize)| {
        work(&mut part);
        let mut times = Vec::new();
        for round in 0.. {
            lead(round);
            barrier(2 * round + 1);
            if stop.load(SeqCst) <= round {
                break;
            }
            let calls = group.load(SeqCst);
            let begin = Instant::now();
            for _ in 0..calls {
                work(&mut part);
            }
            barrier(2 * round + 2);
            times.push(begin.elapsed().as_secs_f64() / calls as f64);
        }
        times
    };
    let start = Instant::now();
    let lead = |round| {
        if round >= 3 && start.elapsed().as_secs_f64() >= seconds {
            stop.store(round, SeqCst);
        }
    };
    let mut parts = parts.into_iter();
    let Some(mut first) = parts.next() else { return Sample { median: f64::NAN, count: 0 } };
    // How many calls make a round is settled before the others start.
    work(&mut first);
    let begin = Instant::now();
    work(&mut first);
    group.store(((50e-6 / begin.elapsed().as_secs_f64()) as usize).max(1), SeqCst);
    let mut times = std::thread::scope(|scope| {
        for part in parts {
            let rounds = &rounds;
            scope.spawn(move || rounds(part, &|_| ()));
        }
        rounds(first, &lead)
    });
    Sample { count: times.len() * group.load(SeqCst), median: median(&mut times) }
}

fn two_pass<const NT: bool>(input: &[Line], output: &mut [Line], row: usize) {
    for (x, y) in input.chunks_exact(row).zip(output.chunks_exact_mut(row)) {
        // SAFETY: `stream` calls kernels after `need_avx512`; both rows have `row` lines.
        unsafe { x86::two_pass_row::<NT>(x, y) }
    }
}

fn copy<const NT: bool>(input: &[Line], output: &mut [Line], _row: usize) {
    // SAFETY: `stream` calls kernels after `need_avx512`.
    unsafe { x86::copy::<NT>(input, output) }
}

fn read(input: &[Line], _output: &mut [Line], _row: usize) {
    // SAFETY: `stream` calls kernels after `need_avx512`.
    black_box(unsafe { x86::read(input) });
}

use x86::{dpbf16, fma};

mod x86 {
    //! The kernels themselves. Each needs the features it names.

    use super::Line;
    use std::arch::x86_64::*;
    use std::array::from_fn;

    #[target_feature(enable = "avx512f")]
    fn load(line: &Line) -> __m512 {
        // SAFETY: a line is 64 bytes, aligned to 64.
        unsafe { _mm512_load_ps(line.0.as_ptr()) }
    }

    #[target_feature(enable = "avx512f")]
    fn store<const NT: bool>(line: &mut Line, value: __m512) {
        let to = line.0.as_mut_ptr();
        // SAFETY: a line is 64 bytes, aligned to 64. Non-temporal stores are fenced by the caller
        // before the memory is read.
        unsafe { if NT { _mm512_stream_ps(to, value) } else { _mm512_store_ps(to, value) } }
    }

    #[target_feature(enable = "avx512f")]
    fn sum(parts: [__m512; 8]) -> f32 {
        parts.into_iter().map(|p| _mm512_reduce_add_ps(p)).sum()
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn two_pass_row<const NT: bool>(x: &[Line], y: &mut [Line]) {
        let mut squares = [_mm512_setzero_ps(); 8];
        let (blocks, rest) = x.as_chunks::<8>();
        for block in blocks {
            for (s, line) in squares.iter_mut().zip(block) {
                let v = load(line);
                *s = _mm512_fmadd_ps(v, v, *s);
            }
        }
        for (s, line) in squares.iter_mut().zip(rest) {
            let v = load(line);
            *s = _mm512_fmadd_ps(v, v, *s);
        }
        let mean = sum(squares) / (16 * x.len()) as f32;
        let scale = _mm512_set1_ps(1.0 / (mean + 1e-5).sqrt());
        let weight = _mm512_set1_ps(1.25);
        for (x, y) in x.iter().zip(y) {
            store::<NT>(y, _mm512_mul_ps(_mm512_mul_ps(load(x), scale), weight));
        }
        if NT {
            _mm_sfence();
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn copy<const NT: bool>(x: &[Line], y: &mut [Line]) {
        for (x, y) in x.iter().zip(y) {
            store::<NT>(y, load(x));
        }
        if NT {
            _mm_sfence();
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn read(x: &[Line]) -> f32 {
        let mut sums = [_mm512_setzero_ps(); 8];
        for block in x.as_chunks::<8>().0 {
            for (s, line) in sums.iter_mut().zip(block) {
                *s = _mm512_add_ps(*s, load(line));
            }
        }
        sum(sums)
    }

    /// 16 independent chains (all fit in registers) of `steps` fused multiply-adds on 16 lanes: 512
    /// operations a step.
    #[target_feature(enable = "avx512f")]
    pub(super) fn fma(steps: usize) -> f32 {
        let (a, b) = (_mm512_set1_ps(0.999), _mm512_set1_ps(0.001));
        let mut c: [__m512; 16] = from_fn(|i| _mm512_set1_ps(i as f32));
        for _ in 0..steps {
            for c in &mut c {
                *c = _mm512_fmadd_ps(*c, a, b);
            }
        }
        c.into_iter().map(|c| _mm512_reduce_add_ps(c)).sum()
    }

    /// As [`fma`] with bf16 dot products: 1024 operations a step.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn dpbf16(steps: usize) -> f32 {
        let half = _mm512_set1_ps(0.5);
        let a = _mm512_cvtne2ps_pbh(half, half);
        let mut c: [__m512; 16] = from_fn(|i| _mm512_set1_ps(i as f32));
        for _ in 0..steps {
            for c in &mut c {
                *c = _mm512_dpbf16_ps(*c, a, a);
            }
        }
        c.into_iter().map(|c| _mm512_reduce_add_ps(c)).sum()
    }
}
