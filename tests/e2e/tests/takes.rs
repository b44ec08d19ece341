//! The buttons and controls around Generate: gaps, estimates, and the takes of a task.

use pickup_e2e::{Bench, Footage, Played, Scene, tiny_package};
use serde_json::{Value, json};

const SIZE: (u32, u32) = (96, 56);
const SPAN: (i64, i64) = (8, 11);

fn scene(footage: &Footage) -> Scene {
    Scene::fill(SIZE, (0, 19))
        .pictures(0, &footage.pattern(), 0, 8)
        .pictures(12, &footage.pattern(), 12, 8)
        .with("model", "tiny-wan-vace")
}

fn shot() -> (Bench, Footage) {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    (bench, footage)
}

fn play(bench: &Bench, scene: &Scene) -> Played {
    bench.play_with(scene, &[("PICKUP_MODELS", Some(tiny_package().as_os_str()))])
}

fn button(scene: Scene, name: &str, time: i64) -> Scene {
    scene.step(json!({"press": name, "time": time, "expect": "ok"}))
}

fn ask(scene: Scene) -> Scene {
    scene.step(json!({"get": ["status", "takeState", "take", "seed", "spanStart", "spanEnd"]}))
}

fn values(played: &Played, name: &str) -> Vec<Value> {
    played.report.steps.iter().filter_map(|step| step.values.get(name).cloned()).collect()
}

fn hashes(played: &Played) -> Vec<Vec<String>> {
    let of = |step: &&pickup_test_host::report::StepReport| {
        step.frames.iter().map(|frame| frame.hash.clone().unwrap_or_default()).collect()
    };
    played.renders().iter().map(of).collect()
}

#[test]
fn a_gap_is_proposed_by_the_button_and_the_user_s_numbers_win() {
    let (bench, footage) = shot();
    let played = play(&bench, &ask(button(scene(&footage), "findGap", 0)));
    assert_eq!((values(&played, "spanStart"), values(&played, "spanEnd")), (vec![json!(8)], vec![json!(11)]));
    assert!(played.statuses()[0].contains("frames 8 to 11"), "{:?}", played.statuses());
    assert!(bench.store().takes().is_empty(), "nothing is made");
    let played = play(&bench, &scene(&footage).span(8, 9).press(9));
    assert_eq!(played.states()[0]["span"], json!({"first": 8, "last": 9}));
}

/// Frames that fade to black, a few black ones, and frames that fade in.
#[test]
fn a_fade_through_black_is_no_gap() {
    let (bench, _) = shot();
    let folder = bench.path("fade");
    std::fs::create_dir_all(&folder).unwrap();
    for frame in 0..20u32 {
        let left = (frame as f32 - 9.5).abs() - 1.5;
        let light = (left / 6.0).clamp(0.0, 1.0);
        let mut picture = pickup_e2e::picture(frame, SIZE);
        picture
            .pixels_mut()
            .for_each(|pixel| pixel.0 = pixel.0.map(|value| (f32::from(value) * light) as u8));
        picture.save(folder.join(format!("{frame:06}.png"))).unwrap();
    }
    let pattern = folder.join("%06d.png").display().to_string();
    let faded = Scene::fill(SIZE, (0, 19)).pictures(0, &pattern, 0, 20);
    let in_vain = faded.step(json!({"press": "findGap", "time": 9, "expect": "failed"})).get();
    let played = play(&bench, &in_vain);
    assert!(played.statuses()[0].contains("no missing frames"), "{:?}", played.statuses());
}

#[test]
fn takes_of_a_task_are_stepped_through_and_one_is_kept() {
    let (bench, footage) = shot();
    let file = bench.path("project.json");
    let mut all = scene(&footage);
    for seed in 1..=3 {
        all = ask(all.set("seed", seed).press(9).look(SPAN));
    }
    all = ask(all.set("take", 1).look(SPAN));
    all = ask(button(all, "keep", 9).set("seed", 4).press(9).look(SPAN)).step(json!({"save": file}));
    let played = play(&bench, &all);
    let shown = hashes(&played);
    assert_ne!(shown[0], shown[1]);
    assert_eq!(shown[3], shown[0], "the first take again");
    assert_eq!(shown[4], shown[0], "and it stays, although another one was made");
    let statuses: Vec<String> =
        values(&played, "status").iter().map(|status| status.as_str().unwrap().to_owned()).collect();
    assert!(statuses.iter().any(|status| status.contains("(3 of 3)")), "{statuses:?}");
    assert!(statuses.iter().any(|status| status.contains("(1 of 3) is shown")), "{statuses:?}");
    assert!(statuses.last().unwrap().contains("which is kept"), "{statuses:?}");
    assert_eq!(bench.store().takes().len(), 4);
    let state = played.states().pop().unwrap();
    assert_eq!((state["version"].clone(), state["takes"].as_array().unwrap().len()), (json!(2), 4));

    let reopened = scene(&footage).step(json!({"load": file})).look(SPAN).set("take", 2).look(SPAN);
    let shown_again = hashes(&play(&bench, &reopened));
    assert_eq!(shown_again, [shown[0].clone(), shown[1].clone()]);
}

