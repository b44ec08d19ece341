//! All parameters, in one table, and their values as one value.

use pickup_core::{Quality, Result, TakeId};
use pickup_ofx::{Context, Effect, ParamDefinition, ParamKind, Params, Range, TextMode};
use serde::Serialize;
use std::path::PathBuf;

use crate::fault::from_host;
use crate::span::{FrameSpan, JobChoice, Wish};

/// The stable ids: projects and scripts know parameters by these.
pub mod id {
    /// What should be seen.
    pub const PROMPT: &str = "prompt";
    /// What should not be seen.
    pub const NEGATIVE_PROMPT: &str = "negativePrompt";
    /// Name of the model package.
    pub const MODEL: &str = "model";
    /// Which job.
    pub const JOB: &str = "job";
    /// First frame to make.
    pub const SPAN_START: &str = "spanStart";
    /// Last frame to make.
    pub const SPAN_END: &str = "spanEnd";
    /// Frames to continue from, on each side.
    pub const CONTEXT_FRAMES: &str = "contextFrames";
    /// Reference pictures.
    pub const REFERENCES: [&str; 3] = ["reference1", "reference2", "reference3"];
    /// Draft or final.
    pub const QUALITY: &str = "quality";
    /// Denoising steps.
    pub const STEPS: &str = "steps";
    /// Guidance scale.
    pub const GUIDANCE: &str = "guidance";
    /// Seed of the noise.
    pub const SEED: &str = "seed";
    /// What a render without a take does.
    pub const ON_RENDER: &str = "onRender";
    /// The button that generates.
    pub const GENERATE: &str = "generate";
    /// The button that stops it.
    pub const CANCEL: &str = "cancel";
    /// What happened last.
    pub const STATUS: &str = "status";
    /// Which take is shown.
    pub const TAKE_STATE: &str = "takeState";
    /// Group of the span's numbers.
    pub const SPAN_GROUP: &str = "spanGroup";
    /// Group of the references.
    pub const REFERENCE_GROUP: &str = "referenceGroup";
    /// Group of what is rarely changed.
    pub const ADVANCED_GROUP: &str = "advancedGroup";
    /// The one page.
    pub const PAGE: &str = "Controls";
}

/// The last frame number that spans may name: 27 hours at 100 frames per second.
const LAST_FRAME: i32 = 10_000_000;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the host is told.
    pub definition: ParamDefinition,
    /// Contexts in which it means nothing; it is defined there, so that projects stay readable, but not shown.
    pub hidden_in: &'static [Context],
}

const fn entry(id: &'static str, label: &'static str, kind: ParamKind, hint: &'static str) -> Entry {
    let definition = ParamDefinition {
        id,
        label,
        hint,
        parent: None,
        kind,
        animates: false,
        secret: false,
        enabled: true,
        // Nothing here changes a frame before Generate is pressed, except where said otherwise.
        evaluates: false,
    };
    Entry { definition, hidden_in: &[] }
}

impl Entry {
    const fn within(mut self, group: &'static str) -> Self {
        self.definition.parent = Some(group);
        self
    }

    const fn hidden_in(mut self, contexts: &'static [Context]) -> Self {
        self.hidden_in = contexts;
        self
    }

    const fn evaluating(mut self) -> Self {
        self.definition.evaluates = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.definition.secret = true;
        self
    }

    /// The definition for a context.
    #[must_use]
    pub fn for_context(&self, context: Context) -> ParamDefinition {
        let secret = self.definition.secret || self.hidden_in.contains(&context);
        ParamDefinition { secret, ..self.definition }
    }
}

const fn text(mode: TextMode, default: &'static str) -> ParamKind {
    ParamKind::Text { mode, default }
}

const fn int(default: i32, limits: (i32, i32), display: (i32, i32)) -> ParamKind {
    ParamKind::Int(Range { default, limits, display })
}

const GENERATOR: &[Context] = &[Context::Generator];

