//! NumPy's `.npy` files: little-endian arrays in row order.

use anyhow::{Context, Result, bail};

/// An element type, by its Metal-like short name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dtype {
    /// As in `--output out:f32:1024`.
    pub(crate) name: &'static str,
    /// As in a file's header; bfloat has none of its own and is written as raw 2-byte items.
    descr: &'static str,
    /// Bytes of an element.
    pub(crate) size: usize,
}

const DTYPES: [Dtype; 13] = [
    Dtype { name: "bool", descr: "|b1", size: 1 },
    Dtype { name: "i8", descr: "|i1", size: 1 },
    Dtype { name: "u8", descr: "|u1", size: 1 },
    Dtype { name: "i16", descr: "<i2", size: 2 },
    Dtype { name: "u16", descr: "<u2", size: 2 },
    Dtype { name: "f16", descr: "<f2", size: 2 },
    Dtype { name: "bf16", descr: "|V2", size: 2 },
    Dtype { name: "i32", descr: "<i4", size: 4 },
    Dtype { name: "u32", descr: "<u4", size: 4 },
    Dtype { name: "f32", descr: "<f4", size: 4 },
    Dtype { name: "i64", descr: "<i8", size: 8 },
    Dtype { name: "u64", descr: "<u8", size: 8 },
    Dtype { name: "c64", descr: "<c8", size: 8 },
];

/// Other names people use for the types.
const ALIASES: [(&str, &str); 23] = [
    ("char", "i8"),
    ("uchar", "u8"),
    ("short", "i16"),
    ("ushort", "u16"),
    ("half", "f16"),
    ("float16", "f16"),
    ("bfloat", "bf16"),
    ("bfloat16", "bf16"),
    ("int", "i32"),
    ("uint", "u32"),
    ("float", "f32"),
    ("float32", "f32"),
    ("long", "i64"),
    ("ulong", "u64"),
    ("int8", "i8"),
    ("uint8", "u8"),
    ("int16", "i16"),
    ("uint16", "u16"),
    ("int32", "i32"),
    ("uint32", "u32"),
    ("int64", "i64"),
    ("uint64", "u64"),
    ("complex64", "c64"),
];

impl Dtype {
    /// The type of a name.
    pub(crate) fn from_name(name: &str) -> Result<Dtype> {
        let alias = ALIASES.iter().find(|alias| alias.0 == name);
        let name = alias.map_or(name, |alias| alias.1);
        let found = DTYPES.iter().find(|dtype| dtype.name == name);
        found.copied().with_context(|| format!("unknown element type `{name}`"))
    }

    /// The bytes of a number written as text.
    pub(crate) fn encode(self, text: &str) -> Result<Vec<u8>> {
        let bad = || format!("`{text}` is not a number of type {}", self.name);
        Ok(match self.name {
            "f32" => text.parse::<f32>().with_context(bad)?.to_le_bytes().to_vec(),
            "f16" => half::f16::from_f32(text.parse().with_context(bad)?).to_le_bytes().to_vec(),
            "bf16" => half::bf16::from_f32(text.parse().with_context(bad)?).to_le_bytes().to_vec(),
            "bool" => vec![u8::from(text.parse::<bool>().with_context(bad)?)],
            "c64" => {
                let (real, imaginary) = complex_parts(text).with_context(bad)?;
                [real.to_le_bytes(), imaginary.to_le_bytes()].concat()
            }
            _ => {
                let number: i128 = text.parse().with_context(bad)?;
                number.to_le_bytes()[..self.size].to_vec()
            }
        })
    }

    /// An element as text.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        let mut word = [0; 8];
        word[..self.size].copy_from_slice(&bytes[..self.size]);
        let bits = u64::from_le_bytes(word);
        match self.name {
            "bool" => (bits != 0).to_string(),
            "i8" => (bits as i8).to_string(),
            "i16" => (bits as i16).to_string(),
            "i32" => (bits as i32).to_string(),
            "i64" => (bits as i64).to_string(),
            "f16" => half::f16::from_bits(bits as u16).to_string(),
            "bf16" => half::bf16::from_bits(bits as u16).to_string(),
            "f32" => f32::from_bits(bits as u32).to_string(),
            "c64" => {
                let (real, imaginary) =
                    (f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32));
                format!("{real}{imaginary:+}j")
            }
            _ => bits.to_string(),
        }
    }
}

