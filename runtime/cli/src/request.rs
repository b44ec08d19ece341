//! From what was typed to a request.
//!
//! The plugin builds the same request of the same frames and settings, so that both name the same
//! take: plates through `pickup_takes`'s conversions, the canvas in the timeline's order, and `None`
//! for everything the user did not set.

use pickup_core::{Cancel, Canvas, Error, Job, PlateId, Request, Result, Slot};
use pickup_takes::{Placement, PlateBuffer, Region, Store};

use crate::args::{Direction, InnerArgs, JobCommand, JobOptions, RegionArgs};
use crate::picture;
use crate::sequence::{End, gather};

/// The request of a job; its plates are in the store.
///
/// # Errors
/// Of kind usage or input, with what was expected and what came; of kind cancelled.
pub(crate) fn build(job: &JobCommand, store: &Store, cancel: &Cancel) -> Result<Request> {
    check_frames(job.options().frames)?;
    let (canvas, mut plates) = canvas(job, cancel)?;
    let mut request = Request::new(canvas);
    request.job = match job {
        JobCommand::Retake { .. } => Job::Retake,
        JobCommand::Loop { .. } => Job::Loop,
        JobCommand::Outpaint { .. } => Job::Outpaint,
        JobCommand::Remove { .. } => Job::Remove,
        JobCommand::Generate { .. } | JobCommand::Fill { .. } | JobCommand::Extend { .. } => request.job,
    };
    // Before references are read: what makes no sense is told first.
    settle(&mut request, job.options());
    request.check()?;
    for path in &job.options().reference {
        let reference = picture::read(path).map_err(|error| error.within("reference"))?;
        request.references.push(reference.image().id()?);
        plates.push(reference);
    }
    // Only now is everything known to be good, and only now something is written.
    for plate in &plates {
        cancel.check()?;
        store.put_plate(&plate.image())?;
    }
    Ok(request)
}

fn settle(request: &mut Request, options: &JobOptions) {
    request.prompt.clone_from(&options.prompt);
    request.negative_prompt = options.negative.clone().filter(|negative| !negative.trim().is_empty());
    if let Some(model) = &options.model {
        request.model.clone_from(model);
    }
    request.settings = options.how.settings(options.seed);
}

/// Before anything of that length is made.
fn check_frames(frames: u32) -> Result<()> {
    if (1..=Canvas::MAX_FRAMES).contains(&(frames as usize)) {
        return Ok(());
    }
    Err(Error::usage(format!("expected 1 to {} frames, got {frames}.", Canvas::MAX_FRAMES))
        .hint("Set --frames to the length of the gap or the extension."))
}

