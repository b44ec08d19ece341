//! The VAE: frames to latents and back.
//!
//! A causal video VAE goes through a clip in steps ([`Stepped`]), with the network's memory handed on. Its decoder may
//! be in two stages: one that mixes the whole picture, and one that sees a neighbourhood only and may be run on tiles
//! ([`tiles`]).

mod graphs;
mod stepped;
pub mod tiles;

use ndarray::{Array4, Array5, ArrayView5, Axis, Zip, s};
use pickup_core::{Cancel, Error, Result, Tensor};

pub use graphs::{DecoderGraphs, Network, Open};
pub use stepped::Stepped;
use tiles::Tiles;

/// The encoding half of a VAE.
pub struct Encoder<'g> {
    /// `frames` (1, 3, t, h, w) in −1..1 → latents (1, c, f, h', w').
    pub graphs: Stepped<'g>,
    /// Frames to a latent frame after the first; `latent.temporal` of the manifest.
    pub temporal: usize,
    /// Latent frames per run, at least 1. More is faster and takes more memory.
    pub chunk: usize,
}

impl Encoder<'_> {
    /// Encodes frames `(1, 3, t, h, w)` in −1..1, `t = temporal·n + 1`, to latents `(1, c, n + 1, h', w')`.
    ///
    /// # Errors
    /// If `t` is not of that form, a run fails, or `cancel` is raised.
    pub fn encode(&mut self, frames: ArrayView5<'_, f32>, cancel: &Cancel) -> Result<Array5<f32>> {
        let count = frames.len_of(Axis(2));
        if count == 0 || !(count - 1).is_multiple_of(self.temporal) {
            return Err(Error::model(format!(
                "the VAE expected {} n + 1 frames, got {count}.",
                self.temporal
            )));
        }
        self.graphs.whole(("frames", frames), self.temporal * self.chunk.max(1), cancel)
    }
}

/// The decoding half of a VAE.
pub struct Decoder<'g> {
    /// The stage that sees the whole picture: `latent` (1, c, f, h, w) → `features` of the same h and w. Without it
    /// the other one takes the latent.
    pub mid: Option<Stepped<'g>>,
    /// The stage that sees a neighbourhood: features or latent → frames in −1..1.
    pub last: Stepped<'g>,
    /// What the last stage takes besides, by name. What has the latent's shape is cut with it into tiles.
    pub inputs: Vec<(String, Tensor)>,
    /// Latent frames per run, at least 1.
    pub chunk: usize,
    /// How the picture is cut for the last stage; not at all without it.
    pub tiles: Option<Tiles>,
}

impl Decoder<'_> {
    /// Decodes a latent `(1, c, f, h, w)`. Frames come in order, as they are made: `on_frames` gets the index of the
    /// first and `(t, h, w, 3)`, clamped to −1..1. In tiles all frames come at the end; `on_tile` hears how many are
    /// done, and of how many.
    ///
    /// # Errors
    /// If a run or `on_frames` fails, or `cancel` is raised.
    pub fn decode(
        &mut self,
        latent: ArrayView5<'_, f32>,
        on_frames: &mut dyn FnMut(usize, Array4<f32>) -> Result<()>,
        on_tile: &mut dyn FnMut(usize, usize),
        cancel: &Cancel,
    ) -> Result<()> {
        let Some(tiles) = self.tiles else {
            let inputs = std::mem::take(&mut self.inputs);
            return self.stepwise(latent, &inputs, on_frames, cancel);
        };
        let frames = match &mut self.mid {
            Some(mid) => {
                let features = mid.whole(("latent", latent), self.chunk, cancel)?;
                self.tiled(("features", features.view()), tiles, on_tile, cancel)?
            }
            None => self.tiled(("latent", latent), tiles, on_tile, cancel)?,
        };
        on_frames(0, frames)
    }

    /// Whole pictures, both stages step by step.
    fn stepwise(
        &mut self,
        latent: ArrayView5<'_, f32>,
        inputs: &[(String, Tensor)],
        on_frames: &mut dyn FnMut(usize, Array4<f32>) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<()> {
        inputs.iter().try_for_each(|(name, tensor)| self.last.first.bind(name, tensor))?;
        let pieces = self.last.pieces(latent.len_of(Axis(2)), self.chunk);
        let mut mid = self.mid.as_mut().map(Stepped::begin);
        let mut last = self.last.begin();
        let mut made = 0;
        for piece in pieces {
            let piece = latent.slice(s![.., .., piece, .., ..]);
            let frames = pictures(match &mut mid {
                Some(mid) => last.step("features", mid.step("latent", piece, cancel)?.view(), cancel)?,
                None => last.step("latent", piece, cancel)?,
            });
            let count = frames.len_of(Axis(0));
            on_frames(made, frames)?;
            made += count;
        }
        drop(last);
        self.last.first.unbind();
        Ok(())
    }

    /// The last stage, tile by tile, each through the whole clip.
    fn tiled(
        &mut self,
        (name, given): (&str, ArrayView5<'_, f32>),
        tiles: Tiles,
        on_tile: &mut dyn FnMut(usize, usize),
        cancel: &Cancel,
    ) -> Result<Array4<f32>> {
        let (_, _, _, height, width) = given.dim();
        let mut blend = tiles.blend(height, width);
        for (index, tile) in blend.tiles().into_iter().enumerate() {
            for (name, tensor) in &self.inputs {
                self.last.first.bind(name, &tile.of_tensor(tensor))?;
            }
            let frames = self.last.whole((name, tile.of(given)), self.chunk, cancel)?;
            blend.add(&tile, pictures(frames))?;
            on_tile(index + 1, blend.count());
        }
        self.last.first.unbind();
        Ok(blend.finish())
    }
}

/// `(1, 3, t, h, w)` to `(t, h, w, 3)`, clamped to −1..1.
fn pictures(frames: Array5<f32>) -> Array4<f32> {
    let (_, channels, count, height, width) = frames.dim();
    let mut pictures = Array4::zeros((count, height, width, channels));
    // Picture by picture and plane by plane, which is faster than an iterator over five axes.
    for (index, mut picture) in pictures.outer_iter_mut().enumerate() {
        for (channel, plane) in frames.slice(s![0, .., index, .., ..]).outer_iter().enumerate() {
            Zip::from(picture.index_axis_mut(Axis(2), channel))
                .and(plane)
                .for_each(|to, from| *to = from.clamp(-1.0, 1.0));
        }
    }
    pictures
}

#[cfg(test)]
mod tests;
