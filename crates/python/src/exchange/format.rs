//! Element types in the languages of the buffer protocol and of DLPack.

use anymetal::Dtype;

/// How another library's elements are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) element: Element,
    /// Whether the bytes of a number are in the other order than this machine's.
    pub(super) swapped: bool,
}

/// An element type of another library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Dtype(Dtype),
    /// Two `float64`; becomes `complex64`.
    Complex128,
}

impl Element {
    /// Bytes of an element.
    pub(super) fn size(self) -> usize {
        match self {
            Element::Dtype(dtype) => dtype.size(),
            Element::Complex128 => 16,
        }
    }

    /// Bytes of a number in it.
    pub(super) fn number(self) -> usize {
        match self {
            Element::Dtype(Dtype::Complex64) => 4,
            Element::Complex128 => 8,
            Element::Dtype(dtype) => dtype.size(),
        }
    }
}

/// Reads a format of the buffer protocol (Python's `struct` module, and NumPy's `Zf`, `Zd`).
pub(super) fn parse(format: &str, size: usize) -> Option<Stored> {
    let (order, code) = match format.as_bytes().first()? {
        b'@' | b'=' | b'<' | b'>' | b'!' | b'|' => format.split_at(1),
        _ => ("@", format),
    };
    let little = cfg!(target_endian = "little");
    let swapped = match order {
        "<" => !little,
        ">" | "!" => little,
        _ => false,
    };
    let element = match (code, size) {
        ("?", 1) => Element::Dtype(Dtype::Bool),
        ("b", 1) => Element::Dtype(Dtype::I8),
        ("B" | "c", 1) => Element::Dtype(Dtype::U8),
        ("h" | "i" | "l" | "q" | "n", 2) => Element::Dtype(Dtype::I16),
        ("h" | "i" | "l" | "q" | "n", 4) => Element::Dtype(Dtype::I32),
        ("h" | "i" | "l" | "q" | "n", 8) => Element::Dtype(Dtype::I64),
        ("H" | "I" | "L" | "Q" | "N", 2) => Element::Dtype(Dtype::U16),
        ("H" | "I" | "L" | "Q" | "N", 4) => Element::Dtype(Dtype::U32),
        ("H" | "I" | "L" | "Q" | "N", 8) => Element::Dtype(Dtype::U64),
        ("e", 2) => Element::Dtype(Dtype::F16),
        // What MLX's arrays call it.
        ("bfloat16", 2) => Element::Dtype(Dtype::Bf16),
        ("f", 4) => Element::Dtype(Dtype::F32),
        ("d", 8) => Element::Dtype(Dtype::F64),
        ("Zf", 8) => Element::Dtype(Dtype::Complex64),
        ("Zd", 16) => Element::Complex128,
        _ => return None,
    };
    let swapped = swapped && element.number() > 1;
    Some(Stored { element, swapped })
}

/// A dtype's format in the buffer protocol; `bfloat16` has none that other libraries know.
pub(super) fn format(dtype: Dtype) -> Option<&'static std::ffi::CStr> {
    Some(match dtype {
        Dtype::Bool => c"?",
        Dtype::U8 => c"B",
        Dtype::U16 => c"H",
        Dtype::U32 => c"I",
        Dtype::U64 => c"Q",
        Dtype::I8 => c"b",
        Dtype::I16 => c"h",
        Dtype::I32 => c"i",
        Dtype::I64 => c"q",
        Dtype::F16 => c"e",
        Dtype::Bf16 => return None,
        Dtype::F32 => c"f",
        Dtype::F64 => c"d",
        Dtype::Complex64 => c"Zf",
    })
}
