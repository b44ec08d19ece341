//! Retake, loop, outpaint and remove: through the bundle and on the command line, which make the same takes.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Played, Scene, difference, tiny_package, tiny_whole_frames_package};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SIZE: (u32, u32) = (96, 56);
const LAST: i64 = 19;
const RETAKE: i64 = 5;
const LOOP: i64 = 6;
const OUTPAINT: i64 = 7;
const REMOVE: i64 = 8;

/// A shot of twenty frames with a model that is fast and not good.
fn scene(footage: &Footage) -> Scene {
    Scene::fill(SIZE, (0, LAST + 8)).pictures(0, &footage.pattern(), 0, 20).with("model", "tiny-wan-vace")
}

fn play(bench: &Bench, scene: &Scene) -> Played {
    bench.play_with(scene, &[("PICKUP_MODELS", Some(tiny_package().as_os_str()))])
}

/// Plays a scene after a press at frame `now`, and renders all of it; the raw frames lie in the folder.
fn made(bench: &Bench, name: &str, scene: Scene, now: i64) -> (Played, PathBuf) {
    let folder = bench.path(name);
    let played = play(bench, &scene.press(now).render((0, LAST + 8), &folder.join("%06d.raw")));
    (played, folder)
}

fn raw(folder: &Path, frame: i64) -> Vec<u8> {
    std::fs::read(folder.join(format!("{frame:06}.raw"))).unwrap()
}

/// The take of a job on the command line, which must be the one that the plugin made.
#[track_caller]
fn is_the_same_take(bench: &Bench, played: &Played, arguments: &[&str]) {
    let settings =
        ["--model", "tiny-wan-vace", "--steps", "1", "--guidance", "1", "--out", "out", "--overwrite"];
    let all = [arguments, &settings, &["--json"]].concat();
    let models = tiny_package();
    let answer = bench.pickup_with(&all, &[("PICKUP_MODELS", Some(models.as_os_str()))]).json();
    assert_eq!((answer["take"].clone(), answer["reused"].clone()), (json!(played.takes()[0]), json!(true)));
}

/// The known and unknown frames of a take's canvas: K, P for part, U.
fn canvas(bench: &Bench, played: &Played) -> (Value, String) {
    let record = bench.store().take(&played.takes()[0]).record;
    let slots = record["request"]["canvas"]["slots"].as_array().unwrap().clone();
    let letter = |slot: &Value| match slot {
        Value::String(_) => 'U',
        slot if slot.get("partial").is_some() => 'P',
        _ => 'K',
    };
    (record["request"]["job"].clone(), slots.iter().map(letter).collect())
}

fn shot() -> (Bench, Footage) {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    (bench, footage)
}

#[test]
fn a_span_is_made_anew_between_its_own_ends() {
    let (bench, footage) = shot();
    let (played, folder) = made(&bench, "out", scene(&footage).with("job", RETAKE).span(8, 11), 8);
    assert_eq!(canvas(&bench, &played), (json!("retake"), "KKKKUUUUKKKK".into()));
    for frame in 0..=LAST {
        let same = raw(&folder, frame) == footage.rgba(frame as u32);
        assert_eq!(same, !(8..=11).contains(&frame), "frame {frame}");
    }
    let clip = footage.folder();
    is_the_same_take(
        &bench,
        &played,
        &["retake", "--clip", &clip, "--first", "8", "--frames", "4", "--context", "4"],
    );
    // Nothing is made anew that nobody named.
    let played = play(&bench, &scene(&footage).with("job", RETAKE).press_in_vain(8));
    assert!(played.statuses()[0].contains("Set Span start"), "{:?}", played.statuses());
}

