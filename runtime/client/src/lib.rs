//! Starts the worker, speaks its protocol, reads takes: all that the plugin links.
//!
//! A [`Client`] is cheap to make: it opens nothing and starts nothing until it is asked to. The
//! worker starts with the first job, stays for the next, may leave when it is idle, and ends with
//! the client. Whatever becomes of the worker, the client answers with an [`Error`].
//!
//! [`Error`]: pickup_core::Error

mod client;
mod conversation;
mod ending;
mod locate;
mod options;
mod pipes;
mod process;

pub use client::{Client, Finished};
pub use locate::{WORKER_VARIABLE, locate_worker};
pub use options::{ClientOptions, LIBRARY_VARIABLE, Patience};
