//! What the parameters say, read at one moment.

use pickup_core::{Quality, Result, TakeId};
use pickup_ofx::{Effect, Params};
use pickup_takes::{Placement, Region};
use serde::Serialize;
use std::path::PathBuf;

use crate::fault::from_host;
use crate::footage::FrameSpan;
use crate::params::{DEFAULT_MODEL, id};
use crate::span::{JobChoice, Wish};

/// What a render does for frames without a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum OnRender {
    /// Shows the source, or a slate.
    UseTake,
    /// Makes the take, in final renders.
    Generate,
}

/// The parameters' values, read at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Values {
    /// What should be seen.
    pub prompt: String,
    /// What should not be seen; empty means the package's default.
    pub negative_prompt: String,
    /// Name of the model package.
    pub model: String,
    /// Which job.
    pub job: JobChoice,
    /// The user's span, if one is set.
    pub span: Option<FrameSpan>,
    /// The one frame that both numbers of the span name, if it is not 0: it is made where no span is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<i64>,
    /// Frames to continue from, on each side; 1 to 64.
    pub context_frames: usize,
    /// Reference pictures, in order of weight.
    pub references: Vec<PathBuf>,
    /// Draft or final.
    pub quality: Quality,
    /// Denoising steps; `None` is the preset.
    pub steps: Option<u32>,
    /// Guidance scale; `None` is the preset.
    pub guidance: Option<f32>,
    /// Seed of the noise.
    pub seed: u64,
    /// The part of each frame that stays, for jobs that make parts of frames.
    pub part: Option<Part>,
    /// Whether each job takes a new seed. What it took is the seed, so it is not part of the hash.
    #[serde(skip)]
    pub new_seed: bool,
    /// What a render without a take does. It decides nothing about frames, so it is not part of the hash.
    #[serde(skip)]
    pub on_render: OnRender,
}

/// Which part of a frame stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Part {
    /// A picture that is smaller than the frame, or moved.
    Placed(Placement),
    /// All but a region, unless a mask clip says otherwise.
    Without(Region),
}

impl Values {
    /// Reads every parameter of an instance.
    ///
    /// # Errors
    /// Of kind runtime if the host does not give a value.
    pub fn read(effect: Effect<'_>) -> Result<Self> {
        let params = effect.params().map_err(from_host)?;
        Self::from_params(params).map_err(from_host)
    }

    /// As [`Values::read`].
    ///
    /// # Errors
    /// The host's answer.
    pub fn from_params(params: Params<'_>) -> pickup_ofx::Result<Self> {
        let references =
            id::REFERENCES.iter().map(|id| params.text(id)).collect::<pickup_ofx::Result<Vec<_>>>()?;
        let model = params.text(id::MODEL)?;
        let job = job(params)?;
        Ok(Self {
            prompt: params.text(id::PROMPT)?,
            negative_prompt: params.text(id::NEGATIVE_PROMPT)?,
            model: if model.trim().is_empty() { DEFAULT_MODEL.to_owned() } else { model.trim().to_owned() },
            job,
            span: user_span(params)?,
            frame: named_frame(params)?,
            context_frames: usize::try_from(params.int(id::CONTEXT_FRAMES)?).unwrap_or(1).clamp(1, 64),
            references: references
                .iter()
                .map(|path| path.trim())
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect(),
            quality: if params.choice(id::QUALITY)? == 0 { Quality::Draft } else { Quality::Final },
            steps: u32::try_from(params.int(id::STEPS)?).ok().filter(|steps| *steps > 0),
            guidance: Some(params.double(id::GUIDANCE)? as f32).filter(|guidance| *guidance > 0.0),
            seed: u64::try_from(params.int(id::SEED)?).unwrap_or(0),
            part: part(params, job)?,
            new_seed: params.choice(id::SEED_MODE)? == 1,
            on_render: on_render(params)?,
        })
    }

