//! What a job would cost, asked of the worker while the host goes on: a worker may have to start first, or be busy.

use pickup_core::protocol::Estimate;
use pickup_core::{Cancel, Error, ProviderChoice, Request, Result, TakeId};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::{background, worker};

/// How long a button waits for the answer: a worker that is open and idle gives it in less.
const SHORT: Duration = Duration::from_millis(3);

/// A question to the worker, and its answer once it is there. Dropping it takes the question back.
pub struct Inquiry {
    question: TakeId,
    receiver: Receiver<Result<Estimate>>,
    answer: Option<Result<Estimate>>,
    cancel: Cancel,
}

impl Inquiry {
    /// Asks what `request` would cost; its plates need not be in the store.
    ///
    /// # Errors
    /// If the request cannot be written as JSON.
    pub fn ask(request: Request) -> Result<Self> {
        let (question, cancel) = (request.take_id(&())?, Cancel::new());
        let (sender, receiver) = sync_channel(1);
        let (client, heard) = (worker::client(), cancel.clone());
        background::run("pickup-estimate", move || {
            let _ = sender.send(client.estimate(&request, ProviderChoice::Auto, &heard));
        });
        Ok(Self { question, receiver, answer: None, cancel })
    }

    /// Whether this is what was asked.
    ///
    /// # Errors
    /// As [`Inquiry::ask`].
    pub fn is_about(&self, request: &Request) -> Result<bool> {
        Ok(self.question == request.take_id(&())?)
    }

    /// The answer, waiting for it a short time.
    pub fn short_wait(&mut self) -> Option<&Result<Estimate>> {
        self.wait(SHORT)
    }

    /// The answer, if it has come since one was last looked for.
    pub fn news(&mut self) -> Option<&Result<Estimate>> {
        if self.answer.is_some() { None } else { self.wait(Duration::ZERO) }
    }

    fn wait(&mut self, within: Duration) -> Option<&Result<Estimate>> {
        if self.answer.is_none() {
            self.answer = match self.receiver.recv_timeout(within) {
                Ok(answer) => Some(answer),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    Some(Err(Error::runtime("the worker could not be asked.").hint("Press Estimate again.")))
                }
            };
        }
        self.answer.as_ref()
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
