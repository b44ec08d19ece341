//! The command itself: what is wrong is told in two lines and an exit code, and nothing is left behind.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use half::f16;
use image::{Rgb, RgbImage};
use pickup_core::{Canvas, FrameRate, PlateId, Provider, Request, TakeId, TakeRecord, Timing};
use pickup_takes::Store;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `count` pictures, numbered from 1.
    fn shot(&self, name: &str, count: u32, width: u32, height: u32) -> String {
        std::fs::create_dir_all(self.path(name)).unwrap();
        for frame in 1..=count {
            let image = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, frame as u8]));
            image.save(self.path(name).join(format!("f_{frame:04}.png"))).unwrap();
        }
        self.path(name).display().to_string()
    }

    /// Runs with a store of its own, and no worker unless a test names one.
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pickup"));
        command.current_dir(self.folder.path());
        command.env("PICKUP_STORE", self.path("store")).env("PICKUP_WORKER", self.path("no-worker"));
        command.env("PICKUP_MODELS", self.path("models")).env("HOME", self.path("home"));
        command.env_remove("OFX_PLUGIN_PATH");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Two lines on stderr that contain `words`, and the exit code; nothing on stdout; no output folder.
    fn fails(&self, code: i32, words: &str, arguments: &[&str]) {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: expected {words:?} in {errors}");
        assert!(errors.starts_with("error: "), "{errors}");
        assert!(output.stdout.is_empty());
        assert!(!self.path("out").exists(), "{arguments:?} left its output");
        let left: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".pickup-")), "{left:?}");
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.code().unwrap(),
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
        )
    }

    /// A take of `frames` frames in which every 8-bit code occurs.
    fn take(&self, frames: u32) -> TakeId {
        let rate = FrameRate::new(25, 1).unwrap();
        let request = Request::new(Canvas::around((32, 16), rate, [], frames as usize, []));
        let id = request.take_id(&"test").unwrap();
        let store = Store::open(Some(&self.path("store"))).unwrap();
        let mut writer = store.begin_take(&id, 32, 16, frames).unwrap();
        for frame in 0..frames {
            writer.push_frame(&pixels(frame)).unwrap();
        }
        writer.commit(&record(request, id)).unwrap();
        id
    }
}

fn code(frame: u32, x: u32, y: u32, channel: u32) -> u8 {
    ((x + 32 * y) / 2 + 85 * channel + frame) as u8
}

fn pixels(frame: u32) -> Vec<f16> {
    let mut pixels = Vec::new();
    for y in 0..16 {
        for x in 0..32 {
            pixels.extend((0..3).map(|channel| pickup_takes::half_from_u8(code(frame, x, y, channel))));
            pixels.push(f16::ONE);
        }
    }
    pixels
}

fn record(request: Request, id: TakeId) -> TakeRecord {
    TakeRecord {
        version: TakeRecord::VERSION,
        id,
        frames: request.canvas.unknown_count() as u32,
        request,
        model_hash: "0".repeat(64),
        steps: 4,
        guidance: 3.0,
        sampler: "euler".into(),
        model_width: 32,
        model_height: 16,
        windows: vec![5],
        runtime: "1.31.0".into(),
        provider: Provider::Cpu,
        warnings: vec![],
        timing: Timing::default(),
        peak_memory: None,
        phase_memory: pickup_core::PhaseBytes::default(),
        tile: None,
        made_by: "test".into(),
        made_at: 0,
        digital_source_type: "trainedAlgorithmicMedia".into(),
    }
}

