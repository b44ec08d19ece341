//! Plates of which a part is known: what outpainting and removing start from.
//!
//! Alpha is 1 where a pixel is known and 0 where it is to be made. What is to be made holds no colour, so that the
//! same task is the same plate whatever was there. Plugin and command line both come through here.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use half::f16;
use pickup_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{PlateBuffer, half_from_f32};

/// Where a picture lies on a larger canvas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Its size over its own, 0.05 to 4.
    pub scale: f64,
    /// How far its middle lies right of the canvas's, in the canvas's widths, −1 to 1.
    pub x: f64,
    /// How far its middle lies below the canvas's, in the canvas's heights, −1 to 1.
    pub y: f64,
}

/// A rectangle in shares of the picture's sides, from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge, 0 to 1.
    pub left: f64,
    /// Top edge, 0 to 1.
    pub top: f64,
    /// Width, 0 to 1.
    pub width: f64,
    /// Height, 0 to 1.
    pub height: f64,
}

/// A picture's rectangle on a canvas, in whole pixels from the canvas's top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Left edge; negative where the picture begins outside.
    pub left: i64,
    /// Top edge.
    pub top: i64,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Placement {
    /// Whether the picture's pixels stay as they are, only elsewhere.
    pub fn keeps_size(&self) -> bool {
        self.scale == 1.0
    }

    /// The pixels of a canvas that a picture covers; sizes in pixels.
    pub fn on(&self, picture: (u32, u32), canvas: (u32, u32)) -> Placed {
        let side = |length: u32| (f64::from(length) * self.scale).round().clamp(1.0, 65_536.0) as u32;
        let (width, height) = (side(picture.0), side(picture.1));
        let start = |own: u32, whole: u32, offset: f64| {
            ((f64::from(whole) - f64::from(own)) / 2.0 + offset * f64::from(whole)).round() as i64
        };
        let (left, top) = (start(width, canvas.0, self.x), start(height, canvas.1, self.y));
        Placed { left, top, width, height }
    }
}

impl PlateBuffer {
    /// The picture on a canvas of another size; what it does not cover, and what is transparent in it, is to be
    /// made.
    ///
    /// # Errors
    /// Of kind usage if scale or offset are out of range, or nothing of the picture is left, or nothing of the
    /// canvas is to be made.
    pub fn placed(&self, canvas: (u32, u32), placement: Placement) -> Result<Self> {
        let fine = (0.05..=4.0).contains(&placement.scale)
            && [placement.x, placement.y].iter().all(|offset| (-1.0..=1.0).contains(offset));
        if !fine {
            return Err(Error::usage(format!(
                "expected a scale of 0.05 to 4 and offsets of -1 to 1, got {} and {}, {}.",
                placement.scale, placement.x, placement.y
            ))
            .hint("Set scale and offset so that the picture lies on the canvas."));
        }
        let at = placement.on((self.width, self.height), canvas);
        let picture = self.resized(at.width, at.height)?;
        let mut plate = Self {
            width: canvas.0,
            height: canvas.1,
            pixels: vec![f16::ZERO; canvas.0 as usize * canvas.1 as usize * 4],
        };
        let covered = |start: i64, own: u32, whole: u32| {
            start.clamp(0, i64::from(whole))..(start + i64::from(own)).clamp(0, i64::from(whole))
        };
        let columns = covered(at.left, at.width, canvas.0);
        for y in covered(at.top, at.height, canvas.1) {
            for x in columns.clone() {
                let from = ((y - at.top) as usize * at.width as usize + (x - at.left) as usize) * 4;
                let to = (y as usize * canvas.0 as usize + x as usize) * 4;
                plate.pixels[to..to + 4].copy_from_slice(&picture.pixels[from..from + 4]);
            }
        }
        plate.settle_alpha(|pixel| pixel[3].to_f32() >= 0.5);
        plate.check_parts(
            "Make the picture smaller, or the canvas larger, and let some of the picture stay.",
        )?;
        Ok(plate)
    }

