//! The open graphs of a VAE.

use pickup_core::{Error, Graph, Result};
use pickup_package::{GraphKind, Graphs};

use super::Stepped;

/// Opens a graph of a package.
pub type Open<'a> = dyn FnMut(GraphKind) -> Result<Box<dyn Graph>> + 'a;

/// The open graphs of a network that goes through a clip.
pub struct Network {
    first: Box<dyn Graph>,
    next: Option<Box<dyn Graph>>,
}

impl Network {
    /// Opens the encoder of a package with `graphs`.
    ///
    /// # Errors
    /// If `open` fails.
    pub fn encoder(graphs: &Graphs, open: &mut Open<'_>) -> Result<Self> {
        Self::stage((GraphKind::VaeEncFirst, GraphKind::VaeEncNext), graphs, open)?.ok_or_else(lacking)
    }

    /// Opens a stage; `None` if the package has none.
    fn stage(
        (first, next): (GraphKind, GraphKind),
        graphs: &Graphs,
        open: &mut Open<'_>,
    ) -> Result<Option<Self>> {
        let mut found = |kind| graphs.path(kind).map(|_| open(kind)).transpose();
        let (first, next) = (found(first)?, found(next)?);
        Ok(first.map(|first| Self { first, next }))
    }

    /// To be run.
    pub fn stepped(&mut self) -> Stepped<'_> {
        Stepped { first: self.first.as_mut(), next: self.next.as_mut().map(|next| next.as_mut() as _) }
    }
}

/// The open graphs of a decoder.
pub struct DecoderGraphs {
    mid: Option<Network>,
    last: Network,
}

impl DecoderGraphs {
    /// Opens the decoder of a package with `graphs`.
    ///
    /// # Errors
    /// If `open` fails.
    pub fn open(graphs: &Graphs, open: &mut Open<'_>) -> Result<Self> {
        let mid = Network::stage((GraphKind::VaeMidFirst, GraphKind::VaeMidNext), graphs, open)?;
        let last = Network::stage((GraphKind::VaeDecFirst, GraphKind::VaeDecNext), graphs, open)?;
        Ok(Self { mid, last: last.ok_or_else(lacking)? })
    }

    /// Both stages, to be run.
    pub fn stages(&mut self) -> (Option<Stepped<'_>>, Stepped<'_>) {
        (self.mid.as_mut().map(Network::stepped), self.last.stepped())
    }
}

/// The manifest's types say that they are there.
fn lacking() -> Error {
    Error::model("the package has no VAE.")
}
