//! Giving images to the plugin and taking them back.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;

use crate::host::Host;
use crate::media::source::{ClipSource, Fetched};
use crate::names;
use crate::violation::ViolationKind;
use crate::world::calls::{Action, Call};
use crate::world::handles::{Handle, Sort};
use crate::world::image::{Layout, PixelBuffer, damaged_guards, laid_out};
use crate::world::property_set::PropertySet;
use crate::world::{Answer, Image, World, c_text, fault, property_table, refuse};

/// An image that the plugin may have.
#[derive(Debug)]
pub struct Wanted {
    clip: String,
    from: From,
    time: f64,
    call: Arc<Call>,
    premultiplication: String,
}

/// Where an image comes from.
#[derive(Debug)]
enum From {
    Output,
    Clip(Arc<ClipSource>),
    /// A clip that nothing is connected to.
    Nowhere,
}

/// Times closer than this are the same frame.
const SAME_TIME: f64 = 1e-6;

/// Judges a fetch by the clip, the time and the running action.
///
/// # Errors
/// A bad handle, or a fetch that the standard forbids here.
pub fn judge(host: &Host, world: &mut World, clip: Handle, time: f64) -> Answer<Wanted> {
    let Some(call) = world.current_call() else { return Err(refuse(kOfxStatFailed)) };
    let (name, source, props, effect) = {
        let clip = world.clip(clip)?;
        (clip.name.clone(), clip.source.clone(), clip.props, clip.effect)
    };
    if !world.effect(effect)?.instance {
        return Err(fault(ViolationKind::BadHandle, kOfxStatErrBadHandle, "the clip of a descriptor"));
    }
    let same_time = (time - call.time).abs() < SAME_TIME;
    let from = match source {
        _ if name.as_bytes() == kOfxImageEffectOutputClipName.to_bytes() => From::Output,
        Some(source) => From::Clip(source),
        None => From::Nowhere,
    };
    let time = match from {
        From::Output => judge_output(&call, time, same_time).map(|()| time)?,
        From::Clip(_) => judge_time(host, world, &call, (&name, props), time, same_time),
        From::Nowhere => time,
    };
    let premultiplication =
        world.props.get(&props).map(|props| props.text(kOfxImageEffectPropPreMultiplication));
    Ok(Wanted { clip: name, from, time, call, premultiplication: premultiplication.unwrap_or_default() })
}

fn judge_output(call: &Call, time: f64, same_time: bool) -> Answer {
    if call.action == Action::Render && call.target.is_some() && same_time {
        return Ok(());
    }
    let detail = format!("the output at {time} fetched in {} at {}", call.action.label(), call.time);
    Err(fault(ViolationKind::OutputOutsideRender, kOfxStatFailed, detail))
}

/// Reports fetches at times that were not declared; gives the time that the host really serves.
fn judge_time(
    host: &Host,
    world: &mut World,
    call: &Call,
    clip: (&str, Handle),
    time: f64,
    same: bool,
) -> f64 {
    let (name, props) = clip;
    let clip_says =
        world.props.get(&props).is_some_and(|props| props.int(kOfxImageEffectPropTemporalClipAccess) != 0);
    let may_roam = host.temporal_access() && host.plugin_temporal() && clip_says;
    if !same && !may_roam {
        let who = match (host.temporal_access(), host.plugin_temporal()) {
            (false, _) => "the host",
            (true, false) => "the plugin",
            (true, true) => "the clip",
        };
        let detail = format!("{name} at another time than the action's, but {who} has no temporal access");
        world.report(ViolationKind::TemporalAccess, "clipGetImage", detail);
    }
    if !host.temporal_access() {
        // As MLT does: any other time gives the same picture.
        return call.time;
    }
    let declared = call.target.as_ref().is_none_or(|target| {
        let ranges = target.needed.iter().filter(|(clip, _)| clip == name).flat_map(|(_, ranges)| ranges);
        ranges.into_iter().any(|[from, to]| (from - SAME_TIME..=to + SAME_TIME).contains(&time))
    });
    if !declared {
        let detail = format!("{name} at {time} in the render of {}", call.time);
        world.report(ViolationKind::FrameNotDeclared, "clipGetImage", detail);
    }
    time
}

/// Makes the image; none where the host answers OK with nothing.
///
/// # Errors
/// No frame at that time, or one that cannot be read.
pub fn fetch(host: &Host, wanted: &Wanted) -> Answer<Option<Handle>> {
    let began = Instant::now();
    let answer = match &wanted.from {
        From::Output => output(host, wanted).map(Some),
        From::Clip(source) => from_source(host, wanted, source, host.layout(wanted.call.scale)),
        From::Nowhere => nothing(host),
    };
    wanted.call.spend(began.elapsed());
    answer
}

/// No frame, in the host's manner.
fn nothing(host: &Host) -> Answer<Option<Handle>> {
    if host.manners().ok_null { Ok(None) } else { Err(refuse(kOfxStatFailed)) }
}

fn output(host: &Host, wanted: &Wanted) -> Answer<Handle> {
    let Some(target) = &wanted.call.target else { return Err(refuse(kOfxStatFailed)) };
    Ok(register(host, wanted, target.layout, Arc::clone(&target.buffer), None))
}