/// Every parameter, in the order in which it is shown.
pub const TABLE: &[Entry] = &[
    entry(
        id::PROMPT,
        "Prompt",
        text(TextMode::MultiLine, ""),
        "What should be seen. Plain sentences work best: subject, motion, camera, light.",
    ),
    entry(
        id::NEGATIVE_PROMPT,
        "Negative prompt",
        text(TextMode::MultiLine, ""),
        "What should not be seen. Empty: what the model's makers recommend.",
    ),
    entry(
        id::JOB,
        "Job",
        ParamKind::Choice { options: JobChoice::LABELS, default: 0 },
        "Auto finds the gap between pictures and fills it; with a span set, it looks at which sides have picture.",
    )
    .hidden_in(GENERATOR),
    entry(
        id::GENERATE,
        "Generate",
        ParamKind::Button,
        "Makes the missing frames and keeps them as a take. The same settings are never made twice.",
    ),
    entry(id::CANCEL, "Cancel", ParamKind::Button, "Stops a running Generate."),
    entry(
        id::STATUS,
        "Status",
        text(TextMode::Label, "No take yet. Press Generate."),
        "What happened last: take, model, device, frames, time; or what went wrong and what to do.",
    ),
    entry(id::SPAN_GROUP, "Span", ParamKind::Group { open: true }, "Which frames are made."),
    entry(
        id::SPAN_START,
        "Span start",
        int(0, (-LAST_FRAME, LAST_FRAME), (0, 240)),
        "First frame to make, in the host's frame numbers. Start and end both 0: found automatically.",
    )
    .within(id::SPAN_GROUP)
    .evaluating(),
    entry(
        id::SPAN_END,
        "Span end",
        int(0, (-LAST_FRAME, LAST_FRAME), (0, 240)),
        "Last frame to make, included. Start and end both 0: found automatically.",
    )
    .within(id::SPAN_GROUP)
    .evaluating(),
    entry(
        id::CONTEXT_FRAMES,
        "Context frames",
        int(9, (1, 64), (1, 32)),
        "How many frames on each side the new ones continue from. More hold motion better and take longer.",
    )
    .within(id::SPAN_GROUP)
    .hidden_in(GENERATOR),
    entry(
        id::REFERENCE_GROUP,
        "References",
        ParamKind::Group { open: false },
        "Pictures of what should be seen.",
    ),
    entry(
        id::REFERENCES[0],
        "Reference 1",
        text(TextMode::FilePath, ""),
        "A picture of what should be seen: PNG, JPEG, TIFF, EXR or WebP.",
    )
    .within(id::REFERENCE_GROUP),
    entry(id::REFERENCES[1], "Reference 2", text(TextMode::FilePath, ""), "A second picture.")
        .within(id::REFERENCE_GROUP),
    entry(id::REFERENCES[2], "Reference 3", text(TextMode::FilePath, ""), "A third picture.")
        .within(id::REFERENCE_GROUP),
    entry(id::ADVANCED_GROUP, "Advanced", ParamKind::Group { open: false }, "What is rarely changed."),
    entry(
        id::MODEL,
        "Model",
        text(TextMode::SingleLine, "starter"),
        "Name of an installed model package. `pickup models list` shows them.",
    )
    .within(id::ADVANCED_GROUP),
    entry(
        id::QUALITY,
        "Quality",
        ParamKind::Choice { options: &["Draft", "Final"], default: 1 },
        "Draft shows where it goes in a few steps; Final is what the model's makers recommend. Some models continue known frames in steps of their own, whatever is chosen; Status says how many.",
    )
    .within(id::ADVANCED_GROUP),
    entry(
        id::STEPS,
        "Steps",
        int(0, (0, 200), (0, 60)),
        "Denoising steps. 0: what the quality says.",
    )
    .within(id::ADVANCED_GROUP),
    entry(
        id::GUIDANCE,
        "Guidance",
        ParamKind::Double {
            range: Range { default: 0.0, limits: (0.0, 30.0), display: (0.0, 12.0) },
            increment: 0.1,
            digits: 1,
        },
        "How strongly the prompt is followed, 1 to 30. 0: what the quality says.",
    )
    .within(id::ADVANCED_GROUP),
    entry(
        id::SEED,
        "Seed",
        int(0, (0, i32::MAX), (0, 9999)),
        "Another seed is another take. The same seed gives the same noise on every machine.",
    )
    .within(id::ADVANCED_GROUP),
    entry(
        id::ON_RENDER,
        "On render",
        ParamKind::Choice { options: &["Use take", "Generate if missing"], default: 0 },
        "What a render does for frames of the span without a take. Generating happens only in final renders at full size.",
    )
    .within(id::ADVANCED_GROUP)
    .evaluating(),
    entry(
        id::TAKE_STATE,
        "Take state",
        text(TextMode::SingleLine, ""),
        "Which take this instance shows. Kept by Pickup.",
    )
    .secret()
    .evaluating(),
    entry(id::PAGE, "Controls", ParamKind::Page { children: PAGE_CHILDREN }, "All of Pickup's controls."),
];

