//! The one idea: every job fills the unknown part of a canvas.

use serde::{Deserialize, Serialize};
use std::ops::Range;

use crate::{Encoding, Error, FrameRate, PlateId, Result};

/// One frame of a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Slot {
    /// A frame that is there, and stays as it is.
    Known(PlateId),
    /// A frame of which a part is there and stays as it is, where the plate's alpha is ½ or more. The rest is to
    /// be made.
    Partial(PlateId),
    /// A frame to be made.
    Unknown,
}

impl Slot {
    /// Whether the whole frame is there.
    pub const fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Whether a part of the frame is there, and a part is to be made.
    pub const fn is_partial(&self) -> bool {
        matches!(self, Self::Partial(_))
    }
}

/// A run of frames to be made, as indices into the canvas.
pub type Span = Range<usize>;

/// A run of frames at the timeline's rate and size, of which some are known.
///
/// A fill knows both ends, an extension one, a generation none; an outpainting and a removal know a part of each
/// frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Canvas {
    /// Width in pixels, as on the timeline.
    pub width: u32,
    /// Height in pixels, as on the timeline.
    pub height: u32,
    /// The timeline's frame rate.
    pub rate: FrameRate,
    /// How the known frames are encoded, and so the generated ones.
    pub encoding: Encoding,
    /// The frames in order.
    pub slots: Vec<Slot>,
}

impl Canvas {
    /// Largest width or height that is taken for a real picture (OFX hosts go to 16k).
    pub const MAX_SIDE: u32 = 16_384;
    /// Most frames of one canvas.
    pub const MAX_FRAMES: usize = 4_096;

    /// Known frames before, `unknown` frames to be made, known frames after.
    pub fn around(
        (width, height): (u32, u32),
        rate: FrameRate,
        before: impl IntoIterator<Item = PlateId>,
        unknown: usize,
        after: impl IntoIterator<Item = PlateId>,
    ) -> Self {
        let mut slots: Vec<_> = before.into_iter().map(Slot::Known).collect();
        slots.extend(std::iter::repeat_n(Slot::Unknown, unknown));
        slots.extend(after.into_iter().map(Slot::Known));
        Self { width, height, rate, encoding: Encoding::default(), slots }
    }

    /// The runs of frames to be made, whole or in part, in order.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (index, _) in self.slots.iter().enumerate().filter(|(_, slot)| !slot.is_known()) {
            match spans.last_mut() {
                Some(span) if span.end == index => span.end += 1,
                _ => spans.push(index..index + 1),
            }
        }
        spans
    }

    /// How many frames are to be made, whole or in part.
    pub fn unknown_count(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.is_known()).count()
    }

    /// Whether a person could mean this canvas.
    ///
    /// # Errors
    /// With what is wrong: nothing to make, too many frames, or a size that is no picture.
    pub fn check(&self) -> Result<()> {
        let sides = [self.width, self.height];
        if sides.iter().any(|side| !(16..=Self::MAX_SIDE).contains(side)) {
            return Err(Error::input(format!(
                "expected a picture between 16×16 and {max}×{max}, got {}×{}.",
                self.width,
                self.height,
                max = Self::MAX_SIDE
            ))
            .hint("Set the size of the project, or of the frames asked for, to that of a picture."));
        }
        if self.unknown_count() == 0 {
            return Err(Error::usage("there is nothing to generate: the span has no frames.")
                .hint("Set the span's start and end, or ask for at least 1 frame."));
        }
        if self.slots.len() > Self::MAX_FRAMES {
            return Err(Error::usage(format!(
                "expected at most {} frames in all, got {}.",
                Self::MAX_FRAMES,
                self.slots.len()
            ))
            .hint("Split the job into shorter spans."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canvas(known: &[bool]) -> Canvas {
        let slots = known
            .iter()
            .map(|&known| if known { Slot::Known(PlateId::of(b"plate")) } else { Slot::Unknown })
            .collect();
        let rate = FrameRate::new(25, 1).unwrap();
        Canvas { width: 64, height: 48, rate, encoding: Encoding::Srgb, slots }
    }

    #[test]
    fn refuses_what_nobody_means() {
        assert!(canvas(&[true, true]).check().is_err());
        assert!(canvas(&[]).check().is_err());
        assert!(canvas(&[true, false]).check().is_ok());
        assert!(Canvas { width: 0, ..canvas(&[false]) }.check().is_err());
        assert!(Canvas { height: 1 << 20, ..canvas(&[false]) }.check().is_err());
        assert!(canvas(&vec![false; Canvas::MAX_FRAMES + 1]).check().is_err());
    }

    #[test]
    fn a_frame_known_in_part_is_one_to_be_made() {
        let mut canvas = canvas(&[true, false, true]);
        canvas.slots[2] = Slot::Partial(PlateId::of(b"plate"));
        assert_eq!(canvas.unknown_count(), 2);
        assert_eq!(canvas.spans(), vec![1..3]);
        assert!(canvas.check().is_ok());
    }

    proptest! {
        #[test]
        fn spans_cover_exactly_the_unknown(known in prop::collection::vec(any::<bool>(), 0..64)) {
            let spans = canvas(&known).spans();
            let mut covered = vec![true; known.len()];
            for span in &spans {
                prop_assert!(!span.is_empty());
                covered[span.clone()].fill(false);
            }
            prop_assert_eq!(covered, known);
            prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
