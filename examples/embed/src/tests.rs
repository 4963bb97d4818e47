//! The encoder against PyTorch on the same weights, from the committed fixtures.

use crate::model::{MINILM_HEADS, Model};
use crate::tokenizer::Tokenizer;
use crate::{LIMIT, fetch};
use anymetal::Array;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn load(name: &str) -> BTreeMap<String, Array> {
    anymetal::io::load_safetensors(fixture(name)).expect("the fixture can be read").arrays
}

/// The identifiers of a padded fixture, without the padding.
fn rows(ids: &Array) -> Vec<Vec<u32>> {
    let values = ids.to_vec::<i32>().expect("identifiers are int32");
    let rows = values.chunks(ids.shape()[1]);
    rows.map(|row| row.iter().filter(|&&id| id != 0).map(|&id| id as u32).collect()).collect()
}

/// Cosine above 0.99999 and no component off by more than 1e-5 (components are of size 0.05 to
/// 0.2; six layers of float32 sums in another order leave errors near 1e-6).
fn compare(model: &Model, rows: &[Vec<u32>], expected: &Array) {
    let width = expected.shape()[1];
    let expected = expected.to_vec::<f32>().expect("embeddings are float32");
    let found = model.embed(rows).expect("the model runs");
    assert_eq!(found.len(), rows.len());
    for (i, (found, expected)) in found.iter().zip(expected.chunks(width)).enumerate() {
        let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let cosine: f32 = found.iter().zip(expected).map(|(a, b)| a * b).sum();
        assert!(worst < 1e-5 && cosine > 0.99999, "row {i}: {worst:e} off, cosine {cosine}");
    }
}

#[test]
fn a_tiny_encoder_agrees_with_pytorch() {
    let mut weights = load("tiny.safetensors");
    let ids = weights.remove("ids").expect("identifiers");
    let expected = weights.remove("embeddings").expect("embeddings");
    let model = Model::new(weights, 3).expect("a model of two layers");
    compare(&model, &rows(&ids), &expected);
    // Padding changes nothing: each sentence alone gives the same.
    let width = expected.shape()[1];
    let alone = rows(&ids).iter().map(|r| model.embed(&[r.clone()]).expect("one row").concat());
    let alone: Vec<f32> = alone.collect::<Vec<_>>().concat();
    let alone = Array::from_slice(&alone, &[alone.len() / width, width]).expect("rows");
    compare(&model, &rows(&ids), &alone);
}

#[test]
fn the_real_model_agrees_with_pytorch() {
    let folder = fetch::model().expect("the model is in the cache or can be downloaded");
    let vocabulary = std::fs::read_to_string(folder.join("vocab.txt")).expect("a vocabulary");
    let tokenizer = Tokenizer::new(&vocabulary).expect("a complete vocabulary");
    let fixture = load("sentences.safetensors");
    let expected = rows(&fixture["ids"]);
    let found: Vec<_> = sentences().iter().map(|s| tokenizer.encode(s, LIMIT)).collect();
    assert_eq!(found, expected, "token identifiers");
    let path = folder.join("model.safetensors");
    let model = Model::load(&path, MINILM_HEADS).expect("the model's weights");
    compare(&model, &found, &fixture["embeddings"]);
}

fn sentences() -> Vec<String> {
    let text = std::fs::read_to_string(fixture("sentences.txt")).expect("the sentences");
    text.strip_suffix('\n').unwrap_or(&text).split('\n').map(str::to_string).collect()
}

#[test]
fn checksums_are_hexadecimal() {
    let path = std::env::temp_dir().join(format!("anymetal-sha-{}", std::process::id()));
    std::fs::write(&path, "abc").expect("a temporary file");
    let digest = fetch::sha256(&path).expect("a digest");
    std::fs::remove_file(&path).expect("the temporary file goes");
    assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
