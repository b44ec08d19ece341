//! Canvas to held latents and coordinates: `LTXConditionPipeline.prepare_latents` and
//! `.add_noise_to_image_conditioning_latents`.

use ndarray::{Array3, Array5, ArrayView5, Axis, Zip, s};
use pickup_core::Result;
use pickup_package::LatentSpec;

use super::layout::{Clip, Layout};
use crate::grid::checked;
use crate::{Conditioning, Draw, Held, ModelCanvas, Purpose};

/// The transformer's input for where and when each token is.
pub(super) const COORDINATES: &str = "video_coords";
/// A ceiling below this holds a token for good.
const FIRM: f32 = 1e-6;

/// The conditioning of `canvas` for a latent of `shape` `(1, c, f, h, w)`.
pub(super) fn build(
    spec: &LatentSpec,
    canvas: &ModelCanvas,
    layout: &Layout,
    shape: [usize; 5],
    encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
) -> Result<Conditioning> {
    let held = layout.clips.iter().map(|clip| {
        let moments = encode(pixels(canvas, clip).view())?;
        let wanted = [1, 2 * shape[1], clip.places.len(), shape[3], shape[4]];
        let moments = checked(moments, wanted)?;
        let (mean, deviation) = moments.view().split_at(Axis(1), shape[1]);
        let (places, strength) = (clip.places.clone(), clip.strength);
        Ok(Held { mean: mean.to_owned(), deviation: deviation.to_owned(), places, strength })
    });
    let held: Vec<Held> = held.collect::<Result<_>>()?;
    let coordinates = coordinates(spec, canvas.rate, layout, shape);
    Ok(Conditioning {
        inputs: vec![(COORDINATES, coordinates.into())],
        references: layout.beside,
        start: None,
        ceilings: (!held.is_empty()).then(|| ceilings(&held, shape)),
        held,
    })
}

/// The frames of `clip` as the encoder takes them: `(1, 3, t, h, w)`.
fn pixels(canvas: &ModelCanvas, clip: &Clip) -> Array5<f32> {
    let frames = canvas.frames.slice(s![clip.frames.clone(), .., .., ..]);
    frames.permuted_axes([3, 0, 1, 2]).insert_axis(Axis(0)).as_standard_layout().into_owned()
}

/// The highest noise level of each token `(f, h, w)`.
fn ceilings(held: &[Held], [_, _, frames, height, width]: [usize; 5]) -> Array3<f32> {
    let mut ceilings = Array3::ones((frames, height, width));
    for held in held {
        for &place in &held.places {
            ceilings.index_axis_mut(Axis(0), place).fill(1.0 - held.strength);
        }
    }
    ceilings
}

/// Time in seconds, and row and column in pixels, of each token: `(1, 3, f, h, w)`. A latent frame is where
/// the first of its frames is.
fn coordinates(spec: &LatentSpec, rate: f64, layout: &Layout, shape: [usize; 5]) -> Array5<f32> {
    let second = (1.0 / rate) as f32;
    let time = |frame: usize| {
        let clip = frame.checked_sub(layout.beside).map(|index| (0, index));
        let (start, index) = clip.unwrap_or_else(|| layout.origins[frame]);
        let first = (index * spec.temporal + 1).saturating_sub(spec.temporal);
        (start + first) as f32 * second
    };
    let [_, _, frames, height, width] = shape;
    Array5::from_shape_fn((1, 3, frames, height, width), |(_, axis, f, y, x)| match axis {
        0 => time(f),
        1 => (y * spec.spatial) as f32,
        _ => (x * spec.spatial) as f32,
    })
}

/// `noise`, with held frames mixed in as firmly as they are held.
pub(super) fn begin(noise: Array5<f32>, conditioning: &Conditioning, draw: &mut Draw<'_>) -> Array5<f32> {
    let mut latent = noise;
    for (count, held) in conditioning.held.iter().enumerate() {
        let (_, channels, frames, height, width) = held.mean.dim();
        let unsure = draw(Purpose::Encoding, count, [1, channels, frames, height, width]);
        let known = &held.mean + &(&held.deviation * &unsure);
        for (&place, known) in held.places.iter().zip(known.axis_iter(Axis(2))) {
            let mut latent = latent.index_axis_mut(Axis(2), place);
            Zip::from(&mut latent).and(known).for_each(|x, &known| *x = mix(*x, known, held.strength));
        }
    }
    latent
}

/// From `a` to `b` by `share`, exact at both ends (PyTorch's `lerp`).
fn mix(a: f32, b: f32, share: f32) -> f32 {
    if share < 0.5 { a + share * (b - a) } else { b - (b - a) * (1.0 - share) }
}

/// `latent`, with noise of size `scale` over the frames of `first` that are held for good.
pub(super) fn renew(
    mut latent: Array5<f32>,
    first: &Array5<f32>,
    (step, scale): (usize, f32),
    conditioning: &Conditioning,
    draw: &mut Draw<'_>,
) -> Array5<f32> {
    let Some(ceilings) = conditioning.ceilings.as_ref().filter(|_| scale > 0.0) else { return latent };
    let (_, channels, frames, height, width) = latent.dim();
    let noise = draw(Purpose::Step, step, [1, channels, frames, height, width]);
    for ((mut latent, first), noise) in
        latent.axis_iter_mut(Axis(1)).zip(first.axis_iter(Axis(1))).zip(noise.axis_iter(Axis(1)))
    {
        let tokens = latent.index_axis_mut(Axis(0), 0);
        let (first, noise) = (first.index_axis(Axis(0), 0), noise.index_axis(Axis(0), 0));
        Zip::from(tokens).and(ceilings).and(&first).and(&noise).for_each(|x, &ceiling, &known, &noise| {
            if ceiling < FIRM {
                *x = known + scale * noise;
            }
        });
    }
    latent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_in_seconds_and_frames_beside_the_clip_are_where_they_belong() {
        let spec = LatentSpec { channels: 2, spatial: 32, temporal: 8 };
        let layout = Layout::of(&[vec![1.0; 9], vec![0.0; 15], vec![0.5; 17]].concat(), 8);
        let found = coordinates(&spec, 25.0, &layout, [1, 2, 8, 2, 3]);
        let frames: Vec<_> = found.slice(s![0, 0, .., 1, 2]).iter().map(|t| (t * 25.0).round()).collect();
        assert_eq!(frames, [24.0, 25.0, 0.0, 1.0, 9.0, 17.0, 25.0, 33.0]);
        assert_eq!(found.slice(s![0, 1.., 5, 1, 2]).to_vec(), [32.0, 64.0]);
    }

    #[test]
    fn mixing_is_exact_at_both_ends() {
        assert_eq!([mix(0.1, 0.7, 0.0), mix(0.1, 0.7, 1.0)], [0.1, 0.7]);
        assert!((mix(1.0, 3.0, 0.25) - 1.5).abs() < 1e-6 && (mix(1.0, 3.0, 0.75) - 2.5).abs() < 1e-6);
    }
}
