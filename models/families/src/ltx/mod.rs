//! LTX-Video: whole frames may be known, anywhere and each as firmly as is wanted.
//!
//! Every latent is a token with a noise level of its own. Known frames are encoded as clips and held: those at
//! the start in their places of the clip's latent; those further on by latent frames beside the clip, whose
//! coordinates say where they belong, and, where a clip is longer, in their places too. Coordinates are in
//! seconds and pixels, so the frame rate is an input. All of it follows diffusers 0.42.1,
//! `LTXConditionPipeline`, value for value, noise in the same order.

mod conditioning;
mod layout;
mod predict;
mod rules;

use ndarray::{Array5, ArrayView5, s};
use pickup_core::{Cancel, Graph, Result, Tensor};
use pickup_package::{DecodeSpec, HeldSpec, LatentSpec, Limits, Manifest};

use crate::{Conditioning, Draw, Family, ModelCanvas, TextEmbedding, grid};
use layout::Layout;

/// The family `ltx`, with what the manifest says of it.
#[derive(Clone, Debug)]
pub struct Ltx {
    latent: LatentSpec,
    limits: Limits,
    held: HeldSpec,
    decode: DecodeSpec,
    text_width: usize,
    train_timesteps: f32,
}

impl Ltx {
    /// Its name in a manifest.
    pub const NAME: &str = "ltx";

    /// The family as `manifest` describes it.
    ///
    /// # Errors
    /// If the manifest does not fit the family.
    pub fn new(manifest: &Manifest) -> Result<Self> {
        let (held, decode) = rules::check_manifest(manifest)?;
        Ok(Self {
            latent: manifest.latent.clone(),
            limits: manifest.limits.clone(),
            held,
            decode,
            text_width: manifest.text.width,
            train_timesteps: manifest.sampler.train_timesteps as f32,
        })
    }

    /// The transformer's input for `coordinates` `(1, 3, f, h, w)`: second, row and column of each token.
    pub fn placed(coordinates: Array5<f32>) -> (&'static str, Tensor) {
        (conditioning::COORDINATES, coordinates.into())
    }

    /// Where the known frames of `canvas` are held.
    fn layout(&self, canvas: &ModelCanvas) -> Layout {
        Layout::of(&rules::strengths(canvas, self.held.strength), self.latent.temporal)
    }
}

impl Family for Ltx {
    fn latent_shape(&self, canvas: &ModelCanvas) -> [usize; 5] {
        let mut shape = grid::latent_shape(&self.latent, canvas.frames.dim());
        shape[2] += self.layout(canvas).beside;
        shape
    }

    fn encodings(&self, canvas: &ModelCanvas) -> usize {
        self.layout(canvas).clips.len()
    }

    fn condition(
        &self,
        canvas: &ModelCanvas,
        encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
    ) -> Result<Conditioning> {
        rules::check_canvas(self, canvas)?;
        conditioning::build(&self.latent, canvas, &self.layout(canvas), self.latent_shape(canvas), encode)
    }

    fn text_width(&self) -> usize {
        self.text_width
    }

    fn begin(&self, noise: Array5<f32>, conditioning: &Conditioning, draw: &mut Draw<'_>) -> Array5<f32> {
        conditioning::begin(noise, conditioning, draw)
    }

    fn renew(
        &self,
        latent: Array5<f32>,
        first: &Array5<f32>,
        (step, timestep): (usize, f32),
        conditioning: &Conditioning,
        draw: &mut Draw<'_>,
    ) -> Array5<f32> {
        let level = timestep / self.train_timesteps;
        conditioning::renew(latent, first, (step, self.held.noise * level * level), conditioning, draw)
    }

    fn predict(
        &self,
        graph: &mut dyn Graph,
        latent: &Array5<f32>,
        timestep: f32,
        text: &TextEmbedding,
        conditioning: &Conditioning,
        cancel: &Cancel,
    ) -> Result<Array5<f32>> {
        let timesteps = predict::timesteps(latent, timestep, self.train_timesteps, conditioning);
        predict::velocity(graph, latent, timesteps, text, cancel)
    }

    fn finish(&self, latent: Array5<f32>, conditioning: &Conditioning) -> Array5<f32> {
        latent.slice_move(s![.., .., conditioning.references.., .., ..])
    }

    fn decoder_inputs(&self, shape: [usize; 5], draw: &mut Draw<'_>) -> Vec<(&'static str, Tensor)> {
        predict::decoder_inputs(&self.decode, shape, draw)
    }
}

#[cfg(test)]
mod tests;
