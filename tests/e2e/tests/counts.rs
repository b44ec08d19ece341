//! As many frames as were asked for, at the timeline's exact rate.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{Bench, Footage, Scene, StoredTake, figure, tiny_package};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SIZE: (u32, u32) = (64, 48);
/// Frames at which model lengths (4n+1), windows and the ends meet.
const EVERY_RATE: [i64; 5] = [1, 5, 13, 17, 64];

/// A timeline's rate: as a decimal, and as the fraction that is meant.
const RATES: [(&str, [u32; 2]); 5] =
    [("23.976", [24000, 1001]), ("24", [24, 1]), ("25", [25, 1]), ("29.97", [30000, 1001]), ("30", [30, 1])];

/// Every N from 1 to 64 at every rate under `cargo xtask accept`; else each at one of the rates, in
/// turn, and some at all of them.
fn wanted(rate: usize) -> BTreeSet<i64> {
    if std::env::var_os("PICKUP_ACCEPT").is_some() {
        return (1..=64).collect();
    }
    (1..=64).filter(|n| *n as usize % RATES.len() == rate).chain(EVERY_RATE).collect()
}

/// Spans of `counts` frames between four known ones on each side, one after another in one session.
fn scene(footage: &Footage, fraction: [u32; 2], counts: &BTreeSet<i64>) -> Scene {
    let frames = footage.frames();
    let scene = Scene::fill(SIZE, (0, 75))
        .project("rate", json!(fraction))
        .with("model", "tiny-wan-vace")
        .pictures(0, &footage.pattern(), frames.start, 76);
    counts.iter().fold(scene, |scene, count| {
        let set = json!({"set": {"spanStart": 4, "spanEnd": 3 + count, "prompt": format!("{count}")}});
        scene.step(set).press(4).look((3, 4 + count))
    })
}

fn check_record(take: &StoredTake, count: i64, fraction: [u32; 2]) {
    let record = &take.record;
    let canvas = &record["request"]["canvas"];
    let unknown = canvas["slots"].as_array().unwrap().iter().filter(|slot| *slot == "unknown").count();
    assert_eq!(record["frames"], json!(count));
    assert_eq!(unknown as i64, count);
    assert_eq!(canvas["rate"], json!(fraction), "the rate is kept as a fraction");
    assert_eq!(take.pixels().len() as i64, count * i64::from(SIZE.0 * SIZE.1) * 8);
}

#[test]
fn acceptance_frame_counts_through_the_bundle() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..76, SIZE);
    let tiny = tiny_package();
    let mut every = BTreeSet::new();
    let mut jobs = 0;
    for (rate, (name, fraction)) in RATES.iter().enumerate() {
        let counts = wanted(rate);
        let setup = [("PICKUP_MODELS", Some(tiny.as_os_str()))];
        let played = bench.play_with(&scene(&footage, *fraction, &counts), &setup);
        let (states, renders) = (played.states(), played.renders());
        assert_eq!((states.len(), renders.len()), (counts.len(), counts.len()));
        let mut right = 0;
        for ((count, state), render) in counts.iter().zip(&states).zip(&renders) {
            check_record(&bench.store().take(state["take"].as_str().unwrap()), *count, *fraction);
            assert_eq!(state["span"], json!({"first": 4, "last": 3 + count}));
            let made = render.frames.iter().filter(|frame| frame.identity.is_none()).count();
            assert_eq!(made as i64, *count, "at {name}: frames before and after the span are the source's");
            right += 1;
        }
        figure(&format!("frame counts right at {name} fps"), format!("{right} of {}", counts.len()), "all");
        jobs += counts.len();
        every.extend(counts);
    }
    assert!(every == (1..=64).collect(), "every N from 1 to 64");
    figure("frame counts tried, N from 1 to 64", format!("{} in {jobs} jobs", every.len()), "64");
}

#[test]
fn acceptance_frame_counts_through_the_command_line() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..8, SIZE);
    let after = bench.footage("after", 30..38, SIZE);
    let tiny = tiny_package();
    let mut right = 0;
    for ((rate, fraction), count) in RATES.iter().zip([64, 1, 17, 13, 5]) {
        let out = bench.path(&format!("out {rate}"));
        let (frames, place) = (count.to_string(), out.display().to_string());
        let shots = [footage.folder(), after.folder()];
        let mut arguments = match count % 2 {
            0 => vec!["fill", "--before", &shots[0], "--after", &shots[1]],
            _ => vec!["extend", "--clip", &shots[0]],
        };
        arguments.extend(["--frames", &frames, "--fps", rate, "--out", &place, "--json"]);
        arguments.extend(["--steps", "1", "--guidance", "1", "--context", "4", "--model", "tiny-wan-vace"]);
        let answer = bench.pickup_with(&arguments, &[("PICKUP_MODELS", Some(tiny.as_os_str()))]).json();
        assert_eq!(answer["frames"], json!(count));
        let take = bench.store().take(answer["take"].as_str().unwrap());
        check_record(&take, count, *fraction);
        let names: BTreeSet<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let expected: BTreeSet<_> =
            (0..count).map(|n| format!("frame_{n:06}.png")).chain(["take.json".to_owned()]).collect();
        assert_eq!(names, expected);
        let copy: Value = serde_json::from_slice(&std::fs::read(out.join("take.json")).unwrap()).unwrap();
        assert_eq!(copy, take.record);
        right += 1;
    }
    figure("frame counts right through the command line, all rates", format!("{right} of 5"), "5");
}
