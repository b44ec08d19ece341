//! Generated frames beside known ones.
//!
//! What the model makes has been through its VAE and another size, which shifts colour and light a
//! little. How much is seen on the known frames, which went the same way: the slow part of the
//! difference between a known frame and the model's version of it is added to the generated frames
//! next to it, fading with distance. So there is no jump of colour at a seam. Texture is left alone.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{Array3, Axis, Zip};
use pickup_core::{Error, Result};

use crate::detail::Details;
use crate::parallel;
use crate::resample::{Filter, resample};
use crate::stage::Given;

/// Frames over which a correction fades out: half a second at 24 fps.
const FADE: f32 = 12.0;
/// Cells along the shorter side of a picture in which differences are averaged: fine enough for a
/// lamp or a window, too coarse for an object that moves.
const CELLS: usize = 12;

/// A frame of a pass whose true look is known.
pub(crate) struct Anchor {
    /// Its place among the pass's frames.
    pub part: usize,
    /// What it should look like, `(h, w, 3)` in −1..1.
    pub truth: Array3<f32>,
}

/// The model's version of an anchor, corrected as its neighbours are.
pub(crate) struct Echo {
    /// Its place among the pass's frames.
    pub part: usize,
    /// What the model made of it, `(h, w, 3)` in −1..1.
    pub picture: Array3<f32>,
}

/// Brings `frames` (of one pass, `(h, w, 3)` in −1..1, `spacing` canvas frames apart) close to their
/// anchors, and replaces the anchors themselves by the truth. Returns what stood in the anchors' place.
///
/// # Errors
/// If sizes differ.
pub(crate) fn correct(frames: &mut [Array3<f32>], anchors: Vec<Anchor>, spacing: usize) -> Result<Vec<Echo>> {
    let maps = parallel::map(anchors.iter(), |anchor| {
        Ok((anchor.part, slow_difference(anchor, &frames[anchor.part])?))
    })?;
    let corrected = parallel::map(frames.iter().enumerate(), |(part, frame)| {
        if maps.iter().any(|(anchor, _)| *anchor == part) {
            return Ok(None);
        }
        correction(&maps, part, spacing, frame.dim()).map(|map| map.map(|map| frame + &map))
    })?;
    for (frame, corrected) in frames.iter_mut().zip(corrected) {
        if let Some(corrected) = corrected {
            *frame = corrected;
        }
    }
    let mut echoes = Vec::with_capacity(anchors.len());
    for (anchor, (part, map)) in anchors.into_iter().zip(maps) {
        let (height, width, _) = anchor.truth.dim();
        let made = std::mem::replace(&mut frames[part], anchor.truth);
        echoes.push(Echo { part, picture: made + &resample(&map, width, height, Filter::Smooth)? });
    }
    Ok(echoes)
}

/// The slow part of what the model's version of an anchor lacks, on a coarse grid.
fn slow_difference(anchor: &Anchor, made: &Array3<f32>) -> Result<Array3<f32>> {
    let (height, width, _) = made.dim();
    let shorter = height.min(width).max(1);
    let cells = |side: usize| (side * CELLS).div_ceil(shorter);
    resample(&(&anchor.truth - made), cells(width), cells(height), Filter::Area)
}

/// What is added to the frame `part`: the maps of the nearest anchor on each side, by closeness.
fn correction(
    maps: &[(usize, Array3<f32>)],
    part: usize,
    spacing: usize,
    (height, width, _): (usize, usize, usize),
) -> Result<Option<Array3<f32>>> {
    let before = maps.iter().rev().find(|(anchor, _)| *anchor < part);
    let after = maps.iter().find(|(anchor, _)| *anchor > part);
    let away = |anchor: usize| (anchor.abs_diff(part) * spacing) as f32;
    let distance =
        |side: Option<&(usize, Array3<f32>)>| side.map_or(f32::INFINITY, |(anchor, _)| away(*anchor));
    let (to_before, to_after) = (distance(before), distance(after));
    let (weight_before, weight_after) = weights(to_before, to_after);
    let mut sum: Option<Array3<f32>> = None;
    for (side, weight) in [(before, weight_before), (after, weight_after)] {
        if let Some((_, map)) = side.filter(|_| weight > 0.0) {
            let part = map * weight;
            sum = Some(sum.map_or(part.clone(), |sum| sum + &part));
        }
    }
    sum.map(|map| resample(&map, width, height, Filter::Smooth)).transpose()
}

