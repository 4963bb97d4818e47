//! NumPy's `.npy`: one array, behind a header that is a Python dictionary literal.
//!
//! Versions 1 to 3 are read, version 1 is written (2 if the header needs it). `bfloat16` has no
//! NumPy name; it is written and read as two raw bytes, `V2`, as MLX and `ml_dtypes` do.

use std::io;
use std::path::Path;

use smallvec::SmallVec;

use super::sink::{self, Sink};
use super::source::{Fix, Source};
use super::{LoadOptions, MAX_AXES, plausible};
use crate::device::Spec;
use crate::error::Result;
use crate::{Array, Dtype, Layout, Shape};

/// Loads a `.npy` file as a copy in memory.
///
/// # Errors
/// A file that cannot be read or is not a complete npy file; a dtype arrays do not have; out of
/// memory.
pub fn load_npy(path: impl AsRef<Path>) -> Result<Array> {
    load_npy_with(path, LoadOptions::default())
}

/// Loads a `.npy` file.
///
/// # Errors
/// As [`load_npy`].
pub fn load_npy_with(path: impl AsRef<Path>, options: LoadOptions) -> Result<Array> {
    read(&Source::open("load_npy", path.as_ref(), options)?)
}

/// The array of a `.npy` file that is in memory already.
///
/// # Errors
/// As [`load_npy`].
pub fn npy_from_bytes(bytes: &[u8]) -> Result<Array> {
    read(&Source::bytes("load_npy", bytes))
}

/// Saves an array as a `.npy` file, computing it first. An existing file is replaced in one step.
///
/// # Errors
/// Whatever computing the array met; a file that cannot be written.
pub fn save_npy(path: impl AsRef<Path>, array: &Array) -> Result<()> {
    array.eval()?;
    sink::replace("save_npy", path.as_ref(), |sink| write(sink, array))
}

/// The content of the `.npy` file of an array.
///
/// # Errors
/// Whatever computing the array met.
pub fn npy_to_bytes(array: &Array) -> Result<Vec<u8>> {
    array.eval()?;
    sink::to_bytes("save_npy", |sink| write(sink, array))
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy's own headers are a few hundred bytes; this leaves room without trusting the file.
const MAX_HEADER: usize = 1 << 16;

fn read(source: &Source<'_>) -> Result<Array> {
    if source.len() < 10 || source.read(0, MAGIC.len())? != MAGIC {
        return Err(source.broken("this is not an npy file"));
    }
    let version = source.read(6, 2)?;
    let (size, at) = match version[0] {
        1 => (source.read(8, 2)?, 10),
        2 | 3 => (source.read(8, 4)?, 12),
        other => return Err(source.broken(format!("npy version {other} is unknown"))),
    };
    let size = size.iter().rev().fold(0usize, |n, &byte| n << 8 | byte as usize);
    if size > MAX_HEADER {
        return Err(source.broken(format!("a header of {size} bytes is too long")));
    }
    let bytes = source.read(at, size)?;
    let text = String::from_utf8(bytes).map_err(|_| source.broken("the header is not UTF-8"))?;
    let header =
        Parser(&text).header().map_err(|fault| source.broken(format!("in the header, {fault}")))?;
    let (dtype, swapped) = dtype(&header.descr)
        .ok_or_else(|| source.broken(format!("dtype '{}' is not supported", header.descr)))?;
    let spec = plausible(header.shape, dtype).map_err(|fault| source.broken(fault))?;
    let swap = |bytes: &mut [u8]| {
        let part = if dtype == Dtype::Complex64 { 4 } else { dtype.size() };
        bytes.chunks_exact_mut(part).for_each(<[u8]>::reverse);
    };
    let fix: Option<Fix<'_>> = if swapped { Some(&swap) } else { None };
    let start = at + size as u64;
    if !header.fortran_order {
        return source.array(start, &spec, fix);
    }
    // Column-major is row-major with the axes reversed.
    let reversed: Shape = spec.shape.iter().rev().copied().collect();
    let array = source.array(start, &Spec::new(reversed, dtype), fix)?;
    let view = array.host_view()?;
    let Layout { shape, strides, offset } = &view.layout;
    let (shape, strides) =
        (shape.iter().rev().copied().collect(), strides.iter().rev().copied().collect());
    Ok(Array::from_view(view.with_layout(Layout { shape, strides, offset: *offset })))
}

/// The dtype of a NumPy type string, and whether its bytes are in the other order.
fn dtype(descr: &str) -> Option<(Dtype, bool)> {
    let order = descr.chars().next()?;
    let name = descr.strip_prefix(['<', '>', '=', '|']).unwrap_or(descr);
    let dtype = Dtype::ALL.iter().copied().find(|&d| code(d) == name)?;
    let big = order == '>' || (order != '<' && cfg!(target_endian = "big"));
    Some((dtype, big != cfg!(target_endian = "big") && dtype.size() > 1))
}

/// NumPy's name without byte order.
fn code(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "b1",
        Dtype::U8 => "u1",
        Dtype::U16 => "u2",
        Dtype::U32 => "u4",
        Dtype::U64 => "u8",
        Dtype::I8 => "i1",
        Dtype::I16 => "i2",
        Dtype::I32 => "i4",
        Dtype::I64 => "i8",
        Dtype::F16 => "f2",
        Dtype::Bf16 => "V2",
        Dtype::F32 => "f4",
        Dtype::F64 => "f8",
        Dtype::Complex64 => "c8",
    }
}

