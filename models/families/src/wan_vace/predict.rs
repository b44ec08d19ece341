//! The transformer's inputs and output.

use ndarray::{Array1, Array5, Ix5};
use pickup_core::{Cancel, Error, Graph, Result, Tensor};
use pickup_package::ControlSpec;

use crate::{Conditioning, TextEmbedding};

/// Names of the transformer's inputs, as diffusers' `WanVACETransformer3DModel.forward` has them.
mod input {
    pub const LATENT: &str = "hidden_states";
    pub const TIMESTEP: &str = "timestep";
    pub const TEXT: &str = "encoder_hidden_states";
    pub const CONTROL: &str = "control_hidden_states";
    pub const SCALE: &str = "control_scale";
}

/// Gives the transformer what stays the same over all steps.
pub(super) fn bind(
    spec: &ControlSpec,
    transformer: &mut dyn Graph,
    conditioning: &Conditioning,
) -> Result<()> {
    transformer.unbind();
    transformer.bind(input::CONTROL, &conditioning.control.clone().into())?;
    transformer.bind(input::SCALE, &Array1::from_elem(spec.layers, spec.scale).into())
}

/// One run of the transformer.
pub(super) fn velocity(
    transformer: &mut dyn Graph,
    latent: &Array5<f32>,
    timestep: f32,
    text: &TextEmbedding,
    cancel: &Cancel,
) -> Result<Array5<f32>> {
    let noisy = Tensor::from(latent.clone());
    let level = Tensor::from(Array1::from_elem(1, timestep));
    let text = Tensor::from(text.0.clone());
    let inputs = [(input::LATENT, &noisy), (input::TIMESTEP, &level), (input::TEXT, &text)];
    let answer = transformer.run(&inputs, cancel)?.into_iter().next();
    let array = answer.ok_or_else(|| Error::model("the transformer has no output."))?.into_float()?;
    if array.shape() != latent.shape() {
        return Err(Error::model(format!(
            "the transformer should give a velocity of shape {:?}, got {:?}.",
            latent.shape(),
            array.shape()
        )));
    }
    array.into_dimensionality::<Ix5>().map_err(|error| Error::model(error.to_string()))
}
