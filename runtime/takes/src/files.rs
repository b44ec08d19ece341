//! Names and small steps on the file system.

use pickup_core::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::fault::while_;

pub(crate) const RECORD: &str = "take.json";
pub(crate) const FRAMES: &str = "frames.bin";
pub(crate) const NOTE: &str = "note.txt";
const PLATE_EXTENSION: &str = "plate";

/// Use is noted to this precision, so that reading a take in a loop does not write to the disk.
const USE_PRECISION: Duration = Duration::from_secs(60);

/// `<root>/takes/<aa>/<id>`.
pub(crate) fn take_folder(root: &Path, id: &str) -> PathBuf {
    root.join("takes").join(&id[..2]).join(id)
}

/// `<root>/plates/<aa>/<id>.plate`.
pub(crate) fn plate_file(root: &Path, id: &str) -> PathBuf {
    root.join("plates").join(&id[..2]).join(id).with_extension(PLATE_EXTENSION)
}

/// The id in a plate's path.
pub(crate) fn plate_name(path: &Path) -> Option<&str> {
    path.extension().filter(|extension| *extension == PLATE_EXTENSION)?;
    path.file_stem()?.to_str()
}

pub(crate) fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(while_("creating the folder", path))
}

pub(crate) fn create_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), create_folder)
}

/// The paths in the folders in `folder`; nothing where it does not exist.
pub(crate) fn grandchildren(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for shelf in children(folder)?.into_iter().filter(|path| path.is_dir()) {
        paths.extend(children(&shelf)?);
    }
    Ok(paths)
}

/// The paths in `folder`; nothing where it does not exist.
pub(crate) fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(while_("listing", folder))?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(while_("listing", folder))).collect()
}

/// Makes a rename in `folder` last through a power cut. Windows has no such step.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let sync = || fs::File::open(folder)?.sync_all();
        sync().map_err(while_("syncing", folder))?;
    }
    Ok(())
}

/// Notes that `path` was used now, for the eviction of what was not. A store that may only be read
/// cannot note it, which is no fault.
pub(crate) fn note_use(path: &Path) {
    let now = SystemTime::now();
    let recent =
        last_use(path).is_some_and(|then| now.duration_since(then).is_ok_and(|age| age < USE_PRECISION));
    if !recent {
        let touched = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(now));
        if let Err(error) = touched {
            tracing::debug!(path = %path.display(), %error, "use could not be noted");
        }
    }
}

pub(crate) fn last_use(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

pub(crate) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
