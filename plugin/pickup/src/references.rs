//! Reference pictures: files that become plates.

use image::{DynamicImage, ImageReader};
use pickup_core::{Error, PlateId, Result};
use pickup_takes::{PlateBuffer, Store, plate_from_rgba_f32, plate_from_rgba8, plate_from_rgba16};
use std::path::{Path, PathBuf};

/// Puts the pictures into the store.
///
/// # Errors
/// Of kind input, naming the file that cannot be read.
pub fn gather(store: &Store, paths: &[PathBuf]) -> Result<Vec<PlateId>> {
    paths.iter().map(|path| store.put_plate(&read(path)?.image())).collect()
}

fn read(path: &Path) -> Result<PlateBuffer> {
    let fault = |error: String| {
        Error::input(format!("the reference {} cannot be read: {error}.", path.display()))
            .hint("Choose a PNG, JPEG, TIFF, EXR or WebP file, or clear the field.")
    };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let picture = reader.map_err(|error| fault(error.to_string()))?.decode();
    convert(picture.map_err(|error| fault(error.to_string()))?)
}

/// As deep as the file is: 8 bits stay exact, floats keep values above 1.
fn convert(picture: DynamicImage) -> Result<PlateBuffer> {
    let (width, height) = (picture.width(), picture.height());
    match picture {
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
            plate_from_rgba_f32(width, height, picture.to_rgba32f().as_raw())
        }
        DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageLumaA16(_)
        | DynamicImage::ImageRgb16(_)
        | DynamicImage::ImageRgba16(_) => plate_from_rgba16(width, height, picture.to_rgba16().as_raw()),
        _ => plate_from_rgba8(width, height, picture.to_rgba8().as_raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_depth_and_a_bad_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reference.png");
        image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8 * 80, y as u8 * 200, 7]))
            .save(&path)
            .unwrap();
        let plate = read(&path).unwrap();
        assert_eq!((plate.width, plate.height), (3, 2));
        assert_eq!(plate.pixels[4].to_f32(), half::f16::from_f32(80.0 / 255.0).to_f32());
        assert_eq!(plate.pixels[3], half::f16::ONE);

        std::fs::write(&path, b"not a picture").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind, pickup_core::ErrorKind::Input);
        assert!(error.message.contains("reference.png") && !error.hint.is_empty());
        assert!(read(&folder.path().join("missing.png")).is_err());
    }
}
