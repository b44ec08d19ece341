//! The footage as the host has it: the clips of each context, looked at and taken as plates.

use pickup_core::{Error, FrameRate, Result};
use pickup_ofx::{Clip, Context, Effect, Image, Params, Result as HostResult, clip_names};
use pickup_takes::PlateBuffer;
use std::collections::HashMap;

use crate::fault::from_host;
use crate::footage::{Footage, FrameSpan, Look, Plates, Side, Sketch};
use crate::look;
use crate::params::id;
use crate::role::Role;
use crate::span::REACH;

/// Names of the clips that only the General context has.
pub mod names {
    /// A shot that ends before the span.
    pub const BEFORE: &str = "Before";
    /// A shot that begins after the span.
    pub const AFTER: &str = "After";
    /// White where a region is to be removed.
    pub const MASK: &str = "Mask";
    /// Pictures of what should be seen.
    pub const REFERENCES: [&str; 3] = ["Reference1", "Reference2", "Reference3"];
}

/// The clips of an instance, by what they are for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'h> {
    /// What is worked on.
    pub source: Option<Clip<'h>>,
    /// A clip of its own before the span.
    pub before: Option<Clip<'h>>,
    /// A clip of its own after the span.
    pub after: Option<Clip<'h>>,
    /// The mask.
    pub mask: Option<Clip<'h>>,
}

impl<'h> Inputs<'h> {
    /// The clips that are connected. A generator has none, whatever its context.
    #[must_use]
    pub fn of(role: Role, effect: Effect<'h>) -> Self {
        if role == Role::Generate {
            return Self::default();
        }
        let optional = |name| effect.clip(name).ok().filter(Clip::is_connected);
        match effect.context() {
            Some(Context::Transition) => Self {
                before: effect.clip(clip_names::SOURCE_FROM).ok(),
                after: effect.clip(clip_names::SOURCE_TO).ok(),
                ..Self::default()
            },
            Some(Context::General) => Self {
                source: optional(clip_names::SOURCE),
                before: optional(names::BEFORE),
                after: optional(names::AFTER),
                mask: optional(names::MASK),
            },
            _ => Self { source: effect.clip(clip_names::SOURCE).ok(), ..Self::default() },
        }
    }

    /// The clip that answers for a side.
    #[must_use]
    pub fn on(&self, side: Side) -> Option<Clip<'h>> {
        match side {
            Side::Before => self.before.or(self.source),
            Side::Within => self.source,
            Side::After => self.after.or(self.source),
        }
    }

    /// Those of the clips beside the span that have pictures at their ends: some hosts call clips connected that
    /// have none.
    #[must_use]
    pub fn with_pictures(self) -> Self {
        let has_pictures = |clip: &Clip<'h>| {
            let Some(range) = range(clip) else { return true };
            [range.first, range.last].iter().any(|end| matches!(clip.image(*end as f64), Ok(Some(_))))
        };
        Self { before: self.before.filter(has_pictures), after: self.after.filter(has_pictures), ..self }
    }

    /// Any clip with pictures, for what they have in common.
    #[must_use]
    pub fn any(&self) -> Option<Clip<'h>> {
        self.source.or(self.before).or(self.after)
    }
}

/// A clip's frame; `None` where there is no picture.
///
/// # Errors
/// If the host's image cannot be used.
pub fn frame<'h>(clip: &Clip<'h>, time: f64) -> Result<Option<Image<'h>>> {
    clip.image(time).map_err(from_host)
}

/// The name and the clip whose picture stands at a time where nothing was made.
///
/// In a transition that is the clip it comes from up to the middle, and then the one it goes to. In General it is
/// Source, else whichever of Before and After has the frame.
///
/// # Errors
/// The host's answer.
pub fn standing<'h>(
    role: Role,
    effect: Effect<'h>,
    params: Params<'_>,
    time: f64,
) -> HostResult<Option<(&'static str, Clip<'h>)>> {
    let inputs = Inputs::of(role, effect);
    let named = |name, clip: Option<Clip<'h>>| clip.map(|clip| (name, clip));
    Ok(match effect.context() {
        Some(Context::Transition) => match progress(params, time)? < 0.5 {
            true => named(clip_names::SOURCE_FROM, inputs.before),
            false => named(clip_names::SOURCE_TO, inputs.after),
        },
        _ => {
            let holds =
                |clip: &Clip<'_>| range(clip).is_some_and(|range| range.contains(time.round() as i64));
            named(clip_names::SOURCE, inputs.source)
                .or_else(|| named(names::BEFORE, inputs.before.filter(holds)))
                .or_else(|| named(names::AFTER, inputs.after.filter(holds)))
        }
    })
}

