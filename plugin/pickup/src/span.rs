//! Which frames are made, and which they continue from: the user's wish and what the footage shows.
//!
//! Nothing here knows a host; footage is whatever answers [`Footage::look`].

use pickup_core::{Canvas, Error, Job, Result};
use serde::Serialize;

use crate::footage::{Footage, FrameSpan, Look, Side};
use crate::gap::{Border, Hole, holes};

/// How far from the current frame a gap is looked for, and how long it may be, in frames.
pub const REACH: i64 = 480;

/// What the user chose as the job, in the order of the choice's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum JobChoice {
    /// Whatever the footage calls for.
    Auto,
    /// The frames between two stretches of picture.
    Fill,
    /// The frames after a shot.
    ExtendAfter,
    /// The frames before a shot.
    ExtendBefore,
    /// Frames from text and references alone.
    Generate,
    /// Frames inside of a shot, made anew.
    Retake,
    /// Frames that lead from a shot's end to its beginning.
    Loop,
    /// What lies around a picture that is made smaller or moved.
    Outpaint,
    /// What lies behind a region.
    Remove,
}

impl JobChoice {
    /// Every choice, by its index.
    pub const ALL: [Self; 9] = [
        Self::Auto,
        Self::Fill,
        Self::ExtendAfter,
        Self::ExtendBefore,
        Self::Generate,
        Self::Retake,
        Self::Loop,
        Self::Outpaint,
        Self::Remove,
    ];

    /// The choice of an option's index; Auto for one that does not exist.
    #[must_use]
    pub fn from_index(index: i32) -> Self {
        usize::try_from(index).ok().and_then(|index| Self::ALL.get(index).copied()).unwrap_or(Self::Auto)
    }

    /// Whether parts of frames are made, of frames that have a picture.
    #[must_use]
    pub fn is_partial(self) -> bool {
        matches!(self, Self::Outpaint | Self::Remove)
    }

    /// Whether frames far from the span are looked at: each frame of a clip, or the beginning of its shot.
    #[must_use]
    pub fn looks_far(self) -> bool {
        self.is_partial() || self == Self::Loop
    }

    /// Which sides of the span are continued from.
    fn sides(self) -> (bool, bool) {
        match self {
            Self::Auto | Self::Fill | Self::Retake | Self::Loop | Self::Remove => (true, true),
            Self::ExtendAfter => (true, false),
            Self::ExtendBefore => (false, true),
            Self::Generate | Self::Outpaint => (false, false),
        }
    }
}

/// What the user asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The job.
    pub job: JobChoice,
    /// The frames to make, if the user set them. They always win.
    pub span: Option<FrameSpan>,
    /// How many frames to continue from on each side, at most.
    pub context: usize,
}

/// What will be made, and from which frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it amounts to.
    pub job: Job,
    /// The frames to make.
    pub span: FrameSpan,
    /// The known frames before, in order.
    pub before: Vec<i64>,
    /// The known frames after, in order.
    pub after: Vec<i64>,
}

impl Plan {
    /// On which side the known frames after lie: a loop leads back to the shot before.
    #[must_use]
    pub fn side_of_after(&self) -> Side {
        if self.job == Job::Loop { Side::Before } else { Side::After }
    }

    /// Whether the frames to make have a picture of which a part stays.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        matches!(self.job, Job::Outpaint | Job::Remove)
    }
}

/// Settles what is made, looking at the footage around frame `now` where the wish leaves it open.
///
/// # Errors
/// Of kind usage, if what was asked for does not fit the footage; says what to set.
pub fn settle(wish: &Wish, footage: &mut dyn Footage, now: i64) -> Result<Plan> {
    let span = match wish.span.or_else(|| footage.between().filter(|_| !wish.job.is_partial())) {
        Some(span) => span,
        None => find_span(wish.job, footage, now)?,
    };
    check(span)?;
    let sides = wish.job.sides();
    let mut before = Vec::new();
    if sides.0 {
        let from = footage.edge(Side::Before, span.first - 1);
        before = stretch(footage, Side::Before, from, -1, wish)?;
        before.reverse();
    }
    let after = match (wish.job, sides.1) {
        (JobChoice::Loop, _) => beginning(footage, &before, wish)?,
        (_, true) => {
            let from = footage.edge(Side::After, span.last + 1);
            stretch(footage, Side::After, from, 1, wish)?
        }
        _ => Vec::new(),
    };
    let job = name(wish.job, span, !before.is_empty(), !after.is_empty())?;
    Ok(Plan { job, span, before, after })
}

