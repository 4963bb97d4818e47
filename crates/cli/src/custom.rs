//! Programs that `anymetal run` completes: MLX-style bodies get a signature from the arrays,
//! kernel templates an instantiation.

use anyhow::{Context, Result};
use anymetal_msl::diagnostic::Origin;
use anymetal_msl::signature::{CustomKernel, Input, Output, TemplateArgument, generate};
use anymetal_msl::{Piece, Source};

use crate::npy::{Array, Dtype};
use crate::run::Bound;

/// The program of a body. Adds the shapes, strides and numbers of axes that it mentions to
/// `bound`.
pub(crate) fn body_program(
    name: &str,
    header: &str,
    source: &str,
    template: &[String],
    bound: &mut Vec<Bound>,
) -> Result<Source> {
    let pairs = template_pairs(template)?;
    let arguments = pairs.iter().map(|&(name, value)| (name, template_argument(value)));
    let inputs = bound.iter().filter(|bound| bound.output.is_none());
    let inputs = inputs.map(|Bound { name, array, .. }| Input {
        name,
        ty: msl_name(array.dtype),
        ndim: array.shape.len(),
        size: array.shape.iter().product(),
    });
    let outputs = bound.iter().filter(|bound| bound.output.is_some());
    let outputs =
        outputs.map(|bound| Output { name: &bound.name, ty: msl_name(bound.array.dtype) });
    let kernel = CustomKernel {
        name,
        header,
        source,
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        template: arguments.collect(),
        atomic_outputs: false,
    };
    let generated = generate(&kernel);
    let mut more = Vec::new();
    for Bound { name, array, output } in bound.iter() {
        if output.is_some() || array.shape.is_empty() {
            continue;
        }
        let mut strides: Vec<usize> = array
            .shape
            .iter()
            .rev()
            .scan(1, |step, &n| Some(std::mem::replace(step, *step * n)))
            .collect();
        strides.reverse();
        for (what, ty, values) in [
            ("shape", "i32", array.shape.clone()),
            ("strides", "i64", strides),
            ("ndim", "i32", vec![array.shape.len()]),
        ] {
            if source.contains(&format!("{name}_{what}")) {
                let dtype = Dtype::from_name(ty)?;
                let parts = values.iter().map(|value| dtype.encode(&value.to_string()));
                let bytes = parts.collect::<Result<Vec<_>>>()?.concat();
                let array = Array { dtype, shape: vec![values.len()], bytes };
                more.push(Bound { name: format!("{name}_{what}"), array, output: None });
            }
        }
    }
    bound.extend(more);
    Ok(generated.source)
}

/// A file with an instantiation of its kernel template `kernel` under the same name.
pub(crate) fn instantiated(
    file: &str,
    text: String,
    kernel: &str,
    template: &[String],
) -> Result<Source> {
    let pairs = template_pairs(template)?;
    let values: Vec<&str> = pairs.iter().map(|&(_, value)| value).collect();
    let id = format!("{kernel}<{}>", values.join(", "));
    let tail = format!("\ntemplate [[host_name(\"{kernel}\")]] [[kernel]] decltype({id}) {id};\n");
    let piece = |name: &str, origin, text: String| Piece {
        name: name.to_string(),
        origin,
        text: text.into(),
    };
    let pieces =
        vec![piece(file, Origin::Source, text), piece("instantiation", Origin::Generated, tail)];
    Ok(Source { pieces })
}

fn template_pairs(template: &[String]) -> Result<Vec<(&str, &str)>> {
    template
        .iter()
        .map(|pair| {
            let (name, value) =
                pair.split_once('=').context("template arguments are written NAME=VALUE")?;
            Ok((name.trim(), value.trim()))
        })
        .collect()
}

fn template_argument(value: &str) -> TemplateArgument<'_> {
    match (value.parse(), value) {
        (Ok(number), _) => TemplateArgument::Int(number),
        (_, "true") => TemplateArgument::Bool(true),
        (_, "false") => TemplateArgument::Bool(false),
        _ => TemplateArgument::Type(value),
    }
}

fn msl_name(dtype: Dtype) -> &'static str {
    match dtype.name {
        "i8" => "int8_t",
        "u8" => "uint8_t",
        "i16" => "int16_t",
        "u16" => "uint16_t",
        "i32" => "int32_t",
        "u32" => "uint32_t",
        "i64" => "int64_t",
        "u64" => "uint64_t",
        "f16" => "float16_t",
        "bf16" => "bfloat16_t",
        "f32" => "float",
        "c64" => "complex64_t",
        other => other,
    }
}
