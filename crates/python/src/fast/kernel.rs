//! Custom kernels: `metal_kernel`, and the CUDA functions, which say that there is no CUDA.

use anymetal::fast::{self, MathMode, TemplateArgument};
use anymetal::ops::Operand;
use anymetal::{Array, Dtype};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString, PyTuple};

use crate::argument::{Number, Sequence};
use crate::dtype::PyDtype;
use crate::error::CallError;
use crate::function::{Function, Row, row};

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "metal_kernel(name: str, input_names: collections.abc.Sequence[str], output_names: \
         collections.abc.Sequence[str], source: str, header: str = '', ensure_row_contiguous: bool \
         = True, atomic_outputs: bool = False, compile_options: object | None = None) -> object",
        "A kernel with the body `source` in Metal Shading Language.\n\nInputs and outputs are \
         pointers of their names (a number or 0-d array is a reference); Metal's attributes, such \
         as `thread_position_in_grid`, and `<input>_shape`, `<input>_strides`, `<input>_ndim` can \
         be used by name. `header` is put before the kernel. Nothing is compiled before a call is \
         evaluated. `compile_options` may have `math_mode`: 'safe', 'relaxed' or 'fast'.",
        |c| {
            let name: String = c.next()?;
            let Sequence(inputs) = c.next::<Sequence<String>>()?;
            let Sequence(outputs) = c.next::<Sequence<String>>()?;
            let source: String = c.next()?;
            let header: String = c.next()?;
            let contiguous: bool = c.next()?;
            let atomic: bool = c.next()?;
            let options: Bound<'_, PyAny> = c.next()?;
            let math_mode = math_mode(&options)?;
            let input_names: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let output_names: Vec<&str> = outputs.iter().map(String::as_str).collect();
            let kernel = fast::metal_kernel(&name, &input_names, &output_names, &source)
                .header(&header)
                .ensure_row_contiguous(contiguous)
                .atomic_outputs(atomic)
                .math_mode(math_mode)
                .build()?;
            let kernel = MetalKernel { kernel, name, inputs: inputs.len(), outputs: outputs.len() };
            Ok(Bound::new(c.py, kernel)?.into_any())
        },
    ),
    row(
        "cuda_kernel(name: str, input_names: collections.abc.Sequence[str], output_names: \
         collections.abc.Sequence[str], source: str, header: str = '', ensure_row_contiguous: bool \
         = True, shared_memory: int = 0) -> object",
        "A kernel in CUDA C++. There is no CUDA back end: an error that says so.",
        |c| {
            let _: String = c.next()?;
            let _: Sequence<String> = c.next()?;
            let _: Sequence<String> = c.next()?;
            let _: String = c.next()?;
            let _: String = c.next()?;
            let _: bool = c.next()?;
            let _: i32 = c.next()?;
            Err(no_cuda())
        },
    ),
    row(
        "precompiled_cuda_kernel(*, name: str, compiled_source: bytes, inputs: \
         collections.abc.Sequence[scalar | array], output_shapes: \
         collections.abc.Sequence[collections.abc.Sequence[int]], output_dtypes: \
         collections.abc.Sequence[Dtype], scalars: collections.abc.Sequence[object], grid: \
         tuple[int, int, int], threadgroup: tuple[int, int, int], shared_memory: int = 0, \
         init_value: float | None = None, ensure_row_contiguous: bool = False, stream: \
         StreamOrDevice = None) -> list[array]",
        "Runs a compiled CUDA kernel. There is no CUDA back end: an error that says so.",
        |c| {
            let _: String = c.next()?;
            let source: Bound<'_, PyAny> = c.next()?;
            if !source.is_instance_of::<PyBytes>() {
                return Err(CallError::Misfit);
            }
            let _: Sequence<Number> = c.next()?;
            let _: Sequence<Sequence<i32>> = c.next()?;
            let _: Sequence<Dtype> = c.next()?;
            let Sequence(scalars) = c.next::<Sequence<Bound<'_, PyAny>>>()?;
            let _: [i32; 3] = c.next()?;
            let _: [i32; 3] = c.next()?;
            let _: i32 = c.next()?;
            let _: Option<f32> = c.next()?;
            let _: bool = c.next()?;
            for scalar in scalars {
                if !scalar.is_instance_of::<PyInt>() && !scalar.is_instance_of::<PyFloat>() {
                    return Err(PyValueError::new_err(format!(
                        "[precompiled_cuda_kernel] Invalid scalar argument type. Received {} but \
                         must be one of bool, int or float",
                        scalar.get_type().name()?
                    ))
                    .into());
                }
            }
            Err(no_cuda())
        },
    ),
];