fn check(span: FrameSpan) -> Result<()> {
    if span.count() < 1 {
        return Err(Error::usage(format!(
            "the span ends at {} before it starts at {}.",
            span.last, span.first
        ))
        .hint("Set Span end to Span start or later."));
    }
    if span.count() > Canvas::MAX_FRAMES as i64 {
        return Err(Error::usage(format!(
            "expected at most {} frames, got {}.",
            Canvas::MAX_FRAMES,
            span.count()
        ))
        .hint("Split the job into shorter spans."));
    }
    Ok(())
}

fn name(choice: JobChoice, span: FrameSpan, before: bool, after: bool) -> Result<Job> {
    let lacking = |side: &str| {
        Error::usage(format!("there is no picture right {side} {span} to continue from."))
            .hint("Set Span start and Span end to the missing frames, next to the picture.")
    };
    match (choice, before, after) {
        (JobChoice::Generate, ..) => Ok(Job::Generate),
        (JobChoice::Outpaint, ..) => Ok(Job::Outpaint),
        (JobChoice::Remove, ..) => Ok(Job::Remove),
        (JobChoice::Retake, true, true) => Ok(Job::Retake),
        (JobChoice::Loop, true, true) => Ok(Job::Loop),
        (_, true, true) => Ok(Job::Fill),
        (JobChoice::Auto | JobChoice::ExtendAfter, true, false) => Ok(Job::ExtendAfter),
        (JobChoice::Auto | JobChoice::ExtendBefore, false, true) => Ok(Job::ExtendBefore),
        (JobChoice::Auto, false, false) => Err(lacking("before or after")
            .hint("Set Span start and Span end next to a picture, or Job to Generate.")),
        (JobChoice::Fill | JobChoice::ExtendAfter | JobChoice::Retake | JobChoice::Loop, false, _) => {
            Err(lacking("before"))
        }
        (JobChoice::Fill | JobChoice::ExtendBefore | JobChoice::Retake | JobChoice::Loop, _, false) => {
            Err(lacking("after"))
        }
    }
}

/// The frames from `from` on, in the direction of `step`, at most as many as wished, until one shows nothing.
fn stretch(footage: &mut dyn Footage, side: Side, from: i64, step: i64, wish: &Wish) -> Result<Vec<i64>> {
    let mut frames = Vec::new();
    let mut frame = from;
    while frames.len() < wish.context && shows(footage, side, frame, wish.job)? {
        frames.push(frame);
        frame += step;
    }
    Ok(frames)
}

/// A frame of one colour may be the gap itself (a colour clip), so only a job that the user named takes it for
/// picture.
fn shows(footage: &mut dyn Footage, side: Side, frame: i64, job: JobChoice) -> Result<bool> {
    if footage.range(side).is_some_and(|range| !range.contains(frame)) {
        return Ok(false);
    }
    Ok(match footage.look(side, frame)? {
        Look::Picture => true,
        Look::Constant(_) => job != JobChoice::Auto,
        Look::Missing | Look::Transparent => false,
    })
}

/// The first frames of the shot that ends with `before`: where it begins by its range, else by looking.
fn beginning(footage: &mut dyn Footage, before: &[i64], wish: &Wish) -> Result<Vec<i64>> {
    let Some(last) = before.last() else { return Ok(Vec::new()) };
    let first = match footage.range(Side::Before) {
        Some(range) => range.first,
        None => last - REACH,
    };
    let mut start = *last;
    while start > first && shows(footage, Side::Before, start - 1, wish.job)? {
        start -= 1;
    }
    let end = (start + wish.context as i64 - 1).min(*last);
    Ok((start..=end).collect())
}

