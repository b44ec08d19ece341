//! A job from request to take.

use pickup_core::protocol::Estimate;
use pickup_core::{
    Cancel, Error, ErrorKind, Event, MemoryPlan, Phase, Provider, Request, Result, Slot, TakeId, TakeRecord,
};
use pickup_families::{Family, TextEmbedding};
use pickup_package::{GraphKind, Package};
use pickup_takes::{Store, TakeLock, TakeWriter};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::denoise::Prompts;
use crate::detail::Details;
use crate::graphs::{Graphs, Opener, Resident};
use crate::history::{History, PastRun};
use crate::join::Echo;
use crate::pass::{Made, Work};
use crate::plan::{Pass, Plan, memory};
use crate::progress::{Held, Tracker};
use crate::stage::Stage;
use crate::text::{self, TextCache};
use crate::{GraphSource, abilities, join, parallel, settle};

/// How often the engine asks whether another process has finished the same take.
const POLL: Duration = Duration::from_millis(50);

/// Starts the inference library; called only when something is to be made.
pub type Connect<'a> = dyn Fn() -> Result<Box<dyn GraphSource>> + 'a;

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The take, which is in the store.
    pub take: TakeId,
    /// True if it was there already.
    pub reused: bool,
    /// The provider that made it.
    pub provider: Provider,
}

/// Runs requests, one at a time, and keeps the graphs of the last model open between them.
pub struct Engine {
    store: Store,
    cache: Option<PathBuf>,
    models: Vec<PathBuf>,
    history: History,
    resident: Resident,
    /// Whether components are closed before the next is opened in any case, for measuring them apart.
    apart: bool,
    /// What the last job held.
    held: Held,
}

/// A request that has met its model.
struct Settled {
    package: Package,
    family: Box<dyn Family>,
    plan: Plan,
    id: TakeId,
}

impl Engine {
    /// An engine that keeps takes in `store`, what can be made again in `cache` (nothing without one),
    /// and looks for packages in the folders `models`.
    pub fn new(store: Store, cache: Option<PathBuf>, models: Vec<PathBuf>) -> Self {
        let history = History::new(cache.as_deref());
        Self {
            store,
            cache,
            models,
            history,
            resident: Resident::default(),
            apart: false,
            held: Held::default(),
        }
    }

    /// The same with one component open at a time, whatever the room.
    pub(crate) fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// What the last job held.
    pub(crate) fn held(&self) -> Held {
        self.held
    }

    /// Closes all graphs, which gives back their memory.
    pub fn release(&mut self) {
        self.resident.release();
    }

    /// Makes the take of `request`, or finds that it is there already. What happens meanwhile goes to
    /// `events`; every phase is reported at least once when something is made.
    ///
    /// # Errors
    /// If the request cannot be done, something fails, or `cancel` is raised. The store is then as it
    /// was.
    pub fn run(
        &mut self,
        request: &Request,
        connect: &Connect<'_>,
        cancel: &Cancel,
        events: &mut dyn FnMut(Event),
    ) -> Result<Outcome> {
        let tracker = Tracker::new(events);
        let settled = self.settle(request)?;
        if let Some(outcome) = self.reuse(&settled.id) {
            return Ok(outcome);
        }
        let _lock = self.lock(&settled.id, cancel)?;
        // Somebody else may have made it while this process waited.
        if let Some(outcome) = self.reuse(&settled.id) {
            return Ok(outcome);
        }
        // First of all, so that nothing is loaded for a take that the disk has no room for.
        let canvas = &request.canvas;
        let frames = canvas.unknown_count() as u32;
        let writer = self.store.begin_take(&settled.id, canvas.width, canvas.height, frames)?;
        let source = connect()?;
        let memory = self.memory(request, &settled, source.as_ref())?;
        if memory.is_small() {
            source.keep_for_later();
        }
        let take_peak = || source.take_peak_memory();
        let mut tracker = tracker.watching(&take_peak);
        let job = Job { engine: self, request, settled: &settled, memory, source: source.as_ref(), cancel };
        job.run(writer, &mut tracker)
    }

