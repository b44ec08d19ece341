//! The real worker, the real ONNX Runtime, a tiny package with random weights.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use pickup_core::protocol::{FromWorker, PROTOCOL, ToWorker, read_message, write_message};
use pickup_core::{
    Canvas, Error, ErrorKind, Event, FrameRate, Phase, PlateId, Provider, ProviderChoice, Request, TakeId,
};
use pickup_takes::{PlateImage, Store};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (64, 48);

/// A store and caches of their own.
struct Studio {
    folder: tempfile::TempDir,
    store: Store,
}

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(&folder.path().join("store"))).unwrap();
        Self { folder, store }
    }

    fn worker(&self, environment: &[(&str, &str)]) -> Worker {
        let mut worker = self.start(environment);
        worker.say(&ToWorker::Hello { protocol: PROTOCOL });
        assert!(matches!(worker.hear(), Some(FromWorker::Hello { protocol: PROTOCOL, .. })));
        worker
    }

    fn start(&self, environment: &[(&str, &str)]) -> Worker {
        let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
        let mut child = Command::new(env!("CARGO_BIN_EXE_pickup-worker"))
            .env("PICKUP_STORE", self.store.root())
            .env("PICKUP_CACHE", self.folder.path().join("cache"))
            .env("XDG_CACHE_HOME", self.folder.path().join("stamps"))
            .env("PICKUP_MODELS", goldens)
            .env("PICKUP_THREADS", "1")
            .env_remove("PICKUP_FAULT")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Worker { input: child.stdin.take(), output: child.stdout.take().unwrap(), child }
    }

    fn plate(&self, level: f32) -> PlateId {
        let (width, height) = SIZE;
        let value =
            |at: u32| half::f16::from_f32((level + 0.3 * ((at / 4) as f32 * 0.1).sin()).clamp(0.0, 1.0));
        let pixels: Vec<_> = (0..width * height * 4).map(value).collect();
        self.store.put_plate(&PlateImage { width, height, pixels: &pixels }).unwrap()
    }

    fn request(&self, unknown: usize, steps: u32) -> Request {
        let rate = FrameRate::new(24, 1).unwrap();
        let (before, after) = (vec![self.plate(0.3); 4], vec![self.plate(0.6); 4]);
        let mut request = Request::new(Canvas::around(SIZE, rate, before, unknown, after));
        request.model = "tiny-wan-vace".into();
        request.prompt = "a red ball".into();
        request.settings.steps = Some(steps);
        request
    }

    fn is_untouched(&self) -> bool {
        self.store.list().unwrap().is_empty()
    }

    fn aside(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.store.root().join("tmp")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Worker {
    fn say(&mut self, message: &ToWorker) {
        write_message(self.input.as_mut().unwrap(), message).unwrap();
    }

    /// The next message; `None` when the worker has ended. Anything else on its stdout is a failure.
    fn hear(&mut self) -> Option<FromWorker> {
        match read_message(&mut self.output) {
            Ok(message) => message,
            Err(error) => panic!("not a message: {error}"),
        }
    }

    fn run(&mut self, job: u64, request: &Request) {
        let request = Box::new(request.clone());
        self.say(&ToWorker::Run { job, request, provider: ProviderChoice::Cpu });
    }

    /// Events until the answer; the answer is `None` if the worker ended.
    fn answer(&mut self, job: u64) -> (Vec<Event>, Option<FromWorker>) {
        let mut events = Vec::new();
        loop {
            match self.hear() {
                Some(FromWorker::Event { job: of, event }) if of == job => events.push(event),
                other => return (events, other),
            }
        }
    }

    fn done(&mut self, job: u64) -> (Vec<Event>, TakeId, bool) {
        match self.answer(job) {
            (events, Some(FromWorker::Done { job: of, take, reused, provider: Provider::Cpu }))
                if of == job =>
            {
                (events, take, reused)
            }
            (_, other) => panic!("expected a take, got {other:?}"),
        }
    }

    fn failed(&mut self, job: u64) -> Error {
        match self.answer(job).1 {
            Some(FromWorker::Failed { job: of, error }) if of == job => error,
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    /// Waits until `phase` is reported.
    fn wait_for(&mut self, phase: Phase) {
        loop {
            match self.hear().expect("the worker goes on") {
                FromWorker::Event { event: Event::Progress(progress), .. } if progress.phase == phase => {
                    return;
                }
                FromWorker::Event { .. } => {}
                other => panic!("expected {phase:?}, got {other:?}"),
            }
        }
    }

    /// Whether the process ends by itself within `limit`; its exit code, if it has one.
    fn ends_within(&mut self, limit: Duration) -> Option<Option<i32>> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.code());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_job_is_done_once_and_told_in_order() {
    let studio = Studio::new();
    let mut worker = studio.worker(&[]);
    let request = studio.request(5, 4);
    worker.run(1, &request);
    let (events, take, reused) = worker.done(1);
    assert!(!reused);
    let progress: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Progress(progress) => Some(*progress),
            Event::Warning(_) => None,
        })
        .collect();
    assert!(progress.windows(2).all(|pair| pair[0].fraction <= pair[1].fraction));
    assert_eq!(progress.iter().filter(|one| one.phase == Phase::Denoise && one.steps == 4).count(), 5);
    let stored = studio.store.open_take(&take).unwrap();
    stored.verify().unwrap();
    assert_eq!((stored.frame_count(), stored.width(), stored.height()), (5, SIZE.0, SIZE.1));
    assert!(stored.record().runtime.starts_with("1.") && stored.record().peak_memory.is_some());
    worker.run(2, &request);
    let (events, again, reused) = worker.done(2);
    assert_eq!((again, reused), (take, true));
    assert!(events.len() <= 1, "nothing is run: {events:?}");
    worker.say(&ToWorker::Shutdown);
    assert_eq!(worker.ends_within(Duration::from_secs(2)), Some(Some(0)));
}

#[test]
fn the_same_seed_makes_the_same_frames_in_another_process() {
    let frames = |seed: u64| {
        let studio = Studio::new();
        let mut worker = studio.worker(&[]);
        let mut request = studio.request(3, 2);
        request.settings.seed = seed;
        worker.run(1, &request);
        let (_, take, _) = worker.done(1);
        let take = studio.store.open_take(&take).unwrap();
        (0..3).flat_map(|frame| take.frame(frame).to_vec()).collect::<Vec<_>>()
    };
    let first = frames(11);
    assert_eq!(first, frames(11));
    assert_ne!(first, frames(12));
}

#[test]
fn a_cancel_in_any_phase_is_answered_at_once_and_the_next_job_works() {
    let studio = Studio::new();
    let mut worker = studio.worker(&[]);
    for (job, phase) in (1..).zip([Phase::Load, Phase::Text, Phase::Encode, Phase::Denoise]) {
        let mut request = studio.request(21, 200);
        request.settings.seed = job;
        worker.run(job, &request);
        worker.wait_for(phase);
        let told = Instant::now();
        worker.say(&ToWorker::Cancel { job });
        assert_eq!(worker.failed(job).kind, ErrorKind::Cancelled, "{phase:?}");
        assert!(told.elapsed() < Duration::from_secs(2), "{phase:?} took {:?}", told.elapsed());
        assert!(studio.is_untouched() && studio.aside().is_empty());
    }
    worker.say(&ToWorker::Cancel { job: 77 });
    worker.run(9, &studio.request(5, 2));
    assert!(!worker.done(9).2);
}

#[test]
fn a_closed_pipe_ends_it_in_the_middle_of_a_run() {
    let studio = Studio::new();
    let mut worker = studio.worker(&[]);
    worker.run(1, &studio.request(21, 200));
    worker.wait_for(Phase::Denoise);
    worker.input = None;
    assert_eq!(worker.ends_within(Duration::from_secs(1)), Some(Some(0)));
    assert!(studio.is_untouched());
    // The next writer clears away what the dead one left.
    let mut worker = studio.worker(&[]);
    worker.run(1, &studio.request(1, 1));
    worker.done(1);
    assert_eq!(studio.aside(), Vec::<PathBuf>::new());
}

#[test]
fn an_abort_in_any_phase_leaves_no_take_and_the_next_worker_makes_it() {
    let studio = Studio::new();
    let request = studio.request(5, 2);
    for phase in ["load", "text", "encode", "denoise", "decode", "join", "store"] {
        let mut worker = studio.worker(&[("PICKUP_FAULT", &format!("abort@{phase}"))]);
        worker.run(1, &request);
        assert_eq!(worker.answer(1).1, None, "{phase}: the end of the pipe");
        assert!(worker.ends_within(Duration::from_secs(5)).is_some_and(|code| code != Some(0)));
        assert!(studio.is_untouched(), "{phase}");
    }
    let mut worker = studio.worker(&[]);
    worker.run(1, &request);
    assert!(!worker.done(1).2);
    assert_eq!(studio.aside(), Vec::<PathBuf>::new());
}

#[test]
fn a_panic_is_an_answer_and_a_stall_hears_only_a_kill() {
    let studio = Studio::new();
    let mut worker = studio.worker(&[("PICKUP_FAULT", "panic@denoise")]);
    worker.run(1, &studio.request(5, 2));
    let error = worker.failed(1);
    assert!(error.kind == ErrorKind::Runtime && error.message.contains("asked for it"), "{error:?}");
    worker.say(&ToWorker::Doctor { job: 2 });
    assert!(matches!(worker.answer(2).1, Some(FromWorker::Report { job: 2, .. })), "it lives");
    let mut stalled = studio.worker(&[("PICKUP_FAULT", "stall@decode")]);
    stalled.run(1, &studio.request(5, 2));
    stalled.wait_for(Phase::Decode);
    stalled.say(&ToWorker::Cancel { job: 1 });
    assert_eq!(stalled.ends_within(Duration::from_millis(300)), None);
    drop(stalled);
    assert!(studio.is_untouched());
}

#[test]
fn it_leaves_when_idle_and_not_before() {
    let studio = Studio::new();
    let mut worker = studio.worker(&[("PICKUP_IDLE_SECONDS", "1")]);
    assert_eq!(worker.ends_within(Duration::from_millis(500)), None);
    worker.run(1, &studio.request(2, 1));
    worker.done(1);
    assert_eq!(worker.ends_within(Duration::from_millis(500)), None, "a job starts the time anew");
    assert_eq!(worker.ends_within(Duration::from_secs(3)), Some(Some(0)));
}

#[test]
fn estimates_and_findings_are_told() {
    let studio = Studio::new();
    let mut worker = studio.worker(&[]);
    let request = Box::new(studio.request(50, 2));
    worker.say(&ToWorker::Estimate { job: 1, request: request.clone(), provider: ProviderChoice::Auto });
    let Some(FromWorker::Estimate { job: 1, estimate }) = worker.answer(1).1 else {
        panic!("expected an estimate")
    };
    assert!(!estimate.exists && estimate.windows.len() > 1 && estimate.memory.peak() > 0, "{estimate:?}");
    worker.run(2, &request);
    assert_eq!(worker.done(2).1, estimate.take);
    worker.say(&ToWorker::Estimate { job: 3, request, provider: ProviderChoice::Cpu });
    let Some(FromWorker::Estimate { estimate, .. }) = worker.answer(3).1 else {
        panic!("expected an estimate")
    };
    assert!(estimate.exists && estimate.seconds.is_some());
    worker.say(&ToWorker::Doctor { job: 4 });
    let Some(FromWorker::Report { findings, .. }) = worker.answer(4).1 else { panic!("expected findings") };
    let good = |subject: &str| findings.iter().any(|finding| finding.subject == subject && finding.good);
    assert!(["ONNX Runtime", "CPU", "Model", "Take store", "Cache"].into_iter().all(good), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.good || !finding.remedy.is_empty()), "{findings:?}");
}

