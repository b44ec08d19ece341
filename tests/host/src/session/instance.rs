//! An instance on the timeline: making, keeping values, and taking it away.

use std::collections::BTreeMap;
use std::sync::Arc;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::{image_effect::*, param::*};
use serde_json::Value;

use super::face::strip;
use super::{Stopped, call, expect};
use crate::host::Host;
use crate::media::source::ClipSource;
use crate::names;
use crate::plan::{Context, Plan};
use crate::profile::{Object, Profile};
use crate::violation::ViolationKind;
use crate::world::calls::Action;
use crate::world::handles::Handle;
use crate::world::parameter::{self, Parameter};
use crate::world::property_set::{Kind, PropertySet};
use crate::world::{Clip, World, c_text, property_table};

/// Parameter values by name, as a project file keeps them.
pub type Kept = BTreeMap<String, Value>;

/// Input clips by name.
pub type Sources = BTreeMap<String, Arc<ClipSource>>;

/// Makes an instance with these values, as when a project is opened.
pub fn create(
    plan: &Plan,
    host: &Host,
    from: Handle,
    sources: &Sources,
    kept: &Kept,
) -> Result<Handle, Stopped> {
    let effect = build(plan, host, from, sources);
    apply(host, effect, kept)?;
    let status = host.call_noted(call(Action::CreateInstance, Some(effect)), None, None);
    expect(host, Action::CreateInstance, status)?;
    if !host.manners().clips_known_at_create {
        label_clips(host, effect);
    }
    if plan.profile == Profile::Strict {
        host.call_noted(call(Action::Unknown, Some(effect)), None, None);
    }
    preferences(host, effect)?;
    Ok(effect)
}

/// Says depth and components of the clips.
fn label_clips(host: &Host, effect: Handle) {
    let mut world = host.world.lock();
    let own = world.clips.values().filter(|clip| clip.effect == effect);
    let clips: Vec<(Handle, bool)> =
        own.map(|clip| (clip.props, is_output(&clip.name) || clip.source.is_some())).collect();
    for (props, connected) in clips {
        if let Some(props) = world.props.get_mut(&props) {
            put_labels(props, host, connected);
        }
    }
}

fn is_output(clip: &str) -> bool {
    clip.as_bytes() == kOfxImageEffectOutputClipName.to_bytes()
}

fn put_labels(props: &mut PropertySet, host: &Host, known: bool) {
    let depth = if known { names::depth(host.project.depth) } else { kOfxBitDepthNone };
    let components = if known { kOfxImageComponentRGBA } else { kOfxImageComponentNone };
    for name in [kOfxImageEffectPropPixelDepth, kOfxImageClipPropUnmappedPixelDepth] {
        props.put_texts(name, &[depth]);
    }
    for name in [kOfxImageEffectPropComponents, kOfxImageClipPropUnmappedComponents] {
        props.put_texts(name, &[components]);
    }
}

/// Takes an instance away.
pub fn destroy(host: &Host, effect: Handle) -> Result<(), Stopped> {
    let status = host.call_noted(call(Action::DestroyInstance, Some(effect)), None, None);
    host.world.lock().remove_effect(effect);
    expect(host, Action::DestroyInstance, status)
}