/// Real and imaginary part of a number such as `1.5`, `-2j` or `1.5-2j`.
fn complex_parts(text: &str) -> Option<(f32, f32)> {
    let Some(rest) = text.strip_suffix('j') else { return Some((text.parse().ok()?, 0.0)) };
    // The sign between the parts is the last one that does not belong to an exponent.
    let signs = rest
        .char_indices()
        .skip(1)
        .filter(|&(at, c)| matches!(c, '+' | '-') && !rest[..at].ends_with(['e', 'E']));
    match signs.last() {
        Some((at, _)) => Some((rest[..at].parse().ok()?, rest[at..].parse().ok()?)),
        None => Some((0.0, rest.parse().ok()?)),
    }
}

/// An array with its shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Array {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Array {
    /// Zeros.
    pub(crate) fn zeros(dtype: Dtype, shape: Vec<usize>) -> Result<Array> {
        let count = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let size = count.and_then(|count| count.checked_mul(dtype.size));
        let size = size.context("the shape has too many elements")?;
        Ok(Array { dtype, shape, bytes: vec![0; size] })
    }

    /// Reads a file's contents.
    pub(crate) fn parse(file: &[u8]) -> Result<Array> {
        let rest = file.strip_prefix(b"\x93NUMPY").context("not a .npy file")?;
        let (header, data) = match rest {
            [1, _, low, high, rest @ ..] => {
                let length = u16::from_le_bytes([*low, *high]) as usize;
                rest.split_at_checked(length)
            }
            [2 | 3, _, a, b, c, d, rest @ ..] => {
                let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                rest.split_at_checked(length)
            }
            _ => bail!("unknown version of the .npy format"),
        }
        .context("the .npy header is cut off")?;
        let header = std::str::from_utf8(header).context("the .npy header is not text")?;
        let descr = field(header, "descr")?.trim_matches(['\'', '"']).replace('=', "<");
        // Raw two-byte items, as extension types such as bfloat16 are written.
        let descr = if descr == "<V2" { "|V2".into() } else { descr };
        let Some(dtype) = DTYPES.iter().find(|dtype| dtype.descr == descr).copied() else {
            bail!("element type {descr} is not supported; convert to a 32-bit type first");
        };
        if field(header, "fortran_order")? != "False" {
            bail!("arrays in column order are not supported; use numpy.ascontiguousarray");
        }
        let shape = field(header, "shape")?;
        let axes = shape.trim_matches(['(', ')']).split(',').map(str::trim);
        let shape: Vec<usize> = axes
            .filter(|axis| !axis.is_empty())
            .map(|axis| axis.parse().context("bad shape in the .npy header"))
            .collect::<Result<_>>()?;
        let mut array = Array::zeros(dtype, shape)?;
        let data = data.get(..array.bytes.len()).context("the .npy file is cut off")?;
        array.bytes = data.to_vec();
        Ok(array)
    }

    /// The contents of a file.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        let axes: String = self.shape.iter().map(|axis| format!("{axis},")).collect();
        let descr = self.dtype.descr;
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
        // The data starts at a multiple of 64 bytes, after the newline that ends the header.
        let unpadded = 10 + header.len() + 1;
        header.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(&self.bytes);
        file
    }

    /// The elements as text.
    pub(crate) fn elements(&self) -> impl Iterator<Item = String> {
        self.bytes.chunks_exact(self.dtype.size).map(|bytes| self.dtype.decode(bytes))
    }
}

/// The value of a key of the header, a Python dictionary.
fn field<'a>(header: &'a str, key: &str) -> Result<&'a str> {
    let missing = || format!("the .npy header has no {key}");
    let at = header.find(&format!("'{key}'")).with_context(missing)?;
    let value =
        header[at + key.len() + 2..].trim_start().strip_prefix(':').with_context(missing)?;
    let value = value.trim_start();
    let end = match value.starts_with('(') {
        true => value.find(')').map(|end| end + 1),
        false => value.find([',', '}']),
    };
    end.map(|end| value[..end].trim()).with_context(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip() {
        for (shape, name) in [(vec![], "f32"), (vec![0], "u8"), (vec![2, 3], "i64")] {
            let mut array = Array::zeros(Dtype::from_name(name).unwrap(), shape).unwrap();
            array.bytes.iter_mut().enumerate().for_each(|(i, byte)| *byte = i as u8);
            let file = array.to_file();
            assert_eq!(Array::parse(&file).unwrap(), array);
            assert_eq!((file.len() - array.bytes.len()) % 64, 0);
        }
    }

    #[test]
    fn broken_files_are_errors() {
        let file = Array::zeros(Dtype::from_name("f32").unwrap(), vec![4]).unwrap().to_file();
        for end in 0..file.len() {
            assert!(Array::parse(&file[..end]).is_err());
        }
        let swapped = String::from_utf8_lossy(&file[10..74]).replace("<f4", ">f4");
        let file = [&file[..10], swapped.as_bytes(), &[0; 16]].concat();
        assert!(Array::parse(&file).is_err());
    }
}
