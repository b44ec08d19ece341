//! The seam between the engine and a model family.

use ndarray::{Array3, Array4, Array5, ArrayView5};
use pickup_core::{Cancel, Graph, Result, Tensor};

use crate::{grid, transformer};

/// A canvas at the model's size.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCanvas {
    /// Frames `(t, h, w, 3)` in −1..1; unknown pixels are 0.
    pub frames: Array4<f32>,
    /// Mask `(t, h, w)`: 1 where a pixel is to be made, 0 where it is known. A frame that is held with
    /// strength `s` has `1 − s`; a family without strengths takes it for known up to ½.
    pub mask: Array3<f32>,
    /// Frames per second, from each to the next.
    pub rate: f64,
    /// Reference pictures `(h, w, 3)` in −1..1, of the frames' size, in order of weight.
    pub references: Vec<Array3<f32>>,
}

/// What a canvas becomes for the transformer; fixed through all steps. Each family fills what its model has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditioning {
    /// The transformer's own inputs for what is known, by name.
    pub inputs: Vec<(&'static str, Tensor)>,
    /// How many latent frames at the start stand for references, or for frames held beside the clip.
    pub references: usize,
    /// What is known of the latent itself: its first frames, `(1, c, n, h, w)`.
    pub start: Option<Array5<f32>>,
    /// The highest noise level of each token `(f, h, w)`, where some are held: 1 for one that is made, 0 for
    /// one that stays.
    pub ceilings: Option<Array3<f32>>,
    /// What the held latent frames are made of.
    pub held: Vec<Held>,
}

/// Known frames as latents, and where they are held.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Mean of what the encoder makes of them, `(1, c, n, h, w)`.
    pub mean: Array5<f32>,
    /// Its standard deviation, `(1, c, n, h, w)`.
    pub deviation: Array5<f32>,
    /// The latent frame, of those that are walked, at which each of the `n` is held.
    pub places: Vec<usize>,
    /// How firmly, 0 to 1.
    pub strength: f32,
}

/// What a family needs noise for, besides the latent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What an encoder is unsure of, counted by [`Conditioning::held`].
    Encoding,
    /// Held frames before a step, counted by the steps.
    Step,
    /// The decoder; counted 0.
    Decoding,
}

/// Gives noise for a purpose, a count, and a shape `(1, c, f, h, w)`.
pub type Draw<'a> = dyn FnMut(Purpose, usize, [usize; 5]) -> Array5<f32> + 'a;

/// What a prompt becomes for the transformer: `(1, l, d)`, zero beyond the prompt's tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct TextEmbedding(pub Array3<f32>);

/// How one model family is fed.
pub trait Family: Send + Sync {
    /// Shape `(1, c, f, h, w)` of the latent for `canvas`, references included.
    fn latent_shape(&self, canvas: &ModelCanvas) -> [usize; 5];

    /// How often [`Family::condition`] calls the encoder for `canvas`, at most.
    fn encodings(&self, canvas: &ModelCanvas) -> usize;

    /// Turns `canvas` into conditioning. `encode` is the VAE's encoder: frames `(1, 3, t, h, w)` in
    /// −1..1 to latents `(1, c, f, h, w)`.
    ///
    /// # Errors
    /// If the canvas breaks the model's rules, or `encode` fails.
    fn condition(
        &self,
        canvas: &ModelCanvas,
        encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
    ) -> Result<Conditioning>;

    /// Width of the text that its transformer takes.
    fn text_width(&self) -> usize;

    /// Gives the transformer what stays the same over all steps. `text` is only checked: it goes
    /// with every [`Family::predict`], so that guidance can alternate between two prompts.
    ///
    /// # Errors
    /// If text or conditioning do not fit the model, or the graph lacks the input.
    fn bind(
        &self,
        transformer: &mut dyn Graph,
        text: &TextEmbedding,
        conditioning: &Conditioning,
    ) -> Result<()> {
        grid::check_text(self.text_width(), text)?;
        transformer::bind(transformer, conditioning)
    }

    /// The latent that the walk begins with, from `noise` of [`Family::latent_shape`].
    fn begin(&self, noise: Array5<f32>, conditioning: &Conditioning, draw: &mut Draw<'_>) -> Array5<f32> {
        let _ = (conditioning, draw);
        noise
    }

    /// The latent that step `step` looks at and starts from, where the walk began with `first` and has come to
    /// `latent`. `timestep` is one of the sampler's.
    fn renew(
        &self,
        latent: Array5<f32>,
        first: &Array5<f32>,
        (step, timestep): (usize, f32),
        conditioning: &Conditioning,
        draw: &mut Draw<'_>,
    ) -> Array5<f32> {
        let _ = (first, step, timestep, conditioning, draw);
        latent
    }

    /// The velocity of the flow at `latent` `(1, c, f, h, w)`, of the same shape. `timestep` is one of
    /// the sampler's; `conditioning` is the one that is bound.
    ///
    /// # Errors
    /// If the run fails or is cancelled, or the graph's answer has another shape.
    fn predict(
        &self,
        transformer: &mut dyn Graph,
        latent: &Array5<f32>,
        timestep: f32,
        text: &TextEmbedding,
        conditioning: &Conditioning,
        cancel: &Cancel,
    ) -> Result<Array5<f32>>;

    /// The latent of the clip, after the last step: without the references' frames, and with what was known.
    fn finish(&self, latent: Array5<f32>, conditioning: &Conditioning) -> Array5<f32>;

    /// What the decoder takes besides a latent of `shape` `(1, c, f, h, w)`, by name.
    fn decoder_inputs(&self, shape: [usize; 5], draw: &mut Draw<'_>) -> Vec<(&'static str, Tensor)> {
        let _ = (shape, draw);
        Vec::new()
    }
}