fn no_cuda() -> CallError {
    PyRuntimeError::new_err("[cuda_kernel] No CUDA back-end.").into()
}

fn math_mode(options: &Bound<'_, PyAny>) -> PyResult<MathMode> {
    let mut mode = MathMode::Safe;
    if options.is_none() {
        return Ok(mode);
    }
    let value = |text: String| PyValueError::new_err(format!("[metal_kernel] {text}"));
    let Ok(options) = options.cast::<PyDict>() else {
        return Err(value("Expected `compile_options` to be a dict.".into()));
    };
    // MLX's class for keys and values that are no strings.
    let strings = || {
        PyRuntimeError::new_err("[metal_kernel] Keys and values of compile_options are strings.")
    };
    for (key, given) in options.iter() {
        let key = key.cast_into::<PyString>().map_err(|_| strings())?;
        if key != "math_mode" {
            return Err(value(format!("Unknown compile option `{key}`.")));
        }
        let given = given.cast_into::<PyString>().map_err(|_| strings())?;
        mode = match given.to_str()? {
            "safe" => MathMode::Safe,
            "relaxed" => MathMode::Relaxed,
            "fast" => MathMode::Fast,
            _ => {
                let text = "Expected math_mode to be 'safe', 'relaxed', or 'fast'.";
                return Err(value(text.into()));
            }
        };
    }
    Ok(mode)
}

// A custom kernel: call it with inputs, outputs' shapes and dtypes, grid and threadgroup. (No
// documentation comment: it would hide the instances' own `__doc__`.)
#[pyclass(frozen, module = "anymetal.core.fast", name = "MetalKernel")]
pub(crate) struct MetalKernel {
    kernel: fast::MetalKernel,
    name: String,
    inputs: usize,
    outputs: usize,
}

