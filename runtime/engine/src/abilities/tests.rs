use super::*;
use crate::Plan;
use pickup_core::{Canvas, FrameRate, PlateId};
use serde_json::{Value, json};

/// A manifest of the golden values with `conditioning` in place of its own.
fn manifest(folder: &str, conditioning: Option<Value>) -> Manifest {
    let path = format!("{}/../../tests/goldens/{folder}/manifest.json", env!("CARGO_MANIFEST_DIR"));
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    if let Some(conditioning) = conditioning {
        value["conditioning"] = conditioning;
    }
    pickup_package::parse("manifest.json", value.to_string().as_bytes()).unwrap()
}

/// Clips of at most 33 frames, of which the first may be known.
fn first_only() -> Manifest {
    manifest("tiny_wan_ti2v", None)
}

/// Known frames by their letter `k` in `spelled`, unknown ones by `.`.
fn request(spelled: &str) -> Request {
    let rate = FrameRate::new(24, 1).unwrap();
    let mut canvas = Canvas::around((128, 64), rate, [], spelled.len(), []);
    for (slot, letter) in canvas.slots.iter_mut().zip(spelled.chars()) {
        if letter == 'k' {
            *slot = Slot::Known(PlateId::of(b"a plate"));
        }
    }
    Request::new(canvas)
}

fn job(before: usize, unknown: usize, after: usize) -> Request {
    request(&format!("{}{}{}", "k".repeat(before), ".".repeat(unknown), "k".repeat(after)))
}

#[track_caller]
fn refused(request: &Request, manifest: &Manifest, message: &str, hint: &str) {
    let error = Plan::new(request, manifest).unwrap_err();
    assert!(error.message.contains(message), "{error}");
    assert!(error.hint.contains(hint), "{}", error.hint);
}

#[test]
fn a_shot_is_continued_from_its_last_frame_and_the_user_is_told() {
    let manifest = first_only();
    for before in [1, 2, 9, 40] {
        let request = job(before, 12, 0);
        let plan = Plan::new(&request, &manifest).unwrap();
        assert_eq!(plan.windows(), [13]);
        assert_eq!(plan.passes[0].parts[..2], [Part::Known(before - 1), Part::Make(before)]);
        let told = left_out(&request, &plan.passes, &manifest);
        assert_eq!(told.is_some(), before > 1);
        assert!(told.is_none_or(|told| told.contains(&format!("the last of the {before} known frames"))));
    }
    let all = manifest_of_all_kinds();
    let request = job(9, 12, 0);
    let plan = Plan::new(&request, &all).unwrap();
    assert_eq!(plan.passes[0].parts[0], Part::Known(0), "a model that takes clips gets all of them");
    assert_eq!(left_out(&request, &plan.passes, &all), None);
}

fn manifest_of_all_kinds() -> Manifest {
    manifest("tiny_wan_vace", None)
}

#[test]
fn what_a_model_of_one_first_frame_cannot_do_is_told_with_the_nearest_that_it_can() {
    let manifest = first_only();
    let after = "frames after the generated ones";
    refused(&job(9, 12, 8), &manifest, after, "\"Extend after\", from what comes before alone");
    refused(&job(1, 12, 1), &manifest, after, "\"Extend after\"");
    refused(&job(0, 12, 9), &manifest, after, "\"Generate\", from text alone");
    refused(&request("k....k...."), &manifest, "frames amid the generated ones", "one span");
    refused(&request("....k....."), &manifest, "frames amid the generated ones", "one span");
    let mut asks = job(0, 12, 0);
    asks.references = vec![PlateId::of(b"a plate")];
    refused(&asks, &manifest, "reference pictures", "Remove the references");
}

#[test]
fn a_span_too_long_for_one_clip_is_refused_with_the_longest() {
    let manifest = first_only();
    assert_eq!(Plan::new(&job(9, 32, 0), &manifest).unwrap().windows(), [33]);
    refused(&job(9, 33, 0), &manifest, "at most 32 frames at a time here, got 33", "32 frames or fewer");
    assert_eq!(Plan::new(&job(0, 33, 0), &manifest).unwrap().windows(), [33]);
    refused(&job(0, 34, 0), &manifest, "at most 33 frames at a time here, got 34", "33 frames or fewer");
    for long in [100, 1000] {
        refused(&job(1, long, 0), &manifest, "at most 32 frames", "32 frames or fewer");
    }
    assert!(Plan::new(&job(9, 1000, 9), &manifest_of_all_kinds()).is_ok(), "keyframes hold windows together");
}

#[test]
fn a_model_of_text_alone_is_given_nothing() {
    let manifest = manifest("tiny_wan_ti2v", Some(json!([])));
    assert!(Plan::new(&job(0, 12, 0), &manifest).is_ok());
    refused(&job(9, 12, 0), &manifest, "frames before the generated ones", "\"Generate\"");
}

/// Parts of the only pass: known, make, surplus.
fn spell(plan: &Plan) -> String {
    assert_eq!(plan.passes.len(), 1);
    let letter = |part: &Part| match part {
        Part::Known(_) | Part::Guide(_) => 'k',
        Part::Make(_) => 'm',
        Part::Surplus => '-',
    };
    plan.passes[0].parts.iter().map(letter).collect()
}

#[test]
fn a_model_that_holds_whole_frames_takes_clips_on_both_sides_and_frames_amid() {
    let manifest = manifest("tiny_ltx", None);
    let plan = |request: &Request| Plan::new(request, &manifest).unwrap();
    // Known frames after begin where a clip of their own may: with the last frame of eight.
    let filled = plan(&job(9, 12, 17));
    assert_eq!(spell(&filled), format!("{}{}---{}", "k".repeat(9), "m".repeat(12), "k".repeat(9)));
    let extended = plan(&job(9, 16, 0));
    assert_eq!(spell(&extended), format!("{}{}", "k".repeat(9), "m".repeat(16)));
    assert_eq!(plan(&request("k....k....")).windows(), [17], "a picture amid");
    assert!(Plan::new(&job(9, 500, 9), &manifest).is_ok(), "keyframes hold windows together");
    let free = plan(&job(0, 25, 0));
    assert!(plan(&job(0, 16, 9)).work > free.work, "frames held beside the clip are walked too");
}

#[test]
fn what_a_model_of_whole_frames_cannot_do_is_told() {
    let manifest = manifest("tiny_ltx", None);
    let mut asks = job(9, 12, 0);
    asks.references = vec![PlateId::of(b"a plate")];
    refused(&asks, &manifest, "reference pictures", "Remove the references");
}

#[test]
fn listed_levels_are_walked_and_others_where_other_steps_are_asked_for() {
    use pickup_core::Quality;
    use pickup_samplers::Levels;
    let manifest = manifest("tiny_ltx", None);
    let mut request = job(9, 12, 0);
    request.settings.quality = Quality::Draft;
    let plan = Plan::new(&request, &manifest).unwrap();
    assert_eq!(plan.levels, Levels::Given(manifest.presets.draft.sigmas.clone().unwrap()));
    assert!(!plan.is_guided());
    request.settings.steps = Some(5);
    assert_eq!(Plan::new(&request, &manifest).unwrap().levels, Levels::LinearQuadratic { steps: 5 });
    request.settings.quality = Quality::Final;
    request.settings.steps = None;
    let plan = Plan::new(&request, &manifest).unwrap();
    assert_eq!(
        (plan.levels, plan.guidance.scale, plan.guidance.rescale),
        (Levels::LinearQuadratic { steps: 20 }, 3.0, 0.3)
    );
}
