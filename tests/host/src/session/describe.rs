//! Describe and DescribeInContext, and whether all is said that must be.

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::{image_effect::*, param::*};

use super::{Stopped, call, expect};
use crate::host::Host;
use crate::names;
use crate::plan::{Context, Depth, Plan};
use crate::report::{ParameterReport, PluginReport};
use crate::violation::ViolationKind;
use crate::world::calls::Action;
use crate::world::handles::Handle;
use crate::world::parameter::{self, ParamKind};
use crate::world::property_set::{Kind, PropertySet};
use crate::world::{World, c_text, property_table};

fn descriptor(plugin: &str) -> PropertySet {
    let mut props = PropertySet::new("effect descriptor", property_table::EFFECT_DESCRIPTOR);
    props.put_texts(kOfxPropType, &[kOfxTypeImageEffect]);
    props.put_texts(kOfxImageEffectPluginRenderThreadSafety, &[kOfxImageEffectRenderInstanceSafe]);
    for name in [
        kOfxImageEffectPropSupportsMultiResolution,
        kOfxImageEffectPropSupportsTiles,
        kOfxImageEffectPluginPropHostFrameThreading,
        kOfxImageEffectPluginPropFieldRenderTwiceAlways,
    ] {
        props.put_ints(name, &[1]);
    }
    props.put_texts(kOfxPluginPropFilePath, &[&c_text(plugin)]);
    props
}

/// `Describe`; gives the main descriptor.
pub fn describe(host: &Host, report: &mut PluginReport) -> Result<Handle, Stopped> {
    let params = PropertySet::new("parameter set", property_table::PARAMETER_SET);
    let effect = host.world.lock().add_effect(descriptor(&report.identifier), params, false);
    expect(host, Action::Describe, host.call_noted(call(Action::Describe, Some(effect)), None, None))?;
    let mut world = host.world.lock();
    let Some(props) = world.effect_props(effect).cloned() else { return Ok(effect) };
    report.label = props.text(kOfxPropLabel);
    report.contexts = props.texts(kOfxImageEffectPropSupportedContexts);
    report.depths = props.texts(kOfxImageEffectPropSupportedPixelDepths);
    report.thread_safety = props.text(kOfxImageEffectPluginRenderThreadSafety);
    host.set_plugin_temporal(props.int(kOfxImageEffectPropTemporalClipAccess) != 0);
    check_description(&mut world, report);
    Ok(effect)
}

const CONTEXTS: [&std::ffi::CStr; 6] = [
    kOfxImageEffectContextFilter,
    kOfxImageEffectContextGenerator,
    kOfxImageEffectContextGeneral,
    kOfxImageEffectContextTransition,
    kOfxImageEffectContextPaint,
    kOfxImageEffectContextRetimer,
];
const THREAD_SAFETIES: [&std::ffi::CStr; 3] =
    [kOfxImageEffectRenderUnsafe, kOfxImageEffectRenderInstanceSafe, kOfxImageEffectRenderFullySafe];

fn check_description(world: &mut World, report: &PluginReport) {
    let known =
        |list: &[&std::ffi::CStr], value: &str| list.iter().any(|name| name.to_bytes() == value.as_bytes());
    let mut missing = |absent: bool, what: &str| {
        if absent {
            world.report(ViolationKind::MissingDeclaration, "Describe", what);
        }
    };
    missing(report.label.is_empty(), "no label");
    missing(report.contexts.is_empty(), "no contexts");
    missing(report.depths.is_empty(), "no pixel depths");
    let depths = Depth::ALL.map(names::depth);
    let wrong = report.contexts.iter().filter(|context| !known(&CONTEXTS, context));
    let wrong = wrong.chain(report.depths.iter().filter(|depth| !known(&depths, depth)));
    for value in
        wrong.chain([&report.thread_safety].into_iter().filter(|value| !known(&THREAD_SAFETIES, value)))
    {
        world.report(ViolationKind::WrongPropertyValue, "Describe", value);
    }
}

/// `DescribeInContext`; gives the descriptor of that context.
pub fn in_context(plan: &Plan, host: &Host, report: &mut PluginReport) -> Result<Handle, Stopped> {
    let context = names::context(plan.context);
    offered_by_host(plan)?;
    let offers =
        |list: &[String], name: &std::ffi::CStr| list.iter().any(|said| said.as_bytes() == name.to_bytes());
    if !offers(&report.contexts, context) {
        return Err(Stopped(format!(
            "the plugin does not offer {context:?}; it offers {:?}",
            report.contexts
        )));
    }
    let depth = names::depth(plan.project.depth);
    if !offers(&report.depths, depth) {
        return Err(Stopped(format!("the plugin does not take {depth:?}; it takes {:?}", report.depths)));
    }
    let params = PropertySet::new("parameter set", property_table::PARAMETER_SET);
    let effect = host.world.lock().add_effect(descriptor(&report.identifier), params, false);
    let args = host.arguments(property_table::CONTEXT_ARGS, |args| {
        args.put_texts(kOfxImageEffectPropContext, &[context]);
    });
    let status = host.call_noted(call(Action::DescribeInContext, Some(effect)), Some(args), None);
    host.take_arguments(args);
    expect(host, Action::DescribeInContext, status)?;
    let mut world = host.world.lock();
    check_clips(&mut world, effect, plan.context);
    check_parameters(&mut world, effect);
    let progress = world.parameter_named(effect, kOfxImageEffectTransitionParamName);
    if plan.context == Context::Transition && progress.is_none() {
        world.report(ViolationKind::MissingDeclaration, "DescribeInContext", "no parameter Transition");
    }
    report.parameters = list_parameters(&world, effect);
    Ok(effect)
}

