//! Wan2.1-VACE: any part of a clip may be known, and pictures may say what to show.
//!
//! The canvas is encoded twice, its known part ("inactive") and its unknown part ("reactive"); the
//! mask goes along, its pixels folded into channels; references stand before the clip as latent
//! frames of their own. All of it follows diffusers 0.42.1, `WanVACEPipeline`, value for value.

mod conditioning;
mod predict;
mod rules;

use ndarray::{Array5, ArrayView5, s};
use pickup_core::{Cancel, Graph, Result};
use pickup_package::{ControlSpec, LatentSpec, Limits, Manifest};

use crate::{Conditioning, Family, ModelCanvas, TextEmbedding};

/// The family `wan_vace`, with what the manifest says of it.
#[derive(Clone, Debug)]
pub struct WanVace {
    latent: LatentSpec,
    control: ControlSpec,
    limits: Limits,
    text_width: usize,
}

impl WanVace {
    /// Its name in a manifest.
    pub const NAME: &str = "wan_vace";

    /// The family as `manifest` describes it.
    ///
    /// # Errors
    /// If the manifest does not fit the family.
    pub fn new(manifest: &Manifest) -> Result<Self> {
        rules::check_manifest(manifest)?;
        Ok(Self {
            latent: manifest.latent.clone(),
            control: manifest.control.clone(),
            limits: manifest.limits.clone(),
            text_width: manifest.text.width,
        })
    }
}

impl Family for WanVace {
    fn latent_shape(&self, canvas: &ModelCanvas) -> [usize; 5] {
        let (frames, height, width, _) = canvas.frames.dim();
        let latent_frames = frames.div_ceil(self.latent.temporal) + canvas.references.len();
        let spatial = self.latent.spatial;
        [1, self.latent.channels, latent_frames, height / spatial, width / spatial]
    }

    fn condition(
        &self,
        canvas: &ModelCanvas,
        encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
    ) -> Result<Conditioning> {
        rules::check_canvas(self, canvas)?;
        conditioning::build(&self.latent, canvas, self.latent_shape(canvas), encode)
    }

    fn bind(
        &self,
        transformer: &mut dyn Graph,
        text: &TextEmbedding,
        conditioning: &Conditioning,
    ) -> Result<()> {
        rules::check_text(self, text)?;
        predict::bind(&self.control, transformer, conditioning)
    }

    fn predict(
        &self,
        transformer: &mut dyn Graph,
        latent: &Array5<f32>,
        timestep: f32,
        text: &TextEmbedding,
        cancel: &Cancel,
    ) -> Result<Array5<f32>> {
        predict::velocity(transformer, latent, timestep, text, cancel)
    }

    fn trim(&self, latent: Array5<f32>, conditioning: &Conditioning) -> Array5<f32> {
        match conditioning.references {
            0 => latent,
            references => latent.slice_move(s![.., .., references.., .., ..]),
        }
    }
}

#[cfg(test)]
mod tests;
