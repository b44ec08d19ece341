//! From noise to a latent.

use ndarray::Array5;
use pickup_core::{Cancel, Graph, Result};
use pickup_families::{Conditioning, Draw, Family, TextEmbedding};
use pickup_samplers::{Guidance, Sampler};

/// What steers a generation from text.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// What should be seen.
    pub positive: TextEmbedding,
    /// What should not be seen. Not looked at in steps without guidance.
    pub negative: Option<TextEmbedding>,
    /// How far away from the negative prompt, and in which steps.
    pub guidance: Guidance,
}

/// What a walk is steered by.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// How the model is fed.
    pub family: &'a dyn Family,
    /// What is known.
    pub conditioning: &'a Conditioning,
    /// What should be seen.
    pub prompts: &'a Prompts,
    /// Stops it, also inside a run.
    pub cancel: &'a Cancel,
}

/// Walks `noise` `(1, c, f, h, w)` along all steps of `sampler` and returns the clean latent of the
/// same shape, as [`Family::finish`] takes it. `draw` gives the noise that the family asks for besides;
/// `progress` hears how many steps are done, of how many.
///
/// In a guided step the transformer runs twice, with the two prompts; else once.
///
/// # Errors
/// If a run fails, or the walk is cancelled.
pub fn denoise(
    walk: &Walk<'_>,
    transformer: &mut dyn Graph,
    sampler: &mut dyn Sampler,
    noise: Array5<f32>,
    draw: &mut Draw<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Array5<f32>> {
    let Walk { family, conditioning, prompts, .. } = *walk;
    family.bind(transformer, &prompts.positive, conditioning)?;
    let timesteps = sampler.timesteps().to_vec();
    let first = family.begin(noise, conditioning, draw);
    let mut latent = first.clone();
    progress(0, timesteps.len());
    for (step, &timestep) in timesteps.iter().enumerate() {
        latent = family.renew(latent, &first, (step, timestep), conditioning, draw);
        let guided = prompts.guidance.is_guided(step, timesteps.len());
        let velocity = walk.velocity(transformer, &latent, timestep, guided)?;
        latent = sampler.step(&velocity, &latent)?;
        progress(step + 1, timesteps.len());
    }
    transformer.unbind();
    Ok(latent)
}

impl Walk<'_> {
    fn velocity(
        &self,
        transformer: &mut dyn Graph,
        latent: &Array5<f32>,
        timestep: f32,
        guided: bool,
    ) -> Result<Array5<f32>> {
        let Self { family, conditioning, prompts, cancel } = *self;
        cancel.check()?;
        let mut predict = |text| family.predict(transformer, latent, timestep, text, conditioning, cancel);
        let positive = predict(&prompts.positive)?;
        match &prompts.negative {
            Some(negative) if guided => Ok(prompts.guidance.guide(positive, &predict(negative)?)),
            _ => Ok(positive),
        }
    }
}
