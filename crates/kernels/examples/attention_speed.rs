//! Speed of attention beside the limits of the machine, measured in the same run.
//!
//! `attention_speed [threads] [filter] [level]` prints, per case, the median of repeated calls on warm
//! buffers, the rate, and its share of the multiply-add (or `bf16` dot product) peak, or of the
//! read bandwidth for decoding; but for decoding, also how many times as long all gradients take,
//! calls in turn.

use std::hint::black_box;
use std::time::Instant;

use anymetal_kernels::attention::{Gradients, Mask, Options, attention, attention_grad};
use anymetal_kernels::{Bool, Dtype, Element, Layout, Slice, SliceMut, View, bf16, f16, par, simd};

struct Case {
    name: &'static str,
    query_heads: usize,
    key_heads: usize,
    queries: usize,
    keys: usize,
    depth: usize,
}

const CASES: &[Case] = &[
    Case {
        name: "H32 L1024 D64",
        query_heads: 32,
        key_heads: 32,
        queries: 1024,
        keys: 1024,
        depth: 64,
    },
    Case {
        name: "H8 L2048 D128",
        query_heads: 8,
        key_heads: 8,
        queries: 2048,
        keys: 2048,
        depth: 128,
    },
    Case {
        name: "GQA32/8 L512 D128",
        query_heads: 32,
        key_heads: 8,
        queries: 512,
        keys: 512,
        depth: 128,
    },
    Case {
        name: "tiny H4 L16 D64",
        query_heads: 4,
        key_heads: 4,
        queries: 16,
        keys: 16,
        depth: 64,
    },
    Case {
        name: "decode GQA32/8 k4096 D128",
        query_heads: 32,
        key_heads: 8,
        queries: 1,
        keys: 4096,
        depth: 128,
    },
    Case {
        name: "decode GQA32/8 k512 D128",
        query_heads: 32,
        key_heads: 8,
        queries: 1,
        keys: 512,
        depth: 128,
    },
    Case {
        name: "decode H8 k512 D128",
        query_heads: 8,
        key_heads: 8,
        queries: 1,
        keys: 512,
        depth: 128,
    },
    Case {
        name: "decode H32 k4096 D128",
        query_heads: 32,
        key_heads: 32,
        queries: 1,
        keys: 4096,
        depth: 128,
    },
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads = args.get(1).and_then(|x| x.parse().ok()).unwrap_or(1);
    let filter = args.get(2).cloned().unwrap_or_default();
    let level = args.get(3).map_or(simd::level(), |name| {
        let named = |l: &simd::Level| format!("{l:?}") == *name;
        simd::available().into_iter().find(named).expect("a level of this CPU")
    });
    par::with_threads(threads, || {
        simd::with_level(level, || {
            let peak = [false, true].map(|pairs| peak(threads, pairs));
            let read = read_bandwidth(256 << 20);
            let read_l3 = read_bandwidth(8 << 20);
            println!(
                "{threads} threads, {:?}: multiply-add {:.0} GFLOP/s, bf16 dot {:.0} GFLOP/s, read {read:.1} GB/s, 8 MB {read_l3:.1} GB/s",
                simd::level(),
                peak[0],
                peak[1]
            );
            for case in CASES {
                for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
                    for mask in ["", "causal", "bool"] {
                        let name = format!("{} {mask} {dtype}", case.name);
                        if name.contains(&filter) && !(mask == "causal" && case.queries == 1) {
                            run(case, dtype, mask, &name, peak, read_l3);
                        }
                    }
                }
            }
        })
    });
}

