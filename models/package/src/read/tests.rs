use super::*;
use crate::testing;
use proptest::prelude::*;
use serde_json::{Value, json};

fn parsed(value: &Value) -> Result<Manifest> {
    parse("m.json", value.to_string().as_bytes())
}

/// The example with the value at a JSON pointer replaced, or taken out.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut manifest = testing::manifest();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = manifest.pointer_mut(parent).unwrap();
    match value {
        Some(value) => parent[key] = value,
        None => drop(parent.as_object_mut().unwrap().remove(key).unwrap()),
    }
    manifest
}

/// JSON pointers of all fields, those of objects and of what they hold.
fn fields(value: &Value, prefix: &str, out: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let pointer = format!("{prefix}/{key}");
        if pointer != "/files" {
            fields(inner, &pointer, out);
        }
        out.push(pointer);
    }
}

fn field_name(pointer: &str) -> String {
    pointer[1..].replace('/', ".")
}

#[test]
fn the_example_is_good() {
    let manifest = parsed(&testing::manifest()).unwrap();
    assert_eq!(serde_json::to_value(&manifest).unwrap(), testing::manifest(), "nothing is lost on the way");
    assert_eq!(manifest.limits.length_for(6), 9);
    assert_eq!(manifest.limits.length_for(1), 5);
    assert_eq!(manifest.limits.length_for(81), 81);
    assert!(manifest.limits.allows_length(13) && !manifest.limits.allows_length(12));
}

#[test]
fn a_preset_for_continuing_takes_the_place_of_both_qualities_where_frames_are_known() {
    use pickup_core::Quality::{Draft, Final};
    let plain = parsed(&testing::manifest()).unwrap().presets;
    assert_eq!((plain.of(Draft, true), plain.of(Final, true)), (&plain.draft, &plain.full));
    let own = with("/presets/continuing", Some(json!({"steps": 3, "guidance": 1.0})));
    let presets = parsed(&own).unwrap().presets;
    assert_eq!((presets.of(Draft, true).steps, presets.of(Final, true).steps), (3, 3));
    assert_eq!((presets.of(Draft, false), presets.of(Final, false)), (&plain.draft, &plain.full));
    let wrong = with("/presets/continuing", Some(json!({"steps": 0, "guidance": 1.0})));
    assert!(parsed(&wrong).unwrap_err().message.contains("presets.continuing.steps"));
}

#[test]
fn a_model_without_control_takes_no_references() {
    let controlled = parsed(&testing::manifest()).unwrap();
    assert_eq!((controlled.control.is_some(), controlled.max_references()), (true, 2));
    let plain = with("/control", None);
    let manifest = parsed(&plain).unwrap();
    assert_eq!((manifest.control.is_some(), manifest.max_references()), (false, 0));
    assert_eq!(serde_json::to_value(&manifest).unwrap(), plain, "it stays left out");
}

#[test]
fn what_a_model_takes_includes_what_is_easier() {
    use crate::Conditioning::{ClipEnd, ClipStart, First, Keyframe, Last, Mask, Reference};
    let all = [First, Last, ClipStart, ClipEnd, Keyframe, Mask, Reference];
    let taken = |kind: &str| {
        let manifest = parsed(&with("/conditioning", Some(json!([kind])))).unwrap();
        all.into_iter().filter(|kind| manifest.takes(*kind)).collect::<Vec<_>>()
    };
    assert_eq!(taken("first"), [First]);
    assert_eq!(taken("clip_end"), [Last, ClipEnd]);
    assert_eq!(taken("keyframe"), [First, Last, ClipStart, ClipEnd, Keyframe]);
    assert_eq!(taken("reference"), [Reference]);
}

