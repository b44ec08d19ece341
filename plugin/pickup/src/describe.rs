//! What the host is told about the plugins. Nothing here starts, opens or reads anything.

use pickup_ofx::{
    ClipDefinition, Components, Context, Depth, Descriptor, PluginDescription, Result, clip_names,
};

use crate::clips::names;
use crate::hosts::Quirks;
use crate::params::TABLE;
use crate::role::Role;
use crate::texts::words;

/// The depths, the one that loses least first.
const DEPTHS: &[Depth] = &[Depth::Float, Depth::Half, Depth::Short, Depth::Byte];

/// Describes a plugin.
///
/// # Errors
/// The host's answer.
pub fn plugin(role: Role, effect: Descriptor<'_>) -> Result<()> {
    let quirks = Quirks::current();
    let text = words(role.text_id());
    effect.describe(&PluginDescription {
        label: &text.label,
        grouping: "Pickup",
        description: &text.hint,
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
pub fn context(role: Role, effect: Descriptor<'_>, context: Context) -> Result<()> {
    for clip in input_clips(role, context) {
        effect.define_clip(&clip)?;
    }
    effect.define_clip(&clip(clip_names::OUTPUT, false, false))?;
    let params = effect.params()?;
    TABLE
        .iter()
        .filter_map(|entry| entry.for_context(context))
        .try_for_each(|definition| params.define(&definition))
}

/// The clips that a context reads.
fn input_clips(role: Role, context: Context) -> Vec<ClipDefinition> {
    let optional = |name| clip(name, true, true);
    match (context, role) {
        (Context::Filter, _) => vec![clip(clip_names::SOURCE, false, true)],
        (Context::Transition, _) => {
            vec![clip(clip_names::SOURCE_FROM, false, true), clip(clip_names::SOURCE_TO, false, true)]
        }
        (Context::General, Role::Fill) => {
            let shots = [clip_names::SOURCE, names::BEFORE, names::AFTER].map(optional);
            let mask = ClipDefinition { components: MASK_COMPONENTS, ..optional(names::MASK) };
            shots.into_iter().chain([mask]).chain(names::REFERENCES.map(optional)).collect()
        }
        (Context::General, Role::Generate) => names::REFERENCES.map(optional).to_vec(),
        _ => Vec::new(),
    }
}

/// A mask may be alpha alone.
const MASK_COMPONENTS: &[Components] = &[Components::Alpha, Components::Rgba];

fn clip(name: &'static str, optional: bool, temporal_access: bool) -> ClipDefinition {
    ClipDefinition { name, components: &[Components::Rgba], optional, temporal_access, tiles: false }
}
