//! The loaded library.

use ort::environment::Environment;
use ort::ep;
use ort::session::Session as OrtSession;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use parking_lot::Mutex;
use pickup_core::{Cancel, Error, NodeCount, Provider, ProviderChoice, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::failure::failure;
use crate::pool::Pool;
use crate::{
    Decision, Library, Session, convolution, convolved, placement, probe, provider, system, widened,
};

/// ONNX Runtime allows one environment per process, so the first library that loads is kept.
static LOADED: Mutex<Option<(PathBuf, Runtime)>> = Mutex::new(None);

/// Held while a graph is opened: of two that are at once, the second may find that the first has just made the domain of
/// [`convolution`] known, and fail.
static OPENING: Mutex<()> = Mutex::new(());

/// ONNX Runtime, loaded. Clones are the same runtime.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    version: Arc<str>,
    threads: Option<usize>,
    decisions: Arc<Mutex<Vec<(ProviderChoice, Decision)>>>,
    /// Of the GPU's memory, once it was tried to make one.
    pool: Arc<OnceLock<Option<Pool>>>,
}

/// Where the weights of a graph that comes from memory lie, and how large a constant may be that is computed when a graph
/// is opened: widened weights must not be (onnxruntime_session_options_config_keys.h).
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";
const FOLDED: (&str, &str) = ("optimization.constant_folding_max_output_size_in_bytes", "1048576");

/// Threads wait for their next piece of work in a loop; with this, not beyond the end of a run (the same header).
/// Each session has its own threads, so those of the last graph would take the processor from the next one's: a small VAE that
/// goes from graph to graph takes three times as long.
const RESTING: (&str, &str) = ("session.force_spinning_stop", "1");

/// Bytes of weights up to which they are copied for speed.
const PREPACKED: u64 = 64 << 20;

impl Runtime {
    /// Loads `library`, or returns what is loaded already. What ONNX Runtime logs goes to `tracing`.
    ///
    /// `PICKUP_THREADS` sets the number of threads of a run; unset, ONNX Runtime takes one per core.
    ///
    /// # Errors
    /// If the library is not ONNX Runtime or too old, another one is loaded already, or
    /// `PICKUP_THREADS` is not a number above 0.
    pub fn load(library: &Library) -> Result<Self> {
        let mut loaded = LOADED.lock();
        match &*loaded {
            Some((path, runtime)) if path == library.path() => return Ok(runtime.clone()),
            Some((path, _)) => {
                return Err(Error::runtime(format!(
                    "ONNX Runtime is loaded already, from {}.",
                    path.display()
                )));
            }
            None => {}
        }
        let runtime = Self::load_first(library.path())?;
        *loaded = Some((library.path().to_owned(), runtime.clone()));
        Ok(runtime)
    }

    /// What this process has loaded.
    pub fn loaded() -> Option<Self> {
        LOADED.lock().as_ref().map(|(_, runtime)| runtime.clone())
    }

