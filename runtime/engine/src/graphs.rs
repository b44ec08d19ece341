//! The graphs of a model, opened when they are needed.

use pickup_core::{Cancel, Graph, Provider, Result};
use pickup_families::vae::{DecoderGraphs, Network};
use pickup_package::{GraphKind, Package};

use crate::GraphSource;

/// Opens the graphs of a package.
#[derive(Clone, Copy)]
pub(crate) struct Opener<'a> {
    pub package: &'a Package,
    pub source: &'a dyn GraphSource,
    pub cancel: &'a Cancel,
}

impl Opener<'_> {
    /// Opens one graph.
    ///
    /// # Errors
    /// If it cannot be opened, or `cancel` is raised.
    pub fn open(&self, kind: GraphKind) -> Result<Box<dyn Graph>> {
        self.source.open(&self.package.graph(kind)?, kind, self.cancel)
    }
}

/// All components but the text encoder, which is open only while a prompt is read. Each is there from when it is first
/// needed until it is closed.
#[derive(Default)]
pub(crate) struct Graphs {
    encoder: Option<Network>,
    transformer: Option<Box<dyn Graph>>,
    decoder: Option<DecoderGraphs>,
}

impl Graphs {
    /// The VAE's encoder.
    ///
    /// # Errors
    /// If it cannot be opened, or the opener's token is raised; likewise for the others.
    pub fn encoder(&mut self, opener: Opener<'_>) -> Result<&mut Network> {
        let graphs = &opener.package.manifest().graphs;
        open(&mut self.encoder, || Network::encoder(graphs, &mut |kind| opener.open(kind)))
    }

    /// The transformer.
    pub fn transformer(&mut self, opener: Opener<'_>) -> Result<&mut dyn Graph> {
        let transformer = open(&mut self.transformer, || opener.open(GraphKind::Transformer))?;
        Ok(transformer.as_mut())
    }

    /// The VAE's decoder.
    pub fn decoder(&mut self, opener: Opener<'_>) -> Result<&mut DecoderGraphs> {
        let graphs = &opener.package.manifest().graphs;
        open(&mut self.decoder, || DecoderGraphs::open(graphs, &mut |kind| opener.open(kind)))
    }

    /// Closes all, which gives back their memory.
    pub fn close(&mut self) {
        *self = Self::default();
    }
}

fn open<T>(slot: &mut Option<T>, make: impl FnOnce() -> Result<T>) -> Result<&mut T> {
    match slot {
        Some(there) => Ok(there),
        None => Ok(slot.insert(make()?)),
    }
}

/// The graphs of the model that was used last.
#[derive(Default)]
pub(crate) struct Resident(Option<(String, Provider, Graphs)>);

impl Resident {
    /// Takes the graphs of the model with this hash on this provider out. Those of any other are
    /// closed, so that two models are never in memory at once.
    pub fn take(&mut self, model_hash: &str, provider: Provider) -> Option<Graphs> {
        let (hash, on, graphs) = self.0.take()?;
        (hash == model_hash && on == provider).then_some(graphs)
    }

    /// Keeps graphs for the next job.
    pub fn keep(&mut self, model_hash: &str, provider: Provider, graphs: Graphs) {
        self.0 = Some((model_hash.to_owned(), provider, graphs));
    }

    /// Closes all graphs.
    pub fn release(&mut self) {
        self.0 = None;
    }
}
