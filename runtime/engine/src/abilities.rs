//! Whether a model can do what is asked.

use pickup_core::{Error, Request, Result};
use pickup_package::{Conditioning, Manifest};

use crate::plan::{Part, Pass};

/// Checks that the model can be conditioned on the known frames and references.
///
/// # Errors
/// With what it lacks.
pub(crate) fn check(request: &Request, passes: &[Pass], manifest: &Manifest) -> Result<()> {
    let references = request.references.len();
    if references > 0 && !manifest.conditioning.contains(&Conditioning::Reference) {
        return Err(
            lacks(manifest, "reference pictures").hint("Remove the references, or choose another model.")
        );
    }
    if references > manifest.max_references() {
        return Err(Error::input(format!(
            "{} takes at most {} reference pictures, got {references}.",
            manifest.title, manifest.max_references()
        ))
        .hint("Remove some of the references."));
    }
    passes.iter().try_for_each(|pass| check_pass(pass, manifest))
}

fn check_pass(pass: &Pass, manifest: &Manifest) -> Result<()> {
    let held = |part: &Part| matches!(part, Part::Known(_) | Part::Guide(_));
    let clip: Vec<bool> = pass.parts.iter().filter(|part| **part != Part::Surplus).map(held).collect();
    let count = clip.iter().filter(|held| **held).count();
    let start = clip.iter().take_while(|held| **held).count();
    let end = if start == clip.len() { 0 } else { clip.iter().rev().take_while(|held| **held).count() };
    let can = |one: Conditioning, many: Conditioning, count: usize| {
        let able = |kind| {
            manifest.conditioning.contains(&kind) || manifest.conditioning.contains(&Conditioning::Keyframe)
        };
        count == 0 || able(many) || (count == 1 && able(one))
    };
    let hint = "Choose another model for this job.";
    if !can(Conditioning::First, Conditioning::ClipStart, start) {
        return Err(lacks(manifest, "frames before the generated ones").hint(hint));
    }
    if !can(Conditioning::Last, Conditioning::ClipEnd, end) {
        return Err(lacks(manifest, "frames after the generated ones").hint(hint));
    }
    if count > start + end && !manifest.conditioning.contains(&Conditioning::Keyframe) {
        return Err(lacks(manifest, "frames amid the generated ones")
            .hint("Ask for a shorter span, or choose another model."));
    }
    Ok(())
}

fn lacks(manifest: &Manifest, what: &str) -> Error {
    Error::model(format!("{} cannot be given {what}.", manifest.title))
}
