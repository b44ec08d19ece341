//! Euler steps along the flow.

use ndarray::{Array5, Zip};
use pickup_core::Result;

use crate::{Levels, Sampler, check_step, schedule};

/// `x ← x + (σ' − σ) · v`, with timesteps `σ · train_timesteps` (diffusers,
/// `FlowMatchEulerDiscreteScheduler`, given these sigmas).
#[derive(Clone, Debug)]
pub struct FlowEuler {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    done: usize,
}

impl FlowEuler {
    /// A walk through `levels`.
    ///
    /// # Errors
    /// If `levels` cannot be, or `train_timesteps` is zero.
    pub fn new(levels: &Levels, train_timesteps: u32) -> Result<Self> {
        schedule::check_train_timesteps(train_timesteps)?;
        let exact = levels.exact(|steps| schedule::even(steps, 0.0))?;
        let timesteps = exact.iter().map(|sigma| (sigma * f64::from(train_timesteps)) as f32).collect();
        Ok(Self { timesteps, sigmas: schedule::with_end(&exact), done: 0 })
    }
}

impl Sampler for FlowEuler {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn step(&mut self, velocity: &Array5<f32>, latent: &Array5<f32>) -> Result<Array5<f32>> {
        check_step(self.done, self.timesteps.len(), velocity, latent)?;
        let stride = self.sigmas[self.done + 1] - self.sigmas[self.done];
        self.done += 1;
        Ok(Zip::from(latent).and(velocity).map_collect(|&x, &v| x + stride * v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the velocity is constant, as between one noise and one clip, Euler is exact.
    #[test]
    fn a_straight_flow_arrives() {
        let clean =
            Array5::from_shape_fn((1, 2, 3, 4, 5), |(_, c, t, y, x)| (c + 2 * t + y * x) as f32 / 10.0);
        let noise = clean.mapv(|value| 1.0 - 0.5 * value * value);
        for (steps, shift) in [(1, 1.0), (4, 3.0), (20, 5.0)] {
            let mut sampler = FlowEuler::new(&Levels::Shifted { steps, shift }, 1000).unwrap();
            let mut latent = noise.clone();
            for _ in 0..steps {
                latent = sampler.step(&(&noise - &clean), &latent).unwrap();
            }
            assert!(
                (&latent - &clean).iter().all(|error| error.abs() < 2e-6),
                "{steps} steps, shift {shift}"
            );
            assert!(sampler.step(&noise, &latent).is_err(), "there is no step after the last");
        }
    }

    #[test]
    fn levels_fall_from_one_to_zero() {
        let levels = Levels::Shifted { steps: 4, shift: 3.0 };
        let sampler = FlowEuler::new(&levels, 1000).unwrap();
        assert_eq!(sampler.sigmas(), [1.0, 0.9, 0.75, 0.5, 0.0]);
        assert_eq!(sampler.timesteps(), [1000.0, 900.0, 750.0, 500.0]);
        assert!(FlowEuler::new(&levels, 0).is_err());
    }
}
