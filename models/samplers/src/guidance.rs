//! Classifier-free guidance.

use ndarray::{Array5, Zip};

/// How far a step goes away from what the model makes of the negative prompt, and in which steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// `g` in `u + g · (c − u)` (Ho and Salimans 2022, in the form diffusers uses); 1 leaves guidance out.
    pub scale: f32,
    /// How much of the guided velocity, 0 to 1, is brought back to the spread of the unguided one, which
    /// keeps contrast and brightness from growing (Lin et al. 2024, "Common Diffusion Noise Schedules and
    /// Sample Steps are Flawed", section 3.4).
    pub rescale: f32,
    /// First and last share of the steps, 0 to 1, between which there is guidance (Kynkäänniemi et al.
    /// 2024, "Applying Guidance in a Limited Interval"; in steps, as diffusers' guiders have it).
    pub interval: [f64; 2],
}

impl Guidance {
    /// Guidance of `scale` in every step.
    pub const fn of(scale: f32) -> Self {
        Self { scale, rescale: 0.0, interval: [0.0, 1.0] }
    }

    /// Whether any step of a walk of `steps` is guided.
    pub fn is_used(&self, steps: usize) -> bool {
        (0..steps).any(|step| self.is_guided(step, steps))
    }

    /// Whether step `step` of `steps`, counted from 0, is guided: only then is the negative prompt's
    /// velocity needed.
    pub fn is_guided(&self, step: usize, steps: usize) -> bool {
        let [start, stop] = self.interval.map(|share| (share * steps as f64) as usize);
        self.scale != 1.0 && (start..stop).contains(&step)
    }

    /// The velocity that a guided step takes, from those for the two prompts, all of one shape.
    pub fn guide(&self, positive: Array5<f32>, negative: &Array5<f32>) -> Array5<f32> {
        let spread = deviation(&positive);
        let mut guided = positive;
        Zip::from(&mut guided).and(negative).for_each(|c, &u| *c = u + self.scale * (*c - u));
        if self.rescale > 0.0 {
            let ratio = spread / deviation(&guided);
            let factor = f64::from(self.rescale) * ratio + (1.0 - f64::from(self.rescale));
            if factor.is_finite() {
                guided *= factor as f32;
            }
        }
        guided
    }
}

/// Standard deviation of all values.
fn deviation(values: &Array5<f32>) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    (values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [Array5<f32>; 2] {
        let positive = Array5::from_shape_fn((1, 1, 1, 2, 3), |(_, _, _, y, x)| (y * 3 + x) as f32);
        let negative = positive.mapv(|value| 1.0 - 0.5 * value);
        [positive, negative]
    }

    #[test]
    fn goes_on_past_the_positive() {
        let positive = Array5::from_elem((1, 1, 1, 1, 2), 3.0);
        let negative = Array5::from_elem((1, 1, 1, 1, 2), 1.0);
        assert_eq!(Guidance::of(5.0).guide(positive, &negative)[[0, 0, 0, 0, 1]], 11.0);
    }

    #[test]
    fn fully_rescaled_it_is_spread_as_the_positive() {
        let [positive, negative] = pair();
        let guided = |rescale| Guidance { rescale, ..Guidance::of(5.0) }.guide(positive.clone(), &negative);
        let spread = deviation(&positive);
        assert!(deviation(&guided(0.0)) > 4.0 * spread);
        assert!((deviation(&guided(1.0)) - spread).abs() < 1e-5);
        let half = 0.5 * (deviation(&guided(0.0)) + spread);
        assert!((deviation(&guided(0.5)) - half).abs() < 1e-5);
        let flat = Array5::from_elem((1, 1, 1, 1, 2), 2.0);
        let kept = Guidance { rescale: 1.0, ..Guidance::of(5.0) }.guide(flat.clone(), &flat);
        assert_eq!(kept, flat, "without any spread there is nothing to bring back");
    }

    #[test]
    fn the_interval_counts_whole_steps() {
        let within = Guidance { interval: [0.25, 0.8], ..Guidance::of(3.0) };
        let guided: Vec<_> = (0..10).filter(|&step| within.is_guided(step, 10)).collect();
        assert_eq!(guided, [2, 3, 4, 5, 6, 7]);
        assert!(!within.is_used(1), "a single step lies before the interval's end only in part");
        assert!(Guidance::of(3.0).is_used(1));
        assert!(!Guidance::of(1.0).is_used(10));
    }
}
