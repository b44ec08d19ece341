//! A worker that dies, hangs or is stopped takes nothing with it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Played, Scene, Worker, figure};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (64, 48);
/// Enough of it that a step is never the last one before somebody looks.
const MANY_STEPS: u32 = 200;

fn scene(footage: &Footage) -> Scene {
    Scene::fill(SIZE, (0, 15)).pictures(0, &footage.pattern(), 0, 8).span(8, 15).with("job", 2)
}

/// Half a take is found neither among the takes nor aside.
#[track_caller]
fn expect_takes(bench: &Bench, count: usize) {
    let store = bench.store();
    assert_eq!(store.takes().len(), count);
    assert_eq!(store.unfinished(), Vec::<std::path::PathBuf>::new(), "left aside");
}

/// The message to the user and the status line of a press that failed name `words`.
#[track_caller]
fn expect_told(played: &Played, press: usize, words: &[&str]) {
    let step = played.presses()[press];
    let message = step.messages.iter().find(|message| message.kind.contains("Error"));
    let message = message.unwrap_or_else(|| panic!("no message: {:?}", step.messages));
    let status = played.statuses()[press];
    for word in words {
        assert!(message.text.contains(word), "expected {word:?} in {:?}", message.text);
        assert!(status.contains(word), "expected {word:?} in {status:?}");
    }
    assert!(status.starts_with("Failed: "), "{status}");
}

#[test]
fn acceptance_a_worker_that_aborts_takes_nothing_with_it() {
    for (phase, doing) in
        [("load", "loading"), ("denoise", "generating"), ("decode", "decoding"), ("store", "saving")]
    {
        let bench = Bench::new();
        let footage = bench.footage("footage", 0..8, SIZE);
        let worker = Worker::failing_once(&bench, &format!("abort@{phase}"));
        // A known frame and one of the span are rendered in between: the host goes on as before.
        let scene = scene(&footage).press_in_vain(8).look((7, 8)).press(8).look((8, 15));
        let played = bench.play_with(&scene, &worker.setup());
        expect_told(&played, 0, &["worker stopped", doing]);
        assert_eq!(played.takes()[0], "");
        assert_eq!(worker.starts(), 2, "a new worker for the next press");
        assert!(played.statuses()[1].starts_with("Take "), "{:?}", played.statuses());
        expect_takes(&bench, 1);
        figure(
            &format!("worker aborted in {phase}"),
            "host lives, told, next Generate works, nothing left",
            "the same",
        );
    }
}

#[test]
fn a_worker_that_panics_says_so_and_goes_on() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..8, SIZE);
    let worker = Worker::failing_once(&bench, "panic@denoise");
    let played = bench.play_with(&scene(&footage).press_in_vain(8), &worker.setup());
    expect_told(&played, 0, &["worker failed"]);
    expect_takes(&bench, 0);
}

/// Waits until the host shows more than `percent` of progress.
fn wait_for_progress(host: &mut Child, percent: f64) {
    let shown = |line: &str| line.trim().strip_suffix(" %")?.trim().parse::<f64>().ok();
    let mut lines = BufReader::new(host.stderr.take().unwrap()).lines().map_while(Result::ok);
    let seen = lines.find(|line| shown(line).is_some_and(|shown| shown > percent));
    assert!(seen.is_some(), "the host ended before {percent} %");
    // The host must not wait for a reader, nor write to nobody.
    std::thread::spawn(move || lines.for_each(drop));
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

#[test]
fn acceptance_a_worker_killed_from_outside() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..8, SIZE);
    let worker = Worker::counted(&bench);
    let scene =
        scene(&footage).with("steps", MANY_STEPS).press_in_vain(8).set("steps", 1).press(8).look((8, 15));
    let (plan, report) = bench.plan(&scene);
    let mut host = bench.host(&plan, &report, &worker.setup()).stderr(Stdio::piped()).spawn().unwrap();
    // Denoising begins at 11.5 % of a job of one pass.
    wait_for_progress(&mut host, 20.0);
    signal("-KILL", worker.processes()[0]);
    let played = Played::read(&report, &host.wait_with_output().unwrap());
    played.expect_clean();
    expect_told(&played, 0, &["worker stopped while generating", "signal 9"]);
    assert!(played.statuses()[1].starts_with("Take "), "{:?}", played.statuses());
    assert_eq!(worker.starts(), 2);
    expect_takes(&bench, 1);
    figure(
        "worker killed (SIGKILL) in denoise",
        "host lives, told, next Generate works, nothing left",
        "the same",
    );
}

