//! Answers to what a host asks around a render. None of these may fetch images.

use pickup_ofx::{
    Effect, FramesAnswer, IdentityAnswer, PreferencesAnswer, Premultiplication, RectD, RegionAnswer, Render,
    Reply, Result, TimeDomainAnswer, clip_names,
};

use crate::choice::is_source;
use crate::clips;
use crate::instance::{Instance, Shows};
use crate::make::DEFAULT_SPAN;
use crate::params::{self, OnRender};
use crate::render::{frame_of, remembers};
use crate::role::Role;
use crate::span::FrameSpan;

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
    let frame = frame_of(render.time);
    let (covered, elsewhere) = match instance.shows(params)? {
        Shows::Nothing => (false, false),
        Shows::Take(_, span) | Shows::Problem(_, Some(span)) => (span.index(frame).is_some(), true),
        Shows::Problem(_, None) => (true, true),
    };
    let user_span = params::user_span(params)?.map(|span| span.index(frame).is_some());
    // A host that takes this answer does not render the frame, so it could not be remembered.
    if covered || !is_source(user_span, elsewhere) || remembers(instance, params) {
        return Ok(Reply::Default);
    }
    answer.set(clip_names::SOURCE, render.time)?;
    Ok(Reply::Done)
}

/// Where there are pixels. A filter over a gap has them although its source has none.
///
/// # Errors
/// The host's answer.
pub fn region(instance: &Instance, effect: Effect<'_>, time: f64, answer: RegionAnswer<'_>) -> Result<Reply> {
    let of_source = clips::source(effect).and_then(|clip| clip.region_of_definition(time));
    if instance.role == Role::Fill
        && of_source.is_some_and(|region| region.x2 > region.x1 && region.y2 > region.y1)
    {
        return Ok(Reply::Default);
    }
    let region = match effect.project() {
        Some(project) => project,
        None => match instance.shows(effect.params()?)? {
            Shows::Take(take, _) => {
                RectD { x1: 0.0, y1: 0.0, x2: f64::from(take.width()), y2: f64::from(take.height()) }
            }
            _ => FALLBACK,
        },
    };
    answer.set(region)?;
    Ok(Reply::Done)
}

/// Which source frames a render reads: its own, and the ones around the span if it may generate.
///
/// # Errors
/// The host's answer.
pub fn frames(instance: &Instance, effect: Effect<'_>, time: f64, answer: FramesAnswer<'_>) -> Result<Reply> {
    if instance.role == Role::Generate {
        return Ok(Reply::Default);
    }
    let params = effect.params()?;
    let frame = frame_of(time);
    let covered = matches!(instance.shows(params)?, Shows::Take(_, span) if span.index(frame).is_some());
    let span = params::user_span(params)?;
    // Without a span nothing is made in a render, so no other frame is read.
    let outside = span.is_none_or(|span| span.index(frame).is_none());
    if covered || outside || params::on_render(params)? == OnRender::UseTake {
        return Ok(Reply::Default);
    }
    let context = i64::from(params.int(params::id::CONTEXT_FRAMES)?);
    let span = span.unwrap_or(FrameSpan { first: frame, last: frame });
    let ranges =
        [(span.first - context, span.first - 1), (frame, frame), (span.last + 1, span.last + context)];
    answer.set(clip_names::SOURCE, &ranges.map(|(first, last)| (first as f64, last as f64)))?;
    Ok(Reply::Done)
}

/// What the output is like.
///
/// # Errors
/// Never: a host that lacks one of these properties does as it always does.
pub fn preferences(instance: &Instance, effect: Effect<'_>, answer: PreferencesAnswer<'_>) -> Result<Reply> {
    let _ = answer.set_frame_varying(true);
    let of_source = clips::source(effect).and_then(|clip| clip.premultiplication());
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
        Shows::Take(_, span) => Some(span),
        _ => None,
    };
    // Not what the host says about the output clip: it may be asking in order to find that out.
    let span = params::user_span(params)?.or(of_take).filter(|span| span.count() > 0).unwrap_or(DEFAULT_SPAN);
    answer.set(span.first as f64, span.last as f64)?;
    Ok(Reply::Done)
}
