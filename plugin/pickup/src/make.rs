//! Making a take: settle the plan, gather the frames, run the request. The same for the button and for renders.

use pickup_core::{Cancel, Error, ErrorKind, Event, ProviderChoice, Result};
use pickup_ofx::{Effect, RectD, clip_names};
use pickup_takes::PlateBuffer;
use std::ops::ControlFlow;

use crate::clips::{self, NoFootage, Plates, SourceClip};
use crate::hosts::Quirks;
use crate::instance::Instance;
use crate::params::Values;
use crate::request::{self, Timeline};
use crate::role::Role;
use crate::span::{Footage, FrameSpan, JobChoice, Look, Plan, Wish, settle};
use crate::state::TakeState;
use crate::status::Summary;
use crate::worker;

/// A generator's frames where neither user nor host says which: 49, a length that every model knows.
pub const DEFAULT_SPAN: FrameSpan = FrameSpan { first: 0, last: 48 };

/// Hears what happens while a take is made, and says whether to go on. Asked at least every 100 ms.
pub trait Watch {
    /// `None` when nothing happened; `Break` cancels.
    fn tell(&mut self, event: Option<Event>) -> ControlFlow<()>;
}

/// A take that was made, or found.
#[derive(Clone, Debug)]
pub struct Made {
    /// What the project keeps.
    pub state: TakeState,
    /// What the user is told.
    pub summary: Summary,
}

/// Makes the take that the values ask for around frame `now`.
///
/// # Errors
/// Whatever stands in the way; of kind cancelled if somebody cancelled.
pub fn make(
    instance: &Instance,
    effect: Effect<'_>,
    values: &Values,
    now: i64,
    cancel: &Cancel,
    watch: &mut dyn Watch,
) -> Result<Made> {
    let (rate, mut warnings) = clips::rate(effect).map(|(rate, warning)| (rate, Vec::from_iter(warning)))?;
    let timeline = Timeline { rate, size: project_size(effect) };
    let (plan, request) = {
        let mut footage = Heard { footage: footage(instance, effect), cancel, watch: &mut *watch };
        let plan = plan(instance, effect, values.wish(), &mut footage, now)?;
        let request =
            worker::with_store(|store| request::build(values, &plan, &mut footage, timeline, store))?;
        (plan, request)
    };
    let finished =
        worker::client().run(&request, ProviderChoice::Auto, cancel, &mut |event| watch.tell(event))?;
    // Opened here, so that a damaged take is told now and not in a render.
    let take = worker::open_take(&finished.take)?;
    warnings.extend(finished.warnings);
    let summary = Summary {
        take: finished.take,
        reused: finished.reused,
        model: values.model.clone(),
        provider: finished.provider.label().to_owned(),
        frames: plan.span.count(),
        steps: take.record().steps,
        seconds: finished.seconds,
        warnings,
    };
    Ok(Made { state: TakeState::new(finished.take, values.hash(), plan.span), summary })
}

/// Footage that hears a cancel before every frame: a host may take long to give one.
struct Heard<'a, 'w> {
    footage: Box<dyn Plates + 'a>,
    cancel: &'w Cancel,
    watch: &'w mut dyn Watch,
}

impl Heard<'_, '_> {
    fn pause(&mut self) -> Result<()> {
        if self.watch.tell(None).is_break() {
            self.cancel.cancel();
        }
        self.cancel.check()
    }
}

impl Footage for Heard<'_, '_> {
    fn look(&mut self, frame: i64) -> Result<Look> {
        self.pause()?;
        self.footage.look(frame)
    }

    fn range(&self) -> Option<FrameSpan> {
        self.footage.range()
    }
}

impl Plates for Heard<'_, '_> {
    fn plate(&mut self, frame: i64) -> Result<PlateBuffer> {
        self.pause()?;
        self.footage.plate(frame)
    }
}

fn footage<'a>(instance: &Instance, effect: Effect<'a>) -> Box<dyn Plates + 'a> {
    match clips::source(effect) {
        Some(clip) if Quirks::current().neighbours => Box::new(SourceClip::new(clip)),
        Some(_) => Box::new(instance.history.lock().clone()),
        None => Box::new(NoFootage),
    }
}

fn plan(
    instance: &Instance,
    effect: Effect<'_>,
    mut wish: Wish,
    footage: &mut dyn Plates,
    now: i64,
) -> Result<Plan> {
    if instance.role == Role::Generate {
        wish.job = JobChoice::Generate;
        wish.span = wish.span.or_else(|| Some(generator_span(effect)));
    }
    let lonely =
        instance.role == Role::Fill && wish.job != JobChoice::Generate && !Quirks::current().neighbours;
    settle(&wish, footage, now).map_err(|error| match error.kind {
        ErrorKind::Usage if lonely => no_neighbours(&error),
        _ => error,
    })
}

fn no_neighbours(error: &Error) -> Error {
    Error::usage(format!(
        "this host gives plugins no neighbouring frames (temporal access 0), and {}",
        error.message
    ))
    .hint("Set Span start and Span end, and render the frames before the span first: they are remembered.")
}

/// The frames of a generator whose user set no span: what the host says, else [`DEFAULT_SPAN`].
#[must_use]
pub fn generator_span(effect: Effect<'_>) -> FrameSpan {
    let of_output = effect.clip(clip_names::OUTPUT).ok().and_then(|clip| clip.frame_range());
    let of_output =
        of_output.map(|(first, last)| FrameSpan { first: first.round() as i64, last: last.round() as i64 });
    let of_duration = effect.duration().map(|frames| FrameSpan { first: 0, last: frames.round() as i64 - 1 });
    let sensible = |span: &FrameSpan| (2..=pickup_core::Canvas::MAX_FRAMES as i64).contains(&span.count());
    of_output.filter(sensible).or(of_duration.filter(sensible)).unwrap_or(DEFAULT_SPAN)
}

/// The project's size in pixels; `None` where the host does not say.
#[must_use]
pub fn project_size(effect: Effect<'_>) -> Option<(u32, u32)> {
    let of_output = || effect.clip(clip_names::OUTPUT).ok()?.region_of_definition(0.0);
    pixels(effect.project()).or_else(|| pixels(of_output()))
}

/// Width and height of an area, if they are those of a picture: hosts give infinite regions too.
fn pixels(area: Option<RectD>) -> Option<(u32, u32)> {
    let (width, height) = area?.size();
    let limit = f64::from(pickup_core::Canvas::MAX_SIDE);
    let sensible = |side: f64| (1.0..=limit).contains(&side).then_some(side.round() as u32);
    Some((sensible(width)?, sensible(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_that_are_no_pictures_are_no_sizes() {
        let area = |width: f64| Some(RectD { x1: 0.0, y1: 0.0, x2: width, y2: 100.0 });
        assert_eq!(pixels(area(1920.0)), Some((1920, 100)));
        assert_eq!(pixels(area(f64::INFINITY)), None);
        assert_eq!(pixels(area(0.0)), None);
        assert_eq!(pixels(None), None);
    }
}
