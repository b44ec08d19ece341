//! Whether a model can do what is asked, and if not, what comes nearest.

use pickup_core::{Error, Job, Request, Result, Slot};
use pickup_package::{Conditioning, Manifest};

use crate::plan::{LEAST_CONTEXT, Part, Pass};

/// Checks that the model can be conditioned on the known frames and references.
///
/// # Errors
/// With what it lacks, and the nearest that it can do.
pub(crate) fn check(request: &Request, passes: &[Pass], manifest: &Manifest) -> Result<()> {
    check_references(request.references.len(), manifest)?;
    check_parts(request, manifest)?;
    passes.iter().try_for_each(|pass| match pass.parts.iter().any(|part| matches!(part, Part::Guide(_))) {
        true => check_pass(pass, manifest).map_err(|_| too_long(request, manifest)),
        false => check_pass(pass, manifest),
    })
}

/// Most known frames that a clip of the model may begin with. A model that takes one frame continues a shot
/// from its last.
pub(crate) fn lead(manifest: &Manifest) -> usize {
    let one = manifest.takes(Conditioning::First) && !manifest.takes(Conditioning::ClipStart);
    if one { 1 } else { usize::MAX }
}

/// What a user should know of the known frames that the model does not get to see because it takes one.
pub(crate) fn left_out(request: &Request, passes: &[Pass], manifest: &Manifest) -> Option<String> {
    let (before, _) = runs(request);
    let last = Part::Known(before.checked_sub(1)?);
    let continues = passes.iter().any(|pass| pass.parts.first() == Some(&last));
    (before > lead(manifest) && continues).then(|| {
        format!(
            "{} continues from one frame. It sees the last of the {before} known frames, and not how things \
             moved before.",
            manifest.title
        )
    })
}

fn check_references(count: usize, manifest: &Manifest) -> Result<()> {
    if count > 0 && !manifest.takes(Conditioning::Reference) {
        return Err(
            lacks(manifest, "reference pictures").hint("Remove the references, or choose another model.")
        );
    }
    let most = manifest.max_references();
    if count > most {
        return Err(Error::input(format!(
            "{} takes at most {most} reference pictures, got {count}.",
            manifest.title
        ))
        .hint("Remove some of the references."));
    }
    Ok(())
}

fn check_parts(request: &Request, manifest: &Manifest) -> Result<()> {
    if manifest.takes(Conditioning::Mask) || !request.canvas.slots.iter().any(Slot::is_partial) {
        return Ok(());
    }
    let error = lacks(manifest, "parts of frames");
    let whole = manifest.takes(Conditioning::ClipStart) && manifest.takes(Conditioning::ClipEnd);
    Err(match whole {
        true => error.hint(format!(
            "The nearest that it can do is \"{}\", which makes whole frames anew. Or choose another model.",
            Job::Retake.label()
        )),
        false => error.hint(nearest(true, manifest)),
    })
}

fn check_pass(pass: &Pass, manifest: &Manifest) -> Result<()> {
    let held = |part: &Part| matches!(part, Part::Known(_) | Part::Guide(_));
    let clip: Vec<bool> = pass.parts.iter().filter(|part| **part != Part::Surplus).map(held).collect();
    let count = clip.iter().filter(|held| **held).count();
    let start = clip.iter().take_while(|held| **held).count();
    let end = if start == clip.len() { 0 } else { clip.iter().rev().take_while(|held| **held).count() };
    let can = |one: Conditioning, many: Conditioning, count: usize| {
        count == 0 || manifest.takes(many) || (count == 1 && manifest.takes(one))
    };
    if !can(Conditioning::First, Conditioning::ClipStart, start) {
        return Err(lacks(manifest, "frames before the generated ones").hint(nearest(false, manifest)));
    }
    if !can(Conditioning::Last, Conditioning::ClipEnd, end) {
        let error = lacks(manifest, "frames after the generated ones");
        return Err(error.hint(nearest(start > 0, manifest)));
    }
    if count > start + end && !manifest.takes(Conditioning::Keyframe) {
        let hint = "Ask for one span without known frames in it, or choose another model.";
        return Err(lacks(manifest, "frames amid the generated ones").hint(hint));
    }
    Ok(())
}

fn lacks(manifest: &Manifest, what: &str) -> Error {
    Error::model(format!("{} cannot be given {what}.", manifest.title))
}

/// The job that comes nearest to one whose frames after the generated ones, or all known ones, the model
/// does not take.
fn nearest(has_start: bool, manifest: &Manifest) -> String {
    let (job, given) = match has_start && manifest.takes(Conditioning::First) {
        true => (Job::ExtendAfter, "what comes before"),
        false => (Job::Generate, "text"),
    };
    let job = job.label();
    format!("The nearest that it can do is \"{job}\", from {given} alone. Or choose another model.")
}

/// A model without keyframes makes only what fits one clip: windows of a longer one would guide each other.
fn too_long(request: &Request, manifest: &Manifest) -> Error {
    let (before, after) = runs(request);
    let context = before.min(LEAST_CONTEXT).min(lead(manifest)) + after.min(LEAST_CONTEXT);
    let most = (manifest.limits.max_frames as usize).saturating_sub(context);
    let asked = request.canvas.unknown_count();
    Error::model(format!("{} makes at most {most} frames at a time here, got {asked}.", manifest.title))
        .hint(format!("Ask for {most} frames or fewer, or choose another model."))
}

/// Known frames at the canvas's start and end.
fn runs(request: &Request) -> (usize, usize) {
    let known = |slot: &&Slot| slot.is_known();
    let slots = &request.canvas.slots;
    (slots.iter().take_while(known).count(), slots.iter().rev().take_while(known).count())
}

#[cfg(test)]
mod tests;
