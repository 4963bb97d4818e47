//! `anymetal check`: diagnostics, and the kernels with their arguments.

use anyhow::Result;
use anymetal_msl::ir::{Binding, Kernel, Module, source_text};
use anymetal_msl::syntax::index::Index;
use anymetal_msl::syntax::parser::parse_unit;
use anymetal_msl::syntax::preprocess;
use serde_json::{Value, json};

use crate::output::{Colour, Format, diagnostics_json, json_value, line, paint_output};
use crate::program::ProgramArguments;
use crate::source::Loaded;

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    program: ProgramArguments,
}

/// Checks a file; false if it has errors.
pub(crate) fn check(arguments: Arguments, format: Format) -> Result<bool> {
    let mut bound = arguments.program.buffers.read()?;
    let compiled = arguments.program.compile(&mut bound, false, format)?;
    let Some(compiled) = compiled else { return Ok(false) };
    let module = &compiled.module;
    match format {
        Format::Json => {
            let kernels: Vec<Value> =
                module.kernels.iter().map(|kernel| kernel_json(module, kernel)).collect();
            json_value(
                &json!({ "diagnostics": diagnostics_json(&compiled.reports), "kernels": kernels }),
            );
        }
        Format::Human => module.kernels.iter().for_each(|kernel| print_kernel(module, kernel)),
    }
    Ok(true)
}

/// Reports what is wrong with a source's text and syntax into its session.
pub(crate) fn analyse(loaded: &mut Loaded) -> Index {
    let tokens = preprocess(&mut loaded.session, &loaded.files, &loaded.options);
    let mut index = Index::default();
    for diagnostic in parse_unit(&tokens, 0, &mut index, &loaded.session.names) {
        loaded.session.report(diagnostic);
    }
    index
}

fn print_kernel(module: &Module, kernel: &Kernel) {
    line(format_args!("{} {}", paint_output("kernel", Colour::Cyan), kernel.name));
    for param in &kernel.params {
        let (binding, index) = binding(param.binding);
        let access = if param.writable { "read, write" } else { "read" };
        let shape = if param.reference { "" } else { "*" };
        let ty = source_text(module, param.element);
        line(format_args!("  {binding}({index}) {ty}{shape} {} [{access}]", param.name));
    }
}

/// The signature of a kernel as JSON.
pub(crate) fn kernel_json(module: &Module, kernel: &Kernel) -> Value {
    let params = kernel.params.iter().map(|param| {
        let (binding, index) = binding(param.binding);
        json!({
            "name": param.name,
            "binding": binding,
            "index": index,
            "type": source_text(module, param.element),
            "writable": param.writable,
            "reference": param.reference,
        })
    });
    json!({
        "name": kernel.name,
        "params": params.collect::<Vec<_>>(),
        "max_threads": kernel.max_threads,
    })
}

fn binding(binding: Binding) -> (&'static str, u32) {
    match binding {
        Binding::Buffer(index) => ("buffer", index),
        Binding::Threadgroup(index) => ("threadgroup", index),
    }
}
