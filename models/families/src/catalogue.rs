//! From a manifest to the code that it asks for.

use pickup_core::{Error, Result};
use pickup_package::{Manifest, Preset, SamplerKind, SamplerSpec, ScheduleKind};
use pickup_samplers::{DpmPlusPlus, FlowEuler, Levels, Sampler, TokenEuler, UniPc};

use crate::{Conditioning, Family, ltx::Ltx, wan_ti2v::WanTi2v, wan_vace::WanVace};

/// Names of the families that this version knows.
pub const FAMILIES: [&str; 3] = [WanVace::NAME, WanTi2v::NAME, Ltx::NAME];

/// The family that `manifest` names.
///
/// # Errors
/// If this version of Pickup does not know it, or the manifest does not fit it.
pub fn family(manifest: &Manifest) -> Result<Box<dyn Family>> {
    match manifest.family.as_str() {
        WanVace::NAME => Ok(Box::new(WanVace::new(manifest)?)),
        WanTi2v::NAME => Ok(Box::new(WanTi2v::new(manifest)?)),
        Ltx::NAME => Ok(Box::new(Ltx::new(manifest)?)),
        other => Err(Error::model(format!(
            "{}: field `family`: expected one of {FAMILIES:?}, found {other:?}.",
            manifest.name
        ))
        .hint("This model needs a newer version of Pickup.")),
    }
}

/// The noise levels of `steps` steps: those that `preset` lists, if it lists as many, else as `spec` has them.
pub fn levels(spec: &SamplerSpec, preset: &Preset, steps: usize) -> Levels {
    match (&preset.sigmas, spec.schedule) {
        (Some(sigmas), _) if sigmas.len() == steps => Levels::Given(sigmas.clone()),
        (_, ScheduleKind::Shifted) => Levels::Shifted { steps, shift: spec.shift },
        (_, ScheduleKind::LinearQuadratic) => Levels::LinearQuadratic { steps },
    }
}

/// The sampler that `spec` asks for, ready to walk through `levels`.
///
/// # Errors
/// If it has no such levels, or `conditioning` holds tokens, which it does not know how to.
pub fn sampler(spec: &SamplerSpec, levels: &Levels, conditioning: &Conditioning) -> Result<Box<dyn Sampler>> {
    let train_timesteps = spec.train_timesteps;
    Ok(match (spec.kind, conditioning.ceilings.clone()) {
        (SamplerKind::FlowEuler, Some(held)) => Box::new(TokenEuler::new(levels, train_timesteps, held)?),
        (other, Some(_)) => {
            return Err(Error::model(format!(
                "expected the sampler flow_euler, which holds tokens each at its level, got {other:?}."
            )));
        }
        (SamplerKind::FlowEuler, None) => Box::new(FlowEuler::new(levels, train_timesteps)?),
        (SamplerKind::Unipc, None) => Box::new(UniPc::new(levels, spec.order, train_timesteps)?),
        (SamplerKind::DpmPlusPlus, None) => Box::new(DpmPlusPlus::new(levels, spec.order, train_timesteps)?),
    })
}
