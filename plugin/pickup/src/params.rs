//! All parameters, in one table. Their words lie in `resources/labels.json`.

use pickup_ofx::{Context, ParamDefinition, ParamKind, Range, TextMode};
use std::sync::LazyLock;

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
pub const DEFAULT_MODEL: &str = "starter";

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
}