    /// A hash of everything that decides what a take looks like, as far as parameters do.
    #[must_use]
    pub fn hash(&self) -> String {
        TakeId::of(&serde_json::to_vec(self).unwrap_or_default()).to_string()
    }

    /// As [`Values::hash`], whatever the seed and the quality: takes of one task are alternatives.
    #[must_use]
    pub fn task(&self) -> String {
        Self { seed: 0, quality: Quality::Final, steps: None, ..self.clone() }.hash()
    }

    /// What the user wishes for, as far as frames are concerned.
    #[must_use]
    pub fn wish(&self) -> Wish {
        Wish { job: self.job, span: self.span, context: self.context_frames }
    }
}

/// What the user wants made.
///
/// # Errors
/// The host's answer.
pub fn job(params: Params<'_>) -> pickup_ofx::Result<JobChoice> {
    Ok(JobChoice::from_index(params.choice(id::JOB)?))
}

/// The span that the user set; `None` while start and end are the same: then it is found.
///
/// # Errors
/// The host's answer.
pub fn user_span(params: Params<'_>) -> pickup_ofx::Result<Option<FrameSpan>> {
    let (first, last) = (params.int(id::SPAN_START)?, params.int(id::SPAN_END)?);
    Ok((first != last).then_some(FrameSpan { first: first.into(), last: last.into() }))
}

/// The frame that start and end of the span both name; `None` for 0, or where they name two.
fn named_frame(params: Params<'_>) -> pickup_ofx::Result<Option<i64>> {
    let (first, last) = (params.int(id::SPAN_START)?, params.int(id::SPAN_END)?);
    Ok((first == last && first != 0).then_some(first.into()))
}

/// What a render without a take does.
///
/// # Errors
/// The host's answer.
pub fn on_render(params: Params<'_>) -> pickup_ofx::Result<OnRender> {
    Ok(if params.choice(id::ON_RENDER)? == 1 { OnRender::Generate } else { OnRender::UseTake })
}

fn part(params: Params<'_>, job: JobChoice) -> pickup_ofx::Result<Option<Part>> {
    let share = |id| params.double(id).map(|percent| percent / 100.0);
    Ok(match job {
        JobChoice::Outpaint => Some(Part::Placed(Placement {
            scale: share(id::PICTURE_SCALE)?,
            x: share(id::PICTURE_OFFSETS[0])?,
            y: share(id::PICTURE_OFFSETS[1])?,
        })),
        JobChoice::Remove => {
            let [left, top, width, height] = id::REGION;
            Some(Part::Without(Region {
                left: share(left)?,
                top: share(top)?,
                width: share(width)?,
                height: share(height)?,
            }))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_notices_what_decides_a_take_and_only_that() {
        let base = Values {
            prompt: "a".into(),
            negative_prompt: String::new(),
            model: "starter".into(),
            job: JobChoice::Auto,
            span: None,
            frame: None,
            context_frames: 8,
            references: vec![],
            quality: Quality::Final,
            steps: None,
            guidance: None,
            seed: 0,
            part: None,
            new_seed: false,
            on_render: OnRender::UseTake,
        };
        assert_eq!(base.hash(), Values { on_render: OnRender::Generate, ..base.clone() }.hash());
        assert_ne!(base.hash(), Values { seed: 1, ..base.clone() }.hash());
        let region = |left| Some(Part::Without(Region { left, top: 0.0, width: 0.1, height: 0.1 }));
        assert_ne!(base.hash(), Values { part: region(0.1), ..base.clone() }.hash());
        assert_ne!(base.hash(), Values { frame: Some(3), ..base.clone() }.hash());
        let draft = Values { seed: 1, quality: Quality::Draft, steps: Some(3), ..base.clone() };
        assert_eq!(base.task(), draft.task());
        assert_ne!(base.task(), Values { prompt: "b".into(), ..base.clone() }.task());
        assert_ne!(
            base.hash(),
            Values { span: Some(FrameSpan { first: 1, last: 2 }), ..base.clone() }.hash()
        );
    }
}
