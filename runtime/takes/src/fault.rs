//! How the store's failures are told.

use pickup_core::{Error, TakeId};
use std::io;
use std::path::Path;

/// An error about `path` while `doing` something to it ("writing", "reading" …), with advice that
/// fits the cause.
pub(crate) fn storage(doing: &str, path: &Path, error: &io::Error) -> Error {
    Error::storage(format!("{doing} {} failed: {error}.", path.display())).hint(advice(error))
}

/// For `map_err`.
pub(crate) fn while_<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |error| storage(doing, path, &error)
}

/// The take is not in the store in `root`.
pub(crate) fn missing(root: &Path, take: &TakeId) -> Error {
    Error::storage(format!("the take {} is not in the store {}.", take.short(), root.display()))
        .hint("Generate again, or set PICKUP_STORE to the store that has it.")
}

/// `what` is not as it was written: `why`.
pub(crate) fn damaged(what: &Path, why: impl std::fmt::Display) -> Error {
    Error::storage(format!("{} is damaged: {why}.", what.display()))
        .hint("Remove it with `pickup takes verify --remove`, then generate again.")
}

/// There is not enough room: `needed` and `free` in bytes.
pub(crate) fn full(root: &Path, needed: u64, free: u64) -> Error {
    Error::storage(format!(
        "the disk of {} is too full: {} needed, {} free.",
        root.display(),
        megabytes(needed),
        megabytes(free)
    ))
    .hint(MAKE_ROOM)
}

const MAKE_ROOM: &str =
    "Free some space, run `pickup takes gc`, or set PICKUP_STORE to a folder on a larger disk.";

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => MAKE_ROOM,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "Allow writing to the folder, or set PICKUP_STORE to one that you may write to."
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "Set PICKUP_STORE to a folder, not a file."
        }
        _ => "Check that the disk is there and may be written to, or set PICKUP_STORE to another folder.",
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
