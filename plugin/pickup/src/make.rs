//! Making a take: settle the plan, gather the frames, run the request. The same for the buttons and for renders.

use pickup_core::{Cancel, Error, ErrorKind, Event, ProviderChoice, Quality, Request, Result};
use pickup_ofx::{Effect, RectD, clip_names};
use pickup_takes::PlateBuffer;
use std::ops::ControlFlow;

use crate::clips::{self, ClipFootage, Inputs, NoFootage};
use crate::fault::from_host;
use crate::footage::{Footage, FrameSpan, Look, Plates, Side, Sketch};
use crate::history::History;
use crate::hosts::Quirks;
use crate::instance::Instance;
use crate::request::{self, Timeline};
use crate::role::Role;
use crate::span::{self, JobChoice, Plan, Wish, settle};
use crate::state::TakeNote;
use crate::status::Summary;
use crate::values::{Part, Values};
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
    pub note: TakeNote,
    /// What the user is told.
    pub summary: Summary,
}

/// Where and how long something is made.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// For which instance.
    pub instance: &'a Instance,
    /// In which action.
    pub effect: Effect<'a>,
    /// The current frame.
    pub now: i64,
}

/// Makes the take that the values ask for.
///
/// # Errors
/// Whatever stands in the way; of kind cancelled if somebody cancelled.
pub fn make(place: Place<'_>, values: &Values, cancel: &Cancel, watch: &mut dyn Watch) -> Result<Made> {
    let Prepared { plan, request, mut warnings } = prepare(place, values, cancel, watch)?;
    let finished =
        worker::client().run(&request, ProviderChoice::Auto, cancel, &mut |event| watch.tell(event))?;
    // Opened here, so that a damaged take is told now and not in a render.
    let take = worker::open_take(&finished.take)?;
    warnings.extend(finished.warnings);
    let summary = Summary {
        take: finished.take,
        reused: finished.reused,
        draft: values.quality == Quality::Draft,
        model: values.model.clone(),
        provider: finished.provider.label().to_owned(),
        frames: plan.span.count(),
        steps: take.record().steps,
        seconds: finished.seconds,
        warnings,
    };
    let note = TakeNote {
        take: finished.take,
        request: values.hash(),
        span: plan.span,
        task: values.task(),
        seed: values.seed,
        quality: values.quality,
        placement: match values.part {
            Some(Part::Placed(placement)) if plan.is_partial() => Some(placement),
            _ => None,
        },
    };
    Ok(Made { note, summary })
}

/// What would be made, and the request for it with blank plates: what it costs is told by that. No picture is taken.
///
/// # Errors
/// As [`make`], as far as it can be told before.
pub fn outline(
    place: Place<'_>,
    values: &Values,
    cancel: &Cancel,
    watch: &mut dyn Watch,
) -> Result<(FrameSpan, Request)> {
    let (timeline, _) = timeline(place)?;
    let mut footage = Heard { footage: footage(place)?, cancel, watch };
    let plan = plan(place, values, &mut footage)?;
    let pictures = clips::count_references(place.effect);
    Ok((plan.span, request::outline(values, &plan, &mut footage, pictures, timeline)?))
}

/// The gap nearest to the current frame.
///
/// # Errors
/// Of kind usage if there is none.
pub fn find_gap(place: Place<'_>, cancel: &Cancel, watch: &mut dyn Watch) -> Result<FrameSpan> {
    let mut footage = Heard { footage: footage(place)?, cancel, watch };
    span::find_gap(&mut footage, place.now)
}

/// A request whose frames lie in the store.
struct Prepared {
    plan: Plan,
    request: Request,
    warnings: Vec<String>,
}

fn prepare(place: Place<'_>, values: &Values, cancel: &Cancel, watch: &mut dyn Watch) -> Result<Prepared> {
    let (timeline, warning) = timeline(place)?;
    let mut warnings = Vec::from_iter(warning);
    let pictures = clips::references(place.effect, place.now)?;
    let mut footage = Heard { footage: footage(place)?, cancel, watch };
    let plan = plan(place, values, &mut footage)?;
    warnings.extend(few_remembered(place, values, &plan));
    let request =
        worker::with_store(|store| request::build(values, &plan, &mut footage, &pictures, timeline, store))?;
    Ok(Prepared { plan, request, warnings })
}

