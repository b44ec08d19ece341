//! A render: the take's frame, else the source, else (where allowed) a new take, else a slate.

use pickup_core::{Error, ErrorKind, Event, Result, Slot};
use pickup_ofx::{
    Effect, Gravity, Image, OutputImage, Params, RectI, Render, Reply, Result as HostResult, Source,
    clip_names,
};
use pickup_takes::Take;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::choice::{Choice, Situation};
use crate::clips;
use crate::fault::{from_host, to_host};
use crate::footage::Look;
use crate::history;
use crate::hosts::Quirks;
use crate::instance::{Instance, Shows};
use crate::look;
use crate::make::{Made, Place, Watch, generator_span, make, project_size};
use crate::params::id;
use crate::picture::{Picture, in_bands};
use crate::role::Role;
use crate::slate::{Slate, Words};
use crate::state::TakeNote;
use crate::status;
use crate::values::{self, OnRender, Values};

/// Renders one frame.
///
/// # Errors
/// The host's answers, and whatever stood in the way of a take that was to be made.
pub fn render(instance: &Instance, effect: Effect<'_>, render: &Render) -> HostResult<Reply> {
    let mut output = effect.clip(clip_names::OUTPUT)?.output_image(render.time)?;
    let window = render.window.unwrap_or(output.bounds()).intersection(&output.bounds());
    let params = effect.params()?;
    let frame = frame_of(render.time);
    let shows = instance.shows(params)?;
    let end = clips::is_end_of_transition(effect, params, render.time)?;
    if !end && let Some(shown) = covered(&shows, frame) {
        put_take(&shown, instance.role, effect, render.time, &mut output, window)?;
        return Ok(Reply::Done);
    }
    let source = source_image(instance.role, effect, params, render.time)?;
    let situation = situation(instance, effect, params, render, &shows, source.as_ref(), output.bounds())?;
    match if end { Choice::Source } else { situation.choose() } {
        Choice::Source => put_source(instance, params, frame, source.as_ref(), &mut output, window)?,
        Choice::Slate => put_slate(&words(instance, &shows, situation.user_span), &mut output, window)?,
        Choice::Generate => match generate(instance, effect, frame) {
            Ok(shown) => put_take(&shown, instance.role, effect, render.time, &mut output, window)?,
            Err(error) if Quirks::current().hides_failures && error.kind != ErrorKind::Cancelled => {
                put_slate(&Words::from(&error), &mut output, window)?;
            }
            Err(error) => return Err(to_host(&error)),
        },
    }
    Ok(Reply::Done)
}

/// The frame number of a time: fields and rounding give times next to whole numbers.
#[must_use]
pub fn frame_of(time: f64) -> i64 {
    time.round() as i64
}

/// A frame of a take that is shown.
struct Shown {
    take: Arc<Take>,
    note: Box<TakeNote>,
    index: usize,
}

/// The take and its frame, if it covers a frame number.
fn covered(shows: &Shows, frame: i64) -> Option<Shown> {
    let Shows::Take(take, note) = shows else { return None };
    let index = note.span.index(frame).filter(|index| *index < take.frame_count() as usize)?;
    Some(Shown { take: take.clone(), note: note.clone(), index })
}

fn source_image<'h>(
    role: Role,
    effect: Effect<'h>,
    params: Params<'_>,
    time: f64,
) -> HostResult<Option<Image<'h>>> {
    match clips::standing(role, effect, params, time)? {
        Some((_, clip)) => clip.image(time),
        None => Ok(None),
    }
}

fn situation(
    instance: &Instance,
    effect: Effect<'_>,
    params: Params<'_>,
    render: &Render,
    shows: &Shows,
    source: Option<&Image<'_>>,
    bounds: RectI,
) -> HostResult<Situation> {
    let frame = frame_of(render.time);
    let broken_take = match shows {
        Shows::Problem(_, Some(span)) => span.contains(frame),
        _ => false,
    };
    let wanted = values::on_render(params)? == OnRender::Generate;
    let span = match (values::user_span(params)?, instance.role) {
        (None, Role::Generate) => Some(generator_span(effect)),
        (None, Role::Fill) if wanted => clips::transition_span(effect, params, frame)?,
        (span, _) => span,
    };
    Ok(Situation {
        role: instance.role,
        look: source.map_or(Look::Missing, look::look),
        user_span: span.map(|span| span.contains(frame)),
        has_take: !matches!(shows, Shows::Nothing),
        broken_take,
        may_generate: wanted && is_final(render, Quirks::current(), project_size(effect), bounds),
    })
}