#[test]
fn a_loop_leads_from_the_end_to_the_beginning() {
    let (bench, footage) = shot();
    let (played, _) = made(&bench, "out", scene(&footage).with("job", LOOP).span(20, 24), 0);
    assert_eq!(canvas(&bench, &played), (json!("loop"), "KKKKUUUUUKKKK".into()));
    let slots = bench.store().take(&played.takes()[0]).record["request"]["canvas"]["slots"].clone();
    // The frames after are the shot's first: the same plates as a fill before it would lead to.
    let (other, _) = made(&bench, "other", scene(&footage).with("job", RETAKE).span(4, 8), 0);
    let first = bench.store().take(&other.takes()[0]).record["request"]["canvas"]["slots"].clone();
    for index in 0..4 {
        assert_eq!(slots[9 + index], first[index]);
    }
    is_the_same_take(
        &bench,
        &played,
        &["loop", "--clip", &footage.folder(), "--frames", "5", "--context", "4"],
    );
}

#[test]
fn what_lies_behind_a_region_is_made_and_the_rest_is_bit_exact_at_every_depth() {
    let (bench, footage) = shot();
    let region = |scene: Scene| {
        scene
            .with("regionLeft", 25.0)
            .with("regionTop", 50.0)
            .with("regionWidth", 50.0)
            .with("regionHeight", 25.0)
    };
    for depth in ["byte", "float"] {
        let scene = region(scene(&footage).project("depth", depth).with("job", REMOVE).span(8, 11));
        let before = bench.path(&format!("{depth} before"));
        play(&bench, &scene.clone().render((0, LAST), &before.join("%06d.raw")));
        let (played, folder) = made(&bench, depth, scene, 8);
        assert_eq!(canvas(&bench, &played), (json!("remove"), "KKKKPPPPKKKK".into()));
        let pixel = if depth == "byte" { 4 } else { 16 };
        for frame in 0..=LAST {
            let (was, is) = (raw(&before, frame), raw(&folder, frame));
            let changed = |inside: bool| {
                let pixels = was.chunks(pixel).zip(is.chunks(pixel)).enumerate();
                pixels
                    .filter(|(index, _)| {
                        let (x, y) = (index % SIZE.0 as usize, index / SIZE.0 as usize);
                        ((24..72).contains(&x) && (28..42).contains(&y)) == inside
                    })
                    .filter(|(_, (was, is))| was != is)
                    .count()
            };
            assert_eq!(changed(false), 0, "{depth}, frame {frame}: around the region");
            let made = if (8..=11).contains(&frame) { 48 * 14 / 2 } else { 0 };
            assert!(changed(true) >= made && (made > 0 || changed(true) == 0), "{depth}, frame {frame}");
        }
        if depth == "byte" {
            let clip = footage.folder();
            let area = ["--region", "25,50,50,25"];
            let span = ["remove", "--clip", &clip, "--first", "8", "--frames", "4", "--context", "4"];
            is_the_same_take(&bench, &played, &[span.as_slice(), &area].concat());
            // The command line gives the whole picture, its known pixels as they came.
            let file = image::open(bench.path("out").join("frame_000000.png")).unwrap().into_rgb8();
            let source = image::open(footage.file(8)).unwrap().into_rgb8();
            let kept = |x: u32, y: u32| file.get_pixel(x, y) == source.get_pixel(x, y);
            assert!((0..SIZE.0).all(|x| kept(x, 0) && kept(x, 27) && kept(x, 42)));
            assert!(!(24..72).all(|x| kept(x, 35)));
        }
    }
}

