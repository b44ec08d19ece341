//! Which frames are made, and which they continue from: the user's wish and what the footage shows.
//!
//! Nothing here knows a host; footage is whatever answers [`Footage::look`].

use pickup_core::{Canvas, Error, Job, Result};
use serde::{Deserialize, Serialize};

/// How far from the current frame a gap is looked for, and how long it may be, in frames.
pub const REACH: i64 = 480;

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

/// What the user chose as the job.
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
}

impl JobChoice {
    /// The options shown, in order.
    pub const LABELS: &'static [&'static str] =
        &["Auto", "Fill gap", "Extend after", "Extend before", "Generate"];

    /// The choice of an option's index; Auto for one that does not exist.
    #[must_use]
    pub fn from_index(index: i32) -> Self {
        match index {
            1 => Self::Fill,
            2 => Self::ExtendAfter,
            3 => Self::ExtendBefore,
            4 => Self::Generate,
            _ => Self::Auto,
        }
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
    Constant,
    /// A picture.
    Picture,
}

/// Frames that can be looked at.
pub trait Footage {
    /// What a frame shows.
    ///
    /// # Errors
    /// If the host fails to say.
    fn look(&mut self, frame: i64) -> Result<Look>;

    /// First and last frame that may have pictures, where known.
    fn range(&self) -> Option<FrameSpan>;
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

/// Settles what is made, looking at the footage around frame `now` where the wish leaves it open.
///
/// # Errors
/// Of kind usage, if what was asked for does not fit the footage; says what to set.
pub fn settle(wish: &Wish, footage: &mut dyn Footage, now: i64) -> Result<Plan> {
    let span = match wish.span {
        Some(span) => span,
        None => find_span(wish.job, footage, now)?,
    };
    check(span)?;
    let auto = wish.job == JobChoice::Auto;
    let sides = match wish.job {
        JobChoice::Auto | JobChoice::Fill => (true, true),
        JobChoice::ExtendAfter => (true, false),
        JobChoice::ExtendBefore => (false, true),
        JobChoice::Generate => (false, false),
    };
    let known = |wanted: bool, footage: &mut dyn Footage, edge: i64, step: i64| {
        if wanted { neighbours(footage, edge, step, wish.context, auto) } else { Ok(Vec::new()) }
    };
    let mut before = known(sides.0, footage, span.first, -1)?;
    before.reverse();
    let after = known(sides.1, footage, span.last, 1)?;
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
        (_, true, true) => Ok(Job::Fill),
        (JobChoice::Auto | JobChoice::ExtendAfter, true, false) => Ok(Job::ExtendAfter),
        (JobChoice::Auto | JobChoice::ExtendBefore, false, true) => Ok(Job::ExtendBefore),
        (JobChoice::Auto, false, false) => Err(lacking("before or after")
            .hint("Set Span start and Span end next to a picture, or Job to Generate.")),
        (JobChoice::Fill | JobChoice::ExtendAfter, false, _) => Err(lacking("before")),
        (JobChoice::Fill | JobChoice::ExtendBefore, _, false) => Err(lacking("after")),
    }
}

/// The frames next to `edge` that show something, nearest first, at most `count`, until one does not.
fn neighbours(footage: &mut dyn Footage, edge: i64, step: i64, count: usize, auto: bool) -> Result<Vec<i64>> {
    let mut frames = Vec::new();
    let mut frame = edge + step;
    while frames.len() < count && inside(footage, frame) && shows(footage.look(frame)?, auto) {
        frames.push(frame);
        frame += step;
    }
    Ok(frames)
}

/// A frame of one colour may be the gap itself (a colour clip), so only a job that the user named takes it for
/// picture.
fn shows(look: Look, auto: bool) -> bool {
    look == Look::Picture || (look == Look::Constant && !auto)
}

fn inside(footage: &dyn Footage, frame: i64) -> bool {
    footage.range().is_none_or(|range| range.index(frame).is_some())
}

fn find_span(job: JobChoice, footage: &mut dyn Footage, now: i64) -> Result<FrameSpan> {
    let wanted = |hole: &Hole| match job {
        JobChoice::Auto => hole.before || hole.after,
        JobChoice::Fill => hole.before && hole.after,
        JobChoice::ExtendAfter => hole.before && !hole.after,
        JobChoice::ExtendBefore => !hole.before && hole.after,
        JobChoice::Generate => true,
    };
    let holes = holes(footage, now)?;
    // A gap between pictures is worth more than an open end, a near one more than a far one.
    let best = holes.iter().filter(|hole| wanted(hole)).min_by_key(|hole| {
        let open = !(hole.before && hole.after);
        (open, hole.span.first.abs_diff(now).min(hole.span.last.abs_diff(now)))
    });
    best.map(|hole| hole.span).ok_or_else(|| {
        Error::usage(format!("no missing frames were found within {REACH} frames of frame {now}."))
            .hint("Set Span start and Span end to the frames that should be made.")
    })
}

/// A run of frames without picture, and whether there is picture at its ends.
struct Hole {
    span: FrameSpan,
    before: bool,
    after: bool,
}

/// The holes within reach of a frame, in order.
fn holes(footage: &mut dyn Footage, now: i64) -> Result<Vec<Hole>> {
    let reach = FrameSpan { first: now - REACH, last: now + REACH };
    let range = footage.range().unwrap_or(reach);
    let window = FrameSpan { first: reach.first.max(range.first), last: reach.last.min(range.last) };
    let mut holes: Vec<Hole> = Vec::new();
    let mut previous_is_picture = false;
    for frame in window.first..=window.last {
        let picture = shows(footage.look(frame)?, true);
        match holes.last_mut() {
            Some(hole) if !picture && hole.span.last + 1 == frame => hole.span.last = frame,
            _ if !picture => holes.push(Hole {
                span: FrameSpan { first: frame, last: frame },
                before: previous_is_picture,
                after: false,
            }),
            Some(hole) if hole.span.last + 1 == frame => hole.after = true,
            _ => {}
        }
        previous_is_picture = picture;
    }
    // Without a range nobody knows where the clip ends: what is empty up to the edge of reach is no span.
    holes.retain(|hole| footage.range().is_some() || (hole.before && hole.after));
    Ok(holes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One letter per frame: P picture, C constant, T transparent, anything else missing.
    struct Strip {
        frames: &'static str,
        start: i64,
        ranged: bool,
    }

    impl Footage for Strip {
        fn look(&mut self, frame: i64) -> Result<Look> {
            let index = usize::try_from(frame - self.start).ok();
            Ok(match index.and_then(|index| self.frames.as_bytes().get(index)) {
                Some(b'P') => Look::Picture,
                Some(b'C') => Look::Constant,
                Some(b'T') => Look::Transparent,
                _ => Look::Missing,
            })
        }

        fn range(&self) -> Option<FrameSpan> {
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
                    prop_assert!(matches!(strip.look(*frame).unwrap(), Look::Picture | Look::Constant));
                }
                for frame in plan.span.first..=plan.span.last {
                    prop_assert_ne!(strip.look(frame).unwrap(), Look::Picture);
                }
            }
        }
    }
}
