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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, Array5};

    fn spec(kind: SamplerKind, schedule: ScheduleKind) -> SamplerSpec {
        SamplerSpec { kind, order: 2, schedule, shift: 3.0, train_timesteps: 1000 }
    }

    fn preset(sigmas: Option<Vec<f64>>) -> Preset {
        Preset { steps: 2, guidance: 1.0, scale: 1.0, guidance_rescale: 0.0, guidance_interval: None, sigmas }
    }

    #[test]
    fn listed_levels_go_first_if_there_are_as_many_as_steps() {
        let shifted = spec(SamplerKind::FlowEuler, ScheduleKind::Shifted);
        let curved = spec(SamplerKind::FlowEuler, ScheduleKind::LinearQuadratic);
        let listed = preset(Some(vec![1.0, 0.5]));
        assert_eq!(levels(&shifted, &listed, 2), Levels::Given(vec![1.0, 0.5]));
        assert_eq!(levels(&shifted, &listed, 3), Levels::Shifted { steps: 3, shift: 3.0 });
        assert_eq!(levels(&curved, &preset(None), 3), Levels::LinearQuadratic { steps: 3 });
    }

    #[test]
    fn each_kind_is_its_own_and_only_euler_holds_tokens() {
        let even = Levels::Shifted { steps: 4, shift: 3.0 };
        let free = Conditioning::default();
        let held = Conditioning { ceilings: Some(Array3::zeros((1, 1, 1))), ..Conditioning::default() };
        let make = |kind, conditioning: &Conditioning| {
            sampler(&spec(kind, ScheduleKind::Shifted), &even, conditioning)
        };
        let (zero, one) = (Array5::zeros((1, 1, 1, 1, 1)), Array5::ones((1, 1, 1, 1, 1)));
        let second = |kind, conditioning| {
            let mut sampler = make(kind, conditioning).unwrap();
            let first = sampler.step(&one, &zero).unwrap();
            sampler.step(&(&one * 2.0), &first).unwrap()[[0; 5]]
        };
        let moved = [SamplerKind::Unipc, SamplerKind::FlowEuler, SamplerKind::DpmPlusPlus]
            .map(|kind| second(kind, &free));
        assert!(moved[0] != moved[1] && moved[1] != moved[2] && moved[0] != moved[2], "{moved:?}");
        assert_eq!(second(SamplerKind::FlowEuler, &held), 0.0, "held for good");
        for kind in [SamplerKind::Unipc, SamplerKind::DpmPlusPlus] {
            let error = make(kind, &held).err().unwrap();
            assert!(error.message.contains("flow_euler"), "{error}");
        }
    }
}
