//! Any bytes as an npy file: an error or an array, and what was read survives being written and
//! read again.
#![no_main]

use anymetal::io::{npy_from_bytes, npy_to_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(array) = npy_from_bytes(bytes) else { return };
    let written = npy_to_bytes(&array).expect("what was read is written");
    let again = npy_from_bytes(&written).expect("what was written is read");
    assert_eq!((again.shape(), again.dtype()), (array.shape(), array.dtype()));
    assert_eq!(npy_to_bytes(&again).expect("written before"), written);
});
