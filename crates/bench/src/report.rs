//! The table as Markdown.

use crate::compare::{Contender, Row};
use crate::workload::{Work, dtype_bytes};
use std::fmt::Write;

/// What the run was.
pub(crate) struct Setting {
    pub(crate) machine: String,
    /// Which build of this program.
    pub(crate) program: String,
    pub(crate) passes: usize,
    pub(crate) slice: f64,
    /// Peers that were to take part.
    pub(crate) asked: Vec<&'static str>,
    /// Peers that took part, and those that could not, with the reason.
    pub(crate) present: Vec<String>,
    pub(crate) absent: Vec<String>,
}

/// The first line of the table; [`line`] gives one for each row.
pub(crate) const HEADER: &str = "\
| op | case | dtype | thr | ours ms | rate | best peer | ms | ratio | share of limit | second peer | foreign |
|---|---|---|---|---|---|---|---|---|---|---|---|";

/// One row of the table. `ratio` is the best peer's time over ours: above 1, ours is ahead.
pub(crate) fn line(row: &Row) -> String {
    let ours = row.ours();
    let named =
        |c: Option<&Contender>| c.map_or("-".to_string(), |c| format!("{} {}", c.peer, c.variant));
    let over_ours = |c: Option<&Contender>| Some(c?.seconds / ours?.seconds);
    let ratio = over_ours(row.best_peer()).map_or("-".into(), |r| format!("{r:.2}"));
    let share = over_ours(row.limit()).map_or("-".into(), |r| format!("{:.0} %", r * 100.0));
    let second = row.second_peer();
    let second = second.map_or("-".into(), |c| format!("{} {}", named(Some(c)), ms(Some(c))));
    let foreign = row.contenders.iter().map(|c| c.foreign).fold(0.0, f64::max);
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {ratio} | {share} | {second} | {:.0} % |",
        row.op,
        row.label,
        row.dtype,
        row.threads,
        ms(ours),
        ours.map_or("-".into(), |c| rate(row, c.seconds)),
        named(row.best_peer()),
        ms(row.best_peer()),
        foreign * 100.0,
    )
}

fn ms(contender: Option<&Contender>) -> String {
    contender.map_or("-".into(), |c| match c.seconds * 1e3 {
        ms if ms < 0.1 => format!("{ms:.5}"),
        ms if ms < 10.0 => format!("{ms:.3}"),
        ms => format!("{ms:.1}"),
    })
}

fn rate(row: &Row, seconds: f64) -> String {
    match row.work {
        Work::Elements(n) => format!("{:.1} GB/s", n * dtype_bytes(row.dtype) / seconds / 1e9),
        Work::Flops(n) => format!("{:.0} GFLOP/s", n / seconds / 1e9),
    }
}

/// The whole report as Markdown.
pub(crate) fn markdown(setting: &Setting, rows: &[Row]) -> String {
    let mut text = format!(
        "# anymetal against its peers\n\nMachine: {}. Medians over {} interleaved passes of \
         {:.0} ms slices.\nPeers: {}.\nAbsent: {}.\n\n{HEADER}\n",
        setting.machine,
        setting.passes,
        setting.slice * 1e3,
        setting.present.join(", "),
        if setting.absent.is_empty() { "none".into() } else { setting.absent.join("; ") },
    );
    for row in rows {
        text += &line(row);
        text.push('\n');
    }
    let ratios = || rows.iter().filter_map(|r| Some(r.best_peer()?.seconds / r.ours()?.seconds));
    let ahead = ratios().filter(|&r| r > 1.0).count();
    let unresolved = ratios().filter(|r| (0.9..1.1).contains(r)).count();
    let _ = writeln!(
        text,
        "\nAhead of the best peer on {ahead} of {} rows; {unresolved} of these comparisons are \
         within 10 %, which one run does not resolve.",
        ratios().count()
    );
    text += &calls(rows);
    let failures: Vec<String> = rows
        .iter()
        .flat_map(|r| {
            r.failures.iter().map(move |f| format!("- {} {} {}: {f}", r.op, r.label, r.dtype))
        })
        .collect();
    if !failures.is_empty() {
        text += "\n## What peers could not run\n\n";
        let mut seen: Vec<&String> = Vec::new();
        for failure in &failures {
            if !seen.contains(&failure) {
                let _ = writeln!(text, "{failure}");
                seen.push(failure);
            }
        }
    }
    text
}

/// What one call costs: every contender on the one-row norm, where the arithmetic is next to
/// nothing.
fn calls(rows: &[Row]) -> String {
    let tiny = |r: &&Row| r.op == "rms_norm" && r.label == "1x4096" && r.dtype == "f32";
    let mut text = String::new();
    for row in rows.iter().filter(tiny) {
        if text.is_empty() {
            text += "\n## One call\n\nMicroseconds for one `rms_norm` of 1x4096 f32 in a warm \
                     loop: graph, evaluation and allocation included.\n\n| thr | who | \
                     microseconds |\n|---|---|---|\n";
        }
        let mut all: Vec<&Contender> = row.contenders.iter().collect();
        all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        for c in all {
            let time = c.seconds * 1e6;
            let _ = writeln!(text, "| {} | {} {} | {time:.2} |", row.threads, c.peer, c.variant);
        }
    }
    text
}
