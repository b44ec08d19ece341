//! DPM-Solver++ (2M): a multistep solver of the first or second order.
//!
//! Lu, Zhou, Bao, Chen, Li, Zhu: "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
//! Probabilistic Models", 2022, algorithm 2, predicting the clean latent. Levels and the order at both
//! ends are those of diffusers 0.42.1, `DPMSolverMultistepScheduler(algorithm_type="dpmsolver++",
//! solver_type="midpoint", prediction_type="flow_prediction", use_flow_sigmas=True)`.

use ndarray::{Array5, Zip};
use pickup_core::{Error, Result};

use crate::{Levels, Sampler, check_shape, check_step, schedule};

/// DPM-Solver++ of order 1 or 2.
#[derive(Clone, Debug)]
pub struct DpmPlusPlus {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    order: usize,
    done: usize,
    /// The clean latent that the last step predicted.
    last: Option<Array5<f32>>,
}

impl DpmPlusPlus {
    /// A walk through `levels` of `order` 1 or 2. Even steps start one training timestep below full
    /// noise; timesteps are whole numbers, cut off. Both are as diffusers does it.
    ///
    /// # Errors
    /// If `levels` cannot be, `order` is not 1 or 2, or `train_timesteps` is zero.
    pub fn new(levels: &Levels, order: usize, train_timesteps: u32) -> Result<Self> {
        if !(1..=2).contains(&order) {
            return Err(Error::model(format!("expected DPM-Solver++ of order 1 or 2, got {order}.")));
        }
        schedule::check_train_timesteps(train_timesteps)?;
        let count = f64::from(train_timesteps);
        let exact = levels.exact(|steps| even(steps, count))?;
        let timesteps = exact.iter().map(|sigma| (sigma * count).trunc() as f32).collect();
        Ok(Self { timesteps, sigmas: schedule::with_end(&exact), order, done: 0, last: None })
    }

    fn sigma(&self, index: usize) -> f64 {
        f64::from(self.sigmas[index])
    }

    fn lambda(&self, index: usize) -> f64 {
        schedule::lambda(self.sigma(index))
    }

    /// By how much of its last change the predicted clean latent is carried on in the step from level
    /// `from`: half the ratio of this stride in λ to the last one. None at the ends, where λ is infinite.
    fn carry(&self, from: usize) -> f64 {
        let is_last = from + 2 == self.sigmas.len();
        if self.order == 1 || from == 0 || is_last {
            return 0.0;
        }
        let stride = self.lambda(from + 1) - self.lambda(from);
        0.5 * stride / (self.lambda(from) - self.lambda(from - 1))
    }
}

/// Even steps from one training timestep below 1 to 0, which itself is left out (numpy's
/// `flip(1 − linspace(1, 1 / count, steps + 1))[:-1]`, operation for operation).
fn even(steps: usize, count: f64) -> Vec<f64> {
    let stride = (1.0 / count - 1.0) / steps as f64;
    let signal = |index: usize| if index == steps { 1.0 / count } else { index as f64 * stride + 1.0 };
    (1..=steps).rev().map(|index| 1.0 - signal(index)).collect()
}

impl Sampler for DpmPlusPlus {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn step(&mut self, velocity: &Array5<f32>, latent: &Array5<f32>) -> Result<Array5<f32>> {
        check_step(self.done, self.timesteps.len(), velocity, latent)?;
        check_shape(self.last.as_ref(), latent)?;
        let (now, next) = (self.sigma(self.done), self.sigma(self.done + 1));
        let clean = Zip::from(latent).and(velocity).map_collect(|&x, &v| x - now as f32 * v);
        // α' (1 − e^(λ − λ')) without the infinities of λ: e^(λ − λ') = σ' (1 − σ) / (σ (1 − σ')).
        let share = (now - next) / now;
        let (keep, carry) = ((next / now) as f32, self.carry(self.done));
        let last = self.last.take().unwrap_or_else(|| clean.clone());
        let (weight, change) = (share as f32, (share * carry) as f32);
        let result = Zip::from(latent)
            .and(&clean)
            .and(&last)
            .map_collect(|&x, &m, &before| keep * x + weight * m + change * (m - before));
        self.last = Some(clean);
        self.done += 1;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unshifted(steps: usize) -> Levels {
        Levels::Shifted { steps, shift: 1.0 }
    }

    /// The last step of any walk lands on the model's clean latent, whatever came before.
    #[test]
    fn the_last_step_is_the_prediction() {
        let given = Levels::Given(vec![1.0, 0.7, 0.1]);
        for (order, levels) in
            [(1, unshifted(1)), (1, unshifted(5)), (2, unshifted(2)), (2, unshifted(9)), (2, given)]
        {
            let clean =
                Array5::from_shape_fn((1, 2, 2, 3, 3), |(_, c, t, y, x)| (c + t * y + x) as f32 / 7.0);
            let mut latent = clean.mapv(|value| 0.3 - value * value);
            let mut sampler = DpmPlusPlus::new(&levels, order, 1000).unwrap();
            for index in 0..sampler.timesteps().len() {
                let velocity = (&latent - &clean) / sampler.sigmas()[index];
                latent = sampler.step(&velocity, &latent).unwrap();
            }
            assert!((&latent - &clean).iter().all(|error| error.abs() < 1e-5), "order {order}, {levels:?}");
        }
    }

    /// The error of a smooth flow with a closed form falls with the order.
    #[test]
    fn the_second_order_converges_faster() {
        let error = |order: usize, steps: usize| {
            let mut sampler = DpmPlusPlus::new(&unshifted(steps), order, 1_000_000).unwrap();
            let mut latent = Array5::from_elem((1, 1, 1, 1, 1), (-sampler.sigmas()[0]).exp());
            let mut worst = 0.0_f32;
            for index in 0..steps {
                let velocity = latent.mapv(|x| -x);
                latent = sampler.step(&velocity, &latent).unwrap();
                if index + 2 < steps {
                    worst = worst.max((latent[[0; 5]] - (-sampler.sigmas()[index + 1]).exp()).abs());
                }
            }
            worst
        };
        assert!(error(2, 40) < 0.3 * error(1, 40), "{} {}", error(2, 40), error(1, 40));
        assert!(error(2, 80) < 0.4 * error(2, 40), "{} {}", error(2, 80), error(2, 40));
    }

    #[test]
    fn refuses_what_cannot_be() {
        assert!(DpmPlusPlus::new(&unshifted(0), 2, 1000).is_err());
        assert!(DpmPlusPlus::new(&unshifted(4), 0, 1000).is_err());
        assert!(DpmPlusPlus::new(&unshifted(4), 3, 1000).is_err());
        assert!(DpmPlusPlus::new(&unshifted(4), 2, 0).is_err());
        let mut sampler = DpmPlusPlus::new(&unshifted(2), 2, 1000).unwrap();
        let (small, large) = (Array5::zeros((1, 1, 1, 1, 1)), Array5::zeros((1, 1, 1, 1, 2)));
        sampler.step(&small, &small).unwrap();
        assert!(sampler.step(&large, &large).is_err(), "the shape changed");
        sampler.step(&small, &small).unwrap();
        assert!(sampler.step(&small, &small).is_err(), "there is no third step");
    }
}
