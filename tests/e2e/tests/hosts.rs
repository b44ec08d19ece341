//! The plugin in every host: random legal actions, and known frames that leave as they came.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, FILL, Footage, GENERATE, Played, Scene, figure, tiny_package};
use pickup_test_host::Profile;
use pickup_test_host::plan::{Context, Depth};
use serde_json::json;
use std::ffi::OsStr;

const SIZE: (u32, u32) = (64, 40);
const SPAN: (i64, i64) = (4, 6);
const ALL: (i64, i64) = (0, 9);
/// Parameters without which nothing would be made, or made slowly.
const FIXED: [&str; 7] = ["model", "steps", "guidance", "contextFrames", "spanStart", "spanEnd", "takeState"];

/// Calls of actions in one fuzzed run: the acceptance run plays many, the suite some.
fn actions() -> u64 {
    if std::env::var_os("PICKUP_ACCEPT").is_some() { 10_000 } else { 300 }
}

/// What the sequence comes from: 7, or `PICKUP_FUZZ_SEED`, by which a run that failed is run again.
fn seed() -> u64 {
    std::env::var("PICKUP_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7)
}

/// The plugin's name in the contexts that it offers.
fn plugin(context: Context) -> Option<&'static str> {
    match context {
        Context::Filter => Some(FILL),
        Context::Generator => Some(GENERATE),
        Context::General | Context::Transition => None,
    }
}

fn scene(profile: Profile, context: Context, depth: Depth, footage: &Footage) -> Scene {
    let scene = match context {
        Context::Generator => Scene::generate(SIZE),
        _ => {
            Scene::fill(SIZE, ALL).pictures(0, &footage.pattern(), 0, 4).pictures(7, &footage.pattern(), 7, 3)
        }
    };
    scene
        .profile(json!(profile))
        .project("depth", json!(depth))
        .project("range", json!([ALL.0, ALL.1]))
        .with("model", "tiny-wan-vace")
        .span(SPAN.0, SPAN.1)
}

fn play(bench: &Bench, scene: &Scene) -> Played {
    let models = tiny_package().parent().unwrap().to_owned();
    bench.play_with(
        scene,
        &[("PICKUP_MODELS", Some(models.as_os_str())), ("PICKUP_IDLE_SECONDS", Some(OsStr::new("20")))],
    )
}

/// Every host that can run the plugin at all, with each context and depth that both offer.
fn everywhere() -> Vec<(Profile, Context, Depth)> {
    // Its text parameters leave hostDemo without any, so nothing can be done there.
    let hosts = Profile::ALL.into_iter().filter(|profile| *profile != Profile::Hostdemo);
    hosts
        .flat_map(|profile| profile.contexts().iter().map(move |&context| (profile, context)))
        .filter(|(_, context)| plugin(*context).is_some())
        .flat_map(|(profile, context)| profile.depths().iter().map(move |&depth| (profile, context, depth)))
        .collect()
}

#[test]
fn acceptance_random_actions_break_no_rule_in_any_host() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..10, SIZE);
    let (mut called, mut rendered) = (0, 0);
    for (profile, context, depth) in everywhere() {
        // Depths share the paths that threads take; each is played, the largest for long.
        let whole = Some(&depth) == profile.depths().last();
        let count = if whole { actions() } else { 300 };
        let fuzz = json!({"fuzz": {"seed": seed(), "actions": count, "threads": 8, "fixed": FIXED}});
        println!("{profile:?} {context:?} {depth:?}, seed {}", seed());
        let played = play(&bench, &scene(profile, context, depth, &footage).step(fuzz));
        let done = &played.report.steps[0].values;
        called += done["actions"].as_u64().unwrap();
        rendered += done["frames"].as_u64().unwrap();
        let left = played.report.left;
        // A host that does not unload takes the worker with it when it ends.
        if profile != Profile::Mlt {
            assert_eq!((left.files_after, left.processes), (left.files_before, 0), "{profile:?} {context:?}");
        }
    }
    assert!(bench.store().unfinished().is_empty(), "{:?}", bench.store().unfinished());
    figure(
        "random actions in all hosts: rules broken",
        format!("0 in {called} actions, {rendered} frames"),
        0,
    );
    assert!(called >= 300);
}

#[test]
fn acceptance_known_frames_are_bit_exact_in_every_host() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..10, SIZE);
    let filters = everywhere().into_iter().filter(|(_, context, _)| *context == Context::Filter);
    let mut seen = 0;
    for (profile, context, depth) in filters {
        let raw = |what: &str| bench.path(&format!("{what} {profile:?} {depth:?}"));
        let plain = scene(profile, context, depth, &footage);
        let made = if profile.has_buttons() { plain.press(SPAN.0) } else { plain };
        play(&bench, &made.render(ALL, &raw("here").join("%06d.raw")));
        // What the depth makes of the files, by a host in which nothing is done to them.
        let alone = Scene::fill(SIZE, ALL)
            .project("depth", json!(depth))
            .pictures(0, &footage.pattern(), 0, 10)
            .render(ALL, &raw("alone").join("%06d.raw"));
        bench.play(&alone);
        for frame in ALL.0..=ALL.1 {
            let [here, alone] = ["here", "alone"]
                .map(|what| std::fs::read(raw(what).join(format!("{frame:06}.raw"))).unwrap());
            let known = !(SPAN.0..=SPAN.1).contains(&frame);
            assert_eq!(here == alone, known, "{profile:?} {depth:?} frame {frame}");
            seen += usize::from(known);
        }
    }
    figure("known frames bit-exact in all hosts and depths", seen, "all");
}

#[test]
fn a_host_that_finds_no_parameter_gets_errors_and_lives() {
    let bench = Bench::new();
    let scene = Scene::fill(SIZE, ALL).profile("hostdemo");
    let scene = scene.step(json!({"render": {"from": 0, "to": 1, "expect": "failed"}}));
    let played = bench.try_play(&scene, &[]);
    assert!(played.report.violations.is_empty(), "{:?}", played.report.violations);
    assert!(!played.report.failures.is_empty() && played.code == Some(4), "{:?}", played.report.failures);
}