fn build(plan: &Plan, host: &Host, from: Handle, sources: &Sources) -> Handle {
    let mut world = host.world.lock();
    let described = world.effect_props(from).cloned();
    let props = instance_props(plan, host, described.as_ref(), from);
    let params = described_params(&world, from);
    let effect = world.add_effect(props, params.0, true);
    for (name, described) in described_clips(&world, from) {
        let source = sources.get(&name).cloned();
        let props = clip_props(host, &name, &described, source.as_deref());
        let props = world.add_props(props);
        world.add_clip(Clip { name, props, effect, source });
    }
    let set = world.effects.get(&effect).map(|effect| effect.params);
    let fixed = host.manners().fixed;
    let writable: Vec<_> =
        property_table::PARAMETER_INSTANCE_WRITABLE.iter().copied().filter(|n| !fixed.contains(n)).collect();
    for (described, props) in params.1 {
        let owner = format!("parameter {}", described.name.to_string_lossy());
        let mut copy = props.instantiate(owner, &writable);
        copy.put_texts(kOfxPropType, &[kOfxTypeParameterInstance]);
        let value = parameter::default_value(described.kind, &props);
        let props = world.add_props(copy);
        let parameter = Parameter { props, effect, value, retired: Vec::new(), ..described };
        if let Some(set) = set {
            world.add_parameter(set, parameter);
        }
    }
    effect
}

fn described_params(world: &World, from: Handle) -> (PropertySet, Vec<(Parameter, PropertySet)>) {
    let set = world.effects.get(&from).and_then(|effect| world.param_sets.get(&effect.params));
    let writable = &[kOfxPropParamSetNeedsSyncing];
    let props =
        set.and_then(|set| world.props.get(&set.props)).map(|p| p.instantiate("parameter set", writable));
    let list = set.map(|set| set.parameters.clone()).unwrap_or_default();
    let found = list.iter().filter_map(|handle| world.params.get(handle));
    let found = found.filter_map(|p| Some((p.clone(), world.props.get(&p.props)?.clone()))).collect();
    (props.unwrap_or_else(|| PropertySet::new("parameter set", property_table::PARAMETER_SET)), found)
}

fn described_clips(world: &World, from: Handle) -> Vec<(String, PropertySet)> {
    let clips = world.effects.get(&from).map(|effect| effect.clips.clone()).unwrap_or_default();
    let found = clips.iter().filter_map(|handle| world.clips.get(handle));
    found.filter_map(|clip| Some((clip.name.clone(), world.props.get(&clip.props)?.clone()))).collect()
}

fn instance_props(plan: &Plan, host: &Host, described: Option<&PropertySet>, from: Handle) -> PropertySet {
    let mut props = PropertySet::new("effect instance", property_table::EFFECT_INSTANCE);
    let [x1, y1, x2, y2] = host.extent();
    let duration = (host.range[1] - host.range[0] + 1) as f64;
    props.put_texts(kOfxPropType, &[kOfxTypeImageEffectInstance]);
    props.put_texts(kOfxImageEffectPropContext, &[names::context(plan.context)]);
    props.put_doubles(kOfxImageEffectPropProjectSize, &[x2 - x1, y2 - y1]);
    props.put_doubles(kOfxImageEffectPropProjectOffset, &[x1, y1]);
    props.put_doubles(kOfxImageEffectPropProjectExtent, &[x2, y2]);
    props.put_doubles(kOfxImageEffectPropProjectPixelAspectRatio, &[plan.project.pixel_aspect]);
    props.put_doubles(kOfxImageEffectInstancePropEffectDuration, &[duration]);
    props.put_doubles(kOfxImageEffectPropFrameRate, &[host.frame_rate()]);
    props.put_pointer(kOfxImageEffectPropPluginHandle, from.number());
    for name in [kOfxImageEffectInstancePropSequentialRender, kOfxImageEffectPropSupportsTiles] {
        props.put_ints(name, &[described.map_or(0, |described| described.int(name))]);
    }
    strip(&mut props, host.manners(), Object::Effect);
    props
}

