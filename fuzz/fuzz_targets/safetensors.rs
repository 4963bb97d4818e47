//! Any bytes as a safetensors file: an error or arrays, and what was read survives being written
//! and read again.
#![no_main]

use anymetal::io::{safetensors_from_bytes, safetensors_to_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = safetensors_from_bytes(bytes) else { return };
    let arrays = file.arrays.iter();
    let written = safetensors_to_bytes(arrays, &file.metadata).expect("what was read is written");
    let again = safetensors_from_bytes(&written).expect("what was written is read");
    assert_eq!(again.metadata, file.metadata);
    assert!(again.arrays.keys().eq(file.arrays.keys()));
    for (name, array) in &file.arrays {
        let other = &again.arrays[name];
        assert_eq!((other.shape(), other.dtype()), (array.shape(), array.dtype()));
    }
    // The same arrays, metadata and names give the same bytes: values are the same too.
    let repeated = safetensors_to_bytes(again.arrays.iter(), &again.metadata);
    assert_eq!(repeated.expect("written before"), written);
});
