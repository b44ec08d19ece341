//! The latent grid of a causal video model: what sizes and lengths a canvas may have, and the shape of
//! its latent.

use ndarray::{Array3, Array5, Axis};
use pickup_core::{Error, Result};
use pickup_package::{LatentSpec, Limits, Manifest};

use crate::{ModelCanvas, TextEmbedding};

/// That `manifest` does not fit its family.
pub(crate) fn refuse<T>(manifest: &Manifest, field: &str, expected: &str, found: &str) -> Result<T> {
    let name = &manifest.name;
    Err(Error::model(format!("{name}: field `{field}`: expected {expected}, found {found}."))
        .hint("Ask the package's makers for a corrected one."))
}

/// Whether sizes and lengths of `manifest` fall on the latent grid of a model whose tokens are `patch`
/// by `patch` latents, and whose first latent frame stands for one frame.
pub(crate) fn check_manifest(manifest: &Manifest, patch: u32) -> Result<()> {
    let (latent, limits) = (&manifest.latent, &manifest.limits);
    let token = patch * latent.spatial as u32;
    if !limits.size_multiple.is_multiple_of(token) {
        let expected = format!("a multiple of {token} ({patch} latents of {} pixels)", latent.spatial);
        return refuse(manifest, "limits.size_multiple", &expected, &limits.size_multiple.to_string());
    }
    if limits.frame_multiple as usize != latent.temporal {
        let expected = format!("{}, as `latent.temporal`", latent.temporal);
        return refuse(manifest, "limits.frame_multiple", &expected, &limits.frame_multiple.to_string());
    }
    if limits.frame_offset != 1 {
        return refuse(manifest, "limits.frame_offset", "1", &limits.frame_offset.to_string());
    }
    Ok(())
}

/// Whether frames and mask of `canvas` have a size and length that `limits` allow.
pub(crate) fn check_canvas(limits: &Limits, canvas: &ModelCanvas) -> Result<()> {
    let (frames, height, width, channels) = canvas.frames.dim();
    let refuse = |what: String| Err(Error::model(format!("the model expected {what}.")));
    if channels != 3 {
        return refuse(format!("3 colour channels, got {channels}"));
    }
    let multiple = limits.size_multiple as usize;
    if height == 0 || width == 0 || !height.is_multiple_of(multiple) || !width.is_multiple_of(multiple) {
        return refuse(format!("width and height to be multiples of {multiple}, got {width}×{height}"));
    }
    if !limits.allows_length(frames as u32) {
        let (each, first) = (limits.frame_multiple, limits.frame_offset);
        return refuse(format!("{each} n + {first} frames, got {frames}"));
    }
    if canvas.mask.dim() != (frames, height, width) {
        return refuse(format!("a mask of {:?}, got {:?}", (frames, height, width), canvas.mask.dim()));
    }
    Ok(())
}

/// Whether `text` came from a text encoder that gives `width` numbers to a token.
pub(crate) fn check_text(width: usize, text: &TextEmbedding) -> Result<()> {
    let (batch, tokens, found) = text.0.dim();
    if batch == 1 && tokens > 0 && found == width {
        return Ok(());
    }
    let got = text.0.dim();
    Err(Error::model(format!("the model expected a text embedding of (1, l, {width}), got {got:?}.")))
}

/// Shape `(1, c, f, h, w)` of the latent of a clip like `frames` `(t, h, w, 3)`.
pub(crate) fn latent_shape(spec: &LatentSpec, frames: (usize, usize, usize, usize)) -> [usize; 5] {
    let (count, height, width, _) = frames;
    [1, spec.channels, count.div_ceil(spec.temporal), height / spec.spatial, width / spec.spatial]
}

/// A picture `(h, w, 3)` as a clip `(1, 3, 1, h, w)`.
pub(crate) fn single(picture: &Array3<f32>) -> Array5<f32> {
    let view = picture.view().permuted_axes([2, 0, 1]).insert_axis(Axis(1)).insert_axis(Axis(0));
    view.as_standard_layout().into_owned()
}

/// `latent`, which the VAE gave, if it has `shape`.
pub(crate) fn checked(latent: Array5<f32>, shape: [usize; 5]) -> Result<Array5<f32>> {
    if latent.shape() == shape {
        return Ok(latent);
    }
    Err(Error::model(format!("the VAE should give a latent of shape {shape:?}, got {:?}.", latent.shape())))
}
