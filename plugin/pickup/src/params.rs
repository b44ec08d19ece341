//! All parameters, in one table, and their values as one value. Their words lie in `resources/labels.json`.

use pickup_core::{Quality, Result, TakeId};
use pickup_ofx::{Context, Effect, ParamDefinition, ParamKind, Params, Range, TextMode};
use pickup_takes::{Placement, Region};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::LazyLock;

use crate::fault::from_host;
use crate::footage::FrameSpan;
use crate::span::{JobChoice, Wish};
use crate::texts::{self, words};

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
    /// The button that proposes a span.
    pub const FIND_GAP: &str = "findGap";
    /// Frames to continue from, on each side.
    pub const CONTEXT_FRAMES: &str = "contextFrames";
    /// Outpainting: the picture's size.
    pub const PICTURE_SCALE: &str = "pictureScale";
    /// Outpainting: where the picture lies.
    pub const PICTURE_OFFSETS: [&str; 2] = ["pictureX", "pictureY"];
    /// Removing: left, top, width and height of the region.
    pub const REGION: [&str; 4] = ["regionLeft", "regionTop", "regionWidth", "regionHeight"];
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
    /// Whether each job takes a new seed.
    pub const SEED_MODE: &str = "seedMode";
    /// What a render without a take does.
    pub const ON_RENDER: &str = "onRender";
    /// The button that generates.
    pub const GENERATE: &str = "generate";
    /// The button that stops it.
    pub const CANCEL: &str = "cancel";
    /// The button that says what it would cost.
    pub const ESTIMATE: &str = "estimate";
    /// What happened last.
    pub const STATUS: &str = "status";
    /// Which of the alternatives is shown.
    pub const TAKE: &str = "take";
    /// The button that lets a take stay.
    pub const KEEP: &str = "keep";
    /// What the user noted for the take that is shown.
    pub const TAKE_NOTE: &str = "takeNote";
    /// Which takes there are.
    pub const TAKE_STATE: &str = "takeState";
    /// Group of the span's numbers.
    pub const SPAN_GROUP: &str = "spanGroup";
    /// Group of outpainting and removing.
    pub const REGION_GROUP: &str = "regionGroup";
    /// Group of the references.
    pub const REFERENCE_GROUP: &str = "referenceGroup";
    /// Group of how frames are made.
    pub const LOOK_GROUP: &str = "lookGroup";
    /// Group of what is rarely changed.
    pub const ADVANCED_GROUP: &str = "advancedGroup";
    /// How far a transition is; the host moves it.
    pub const TRANSITION: &str = pickup_ofx::TRANSITION_PARAM;
}

/// The last frame number that spans may name: 27 hours at 100 frames per second.
const LAST_FRAME: i32 = 10_000_000;
/// Most takes that can be stepped through.
const LAST_TAKE: i32 = 99;

/// The model package where none is named.
const DEFAULT_MODEL: &str = "starter";

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the host is told.
    pub definition: ParamDefinition,
    /// Contexts in which it means nothing; it is defined there, so that projects stay readable, but not shown.
    hidden_in: &'static [Context],
    /// The one context that knows it; `None` for all.
    only_in: Option<Context>,
}

fn entry(id: &'static str, kind: ParamKind) -> Entry {
    let words = words(id);
    let definition = ParamDefinition {
        id,
        label: &words.label,
        hint: &words.hint,
        parent: None,
        kind,
        animates: false,
        secret: false,
        enabled: true,
        // Nothing here changes a frame before Generate is pressed, except where said otherwise.
        evaluates: false,
    };
    Entry { definition, hidden_in: &[], only_in: None }
}

impl Entry {
    fn within(mut self, group: &'static str) -> Self {
        self.definition.parent = Some(group);
        self
    }

    fn hidden_in(mut self, contexts: &'static [Context]) -> Self {
        self.hidden_in = contexts;
        self
    }

    fn evaluating(mut self) -> Self {
        self.definition.evaluates = true;
        self
    }

    fn animated(mut self) -> Self {
        self.definition.animates = true;
        self
    }

    fn secret(mut self) -> Self {
        self.definition.secret = true;
        self
    }

    /// The definition for a context; `None` in one that does not know it.
    #[must_use]
    pub fn for_context(&self, context: Context) -> Option<ParamDefinition> {
        let secret = self.definition.secret || self.hidden_in.contains(&context);
        let known = self.only_in.is_none_or(|only| only == context);
        known.then_some(ParamDefinition { secret, ..self.definition })
    }
}

