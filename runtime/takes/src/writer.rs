//! Takes, written.

use half::f16;
use pickup_core::{Error, Result, TakeId, TakeRecord};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::aside::{Aside, clean_stale, discard_folder};
use crate::fault::{full, while_};
use crate::files::{FRAMES, RECORD, create_parent, sync_folder, take_folder};
use crate::format::{Header, Layout, frame_hash};
use crate::take::{self, Take};

/// Room that is left to others, in bytes: a record, a folder, the system's own needs.
const MARGIN: u64 = 8 << 20;

/// A take that is being written, aside. Dropping it without [`TakeWriter::commit`] removes all of
/// it.
pub struct TakeWriter {
    // Dropped before the folder it lies in: Windows does not remove open files.
    frames: FrameFile,
    aside: Aside,
    root: PathBuf,
    id: TakeId,
}

impl TakeWriter {
    pub(crate) fn begin(root: &Path, id: &TakeId, layout: Layout) -> Result<Self> {
        clean_stale(root)?;
        let aside = Aside::new(root)?;
        check_room(root, layout.file_bytes())?;
        let path = aside.folder().join(FRAMES);
        let file = File::create_new(&path).map_err(while_("writing", &path))?;
        reserve(&file, layout.file_bytes()).map_err(while_("reserving room for", &path))?;
        let frames = FrameFile::begin(file, layout).map_err(while_("writing", &path))?;
        Ok(Self { frames, aside, root: root.to_owned(), id: *id })
    }

    /// Appends a frame, `(h, w, 4)` red, green, blue, alpha, top row first.
    ///
    /// # Errors
    /// Of kind input if its size is not the take's or there are more frames than were announced, of
    /// kind storage if it cannot be written.
    pub fn push_frame(&mut self, pixels: &[f16]) -> Result<()> {
        let layout = self.frames.layout;
        if pixels.len() != layout.frame_len() {
            return Err(Error::input(format!(
                "expected a frame of {} values, got {}.",
                layout.frame_len(),
                pixels.len()
            )));
        }
        if self.frames.hashes.len() == layout.frames as usize {
            return Err(Error::input(format!("expected {} frames, got more.", layout.frames)));
        }
        let path = take_folder(&self.root, &self.id.to_string());
        self.frames.push(pixels).map_err(while_("writing", &path))
    }

    /// Frames pushed so far.
    pub fn frame_count(&self) -> usize {
        self.frames.hashes.len()
    }

    /// Completes the take, gives it its name, and opens it. If another process was faster, its take
    /// is kept and opened.
    ///
    /// # Errors
    /// Of kind input if frames are missing or the record is not this take's, of kind storage if it
    /// cannot be written. Nothing is left behind then.
    pub fn commit(self, record: &TakeRecord) -> Result<Take> {
        let Self { frames, aside, root, id } = self;
        let folder = aside.folder();
        let text = serde_json::to_vec_pretty(record)
            .map_err(|error| Error::input(format!("the record cannot be written as JSON: {error}.")))?;
        let header = frames.header(&text)?;
        take::check_record(record, &id, &header).map_err(|fault| Error::input(format!("{fault}.")))?;
        frames.finish(&header).map_err(while_("writing", folder))?;
        write_synced(&folder.join(RECORD), &text)?;
        sync_folder(folder)?;
        let place = take_folder(&root, &id.to_string());
        settle(&root, folder, &place, &id)
    }
}

/// Renames the folder into its place.
fn settle(root: &Path, folder: &Path, place: &Path, id: &TakeId) -> Result<Take> {
    create_parent(place)?;
    if place.exists() {
        match take::open(root, id).and_then(|there| there.verify().map(|()| there)) {
            Ok(there) => return Ok(there),
            Err(error) => tracing::warn!(%error, "replacing a damaged take"),
        }
        discard_folder(root, place)?;
    }
    if let Err(error) = std::fs::rename(folder, place) {
        // Two processes may arrive here at once; either take is right.
        return take::open(root, id).map_err(|_| while_("writing", place)(error));
    }
    place.parent().map_or(Ok(()), sync_folder)?;
    take::open(root, id)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(while_("writing", path))
}

/// Says so before the work, not after, when a take cannot fit. Where the system does not tell how
/// much is free, writing will.
fn check_room(root: &Path, needed: u64) -> Result<()> {
    match fs4::available_space(root) {
        Ok(free) if free < needed.saturating_add(MARGIN) => Err(full(root, needed, free)),
        _ => Ok(()),
    }
}

/// Claims the file's blocks at once, where the file system can.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match fs4::FileExt::allocate(file, bytes) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(error),
        Err(error) => {
            tracing::debug!(%error, "room could not be reserved");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// The frames, appended behind room for their header.
struct FrameFile {
    file: File,
    layout: Layout,
    hashes: Vec<[u8; 32]>,
}

impl FrameFile {
    fn begin(mut file: File, layout: Layout) -> io::Result<Self> {
        file.seek(SeekFrom::Start(layout.header_bytes() as u64))?;
        Ok(Self { file, layout, hashes: Vec::with_capacity(layout.frames as usize) })
    }

    fn push(&mut self, pixels: &[f16]) -> io::Result<()> {
        self.file.write_all(bytemuck::cast_slice(pixels))?;
        self.hashes.push(frame_hash(self.layout.width, self.layout.height, pixels));
        Ok(())
    }

    fn header(&self, record: &[u8]) -> Result<Header> {
        if self.hashes.len() != self.layout.frames as usize {
            return Err(Error::input(format!(
                "expected {} frames, got {}.",
                self.layout.frames,
                self.hashes.len()
            )));
        }
        let record = *blake3::hash(record).as_bytes();
        Ok(Header { layout: self.layout, record, frames: self.hashes.clone() })
    }

    /// The header comes last: a file without it is not a take.
    fn finish(mut self, header: &Header) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header.to_bytes())?;
        self.file.set_len(self.layout.file_bytes())?;
        self.file.sync_all()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use pickup_core::ErrorKind;

    #[test]
    fn a_disk_that_fills_while_writing_is_told_with_advice() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let layout = Layout::new(64, 64, 1).unwrap();
        let mut frames = FrameFile { file, layout, hashes: Vec::new() };
        let error = frames.push(&vec![f16::ONE; layout.frame_len()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let told = while_("writing", Path::new("take"))(error);
        assert_eq!(told.kind, ErrorKind::Storage);
        assert!(told.hint.contains("space"), "{told:?}");
    }

    #[test]
    fn a_take_that_cannot_fit_is_refused_before_the_work() {
        let root = tempfile::tempdir().unwrap();
        let error = check_room(root.path(), u64::MAX / 2).unwrap_err();
        assert!(error.message.contains("needed") && error.message.contains("free"), "{error}");
        check_room(root.path(), 1).unwrap();
    }
}
