//! The client against a real process that does everything wrong.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_client::{Client, ClientOptions, Finished, Patience};
use pickup_core::{
    Cancel, Canvas, ErrorKind, Event, FrameRate, Phase, Provider, ProviderChoice, Request, TakeId,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

const PHASES: [&str; 7] = ["load", "text", "encode", "denoise", "decode", "join", "store"];

struct Bench {
    client: Client,
    folder: tempfile::TempDir,
}

fn bench_with(script: &str, once: bool, change: impl FnOnce(&mut ClientOptions)) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let mut environment = vec![("PICKUP_SCRIPT".into(), script.into())];
    if once {
        environment.push(("PICKUP_SCRIPT_ONCE".into(), folder.path().join("mark").into()));
    }
    let mut options = ClientOptions {
        worker: Some(env!("CARGO_BIN_EXE_pickup-scripted-worker").into()),
        store: Some(folder.path().join("store")),
        environment,
        patience: Patience { cancel: Duration::from_millis(300), ..Patience::default() },
    };
    change(&mut options);
    Bench { client: Client::new(options), folder }
}

fn bench(script: &str) -> Bench {
    bench_with(script, false, |_| {})
}

fn request() -> Request {
    let rate = FrameRate::new(25, 1).unwrap();
    Request::new(Canvas::around((64, 48), rate, [], 5, []))
}

impl Bench {
    fn run(&self) -> pickup_core::Result<Finished> {
        self.run_with(&Cancel::new(), &mut |_| ControlFlow::Continue(()))
    }

    fn run_with(
        &self,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Option<Event>) -> ControlFlow<()>,
    ) -> pickup_core::Result<Finished> {
        self.client.run(&request(), ProviderChoice::Auto, cancel, on_event)
    }
}

