//! Peers as child processes: how each is started, asked and watched.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Everything that can be measured, in the order of the table's columns. `ours` and `limits` are
/// this very program.
pub(crate) const PEERS: [&str; 8] =
    ["torch", "torch-mkl", "ort", "ov", "jax", "mlx", "candle", "burn"];

/// Longest wait for an answer; compiling a variant may take a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running peer.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

/// One timed slice.
pub(crate) struct Slice {
    pub(crate) seconds: f64,
    /// CPU time of processes other than the peer during the slice, in cores.
    pub(crate) foreign: f64,
}

impl Peer {
    /// Starts `name` with `threads` threads; the error says what is missing.
    pub(crate) fn start(name: &'static str, threads: usize) -> Result<Self, String> {
        let mut command = command(name, threads)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| format!("cannot start: {e}"))?;
        let (Some(requests), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".into());
        };
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { name, child, requests, answers })
    }

    /// Prepares a workload. Returns the names of the variants that work, and what the others say.
    pub(crate) fn prepare(&mut self, workload: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let answer = self.ask(&format!("prepare {workload}"))?;
        let mut words = answer.split('\t');
        if words.next() != Some("ready") {
            return Err(answer);
        }
        let (bad, good): (Vec<_>, Vec<_>) =
            words.map(str::to_string).partition(|w| w.starts_with('!'));
        Ok((good, bad))
    }

    /// Times one slice of a prepared variant.
    pub(crate) fn run(&mut self, variant: &str, seconds: f64) -> Result<Slice, String> {
        let (start, before) = (Instant::now(), self.cpu_times());
        let answer = self.ask(&format!("run {variant} {seconds}"))?;
        let (wall, after) = (start.elapsed().as_secs_f64(), self.cpu_times());
        let foreign = ((after.0 - before.0) - (after.1 - before.1)).max(0.0) / wall;
        let mut words = answer.split(' ');
        match (words.next(), words.next().and_then(|w| w.parse().ok())) {
            (Some("time"), Some(seconds)) => Ok(Slice { seconds, foreign }),
            _ => Err(answer),
        }
    }

    fn ask(&mut self, request: &str) -> Result<String, String> {
        writeln!(self.requests, "{request}").map_err(|e| format!("gone: {e}"))?;
        self.answers.recv_timeout(PATIENCE).map_err(|_| "no answer: ended or hung".to_string())
    }

    /// Busy seconds of the whole machine and of this peer; zeros where there is no `/proc`.
    fn cpu_times(&self) -> (f64, f64) {
        let fields = |path: String, skip_to: char| -> Vec<f64> {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().next().unwrap_or_default();
            let line = line.rsplit(skip_to).next().unwrap_or_default();
            line.split_whitespace().map(|w| w.parse().unwrap_or(0.0)).collect()
        };
        let at = |v: &[f64], i: usize| v.get(i).copied().unwrap_or(0.0);
        // "cpu  user nice system idle iowait irq softirq steal ..." in hundredths of a second.
        let all = fields("/proc/stat".into(), 'u');
        let busy = [0, 1, 2, 5, 6, 7].iter().map(|&i| at(&all, i)).sum::<f64>();
        // The fields after the parenthesised name; user and system time are the 12th and 13th.
        let own = fields(format!("/proc/{}/stat", self.child.id()), ')');
        (busy / 100.0, (at(&own, 11) + at(&own, 12)) / 100.0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the peers' environments are: `PEERS_HOME`, or a folder in the user's cache.
fn home() -> PathBuf {
    let cache = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("PEERS_HOME").map_or_else(|| cache().join("anymetal-peers"), PathBuf::from)
}

fn command(name: &'static str, threads: usize) -> Result<Command, String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let (program, script, environment) = match name {
        "ours" | "limits" => (own, None, ""),
        "torch" | "torch-mkl" => (home().join("torch/bin/python"), Some("drive_torch.py"), "torch"),
        "ort" => (home().join("ort/bin/python"), Some("drive_ort.py"), "ort"),
        "ov" => (home().join("ort/bin/python"), Some("drive_ov.py"), "ort"),
        "jax" => (home().join("jax/bin/python"), Some("drive_jax.py"), "jax"),
        "mlx" => (home().join("mlx/bin/python"), Some("drive_mlx.py"), "mlx"),
        "candle" => (home().join("candle/release/peer-candle"), None, "candle"),
        "burn" => (home().join("burn/release/peer-burn"), None, "burn"),
        _ => return Err("unknown peer".into()),
    };
    if !program.exists() {
        return Err(format!("not set up: crates/bench/peers/setup.sh {environment}"));
    }
    // One thread is held on one core, so that it never waits for a migration.
    let mut command = if threads == 1 && Path::new("/usr/bin/taskset").exists() {
        let mut pinned = Command::new("/usr/bin/taskset");
        pinned.args(["-c", &(cores() - 1).to_string()]).arg(program);
        pinned
    } else {
        Command::new(program)
    };
    match script {
        Some(script) => command.arg(scripts.join(script)),
        None if environment.is_empty() => command.args(["serve", name]),
        None => &mut command,
    };
    command.arg(threads.to_string());
    command.envs(environment_of(name, threads)?);
    Ok(command)
}

/// The machine's cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Thread counts for every library that reads them; huge pages and no returning of memory for
/// everyone but ours, so that no peer is measured on page faults.
fn environment_of(name: &str, threads: usize) -> Result<BTreeMap<&'static str, String>, String> {
    let mut env = BTreeMap::new();
    for key in [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "TORCHINDUCTOR_COMPILE_THREADS",
    ] {
        let count = if key == "TORCHINDUCTOR_COMPILE_THREADS" { 1 } else { threads };
        env.insert(key, count.to_string());
    }
    env.insert("PYTHONDONTWRITEBYTECODE", "1".into());
    if name != "ours" {
        env.insert("THP_MEM_ALLOC_ENABLE", "1".into());
        let tunables = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:\
                        glibc.malloc.trim_threshold=8000000000:glibc.malloc.top_pad=268435456";
        env.insert("GLIBC_TUNABLES", tunables.into());
    }
    if name == "torch-mkl" {
        // MKL takes its AVX2 code on AMD machines unless this function says otherwise.
        let library = home().join("intel.so");
        if !library.exists() {
            return Err("not set up: crates/bench/peers/setup.sh torch".into());
        }
        env.insert("LD_PRELOAD", library.display().to_string());
    }
    Ok(env)
}
