//! What an image of the host shows, and the plate it makes.

use half::f16;
use half::slice::HalfFloatSliceExt;
use pickup_core::{Error, Result};
use pickup_ofx::{Components, Depth, Image, RectI, pixels, threads};
use pickup_takes::PlateBuffer;
use std::ops::Range;

use crate::footage::{Colour, Look, Sketch};

/// Samples of a sketch along the wider and the other side.
const SKETCH: (usize, usize) = (48, 27);

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
    let first_row = image.row(bounds.y1).unwrap_or_default();
    let constant =
        first_row.chunks_exact(pixel).all(|other| other == first) && rows().all(|row| row == first_row);
    let transparent = match constant {
        true => is_transparent(&first, depth),
        false => rows().all(|row| is_transparent(row, depth)),
    };
    if components == Components::Rgba && transparent {
        Look::Transparent
    } else if constant {
        Look::Constant(colour(depth, components, &first))
    } else {
        Look::Picture
    }
}

/// The colour of a pixel of the host.
fn colour(depth: Depth, components: Components, pixel: &[u8]) -> Colour {
    let mut halves = [f16::ZERO; 4];
    pixels::read_row(depth, components, pixel, &mut halves);
    Colour([halves[0], halves[1], halves[2]].map(f16::to_bits))
}

/// Single pixels of the image at even distances.
#[must_use]
pub fn sketch(image: &Image<'_>) -> Sketch {
    let bounds = image.bounds();
    let (columns, rows) = (SKETCH.0.min(bounds.width()), SKETCH.1.min(bounds.height()));
    let middle = |index: usize, count: usize, side: usize| (2 * index + 1) * side / (2 * count.max(1));
    let mut samples = Vec::with_capacity(columns * rows);
    let mut row = vec![f16::ZERO; bounds.width() * 4];
    for y in 0..rows {
        let line = bounds.y1 + middle(y, rows, bounds.height()) as i32;
        pixels::read_row(image.depth(), image.components(), image.row(line).unwrap_or_default(), &mut row);
        for x in 0..columns {
            let at = middle(x, columns, bounds.width()) * 4;
            samples.push([row[at], row[at + 1], row[at + 2], row[at + 3]].map(f16::to_f32));
        }
    }
    Sketch(samples)
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
    let mut plate = plate_with_alpha(image)?;
    plate.pixels.chunks_exact_mut(4).for_each(|pixel| pixel[3] = f16::ONE);
    Ok(plate)
}

/// As [`plate`], with the image's own alpha.
///
/// # Errors
/// Of kind input if it has no pixels.
pub fn plate_with_alpha(image: &Image<'_>) -> Result<PlateBuffer> {
    let bounds = image.bounds();
    let (width, height) = size(bounds)?;
    let row_len = bounds.width() * 4;
    let mut pixels = vec![f16::ZERO; row_len * bounds.height()];
    for (y, into) in (bounds.y1..bounds.y2).rev().zip(pixels.chunks_exact_mut(row_len)) {
        pixels::read_row(image.depth(), image.components(), image.row(y).unwrap_or_default(), into);
    }
    Ok(PlateBuffer { width, height, pixels })
}

