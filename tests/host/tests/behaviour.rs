//! What the host does for a plugin that behaves: pixels, times, parameters, progress, contexts.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod common;

use common::{plan, report, steps};
use half::f16;
use pickup_test_host::plan::{Context, Depth, Outcome, Project, RowOrder, Segment};
use pickup_test_host::report::{ProgressEvent, Report};
use proptest::prelude::*;
use serde_json::json;

/// What a gradient pixel is in each depth, from its 8-bit samples: the closed form.
fn expected(depth: Depth, samples: &[u8]) -> Vec<u8> {
    match depth {
        Depth::Byte => samples.to_vec(),
        Depth::Short => {
            samples.iter().flat_map(|&v| (u16::from(v) << 8 | u16::from(v)).to_ne_bytes()).collect()
        }
        Depth::Half => {
            samples.iter().flat_map(|&v| f16::from_f32(f32::from(v) / 255.0).to_ne_bytes()).collect()
        }
        Depth::Float => samples.iter().flat_map(|&v| (f32::from(v) / 255.0).to_ne_bytes()).collect(),
    }
}

/// Samples of a picture that differs in every pixel and from frame to frame.
fn samples(width: u32, height: u32, frame: u32) -> Vec<u8> {
    let pixel = |at: u32| [(at % 251) as u8, (at / 251) as u8, (frame * 40) as u8, 255];
    (0..width * height).flat_map(pixel).collect()
}

/// Writes numbered PNGs and plans a filter over them.
fn with_files(folder: &std::path::Path, width: u32, height: u32) -> pickup_test_host::Plan {
    for frame in 0..4 {
        let path = folder.join(format!("in_{frame:04}.png"));
        image::RgbaImage::from_raw(width, height, samples(width, height, frame)).unwrap().save(path).unwrap();
    }
    let mut plan = plan("none", Context::Filter);
    plan.project.width = width as i32;
    plan.project.height = height as i32;
    let frames = folder.join("in_%04d.png").to_string_lossy().into_owned();
    let clip = plan.clips.get_mut("Source").unwrap();
    clip.segments = vec![Segment { at: 3, frames: Some(frames), colour: None, first: 0, count: 4 }];
    plan
}

fn clean(report: &Report) {
    assert_eq!(report.violations, [], "{:#?}", report.failures);
    assert_eq!(report.failures, [] as [String; 0]);
}

fn round_trip(depth: Depth, order: RowOrder, padding: usize, width: u32, height: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = with_files(folder.path(), width, height);
    plan.project.depth = depth;
    plan.project.row_order = order;
    plan.project.row_padding = padding;
    let raw = folder.path().join("out_%d.raw").to_string_lossy().into_owned();
    plan.steps = steps(json!([{"render": {"from": 4, "to": 5, "raw": raw}}]));
    let report = report(&plan);
    clean(&report);
    for frame in 1..3 {
        let bytes = std::fs::read(folder.path().join(format!("out_{}.raw", frame + 3))).unwrap();
        assert!(
            bytes == expected(depth, &samples(width, height, frame)),
            "{depth:?} {order:?} frame {frame}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn known_frames_pass_bit_exact(
        depth in prop::sample::select(Depth::ALL.to_vec()),
        top_down: bool,
        padding in (0usize..40).prop_map(|units| units * 4),
        width in 1u32..40,
        height in 1u32..24,
    ) {
        let order = if top_down { RowOrder::TopDown } else { RowOrder::BottomUp };
        round_trip(depth, order, padding, width, height);
    }
}

#[test]
fn another_frame_is_another_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = with_files(folder.path(), 16, 8);
    plan.steps = steps(
        json!([{"render": {"from": 3, "to": 6}}, {"set": {"offset": 1}}, {"render": {"from": 3, "to": 5}}]),
    );
    let report = report(&plan);
    clean(&report);
    let (plain, shifted) = (&report.steps[0].frames, &report.steps[2].frames);
    assert_ne!(plain[0].hash, plain[1].hash);
    for at in 0..3 {
        assert_eq!(shifted[at].hash, plain[at + 1].hash);
        assert_eq!(shifted[at].fetched, [("Source".to_owned(), (at + 4) as f64)]);
    }
}