#[test]
fn a_picture_is_kept_at_a_place_and_a_size_and_filled_around() {
    let (bench, footage) = shot();
    let scene = || scene(&footage).with("job", OUTPAINT).span(4, 8).with("pictureX", 25.0);
    // At its own size, moved right by a quarter: 24 of 96 pixels.
    let (played, folder) = made(&bench, "moved", scene().with("pictureScale", 100.0), 4);
    assert_eq!(canvas(&bench, &played), (json!("outpaint"), "PPPPP".into()));
    let row = SIZE.0 as usize * 4;
    for frame in 4..=8 {
        let (source, shown) = (footage.rgba(frame as u32), raw(&folder, frame));
        for (source, shown) in source.chunks(row).zip(shown.chunks(row)) {
            assert_eq!(source[..row - 24 * 4], shown[24 * 4..], "frame {frame}");
        }
        let border: Vec<_> = shown.chunks(row).flat_map(|row| row[..24 * 4].chunks(4)).collect();
        assert!(border.iter().any(|pixel| *pixel != border[0]), "the border is no plain colour");
    }
    assert_eq!(raw(&folder, 3), footage.rgba(3), "outside of the span nothing moves");
    let clip = footage.folder();
    let span = ["outpaint", "--clip", &clip, "--first", "4", "--frames", "5"];
    is_the_same_take(&bench, &played, &[span.as_slice(), &["--scale", "100", "--offset", "25,0"]].concat());

    // At half its size in the middle: the picture made smaller, there and nowhere else.
    let (_, folder) = made(&bench, "small", scene().with("pictureX", 0.0).with("pictureScale", 50.0), 4);
    let shown = image::RgbaImage::from_raw(SIZE.0, SIZE.1, raw(&folder, 4)).unwrap();
    let small = image::imageops::crop_imm(&shown, 24, 14, 48, 28).to_image();
    let whole = image::RgbaImage::from_raw(SIZE.0, SIZE.1, footage.rgba(4)).unwrap();
    let expected = image::imageops::resize(&whole, 48, 28, image::imageops::FilterType::Lanczos3);
    assert!(difference(small.as_raw(), expected.as_raw()) < 1.0);
    let elsewhere = image::imageops::crop_imm(&shown, 0, 0, 48, 28).to_image();
    assert!(difference(elsewhere.as_raw(), expected.as_raw()) > 5.0, "the comparison sees a difference");

    // A picture that fills the frame leaves nothing to make.
    let played = play(&bench, &scene().with("pictureX", 0.0).with("pictureScale", 100.0).press_in_vain(4));
    assert!(played.statuses()[0].contains("nothing to make"), "{:?}", played.statuses());
}

#[test]
fn masks_on_the_command_line_say_what_goes() {
    let (bench, footage) = shot();
    let masks = bench.path("masks");
    std::fs::create_dir_all(&masks).unwrap();
    for frame in 0..20 {
        let white = |x: u32, y: u32| (24..72).contains(&x) && (28..42).contains(&y);
        image::GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| image::Luma([u8::from(white(x, y)) * 255]))
            .save(masks.join(format!("{frame:06}.png")))
            .unwrap();
    }
    let (clip, masks, models) = (footage.folder(), masks.display().to_string(), tiny_package());
    let run = |region: [&str; 2]| {
        let arguments =
            ["remove", "--clip", &clip, "--first", "8", "--frames", "2", "--model", "tiny-wan-vace"];
        let rest = ["--steps", "1", "--guidance", "1", "--out", "out", "--overwrite", "--json"];
        let all = [arguments.as_slice(), &region, &rest].concat();
        bench.pickup_with(&all, &[("PICKUP_MODELS", Some(models.as_os_str()))]).json()["take"].clone()
    };
    assert_eq!(run(["--mask", &masks]), run(["--region", "25,50,50,25"]), "the same task");
    assert_ne!(run(["--mask", &masks]), run(["--region", "25,50,50,20"]));
}

#[test]
fn a_model_that_cannot_make_parts_says_so_and_what_comes_nearest() {
    let (bench, footage) = shot();
    let models = tiny_whole_frames_package();
    let setup = [("PICKUP_MODELS", Some(models.as_os_str()))];
    let cut = scene(&footage).with("model", "tiny-ltx").with("job", REMOVE).span(8, 11).press_in_vain(8);
    let played = bench.play_with(&cut, &setup);
    let status = played.statuses()[0].to_owned();
    assert!(status.contains("cannot be given parts of frames") && status.contains("Retake span"), "{status}");
    let clip = footage.folder();
    let arguments = ["outpaint", "--clip", &clip, "--frames", "4", "--model", "tiny-ltx", "--out", "out"];
    bench.pickup_with(&arguments, &setup).expect_failure(4, &["parts of frames"]);
}
