//! Custom kernels given as Metal Shading Language source, MLX's `metal_kernel`.
//!
//! A kernel is its body; the signature is generated from the names, shapes and dtypes of a call
//! (`anymetal_msl::signature`), compiled when the call is evaluated (`program.rs`, cached by
//! content) and run by the reference executor, in which no access can leave its buffer.

mod program;

use std::fmt;
use std::sync::Arc;

use anymetal_msl::signature::{self, CustomKernel as Generator, Input, Output};

use crate::array::eval::EvalContext;
use crate::device::{Inputs, Primitive, Spec, Stream};
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::ops::Operand;
use crate::{Array, Dtype, ops};

pub(crate) use program::KernelLaunch;
pub use program::{Bounds, KernelWarning, on_kernel_warning};

/// The value of a template parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateArgument {
    /// A `typename`.
    Dtype(Dtype),
    /// An `int`.
    Int(i32),
    /// A `bool`.
    Bool(bool),
}

impl From<Dtype> for TemplateArgument {
    fn from(v: Dtype) -> Self {
        TemplateArgument::Dtype(v)
    }
}

impl From<i32> for TemplateArgument {
    fn from(v: i32) -> Self {
        TemplateArgument::Int(v)
    }
}

impl From<bool> for TemplateArgument {
    fn from(v: bool) -> Self {
        TemplateArgument::Bool(v)
    }
}

impl TemplateArgument {
    fn for_signature(self) -> signature::TemplateArgument<'static> {
        match self {
            TemplateArgument::Dtype(d) => signature::TemplateArgument::Type(type_name(d)),
            TemplateArgument::Int(v) => signature::TemplateArgument::Int(v),
            TemplateArgument::Bool(v) => signature::TemplateArgument::Bool(v),
        }
    }

    fn for_lookup(self) -> anymetal_msl::TemplateValue {
        match self {
            TemplateArgument::Dtype(d) => anymetal_msl::TemplateValue::Type(type_name(d).into()),
            TemplateArgument::Int(v) => anymetal_msl::TemplateValue::Int(v as i64),
            TemplateArgument::Bool(v) => anymetal_msl::TemplateValue::Bool(v),
        }
    }
}

const OP: &str = "metal_kernel";

/// Floating-point mode of a kernel. The meaning of operations is IEEE's in every mode; `Fast`
/// defines `__FAST_MATH__` as 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MathMode {
    /// IEEE.
    #[default]
    Safe,
    /// As `Safe`.
    Relaxed,
    /// As `Safe`, with `__FAST_MATH__`.
    Fast,
}

/// Begins a kernel with the body `source`, which sees the inputs and outputs by their names. Add
/// options to the builder, then [`build`](KernelBuilder::build). Nothing is compiled before a call
/// is evaluated.
///
/// ```
/// # use anymetal::{Array, Dtype, fast};
/// let source = "uint i = thread_position_in_grid.x; out[i] = metal::exp(inp[i]);";
/// let kernel = fast::metal_kernel("myexp", &["inp"], &["out"], source).build()?;
/// let x = Array::from_slice(&[0.0f32, 1.0], &[2])?;
/// let y = kernel
///     .call(&[(&x).into()])
///     .grid([2, 1, 1])
///     .threadgroup([2, 1, 1])
///     .output(&[2], Dtype::F32)
///     .run()?
///     .remove(0);
/// assert_eq!(y.to_vec::<f32>()?[0], 1.0);
/// # Ok::<(), anymetal::Error>(())
/// ```
pub fn metal_kernel(
    name: &str,
    input_names: &[&str],
    output_names: &[&str],
    source: &str,
) -> KernelBuilder {
    let own = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    KernelBuilder(Definition {
        name: name.into(),
        inputs: own(input_names),
        outputs: own(output_names),
        source: source.into(),
        header: "".into(),
        ensure_row_contiguous: true,
        atomic_outputs: false,
        math_mode: MathMode::Safe,
    })
}

/// What a kernel is made of.
#[derive(Clone)]
struct Definition {
    name: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    source: Arc<str>,
    header: Arc<str>,
    ensure_row_contiguous: bool,
    atomic_outputs: bool,
    math_mode: MathMode,
}

/// A kernel being described; made by [`metal_kernel`].
pub struct KernelBuilder(Definition);

impl KernelBuilder {
    /// Text put before the kernel: includes, functions, types. It ends with a newline of its own
    /// if its last line is a comment.
    pub fn header(mut self, header: &str) -> Self {
        self.0.header = header.into();
        self
    }

