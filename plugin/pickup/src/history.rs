//! Frames that renders have shown, for hosts that give no neighbouring frames: a shot can still be extended.
//!
//! They are kept for all instances together, by clip, within a fixed room: what was shown longest ago goes first. A host
//! does not say which clip it shows. So each instance has its own until it is gone, and then the next one that shows
//! the same picture at the same frame number: hosts make instances anew when they like.

use parking_lot::Mutex;
use pickup_core::{Error, Result};
use pickup_takes::PlateBuffer;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::footage::{Footage, FrameSpan, Look, Plates, Side, Sketch};

/// Pixels of a remembered frame, at most: the area at which today's models work.
pub const MOST_PIXELS: usize = 832 * 480;
/// Room for all remembered frames, in bytes: about eighty of the largest.
const ROOM: usize = 256 << 20;

static SHOWN: Mutex<Shown> = Mutex::new(Shown { frames: VecDeque::new(), bytes: 0, left: Vec::new() });

/// The clip of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipKey(u64);

impl ClipKey {
    /// A clip that nothing is known of yet.
    #[must_use]
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What was shown, last shown last.
struct Shown {
    frames: VecDeque<Remembered>,
    bytes: usize,
    /// Clips whose instance is gone.
    left: Vec<ClipKey>,
}

#[derive(Clone)]
struct Remembered {
    clip: ClipKey,
    frame: i64,
    /// At most [`MOST_PIXELS`] large.
    plate: Arc<PlateBuffer>,
    /// Width and height that it was shown at, in pixels.
    size: (u32, u32),
}

impl Remembered {
    fn bytes(&self) -> usize {
        std::mem::size_of_val(self.plate.pixels.as_slice())
    }

    /// Whether it can only be a frame of the same clip: the same picture, and more than one colour.
    fn is_same_as(&self, other: &Self) -> bool {
        let pixels = &self.plate.pixels;
        let plain = pixels.chunks_exact(4).all(|pixel| *pixel == pixels[..4]);
        (self.frame, self.size) == (other.frame, other.size) && !plain && *pixels == other.plate.pixels
    }
}

impl Shown {
    fn add(&mut self, frame: Remembered, room: usize) {
        self.inherit(&frame);
        self.forget(|known| known.clip == frame.clip && known.frame == frame.frame);
        self.bytes += frame.bytes();
        self.frames.push_back(frame);
        while self.bytes > room && self.frames.len() > 1 {
            self.bytes -= self.frames.pop_front().map_or(0, |frame| frame.bytes());
        }
    }

    /// Takes over what was shown of the clip by an instance that is gone.
    fn inherit(&mut self, shown: &Remembered) {
        let same = |known: &&Remembered| self.left.contains(&known.clip) && known.is_same_as(shown);
        let Some(left) = self.frames.iter().find(same).map(|known| known.clip) else { return };
        self.left.retain(|clip| *clip != left);
        let own: Vec<i64> =
            self.frames.iter().filter(|known| known.clip == shown.clip).map(|known| known.frame).collect();
        // What this instance has shown itself is newer.
        self.forget(|known| known.clip == left && own.contains(&known.frame));
        self.frames.iter_mut().filter(|known| known.clip == left).for_each(|known| known.clip = shown.clip);
    }