#[test]
fn what_a_library_prints_is_no_message_and_kernels_are_heard() {
    let studio = Studio::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/tiny_wan_vace");
    let mut worker = studio.worker(&[("PICKUP_FAULT", "print@denoise")]);
    let inspect = |worker: &mut Worker, job| {
        let (folder, provider) = (folder.clone(), ProviderChoice::Cpu);
        worker.say(&ToWorker::Inspect { job, folder, provider });
        match worker.answer(job).1 {
            Some(FromWorker::Inspected { job: of, inspection }) if of == job => inspection,
            other => panic!("expected an inspection, got {other:?}"),
        }
    };
    assert!(inspect(&mut worker, 1).kernels.is_empty(), "nothing has run");
    worker.run(2, &studio.request(5, 2));
    worker.done(2);
    let inspection = inspect(&mut worker, 3);
    assert_eq!(inspection.kernels, [("FLASH_ATTENTION".to_owned(), 1)].into());
    let counts = |graph: &str| {
        let found = inspection.graphs.iter().find(|placed| placed.graph == graph).unwrap();
        assert_eq!(found.counts.len(), 1, "one provider: {found:?}");
        (found.counts[0].provider, found.counts[0].nodes() > 50, found.counts[0].attention())
    };
    // Three layers and two of the control, each with attention to itself and to the text.
    assert_eq!(counts("transformer"), (Provider::Cpu, true, 10));
    assert_eq!(counts("text_encoder"), (Provider::Cpu, true, 0));
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let studio = Studio::new();
    let absent = studio.folder.path().join("absent.so");
    let junk = studio.folder.path().join("junk.so");
    std::fs::write(&junk, vec![b'x'; 4096]).unwrap();
    for library in [&absent, &junk] {
        let mut worker = studio.worker(&[("PICKUP_ONNXRUNTIME", library.to_str().unwrap())]);
        worker.run(1, &studio.request(5, 2));
        let error = worker.failed(1);
        assert!(error.kind == ErrorKind::Runtime && !error.hint.is_empty(), "{error:?}");
        worker.run(2, &Request { model: "absent".into(), ..studio.request(5, 2) });
        assert_eq!(worker.failed(2).kind, ErrorKind::Model, "it still answers");
    }
    assert!(studio.is_untouched() && studio.aside().is_empty());
}

#[test]
fn a_parent_that_does_not_make_sense_is_left() {
    let studio = Studio::new();
    let mut early = studio.start(&[]);
    early.say(&ToWorker::Doctor { job: 1 });
    assert_eq!(early.ends_within(Duration::from_secs(2)), Some(Some(1)));
    let mut old = studio.start(&[]);
    old.say(&ToWorker::Hello { protocol: PROTOCOL + 1 });
    assert!(
        matches!(old.hear(), Some(FromWorker::Hello { protocol: PROTOCOL, .. })),
        "it says what it speaks"
    );
    assert_eq!(old.ends_within(Duration::from_secs(2)), Some(Some(1)));
    let mut noisy = studio.worker(&[]);
    noisy.input.as_mut().unwrap().write_all(b"\xff\xff\xff\xffnoise").unwrap();
    assert_eq!(noisy.ends_within(Duration::from_secs(2)), Some(Some(1)));
    let version = Command::new(env!("CARGO_BIN_EXE_pickup-worker")).arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8(version.stdout).unwrap().trim(),
        format!("pickup-worker {}", env!("CARGO_PKG_VERSION"))
    );
}