#[test]
fn usage_that_makes_no_sense_is_2() {
    let bench = Bench::new();
    let shot = bench.shot("a", 3, 64, 48);
    let fails = |words, arguments: &[&str]| bench.fails(2, words, arguments);
    fails("frames", &["generate", "--frames", "0", "--out", "out"]);
    fails("frames", &["generate", "--frames", "100000", "--out", "out"]);
    fails("frames", &["generate", "--out", "out"]);
    fails("frame rate", &["generate", "--frames", "5", "--fps", "0", "--out", "out"]);
    fails("frame rate", &["generate", "--frames", "5", "--fps", "fast", "--out", "out"]);
    fails("640x360", &["generate", "--frames", "5", "--size", "big", "--out", "out"]);
    fails("steps", &["generate", "--frames", "5", "--steps", "1000", "--out", "out"]);
    fails("guidance", &["generate", "--frames", "5", "--guidance", "NaN", "--out", "out"]);
    fails("--out", &["generate", "--frames", "5"]);
    fails("--after", &["fill", "--before", &shot, "--frames", "5", "--out", "out"]);
    fails("context", &["extend", "--clip", &shot, "--frames", "5", "--context", "0", "--out", "out"]);
    fails(
        "sideways",
        &["extend", "--clip", &shot, "--frames", "5", "--direction", "sideways", "--out", "out"],
    );
    fails("no take", &["takes", "show", "abc"]);
    fails("lots", &["takes", "gc", "--limit", "lots"]);
}

#[test]
fn input_that_cannot_be_read_is_3() {
    let bench = Bench::new();
    let (a, b) = (bench.shot("a", 3, 64, 48), bench.shot("b", 3, 32, 48));
    let extend = |words, clip: &str| {
        bench.fails(3, words, &["extend", "--clip", clip, "--frames", "5", "--out", "out"]);
    };
    extend("there is no nowhere", "nowhere");
    extend("no file matches", "a/*.exr");
    extend("no file matches", "a/g_%04d.png");
    extend("cannot be read", "nowhere/g_%04d.png");
    std::fs::create_dir(bench.path("empty")).unwrap();
    extend("has none", "empty");
    bench.fails(3, "one size", &["fill", "--before", &a, "--after", &b, "--frames", "5", "--out", "out"]);

    RgbImage::new(16, 16).save(bench.path("a").join("f_0004.png")).unwrap();
    extend("64×48", &a);
    std::fs::write(bench.path("b").join("f_0003.png"), b"not a picture").unwrap();
    extend("f_0003.png cannot be read", &b);
    RgbImage::new(32, 48).save(bench.path("b").join("other.jpg")).unwrap();
    extend("several kinds", &b);

    let sized =
        |size| bench.fails(3, "16384", &["generate", "--frames", "5", "--size", size, "--out", "out"]);
    sized("100000x100000");
    sized("0x0");
    sized("4294967295x4294967295");
    let refer = |path| {
        bench.fails(3, "reference", &["generate", "--frames", "5", "--reference", path, "--out", "out"])
    };
    refer("nowhere.png");
    refer("b/f_0003.png");
}

#[test]
fn a_video_without_ffmpeg_says_so() {
    let bench = Bench::new();
    std::fs::write(bench.path("clip.mov"), b"a video").unwrap();
    let mut command = bench.command();
    command
        .env("PATH", bench.path("nothing"))
        .args(["extend", "--clip", "clip.mov", "--frames", "5", "--out", "out"]);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("needs ffmpeg") && errors.contains("PATH"), "{errors}");
}

#[test]
fn a_missing_model_is_4() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("models")).unwrap();
    bench.fails(4, "no-such-model", &["models", "info", "no-such-model"]);
    bench.fails(4, "no-such-model", &["models", "verify", "no-such-model"]);
    assert_eq!(bench.run(&["models", "add", "nowhere"]).status.code(), Some(4));
    assert_eq!(bench.json(&["models", "list", "--json"]).1["models"], Value::Array(vec![]));
}

#[test]
fn the_models_that_are_not_installed_are_listed_with_the_way_to_them() {
    let bench = Bench::new();
    let text = String::from_utf8(bench.run(&["models", "list"]).stdout).unwrap();
    for model in pickup_package::catalogue().unwrap() {
        for words in [&model.name, &model.licence.terms, &model.export_command()] {
            assert!(text.contains(words.as_str()), "{words}: {text}");
        }
    }
    let (_, object) = bench.json(&["models", "list", "--json"]);
    assert_eq!(object["supported"].as_array().unwrap().len(), pickup_package::catalogue().unwrap().len());
}