    /// The picture without a rectangle, which is to be made.
    ///
    /// # Errors
    /// Of kind usage if the rectangle is empty or the whole picture.
    pub fn without(&self, region: Region) -> Result<Self> {
        let edges = |start: f64, length: f64, side: u32| {
            let at = |share: f64| (share.clamp(0.0, 1.0) * f64::from(side)).round() as usize;
            at(start)..at(start + length)
        };
        let columns = edges(region.left, region.width, self.width);
        let rows = edges(region.top, region.height, self.height);
        let width = self.width as usize;
        let mut plate = self.clone();
        for (index, pixel) in plate.pixels.chunks_exact_mut(4).enumerate() {
            let inside = columns.contains(&(index % width)) && rows.contains(&(index / width));
            pixel[3] = if inside { f16::ZERO } else { f16::ONE };
        }
        plate.settle_alpha(|pixel| pixel[3] == f16::ONE);
        plate.check_parts("Set the region to a part of the picture.")?;
        Ok(plate)
    }

    /// The picture without what a mask of its size covers: where the lesser of the mask's brightness and alpha is
    /// ½ or more.
    ///
    /// # Errors
    /// Of kind input if sizes differ, of kind usage if the mask covers nothing or everything.
    pub fn without_masked(&self, mask: &Self) -> Result<Self> {
        if (self.width, self.height) != (mask.width, mask.height) {
            return Err(Error::input(format!(
                "expected a mask of {}×{}, got {}×{}.",
                self.width, self.height, mask.width, mask.height
            ))
            .hint("Bring the mask to the picture's size."));
        }
        let mut plate = self.clone();
        for (pixel, mask) in plate.pixels.chunks_exact_mut(4).zip(mask.pixels.chunks_exact(4)) {
            let [red, green, blue, alpha] = [mask[0], mask[1], mask[2], mask[3]].map(f16::to_f32);
            let covers = ((red + green + blue) / 3.0).min(alpha) >= 0.5;
            pixel[3] = if covers { f16::ZERO } else { f16::ONE };
        }
        plate.settle_alpha(|pixel| pixel[3] == f16::ONE);
        plate.check_parts("Let the mask be white over the region that should go, and black elsewhere.")?;
        Ok(plate)
    }

    /// Alpha 1 where a pixel is known, and nothing at all where it is not.
    fn settle_alpha(&mut self, known: impl Fn(&[f16]) -> bool) {
        for pixel in self.pixels.chunks_exact_mut(4) {
            if known(pixel) {
                pixel[3] = f16::ONE;
            } else {
                pixel.fill(f16::ZERO);
            }
        }
    }

    fn check_parts(&self, hint: &str) -> Result<()> {
        let known = self.pixels.chunks_exact(4).filter(|pixel| pixel[3] == f16::ONE).count();
        let fault = match known {
            0 => "nothing of the picture is left",
            _ if known * 4 == self.pixels.len() => "there is nothing to make: the picture stays whole",
            _ => return Ok(()),
        };
        Err(Error::usage(format!("{fault}.")).hint(hint))
    }

