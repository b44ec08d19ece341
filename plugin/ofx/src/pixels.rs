//! Samples between half float (how takes and plates are kept) and the four depths of a host's images.
//!
//! All functions work on one row. To host: byte `round(clamp(x, 0, 1) · 255)`, short
//! `round(clamp(x, 0, 1) · 65535)`, halves up, NaN as 0; half and float exact. From host: byte `v / 255`,
//! short `v / 65535`, half exact, float rounded to the nearest half and held inside its finite range (NaN stays).

use crate::format::{Components, Depth};
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::sync::LazyLock;

/// Pixels converted at a time where a row in between is needed.
const CHUNK: usize = 256;

/// Writes RGBA pixels into a host's row; returns the pixels written: the lesser of both rows.
///
/// `pixels` holds `4 · n` samples; `row` holds host pixels of the given depth and components, at any alignment.
pub fn write_row(depth: Depth, components: Components, pixels: &[f16], row: &mut [u8]) -> usize {
    let count = (pixels.len() / 4).min(row.len() / (components.count() * depth.bytes()));
    let (pixels, row) = (&pixels[..count * 4], &mut row[..count * components.count() * depth.bytes()]);
    match components {
        Components::Rgba => write_samples(depth, pixels, row),
        Components::Rgb => {
            write_picked(depth, pixels, row, |pixel, out| out.extend_from_slice(&pixel[..3]), 3)
        }
        Components::Alpha => write_picked(depth, pixels, row, |pixel, out| out.push(pixel[3]), 1),
    }
    count
}

/// Reads a host's row as RGBA pixels; returns the pixels read: the lesser of both rows.
///
/// RGB gets alpha 1; alpha alone is put into all four samples.
pub fn read_row(depth: Depth, components: Components, row: &[u8], pixels: &mut [f16]) -> usize {
    let pixel_bytes = components.count() * depth.bytes();
    let count = (pixels.len() / 4).min(row.len() / pixel_bytes);
    let (row, pixels) = (&row[..count * pixel_bytes], &mut pixels[..count * 4]);
    if components == Components::Rgba {
        read_samples(depth, row, pixels);
        return count;
    }
    let mut few = vec![f16::ZERO; CHUNK * components.count()];
    for (bytes, out) in row.chunks(CHUNK * pixel_bytes).zip(pixels.chunks_mut(CHUNK * 4)) {
        let few = &mut few[..bytes.len() / depth.bytes()];
        read_samples(depth, bytes, few);
        for (pixel, out) in few.chunks_exact(components.count()).zip(out.chunks_exact_mut(4)) {
            match pixel {
                [red, green, blue] => out.copy_from_slice(&[*red, *green, *blue, f16::ONE]),
                _ => out.fill(pixel[0]),
            }
        }
    }
    count
}

/// Adds a host's row to `sums`, sample by sample, in the depth's own codes (white is [`Depth::white`]); as many as the
/// lesser of both holds.
///
/// Floats are held inside the finite range of half; NaN stays.
pub fn add_row(depth: Depth, row: &[u8], sums: &mut [f32]) {
    match depth {
        Depth::Byte => sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += f32::from(*byte)),
        Depth::Short => sums
            .iter_mut()
            .zip(row.as_chunks::<2>().0)
            .for_each(|(sum, short)| *sum += f32::from(u16::from_ne_bytes(*short))),
        Depth::Half => {
            let (mut halves, mut floats) = ([f16::ZERO; CHUNK], [0f32; CHUNK]);
            for (bytes, sums) in row.chunks(CHUNK * 2).zip(sums.chunks_mut(CHUNK)) {
                let count = (bytes.len() / 2).min(sums.len());
                let (halves, floats) = (&mut halves[..count], &mut floats[..count]);
                bytemuck::cast_slice_mut(halves).copy_from_slice(&bytes[..count * 2]);
                halves.convert_to_f32_slice(floats);
                sums.iter_mut().zip(&*floats).for_each(|(sum, float)| *sum += float);
            }
        }
        Depth::Float => sums
            .iter_mut()
            .zip(row.as_chunks::<4>().0)
            .for_each(|(sum, own)| *sum += limited(f32::from_ne_bytes(*own))),
    }
}

fn write_picked(
    depth: Depth,
    pixels: &[f16],
    row: &mut [u8],
    pick: impl Fn(&[f16], &mut Vec<f16>),
    samples: usize,
) {
    let mut few = Vec::with_capacity(CHUNK * samples);
    for (pixels, row) in pixels.chunks(CHUNK * 4).zip(row.chunks_mut(CHUNK * samples * depth.bytes())) {
        few.clear();
        pixels.chunks_exact(4).for_each(|pixel| pick(pixel, &mut few));
        write_samples(depth, &few, row);
    }
}