fn clip_props(host: &Host, name: &str, described: &PropertySet, source: Option<&ClipSource>) -> PropertySet {
    let mut props = described.instantiate(format!("clip {name}"), &[]);
    for spec in property_table::CLIP_INSTANCE {
        props.define(spec.name, spec.kind, spec.size, spec.writable);
    }
    let connected = is_output(name) || source.is_some();
    put_labels(&mut props, host, connected && host.manners().clips_known_at_create);
    let range = source.map_or(host.range, |source| source.range);
    let range = range.map(|frame| frame as f64 + host.source_offset());
    for name in [kOfxImageEffectPropFrameRange, kOfxImageEffectPropUnmappedFrameRange] {
        props.put_doubles(name, &range);
    }
    for name in [kOfxImageEffectPropFrameRate, kOfxImageEffectPropUnmappedFrameRate] {
        props.put_doubles(name, &[host.frame_rate()]);
    }
    let held_as = names::premultiplication(host.project.premultiplication);
    props.put_texts(kOfxImageEffectPropPreMultiplication, &[held_as]);
    props.put_doubles(kOfxImagePropPixelAspectRatio, &[host.project.pixel_aspect]);
    props.put_texts(kOfxImageClipPropFieldOrder, &[names::field_order(host.project.fields)]);
    props.put_ints(kOfxImageClipPropConnected, &[i32::from(connected)]);
    strip(&mut props, host.manners(), Object::Clip);
    props
}

/// Puts kept values into an instance without telling the plugin.
pub fn apply(host: &Host, effect: Handle, kept: &Kept) -> Result<(), Stopped> {
    let mut world = host.world.lock();
    kept.iter().try_for_each(|(name, value)| put(&mut world, effect, name, value))
}

fn put(world: &mut World, effect: Handle, name: &str, value: &Value) -> Result<(), Stopped> {
    let told = |why: String| Stopped(format!("parameter {name}: {why}"));
    let handle = world
        .parameter_named(effect, &c_text(name))
        .ok_or_else(|| told("the plugin has no parameter of this name".to_owned()))?;
    let Some(parameter) = world.params.get_mut(&handle) else { return Ok(()) };
    let Some(props) = world.props.get(&parameter.props) else { return Ok(()) };
    let value = parameter::from_json(parameter.kind, props, value).map_err(told)?;
    if let Some(why) = parameter::misfit(parameter.kind, props, &value) {
        return Err(told(why));
    }
    parameter.set(value);
    Ok(())
}

/// The values that a project keeps: all persistent ones, after the plugin has synchronised its own.
pub fn keep(host: &Host, effect: Handle) -> Result<Kept, Stopped> {
    let needs = {
        let world = host.world.lock();
        let set = world.effects.get(&effect).and_then(|effect| world.param_sets.get(&effect.params));
        set.and_then(|set| world.props.get(&set.props))
            .is_some_and(|p| p.int(kOfxPropParamSetNeedsSyncing) != 0)
    };
    if needs {
        let status = host.call_noted(call(Action::SyncPrivateData, Some(effect)), None, None);
        expect(host, Action::SyncPrivateData, status)?;
    }
    let world = host.world.lock();
    let persistent = |p: &&Parameter| {
        world.props.get(&p.props).is_some_and(|props| props.int(kOfxParamPropPersistant) != 0)
    };
    let own = world.params.values().filter(|p| p.effect == effect && p.kind.has_value());
    Ok(own
        .filter(persistent)
        .map(|p| (p.name.to_string_lossy().into_owned(), parameter::to_json(p.kind, &p.value)))
        .collect())
}

/// One value for a report; choices with their text.
pub fn show(host: &Host, effect: Handle, name: &str) -> Option<Value> {
    let world = host.world.lock();
    let parameter = world.params.get(&world.parameter_named(effect, &c_text(name))?)?;
    let value = parameter::to_json(parameter.kind, &parameter.value);
    let options = world.props.get(&parameter.props)?.texts(kOfxParamPropChoiceOption);
    let option = value.as_u64().and_then(|at| options.get(usize::try_from(at).ok()?));
    Some(option.map_or_else(|| value.clone(), |text| Value::from(text.as_str())))
}

