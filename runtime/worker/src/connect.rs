//! ONNX Runtime as the engine's source of graphs.

use pickup_core::{Cancel, Graph, Provider, ProviderChoice, Result};
use pickup_engine::GraphSource;
use pickup_onnx::{Decision, Library, Runtime, system};
use pickup_package::GraphKind;
use std::path::Path;

/// ONNX Runtime on the provider that was decided for.
pub(crate) struct Source {
    runtime: Runtime,
    decision: Decision,
}

/// Finds and loads the library (once), and decides for a provider.
///
/// # Errors
/// If there is no sound library, or no provider that `choice` allows works.
pub(crate) fn connect(choice: ProviderChoice) -> Result<Source> {
    let runtime = Runtime::load(&Library::find()?)?;
    let decision = runtime.decide(choice)?;
    Ok(Source { runtime, decision })
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

    fn peak_memory(&self) -> Option<u64> {
        system::peak_memory()
    }

    /// Only for the processor: ONNX Runtime does not tell how much memory a GPU has left.
    fn available_memory(&self) -> Option<u64> {
        (self.decision.provider == Provider::Cpu).then(system::available_memory).flatten()
    }
}
