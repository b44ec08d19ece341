//! A worker that follows a script: a real process that speaks the protocol and fails on purpose.
//!
//! `PICKUP_SCRIPT` is one of
//! `run`, `slow`, `leave` (after each job), `fail`, `quiet`, `stay` (after its input has ended),
//! `mute`, `version`, `garbage`, `garbage-late`, `crash:PHASE`, `exit:PHASE`, `stall:PHASE`,
//! `refuse`, `environment`. With `PICKUP_SCRIPT_ONCE` naming a file, the script is followed once, and
//! then `run`.

use pickup_core::protocol::{FromWorker, Inspection, PROTOCOL, ToWorker, read_message, write_message};
use pickup_core::{Error, Event, Phase, Progress, Provider, TakeId};
use std::io::Write;
use std::process::exit;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PHASES: [(&str, Phase); 7] = [
    ("load", Phase::Load),
    ("text", Phase::Text),
    ("encode", Phase::Encode),
    ("denoise", Phase::Denoise),
    ("decode", Phase::Decode),
    ("join", Phase::Join),
    ("store", Phase::Store),
];

fn main() {
    let script = script();
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        while let Ok(Some(message)) = read_message::<ToWorker>(&mut std::io::stdin()) {
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    while let Ok(message) = messages.recv() {
        match message {
            ToWorker::Hello { .. } => greet(&script),
            ToWorker::Run { job, .. } => run(&script, job, &messages),
            ToWorker::Verify { job, .. } => {
                say(&FromWorker::Verified { job, deviations: vec![], provider: Provider::Cpu });
            }
            ToWorker::Measure { job, .. } => {
                say(&FromWorker::Measured { job, memory: serde_json::json!({}), provider: Provider::Cpu })
            }
            ToWorker::Inspect { job, .. } => {
                say(&FromWorker::Inspected { job, inspection: Inspection::default() })
            }
            ToWorker::Doctor { job } => say(&FromWorker::Report { job, findings: vec![] }),
            ToWorker::Estimate { job, .. } => {
                say(&FromWorker::Failed { job, error: Error::model("no such model").hint("Add it.") });
            }
            ToWorker::Cancel { .. } => {}
            ToWorker::Shutdown => return,
        }
    }
    if script == "stay" {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn script() -> String {
    let script = std::env::var("PICKUP_SCRIPT").unwrap_or_else(|_| "run".into());
    match std::env::var_os("PICKUP_SCRIPT_ONCE") {
        Some(mark) if std::path::Path::new(&mark).exists() => "run".into(),
        Some(mark) => std::fs::write(mark, b"").map(|()| script).unwrap_or_default(),
        None => script,
    }
}

fn greet(script: &str) {
    match script {
        "mute" => std::thread::sleep(Duration::from_secs(60)),
        "garbage" => garbage(),
        "version" => say(&FromWorker::Hello { protocol: PROTOCOL + 1, version: "9.9.9".into() }),
        "refuse" => {
            eprintln!("cannot find a library");
            exit(127);
        }
        _ => say(&FromWorker::Hello { protocol: PROTOCOL, version: "0.0.0".into() }),
    }
}

fn run(script: &str, job: u64, messages: &Receiver<ToWorker>) {
    let (act, place) = script.split_once(':').unwrap_or((script, ""));
    if act == "quiet" {
        std::thread::sleep(Duration::from_millis(700));
    }
    for (step, (name, phase)) in PHASES.into_iter().enumerate() {
        progress(job, phase, step);
        if name == place {
            disturb(act);
        }
        if act == "slow" && phase == Phase::Denoise {
            return wait_for_cancel(job, messages);
        }
    }
    let take = TakeId::of(std::env::var("LD_PRELOAD").unwrap_or_default().as_bytes());
    let done = FromWorker::Done { job, take, reused: false, provider: Provider::Cpu };
    match act {
        "fail" => say(&FromWorker::Failed { job, error: Error::memory("9.1 GB needed.").hint("Try Draft.") }),
        "garbage-late" => garbage(),
        "leave" => {
            say(&done);
            exit(0);
        }
        _ => {
            say(&FromWorker::Event { job: job + 1000, event: Event::Warning("a stranger's".into()) });
            say(&FromWorker::Event { job, event: Event::Warning("running on the CPU".into()) });
            say(&done);
        }
    }
}

fn disturb(act: &str) {
    eprintln!("something terrible happened");
    match act {
        "crash" => std::process::abort(),
        "exit" => exit(3),
        "stall" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
}

fn wait_for_cancel(job: u64, messages: &Receiver<ToWorker>) {
    loop {
        match messages.recv_timeout(Duration::from_millis(20)) {
            Ok(ToWorker::Cancel { job: other }) if other == job => {
                return say(&FromWorker::Failed { job, error: Error::cancelled() });
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => exit(0),
            _ => progress(job, Phase::Denoise, 3),
        }
    }
}

fn progress(job: u64, phase: Phase, step: usize) {
    let fraction = step as f32 / PHASES.len() as f32;
    let progress = Progress { phase, step: 0, steps: 0, fraction, seconds_left: None };
    say(&FromWorker::Event { job, event: Event::Progress(progress) });
}

fn garbage() {
    let mut out = std::io::stdout();
    let _ = out.write_all(b"Segmentation fault, and other things that libraries print");
    let _ = out.flush();
    std::thread::sleep(Duration::from_secs(60));
}

fn say(message: &FromWorker) {
    if write_message(&mut std::io::stdout().lock(), message).is_err() {
        exit(0);
    }
}
