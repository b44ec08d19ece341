//! Picture files.

use image::{ColorType, DynamicImage, ImageReader, Limits};
use pickup_core::{Canvas, Error, Result};
use pickup_takes::{PlateBuffer, plate_from_rgba_f32, plate_from_rgba8, plate_from_rgba16};
use std::path::Path;

/// Ends of the names of picture files, in lower case.
pub(crate) const EXTENSIONS: [&str; 7] = ["png", "tif", "tiff", "exr", "jpg", "jpeg", "webp"];

/// Whether a file's name is a picture's.
pub(crate) fn is_picture(path: &Path) -> bool {
    extension(path).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// The end of a file's name in lower case.
pub(crate) fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Reads a picture at its own depth, as it is encoded.
///
/// # Errors
/// Of kind input, naming the file.
pub(crate) fn read(path: &Path) -> Result<PlateBuffer> {
    let image = decode(path).map_err(|error| unreadable(path, &error))?;
    to_plate(image).map_err(|error| error.within(path.display()))
}

fn decode(path: &Path) -> image::ImageResult<DynamicImage> {
    // By content, as the name may lie.
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(Canvas::MAX_SIDE);
    limits.max_image_height = Some(Canvas::MAX_SIDE);
    // 16k × 16k in floats.
    limits.max_alloc = Some(u64::from(Canvas::MAX_SIDE).pow(2) * 16);
    reader.limits(limits);
    reader.decode()
}

fn to_plate(image: DynamicImage) -> Result<PlateBuffer> {
    let (width, height) = (image.width(), image.height());
    match image.color() {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => {
            plate_from_rgba8(width, height, &image.into_rgba8())
        }
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            plate_from_rgba16(width, height, &image.into_rgba16())
        }
        _ => plate_from_rgba_f32(width, height, &image.into_rgba32f()),
    }
}

fn unreadable(path: &Path, error: &image::ImageError) -> Error {
    let mut why = error.to_string();
    why.truncate(why.find('\n').unwrap_or(why.len()));
    Error::input(format!("expected a picture, but {} cannot be read: {why}.", path.display()))
        .hint("Give a PNG, TIFF, EXR, JPEG or WebP file that opens in a viewer.")
}
