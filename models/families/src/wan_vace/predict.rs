//! The transformer's inputs and output.

use ndarray::{Array1, Array5};
use pickup_core::{Cancel, Graph, Result, Tensor};

use crate::TextEmbedding;
use crate::transformer::{self, input};

/// One run of the transformer.
pub(super) fn velocity(
    graph: &mut dyn Graph,
    latent: &Array5<f32>,
    timestep: f32,
    text: &TextEmbedding,
    cancel: &Cancel,
) -> Result<Array5<f32>> {
    let noisy = Tensor::from(latent.clone());
    let level = Tensor::from(Array1::from_elem(1, timestep));
    let text = Tensor::from(text.0.clone());
    let inputs = [(input::LATENT, &noisy), (input::TIMESTEP, &level), (input::TEXT, &text)];
    transformer::velocity(graph, &inputs, latent.shape(), cancel)
}
