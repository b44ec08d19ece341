//! Locks between processes. The system frees them when their holder dies.

use pickup_core::{Result, TakeId};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::fault::{storage, while_};
use crate::files::{children, create_folder};

const POLL: Duration = Duration::from_millis(50);

/// Held while lock files are made and removed. Shared by those who make one (creating and locking
/// it are two steps), exclusive for those who clean, so that nobody locks a file that is just being
/// unlinked.
pub(crate) struct Guard {
    _file: File,
}

impl Guard {
    pub(crate) fn shared(root: &Path) -> Result<Self> {
        let file = Self::open(root)?;
        file.lock_shared().map_err(while_("locking", root))?;
        Ok(Self { _file: file })
    }

    /// `None` if anybody holds it; cleaning can wait.
    pub(crate) fn try_exclusive(root: &Path) -> Result<Option<Self>> {
        let file = Self::open(root)?;
        Ok(try_lock(&file, root)?.then_some(Self { _file: file }))
    }

    fn open(root: &Path) -> Result<File> {
        create_folder(root)?;
        open_lock(&root.join("guard.lock"))
    }
}

/// Keeps other processes, and other holders in this one, from making the same take.
#[must_use = "the lock is freed when it is dropped"]
pub struct TakeLock {
    _file: File,
}

/// The lock of a take, or `None` if somebody is making it.
pub(crate) fn try_lock_take(root: &Path, id: &TakeId) -> Result<Option<TakeLock>> {
    let _guard = Guard::shared(root)?;
    let folder = root.join("locks");
    create_folder(&folder)?;
    let path = folder.join(format!("{id}.lock"));
    let file = open_lock(&path)?;
    Ok(try_lock(&file, &path)?.then_some(TakeLock { _file: file }))
}

/// Waits for the lock of a take.
pub(crate) fn lock_take(root: &Path, id: &TakeId) -> Result<TakeLock> {
    loop {
        if let Some(lock) = try_lock_take(root, id)? {
            return Ok(lock);
        }
        std::thread::sleep(POLL);
    }
}

/// Removes lock files that nobody holds.
pub(crate) fn clean_locks(root: &Path) -> Result<()> {
    let Some(_guard) = Guard::try_exclusive(root)? else { return Ok(()) };
    for path in children(&root.join("locks"))? {
        if try_lock(&open_lock(&path)?, &path)? {
            std::fs::remove_file(&path).map_err(while_("removing", &path))?;
        }
    }
    Ok(())
}

/// Opens a file to lock, made where it is missing.
pub(crate) fn open_lock(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(while_("opening the lock", path))
}

/// Whether the lock was got.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(storage("locking", path, &error)),
    }
}