    fn load_first(path: &Path) -> Result<Self> {
        system::search_beside(path);
        let threads = threads(std::env::var("PICKUP_THREADS").ok().as_deref())?;
        let version = probe::version(path)?.into();
        let builder = ort::init_from(path)
            .map_err(|error| Error::runtime(format!("could not load {}: {error}.", path.display())))?;
        let environment = builder
            .with_name("pickup")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|error| failure("start ONNX Runtime", &error))?;
        environment.set_log_level(ort::logging::LogLevel::Warning);
        Ok(Self { environment, version, threads, decisions: Arc::default(), pool: Arc::default() })
    }

    /// The library's version ("1.32.0").
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Settles which provider runs, by committing and running a small session on it. The answer is
    /// kept, as starting a GPU takes a second.
    ///
    /// # Errors
    /// If no provider that `choice` allows works.
    pub fn decide(&self, choice: ProviderChoice) -> Result<Decision> {
        let mut decisions = self.decisions.lock();
        if let Some((_, decision)) = decisions.iter().find(|(known, _)| *known == choice) {
            return Ok(decision.clone());
        }
        let decision = provider::decide(&self.environment, choice)?;
        if decision.provider == Provider::Cuda {
            self.share_pool();
        }
        decisions.push((choice, decision.clone()));
        Ok(decision)
    }

    /// Makes the pool that large graphs on CUDA share; without it each has an arena of its own.
    fn share_pool(&self) {
        self.pool.get_or_init(|| {
            let pool = Pool::make(&self.environment);
            pool.inspect_err(|error| tracing::warn!(%error, "graphs do not share the GPU's memory")).ok()
        });
    }

    /// Returns the GPU's memory that no large graph uses.
    pub fn give_back(&self) {
        let Some(pool) = self.pool.get().and_then(Option::as_ref) else { return };
        if let Err(error) = pool.give_back() {
            tracing::warn!(%error, "the GPU's memory was not given back");
        }
    }

    /// Opens the graph in `path` on `provider`, stopping when `cancel` is raised.
    ///
    /// # Errors
    /// If the file is not a graph that the provider can run, memory runs out, or on cancel.
    pub fn open(&self, path: &Path, provider: Provider, cancel: &Cancel) -> Result<Session> {
        let source = source(provider, path);
        let weights = Weights::of(path, source.as_deref());
        if weights == Weights::Half {
            system::give_back_at_once();
        }
        let builder = self.builder(provider, weights);
        let model = source.and_then(|model| for_processor(model, weights));
        Session::new(commit(builder, path, model.as_deref(), cancel)?, path, provider)
    }

    /// The same, leaving it to ONNX Runtime to widen weights.
    #[cfg(test)]
    pub(crate) fn open_as_it_is(&self, path: &Path, provider: Provider, cancel: &Cancel) -> Result<Session> {
        let weights = Weights::of(path, source(provider, path).as_deref());
        Session::new(commit(self.builder(provider, weights), path, None, cancel)?, path, provider)
    }

    /// Opens the graph in `path` on `provider`, and says where its nodes run.
    ///
    /// # Errors
    /// As [`Runtime::open`].
    pub fn inspect(&self, path: &Path, provider: Provider, cancel: &Cancel) -> Result<Vec<NodeCount>> {
        let (key, value) = placement::RECORD;
        let source = source(provider, path);
        let weights = Weights::of(path, source.as_deref());
        let builder = self.builder(provider, weights);
        let builder = builder.and_then(|builder| Ok(builder.with_config_entry(key, value)?));
        let model = source.and_then(|model| for_processor(model, weights));
        let session = commit(builder, path, model.as_deref(), cancel)?;
        placement::placement(&session).map_err(|error| failure(format!("inspect {}", path.display()), &error))
    }

    /// On the processor a run returns all that it took to the C library, and plans no layout for its next one: lengths and sizes
    /// change between runs, room that is kept for one does not fit the other, and a VAE then takes a third less at
    /// the peak. It costs no time (a step of the starter, four runs each: 38 ms with and without).
    fn builder(&self, provider: Provider, weights: Weights) -> ort::Result<SessionBuilder> {
        let small = weights == Weights::Small;
        // At the last level all weights in half precision are made single when a graph is opened for the
        // processor: a transformer of 4 GB then takes 10.2 GB, instead of 0.1. Those before it leave 3,973 nodes of such a
        // graph where the first leaves 3,990, and take a sixth to a third of the time that opening takes.
        let level = match weights {
            Weights::Small => GraphOptimizationLevel::All,
            Weights::Large => GraphOptimizationLevel::Level3,
            Weights::Half => GraphOptimizationLevel::Level1,
        };
        let mut builder = OrtSession::builder(&self.environment)?
            .with_prepacking(small)?
            .with_optimization_level(level)?
            .with_memory_pattern(false)?
            .with_deterministic_compute(true)?
            .with_config_entry(RESTING.0, RESTING.1)?
            .with_log_level(ort::logging::LogLevel::Warning)?;
        if !small && provider == Provider::Cpu {
            // Each constant that is not folded for its size would be told as a warning.
            let quiet = ort::logging::LogLevel::Error;
            builder = builder.with_config_entry(FOLDED.0, FOLDED.1)?.with_log_level(quiet)?;
        }
        if provider == Provider::Cpu {
            let threads =
                self.threads.or(std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
            builder = builder.with_operators(convolution::domain(threads)?)?;
        }
        if let Some(threads) = self.threads {
            builder = builder.with_intra_threads(threads)?;
        }
        if provider == Provider::Cuda && !small && self.pool.get().is_some_and(Option::is_some) {
            builder = builder.with_env_allocators()?;
        }
        if provider == Provider::DirectMl {
            // DirectML works only without, and without patterns (onnxruntime.ai, DirectML execution provider).
            builder = builder.with_parallel_execution(false)?;
        }
        // The processor is last in any case; named, it takes its setting.
        let processor = ep::CPU::default().with_arena_allocator(false).build();
        let providers: Vec<_> = provider::registration(provider).into_iter().chain([processor]).collect();
        Ok(builder.with_execution_providers(providers)?)
    }
}