#[test]
fn a_press_shows_progress_and_sets_parameters() {
    let mut plan = plan("none", Context::Filter);
    plan.steps =
        steps(json!([{"press": "go", "time": 5}, {"get": ["note", "size", "mode", "gain", "bypass"]}]));
    let report = report(&plan);
    clean(&report);
    let press = &report.steps[0];
    assert_eq!((press.status.as_str(), press.outcome), ("OK", Some(Outcome::Ok)));
    assert_eq!(press.messages[0].text, "threads 6, size 1.50 -2.50, keys 0, time 5.0 in 0..9");
    let updates: Vec<f64> = press
        .progress
        .iter()
        .filter_map(|p| if let ProgressEvent::Update(f) = p.event { Some(f) } else { None })
        .collect();
    assert_eq!(updates, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
    let edits: Vec<&str> = press.plugin_edits.iter().map(|edit| edit.name.as_str()).collect();
    assert_eq!(edits, ["size", "note"]);
    assert_eq!(
        json!(report.steps[1].values),
        json!({"note": "done", "size": [1.5, -2.5], "mode": "Fast", "gain": 1.0, "bypass": false})
    );
}

#[test]
fn a_cancel_is_heard() {
    let mut plan = plan("none", Context::Filter);
    plan.steps = steps(json!([
        {"press": "go", "cancel_after": {"progress": 0.35}, "expect": "cancelled"},
        {"get": ["note"]},
        {"press": "go", "cancel_after": {"seconds": 0.004}, "expect": "cancelled"},
        {"press": "go", "expect": "cancelled"},
    ]));
    let report = report(&plan);
    assert_eq!(report.violations, []);
    assert_eq!(report.steps[1].values["note"], "cancelled");
    let last = report.steps[0].progress.iter().rev().find(|p| p.cancel).unwrap();
    assert_eq!(last.event, ProgressEvent::Update(0.4));
    assert!(report.steps[0].cancel_latency_ms.unwrap() < 1000.0);
    assert_eq!((report.steps.len(), report.failures.len()), (4, 1), "the last press was not cancelled");
}

#[test]
fn identity_gives_the_named_frame_without_a_render() {
    let mut plan = plan("none", Context::Filter);
    plan.steps = steps(
        json!([{"render": {"from": 5, "to": 6}}, {"set": {"bypass": true}}, {"render": {"from": 5, "to": 5}}]),
    );
    let report = report(&plan);
    clean(&report);
    let frame = &report.steps[2].frames[0];
    assert_eq!((frame.identity.clone(), frame.status.as_str()), (Some(("Source".to_owned(), 6.0)), ""));
    assert_eq!(frame.hash, report.steps[0].frames[1].hash);
}

#[test]
fn a_generator_renders_the_same_on_one_thread_and_four() {
    let mut plan = plan("none", Context::Generator);
    plan.project.range = Some([0, 19]);
    plan.steps =
        steps(json!([{"render": {"from": 0, "to": 19}}, {"threads": 4}, {"render": {"from": 0, "to": 19}}]));
    let report = report(&plan);
    clean(&report);
    let hashes =
        |at: usize| report.steps[at].frames.iter().map(|frame| frame.hash.clone()).collect::<Vec<_>>();
    assert_eq!(report.steps[2].threads, Some(4));
    assert_eq!(hashes(0), hashes(2));
    assert_ne!(hashes(0)[0], hashes(0)[1]);
}

#[test]
fn a_project_keeps_its_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.json");
    let mut plan = plan("none", Context::Filter);
    plan.parameters.insert("gain".to_owned(), json!(0.5));
    plan.steps = steps(json!([
        {"set": {"mode": "Slow", "note": "kept é"}}, {"save": file}, {"set": {"mode": 0, "note": "other"}},
        {"recreate": true}, {"get": ["note"]}, {"load": file}, {"get": ["note", "mode", "gain"]},
    ]));
    let report = report(&plan);
    clean(&report);
    assert_eq!(report.steps[4].values["note"], "other");
    assert_eq!(json!(report.steps[6].values), json!({"note": "kept é", "mode": "Slow", "gain": 0.5}));
    assert_eq!(report.actions.iter().filter(|action| action.action == "OfxActionCreateInstance").count(), 3);
}

