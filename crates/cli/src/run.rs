//! `anymetal run`: a kernel on arrays from the command line and `.npy` files.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use anymetal_msl::ir::{Binding, KernelParam, Span};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Bounds, Data, Finding, FindingKind, LaunchError, Schedule};
use serde_json::{Value, json};

use crate::custom::{body_program, instantiated};
use crate::npy::{Array, Dtype};
use crate::output::{Colour, Format, diagnostics_json, json_value, paint};
use crate::source::{Compiled, Library, SourceArguments};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: SourceArguments,
    /// The kernel; may be left out if there is only one
    #[arg(long)]
    kernel: Option<String>,
    /// An argument of the kernel template, in its order: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    template: Vec<String>,
    /// Text before an MLX-style body
    #[arg(long, value_name = "FILE")]
    header: Option<PathBuf>,
    /// An input buffer: NAME=FILE.npy
    #[arg(long, value_name = "NAME=FILE")]
    input: Vec<String>,
    /// A small input written out: NAME=VALUE[,VALUE...]:TYPE
    #[arg(long, value_name = "NAME=VALUES:TYPE")]
    constant: Vec<String>,
    /// An output buffer, which starts as zeros: NAME:TYPE:SHAPE, e.g. out:f32:16,64
    #[arg(long, value_name = "NAME:TYPE:SHAPE")]
    output: Vec<String>,
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

/// A buffer named on the command line.
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) array: Array,
    /// Place among the outputs.
    pub(crate) output: Option<usize>,
}

/// Compiles the file: as it is, with an instantiation, or as the body of a custom kernel.
fn compile(
    arguments: &Arguments,
    bound: &mut Vec<Bound>,
    format: Format,
) -> Result<Option<Compiled>> {
    let source = &arguments.source;
    if source.is_ir() {
        return source.compile(format);
    }
    let text = source.text()?;
    let is_body = !source.load()?.has_kernel();
    if is_body {
        let header = arguments.header.as_ref().map(std::fs::read_to_string);
        let header = header.transpose().context("reading the header")?.unwrap_or_default();
        let name = arguments.kernel.as_deref().unwrap_or("body");
        let program = body_program(name, &header, &text, &arguments.template, bound)?;
        return source.compile_program(&program, Library::Mlx, format);
    }
    if arguments.template.is_empty() {
        return source.compile(format);
    }
    let kernel = arguments.kernel.as_deref().context("--template needs --kernel")?;
    let program = instantiated(&source.name(), text, kernel, &arguments.template)?;
    source.compile_program(&program, Library::Metal, format)
}

/// Runs a kernel; false if the program has errors or the launch failed.
pub(crate) fn run(arguments: Arguments, format: Format) -> Result<bool> {
    let mut bound = buffers(&arguments)?;
    let compiled = compile(&arguments, &mut bound, format)?;
    let Some(compiled) = compiled else { return Ok(false) };
    let Compiled { module, .. } = &compiled;
    let kernel = match (&arguments.kernel, module.kernels.as_slice()) {
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
            for output in outputs {
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
    println!(
        "{}: {}{:?} = [{}{more}]",
        output.name,
        array.dtype.name,
        array.shape,
        values.join(", ")
    );
}

/// The buffers of the command line.
fn buffers(arguments: &Arguments) -> Result<Vec<Bound>> {
    let mut bound = Vec::new();
    for input in &arguments.input {
        let (name, file) = input.split_once('=').context("inputs are written NAME=FILE")?;
        let contents = std::fs::read(file).with_context(|| format!("reading {file}"))?;
        let array = Array::parse(&contents).with_context(|| file.to_string())?;
        bound.push(Bound { name: name.to_string(), array, output: None });
    }
    for constant in &arguments.constant {
        let usage = "constants are written NAME=VALUES:TYPE, e.g. n=16:i32";
        let (name, rest) = constant.split_once('=').context(usage)?;
        let (values, ty) = rest.rsplit_once(':').context(usage)?;
        let dtype = Dtype::from_name(ty)?;
        let parts: Vec<Vec<u8>> =
            values.split(',').map(|value| dtype.encode(value.trim())).collect::<Result<_>>()?;
        // One value is a scalar, as in MLX.
        let shape = if parts.len() == 1 { Vec::new() } else { vec![parts.len()] };
        let array = Array { dtype, shape, bytes: parts.concat() };
        bound.push(Bound { name: name.to_string(), array, output: None });
    }
    for (i, output) in arguments.output.iter().enumerate() {
        let mut parts = output.splitn(3, ':');
        let (Some(name), Some(ty), Some(shape)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("outputs are written NAME:TYPE:SHAPE, e.g. out:f32:16,64");
        };
        let shape = shape.split([',', 'x']).map(|axis| axis.trim().parse());
        let shape = shape.collect::<Result<Vec<usize>, _>>().context("bad shape of an output")?;
        let array = Array::zeros(Dtype::from_name(ty)?, shape)?;
        bound.push(Bound { name: name.to_string(), array, output: Some(i) });
    }
    Ok(bound)
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
