//! Compiling and launching generated kernels.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use anymetal_kernels::copy::Scalar;
use anymetal_msl::diagnostic::Origin;
use anymetal_msl::syntax::token::MathMode as MslMathMode;
use anymetal_msl::{Options, Piece, Source, TemplateValue, compile};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Data, Finding};
use rustc_hash::FxHashMap;

pub use anymetal_simt::launch::Bounds;

use super::signature::{TemplateArgument, Text, type_name};
use super::{MathMode, Sizes, sizes};
use crate::device::{BufferMut, Inputs, Spec, View, threads};
use crate::error::{Error, Result};

/// A launch of a custom kernel, as data.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelLaunch {
    pub(super) kernel: String,
    pub(super) text: Text,
    pub(super) math_mode: MathMode,
    pub(super) last_resort: Vec<(String, TemplateArgument)>,
    pub(super) mentions: Vec<[bool; 3]>,
    pub(super) grid: [u32; 3],
    pub(super) threadgroup: [u32; 3],
    pub(super) init_value: Option<f32>,
    pub(super) bounds: Bounds,
}

/// A finding of a launch that succeeded: a read out of range, which gave 0.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelWarning {
    /// The kernel's name.
    pub kernel: String,
    /// Line and column in the user's source or header, if the access is there.
    pub position: Option<(String, u32, u32)>,
    /// What was accessed, where, by which thread, how often.
    pub finding: Finding,
}

impl fmt::Display for KernelWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel `{}`", self.kernel)?;
        if let Some((file, line, column)) = &self.position {
            write!(f, ", {file}:{line}:{column}")?;
        }
        write!(f, ": {}", self.finding)
    }
}

type Handler = Arc<dyn Fn(&KernelWarning) + Send + Sync>;

static HANDLER: RwLock<Option<Handler>> = RwLock::new(None);

/// Calls `handler` with every warning of a kernel, once per kernel and site; `None` (the default)
/// prints them to standard error.
pub fn on_kernel_warning(handler: Option<Box<dyn Fn(&KernelWarning) + Send + Sync>>) {
    *HANDLER.write().unwrap_or_else(PoisonError::into_inner) = handler.map(Arc::from);
}

/// A compiled kernel, and the sites that have been reported.
struct Compiled {
    program: Program,
    session: anymetal_msl::Session,
    reported: Mutex<BTreeSet<(u32, String)>>,
}

/// What a compilation depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    text: Text,
    math_mode: MathMode,
    last_resort: Vec<(String, TemplateArgument)>,
}

/// Kernels that stay compiled. More are rare, and compiling takes milliseconds.
const CACHED: usize = 512;

static CACHE: LazyLock<Mutex<FxHashMap<Key, Arc<Compiled>>>> = LazyLock::new(Mutex::default);

impl KernelLaunch {
    /// Runs the kernel over the inputs to fresh outputs.
    pub(crate) fn run(
        &self,
        inputs: &Inputs,
        specs: &[Spec],
        outs: &mut [BufferMut],
    ) -> Result<()> {
        for (out, spec) in outs.iter_mut().zip(specs) {
            let value = self.init_value.unwrap_or(0.0);
            anymetal_kernels::copy::fill(Scalar::Float(value as f64), out.slice_mut(spec.dtype));
        }
        let compiled = self.compiled()?;
        let tables: Vec<Tables> = inputs.iter().map(Tables::new).collect();
        let mut buffers = Vec::new();
        for ((input, tables), mentions) in inputs.iter().zip(&tables).zip(&self.mentions) {
            buffers.push(Data::Read(elements(input)?));
            if input.layout.ndim() > 0 {
                let parts: [&[u8]; 3] = [
                    bytemuck::cast_slice(&tables.shape),
                    bytemuck::cast_slice(&tables.strides),
                    bytemuck::bytes_of(&tables.ndim),
                ];
                let wanted = parts.into_iter().zip(mentions).filter(|(_, m)| **m);
                buffers.extend(wanted.map(|(part, _)| Data::Read(part)));
            }
        }
        for (out, spec) in outs.iter_mut().zip(specs) {
            let bytes = spec.bytes().unwrap_or(0);
            buffers.push(Data::Write(&mut out.bytes_mut()[..bytes]));
        }
        let mut launch = Launch::new(&compiled.program, buffers, self.grid, self.threadgroup);
        launch.bounds = self.bounds;
        launch.workers = threads();
        let threads: u64 = self.threadgroup.iter().map(|&n| n as u64).product();
        if threads > launch.limits.threads_per_threadgroup {
            return Err(Error::value(
                "metal_kernel",
                format!(
                    "Thread group size ({threads}) is greater than  the maximum allowed threads \
                     per threadgroup ({}).",
                    launch.limits.threads_per_threadgroup
                ),
            ));
        }
        let report = launch.run().map_err(|e| self.failed(&compiled, &e))?;
        for finding in report.findings {
            compiled.report(&self.kernel, finding);
        }
        Ok(())
    }