    fn forget(&mut self, which: impl Fn(&Remembered) -> bool) {
        self.frames.retain(|frame| !which(frame));
        self.bytes = self.frames.iter().map(Remembered::bytes).sum();
        self.left.retain(|clip| self.frames.iter().any(|frame| frame.clip == *clip));
    }
}

/// Remembers a frame of a clip, shown at `size`, as a plate of at most [`MOST_PIXELS`].
pub fn show(clip: ClipKey, frame: i64, plate: PlateBuffer, size: (u32, u32)) {
    SHOWN.lock().add(Remembered { clip, frame, plate: Arc::new(plate), size }, ROOM);
}

/// Forgets a clip.
pub fn forget(clip: ClipKey) {
    SHOWN.lock().forget(|frame| frame.clip == clip);
}

/// Leaves what was shown of a clip to the next instance that shows the same.
pub fn leave(clip: ClipKey) {
    let mut shown = SHOWN.lock();
    if shown.frames.iter().any(|frame| frame.clip == clip) {
        shown.left.push(clip);
    }
}

/// Forgets everything; what was remembered goes when the answer is dropped, which takes its time.
#[must_use]
pub fn take_all() -> impl Send + 'static {
    std::mem::replace(&mut *SHOWN.lock(), Shown { frames: VecDeque::new(), bytes: 0, left: Vec::new() })
}

/// The frames of one clip that were shown, at one moment.
#[derive(Clone, Default)]
pub struct History {
    frames: Vec<Remembered>,
}

impl History {
    /// What is remembered of a clip.
    #[must_use]
    pub fn of(clip: ClipKey) -> Self {
        let shown = SHOWN.lock();
        Self { frames: shown.frames.iter().filter(|frame| frame.clip == clip).cloned().collect() }
    }

    fn find(&self, frame: i64) -> Option<&Remembered> {
        self.frames.iter().find(|known| known.frame == frame)
    }

    /// Whether a frame was shown.
    #[must_use]
    pub fn has(&self, frame: i64) -> bool {
        self.find(frame).is_some()
    }

    /// The runs of frames that were shown, in order.
    #[must_use]
    pub fn runs(&self) -> Vec<FrameSpan> {
        let mut numbers: Vec<i64> = self.frames.iter().map(|frame| frame.frame).collect();
        numbers.sort_unstable();
        let runs = numbers.chunk_by(|a, b| a + 1 == *b);
        runs.filter_map(|run| Some(FrameSpan { first: *run.first()?, last: *run.last()? })).collect()
    }
}

impl Footage for History {
    fn look(&mut self, _side: Side, frame: i64) -> Result<Look> {
        Ok(if self.has(frame) { Look::Picture } else { Look::Missing })
    }

    fn sketch(&mut self, _side: Side, frame: i64) -> Result<Sketch> {
        let pixels = self.find(frame).map(|known| known.plate.pixels.as_slice()).unwrap_or_default();
        let sample = |pixel: &[half::f16]| [pixel[0], pixel[1], pixel[2], pixel[3]].map(half::f16::to_f32);
        Ok(Sketch(pixels.chunks_exact(4).step_by((pixels.len() / 4 / 1000).max(1)).map(sample).collect()))
    }

    fn range(&self, _side: Side) -> Option<FrameSpan> {
        None
    }
}

impl Plates for History {
    fn plate(&mut self, side: Side, frame: i64) -> Result<PlateBuffer> {
        let (width, height) = self.size(side, frame)?;
        self.find(frame).ok_or_else(|| not_shown(frame))?.plate.resized(width, height)
    }

    fn size(&mut self, _side: Side, frame: i64) -> Result<(u32, u32)> {
        self.find(frame).map(|known| known.size).ok_or_else(|| not_shown(frame))
    }
}

