//! What a seed means for a pass, at the size at which a Final works and at a smaller one.
//!
//! A draft at reduced size shares the Final's noise: each of its numbers stands for a block of the Final's. What is large
//! in a picture follows from what is large in the noise, so both show the same, as far as the model goes by it.

use ndarray::{Array5, Axis, s};
use pickup_families::Purpose;
use pickup_samplers::{Noise, Stream};
use std::ops::Range;

use crate::plan::Pass;

/// The noises that a seed means for one pass.
pub(crate) struct Noises {
    seed: u64,
    /// The pass's first latent frame on the canvas, in its own latent frames.
    first: usize,
    spacing: usize,
    /// Height and width of the grid whose noise a smaller one shares.
    grid: [usize; 2],
}

impl Noises {
    /// The noises of `seed` for `pass`; `grid` is the height and width of the latent whose noise a smaller one shares.
    pub fn new(seed: u64, pass: &Pass, temporal: usize, grid: [usize; 2]) -> Self {
        let first = pass.parts.iter().find_map(|part| part.frame()).unwrap_or(0);
        Self { seed, first: first / (pass.spacing * temporal), spacing: pass.spacing, grid }
    }

    /// The noise that is walked, of which the first `references` frames are not of the clip. A window at the
    /// timeline's rate gets what the whole canvas would have there, coarse passes and references have
    /// their own. Noise smaller than the grid is the grid's, reduced.
    pub fn walked(&self, shape: [usize; 5], references: usize) -> Array5<f32> {
        let (stream, first) = match self.spacing {
            1 => (Stream::Clip, self.first),
            // Levels of different spacing must not share noise: canvases end far below 2^16 frames.
            spacing => (Stream::Coarse, (spacing << 16) + self.first),
        };
        let [batch, channels, frames, height, width] = shape;
        let [tall, wide] = self.grid;
        let (tall, wide) = if height <= tall && width <= wide { (tall, wide) } else { (height, width) };
        let part = |frames| [batch, channels, frames, tall, wide];
        let own = Noise::new(self.seed, Stream::Reference).latent(part(references), 0);
        let clip = Noise::new(self.seed, stream).latent(part(frames - references), first as i32);
        let mut noise = Array5::zeros(shape);
        noise.slice_mut(s![.., .., ..references, .., ..]).assign(&reduced(own, [height, width]));
        noise.slice_mut(s![.., .., references.., .., ..]).assign(&reduced(clip, [height, width]));
        noise
    }

    /// The noise that a family asks for besides. Each count of each pass has its own: a canvas has fewer than
    /// 2^12 latent frames and a walk fewer than 2^10 steps.
    pub fn drawn(&self, purpose: Purpose, count: usize, shape: [usize; 5]) -> Array5<f32> {
        let stream = match purpose {
            Purpose::Encoding => Stream::Encoding,
            Purpose::Step => Stream::Step,
            Purpose::Decoding => Stream::Decoding,
        };
        let place = (((self.spacing << 10) + count) << 12) + self.first;
        Noise::new(self.seed, stream).latent(shape, place as i32)
    }
}

/// White noise `(b, c, t, h, w)` brought to a smaller height and width: the sum of each block over the root of its
/// count. Blocks do not overlap, so it is white and of variance 1 as before. What has the size already stays as it is.
fn reduced(noise: Array5<f32>, [height, width]: [usize; 2]) -> Array5<f32> {
    let (batch, channels, frames, tall, wide) = noise.dim();
    if (tall, wide) == (height, width) {
        return noise;
    }
    let (rows, columns) = (blocks(tall, height), blocks(wide, width));
    let mut small = Array5::zeros([batch, channels, frames, height, width]);
    for (mut small, noise) in small.axis_iter_mut(Axis(1)).zip(noise.axis_iter(Axis(1))) {
        for ((b, t, y, x), value) in small.indexed_iter_mut() {
            let block = noise.slice(s![b, t, rows[y].clone(), columns[x].clone()]);
            let sum: f64 = block.iter().copied().map(f64::from).sum();
            *value = (sum / (block.len() as f64).sqrt()) as f32;
        }
    }
    small
}

/// Where each of `count` blocks lies in `side` places; `count` is not more than `side`.
fn blocks(side: usize, count: usize) -> Vec<Range<usize>> {
    (0..count).map(|index| index * side / count..(index + 1) * side / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noises(grid: [usize; 2]) -> Noises {
        Noises { seed: 7, first: 0, spacing: 1, grid }
    }

    /// The closed form: a number of the draft is the sum of a block of the Final's over the root of its count.
    #[test]
    fn a_draft_s_noise_is_the_final_s_in_blocks() {
        let full = noises([8, 14]).walked([1, 3, 4, 8, 14], 1);
        let half = noises([8, 14]).walked([1, 3, 4, 4, 7], 1);
        for ((b, c, t, y, x), value) in half.indexed_iter() {
            let at = |dy: usize, dx: usize| f64::from(full[[b, c, t, 2 * y + dy, 2 * x + dx]]);
            let sum = at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1);
            assert!((f64::from(*value) - sum / 2.0).abs() < 1e-6);
        }
        let own = noises([4, 7]).walked([1, 3, 4, 4, 7], 1);
        assert!(own != half, "noise of its own is other noise");
    }

    #[test]
    fn it_stays_white_and_of_variance_one_at_any_ratio() {
        for (height, width) in [(26, 48), (30, 52), (41, 83), (7, 5)] {
            let noise = noises([60, 104]).walked([1, 16, 5, height, width], 0);
            let count = noise.len() as f64;
            let product = |dx: usize| -> f64 {
                let (a, b) =
                    (noise.slice(s![.., .., .., .., dx..]), noise.slice(s![.., .., .., .., ..width - dx]));
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() / count
            };
            let bound = 4.0 / count.sqrt();
            assert!((product(0) - 1.0).abs() < 1.5 * bound && product(1).abs() < bound, "{height}×{width}");
        }
    }

    #[test]
    fn what_is_as_large_as_the_grid_or_larger_keeps_its_own() {
        let own = noises([4, 7]).walked([1, 2, 3, 4, 7], 0);
        assert_eq!(own, Noise::new(7, Stream::Clip).latent([1, 2, 3, 4, 7], 0));
        let larger = noises([4, 7]).walked([1, 2, 3, 8, 7], 0);
        assert_eq!(larger, Noise::new(7, Stream::Clip).latent([1, 2, 3, 8, 7], 0));
    }
}