fn run(case: &Case, dtype: Dtype, mask: &str, name: &str, peak: [f64; 2], read_l3: f64) {
    let q_layout = Layout::contiguous(&[1, case.query_heads, case.queries, case.depth]);
    let k_layout = Layout::contiguous(&[1, case.key_heads, case.keys, case.depth]);
    let mut rng = fastrand::Rng::with_seed(1);
    let mut array = |n: usize| -> Vec<f32> { (0..n).map(|_| 2.0 * rng.f32() - 1.0).collect() };
    let (q, k, v) = (array(q_layout.len()), array(k_layout.len()), array(k_layout.len()));
    let bools: Vec<Bool> =
        (0..case.queries * case.keys).map(|_| Bool::from(rng.usize(..8) != 0)).collect();
    let bools = huge(&bools);
    let mask_layout = Layout {
        shape: [1, case.query_heads, case.queries, case.keys].into(),
        strides: [0, 0, case.keys as isize, 1].into(),
        offset: 0,
    };
    let mask = match mask {
        "" => Mask::None,
        "causal" => Mask::Causal,
        _ => Mask::Bool(&bools, &mask_layout),
    };
    let options = Options { scale: 1.0 / (case.depth as f64).sqrt(), mask, ..Options::default() };
    let (q, k, v) = (cast(&q, dtype), cast(&k, dtype), cast(&v, dtype));
    let mut out = cast(&vec![0.0; q_layout.len()], dtype);
    let mut stats = vec![0.0; 2 * case.query_heads * case.queries];
    let mut gradients = [&q_layout, &k_layout, &k_layout].map(|l| cast(&vec![0.0; l.len()], dtype));
    let (mut times, mut reads, mut backward) = (Vec::new(), Vec::new(), Vec::new());
    let begin = Instant::now();
    while times.len() < 5 || begin.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        attention(
            View { data: q.slice(), layout: &q_layout },
            View { data: k.slice(), layout: &k_layout },
            View { data: v.slice(), layout: &k_layout },
            &options,
            out.slice_mut(),
            &q_layout,
            Some(&mut stats),
        );
        times.push(start.elapsed().as_secs_f64());
        if case.queries > 1 {
            let [dq, dk, dv] = &mut gradients;
            let start = Instant::now();
            attention_grad(
                [(&q, &q_layout), (&k, &k_layout), (&v, &k_layout)]
                    .map(|(x, layout)| View { data: x.slice(), layout }),
                &options,
                (View { data: out.slice(), layout: &q_layout }, &stats),
                // The numbers do not matter.
                View { data: q.slice(), layout: &q_layout },
                Gradients {
                    q: Some(dq.slice_mut()),
                    k: Some(dk.slice_mut()),
                    v: Some(dv.slice_mut()),
                    sinks: None,
                },
            );
            backward.push(start.elapsed().as_secs_f64());
        }
        if case.queries == 1 {
            let start = Instant::now();
            read(k.bytes());
            read(v.bytes());
            reads.push(start.elapsed().as_secs_f64());
        }
    }
    for times in [&mut times, &mut reads, &mut backward] {
        times.sort_by(f64::total_cmp);
    }
    let time = times[times.len() / 2];
    let best = times[0];
    let causal = matches!(mask, Mask::Causal);
    let flops = 4.0 * (case.query_heads * case.queries * case.keys * case.depth) as f64
        / if causal { 2.0 } else { 1.0 };
    let peak = peak[(dtype == Dtype::Bf16) as usize];
    let bytes = (2 * k_layout.len() * dtype.size()) as f64;
    if case.queries == 1 {
        let rate = bytes / time / 1e9;
        println!(
            "{name:44} {:8.3} ms (best {:8.3}) {rate:6.1} GB/s, {:4.0} % of reading (best {:4.0} %), {:4.0} % of 8 MB, {:4.0} % of peak",
            time * 1e3,
            best * 1e3,
            100.0 * reads[reads.len() / 2] / time,
            100.0 * reads[0] / best,
            100.0 * rate / read_l3,
            flops / time / 1e7 / peak
        );
    } else {
        println!(
            "{name:44} {:8.3} ms (best {:8.3}) {:6.1} GFLOP/s {:4.0} % (best {:4.0} %), gradients {:4.2} times",
            time * 1e3,
            best * 1e3,
            flops / time / 1e9,
            flops / time / 1e7 / peak,
            flops / best / 1e7 / peak,
            backward[backward.len() / 2] / time
        );
    }
}

enum Array {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Array {
    fn slice(&self) -> Slice<'_> {
        match self {
            Array::F32(x) => f32::wrap(x),
            Array::F16(x) => f16::wrap(x),
            Array::Bf16(x) => bf16::wrap(x),
        }
    }
    fn bytes(&self) -> &[u8] {
        match self {
            Array::F32(x) => bytemuck::cast_slice(x),
            Array::F16(x) => bytemuck::cast_slice(x),
            Array::Bf16(x) => bytemuck::cast_slice(x),
        }
    }
    fn slice_mut(&mut self) -> SliceMut<'_> {
        match self {
            Array::F32(x) => f32::wrap_mut(x),
            Array::F16(x) => f16::wrap_mut(x),
            Array::Bf16(x) => bf16::wrap_mut(x),
        }
    }
}

