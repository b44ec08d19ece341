//! What a client may be told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Environment variable whose value becomes the worker's `LD_LIBRARY_PATH`. The host's own is kept
/// from the worker: hosts bring libraries (CUDA, C++) of other versions.
pub const LIBRARY_VARIABLE: &str = "PICKUP_LIBRARY_PATH";

/// What a [`Client`](crate::Client) may be told.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// The worker's file; used unless [`WORKER_VARIABLE`](crate::WORKER_VARIABLE) names another.
    pub worker: Option<PathBuf>,
    /// The store's folder; used instead of what `PICKUP_STORE` says.
    pub store: Option<PathBuf>,
    /// Variables that the worker gets besides this process's own.
    pub environment: Vec<(OsString, OsString)>,
    /// How long to wait for the worker.
    pub patience: Patience,
}

/// How long to wait for the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For its first words. Virus scanners can hold a new program for some seconds.
    pub handshake: Duration,
    /// For its answer to a cancel, before it is killed.
    pub cancel: Duration,
    /// For its exit once its input has ended, before it is killed.
    pub exit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(30),
            cancel: Duration::from_millis(1500),
            exit: Duration::from_millis(1000),
        }
    }
}