/// Whether a render is the real thing: full size, nobody waiting, no thumbnail. Hosts leave some of these out
/// or get them wrong, so the image's own size must agree with the project's too.
fn is_final(render: &Render, quirks: Quirks, project: Option<(u32, u32)>, bounds: RectI) -> bool {
    let full = match render.render_scale {
        Some((x, y)) => (x - 1.0).abs() < 1e-6 && (y - 1.0).abs() < 1e-6,
        None => quirks.scale_may_be_missing,
    };
    let small = project.is_some_and(|(width, height)| {
        bounds.width() + 1 < width as usize || bounds.height() + 1 < height as usize
    });
    let full = full && (project.is_some() || quirks.scale_is_trusted);
    full && !small && !render.interactive && !render.draft && !render.thumbnail
}

fn put_take(
    shown: &Shown,
    role: Role,
    effect: Effect<'_>,
    time: f64,
    output: &mut OutputImage<'_>,
    window: RectI,
) -> HostResult<()> {
    let Shown { take, note, index } = shown;
    let pixels = take.checked_frame(*index).map_err(|error| to_host(&error))?;
    let picture = Picture::whole(take.width() as usize, take.height() as usize, pixels);
    let source = match take.record().request.canvas.slots.iter().any(Slot::is_partial) {
        true => source_image(role, effect, effect.params()?, time)?,
        false => None,
    };
    let known = source.as_ref().and_then(|source| known_part(&picture, note, source, output));
    put_picture(&picture, known.as_ref(), output, window)
}

/// The source's own pixels, which stand where the take says that they are known. Nothing where they cannot be had, since the
/// picture was scaled or the host has others: there the take's own stay.
fn known_part<'a>(
    picture: &Picture<'_>,
    note: &TakeNote,
    source: &'a Image<'_>,
    output: &OutputImage<'_>,
) -> Option<Source<'a>> {
    let frame = whole_frame(output);
    let bounds = source.bounds();
    let moved = match note.placement {
        None => (0, 0),
        Some(placement) => {
            let own = (bounds.width() as u32, bounds.height() as u32);
            let canvas = (frame.width() as u32, frame.height() as u32);
            if !placement.keeps_size() || (picture.width, picture.height) != (frame.width(), frame.height()) {
                return None;
            }
            let at = placement.on(own, canvas);
            // The host counts rows upwards.
            let left = i64::from(frame.x1) + at.left - i64::from(bounds.x1);
            let up = i64::from(frame.y2) - at.top - i64::from(bounds.y2);
            (left as i32, up as i32)
        }
    };
    output.source(source, moved).ok()
}

fn put_picture(
    picture: &Picture<'_>,
    known: Option<&Source<'_>>,
    output: &mut OutputImage<'_>,
    window: RectI,
) -> HostResult<()> {
    let frame = whole_frame(output);
    done(picture.put(known, output, frame, window))
}

/// An error, where a thread failed.
fn done(all: bool) -> HostResult<()> {
    if all { Ok(()) } else { Err(pickup_ofx::Error::failed("a render thread failed")) }
}

/// The pixels of the whole frame, of which the image may be a part.
fn whole_frame(output: &OutputImage<'_>) -> RectI {
    let bounds = output.bounds();
    let holds = |region: &RectI| region.intersection(&bounds) == bounds;
    output.region_of_definition().filter(holds).unwrap_or(bounds)
}

/// The source's pixels bit for bit, and nothing where it has none.
fn put_source(
    instance: &Instance,
    params: Params<'_>,
    frame: i64,
    source: Option<&Image<'_>>,
    output: &mut OutputImage<'_>,
    window: RectI,
) -> HostResult<()> {
    let Some(image) = source else {
        clear(output, window);
        return Ok(());
    };
    let both = window.intersection(&image.bounds());
    if both != window {
        clear(output, window);
    }
    if !both.is_empty() {
        let pixels = output.source(image, (0, 0))?;
        done(in_bands(output, both, |band, y| {
            // Cannot fail: all lie in both images.
            let _ = band.copy_from(&pixels, y, both.x1, both.x2);
        }))?;
    }
    remember(instance, params, frame, image);
    Ok(())
}

fn clear(output: &mut OutputImage<'_>, window: RectI) {
    for y in window.y1..window.y2 {
        if let Some(row) = output.pixels_mut(y, window.x1, window.x2) {
            row.fill(0);
        }
    }
}

/// Keeps what was shown, where the host will not show it again and a later job may need it.
fn remember(instance: &Instance, params: Params<'_>, frame: i64, image: &Image<'_>) {
    if !remembers(instance, params) {
        return;
    }
    let size = look::size(image.bounds());
    if let (Ok(plate), Ok(size)) = (look::reduced_plate(image, history::MOST_PIXELS), size) {
        history::show(instance.clip, frame, plate, size);
        instance.retry();
    }
}

/// Whether frames that are shown must be remembered: the host gives no others, and a take may have to be made,
/// in a render or because somebody presses the button.
#[must_use]
pub fn remembers(instance: &Instance, params: Params<'_>) -> bool {
    let quirks = Quirks::current();
    instance.role == Role::Fill
        && !quirks.neighbours
        && (quirks.buttons || values::on_render(params).is_ok_and(|choice| choice == OnRender::Generate))
}