fn text(id: &'static str, mode: TextMode, default: &'static str) -> Entry {
    entry(id, ParamKind::Text { mode, default })
}

fn int(id: &'static str, default: i32, limits: (i32, i32), display: (i32, i32)) -> Entry {
    entry(id, ParamKind::Int(Range { default, limits, display }))
}

fn double(id: &'static str, default: f64, limits: (f64, f64), display: (f64, f64), increment: f64) -> Entry {
    let range = Range { default, limits, display };
    entry(id, ParamKind::Double { range, increment, digits: 1 })
}

fn choice(id: &'static str, default: i32) -> Entry {
    // Once for each choice, for the life of the process: hosts are told while describing.
    entry(id, ParamKind::Choice { options: texts::options(id).leak(), default })
}

fn group(id: &'static str, open: bool) -> Entry {
    entry(id, ParamKind::Group { open })
}

fn page(id: &'static str, children: &'static [&'static str]) -> Entry {
    entry(id, ParamKind::Page { children })
}

const GENERATOR: &[Context] = &[Context::Generator];
/// Where no part of a frame can be made: a generator has no frames, a transition two.
const WITHOUT_PARTS: &[Context] = &[Context::Generator, Context::Transition];
/// Where no gap is looked for.
const WITHOUT_GAPS: &[Context] = &[Context::Generator];

/// Every parameter, in the order in which it is shown.
pub static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut table = vec![
        text(id::PROMPT, TextMode::MultiLine, ""),
        text(id::NEGATIVE_PROMPT, TextMode::MultiLine, ""),
        choice(id::JOB, 0).hidden_in(GENERATOR),
        entry(id::GENERATE, ParamKind::Button),
        entry(id::CANCEL, ParamKind::Button),
        entry(id::ESTIMATE, ParamKind::Button),
        text(id::STATUS, TextMode::Label, words(id::STATUS).first()),
        int(id::TAKE, 1, (1, LAST_TAKE), (1, 9)).evaluating(),
        entry(id::KEEP, ParamKind::Button),
        text(id::TAKE_NOTE, TextMode::SingleLine, ""),
    ];
    table.extend(span_entries());
    table.extend(region_entries());
    table.push(group(id::REFERENCE_GROUP, false));
    table.extend(id::REFERENCES.map(|id| text(id, TextMode::FilePath, "").within(id::REFERENCE_GROUP)));
    table.extend(look_entries());
    table.push(text(id::TAKE_STATE, TextMode::SingleLine, "").secret().evaluating());
    table.push(Entry {
        only_in: Some(Context::Transition),
        ..double(id::TRANSITION, 0.0, (0.0, 1.0), (0.0, 1.0), 0.01).evaluating().animated()
    });
    table.extend([
        page("promptPage", PROMPT_PAGE),
        page("spanPage", SPAN_PAGE),
        page("referencesPage", REFERENCES_PAGE),
        page("lookPage", LOOK_PAGE),
        page("advancedPage", ADVANCED_PAGE),
    ]);
    table
});

fn span_entries() -> [Entry; 5] {
    let frame = |id| int(id, 0, (-LAST_FRAME, LAST_FRAME), (0, 240)).within(id::SPAN_GROUP).evaluating();
    [
        group(id::SPAN_GROUP, true),
        entry(id::FIND_GAP, ParamKind::Button).within(id::SPAN_GROUP).hidden_in(WITHOUT_GAPS),
        frame(id::SPAN_START),
        frame(id::SPAN_END),
        int(id::CONTEXT_FRAMES, 9, (1, 64), (1, 32)).within(id::SPAN_GROUP).hidden_in(GENERATOR),
    ]
}

fn region_entries() -> Vec<Entry> {
    let percent = |id, default, limits| {
        double(id, default, limits, limits, 1.0).within(id::REGION_GROUP).hidden_in(WITHOUT_PARTS)
    };
    let mut entries = vec![
        group(id::REGION_GROUP, false).hidden_in(WITHOUT_PARTS),
        percent(id::PICTURE_SCALE, 75.0, (5.0, 400.0)),
    ];
    entries.extend(id::PICTURE_OFFSETS.map(|id| percent(id, 0.0, (-100.0, 100.0))));
    let quarter = [35.0, 35.0, 30.0, 30.0];
    entries
        .extend(id::REGION.into_iter().zip(quarter).map(|(id, default)| percent(id, default, (0.0, 100.0))));
    entries
}

