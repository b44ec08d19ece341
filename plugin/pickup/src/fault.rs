//! From the host's errors to the user's, and back to what the host is answered.

use pickup_core::{Error, ErrorKind};
use pickup_ofx::Status;

/// A failure of the host, in the user's words.
pub fn from_host(error: pickup_ofx::Error) -> Error {
    match error {
        pickup_ofx::Error::Image(_) => Error::input(error.to_string()),
        _ => Error::runtime(error.to_string())
            .hint("Reload the effect. If it stays, report it with the host's name and version."),
    }
}

/// What the host is answered for an error.
pub fn to_host(error: &Error) -> pickup_ofx::Error {
    let status = match error.kind {
        ErrorKind::Memory => Status::Memory,
        _ => Status::Failed,
    };
    pickup_ofx::Error::Plugin { status, message: error.line() }
}