#[test]
fn a_job_tells_every_phase_and_its_warnings_and_no_stranger_s() {
    let bench = bench("run");
    let mut phases = Vec::new();
    let finished = bench
        .run_with(&Cancel::new(), &mut |event| {
            if let Some(Event::Progress(progress)) = event {
                phases.push(progress.phase);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(phases.first(), Some(&Phase::Load));
    assert_eq!((phases.len(), phases.last()), (7, Some(&Phase::Store)));
    assert_eq!(finished.warnings, ["running on the CPU"]);
    assert_eq!((finished.provider, finished.reused), (Provider::Cpu, false));
}

#[test]
fn nothing_starts_before_the_first_job() {
    let bench = bench_with("run", false, |options| options.worker = Some("/does/not/exist".into()));
    assert!(!bench.folder.path().join("store").exists());
    let error = bench.run().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Runtime);
    assert!(error.message.contains("/does/not/exist") && error.hint.contains("bundle"), "{error:?}");
}

#[test]
fn a_crash_in_any_phase_is_told_with_its_reason_and_the_next_job_runs() {
    for phase in PHASES {
        for (act, reason) in
            [("crash", if cfg!(unix) { "signal 6" } else { "exit code" }), ("exit", "exit code 3")]
        {
            let bench = bench_with(&format!("{act}:{phase}"), true, |_| {});
            let error = bench.run().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Runtime);
            assert!(error.message.contains(reason), "{phase}: {error:?}");
            assert!(error.message.contains("something terrible happened"), "{phase}: {error:?}");
            assert!(!error.hint.is_empty());
            bench.run().unwrap_or_else(|error| panic!("the job after a {act} in {phase}: {error:?}"));
        }
    }
}

#[test]
fn a_worker_that_answers_a_cancel_lives_on() {
    let bench = bench("slow");
    let cancelled = Instant::now();
    let error = bench.run_with(&Cancel::new(), &mut |_| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled, "before it was even started");
    let mut denoising = 0;
    let error = bench
        .run_with(&Cancel::new(), &mut |event| match event {
            Some(Event::Progress(progress)) if progress.phase == Phase::Denoise => {
                denoising += 1;
                if denoising > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_secs(2));
    assert_eq!(bench.client.doctor(&Cancel::new()).unwrap(), []);
}

#[test]
fn a_cancel_from_another_thread_kills_a_worker_that_does_not_answer() {
    for phase in ["load", "denoise", "store"] {
        let bench = bench_with(&format!("stall:{phase}"), true, |_| {});
        let cancel = Cancel::new();
        let raised = cancel.clone();
        let canceller = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            raised.cancel();
            Instant::now()
        });
        let error = bench.run_with(&cancel, &mut |_| ControlFlow::Continue(())).unwrap_err();
        let answered = canceller.join().unwrap().elapsed();
        assert_eq!(error.kind, ErrorKind::Cancelled);
        assert!(answered < Duration::from_secs(1), "{phase}: answered after {answered:?}");
        bench.run().unwrap();
    }
}

#[test]
fn a_second_cancel_does_not_wait() {
    let patient = |options: &mut ClientOptions| options.patience.cancel = Duration::from_secs(60);
    let bench = bench_with("stall:denoise", true, patient);
    let (begun, mut calls) = (Instant::now(), 0);
    let error = bench
        .run_with(&Cancel::new(), &mut |_| {
            calls += 1;
            if calls == 20 {
                bench.client.hurry();
            }
            if calls > 12 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(5));
    bench.run().unwrap();
}

#[test]
fn the_callback_is_called_although_the_worker_is_silent() {
    let bench = bench("quiet");
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    bench
        .run_with(&Cancel::new(), &mut |_| {
            longest = longest.max(last.elapsed());
            last = Instant::now();
            ControlFlow::Continue(())
        })
        .unwrap();
    // 100 ms are promised; a busy machine gets some more.
    assert!(longest < Duration::from_millis(250), "{longest:?}");
}

#[test]
fn an_idle_exit_goes_unnoticed() {
    let bench = bench("leave");
    for _ in 0..3 {
        bench.run().unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_error_of_the_worker_comes_through_as_it_is() {
    let bench = bench("fail");
    let error = bench.run().unwrap_err();
    assert_eq!((error.kind, error.hint.as_str()), (ErrorKind::Memory, "Try Draft."));
    let error = bench.client.estimate(&request(), ProviderChoice::Auto, &Cancel::new()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Model);
}

#[test]
fn a_request_that_makes_no_sense_does_not_reach_the_worker() {
    let bench = bench_with("run", false, |options| options.worker = None);
    let mut request = request();
    request.canvas.slots.clear();
    let run =
        bench.client.run(&request, ProviderChoice::Auto, &Cancel::new(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(run.unwrap_err().kind, ErrorKind::Usage);
}

#[test]
fn whatever_is_not_the_protocol_is_told() {
    for (script, word) in
        [("garbage", "protocol"), ("garbage-late", "protocol"), ("version", "protocol 4, got 5")]
    {
        let begun = Instant::now();
        let error = bench(script).run().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Runtime);
        assert!(error.message.contains(word), "{script}: {error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{script}");
    }
    let error = bench("refuse").run().unwrap_err();
    assert!(error.message.contains("cannot find a library"), "{error:?}");
    assert!(error.hint.contains("bundle"), "{error:?}");
}

#[test]
fn a_worker_that_says_nothing_is_given_up_and_can_be_cancelled_before() {
    let short = |options: &mut ClientOptions| options.patience.handshake = Duration::from_millis(300);
    let error = bench_with("mute", false, short).run().unwrap_err();
    assert!(error.message.contains("said nothing"), "{error:?}");
    let begun = Instant::now();
    let mut calls = 0;
    let error = bench("mute")
        .run_with(&Cancel::new(), &mut |_| {
            calls += 1;
            if calls > 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_file_that_is_no_program_is_told() {
    let bench = bench_with("run", false, |options| {
        let file = std::env::temp_dir().join("pickup-no-program");
        std::fs::write(&file, b"text").unwrap();
        options.worker = Some(file);
    });
    let error = bench.run().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Runtime);
    assert!(error.message.contains("did not start"), "{error:?}");
}

#[test]
fn dropping_the_client_ends_a_worker_that_would_stay() {
    let bench = bench("stay");
    bench.run().unwrap();
    let begun = Instant::now();
    drop(bench);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn jobs_of_many_threads_queue_and_one_that_waits_can_be_cancelled() {
    let bench = bench("slow");
    std::thread::scope(|scope| {
        let cancel = Cancel::new();
        let first = {
            let (bench, cancel) = (&bench, cancel.clone());
            scope.spawn(move || bench.run_with(&cancel, &mut |_| ControlFlow::Continue(())))
        };
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        let mut calls = 0;
        let second = bench.run_with(&Cancel::new(), &mut |_| {
            calls += 1;
            if calls > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(second.unwrap_err().kind, ErrorKind::Cancelled);
        assert!(begun.elapsed() < Duration::from_secs(1));
        cancel.cancel();
        assert_eq!(first.join().unwrap().unwrap_err().kind, ErrorKind::Cancelled);
    });
    let bench = self::bench("run");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.run())).collect();
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap().unwrap()));
    });
}

/// The scripted worker names its take after the `LD_PRELOAD` that it sees.
#[cfg(target_os = "linux")]
#[test]
fn the_host_s_preloads_do_not_reach_the_worker() {
    const PRELOAD: &str = "libpickup-not-there.so";
    if std::env::var_os("LD_PRELOAD").is_none() {
        let this = std::env::current_exe().unwrap();
        let name = "the_host_s_preloads_do_not_reach_the_worker";
        let again =
            std::process::Command::new(this).args(["--exact", name]).env("LD_PRELOAD", PRELOAD).output();
        let again = again.unwrap();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        return;
    }
    assert_eq!(bench("run").run().unwrap().take, TakeId::of(b""));
    let leaky = bench_with("run", false, |options| {
        options.environment.push(("LD_PRELOAD".into(), PRELOAD.into()));
    });
    assert_eq!(leaky.run().unwrap().take, TakeId::of(PRELOAD.as_bytes()), "control: it can be seen");
}

#[test]
fn files_and_folders_are_not_left_behind() {
    let bench = bench("crash:denoise");
    bench.run().unwrap_err();
    let store = bench.folder.path().join("store");
    let left: Vec<_> = std::fs::read_dir(Path::new(&store)).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