/// How kernels are called. (MLX's signature, and two options of the constructor again.)
const CALL: Row = row(
    "__call__(self, *, inputs: list[scalar | array], output_shapes: list[Sequence[int]], \
     output_dtypes: list[Dtype], grid: tuple[int, int, int], threadgroup: tuple[int, int, int], \
     template: list[tuple[str, bool | int | Dtype]] | None = None, init_value: float | None = \
     None, verbose: bool = False, ensure_row_contiguous: bool | None = None, atomic_outputs: bool \
     | None = None, stream: StreamOrDevice = None) -> list[array]",
    "Runs the kernel on `grid` threads in total, in groups of `threadgroup`, and returns one array \
     per output name.\n\n`template` values are dtypes, integers or booleans. `init_value` fills \
     every output before the launch; without it outputs start as zero. `verbose` prints the \
     generated source.",
    |c| {
        let this: Bound<'_, PyAny> = c.next()?;
        let this = this.cast::<MetalKernel>().map_err(|_| CallError::Misfit)?.get();
        let Sequence(inputs) = c.next::<Sequence<Number>>()?;
        let Sequence(shapes) = c.next::<Sequence<Sequence<i32>>>()?;
        let Sequence(dtypes) = c.next::<Sequence<Dtype>>()?;
        let grid: [i32; 3] = c.next()?;
        let threadgroup: [i32; 3] = c.next()?;
        let template: Option<Sequence<(String, Bound<'_, PyAny>)>> = c.next()?;
        let init_value: Option<f32> = c.next()?;
        let verbose: bool = c.next()?;
        let contiguous: Option<bool> = c.next()?;
        let atomic: Option<bool> = c.next()?;
        let template = template.map_or(Vec::new(), |Sequence(pairs)| pairs);
        let template: Vec<(String, TemplateArgument)> = template
            .into_iter()
            .map(|(name, value)| Ok((name, template_argument(&value)?)))
            .collect::<PyResult<_>>()?;
        for (what, expected, got) in [
            ("inputs", this.inputs, inputs.len()),
            ("output_shapes", this.outputs, shapes.len()),
            ("output_dtypes", this.outputs, dtypes.len()),
        ] {
            if expected != got {
                return Err(PyValueError::new_err(format!(
                    "[metal_kernel] Expected `{what}` to have size {expected} but got size {got}.\n"
                ))
                .into());
            }
        }
        let operands: Vec<Operand<'_>> = inputs.iter().map(Number::operand).collect();
        let mut call = this
            .kernel
            .call(&operands)
            .grid(sizes("grid", grid)?)
            .threadgroup(sizes("threadgroup", threadgroup)?)
            .verbose(verbose);
        for (Sequence(shape), dtype) in shapes.into_iter().zip(dtypes) {
            let shape: Result<Vec<usize>, _> = shape.into_iter().map(usize::try_from).collect();
            let shape = shape.map_err(|_| {
                PyValueError::new_err("[metal_kernel] Sizes in output_shapes must not be negative.")
            })?;
            call = call.output(&shape, dtype);
        }
        for (name, value) in &template {
            call = call.template(name, *value);
        }
        if let Some(value) = init_value {
            call = call.init_value(value);
        }
        if let Some(yes) = contiguous {
            call = call.ensure_row_contiguous(yes);
        }
        if let Some(yes) = atomic {
            call = call.atomic_outputs(yes);
        }
        let outputs: Vec<Array> = call.run()?;
        c.give(outputs)
    },
);

fn sizes(what: &str, given: [i32; 3]) -> PyResult<[u32; 3]> {
    let mut sizes = [0; 3];
    for (size, n) in sizes.iter_mut().zip(given) {
        *size = u32::try_from(n).map_err(|_| {
            PyValueError::new_err(format!(
                "[metal_kernel] {what} must not be negative but is {given:?}."
            ))
        })?;
    }
    Ok(sizes)
}

/// Booleans before integers, because Python's are integers too.
fn template_argument(value: &Bound<'_, PyAny>) -> PyResult<TemplateArgument> {
    if let Ok(b) = value.cast::<PyBool>() {
        return Ok(b.is_true().into());
    }
    if value.is_instance_of::<PyInt>()
        && let Ok(n) = value.extract::<i32>()
    {
        return Ok(n.into());
    }
    if let Ok(dtype) = value.cast::<PyDtype>() {
        return Ok(dtype.get().0.into());
    }
    Err(PyValueError::new_err(
        "[metal_kernel] Invalid template argument. Must be `mlx.core.Dtype`, `int` or `bool`.",
    ))
}

/// The row of calls with its signature read.
fn call_function<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, Function>> {
    static CALLER: PyOnceLock<Py<Function>> = PyOnceLock::new();
    let function = CALLER.get_or_try_init(py, || {
        let function = Function::new(py, CALL, &PyDict::new(py))?;
        Ok::<_, PyErr>(Bound::new(py, function)?.unbind())
    })?;
    Ok(function.bind(py))
}

#[pymethods]
impl MetalKernel {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !args.is_empty() {
            return Err(PyTypeError::new_err(format!(
                "__call__(): incompatible function arguments. The following argument types are \
                 supported:\n    1. {}\n\nInvoked with positional arguments; all arguments of a \
                 kernel are keywords.",
                CALL.signature
            )));
        }
        call_function(py)?.call((slf,), kwargs)
    }

    #[getter]
    fn __name__(&self) -> &str {
        &self.name
    }

    #[getter]
    fn __doc__(&self) -> String {
        format!("{}\n\n{}", CALL.signature, CALL.doc)
    }

    fn __repr__(&self) -> String {
        format!("<metal_kernel {}>", self.name)
    }
}
