//! Euler steps along the flow where each token has a noise level of its own.
//!
//! A token that was given with strength `s` is at most at level `1 − s`, its *ceiling*. As long as the
//! walk is above that, the token waits as it is; from there on it walks with the others. With strength 1
//! it never moves. (diffusers 0.42.1, `FlowMatchEulerDiscreteScheduler.step` with
//! `per_token_timesteps`, and the masking around it in `LTXConditionPipeline`.)

use ndarray::{Array3, Array5, ArrayView3, Axis, Zip};
use pickup_core::{Error, Result};

use crate::{FlowEuler, Levels, Sampler, check_step};

/// Levels closer than this are the same.
const SAME: f32 = 1e-6;

/// Euler steps of tokens `(f, h, w)`, each with its ceiling.
#[derive(Clone, Debug)]
pub struct TokenEuler {
    walk: FlowEuler,
    /// `(f, h, w)`, 0 to 1.
    ceilings: Array3<f32>,
    train_timesteps: f32,
    done: usize,
}

impl TokenEuler {
    /// A walk through `levels` of tokens with `ceilings` `(f, h, w)`: 1 for a token that is to be made,
    /// 0 for one that stays.
    ///
    /// # Errors
    /// If `levels` cannot be, `train_timesteps` is zero, or a ceiling is not from 0 to 1.
    pub fn new(levels: &Levels, train_timesteps: u32, ceilings: Array3<f32>) -> Result<Self> {
        if let Some(wrong) = ceilings.iter().find(|ceiling| !(0.0..=1.0).contains(*ceiling)) {
            return Err(Error::model(format!("expected a token's noise level from 0 to 1, got {wrong}.")));
        }
        let walk = FlowEuler::new(levels, train_timesteps)?;
        Ok(Self { walk, ceilings, train_timesteps: train_timesteps as f32, done: 0 })
    }

    /// Where a token goes that is at `level`: to the next lower level of the walk.
    fn below(&self, level: f32) -> f32 {
        self.sigmas().iter().copied().find(|sigma| *sigma < level - SAME).unwrap_or(0.0)
    }
}

/// The timestep of each token `(f, h, w)` where the walk is at `timestep`: no more than the token's
/// ceiling allows.
pub fn token_timesteps(ceilings: ArrayView3<'_, f32>, timestep: f32, train_timesteps: f32) -> Array3<f32> {
    ceilings.mapv(|ceiling| timestep.min(ceiling * train_timesteps))
}

impl Sampler for TokenEuler {
    fn timesteps(&self) -> &[f32] {
        self.walk.timesteps()
    }

    fn sigmas(&self) -> &[f32] {
        self.walk.sigmas()
    }

    fn step(&mut self, velocity: &Array5<f32>, latent: &Array5<f32>) -> Result<Array5<f32>> {
        check_step(self.done, self.timesteps().len(), velocity, latent)?;
        if latent.shape()[2..] != *self.ceilings.shape() {
            return Err(Error::model(format!(
                "expected a latent of tokens {:?}, got {:?}.",
                self.ceilings.shape(),
                &latent.shape()[2..]
            )));
        }
        let timestep = self.timesteps()[self.done];
        let walk = timestep / self.train_timesteps;
        let stride = Zip::from(&self.ceilings).map_collect(|&ceiling| {
            let level = timestep.min(ceiling * self.train_timesteps) / self.train_timesteps;
            if walk - SAME < ceiling { self.below(level) - level } else { 0.0 }
        });
        let mut next = latent.clone();
        for (mut batch, velocity) in next.outer_iter_mut().zip(velocity.outer_iter()) {
            for (mut channel, velocity) in batch.axis_iter_mut(Axis(0)).zip(velocity.axis_iter(Axis(0))) {
                Zip::from(&mut channel).and(velocity).and(&stride).for_each(|x, &v, &s| *x += s * v);
            }
        }
        self.done += 1;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Levels {
        Levels::Given(vec![1.0, 0.75, 0.5, 0.25])
    }

    #[test]
    fn tokens_wait_for_the_walk_to_reach_their_ceiling() {
        let ceilings = Array3::from_shape_vec((4, 1, 1), vec![1.0, 0.6, 0.25, 0.0]).unwrap();
        let mut sampler = TokenEuler::new(&levels(), 1000, ceilings).unwrap();
        let one = Array5::ones((1, 1, 4, 1, 1));
        let mut latent = Array5::zeros((1, 1, 4, 1, 1));
        let mut moved = vec![];
        for _ in 0..4 {
            let next = sampler.step(&one, &latent).unwrap();
            moved.push((&next - &latent).iter().copied().collect::<Vec<_>>());
            latent = next;
        }
        // The second is told to be at 0.5 when the walk has come there, and so goes to 0.25.
        assert_eq!(moved[0], [-0.25, 0.0, 0.0, 0.0]);
        assert_eq!(moved[1], [-0.25, 0.0, 0.0, 0.0]);
        assert_eq!(moved[2], [-0.25, -0.25, 0.0, 0.0]);
        assert_eq!(moved[3], [-0.25, -0.25, -0.25, 0.0]);
        assert!(sampler.step(&one, &latent).is_err(), "there is no step after the last");
    }

    #[test]
    fn a_timestep_is_the_walks_or_the_ceilings() {
        let ceilings = Array3::from_shape_vec((3, 1, 1), vec![1.0, 0.25, 0.0]).unwrap();
        let at = |timestep| token_timesteps(ceilings.view(), timestep, 1000.0).into_raw_vec_and_offset().0;
        assert_eq!(at(1000.0), [1000.0, 250.0, 0.0]);
        assert_eq!(at(100.0), [100.0, 100.0, 0.0]);
    }

    /// With no token held it is plain Euler to the bit of a single-precision stride.
    #[test]
    fn with_free_tokens_it_is_euler() {
        let latent = Array5::from_shape_fn((1, 3, 2, 2, 2), |(_, c, f, y, x)| (c + f * y + x) as f32 / 3.0);
        let velocity = latent.mapv(|value| 1.0 - value);
        let steps = Levels::Shifted { steps: 5, shift: 3.0 };
        let mut tokens = TokenEuler::new(&steps, 1000, Array3::ones((2, 2, 2))).unwrap();
        let mut plain = FlowEuler::new(&steps, 1000).unwrap();
        for _ in 0..5 {
            let (a, b) = (tokens.step(&velocity, &latent).unwrap(), plain.step(&velocity, &latent).unwrap());
            assert!((&a - &b).iter().all(|error| error.abs() < 1e-6));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(TokenEuler::new(&levels(), 1000, Array3::from_elem((1, 1, 1), 1.5)).is_err());
        assert!(TokenEuler::new(&levels(), 1000, Array3::from_elem((1, 1, 1), f32::NAN)).is_err());
        assert!(TokenEuler::new(&levels(), 0, Array3::ones((1, 1, 1))).is_err());
        let mut sampler = TokenEuler::new(&levels(), 1000, Array3::ones((2, 1, 1))).unwrap();
        let other = Array5::zeros((1, 1, 3, 1, 1));
        assert!(sampler.step(&other, &other).is_err());
    }
}
