//! The plugin in every host: random legal actions, and known frames that leave as they came.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Played, Scene, figure, tiny_package};
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

fn scene(profile: Profile, context: Context, depth: Depth, footage: &Footage) -> Scene {
    let pattern = footage.pattern();
    let scene = match context {
        Context::Generator => Scene::generate(SIZE),
        Context::Filter => Scene::fill(SIZE, ALL).pictures(0, &pattern, 0, 4).pictures(7, &pattern, 7, 3),
        Context::General => Scene::within("general", &["Source"], SIZE, ALL)
            .pictures(0, &pattern, 0, 4)
            .pictures(7, &pattern, 7, 3),
        Context::Transition => Scene::within("transition", &["SourceFrom", "SourceTo"], SIZE, ALL)
            .pictures_of("SourceFrom", 0, &pattern, 0, 10)
            .pictures_of("SourceTo", 0, &pattern, 10, 10),
    };
    let scene = scene
        .profile(json!(profile))
        .project("depth", json!(depth))
        .project("range", json!([ALL.0, ALL.1]))
        .with("model", "tiny-wan-vace");
    // A transition's own length is its span.
    if context == Context::Transition { scene } else { scene.span(SPAN.0, SPAN.1) }
}

/// The raw pixels of each frame of a rendered scene.
fn pixels(bench: &Bench, name: &str, scene: Scene) -> Vec<Vec<u8>> {
    let folder = bench.path(name);
    play(bench, &scene.render(ALL, &folder.join("%06d.raw")));
    (ALL.0..=ALL.1).map(|frame| std::fs::read(folder.join(format!("{frame:06}.raw"))).unwrap()).collect()
}

/// What a depth makes of ten files, by a host in which nothing is done to them.
fn untouched(bench: &Bench, name: &str, depth: Depth, footage: &Footage, first: u32) -> Vec<Vec<u8>> {
    let scene = Scene::fill(SIZE, ALL).project("depth", json!(depth));
    pixels(bench, name, scene.pictures(0, &footage.pattern(), first, 10))
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
        .flat_map(|(profile, context)| profile.depths().iter().map(move |&depth| (profile, context, depth)))
        .collect()
}

#[test]
fn acceptance_random_actions_break_no_rule_in_any_host() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
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
    let footage = bench.footage("footage", 0..20, SIZE);
    let filters = everywhere().into_iter().filter(|(_, context, _)| *context == Context::Filter);
    let mut seen = 0;
    for (profile, context, depth) in filters {
        let plain = scene(profile, context, depth, &footage);
        let made = if profile.has_buttons() { plain.press(SPAN.0) } else { plain };
        let here = pixels(&bench, &format!("here {profile:?} {depth:?}"), made);
        let alone = untouched(&bench, &format!("alone {profile:?} {depth:?}"), depth, &footage, 0);
        for ((frame, here), alone) in (ALL.0..).zip(&here).zip(&alone) {
            let known = !(SPAN.0..=SPAN.1).contains(&frame);
            assert_eq!(here == alone, known, "{profile:?} {depth:?} frame {frame}");
            seen += usize::from(known);
        }
    }
    figure("known frames bit-exact in all hosts and depths", seen, "all");
}

#[test]
fn acceptance_a_transition_begins_with_one_clip_and_ends_with_the_other() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    for &depth in Profile::Strict.depths() {
        let scene = scene(Profile::Strict, Context::Transition, depth, &footage);
        let made = pixels(&bench, &format!("made {depth:?}"), scene.press(5));
        let from = untouched(&bench, &format!("from {depth:?}"), depth, &footage, 0);
        let to = untouched(&bench, &format!("to {depth:?}"), depth, &footage, 10);
        assert!(made[0] == from[0] && made[9] == to[9], "{depth:?}: the ends are the clips' own");
        for frame in 1..9 {
            let alone = made[frame] == from[frame] || made[frame] == to[frame];
            assert!(!alone, "{depth:?}: frame {frame} is made");
        }
    }
    figure("a transition's ends are its clips', bit for bit", Profile::Strict.depths().len(), "all");
}

#[test]
fn acceptance_general_gives_the_same_frames_as_filter_in_nuke() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    for &depth in Profile::Nuke.depths() {
        let [filter, general] = [Context::Filter, Context::General].map(|context| {
            let scene = scene(Profile::Nuke, context, depth, &footage).press(SPAN.0);
            pixels(&bench, &format!("{context:?} {depth:?}"), scene)
        });
        assert!(filter == general, "{depth:?}");
        assert!(filter[5] != untouched(&bench, &format!("alone {depth:?}"), depth, &footage, 0)[5]);
    }
    figure("General's frames are Filter's in Nuke, in depths", Profile::Nuke.depths().len(), "all");
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
