//! Safetensors: named arrays behind a JSON header.
//!
//! The file is eight bytes with the header's length, the header, and the arrays' bytes without
//! gap or overlap. Files written here are aligned, so that mapping them never copies; other
//! writers' files may not be.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::sink::{self, Sink};
use super::source::Source;
use super::{LoadOptions, plausible};
use crate::device::Spec;
use crate::error::{Error, Result};
use crate::{Array, Dtype, Shape};

/// What a safetensors file holds.
#[derive(Clone, Debug, Default)]
pub struct SafeTensors {
    /// The arrays by name.
    pub arrays: BTreeMap<String, Array>,
    /// Texts about the file, such as its origin.
    pub metadata: BTreeMap<String, String>,
}

/// Loads a safetensors file as copies in memory.
///
/// # Errors
/// A file that cannot be read or is not a complete safetensors file; a dtype arrays do not have;
/// out of memory.
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<SafeTensors> {
    load_safetensors_with(path, LoadOptions::default())
}

/// Loads a safetensors file.
///
/// # Errors
/// As [`load_safetensors`].
pub fn load_safetensors_with(path: impl AsRef<Path>, options: LoadOptions) -> Result<SafeTensors> {
    read(&Source::open("load_safetensors", path.as_ref(), options)?)
}

/// The arrays of a safetensors file that is in memory already.
///
/// # Errors
/// As [`load_safetensors`].
pub fn safetensors_from_bytes(bytes: &[u8]) -> Result<SafeTensors> {
    read(&Source::bytes("load_safetensors", bytes))
}

/// Saves named arrays as a safetensors file, computing them first. An existing file is replaced
/// in one step. The bytes depend on names and values alone, not on the order of `arrays`.
///
/// ```no_run
/// # use std::collections::BTreeMap;
/// # use anymetal::{Array, io};
/// # fn main() -> anymetal::Result<()> {
/// let weight = Array::ones(&[4, 4])?;
/// io::save_safetensors("layer.safetensors", [("weight", &weight)], &BTreeMap::new())?;
/// let layer = io::load_safetensors("layer.safetensors")?;
/// assert_eq!(layer.arrays["weight"].shape(), [4, 4]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Whatever computing the arrays met; a name that occurs twice or is reserved; a file that cannot
/// be written.
pub fn save_safetensors<'a, S: AsRef<str>>(
    path: impl AsRef<Path>,
    arrays: impl IntoIterator<Item = (S, &'a Array)>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let plan = Plan::new(arrays, metadata)?;
    sink::replace(OP, path.as_ref(), |sink| plan.write(sink))
}

/// The content of the safetensors file of named arrays.
///
/// # Errors
/// As [`save_safetensors`].
pub fn safetensors_to_bytes<'a, S: AsRef<str>>(
    arrays: impl IntoIterator<Item = (S, &'a Array)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let plan = Plan::new(arrays, metadata)?;
    sink::to_bytes(OP, |sink| plan.write(sink))
}

const OP: &str = "save_safetensors";

/// The limit of the format's reference implementation.
const MAX_HEADER: u64 = 100_000_000;

/// The header's entry that is not an array.
const METADATA: &str = "__metadata__";

fn read(source: &Source<'_>) -> Result<SafeTensors> {
    if source.len() < 8 {
        return Err(source.broken("this is not a safetensors file: it has less than 8 bytes"));
    }
    let size = source.read(0, 8)?.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
    if size > MAX_HEADER {
        return Err(source.broken(format!("a header of {size} bytes is too long")));
    }
    let header = source.read(8, size as usize)?;
    let header = std::str::from_utf8(&header)
        .map_err(|e| source.broken(format!("the header is not UTF-8: {e}")))?;
    let header: Map<String, Value> = serde_json::from_str(header)
        .map_err(|e| source.broken(format!("the header is not a JSON object: {e}")))?;
    let start = 8 + size;
    let mut file = SafeTensors::default();
    let mut entries = Vec::with_capacity(header.len());
    for (name, value) in header {
        let broken = |fault: String| source.broken(format!("'{name}': {fault}"));
        if name == METADATA {
            file.metadata = metadata(value).map_err(broken)?;
        } else {
            let entry = Entry::parse(&value).map_err(broken)?;
            entries.push((name, entry));
        }
    }
    // Without gap or overlap, no byte is hidden from the reader or counted twice.
    entries.sort_by_key(|(_, entry)| (entry.begin, entry.end));
    let mut at = 0;
    for (name, entry) in &entries {
        if entry.begin != at {
            let text = format!("'{name}' begins at byte {} instead of {at}", entry.begin);
            return Err(source.broken(text));
        }
        at = entry.end;
    }
    if source.len() - start != at {
        let has = source.len() - start;
        return Err(source.broken(format!("the arrays take {at} bytes but the file has {has}")));
    }
    for (name, entry) in entries {
        let array = source.array(start + entry.begin, &entry.spec, None)?;
        file.arrays.insert(name, array);
    }
    Ok(file)
}

