//! Ctrl-C.

use pickup_core::{Cancel, Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::console::note;

/// What Ctrl-C, or a polite request to end, asks for.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    /// Raised by the first.
    pub(crate) cancel: Cancel,
    count: Arc<AtomicU32>,
}

impl Interrupt {
    /// Listens from now on. The first raises the cancel, the second is told by [`Interrupt::is_urgent`],
    /// the third ends this process wherever it is.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let heard = interrupt.clone();
        ctrlc::set_handler(move || heard.hear())
            .map_err(|error| Error::runtime(format!("Ctrl-C cannot be heard: {error}.")))?;
        Ok(interrupt)
    }

    /// Whether the user has asked again, and does not want to wait for a clean end.
    pub(crate) fn is_urgent(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 1
    }

    fn hear(&self) {
        match self.count.fetch_add(1, Ordering::SeqCst) {
            0 => {
                note("cancelling; press Ctrl-C again not to wait for the worker");
                self.cancel.cancel();
            }
            1 => note("ending the worker"),
            _ => std::process::exit(i32::from(ErrorKind::Cancelled.exit_code())),
        }
    }
}
