//! From noise to a latent.

use ndarray::Array5;
use pickup_core::{Cancel, Graph, Result};
use pickup_families::{Conditioning, Family, TextEmbedding};
use pickup_samplers::{Sampler, guide};

/// What steers a generation from text.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// What should be seen.
    pub positive: TextEmbedding,
    /// What should not be seen. Not looked at when `guidance` is 1.
    pub negative: Option<TextEmbedding>,
    /// Classifier-free guidance scale; 1 leaves guidance out.
    pub guidance: f32,
}

/// Walks `noise` `(1, c, f, h, w)` along all steps of `sampler` and returns the clean latent of the
/// same shape, as [`Family::finish`] takes it. `progress` hears how many steps are done, of how many.
///
/// With guidance the transformer runs twice a step, with the two prompts; else once.
///
/// # Errors
/// If a run fails, or `cancel` is raised, which is heard inside a run.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a separate part of the walk, given by different callers"
)]
pub fn denoise(
    family: &dyn Family,
    transformer: &mut dyn Graph,
    sampler: &mut dyn Sampler,
    noise: Array5<f32>,
    conditioning: &Conditioning,
    prompts: &Prompts,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Array5<f32>> {
    family.bind(transformer, &prompts.positive, conditioning)?;
    let timesteps = sampler.timesteps().to_vec();
    let mut latent = noise;
    progress(0, timesteps.len());
    for (done, &timestep) in timesteps.iter().enumerate() {
        let velocity = velocity(family, transformer, &latent, timestep, prompts, conditioning, cancel)?;
        latent = sampler.step(&velocity, &latent)?;
        progress(done + 1, timesteps.len());
    }
    transformer.unbind();
    Ok(latent)
}

fn velocity(
    family: &dyn Family,
    transformer: &mut dyn Graph,
    latent: &Array5<f32>,
    timestep: f32,
    prompts: &Prompts,
    conditioning: &Conditioning,
    cancel: &Cancel,
) -> Result<Array5<f32>> {
    cancel.check()?;
    let mut predict = |text| family.predict(transformer, latent, timestep, text, conditioning, cancel);
    let positive = predict(&prompts.positive)?;
    match &prompts.negative {
        Some(negative) if prompts.guidance != 1.0 => {
            Ok(guide(positive, &predict(negative)?, prompts.guidance))
        }
        _ => Ok(positive),
    }
}