/// Brings `frame` `(h, w, 3)` in −1..1, of which a part is known, close to that part, and puts it in its place.
///
/// The slow part of the difference is measured where the frame is known and carried on from there into what was
/// made, so that no shift of colour shows at the border.
///
/// # Errors
/// If sizes differ.
pub(crate) fn correct_part(frame: &mut Array3<f32>, given: &Given) -> Result<()> {
    let Some(known) = &given.known else { return Ok(()) };
    let (height, width, channels) = frame.dim();
    let known = Array3::from_shape_fn((height, width, channels), |(y, x, _)| known[[y, x]]);
    let cells = |side: usize| (side * CELLS).div_ceil(height.min(width).max(1));
    let difference = (&given.picture - &*frame) * &known;
    let sums = resample(&difference, cells(width), cells(height), Filter::Area)?;
    let weights = resample(&known, cells(width), cells(height), Filter::Area)?;
    let map = resample(&spread(&sums, &weights), width, height, Filter::Smooth)?;
    Zip::from(frame).and(&map).and(&known).and(&given.picture).for_each(|made, shift, known, truth| {
        *made = if *known > 0.5 { *truth } else { *made + shift };
    });
    Ok(())
}

/// Cells of which less than this share is known take the value of their neighbours.
const LEAST_KNOWN: f32 = 0.05;

/// Means of the cells of which enough is known, carried on into the others ring by ring, each new cell the mean
/// of its neighbours in the rings before. `sums` and `weights` are `(h, w, 3)`.
fn spread(sums: &Array3<f32>, weights: &Array3<f32>) -> Array3<f32> {
    let (height, width, _) = sums.dim();
    let mut settled = weights.index_axis(Axis(2), 0).mapv(|weight| weight > LEAST_KNOWN);
    let mut map = Zip::from(sums)
        .and(weights)
        .map_collect(|sum, weight| if *weight > LEAST_KNOWN { sum / weight } else { 0.0 });
    while settled.iter().any(|settled| *settled) && !settled.iter().all(|settled| *settled) {
        let before = settled.clone();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            if before[[y, x]] {
                continue;
            }
            let near = |at: usize, side: usize| at.saturating_sub(1)..(at + 2).min(side);
            let neighbours: Vec<_> = near(y, height)
                .flat_map(|y| near(x, width).map(move |x| (y, x)))
                .filter(|(y, x)| before[[*y, *x]])
                .collect();
            for channel in 0..3 {
                let sum: f32 = neighbours.iter().map(|(y, x)| map[[*y, *x, channel]]).sum();
                map[[y, x, channel]] = sum / neighbours.len().max(1) as f32;
            }
            settled[[y, x]] = !neighbours.is_empty();
        }
    }
    map
}

/// Weights of the corrections of two anchors at these distances, in frames. Each fades to 0 at
/// [`FADE`]; between two anchors they share by closeness, so that their sum never exceeds 1.
fn weights(before: f32, after: f32) -> (f32, f32) {
    let fade = |distance: f32| (1.0 - distance / FADE).max(0.0);
    match (before.is_finite(), after.is_finite()) {
        (true, true) => (fade(before) * after / (before + after), fade(after) * before / (before + after)),
        _ => (fade(before), fade(after)),
    }
}

