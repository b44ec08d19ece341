//! One picture in memory.

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the numbers of a picture relate to light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// Display-referred Rec.709 primaries with the sRGB curve (IEC 61966-2-1); 0..1 is the display.
    #[default]
    Srgb,
}

/// A picture: `(h, w, c)` with c = 3 (red, green, blue), top row first, in a named encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pixels: Array3<f32>,
    encoding: Encoding,
}

impl Frame {
    /// A frame of `pixels` `(h, w, 3)`.
    ///
    /// # Errors
    /// If the array is empty, has other than 3 channels, or holds a value that is not finite.
    pub fn new(pixels: Array3<f32>, encoding: Encoding) -> Result<Self> {
        let (height, width, channels) = pixels.dim();
        if height == 0 || width == 0 || channels != 3 {
            return Err(Error::input(format!(
                "expected a picture of 3 channels, got {width}×{height}×{channels}."
            )));
        }
        if pixels.iter().any(|value| !value.is_finite()) {
            return Err(Error::input("expected finite pixel values, got NaN or infinity.")
                .hint("Check the node or clip before Pickup for division by zero."));
        }
        Ok(Self { pixels, encoding })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.pixels.dim().1 as u32
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.pixels.dim().0 as u32
    }

    /// How the numbers relate to light.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The values `(h, w, 3)`.
    pub fn pixels(&self) -> &Array3<f32> {
        &self.pixels
    }
}
