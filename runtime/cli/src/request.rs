//! From what was typed to a request.
//!
//! The plugin builds the same request of the same frames and settings, so that both name the same
//! take: plates through `pickup_takes`'s conversions, the canvas in the timeline's order, and `None`
//! for everything the user did not set.

use pickup_core::{Cancel, Canvas, Error, Request, Result, Settings};
use pickup_takes::Store;

use crate::args::{Direction, JobCommand, JobOptions};
use crate::picture;
use crate::sequence::{End, gather};

/// The request of a job; its plates are in the store.
///
/// # Errors
/// Of kind usage or input, with what was expected and what came; of kind cancelled.
pub(crate) fn build(job: &JobCommand, store: &Store, cancel: &Cancel) -> Result<Request> {
    check_frames(job.options().frames)?;
    let mut request = Request::new(canvas(job, store, cancel)?);
    // Before references are read: what makes no sense is told first.
    settle(&mut request, job.options());
    request.check()?;
    for path in &job.options().reference {
        let reference = picture::read(path).map_err(|error| error.within("reference"))?;
        request
            .references
            .push(store.put_plate(&reference.image()).map_err(|error| error.within(path.display()))?);
    }
    Ok(request)
}

fn settle(request: &mut Request, options: &JobOptions) {
    request.prompt.clone_from(&options.prompt);
    request.negative_prompt = options.negative.clone().filter(|negative| !negative.trim().is_empty());
    if let Some(model) = &options.model {
        request.model.clone_from(model);
    }
    request.settings = Settings {
        steps: options.steps,
        guidance: options.guidance,
        seed: options.seed,
        quality: options.quality.into(),
    };
}

/// Before anything of that length is made.
fn check_frames(frames: u32) -> Result<()> {
    if (1..=Canvas::MAX_FRAMES).contains(&(frames as usize)) {
        return Ok(());
    }
    Err(Error::usage(format!("expected 1 to {} frames, got {frames}.", Canvas::MAX_FRAMES))
        .hint("Set --frames to the length of the gap or the extension."))
}

fn canvas(job: &JobCommand, store: &Store, cancel: &Cancel) -> Result<Canvas> {
    let options = job.options();
    let (rate, unknown) = (options.fps, options.frames as usize);
    let gather = |sequence: &str, end| gather(store, sequence, end, cancel);
    match job {
        JobCommand::Generate { size, .. } => Ok(Canvas::around(*size, rate, [], unknown, [])),
        JobCommand::Fill { before, after, context, .. } => {
            let before = gather(before, End::Last(usize::from(*context)))?;
            let after = gather(after, End::First(usize::from(*context)))?;
            before.check_same_size(&after)?;
            Ok(Canvas::around(before.size, rate, before.plates, unknown, after.plates))
        }
        JobCommand::Extend { clip, direction: Direction::After, context, .. } => {
            let clip = gather(clip, End::Last(usize::from(*context)))?;
            Ok(Canvas::around(clip.size, rate, clip.plates, unknown, []))
        }
        JobCommand::Extend { clip, direction: Direction::Before, context, .. } => {
            let clip = gather(clip, End::First(usize::from(*context)))?;
            Ok(Canvas::around(clip.size, rate, [], unknown, clip.plates))
        }
    }
}
