//! Wan2.2-TI2V: a clip from text, or from text and its first frame.
//!
//! The first frame is not told beside the latent: it *is* the first latent frame, put back before every
//! step, and its tokens are told that there is no noise on them. All of it follows diffusers 0.42.1,
//! `WanPipeline` and `WanImageToVideoPipeline` with `expand_timesteps`, value for value.

mod conditioning;
mod predict;
mod rules;

use ndarray::{Array5, ArrayView5};
use pickup_core::{Cancel, Graph, Result};
use pickup_package::{LatentSpec, Limits, Manifest};

use crate::{Conditioning, Family, ModelCanvas, TextEmbedding, grid};

/// The family `wan_ti2v`, with what the manifest says of it.
#[derive(Clone, Debug)]
pub struct WanTi2v {
    latent: LatentSpec,
    limits: Limits,
    text_width: usize,
}

impl WanTi2v {
    /// Its name in a manifest.
    pub const NAME: &str = "wan_ti2v";

    /// The family as `manifest` describes it.
    ///
    /// # Errors
    /// If the manifest does not fit the family.
    pub fn new(manifest: &Manifest) -> Result<Self> {
        rules::check_manifest(manifest)?;
        Ok(Self {
            latent: manifest.latent.clone(),
            limits: manifest.limits.clone(),
            text_width: manifest.text.width,
        })
    }
}

impl Family for WanTi2v {
    fn latent_shape(&self, canvas: &ModelCanvas) -> [usize; 5] {
        grid::latent_shape(&self.latent, canvas.frames.dim())
    }

    fn encodings(&self, canvas: &ModelCanvas) -> usize {
        usize::from(rules::knows_first(canvas))
    }

    fn condition(
        &self,
        canvas: &ModelCanvas,
        encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
    ) -> Result<Conditioning> {
        rules::check_canvas(&self.limits, canvas)?;
        conditioning::build(canvas, self.latent_shape(canvas), encode)
    }

    fn text_width(&self) -> usize {
        self.text_width
    }

    fn predict(
        &self,
        transformer: &mut dyn Graph,
        latent: &Array5<f32>,
        timestep: f32,
        text: &TextEmbedding,
        conditioning: &Conditioning,
        cancel: &Cancel,
    ) -> Result<Array5<f32>> {
        let noisy = conditioning::with_start(latent.clone(), conditioning);
        let levels = predict::levels(&noisy, timestep, conditioning);
        predict::velocity(transformer, noisy, levels, text, cancel)
    }

    fn finish(&self, latent: Array5<f32>, conditioning: &Conditioning) -> Array5<f32> {
        conditioning::with_start(latent, conditioning)
    }
}

#[cfg(test)]
mod tests;
