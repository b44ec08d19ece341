//! The store itself.

use pickup_core::{Error, PlateId, Result, TakeId};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::aside::{clean_stale, discard_folder};
use crate::files::{FRAMES, NOTE, RECORD, create_folder, grandchildren, last_use, size, take_folder};
use crate::format::Layout;
use crate::gc::{self, Collected, Usage};
use crate::location::locate;
use crate::lock::{self, TakeLock};
use crate::note;
use crate::plate::{self, Plate, PlateImage};
use crate::take::{self, Take};
use crate::writer::TakeWriter;

/// A store of plates and takes. Opening one costs a look at its folder; it may be opened any number
/// of times, by any number of processes.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A take in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeEntry {
    /// The take.
    pub id: TakeId,
    /// Size of its files in bytes.
    pub bytes: u64,
    /// When it was last opened or made, to a minute.
    pub used: SystemTime,
}

impl Store {
    /// The store at `folder`, else where [`locate`] says; made if it does not exist.
    ///
    /// # Errors
    /// Of kind storage, if there is no such folder and none can be made. A store that may only be
    /// read opens, and refuses what would write.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let root = locate(folder)?;
        create_folder(&root)?;
        Ok(Self { root })
    }

    /// The store's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Puts a plate into the store; the same picture is stored once.
    ///
    /// # Errors
    /// Of kind input if size and pixels do not agree or a value is not finite, of kind storage if it
    /// cannot be written.
    pub fn put_plate(&self, image: &PlateImage<'_>) -> Result<PlateId> {
        plate::put(&self.root, image)
    }

    /// Maps a plate; all of it is compared with its name.
    ///
    /// # Errors
    /// Of kind storage, if it is not there or damaged.
    pub fn plate(&self, id: &PlateId) -> Result<Plate> {
        plate::open(&self.root, id)
    }

    /// Begins a take of `frames` frames, and claims its room on the disk. Best called before the
    /// frames are made.
    ///
    /// # Errors
    /// Of kind input for an absurd size, of kind storage if there is no room or no permission.
    pub fn begin_take(&self, id: &TakeId, width: u32, height: u32, frames: u32) -> Result<TakeWriter> {
        let layout = Layout::new(width, height, frames)
            .map_err(|fault| Error::input(format!("the take does not fit: {fault}.")))?;
        TakeWriter::begin(&self.root, id, layout)
    }

    /// Maps a take. Header, sizes and record are checked here, each frame on
    /// [`Take::checked_frame`], all on [`Take::verify`].
    ///
    /// # Errors
    /// Of kind storage, if it is not there or damaged.
    pub fn open_take(&self, id: &TakeId) -> Result<Take> {
        take::open(&self.root, id)
    }

    /// Whether there is such a take, damaged or not.
    pub fn has_take(&self, id: &TakeId) -> bool {
        take_folder(&self.root, &id.to_string()).is_dir()
    }

    /// The takes, last used first.
    ///
    /// # Errors
    /// Of kind storage, if the store cannot be listed.
    pub fn list(&self) -> Result<Vec<TakeEntry>> {
        let folders = grandchildren(&self.root.join("takes"))?;
        let mut takes: Vec<_> = folders.iter().filter_map(|folder| entry(folder)).collect();
        takes.sort_by_key(|take| std::cmp::Reverse((take.used, take.id)));
        Ok(takes)
    }

    /// Removes a take; false if there was none.
    ///
    /// # Errors
    /// Of kind storage, if it cannot be removed (on Windows, while somebody reads it).
    pub fn remove(&self, id: &TakeId) -> Result<bool> {
        discard_folder(&self.root, &take_folder(&self.root, &id.to_string()))
    }

    /// What was noted for a take; empty where nothing was.
    pub fn note(&self, id: &TakeId) -> String {
        note::read(&self.root, id)
    }

    /// Notes `text` for a take, as one line of at most 500 letters, in place of what was noted before.
    ///
    /// # Errors
    /// Of kind storage, if there is no such take or it cannot be written.
    pub fn set_note(&self, id: &TakeId, text: &str) -> Result<()> {
        note::write(&self.root, id, text)
    }

    /// Waits until nobody else is making this take, and keeps others from making it.
    ///
    /// # Errors
    /// Of kind storage, if the store cannot be written.
    pub fn lock_take(&self, id: &TakeId) -> Result<TakeLock> {
        lock::lock_take(&self.root, id)
    }

    /// [`Store::lock_take`] without waiting: `None` if somebody is making it. For those who must
    /// hear a cancel while they wait.
    ///
    /// # Errors
    /// Of kind storage, if the store cannot be written.
    pub fn try_lock_take(&self, id: &TakeId) -> Result<Option<TakeLock>> {
        lock::try_lock_take(&self.root, id)
    }

    /// How much is in the store.
    ///
    /// # Errors
    /// Of kind storage, if it cannot be listed.
    pub fn usage(&self) -> Result<Usage> {
        gc::usage(self)
    }

    /// Removes what was not used for longest until at most `limit` bytes are left: first plates,
    /// which are gathered again when needed, then takes. Plates of the last ten minutes and takes
    /// that are being made are kept.
    ///
    /// # Errors
    /// Of kind storage, if the store cannot be listed or written.
    pub fn gc(&self, limit: u64) -> Result<Collected> {
        clean_stale(&self.root)?;
        lock::clean_locks(&self.root)?;
        gc::collect(self, limit)
    }
}

fn entry(folder: &Path) -> Option<TakeEntry> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let record = folder.join(RECORD);
    let used = last_use(&record).or_else(|| last_use(folder))?;
    let bytes = [RECORD, FRAMES, NOTE].iter().map(|name| size(&folder.join(name))).sum();
    Some(TakeEntry { id, bytes, used })
}
