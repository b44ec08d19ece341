//! The graphs of a model, open.

use pickup_core::{Cancel, Graph, Provider, Result};
use pickup_package::{GraphKind, Package};

use crate::GraphSource;

/// All graphs but the text encoder's, which is open only while a prompt is read.
pub(crate) struct Graphs {
    pub transformer: Box<dyn Graph>,
    pub enc_first: Box<dyn Graph>,
    /// The next graphs are there where the VAE is stepped.
    pub enc_next: Option<Box<dyn Graph>>,
    pub dec_first: Box<dyn Graph>,
    pub dec_next: Option<Box<dyn Graph>>,
}

impl Graphs {
    /// Opens the graphs of `package`.
    ///
    /// # Errors
    /// If one cannot be opened, or `cancel` is raised.
    pub fn open(package: &Package, source: &dyn GraphSource, cancel: &Cancel) -> Result<Self> {
        let open = |kind| source.open(&package.graph(kind)?, kind, cancel);
        let stepped = package.manifest().graphs.is_stepped();
        let next = |kind| stepped.then(|| open(kind)).transpose();
        Ok(Self {
            enc_first: open(GraphKind::VaeEncFirst)?,
            enc_next: next(GraphKind::VaeEncNext)?,
            transformer: open(GraphKind::Transformer)?,
            dec_first: open(GraphKind::VaeDecFirst)?,
            dec_next: next(GraphKind::VaeDecNext)?,
        })
    }
}

/// A graph that may be there, lent.
pub(crate) fn lent(graph: &mut Option<Box<dyn Graph>>) -> Option<&mut dyn Graph> {
    match graph {
        Some(graph) => Some(graph.as_mut()),
        None => None,
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
