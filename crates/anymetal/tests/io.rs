//! Array files: round trips, files of other writers, broken files.

#[path = "support/matrix.rs"]
mod matrix;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anymetal::device::fake;
use anymetal::io::{self, LoadOptions, SafeTensors};
use anymetal::{Array, Category, Device, Dtype, Error, Result, ops};
use fastrand::Rng;

const MAP: LoadOptions = LoadOptions { memory_map: true };

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The elements' bytes in row-major order.
fn bytes(x: &Array) -> Vec<u8> {
    if x.size() == 0 {
        return Vec::new();
    }
    let flat = x.reshape(&[-1]).unwrap();
    flat.view(Dtype::U8).unwrap().to_vec().unwrap()
}

fn assert_same(a: &Array, b: &Array, what: &str) {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{what}");
    assert_eq!(bytes(a), bytes(b), "{what}");
}

/// Arrays of every dtype in several shapes and layouts.
fn specimens() -> Vec<(String, Array)> {
    let mut all = Vec::new();
    for &dtype in Dtype::ALL {
        let numbers = ops::arange(0.0, 24.0, 1.0, Dtype::F32).unwrap();
        let x = (&numbers - 5.0).unwrap().astype(dtype).unwrap().reshape(&[2, 3, 4]).unwrap();
        let cut = ops::slice(&x, &[1, 2, 3], &[-9, 0, -9], &[-1, -1, -2]).unwrap();
        let wide = cut.broadcast_to(&[3, 2, 2, 2]).unwrap();
        let empty = ops::zeros(&[2, 0, 3], dtype).unwrap();
        let scalar = ops::ones(&[], dtype).unwrap();
        let parts = [("x", x.clone()), ("t", x.t()), ("cut", cut), ("wide", wide)];
        let parts = parts.into_iter().chain([("empty", empty), ("scalar", scalar)]);
        all.extend(parts.map(|(name, a)| (format!("{dtype}.{name}"), a)));
    }
    all
}

#[test]
fn arrays_survive_a_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    for device in [Device::cpu(), fake::device()] {
        device.stream().scope(|| {
            let specimens = specimens();
            let path = folder.path().join("all.safetensors");
            let notes = BTreeMap::from([("é\"\n".to_string(), "\u{1F600}".to_string())]);
            let named = specimens.iter().map(|(n, a)| (n, a));
            io::save_safetensors(&path, named.clone(), &notes).unwrap();
            let in_memory = io::safetensors_to_bytes(named.rev(), &notes).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), in_memory, "the order given is irrelevant");
            let loads = [
                io::load_safetensors(&path).unwrap(),
                io::load_safetensors_with(&path, MAP).unwrap(),
                io::safetensors_from_bytes(&in_memory).unwrap(),
                // Misaligned in memory, so everything is copied.
                io::safetensors_from_bytes(&[&[0][..], &in_memory].concat()[1..]).unwrap(),
            ];
            for file in loads {
                assert_eq!(file.metadata, notes);
                assert_eq!(file.arrays.len(), specimens.len());
                for (name, array) in &specimens {
                    assert_same(&file.arrays[name], array, name);
                }
            }
            for (name, array) in &specimens {
                let path = folder.path().join(format!("{name}.npy"));
                io::save_npy(&path, array).unwrap();
                assert_same(&io::load_npy(&path).unwrap(), array, name);
                assert_same(&io::load_npy_with(&path, MAP).unwrap(), array, name);
                let again = io::npy_from_bytes(&io::npy_to_bytes(array).unwrap()).unwrap();
                assert_same(&again, array, name);
            }
        });
    }
}

