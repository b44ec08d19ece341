//! What was already verified, so that gigabytes are not hashed on every start.
//!
//! A stamp remembers size, time of change and hash of each file of one folder. It is only as good as
//! the file system's times; `Package::open_verified(dir, true)` does without.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::folder::{Found, hash};

/// Raised when more is looked at than before, so that what passed then is looked at again.
const CHECKS: u32 = 2;

/// A verified state of a package's files, in the manifest's order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// [`CHECKS`] of the version that verified it.
    checks: u32,
    /// SHA-256 of the manifest, which holds the hashes of all files.
    manifest: String,
    files: Vec<FileStamp>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    path: String,
    bytes: u64,
    modified_ns: u128,
    /// On Unix the time of the last change of contents, name or owner, which no program can set.
    changed_ns: i128,
}

impl Stamp {
    /// The state of `files` now; `None` where the file system has no times.
    pub fn of(manifest_hash: &str, files: &[Found]) -> Option<Self> {
        let files = files.iter().map(FileStamp::of).collect::<Option<_>>()?;
        Some(Self { checks: CHECKS, manifest: manifest_hash.to_owned(), files })
    }

    /// Whether this very state was verified before. An unreadable stamp is none.
    pub fn is_known(&self, cache: &Path, dir: &Path) -> bool {
        let text = fs::read(place(cache, dir)).unwrap_or_default();
        serde_json::from_slice::<Self>(&text).is_ok_and(|known| known == *self)
    }

    /// Remembers this state. That it cannot be is no error: the next start hashes again.
    pub fn remember(&self, cache: &Path, dir: &Path) {
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(cache)?;
            let file = tempfile::NamedTempFile::new_in(cache)?;
            serde_json::to_writer(&file, self)?;
            file.persist(place(cache, dir))?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(%error, cache = %cache.display(), "the verified state is not remembered");
        }
    }
}

impl FileStamp {
    fn of(found: &Found) -> Option<Self> {
        let modified = found.metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self {
            path: found.path.clone(),
            bytes: found.metadata.len(),
            modified_ns: modified.as_nanos(),
            changed_ns: changed_ns(&found.metadata),
        })
    }
}

#[cfg(unix)]
fn changed_ns(metadata: &Metadata) -> i128 {
    use std::os::unix::fs::MetadataExt;
    i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed_ns(_: &Metadata) -> i128 {
    0
}

/// The stamp's file: one per folder.
fn place(cache: &Path, dir: &Path) -> PathBuf {
    cache.join(format!("{}.json", hash(dir.as_os_str().as_encoded_bytes())))
}

/// The user's cache of stamps; `None` for a user without a home.
pub(crate) fn default_cache() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "Pickup")?;
    Some(dirs.cache_dir().join("verified-packages"))
}
