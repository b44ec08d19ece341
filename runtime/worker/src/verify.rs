//! A package's golden values, run on this machine.

use pickup_core::protocol::Deviation;
use pickup_core::{Cancel, Event, Graph, Phase, Progress, Result};
use pickup_engine::GraphSource;
use pickup_families::golden;
use pickup_package::{Component, GraphKind, Package};
use std::path::Path;

use crate::connect::Source;

/// What a job calls a component's part, and which share of the components is run before it.
const fn part(component: Component) -> (Phase, f32) {
    match component {
        Component::TextEncoder => (Phase::Text, 0.0),
        Component::Transformer => (Phase::Denoise, 0.25),
        Component::VaeEncoder => (Phase::Encode, 0.5),
        Component::VaeDecoder => (Phase::Decode, 0.75),
    }
}

/// How far the components of the package in `folder` are from its golden values.
///
/// # Errors
/// If the package is damaged, does not fit its golden values, or a run fails or is cancelled.
pub(crate) fn verify(
    folder: &Path,
    source: &Source,
    hear: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<Vec<Deviation>> {
    let package = Package::open(folder)?;
    source.warnings().into_iter().for_each(|warning| hear(Event::Warning(warning)));
    let mut tell = |component: Component| {
        let (phase, fraction) = part(component);
        hear(Event::Progress(Progress { phase, step: 0, steps: 0, fraction, seconds_left: None }));
    };
    let mut open =
        |kind: GraphKind| -> Result<Box<dyn Graph>> { source.open(&package.graph(kind)?, kind, cancel) };
    golden::deviations(&package, &mut open, &mut tell, cancel)
}