fn from_source(host: &Host, wanted: &Wanted, source: &ClipSource, layout: Layout) -> Answer<Option<Handle>> {
    let frame = wanted.time - host.source_offset();
    wanted.call.fetched.lock().push((wanted.clip.clone(), frame));
    let fetched = source
        .packed(frame, layout.width(), layout.height(), layout.depth)
        .map_err(|error| fault(ViolationKind::HostFault, kOfxStatFailed, error.to_string()))?;
    match fetched {
        Fetched::Nothing => nothing(host),
        Fetched::OkNull => Ok(None),
        Fetched::Packed(rows) => {
            let bytes = laid_out(&layout, &rows);
            let hash = blake3::hash(&bytes);
            if host.measured.is_some() && wanted.call.action != Action::Render {
                wanted.call.allow(time_of_copy(&bytes));
            }
            let buffer = Arc::new(PixelBuffer::new(&bytes));
            Ok(Some(register(host, wanted, layout, buffer, Some(hash))))
        }
    }
}

/// How long a copy of these bytes takes, between memory that was touched before.
pub fn time_of_copy(bytes: &[u8]) -> Duration {
    let mut copy = bytes.to_vec();
    let began = Instant::now();
    black_box(&mut copy).copy_from_slice(black_box(bytes));
    began.elapsed()
}

fn register(
    host: &Host,
    wanted: &Wanted,
    layout: Layout,
    buffer: Arc<PixelBuffer>,
    hash: Option<blake3::Hash>,
) -> Handle {
    let props = image_props(host, wanted, &layout, &buffer);
    let mut world = host.world.lock();
    let handle = world.handles.give(Sort::Image);
    world.props.insert(handle, props);
    let what = format!("{} at {}", wanted.clip, wanted.time);
    world.images.insert(handle, Image { what, buffer, layout, call: Arc::clone(&wanted.call), hash });
    handle
}

fn image_props(host: &Host, wanted: &Wanted, layout: &Layout, buffer: &PixelBuffer) -> PropertySet {
    let mut props = PropertySet::new(format!("image of {}", wanted.clip), property_table::IMAGE);
    props.put_texts(kOfxPropType, &[kOfxTypeImage]);
    props.put_texts(kOfxImageEffectPropPixelDepth, &[names::depth(layout.depth)]);
    props.put_texts(kOfxImageEffectPropComponents, &[kOfxImageComponentRGBA]);
    props.put_texts(kOfxImageEffectPropPreMultiplication, &[&c_text(&wanted.premultiplication)]);
    props.put_doubles(kOfxImageEffectPropRenderScale, &wanted.call.scale);
    props.put_doubles(kOfxImagePropPixelAspectRatio, &[host.project.pixel_aspect]);
    props.put_pointer(kOfxImagePropData, buffer.address(layout.origin()).expose_provenance());
    props.put_ints(kOfxImagePropBounds, &layout.bounds);
    props.put_ints(kOfxImagePropRegionOfDefinition, &host.layout(wanted.call.scale).bounds);
    props.put_ints(kOfxImagePropRowBytes, &[layout.row_bytes()]);
    props.put_texts(kOfxImagePropField, &[names::fields(host.project.fields)]);
    let unique = c_text(&format!("{}@{}/{}", wanted.clip, wanted.time, wanted.call.scale[0]));
    props.put_texts(kOfxImagePropUniqueIdentifier, &[&unique]);
    props
}

/// Takes an image back.
///
/// # Errors
/// A handle of no live image.
pub fn release(world: &mut World, handle: Handle) -> Answer<Image> {
    if let Some(image) = world.images.remove(&handle) {
        world.props.remove(&handle);
        world.handles.retire(handle);
        return Ok(image);
    }
    let twice = world.handles.is_dead(handle, Sort::Image);
    let kind = if twice { ViolationKind::DoubleRelease } else { ViolationKind::BadHandle };
    let detail = format!("expected a live image handle, got {}", world.handles.describe(handle));
    Err(fault(kind, kOfxStatErrBadHandle, detail))
}

/// Reports changes that the plugin made to an input image.
pub fn check_source(host: &Host, call: &str, image: &Image) {
    let Some(hash) = image.hash else { return };
    let bytes = image.buffer.snapshot();
    if blake3::hash(&bytes) == hash {
        return;
    }
    let guards = damaged_guards(&image.layout, &bytes);
    let kind = if guards > 0 { ViolationKind::WriteOutsideImage } else { ViolationKind::WriteToSource };
    host.world.lock().report(kind, call, format!("{} was changed; {guards} guard bytes of it", image.what));
}

/// Reports and puts away the images that a call leaves behind.
pub fn check_left_over(host: &Host, call: &Call) {
    let mut world = host.world.lock();
    let held: Vec<Handle> =
        world.images.iter().filter(|(_, image)| image.call.serial == call.serial).map(|(&h, _)| h).collect();
    for handle in held {
        let what = world.images.get(&handle).map(|image| image.what.clone()).unwrap_or_default();
        world.report(ViolationKind::ImageNotReleased, call.action.label(), what);
        world.remove_image(handle, false);
    }
}