/// The timeline, and what the user should know of it.
fn timeline(place: Place<'_>) -> Result<(Timeline, Option<String>)> {
    let (rate, warning) = clips::rate(place.instance.role, place.effect)?;
    Ok((Timeline { rate, size: project_size(place.effect) }, warning))
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
    fn look(&mut self, side: Side, frame: i64) -> Result<Look> {
        self.pause()?;
        self.footage.look(side, frame)
    }

    fn sketch(&mut self, side: Side, frame: i64) -> Result<Sketch> {
        self.pause()?;
        self.footage.sketch(side, frame)
    }

    fn range(&self, side: Side) -> Option<FrameSpan> {
        self.footage.range(side)
    }

    fn edge(&self, side: Side, beside: i64) -> i64 {
        self.footage.edge(side, beside)
    }

    fn between(&self) -> Option<FrameSpan> {
        self.footage.between()
    }
}

impl Plates for Heard<'_, '_> {
    fn plate(&mut self, side: Side, frame: i64) -> Result<PlateBuffer> {
        self.pause()?;
        self.footage.plate(side, frame)
    }

    fn size(&mut self, side: Side, frame: i64) -> Result<(u32, u32)> {
        self.pause()?;
        self.footage.size(side, frame)
    }

    fn mask(&mut self, frame: i64) -> Result<Option<PlateBuffer>> {
        self.pause()?;
        self.footage.mask(frame)
    }
}

fn footage<'a>(place: Place<'a>) -> Result<Box<dyn Plates + 'a>> {
    let effect = place.effect;
    let inputs = Inputs::of(place.instance.role, effect);
    Ok(match inputs.any() {
        Some(_) if Quirks::current().neighbours => {
            let params = effect.params().map_err(from_host)?;
            let transition = clips::transition_span(effect, params, place.now).map_err(from_host)?;
            Box::new(ClipFootage::new(inputs.with_pictures(), transition))
        }
        Some(_) => Box::new(History::of(place.instance.clip)),
        None => Box::new(NoFootage),
    })
}

/// Whether the frames that a job continues from can only be remembered ones.
fn is_lonely(place: Place<'_>, job: JobChoice) -> bool {
    place.instance.role == Role::Fill && job != JobChoice::Generate && !Quirks::current().neighbours
}

/// What is made. Where no span is found, the one frame that is named is the span.
fn plan(place: Place<'_>, values: &Values, footage: &mut dyn Plates) -> Result<Plan> {
    let wish = values.wish();
    let found = plan_of(place, wish, footage);
    match (&found, values.frame) {
        (Err(error), Some(frame)) if error.kind == ErrorKind::Usage => {
            plan_of(place, Wish { span: Some(FrameSpan { first: frame, last: frame }), ..wish }, footage)
        }
        _ => found,
    }
}

fn plan_of(place: Place<'_>, mut wish: Wish, footage: &mut dyn Plates) -> Result<Plan> {
    if place.instance.role == Role::Generate {
        wish.job = JobChoice::Generate;
        wish.span = wish.span.or_else(|| Some(generator_span(place.effect)));
    }
    settle(&wish, footage, place.now).map_err(|error| match error.kind {
        ErrorKind::Usage if is_lonely(place, wish.job) => no_neighbours(&error, &wish, place),
        _ => error,
    })
}

/// Which frames a host without neighbours has shown, and which it must show.
fn no_neighbours(error: &Error, wish: &Wish, place: Place<'_>) -> Error {
    let history = History::of(place.instance.clip);
    let runs: Vec<String> = history.runs().iter().map(ToString::to_string).collect();
    let shown = if runs.is_empty() {
        "none was shown yet".to_owned()
    } else {
        format!("shown were {}", runs.join(", "))
    };
    let Some(span) = wish.span else {
        return Error::usage(format!("this host gives plugins one frame at a time, and {}", error.message))
            .hint("Set Span start and Span end, and play the frames before the span: they are remembered.");
    };
    let needed: Vec<String> = [
        (wish.job != JobChoice::ExtendBefore, span.first - 1),
        (wish.job == JobChoice::ExtendBefore, span.last + 1),
    ]
    .into_iter()
    .filter(|(wanted, frame)| *wanted && !history.has(*frame))
    .map(|(_, frame)| frame.to_string())
    .collect();
    let needed = if needed.is_empty() {
        error.message.clone()
    } else {
        format!("still needed is frame {}, next to the span.", needed.join(", "))
    };
    Error::usage(format!("this host gives plugins one frame at a time: {shown}; {needed}"))
        .hint("Play or render the frames next to the span first: they are remembered.")
}

/// That fewer frames were remembered than the user wants to continue from.
fn few_remembered(place: Place<'_>, values: &Values, plan: &Plan) -> Option<String> {
    let known = plan.before.len().max(plan.after.len());
    let continues = is_lonely(place, values.job) && !values.job.is_partial();
    (continues && known < values.context_frames).then(|| {
        format!(
            "continued from {known} of {} frames: this host had shown no more next to {}",
            values.context_frames, plan.span
        )
    })
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