    /// What `request` would cost.
    ///
    /// # Errors
    /// If the request cannot be done, or no provider works.
    pub fn estimate(&self, request: &Request, connect: &Connect<'_>) -> Result<Estimate> {
        let settled = self.settle(request)?;
        let source = connect()?;
        let provider = source.provider();
        let Settled { package, plan, id, .. } = &settled;
        Ok(Estimate {
            take: *id,
            exists: self.reuse(id).is_some(),
            seconds: self.history.seconds(package.hash(), provider, plan.work),
            memory: self.memory(request, &settled, source.as_ref())?,
            model_width: plan.width,
            model_height: plan.height,
            windows: plan.windows(),
            steps: plan.steps,
            provider,
        })
    }

    fn settle(&self, request: &Request) -> Result<Settled> {
        request.check()?;
        let package = pickup_package::find(&request.model, &self.models)?;
        let family = pickup_families::family(package.manifest())?;
        let plan = Plan::new(request, package.manifest())?;
        let id = settle::take_id(request, &plan, &package)?;
        Ok(Settled { package, family, plan, id })
    }

    /// What is open when.
    fn memory(&self, request: &Request, settled: &Settled, source: &dyn GraphSource) -> Result<MemoryPlan> {
        let (plan, manifest) = (&settled.plan, settled.package.manifest());
        if self.apart {
            return Ok(memory::in_turn(plan, manifest, source.room()));
        }
        let cache = TextCache::new(self.cache.as_deref(), &settled.package);
        let reads = plan.texts(request).iter().any(|text| cache.get(text).is_none());
        memory::settle(plan, manifest, source.room(), reads)
    }

    /// The take, if it is there and whole. A damaged one is made again.
    fn reuse(&self, id: &TakeId) -> Option<Outcome> {
        if !self.store.has_take(id) {
            return None;
        }
        let take = self.store.open_take(id).and_then(|take| take.verify().map(|()| take));
        match take {
            Ok(take) => Some(Outcome { take: *id, reused: true, provider: take.record().provider }),
            Err(error) => {
                tracing::warn!(%error, "a damaged take is made again");
                None
            }
        }
    }