/// `GetClipPreferences`, and whether this host can follow the answer.
fn preferences(host: &Host, effect: Handle) -> Result<(), Stopped> {
    let clips: Vec<(String, Handle)> = {
        let world = host.world.lock();
        let own = world.clips.values().filter(|clip| clip.effect == effect);
        own.map(|clip| (clip.name.clone(), clip.props)).collect()
    };
    let depth = names::depth(host.project.depth);
    let reply = host.arguments(property_table::PREFERENCES_REPLY, |reply| {
        for (clip, _) in &clips {
            let (components, depths) = (components_of(clip), depths_of(clip));
            let aspect = property_table::clip_argument("OfxImageClipPropPAR_", clip);
            reply.define(&components, Kind::Text, 1, true);
            reply.define(&depths, Kind::Text, 1, true);
            reply.define(&aspect, Kind::Double, 1, true);
            reply.put_texts(&components, &[kOfxImageComponentRGBA]);
            reply.put_texts(&depths, &[depth]);
            reply.put_doubles(&aspect, &[host.project.pixel_aspect]);
        }
        reply.put_doubles(kOfxImageEffectPropFrameRate, &[host.frame_rate()]);
        reply.put_texts(kOfxImageClipPropFieldOrder, &[names::field_order(host.project.fields)]);
        let held_as = names::premultiplication(host.project.premultiplication);
        reply.put_texts(kOfxImageEffectPropPreMultiplication, &[held_as]);
    });
    let status = host.call_noted(call(Action::GetClipPreferences, Some(effect)), None, Some(reply));
    let answer = host.take_arguments(reply);
    expect(host, Action::GetClipPreferences, status)?;
    if let Some(answer) = answer.filter(|_| status == kOfxStatOK) {
        follow(host, &answer, &clips);
    }
    Ok(())
}

fn components_of(clip: &str) -> std::ffi::CString {
    property_table::clip_argument("OfxImageClipPropComponents_", clip)
}

fn depths_of(clip: &str) -> std::ffi::CString {
    property_table::clip_argument("OfxImageClipPropDepth_", clip)
}

fn follow(host: &Host, answer: &PropertySet, clips: &[(String, Handle)]) {
    let mut world = host.world.lock();
    let depth = names::depth(host.project.depth).to_string_lossy();
    let rgba = kOfxImageComponentRGBA.to_string_lossy();
    for (clip, _) in clips {
        let (components, wanted) = (answer.text(&components_of(clip)), answer.text(&depths_of(clip)));
        if components != rgba || wanted != depth {
            let detail = format!("{clip}: wants {components} {wanted}; the host has {rgba} {depth} only");
            world.report(ViolationKind::InvalidReply, "GetClipPreferences", detail);
        }
    }
    let held_as = c_text(&answer.text(kOfxImageEffectPropPreMultiplication));
    let allowed = [kOfxImageOpaque, kOfxImagePreMultiplied, kOfxImageUnPreMultiplied];
    if !allowed.contains(&held_as.as_c_str()) {
        world.report(
            ViolationKind::InvalidReply,
            "GetClipPreferences",
            format!("premultiplication {held_as:?}"),
        );
        return;
    }
    let output = clips.iter().find(|(name, _)| name.as_bytes() == kOfxImageEffectOutputClipName.to_bytes());
    if let Some(props) = output.and_then(|(_, props)| world.props.get_mut(props)) {
        props.put_texts(kOfxImageEffectPropPreMultiplication, &[&held_as]);
    }
}

/// Opens the plan's clips; a filter without a plan for its source has an empty one.
pub fn sources(plan: &Plan) -> Result<Sources, Stopped> {
    let open = |(name, clip): (&String, _)| {
        let source =
            ClipSource::open(clip, plan.project.premultiplication).map_err(|e| Stopped(e.to_string()))?;
        Ok((name.clone(), Arc::new(source)))
    };
    if plan.context == Context::Generator && !plan.clips.is_empty() {
        return Err(Stopped("a generator has no input clips".to_owned()));
    }
    plan.clips.iter().map(open).collect()
}
