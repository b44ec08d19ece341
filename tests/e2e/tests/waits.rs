//! What an editor waits for, call by call, at full HD: only a job may take long, whatever the worker does.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Scene, Setup, figure, median};
use pickup_test_host::report::{CallReport, ParameterReport};
use serde_json::json;
use std::ffi::OsStr;

const SIZE: (u32, u32) = (1920, 1080);
const ALL: (i64, i64) = (0, 9);
const SPAN: (i64, i64) = (4, 6);
/// The longest that a call may take beyond the copy of its image, in milliseconds: a sixtieth of a second.
const BOUND: f64 = 16.0;
/// The button that may take long.
const JOB: &str = "generate";
/// The others, with what comes of each: Estimate is pressed while no answer can be there, and once more.
const BUTTONS: [(&str, &str); 5] =
    [("keep", "ok"), ("cancel", "ok"), ("estimate", "ok"), ("estimate", "ok"), ("findGap", "ok")];

/// A clip of ten frames with a gap in it.
fn gap(footage: &Footage, depth: &str) -> Scene {
    let pattern = footage.pattern();
    let scene = Scene::fill(SIZE, ALL).pictures(0, &pattern, 0, 4).pictures(7, &pattern, 7, 3);
    scene.project("depth", depth).span(SPAN.0, SPAN.1).measured()
}

/// Every call that is no job: renders of all frames, each parameter set by the user, buttons, saving, a new instance.
fn everything(
    scene: Scene,
    parameters: &[ParameterReport],
    buttons: &[(&str, &str)],
    bench: &Bench,
) -> Scene {
    let scene = (0..4).fold(scene, |scene, _| scene.look(ALL));
    let scene = parameters
        .iter()
        .filter(|parameter| is_set(parameter))
        .fold(scene, |scene, parameter| scene.step(json!({"set": {&parameter.name: parameter.default}})));
    let press = |scene: Scene, (button, comes): &(&str, &str)| {
        scene.step(json!({"press": button, "time": SPAN.0, "expect": comes}))
    };
    let scene = buttons.iter().fold(scene, press);
    let scene = scene.set("take", 1).step(json!({"save": bench.path("project.json")}));
    scene.step(json!({"recreate": true})).look(ALL)
}

/// Whether a user could set it. The state of the takes is written by the plugin alone.
fn is_set(parameter: &ParameterReport) -> bool {
    let valueless = ["Group", "Page", "PushButton"].iter().any(|kind| parameter.kind.ends_with(kind));
    !valueless && parameter.name != "takeState"
}

/// Judges each call beyond the copy of its images, and prints the longest and the middle one, and the longest of the
/// buttons that ask and of Unload.
fn judge(what: &str, calls: &[CallReport]) -> bool {
    let beyond = |call: &CallReport| call.ms - call.copy_ms;
    let about = |call: &CallReport| {
        let name = call.action.trim_start_matches("OfxImageEffectAction").trim_start_matches("OfxAction");
        format!(
            "{:.1} ms: {name} {} at {}, copy {:.1} ms",
            beyond(call),
            call.subject,
            call.time,
            call.copy_ms
        )
    };
    let calls: Vec<_> = calls.iter().filter(|call| call.subject != JOB).collect();
    let of = |named: &dyn Fn(&CallReport) -> bool| -> Vec<f64> {
        calls.iter().filter(|call| named(call)).map(|call| beyond(call)).collect()
    };
    let longest = calls.iter().max_by(|a, b| beyond(a).total_cmp(&beyond(b))).unwrap();
    let middle = median(of(&|call| call.action == "OfxImageEffectActionRender"));
    let asked = ["estimate", "findGap"].map(|name| (name, of(&|call| call.subject == name)));
    let unload = ("Unload", of(&|call| call.action == "OfxActionUnload"));
    let apart: Vec<String> = asked
        .iter()
        .chain([&unload])
        .map(|(name, times)| {
            assert!(!times.is_empty(), "{what}: {name} was not measured");
            format!("{name} {:.1} ms", times.iter().copied().fold(f64::MIN, f64::max))
        })
        .collect();
    figure(
        &format!("calls at 1920×1080 but Generate, {what}: the longest of {} beyond its copies", calls.len()),
        format!("{}; median of renders {middle:.1} ms; {}", about(longest), apart.join(", ")),
        format!("≤ {BOUND} ms"),
    );
    for call in calls.iter().filter(|call| beyond(call) > BOUND) {
        println!("{what}: {}", about(call));
    }
    beyond(longest) <= BOUND
}

fn fault(how: &str) -> [(&'static str, Option<&OsStr>); 1] {
    [("PICKUP_FAULT", Some(OsStr::new(how)))]
}

#[test]
#[ignore = "measures: cargo xtask accept hosts"]
fn acceptance_hosts_nothing_but_a_job_lets_the_host_wait() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..10, SIZE);
    let parameters = bench.play(&gap(&footage, "float")).report.plugin.parameters;
    assert!(parameters.iter().filter(|parameter| is_set(parameter)).count() > 20);
    let held = |what: &str, scene: Scene, setup: Setup<'_>| {
        judge(what, &bench.play_with(&scene, setup).report.calls)
    };
    let all = |scene: Scene| everything(scene, &parameters, &BUTTONS, &bench);
    let project = bench.path("taken.json");
    let load = |scene: Scene| scene.step(json!({"load": project}));
    let float = || gap(&footage, "float");
    let dead = |scene: Scene| all(scene.set("seed", 5).press_in_vain(SPAN.0));
    // A worker in the middle of a job that answers nothing.
    let busy = |scene: Scene| {
        let then = all(Scene::fill(SIZE, ALL));
        scene.set("seed", 5).meanwhile(SPAN.0, 5.0, &then)
    };
    let (aborts, stalls) = (fault("abort@denoise"), fault("stall@denoise"));
    let taken = float().press(SPAN.0).step(json!({"save": project}));
    let generator = Scene::generate(SIZE).project("depth", "float").span(SPAN.0, SPAN.1).measured();
    // A generator has no frames to find a gap in.
    let alone = BUTTONS.map(|(name, comes)| (name, if name == "findGap" { "failed" } else { comes }));
    let scenes = [
        ("worker idle, a take", all(taken), &[] as Setup<'_>),
        ("no worker yet, no take", all(float()), &[]),
        ("worker dead, a take", dead(load(float())), &aborts),
        ("worker dead, no take", dead(float()), &aborts),
        ("worker busy, a take", busy(load(float())), &stalls),
        ("worker busy, no take", busy(float()), &stalls),
        ("bytes, a take", all(gap(&footage, "byte").press(SPAN.0)), &[]),
        ("black frames in the span", all(float().between("black")), &[]),
        ("frames that are remembered", all(float().project("temporal_access", false).with("job", 2)), &[]),
        ("generator, a take", everything(generator.press(SPAN.0), &parameters, &alone, &bench), &[]),
        ("a region removed", all(float().with("job", 8).span(0, 2).press(0)), &[]),
    ];
    let slow: Vec<_> =
        scenes.into_iter().filter(|(what, scene, setup)| !held(what, scene.clone(), setup)).collect();
    let names: Vec<_> = slow.iter().map(|(what, ..)| what).collect();
    assert!(slow.is_empty(), "a call let the host wait for longer than {BOUND} ms: {names:?}");
}
