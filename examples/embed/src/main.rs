//! Sentence embeddings with all-MiniLM-L6-v2, and how alike the sentences are.
//!
//! A real model on anymetal's `layer_norm` and `scaled_dot_product_attention`: [`fetch`] gets its
//! files, [`tokenizer`] turns text into identifiers, [`model`] these into vectors of length one,
//! whose products are the similarities.
#![forbid(unsafe_code)]

mod fetch;
mod model;
#[cfg(test)]
mod tests;
mod tokenizer;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::path::PathBuf;

/// Longest sentence in tokens, as the model was trained.
const LIMIT: usize = 256;

/// Embeds sentences and prints how similar they are.
#[derive(Parser)]
struct Options {
    /// The sentences
    sentences: Vec<String>,
    /// A text file with one sentence a line
    #[arg(short, long)]
    file: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut sentences = options.sentences;
    if let Some(file) = &options.file {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        sentences.extend(text.lines().filter(|l| !l.trim().is_empty()).map(str::to_string));
    }
    ensure!(!sentences.is_empty(), "no sentences: give some, or --file FILE");
    let folder = fetch::model()?;
    let vocabulary = std::fs::read_to_string(folder.join("vocab.txt"))?;
    let tokenizer = tokenizer::Tokenizer::new(&vocabulary)?;
    let model = model::Model::load(&folder.join("model.safetensors"), model::MINILM_HEADS)?;
    let rows: Vec<_> = sentences.iter().map(|s| tokenizer.encode(s, LIMIT)).collect();
    let embeddings = model.embed(&rows)?;
    print_table(&sentences, &embeddings);
    Ok(())
}

/// The similarity of every pair; the sentences below, numbered.
fn print_table(sentences: &[String], embeddings: &[Vec<f32>]) {
    let header: Vec<_> = (1..=sentences.len()).map(|i| format!("{i:>6}")).collect();
    println!("    {}", header.concat());
    for (i, a) in embeddings.iter().enumerate() {
        let product = |b: &Vec<f32>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let row: Vec<_> = embeddings.iter().map(|b| format!("{:6.2}", product(b))).collect();
        println!("{:>3} {}", i + 1, row.concat());
    }
    for (i, sentence) in sentences.iter().enumerate() {
        println!("{:>3} {sentence}", i + 1);
    }
}
