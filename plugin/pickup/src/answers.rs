//! Answers to what a host asks around a render. None of these may fetch images.

use pickup_ofx::{
    Clip, Context, Effect, FramesAnswer, IdentityAnswer, PreferencesAnswer, Premultiplication, RectD,
    RegionAnswer, Render, Reply, Result, TimeDomainAnswer, clip_names,
};

use crate::choice::is_source;
use crate::clips::{self, ClipFootage, Inputs};
use crate::footage::{Footage, Side};
use crate::hosts::Quirks;
use crate::instance::{Instance, Shows};
use crate::make::DEFAULT_SPAN;
use crate::params::id;
use crate::render::{frame_of, remembers};
use crate::role::Role;
use crate::values::{self, OnRender};

/// The picture's size where neither host nor take says.
const FALLBACK: RectD = RectD { x1: 0.0, y1: 0.0, x2: 1920.0, y2: 1080.0 };

/// Whether a frame is the source's own, for certain.
///
/// # Errors
/// The host's answer.
pub fn identity(
    instance: &Instance,
    effect: Effect<'_>,
    render: &Render,
    answer: IdentityAnswer<'_>,
) -> Result<Reply> {
    if instance.role == Role::Generate {
        return Ok(Reply::Default);
    }
    let params = effect.params()?;
    // A host that takes this answer does not render the frame, so it could not be remembered.
    if remembers(instance, params) {
        return Ok(Reply::Default);
    }
    let Some((name, _)) = clips::standing(instance.role, effect, params, render.time)? else {
        return Ok(Reply::Default);
    };
    if effect.context() == Some(Context::Transition) {
        return match clips::is_end_of_transition(effect, params, render.time)? {
            true => answer.set(name, render.time).map(|()| Reply::Done),
            false => Ok(Reply::Default),
        };
    }
    let frame = frame_of(render.time);
    let (covered, elsewhere) = match instance.shows(params)? {
        Shows::Nothing => (false, false),
        Shows::Take(_, note) => (note.span.contains(frame), true),
        Shows::Problem(_, Some(span)) => (span.contains(frame), true),
        Shows::Problem(_, None) => (true, true),
    };
    let user_span = values::user_span(params)?.map(|span| span.contains(frame));
    if covered || !is_source(user_span, elsewhere) {
        return Ok(Reply::Default);
    }
    answer.set(name, render.time)?;
    Ok(Reply::Done)
}

/// Where there are pixels. A filter over a gap has them although its source has none.
///
/// # Errors
/// The host's answer.
pub fn region(instance: &Instance, effect: Effect<'_>, time: f64, answer: RegionAnswer<'_>) -> Result<Reply> {
    let shows = instance.shows(effect.params()?)?;
    // A picture that was placed on the project leaves it where it was smaller.
    let placed = matches!(&shows, Shows::Take(_, note) if note.placement.is_some());
    let standing = clips::standing(instance.role, effect, effect.params()?, time)?;
    let of_source = standing.and_then(|(_, clip)| clip.region_of_definition(time));
    if instance.role == Role::Fill
        && !placed
        && of_source.is_some_and(|region| region.x2 > region.x1 && region.y2 > region.y1)
    {
        return Ok(Reply::Default);
    }
    let region = match effect.project() {
        Some(project) => project,
        None => match shows {
            Shows::Take(take, _) => {
                RectD { x1: 0.0, y1: 0.0, x2: f64::from(take.width()), y2: f64::from(take.height()) }
            }
            _ => FALLBACK,
        },
    };
    answer.set(region)?;
    Ok(Reply::Done)
}

/// Which frames of the clips a render reads: the current one, and those around the span if it may generate.
///
/// # Errors
/// The host's answer.
pub fn frames(instance: &Instance, effect: Effect<'_>, time: f64, answer: FramesAnswer<'_>) -> Result<Reply> {
    let params = effect.params()?;
    let alone = instance.role == Role::Generate || !Quirks::current().neighbours;
    if alone || values::on_render(params)? == OnRender::UseTake {
        return Ok(Reply::Default);
    }
    let frame = frame_of(time);
    let covered = matches!(instance.shows(params)?, Shows::Take(_, note) if note.span.contains(frame));
    let transition = clips::transition_span(effect, params, frame)?;
    // Without a span nothing is made in a render, so no other frame is read.
    let span = values::user_span(params)?.or(transition).filter(|span| span.contains(frame));
    let Some(span) = span.filter(|_| !covered) else { return Ok(Reply::Default) };
    let context = i64::from(params.int(id::CONTEXT_FRAMES)?);
    let inputs = Inputs::of(instance.role, effect);
    let footage = ClipFootage::new(inputs, transition);
    let before = footage.edge(Side::Before, span.first - 1);
    let after = footage.edge(Side::After, span.last + 1);
    let (before, after) = ((before - context + 1, before), (after, after + context - 1));
    let now = (frame, frame);
    let sides = match effect.context() {
        Some(Context::Transition) => {
            [(inputs.before, clip_names::SOURCE_FROM), (inputs.after, clip_names::SOURCE_TO)]
        }
        _ => [(inputs.before, clips::names::BEFORE), (inputs.after, clips::names::AFTER)],
    };
    let ask = |name: &str, ranges: &[(i64, i64)]| {
        let ranges: Vec<_> = ranges.iter().map(|(first, last)| (*first as f64, *last as f64)).collect();
        answer.set(name, &ranges)
    };
    let whole = |clip: &Clip<'_>| clips::range(clip).map_or(now, |range| (range.first, range.last));
    let far = values::job(params)?.looks_far();
    for ((clip, name), near) in sides.into_iter().zip([before, after]) {
        let Some(clip) = clip else { continue };
        let all @ (first, last) = whole(&clip);
        // Whether it has pictures is seen at its ends.
        let ranges = if far { vec![all] } else { vec![near, now, (first, first), (last, last)] };
        ask(name, &ranges)?;
    }
    if let Some(source) = inputs.source {
        ask(clip_names::SOURCE, &[before, now, after, if far { whole(&source) } else { now }])?;
    }
    if let Some(mask) = inputs.mask {
        ask(clips::names::MASK, &[now, if far { whole(&mask) } else { now }])?;
    }
    Ok(Reply::Done)
}

/// What the output is like.
///
/// # Errors
/// Never: a host that lacks one of these properties does as it always does.
pub fn preferences(instance: &Instance, effect: Effect<'_>, answer: PreferencesAnswer<'_>) -> Result<Reply> {
    let _ = answer.set_frame_varying(true);
    let of_source = Inputs::of(instance.role, effect).any().and_then(|clip| clip.premultiplication());
    let premultiplication = match instance.role {
        Role::Generate => Some(Premultiplication::Opaque),
        Role::Fill => of_source,
    };
    if let Some(premultiplication) = premultiplication {
        let _ = answer.set_premultiplication(premultiplication);
    }
    Ok(Reply::Done)
}

/// From when to when a generator makes frames.
///
/// # Errors
/// The host's answer.
pub fn time_domain(instance: &Instance, effect: Effect<'_>, answer: TimeDomainAnswer<'_>) -> Result<Reply> {
    if instance.role == Role::Fill {
        return Ok(Reply::Default);
    }
    let params = effect.params()?;
    let of_take = match instance.shows(params)? {
        Shows::Take(_, note) => Some(note.span),
        _ => None,
    };
    // Not what the host says about the output clip: it may be asking in order to find that out.
    let span = values::user_span(params)?.or(of_take).filter(|span| span.count() > 0).unwrap_or(DEFAULT_SPAN);
    answer.set(span.first as f64, span.last as f64)?;
    Ok(Reply::Done)
}
