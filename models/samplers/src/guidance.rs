//! Classifier-free guidance.

use ndarray::{Array5, Zip};

/// `u + g · (c − u)` (Ho and Salimans 2022, in the form diffusers uses): away from what the model
/// makes of the negative prompt. With `g = 1` it is `c` to the bit, so callers need not make `u`.
pub fn guide(positive: Array5<f32>, negative: &Array5<f32>, guidance: f32) -> Array5<f32> {
    if guidance == 1.0 {
        return positive;
    }
    let mut guided = positive;
    Zip::from(&mut guided).and(negative).for_each(|c, &u| *c = u + guidance * (*c - u));
    guided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_past_the_positive() {
        let positive = Array5::from_elem((1, 1, 1, 1, 2), 3.0);
        let negative = Array5::from_elem((1, 1, 1, 1, 2), 1.0);
        assert_eq!(guide(positive.clone(), &negative, 5.0)[[0, 0, 0, 0, 1]], 11.0);
        assert_eq!(guide(positive.clone(), &negative, 1.0), positive);
    }
}
