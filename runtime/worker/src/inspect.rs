//! Where the graphs of a package run.

use pickup_core::protocol::{Inspection, Placement};
use pickup_core::{Cancel, Event, Phase, Progress, Result};
use pickup_engine::GraphSource;
use pickup_package::Package;
use std::path::Path;

use crate::connect::Source;
use crate::output;

/// Opens each graph of the package in `folder`, and says where its nodes run; and which kernels of attention this process
/// has run so far.
///
/// # Errors
/// If the package is damaged, a graph cannot be opened, or `cancel` is raised.
pub(crate) fn inspect(
    folder: &Path,
    source: &Source,
    hear: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<Inspection> {
    let package = Package::open(folder)?;
    source.warnings().into_iter().for_each(|warning| hear(Event::Warning(warning)));
    let kinds: Vec<_> = package.manifest().graphs.kinds().map(|(kind, _)| kind).collect();
    let mut graphs = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        let (step, steps) = (index as u32, kinds.len() as u32);
        let fraction = index as f32 / kinds.len() as f32;
        hear(Event::Progress(Progress { phase: Phase::Load, step, steps, fraction, seconds_left: None }));
        let counts = source.inspect(&package.graph(*kind)?, cancel)?;
        graphs.push(Placement { graph: kind.field().to_owned(), counts });
    }
    Ok(Inspection { graphs, kernels: output::kernels() })
}
