//! Samplers, guidance and seeded noise: the arithmetic around a flow model.
//!
//! A flow model tells, for a latent `x = (1 − σ) · clean + σ · noise`, the velocity
//! `noise − clean`. A [`Sampler`] walks from σ = 1 to σ = 0 along it. Coefficients are computed in
//! double precision; latents are single.

mod dpm;
mod euler;
mod guidance;
mod noise;
mod philox;
mod schedule;
mod tokens;
mod unipc;

pub use dpm::DpmPlusPlus;
pub use euler::FlowEuler;
pub use guidance::Guidance;
pub use noise::{Noise, Stream};
pub use philox::philox4x32_10;
pub use schedule::{Levels, MOST_STEPS};
pub use tokens::{TokenEuler, token_timesteps};
pub use unipc::UniPc;

use ndarray::Array5;
use pickup_core::{Error, Result};

/// A walk from noise to a clip. Make a new one for each walk.
pub trait Sampler: Send {
    /// The timestep that the model is given at each step; as many as there are steps.
    fn timesteps(&self) -> &[f32];

    /// The noise level σ before each step and after the last; one more than there are steps.
    fn sigmas(&self) -> &[f32];

    /// The latent after the next step, from the `velocity` at `latent`; all `(b, c, f, h, w)`.
    ///
    /// # Errors
    /// If the shapes differ from each other or from the steps before, or all steps are done.
    fn step(&mut self, velocity: &Array5<f32>, latent: &Array5<f32>) -> Result<Array5<f32>>;
}

/// Refuses a latent of another shape than what an earlier step left.
fn check_shape(earlier: Option<&Array5<f32>>, latent: &Array5<f32>) -> Result<()> {
    match earlier.is_some_and(|earlier| earlier.shape() != latent.shape()) {
        true => Err(Error::model("the latent's shape changed between two steps.")),
        false => Ok(()),
    }
}

/// Refuses a step that cannot be.
fn check_step(done: usize, steps: usize, velocity: &Array5<f32>, latent: &Array5<f32>) -> Result<()> {
    if done >= steps {
        return Err(Error::model(format!("the sampler has {steps} steps, and all are done.")));
    }
    if velocity.shape() != latent.shape() {
        return Err(Error::model(format!(
            "expected a velocity of the latent's shape {:?}, got {:?}.",
            latent.shape(),
            velocity.shape()
        )));
    }
    Ok(())
}
