//! Which frames the model makes in which run.
//!
//! A canvas that fits the model's longest clip is one pass. A longer one is never a chain that
//! forgets its end: first a coarse pass takes frames spread evenly over the whole stretch, both ends
//! included, as a clip of its own; then windows go over the stretch at the next finer spacing, down
//! to every frame. Each window takes as known what is known, the frames made at coarser spacings and
//! the last frames of the window before, so what lies ahead is always in sight.

use pickup_core::{Error, Result};
use pickup_package::Limits;
use std::collections::BTreeSet;

use super::align::align;
use super::range::stretches;

/// What a frame of a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This known frame of the canvas.
    Known(usize),
    /// This frame of the canvas, made by an earlier pass.
    Guide(usize),
    /// This frame of the canvas, to be made.
    Make(usize),
    /// A frame that is made for nothing and cut: to meet the model's length rule, or so that known frames
    /// fill whole latent frames.
    Surplus,
}

impl Part {
    /// The frame of the canvas.
    pub fn frame(self) -> Option<usize> {
        match self {
            Self::Known(frame) | Self::Guide(frame) | Self::Make(frame) => Some(frame),
            Self::Surplus => None,
        }
    }
}

/// One run of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its frames, in order; their number obeys the model's rule.
    pub parts: Vec<Part>,
    /// Canvas frames from one part to the next: 1 except in coarse passes.
    pub spacing: usize,
    /// Frames of the canvas that this pass delivers to the take, in order. A coarse pass delivers
    /// none: its frames guide finer ones, which make them anew beside their neighbours.
    pub delivers: Vec<usize>,
}

/// How many frames a clip of the model has, and how many of them may be known at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A clip has `multiple · n + offset` frames.
    pub multiple: usize,
    /// See `multiple`.
    pub offset: usize,
    /// Shortest clip; obeys the rule.
    pub least: usize,
    /// Longest clip; obeys the rule.
    pub most: usize,
    /// Most known frames that a clip may begin with; the last ones of more are taken.
    pub lead: usize,
    /// 1 if known frames that follow the unknown are a clip of their own to the model, whose first latent frame
    /// stands for one frame; else 0.
    pub alone: usize,
}

impl Rule {
    /// The rule of a manifest; any number may be known at the start.
    ///
    /// # Errors
    /// If no length obeys it, or the longest clip is too short to hold anything but its own start.
    pub fn of(limits: &Limits) -> Result<Self> {
        let (multiple, offset) = (limits.frame_multiple.max(1) as usize, limits.frame_offset as usize);
        let longest = limits.max_frames as usize;
        let most = longest.saturating_sub(offset) / multiple * multiple + offset;
        let mut rule = Self { multiple, offset, least: 0, most, lead: usize::MAX, alone: 0 };
        rule.least = rule.length_for(limits.min_frames as usize);
        if most > longest || rule.least > most || most < 4 {
            return Err(Error::model(format!(
                "the model's clips of {multiple} n + {offset} frames leave none between {} and {longest}.",
                limits.min_frames
            ))
            .hint("Install the model again."));
        }
        Ok(rule)
    }

    /// The shortest allowed length of at least `frames`.
    pub fn length_for(&self, frames: usize) -> usize {
        let wanted = frames.max(self.least).max(self.offset);
        (wanted - self.offset).next_multiple_of(self.multiple) + self.offset
    }

    /// Frames that a window takes from the one before: a quarter of the longest clip, as a length of
    /// the rule, so that they fill whole latent frames.
    fn overlap(&self) -> usize {
        (self.most / 4).saturating_sub(self.offset) / self.multiple * self.multiple + self.offset.max(1)
    }

    /// Furthest spacing at which a window still sees the next guide beyond its overlap.
    fn reach(&self) -> usize {
        (self.most - 1).saturating_sub(self.overlap()).max(2)
    }
}

/// Spacing of the coarse pass where the stretch would allow less: half a second or less at common
/// rates. Closer guides would leave little to the windows.
const COARSE: usize = 8;

/// The passes that make every unknown frame of a canvas, of which `known` says what is there.
///
/// Every unknown frame is delivered by exactly one pass, in order.
pub fn schedule(known: &[bool], rule: &Rule) -> Vec<Pass> {
    let stretches = stretches(known, rule);
    stretches.into_iter().flat_map(|stretch| Scheduler::new(known, rule, stretch).run()).collect()
}

struct Scheduler<'a> {
    known: &'a [bool],
    rule: &'a Rule,
    stretch: std::ops::Range<usize>,
    /// Made by a pass so far.
    made: BTreeSet<usize>,
    passes: Vec<Pass>,
}

