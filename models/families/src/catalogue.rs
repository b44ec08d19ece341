//! From a manifest to the code that it asks for.

use pickup_core::{Error, Result};
use pickup_package::{Manifest, SamplerKind};
use pickup_samplers::{FlowEuler, Sampler, UniPc};

use crate::{Family, wan_ti2v::WanTi2v, wan_vace::WanVace};

/// Names of the families that this version knows.
pub const FAMILIES: [&str; 2] = [WanVace::NAME, WanTi2v::NAME];

/// The family that `manifest` names.
///
/// # Errors
/// If this version of Pickup does not know it, or the manifest does not fit it.
pub fn family(manifest: &Manifest) -> Result<Box<dyn Family>> {
    match manifest.family.as_str() {
        WanVace::NAME => Ok(Box::new(WanVace::new(manifest)?)),
        WanTi2v::NAME => Ok(Box::new(WanTi2v::new(manifest)?)),
        other => Err(Error::model(format!(
            "{}: field `family`: expected one of {FAMILIES:?}, found {other:?}.",
            manifest.name
        ))
        .hint("This model needs a newer version of Pickup.")),
    }
}

/// The sampler that `manifest` asks for, ready for `steps` steps.
///
/// # Errors
/// If `steps` is zero or more than the sampler has levels.
pub fn sampler(manifest: &Manifest, steps: usize) -> Result<Box<dyn Sampler>> {
    let spec = &manifest.sampler;
    Ok(match spec.kind {
        SamplerKind::Unipc => Box::new(UniPc::new(steps, spec.order, spec.shift, spec.train_timesteps)?),
        SamplerKind::FlowEuler => Box::new(FlowEuler::new(steps, spec.shift, spec.train_timesteps)?),
    })
}