/// Each take has its own note, which steps with it, and the command line tells.
#[test]
fn what_is_noted_for_a_take_stays_with_it() {
    let (bench, footage) = shot();
    let noted = |scene: Scene, note: &str| scene.set("takeNote", note);
    let first = noted(scene(&footage).set("takeNote", "too early").get().press(9), "the calm one");
    let second =
        noted(first.set("seed", 1).press(9).step(json!({"get": ["takeNote"]})), "the wild one").get();
    let stepped = second.set("take", 1).step(json!({"get": ["takeNote"]}));
    let played = play(&bench, &stepped.set("take", 2).step(json!({"get": ["takeNote"]})));
    assert!(played.statuses()[0].contains("no take yet to note"), "{:?}", played.statuses());
    assert!(played.statuses().last().unwrap().starts_with("Noted for take"), "{:?}", played.statuses());
    assert_eq!(values(&played, "takeNote"), [json!(""), json!("the calm one"), json!("the wild one")]);
    let ids = played.takes();
    let list = bench.pickup(&["takes", "list", "--json"]).json();
    let note_of = |id: &str| {
        let take = list["takes"].as_array().unwrap().iter().find(|take| take["id"] == json!(id)).unwrap();
        take["note"].clone()
    };
    let (calm, wild) = (&ids[1], &ids[2]);
    assert_eq!((note_of(calm), note_of(wild)), (json!("the calm one"), json!("the wild one")));
    assert!(bench.pickup(&["takes", "list"]).out.contains("the wild one"));
    bench.pickup(&["takes", "note", calm, "better"]);
    assert!(bench.pickup(&["takes", "show", calm]).out.contains("note: better"));
}

#[test]
fn new_seeds_make_new_takes_and_the_final_of_a_draft_has_its_seed() {
    let (bench, footage) = shot();
    let drafts = scene(&footage).with("seedMode", 1).with("quality", 0).with("steps", 0);
    let all = ask(ask(ask(drafts.press(9)).press(9)).set("quality", 1).press(9));
    let played = play(&bench, &all);
    let seeds: Vec<i64> = values(&played, "seed").iter().map(|seed| seed.as_i64().unwrap()).collect();
    assert_eq!(seeds.len(), 3);
    assert_ne!(seeds[0], seeds[1]);
    assert_eq!(seeds[1], seeds[2], "the final starts from the draft's seed");
    let drafts = values(&played, "status")
        .iter()
        .filter(|status| status.as_str().unwrap().starts_with("Draft take"))
        .count();
    assert_eq!(drafts, 4, "each of the two drafts, asked for twice");
    assert_eq!(bench.store().takes().len(), 3);
}

#[test]
fn an_estimate_is_made_from_past_runs_and_makes_nothing() {
    let (bench, footage) = shot();
    // The worker is asked in the background; the answer is there when the button is pressed again.
    let estimate = |scene: Scene| {
        let asked = button(scene, "estimate", 9).step(json!({"wait": 4}));
        button(asked, "estimate", 9).get()
    };
    let after = estimate(estimate(scene(&footage).span(SPAN.0, SPAN.1)).press(9)).set("seed", 9);
    // An answer that does not come at once is shown by whatever is changed next.
    let asked = button(after, "estimate", 9).get().step(json!({"wait": 4}));
    let played = play(&bench, &asked.step(json!({"set": {"contextFrames": 4}})).get());
    let statuses = played.statuses();
    assert!(
        statuses[0].contains("has not run here yet") && statuses[0].contains("GB of memory"),
        "{statuses:?}"
    );
    assert!(statuses[2].contains("made before"), "{statuses:?}");
    assert!(statuses[3..].iter().any(|status| status.starts_with("Generate takes about")), "{statuses:?}");
    assert_eq!(bench.store().takes().len(), 1);
}

#[test]
fn a_host_without_neighbours_is_told_what_was_shown_and_what_is_needed() {
    let (bench, footage) = shot();
    let lonely = scene(&footage).project("temporal_access", false).with("job", 2).span(8, 11);
    let played = play(&bench, &lonely.clone().look((2, 5)).press_in_vain(8));
    let status = played.statuses()[0].to_owned();
    assert!(status.contains("shown were frames 2 to 5") && status.contains("needed is frame 7"), "{status}");
    let played = play(&bench, &lonely.look((5, 7)).press(8).look(SPAN));
    assert!(played.statuses()[0].contains("continued from 3 of 4 frames"), "{:?}", played.statuses());
    let record = &bench.store().take(&played.takes()[0]).record;
    assert_eq!(record["request"]["job"], json!("extend_after"));
}

/// Frames belong to the clip: an instance that is made anew has them as soon as it shows one of them again.
#[test]
fn a_new_instance_has_the_frames_that_the_last_one_was_shown() {
    let (bench, footage) = shot();
    let lonely = scene(&footage).project("temporal_access", false).with("job", 2).span(8, 11);
    let anew = lonely.look((4, 7)).step(json!({"recreate": true}));
    let told = anew.clone().press_in_vain(8);
    let played = play(&bench, &told);
    assert!(played.statuses()[0].contains("none was shown yet"), "{:?}", played.statuses());
    let played = play(&bench, &anew.look((7, 7)).press(8));
    let status = played.statuses()[0].to_owned();
    assert!(status.starts_with("Take ") && !status.contains("continued from"), "{status}");
}