fn find_span(job: JobChoice, footage: &mut dyn Footage, now: i64) -> Result<FrameSpan> {
    match job {
        JobChoice::Retake => Err(Error::usage("no frames are named that should be made anew.")
            .hint("Set Span start and Span end to them.")),
        JobChoice::Outpaint | JobChoice::Remove => whole_clip(footage),
        _ => find_hole(job, footage, now),
    }
}

/// The frames of the clip, as far as it has pictures by its range.
fn whole_clip(footage: &dyn Footage) -> Result<FrameSpan> {
    footage.range(Side::Within).filter(|range| range.count() > 0).ok_or_else(|| {
        Error::usage("the host does not say which frames the clip has.")
            .hint("Set Span start and Span end to the frames that should be worked on.")
    })
}

fn find_hole(job: JobChoice, footage: &mut dyn Footage, now: i64) -> Result<FrameSpan> {
    let is_open = |end: Border, other: Border| end == Border::Cut && other == Border::Nothing;
    let wanted = |hole: &&Hole| match job {
        JobChoice::Auto => {
            hole.is_gap() || is_open(hole.before, hole.after) || is_open(hole.after, hole.before)
        }
        JobChoice::ExtendAfter | JobChoice::Loop => is_open(hole.before, hole.after),
        JobChoice::ExtendBefore => is_open(hole.after, hole.before),
        JobChoice::Generate => true,
        _ => hole.is_gap(),
    };
    let holes = holes_around(footage, now)?;
    // A gap between pictures is worth more than an open end, a near one more than a far one.
    let best = holes.iter().filter(wanted).min_by_key(|hole| (!hole.is_gap(), distance(hole.span, now)));
    best.map(|hole| hole.span).ok_or_else(|| {
        Error::usage(format!("no missing frames were found within {REACH} frames of frame {now}."))
            .hint("Set Span start and Span end to the frames that should be made.")
    })
}

/// The gap between two stretches of picture that lies nearest to frame `now`.
///
/// # Errors
/// Of kind usage if there is none within reach.
pub fn find_gap(footage: &mut dyn Footage, now: i64) -> Result<FrameSpan> {
    footage.between().map_or_else(|| find_hole(JobChoice::Fill, footage, now), Ok)
}

fn distance(span: FrameSpan, now: i64) -> u64 {
    if span.contains(now) { 0 } else { span.first.abs_diff(now).min(span.last.abs_diff(now)) }
}

