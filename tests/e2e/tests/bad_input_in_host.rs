//! The same mistakes in the editor: a message, a status line, and the project as it was.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Played, Scene, copy_folder, figure, library, tiny_package};
use std::path::Path;

const SIZE: (u32, u32) = (64, 48);

fn scene(footage: &Footage) -> Scene {
    Scene::fill(SIZE, (0, 11)).pictures(0, &footage.pattern(), 0, 8).span(8, 11)
}

/// Every press failed, its message and its status line name the word in its place, and no take is kept.
#[track_caller]
fn expect_told(bench: &Bench, played: &Played, words: &[&str]) {
    let presses = played.presses();
    assert!(presses.len() >= words.len());
    for (index, word) in words.iter().enumerate() {
        let messages = &presses[index].messages;
        let message = messages.iter().find(|message| message.kind.contains("Error"));
        let message = message.unwrap_or_else(|| panic!("{word}: no message in {messages:?}"));
        assert!(message.text.contains(word), "expected {word:?} in {}", message.text);
        assert!(played.statuses()[index].starts_with("Failed: "), "{:?}", played.statuses());
        assert!(played.statuses()[index].contains(word), "{:?}", played.statuses());
        assert_eq!(played.takes()[index], "");
    }
    assert!(bench.store().unfinished().is_empty());
}

#[test]
fn acceptance_mistakes_in_the_editor_are_told() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..8, SIZE);
    std::fs::write(bench.path("text.png"), "no picture").unwrap();
    let reference = bench.path("text.png").display().to_string();
    let scene = scene(&footage)
        .set("model", "no-such-model")
        .press_in_vain(8)
        .set("model", "starter")
        .set("reference1", reference)
        .press_in_vain(8)
        .set("reference1", "")
        .set("spanEnd", 7)
        .press_in_vain(8)
        .set("spanEnd", 9_000_000)
        .press_in_vain(8)
        .set("spanEnd", 11)
        .look((7, 8))
        .press(8)
        .look((7, 11));
    let played = bench.play(&scene);
    expect_told(&bench, &played, &["no-such-model", "text.png", "ends at 7", "4096"]);
    assert_eq!(bench.store().takes().len(), 1, "with all put right it works");
    for what in ["missing model", "unreadable reference", "zero-length span", "absurd span"] {
        figure(&format!("{what}, in the editor"), "host told, nothing left, next Generate works", "the same");
    }
}

#[test]
fn acceptance_a_broken_installation_is_told_in_the_editor() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..8, SIZE);
    let text = bench.path("library.txt");
    std::fs::write(&text, "no library").unwrap();
    let cut = bench.path("libonnxruntime.so.1.32.0");
    let whole = std::fs::read(library()).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let nowhere = bench.path("nowhere");
    let broken = bench.path("models");
    std::fs::create_dir_all(broken.join("broken")).unwrap();
    std::fs::write(broken.join("broken/manifest.json"), "{\"format\": 1").unwrap();
    let below = text.join("store");
    let damaged = bench.path("damaged");
    damaged_package(&damaged);
    let cases: [(&str, &str, &Path, &str, &str); 6] = [
        ("library that is a text", "PICKUP_ONNXRUNTIME", &text, "starter", "library.txt"),
        ("library that is cut off", "PICKUP_ONNXRUNTIME", &cut, "starter", "libonnxruntime"),
        ("worker that is not there", "PICKUP_WORKER", &nowhere, "starter", "nowhere"),
        ("corrupt manifest", "PICKUP_MODELS", &broken, "broken", "manifest.json"),
        ("truncated weights", "PICKUP_MODELS", &damaged, "tiny-wan-vace", "weights.bin"),
        ("store that cannot be written", "PICKUP_STORE", &below, "starter", "library.txt"),
    ];
    for (what, variable, path, model, word) in cases {
        let scene = scene(&footage).with("model", model).press_in_vain(8).look((7, 8));
        let played = bench.play_with(&scene, &[(variable, Some(path.as_os_str()))]);
        expect_told(&bench, &played, &[word]);
        assert!(bench.store().takes().is_empty());
        figure(&format!("{what}, in the editor"), "host told, nothing left", "the same");
    }
}

/// The tiny package with its transformer's weights cut off.
fn damaged_package(to: &Path) {
    copy_folder(&tiny_package(), to);
    let weights = to.join("transformer/weights.bin");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(weights, &whole[..whole.len() / 2]).unwrap();
}
