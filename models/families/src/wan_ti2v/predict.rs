//! The transformer's inputs and output.

use ndarray::{Array4, Array5, Axis};
use pickup_core::{Cancel, Graph, Result, Tensor};

use super::rules::PATCH;
use crate::transformer::{self, input};
use crate::{Conditioning, TextEmbedding};

/// The noise level of each token, `(1, f, h/2, w/2)`: `timestep`, and 0 where the latent is known
/// (`WanImageToVideoPipeline.__call__`, `expand_timesteps`).
pub(super) fn levels(latent: &Array5<f32>, timestep: f32, conditioning: &Conditioning) -> Array4<f32> {
    let (_, _, frames, height, width) = latent.dim();
    let known = conditioning.start.as_ref().map_or(0, |start| start.len_of(Axis(2)));
    let level = |frame: usize| if frame < known { 0.0 } else { timestep };
    Array4::from_shape_fn((1, frames, height / PATCH, width / PATCH), |(_, frame, ..)| level(frame))
}

/// One run of the transformer.
pub(super) fn velocity(
    graph: &mut dyn Graph,
    latent: Array5<f32>,
    levels: Array4<f32>,
    text: &TextEmbedding,
    cancel: &Cancel,
) -> Result<Array5<f32>> {
    let shape = latent.shape().to_vec();
    let (noisy, levels, text) = (Tensor::from(latent), Tensor::from(levels), Tensor::from(text.0.clone()));
    let inputs = [(input::LATENT, &noisy), (input::TIMESTEP, &levels), (input::TEXT, &text)];
    transformer::velocity(graph, &inputs, &shape, cancel)
}
