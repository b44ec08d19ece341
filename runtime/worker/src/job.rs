//! Orders done on the engine, and their answers.

use pickup_core::protocol::FromWorker;
use pickup_core::{Cancel, Error, ErrorKind, Event, Provider, ProviderChoice, Request, Result};
use pickup_engine::{Engine, GraphSource, Outcome, cache_dir};
use pickup_takes::Store;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::connect::{self, Source};
use crate::doctor;
use crate::fault::Fault;
use crate::inspect;
use crate::measure;
use crate::serve::{Order, Task, say};
use crate::verify;

/// The engine, made for the first order that needs it.
#[derive(Default)]
pub(crate) struct Jobs {
    engine: Option<Engine>,
    /// Where the last job ran.
    provider: Option<Provider>,
}

impl Jobs {
    /// Does an order. The second value is false if this process should not do another: after a failure
    /// on a GPU only a new process is sure to work.
    pub fn do_order(&mut self, order: Order) -> (FromWorker, bool) {
        let Order { job, task, cancel } = order;
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(job, task, &cancel)));
        match answer.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))) {
            Ok(answer) => (answer, true),
            Err(error) => {
                let goes_on = !self.is_suspect(&error);
                (FromWorker::Failed { job, error }, goes_on)
            }
        }
    }

    fn answer(&mut self, job: u64, task: Task, cancel: &Cancel) -> Result<FromWorker> {
        cancel.check()?;
        match task {
            Task::Run { request, provider } => self.run(job, &request, provider, cancel),
            Task::Estimate { request, provider } => {
                let connect = || connect::connect(provider).map(boxed);
                let estimate = self.engine()?.estimate(&request, &connect)?;
                Ok(FromWorker::Estimate { job, estimate })
            }
            Task::Verify { folder, provider } => {
                let source = self.connect(provider)?;
                let mut hear = |event| tell(job, event, cancel);
                let deviations = verify::verify(&folder, &source, &mut hear, cancel)?;
                Ok(FromWorker::Verified { job, deviations, provider: source.provider() })
            }
            Task::Measure { folder, provider } => {
                let settled = self.connect(provider)?.provider();
                let mut hear = |event| tell(job, event, cancel);
                let memory = measure::measure(&folder, provider, &mut hear, cancel)?;
                Ok(FromWorker::Measured { job, memory, provider: settled })
            }
            Task::Inspect { folder, provider } => {
                let source = self.connect(provider)?;
                let mut hear = |event| tell(job, event, cancel);
                let inspection = inspect::inspect(&folder, &source, &mut hear, cancel)?;
                Ok(FromWorker::Inspected { job, inspection })
            }
            Task::Doctor => Ok(FromWorker::Report { job, findings: doctor::findings() }),
        }
    }

    /// Noted before anything can fail there.
    fn connect(&mut self, choice: ProviderChoice) -> Result<Source> {
        let source = connect::connect(choice)?;
        self.provider = Some(source.provider());
        Ok(source)
    }

    fn run(
        &mut self,
        job: u64,
        request: &Request,
        choice: ProviderChoice,
        cancel: &Cancel,
    ) -> Result<FromWorker> {
        let mut fault = Fault::from_environment()?;
        let used = std::cell::Cell::new(None);
        let connect = || {
            let source = connect::connect(choice)?;
            used.set(Some(source.provider()));
            Ok(boxed(source))
        };
        let mut hear = |event: Event| {
            let phase = match &event {
                Event::Progress(progress) => Some(progress.phase),
                Event::Warning(_) => None,
            };
            tell(job, event, cancel);
            phase.into_iter().for_each(|phase| fault.strike(phase));
        };
        let outcome = self.engine()?.run(request, &connect, cancel, &mut hear);
        self.provider = used.get();
        let Outcome { take, reused, provider } = outcome?;
        Ok(FromWorker::Done { job, take, reused, provider })
    }

    fn engine(&mut self) -> Result<&mut Engine> {
        if self.engine.is_none() {
            let store = Store::open(None)?;
            self.engine = Some(Engine::new(store, cache_dir(), pickup_package::default_search_dirs()));
        }
        self.engine.as_mut().ok_or_else(|| Error::runtime("there is no engine."))
    }

    fn is_suspect(&mut self, error: &Error) -> bool {
        let broken = matches!(error.kind, ErrorKind::Runtime | ErrorKind::Memory);
        if broken && let Some(engine) = &mut self.engine {
            engine.release();
        }
        broken && self.provider.is_some_and(|provider| provider != Provider::Cpu)
    }
}

/// Tells the parent of an event.
fn tell(job: u64, event: Event, cancel: &Cancel) {
    if let Err(error) = say(&FromWorker::Event { job, event }) {
        // The parent is gone; so is the reason to go on.
        tracing::error!("{error:#}");
        cancel.cancel();
    }
}

pub(crate) fn boxed(source: Source) -> Box<dyn GraphSource> {
    Box::new(source)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Error::runtime(format!("the worker failed: {text}."))
        .hint("Try again; if it happens again, report it with what the worker wrote to its log.")
}
