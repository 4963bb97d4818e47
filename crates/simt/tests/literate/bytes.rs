//! Arrays of the literate tests as bytes and as numbers.

use half::{bf16, f16};

use crate::case::Values;
use crate::formula::Arrays;

/// Bytes of an element of a type, by its Metal name.
pub(crate) fn size(ty: &str) -> Option<usize> {
    Some(match ty {
        "bool" | "char" | "uchar" => 1,
        "short" | "ushort" | "half" | "bfloat" => 2,
        "int" | "uint" | "float" => 4,
        "long" | "ulong" => 8,
        _ => return None,
    })
}

/// The bytes of a number rounded to a type.
pub(crate) fn encode(ty: &str, x: f64) -> Vec<u8> {
    match ty {
        "bool" => vec![u8::from(x != 0.0)],
        "char" => (x as i64 as i8).to_le_bytes().to_vec(),
        "uchar" => (x as i64 as u8).to_le_bytes().to_vec(),
        "short" => (x as i64 as i16).to_le_bytes().to_vec(),
        "ushort" => (x as i64 as u16).to_le_bytes().to_vec(),
        "half" => f16::from_f32(x as f32).to_le_bytes().to_vec(),
        "bfloat" => bf16::from_f32(x as f32).to_le_bytes().to_vec(),
        "int" => (x as i64 as i32).to_le_bytes().to_vec(),
        "uint" => (x as i64 as u32).to_le_bytes().to_vec(),
        "float" => (x as f32).to_le_bytes().to_vec(),
        "long" => (x as i64).to_le_bytes().to_vec(),
        _ => (x as u64).to_le_bytes().to_vec(),
    }
}

/// The bytes of a number as written: decimal, `0x` for the bits, `inf`, `-inf`, `nan`.
pub(crate) fn encode_text(ty: &str, text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("`{text}` is not a {ty}");
    let width = size(ty).ok_or_else(|| format!("unknown type `{ty}`"))?;
    if let Some(hex) = text.strip_prefix("0x") {
        let bits = u64::from_str_radix(hex, 16).map_err(|_| bad())?;
        return Ok(bits.to_le_bytes()[..width].to_vec());
    }
    if matches!(ty, "long" | "ulong") {
        let number: i128 = text.parse().map_err(|_| bad())?;
        return Ok((number as u64).to_le_bytes().to_vec());
    }
    let number = text.parse().map_err(|_| bad())?;
    Ok(encode(ty, number))
}

/// The numbers of an array.
pub(crate) fn decode(ty: &str, bytes: &[u8]) -> Vec<f64> {
    let width = size(ty).unwrap_or(1);
    bytes
        .chunks_exact(width)
        .map(|part| {
            let mut word = [0; 8];
            word[..width].copy_from_slice(part);
            let bits = u64::from_le_bytes(word);
            match ty {
                "char" => f64::from(bits as i8),
                "short" => f64::from(bits as i16),
                "int" => f64::from(bits as i32),
                "long" => bits as i64 as f64,
                "half" => f16::from_bits(bits as u16).to_f64(),
                "bfloat" => bf16::from_bits(bits as u16).to_f64(),
                "float" => f64::from(f32::from_bits(bits as u32)),
                _ => bits as f64,
            }
        })
        .collect()
}

/// Distance between neighbouring values of a type at `x`; 1 for integers.
pub(crate) fn ulp(ty: &str, x: f64) -> f64 {
    let (digits, lowest) = match ty {
        "float" => (23, -149),
        "half" => (10, -24),
        "bfloat" => (7, -133),
        _ => return 1.0,
    };
    let exponent = if x == 0.0 { lowest } else { x.abs().log2().floor() as i32 - digits };
    f64::from(exponent.max(lowest)).exp2()
}

/// The bytes of an array.
pub(crate) fn fill(
    ty: &str,
    length: usize,
    values: &Values,
    arrays: &Arrays,
) -> Result<Vec<u8>, String> {
    let width = size(ty).ok_or_else(|| format!("unknown type `{ty}`"))?;
    match values {
        Values::Zero => Ok(vec![0; width * length]),
        Values::Formula(formula) => {
            Ok((0..length).flat_map(|i| encode(ty, formula.at(i, arrays))).collect())
        }
        Values::List(list) => {
            let parts = list.iter().map(|item| encode_text(ty, item));
            Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}
