//! Known frames and references.

use half::f16;
use ndarray::{ArrayView3, s};
use pickup_core::{Encoding, Error, Frame, PlateId, Result};
use std::io::Write;
use std::path::Path;

use crate::aside::Aside;
use crate::fault::{damaged, storage, while_};
use crate::files::{create_parent, note_use, plate_file};
use crate::format::{Header, Layout, frame_hash};
use crate::map::Mapped;

/// A picture to be put into the store.
#[derive(Clone, Copy, Debug)]
pub struct PlateImage<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `(h, w, 4)` red, green, blue, alpha, top row first, in the canvas's encoding.
    pub pixels: &'a [f16],
}

impl PlateImage<'_> {
    fn layout(&self) -> Result<Layout> {
        let layout = Layout::new(self.width, self.height, 1)
            .map_err(|fault| Error::input(format!("the picture does not fit: {fault}.")))?;
        if self.pixels.len() != layout.frame_len() {
            return Err(Error::input(format!(
                "expected {} values for {}×{} pixels, got {}.",
                layout.frame_len(),
                self.width,
                self.height,
                self.pixels.len()
            )));
        }
        Ok(layout)
    }

    /// The id it has in any store.
    ///
    /// # Errors
    /// Of kind input, if size and pixels do not agree, or a value is not finite.
    pub fn id(&self) -> Result<PlateId> {
        self.layout()?;
        if self.pixels.iter().any(|value| !value.is_finite()) {
            return Err(Error::input("expected finite pixel values, got NaN or infinity.")
                .hint("Check the node or clip before Pickup for division by zero."));
        }
        Ok(PlateId::from_bytes(frame_hash(self.width, self.height, self.pixels)))
    }
}

/// A plate of the store, mapped.
pub struct Plate {
    id: PlateId,
    layout: Layout,
    mapped: Mapped,
}

impl Plate {
    /// The plate's id.
    pub fn id(&self) -> PlateId {
        self.id
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.layout.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.layout.height
    }

    /// `(h, w, 4)` red, green, blue, alpha, top row first.
    pub fn pixels(&self) -> &[f16] {
        self.mapped.halves(self.layout.frame_offset(0), self.layout.frame_len())
    }

    /// `(w, 4)` of the row `y`, counted from the top; empty where there is none.
    pub fn row(&self, y: u32) -> &[f16] {
        let length = self.layout.row_len();
        let start = y as usize * length;
        self.pixels().get(start..start + length).unwrap_or_default()
    }

    /// The picture without its alpha, `(h, w, 3)`.
    ///
    /// # Errors
    /// Of kind input, if a value is not finite.
    pub fn to_frame(&self) -> Result<Frame> {
        let shape = (self.height() as usize, self.width() as usize, 4);
        let view = ArrayView3::from_shape(shape, self.pixels()).map_err(|error| {
            Error::storage(format!("the plate {} does not fit its size: {error}.", self.id))
        })?;
        Frame::new(view.slice(s![.., .., ..3]).mapv(f16::to_f32), Encoding::Srgb)
    }
}

/// Writes the plate if the store lacks it, or has a damaged one.
///
/// It is not synced: a plate that a power cut damaged is noticed here, and written again.
pub(crate) fn put(root: &Path, image: &PlateImage<'_>) -> Result<PlateId> {
    let id = image.id()?;
    if open(root, &id).is_err() {
        write(root, image, &id)?;
    }
    Ok(id)
}

fn write(root: &Path, image: &PlateImage<'_>, id: &PlateId) -> Result<()> {
    let hash = frame_hash(image.width, image.height, image.pixels);
    let header = Header { layout: image.layout()?, record: [0; 32], frames: vec![hash] };
    let path = plate_file(root, &id.to_string());
    create_parent(&path)?;
    let aside = Aside::new(root)?;
    let written = aside.folder().join("plate");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create_new(&written)?;
        file.write_all(&header.to_bytes())?;
        file.write_all(bytemuck::cast_slice(image.pixels))
    };
    write().map_err(while_("writing", &path))?;
    std::fs::rename(&written, &path).map_err(while_("writing", &path))
}

/// Maps a plate and checks all of it.
pub(crate) fn open(root: &Path, id: &PlateId) -> Result<Plate> {
    let path = plate_file(root, &id.to_string());
    if !path.is_file() {
        return Err(missing(&path, id));
    }
    let mapped = Mapped::open(&path)?;
    let header = Header::read(mapped.bytes()).map_err(|fault| damaged(&path, fault))?;
    let plate = Plate { id: *id, layout: header.layout, mapped };
    let hash = frame_hash(plate.width(), plate.height(), plate.pixels());
    // Also the stored hash: no byte of the file may differ from what was written.
    if header.layout.frames != 1 || PlateId::from_bytes(hash) != *id || header.frames != [hash] {
        return Err(damaged(&path, "its pixels do not match its name"));
    }
    note_use(&path);
    Ok(plate)
}

fn missing(path: &Path, id: &PlateId) -> Error {
    let error = std::io::Error::from(std::io::ErrorKind::NotFound);
    storage("opening the plate", path, &error)
        .within(format!("known frame {} is not in the store", id.short()))
        .hint("Generate again: the frames are then gathered anew.")
}