#[test]
fn the_reference_implementation_of_safetensors_agrees() {
    let specimens = specimens();
    let named = specimens.iter().map(|(n, a)| (n, a));
    let ours = io::safetensors_to_bytes(named, &BTreeMap::new()).unwrap();
    let mlx = std::fs::read(fixture("random.safetensors")).unwrap();
    for content in [ours, mlx] {
        let theirs = safetensors::SafeTensors::deserialize(&content).unwrap();
        let file = io::safetensors_from_bytes(&content).unwrap();
        assert_eq!(theirs.len(), file.arrays.len());
        for (name, array) in &file.arrays {
            let tensor = theirs.tensor(name).unwrap();
            assert_eq!(tensor.shape(), array.shape(), "{name}");
            assert_eq!(tensor.data(), bytes(array), "{name}");
        }
        // What the reference writes is read back alike.
        let rewritten = safetensors::serialize(theirs.tensors(), None).unwrap();
        let again = io::safetensors_from_bytes(&rewritten).unwrap();
        for (name, array) in &file.arrays {
            assert_same(&again.arrays[name], array, name);
        }
    }
}

#[test]
fn numpy_files_are_understood() {
    let expected = ops::arange(0.0, 6.0, 1.0, Dtype::F32).unwrap().reshape(&[2, 3]).unwrap();
    let codes = [
        ("b1", Dtype::Bool),
        ("u1", Dtype::U8),
        ("u2", Dtype::U16),
        ("u4", Dtype::U32),
        ("u8", Dtype::U64),
        ("i1", Dtype::I8),
        ("i2", Dtype::I16),
        ("i4", Dtype::I32),
        ("i8", Dtype::I64),
        ("f2", Dtype::F16),
        ("f4", Dtype::F32),
        ("f8", Dtype::F64),
        ("c8", Dtype::Complex64),
    ];
    let mut cases = vec![("bfloat16".to_string(), Dtype::Bf16)];
    cases.extend((1..=3).map(|v| (format!("version{v}"), Dtype::F32)));
    for (code, dtype) in codes {
        cases.extend([(format!("little_{code}"), dtype), (format!("big_{code}"), dtype)]);
    }
    for (name, dtype) in cases {
        let path = fixture(&format!("npy/{name}.npy"));
        for options in [LoadOptions::default(), MAP] {
            let array = io::load_npy_with(&path, options).unwrap();
            assert_same(&array, &expected.astype(dtype).unwrap(), &name);
        }
        if name.starts_with("little") || name == "bfloat16" {
            // NumPy would have written the same bytes.
            let array = io::load_npy(&path).unwrap();
            let theirs = std::fs::read(&path).unwrap();
            assert_eq!(io::npy_to_bytes(&array).unwrap(), theirs, "{name}");
        }
    }
    let scalar = io::load_npy(fixture("npy/scalar.npy")).unwrap();
    assert_eq!((scalar.ndim(), scalar.item::<f64>().unwrap()), (0, 2.5));
    assert_eq!(io::load_npy(fixture("npy/empty.npy")).unwrap().shape(), [0, 3]);
    for (name, fault) in [
        ("text", "dtype '<U1' is not supported"),
        ("complex128", "dtype '<c16' is not supported"),
        ("fields", "the dtype has fields"),
    ] {
        refused(io::load_npy(fixture(&format!("npy/{name}.npy"))), fault);
    }
}

fn refused<T>(result: Result<T>, fault: &str) {
    let error = result.err().unwrap_or_else(|| panic!("'{fault}' went unnoticed"));
    assert_eq!(error.category(), Category::Io, "{error}");
    assert!(error.to_string().contains(fault), "'{error}' does not say '{fault}'");
}

