//! Whole jobs on a model whose answers are known in closed form.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Studio, progress};
use pickup_core::{Cancel, ErrorKind, Event, Phase, Quality};
use pickup_package::GraphKind;

fn assert_levels(levels: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(levels.len(), expected.len());
    let worst = levels.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "off by {worst}:\n{levels:?}\n{expected:?}");
}

/// Of 17 frames the five latent frames see the mask at 1, 5, 8, 11 and 15 (nearest-exact). With 8
/// frames known before and 4 after, the third and fourth are made, ⅓ and ⅔ of the way: frames 5 to 8,
/// and 9 to 12. So the known frame 7 comes back ⅙ too bright, which is taken off its neighbours by
/// the join: by distance over 12 frames, and by closeness to 7 rather than to 13.
#[test]
fn a_fill_leads_from_one_side_to_the_other() {
    let studio = Studio::new();
    let outcome = studio.run(&studio.request(8, 5, 4)).unwrap();
    assert!(!outcome.reused);
    let levels = studio.levels(&outcome);
    let expected = [8.0f32, 9.0, 10.0, 11.0, 12.0].map(|frame| {
        let made = 0.25 + 0.5 * if frame == 8.0 { 1.0 / 3.0 } else { 2.0 / 3.0 };
        made - (1.0 / 6.0) * (1.0 - (frame - 7.0) / 12.0) * (13.0 - frame) / 6.0
    });
    assert_levels(&levels, &expected, 2e-3);
    let backwards: Vec<f32> = expected.iter().rev().copied().collect();
    assert!(levels.iter().zip(&backwards).any(|(a, b)| (a - b).abs() > 0.1), "the test sees a reversed fill");
    let record = studio.store.open_take(&outcome.take).unwrap().record().clone();
    assert_eq!((record.frames, record.windows, record.steps, record.guidance), (5, vec![17], 4, 2.0));
    assert_eq!((record.runtime.as_str(), record.sampler.as_str()), ("closed form", "flow_euler"));
    assert_eq!(record.digital_source_type, "compositeWithTrainedAlgorithmicMedia");
    assert_eq!(record.warnings, ["Running on paper."]);
}

#[test]
fn extensions_hold_the_side_they_know_and_generation_follows_the_prompt() {
    let studio = Studio::new();
    let after = studio.run(&studio.request(5, 6, 0)).unwrap();
    assert_levels(&studio.levels(&after), &[0.25; 6], 2e-3);
    let before = studio.run(&studio.request(0, 13, 4)).unwrap();
    assert_levels(&studio.levels(&before), &[0.75; 13], 2e-3);
    let mut request = studio.request(0, 9, 0);
    request.prompt = "bright".into();
    request.settings.guidance = Some(1.0);
    assert_levels(&studio.levels(&studio.run(&request).unwrap()), &[0.75; 9], 2e-3);
    request.prompt = "dark".into();
    assert_levels(&studio.levels(&studio.run(&request).unwrap()), &[0.25; 9], 2e-3);
    // grey + 1.5 (dark − grey), and −0.75 in −1..1 is 0.125.
    request.settings.guidance = Some(1.5);
    let guided = studio.run(&request).unwrap();
    assert_levels(&studio.levels(&guided), &[0.125; 9], 2e-3);
    let record = studio.store.open_take(&guided.take).unwrap().record().clone();
    assert_eq!(record.digital_source_type, "trainedAlgorithmicMedia");
}

#[test]
fn every_length_is_made_exactly() {
    let studio = Studio::new();
    for unknown in (1..=24).chain([40, 64]) {
        let mut request = studio.request(5, unknown, 4);
        request.settings.quality = Quality::Draft;
        let outcome = studio.run(&request).unwrap();
        assert_eq!(studio.levels(&outcome).len(), unknown);
    }
}

/// Four windows' length of unknown frames: a chain of windows would hold ¼ until it meets the end.
#[test]
fn a_long_span_knows_its_end_from_the_start() {
    let mut studio = Studio::new();
    studio.source.keyframes = true;
    let outcome = studio.run(&studio.request(5, 64, 4)).unwrap();
    let levels = studio.levels(&outcome);
    // The closed-form model answers in stairs, so the ramp is judged by its largest step: a chain of
    // windows that forgets the end holds ¼ and then jumps by ½.
    let steps = levels.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.clone().all(|step| step > -1e-3), "never back: {levels:?}");
    assert!(steps.fold(0.0, f32::max) < 0.2, "no jump: {levels:?}");
    let record = studio.store.open_take(&outcome.take).unwrap().record().clone();
    assert!(record.windows.len() > 3 && record.windows.iter().all(|frames| frames % 4 == 1 && *frames <= 17));
}