fn cast(x: &[f32], dtype: Dtype) -> Array {
    match dtype {
        Dtype::F32 => Array::F32(huge(x)),
        Dtype::F16 => Array::F16(huge(&x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>())),
        Dtype::Bf16 => Array::Bf16(huge(&x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>())),
        dtype => unreachable!("{dtype} is not measured"),
    }
}

/// A copy in huge pages, which is what buffers of this size live in.
fn huge<T: Copy>(x: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(x.len());
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            fn madvise(start: *mut u8, bytes: usize, advice: i32) -> i32;
        }
        let start = (copy.as_mut_ptr() as *mut u8).wrapping_add(4095);
        let start = start.wrapping_sub(start as usize % 4096);
        // SAFETY: advice 14 (huge pages) changes no contents.
        unsafe { madvise(start, (size_of_val(x) / 4096).saturating_sub(1) * 4096, 14) };
    }
    copy.extend_from_slice(x);
    copy
}

/// GB/s of reading `bytes` on all threads.
fn read_bandwidth(bytes: usize) -> f64 {
    let data = huge(&vec![1u8; bytes]);
    let mut best = f64::INFINITY;
    for _ in 0..(1 << 30) / bytes {
        let start = Instant::now();
        read(&data);
        best = best.min(start.elapsed().as_secs_f64());
    }
    bytes as f64 / best / 1e9
}

/// Reads everything, on all threads.
fn read(data: &[u8]) {
    let data: &[u64] = bytemuck::cast_slice(data);
    let tasks = 4 * par::threads();
    par::run(tasks, |t| {
        let mut sums = [0u64; 64];
        for chunk in data[par::piece(data.len(), tasks, t)].chunks_exact(64) {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum ^= x;
            }
        }
        black_box(sums);
    });
}

/// GFLOP/s of independent multiply-adds, or of `bf16` dot products where the CPU has them, on all
/// threads.
fn peak(threads: usize, pairs: bool) -> f64 {
    const ROUNDS: usize = 200_000;
    let flops = multiply_add(1, pairs);
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = Instant::now();
        par::run(threads, |_| _ = multiply_add(ROUNDS, pairs));
        best = best.min(start.elapsed().as_secs_f64());
    }
    (threads * ROUNDS * flops) as f64 / best / 1e9
}

/// Multiplies and adds in independent sums; returns the operations per round.
#[cfg(target_arch = "x86_64")]
fn multiply_add(rounds: usize, pairs: bool) -> usize {
    use std::arch::x86_64::*;
    #[target_feature(enable = "avx2,fma")]
    fn eights(rounds: usize) -> usize {
        let (a, b) = (black_box(_mm256_set1_ps(0.5)), black_box(_mm256_set1_ps(0.25)));
        let mut acc = [_mm256_setzero_ps(); 12];
        for _ in 0..rounds {
            for acc in &mut acc {
                *acc = _mm256_fmadd_ps(a, b, *acc);
            }
        }
        black_box(acc);
        12 * 16
    }
    #[target_feature(enable = "avx512f")]
    fn sixteens(rounds: usize) -> usize {
        let (a, b) = (black_box(_mm512_set1_ps(0.5)), black_box(_mm512_set1_ps(0.25)));
        let mut acc = [_mm512_setzero_ps(); 16];
        for _ in 0..rounds {
            for acc in &mut acc {
                *acc = _mm512_fmadd_ps(a, b, *acc);
            }
        }
        black_box(acc);
        16 * 32
    }
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn halves(rounds: usize) -> usize {
        let a = black_box(_mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5), _mm512_set1_ps(0.5)));
        let b = black_box(_mm512_cvtne2ps_pbh(_mm512_set1_ps(0.25), _mm512_set1_ps(0.25)));
        let mut acc = [_mm512_setzero_ps(); 16];
        for _ in 0..rounds {
            for acc in &mut acc {
                *acc = _mm512_dpbf16_ps(*acc, a, b);
            }
        }
        black_box(acc);
        16 * 64
    }
    let available = simd::available();
    if pairs && available.contains(&simd::Level::Avx512Bf16) {
        // SAFETY: the CPU has the features.
        unsafe { halves(rounds) }
    } else if available.contains(&simd::Level::Avx512) {
        // SAFETY: the CPU has the features.
        unsafe { sixteens(rounds) }
    } else if available.contains(&simd::Level::Avx2) {
        // SAFETY: the CPU has the features.
        unsafe { eights(rounds) }
    } else {
        0
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_add(_: usize, _: bool) -> usize {
    0
}
