//! Files of source, and what the compiler makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use anymetal_msl::diagnostic::{FileId, Origin, Report, Severity};
use anymetal_msl::ir::{self, Module};
use anymetal_msl::syntax::{Keyword, Options, TokenKind, preprocess};
use anymetal_msl::{FunctionConstant, Piece, Session, Source};

use crate::npy::Dtype;
use crate::output::{Format, diagnostics, diagnostics_json, json_value};

/// Where the source is and how to compile it.
#[derive(clap::Args, Clone)]
pub(crate) struct SourceArguments {
    /// A .metal file, or .ir for the text form of the IR
    file: PathBuf,
    /// Folders with headers that the source may include
    #[arg(short = 'I', value_name = "FOLDER")]
    include: Vec<PathBuf>,
    /// Macros to define: NAME or NAME=BODY
    #[arg(short = 'D', value_name = "MACRO")]
    define: Vec<String>,
    /// The value of a function constant, e.g. 20=true, 21=64:i32 or 22=0.5
    #[arg(long, value_name = "INDEX=VALUE[:TYPE]", value_parser = function_constant)]
    function_constant: Vec<(u64, FunctionConstant)>,
    /// What is declared before the source; by default mlx for MLX-style bodies, metal for whole files
    #[arg(long, value_enum)]
    library: Option<Library>,
}

/// What is declared before a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Library {
    /// The Metal standard library
    Metal,
    /// The Metal standard library, `using namespace metal` and what MLX declares for custom kernels
    Mlx,
}

/// The value of a function constant as the command line writes it.
fn function_constant(text: &str) -> Result<(u64, FunctionConstant), String> {
    let usage = "function constants are written INDEX=VALUE[:TYPE], e.g. 20=true or 21=64:i32";
    let (index, rest) = text.split_once('=').ok_or(usage)?;
    let index = index.trim().parse().map_err(|_| usage)?;
    let (value, ty) = match rest.rsplit_once(':') {
        Some((value, ty)) => {
            (value.trim(), Some(Dtype::from_name(ty.trim()).map_err(|e| e.to_string())?))
        }
        None => (rest.trim(), None),
    };
    let ty = ty.map(|ty| ty.name);
    let boolean = match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let value = match (boolean, ty) {
        (Some(value), None | Some("bool")) => FunctionConstant::Bool(value),
        (None, None | Some("f16" | "bf16" | "f32"))
            if value.parse::<i64>().is_err() || ty.is_some() =>
        {
            FunctionConstant::Float(value.parse().map_err(|_| format!("`{value}` is no number"))?)
        }
        (None, None | Some("i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32")) => {
            FunctionConstant::Int(value.parse().map_err(|_| format!("`{value}` is no integer"))?)
        }
        (None, Some("u64")) => {
            let value: u64 = value.parse().map_err(|_| format!("`{value}` is no integer"))?;
            FunctionConstant::Int(value as i64)
        }
        (_, ty) => {
            let ty = ty.unwrap_or_default();
            return Err(format!("`{value}` is no value of a function constant of type {ty}"));
        }
    };
    Ok((index, value))
}

/// A source read into a session of the compiler.
pub(crate) struct Loaded {
    pub(crate) session: Session,
    pub(crate) file: FileId,
    pub(crate) options: Options,
}

/// A compiled program.
pub(crate) struct Compiled {
    pub(crate) module: Module,
    /// What is worth a warning.
    pub(crate) reports: Vec<Report>,
    session: Option<Session>,
}

impl Compiled {
    /// A position as file, line and column.
    pub(crate) fn place(&self, span: ir::Span) -> Option<String> {
        let map = &self.session.as_ref()?.map;
        let span = anymetal_msl::diagnostic::Span::from_index(span.0);
        let place = map.place(map.shown(span)).filter(|_| span.is_some())?;
        Some(format!("{}:{}:{}", place.file, place.line, place.column))
    }
}

impl Loaded {
    /// Whether the source declares a kernel; otherwise it is the body of one.
    pub(crate) fn has_kernel(mut self) -> bool {
        let tokens = preprocess(&mut self.session, &[self.file], &self.options);
        tokens.iter().any(|token| token.kind == TokenKind::Keyword(Keyword::Kernel))
    }
}

impl SourceArguments {
    /// Whether the file is in the text form of the IR.
    pub(crate) fn is_ir(&self) -> bool {
        self.file.extension().is_some_and(|extension| extension == "ir")
    }

