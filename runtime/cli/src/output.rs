//! A take's frames as files.
//!
//! They are written into a folder aside and renamed, so that the wanted folder holds a whole take
//! or none.

use half::f16;
use image::codecs::openexr::OpenExrEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageResult};
use pickup_core::{Error, Result};
use pickup_takes::{Take, u8_from_half, u16_from_half};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

use crate::args::Format;

/// A folder that is going to hold a take. Made before the work, so that a place which cannot be
/// written is told before it and not after; dropped without [`Output::write`] it leaves nothing.
pub(crate) struct Output {
    aside: TempDir,
    place: PathBuf,
    format: Format,
    overwrite: bool,
    /// Parents that had to be made, innermost last.
    made: Vec<PathBuf>,
}

impl Output {
    /// Prepares `place`.
    ///
    /// # Errors
    /// Of kind usage if it is not empty and may not be overwritten, of kind storage if it cannot be
    /// written.
    pub(crate) fn prepare(place: &Path, format: Format, overwrite: bool) -> Result<Self> {
        let place = std::path::absolute(place).map_err(|error| unwritable(place, &error))?;
        if !overwrite {
            check_empty(&place)?;
        }
        let parent = place.parent().unwrap_or(&place).to_owned();
        let made = missing_ancestors(&parent);
        let aside = fs::create_dir_all(&parent)
            .and_then(|()| tempfile::Builder::new().prefix(".pickup-").tempdir_in(&parent))
            .inspect_err(|_| remove_empty(&made))
            .map_err(|error| unwritable(&place, &error))?;
        Ok(Self { aside, place, format, overwrite, made })
    }

    /// Writes the frames and the record, and returns where the frames are.
    ///
    /// # Errors
    /// Of kind storage if the take is damaged or a file cannot be written.
    pub(crate) fn write(mut self, take: &Take) -> Result<Vec<PathBuf>> {
        let folder = self.aside.path().join("take");
        let write = || -> Result<Vec<String>> {
            fs::create_dir(&folder).map_err(|error| unwritable(&self.place, &error))?;
            write_record(take, &folder).map_err(|error| unwritable(&self.place, &error))?;
            write_frames(take, &folder, &self.place, self.format)
        };
        let names = write()?;
        self.settle(&folder).map_err(|error| unwritable(&self.place, &error))?;
        self.made.clear();
        Ok(names.iter().map(|name| self.place.join(name)).collect())
    }

    fn settle(&self, folder: &Path) -> io::Result<()> {
        if !self.place.exists() {
            return fs::rename(folder, &self.place);
        }
        if self.overwrite {
            return replace_take(folder, &self.place);
        }
        // Empty when we began; if it no longer is, this fails and nothing is lost.
        fs::remove_dir(&self.place)?;
        fs::rename(folder, &self.place)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // The folder aside lies in the innermost parent, so it goes first.
        let _ = fs::remove_dir_all(self.aside.path());
        remove_empty(&self.made);
    }
}

fn check_empty(place: &Path) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::usage(format!("expected an empty or new folder, but {} {what}.", place.display()))
            .hint("Choose another --out, or say --overwrite."))
    };
    match fs::read_dir(place).map(Iterator::count) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if place.is_file() => refuse("is a file"),
        Err(error) => Err(unwritable(place, &error)),
        Ok(0) => Ok(()),
        Ok(_) => refuse("is not empty"),
    }
}

/// Puts a take where another was. Only what a take consists of is replaced: a folder of something
/// else is not lost by a slip of the pen.
fn replace_take(folder: &Path, place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_ours) {
            fs::remove_file(path)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        fs::rename(entry.path(), place.join(entry.file_name()))?;
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let number = name.strip_prefix("frame_").and_then(|rest| rest.split_once('.'));
    name == "take.json"
        || number.is_some_and(|(digits, extension)| {
            digits.len() == 6
                && digits.bytes().all(|b| b.is_ascii_digit())
                && ["png", "exr"].contains(&extension)
        })
}

fn missing_ancestors(folder: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<_> =
        folder.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

fn unwritable(place: &Path, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Free some space, or choose another --out."
        }
        _ => "Choose an --out that you may write to.",
    };
    Error::storage(format!("writing {} failed: {error}.", place.display())).hint(hint)
}

fn write_record(take: &Take, folder: &Path) -> io::Result<()> {
    fs::write(folder.join("take.json"), serde_json::to_vec_pretty(take.record())?)
}

/// The names of the frames, written into `folder`; errors name `place`, where they are to be.
fn write_frames(take: &Take, folder: &Path, place: &Path, format: Format) -> Result<Vec<String>> {
    let frames = 0..take.frame_count() as usize;
    let extension = if format == Format::Exr { "exr" } else { "png" };
    frames
        .map(|frame| {
            let name = format!("frame_{frame:06}.{extension}");
            let pixels = take.checked_frame(frame)?;
            let picture = Picture { width: take.width(), height: take.height(), pixels };
            picture.write(&folder.join(&name), &place.join(&name), format)?;
            Ok(name)
        })
        .collect()
}

/// A frame `(h, w, 4)`, whose colours are written. Its alpha tells what was made from what was known, and both are
/// the picture.
struct Picture<'a> {
    width: u32,
    height: u32,
    pixels: &'a [f16],
}

impl Picture<'_> {
    /// Writes the file `path`; errors name `shown`.
    fn write(&self, path: &Path, shown: &Path, format: Format) -> Result<()> {
        self.encode(path, format).map_err(|error| match error {
            image::ImageError::IoError(error) => unwritable(shown, &error),
            other => Error::storage(format!("writing {} failed: {other}.", shown.display())),
        })
    }

    fn encode(&self, path: &Path, format: Format) -> ImageResult<()> {
        let mut file = BufWriter::new(File::create_new(path)?);
        match format {
            Format::Png => {
                let kind = ExtendedColorType::Rgb8;
                self.put(PngEncoder::new(&mut file), kind, |value| [u8_from_half(value)])?;
            }
            Format::Png16 => {
                let kind = ExtendedColorType::Rgb16;
                self.put(PngEncoder::new(&mut file), kind, |value| u16_from_half(value).to_ne_bytes())?;
            }
            Format::Exr => {
                let kind = ExtendedColorType::Rgb32F;
                self.put(OpenExrEncoder::new(&mut file), kind, |value| value.to_f32().to_ne_bytes())?;
            }
        }
        Ok(file.flush()?)
    }

    /// The encoders take bytes in the machine's order.
    fn put<const SIZE: usize>(
        &self,
        encoder: impl ImageEncoder,
        kind: ExtendedColorType,
        convert: impl Fn(f16) -> [u8; SIZE],
    ) -> ImageResult<()> {
        let values = self.pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]);
        let bytes: Vec<u8> = values.flat_map(|&value| convert(value)).collect();
        encoder.write_image(&bytes, self.width, self.height, kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_take_s_files_are_ours() {
        for ours in ["take.json", "frame_000000.png", "frame_123456.exr"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in
            ["frame_0.png", "frame_000000.mov", "frame_abcdef.png", "notes.txt", "take.json.bak", "frame_"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn a_place_that_is_given_up_leaves_no_parents() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a").join("b").join("out");
        drop(Output::prepare(&place, Format::Png, false).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