#[test]
fn the_same_request_is_made_once_and_a_damaged_take_again() {
    let studio = Studio::new();
    let request = studio.request(5, 8, 4);
    let first = studio.run(&request).unwrap();
    let runs = studio.runs();
    let second = studio.run(&request).unwrap();
    assert_eq!((second.take, second.reused, studio.runs()), (first.take, true, runs));
    let mut other = request.clone();
    other.settings.seed = 7;
    assert_ne!(studio.run(&other).unwrap().take, first.take);
    let frames = studio.store.open_take(&first.take).unwrap().path().join("frames.bin");
    let mut bytes = std::fs::read(&frames).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::remove_file(&frames).unwrap();
    std::fs::write(&frames, bytes).unwrap();
    let third = studio.run(&request).unwrap();
    assert_eq!((third.take, third.reused), (first.take, false));
    assert_eq!(studio.levels(&third).len(), 8);
}

#[test]
fn two_at_once_make_it_once() {
    let studio = Studio::new();
    let request = studio.request(5, 8, 4);
    let reused: Vec<bool> = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..4).map(|_| scope.spawn(|| studio.run(&request).unwrap().reused)).collect();
        jobs.into_iter().map(|job| job.join().unwrap()).collect()
    });
    assert_eq!(reused.iter().filter(|reused| !**reused).count(), 1);
    assert_eq!(studio.runs(), 8, "4 guided steps");
}

#[test]
fn progress_passes_all_phases_and_never_falls() {
    let studio = Studio::new();
    let mut events = Vec::new();
    let hear = &mut |event| events.push(event);
    studio.run_heard(&mut studio.engine(), &studio.request(5, 40, 4), &Cancel::new(), hear).unwrap();
    assert!(events.contains(&Event::Warning("Running on paper.".into())));
    let reports = progress(&events);
    assert!(reports.windows(2).all(|pair| pair[0].fraction <= pair[1].fraction));
    assert_eq!((reports[0].phase, reports.last().unwrap().fraction), (Phase::Load, 1.0));
    for phase in
        [Phase::Load, Phase::Text, Phase::Encode, Phase::Denoise, Phase::Decode, Phase::Join, Phase::Store]
    {
        assert!(reports.iter().any(|report| report.phase == phase), "{phase:?}");
    }
    assert!(
        reports.iter().any(|report| report.phase == Phase::Denoise && (report.step, report.steps) == (3, 4))
    );
}

#[test]
fn a_cancel_is_heard_in_every_phase_and_leaves_nothing() {
    for phase in
        [Phase::Load, Phase::Text, Phase::Encode, Phase::Denoise, Phase::Decode, Phase::Join, Phase::Store]
    {
        let studio = Studio::new();
        let cancel = Cancel::new();
        let mut engine = studio.engine();
        let request = studio.request(5, 8, 4);
        let raise = cancel.clone();
        let hear = &mut |event: Event| {
            if matches!(&event, Event::Progress(progress) if progress.phase == phase) {
                raise.cancel();
            }
        };
        let error = studio.run_heard(&mut engine, &request, &cancel, hear).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled, "{phase:?}");
        assert!(studio.store.list().unwrap().is_empty() && studio.left_behind() == 0, "{phase:?}");
        let again = studio.run_heard(&mut engine, &request, &Cancel::new(), &mut |_| {}).unwrap();
        assert!(!again.reused, "{phase:?}");
    }
}

