//! What the machine itself can do, measured like a peer: for every workload the time an ideal
//! kernel would need, in the same run as everyone else.
//!
//! - norms: a two-pass kernel (sum of squares, then scaled write) over the same number of
//!   bytes, with ordinary and with non-temporal stores; the work of an f32 `rms_norm` whatever the
//!   element type;
//! - rope: a copy of the same bytes, both kinds of stores;
//! - attention of one query: a read of keys and values;
//! - attention of many queries and matrix products: fused multiply-adds on registers (bf16 dot
//!   products for bf16) for the same count of operations.
//!
//! With AVX-512 where the machine has it, else with AVX2; on older machines the variants say so and
//! the table has no share of the limit. The buffers come from an allocator told to use huge pages (see `peer`). This is the crate's only
//! module with `unsafe` code.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code, reason = "intrinsics: the one module of this crate that needs them")]

use crate::protocol::{Measure, Noise, Sample, Variant, Workload, median};
use crate::workload::dtype_bytes;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;
use x86::{CopyLines, Fma, Read, TwoPass, with_lines};

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; 16]);

/// The variants for one workload.
pub(crate) fn prepare(workload: &Workload, threads: usize) -> Vec<Variant> {
    let size = |key| workload.size(key);
    let lines = |elements: usize| elements * dtype_bytes(&workload.dtype) as usize / 64;
    let bf16 = workload.dtype == "bf16" && is_x86_feature_detected!("avx512bf16");
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
        need_avx2()?;
        let parts: Vec<_> = input.chunks(chunk).zip(output.chunks_mut(chunk)).collect();
        Ok(together(seconds, parts, |(input, output)| kernel(input, output, row)))
    })
}

/// Time for `flops` operations at the rate of independent fused multiply-adds.
fn arithmetic(flops: f64, bf16: bool, threads: usize) -> Variant {
    const STEPS: usize = 20_000;
    let name = if bf16 { "dpbf16" } else { "fma" };
    let measure = move |seconds| {
        need_avx2()?;
        let per_step = if bf16 { x86::DPBF16_STEP } else { with_lines(Fma(0)).1 };
        let per_call = (STEPS * per_step * threads) as f64;
        let mut sample = together(seconds, vec![(); threads], |()| {
            if bf16 {
                // SAFETY: `prepare` asks for bf16 only where it was detected.
                black_box(unsafe { x86::dpbf16(STEPS) });
            } else {
                black_box(with_lines(Fma(STEPS)));
            }
        });
        sample.median *= flops / per_call;
        Ok(sample)
    };
    Variant { name, measure: Box::new(measure) }
}

fn need_avx2() -> Result<(), String> {
    match is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        true => Ok(()),
        false => Err("needs AVX2".into()),
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
        with_lines(TwoPass::<NT>(x, y));
    }
}

fn copy<const NT: bool>(input: &[Line], output: &mut [Line], _row: usize) {
    with_lines(CopyLines::<NT>(input, output));
}

fn read(input: &[Line], _output: &mut [Line], _row: usize) {
    black_box(with_lines(Read(input)));
}

mod x86 {
    //! The kernels themselves, written for lines that are one register or two.

    use super::Line;
    use std::arch::x86_64::*;
    use std::array::from_fn;

    /// A line in registers. Every method needs the features of its type.
    pub(super) trait Registers: Copy {
        /// Independent multiply-adds that hide their latency and fit in registers.
        const CHAINS: usize;
        fn splat(x: f32) -> Self;
        fn load(line: &Line) -> Self;
        /// Past the caches if `NT`; fenced by the caller before the memory is read.
        fn store<const NT: bool>(self, line: &mut Line);
        fn add(self, other: Self) -> Self;
        fn mul(self, other: Self) -> Self;
        /// `self * a + b`.
        fn mul_add(self, a: Self, b: Self) -> Self;
        fn sum(self) -> f32;
    }

    /// A kernel for any width of registers. `run` must be inlined into a function that has their
    /// features.
    pub(super) trait Lines {
        type Output;
        fn run<R: Registers>(self) -> Self::Output;
    }

    /// Runs a kernel with the widest registers there are; AVX2 must have been detected.
    pub(super) fn with_lines<K: Lines>(kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f")]
        fn wide<K: Lines>(kernel: K) -> K::Output {
            kernel.run::<__m512>()
        }
        #[target_feature(enable = "avx2,fma")]
        fn narrow<K: Lines>(kernel: K) -> K::Output {
            kernel.run::<[__m256; 2]>()
        }
        // SAFETY: `stream` and `arithmetic` call kernels after `need_avx2`, and AVX-512 is
        // detected here.
        unsafe { if is_x86_feature_detected!("avx512f") { wide(kernel) } else { narrow(kernel) } }
    }

    /// Evaluates intrinsics.
    macro_rules! on_cpu {
        ($e:expr) => {
            // SAFETY: `with_lines` makes registers only where the CPU has their features; a line is
            // 64 bytes, aligned to 64.
            unsafe { $e }
        };
    }