#[test]
fn a_host_without_temporal_access_gives_the_same_frame_and_says_so() {
    let mut plan = plan("none", Context::Filter);
    plan.project = Project { temporal_access: false, ..plan.project };
    plan.parameters.insert("offset".to_owned(), json!(4));
    plan.steps = steps(
        json!([{"render": {"from": 3, "to": 3}}, {"set": {"offset": 0}}, {"render": {"from": 3, "to": 3}}]),
    );
    let report = report(&plan);
    assert_eq!(report.violations.len(), 1);
    assert_eq!(report.steps[0].frames[0].hash, report.steps[2].frames[0].hash);
}

#[test]
fn suites_can_be_withheld() {
    let mut plan = plan("none", Context::Filter);
    plan.without_suites = vec!["OfxProgressSuite/2".to_owned(), "OfxTimeLineSuite".to_owned()];
    plan.steps = steps(json!([{"press": "go"}]));
    let report = report(&plan);
    clean(&report);
    assert!(report.steps[0].progress.is_empty());
    assert!(!report.plugin.suites["OfxProgressSuite/2"]);
    assert!(report.plugin.suites["OfxParameterSuite/1"]);
}

#[test]
fn images_are_written_as_png_and_exr() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = with_files(folder.path(), 12, 7);
    let to = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    plan.steps = steps(json!([
        {"render": {"from": 5, "to": 5, "out": to("p%06d.png")}}, {"render": {"from": 5, "to": 5, "out": to("e%06d.exr")}},
        {"render": {"from": 5, "to": 5, "scale": [0.5, 0.5], "out": to("half%d.png")}},
    ]));
    clean(&report(&plan));
    let png = image::open(to("p000005.png")).unwrap();
    assert_eq!(png.color(), image::ColorType::Rgba16);
    assert_eq!(png.to_rgba8().into_raw(), samples(12, 7, 2));
    let exr = image::open(to("e000005.exr")).unwrap().into_rgba32f().into_raw();
    assert!(exr.iter().zip(samples(12, 7, 2)).all(|(&got, wanted)| got == f32::from(wanted) / 255.0));
    let half = image::open(to("half5.png")).unwrap();
    assert_eq!((half.width(), half.height()), (6, 4));
}

#[test]
fn mistakes_in_a_plan_are_named() {
    let told = |step: serde_json::Value| {
        serde_json::from_value::<pickup_test_host::plan::Step>(step).unwrap_err().to_string()
    };
    assert!(told(json!({"render": {"from": 0, "too": 3}})).contains("too"));
    assert!(told(json!({"rendre": {}})).contains("expected a step"));
    let mut plan = plan("none", Context::Filter);
    plan.parameters.insert("gain".to_owned(), json!("loud"));
    assert!(report(&plan).failures[0].contains("gain"));
    plan.bundle = "nowhere.ofx.bundle".into();
    assert!(pickup_test_host::run(&plan).unwrap_err().to_string().contains("nowhere"));
}

#[test]
fn describe_is_timed_and_listed() {
    let report = report(&plan("none", Context::Filter));
    clean(&report);
    let listed: Vec<&str> = report.plugin.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(listed, ["offset", "gain", "mode", "bypass", "size", "note", "go", "group", "tint"]);
    assert_eq!(report.plugin.version, [1, 2]);
    for action in [
        "OfxActionLoad",
        "OfxActionDescribe",
        "OfxImageEffectActionDescribeInContext",
        "OfxActionCreateInstance",
    ] {
        assert!(report.action_ms(action).is_some_and(|ms| ms < 1000.0), "{action}");
    }
}