/// The empty runs within reach of a frame, in order.
fn holes_around(footage: &mut dyn Footage, now: i64) -> Result<Vec<Hole>> {
    let reach = FrameSpan { first: now - REACH, last: now + REACH };
    let range = footage.range(Side::Within);
    let whole = range.unwrap_or(reach);
    let window = FrameSpan { first: reach.first.max(whole.first), last: reach.last.min(whole.last) };
    let mut holes = holes(footage, window)?;
    // Without a range nobody knows where the clip ends: what is empty up to the edge of reach is no span.
    holes.retain(|hole| range.is_some() || (hole.before != Border::Nothing && hole.after != Border::Nothing));
    Ok(holes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footage::{Colour, Sketch};
    use proptest::prelude::*;

    /// One letter per frame: P picture, C constant, T transparent, anything else missing.
    struct Strip {
        frames: &'static str,
        start: i64,
        ranged: bool,
    }

    impl Footage for Strip {
        fn look(&mut self, _side: Side, frame: i64) -> Result<Look> {
            let index = usize::try_from(frame - self.start).ok();
            Ok(match index.and_then(|index| self.frames.as_bytes().get(index)) {
                Some(b'P') => Look::Picture,
                Some(b'C') => Look::Constant(Colour::default()),
                Some(b'T') => Look::Transparent,
                _ => Look::Missing,
            })
        }

        fn sketch(&mut self, _side: Side, _frame: i64) -> Result<Sketch> {
            Ok(Sketch(vec![[0.2, 0.4, 0.6, 1.0]; 9]))
        }

        fn range(&self, _side: Side) -> Option<FrameSpan> {
            let last = self.start + self.frames.len() as i64 - 1;
            self.ranged.then_some(FrameSpan { first: self.start, last })
        }
    }

    fn plan(frames: &'static str, job: JobChoice, span: Option<(i64, i64)>, now: i64) -> Result<Plan> {
        let span = span.map(|(first, last)| FrameSpan { first, last });
        settle(&Wish { job, span, context: 3 }, &mut Strip { frames, start: 0, ranged: true }, now)
    }

    fn summary(plan: Result<Plan>) -> (Job, i64, i64, Vec<i64>, Vec<i64>) {
        let plan = plan.unwrap();
        (plan.job, plan.span.first, plan.span.last, plan.before, plan.after)
    }

    #[test]
    fn auto_fills_what_is_missing_transparent_or_constant_between_pictures() {
        for gap in ["PPPP....PP", "PPPPTTTTPP", "PPPPCCCCPP", "PPPPC.TCPP"] {
            let found = summary(plan(gap, JobChoice::Auto, None, 0));
            assert_eq!(found, (Job::Fill, 4, 7, vec![1, 2, 3], vec![8, 9]), "{gap}");
        }
    }

    #[test]
    fn the_gap_at_the_current_frame_comes_first_and_a_closed_one_before_an_open_end() {
        let frames = "..PP.PP..PP...";
        assert_eq!(plan(frames, JobChoice::Auto, None, 8).unwrap().span, FrameSpan { first: 7, last: 8 });
        assert_eq!(plan(frames, JobChoice::Auto, None, 0).unwrap().span, FrameSpan { first: 4, last: 4 });
        assert_eq!(
            summary(plan(frames, JobChoice::ExtendAfter, None, 0)),
            (Job::ExtendAfter, 11, 13, vec![9, 10], vec![])
        );
        assert_eq!(
            summary(plan(frames, JobChoice::ExtendBefore, None, 9)),
            (Job::ExtendBefore, 0, 1, vec![], vec![2, 3])
        );
    }

    #[test]
    fn the_user_s_numbers_always_win() {
        let frames = "PPPPPPPPPP";
        assert_eq!(
            summary(plan(frames, JobChoice::Auto, Some((4, 5)), 0)),
            (Job::Fill, 4, 5, vec![1, 2, 3], vec![6, 7, 8])
        );
        assert_eq!(summary(plan(frames, JobChoice::ExtendAfter, Some((4, 20)), 0)).3, vec![1, 2, 3]);
        assert_eq!(
            summary(plan(frames, JobChoice::Auto, Some((10, 14)), 0)),
            (Job::ExtendAfter, 10, 14, vec![7, 8, 9], vec![])
        );
        assert_eq!(
            summary(plan("", JobChoice::Generate, Some((-3, 3)), 0)),
            (Job::Generate, -3, 3, vec![], vec![])
        );
    }

    #[test]
    fn a_named_job_takes_a_plain_colour_for_picture_and_auto_does_not() {
        assert_eq!(plan("CC..CC", JobChoice::Fill, Some((2, 3)), 0).unwrap().job, Job::Fill);
        assert!(plan("CC..CC", JobChoice::Auto, Some((2, 3)), 0).is_err());
        assert_eq!(plan("PPCCCC", JobChoice::Auto, Some((2, 3)), 0).unwrap().job, Job::ExtendAfter);
    }

    #[test]
    fn what_cannot_be_done_says_what_to_set() {
        for (frames, job, span) in [
            ("PPPP", JobChoice::Auto, None),
            ("PPPP", JobChoice::Fill, Some((3, 2))),
            ("PP..", JobChoice::Fill, Some((2, 3))),
            ("..PP", JobChoice::ExtendAfter, Some((0, 1))),
            ("....", JobChoice::Auto, Some((1, 2))),
            ("PPPP", JobChoice::ExtendAfter, Some((4, 90_000))),
        ] {
            let error = plan(frames, job, span, 0).unwrap_err();
            assert_eq!(error.kind, pickup_core::ErrorKind::Usage);
            assert!(!error.hint.is_empty(), "{error}");
        }
    }

    #[test]
    fn a_retake_needs_its_frames_named_and_a_picture_on_both_sides() {
        assert_eq!(
            summary(plan("PPPPPPPPPP", JobChoice::Retake, Some((4, 5)), 0)),
            (Job::Retake, 4, 5, vec![1, 2, 3], vec![6, 7, 8])
        );
        assert!(plan("PPPPPPPPPP", JobChoice::Retake, None, 0).is_err());
        assert!(plan("PPPPPPPPPP", JobChoice::Retake, Some((8, 9)), 0).is_err());
    }

    #[test]
    fn a_loop_leads_from_the_end_to_the_beginning() {
        let found = plan("..PPPPPPP...", JobChoice::Loop, None, 4).unwrap();
        assert_eq!(found.side_of_after(), Side::Before);
        assert_eq!(summary(Ok(found)), (Job::Loop, 9, 11, vec![6, 7, 8], vec![2, 3, 4]));
        let short = summary(plan("PP....", JobChoice::Loop, Some((2, 4)), 0));
        assert_eq!(short, (Job::Loop, 2, 4, vec![0, 1], vec![0, 1]));
        assert!(plan("......", JobChoice::Loop, Some((2, 4)), 0).is_err());
    }

    #[test]
    fn parts_of_frames_are_made_in_the_whole_clip_unless_frames_are_named() {
        let all = plan("PPPPPP", JobChoice::Outpaint, None, 0).unwrap();
        assert!(all.is_partial());
        assert_eq!(summary(Ok(all)), (Job::Outpaint, 0, 5, vec![], vec![]));
        assert_eq!(
            summary(plan("PPPPPP", JobChoice::Remove, Some((2, 3)), 0)),
            (Job::Remove, 2, 3, vec![0, 1], vec![4, 5])
        );
        let mut endless = Strip { frames: "PPPP", start: 0, ranged: false };
        let wish = Wish { job: JobChoice::Outpaint, span: None, context: 3 };
        assert!(settle(&wish, &mut endless, 0).is_err());
    }

    #[test]
    fn a_gap_is_proposed_and_an_open_end_is_not() {
        let find = |frames: &'static str| find_gap(&mut Strip { frames, start: 0, ranged: true }, 0);
        assert_eq!(find("PPP..PPP..").unwrap(), FrameSpan { first: 3, last: 4 });
        assert!(find("..PPPP...").is_err());
    }

    #[test]
    fn without_a_range_an_open_end_is_no_span() {
        let mut strip = Strip { frames: "PP..PP", start: 100, ranged: false };
        let wish = Wish { job: JobChoice::Auto, span: None, context: 8 };
        assert_eq!(settle(&wish, &mut strip, 100).unwrap().span, FrameSpan { first: 102, last: 103 });
        strip.frames = "PPPP";
        assert!(settle(&wish, &mut strip, 100).is_err());
    }

    proptest! {
        /// Whatever the footage: the parts touch each other, are in order, and known frames show something.
        #[test]
        fn a_plan_is_one_run_of_frames(frames in "[PCT.]{0,40}", now in -5i64..45, context in 1usize..9, job in 0i32..5) {
            let frames: &'static str = Box::leak(frames.into_boxed_str());
            let mut strip = Strip { frames, start: 0, ranged: true };
            let wish = Wish { job: JobChoice::from_index(job), span: None, context };
            if let Ok(plan) = settle(&wish, &mut strip, now) {
                let all: Vec<i64> = plan.before.iter().copied().chain(plan.span.first..=plan.span.last)
                    .chain(plan.after.iter().copied()).collect();
                prop_assert!(all.windows(2).all(|pair| pair[0] + 1 == pair[1]));
                prop_assert!(plan.before.len() <= context && plan.after.len() <= context);
                for frame in plan.before.iter().chain(&plan.after) {
                    prop_assert!(matches!(strip.look(Side::Before, *frame).unwrap(), Look::Picture | Look::Constant(_)));
                }
                for frame in plan.span.first..=plan.span.last {
                    prop_assert_ne!(strip.look(Side::Within, frame).unwrap(), Look::Picture);
                }
            }
        }
    }
}