/// As many samples as `from` holds, into `row`.
fn write_samples(depth: Depth, from: &[f16], row: &mut [u8]) {
    match depth {
        Depth::Byte => {
            let mut floats = [0f32; CHUNK];
            for (row, from) in row.chunks_mut(CHUNK).zip(from.chunks(CHUNK)) {
                let floats = &mut floats[..from.len()];
                from.convert_to_f32_slice(floats);
                row.iter_mut().zip(&*floats).for_each(|(byte, x)| *byte = to_byte(*x));
            }
        }
        Depth::Short => {
            let codes = &*SHORTS;
            let (shorts, _) = row.as_chunks_mut::<2>();
            shorts.iter_mut().zip(from).for_each(|(b, x)| *b = codes[x.to_bits() as usize].to_ne_bytes());
        }
        Depth::Half => row.copy_from_slice(bytemuck::cast_slice(from)),
        // A host's rows are aligned in practice; the other way is for the ones that are not.
        Depth::Float => match bytemuck::try_cast_slice_mut::<u8, f32>(row) {
            Ok(floats) => from.convert_to_f32_slice(floats),
            Err(_) => {
                let (floats, _) = row.as_chunks_mut::<4>();
                floats.iter_mut().zip(from).for_each(|(b, x)| *b = x.to_f32().to_ne_bytes());
            }
        },
    }
}

/// As many samples as `into` holds, out of `row`.
fn read_samples(depth: Depth, row: &[u8], into: &mut [f16]) {
    match depth {
        Depth::Half => bytemuck::cast_slice_mut(into).copy_from_slice(row),
        _ => {
            let mut floats = [0f32; CHUNK];
            for (bytes, into) in row.chunks(CHUNK * depth.bytes()).zip(into.chunks_mut(CHUNK)) {
                let floats = &mut floats[..into.len()];
                read_floats(depth, bytes, floats);
                into.convert_from_f32_slice(floats);
            }
        }
    }
}

/// Samples of bytes, shorts or floats. Halves are copied as they are.
fn read_floats(depth: Depth, bytes: &[u8], floats: &mut [f32]) {
    let floats = floats.iter_mut();
    match depth.bytes() {
        1 => floats.zip(bytes).for_each(|(float, byte)| *float = f32::from(*byte) / 255.0),
        2 => floats
            .zip(bytes.as_chunks::<2>().0)
            .for_each(|(float, short)| *float = f32::from(u16::from_ne_bytes(*short)) / 65535.0),
        _ => floats
            .zip(bytes.as_chunks::<4>().0)
            .for_each(|(float, own)| *float = limited(f32::from_ne_bytes(*own))),
    }
}

/// The code of every half, by its bits: looking it up is faster than computing it in doubles.
static SHORTS: LazyLock<Box<[u16]>> = LazyLock::new(|| every_half().map(|x| to_short(x.to_f32())).collect());

fn every_half() -> impl Iterator<Item = f16> {
    (0..=u16::MAX).map(f16::from_bits)
}

/// `round(clamp(x, 0, 1) · 255)`, NaN as 0. The product is exact for every half, as 11 bits times 8 fit into a float's 24.
///
/// A float of 2^23 or more has no fraction, so adding 2^23 rounds, and the low byte is the code; several pixels at a time, which
/// a conversion to integers is not. The one tie of all halves, ½, goes to the even 128, which is up; a half's NaN
/// ends in zeros.
fn to_byte(x: f32) -> u8 {
    const WHOLE: f32 = (1 << 23) as f32;
    (x.clamp(0.0, 1.0) * 255.0 + WHOLE).to_bits() as u8
}

/// `round(clamp(x, 0, 1) · 65535)`, in doubles, because 11 bits times 16 do not fit into a float.
fn to_short(x: f32) -> u16 {
    (f64::from(x).clamp(0.0, 1.0) * 65535.0 + 0.5) as u16
}

