//! ONNX Runtime as the engine's source of graphs.

use pickup_core::{Cancel, Error, Graph, NodeCount, Provider, ProviderChoice, Result};
use pickup_engine::{GraphSource, Room};
use pickup_onnx::{Decision, Library, Runtime, system};
use pickup_package::GraphKind;
use std::path::Path;
use std::sync::OnceLock;

/// ONNX Runtime on the provider that was decided for.
pub(crate) struct Source {
    runtime: Runtime,
    decision: Decision,
    /// Bytes that this process holds without any model.
    own: u64,
    /// Bytes that the user lets it hold.
    limit: Option<u64>,
}

/// What the process holds with the library loaded, before the first model is opened.
static OWN: OnceLock<u64> = OnceLock::new();

/// Finds and loads the library (once), and decides for a provider.
///
/// # Errors
/// If there is no sound library, or no provider that `choice` allows works.
pub(crate) fn connect(choice: ProviderChoice) -> Result<Source> {
    // Finding the library hashes it, which takes 23 ms: once is enough.
    let runtime = Runtime::loaded().map_or_else(|| Runtime::load(&Library::find()?), Ok)?;
    let decision = runtime.decide(choice)?;
    let own = *OWN.get_or_init(|| system::resident_memory().unwrap_or_default());
    let limit = limit(std::env::var("PICKUP_MEMORY").ok().as_deref())?;
    Ok(Source { runtime, decision, own, limit })
}

impl Source {
    /// Where the nodes of the graph in `path` run.
    ///
    /// # Errors
    /// If it cannot be opened, or `cancel` is raised.
    pub fn inspect(&self, path: &Path, cancel: &Cancel) -> Result<Vec<NodeCount>> {
        self.runtime.inspect(path, self.decision.provider, cancel)
    }
}

/// Bytes from gigabytes in words.
fn limit(text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let gigabytes = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number < 1e6);
    let bytes = gigabytes.map(|number| Some((number * 1e9) as u64));
    bytes.ok_or_else(|| {
        Error::usage(format!("expected PICKUP_MEMORY to be a number of gigabytes above 0, got {text:?}."))
    })
}

impl GraphSource for Source {
    fn open(&self, path: &Path, _kind: GraphKind, cancel: &Cancel) -> Result<Box<dyn Graph>> {
        Ok(Box::new(self.runtime.open(path, self.decision.provider, cancel)?))
    }

    fn provider(&self) -> Provider {
        self.decision.provider
    }

    fn runtime_version(&self) -> String {
        self.runtime.version().to_owned()
    }

    fn warnings(&self) -> Vec<String> {
        self.decision.warnings.clone()
    }

    fn take_peak_memory(&self) -> Option<u64> {
        system::take_peak_memory()
    }

    fn give_back(&self) {
        system::give_back();
    }

    /// How much there may be in all is known of the processor only: ONNX Runtime does not tell how much memory a GPU
    /// has left. `PICKUP_MEMORY`, in gigabytes, sets a limit anywhere.
    fn room(&self) -> Room {
        let system = || Some(system::available_memory()?.saturating_add(system::own_memory()?));
        let found = (self.decision.provider == Provider::Cpu).then(system).flatten();
        let most = found.into_iter().chain(self.limit).min();
        // What the processor's sessions took for a run is given back after it; a GPU's keep it.
        Room { own: self.own, most, keeps: self.decision.provider != Provider::Cpu }
    }
}

#[cfg(test)]
mod tests {
    use super::limit;

    #[test]
    fn the_limit_is_in_gigabytes() {
        assert_eq!(limit(None).unwrap(), None);
        assert_eq!(limit(Some("")).unwrap(), None);
        assert_eq!(limit(Some("6.5")).unwrap(), Some(6_500_000_000));
        for wrong in ["0", "-1", "6 GB", "inf", "NaN"] {
            assert!(limit(Some(wrong)).unwrap_err().message.contains("PICKUP_MEMORY"), "{wrong}");
        }
    }
}
