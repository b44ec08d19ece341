//! What a request leaves open, settled.

use pickup_core::{Request, Result, TakeId};
use pickup_package::{Package, SamplerKind};
use serde::Serialize;

use crate::Plan;

/// Raised when the engine makes other frames of the same request, so that a new request is not
/// answered with an old take. Takes that a project names by id stay as they are.
const ENGINE: u32 = 2;

/// Everything besides the request that decides what the frames look like. Where it runs is left
/// out: a take made on one machine is the take on every other.
#[derive(Serialize)]
struct Settled<'a> {
    engine: u32,
    model_hash: &'a str,
    steps: u32,
    guidance: f32,
    negative_prompt: &'a str,
    /// The size whose noise a smaller one shares. Left out where there is none, so that ids are what they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_noise: Option<(u32, u32)>,
}

/// The id of the take that `request` makes with `package`.
///
/// # Errors
/// If the request cannot be written as JSON.
pub(crate) fn take_id(request: &Request, plan: &Plan, package: &Package) -> Result<TakeId> {
    request.take_id(&Settled {
        engine: ENGINE,
        model_hash: package.hash(),
        steps: plan.steps,
        guidance: plan.guidance.scale,
        negative_prompt: &plan.negative_prompt,
        shared_noise: plan.shared_noise(),
    })
}

/// The sampler's name, for the record.
pub(crate) fn sampler_name(package: &Package) -> &'static str {
    match package.manifest().sampler.kind {
        SamplerKind::Unipc => "unipc",
        SamplerKind::FlowEuler => "flow_euler",
        SamplerKind::DpmPlusPlus => "dpm_plus_plus",
    }
}
