//! The same request is the same take: made once, by the plugin or by the command line.

use pickup_e2e::{Answer, Bench, Footage, Scene, figure};
use serde_json::json;
use std::ffi::OsStr;

const SIZE: (u32, u32) = (96, 56);
const SPAN: (i64, i64) = (8, 12);
const PROMPT: &str = "a rabbit in a meadow";

fn scene(footage: &Footage, seed: i64) -> Scene {
    Scene::fill(SIZE, (0, 20))
        .pictures(0, &footage.pattern(), 0, 8)
        .pictures(13, &footage.pattern(), 13, 8)
        .span(SPAN.0, SPAN.1)
        .with("prompt", PROMPT)
        .with("seed", seed)
        .with("steps", 3)
        .with("guidance", 2.0)
        .with("contextFrames", 6)
}

/// The same request as [`scene`]'s, typed.
fn fill(bench: &Bench, seed: &str, out: &str) -> Answer {
    let (before, after) = (bench.path("before"), bench.path("after"));
    let [before, after] = [before, after].map(|path| path.display().to_string());
    bench.pickup(&[
        "fill",
        "--before",
        &before,
        "--after",
        &after,
        "--frames",
        "5",
        "--context",
        "6",
        "--prompt",
        PROMPT,
        "--seed",
        seed,
        "--steps",
        "3",
        "--guidance",
        "2",
        "--fps",
        "25",
        "--out",
        out,
        "--json",
    ])
}

fn with_shots() -> (Bench, Footage) {
    let bench = Bench::new();
    bench.footage("before", 0..8, SIZE);
    bench.footage("after", 13..21, SIZE);
    let footage = bench.footage("footage", 0..21, SIZE);
    (bench, footage)
}

#[test]
fn acceptance_the_same_request_is_made_once() {
    let (bench, footage) = with_shots();
    let raw = |name: &str| bench.path(name).join("%06d.raw");
    let again = json!({"recreate": true});
    let first = bench.play(
        &scene(&footage, 7)
            .press(8)
            .render(SPAN, &raw("first"))
            .step(again)
            .press(8)
            .render(SPAN, &raw("again")),
    );
    let take = first.takes()[0].clone();
    assert_eq!(first.takes()[1], take);
    assert!(!first.statuses()[0].contains("made before"), "{:?}", first.statuses());
    assert!(first.statuses()[1].contains("made before"), "{:?}", first.statuses());
    let store = bench.store().snapshot();

    // Another process, whose worker would die if it came as far as the text encoder.
    let fault = [("PICKUP_FAULT", Some(OsStr::new("abort@text")))];
    let second = bench.play_with(&scene(&footage, 7).press(8).render(SPAN, &raw("second")), &fault);
    assert_eq!(second.takes(), std::slice::from_ref(&take));
    assert!(second.statuses()[0].contains("made before"));
    assert_eq!(bench.store().snapshot(), store, "nothing was written");
    for frame in SPAN.0..=SPAN.1 {
        let read = |name: &str| std::fs::read(bench.path(name).join(format!("{frame:06}.raw"))).unwrap();
        assert!(read("first") == read("again") && read("first") == read("second"), "frame {frame}");
    }
    // The fault is real: a request that is new dies of it.
    let other = bench.try_play(&scene(&footage, 8).press_in_vain(8), &fault);
    other.expect_clean();
    assert_eq!(bench.store().takes().len(), 1);
    figure("the same request twice in the plugin: takes", 1, 1);
    figure("the same request twice in the plugin: inferences the second time", 0, 0);
}

#[test]
fn acceptance_plugin_and_command_line_make_the_same_take() {
    let (of_plugin, footage) = with_shots();
    let played =
        of_plugin.play(&scene(&footage, 7).press(8).render(SPAN, &of_plugin.path("raw").join("%06d.raw")));
    let (of_typed, _) = with_shots();
    let typed = fill(&of_typed, "7", "out").json();
    assert_eq!(typed["reused"], json!(false), "two stores: each made its own");
    assert_eq!(typed["take"], json!(played.takes()[0]), "one id");
    let id = played.takes()[0].clone();
    let same = of_plugin.store().take(&id).pixels() == of_typed.store().take(&id).pixels();
    figure("same seed in plugin and command line: take ids", "the same", "the same");
    figure(
        "same seed in plugin and command line: frames",
        if same { "identical" } else { "differ" },
        "identical",
    );
    assert!(same, "frames differ");
    for (index, frame) in (SPAN.0..=SPAN.1).enumerate() {
        let raw = std::fs::read(of_plugin.path("raw").join(format!("{frame:06}.raw"))).unwrap();
        let file = of_typed.path("out").join(format!("frame_{index:06}.png"));
        assert!(image::open(file).unwrap().into_rgba8().into_raw() == raw, "frame {frame} as files");
    }

    // In the plugin's store the take is there already.
    let reused = fill(&of_plugin, "7", "out").json();
    assert_eq!((&reused["reused"], &reused["take"]), (&json!(true), &typed["take"]));
    figure("the same request from the command line after the plugin", "made before", "made before");

    let other = fill(&of_plugin, "8", "other").json();
    assert_ne!(other["take"], typed["take"]);
    let changed = of_plugin.store().take(other["take"].as_str().unwrap()).pixels()
        != of_plugin.store().take(&id).pixels();
    figure("another seed: frames", if changed { "differ" } else { "identical" }, "differ");
    assert!(changed);
}
