//! What a package's components hold in memory, on this machine's processor or GPU.

use pickup_core::{Cancel, Error, Event, Phase, Progress, ProviderChoice, Result};
use pickup_takes::Store;
use std::path::Path;

use crate::connect;
use crate::job::boxed;

/// The manifest's field `memory` for the package in `folder`, or `gpu_memory` where `choice` settles on a GPU.
///
/// # Errors
/// If the package is damaged, a run fails or is cancelled, or the system does not tell what is held.
pub(crate) fn measure(
    folder: &Path,
    choice: ProviderChoice,
    hear: &mut dyn FnMut(Event),
    cancel: &Cancel,
) -> Result<serde_json::Value> {
    let aside = tempfile::tempdir()
        .map_err(|error| Error::storage(format!("no folder for the takes of a measurement: {error}.")))?;
    let store = Store::open(Some(aside.path()))?;
    let mut tell = |done: usize, all: usize| {
        let (step, steps) = (done as u32, all as u32);
        let fraction = done as f32 / all.max(1) as f32;
        let progress = Progress { phase: Phase::Denoise, step, steps, fraction, seconds_left: None };
        hear(Event::Progress(progress));
    };
    let connect = || connect::connect(choice).map(boxed);
    let demands = pickup_engine::measure(store, folder, &connect, &mut tell, cancel)?;
    serde_json::to_value(demands).map_err(|error| Error::runtime(error.to_string()))
}