    /// Whether inputs that are not row-major are copied first (the default); if not, the kernel
    /// sees their strides. An input with a negative stride is copied either way: a kernel's pointer
    /// begins at the first element of its buffer.
    pub fn ensure_row_contiguous(mut self, yes: bool) -> Self {
        self.0.ensure_row_contiguous = yes;
        self
    }

    /// Whether outputs are `device atomic<T>*`.
    pub fn atomic_outputs(mut self, yes: bool) -> Self {
        self.0.atomic_outputs = yes;
        self
    }

    /// Floating-point mode.
    pub fn math_mode(mut self, mode: MathMode) -> Self {
        self.0.math_mode = mode;
        self
    }

    /// Ends the description.
    ///
    /// # Errors
    /// A kernel without outputs.
    pub fn build(self) -> Result<MetalKernel> {
        if self.0.outputs.is_empty() {
            return Err(Error::value(OP, "Must specify at least one output."));
        }
        Ok(MetalKernel(Arc::new(self.0)))
    }
}

/// A custom kernel. Calling it records a node of the graph; it has no derivative of its own (use
/// [`CustomFunction`](crate::CustomFunction)).
#[derive(Clone)]
pub struct MetalKernel(Arc<Definition>);

impl fmt::Debug for MetalKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetalKernel").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl MetalKernel {
    /// Begins a call. Numbers become 0-d arrays and reach the kernel as references.
    pub fn call(&self, inputs: &[Operand<'_>]) -> KernelCall {
        let inputs = inputs
            .iter()
            .map(|input| match *input {
                Operand::Array(a) => a.clone(),
                Operand::Scalar(s) => ops::scalar(s),
            })
            .collect();
        KernelCall {
            definition: self.0.clone(),
            inputs,
            outputs: Vec::new(),
            template: Vec::new(),
            grid: [1; 3],
            threadgroup: [1; 3],
            init_value: None,
            verbose: false,
            ensure_row_contiguous: self.0.ensure_row_contiguous,
            atomic_outputs: self.0.atomic_outputs,
            bounds: Bounds::default(),
            stream: None,
        }
    }
}

/// A call being described; made by [`MetalKernel::call`].
pub struct KernelCall {
    definition: Arc<Definition>,
    inputs: Vec<Array>,
    outputs: Vec<Spec>,
    template: Vec<(String, TemplateArgument)>,
    grid: [u32; 3],
    threadgroup: [u32; 3],
    init_value: Option<f32>,
    verbose: bool,
    ensure_row_contiguous: bool,
    atomic_outputs: bool,
    bounds: Bounds,
    stream: Option<Stream>,
}

impl KernelCall {
    /// Adds an output; in the order of the kernel's output names.
    pub fn output(mut self, shape: &[usize], dtype: Dtype) -> Self {
        self.outputs.push(Spec::new(shape, dtype));
        self
    }

    /// Adds a template argument: a dtype, an integer or a boolean.
    pub fn template(mut self, name: &str, value: impl Into<TemplateArgument>) -> Self {
        self.template.push((name.into(), value.into()));
        self
    }

    /// Threads along each axis, in total; 1 each unless set.
    pub fn grid(mut self, grid: [u32; 3]) -> Self {
        self.grid = grid;
        self
    }

    /// Threads of a threadgroup along each axis; 1 each unless set. An axis longer than the
    /// grid's is cut to it.
    pub fn threadgroup(mut self, threadgroup: [u32; 3]) -> Self {
        self.threadgroup = threadgroup;
        self
    }

    /// Fills every output with a value before the launch; without it outputs start as zero.
    pub fn init_value(mut self, value: f32) -> Self {
        self.init_value = Some(value);
        self
    }

    /// Prints the generated source to standard output at the call.
    pub fn verbose(mut self, yes: bool) -> Self {
        self.verbose = yes;
        self
    }

    /// Overrides [`KernelBuilder::ensure_row_contiguous`] for this call.
    pub fn ensure_row_contiguous(mut self, yes: bool) -> Self {
        self.ensure_row_contiguous = yes;
        self
    }

    /// Overrides [`KernelBuilder::atomic_outputs`] for this call.
    pub fn atomic_outputs(mut self, yes: bool) -> Self {
        self.atomic_outputs = yes;
        self
    }

    /// What happens on accesses out of range.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The program that the call generates: header, signature, body and instantiation, as MLX
    /// writes them.
    ///
    /// # Errors
    /// As [`run`](Self::run)'s.
    pub fn source(&self) -> Result<String> {
        self.check()?;
        Ok(self.generate().text())
    }

