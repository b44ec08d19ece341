//! One question to the worker and all that follows until its answer.

use pickup_core::protocol::{FromWorker, PROTOCOL, ToWorker};
use pickup_core::{Cancel, Error, Event, Phase, Result};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::options::Patience;
use crate::pipes::Heard;
use crate::process::Worker;

/// Longest time between two calls of a job's callback.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// What a job's callback is: called with every event, and with `None` at least every 100 ms, so
/// that a host's own cancel can be asked; `Break` cancels.
pub(crate) type OnEvent<'a> = dyn FnMut(Option<Event>) -> ControlFlow<()> + 'a;

/// How a conversation can go wrong.
pub(crate) enum Trouble {
    /// The worker answered with an error, and listens for the next question.
    Answered(Error),
    /// The worker is of no use any more.
    Lost(Error),
    /// The worker left, as it does when idle, before it heard the question.
    Left,
}

/// Whoever waits: asks the callback, and hears the cancel.
pub(crate) struct Waiter<'a> {
    cancel: &'a Cancel,
    on_event: &'a mut OnEvent<'a>,
}

impl<'a> Waiter<'a> {
    pub(crate) fn new(cancel: &'a Cancel, on_event: &'a mut OnEvent<'a>) -> Self {
        Self { cancel, on_event }
    }

    /// Passes an event on, or a tick; `Err` once the job is cancelled.
    pub(crate) fn tell(&mut self, event: Option<Event>) -> Result<()> {
        if (self.on_event)(event).is_break() {
            self.cancel.cancel();
        }
        self.cancel.check()
    }
}

/// Agrees on the protocol with a worker that has just started.
pub(crate) fn greet(worker: &mut Worker, patience: Patience, waiter: &mut Waiter<'_>) -> Result<()> {
    worker.say(ToWorker::Hello { protocol: PROTOCOL });
    let deadline = Instant::now() + patience.handshake;
    loop {
        match worker.hear(TICK) {
            Some(Heard::Message(FromWorker::Hello { protocol, version })) => {
                return agree(protocol, &version);
            }
            Some(Heard::Message(FromWorker::Failed { error, .. })) => return Err(error),
            Some(Heard::Message(_)) => {}
            Some(Heard::End(garbage)) => return Err(worker.explain("starting", garbage)),
            None if Instant::now() > deadline => {
                return Err(Error::runtime(format!(
                    "the worker said nothing for {:.0} s after its start.",
                    patience.handshake.as_secs_f64()
                ))
                .hint("Check that no virus scanner holds it, and run `pickup doctor`."));
            }
            None => {}
        }
        waiter.tell(None)?;
    }
}

fn agree(protocol: u32, version: &str) -> Result<()> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    Err(Error::runtime(format!(
        "expected a worker of protocol {PROTOCOL}, got {protocol} (worker {version}, this is {}).",
        env!("CARGO_PKG_VERSION")
    ))
    .hint("Copy the whole folder Pickup.ofx.bundle of one version, and unset PICKUP_WORKER."))
}

/// One job's conversation.
pub(crate) struct Conversation<'a> {
    worker: &'a mut Worker,
    job: u64,
    patience: Patience,
    /// Whether patience has ended.
    hurried: &'a AtomicBool,
    /// When the worker is killed; set when it was told to stop.
    deadline: Option<Instant>,
    /// The last phase that was told, for the words about a crash.
    phase: Option<Phase>,
    warnings: Vec<String>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(worker: &'a mut Worker, job: u64, patience: Patience, hurried: &'a AtomicBool) -> Self {
        Self { worker, job, patience, hurried, deadline: None, phase: None, warnings: Vec::new() }
    }

    /// Asks, and returns the answer with the warnings that came before it.
    pub(crate) fn ask(
        mut self,
        question: ToWorker,
        waiter: &mut Waiter<'_>,
    ) -> Result<(FromWorker, Vec<String>), Trouble> {
        self.worker.say(question);
        loop {
            let event = match self.worker.hear(TICK) {
                Some(Heard::Message(FromWorker::Event { job, event })) if job == self.job => Some(event),
                Some(Heard::Message(FromWorker::Failed { job, error })) if self.is_answer(job) => {
                    return Err(Trouble::Answered(error));
                }
                Some(Heard::Message(answer)) if job_of(&answer) == Some(self.job) => {
                    return Ok((answer, self.warnings));
                }
                Some(Heard::End(garbage)) => return Err(self.ended(garbage)),
                Some(Heard::Message(_)) | None => None,
            };
            self.note(event.as_ref());
            self.stop_if(waiter.tell(event).is_err())?;
        }
    }

    /// Job 0 is an error about the conversation itself.
    fn is_answer(&self, job: u64) -> bool {
        job == self.job || job == 0
    }

    fn note(&mut self, event: Option<&Event>) {
        match event {
            Some(Event::Progress(progress)) => self.phase = Some(progress.phase),
            Some(Event::Warning(warning)) => self.warnings.push(warning.clone()),
            None => {}
        }
    }

    /// Tells the worker to stop, once, and kills it if it does not.
    fn stop_if(&mut self, cancelled: bool) -> Result<(), Trouble> {
        match self.deadline {
            None if cancelled => {
                self.worker.say(ToWorker::Cancel { job: self.job });
                self.deadline = Some(Instant::now() + self.patience.cancel);
                Ok(())
            }
            Some(deadline) if Instant::now() > deadline || self.hurried.load(Ordering::SeqCst) => {
                self.worker.kill();
                Err(Trouble::Lost(Error::cancelled()))
            }
            _ => Ok(()),
        }
    }

    fn ended(&mut self, garbage: Option<std::io::Error>) -> Trouble {
        if self.deadline.is_some() {
            return Trouble::Lost(Error::cancelled());
        }
        let unheard = self.phase.is_none() && garbage.is_none();
        if unheard && self.worker.exit_status().is_some_and(|status| status.success()) {
            return Trouble::Left;
        }
        let doing =
            self.phase.map_or_else(|| "starting the job".to_owned(), |phase| phase.label().to_lowercase());
        Trouble::Lost(self.worker.explain(&doing, garbage))
    }
}

fn job_of(answer: &FromWorker) -> Option<u64> {
    match answer {
        FromWorker::Done { job, .. }
        | FromWorker::Estimate { job, .. }
        | FromWorker::Verified { job, .. }
        | FromWorker::Measured { job, .. }
        | FromWorker::Inspected { job, .. }
        | FromWorker::Report { job, .. } => Some(*job),
        _ => None,
    }
}
