//! Scalars as rows hold them: one word per lane, or two for 64 bits.

use half::{bf16, f16};

/// Lanes of a simdgroup.
pub(super) const LANES: usize = 32;
/// A row.
pub(super) type RowData = [u32; LANES];

/// A scalar type of the IR in rows.
pub(super) trait Word: Copy {
    /// Reads all lanes.
    fn read(rows: &[RowData], at: usize) -> [Self; LANES];
    /// Reads one lane.
    fn read1(rows: &[RowData], at: usize, lane: usize) -> Self;
    /// Writes all lanes.
    fn write(rows: &mut [RowData], at: usize, values: &[Self; LANES]);
    /// Writes one lane.
    fn write1(rows: &mut [RowData], at: usize, lane: usize, value: Self);
}

macro_rules! narrow {
    ($($t:ty, $from:expr, $to:expr;)*) => {$(
        impl Word for $t {
            #[inline(always)]
            fn read(rows: &[RowData], at: usize) -> [$t; LANES] {
                rows[at].map($from)
            }
            #[inline(always)]
            fn read1(rows: &[RowData], at: usize, lane: usize) -> $t {
                $from(rows[at][lane])
            }
            #[inline(always)]
            fn write(rows: &mut [RowData], at: usize, values: &[$t; LANES]) {
                rows[at] = values.map($to);
            }
            #[inline(always)]
            fn write1(rows: &mut [RowData], at: usize, lane: usize, value: $t) {
                rows[at][lane] = $to(value);
            }
        }
    )*};
}

narrow! {
    bool, |w: u32| w != 0, u32::from;
    i8, |w: u32| w as i8, |x: i8| x as u32;
    i16, |w: u32| w as i16, |x: i16| x as u32;
    i32, |w: u32| w as i32, |x: i32| x as u32;
    u8, |w: u32| w as u8, u32::from;
    u16, |w: u32| w as u16, u32::from;
    u32, std::convert::identity, std::convert::identity;
    f32, f32::from_bits, f32::to_bits;
    f16, |w: u32| f16::from_bits(w as u16), |x: f16| u32::from(x.to_bits());
    bf16, |w: u32| bf16::from_bits(w as u16), |x: bf16| u32::from(x.to_bits());
}

macro_rules! wide {
    ($($t:ty)*) => {$(
        impl Word for $t {
            #[inline(always)]
            fn read(rows: &[RowData], at: usize) -> [$t; LANES] {
                let (low, high) = (&rows[at], &rows[at + 1]);
                std::array::from_fn(|i| (u64::from(low[i]) | u64::from(high[i]) << 32) as $t)
            }
            #[inline(always)]
            fn read1(rows: &[RowData], at: usize, lane: usize) -> $t {
                (u64::from(rows[at][lane]) | u64::from(rows[at + 1][lane]) << 32) as $t
            }
            #[inline(always)]
            fn write(rows: &mut [RowData], at: usize, values: &[$t; LANES]) {
                rows[at] = values.map(|x| x as u32);
                rows[at + 1] = values.map(|x| (x as u64 >> 32) as u32);
            }
            #[inline(always)]
            fn write1(rows: &mut [RowData], at: usize, lane: usize, value: $t) {
                rows[at][lane] = value as u32;
                rows[at + 1][lane] = (value as u64 >> 32) as u32;
            }
        }
    )*};
}

wide! { i64 u64 }

/// `d = f(a)` in all lanes, or in one.
#[inline(always)]
pub(super) fn map1<A: Word, D: Word, const ALL: bool>(
    rows: &mut [RowData],
    lane: usize,
    d: usize,
    a: usize,
    f: impl Fn(A) -> D,
) {
    if ALL {
        let a = A::read(rows, a);
        D::write(rows, d, &a.map(f));
    } else {
        let value = f(A::read1(rows, a, lane));
        D::write1(rows, d, lane, value);
    }
}

/// `d = f(a, b)` in all lanes, or in one.
#[inline(always)]
pub(super) fn map2<A: Word, B: Word, D: Word, const ALL: bool>(
    rows: &mut [RowData],
    lane: usize,
    [d, a, b]: [usize; 3],
    f: impl Fn(A, B) -> D,
) {
    if ALL {
        let (a, b) = (A::read(rows, a), B::read(rows, b));
        D::write(rows, d, &std::array::from_fn(|i| f(a[i], b[i])));
    } else {
        let value = f(A::read1(rows, a, lane), B::read1(rows, b, lane));
        D::write1(rows, d, lane, value);
    }
}

/// A scalar as the bits of its type, integers extended to 64 bits by their sign.
#[inline(always)]
pub(super) fn bits(
    scalar: anymetal_msl::ir::Scalar,
    rows: &[RowData],
    at: usize,
    lane: usize,
) -> u64 {
    use anymetal_msl::ir::Scalar::*;
    match scalar {
        I64 | U64 => u64::read1(rows, at, lane),
        I8 | I16 | I32 => rows[at][lane] as i32 as i64 as u64,
        Bool | U8 | U16 | U32 | F16 | BF16 | F32 => rows[at][lane].into(),
    }
}

/// Writes a scalar from the low bits of its type.
#[inline(always)]
pub(super) fn set_bits(
    scalar: anymetal_msl::ir::Scalar,
    rows: &mut [RowData],
    at: usize,
    lane: usize,
    bits: u64,
) {
    use anymetal_msl::ir::Scalar::*;
    match scalar {
        I64 | U64 => u64::write1(rows, at, lane, bits),
        Bool => rows[at][lane] = u32::from(bits as u8 != 0),
        I8 => rows[at][lane] = bits as i8 as u32,
        I16 => rows[at][lane] = bits as i16 as u32,
        U8 => rows[at][lane] = bits as u8 as u32,
        U16 | F16 | BF16 => rows[at][lane] = bits as u16 as u32,
        I32 | U32 | F32 => rows[at][lane] = bits as u32,
    }
}