#[test]
fn broken_npy_files_are_refused_with_the_reason() {
    let with = |version: u8, header: &str, data: usize| {
        let mut file = b"\x93NUMPY".to_vec();
        file.extend([version, 0]);
        match version {
            1 => file.extend((header.len() as u16).to_le_bytes()),
            _ => file.extend((header.len() as u32).to_le_bytes()),
        }
        file.extend(header.as_bytes());
        file.extend(vec![0; data]);
        file
    };
    let header =
        |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let whole = with(1, &header("(2, 3)"), 24);
    io::npy_from_bytes(&whole).unwrap();
    for n in 0..whole.len() {
        assert!(io::npy_from_bytes(&whole[..n]).is_err(), "cut to {n} bytes");
    }
    let deep = header(&format!("({})", "1, ".repeat(65)));
    let cases = [
        (b"PK\x03\x04 and more text".to_vec(), "not an npy file"),
        (with(4, "", 0), "version 4 is unknown"),
        (with(2, &" ".repeat(100_000), 0), "header of 100000 bytes is too long"),
        (with(1, &header("(2, 3)"), 23), "the file ends after"),
        (with(1, &header("(4294967296, 4294967296)"), 0), "larger than the address space"),
        (with(1, &header("(0, 4294967296, 4294967296)"), 0), "larger than the address space"),
        (with(1, &header("(144115188075855872,)"), 9), "the file ends after"),
        (with(1, &header("(99999999999999999999,)"), 9), "not a number that fits"),
        (with(1, &header("(-1,)"), 9), "not a number that fits"),
        (with(1, &header("[2]"), 9), "'(' is missing"),
        (with(1, &deep, 9), "more than the 64 supported axes"),
        (with(1, "{'descr': '<f4'}", 9), "is missing"),
        (with(1, "{'descr': '<f4', 'descr': '<f4'}", 9), "given twice"),
        (with(1, "{'descr': '<f4", 9), "a string is missing"),
        (with(1, "{'colour': '<f4'}", 9), "unknown entry 'colour'"),
        (with(1, &(header("()") + "x"), 9), "something follows"),
    ];
    for (file, fault) in cases {
        refused(io::npy_from_bytes(&file), fault);
    }
    let mut file = whole.clone();
    file[12] = 0xff;
    refused(io::npy_from_bytes(&file), "not UTF-8");
}

