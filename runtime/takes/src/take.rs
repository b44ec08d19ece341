//! Takes, read.

use half::f16;
use pickup_core::{Error, Result, TakeId, TakeRecord};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault::{damaged, missing, while_};
use crate::files::{FRAMES, RECORD, note_use, take_folder};
use crate::format::{Header, frame_hash};
use crate::map::Mapped;

/// A take of the store, mapped. Cheap to keep, and to share between threads.
pub struct Take {
    path: PathBuf,
    record: TakeRecord,
    header: Header,
    mapped: Mapped,
    /// Frames that matched their hash once.
    checked: Vec<AtomicBool>,
}

impl Take {
    /// What was asked, and how it was answered.
    pub fn record(&self) -> &TakeRecord {
        &self.record
    }

    /// The take's id.
    pub fn id(&self) -> TakeId {
        self.record.id
    }

    /// The take's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of frames.
    pub fn frame_count(&self) -> u32 {
        self.header.layout.frames
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.header.layout.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.header.layout.height
    }

    /// `(h, w, 4)` red, green, blue, alpha of a frame, top row first, not compared with its hash;
    /// empty where there is no such frame.
    pub fn frame(&self, frame: usize) -> &[f16] {
        let layout = self.header.layout;
        if frame >= layout.frames as usize {
            return &[];
        }
        self.mapped.halves(layout.frame_offset(frame), layout.frame_len())
    }

    /// `(w, 4)` of the row `y` of a frame, counted from the top, not compared with its hash; empty
    /// where there is none.
    pub fn row(&self, frame: usize, y: u32) -> &[f16] {
        let length = self.header.layout.row_len();
        let start = y as usize * length;
        self.frame(frame).get(start..start + length).unwrap_or_default()
    }

    /// [`Take::frame`], compared with its hash the first time that it is asked for: what a host
    /// should be given.
    ///
    /// # Errors
    /// Of kind usage if there is no such frame, of kind storage if it is damaged.
    pub fn checked_frame(&self, frame: usize) -> Result<&[f16]> {
        let count = self.frame_count();
        let checked = self.checked.get(frame).ok_or_else(|| {
            Error::usage(format!(
                "expected a frame below {count} of take {}, got {frame}.",
                self.id().short()
            ))
        })?;
        let pixels = self.frame(frame);
        if !checked.load(Ordering::Relaxed) {
            if frame_hash(self.width(), self.height(), pixels) != self.header.frames[frame] {
                return Err(damaged(&self.path, format!("frame {frame} does not match its checksum")));
            }
            checked.store(true, Ordering::Relaxed);
        }
        Ok(pixels)
    }

    /// Compares every frame with its hash.
    ///
    /// # Errors
    /// Of kind storage, naming the first frame that differs.
    pub fn verify(&self) -> Result<()> {
        for (frame, checked) in self.checked.iter().enumerate() {
            checked.store(false, Ordering::Relaxed);
            self.checked_frame(frame)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Take {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Take({}, {}×{}×{})", self.id().short(), self.width(), self.height(), self.frame_count())
    }
}

/// Maps a take and checks everything but the frames' pixels.
pub(crate) fn open(root: &Path, id: &TakeId) -> Result<Take> {
    let path = take_folder(root, &id.to_string());
    if !path.is_dir() {
        return Err(missing(root, id));
    }
    let mapped = Mapped::open(&path.join(FRAMES))?;
    let header = Header::read(mapped.bytes()).map_err(|fault| damaged(&path, fault))?;
    let record = read_record(&path, &header)?;
    check_record(&record, id, &header).map_err(|fault| damaged(&path, fault))?;
    note_use(&path.join(RECORD));
    let checked = header.frames.iter().map(|_| AtomicBool::new(false)).collect();
    Ok(Take { path, record, header, mapped, checked })
}

fn read_record(path: &Path, header: &Header) -> Result<TakeRecord> {
    let file = path.join(RECORD);
    let text = std::fs::read(&file).map_err(while_("reading", &file))?;
    if *blake3::hash(&text).as_bytes() != header.record {
        return Err(damaged(&file, "it does not match its checksum"));
    }
    serde_json::from_slice(&text).map_err(|error| damaged(&file, error))
}

/// What must agree between a record, the take's name and its frames.
pub(crate) fn check_record(record: &TakeRecord, id: &TakeId, header: &Header) -> Result<(), String> {
    let canvas = &record.request.canvas;
    let layout = header.layout;
    if record.version != TakeRecord::VERSION {
        return Err(format!("expected a record of version {}, got {}", TakeRecord::VERSION, record.version));
    }
    if record.id != *id {
        return Err(format!("expected the record of {id}, got that of {}", record.id));
    }
    if record.frames != layout.frames || canvas.unknown_count() != layout.frames as usize {
        return Err(format!(
            "expected the {} frames that were asked for, the record says {} and {} are there",
            canvas.unknown_count(),
            record.frames,
            layout.frames
        ));
    }
    if (canvas.width, canvas.height) != (layout.width, layout.height) {
        return Err(format!(
            "expected frames of {}×{}, got {}×{}",
            canvas.width, canvas.height, layout.width, layout.height
        ));
    }
    Ok(())
}
