//! Saved projects that are committed: what an earlier version wrote is read for ever.
//!
//! `tests/project` holds a project of state version 2 with two takes, the same of version 1 with its one
//! take, and the store that both were made in. They were written by this version's plugin through the test host:
//! a gap of frames 8 to 11 of the footage at 64×48, the tiny model, seeds 1 and 2, one step.

use pickup_e2e::{Bench, Footage, Played, Scene, copy_folder, figure, media};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SIZE: (u32, u32) = (64, 48);
const SPAN: (i64, i64) = (8, 11);

fn golden(name: &str) -> PathBuf {
    media().ancestors().nth(2).map(|tests| tests.join("project").join(name)).unwrap_or_default()
}

fn scene(footage: &Footage) -> Scene {
    Scene::fill(SIZE, (0, 19)).pictures(0, &footage.pattern(), 0, 8).pictures(12, &footage.pattern(), 12, 8)
}

/// A machine without any model, on which the golden store lies.
fn machine() -> (Bench, Footage) {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    copy_folder(&golden("store"), &bench.path("store"));
    (bench, footage)
}

fn open(bench: &Bench, scene: Scene, project: &Path) -> Played {
    let nowhere = bench.path("nowhere");
    let setup = [("PICKUP_WORKER", Some(nowhere.as_os_str())), ("PICKUP_MODELS", Some(nowhere.as_os_str()))];
    bench.play_with(&scene_with(scene, project), &setup)
}

fn scene_with(scene: Scene, project: &Path) -> Scene {
    let first = scene.step(json!({"load": project})).look(SPAN).get();
    first.set("take", 1).look(SPAN).get()
}

fn hashes(played: &Played) -> Vec<Vec<String>> {
    let of = |step: &&pickup_test_host::report::StepReport| {
        step.frames.iter().map(|frame| frame.hash.clone().unwrap_or_default()).collect()
    };
    played.renders().iter().map(of).collect()
}

/// The hashes of the frames of seeds 1 and 2, as they were when the project was saved.
fn saved_hashes() -> Vec<Vec<String>> {
    serde_json::from_slice(&std::fs::read(golden("frames.json")).unwrap_or_default()).unwrap_or_default()
}

#[test]
fn acceptance_hosts_a_project_with_alternatives_shows_the_frames_it_was_saved_with() {
    let (bench, footage) = machine();
    let played = open(&bench, scene(&footage), &golden("version-2.json"));
    let [first, second] = saved_hashes().try_into().unwrap_or_default();
    assert_eq!(first.len(), 4);
    assert_ne!(first, second);
    assert_eq!(hashes(&played), [second, first]);
    assert!(played.statuses()[1].contains("(1 of 2)"), "{:?}", played.statuses());
    figure("the committed project of state version 2: its frames", "as they were saved", "the same");
}

#[test]
fn acceptance_hosts_a_project_of_the_first_version_shows_its_one_take() {
    let (bench, footage) = machine();
    let played = open(&bench, scene(&footage), &golden("version-1.json"));
    let [first, _] = saved_hashes().try_into().unwrap_or_default();
    assert_eq!(hashes(&played), [first.clone(), first]);
    figure("the committed project of state version 1: its frames", "as they were saved", "the same");
}

#[test]
fn without_the_store_a_slate_is_shown_and_the_project_is_left_as_it_is() {
    let (bench, footage) = machine();
    std::fs::remove_dir_all(bench.path("store")).unwrap_or_default();
    let saved = bench.path("saved.json");
    let raw = bench.path("raw").join("%06d.raw");
    let project = golden("version-2.json");
    let scene = scene(&footage).step(json!({"load": project})).render(SPAN, &raw);
    bench.play(&scene.step(json!({"save": saved})));
    let state = |file: &Path| -> Value {
        let text = std::fs::read(file).unwrap_or_default();
        let project: Value = serde_json::from_slice(&text).unwrap_or_default();
        project["takeState"].clone()
    };
    assert!(state(&project).is_string());
    assert_eq!(state(&saved), state(&project));
    let shown = saved_hashes();
    let slate = std::fs::read(bench.path("raw").join("000008.raw")).unwrap_or_default();
    assert!(!slate.is_empty() && slate.chunks(4).all(|pixel| pixel[0] < 200), "a quiet slate");
    let hash = blake3::hash(&slate).to_string();
    assert!(shown.iter().flatten().all(|frame| *frame != hash));
}
