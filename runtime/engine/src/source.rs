//! Where graphs come from.

use pickup_core::{Cancel, Graph, Provider, Result};
use pickup_package::GraphKind;
use std::path::Path;

use crate::Room;

/// A running inference library on a settled provider.
pub trait GraphSource {
    /// Opens the graph in `path`; `kind` says what it is for.
    ///
    /// # Errors
    /// If the graph cannot be opened, or `cancel` is raised.
    fn open(&self, path: &Path, kind: GraphKind, cancel: &Cancel) -> Result<Box<dyn Graph>>;

    /// The provider that graphs really run on.
    fn provider(&self) -> Provider;

    /// Version of the library, for the record.
    fn runtime_version(&self) -> String;

    /// What the user must know about the provider.
    fn warnings(&self) -> Vec<String>;

    /// Most memory that this process has held since this was last asked, in bytes, where the system tells.
    fn take_peak_memory(&self) -> Option<u64>;

    /// Returns memory that was freed to the system.
    fn give_back(&self) {}

    /// Lets memory that is freed stay for what runs next from now on, a little of it.
    fn keep_for_later(&self) {}

    /// What this process holds without any model, and may hold in all where graphs run.
    fn room(&self) -> Room;
}
