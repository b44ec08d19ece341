//! What an image of the host shows, and the plate it makes.

use half::f16;
use pickup_core::{Error, Result};
use pickup_ofx::{Components, Depth, Image, RectI, pixels};
use pickup_takes::PlateBuffer;

use crate::span::Look;

/// What an image shows. Looks no further than it must: a picture is told by its first rows.
#[must_use]
pub fn look(image: &Image<'_>) -> Look {
    let (depth, components) = (image.depth(), image.components());
    let bounds = image.bounds();
    if bounds.is_empty() {
        return Look::Missing;
    }
    let rows = || (bounds.y1..bounds.y2).filter_map(|y| image.row(y));
    let pixel = depth.bytes() * components.count();
    let Some(first) = image.row(bounds.y1).and_then(|row| row.get(..pixel)).map(<[u8]>::to_vec) else {
        return Look::Missing;
    };
    let constant = rows().all(|row| row.chunks_exact(pixel).all(|other| other == first));
    if components == Components::Rgba && rows().all(|row| is_transparent(row, depth)) {
        Look::Transparent
    } else if constant {
        Look::Constant
    } else {
        Look::Picture
    }
}

/// Whether the alpha of every RGBA pixel of a row is 0 (for floats: plus or minus 0).
fn is_transparent(row: &[u8], depth: Depth) -> bool {
    let size = depth.bytes();
    row.chunks_exact(4 * size).all(|pixel| is_zero(&pixel[3 * size..], depth))
}

fn is_zero(sample: &[u8], depth: Depth) -> bool {
    let float = matches!(depth, Depth::Half | Depth::Float);
    // The sign bit is in the last byte on little-endian machines, the first on others.
    let sign = if cfg!(target_endian = "little") { sample.len() - 1 } else { 0 };
    sample.iter().enumerate().all(|(index, byte)| {
        let mask = if float && index == sign { 0x7F } else { 0xFF };
        byte & mask == 0
    })
}

/// The image as a plate: top row first, RGB as it is, alpha 1.
///
/// Values stay in the host's encoding, which is taken for display-referred.
///
/// # Errors
/// Of kind input if it has no pixels.
pub fn plate(image: &Image<'_>) -> Result<PlateBuffer> {
    let bounds = image.bounds();
    let (width, height) = size(bounds)?;
    let row_len = bounds.width() * 4;
    let mut pixels = vec![f16::ZERO; row_len * bounds.height()];
    for (y, into) in (bounds.y1..bounds.y2).rev().zip(pixels.chunks_exact_mut(row_len)) {
        let row = image.row(y).unwrap_or_default();
        pixels::read_row(image.depth(), image.components(), row, into);
        into.chunks_exact_mut(4).for_each(|pixel| pixel[3] = f16::ONE);
    }
    Ok(PlateBuffer { width, height, pixels })
}

/// Width and height of a rectangle of pixels.
///
/// # Errors
/// Of kind input if it is empty.
pub fn size(bounds: RectI) -> Result<(u32, u32)> {
    let sides = (u32::try_from(bounds.width()), u32::try_from(bounds.height()));
    match sides {
        (Ok(width), Ok(height)) if width > 0 && height > 0 => Ok((width, height)),
        _ => Err(Error::input(format!(
            "expected a picture, got {}×{} pixels.",
            bounds.width(),
            bounds.height()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_alpha_is_zero_in_every_depth_and_nothing_else_is() {
        assert!(is_zero(&0u8.to_ne_bytes(), Depth::Byte));
        assert!(!is_zero(&128u8.to_ne_bytes(), Depth::Byte));
        assert!(!is_zero(&0x8000u16.to_ne_bytes(), Depth::Short));
        assert!(is_zero(&f16::NEG_ZERO.to_ne_bytes(), Depth::Half));
        assert!(is_zero(&(-0.0f32).to_ne_bytes(), Depth::Float));
        assert!(!is_zero(&1e-30f32.to_ne_bytes(), Depth::Float));
    }

    #[test]
    fn one_visible_pixel_makes_a_row_visible() {
        let mut row = vec![0u8; 4 * 10];
        assert!(is_transparent(&row, Depth::Byte));
        row[4 * 6] = 200;
        assert!(is_transparent(&row, Depth::Byte), "colour without alpha is not seen");
        row[4 * 6 + 3] = 1;
        assert!(!is_transparent(&row, Depth::Byte));
    }
}
