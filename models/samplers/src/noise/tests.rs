use super::*;
use ndarray::s;
use proptest::prelude::*;

fn moments(noise: &Array5<f32>) -> [f64; 4] {
    let count = noise.len() as f64;
    let mean = noise.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let central = |power| noise.iter().map(|&x| (f64::from(x) - mean).powi(power)).sum::<f64>() / count;
    let variance = central(2);
    [mean, variance, central(3) / variance.powf(1.5), central(4) / variance.powi(2)]
}

/// A million numbers: mean, variance, skewness and kurtosis within five standard errors.
#[test]
fn is_normal() {
    let noise = Noise::new(20_261_122, Stream::Clip).latent([1, 16, 25, 50, 50], 0);
    let count = noise.len() as f64;
    let [mean, variance, skew, kurtosis] = moments(&noise);
    let bound = |standard: f64| 5.0 * standard / count.sqrt();
    assert!(mean.abs() < bound(1.0), "{mean}");
    assert!((variance - 1.0).abs() < bound(2_f64.sqrt()), "{variance}");
    assert!(skew.abs() < bound(6_f64.sqrt()), "{skew}");
    assert!((kurtosis - 3.0).abs() < bound(24_f64.sqrt()), "{kurtosis}");
    assert!(noise.iter().all(|x| x.is_finite()));
}

#[test]
fn seeds_streams_and_neighbours_are_unlike() {
    let shape = [1, 4, 4, 16, 16];
    let base = Noise::new(1, Stream::Clip).latent(shape, 0);
    let correlation = |other: &Array5<f32>| {
        base.iter().zip(other).map(|(a, b)| f64::from(a * b)).sum::<f64>() / base.len() as f64
    };
    assert!(correlation(&base) > 0.9, "the control: noise is like itself");
    for other in [
        Noise::new(2, Stream::Clip).latent(shape, 0),
        Noise::new(1 << 32, Stream::Clip).latent(shape, 0),
        Noise::new(1, Stream::Reference).latent(shape, 0),
        Noise::new(1, Stream::Coarse).latent(shape, 0),
        Noise::new(1, Stream::Encoding).latent(shape, 0),
        Noise::new(1, Stream::Step).latent(shape, 0),
        Noise::new(1, Stream::Decoding).latent(shape, 0),
        Noise::new(1, Stream::Clip).latent(shape, 4),
    ] {
        assert!(correlation(&other).abs() < 0.08, "{}", correlation(&other));
    }
}

proptest! {
    /// A window has the noise of the whole canvas, whatever the window's size.
    #[test]
    fn windows_agree(seed: u64, first in -3_i32..40, start in 0_usize..4, frames in 1_usize..4, h in 1_usize..5, w in 1_usize..5) {
        let noise = Noise::new(seed, Stream::Clip);
        let whole = noise.latent([1, 3, 8, 5, 5], first);
        let window = noise.latent([1, 3, frames, h, w], first + start as i32);
        prop_assert_eq!(whole.slice(s![.., .., start..start + frames, ..h, ..w]), window.view());
    }
}
