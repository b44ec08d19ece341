//! Prompts to embeddings, kept on disk: the text encoder is the largest part of many models, and the
//! same prompt is asked for again and again.

use ndarray::Array3;
use pickup_core::{Cancel, Graph, Result};
use pickup_families::{TextEmbedding, text};
use pickup_package::Package;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cache::write_aside;

/// Begins every file of the cache; the last byte is its version.
const MAGIC: [u8; 8] = *b"PKUPTXT\x01";
/// Bytes before the numbers: magic, length, width.
const HEADER: usize = 16;
const HASH: usize = 32;
/// Most embeddings that are kept; the oldest go first. One of UMT5-XXL has 8.4 MB.
const MOST: usize = 200;

/// The embeddings of one model's prompts.
pub(crate) struct TextCache {
    folder: Option<PathBuf>,
    /// Hash of everything that an embedding depends on besides the prompt.
    encoder: blake3::Hash,
}

impl TextCache {
    /// The embeddings of `package` in the cache folder `cache`; none are kept without one.
    pub fn new(cache: Option<&Path>, package: &Package) -> Self {
        Self { folder: cache.map(|cache| cache.join("text")), encoder: encoder_hash(package) }
    }

    /// The embedding of `prompt`, if it was kept and is whole.
    pub fn get(&self, prompt: &str) -> Option<TextEmbedding> {
        let bytes = std::fs::read(self.place(prompt)?).ok()?;
        let embedding = decode(&bytes);
        if embedding.is_none() {
            tracing::warn!("a damaged embedding is made anew");
        }
        embedding
    }

    /// Keeps the embedding of `prompt`.
    ///
    /// # Errors
    /// If it cannot be written; it is then made anew the next time.
    pub fn put(&self, prompt: &str, embedding: &TextEmbedding) -> std::io::Result<()> {
        let (Some(place), Some(folder)) = (self.place(prompt), &self.folder) else { return Ok(()) };
        write_aside(&place, &encode(embedding))?;
        trim(folder, MOST)
    }

    fn place(&self, prompt: &str) -> Option<PathBuf> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.encoder.as_bytes()).update(prompt.as_bytes());
        Some(self.folder.as_ref()?.join(format!("{}.text", hasher.finalize().to_hex())))
    }
}

/// Hash of the files of text encoder and tokenizer, and of how prompts are cut and padded.
fn encoder_hash(package: &Package) -> blake3::Hash {
    let manifest = package.manifest();
    let graph = &manifest.graphs.text_encoder;
    let folder = graph.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut hasher = blake3::Hasher::new();
    for (path, record) in &manifest.files {
        // In a package without folders every file may belong to it.
        if path.starts_with(folder) || *path == manifest.tokenizer.file {
            hasher.update(path.as_bytes()).update(record.sha256.as_bytes());
        }
    }
    hasher.update(&(manifest.tokenizer.max_tokens as u64).to_le_bytes());
    hasher.update(&manifest.tokenizer.pad_id.to_le_bytes());
    if !manifest.text.padded {
        hasher.update(b"cut");
    }
    hasher.finalize()
}

/// Runs the text encoder on `prompt`.
///
/// # Errors
/// If the prompt cannot be cut into tokens, the run fails or is cancelled.
pub(crate) fn embed(
    package: &Package,
    encoder: &mut dyn Graph,
    prompt: &str,
    cancel: &Cancel,
) -> Result<TextEmbedding> {
    text::encode(encoder, &text::tokens(package, prompt)?, package.manifest().text.padded, cancel)
}

/// `MAGIC`, length and width as u32, the numbers as f32, BLAKE3 of all before; little-endian.
fn encode(TextEmbedding(embedding): &TextEmbedding) -> Vec<u8> {
    let (_, length, width) = embedding.dim();
    let mut bytes = Vec::with_capacity(HEADER + 4 * embedding.len() + HASH);
    bytes.extend(MAGIC);
    bytes.extend((length as u32).to_le_bytes());
    bytes.extend((width as u32).to_le_bytes());
    bytes.extend(embedding.iter().flat_map(|value| value.to_le_bytes()));
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<TextEmbedding> {
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    if blake3::hash(body).as_bytes() != hash {
        return None;
    }
    let numbers = body.strip_prefix(&MAGIC)?;
    let (size, numbers) = numbers.split_at_checked(HEADER - MAGIC.len())?;
    let size = |at: usize| Some(u32::from_le_bytes(size[at..at + 4].try_into().ok()?) as usize);
    let (chunks, rest) = numbers.as_chunks::<4>();
    let values: Vec<f32> = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    rest.is_empty().then_some(())?;
    Some(TextEmbedding(Array3::from_shape_vec((1, size(0)?, size(4)?), values).ok()?))
}

/// Removes the oldest files until `most` are left.
fn trim(folder: &Path, most: usize) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort();
    let surplus = files.len().saturating_sub(most);
    files[..surplus].iter().try_for_each(|(_, path)| std::fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path, encoder: &str) -> TextCache {
        TextCache { folder: Some(folder.join("text")), encoder: blake3::hash(encoder.as_bytes()) }
    }

    fn embedding() -> TextEmbedding {
        TextEmbedding(Array3::from_shape_fn((1, 5, 3), |(_, token, at)| token as f32 - 0.1 * at as f32))
    }

    #[test]
    fn only_the_same_prompt_of_the_same_encoder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let one = cache(folder.path(), "one");
        assert_eq!(one.get("a cat"), None);
        one.put("a cat", &embedding()).unwrap();
        assert_eq!(one.get("a cat"), Some(embedding()));
        assert_eq!(one.get("a dog"), None);
        assert_eq!(cache(folder.path(), "two").get("a cat"), None);
    }

    #[test]
    fn any_damage_is_a_miss() {
        let bytes = encode(&embedding());
        assert_eq!(decode(&bytes), Some(embedding()));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "bit flipped at {at}");
        }
    }

    #[test]
    fn the_oldest_go_and_a_folder_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), "one");
        for prompt in ["a", "b", "c"] {
            cache.put(prompt, &embedding()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        trim(&folder.path().join("text"), 2).unwrap();
        assert_eq!(
            [cache.get("a").is_some(), cache.get("b").is_some(), cache.get("c").is_some()],
            [false, true, true]
        );
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(self::cache(&file, "one").put("a", &embedding()).is_err());
    }
}
