//! Footage as planning sees it: what each frame shows. Nothing here knows a host.

use pickup_core::Result;
use pickup_takes::PlateBuffer;
use serde::{Deserialize, Serialize};

/// Frames `first` to `last`, both included, in the host's frame numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSpan {
    /// First frame.
    pub first: i64,
    /// Last frame.
    pub last: i64,
}

impl FrameSpan {
    /// Number of frames; 0 or less where it ends before it starts.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.last - self.first + 1
    }

    /// Where a frame lies in the span, counted from its first.
    #[must_use]
    pub fn index(&self, frame: i64) -> Option<usize> {
        if frame > self.last { None } else { usize::try_from(frame - self.first).ok() }
    }

    /// Whether a frame lies in the span.
    #[must_use]
    pub fn contains(&self, frame: i64) -> bool {
        self.index(frame).is_some()
    }
}

impl std::fmt::Display for FrameSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            write!(f, "frame {}", self.first)
        } else {
            write!(f, "frames {} to {}", self.first, self.last)
        }
    }
}

/// A colour as halves' bits, so that colours can be told apart exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colour(pub [u16; 3]);

impl Colour {
    /// Red, green, blue.
    #[must_use]
    pub fn to_f32(self) -> [f32; 3] {
        self.0.map(|bits| half::f16::from_bits(bits).to_f32())
    }
}

/// What one frame of the footage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The host has no image.
    Missing,
    /// Every pixel is transparent.
    Transparent,
    /// Every pixel is the same.
    Constant(Colour),
    /// A picture.
    Picture,
}

/// A frame's pixels at even distances, `(n, 4)` red, green, blue, alpha; single pixels, so that grain stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch(pub Vec<[f32; 4]>);

/// On which side of the span a frame is looked for. A filter has one clip for all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before the span.
    Before,
    /// In the span.
    Within,
    /// After the span.
    After,
}

/// Frames that can be looked at.
pub trait Footage {
    /// What a frame shows.
    ///
    /// # Errors
    /// If the host fails to say.
    fn look(&mut self, side: Side, frame: i64) -> Result<Look>;

    /// A frame's sketch; empty where there is no picture.
    ///
    /// # Errors
    /// If the host fails to give the frame.
    fn sketch(&mut self, side: Side, frame: i64) -> Result<Sketch>;

    /// First and last frame that may have pictures, where known.
    fn range(&self, side: Side) -> Option<FrameSpan>;

    /// The frame that lies next to the span on a side, where `beside` is its neighbour by number. A clip of its
    /// own that lies elsewhere in time is joined by its end.
    fn edge(&self, side: Side, beside: i64) -> i64 {
        let _ = side;
        beside
    }

    /// The span that the clips themselves leave between them, as those of a transition do.
    fn between(&self) -> Option<FrameSpan> {
        None
    }
}

/// Footage whose frames can be had as plates.
pub trait Plates: Footage {
    /// A known frame.
    ///
    /// # Errors
    /// Of kind input if there is no such frame.
    fn plate(&mut self, side: Side, frame: i64) -> Result<PlateBuffer>;

    /// Width and height of a known frame, in pixels.
    ///
    /// # Errors
    /// As [`Plates::plate`].
    fn size(&mut self, side: Side, frame: i64) -> Result<(u32, u32)>;

    /// What a mask clip shows of a frame: 1 where it is to be made. `None` without such a clip.
    ///
    /// # Errors
    /// If the host fails to give the frame.
    fn mask(&mut self, frame: i64) -> Result<Option<PlateBuffer>> {
        let _ = frame;
        Ok(None)
    }
}