/// A package of a few bytes whose licence must be accepted. Returns its folder.
fn strict_package(bench: &Bench) -> String {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/tiny_wan_vace");
    let folder = bench.path("strict");
    copy(&tiny, &folder);
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    manifest["name"] = "strict".into();
    manifest["licence"]["acceptance_required"] = true.into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    folder.display().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[test]
#[cfg(unix)] // elsewhere the user's data folder is not found by HOME
fn a_licence_is_asked_for_once() {
    let bench = Bench::new();
    let package = strict_package(&bench);
    let add = |more: &[&str]| {
        let mut command = bench.command();
        command.env_remove("XDG_DATA_HOME").args(["models", "add", &package]).args(more);
        command.output().unwrap()
    };
    let refused = add(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--accept-licence"));
    assert!(add(&["--accept-licence"]).status.success());
    assert!(add(&[]).status.success(), "asked for again");
}

#[test]
fn a_missing_worker_is_5_and_leaves_nothing() {
    let bench = Bench::new();
    let shot = bench.shot("a", 3, 64, 48);
    bench.fails(5, "no-worker", &["extend", "--clip", &shot, "--frames", "5", "--out", "out"]);
    bench.fails(5, "no-worker", &["generate", "--frames", "5", "--out", "new/parents/out"]);
    assert!(!bench.path("new").exists());
    bench.fails(5, "no-worker", &["generate", "--frames", "5", "--estimate"]);
    bench.fails(5, "no-worker", &["estimate", "generate", "--frames", "5"]);
    let (code, object) = bench.json(&["--json", "generate", "--frames", "5", "--out", "out"]);
    assert_eq!((code, &object["exit_code"], &object["error"]["kind"]), (5, &5.into(), &"runtime".into()));
    let (code, object) = bench.json(&["doctor", "--json"]);
    assert_eq!((code, &object["good"]), (5, &false.into()));
}

#[test]
fn a_store_or_folder_that_cannot_be_written_is_8() {
    let bench = Bench::new();
    std::fs::write(bench.path("file"), b"").unwrap();
    bench.fails(8, "file", &["--store", "file", "generate", "--frames", "5", "--out", "out"]);
    bench.fails(8, "file", &["generate", "--frames", "5", "--out", "file/out"]);
    bench.fails(8, "not in the store", &["takes", "show", &"0".repeat(64)]);
}

#[test]
fn a_folder_with_something_in_it_is_refused_before_anything_runs() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("full")).unwrap();
    std::fs::write(bench.path("full").join("notes.txt"), b"mine").unwrap();
    bench.fails(2, "--overwrite", &["generate", "--frames", "5", "--out", "full"]);
    bench.fails(2, "not empty", &["generate", "--frames", "5", "--out", "full"]);
}

#[test]
fn known_frames_are_the_right_end_and_the_same_plates_as_anywhere() {
    let bench = Bench::new();
    let shot = bench.shot("a", 12, 64, 48);
    bench.run(&["extend", "--clip", &shot, "--frames", "5", "--context", "2", "--out", "out"]);
    let store = Store::open(Some(&bench.path("store"))).unwrap();
    assert_eq!(store.usage().unwrap().plates, 2);
    for frame in [11, 12] {
        let rgba: Vec<u8> =
            (0..48u32).flat_map(|y| (0..64u32).flat_map(move |x| [x as u8, y as u8, frame, 255])).collect();
        let floats: Vec<f32> = rgba.iter().map(|&value| f32::from(value) / 255.0).collect();
        let id: PlateId = pickup_takes::plate_from_rgba_f32(64, 48, &floats).unwrap().image().id().unwrap();
        store.plate(&id).unwrap();
    }
}

#[test]
fn folder_glob_and_pattern_mean_the_same_frames() {
    let bench = Bench::new();
    let shot = bench.shot("a", 11, 64, 48);
    let plates = || Store::open(Some(&bench.path("store"))).unwrap().usage().unwrap().plates;
    for (count, clip) in
        [(3, shot.as_str()), (3, "a/*.png"), (3, "a/f_%04d.png"), (3, "a/f_%d.png"), (4, "a/f_0001.png")]
    {
        bench.run(&["extend", "--clip", clip, "--frames", "5", "--context", "3", "--out", "out"]);
        assert_eq!(plates(), count, "{clip}");
    }
}

