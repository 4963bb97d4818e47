//! The source that MLX generates around the body of a custom kernel.
//!
//! A custom kernel is a body, a header and names; what its parameters are follows from the names
//! and from the arrays of a call. The text is MLX's, with two differences: characters of the
//! kernel's name that no identifier may have become `_`, and the parameter list is never closed
//! early. Body, header and generated text are pieces of their own, so that diagnostics point
//! at the user's lines.

use crate::compile::{Piece, Source};
use crate::diagnostic::Origin;
use crate::ir::Attribute;

/// An array that goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input<'a> {
    /// The parameter's name.
    pub name: &'a str,
    /// Its element type as MSL names it, such as `float` or `bfloat16_t`.
    pub ty: &'a str,
    /// Number of axes; 0 makes the parameter a reference.
    pub ndim: usize,
    /// Number of elements; fewer than 8 make it a constant.
    pub size: usize,
}

/// An array that comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<'a> {
    /// The parameter's name.
    pub name: &'a str,
    /// Its element type as MSL names it.
    pub ty: &'a str,
}

/// A template argument of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateArgument<'a> {
    /// A type as MSL names it.
    Type(&'a str),
    /// An integer.
    Int(i32),
    /// A truth value.
    Bool(bool),
}

/// A custom kernel and the arrays of one call.
#[derive(Debug, Clone, Default)]
pub struct CustomKernel<'a> {
    /// Its name.
    pub name: &'a str,
    /// Text before the kernel.
    pub header: &'a str,
    /// The body.
    pub source: &'a str,
    /// Arrays that go in.
    pub inputs: Vec<Input<'a>>,
    /// Arrays that come out.
    pub outputs: Vec<Output<'a>>,
    /// Template parameters and their arguments.
    pub template: Vec<(&'a str, TemplateArgument<'a>)>,
    /// Whether outputs are atomic.
    pub atomic_outputs: bool,
}

/// What a buffer of the generated kernel is bound to; numbers count inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The elements of an input.
    Input(usize),
    /// Its shape, as `int`.
    Shape(usize),
    /// Its strides in elements, as `int64_t`.
    Strides(usize),
    /// Its number of axes, as one `int`.
    Ndim(usize),
    /// The elements of an output.
    Output(usize),
}

/// A generated program.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The kernel's name in it.
    pub name: String,
    /// The program.
    pub source: Source,
    /// What its buffers are, in order.
    pub bindings: Vec<Bound>,
}

impl Generated {
    /// The whole program as one text.
    pub fn text(&self) -> String {
        self.source.pieces.iter().map(|piece| &*piece.text).collect()
    }
}

/// Generates the program of a call.
pub fn generate(kernel: &CustomKernel<'_>) -> Generated {
    let name = function_name(kernel);
    let mut bindings = Vec::new();
    let mut params: Vec<String> = Vec::new();
    let mut buffer = |text: String, bound: Bound| {
        params.push(format!("  {text} [[buffer({})]]", bindings.len()));
        bindings.push(bound);
    };
    for (i, input) in kernel.inputs.iter().enumerate() {
        let Input { name, ty, ndim, size } = input;
        let space = if *size < 8 { "constant" } else { "device" };
        let mark = if *ndim == 0 { "&" } else { "*" };
        // A scalar is always a constant.
        let space = if *ndim == 0 { "constant" } else { space };
        buffer(format!("const {space} {ty}{mark} {name}"), Bound::Input(i));
        let mentions = |what: &str| *ndim > 0 && kernel.source.contains(&format!("{name}_{what}"));
        if mentions("shape") {
            buffer(format!("const constant int* {name}_shape"), Bound::Shape(i));
        }
        if mentions("strides") {
            buffer(format!("const constant int64_t* {name}_strides"), Bound::Strides(i));
        }
        if mentions("ndim") {
            buffer(format!("const constant int& {name}_ndim"), Bound::Ndim(i));
        }
    }
    for (i, Output { name, ty }) in kernel.outputs.iter().enumerate() {
        let ty = if kernel.atomic_outputs { format!("atomic<{ty}>") } else { ty.to_string() };
        buffer(format!("device {ty}* {name}"), Bound::Output(i));
    }
    for &attribute in Attribute::ALL {
        let name = attribute.name();
        if kernel.source.contains(name) {
            let ty = if attribute.is_vector() { "uint3" } else { "uint" };
            params.push(format!("  {ty} {name} [[{name}]]"));
        }
    }
    let mut signature = String::new();
    if !kernel.template.is_empty() {
        let list: Vec<String> = kernel
            .template
            .iter()
            .map(|(name, argument)| match argument {
                TemplateArgument::Type(_) => format!("typename {name}"),
                TemplateArgument::Int(_) => format!("int {name}"),
                TemplateArgument::Bool(_) => format!("bool {name}"),
            })
            .collect();
        signature.push_str(&format!("template <{}>\n", list.join(", ")));
    }
    let list = params.join(",\n");
    signature.push_str(&format!("[[kernel]] void {name}(\n{list}) {{\n"));
    let mut tail = "\n}\n".to_string();
    if !kernel.template.is_empty() {
        let arguments = format!("{name}<{}>", template_arguments(kernel));
        tail.push_str(&format!(
            "\ntemplate [[host_name(\"{name}\")]] [[kernel]] decltype({arguments}) {arguments};\n"
        ));
    }
    let piece = |name: &str, origin, text: &str| {
        let (name, text) = (name.to_string(), text.into());
        Piece { name, origin, text }
    };
    let pieces = vec![
        piece("header", Origin::Header, kernel.header),
        piece("signature", Origin::Generated, &signature),
        piece("source", Origin::Source, kernel.source),
        piece("end", Origin::Generated, &tail),
    ];
    Generated { name, source: Source { pieces }, bindings }
}

