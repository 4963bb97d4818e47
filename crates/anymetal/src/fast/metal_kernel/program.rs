//! Compiling and launching generated kernels.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anymetal_kernels::copy::Scalar;
use anymetal_msl::diagnostic::{Origin, Span};
use anymetal_msl::signature::Bound;
use anymetal_msl::syntax::token::MathMode as MslMathMode;
use anymetal_msl::{Options, Piece, Session, Source, TemplateValue, compile};
use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Data, Finding, Interrupt, LaunchError};

pub use anymetal_simt::launch::Bounds;

use super::super::hook::{Handler, Hook};
use super::MathMode;
use crate::device::{BufferMut, Inputs, Spec, View, threads};
use crate::error::{Error, Result};
use crate::interrupt::{self, Scope};

/// A launch of a custom kernel, as data.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelLaunch {
    pub(super) kernel: String,
    /// The kernel's name in the generated program.
    pub(super) function: String,
    pub(super) pieces: Arc<[Piece]>,
    /// What its buffers are, in order.
    pub(super) bindings: Vec<Bound>,
    pub(super) math_mode: MathMode,
    /// Template arguments, visible where the user's header declares nothing of that name.
    pub(super) last_resort: Vec<(String, TemplateValue)>,
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

static HOOK: Hook<KernelWarning> = Hook::new();

/// Calls `handler` with every warning of a kernel, once per kernel and site; `None` (the default)
/// prints them to standard error.
pub fn on_kernel_warning(handler: Option<Handler<KernelWarning>>) {
    HOOK.set(handler);
}

/// A compiled kernel, and the sites that have been reported.
struct Compiled {
    program: Program,
    session: Session,
    reported: Mutex<BTreeSet<(u32, String)>>,
}

/// What a compilation depends on: all of the text and the options.
#[derive(PartialEq)]
struct Key {
    pieces: Arc<[Piece]>,
    math_mode: MathMode,
    last_resort: Vec<(String, TemplateValue)>,
}

/// Kernels that stay compiled, newest last. Programs with more are rare; compiling takes
/// milliseconds.
const CACHED: usize = 256;

static CACHE: Mutex<Vec<(Key, Arc<Compiled>)>> = Mutex::new(Vec::new());

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
        let mut written = outs.iter_mut().zip(specs);
        let mut buffers = Vec::new();
        for bound in &self.bindings {
            buffers.push(match *bound {
                Bound::Input(i) => Data::Read(elements(&inputs[i])?),
                Bound::Shape(i) => Data::Read(bytemuck::cast_slice(&tables[i].shape)),
                Bound::Strides(i) => Data::Read(bytemuck::cast_slice(&tables[i].strides)),
                Bound::Ndim(i) => Data::Read(bytemuck::bytes_of(&tables[i].ndim)),
                Bound::Output(_) => {
                    let Some((out, spec)) = written.next() else { break };
                    Data::Write(&mut out.bytes_mut()[..spec.bytes().unwrap_or(0)])
                }
            });
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
        let scope = interrupt::current();
        let stop = scope.as_deref().map(|scope| {
            let limits = scope.limits();
            move || limits.stopped()
        });
        let poll = scope.as_deref().map(|scope| move || scope.poll());
        launch.interrupt = Interrupt {
            stop: stop.as_ref().map(|stop| stop as _),
            poll: poll.as_ref().map(|poll| poll as _),
        };
        launch.limits.time = scope.as_deref().and_then(Scope::remaining);
        let report = launch.run().map_err(|e| self.failed(&compiled, &e))?;
        for finding in report.findings {
            compiled.report(&self.kernel, finding);
        }
        Ok(())
    }

    fn failed(&self, compiled: &Compiled, error: &LaunchError) -> Error {
        let message = match error {
            LaunchError::Findings(findings) => {
                let lines: Vec<String> = findings
                    .iter()
                    .map(|f| compiled.warning(&self.kernel, f.clone()).to_string())
                    .collect();
                lines.join("\n")
            }
            LaunchError::Cancelled => return Error::Interrupted,
            LaunchError::EndlessLoop { function, span, thread: [x, y, z], limit } => {
                let place = match compiled.position(*span) {
                    Some((file, line, column)) => format!(", {file}:{line}:{column}"),
                    None => String::new(),
                };
                let at = format!("{function}{place}, thread ({x}, {y}, {z})");
                if *limit == "time" {
                    let during = format!("in kernel `{}`, in a loop of {at}", self.kernel);
                    return Error::Timeout { during };
                }
                format!("a loop did not end within the {limit} limit: {at}")
            }
            LaunchError::TimeLimit { .. } => {
                return Error::Timeout { during: format!("in kernel `{}`", self.kernel) };
            }
            other => other.to_string(),
        };
        Error::Kernel { kernel: self.kernel.clone(), message }
    }

    fn compiled(&self) -> Result<Arc<Compiled>> {
        let key = Key {
            pieces: self.pieces.clone(),
            math_mode: self.math_mode,
            last_resort: self.last_resort.clone(),
        };
        let cache = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = cache().iter().rev().find(|(k, _)| *k == key) {
            return Ok(found.clone());
        }
        // Compiled outside the lock; a second thread may do the same work, never wrong work.
        let compiled = Arc::new(self.compile()?);
        let mut cache = cache();
        if cache.len() >= CACHED {
            cache.remove(0);
        }
        cache.push((key, compiled.clone()));
        Ok(compiled)
    }

    fn compile(&self) -> Result<Compiled> {
        let source = Source { pieces: self.pieces.to_vec() };
        let math_mode = match self.math_mode {
            MathMode::Safe => MslMathMode::Safe,
            MathMode::Relaxed => MslMathMode::Relaxed,
            MathMode::Fast => MslMathMode::Fast,
        };
        let last_resort = self.last_resort.clone();
        let options = Options { math_mode, last_resort, ..Options::default() };
        let compilation = compile(&source, &options);
        let error = |message: String| Error::Kernel { kernel: self.kernel.clone(), message };
        let Some(module) = &compilation.module else {
            return Err(error(format!(
                "Unable to build metal library from source\n{}",
                compilation.report()
            )));
        };
        let program = Program::new(module, &self.function).map_err(|e| error(e.to_string()))?;
        Ok(Compiled { program, session: compilation.session, reported: Mutex::default() })
    }
}

impl Compiled {
    fn warning(&self, kernel: &str, finding: Finding) -> KernelWarning {
        let position = self.position(finding.span);
        KernelWarning { kernel: kernel.into(), position, finding }
    }

    /// File, line and column, if they are in the user's text.
    fn position(&self, span: anymetal_msl::ir::Span) -> Option<(String, u32, u32)> {
        let place = self.session.map.place(Span::from_index(span.0))?;
        let users = matches!(place.origin, Origin::Source | Origin::Header);
        users.then(|| (place.file.to_string(), place.line, place.column))
    }

    /// Reports a finding unless its site has been.
    fn report(&self, kernel: &str, finding: Finding) {
        let site = (finding.span.0, finding.buffer.clone());
        if !self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(site) {
            return;
        }
        let warning = self.warning(kernel, finding);
        match HOOK.get() {
            Some(handler) => handler(&warning),
            None => eprintln!("warning: {warning}"),
        }
    }
}

/// What a kernel may ask about an input.
struct Tables {
    shape: Vec<i32>,
    strides: Vec<i64>,
    ndim: i32,
}

impl Tables {
    fn new(view: &View) -> Self {
        Tables {
            shape: view
                .layout
                .shape
                .iter()
                .map(|&n| i32::try_from(n).unwrap_or(i32::MAX))
                .collect(),
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