/// How far a transition is at a time, 0 to 1.
///
/// # Errors
/// The host's answer.
pub fn progress(params: Params<'_>, time: f64) -> HostResult<f64> {
    params.double_at(id::TRANSITION, time)
}

/// Whether a transition shows one of its clips alone at a time, which is then shown exactly.
///
/// # Errors
/// The host's answer.
pub fn is_end_of_transition(effect: Effect<'_>, params: Params<'_>, time: f64) -> HostResult<bool> {
    if effect.context() != Some(Context::Transition) {
        return Ok(false);
    }
    let progress = progress(params, time)?;
    Ok(progress <= 0.0 || progress >= 1.0)
}

/// The frames that a transition makes: those around `now` at which it is under way; where the host gives one
/// progress for all times, those that both clips have.
///
/// # Errors
/// The host's answer.
pub fn transition_span(effect: Effect<'_>, params: Params<'_>, now: i64) -> HostResult<Option<FrameSpan>> {
    if effect.context() != Some(Context::Transition) {
        return Ok(None);
    }
    let under_way = |frame: i64| -> HostResult<bool> {
        let progress = progress(params, frame as f64)?;
        Ok(progress > 0.0 && progress < 1.0)
    };
    if under_way(now)? {
        let furthest = |step: i64| -> HostResult<i64> {
            let mut frame = now;
            while (frame - now).abs() < REACH && under_way(frame + step)? {
                frame += step;
            }
            Ok(frame)
        };
        let span = FrameSpan { first: furthest(-1)?, last: furthest(1)? };
        if span.count() < REACH {
            return Ok(Some(span));
        }
    }
    let inputs = Inputs::of(Role::Fill, effect);
    let (Some(from), Some(to)) =
        (inputs.before.as_ref().and_then(range), inputs.after.as_ref().and_then(range))
    else {
        return Ok(None);
    };
    let both = FrameSpan { first: from.first.max(to.first), last: from.last.min(to.last) };
    Ok(Some(both).filter(|both| both.count() > 0))
}

/// First and last frame of a clip, where the host says.
pub fn range(clip: &Clip<'_>) -> Option<FrameSpan> {
    let (first, last) = clip.frame_range()?;
    let range = FrameSpan { first: first.ceil() as i64, last: last.floor() as i64 };
    Some(range).filter(|range| range.count() > 0)
}

/// The timeline's rate: the clips', else the project's.
///
/// # Errors
/// Of kind input if the host's number is no rate.
pub fn rate(role: Role, effect: Effect<'_>) -> Result<(FrameRate, Option<String>)> {
    let of_clip = Inputs::of(role, effect).any().and_then(|clip| clip.frame_rate());
    match of_clip.or_else(|| effect.frame_rate()) {
        Some(rate) => Ok((FrameRate::from_f64(rate)?, None)),
        None => Ok((FrameRate::new(24, 1)?, Some("the host gives no frame rate, 24 was taken".to_owned()))),
    }
}

/// The reference clips that are connected.
fn reference_clips(effect: Effect<'_>) -> impl Iterator<Item = Clip<'_>> {
    let names = if effect.context() == Some(Context::General) { &names::REFERENCES[..] } else { &[] };
    names.iter().filter_map(move |name| effect.clip(name).ok()).filter(Clip::is_connected)
}

/// How many pictures the reference clips give, at most.
#[must_use]
pub fn count_references(effect: Effect<'_>) -> usize {
    reference_clips(effect).count()
}

/// The pictures of the reference clips at a frame, or at the end of their range that lies nearest.
///
/// # Errors
/// If a host's image cannot be used.
pub fn references(effect: Effect<'_>, now: i64) -> Result<Vec<PlateBuffer>> {
    let mut plates = Vec::new();
    for clip in reference_clips(effect) {
        let time = range(&clip).map_or(now, |range| now.clamp(range.first, range.last));
        if let Some(image) = frame(&clip, time as f64)? {
            plates.push(look::plate(&image)?);
        }
    }
    Ok(plates)
}

/// The clips of an instance, seen frame by frame.
pub struct ClipFootage<'h> {
    inputs: Inputs<'h>,
    between: Option<FrameSpan>,
    seen: HashMap<(Side, i64), Look>,
}