impl<'a> Scheduler<'a> {
    fn new(known: &'a [bool], rule: &'a Rule, stretch: std::ops::Range<usize>) -> Self {
        Self { known, rule, stretch, made: BTreeSet::new(), passes: Vec::new() }
    }

    fn run(mut self) -> Vec<Pass> {
        let mut grid = BTreeSet::new();
        for spacing in spacings(self.stretch.len(), self.rule) {
            grid.extend(self.stretch.clone().step_by(spacing));
            grid.extend(self.stretch.clone().last());
            self.level(&grid.iter().copied().collect::<Vec<_>>(), spacing);
        }
        self.passes
    }

    /// Windows over the frames of `grid`.
    fn level(&mut self, grid: &[usize], spacing: usize) {
        let mut done = 0;
        while let Some(first) = (done..grid.len()).find(|&index| self.is_open(grid[index], spacing)) {
            let start = self.start_of_window(grid, first);
            let end = self.end_of_window(grid, start, first);
            self.window(&grid[start..end], &grid[first..end], spacing);
            done = end;
        }
    }

    /// Whether a frame is still to be made at this spacing. At the finest, guides are made anew.
    fn is_open(&self, frame: usize, spacing: usize) -> bool {
        !self.known[frame] && (spacing == 1 || !self.made.contains(&frame))
    }

    /// A window begins with the frames that lead to its first open one: all of them if everything fits
    /// or all are known, else as many as windows overlap.
    fn start_of_window(&self, grid: &[usize], first: usize) -> usize {
        let only_known = grid[..first].iter().all(|&frame| self.known[frame]);
        if grid.len() <= self.rule.most || (only_known && first <= self.rule.most / 2) {
            return 0;
        }
        first.saturating_sub(self.rule.overlap())
    }

    /// A window ends at the stretch's end, else on the last frame in it that is there, so that it does
    /// not run into the open.
    fn end_of_window(&self, grid: &[usize], start: usize, first: usize) -> usize {
        let furthest = (start + self.rule.most).min(grid.len());
        if furthest == grid.len() {
            return furthest;
        }
        let held = |&end: &usize| self.known[grid[end - 1]] || self.made.contains(&grid[end - 1]);
        (first + 1..=furthest).rev().find(held).unwrap_or(furthest)
    }

    /// One pass over `frames`, of which `new` are those from the first open one on.
    fn window(&mut self, frames: &[usize], new: &[usize], spacing: usize) {
        let parts = align(frames.iter().map(|&frame| self.part(frame)).collect(), self.rule);
        let open = |frame: &&usize| spacing == 1 && self.is_open(**frame, spacing);
        let delivers = new.iter().filter(open).copied().collect();
        self.made.extend(parts.iter().filter_map(|part| match part {
            Part::Make(frame) => Some(*frame),
            _ => None,
        }));
        self.passes.push(Pass { parts, spacing, delivers });
    }

    fn part(&self, frame: usize) -> Part {
        if self.known[frame] {
            Part::Known(frame)
        } else if self.made.contains(&frame) {
            Part::Guide(frame)
        } else {
            Part::Make(frame)
        }
    }
}

