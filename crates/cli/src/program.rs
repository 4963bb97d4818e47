//! The program to compile: a whole file, with an instantiation of a template of it or as it is, or
//! the body of an MLX-style custom kernel.

use std::path::PathBuf;

use anyhow::{Context, Result};
use anymetal_msl::Source;

use crate::buffers::{Bound, BufferArguments};
use crate::custom::{Body, instantiated, whole};
use crate::output::{Colour, Format, paint};
use crate::source::{Compiled, Library, Loaded, SourceArguments};

/// What to compile.
#[derive(clap::Args)]
pub(crate) struct ProgramArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// The kernel; may be left out if there is only one
    #[arg(long)]
    pub(crate) kernel: Option<String>,
    /// An argument of the kernel template, in its order, e.g. T=float
    #[arg(long, value_name = "NAME=VALUE")]
    template: Vec<String>,
    /// Text before an MLX-style body
    #[arg(long, value_name = "FILE")]
    header: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) buffers: BufferArguments,
}

impl ProgramArguments {
    /// Compiles the program and prints its diagnostics; nothing if it has errors. `runs`: a file
    /// without a kernel can only be a body. Adds what a body's signature needs to `bound`.
    pub(crate) fn compile(
        &self,
        bound: &mut Vec<Bound>,
        runs: bool,
        format: Format,
    ) -> Result<Option<Compiled>> {
        if self.source.is_ir() {
            return self.source.compile_ir();
        }
        let is_body = self.is_body(bound, runs)?;
        let (source, library) = self.program(bound, is_body)?;
        let compiled = self.source.compile(&source, library, format)?;
        if compiled.is_none() && format == Format::Human && !self.source.has_kernel()? {
            let what = match (is_body, bound.is_empty()) {
                (false, _) => {
                    "the file declares no kernel; to compile it as the body of one, name its \
                     arrays with --input, --constant and --output"
                }
                (true, true) => {
                    "the file declares no kernel and was compiled as the body of one; its arrays \
                     come from --input, --constant and --output"
                }
                (true, false) => return Ok(None),
            };
            eprintln!("{} {what}", paint("help:", Colour::Cyan));
        }
        Ok(compiled)
    }

    /// The program's texts in a session of the compiler.
    pub(crate) fn load(&self) -> Result<Loaded> {
        let mut bound = self.buffers.read()?;
        let is_body = self.is_body(&bound, false)?;
        let (source, _) = self.program(&mut bound, is_body)?;
        self.source.load(&source)
    }

    fn is_body(&self, bound: &[Bound], runs: bool) -> Result<bool> {
        let wanted = runs || !bound.is_empty() || self.header.is_some();
        Ok(wanted && !self.source.has_kernel()?)
    }

    fn program(&self, bound: &mut Vec<Bound>, is_body: bool) -> Result<(Source, Library)> {
        let (file, text) = (self.source.name(), self.source.text()?);
        if is_body {
            let header = match &self.header {
                Some(path) => {
                    let text = std::fs::read_to_string(path);
                    let text = text.with_context(|| format!("reading {}", path.display()))?;
                    (path.to_string_lossy().into_owned(), text)
                }
                None => ("header".into(), String::new()),
            };
            let body = Body {
                name: self.kernel.as_deref().unwrap_or("body"),
                header: (&header.0, &header.1),
                source: (&file, &text),
                template: &self.template,
            };
            return Ok((body.program(bound)?, Library::Mlx));
        }
        let source = if self.template.is_empty() {
            whole(&file, text)
        } else {
            let kernel = self.kernel.as_deref().context("--template needs --kernel")?;
            instantiated(&file, text, kernel, &self.template)?
        };
        Ok((source, Library::Metal))
    }
}
