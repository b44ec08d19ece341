//! Pictures in memory, RGBA, rows from top to bottom.

use std::path::Path;

use image::{DynamicImage, ImageBuffer, Rgba, imageops};

use super::depth::{self, Sample};
use crate::HostError;
use crate::plan::{Depth, Premultiplication};

/// A picture as its file holds it: 8 bits, 16 bits or floating point.
#[derive(Clone, Debug)]
pub enum Picture {
    /// 8 bits.
    Byte(ImageBuffer<Rgba<u8>, Vec<u8>>),
    /// 16 bits.
    Short(ImageBuffer<Rgba<u16>, Vec<u16>>),
    /// Floating point.
    Float(ImageBuffer<Rgba<f32>, Vec<f32>>),
}

impl Picture {
    /// Reads a file.
    ///
    /// # Errors
    /// [`HostError::Media`] naming the file.
    pub fn read(path: &Path) -> Result<Self, HostError> {
        let told = |error: &dyn std::fmt::Display| HostError::Media(format!("{}: {error}", path.display()));
        let reader = image::ImageReader::open(path).map_err(|error| told(&error))?;
        let decoded = reader.decode().map_err(|error| told(&error))?;
        Ok(Self::from_image(decoded))
    }

    /// Keeps the depth of a decoded image.
    #[must_use]
    pub fn from_image(image: DynamicImage) -> Self {
        match image.color().bytes_per_pixel() / image.color().channel_count() {
            1 => Self::Byte(image.into_rgba8()),
            2 => Self::Short(image.into_rgba16()),
            _ => Self::Float(image.into_rgba32f()),
        }
    }

    /// One colour everywhere, RGBA at 1.0 white.
    #[must_use]
    pub fn solid(width: u32, height: u32, colour: [f32; 4]) -> Self {
        Self::Float(ImageBuffer::from_pixel(width, height, Rgba(colour)))
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Byte(image) => image.dimensions(),
            Self::Short(image) => image.dimensions(),
            Self::Float(image) => image.dimensions(),
        }
    }

    /// The picture at another size; as it is at its own.
    #[must_use]
    pub fn fitted(self, width: u32, height: u32) -> Self {
        if self.size() == (width, height) {
            return self;
        }
        let float = match self {
            Self::Byte(image) => DynamicImage::ImageRgba8(image).into_rgba32f(),
            Self::Short(image) => DynamicImage::ImageRgba16(image).into_rgba32f(),
            Self::Float(image) => image,
        };
        Self::Float(imageops::resize(&float, width, height, imageops::FilterType::Triangle))
    }

    /// The picture with alpha as a clip holds it, from straight alpha.
    #[must_use]
    pub fn held_as(self, how: Premultiplication) -> Self {
        match how {
            Premultiplication::Unpremultiplied => self,
            _ if self.is_opaque() => self,
            Premultiplication::Premultiplied => self.changed(|[r, g, b, a]| [r * a, g * a, b * a, a]),
            Premultiplication::Opaque => self.changed(|[r, g, b, _]| [r, g, b, 1.0]),
        }
    }

    fn is_opaque(&self) -> bool {
        match self {
            Self::Byte(image) => image.pixels().all(|pixel| pixel.0[3] == u8::MAX),
            Self::Short(image) => image.pixels().all(|pixel| pixel.0[3] == u16::MAX),
            Self::Float(image) => image.pixels().all(|pixel| pixel.0[3] == 1.0),
        }
    }

    /// Changes pixels in floating point.
    fn changed(self, change: impl Fn([f32; 4]) -> [f32; 4]) -> Self {
        fn floats<S: Sample>(samples: &[S]) -> Vec<f32> {
            samples.iter().map(|s| s.float()).collect()
        }
        let (width, height) = self.size();
        let mut samples = match self {
            Self::Byte(image) => floats(image.as_raw()),
            Self::Short(image) => floats(image.as_raw()),
            Self::Float(image) => image.into_raw(),
        };
        for pixel in samples.as_chunks_mut::<4>().0 {
            *pixel = change(*pixel);
        }
        ImageBuffer::from_raw(width, height, samples)
            .map_or_else(|| Self::solid(width, height, [0.0; 4]), Self::Float)
    }

    /// The samples as bytes of a depth, rows from top to bottom, no padding.
    #[must_use]
    pub fn packed(&self, to: Depth) -> Vec<u8> {
        match self {
            Self::Byte(image) => depth::encode(image.as_raw(), to),
            Self::Short(image) => depth::encode(image.as_raw(), to),
            Self::Float(image) => depth::encode(image.as_raw(), to),
        }
    }
}