fn template_arguments(kernel: &CustomKernel<'_>) -> String {
    let list = kernel.template.iter().map(|(_, argument)| match argument {
        TemplateArgument::Type(name) => name.to_string(),
        TemplateArgument::Int(value) => value.to_string(),
        TemplateArgument::Bool(value) => u8::from(*value).to_string(),
    });
    list.collect::<Vec<_>>().join(", ")
}

fn function_name(kernel: &CustomKernel<'_>) -> String {
    let mut name = format!("custom_kernel_{}", kernel.name);
    if !kernel.template.is_empty() {
        let arguments = template_arguments(kernel).replace(", ", "_");
        name.push_str(&format!("__{arguments}"));
    }
    for input in &kernel.inputs {
        let suffix = match input {
            Input { ndim: 0, .. } => "s",
            Input { size: 0..8, .. } => "c",
            _ => "",
        };
        name.push_str(&format!("_{}{suffix}", input.ty));
    }
    for output in &kernel.outputs {
        name.push_str(&format!("_{}", output.ty));
    }
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, compile};

    #[test]
    fn text_is_mlxs() {
        let source =
            "uint i = thread_position_in_grid.x;\nout[i] = a[i * a_strides[0]] + s + T(N);";
        let kernel = CustomKernel {
            name: "my.exp",
            header: "constant int K = 1;\n",
            source,
            inputs: vec![
                Input { name: "a", ty: "float16_t", ndim: 1, size: 20 },
                Input { name: "s", ty: "float", ndim: 0, size: 1 },
                Input { name: "t", ty: "int32_t", ndim: 1, size: 7 },
            ],
            outputs: vec![Output { name: "out", ty: "float16_t" }],
            template: vec![
                ("T", TemplateArgument::Type("float16_t")),
                ("N", TemplateArgument::Int(-3)),
                ("B", TemplateArgument::Bool(true)),
            ],
            atomic_outputs: false,
        };
        let generated = generate(&kernel);
        let name = "custom_kernel_my_exp__float16_t__3_1_float16_t_floats_int32_tc_float16_t";
        let expected = format!(
            "constant int K = 1;
template <typename T, int N, bool B>
[[kernel]] void {name}(
  const device float16_t* a [[buffer(0)]],
  const constant int64_t* a_strides [[buffer(1)]],
  const constant float& s [[buffer(2)]],
  const constant int32_t* t [[buffer(3)]],
  device float16_t* out [[buffer(4)]],
  uint3 thread_position_in_grid [[thread_position_in_grid]]) {{
{source}
}}

template [[host_name(\"{name}\")]] [[kernel]] decltype({name}<float16_t, -3, 1>) {name}<float16_t, -3, 1>;
"
        );
        assert_eq!(generated.text(), expected);
        let bound = [Bound::Input(0), Bound::Strides(0), Bound::Input(1), Bound::Input(2)];
        assert_eq!(generated.bindings[..4], bound);
        let compilation = compile(&generated.source, &Options::default());
        assert!(compilation.module.is_some(), "{}", compilation.report());
        assert_eq!(compilation.kernels[0].name, name);
    }
}