/// The canvas of a job, and its known frames.
fn canvas(job: &JobCommand, cancel: &Cancel) -> Result<(Canvas, Vec<PlateBuffer>)> {
    let options = job.options();
    let around = |size, before: Vec<PlateBuffer>, after: Vec<PlateBuffer>| {
        let canvas = Canvas::around(size, options.fps, ids(&before)?, options.frames as usize, ids(&after)?);
        Ok((canvas, before.into_iter().chain(after).collect()))
    };
    match job {
        JobCommand::Generate { size, .. } => around(*size, Vec::new(), Vec::new()),
        JobCommand::Fill { before, after, context, .. } => {
            let before = gather(before, End::Last(usize::from(*context)), cancel)?;
            let after = gather(after, End::First(usize::from(*context)), cancel)?;
            before.check_same_size(&after)?;
            around(before.size, before.frames, after.frames)
        }
        JobCommand::Extend { clip, direction: Direction::After, context, .. } => {
            let clip = gather(clip, End::Last(usize::from(*context)), cancel)?;
            around(clip.size, clip.frames, Vec::new())
        }
        JobCommand::Extend { clip, direction: Direction::Before, context, .. } => {
            let clip = gather(clip, End::First(usize::from(*context)), cancel)?;
            around(clip.size, Vec::new(), clip.frames)
        }
        JobCommand::Retake { inner, context, .. } => {
            let Inner { size, before, after, .. } = Inner::gather(inner, *context, options, cancel)?;
            if before.is_empty() || after.is_empty() {
                return Err(Error::usage(
                    "expected frames of the shot before and after the retake, got none.",
                )
                .hint("Set --first to 1 or more, and --frames so that the shot goes on behind."));
            }
            around(size, before, after)
        }
        JobCommand::Loop { clip, context, .. } => {
            let end = gather(clip, End::Last(usize::from(*context)), cancel)?;
            let beginning = gather(clip, End::First(usize::from(*context)), cancel)?;
            end.check_same_size(&beginning)?;
            around(end.size, end.frames, beginning.frames)
        }
        JobCommand::Outpaint { inner, size, scale, offset: [x, y], .. } => {
            let place = Placement { scale: scale / 100.0, x: x / 100.0, y: y / 100.0 };
            let inner = Inner::gather(inner, 0, options, cancel)?;
            let size = size.unwrap_or(inner.size);
            let parts = inner.within.iter().map(|frame| frame.placed(size, place)).collect::<Result<_>>()?;
            partial(size, options, Inner { within: parts, ..inner })
        }
        JobCommand::Remove { inner, region, context, .. } => {
            let masks = masks(inner, region, options, cancel)?;
            let inner = Inner::gather(inner, *context, options, cancel)?;
            let without = |(index, frame): (usize, &PlateBuffer)| match (&masks, region.region) {
                (Some(masks), _) => frame.without_masked(&masks[index]),
                (None, Some([left, top, width, height])) => {
                    let [left, top, width, height] = [left, top, width, height].map(|side| side / 100.0);
                    frame.without(Region { left, top, width, height })
                }
                (None, None) => Err(Error::usage("expected --region or --mask, got neither.")
                    .hint("Say which part should go.")),
            };
            let parts = inner.within.iter().enumerate().map(without).collect::<Result<_>>()?;
            partial(inner.size, options, Inner { within: parts, ..inner })
        }
    }
}

/// Frames inside of a shot, and those around them.
struct Inner {
    size: (u32, u32),
    before: Vec<PlateBuffer>,
    within: Vec<PlateBuffer>,
    after: Vec<PlateBuffer>,
}

impl Inner {
    fn gather(inner: &InnerArgs, context: u16, options: &JobOptions, cancel: &Cancel) -> Result<Self> {
        let (first, frames) = (inner.first as usize, options.frames as usize);
        let before = first.min(usize::from(context));
        let wanted = End::Within { skip: first - before, count: before + frames + usize::from(context) };
        let mut shot = gather(&inner.clip, wanted, cancel)?;
        if shot.frames.len() < before + frames {
            return Err(Error::input(format!(
                "expected {frames} frames of {} from {first} on, got {}.",
                inner.clip,
                shot.frames.len().saturating_sub(before)
            ))
            .hint("Set --first and --frames to frames that the shot has."));
        }
        let mut within = shot.frames.split_off(before);
        let after = within.split_off(frames);
        Ok(Self { size: shot.size, before: shot.frames, within, after })
    }
}

/// The masks of the frames to work on, if there are masks.
fn masks(
    inner: &InnerArgs,
    region: &RegionArgs,
    options: &JobOptions,
    cancel: &Cancel,
) -> Result<Option<Vec<PlateBuffer>>> {
    let Some(clip) = region.mask.clone() else { return Ok(None) };
    let inner = InnerArgs { clip, first: inner.first };
    Ok(Some(Inner::gather(&inner, 0, options, cancel)?.within))
}

/// A canvas of frames of which a part is known, between whole ones.
fn partial(size: (u32, u32), options: &JobOptions, inner: Inner) -> Result<(Canvas, Vec<PlateBuffer>)> {
    let known = |frames: &[PlateBuffer]| -> Result<Vec<Slot>> {
        Ok(ids(frames)?.into_iter().map(Slot::Known).collect())
    };
    let mut canvas = Canvas::around(size, options.fps, [], 0, []);
    canvas.slots = known(&inner.before)?;
    canvas.slots.extend(ids(&inner.within)?.into_iter().map(Slot::Partial));
    canvas.slots.extend(known(&inner.after)?);
    let plates = [inner.before, inner.within, inner.after].into_iter().flatten().collect();
    Ok((canvas, plates))
}

fn ids(frames: &[PlateBuffer]) -> Result<Vec<PlateId>> {
    frames.iter().map(|frame| frame.image().id()).collect()
}
