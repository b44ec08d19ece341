//! From the numbers of files and hosts to the halves of the store, and back.
//!
//! These are the only such conversions: the plugin and the command line both go through here, so
//! the same picture is the same plate, and the same job the same take, wherever it was begun.
//!
//! - 8 bit: `value / 255`; 16 bit: `value / 65535`; both in single precision, then rounded to the
//!   nearest half, ties to even (IEEE 754).
//! - float: limited to ±65504, the largest half, then rounded likewise. NaN stays, and is refused
//!   by the store.
//! - No curve is applied: values stay in the encoding that the canvas names.

use half::f16;
use pickup_core::{Error, Result};

use crate::PlateImage;

/// A picture of its own, ready for [`Store::put_plate`](crate::Store::put_plate).
#[derive(Clone, Debug, PartialEq)]
pub struct PlateBuffer {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `(h, w, 4)` red, green, blue, alpha, top row first.
    pub pixels: Vec<f16>,
}

impl PlateBuffer {
    /// As the store takes it.
    pub fn image(&self) -> PlateImage<'_> {
        PlateImage { width: self.width, height: self.height, pixels: &self.pixels }
    }
}

/// `value / 255` as a half.
pub fn half_from_u8(value: u8) -> f16 {
    f16::from_f32(f32::from(value) / 255.0)
}

/// `value / 65535` as a half.
pub fn half_from_u16(value: u16) -> f16 {
    f16::from_f32(f32::from(value) / 65535.0)
}

/// `value`, limited to what a half can hold, as a half. NaN stays NaN.
pub fn half_from_f32(value: f32) -> f16 {
    f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}

/// The 8-bit code nearest to `value`, 0 to 1. NaN is 0. It undoes [`half_from_u8`] exactly.
pub fn u8_from_half(value: f16) -> u8 {
    (value.to_f32().clamp(0.0, 1.0) * 255.0).round() as u8
}

/// The 16-bit code nearest to `value`, 0 to 1. NaN is 0. A half has 11 bits, so this does not undo
/// [`half_from_u16`]. In doubles: 11 bits times 16 do not fit into a float.
pub fn u16_from_half(value: f16) -> u16 {
    (value.to_f64().clamp(0.0, 1.0) * 65535.0).round() as u16
}

/// A plate of `(h, w, 4)` 8-bit values, top row first.
///
/// # Errors
/// Of kind input, if size and pixels do not agree.
pub fn plate_from_rgba8(width: u32, height: u32, pixels: &[u8]) -> Result<PlateBuffer> {
    convert(width, height, pixels, half_from_u8)
}

/// A plate of `(h, w, 4)` 16-bit values, top row first.
///
/// # Errors
/// Of kind input, if size and pixels do not agree.
pub fn plate_from_rgba16(width: u32, height: u32, pixels: &[u16]) -> Result<PlateBuffer> {
    convert(width, height, pixels, half_from_u16)
}

/// A plate of `(h, w, 4)` floats, top row first.
///
/// # Errors
/// Of kind input, if size and pixels do not agree.
pub fn plate_from_rgba_f32(width: u32, height: u32, pixels: &[f32]) -> Result<PlateBuffer> {
    convert(width, height, pixels, half_from_f32)
}

fn convert<T: Copy>(width: u32, height: u32, pixels: &[T], half: impl Fn(T) -> f16) -> Result<PlateBuffer> {
    let expected = u64::from(width) * u64::from(height) * 4;
    if pixels.len() as u64 != expected {
        return Err(Error::input(format!(
            "expected {expected} values for {width}×{height} pixels, got {}.",
            pixels.len()
        )));
    }
    Ok(PlateBuffer { width, height, pixels: pixels.iter().map(|&value| half(value)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_exactly_and_floats_of_bytes_are_the_same_plate() {
        for value in 0..=u8::MAX {
            assert_eq!(u8_from_half(half_from_u8(value)), value);
            assert_eq!(half_from_f32(f32::from(value) / 255.0), half_from_u8(value));
        }
    }

    /// Every half is `m · 2^-24` for an integer `m`, so the nearest code has a closed form; halves go up.
    #[test]
    fn sixteen_bits_are_the_nearest_to_every_half() {
        let exact = |value: f16| {
            let m = (value.to_f64().clamp(0.0, 1.0) * f64::from(1u32 << 24)) as u64;
            ((m * 65535 * 2 + (1 << 24)) >> 25) as u16
        };
        let halves = || (0..=u16::MAX).map(f16::from_bits).filter(|value| !value.is_nan());
        assert!(halves().all(|value| u16_from_half(value) == exact(value)));
        // In floats it goes wrong.
        let in_floats = |value: f16| (value.to_f32().clamp(0.0, 1.0) * 65535.0).round() as u16;
        assert!(halves().any(|value| in_floats(value) != exact(value)));
        assert_eq!(u16_from_half(f16::NAN), 0);
    }

    #[test]
    fn sixteen_bits_come_back_to_a_half_s_precision() {
        for value in (0..=u16::MAX).step_by(7) {
            let back = u16_from_half(half_from_u16(value));
            // Half an ulp of a half in [0.5, 1) is 2⁻¹², in 16-bit codes 16.
            assert!(back.abs_diff(value) <= 16, "{value} came back as {back}");
        }
    }

    #[test]
    fn extremes_are_limited_and_nan_is_left_to_be_refused() {
        assert_eq!(half_from_f32(1e9), f16::MAX);
        assert_eq!(half_from_f32(f32::NEG_INFINITY), f16::MIN);
        assert!(half_from_f32(f32::NAN).is_nan());
        assert_eq!(u8_from_half(f16::NAN), 0);
        assert_eq!(u8_from_half(f16::from_f32(-3.0)), 0);
        assert_eq!(u8_from_half(f16::from_f32(7.0)), 255);
        assert!(plate_from_rgba8(2, 2, &[0; 15]).is_err());
    }
}
