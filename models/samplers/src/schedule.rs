//! Noise levels.

use pickup_core::{Error, Result};

/// Most steps of a walk.
pub const MOST_STEPS: usize = 1000;

/// Share of the noise that [`Levels::LinearQuadratic`] takes away in its even half.
const THRESHOLD: f64 = 0.025;

/// Which noise levels a walk goes through, from noise to the clean latent; the final 0 is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Levels {
    /// `steps` even steps, then each level shifted towards noise: `s σ / (1 + (s − 1) σ)`
    /// (Esser et al. 2024, "Scaling Rectified Flow Transformers", section 5.3.2).
    Shifted {
        /// 1 to [`MOST_STEPS`].
        steps: usize,
        /// Above 0; 1 leaves the levels.
        shift: f64,
    },
    /// LTX-Video's schedule (diffusers 0.42.1, `pipeline_ltx_condition.linear_quadratic_schedule`):
    /// the first half of the steps takes away 1/40 of the noise evenly, the rest ever more.
    LinearQuadratic {
        /// 1 to [`MOST_STEPS`].
        steps: usize,
    },
    /// These, as they are: falling, above 0 and up to 1.
    Given(Vec<f64>),
}

impl Levels {
    /// Each level in double precision; `even` gives as many even steps as it is asked for.
    ///
    /// # Errors
    /// If the levels are not as the variants say.
    pub(crate) fn exact(&self, even: impl Fn(usize) -> Vec<f64>) -> Result<Vec<f64>> {
        match self {
            Self::Shifted { steps, shift } => {
                check_steps(*steps)?;
                shifted(even(*steps), *shift)
            }
            Self::LinearQuadratic { steps } => linear_quadratic(*steps),
            Self::Given(levels) => given(levels),
        }
    }
}

/// λ = ln(α / σ) of a level σ with α = 1 − σ, infinite at both ends.
pub(crate) fn lambda(sigma: f64) -> f64 {
    (1.0 - sigma).ln() - sigma.ln()
}

/// Refuses a model without training timesteps.
pub(crate) fn check_train_timesteps(train_timesteps: u32) -> Result<()> {
    match train_timesteps {
        0 => Err(Error::model("expected at least 1 training timestep, got 0.")),
        _ => Ok(()),
    }
}

fn check_steps(steps: usize) -> Result<()> {
    if (1..=MOST_STEPS).contains(&steps) {
        return Ok(());
    }
    Err(Error::usage(format!("expected 1 to {MOST_STEPS} sampling steps, got {steps}.")))
}

/// `steps` even steps from 1 towards `last`, which itself is left out (numpy's
/// `linspace(1, last, steps + 1)[:-1]`, operation for operation).
pub(crate) fn even(steps: usize, last: f64) -> Vec<f64> {
    let stride = (last - 1.0) / steps as f64;
    (0..steps).map(|index| index as f64 * stride + 1.0).collect()
}

fn shifted(levels: Vec<f64>, shift: f64) -> Result<Vec<f64>> {
    if !(shift > 0.0 && shift.is_finite()) {
        return Err(Error::model(format!("expected a shift of the noise levels above 0, got {shift}.")));
    }
    Ok(levels.into_iter().map(|sigma| shift * sigma / (1.0 + (shift - 1.0) * sigma)).collect())
}

/// `1 − i · slope` in the first half; in the second a parabola that goes on from there with the same
/// slope and ends at 0.
fn linear_quadratic(steps: usize) -> Result<Vec<f64>> {
    check_steps(steps)?;
    let linear = steps / 2;
    if linear == 0 {
        return Ok(vec![1.0]);
    }
    let (even, curved) = (linear as f64, (steps - linear) as f64);
    let slope = THRESHOLD / even;
    let difference = even - THRESHOLD * steps as f64;
    let quadratic = difference / (even * curved * curved);
    let first_order = slope - 2.0 * difference / (curved * curved);
    let constant = quadratic * even * even;
    let level = |index: usize| {
        let at = index as f64;
        let gone =
            if index < linear { at * slope } else { quadratic * at * at + first_order * at + constant };
        1.0 - gone
    };
    Ok((0..steps).map(level).collect())
}

fn given(levels: &[f64]) -> Result<Vec<f64>> {
    check_steps(levels.len())?;
    let falls = levels.windows(2).all(|pair| pair[0] > pair[1]);
    let within = levels.iter().all(|level| *level > 0.0 && *level <= 1.0);
    if falls && within {
        return Ok(levels.to_vec());
    }
    Err(Error::model(format!("expected falling noise levels above 0 and up to 1, got {levels:?}.")))
}

/// Single-precision levels with the final 0.
pub(crate) fn with_end(sigmas: &[f64]) -> Vec<f32> {
    sigmas.iter().map(|&sigma| sigma as f32).chain([0.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_that_cannot_be_are_refused() {
        let refused = |levels: Levels| assert!(levels.exact(|steps| even(steps, 0.0)).is_err(), "{levels:?}");
        refused(Levels::Shifted { steps: 0, shift: 1.0 });
        refused(Levels::Shifted { steps: 1001, shift: 1.0 });
        refused(Levels::Shifted { steps: 4, shift: 0.0 });
        refused(Levels::Shifted { steps: 4, shift: f64::NAN });
        refused(Levels::LinearQuadratic { steps: 0 });
        refused(Levels::Given(vec![]));
        refused(Levels::Given(vec![1.0, 1.0]));
        refused(Levels::Given(vec![1.0, 0.5, 0.6]));
        refused(Levels::Given(vec![1.1, 0.5]));
        refused(Levels::Given(vec![1.0, 0.0]));
        refused(Levels::Given(vec![f64::NAN]));
        assert_eq!(Levels::Given(vec![1.0, 0.25]).exact(|steps| even(steps, 0.0)).unwrap(), [1.0, 0.25]);
        assert!(check_train_timesteps(0).is_err());
    }

    proptest! {
        /// From 1, strictly falling; the two halves meet without a kink.
        #[test]
        fn linear_quadratic_falls_smoothly(steps in 4_usize..200) {
            let levels = Levels::LinearQuadratic { steps }.exact(|steps| even(steps, 0.0)).unwrap();
            prop_assert_eq!(levels.len(), steps);
            prop_assert_eq!(levels[0], 1.0);
            prop_assert!(levels.windows(2).all(|pair| pair[0] > pair[1]) && levels[steps - 1] > 0.0);
            let half = steps / 2;
            prop_assert!((levels[half] - (1.0 - THRESHOLD)).abs() < 1e-12);
        }
    }
}
