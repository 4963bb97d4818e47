//! Transposition of mask bytes.

/// Writes the bytes of eight rows, whose common length is a multiple of 16, as columns: byte `n`
/// of row `i` goes to `out[n * step + i]`. Returns whether none of them is 0.
pub(crate) fn transpose_8_rows(rows: &[&[u8]; 8], out: &mut [u8], step: usize) -> bool {
    let mut least = [u8::MAX; 16];
    for first in (0..rows[0].len()).step_by(16) {
        let mut block = [[0; 16]; 8];
        for (to, row) in block.iter_mut().zip(rows) {
            to.copy_from_slice(&row[first..first + 16]);
            least = smaller(least, *to);
        }
        for (n, pair) in transpose(block).iter().enumerate() {
            let (even, odd) = pair.split_at(8);
            out[(first + 2 * n) * step..][..8].copy_from_slice(even);
            out[(first + 2 * n + 1) * step..][..8].copy_from_slice(odd);
        }
    }
    least.iter().all(|&x| x != 0)
}

#[inline(always)]
fn smaller(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|i| a[i].min(b[i]))
}

/// Sixteen columns of eight bytes, two by two.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose(rows: [[u8; 16]; 8]) -> [[u8; 16]; 8] {
    use std::arch::x86_64::{__m128i, _mm_unpackhi_epi8, _mm_unpacklo_epi8};
    // Each round of perfect shuffles moves one bit of the row
    // number behind those of the column number; three make it the column number.
    let mut v: [__m128i; 8] = bytemuck::cast(rows);
    for _ in 0..3 {
        let old = v;
        for i in 0..4 {
            // SAFETY: SSE2 is part of the architecture.
            unsafe {
                v[2 * i] = _mm_unpacklo_epi8(old[i], old[i + 4]);
                v[2 * i + 1] = _mm_unpackhi_epi8(old[i], old[i + 4]);
            }
        }
    }
    bytemuck::cast(v)
}

/// Sixteen columns of eight bytes, two by two.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn transpose(rows: [[u8; 16]; 8]) -> [[u8; 16]; 8] {
    use std::arch::aarch64::{vld1q_u8, vst1q_u8, vzip1q_u8, vzip2q_u8};
    // The same perfect shuffles.
    // SAFETY: NEON is part of the architecture; a row has the sixteen bytes that are read, and
    // there is room for those that are written.
    unsafe {
        let mut v = rows.map(|row| vld1q_u8(row.as_ptr()));
        for _ in 0..3 {
            let old = v;
            for i in 0..4 {
                v[2 * i] = vzip1q_u8(old[i], old[i + 4]);
                v[2 * i + 1] = vzip2q_u8(old[i], old[i + 4]);
            }
        }
        v.map(|v| {
            let mut pair = [0; 16];
            vst1q_u8(pair.as_mut_ptr(), v);
            pair
        })
    }
}

/// Sixteen columns of eight bytes, two by two.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn transpose(rows: [[u8; 16]; 8]) -> [[u8; 16]; 8] {
    std::array::from_fn(|n| std::array::from_fn(|i| rows[i % 8][2 * n + i / 8]))
}
