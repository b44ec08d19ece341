//! What an editor waits for: describing the plugin, and frames of a take that is there.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use object::{Object, ObjectSymbol};
use pickup_e2e::{Bench, Scene, bundled, figure, library, median};
use serde_json::json;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Held while something is measured: tests of one process run side by side.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn acceptance_load_and_describe_are_quick() {
    let _alone = alone();
    let bench = Bench::new();
    for (name, scene) in [("filter", Scene::fill((64, 48), (0, 9))), ("generator", Scene::generate((64, 48)))]
    {
        let times = (0..11).map(|_| {
            let report = bench.play(&scene).report;
            let actions = ["OfxActionLoad", "OfxActionDescribe", "OfxImageEffectActionDescribeInContext"];
            actions.iter().map(|action| report.action_ms(action).unwrap_or_else(|| no_action(action))).sum()
        });
        let time = median(times.collect());
        figure(&format!("load and describe, {name}"), format!("{time:.2} ms"), "< 20 ms");
        assert!(time < 20.0);
    }
}

#[expect(clippy::panic, reason = "a test says what is wrong by panicking")]
fn no_action(action: &str) -> f64 {
    panic!("the host reports no {action}")
}

/// Bytes of a 1920×1080 RGBA frame of floats.
const FRAME: usize = 1920 * 1080 * 4 * 4;

/// Milliseconds of a copy of such a frame, from and to memory that was touched before.
fn copies(count: usize) -> Vec<f64> {
    let (from, mut to) = (vec![1u8; FRAME], vec![2u8; FRAME]);
    let mut copy = || {
        let began = Instant::now();
        black_box(&mut to).copy_from_slice(black_box(&from));
        began.elapsed().as_secs_f64() * 1e3
    };
    (0..count + 2).map(|_| copy()).skip(2).collect()
}

#[test]
fn acceptance_a_cached_frame_is_served_like_a_copy() {
    let _alone = alone();
    let bench = Bench::new();
    let scene = Scene::generate((1920, 1080)).project("depth", "float").span(0, 2).press(0);
    let scene = (0..9).fold(scene, |scene, _| scene.look((0, 2)));
    let before = copies(9);
    let played = bench.play(&scene);
    let plain = median([before, copies(9)].concat());
    // The first render of each frame compares it with its checksum.
    let served =
        played.renders().iter().skip(1).flat_map(|render| &render.frames).map(|frame| frame.ms).collect();
    let served: f64 = median(served);
    let first = median(played.renders()[0].frames.iter().map(|frame| frame.ms).collect());
    let ratio = served / plain;
    figure(
        "a cached 1920×1080 float frame, over a plain copy",
        format!("{ratio:.2} ({served:.2} ms, copy {plain:.2} ms, first time {first:.1} ms)"),
        "≤ 3",
    );
    assert!(ratio <= 3.0);
}

/// Libraries and symbols that a binary asks the loader for, and symbols that it offers.
struct Links {
    libraries: BTreeSet<String>,
    symbols: BTreeSet<String>,
}

fn links(path: &Path) -> Links {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let libraries = file.import_libraries().unwrap().map(|library| text(library.unwrap().name()));
    let symbols =
        file.symbols().chain(file.dynamic_symbols()).filter_map(|symbol| symbol.name_bytes().ok().map(text));
    let exports = file.exports().unwrap().filter_map(|export| match export.unwrap().name() {
        object::read::NameOrOrdinal::Name(name) => Some(text(name)),
        object::read::NameOrOrdinal::Ordinal(_) => None,
    });
    Links { libraries: libraries.collect(), symbols: symbols.chain(exports).collect() }
}

impl Links {
    /// Whether ONNX Runtime is among them.
    fn runtime(&self) -> bool {
        let named = |name: &String| name.to_lowercase().contains("onnxruntime");
        self.libraries.iter().any(named) || self.symbols.contains("OrtGetApiBase")
    }
}

#[test]
fn acceptance_the_plugin_does_not_link_onnx_runtime() {
    let plugin = links(&bundled("Pickup.ofx"));
    let entries = ["OfxGetNumberOfPlugins", "OfxGetPlugin"];
    assert!(entries.iter().all(|entry| plugin.symbols.contains(*entry)), "the entry points are seen");
    // The library itself is noticed by the same look.
    assert!(links(&library()).runtime());
    let linked = plugin.runtime();
    let libraries = plugin.libraries.into_iter().collect::<Vec<_>>().join(", ");
    figure(
        "the plugin links ONNX Runtime",
        if linked { "yes" } else { "no" },
        format!("no (it links {libraries})"),
    );
    assert!(!linked);
}

/// Describing, making instances and rendering without a take start nothing.
#[cfg(unix)]
#[test]
fn the_worker_is_started_by_the_first_job_and_not_before() {
    use pickup_e2e::Worker;
    let _alone = alone();
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..4, (64, 48));
    let scene = Scene::fill((64, 48), (0, 7)).pictures(0, &footage.pattern(), 0, 4).span(4, 7);
    let idle = scene.clone().look((0, 7)).step(json!({"recreate": true})).look((0, 7)).get();
    let worker = Worker::counted(&bench);
    bench.play_with(&idle, &worker.setup());
    assert_eq!(worker.starts(), 0);
    bench.play_with(&scene.press(4), &worker.setup());
    assert_eq!(worker.starts(), 1);
}