fn look_entries() -> [Entry; 9] {
    [
        group(id::LOOK_GROUP, false),
        choice(id::QUALITY, 1).within(id::LOOK_GROUP),
        double(id::GUIDANCE, 0.0, (0.0, 30.0), (0.0, 12.0), 0.1).within(id::LOOK_GROUP),
        int(id::SEED, 0, (0, i32::MAX), (0, 9999)).within(id::LOOK_GROUP),
        choice(id::SEED_MODE, 0).within(id::LOOK_GROUP),
        group(id::ADVANCED_GROUP, false),
        text(id::MODEL, TextMode::SingleLine, DEFAULT_MODEL).within(id::ADVANCED_GROUP),
        int(id::STEPS, 0, (0, 200), (0, 60)).within(id::ADVANCED_GROUP),
        choice(id::ON_RENDER, 0).within(id::ADVANCED_GROUP).evaluating(),
    ]
}

const PROMPT_PAGE: &[&str] = &[
    id::PROMPT,
    id::NEGATIVE_PROMPT,
    id::JOB,
    id::GENERATE,
    id::CANCEL,
    id::ESTIMATE,
    id::STATUS,
    id::TAKE,
    id::KEEP,
    id::TAKE_NOTE,
];
const SPAN_PAGE: &[&str] = &[
    id::SPAN_GROUP,
    id::FIND_GAP,
    id::SPAN_START,
    id::SPAN_END,
    id::CONTEXT_FRAMES,
    id::REGION_GROUP,
    id::PICTURE_SCALE,
    id::PICTURE_OFFSETS[0],
    id::PICTURE_OFFSETS[1],
    id::REGION[0],
    id::REGION[1],
    id::REGION[2],
    id::REGION[3],
];
const REFERENCES_PAGE: &[&str] =
    &[id::REFERENCE_GROUP, id::REFERENCES[0], id::REFERENCES[1], id::REFERENCES[2]];
const LOOK_PAGE: &[&str] = &[id::LOOK_GROUP, id::QUALITY, id::GUIDANCE, id::SEED, id::SEED_MODE];
const ADVANCED_PAGE: &[&str] = &[id::ADVANCED_GROUP, id::MODEL, id::STEPS, id::ON_RENDER];

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
            "findGap",
            "estimate",
            "take",
            "keep",
            "takeNote",
            "seedMode",
            "pictureScale",
            "pictureX",
            "pictureY",
            "regionLeft",
            "regionTop",
            "regionWidth",
            "regionHeight",
        ] {
            assert!(ids.contains(&id), "{id}");
        }
    }

    #[test]
    fn every_number_has_a_range_a_display_range_and_a_default_inside_of_both() {
        for entry in TABLE.iter() {
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
    fn only_a_transition_knows_how_far_it_is() {
        let knows = |context| {
            let ids: Vec<_> =
                TABLE.iter().filter_map(|entry| entry.for_context(context)).map(|entry| entry.id).collect();
            ids.contains(&"Transition")
        };
        assert!(knows(Context::Transition));
        assert!(!knows(Context::Filter) && !knows(Context::General) && !knows(Context::Generator));
    }

    #[test]
    fn parents_are_groups_defined_before_and_the_page_shows_what_is_not_secret() {
        let mut groups = HashSet::new();
        for entry in TABLE.iter() {
            let definition = &entry.definition;
            assert!(definition.parent.is_none_or(|parent| groups.contains(parent)), "{}", definition.id);
            let transition = definition.id == id::TRANSITION;
            assert_eq!(definition.animates, transition);
            if matches!(definition.kind, ParamKind::Group { .. }) {
                groups.insert(definition.id);
            }
            let pages = [PROMPT_PAGE, SPAN_PAGE, REFERENCES_PAGE, LOOK_PAGE, ADVANCED_PAGE].concat();
            let on_pages = pages.iter().filter(|child| **child == definition.id).count();
            let page = matches!(definition.kind, ParamKind::Page { .. });
            let shown = !definition.secret && !page && !transition;
            assert_eq!(on_pages, usize::from(shown), "{}", definition.id);
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