/// Opens the graph in `path`, or in its place `model`, whose weights lie beside that. Stops when `cancel` is raised.
fn commit(
    builder: ort::Result<SessionBuilder>,
    path: &Path,
    model: Option<&[u8]>,
    cancel: &Cancel,
) -> Result<OrtSession> {
    cancel.check()?;
    let failed = |error| failure(format!("open {}", path.display()), &error);
    let mut builder = builder.map_err(failed)?;
    if model.is_some() {
        let folder = path.parent().unwrap_or(Path::new(".")).to_string_lossy();
        builder = builder.with_config_entry(WEIGHTS_FOLDER, folder).map_err(|error| failed(error.into()))?;
    }
    let canceler = builder.canceler();
    let watch = cancel.watch(move || drop(canceler.cancel()));
    let opening = OPENING.lock();
    let session = match model {
        Some(model) => builder.commit_from_memory(model),
        None => builder.commit_from_file(path),
    };
    drop((opening, watch));
    cancel.check()?;
    session.map_err(failed)
}

/// The graph in `path`, without its weights, where it may be changed before it is opened: for the processor. What cannot be
/// read is told when it is opened.
fn source(provider: Provider, path: &Path) -> Option<Vec<u8>> {
    (provider == Provider::Cpu).then(|| std::fs::read(path).ok()).flatten()
}

/// The model as the processor runs it, if that is not as it is.
fn for_processor(model: Vec<u8>, weights: Weights) -> Option<Vec<u8>> {
    let widened = if weights == Weights::Half { widened::widened(&model) } else { None };
    let plain = widened.as_deref().unwrap_or(&model);
    let convolved = if pickup_convolution::has_vectors() { convolved::convolved(plain) } else { None };
    convolved.or(widened)
}

/// A graph's weights, as far as they decide how it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weights {
    /// So few that each of the graph's products gets a copy of its own, in the order it reads them: with the starter's 200
    /// tokens that saves an eighth of the time.
    Small,
    /// They stay mapped and are never copied; with many tokens that costs no time.
    Large,
    /// Large ones, some of them in half precision, for the processor, which computes in single.
    Half,
}

impl Weights {
    /// Those beside the graph in `path`, whose bytes are `model` where it is for the processor.
    fn of(path: &Path, model: Option<&[u8]>) -> Self {
        let folder = path.parent().and_then(|folder| folder.read_dir().ok());
        let sizes = folder.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
        match (sizes.sum::<u64>() <= PREPACKED, model.is_some_and(widened::has_half_weights)) {
            (true, _) => Self::Small,
            (false, false) => Self::Large,
            (false, true) => Self::Half,
        }
    }
}

fn threads(text: Option<&str>) -> Result<Option<usize>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse()
        .ok()
        .filter(|&threads| threads > 0)
        .map(Some)
        .ok_or_else(|| Error::usage(format!("expected PICKUP_THREADS to be a number above 0, got {text:?}.")))
}

fn log(level: ort::logging::LogLevel, _category: &str, _id: &str, place: &str, message: &str) {
    use ort::logging::LogLevel;
    match level {
        LogLevel::Fatal | LogLevel::Error => tracing::error!(target: "onnxruntime", "{place} {message}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", "{place} {message}"),
        _ => tracing::debug!(target: "onnxruntime", "{place} {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{PREPACKED, Weights, threads};

    #[test]
    fn threads_are_a_number_above_zero() {
        assert_eq!(threads(None).unwrap(), None);
        assert_eq!(threads(Some("")).unwrap(), None);
        assert_eq!(threads(Some("3")).unwrap(), Some(3));
        assert!(["0", "-1", "many"].iter().all(|text| threads(Some(text)).is_err()));
    }

    #[test]
    fn weights_are_small_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let graph = folder.path().join("model.onnx");
        let grow =
            |bytes| std::fs::File::create(folder.path().join("weights.bin")).unwrap().set_len(bytes).unwrap();
        std::fs::write(&graph, [0]).unwrap();
        grow(PREPACKED - 1);
        assert_eq!(Weights::of(&graph, None), Weights::Small);
        grow(PREPACKED);
        assert_eq!(Weights::of(&graph, None), Weights::Large, "the graph counts, too");
    }
}
