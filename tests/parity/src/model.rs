//! The tiny model on ONNX Runtime.

use pickup_core::{Cancel, Provider, Result};
use pickup_families::text::{self, TextTokenizer};
use pickup_families::vae::Vae;
use pickup_families::{Family, TextEmbedding};
use pickup_onnx::{Library, Runtime, Session};
use pickup_package::{GraphKind, Package};

use crate::golden;

/// The package of `tests/goldens`, its graphs open on the CPU.
pub struct Model {
    /// The verified package.
    pub package: Package,
    /// Its family.
    pub family: Box<dyn Family>,
    tokenizer: TextTokenizer,
    text: Session,
    pub(crate) transformer: Session,
    vae: [Session; 4],
}

impl Model {
    /// Opens everything.
    ///
    /// # Errors
    /// If the package is damaged, or ONNX Runtime is missing or cannot run it.
    pub fn open() -> Result<Self> {
        let package = Package::open_verified(&golden::folder().join("tiny_wan_vace"), true)?;
        let runtime = Runtime::load(&Library::find()?)?;
        let open = |kind| runtime.open(&package.graph(kind)?, Provider::Cpu, &Cancel::new());
        let spec = &package.manifest().tokenizer;
        let tokenizer = TextTokenizer::open(&package.path(&spec.file), spec.max_tokens, spec.pad_id)?;
        let vae = [
            open(GraphKind::VaeEncFirst)?,
            open(GraphKind::VaeEncNext)?,
            open(GraphKind::VaeDecFirst)?,
            open(GraphKind::VaeDecNext)?,
        ];
        Ok(Self {
            family: pickup_families::family(package.manifest())?,
            text: open(GraphKind::TextEncoder)?,
            transformer: open(GraphKind::Transformer)?,
            tokenizer,
            vae,
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

    /// The VAE, `chunk` latent frames at a time.
    pub fn vae(&mut self, chunk: usize) -> Vae<'_> {
        let temporal = self.package.manifest().latent.temporal;
        let [enc_first, enc_next, dec_first, dec_next] = &mut self.vae;
        Vae { enc_first, enc_next: Some(enc_next), dec_first, dec_next: Some(dec_next), temporal, chunk }
    }
}
