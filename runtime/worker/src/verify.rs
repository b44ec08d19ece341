//! A package's golden values, run on this machine.

use pickup_core::protocol::Deviation;
use pickup_core::{Cancel, Event, Graph, Phase, Progress, Provider, ProviderChoice, Result};
use pickup_engine::GraphSource;
use pickup_families::golden;
use pickup_package::{GraphKind, Package};
use std::path::Path;

use crate::connect;

/// What a job calls each component's part, in the order of the manifest's golden values.
const PHASES: [Phase; 4] = [Phase::Text, Phase::Denoise, Phase::Encode, Phase::Decode];

/// How far the components of the package in `folder` are from its golden values, and where they were run.
///
/// # Errors
/// If the package is damaged, does not fit its golden values, or a run fails or is cancelled.
pub(crate) fn verify(
    folder: &Path,
    choice: ProviderChoice,
    hear: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<(Vec<Deviation>, Provider)> {
    let package = Package::open(folder)?;
    let source = connect::connect(choice)?;
    source.warnings().into_iter().for_each(|warning| hear(Event::Warning(warning)));
    let mut tell = |index: usize| {
        let phase = PHASES.get(index).copied().unwrap_or(Phase::Decode);
        let fraction = index as f32 / PHASES.len() as f32;
        hear(Event::Progress(Progress { phase, step: 0, steps: 0, fraction, seconds_left: None }));
    };
    let mut open =
        |kind: GraphKind| -> Result<Box<dyn Graph>> { source.open(&package.graph(kind)?, kind, cancel) };
    let deviations = golden::deviations(&package, &mut open, &mut tell, cancel)?;
    Ok((deviations, source.provider()))
}
