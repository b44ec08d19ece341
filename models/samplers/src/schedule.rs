//! Noise levels.

use pickup_core::{Error, Result};

/// σ before each step in double precision, shifted towards noise: `s σ / (1 + (s − 1) σ)`
/// (Esser et al. 2024, "Scaling Rectified Flow Transformers", section 5.3.2).
///
/// Unshifted they are `steps` even steps from 1 towards `last`, which itself is left out
/// (numpy's `linspace(1, last, steps + 1)[:-1]`, operation for operation).
///
/// # Errors
/// If `steps` is not 1 to 1000, `shift` not above 0, or `train_timesteps` zero.
pub(crate) fn flow_sigmas(steps: usize, shift: f64, last: f64, train_timesteps: u32) -> Result<Vec<f64>> {
    if !(1..=1000).contains(&steps) {
        return Err(Error::usage(format!("expected 1 to 1000 sampling steps, got {steps}.")));
    }
    if !(shift > 0.0 && shift.is_finite()) || train_timesteps == 0 {
        return Err(Error::model(format!(
            "expected a shift above 0 and at least 1 training timestep, got {shift} and {train_timesteps}."
        )));
    }
    let stride = (last - 1.0) / steps as f64;
    let even = (0..steps).map(|index| index as f64 * stride + 1.0);
    Ok(even.map(|sigma| shift * sigma / (1.0 + (shift - 1.0) * sigma)).collect())
}

/// Single-precision levels with the final 0.
pub(crate) fn with_end(sigmas: &[f64]) -> Vec<f32> {
    sigmas.iter().map(|&sigma| sigma as f32).chain([0.0]).collect()
}
