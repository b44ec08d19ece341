//! Canvas to control: `WanVACEPipeline.prepare_video_latents` and `.prepare_masks`.

use ndarray::{Array1, Array4, Array5, ArrayView3, ArrayView5, Axis, s};
use pickup_core::Result;
use pickup_package::{ControlSpec, LatentSpec};

use crate::grid::{checked, single};
use crate::{Conditioning, ModelCanvas};

/// The transformer's inputs for what is known.
mod input {
    pub const CONTROL: &str = "control_hidden_states";
    pub const SCALE: &str = "control_scale";
}

/// `control` `(1, 2c + spatial², f, h, w)`, whose first `references` frames stand for references, as the
/// transformer takes it.
pub(super) fn bound(spec: &ControlSpec, control: Array5<f32>, references: usize) -> Conditioning {
    let scale = Array1::from_elem(spec.layers, spec.scale);
    let inputs = vec![(input::CONTROL, control.into()), (input::SCALE, scale.into())];
    Conditioning { inputs, references, ..Conditioning::default() }
}

/// The control `(1, 2c + spatial², f, h, w)` of `canvas`, for a latent of `shape` `(1, c, f, h, w)`.
pub(super) fn build(
    spec: &LatentSpec,
    canvas: &ModelCanvas,
    shape: [usize; 5],
    encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
) -> Result<Array5<f32>> {
    let references = canvas.references.len();
    let clip = [1, shape[1], shape[2] - references, shape[3], shape[4]];
    let [known, unknown] = parts(canvas);
    let inactive = checked(encode(known.view())?, clip)?;
    // From text alone both are 0: encoding takes longer than anything but the walk, and would say the same again.
    let reactive = if unknown == known { inactive.clone() } else { checked(encode(unknown.view())?, clip)? };
    let mask = fold(canvas.mask.view(), spec.spatial, clip[2]);

    let channels = shape[1];
    let mut control = Array5::zeros((1, 2 * channels + mask.len_of(Axis(0)), shape[2], shape[3], shape[4]));
    control.slice_mut(s![.., ..channels, references.., .., ..]).assign(&inactive);
    control.slice_mut(s![.., channels..2 * channels, references.., .., ..]).assign(&reactive);
    control.slice_mut(s![0, 2 * channels.., references.., .., ..]).assign(&mask);
    // Each reference goes before all that came earlier, so the last one stands first.
    for (slot, reference) in canvas.references.iter().rev().enumerate() {
        let latent = checked(encode(single(reference).view())?, [1, channels, 1, shape[3], shape[4]])?;
        control.slice_mut(s![.., ..channels, slot..slot + 1, .., ..]).assign(&latent);
    }
    Ok(control)
}

/// Known and unknown part of the canvas, each `(1, 3, t, h, w)`, 0 where the other one is. As in
/// diffusers, a mask above ½ is unknown.
fn parts(canvas: &ModelCanvas) -> [Array5<f32>; 2] {
    let frames = canvas.frames.view().permuted_axes([3, 0, 1, 2]).insert_axis(Axis(0));
    let part = |unknown: bool| {
        let keep = canvas.mask.mapv(|mask| f32::from(u8::from((mask > 0.5) == unknown)));
        (&frames * &keep).as_standard_layout().into_owned()
    };
    [part(false), part(true)]
}

/// The mask `(t, h, w)` on the latent grid: `(spatial², frames, h/spatial, w/spatial)`. The pixels
/// under a latent become channels, row by row; time is resampled to the nearest frame.
fn fold(mask: ArrayView3<'_, f32>, spatial: usize, frames: usize) -> Array4<f32> {
    let (count, height, width) = mask.dim();
    let grid = (spatial * spatial, frames, height / spatial, width / spatial);
    Array4::from_shape_fn(grid, |(channel, frame, y, x)| {
        let (row, column) = (channel / spatial, channel % spatial);
        mask[[nearest_exact(frame, frames, count), y * spatial + row, x * spatial + column]]
    })
}

/// Source index of `index` when `to` samples are drawn from `from`, as PyTorch's `nearest-exact`
/// does it: ⌊(index + ½) · from / to⌋, the product in single precision.
fn nearest_exact(index: usize, to: usize, from: usize) -> usize {
    let scale = from as f32 / to as f32;
    (((index as f32 + 0.5) * scale) as usize).min(from - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3, concatenate};

    #[test]
    fn time_is_sampled_at_the_middle() {
        let picks = |to, from| (0..to).map(|i| nearest_exact(i, to, from)).collect::<Vec<_>>();
        // torch.nn.functional.interpolate(torch.arange(17.), size=5, mode="nearest-exact") and others
        assert_eq!(picks(5, 17), [1, 5, 8, 11, 15]);
        assert_eq!(picks(3, 9), [1, 4, 7]);
        assert_eq!(picks(9, 33), [1, 5, 9, 12, 16, 20, 23, 27, 31]);
        assert_eq!(picks(1, 1), [0]);
    }

    #[test]
    fn pixels_become_channels_row_by_row() {
        let mask = Array3::from_shape_fn((1, 16, 24), |(_, y, x)| (100 * y + x) as f32);
        let folded = fold(mask.view(), 8, 1);
        assert_eq!(folded.dim(), (64, 1, 2, 3));
        assert_eq!(folded[[0, 0, 0, 0]], 0.0);
        assert_eq!(folded[[11, 0, 0, 0]], 103.0, "channel 11 is row 1, column 3");
        assert_eq!(folded[[63, 0, 1, 2]], 1523.0);
        let again: Array2<f32> =
            Array2::from_shape_fn((16, 24), |(y, x)| folded[[(y % 8) * 8 + x % 8, 0, y / 8, x / 8]]);
        assert_eq!(again, mask.index_axis(Axis(0), 0));
    }

    #[test]
    fn parts_add_up_and_do_not_overlap() {
        let frames =
            Array4::from_shape_fn((2, 2, 2, 3), |(t, y, x, c)| (t * 8 + y * 4 + x * 2 + c + 1) as f32);
        let mask = Array3::from_shape_fn((2, 2, 2), |(t, _, x)| ((t + x) % 2) as f32);
        let [inactive, reactive] = parts(&ModelCanvas { frames, mask, references: vec![], rate: 16.0 });
        assert_eq!(inactive[[0, 2, 1, 1, 1]], 17.0, "known: t = 1, y = 1, x = 1, blue");
        assert_eq!(reactive[[0, 2, 1, 1, 1]], 0.0);
        let both = concatenate(Axis(0), &[inactive.view(), reactive.view()]).unwrap();
        assert!(both.lanes(Axis(0)).into_iter().all(|pair| (pair[0] == 0.0) != (pair[1] == 0.0)));
    }
}