/// A plan cannot ask for what the host to be does not offer.
fn offered_by_host(plan: &Plan) -> Result<(), Stopped> {
    let (profile, depth) = (plan.profile, plan.project.depth);
    if !profile.contexts().contains(&plan.context) {
        return Err(Stopped(format!("{profile:?} offers {:?}, not {:?}", profile.contexts(), plan.context)));
    }
    if !profile.depths().contains(&depth) {
        return Err(Stopped(format!("{profile:?} offers {:?}, not {depth:?}", profile.depths())));
    }
    Ok(())
}

fn check_clips(world: &mut World, effect: Handle, context: Context) {
    let wanted: &[&str] = match context {
        Context::Filter => &["Output", "Source"],
        Context::Generator | Context::General => &["Output"],
        Context::Transition => &["Output", "SourceFrom", "SourceTo"],
    };
    for name in wanted {
        let clip = world.clip_named(effect, name).and_then(|clip| world.clips.get(&clip));
        let props = clip.and_then(|clip| world.props.get(&clip.props));
        let components = props.map(|props| props.texts(kOfxImageEffectPropSupportedComponents));
        let detail = match components {
            None => format!("no clip {name}"),
            Some(list) if !list.iter().any(|c| c.as_bytes() == kOfxImageComponentRGBA.to_bytes()) => {
                format!("clip {name} does not take RGBA")
            }
            Some(_) => continue,
        };
        world.report(ViolationKind::MissingDeclaration, "DescribeInContext", detail);
    }
}

fn parameters_of(world: &World, effect: Handle) -> Vec<(String, ParamKind, PropertySet)> {
    let set = world.effects.get(&effect).and_then(|effect| world.param_sets.get(&effect.params));
    let list = set.map(|set| set.parameters.as_slice()).unwrap_or_default();
    let found = list.iter().filter_map(|handle| world.params.get(handle));
    found
        .filter_map(|p| {
            Some((p.name.to_string_lossy().into_owned(), p.kind, world.props.get(&p.props)?.clone()))
        })
        .collect()
}

fn check_parameters(world: &mut World, effect: Handle) {
    let parameters = parameters_of(world, effect);
    for (name, kind, props) in &parameters {
        check_range(world, name, *kind, props);
        check_default(world, name, *kind, props);
        check_family(world, name, props, &parameters);
    }
}

fn check_range(world: &mut World, name: &str, kind: ParamKind, props: &PropertySet) {
    let wanted = [kOfxParamPropMin, kOfxParamPropMax, kOfxParamPropDisplayMin, kOfxParamPropDisplayMax];
    let missing: Vec<_> =
        wanted.iter().filter(|wanted| !props.touched(wanted)).map(|m| m.to_string_lossy()).collect();
    if kind.is_numeric() && !missing.is_empty() {
        world.report(
            ViolationKind::MissingRange,
            "DescribeInContext",
            format!("{name}: no {}", missing.join(", ")),
        );
    }
}

fn check_default(world: &mut World, name: &str, kind: ParamKind, props: &PropertySet) {
    if kind == ParamKind::Choice && props.texts(kOfxParamPropChoiceOption).is_empty() {
        world.report(
            ViolationKind::MissingDeclaration,
            "DescribeInContext",
            format!("{name}: a choice without options"),
        );
    } else if let Some(why) = parameter::misfit(kind, props, &parameter::default_value(kind, props)) {
        world.report(
            ViolationKind::WrongPropertyValue,
            "DescribeInContext",
            format!("default of {name}: {why}"),
        );
    }
}

fn check_family(
    world: &mut World,
    name: &str,
    props: &PropertySet,
    all: &[(String, ParamKind, PropertySet)],
) {
    let parent = props.text(kOfxParamPropParent);
    let is_group =
        |wanted: &str| all.iter().any(|(name, kind, _)| name == wanted && *kind == ParamKind::Group);
    if !parent.is_empty() && !is_group(&parent) {
        world.report(
            ViolationKind::UnknownParent,
            "DescribeInContext",
            format!("{name}: {parent} is no group"),
        );
    }
    let skips = [kOfxParamPageSkipRow, kOfxParamPageSkipColumn];
    for child in props.texts(kOfxParamPropPageChild) {
        let skip = skips.iter().any(|skip| skip.to_bytes() == child.as_bytes());
        if !skip && !all.iter().any(|(name, _, _)| *name == child) {
            world.report(ViolationKind::UnknownParent, "DescribeInContext", format!("page {name}: {child}"));
        }
    }
}

fn list_parameters(world: &World, effect: Handle) -> Vec<ParameterReport> {
    let report = |(name, kind, props): (String, ParamKind, PropertySet)| ParameterReport {
        label: props.text(kOfxPropLabel),
        default: parameter::to_json(kind, &parameter::default_value(kind, &props)),
        options: if kind.scalar_kind() == Kind::Int {
            props.texts(kOfxParamPropChoiceOption)
        } else {
            Vec::new()
        },
        kind: kind.name().to_string_lossy().into_owned(),
        name,
    };
    parameters_of(world, effect).into_iter().map(report).collect()
}