    /// The picture at another size, by Lanczos of three lobes; values are not clamped.
    ///
    /// # Errors
    /// Of kind input if a size is zero.
    pub fn resized(&self, width: u32, height: u32) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let fault =
            |why: String| Error::input(format!("the picture cannot be scaled to {width}×{height}: {why}."));
        let source: Vec<f32> = self.pixels.iter().map(|sample| sample.to_f32()).collect();
        let source = ImageRef::new(self.width, self.height, bytemuck::cast_slice(&source), PixelType::F32x4)
            .map_err(|error| fault(error.to_string()))?;
        let mut pixels = vec![0f32; width as usize * height as usize * 4];
        let mut target =
            Image::from_slice_u8(width, height, bytemuck::cast_slice_mut(&mut pixels), PixelType::F32x4)
                .map_err(|error| fault(error.to_string()))?;
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(false);
        Resizer::new().resize(&source, &mut target, &options).map_err(|error| fault(error.to_string()))?;
        Ok(Self { width, height, pixels: pixels.into_iter().map(half_from_f32).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pickup_core::ErrorKind;
    use proptest::prelude::*;

    /// Red is the column, green the row, in hundredths.
    fn ramp(width: u32, height: u32) -> PlateBuffer {
        let pixel = |i: u32| [(i % width) as f32 / 100.0, (i / width) as f32 / 100.0, 0.5, 1.0];
        let pixels = (0..width * height).flat_map(pixel).map(f16::from_f32).collect();
        PlateBuffer { width, height, pixels }
    }

    fn at(plate: &PlateBuffer, x: u32, y: u32) -> &[f16] {
        &plate.pixels[((y * plate.width + x) * 4) as usize..][..4]
    }

    proptest! {
        /// At its own size every pixel is the picture's own, moved, and everything else is empty.
        #[test]
        fn a_moved_picture_is_exact(x in -0.4f64..0.4, y in -0.4f64..0.4, width in 30u32..60, height in 20u32..40) {
            let (picture, placement) = (ramp(20, 10), Placement { scale: 1.0, x, y });
            let place = placement.on((20, 10), (width, height));
            let plate = picture.placed((width, height), placement).unwrap();
            for (column, row) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
                let (own_x, own_y) = (i64::from(column) - place.left, i64::from(row) - place.top);
                let expected = if (0..20).contains(&own_x) && (0..10).contains(&own_y) {
                    at(&picture, own_x as u32, own_y as u32)
                } else {
                    &[f16::ZERO; 4]
                };
                prop_assert_eq!(at(&plate, column, row), expected);
            }
        }
    }

    #[test]
    fn half_the_size_lies_in_the_middle_and_looks_the_same() {
        let placement = Placement { scale: 0.5, x: 0.0, y: 0.0 };
        let plate = ramp(40, 20).placed((40, 20), placement).unwrap();
        let known = plate.pixels.chunks(4).filter(|pixel| pixel[3] == f16::ONE).count();
        assert_eq!(known, 20 * 10);
        assert_eq!(at(&plate, 9, 10)[3], f16::ZERO);
        // Pixel 20 of the canvas is the tenth of the small picture: columns 20 and 21 of the large one.
        assert!((at(&plate, 20, 10)[0].to_f32() - 0.205).abs() < 2e-3);
    }

    #[test]
    fn a_region_goes_and_the_rest_is_untouched() {
        let picture = ramp(40, 20);
        let region = Region { left: 0.25, top: 0.5, width: 0.5, height: 0.25 };
        let plate = picture.without(region).unwrap();
        for (x, y) in (0..40).flat_map(|x| (0..20).map(move |y| (x, y))) {
            let inside = (10..30).contains(&x) && (10..15).contains(&y);
            let expected = if inside { &[f16::ZERO; 4] } else { at(&picture, x, y) };
            assert_eq!(at(&plate, x, y), expected, "{x} {y}");
        }
        let mut mask = ramp(40, 20);
        for (index, pixel) in mask.pixels.chunks_exact_mut(4).enumerate() {
            let inside = (10..30).contains(&(index % 40)) && (10..15).contains(&(index / 40));
            pixel[..3].fill(if inside { f16::ONE } else { f16::ZERO });
        }
        assert_eq!(picture.without_masked(&mask).unwrap(), plate);
    }

    #[test]
    fn what_leaves_nothing_to_make_or_to_keep_is_refused() {
        let picture = ramp(40, 20);
        let region = |width| Region { left: 0.0, top: 0.0, width, height: width };
        let place = |scale, x| picture.placed((40, 20), Placement { scale, x, y: 0.0 });
        for result in [
            picture.without(region(0.0)),
            picture.without(region(1.0)),
            place(1.0, 0.0),
            place(2.0, 0.0),
            place(0.5, 1.0),
            place(9.0, 0.0),
            picture.without_masked(&picture),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage);
            assert!(!error.hint.is_empty(), "{error}");
        }
        assert_eq!(picture.without_masked(&ramp(20, 10)).unwrap_err().kind, ErrorKind::Input);
    }
}
