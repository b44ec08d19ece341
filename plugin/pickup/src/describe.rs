//! What the host is told about the plugins. Nothing here starts, opens or reads anything.

use pickup_ofx::{
    ClipDefinition, Components, Context, Depth, Descriptor, PluginDescription, Result, clip_names,
};

use crate::hosts::Quirks;
use crate::params::TABLE;
use crate::role::Role;

/// The depths, the one that loses least first.
const DEPTHS: &[Depth] = &[Depth::Float, Depth::Half, Depth::Short, Depth::Byte];

/// Describes a plugin.
///
/// # Errors
/// The host's answer.
pub fn plugin(role: Role, effect: Descriptor<'_>) -> Result<()> {
    let quirks = Quirks::current();
    effect.describe(&PluginDescription {
        label: role.label(),
        grouping: "Pickup",
        description: role.description(),
        contexts: role.contexts(),
        depths: DEPTHS,
        thread_safety: quirks.thread_safety,
        temporal_access: role == Role::Fill,
        tiles: false,
        multi_resolution: false,
    })
}

/// Describes clips and parameters of a context.
///
/// # Errors
/// The host's answer.
pub fn context(effect: Descriptor<'_>, context: Context) -> Result<()> {
    for name in input_clips(context) {
        effect.define_clip(&clip(name, true))?;
    }
    effect.define_clip(&clip(clip_names::OUTPUT, false))?;
    let params = effect.params()?;
    TABLE.iter().try_for_each(|entry| params.define(&entry.for_context(context)))
}

/// The clips that a context reads. General (a node with any inputs) and Transition (from A to B) are described in
/// this one place when they come.
fn input_clips(context: Context) -> &'static [&'static str] {
    match context {
        Context::Filter | Context::General => &[clip_names::SOURCE],
        Context::Transition => &[clip_names::SOURCE_FROM, clip_names::SOURCE_TO],
        _ => &[],
    }
}

fn clip(name: &'static str, temporal_access: bool) -> ClipDefinition {
    ClipDefinition { name, components: &[Components::Rgba], optional: false, temporal_access, tiles: false }
}