/// The example with `fields` on top.
fn plus(fields: &[(&str, Value)]) -> Value {
    let mut manifest = testing::manifest();
    for (pointer, value) in fields {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        manifest.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    manifest
}

#[test]
fn a_model_that_holds_tokens_says_how() {
    let held = ("/held", json!({"strength": 0.5, "noise": 0.25}));
    let decode = ("/decode", json!({"timestep": 0.125, "noise": 0.0}));
    let padded = ("/text/padded", json!(false));
    let full = plus(&[held, decode, padded]);
    let manifest = parsed(&full).unwrap();
    assert_eq!(manifest.held.as_ref().unwrap().strength, 0.5);
    assert!(!manifest.text.padded && parsed(&testing::manifest()).unwrap().text.padded);
    assert_eq!(serde_json::to_value(&manifest).unwrap(), full);
    for (pointer, value) in [
        ("/held", json!({"strength": 0.0, "noise": 0.0})),
        ("/held", json!({"strength": 1.5, "noise": 0.0})),
        ("/held", json!({"strength": 1.0, "noise": 1.5})),
        ("/decode", json!({"timestep": 2.0, "noise": 0.0})),
        ("/decode", json!({"timestep": 0.0, "noise": -0.5})),
    ] {
        let error = parsed(&plus(&[(pointer, value.clone())])).unwrap_err();
        assert!(error.message.contains(&pointer[1..]), "{value}: {error}");
    }
}

#[test]
fn golden_values_lie_in_the_package_and_have_a_bound() {
    let mut full = testing::manifest();
    let record = full["files"]["LICENSE"].clone();
    full["files"]["golden/0/expected.npy"] = record;
    let spec = json!({"cases": ["golden/0"], "bound": 0.5});
    full["golden"] =
        json!({"text_encoder": spec, "transformer": spec, "vae_encoder": spec, "vae_decoder": spec});
    let manifest = parsed(&full).unwrap();
    assert_eq!(manifest.golden.as_ref().unwrap().entries().len(), 4);
    assert_eq!(serde_json::to_value(&manifest).unwrap(), full);
    assert!(parsed(&testing::manifest()).unwrap().golden.is_none());
    for (field, value) in [
        ("cases", json!([])),
        ("cases", json!(["golden/0", "golden/1"])),
        ("cases", json!(["../golden/0"])),
        ("bound", json!(0.0)),
        ("bound", json!(1.5)),
    ] {
        let mut wrong = full.clone();
        wrong["golden"]["vae_encoder"][field] = value.clone();
        let error = parsed(&wrong).unwrap_err();
        assert!(error.message.contains(&format!("golden.vae_encoder.{field}")), "{value}: {error}");
    }
}

#[test]
fn a_vae_is_stepped_in_both_directions_or_in_none() {
    let mut whole = with("/graphs/vae_enc_next", None);
    let error = parsed(&whole).unwrap_err();
    assert!(error.message.contains("graphs.vae_enc_next"), "{error}");
    whole["graphs"].as_object_mut().unwrap().remove("vae_dec_next");
    let manifest = parsed(&whole).unwrap();
    assert!(!manifest.graphs.is_stepped() && manifest.graphs.kinds().count() == 4);
    let error = parsed(&with("/graphs/vae_dec_next", None)).unwrap_err();
    assert!(error.message.contains("graphs.vae_dec_next"), "{error}");
}

#[test]
fn a_decoder_may_have_two_stages_both_in_steps_or_neither() {
    let mut two = testing::manifest();
    let path = two["graphs"]["vae_dec_first"].clone();
    two["graphs"]["vae_mid_first"] = path.clone();
    let error = parsed(&two).unwrap_err();
    assert!(error.message.contains("graphs.vae_mid_next"), "{error}");
    two["graphs"]["vae_mid_next"] = path.clone();
    assert_eq!(parsed(&two).unwrap().graphs.kinds().count(), 8);
    two["graphs"].as_object_mut().unwrap().remove("vae_mid_first");
    let error = parsed(&two).unwrap_err();
    assert!(error.message.contains("graphs.vae_mid_next"), "{error}");
}

#[test]
fn what_a_component_holds_is_a_number_of_bytes() {
    let demand = json!({"resident": 1000, "least": 3000, "idle": 900, "each": 0.5, "kept": 2.5});
    let all = json!({"text_encoder": {"resident": 7}, "transformer": demand, "vae_encoder": demand, "vae_decoder": demand});
    let full = plus(&[("/memory", all.clone())]);
    let manifest = parsed(&full).unwrap();
    assert_eq!(serde_json::to_value(&manifest).unwrap(), full);
    assert_eq!(manifest.gpu_memory, None);
    let memory = manifest.memory.unwrap();
    assert_eq!(memory.of(crate::Component::TextEncoder).resident, 7);
    for (field, value) in [
        ("resident", json!(-1)),
        ("least", json!(-1)),
        ("idle", json!(1001)),
        ("each", json!(-0.5)),
        ("kept", json!(1e14)),
    ] {
        let mut wrong = all.clone();
        wrong["vae_decoder"][field] = value.clone();
        let wrong_again = wrong.clone();
        let error = parsed(&plus(&[("/memory", wrong)])).unwrap_err();
        assert!(error.message.contains(&format!("memory.vae_decoder.{field}")), "{value}: {error}");
        let error = parsed(&plus(&[("/gpu_memory", wrong_again)])).unwrap_err();
        assert!(error.message.contains(&format!("gpu_memory.vae_decoder.{field}")), "{value}: {error}");
    }
}

#[test]
fn a_preset_may_list_its_levels_and_limit_its_guidance() {
    let preset = json!({
        "steps": 3, "guidance": 2.0, "scale": 0.5, "guidance_rescale": 0.5, "guidance_interval": [0.25, 0.75], "sigmas": [1.0, 0.5, 0.25]
    });
    let full = plus(&[("/presets/draft", preset.clone())]);
    assert_eq!(serde_json::to_value(parsed(&full).unwrap()).unwrap(), full);
    for (field, value) in [
        ("sigmas", json!([1.0, 0.5])),
        ("sigmas", json!([1.0, 0.5, 0.5])),
        ("sigmas", json!([1.0, 0.5, 0.0])),
        ("sigmas", json!([1.5, 0.5, 0.25])),
        ("scale", json!(0.05)),
        ("guidance_rescale", json!(1.5)),
        ("guidance_interval", json!([0.5, 0.5])),
        ("guidance_interval", json!([-0.5, 0.5])),
        ("guidance_interval", json!([0.0, 1.5])),
    ] {
        let mut wrong = preset.clone();
        wrong[field] = value.clone();
        let error = parsed(&plus(&[("/presets/draft", wrong)])).unwrap_err();
        assert!(error.message.contains(&format!("presets.draft.{field}")), "{value}: {error}");
    }
}

#[test]
fn a_sampler_that_cannot_be_is_refused() {
    let sampler = |fields: &[(&str, Value)]| parsed(&plus(fields)).map_err(|error| error.message);
    let kind = |kind: &str| ("/sampler/kind", json!(kind));
    let curved = ("/sampler/schedule", json!("linear_quadratic"));
    assert!(sampler(&[kind("dpm_plus_plus")]).is_ok());
    assert!(
        sampler(&[kind("dpm_plus_plus"), ("/sampler/order", json!(3))])
            .unwrap_err()
            .contains("sampler.order")
    );
    assert!(sampler(&[curved.clone(), ("/sampler/shift", json!(1.0))]).is_ok());
    assert!(sampler(&[curved]).unwrap_err().contains("sampler.shift"));
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let mut all = vec![];
    fields(&testing::manifest(), "", &mut all);
    assert!(all.len() > 50);
    for pointer in all {
        let wrong =
            if testing::manifest().pointer(&pointer).unwrap().is_string() { json!(7) } else { json!("x") };
        let error = parsed(&with(&pointer, Some(wrong))).unwrap_err();
        let name = field_name(&pointer);
        assert!(error.message.starts_with("m.json: ") && error.message.contains(&name), "{name}: {error}");
        assert_eq!(error.kind, pickup_core::ErrorKind::Model);
    }
}

#[test]
fn a_missing_or_unknown_field_is_named() {
    let mut all = vec![];
    fields(&testing::manifest(), "", &mut all);
    let optional = |pointer: &String| ["/sampler/order", "/control"].contains(&pointer.as_str());
    for pointer in all.iter().filter(|pointer| !optional(pointer)) {
        let error = parsed(&with(pointer, None)).unwrap_err();
        let key = pointer.rsplit('/').next().unwrap();
        assert!(error.message.contains(key), "{pointer}: {error}");
    }
    for pointer in
        ["/extra", "/limits/extra", "/presets/final/extra", "/graphs/extra", "/files/LICENSE/extra"]
    {
        let error = parsed(&with(pointer, Some(json!(1)))).unwrap_err();
        assert!(error.message.contains("extra"), "{error}");
    }
}

#[test]
fn a_value_out_of_range_is_named_with_what_was_found() {
    let long = "x".repeat(300);
    for (pointer, value) in [
        ("/name", json!("")),
        ("/name", json!("Upper")),
        ("/name", json!("../up")),
        ("/name", json!("nul")),
        ("/title", json!(" ")),
        ("/title", json!(long)),
        ("/version", json!("1\n2")),
        ("/family", json!("")),
        ("/licence/spdx", json!("")),
        ("/licence/file", json!("NOTICE")),
        ("/source/origin", json!("")),
        ("/source/revision", json!("")),
        ("/dtype", json!("bf16")),
        ("/opset", json!(16)),
        ("/graphs/transformer", json!("/etc/passwd")),
        ("/graphs/vae_dec_next", json!("other.onnx")),
        ("/tokenizer/file", json!("../tokenizer.json")),
        ("/tokenizer/max_tokens", json!(0)),
        ("/text/width", json!(0)),
        ("/latent/channels", json!(0)),
        ("/latent/spatial", json!(0)),
        ("/latent/temporal", json!(65)),
        ("/control/layers", json!(0)),
        ("/control/scale", json!(-0.5)),
        ("/control/max_references", json!(65)),
        ("/limits/size_multiple", json!(12)),
        ("/limits/frame_multiple", json!(0)),
        ("/limits/frame_offset", json!(1000)),
        ("/limits/min_frames", json!(4)),
        ("/limits/min_frames", json!(85)),
        ("/limits/max_frames", json!(80)),
        ("/limits/max_pixels", json!(8)),
        ("/limits/native_pixels", json!(500_000)),
        ("/limits/min_side", json!(2000)),
        ("/limits/max_side", json!(20_000)),
        ("/frame_rate/native", json!([16, 0])),
        ("/conditioning", json!(["first", "first"])),
        ("/conditioning", json!(["audio"])),
        ("/sampler/kind", json!("ddim")),
        ("/sampler/order", json!(4)),
        ("/sampler/shift", json!(0.0)),
        ("/sampler/train_timesteps", json!(0)),
        ("/presets/draft/steps", json!(0)),
        ("/presets/final/guidance", json!(0.5)),
        ("/files/LICENSE/sha256", json!("AB")),
        ("/files/LICENSE/bytes", json!(-1)),
    ] {
        let error = parsed(&with(pointer, Some(value.clone()))).expect_err(pointer);
        let key = pointer.rsplit('/').next().unwrap();
        assert!(error.message.contains(key), "{pointer} = {value}: {error}");
        assert!(error.message.contains("expected"), "{error}");
    }
}

#[test]
fn paths_of_files_are_checked() {
    for path in ["../up", "/abs", "C:\\x", "a/../../b", "manifest.json", "MANIFEST.JSON", "nul", "a\\b"] {
        let mut manifest = testing::manifest();
        manifest["files"][path] = manifest["files"]["LICENSE"].clone();
        let error = parsed(&manifest).unwrap_err();
        assert!(error.message.contains("field `files["), "{path}: {error}");
    }
    let mut manifest = testing::manifest();
    manifest["files"]["license"] = manifest["files"]["LICENSE"].clone();
    assert!(parsed(&manifest).unwrap_err().message.contains("case"));
}

#[test]
fn a_newer_format_is_told_apart() {
    let mut manifest = with("/format", Some(json!(2)));
    manifest["something_new"] = json!(true);
    let error = parsed(&manifest).unwrap_err();
    assert!(error.message.contains("field `format`: expected 1, found 2"), "{error}");
    assert!(error.hint.contains("newer"), "{}", error.hint);
    assert!(!parsed(&with("/format", Some(json!(0)))).unwrap_err().hint.contains("newer"));
    for text in ["", "[]", "{", "null", "{\"format\":1}x"] {
        assert!(parse("m.json", text.as_bytes()).is_err(), "{text:?}");
    }
    let twice = testing::manifest().to_string().replacen('{', "{\"opset\":20,", 1);
    assert!(parse("m.json", twice.as_bytes()).is_err(), "a field given twice");
}

/// The types and the schema say the same. `PICKUP_WRITE_SCHEMA=1` writes it anew.
#[test]
fn the_schema_is_in_step() {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Manifest)).unwrap() + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.schema.json");
    if std::env::var_os("PICKUP_WRITE_SCHEMA").is_some() {
        std::fs::write(file, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap().replace("\r\n", "\n");
    assert!(committed == schema, "manifest.schema.json is behind; run with PICKUP_WRITE_SCHEMA=1");
}

#[test]
fn every_field_is_described() {
    let schema: Value = serde_json::from_str(crate::SCHEMA).unwrap();
    let described = |properties: &Value| {
        for (name, field) in properties.as_object().unwrap() {
            assert!(field["description"].as_str().is_some_and(|text| text.len() > 4), "{name}");
        }
        properties.as_object().unwrap().len()
    };
    let mut count = described(&schema["properties"]);
    for definition in schema["$defs"].as_object().unwrap().values() {
        count += definition.get("properties").map_or(0, described);
    }
    let mut all = vec![];
    fields(&testing::manifest(), "", &mut all);
    // Left out of the example: `held` and `decode` with two fields each, a text's `padded`, a sampler's `schedule`,
    // a preset's scale, rescale, interval and levels, the preset for continuing, a text's `weights`, `golden` with four
    // components of two fields, `memory` with four of five, `gpu_memory` of the same type, and the two graphs of a
    // decoder's first stage.
    let left_out = 3 + 3 + 1 + 1 + 4 + 1 + 1 + (1 + 4 + 2) + (1 + 4 + 5) + 1 + 2;
    // Both presets are of one type; a file's record is not among the fields.
    assert_eq!(count, all.len() - 2 + 2 + left_out);
}

proptest! {
    /// Whatever the bytes are, there is an answer and never a panic.
    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,200}") {
        prop_assert!(parse("m.json", text.as_bytes()).is_err());
    }

    /// A good manifest with a few bytes changed is refused by name, or still good.
    #[test]
    fn changed_bytes_get_an_answer(at in 0_usize..2000, byte: u8) {
        let mut text = testing::manifest().to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        if let Err(error) = parse("m.json", &text) {
            prop_assert!(error.message.starts_with("m.json: "));
        }
    }
}
