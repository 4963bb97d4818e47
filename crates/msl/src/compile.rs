//! The compiler's front door: texts in, a verified module and diagnostics out.
//!
//! The prelude is read once per library, math mode and language version, and shared by every
//! compilation after that. A compilation runs on a thread of its own, whose stack is deep enough
//! for anything that the limits on nesting let through.

use std::sync::{Arc, Mutex, OnceLock};

use rustc_hash::FxHashMap;

use crate::diagnostic::{Diagnostic, Origin, Severity};
use crate::ir::{self, Module};
use crate::prelude;
use crate::sema::types::{Qt, Ty, builtin_names};
use crate::sema::{FunctionConstant, Role, Sema, TArg, traits};
use crate::session::Frozen;
use crate::syntax::index::{Entry, Index, NameKind};
use crate::syntax::parser::parse_unit;
use crate::syntax::token::{MathMode, Token};
use crate::syntax::{Options as Preprocessing, preprocess};
use crate::{Session, lower};

/// Stack of the thread that compiles. It is address space, not memory.
const STACK: usize = 512 << 20;

/// A text with its name and author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Shown in diagnostics.
    pub name: String,
    /// Who wrote it.
    pub origin: Origin,
    /// The text.
    pub text: Arc<str>,
}

/// A program: the concatenation of its pieces.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The texts in order. Each begins on a line of its own.
    pub pieces: Vec<Piece>,
}

/// What a template argument of a launch is.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateValue {
    /// A type by its name, such as `float` or `bfloat16_t`.
    Type(String),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

/// How to compile.
#[derive(Debug, Clone)]
pub struct Options {
    /// Macros, headers, language version and limits of the preprocessor.
    pub preprocessing: Preprocessing,
    /// Floating-point mode. `Fast` defines `__FAST_MATH__`; the meaning of operations is the same
    /// in every mode.
    pub math_mode: MathMode,
    /// Whether MLX's own names are declared, as for its custom kernels.
    pub mlx: bool,
    /// Names visible where nothing else declares them.
    pub last_resort: Vec<(String, TemplateValue)>,
    /// Values of function constants by index.
    pub function_constants: Vec<(u64, FunctionConstant)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            preprocessing: Preprocessing::default(),
            math_mode: MathMode::Safe,
            mlx: true,
            last_resort: Vec::new(),
            function_constants: Vec::new(),
        }
    }
}

/// What a compilation gives.
#[derive(Debug)]
pub struct Compilation {
    /// The program, verified; nothing if there were errors.
    pub module: Option<Module>,
    /// Everything that was found, in order.
    pub diagnostics: Vec<Diagnostic>,
    /// Sources and names, to show diagnostics and positions with.
    pub session: Session,
    /// The kernels, in the order of [`Module::kernels`].
    pub kernels: Vec<KernelInfo>,
}

/// What a launch needs to know about a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelInfo {
    /// `host_name`, or the function's name.
    pub name: String,
    /// Its parameters in order, without those whose function constant is false.
    pub params: Vec<ParamInfo>,
    /// `max_total_threads_per_threadgroup`
    pub max_threads: Option<u32>,
}

/// A parameter of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamInfo {
    /// Its name.
    pub name: String,
    /// Its type, as the language writes it.
    pub ty: String,
    /// What it is bound to.
    pub role: ParamRole,
}

/// What a parameter is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamRole {
    /// `[[buffer(n)]]`
    Buffer(u32),
    /// `[[threadgroup(n)]]`
    Threadgroup(u32),
    /// A value of the thread.
    Attribute(ir::Attribute),
}

impl Compilation {
    /// Whether there is an error among the diagnostics.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The diagnostics as text, one after the other.
    pub fn report(&self) -> String {
        use crate::diagnostic::{Report, render};
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            let report = Report::new(diagnostic, &self.session.map, &self.session.names);
            text.push_str(&render::render(&report, &self.session.map, render::Style::default()));
            text.push('\n');
        }
        text
    }
}

