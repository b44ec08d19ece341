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
/// What a generator is to show.
const WORDS: &str = "a red circle moving right";
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
        Context::Generator => Scene::generate(SIZE).with("prompt", WORDS),
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

/// Frames 0 to 9 of something, as a depth holds them; none where it has no frame.
type Frames = Vec<Option<Vec<u8>>>;

/// What the command line makes of words, on the frames of the span, for each depth. Each sample of its half floats is
/// the host's by the standard's own words: white is 255, 65535, 1.0.
fn typed(bench: &Bench, words: &str, depth: Depth) -> Frames {
    let out = bench.path(&format!("typed {words} {depth:?}"));
    let (folder, store) = (out.display().to_string(), bench.path("typed store").display().to_string());
    let (size, count) = (format!("{}x{}", SIZE.0, SIZE.1), (SPAN.1 - SPAN.0 + 1).to_string());
    let models = tiny_package().parent().unwrap().to_owned();
    let arguments = [
        "generate",
        "--prompt",
        words,
        "--frames",
        &count,
        "--size",
        &size,
        "--fps",
        "25",
        "--steps",
        "1",
        "--guidance",
        "1",
        "--model",
        "tiny-wan-vace",
        "--format",
        "exr",
        "--out",
        &folder,
        "--store",
        &store,
        "--json",
    ];
    bench.pickup_with(&arguments, &[("PICKUP_MODELS", Some(models.as_os_str()))]).json();
    let frame = |frame: i64| -> Option<Vec<u8>> {
        let file = out.join(format!("frame_{:06}.exr", usize::try_from(frame - SPAN.0).ok()?));
        let picture = (frame <= SPAN.1).then(|| image::open(&file).unwrap().into_rgb32f())?;
        let opaque = picture.pixels().flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2], 1.0]);
        Some(opaque.flat_map(|sample| bytes(sample, depth)).collect())
    };
    (ALL.0..=ALL.1).map(frame).collect()
}

/// A sample as a depth holds it.
fn bytes(sample: f32, depth: Depth) -> Vec<u8> {
    let code = |white: f64| (f64::from(sample).clamp(0.0, 1.0) * white + 0.5).floor();
    match depth {
        Depth::Byte => vec![code(255.0) as u8],
        Depth::Short => (code(65535.0) as u16).to_ne_bytes().to_vec(),
        Depth::Half => half::f16::from_f32(sample).to_ne_bytes().to_vec(),
        Depth::Float => sample.to_ne_bytes().to_vec(),
    }
}

/// The frames of a scene that must leave as they came, and whose they are: of the first files, of the second ten, or
/// of what the command line made.
fn known(context: Context) -> Vec<(i64, usize)> {
    match context {
        // It has no clips: what is known of it are the frames that its words make.
        Context::Generator => (SPAN.0..=SPAN.1).map(|frame| (frame, 2)).collect(),
        Context::Transition => vec![(ALL.0, 0), (ALL.1, 1)],
        Context::Filter | Context::General => (ALL.0..=ALL.1)
            .filter(|frame| !(SPAN.0..=SPAN.1).contains(frame))
            .map(|frame| (frame, 0))
            .collect(),
    }
}

/// Known frames are the clip's own in each profile, context and depth; the others are nobody's. In a transition these
/// are the first and the last frame; a generator's are those that the command line makes of the same words, and not those
/// that it makes of others.
#[test]
fn acceptance_hosts_known_frames_are_bit_exact_in_every_host() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    let clips: Vec<_> = Profile::Strict
        .depths()
        .iter()
        .map(|depth| {
            let of = |first| -> Frames {
                let name = format!("alone {depth:?} {first}");
                untouched(&bench, &name, *depth, &footage, first).into_iter().map(Some).collect()
            };
            let others = typed(&bench, "a green square", *depth);
            (*depth, [of(0), of(10), typed(&bench, WORDS, *depth), others])
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
                let same = Some(here) == alone[frame as usize].as_ref();
                assert_eq!(same, own == Some(clip), "{profile:?} {context:?} {depth:?} frame {frame}");
            }
        }
        let (frames, runs) = seen.entry(format!("{context:?}")).or_insert((0, 0));
        *frames += known.len();
        *runs += 1;
    }
    assert!(seen.len() == 4 && seen.values().all(|(frames, _)| *frames >= 20), "{seen:?}");
    for (context, (frames, runs)) in seen {
        let measured = format!("{frames} frames of {runs} profiles and depths");
        let whose =
            if context == "Generator" { "frames as the command line makes them" } else { "known frames" };
        figure(&format!("{whose} bit-exact, {context}"), measured, "all");
    }
}