#[test]
fn frames_come_out_as_they_are_in_the_take() {
    let bench = Bench::new();
    let id = bench.take(3).to_string();
    let read = |name: &str| image::open(bench.path(name)).unwrap();

    let (code_png, object) = bench.json(&["takes", "export", &id[..8], "--out", "png", "--json"]);
    assert_eq!((code_png, object["files"].as_array().unwrap().len()), (0, 3));
    let picture = read("png/frame_000002.png").into_rgb8();
    for (x, y, pixel) in picture.enumerate_pixels() {
        assert_eq!(pixel.0, [0, 1, 2].map(|channel| code(2, x, y, channel)));
    }
    let record: TakeRecord =
        serde_json::from_slice(&std::fs::read(bench.path("png/take.json")).unwrap()).unwrap();
    assert_eq!(record.id.to_string(), id);

    bench.run(&["takes", "export", &id, "--out", "exr", "--format", "exr"]);
    let picture = read("exr/frame_000001.exr").into_rgb32f();
    let first: Vec<_> = pixels(1)[..3].iter().map(|value| value.to_f32()).collect();
    assert_eq!(picture.get_pixel(0, 0).0.as_slice(), first);

    bench.run(&["takes", "export", &id, "--out", "deep", "--format", "png16"]);
    let picture = read("deep/frame_000000.png");
    assert_eq!(picture.color(), image::ColorType::Rgb16);
    assert_eq!(
        picture.into_rgb16().get_pixel(31, 15).0[0].abs_diff(u16::from(code(0, 31, 15, 0)) * 257) / 257,
        0
    );
}

#[test]
fn overwriting_replaces_a_take_and_nothing_else() {
    let bench = Bench::new();
    let (long, short) = (bench.take(4).to_string(), bench.take(2).to_string());
    bench.run(&["takes", "export", &long, "--out", "out"]);
    std::fs::write(bench.path("out").join("notes.txt"), b"mine").unwrap();
    assert_eq!(bench.run(&["takes", "export", &short, "--out", "out"]).status.code(), Some(2));
    let exported = bench.run(&["takes", "export", &short, "--out", "out", "--overwrite", "--format", "exr"]);
    assert!(exported.status.success());
    let mut names: Vec<_> =
        std::fs::read_dir(bench.path("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["frame_000000.exr", "frame_000001.exr", "notes.txt", "take.json"]);
}

#[test]
fn takes_are_listed_verified_and_collected() {
    let bench = Bench::new();
    let (one, two) = (bench.take(2).to_string(), bench.take(3).to_string());
    let (_, object) = bench.json(&["takes", "list", "--json"]);
    assert_eq!(object["takes"].as_array().unwrap().len(), 2);
    let (_, object) = bench.json(&["takes", "show", &one, "--json"]);
    assert_eq!(object["record"]["id"], Value::String(one.clone()));
    assert_eq!(bench.json(&["takes", "verify", "--json"]).1["checked"], 2);

    damage(&bench.path("store").join("takes").join(&two[..2]).join(&two).join("frames.bin"));
    let (code, object) = bench.json(&["takes", "verify", &two[..10], "--json"]);
    assert_eq!((code, &object["damaged"][0]["id"]), (8, &Value::String(two.clone())));
    bench.fails(8, "frame 0", &["takes", "export", &two, "--out", "out"]);
    assert!(bench.run(&["takes", "verify", "--remove"]).status.success());
    let (_, object) = bench.json(&["takes", "list", "--json"]);
    assert_eq!(object["takes"].as_array().unwrap().len(), 1);
    assert_eq!(bench.json(&["takes", "gc", "--limit", "0", "--json"]).1["takes"], 1);
}

fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[5000] ^= 1;
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
}
