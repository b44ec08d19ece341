//! A model that takes text and a first frame: what it does of the editor's jobs, and what it says of the rest.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Answer, Bench, picture, tiny_first_frame_package};
use serde_json::Value;

const SIZE: (u32, u32) = (96, 64);

/// Runs a job with the model.
fn ask(bench: &Bench, arguments: &[&str]) -> Answer {
    let models = tiny_first_frame_package();
    let all =
        [arguments, &["--model", "tiny-wan-ti2v", "--steps", "2", "--out", "out", "--overwrite", "--json"]]
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

/// A shot of five frames: `first` to its fourth, `last` as its fifth.
fn shot(bench: &Bench, name: &str, first: u32, last: u32) -> String {
    let folder = bench.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (index, frame) in (first..first + 4).chain([last]).enumerate() {
        picture(frame, SIZE).save(folder.join(format!("{index:06}.png"))).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn a_shot_is_extended_from_its_last_frame_alone() {
    let bench = Bench::new();
    let extend = |name: &str, first: u32, last: u32| {
        let shot = shot(&bench, name, first, last);
        done(&bench, &["extend", "--clip", &shot, "--context", "5", "--frames", "8", "--guidance", "3"])
    };
    let (record, frames) = extend("one", 0, 20);
    assert_eq!(record["frames"], 8);
    let warnings = record["warnings"].to_string();
    assert!(warnings.contains("sees the last of the 5 known frames"), "{warnings}");
    let (other, same) = extend("other", 10, 20);
    assert_ne!(record["id"], other["id"], "another request");
    assert!(frames == same, "what comes before the last frame changes nothing");
    let (_, changed) = extend("changed", 0, 60);
    assert!(frames != changed, "the last frame does");
}

#[test]
fn a_clip_is_generated_from_text_alone() {
    let bench = Bench::new();
    let text = |prompt: &str| {
        done(&bench, &["generate", "--size", "96x64", "--frames", "6", "--guidance", "1", "--prompt", prompt])
    };
    let ((record, red), (_, blue)) = (text("a red ball"), text("a blue box"));
    assert_eq!(record["frames"], 6);
    assert_eq!(record["warnings"].to_string().matches("known frames").count(), 0);
    assert!(red != blue);
}

#[test]
fn jobs_that_it_cannot_do_are_told_with_the_nearest_that_it_can() {
    let bench = Bench::new();
    let (before, after) = (shot(&bench, "before", 0, 20), shot(&bench, "after", 30, 40));
    let picture = bench.footage("references", 0..1, SIZE).file(0).display().to_string();
    let generate = ["generate", "--size", "96x64", "--frames"];
    let jobs = [
        (
            vec!["fill", "--before", &before, "--after", &after, "--frames", "8"],
            ["frames after", "Extend after"],
        ),
        (
            vec!["extend", "--clip", &after, "--direction", "before", "--frames", "8"],
            ["frames after", "\"Generate\", from text alone"],
        ),
        ([&generate[..], &["8", "--reference", &picture]].concat(), ["reference pictures", "Remove"]),
        (
            [&generate[..], &["40"]].concat(),
            ["at most 33 frames at a time here, got 40", "33 frames or fewer"],
        ),
    ];
    for (arguments, words) in &jobs {
        let answer = ask(&bench, arguments);
        assert_eq!(answer.code, Some(4), "{arguments:?}: {}", answer.err);
        let error = &serde_json::from_str::<Value>(&answer.out).unwrap()["error"];
        for (field, word) in ["message", "hint"].into_iter().zip(words) {
            assert!(error[field].as_str().unwrap().contains(word), "{word:?}: {error}");
        }
        assert!(bench.store().takes().is_empty());
    }
}