fn metadata(value: Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(map) = value else { return Err("it is not an object".into()) };
    map.into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            _ => Err(format!("'{key}' is not a string")),
        })
        .collect()
}

/// An array of the header, with its place counted from the header's end.
struct Entry {
    spec: Spec,
    begin: u64,
    end: u64,
}

impl Entry {
    fn parse(value: &Value) -> Result<Entry, String> {
        let text = value["dtype"].as_str().ok_or("the dtype is missing")?;
        let dtype = Dtype::ALL.iter().copied().find(|&d| code(d) == text);
        let dtype = dtype.ok_or_else(|| format!("dtype {text} is not supported"))?;
        let shape = value["shape"].as_array().ok_or("the shape is missing")?;
        let size = |n: &Value| n.as_u64().and_then(|n| usize::try_from(n).ok());
        let shape: Option<Shape> = shape.iter().map(size).collect();
        let spec = plausible(shape.ok_or("the shape has a size that is not a number")?, dtype)?;
        let offsets = value["data_offsets"].as_array().ok_or("the offsets are missing")?;
        let [Some(begin), Some(end)] =
            [0, 1].map(|i| offsets.get(i).filter(|_| offsets.len() == 2).and_then(Value::as_u64))
        else {
            return Err("the offsets are not two numbers".into());
        };
        let bytes = end.checked_sub(begin).ok_or("the offsets run backwards")?;
        if spec.bytes().map(|n| n as u64) != Some(bytes) {
            return Err(format!("{bytes} bytes do not fill its shape"));
        }
        Ok(Entry { spec, begin, end })
    }
}

/// The format's name of a dtype.
fn code(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "BOOL",
        Dtype::U8 => "U8",
        Dtype::U16 => "U16",
        Dtype::U32 => "U32",
        Dtype::U64 => "U64",
        Dtype::I8 => "I8",
        Dtype::I16 => "I16",
        Dtype::I32 => "I32",
        Dtype::I64 => "I64",
        Dtype::F16 => "F16",
        Dtype::Bf16 => "BF16",
        Dtype::F32 => "F32",
        Dtype::F64 => "F64",
        Dtype::Complex64 => "C64",
    }
}

/// A file to be written: all faults that are not the disk's are found in making it.
struct Plan<'a> {
    header: String,
    /// In the file's order.
    arrays: Vec<&'a Array>,
}

impl<'a> Plan<'a> {
    fn new<S: AsRef<str>>(
        arrays: impl IntoIterator<Item = (S, &'a Array)>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let mut named: Vec<(S, &Array)> = arrays.into_iter().collect();
        // Elements of the largest size first, so that all of them are aligned.
        named.sort_by(|(a, x), (b, y)| {
            let size = |array: &Array| array.dtype().size();
            size(y).cmp(&size(x)).then_with(|| a.as_ref().cmp(b.as_ref()))
        });
        crate::eval(named.iter().map(|(_, array)| *array))?;
        let mut header = Map::new();
        if !metadata.is_empty() {
            header.insert(METADATA.into(), json!(metadata));
        }
        let mut at = 0u64;
        for (name, array) in &named {
            let name = name.as_ref();
            if name == METADATA {
                return Err(Error::value(OP, format!("The name '{METADATA}' is reserved.")));
            }
            let end = at + array.nbytes() as u64;
            let entry = json!({
                "dtype": code(array.dtype()),
                "shape": array.shape(),
                "data_offsets": [at, end],
            });
            if header.insert(name.into(), entry).is_some() {
                return Err(Error::value(OP, format!("The name '{name}' is given twice.")));
            }
            at = end;
        }
        let mut header = Value::Object(header).to_string();
        let padded = header.len().next_multiple_of(8);
        header.extend(std::iter::repeat_n(' ', padded - header.len()));
        if header.len() as u64 > MAX_HEADER {
            return Err(Error::value(OP, "There are too many arrays for one file."));
        }
        Ok(Plan { header, arrays: named.into_iter().map(|(_, array)| array).collect() })
    }

    fn write(&self, sink: Sink<'_>) -> io::Result<()> {
        sink.write_all(&(self.header.len() as u64).to_le_bytes())?;
        sink.write_all(self.header.as_bytes())?;
        self.arrays.iter().try_for_each(|array| sink::write_array(&mut *sink, array))
    }
}
