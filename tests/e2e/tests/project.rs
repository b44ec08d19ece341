//! What a project keeps, and what is shown where there is no take.

use pickup_e2e::{Bench, Footage, Scene};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsStr;

const SIZE: (u32, u32) = (96, 56);
const SPAN: (i64, i64) = (8, 11);

fn scene(footage: &Footage) -> Scene {
    Scene::fill(SIZE, (0, 19)).pictures(0, &footage.pattern(), 0, 8).pictures(12, &footage.pattern(), 12, 8)
}

fn shot() -> (Bench, Footage) {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    (bench, footage)
}

/// Hashes of the frames of every render, in order.
fn hashes(played: &pickup_e2e::Played) -> Vec<Vec<String>> {
    let of = |step: &&pickup_test_host::report::StepReport| {
        step.frames.iter().map(|frame| frame.hash.clone().unwrap_or_default()).collect()
    };
    played.renders().iter().map(of).collect()
}

#[test]
fn a_saved_project_shows_its_take_again_without_a_worker() {
    let (bench, footage) = shot();
    let file = bench.path("project.json");
    let first =
        scene(&footage).press(9).look(SPAN).step(json!({"save": file})).step(json!({"recreate": true}));
    let first = bench.play(&first.look(SPAN).get());
    assert_eq!(hashes(&first)[0], hashes(&first)[1]);
    let nowhere = bench.path("nowhere");
    let setup = [("PICKUP_WORKER", Some(nowhere.as_os_str())), ("PICKUP_MODELS", Some(nowhere.as_os_str()))];
    let reopened = scene(&footage).step(json!({"load": file})).look(SPAN).get();
    // As renders of a farm run: many threads, no button.
    let second = bench.play_with(&reopened.step(json!({"threads": 4})).look(SPAN), &setup);
    for render in hashes(&second) {
        assert_eq!(render, hashes(&first)[0]);
    }
    assert_eq!(second.takes()[0], first.takes()[0]);

    // Without the store it says so on a slate, and the project keeps what it knows.
    let lost = bench.path("other store");
    let setup = [("PICKUP_STORE", Some(lost.as_os_str()))];
    let third = bench.play_with(&scene(&footage).step(json!({"load": file})).look(SPAN).get(), &setup);
    assert_ne!(hashes(&third)[0], hashes(&first)[0]);
    assert_eq!(third.takes()[0], first.takes()[0]);
}

#[test]
fn a_take_of_a_newer_version_is_left_alone() {
    let (bench, footage) = shot();
    let newer = r#"{"version":99,"takes":["a","b"]}"#;
    let played = bench.play(&scene(&footage).with("takeState", newer).look(SPAN).press_in_vain(9));
    assert!(played.statuses()[0].contains("newer"), "{:?}", played.statuses());
    let state: Value = serde_json::from_str(newer).unwrap();
    assert_eq!(played.states()[0], state);
    assert!(bench.store().takes().is_empty());
}

#[test]
fn a_final_render_makes_the_missing_take_and_the_project_keeps_it() {
    let (bench, footage) = shot();
    let file = bench.path("project.json");
    // A gap that nobody named may be meant; nothing is made for it unasked.
    bench.play(&scene(&footage).with("onRender", 1).look((0, 19)));
    assert!(bench.store().takes().is_empty());
    let batch = scene(&footage).span(SPAN.0, SPAN.1).with("onRender", 1).step(json!({"threads": 4}));
    let played = bench.play(&batch.look((0, 19)).step(json!({"save": file})));
    let takes = bench.store().takes();
    assert_eq!(takes.len(), 1, "once, for all threads");
    assert_eq!(takes[0].record["frames"], json!(SPAN.1 - SPAN.0 + 1));
    let made: BTreeSet<_> = hashes(&played)[0][8..=11].iter().cloned().collect();
    assert_eq!(made.len(), 4, "four frames, no slate");
    let reopened = bench.play(&scene(&footage).step(json!({"load": file})).look((0, 19)).get());
    assert_eq!(hashes(&reopened)[0], hashes(&played)[0]);
    assert_eq!(reopened.takes()[0], takes[0].id);
}

#[test]
fn nothing_is_made_for_a_thumbnail_a_proxy_or_somebody_watching() {
    let (bench, footage) = shot();
    // A worker that came as far as loading would fail the render.
    let setup = [("PICKUP_FAULT", Some(OsStr::new("abort@load")))];
    let mut scene = scene(&footage).span(SPAN.0, SPAN.1).with("onRender", 1);
    for flag in ["thumbnail", "interactive", "draft"] {
        scene = scene.step(json!({"render": {"from": 7, "to": 9, flag: true, "expect": "ok"}}));
    }
    for scale in [[0.5, 0.5], [0.25, 0.25]] {
        scene = scene.step(json!({"render": {"from": 7, "to": 9, "scale": scale, "expect": "ok"}}));
    }
    bench.play_with(&scene, &setup);
    assert!(bench.store().takes().is_empty());
    // The same scene at full size does make one, or here: fails at it.
    let full = scene.step(json!({"render": {"from": 8, "to": 8, "expect": "failed"}}));
    bench.play_with(&full, &setup);
}

#[test]
fn a_gap_without_a_take_shows_a_slate() {
    let (bench, footage) = shot();
    let raw = bench.path("raw").join("%06d.raw");
    let read = |frame: i64| std::fs::read(bench.path("raw").join(format!("{frame:06}.raw"))).unwrap();
    bench.play(&scene(&footage).render((7, 12), &raw));
    let slate = read(8);
    assert!(slate.chunks(4).all(|pixel| pixel[3] == 255), "opaque");
    let ground = &slate[..4];
    let ink = slate.chunks(4).filter(|pixel| pixel[0] > ground[0].saturating_add(40)).count();
    assert!(ground[0] < 60, "quiet: {ground:?}");
    assert!((20..(SIZE.0 * SIZE.1) as usize / 3).contains(&ink), "{ink} pixels of text");
    assert!((9..=11).all(|frame| read(frame) == slate), "the same on every frame");
    assert_eq!(read(7), footage.rgba(7));
    assert_eq!(read(12), footage.rgba(12));

    // A generator without a take has one everywhere.
    let played = bench.play(&Scene::generate(SIZE).span(0, 3).look((0, 3)));
    let shown: BTreeSet<_> = hashes(&played)[0].iter().cloned().collect();
    assert_eq!(shown.len(), 1);
}

#[test]
fn every_side_of_a_gap_is_found_by_itself() {
    let (bench, footage) = shot();
    // No span, no job: Auto finds the gap between the pictures, whatever fills it.
    for (index, between) in ["null", "ok_null", "black", "transparent"].into_iter().enumerate() {
        let played =
            bench.play(&scene(&footage).between(between).with("seed", index as i64).press(2).look(SPAN));
        assert_eq!(played.states()[0]["span"], json!({"first": 8, "last": 11}), "{between}");
        assert_eq!(bench.store().take(&played.takes()[0]).record["request"]["job"], json!("fill"));
        let shown: BTreeSet<_> = hashes(&played)[0].iter().cloned().collect();
        assert_eq!(shown.len(), 4, "{between}");
    }
}
