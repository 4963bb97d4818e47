//! `anymetal dump`: what a stage of the compiler makes of a file.

use anyhow::Result;
use anymetal_msl::ir::print;
use anymetal_msl::syntax::preprocess;
use anymetal_msl::syntax::token::TokenKind;
use serde_json::json;

use crate::check::{analyse, kernel_json};
use crate::output::{Format, json_value, line};
use crate::program::ProgramArguments;
use crate::source::{Compiled, print_diagnostics};

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The stage
    #[arg(value_enum)]
    stage: Stage,
    #[command(flatten)]
    program: ProgramArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// What the preprocessor gives the parser
    Tokens,
    /// The declarations
    Tree,
    /// The IR in its text form
    Ir,
    /// The kernels and their parameters
    Signature,
}

/// Prints a stage's result; false if the file has errors.
pub(crate) fn dump(arguments: Arguments, format: Format) -> Result<bool> {
    let lines: Vec<String> = match arguments.stage {
        Stage::Tokens => {
            let mut loaded = arguments.program.load()?;
            let tokens = preprocess(&mut loaded.session, &loaded.files, &loaded.options);
            if !print_diagnostics(&loaded.session, format) {
                return Ok(false);
            }
            let session = &loaded.session;
            let show = |kind: &TokenKind| match kind {
                TokenKind::Ident(symbol) => format!("Ident {}", session.text(*symbol)),
                TokenKind::Str(symbol) => format!("Str {:?}", session.text(*symbol)),
                other => format!("{other:?}"),
            };
            let place = |span| match session.map.place(span) {
                Some(place) => format!("{}:{}", place.line, place.column),
                None => "-".to_string(),
            };
            let token = |t: &anymetal_msl::syntax::token::Token| (place(t.span), show(&t.kind));
            tokens.iter().map(token).map(|(place, text)| format!("{place:>8}  {text}")).collect()
        }
        Stage::Tree => {
            let mut loaded = arguments.program.load()?;
            let index = analyse(&mut loaded);
            if !print_diagnostics(&loaded.session, format) {
                return Ok(false);
            }
            let frame = index.frame(index.root());
            format!("{:#?}", frame.items).lines().map(str::to_string).collect()
        }
        Stage::Ir => {
            let Some(compiled) = compile(&arguments, format)? else { return Ok(false) };
            print(&compiled.module).lines().map(str::to_string).collect()
        }
        Stage::Signature => {
            let Some(compiled) = compile(&arguments, format)? else { return Ok(false) };
            let module = &compiled.module;
            let kernels = module.kernels.iter().map(|kernel| kernel_json(module, kernel));
            let kernels: serde_json::Value = kernels.collect();
            if format == Format::Json {
                json_value(&kernels);
                return Ok(true);
            }
            format!("{kernels:#}").lines().map(str::to_string).collect()
        }
    };
    match format {
        Format::Human => lines.iter().for_each(line),
        Format::Json => json_value(&json!({ "lines": lines })),
    }
    Ok(true)
}

fn compile(arguments: &Arguments, format: Format) -> Result<Option<Compiled>> {
    let mut bound = arguments.program.buffers.read()?;
    arguments.program.compile(&mut bound, false, format)
}
