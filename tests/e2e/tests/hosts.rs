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
fn acceptance_hosts_random_actions_break_no_rule_in_any_host() {
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

/// The frames of a scene that must leave as they came, and whose they are: of the first files, or of the second ten.
fn known(context: Context) -> Vec<(i64, usize)> {
    match context {
        // It has no clips; nothing is known.
        Context::Generator => Vec::new(),
        Context::Transition => vec![(ALL.0, 0), (ALL.1, 1)],
        Context::Filter | Context::General => (ALL.0..=ALL.1)
            .filter(|frame| !(SPAN.0..=SPAN.1).contains(frame))
            .map(|frame| (frame, 0))
            .collect(),
    }
}

/// Known frames are the clip's own in each profile, context and depth; the others are nobody's. In a transition these
/// are the first and the last frame.
#[test]
fn acceptance_hosts_known_frames_are_bit_exact_in_every_host() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    let clips: Vec<_> = Profile::Strict
        .depths()
        .iter()
        .map(|depth| {
            let of = |first| untouched(&bench, &format!("alone {depth:?} {first}"), *depth, &footage, first);
            (*depth, [of(0), of(10)])
        })
        .collect();
    let mut seen = std::collections::BTreeMap::new();
    for (profile, context, depth) in everywhere() {
        let plain = scene(profile, context, depth, &footage);
        let made = if profile.has_buttons() { plain.press(SPAN.0) } else { plain };
        let here = pixels(&bench, &format!("here {profile:?} {context:?} {depth:?}"), made);
        let (_, clips) = clips.iter().find(|(of, _)| *of == depth).unwrap();
        let known = known(context);
        for (frame, here) in (ALL.0..).zip(&here) {
            let own = known.iter().find(|(known, _)| *known == frame).map(|(_, clip)| *clip);
            for (clip, alone) in clips.iter().enumerate() {
                let same = *here == alone[frame as usize];
                assert_eq!(same, own == Some(clip), "{profile:?} {context:?} {depth:?} frame {frame}");
            }
        }
        let (frames, runs) = seen.entry(format!("{context:?}")).or_insert((0, 0));
        *frames += known.len();
        *runs += 1;
    }
    for (context, (frames, runs)) in seen {
        let measured = format!("{frames} frames of {runs} profiles and depths");
        figure(&format!("known frames bit-exact, {context}"), measured, "all");
    }
}

#[test]
fn acceptance_hosts_general_gives_the_same_frames_as_filter_in_nuke() {
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