/// The generated `frame` of the canvas, of which the model made `picture`, as the take keeps it: at the
/// timeline's size, with the detail of its known neighbours, 0..1, red green blue and full alpha.
///
/// # Errors
/// If a size is zero.
pub(crate) fn to_timeline(
    (frame, picture): (usize, &Array3<f32>),
    (width, height): (u32, u32),
    details: &Details,
) -> Result<Vec<f16>> {
    let mut sized = resample(picture, width as usize, height as usize, Filter::Sharp)?;
    details.carry(frame, picture, &mut sized)?;
    let sized = sized.as_standard_layout();
    let colours = sized.as_slice().ok_or_else(|| Error::runtime("a frame's rows are scattered."))?;
    let width = width as usize;
    let mut pixels = vec![f16::ZERO; width * 4 * height as usize];
    // A row at once, as the processor narrows several numbers in one step. Alpha stays 1.
    let mut row = vec![1.0; width * 4];
    for (colours, halves) in colours.chunks_exact(width * 3).zip(pixels.chunks_exact_mut(width * 4)) {
        for (colour, pixel) in colours.as_chunks::<3>().0.iter().zip(row.as_chunks_mut::<4>().0) {
            pixel[..3].copy_from_slice(&colour.map(|value| (value * 0.5 + 0.5).clamp(0.0, 1.0)));
        }
        halves.convert_from_f32_slice(&row);
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(value: f32) -> Array3<f32> {
        Array3::from_elem((24, 48, 3), value)
    }

    fn middle(frame: &Array3<f32>) -> f32 {
        frame[[12, 24, 1]]
    }

    #[test]
    fn a_shift_of_colour_is_undone_at_the_seam_and_fades() {
        // The model makes everything 0.1 too dark.
        let mut frames: Vec<_> = (0..30).map(|_| flat(-0.1)).collect();
        let anchors = (0..3).map(|part| Anchor { part, truth: flat(0.0) }).collect();
        correct(&mut frames, anchors, 1).unwrap();
        assert_eq!(frames[..3], [flat(0.0), flat(0.0), flat(0.0)], "known frames are the truth");
        let levels: Vec<f32> = frames[3..].iter().map(middle).collect();
        assert!((levels[0] + 0.1 / FADE).abs() < 1e-5, "one twelfth of the shift is left: {}", levels[0]);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1e-6), "it fades: {levels:?}");
        assert!((levels[20] + 0.1).abs() < 1e-6, "far away nothing is changed");
    }

    #[test]
    fn between_two_anchors_the_corrections_blend_and_never_add_up() {
        let mut frames: Vec<_> = (0..5).map(|_| flat(0.0)).collect();
        let anchors = vec![Anchor { part: 0, truth: flat(0.2) }, Anchor { part: 4, truth: flat(-0.2) }];
        correct(&mut frames, anchors, 1).unwrap();
        assert!(middle(&frames[1]) > 0.05 && middle(&frames[2]).abs() < 1e-6 && middle(&frames[3]) < -0.05);
        for before in 1..40 {
            for after in 1..40 {
                let (a, b) = weights(before as f32, after as f32);
                assert!(a >= 0.0 && b >= 0.0 && a + b <= 1.0);
            }
        }
    }

    #[test]
    fn a_known_part_stays_and_its_shift_of_colour_is_undone_beside_it() {
        // Known on the left half, of which the model made 0.1 too dark; as on the right, where nobody knows.
        let known = ndarray::Array2::from_shape_fn((24, 48), |(_, x)| f32::from(u8::from(x < 24)));
        let picture = Array3::from_shape_fn((24, 48, 3), |(_, x, _)| if x < 24 { 0.3 } else { 0.0 });
        let mut frame = flat(0.2);
        correct_part(&mut frame, &Given { picture: picture.clone(), known: Some(known) }).unwrap();
        for ((_, x, _), value) in frame.indexed_iter() {
            assert!((value - 0.3).abs() < 1e-5, "{x}: {value}");
        }
        // A frame that is known whole is none of this function's.
        let mut whole = flat(0.2);
        correct_part(&mut whole, &Given { picture, known: None }).unwrap();
        assert_eq!(whole, flat(0.2));
    }

    #[test]
    fn texture_is_left_alone() {
        let texture =
            Array3::from_shape_fn((24, 48, 3), |(y, x, _)| if (x + y) % 2 == 0 { 0.5 } else { -0.5 });
        let mut frames = vec![flat(0.0), flat(0.0)];
        correct(&mut frames, vec![Anchor { part: 0, truth: texture.clone() }], 1).unwrap();
        assert_eq!(frames[0], texture);
        assert!(frames[1].iter().all(|value| value.abs() < 1e-5));
    }

    #[test]
    fn a_frame_becomes_halves_of_the_timeline_s_size() {
        let frame = Array3::from_shape_fn((24, 48, 3), |(_, _, c)| [-1.0, 0.0, 3.0][c]);
        let pixels = to_timeline((0, &frame), (96, 54), &Details::default()).unwrap();
        assert_eq!(pixels.len(), 96 * 54 * 4);
        assert!(pixels.chunks(4).all(|pixel| {
            pixel[0].to_f32() < 1e-3 && (pixel[1].to_f32() - 0.5).abs() < 1e-3 && pixel[2..] == [f16::ONE; 2]
        }));
    }
}
