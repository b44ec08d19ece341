//! Real frames at small sizes, as files and as samples.

use image::{DynamicImage, RgbImage, imageops};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::places::media;

/// A run of 8-bit PNG files.
#[derive(Clone, Debug)]
pub struct Footage {
    folder: PathBuf,
    frames: Range<u32>,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl Footage {
    /// Cuts `frames` of the real footage and brings them to a size.
    pub(crate) fn cut(folder: &Path, frames: Range<u32>, size: (u32, u32)) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        for frame in frames.clone() {
            picture(frame, size).save(folder.join(format!("{frame:06}.png"))).unwrap();
        }
        Self { folder: folder.to_owned(), frames, size }
    }

    /// The files' pattern, whose numbers are those of the footage.
    pub fn pattern(&self) -> String {
        self.folder.join("%06d.png").display().to_string()
    }

    /// The folder.
    pub fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// One file.
    pub fn file(&self, frame: u32) -> PathBuf {
        self.folder.join(format!("{frame:06}.png"))
    }

    /// Numbers of the frames.
    pub fn frames(&self) -> Range<u32> {
        self.frames.clone()
    }

    /// A frame's samples as a host of byte depth holds them: `(h, w, 4)`, top row first, alpha 255.
    pub fn rgba(&self, frame: u32) -> Vec<u8> {
        DynamicImage::from(image::open(self.file(frame)).unwrap().into_rgb8()).into_rgba8().into_raw()
    }
}

/// A frame of the real footage at a size.
pub fn picture(frame: u32, (width, height): (u32, u32)) -> RgbImage {
    let file = media().join(format!("{frame:06}.webp"));
    let picture = image::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    imageops::resize(&picture.into_rgb8(), width, height, imageops::FilterType::Triangle)
}

/// Mean absolute difference of the colours of two RGBA frames of 8 bits, in codes.
pub fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "frames of two sizes");
    let colour = |pixels: &[u8]| pixels.chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect::<Vec<_>>();
    let (a, b) = (colour(a), colour(b));
    a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}