fn write(sink: Sink<'_>, array: &Array) -> io::Result<()> {
    let dtype = array.dtype();
    let order = match (dtype.size(), cfg!(target_endian = "big")) {
        (1, _) => '|',
        (_, false) => '<',
        (_, true) => '>',
    };
    let mut shape: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
    if array.ndim() > 1 {
        shape.truncate(shape.len() - 2);
    }
    let mut header = format!(
        "{{'descr': '{order}{}', 'fortran_order': False, 'shape': ({}), }}",
        code(dtype),
        shape.trim_end()
    );
    // The data start at a multiple of 64 bytes, and the header ends with a newline.
    let long = header.len() + 1 + 10 > usize::from(u16::MAX);
    let prefix = if long { 12 } else { 10 };
    let padded = (prefix + header.len() + 1).next_multiple_of(64) - prefix;
    header.extend(std::iter::repeat_n(' ', padded - header.len() - 1));
    header.push('\n');
    sink.write_all(MAGIC)?;
    match u16::try_from(header.len()) {
        Ok(len) if !long => {
            sink.write_all(&[1, 0])?;
            sink.write_all(&len.to_le_bytes())?;
        }
        _ => {
            sink.write_all(&[2, 0])?;
            sink.write_all(&(header.len() as u32).to_le_bytes())?;
        }
    }
    sink.write_all(header.as_bytes())?;
    sink::write_array(sink, array)
}

struct Header {
    descr: String,
    fortran_order: bool,
    shape: Shape,
}

/// What is left of a dictionary literal. Only what NumPy writes is understood: two strings or
/// names, a tuple of whole numbers.
struct Parser<'a>(&'a str);

impl<'a> Parser<'a> {
    fn header(mut self) -> Result<Header, String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            let again = match key {
                "descr" if self.0.trim_start().starts_with('[') => {
                    return Err("the dtype has fields, which arrays do not have".into());
                }
                "descr" => descr.replace(self.string()?.to_string()).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => return Err(format!("there is an unknown entry '{key}'")),
            };
            if again {
                return Err(format!("'{key}' is given twice"));
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return Err("something follows the dictionary".into());
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => {
                Ok(Header { descr, fortran_order, shape })
            }
            _ => Err("one of 'descr', 'fortran_order' and 'shape' is missing".into()),
        }
    }

    /// Takes a character if it is next.
    fn take(&mut self, c: char) -> bool {
        match self.0.trim_start().strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(format!("'{c}' is missing")) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|&c| c == '\'' || c == '"');
        let inside = quote.and_then(|q| text[1..].split_once(q));
        match inside {
            Some((string, rest)) if !string.contains('\\') => {
                self.0 = rest;
                Ok(string)
            }
            _ => Err("a string is missing".into()),
        }
    }

    fn boolean(&mut self) -> Result<bool, String> {
        for (name, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.trim_start().strip_prefix(name) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("True or False is missing".into())
    }

    fn tuple(&mut self) -> Result<Shape, String> {
        let mut sizes = SmallVec::new();
        self.expect('(')?;
        while !self.take(')') {
            if sizes.len() == MAX_AXES {
                return Err(format!("there are more than the {MAX_AXES} supported axes"));
            }
            let text = self.0.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let size = text[..end].parse();
            sizes.push(size.map_err(|_| "a size is not a number that fits".to_string())?);
            // Python 2 marked large numbers.
            self.0 = text[end..].strip_prefix('L').unwrap_or(&text[end..]);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sizes)
    }
}
