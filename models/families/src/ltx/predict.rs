//! The transformer's and the decoder's inputs.

use ndarray::{Array1, Array3, Array5, Axis};
use pickup_core::{Cancel, Graph, Result, Tensor};
use pickup_package::DecodeSpec;
use pickup_samplers::token_timesteps;

use crate::transformer::{self, input};
use crate::{Conditioning, Draw, Purpose, TextEmbedding};

/// Names of what the decoder takes besides the latent.
mod decoder {
    pub const TIMESTEP: &str = "timestep";
    pub const NOISE: &str = "noise";
    pub const SCALE: &str = "noise_scale";
}

/// The timestep of each token `(f, h, w)` of `latent` where the walk is at `timestep`.
pub(super) fn timesteps(
    latent: &Array5<f32>,
    timestep: f32,
    train_timesteps: f32,
    conditioning: &Conditioning,
) -> Array3<f32> {
    match &conditioning.ceilings {
        Some(ceilings) => token_timesteps(ceilings.view(), timestep, train_timesteps),
        None => {
            let (_, _, frames, height, width) = latent.dim();
            Array3::from_elem((frames, height, width), timestep)
        }
    }
}

/// One run of the transformer.
pub(super) fn velocity(
    graph: &mut dyn Graph,
    latent: &Array5<f32>,
    timesteps: Array3<f32>,
    text: &TextEmbedding,
    cancel: &Cancel,
) -> Result<Array5<f32>> {
    let noisy = Tensor::from(latent.clone());
    let levels = Tensor::from(timesteps.insert_axis(Axis(0)));
    let text = Tensor::from(text.0.clone());
    let inputs = [(input::LATENT, &noisy), (input::TIMESTEP, &levels), (input::TEXT, &text)];
    transformer::velocity(graph, &inputs, latent.shape(), cancel)
}

/// The decoder's timestep, and the noise to mix in with a latent of `shape` `(1, c, f, h, w)`.
pub(super) fn decoder_inputs(
    spec: &DecodeSpec,
    shape: [usize; 5],
    draw: &mut Draw<'_>,
) -> Vec<(&'static str, Tensor)> {
    vec![
        (decoder::TIMESTEP, Array1::from_elem(1, spec.timestep).into()),
        (decoder::SCALE, Array1::from_elem(1, spec.noise).into()),
        (decoder::NOISE, draw(Purpose::Decoding, 0, shape).into()),
    ]
}
