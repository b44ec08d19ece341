//! What the family takes.

use ndarray::Axis;
use pickup_core::{Error, Result};
use pickup_package::{Conditioning, Limits, Manifest};

use crate::{ModelCanvas, grid};

/// Latents to a token, in each direction.
pub(super) const PATCH: usize = 2;

/// Whether `manifest` describes a model of this family.
pub(super) fn check_manifest(manifest: &Manifest) -> Result<()> {
    grid::check_manifest(manifest, PATCH as u32)?;
    if manifest.control.is_some() {
        return grid::refuse(manifest, "control", "nothing, as the transformer takes no control", "one");
    }
    match manifest.conditioning.iter().find(|kind| **kind != Conditioning::First) {
        Some(other) => {
            grid::refuse(manifest, "conditioning", "at most the first frame", &format!("{other:?}"))
        }
        None => Ok(()),
    }
}

/// Whether the model can take `canvas`: all of its first frame may be known, and nothing else.
pub(super) fn check_canvas(limits: &Limits, canvas: &ModelCanvas) -> Result<()> {
    grid::check_canvas(limits, canvas)?;
    if !canvas.references.is_empty() {
        let error =
            Error::input(format!("the model takes no reference pictures, got {}.", canvas.references.len()));
        return Err(error.hint("Remove the references, or choose another model."));
    }
    for (index, mask) in canvas.mask.axis_iter(Axis(0)).enumerate() {
        let known = mask.iter().filter(|mask| !is_unknown(**mask)).count();
        if known > 0 && (index > 0 || known < mask.len()) {
            let error = Error::input(format!(
                "the model expected nothing known but the whole first frame, got {known} of {} pixels of frame \
                 {index}.",
                mask.len()
            ));
            return Err(error.hint("Leave the other frames out, or choose another model."));
        }
    }
    Ok(())
}

/// Whether the first frame of `canvas` is known.
pub(super) fn knows_first(canvas: &ModelCanvas) -> bool {
    canvas.mask.iter().next().is_some_and(|mask| !is_unknown(*mask))
}

/// As for the other families, a mask above ½ is unknown.
fn is_unknown(mask: f32) -> bool {
    mask > 0.5
}
