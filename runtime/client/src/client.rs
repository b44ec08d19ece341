//! The client.

use parking_lot::{Mutex, MutexGuard};
use pickup_core::protocol::{Deviation, Estimate, Finding, FromWorker, Inspection, ToWorker};
use pickup_core::{Cancel, Error, Event, Provider, ProviderChoice, Request, Result, TakeId};
use pickup_takes::Store;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::conversation::{Conversation, TICK, Trouble, Waiter, greet};
use crate::locate::locate_worker;
use crate::options::ClientOptions;
use crate::process::Worker;

/// What a run gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The take, in the store.
    pub take: TakeId,
    /// True if it was there already and nothing was generated.
    pub reused: bool,
    /// The provider that made it.
    pub provider: Provider,
    /// What the user must see although it went well.
    pub warnings: Vec<String>,
    /// Seconds from question to answer, waiting for other jobs included.
    pub seconds: f64,
}

/// Speaks to a worker, which it starts when it is first needed. May be shared between threads; jobs
/// run one after another. Dropping it ends the worker.
pub struct Client {
    options: ClientOptions,
    store: OnceLock<Store>,
    worker: Mutex<Option<Worker>>,
    last_job: AtomicU64,
    hurried: AtomicBool,
}

impl Client {
    /// A client. Opens nothing and starts nothing.
    pub fn new(options: ClientOptions) -> Self {
        Self {
            options,
            store: OnceLock::new(),
            worker: Mutex::new(None),
            last_job: AtomicU64::new(0),
            hurried: AtomicBool::new(false),
        }
    }

