//! A tiny model on ONNX Runtime.

use ndarray::{Array, Dimension};
use ndarray_npy::ReadableElement;
use pickup_core::{Cancel, Graph, Provider, Result};
use pickup_families::text::{self, TextTokenizer};
use pickup_families::vae::Vae;
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
    vae_first: [Session; 2],
    vae_next: Option<[Session; 2]>,
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
        let pair = |encoder, decoder| Ok::<_, pickup_core::Error>([open(encoder)?, open(decoder)?]);
        let stepped = package.manifest().graphs.is_stepped();
        let next = stepped.then(|| pair(GraphKind::VaeEncNext, GraphKind::VaeDecNext)).transpose()?;
        Ok(Self {
            subject,
            family: pickup_families::family(package.manifest())?,
            text: open(GraphKind::TextEncoder)?,
            transformer: open(GraphKind::Transformer)?,
            tokenizer,
            vae_first: pair(GraphKind::VaeEncFirst, GraphKind::VaeDecFirst)?,
            vae_next: next,
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

    /// The VAE, `chunk` latent frames at a time.
    pub fn vae(&mut self, chunk: usize) -> Vae<'_> {
        let temporal = self.package.manifest().latent.temporal;
        let [enc_first, dec_first] = &mut self.vae_first;
        let next = self.vae_next.as_mut().map(|[encoder, decoder]| (encoder, decoder));
        let (enc_next, dec_next): (Option<&mut dyn Graph>, Option<&mut dyn Graph>) = match next {
            Some((encoder, decoder)) => (Some(encoder), Some(decoder)),
            None => (None, None),
        };
        Vae { enc_first, enc_next, dec_first, dec_next, temporal, chunk }
    }

    /// Gives the decoder what it takes besides a latent of `shape`.
    ///
    /// # Errors
    /// If the graph lacks the input.
    pub(crate) fn bind_decoder(&mut self, shape: [usize; 5], draw: &mut Draw<'_>) -> Result<()> {
        let [_, decoder] = &mut self.vae_first;
        self.family.bind_decoder(decoder, shape, draw)
    }
}
