//! How long past runs took on this machine, for estimates.

use pickup_core::Provider;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::cache::write_aside;

/// Most runs that are kept; the oldest go first.
const MOST: usize = 100;

/// One finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PastRun {
    /// Hash of the model's manifest.
    pub model_hash: String,
    /// Where it ran.
    pub provider: Provider,
    /// [`Plan::work`](crate::Plan::work).
    pub work: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// The past runs of this machine.
pub(crate) struct History {
    file: Option<PathBuf>,
}

impl History {
    /// Kept in the folder `cache`; without one nothing is kept.
    pub fn new(cache: Option<&Path>) -> Self {
        Self { file: cache.map(|cache| cache.join("history.json")) }
    }

    /// Seconds that `work` would take: as long per unit as the run of the same model and provider that
    /// was nearest in size. `None` before the first.
    pub fn seconds(&self, model_hash: &str, provider: Provider, work: f64) -> Option<f64> {
        let distance = |run: &PastRun| (run.work / work).ln().abs();
        let runs = self.read().into_iter().rev();
        let nearest = runs
            .filter(|run| run.model_hash == model_hash && run.provider == provider && run.work > 0.0)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        Some(nearest.seconds * work / nearest.work)
    }

    /// Keeps a finished run. That it cannot be kept is no error: the next estimate knows less.
    pub fn add(&self, run: PastRun) {
        let Some(file) = &self.file else { return };
        let mut runs = self.read();
        runs.push(run);
        let surplus = runs.len().saturating_sub(MOST);
        runs.drain(..surplus);
        let written = serde_json::to_vec(&runs)
            .map_err(std::io::Error::other)
            .and_then(|text| write_aside(file, &text));
        if let Err(error) = written {
            tracing::debug!(%error, "how long the run took is not kept");
        }
    }

    /// What cannot be read counts as nothing.
    fn read(&self) -> Vec<PastRun> {
        let text = self.file.as_ref().and_then(|file| std::fs::read(file).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_run_of_the_same_model_and_provider_is_scaled() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(Some(folder.path()));
        assert_eq!(history.seconds("m", Provider::Cpu, 10.0), None);
        let run = |work: f64, seconds: f64| PastRun {
            model_hash: "m".into(),
            provider: Provider::Cpu,
            work,
            seconds,
        };
        history.add(run(10.0, 5.0));
        history.add(run(1000.0, 1000.0));
        assert_eq!(history.seconds("m", Provider::Cpu, 20.0), Some(10.0));
        assert_eq!(history.seconds("m", Provider::Cpu, 900.0), Some(900.0));
        assert_eq!(history.seconds("m", Provider::Cuda, 20.0), None);
        assert_eq!(history.seconds("other", Provider::Cpu, 20.0), None);
        std::fs::write(folder.path().join("history.json"), "junk").unwrap();
        assert_eq!(history.seconds("m", Provider::Cpu, 20.0), None);
        (0..MOST + 5).for_each(|_| history.add(run(1.0, 1.0)));
        assert_eq!(history.read().len(), MOST);
    }
}
