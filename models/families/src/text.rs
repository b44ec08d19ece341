//! From a prompt to its embedding.

use std::path::Path;

use ndarray::{Array2, ArrayD, Ix3, s};
use pickup_core::{Cancel, Error, Graph, Result, Tensor};
use tokenizers::{Tokenizer, TruncationParams};

use crate::TextEmbedding;

/// A prompt as a text encoder takes it; both `(1, l)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, padded.
    pub ids: Array2<i64>,
    /// 1 where `ids` holds a token of the prompt, 0 where it is padding.
    pub mask: Array2<i64>,
}

impl Tokens {
    /// How many tokens are not padding.
    pub fn count(&self) -> usize {
        self.mask.iter().filter(|&&mask| mask > 0).count()
    }
}

/// A package's tokenizer.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    max_tokens: usize,
    pad_id: i64,
}

impl TextTokenizer {
    /// Reads a Hugging Face `tokenizer.json`. Prompts are cut and padded to `max_tokens`; what the
    /// file says of truncation and padding is overruled.
    ///
    /// # Errors
    /// If the file cannot be read or is no tokenizer.
    pub fn open(file: &Path, max_tokens: usize, pad_id: u32) -> Result<Self> {
        let bad = |error: tokenizers::Error| {
            Error::model(format!("{} is not a tokenizer: {error}.", file.display()))
                .hint("Install the model package again.")
        };
        let mut tokenizer = Tokenizer::from_file(file).map_err(bad)?;
        tokenizer.with_padding(None);
        let cut = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(bad)?;
        Ok(Self { tokenizer, max_tokens, pad_id: i64::from(pad_id) })
    }

    /// The tokens of `prompt`, special tokens included, runs of white space taken as one space.
    ///
    /// # Errors
    /// If the tokenizer has no token for a part of the prompt.
    pub fn tokens(&self, prompt: &str) -> Result<Tokens> {
        let clean = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
        let encoding = self
            .tokenizer
            .encode_fast(clean, true)
            .map_err(|error| Error::input(format!("the prompt cannot be read: {error}.")))?;
        let ids = encoding.get_ids();
        let count = ids.len().min(self.max_tokens);
        let mut tokens = Tokens {
            ids: Array2::from_elem((1, self.max_tokens), self.pad_id),
            mask: Array2::zeros((1, self.max_tokens)),
        };
        for (slot, &id) in tokens.ids.iter_mut().zip(&ids[..count]) {
            *slot = i64::from(id);
        }
        tokens.mask.slice_mut(s![.., ..count]).fill(1);
        Ok(tokens)
    }
}

/// The tokens of `prompt` by the tokenizer of `package`.
///
/// # Errors
/// As [`TextTokenizer::open`] and [`TextTokenizer::tokens`].
pub fn tokens(package: &pickup_package::Package, prompt: &str) -> Result<Tokens> {
    let spec = &package.manifest().tokenizer;
    TextTokenizer::open(&package.path(&spec.file), spec.max_tokens, spec.pad_id)?.tokens(prompt)
}

/// Runs the text encoder. What lies beyond the prompt's tokens is set to zero if the embedding is to stay
/// `padded`, as Wan's training does (diffusers, `WanPipeline._get_t5_prompt_embeds`), else cut off.
///
/// # Errors
/// If the run fails, is cancelled, or its answer is not `(1, l, d)`.
pub fn encode(
    encoder: &mut dyn Graph,
    tokens: &Tokens,
    padded: bool,
    cancel: &Cancel,
) -> Result<TextEmbedding> {
    let ids = Tensor::from(tokens.ids.clone());
    let mask = Tensor::from(tokens.mask.clone());
    let inputs = [("input_ids", &ids), ("attention_mask", &mask)];
    let answer = encoder.run(&inputs, cancel)?.into_iter().next();
    let array: ArrayD<f32> =
        answer.ok_or_else(|| Error::model("the text encoder has no output."))?.into_float()?;
    let shape = array.shape().to_vec();
    let wrong = || {
        Error::model(format!("the text encoder should give (1, {}, d), got {shape:?}.", tokens.ids.ncols()))
    };
    let mut embedding = array.into_dimensionality::<Ix3>().map_err(|_| wrong())?;
    if embedding.shape()[..2] != [1, tokens.ids.ncols()] {
        return Err(wrong());
    }
    if !padded {
        return Ok(TextEmbedding(embedding.slice_move(s![.., ..tokens.count(), ..])));
    }
    embedding.slice_mut(s![.., tokens.count().., ..]).fill(0.0);
    Ok(TextEmbedding(embedding))
}

#[cfg(test)]
mod tests;
