//! One row of the table: every contender's slices interleaved, medians over passes.

use crate::peer::Peer;
use crate::protocol::median;
use crate::workload::Case;
use std::time::Instant;

/// How long and how often to measure.
pub(crate) struct Effort {
    pub(crate) passes: usize,
    pub(crate) slice: f64,
}

/// A contender is kept for the later passes if its first slice is within this factor of the best
/// peer's; slower ones are reported from their first slice.
const FIELD: f64 = 2.0;
/// A slice during which other processes used more of a core than this is repeated.
const FOREIGN: f64 = 0.08;
const REPEATS: usize = 3;

/// One way of one peer, and what it took.
pub(crate) struct Contender {
    pub(crate) peer: &'static str,
    pub(crate) variant: String,
    /// Median over passes of the median seconds of a slice.
    pub(crate) seconds: f64,
    pub(crate) passes: usize,
    /// Largest foreign load that a slice was accepted with.
    pub(crate) foreign: f64,
}

/// A measured workload.
pub(crate) struct Row {
    pub(crate) op: &'static str,
    pub(crate) label: &'static str,
    pub(crate) dtype: &'static str,
    pub(crate) threads: usize,
    pub(crate) work: crate::workload::Work,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) failures: Vec<String>,
    /// Seconds that measuring the row took.
    pub(crate) cost: f64,
}

impl Row {
    /// The fastest contender for which `keep` holds.
    pub(crate) fn best(&self, keep: impl Fn(&Contender) -> bool) -> Option<&Contender> {
        let kept = self.contenders.iter().filter(|c| keep(c));
        kept.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }

    pub(crate) fn ours(&self) -> Option<&Contender> {
        self.best(|c| c.peer == "ours")
    }

    pub(crate) fn limit(&self) -> Option<&Contender> {
        self.best(|c| c.peer == "limits")
    }

    pub(crate) fn best_peer(&self) -> Option<&Contender> {
        self.best(|c| !matches!(c.peer, "ours" | "limits"))
    }

    /// The best of a peer other than the best one.
    pub(crate) fn second_peer(&self) -> Option<&Contender> {
        let first = self.best_peer()?.peer;
        self.best(|c| !matches!(c.peer, "ours" | "limits") && c.peer != first)
    }
}

/// Measures one workload. A peer that dies stays in the list and fails at the next workload.
pub(crate) fn measure(
    peers: &mut [Peer],
    case: &Case,
    dtype: &'static str,
    threads: usize,
    effort: &Effort,
) -> Row {
    let start = Instant::now();
    let mut failures = Vec::new();
    let mut field: Vec<(usize, String, Vec<f64>, f64)> = Vec::new();
    for (index, peer) in peers.iter_mut().enumerate() {
        match peer.prepare(&format!("{} {dtype} {}", case.op, case.sizes)) {
            Ok((good, bad)) => {
                field.extend(good.into_iter().map(|variant| (index, variant, Vec::new(), 0.0)));
                failures.extend(bad.iter().map(|b| format!("{} {}", peer.name, &b[1..])));
            }
            Err(e) => failures.push(format!("{}: {e}", peer.name)),
        }
    }
    let mut racing: Vec<usize> = (0..field.len()).collect();
    for pass in 0..effort.passes {
        for turn in 0..racing.len() {
            // Another one begins in every pass, so that nobody always follows the same neighbour.
            let (index, variant, times, foreign) = &mut field[racing[(turn + pass) % racing.len()]];
            match slice(&mut peers[*index], variant, effort.slice) {
                Ok(slice) => {
                    times.push(slice.seconds);
                    *foreign = foreign.max(slice.foreign);
                }
                Err(e) => failures.push(format!("{} {variant}: {e}", peers[*index].name)),
            }
        }
        if pass == 0 {
            let time = |i: usize| field[i].2.first().copied().unwrap_or(f64::INFINITY);
            let own = |i: usize| matches!(peers[field[i].0].name, "ours" | "limits");
            let best =
                racing.iter().filter(|&&i| !own(i)).map(|&i| time(i)).fold(f64::MAX, f64::min);
            racing.retain(|&i| own(i) || time(i) <= FIELD * best);
        }
    }
    let contenders = field.into_iter().filter(|(_, _, times, _)| !times.is_empty()).map(
        |(index, variant, mut times, foreign)| Contender {
            peer: peers[index].name,
            variant,
            passes: times.len(),
            seconds: median(&mut times),
            foreign,
        },
    );
    Row {
        op: case.op,
        label: case.label,
        dtype,
        threads,
        work: case.work,
        contenders: contenders.collect(),
        failures,
        cost: start.elapsed().as_secs_f64(),
    }
}

/// A slice with little foreign load, or the quietest of a few.
fn slice(peer: &mut Peer, variant: &str, seconds: f64) -> Result<crate::peer::Slice, String> {
    let mut best = peer.run(variant, seconds)?;
    for _ in 1..REPEATS {
        if best.foreign <= FOREIGN {
            break;
        }
        let again = peer.run(variant, seconds)?;
        if again.foreign < best.foreign {
            best = again;
        }
    }
    Ok(best)
}
