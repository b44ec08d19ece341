//! Pictures `(h, w, 3)` of any range brought to another size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::Array3;
use pickup_core::{Error, Result};

/// How pixels are weighed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filter {
    /// Sharp, for pictures. Lanczos of three lobes; antialiased when it makes smaller.
    Sharp,
    /// The mean of the area, for making coarse maps.
    Area,
    /// Smooth and without overshoot, for bringing coarse maps back.
    Smooth,
}

/// `picture` at `width` × `height` pixels. Values are not clamped.
///
/// # Errors
/// If a size is zero.
pub(crate) fn resample(
    picture: &Array3<f32>,
    width: usize,
    height: usize,
    filter: Filter,
) -> Result<Array3<f32>> {
    let (from_height, from_width, channels) = picture.dim();
    if (from_height, from_width) == (height, width) {
        return Ok(picture.clone());
    }
    let fault = |why: String| Error::input(format!("a picture cannot be scaled to {width}×{height}: {why}."));
    if channels != 3 {
        return Err(fault(format!("expected 3 channels, got {channels}")));
    }
    let source = picture.as_standard_layout();
    let source = source.as_slice().ok_or_else(|| fault("its rows are scattered".into()))?;
    let source =
        ImageRef::new(from_width as u32, from_height as u32, bytemuck::cast_slice(source), PixelType::F32x3)
            .map_err(|error| fault(error.to_string()))?;
    let mut pixels = vec![0f32; width * height * 3];
    let bytes = bytemuck::cast_slice_mut(&mut pixels);
    let mut target = Image::from_slice_u8(width as u32, height as u32, bytes, PixelType::F32x3)
        .map_err(|error| fault(error.to_string()))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(match filter {
        Filter::Sharp => FilterType::Lanczos3,
        Filter::Area => FilterType::Box,
        Filter::Smooth => FilterType::Bilinear,
    }));
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| fault(error.to_string()))?;
    Array3::from_shape_vec((height, width, 3), pixels).map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_stay_whatever_their_range() {
        for (width, height) in [(7, 5), (32, 18), (100, 33)] {
            for filter in [Filter::Sharp, Filter::Area, Filter::Smooth] {
                let flat = Array3::from_shape_fn((18, 32, 3), |(_, _, c)| [-2.5, 0.5, 7.0][c]);
                let out = resample(&flat, width, height, filter).unwrap();
                assert_eq!(out.dim(), (height, width, 3));
                for (at, value) in out.indexed_iter() {
                    assert!((value - [-2.5, 0.5, 7.0][at.2]).abs() < 1e-4, "{filter:?} {at:?} {value}");
                }
            }
        }
    }

    #[test]
    fn a_slow_wave_survives_the_way_down_and_up() {
        let wave = |size: (usize, usize)| {
            Array3::from_shape_fn((size.0, size.1, 3), |(y, x, c)| {
                let (u, v) = ((x as f32 + 0.5) / size.1 as f32, (y as f32 + 0.5) / size.0 as f32);
                0.5 + 0.4 * (std::f32::consts::TAU * (2.0 * u + v) + c as f32).sin()
            })
        };
        let down = resample(&wave((180, 320)), 80, 48, Filter::Sharp).unwrap();
        let error = |a: &Array3<f32>, b: &Array3<f32>, inset: usize| {
            let (height, width, _) = a.dim();
            let inside =
                |y: usize, x: usize| y >= inset && x >= inset && y < height - inset && x < width - inset;
            a.indexed_iter()
                .filter(|((y, x, _), _)| inside(*y, *x))
                .map(|(at, value)| (value - b[at]).abs())
                .fold(0.0, f32::max)
        };
        assert!(error(&down, &wave((48, 80)), 4) < 0.01, "no shift on the way down");
        let up = resample(&down, 320, 180, Filter::Sharp).unwrap();
        assert!(error(&up, &wave((180, 320)), 16) < 0.01, "no shift on the way up");
        let shifted = Array3::from_shape_fn((48, 80, 3), |(y, x, c)| down[[y, (x + 1) % 80, c]]);
        assert!(error(&shifted, &wave((48, 80)), 4) > 0.05, "a shift by one pixel is noticed");
    }
}