impl<'h> ClipFootage<'h> {
    /// The footage of these clips; `transition` is the span that a transition makes.
    #[must_use]
    pub fn new(inputs: Inputs<'h>, transition: Option<FrameSpan>) -> Self {
        let ends = inputs.before.as_ref().and_then(range).zip(inputs.after.as_ref().and_then(range));
        let apart = ends
            .map(|(before, after)| FrameSpan { first: before.last + 1, last: after.first - 1 })
            .filter(|span| span.count() > 0);
        Self { inputs, between: transition.or(apart), seen: HashMap::new() }
    }

    fn image(&self, side: Side, frame_number: i64) -> Result<Option<Image<'h>>> {
        self.inputs.on(side).map_or(Ok(None), |clip| frame(&clip, frame_number as f64))
    }

    fn picture(&self, side: Side, frame_number: i64) -> Result<Image<'h>> {
        self.image(side, frame_number)?
            .ok_or_else(|| Error::input(format!("the host has no picture for frame {frame_number}.")))
    }
}

impl Footage for ClipFootage<'_> {
    fn look(&mut self, side: Side, frame_number: i64) -> Result<Look> {
        if let Some(look) = self.seen.get(&(side, frame_number)) {
            return Ok(*look);
        }
        let image = self.image(side, frame_number)?;
        let look = image.as_ref().map_or(Look::Missing, look::look);
        self.seen.insert((side, frame_number), look);
        Ok(look)
    }

    fn sketch(&mut self, side: Side, frame_number: i64) -> Result<Sketch> {
        Ok(self.image(side, frame_number)?.as_ref().map(look::sketch).unwrap_or_default())
    }

    fn range(&self, side: Side) -> Option<FrameSpan> {
        range(&self.inputs.on(side)?)
    }

    fn edge(&self, side: Side, beside: i64) -> i64 {
        let own = match side {
            Side::Before => self.inputs.before,
            Side::After => self.inputs.after,
            Side::Within => None,
        };
        match own.as_ref().and_then(range).filter(|range| !range.contains(beside)) {
            Some(range) if side == Side::Before => range.last,
            Some(range) => range.first,
            None => beside,
        }
    }

    fn between(&self) -> Option<FrameSpan> {
        self.between
    }
}

impl Plates for ClipFootage<'_> {
    fn plate(&mut self, side: Side, frame_number: i64) -> Result<PlateBuffer> {
        look::plate(&self.picture(side, frame_number)?)
    }

    fn size(&mut self, side: Side, frame_number: i64) -> Result<(u32, u32)> {
        look::size(self.picture(side, frame_number)?.bounds())
    }

    fn mask(&mut self, frame_number: i64) -> Result<Option<PlateBuffer>> {
        let Some(clip) = self.inputs.mask else { return Ok(None) };
        let image = frame(&clip, frame_number as f64)?;
        image.as_ref().map(look::plate_with_alpha).transpose()
    }
}

/// A generator's footage: there is none.
#[derive(Debug)]
pub struct NoFootage;

impl Footage for NoFootage {
    fn look(&mut self, _side: Side, _frame: i64) -> Result<Look> {
        Ok(Look::Missing)
    }

    fn sketch(&mut self, _side: Side, _frame: i64) -> Result<Sketch> {
        Ok(Sketch::default())
    }

    fn range(&self, _side: Side) -> Option<FrameSpan> {
        None
    }
}

impl Plates for NoFootage {
    fn plate(&mut self, _side: Side, frame: i64) -> Result<PlateBuffer> {
        Err(Error::input(format!("a generator has no frame {frame}.")))
    }

    fn size(&mut self, side: Side, frame: i64) -> Result<(u32, u32)> {
        self.plate(side, frame).map(|plate| (plate.width, plate.height))
    }
}
