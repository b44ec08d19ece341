//! How many clicks a job takes, with the parameters as the plugin describes them.

use pickup_e2e::{Bench, Footage, Scene, User, figure};
use serde_json::{Value, json};

const SIZE: (u32, u32) = (64, 40);
const ALL: (i64, i64) = (0, 19);

/// The first eight frames of a clip of twenty, and the last eight where it goes on.
fn clip(footage: &Footage, goes_on: bool) -> Scene {
    let scene = Scene::fill(SIZE, ALL).pictures(0, &footage.pattern(), 0, 8);
    if goes_on { scene.pictures(12, &footage.pattern(), 12, 8) } else { scene }
}

struct Done {
    /// As the take's record names it.
    job: Value,
    frames: Value,
    /// Edits and presses that the host passed on to the plugin.
    told: usize,
}

/// Lets the host do what a user did.
fn done(bench: &Bench, user: &User) -> Option<Done> {
    let played = bench.play(&user.scene.clone().get());
    let told = played.report.steps.iter().filter(|step| step.step.contains("\"time\"")).count();
    let take = played.takes().into_iter().find(|take| !take.is_empty())?;
    let record = bench.store().take(&take).record;
    Some(Done { job: record["request"]["job"].clone(), frames: record["frames"].clone(), told })
}

#[test]
fn acceptance_hosts_jobs_take_few_clicks() {
    let bench = Bench::new();
    let footage = bench.footage("footage", 0..20, SIZE);
    let generator = Scene::generate(SIZE).project("range", json!([0, 8]));
    let jobs = [
        ("fill", 3, User::applies(clip(&footage, true)).types("a rabbit"), 9, json!("fill"), 4),
        ("extend", 2, User::applies(clip(&footage, false)), 9, json!("extend_after"), 12),
        ("generate", 4, User::applies(generator).types("a red circle"), 0, json!("generate"), 9),
    ];
    for (name, most, prepared, time, job, frames) in jobs {
        assert!(done(&bench, &prepared).is_none(), "{name}: nothing is made before the last click");
        let user = prepared.presses("generate", time);
        let done = done(&bench, &user).unwrap();
        assert_eq!((done.job, done.frames), (job, json!(frames)), "{name}");
        // All but putting the effect on the clip went through the host.
        assert_eq!(done.told, user.clicks - 1 + usize::from(user.has_typed), "{name}");
        let prompt = if user.has_typed { " and the prompt" } else { "" };
        figure(
            &format!("clicks to {name}"),
            format!("{}{prompt}", user.clicks),
            format!("≤ {most} and the prompt"),
        );
        assert!(user.clicks <= most, "{name}: {} clicks", user.clicks);
    }
}