    fn failed(&self, compiled: &Compiled, error: &anymetal_simt::launch::LaunchError) -> Error {
        use anymetal_simt::launch::LaunchError;
        let message = match error {
            LaunchError::Findings(findings) => {
                let lines: Vec<String> = findings
                    .iter()
                    .map(|f| compiled.warning(&self.kernel, f.clone()).to_string())
                    .collect();
                lines.join("\n")
            }
            other => other.to_string(),
        };
        Error::Kernel { kernel: self.kernel.clone(), message }
    }

    fn compiled(&self) -> Result<Arc<Compiled>> {
        let key = Key {
            text: self.text.clone(),
            math_mode: self.math_mode,
            last_resort: self.last_resort.clone(),
        };
        if let Some(found) = lock_cache().get(&key) {
            return Ok(found.clone());
        }
        // Compiled outside the lock; a second thread may do the same work, never wrong work.
        let compiled = Arc::new(self.compile()?);
        let mut cache = lock_cache();
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert(key, compiled.clone());
        Ok(compiled)
    }

    fn compile(&self) -> Result<Compiled> {
        let piece =
            |name: &str, origin, text: &str| Piece { name: name.into(), origin, text: text.into() };
        let source = Source {
            pieces: vec![
                piece("header", Origin::Header, &self.text.header),
                piece("signature", Origin::Generated, &self.text.open),
                piece("source", Origin::Source, &self.text.source),
                piece("end of kernel", Origin::Generated, &self.text.close),
            ],
        };
        let last_resort = self
            .last_resort
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    TemplateArgument::Dtype(d) => TemplateValue::Type(type_name(*d).into()),
                    TemplateArgument::Int(v) => TemplateValue::Int(*v as i64),
                    TemplateArgument::Bool(v) => TemplateValue::Bool(*v),
                };
                (name.clone(), value)
            })
            .collect();
        let math_mode = match self.math_mode {
            MathMode::Safe => MslMathMode::Safe,
            MathMode::Relaxed => MslMathMode::Relaxed,
            MathMode::Fast => MslMathMode::Fast,
        };
        let options = Options { math_mode, last_resort, ..Options::default() };
        let compilation = compile(&source, &options);
        let error = |message: String| Error::Kernel { kernel: self.kernel.clone(), message };
        let Some(module) = &compilation.module else {
            return Err(error(format!(
                "Unable to build metal library from source\n{}",
                compilation.report()
            )));
        };
        let program =
            Program::new(module, &self.text.function).map_err(|e| error(e.to_string()))?;
        Ok(Compiled { program, session: compilation.session, reported: Mutex::default() })
    }
}

fn lock_cache() -> std::sync::MutexGuard<'static, FxHashMap<Key, Arc<Compiled>>> {
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Compiled {
    fn warning(&self, kernel: &str, finding: Finding) -> KernelWarning {
        let span = anymetal_msl::diagnostic::Span::from_index(finding.span.0);
        let position = self
            .session
            .map
            .place(span)
            .filter(|p| matches!(p.origin, Origin::Source | Origin::Header))
            .map(|p| (p.file.to_string(), p.line, p.column));
        KernelWarning { kernel: kernel.into(), position, finding }
    }

    /// Reports a finding unless its site has been.
    fn report(&self, kernel: &str, finding: Finding) {
        let site = (finding.span.0, finding.buffer.clone());
        if !self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(site) {
            return;
        }
        let warning = self.warning(kernel, finding);
        let handler = HANDLER.read().unwrap_or_else(PoisonError::into_inner).clone();
        match handler {
            Some(handler) => handler(&warning),
            None => eprintln!("warning: {warning}"),
        }
    }
}

/// What a kernel may ask about an input.
struct Tables {
    shape: Sizes,
    strides: Vec<i64>,
    ndim: i32,
}

impl Tables {
    fn new(view: &View) -> Self {
        Tables {
            shape: sizes(&view.layout.shape),
            strides: view.layout.strides.iter().map(|&s| s as i64).collect(),
            ndim: view.layout.ndim() as i32,
        }
    }
}

/// The bytes from an input's first element to its last; its strides are not negative.
fn elements(view: &View) -> Result<&[u8]> {
    let bytes = view.buffer.host_bytes()?;
    let layout = &view.layout;
    if layout.is_empty() {
        return Ok(&[]);
    }
    let reach: usize =
        layout.shape.iter().zip(&layout.strides).map(|(&n, &s)| (n - 1) * s.unsigned_abs()).sum();
    let size = view.dtype.size();
    Ok(&bytes[layout.offset * size..(layout.offset + reach + 1) * size])
}
