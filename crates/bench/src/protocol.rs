//! What the driver and a benchmark peer say to each other, and how a peer times a call.
//!
//! A peer is a process that lives as long as the run. It reads requests, one a line, and answers
//! each with one line, so that slices of all peers can be interleaved at no cost:
//!
//! | request | answer |
//! |---|---|
//! | `prepare OP DTYPE KEY=VALUE...` | `ready` TAB-separated from the names of the ways in which the peer can compute the workload, each made and called once; `!NAME: REASON` for one that failed |
//! | `run NAME SECONDS` | `time MEDIAN COUNT`: the median seconds of one call, over `COUNT` calls; or `error REASON` |
//!
//! End of input ends the peer. The Rust peers outside the workspace include this very file; the
//! Python peers have its twin in `peers/protocol.py`.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// One workload as asked for by the driver.
pub(crate) struct Workload {
    pub(crate) op: String,
    pub(crate) dtype: String,
    sizes: Vec<(String, String)>,
}

impl Workload {
    fn parse(words: &str) -> Result<Self, String> {
        let mut words = words.split_whitespace();
        let mut next = || words.next().map(str::to_string).ok_or("a word is missing".to_string());
        let (op, dtype) = (next()?, next()?);
        let pair = |word: &str| word.split_once('=').map(|(k, v)| (k.to_string(), v.to_string()));
        let sizes = words.map(|w| pair(w).ok_or_else(|| format!("not KEY=VALUE: {w}")));
        Ok(Self { op, dtype, sizes: sizes.collect::<Result<_, _>>()? })
    }

    /// The value of `key` as text.
    ///
    /// # Panics
    /// If the driver left it out, which is a mistake in its table of workloads.
    pub(crate) fn text(&self, key: &str) -> &str {
        let found = self.sizes.iter().find(|(k, _)| k == key);
        &found.unwrap_or_else(|| panic!("{} has no {key}", self.op)).1
    }

    /// The value of `key` as a number, with the panics of [`Workload::text`].
    pub(crate) fn size(&self, key: &str) -> usize {
        self.text(key).parse().unwrap_or_else(|e| panic!("{key} of {}: {e}", self.op))
    }
}

/// Median seconds of one call, and how many calls were timed.
pub(crate) struct Sample {
    pub(crate) median: f64,
    pub(crate) count: usize,
}

/// Measures for about the given number of seconds.
pub(crate) type Measure = Box<dyn FnMut(f64) -> Result<Sample, String>>;

/// One way to compute a workload.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) measure: Measure,
}

impl Variant {
    /// A variant timed by [`time_calls`].
    pub(crate) fn new(
        name: &'static str,
        mut call: impl FnMut() -> Result<(), String> + 'static,
    ) -> Self {
        Self { name, measure: Box::new(move |seconds| time_calls(seconds, &mut call)) }
    }
}

/// A call that takes longer is its own measurement: cold caches are a small part of it, and a table
/// with slow peers would take hours.
const LONG: Duration = Duration::from_millis(250);

/// Calls `call` for about `seconds` after a short warm-up (caches hold another process's data when
/// a slice begins), and at least twice. Calls shorter than 50 microseconds are timed in groups;
/// the first is all there is if it takes over [`LONG`] or `seconds` is 0.
pub(crate) fn time_calls(
    seconds: f64,
    mut call: impl FnMut() -> Result<(), String>,
) -> Result<Sample, String> {
    let warm = Instant::now();
    let mut calls = 0;
    while calls < 2 || warm.elapsed() < Duration::from_secs_f64(seconds * 0.1) {
        call()?;
        calls += 1;
        if calls == 1 && (seconds == 0.0 || warm.elapsed() > LONG) {
            return Ok(Sample { median: warm.elapsed().as_secs_f64(), count: 1 });
        }
    }
    let one = warm.elapsed().as_secs_f64() / calls as f64;
    let group = ((50e-6 / one) as usize).max(1);
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 2 || start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        for _ in 0..group {
            call()?;
        }
        times.push(begin.elapsed().as_secs_f64() / group as f64);
        if start.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    Ok(Sample { count: times.len() * group, median: median(&mut times) })
}

/// The middle value; NaN of nothing.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A deterministic source of fresh, roughly normal numbers (a sum of four uniform ones): timings on
/// zeros or constants flatter whoever takes shortcuts on them.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn fill(&mut self, count: usize) -> Vec<f32> {
        let mut uniform = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 40) as f32 / (1u64 << 24) as f32
        };
        let mut normal = || (uniform() + uniform() + uniform() + uniform() - 2.0) * 1.732;
        (0..count).map(|_| normal()).collect()
    }
}

/// Whether query `row` may attend to key `column` under the workloads' boolean mask (nine of ten).
pub(crate) fn visible(row: usize, column: usize) -> bool {
    !(row * 7 + column * 13).is_multiple_of(10)
}

/// Answers requests from standard input until it ends.
pub(crate) fn serve(mut prepare: impl FnMut(&Workload) -> Vec<Variant>) {
    let mut ready: Vec<Variant> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb {
            "prepare" => {
                // The last workload's buffers go before the next one's come.
                ready.clear();
                Workload::parse(rest).map(|workload| {
                    let mut answer = "ready".to_string();
                    for mut variant in prepare(&workload) {
                        match (variant.measure)(0.0) {
                            Ok(_) => {
                                answer += &format!("\t{}", variant.name);
                                ready.push(variant);
                            }
                            Err(e) => answer += &format!("\t!{}: {}", variant.name, one_line(&e)),
                        }
                    }
                    answer
                })
            }
            "run" => run(&mut ready, rest),
            other => Err(format!("unknown request {other:?}")),
        };
        let answer = answer.unwrap_or_else(|e| format!("error {}", one_line(&e)));
        if writeln!(std::io::stdout(), "{answer}").is_err() {
            return;
        }
    }
}

fn run(ready: &mut [Variant], rest: &str) -> Result<String, String> {
    let (name, seconds) = rest.rsplit_once(' ').ok_or("run NAME SECONDS")?;
    let seconds: f64 = seconds.parse().map_err(|e| format!("{seconds}: {e}"))?;
    let variant = ready.iter_mut().find(|v| v.name == name).ok_or(format!("no variant {name}"))?;
    let sample = (variant.measure)(seconds)?;
    Ok(format!("time {:e} {}", sample.median, sample.count))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect()
}
