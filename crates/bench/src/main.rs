//! Benchmarks of anymetal against its peers, interleaved in one run.
//!
//! The driver (`main`) starts every peer as a child process ([`peer`]), goes through the table of
//! workloads ([`workload`]) and lets all peers take turns at each ([`compare`]); ours and the
//! machine's limits ([`limits`]) are two more such processes, of this same program. README.md says
//! how to set the peers up.

#![deny(unsafe_code)]

mod compare;
mod limits;
mod ours;
mod peer;
mod protocol;
mod record;
mod report;
mod workload;

use peer::{PEERS, Peer};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: anymetal-bench [options]
  --peers A,B      peers to measure (torch torch-mkl ort ov jax mlx candle burn); all by default
  --ops A,B        rms_norm layer_norm rope sdpa gemm
  --cases TEXT     only cases whose name contains TEXT
  --dtypes A,B     f32 bf16 f16
  --threads A,B    thread counts; 1 and all cores by default
  --quick          three short passes instead of seven
  --minutes N      end after about N minutes
  --fresh          measure everything again; else rows that a former run of the same program
                   with the same peers and effort left in FOLDER are kept
  --out FOLDER     where table.md and table.json go; bench-results by default";

struct Options {
    peers: Vec<&'static str>,
    ops: Vec<&'static str>,
    cases: String,
    dtypes: Vec<&'static str>,
    threads: Vec<usize>,
    effort: compare::Effort,
    out: PathBuf,
    limit: Option<Duration>,
    fresh: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, who, threads] = &args[..]
        && serve == "serve"
    {
        serve_one(who, threads.parse().unwrap_or(1));
        return ExitCode::SUCCESS;
    }
    let outcome = Options::parse(&args).and_then(|options| run(&options));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// The child process of one of our own two contenders.
fn serve_one(who: &str, threads: usize) {
    match who {
        "ours" => ours::serve(threads),
        #[cfg(target_arch = "x86_64")]
        "limits" => protocol::serve(|workload| limits::prepare(workload, threads)),
        _ => protocol::serve(|_| Vec::new()),
    }
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let cores = peer::cores();
        let mut options = Self {
            peers: PEERS.to_vec(),
            ops: workload::OPS.to_vec(),
            cases: String::new(),
            dtypes: workload::DTYPES.to_vec(),
            threads: if cores == 1 { vec![1] } else { vec![1, cores] },
            effort: compare::Effort { passes: 7, slice: 0.12 },
            out: "bench-results".into(),
            limit: None,
            fresh: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--peers" => options.peers = choose(value()?, &PEERS)?,
                "--ops" => options.ops = choose(value()?, &workload::OPS)?,
                "--cases" => options.cases = value()?.clone(),
                "--dtypes" => options.dtypes = choose(value()?, &workload::DTYPES)?,
                "--threads" => {
                    let counts =
                        value()?.split(',').map(|t| t.parse().map_err(|e| format!("{t}: {e}")));
                    options.threads = counts.collect::<Result<_, _>>()?;
                }
                "--quick" => options.effort = compare::Effort { passes: 3, slice: 0.05 },
                "--minutes" => {
                    let minutes: f64 = value()?.parse().map_err(|e| format!("{arg}: {e}"))?;
                    let limit = Duration::try_from_secs_f64(60.0 * minutes);
                    options.limit = Some(limit.map_err(|e| format!("{arg}: {e}"))?);
                }
                "--fresh" => options.fresh = true,
                "--out" => options.out = value()?.into(),
                "--help" | "-h" => return Err(USAGE.into()),
                other => return Err(format!("unknown option {other}\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn choose(list: &str, known: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let find = |name: &str| known.iter().copied().find(|&k| k == name);
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(|name| find(name).ok_or(format!("{name:?} is none of {}", known.join(", "))))
        .collect()
}

fn run(options: &Options) -> Result<(), String> {
    let start = Instant::now();
    let mut setting = report::Setting {
        machine: machine(),
        program: program(),
        passes: options.effort.passes,
        slice: options.effort.slice,
        asked: options.peers.clone(),
        present: Vec::new(),
        absent: Vec::new(),
    };
    let former = std::fs::read_to_string(options.out.join("table.json")).unwrap_or_default();
    let former = if options.fresh { "" } else { &former };
    let mut rows = record::read(former, &mut setting);
    if !rows.is_empty() {
        println!("{} rows of a former run are kept (--fresh measures them again)", rows.len());
    }
    println!("{}", report::HEADER);
    let mut left = 0;
    for &threads in &options.threads {
        let mut peers = Vec::new();
        for &op in &options.ops {
            for case in workload::cases(op).iter().filter(|c| c.label.contains(&options.cases)) {
                for &dtype in &options.dtypes {
                    let key = (op, case.label, dtype, threads);
                    if rows.iter().any(|r| (r.op, r.label, r.dtype, r.threads) == key) {
                        continue;
                    }
                    if options.limit.is_some_and(|limit| start.elapsed() >= limit) {
                        left += 1;
                        continue;
                    }
                    if peers.is_empty() {
                        peers = start_peers(&options.peers, threads, &mut setting)?;
                    }
                    eprint!("\r{op} {} {dtype} {threads} threads ...\x1b[K\r", case.label);
                    let row = compare::measure(&mut peers, case, dtype, threads, &options.effort);
                    println!("{}", report::line(&row));
                    rows.push(row);
                    // Written after every row: a run that is cut short leaves what it has.
                    write(options, &setting, &rows)?;
                }
            }
        }
    }
    if left > 0 {
        println!("\n{left} rows left: the same command goes on with them");
    }
    println!("\nwritten to {}", options.out.join("table.md").display());
    Ok(())
}

/// Ours, the limits and every peer that is there; the setting notes who is not, and why.
fn start_peers(
    names: &[&'static str],
    threads: usize,
    setting: &mut report::Setting,
) -> Result<Vec<Peer>, String> {
    let mut peers = vec![Peer::start("ours", threads)?, Peer::start("limits", threads)?];
    for &name in names {
        let (list, entry) = match Peer::start(name, threads) {
            Ok(peer) => {
                peers.push(peer);
                (&mut setting.present, name.to_string())
            }
            Err(e) => (&mut setting.absent, format!("{name} ({e})")),
        };
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    Ok(peers)
}

fn write(
    options: &Options,
    setting: &report::Setting,
    rows: &[compare::Row],
) -> Result<(), String> {
    let explain = |e: std::io::Error| format!("{}: {e}", options.out.display());
    std::fs::create_dir_all(&options.out).map_err(explain)?;
    std::fs::write(options.out.join("table.md"), report::markdown(setting, rows))
        .map_err(explain)?;
    std::fs::write(options.out.join("table.json"), record::json(setting, rows)).map_err(explain)
}

/// The processor's name and its number of cores.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    format!("{}, {} cores", name.map_or(std::env::consts::ARCH, |n| n.1), peer::cores())
}

/// Which build this is: when the file of the running program was written.
fn program() -> String {
    let written = || std::env::current_exe().ok()?.metadata().ok()?.modified().ok();
    let since = written().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or("unknown".into(), |since| format!("built at {}", since.as_secs()))
}
