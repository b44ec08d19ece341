//! The size at which the model works.

use pickup_core::{Error, Result};
use pickup_package::Limits;

/// A change of the aspect by this much weighs as much as a change of the area by [`AREA_WEIGHT`].
const ASPECT_WEIGHT: f64 = 0.02;
/// See [`ASPECT_WEIGHT`].
const AREA_WEIGHT: f64 = 0.15;

/// Width and height in pixels at which the model makes a picture of `width` × `height`.
///
/// Of the sizes that `limits` allow it is the one that keeps the aspect best, and an area of `scale`² times the model's
/// native one. Frames are scaled to exactly this size and back, without cropping or borders, so what is
/// left of the difference in aspect is a stretch of at most a few percent that is undone at the end.
///
/// # Errors
/// If no size is allowed.
pub fn model_size(width: u32, height: u32, scale: f32, limits: &Limits) -> Result<(u32, u32)> {
    let aspect = f64::from(width) / f64::from(height);
    let wanted = f64::from(limits.native_pixels) * f64::from(scale).powi(2);
    let cost = |(width, height): (u32, u32)| {
        let aspect_change = (f64::from(width) / f64::from(height) / aspect).ln() / ASPECT_WEIGHT;
        let area = f64::from(width) * f64::from(height);
        let area_change = (area / wanted).ln() / AREA_WEIGHT;
        aspect_change * aspect_change + area_change * area_change
    };
    let sizes = sides(limits).flat_map(|width| sides(limits).map(move |height| (width, height)));
    sizes
        .filter(|(width, height)| u64::from(*width) * u64::from(*height) <= u64::from(limits.max_pixels))
        .min_by(|a, b| cost(*a).total_cmp(&cost(*b)))
        .ok_or_else(|| {
            Error::model("the model's manifest allows no size at all.").hint("Install the model again.")
        })
}

/// The sides that are allowed, in pixels.
fn sides(limits: &Limits) -> impl Iterator<Item = u32> {
    let multiple = limits.size_multiple.max(1);
    let first = limits.min_side.max(1).next_multiple_of(multiple);
    (first..=limits.max_side).step_by(multiple as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::windows::tests::wan_limits;
    use proptest::prelude::*;

    #[test]
    fn common_timelines_get_the_sizes_people_use() {
        let limits = wan_limits();
        assert_eq!(model_size(1920, 1080, 1.0, &limits).unwrap(), (832, 464));
        assert_eq!(model_size(1080, 1920, 1.0, &limits).unwrap(), (464, 832));
        assert_eq!(model_size(832, 480, 1.0, &limits).unwrap(), (832, 480));
        assert_eq!(model_size(1000, 1000, 1.0, &limits).unwrap(), (624, 624));
        assert_eq!(model_size(1920, 1080, 0.58, &limits).unwrap(), (480, 272));
        assert_eq!(model_size(480, 272, 0.5718, &limits).unwrap(), (480, 272));
        assert!(model_size(64, 64, 1.0, &Limits { max_pixels: 1, ..limits }).is_err());
    }

    proptest! {
        #[test]
        fn every_size_is_allowed_and_hardly_stretched(width in 256u32..8192, height in 256u32..8192) {
            let limits = wan_limits();
            let (w, h) = model_size(width, height, 1.0, &limits).unwrap();
            prop_assert!(w % 16 == 0 && h % 16 == 0 && w * h <= limits.max_pixels);
            prop_assert!((limits.min_side..=limits.max_side).contains(&w) && (limits.min_side..=limits.max_side).contains(&h));
            let aspect = f64::from(width) / f64::from(height);
            if (0.4..2.5).contains(&aspect) {
                let stretch = (f64::from(w) / f64::from(h) / aspect).ln().abs();
                prop_assert!(stretch < 0.03, "{width}×{height} as {w}×{h}");
            }
        }
    }
}
