//! ONNX Runtime as the engine's source of graphs.

use pickup_core::{Cancel, Error, Graph, NodeCount, Provider, ProviderChoice, Result};
use pickup_engine::{GraphSource, Room};
use pickup_onnx::{Decision, Gpu, Library, Runtime, Watch, system};
use pickup_package::GraphKind;
use std::cell::OnceCell;
use std::path::Path;
use std::sync::OnceLock;

/// ONNX Runtime on the provider that was decided for.
pub(crate) struct Source {
    runtime: Runtime,
    decision: Decision,
    /// Bytes that this process holds without any model, where the provider computes.
    own: u64,
    /// Bytes that the user lets it hold.
    limit: Option<u64>,
    /// Looks at the GPU while a job runs; `None` within where there is nothing to be seen.
    watch: OnceCell<Option<Watch>>,
}

/// What the process holds with the library loaded, before the first model is opened: of the machine's memory, and of the
/// GPU's.
static OWN: [OnceLock<u64>; 2] = [OnceLock::new(), OnceLock::new()];

/// Finds and loads the library (once), and decides for a provider.
///
/// # Errors
/// If there is no sound library, or no provider that `choice` allows works.
pub(crate) fn connect(choice: ProviderChoice) -> Result<Source> {
    // Finding the library hashes it, which takes 23 ms: once is enough.
    let runtime = Runtime::loaded().map_or_else(|| Runtime::load(&Library::find()?), Ok)?;
    let decision = runtime.decide(choice)?;
    let [machine, gpu] = &OWN;
    let own = match decision.provider {
        Provider::Cpu => *machine.get_or_init(|| system::resident_memory().unwrap_or_default()),
        _ => *gpu.get_or_init(|| Gpu::current().and_then(|gpu| gpu.own).unwrap_or_default()),
    };
    let limit = limit(std::env::var("PICKUP_MEMORY").ok().as_deref())?;
    Ok(Source { runtime, decision, own, limit, watch: OnceCell::new() })
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
        match self.decision.provider {
            Provider::Cpu => system::take_peak_memory(),
            Provider::Cuda => Some(self.watch.get_or_init(Watch::start).as_ref()?.take_peak()),
            Provider::DirectMl => None,
        }
    }

    fn give_back(&self) {
        system::give_back();
        self.runtime.give_back();
    }

    fn keep_for_later(&self) {
        system::keep_for_later();
    }

    /// What is free, and what this process holds already. Nobody tells of a GPU that is not NVIDIA's. `PICKUP_MEMORY`, in
    /// gigabytes, sets a limit anywhere.
    fn room(&self) -> Room {
        let found = match self.decision.provider {
            Provider::Cpu => system::available_memory().zip(system::own_memory()),
            Provider::Cuda => Gpu::current().map(|gpu| (gpu.free, gpu.own.unwrap_or_default())),
            Provider::DirectMl => None,
        };
        let found = found.map(|(free, own)| free.saturating_add(own));
        let most = found.into_iter().chain(self.limit).min();
        Room { own: self.own, most, gpu: self.decision.provider != Provider::Cpu }
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
