//! From what was typed to a request.
//!
//! The plugin builds the same request of the same frames and settings, so that both name the same
//! take: plates through `pickup_takes`'s conversions, the canvas in the timeline's order, and `None`
//! for everything the user did not set.

use pickup_core::{Cancel, Canvas, Error, PlateId, Request, Result};
use pickup_takes::{PlateBuffer, Store};

use crate::args::{Direction, JobCommand, JobOptions};
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
    }
}

fn ids(frames: &[PlateBuffer]) -> Result<Vec<PlateId>> {
    frames.iter().map(|frame| frame.image().id()).collect()
}
