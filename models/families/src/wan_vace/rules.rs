//! What the family takes.

use pickup_core::{Error, Result};
use pickup_package::Manifest;

use super::WanVace;
use crate::{ModelCanvas, TextEmbedding};

/// Whether `manifest` describes a model of this family.
pub(super) fn check_manifest(manifest: &Manifest) -> Result<()> {
    let refuse = |field: &str, expected: String, found: String| {
        Err(Error::model(format!("{}: field `{field}`: expected {expected}, found {found}.", manifest.name))
            .hint("Ask the package's makers for a corrected one."))
    };
    let (latent, limits) = (&manifest.latent, &manifest.limits);
    let patch = 2 * latent.spatial as u32;
    if !limits.size_multiple.is_multiple_of(patch) {
        let expected = format!("a multiple of {patch} (two latents of {} pixels)", latent.spatial);
        return refuse("limits.size_multiple", expected, limits.size_multiple.to_string());
    }
    if limits.frame_multiple as usize != latent.temporal {
        let expected = format!("{}, as `latent.temporal`", latent.temporal);
        return refuse("limits.frame_multiple", expected, limits.frame_multiple.to_string());
    }
    if limits.frame_offset != 1 {
        return refuse("limits.frame_offset", "1".to_owned(), limits.frame_offset.to_string());
    }
    Ok(())
}

/// Whether the model can take `canvas`.
pub(super) fn check_canvas(family: &WanVace, canvas: &ModelCanvas) -> Result<()> {
    let (frames, height, width, channels) = canvas.frames.dim();
    let limits = &family.limits;
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
    if let Some(other) = canvas.references.iter().find(|picture| picture.dim() != (height, width, 3)) {
        return refuse(format!("references of {:?}, got {:?}", (height, width, 3), other.dim()));
    }
    let most = family.control.max_references;
    if canvas.references.len() > most {
        let error = Error::input(format!(
            "the model takes at most {most} reference pictures, got {}.",
            canvas.references.len()
        ));
        return Err(error.hint("Remove some of the references."));
    }
    Ok(())
}

/// Whether `text` came from this model's text encoder.
pub(super) fn check_text(family: &WanVace, text: &TextEmbedding) -> Result<()> {
    let (batch, tokens, width) = text.0.dim();
    if batch == 1 && tokens > 0 && width == family.text_width {
        return Ok(());
    }
    Err(Error::model(format!(
        "the model expected a text embedding of (1, l, {}), got {:?}.",
        family.text_width,
        text.0.dim()
    )))
}