const PAGE_CHILDREN: &[&str] = &[
    id::PROMPT,
    id::NEGATIVE_PROMPT,
    id::JOB,
    id::GENERATE,
    id::CANCEL,
    id::STATUS,
    id::SPAN_GROUP,
    id::SPAN_START,
    id::SPAN_END,
    id::CONTEXT_FRAMES,
    id::REFERENCE_GROUP,
    id::REFERENCES[0],
    id::REFERENCES[1],
    id::REFERENCES[2],
    id::ADVANCED_GROUP,
    id::MODEL,
    id::QUALITY,
    id::STEPS,
    id::GUIDANCE,
    id::SEED,
    id::ON_RENDER,
];

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
    /// What a render without a take does. It decides nothing about frames, so it is not part of the hash.
    #[serde(skip)]
    pub on_render: OnRender,
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

    fn from_params(params: Params<'_>) -> pickup_ofx::Result<Self> {
        let references =
            id::REFERENCES.iter().map(|id| params.text(id)).collect::<pickup_ofx::Result<Vec<_>>>()?;
        let model = params.text(id::MODEL)?;
        Ok(Self {
            prompt: params.text(id::PROMPT)?,
            negative_prompt: params.text(id::NEGATIVE_PROMPT)?,
            model: if model.trim().is_empty() { "starter".to_owned() } else { model.trim().to_owned() },
            job: JobChoice::from_index(params.choice(id::JOB)?),
            span: user_span(params)?,
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
            on_render: on_render(params)?,
        })
    }

    /// A hash of everything that decides what a take looks like, as far as parameters do.
    #[must_use]
    pub fn hash(&self) -> String {
        TakeId::of(&serde_json::to_vec(self).unwrap_or_default()).to_string()
    }

    /// What the user wishes for, as far as frames are concerned.
    #[must_use]
    pub fn wish(&self) -> Wish {
        Wish { job: self.job, span: self.span, context: self.context_frames }
    }
}

/// The span that the user set; `None` while both numbers are 0.
///
/// # Errors
/// The host's answer.
pub fn user_span(params: Params<'_>) -> pickup_ofx::Result<Option<FrameSpan>> {
    let (first, last) = (params.int(id::SPAN_START)?, params.int(id::SPAN_END)?);
    Ok((first != 0 || last != 0).then_some(FrameSpan { first: first.into(), last: last.into() }))
}

/// What a render without a take does.
///
/// # Errors
/// The host's answer.
pub fn on_render(params: Params<'_>) -> pickup_ofx::Result<OnRender> {
    Ok(if params.choice(id::ON_RENDER)? == 1 { OnRender::Generate } else { OnRender::UseTake })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_the_stable_ones_and_each_is_there_once() {
        let ids: Vec<_> = TABLE.iter().map(|entry| entry.definition.id).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        for id in [
            "prompt",
            "negativePrompt",
            "model",
            "job",
            "spanStart",
            "spanEnd",
            "contextFrames",
            "reference1",
            "reference2",
            "reference3",
            "quality",
            "steps",
            "guidance",
            "seed",
            "onRender",
            "generate",
            "cancel",
            "status",
            "takeState",
        ] {
            assert!(ids.contains(&id), "{id}");
        }
    }

    #[test]
    fn every_number_has_a_range_a_display_range_and_a_default_inside_of_both() {
        for entry in TABLE {
            match entry.definition.kind {
                ParamKind::Int(Range { default, limits, display }) => {
                    assert!(limits.0 <= display.0 && display.0 < display.1 && display.1 <= limits.1);
                    assert!((display.0..=display.1).contains(&default), "{}", entry.definition.id);
                }
                ParamKind::Double { range: Range { default, limits, display }, .. } => {
                    assert!(limits.0 <= display.0 && display.0 < display.1 && display.1 <= limits.1);
                    assert!((display.0..=display.1).contains(&default), "{}", entry.definition.id);
                }
                ParamKind::Choice { options, default } => assert!((default as usize) < options.len()),
                _ => {}
            }
        }
    }

    #[test]
    fn parents_are_groups_defined_before_and_the_page_shows_what_is_not_secret() {
        let mut groups = HashSet::new();
        for entry in TABLE {
            let definition = &entry.definition;
            assert!(definition.parent.is_none_or(|parent| groups.contains(parent)), "{}", definition.id);
            assert!(!definition.animates);
            if matches!(definition.kind, ParamKind::Group { .. }) {
                groups.insert(definition.id);
            }
            let on_page = PAGE_CHILDREN.contains(&definition.id);
            let page = matches!(definition.kind, ParamKind::Page { .. });
            assert_eq!(on_page, !definition.secret && !page, "{}", definition.id);
        }
    }

    #[test]
    fn the_hash_notices_what_decides_a_take_and_only_that() {
        let base = Values {
            prompt: "a".into(),
            negative_prompt: String::new(),
            model: "starter".into(),
            job: JobChoice::Auto,
            span: None,
            context_frames: 8,
            references: vec![],
            quality: Quality::Final,
            steps: None,
            guidance: None,
            seed: 0,
            on_render: OnRender::UseTake,
        };
        assert_eq!(base.hash(), Values { on_render: OnRender::Generate, ..base.clone() }.hash());
        assert_ne!(base.hash(), Values { seed: 1, ..base.clone() }.hash());
        assert_ne!(
            base.hash(),
            Values { span: Some(FrameSpan { first: 1, last: 2 }), ..base.clone() }.hash()
        );
    }
}