/// The image as a plate of at most about `most` pixels, each the mean of those it stands for.
///
/// # Errors
/// Of kind input if it has no pixels.
pub fn reduced_plate(image: &Image<'_>, most: usize) -> Result<PlateBuffer> {
    let bounds = image.bounds();
    size(bounds)?;
    let factor = ((bounds.width() * bounds.height()) as f64 / most as f64).sqrt().max(1.0);
    if factor == 1.0 {
        return plate(image);
    }
    let small = |side: usize| ((side as f64 / factor) as usize).max(1);
    let (width, height) = (small(bounds.width()), small(bounds.height()));
    // Where each pixel of the plate begins and ends, in pixels of the image.
    let parts = |count: usize, side: usize| -> Vec<Range<usize>> {
        (0..count).map(|index| index * side / count..(index + 1) * side / count).collect()
    };
    let (columns, lines) = (parts(width, bounds.width()), parts(height, bounds.height()));
    let row = |from_top: usize| image.row(bounds.y2 - 1 - from_top as i32).unwrap_or_default();
    let rows: Vec<&[u8]> = (0..bounds.height()).map(row).collect();
    let mut pixels = vec![f16::ONE; width * height * 4];
    let share = height.div_ceil(threads::part_count());
    let shares = lines.chunks(share).zip(pixels.chunks_mut(share * width * 4)).collect();
    let (depth, components) = (image.depth(), image.components());
    let done = threads::for_each(shares, |(lines, into): (&[Range<usize>], &mut [f16])| {
        for (line, into) in lines.iter().zip(into.chunks_exact_mut(width * 4)) {
            into.convert_from_f32_slice(&means(depth, components, &rows[line.clone()], &columns));
        }
    });
    if !done {
        return Err(Error::runtime("a thread failed while a frame was kept."));
    }
    Ok(PlateBuffer { width: width as u32, height: height as u32, pixels })
}

/// The mean colours, red, green, blue and alpha 1, of the pixels that lie in some rows and each of the ranges of
/// columns. Rows are summed first: that is where most of the samples go, and it runs through them in order.
fn means(depth: Depth, components: Components, rows: &[&[u8]], columns: &[Range<usize>]) -> Vec<f32> {
    let width = columns.last().map_or(0, |columns| columns.end);
    let mut sums = vec![0f32; width * components.count()];
    rows.iter().for_each(|row| pixels::add_row(depth, row, &mut sums));
    let share = 1.0 / (depth.white() * rows.len() as f32);
    match components {
        Components::Rgba => means_of_columns::<4>(&sums, columns, share),
        Components::Rgb => means_of_columns::<3>(&sums, columns, share),
        Components::Alpha => means_of_columns::<1>(&sums, columns, share),
    }
}

/// [`means`] of one row of sums, of `N` samples a pixel, of which a mean takes `share`.
fn means_of_columns<const N: usize>(sums: &[f32], columns: &[Range<usize>], share: f32) -> Vec<f32> {
    let (pixels, _) = sums.as_chunks::<N>();
    let mut means = Vec::with_capacity(columns.len() * 4);
    for columns in columns {
        let mut sum = [0f32; N];
        for pixel in &pixels[columns.clone()] {
            (0..N).for_each(|sample| sum[sample] += pixel[sample]);
        }
        let share = share / columns.len() as f32;
        let mean = |sample: usize| sum[sample.min(N - 1)] * share;
        means.extend([mean(0), mean(1), mean(2), 1.0]);
    }
    means
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

    /// The closed form: what is reduced is a ramp, whose means lie in the middle.
    #[test]
    fn a_part_s_colour_is_the_mean_of_its_pixels() {
        let row: Vec<u8> = (0..6u8).flat_map(|x| [x * 10, 255, 0, 255]).collect();
        let other: Vec<u8> = (0..6u8).flat_map(|x| [x * 10 + 20, 255, 0, 255]).collect();
        let columns = [0..2, 2..3, 3..6];
        let means = means(Depth::Byte, Components::Rgba, &[&row, &other], &columns);
        for (mean, code) in means.chunks(4).zip([15.0, 30.0, 50.0]) {
            assert!((mean[0] * 255.0 - code).abs() < 0.1 && mean[2] == 0.0, "{mean:?}");
            assert!((mean[1] - 1.0).abs() < 1e-6 && mean[3] == 1.0, "{mean:?}");
        }
        // Three samples a pixel, and one.
        let three = super::means(Depth::Byte, Components::Rgb, &[&[10, 20, 30, 30, 40, 50]], &[0..2]);
        assert!(three.iter().zip([20.0, 30.0, 40.0]).all(|(mean, code)| (mean * 255.0 - code).abs() < 0.1));
        let one = super::means(Depth::Byte, Components::Alpha, &[&[10, 30]], &[0..2]);
        assert!(one[..3].iter().all(|mean| (mean * 255.0 - 20.0).abs() < 0.1), "{one:?}");
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
