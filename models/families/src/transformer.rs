//! Running a transformer, whatever its family gives it.

use ndarray::{Array5, Ix5};
use pickup_core::{Cancel, Error, Graph, Result, Tensor};

use crate::Conditioning;

/// Names that every family's transformer has for the same things, as diffusers' models have them.
pub(crate) mod input {
    pub const LATENT: &str = "hidden_states";
    pub const TIMESTEP: &str = "timestep";
    pub const TEXT: &str = "encoder_hidden_states";
}

/// Gives `transformer` what stays the same over all steps, and nothing else.
pub(crate) fn bind(transformer: &mut dyn Graph, conditioning: &Conditioning) -> Result<()> {
    transformer.unbind();
    conditioning.inputs.iter().try_for_each(|(name, tensor)| transformer.bind(name, tensor))
}

/// One run: the velocity of `shape` that `inputs` lead to.
pub(crate) fn velocity(
    transformer: &mut dyn Graph,
    inputs: &[(&str, &Tensor)],
    shape: &[usize],
    cancel: &Cancel,
) -> Result<Array5<f32>> {
    let answer = transformer.run(inputs, cancel)?.into_iter().next();
    let array = answer.ok_or_else(|| Error::model("the transformer has no output."))?.into_float()?;
    if array.shape() != shape {
        return Err(Error::model(format!(
            "the transformer should give a velocity of shape {shape:?}, got {:?}.",
            array.shape()
        )));
    }
    array.into_dimensionality::<Ix5>().map_err(|error| Error::model(error.to_string()))
}