    impl Registers for __m512 {
        const CHAINS: usize = 16;
        #[inline(always)]
        fn splat(x: f32) -> Self {
            on_cpu!(_mm512_set1_ps(x))
        }
        #[inline(always)]
        fn load(line: &Line) -> Self {
            on_cpu!(_mm512_load_ps(line.0.as_ptr()))
        }
        #[inline(always)]
        fn store<const NT: bool>(self, line: &mut Line) {
            let to = line.0.as_mut_ptr();
            on_cpu!(if NT { _mm512_stream_ps(to, self) } else { _mm512_store_ps(to, self) })
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            on_cpu!(_mm512_add_ps(self, other))
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            on_cpu!(_mm512_mul_ps(self, other))
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            on_cpu!(_mm512_fmadd_ps(self, a, b))
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            on_cpu!(_mm512_reduce_add_ps(self))
        }
    }

    impl Registers for [__m256; 2] {
        const CHAINS: usize = 6;
        #[inline(always)]
        fn splat(x: f32) -> Self {
            on_cpu!([_mm256_set1_ps(x); 2])
        }
        #[inline(always)]
        fn load(line: &Line) -> Self {
            let p = line.0.as_ptr();
            on_cpu!([_mm256_load_ps(p), _mm256_load_ps(p.add(8))])
        }
        #[inline(always)]
        fn store<const NT: bool>(self, line: &mut Line) {
            let to = line.0.as_mut_ptr();
            on_cpu!(if NT {
                _mm256_stream_ps(to, self[0]);
                _mm256_stream_ps(to.add(8), self[1]);
            } else {
                _mm256_store_ps(to, self[0]);
                _mm256_store_ps(to.add(8), self[1]);
            })
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            on_cpu!([_mm256_add_ps(self[0], other[0]), _mm256_add_ps(self[1], other[1])])
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            on_cpu!([_mm256_mul_ps(self[0], other[0]), _mm256_mul_ps(self[1], other[1])])
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            on_cpu!([_mm256_fmadd_ps(self[0], a[0], b[0]), _mm256_fmadd_ps(self[1], a[1], b[1]),])
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            let mut line = Line([0.0; 16]);
            self.store::<false>(&mut line);
            line.0.iter().sum()
        }
    }

    fn fence() {
        // SAFETY: SSE is part of the target.
        unsafe { _mm_sfence() }
    }

    /// Sum of squares, then a scaled write.
    pub(super) struct TwoPass<'a, const NT: bool>(pub(super) &'a [Line], pub(super) &'a mut [Line]);

    impl<const NT: bool> Lines for TwoPass<'_, NT> {
        type Output = ();
        #[inline(always)]
        fn run<R: Registers>(self) {
            const SETS: usize = 6;
            let TwoPass(x, y) = self;
            let mut squares = [R::splat(0.0); SETS];
            let (blocks, rest) = x.as_chunks::<SETS>();
            for block in blocks {
                for i in 0..SETS {
                    let v = R::load(&block[i]);
                    squares[i] = v.mul_add(v, squares[i]);
                }
            }
            for (s, line) in squares.iter_mut().zip(rest) {
                let v = R::load(line);
                *s = v.mul_add(v, *s);
            }
            let mut total = squares[0];
            for s in &squares[1..] {
                total = total.add(*s);
            }
            let mean = total.sum() / (16 * x.len()) as f32;
            let scale = R::splat(1.0 / (mean + 1e-5).sqrt());
            let weight = R::splat(1.25);
            for (x, y) in x.iter().zip(y) {
                R::load(x).mul(scale).mul(weight).store::<NT>(y);
            }
            if NT {
                fence();
            }
        }
    }

    pub(super) struct CopyLines<'a, const NT: bool>(
        pub(super) &'a [Line],
        pub(super) &'a mut [Line],
    );

    impl<const NT: bool> Lines for CopyLines<'_, NT> {
        type Output = ();
        #[inline(always)]
        fn run<R: Registers>(self) {
            for (x, y) in self.0.iter().zip(self.1) {
                R::load(x).store::<NT>(y);
            }
            if NT {
                fence();
            }
        }
    }

    pub(super) struct Read<'a>(pub(super) &'a [Line]);

    impl Lines for Read<'_> {
        type Output = f32;
        #[inline(always)]
        fn run<R: Registers>(self) -> f32 {
            const SETS: usize = 4;
            let mut sums = [R::splat(0.0); SETS];
            for block in self.0.as_chunks::<SETS>().0 {
                for i in 0..SETS {
                    sums[i] = sums[i].add(R::load(&block[i]));
                }
            }
            sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
        }
    }

    /// Independent chains of so many multiply-adds; gives a value that depends on all of them, and
    /// the operations of a step.
    pub(super) struct Fma(pub(super) usize);

    impl Lines for Fma {
        type Output = (f32, usize);
        #[inline(always)]
        fn run<R: Registers>(self) -> (f32, usize) {
            match R::CHAINS {
                16 => (fma::<R, 16>(self.0), 16 * 32),
                _ => (fma::<R, 6>(self.0), 6 * 32),
            }
        }
    }

    #[inline(always)]
    fn fma<R: Registers, const CHAINS: usize>(steps: usize) -> f32 {
        let (a, b) = (R::splat(0.999), R::splat(0.001));
        let mut c: [R; CHAINS] = from_fn(|i| R::splat(i as f32));
        for _ in 0..steps {
            for c in &mut c {
                *c = c.mul_add(a, b);
            }
        }
        let mut total = c[0];
        for c in &c[1..] {
            total = total.add(*c);
        }
        total.sum()
    }

    /// Operations of a step of [`dpbf16`].
    pub(super) const DPBF16_STEP: usize = 16 * 64;

    /// As [`Fma`] with bf16 dot products.
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