/// Spacings of the levels, coarse to fine, ending with 1. The first has at most one window of
/// frames; each later one is close enough that a window sees the next frame of the level before.
fn spacings(length: usize, rule: &Rule) -> Vec<usize> {
    if length <= rule.most {
        return vec![1];
    }
    let reach = rule.reach();
    let mut spacings = vec![(length - 1).div_ceil(rule.most - 1).max(COARSE.min(reach))];
    while let Some(&last) = spacings.last().filter(|last| **last > reach) {
        spacings.push(last.div_ceil(reach));
    }
    if spacings.last() != Some(&1) {
        spacings.push(1);
    }
    spacings
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Limits of Wan2.1-VACE-1.3B.
    pub(in crate::plan) fn wan_limits() -> Limits {
        Limits {
            size_multiple: 16,
            frame_multiple: 4,
            frame_offset: 1,
            min_frames: 5,
            max_frames: 81,
            max_pixels: 832 * 480,
            native_pixels: 832 * 480,
            min_side: 128,
            max_side: 1280,
        }
    }

    fn check(known: &[bool], rule: &Rule) -> Vec<Pass> {
        let passes = schedule(known, rule);
        let mut delivered = Vec::new();
        let mut made = BTreeSet::new();
        for pass in &passes {
            let length = pass.parts.len();
            assert!((rule.least..=rule.most).contains(&length), "{length} frames");
            assert_eq!((length - rule.offset) % rule.multiple, 0);
            let frames: Vec<_> = pass.parts.iter().filter_map(|part| part.frame()).collect();
            assert!(frames.windows(2).all(|pair| pair[0] < pair[1]), "in order");
            for part in &pass.parts {
                match *part {
                    Part::Known(frame) => assert!(known[frame]),
                    Part::Guide(frame) => assert!(made.contains(&frame), "{frame} guides before it is made"),
                    Part::Make(frame) => {
                        assert!(!known[frame] && !made.contains(&frame), "{frame} made twice")
                    }
                    Part::Surplus => {}
                }
            }
            made.extend(pass.parts.iter().filter_map(|part| match part {
                Part::Make(frame) => Some(*frame),
                _ => None,
            }));
            assert!(pass.delivers.iter().all(|frame| frames.contains(frame)));
            assert!((pass.spacing == 1) != pass.delivers.is_empty(), "only full-rate passes deliver");
            delivered.extend(pass.delivers.iter().copied());
        }
        let unknown: Vec<_> = (0..known.len()).filter(|&frame| !known[frame]).collect();
        assert_eq!(delivered, unknown, "every unknown frame once, in order");
        passes
    }

    fn job(before: usize, unknown: usize, after: usize) -> Vec<bool> {
        let mut known = vec![true; before];
        known.extend(vec![false; unknown]);
        known.extend(vec![true; after]);
        known
    }

    fn rule(most: usize) -> Rule {
        Rule { multiple: 4, offset: 1, least: 5, most, lead: usize::MAX, alone: 0 }
    }

    #[test]
    fn every_length_from_1_to_64_is_made_exactly_for_every_job_and_limit() {
        for most in [5, 9, 17, 33, 81] {
            for unknown in 1..=64 {
                for (before, after) in [(8, 8), (8, 0), (0, 8), (0, 0), (1, 1)] {
                    check(&job(before, unknown, after), &rule(most));
                }
            }
        }
    }

    #[test]
    fn what_fits_is_one_pass_and_the_rule_is_met_by_surplus() {
        let passes = check(&job(5, 6, 4), &rule(81));
        assert_eq!(passes.len(), 1);
        assert_eq!(passes[0].parts.len(), 17);
        assert_eq!(passes[0].parts[14..], [Part::Known(14), Part::Surplus, Part::Surplus]);
    }

    #[test]
    fn a_long_fill_sees_its_far_end_first() {
        let passes = check(&job(8, 300, 8), &rule(81));
        let coarse = &passes[0];
        assert!(coarse.spacing > 1);
        assert_eq!(coarse.parts[0], Part::Known(0));
        assert!(coarse.parts.contains(&Part::Known(315)), "the far end: {coarse:?}");
        for window in &passes[1..] {
            let last_made = window.parts.iter().rposition(|part| matches!(part, Part::Make(_))).unwrap();
            let ahead = &window.parts[last_made..];
            assert!(
                ahead.iter().any(|part| matches!(part, Part::Guide(_) | Part::Known(_))),
                "held ahead: {window:?}"
            );
        }
    }

    #[test]
    fn all_context_that_fits_is_used() {
        let passes = check(&job(5, 8, 4), &rule(17));
        assert_eq!((passes.len(), passes[0].parts.len(), passes[0].parts[0]), (1, 17, Part::Known(0)));
    }

    #[test]
    fn a_rule_that_allows_nothing_is_refused() {
        assert_eq!(Rule::of(&wan_limits()).unwrap(), rule(81));
        assert_eq!(Rule::of(&Limits { max_frames: 84, ..wan_limits() }).unwrap(), rule(81));
        assert!(Rule::of(&Limits { max_frames: 4, ..wan_limits() }).is_err());
        assert!(Rule::of(&Limits { max_frames: 0, min_frames: 0, ..wan_limits() }).is_err());
    }

    proptest! {
        #[test]
        fn any_canvas_is_covered(
            known in prop::collection::vec(prop::bool::weighted(0.4), 1..400),
            blocks in 1usize..6,
            multiple in 1usize..9,
            offset in 0usize..2,
        ) {
            let known: Vec<bool> = known.iter().flat_map(|&known| std::iter::repeat_n(known, blocks)).collect();
            let most = multiple * (24 / multiple).max(4) + offset;
            let rule = Rule { multiple, offset, least: multiple + offset, most, lead: usize::MAX, alone: 0 };
            if known.contains(&false) {
                check(&known, &rule);
            }
        }

        #[test]
        fn in_a_long_job_every_gap_between_guides_is_within_sight(unknown in 82usize..4000, most in 3usize..20) {
            let rule = rule(4 * most + 1);
            let passes = check(&job(8, unknown, 8), &rule);
            for pass in passes.iter().filter(|pass| pass.spacing == 1) {
                let held = pass.parts.iter().filter(|part| matches!(part, Part::Guide(_) | Part::Known(_))).count();
                prop_assert!(held >= 2, "a window hangs in the air: {:?}", pass);
            }
        }
    }
}