/// The prelude as every compilation shares it.
struct Prelude {
    frozen: Frozen,
    index: Arc<Index>,
    tokens: Arc<[Token]>,
}

/// Compiles a program.
pub fn compile(source: &Source, options: &Options) -> Compilation {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("msl".into()).stack_size(STACK);
        match thread.spawn_scoped(scope, || compile_here(source, options)) {
            Ok(thread) => match thread.join() {
                Ok(compilation) => compilation,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            // No thread to be had: the caller's stack has to do.
            Err(_) => compile_here(source, options),
        }
    })
}

fn compile_here(source: &Source, options: &Options) -> Compilation {
    let prelude = shared_prelude(options);
    let mut session = Session::on(&prelude.frozen);
    let files: Vec<_> = source
        .pieces
        .iter()
        .map(|piece| session.add_file(&piece.name, piece.origin, piece.text.clone()))
        .collect();
    let mut preprocessing = options.preprocessing.clone();
    preprocessing.fast_math = options.math_mode == MathMode::Fast;
    let tokens: Arc<[Token]> = preprocess(&mut session, &files, &preprocessing).into();
    let mut index = Index::on(prelude.index.clone());
    let mut last_resort = FxHashMap::default();
    let mut types = crate::sema::types::Types::default();
    for (name, value) in &options.last_resort {
        let symbol = session.intern(name);
        let (kind, arg) = match value {
            TemplateValue::Type(name) => match named_type(&mut types, name) {
                // Only types that every compilation numbers alike: scalars.
                Some(ty) => (NameKind::Type, TArg::Type(Qt::plain(ty))),
                None => continue,
            },
            TemplateValue::Int(value) => {
                (NameKind::Value, TArg::Value(*value as u32 as u64, Ty::INT))
            }
            TemplateValue::Bool(value) => {
                (NameKind::Value, TArg::Value(u64::from(*value), Ty::BOOL))
            }
        };
        index.last_resort.insert(symbol, kind);
        last_resort.insert(symbol, arg);
    }
    let parsed = parse_unit(&tokens, 1, &mut index, &session.names);
    for diagnostic in parsed {
        session.report(diagnostic);
    }
    let units = vec![prelude.tokens.clone(), tokens];
    let mut sema = Sema::new(&mut session, Arc::new(index), units, last_resort);
    sema.function_constants = options.function_constants.iter().copied().collect();
    sema.find_kernels();
    let errors = sema.session.error_count();
    let module = if errors == 0 { lower::lower(&mut sema) } else { None };
    let kernels = sema
        .kernels
        .iter()
        .map(|kernel| KernelInfo {
            name: kernel.name.clone(),
            params: kernel
                .params
                .iter()
                .filter_map(|param| {
                    let role = match param.role {
                        Role::Buffer(n, ..) => ParamRole::Buffer(n),
                        Role::Threadgroup(n, ..) => ParamRole::Threadgroup(n),
                        Role::Attribute(attribute) => ParamRole::Attribute(attribute),
                        Role::Absent => return None,
                    };
                    Some(ParamInfo { name: param.name.clone(), ty: sema.show(param.ty), role })
                })
                .collect(),
            max_threads: kernel.max_threads,
        })
        .collect();
    let module = module.filter(|module| match ir::verify_canonical(module) {
        Ok(()) => true,
        Err(error) => {
            use crate::diagnostic::codes::sema as codes;
            let message = format!("the compiler made invalid code, which is a bug in it: {error}");
            let at = crate::diagnostic::Span::NONE;
            session.report(Diagnostic::error(codes::INTERNAL, at, message));
            false
        }
    });
    let module = module.filter(|_| session.error_count() == 0);
    let diagnostics = session.take_diagnostics();
    Compilation { module, diagnostics, session, kernels }
}

