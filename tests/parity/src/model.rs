//! A tiny model on ONNX Runtime.

use ndarray::{Array, Dimension};
use ndarray_npy::ReadableElement;
use pickup_core::{Cancel, Graph, Provider, Result};
use pickup_families::text::{self, TextTokenizer};
use pickup_families::vae::{Decoder, DecoderGraphs, Encoder, Network};
use pickup_families::{Draw, Family, TextEmbedding};
use pickup_onnx::{Library, Runtime, Session};
use pickup_package::{GraphKind, Package};
use serde::de::DeserializeOwned;

use crate::{Subject, golden};

/// A package of `tests/goldens`, its graphs open on the CPU.
pub struct Model {
    /// Which one.
    pub subject: &'static Subject,
    /// The verified package.
    pub package: Package,
    /// Its family.
    pub family: Box<dyn Family>,
    tokenizer: TextTokenizer,
    text: Session,
    pub(crate) transformer: Session,
    encoder: Network,
    decoder: DecoderGraphs,
}

impl Model {
    /// Opens all of `subject`.
    ///
    /// # Errors
    /// If the package is damaged, or ONNX Runtime is missing or cannot run it.
    pub fn open(subject: &'static Subject) -> Result<Self> {
        let folder = golden::folder().join(format!("tiny_{}", subject.family));
        let package = Package::open_verified(&folder, true)?;
        let runtime = Runtime::load(&Library::find()?)?;
        let open = |kind| runtime.open(&package.graph(kind)?, Provider::Cpu, &Cancel::new());
        let spec = &package.manifest().tokenizer;
        let tokenizer = TextTokenizer::open(&package.path(&spec.file), spec.max_tokens, spec.pad_id)?;
        let mut boxed = |kind| Ok(Box::new(open(kind)?) as Box<dyn Graph>);
        let graphs = &package.manifest().graphs;
        Ok(Self {
            subject,
            family: pickup_families::family(package.manifest())?,
            text: open(GraphKind::TextEncoder)?,
            transformer: open(GraphKind::Transformer)?,
            tokenizer,
            encoder: Network::encoder(graphs, &mut boxed)?,
            decoder: DecoderGraphs::open(graphs, &mut boxed)?,
            package,
        })
    }

    /// The embedding of `prompt`.
    ///
    /// # Errors
    /// If the text encoder fails.
    pub fn embed(&mut self, prompt: &str) -> Result<TextEmbedding> {
        let tokens = self.tokenizer.tokens(prompt)?;
        text::encode(&mut self.text, &tokens, self.package.manifest().text.padded, &Cancel::new())
    }

    /// A golden array of this model.
    ///
    /// # Errors
    /// If it is missing or of another kind.
    pub(crate) fn golden<A: ReadableElement, D: Dimension>(&self, name: &str) -> anyhow::Result<Array<A, D>> {
        golden::array(&format!("{}/{name}", self.subject.family))
    }

    /// A golden value of this model in JSON.
    ///
    /// # Errors
    /// If it is missing or of another kind.
    pub(crate) fn golden_json<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<T> {
        golden::json(&format!("{}/{name}", self.subject.family))
    }

    /// The VAE's encoder, `chunk` latent frames at a time.
    pub fn encoder(&mut self, chunk: usize) -> Encoder<'_> {
        let temporal = self.package.manifest().latent.temporal;
        Encoder { graphs: self.encoder.stepped(), temporal, chunk }
    }

    /// The VAE's decoder, `chunk` latent frames at a time, for a latent of `shape`, with the noise that it may ask for.
    pub fn decoder(&mut self, chunk: usize, shape: [usize; 5], draw: &mut Draw<'_>) -> Decoder<'_> {
        let inputs = self.family.decoder_inputs(shape, draw);
        let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let (mid, last) = self.decoder.stages();
        Decoder { mid, last, inputs, chunk, tiles: None }
    }
}