#[test]
fn a_failure_leaves_nothing_and_opens_graphs_anew() {
    let studio = Studio::new();
    let mut engine = studio.engine();
    studio.source.seen.lock().unwrap().fails_at = Some(3);
    let request = studio.request(5, 8, 4);
    let error = studio.run_heard(&mut engine, &request, &Cancel::new(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Runtime);
    assert!(studio.store.list().unwrap().is_empty() && studio.left_behind() == 0);
    studio.run_heard(&mut engine, &request, &Cancel::new(), &mut |_| {}).unwrap();
    let opened = studio.source.seen.lock().unwrap().opened.clone();
    assert_eq!(opened.iter().filter(|kind| **kind == GraphKind::Transformer).count(), 2);
    assert_eq!(
        opened.iter().filter(|kind| **kind == GraphKind::TextEncoder).count(),
        1,
        "the prompt was kept"
    );
    let mut other = request.clone();
    other.settings.seed = 1;
    studio.run_heard(&mut engine, &other, &Cancel::new(), &mut |_| {}).unwrap();
    let opened = studio.source.seen.lock().unwrap().opened.len();
    assert_eq!(opened, 9, "the failure came before the decoder was needed; after a success graphs stay open");
}

#[test]
fn too_little_memory_is_said_before_the_work() {
    let mut studio = Studio::new();
    studio.source.free_memory = Some(1000);
    let error = studio.run(&studio.request(5, 8, 4)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Memory);
    assert!(error.message.contains("80×48×17") && !error.hint.is_empty(), "{error:?}");
    assert!(studio.source.seen.lock().unwrap().opened.is_empty());
}

#[test]
fn bad_requests_name_what_is_wrong() {
    let studio = Studio::new();
    let kind = |change: &dyn Fn(&mut pickup_core::Request)| {
        let mut request = studio.request(5, 8, 4);
        change(&mut request);
        studio.run(&request).unwrap_err().kind
    };
    assert_eq!(kind(&|r| r.model = "absent".into()), ErrorKind::Model);
    assert_eq!(kind(&|r| r.settings.steps = Some(0)), ErrorKind::Usage);
    assert_eq!(kind(&|r| r.canvas.slots.clear()), ErrorKind::Usage);
    assert_eq!(kind(&|r| r.canvas.width = 96), ErrorKind::Input);
    assert_eq!(kind(&|r| r.references = vec![studio.plate(0.5); 3]), ErrorKind::Input);
    assert_eq!(kind(&|r| r.references = vec![pickup_core::PlateId::of(b"absent")]), ErrorKind::Storage);
    assert_eq!(studio.left_behind(), 0);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let studio = Studio::new();
    let cache = studio.folder.path().join("cache");
    std::fs::write(&cache, "a file where a folder should be").unwrap();
    let mut warnings = Vec::new();
    let hear = &mut |event: Event| {
        if let Event::Warning(text) = event {
            warnings.push(text);
        }
    };
    studio.run_heard(&mut studio.engine(), &studio.request(5, 8, 4), &Cancel::new(), hear).unwrap();
    assert!(warnings.iter().any(|text| text.contains("could not be kept")), "{warnings:?}");
}

#[test]
fn an_estimate_agrees_with_the_run() {
    let studio = Studio::new();
    let mut engine = studio.engine();
    let request = studio.request(5, 40, 4);
    let connect = || Ok(Box::new(studio.source.clone()) as Box<dyn pickup_engine::GraphSource>);
    let before = engine.estimate(&request, &connect).unwrap();
    assert_eq!((before.exists, before.seconds), (false, None));
    let outcome = studio.run_heard(&mut engine, &request, &Cancel::new(), &mut |_| {}).unwrap();
    let after = engine.estimate(&request, &connect).unwrap();
    let record = studio.store.open_take(&outcome.take).unwrap().record().clone();
    assert_eq!((after.take, after.exists), (outcome.take, true));
    assert_eq!((after.windows, after.steps), (record.windows, record.steps));
    assert!(after.seconds.is_some_and(|seconds| seconds > 0.0) && after.memory.peak() > 0);
}

#[test]
fn a_gpu_is_planned_by_what_was_measured_of_it() {
    let mut studio = Studio::new();
    let manifest = studio.folder.path().join("models/closed-form/manifest.json");
    let mut fields: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let holds = |bytes: u64| serde_json::json!({ "resident": bytes, "idle": bytes });
    let all = |bytes: u64| {
        let names = ["text_encoder", "transformer", "vae_encoder", "vae_decoder"];
        serde_json::Value::Object(names.map(|name| (name.to_owned(), holds(bytes))).into_iter().collect())
    };
    fields["memory"] = all(100_000_000);
    std::fs::write(&manifest, fields.to_string()).unwrap();
    let mut estimate = |gpu: bool| {
        studio.source.gpu = gpu;
        let connect = || Ok(Box::new(studio.source.clone()) as Box<dyn pickup_engine::GraphSource>);
        studio.engine().estimate(&studio.request(5, 8, 4), &connect).unwrap().memory
    };
    let processor = estimate(false);
    assert!(processor.measured && processor.phases.denoise > 200_000_000, "{processor:?}");
    let guess = estimate(true);
    assert!(!guess.measured && guess.phases.denoise < 100_000_000, "{guess:?}");
    fields["gpu_memory"] = all(300_000_000);
    std::fs::write(&manifest, fields.to_string()).unwrap();
    let gpu = estimate(true);
    assert!(gpu.measured, "{gpu:?}");
    // The encoder waits beside the transformer; pictures are not in the GPU's memory.
    let grown = gpu.phases.denoise - 600_000_000;
    assert_eq!((gpu.phases.join - 900_000_000, gpu.phases.encode - 300_000_000), (grown, grown));
    // What a component holds at least is gone again when it has run, and counts where it is the most.
    for (least, decode) in [(200_000_000, 900_000_000_u64), (700_000_000, 1_300_000_000)] {
        fields["gpu_memory"]["vae_decoder"]["least"] = least.into();
        std::fs::write(&manifest, fields.to_string()).unwrap();
        let phases = estimate(true).phases;
        assert_eq!((phases.decode - decode, phases.join), (grown, gpu.phases.join));
    }
}
