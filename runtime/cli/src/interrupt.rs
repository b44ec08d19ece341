//! Ctrl-C.

use pickup_core::{Cancel, Error, ErrorKind, Result};

use crate::console::note;

/// A cancel that the first Ctrl-C (or a polite request to end) raises; the second ends this process
/// at once, and the worker with it.
pub(crate) fn cancel_on_interrupt() -> Result<Cancel> {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    ctrlc::set_handler(move || {
        if raised.is_cancelled() {
            std::process::exit(i32::from(ErrorKind::Cancelled.exit_code()));
        }
        note("cancelling; press Ctrl-C again to quit at once");
        raised.cancel();
    })
    .map_err(|error| Error::runtime(format!("Ctrl-C cannot be heard: {error}.")))?;
    Ok(cancel)
}