/// The type of a name that needs no declaration.
fn named_type(types: &mut crate::sema::types::Types, name: &str) -> Option<Ty> {
    use crate::ir::Scalar;
    let scalar = match name {
        "bool" => Scalar::Bool,
        "char" => Scalar::I8,
        "short" => Scalar::I16,
        "int" => Scalar::I32,
        "long" => Scalar::I64,
        "half" | "float16_t" => Scalar::F16,
        "bfloat" | "bfloat16_t" => Scalar::BF16,
        "float" => Scalar::F32,
        _ => {
            let ty = crate::sema::types::builtin_name(types, name)?;
            return types.arithmetic(ty).map(Ty::scalar);
        }
    };
    Some(Ty::scalar(scalar))
}

/// The prelude for these options, read on first use.
fn shared_prelude(options: &Options) -> Arc<Prelude> {
    /// Library, mode and version, and what was read for them.
    type Entry = ((bool, bool, u32), Arc<Prelude>);
    static PRELUDES: OnceLock<Mutex<Vec<Entry>>> = OnceLock::new();
    let fast = options.math_mode == MathMode::Fast;
    let key = (options.mlx, fast, options.preprocessing.metal_version);
    let mut preludes = match PRELUDES.get_or_init(Mutex::default).lock() {
        Ok(preludes) => preludes,
        Err(poisoned) => poisoned.into_inner(),
    };
    if let Some((_, prelude)) = preludes.iter().find(|(own, _)| *own == key) {
        return prelude.clone();
    }
    let prelude = Arc::new(read_prelude(options, fast));
    // Language versions are few, but nothing limits them: keep the latest.
    if preludes.len() >= 16 {
        preludes.remove(0);
    }
    preludes.push((key, prelude.clone()));
    prelude
}

fn read_prelude(options: &Options, fast_math: bool) -> Prelude {
    let mut session = Session::new();
    let mlx: &[(&str, &str)] = if options.mlx { prelude::MLX } else { &[] };
    let files: Vec<_> = prelude::STDLIB
        .iter()
        .chain(mlx)
        .map(|(name, text)| session.add_file(name, Origin::Prelude, *text))
        .collect();
    let preprocessing = Preprocessing {
        fast_math,
        metal_version: options.preprocessing.metal_version,
        ..Preprocessing::default()
    };
    let tokens: Arc<[Token]> = preprocess(&mut session, &files, &preprocessing).into();
    let mut index = library_index(&mut session);
    for diagnostic in parse_unit(&tokens, 0, &mut index, &session.names) {
        session.report(diagnostic);
    }
    debug_assert!(
        session.diagnostics().is_empty(),
        "{:?}",
        session
            .diagnostics()
            .iter()
            .map(|d| (session.map.place(d.primary().first), &d.message))
            .collect::<Vec<_>>()
    );
    Prelude { frozen: session.freeze(), index: Arc::new(index), tokens }
}

/// An index in which everything is declared that the compiler knows without a text.
pub(crate) fn library_index(session: &mut Session) -> Index {
    let mut index = Index::new();
    let root = index.root();
    let metal = session.intern("metal");
    let metal = index.open_namespace(root, metal);
    for variant in ["fast", "precise"] {
        let name = session.intern(variant);
        index.open_namespace(metal, name);
    }
    let mut declare = |session: &mut Session, name: &str, kind| {
        let name = session.intern(name);
        let entry = Entry { kind, item: None, inner: None };
        index.declare(root, name, entry);
        index.declare(metal, name, entry);
    };
    for name in builtin_names() {
        declare(session, &name, NameKind::Type);
    }
    for name in ["vec", "packed_vec", "matrix", "atomic", "_atomic", "simdgroup_matrix"] {
        declare(session, name, NameKind::TypeTemplate);
    }
    for (name, is_type) in traits::names() {
        let kind = if is_type { NameKind::TypeTemplate } else { NameKind::Template };
        declare(session, name, kind);
    }
    index
}
