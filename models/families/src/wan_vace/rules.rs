//! What the family takes.

use pickup_core::{Error, Result};
use pickup_package::{ControlSpec, Manifest};

use super::WanVace;
use crate::{ModelCanvas, grid};

/// Latents to a token, in each direction.
const PATCH: u32 = 2;

/// The control of `manifest`, if it describes a model of this family.
pub(super) fn check_manifest(manifest: &Manifest) -> Result<ControlSpec> {
    grid::check_manifest(manifest, PATCH)?;
    match &manifest.control {
        Some(control) => Ok(control.clone()),
        None => grid::refuse(manifest, "control", "layers, scale and references", "nothing"),
    }
}

/// Whether the model can take `canvas`.
pub(super) fn check_canvas(family: &WanVace, canvas: &ModelCanvas) -> Result<()> {
    grid::check_canvas(&family.limits, canvas)?;
    let (_, height, width, _) = canvas.frames.dim();
    if let Some(other) = canvas.references.iter().find(|picture| picture.dim() != (height, width, 3)) {
        let (wanted, got) = ((height, width, 3), other.dim());
        return Err(Error::model(format!("the model expected references of {wanted:?}, got {got:?}.")));
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
