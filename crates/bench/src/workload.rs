//! The table of workloads, defined here once: the driver sends their sizes to every peer.

/// What bounds a workload's speed, and so the unit of its rate.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// Elements moved, each counted once in and once out.
    Elements(f64),
    /// Floating-point operations, the causal half not counted.
    Flops(f64),
}

/// One row of the table, without dtype and threads.
pub(crate) struct Case {
    /// `rms_norm`, `layer_norm`, `rope`, `sdpa` or `gemm`.
    pub(crate) op: &'static str,
    /// What the table calls it.
    pub(crate) label: &'static str,
    /// `KEY=VALUE` pairs for the peers.
    pub(crate) sizes: String,
    pub(crate) work: Work,
}

/// The operations, in the table's order.
pub(crate) const OPS: [&str; 5] = ["rms_norm", "layer_norm", "rope", "sdpa", "gemm"];
/// The element types, in the table's order.
pub(crate) const DTYPES: [&str; 3] = ["f32", "bf16", "f16"];

/// Bytes of one element.
pub(crate) fn dtype_bytes(dtype: &str) -> f64 {
    if dtype == "f32" { 4.0 } else { 2.0 }
}

const NORMS: [(&str, usize, usize); 3] =
    [("4096x4096", 4096, 4096), ("512x1024", 512, 1024), ("1x4096", 1, 4096)];

const ROPES: [(&str, &str, [usize; 4], usize); 4] = [
    ("1x32x2048x128 trad=0", "0", [1, 32, 2048, 128], 0),
    ("1x32x2048x128 trad=1", "1", [1, 32, 2048, 128], 0),
    ("8x32x1x128 trad=0", "0", [8, 32, 1, 128], 1024),
    ("8x32x1x128 trad=1", "1", [8, 32, 1, 128], 1024),
];

// Label, query heads, key heads, query length, key length, head size, mask.
const ATTENTIONS: [(&str, [usize; 5], &str); 9] = [
    ("H32 L1024 D64", [32, 32, 1024, 1024, 64], "none"),
    ("H32 L1024 D64 causal", [32, 32, 1024, 1024, 64], "causal"),
    ("H8 L2048 D128", [8, 8, 2048, 2048, 128], "none"),
    ("H8 L2048 D128 causal", [8, 8, 2048, 2048, 128], "causal"),
    ("GQA32/8 L512 D128", [32, 8, 512, 512, 128], "none"),
    ("GQA32/8 L512 D128 causal", [32, 8, 512, 512, 128], "causal"),
    ("GQA32/8 L512 D128 boolmask", [32, 8, 512, 512, 128], "bool"),
    ("decode GQA32/8 k4096 D128", [32, 8, 1, 4096, 128], "none"),
    ("decode GQA32/8 k4096 D128 boolmask", [32, 8, 1, 4096, 128], "bool"),
];

/// Every case of operation `op`.
pub(crate) fn cases(op: &'static str) -> Vec<Case> {
    match op {
        "rms_norm" | "layer_norm" => NORMS.iter().map(|&(l, r, d)| norm(op, l, r, d)).collect(),
        "rope" => ROPES.iter().map(rope).collect(),
        "sdpa" => ATTENTIONS.iter().map(attention).collect(),
        "gemm" => vec![Case {
            op,
            label: "2048",
            sizes: "n=2048".into(),
            work: Work::Flops(2.0 * 2048f64.powi(3)),
        }],
        _ => Vec::new(),
    }
}

fn norm(op: &'static str, label: &'static str, rows: usize, d: usize) -> Case {
    let work = Work::Elements(2.0 * (rows * d) as f64);
    Case { op, label, sizes: format!("rows={rows} d={d}"), work }
}

fn rope(row: &(&'static str, &str, [usize; 4], usize)) -> Case {
    let &(label, traditional, [b, h, t, d], offset) = row;
    let sizes = format!("b={b} h={h} t={t} d={d} offset={offset} traditional={traditional}");
    Case { op: "rope", label, sizes, work: Work::Elements(2.0 * (b * h * t * d) as f64) }
}

fn attention(row: &(&'static str, [usize; 5], &str)) -> Case {
    let &(label, [hq, hkv, lq, lk, d], mask) = row;
    let sizes = format!("hq={hq} hkv={hkv} lq={lq} lk={lk} d={d} mask={mask}");
    let halved = if mask == "causal" { 0.5 } else { 1.0 };
    let work = if lq == 1 {
        Work::Elements(2.0 * (hkv * lk * d) as f64)
    } else {
        Work::Flops(4.0 * (hq * lq * lk * d) as f64 * halved)
    };
    Case { op: "sdpa", label, sizes, work }
}
