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

use crate::{Conditioning, Family, ModelCanvas, TextEmbedding, grid};

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
        Ok(Self {
            control: rules::check_manifest(manifest)?,
            latent: manifest.latent.clone(),
            limits: manifest.limits.clone(),
            text_width: manifest.text.width,
        })
    }

    /// The conditioning of a control that is there already: `(1, 2 · channels + spatial², f, h, w)` on the
    /// latent grid, its first `references` frames standing for references.
    pub fn with_control(&self, control: Array5<f32>, references: usize) -> Conditioning {
        conditioning::bound(&self.control, control, references)
    }
}

impl Family for WanVace {
    fn latent_shape(&self, canvas: &ModelCanvas) -> [usize; 5] {
        let mut shape = grid::latent_shape(&self.latent, canvas.frames.dim());
        shape[2] += canvas.references.len();
        shape
    }

    fn encodings(&self, canvas: &ModelCanvas) -> usize {
        2 + canvas.references.len()
    }

    fn condition(
        &self,
        canvas: &ModelCanvas,
        encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
    ) -> Result<Conditioning> {
        rules::check_canvas(self, canvas)?;
        let control = conditioning::build(&self.latent, canvas, self.latent_shape(canvas), encode)?;
        Ok(self.with_control(control, canvas.references.len()))
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
        _: &Conditioning,
        cancel: &Cancel,
    ) -> Result<Array5<f32>> {
        predict::velocity(transformer, latent, timestep, text, cancel)
    }

    fn finish(&self, latent: Array5<f32>, conditioning: &Conditioning) -> Array5<f32> {
        match conditioning.references {
            0 => latent,
            references => latent.slice_move(s![.., .., references.., .., ..]),
        }
    }
}

#[cfg(test)]
mod tests;
