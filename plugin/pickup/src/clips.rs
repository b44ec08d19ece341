//! The footage as the host has it: frames of the source clip, looked at and taken as plates.

use pickup_core::{Error, FrameRate, Result};
use pickup_ofx::{Clip, Context, Effect, Image, clip_names};
use pickup_takes::PlateBuffer;
use std::collections::HashMap;

use crate::fault::from_host;
use crate::look;
use crate::span::{Footage, FrameSpan, Look};

/// Footage whose frames can be had as plates.
pub trait Plates: Footage {
    /// A known frame.
    ///
    /// # Errors
    /// Of kind input if there is no such frame.
    fn plate(&mut self, frame: i64) -> Result<PlateBuffer>;
}

/// The clip that an instance reads; `None` for a generator.
#[must_use]
pub fn source<'h>(effect: Effect<'h>) -> Option<Clip<'h>> {
    let name = match effect.context() {
        Some(Context::Generator) => return None,
        Some(Context::Transition) => clip_names::SOURCE_FROM,
        _ => clip_names::SOURCE,
    };
    effect.clip(name).ok()
}

/// A clip's frame; `None` where there is no picture.
///
/// # Errors
/// If the host's image cannot be used.
pub fn frame<'h>(clip: &Clip<'h>, time: f64) -> Result<Option<Image<'h>>> {
    clip.image(time).map_err(from_host)
}

/// The timeline's rate: the source's, else the project's.
///
/// # Errors
/// Of kind input if the host's number is no rate.
pub fn rate(effect: Effect<'_>) -> Result<(FrameRate, Option<String>)> {
    let told = source(effect).and_then(|clip| clip.frame_rate()).or_else(|| effect.frame_rate());
    match told {
        Some(rate) => Ok((FrameRate::from_f64(rate)?, None)),
        None => Ok((FrameRate::new(24, 1)?, Some("the host gives no frame rate, 24 was taken".to_owned()))),
    }
}

/// The source clip of an instance, seen frame by frame.
pub struct SourceClip<'h> {
    clip: Clip<'h>,
    range: Option<FrameSpan>,
    seen: HashMap<i64, Look>,
}

impl<'h> SourceClip<'h> {
    /// The footage of a clip.
    #[must_use]
    pub fn new(clip: Clip<'h>) -> Self {
        let range = clip
            .frame_range()
            .map(|(first, last)| FrameSpan { first: first.ceil() as i64, last: last.floor() as i64 });
        Self { clip, range: range.filter(|range| range.count() > 0), seen: HashMap::new() }
    }
}

impl Footage for SourceClip<'_> {
    fn look(&mut self, frame_number: i64) -> Result<Look> {
        if let Some(look) = self.seen.get(&frame_number) {
            return Ok(*look);
        }
        let image = frame(&self.clip, frame_number as f64)?;
        let look = image.as_ref().map_or(Look::Missing, look::look);
        self.seen.insert(frame_number, look);
        Ok(look)
    }

    fn range(&self) -> Option<FrameSpan> {
        self.range
    }
}

impl Plates for SourceClip<'_> {
    fn plate(&mut self, frame_number: i64) -> Result<PlateBuffer> {
        match frame(&self.clip, frame_number as f64)? {
            Some(image) => look::plate(&image),
            None => Err(Error::input(format!("the host has no picture for frame {frame_number}."))),
        }
    }
}

/// A generator's footage: there is none.
#[derive(Debug)]
pub struct NoFootage;

impl Footage for NoFootage {
    fn look(&mut self, _frame: i64) -> Result<Look> {
        Ok(Look::Missing)
    }

    fn range(&self) -> Option<FrameSpan> {
        None
    }
}

impl Plates for NoFootage {
    fn plate(&mut self, frame: i64) -> Result<PlateBuffer> {
        Err(Error::input(format!("a generator has no frame {frame}.")))
    }
}
