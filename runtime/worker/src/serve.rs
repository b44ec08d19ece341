//! The conversation: one thread reads, one works, both may write.

use anyhow::{Context, Result, bail};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use parking_lot::Mutex;
use pickup_core::protocol::{FromWorker, PROTOCOL, ToWorker, read_message};
use pickup_core::{Cancel, ProviderChoice, Request};
use pickup_onnx::system;
use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::job::Jobs;
use crate::output;

/// Seconds without a job after which the worker ends.
const IDLE_SECONDS: u64 = 120;

/// What the working thread is to do.
pub(crate) enum Task {
    Run { request: Box<Request>, provider: ProviderChoice },
    Estimate { request: Box<Request>, provider: ProviderChoice },
    Verify { folder: PathBuf, provider: ProviderChoice },
    Measure { folder: PathBuf, provider: ProviderChoice },
    Inspect { folder: PathBuf, provider: ProviderChoice },
    Doctor,
}

/// A task with its number and the token that stops it.
pub(crate) struct Order {
    pub job: u64,
    pub task: Task,
    pub cancel: Cancel,
}

/// Orders that are waiting or running, by number.
type Open = Arc<Mutex<HashMap<u64, Cancel>>>;

/// Speaks the protocol until there is nothing more to do.
///
/// # Errors
/// If the first message is not a greeting, or the parent cannot be written to.
pub(crate) fn serve() -> Result<()> {
    output::claim().context("claiming stdout")?;
    let mut input = std::io::stdin();
    greet(&mut input)?;
    let (orders, queue) = unbounded();
    let open = Open::default();
    let reader = Reader { orders, open: open.clone() };
    std::thread::Builder::new().name("reader".into()).spawn(move || reader.run(&mut input))?;
    work(&queue, &open, idle_time())
}

fn greet(input: &mut impl Read) -> Result<()> {
    match read_message(input).context("reading the first message")? {
        Some(ToWorker::Hello { protocol }) => {
            // Answered even if it differs, so that the parent can say which of the two is old.
            let version = env!("CARGO_PKG_VERSION").to_owned();
            say(&FromWorker::Hello { protocol: PROTOCOL, version })?;
            if protocol != PROTOCOL {
                bail!("the parent speaks protocol {protocol}, this worker {PROTOCOL}");
            }
            Ok(())
        }
        Some(other) => bail!("expected a greeting, got {other:?}"),
        None => system::end(0),
    }
}

fn idle_time() -> Duration {
    let named = std::env::var("PICKUP_IDLE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(named.unwrap_or(IDLE_SECONDS))
}

struct Reader {
    orders: Sender<Order>,
    open: Open,
}

impl Reader {
    /// Never returns: the process ends with the pipe, whatever the other thread is doing. Half a take
    /// lies aside in the store, where the next writer cleans it away.
    fn run(&self, input: &mut impl Read) {
        let code = loop {
            match read_message(input) {
                Ok(Some(ToWorker::Shutdown) | None) => break 0,
                Ok(Some(message)) => self.hear(message),
                Err(error) => {
                    tracing::error!("the parent does not make sense: {error}");
                    break 1;
                }
            }
        };
        system::end(code);
    }

    fn hear(&self, message: ToWorker) {
        match message {
            ToWorker::Run { job, request, provider } => self.order(job, Task::Run { request, provider }),
            ToWorker::Estimate { job, request, provider } => {
                self.order(job, Task::Estimate { request, provider })
            }
            ToWorker::Verify { job, folder, provider } => self.order(job, Task::Verify { folder, provider }),
            ToWorker::Measure { job, folder, provider } => {
                self.order(job, Task::Measure { folder, provider })
            }
            ToWorker::Inspect { job, folder, provider } => {
                self.order(job, Task::Inspect { folder, provider })
            }
            ToWorker::Doctor { job } => self.order(job, Task::Doctor),
            ToWorker::Cancel { job } => {
                // Cancelling what is over already is no error: the answer was on its way.
                let cancel = self.open.lock().get(&job).cloned();
                if let Some(cancel) = cancel {
                    cancel.cancel();
                }
            }
            ToWorker::Hello { .. } | ToWorker::Shutdown => {}
        }
    }

    fn order(&self, job: u64, task: Task) {
        let cancel = Cancel::new();
        self.open.lock().insert(job, cancel.clone());
        // Fails only if the worker is ending, and then nobody waits for an answer.
        drop(self.orders.send(Order { job, task, cancel }));
    }
}

/// Does one order after another.
fn work(queue: &Receiver<Order>, open: &Open, idle: Duration) -> Result<()> {
    let mut jobs = Jobs::default();
    loop {
        let order = match queue.recv_timeout(idle) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let job = order.job;
        let (answer, goes_on) = jobs.do_order(order);
        open.lock().remove(&job);
        say(&answer)?;
        if !goes_on {
            return Ok(());
        }
    }
}

/// Writes one message to the parent.
///
/// # Errors
/// If the parent is gone.
pub(crate) fn say(message: &FromWorker) -> Result<()> {
    output::say(message).context("writing to the parent")
}