/// In Nuke, which has floats only, and in every other host that offers both contexts, in each of its depths.
#[test]
fn acceptance_hosts_general_gives_the_same_frames_as_filter() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    let both = |profile: Profile| {
        [Context::Filter, Context::General].iter().all(|context| profile.contexts().contains(context))
    };
    let hosts: Vec<(Profile, Depth)> = everywhere()
        .into_iter()
        .filter(|(profile, context, _)| *context == Context::General && both(*profile))
        .map(|(profile, _, depth)| (profile, depth))
        .collect();
    for depth in Depth::ALL {
        let source = untouched(&bench, &format!("alone {depth:?}"), depth, &footage, 0);
        for &(profile, _) in hosts.iter().filter(|(_, of)| *of == depth) {
            let made = |context, seed: i64| {
                let scene = scene(profile, context, depth, &footage).with("seed", seed).press(SPAN.0);
                pixels(&bench, &format!("{profile:?} {context:?} {depth:?} {seed}"), scene)
            };
            let (filter, general) = (made(Context::Filter, 0), made(Context::General, 0));
            assert!(filter == general, "{profile:?} {depth:?}");
            let other = made(Context::General, 1);
            for frame in ALL.0 as usize..=ALL.1 as usize {
                let within = (SPAN.0 as usize..=SPAN.1 as usize).contains(&frame);
                assert_eq!(filter[frame] != source[frame], within, "{profile:?} {depth:?} frame {frame}");
                assert_eq!(filter[frame] != other[frame], within, "another seed is told: frame {frame}");
            }
        }
    }
    let nuke = hosts.iter().filter(|(profile, _)| *profile == Profile::Nuke).count();
    assert!(
        nuke == Profile::Nuke.depths().len()
            && Depth::ALL.iter().all(|d| hosts.iter().any(|(_, of)| of == d))
    );
    let measured =
        format!("the same in {} hosts and depths, all 4 depths among them, Nuke's {nuke}", hosts.len());
    figure("General's frames are Filter's, all 10 of each", measured, "all");
}

/// Where no button can be pressed, another take is made after a change, and the first one is there again after it was
/// taken back; a render that cannot make its take says so in the picture.
#[test]
fn without_buttons_a_change_makes_another_take_and_what_is_missing_is_told() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    let scene = Scene::fill(SIZE, ALL).pictures(0, &footage.pattern(), 0, 4).between("black");
    let scene = scene.profile("mlt").with("model", "tiny-wan-vace").with("job", 2).span(SPAN.0, SPAN.1);
    let raw = |name: &str| bench.path(name).join("%06d.raw");
    let told = scene.with("onRender", 1).render(SPAN, &raw("told"));
    let made = told.look((0, 3)).render(SPAN, &raw("one"));
    let changed = made.set("prompt", "a boat").render(SPAN, &raw("other"));
    let played = play(&bench, &changed.set("prompt", "").render(SPAN, &raw("again")).get());
    let of = |name: &str| -> Vec<Vec<u8>> {
        let file = |frame| bench.path(name).join(format!("{frame:06}.raw"));
        (SPAN.0..=SPAN.1).map(|frame| std::fs::read(file(frame)).unwrap()).collect()
    };
    let (told, one, other, again) = (of("told"), of("one"), of("other"), of("again"));
    assert!(told[0] == told[2] && told[0].chunks(4).any(|pixel| pixel[0] > 40), "words on a slate");
    assert!(told[0] != one[0] && one != other && one == again);
    assert_eq!(bench.store().takes().len(), 2);
    assert!(played.statuses()[0].contains("Generate if missing"), "{:?}", played.statuses());
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