    /// Reads the file and the headers beside it.
    pub(crate) fn load(&self) -> Result<Loaded> {
        let mut session = Session::new();
        let file = session.add_file(&self.name(), Origin::Source, self.text()?);
        Ok(Loaded { session, file, options: self.options()? })
    }

    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        for define in &self.define {
            options.defines.push(match define.split_once('=') {
                Some((name, body)) => (name.to_string(), Some(body.to_string())),
                None => (define.clone(), None),
            });
        }
        let mut headers = BTreeMap::new();
        for folder in &self.include {
            collect_headers(folder, folder, &mut headers, 0)?;
        }
        options.headers = headers;
        Ok(options)
    }

    /// The file as diagnostics call it.
    pub(crate) fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }

    /// The file's text.
    pub(crate) fn text(&self) -> Result<String> {
        read(&self.file)
    }

    /// Compiles a program made of the file and prints its diagnostics; nothing if it has errors.
    pub(crate) fn compile_program(
        &self,
        source: &Source,
        library: Library,
        format: Format,
    ) -> Result<Option<Compiled>> {
        let options = anymetal_msl::Options {
            preprocessing: self.options()?,
            function_constants: self.function_constant.clone(),
            mlx: self.library.unwrap_or(library) == Library::Mlx,
            ..Default::default()
        };
        compile(source, &options, format)
    }

    /// Compiles the file as it is and prints its diagnostics; nothing if it has errors.
    pub(crate) fn compile(&self, format: Format) -> Result<Option<Compiled>> {
        if !self.is_ir() {
            let piece =
                Piece { name: self.name(), origin: Origin::Source, text: self.text()?.into() };
            return self.compile_program(&Source { pieces: vec![piece] }, Library::Metal, format);
        }
        let module =
            ir::parse(&read(&self.file)?).with_context(|| self.file.display().to_string())?;
        ir::verify(&module).with_context(|| self.file.display().to_string())?;
        Ok(Some(Compiled { module, reports: Vec::new(), session: None }))
    }
}

fn compile(
    source: &Source,
    options: &anymetal_msl::Options,
    format: Format,
) -> Result<Option<Compiled>> {
    let compilation = anymetal_msl::compile(source, options);
    let session = compilation.session;
    let resolve = |diagnostic| Report::new(diagnostic, &session.map, &session.names);
    let reports: Vec<Report> = compilation.diagnostics.iter().map(resolve).collect();
    if !print_reports(&reports, &session, format) {
        return Ok(None);
    }
    let module = compilation.module.context("the compiler gave neither a program nor an error")?;
    Ok(Some(Compiled { module, reports, session: Some(session) }))
}

/// Prints the diagnostics of a session; false if one is an error.
pub(crate) fn print_diagnostics(session: &Session, format: Format) -> bool {
    let resolve = |diagnostic| Report::new(diagnostic, &session.map, &session.names);
    let reports: Vec<Report> = session.diagnostics().iter().map(resolve).collect();
    print_reports(&reports, session, format)
}

/// Prints diagnostics; false if one is an error. As JSON, only errors are printed here: warnings
/// belong to the one value that the command prints.
fn print_reports(reports: &[Report], session: &Session, format: Format) -> bool {
    let good = reports.iter().all(|report| report.severity != Severity::Error);
    match format {
        Format::Human => diagnostics(reports, &session.map),
        Format::Json if !good => {
            json_value(&serde_json::json!({ "diagnostics": diagnostics_json(reports) }));
        }
        Format::Json => {}
    }
    good
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    // Comments in other encodings are common; bytes that are no text there do no harm.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Deepest folder below `-I` that is looked into.
const MAX_DEPTH: usize = 8;

/// Headers of a folder by their path in it.
fn collect_headers(
    root: &Path,
    folder: &Path,
    headers: &mut BTreeMap<String, Arc<str>>,
    depth: usize,
) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading folder {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && depth < MAX_DEPTH {
            collect_headers(root, &path, headers, depth + 1)?;
        } else if path.extension().is_some_and(|e| e == "h" || e == "metal" || e == "hpp") {
            let name =
                path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            // The first folder that has a name wins, as with C compilers.
            let text: Arc<str> = read(&path)?.into();
            headers.entry(name).or_insert(text);
        }
    }
    Ok(())
}