fn put_slate(words: &Words, output: &mut OutputImage<'_>, window: RectI) -> HostResult<()> {
    let frame = whole_frame(output);
    let slate = Slate::of(words, frame.width(), frame.height());
    put_picture(&slate.picture(), None, output, window)
}

/// Why there is no picture, and what to do next.
fn words(instance: &Instance, shows: &Shows, user_span: Option<bool>) -> Words {
    match shows {
        Shows::Problem(error, _) => Words::from(error),
        Shows::Take(..) => Words::of("slateOutside"),
        Shows::Nothing if instance.role == Role::Generate => Words::of("slateGenerator"),
        Shows::Nothing if user_span.is_some() => Words::of("slateSpan"),
        Shows::Nothing => Words::of("slateGap"),
    }
}

/// Makes the take for a frame of a final render, once for all threads that ask.
fn generate(instance: &Instance, effect: Effect<'_>, frame: i64) -> Result<Shown> {
    let _making = wait_for_turn(instance, effect)?;
    let found = || -> HostResult<Option<Shown>> { Ok(covered(&instance.shows(effect.params()?)?, frame)) };
    if let Some(found) = found().map_err(from_host)? {
        return Ok(found);
    }
    let values = Values::read(effect)?;
    // Told once; the frames that follow only fail.
    if let Some(error) = instance.recent_failure(&values.hash()) {
        return Err(error);
    }
    let made = make_once(instance, effect, &values, frame)
        .inspect_err(|error| give_up(instance, effect, &values, error))?;
    let state = instance.keep(effect, made.note).map_err(from_host)?;
    instance.note(made.summary.line(&state));
    found().map_err(from_host)?.ok_or_else(|| {
        Error::runtime(format!("frame {frame} is not among the frames that were made."))
            .hint("Set Span start and Span end around it.")
    })
}

fn make_once(instance: &Instance, effect: Effect<'_>, values: &Values, frame: i64) -> Result<Made> {
    let running = instance.begin().ok_or_else(|| Error::usage("a take is being made already."))?;
    make(Place { instance, effect, now: frame }, values, &running.cancel, &mut Abort(effect))
}

fn wait_for_turn<'a>(instance: &'a Instance, effect: Effect<'_>) -> Result<parking_lot::MutexGuard<'a, ()>> {
    loop {
        if let Some(turn) = instance.making.try_lock_for(Duration::from_millis(50)) {
            return Ok(turn);
        }
        if effect.is_aborted() {
            return Err(Error::cancelled());
        }
    }
}

fn give_up(instance: &Instance, effect: Effect<'_>, values: &Values, error: &Error) {
    if error.kind != ErrorKind::Cancelled {
        instance.note(status::failed(id::GENERATE, error));
        // A dialogue out of a render thread would hang some hosts; the log does not.
        effect.message(Gravity::Log, "pickup.render", &error.line());
        instance.fail(values.hash(), error.clone());
    }
}

/// Stops when the host aborts the render.
struct Abort<'h>(Effect<'h>);

impl Watch for Abort<'_> {
    fn tell(&mut self, _event: Option<Event>) -> ControlFlow<()> {
        if self.0.is_aborted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pickup_ofx::HostInfo;

    fn plain() -> Render {
        Render {
            time: 0.0,
            window: None,
            render_scale: Some((1.0, 1.0)),
            sequential: true,
            interactive: false,
            draft: false,
            thumbnail: false,
        }
    }

    #[test]
    fn only_a_full_size_render_that_nobody_waits_for_may_generate() {
        let quirks = Quirks::of(&HostInfo {
            name: "DaVinciResolve".into(),
            temporal_access: true,
            ..HostInfo::default()
        });
        let full = RectI { x1: 0, y1: 0, x2: 1920, y2: 1080 };
        let may = |render: Render, bounds| is_final(&render, quirks, Some((1920, 1080)), bounds);
        assert!(may(plain(), full));
        assert!(!may(Render { render_scale: Some((0.5, 0.5)), ..plain() }, full));
        assert!(!may(Render { render_scale: None, ..plain() }, full), "a thumbnail's scale may be missing");
        assert!(!may(Render { interactive: true, ..plain() }, full));
        assert!(!may(Render { draft: true, ..plain() }, full));
        assert!(!may(Render { thumbnail: true, ..plain() }, full));
        let thumbnail = RectI { x1: 0, y1: 0, x2: 192, y2: 108 };
        assert!(!may(plain(), thumbnail), "a thumbnail's scale may be wrong");
        assert!(!is_final(&plain(), quirks, None, full), "nobody says how large the project is");
        let trusted = Quirks { scale_is_trusted: true, ..quirks };
        assert!(is_final(&plain(), trusted, None, full));
    }

    #[test]
    fn times_next_to_a_frame_are_that_frame() {
        assert_eq!(frame_of(47.999_999), 48);
        assert_eq!(frame_of(-0.2), 0);
    }
}
