//! Transposition of mask bytes.

use crate::bytes::transpose_8_rows;

#[test]
fn bytes_become_columns() {
    let rows: [[u8; 32]; 8] = std::array::from_fn(|i| std::array::from_fn(|n| (32 * i + n) as u8));
    let mut out = [0; 32 * 11];
    assert!(!transpose_8_rows(&rows.each_ref().map(|row| &row[..]), &mut out, 11));
    for n in 0..32 {
        for i in 0..8 {
            assert_eq!(out[11 * n + i], rows[i][n]);
        }
    }
}
