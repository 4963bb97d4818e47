//! The arrays that the command line names.

use anyhow::{Context, Result, bail};

use crate::npy::{Array, Dtype};

/// The arrays of a kernel.
#[derive(clap::Args)]
pub(crate) struct BufferArguments {
    /// An input: NAME=FILE.npy, or NAME:TYPE:SHAPE for zeros
    #[arg(long, value_name = "NAME=FILE|NAME:TYPE:SHAPE")]
    input: Vec<String>,
    /// A small input written out, e.g. n=16:i32 or x=0.5,1,2:f16
    #[arg(long, value_name = "NAME=VALUES:TYPE")]
    constant: Vec<String>,
    /// An output: NAME:TYPE:SHAPE such as out:f32:16,64, which starts as zeros, or NAME=FILE.npy,
    /// which starts as the file's contents
    #[arg(long, value_name = "NAME:TYPE:SHAPE|NAME=FILE")]
    output: Vec<String>,
}

/// A buffer named on the command line.
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) array: Array,
    /// Place among the outputs.
    pub(crate) output: Option<usize>,
}

impl BufferArguments {
    /// Reads and makes the arrays: inputs, constants, outputs.
    pub(crate) fn read(&self) -> Result<Vec<Bound>> {
        let mut bound: Vec<Bound> = Vec::new();
        let mut add = |name: &str, array: Array, output: Option<usize>| {
            if bound.iter().any(|bound| bound.name == name) {
                bail!("`{name}` is given twice");
            }
            bound.push(Bound { name: name.to_string(), array, output });
            Ok(())
        };
        for input in &self.input {
            let usage = "inputs are written NAME=FILE.npy, or NAME:TYPE:SHAPE for zeros";
            let (name, array) = file_or_zeros(input, usage)?;
            add(name, array, None)?;
        }
        for constant in &self.constant {
            let (name, array) = constant_array(constant)?;
            add(name, array, None)?;
        }
        for (i, output) in self.output.iter().enumerate() {
            let usage = "outputs are written NAME:TYPE:SHAPE, e.g. out:f32:16,64, or NAME=FILE.npy";
            let (name, array) = file_or_zeros(output, usage)?;
            add(name, array, Some(i))?;
        }
        Ok(bound)
    }
}

fn file_or_zeros<'a>(text: &'a str, usage: &'static str) -> Result<(&'a str, Array)> {
    // File names may hold colons, shapes no `=`.
    if let Some((name, file)) = text.split_once('=') {
        let contents = std::fs::read(file).with_context(|| format!("reading {file}"))?;
        return Ok((name, Array::parse(&contents).with_context(|| file.to_string())?));
    }
    let mut parts = text.splitn(3, ':');
    let (Some(name), Some(ty), Some(shape)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("`{text}`: {usage}");
    };
    let axes = shape.split([',', 'x']).map(str::trim).filter(|axis| !axis.is_empty());
    let axes: Result<Vec<usize>, _> = axes.map(str::parse).collect();
    let shape = axes.with_context(|| format!("`{shape}` is no shape: {usage}"))?;
    Ok((name, Array::zeros(Dtype::from_name(ty)?, shape)?))
}

fn constant_array(text: &str) -> Result<(&str, Array)> {
    let usage = || format!("`{text}`: constants are written NAME=VALUES:TYPE, e.g. n=16:i32");
    let (name, rest) = text.split_once('=').with_context(usage)?;
    let (values, ty) = rest.rsplit_once(':').with_context(usage)?;
    let dtype = Dtype::from_name(ty)?;
    let parts: Result<Vec<Vec<u8>>> =
        values.split(',').map(|value| dtype.encode(value.trim())).collect();
    let parts = parts?;
    // One value is a scalar, as in MLX.
    let shape = if parts.len() == 1 { Vec::new() } else { vec![parts.len()] };
    Ok((name, Array { dtype, shape, bytes: parts.concat() }))
}