fn not_shown(frame: i64) -> Error {
    Error::input(format!("frame {frame} was not shown yet."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{JobChoice, Wish, settle};
    use pickup_core::Job;

    fn plate(side: u32) -> PlateBuffer {
        let pixels = vec![half::f16::ONE; (side * side * 4) as usize];
        PlateBuffer { width: side, height: side, pixels }
    }

    #[test]
    fn a_shot_is_extended_from_what_was_shown_last() {
        let clip = ClipKey::fresh();
        (6..10).for_each(|frame| show(clip, frame, plate(1), (1, 1)));
        let span = Some(FrameSpan { first: 10, last: 14 });
        let wish = Wish { job: JobChoice::Auto, span, context: 8 };
        let plan = settle(&wish, &mut History::of(clip), 10).unwrap();
        assert_eq!((plan.job, plan.before), (Job::ExtendAfter, vec![6, 7, 8, 9]));
        assert!(settle(&wish, &mut History::of(ClipKey::fresh()), 10).is_err(), "another clip has none");
    }

    #[test]
    fn the_same_frame_shown_again_is_kept_once_and_the_room_is_kept_to() {
        let mut shown = Shown { frames: VecDeque::new(), bytes: 0, left: Vec::new() };
        let clip = ClipKey::fresh();
        let mut add = |frame, room| {
            shown.add(Remembered { clip, frame, plate: Arc::new(plate(2)), size: (2, 2) }, room);
            (shown.frames.len(), shown.bytes)
        };
        // Four pixels of four halves.
        assert_eq!(add(1, 100), (1, 32));
        assert_eq!(add(2, 100), (2, 64));
        assert_eq!(add(1, 100), (2, 64));
        assert_eq!(add(3, 100), (3, 96));
        assert_eq!(add(4, 100), (3, 96), "frame 2 was shown longest ago");
        let left: Vec<i64> = shown.frames.iter().map(|frame| frame.frame).collect();
        assert_eq!(left, [1, 3, 4]);
    }

    /// Frame `frame` of a film of pictures; another seed is another film.
    fn film(frame: i64, seed: u32) -> PlateBuffer {
        let value = |i: u32| half::f16::from_f32((i * 7 + seed + frame as u32) as f32 / 99.0);
        PlateBuffer { width: 2, height: 2, pixels: (0..16).map(value).collect() }
    }

    #[test]
    fn what_an_instance_leaves_is_the_next_one_s_that_shows_the_same_picture() {
        let run = |first, last| FrameSpan { first, last };
        let shows = |clip, frame, seed| show(clip, frame, film(frame, seed), (4, 4));
        let (old, new, other, plain) =
            (ClipKey::fresh(), ClipKey::fresh(), ClipKey::fresh(), ClipKey::fresh());
        (6..9).for_each(|frame| shows(old, frame, 50));
        shows(new, 8, 50);
        assert_eq!(History::of(new).runs(), [run(8, 8)], "the other instance still lives");
        leave(old);
        shows(other, 8, 51);
        assert_eq!(History::of(other).runs(), [run(8, 8)], "another film");
        show(plain, 8, plate(2), (4, 4));
        assert_eq!(History::of(plain).runs(), [run(8, 8)]);
        shows(new, 9, 50);
        assert_eq!(History::of(new).runs(), [run(8, 9)], "nothing tells that it is the same");
        shows(new, 7, 50);
        assert_eq!(History::of(new).runs(), [run(6, 9)]);
        assert!(History::of(old).runs().is_empty());
        // One colour tells nothing.
        let (black, next) = (ClipKey::fresh(), ClipKey::fresh());
        (1..4).for_each(|frame| show(black, frame, plate(3), (4, 4)));
        leave(black);
        show(next, 3, plate(3), (4, 4));
        assert_eq!(History::of(next).runs(), [run(3, 3)]);
        [black, next, new, other, plain].into_iter().for_each(forget);
    }

    #[test]
    fn what_was_shown_is_told_in_runs_and_comes_back_at_the_size_it_was_shown_at() {
        let clip = ClipKey::fresh();
        for frame in [4, 2, 3, 9] {
            show(clip, frame, plate(2), (8, 6));
        }
        let mut history = History::of(clip);
        let runs = [FrameSpan { first: 2, last: 4 }, FrameSpan { first: 9, last: 9 }];
        assert_eq!(history.runs(), runs);
        let back = history.plate(Side::Before, 9).unwrap();
        assert_eq!((back.width, back.height), (8, 6));
        assert!(history.plate(Side::Before, 5).is_err());
        forget(clip);
        assert!(History::of(clip).runs().is_empty());
    }
}
