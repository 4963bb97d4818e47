//! The signature of a kernel, generated as MLX generates it, around the user's own text.

use std::fmt::Write;

use super::Definition;
use crate::device::Spec;
use crate::{Array, Dtype};

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

/// What a kernel's source mentions, found as text (comments count, as in MLX).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// Per input: shape, strides, number of axes.
    pub(super) inputs: Vec<[bool; 3]>,
    /// Indices into [`ATTRIBUTES`].
    attributes: Vec<usize>,
}

/// Every attribute a body may use, in the order of the signature, with its type.
const ATTRIBUTES: [(&str, &str); 20] = [
    ("dispatch_quadgroups_per_threadgroup", "uint"),
    ("dispatch_simdgroups_per_threadgroup", "uint"),
    ("dispatch_threads_per_threadgroup", "uint3"),
    ("grid_origin", "uint3"),
    ("grid_size", "uint3"),
    ("quadgroup_index_in_threadgroup", "uint"),
    ("quadgroups_per_threadgroup", "uint"),
    ("simdgroup_index_in_threadgroup", "uint"),
    ("simdgroups_per_threadgroup", "uint"),
    ("thread_execution_width", "uint"),
    ("thread_index_in_quadgroup", "uint"),
    ("thread_index_in_simdgroup", "uint"),
    ("thread_index_in_threadgroup", "uint"),
    ("thread_position_in_grid", "uint3"),
    ("thread_position_in_threadgroup", "uint3"),
    ("threadgroup_position_in_grid", "uint3"),
    ("threadgroups_per_grid", "uint3"),
    ("threads_per_grid", "uint3"),
    ("threads_per_simdgroup", "uint"),
    ("threads_per_threadgroup", "uint3"),
];

impl Mentions {
    pub(super) fn scan(source: &str, inputs: &[String]) -> Self {
        let has = |name: &str, what: &str| source.contains(&format!("{name}_{what}"));
        Mentions {
            inputs: inputs
                .iter()
                .map(|n| [has(n, "shape"), has(n, "strides"), has(n, "ndim")])
                .collect(),
            attributes: (0..ATTRIBUTES.len())
                .filter(|&i| source.contains(ATTRIBUTES[i].0))
                .collect(),
        }
    }
}

/// A generated program, in pieces so that positions in the user's text stay the user's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    /// The user's header.
    pub(crate) header: String,
    /// From the template line to the opening brace.
    pub(crate) open: String,
    /// The user's source.
    pub(crate) source: String,
    /// From the closing brace to the instantiation.
    pub(crate) close: String,
    /// The host name of the kernel.
    pub(crate) function: String,
}

impl Text {
    /// As MLX prints it.
    pub(super) fn whole(&self) -> String {
        format!("{}{}{}{}", self.header, self.open, self.source, self.close)
    }
}

/// What the signature depends on.
pub(super) struct Call<'a> {
    pub(super) definition: &'a Definition,
    pub(super) inputs: &'a [Array],
    pub(super) outputs: &'a [Spec],
    pub(super) template: &'a [(String, TemplateArgument)],
    pub(super) atomic_outputs: bool,
}

/// Inputs with fewer elements than this are in the constant address space.
const CONSTANT_BELOW: usize = 8;

pub(super) fn generate(call: &Call<'_>) -> Text {
    let Call { definition, inputs, outputs, template, atomic_outputs } = *call;
    let name = function_name(call);
    let mut params: Vec<(String, String)> = Vec::new();
    for ((input, label), mentioned) in
        inputs.iter().zip(&definition.inputs).zip(&definition.mentions.inputs)
    {
        let space = if input.size() < CONSTANT_BELOW { "constant" } else { "device" };
        let kind = if input.ndim() == 0 { "&" } else { "*" };
        let ty = type_name(input.dtype());
        params.push((format!("const {space} {ty}{kind} {label}"), String::new()));
        if input.ndim() > 0 {
            let extra = [
                format!("const constant int* {label}_shape"),
                format!("const constant int64_t* {label}_strides"),
                format!("const constant int& {label}_ndim"),
            ];
            let wanted = extra.into_iter().zip(mentioned).filter(|(_, m)| **m);
            params.extend(wanted.map(|(text, _)| (text, String::new())));
        }
    }
    for (output, label) in outputs.iter().zip(&definition.outputs) {
        let ty = type_name(output.dtype);
        let ty = if atomic_outputs { format!("atomic<{ty}>") } else { ty.to_string() };
        params.push((format!("device {ty}* {label}"), String::new()));
    }
    for (i, (_, attribute)) in params.iter_mut().enumerate() {
        *attribute = format!("buffer({i})");
    }
    for &i in &definition.mentions.attributes {
        let (attribute, ty) = ATTRIBUTES[i];
        params.push((format!("{ty} {attribute}"), attribute.into()));
    }
    let params: Vec<String> =
        params.iter().map(|(text, attribute)| format!("  {text} [[{attribute}]]")).collect();
    let params = params.join(",\n");

    let mut open = String::new();
    let mut close = String::from("\n}\n");
    if template.is_empty() {
        let _ = writeln!(open, "[[kernel]] void {name}(\n{params}) {{");
    } else {
        let parameters: Vec<String> = template
            .iter()
            .map(|(name, value)| match value {
                TemplateArgument::Dtype(_) => format!("typename {name}"),
                TemplateArgument::Int(_) => format!("int {name}"),
                TemplateArgument::Bool(_) => format!("bool {name}"),
            })
            .collect();
        let base = format!("custom_kernel_{}", identifier(&definition.name));
        let _ = writeln!(open, "template <{}>", parameters.join(", "));
        let _ = writeln!(open, "[[kernel]] void {base}(\n{params}) {{");
        let args = arguments(template);
        let _ = writeln!(
            close,
            "\ntemplate [[host_name(\"{name}\")]] [[kernel]] decltype({base}<{args}>) \
             {base}<{args}>;"
        );
    }
    Text {
        header: definition.header.to_string(),
        open,
        source: definition.source.to_string(),
        close,
        function: name,
    }
}

/// `custom_kernel_NAME`, mangled with the template arguments and the types of all parameters.
fn function_name(call: &Call<'_>) -> String {
    let mut name = format!("custom_kernel_{}", identifier(&call.definition.name));
    if !call.template.is_empty() {
        let args = arguments(call.template).replace(", ", "_").replace('-', "_");
        let _ = write!(name, "__{args}");
    }
    for input in call.inputs {
        let suffix = match (input.ndim(), input.size()) {
            (0, _) => "s",
            (_, n) if n < CONSTANT_BELOW => "c",
            _ => "",
        };
        let _ = write!(name, "_{}{suffix}", type_name(input.dtype()));
    }
    for output in call.outputs {
        let _ = write!(name, "_{}", type_name(output.dtype));
    }
    name
}

fn arguments(template: &[(String, TemplateArgument)]) -> String {
    let args: Vec<String> = template
        .iter()
        .map(|(_, value)| match value {
            TemplateArgument::Dtype(dtype) => type_name(*dtype).to_string(),
            TemplateArgument::Int(v) => v.to_string(),
            TemplateArgument::Bool(v) => (*v as u8).to_string(),
        })
        .collect();
    args.join(", ")
}

/// The name with everything that cannot be in an identifier replaced.
fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// A dtype's name in Metal Shading Language, with MLX's prelude.
pub(super) fn type_name(dtype: Dtype) -> &'static str {
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