/// Presses Generate, cancels when the host's progress reaches a share, presses again. Returns the time
/// from the cancel to the plugin's return in milliseconds.
fn cancelled(scene: Scene, after: serde_json::Value, setup: pickup_e2e::Setup<'_>, bench: &Bench) -> f64 {
    let cancel = json!({"press": "generate", "time": 8, "cancel_after": after, "expect": "cancelled"});
    let scene = scene.step(cancel).get().set("steps", 1).press(8).look((8, 15));
    let played = bench.play_with(&scene, setup);
    assert!(played.statuses()[0].starts_with("Cancelled."), "{:?}", played.statuses());
    assert_eq!(played.takes()[0], "");
    assert!(played.statuses()[1].starts_with("Take "), "{:?}", played.statuses());
    expect_takes(bench, 1);
    played.presses()[0].cancel_latency_ms.unwrap()
}

#[test]
fn acceptance_cancel_is_answered() {
    // Shares of a job of one pass: the text is read up to 6 %, graphs are opened there, denoising takes
    // 11.5 to 83 %, decoding up to 94 %.
    for (what, steps, share) in [
        ("before the worker answers", 1, 0.0),
        ("load", 1, 0.055),
        ("denoise", MANY_STEPS, 0.2),
        ("decode", 1, 0.832),
    ] {
        let bench = Bench::new();
        let footage = bench.footage("footage", 0..8, SIZE);
        let scene = scene(&footage).with("steps", steps);
        let latency = cancelled(scene, json!({"progress": share}), &[], &bench);
        figure(&format!("cancel answered, {what}"), format!("{latency:.0} ms"), "≤ 2000 ms");
        assert!(latency <= 2000.0);
    }
}

#[test]
fn acceptance_cancel_is_answered_by_a_worker_that_hangs() {
    // Denoising is reported and then stands still; for the others there is time enough to come there.
    for (phase, after) in [
        ("load", json!({"seconds": 4.0})),
        ("denoise", json!({"progress": 0.115})),
        ("decode", json!({"seconds": 4.0})),
    ] {
        let bench = Bench::new();
        let footage = bench.footage("footage", 0..8, SIZE);
        let worker = Worker::failing_once(&bench, &format!("stall@{phase}"));
        let latency = cancelled(scene(&footage), after, &worker.setup(), &bench);
        assert_eq!(worker.starts(), 2, "the one that hangs is ended");
        figure(
            &format!("cancel answered, worker hanging in {phase}"),
            format!("{latency:.0} ms"),
            "≤ 2000 ms",
        );
        assert!(latency <= 2000.0);
    }
}

#[test]
fn an_interrupt_of_the_command_line_leaves_nothing() {
    let bench = Bench::new();
    let steps = MANY_STEPS.to_string();
    let arguments = ["generate", "--frames", "17", "--size", "64x48", "--steps", &steps, "--out", "made/out"];
    let mut pickup = bench.pickup_command(&arguments, &[]);
    let mut child = pickup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Generating")), "no progress was shown");
    let began = Instant::now();
    signal("-INT", child.id());
    let rest: Vec<_> = lines.collect();
    let output = child.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(7), "{rest:?}");
    assert!(!bench.path("made").exists(), "the folder that was made for the frames is gone again");
    expect_takes(&bench, 0);
}