#[test]
fn broken_safetensors_files_are_refused_with_the_reason() {
    let with = |header: &str, data: usize| {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(vec![0; data]);
        file
    };
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
    };
    let one = |dtype: &str, shape: &str, offsets: &str| {
        with(&format!(r#"{{"a":{}}}"#, tensor(dtype, shape, offsets)), 8)
    };
    let two = |first: &str, second: &str| {
        let (a, b) = (tensor("F32", "[1]", first), tensor("F32", "[1]", second));
        with(&format!(r#"{{"a":{a},"b":{b}}}"#), 8)
    };
    io::safetensors_from_bytes(&two("[4,8]", "[0,4]")).unwrap();
    let whole = one("F32", "[2]", "[0,8]");
    io::safetensors_from_bytes(&whole).unwrap();
    for n in 0..whole.len() {
        assert!(io::safetensors_from_bytes(&whole[..n]).is_err(), "cut to {n} bytes");
    }
    let huge = |n: u64| [&n.to_le_bytes()[..], b"{}"].concat();
    let cases = [
        (vec![0; 7], "less than 8 bytes"),
        (huge(u64::MAX), "is too long"),
        (huge(99_999_999), "the file ends after"),
        (with("[1]", 0), "not a JSON object"),
        (with("{\"a\":", 0), "not a JSON object"),
        (with(&"[".repeat(100_000), 0), "not a JSON object"),
        (with(r#"{"a":3}"#, 0), "the dtype is missing"),
        (with(r#"{"__metadata__":{"a":3}}"#, 0), "'a' is not a string"),
        (with(r#"{"__metadata__":[]}"#, 0), "it is not an object"),
        (one("F8_E4M3", "[8]", "[0,8]"), "dtype F8_E4M3 is not supported"),
        (one("F32", "[3]", "[0,8]"), "8 bytes do not fill its shape"),
        (one("F32", "[-2]", "[0,8]"), "a size that is not a number"),
        (one("F32", "[2.5]", "[0,8]"), "a size that is not a number"),
        (one("F32", "[2]", "[8,0]"), "run backwards"),
        (one("F32", "[2]", "[0,8,9]"), "not two numbers"),
        (one("F32", "[2]", "[0]"), "not two numbers"),
        (one("F32", "[1]", "[0,4]"), "the file has 8"),
        (one("F32", "[1]", "[4,8]"), "begins at byte 4 instead of 0"),
        (one("F32", "[3]", "[0,12]"), "the file has 8"),
        (one("F32", "[4294967296,4294967296,4]", "[0,8]"), "larger than the address space"),
        (one("F32", "[4294967296,4294967296,0]", "[0,0]"), "larger than the address space"),
        (one("F32", &format!("[{}2]", "1,".repeat(64)), "[0,8]"), "65 axes"),
        (one("F32", "[2]", "[18446744073709551608,18446744073709551615]"), "do not fill"),
        (two("[0,4]", "[0,4]"), "'b' begins at byte 0 instead of 4"),
    ];
    for (file, fault) in cases {
        refused(io::safetensors_from_bytes(&file), fault);
    }
    let mut file = whole.clone();
    file[10] = 0xff;
    refused(io::safetensors_from_bytes(&file), "not UTF-8");
}

/// Valid files, mutated thousands of times: the result is an array or an error, never a panic,
/// and what loads can be computed with.
#[test]
fn mutated_files_never_panic() {
    let mut rng = matrix::random::fresh();
    let folder = tempfile::tempdir().unwrap();
    let x = ops::arange(0.0, 6.0, 1.0, Dtype::F32).unwrap().reshape(&[2, 3]).unwrap();
    let y = x.astype(Dtype::Complex64).unwrap();
    let flags = x.astype(Dtype::Bool).unwrap();
    let named = [("x", &x), ("y", &y), ("flags", &flags)];
    let notes = BTreeMap::from([("a".to_string(), "b".to_string())]);
    let tensors = io::safetensors_to_bytes(named, &notes).unwrap();
    let npy = io::npy_to_bytes(&x).unwrap();
    let fortran = std::fs::read(fixture("npy/big_c8.npy")).unwrap();
    let touch = |array: &Array| {
        assert!(array.nbytes() < 1 << 20, "{array:?}");
        let _ = format!("{array:?}");
        let sum = ops::sum(&array.t(), (), false).and_then(|s| s.eval());
        assert!(sum.is_ok(), "{sum:?}");
    };
    let mut loaded = 0;
    for round in 0..6000 {
        let source = [&tensors, &npy, &fortran][round % 3];
        let mutated = mutate(&mut rng, source);
        let outcome = if round % 3 == 0 {
            io::safetensors_from_bytes(&mutated).map(|f| f.arrays.into_values().collect())
        } else {
            io::npy_from_bytes(&mutated).map(|array| vec![array])
        };
        if round % 20 < 3 {
            // A name of its own: rewriting one file makes some file systems wait for the disk.
            let path = folder.path().join(format!("mutated{round}"));
            std::fs::write(&path, &mutated).unwrap();
            for options in [LoadOptions::default(), MAP] {
                let again: Result<Vec<Array>> = if round % 3 == 0 {
                    let file = io::load_safetensors_with(&path, options);
                    file.map(|f| f.arrays.into_values().collect())
                } else {
                    io::load_npy_with(&path, options).map(|array| vec![array])
                };
                again.iter().flatten().for_each(touch);
                assert_eq!(again.is_ok(), outcome.is_ok(), "{mutated:?}");
            }
        }
        match outcome {
            Ok(arrays) => {
                loaded += 1;
                arrays.iter().for_each(touch);
            }
            Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
        }
    }
    assert!(loaded > 100, "only {loaded} mutations loaded: they are too wild to test much");
}

/// One to four changes: a byte, a digit, a cut, a part doubled, a number blown up.
fn mutate(rng: &mut Rng, source: &[u8]) -> Vec<u8> {
    let mut file = source.to_vec();
    for _ in 0..=rng.usize(..4) {
        let at = rng.usize(..file.len().max(1));
        match rng.usize(..7) {
            0 if !file.is_empty() => file[at] = rng.u8(..),
            1 if !file.is_empty() => file[at] ^= 1 << rng.usize(..8),
            2 => file.truncate(at),
            3 => {
                let end = (at + rng.usize(..20)).min(file.len());
                let part = file[at.min(end)..end].to_vec();
                file.splice(at..at, part);
            }
            4 => {
                let digits: Vec<usize> =
                    (0..file.len()).filter(|&i| file[i].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    file[*rng.choice(&digits).unwrap()] = b'0' + rng.usize(..10) as u8;
                }
            }
            5 => {
                let digits: Vec<usize> =
                    (0..file.len()).filter(|&i| file[i].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    let at = *rng.choice(&digits).unwrap();
                    let big =
                        ["9999999999", "18446744073709551615", "-1", "0", "4294967296", "1e9"];
                    file.splice(at..=at, rng.choice(&big).unwrap().bytes());
                }
            }
            _ => file.extend((0..rng.usize(..16)).map(|_| 0u8)),
        }
    }
    file
}

#[test]
fn mapped_arrays_share_the_file_and_outlive_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let x = ops::arange(0.0, 5000.0, 1.0, Dtype::F32).unwrap();
    io::save_safetensors(&path, [("x", &x)], &BTreeMap::new()).unwrap();
    anymetal::device::reset_peak_memory();
    let mapped = io::load_safetensors_with(&path, MAP).unwrap().arrays.remove("x").unwrap();
    // Replacing the file leaves the mapping on the old content.
    let other = ops::zeros(&[3], Dtype::F32).unwrap();
    io::save_safetensors(&path, [("x", &other)], &BTreeMap::new()).unwrap();
    assert_eq!(io::load_safetensors(&path).unwrap().arrays["x"].shape(), [3]);
    std::fs::remove_file(&path).unwrap();
    assert_same(&mapped, &x, "mapped");
    // Mapped memory is never written, even by an operation that could reuse its input.
    let doubled = (&mapped * 2.0).unwrap();
    drop(mapped);
    assert_eq!(doubled.to_vec::<f32>().unwrap()[4999], 9998.0);
}

#[test]
fn failed_saves_leave_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let x = Array::scalar(1.0);
    let taken = folder.path().join("folder.npy");
    std::fs::create_dir(&taken).unwrap();
    for path in [taken, folder.path().join("missing/x.npy")] {
        let error = io::save_npy(&path, &x).unwrap_err();
        assert_eq!(error.category(), Category::Io, "{error}");
        assert!(error.to_string().starts_with("[save_npy] "), "{error}");
    }
    let path = folder.path().join("old.npy");
    io::save_npy(&path, &x).unwrap();
    let bad = ops::take(&x, &Array::scalar(7i64), None).unwrap();
    assert_eq!(io::save_npy(&path, &bad).unwrap_err().category(), Category::Index);
    assert_same(&io::load_npy(&path).unwrap(), &x, "untouched");
    let names = [("a", &x), ("a", &x)];
    let error = io::save_safetensors(&path, names, &BTreeMap::new()).unwrap_err();
    assert_eq!(error.category(), Category::Value, "{error}");
    let error = io::save_safetensors(&path, [("__metadata__", &x)], &BTreeMap::new()).unwrap_err();
    assert_eq!(error.category(), Category::Value, "{error}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "the folder and the old file");
    refused(io::load_npy(folder.path().join("none.npy")), "none.npy");
    let SafeTensors { arrays, .. } = io::safetensors_from_bytes(b"\x02\0\0\0\0\0\0\0{}").unwrap();
    assert!(arrays.is_empty());
}