/// Held inside the finite range of half. NaN stays: whoever takes the pixels must be able to refuse it.
fn limited(x: f32) -> f32 {
    // As constants: a conversion asks what the processor can do, each time.
    const LEAST: f32 = f16::MIN.to_f32_const();
    const MOST: f32 = f16::MAX.to_f32_const();
    x.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The closed form in exact integer arithmetic: a half is `m · 2^-24` for an integer `m`.
    fn exact(x: f16, scale: i128) -> i128 {
        if x.is_nan() {
            return 0;
        }
        let clamped = x.to_f64().clamp(0.0, 1.0);
        let m = (clamped * f64::from(1u32 << 24)) as i128;
        (m * scale * 2 + (1 << 24)) >> 25
    }

    #[test]
    fn byte_and_short_are_the_closed_form_for_every_half_there_is() {
        for x in every_half() {
            let (mut byte, mut short) = ([0u8; 4], [0u8; 8]);
            write_row(Depth::Byte, Components::Rgba, &[x; 4], &mut byte);
            write_row(Depth::Short, Components::Rgba, &[x; 4], &mut short);
            assert_eq!(i128::from(byte[3]), exact(x, 255), "{x}");
            assert_eq!(i128::from(u16::from_ne_bytes([short[2], short[3]])), exact(x, 65535), "{x}");
        }
    }

    #[test]
    fn control_float_arithmetic_alone_is_not_exact_for_short() {
        let wrong =
            |x: f16| i128::from((x.to_f32().clamp(0.0, 1.0) * 65535.0 + 0.5) as u16) != exact(x, 65535);
        assert!(every_half().any(wrong), "the short test would not notice float arithmetic");
    }

    #[test]
    fn float_and_half_are_exact_for_every_half_at_any_alignment() {
        let all: Vec<f16> = every_half().collect();
        let mut half = vec![0u8; all.len() * 2];
        write_row(Depth::Half, Components::Rgba, &all, &mut half);
        assert!(half.chunks(2).zip(&all).all(|(b, x)| b == x.to_ne_bytes()));
        for shift in 0..4 {
            let mut float = vec![0u8; all.len() * 4 + shift];
            write_row(Depth::Float, Components::Rgba, &all, &mut float[shift..]);
            for (bytes, x) in float[shift..].chunks(4).zip(&all).filter(|(_, x)| !x.is_nan()) {
                assert_eq!(bytes, x.to_f32().to_ne_bytes());
            }
        }
    }

    #[test]
    fn what_every_depth_can_hold_comes_back() {
        for value in 0..=255u8 {
            let mut pixels = [f16::ZERO; 4];
            read_row(Depth::Byte, Components::Rgba, &[value; 4], &mut pixels);
            let mut back = [0u8; 4];
            write_row(Depth::Byte, Components::Rgba, &pixels, &mut back);
            assert_eq!(back, [value; 4]);
        }
    }

    #[test]
    fn floats_beyond_half_are_limited_and_nan_is_kept() {
        let row: Vec<u8> =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.5].iter().flat_map(|x| x.to_ne_bytes()).collect();
        let mut pixels = [f16::ZERO; 4];
        read_row(Depth::Float, Components::Rgba, &row, &mut pixels);
        assert!(pixels[0].is_nan());
        assert_eq!(pixels[1..], [f16::MAX, f16::MIN, f16::from_f32(2.5)]);
    }

    /// The closed form: a row added twice is twice what reading it gives, at any alignment.
    #[test]
    fn sums_of_rows_are_in_the_depth_s_own_codes() {
        for depth in Depth::ALL.iter().copied() {
            let halves: Vec<f16> = (0..1200).map(|i| f16::from_f32((i % 97) as f32 / 96.0)).collect();
            let mut row = vec![0u8; 1200 * depth.bytes() + 1];
            write_row(depth, Components::Rgba, &halves, &mut row[1..]);
            let mut read = vec![f16::ZERO; 1200];
            read_row(depth, Components::Rgba, &row[1..], &mut read);
            let mut sums = vec![0f32; 1200];
            (0..2).for_each(|_| add_row(depth, &row[1..], &mut sums));
            for (sum, value) in sums.iter().zip(&read) {
                assert!(
                    (sum / depth.white() / 2.0 - value.to_f32()).abs() < 5e-4,
                    "{depth:?}: {sum} for {value}"
                );
            }
            add_row(depth, &row[1..1 + 4 * depth.bytes()], &mut sums[..8]);
            assert!(sums[4] / depth.white() / 2.0 - read[4].to_f32() < 1e-3, "what the row lacks is left");
        }
        let mut sums = [0f32; 4];
        let odd: Vec<u8> =
            [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 2.0].iter().flat_map(|x| x.to_ne_bytes()).collect();
        add_row(Depth::Float, &odd, &mut sums);
        assert_eq!((sums[0], sums[1], sums[3]), (f16::MAX.to_f32(), f16::MIN.to_f32(), 2.0));
        assert!(sums[2].is_nan());
    }

    proptest! {
        /// RGB and alpha take the right samples, and the shorter row decides how many.
        #[test]
        fn components_are_picked_and_nothing_beyond_is_written(
            n in 0usize..700, room in 0usize..700, depth in prop::sample::select(Depth::ALL.to_vec()),
        ) {
            let pixels: Vec<f16> = (0..n * 4).map(|i| f16::from_f32((i % 101) as f32 / 101.0)).collect();
            for components in [Components::Rgb, Components::Alpha, Components::Rgba] {
                let size = components.count() * depth.bytes();
                let mut row = vec![0xAAu8; room * size + 3];
                let written = write_row(depth, components, &pixels, &mut row[..room * size]);
                prop_assert_eq!(written, n.min(room));
                prop_assert!(row[written * size..].iter().all(|byte| *byte == 0xAA));
                let mut back = vec![f16::NAN; written * 4];
                prop_assert_eq!(read_row(depth, components, &row[..written * size], &mut back), written);
                for (i, pixel) in back.chunks(4).enumerate() {
                    let was = &pixels[i * 4..i * 4 + 4];
                    let (sample, expected) = if components == Components::Alpha { (0, was[3]) } else { (1, was[1]) };
                    prop_assert!((pixel[sample].to_f32() - expected.to_f32()).abs() <= 0.5 / 255.0 + 1e-3);
                    if components == Components::Rgb { prop_assert_eq!(pixel[3], f16::ONE); }
                }
            }
        }
    }
}
