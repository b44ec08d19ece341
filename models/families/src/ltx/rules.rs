//! What the family takes.

use ndarray::Axis;
use pickup_core::{Error, Result};
use pickup_package::{Conditioning, DecodeSpec, HeldSpec, Manifest, SamplerKind};

use super::Ltx;
use crate::{ModelCanvas, grid};

/// Latents to a token, in each direction.
const PATCH: u32 = 1;

/// How `manifest` holds frames and what it tells the decoder, if it describes a model of this family.
pub(super) fn check_manifest(manifest: &Manifest) -> Result<(HeldSpec, DecodeSpec)> {
    grid::check_manifest(manifest, PATCH)?;
    let (Some(held), Some(decode)) = (&manifest.held, &manifest.decode) else {
        let field = if manifest.held.is_none() { "held" } else { "decode" };
        return grid::refuse(manifest, field, "a strength or timestep, and noise", "nothing");
    };
    if manifest.sampler.kind != SamplerKind::FlowEuler {
        let found = format!("{:?}", manifest.sampler.kind);
        return grid::refuse(manifest, "sampler.kind", "flow_euler, which steps token by token", &found);
    }
    if manifest.graphs.is_stepped() {
        return grid::refuse(manifest, "graphs.vae_dec_next", "nothing: the decoder looks ahead", "a path");
    }
    if manifest.text.padded {
        return grid::refuse(manifest, "text.padded", "false: the transformer takes no mask", "true");
    }
    let cannot = [Conditioning::Mask, Conditioning::Reference];
    if let Some(other) = cannot.iter().find(|kind| manifest.conditioning.contains(kind)) {
        return grid::refuse(manifest, "conditioning", "kinds of whole frames", &format!("{other:?}"));
    }
    Ok((held.clone(), decode.clone()))
}

/// Whether the model can take `canvas`.
pub(super) fn check_canvas(family: &Ltx, canvas: &ModelCanvas) -> Result<()> {
    grid::check_canvas(&family.limits, canvas)?;
    if !canvas.references.is_empty() {
        let error = Error::input("the model takes no reference pictures.");
        return Err(error.hint("Put the picture at a frame of the canvas, or choose another model."));
    }
    if !(canvas.rate.is_finite() && canvas.rate > 0.0) {
        return Err(Error::model(format!("expected a frame rate above 0, got {}.", canvas.rate)));
    }
    let is_even = |frame: usize| {
        let mask = canvas.mask.index_axis(Axis(0), frame);
        let first = mask[[0, 0]];
        (0.0..=1.0).contains(&first) && mask.iter().all(|value| *value == first)
    };
    match (0..canvas.mask.len_of(Axis(0))).find(|frame| !is_even(*frame)) {
        None => Ok(()),
        Some(frame) => Err(Error::input(format!(
            "the model is given whole frames, and cannot keep or make a region of one (frame {frame})."
        ))
        .hint("The nearest that it can do is to make the whole frame. Or choose another model.")),
    }
}

/// How firmly each frame is held, 0 for those to be made: `strength` for a known one.
pub(super) fn strengths(canvas: &ModelCanvas, strength: f32) -> Vec<f32> {
    let mask = |frame: ndarray::ArrayView2<'_, f32>| frame.first().copied().unwrap_or(1.0);
    canvas.mask.outer_iter().map(|frame| (1.0 - mask(frame)) * strength).collect()
}
