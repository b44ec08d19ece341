//! Writing rendered frames: PNG, EXR and exact bytes.

use std::path::Path;

use image::{DynamicImage, ImageBuffer};

use super::depth::{self, Sample};
use crate::HostError;
use crate::plan::{Depth, Premultiplication};

/// A rendered frame: rows from top to bottom without padding.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel depth.
    pub depth: Depth,
    /// Bytes.
    pub rows: Vec<u8>,
    /// How alpha is held.
    pub held_as: Premultiplication,
}

/// Writes an image, by the name's ending: `.exr` as 32-bit float; else 8 bits for byte, 16 for the rest.
///
/// PNG holds straight alpha; EXR holds what was rendered.
///
/// # Errors
/// [`HostError::Media`] naming the file.
pub fn image(frame: &Rendered, path: &Path) -> Result<(), HostError> {
    make_folder(path)?;
    let exr = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("exr"));
    let picture = if exr { as_float(frame) } else { as_integers(frame) };
    let picture =
        picture.ok_or_else(|| HostError::Media(format!("{}: wrong number of bytes", path.display())))?;
    picture.save(path).map_err(|error| HostError::Media(format!("{}: {error}", path.display())))
}

/// Writes the exact bytes.
///
/// # Errors
/// [`HostError::Media`] naming the file.
pub fn raw(frame: &Rendered, path: &Path) -> Result<(), HostError> {
    make_folder(path)?;
    std::fs::write(path, &frame.rows)
        .map_err(|error| HostError::Media(format!("{}: {error}", path.display())))
}

fn make_folder(path: &Path) -> Result<(), HostError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| HostError::Media(format!("{}: {error}", folder.display())))
}

fn as_float(frame: &Rendered) -> Option<DynamicImage> {
    let samples = depth::decode(&frame.rows, frame.depth);
    ImageBuffer::from_raw(frame.width, frame.height, samples).map(DynamicImage::ImageRgba32F)
}

fn as_integers(frame: &Rendered) -> Option<DynamicImage> {
    let (width, height) = (frame.width, frame.height);
    let translucent = frame.held_as == Premultiplication::Premultiplied && has_alpha(frame);
    match frame.depth {
        Depth::Byte if !translucent => {
            ImageBuffer::from_raw(width, height, frame.rows.clone()).map(DynamicImage::ImageRgba8)
        }
        Depth::Short if !translucent => {
            ImageBuffer::from_raw(width, height, depth::shorts(&frame.rows)).map(DynamicImage::ImageRgba16)
        }
        Depth::Byte => {
            let samples = straight(frame).iter().map(|s| s.byte()).collect();
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba8)
        }
        _ => {
            let samples = straight(frame).iter().map(|s| s.short()).collect();
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgba16)
        }
    }
}

fn has_alpha(frame: &Rendered) -> bool {
    depth::decode(&frame.rows, frame.depth).iter().skip(3).step_by(4).any(|&alpha| alpha < 1.0)
}

/// Samples with colour divided by alpha, where it is premultiplied.
fn straight(frame: &Rendered) -> Vec<f32> {
    let mut samples = depth::decode(&frame.rows, frame.depth);
    if frame.held_as == Premultiplication::Premultiplied {
        for [r, g, b, a] in samples.as_chunks_mut::<4>().0 {
            if *a > 0.0 {
                (*r, *g, *b) = (*r / *a, *g / *a, *b / *a);
            }
        }
    }
    samples
}