    /// Waits until no other process makes the same take.
    fn lock(&self, id: &TakeId, cancel: &Cancel) -> Result<TakeLock> {
        loop {
            cancel.check()?;
            if let Some(lock) = self.store.try_lock_take(id)? {
                return Ok(lock);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// One job while it runs.
struct Job<'a> {
    engine: &'a mut Engine,
    request: &'a Request,
    settled: &'a Settled,
    memory: MemoryPlan,
    source: &'a dyn GraphSource,
    cancel: &'a Cancel,
}

impl Job<'_> {
    fn run(mut self, mut writer: TakeWriter, tracker: &mut Tracker<'_>) -> Result<Outcome> {
        let began = std::time::Instant::now();
        let Settled { package, plan, .. } = self.settled;
        let left_out = abilities::left_out(self.request, &plan.passes, package.manifest());
        self.source.warnings().into_iter().chain(left_out).for_each(|warning| tracker.warn(warning));
        let prompts = self.prompts(tracker)?;
        self.passes(&prompts, &mut writer, tracker)?;
        self.store(writer, tracker)?;
        self.engine.held = tracker.held();
        let Settled { package, plan, id, .. } = self.settled;
        let provider = self.source.provider();
        let seconds = began.elapsed().as_secs_f64();
        let run = PastRun { model_hash: package.hash().to_owned(), provider, work: plan.work, seconds };
        self.engine.history.add(run);
        Ok(Outcome { take: *id, reused: false, provider })
    }

    fn opener(&self) -> Opener<'_> {
        Opener { package: &self.settled.package, source: self.source, cancel: self.cancel }
    }

    /// The prompts' embeddings. The text encoder is opened only if one of them is new, and closed again.
    fn prompts(&self, tracker: &mut Tracker<'_>) -> Result<Prompts> {
        let Settled { package, plan, .. } = self.settled;
        let cache = TextCache::new(self.engine.cache.as_deref(), package);
        let texts = plan.texts(self.request);
        let known: Vec<_> = texts.iter().map(|text| cache.get(text)).collect();
        let mut encoder = match known.iter().all(Option::is_some) {
            true => None,
            false => Some(self.opener().open(GraphKind::TextEncoder)?),
        };
        tracker.enter(Phase::Text);
        let mut embeddings: Vec<TextEmbedding> = Vec::new();
        for (index, (text, known)) in texts.iter().zip(known).enumerate() {
            embeddings.push(match (known, encoder.as_deref_mut()) {
                (Some(known), _) => known,
                (None, Some(encoder)) => self.embed(&cache, encoder, text, tracker)?,
                (None, None) => return Err(Error::runtime("the text encoder is not open.")),
            });
            tracker.step(index + 1, texts.len());
        }
        drop(encoder);
        if !self.memory.is_small() {
            self.source.give_back();
        }
        let mut embeddings = embeddings.into_iter();
        let positive = embeddings.next().ok_or_else(|| Error::runtime("there is no prompt."))?;
        Ok(Prompts { positive, negative: embeddings.next(), guidance: plan.guidance })
    }

    fn embed(
        &self,
        cache: &TextCache,
        encoder: &mut dyn pickup_core::Graph,
        prompt: &str,
        tracker: &mut Tracker<'_>,
    ) -> Result<TextEmbedding> {
        let embedding = text::embed(&self.settled.package, encoder, prompt, self.cancel)?;
        if let Err(error) = cache.put(prompt, &embedding) {
            tracker.warn(format!("The prompt could not be kept for the next time: {error}."));
        }
        Ok(embedding)
    }

    /// Runs all passes and writes what they deliver. Graphs stay open for the next job unless one of
    /// them failed: after a failure on a GPU a session may be unusable.
    fn passes(
        &mut self,
        prompts: &Prompts,
        writer: &mut TakeWriter,
        tracker: &mut Tracker<'_>,
    ) -> Result<()> {
        let (hash, provider) = (self.settled.package.hash(), self.source.provider());
        tracker.enter(Phase::Encode);
        let mut graphs = self.engine.resident.take(hash, provider).unwrap_or_default();
        let result = self.passes_on(&mut graphs, prompts, writer, tracker);
        let usable = result.as_ref().err().is_none_or(|error| error.kind == ErrorKind::Cancelled);
        if usable && !self.memory.in_turn {
            self.engine.resident.keep(hash, provider, graphs);
        }
        result
    }

    fn passes_on(
        &self,
        graphs: &mut Graphs,
        prompts: &Prompts,
        writer: &mut TakeWriter,
        tracker: &mut Tracker<'_>,
    ) -> Result<()> {
        let Settled { package, family, plan, .. } = self.settled;
        let mut stage = Stage::new(&self.engine.store, self.request, plan);
        let references = stage.references()?;
        let mut work = Work {
            opener: self.opener(),
            family: family.as_ref(),
            graphs,
            memory: &self.memory,
            prompts,
            references: &references,
            levels: &plan.levels,
            seed: self.request.settings.seed,
            noise_grid: plan.noise_grid(package.manifest().latent.spatial),
        };
        let mut details = Details::default();
        let mut done = 0.0;
        for (index, pass) in plan.passes.iter().enumerate() {
            let share = plan.pass_work(pass, references.len(), package.manifest()) / plan.work;
            tracker.begin_pass(done, done + share);
            done += share;
            let Made { frames, echoes } = work.run(pass, &stage, tracker)?;
            self.note_details(pass, echoes, &stage, &mut details)?;
            self.deliver((pass, &frames), &stage, &details, writer, tracker)?;
            stage.keep(pass, &frames, &plan.passes[index + 1..]);
        }
        Ok(())
    }

    /// Keeps the detail of the known frames of `pass` that lie next to frames to be made.
    fn note_details(
        &self,
        pass: &Pass,
        echoes: Vec<Echo>,
        stage: &Stage<'_>,
        details: &mut Details,
    ) -> Result<()> {
        let slots = &self.request.canvas.slots;
        let is_open = |frame: usize| slots.get(frame).is_some_and(|slot| !slot.is_known());
        for echo in echoes {
            if let crate::Part::Known(frame) = pass.parts[echo.part] {
                let borders = is_open(frame + 1) || frame.checked_sub(1).is_some_and(is_open);
                if borders && !details.contains(frame) {
                    details.add(frame, &stage.truth(frame)?, &echo.picture)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the frames that `pass` delivers.
    fn deliver(
        &self,
        (pass, frames): (&Pass, &[ndarray::Array3<f32>]),
        stage: &Stage<'_>,
        details: &Details,
        writer: &mut TakeWriter,
        tracker: &mut Tracker<'_>,
    ) -> Result<()> {
        let size = (self.request.canvas.width, self.request.canvas.height);
        let delivered = |part: &crate::Part| part.frame().filter(|frame| pass.delivers.contains(frame));
        let parts = pass.parts.iter().zip(frames);
        let chosen: Vec<_> = parts.filter_map(|(part, picture)| Some((delivered(part)?, picture))).collect();
        let mut written = 0;
        for batch in chosen.chunks(memory::BATCH) {
            self.cancel.check()?;
            let sized = parallel::map(batch.iter(), |(frame, picture)| {
                let mut pixels = join::to_timeline((*frame, picture), size, details)?;
                stage.put_known_part(*frame, &mut pixels)?;
                Ok(pixels)
            })?;
            sized.iter().try_for_each(|pixels| writer.push_frame(pixels))?;
            written += batch.len();
            tracker.step(written, chosen.len());
        }
        Ok(())
    }

    /// Completes the take. From here on a cancel comes too late.
    fn store(&self, writer: TakeWriter, tracker: &mut Tracker<'_>) -> Result<()> {
        tracker.enter(Phase::Store);
        self.cancel.check()?;
        let record = self.record(tracker);
        writer.commit(&record)?;
        tracker.step(1, 1);
        Ok(())
    }

    fn record(&self, tracker: &mut Tracker<'_>) -> TakeRecord {
        let Settled { package, plan, id, .. } = self.settled;
        let (timing, warnings) = tracker.finish();
        let canvas = &self.request.canvas;
        let composite = canvas.slots.iter().any(|slot| *slot != Slot::Unknown);
        TakeRecord {
            version: TakeRecord::VERSION,
            id: *id,
            request: self.request.clone(),
            frames: canvas.unknown_count() as u32,
            model_hash: package.hash().to_owned(),
            steps: plan.steps,
            guidance: plan.guidance.scale,
            sampler: settle::sampler_name(package).to_owned(),
            model_width: plan.width,
            model_height: plan.height,
            windows: plan.windows(),
            runtime: self.source.runtime_version(),
            provider: self.source.provider(),
            warnings,
            timing,
            peak_memory: Some(tracker.held().peaks().peak()).filter(|peak| *peak > 0),
            phase_memory: tracker.held().peaks(),
            tile: self.memory.tile,
            made_by: format!("Pickup {}", env!("CARGO_PKG_VERSION")),
            made_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            digital_source_type: digital_source_type(composite).to_owned(),
        }
    }
}

/// IPTC's name for the frames' origin (cv.iptc.org/newscodes/digitalsourcetype).
fn digital_source_type(composite: bool) -> &'static str {
    if composite { "compositeWithTrainedAlgorithmicMedia" } else { "trainedAlgorithmicMedia" }
}
