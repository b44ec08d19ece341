//! Canvas to the latent's known start: `WanImageToVideoPipeline.prepare_latents`.

use ndarray::{Array5, ArrayView5, Axis, s};
use pickup_core::Result;

use super::rules::knows_first;
use crate::grid::{checked, single};
use crate::{Conditioning, ModelCanvas};

/// The latent of the first frame of `canvas` where that is known, for a latent of `shape`
/// `(1, c, f, h, w)`.
pub(super) fn build(
    canvas: &ModelCanvas,
    shape: [usize; 5],
    encode: &mut dyn FnMut(ArrayView5<'_, f32>) -> Result<Array5<f32>>,
) -> Result<Conditioning> {
    if !knows_first(canvas) {
        return Ok(Conditioning::default());
    }
    let first = single(&canvas.frames.index_axis(Axis(0), 0).to_owned());
    let [batch, channels, _, height, width] = shape;
    let start = checked(encode(first.view())?, [batch, channels, 1, height, width])?;
    Ok(Conditioning { start: Some(start), ..Conditioning::default() })
}

/// `latent` `(1, c, f, h, w)` with what is known at its start.
pub(super) fn with_start(mut latent: Array5<f32>, conditioning: &Conditioning) -> Array5<f32> {
    if let Some(start) = &conditioning.start {
        latent.slice_mut(s![.., .., ..start.len_of(Axis(2)), .., ..]).assign(start);
    }
    latent
}