    /// The store that the worker uses too.
    ///
    /// # Errors
    /// Of kind storage, if it cannot be opened.
    pub fn store(&self) -> Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = Store::open(self.options.store.as_deref())?;
        Ok(self.store.get_or_init(|| store))
    }

    /// Runs a request and returns when its take is in the store.
    ///
    /// `on_event` is called on this thread, with every event and with `None` in between, at least
    /// every 100 ms from the first moment on; returning `Break` cancels, as raising `cancel` does
    /// (and raises it). A cancelled worker that does not answer in time
    /// ([`Patience::cancel`](crate::Patience::cancel)) is killed. A take that was complete before the
    /// cancel was heard is returned.
    ///
    /// # Errors
    /// Whatever the worker answers; of kind cancelled; of kind runtime, if there is no worker, or it
    /// stopped. The next call starts a new one.
    pub fn run(
        &self,
        request: &Request,
        provider: ProviderChoice,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Option<Event>) -> ControlFlow<()>,
    ) -> Result<Finished> {
        request.check()?;
        let begun = Instant::now();
        let request = Box::new(request.clone());
        let question = |job| ToWorker::Run { job, request, provider };
        match self.ask(question, &mut Waiter::new(cancel, on_event))? {
            (FromWorker::Done { take, reused, provider, .. }, warnings) => {
                Ok(Finished { take, reused, provider, warnings, seconds: begun.elapsed().as_secs_f64() })
            }
            (other, _) => Err(unexpected("Done", &other)),
        }
    }

    /// What a run would cost.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn estimate(&self, request: &Request, provider: ProviderChoice, cancel: &Cancel) -> Result<Estimate> {
        request.check()?;
        let request = Box::new(request.clone());
        let question = |job| ToWorker::Estimate { job, request, provider };
        match self.ask(question, &mut Waiter::new(cancel, &mut |_| ControlFlow::Continue(())))?.0 {
            FromWorker::Estimate { estimate, .. } => Ok(estimate),
            other => Err(unexpected("Estimate", &other)),
        }
    }

    /// Runs the golden values of the package in `folder`: how far each component is from them, and where they
    /// were run. None if the package has none. `on_event` is called as for [`Client::run`].
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn verify(
        &self,
        folder: &Path,
        provider: ProviderChoice,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Option<Event>) -> ControlFlow<()>,
    ) -> Result<(Vec<Deviation>, Provider)> {
        let folder = folder.to_owned();
        let question = |job| ToWorker::Verify { job, folder, provider };
        match self.ask(question, &mut Waiter::new(cancel, on_event))?.0 {
            FromWorker::Verified { deviations, provider, .. } => Ok((deviations, provider)),
            other => Err(unexpected("Verified", &other)),
        }
    }

    /// What the components of the package in `folder` hold in memory: the manifest's field `memory`, or
    /// `gpu_memory` where the provider is a GPU's.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn measure(
        &self,
        folder: &Path,
        provider: ProviderChoice,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Option<Event>) -> ControlFlow<()>,
    ) -> Result<(serde_json::Value, Provider)> {
        let folder = folder.to_owned();
        let question = |job| ToWorker::Measure { job, folder, provider };
        match self.ask(question, &mut Waiter::new(cancel, on_event))?.0 {
            FromWorker::Measured { memory, provider, .. } => Ok((memory, provider)),
            other => Err(unexpected("Measured", &other)),
        }
    }

    /// Where the nodes of the graphs in the package in `folder` run, and which kernels of attention the worker has run.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn inspect(
        &self,
        folder: &Path,
        provider: ProviderChoice,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Option<Event>) -> ControlFlow<()>,
    ) -> Result<Inspection> {
        let folder = folder.to_owned();
        let question = |job| ToWorker::Inspect { job, folder, provider };
        match self.ask(question, &mut Waiter::new(cancel, on_event))?.0 {
            FromWorker::Inspected { inspection, .. } => Ok(inspection),
            other => Err(unexpected("Inspected", &other)),
        }
    }

    /// What the worker finds on this machine.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub fn doctor(&self, cancel: &Cancel) -> Result<Vec<Finding>> {
        let question = |job| ToWorker::Doctor { job };
        match self.ask(question, &mut Waiter::new(cancel, &mut |_| ControlFlow::Continue(())))?.0 {
            FromWorker::Report { findings, .. } => Ok(findings),
            other => Err(unexpected("Report", &other)),
        }
    }

    /// Takes the patience from the running job: if it is cancelled, now or later, its worker is
    /// killed at once. For a user who asks to cancel a second time.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::SeqCst);
    }

    /// Ends the worker, if there is one and no job is running; the next job starts a new one.
    pub fn release(&self) {
        if let Some(mut worker) = self.worker.try_lock() {
            *worker = None;
        }
    }

    /// Asks a worker, a new one if the old one has left.
    fn ask(
        &self,
        question: impl FnOnce(u64) -> ToWorker,
        waiter: &mut Waiter<'_>,
    ) -> Result<(FromWorker, Vec<String>)> {
        let mut turn = self.wait_for_turn(waiter)?;
        let slot = &mut *turn;
        let job = self.last_job.fetch_add(1, Ordering::Relaxed) + 1;
        let question = question(job);
        self.hurried.store(false, Ordering::SeqCst);
        if slot.as_mut().is_some_and(Worker::is_gone) {
            *slot = None;
        }
        loop {
            let fresh = slot.is_none();
            let worker = match slot.as_mut() {
                Some(worker) => worker,
                None => slot.insert(self.start(waiter)?),
            };
            match Conversation::new(worker, job, self.options.patience, &self.hurried)
                .ask(question.clone(), waiter)
            {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Answered(error)) => return Err(error),
                Err(Trouble::Lost(error)) => {
                    *slot = None;
                    return Err(error);
                }
                Err(Trouble::Left) if fresh => {
                    *slot = None;
                    return Err(left_at_once());
                }
                Err(Trouble::Left) => *slot = None,
            }
        }
    }

    /// One job at a time; who waits can still cancel.
    fn wait_for_turn(&self, waiter: &mut Waiter<'_>) -> Result<MutexGuard<'_, Option<Worker>>> {
        loop {
            waiter.tell(None)?;
            if let Some(slot) = self.worker.try_lock_for(TICK) {
                return Ok(slot);
            }
        }
    }

    fn start(&self, waiter: &mut Waiter<'_>) -> Result<Worker> {
        let file = locate_worker(self.options.worker.as_deref())?;
        let mut worker = Worker::start(&file, self.store()?.root(), &self.options)?;
        match greet(&mut worker, self.options.patience, waiter) {
            Ok(()) => Ok(worker),
            Err(error) => {
                worker.kill();
                Err(error)
            }
        }
    }
}

fn left_at_once() -> Error {
    Error::runtime("the worker left before it heard the job.").hint("Generate again, or run `pickup doctor`.")
}

fn unexpected(expected: &str, got: &FromWorker) -> Error {
    let got = format!("{got:?}");
    let name = got.split([' ', '{']).next().unwrap_or_default();
    Error::runtime(format!("expected the worker's answer {expected}, got {name}."))
        .hint("Copy the whole folder Pickup.ofx.bundle of one version.")
}
