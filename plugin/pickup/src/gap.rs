//! Gaps: runs of frames without picture between two stretches of picture.
//!
//! A frame is empty if it is missing, transparent, or of one colour; the frames of a gap share that colour. What
//! was meant as picture is never a gap. So the picture must *cut* to the empty frames on both sides: where it
//! fades, or is a title on their ground, or is a flash of light, somebody made it so.

use pickup_core::Result;

use crate::footage::{Colour, Footage, FrameSpan, Look, Side, Sketch};

/// Picture frames that are looked at beside an empty run, to tell a cut from a fade.
const LOOK_BACK: i64 = 6;
/// A cut leaves the last frame at least this share of its neighbours' distance from the empty ground. A fade in a
/// line over six frames leaves a quarter, over one frame a half; one that follows a display's curve (power 0.45)
/// leaves 0.73 over one frame.
const CUT: f32 = 0.8;
/// A frame of which more than this share is the empty run's own ground is a title on it.
const GROUND: f32 = 0.5;
/// Samples this close to a colour are of it: one and a half codes of 8 bits.
const NEAR: f32 = 1.5 / 255.0;
/// A bright run of one colour this short is a flash.
const FLASH_FRAMES: i64 = 3;
/// Mean value from which on a colour is bright.
const BRIGHT: f32 = 0.5;

/// What lies at an end of an empty run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// No picture.
    Nothing,
    /// Picture that leads to the empty frames: a fade, or a title on their ground.
    Soft,
    /// Picture that stops at once.
    Cut,
}

/// A run of empty frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The frames.
    pub span: FrameSpan,
    /// What lies before.
    pub before: Border,
    /// What lies after.
    pub after: Border,
}

impl Hole {
    /// Whether it is a gap between two stretches of picture.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.before == Border::Cut && self.after == Border::Cut
    }
}

/// The ground of a run: what its empty frames look like.
#[derive(Clone, Copy, Debug, Default)]
struct Ground {
    colour: Option<Colour>,
    transparent: bool,
}

impl Ground {
    /// The ground with a further frame; `None` for a picture, or a frame of another colour.
    fn with(self, look: Look) -> Option<Self> {
        match look {
            Look::Missing => Some(self),
            Look::Transparent => Some(Self { transparent: true, ..self }),
            Look::Constant(colour) if self.colour.is_none_or(|known| known == colour) => {
                Some(Self { colour: Some(colour), ..self })
            }
            Look::Constant(_) | Look::Picture => None,
        }
    }

    /// How far a sample is from the ground, 0 to about 1; `None` where there is nothing to compare with.
    fn distance(self, [red, green, blue, alpha]: [f32; 4]) -> Option<f32> {
        let colour = self.colour.map(|colour| {
            let [r, g, b] = colour.to_f32();
            ((red - r).abs() + (green - g).abs() + (blue - b).abs()) / 3.0
        });
        colour.or(self.transparent.then_some(alpha))
    }

    fn is_flash(self, frames: i64) -> bool {
        let mean = |colour: Colour| colour.to_f32().iter().sum::<f32>() / 3.0;
        frames <= FLASH_FRAMES && self.colour.is_some_and(|colour| mean(colour) >= BRIGHT)
    }
}

/// The empty runs among the frames of `window`, in order.
///
/// # Errors
/// If the footage cannot be looked at.
pub fn holes(footage: &mut dyn Footage, window: FrameSpan) -> Result<Vec<Hole>> {
    let looks = (window.first..=window.last)
        .map(|frame| footage.look(Side::Within, frame))
        .collect::<Result<Vec<_>>>()?;
    let mut holes = Vec::new();
    for (span, ground) in runs(&looks, window.first) {
        if ground.is_flash(span.count()) {
            continue;
        }
        let picture = |frame: i64| {
            window.index(frame).and_then(|index| looks.get(index)).is_some_and(|look| *look == Look::Picture)
        };
        let before = border(footage, ground, span.first, -1, &picture)?;
        let after = border(footage, ground, span.last, 1, &picture)?;
        holes.push(Hole { span, before, after });
    }
    Ok(holes)
}

/// Runs of empty frames of one ground.
fn runs(looks: &[Look], first: i64) -> Vec<(FrameSpan, Ground)> {
    let mut runs: Vec<(FrameSpan, Ground)> = Vec::new();
    for (frame, look) in (first..).zip(looks) {
        if let Some((span, ground)) = runs.last_mut()
            && span.last + 1 == frame
            && let Some(grown) = ground.with(*look)
        {
            (span.last, *ground) = (frame, grown);
        } else if let Some(ground) = Ground::default().with(*look) {
            runs.push((FrameSpan { first: frame, last: frame }, ground));
        }
    }
    runs
}

/// What lies beside `edge`, the outermost frame of a run, in the direction of `step`.
fn border(
    footage: &mut dyn Footage,
    ground: Ground,
    edge: i64,
    step: i64,
    picture: &dyn Fn(i64) -> bool,
) -> Result<Border> {
    let frames: Vec<i64> =
        (1..=LOOK_BACK).map(|count| edge + step * count).take_while(|frame| picture(*frame)).collect();
    if frames.is_empty() {
        return Ok(Border::Nothing);
    }
    let sketches =
        frames.iter().map(|frame| footage.sketch(Side::Within, *frame)).collect::<Result<Vec<_>>>()?;
    Ok(if is_cut(ground, &sketches) { Border::Cut } else { Border::Soft })
}

/// Whether pictures, nearest first, stop at once at a ground.
fn is_cut(ground: Ground, pictures: &[Sketch]) -> bool {
    let distances = |sketch: &Sketch| -> Vec<f32> {
        sketch.0.iter().filter_map(|sample| ground.distance(*sample)).collect()
    };
    let Some(nearest) = pictures.first().map(distances).filter(|distances| !distances.is_empty()) else {
        // Frames that are not there at all cannot be faded to.
        return true;
    };
    let own = nearest.iter().filter(|distance| **distance <= NEAR).count();
    if own as f32 > GROUND * nearest.len() as f32 {
        return false;
    }
    let mut further: Vec<f32> = pictures[1..].iter().map(|sketch| mean(&distances(sketch))).collect();
    further.sort_by(f32::total_cmp);
    // One frame is no stretch of picture: nobody can say where it leads.
    further.get(further.len() / 2).is_some_and(|median| mean(&nearest) >= CUT * median)
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

#[cfg(test)]
#[path = "gap/tests.rs"]
mod tests;
