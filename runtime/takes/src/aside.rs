//! Folders for what is being written.

use pickup_core::Result;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

use crate::fault::{storage, while_};
use crate::files::{children, create_folder};
use crate::lock::{Guard, open_lock, try_lock};

const LOCK: &str = "lock";

/// A folder in `<root>/tmp`, removed with all that is in it when this is dropped. A lock file
/// beside it is held as long as its owner lives; without it anybody may clean the folder away.
pub(crate) struct Aside {
    folder: PathBuf,
    _lock: NamedTempFile,
}

impl Aside {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let _guard = Guard::shared(root)?;
        let parent = root.join("tmp");
        create_folder(&parent)?;
        let mut builder = tempfile::Builder::new();
        let lock = builder.prefix("w").suffix(".lock").tempfile_in(&parent);
        let lock = lock.map_err(while_("writing in", &parent))?;
        lock.as_file().lock().map_err(while_("locking", lock.path()))?;
        let folder = lock.path().with_extension("");
        std::fs::create_dir(&folder).map_err(while_("creating the folder", &folder))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Gone already where it was renamed into place.
        if let Err(error) = remove_folder(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "left behind until the next cleaning");
        }
    }
}

/// Removes what writers that died left behind.
pub(crate) fn clean_stale(root: &Path) -> Result<()> {
    let parent = root.join("tmp");
    if !parent.exists() {
        return Ok(());
    }
    let Some(_guard) = Guard::try_exclusive(root)? else { return Ok(()) };
    for path in children(&parent)? {
        if path.extension().is_some_and(|extension| extension == LOCK) {
            clean_one(&path)?;
        } else if !path.with_extension(LOCK).exists() {
            remove_folder(&path).map_err(while_("removing", &path))?;
        }
    }
    Ok(())
}

fn clean_one(lock: &Path) -> Result<()> {
    let file = open_lock(lock)?;
    if try_lock(&file, lock)? {
        let folder = lock.with_extension("");
        remove_folder(&folder).map_err(while_("removing", &folder))?;
        // A writer that has just finished takes its own lock file away, then lets go of it.
        gone(std::fs::remove_file(lock)).map_err(while_("removing", lock))?;
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    gone(std::fs::remove_dir_all(folder))
}

/// That something is not there is as good as that it was removed.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Takes a folder out of the store in one step, then removes it: nobody ever sees half of it.
/// False if it was not there.
pub(crate) fn discard_folder(root: &Path, folder: &Path) -> Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    let aside = Aside::new(root)?;
    match std::fs::rename(folder, aside.folder().join("discarded")) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(storage("removing", folder, &error)),
    }
}