    /// Where the kernel runs; the thread's default stream unless set.
    pub fn stream(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Records the call: one array per output.
    ///
    /// # Errors
    /// Numbers of inputs or outputs that do not fit the kernel; `float64`. Errors of the source,
    /// a threadgroup of the wrong size and accesses out of range appear at evaluation.
    pub fn run(self) -> Result<Vec<Array>> {
        self.check()?;
        let generated = self.generate();
        if self.verbose {
            let (name, text) = (&self.definition.name, generated.text());
            println!("Generated source code for `{name}`:\n```\n{text}\n```");
        }
        let launch = KernelLaunch {
            kernel: self.definition.name.clone(),
            function: generated.name,
            pieces: generated.source.pieces.into(),
            bindings: generated.bindings,
            math_mode: self.definition.math_mode,
            last_resort: self.template.iter().map(|(n, v)| (n.clone(), v.for_lookup())).collect(),
            grid: self.grid,
            threadgroup: self.threadgroup,
            init_value: self.init_value,
            bounds: self.bounds,
        };
        let op = CustomKernel {
            launch: Arc::new(launch),
            outputs: self.outputs,
            copy_strided: self.ensure_row_contiguous,
        };
        let stream = self.stream.unwrap_or_else(Stream::current);
        stream.scope(|| Array::apply(op, &self.inputs))
    }

    fn check(&self) -> Result<()> {
        let Definition { inputs, outputs, .. } = &*self.definition;
        for (what, expected, got) in [
            ("inputs", inputs.len(), self.inputs.len()),
            ("outputs", outputs.len(), self.outputs.len()),
        ] {
            if expected != got {
                let message =
                    format!("Expected `{what}` to have size {expected} but got size {got}.");
                return Err(Error::value(OP, message));
            }
        }
        let dtypes = self.inputs.iter().map(Array::dtype);
        if dtypes.chain(self.outputs.iter().map(|o| o.dtype)).any(|d| d == Dtype::F64) {
            let message = "float64 is not supported on the GPU";
            return Err(Error::dtype(OP, message, &[Dtype::F64]));
        }
        Ok(())
    }

    fn generate(&self) -> signature::Generated {
        let definition = &*self.definition;
        let inputs = definition.inputs.iter().zip(&self.inputs).map(|(name, a)| Input {
            name,
            ty: type_name(a.dtype()),
            ndim: a.ndim(),
            size: a.size(),
        });
        let outputs = definition.outputs.iter().zip(&self.outputs);
        signature::generate(&Generator {
            name: &definition.name,
            header: &definition.header,
            source: &definition.source,
            inputs: inputs.collect(),
            outputs: outputs.map(|(name, o)| Output { name, ty: type_name(o.dtype) }).collect(),
            template: self.template.iter().map(|(n, v)| (n.as_str(), v.for_signature())).collect(),
            atomic_outputs: self.atomic_outputs,
        })
    }
}

#[derive(Debug)]
struct CustomKernel {
    launch: Arc<KernelLaunch>,
    outputs: Vec<Spec>,
    copy_strided: bool,
}

impl Operation for CustomKernel {
    fn name(&self) -> &str {
        "CustomKernel"
    }

    fn infer(&self, _: &[Array]) -> Result<Vec<Spec>> {
        Ok(self.outputs.clone())
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        // The context keeps its inputs: a kernel that is interrupted can run again.
        let mut inputs = Inputs::new();
        for i in 0..cx.input_count() {
            let view = cx.input(i).clone();
            // Memory before element 0 cannot be named by a kernel's pointer to it.
            let backwards = view.layout.strides.iter().any(|&s| s < 0);
            let copy = self.copy_strided || backwards;
            inputs.push(if copy { cx.contiguous(view)? } else { view });
        }
        cx.launch_on(&Primitive::Kernel(self.launch.clone()), inputs)
    }
}

/// A dtype's name in Metal Shading Language, with MLX's prelude.
fn type_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "bool",
        Dtype::U8 => "uint8_t",
        Dtype::U16 => "uint16_t",
        Dtype::U32 => "uint32_t",
        Dtype::U64 => "uint64_t",
        Dtype::I8 => "int8_t",
        Dtype::I16 => "int16_t",
        Dtype::I32 => "int32_t",
        Dtype::I64 => "int64_t",
        Dtype::F16 => "float16_t",
        Dtype::Bf16 => "bfloat16_t",
        Dtype::F32 => "float",
        Dtype::F64 => "double",
        Dtype::Complex64 => "complex64_t",
    }
}
