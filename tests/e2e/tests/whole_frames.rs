//! A model that is given whole frames, at either end and amid: the editor's jobs with it.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Answer, Bench, picture, tiny_whole_frames_package};
use serde_json::Value;

const SIZE: (u32, u32) = (96, 64);

/// Runs a job with the model.
fn ask(bench: &Bench, arguments: &[&str]) -> Answer {
    let models = tiny_whole_frames_package();
    let all = [arguments, &["--model", "tiny-ltx", "--steps", "2", "--json", "--out", "made", "--overwrite"]]
        .concat();
    bench.pickup_with(&all, &[("PICKUP_MODELS", Some(models.as_os_str()))])
}

/// The take of a job that is done.
#[track_caller]
fn done(bench: &Bench, arguments: &[&str]) -> (Value, Vec<u8>) {
    let answer = ask(bench, arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let take = bench.store().take(answer.json()["take"].as_str().unwrap());
    (take.record.clone(), take.pixels())
}

/// A shot of nine frames from `first` on.
fn shot(bench: &Bench, name: &str, first: u32) -> String {
    let folder = bench.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    for index in 0..9 {
        picture(first + index, SIZE).save(folder.join(format!("{index:06}.png"))).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn a_gap_is_filled_and_both_of_its_sides_matter() {
    let bench = Bench::new();
    let [one, two, three] = [("one", 0), ("two", 20), ("three", 60)].map(|(name, at)| shot(&bench, name, at));
    let fill = |before: &str, after: &str| {
        done(&bench, &["fill", "--before", before, "--after", after, "--context", "9", "--frames", "6"])
    };
    let (record, frames) = fill(&one, &two);
    assert_eq!((record["frames"].as_u64(), record["sampler"].as_str()), (Some(6), Some("flow_euler")));
    assert_eq!(record["windows"], serde_json::json!([25]), "9 known, 6 made, 9 known, 1 for nothing");
    assert!(frames != fill(&three, &two).1, "what comes before");
    assert!(frames != fill(&one, &three).1, "what comes after");
}

#[test]
fn a_shot_is_extended_both_ways_and_a_clip_is_made_from_text() {
    let bench = Bench::new();
    let shot = shot(&bench, "shot", 10);
    for direction in ["after", "before"] {
        let job = ["extend", "--clip", &shot, "--direction", direction, "--context", "9", "--frames", "8"];
        assert_eq!(done(&bench, &job).0["frames"], 8, "{direction}");
    }
    let text = |prompt: &str, rate: &str| {
        let job = ["generate", "--size", "96x64", "--frames", "9", "--fps", rate, "--prompt", prompt];
        done(&bench, &job).1
    };
    let red = text("a red ball", "24");
    assert!(red != text("a blue box", "24"), "the prompt matters");
    assert!(red != text("a red ball", "60"), "the frame rate matters");
}

#[test]
fn references_are_refused() {
    let bench = Bench::new();
    let picture = bench.footage("references", 0..1, SIZE).file(0).display().to_string();
    let answer = ask(&bench, &["generate", "--size", "96x64", "--frames", "9", "--reference", &picture]);
    assert_eq!(answer.code, Some(4), "{}", answer.err);
    let error = &serde_json::from_str::<Value>(&answer.out).unwrap()["error"];
    assert!(error["message"].as_str().unwrap().contains("reference pictures"), "{error}");
    assert!(bench.store().takes().is_empty());
}
