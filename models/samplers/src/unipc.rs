//! UniPC: a predictor and a corrector of any order in one framework.
//!
//! Zhao, Bai, Rao, Zhou, Lu: "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of
//! Diffusion Models", 2023, algorithms 5 to 8, with B(h) = e^h − 1, predicting the clean latent. Levels, order at
//! start and end, and the shortcuts for low order are those of diffusers 0.42.1,
//! `UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)`.

use std::collections::VecDeque;

use ndarray::{Array5, Zip};
use pickup_core::{Error, Result};

use crate::{Levels, Sampler, check_shape, check_step, schedule};

/// UniPC of order 1 to 3.
#[derive(Clone, Debug)]
pub struct UniPc {
    timesteps: Vec<f32>,
    sigmas: Vec<f32>,
    order: usize,
    done: usize,
    /// Predicted clean latents of the last steps, newest first, at most `order`.
    clean: VecDeque<Array5<f32>>,
    /// What the last predictor started from, and the order it used.
    last: Option<(Array5<f32>, usize)>,
}

impl UniPc {
    /// A walk through `levels` of `order` 1 to 3. Timesteps are whole numbers, cut off as diffusers does.
    ///
    /// # Errors
    /// If `levels` cannot be, `order` is not 1 to 3, or `train_timesteps` is zero.
    pub fn new(levels: &Levels, order: usize, train_timesteps: u32) -> Result<Self> {
        if !(1..=3).contains(&order) {
            return Err(Error::model(format!("expected UniPC of order 1 to 3, got {order}.")));
        }
        schedule::check_train_timesteps(train_timesteps)?;
        let count = f64::from(train_timesteps);
        let mut exact = levels.exact(|steps| schedule::even(steps, 1.0 / count))?;
        if (exact[0] - 1.0).abs() < 1e-6 {
            exact[0] -= 1e-6; // λ = ln((1 − σ) / σ) has to be finite
        }
        let timesteps = exact.iter().map(|sigma| (sigma * count).trunc() as f32).collect();
        let sigmas = schedule::with_end(&exact);
        Ok(Self { timesteps, sigmas, order, done: 0, clean: VecDeque::new(), last: None })
    }

    fn sigma(&self, index: usize) -> f64 {
        f64::from(self.sigmas[index])
    }

    fn lambda(&self, index: usize) -> f64 {
        schedule::lambda(self.sigma(index))
    }

    /// The step in λ from level `from` to the next, and for each earlier level that order `order`
    /// looks at, where it lies in units of that step (below 0).
    fn places(&self, from: usize, order: usize) -> (f64, Vec<f64>) {
        let stride = self.lambda(from + 1) - self.lambda(from);
        let place = |back| (self.lambda(from - back) - self.lambda(from)) / stride;
        (stride, (1..order).map(place).collect())
    }

    /// From `start` at level `from` to the next level, `(1 / r) · (m_i − m_0)` of earlier predictions
    /// weighted by `weights`, and `beyond`: weight and prediction at the next level, for the corrector.
    fn update(
        &self,
        start: &Array5<f32>,
        from: usize,
        (stride, places, weights): (f64, &[f64], &[f64]),
        beyond: Option<(f64, &Array5<f32>)>,
    ) -> Array5<f32> {
        let alpha = 1.0 - self.sigma(from + 1);
        let phi = (-stride).exp_m1();
        let newest = &self.clean[0];
        // All terms are linear, so they are gathered by latent: Σ weight · latent.
        let mut own = -alpha * phi;
        let mut result = start.mapv(|x| (self.sigma(from + 1) / self.sigma(from)) as f32 * x);
        let mut add = |factor: f64, latent: &Array5<f32>| {
            Zip::from(&mut result).and(latent).for_each(|x, &m| *x += factor as f32 * m);
        };
        for ((place, weight), earlier) in places.iter().zip(weights).zip(self.clean.iter().skip(1)) {
            let factor = -alpha * phi * weight / place;
            add(factor, earlier);
            own -= factor;
        }
        if let Some((weight, next)) = beyond {
            let factor = -alpha * phi * weight;
            add(factor, next);
            own -= factor;
        }
        add(own, newest);
        result
    }

    /// UniC: the latent at the current level again, now that the prediction there is known.
    fn correct(&self, clean: &Array5<f32>) -> Option<Array5<f32>> {
        let (start, order) = self.last.as_ref()?;
        let (stride, places) = self.places(self.done - 1, *order);
        let mut weights = match order {
            1 => vec![0.5],
            _ => weights(stride, &[&places[..], &[1.0]].concat()),
        };
        let beyond = weights.pop().unwrap_or_default();
        Some(self.update(start, self.done - 1, (stride, &places, &weights), Some((beyond, clean))))
    }

    /// UniP: the latent at the next level.
    fn predict(&self, latent: &Array5<f32>, order: usize) -> Array5<f32> {
        let (stride, places) = self.places(self.done, order);
        let weights = match order {
            1 => vec![],
            2 => vec![0.5],
            _ => weights(stride, &places),
        };
        self.update(latent, self.done, (stride, &places, &weights), None)
    }
}

impl Sampler for UniPc {
    fn timesteps(&self) -> &[f32] {
        &self.timesteps
    }

    fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    fn step(&mut self, velocity: &Array5<f32>, latent: &Array5<f32>) -> Result<Array5<f32>> {
        check_step(self.done, self.timesteps.len(), velocity, latent)?;
        check_shape(self.clean.front(), latent)?;
        let sigma = self.sigmas[self.done];
        let clean = Zip::from(latent).and(velocity).map_collect(|&x, &v| x - sigma * v);
        let corrected = self.correct(&clean);
        self.clean.push_front(clean);
        self.clean.truncate(self.order);
        let order = self.order.min(self.timesteps.len() - self.done).min(self.clean.len());
        let start = corrected.unwrap_or_else(|| latent.clone());
        let next = self.predict(&start, order);
        self.last = Some((start, order));
        self.done += 1;
        Ok(next)
    }
}

/// Solves `Σ_k r_k^(i−1) ρ_k = b_i` for the weights ρ, one per place `r` (equation 7 of the paper,
/// for B(h) = e^h − 1 and −h because the clean latent is predicted).
fn weights(stride: f64, places: &[f64]) -> Vec<f64> {
    let h = -stride;
    let b_h = h.exp_m1();
    let mut phi = b_h / h - 1.0;
    let mut factorial = 1.0;
    let mut rows = Vec::new();
    for power in 0..places.len() {
        let right = phi * factorial / b_h;
        rows.push(places.iter().map(|place| place.powi(power as i32)).chain([right]).collect());
        factorial *= (power + 2) as f64;
        phi = phi / h - 1.0 / factorial;
    }
    solve(rows)
}

/// Gaussian elimination with pivoting of rows `(a_1 … a_n, b)`.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs()));
        rows.swap(column, pivot.unwrap_or(column));
        for row in 0..n {
            if row != column {
                let factor = rows[row][column] / rows[column][column];
                let pivot = rows[column].clone();
                rows[row].iter_mut().zip(&pivot).for_each(|(value, p)| *value -= factor * p);
            }
        }
    }
    rows.iter().enumerate().map(|(i, row)| row[n] / row[i]).collect()
}

#[cfg(test)]
mod tests;
