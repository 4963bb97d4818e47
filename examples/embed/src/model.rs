//! A BERT encoder with mean pooling, as sentence-transformers saves it.

use anyhow::{Context, Result, ensure};
use anymetal::fast::{AttentionOptions, Mask, layer_norm, scaled_dot_product_attention};
use anymetal::{Array, Dtype, ops};
use std::collections::BTreeMap;
use std::path::Path;

/// Attention heads of all-MiniLM-L6-v2.
pub(crate) const MINILM_HEADS: usize = 12;

/// The model's weights by their names in the file.
pub(crate) struct Model {
    weights: BTreeMap<String, Array>,
    heads: usize,
    layers: usize,
}

impl Model {
    /// Reads a safetensors file.
    pub(crate) fn load(path: &Path, heads: usize) -> Result<Self> {
        Self::new(anymetal::io::load_safetensors(path)?.arrays, heads)
    }

    /// From named weights.
    pub(crate) fn new(weights: BTreeMap<String, Array>, heads: usize) -> Result<Self> {
        let layer = |n: &usize| weights.contains_key(&format!("{}.output.dense.weight", name(*n)));
        let layers = (0..).take_while(layer).count();
        ensure!(layers > 0, "no encoder layers among {} weights", weights.len());
        Ok(Self { weights, heads, layers })
    }

    /// One vector of length one for every row of token identifiers.
    pub(crate) fn embed(&self, rows: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let shape = [rows.len(), longest];
        let padded = |row: &Vec<u32>| {
            let fill = std::iter::repeat_n(0, longest - row.len());
            row.iter().copied().chain(fill).collect::<Vec<_>>()
        };
        let ids: Vec<u32> = rows.iter().flat_map(padded).collect();
        let real = |row: &Vec<u32>| (0..longest).map(|i| i < row.len()).collect::<Vec<_>>();
        let real: Vec<bool> = rows.iter().flat_map(real).collect();
        let ids = Array::from_slice(&ids, &shape)?;
        let real = Array::from_slice(&real, &shape)?;
        let tokens = self.encode(&ids, &real)?;
        let kept = real.astype(Dtype::F32)?.expand_dims(&[-1])?;
        let sum = (&tokens * &kept)?.sum(1, false)?;
        let mean = (&sum / &kept.sum(1, false)?)?;
        let length = mean.square()?.sum(-1, true)?.sqrt()?;
        let embeddings = (&mean / &length)?.to_vec::<f32>()?;
        let width = self.weight("embeddings.LayerNorm.bias")?.size();
        Ok(embeddings.chunks(width).map(<[f32]>::to_vec).collect())
    }

    /// Token vectors (rows, tokens, width) from identifiers and which of them are no padding.
    fn encode(&self, ids: &Array, real: &Array) -> Result<Array> {
        let (rows, tokens) = (ids.shape()[0], ids.shape()[1]);
        let words = ops::take(self.weight("embeddings.word_embeddings.weight")?, ids, Some(0))?;
        let positions = self.weight("embeddings.position_embeddings.weight")?;
        ensure!(tokens <= positions.shape()[0], "{tokens} tokens are more than the model takes");
        let places = ops::arange(0.0, tokens as f64, 1.0, Dtype::I32)?;
        let positions = ops::take(positions, &places, Some(0))?;
        let first = ops::arange(0.0, 1.0, 1.0, Dtype::I32)?;
        let kind = self.weight("embeddings.token_type_embeddings.weight")?;
        let kind = ops::take(kind, &first, Some(0))?;
        let x = (&(&words + &positions)? + &kind)?;
        let mut x = self.norm(&x, "embeddings.LayerNorm")?;
        // Nobody attends to padding.
        let mask = real.reshape(&[rows as isize, 1, 1, tokens as isize])?;
        for layer in 0..self.layers {
            let name = name(layer);
            let attended = self.attend(&x, &mask, &name)?;
            x = self.norm(&(&x + &attended)?, &format!("{name}.attention.output.LayerNorm"))?;
            let wide = gelu(&self.linear(&x, &format!("{name}.intermediate.dense"))?)?;
            let narrow = self.linear(&wide, &format!("{name}.output.dense"))?;
            x = self.norm(&(&x + &narrow)?, &format!("{name}.output.LayerNorm"))?;
        }
        Ok(x)
    }

    fn attend(&self, x: &Array, mask: &Array, name: &str) -> Result<Array> {
        let heads = |part: &str| -> Result<Array> {
            let x = self.linear(x, &format!("{name}.attention.self.{part}"))?;
            let x = ops::unflatten(&x, -1, &[self.heads as isize, -1])?;
            Ok(x.swapaxes(1, 2)?)
        };
        let (q, k, v) = (heads("query")?, heads("key")?, heads("value")?);
        let scale = 1.0 / (q.shape()[3] as f32).sqrt();
        let options = AttentionOptions { mask: Mask::Array(mask), ..Default::default() };
        let seen = scaled_dot_product_attention(&q, &k, &v, scale, &options)?;
        let seen = ops::flatten(&seen.swapaxes(1, 2)?, -2, -1)?;
        self.linear(&seen, &format!("{name}.attention.output.dense"))
    }

    fn linear(&self, x: &Array, name: &str) -> Result<Array> {
        let weight = self.weight(&format!("{name}.weight"))?.t();
        Ok((&x.matmul(&weight)? + self.weight(&format!("{name}.bias"))?)?)
    }

    fn norm(&self, x: &Array, name: &str) -> Result<Array> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias = self.weight(&format!("{name}.bias"))?;
        Ok(layer_norm(x, Some(weight), Some(bias), 1e-12)?)
    }

    fn weight(&self, name: &str) -> Result<&Array> {
        self.weights.get(name).with_context(|| format!("the model lacks {name}"))
    }
}

fn name(layer: usize) -> String {
    format!("encoder.layer.{layer}")
}

/// The exact Gaussian error linear unit.
fn gelu(x: &Array) -> Result<Array> {
    let inner = (&(x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)?;
    Ok((&(x * 0.5)? * &inner)?)
}
