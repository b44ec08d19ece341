//! Frames that renders have shown, for hosts that give no neighbouring frames: a shot can still be extended.

use pickup_core::{Error, Result};
use pickup_takes::PlateBuffer;
use std::collections::VecDeque;

use crate::clips::Plates;
use crate::span::{Footage, FrameSpan, Look};

/// The last few frames shown, by frame number.
#[derive(Clone, Debug, Default)]
pub struct History {
    frames: VecDeque<(i64, PlateBuffer)>,
}

impl History {
    /// Remembers a frame, and forgets the ones shown longest ago beyond `keep`.
    pub fn show(&mut self, frame: i64, plate: PlateBuffer, keep: usize) {
        self.frames.retain(|(known, _)| *known != frame);
        self.frames.push_back((frame, plate));
        while self.frames.len() > keep.max(1) {
            self.frames.pop_front();
        }
    }

    fn find(&self, frame: i64) -> Option<&PlateBuffer> {
        self.frames.iter().find(|(known, _)| *known == frame).map(|(_, plate)| plate)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.frames.clear();
    }
}

impl Footage for History {
    fn look(&mut self, frame: i64) -> Result<Look> {
        Ok(if self.find(frame).is_some() { Look::Picture } else { Look::Missing })
    }

    fn range(&self) -> Option<FrameSpan> {
        None
    }
}

impl Plates for History {
    fn plate(&mut self, frame: i64) -> Result<PlateBuffer> {
        self.find(frame).cloned().ok_or_else(|| Error::input(format!("frame {frame} was not shown yet.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{JobChoice, Wish, settle};
    use pickup_core::Job;

    fn plate() -> PlateBuffer {
        PlateBuffer { width: 1, height: 1, pixels: vec![half::f16::ONE; 4] }
    }

    #[test]
    fn a_shot_is_extended_from_what_was_shown_last() {
        let mut history = History::default();
        (0..10).for_each(|frame| history.show(frame, plate(), 4));
        let span = Some(FrameSpan { first: 10, last: 14 });
        let plan = settle(&Wish { job: JobChoice::Auto, span, context: 8 }, &mut history, 10).unwrap();
        assert_eq!((plan.job, plan.before), (Job::ExtendAfter, vec![6, 7, 8, 9]));
    }

    #[test]
    fn the_same_frame_shown_again_is_kept_once() {
        let mut history = History::default();
        [1, 2, 1, 1].into_iter().for_each(|frame| history.show(frame, plate(), 2));
        assert_eq!((history.look(1).unwrap(), history.look(2).unwrap()), (Look::Picture, Look::Picture));
    }
}
