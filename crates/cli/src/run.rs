//! `anymetal run`: a kernel on arrays from the command line and `.npy` files.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use anymetal_msl::ir::{Binding, KernelParam, Span};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Bounds, Data, Finding, FindingKind, LaunchError, Schedule};
use serde_json::{Value, json};

use crate::buffers::Bound;
use crate::output::{Colour, Format, diagnostics_json, json_value, line, paint};
use crate::program::ProgramArguments;
use crate::source::Compiled;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    program: ProgramArguments,
    /// A file for each output, in their order; outputs without one are printed
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Threads along each axis: X[,Y[,Z]]
    #[arg(long, value_parser = axes)]
    grid: [u32; 3],
    /// Threads of a threadgroup along each axis
    #[arg(long, value_parser = axes, default_value = "32")]
    threadgroup: [u32; 3],
    /// Bytes for each threadgroup parameter, in their order
    #[arg(long)]
    threadgroup_memory: Vec<u64>,
    /// In which order threads take their steps
    #[arg(long, value_enum, default_value_t = ScheduleName::Lockstep)]
    schedule: ScheduleName,
    /// Seed of the random schedule
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What happens on accesses out of range
    #[arg(long, value_enum, default_value_t = BoundsName::Warn)]
    bounds: BoundsName,
    /// Seconds after which to give up
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<f64>,
    /// Threads to use; 0 for as many as the machine has
    #[arg(long, default_value_t = 0)]
    workers: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ScheduleName {
    Lockstep,
    Lanes,
    Reverse,
    Random,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum BoundsName {
    Warn,
    Error,
    Unchecked,
}

fn axes(text: &str) -> Result<[u32; 3], String> {
    let mut sizes = [1; 3];
    for (i, part) in text.split([',', 'x']).enumerate() {
        let size = sizes.get_mut(i).ok_or("there are three axes")?;
        *size = part.trim().parse().map_err(|_| format!("`{part}` is not a number of threads"))?;
    }
    Ok(sizes)
}

/// Runs a kernel; false if the program has errors or the launch failed.
pub(crate) fn run(arguments: Arguments, format: Format) -> Result<bool> {
    let mut bound = arguments.program.buffers.read()?;
    let outputs = bound.iter().filter(|bound| bound.output.is_some()).count();
    if arguments.files.len() > outputs {
        bail!("-o is given {} times and --output {outputs}", arguments.files.len());
    }
    let compiled = arguments.program.compile(&mut bound, true, format)?;
    let Some(compiled) = compiled else { return Ok(false) };
    let Compiled { module, .. } = &compiled;
    let kernel = match (&arguments.program.kernel, module.kernels.as_slice()) {
        // A body is the only kernel, under a generated name.
        (_, [kernel]) => kernel,
        (Some(name), _) => module.kernel(name).with_context(|| {
            let names: Vec<&str> = module.kernels.iter().map(|k| k.name.as_str()).collect();
            format!("no kernel is called `{name}`; there are: {}", names.join(", "))
        })?,
        (None, []) => bail!("the file has no kernel"),
        (None, _) => bail!("the file has several kernels; name one with --kernel"),
    };
    let program = Program::new(module, &kernel.name)?;
    let order = order(&kernel.params, &bound)?;
    let mut slots: Vec<Option<Data<'_>>> = bound
        .iter_mut()
        .map(|bound| {
            let bytes = bound.array.bytes.as_mut_slice();
            Some(if bound.output.is_some() { Data::Write(bytes) } else { Data::Read(bytes) })
        })
        .collect();
    let buffers = order.iter().filter_map(|&i| slots[i].take()).collect();
    let mut launch = Launch::new(&program, buffers, arguments.grid, arguments.threadgroup);
    launch.threadgroup_memory = arguments.threadgroup_memory.clone();
    launch.schedule = match arguments.schedule {
        ScheduleName::Lockstep => Schedule::Lockstep,
        ScheduleName::Lanes => Schedule::LaneByLane,
        ScheduleName::Reverse => Schedule::Reverse,
        ScheduleName::Random => Schedule::Random,
    };
    launch.bounds = match arguments.bounds {
        BoundsName::Warn => Bounds::Warn,
        BoundsName::Error => Bounds::Error,
        BoundsName::Unchecked => Bounds::Unchecked,
    };
    (launch.seed, launch.workers) = (arguments.seed, arguments.workers);
    launch.limits.time = arguments.time_limit.map(Duration::try_from_secs_f64).transpose()?;
    let result = launch.run();
    let (findings, error, steps) = match result {
        Ok(report) => (report.findings, None, Some(report.lane_steps)),
        Err(LaunchError::Findings(findings)) => (findings, Some(String::new()), None),
        Err(error @ LaunchError::EndlessLoop { span, .. }) => {
            let place = compiled.place(span).map(|place| format!(" ({place})"));
            (Vec::new(), Some(format!("{error}{}", place.unwrap_or_default())), None)
        }
        Err(error) => (Vec::new(), Some(error.to_string()), None),
    };
    let outputs: Vec<&Bound> = bound.iter().filter(|bound| bound.output.is_some()).collect();
    for output in &outputs {
        if let Some(file) = output.output.and_then(|i| arguments.files.get(i)) {
            std::fs::write(file, output.array.to_file())
                .with_context(|| format!("writing {}", file.display()))?;
        }
    }
    let failed = error.is_some();
    // A launch that was refused or cut off left nothing worth showing.
    let finished = error.as_ref().is_none_or(String::is_empty);
    match format {
        Format::Json => {
            let findings = findings.iter().map(|finding| finding_json(finding, &compiled));
            let outputs = outputs.iter().map(|output| output_json(output, &arguments.files));
            json_value(&json!({
                "kernel": kernel.name,
                "diagnostics": diagnostics_json(&compiled.reports),
                "error": error,
                "findings": findings.collect::<Vec<_>>(),
                "outputs": outputs.collect::<Vec<_>>(),
                "lane_steps": steps,
            }));
        }
        Format::Human => {
            for finding in &findings {
                let fatal = finding.kind != FindingKind::Read
                    || matches!(arguments.bounds, BoundsName::Error);
                let (word, colour) =
                    if fatal { ("error:", Colour::Red) } else { ("warning:", Colour::Yellow) };
                let place = place_text(finding.span, &compiled);
                eprintln!("{} {place}{finding}", paint(word, colour));
            }
            if let Some(error) = error.filter(|error| !error.is_empty()) {
                eprintln!("{} {error}", paint("error:", Colour::Red));
            }
            for output in outputs.into_iter().filter(|_| finished) {
                if output.output.is_none_or(|i| i >= arguments.files.len()) {
                    print_array(output);
                }
            }
        }
    }
    Ok(!failed)
}

fn place_text(span: Span, compiled: &Compiled) -> String {
    compiled.place(span).map_or(String::new(), |place| format!("{place}: "))
}

fn finding_json(finding: &Finding, compiled: &Compiled) -> Value {
    json!({
        "kind": match finding.kind {
            FindingKind::Read => "read",
            FindingKind::Write => "write",
            FindingKind::Misaligned => "misaligned",
        },
        "message": finding.to_string(),
        "place": compiled.place(finding.span),
        "buffer": finding.buffer,
        "index": finding.index(),
        "length": finding.length / finding.element_size.max(1),
        "thread": finding.thread,
        "count": finding.count,
    })
}

fn output_json(output: &Bound, files: &[PathBuf]) -> Value {
    let file = output.output.and_then(|i| files.get(i));
    let values = file.is_none().then(|| {
        let values = output.array.elements();
        // JSON has no infinities and NaN: those stay text.
        values
            .map(|text| text.parse::<serde_json::Number>().map_or(json!(text), Value::Number))
            .collect::<Vec<_>>()
    });
    json!({
        "name": output.name,
        "type": output.array.dtype.name,
        "shape": output.array.shape,
        "file": file,
        "values": values,
    })
}

/// Elements printed of an output without a file.
const PRINTED: usize = 64;

fn print_array(output: &Bound) {
    let array = &output.array;
    let count = array.elements().count();
    let values: Vec<String> = array.elements().take(PRINTED).collect();
    let more = if count > PRINTED { ", ..." } else { "" };
    line(format_args!(
        "{}: {}{:?} = [{}{more}]",
        output.name,
        array.dtype.name,
        array.shape,
        values.join(", ")
    ));
}

/// The buffer for each buffer parameter of the kernel.
fn order(params: &[KernelParam], bound: &[Bound]) -> Result<Vec<usize>> {
    let mut order = Vec::new();
    let mut missing = Vec::new();
    for param in params.iter().filter(|param| matches!(param.binding, Binding::Buffer(_))) {
        match bound.iter().position(|bound| bound.name == param.name) {
            Some(found) => order.push(found),
            None => missing.push(param.name.as_str()),
        }
    }
    if !missing.is_empty() {
        bail!("no --input, --constant or --output is given for: {}", missing.join(", "));
    }
    for (i, bound) in bound.iter().enumerate() {
        if !order.contains(&i) {
            eprintln!(
                "{} the kernel has no buffer called {}",
                paint("warning:", Colour::Yellow),
                bound.name
            );
        }
    }
    Ok(order)
}
